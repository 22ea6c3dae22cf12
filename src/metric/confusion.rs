//! Right and wrong at a threshold: takes bins of logits, gives precision, recall, F1, Matthews's correlation and kappa.
//!
//! A bin lies on one side of the threshold or the other, so a threshold is taken at the edge of a bin that is nearest to
//! it; that of one half is an edge. A figure that would divide by nothing is `None`.

use super::bin::{Bin, Width};
use super::{probability, ratio};

/// The probability from which a prediction counts as positive.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Threshold {
    logit: f64,
}

impl Threshold {
    /// A threshold within the bins; `None` for anything but a probability between 0.000001 and 0.999999.
    ///
    /// ```
    /// use tidemill::metric::confusion::Threshold;
    /// assert_eq!(Threshold::new(0.5), Some(Threshold::default()));
    /// assert_eq!(Threshold::new(1.0), None);
    /// ```
    pub fn new(probability: f64) -> Option<Self> {
        let is_within = (1e-6..=1.0 - 1e-6).contains(&probability);
        is_within.then(|| Self { logit: libm::log(probability / (1.0 - probability)) })
    }

    /// Whether the predictions of a bin are at or above it: those whose centre is, which comes to the nearest edge.
    fn takes(self, bin: &Bin) -> bool {
        0.5 * (bin.low + bin.high) >= self.logit
    }

    /// The probability at the edge where it is taken among bins of this width.
    pub(super) fn taken_at(self, width: Width) -> f64 {
        let edge = libm::ceil(self.logit * width.per_unit - 0.5) / width.per_unit;
        probability(edge as f32) // edges are exact in 32 bits
    }
}

/// Weights of predictions by what was predicted and what happened.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Confusion {
    /// Positives that were predicted to be.
    pub true_positive: f64,
    /// Negatives that were predicted to be positives.
    pub false_positive: f64,
    /// Positives that were predicted to be negatives.
    pub false_negative: f64,
    /// Negatives that were predicted to be.
    pub true_negative: f64,
}

impl Confusion {
    /// Of bins in any order.
    ///
    /// ```
    /// use tidemill::metric::{Metrics, confusion::{Confusion, Threshold}};
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[2.0, 1.0, 0.0, -1.0], &[1.0, 0.0, 1.0, 1.0], &[1.0; 4]);
    /// let confusion = Confusion::of(metrics.auc.used(), Threshold::default());
    /// assert_eq!((confusion.precision(), confusion.recall()), (Some(2.0 / 3.0), Some(2.0 / 3.0)));
    /// ```
    pub fn of(bins: impl Iterator<Item = Bin>, threshold: Threshold) -> Self {
        let mut all = Self::default();
        for bin in bins {
            let [negative, positive] = match threshold.takes(&bin) {
                true => [&mut all.false_positive, &mut all.true_positive],
                false => [&mut all.true_negative, &mut all.false_negative],
            };
            *negative += bin.negative;
            *positive += bin.positive;
        }
        all
    }

    /// Share of those predicted to be positive that are.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_positive)
    }

    /// Share of the positives that were predicted to be.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_negative)
    }

    /// Harmonic mean of precision and recall.
    pub fn f1(&self) -> Option<f64> {
        let twice = 2.0 * self.true_positive;
        ratio(twice, twice + self.false_positive + self.false_negative)
    }

    /// Correlation of prediction and label (Matthews 1975): 1 where all are right, 0 for whoever guesses.
    pub fn mcc(&self) -> Option<f64> {
        let Self { true_positive: tp, false_positive: fp, false_negative: r#fn, true_negative: tn } = *self;
        // Roots one by one: the product of four large weights need not fit.
        let by: f64 = [tp + fp, tp + r#fn, tn + fp, tn + r#fn].map(f64::sqrt).iter().product();
        ratio(tp * tn - fp * r#fn, by)
    }

    /// Share of the predictions that were right.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.true_positive + self.true_negative, self.weight())
    }

    /// Agreement of predictions and labels beyond that of a guesser with the same shares of both (Cohen 1960).
    pub fn kappa(&self) -> Option<f64> {
        let (predicted, positive) =
            (self.true_positive + self.false_positive, self.true_positive + self.false_negative);
        let all = self.weight();
        let [predicted, positive] = [predicted, positive].map(|of| ratio(of, all));
        let (predicted, positive) = (predicted?, positive?);
        self.beyond(predicted * positive + (1.0 - predicted) * (1.0 - positive))
    }

    /// The same against always saying the class that most records have (Bifet et al. 2015).
    pub fn kappa_majority(&self) -> Option<f64> {
        let positive = self.true_positive + self.false_negative;
        self.beyond(ratio(positive.max(self.weight() - positive), self.weight())?)
    }

    /// How much of what an accuracy of `of_other` leaves to be gained is gained: `(accuracy - other) / (1 - other)`.
    pub fn beyond(&self, of_other: f64) -> Option<f64> {
        ratio(self.accuracy()? - of_other, 1.0 - of_other)
    }

    fn weight(&self) -> f64 {
        self.true_positive + self.false_positive + self.false_negative + self.true_negative
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Metrics, auc, ranking};
    use proptest::prelude::*;

    fn near(have: Option<f64>, want: f64) -> bool {
        have.is_some_and(|have| (have - want).abs() < 1e-12)
    }

    #[test]
    fn figures_are_those_worked_out_by_hand() {
        let all = Confusion { true_positive: 6.0, false_positive: 2.0, false_negative: 3.0, true_negative: 9.0 };
        assert!(near(all.precision(), 0.75) && near(all.recall(), 2.0 / 3.0) && near(all.f1(), 12.0 / 17.0));
        // (6 * 9 - 2 * 3) / sqrt(8 * 9 * 11 * 12)
        assert!(near(all.mcc(), 48.0 / 9504.0_f64.sqrt()));
        // Right: 15/20. By chance: 8/20 * 9/20 + 12/20 * 11/20 = 0.51. The majority: 11/20.
        assert!(near(all.kappa(), (0.75 - 0.51) / 0.49) && near(all.kappa_majority(), (0.75 - 0.55) / 0.45));
        assert!(near(all.beyond(0.5), 0.5));
    }

    #[test]
    fn a_figure_that_would_divide_by_nothing_is_none() {
        let nothing = Confusion::default();
        assert_eq!((nothing.precision(), nothing.f1(), nothing.mcc(), nothing.kappa()), (None, None, None, None));
        let negatives = Confusion { true_negative: 3.0, ..nothing };
        assert_eq!((negatives.precision(), negatives.recall(), negatives.mcc()), (None, None, None));
        assert_eq!((negatives.kappa(), negatives.kappa_majority(), negatives.accuracy()), (None, None, Some(1.0)));
    }

    #[test]
    fn a_threshold_is_taken_at_the_nearest_edge() {
        for probability in [1e-6, 0.01, 0.1, 0.3, 0.5, 0.7, 0.999] {
            let threshold = Threshold::new(probability).unwrap();
            for width in [auc::WIDTH, ranking::WIDTH] {
                let taken = threshold.taken_at(width);
                let logit = |p: f64| (p / (1.0 - p)).ln();
                assert!((logit(taken) - logit(probability)).abs() <= 0.5 / width.per_unit + 1e-9, "{probability}");
            }
        }
        assert_eq!(Threshold::default().taken_at(auc::WIDTH), 0.5);
        for refused in [0.0, 1e-7, 1.0, f64::NAN, -0.5, f64::INFINITY] {
            assert_eq!(Threshold::new(refused), None);
        }
    }

    proptest! {
        #[test]
        fn counts_are_those_of_comparing_every_prediction_with_the_threshold(
            rows in prop::collection::vec((-4.0..4.0f32, any::<bool>(), 0.0..3.0f32), 0..60),
            threshold in 0.02..0.98f64,
        ) {
            let threshold = Threshold::new(threshold).unwrap();
            let (mut metrics, mut want) = (Metrics::default(), Confusion::default());
            for &(logit, positive, weight) in &rows {
                metrics.add(&[logit], &[f32::from(u8::from(positive))], &[weight]);
                let place = match (probability(logit) >= threshold.taken_at(auc::WIDTH), positive) {
                    (true, true) => &mut want.true_positive,
                    (true, false) => &mut want.false_positive,
                    (false, true) => &mut want.false_negative,
                    (false, false) => &mut want.true_negative,
                };
                *place += f64::from(weight);
            }
            let have = Confusion::of(metrics.auc.used(), threshold);
            let pairs = [
                (have.true_positive, want.true_positive), (have.false_positive, want.false_positive),
                (have.false_negative, want.false_negative), (have.true_negative, want.true_negative),
            ];
            prop_assert!(pairs.iter().all(|(a, b)| (a - b).abs() < 1e-9), "{have:?} {want:?}");
        }

        #[test]
        fn at_one_half_the_accuracy_is_that_of_every_record(
            rows in prop::collection::vec((prop_oneof![-4.0..4.0f32, -1e-6..1e-6f32, Just(0.0f32)], any::<bool>()), 1..60),
        ) {
            let mut metrics = Metrics::default();
            rows.iter().for_each(|&(logit, y)| metrics.add(&[logit], &[f32::from(u8::from(y))], &[1.0]));
            let have = Confusion::of(metrics.auc.used(), Threshold::default());
            prop_assert_eq!(have.accuracy(), metrics.total.calibration.accuracy());
        }
    }
}
