//! One slot of the ring: takes micro-batches into mapped memory, runs them as one submit, gives their logits back.
//!
//! It never waits and never grows: the ring replaces it by a larger one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::adapter::Device;
use super::counters::Counters;
use super::fault::lost;
use super::kernels::{COLUMNS, ENTRIES, Kernels, ROWS};
use super::plan::{Plan, Sections};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::examples::{MicroBatch, Scored};

/// Micro-batches of a submit, at most.
pub const GROUP: usize = 32;

/// Bytes from one plan to the next: the coarsest alignment that an adapter may ask of a uniform buffer.
const PLAN_STRIDE: u64 = 256;
/// Bytes in front of a slot's data that hold its plans.
const SCHEDULE_BYTES: u64 = GROUP as u64 * PLAN_STRIDE;
/// Words in front of a slot's data.
pub(super) const SCHEDULE_WORDS: u64 = SCHEDULE_BYTES / 4;

/// How much a slot holds, or a micro-batch needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Words of data, without the schedule.
    pub words: u64,
    /// Rows.
    pub rows: u64,
}

/// A group of micro-batches on its way through the device.
#[derive(Debug)]
pub(super) struct Slot {
    buffers: Buffers,
    bound: Bound,
    capacity: Size,
    used: Size,
    entries: Vec<Entry>,
    arrival: Arc<Arrival>,
    submission: Option<wgpu::SubmissionIndex>,
}

/// A micro-batch in a slot.
#[derive(Debug)]
pub(super) struct Entry {
    /// The examples, given back with their logits.
    pub batch: MicroBatch,
    /// Where they lie.
    pub plan: Plan,
    /// Updates made before.
    pub version: u64,
    /// Whether there is anything to learn.
    pub learns: bool,
}

#[derive(Debug)]
struct Buffers {
    /// Written by the host: schedule and data.
    upload: wgpu::Buffer,
    /// Its copy on the device.
    data: wgpu::Buffer,
    logit: wgpu::Buffer,
    residual: wgpu::Buffer,
    /// The logits, read by the host.
    readback: wgpu::Buffer,
}

#[derive(Debug)]
struct Bound {
    predict: wgpu::BindGroup,
    dense: wgpu::BindGroup,
    spread: wgpu::BindGroup,
    hashed: wgpu::BindGroup,
}

/// Told by the driver when both mapped buffers are back in the host's hands.
#[derive(Debug, Default)]
struct Arrival {
    missing: AtomicU32,
    failed: AtomicBool,
}

impl Slot {
    /// A slot of a given capacity.
    pub fn new(
        gpu: &Device,
        kernels: &Kernels,
        weights: &Weights,
        capacity: Size,
        counters: &mut Counters,
    ) -> Result<Self> {
        let buffers = Buffers::new(gpu, capacity, counters);
        let bound = Bound::new(gpu, kernels, weights, &buffers, counters);
        gpu.faults.check()?;
        Ok(Self {
            buffers,
            bound,
            capacity,
            used: Size::default(),
            entries: Vec::with_capacity(GROUP),
            arrival: Arc::default(),
            submission: None,
        })
    }

    /// Whether a micro-batch can still join the group.
    pub fn has_room(&self, need: Size) -> bool {
        self.entries.len() < GROUP && self.holds(self.used.plus(need))
    }

    /// Whether it is large enough, when empty.
    pub fn holds(&self, need: Size) -> bool {
        need.words <= self.capacity.words && need.rows <= self.capacity.rows
    }

    /// How much it holds.
    pub fn capacity(&self) -> Size {
        self.capacity
    }

    /// Whether no micro-batch is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it holds as many micro-batches as a submit may have.
    pub fn is_full(&self) -> bool {
        self.entries.len() == GROUP
    }

    /// The submit that it waits for.
    pub fn submission(&self) -> Option<&wgpu::SubmissionIndex> {
        self.submission.as_ref()
    }

    /// Whether its submit is done and its memory mapped again.
    pub fn has_arrived(&self) -> bool {
        self.submission.is_some() && self.arrival.missing.load(Ordering::Acquire) == 0
    }

    /// Where the next micro-batch's first word goes, and its first logit.
    pub fn next_place(&self) -> (u32, u32) {
        ((SCHEDULE_WORDS + self.used.words) as u32, self.used.rows as u32)
    }

    /// Writes a micro-batch where the next one goes; the caller has made room.
    pub fn write(&self, plan: Plan, sections: &Sections<'_>) -> Result<()> {
        self.write_at(self.entries.len() as u64 * PLAN_STRIDE, &[bytemuck::cast_slice(&[plan])])?;
        self.write_at(SCHEDULE_BYTES + self.used.words * 4, sections)
    }

    /// Takes in the micro-batch that was written.
    pub fn put(&mut self, entry: Entry, need: Size) {
        self.used = self.used.plus(need);
        self.entries.push(entry);
    }

    fn write_at(&self, start: u64, sections: &[&[u32]]) -> Result<()> {
        let bytes: u64 = sections.iter().map(|section| size_of_val(*section) as u64).sum();
        if bytes == 0 {
            return Ok(());
        }
        let mut view = self.buffers.upload.get_mapped_range_mut(start..start + bytes).map_err(unmapped)?;
        let mut at = 0;
        for section in sections {
            let bytes: &[u8] = bytemuck::cast_slice(section);
            view.slice(at..at + bytes.len()).copy_from_slice(bytes);
            at += bytes.len();
        }
        Ok(())
    }

    /// Runs the group: one copy in, its dispatches, one copy out, one submit.
    pub fn submit(&mut self, gpu: &Device, kernels: &Kernels, counters: &mut Counters) -> Result<()> {
        let buffers = &self.buffers;
        buffers.upload.unmap();
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("group") });
        encoder.copy_buffer_to_buffer(&buffers.upload, 0, &buffers.data, 0, SCHEDULE_BYTES + self.used.words * 4);
        self.record(&mut encoder, kernels);
        encoder.copy_buffer_to_buffer(&buffers.logit, 0, &buffers.readback, 0, self.logit_bytes());
        self.ask_for_memory_back(&encoder);
        self.submission = Some(counters.submit(gpu, encoder));
        counters.micro_batches += self.entries.len() as u64;
        gpu.faults.check()
    }

    /// Records every micro-batch: predict, then the two halves of the step, dense and hashed, which share no buffer
    /// that either writes and so do not wait for each other.
    fn record(&self, encoder: &mut wgpu::CommandEncoder, kernels: &Kernels) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for (k, entry) in self.entries.iter().enumerate() {
            let (plan, offset) = (&entry.plan, k as u32 * PLAN_STRIDE as u32);
            let mut run = |pipeline, group, workgroups| {
                let (x, y) = grid(workgroups);
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, group, &[offset]);
                pass.dispatch_workgroups(x, y, 1);
            };
            run(&kernels.predict.pipeline, &self.bound.predict, plan.rows.div_ceil(ROWS));
            if !entry.learns {
                continue;
            }
            run(&kernels.dense.pipeline, &self.bound.dense, (plan.width + 1).div_ceil(COLUMNS));
            if plan.entries > 0 {
                run(&kernels.spread.pipeline, &self.bound.spread, plan.rows.div_ceil(ROWS));
                run(&kernels.hashed.pipeline, &self.bound.hashed, plan.entries.div_ceil(ENTRIES));
            }
        }
    }

    /// Maps both host buffers again as soon as the submit is done.
    fn ask_for_memory_back(&self, encoder: &wgpu::CommandEncoder) {
        self.arrival.missing.store(2, Ordering::Release);
        let note = |arrival: Arc<Arrival>| {
            move |mapped: std::result::Result<(), wgpu::BufferAsyncError>| {
                if mapped.is_err() {
                    arrival.failed.store(true, Ordering::Release);
                }
                arrival.missing.fetch_sub(1, Ordering::AcqRel);
            }
        };
        let (upload, readback) = (&self.buffers.upload, &self.buffers.readback);
        encoder.map_buffer_on_submit(upload, wgpu::MapMode::Write, .., note(self.arrival.clone()));
        encoder.map_buffer_on_submit(readback, wgpu::MapMode::Read, .., note(self.arrival.clone()));
    }

    /// Hands out what has arrived, in order, and empties the slot; `spare` gives the buffers for the logits.
    pub fn harvest(&mut self, spare: &mut Vec<Vec<f32>>, mut give: impl FnMut(Scored)) -> Result<()> {
        if self.arrival.failed.load(Ordering::Acquire) {
            return Err(Error::device(lost("its memory could not be mapped")));
        }
        let view = self.buffers.readback.get_mapped_range(0..self.logit_bytes()).map_err(unmapped)?;
        let logits: &[f32] = bytemuck::cast_slice(&view);
        for Entry { batch, plan, version, .. } in self.entries.drain(..) {
            let mut logit = spare.pop().unwrap_or_default();
            logit.clear();
            logit.extend_from_slice(&logits[plan.row_at as usize..][..plan.rows as usize]);
            give(Scored { batch, logit, version, version_per_record: false });
        }
        drop(view);
        self.buffers.readback.unmap();
        self.used = Size::default();
        self.submission = None;
        Ok(())
    }

    fn logit_bytes(&self) -> u64 {
        self.used.rows.max(1) * 4
    }
}

impl Size {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self { words: self.words + other.words, rows: self.rows + other.rows }
    }
}

impl Buffers {
    fn new(gpu: &Device, capacity: Size, counters: &mut Counters) -> Self {
        use wgpu::BufferUsages as Usage;
        let (data, rows) = (SCHEDULE_BYTES + capacity.words * 4, capacity.rows * 4);
        let mut make = |label, size, usage, mapped| counters.create_buffer(gpu, label, size, usage, mapped);
        Self {
            upload: make("upload", data, Usage::MAP_WRITE | Usage::COPY_SRC, true),
            data: make("data", data, Usage::STORAGE | Usage::UNIFORM | Usage::COPY_DST, false),
            logit: make("logit", rows, Usage::STORAGE | Usage::COPY_SRC, false),
            residual: make("residual", rows, Usage::STORAGE, false),
            readback: make("readback", rows, Usage::MAP_READ | Usage::COPY_DST, false),
        }
    }
}

impl Bound {
    fn new(gpu: &Device, kernels: &Kernels, weights: &Weights, buffers: &Buffers, counters: &mut Counters) -> Self {
        let Buffers { data, logit, residual, .. } = buffers;
        let Weights { dense_slots, dense_weight, table, high, low, count_rest, .. } = weights;
        Self {
            predict: counters.bind(gpu, &kernels.predict, &[data, data, data, dense_weight, table, logit, residual]),
            dense: counters.bind(gpu, &kernels.dense, &[data, data, residual, dense_slots, dense_weight]),
            spread: counters.bind(gpu, &kernels.spread, &[data, data, data, residual, high, low, count_rest]),
            hashed: counters.bind(gpu, &kernels.hashed, &[data, data, table, high, low, count_rest]),
        }
    }
}

/// A grid of at least so many workgroups; one dimension ends at 65535.
fn grid(workgroups: u32) -> (u32, u32) {
    let y = workgroups.div_ceil(65535).max(1);
    (workgroups.div_ceil(y), y)
}

fn unmapped(cause: wgpu::MapRangeError) -> Error {
    Error::device(lost("its memory is not mapped")).because(cause)
}

#[cfg(test)]
mod tests {
    use super::grid;

    #[test]
    fn a_grid_covers_its_workgroups_within_the_limit_of_a_dimension() {
        for workgroups in [0, 1, 65535, 65536, 131_071, 1 << 24] {
            let (x, y) = grid(workgroups);
            assert!(x <= 65535 && y <= 65535 && x * y >= workgroups, "{workgroups}: {x} x {y}");
            assert!(x * y < workgroups + y.max(1) + 1, "{workgroups}: {x} x {y} wastes workgroups");
        }
    }
}
