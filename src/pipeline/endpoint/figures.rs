//! What a run leaves behind for monitors: takes looks at it, keeps the newest figures where the answering thread finds them.
//!
//! Figures are worked out a few times a second at most. Whoever works them out never waits for the other side, but at the
//! end.

use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::Latest;
use crate::engine::Counts;
use crate::error::Error;
use crate::event_time::MISSING;
use crate::metric::Tally;
use crate::pipeline::summary;
use crate::pipeline::{Moment, Status};
use crate::record::Reason;
use crate::report::exposition::{EventTimeFigures, Figures, State};
use crate::sink::summary::StageTime;
use crate::sink::told::LateLabelsSummary;
use crate::timestamp::SECOND;

/// Time between two looks that are told.
const STEP: Duration = Duration::from_millis(200);

/// The engine's end.
pub(super) struct Publisher {
    latest: Latest,
    figures: Figures,
    /// When figures were told last.
    told: Option<Instant>,
}

/// A copy of the newest figures.
pub(super) fn of(latest: &Mutex<Figures>) -> Figures {
    latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Publisher {
    pub fn new(latest: Latest) -> Self {
        Self { latest, figures: Figures::default(), told: None }
    }

    /// Takes a look, where it is time for one.
    pub fn take(&mut self, status: &Status<'_>) {
        let is_last = matches!(status.moment, Moment::End(_));
        if !is_last && self.told.is_some_and(|told| told.elapsed() < STEP) {
            return;
        }
        self.figures = match status.later {
            // All but the pass stands still.
            Some(later) => {
                let pass = Some((later.pass.number, later.pass.records));
                Figures { state: State::Running, pass, ..std::mem::take(&mut self.figures) }
            }
            None => figures(status, &self.figures),
        };
        self.tell(is_last);
    }

    /// Takes the end of a run.
    pub fn end(&mut self, error: Option<&Error>) {
        self.figures.state = ended(error);
        self.tell(true);
    }

    fn tell(&mut self, waits: bool) {
        let mut latest = match self.latest.try_lock() {
            Ok(latest) => latest,
            Err(TryLockError::WouldBlock) if !waits => return, // there is a next time
            Err(_) => self.latest.lock().unwrap_or_else(PoisonError::into_inner),
        };
        latest.clone_from(&self.figures);
        self.told = Some(Instant::now());
    }
}

fn ended(error: Option<&Error>) -> State {
    error.map_or(State::Finished, |error| State::Failed(error.to_string()))
}

fn figures(status: &Status<'_>, before: &Figures) -> Figures {
    let Status { counts, metrics, .. } = status;
    let Counts { records, rejected: _, filtered, duplicates, sampled_out, .. } = counts;
    let late_labels = status.late_labels.map(summary::late_labels);
    Figures {
        state: match status.moment {
            Moment::Other => State::Starting,
            Moment::Chunk | Moment::Idle => State::Running,
            Moment::End(error) => ended(error),
        },
        elapsed_s: status.elapsed.as_secs_f64(),
        read: *records,
        bytes: counts.bytes,
        // Reasons that have not occurred are there too: a rate needs a beginning.
        rejected: Reason::ALL.map(|reason| (reason.name(), counts.by_reason.get(&reason).copied().unwrap_or(0))).into(),
        filtered: *filtered,
        duplicates: *duplicates,
        sampled_out: *sampled_out,
        total: never_falling(&metrics.total, &before.total),
        mean_log_loss: metrics.total.log_loss.mean(),
        auc: metrics.auc.value().map(|auc| (auc, metrics.auc.error())),
        version: status.version,
        event_time: event_time(status),
        open_labels: late_labels.as_ref().map(LateLabelsSummary::open),
        alarms: status.alarms,
        stages: rising(summary::times(&status.stages()), &before.stages),
        pass: None,
    }
}

/// The sums, none of them below what was told before: a label that is corrected takes back what it had added, and a
/// counter that falls would be taken for one that has begun anew.
fn never_falling(now: &Tally, before: &Tally) -> Tally {
    let mut told = *now;
    let (loss, sums) = (&mut told.log_loss, &mut told.calibration);
    for (now, before) in [
        (&mut loss.loss, before.log_loss.loss),
        (&mut loss.weight, before.log_loss.weight),
        (&mut sums.weight, before.calibration.weight),
        (&mut sums.positive, before.calibration.positive),
        (&mut sums.predicted, before.calibration.predicted),
        (&mut sums.squared, before.calibration.squared),
        (&mut sums.correct, before.calibration.correct),
    ] {
        *now = now.max(before);
    }
    told
}

/// The times of stages, none of them below what was told before: a look may fall between the end of a wait and its being
/// booked.
fn rising(mut now: Vec<(String, StageTime)>, before: &[(String, StageTime)]) -> Vec<(String, StageTime)> {
    for (name, time) in &mut now {
        let Some((_, told)) = before.iter().find(|(known, _)| known == name) else { continue };
        time.busy_s = time.busy_s.max(told.busy_s);
        time.starved_s = time.starved_s.max(told.starved_s);
        time.blocked_s = time.blocked_s.max(told.blocked_s);
    }
    now
}

fn event_time(status: &Status<'_>) -> Option<EventTimeFigures> {
    let of = status.event_time.as_ref()?;
    let watermark = of.clock.watermark();
    Some(EventTimeFigures {
        watermark_s: (watermark != MISSING).then(|| watermark as f64 / SECOND as f64),
        lag_s: status.lag_s(),
        late: of.clock.late,
        without_time: of.clock.timeless,
        held: of.held,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metrics;

    #[test]
    fn figures_that_are_being_read_are_told_at_the_next_look_and_the_end_waits() {
        let latest = Latest::default();
        let mut publisher = Publisher::new(latest.clone());
        let (mut counts, mut metrics) = (Counts { records: 5, ..Counts::default() }, Metrics::default());
        let reading = latest.lock().unwrap();
        publisher.take(&Status { moment: Moment::Chunk, ..Status::of(&counts, &mut metrics) });
        assert!(publisher.told.is_none());
        drop(reading);
        publisher.take(&Status { moment: Moment::Chunk, ..Status::of(&counts, &mut metrics) });
        assert_eq!((of(&latest).read, of(&latest).state), (5, State::Running));
        counts.records = 6;
        publisher.take(&Status { moment: Moment::End(None), ..Status::of(&counts, &mut metrics) });
        assert_eq!((of(&latest).read, of(&latest).state), (6, State::Finished));
    }

    #[test]
    fn sums_that_a_correction_takes_back_are_told_as_they_were() {
        let mut metrics = Metrics::default();
        metrics.add(&[3.0], &[1.0], &[1.0]);
        let before = metrics.total;
        metrics.add(&[-3.0], &[1.0], &[-1.0]);
        assert!(metrics.total.log_loss.loss < before.log_loss.loss);
        assert_eq!(never_falling(&metrics.total, &before).log_loss, before.log_loss);
        metrics.add(&[-9.0], &[1.0], &[1.0]);
        assert_eq!(never_falling(&metrics.total, &before).log_loss.loss, metrics.total.log_loss.loss);
    }

    #[test]
    fn times_that_a_look_finds_on_their_way_from_one_place_to_another_are_told_as_they_were() {
        let of = |starved_s| StageTime { busy_s: 1.0, starved_s, blocked_s: 0.0, threads: 1 };
        let told = rising(vec![("source".into(), of(2.0)), ("sink".into(), of(1.0))], &[("source".into(), of(3.0))]);
        assert_eq!(told, [("source".into(), of(3.0)), ("sink".into(), of(1.0))]);
    }

    #[test]
    fn every_reason_of_a_rejection_is_told_from_the_start() {
        let (counts, mut metrics) = (Counts::default(), Metrics::default());
        let told = figures(&Status::of(&counts, &mut metrics), &Figures::default());
        assert_eq!(told.rejected.len(), Reason::ALL.len());
        assert_eq!(told.state, State::Starting);
    }
}
