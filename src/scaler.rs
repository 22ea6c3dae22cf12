//! Online standardisation: takes a row of numbers as read, gives it with mean 0 and variance 1 by what was seen so far.
//!
//! Mean and variance of a column are those of its present values up to and with the record; labels play no part.
//! A missing value becomes 0, the mean. State: per column a count, a shift, and two sums about the shift, in 64 bits:
//! with `s1` and `s2` the sums of `x - shift` and its square, mean = shift + s1/n and variance = s2/n - (s1/n)^2. The
//! shift is moved to the mean after 1, 2, 4, 8, ... rows, so that the subtraction never cancels.

use crate::error::Result;
use crate::examples::LANES;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Running mean and variance of every column.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    rows: u64,
    count: Vec<f64>,
    shift: Vec<f64>,
    sum: Vec<f64>,
    squares: Vec<f64>,
}

/// A variance below this share of the mean square about the shift is rounding, not spread.
const NO_SPREAD: f64 = 1e-12;

impl Scaler {
    /// A scaler of rows of `stride` floats that has seen nothing.
    pub fn new(stride: usize) -> Self {
        let zeros = vec![0.0; stride];
        Self { rows: 0, count: zeros.clone(), shift: zeros.clone(), sum: zeros.clone(), squares: zeros }
    }

    /// The state by name, for a model file; the other way round is [`Scaler::from_arrays`].
    pub fn arrays(&self) -> Vec<(String, Vec<f64>)> {
        let named = [("count", &self.count), ("shift", &self.shift), ("sum", &self.sum), ("squares", &self.squares)];
        let mut arrays: Vec<_> = named.map(|(name, array)| (String::from(name), array.clone())).into();
        arrays.push(("rows".into(), vec![self.rows as f64]));
        arrays
    }

    /// The scaler whose state was given by [`Scaler::arrays`]; `None` when an array is missing or has another length.
    ///
    /// ```
    /// use tidemill::scaler::Scaler;
    /// let mut scaler = Scaler::new(16);
    /// scaler.learn(&[1.5; 16], &mut [0.0; 16]);
    /// assert_eq!(Scaler::from_arrays(16, &scaler.arrays()), Some(scaler));
    /// ```
    pub fn from_arrays(stride: usize, arrays: &[(String, Vec<f64>)]) -> Option<Self> {
        let array = |name: &str, len| {
            let found = arrays.iter().find(|(known, _)| known == name).map(|(_, array)| array.clone());
            found.filter(|array| array.len() == len)
        };
        Some(Self {
            rows: array("rows", 1)?[0] as u64,
            count: array("count", stride)?,
            shift: array("shift", stride)?,
            sum: array("sum", stride)?,
            squares: array("squares", stride)?,
        })
    }

    /// Takes the row in, then standardises it into `out`; both have `stride` floats, a missing value is NaN.
    pub fn learn(&mut self, row: &[f32], out: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the line above has found the one feature that this version needs.
            #[allow(unsafe_code, reason = "calling a version for detected instructions")]
            return unsafe { self.learn_wide(row, out) };
        }
        self.learn_row(row, out);
    }

    /// The same code for AVX2.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn learn_wide(&mut self, row: &[f32], out: &mut [f32]) {
        self.learn_row(row, out);
    }

    #[inline(always)]
    fn learn_row(&mut self, row: &[f32], out: &mut [f32]) {
        for (at, (row, out)) in row.chunks_exact(LANES).zip(out.chunks_exact_mut(LANES)).enumerate() {
            let lanes = at * LANES..(at + 1) * LANES;
            let count = &mut self.count[lanes.clone()];
            let shift = &mut self.shift[lanes.clone()];
            let sum = &mut self.sum[lanes.clone()];
            let squares = &mut self.squares[lanes];
            let mut beyond = false;
            for k in 0..LANES {
                let x = f64::from(row[k]);
                let present = !row[k].is_nan();
                shift[k] = if present && count[k] == 0.0 { x } else { shift[k] };
                let off = if present { x - shift[k] } else { 0.0 };
                count[k] += if present { 1.0 } else { 0.0 };
                sum[k] += off;
                squares[k] += off * off;
                let (z, is_beyond) = standardise(moments(off, count[k], sum[k], squares[k]));
                out[k] = if present { z } else { 0.0 };
                beyond |= is_beyond;
            }
            if beyond {
                for k in (0..LANES).filter(|&k| !row[k].is_nan()) {
                    out[k] = standardise_wide(moments(f64::from(row[k]) - shift[k], count[k], sum[k], squares[k]));
                }
            }
        }
        self.rows += 1;
        if self.rows.is_power_of_two() {
            self.recentre();
        }
    }

    /// Standardises a row without taking it in.
    pub fn apply(&self, row: &[f32], out: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the line above has found the one feature that this version needs.
            #[allow(unsafe_code, reason = "calling a version for detected instructions")]
            return unsafe { self.apply_wide(row, out) };
        }
        self.apply_row(row, out);
    }

    /// The same code for AVX2.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn apply_wide(&self, row: &[f32], out: &mut [f32]) {
        self.apply_row(row, out);
    }

    #[inline(always)]
    fn apply_row(&self, row: &[f32], out: &mut [f32]) {
        for (at, (row, out)) in row.chunks_exact(LANES).zip(out.chunks_exact_mut(LANES)).enumerate() {
            let lanes = at * LANES..(at + 1) * LANES;
            let (count, shift) = (&self.count[lanes.clone()], &self.shift[lanes.clone()]);
            let (sum, squares) = (&self.sum[lanes.clone()], &self.squares[lanes]);
            let of = |k: usize| moments(f64::from(row[k]) - shift[k], count[k].max(1.0), sum[k], squares[k]);
            let mut beyond = false;
            for k in 0..LANES {
                let (z, is_beyond) = standardise(of(k));
                out[k] = if row[k].is_nan() { 0.0 } else { z };
                beyond |= is_beyond;
            }
            if beyond {
                (0..LANES).filter(|&k| !row[k].is_nan()).for_each(|k| out[k] = standardise_wide(of(k)));
            }
        }
    }

    /// Moves each shift to its mean.
    fn recentre(&mut self) {
        for k in 0..self.count.len() {
            if self.count[k] > 0.0 {
                let mean = self.sum[k] / self.count[k];
                self.squares[k] = (self.squares[k] - mean * self.sum[k]).max(0.0);
                self.shift[k] += mean;
                self.sum[k] = 0.0;
            }
        }
    }
}

/// `x - mean` and the variance, in 64 bits, from `off = x - shift` and the sums about the shift; no variance, 0, where
/// it is rounding alone.
#[inline(always)]
fn moments(off: f64, count: f64, sum: f64, squares: f64) -> (f64, f64) {
    let inverse = 1.0 / count;
    let (mean, square) = (sum * inverse, squares * inverse);
    let variance = square - mean * mean;
    (off - mean, if variance > NO_SPREAD * square { variance } else { 0.0 })
}

/// `(x - mean) / deviation`, 0 where there is no spread, and whether 32 bits are too few for this column's unit.
#[inline(always)]
fn standardise((off, variance): (f64, f64)) -> (f32, bool) {
    let narrow = variance as f32;
    let fits = (1e-30..=1e30).contains(&narrow) || variance == 0.0;
    let z = off as f32 / narrow.sqrt();
    (if variance > 0.0 { z } else { 0.0 }, !fits)
}

/// The same where 32 bits are too few.
#[inline(always)]
fn standardise_wide((off, variance): (f64, f64)) -> f32 {
    if variance > 0.0 { (off / variance.sqrt()) as f32 } else { 0.0 }
}

impl Snapshot for Scaler {
    const PART: &'static str = "scaler";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { rows, count, shift, sum, squares } = self;
        to.put("rows", &[*rows]);
        for (name, array) in [("count", count), ("shift", shift), ("sum", sum), ("squares", squares)] {
            to.put(name, array);
        }
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { rows, count, shift, sum, squares } = self;
        [*rows] = from.counts("rows")?;
        for (name, array) in [("count", count), ("shift", shift), ("sum", sum), ("squares", squares)] {
            *array = from.exactly(name, array.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Mean and deviation of the present values so far, in two passes.
    fn oracle(values: &[f32]) -> (f64, f64) {
        let present: Vec<f64> = values.iter().filter(|x| !x.is_nan()).map(|&x| f64::from(x)).collect();
        let n = present.len().max(1) as f64;
        let mean = present.iter().sum::<f64>() / n;
        (mean, (present.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt())
    }

    fn check(values: &[f32]) {
        let mut scaler = Scaler::new(LANES);
        for at in 0..values.len() {
            let (mut row, mut out) = ([f32::NAN; LANES], [9.0; LANES]);
            row[3] = values[at];
            scaler.learn(&row, &mut out);
            let (mean, deviation) = oracle(&values[..=at]);
            let expected = match values[at].is_nan() || deviation <= 1e-9 * mean.abs() {
                true => 0.0,
                false => (f64::from(values[at]) - mean) / deviation,
            };
            // 64-bit sums lose at most about rows x 2^-52 of mean square over variance.
            let tolerance = 1e-5 * (1.0 + expected.abs());
            assert!((f64::from(out[3]) - expected).abs() <= tolerance, "{at}: {} for {expected}", out[3]);
            assert_eq!((out[0], out[15]), (0.0, 0.0));
        }
    }

    #[test]
    fn an_outlier_first_and_a_large_mean_do_no_harm() {
        check(&[1e9, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        check(&(0..500).map(|i| 1e6 + (i % 7) as f32).collect::<Vec<_>>());
        check(&[5.0; 20]);
        check(&[f32::NAN, 1.0, f32::NAN, 2.0, 3.0]);
    }

    #[test]
    fn predicting_uses_the_same_scale_and_leaves_it() {
        let mut scaler = Scaler::new(LANES);
        let mut out = [0.0; LANES];
        for i in 0..100 {
            scaler.learn(&[i as f32; LANES], &mut out);
        }
        let (before, mut applied) = (scaler.clone(), [0.0; LANES]);
        scaler.apply(&[99.0; LANES], &mut applied);
        assert_eq!((scaler, applied), (before, out));
    }

    #[test]
    fn the_unit_of_a_column_does_not_matter() {
        for unit in [1e-30f32, 1e-20, 1e20, 1e30] {
            check(&(0..50).map(|i| unit * (1 + i % 7) as f32).collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn values_are_standardised_by_what_was_seen(
            values in prop::collection::vec(prop_oneof![4 => -1e4f32..1e4, 1 => Just(f32::NAN)], 1..200)
        ) {
            check(&values);
        }
    }
}
