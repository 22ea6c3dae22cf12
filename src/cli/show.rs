//! What a run shows while it lasts and at its end, all on standard error; standard output is for data.

use std::io::IsTerminal;
use std::time::Duration;

use crate::config::Plan;
use crate::error::Result;
use crate::pipeline::stage::StageTimes;
use crate::pipeline::{Outcome, Status};
use crate::report;
use crate::report::progress::{Progress, Tick};
use crate::report::verdict::{bound_so_far, verdict};
use crate::schema::Role;
use crate::sink::summary::{StageTime, Summary};

/// Progress of a run on standard error.
pub(super) struct Live(Progress);

/// Progress for a plan: a bar on a terminal, lines elsewhere.
pub(super) fn progress(plan: &Plan, quiet: bool) -> Live {
    let sizes: Option<u64> = plan.inputs.iter().map(|input| input.size()).sum();
    // Compressed inputs are counted after decompression, so their size on disk says nothing.
    let is_plain = plan.inputs.iter().all(|input| input.is_plain());
    Live(Progress::new(quiet, std::io::stderr().is_terminal(), sizes.filter(|_| is_plain)))
}

impl Live {
    /// Shows where a run stands, if it is time.
    pub(super) fn observe(&mut self, status: Status<'_>) {
        let Status { counts, metrics, elapsed, stages, inferred } = status;
        if !inferred.is_empty() {
            self.0.note(&format!("inferred: {}", report::summary::inferred(&named_roles(inferred))));
        }
        let records = metrics.total.records;
        if !self.0.due(records, elapsed) {
            return;
        }
        let since_last = metrics.take_since_last();
        // A run under way knows the time of its engine alone.
        let bound = times(stages).first().map_or_else(String::new, |(name, time)| bound_so_far(name, time));
        let tick = Tick {
            records,
            log_loss: metrics.total.log_loss.mean(),
            since_last: since_last.log_loss.mean(),
            records_per_s: rate(counts.records, elapsed),
            bound: if elapsed > Duration::from_secs(1) { &bound } else { "" },
            bytes: counts.bytes,
            last: metrics.last,
        };
        self.0.show(&tick, elapsed);
    }

    /// Makes room for the summary.
    pub(super) fn finish(&mut self) {
        self.0.finish();
    }
}

/// Cores that the process may use.
fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

fn rate(count: u64, elapsed: Duration) -> Option<f64> {
    let seconds = elapsed.as_secs_f64();
    (seconds > 0.0).then(|| count as f64 / seconds)
}

fn times(stages: &[StageTimes]) -> Vec<(String, StageTime)> {
    let time = |stage: &StageTimes| StageTime {
        busy_s: stage.busy.as_secs_f64(),
        starved_s: stage.starved.as_secs_f64(),
        blocked_s: stage.blocked.as_secs_f64(),
        threads: stage.threads as u32,
    };
    stages.iter().map(|stage| (stage.name.to_owned(), time(stage))).collect()
}

/// The summary of a finished run.
pub(super) fn summary(plan: &Plan, outcome: &Outcome) -> Summary {
    let counts = &outcome.counts;
    let stages = times(&outcome.stages);
    let mut summary = Summary {
        rejected: counts.rejected,
        updates: outcome.model.updates - outcome.first_version,
        model_version: outcome.model.updates,
        device: outcome.device.clone(),
        device_reason: outcome.device_reason.clone(),
        bottleneck: verdict(&stages, cores()).0,
        cores: cores(),
        stages,
        best_possible_log_loss: counts.best_loss.filter(|b| b.records > 0).map(|b| b.loss / b.records as f64),
        rejected_by_reason: counts.by_reason.iter().map(|(reason, &count)| (reason.name(), count)).collect(),
        threads: plan.threads as u64,
        inferred_columns: named_roles(&outcome.inferred),
        ..Summary::new(&outcome.settings, &outcome.metrics)
    };
    if counts.records == 0 {
        summary.warnings.push("the input has no records behind its header, so nothing was learned or predicted".into());
    }
    if counts.rejected > 0 && plan.outputs.rejected.is_none() && outcome.stopped.is_none() {
        summary.warnings.push("--rejected FILE would show the rejected records with their reasons".into());
    }
    summary.timed(outcome.elapsed.as_secs_f64(), counts.bytes)
}

fn named_roles(inferred: &[(String, Role)]) -> Vec<(String, String)> {
    inferred.iter().map(|(name, role)| (name.clone(), role_name(*role).to_owned())).collect()
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Numeric => "numeric",
        Role::Categorical => "categorical",
        Role::Time => "event time (not a feature)",
        Role::Label => "label",
        Role::Weight => "weight",
        Role::Id => "id",
        Role::Ignored => "ignored",
    }
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
