//! `--update batch` on the CPU: every row is predicted with the weights before the micro-batch, then one step is made
//! on the summed gradient.
//!
//! Each coordinate's gradient is added in the order of the rows.

use super::{Model, PREFETCHED, Rule, predict_all, prefetch, sigmoid, wide};
use crate::examples::MicroBatch;

/// Buffers kept from one micro-batch to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Residual times weight of each row; 0 where nothing is learned.
    residual: Vec<f32>,
    /// Summed gradient of each dense column.
    dense: Vec<f32>,
    /// Summed gradient and weighted count of each hashed coordinate; all zero between micro-batches.
    table: Vec<[f32; 2]>,
    /// Coordinates touched, in the order of their first touch.
    touched: Vec<u32>,
}

/// Predicts a micro-batch, then makes one step on its summed gradient.
pub(super) fn learn<R: Rule>(
    rule: R,
    model: &mut Model,
    batch: &MicroBatch,
    scratch: &mut Scratch,
    out: &mut Vec<f32>,
) {
    wide!(self::learn_batch::<R>(rule, model, batch, scratch, out));
}

/// The versions of this file's functions for AVX2.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{MicroBatch, Model, Rule, Scratch};

    #[target_feature(enable = "avx2")]
    pub(super) fn learn_batch<R: Rule>(
        rule: R,
        model: &mut Model,
        batch: &MicroBatch,
        s: &mut Scratch,
        out: &mut Vec<f32>,
    ) {
        super::learn_batch(rule, model, batch, s, out);
    }
}

#[inline(always)]
fn learn_batch<R: Rule>(rule: R, model: &mut Model, batch: &MicroBatch, s: &mut Scratch, out: &mut Vec<f32>) {
    predict_all(rule, model, batch, out);
    let (learned, count) = residuals(batch, out, &mut s.residual);
    if learned == 0 {
        return;
    }
    let rule = rule.at(model.updates);
    step_dense(rule, model, batch, count, s);
    step_bias(rule.unpenalised(), model, count, s);
    step_hashed(rule, model, batch, s);
    model.learned += learned;
    model.updates += 1;
}

/// Fills in the residuals; gives how many rows are learned, and their summed weight.
#[inline(always)]
fn residuals(batch: &MicroBatch, logit: &[f32], residual: &mut Vec<f32>) -> (u64, f32) {
    residual.clear();
    let (mut learned, mut count) = (0, 0.0);
    for ((&z, &label), &weight) in logit.iter().zip(&batch.label).zip(&batch.weight) {
        if label.is_nan() || weight == 0.0 {
            residual.push(0.0);
            continue;
        }
        residual.push((sigmoid(z) - label) * weight);
        learned += 1;
        count += weight;
    }
    (learned, count)
}

#[inline(always)]
fn step_dense<R: Rule>(rule: R, model: &mut Model, batch: &MicroBatch, count: f32, s: &mut Scratch) {
    let width = model.dense_a.len();
    s.dense.clear();
    s.dense.resize(width, 0.0);
    for (row, &residual) in s.residual.iter().enumerate() {
        let x = &batch.dense[row * width..(row + 1) * width];
        for (sum, x) in s.dense.iter_mut().zip(x) {
            *sum += residual * x;
        }
    }
    let (a, b) = (&mut model.dense_a[..width], &mut model.dense_b[..width]);
    for j in 0..width {
        [a[j], b[j]] = rule.batch_step([a[j], b[j]], s.dense[j], count);
    }
}

#[inline(always)]
fn step_bias<R: Rule>(rule: R, model: &mut Model, count: f32, s: &Scratch) {
    let mut gradient = 0.0;
    for residual in &s.residual {
        gradient += residual;
    }
    model.bias = rule.batch_step(model.bias, gradient, count);
}

#[inline(always)]
fn step_hashed<R: Rule>(rule: R, model: &mut Model, batch: &MicroBatch, s: &mut Scratch) {
    let mask = model.table.len() - 1;
    s.table.resize(model.table.len(), [0.0; 2]);
    for row in (0..batch.rows).filter(|&row| !batch.label[row].is_nan() && batch.weight[row] != 0.0) {
        prefetch(&s.table, batch, row + PREFETCHED);
        let (hashes, values) = batch.features(row);
        for (&hash, &value) in hashes.iter().zip(values) {
            let index = hash as usize & mask;
            let sum = &mut s.table[index];
            if sum[1] == 0.0 {
                s.touched.push(index as u32);
            }
            *sum = [sum[0] + s.residual[row] * value, sum[1] + batch.weight[row]];
        }
    }
    for index in s.touched.drain(..) {
        let [gradient, count] = std::mem::take(&mut s.table[index as usize]);
        let slots = &mut model.table[index as usize];
        *slots = rule.batch_step(*slots, gradient, count);
    }
}
