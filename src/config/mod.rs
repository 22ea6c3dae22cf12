//! The configuration: options from the command line and a job file, turned once into a checked [`Plan`].
//!
//! Reads the job file, and nothing else. Siblings: [`options`] (the table behind flags and keys), `keys` (what was meant by a
//! wrong one), [`checkpoint`], [`drift`], [`event_time`], [`live`], `outcomes` (a second input), [`passes`], `quantity` (sizes and times) and [`windows`].

pub mod checkpoint;
pub mod drift;
pub mod event_time;
mod inferred;
mod keys;
pub mod live;
pub mod options;
mod outcomes;
pub mod passes;
mod quantity;
pub mod sweep;
mod warm_start;
pub mod windows;

use std::path::{Path, PathBuf};

use crate::drift::Spec;
use crate::encoder::infer::Named;
use crate::encoder::label::LabelRule;
use crate::error::{Error, Result};
use crate::learner::device::DeviceChoice;
use crate::learner::{MAX_HASH_BITS, Optimizer, Penalty, Settings, Update};
use crate::metric::confusion::Threshold;
use crate::schema::{Feature, Format, Step};
use crate::source::address::Address;
use crate::source::{Input, names};
pub use checkpoint::{Checkpointing, Every};
pub use event_time::EventTime;
pub use live::Live;
pub use options::{
    CheckpointOptions, DriftOptions, EventTimeOptions, LearnerOptions, OptimizerName, Options, OutputOptions,
    SourceOptions,
};
pub use passes::Passes;
pub use windows::Windows;

/// Records of a micro-batch unless another number is named.
pub const DEFAULT_BATCH: usize = 256;
/// Whether the names of features are kept where nothing is said of that.
const NAMES: bool = false;
/// `2^18` hashed weights unless another number is named.
pub const DEFAULT_HASH_BITS: u32 = 18;
/// Records of a generated stream unless another number is named.
pub const DEFAULT_ROWS: u64 = 1_000_000;

/// A run, checked: what to read, how to learn, what to write.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The options it was made from.
    pub options: Options,
    /// The job of a model that is trained on: it stands where `options` name nothing; see [`Plan::job`].
    pub base: Options,
    /// What to read.
    pub inputs: Vec<Input>,
    /// How the inputs are written.
    pub format: Format,
    /// How labels are read.
    pub label: LabelRule,
    /// How to learn.
    pub settings: Settings,
    /// Share of positives from which a new model starts.
    pub prior: Option<f64>,
    /// On what device.
    pub device: DeviceChoice,
    /// Whether the names of features are kept.
    pub names: bool,
    /// Ingest threads.
    pub threads: usize,
    /// Chunks that may wait in a channel.
    pub queue: usize,
    /// What to write.
    pub outputs: Outputs,
    /// When to give up.
    pub max_rejected: MaxRejected,
    /// Where and when to write checkpoints, if anywhere.
    pub checkpoint: Option<Checkpointing>,
    /// In which order records count, and when their labels are known; `None` where nothing is said of that.
    pub event_time: Option<EventTime>,
    /// How often the stream is learned, if more than once.
    pub passes: Option<Passes>,
    /// What is done about input that keeps coming.
    pub live: Live,
    /// What metrics are told by beside those of the whole run.
    pub windows: Option<Windows>,
    /// The probability from which a prediction counts as positive.
    pub threshold: Threshold,
    /// Who looks for drift, and what is done about it.
    pub drift: Option<Spec>,
    /// Whether the course of the run is kept, for a report.
    pub keeps_course: bool,
}

/// Files to write, where named.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// One row a record.
    pub predictions: Option<PathBuf>,
    /// The model.
    pub model: Option<PathBuf>,
    /// The run in numbers.
    pub summary: Option<PathBuf>,
    /// The run as a page.
    pub report: Option<PathBuf>,
    /// What could not be used.
    pub rejected: Option<PathBuf>,
    /// What was left out for its time.
    pub side: Option<PathBuf>,
    /// Metrics by windows.
    pub metrics: Option<PathBuf>,
    /// Alarms.
    pub alerts: Option<PathBuf>,
    /// Where monitors ask how the run stands.
    pub metrics_listen: Option<Address>,
}

/// Rejections beyond which a run stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxRejected {
    /// So many records.
    Records(u64),
    /// This share of the records seen.
    Share(f64),
}

impl MaxRejected {
    /// Records that must have been seen before a share is judged in the middle of a stream.
    const JUDGED_FROM: u64 = 1000;

    /// Reads `1%` or `100`.
    ///
    /// # Errors
    /// Anything else.
    ///
    /// ```
    /// use tidemill::config::MaxRejected;
    /// assert_eq!(MaxRejected::parse("1%")?, MaxRejected::Share(0.01));
    /// # Ok::<(), tidemill::error::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let refused = || Error::usage(format!("--max-rejected {text}: write a share like 1% or a number like 100"));
        match text.strip_suffix('%') {
            Some(share) => {
                let share: f64 = share.trim().parse().map_err(|_| refused())?;
                if (0.0..=100.0).contains(&share) { Ok(Self::Share(share / 100.0)) } else { Err(refused()) }
            }
            None => text.parse().map(Self::Records).map_err(|_| refused()),
        }
    }

    /// Whether `rejected` of `seen` records are too many; a share is judged from 1,000 records on, or at the end.
    pub fn is_exceeded(self, rejected: u64, seen: u64, at_end: bool) -> bool {
        match self {
            Self::Records(limit) => rejected > limit,
            Self::Share(share) => (at_end || seen >= Self::JUDGED_FROM) && rejected as f64 > share * seen as f64,
        }
    }
}

impl Options {
    /// Reads a job file.
    ///
    /// # Errors
    /// A file that cannot be read, is not TOML, or has a key that is no option.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|cause| Error::usage(format!("cannot read the job file {name}: check the name")).because(cause))?;
        Self::parse(&text).map_err(|cause| {
            Error::usage(format!(
                "the job file {name} is not right: {cause}\n(its keys are the flags of `tidemill train --help`)"
            ))
        })
    }

    /// Reads the text of a job file; `hash_bits` is as good as `hash-bits`.
    ///
    /// # Errors
    /// Text that is not TOML or has a key that is no option.
    ///
    /// ```
    /// let options = tidemill::config::Options::parse("[learner]\nhash_bits = 20").unwrap();
    /// assert_eq!(options.learner.hash_bits, Some(20));
    /// ```
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        if let Some(section) = table.remove("event_time") {
            table.insert("event-time".into(), section);
        }
        for (_, section) in table.iter_mut() {
            if let toml::Value::Table(section) = section {
                let entries = std::mem::take(section);
                section.extend(entries.into_iter().map(|(key, value)| (key.replace('_', "-"), value)));
            }
        }
        let read = table.clone().try_into();
        read.map_err(|error: toml::de::Error| {
            let message = error.to_string();
            keys::advice(&table, &message).unwrap_or_else(|| in_plain_words(&message))
        })
    }
}

/// The names of types in a message about TOML, as a user writes their values.
fn in_plain_words(message: &str) -> String {
    let words = [
        ("expected a sequence", "expected a list, such as [\"a\", \"b\"]"),
        ("expected usize", "expected a whole number"),
        ("expected u64", "expected a whole number"),
        ("expected u32", "expected a whole number"),
        ("expected f32", "expected a number"),
        ("expected a string", "expected text in quotes"),
    ];
    words.iter().fold(message.trim_end().to_owned(), |text, (type_name, word)| text.replace(type_name, word))
}

impl Options {
    /// A command line's options over those of its job file. What it says of where the records come from replaces all
    /// that the job says of it: files, the generated stream with its length and seed.
    ///
    /// # Errors
    /// A command line that names both files and a generated stream.
    pub fn over_job(mut self, inputs: Vec<String>, mut job: Self) -> Result<Self> {
        if !inputs.is_empty() && self.source.generate.is_some() {
            let files = inputs.join(", ");
            return Err(Error::usage(format!("--generate is a stream of its own: leave it out, or leave out {files}")));
        }
        if !inputs.is_empty() {
            let here = SourceOptions { generate: None, rows: None, seed: None, listen: None, ..job.source };
            (self.source.input, job.source) = (Some(inputs), here);
        } else if self.source.generate.is_some() {
            (job.source.input, job.source.listen) = (None, None);
        } else if self.source.listen.is_some() {
            job.source = SourceOptions { generate: None, rows: None, seed: None, input: None, ..job.source };
        }
        Ok(self.over(job))
    }
}

impl Plan {
    /// Checks the options; `inputs` named on the command line replace those of the job file.
    ///
    /// # Errors
    /// Options that contradict each other or lie outside their range; the message says what to write instead.
    pub fn new(options: Options, inputs: &[String]) -> Result<Self> {
        let source = &options.source;
        let inputs = checked_inputs(source, inputs)?;
        let format = outcomes::format(&options, &inputs, format)?;
        let inputs = outcomes::merged(&options, inputs, format)?;
        let live = Live::of(&options, &inputs, format)?;
        let label = source.positive.clone().map_or(LabelRule::Inferred, LabelRule::Positive);
        let settings = settings(&options.learner)?;
        let prior = options.learner.prior.map(prior).transpose()?;
        source.time_format.as_deref().map_or(Ok(()), time_format)?;
        let event_time = EventTime::of(&options)?;
        let windows = Windows::of(&options.output)?.map(|windows| windows.within(event_time.as_ref()));
        let threshold = windows::threshold(&options.output)?;
        let output = options.output.clone();
        let path = |name: Option<String>| name.map(PathBuf::from);
        Ok(Self {
            inputs,
            format,
            label,
            settings,
            prior,
            device: options.learner.device.as_deref().unwrap_or("auto").parse()?,
            names: options.learner.names.unwrap_or(NAMES),
            threads: threads(options.learner.threads)?,
            queue: 4,
            outputs: Outputs {
                predictions: path(output.predictions),
                model: path(output.model),
                summary: path(output.summary),
                report: path(output.report),
                rejected: path(output.rejected),
                side: path(output.side),
                metrics: path(output.metrics),
                alerts: path(output.alerts),
                metrics_listen: output.metrics_listen.as_deref().map(live::monitored).transpose()?,
            },
            max_rejected: MaxRejected::parse(output.max_rejected.as_deref().unwrap_or("1%"))?,
            checkpoint: Checkpointing::of(&options.checkpoint)?,
            event_time,
            passes: Passes::of(&options)?,
            live,
            windows,
            threshold,
            drift: drift::of(&options, settings.optimizer)?,
            keeps_course: options.output.report.is_some(),
            base: Options::default(),
            options,
        })
    }

    /// Whether the event time is read: where it is named, or something asks for it.
    fn needs_time(&self) -> bool {
        let options = &self.options;
        options.source.time.is_some()
            || self.event_time.is_some()
            || self.has_windows_of_time()
            || options.transform.iter().any(Step::needs_time)
            || options.feature.iter().any(Feature::needs_time)
    }

    /// Whether metrics are asked for by windows of event time.
    pub fn has_windows_of_time(&self) -> bool {
        self.windows.as_ref().is_some_and(Windows::need_time)
    }

    /// What the user said about columns.
    pub fn named(&self) -> Named {
        let source = self.options.source.clone();
        Named {
            label: source.label,
            weight: source.weight,
            id: source.id,
            time: source.time,
            numeric: source.numeric.unwrap_or_default(),
            categorical: source.categorical.unwrap_or_default(),
            ignore: source.ignore.unwrap_or_default(),
            log: source.log.unwrap_or_default(),
            label_time: self.options.event_time.label_time.clone(),
            time_format: source.time_format,
            needs_time: self.needs_time(),
            finds_time: self.has_windows_of_time(),
            segments: self.windows.as_ref().map(|windows| windows.segments.clone()).unwrap_or_default(),
        }
    }
}

fn checked_inputs(source: &SourceOptions, named: &[String]) -> Result<Vec<Input>> {
    let files: &[String] = if named.is_empty() { source.input.as_deref().unwrap_or_default() } else { named };
    if let Some(address) = &source.listen {
        return live::listening(address, source.generate.is_some() || !files.is_empty());
    }
    match (source.generate, files) {
        (Some(generator), []) => Ok(vec![Input::Synthetic {
            generator,
            rows: source.rows.unwrap_or(DEFAULT_ROWS),
            seed: source.seed.unwrap_or(1),
        }]),
        (Some(_), _) => {
            Err(Error::usage("the job names both files and a generated stream: keep `input` or `generate`"))
        }
        (None, []) => Err(Error::usage(
            "nothing to read: name files, - for standard input, or a generated stream with --generate clicks",
        )),
        (None, _) if source.rows.is_some() || source.seed.is_some() => Err(Error::usage(
            "--rows and --seed belong to a generated stream: leave them out, or read one with --generate clicks",
        )),
        (None, files) if files.iter().filter(|name| *name == "-").count() > 1 => {
            Err(Error::usage("standard input (-) can be read only once"))
        }
        (None, files) => names::inputs(files, source.format),
    }
}

/// The named format, or the one that the files' extensions tell; generated streams are CSV.
fn format(named: Option<Format>, inputs: &[Input]) -> Result<Format> {
    if let Some(named) = named {
        let is_made_up = inputs.iter().any(|input| matches!(input, Input::Synthetic { .. }));
        return match is_made_up && named != Format::Csv {
            true => Err(Error::usage("--format belongs to files: a generated stream is CSV; leave it out")),
            false => Ok(named),
        };
    }
    let mut told = inputs.iter().filter_map(|input| match input {
        Input::File(path) => Format::of_name(&path.to_string_lossy()).map(|format| (format, input)),
        _ => None,
    });
    let Some((format, first)) = told.next() else { return Ok(Format::default()) };
    match told.find(|(other, _)| *other != format) {
        None => Ok(format),
        Some((_, other)) => Err(Error::usage(format!(
            "{} and {} are written in two formats: the inputs of a run have one; turn one of them into the other, or \
             name the format of all with --format",
            first.name(),
            other.name()
        ))),
    }
}

fn settings(options: &LearnerOptions) -> Result<Settings> {
    let batch = within(options.batch, DEFAULT_BATCH, 1..=1 << 20, "--batch")?;
    let hash_bits = within(options.hash_bits, DEFAULT_HASH_BITS, 1..=MAX_HASH_BITS, "--hash-bits")?;
    let penalty =
        Penalty { l1: within(options.l1, 0.0, 0.0..=1e6, "--l1")?, l2: within(options.l2, 0.0, 0.0..=1e6, "--l2")? };
    let update = options.update.unwrap_or(Update::Record);
    Ok(Settings { update, optimizer: optimizer(options)?, penalty, batch, hash_bits, frozen: false })
}

fn optimizer(options: &LearnerOptions) -> Result<Optimizer> {
    let name = options.optimizer.unwrap_or(OptimizerName::AdaGrad);
    let default = if name == OptimizerName::Ftrl { 0.1 } else { 0.05 };
    let learning_rate = within(options.learning_rate, default, 1e-9..=1e3, "--learning-rate")?;
    let power_t = within(options.power_t, 0.0, 0.0..=1.0, "--power-t")?;
    // With a beta of 0 the weight of a coordinate that was never touched would be 0 / 0.
    let beta = within(options.beta, 1.0, 1e-6..=1e6, "--beta")?;
    if options.power_t.is_some() && name != OptimizerName::Sgd {
        return Err(Error::usage("--power-t belongs to --optimizer sgd: the others adapt their rates themselves"));
    }
    if options.beta.is_some() && name != OptimizerName::Ftrl {
        return Err(Error::usage("--beta belongs to --optimizer ftrl"));
    }
    Ok(match name {
        OptimizerName::Sgd => Optimizer::Sgd { learning_rate, power_t },
        OptimizerName::AdaGrad => Optimizer::AdaGrad { learning_rate },
        OptimizerName::Ftrl => Optimizer::Ftrl { learning_rate, beta },
    })
}

fn prior(share: f64) -> Result<f64> {
    if (1e-9..=1.0 - 1e-9).contains(&share) {
        return Ok(share);
    }
    Err(Error::usage(format!("--prior {share} is no share of positives between 0 and 1: write --prior 0.01")))
}

fn time_format(text: &str) -> Result<()> {
    text.parse::<crate::timestamp::Form>().map(drop).map_err(|why| Error::usage(format!("--time-format {why}")))
}

fn threads(named: Option<usize>) -> Result<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    within(named, cores.min(64), 1..=1024, "--threads")
}

fn within<T: PartialOrd + Copy + std::fmt::Display>(
    value: Option<T>,
    default: T,
    range: std::ops::RangeInclusive<T>,
    flag: &str,
) -> Result<T> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Error::usage(format!("{flag} {value} is outside {} to {}", range.start(), range.end())))
}
