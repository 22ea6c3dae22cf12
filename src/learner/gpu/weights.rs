//! Takes a model; gives its weights and slots as buffers on the device, and the model back from them.
//!
//! It never changes a weight: kernels do.

use super::adapter::Device;
use super::counters::Counters;
use crate::error::{Error, Result};
use crate::learner::Model;

/// Buffers that never leave the device.
const SUMS: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE;

/// The model on the device.
#[derive(Debug)]
pub(super) struct Weights {
    /// Two floats a numeric column, padding included, and the bias behind them.
    pub dense_slots: wgpu::Buffer,
    /// The weight that each of those stands for.
    pub dense_weight: wgpu::Buffer,
    /// Two floats a hashed coordinate.
    pub table: wgpu::Buffer,
    /// Two integers a hashed coordinate, all 0 between steps: the upper parts of its gradient.
    pub high: wgpu::Buffer,
    /// Two more: the lowest part of its gradient, and its touch, which holds the upper part of its count.
    pub low: wgpu::Buffer,
    /// Two more: the lower parts of its count; next to nothing where counts are not asked for.
    pub count_rest: wgpu::Buffer,
    /// Where a copy of the slots can be read by the host; made when it is first asked for.
    readback: Option<wgpu::Buffer>,
}

impl Weights {
    /// Puts a model onto the device, with the sums that steps need.
    pub fn upload(gpu: &Device, model: &Model, asks_for_counts: bool, counters: &mut Counters) -> Result<Self> {
        check_size(gpu, model)?;
        let sums = size_of_val(&model.table[..]) as u64;
        let rest = if asks_for_counts { sums } else { 0 };
        let weights = Self {
            dense_slots: upload(gpu, "dense slots", bytemuck::cast_slice(&dense_slots(model)), counters),
            dense_weight: upload(gpu, "dense weights", bytemuck::cast_slice(&dense_weights(model)), counters),
            table: upload(gpu, "hashed table", bytemuck::cast_slice(&model.table), counters),
            high: counters.create_buffer(gpu, "sums, high", sums, SUMS, false),
            low: counters.create_buffer(gpu, "sums, low", sums, SUMS, false),
            count_rest: counters.create_buffer(gpu, "sums, counts", rest, SUMS, false),
            readback: None,
        };
        gpu.faults.check()?;
        Ok(weights)
    }

    /// Copies the slots back into a model of the same shape; every step before it must have been submitted.
    pub fn download(&mut self, gpu: &Device, model: &mut Model, counters: &mut Counters) -> Result<()> {
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
        fill(model, slots);
        drop(mapped);
        readback.unmap();
        gpu.faults.check()
    }
}

/// Takes the slots into a model: numeric columns, bias, table.
fn fill(model: &mut Model, slots: &[[f32; 2]]) {
    let width = model.dense_a.len();
    for (k, &[a, b]) in slots[..width].iter().enumerate() {
        (model.dense_a[k], model.dense_b[k]) = (a, b);
    }
    model.bias = slots[width];
    model.table.copy_from_slice(&slots[width + 1..]);
}

fn dense_slots(model: &Model) -> Vec<[f32; 2]> {
    let columns = model.dense_a.iter().zip(&model.dense_b).map(|(&a, &b)| [a, b]);
    columns.chain([model.bias]).collect()
}

fn dense_weights(model: &Model) -> Vec<f32> {
    let mut weights = model.dense_weights();
    weights.resize(model.dense_a.len(), 0.0);
    weights.push(model.bias_weight());
    weights
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

/// Refuses a table that the adapter cannot hold, naming the largest that it can: kernels see all of it at once, and it is
/// read back behind the slots of numeric columns and bias.
fn check_size(gpu: &Device, model: &Model) -> Result<()> {
    let dense = (size_of_val(&model.dense_a[..]) * 2 + size_of_val(&model.bias)) as u64;
    let most = gpu.limits.max_storage_buffer_binding_size.min(gpu.limits.max_buffer_size.saturating_sub(dense));
    let need = size_of_val(&model.table[..]) as u64;
    if need <= most {
        return Ok(());
    }
    let bits = (most / size_of::<[f32; 2]>() as u64).max(1).ilog2();
    let (name, have, mib) = (&gpu.name, model.hash_bits, most >> 20);
    Err(Error::device(format!(
        "{name} holds tables of at most {mib} MiB, too small for 2^{have} weights: \
         lower --hash-bits to {bits}, or run with --device cpu"
    )))
}
