//! Opens the backend that the user asked for: takes a choice, a model and settings; gives a learner, its name and the
//! reason for it.
//!
//! A GPU that was asked for is never replaced by the CPU at the start; one that fails under way is, and says so (see
//! [`super::failover`]). Under `auto` both are measured on a made-up stream (see `race.rs`).

pub mod many;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::crossing::Crossing;
use super::failover::{Failover, Fallback, most_logged};
use super::gpu::variant::Variant;
use super::gpu::{Adapter, AdapterSummary, Wanted};
use super::made_up::Kind;
use super::race::{Rates, race};
use super::{Learner, Model, Settings, cpu, gpu, tune};
use crate::error::{Error, Result};
use crate::examples::pairs;

/// `--device`.
///
/// ```
/// use tidemill::learner::device::DeviceChoice;
/// assert_eq!("gpu:1".parse::<DeviceChoice>()?, DeviceChoice::Gpu(Some("1".into())));
/// assert_eq!(DeviceChoice::Gpu(Some("Radeon".into())).to_string(), "gpu:Radeon");
/// assert!("tpu".parse::<DeviceChoice>().is_err());
/// # Ok::<(), tidemill::error::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// `auto`: the faster one, by measurement.
    #[default]
    Auto,
    /// `cpu`.
    Cpu,
    /// `gpu`, or `gpu:NUMBER` of the list, or `gpu:NAME`, a part of the adapter's name in any case.
    Gpu(Option<String>),
}

impl DeviceChoice {
    /// The choice by which a device is found again, from what [`Opened::device`] said of it.
    ///
    /// ```
    /// use tidemill::learner::device::DeviceChoice;
    /// assert_eq!(DeviceChoice::that_was("cpu (avx2)"), DeviceChoice::Cpu);
    /// assert_eq!(DeviceChoice::that_was("gpu: NVIDIA H200 (Vulkan), then cpu (avx2)"), DeviceChoice::Cpu);
    /// assert_eq!(DeviceChoice::that_was("gpu: NVIDIA H200 (Vulkan)").to_string(), "gpu:NVIDIA H200");
    /// ```
    pub fn that_was(device: &str) -> Self {
        let on_a_gpu = device.strip_prefix("gpu: ").filter(|named| !named.contains("), then ")); // it was lost
        let adapter = on_a_gpu.and_then(|named| named.rsplit_once(" ("));
        adapter.map_or(Self::Cpu, |(name, _)| Self::Gpu(Some(name.to_owned())))
    }
}

/// A learner that is ready, with what to tell the user about it.
pub struct Opened {
    /// The learner.
    pub learner: Box<dyn Learner + Send>,
    /// What it runs on, such as `cpu (avx2)` or `gpu: NVIDIA H200 (Vulkan)`.
    pub device: String,
    /// Why, in one line.
    pub why: String,
    /// Whether it is to be given micro-batches without the products of any two hashed features, which it makes itself.
    pub makes_pairs: bool,
}

/// What is to be learned.
#[derive(Debug)]
pub struct Job {
    /// Where it starts from.
    pub model: Model,
    /// How.
    pub settings: Settings,
    /// Hashed features of a record, about; `auto` makes up its own by it.
    pub features: usize,
    /// Who makes the products of any two hashed features.
    pub pairs: Pairs,
}

/// Who makes the products of any two hashed features of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// Nobody behind the encoder.
    Made,
    /// The learner, if it would rather; else the encoder.
    Welcome,
    /// The learner, whatever it is: the encoder has left them out.
    LeftOut,
}

/// Opens a backend.
///
/// # Errors
///
/// Where a GPU was asked for and there is none, or it cannot hold the model.
pub fn open(choice: &DeviceChoice, job: Job) -> Result<Opened> {
    match choice {
        DeviceChoice::Cpu => Ok(open_cpu(job, "asked for")),
        DeviceChoice::Gpu(name) => {
            let adapter = gpu::adapter::find(name.as_deref().map_or(Wanted::Best, Wanted::Named))?;
            let prepared = prepare(&adapter, &job, tuned(&adapter, &job))?;
            Ok(as_gpu(prepared, &adapter.name(), job, "asked for"))
        }
        DeviceChoice::Auto => Ok(open_faster(job)),
    }
}

/// Every adapter of this machine, for `tidemill devices`.
pub fn list() -> Vec<AdapterSummary> {
    gpu::adapter::list()
}

fn open_cpu(job: Job, why: impl Into<String>) -> Opened {
    let makes_pairs = job.pairs == Pairs::LeftOut;
    Opened { learner: on_cpu(job.model, job.settings, makes_pairs), device: cpu_name(), why: why.into(), makes_pairs }
}

fn on_cpu(model: Model, settings: Settings, makes_pairs: bool) -> Box<dyn Learner + Send> {
    let learner = cpu::open(model, settings);
    if makes_pairs { Box::new(Crossing::new(learner)) } else { Box::new(learner) }
}

fn cpu_name() -> String {
    match cpu::instructions() {
        Some(widest) => format!("cpu ({widest})"),
        None => "cpu".to_owned(),
    }
}

fn prepare(adapter: &Adapter, job: &Job, variant: Variant) -> Result<gpu::Prepared> {
    if job.gpu_makes_pairs() {
        return gpu::prepare_to_cross(adapter, &job.model, job.settings);
    }
    gpu::prepare_in(adapter, &job.model, job.settings, variant)
}

/// The way in which a job runs fastest on an adapter.
fn tuned(adapter: &Adapter, job: &Job) -> Variant {
    if job.gpu_makes_pairs() {
        return Variant::likely(adapter);
    }
    tune::fastest(adapter, &job.model, job.settings, job.features)
}

impl Job {
    fn gpu_makes_pairs(&self) -> bool {
        self.pairs == Pairs::LeftOut || self.pairs == Pairs::Welcome && gpu::can_cross(&self.settings)
    }
}

fn as_gpu(prepared: gpu::Prepared, adapter: &str, job: Job, why: impl Into<String>) -> Opened {
    let makes_pairs = job.gpu_makes_pairs();
    let learner = guarded(Box::new(prepared.with(job.model.clone())), job.model, job.settings, makes_pairs);
    Opened { learner: Box::new(learner), device: format!("gpu: {adapter}"), why: why.into(), makes_pairs }
}

/// A learner on a GPU that goes on on the CPU where the GPU fails.
fn guarded(on_gpu: Box<dyn Learner + Send>, model: Model, settings: Settings, makes_pairs: bool) -> Failover {
    let fallback = Fallback::new(cpu_name(), move |model| on_cpu(model, settings, makes_pairs));
    let most = most_logged(&model);
    Failover::new(on_gpu, model, settings.frozen, most, fallback)
}

/// Measures only where the answer is open: no driver is touched for a job that the CPU does anyway. It never fails:
/// where the GPU cannot be used, the CPU can.
fn open_faster(job: Job) -> Opened {
    if job.settings.frozen {
        return open_cpu(job, "predicting alone is not worth a transfer");
    }
    let adapter = match gpu::adapter::find(Wanted::Best) {
        Ok(adapter) if adapter.is_software() => {
            let why = format!("the only adapter, {}, is software", adapter.name());
            return open_cpu(job, why);
        }
        Ok(adapter) => adapter,
        Err(_) => return open_cpu(job, gpu::adapter::NONE),
    };
    let variant = tuned(&adapter, &job);
    let rates = compare(&adapter, &job, variant);
    open_by(rates, &adapter.name(), job, |job| prepare(&adapter, job, variant))
}

/// Opens the faster backend, and the CPU where either the measurement or the GPU's `prepare` has failed.
fn open_by(
    rates: Result<Rates>,
    adapter: &str,
    job: Job,
    prepare: impl FnOnce(&Job) -> Result<gpu::Prepared>,
) -> Opened {
    let rates = match rates {
        Ok(rates) => rates,
        Err(error) => return open_cpu(job, unusable(adapter, &error)),
    };
    if rates.ratio <= 1.0 {
        return open_cpu(job, rates.to_string());
    }
    match prepare(&job) {
        Ok(prepared) => as_gpu(prepared, adapter, job, rates.to_string()),
        Err(error) => open_cpu(job, unusable(adapter, &error)),
    }
}

/// Why the GPU is not used, in one line, whatever the driver says.
fn unusable(adapter: &str, error: &Error) -> String {
    let words: Vec<_> = error.to_string().split_whitespace().map(str::to_owned).collect();
    format!("{adapter} cannot be used: {}", words.join(" "))
}

/// Runs both backends on the same made-up micro-batches, from blank models of the same shape.
fn compare(adapter: &Adapter, job: &Job, variant: Variant) -> Result<Rates> {
    let Job { model, settings, features, .. } = job;
    let blank = || Model::new(model.shape(), model.optimizer, model.penalty);
    let (shape, mut on_cpu) = (model.shape(), cpu::open(blank(), *settings));
    if job.gpu_makes_pairs() {
        // The encoder would make them for the CPU, on other threads; here it makes them itself.
        let kind = Kind { shape, features: pairs::made_of(*features) };
        let mut on_gpu = gpu::prepare_to_cross(adapter, &blank(), *settings)?.with(blank());
        return race(&mut Crossing::new(on_cpu), &mut on_gpu, &kind, settings.batch);
    }
    let mut on_gpu = gpu::open_as(adapter, blank(), *settings, variant)?;
    race(&mut on_cpu, &mut on_gpu, &Kind { shape, features: *features }, settings.batch)
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "gpu" => Ok(Self::Gpu(None)),
            Some(("gpu", name)) if !name.is_empty() => Ok(Self::Gpu(Some(name.to_owned()))),
            _ => Err(Error::usage(format!(
                "no device is called {text:?}: use auto, cpu, gpu, gpu:NUMBER or gpu:NAME (see `tidemill devices`)"
            ))),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(None) => f.write_str("gpu"),
            Self::Gpu(Some(name)) => write!(f, "gpu:{name}"),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Optimizer, Penalty, Shape, Update};

    const SETTINGS: Settings = Settings {
        update: Update::Batch,
        optimizer: Optimizer::AdaGrad { learning_rate: 0.1 },
        penalty: Penalty::NONE,
        batch: 50,
        hash_bits: 10,
        frozen: false,
    };

    /// A GPU that is twice as fast.
    const TWICE: Rates = Rates { cpu: 1.0, gpu: 2.0, ratio: 2.0 };

    fn blank() -> Model {
        Model::new(Shape { numeric: 5, hash_bits: 10 }, SETTINGS.optimizer, SETTINGS.penalty)
    }

    fn job(settings: Settings) -> Job {
        Job { model: blank(), settings, features: 8, pairs: Pairs::Made }
    }

    #[test]
    fn every_choice_is_read_as_it_is_written() {
        for text in ["auto", "cpu", "gpu", "gpu:0", "gpu:llvmpipe", "gpu:a:b"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
            let json = format!("{text:?}");
            assert_eq!(serde_json::to_string(&serde_json::from_str::<DeviceChoice>(&json).unwrap()).unwrap(), json);
        }
        for text in ["", "GPU", "gpu:", "cpu:0", "cuda"] {
            assert!(text.parse::<DeviceChoice>().unwrap_err().to_string().contains("gpu:NAME"));
        }
    }

    #[test]
    fn auto_takes_the_cpu_for_what_only_the_cpu_does() {
        for update in [Update::Record, Update::Batch] {
            let frozen = Settings { frozen: true, update, ..SETTINGS };
            let opened = open(&DeviceChoice::Auto, job(frozen)).unwrap();
            assert!(opened.device.starts_with("cpu") && opened.why.contains("predicting"), "{}", opened.why);
        }
    }

    #[test]
    fn auto_says_why_and_never_takes_a_software_adapter() {
        let is_software = list().iter().all(|adapter| adapter.kind == "software");
        for update in [Update::Record, Update::Batch] {
            let opened = open(&DeviceChoice::Auto, job(Settings { update, ..SETTINGS })).unwrap();
            assert!(!opened.why.is_empty() && !opened.why.contains('\n'));
            if is_software {
                assert!(opened.device.starts_with("cpu"), "{}: {}", opened.device, opened.why);
                assert!(!opened.why.contains("measured"), "{}", opened.why);
            }
        }
    }

    #[test]
    fn auto_takes_the_cpu_where_the_gpu_fails() {
        let fast = || Ok(TWICE);
        let broken = |_: &Job| Err(Error::device("the GPU is\n  out of memory"));
        let why = "Anvil cannot be used: the GPU is out of memory";
        let opened = open_by(fast(), "Anvil", job(SETTINGS), broken);
        assert!(opened.device.starts_with("cpu") && opened.why == why, "{}: {}", opened.device, opened.why);
        let opened = open_by(Err(Error::device("the GPU is\n  out of memory")), "Anvil", job(SETTINGS), |_| {
            unreachable!("a GPU that could not be measured is not opened")
        });
        assert!(opened.device.starts_with("cpu") && opened.why == why, "{}: {}", opened.device, opened.why);
    }

    #[test]
    fn auto_takes_the_gpu_where_it_is_faster_and_opens() {
        let Ok(adapter) = gpu::adapter::find(Wanted::Best) else { return eprintln!("skipped: no adapter") };
        let prepare = |job: &Job| prepare(&adapter, job, Variant::PLAIN);
        let mut opened = open_by(Ok(TWICE), &adapter.name(), job(SETTINGS), prepare);
        assert!(opened.device.starts_with("gpu") && opened.why.starts_with("measured"), "{}", opened.why);
        assert_eq!(opened.learner.model().unwrap(), blank());
    }

    #[test]
    fn a_gpu_that_was_asked_for_is_never_replaced() {
        let refused = |choice: &str, settings| match open(&choice.parse().unwrap(), job(settings)) {
            Ok(opened) => panic!("opened {}", opened.device),
            Err(error) => error.to_string(),
        };
        let message = refused("gpu:no such adapter", SETTINGS);
        assert!(message.contains("no GPU"), "{message}");
    }

    #[test]
    fn auto_takes_the_cpu_where_the_gpu_is_no_faster() {
        for ratio in [0.3, 1.0] {
            let opened = open_by(Ok(Rates { ratio, ..TWICE }), "Anvil", job(SETTINGS), |_| {
                unreachable!("a GPU that has lost is not opened")
            });
            assert!(opened.device.starts_with("cpu") && opened.why.starts_with("measured"), "{}", opened.why);
        }
    }

    #[test]
    fn both_backends_can_be_measured() {
        let Ok(adapter) = gpu::adapter::find(Wanted::Best) else { return eprintln!("skipped: no adapter") };
        for (numeric, features) in [(5, 0), (0, 3), (5, 3)] {
            let model = Model::new(Shape { numeric, hash_bits: 10 }, SETTINGS.optimizer, SETTINGS.penalty);
            let rates = compare(&adapter, &Job { model, features, ..job(SETTINGS) }, Variant::PLAIN).unwrap();
            assert!(rates.gpu > 0.0 && rates.cpu > 0.0 && rates.ratio > 0.0, "{rates}");
        }
    }
}
