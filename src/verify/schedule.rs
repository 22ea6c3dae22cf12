//! When to kill: takes the length of a run, gives moments spread over it, the same ones every time.
//!
//! Pure: it neither waits nor looks at a clock. A moment is told by what the checkpoints count, since time differs from
//! run to run.

use std::time::Duration;

use twox_hash::xxhash3_64::Hasher;

/// Checkpoints of a run, about.
const CHECKPOINTS: u64 = 20;
/// Share of the stream in which runs are killed: behind it the end may come first.
const LAST: f64 = 0.9;
/// Threads to resume with, in turn.
const THREADS: [usize; 5] = [1, 2, 3, 5, 8];

/// A moment to kill a run at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Records that the newest checkpoint counts, at least; 0: as soon as the run has begun.
    pub behind: u64,
    /// How long to wait from there.
    pub delay: Duration,
}

/// The kills of one verification.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Records of the stream, rejected ones among them.
    pub records: u64,
    /// Time of an uninterrupted run.
    pub elapsed: Duration,
    /// How many kills there are.
    pub kills: u32,
    /// Threads that runs start with.
    pub threads: usize,
}

impl Schedule {
    /// Records from one checkpoint to the next.
    pub fn every(&self) -> u64 {
        (self.records / CHECKPOINTS).max(1)
    }

    /// How long to wait between two looks at a run.
    pub fn look(&self) -> Duration {
        (self.elapsed / 1000).clamp(Duration::from_micros(200), Duration::from_millis(20))
    }

    /// When to kill a run, and when to kill another one if that had come to its end before: each earlier than the last.
    pub fn moments(&self, kill: u32) -> [Moment; 4] {
        let share = (f64::from(kill) + chance(kill, 0)) / f64::from(self.kills);
        let behind = (self.records as f64 * LAST * share) as u64;
        let behind = if behind < self.every() { 0 } else { behind };
        let delay = self.between().mul_f64(chance(kill, 1));
        let at_once = |behind| Moment { behind, delay: Duration::ZERO };
        [Moment { behind, delay }, at_once(behind / 2), at_once(behind.min(1)), at_once(0)]
    }

    /// When to kill the run that was resumed behind `from` records, where it is to be killed as well: every second is.
    pub fn again(&self, kill: u32, from: u64) -> Option<Moment> {
        let left = self.records.saturating_sub(from) as f64 * LAST;
        let behind = from + ((left * chance(kill, 2)) as u64).max(1);
        (kill % 2 == 1).then(|| Moment { behind, delay: self.between().mul_f64(chance(kill, 3)) })
    }

    /// Threads of the first and the second run that go on after a kill: others than it was started with.
    pub fn resuming_threads(&self, kill: u32) -> [usize; 2] {
        let mut others = THREADS.into_iter().filter(|&threads| threads != self.threads).cycle().skip(kill as usize % 4);
        let mut next = || others.next().unwrap_or(1);
        [next(), next()]
    }

    /// Time from one checkpoint to the next, about.
    fn between(&self) -> Duration {
        self.elapsed / CHECKPOINTS as u32
    }
}

/// A number in `[0, 1)` that looks like chance and is the same every time.
fn chance(kill: u32, what: u64) -> f64 {
    (Hasher::oneshot_with_seed(what, &kill.to_le_bytes()) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(records: u64, kills: u32) -> Schedule {
        Schedule { records, elapsed: Duration::from_secs(2), kills, threads: 2 }
    }

    #[test]
    fn kills_are_spread_over_the_run_and_leave_room_before_its_end() {
        let schedule = schedule(1_000_000, 10);
        let places: Vec<_> = (0..10).map(|kill| schedule.moments(kill)[0].behind).collect();
        assert!(places.is_sorted() && places[0] < 90_000 && places[9] >= 810_000, "{places:?}");
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] < 180_000) && places[9] < 900_000, "{places:?}");
        let delays: Vec<_> = (0..10).map(|kill| schedule.moments(kill)[0].delay).collect();
        assert!(delays.iter().all(|&delay| delay < Duration::from_millis(100)), "{delays:?}");
        assert!(delays.windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_run_that_had_ended_is_killed_earlier_next_time() {
        for moments in (0..5).map(|kill| schedule(1000, 5).moments(kill)) {
            assert!(moments.windows(2).all(|pair| pair[1].behind <= pair[0].behind), "{moments:?}");
            assert_eq!(moments[3], Moment { behind: 0, delay: Duration::ZERO });
        }
        assert_eq!(schedule(1000, 5).moments(4)[2].behind, 1);
    }

    #[test]
    fn a_second_kill_comes_behind_the_first() {
        let schedule = schedule(1000, 5);
        assert_eq!(schedule.again(0, 500), None);
        for from in [0, 1, 500, 999, 1000, 2000] {
            assert!(schedule.again(1, from).unwrap().behind > from);
        }
    }

    #[test]
    fn runs_go_on_with_other_threads_than_they_started_with() {
        let all: Vec<_> = (0..4).map(|kill| schedule(1000, 5).resuming_threads(kill)).collect();
        assert_eq!(all, [[1, 3], [3, 5], [5, 8], [8, 1]]);
    }

    #[test]
    fn the_shortest_stream_has_a_checkpoint_too() {
        assert_eq!((schedule(0, 1).every(), schedule(7, 1).every(), schedule(100, 1).every()), (1, 1, 5));
        assert_eq!(schedule(0, 1).moments(0)[0].behind, 0);
    }
}
