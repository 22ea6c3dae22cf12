//! `tidemill compare`: the summaries of runs side by side.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::error::{Error, Result};
use crate::report::compare::{Comparison, Run};
use crate::sink::stored_summary;

/// Options of `tidemill compare`.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// What --summary of train, predict or sweep has written, 2 to 8 files; the others are held against the first
    #[arg(value_name = "SUMMARY", num_args = 2..=8, required = true, value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Carries the command out.
pub(super) fn run(args: &CompareArgs) -> Result<()> {
    let run = |path: &PathBuf| Ok(Run { name: path.display().to_string(), summary: stored_summary::read(path)? });
    let compared = Comparison::of(args.files.iter().map(run).collect::<Result<_>>()?);
    let text = if args.json { json(&compared)? } else { compared.text() };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|cause| Error::output("standard output", cause))
}

fn json(compared: &Comparison) -> Result<String> {
    let failed = |cause: serde_json::Error| Error::output("standard output", cause.into());
    Ok(serde_json::to_string_pretty(compared).map_err(failed)? + "\n")
}
