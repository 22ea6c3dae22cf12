//! Takes a device and a step rule; gives the kernels, compiled, with the layouts of their bindings.
//!
//! The list of shader files is here and nowhere else. It never makes a buffer.

use super::plan::Plan;
use super::setting::{Setting, is_penalised, kind};
use super::variant::{Sums, Variant};
use crate::learner::{Settings, Update};

/// The text of a shader.
macro_rules! shader {
    ($name:literal) => {
        include_str!(concat!("../../../shaders/", $name, ".wgsl"))
    };
}
/// What is in front of every kernel that one learner learns by.
macro_rules! alone {
    ($($part:literal),*) => {
        concat!(shader!("common"), shader!("rule"), shader!("alone"), $(shader!($part)),*)
    };
}
/// A kernel that many learners learn by, many micro-batches at once.
macro_rules! persistent {
    ($($part:literal),*) => {
        concat!(shader!("common"), shader!("rule"), shader!("persistent"), $(shader!($part)),*)
    };
}

/// Name and whole source of each kernel, in the order in which a micro-batch runs them; the entry point has its name. The
/// last four do the whole of many micro-batches: by record and in batches, with sums in memory and in subgroups.
pub const SOURCES: [(&str, &str); 8] = [
    ("predict", alone!("pairs", "predict")),
    ("dense", alone!("dense")),
    ("spread", alone!("pairs", "spread")),
    ("hashed", alone!("pairs", "hashed")),
    ("persistent", persistent!("record", "repeat", "sum_in_memory")),
    ("persistent", persistent!("record", "repeat", "sum_in_subgroups")),
    ("persistent", persistent!("step", "sum_in_memory")),
    ("persistent", persistent!("step", "sum_in_subgroups")),
];

/// Rows of a workgroup of `predict` and of `spread`.
pub(super) const ROWS: u32 = 16;
/// Columns of a workgroup of `dense`.
pub(super) const COLUMNS: u32 = 8;
/// Entries of a workgroup of `hashed`, or lanes of rows.
pub(super) const ENTRIES: u32 = 64;

/// How a kernel uses one of its buffers, in binding order.
#[derive(Debug, Clone, Copy)]
enum Use {
    /// The schedule of plans, one at a time.
    Plan,
    /// Storage that it only reads.
    Read,
    /// Storage that it writes.
    Write,
}

/// A compiled kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// What to dispatch.
    pub pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    name: &'static str,
}

/// The kernels of a micro-batch, one dispatch each; all of them for one learner.
#[derive(Debug)]
pub(super) struct Dispatched {
    /// Logits and residuals of every row.
    pub predict: Kernel,
    /// Gradient and step of the numeric columns and the bias.
    pub dense: Kernel,
    /// Gradients of the hashed coordinates.
    pub spread: Kernel,
    /// Step of the hashed coordinates.
    pub hashed: Kernel,
}

/// The kernels of a job.
#[derive(Debug)]
pub(super) struct Kernels {
    /// Where there is one learner that learns in batches, or not at all.
    pub dispatched: Option<Dispatched>,
    /// Where micro-batches may go through the persistent kernel.
    pub persistent: Option<Kernel>,
}

impl Dispatched {
    /// Compiles them for one learner.
    pub fn compile(device: &wgpu::Device, settings: &Settings, pairs: bool) -> Self {
        use Use::{Plan, Read, Write};
        let constants = [&constants(settings, is_penalised(settings))[..], &of_learner(settings)].concat();
        let with_pairs = [&constants[..], &[("PAIRS", f64::from(u8::from(pairs)))]].concat();
        let [predict, dense, spread, hashed, ..] = SOURCES;
        Self {
            predict: compile(device, predict, &[Plan, Read, Read, Read, Read, Write, Write], &with_pairs),
            dense: compile(device, dense, &[Plan, Read, Read, Write], &constants),
            spread: compile(device, spread, &[Plan, Read, Read, Read, Write, Write, Write], &with_pairs),
            hashed: compile(device, hashed, &[Plan, Read, Write, Write, Write, Write, Read], &with_pairs),
        }
    }
}

/// Compiles the persistent kernel for learners that share what `settings` say of the kind of rule and of updates.
pub(super) fn persistent(device: &wgpu::Device, settings: &Settings, penalised: bool, variant: &Variant) -> Kernel {
    use Use::{Plan, Read, Write};
    let by_record = settings.update == Update::Record;
    let mut constants = constants(settings, penalised).to_vec();
    constants.push(("BY_RECORD", f64::from(u8::from(by_record))));
    constants.push(("BLOCK", variant.block.rows().into()));
    let source = SOURCES[4 + 2 * usize::from(!by_record) + usize::from(variant.sums == Sums::Subgroups)];
    compile(device, source, &[Plan, Read, Read, Write, Write, Write, Write, Write], &constants)
}

impl Kernel {
    /// Binds buffers in the order of the kernel's bindings.
    pub fn bind(&self, device: &wgpu::Device, buffers: &[&wgpu::Buffer]) -> wgpu::BindGroup {
        let entries: Vec<_> = buffers.iter().enumerate().map(|(k, buffer)| binding(k, buffer)).collect();
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(self.name),
            layout: &self.layout,
            entries: &entries,
        })
    }
}

/// Binding 0 is a window of one plan; the others are whole buffers.
fn binding(number: usize, buffer: &wgpu::Buffer) -> wgpu::BindGroupEntry<'_> {
    let size = if number == 0 { wgpu::BufferSize::new(size_of::<Plan>() as u64) } else { None };
    let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size });
    wgpu::BindGroupEntry { binding: number as u32, resource }
}

/// The values of the `override` constants in `shaders/rule.wgsl`.
fn constants(settings: &Settings, penalised: bool) -> [(&'static str, f64); 2] {
    [("OPTIMIZER", kind(settings.optimizer).into()), ("PENALISED", f64::from(u8::from(penalised)))]
}

/// Those in `shaders/alone.wgsl`.
fn of_learner(settings: &Settings) -> [(&'static str, f64); 4] {
    let Setting { learning_rate, beta, l1, l2 } = Setting::of(settings);
    [("LEARNING_RATE", learning_rate.into()), ("BETA", beta.into()), ("L1", l1.into()), ("L2", l2.into())]
}

fn compile(
    device: &wgpu::Device,
    (name, source): (&'static str, &'static str),
    uses: &[Use],
    constants: &[(&str, f64)],
) -> Kernel {
    let source = wgpu::ShaderSource::Wgsl(source.into());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(name), source });
    let layout = layout_of(device, name, uses);
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(name),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(name),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some(name),
        // Every kernel writes its workgroup memory before it reads it, so clearing it first would be lost time.
        compilation_options: wgpu::PipelineCompilationOptions { constants, zero_initialize_workgroup_memory: false },
        cache: None,
    });
    Kernel { pipeline, layout, name }
}

fn layout_of(device: &wgpu::Device, name: &str, uses: &[Use]) -> wgpu::BindGroupLayout {
    let entries: Vec<_> = uses.iter().enumerate().map(|(k, &how)| layout_entry(k as u32, how)).collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(name), entries: &entries })
}

fn layout_entry(binding: u32, how: Use) -> wgpu::BindGroupLayoutEntry {
    let ty = match how {
        Use::Plan => wgpu::BufferBindingType::Uniform,
        Use::Read => wgpu::BufferBindingType::Storage { read_only: true },
        Use::Write => wgpu::BufferBindingType::Storage { read_only: false },
    };
    let has_dynamic_offset = matches!(how, Use::Plan);
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    }
}
