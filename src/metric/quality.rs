//! What is told of predictions beside their loss: takes sums and bins, gives figures by the names under which they are written.
//!
//! It is worked out at the end of a stretch of the stream, and keeps nothing. A figure that would divide by zero records is
//! `None`.

use serde::Serialize;

use super::average_precision::AveragePrecision;
use super::bin::{Bin, Width};
use super::calibration_error::CalibrationError;
use super::cell::Cell;
use super::confusion::{Confusion, Threshold};
use super::fading::{Faded, HALF_LIFE};
use super::{Metrics, Tally, auc, ranking, ratio};

/// Figures of the whole run, of a window or of a segment.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Average precision, which is the area under the precision-recall curve, binned.
    pub pr_auc: Option<f64>,
    /// The most that it can be off because it is binned.
    pub pr_auc_error: Option<f64>,
    /// Log loss over that of always predicting the base rate (He et al. 2014): 1 for a model that knows no more.
    pub normalized_entropy: Option<f64>,
    /// Expected calibration error: mean difference of probability and rate over 15 bins of probability.
    pub ece: Option<f64>,
    /// The most that it can be off because it is binned more than once.
    pub ece_error: Option<f64>,
    /// The probability from which a prediction counts as positive below: of the edges of bins the one nearest to what was
    /// asked for.
    pub threshold: f64,
    /// Share of those predicted to be positive that are.
    pub precision: Option<f64>,
    /// Share of the positives that were predicted to be.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Correlation of prediction and label (Matthews 1975).
    pub mcc: Option<f64>,
    /// Agreement beyond that of a guesser with the same shares (Cohen 1960).
    pub kappa: Option<f64>,
    /// The same against always saying the class that most records have (Bifet et al. 2015).
    pub kappa_majority: Option<f64>,
}

/// Figures of the whole run in which older records count less.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FadingFigures {
    /// Labels behind which a label counts half.
    pub half_life: u64,
    /// Log loss, in nats.
    pub log_loss: Option<f64>,
    /// Log loss over that of always predicting the base rate, which fades too.
    pub normalized_entropy: Option<f64>,
    /// Mean squared difference of probability and label.
    pub brier: Option<f64>,
    /// Share that a threshold of 0.5 puts into its class.
    pub accuracy: Option<f64>,
    /// Share of positives.
    pub base_rate: Option<f64>,
    /// Mean predicted over observed rate.
    pub predicted_over_observed: Option<f64>,
}

impl Quality {
    /// Of the whole run; thresholds and calibration by bins 1/256 of a logit wide.
    ///
    /// ```
    /// use tidemill::metric::{Metrics, quality::Quality};
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[2.0, -1.0, 0.5, -3.0], &[1.0, 0.0, 0.0, 0.0], &[1.0; 4]);
    /// let quality = Quality::of_run(&metrics, Default::default());
    /// assert_eq!((quality.pr_auc, quality.threshold, quality.precision), (Some(1.0), 0.5, Some(0.5)));
    /// ```
    pub fn of_run(metrics: &Metrics, threshold: Threshold) -> Self {
        Self::of(&metrics.total, metrics.auc.used(), threshold, auc::WIDTH)
    }

    /// Of a window or a segment; thresholds and calibration by bins 1/32 of a logit wide.
    pub fn of_cell(cell: &Cell, threshold: Threshold) -> Self {
        Self::of(&cell.tally, cell.ranking.used(), threshold, ranking::WIDTH)
    }

    fn of(
        tally: &Tally,
        bins: impl DoubleEndedIterator<Item = Bin> + Clone,
        threshold: Threshold,
        width: Width,
    ) -> Self {
        let average = AveragePrecision::of(bins.clone().rev());
        let calibration = CalibrationError::of(bins.clone());
        let confusion = Confusion::of(bins, threshold);
        Self {
            pr_auc: average.map(|of| of.value),
            pr_auc_error: average.map(|of| of.error),
            normalized_entropy: normalized_entropy(tally.log_loss.mean(), tally.calibration.best_constant_log_loss()),
            ece: calibration.map(|of| of.value),
            ece_error: calibration.map(|of| of.error),
            threshold: threshold.taken_at(width),
            precision: confusion.precision(),
            recall: confusion.recall(),
            f1: confusion.f1(),
            mcc: confusion.mcc(),
            kappa: confusion.kappa(),
            kappa_majority: confusion.kappa_majority(),
        }
    }
}

/// Agreement at a threshold beyond that of the classifier which says what was said last (kappa temporal, Zliobaite et al.
/// 2015).
pub fn kappa_no_change(metrics: &Metrics, threshold: Threshold) -> Option<f64> {
    Confusion::of(metrics.auc.used(), threshold).beyond(metrics.no_change.accuracy()?)
}

impl FadingFigures {
    /// As the sums have faded by now.
    pub fn of(metrics: &Metrics) -> Self {
        let Faded { log_loss, calibration } = metrics.fading.now();
        Self {
            half_life: HALF_LIFE,
            log_loss: log_loss.mean().filter(|loss| loss.is_finite()),
            normalized_entropy: normalized_entropy(log_loss.mean(), calibration.best_constant_log_loss()),
            brier: calibration.brier(),
            accuracy: calibration.accuracy(),
            base_rate: calibration.base_rate(),
            predicted_over_observed: calibration.predicted_over_observed(),
        }
    }
}

fn normalized_entropy(log_loss: Option<f64>, of_constant: Option<f64>) -> Option<f64> {
    ratio(log_loss?, of_constant?).filter(|entropy| entropy.is_finite())
}
