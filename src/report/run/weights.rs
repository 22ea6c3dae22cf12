//! What a run has learned: takes features by name and the weights of numbers, gives tables of the largest.

use super::{Run, short};
use crate::dictionary::shown::{Shown, Weighed};
use crate::report::number::{count, percent};
use crate::report::page::frame::{paragraph, warning};
use crate::report::page::table::Column::{Number, Text};
use crate::report::page::table::table;

/// Namespaces and numbers that are shown.
const MOST: usize = 30;

/// Hashed features by name; nothing where names are not known.
pub(super) fn features(run: &Run<'_>) -> String {
    let Some(shown) = &run.summary.features else { return String::new() };
    let mut out: String = shown.advice.iter().map(|advice| warning(advice)).collect();
    out.push_str(&paragraph(&overview(shown)));
    out.push_str("<h3>Largest weights</h3>\n");
    out.push_str(&weighed(&shown.by_weight));
    out.push_str("<h3>Most frequent</h3>\n");
    out.push_str(&weighed(&shown.by_traffic));
    out + &namespaces(shown)
}

fn overview(shown: &Shown) -> String {
    let within = match shown.distinct_error {
        0 => String::new(),
        error => format!(" (give or take {}, and {})", count(error), percent(shown.shared_error)),
    };
    format!(
        "About {} features have been seen, {} of which share a weight with another one{within}. A weight is what a feature \
         adds to the logit: +0.69 doubles the odds.",
        count(shown.distinct),
        percent(shown.shared)
    )
}

fn weighed(all: &[Weighed]) -> String {
    let row = |of: &Weighed| {
        let shared = if of.shared_with == 0 { String::new() } else { count(of.shared_with) };
        vec![short(&of.name), format!("{:+.4}", of.weight), percent(of.traffic), shared]
    };
    let head =
        [("feature", Text), ("weight", Number), ("of sampled records", Number), ("known ones that share it", Number)];
    table(&head, &all.iter().map(row).collect::<Vec<_>>())
}

fn namespaces(shown: &Shown) -> String {
    let mut largest: Vec<_> = shown.namespaces.iter().collect();
    largest.sort_by_key(|namespace| std::cmp::Reverse(namespace.features));
    largest.truncate(MOST);
    if largest.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = largest.iter().map(|of| vec![short(&of.name), count(of.features), count(of.shared)]).collect();
    let head = [("namespace", Text), ("features, about", Number), ("sharing a weight", Number)];
    format!("<h3>Namespaces</h3>\n{}", table(&head, &rows))
}

/// The largest weights of numbers; nothing where there are none.
pub(super) fn numbers(run: &Run<'_>) -> String {
    let mut all: Vec<_> = run.numeric.iter().collect();
    if all.is_empty() {
        return String::new();
    }
    all.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs())); // stable
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    let rows: Vec<_> = all.iter().map(|(name, weight)| vec![short(name), format!("{weight:+.4}")]).collect();
    let mut text =
        "Numbers are standardised, so that weights can be compared: a value one standard deviation above its mean \
                    adds this to the logit."
            .to_owned();
    if more > 0 {
        text += &format!(" Shown are the largest; there are {} more.", count(more as u64));
    }
    paragraph(&text) + &table(&[("number", Text), ("weight", Number)], &rows)
}
