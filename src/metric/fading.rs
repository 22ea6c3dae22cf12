//! Fading figures: takes sums of predictions in the order in which their labels became known, gives sums in which older ones
//! count less and less.
//!
//! The weight of a label halves with every [`HALF_LIFE`] that come behind it (fading factors, Gama et al. 2013), so the
//! figures tell how the model does now, on a stream that never ends, with no window to choose. Labels are gathered in
//! blocks of [`BLOCK`] which fade as one: blocks end with a label, whatever the micro-batches are, so that these never
//! show. A label that is corrected later keeps the place that it had.
//!
//! Why 100,000: the figures then rest on some 144,000 labels (half-life / ln 2), which holds the chance in a mean log loss
//! to about 0.001, what two settings of a job may differ by; and they follow a change within minutes at a few thousand
//! records a second. Shorter looks are what windows are for.

use super::Tally;
use super::calibration::Calibration;
use super::log_loss::LogLoss;

/// Labels behind which a label counts half.
pub const HALF_LIFE: u64 = 100_000;

/// Labels that fade as one.
pub const BLOCK: u64 = 1024;

/// Sums that fade. All of its state is in its public fields.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Fading {
    /// The blocks that are full, as they have faded when the last of them was.
    pub past: Faded,
    /// The block that is being filled.
    pub block: Tally,
}

/// Sums over labelled predictions, older ones with less weight.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Faded {
    /// Log loss.
    pub log_loss: LogLoss,
    /// Calibration.
    pub calibration: Calibration,
}

impl Fading {
    /// The sums as they have faded by now.
    ///
    /// ```
    /// use tidemill::metric::Metrics;
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[2.0], &[1.0], &[3.0]);
    /// assert_eq!(metrics.fading.now().log_loss, metrics.total.log_loss);
    /// ```
    pub fn now(&self) -> Faded {
        self.past.behind(&self.block)
    }

    /// Rows of `label` (1, 0, or NaN without one) up to the end of the block that is being filled, at least one.
    pub(super) fn rows(&self, label: &[f32]) -> usize {
        let room = (BLOCK - self.block.labelled) as usize;
        if label.len() <= room {
            return label.len();
        }
        let mut labelled = label.iter().enumerate().filter(|(_, label)| !label.is_nan());
        labelled.nth(room - 1).map_or(label.len(), |(row, _)| row + 1)
    }

    /// Takes the sums of so many rows.
    pub(super) fn add(&mut self, tally: &Tally) {
        self.block.merge(&Tally { records: 0, ..*tally }); // a label that comes late has no record
        if self.block.labelled >= BLOCK {
            *self = Self { past: self.now(), block: Tally::default() };
        }
    }
}

impl Faded {
    /// These sums behind a further stretch.
    fn behind(&self, stretch: &Tally) -> Self {
        let decay = libm::exp2(-(stretch.labelled as f64) / HALF_LIFE as f64);
        let LogLoss { loss, weight } = self.log_loss;
        let Calibration { weight: all, positive, predicted, squared, correct } = self.calibration;
        let [all, positive, predicted, squared, correct] =
            [all, positive, predicted, squared, correct].map(|sum| sum * decay);
        let mut faded = Self {
            log_loss: LogLoss { loss: loss * decay, weight: weight * decay },
            calibration: Calibration { weight: all, positive, predicted, squared, correct },
        };
        faded.log_loss.merge(&stretch.log_loss);
        faded.calibration.merge(&stretch.calibration);
        faded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Metrics, log_loss::log_loss, probability};

    fn rows(count: u32) -> Vec<(f32, f32, f32)> {
        let row = |at: u32| {
            let logit = (at.wrapping_mul(2_654_435_761) >> 12) as f32 / (1 << 18) as f32 - 2.0;
            let label = if at % 7 == 3 { f32::NAN } else { f32::from(u8::from(at.is_multiple_of(3))) };
            (logit, label, if at.is_multiple_of(5) { 2.5 } else { 1.0 })
        };
        (0..count).map(row).collect()
    }

    fn fading(rows: &[(f32, f32, f32)], batch: usize) -> Fading {
        let mut metrics = Metrics::default();
        for part in rows.chunks(batch) {
            let [z, y, w] = [0, 1, 2].map(|k| part.iter().map(|r| [r.0, r.1, r.2][k]).collect::<Vec<_>>());
            metrics.add(&z, &y, &w);
        }
        metrics.fading
    }

    #[test]
    fn the_sums_are_those_of_weighing_every_record_by_its_age() {
        let rows: Vec<_> = rows(9000);
        let labelled: Vec<_> = rows.iter().filter(|row| !row.1.is_nan()).collect();
        let (mut loss, mut weight, mut correct) = (0.0, 0.0, 0.0);
        for (at, &&(z, y, w)) in labelled.iter().enumerate() {
            let end = ((at as u64 / BLOCK + 1) * BLOCK).min(labelled.len() as u64);
            let share = f64::from(w) * 0.5_f64.powf((labelled.len() as u64 - end) as f64 / HALF_LIFE as f64);
            loss += share * log_loss(z.into(), y.into());
            weight += share;
            correct += if (probability(z) >= 0.5) == (y > 0.5) { share } else { 0.0 };
        }
        let now = fading(&rows, 256).now();
        assert!((now.log_loss.loss - loss).abs() < 1e-8 && (now.log_loss.weight - weight).abs() < 1e-8);
        assert!((now.calibration.correct - correct).abs() < 1e-8);
        assert!(weight < 0.98 * labelled.iter().map(|row| f64::from(row.2)).sum::<f64>(), "nothing has faded");
    }

    #[test]
    fn micro_batches_never_show() {
        let rows = rows(5000);
        let whole = fading(&rows, 5000);
        for batch in [1, 7, 256, 1024, 3000] {
            let parts = fading(&rows, batch);
            let (have, want) = (parts.now().log_loss, whole.now().log_loss);
            assert_eq!((parts.block.labelled, have.weight), (whole.block.labelled, want.weight), "{batch}");
            assert!((have.loss - want.loss).abs() < 1e-9, "{batch}");
        }
    }

    #[test]
    fn what_lies_a_half_life_back_counts_half() {
        let mut metrics = Metrics::default();
        let all = BLOCK * (HALF_LIFE / BLOCK);
        let add = |metrics: &mut Metrics, logit: f32| {
            (0..all / BLOCK)
                .for_each(|_| metrics.add(&[logit; BLOCK as usize], &[1.0; BLOCK as usize], &[1.0; BLOCK as usize]));
        };
        add(&mut metrics, -1.0);
        let before = metrics.fading.now().calibration.weight;
        add(&mut metrics, 1.0);
        let now = metrics.fading.now().calibration;
        let old = now.weight - now.correct;
        assert!((old / before - 0.5).abs() < 0.01, "{}", old / before);
    }
}
