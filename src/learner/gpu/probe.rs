//! What a device can do at best, to hold the learner's figures against: takes bytes, gives them to the device by the
//! ways there are, and waits.
//!
//! It computes nothing and reads no clock: whoever calls it does.

use super::adapter::{Adapter, Device};
use super::counters::Counters;
use super::fault::lost;
use crate::error::{Error, Result};

/// An open device with buffers of one size.
#[derive(Debug)]
pub struct Probe {
    gpu: Device,
    /// Written by the host, then copied.
    staging: wgpu::Buffer,
    /// What kernels would read.
    data: wgpu::Buffer,
    /// Kernels would read it, and the host writes it as well; only some adapters have such.
    shared: Option<wgpu::Buffer>,
    counters: Counters,
}

impl Probe {
    /// Opens a device with buffers of `bytes` bytes, or as many as it holds.
    ///
    /// # Errors
    /// A device that cannot be opened, or has no room for the buffers.
    pub fn open(adapter: &Adapter, bytes: usize) -> Result<Self> {
        use wgpu::BufferUsages as Usage;
        let gpu = adapter.open()?;
        let size = (bytes as u64).min(gpu.limits.max_storage_buffer_binding_size / 4 * 4);
        let mut counters = Counters::default();
        let mut make = |label, usage, mapped| counters.create_buffer(&gpu, label, size, usage, mapped);
        let staging = make("staging", Usage::MAP_WRITE | Usage::COPY_SRC, true);
        let data = make("data", Usage::STORAGE | Usage::COPY_DST | Usage::COPY_SRC, false);
        let is_mappable = gpu.device.features().contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS);
        let shared = is_mappable.then(|| make("shared", Usage::MAP_WRITE | Usage::STORAGE | Usage::COPY_SRC, true));
        gpu.faults.check()?;
        Ok(Self { gpu, staging, data, shared, counters })
    }

    /// Bytes that go over at a time.
    pub fn bytes(&self) -> usize {
        self.data.size() as usize
    }

    /// Whether the host can write what kernels read.
    pub fn is_mappable(&self) -> bool {
        self.shared.is_some()
    }

    /// Writes `from` to memory of the host that the device copies to its own, and waits until it has.
    ///
    /// # Errors
    /// A failing device.
    pub fn upload(&mut self, from: &[u8]) -> Result<()> {
        fill(&self.staging, from)?;
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(&self.staging, 0, &self.data, 0, self.staging.size());
        self.submit(encoder)?;
        self.map_again(&self.staging)
    }

    /// Writes `from` to memory that kernels read as it is, and waits until the device may; nothing where it has none.
    ///
    /// # Errors
    /// A failing device.
    pub fn write_mapped(&mut self, from: &[u8]) -> Result<()> {
        let Some(shared) = self.shared.clone() else { return Ok(()) };
        fill(&shared, from)?;
        // The device reads a word of it, so that it has to take the memory over.
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(&shared, 0, &self.data, 0, 4);
        self.submit(encoder)?;
        self.map_again(&shared)
    }

    /// Hands the device next to no work and waits for it.
    ///
    /// # Errors
    /// A failing device.
    pub fn round_trip(&mut self) -> Result<()> {
        let mut encoder = self.encoder();
        encoder.clear_buffer(&self.data, 0, Some(4));
        self.submit(encoder)
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("probe") })
    }

    fn submit(&mut self, encoder: wgpu::CommandEncoder) -> Result<()> {
        let submission = self.counters.submit(&self.gpu, encoder);
        self.gpu.wait(submission)
    }

    fn map_again(&self, buffer: &wgpu::Buffer) -> Result<()> {
        buffer.map_async(wgpu::MapMode::Write, .., |_| ());
        self.gpu.turn()
    }
}

/// Fills a mapped buffer, as far as `from` goes, and unmaps it.
fn fill(buffer: &wgpu::Buffer, from: &[u8]) -> Result<()> {
    let len = from.len().min(buffer.size() as usize) / 8 * 8;
    let unmapped = |cause| Error::device(lost("its memory is not mapped")).because(cause);
    let mut view = buffer.get_mapped_range_mut(..).map_err(unmapped)?;
    view.slice(..len).copy_from_slice(&from[..len]);
    drop(view);
    buffer.unmap();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::gpu::{Wanted, adapter};

    #[test]
    fn a_device_takes_bytes_again_and_again() {
        let Ok(adapter) = adapter::find(Wanted::Best) else { return eprintln!("skipped: no adapter") };
        let mut probe = Probe::open(&adapter, 4096).unwrap();
        assert_eq!(probe.bytes(), 4096);
        let bytes = vec![7; 4096];
        for _ in 0..3 {
            probe.upload(&bytes).unwrap();
            probe.write_mapped(&bytes).unwrap();
            probe.round_trip().unwrap();
        }
        assert_eq!(probe.counters.submits, if probe.is_mappable() { 9 } else { 6 });
    }
}
