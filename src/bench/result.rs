//! What came of a bench, as plain data: the JSON of `tidemill bench --json` is this, field by field.
//!
//! A figure that could not be had is null, and a cell that was not measured says why.

use serde::Serialize;

use super::matrix::Extent;
use crate::learner::Update;

/// What is said of a software adapter wherever it shows.
pub const SOFTWARE: &str = "software Vulkan: correctness, not speed";
/// What is said of how long cells were measured.
pub const SLICE_FROM: &str =
    "each cell was measured for about {} s, a few micro-batches at least, the devices taking turns";

/// Everything that was measured, and what was not.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The program's version.
    pub tidemill: &'static str,
    /// What it ran on.
    pub machine: Machine,
    /// What was asked for.
    pub asked: Asked,
    /// Who learned.
    pub devices: Vec<DeviceInfo>,
    /// What the machine does at best, measured in the same run.
    pub rooflines: Rooflines,
    /// Every cell, measured or skipped.
    pub cells: Vec<Cell>,
    /// From where on a GPU wins.
    pub crossovers: Vec<Crossover>,
    /// What the reader of the figures should know.
    pub notes: Vec<String>,
    /// How long it all took.
    pub elapsed_s: f64,
}

/// What it ran on.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// Threads that run at a time.
    pub cores: usize,
    /// The operating system.
    pub os: &'static str,
    /// The kind of processor.
    pub architecture: &'static str,
    /// The widest instructions that are used.
    pub instructions: Option<&'static str>,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// Seconds for all of it.
    pub seconds: f64,
    /// Seconds of a cell, about.
    pub slice_s: f64,
    /// Which part of the full product.
    pub extent: Extent,
}

/// A device that learns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceInfo {
    /// What cells call it: `cpu:1` for one thread, `gpu:0` for an adapter of `tidemill devices`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is a GPU, a software one among them.
    pub is_gpu: bool,
    /// Threads of the CPU that it has.
    pub threads: Option<usize>,
    /// Whether it is the CPU in disguise.
    pub software: bool,
    /// What to think of its figures.
    pub remark: Option<&'static str>,
}

/// What the machine does at best.
#[derive(Debug, Default, Serialize)]
pub struct Rooflines {
    /// Memory copied by one thread, bytes read and bytes written both counted.
    pub memory_copy_gb_per_s: Option<f64>,
    /// Each GPU.
    pub gpus: Vec<GpuRoofline>,
    /// Text turned into examples by one thread, learning off.
    pub parse: Vec<ParseRoofline>,
}

/// What can be handed to a GPU at best.
#[derive(Debug, Serialize)]
pub struct GpuRoofline {
    /// Its id.
    pub device: String,
    /// By a copy from memory that the host writes.
    pub upload_gb_per_s: Option<f64>,
    /// To memory that the host writes and kernels read; null where it has none.
    pub mapped_gb_per_s: Option<f64>,
    /// From next to no work handed in until it is known to be done.
    pub round_trip_us: Option<f64>,
    /// Why figures are missing.
    pub failed: Option<String>,
}

/// What one thread parses and encodes.
#[derive(Debug, Serialize)]
pub struct ParseRoofline {
    /// What text.
    pub text: String,
    /// The shapes whose records it holds.
    pub shapes: Vec<&'static str>,
    /// Records a second.
    pub records_per_s: f64,
    /// Bytes of text a second, in 10^9.
    pub gb_per_s: f64,
}

/// A case on a device.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// What a record looks like.
    pub shape: &'static str,
    /// The unit of learning.
    pub update: Update,
    /// Learners that learn the same stream.
    pub learners: usize,
    /// Records of a micro-batch.
    pub batch: usize,
    /// Who learned.
    pub device: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a cell.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// It was measured.
    Measured(Measured),
    /// It was not.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// The figures of a cell: medians over its rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Records of the stream a second, each learned by all learners.
    pub records_per_s: f64,
    /// Those of the slowest round.
    pub records_per_s_low: f64,
    /// Those of the fastest round.
    pub records_per_s_high: f64,
    /// Time of a micro-batch where they follow each other.
    pub step_us: f64,
    /// Bytes of features that crossed to the learner, in 10^9 a second.
    pub gb_per_s: f64,
    /// The same in percent of what memory, or the way to the device, does at best.
    pub percent_of_bandwidth: Option<f64>,
    /// Records in percent of what one thread parses.
    pub percent_of_parse: Option<f64>,
    /// From a micro-batch handed in until its predictions are out, one at a time: the median.
    pub latency_p50_us: f64,
    /// Of a hundred, the slowest but one.
    pub latency_p99_us: f64,
    /// Micro-batches that the latencies are taken from; of few, p99 is the slowest.
    pub latency_samples: usize,
    /// Micro-batches that the rates are taken from.
    pub steps: u64,
}

/// What is varied on the way to a crossover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Along {
    /// Records of a micro-batch, for one learner.
    Batch,
    /// Learners, for micro-batches of one size.
    Learners {
        /// That size.
        batch: usize,
    },
}

/// From where on a GPU learns more records a second than the CPU does at best.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Crossover {
    /// The GPU.
    pub device: String,
    /// Whether it is the CPU in disguise.
    pub software: bool,
    /// What a record looks like.
    pub shape: &'static str,
    /// The unit of learning.
    pub update: Update,
    /// What is varied.
    pub along: Along,
    /// The smallest size from which on it wins; null for never here.
    pub from: Option<usize>,
    /// Sizes for which both were measured; 0 leaves the question open.
    pub compared: usize,
    /// The most times as many records a second as the CPU.
    pub best_ratio: Option<f64>,
}

impl Report {
    /// Whether any of the devices is the CPU in disguise.
    pub fn has_software(&self) -> bool {
        self.devices.iter().any(|device| device.software)
    }

    /// The device of an id.
    pub fn device(&self, id: &str) -> Option<&DeviceInfo> {
        self.devices.iter().find(|device| device.id == id)
    }
}

impl Rooflines {
    /// How many bytes can reach a device: by the faster way to a GPU, through memory to the CPU.
    pub fn of(&self, device: &str) -> Option<f64> {
        match self.gpus.iter().find(|gpu| gpu.device == device) {
            Some(gpu) => [gpu.upload_gb_per_s, gpu.mapped_gb_per_s].into_iter().flatten().reduce(f64::max),
            None => self.memory_copy_gb_per_s,
        }
    }

    /// How many records of a shape one thread parses a second.
    pub fn parse_of(&self, shape: &str) -> Option<f64> {
        self.parse.iter().find(|parse| parse.shapes.contains(&shape)).map(|parse| parse.records_per_s)
    }
}

impl Cell {
    /// Its figures, if it was measured.
    pub fn measured(&self) -> Option<&Measured> {
        match &self.outcome {
            Outcome::Measured(measured) => Some(measured),
            Outcome::Skipped { .. } => None,
        }
    }
}

impl DeviceInfo {
    /// Its id and name, and that it is software where it is.
    pub fn label(&self) -> String {
        let software = if self.software { " - SOFTWARE" } else { "" };
        format!("{} {}{software}", self.id, self.name)
    }
}
