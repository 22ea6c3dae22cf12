//! The CPU backend: both update rules, every optimizer; ready as soon as a micro-batch is handed in.
//!
//! Sums run in fixed lanes and a fixed order, so the bits do not depend on the instruction set.
//! Siblings: [`record`] (weights move record by record), [`batch`] (one step a micro-batch), [`rule`] (the formulas),
//! [`number`] (what they calculate with), `exp`, and [`many`] (several learners side by side).

pub mod batch;
mod exp;
pub mod many;

pub mod number;
pub mod record;
mod rows;
pub mod rule;

use std::collections::VecDeque;

use super::{Learner, MAX_LOGIT, Model, Settings, Update};
use crate::error::Result;
use crate::examples::{LANES, MicroBatch, Scored};
use crate::snapshot::State;
use number::{Number, Work};
use rows::Rows;
use rule::{Rule, with_rule};

/// Opens the CPU backend on a model.
pub fn open(model: Model, settings: Settings) -> CpuLearner {
    CpuLearner {
        record: record::Scratch::default(),
        batch: batch::Scratch::default(),
        ready: VecDeque::new(),
        spare: Vec::new(),
        model,
        settings,
    }
}

/// The widest instructions that it has found and uses, if there is more than one version.
pub fn instructions() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    return Some(if std::arch::is_x86_feature_detected!("avx2") { "avx2" } else { "sse2" });
    #[cfg(not(target_arch = "x86_64"))]
    return None;
}

/// The learner on the CPU.
#[derive(Debug)]
pub struct CpuLearner {
    model: Model,
    settings: Settings,
    record: record::Scratch<f32>,
    batch: batch::Scratch<f32>,
    ready: VecDeque<Scored>,
    spare: Vec<Vec<f32>>,
}

impl Learner for CpuLearner {
    fn learn(&mut self, batch: MicroBatch) -> Result<()> {
        let version = self.model.updates;
        let mut logit = self.spare.pop().unwrap_or_default();
        logit.clear();
        with_rule!(self.settings.optimizer, self.settings.penalty, rule => self.run(rule, &batch, &mut logit));
        let version_per_record = self.settings.update == Update::Record && !self.settings.frozen;
        self.ready.push_back(Scored { batch, logit, version, version_per_record, ..Scored::default() });
        Ok(())
    }

    fn next_scored(&mut self) -> Result<Option<Scored>> {
        Ok(self.ready.pop_front())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    fn model(&mut self) -> Result<Model> {
        Ok(self.model.clone())
    }

    fn save(&mut self, to: &mut State) -> Result<()> {
        to.save(&self.model); // without a copy in between
        Ok(())
    }

    fn recycle(&mut self, scored: Scored) {
        self.spare.push(scored.logit);
    }
}

impl CpuLearner {
    fn run<R: Rule<f32>>(&mut self, rule: R, batch: &MicroBatch, logit: &mut Vec<f32>) {
        let batch = Rows::of(batch);
        let mut weights = Weights::of(&mut self.model);
        match (self.settings.frozen, self.settings.update) {
            (true, _) => f32::widely(Predict { rule, weights, batch, logit }),
            (false, Update::Record) => record::learn(rule, &mut weights, batch, &mut self.record, logit, &mut ()),
            (false, Update::Batch) => batch::learn(rule, &mut weights, batch, &mut self.batch, logit, &mut ()),
        }
    }
}

/// The weights and slots of one learner, or of several side by side, and how far they have learned.
#[derive(Debug)]
pub(crate) struct Weights<'a, N> {
    /// First float of each numeric column; as many as stand in a row, or fewer where the others are padding. Their
    /// number is a multiple of [`PADDED`].
    dense_a: &'a mut [N],
    /// Second float of each numeric column.
    dense_b: &'a mut [N],
    bias: &'a mut [N; 2],
    table: &'a mut [[N; 2]],
    updates: &'a mut u64,
    learned: &'a mut u64,
}

/// Numeric columns are padded to a multiple of this at least.
pub(crate) const PADDED: usize = 4;

impl<'a> Weights<'a, f32> {
    fn of(model: &'a mut Model) -> Self {
        let Model { dense_a, dense_b, bias, table, updates, learned, .. } = model;
        Self { dense_a, dense_b, bias, table, updates, learned }
    }
}

/// Who wants to know how good predictions were while they are made.
pub(crate) trait Watch<N: Number> {
    /// Whether it does.
    const WANTED: bool;

    /// The prediction of a record that has a label and a weight, with its [`decay`].
    fn see(&mut self, logit: N, decay: N, label: f32, weight: f32);
}

/// Nobody.
impl<N: Number> Watch<N> for () {
    const WANTED: bool = false;

    #[inline(always)]
    fn see(&mut self, _logit: N, _decay: N, _label: f32, _weight: f32) {}
}

/// Predicting every row of a micro-batch with the weights as they are.
struct Predict<'a, R> {
    rule: R,
    weights: Weights<'a, f32>,
    batch: Rows<'a>,
    logit: &'a mut Vec<f32>,
}

impl<R: Rule<f32>> Work for Predict<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        predict_all(self.rule, &self.weights, self.batch, &mut Vec::new(), self.logit);
    }
}

/// Predicts every row with the weights as they are; `dense` is a buffer.
#[inline(always)]
pub(crate) fn predict_all<N: Number, R: Rule<N>>(
    rule: R,
    model: &Weights<'_, N>,
    batch: Rows<'_>,
    dense: &mut Vec<N>,
    logit: &mut Vec<N>,
) {
    let bias = rule.unpenalised().weight(*model.bias);
    dense.clear();
    for (&a, &b) in model.dense_a.iter().zip(&*model.dense_b) {
        dense.push(rule.weight([a, b]));
    }
    for row in 0..batch.rows {
        let sum = dot(dense, batch.numbers(row));
        prefetch(model.table, batch, row + PREFETCHED);
        let hashed = hashed_dot(rule, model.table, batch, row);
        logit.push((sum + hashed + bias).within(MAX_LOGIT));
    }
}

/// The part of a logit that comes from hashed features, added in the order they stand.
#[inline(always)]
fn hashed_dot<N: Number, R: Rule<N>>(rule: R, table: &[[N; 2]], batch: Rows<'_>, row: usize) -> N {
    let mask = table.len() - 1;
    let (hashes, values) = batch.features(row);
    let mut sum = N::splat(0.0);
    for (&hash, &value) in hashes.iter().zip(values) {
        sum = sum + rule.weight(table[hash as usize & mask]) * N::splat(value);
    }
    sum
}

/// Rows ahead whose hashed coordinates are asked for.
pub(crate) const PREFETCHED: usize = 2;

/// Asks for what is kept of the hashed coordinates of a row that comes soon, so that it waits in the cache and not in
/// memory.
#[inline(always)]
pub(crate) fn prefetch<T>(table: &[T], batch: Rows<'_>, row: usize) {
    #[cfg(target_arch = "x86_64")]
    if row < batch.rows {
        let mask = table.len() - 1;
        for &hash in batch.features(row).0 {
            let kept: *const T = &table[hash as usize & mask];
            for line in 0..size_of::<T>().div_ceil(CACHE_LINE) {
                // SAFETY: a prefetch reads nothing, and the address lies within a borrowed element.
                #[allow(unsafe_code, reason = "there is no safe way to say it")]
                unsafe {
                    let line = kept.cast::<i8>().add(line * CACHE_LINE);
                    std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line);
                }
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (table, batch, row);
}

/// Bytes that come from memory together.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

/// Dot product of weights and a row of values: lane `k` adds every 16th product, in order. There may be fewer weights than
/// values, where the other values are padding.
#[inline(always)]
pub(crate) fn dot<N: Number>(weights: &[N], values: &[f32]) -> N {
    let mut lanes = [N::splat(0.0); LANES];
    let (whole, rest) = weights.as_chunks::<LANES>();
    let (values, _) = values.as_chunks::<LANES>();
    for (w, x) in whole.iter().zip(values) {
        for k in 0..LANES {
            lanes[k] = lanes[k] + w[k] * N::splat(x[k]);
        }
    }
    if let (false, Some(x)) = (rest.is_empty(), values.get(whole.len())) {
        // In places that are known when this is compiled, so that the lanes stay in registers.
        let rest = rest.as_chunks::<PADDED>().0;
        for at in 0..LANES / PADDED {
            if let Some(w) = rest.get(at) {
                for (lane, &w) in (at * PADDED..).zip(w) {
                    lanes[lane] = lanes[lane] + w * N::splat(x[lane]);
                }
            }
        }
    }
    sum_lanes(lanes)
}

/// Adds the lanes as a tree: 16 to 8 to 4 to 2 to 1, each with its upper half.
#[inline(always)]
pub(crate) fn sum_lanes<N: Number>(mut lanes: [N; LANES]) -> N {
    let mut half = LANES / 2;
    while half > 0 {
        for k in 0..half {
            lanes[k] = lanes[k] + lanes[k + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// `e^-|z|`.
#[inline(always)]
pub(crate) fn decay<N: Number>(z: N) -> N {
    exp::exp_of_negative(z.copysign(N::splat(-1.0)))
}

/// `1 / (1 + e^-z)` of a logit with its [`decay`].
#[inline(always)]
pub(crate) fn probability<N: Number>(z: N, decay: N) -> N {
    let one = N::splat(1.0);
    z.less(N::splat(0.0), decay, one) / (one + decay)
}

/// `1 / (1 + e^-z)`, without overflow for any `z`.
///
/// ```
/// assert_eq!(tidemill::learner::cpu::sigmoid(0.0), 0.5);
/// ```
#[inline(always)]
pub fn sigmoid(z: f32) -> f32 {
    probability(z, decay(z))
}
