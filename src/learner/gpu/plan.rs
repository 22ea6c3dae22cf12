//! Takes a micro-batch; gives the words that a slot holds of it, and the plan by which kernels find them.
//!
//! It never touches a device.

use super::scale::{power, scales};
use crate::error::Result;
use crate::examples::MicroBatch;

/// Where one micro-batch lies in its slot, and what its step needs; twin of `Plan` in `shaders/common.wgsl`.
///
/// Places (`*_at`) count words of four bytes from the start of the slot's data, except `row_at`.
#[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Plan {
    /// Examples.
    pub rows: u32,
    /// Floats of a dense row, padding included.
    pub width: u32,
    /// Hashed features of all rows together.
    pub entries: u32,
    /// `rows` x `width` floats.
    pub dense_at: u32,
    /// One float a row: 1 or 0; 0 too where nothing is learned.
    pub label_at: u32,
    /// One float a row: the example weight; 0 where nothing is learned.
    pub weight_at: u32,
    /// `rows + 1` offsets into `index` and `value`.
    pub row_start_at: u32,
    /// One word an entry: its coordinate in the table.
    pub index_at: u32,
    /// One float an entry: its value.
    pub value_at: u32,
    /// Place of the first row in the group's logits and residuals.
    pub row_at: u32,
    /// SGD's rate for this step.
    pub rate: f32,
    /// Summed weight of the rows that are learned.
    pub count: f32,
    /// The unit, a power of two, in which the gradients of a coordinate's entries are added.
    pub gradient_unit: f32,
    /// Its inverse.
    pub inverse_gradient_unit: f32,
    /// Two to the number of bits of each of the two integers that take what is left below a unit.
    pub limb: f32,
    /// Its inverse.
    pub inverse_limb: f32,
    /// The unit, a power of two, in which the weights of a coordinate's entries are added.
    pub count_unit: f32,
    /// Its inverse.
    pub inverse_count_unit: f32,
    /// Keeps the size a multiple of 16 bytes, as uniform buffers want it.
    pub reserved: [u32; 2],
}

/// What the host makes of a micro-batch before the kernels see it; its buffers are kept for the next one.
#[derive(Debug, Default)]
pub(super) struct Lessons {
    /// 1 or 0; 0 too where nothing is learned.
    label: Vec<f32>,
    /// Example weight; 0 where nothing is learned.
    weight: Vec<f32>,
    /// Coordinate of every hashed feature.
    index: Vec<u32>,
    /// Rows that are learned.
    pub learned: u64,
    /// Their summed weight, added in row order.
    count: f32,
}

/// The parts of a micro-batch as they stand in a slot, one after the other.
pub(super) type Sections<'a> = [&'a [u32]; 6];

impl Lessons {
    /// Reads them from a micro-batch; `frozen` learns nothing. Kernels cannot ask for NaN, so "not learned" becomes a
    /// weight of 0 here.
    pub fn read(&mut self, batch: &MicroBatch, hash_bits: u32, frozen: bool) {
        self.label.clear();
        self.weight.clear();
        (self.learned, self.count) = (0, 0.0);
        for (&label, &weight) in batch.label.iter().zip(&batch.weight) {
            let learns = !(frozen || label.is_nan() || weight == 0.0);
            self.label.push(if learns { label } else { 0.0 });
            self.weight.push(if learns { weight } else { 0.0 });
            if learns {
                self.learned += 1;
                self.count += weight;
            }
        }
        let mask = ((1u64 << hash_bits) - 1) as u32;
        self.index.clear();
        self.index.extend(batch.hash.iter().map(|hash| hash & mask));
    }

    /// The sections of a micro-batch; those of hashed features are empty where it has none.
    pub fn sections<'a>(&'a self, batch: &'a MicroBatch) -> Sections<'a> {
        let row_start: &[u32] = if self.index.is_empty() { &[] } else { &batch.row_start };
        [
            bytemuck::cast_slice(&batch.dense),
            bytemuck::cast_slice(&self.label),
            bytemuck::cast_slice(&self.weight),
            row_start,
            &self.index,
            bytemuck::cast_slice(&batch.value),
        ]
    }

    /// The plan of a micro-batch whose sections start at word `start`; rate and `row_at` are for the caller.
    ///
    /// # Errors
    ///
    /// Where more is learned at once than the sums of gradients have bits for.
    pub fn plan(&self, batch: &MicroBatch, start: u32) -> Result<Plan> {
        let mut at = [start; 6];
        for (k, section) in self.sections(batch)[..5].iter().enumerate() {
            at[k + 1] = at[k] + section.len() as u32;
        }
        let scales = scales(batch, &self.weight)?;
        Ok(Plan {
            rows: batch.rows as u32,
            width: (batch.dense.len() / batch.rows.max(1)) as u32,
            entries: self.index.len() as u32,
            dense_at: at[0],
            label_at: at[1],
            weight_at: at[2],
            row_start_at: at[3],
            index_at: at[4],
            value_at: at[5],
            count: self.count,
            gradient_unit: power(scales.gradient),
            inverse_gradient_unit: power(-scales.gradient),
            limb: power(scales.limb),
            inverse_limb: power(-scales.limb),
            count_unit: power(scales.count),
            inverse_count_unit: power(-scales.count),
            ..Plan::default()
        })
    }
}

/// Words that a micro-batch takes in a slot.
pub(super) fn words(sections: &Sections<'_>) -> u64 {
    sections.iter().map(|section| section.len() as u64).sum()
}
