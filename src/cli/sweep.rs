//! `tidemill sweep`: many settings, test-then-train, in one pass over a stream.

use clap::Args;

use super::{Verbosity, job_and_inputs, say, show, signals};
use crate::config::sweep::{Sweep, SweepOptions};
use crate::config::{EventTimeOptions, LearnerOptions, Options, OutputOptions, SourceOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::sweep::{self, Swept, summary};
use crate::pipeline::{End, saved};
use crate::report::leaderboard;

/// Options of `tidemill sweep`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every learner of a sweep comes to the model that `tidemill train` with its settings would come to, bit for bit. \
                  Example:\n  tidemill sweep job.toml data.csv --grid 'learning-rate=0.01,0.03,0.1; optimizer=ftrl,adagrad; l2=0,1e-6'"
)]
pub(super) struct SweepArgs {
    /// A job file (.toml) and the inputs: files, plain, .gz or .zst, folders or patterns of them, or - for standard input
    #[arg(value_name = "JOB.toml | INPUT")]
    named: Vec<String>,
    #[command(flatten)]
    sweep: SweepOptions,
    #[command(flatten)]
    source: SourceOptions,
    #[command(flatten)]
    event_time: EventTimeOptions,
    #[command(flatten)]
    learner: LearnerOptions,
    #[command(flatten)]
    output: OutputOptions,
    #[command(flatten)]
    verbosity: Verbosity,
}

impl SweepArgs {
    /// All that is asked for: the command line over the job file.
    fn checked(self) -> Result<Sweep> {
        let (job, inputs) = job_and_inputs(self.named)?;
        let Self { sweep, source, event_time, learner, output, .. } = self;
        let options = Options { source, event_time, learner, output, ..Options::default() }.over_job(inputs, job)?;
        Sweep::new(options, &sweep)
    }
}

/// Carries the command out.
pub(super) fn run(args: SweepArgs) -> Result<()> {
    let quiet = args.verbosity.quiet;
    let sweep = args.checked()?;

    let mut progress = show::progress(&sweep.plan, quiet);
    let stop = signals::stop_by_signal();
    let swept = sweep::run(&sweep, &stop, &mut |status, crew| {
        let leaders = || Ok(summary::learners(&sweep, &crew.ranking()?));
        // A crew that has failed ends the run by itself, with the reason.
        let _ = progress.observe_sweep(status, leaders);
    })?;
    progress.finish();

    let figures = summary::of(&sweep, &swept);
    if !quiet {
        say(&leaderboard::text(&figures));
    }
    let written = promote(&sweep, &swept, quiet);
    sweep.plan.outputs.summary.as_deref().map_or(Ok(()), |path| figures.write(path))?; // also without a model
    show::sweep_report(&sweep, &swept, &figures)?;
    written?;
    show::ended(swept.outcome.end)
}

/// Writes the model of the learner that is promoted, as `train` with its settings would.
fn promote(sweep: &Sweep, swept: &Swept, quiet: bool) -> Result<()> {
    let has_diverged = matches!(&swept.outcome.end, End::Broken(error) if error.kind() == ErrorKind::Diverged);
    let Some(path) = sweep.plan.outputs.model.as_deref().filter(|_| !has_diverged) else { return Ok(()) };
    let place = swept.promoted.ok_or_else(|| {
        let what = sweep.promoted.map_or("every learner".to_owned(), |place| format!("learner {}", place + 1));
        Error::new(
            ErrorKind::Diverged,
            format!("{what} diverged, so no model was written: sweep smaller learning rates"),
        )
    })?;
    saved::model_of(&sweep.plan_of(place)?, &swept.outcome).write(path)?;
    if !quiet {
        say(&format!("learner {} is promoted: its model is {}\n", place + 1, path.display()));
    }
    Ok(())
}
