//! The command line: one file a command. The only place that prints, with the report's progress.

mod bench;
mod check;
mod compare;
mod completions;
mod devices;
mod generate;
mod inspect;
mod man;
mod predict;
mod show;
mod signals;
mod sweep;
mod train;
mod verify_resume;
mod version;

use std::io::Write;
use std::path::Path;

use clap::{Args, Parser, Subcommand};

use crate::config::Options;
use crate::error::{Error, Result};

/// Online learning on streams: test-then-train logistic regression, on the CPU or any GPU.
#[derive(Debug, Parser)]
#[command(name = "tidemill", version, long_version = version::long(), about, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Learn test-then-train over a stream
    Train(train::TrainArgs),
    /// Learn many settings in one pass over a stream, and rank them
    Sweep(sweep::SweepArgs),
    /// Validate a job, and show its first records as the learner will see them
    Check(check::CheckArgs),
    /// Score a stream with a model, without learning
    Predict(predict::PredictArgs),
    /// Write a synthetic stream with known truth and drift
    Generate(generate::GenerateArgs),
    /// Show what is inside a model or a checkpoint
    Inspect(inspect::InspectArgs),
    /// Put the summaries of runs side by side
    Compare(compare::CompareArgs),
    /// Kill a job at several moments, resume it, and compare its outputs with an uninterrupted run's
    VerifyResume(verify_resume::VerifyResumeArgs),
    /// List the devices that can learn, and their limits
    Devices,
    /// Measure what every device of this machine does, and from where on a GPU is worth it
    Bench(bench::BenchArgs),
    /// Write what a shell needs to complete commands and options
    Completions(completions::CompletionsArgs),
    /// Write the manual, a page a command
    Man(man::ManArgs),
}

const EXIT_CODES: &str = "The exit code is 0 where all went well, 1 where too many records were rejected, and 2 at any other \
                          error.";

/// What the user sees while a command runs.
#[derive(Debug, Clone, Copy, Args)]
struct Verbosity {
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

/// Carries out a command line.
///
/// # Errors
/// Whatever kept the command from its end; [`crate::error::Error::exit_code`] is the process's exit code.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Train(args) => train::run(args),
        Command::Sweep(args) => sweep::run(args),
        Command::Check(args) => check::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Generate(args) => generate::run(args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::VerifyResume(args) => verify_resume::run(args),
        Command::Devices => devices::run(),
        Command::Bench(args) => bench::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Prints for people, on standard error. That nobody listens is no reason to stop: the outputs are what counts.
pub fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Splits what stands on the command line into a job file, read, and inputs.
fn job_and_inputs(named: Vec<String>) -> Result<(Options, Vec<String>)> {
    let is_job = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "toml");
    let (jobs, inputs): (Vec<_>, Vec<_>) = named.into_iter().partition(is_job);
    match &jobs[..] {
        [] => Ok((Options::default(), inputs)),
        [job] => Ok((Options::read(Path::new(job))?, inputs)),
        [first, second, ..] => {
            Err(Error::usage(format!("there is one job file in a run: leave out {first} or {second}")))
        }
    }
}
