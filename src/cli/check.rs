//! `tidemill check`: validate a job, and show its first records as the learner would see them.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;

use super::{job_and_inputs, show};
use crate::config::{CheckpointOptions, EventTimeOptions, LearnerOptions, Options, OutputOptions, Plan, SourceOptions};
use crate::error::{Error, Result};
use crate::examples::LabelToken;
use crate::online::Online;
use crate::pipeline::preview::{self, First, Preview};
use crate::report::number::count;
use crate::schema::{Made, Schema};

/// Options of `tidemill check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// A job file (.toml) and the inputs, as `tidemill train` takes them
    #[arg(value_name = "JOB.toml | INPUT")]
    named: Vec<String>,
    /// Records to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    show: usize,
    #[command(flatten)]
    source: SourceOptions,
    #[command(flatten)]
    event_time: EventTimeOptions,
    #[command(flatten)]
    learner: LearnerOptions,
    #[command(flatten)]
    output: OutputOptions,
    #[command(flatten)]
    checkpoint: CheckpointOptions,
}

/// Carries the command out.
pub(super) fn run(args: CheckArgs) -> Result<()> {
    let (job, inputs) = job_and_inputs(args.named)?;
    let CheckArgs { source, event_time, learner, output, checkpoint, .. } = args;
    let options =
        Options { source, event_time, learner, output, checkpoint, ..Options::default() }.over_job(inputs, job)?;
    let plan = Plan::new(options, &[])?;
    let preview = preview::preview(&plan, args.show)?;
    let text = text(&preview, plan.settings.hash_bits);
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|cause| Error::output("standard output", cause))
}

/// The text, each line ended; of a record with many features the first [`MOST`] are shown. `hash_bits` says how many
/// weights hashed features share.
fn text(preview: &Preview, hash_bits: u32) -> String {
    let mut text = show::columns(&preview.schema) + &made(&preview.schema);
    let Preview { seen, filtered, rejected, .. } = preview;
    let usable = u64::from(*seen) - u64::from(*filtered) - rejected.len() as u64;
    let _ = writeln!(
        text,
        "looked at   {} records: {} usable, {} rejected, {} filtered out",
        count(u64::from(*seen)),
        count(usable),
        count(rejected.len() as u64),
        count(u64::from(*filtered))
    );
    for rejected in rejected.iter().take(3) {
        let column = rejected.column.as_ref().map_or(String::new(), |column| format!(", column {column}"));
        let (record, reason) = (u64::from(rejected.number) + 1, rejected.reason);
        let _ = writeln!(text, "rejected    record {record}: {}{column}; {}", reason.name(), reason.advice());
    }
    let made_later = preview.schema.dense_row().into_iter().filter(|dense| dense.from == Made::Window);
    let made_later: Vec<_> = made_later.map(|dense| dense.name).collect();
    preview.first.iter().for_each(|first| record(first, &made_later, hash_bits, &mut text));
    text
}

/// Features of a record that are shown.
const MOST: usize = 60;

/// What is made of the columns.
fn made(schema: &Schema) -> String {
    let (dense, transforms, features) = (schema.dense(), schema.transforms.len(), schema.features.len());
    let mut text = format!("learner     {dense} standardised numbers, hashed features behind them\n");
    if transforms + features > 0 {
        let _ = writeln!(text, "made by     {transforms} [[transform]] and {features} [[feature]] sections");
    }
    if Online::new(schema).is_some() || schema.windows().next().is_some() {
        let words = "duplicates, samples, scales, imputed values, quantiles and windows follow from the records before";
        let _ = writeln!(text, "not shown   {words}");
    }
    text
}

fn record(first: &First, made_later: &[String], hash_bits: u32, text: &mut String) {
    let label = match first.label {
        LabelToken::Missing => "none",
        LabelToken::One | LabelToken::True => "1",
        LabelToken::Zero | LabelToken::MinusOne | LabelToken::False => "0",
    };
    let _ = write!(text, "\nrecord {}: label {label}", first.record);
    if first.weight != 1.0 {
        let _ = write!(text, ", weight {}", first.weight);
    }
    if !first.id.is_empty() {
        let _ = write!(text, ", id {}", first.id);
    }
    text.push('\n');
    let features = &first.features;
    for (name, value) in features.dense.iter().take(MOST) {
        let _ = match value.is_nan() {
            _ if made_later.contains(name) => writeln!(text, "    {name} follows from the records before"),
            true => writeln!(text, "    {name} = missing, before it is standardised"),
            false => writeln!(text, "    {name} = {value}, before it is standardised"),
        };
    }
    for feature in features.hashed.iter().take(MOST) {
        let slot = feature.hash & ((1u64 << hash_bits) - 1) as u32;
        let _ = writeln!(text, "    {} -> weight {slot}, value {}", feature.name, feature.value);
    }
    let left = features.dense.len().saturating_sub(MOST) + features.hashed.len().saturating_sub(MOST);
    if left > 0 {
        let _ = writeln!(text, "    and {left} more");
    }
}
