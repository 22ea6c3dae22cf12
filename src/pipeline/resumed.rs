//! Going on from a checkpoint: takes a plan, gives the folder to write to and the checkpoint to go on from, after a
//! check that it belongs to the same job.

use serde_json::Value;

use super::saved::job_of;
use crate::checkpoint::store::Found;
use crate::checkpoint::{Header, Store};
use crate::config::{Every, OutputOptions, Plan};
use crate::error::{Error, Result};
use crate::learner::device::DeviceChoice;
use crate::source::Input;

/// Where a run keeps its checkpoints, and what it goes on from.
pub(super) struct Kept {
    pub store: Store,
    pub every: Every,
    /// Whether the user asked to go on.
    pub resume: bool,
    pub found: Option<Found>,
}

/// Opens the folder of a plan's checkpoints, if it has one.
///
/// # Errors
/// A folder that holds checkpoints of another job, or any where none are to be gone on from.
pub(super) fn open(plan: &Plan) -> Result<Option<Kept>> {
    let Some(checkpoint) = &plan.checkpoint else { return Ok(None) };
    let (every, resume) = (checkpoint.every, checkpoint.resume);
    let store = Store::open(&checkpoint.folder, checkpoint.keep)?;
    if !resume {
        return match store.is_empty()? {
            true => Ok(Some(Kept { store, every, resume, found: None })),
            false => Err(Error::usage(format!(
                "{} holds checkpoints of an earlier run: add --resume to go on from them, or name another folder",
                checkpoint.folder.display()
            ))),
        };
    }
    let found = store.newest()?;
    if let Some(found) = &found {
        check_same_job(plan, found)?;
    }
    Ok(Some(Kept { store, every, resume, found }))
}

impl Kept {
    /// What the user should know of where the run goes on.
    pub fn notes(&self) -> Vec<String> {
        match &self.found {
            None if self.resume => {
                vec![format!("no checkpoint in {} yet: starting at the beginning", self.store.folder().display())]
            }
            None => Vec::new(),
            Some(Found { path, checkpoint, damaged }) => {
                let mut notes = damaged.clone();
                notes.push(format!("resumed behind record {} from {}", checkpoint.header.records, path.display()));
                notes
            }
        }
    }
}

/// The device to go on with: where the user leaves it open, the one that learned before, so that the bits stay the same.
pub(super) fn device(plan: &Plan, header: &Header) -> DeviceChoice {
    match &plan.device {
        DeviceChoice::Auto => DeviceChoice::that_was(&header.device),
        named => named.clone(),
    }
}

/// Sees to it that the inputs that have been begun stand where they stood. Folders and patterns bring new files: behind
/// those they are more to read, before or among them they would shift all places. A name alone may change: what the
/// input holds is looked at when it is opened.
///
/// # Errors
/// A new input before one that has been begun, one that is gone from before it, or another order.
pub(super) fn check_order(header: &Header, begun: usize, plan: &Plan) -> Result<()> {
    let now: Vec<_> = plan.inputs.iter().map(Input::name).collect();
    let then = &header.inputs[..begun.min(header.inputs.len())];
    let shifted = |(at, (old, new)): (usize, (&String, &String))| {
        if old == new {
            None
        } else if now[at..].contains(old) {
            Some(format!("{new} now stands before {old}, which the checkpoint has begun to read"))
        } else {
            let is_shifted = then[at..].contains(new);
            is_shifted.then(|| format!("{old}, which the checkpoint has read, is gone, and {new} stands in its place"))
        }
    };
    let Some(what) = then.iter().zip(&now).enumerate().find_map(shifted) else { return Ok(()) };
    Err(Error::input(format!(
        "{what}: inputs that have been read come first, in the order in which they were, and new ones behind them; name \
         the files one by one in that order, give a new one a name that sorts last, or start again with an empty \
         --checkpoint folder"
    )))
}

fn check_same_job(plan: &Plan, found: &Found) -> Result<()> {
    let header = &found.checkpoint.header;
    let refused = |what: String| {
        Err(Error::usage(format!(
            "the checkpoint {} belongs to another job: {what}; go on with the job it was made by, or start again with \
             an empty --checkpoint folder",
            found.path.display()
        )))
    };
    let (then, now) = (as_json(&header.settings), as_json(&plan.settings));
    if let Some(difference) = difference("", &then, &now) {
        return refused(difference);
    }
    if let Some(difference) = difference("", &header.job, &job_of(plan)) {
        return refused(difference);
    }
    if let Some(difference) = difference("", &or_none(&header.told_apart), &or_none(&told_apart(plan))) {
        return refused(difference);
    }
    let outputs = [
        ("--predictions", header.predictions.is_some(), plan.outputs.predictions.is_some()),
        ("--metrics", header.metrics.is_some(), plan.outputs.metrics.is_some()),
        ("--side", header.side.is_some(), plan.outputs.side.is_some()),
        ("--alerts", header.alerts.is_some(), plan.outputs.alerts.is_some()),
        ("--rejected", header.rejected.is_some(), plan.outputs.rejected.is_some()),
    ];
    match outputs.iter().find(|(_, then, now)| then != now) {
        Some((flag, true, _)) => refused(format!("it was made with {flag}, and this one has none")),
        Some((flag, false, _)) => refused(format!("it was made without {flag}")),
        None => Ok(()),
    }
}

/// The options by which a plan's metrics are told apart, which the state of their windows follows; null where none are.
pub(super) fn told_apart(plan: &Plan) -> Value {
    let OutputOptions { metrics_every, segment, segments, .. } = plan.options.output.clone();
    if plan.windows.is_none() {
        return Value::Null;
    }
    as_json(&OutputOptions { metrics_every, segment, segments, ..OutputOptions::default() })
}

/// Options, with no option for null.
fn or_none(options: &Value) -> Value {
    if options.is_null() { as_json(&OutputOptions::default()) } else { options.clone() }
}

/// Settings and options are structs of text and numbers: JSON can hold them all.
fn as_json(options: &impl serde::Serialize) -> Value {
    serde_json::to_value(options).unwrap_or_default()
}

/// The first thing in which two trees differ, by the name it has on the command line.
fn difference(name: &str, then: &Value, now: &Value) -> Option<String> {
    if let (Value::Object(before), Value::Object(after)) = (then, now) {
        let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
        let value = |tree: &serde_json::Map<String, Value>, name: &String| tree.get(name).cloned().unwrap_or_default();
        // The name of an optimizer stands in a field called `name`.
        let known = |inner: &String| if inner == "name" { name.to_owned() } else { inner.replace('_', "-") };
        return names
            .into_iter()
            .find_map(|inner| difference(&known(inner), &value(before, inner), &value(after, inner)));
    }
    let written = |value: &Value| match value {
        Value::Null => "not given".to_owned(),
        // Parameters are 32-bit floats: their digits as such, not as 64-bit ones.
        Value::Number(number) if number.is_f64() => (number.as_f64().unwrap_or_default() as f32).to_string(),
        other => other.to_string(),
    };
    // Lists of sections are no flags.
    let is_section = matches!(name, "transform" | "feature");
    let is_of_job = matches!(name, "clip" | "adwin" | "page-hinkley" | "actions" | "delta" | "threshold" | "alpha");
    let name = match () {
        () if is_section => format!("[[{name}]]"),
        () if is_of_job => format!("{name} below [drift]"),
        () => format!("--{name}"),
    };
    (then != now).then(|| format!("{name} was {} and is {}", written(then), written(now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_named_as_on_the_command_line() {
        let settings =
            json!({"update": "record", "optimizer": {"name": "adagrad", "learning_rate": 0.1_f32}, "batch": 256});
        assert_eq!(difference("", &settings, &settings), None);
        let mut other = settings.clone();
        other["optimizer"]["learning_rate"] = json!(0.2_f32);
        assert_eq!(difference("", &settings, &other).unwrap(), "--learning-rate was 0.1 and is 0.2");
        other["optimizer"]["name"] = json!("sgd");
        assert_eq!(difference("", &settings, &other).unwrap(), "--optimizer was \"adagrad\" and is \"sgd\"");
        let (then, now) = (json!({"source": {}}), json!({"source": {"label": "click"}}));
        assert_eq!(difference("", &then, &now).unwrap(), "--label was not given and is \"click\"");
    }
}
