//! `--update batch` on the CPU: every row is predicted with the weights before the micro-batch, then one step is made
//! on the summed gradient.
//!
//! Each coordinate's gradient is added in the order of the rows.

use super::number::{Number, Work};
use super::{PREFETCHED, Rows, Rule, Watch, Weights, decay, predict_all, prefetch, probability};

/// Buffers kept from one micro-batch to the next.
#[derive(Debug)]
pub(super) struct Scratch<N> {
    /// Residual times weight of each row; 0 where nothing is learned.
    residual: Vec<N>,
    /// Weights of the dense columns, then their summed gradients.
    dense: Vec<N>,
    /// Summed gradient and weighted count of each hashed coordinate; all zero between micro-batches.
    table: Vec<(N, f32)>,
    /// Coordinates touched, in the order of their first touch.
    touched: Vec<u32>,
}

impl<N> Default for Scratch<N> {
    fn default() -> Self {
        Self { residual: Vec::new(), dense: Vec::new(), table: Vec::new(), touched: Vec::new() }
    }
}

/// Predicts a micro-batch, then makes one step on its summed gradient.
pub(super) fn learn<N: Number, R: Rule<N>>(
    rule: R,
    weights: &mut Weights<'_, N>,
    batch: Rows<'_>,
    scratch: &mut Scratch<N>,
    out: &mut Vec<N>,
    watch: &mut impl Watch<N>,
) {
    N::widely(Learn { rule, weights, batch, scratch, out, watch });
}

struct Learn<'a, 'w, N, R, W> {
    rule: R,
    weights: &'a mut Weights<'w, N>,
    batch: Rows<'a>,
    scratch: &'a mut Scratch<N>,
    out: &'a mut Vec<N>,
    watch: &'a mut W,
}

impl<N: Number, R: Rule<N>, W: Watch<N>> Work for Learn<'_, '_, N, R, W> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rule, weights, batch, scratch, out, watch } = self;
        let first = out.len();
        predict_all(rule, weights, batch, &mut scratch.dense, out);
        let (learned, count) = residuals(batch, &out[first..], &mut scratch.residual, watch);
        if learned == 0 {
            return;
        }
        let rule = rule.at(*weights.updates);
        step_dense(rule, weights, batch, count, scratch);
        step_bias(rule.unpenalised(), weights, count, scratch);
        step_hashed(rule, weights, batch, scratch);
        *weights.learned += learned;
        *weights.updates += 1;
    }
}

/// Rows whose gradients are added at once, one behind the other: the sums are fetched and put back once for all of them.
const FOUR: usize = 4;

/// Fills in the residuals; gives how many rows are learned, and their summed weight.
#[inline(always)]
fn residuals<N: Number>(batch: Rows<'_>, logit: &[N], residual: &mut Vec<N>, watch: &mut impl Watch<N>) -> (u64, f32) {
    residual.clear();
    let (mut learned, mut count) = (0, 0.0);
    for ((&z, &label), &weight) in logit.iter().zip(batch.label).zip(batch.weight) {
        if label.is_nan() || weight == 0.0 {
            residual.push(N::splat(0.0));
            continue;
        }
        let decay = decay(z);
        watch.see(z, decay, label, weight);
        residual.push((probability(z, decay) - N::splat(label)) * N::splat(weight));
        learned += 1;
        count += weight;
    }
    (learned, count)
}

#[inline(always)]
fn step_dense<N: Number, R: Rule<N>>(
    rule: R,
    model: &mut Weights<'_, N>,
    batch: Rows<'_>,
    count: f32,
    s: &mut Scratch<N>,
) {
    let columns = model.dense_a.len();
    s.dense.clear();
    s.dense.resize(columns, N::splat(0.0));
    let dense = &mut s.dense[..columns];
    let (fours, rest) = s.residual.as_chunks::<FOUR>();
    for (four, at) in fours.iter().zip(0..) {
        let x: [&[f32]; FOUR] = std::array::from_fn(|k| &batch.numbers(FOUR * at + k)[..columns]);
        for j in 0..columns {
            let mut sum = dense[j];
            for k in 0..FOUR {
                sum = sum + four[k] * N::splat(x[k][j]);
            }
            dense[j] = sum;
        }
    }
    for (row, &residual) in rest.iter().enumerate() {
        for (sum, &x) in s.dense.iter_mut().zip(batch.numbers(FOUR * fours.len() + row)) {
            *sum = *sum + residual * N::splat(x);
        }
    }
    let (a, b) = (&mut model.dense_a[..columns], &mut model.dense_b[..columns]);
    for j in 0..columns {
        [a[j], b[j]] = rule.batch_step([a[j], b[j]], s.dense[j], count);
    }
}

#[inline(always)]
fn step_bias<N: Number, R: Rule<N>>(rule: R, model: &mut Weights<'_, N>, count: f32, s: &Scratch<N>) {
    let mut gradient = N::splat(0.0);
    for &residual in &s.residual {
        gradient = gradient + residual;
    }
    *model.bias = rule.batch_step(*model.bias, gradient, count);
}

#[inline(always)]
fn step_hashed<N: Number, R: Rule<N>>(rule: R, model: &mut Weights<'_, N>, batch: Rows<'_>, s: &mut Scratch<N>) {
    if !batch.are_hashed() {
        return; // without a table of sums, which is large
    }
    let mask = model.table.len() - 1;
    s.table.resize(model.table.len(), (N::splat(0.0), 0.0));
    for row in (0..batch.rows).filter(|&row| !batch.label[row].is_nan() && batch.weight[row] != 0.0) {
        prefetch(&s.table, batch, row + PREFETCHED);
        let (hashes, values) = batch.features(row);
        for (&hash, &value) in hashes.iter().zip(values) {
            let index = hash as usize & mask;
            let (gradient, count) = &mut s.table[index];
            if *count == 0.0 {
                s.touched.push(index as u32);
            }
            *gradient = *gradient + s.residual[row] * N::splat(value);
            *count += batch.weight[row];
        }
    }
    for index in s.touched.drain(..) {
        let (gradient, count) = std::mem::replace(&mut s.table[index as usize], (N::splat(0.0), 0.0));
        let slots = &mut model.table[index as usize];
        *slots = rule.batch_step(*slots, gradient, count);
    }
}
