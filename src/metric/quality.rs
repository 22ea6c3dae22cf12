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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::cell::Row;

    const LOGIT: [f32; 10] = [2.0, 1.25, -0.5, 0.25, -1.0, 0.75, -2.0, 1.5, -0.25, -1.75];
    const LABEL: [f32; 10] = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0];
    const WEIGHT: [f32; 10] = [1.0, 2.0, 1.0, 0.5, 1.0, 3.0, 1.0, 1.0, 2.0, 1.0];

    fn metrics() -> Metrics {
        let mut metrics = Metrics::default();
        metrics.add(&LOGIT, &LABEL, &WEIGHT);
        metrics
    }

    #[track_caller]
    fn assert_near(have: &[Option<f64>], want: &[f64]) {
        let is_near = |(have, want): (&Option<f64>, &f64)| have.is_some_and(|have| (have - want).abs() < 1e-12);
        assert!(have.len() == want.len() && have.iter().zip(want).all(is_near), "{have:?} {want:?}");
    }

    // From scikit-learn with sample_weight: average_precision_score, roc_auc_score, log_loss over the entropy of the
    // base rate, precision_score, recall_score, f1_score, matthews_corrcoef and cohen_kappa_score; River 0.26.1 gives the
    // same F1, MCC and kappa. No two of the logits share a bin.
    #[test]
    fn figures_are_those_of_other_libraries() {
        let quality = Quality::of_run(&metrics(), Threshold::default());
        assert_near(&[quality.pr_auc, metrics().auc.value()], &[0.789_010_989_010_989, 0.758_241_758_241_758_2]);
        assert_near(&[quality.normalized_entropy], &[0.803_056_345_244_582]);
        assert_near(
            &[quality.precision, quality.recall, quality.f1, quality.mcc, quality.kappa],
            &[
                0.733_333_333_333_333_3,
                0.846_153_846_153_846_2,
                0.785_714_285_714_285_7,
                0.563_544_512_512_026_5,
                0.557_377_049_180_327_8,
            ],
        );
        let quality = Quality::of_run(&metrics(), Threshold::new(0.7).unwrap());
        assert!((quality.threshold - 0.7).abs() < 5e-4, "{}", quality.threshold);
        assert_near(
            &[quality.precision, quality.recall, quality.f1, quality.mcc, quality.kappa],
            &[
                0.5,
                0.307_692_307_692_307_7,
                0.380_952_380_952_380_93,
                0.024_049_303_512_194_094,
                0.022_284_122_562_674_202,
            ],
        );
    }

    // By the definitions, in NumPy: fifteen bins of the probability of the positive class.
    #[test]
    fn the_calibration_error_is_that_of_the_probabilities_within_its_bound() {
        let quality = Quality::of_run(&metrics(), Threshold::default());
        let (value, error) = (quality.ece.unwrap(), quality.ece_error.unwrap());
        assert!((value - 0.375_696_421_560_210_3).abs() <= error && error < 1e-3, "{value} {error}");
    }

    // Labels 1 0 1 1 0 1 0 1 0 0 with these weights: 0.5 and 1 of 13.5 are as the one before.
    #[test]
    fn kappas_hold_the_accuracy_against_classifiers_that_know_nothing() {
        let quality = Quality::of_run(&metrics(), Threshold::default());
        let no_change = kappa_no_change(&metrics(), Threshold::default());
        // Right: 10.5 of 13.5; the majority, negatives: 7.
        assert_near(&[quality.kappa_majority, no_change], &[3.5 / 6.5, (10.5 - 1.5) / (13.5 - 1.5)]);
    }

    #[test]
    fn a_cell_has_the_figures_of_the_run() {
        let mut cell = Cell::default();
        for at in 0..LOGIT.len() {
            cell.add(&Row::new(LOGIT[at], LABEL[at], WEIGHT[at]));
        }
        for threshold in [0.2, 0.5, 0.7] {
            let threshold = Threshold::new(threshold).unwrap();
            let (run, cell) = (Quality::of_run(&metrics(), threshold), Quality::of_cell(&cell, threshold));
            let figures = |of: &Quality| [of.pr_auc, of.normalized_entropy, of.f1, of.mcc, of.kappa, of.kappa_majority];
            assert_near(&figures(&cell), &figures(&run).map(Option::unwrap));
            assert!((cell.ece.unwrap() - run.ece.unwrap()).abs() <= cell.ece_error.unwrap() + run.ece_error.unwrap());
        }
    }

    #[test]
    fn labels_known_late_come_to_the_figures_of_labels_known_at_once() {
        use crate::examples::{MicroBatch, Scored};
        let mut late = Metrics::default();
        late.add(&LOGIT, &[f32::NAN; 10], &WEIGHT);
        let scored = |rows: &[usize], label: &dyn Fn(usize) -> f32| {
            let of = |values: &[f32; 10]| rows.iter().map(|&row| values[row]).collect::<Vec<_>>();
            let label = rows.iter().map(|&row| label(row)).collect();
            let batch = MicroBatch { rows: rows.len(), label, weight: of(&WEIGHT), ..MicroBatch::default() };
            Scored { batch, logit: of(&LOGIT), ..Scored::default() }
        };
        let known = |row: usize| LABEL[row];
        late.add_known(&scored(&[0, 1, 2, 3], &known));
        late.add_known(&scored(&[4, 5, 6, 7, 8, 9], &known));
        assert_eq!(late.no_change, metrics().no_change);
        let sums = |of: &Metrics| {
            let now = of.fading.now();
            [Some(now.log_loss.loss), Some(now.log_loss.weight), Some(now.calibration.squared)]
        };
        assert_near(&sums(&late), &sums(&metrics()).map(Option::unwrap));
        // All were taken for negatives, and the positives came behind.
        let mut corrected = Metrics::default();
        corrected.add(&LOGIT, &[0.0; 10], &WEIGHT);
        corrected.correct(&scored(&[0, 2, 3, 5, 7], &known));
        let [have, want] = [&corrected, &metrics()].map(|of| Quality::of_run(of, Threshold::default()));
        let figures = |of: &Quality| [of.pr_auc, of.ece, of.normalized_entropy, of.f1, of.mcc, of.kappa];
        assert_near(&figures(&have), &figures(&want).map(Option::unwrap));
        assert_eq!((corrected.no_change.accuracy(), corrected.fading.now().calibration.positive), (Some(1.0), 0.0));
    }

    #[test]
    fn without_labels_there_is_no_figure() {
        let quality = Quality::of_run(&Metrics::default(), Threshold::default());
        let Quality { pr_auc, normalized_entropy, ece, f1, mcc, kappa, kappa_majority, .. } = quality;
        assert_eq!([pr_auc, normalized_entropy, ece, f1, mcc, kappa, kappa_majority], [None; 7]);
        assert_eq!(kappa_no_change(&Metrics::default(), Threshold::default()), None);
        assert_eq!(FadingFigures::of(&Metrics::default()).log_loss, None);
    }
}
