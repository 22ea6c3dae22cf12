//! Hashed features by name: takes a model that knows some, gives its namespaces, the largest weights, the most frequent
//! features, and what to do where too many share a weight.

use crate::dictionary::known::Namespace;
use crate::dictionary::shown::{Shown, Weighed};
use crate::report::number::{count, percent};
use crate::sink::model::SavedModel;

/// The text, each line ended; nothing where no names are known. `top` namespaces are shown, and as many features by
/// weight and by traffic.
pub(super) fn text(saved: &SavedModel, top: usize) -> String {
    let Some(known) = &saved.names else { return String::new() };
    let shown = Shown::of(known, &saved.model, top);
    let lines = |weighed: &[Weighed]| weighed.iter().map(line).collect::<String>();
    let blocks = [
        overview(&shown) + &namespaces(&shown.namespaces, top),
        format!("largest weights of {} features known by name\n", known.names.len()) + &lines(&shown.by_weight),
        "most frequent features\n".to_owned() + &lines(&shown.by_traffic),
    ];
    blocks.join("\n")
}

fn overview(shown: &Shown) -> String {
    let Shown { distinct, distinct_error, shared, shared_error, advice, .. } = shown;
    let within = match distinct_error {
        0 => String::new(),
        error => format!(" (give or take {}, and {})", count(*error), percent(*shared_error)),
    };
    let advice = advice.as_ref().map_or(String::new(), |advice| format!("advice: {advice}\n"));
    let share = percent(*shared);
    format!("features: {}, {share} share a weight with another{within}\n{advice}", count(*distinct))
}

/// The largest of them, and how many are left.
fn namespaces(all: &[Namespace], top: usize) -> String {
    let mut largest: Vec<_> = all.iter().collect();
    largest.sort_by_key(|namespace| std::cmp::Reverse(namespace.features));
    let shown: String = largest.iter().take(top).map(|one| namespace(one)).collect();
    match all.len().saturating_sub(top) {
        0 => shown,
        left => format!("{shown}{left:>12}  more namespaces\n"),
    }
}

fn namespace(namespace: &Namespace) -> String {
    let Namespace { name, features, shared } = namespace;
    let name = if name.is_empty() { "(no name)" } else { name };
    format!("{:>12}  {name}, {} of them sharing\n", count(*features), count(*shared))
}

fn line(weighed: &Weighed) -> String {
    let Weighed { name, weight, traffic, shared_with } = weighed;
    let shared = match shared_with {
        0 => String::new(),
        others => format!(", and {others} more known by name with the same weight"),
    };
    format!("{weight:>12.6}  {name}, in {} of the records{shared}\n", percent(*traffic))
}
