//! A finished run as a page: takes the plan, what the run left behind and its summary, gives HTML.

use super::Outcome;
use crate::config::Plan;
use crate::report::run::{self, Run};
use crate::sink::summary::Summary;
use crate::source::Input;

/// Inputs that a title names.
const NAMED: usize = 3;

/// The page of a run; `command` is what it was asked for by.
pub fn of(plan: &Plan, outcome: &Outcome, summary: &Summary, command: &str) -> String {
    let alarms = outcome.told.drifted.as_ref().map_or(&[][..], |drifted| &drifted.first);
    let numeric = outcome.schema.dense_names().into_iter().zip(outcome.model.dense_weights()).collect();
    run::html(&Run {
        title: title(plan, command),
        summary,
        metrics: &outcome.metrics,
        course: outcome.told.course.as_ref(),
        alarms,
        pace: outcome.pace.rates().collect(),
        seconds_before: outcome.pace.before(),
        numeric,
        // A job is text and numbers: what cannot be written as TOML is not in it.
        job: toml::to_string(&plan.written_out(&outcome.schema)).unwrap_or_default(),
    })
}

/// What was done, and to what.
pub fn title(plan: &Plan, command: &str) -> String {
    let names: Vec<String> = plan.inputs.iter().map(Input::name).collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("tidemill {command}: {}{more}", names[..names.len().min(NAMED)].join(", "))
}
