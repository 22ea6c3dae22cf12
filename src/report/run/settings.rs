//! What a run was asked to do: takes the job and the summary, gives columns with their roles, the device with its reason, and
//! the job as a file that does the same.

use super::{Run, short};
use crate::report::number::count;
use crate::report::page::frame::{paragraph, verbatim};
use crate::report::page::table::Column::Text;
use crate::report::page::table::table;

/// Columns that are shown, and letters of a job.
const MOST: usize = 60;
const LETTERS: usize = 16_000;

/// The columns whose role was inferred; nothing where all were named.
pub(super) fn columns(run: &Run<'_>) -> String {
    let all = &run.summary.inferred_columns;
    if all.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = all.iter().take(MOST).map(|(name, role)| vec![short(name), role.clone()]).collect();
    let more = match all.len().saturating_sub(MOST) {
        0 => String::new(),
        more => paragraph(&format!("And {} more.", count(more as u64))),
    };
    let text = "What nobody had said: how columns were taken, by their names and first values.";
    paragraph(text) + &table(&[("column", Text), ("taken as", Text)], &rows) + &more
}

/// Device, threads, and the job.
pub(super) fn job(run: &Run<'_>) -> String {
    let s = run.summary;
    let why = if s.device_reason.is_empty() { String::new() } else { format!(": {}", s.device_reason) };
    let text = format!("Device {}{why}. Ingest threads {}, cores {}.", s.device, count(s.threads), count(s.cores));
    let shown: String = run.job.chars().take(LETTERS).collect();
    let cut = if shown.len() < run.job.len() { paragraph("The rest of the job is left out.") } else { String::new() };
    let how = "The job, with every column and default written out; as a file it does the same run again:";
    paragraph(&text) + &paragraph(how) + &verbatim(&shown) + &cut
}
