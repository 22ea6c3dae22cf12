//! `tidemill predict`: score a stream with a model, without learning.

use std::path::PathBuf;

use clap::Args;

use super::{Verbosity, show, signals};
use crate::checkpoint::stored;
use crate::config::{
    DriftOptions, LearnerOptions, Options, OutputOptions, Plan, SourceOptions, drift::DetectorName, options::trimmed,
};
use crate::error::{Error, Result};
use crate::pipeline::{self, saved, summary};
use crate::schema::Format;
use crate::source::Input;

/// Options of `tidemill predict`.
#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    /// The model, as `tidemill train --model` wrote it; or a checkpoint, or a folder of checkpoints
    #[arg(long, value_name = "FILE|DIR")]
    model: PathBuf,
    /// Files, plain, .gz or .zst, folders or patterns of them, or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<String>,
    /// How the inputs are written; by the files' extensions if not named
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Names of the columns, for inputs without a header line
    #[arg(long, value_delimiter = ',', value_parser = trimmed, value_name = "NAMES")]
    columns: Option<Vec<String>>,
    /// Column of the labels to score by [default: the model's, where the input has it]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    label: Option<String>,
    /// Label value of the positive class; any other value is the negative one [default: as the model learned]
    #[arg(long, value_name = "VALUE", help_heading = "Columns")]
    positive: Option<String>,
    /// Column of example weights [default: the model's, where the input has it]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    weight: Option<String>,
    /// Column carried into the predictions [default: the model's, where the input has it]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    id: Option<String>,
    /// Column of the event time, for metrics by windows of it [default: the model's]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    time: Option<String>,
    /// One row a record: .csv, .jsonl, .arrow or .parquet [default: - (standard output, as CSV)]
    #[arg(long, value_name = "FILE")]
    predictions: Option<String>,
    /// The run in numbers, as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<String>,
    /// The run as a page for a browser: one file that needs no network
    #[arg(long, value_name = "FILE")]
    report: Option<String>,
    /// Records that could not be used, as JSON lines
    #[arg(long, value_name = "FILE")]
    rejected: Option<String>,
    /// Metrics by windows, a line each: .jsonl or .csv, - for standard output
    #[arg(long, value_name = "FILE")]
    metrics: Option<String>,
    /// What a window spans: event time like 15m, 1h or 1d, or a number of predicted records; several with commas
    #[arg(long, value_delimiter = ',', value_parser = trimmed, value_name = "TIME|RECORDS")]
    metrics_every: Option<Vec<String>>,
    /// Columns by whose values metrics are told apart, by window and over the whole run
    #[arg(long, value_delimiter = ',', value_parser = trimmed, value_name = "COLUMNS")]
    segment: Option<Vec<String>>,
    /// Values of a segment's column that are told apart, the first that come [default: 1000]
    #[arg(long, value_name = "N")]
    segments: Option<usize>,
    /// Probability from which a prediction counts as positive in precision, recall, F1, MCC and kappa [default: 0.5]
    #[arg(long, value_name = "P")]
    threshold: Option<f64>,
    /// Look for a loss that rises for good: adwin, page-hinkley, or both with a comma
    #[arg(long, value_enum, value_delimiter = ',', value_name = "DETECTOR")]
    drift: Option<Vec<DetectorName>>,
    /// Alarms of --drift, as JSON lines
    #[arg(long, value_name = "FILE")]
    alerts: Option<String>,
    /// Tell monitors how the run stands, for as long as it lasts: /metrics (Prometheus) and /healthz, at a port of this
    /// machine like 9464, or HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<String>,
    /// Rejected records beyond which to stop: a share like 1% or a number
    #[arg(long, value_name = "LIMIT")]
    max_rejected: Option<String>,
    /// What `train` has; here to be told that it does not belong here.
    #[arg(long, hide = true)]
    passes: Option<String>,
    /// Ingest threads [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// Carries the command out.
pub(super) fn run(args: PredictArgs) -> Result<()> {
    if let Some(passes) = &args.passes {
        let message = format!("--passes {passes} belongs to `tidemill train`: predict learns nothing; leave it out");
        return Err(Error::usage(message));
    }
    let (file, notes) = stored::open(&args.model)?.into_model()?;
    let mut saved = saved::to_predict(file)?;
    saved.note = (!notes.is_empty()).then(|| notes.join("; "));
    let quiet = args.verbosity.quiet;
    let inputs = args.inputs.clone();
    let mut plan = Plan::new(options(args), &inputs)?;
    if plan.options.source.positive.is_none() {
        plan.label = saved.label.clone();
    }
    if plan.options.source.format.is_none() && plan.inputs.first() == Some(&Input::Stdin) {
        plan.format = saved.schema.format; // a pipe has no extension that could tell
    }

    plan.settings.frozen = true;

    let mut progress = show::progress(&plan, quiet);
    let outcome = pipeline::run(&plan, Some(saved), &signals::stop_by_signal(), &mut |status| progress.observe(status));
    progress.finish();
    let outcome = outcome?;

    let summary = summary::of(&plan, &outcome);
    show::end(&plan, &summary, quiet)?;
    show::report(&plan, &outcome, &summary, "predict")?;
    show::ended(outcome.end)
}

fn options(args: PredictArgs) -> Options {
    Options {
        source: SourceOptions {
            format: args.format,
            columns: args.columns,
            label: args.label,
            positive: args.positive,
            weight: args.weight,
            id: args.id,
            time: args.time,
            ..SourceOptions::default()
        },
        learner: LearnerOptions { threads: args.threads, ..LearnerOptions::default() },
        output: OutputOptions {
            predictions: Some(args.predictions.unwrap_or_else(|| "-".into())),
            model: None,
            summary: args.summary,
            report: args.report,
            rejected: args.rejected,
            side: None,
            metrics: args.metrics,
            metrics_every: args.metrics_every,
            segment: args.segment,
            segments: args.segments,
            threshold: args.threshold,
            alerts: args.alerts,
            metrics_listen: args.metrics_listen,
            max_rejected: args.max_rejected,
        },
        drift: DriftOptions { drift: args.drift, ..DriftOptions::default() },
        ..Options::default()
    }
}
