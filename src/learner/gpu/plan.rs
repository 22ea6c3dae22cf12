//! Takes a micro-batch; gives the words that a slot holds of it, and the plan by which kernels find them.
//!
//! It never touches a device.

use super::links::{self, Links, MOST_BLOCK_ENTRIES};
use super::scale::{power, scales};
use super::setting::{decay, has_schedule};
use super::turns::{self, Largest};
use crate::error::{Error, Result};
use crate::examples::MicroBatch;
use crate::learner::{Optimizer, Settings, Update};

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
    /// One word an entry: its coordinate in the table; its whole hash where it is still to be crossed.
    pub index_at: u32,
    /// One float an entry: its value.
    pub value_at: u32,
    /// Place of the first row in the group's logits and residuals.
    pub row_at: u32,
    /// SGD's rate for this step is the learning rate times this.
    pub decay: f32,
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
    /// One word an entry: what follows it in its chain (see `links.rs`).
    pub link_at: u32,
    /// One float a row: its own `decay`; 0 where all have the same.
    pub decay_at: u32,
    /// 1 where rates are folded after 1, 2, 4, 8, ... rows and not only at the end.
    pub warming: u32,
    /// What is left of a hash in the table.
    pub mask: u32,
    /// Keeps the size a multiple of 16 bytes, as uniform buffers want it.
    pub reserved: [u32; 2],
}

/// What one dispatch of the persistent kernel does: some micro-batches, or some rows of one; twin of `Run` in
/// `shaders/persistent.wgsl`.
#[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Run {
    /// Number of the first micro-batch in the slot.
    pub place: u32,
    /// How many.
    pub batches: u32,
    /// Rows of each that are left out at the start; a block begins there.
    pub start: u32,
    /// Rows of each that are taken at most, counted from its start.
    pub end: u32,
    /// Floats of a dense row, padding included.
    pub width: u32,
    /// Entries of a block of rows, at most; the size of what a learner keeps of one.
    pub block_entries: u32,
    /// Keeps the size a multiple of 16 bytes.
    pub reserved: [u32; 2],
}

/// How micro-batches are to be learned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lesson {
    /// Learned by every learner in the same way.
    pub settings: Settings,
    /// Whether chains are wanted, and in blocks of how many rows.
    pub chained: Option<usize>,
    /// Whether the products of any two hashed features are still to be made.
    pub pairs: bool,
}

/// How much the model has learned before a micro-batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    /// Updates made.
    pub updates: u64,
    /// Labelled records learned.
    pub learned: u64,
    /// Whether its rates are not worth freezing yet.
    pub warming: bool,
}

/// What the host makes of a micro-batch before the kernels see it; its buffers are kept for the next one.
#[derive(Debug, Default)]
pub(super) struct Lessons {
    /// 1 or 0; 0 too where nothing is learned.
    label: Vec<f32>,
    /// Example weight; 0 where nothing is learned.
    weight: Vec<f32>,
    /// SGD's schedule, row by row; empty where all rows have the same rate.
    decay: Vec<f32>,
    /// Coordinate of every hashed feature.
    index: Vec<u32>,
    links: Links,
    /// Rows that are learned.
    pub learned: u64,
    /// Their summed weight, added in row order.
    count: f32,
    /// What is left of a hash in the table.
    mask: u32,
    /// Whether products are still to be made.
    pairs: bool,
    /// Whether rates are folded early.
    warming: bool,
    /// SGD's schedule where all rows have the same rate.
    common_decay: f32,
}

/// The parts of a micro-batch as they stand in a slot, one after the other.
pub(super) type Sections<'a> = [&'a [u32]; 8];

impl Lessons {
    /// Reads them from a micro-batch. Kernels cannot ask for NaN, so "not learned" becomes a weight of 0 here.
    ///
    /// # Errors
    ///
    /// Where a block of rows has more features than a link can tell.
    pub fn read(&mut self, batch: &MicroBatch, how: &Lesson, before: Before) -> Result<()> {
        let Lesson { settings, chained, pairs } = *how;
        self.label.clear();
        self.weight.clear();
        (self.learned, self.count) = (0, 0.0);
        for (&label, &weight) in batch.label.iter().zip(&batch.weight) {
            let learns = !(settings.frozen || label.is_nan() || weight == 0.0);
            self.label.push(if learns { label } else { 0.0 });
            self.weight.push(if learns { weight } else { 0.0 });
            if learns {
                self.learned += 1;
                self.count += weight;
            }
        }
        self.mask = ((1u64 << settings.hash_bits) - 1) as u32;
        let kept = if pairs { u32::MAX } else { self.mask };
        self.index.clear();
        self.index.extend(batch.hash.iter().map(|hash| hash & kept));
        self.pairs = pairs;
        self.read_schedule(settings.optimizer, settings.update, before);
        self.warming = before.warming && settings.update == Update::Record;
        let chained_entries: &[u32] = if chained.is_some() { &self.index } else { &[] };
        let blocks = links::blocks(batch.rows, chained.unwrap_or(1), self.warming);
        self.links.find(chained_entries, &batch.row_start, blocks);
        if self.links.block_entries > MOST_BLOCK_ENTRIES {
            let (have, rows) = (self.links.block_entries, chained.unwrap_or(1));
            return Err(Error::device(format!(
                "{rows} records in a row have {have} hashed features, more than the GPU takes at once \
                 ({MOST_BLOCK_ENTRIES}): run with --device cpu"
            )));
        }
        Ok(())
    }

    fn read_schedule(&mut self, optimizer: Optimizer, update: Update, before: Before) {
        self.decay.clear();
        self.common_decay = decay(optimizer, before.updates);
        if update == Update::Batch || !has_schedule(optimizer) {
            return;
        }
        let mut learned = before.learned;
        for &weight in &self.weight {
            self.decay.push(decay(optimizer, learned));
            learned += u64::from(weight != 0.0);
        }
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
            &self.links.links,
            bytemuck::cast_slice(&self.decay),
        ]
    }

    /// Entries of its largest block.
    pub fn block_entries(&self) -> u64 {
        self.links.block_entries as u64
    }

    /// Turns that the loops of one thread take for a block of the micro-batch, at most.
    pub fn turns(&self, batch: &MicroBatch, how: &Lesson, block: usize) -> u64 {
        let longest_row = batch.row_start.windows(2).map(|ends| ends[1] - ends[0]).max().unwrap_or(0);
        turns::of_block(&Largest {
            rows: block as u64,
            columns: (batch.dense.len() / batch.rows.max(1)) as u64 + 1,
            entries: self.links.block_entries as u64,
            longest_chain: u64::from(self.links.longest),
            longest_row: longest_row.into(),
            weight: self.weight.iter().fold(0.0, |most, &weight| weight.max(most)),
            by_record: how.settings.update == Update::Record,
        })
    }

    /// The plan of a micro-batch whose sections start at word `start`; its place in the slot is for the caller.
    ///
    /// # Errors
    ///
    /// Where more is learned at once than the sums of gradients have bits for.
    pub fn plan(&self, batch: &MicroBatch, start: u32) -> Result<Plan> {
        let mut at = [start; 8];
        for (k, section) in self.sections(batch)[..7].iter().enumerate() {
            at[k + 1] = at[k] + section.len() as u32;
        }
        let plan = Plan {
            rows: batch.rows as u32,
            width: (batch.dense.len() / batch.rows.max(1)) as u32,
            entries: self.index.len() as u32,
            dense_at: at[0],
            label_at: at[1],
            weight_at: at[2],
            row_start_at: at[3],
            index_at: at[4],
            value_at: at[5],
            link_at: at[6],
            decay_at: if self.decay.is_empty() { 0 } else { at[7] },
            decay: self.common_decay,
            count: self.count,
            warming: u32::from(self.warming),
            mask: self.mask,
            ..Plan::default()
        };
        // Chains add in order; only the kernels that add as they come need the scales of integers.
        if self.links.links.is_empty() { self.with_scales(plan, batch) } else { Ok(plan) }
    }

    fn with_scales(&self, plan: Plan, batch: &MicroBatch) -> Result<Plan> {
        let scales = scales(batch, &self.weight, self.pairs)?;
        Ok(Plan {
            gradient_unit: power(scales.gradient),
            inverse_gradient_unit: power(-scales.gradient),
            limb: power(scales.limb),
            inverse_limb: power(-scales.limb),
            count_unit: power(scales.count),
            inverse_count_unit: power(-scales.count),
            ..plan
        })
    }
}

/// Words that a micro-batch takes in a slot.
pub(super) fn words(sections: &Sections<'_>) -> u64 {
    sections.iter().map(|section| section.len() as u64).sum()
}
