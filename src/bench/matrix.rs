//! What is measured: gives the cases - a shape, a micro-batch, a number of learners, an update rule - of each extent.
//!
//! The full product has every size of a micro-batch with every number of learners. By default one of the two is varied
//! at a time: all micro-batches for one learner, all numbers of learners for two micro-batches.

use serde::Serialize;

use crate::learner::made_up::Kind;
use crate::learner::{Shape, Update};

/// How much of the full product is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// Two shapes, two micro-batches, two numbers of learners.
    Quick,
    /// One size varied at a time.
    Default,
    /// All of it.
    Full,
}

/// The shapes, with their names.
pub const SHAPES: [(&str, Kind); 5] = [
    ("dense 28", Kind { shape: Shape { numeric: 28, hash_bits: 1 }, features: 0 }),
    ("sparse 39 of 2^20", Kind { shape: Shape { numeric: 0, hash_bits: 20 }, features: 39 }),
    ("dense 256", Kind { shape: Shape { numeric: 256, hash_bits: 1 }, features: 0 }),
    ("dense 1000", Kind { shape: Shape { numeric: 1000, hash_bits: 1 }, features: 0 }),
    ("sparse 39 of 2^24", Kind { shape: Shape { numeric: 0, hash_bits: 24 }, features: 39 }),
];
/// Shapes of a quick look: the first ones.
const QUICK_SHAPES: usize = 2;
/// Records of a micro-batch.
pub const BATCHES: [usize; 5] = [64, 256, 1024, 4096, 16384];
/// Numbers of learners.
pub const LEARNERS: [usize; 3] = [1, 16, 256];
/// Micro-batches for which the number of learners is varied.
pub const VARIED_AT: [usize; 2] = [256, 4096];

/// Something to learn; each device's time for it is a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// The name of its shape.
    pub name: &'static str,
    /// What a record looks like.
    pub kind: Kind,
    /// Records of a micro-batch.
    pub batch: usize,
    /// Learners that learn the same stream.
    pub learners: usize,
    /// The unit of learning.
    pub update: Update,
}

impl Extent {
    fn shapes(self) -> &'static [(&'static str, Kind)] {
        if self == Self::Quick { &SHAPES[..QUICK_SHAPES] } else { &SHAPES }
    }

    /// Whether it has this micro-batch for so many learners.
    fn has(self, batch: usize, learners: usize) -> bool {
        match self {
            Self::Full => true,
            Self::Default => learners == 1 || VARIED_AT.contains(&batch),
            Self::Quick => learners < 256 && VARIED_AT.contains(&batch),
        }
    }

    /// In words, what of the full product it has.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Full => "every micro-batch with every number of learners (--full)",
            Self::Default => {
                "every micro-batch for one learner, every number of learners for micro-batches of 256 and 4096; --full \
                 has every micro-batch with every number of learners"
            }
            Self::Quick => "a quick look: two shapes, micro-batches of 256 and 4096, 1 and 16 learners (--quick)",
        }
    }
}

/// The cases of an extent, those of one shape and micro-batch together: they share what is made up for them.
pub fn cases(extent: Extent) -> Vec<Case> {
    let mut cases = Vec::new();
    for &(name, kind) in extent.shapes() {
        for batch in BATCHES {
            for learners in LEARNERS.into_iter().filter(|&learners| extent.has(batch, learners)) {
                cases.extend([Update::Record, Update::Batch].map(|update| Case {
                    name,
                    kind,
                    batch,
                    learners,
                    update,
                }));
            }
        }
    }
    cases
}

/// `record` or `batch`.
pub fn rule(update: Update) -> &'static str {
    match update {
        Update::Record => "record",
        Update::Batch => "batch",
    }
}

impl Case {
    /// Whether what is made up for it is the same.
    pub fn shares_with(&self, other: &Self) -> bool {
        (self.name, self.batch) == (other.name, other.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_extent_has_what_it_says() {
        let count = |extent| cases(extent).len();
        assert_eq!(count(Extent::Full), 5 * 5 * 3 * 2);
        assert_eq!(count(Extent::Default), 5 * (5 + 2 * 2) * 2);
        assert_eq!(count(Extent::Quick), 2 * 2 * 2 * 2);
        let full = cases(Extent::Full);
        assert!(
            [Extent::Quick, Extent::Default].iter().all(|&extent| cases(extent).iter().all(|case| full.contains(case)))
        );
    }
}
