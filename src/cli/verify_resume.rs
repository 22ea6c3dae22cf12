//! `tidemill verify-resume`: a self-test of checkpoints and resume, on the user's own job and data.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::train::TrainArgs;
use super::{say, signals};
use crate::error::{Error, Result};
use crate::pipeline::warm_start;
use crate::verify::{self, Request};

/// Options of `tidemill verify-resume`.
#[derive(Debug, Args)]
#[command(
    mut_arg("print_job", |arg| arg.hide(true)), // it is train's
    after_help = "The outputs and the checkpoint folder that the job names are left alone: every run writes to the \
                        work folder. All runs together take about 2 + 2 times the kills as long as the job."
)]
pub(super) struct VerifyResumeArgs {
    #[command(flatten)]
    train: TrainArgs,
    /// How often to kill a run of the job
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Verification")]
    kills: u32,
    /// New or empty folder to work in, kept in any case [default: a temporary one, kept where outputs differ]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Verification")]
    work: Option<PathBuf>,
}

/// Carries the command out.
pub(super) fn run(args: VerifyResumeArgs) -> Result<()> {
    let quiet = args.train.verbosity.quiet;
    let options = args.train.options()?;
    // Options that contradict each other are better told now than by a child.
    let (plan, _) = warm_start::plan(options.clone())?;
    let program = std::env::current_exe()
        .map_err(|cause| Error::input("cannot find the program's own file, which is to be run").because(cause))?;
    let request = Request { options, plan, program, kills: args.kills, work: args.work };

    let verdict = verify::run(&request, &signals::stop_by_signal(), &mut |event| {
        if !quiet {
            say(&format!("{event}\n"));
        }
    })?;
    if !quiet {
        say(&format!("{verdict}\n"));
    }
    Ok(())
}
