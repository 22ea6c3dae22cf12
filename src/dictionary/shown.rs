//! What is shown of the names that are known: takes them and the model, gives the largest weights and the most frequent
//! features by name, and in words what to do where too many share a weight.

use std::collections::HashMap;

use serde::Serialize;

use super::known::{Known, Name, Namespace};
use crate::learner::Model;

/// Features by name beside a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Shown {
    /// How many features there are, about.
    pub distinct: u64,
    /// One standard deviation of what that may be off.
    pub distinct_error: u64,
    /// The share of them that have a weight in common with another one.
    pub shared: f64,
    /// One standard deviation of what that may be off.
    pub shared_error: f64,
    /// The namespaces, by name.
    pub namespaces: Vec<Namespace>,
    /// The largest weights, by absolute value.
    pub by_weight: Vec<Weighed>,
    /// The most frequent features.
    pub by_traffic: Vec<Weighed>,
    /// What to do where too many have a weight in common.
    pub advice: Option<String>,
}

/// A feature with its weight.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Weighed {
    /// What it is called.
    pub name: String,
    /// Its weight.
    pub weight: f32,
    /// The share of records with it.
    pub traffic: f64,
    /// How many others that are known by name have the same weight.
    pub shared_with: u64,
}

impl Shown {
    /// The `top` largest weights and the `top` most frequent of what is known.
    pub fn of(known: &Known, model: &Model, top: usize) -> Self {
        let weighed = weighed(known, model);
        let mut by_weight = weighed.clone();
        // Stable: of equal weights the most frequent comes first.
        by_weight.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        let first = |weighed: Vec<Weighed>| weighed.into_iter().take(top).collect();
        Self {
            distinct: known.features.value.round() as u64,
            distinct_error: known.features.error.round() as u64,
            shared: known.shared.value,
            shared_error: known.shared.error,
            namespaces: known.namespaces.clone(),
            by_weight: first(by_weight),
            by_traffic: first(weighed),
            advice: advice(known),
        }
    }
}

/// The names with their weights, the most frequent first.
fn weighed(known: &Known, model: &Model) -> Vec<Weighed> {
    let mut places: HashMap<usize, u64> = HashMap::new();
    let place = |name: &Name| model.place(name.hash);
    known.names.iter().for_each(|name| *places.entry(place(name)).or_default() += 1);
    let weighed = |name: &Name| Weighed {
        name: name.name.clone(),
        weight: model.hashed_weight(name.hash),
        traffic: name.count as f64 / known.records.max(1) as f64,
        shared_with: places[&place(name)] - 1,
    };
    known.names.iter().map(weighed).collect()
}

/// ```text
/// 40 % of about 210,000 features share a weight with another: --hash-bits 23 would leave 0.9 %
/// ```
fn advice(known: &Known) -> Option<String> {
    let larger = known.advice?;
    Some(format!(
        "{:.0} % of about {:.0} features share one of 2^{} weights with another: --hash-bits {} would leave {:.1} %",
        100.0 * known.shared.value,
        known.features.value,
        known.hash_bits,
        larger.hash_bits,
        100.0 * larger.shared
    ))
}
