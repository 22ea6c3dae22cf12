//! Takes the hashed features of a micro-batch; gives them grouped by coordinate, in row order within each, so that one
//! thread can add a coordinate's gradient without atomics and always in the same order.
//!
//! It never touches a device.

use crate::examples::MicroBatch;

/// A coordinate with more entries than this is added by a workgroup; twin of `THREADS` in `shaders/hashed.wgsl`.
pub const LONG: u32 = 64;

/// The entries of a micro-batch that learn, grouped by coordinate; those with more than [`LONG`] entries come first.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Coordinate of every entry of every row.
    pub index: Vec<u32>,
    /// The distinct coordinates that learn.
    pub feature: Vec<u32>,
    /// `feature.len() + 1` offsets into `row` and `value`; empty where nothing learns.
    pub start: Vec<u32>,
    /// Summed weight of each coordinate's entries.
    pub count: Vec<f32>,
    /// Row of each learned entry.
    pub row: Vec<u32>,
    /// Value of each learned entry.
    pub value: Vec<f32>,
    /// How many coordinates have more than [`LONG`] entries.
    pub long: u32,
    /// For each coordinate of the table, 1 + its place in `met`; 0 between micro-batches.
    place_of: Vec<u32>,
    /// Coordinates in the order of their first touch.
    met: Vec<Met>,
    /// Place in `met` of each learned entry, in row order.
    entry_place: Vec<u32>,
}

/// A coordinate on its way into the order.
#[derive(Debug, Clone, Copy)]
struct Met {
    index: u32,
    entries: u32,
    count: f32,
    /// Where its next entry goes.
    cursor: u32,
}

impl Order {
    /// Orders a micro-batch over a table of `2^hash_bits` coordinates; `weight` is 0 for rows that are not learned.
    pub fn build(&mut self, batch: &MicroBatch, weight: &[f32], hash_bits: u32) {
        self.clear();
        let mask = ((1u64 << hash_bits) - 1) as u32;
        self.index.extend(batch.hash.iter().map(|hash| hash & mask));
        if self.index.is_empty() || weight.iter().all(|&weight| weight == 0.0) {
            return;
        }
        self.place_of.resize(1 << hash_bits, 0);
        self.meet(batch, weight);
        self.assign();
        self.scatter(batch, weight);
    }

    /// Finds the distinct coordinates and counts their entries.
    fn meet(&mut self, batch: &MicroBatch, weight: &[f32]) {
        for (row, &weight) in weight.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            for &index in &self.index[range(batch, row)] {
                let place = &mut self.place_of[index as usize];
                if *place == 0 {
                    self.met.push(Met { index, entries: 0, count: 0.0, cursor: 0 });
                    *place = self.met.len() as u32;
                }
                self.entry_place.push(*place - 1);
                let met = &mut self.met[*place as usize - 1];
                met.entries += 1;
                met.count += weight;
            }
        }
    }

    /// Gives each coordinate its run of entries, the long ones first, and wipes the table of places.
    fn assign(&mut self) {
        let mut next = 0;
        for long in [true, false] {
            for met in self.met.iter_mut().filter(|met| (met.entries > LONG) == long) {
                met.cursor = next;
                self.feature.push(met.index);
                self.start.push(next);
                self.count.push(met.count);
                self.long += u32::from(long);
                next += met.entries;
                self.place_of[met.index as usize] = 0;
            }
        }
        self.start.push(next);
    }

    /// Puts every entry into the run of its coordinate, in row order.
    fn scatter(&mut self, batch: &MicroBatch, weight: &[f32]) {
        self.row.resize(self.entry_place.len(), 0);
        self.value.resize(self.entry_place.len(), 0.0);
        let mut places = self.entry_place.iter();
        for row in (0..batch.rows).filter(|&row| weight[row] != 0.0) {
            for (&value, &place) in batch.value[range(batch, row)].iter().zip(&mut places) {
                let cursor = &mut self.met[place as usize].cursor;
                self.row[*cursor as usize] = row as u32;
                self.value[*cursor as usize] = value;
                *cursor += 1;
            }
        }
    }

    fn clear(&mut self) {
        self.index.clear();
        self.feature.clear();
        self.start.clear();
        self.count.clear();
        self.row.clear();
        self.value.clear();
        self.long = 0;
        self.met.clear();
        self.entry_place.clear();
    }
}

/// The entries of a row.
fn range(batch: &MicroBatch, row: usize) -> std::ops::Range<usize> {
    batch.row_start[row] as usize..batch.row_start[row + 1] as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: &[&[u32]]) -> MicroBatch {
        let mut batch = MicroBatch::default();
        batch.clear();
        for row in rows {
            batch.rows += 1;
            batch.hash.extend_from_slice(row);
            batch.value.extend((0..row.len()).map(|k| 10.0 * batch.rows as f32 + k as f32));
            batch.row_start.push(batch.hash.len() as u32);
        }
        batch
    }

    #[test]
    fn entries_are_grouped_by_coordinate_in_row_order() {
        let mut order = Order::default();
        order.build(&batch(&[&[3, 1], &[1 + 16], &[3, 1]]), &[1.0, 2.0, 0.5], 4);
        assert_eq!((&order.feature[..], &order.start[..]), (&[3, 1][..], &[0, 2, 5][..]));
        assert_eq!(order.row, [0, 2, 0, 1, 2]);
        assert_eq!(order.value, [10.0, 30.0, 11.0, 20.0, 31.0]);
        assert_eq!((&order.count[..], order.long), (&[1.5, 3.5][..], 0));
    }

    #[test]
    fn rows_that_do_not_learn_are_predicted_but_not_ordered() {
        let mut order = Order::default();
        order.build(&batch(&[&[3], &[1, 2]]), &[0.0, 1.0], 4);
        assert_eq!((&order.index[..], &order.feature[..]), (&[3, 1, 2][..], &[1, 2][..]));
        assert_eq!(order.value, [20.0, 21.0]);
        order.build(&batch(&[&[3]]), &[0.0], 4);
        assert!(order.feature.is_empty() && order.start.is_empty());
    }

    #[test]
    fn long_coordinates_come_first() {
        let rows: Vec<&[u32]> = (0..LONG + 1).map(|row| if row == 0 { &[5, 7][..] } else { &[7][..] }).collect();
        let mut order = Order::default();
        order.build(&batch(&rows), &vec![1.0; rows.len()], 3);
        assert_eq!((&order.feature[..], order.long), (&[7, 5][..], 1));
        assert_eq!(order.start, [0, LONG + 1, LONG + 2]);
    }
}
