//! How long records may wait: takes the moments at which they were read, gives the one at which their micro-batch is to be
//! closed and their predictions are to be asked for.

use std::time::{Duration, Instant};

/// What waits, and since when.
pub(super) struct Delay {
    most: Duration,
    /// The oldest record of the micro-batch that is being filled.
    filling: Option<Instant>,
    /// The oldest record whose prediction may still be on a device.
    asked: Option<Instant>,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// The micro-batch is to be closed.
    pub close: bool,
    /// Predictions are to be asked for.
    pub settle: bool,
}

impl Delay {
    /// Records wait so long at most.
    pub fn new(most: Duration) -> Self {
        Self { most, filling: None, asked: None }
    }

    /// Records that were read at some moment have gone into the engine: `before` had waited for their micro-batch to be full
    /// before them, and `now` so many do.
    pub fn pushed(&mut self, read: Instant, before: usize, now: usize) {
        // Fewer than before are others than before. As many or more may be the same ones: they are not let wait longer.
        if now < before || now == 0 {
            self.filling = None;
        }
        if now > 0 {
            self.filling.get_or_insert(read);
        }
        self.asked.get_or_insert(read);
    }

    /// When something is to be done next.
    pub fn deadline(&self) -> Option<Instant> {
        let oldest = [self.filling, self.asked].into_iter().flatten().min();
        oldest.map(|oldest| oldest + self.most)
    }

    /// What is to be done at `now`; it is taken to be done.
    pub fn take_due(&mut self, now: Instant) -> Due {
        let is_due = |since: Option<Instant>| since.is_some_and(|since| since + self.most <= now);
        let close = is_due(self.filling);
        let due = Due { close, settle: close || is_due(self.asked) };
        if due.close {
            self.filling = None;
        }
        if due.settle {
            self.asked = self.filling; // those are asked for once they have been learned
        }
        due
    }

    /// All predictions have been asked for.
    pub fn settled(&mut self) {
        self.asked = self.filling;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_millis(10);

    #[test]
    fn a_micro_batch_is_closed_when_its_oldest_record_has_waited_long_enough() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut delay = Delay::new(MOST);
        assert_eq!((delay.deadline(), delay.take_due(at(99))), (None, Due::default()));
        delay.pushed(at(0), 0, 3);
        delay.pushed(at(5), 3, 6);
        assert_eq!((delay.deadline(), delay.take_due(at(9))), (Some(at(10)), Due::default()));
        assert_eq!(delay.take_due(at(10)), Due { close: true, settle: true });
        assert_eq!(delay.deadline(), None);
    }

    #[test]
    fn a_micro_batch_that_was_full_leaves_its_time_behind_and_its_predictions_to_be_asked_for() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut delay = Delay::new(MOST);
        delay.pushed(at(0), 0, 7);
        delay.pushed(at(4), 7, 2);
        assert_eq!(delay.take_due(at(10)), Due { close: false, settle: true });
        assert_eq!(delay.deadline(), Some(at(14)));
        delay.settled();
        assert_eq!(delay.take_due(at(14)), Due { close: true, settle: true });
        delay.pushed(at(20), 0, 0); // exactly full
        assert_eq!(delay.take_due(at(30)), Due { close: false, settle: true });
    }
}
