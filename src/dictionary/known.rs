//! What a model file keeps of the dictionary: takes what was counted and the model's weights, gives so many names, the
//! largest weights and the most frequent ones, with the namespaces and what to do where too many features share a
//! weight.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::distinct::{Distinct, Estimate};
use super::traffic::{Entry, Traffic};
use crate::learner::Model;

/// Most names that are kept, half of them for their weights.
const MOST: usize = 1000;

/// Features by name, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Records that counts of names are out of.
    pub records: u64,
    /// The hashed table has `2^hash_bits` weights.
    pub hash_bits: u32,
    /// How many features there are.
    pub features: Estimate,
    /// The share of them that have a weight in common with another one.
    pub shared: Estimate,
    /// A larger table to be had, where that share is too large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<Larger>,
    /// The namespaces, by name.
    pub namespaces: Vec<Namespace>,
    /// The names, the most frequent first.
    pub names: Vec<Name>,
}

/// A larger table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Larger {
    /// It has `2^hash_bits` weights.
    pub hash_bits: u32,
    /// The share of features that would have one in common with another.
    pub shared: f64,
}

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its name; of products, those of their factors with `*` between them.
    pub name: String,
    /// Its features, about.
    pub features: u64,
    /// Those of them that have a weight in common with another one of any namespace, about.
    pub shared: u64,
}

/// A feature that is known by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// What it is called.
    pub name: String,
    /// Its hash, of which the lower bits are its place in the table.
    pub hash: u32,
    /// Records with it.
    pub count: u64,
    /// How many of them at most were of other features.
    pub error: u64,
}

impl Known {
    pub(super) fn of(traffic: &Traffic, distinct: &Distinct, model: &Model) -> Self {
        let shared = |bits| distinct.shared(bits);
        let features = distinct.features();
        let named = traffic.entries().len() as f64; // of few features, the names know better than a part of the slots
        Self {
            records: traffic.records(),
            hash_bits: model.hash_bits,
            features: Estimate { value: features.value.max(named), ..features },
            shared: shared(model.hash_bits),
            advice: distinct.advice().map(|bits| Larger { hash_bits: bits, shared: shared(bits).value }),
            namespaces: namespaces(traffic, distinct),
            names: names(traffic.entries(), model),
        }
    }
}

fn namespaces(traffic: &Traffic, distinct: &Distinct) -> Vec<Namespace> {
    let mut all: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (name, features, shared) in distinct.by_namespace() {
        all.insert(name, (features as u64, shared as u64));
    }
    for (name, named) in traffic.by_namespace() {
        let (features, _) = all.entry(name).or_default();
        *features = named.max(*features);
    }
    let namespace = |(name, (features, shared)): (&str, _)| Namespace { name: name.to_owned(), features, shared };
    all.into_iter().map(namespace).filter(|namespace| namespace.features > 0).collect()
}

fn names(entries: &[Entry], model: &Model) -> Vec<Name> {
    let mut by_weight: Vec<_> = entries.iter().map(|entry| (model.hashed_weight(entry.hash).abs(), entry)).collect();
    by_weight.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| by_traffic(a.1, b.1)));
    let mut of_traffic: Vec<&Entry> = entries.iter().collect();
    of_traffic.sort_unstable_by(|a, b| by_traffic(a, b));
    let heavy: HashSet<(u32, &str)> =
        by_weight.iter().take(MOST / 2).map(|(_, entry)| (entry.hash, entry.name.as_str())).collect();
    let mut room = MOST.saturating_sub(heavy.len());
    let is_kept = |entry: &&Entry| {
        let is_heavy = heavy.contains(&(entry.hash, entry.name.as_str()));
        let has_room = !is_heavy && room > 0;
        room -= usize::from(has_room);
        is_heavy || has_room
    };
    let name =
        |entry: &Entry| Name { name: entry.name.clone(), hash: entry.hash, count: entry.count, error: entry.error };
    of_traffic.into_iter().filter(is_kept).map(name).collect()
}

/// The most frequent first, and no two of one rank.
fn by_traffic(a: &Entry, b: &Entry) -> std::cmp::Ordering {
    b.count.cmp(&a.count).then_with(|| (&a.name, a.hash).cmp(&(&b.name, b.hash)))
}
