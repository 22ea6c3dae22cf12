//! The join: takes impressions (records of features) and outcomes (labels), both under a key, in any order; gives the
//! impressions back when they are to be learned, and says what became of the rest.
//!
//! Time is what the caller says: the clock is a watermark that never falls, and nothing happens but in the order of calls.
//! What is open lies in [`OpenRows`], within a bound on memory. It learns nothing, and reads no label but those it is given.

mod counts;
mod known;
mod open;
mod row;
mod segment;
mod spilled;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::error::Result;
use crate::examples::MicroBatch;
use crate::snapshot::{Restoring, Saving, Snapshot};
pub use counts::JoinCounts;
use known::Known;
pub use open::OpenRows;
pub use row::OpenRow;
use spilled::damaged;

/// How a join is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long an outcome is waited for, and features for an outcome that came first, in microseconds.
    pub timeout: i64,
    /// What an impression is whose outcome has not come by then.
    pub at_timeout: AtTimeout,
    /// How long after its timeout a positive still corrects what was learned, in microseconds.
    pub corrections: Option<i64>,
    /// Bytes of memory.
    pub memory: u64,
}

/// What an impression is that has timed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtTimeout {
    /// A negative.
    Negative,
    /// Without a label, and not learned.
    Unlabelled,
}

/// A key with the place of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyed {
    /// Hash of the id.
    pub key: u64,
    /// Event time in microseconds, `i64::MIN` where it is missing: then the clock stands for it.
    pub time: i64,
    /// Record number in the run, from 1.
    pub record: u64,
}

/// What a join gives back.
#[derive(Debug)]
pub enum Report<'a> {
    /// An impression that is to be learned.
    Learn {
        /// The impression, with the keys that it was opened with.
        row: &'a OpenRow,
        /// Its label.
        label: f32,
        /// Whether it has been learned as a negative before.
        is_correction: bool,
    },
    /// A record that is not learned, or not as it was meant to be.
    Side {
        /// Which it is.
        side: Side,
        /// The record: the impression's or the outcome's.
        of: Keyed,
        /// The label of an outcome; NaN for an impression.
        label: f32,
    },
}

/// What became of a record that is not simply learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// An impression whose key was known.
    Duplicate,
    /// An outcome of a key that had one.
    DuplicateOutcome,
    /// An outcome that came after the timeout, and too late to correct anything.
    Late,
    /// An outcome whose impression never came.
    Orphan,
    /// An impression without an outcome where that is no label.
    Unlabelled,
    /// An impression or an outcome that was given up before its time for want of room; the impression is then what one is
    /// that has timed out.
    Evicted,
    /// An impression that was open at the end of the stream.
    Open,
}

/// Where reports go.
pub type Reports<'a> = &'a mut dyn FnMut(Report<'_>) -> Result<()>;

/// What is known of a key. Of all but closed ones there is a row: an outcome that waits is one without features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its impression waits for the outcome.
    Open,
    /// Its impression has timed out, and may be corrected.
    TimedOut,
    /// Its outcome waits for the impression.
    Waiting,
    /// It has had its outcome; remembered until its time is up.
    Closed,
}

const STATES: [State; 4] = [State::Open, State::TimedOut, State::Waiting, State::Closed];
/// Bits of a sequence number beside a state.
const SEQUENCE: u32 = 61;

/// The join's state.
#[derive(Debug)]
pub struct Join {
    settings: Settings,
    rows: OpenRows,
    known: Known,
    /// Closed keys, by when they are to be forgotten.
    closed: BinaryHeap<Reverse<(i64, u64)>>,
    counts: JoinCounts,
    /// The row in hand.
    row: OpenRow,
    /// The keys of a row, the join's behind the caller's.
    keys: Vec<u64>,
    /// An outcome as a row.
    outcome: MicroBatch,
}

impl Join {
    /// A join before its first record.
    pub fn new(settings: Settings) -> Self {
        let mut outcome = MicroBatch::default();
        outcome.clear();
        (outcome.rows, outcome.weight) = (1, vec![1.0]);
        (outcome.row_start, outcome.time, outcome.record) = (vec![0, 0], vec![0], vec![0]);
        Self {
            settings,
            rows: OpenRows::new(settings.memory),
            known: Known::new(),
            closed: BinaryHeap::new(),
            counts: JoinCounts::default(),
            row: OpenRow::default(),
            keys: Vec::new(),
            outcome,
        }
    }

    /// Takes an impression: a row of a micro-batch, and `keys` that are wanted back with it. Gives the sequence number under
    /// which it is open, or was where its outcome came first; none where its key is known.
    ///
    /// # Errors
    /// A temporary file that cannot be written or read, or what `reports` gives.
    pub fn impression(
        &mut self,
        of: Keyed,
        (batch, row): (&MicroBatch, usize),
        keys: &[u64],
        clock: i64,
        reports: Reports<'_>,
    ) -> Result<Option<u64>> {
        let waiting = match self.state(of.key) {
            None => None,
            Some((State::Waiting, sequence)) => Some(sequence),
            Some(_) => {
                self.counts.duplicates += 1;
                reports(Report::Side { side: Side::Duplicate, of, label: f32::NAN })?;
                return Ok(None);
            }
        };
        let due = self.due(of, clock);
        self.keys.clear();
        self.keys.extend_from_slice(keys);
        self.keys.push(of.key);
        let sequence = self.rows.put(due, batch, row, f32::NAN, &self.keys)?;
        self.counts.opened += 1;
        self.counts.open += 1;
        self.know(of.key, State::Open, sequence);
        if let Some(waiting) = waiting {
            self.join_waiting(of.key, waiting, sequence, reports)?;
        }
        self.make_room(reports)?;
        Ok(Some(sequence))
    }

    /// Takes an outcome: 1 or 0.
    ///
    /// # Errors
    /// As [`Join::impression`].
    pub fn outcome(&mut self, of: Keyed, label: f32, clock: i64, reports: Reports<'_>) -> Result<()> {
        match self.state(of.key) {
            None => self.wait(of, label, clock)?,
            Some((State::Open, sequence)) => self.match_open(of, sequence, label, reports)?,
            Some((State::TimedOut, sequence)) => self.correct(of, sequence, label, reports)?,
            Some((State::Waiting | State::Closed, _)) => {
                self.counts.duplicate_outcomes += 1;
                reports(Report::Side { side: Side::DuplicateOutcome, of, label })?;
            }
        }
        self.make_room(reports)
    }

    /// Does what is due at `clock`, in the order in which it is due.
    ///
    /// # Errors
    /// As [`Join::impression`].
    pub fn advance(&mut self, clock: i64, reports: Reports<'_>) -> Result<()> {
        while self.next_due().is_some_and(|due| due <= clock) {
            self.end_next(false, reports)?;
        }
        self.share_memory()
    }

    /// Ends the stream: open impressions and waiting outcomes are reported, and nothing is open any more.
    ///
    /// # Errors
    /// As [`Join::impression`].
    pub fn finish(&mut self, reports: Reports<'_>) -> Result<()> {
        while let Some((_, sequence)) = self.rows.next_due(i64::MAX) {
            self.take(sequence)?;
            let of = self.row_in_hand();
            let known = self.state(of.key);
            self.known.remove(of.key);
            match known {
                Some((State::Open, _)) => reports(Report::Side { side: Side::Open, of, label: f32::NAN })?,
                Some((State::Waiting, _)) => self.give_up_outcome(of, false, reports)?,
                _ => {}
            }
        }
        self.closed.drain().for_each(|Reverse((_, key))| _ = self.known.remove(key));
        Ok(())
    }

    /// What has been counted so far.
    pub fn counts(&self) -> JoinCounts {
        self.counts
    }

    /// The smallest sequence number that is open; the next one where none is.
    pub fn oldest(&self) -> u64 {
        self.rows.oldest()
    }

    /// Bytes of memory that it takes, about.
    pub fn bytes(&self) -> u64 {
        self.rows.bytes() + self.beside()
    }

    /// Bytes of the disk that it takes.
    pub fn spilled_bytes(&self) -> u64 {
        self.rows.spilled_bytes()
    }

    /// Says whether all that was to be saved could be read.
    ///
    /// # Errors
    /// As [`OpenRows::check_saved`].
    pub fn check_saved(&mut self) -> Result<()> {
        self.rows.check_saved()
    }

    fn state(&self, key: u64) -> Option<(State, u64)> {
        self.known.get(key).map(state_of)
    }

    fn know(&mut self, key: u64, state: State, sequence: u64) {
        self.known.insert(key, (state as u64) << SEQUENCE | sequence);
    }

    /// When a record's time is up.
    fn due(&self, of: Keyed, clock: i64) -> i64 {
        let time = if of.time == i64::MIN { clock } else { of.time };
        time.saturating_add(self.settings.timeout)
    }

    /// Keeps an outcome until its impression comes.
    fn wait(&mut self, of: Keyed, label: f32, clock: i64) -> Result<()> {
        (self.outcome.time[0], self.outcome.record[0]) = (of.time, of.record);
        let sequence = self.rows.put(self.due(of, clock), &self.outcome, 0, label, &[of.key])?;
        self.counts.waiting += 1;
        self.know(of.key, State::Waiting, sequence);
        Ok(())
    }

    /// Brings an impression together with the outcome that has waited for it.
    fn join_waiting(&mut self, key: u64, waiting: u64, sequence: u64, reports: Reports<'_>) -> Result<()> {
        self.take(waiting)?;
        self.counts.waiting -= 1;
        let of = Keyed { key, time: self.row.time, record: self.row.record };
        self.match_open(of, sequence, self.row.label, reports)
    }

    fn match_open(&mut self, of: Keyed, sequence: u64, label: f32, reports: Reports<'_>) -> Result<()> {
        let due = self.rows.due(sequence).unwrap_or(i64::MAX);
        // A positive that would correct what is learned at the timeout may as well spare that.
        if of.time > due.saturating_add(self.settings.corrections.unwrap_or(0)) {
            return self.too_late(of, label, reports);
        }
        self.counts.open -= 1;
        self.counts.matched += 1;
        self.close(of.key, sequence, due)?;
        reports(Report::Learn { row: &self.row, label, is_correction: false })
    }

    fn correct(&mut self, of: Keyed, sequence: u64, label: f32, reports: Reports<'_>) -> Result<()> {
        let due = self.rows.due(sequence).unwrap_or(i64::MAX);
        if of.time > due {
            return self.too_late(of, label, reports);
        }
        self.close(of.key, sequence, due)?;
        if label > 0.5 {
            self.counts.corrected += 1;
            let is_correction = self.settings.at_timeout == AtTimeout::Negative;
            return reports(Report::Learn { row: &self.row, label, is_correction });
        }
        self.counts.confirmed += 1;
        Ok(())
    }

    fn too_late(&mut self, of: Keyed, label: f32, reports: Reports<'_>) -> Result<()> {
        self.counts.late += 1;
        reports(Report::Side { side: Side::Late, of, label })
    }

    /// Takes the row of a key in hand; the key is remembered until its time is up.
    fn close(&mut self, key: u64, sequence: u64, due: i64) -> Result<()> {
        self.take(sequence)?;
        self.row.keys.pop();
        self.know(key, State::Closed, 0);
        self.closed.push(Reverse((due, key)));
        Ok(())
    }

    /// Takes a row in hand that is known to be there.
    fn take(&mut self, sequence: u64) -> Result<()> {
        if self.rows.take(sequence, &mut self.row)? { Ok(()) } else { Err(damaged()) }
    }

    /// When something is due next.
    fn next_due(&self) -> Option<i64> {
        let row = self.rows.next_due(i64::MAX).map(|(due, _)| due);
        let closed = self.closed.peek().map(|Reverse((due, _))| *due);
        row.into_iter().chain(closed).min()
    }

    /// Ends what is due first: an impression's wait, an outcome's, or what is remembered of a key.
    fn end_next(&mut self, is_early: bool, reports: Reports<'_>) -> Result<()> {
        let row = self.rows.next_due(i64::MAX);
        let is_closed = |due: i64| row.is_none_or(|(of_row, _)| due <= of_row);
        if self.closed.peek().is_some_and(|Reverse((due, _))| is_closed(*due)) {
            let closed = self.closed.pop();
            closed.iter().for_each(|Reverse((_, key))| _ = self.known.remove(*key));
            self.counts.forgotten += u64::from(is_early);
            return Ok(());
        }
        match row {
            Some((due, sequence)) => self.end_row(due, sequence, is_early, reports),
            None => Ok(()),
        }
    }

    fn end_row(&mut self, due: i64, sequence: u64, is_early: bool, reports: Reports<'_>) -> Result<()> {
        self.rows.look(sequence, &mut self.row)?;
        let of = self.row_in_hand();
        let known = self.state(of.key);
        match (known, self.settings.corrections) {
            (Some((State::Open, _)), Some(within)) if !is_early => {
                self.rows.reschedule(sequence, due.saturating_add(within));
                self.know(of.key, State::TimedOut, sequence);
            }
            _ => {
                self.rows.forget(sequence)?;
                self.known.remove(of.key);
            }
        }
        match known {
            Some((State::Open, _)) => self.time_out(of, is_early, reports),
            Some((State::Waiting, _)) => self.give_up_outcome(of, is_early, reports),
            _ => {
                self.counts.forgotten += u64::from(is_early);
                Ok(())
            }
        }
    }

    /// The impression in hand has had no outcome.
    fn time_out(&mut self, of: Keyed, is_early: bool, reports: Reports<'_>) -> Result<()> {
        self.counts.open -= 1;
        if is_early {
            self.counts.evicted += 1;
            reports(Report::Side { side: Side::Evicted, of, label: f32::NAN })?;
        } else {
            self.counts.timed_out += 1;
        }
        match self.settings.at_timeout {
            AtTimeout::Negative => reports(Report::Learn { row: &self.row, label: 0.0, is_correction: false }),
            AtTimeout::Unlabelled => reports(Report::Side { side: Side::Unlabelled, of, label: f32::NAN }),
        }
    }

    /// The outcome in hand has had no impression.
    fn give_up_outcome(&mut self, of: Keyed, is_early: bool, reports: Reports<'_>) -> Result<()> {
        self.counts.waiting -= 1;
        let side = if is_early { Side::Evicted } else { Side::Orphan };
        *(if is_early { &mut self.counts.evicted_outcomes } else { &mut self.counts.orphans }) += 1;
        reports(Report::Side { side, of, label: self.row.label })
    }

    /// The record of the row in hand; the join's own key is taken off it.
    fn row_in_hand(&mut self) -> Keyed {
        let key = self.row.keys.pop().unwrap_or_default();
        Keyed { key, time: self.row.time, record: self.row.record }
    }

    /// Ends what is due first until the rest fits into memory.
    fn make_room(&mut self, reports: Reports<'_>) -> Result<()> {
        self.share_memory()?;
        while self.rows.is_over() && self.next_due().is_some() {
            self.end_next(true, reports)?;
            self.share_memory()?;
        }
        Ok(())
    }

    fn share_memory(&mut self) -> Result<()> {
        if self.closed.capacity() > 4 * self.closed.len() + 64 {
            self.closed.shrink_to(2 * self.closed.len());
        }
        self.rows.leave(self.beside())
    }

    /// Bytes of memory for keys.
    fn beside(&self) -> u64 {
        Known::BYTES * self.known.len() + 16 * self.closed.len() as u64
    }
}

/// What a number says of a key: its state, and the sequence number of its row.
fn state_of(value: u64) -> (State, u64) {
    (STATES[(value >> SEQUENCE) as usize % STATES.len()], value & ((1 << SEQUENCE) - 1))
}

impl Snapshot for Join {
    const PART: &'static str = "join";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { settings: _, rows, known, closed, counts, row: _, keys: _, outcome: _ } = self;
        to.put("counts", &counts.to_array());
        let mut closed: Vec<_> = closed.iter().map(|Reverse(closed)| *closed).collect();
        closed.sort_unstable();
        to.put("closed_due", &closed.iter().map(|(due, _)| *due as u64).collect::<Vec<_>>());
        to.put("closed_key", &closed.iter().map(|(_, key)| *key).collect::<Vec<_>>());
        to.save(known);
        to.save_as("join_rows", rows);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { settings: _, rows, known, closed, counts, row: _, keys: _, outcome: _ } = self;
        *counts = JoinCounts::from_array(from.counts("counts")?);
        let dues: Vec<u64> = from.get("closed_due")?;
        let keys: Vec<u64> = from.exactly("closed_key", dues.len())?;
        *closed = dues.into_iter().zip(keys).map(|(due, key)| Reverse((due as i64, key))).collect();
        from.restore(known)?;
        from.restore_as("join_rows", rows)?;
        let of = |state: State| known.values().filter(|&value| state_of(value).0 == state).count() as u64;
        from.check("counts", (counts.open, counts.waiting) == (of(State::Open), of(State::Waiting)))?;
        from.check("closed_key", closed.len() as u64 == of(State::Closed))?;
        from.check("counts", rows.len() == known.len() - closed.len() as u64)?;
        self.share_memory()
    }
}
