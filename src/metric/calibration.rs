//! Calibration: takes probabilities, labels and weights, gives how far the predictions agree with what happened.
//!
//! It keeps five sums and never looks at a ranking.

/// Weighted sums over labelled predictions.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Sum of example weights.
    pub weight: f64,
    /// Weight of the positives.
    pub positive: f64,
    /// Sum of weight times probability.
    pub predicted: f64,
    /// Sum of weight times squared difference of probability and label.
    pub squared: f64,
    /// Weight of the records that a threshold of 0.5 puts into their class.
    pub correct: f64,
}

impl Calibration {
    /// Mean predicted over observed rate: 1 where the predictions add up to what happened.
    ///
    /// `None` before the first positive.
    ///
    /// ```
    /// use tidemill::metric::Metrics;
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[0.0; 4], &[1.0, 0.0, 0.0, 0.0], &[1.0; 4]);
    /// let calibration = metrics.total.calibration;
    /// assert_eq!(calibration.predicted_over_observed(), Some(2.0));
    /// assert_eq!((calibration.base_rate(), calibration.brier()), (Some(0.25), Some(0.25)));
    /// ```
    pub fn predicted_over_observed(&self) -> Option<f64> {
        super::ratio(self.predicted, self.positive)
    }

    /// Mean squared difference of probability and label (Brier 1950, for two classes counted once).
    pub fn brier(&self) -> Option<f64> {
        super::ratio(self.squared, self.weight)
    }

    /// Share that a threshold of 0.5 puts into its class; exactly 0.5 counts as positive.
    pub fn accuracy(&self) -> Option<f64> {
        super::ratio(self.correct, self.weight)
    }

    /// Share of positives.
    pub fn base_rate(&self) -> Option<f64> {
        super::ratio(self.positive, self.weight)
    }

    /// Log loss of always predicting the base rate, in nats: what a model has to beat.
    pub fn best_constant_log_loss(&self) -> Option<f64> {
        self.base_rate().map(super::log_loss::best_constant)
    }

    /// Adds one prediction.
    #[inline(always)]
    pub(super) fn add(&mut self, probability: f64, label: f64, weight: f64) {
        let miss = probability - label;
        let correct = (probability >= 0.5) == (label > 0.5);
        self.weight += weight;
        self.positive += weight * label;
        self.predicted += weight * probability;
        self.squared += weight * miss * miss;
        self.correct += if correct { weight } else { 0.0 };
    }

    /// Adds another set of sums.
    pub(super) fn merge(&mut self, other: &Self) {
        self.weight += other.weight;
        self.positive += other.positive;
        self.predicted += other.predicted;
        self.squared += other.squared;
        self.correct += other.correct;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_that_add_up_have_a_ratio_of_one() {
        let mut sums = Calibration::default();
        sums.add(0.75, 1.0, 2.0);
        sums.add(0.25, 0.0, 2.0);
        assert_eq!(sums.predicted_over_observed(), Some(1.0));
        assert_eq!(sums.brier(), Some(0.0625));
        assert_eq!((sums.accuracy(), sums.base_rate()), (Some(1.0), Some(0.5)));
        assert_eq!(sums.best_constant_log_loss(), Some(std::f64::consts::LN_2));
    }

    #[test]
    fn without_records_there_is_no_figure() {
        let sums = Calibration::default();
        assert_eq!((sums.brier(), sums.accuracy(), sums.base_rate()), (None, None, None));
        assert_eq!((sums.predicted_over_observed(), sums.best_constant_log_loss()), (None, None));
    }

    #[test]
    fn without_a_positive_there_is_a_base_rate_but_no_ratio() {
        let mut sums = Calibration::default();
        sums.add(0.5, 0.0, 1.0);
        assert_eq!((sums.base_rate(), sums.predicted_over_observed()), (Some(0.0), None));
        assert_eq!((sums.accuracy(), sums.best_constant_log_loss()), (Some(0.0), Some(0.0)));
    }
}
