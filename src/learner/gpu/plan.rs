//! Takes a micro-batch and its order; gives the words that a slot holds of it, and the plan by which kernels find them.
//!
//! It never touches a device.

use super::order::Order;
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
    /// Distinct hashed coordinates that learn.
    pub features: u32,
    /// The first so many of them have more than [`super::order::LONG`] entries.
    pub long_features: u32,
    /// `rows` x `width` floats.
    pub dense_at: u32,
    /// One float a row: 1 or 0; 0 too without a label.
    pub label_at: u32,
    /// One float a row: the example weight; 0 where nothing is learned.
    pub weight_at: u32,
    /// `rows + 1` offsets into `index` and `value`.
    pub row_start_at: u32,
    /// One word an entry: its coordinate in the table.
    pub index_at: u32,
    /// One float an entry: its value.
    pub value_at: u32,
    /// One word a distinct coordinate: its place in the table.
    pub feature_at: u32,
    /// `features + 1` offsets into `ordered_row` and `ordered_value`.
    pub feature_start_at: u32,
    /// One float a distinct coordinate: the summed weight of its entries.
    pub count_at: u32,
    /// One word a learned entry, grouped by coordinate, in row order: its row.
    pub ordered_row_at: u32,
    /// One float a learned entry, in the same order: its value.
    pub ordered_value_at: u32,
    /// Place of the first row in the group's logits and residuals.
    pub row_at: u32,
    /// SGD's rate for this step.
    pub rate: f32,
    /// Summed weight of the rows that are learned.
    pub count: f32,
    /// Keeps the size a multiple of 16 bytes, as uniform buffers want it.
    pub reserved: u32,
}

/// What the kernels need of the labels and weights, with "not learned" written as weight 0.
#[derive(Debug, Default)]
pub(super) struct Lessons {
    /// 1 or 0; 0 too where nothing is learned.
    pub label: Vec<f32>,
    /// Example weight; 0 where nothing is learned.
    pub weight: Vec<f32>,
    /// Rows that are learned.
    pub learned: u64,
    /// Their summed weight, added in row order.
    pub count: f32,
}

impl Lessons {
    /// Reads them from a micro-batch; `frozen` learns nothing.
    pub fn read(&mut self, batch: &MicroBatch, frozen: bool) {
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
    }
}

/// The parts of a micro-batch as they stand in a slot, one after the other.
pub(super) type Sections<'a> = [&'a [u32]; 11];

/// Words that a micro-batch takes in a slot.
pub(super) fn words(sections: &Sections<'_>) -> u64 {
    sections.iter().map(|section| section.len() as u64).sum()
}

/// The plan of a micro-batch whose sections start at word `start`; rate and place of the logits are for the caller.
pub(super) fn lay_out(sections: &Sections<'_>, rows: usize, lessons: &Lessons, order: &Order, start: u32) -> Plan {
    let mut at = [start; 11];
    for k in 1..sections.len() {
        at[k] = at[k - 1] + sections[k - 1].len() as u32;
    }
    Plan {
        rows: rows as u32,
        width: (sections[0].len() / rows.max(1)) as u32,
        entries: order.index.len() as u32,
        features: order.feature.len() as u32,
        long_features: order.long,
        dense_at: at[0],
        label_at: at[1],
        weight_at: at[2],
        row_start_at: at[3],
        index_at: at[4],
        value_at: at[5],
        feature_at: at[6],
        feature_start_at: at[7],
        count_at: at[8],
        ordered_row_at: at[9],
        ordered_value_at: at[10],
        count: lessons.count,
        ..Plan::default()
    }
}

/// The sections of a micro-batch; those of hashed features are empty where it has none.
pub(super) fn sections<'a>(batch: &'a MicroBatch, lessons: &'a Lessons, order: &'a Order) -> Sections<'a> {
    let row_start: &[u32] = if order.index.is_empty() { &[] } else { &batch.row_start };
    [
        bytemuck::cast_slice(&batch.dense),
        bytemuck::cast_slice(&lessons.label),
        bytemuck::cast_slice(&lessons.weight),
        row_start,
        &order.index,
        bytemuck::cast_slice(&batch.value),
        &order.feature,
        &order.start,
        bytemuck::cast_slice(&order.count),
        &order.row,
        bytemuck::cast_slice(&order.value),
    ]
}
