//! `tidemill completions`: write what a shell needs to complete commands and options.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use crate::error::{Error, Result};

/// Options of `tidemill completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell; the script goes to standard output
    #[arg(value_enum)]
    shell: Shell,
}

/// Carries the command out.
pub(super) fn run(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tidemill", &mut script);
    std::io::stdout().lock().write_all(&script).map_err(|cause| Error::output("standard output", cause))
}
