//! Opens the learners of a sweep on the device that the user asked for: takes a choice and a field of settings; gives
//! learners in parts that may learn at the same time, their device and the reason for it.
//!
//! A sweep whose GPU fails ends with an error: nothing is kept from which its learners could go on.

use super::{DeviceChoice, unusable};
use crate::error::Result;
use crate::learner::cpu::many;
use crate::learner::gpu;
use crate::learner::gpu::adapter::{self, Adapter, Wanted};
use crate::learner::made_up::Kind;
use crate::learner::many::{Field, ManyLearners};
use crate::learner::race::race_of_many;

/// Learners that are ready, with what to tell the user about them.
pub struct OpenedMany {
    /// The learners; parts may learn at the same time.
    pub parts: Vec<Box<dyn ManyLearners>>,
    /// What they run on, such as `cpu (avx512)` or `gpu: NVIDIA H200 (Vulkan)`.
    pub device: String,
    /// Why, in one line.
    pub why: String,
}

/// Opens the learners of a field. On the CPU they come in `threads` parts; records have about so many hashed `features`.
///
/// # Errors
///
/// Where a GPU was asked for and there is none, or there is no memory for the weights.
pub fn open(choice: &DeviceChoice, field: &Field, threads: usize, features: usize) -> Result<OpenedMany> {
    match choice {
        DeviceChoice::Cpu => on_cpu(field, threads, "asked for"),
        DeviceChoice::Gpu(name) => {
            let adapter = adapter::find(name.as_deref().map_or(Wanted::Best, Wanted::Named))?;
            on_gpu(&adapter, field, "asked for")
        }
        DeviceChoice::Auto => faster(field, threads, features),
    }
}

fn on_cpu(field: &Field, threads: usize, why: impl Into<String>) -> Result<OpenedMany> {
    let device = many::instructions().map_or("cpu".to_owned(), |widest| format!("cpu ({widest})"));
    Ok(OpenedMany { parts: many::open(field, threads)?, device, why: why.into() })
}

fn on_gpu(adapter: &Adapter, field: &Field, why: impl Into<String>) -> Result<OpenedMany> {
    let parts = vec![gpu::many::open(adapter, field)?];
    Ok(OpenedMany { parts, device: format!("gpu: {}", adapter.name()), why: why.into() })
}

/// Measures only where the answer is open, and never fails for want of a GPU.
fn faster(field: &Field, threads: usize, features: usize) -> Result<OpenedMany> {
    let adapter = match adapter::find(Wanted::Best) {
        Ok(adapter) if adapter.is_software() => {
            return on_cpu(field, threads, format!("the only adapter, {}, is software", adapter.name()));
        }
        Ok(adapter) => adapter,
        Err(_) => return on_cpu(field, threads, adapter::NONE),
    };
    let kind = Kind { shape: field.shape, features };
    let rows = field.settings.iter().map(|settings| settings.batch).max().unwrap_or(1);
    let rates = gpu::many::open(&adapter, field)
        .and_then(|mut on_gpu| race_of_many(&mut many::open(field, threads)?, &mut *on_gpu, &kind, rows));
    match rates {
        Ok(rates) if rates.ratio > 1.0 => on_gpu(&adapter, field, rates.to_string())
            .or_else(|error| on_cpu(field, threads, unusable(&adapter.name(), &error))),
        Ok(rates) => on_cpu(field, threads, rates.to_string()),
        Err(error) => on_cpu(field, threads, unusable(&adapter.name(), &error)),
    }
}
