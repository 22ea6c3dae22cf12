//! Area under the precision-recall curve, binned: takes bins of logits, gives the average precision and a bound on its
//! error.
//!
//! The exact value goes through the scores from the highest down and adds, at each, the share of positives that it adds
//! times the precision among all from there up: `sum_n (R_n - R_(n-1)) P_n`, a step and no interpolation (Davis and
//! Goadrich 2006 on why). Here a bin counts as one score. Let `T` and `F` be the weights of positives and negatives above
//! a bin with `p` and `n` of its own. In truth its positives add at most `p (T + p) / (T + p + F)`, all of them in front
//! of its negatives and tied, and at least `p - (F + n) ln(1 + p / (T + F + n))`, one by one behind them: a positive
//! behind a weight `x` of others then has a precision of `(T + x) / (T + x + F + n)` or more, which is integrated over
//! `x`. The value differs from the exact one by at most the larger of the two gaps.

use super::bin::Bin;
use super::ratio;

/// An average precision, and the most that it can be off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AveragePrecision {
    /// The binned value.
    pub value: f64,
    /// The most that it can differ from the exact one.
    pub error: f64,
}

impl AveragePrecision {
    /// Of bins, highest logits first; `None` without a positive.
    ///
    /// ```
    /// use tidemill::metric::{Metrics, average_precision::AveragePrecision};
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[2.0, 1.0, 0.0, -1.0], &[1.0, 0.0, 1.0, 0.0], &[1.0; 4]);
    /// let average = AveragePrecision::of(metrics.auc.used().rev()).unwrap();
    /// assert_eq!(average.value, (1.0 + 2.0 / 3.0) / 2.0);
    /// ```
    pub fn of(bins: impl Iterator<Item = Bin>) -> Option<Self> {
        let (mut above_positive, mut above_negative) = (0.0, 0.0);
        let [mut sum, mut most, mut least] = [0.0; 3];
        for Bin { negative, positive, .. } in bins.filter(|bin| bin.weight() > 0.0) {
            let (t, f) = (above_positive, above_negative);
            let behind = f + negative;
            if positive > 0.0 {
                sum += positive * (t + positive) / (t + positive + behind);
                most += positive * (t + positive) / (t + positive + f);
                least += positive;
            }
            if positive > 0.0 && behind > 0.0 {
                least -= behind * libm::log1p(positive / (t + behind));
            }
            (above_positive, above_negative) = (t + positive, behind);
        }
        let [value, most, least] = [sum, most, least].map(|of| ratio(of, above_positive));
        let (value, most, least) = (value?, most?, least?);
        Some(Self { value, error: (most - value).max(value - least).max(0.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metrics;
    use proptest::prelude::*;

    fn binned(rows: &[(f32, bool, f32)]) -> Option<AveragePrecision> {
        let mut metrics = Metrics::default();
        for &(logit, positive, weight) in rows {
            metrics.add(&[logit], &[f32::from(u8::from(positive))], &[weight]);
        }
        AveragePrecision::of(metrics.auc.used().rev())
    }

    /// By its definition: every distinct score is a threshold.
    fn exact(rows: &[(f32, bool, f32)]) -> Option<f64> {
        let weight = |from: f32, positives: bool| -> f64 {
            rows.iter().filter(|row| row.0 >= from && row.1 == positives).map(|row| f64::from(row.2)).sum()
        };
        let mut scores: Vec<f32> = rows.iter().map(|row| row.0).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores.dedup();
        let (mut sum, mut before) = (0.0, 0.0);
        for score in scores {
            let (positive, negative) = (weight(score, true), weight(score, false));
            sum += if positive > before { (positive - before) * positive / (positive + negative) } else { 0.0 };
            before = positive;
        }
        (before > 0.0).then(|| sum / before)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn the_binned_average_is_within_its_bound_of_the_exact_one(
            rows in prop::collection::vec((-0.05..0.05f32, any::<bool>(), 0.0..3.0f32), 0..60),
            spread in prop_oneof![Just(0.01f32), Just(1.0), Just(30.0), Just(600.0)],
        ) {
            let rows: Vec<_> = rows.iter().map(|&(z, y, w)| (z * spread, y, w)).collect();
            match (exact(&rows), binned(&rows)) {
                (Some(exact), Some(AveragePrecision { value, error })) => {
                    prop_assert!((value - exact).abs() <= error + 1e-12, "{} {} {}", value, exact, error);
                }
                (exact, binned) => prop_assert!(exact.is_none() && binned.is_none(), "{exact:?} {binned:?}"),
            }
        }
    }

    #[test]
    fn the_bound_is_met_by_a_bin_whose_positives_lead() {
        // One bin: counted as one score. In truth the positive stands above the negative, and its precision is 1.
        let found = binned(&[(0.002, true, 1.0), (0.001, false, 1.0)]).unwrap();
        assert_eq!((found.value, found.error), (0.5, 0.5));
    }

    #[test]
    fn many_records_leave_little_to_be_unsure_of() {
        let rows: Vec<_> = (0..4000_u32).map(|i| ((i * 7919 % 4000) as f32 / 500.0 - 4.0, i % 3 == 0, 1.0)).collect();
        let (found, exact) = (binned(&rows).unwrap(), exact(&rows).unwrap());
        assert!(found.error < 2e-3 && (found.value - exact).abs() <= found.error, "{found:?} {exact}");
    }
}
