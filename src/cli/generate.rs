//! `tidemill generate`: write a synthetic stream with known truth and drift.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::DEFAULT_ROWS;
use crate::error::{Error, Result};
use crate::sink::output::Output;
use crate::source::synthetic::{Generator, Synthetic};

/// Bytes that are made before they are written.
const PIECE: usize = 1 << 20;

/// Options of `tidemill generate`.
#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// Which stream
    #[arg(value_enum)]
    stream: Generator,
    /// Number of records
    #[arg(long, value_name = "RECORDS", default_value_t = DEFAULT_ROWS)]
    rows: u64,
    /// The same seed gives the same records on every machine
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// File to write, as CSV, or as TSV where its name ends in .tsv; - for standard output
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    output: PathBuf,
}

/// Carries the command out.
pub(super) fn run(args: GenerateArgs) -> Result<()> {
    let delimiter = delimiter(&args.output)?;
    let mut stream = Synthetic::new(args.stream, args.rows, args.seed);
    let mut output = Output::create(&args.output)?;
    let mut text = stream.header().as_bytes().to_vec();
    let (mut loss, mut records) = (0.0, 0);
    loop {
        let best = stream.fill(&mut text, PIECE);
        (loss, records) = (loss + best.loss, records + best.records);
        // The fields of a generated stream hold neither commas nor tabs.
        text.iter_mut().filter(|byte| **byte == b',').for_each(|byte| *byte = delimiter);
        output.write(&text)?;
        text.clear();
        if stream.is_done() {
            break;
        }
    }
    output.finish()?;
    if records > 0 {
        let best = loss / records as f64;
        super::say(&format!("{records} records; log loss of the best possible predictor: {best:.6}\n"));
    }
    Ok(())
}

/// The byte between fields that a file's name promises.
fn delimiter(output: &Path) -> Result<u8> {
    let extension = output.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        None | Some("csv" | "txt") => Ok(b','),
        Some("tsv" | "tab") => Ok(b'\t'),
        Some(other) => Err(Error::usage(format!(
            "{} would hold text, not {other}: CSV or TSV is what can be written; name a .csv or .tsv file",
            output.display()
        ))),
    }
}
