//! Every option, once: the command line's flags and the job file's keys come from the same fields.
//!
//! All are optional here; defaults and checks are [`super::Plan`]'s.

use clap::{Args, ValueHint};
use serde::{Deserialize, Serialize};

use super::drift::{Action, AdwinOptions, DetectorName, PageHinkleyOptions};
use crate::learner::Update;
use crate::replay::Numbers;
use crate::schema::{Feature, Format, Hashing, Step};
use crate::source::synthetic::Generator;

/// Declares a section of the job file whose fields are flags as well.
macro_rules! section {
    ($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
        pub struct $name {
            $($(#[$field_about])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        impl $name {
            /// The names of its fields; a job file writes them with hyphens.
            pub(super) const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

            /// These options, with those of `below` where one is not given.
            #[must_use]
            pub fn over(self, below: Self) -> Self {
                Self { $($field: self.$field.or(below.$field),)* }
            }
        }
    };
}

section! {
    /// `[source]`: where the records come from and what their columns are.
    SourceOptions {
        /// Inputs of a job file; files, folders, patterns like logs/*.csv, or - for standard input
        #[arg(skip)]
        input: Vec<String>,
        /// Read a generated stream instead of files
        #[arg(long, value_enum, value_name = "STREAM", help_heading = "Source")]
        generate: Generator,
        /// Records of the generated stream
        #[arg(long, value_name = "RECORDS", help_heading = "Source")]
        rows: u64,
        /// Seed of the generated stream
        #[arg(long, help_heading = "Source")]
        seed: u64,
        /// How the inputs are written; by the files' extensions if not named
        #[arg(long, value_enum, help_heading = "Source")]
        format: Format,
        /// Names of the columns, for inputs without a header line
        #[arg(long, value_delimiter = ',', value_parser = trimmed, value_name = "NAMES", help_heading = "Source")]
        columns: Vec<String>,
        /// Go on reading the last file as it grows, is rotated or is cut short, until a signal ends the run: a plain text
        /// file [default: false]
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
              help_heading = "Source")]
        follow: bool,
        /// Read lines that any number of connections send, as one stream, until a signal ends the run: a port of this
        /// machine like 9000, tcp:HOST:PORT or unix:PATH
        #[arg(long, value_name = "ADDRESS", help_heading = "Source")]
        listen: String,
        /// Column to learn: 0/1, -1/+1 or true/false
        #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
        label: String,
        /// Label value of the positive class; any other value is the negative one
        #[arg(long, value_name = "VALUE", help_heading = "Columns")]
        positive: String,
        /// Column of example weights: 2 is the record twice
        #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
        weight: String,
        /// Column carried into the predictions
        #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
        id: String,
        /// Column of the event time: kept out of the features
        #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
        time: String,
        /// How that column writes its times: epoch-s, epoch-ms, epoch-us, epoch-ns, iso, or a pattern of strftime such as
        /// "%d/%b/%Y:%H:%M:%S %z" [default: ISO 8601, or a number since 1970 whose size tells its unit]
        #[arg(long, value_name = "FORM", help_heading = "Columns")]
        time_format: String,
        /// Columns to take as numbers
        #[arg(long, value_delimiter = ',', value_parser = trimmed, value_name = "COLUMNS", help_heading = "Columns")]
        numeric: Vec<String>,
        /// Columns to take as categories
        #[arg(long, value_delimiter = ',', value_parser = trimmed, value_name = "COLUMNS", help_heading = "Columns")]
        categorical: Vec<String>,
        /// Columns to leave out; of Vowpal Wabbit's text, namespaces
        #[arg(long, value_delimiter = ',', value_parser = trimmed, value_name = "COLUMNS", help_heading = "Columns")]
        ignore: Vec<String>,
        /// Numeric columns to take as sign(x) ln(1+|x|): counts and amounts
        #[arg(long, value_delimiter = ',', value_parser = trimmed, value_name = "COLUMNS", help_heading = "Columns")]
        log: Vec<String>,
        /// What is hashed of a feature's name: a name of digits is its own number under strings
        /// [default: strings for libsvm and vw, else all]
        #[arg(long, value_enum, value_name = "NAMES", help_heading = "Columns")]
        hash: Hashing,
    }
}

section! {
    /// `[learner]`: how to learn, and on what device.
    LearnerOptions {
        /// Unit of learning [default: record]
        #[arg(long, value_enum, help_heading = "Learner")]
        update: Update,
        /// Records of a micro-batch [default: 256]
        #[arg(long, value_name = "RECORDS", help_heading = "Learner")]
        batch: usize,
        /// Close a micro-batch when its oldest record has waited so long, like 1ms or 1s, and hand its predictions over at
        /// once: what is learned then depends on when records come; columns without a named role are inferred from what has
        /// come when input pauses [default: a micro-batch waits until it is full]
        #[arg(long, value_name = "TIME", help_heading = "Learner")]
        max_delay: String,
        /// Step rule [default: adagrad]
        #[arg(long, value_enum, help_heading = "Learner")]
        optimizer: OptimizerName,
        /// Step size [default: 0.05; FTRL's alpha: 0.1]
        #[arg(long, value_name = "RATE", help_heading = "Learner")]
        learning_rate: f32,
        /// SGD: the rate falls with the t-th power of updates [default: 0]
        #[arg(long, value_name = "POWER", help_heading = "Learner")]
        power_t: f32,
        /// FTRL: beta [default: 1]
        #[arg(long, help_heading = "Learner")]
        beta: f32,
        /// Share of positives that is expected: a new model starts from it, and predicts it before it has learned
        #[arg(long, value_name = "SHARE", help_heading = "Learner")]
        prior: f64,
        /// Penalty on absolute weights [default: 0]
        #[arg(long, value_name = "PENALTY", help_heading = "Learner")]
        l1: f32,
        /// Penalty on squared weights [default: 0]
        #[arg(long, value_name = "PENALTY", help_heading = "Learner")]
        l2: f32,
        /// Categories share 2^BITS weights, 1 to 24 [default: 18]
        #[arg(long, value_name = "BITS", help_heading = "Learner")]
        hash_bits: u32,
        /// Keep the names of features, to be shown with their weights [default: false]
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
              help_heading = "Learner")]
        names: bool,
        /// Train this model or checkpoint on: its weights, scales and version; what is not named is as it was learned
        #[arg(long, value_name = "MODEL|CHECKPOINT", value_hint = ValueHint::AnyPath, help_heading = "Learner")]
        warm_start: String,
        /// Learn the stream so many times: the later passes from what the first has encoded, in the same order; figures and
        /// predictions are those of the first [default: 1]
        #[arg(long, value_name = "N", help_heading = "Passes")]
        passes: u32,
        /// Memory for what is learned again, like 512M or 4G; beyond that it goes into a file [default: 1G]
        #[arg(long, value_name = "SIZE", help_heading = "Passes")]
        replay_memory: String,
        /// Put all that is learned again into this file, in Arrow's format, and keep it [default: a temporary one]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Passes")]
        replay_file: String,
        /// How numbers are kept for the later passes: f16 takes half the room, and rounds them [default: f32]
        #[arg(long, value_enum, value_name = "NUMBERS", help_heading = "Passes")]
        replay_numbers: Numbers,
        /// auto, cpu, gpu, gpu:INDEX or gpu:NAME [default: auto]
        #[arg(long, help_heading = "Run")]
        device: String,
        /// Ingest threads [default: one a core]
        #[arg(long, value_name = "N", help_heading = "Run")]
        threads: usize,
    }
}

section! {
    /// `[event-time]`: in which order records count, and when their labels are known.
    EventTimeOptions {
        /// How far an event time may lie behind the latest one, like 30s or 5m, before its record is late [default: none]
        #[arg(long, value_name = "TIME", help_heading = "Event time")]
        out_of_order: String,
        /// time holds records back until --out-of-order has passed and takes them in the order of their event times; arrival
        /// takes each as it comes [default: time with --out-of-order]
        #[arg(long, value_enum, help_heading = "Event time")]
        order: Order,
        /// What becomes of a late record: learn it all the same, put it into --side, or drop it (each is counted)
        /// [default: learn]
        #[arg(long, value_enum, value_name = "ACTION", help_heading = "Event time")]
        late: LateRecords,
        /// The label becomes known so long after the event time: the record is predicted at once and learned then
        #[arg(long, value_name = "TIME", help_heading = "Late labels")]
        label_delay: String,
        /// Column of the time at which the label becomes known
        #[arg(long, value_name = "COLUMN", help_heading = "Late labels")]
        label_time: String,
        /// Join records without a label with the outcomes, records with one, that come for the same --id within this time
        #[arg(long, value_name = "TIME", help_heading = "Late labels")]
        join_timeout: String,
        /// Outcomes of their own: a file in the format of the features, with the columns of --id, --time and --label; both
        /// are read in the order of event time
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Late labels")]
        outcomes: String,
        /// What a record becomes for which no outcome came in time [default: negative]
        #[arg(long, value_enum, value_name = "LABEL", help_heading = "Late labels")]
        at_timeout: AtTimeout,
        /// How long after its timeout a positive outcome still corrects the record, in the learner and in the figures of the
        /// whole run; windows, segments, fading figures and the no-change classifier keep the negative [default: not at all]
        #[arg(long, value_name = "TIME", help_heading = "Late labels")]
        corrections: String,
        /// Memory for records whose labels are not known yet, like 512M or 4G, and as much for those that --out-of-order
        /// holds. Beyond that records lie in a temporary file; where not even their places fit, the oldest are learned
        /// early, and counted [default: 1G]
        #[arg(long, value_name = "SIZE", help_heading = "Late labels")]
        open_memory: String,
    }
}

section! {
    /// `[output]`: what to write, and when to give up.
    OutputOptions {
        /// One row a record: .csv, .jsonl, .arrow or .parquet, - for standard output as CSV
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
        predictions: String,
        /// The model, as safetensors
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
        model: String,
        /// The run in numbers, as JSON
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
        summary: String,
        /// The run as a page for a browser: curves, calibration, segments, what was rejected; one file that needs no network
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
        report: String,
        /// Records that could not be used, as JSON lines
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
        rejected: String,
        /// Records that were left out for their time, and outcomes without their record, as JSON lines
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
        side: String,
        /// Metrics by windows, a line each: .jsonl or .csv, - for standard output
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
        metrics: String,
        /// What a window spans: event time like 15m, 1h or 1d, or a number of predicted records; several with commas
        #[arg(long, value_delimiter = ',', value_parser = trimmed, value_name = "TIME|RECORDS", help_heading = "Output")]
        metrics_every: Vec<String>,
        /// Columns by whose values metrics are told apart, by window and over the whole run
        #[arg(long, value_delimiter = ',', value_parser = trimmed, value_name = "COLUMNS", help_heading = "Output")]
        segment: Vec<String>,
        /// Values of a segment's column that are told apart, the first that come [default: 1000]
        #[arg(long, value_name = "N", help_heading = "Output")]
        segments: usize,
        /// Probability from which a prediction counts as positive in precision, recall, F1, MCC and kappa: of the edges of
        /// bins of 1/256 logit (of windows and segments 1/32) the nearest one [default: 0.5]
        #[arg(long, value_name = "P", help_heading = "Output")]
        threshold: f64,
        /// Alarms of --drift, as JSON lines
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
        alerts: String,
        /// Tell monitors how the run stands, for as long as it lasts: /metrics (Prometheus) and /healthz, at a port of this
        /// machine like 9464, or HOST:PORT
        #[arg(long, value_name = "ADDRESS", help_heading = "Output")]
        metrics_listen: String,
        /// Rejected records beyond which to stop: a share like 1% or a number [default: 1%]
        #[arg(long, value_name = "LIMIT", help_heading = "Output")]
        max_rejected: String,
    }
}

section! {
    /// `[drift]`: who looks for drift, and what is done about it.
    DriftOptions {
        /// Look for a loss that rises for good: adwin, page-hinkley, or both with a comma
        #[arg(long, value_enum, value_delimiter = ',', value_name = "DETECTOR", help_heading = "Drift")]
        drift: Vec<DetectorName>,
        /// Losses above this count as this, in nats
        #[arg(skip)]
        clip: f64,
        /// Parameters of adwin
        #[arg(skip)]
        adwin: AdwinOptions,
        /// Parameters of page-hinkley
        #[arg(skip)]
        page_hinkley: PageHinkleyOptions,
        /// What is done about an alarm
        #[arg(skip)]
        actions: Vec<Action>,
    }
}

section! {
    /// `[checkpoint]`: what outlives the process.
    CheckpointOptions {
        /// Folder of checkpoints, made where there is none
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Checkpoint")]
        checkpoint: String,
        /// Records, or a time like 30s or 5m, from one checkpoint to the next [default: 10s]
        #[arg(long, value_name = "RECORDS|TIME", help_heading = "Checkpoint")]
        checkpoint_every: String,
        /// Go on from the newest checkpoint; where there is none, start
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
              help_heading = "Checkpoint")]
        resume: bool,
        /// Checkpoints to keep [default: 3]
        #[arg(long, value_name = "N", help_heading = "Checkpoint")]
        keep: usize,
    }
}

/// In which order records are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// That of their event times.
    Time,
    /// That in which they come.
    Arrival,
}

/// What becomes of a record that is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LateRecords {
    /// It is predicted and learned where it came.
    #[default]
    Learn,
    /// It goes into the side output.
    Side,
    /// It is counted.
    Drop,
}

/// What a record becomes for which no outcome came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AtTimeout {
    /// A negative.
    #[default]
    Negative,
    /// A record without a label.
    Unlabelled,
}

/// A name of a list, without the blanks that people put behind commas; a header's names lose theirs too.
#[expect(clippy::unnecessary_wraps, reason = "what clap asks for")]
pub(crate) fn trimmed(name: &str) -> Result<String, std::convert::Infallible> {
    Ok(name.trim().to_owned())
}

/// A step rule by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerName {
    /// Stochastic gradient descent.
    Sgd,
    /// AdaGrad.
    #[value(name = "adagrad")]
    #[serde(rename = "adagrad")]
    AdaGrad,
    /// FTRL-Proximal.
    Ftrl,
}

/// A job file: all options, by section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// Where the records come from.
    #[serde(skip_serializing_if = "is_default")]
    pub source: SourceOptions,
    /// What is done to the columns first, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transform: Vec<Step>,
    /// What is made of the columns beside one feature each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feature: Vec<Feature>,
    /// In which order records count, and when their labels are known.
    #[serde(skip_serializing_if = "is_default")]
    pub event_time: EventTimeOptions,
    /// How to learn.
    #[serde(skip_serializing_if = "is_default")]
    pub learner: LearnerOptions,
    /// What to write.
    #[serde(skip_serializing_if = "is_default")]
    pub output: OutputOptions,
    /// Who looks for drift.
    #[serde(skip_serializing_if = "is_default")]
    pub drift: DriftOptions,
    /// What outlives the process.
    #[serde(skip_serializing_if = "is_default")]
    pub checkpoint: CheckpointOptions,
}

fn is_default<T: Default + PartialEq>(section: &T) -> bool {
    *section == T::default()
}

impl Options {
    /// These options, with those of `below` where one is not given.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            source: self.source.over(below.source),
            transform: if self.transform.is_empty() { below.transform } else { self.transform },
            feature: if self.feature.is_empty() { below.feature } else { self.feature },
            event_time: self.event_time.over(below.event_time),
            learner: self.learner.over(below.learner),
            output: self.output.over(below.output),
            drift: self.drift.over(below.drift),
            checkpoint: self.checkpoint.over(below.checkpoint),
        }
    }
}
