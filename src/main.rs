//! The program `tidemill`: parses the command line, runs it, and turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use tidemill::cli::{self, Cli};
use tidemill::error::ErrorKind;

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.kind() != ErrorKind::ClosedPipe {
                cli::say(&format!("tidemill: {error}\n"));
            }
            ExitCode::from(error.exit_code())
        }
    }
}
