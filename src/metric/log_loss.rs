//! Log loss: takes logits and labels, gives the mean negative log likelihood in nats.
//!
//! It starts from the logit, never from the probability, so a confident prediction keeps all its digits.

/// A weighted sum of log losses.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct LogLoss {
    /// Sum of example weight times log loss, in nats.
    pub loss: f64,
    /// Sum of example weights.
    pub weight: f64,
}

impl LogLoss {
    /// The mean; `None` before anything with a weight was added.
    ///
    /// ```
    /// use tidemill::metric::log_loss::LogLoss;
    /// assert_eq!(LogLoss { loss: 3.0, weight: 4.0 }.mean(), Some(0.75));
    /// assert_eq!(LogLoss::default().mean(), None);
    /// ```
    pub fn mean(&self) -> Option<f64> {
        super::ratio(self.loss, self.weight)
    }

    /// Of predictions: logits, labels (1, 0, or NaN without one) and example weights, one each a record.
    ///
    /// ```
    /// use tidemill::metric::log_loss::LogLoss;
    /// let loss = LogLoss::of(&[0.0, 1.0], &[1.0, f32::NAN], &[2.0, 1.0]);
    /// assert_eq!((loss.mean(), loss.weight), (Some(std::f64::consts::LN_2), 2.0));
    /// ```
    pub fn of(logit: &[f32], label: &[f32], weight: &[f32]) -> Self {
        let mut sum = Self::default();
        let mut rows = logit.iter().zip(label).zip(weight);
        while rows.len() > 0 {
            let mut softplus = Softplus::default();
            for ((&logit, &label), &weight) in rows.by_ref().take(Softplus::ROWS) {
                if !label.is_nan() {
                    let (z, weight) = (f64::from(logit), f64::from(weight));
                    sum.add(z, f64::from(label), weight);
                    softplus.add(libm::exp(-z.abs()), weight);
                }
            }
            sum.loss += softplus.sum();
        }
        sum
    }

    /// Adds the part of one prediction's loss that is linear in the logit; [`Softplus`] adds up the rest.
    #[inline(always)]
    pub(super) fn add(&mut self, logit: f64, label: f64, weight: f64) {
        self.loss += weight * (logit.max(0.0) - label * logit);
        self.weight += weight;
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.loss += other.loss;
        self.weight += other.weight;
    }
}

/// The sum of `weight * ln(1 + e^-|z|)` over a few records.
///
/// The logarithm of a product is the sum of the logarithms, so records of weight 1 share one: half of the cost of
/// scoring, for an error below 1e-16 a record.
#[derive(Debug)]
pub(super) struct Softplus {
    product: f64,
    weighted: f64,
}

impl Default for Softplus {
    fn default() -> Self {
        Self { product: 1.0, weighted: 0.0 }
    }
}

impl Softplus {
    /// Most records of one sum: each at most doubles the product, which stays far from overflow.
    pub(super) const ROWS: usize = 32;

    /// Adds one record by its `e^-|z|`.
    #[inline(always)]
    pub(super) fn add(&mut self, decay: f64, weight: f64) {
        if weight == 1.0 {
            self.product *= 1.0 + decay;
        } else {
            self.weighted += weight * libm::log1p(decay);
        }
    }

    /// The sum.
    #[inline(always)]
    pub(super) fn sum(&self) -> f64 {
        libm::log(self.product) + self.weighted
    }
}

/// Log loss of one prediction: `max(z, 0) - y z + ln(1 + e^-|z|)`, in nats.
///
/// ```
/// use tidemill::metric::log_loss::log_loss;
/// assert_eq!(log_loss(0.0, 1.0), std::f64::consts::LN_2);
/// assert!((log_loss(3.0, 0.0) - 3.048_587_351_573_742).abs() < 1e-15);
/// ```
pub fn log_loss(logit: f64, label: f64) -> f64 {
    logit.max(0.0) - label * logit + libm::log1p(libm::exp(-logit.abs()))
}

/// Log loss of always predicting `base_rate` where that is the rate: its entropy, in nats.
///
/// ```
/// use tidemill::metric::log_loss::best_constant;
/// assert_eq!(best_constant(0.5), std::f64::consts::LN_2);
/// assert_eq!(best_constant(1.0), 0.0);
/// ```
pub fn best_constant(base_rate: f64) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * libm::log(p) } else { 0.0 };
    part(base_rate) + part(1.0 - base_rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_loss_is_minus_the_log_of_the_probability_of_what_happened(z in -20.0..20.0f64, positive: bool) {
            let sign = if positive { 1.0 } else { -1.0 };
            let naive = -(1.0 / (1.0 + (-sign * z).exp())).ln();
            let loss = log_loss(z, f64::from(u8::from(positive)));
            prop_assert!((loss - naive).abs() <= 1e-7 * naive.max(1e-9), "{loss} {naive}");
        }

        #[test]
        fn the_loss_of_many_is_the_sum_of_their_losses(rows in prop::collection::vec((-20.0..20.0f32, 0..3, 0.0..3.0f32), 0..90)) {
            let logit: Vec<f32> = rows.iter().map(|row| row.0).collect();
            let label: Vec<f32> = rows.iter().map(|row| [0.0, 1.0, f32::NAN][row.1 as usize]).collect();
            // Most have a weight of 1.
            let weight: Vec<f32> = rows.iter().map(|row| if row.2 < 2.0 { 1.0 } else { row.2 }).collect();
            let sum = LogLoss::of(&logit, &label, &weight);
            let of = |at: usize| f64::from(weight[at]) * log_loss(f64::from(logit[at]), f64::from(label[at]));
            let expected: f64 = (0..rows.len()).filter(|&at| !label[at].is_nan()).map(of).sum();
            prop_assert!((sum.loss - expected).abs() <= 1e-10 * expected.max(1.0), "{} {expected}", sum.loss);
        }

        #[test]
        fn no_constant_beats_the_best_constant(rate in 0.0..1.0f64, other in -10.0..10.0f64) {
            let loss = rate * log_loss(other, 1.0) + (1.0 - rate) * log_loss(other, 0.0);
            prop_assert!(loss >= best_constant(rate) - 1e-12);
        }
    }

    #[test]
    fn a_hopeless_prediction_costs_its_logit() {
        assert_eq!(log_loss(-30.0, 1.0), 30.0 + libm::log1p(libm::exp(-30.0)));
        assert!(log_loss(30.0, 1.0) > 0.0);
    }
}
