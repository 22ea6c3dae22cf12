//! Micro-batches: examples that are predicted and learned together.
//!
//! Where labels come late, a record is in two of them: it arrives in one, without a label, and is predicted; in a later one
//! it comes again with its label, to be learned. Learners know nothing of that: a row without a label is predicted alone.

use std::ops::Range;

use super::id_of;
use crate::error::Result;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Examples that are predicted and learned together: `--batch` of them, fewer only at the end of the stream, at a limit of
/// time, or where nothing is learned.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct MicroBatch {
    /// Number of examples.
    pub rows: usize,
    /// `rows` x [`super::stride`] standardised numbers; missing and padding are 0.
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
    /// Event time of each row in microseconds since 1970, `i64::MIN` where it is missing; empty where nothing asks for it.
    pub time: Vec<i64>,
    /// Segments of each row, by their numbers in the engine's list of segments: as many a row as there are columns by which
    /// metrics are told apart, empty where there are none.
    pub segment: Vec<u32>,
    /// What each row is here for; empty where every row is predicted and, with a label, learned.
    pub stage: Vec<Stage>,
    /// The label by which an arriving row is scored now, NaN where it is not: one a row; empty where `stage` is.
    pub truth: Vec<f32>,
    /// Number of the open row that a row became or was, `u64::MAX` where there is none: one a row; empty where `stage` is.
    pub open: Vec<u64>,
}

/// What a row of a micro-batch is here for, where labels come late.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// To be predicted; if it has a label, that is learned at once.
    #[default]
    Arrives,
    /// To be learned: it was predicted when it arrived, and its label has become known since.
    Learned,
    /// To be learned once more: it was taken for a negative, and turned out to be a positive.
    Corrected,
}

impl Stage {
    /// Every stage, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Arrives, Self::Learned, Self::Corrected];
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
        self.time.clear();
        self.segment.clear();
        self.stage.clear();
        self.truth.clear();
        self.open.clear();
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
        let Self {
            rows,
            dense,
            row_start,
            hash,
            value,
            label,
            weight,
            record,
            id,
            id_end,
            time,
            segment,
            stage,
            truth,
            open,
        } = other;
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
        self.time.clone_from(time);
        self.segment.clone_from(segment);
        self.stage.clone_from(stage);
        self.truth.clone_from(truth);
        self.open.clone_from(open);
    }

    /// Becomes a copy of some rows of another one, in the buffers that it has; what is not for the learner (ids, times, stages) is
    /// left out.
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
        let integers = self.row_start.len() + self.hash.len() + self.id_end.len() + self.segment.len();
        let wide = self.record.len() + self.time.len() + self.open.len();
        size_of::<Self>() + 4 * (floats + self.truth.len() + integers) + 8 * wide + self.id.len() + self.stage.len()
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
        let Self {
            rows,
            dense,
            row_start,
            hash,
            value,
            label,
            weight,
            record,
            id,
            id_end,
            time,
            segment,
            stage,
            truth,
            open,
        } = self;
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
        if !time.is_empty() {
            to.put("time", bytemuck::cast_slice::<i64, u64>(time));
        }
        if !segment.is_empty() {
            to.put("segment", segment);
        }
        if !stage.is_empty() {
            to.put("stage", &stage.iter().map(|&stage| stage as u8).collect::<Vec<_>>());
            to.put("truth", truth);
            to.put("open", open);
        }
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self {
            rows,
            dense,
            row_start,
            hash,
            value,
            label,
            weight,
            record,
            id,
            id_end,
            time,
            segment,
            stage,
            truth,
            open,
        } = self;
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
        from.check("id_end", whole && id_end.is_sorted() && last == id.len())?;
        // They are missing where nothing asked for them, and in files of before there was anything to ask.
        if from.has("time") {
            *time = from.exactly::<u64>("time", *rows)?.into_iter().map(|time| time as i64).collect();
        }
        if from.has("segment") {
            *segment = from.get("segment")?;
            from.check("segment", *rows > 0 && segment.len().is_multiple_of(*rows))?;
        }
        if from.has("stage") {
            let stages: Vec<u8> = from.exactly("stage", *rows)?;
            let known = stages.iter().map(|&stage| Stage::ALL.get(usize::from(stage)).copied());
            *stage = known.collect::<Option<_>>().ok_or_else(|| from.broken("stage"))?;
            *truth = from.exactly("truth", *rows)?;
            *open = from.exactly("open", *rows)?;
        }
        Ok(())
    }
}
