//! Blocks: take micro-batches, hold them as columns, give them again by their place.
//!
//! A block knows where each of its micro-batches ends, so that every pass cuts the same ones. Padding is left out.

use std::ops::Range;

use super::Numbers;
use super::half::{LARGEST, half, whole};
use crate::error::{Error, Result};
use crate::examples::{MicroBatch, stride};

/// Records of a block, about.
const ROWS: usize = 8192;
/// Bytes of a block, about.
const BYTES: u64 = 4 << 20;

/// Several micro-batches.
#[derive(Debug)]
pub struct Block {
    /// Dense numbers of a row.
    width: usize,
    dense: Dense,
    /// Offsets into `hash` and `value`, the first 0.
    pub(super) row_start: Vec<i32>,
    pub(super) hash: Vec<u32>,
    pub(super) value: Vec<f32>,
    pub(super) label: Vec<f32>,
    pub(super) weight: Vec<f32>,
    pub(super) record: Vec<u64>,
    /// The row behind each micro-batch.
    pub(super) ends: Vec<u32>,
}

/// Dense numbers, row by row.
#[derive(Debug)]
pub(super) enum Dense {
    F32(Vec<f32>),
    F16(Vec<u16>),
}

/// The columns of a block, wherever they lie.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    pub(super) width: usize,
    pub(super) dense: DenseColumn<'a>,
    pub(super) row_start: &'a [i32],
    pub(super) hash: &'a [u32],
    pub(super) value: &'a [f32],
    pub(super) label: &'a [f32],
    pub(super) weight: &'a [f32],
    pub(super) record: &'a [u64],
    pub(super) ends: &'a [u32],
}

/// Dense numbers, wherever they lie.
#[derive(Debug, Clone, Copy)]
pub(super) enum DenseColumn<'a> {
    F32(&'a [f32]),
    F16(&'a [u16]),
}

impl Block {
    /// An empty block of rows of `width` dense numbers.
    pub fn new(width: usize, numbers: Numbers) -> Self {
        let dense = match numbers {
            Numbers::F32 => Dense::F32(Vec::new()),
            Numbers::F16 => Dense::F16(Vec::new()),
        };
        let (hash, value, label, weight) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { width, dense, row_start: vec![0], hash, value, label, weight, record: Vec::new(), ends: Vec::new() }
    }

    /// Takes a copy of a micro-batch; gives the number of its dense numbers that have become the largest that there is.
    ///
    /// # Errors
    /// More features than a block can count.
    pub fn push(&mut self, batch: &MicroBatch) -> Result<u64> {
        let before = self.hash.len();
        if i32::try_from(before + batch.hash.len()).is_err() {
            return Err(Error::usage("a micro-batch has more features than later passes can keep: lower --batch"));
        }
        let clamped = self.dense.push(&batch.dense, self.width);
        self.row_start.extend(batch.row_start[1..].iter().map(|&start| (before + start as usize) as i32));
        self.hash.extend_from_slice(&batch.hash);
        self.value.extend_from_slice(&batch.value);
        self.label.extend_from_slice(&batch.label);
        self.weight.extend_from_slice(&batch.weight);
        self.record.extend_from_slice(&batch.record);
        self.ends.push(self.label.len() as u32);
        Ok(clamped)
    }

    /// Records in it.
    pub fn rows(&self) -> usize {
        self.label.len()
    }

    /// Whether it is time for the next one.
    pub fn is_full(&self) -> bool {
        self.rows() >= ROWS || self.bytes() >= BYTES
    }

    /// Bytes of memory that its contents take, itself included.
    pub fn bytes(&self) -> u64 {
        let words = self.row_start.len() + self.hash.len() + self.value.len() + 4 * self.rows() + self.ends.len();
        (size_of::<Self>() + 4 * words) as u64 + self.dense.bytes()
    }

    /// The same without room to grow.
    #[must_use]
    pub fn shrunk(mut self) -> Self {
        let Self { width: _, dense, row_start, hash, value, label, weight, record, ends } = &mut self;
        dense.shrink();
        [hash, ends].into_iter().for_each(Vec::shrink_to_fit);
        [value, label, weight].into_iter().for_each(Vec::shrink_to_fit);
        row_start.shrink_to_fit();
        record.shrink_to_fit();
        self
    }

    /// Empties it, keeping the buffers.
    pub fn clear(&mut self) {
        let Self { width: _, dense, row_start, hash, value, label, weight, record, ends } = self;
        dense.clear();
        row_start.truncate(1);
        [hash, ends].into_iter().for_each(Vec::clear);
        [value, label, weight].into_iter().for_each(Vec::clear);
        record.clear();
    }

    /// Its columns.
    pub fn columns(&self) -> Columns<'_> {
        let Self { width, dense, row_start, hash, value, label, weight, record, ends } = self;
        let dense = match dense {
            Dense::F32(numbers) => DenseColumn::F32(numbers),
            Dense::F16(numbers) => DenseColumn::F16(numbers),
        };
        Columns { width: *width, dense, row_start, hash, value, label, weight, record, ends }
    }
}

impl Dense {
    fn push(&mut self, padded: &[f32], width: usize) -> u64 {
        let rows = padded.chunks_exact(stride(width).max(1));
        match self {
            Self::F32(numbers) => {
                rows.for_each(|row| numbers.extend_from_slice(&row[..width]));
                0
            }
            Self::F16(numbers) => {
                let mut clamped = 0;
                for row in rows.map(|row| &row[..width]) {
                    clamped += row.iter().map(|x| u32::from(x.abs() > LARGEST)).sum::<u32>();
                    numbers.extend(row.iter().map(|&x| half(x)));
                }
                u64::from(clamped)
            }
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::F32(numbers) => size_of_val(&numbers[..]) as u64,
            Self::F16(numbers) => size_of_val(&numbers[..]) as u64,
        }
    }

    fn shrink(&mut self) {
        match self {
            Self::F32(numbers) => numbers.shrink_to_fit(),
            Self::F16(numbers) => numbers.shrink_to_fit(),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::F32(numbers) => numbers.clear(),
            Self::F16(numbers) => numbers.clear(),
        }
    }
}

impl Columns<'_> {
    /// Gives the micro-batch at a place, in the buffers of `to`; false behind the last one.
    pub fn fill(&self, place: usize, to: &mut MicroBatch) -> bool {
        let Some(&end) = self.ends.get(place) else { return false };
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        let rows = start as usize..end as usize;
        let dense = std::mem::take(&mut to.dense); // all of it is written, so that it need not be emptied
        to.clear();
        to.dense = dense;
        to.rows = rows.len();
        self.fill_dense(rows.clone(), &mut to.dense);
        let first = self.row_start[rows.start];
        let features = first as usize..self.row_start[rows.end] as usize;
        to.row_start.extend(self.row_start[rows.start + 1..=rows.end].iter().map(|at| (at - first) as u32));
        to.hash.extend_from_slice(&self.hash[features.clone()]);
        to.value.extend_from_slice(&self.value[features]);
        to.label.extend_from_slice(&self.label[rows.clone()]);
        to.weight.extend_from_slice(&self.weight[rows.clone()]);
        to.record.extend_from_slice(&self.record[rows]);
        true
    }

    fn fill_dense(&self, rows: Range<usize>, to: &mut Vec<f32>) {
        let (width, padded) = (self.width, stride(self.width));
        to.resize(rows.len() * padded, 0.0);
        if width == 0 {
            return;
        }
        let numbers = rows.start * width..rows.end * width;
        let out = to.chunks_exact_mut(padded).map(|row| row.split_at_mut(width));
        match self.dense {
            DenseColumn::F32(all) => {
                for ((row, padding), kept) in out.zip(all[numbers].chunks_exact(width)) {
                    row.copy_from_slice(kept);
                    padding.fill(0.0);
                }
            }
            DenseColumn::F16(all) => {
                for ((row, padding), kept) in out.zip(all[numbers].chunks_exact(width)) {
                    row.iter_mut().zip(kept).for_each(|(x, &kept)| *x = whole(kept));
                    padding.fill(0.0);
                }
            }
        }
    }
}
