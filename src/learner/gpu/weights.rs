//! Takes the models of learners that run side by side; gives their weights and slots as buffers on the device, and the
//! models back from them.
//!
//! It never changes a weight: kernels do.

use super::adapter::Device;
use super::counters::Counters;
use super::setting::Setting;
use crate::error::{Error, Result};
use crate::learner::Model;

/// Buffers that never leave the device.
const SUMS: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE;

/// The models on the device, one learner behind the other in every buffer.
#[derive(Debug)]
pub(super) struct Weights {
    /// Parameters of each learner.
    pub settings: wgpu::Buffer,
    /// Two floats a numeric column, padding included, and the bias behind them.
    pub dense_slots: wgpu::Buffer,
    /// Two floats a hashed coordinate.
    pub table: wgpu::Buffer,
    /// What kernels add up per coordinate; all 0 between steps.
    pub sums: Sums,
    /// Where a copy of the slots can be read by the host; made when it is first asked for.
    readback: Option<wgpu::Buffer>,
}

/// Sums of each hashed coordinate between two kernels.
#[derive(Debug)]
pub(super) struct Sums {
    /// Two integers a coordinate: the upper parts of its gradient. For kernels that add as they come.
    pub high: wgpu::Buffer,
    /// Two more: the lowest part of its gradient, and its touch, which holds the upper part of its count.
    pub low: wgpu::Buffer,
    /// Two more: the lower parts of its count.
    pub count_rest: wgpu::Buffer,
    /// One or two floats a coordinate, for the persistent kernel.
    pub pending: wgpu::Buffer,
}

/// Which sums a job needs; what is not needed takes next to no memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct SumsWanted {
    /// Those of the kernels that add as they come.
    pub dispatched: bool,
    /// Counts too.
    pub counts: bool,
    /// Floats a coordinate of `pending`.
    pub pending: u64,
}

impl Weights {
    /// Puts models of one shape onto the device, with the sums that steps need.
    pub fn upload(
        gpu: &Device,
        models: &[Model],
        settings: &[Setting],
        wanted: SumsWanted,
        counters: &mut Counters,
    ) -> Result<Self> {
        check_size(gpu, models)?;
        let dense: Vec<[f32; 2]> = models.iter().flat_map(dense_slots).collect();
        let weights = Self {
            settings: upload(gpu, "settings", bytemuck::cast_slice(settings), counters),
            dense_slots: upload(gpu, "dense slots", bytemuck::cast_slice(&dense), counters),
            table: tables(gpu, models, counters),
            sums: Sums::new(gpu, models.iter().map(|model| model.table.len() as u64).sum(), wanted, counters),
            readback: None,
        };
        gpu.faults.check()?;
        Ok(weights)
    }

    /// Copies the slots back into models of the same shapes; every step before it must have been submitted.
    pub fn download(&mut self, gpu: &Device, models: &mut [Model], counters: &mut Counters) -> Result<()> {
        let (dense, table) = (self.dense_slots.size(), self.table.size());
        let readback = self.readback.get_or_insert_with(|| {
            let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
            counters.create_buffer(gpu, "model readback", dense + table, usage, false)
        });
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.dense_slots, 0, readback, 0, dense);
        encoder.copy_buffer_to_buffer(&self.table, 0, readback, dense, table);
        let submission = counters.submit(gpu, encoder);
        readback.map_async(wgpu::MapMode::Read, .., |_| ());
        gpu.wait(submission)?;
        let mapped = readback.get_mapped_range(..).map_err(|cause| {
            Error::device("the weights cannot be read back from the GPU: run with --device cpu").because(cause)
        })?;
        let slots: &[[f32; 2]] = bytemuck::cast_slice(&mapped);
        fill(models, slots);
        drop(mapped);
        readback.unmap();
        gpu.faults.check()
    }
}

impl Sums {
    fn new(gpu: &Device, coordinates: u64, wanted: SumsWanted, counters: &mut Counters) -> Self {
        let mut make = |label, words: u64, is_wanted: bool| {
            let size = if is_wanted { 4 * words * coordinates } else { 0 };
            counters.create_buffer(gpu, label, size, SUMS, false)
        };
        Self {
            high: make("sums, high", 2, wanted.dispatched),
            low: make("sums, low", 2, wanted.dispatched),
            count_rest: make("sums, counts", 2, wanted.dispatched && wanted.counts),
            pending: make("sums, pending", wanted.pending, wanted.pending > 0),
        }
    }
}

/// Takes the slots into the models: of all of them the numeric columns and the bias, then of all the table.
fn fill(models: &mut [Model], slots: &[[f32; 2]]) {
    let mut slots = slots.iter().copied();
    for model in &mut *models {
        let columns = model.dense_a.iter_mut().zip(&mut model.dense_b);
        columns.zip(&mut slots).for_each(|((a, b), slot)| [*a, *b] = slot);
        model.bias = slots.next().unwrap_or_default();
    }
    for model in models {
        model.table.iter_mut().zip(&mut slots).for_each(|(have, slot)| *have = slot);
    }
}

fn dense_slots(model: &Model) -> Vec<[f32; 2]> {
    let columns = model.dense_a.iter().zip(&model.dense_b).map(|(&a, &b)| [a, b]);
    columns.chain([model.bias]).collect()
}

/// The tables, one behind the other.
fn tables(gpu: &Device, models: &[Model], counters: &mut Counters) -> wgpu::Buffer {
    match models {
        [model] => upload(gpu, "hashed table", bytemuck::cast_slice(&model.table), counters),
        models => {
            let all: Vec<[f32; 2]> = models.iter().flat_map(|model| &model.table).copied().collect();
            upload(gpu, "hashed tables", bytemuck::cast_slice(&all), counters)
        }
    }
}

/// A buffer with these bytes. All zeros need no upload: buffers start that way.
fn upload(gpu: &Device, label: &str, bytes: &[u8], counters: &mut Counters) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    let blank = bytes.iter().all(|&byte| byte == 0);
    let buffer = counters.create_buffer(gpu, label, bytes.len() as u64, usage, !blank);
    if !blank {
        // Without a mapping there has been a failure, which the device reports by itself.
        if let Ok(mut mapped) = buffer.get_mapped_range_mut(..) {
            mapped.copy_from_slice(bytes);
        }
        buffer.unmap();
    }
    buffer
}

/// Refuses tables that the adapter cannot hold, naming the largest that it can: kernels see all of them at once, and they
/// are read back behind the slots of numeric columns and bias.
fn check_size(gpu: &Device, models: &[Model]) -> Result<()> {
    let dense: u64 = models.iter().map(|model| (size_of_val(&model.dense_a[..]) * 2 + 8) as u64).sum();
    let most = gpu.limits.max_storage_buffer_binding_size.min(gpu.limits.max_buffer_size.saturating_sub(dense));
    let need: u64 = models.iter().map(|model| size_of_val(&model.table[..]) as u64).sum();
    if need <= most {
        return Ok(());
    }
    let (learners, have) = (models.len() as u64, models.first().map_or(0, |model| model.hash_bits));
    let bits = (most / learners.max(1) / size_of::<[f32; 2]>() as u64).max(1).ilog2();
    let (name, mib) = (&gpu.name, most >> 20);
    let each = if learners > 1 { format!(" for each of {learners} learners") } else { String::new() };
    Err(Error::device(format!(
        "{name} holds tables of at most {mib} MiB, too small for 2^{have} weights{each}: \
         lower --hash-bits to {bits}, or run with --device cpu"
    )))
}
