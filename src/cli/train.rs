//! `tidemill train`: learn test-then-train over a stream.

use clap::Args;

use super::{Verbosity, job_and_inputs, show, signals};
use crate::config::{CheckpointOptions, LearnerOptions, Options, OutputOptions, SourceOptions};
use crate::error::{ErrorKind, Result};
use crate::pipeline::{self, End, saved, summary, warm_start};

/// Options of `tidemill train`.
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    /// A job file (.toml) and the inputs: files, plain, .gz or .zst, folders or patterns of them, or - for standard input
    #[arg(value_name = "JOB.toml | INPUT")]
    named: Vec<String>,
    #[command(flatten)]
    source: SourceOptions,
    #[command(flatten)]
    learner: LearnerOptions,
    #[command(flatten)]
    output: OutputOptions,
    #[command(flatten)]
    checkpoint: CheckpointOptions,
    #[command(flatten)]
    pub(super) verbosity: Verbosity,
}

impl TrainArgs {
    /// All that is asked for: the command line over the job file.
    pub(super) fn options(self) -> Result<Options> {
        let (job, inputs) = job_and_inputs(self.named)?;
        let Self { source, learner, output, checkpoint, .. } = self;
        Options { source, learner, output, checkpoint, ..Options::default() }.over_job(inputs, job)
    }
}

/// Carries the command out.
pub(super) fn run(args: TrainArgs) -> Result<()> {
    let quiet = args.verbosity.quiet;
    let (plan, saved) = warm_start::plan(args.options()?)?;

    let mut progress = show::progress(&plan, quiet);
    let stop = signals::stop_by_signal();
    let outcome = pipeline::run(&plan, saved, &stop, &mut |status| progress.observe(status))?;
    progress.finish();

    let summary = summary::of(&plan, &outcome);
    let has_diverged = matches!(&outcome.end, End::Broken(error) if error.kind() == ErrorKind::Diverged);
    let model = plan.outputs.model.as_deref().filter(|_| !has_diverged);
    let written = model.map_or(Ok(()), |path| saved::model_of(&plan, &outcome).write(path));
    show::end(&plan, &summary, quiet)?; // also where the model could not be written
    written?;
    show::ended(outcome.end)
}
