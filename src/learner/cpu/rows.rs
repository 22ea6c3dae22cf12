//! The rows of a micro-batch that are learned together: all of them, or a part where learners of smaller micro-batches
//! share it.

use std::ops::Range;

use crate::examples::MicroBatch;

/// Some rows of a micro-batch, borrowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// Number of rows.
    pub rows: usize,
    /// Floats of a dense row.
    pub width: usize,
    /// `rows` x `width` standardised numbers.
    pub dense: &'a [f32],
    /// 1, 0, or NaN for a record without a label.
    pub label: &'a [f32],
    /// Example weight of each row.
    pub weight: &'a [f32],
    row_start: &'a [u32],
    hash: &'a [u32],
    value: &'a [f32],
}

impl<'a> Rows<'a> {
    /// All rows of a micro-batch.
    pub fn of(batch: &'a MicroBatch) -> Self {
        let MicroBatch { rows, dense, row_start, hash, value, label, weight, .. } = batch;
        let width = dense.len().checked_div(*rows).unwrap_or(0);
        Self { rows: *rows, width, dense, row_start, hash, value, label, weight }
    }

    /// Some of them.
    pub fn part(&self, rows: Range<usize>) -> Self {
        Self {
            rows: rows.len(),
            dense: &self.dense[rows.start * self.width..rows.end * self.width],
            row_start: &self.row_start[rows.start..=rows.end],
            label: &self.label[rows.clone()],
            weight: &self.weight[rows],
            ..*self
        }
    }

    /// The hashed features of a row.
    #[inline(always)]
    pub fn features(&self, row: usize) -> (&'a [u32], &'a [f32]) {
        let range = self.row_start[row] as usize..self.row_start[row + 1] as usize;
        (&self.hash[range.clone()], &self.value[range])
    }

    /// The numbers of a row.
    #[inline(always)]
    pub fn numbers(&self, row: usize) -> &'a [f32] {
        &self.dense[row * self.width..(row + 1) * self.width]
    }

    /// Whether any row has hashed features.
    #[inline(always)]
    pub fn are_hashed(&self) -> bool {
        self.row_start.first() != self.row_start.last()
    }
}
