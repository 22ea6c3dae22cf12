//! `tidemill man`: write the manual, a page a command.

use std::io;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, ValueHint};
use clap_mangen::Man;

use super::Cli;
use crate::error::{Error, Result};
use crate::sink::output::{Output, STANDARD_OUTPUT};

/// Options of `tidemill man`.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Folder for the pages, one a command; without it they go to standard output, one after the other
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: Option<PathBuf>,
}

/// Carries the command out.
pub(super) fn run(args: &ManArgs) -> Result<()> {
    let pages = pages()?;
    let Some(folder) = &args.folder else {
        return write(STANDARD_OUTPUT.into(), &pages.iter().map(|(_, page)| page.as_str()).collect::<String>());
    };
    pages.iter().try_for_each(|(name, page)| write(folder.join(format!("{name}.1")), page))
}

fn write(path: PathBuf, text: &str) -> Result<()> {
    let mut output = Output::create(&path)?;
    output.write(text.as_bytes())?;
    output.finish()
}

/// Every page by its name: the program's, then those of its commands.
fn pages() -> Result<Vec<(String, String)>> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    std::iter::once(&program).chain(program.get_subcommands()).map(page).collect()
}

/// A page, and its name.
fn page(command: &Command) -> Result<(String, String)> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut bytes = Vec::new();
    set(command, &name, &mut bytes).map_err(|cause| Error::output("the manual", cause))?;
    Ok((name, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Puts the sections of a page one behind the other.
fn set(command: &Command, name: &str, to: &mut Vec<u8>) -> io::Result<()> {
    let version = concat!("tidemill ", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command.clone()).title(name.to_uppercase()).source(version).manual("Tidemill");
    page.render_title(to)?;
    page.render_name_section(to)?;
    to.extend(synopsis(command).as_bytes());
    page.render_description_section(to)?;
    page.render_options_section(to)?;
    if command.has_subcommands() {
        page.render_subcommands_section(to)?;
    }
    if command.get_after_help().is_some() {
        page.render_extra_section(to)?;
    }
    Ok(())
}

/// How a command is called, as `--help` has it: dozens of options in a row tell nobody anything.
fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let call = usage.trim_start_matches("Usage:").trim().replace('\\', "\\\\").replace('-', "\\-");
    format!(".SH SYNOPSIS\n{call}\n")
}
