//! Takes the size of a group of micro-batches; gives the buffers that it takes on a device, bound to the kernels.
//!
//! It never writes to them.

use super::adapter::Device;
use super::counters::Counters;
use super::kernels::{Kernel, Kernels};
use super::runs::Most;
use super::variant::Upload;
use super::weights::Weights;

/// Micro-batches of a submit, at most.
pub const GROUP: usize = 32;

/// Bytes from one plan to the next: the coarsest alignment that an adapter may ask of a uniform buffer.
pub(super) const PLAN_STRIDE: u64 = 256;
/// Dispatches of the persistent kernel of a submit, at most.
pub(super) const MOST_RUNS: usize = 64;
/// Bytes in front of a slot's data that hold its plans and runs.
pub(super) const SCHEDULE_BYTES: u64 = (GROUP + MOST_RUNS) as u64 * PLAN_STRIDE;
/// Words in front of a slot's data.
pub(super) const SCHEDULE_WORDS: u64 = SCHEDULE_BYTES / 4;

/// Words that the persistent kernel tallies of each micro-batch and learner; twin of `scored` in the shader.
const TALLY_WORDS: u64 = 4;
/// Lanes in which the rows of a column are added; twin of `ROW_LANES` in the shader.
const ROW_LANES: u64 = 32;

/// How much a slot holds, or a micro-batch needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Words of data, without the schedule.
    pub words: u64,
    /// Rows.
    pub rows: u64,
    /// Entries of a block of rows; not a sum but the most.
    pub block_entries: u64,
}

/// What all slots of a job have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Learners side by side.
    pub learners: u64,
    /// Numeric columns, padding included, and the bias.
    pub columns: u64,
    /// Rows of a block.
    pub block: u64,
    /// How records come to the device.
    pub upload: Upload,
    /// Turns of loops that a dispatch of the persistent kernel may take, and rows.
    pub most: Most,
}

/// What a learner made of a micro-batch: log loss and weight of its rows, blocks, rounds.
pub(super) type Tally = [f32; TALLY_WORDS as usize];

/// The buffers of a group.
#[derive(Debug)]
pub(super) struct Buffers {
    /// Written by the host where kernels cannot read what it writes: schedule and data.
    pub upload: Option<wgpu::Buffer>,
    /// What kernels read: its copy on the device, or the host's own.
    pub data: wgpu::Buffer,
    /// Logits, and at the end the tallies.
    pub scored: wgpu::Buffer,
    pub residual: wgpu::Buffer,
    /// What the persistent kernel keeps of a block, for each learner.
    pub scratch: wgpu::Buffer,
    /// What was scored, read by the host.
    pub readback: wgpu::Buffer,
}

/// Buffers bound to the kernels of a job.
#[derive(Debug)]
pub(super) struct Bound {
    pub dispatched: Option<BoundDispatched>,
    pub persistent: Option<wgpu::BindGroup>,
}

/// Buffers bound to the kernels of one dispatch each.
#[derive(Debug)]
pub(super) struct BoundDispatched {
    pub predict: wgpu::BindGroup,
    pub dense: wgpu::BindGroup,
    pub spread: wgpu::BindGroup,
    pub hashed: wgpu::BindGroup,
}

impl Form {
    /// Bytes of the tallies of a group.
    pub fn tally_bytes(&self) -> u64 {
        GROUP as u64 * self.learners * TALLY_WORDS * 4
    }

    /// Bytes that the persistent kernel keeps of a block for all learners; see `layout_of` in the shader.
    pub fn scratch_bytes(&self, block_entries: u64) -> u64 {
        4 * self.learners * ((self.block + 1 + ROW_LANES) * self.columns + 2 * block_entries)
    }
}

impl Size {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            words: self.words + other.words,
            rows: self.rows + other.rows,
            block_entries: self.block_entries.max(other.block_entries),
        }
    }
}

impl Buffers {
    /// Makes them; what the host writes can be written at once.
    pub fn new(gpu: &Device, form: Form, capacity: Size, persistent: bool, counters: &mut Counters) -> Self {
        use wgpu::BufferUsages as Usage;
        let (data, rows) = (SCHEDULE_BYTES + capacity.words * 4, capacity.rows * 4);
        let scored = rows.max(4) + form.tally_bytes();
        let scratch = if persistent { form.scratch_bytes(capacity.block_entries) } else { 0 };
        let mut make = |label, size, usage, mapped| counters.create_buffer(gpu, label, size, usage, mapped);
        let (upload, data) = match form.upload {
            Upload::Copied => (
                Some(make("upload", data, Usage::MAP_WRITE | Usage::COPY_SRC, true)),
                make("data", data, Usage::STORAGE | Usage::UNIFORM | Usage::COPY_DST, false),
            ),
            Upload::Mapped => (None, make("data", data, Usage::STORAGE | Usage::UNIFORM | Usage::MAP_WRITE, true)),
        };
        Self {
            upload,
            data,
            scored: make("scored", scored, Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST, false),
            residual: make("residual", rows, Usage::STORAGE, false),
            scratch: make("scratch", scratch, Usage::STORAGE, false),
            readback: make("readback", scored, Usage::MAP_READ | Usage::COPY_DST, false),
        }
    }

    /// Bytes that they take on the device, what only the host sees left out.
    pub fn bytes(&self) -> u64 {
        [&self.data, &self.scored, &self.residual, &self.scratch].iter().map(|buffer| buffer.size()).sum()
    }

    /// The buffer that the host writes.
    pub fn written(&self) -> &wgpu::Buffer {
        self.upload.as_ref().unwrap_or(&self.data)
    }
}

impl Bound {
    /// Binds them.
    pub fn new(gpu: &Device, kernels: &Kernels, weights: &Weights, buffers: &Buffers, counters: &mut Counters) -> Self {
        let Buffers { data, scored, residual, scratch, .. } = buffers;
        let Weights { settings, dense_slots, table, sums, .. } = weights;
        let (high, low, count_rest) = (&sums.high, &sums.low, &sums.count_rest);
        let mut bind = |kernel: &Kernel, buffers: &[&wgpu::Buffer]| counters.bind(gpu, kernel, buffers);
        let dispatched = kernels.dispatched.as_ref().map(|kernels| BoundDispatched {
            predict: bind(&kernels.predict, &[data, data, data, dense_slots, table, scored, residual]),
            dense: bind(&kernels.dense, &[data, data, residual, dense_slots]),
            spread: bind(&kernels.spread, &[data, data, data, residual, high, low, count_rest]),
            hashed: bind(&kernels.hashed, &[data, data, table, high, low, count_rest, data]),
        });
        let persistent = kernels
            .persistent
            .as_ref()
            .map(|kernel| bind(kernel, &[data, data, settings, dense_slots, table, &sums.pending, scratch, scored]));
        Self { dispatched, persistent }
    }
}
