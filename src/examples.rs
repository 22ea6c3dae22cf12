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
        self.segment.clear();
        self.segment_end.clear();
        self.raw.clear();
        self.raw_end.clear();
        self.measured.clear();
        self.category.clear();
        self.rejected.clear();
        self.names.clear();
    }

    /// The id of example `row`, empty without an id column.
    pub fn id_of(&self, row: usize) -> &[u8] {
        id_of(&self.id, &self.id_end, row)
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
