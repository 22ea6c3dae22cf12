//! Expected calibration error: takes bins of logits, gives how far probabilities and what happened lie apart, and a bound
//! on its own error.
//!
//! Probabilities of the positive class are put into 15 bins of equal width (as many as in Guo et al. 2017, who look at the
//! probability of the predicted class); the error is the mean, by weight, of the absolute difference between the mean
//! probability of a bin and its share of positives. It is worked out from the much finer bins of logits, whose predictions
//! count as the middle of the probabilities they span. That puts a prediction off by half of that span at most, and those
//! of a bin that lies across an edge may belong to the other side: the sum of `label - probability` over any part of them
//! lies between `-N high` and `P (1 - low)`, and moving it changes two bins by that.

use super::bin::Bin;
use super::ratio;

/// Bins of equal width between the probabilities 0 and 1.
pub const BINS: usize = 15;

/// An expected calibration error, and the most that it can be off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationError {
    /// The value, 0 to 1.
    pub value: f64,
    /// The most that it can differ from that of the probabilities themselves.
    pub error: f64,
}

impl CalibrationError {
    /// Of bins in any order; `None` where they have no weight.
    ///
    /// ```
    /// use tidemill::metric::{Metrics, calibration_error::CalibrationError};
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[0.0; 4], &[1.0, 0.0, 0.0, 0.0], &[1.0; 4]); // one half was said, one quarter came
    /// let found = CalibrationError::of(metrics.auc.used()).unwrap();
    /// assert!((found.value - 0.25).abs() <= found.error && found.error < 0.001);
    /// ```
    pub fn of(bins: impl Iterator<Item = Bin>) -> Option<Self> {
        let (mut gaps, mut all, mut off) = ([0.0; BINS], 0.0, 0.0);
        for bin in bins {
            let ([low, high], weight) = (bin.probabilities(), bin.weight());
            let middle = 0.5 * (low + high);
            gaps[number_of(middle)] += bin.positive - weight * middle;
            all += weight;
            off += 0.5 * weight * (high - low);
            if number_of(low) != number_of(high) {
                off += 2.0 * (bin.negative * high).max(bin.positive * (1.0 - low));
            }
        }
        let apart = gaps.iter().map(|gap| gap.abs()).sum();
        Some(Self { value: ratio(apart, all)?, error: ratio(off, all)? })
    }
}

fn number_of(probability: f64) -> usize {
    ((probability * BINS as f64) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Metrics, cell, probability};
    use proptest::prelude::*;

    /// By its definition, from the probabilities themselves.
    fn exact(rows: &[(f32, bool, f32)]) -> Option<f64> {
        let in_bin = |number| rows.iter().filter(move |row| number_of(probability(row.0)) == number);
        let gap = |number| -> f64 {
            let signed = |row: &(f32, bool, f32)| f64::from(row.2) * (f64::from(u8::from(row.1)) - probability(row.0));
            in_bin(number).map(signed).sum::<f64>().abs()
        };
        let all: f64 = rows.iter().map(|row| f64::from(row.2)).sum();
        (all > 0.0).then(|| (0..BINS).map(gap).sum::<f64>() / all)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn the_error_from_bins_is_within_its_bound_of_that_from_probabilities(
            rows in prop::collection::vec((-1.0..1.0f32, any::<bool>(), 0.0..3.0f32), 1..60),
            spread in prop_oneof![Just(0.01f32), Just(1.0), Just(4.0), Just(30.0)],
        ) {
            let rows: Vec<_> = rows.iter().map(|&(z, y, w)| (z * spread, y, w)).collect();
            let (mut metrics, mut cell) = (Metrics::default(), cell::Cell::default());
            for &(logit, y, weight) in &rows {
                metrics.add(&[logit], &[f32::from(u8::from(y))], &[weight]);
                cell.add(&cell::Row::new(logit, f32::from(u8::from(y)), weight));
            }
            let both = [CalibrationError::of(metrics.auc.used()), CalibrationError::of(cell.ranking.used())];
            for found in both {
                let (Some(exact), Some(found)) = (exact(&rows), found) else {
                    prop_assert_eq!(found.map(|found| found.value), exact(&rows));
                    continue;
                };
                prop_assert!((found.value - exact).abs() <= found.error + 1e-12, "{found:?} {exact}");
            }
        }
    }

    #[test]
    fn predictions_that_come_true_have_next_to_no_error() {
        let mut metrics = Metrics::default();
        // A probability of 1/4 four times, of 3/4 four times.
        let logit = -(3.0_f32.ln());
        metrics.add(&[logit; 4], &[1.0, 0.0, 0.0, 0.0], &[1.0; 4]);
        metrics.add(&[-logit; 4], &[1.0, 1.0, 1.0, 0.0], &[1.0; 4]);
        let found = CalibrationError::of(metrics.auc.used()).unwrap();
        assert!(found.value <= found.error && found.error < 4e-4, "{found:?}");
        assert_eq!(CalibrationError::of(Metrics::default().auc.used()), None);
    }
}
