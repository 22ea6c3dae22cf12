//! Who learns: finds the devices, says what each of them cannot do, and opens a contestant for a case.
//!
//! [`open`] and [`refusal`] are the only places that know how learners are made, so a new kind of them is entered here.
use crate::pipeline::sweep::Crew;

use super::matrix::Case;
use super::result::{DeviceInfo, SOFTWARE};
use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::Result;
use crate::examples::{MicroBatch, stride};
use crate::learner::cpu::many;
use crate::learner::device::{self, DeviceChoice};
use crate::learner::gpu::adapter::{self, Adapter, AdapterSummary, Wanted};
use crate::learner::many::Field;
use crate::learner::{Learner, Model, Optimizer, Penalty, Settings, Update, cpu, gpu};

/// Bytes of weights that a contestant may have; both slots of a weight are counted.
const MOST_BYTES: u64 = 4 << 30;

/// A device of this machine.
#[derive(Debug)]
pub struct Device {
    /// What is told of it.
    pub info: DeviceInfo,
    /// Its adapter, if it is a GPU.
    pub adapter: Option<Adapter>,
}

/// Whatever learns a case.
pub trait Contestant {
    /// Takes a micro-batch to be predicted, then learned.
    fn learn(&mut self, batch: MicroBatch) -> Result<()>;

    /// Waits until the predictions of every micro-batch taken so far are there.
    fn finish(&mut self) -> Result<()>;

    /// A micro-batch whose predictions are there, with its buffers; `None` when none is ready yet.
    fn take_back(&mut self) -> Result<Option<MicroBatch>>;
}

/// One learner.
struct One<L>(L);

impl<L: Learner> Contestant for One<L> {
    fn learn(&mut self, batch: MicroBatch) -> Result<()> {
        self.0.learn(batch)
    }

    fn finish(&mut self) -> Result<()> {
        self.0.finish()
    }

    fn take_back(&mut self) -> Result<Option<MicroBatch>> {
        let Some(mut scored) = self.0.next_scored()? else { return Ok(None) };
        let batch = std::mem::take(&mut scored.batch);
        self.0.recycle(scored);
        Ok(Some(batch))
    }
}

/// Learners side by side.
struct Many {
    crew: Crew,
    /// Micro-batches that they may still hold.
    out: VecDeque<Arc<MicroBatch>>,
}

impl Contestant for Many {
    fn learn(&mut self, batch: MicroBatch) -> Result<()> {
        let batch = Arc::new(batch);
        self.crew.learn(&batch)?;
        self.out.push_back(batch);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.crew.ranking().map(drop)
    }

    fn take_back(&mut self) -> Result<Option<MicroBatch>> {
        let is_free = self.out.front().is_some_and(|batch| Arc::strong_count(batch) == 1);
        Ok(if is_free { self.out.pop_front().and_then(Arc::into_inner) } else { None })
    }
}

fn open_many(device: &Device, case: &Case) -> Result<Box<dyn Contestant>> {
    let field = Field { shape: case.kind.shape, settings: each_settings(case) };
    let parts = match &device.adapter {
        None => many::open(&field, device.info.threads.unwrap_or(1))?,
        Some(adapter) => vec![gpu::many::open(adapter, &field)?],
    };
    Ok(Box::new(Many { crew: Crew::start(parts), out: VecDeque::new() }))
}

/// Learners whose rates differ a little: the same rate for all would be one learner's work many times over.
fn each_settings(case: &Case) -> Vec<Settings> {
    let rate = |k: usize| Optimizer::AdaGrad { learning_rate: learning_rate(case.update) * (1.0 + k as f32 / 1e3) };
    (0..case.learners).map(|k| Settings { optimizer: rate(k), ..settings(case) }).collect()
}

/// Opens a contestant.
///
/// # Errors
/// A device that cannot be opened, or has no room for the weights.
pub fn open(device: &Device, case: &Case) -> Result<Box<dyn Contestant>> {
    if case.learners > 1 {
        return open_many(device, case);
    }
    let settings = settings(case);
    let model = Model::new(case.kind.shape, settings.optimizer, settings.penalty);
    Ok(match &device.adapter {
        None => Box::new(One(cpu::open(model, settings))),
        Some(adapter) => Box::new(One(gpu::open(adapter, model, settings)?)),
    })
}

/// Why a device cannot do a case, as far as that is known before it is opened.
pub fn refusal(case: &Case) -> Option<String> {
    let weights = stride(case.kind.shape.numeric) as u64 + (1 << case.kind.shape.hash_bits);
    let bytes = 8 * weights * case.learners as u64;
    if bytes > MOST_BYTES {
        let (need, most) = (bytes >> 20, MOST_BYTES >> 20);
        return Some(format!("the weights would take {need} MiB; the bench takes no more than {most}"));
    }
    None
}

fn learning_rate(update: Update) -> f32 {
    if update == Update::Record { 0.1 } else { 0.05 }
}

/// AdaGrad, as by default.
fn settings(case: &Case) -> Settings {
    Settings {
        update: case.update,
        optimizer: Optimizer::AdaGrad { learning_rate: learning_rate(case.update) },
        penalty: Penalty::NONE,
        batch: case.batch,
        hash_bits: case.kind.shape.hash_bits,
        frozen: false,
    }
}

impl Device {
    /// Whether it has a cell for a case. One learner is one thread's work, so all threads together have none for it: it
    /// would be the same figure twice.
    pub fn enters(&self, case: &Case) -> bool {
        self.info.threads.is_none_or(|threads| threads == 1 || case.learners > 1)
    }
}

/// The devices that are wanted, all of them where none is named, and what to tell of that.
///
/// # Errors
/// A GPU that is named and not there.
pub fn found(wanted: &[DeviceChoice]) -> Result<(Vec<Device>, Vec<String>)> {
    let is_any = wanted.is_empty() || wanted.contains(&DeviceChoice::Auto);
    let (mut devices, mut notes) = (Vec::new(), Vec::new());
    if is_any || wanted.contains(&DeviceChoice::Cpu) {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        devices.extend(std::iter::once(1).chain((all > 1).then_some(all)).map(processor));
        notes.push(ONE_THREAD.to_owned());
    }
    // Where the CPU alone is asked for, no driver is touched.
    if is_any || wanted.iter().any(|choice| *choice != DeviceChoice::Cpu) {
        match adapters(is_any, wanted) {
            Ok(gpus) => devices.extend(gpus),
            Err(error) if is_any => notes.push(format!("the CPU alone was measured: {error}")),
            Err(error) => return Err(error),
        }
    }
    Ok((devices, notes))
}

/// The GPUs that are wanted.
fn adapters(is_any: bool, wanted: &[DeviceChoice]) -> Result<Vec<Device>> {
    adapter::find(Wanted::Best)?; // says what to do where there is none
    check_named(wanted)?;
    let all = is_any || wanted.contains(&DeviceChoice::Gpu(None));
    let mut gpus = Vec::new();
    for summary in device::list() {
        let number = summary.index.to_string();
        let adapter = adapter::find(Wanted::Named(&number))?;
        if all || is_named(wanted, &adapter, &number) {
            gpus.push(graphics(&summary, adapter));
        }
    }
    Ok(gpus)
}

/// What is said of the CPU's threads.
const ONE_THREAD: &str = "one learner is one thread's work: cells of all threads are those of several learners alone";

fn processor(threads: usize) -> Device {
    let instructions = cpu::instructions().map_or(String::new(), |widest| format!("{widest}, "));
    let name = format!("({instructions}{threads} thread{})", if threads == 1 { "" } else { "s" });
    let info = DeviceInfo {
        id: format!("cpu:{threads}"),
        name,
        is_gpu: false,
        threads: Some(threads),
        software: false,
        remark: None,
    };
    Device { info, adapter: None }
}

fn graphics(summary: &AdapterSummary, adapter: Adapter) -> Device {
    let software = adapter.is_software();
    let info = DeviceInfo {
        id: format!("gpu:{}", summary.index),
        name: adapter.name(),
        is_gpu: true,
        threads: None,
        software,
        remark: software.then_some(SOFTWARE),
    };
    Device { info, adapter: Some(adapter) }
}

/// Whether one of the named GPUs is this one.
fn is_named(wanted: &[DeviceChoice], adapter: &Adapter, number: &str) -> bool {
    wanted.iter().any(|choice| match choice {
        DeviceChoice::Gpu(Some(name)) if name.parse::<usize>().is_ok() => name == number,
        DeviceChoice::Gpu(Some(name)) => adapter.name().to_lowercase().contains(&name.to_lowercase()),
        _ => false,
    })
}

/// Every GPU that is named has to be there.
fn check_named(wanted: &[DeviceChoice]) -> Result<()> {
    for choice in wanted {
        if let DeviceChoice::Gpu(Some(name)) = choice {
            adapter::find(Wanted::Named(name))?;
        }
    }
    Ok(())
}
