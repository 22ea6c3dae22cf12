//! What a run did of late: takes counts and times of stages since its start now and then, gives those of the last seconds.

use std::collections::VecDeque;
use std::time::Duration;

use crate::sink::summary::StageTime;

/// Time between two marks.
const STEP: Duration = Duration::from_millis(500);
/// Marks that are kept: what lies between the first and now is of late.
const MARKS: usize = 10;

/// Where a run stood at a few moments.
#[derive(Debug, Default)]
pub(super) struct Recent {
    marks: VecDeque<Mark>,
}

/// Where a run stands at a moment.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// Time since the start.
    pub elapsed: Duration,
    /// Records read.
    pub records: u64,
    /// Times of the stages.
    pub stages: Vec<(String, StageTime)>,
}

impl Recent {
    /// Keeps a mark, where it is time for one.
    pub fn pass(&mut self, now: &Mark) {
        if self.marks.back().is_some_and(|last| now.elapsed < last.elapsed + STEP) {
            return;
        }
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(now.clone());
    }

    /// Records a second of late; `None` before the first step.
    pub fn records_per_s(&self, now: &Mark) -> Option<f64> {
        let first = self.marks.front()?;
        let seconds = now.elapsed.checked_sub(first.elapsed).filter(|time| *time >= STEP)?.as_secs_f64();
        Some(now.records.saturating_sub(first.records) as f64 / seconds)
    }

    /// Where the time of each stage went of late.
    pub fn stages(&self, now: &Mark) -> Vec<(String, StageTime)> {
        let before = |name: &str| {
            let first = self.marks.front()?;
            first.stages.iter().find(|(known, _)| known == name).map(|(_, time)| *time)
        };
        let since = |(name, time): &(String, StageTime)| (name.clone(), less(time, &before(name).unwrap_or_default()));
        now.stages.iter().map(since).collect()
    }
}

/// The time between two looks at a stage. A wait that is seen before it has ended may be booked as something else.
fn less(now: &StageTime, before: &StageTime) -> StageTime {
    let between = |now: f64, before: f64| (now - before).max(0.0);
    StageTime {
        busy_s: between(now.busy_s, before.busy_s),
        starved_s: between(now.starved_s, before.starved_s),
        blocked_s: between(now.blocked_s, before.blocked_s),
        threads: now.threads,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64, records: u64, busy_s: f64) -> Mark {
        let time = StageTime { busy_s, starved_s: seconds - busy_s, blocked_s: 0.0, threads: 1 };
        Mark { elapsed: Duration::from_secs_f64(seconds), records, stages: vec![("engine".into(), time)] }
    }

    #[test]
    fn a_run_that_pauses_is_slow_of_late_though_it_was_fast_before() {
        let mut recent = Recent::default();
        for tenth in 0..=100 {
            recent.pass(&at(f64::from(tenth) / 10.0, 1000 * tenth.min(20) as u64, 1.0));
        }
        let now = at(10.0, 20_000, 1.0);
        assert_eq!(recent.records_per_s(&now), Some(0.0));
        let stages = recent.stages(&now);
        assert_eq!((stages[0].1.busy_s, stages[0].1.starved_s), (0.0, 4.5));
        assert_eq!(recent.marks.len(), MARKS);
    }

    #[test]
    fn before_the_first_step_nothing_is_known_of_the_rate() {
        let mut recent = Recent::default();
        assert_eq!(recent.records_per_s(&at(0.0, 0, 0.0)), None);
        recent.pass(&at(0.0, 0, 0.0));
        assert_eq!(recent.records_per_s(&at(0.4, 10, 0.4)), None);
        assert_eq!(recent.records_per_s(&at(0.5, 10, 0.4)), Some(20.0));
        assert_eq!(recent.stages(&at(0.5, 10, 0.4))[0].1.busy_s, 0.4);
    }
}
