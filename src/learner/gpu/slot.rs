//! One slot of the ring: takes micro-batches into mapped memory, runs them as one submit, gives their logits back.
//!
//! It never waits and never grows: the ring replaces it by a larger one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::adapter::Device;
use super::buffers::{
    Bound, BoundDispatched, Buffers, Form, GROUP, MOST_RUNS, PLAN_STRIDE, SCHEDULE_BYTES, SCHEDULE_WORDS, Size, Tally,
};
use super::counters::Counters;
use super::fault::lost;
use super::kernels::{COLUMNS, Dispatched, ENTRIES, Kernel, Kernels, ROWS};
use super::plan::{Plan, Run, Sections};
use super::runs::{Blocks, Piece};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::examples::{LANES, MicroBatch, Scored};
use crate::learner::Replayed;

/// A group of micro-batches on its way through the device.
#[derive(Debug)]
pub(super) struct Slot {
    form: Form,
    buffers: Buffers,
    bound: Bound,
    capacity: Size,
    used: Size,
    entries: Vec<Entry>,
    arrival: Arc<Arrival>,
    submission: Option<wgpu::SubmissionIndex>,
    /// Whether its micro-batches stay where they are, to be learned again.
    keeps: bool,
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
    /// Whether the products of any two of its hashed features are still to be made.
    pub pairs: bool,
    /// The blocks in which it goes through the persistent kernel, if it does.
    pub blocks: Option<Blocks>,
}

impl Entry {
    fn piece(&self) -> Piece {
        Piece { blocks: self.blocks, rows: self.plan.rows, warming: self.plan.warming == 1 }
    }
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
        form: Form,
        capacity: Size,
        counters: &mut Counters,
    ) -> Result<Self> {
        let buffers = Buffers::new(gpu, form, capacity, kernels.persistent.is_some(), counters);
        let bound = Bound::new(gpu, kernels, weights, &buffers, counters);
        gpu.faults.check()?;
        Ok(Self {
            form,
            buffers,
            bound,
            capacity,
            used: Size::default(),
            entries: Vec::with_capacity(GROUP),
            arrival: Arc::default(),
            submission: None,
            keeps: false,
        })
    }

    /// Whether its micro-batches stay where they are.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Says so, while it is empty.
    pub fn keep(&mut self, keeps: bool) {
        self.keeps = keeps;
    }

    /// Bytes that it takes on the device.
    pub fn bytes(&self) -> u64 {
        self.buffers.bytes()
    }

    /// Whether a micro-batch can still join the group.
    pub fn has_room(&self, need: Size, blocks: Option<Blocks>) -> bool {
        let runs: u64 = self.entries.iter().map(|entry| self.form.runs_of(entry.blocks)).sum();
        let runs = runs + self.form.runs_of(blocks);
        self.entries.len() < GROUP && runs <= MOST_RUNS as u64 && self.holds(self.used.plus(need))
    }

    /// Whether it is large enough, when empty.
    pub fn holds(&self, need: Size) -> bool {
        let have = self.capacity;
        need.words <= have.words && need.rows <= have.rows && need.block_entries <= have.block_entries
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
        let mut view = self.buffers.written().get_mapped_range_mut(start..start + bytes).map_err(unmapped)?;
        let mut at = 0;
        for section in sections {
            let bytes: &[u8] = bytemuck::cast_slice(section);
            view.slice(at..at + bytes.len()).copy_from_slice(bytes);
            at += bytes.len();
        }
        Ok(())
    }

    /// Runs the group in one submit: a copy in where one is needed, its dispatches, a copy out.
    pub fn submit(&mut self, gpu: &Device, kernels: &Kernels, counters: &mut Counters) -> Result<()> {
        let runs = self.runs();
        self.write_runs(&runs)?;
        self.buffers.written().unmap();
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("group") });
        if let Some(upload) = &self.buffers.upload {
            encoder.copy_buffer_to_buffer(upload, 0, &self.buffers.data, 0, SCHEDULE_BYTES + self.used.words * 4);
        }
        self.run(encoder, &runs, gpu, kernels, counters)?;
        if self.keeps {
            self.buffers.upload = None; // what it held is on the device
        }
        Ok(())
    }

    /// Runs a group that was kept once more.
    pub fn submit_again(&mut self, gpu: &Device, kernels: &Kernels, counters: &mut Counters) -> Result<()> {
        let runs = self.runs();
        let encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("again") });
        self.run(encoder, &runs, gpu, kernels, counters)
    }

    fn run(
        &mut self,
        mut encoder: wgpu::CommandEncoder,
        runs: &[Run],
        gpu: &Device,
        kernels: &Kernels,
        counters: &mut Counters,
    ) -> Result<()> {
        let buffers = &self.buffers;
        let (tallies_at, tally_bytes) = (self.tallies_at(), self.form.tally_bytes());
        if kernels.persistent.is_some() {
            encoder.clear_buffer(&buffers.scored, tallies_at, Some(tally_bytes));
        }
        counters.dispatches += self.record(&mut encoder, kernels, runs);
        encoder.copy_buffer_to_buffer(&buffers.scored, 0, &buffers.readback, 0, self.logit_bytes());
        if kernels.persistent.is_some() {
            encoder.copy_buffer_to_buffer(&buffers.scored, tallies_at, &buffers.readback, tallies_at, tally_bytes);
        }
        self.ask_for_memory_back(&encoder);
        self.submission = Some(counters.submit(gpu, encoder));
        counters.micro_batches += self.entries.len() as u64;
        gpu.faults.check()
    }

    fn runs(&self) -> Vec<Run> {
        self.form.runs(self.entries.iter().map(Entry::piece), self.capacity.block_entries)
    }

    fn write_runs(&self, runs: &[Run]) -> Result<()> {
        for (number, run) in runs.iter().enumerate() {
            self.write_at(run_at(number), &[bytemuck::cast_slice(&[*run])])?;
        }
        Ok(())
    }

    /// Records every micro-batch; gives the number of dispatches.
    fn record(&self, encoder: &mut wgpu::CommandEncoder, kernels: &Kernels, runs: &[Run]) -> u64 {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        let mut dispatches = 0;
        let mut run = |kernel: &Kernel, group: &wgpu::BindGroup, offset: u64, workgroups| {
            let (x, y) = grid(workgroups);
            pass.set_pipeline(&kernel.pipeline);
            pass.set_bind_group(0, group, &[offset as u32]);
            pass.dispatch_workgroups(x, y, 1);
            dispatches += 1;
        };
        let mut runs = runs.iter().zip(0..).peekable();
        for (place, entry) in self.entries.iter().enumerate() {
            if let (Some(kernel), Some(bound)) = (&kernels.persistent, &self.bound.persistent) {
                while let Some((_, number)) = runs.next_if(|(run, _)| run.place as usize == place) {
                    run(kernel, bound, run_at(number), self.form.learners as u32);
                }
            }
            if let (None, Some(kernels), Some(bound)) = (entry.blocks, &kernels.dispatched, &self.bound.dispatched) {
                let offset = place as u64 * PLAN_STRIDE;
                dispatch(entry, kernels, bound, |kernel, group, workgroups| run(kernel, group, offset, workgroups));
            }
        }
        dispatches
    }

    /// Maps what the host reads and writes again as soon as the submit is done; what is kept is not written any more.
    fn ask_for_memory_back(&self, encoder: &wgpu::CommandEncoder) {
        self.arrival.missing.store(if self.keeps { 1 } else { 2 }, Ordering::Release);
        let note = |arrival: Arc<Arrival>| {
            move |mapped: std::result::Result<(), wgpu::BufferAsyncError>| {
                if mapped.is_err() {
                    arrival.failed.store(true, Ordering::Release);
                }
                arrival.missing.fetch_sub(1, Ordering::AcqRel);
            }
        };
        if !self.keeps {
            let written = self.buffers.written();
            encoder.map_buffer_on_submit(written, wgpu::MapMode::Write, .., note(self.arrival.clone()));
        }
        let readback = &self.buffers.readback;
        encoder.map_buffer_on_submit(readback, wgpu::MapMode::Read, .., note(self.arrival.clone()));
    }

    /// Hands out what has arrived, in order, and empties the slot, unless it keeps what it has; `spare` gives the buffers
    /// for the logits. With a micro-batch that went through the persistent kernel comes what each learner has tallied.
    pub fn harvest(&mut self, spare: &mut Vec<Vec<f32>>, mut give: impl FnMut(Scored, &[Tally])) -> Result<()> {
        let mut entries = std::mem::take(&mut self.entries);
        self.read(&mut entries, |entry, logits, tallies| {
            let mut logit = spare.pop().unwrap_or_default();
            logit.clear();
            logit.extend_from_slice(logits);
            let left = if self.keeps { labels_of(&entry.batch) } else { MicroBatch::default() };
            let batch = std::mem::replace(&mut entry.batch, left);
            give(
                Scored { batch, logit, version: entry.version, version_per_record: false, ..Scored::default() },
                tallies,
            );
        })?;
        if self.keeps {
            self.entries = entries;
        } else {
            self.used = Size::default();
        }
        self.submission = None;
        Ok(())
    }

    /// Adds up what was predicted of a group that was run again.
    pub fn harvest_again(&mut self, sum: &mut Replayed) -> Result<()> {
        let mut entries = std::mem::take(&mut self.entries);
        self.read(&mut entries, |entry, logits, tallies| {
            let Some(&[loss, weight, ..]) = tallies.first() else { return sum.add(&entry.batch, logits) };
            sum.records += u64::from(entry.plan.rows);
            sum.loss += f64::from(loss);
            sum.weight += f64::from(weight);
            if !loss.is_finite() {
                sum.not_finite = sum.not_finite.or(entry.batch.record.first().copied());
            }
        })?;
        self.entries = entries;
        self.submission = None;
        Ok(())
    }

    /// Calls `each` with every micro-batch, its logits and what learners have tallied of it.
    fn read(&self, entries: &mut [Entry], mut each: impl FnMut(&mut Entry, &[f32], &[Tally])) -> Result<()> {
        if self.arrival.failed.load(Ordering::Acquire) {
            return Err(Error::device(lost("its memory could not be mapped")));
        }
        let tallies_at = (self.tallies_at() / 4) as usize;
        let view = self.buffers.readback.get_mapped_range(..).map_err(unmapped)?;
        let (logits, tallies) = bytemuck::cast_slice::<u8, f32>(&view).split_at(tallies_at);
        let tallies = tallies.as_chunks().0.chunks_exact(self.form.learners as usize);
        for (entry, tallies) in entries.iter_mut().zip(tallies) {
            let tallies = if let Some(blocks) = entry.blocks { complete(tallies, blocks)? } else { &[] };
            let (row_at, rows) = (entry.plan.row_at as usize, entry.plan.rows as usize);
            each(entry, &logits[row_at..row_at + rows], tallies);
        }
        drop(view);
        self.buffers.readback.unmap();
        Ok(())
    }

    fn logit_bytes(&self) -> u64 {
        self.used.rows.max(1) * 4
    }

    /// Where the tallies begin, in bytes.
    fn tallies_at(&self) -> u64 {
        self.buffers.scored.size() - self.form.tally_bytes()
    }
}

/// Dispatches one micro-batch: predict, then the two halves of the step, dense and hashed, which share no buffer that
/// either writes and so do not wait for each other.
fn dispatch(
    entry: &Entry,
    kernels: &Dispatched,
    bound: &BoundDispatched,
    mut run: impl FnMut(&Kernel, &wgpu::BindGroup, u32),
) {
    let plan = &entry.plan;
    run(&kernels.predict, &bound.predict, plan.rows.div_ceil(ROWS));
    if !entry.learns {
        return;
    }
    run(&kernels.dense, &bound.dense, (plan.width + 1).div_ceil(COLUMNS));
    if plan.entries > 0 {
        run(&kernels.spread, &bound.spread, plan.rows.div_ceil(ROWS));
        let lanes = if entry.pairs { plan.rows * LANES as u32 } else { plan.entries };
        run(&kernels.hashed, &bound.hashed, lanes.div_ceil(ENTRIES));
    }
}

/// What has to be known of a micro-batch to score it again.
fn labels_of(batch: &MicroBatch) -> MicroBatch {
    let (label, weight) = (batch.label.clone(), batch.weight.clone());
    MicroBatch { rows: batch.rows, label, weight, record: batch.record.clone(), ..MicroBatch::default() }
}

/// Checks that a kernel has gone through all blocks: a driver that leaves its loops early says nothing.
fn complete(tallies: &[Tally], blocks: Blocks) -> Result<&[Tally]> {
    if tallies.iter().all(|&[.., done, _]| done as u64 == blocks.count) {
        return Ok(tallies);
    }
    Err(Error::device(lost("its driver left a kernel before its end")))
}

/// Where a run lies in a slot, in bytes.
fn run_at(number: usize) -> u64 {
    (GROUP + number) as u64 * PLAN_STRIDE
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
    use super::{Blocks, complete, grid};

    #[test]
    fn a_kernel_that_was_left_early_is_a_lost_device() {
        let blocks = Blocks { count: 3, turns: 1 };
        assert!(complete(&[[0.5, 9.0, 3.0, 12.0]; 2], blocks).is_ok());
        let error = complete(&[[0.5, 9.0, 3.0, 12.0], [0.5, 6.0, 2.0, 9.0]], blocks).unwrap_err();
        assert!(error.to_string().contains("left a kernel before its end"), "{error}");
        assert!(error.to_string().contains("--device cpu"), "{error}");
    }

    #[test]
    fn a_grid_covers_its_workgroups_within_the_limit_of_a_dimension() {
        for workgroups in [0, 1, 65535, 65536, 131_071, 1 << 24] {
            let (x, y) = grid(workgroups);
            assert!(x <= 65535 && y <= 65535 && x * y >= workgroups, "{workgroups}: {x} x {y}");
            assert!(x * y < workgroups + y.max(1) + 1, "{workgroups}: {x} x {y} wastes workgroups");
        }
    }
}
