//! The summary of a run: takes its figures, gives one JSON object whose first keys are the promise to scripts.
//!
//! The same struct is what `report/summary.rs` turns into text. It measures nothing itself.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::output;
use super::told::{DriftSummary, EventTimeSummary, LateLabelsSummary, SegmentSummary, WindowsSummary};
use crate::dictionary::shown::Shown;
use crate::error::Result;
use crate::learner::optimizer::smaller_step;
use crate::learner::{Settings, Update};
use crate::metric::Metrics;
use crate::metric::confusion::Threshold;
use crate::metric::explosion::Explosion;
use crate::metric::quality::{self, FadingFigures, Quality};

/// What a run did. Keys up to `stages` are the output contract, in its order; what comes after may grow.
///
/// A figure that would divide by zero records is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Records predicted.
    pub records: u64,
    /// Those of them that had a label.
    pub labelled: u64,
    /// Records that could not be used.
    pub rejected: u64,
    /// Updates made in this run.
    pub updates: u64,
    /// Updates that the model has behind it, those of earlier runs included.
    pub model_version: u64,
    /// Progressive log loss, in nats.
    pub log_loss: Option<f64>,
    /// Area under the ROC curve, binned; see `auc_error`.
    pub auc: Option<f64>,
    /// Mean squared difference of probability and label.
    pub brier: Option<f64>,
    /// Share that a threshold of 0.5 puts into its class.
    pub accuracy: Option<f64>,
    /// Share of positives.
    pub base_rate: Option<f64>,
    /// Log loss of always predicting the base rate, in nats.
    pub best_constant_log_loss: Option<f64>,
    /// Seconds from the start to the end of the stream.
    pub elapsed_s: f64,
    /// Records and rejections a second.
    pub records_per_s: Option<f64>,
    /// Bytes of input a second, after decompression.
    pub bytes_per_s: Option<f64>,
    /// What learned: `cpu`, or the name of an adapter, with `, then cpu` behind it where that failed under way.
    pub device: String,
    /// The unit of learning.
    pub update: Update,
    /// Records of a micro-batch.
    pub batch: u64,
    /// The stage that held the others up.
    pub bottleneck: String,
    /// Where the time of each stage went, in the order of the flow.
    #[serde(serialize_with = "as_map")]
    pub stages: Vec<(String, StageTime)>,

    /// The most that `auc` can be off because it is binned.
    pub auc_error: Option<f64>,
    /// Mean predicted over observed rate.
    pub predicted_over_observed: Option<f64>,
    /// Log loss of the best possible predictor, in nats; known for generated streams alone.
    pub best_possible_log_loss: Option<f64>,
    /// Rejected records by [`crate::record::Reason::name`].
    pub rejected_by_reason: BTreeMap<&'static str, u64>,
    /// Records that a transform has filtered out.
    pub filtered: u64,
    /// Records that came again, and were not learned for that.
    pub duplicates: u64,
    /// Negatives that were not among those to be learned.
    pub sampled_out: u64,
    /// Why this device.
    pub device_reason: String,
    /// The step rule.
    pub optimizer: String,
    /// Its step size.
    pub learning_rate: f32,
    /// Sum of absolute weights, times this, was added to the loss.
    pub l1: f32,
    /// Half the sum of squared weights, times this, was added to the loss.
    pub l2: f32,
    /// The hashed table has `2^hash_bits` weights.
    pub hash_bits: u32,
    /// Ingest threads.
    pub threads: u64,
    /// Cores that the process could use.
    pub cores: u64,
    /// Bytes of input, after decompression.
    pub bytes: u64,
    /// Role of each column that was not declared, in the order of the input.
    #[serde(serialize_with = "as_map")]
    pub inferred_columns: Vec<(String, String)>,
    /// Hashed features by name: namespaces, the largest weights, the most frequent ones, and whether `hash_bits` is
    /// enough; null where names were not asked for, or none are hashed.
    pub features: Option<Shown>,
    /// The passes over records that had been learned before; no other figure counts them, but for `updates` and
    /// `model_version`.
    pub later_passes: Vec<LaterPass>,
    /// How the stream stands by its event times; null where these are not read.
    pub event_time: Option<EventTimeSummary>,
    /// How labels stand that come later than their records; null where none do.
    pub late_labels: Option<LateLabelsSummary>,
    /// How much windows of keys remember; null where no feature is made of them.
    pub window_features: Option<WindowFeatures>,
    /// What each segment came to; empty where metrics are not told apart.
    pub segments: Vec<SegmentSummary>,
    /// What was counted of windows and segments; null where there are none.
    pub windows: Option<WindowsSummary>,
    /// What was found of drift and done about it; null where nobody looked for it.
    pub drift: Option<DriftSummary>,
    /// What the reader of the figures should know.
    pub warnings: Vec<String>,
    /// What the predictions came to beside their loss, at the threshold that was asked for.
    #[serde(flatten)]
    pub quality: Quality,
    /// Agreement at the threshold beyond that of saying the last label again.
    pub kappa_no_change: Option<f64>,
    /// The figures with older records counting less.
    pub fading: FadingFigures,
    /// What was read, as messages name it.
    pub inputs: Vec<String>,
    /// The options by which the run can be told from others: those of its columns, features and learner, as they were given.
    pub job: serde_json::Value,
    /// Whether nothing was to be learned: the settings are then those by which the model has learned.
    #[serde(skip)]
    pub frozen: bool,
}

/// How much the windows of a job remember behind its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WindowFeatures {
    /// Keys, those of each section counted by themselves.
    pub keys: u64,
    /// Bytes of memory, about.
    pub bytes: u64,
    /// Keys that were forgotten for want of room, since the model began.
    pub evicted: u64,
    /// Keys of which nothing lay in a window any more.
    pub expired: u64,
}

/// A pass over records that had been learned before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LaterPass {
    /// Its number; the stream itself is pass 1.
    pub pass: u32,
    /// Records learned again.
    pub records: u64,
    /// Log loss, in nats, of predictions by a model that had learned these records before: how closely it follows them, and
    /// no measure of how good it is.
    pub log_loss_on_records_learned_before: Option<f64>,
    /// Seconds from its start to its end.
    pub elapsed_s: f64,
    /// Records learned again a second.
    pub records_per_s: Option<f64>,
}

/// Where the time of a stage went, in seconds, added up over its threads.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct StageTime {
    /// Working.
    pub busy_s: f64,
    /// Waiting for the stage before.
    pub starved_s: f64,
    /// Waiting for the stage behind.
    pub blocked_s: f64,
    /// Threads of the stage.
    pub threads: u32,
}

impl StageTime {
    /// Share of the stage's time that it was busy, 0 to 1; 0 where nothing was measured.
    ///
    /// ```
    /// use tidemill::sink::summary::StageTime;
    /// let time = StageTime { busy_s: 3.0, starved_s: 1.0, blocked_s: 0.0, threads: 2 };
    /// assert_eq!(time.busy(), 0.75);
    /// ```
    pub fn busy(&self) -> f64 {
        self.share(self.busy_s)
    }

    /// Share of the stage's time that it waited for the stage before.
    pub fn starved(&self) -> f64 {
        self.share(self.starved_s)
    }

    /// Share of the stage's time that it waited for the stage behind.
    pub fn blocked(&self) -> f64 {
        self.share(self.blocked_s)
    }

    fn share(&self, part: f64) -> f64 {
        let all = self.busy_s + self.starved_s + self.blocked_s;
        if all > 0.0 { part / all } else { 0.0 }
    }
}

impl Summary {
    /// A summary of settings and metrics; what only the pipeline knows is left for it to fill in.
    ///
    /// ```
    /// use tidemill::learner::{Optimizer, Penalty, Settings, Update};
    /// use tidemill::{metric::Metrics, sink::summary::Summary};
    /// let settings = Settings {
    ///     update: Update::Record,
    ///     optimizer: Optimizer::AdaGrad { learning_rate: 0.1 },
    ///     penalty: Penalty::NONE,
    ///     batch: 256,
    ///     hash_bits: 18,
    ///     frozen: false,
    /// };
    /// let summary = Summary::new(&settings, &Metrics::default()).timed(2.0, 1_000);
    /// assert_eq!((summary.bytes_per_s, summary.log_loss), (Some(500.0), None));
    /// ```
    pub fn new(settings: &Settings, metrics: &Metrics) -> Self {
        let (total, calibration) = (&metrics.total, &metrics.total.calibration);
        let finite = |figure: Option<f64>| figure.filter(|x| x.is_finite());
        Self {
            records: total.records,
            labelled: total.labelled,
            rejected: 0,
            updates: 0,
            model_version: 0,
            log_loss: finite(total.log_loss.mean()),
            auc: metrics.auc.value(),
            brier: finite(calibration.brier()),
            accuracy: calibration.accuracy(),
            base_rate: calibration.base_rate(),
            best_constant_log_loss: calibration.best_constant_log_loss(),
            elapsed_s: 0.0,
            records_per_s: None,
            bytes_per_s: None,
            device: String::new(),
            update: settings.update,
            batch: settings.batch as u64,
            bottleneck: String::new(),
            stages: Vec::new(),
            auc_error: metrics.auc.error(),
            predicted_over_observed: finite(calibration.predicted_over_observed()),
            best_possible_log_loss: None,
            rejected_by_reason: BTreeMap::new(),
            filtered: 0,
            duplicates: 0,
            sampled_out: 0,
            device_reason: String::new(),
            optimizer: settings.optimizer.name().to_owned(),
            learning_rate: settings.optimizer.learning_rate(),
            l1: settings.penalty.l1,
            l2: settings.penalty.l2,
            hash_bits: settings.hash_bits,
            threads: 0,
            cores: 1,
            bytes: 0,
            inferred_columns: Vec::new(),
            features: None,
            later_passes: Vec::new(),
            event_time: None,
            late_labels: None,
            window_features: None,
            segments: Vec::new(),
            windows: None,
            drift: None,
            warnings: warnings(metrics, settings),
            quality: Quality::of_run(metrics, Threshold::default()),
            kappa_no_change: quality::kappa_no_change(metrics, Threshold::default()),
            fading: FadingFigures::of(metrics),
            inputs: Vec::new(),
            job: serde_json::Value::Null,
            frozen: settings.frozen,
        }
    }

    /// The same with the figures of another threshold than one half.
    ///
    /// ```
    /// # use tidemill::learner::{Optimizer, Penalty, Settings, Update};
    /// # let settings = Settings {
    /// #     update: Update::Batch, optimizer: Optimizer::AdaGrad { learning_rate: 0.1 }, penalty: Penalty::NONE,
    /// #     batch: 256, hash_bits: 18, frozen: false,
    /// # };
    /// use tidemill::metric::{Metrics, confusion::Threshold};
    /// use tidemill::sink::summary::Summary;
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[-1.0], &[1.0], &[1.0]); // a probability of 0.27
    /// let recall = |threshold| {
    ///     Summary::new(&settings, &metrics).at_threshold(&metrics, Threshold::new(threshold).unwrap()).quality.recall
    /// };
    /// assert_eq!((recall(0.5), recall(0.2)), (Some(0.0), Some(1.0)));
    /// ```
    #[must_use]
    pub fn at_threshold(mut self, metrics: &Metrics, threshold: Threshold) -> Self {
        self.quality = Quality::of_run(metrics, threshold);
        self.kappa_no_change = quality::kappa_no_change(metrics, threshold);
        self
    }

    /// Records read: those predicted, rejected and left out.
    pub fn read(&self) -> u64 {
        self.records + self.rejected + self.filtered + self.duplicates + self.sampled_out
    }

    /// The same with time and bytes, and the rates that follow; set what was rejected and left out before, since these
    /// records count as read.
    #[must_use]
    pub fn timed(mut self, elapsed_s: f64, bytes: u64) -> Self {
        let rate = |count: u64| (elapsed_s > 0.0).then(|| count as f64 / elapsed_s);
        self.records_per_s = rate(self.read());
        self.bytes_per_s = rate(bytes);
        (self.elapsed_s, self.bytes) = (elapsed_s, bytes);
        self
    }

    /// Writes it as JSON, whole or not at all; `-` is standard output.
    ///
    /// ```
    /// # use tidemill::learner::{Optimizer, Penalty, Settings, Update};
    /// # use tidemill::{metric::Metrics, sink::summary::Summary};
    /// # let settings = Settings {
    /// #     update: Update::Batch, optimizer: Optimizer::AdaGrad { learning_rate: 0.1 }, penalty: Penalty::NONE,
    /// #     batch: 256, hash_bits: 18, frozen: false,
    /// # };
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("summary.json");
    /// Summary::new(&settings, &Metrics::default()).write(&path)?;
    /// assert!(std::fs::read_to_string(path)?.starts_with("{\n  \"records\": 0,\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self, path: &Path) -> Result<()> {
        output::replace(path, |mut to| {
            serde_json::to_writer_pretty(&mut to, self)?;
            to.write_all(b"\n")
        })
    }
}

/// What the figures do not say by themselves.
fn warnings(metrics: &Metrics, settings: &Settings) -> Vec<String> {
    let (frozen, exploded) = (settings.frozen, metrics.explosion.found.filter(|_| !settings.frozen));
    let total = &metrics.total;
    let mut warnings = Vec::new();
    if total.records > 0 && total.labelled == 0 {
        let learned = if frozen { "scored" } else { "learned or scored" };
        warnings.push(format!("no record had a label, so nothing was {learned}; check --label"));
    }
    match total.calibration.base_rate() {
        Some(0.0) => warnings.push("every label was negative; check --label and --positive".into()),
        Some(1.0) => warnings.push("every label was positive; check --label and --positive".into()),
        _ if exploded.is_none() && worse_than_constant(metrics) => {
            let help = if frozen { "is this the model for it?" } else { "try a smaller --learning-rate" };
            warnings.push(format!("predictions were worse than always saying the base rate; {help}"));
        }
        _ => {}
    }
    warnings.extend(exploded.map(|found| explosion(&found, settings.optimizer.learning_rate())));
    warnings
}

fn explosion(found: &Explosion, learning_rate: f32) -> String {
    let Explosion { record, labelled, log_loss } = found;
    let advice = smaller_step(learning_rate);
    format!(
        "the loss exploded at record {record}: {log_loss:.2} over the next {labelled} labelled records, where guessing \
         costs 0.69; {advice} instead of {learning_rate}"
    )
}

fn worse_than_constant(metrics: &Metrics) -> bool {
    let constant = metrics.total.calibration.best_constant_log_loss();
    metrics.total.log_loss.mean().zip(constant).is_some_and(|(loss, constant)| loss > constant + 1e-6)
}

/// Pairs as a JSON object that keeps their order.
fn as_map<V: Serialize, S: Serializer>(pairs: &[(String, V)], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::learner::{Optimizer, Penalty};

    pub(crate) fn settings() -> Settings {
        Settings {
            update: Update::Record,
            optimizer: Optimizer::AdaGrad { learning_rate: 0.1 },
            penalty: Penalty::NONE,
            batch: 256,
            hash_bits: 18,
            frozen: false,
        }
    }

    pub(crate) fn summary_of(logit: &[f32], label: &[f32]) -> Summary {
        let mut metrics = Metrics::default();
        metrics.add(logit, label, &vec![1.0; label.len()]);
        Summary::new(&settings(), &metrics)
    }

    #[test]
    fn the_keys_of_the_contract_come_first_and_in_its_order() {
        let mut summary = summary_of(&[1.0], &[1.0]);
        summary.stages = vec![("source".into(), StageTime::default()), ("ingest".into(), StageTime::default())];
        let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&summary).unwrap()).unwrap();
        let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let contract = "records labelled rejected updates model_version log_loss auc brier accuracy base_rate \
                        best_constant_log_loss elapsed_s records_per_s bytes_per_s device update batch bottleneck \
                        stages auc_error predicted_over_observed best_possible_log_loss rejected_by_reason \
                        filtered duplicates sampled_out device_reason optimizer learning_rate l1 l2 hash_bits threads \
                        cores bytes inferred_columns features later_passes event_time late_labels window_features segments windows drift \
                        warnings pr_auc pr_auc_error normalized_entropy ece ece_error threshold precision recall f1 \
                        mcc kappa kappa_majority kappa_no_change fading inputs job";
        assert_eq!(keys, contract.split_whitespace().collect::<Vec<_>>());
        let stages: Vec<_> = json["stages"].as_object().unwrap().keys().collect();
        assert_eq!(stages, ["source", "ingest"]);
        let stage: Vec<_> = json["stages"]["source"].as_object().unwrap().keys().collect();
        assert_eq!(stage, ["busy_s", "starved_s", "blocked_s", "threads"]);
        assert_eq!((&json["update"], &json["learning_rate"].to_string()[..]), (&"record".into(), "0.1"));
    }

    #[test]
    fn figures_without_records_are_null() {
        let json = serde_json::to_value(summary_of(&[], &[]).timed(0.0, 0)).unwrap();
        for key in ["log_loss", "auc", "brier", "accuracy", "base_rate", "records_per_s", "auc_error"] {
            assert_eq!(json[key], serde_json::Value::Null, "{key}");
        }
        assert_eq!(json["warnings"], serde_json::json!([]));
    }

    #[test]
    fn records_that_were_rejected_or_left_out_count_as_read() {
        let mut summary = summary_of(&[1.0], &[1.0]);
        (summary.rejected, summary.duplicates, summary.sampled_out) = (1, 2, 3);
        assert_eq!(summary.timed(0.5, 10).records_per_s, Some(14.0));
    }

    #[test]
    fn a_run_that_taught_nothing_is_warned_of() {
        for (logit, label, word) in [
            (&[1.0, 1.0][..], &[f32::NAN, f32::NAN][..], "no record had a label"),
            (&[1.0], &[1.0], "every label was positive"),
            (&[1.0], &[0.0], "every label was negative"),
            (&[9.0, -9.0], &[0.0, 1.0], "worse than always saying the base rate"),
        ] {
            let warnings = summary_of(logit, label).warnings;
            assert!(warnings.len() == 1 && warnings[0].contains(word), "{word}: {warnings:?}");
        }
        assert!(summary_of(&[9.0, -9.0], &[1.0, 0.0]).warnings.is_empty());
    }

    #[test]
    fn an_exploding_loss_is_named_with_the_step_to_try_instead_of_the_vaguer_warning() {
        let (logit, label) = ([9.0, -9.0].repeat(3000), [0.0, 1.0].repeat(3000));
        let warnings = summary_of(&logit, &label).warnings;
        let expected = "the loss exploded at record 1: 9.00 over the next 6000 labelled records, where guessing costs \
                        0.69; try --learning-rate 0.01 (a tenth) instead of 0.1";
        assert_eq!(warnings, [expected]);
        let mut metrics = Metrics::default();
        metrics.add(&logit, &label, &vec![1.0; 6000]);
        let frozen = Summary::new(&Settings { frozen: true, ..settings() }, &metrics).warnings;
        assert!(frozen.len() == 1 && frozen[0].contains("is this the model for it?"), "{frozen:?}");
    }
}
