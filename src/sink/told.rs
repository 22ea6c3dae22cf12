//! What a summary tells of parts of the stream: takes the figures of segments, the counts of windows and what was found of
//! drift, gives them by name.
//!
//! It works out no figure, and chooses those that a text shows.

use serde::Serialize;

use crate::batcher::segments::Segments;
use crate::drift::Alarm;
use crate::metric::windows::Windowed;
use crate::metric::windows::line::Figures;
use crate::timestamp;

/// A segment over the whole run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentSummary {
    /// Its column.
    pub column: String,
    /// Its value.
    pub value: String,
    /// What it came to.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What was counted beside the figures of windows and segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WindowsSummary {
    /// Windows that were told.
    pub told: u64,
    /// Records whose window had been told, once for each kind of window.
    pub late: u64,
    /// Windows that were told before they were over, for want of room.
    pub early: u64,
    /// Records without an event time, which are in no window of it.
    pub without_time: u64,
    /// Values of segments that were not told apart, a record each.
    pub not_told_apart: u64,
}

/// What was found of drift, and what was done about it.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct DriftSummary {
    /// Alarms.
    pub alarms: u64,
    /// Times that the learning rate was raised, or stayed raised for longer.
    pub raised: u64,
    /// Times that rates started anew.
    pub reset: u64,
    /// Second learners that were started.
    pub shadows: u64,
    /// Those of them that went on in the place of the first.
    pub adopted: u64,
    /// The first alarms.
    pub first: Vec<AlarmSummary>,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlarmSummary {
    /// Number in the run of the record at which it was found.
    pub record: u64,
    /// Its event time, where that is known.
    pub time: Option<String>,
    /// What found it.
    pub detector: &'static str,
    /// Mean log loss before, in nats.
    pub log_loss_before: f64,
    /// Mean log loss since, in nats.
    pub log_loss_after: f64,
}

impl AlarmSummary {
    /// An alarm in figures.
    pub fn of(alarm: &Alarm) -> Self {
        Self {
            record: alarm.record,
            time: alarm.time.map(timestamp::written),
            detector: alarm.detector,
            log_loss_before: alarm.change.before,
            log_loss_after: alarm.change.after,
        }
    }
}

/// Every segment of a run: column by column, within one as they first came.
pub fn segments(windowed: &Windowed, segments: &Segments) -> Vec<SegmentSummary> {
    let named = windowed.totals().iter().map(|(&number, cell)| (segments.name(number), Figures::of(cell)));
    let mut named: Vec<_> = named.collect();
    named.sort_by_key(|((column, _, _), _)| *column); // stable
    let summary = |((_, column, value), figures): ((usize, &str, &str), Figures)| SegmentSummary {
        column: column.to_owned(),
        value: value.to_owned(),
        figures,
    };
    named.into_iter().map(summary).collect()
}

impl WindowsSummary {
    /// Of the windows and segments of a run.
    pub fn of(windowed: &Windowed, segments: Option<&Segments>) -> Self {
        let counts = windowed.counts();
        Self {
            told: counts.told,
            late: counts.late,
            early: counts.early,
            without_time: counts.without_time,
            not_told_apart: segments.map_or(0, Segments::not_told_apart),
        }
    }
}

/// The segments of one column with the lowest and the highest log loss, `most` of each; all of them where they are few.
pub fn best_and_worst<'a>(all: &'a [SegmentSummary], column: &str, most: usize) -> Vec<&'a SegmentSummary> {
    let scored = all.iter().filter(|segment| segment.column == column && segment.figures.log_loss.is_some());
    let mut scored: Vec<_> = scored.collect();
    let loss = |segment: &SegmentSummary| segment.figures.log_loss.unwrap_or_default();
    scored.sort_by(|a, b| loss(a).total_cmp(&loss(b))); // stable
    if scored.len() > 2 * most {
        scored.drain(most..scored.len() - most);
    }
    scored
}
