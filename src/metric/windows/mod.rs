//! Metrics by windows and segments: takes scored records in the order of the stream, gives the figures of each window once
//! it is over, and those of each segment over the whole run.
//!
//! Windows follow each other without overlap: of event time, aligned to 1970, or of so many predicted records. A window of
//! time is over once the watermark has passed its end and the horizon behind it; whatever comes for it then is counted
//! as late, and in the run's own figures. All is decided record by record, so that neither micro-batches nor chunks show.
//! Segments are numbers here; what they are called is known to [`crate::batcher`]. No I/O and no clock. Siblings:
//! [`line`] (a window as it is told), `state` (what a checkpoint holds).

pub mod line;
mod state;

use std::collections::BTreeMap;

use super::cell::{Cell, Row};
use crate::examples::Scored;

/// Windows of one kind that may be open at once; beyond that the oldest is told early.
const MOST_OPEN: usize = 10_000;
/// Bytes that all open windows may take, about; beyond that the oldest of a kind is told early.
const MOST_BYTES: usize = 256 << 20;

/// What a window spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// So many microseconds of event time.
    Time(i64),
    /// So many predicted records.
    Records(u64),
}

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spec {
    /// The kinds of windows.
    pub every: Vec<Every>,
    /// Microseconds that a window of time stays open behind its end, for labels that come late.
    pub horizon: i64,
}

/// The windows of a run under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Windowed {
    horizon: i64,
    kinds: Vec<Kind>,
    /// By the numbers of segments, over the whole run.
    totals: BTreeMap<u32, Cell>,
    /// The latest event time so far.
    latest: i64,
    counts: Counts,
    /// Records predicted.
    predicted: u64,
    /// Bytes of the open windows, about.
    bytes: usize,
}

/// What was counted beside the figures.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Records and labels whose window had been told, once for each kind of window.
    pub late: u64,
    /// Windows that were told before they were over, for want of room.
    pub early: u64,
    /// Records without an event time, where windows of time are asked for: they are in none of these.
    pub without_time: u64,
    /// Windows told.
    pub told: u64,
}

/// The windows of one kind.
#[derive(Debug, Clone, PartialEq)]
struct Kind {
    every: Every,
    open: BTreeMap<i64, Window>,
    /// The first one that has not been told yet.
    next: i64,
    /// Late records since the last one that was told.
    late: u64,
}

/// The figures of a window.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Window {
    /// Number in the run of its first record.
    pub first: u64,
    /// Number in the run of its last record.
    pub last: u64,
    /// Of all its records.
    pub all: Cell,
    /// Of its records by the numbers of segments.
    pub segments: BTreeMap<u32, Cell>,
}

/// A window that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    /// What it spans.
    pub every: Every,
    /// Its place among its kind; those of time count from 1970.
    pub index: i64,
    /// Its figures.
    pub window: Window,
    /// Records that came too late for an earlier window of its kind, since the last one that was told.
    pub late: u64,
}

/// Where a record belongs.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    /// Event time, `i64::MIN` where it is missing.
    time: i64,
    segments: &'a [u32],
    record: u64,
}

impl Windowed {
    /// No windows yet.
    pub fn new(spec: &Spec) -> Self {
        let kind = |&every: &Every| Kind { every, open: BTreeMap::new(), next: i64::MIN, late: 0 };
        Self {
            horizon: spec.horizon,
            kinds: spec.every.iter().map(kind).collect(),
            totals: BTreeMap::new(),
            latest: i64::MIN,
            counts: Counts::default(),
            predicted: 0,
            bytes: 0,
        }
    }

    /// Takes a scored micro-batch; windows that are over by one of its records are added to `closed`, in order.
    ///
    /// ```
    /// use tidemill::examples::{MicroBatch, Scored};
    /// use tidemill::metric::windows::{Every, Spec, Windowed};
    /// let mut windowed = Windowed::new(&Spec { every: vec![Every::Records(2)], horizon: 0 });
    /// let batch = MicroBatch { rows: 3, label: vec![1.0; 3], weight: vec![1.0; 3], record: vec![1, 2, 3], ..MicroBatch::default() };
    /// let mut closed = Vec::new();
    /// windowed.add(&Scored { batch, logit: vec![0.0; 3], ..Scored::default() }, &mut closed);
    /// assert_eq!((closed.len(), closed[0].window.all.tally.records), (1, 2));
    /// ```
    pub fn add(&mut self, scored: &Scored, closed: &mut Vec<Closed>) {
        let batch = &scored.batch;
        let width = batch.segment.len().checked_div(batch.rows).unwrap_or(0);
        for (row, &logit) in scored.logit.iter().enumerate() {
            let time = batch.time.get(row).copied().unwrap_or(i64::MIN);
            let segments = &batch.segment[row * width..(row + 1) * width];
            let place = Place { time, segments, record: batch.record[row] };
            self.advance(self.watermark_at(time), closed);
            self.predicted += 1;
            self.put(&Row::new(logit, batch.label[row], batch.weight[row]), place, closed);
            self.close_full(closed);
        }
    }

    /// Takes a label that became known after its record had been taken. Of windows of records it is in the one under way,
    /// of windows of time in the record's own.
    pub fn add_row(
        &mut self,
        (time, segments, record): (i64, &[u32], u64),
        (logit, label, weight): (f32, f32, f32),
        closed: &mut Vec<Closed>,
    ) {
        self.put(&Row::late(logit, label, weight), Place { time, segments, record }, closed);
    }

    /// Closes the windows of time that are over, as far as `watermark` tells.
    pub fn advance(&mut self, watermark: i64, closed: &mut Vec<Closed>) {
        if watermark <= self.latest {
            return;
        }
        self.latest = watermark;
        let passed = watermark.saturating_sub(self.horizon);
        for kind in &mut self.kinds {
            let Every::Time(step) = kind.every else { continue };
            let next = passed.div_euclid(step);
            while kind.open.first_key_value().is_some_and(|(&index, _)| index < next) {
                self.bytes -= kind.tell_oldest(&mut self.counts, closed);
            }
            kind.next = kind.next.max(next);
        }
    }

    /// Closes all windows: the stream is at its end.
    pub fn finish(&mut self, closed: &mut Vec<Closed>) {
        for kind in &mut self.kinds {
            while !kind.open.is_empty() {
                self.bytes -= kind.tell_oldest(&mut self.counts, closed);
            }
        }
    }

    /// The figures of every segment over the whole run, by their numbers.
    pub fn totals(&self) -> &BTreeMap<u32, Cell> {
        &self.totals
    }

    /// What was counted beside the figures.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The watermark when a record of this time comes: the latest time so far, its own among them.
    fn watermark_at(&self, time: i64) -> i64 {
        self.latest.max(time)
    }

    fn put(&mut self, row: &Row, place: Place<'_>, closed: &mut Vec<Closed>) {
        for segment in place.segments {
            self.totals.entry(*segment).or_default().add(row);
        }
        let has_no_time = place.time == i64::MIN && self.kinds.iter().any(|kind| matches!(kind.every, Every::Time(_)));
        self.counts.without_time += u64::from(has_no_time);
        for kind in &mut self.kinds {
            let index = match kind.every {
                Every::Time(_) if place.time == i64::MIN => continue,
                Every::Time(step) => place.time.div_euclid(step),
                Every::Records(records) => (self.predicted.max(1) - 1).div_euclid(records) as i64,
            };
            if index < kind.next {
                kind.late += 1;
                self.counts.late += 1;
                continue;
            }
            self.bytes += kind.add(index, row, place);
            let is_beyond = kind.open.len() > MOST_OPEN || self.bytes > MOST_BYTES;
            if is_beyond && kind.open.len() > 1 {
                self.bytes -= kind.tell_oldest(&mut self.counts, closed);
                self.counts.early += 1;
            }
        }
    }

    /// Closes the windows of records that are full.
    fn close_full(&mut self, closed: &mut Vec<Closed>) {
        for kind in &mut self.kinds {
            if let Every::Records(records) = kind.every
                && self.predicted.is_multiple_of(records)
            {
                self.bytes -= kind.tell_oldest(&mut self.counts, closed);
            }
        }
    }
}

impl Kind {
    /// Adds a prediction to a window; gives the bytes that this takes.
    fn add(&mut self, index: i64, row: &Row, place: Place<'_>) -> usize {
        let Place { segments, record, .. } = place;
        let mut bytes = 0;
        let window = self.open.entry(index).or_insert_with(|| {
            bytes += Cell::BYTES[0];
            Window { first: record, last: record, ..Window::default() }
        });
        (window.first, window.last) = (window.first.min(record), window.last.max(record));
        bytes += Cell::BYTES[1] * window.all.add(row);
        for segment in segments {
            let cell = window.segments.entry(*segment).or_insert_with(|| {
                bytes += Cell::BYTES[0];
                Cell::default()
            });
            bytes += Cell::BYTES[1] * cell.add(row);
        }
        bytes
    }

    /// Hands on the oldest window that is open; gives the bytes that it took.
    fn tell_oldest(&mut self, counts: &mut Counts, closed: &mut Vec<Closed>) -> usize {
        let Some((index, window)) = self.open.pop_first() else { return 0 };
        self.next = self.next.max(index + 1);
        counts.told += 1;
        let bytes = window.bytes();
        closed.push(Closed { every: self.every, index, window, late: std::mem::take(&mut self.late) });
        bytes
    }
}

impl Window {
    fn bytes(&self) -> usize {
        self.all.bytes() + self.segments.values().map(Cell::bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
