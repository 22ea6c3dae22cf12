//! Takes the size of a block of rows; gives how often the loops of one thread of the persistent kernel turn for it, at most.
//!
//! Mesa's software Vulkan leaves every loop of a kernel once a thread has made 65,535 turns in it, all loops together, and
//! says nothing: results would be wrong. What a dispatch is given has to stay below. It never touches a device.

/// Turns that a dispatch may need on a software adapter.
pub(super) const MOST: u64 = 60_000;

/// Threads of a workgroup, and of a row; twins of `THREADS` and `ROW_THREADS` in `shaders/persistent.wgsl`.
const THREADS: u64 = 256;
const ROW_THREADS: u64 = 8;
/// Twin of `LANES`.
const LANES: u64 = 16;
/// Lanes of a column's sum, and the turns that it takes to add them; see `take_gradient` in `shaders/step.wgsl`.
const COLUMN_SUM: u64 = 32 + 31 + 5;
/// Repetitions of a heavy record, and the steps of Newton's method behind them; twins of those in `shaders/repeat.wgsl`.
const REPEATED: f32 = 64.0;
const NEWTON: u64 = 30;

/// The largest of a micro-batch's blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Largest {
    /// Rows.
    pub rows: u64,
    /// Numeric columns, padding included, and the bias.
    pub columns: u64,
    /// Hashed features.
    pub entries: u64,
    /// Entries of one coordinate.
    pub longest_chain: u64,
    /// Entries of one row.
    pub longest_row: u64,
    /// The largest example weight.
    pub weight: f32,
    /// Whether the block is solved in rounds.
    pub by_record: bool,
}

/// Turns for a record of a weight.
fn repeated(weight: f32) -> u64 {
    match weight {
        weight if weight > REPEATED => REPEATED as u64 + 1 + NEWTON,
        weight if weight > 1.0 => weight as u64 + 2,
        _ => 2,
    }
}

/// Turns for a block; loops count once more than they turn.
pub(super) fn of_block(block: &Largest) -> u64 {
    let columns = block.columns.div_ceil(THREADS);
    let entries = block.entries.div_ceil(THREADS);
    let chains = entries * (block.longest_chain + 1) + 1;
    let passes = (block.rows * ROW_THREADS).div_ceil(THREADS);
    let sums = passes * (block.columns.div_ceil(LANES) + block.longest_row.div_ceil(LANES) + 3) + 1;
    let fold = columns + entries + 2;
    let loss = block.rows + 1;
    if block.by_record {
        let replay = columns * (block.rows + 2) + 1 + chains;
        let curvature = block.columns + block.longest_row + 2;
        let round = replay + sums + repeated(block.weight) + 1;
        return (block.rows + 1) * round + replay + curvature + fold + loss;
    }
    let gather = (block.columns * block.rows.min(32)).div_ceil(THREADS) * (block.rows.div_ceil(32) + 2) + 1;
    entries + sums + gather + chains + columns * COLUMN_SUM + fold + loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::LANES as LANES_OF_ROWS;
    use crate::learner::gpu::kernels::SOURCES;

    #[test]
    fn the_kernel_has_the_sizes_that_turns_are_counted_by() {
        let (_, source) = SOURCES[4];
        for line in [
            format!("const THREADS: u32 = {THREADS}u;"),
            format!("const ROW_THREADS: u32 = {ROW_THREADS}u;"),
            format!("const LANES: u32 = {LANES}u;"),
            format!("const REPEATED: f32 = {REPEATED:?};"),
            format!("k < {NEWTON}u"),
            "const ROW_LANES: u32 = 32u;".to_owned(),
        ] {
            assert!(source.contains(&line), "{line}");
        }
        assert_eq!(LANES as usize, LANES_OF_ROWS);
    }

    #[test]
    fn a_block_of_few_numbers_is_far_below_what_a_software_adapter_bears() {
        let block = Largest {
            rows: 32,
            columns: 33,
            entries: 0,
            longest_chain: 0,
            longest_row: 0,
            weight: 1.0,
            by_record: true,
        };
        let by_record = of_block(&block);
        assert!((32 * 33..MOST / 10).contains(&by_record), "{by_record}");
        assert!(of_block(&Largest { by_record: false, ..block }) < by_record / 5);
        assert!(of_block(&Largest { weight: 1e6, ..block }) > by_record + 32 * 64);
    }
}
