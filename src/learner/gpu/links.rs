//! Takes the coordinates of a micro-batch's hashed features; gives the chains by which `shaders/persistent.wgsl` finds every
//! entry of a coordinate within a block of rows, and the blocks themselves.
//!
//! It never touches a device.

use std::ops::Range;

/// Set in the first entry of a chain; twin of `HEAD` in the shader.
const HEAD: u32 = 1 << 31;
/// Where the row's place in its block begins.
const ROW_SHIFT: u32 = 25;
/// Entries of a block, at most: how far it is to the next entry has to fit below the row.
pub(super) const MOST_BLOCK_ENTRIES: usize = (1 << ROW_SHIFT) - 1;

/// The rows of a micro-batch, block by block. While a model is `warming`, rates are folded after 1, 2, 4, 8, ... rows, and
/// blocks end there too.
pub(super) fn blocks(rows: usize, block: usize, warming: bool) -> impl Iterator<Item = Range<usize>> {
    let mut segment_end = if warming { 1 } else { rows };
    let mut start = 0;
    std::iter::from_fn(move || {
        if start == rows {
            return None;
        }
        let end = (start + block).min(segment_end).min(rows);
        if end == segment_end {
            segment_end = (2 * segment_end).min(rows);
        }
        Some(std::mem::replace(&mut start, end)..end)
    })
}

/// Finds the chains; its tables are kept for the next micro-batch.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// A link for every entry.
    pub links: Vec<u32>,
    /// Entries of the largest block.
    pub block_entries: usize,
    /// Entries of the longest chain.
    pub longest: u32,
    /// The last entry of each coordinate of the block in hand: (stamp, coordinate, entry, length of its chain).
    last: Vec<[u32; 4]>,
    /// Stamp of the block in hand, so that the table need not be emptied.
    stamp: u32,
}

impl Links {
    /// Links the entries of a micro-batch.
    pub fn find(&mut self, index: &[u32], row_start: &[u32], blocks: impl Iterator<Item = Range<usize>>) {
        self.links.clear();
        self.links.resize(index.len(), 0);
        (self.block_entries, self.longest) = (0, 0);
        if index.is_empty() {
            return;
        }
        for rows in blocks {
            let entries = (row_start[rows.end] - row_start[rows.start]) as usize;
            self.block_entries = self.block_entries.max(entries);
            self.begin_block(entries);
            for row in rows.clone() {
                for entry in row_start[row]..row_start[row + 1] {
                    self.add(index[entry as usize], entry, (row - rows.start) as u32);
                }
            }
        }
    }

    /// Makes room for so many coordinates, at most half full.
    fn begin_block(&mut self, entries: usize) {
        let room = (2 * entries).next_power_of_two().max(16);
        if self.last.len() < room || self.stamp == u32::MAX {
            self.last.clear();
            self.last.resize(room.max(self.last.capacity().next_power_of_two() / 2), [0; 4]);
            self.stamp = 0;
        }
        self.stamp += 1;
    }

    /// Hangs an entry behind the last one of its coordinate.
    #[inline]
    fn add(&mut self, coordinate: u32, entry: u32, row: u32) {
        let mask = self.last.len() - 1;
        let mut length = 1;
        let mut at = (coordinate.wrapping_mul(0x9E37_79B1) >> 7) as usize & mask;
        loop {
            let [stamp, held, last, before] = self.last[at];
            if stamp != self.stamp {
                self.links[entry as usize] = HEAD | row << ROW_SHIFT;
                break;
            }
            if held == coordinate {
                self.links[last as usize] |= entry - last;
                self.links[entry as usize] = row << ROW_SHIFT;
                length += before;
                break;
            }
            at = (at + 1) & mask;
        }
        self.last[at] = [self.stamp, coordinate, entry, length];
        self.longest = self.longest.max(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_end_where_rates_are_folded() {
        let ends = |rows, warming| blocks(rows, 32, warming).map(|block| block.end).collect::<Vec<_>>();
        assert_eq!(ends(70, false), [32, 64, 70]);
        assert_eq!(ends(100, true), [1, 2, 4, 8, 16, 32, 64, 96, 100]);
        assert_eq!((ends(1, true), ends(0, true)), (vec![1], vec![]));
    }

    proptest! {
        #[test]
        fn a_chain_has_every_entry_of_its_coordinate_in_order(rows in prop::collection::vec(prop::collection::vec(0..40u32, 0..9), 1..90),
            warming: bool, block in prop_oneof![Just(32usize), Just(64)]) {
            let mut row_start = vec![0u32];
            row_start.extend(rows.iter().scan(0, |sum, row| { *sum += row.len() as u32; Some(*sum) }));
            let index: Vec<u32> = rows.concat();
            let mut links = Links::default();
            for _ in 0..2 { // the second time with tables that have been used
                links.find(&index, &row_start, blocks(rows.len(), block, warming));
            }
            let (mut most, mut longest) = (0, 0);
            for range in blocks(rows.len(), block, warming) {
                let entries = row_start[range.start] as usize..row_start[range.end] as usize;
                most = most.max(entries.len());
                let mut seen = 0;
                for head in entries.clone().filter(|&entry| links.links[entry] & HEAD != 0) {
                    let mut chain = vec![head];
                    while links.links[chain[chain.len() - 1]] & MOST_BLOCK_ENTRIES as u32 != 0 {
                        let entry = chain[chain.len() - 1];
                        chain.push(entry + (links.links[entry] & MOST_BLOCK_ENTRIES as u32) as usize);
                    }
                    let want: Vec<usize> = entries.clone().filter(|&entry| index[entry] == index[head]).collect();
                    prop_assert_eq!(&chain, &want);
                    seen += chain.len();
                    longest = longest.max(chain.len());
                }
                prop_assert_eq!(seen, entries.len());
                for row in range.clone() {
                    for entry in row_start[row]..row_start[row + 1] {
                        prop_assert_eq!((links.links[entry as usize] >> ROW_SHIFT & 63) as usize, row - range.start);
                    }
                }
            }
            prop_assert_eq!((links.block_entries, links.longest as usize), (most, longest));
        }
    }
}
