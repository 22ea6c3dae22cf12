//! What travels from the encoder on: examples, micro-batches of them, and micro-batches with predictions.
//!
//! Plain data: no I/O, no threads, no model.

mod micro_batch;
mod names;
pub mod pairs;
mod scored;

use crate::record::{LossSum, Place, Rejected};
pub use micro_batch::{MicroBatch, Stage};
pub use names::{Counted, FeatureName, Names, Sampled, Slots, Spot};
pub use scored::Scored;

/// Numbers of a row are padded with zeros to a multiple of this, so that every backend sums in the same lanes.
pub const LANES: usize = 16;

/// Floats of a dense row of `columns` numbers, padding included.
///
/// ```
/// assert_eq!(tidemill::examples::stride(28), 32);
/// assert_eq!(tidemill::examples::stride(0), 0);
/// ```
pub const fn stride(columns: usize) -> usize {
    columns.div_ceil(LANES) * LANES
}

/// A label as it stood in the record. What it means depends on the others, so the engine decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum LabelToken {
    /// No label: predicted, not learned.
    Missing,
    /// `1`, `+1`, `1.0`: positive in both numeric conventions.
    One,
    /// `0`, `0.0`: negative.
    Zero,
    /// `-1`, `-1.0`: negative.
    MinusOne,
    /// `true`, or the `--positive` value.
    True,
    /// `false`, or anything but the `--positive` value.
    False,
}

impl LabelToken {
    /// Every token, in the order of their numbers.
    pub const ALL: [Self; 6] = [Self::Missing, Self::One, Self::Zero, Self::MinusOne, Self::True, Self::False];
}

/// The encoded records of one chunk, before anything that depends on their order.
#[derive(Debug, Default)]
pub struct Examples {
    /// Bytes of text they were read from.
    pub bytes: u64,
    /// Where the stream goes on behind them.
    pub place: Place,
    /// Number of examples.
    pub rows: usize,
    /// `rows` x [`stride`] numbers as read; missing and padding are NaN.
    pub dense: Vec<f32>,
    /// `rows + 1` offsets into `hash` and `value`.
    pub row_start: Vec<u32>,
    /// Full 32-bit feature hashes; masked to the table's size where they are used.
    pub hash: Vec<u32>,
    /// Feature values, one a hash.
    pub value: Vec<f32>,
    /// One a row.
    pub label: Vec<LabelToken>,
    /// One a row, or empty where every weight is 1.
    pub weight: Vec<f32>,
    /// Number of each record within its chunk, from 0.
    pub number: Vec<u32>,
    /// Records and rejections of the chunk together, and records that were filtered out.
    pub seen: u32,
    /// Records that a transform has filtered out.
    pub filtered: u32,
    /// The ids' text, one after the other; empty without an id column.
    pub id: Vec<u8>,
    /// End of each id in `id`; empty without an id column.
    pub id_end: Vec<u32>,
    /// What tells records that come again: one a row, or empty where nothing asks for it.
    pub key: Vec<u64>,
    /// Event time in microseconds since 1970, `i64::MIN` where it is missing: one a row, or empty where nothing asks
    /// for it.
    pub time: Vec<i64>,
    /// When each label becomes known, like `time`: one a row, or empty where that is no column.
    pub label_time: Vec<i64>,
    /// The texts of the columns by which metrics are told apart, row after row; empty where there are none.
    pub segment: Vec<u8>,
    /// End of each of them in `segment`: as many a row as there are such columns.
    pub segment_end: Vec<u32>,
    /// The records as they were read, one after the other; empty where nothing asks for them.
    pub raw: Vec<u8>,
    /// End of each of them in `raw`: one a row, or empty.
    pub raw_end: Vec<u32>,
    /// Numbers whose running quantiles are features: `rows` x the number of such columns, in the order of the sections.
    pub measured: Vec<f32>,
    /// The hashes of categories that are imputed, `None` where one is missing: `rows` x the number of such columns,
    /// which stand in the order of their names.
    pub category: Vec<Option<u32>>,
    /// What tells the keys of windows, 0 where one is missing: `rows` x the number of such sections, in their order.
    pub window_key: Vec<u64>,
    /// The numbers that windows look at, NaN where one is missing: one a key, or empty where nothing asks for them.
    pub window_value: Vec<f32>,
    /// What tells the values that windows count different ones of, 0 where one is missing: one a key, or empty.
    pub window_hash: Vec<u64>,
    /// What could not be used, in order.
    pub rejected: Vec<Rejected>,
    /// Features by name, as far as they are told; none where nothing is learned.
    pub names: Names,
    /// The best possible loss on these records; known to generated streams alone.
    pub best_loss: Option<LossSum>,
}

impl Examples {
    /// Empties it, keeping the buffers.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.dense.clear();
        self.row_start.clear();
        self.hash.clear();
        self.value.clear();
        self.label.clear();
        self.weight.clear();
        self.number.clear();
        self.id.clear();
        self.id_end.clear();
        self.key.clear();
        self.time.clear();
        self.label_time.clear();
        self.segment.clear();
        self.segment_end.clear();
        self.raw.clear();
        self.raw_end.clear();
        self.measured.clear();
        self.category.clear();
        self.window_key.clear();
        self.window_value.clear();
        self.window_hash.clear();
        self.rejected.clear();
        self.names.clear();
    }

    /// Adds a copy of row `row` of another one with the same columns, as the record of this number. What is told of a whole
    /// chunk (rejections, names, counts) is not copied.
    pub fn push_row(&mut self, from: &Self, row: usize, number: u32) {
        extend(&mut self.dense, &from.dense, row, from.rows);
        if self.row_start.is_empty() {
            self.row_start.push(0);
        }
        let features = from.row_start[row] as usize..from.row_start[row + 1] as usize;
        self.hash.extend_from_slice(&from.hash[features.clone()]);
        self.value.extend_from_slice(&from.value[features]);
        self.row_start.push(self.hash.len() as u32);
        self.label.push(from.label[row]);
        extend(&mut self.weight, &from.weight, row, from.rows);
        self.number.push(number);
        push_text(&mut self.id, &mut self.id_end, &from.id, &from.id_end, row);
        extend(&mut self.key, &from.key, row, from.rows);
        extend(&mut self.time, &from.time, row, from.rows);
        extend(&mut self.label_time, &from.label_time, row, from.rows);
        let columns = from.segment_end.len().checked_div(from.rows).unwrap_or(0);
        for at in row * columns..(row + 1) * columns {
            push_text(&mut self.segment, &mut self.segment_end, &from.segment, &from.segment_end, at);
        }
        push_text(&mut self.raw, &mut self.raw_end, &from.raw, &from.raw_end, row);
        extend(&mut self.measured, &from.measured, row, from.rows);
        extend(&mut self.category, &from.category, row, from.rows);
        extend(&mut self.window_key, &from.window_key, row, from.rows);
        extend(&mut self.window_value, &from.window_value, row, from.rows);
        extend(&mut self.window_hash, &from.window_hash, row, from.rows);
        self.rows += 1;
    }

    /// The text of record `row` as it was read, empty where that was not asked for.
    pub fn raw_of(&self, row: usize) -> &[u8] {
        id_of(&self.raw, &self.raw_end, row)
    }

    /// Bytes of memory that its rows take.
    pub fn row_bytes(&self) -> usize {
        let text = self.id.len() + self.segment.len() + self.raw.len();
        let words = self.dense.len() + self.row_start.len() + self.hash.len() + self.value.len() + self.weight.len();
        let more = self.number.len() + self.id_end.len() + self.segment_end.len() + self.raw_end.len();
        let wide = self.key.len() + self.time.len() + self.label_time.len() + self.category.len();
        let windows = 8 * (self.window_key.len() + self.window_hash.len()) + 4 * self.window_value.len();
        text + self.label.len() + 4 * (words + more + self.measured.len()) + 8 * wide + windows
    }

    /// The keys by which windows know example `row`, one a section.
    pub fn window_keys_of(&self, row: usize) -> &[u64] {
        let sections = self.window_key.len().checked_div(self.rows).unwrap_or(0);
        &self.window_key[row * sections..(row + 1) * sections]
    }

    /// The id of example `row`, empty without an id column.
    pub fn id_of(&self, row: usize) -> &[u8] {
        id_of(&self.id, &self.id_end, row)
    }
}

/// Copies what row `row` of `rows` has in a list of so many values a row, or none.
fn extend<T: Copy>(to: &mut Vec<T>, from: &[T], row: usize, rows: usize) {
    let width = from.len().checked_div(rows).unwrap_or(0);
    to.extend_from_slice(&from[row * width..(row + 1) * width]);
}

/// Copies the text of row `row`, where there are any.
fn push_text(to: &mut Vec<u8>, ends: &mut Vec<u32>, from: &[u8], from_ends: &[u32], row: usize) {
    if !from_ends.is_empty() {
        to.extend_from_slice(id_of(from, from_ends, row));
        ends.push(to.len() as u32);
    }
}

fn id_of<'a>(id: &'a [u8], end: &[u32], row: usize) -> &'a [u8] {
    match end.get(row) {
        Some(&end_of_row) => {
            let start = if row == 0 { 0 } else { end[row - 1] };
            &id[start as usize..end_of_row as usize]
        }
        None => &[],
    }
}
