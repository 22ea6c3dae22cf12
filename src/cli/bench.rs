//! `tidemill bench`: measure what this machine does, and show it.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{Verbosity, say, signals};
use crate::bench::matrix::Extent;
use crate::bench::result::Report;
use crate::bench::{self, Request, page, table};
use crate::error::{Error, Result};
use crate::learner::device::DeviceChoice;
use crate::sink::output::replace;

/// Seconds of a run, and of a quick one.
const SECONDS: f64 = 150.0;
const QUICK_SECONDS: f64 = 15.0;

/// Options of `tidemill bench`.
#[derive(Debug, Args)]
#[command(
    after_help = "Devices learn made-up micro-batches that are ready in memory. By default every micro-batch is \
                        measured for one learner, and every number of learners for micro-batches of 256 and 4096. A \
                        machine that does something else at the same time is measured with that."
)]
pub(super) struct BenchArgs {
    /// A device to measure: cpu, gpu (every adapter), gpu:NUMBER or gpu:NAME; several with commas [default: all]
    #[arg(long, value_name = "DEVICE", value_delimiter = ',')]
    device: Vec<DeviceChoice>,
    /// Seconds that all of it may take, about [default: 150, with --quick 15, with --full 600]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    time: Option<f64>,
    /// Measure every micro-batch with every number of learners
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// Measure two shapes, two micro-batches and two numbers of learners
    #[arg(long)]
    quick: bool,
    /// File for every figure as JSON; - for standard output, in place of the table
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    json: Option<PathBuf>,
    /// File for a page with plots, which needs nothing else to be read
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html: Option<PathBuf>,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// Carries the command out.
pub(super) fn run(args: &BenchArgs) -> Result<()> {
    let request = args.request();
    let report = bench::run(&request, &signals::stop_by_signal(), &mut |what| {
        if !args.verbosity.quiet {
            say(&format!("{what}\n"));
        }
    })?;
    args.write(&report)
}

impl BenchArgs {
    fn request(&self) -> Request {
        let (extent, usual) = match (self.full, self.quick) {
            (true, _) => (Extent::Full, 4.0 * SECONDS),
            (_, true) => (Extent::Quick, QUICK_SECONDS),
            _ => (Extent::Default, SECONDS),
        };
        Request { extent, seconds: self.time.unwrap_or(usual), devices: self.device.clone() }
    }

    /// The table first: where a file cannot be written, the figures are not lost.
    fn write(&self, report: &Report) -> Result<()> {
        let has_stdout = [&self.json, &self.html].into_iter().flatten().any(|path| path.as_os_str() == "-");
        if !has_stdout {
            let failed = |cause| Error::output("standard output", cause);
            std::io::stdout().lock().write_all(table::text(report).as_bytes()).map_err(failed)?;
        }
        if let Some(path) = &self.json {
            replace(path, |to| {
                serde_json::to_writer_pretty(&mut *to, report)?;
                to.write_all(b"\n")
            })?;
        }
        self.html.as_ref().map_or(Ok(()), |path| replace(path, |to| to.write_all(page::html(report).as_bytes())))
    }
}

fn seconds(text: &str) -> Result<f64> {
    let is_time = |seconds: &f64| (0.1..=86_400.0).contains(seconds);
    let wrong = || Error::usage("give seconds, from 0.1 to 86400");
    text.parse().ok().filter(is_time).ok_or_else(wrong)
}
