//! `tidemill train`: learn test-then-train over a stream.

use std::io::Write;

use clap::Args;

use super::{Verbosity, job_and_inputs, show, signals};
use crate::config::{
    CheckpointOptions, DriftOptions, EventTimeOptions, LearnerOptions, Options, OutputOptions, Plan, SourceOptions,
};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::{self, End, preview, saved, summary, warm_start};

/// Options of `tidemill train`.
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    /// A job file (.toml) and the inputs: files, plain, .gz or .zst, folders or patterns of them, or - for standard input
    #[arg(value_name = "JOB.toml | INPUT")]
    named: Vec<String>,
    #[command(flatten)]
    source: SourceOptions,
    #[command(flatten)]
    event_time: EventTimeOptions,
    #[command(flatten)]
    learner: LearnerOptions,
    #[command(flatten)]
    output: OutputOptions,
    #[command(flatten)]
    drift: DriftOptions,
    #[command(flatten)]
    checkpoint: CheckpointOptions,
    /// Print the job file that this run amounts to, with every column and default written out, and stop
    #[arg(long)]
    print_job: bool,
    #[command(flatten)]
    pub(super) verbosity: Verbosity,
}

impl TrainArgs {
    /// All that is asked for: the command line over the job file.
    pub(super) fn options(self) -> Result<Options> {
        let (job, inputs) = job_and_inputs(self.named)?;
        let Self { source, event_time, learner, output, drift, checkpoint, .. } = self;
        Options { source, event_time, learner, output, drift, checkpoint, ..Options::default() }.over_job(inputs, job)
    }
}

/// Writes the job file out that the options and the first records amount to.
fn print_job(options: Options) -> Result<()> {
    let plan = Plan::new(options, &[])?;
    let (schema, _) = preview::schema(&plan)?;
    let failed = |cause| Error::usage("the job cannot be written as TOML: please report this").because(cause);
    let job = toml::to_string(&plan.written_out(&schema)).map_err(failed)?;
    std::io::stdout().lock().write_all(job.as_bytes()).map_err(|cause| Error::output("standard output", cause))
}

/// Carries the command out.
pub(super) fn run(args: TrainArgs) -> Result<()> {
    let quiet = args.verbosity.quiet;
    if args.print_job {
        return print_job(args.options()?);
    }
    let (plan, saved) = warm_start::plan(args.options()?)?;

    let mut progress = show::progress(&plan, quiet);
    let stop = signals::stop_by_signal();
    let outcome = pipeline::run(&plan, saved, &stop, &mut |status| progress.observe(status));
    progress.finish();
    let outcome = outcome?;

    let summary = summary::of(&plan, &outcome);
    let has_diverged = matches!(&outcome.end, End::Broken(error) if error.kind() == ErrorKind::Diverged);
    let model = plan.outputs.model.as_deref().filter(|_| !has_diverged);
    let written = model.map_or(Ok(()), |path| saved::model_of(&plan, &outcome).write(path));
    show::end(&plan, &summary, quiet)?; // also where the model could not be written
    show::report(&plan, &outcome, &summary, "train")?;
    written?;
    show::ended(outcome.end)
}
