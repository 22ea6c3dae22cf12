//! Event time: takes the times at which records say that they happened, gives how far the stream has come by them.
//!
//! The watermark is the latest event time so far less the bound by which records may be out of order: what happened before
//! it has come, as far as the user's word goes. A record with an event time below it is late. Sibling: [`reorder`] (holds
//! records back until the watermark has passed them). Knows no clock but the records' own.

pub mod reorder;

use crate::error::Result;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// What stands for an event time that is missing.
pub const MISSING: i64 = i64::MIN;

/// How far a stream has come by its own times, in microseconds since 1970.
///
/// ```
/// use tidemill::event_time::{EventClock, Timing};
/// let mut clock = EventClock::new(10);
/// let timings = [100, 90, 89, 200].map(|time| clock.see(time, 1));
/// assert_eq!(timings, [Timing::InTime, Timing::InTime, Timing::Late, Timing::InTime]);
/// assert_eq!((clock.watermark(), clock.late, clock.late_by), (190, 1, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventClock {
    /// How far an event time may lie behind the latest one.
    bound: i64,
    /// The earliest event time; [`MISSING`] before the first.
    pub earliest: i64,
    /// The latest event time; [`MISSING`] before the first.
    pub latest: i64,
    /// The record that had it: what holds the watermark where it is.
    pub latest_record: u64,
    /// Records that were late.
    pub late: u64,
    /// The most by which one was below the watermark.
    pub late_by: i64,
    /// Records without an event time, which are never late.
    pub timeless: u64,
}

/// How a record stands to the watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// It may still come.
    InTime,
    /// It should have come before.
    Late,
    /// It does not say when it happened.
    Timeless,
}

impl EventClock {
    /// A clock before the first record; `bound` in microseconds.
    pub fn new(bound: i64) -> Self {
        let (earliest, latest) = (MISSING, MISSING);
        Self { bound, earliest, latest, latest_record: 0, late: 0, late_by: 0, timeless: 0 }
    }

    /// Takes in the event time of a record, by its number in the run.
    pub fn see(&mut self, time: i64, record: u64) -> Timing {
        if time == MISSING {
            self.timeless += 1;
            return Timing::Timeless;
        }
        if self.earliest == MISSING || time < self.earliest {
            self.earliest = time;
        }
        if time > self.latest {
            (self.latest, self.latest_record) = (time, record);
        }
        let watermark = self.watermark();
        if time >= watermark {
            return Timing::InTime;
        }
        self.late += 1;
        self.late_by = self.late_by.max(watermark.saturating_sub(time));
        Timing::Late
    }

    /// The watermark; [`MISSING`] before the first event time.
    pub fn watermark(&self) -> i64 {
        if self.latest == MISSING { MISSING } else { self.latest.saturating_sub(self.bound).max(MISSING + 1) }
    }

    /// How far an event time may lie behind the latest one.
    pub fn bound(&self) -> i64 {
        self.bound
    }
}

impl Snapshot for EventClock {
    const PART: &'static str = "event_clock";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { bound, earliest, latest, latest_record, late, late_by, timeless } = self;
        to.put("times", &[*bound as u64, *earliest as u64, *latest as u64, *late_by as u64]);
        to.put("counts", &[*latest_record, *late, *timeless]);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { bound, earliest, latest, latest_record, late, late_by, timeless } = self;
        let times: Vec<u64> = from.exactly("times", 4)?;
        from.check("times", times[0] == *bound as u64)?;
        [*earliest, *latest, *late_by] = [times[1] as i64, times[2] as i64, times[3] as i64];
        [*latest_record, *late, *timeless] = from.counts("counts")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_late_before_there_is_a_time_and_a_missing_one_moves_nothing() {
        let mut clock = EventClock::new(5);
        assert_eq!((clock.watermark(), clock.see(MISSING, 1)), (MISSING, Timing::Timeless));
        assert_eq!((clock.see(-7, 2), clock.watermark(), clock.earliest), (Timing::InTime, -12, -7));
        assert_eq!((clock.see(MISSING, 3), clock.watermark(), clock.timeless), (Timing::Timeless, -12, 2));
    }

    #[test]
    fn the_watermark_never_falls_and_says_which_record_holds_it() {
        let mut clock = EventClock::new(0);
        let seen = [(50, 1), (49, 2), (50, 3), (60, 4), (10, 5)].map(|(time, record)| {
            clock.see(time, record);
            (clock.watermark(), clock.latest_record)
        });
        assert_eq!(seen, [(50, 1), (50, 1), (50, 1), (60, 4), (60, 4)]);
        assert_eq!((clock.late, clock.late_by), (2, 50));
    }

    #[test]
    fn times_at_the_ends_of_all_time_do_not_overflow() {
        let mut clock = EventClock::new(i64::MAX);
        clock.see(i64::MIN + 1, 1);
        assert!(clock.watermark() > MISSING);
        clock.see(i64::MAX, 2);
        assert_eq!(clock.see(i64::MIN + 1, 3), Timing::Late);
    }
}
