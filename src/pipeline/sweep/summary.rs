//! A finished sweep as the summary that is written and shown, and its learners at any moment.

use super::{Ranked, Swept};
use crate::config::sweep::Sweep;
use crate::sink::summary::Summary;
use crate::sink::sweep::{LearnerSummary, SweepSummary};

/// The summary of a finished sweep.
pub fn of(sweep: &Sweep, swept: &Swept) -> SweepSummary {
    // Of the run's own figures those count that do not depend on who predicted.
    let run: Summary = crate::pipeline::summary::of(&sweep.plan, &swept.outcome);
    SweepSummary {
        records: run.records,
        labelled: run.labelled,
        rejected: run.rejected,
        base_rate: run.base_rate,
        best_constant_log_loss: run.best_constant_log_loss,
        best_possible_log_loss: run.best_possible_log_loss,
        elapsed_s: run.elapsed_s,
        records_per_s: run.records_per_s,
        device: run.device,
        promoted: swept.promoted.map(|place| place + 1),
        left_out: sweep.left_out,
        dropped: swept.ranking.iter().filter(|of| of.dropped_after.is_some()).count(),
        diverged: swept.ranking.iter().filter(|of| of.has_diverged()).count(),
        learners: learners(sweep, &swept.ranking),
        warnings: run.warnings,
    }
}

/// Learners in the order of a ranking, with what they are.
pub fn learners(sweep: &Sweep, ranking: &[Ranked]) -> Vec<LearnerSummary> {
    let learner = |of: &Ranked| {
        let candidate = &sweep.candidates[of.place];
        LearnerSummary {
            log_loss: of.log_loss.filter(|loss| loss.is_finite()),
            diverged: of.has_diverged(),
            dropped_after: of.dropped_after,
            ..LearnerSummary::new(of.place + 1, candidate.name(), &candidate.settings)
        }
    };
    ranking.iter().map(learner).collect()
}
