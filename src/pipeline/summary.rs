//! A finished run as the summary that is written and shown.

use super::passes::LaterPass;
use super::saved::job_of;
use super::stage::StageTimes;
use super::{End, Outcome};
use crate::config::Plan;
use crate::dictionary::shown::Shown;
use crate::engine::Drifted;
use crate::engine::{EventTimeStatus, LabelCounts, LateLabelsStatus};
use crate::report::number::count;
use crate::report::verdict::verdict;
use crate::schema::Role;
use crate::sink;
use crate::sink::summary::{StageTime, Summary};
use crate::sink::told::{
    self, AlarmSummary, DriftSummary, EventTimeSummary, Joined, LateLabelsSummary, WindowsSummary,
};
use crate::source::Input;
use crate::window;

/// Features that are shown by name, of the largest weights and of the most frequent ones.
const SHOWN: usize = 10;

/// The summary of a finished run.
pub fn of(plan: &Plan, outcome: &Outcome) -> Summary {
    let counts = &outcome.counts;
    let stages = times(&outcome.stages);
    let told = outcome.told.windowed.as_ref().zip(outcome.told.segments.as_ref());
    let mut summary = Summary {
        rejected: counts.rejected,
        filtered: counts.filtered,
        duplicates: counts.duplicates,
        sampled_out: counts.sampled_out,
        updates: outcome.model.updates - outcome.first_version,
        model_version: outcome.model.updates,
        device: device(outcome),
        device_reason: outcome.device_reason.clone(),
        bottleneck: verdict(&stages, cores()).0,
        cores: cores(),
        stages,
        best_possible_log_loss: counts.best_loss.filter(|b| b.records > 0).map(|b| b.loss / b.records as f64),
        rejected_by_reason: counts.by_reason.iter().map(|(reason, &count)| (reason.name(), count)).collect(),
        threads: plan.threads as u64,
        inferred_columns: roles(&outcome.inferred),
        window_features: outcome.told.window_features.map(window_features),
        later_passes: outcome.later.all.iter().map(later_pass).collect(),
        segments: told.map(|(windowed, segments)| told::segments(windowed, segments)).unwrap_or_default(),
        windows: outcome
            .told
            .windowed
            .as_ref()
            .map(|windowed| WindowsSummary::of(windowed, outcome.told.segments.as_ref())),
        event_time: outcome.told.event_time.as_ref().map(event_time),
        late_labels: outcome.told.late_labels.map(late_labels),
        drift: outcome.told.drifted.as_ref().map(drift),
        features: outcome.names.as_ref().map(|names| Shown::of(names, &outcome.model, SHOWN)),
        inputs: plan.inputs.iter().map(Input::name).collect(),
        job: job_of(plan),
        ..Summary::new(&outcome.settings, &outcome.metrics).at_threshold(&outcome.metrics, plan.threshold)
    };
    summary.warnings.splice(..0, outcome.lost_device.iter().map(|lost| lost.note.clone()));
    summary.warnings.extend(warnings(plan, outcome));
    summary.timed(outcome.elapsed.as_secs_f64(), counts.bytes)
}

/// What the reader should know of how the run went.
fn warnings(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let (counts, mut warnings) = (&outcome.counts, Vec::new());
    if counts.records == 0 && !matches!(outcome.end, End::Stopped) {
        warnings.push("the input has no records behind its header, so nothing was learned or predicted".into());
    }
    if counts.forgotten > 0 {
        warnings.push(format!(
            "{} keys of records were forgotten before their time, so duplicates may have been learned; a larger most in \
             the deduplicate section keeps more",
            count(counts.forgotten)
        ));
    }
    warnings.extend(of_windows(outcome));
    warnings.extend(outcome.told.event_time.as_ref().and_then(of_event_time));
    warnings.extend(outcome.told.late_labels.and_then(of_late_labels));
    warnings.extend(outcome.told.of_live.iter().cloned());
    if counts.filtered > 0 && counts.filtered + counts.rejected == counts.records {
        warnings.push("the filters of the [[transform]] sections have left no record: look at their columns".into());
    }
    if counts.rejected > 0 && plan.outputs.rejected.is_none() && matches!(outcome.end, End::Whole) {
        warnings.push("--rejected FILE would show the rejected records with their reasons".into());
    }
    if matches!(outcome.end, End::Stopped) && outcome.later.all.is_empty() {
        warnings.push(match (outcome.waiting, &outcome.checkpoint) {
            (_, None) => format!("stopped by request behind record {}, before the end of its input", counts.records),
            (waiting, Some(_)) => format!(
                "stopped by request behind record {}; the last {waiting} of them wait in the checkpoint for their \
                 micro-batch: the same command with --resume goes on",
                counts.records
            ),
        });
    }
    warnings.extend(of_later_passes(plan, outcome));
    warnings
}

/// How a stream stands by its event times, as a summary has it.
pub fn event_time(status: &EventTimeStatus) -> EventTimeSummary {
    let EventTimeStatus { clock, is_in_order, held, hurried } = status;
    EventTimeSummary::of(clock, (*is_in_order, *held, *hurried))
}

/// How late labels stand, as a summary has it.
pub fn late_labels(status: LateLabelsStatus) -> LateLabelsSummary {
    match status {
        LateLabelsStatus::Due(counts, waiting) => {
            let LabelCounts { waited, learned, at_end, hurried, never } = counts;
            LateLabelsSummary::Due { waited, learned, at_end, hurried, never, waiting }
        }
        LateLabelsStatus::Joined(counts, without_id) => {
            LateLabelsSummary::Joined { counts: Joined::of(&counts), without_id }
        }
    }
}

/// Records that were not taken in the order of their event times.
fn of_event_time(status: &EventTimeStatus) -> Option<String> {
    (status.hurried > 0).then(|| {
        format!(
            "{} records were taken before --out-of-order had passed, for want of room, so their order may not be that of \
             their event times; more --open-memory holds more",
            count(status.hurried)
        )
    })
}

/// Labels that were learned before anybody could have known them.
fn of_late_labels(status: LateLabelsStatus) -> Option<String> {
    let LateLabelsStatus::Due(LabelCounts { hurried, .. }, _) = status else { return None };
    (hurried > 0).then(|| {
        format!(
            "{} labels were learned before their time had come, for want of room, so the figures are better than they \
             could have been; more --open-memory waits for more",
            count(hurried)
        )
    })
}

/// Keys of windows that there was no room for.
fn of_windows(outcome: &Outcome) -> Option<String> {
    let evicted = outcome.told.window_features.map(|size| size.evicted).filter(|&evicted| evicted > 0)?;
    Some(format!(
        "{} keys of windows were forgotten before their time, so their numbers began anew; a larger most in the section \
         keeps more",
        count(evicted)
    ))
}

fn window_features(size: window::Size) -> sink::summary::WindowFeatures {
    let window::Size { keys, bytes, evicted, expired } = size;
    sink::summary::WindowFeatures { keys, bytes, evicted, expired }
}

fn drift(drifted: &Drifted) -> DriftSummary {
    let Drifted { alarms, first, raised, reset, shadows, adopted } = drifted.clone();
    let first = first.iter().map(AlarmSummary::of).collect();
    DriftSummary { alarms, raised, reset, shadows, adopted, first }
}

fn later_pass(later: &LaterPass) -> sink::summary::LaterPass {
    let LaterPass { pass, of: _, elapsed } = later;
    let seconds = elapsed.as_secs_f64();
    sink::summary::LaterPass {
        pass: pass.number,
        records: pass.records,
        log_loss_on_records_learned_before: pass.log_loss.mean().filter(|loss| loss.is_finite()),
        elapsed_s: seconds,
        records_per_s: (seconds > 0.0).then(|| pass.records as f64 / seconds),
    }
}

/// What the user should know of later passes: those that were not made, and numbers that did not fit.
fn of_later_passes(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let Some(passes) = &plan.passes else { return Vec::new() };
    let mut warnings = Vec::new();
    let whole = matches!(outcome.end, End::Whole);
    match outcome.later.all.last() {
        None if !whole => warnings.push("the stream did not come to its end, so there were no later passes".into()),
        Some(last) if !whole => warnings.push(format!(
            "pass {} of {} ended behind {} of {} records",
            last.pass.number,
            passes.count,
            count(last.pass.records),
            count(outcome.metrics.total.records)
        )),
        _ => {}
    }
    if outcome.later.clamped > 0 {
        warnings.push(format!(
            "{} numbers are beyond 65,504, the largest that --replay-numbers f16 can hold, and were cut to that in later \
             passes; f32 keeps them",
            count(outcome.later.clamped)
        ));
    }
    warnings
}

/// The device, and the one behind it where it failed under way.
fn device(outcome: &Outcome) -> String {
    match &outcome.lost_device {
        Some(lost) => format!("{}, then {}", outcome.device, lost.then),
        None => outcome.device.clone(),
    }
}

/// The times of stages, as a summary has them.
pub fn times(stages: &[StageTimes]) -> Vec<(String, StageTime)> {
    let time = |stage: &StageTimes| StageTime {
        busy_s: stage.busy.as_secs_f64(),
        starved_s: stage.starved.as_secs_f64(),
        blocked_s: stage.blocked.as_secs_f64(),
        threads: stage.threads as u32,
    };
    stages.iter().map(|stage| (stage.name.to_owned(), time(stage))).collect()
}

/// Columns with the words for their roles.
pub fn roles(inferred: &[(String, Role)]) -> Vec<(String, String)> {
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

/// Cores that the process may use.
pub fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}
