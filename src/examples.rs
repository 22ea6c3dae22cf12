//! What travels from the encoder on: examples, micro-batches of them, and micro-batches with predictions.
//!
//! Plain data: no I/O, no threads, no model.

mod names;
pub mod pairs;

use std::ops::Range;

use crate::error::Result;
use crate::record::{LossSum, Place, Rejected};
use crate::snapshot::{Restoring, Saving, Snapshot};
pub use names::{Counted, FeatureName, Names, Sampled, Slots, Spot};

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

/// Examples that are predicted and learned together: `--batch` of them, fewer only at the end of the stream or where
/// nothing is learned.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct MicroBatch {
    /// Number of examples.
    pub rows: usize,
    /// `rows` x [`stride`] standardised numbers; missing and padding are 0.
    pub dense: Vec<f32>,
    /// `rows + 1` offsets into `hash` and `value`, the first 0.
    pub row_start: Vec<u32>,
    /// Full 32-bit feature hashes.
    pub hash: Vec<u32>,
    /// Feature values, one a hash.
    pub value: Vec<f32>,
    /// 1, 0, or NaN for a record without a label.
    pub label: Vec<f32>,
    /// Example weight of each row, 0 or more.
    pub weight: Vec<f32>,
    /// Record number in the run, from 1.
    pub record: Vec<u64>,
    /// The ids' text, one after the other; empty without an id column.
    pub id: Vec<u8>,
    /// End of each id in `id`; empty without an id column.
    pub id_end: Vec<u32>,
}

impl MicroBatch {
    /// Empties it, keeping the buffers.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.dense.clear();
        self.row_start.clear();
        self.row_start.push(0);
        self.hash.clear();
        self.value.clear();
        self.label.clear();
        self.weight.clear();
        self.record.clear();
        self.id.clear();
        self.id_end.clear();
    }

    /// Becomes a copy of another one, in the buffers that it has.
    ///
    /// ```
    /// use tidemill::examples::MicroBatch;
    /// let (batch, mut copy) = (MicroBatch { rows: 1, label: vec![1.0], ..MicroBatch::default() }, MicroBatch::default());
    /// copy.copy_from(&batch);
    /// assert_eq!(copy, batch);
    /// ```
    pub fn copy_from(&mut self, other: &Self) {
        let Self { rows, dense, row_start, hash, value, label, weight, record, id, id_end } = other;
        self.rows = *rows;
        self.dense.clone_from(dense);
        self.row_start.clone_from(row_start);
        self.hash.clone_from(hash);
        self.value.clone_from(value);
        self.label.clone_from(label);
        self.weight.clone_from(weight);
        self.record.clone_from(record);
        self.id.clone_from(id);
        self.id_end.clone_from(id_end);
    }

    /// Becomes a copy of some rows of another one, in the buffers that it has; ids are left out.
    ///
    /// ```
    /// use tidemill::examples::MicroBatch;
    /// let of = MicroBatch { rows: 2, dense: vec![1.0, 2.0], row_start: vec![0, 1, 3], hash: vec![7, 8, 9],
    ///     value: vec![1.0; 3], label: vec![0.0, 1.0], weight: vec![1.0; 2], record: vec![1, 2], ..MicroBatch::default() };
    /// let mut copy = MicroBatch::default();
    /// copy.copy_rows(&of, 1..2);
    /// assert_eq!((copy.row_start, copy.hash, copy.dense), (vec![0, 2], vec![8, 9], vec![2.0]));
    /// ```
    pub fn copy_rows(&mut self, other: &Self, rows: Range<usize>) {
        self.clear();
        self.rows = rows.len();
        let width = other.dense.len().checked_div(other.rows).unwrap_or(0);
        self.dense.extend_from_slice(&other.dense[rows.start * width..rows.end * width]);
        let (start, end) = (other.row_start[rows.start], other.row_start[rows.end]);
        self.row_start.extend(other.row_start[rows.start + 1..=rows.end].iter().map(|at| at - start));
        self.hash.extend_from_slice(&other.hash[start as usize..end as usize]);
        self.value.extend_from_slice(&other.value[start as usize..end as usize]);
        self.label.extend_from_slice(&other.label[rows.clone()]);
        self.weight.extend_from_slice(&other.weight[rows.clone()]);
        self.record.extend_from_slice(&other.record[rows]);
    }

    /// Bytes of memory that its contents take, itself included.
    pub fn bytes(&self) -> usize {
        let floats = self.dense.len() + self.value.len() + self.label.len() + self.weight.len();
        let integers = self.row_start.len() + self.hash.len() + self.id_end.len();
        size_of::<Self>() + 4 * (floats + integers) + size_of_val(&self.record[..]) + self.id.len()
    }

    /// The hashed features of example `row`.
    #[inline(always)]
    pub fn features(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.row_start[row] as usize..self.row_start[row + 1] as usize;
        (&self.hash[range.clone()], &self.value[range])
    }

    /// The id of example `row`, empty without an id column.
    pub fn id_of(&self, row: usize) -> &[u8] {
        id_of(&self.id, &self.id_end, row)
    }
}

impl Snapshot for MicroBatch {
    const PART: &'static str = "micro_batch";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { rows, dense, row_start, hash, value, label, weight, record, id, id_end } = self;
        to.put("rows", &[*rows as u64]);
        to.put("dense", dense);
        to.put("row_start", row_start);
        to.put("hash", hash);
        to.put("value", value);
        to.put("label", label);
        to.put("weight", weight);
        to.put("record", record);
        to.put("id", id);
        to.put("id_end", id_end);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { rows, dense, row_start, hash, value, label, weight, record, id, id_end } = self;
        *label = from.get("label")?;
        *rows = label.len();
        from.check("rows", from.counts("rows")? == [*rows as u64])?;
        *dense = from.get("dense")?;
        *row_start = from.exactly("row_start", *rows + 1)?;
        from.check("row_start", row_start.first() == Some(&0) && row_start.is_sorted())?;
        *hash = from.exactly("hash", row_start.last().map_or(0, |&end| end as usize))?;
        *value = from.exactly("value", hash.len())?;
        *weight = from.exactly("weight", *rows)?;
        *record = from.exactly("record", *rows)?;
        *id = from.get("id")?;
        *id_end = from.get("id_end")?;
        let (whole, last) = (id_end.len() == *rows || id_end.is_empty(), id_end.last().map_or(0, |&end| end as usize));
        from.check("id_end", whole && id_end.is_sorted() && last == id.len())
    }
}

/// A micro-batch with the predictions made before any of its own labels was learned.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Scored {
    /// What was predicted.
    pub batch: MicroBatch,
    /// `w.x + b` for each row, within plus and minus [`crate::learner::MAX_LOGIT`].
    pub logit: Vec<f32>,
    /// Updates made before the first row was predicted.
    pub version: u64,
    /// Whether each labelled row is an update of its own (`record`) or the micro-batch is one (`batch`).
    pub version_per_record: bool,
}

impl Scored {
    /// The first row whose prediction is not a finite number.
    ///
    /// ```
    /// use tidemill::examples::Scored;
    /// let scored = Scored { logit: vec![0.5, f32::NAN], ..Scored::default() };
    /// assert_eq!(scored.first_not_finite(), Some(1));
    /// ```
    pub fn first_not_finite(&self) -> Option<usize> {
        // Asked of every micro-batch: without an early end the loop takes several rows at a time.
        let all_finite = self.logit.iter().fold(true, |finite, logit| finite & logit.is_finite());
        if all_finite { None } else { self.logit.iter().position(|logit| !logit.is_finite()) }
    }

    /// Drops the rows from `rows` on, as far as they are written and counted; features stay.
    pub fn truncate(&mut self, rows: usize) {
        let batch = &mut self.batch;
        batch.rows = batch.rows.min(rows);
        batch.label.truncate(rows);
        batch.weight.truncate(rows);
        batch.record.truncate(rows);
        batch.id_end.truncate(rows);
        batch.id.truncate(batch.id_end.last().map_or(0, |&end| end as usize));
        self.logit.truncate(rows);
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
