//! What is told of the adapters of a machine, and which of them is wanted: plain data, known to builds without a GPU backend
//! too. It finds nothing and opens nothing.

/// What `tidemill devices` shows of an adapter.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AdapterSummary {
    /// Its number for `--device gpu:NUMBER`.
    pub index: usize,
    /// Its name for `--device gpu:NAME`.
    pub name: String,
    /// Vulkan, Metal or Dx12.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    /// Driver and its version.
    pub driver: String,
    /// Bytes of the largest buffer.
    pub max_buffer_size: u64,
    /// Bytes of the largest buffer that a kernel can see; a hashed table takes 8 bytes a weight.
    pub max_binding_size: u64,
    /// Fewest and most threads that run in step.
    pub subgroup_sizes: [u32; 2],
    /// Bytes that the threads of a workgroup can share.
    pub workgroup_storage: u32,
    /// Whether kernels can use 16-bit floats.
    pub f16: bool,
    /// Whether kernels can exchange values within a subgroup.
    pub subgroup: bool,
    /// Whether kernels can be timed on the device.
    pub timestamp: bool,
    /// Whether the host can write storage buffers without a copy.
    pub mappable: bool,
}

/// Which adapter is wanted.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// The most powerful kind; software only where there is nothing else.
    Best,
    /// A number of the list, or else a part of a name, in any case.
    Named(&'a str),
}
