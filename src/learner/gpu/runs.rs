//! Takes the micro-batches of a group; gives the dispatches in which they go through the persistent kernel.
//!
//! A dispatch takes as many micro-batches as it may, or a part of one. It never touches a device.

use super::buffers::{Form, MOST_RUNS};
use super::links;
use super::plan::Run;
use crate::error::{Error, Result};

/// Where a dispatch of the persistent kernel ends: systems take a device away that does not answer for seconds, and see
/// `turns.rs`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Turns of loops.
    pub turns: u64,
    /// Rows.
    pub rows: u64,
}

/// The blocks of a micro-batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks {
    /// How many.
    pub count: u64,
    /// Turns of loops for each, at most.
    pub turns: u64,
}

/// A micro-batch of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// Its blocks, if it goes through the persistent kernel.
    pub blocks: Option<Blocks>,
    /// Its rows.
    pub rows: u32,
    /// Whether its rates are folded early.
    pub warming: bool,
}

impl Form {
    /// The dispatches of a group, in order; each says what it does. `block_entries` is how much is kept of a block.
    pub fn runs(&self, pieces: impl Iterator<Item = Piece>, block_entries: u64) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let none = Most { turns: 0, rows: 0 };
        let mut left = none;
        for (piece, place) in pieces.zip(0..) {
            let Some(own) = piece.blocks else {
                left = none;
                continue;
            };
            let need = Most { turns: own.count * own.turns, rows: piece.rows.into() };
            if let (Some(after), Some(run)) = (left.without(need), runs.last_mut()) {
                run.batches += 1;
                left = after;
                continue;
            }
            let parts = self.parts(piece, own);
            let is_whole = parts.len() == 1;
            runs.extend(parts.into_iter().map(|(start, end)| {
                // A whole one may be followed by others, of other lengths.
                let end = if start == 0 && end == piece.rows { u32::MAX } else { end };
                self.run(place, start, end, block_entries)
            }));
            left = if is_whole { self.most.without(need).unwrap_or(none) } else { none };
        }
        runs
    }

    fn run(&self, place: u32, start: u32, end: u32, block_entries: u64) -> Run {
        let (width, block_entries) = (self.columns as u32 - 1, block_entries as u32);
        Run { place, batches: 1, start, end, width, block_entries, ..Run::default() }
    }

    /// Blocks of so many turns, that a dispatch may take.
    fn blocks_a_run(&self, blocks: Blocks) -> u64 {
        (self.most.turns / blocks.turns.max(1)).min((self.most.rows / self.block).max(1))
    }

    /// Dispatches of the persistent kernel for a micro-batch, at most.
    pub fn runs_of(&self, blocks: Option<Blocks>) -> u64 {
        blocks.map_or(0, |blocks| blocks.count.div_ceil(self.blocks_a_run(blocks).max(1)))
    }

    /// Refuses a micro-batch that would take more dispatches than a submit may have.
    pub fn check(&self, blocks: Option<Blocks>) -> Result<()> {
        let Some(blocks) =
            blocks.filter(|&blocks| self.blocks_a_run(blocks) == 0 || self.runs_of(Some(blocks)) > MOST_RUNS as u64)
        else {
            return Ok(());
        };
        let rows = self.blocks_a_run(blocks) * MOST_RUNS as u64 * self.block;
        let advice = if rows > 0 { format!("lower --batch to {rows}, or ") } else { String::new() };
        Err(Error::device(format!(
            "a micro-batch takes more steps than the GPU may take at once: {advice}run with --device cpu"
        )))
    }

    /// The rows of a micro-batch that one dispatch takes, from the first to behind the last.
    fn parts(&self, piece: Piece, own: Blocks) -> Vec<(u32, u32)> {
        let blocks = links::blocks(piece.rows as usize, self.block as usize, piece.warming);
        let blocks: Vec<_> = blocks.map(|rows| (rows.start as u32, rows.end as u32)).collect();
        let each = self.blocks_a_run(own).max(1) as usize;
        blocks.chunks(each).map(|part| (part[0].0, part[part.len() - 1].1)).collect()
    }
}

impl Most {
    /// What is left of it; `None` where it does not reach.
    fn without(self, need: Self) -> Option<Self> {
        Some(Self { turns: self.turns.checked_sub(need.turns)?, rows: self.rows.checked_sub(need.rows)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::gpu::variant::Upload;

    const FORM: Form =
        Form { learners: 1, columns: 33, block: 32, upload: Upload::Copied, most: Most { turns: 1000, rows: 10_000 } };

    fn piece(rows: u32, turns: u64) -> Piece {
        Piece { blocks: Some(Blocks { count: u64::from(rows.div_ceil(32)), turns }), rows, warming: false }
    }

    fn told(pieces: &[Piece]) -> Vec<(u32, u32, u32, u32)> {
        let runs = FORM.runs(pieces.iter().copied(), 0);
        runs.into_iter().map(|run| (run.place, run.batches, run.start, run.end)).collect()
    }

    #[test]
    fn as_many_micro_batches_as_a_dispatch_may_take_are_one() {
        let (all, own) = (u32::MAX, Piece { blocks: None, ..piece(64, 0) });
        assert_eq!(told(&[piece(64, 100), piece(64, 100), piece(64, 100)]), [(0, 3, 0, all)]);
        assert_eq!(told(&[piece(64, 300), piece(64, 300)]), [(0, 1, 0, all), (1, 1, 0, all)]);
        assert_eq!(told(&[piece(64, 1), own, piece(64, 1), piece(33, 1)]), [(0, 1, 0, all), (2, 2, 0, all)]);
        assert_eq!(told(&[piece(9_000, 0), piece(900, 0), piece(200, 0)]), [(0, 2, 0, all), (2, 1, 0, all)]);
    }

    #[test]
    fn a_micro_batch_that_takes_too_long_is_cut_between_blocks() {
        assert_eq!(told(&[piece(100, 400), piece(5, 1)]), [(0, 1, 0, 64), (0, 1, 64, 100), (1, 1, 0, u32::MAX)]);
        let warming = Piece { warming: true, ..piece(20, 500) };
        let blocks = Some(Blocks { count: 6, turns: 500 });
        assert_eq!(told(&[Piece { blocks, ..warming }]), [(0, 1, 0, 2), (0, 1, 2, 8), (0, 1, 8, 20)]);
    }

    #[test]
    fn nothing_joins_the_last_part_of_a_micro_batch_that_was_cut() {
        let form = Form { most: Most { turns: u64::MAX, rows: 1 << 16 }, ..FORM };
        let warming = Piece { blocks: Some(Blocks { count: 2050, turns: 1 }), rows: 65_400, warming: true };
        let runs = form.runs([warming, piece(10, 1)].into_iter(), 0);
        let told: Vec<_> = runs.iter().map(|run| (run.place, run.batches, run.start)).collect();
        assert_eq!(told[1..], [(0, 1, told[1].2), (1, 1, 0)]);
    }

    #[test]
    fn what_takes_more_dispatches_than_there_may_be_is_refused_with_what_will_do() {
        assert!(FORM.check(Some(Blocks { count: 64, turns: 1000 })).is_ok());
        let error = FORM.check(Some(Blocks { count: 65, turns: 1000 })).unwrap_err();
        assert!(error.to_string().contains("lower --batch to 2048"), "{error}");
        assert!(FORM.check(Some(Blocks { count: 1, turns: 1001 })).is_err());
    }
}
