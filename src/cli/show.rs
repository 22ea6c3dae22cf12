//! What a run shows while it lasts and at its end, all on standard error; standard output is for data.

use std::io::IsTerminal;
use std::time::Duration;

use crate::config::Plan;
use crate::config::sweep::Sweep;
use crate::error::Result;
use crate::metric::log_loss::LogLoss;
use crate::pipeline::passes::LaterPass;
use crate::pipeline::summary::{cores, roles, times};
use crate::pipeline::sweep::{self, Swept};
use crate::pipeline::{End, Moment, Outcome, Status, page, summary};
use crate::report;
use crate::report::progress::{Progress, Tick};
use crate::report::view::{Look, View};
use crate::schema::{Role, Schema};
use crate::sink::output::replace;
use crate::sink::summary::Summary;
use crate::sink::sweep::{LearnerSummary, SweepSummary};

/// Learners that are shown while a sweep lasts.
const LEADERS: usize = 10;

/// Progress of a run on standard error.
pub(super) struct Live {
    progress: Progress,
    view: View,
    /// The loss of the last records that had a label, for looks before which none have come.
    since_last: Option<f64>,
    /// The pass that was shown last.
    pass: u32,
}

/// Progress for a plan: a bar on a terminal, lines elsewhere.
pub(super) fn progress(plan: &Plan, quiet: bool) -> Live {
    let progress = Progress::new(quiet, std::io::stderr().is_terminal(), total_bytes(plan));
    Live { progress, view: View::default(), since_last: None, pass: 1 }
}

/// Bytes of all inputs, where that says how far a run is.
fn total_bytes(plan: &Plan) -> Option<u64> {
    let sizes: Option<u64> = plan.inputs.iter().map(|input| input.size()).sum();
    // Compressed inputs are counted after decompression, so their size on disk says nothing.
    let is_plain = plan.inputs.iter().all(|input| input.is_plain());
    sizes.filter(|_| is_plain && !plan.live.has_no_end())
}

impl Live {
    /// Shows where a run stands, if it is time.
    pub(super) fn observe(&mut self, mut status: Status<'_>) {
        if let Some(later) = status.later {
            return self.observe_later(later, &status);
        }
        self.say(&status);
        // Lines tell of records, a bar of time.
        let is_silent = matches!(status.moment, Moment::Idle | Moment::End(_));
        let room = self.progress.room();
        let records = status.metrics.total.records;
        if is_silent && room.is_none() || !self.progress.due(records, status.elapsed) {
            return;
        }
        let since_last = status.metrics.take_since_last();
        // A bar is drawn anew though nothing may have come since; a line has a stretch of its own.
        let before = self.since_last.filter(|_| room.is_some());
        self.since_last = since_last.log_loss.mean().or(before);
        let event_time = status.event_time.as_ref().map(summary::event_time);
        let below = room.map(|room| self.view.lines(&look(&mut status, &since_last.log_loss), room));
        let (counts, metrics, elapsed) = (status.counts, status.metrics, status.elapsed);
        let tick = Tick {
            records,
            below: below.as_deref().unwrap_or_default(),
            watermark: event_time.as_ref().and_then(|of| of.watermark.as_deref()),
            log_loss: metrics.total.log_loss.mean(),
            since_last: self.since_last,
            records_per_s: rate(counts.records, elapsed),
            bytes: counts.bytes,
            last: metrics.last,
            ..Tick::default()
        };
        self.progress.show(&tick, elapsed);
    }

    /// Says what the user should know, and how columns are understood.
    fn say(&mut self, status: &Status<'_>) {
        status.notes.iter().for_each(|note| self.progress.note(note));
        if !status.inferred.is_empty() {
            self.progress.note(&format!("inferred: {}", report::summary::inferred(&roles(status.inferred))));
        }
    }

    /// The same in a pass over records that have been learned before.
    fn observe_later(&mut self, later: &LaterPass, status: &Status<'_>) {
        let LaterPass { pass, of, elapsed } = later;
        if std::mem::replace(&mut self.pass, pass.number) != pass.number {
            self.progress
                .start_again(&format!("pass {} of {of}, on records that have been learned before:", pass.number));
        }
        if !self.progress.due(pass.records, *elapsed) {
            return;
        }
        let share = pass.records as f64 / status.metrics.total.records.max(1) as f64;
        let tick = Tick {
            records: pass.records,
            log_loss: pass.log_loss.mean(),
            records_per_s: rate(pass.records, *elapsed),
            bytes: (share * status.counts.bytes as f64) as u64,
            pass: Some((pass.number, *of)),
            ..Tick::default()
        };
        self.progress.show(&tick, *elapsed);
    }

    /// Shows where a sweep stands, if it is time; `leaders` gives the best learners, of which the first has the loss to be
    /// shown.
    ///
    /// # Errors
    /// Whatever kept `leaders` from knowing.
    pub(super) fn observe_sweep(
        &mut self,
        status: Status<'_>,
        leaders: impl FnOnce() -> Result<Vec<LearnerSummary>>,
    ) -> Result<()> {
        self.say(&status);
        let Status { moment, counts, metrics, elapsed, .. } = status;
        let records = metrics.total.records;
        if matches!(moment, Moment::Idle | Moment::End(_)) || !self.progress.due(records, elapsed) {
            return Ok(());
        }
        let leaders = leaders()?;
        let below = report::leaderboard::table(&leaders, Some(LEADERS));
        let tick = Tick {
            records,
            log_loss: leaders.first().and_then(|best| best.log_loss),
            records_per_s: rate(counts.records, elapsed),
            bytes: counts.bytes,
            below: &below,
            ..Tick::default()
        };
        self.progress.show(&tick, elapsed);
        Ok(())
    }

    /// Makes room for the summary.
    pub(super) fn finish(&mut self) {
        self.progress.finish();
    }
}

/// What the lines below a bar are made of.
fn look(status: &mut Status<'_>, since_last: &LogLoss) -> Look {
    let counts = status.counts;
    Look {
        elapsed: status.elapsed,
        records: counts.records,
        since_last: *since_last,
        stages: times(&status.stages()),
        cores: cores(),
        event_time: status.event_time.as_ref().map(summary::event_time),
        lag_s: status.lag_s(),
        late_labels: status.late_labels.map(summary::late_labels),
        left_out: vec![
            ("rejected", counts.rejected),
            ("filtered", counts.filtered),
            ("duplicates", counts.duplicates),
            ("sampled out", counts.sampled_out),
        ],
    }
}

fn rate(count: u64, elapsed: Duration) -> Option<f64> {
    let seconds = elapsed.as_secs_f64();
    (seconds > 0.0).then(|| count as f64 / seconds)
}

/// Prints the summary, and writes it where it is wanted.
///
/// # Errors
/// A summary file that cannot be written.
pub(super) fn end(plan: &Plan, summary: &Summary, quiet: bool) -> Result<()> {
    if !quiet {
        super::say(&report::summary::text(summary));
    }
    plan.outputs.summary.as_deref().map_or(Ok(()), |path| summary.write(path))
}

/// Writes the page of a run where it is wanted.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn report(plan: &Plan, outcome: &Outcome, summary: &Summary, command: &str) -> Result<()> {
    let Some(path) = plan.outputs.report.as_deref() else { return Ok(()) };
    let page = page::of(plan, outcome, summary, command);
    replace(path, |to| to.write_all(page.as_bytes()))
}

/// The same of a sweep.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn sweep_report(sweep: &Sweep, swept: &Swept, figures: &SweepSummary) -> Result<()> {
    let Some(path) = sweep.plan.outputs.report.as_deref() else { return Ok(()) };
    let page = sweep::page::of(sweep, swept, figures);
    replace(path, |to| to.write_all(page.as_bytes()))
}

/// The outcome of a command, by how its stream ended: to be stopped is to have done what was asked.
pub(super) fn ended(end: End) -> Result<()> {
    match end {
        End::Whole | End::Stopped => Ok(()),
        End::Broken(error) => Err(error),
    }
}

/// The columns by what they are for, a line a role.
pub(super) fn columns(schema: &Schema) -> String {
    let roles = [
        (Role::Label, "label"),
        (Role::Weight, "weight"),
        (Role::Id, "id"),
        (Role::Time, "time"),
        (Role::Numeric, "numeric"),
        (Role::Categorical, "categorical"),
        (Role::Ignored, "ignored"),
    ];
    let named = roles.into_iter().map(|(role, word)| (word, schema.names(role))).filter(|(_, names)| !names.is_empty());
    named.map(|(word, names)| format!("{word:<12}{names}\n")).collect()
}
