//! The only place of the backend that makes buffers and bind groups and hands work to the queue, so that all of it is
//! counted: in steady state a micro-batch costs none of the three.

use super::adapter::Device;
use super::kernels::Kernel;

/// What the backend has asked of the device since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Micro-batches that were recorded.
    pub micro_batches: u64,
    /// Command buffers handed to the queue: one a group of micro-batches.
    pub submits: u64,
    /// Buffers made: at the start, and when a slot of the ring grows.
    pub buffers_created: u64,
    /// Bind groups made, likewise.
    pub bind_groups_created: u64,
    /// Dispatches of kernels.
    pub dispatches: u64,
    /// Blocks of rows that the persistent kernel has learned.
    pub blocks: u64,
    /// Rounds that it took to solve them, one of them to see that nothing changes any more.
    pub rounds: u64,
}

impl Counters {
    /// Makes a buffer; `mapped` ones can be written at once.
    pub(super) fn create_buffer(
        &mut self,
        gpu: &Device,
        label: &str,
        size: u64,
        usage: wgpu::BufferUsages,
        mapped: bool,
    ) -> wgpu::Buffer {
        self.buffers_created += 1;
        gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            // wgpu wants sizes above 0, in words, to map or copy them.
            size: size.max(4).next_multiple_of(4),
            usage,
            mapped_at_creation: mapped,
        })
    }

    /// Binds buffers to a kernel.
    pub(super) fn bind(&mut self, gpu: &Device, kernel: &Kernel, buffers: &[&wgpu::Buffer]) -> wgpu::BindGroup {
        self.bind_groups_created += 1;
        kernel.bind(&gpu.device, buffers)
    }

    /// Hands recorded work to the queue.
    pub(super) fn submit(&mut self, gpu: &Device, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        self.submits += 1;
        gpu.queue.submit([encoder.finish()])
    }
}
