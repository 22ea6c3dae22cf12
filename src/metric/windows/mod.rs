//! Metrics by windows and segments: takes scored records in the order of the stream, gives the figures of each window once
//! it is over, and those of each segment over the whole run.
//!
//! Windows follow each other without overlap: of event time, aligned to 1970, or of so many predicted records. A window of
//! time is over once the watermark has passed its end and the horizon behind it; whatever comes for it then is counted
//! as late, and in the run's own figures. All is decided record by record, so that neither micro-batches nor chunks show.
//! Segments are numbers here; what they are called is known to [`crate::batcher`]. No I/O and no clock. Siblings:
//! [`mod@line`] (a window as it is told), `state` (what a checkpoint holds).

pub mod line;
mod state;

use std::collections::BTreeMap;

use super::cell::{Cell, Row};
use super::confusion::Threshold;
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spec {
    /// The kinds of windows.
    pub every: Vec<Every>,
    /// Microseconds that a window of time stays open behind its end, for labels that come late.
    pub horizon: i64,
    /// The probability from which a prediction counts as positive.
    pub threshold: Threshold,
}

/// The windows of a run under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Windowed {
    horizon: i64,
    threshold: Threshold,
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
            threshold: spec.threshold,
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
    /// let mut windowed = Windowed::new(&Spec { every: vec![Every::Records(2)], ..Spec::default() });
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

    /// The probability from which a prediction counts as positive.
    pub fn threshold(&self) -> Threshold {
        self.threshold
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
                // A record has been counted already, a label that comes alone joins the window under way.
                Every::Records(records) => ((self.predicted - u64::from(row.is_new())) / records) as i64,
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
mod tests {
    use super::*;
    use crate::examples::MicroBatch;
    use crate::snapshot::State;

    const HOUR: i64 = 3_600_000_000;

    fn scored(rows: &[(i64, u32, f32, f32)], first: u64) -> Scored {
        let batch = MicroBatch {
            rows: rows.len(),
            time: rows.iter().map(|row| row.0).collect(),
            segment: rows.iter().map(|row| row.1).collect(),
            label: rows.iter().map(|row| row.3).collect(),
            weight: vec![1.0; rows.len()],
            record: (first..).take(rows.len()).collect(),
            ..MicroBatch::default()
        };
        Scored { batch, logit: rows.iter().map(|row| row.2).collect(), ..Scored::default() }
    }

    /// Hours, segments and labels that jump about a little.
    fn rows(count: usize) -> Vec<(i64, u32, f32, f32)> {
        let row = |at: usize| {
            let time = at as i64 * HOUR / 10 - (at as i64 * 7 % 11) * HOUR / 5;
            (
                time,
                (at * 5 % 3) as u32,
                (at % 7) as f32 / 3.0 - 1.0,
                if at % 4 == 3 { f32::NAN } else { (at % 2) as f32 },
            )
        };
        (0..count).map(row).collect()
    }

    fn run(rows: &[(i64, u32, f32, f32)], size: usize, spec: &Spec) -> (Vec<Closed>, Windowed) {
        let (mut windowed, mut closed) = (Windowed::new(spec), Vec::new());
        for (at, part) in rows.chunks(size).enumerate() {
            windowed.add(&scored(part, (at * size) as u64 + 1), &mut closed);
        }
        windowed.finish(&mut closed);
        (closed, windowed)
    }

    fn spec() -> Spec {
        Spec { every: vec![Every::Time(HOUR), Every::Records(37)], horizon: HOUR / 2, ..Spec::default() }
    }

    #[test]
    fn micro_batches_never_show() {
        let rows = rows(500);
        let whole = run(&rows, 500, &spec());
        for size in [1, 7, 64] {
            assert_eq!(run(&rows, size, &spec()), whole, "{size}");
        }
    }

    #[test]
    fn every_record_is_in_one_window_of_each_kind_or_late() {
        let rows = rows(500);
        let (closed, windowed) = run(&rows, 10, &spec());
        let records = |is_time: bool| -> u64 {
            let of_kind = closed.iter().filter(|closed| matches!(closed.every, Every::Time(_)) == is_time);
            of_kind.map(|closed| closed.window.all.tally.records).sum()
        };
        assert!(windowed.counts().late > 10, "{:?}", windowed.counts());
        assert_eq!((records(true) + windowed.counts().late, records(false)), (500, 500));
        let totals: u64 = windowed.totals().values().map(|cell| cell.tally.records).sum();
        assert_eq!(totals, 500);
        for closed in &closed {
            let of_segments: u64 = closed.window.segments.values().map(|cell| cell.tally.records).sum();
            assert_eq!(of_segments, closed.window.all.tally.records);
        }
    }

    #[test]
    fn windows_of_time_hold_what_a_list_of_records_says() {
        let rows: Vec<_> = (0..200).map(|at| (at * HOUR / 10, 0, 0.5, (at % 2) as f32)).collect();
        let (closed, windowed) = run(&rows, 16, &Spec { every: vec![Every::Time(HOUR)], ..Spec::default() });
        assert_eq!((closed.len(), windowed.counts().late), (20, 0));
        for (at, closed) in closed.iter().enumerate() {
            let window = &closed.window;
            assert_eq!((closed.index, window.first, window.last), (at as i64, at as u64 * 10 + 1, at as u64 * 10 + 10));
            let mut metrics = crate::metric::Metrics::default();
            metrics.add(&[0.5; 10], &[0.0, 1.0].repeat(5), &[1.0; 10]);
            let (have, want) = (window.all.tally, metrics.total);
            assert_eq!((have.records, have.labelled, have.calibration), (10, 10, want.calibration));
            assert!((have.log_loss.loss - want.log_loss.loss).abs() < 1e-12);
            assert_eq!(window.all.ranking.area().map(|area| area.0), metrics.auc.value());
        }
    }

    #[test]
    fn a_record_without_a_time_is_in_no_window_of_time() {
        let (closed, windowed) = run(&[(i64::MIN, 0, 0.0, 1.0), (5, 0, 0.0, 1.0)], 2, &spec());
        assert_eq!((closed.len(), windowed.counts().without_time), (2, 1));
        let records: Vec<_> = closed.iter().map(|closed| closed.window.all.tally.records).collect();
        assert_eq!(records, [1, 2]);
    }

    #[test]
    fn a_label_that_comes_late_joins_its_window_as_long_as_that_is_open() {
        let (mut windowed, mut closed) = (Windowed::new(&spec()), Vec::new());
        windowed.add(&scored(&[(0, 0, 0.5, f32::NAN), (HOUR, 0, 0.5, f32::NAN)], 1), &mut closed);
        windowed.add_row((0, &[0], 1), (0.5, 1.0, 1.0), &mut closed);
        windowed.advance(10 * HOUR, &mut closed);
        windowed.add_row((HOUR, &[0], 2), (0.5, 1.0, 1.0), &mut closed);
        let first = &closed[0].window.all.tally;
        assert_eq!((closed.len(), first.records, first.labelled, windowed.counts().late), (2, 1, 1, 1));
        let total = windowed.totals()[&0].tally;
        assert_eq!((total.records, total.labelled), (2, 2));
    }

    #[test]
    fn windows_that_are_open_are_bounded() {
        // Every record is older than the one before, and the horizon keeps all windows open.
        let rows: Vec<_> = (0..MOST_OPEN as i64 + 50).map(|at| (-at * HOUR, 0, 0.0, 1.0)).collect();
        let spec = Spec { every: vec![Every::Time(HOUR)], horizon: i64::MAX, ..Spec::default() };
        let (mut windowed, mut closed) = (Windowed::new(&spec), Vec::new());
        windowed.add(&scored(&rows, 1), &mut closed);
        assert_eq!(windowed.counts().early, closed.len() as u64);
        assert!(!closed.is_empty() && windowed.kinds[0].open.len() <= MOST_OPEN);
        windowed.finish(&mut closed);
        let told: u64 = closed.iter().map(|closed| closed.window.all.tally.records).sum();
        assert_eq!((told + windowed.counts().late, windowed.bytes), (rows.len() as u64, 0));
    }

    #[test]
    fn open_windows_go_on_from_a_snapshot() {
        let rows = rows(300);
        let (whole, _) = run(&rows, 10, &spec());
        for cut in [0, 1, 10, 29] {
            let (mut windowed, mut closed) = (Windowed::new(&spec()), Vec::new());
            for (at, part) in rows.chunks(10).enumerate() {
                if at == cut {
                    let mut state = State::default();
                    state.save(&windowed);
                    let mut restored = Windowed::new(&spec());
                    state.restore(&mut restored).unwrap();
                    assert_eq!(restored, windowed);
                    windowed = restored;
                    let other = Spec { every: vec![Every::Time(HOUR), Every::Records(38)], ..spec() };
                    assert!(state.restore(&mut Windowed::new(&other)).is_err());
                }
                windowed.add(&scored(part, at as u64 * 10 + 1), &mut closed);
            }
            windowed.finish(&mut closed);
            assert_eq!(closed, whole, "{cut}");
        }
    }

    #[test]
    fn what_a_window_spans_is_written_as_it_was_named() {
        let names = [Every::Time(HOUR), Every::Time(48 * HOUR), Every::Time(90_000_000), Every::Records(5000)];
        assert_eq!(names.map(|every| every.to_string()), ["1h", "2d", "90s", "5000"]);
    }
}
