//! Records in the order of their event times: takes rows as they come, holds them back, gives those that the watermark has
//! passed, earliest first.
//!
//! Rows of one time come in the order of their ids, and without ids in that of their arrival; so with ids any order of
//! arrival within the bound gives the same stream. What is held is bounded in bytes: beyond that the earlier half is given
//! before its time, and counted. Rows without an event time are not held.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::error::Result;
use crate::examples::{Examples, LabelToken};
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Most bytes of rows, whatever is asked for: places in them are 32-bit numbers, and half of the rows may be given ones.
const MOST: u64 = 1 << 30;

/// Rows that wait for the watermark.
#[derive(Debug, Default)]
pub struct Reorder {
    /// Most bytes of rows that are held.
    memory: usize,
    rows: Examples,
    /// Their numbers in the run.
    record: Vec<u64>,
    /// Bytes of each.
    bytes: Vec<u32>,
    /// Event times with places in `rows`, earliest first.
    waiting: BinaryHeap<Reverse<(i64, u32)>>,
    /// Bytes of those that wait.
    held_bytes: usize,
    /// Rows that may be given, by event time and place.
    due: Vec<(i64, u32)>,
    /// Rows that were given before the watermark had passed them, for want of room.
    pub hurried: u64,
}

/// Rows in order, with the numbers of their records.
#[derive(Debug, Default)]
pub struct Released {
    /// The rows; a record's number in the run is `before` and its own, and 1.
    pub examples: Examples,
    /// Records before the first of them.
    pub before: u64,
}

impl Reorder {
    /// Holds nothing yet, and never more than about so many bytes.
    pub fn new(memory: u64) -> Self {
        Self { memory: memory.min(MOST) as usize, ..Self::default() }
    }

    /// Rows that are held.
    pub fn held(&self) -> usize {
        self.waiting.len()
    }

    /// Holds a row back, the record of this number in the run.
    pub fn hold(&mut self, examples: &Examples, row: usize, record: u64) {
        if self.rows.row_start.is_empty() {
            self.rows.row_start.push(0); // or the first row would count more than others
        }
        let (place, before) = (self.rows.rows as u32, self.rows.row_bytes());
        self.rows.push_row(examples, row, 0);
        let bytes = self.rows.row_bytes() - before;
        self.record.push(record);
        self.bytes.push(bytes as u32);
        self.held_bytes += bytes;
        self.waiting.push(Reverse((examples.time[row], place)));
    }

    /// Whether it holds more than it may, so that [`Reorder::hurry`] is due.
    pub fn is_full(&self) -> bool {
        self.held_bytes > self.memory
    }

    /// Says that the watermark has come to `time`: rows before it may be given.
    pub fn pass(&mut self, time: i64) {
        while self.waiting.peek().is_some_and(|Reverse((at, _))| *at < time) {
            self.pass_first();
        }
    }

    /// The earlier half of what is held may be given, and is counted.
    pub fn hurry(&mut self) {
        let half = self.waiting.len().div_ceil(2);
        self.hurried += half as u64;
        (0..half).for_each(|_| self.pass_first());
    }

    fn pass_first(&mut self) {
        if let Some(Reverse(row)) = self.waiting.pop() {
            self.held_bytes -= self.bytes[row.1 as usize] as usize;
            self.due.push(row);
        }
    }

    /// Gives the rows that may be given, in order.
    pub fn release(&mut self, into: &mut Released) {
        into.examples.clear();
        let mut due = std::mem::take(&mut self.due);
        let rows = &self.rows;
        // They come in the order of time and arrival.
        for same in due.chunk_by_mut(|a, b| a.0 == b.0) {
            same.sort_by(|a, b| rows.id_of(a.1 as usize).cmp(rows.id_of(b.1 as usize)));
        }
        let records = due.iter().map(|(_, place)| self.record[*place as usize]);
        into.before = records.min().map_or(0, |first| first - 1);
        for &(_, place) in &due {
            let number = self.record[place as usize] - into.before - 1;
            into.examples.push_row(rows, place as usize, number as u32);
        }
        due.clear();
        self.due = due;
        if self.waiting.len() < self.rows.rows / 2 {
            self.compact();
        }
    }

    /// Forgets the rows that were given.
    fn compact(&mut self) {
        let mut kept: Vec<_> = self.waiting.drain().map(|Reverse((time, place))| (place, time)).collect();
        kept.sort_unstable();
        let mut rows = Examples::default();
        let (mut record, mut bytes) = (Vec::with_capacity(kept.len()), Vec::with_capacity(kept.len()));
        for (to, (place, time)) in (0_u32..).zip(kept) {
            rows.push_row(&self.rows, place as usize, 0);
            record.push(self.record[place as usize]);
            bytes.push(self.bytes[place as usize]);
            self.waiting.push(Reverse((time, to)));
        }
        (self.rows, self.record, self.bytes) = (rows, record, bytes);
    }

    /// The places of what is held, in the order of arrival.
    fn places(&self) -> Vec<usize> {
        let mut places: Vec<_> = self.waiting.iter().map(|Reverse((_, place))| *place as usize).collect();
        places.sort_unstable();
        places
    }
}

impl Snapshot for Reorder {
    const PART: &'static str = "reorder";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { memory: _, rows: held, record, bytes, waiting: _, held_bytes: _, due: _, hurried } = self;
        let places = self.places();
        let mut rows = Examples::default();
        places.iter().for_each(|&place| rows.push_row(held, place, 0));
        to.put("hurried", &[*hurried]);
        to.put("record", &places.iter().map(|&place| record[place]).collect::<Vec<_>>());
        to.put("bytes", &places.iter().map(|&place| bytes[place]).collect::<Vec<_>>());
        to.put("time", bytemuck::cast_slice::<i64, u64>(&rows.time));
        to.put("label_time", bytemuck::cast_slice::<i64, u64>(&rows.label_time));
        to.put("label", &rows.label.iter().map(|&label| label as u8).collect::<Vec<_>>());
        to.put("dense", &rows.dense);
        to.put("row_start", &rows.row_start);
        to.put("hash", &rows.hash);
        to.put("value", &rows.value);
        to.put("weight", &rows.weight);
        to.put("key", &rows.key);
        to.put("measured", &rows.measured);
        to.put("window_key", &rows.window_key);
        to.put("window_value", &rows.window_value);
        to.put("window_hash", &rows.window_hash);
        // A missing category is one more than a hash can be.
        to.put("category", &rows.category.iter().map(|&of| of.map_or(u64::MAX, u64::from)).collect::<Vec<_>>());
        for (name, text, ends) in [
            ("id", &rows.id, &rows.id_end),
            ("segment", &rows.segment, &rows.segment_end),
            ("raw", &rows.raw, &rows.raw_end),
        ] {
            to.put(name, text);
            to.put(&format!("{name}_end"), ends);
        }
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { memory: _, rows, record, bytes, waiting, held_bytes, due: _, hurried } = self;
        [*hurried] = from.counts("hurried")?;
        *record = from.get("record")?;
        let held = record.len();
        *bytes = from.exactly("bytes", held)?;
        *held_bytes = bytes.iter().map(|&bytes| bytes as usize).sum();
        from.check("record", record.iter().all(|&record| record > 0))?;
        rows.clear();
        rows.rows = held;
        rows.number.resize(held, 0);
        rows.time = from.exactly::<u64>("time", held)?.into_iter().map(|time| time as i64).collect();
        rows.label_time = widths(from, from.get::<u64>("label_time")?, held)?.into_iter().map(|at| at as i64).collect();
        let labels: Vec<u8> = from.exactly("label", held)?;
        let labels = labels.iter().map(|&label| LabelToken::ALL.get(usize::from(label)).copied());
        rows.label = labels.collect::<Option<_>>().ok_or_else(|| from.broken("label"))?;
        rows.dense = widths(from, from.get("dense")?, held)?;
        rows.row_start = from.get("row_start")?;
        let is_whole = rows.row_start.len() == if held == 0 { 0 } else { held + 1 };
        from.check("row_start", is_whole && rows.row_start.is_sorted())?;
        rows.hash = from.exactly("hash", rows.row_start.last().map_or(0, |&end| end as usize))?;
        rows.value = from.exactly("value", rows.hash.len())?;
        rows.weight = widths(from, from.get("weight")?, held)?;
        rows.key = widths(from, from.get("key")?, held)?;
        rows.measured = widths(from, from.get("measured")?, held)?;
        rows.window_key = widths(from, from.get("window_key")?, held)?;
        rows.window_value = widths(from, from.get("window_value")?, held)?;
        rows.window_hash = widths(from, from.get("window_hash")?, held)?;
        let category: Vec<u64> = widths(from, from.get("category")?, held)?;
        rows.category = category.iter().map(|&of| u32::try_from(of).ok()).collect();
        (rows.id, rows.id_end) = texts(from, "id", held)?;
        (rows.segment, rows.segment_end) = texts(from, "segment", held)?;
        (rows.raw, rows.raw_end) = texts(from, "raw", held)?;
        *waiting = rows.time.iter().copied().zip(0..).map(Reverse).collect();
        Ok(())
    }
}

/// A list with as many values a row for each of the rows.
fn widths<T>(from: &Restoring<'_>, values: Vec<T>, rows: usize) -> Result<Vec<T>> {
    let is_whole = values.len().is_multiple_of(rows.max(1)) && (rows > 0 || values.is_empty());
    from.check("rows", is_whole)?;
    Ok(values)
}

/// As many texts a row for each of the rows.
fn texts(from: &Restoring<'_>, name: &str, rows: usize) -> Result<(Vec<u8>, Vec<u32>)> {
    let (text, ends): (Vec<u8>, Vec<u32>) = (from.get(name)?, from.get(&format!("{name}_end"))?);
    let is_whole = ends.len().is_multiple_of(rows.max(1)) && (rows > 0 || ends.is_empty());
    let last = ends.last().map_or(0, |&end| end as usize);
    from.check(name, is_whole && ends.is_sorted() && last == text.len())?;
    Ok((text, ends))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::State;

    /// Rows with a feature and an id each, by which they are known again.
    fn rows(times: &[i64], ids: &[u8]) -> Examples {
        let count = times.len();
        Examples {
            rows: count,
            row_start: (0..=count as u32).collect(),
            hash: (0..count as u32).collect(),
            value: vec![1.0; count],
            label: vec![LabelToken::One; count],
            number: (0..count as u32).collect(),
            id: ids.to_vec(),
            id_end: (1..=count as u32).collect(),
            time: times.to_vec(),
            ..Examples::default()
        }
    }

    fn given(released: &Released) -> Vec<(i64, u8, u64)> {
        let rows = &released.examples;
        let of = |row: usize| (rows.time[row], rows.id[row], released.before + u64::from(rows.number[row]) + 1);
        (0..rows.rows).map(of).collect()
    }

    proptest! {
        #[test]
        fn whatever_the_order_of_arrival_rows_come_by_time_and_id(
            mut events in prop::collection::vec((0..40i64, any::<u8>()), 0..80), seed in any::<u64>(), cut in 0..80usize
        ) {
            events.sort_unstable();
            let mut shuffled = events.clone();
            let key = |at: usize| (at as u64).wrapping_mul(seed | 1).rotate_left(17);
            let mut order: Vec<usize> = (0..events.len()).collect();
            order.sort_by_key(|&at| key(at));
            order.iter().zip(&mut shuffled).for_each(|(&at, to)| *to = events[at]);
            let (times, ids): (Vec<_>, Vec<_>) = shuffled.iter().copied().unzip();
            let examples = rows(&times, &ids);
            let (mut reorder, mut released, mut all) = (Reorder::new(1 << 30), Released::default(), Vec::new());
            for row in 0..examples.rows {
                if row == cut {
                    let mut state = State::default();
                    state.save(&reorder);
                    reorder = Reorder::new(1 << 30);
                    state.restore(&mut reorder).unwrap();
                }
                reorder.hold(&examples, row, 100 + row as u64);
            }
            for time in [10, 10, 25] {
                reorder.pass(time);
                reorder.release(&mut released);
                all.extend(given(&released));
                prop_assert!(all.iter().all(|row| row.0 < time));
            }
            reorder.pass(i64::MAX);
            reorder.release(&mut released);
            all.extend(given(&released));
            let order: Vec<_> = all.iter().map(|row| (row.0, row.1)).collect();
            prop_assert_eq!(order, events);
            let mut numbers: Vec<_> = all.iter().map(|row| row.2).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (100..100 + all.len() as u64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_held_is_bounded_and_what_is_given_early_is_counted() {
        let (mut reorder, mut released) = (Reorder::new(200), Released::default());
        let examples = rows(&[5, 4, 3, 2, 1, 0, 9, 8], b"abcdefgh");
        let (mut early, mut most) = (Vec::new(), 0);
        for row in 0..examples.rows {
            reorder.hold(&examples, row, row as u64 + 1);
            most = most.max(reorder.held());
            if reorder.is_full() {
                reorder.hurry();
                reorder.release(&mut released);
                early.extend(given(&released).iter().map(|row| row.0));
            }
        }
        assert!(most < examples.rows, "{most}");
        assert_eq!((reorder.hurried, early.len() + reorder.held()), (early.len() as u64, 8));
        assert!(early.len() >= 3 && early.is_sorted_by_key(|&time| i32::from(time > 5)), "{early:?}");
    }
}
