//! The learners of a sweep as a table: takes them in their order, gives lines of text. It measures nothing itself.

use std::fmt::Write;

use super::number::{NOT_AVAILABLE, count, duration, figure, quantity};
use crate::sink::sweep::{LearnerSummary, SweepSummary};

/// Learners of the table at the end: what a terminal shows at once.
const SHOWN: usize = 24;

/// The best learners, a line each, below a line of names; `None` shows all.
///
/// ```
/// assert_eq!(tidemill::report::leaderboard::table(&[], Some(10)), "rank  number  log loss  setting\n");
/// ```
pub fn table(learners: &[LearnerSummary], most: Option<usize>) -> String {
    let mut text = String::from("rank  number  log loss  setting\n");
    let shown = most.unwrap_or(learners.len()).min(learners.len());
    for (learner, rank) in learners[..shown].iter().zip(1..) {
        // Text cannot fail to take a line.
        let _ = writeln!(text, "{}", line(learner, rank));
    }
    if learners.len() > shown {
        let _ = writeln!(text, "and {} more", count((learners.len() - shown) as u64));
    }
    text
}

fn line(learner: &LearnerSummary, rank: usize) -> String {
    let LearnerSummary { number, log_loss, given, .. } = learner;
    let (loss, became) = (figure(*log_loss, 6), became(learner));
    let became = if became.is_empty() { became } else { format!(" ({became})") };
    format!("{rank:>4}  {number:>6}  {loss:>8}  {given}{became}")
}

/// What became of a learner that did not come to the end with a loss; else nothing.
pub(super) fn became(learner: &LearnerSummary) -> String {
    match (learner.diverged, learner.dropped_after) {
        (true, _) => "diverged".to_owned(),
        (false, Some(after)) => format!("dropped after {}", count(after)),
        (false, None) => String::new(),
    }
}

/// The whole summary.
pub fn text(summary: &SweepSummary) -> String {
    let learners = summary.learners.len() as u64;
    let mut text = format!(
        "{} learners, {} records in {}: {} records/s on {}\n\n",
        count(learners),
        count(summary.records),
        duration(summary.elapsed_s),
        summary.records_per_s.map_or_else(|| NOT_AVAILABLE.to_owned(), quantity),
        summary.device
    );
    text += &table(&summary.learners, Some(SHOWN));
    if summary.learners.len() > SHOWN {
        text.pop();
        text += ": --summary FILE has them all\n";
    }
    let _ = writeln!(
        text,
        "\nbest constant {}, base rate {}{}",
        figure(summary.best_constant_log_loss, 6),
        figure(summary.base_rate, 5),
        summary.best_possible_log_loss.map_or_else(String::new, |loss| format!(", best possible {loss:.6}")),
    );
    let counted = [
        (summary.rejected, "records were rejected"),
        (summary.left_out as u64, "combinations were left out: they come to the settings of others"),
        (summary.dropped as u64, "learners were dropped under way: their losses are up to there"),
        (summary.diverged as u64, "learners diverged: smaller rates would not have"),
    ];
    for (many, what) in counted.into_iter().filter(|(many, _)| *many > 0) {
        let _ = writeln!(text, "{} {what}", count(many));
    }
    for warning in &summary.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Optimizer, Penalty, Settings, Update};

    fn learner(number: usize, log_loss: Option<f64>) -> LearnerSummary {
        let settings = Settings {
            update: Update::Record,
            optimizer: Optimizer::AdaGrad { learning_rate: 0.1 },
            penalty: Penalty::NONE,
            batch: 256,
            hash_bits: 18,
            frozen: false,
        };
        LearnerSummary { log_loss, ..LearnerSummary::new(number, format!("l1={number}"), &settings) }
    }

    #[test]
    fn a_table_reads_like_this() {
        let dropped = LearnerSummary { dropped_after: Some(20_000), ..learner(1, Some(0.5)) };
        let diverged = LearnerSummary { diverged: true, ..learner(2, None) };
        let all = [learner(3, Some(0.25)), dropped, diverged];
        assert_eq!(
            table(&all, None),
            "\
rank  number  log loss  setting
   1       3  0.250000  l1=3
   2       1  0.500000  l1=1 (dropped after 20,000)
   3       2      n.a.  l1=2 (diverged)
"
        );
        assert!(table(&all, Some(1)).ends_with("l1=3\nand 2 more\n"));
    }
}
