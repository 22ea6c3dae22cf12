//! `--update record` on the CPU: weights move record by record, rates stand still within a micro-batch.
//!
//! The first micro-batch folds its rates after 1, 2, 4, 8, ... records: a model that has seen nothing has no rates
//! worth freezing, and a wide dense model would overshoot. The same holds for weights that came from a rule without
//! such rates. Later ones fold once, at their end.
//! An example weight of `h` learns the record `h` times in a row: because the step always lies along the rates times
//! `x`, the logit after each repetition follows from the one before, and the weights are touched once.

use super::number::{Number, Work};
use super::{MAX_LOGIT, PREFETCHED, Rows, Rule, Watch, Weights, decay, dot, prefetch, probability, sigmoid, sum_lanes};
use crate::examples::LANES;

/// Buffers kept from one micro-batch to the next.
#[derive(Debug)]
pub(super) struct Scratch<N> {
    /// Rates of the dense columns for the record in hand, where its weight is not 1.
    dense_rate: Vec<N>,
    /// Weights of the dense columns for the record in hand, where no slot holds them.
    dense_weight: Vec<N>,
    /// What stands still of the dense columns, where weights need it.
    dense_standing: Vec<N>,
    /// Squared gradients of the dense columns, not yet folded.
    dense_squared: Vec<N>,
    /// The record's hashed coordinates.
    hashed: Vec<[N; 2]>,
    /// Rates of the record's hashed features.
    hashed_rate: Vec<N>,
    /// Weights times values of the record's hashed features.
    product: Vec<N>,
    /// Squared residuals of the rows since the last fold.
    squared: Vec<N>,
}

impl<N> Default for Scratch<N> {
    fn default() -> Self {
        Self {
            dense_rate: Vec::new(),
            dense_weight: Vec::new(),
            dense_standing: Vec::new(),
            dense_squared: Vec::new(),
            hashed: Vec::new(),
            hashed_rate: Vec::new(),
            product: Vec::new(),
            squared: Vec::new(),
        }
    }
}

/// Predicts and learns a micro-batch, one record after the other.
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
        let Self { rule, weights: model, batch, scratch: s, out, watch } = self;
        s.resize(model.dense_a.len());
        stand(rule, model, s);
        let warming = *model.learned == 0 || rule.is_cold(*model.bias);
        let (mut fold_start, mut next_fold) = (0, if warming { 1 } else { batch.rows });
        for row in 0..batch.rows {
            prefetch(model.table, batch, row + PREFETCHED);
            let logit = learn_row(rule, model, batch, row, s, watch);
            out.push(logit);
            if row + 1 == next_fold || row + 1 == batch.rows {
                fold(rule, model, batch, fold_start, row + 1, s);
                stand(rule, model, s);
                fold_start = row + 1;
                next_fold = (2 * next_fold).min(batch.rows);
            }
        }
    }
}

/// Predicts one record, then moves the weights by it; gives the logit.
#[inline(always)]
fn learn_row<N: Number, R: Rule<N>>(
    rule: R,
    model: &mut Weights<'_, N>,
    batch: Rows<'_>,
    row: usize,
    s: &mut Scratch<N>,
    watch: &mut impl Watch<N>,
) -> N {
    let rule = rule.at(*model.learned);
    let free = rule.unpenalised();
    let x = batch.numbers(row);
    let (hashes, values) = batch.features(row);

    let dense = read_dense(rule, model, x, s);
    let bias_rate = free.rate(*model.bias, 1.0);
    let hashed = read_hashed(rule, model, hashes, values, s);
    let logit = (dense + hashed + free.weight(*model.bias)).within(MAX_LOGIT);

    let (label, weight) = (batch.label[row], batch.weight[row]);
    if label.is_nan() || weight == 0.0 {
        s.squared.push(N::splat(0.0));
        return logit;
    }
    let (residual, squared) = if weight == 1.0 {
        let decay = decay(logit);
        watch.see(logit, decay, label, weight);
        let residual = probability(logit, decay) - N::splat(label);
        let squared = residual * residual;
        step_dense(rule, model, x, residual, squared, weight, s, |_, slots, x| rule.rate(slots, x));
        (residual, squared)
    } else {
        watch_only(watch, logit, label, weight);
        read_rates(rule, model, x, s);
        let curvature = curvature(bias_rate, x, values, s);
        let (residual, squared) = N::each(logit, curvature, |logit, by| repeat(logit, label, weight, by));
        let rates = std::mem::take(&mut s.dense_rate);
        step_dense(rule, model, x, residual, squared, weight, s, |j, _, _| rates[j]);
        s.dense_rate = rates;
        (residual, squared)
    };
    s.squared.push(squared);
    *model.bias = free.step(*model.bias, residual, bias_rate, weight);
    step_hashed(rule, model, hashes, values, residual, weight, s);
    *model.learned += 1;
    *model.updates += 1;
    logit
}

/// Tells how good a prediction was where the step is made in pieces, and nothing else asks for its decay.
#[inline(always)]
fn watch_only<N: Number, W: Watch<N>>(watch: &mut W, logit: N, label: f32, weight: f32) {
    if W::WANTED {
        watch.see(logit, decay(logit), label, weight);
    }
}

/// Takes in what stands still of the dense columns until the next fold.
#[inline(always)]
fn stand<N: Number, R: Rule<N>>(rule: R, model: &Weights<'_, N>, s: &mut Scratch<N>) {
    if R::HOLDS_WEIGHT {
        return;
    }
    let columns = model.dense_b.len();
    let (b, standing) = (&model.dense_b[..columns], &mut s.dense_standing[..columns]);
    for j in 0..columns {
        standing[j] = rule.standing(b[j]);
    }
}

/// The dense columns' part of the logit.
#[inline(always)]
fn read_dense<N: Number, R: Rule<N>>(rule: R, model: &Weights<'_, N>, x: &[f32], s: &mut Scratch<N>) -> N {
    if R::HOLDS_WEIGHT {
        return dot(model.dense_a, x);
    }
    let columns = model.dense_a.len();
    let (a, standing, weight) =
        (&model.dense_a[..columns], &s.dense_standing[..columns], &mut s.dense_weight[..columns]);
    for j in 0..columns {
        weight[j] = rule.weight_beside(a[j], standing[j]);
    }
    dot(weight, x)
}

/// Rates of the dense columns.
#[inline(always)]
fn read_rates<N: Number, R: Rule<N>>(rule: R, model: &Weights<'_, N>, x: &[f32], s: &mut Scratch<N>) {
    let columns = model.dense_a.len();
    let (a, b, x) = (&model.dense_a[..columns], &model.dense_b[..columns], &x[..columns]);
    let rate = &mut s.dense_rate[..columns];
    for j in 0..columns {
        rate[j] = rule.rate([a[j], b[j]], x[j]);
    }
}

/// Gathers the hashed coordinates with their rates; gives their part of the logit.
#[inline(always)]
fn read_hashed<N: Number, R: Rule<N>>(
    rule: R,
    model: &Weights<'_, N>,
    hashes: &[u32],
    values: &[f32],
    s: &mut Scratch<N>,
) -> N {
    let zero = N::splat(0.0);
    let mask = model.table.len() - 1;
    let count = hashes.len();
    let padded = count.next_multiple_of(LANES);
    if s.hashed.len() < padded {
        s.hashed.resize(padded, [zero; 2]);
        s.hashed_rate.resize(padded, zero);
        s.product.resize(padded, zero);
    }
    for (slot, &hash) in s.hashed.iter_mut().zip(hashes) {
        *slot = model.table[hash as usize & mask];
    }
    let (slots, rates) = (&s.hashed[..count], &mut s.hashed_rate[..count]);
    let products = &mut s.product[..count];
    for k in 0..count {
        products[k] = rule.weight(slots[k]) * N::splat(values[k]);
        rates[k] = rule.rate(slots[k], values[k]);
    }
    s.product[count..padded].fill(zero);
    let mut lanes = [zero; LANES];
    for chunk in s.product[..padded].as_chunks::<LANES>().0 {
        for k in 0..LANES {
            lanes[k] = lanes[k] + chunk[k];
        }
    }
    sum_lanes(lanes)
}

/// How far the logit falls per unit of residual: the sum of rate times squared value over the record.
#[inline(always)]
fn curvature<N: Number>(bias_rate: N, x: &[f32], values: &[f32], s: &Scratch<N>) -> N {
    let (mut dense, mut hashed) = (N::splat(0.0), N::splat(0.0));
    for (&x, &rate) in x.iter().zip(&s.dense_rate) {
        dense = dense + rate * N::splat(x) * N::splat(x);
    }
    for (&x, &rate) in values.iter().zip(&s.hashed_rate) {
        hashed = hashed + rate * N::splat(x) * N::splat(x);
    }
    dense + hashed + bias_rate
}

/// Times that a record of a large weight is learned one by one; the rest goes in one piece.
const REPEATED: f32 = 64.0;

/// The residual, and the squared residuals, of learning a record `weight` times in a row; the last part may be a fraction.
fn repeat(mut logit: f32, label: f32, weight: f32, curvature: f32) -> (f32, f32) {
    let (mut residual, mut squared, mut left) = (0.0, 0.0, weight.min(REPEATED));
    while left > 0.0 {
        let one = (sigmoid(logit) - label) * left.min(1.0);
        logit = (logit - one * curvature).clamp(-MAX_LOGIT, MAX_LOGIT);
        residual += one;
        squared += one * one;
        left -= 1.0;
    }
    if weight > REPEATED {
        let rest = flow(logit, label, weight - REPEATED, curvature);
        (residual, squared) = (residual + rest.0, squared + rest.1);
    }
    (residual, squared)
}

/// The residual and the squared residuals of learning a record for a `time`, in steps that have become small.
///
/// With `u` the logit of the label's own class, `u' = curvature / (1 + e^u)`, so that `e^u + u` grows evenly (Karampatziakis
/// and Langford 2011); the integral of the squared residual is the fall of `ln(1 + e^-u)`, over the curvature.
fn flow(logit: f32, label: f32, time: f32, curvature: f32) -> (f32, f32) {
    let sign = f64::from(2.0 * label - 1.0);
    let (start, curvature) = (f64::from(logit) * sign, f64::from(curvature));
    let target = libm::exp(start) + start + curvature * f64::from(time);
    let mut end = start.max(libm::log(target.max(1.0)));
    for _ in 0..50 {
        // Newton's method on a convex function, from where it is too large: it comes down and never overshoots.
        let step = (libm::exp(end) + end - target) / (libm::exp(end) + 1.0);
        end -= step;
        if step.abs() < 1e-12 {
            break;
        }
    }
    let end = end.clamp(start, f64::from(MAX_LOGIT).max(start));
    let loss = |u: f64| libm::log1p(libm::exp(-u));
    let residual = sign * (start - end) / curvature;
    (residual as f32, ((loss(start) - loss(end)) / curvature) as f32)
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "what a step is made of")]
fn step_dense<N: Number, R: Rule<N>>(
    rule: R,
    model: &mut Weights<'_, N>,
    x: &[f32],
    residual: N,
    squared: N,
    weight: f32,
    s: &mut Scratch<N>,
    rate: impl Fn(usize, [N; 2], f32) -> N,
) {
    let columns = model.dense_a.len();
    let (a, b, x) = (&mut model.dense_a[..columns], &model.dense_b[..columns], &x[..columns]);
    let sum = &mut s.dense_squared[..columns];
    // Where a slot holds the weight nothing stands beside it, and anything will do.
    let standing = if R::HOLDS_WEIGHT { b } else { &s.dense_standing[..columns] };
    for j in 0..columns {
        let value = N::splat(x[j]);
        let rate = rate(j, [a[j], b[j]], x[j]);
        a[j] = rule.step_beside(a[j], standing[j], residual * value, rate, weight);
        sum[j] = sum[j] + squared * value * value;
    }
}

#[inline(always)]
fn step_hashed<N: Number, R: Rule<N>>(
    rule: R,
    model: &mut Weights<'_, N>,
    hashes: &[u32],
    values: &[f32],
    residual: N,
    weight: f32,
    s: &Scratch<N>,
) {
    let mask = model.table.len() - 1;
    for k in 0..hashes.len() {
        let slots = &mut model.table[hashes[k] as usize & mask];
        slots[0] = rule.step(*slots, residual * N::splat(values[k]), s.hashed_rate[k], weight)[0];
    }
}

/// Folds the squared gradients of rows `start..end` into the slots.
#[inline(always)]
fn fold<N: Number, R: Rule<N>>(
    rule: R,
    model: &mut Weights<'_, N>,
    batch: Rows<'_>,
    start: usize,
    end: usize,
    s: &mut Scratch<N>,
) {
    let columns = model.dense_a.len();
    let (a, b) = (&mut model.dense_a[..columns], &mut model.dense_b[..columns]);
    let sum = &mut s.dense_squared[..columns];
    for j in 0..columns {
        [a[j], b[j]] = rule.fold([a[j], b[j]], sum[j]);
        sum[j] = N::splat(0.0);
    }
    let mut squared = N::splat(0.0);
    for &one in &s.squared {
        squared = squared + one;
    }
    *model.bias = rule.unpenalised().fold(*model.bias, squared);
    let mask = model.table.len() - 1;
    for row in start..end {
        let squared = s.squared[row - start];
        let (hashes, values) = batch.features(row);
        for (&hash, &value) in hashes.iter().zip(values) {
            let slots = &mut model.table[hash as usize & mask];
            *slots = rule.fold(*slots, squared * N::splat(value) * N::splat(value));
        }
    }
    s.squared.clear();
}

impl<N: Number> Scratch<N> {
    fn resize(&mut self, columns: usize) {
        self.dense_rate.resize(columns, N::splat(0.0));
        self.dense_weight.resize(columns, N::splat(0.0));
        self.dense_standing.resize(columns, N::splat(0.0));
        self.dense_squared.resize(columns, N::splat(0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One step after the other, however long it takes.
    fn plainly(mut logit: f64, label: f64, weight: u32, curvature: f64) -> (f64, f64) {
        let (mut residual, mut squared) = (0.0, 0.0);
        for _ in 0..weight {
            let one = 1.0 / (1.0 + (-logit).exp()) - label;
            logit = (logit - one * curvature).clamp(-30.0, 30.0);
            residual += one;
            squared += one * one;
        }
        (residual, squared)
    }

    #[test]
    fn a_large_weight_is_about_as_many_repetitions() {
        for curvature in [1e-4, 0.01, 0.3, 2.0] {
            for (logit, label) in [(0.0, 1.0), (0.0, 0.0), (3.0, 0.0), (-5.0, 1.0), (4.0, 1.0)] {
                for weight in [65, 300, 20_000] {
                    let (residual, squared) = repeat(logit, label, weight as f32, curvature);
                    let expected = plainly(logit.into(), label.into(), weight, curvature.into());
                    // After 64 steps the ones that follow differ little from each other: within one of them.
                    let near = |is: f32, should: f64| (f64::from(is) - should).abs() < 0.02 * should.abs() + 0.02;
                    let case = format!("{logit} {label} {weight} {curvature}: {residual} {squared} for {expected:?}");
                    assert!(near(residual, expected.0) && near(squared, expected.1), "{case}");
                }
            }
        }
    }
}
