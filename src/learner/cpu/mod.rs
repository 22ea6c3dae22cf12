//! The CPU backend: both update rules, every optimizer; ready as soon as a micro-batch is handed in.
//!
//! Sums run in fixed lanes and a fixed order, so the bits do not depend on the instruction set.
//! Siblings: [`record`] (weights move record by record) and [`batch`] (one step a micro-batch).

pub mod batch;
pub mod record;
pub mod rule;

use std::collections::VecDeque;

use super::{Learner, MAX_LOGIT, Model, Settings, Update};
use crate::error::Result;
use crate::examples::{LANES, MicroBatch, Scored};
use crate::snapshot::State;
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
    record: record::Scratch,
    batch: batch::Scratch,
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
        self.ready.push_back(Scored { batch, logit, version, version_per_record });
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
    fn run<R: Rule>(&mut self, rule: R, batch: &MicroBatch, logit: &mut Vec<f32>) {
        match (self.settings.frozen, self.settings.update) {
            (true, _) => wide!(self::predict_all::<R>(rule, &self.model, batch, logit)),
            (false, Update::Record) => record::learn(rule, &mut self.model, batch, &mut self.record, logit),
            (false, Update::Batch) => batch::learn(rule, &mut self.model, batch, &mut self.batch, logit),
        }
    }
}

/// Calls a function in the version compiled for the widest instructions that this machine has.
///
/// Rust never fuses a multiplication with an addition, so both versions give the same bits.
macro_rules! wide {
    ($module:ident :: $function:ident ::<$rule:ident> ($($argument:expr),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the line above has found the one feature that this version needs.
            #[allow(unsafe_code, reason = "calling a version for detected instructions")]
            unsafe {
                $module::avx2::$function::<$rule>($($argument),*)
            }
        } else {
            $module::$function::<$rule>($($argument),*)
        }
        #[cfg(not(target_arch = "x86_64"))]
        $module::$function::<$rule>($($argument),*)
    }};
}
pub(crate) use wide;

/// The versions of this file's functions for AVX2.
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2 {
    use super::{MicroBatch, Model, Rule};

    #[target_feature(enable = "avx2")]
    pub fn predict_all<R: Rule>(rule: R, model: &Model, batch: &MicroBatch, logit: &mut Vec<f32>) {
        super::predict_all(rule, model, batch, logit);
    }
}

/// Predicts every row with the weights as they are.
#[inline(always)]
pub(crate) fn predict_all<R: Rule>(rule: R, model: &Model, batch: &MicroBatch, logit: &mut Vec<f32>) {
    let width = model.dense_a.len();
    let bias = rule.unpenalised().weight(model.bias);
    let weights: Vec<f32> = model.dense_a.iter().zip(&model.dense_b).map(|(&a, &b)| rule.weight([a, b])).collect();
    for row in 0..batch.rows {
        let dense = dot(&weights, &batch.dense[row * width..(row + 1) * width]);
        prefetch(&model.table, batch, row + PREFETCHED);
        let hashed = hashed_dot(rule, model, batch, row);
        logit.push((dense + hashed + bias).clamp(-MAX_LOGIT, MAX_LOGIT));
    }
}

/// The part of a logit that comes from hashed features, added in the order they stand.
#[inline(always)]
fn hashed_dot<R: Rule>(rule: R, model: &Model, batch: &MicroBatch, row: usize) -> f32 {
    let mask = model.table.len() - 1;
    let (hashes, values) = batch.features(row);
    let mut sum = 0.0;
    for (&hash, &value) in hashes.iter().zip(values) {
        sum += rule.weight(model.table[hash as usize & mask]) * value;
    }
    sum
}

/// Rows ahead whose hashed coordinates are asked for.
pub(crate) const PREFETCHED: usize = 2;

/// Asks for the hashed coordinates of a row that comes soon, so that they wait in the cache and not in memory.
#[inline(always)]
pub(crate) fn prefetch(table: &[[f32; 2]], batch: &MicroBatch, row: usize) {
    #[cfg(target_arch = "x86_64")]
    if row < batch.rows {
        let mask = table.len() - 1;
        for &hash in batch.features(row).0 {
            let slots: *const [f32; 2] = &table[hash as usize & mask];
            // SAFETY: a prefetch reads nothing, and the address is that of a borrowed element.
            #[allow(unsafe_code, reason = "there is no safe way to say it")]
            unsafe {
                std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(slots.cast());
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (table, batch, row);
}

/// Dot product of two rows whose length is a multiple of [`LANES`]: lane `k` adds every 16th product, in order.
#[inline(always)]
pub(crate) fn dot(weights: &[f32], values: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    for (w, x) in weights.chunks_exact(LANES).zip(values.chunks_exact(LANES)) {
        for k in 0..LANES {
            lanes[k] += w[k] * x[k];
        }
    }
    sum_lanes(lanes)
}

/// Adds the lanes as a tree: 16 to 8 to 4 to 2 to 1, each with its upper half.
#[inline(always)]
pub(crate) fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for k in 0..half {
            lanes[k] += lanes[k + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// `1 / (1 + e^-z)`, without overflow for any finite `z`.
///
/// ```
/// assert_eq!(tidemill::learner::cpu::sigmoid(0.0), 0.5);
/// ```
#[inline(always)]
pub fn sigmoid(z: f32) -> f32 {
    let e = libm::expf(-z.abs());
    if z >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}
