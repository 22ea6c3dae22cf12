//! A run as a page: takes its summary, its metrics and its course, gives HTML that a browser shows without network or
//! script. It measures nothing, and leaves out what a run has not got.
//!
//! Siblings, in the order of the page: `headline` (what to take from it first), `curves` (how it went), `scores` (what
//! the predictions were worth), `segments`, `weights` (what was learned), `stream` (what became of records and labels),
//! `speed` and `settings`.

pub(crate) mod curves;
mod headline;
mod scores;
mod segments;
mod settings;
mod speed;
mod stream;
mod weights;

use super::page::frame::{contents, named_section, page};
use crate::drift::Alarm;
use crate::metric::Metrics;
use crate::metric::course::Course;
use crate::sink::summary::Summary;

/// A run, as far as a page shows it.
#[derive(Debug)]
pub struct Run<'a> {
    /// The command and what it read.
    pub title: String,
    /// Its figures.
    pub summary: &'a Summary,
    /// What they follow from.
    pub metrics: &'a Metrics,
    /// How it went.
    pub course: Option<&'a Course>,
    /// The first alarms of drift.
    pub alarms: &'a [Alarm],
    /// Seconds since the start, and records a second around then.
    pub pace: Vec<(f64, f64)>,
    /// Seconds of the run before this process, of which the pace is not known.
    pub seconds_before: f64,
    /// The weights of the numbers by name, for standardised values.
    pub numeric: Vec<(String, f32)>,
    /// The whole job, as a job file has it.
    pub job: String,
}

/// A part of the page: its name in links, its heading, and what makes it; nothing where a run has nothing of it.
type Part = (&'static str, &'static str, fn(&Run<'_>) -> String);

const PARTS: [Part; 15] = [
    ("records", "How it went, record by record", curves::over_records),
    ("time", "How it went, by event time", curves::over_time),
    ("scores", "What the predictions were worth", scores::html),
    ("drift", "Drift", stream::drift),
    ("segments", "Segments", segments::html),
    ("features", "Features by name", weights::features),
    ("numbers", "Weights of numbers", weights::numbers),
    ("left-out", "Records that were not used", stream::left_out),
    ("event-time", "Event time", stream::event_time),
    ("late-labels", "Labels that came late", stream::late_labels),
    ("passes", "Later passes", stream::later_passes),
    ("speed", "Speed over time", speed::pace),
    ("stages", "Where the time went", speed::stages),
    ("columns", "Columns", settings::columns),
    ("settings", "Settings", settings::job),
];

/// The whole page.
pub fn html(run: &Run<'_>) -> String {
    let parts: Vec<_> = PARTS.iter().map(|&(id, heading, make)| (id, heading, make(run))).collect();
    let there: Vec<_> = parts.iter().filter(|(_, _, body)| !body.is_empty()).collect();
    let links: Vec<_> = there.iter().map(|&&(id, heading, _)| (id, heading)).collect();
    let mut body = headline::html(run) + &contents(&links);
    there.iter().for_each(|(id, heading, part)| body.push_str(&named_section(id, heading, part)));
    page(&run.title, &body)
}

/// The beginning of a text that may be long, in one line.
fn short(text: &str) -> String {
    const MOST: usize = 80;
    let shown: String = text.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.chars().nth(MOST) {
        Some(_) => shown + "...",
        None if shown.is_empty() => "(empty)".into(),
        None => shown,
    }
}

/// Rows of a table of what and how much, those of nothing left out.
fn counted(rows: &[(&str, u64)]) -> Vec<Vec<String>> {
    let row = |(what, of): &(&str, u64)| vec![(*what).to_owned(), super::number::count(*of)];
    rows.iter().filter(|(_, of)| *of > 0).map(row).collect()
}
