//! What a summary tells of parts of the stream: takes the figures of segments, the counts of windows and what was found of
//! drift, gives them by name.
//!
//! It works out no figure, and chooses those that a text shows.

use serde::Serialize;

use crate::batcher::segments::Segments;
use crate::drift::Alarm;
use crate::event_time::{EventClock, MISSING};
use crate::join::JoinCounts;
use crate::metric::cell::Cell;
use crate::metric::quality::Quality;
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
    /// What it came to beside that.
    #[serde(flatten)]
    pub quality: Quality,
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

/// How the stream stands by its event times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventTimeSummary {
    /// The earliest event time.
    pub earliest: Option<String>,
    /// The latest one, which holds the watermark where it is.
    pub latest: Option<String>,
    /// The record that had it.
    pub latest_record: u64,
    /// What happened before it is known to have come: the latest event time less the bound.
    pub watermark: Option<String>,
    /// The bound, in seconds.
    pub out_of_order_s: f64,
    /// Whether records were taken in the order of their event times.
    pub in_order: bool,
    /// Records with an event time below the watermark.
    pub late: u64,
    /// The most by which one was below it, in seconds.
    pub late_by_s: f64,
    /// Records without an event time.
    pub without_time: u64,
    /// Records that wait for the watermark.
    pub held: u64,
    /// Records that did not, for want of room.
    pub hurried: u64,
}

/// How labels stand that come later than their records.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum LateLabelsSummary {
    /// Labels that stand in their records.
    Due {
        /// Labels that had to be waited for.
        waited: u64,
        /// Those of them that became known and were learned.
        learned: u64,
        /// Those that were learned at the end of the stream, before they would have been known.
        at_end: u64,
        /// Those that were learned before they were known, for want of room.
        hurried: u64,
        /// Labels that were never known: scored, and not learned.
        never: u64,
        /// Records whose labels are waited for.
        waiting: u64,
    },
    /// Labels that are records of their own.
    Joined {
        /// What became of impressions and outcomes.
        #[serde(flatten)]
        counts: Joined,
        /// Records without an id.
        without_id: u64,
    },
}

impl LateLabelsSummary {
    /// Records whose labels are waited for.
    pub fn open(&self) -> u64 {
        match self {
            Self::Due { waiting, .. } => *waiting,
            Self::Joined { counts, .. } => counts.open,
        }
    }
}

/// What became of impressions and outcomes; see [`JoinCounts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the counts of the same names say what they are")]
pub struct Joined {
    pub opened: u64,
    pub matched: u64,
    pub timed_out: u64,
    pub corrected: u64,
    pub confirmed: u64,
    pub open: u64,
    pub late: u64,
    pub duplicates: u64,
    pub duplicate_outcomes: u64,
    pub orphans: u64,
    pub evicted: u64,
    pub evicted_outcomes: u64,
    pub waiting_outcomes: u64,
    pub forgotten: u64,
}

impl EventTimeSummary {
    /// The summary of a status.
    pub fn of(clock: &EventClock, (in_order, held, hurried): (bool, u64, u64)) -> Self {
        let text = |time: i64| (time != MISSING).then(|| timestamp::written(time));
        let seconds = |time: i64| time as f64 / timestamp::SECOND as f64;
        Self {
            earliest: text(clock.earliest),
            latest: text(clock.latest),
            latest_record: clock.latest_record,
            watermark: text(clock.watermark()),
            out_of_order_s: seconds(clock.bound()),
            in_order,
            late: clock.late,
            late_by_s: seconds(clock.late_by),
            without_time: clock.timeless,
            held,
            hurried,
        }
    }
}

impl Joined {
    /// The counts by name.
    pub fn of(counts: &JoinCounts) -> Self {
        Self {
            opened: counts.opened,
            matched: counts.matched,
            timed_out: counts.timed_out,
            corrected: counts.corrected,
            confirmed: counts.confirmed,
            open: counts.open,
            late: counts.late,
            duplicates: counts.duplicates,
            duplicate_outcomes: counts.duplicate_outcomes,
            orphans: counts.orphans,
            evicted: counts.evicted,
            evicted_outcomes: counts.evicted_outcomes,
            waiting_outcomes: counts.waiting,
            forgotten: counts.forgotten,
        }
    }
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
    let named = windowed.totals().iter().map(|(&number, cell)| (segments.name(number), cell));
    let mut named: Vec<_> = named.collect();
    named.sort_by_key(|((column, _, _), _)| *column); // stable
    let summary = |((_, column, value), cell): ((usize, &str, &str), &Cell)| SegmentSummary {
        column: column.to_owned(),
        value: value.to_owned(),
        figures: Figures::of(cell),
        quality: Quality::of_cell(cell, windowed.threshold()),
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
