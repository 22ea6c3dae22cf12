//! A run that trains a saved model on: its plan, the state it starts from, and a line that says what was taken over.

use std::path::Path;

use super::saved;
use super::start::Saved;
use crate::checkpoint::stored;
use crate::config::{EventTimeOptions, Options, Plan};
use crate::error::Result;
use crate::learner::{Model, Optimizer, Penalty, Settings};
use crate::report::number::count;
use crate::source::Input;

/// The plan of a run to train, and the model that it goes on from where `--warm-start` names one.
///
/// # Errors
/// Options that cannot be carried out, or a file that is no model.
pub fn plan(options: Options) -> Result<(Plan, Option<Saved>)> {
    let Some(path) = options.learner.warm_start.clone() else { return Ok((Plan::new(options, &[])?, None)) };
    let (file, mut notes) = stored::open(Path::new(&path))?.into_model()?;
    let (base, has_format) = (saved::options_of(&file)?, options.source.format.is_some());
    notes.extend(late_before(&base.event_time, &options.event_time));
    let mut saved = saved::to_predict(file)?;
    let mut plan = Plan::training_on(options, base, saved.model.hash_bits)?;
    if !has_format && plan.inputs.first() == Some(&Input::Stdin) {
        plan.format = saved.schema.format; // a pipe has no extension that could tell
    }
    notes.push(note(&saved.model, &plan.settings));
    saved.note = Some(notes.join("; "));
    saved.model = saved.model.for_rule(plan.settings.optimizer, plan.settings.penalty);
    Ok((plan, Some(saved)))
}

/// How labels come is said anew for each stream: what the user should know where they came late before.
fn late_before(before: &EventTimeOptions, now: &EventTimeOptions) -> Option<String> {
    let late = |of: &EventTimeOptions| {
        let EventTimeOptions { label_delay, label_time, join_timeout, .. } = of.clone();
        [("--label-delay", label_delay), ("--label-time", label_time), ("--join-timeout", join_timeout)]
            .into_iter()
            .find_map(|(flag, value)| Some(format!("{flag} {}", value?)))
    };
    let before = late(before).filter(|_| late(now).is_none())?;
    Some(format!("the model was learned with {before}: name that again where labels come late here too"))
}

/// What a model brings to a run with other settings, or the same.
fn note(model: &Model, settings: &Settings) -> String {
    let (version, from, to) = (count(model.updates), model.optimizer, settings.optimizer);
    let start = format!("warm start: version {version} ({})", from.name());
    if (from, model.penalty) == (to, settings.penalty) {
        return format!("{start} goes on exactly");
    }
    if from.name() == to.name() {
        return format!("{start} with other rates or penalties, weights kept");
    }
    let is_sgd = |optimizer| matches!(optimizer, Optimizer::Sgd { .. });
    let rates = match (is_sgd(from), is_sgd(to)) {
        (true, _) => "; its rates start anew",
        (_, true) => "",
        _ => ", and its sums of squared gradients",
    };
    let lost = model.penalty != Penalty::NONE && settings.penalty == Penalty::NONE;
    let penalties = if lost { ", without its penalties" } else { "" };
    format!("{start} as {}, weights kept{rates}{penalties}", to.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Shape, Update};

    #[test]
    fn labels_that_came_late_before_are_told_where_nothing_is_said_of_them() {
        let late = EventTimeOptions { label_delay: Some("7d".into()), ..EventTimeOptions::default() };
        let told = late_before(&late, &EventTimeOptions::default()).unwrap();
        assert!(told.contains("--label-delay 7d"), "{told}");
        assert_eq!((late_before(&late, &late), late_before(&EventTimeOptions::default(), &late)), (None, None));
    }

    #[test]
    fn the_note_says_what_was_taken_over() {
        let adagrad = Optimizer::AdaGrad { learning_rate: 0.1 };
        let (sgd, ftrl) =
            (Optimizer::Sgd { learning_rate: 0.1, power_t: 0.0 }, Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 });
        for (from, to, words) in [
            (adagrad, adagrad, "version 1,000 (adagrad) goes on exactly"),
            (
                adagrad,
                Optimizer::AdaGrad { learning_rate: 0.2 },
                "(adagrad) with other rates or penalties, weights kept",
            ),
            (adagrad, ftrl, "(adagrad) as ftrl, weights kept, and its sums of squared gradients"),
            (sgd, ftrl, "(sgd) as ftrl, weights kept; its rates start anew"),
            (ftrl, sgd, "(ftrl) as sgd, weights kept"),
        ] {
            let mut model = Model::new(Shape { numeric: 0, hash_bits: 2 }, from, Penalty::NONE);
            model.updates = 1000;
            let settings = Settings {
                update: Update::Record,
                optimizer: to,
                penalty: Penalty::NONE,
                batch: 1,
                hash_bits: 2,
                frozen: false,
            };
            assert!(note(&model, &settings).ends_with(words), "{}", note(&model, &settings));
        }
    }
}
