//! A run under way for monitors: takes its figures, gives the text of the OpenMetrics format, which Prometheus scrapes.
//!
//! What only grows is a counter, sums among them: the rate of `tidemill_log_loss_nats_total` over that of
//! `tidemill_labelled_weight_total` is the mean loss of any stretch of time. Format: OpenMetrics 1.0, 2020.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::metric::Tally;
use crate::sink::summary::StageTime;

/// What the text is, for whoever is handed it.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How a run stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum State {
    /// Its first record has not come.
    #[default]
    Starting,
    /// Records are learned or predicted.
    Running,
    /// The stream has come to its end.
    Finished,
    /// It cannot go on, for this reason.
    Failed(String),
}

/// The figures of a run at some moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// How the run stands.
    pub state: State,
    /// Seconds since its start, those before a checkpoint among them.
    pub elapsed_s: f64,
    /// Records read.
    pub read: u64,
    /// Bytes read, after decompression.
    pub bytes: u64,
    /// Records that could not be used, by reason.
    pub rejected: Vec<(&'static str, u64)>,
    /// Records that a transform has filtered out.
    pub filtered: u64,
    /// Records that came again.
    pub duplicates: u64,
    /// Negatives that were not among those to be learned.
    pub sampled_out: u64,
    /// Predicted records with their loss and calibration.
    pub total: Tally,
    /// Log loss since the start, in nats, corrections taken back.
    pub mean_log_loss: Option<f64>,
    /// Area under the ROC curve, and how far it can be off.
    pub auc: Option<(f64, Option<f64>)>,
    /// Updates behind the model that made the last predictions.
    pub version: Option<u64>,
    /// How the stream stands by its event times, where these are read.
    pub event_time: Option<EventTimeFigures>,
    /// Records whose labels are waited for, where labels come late.
    pub open_labels: Option<u64>,
    /// Alarms, where somebody looks for drift.
    pub alarms: Option<u64>,
    /// Where the time of each stage went.
    pub stages: Vec<(String, StageTime)>,
    /// The number of a later pass that is under way, and the records it has learned again.
    pub pass: Option<(u32, u64)>,
}

/// How a stream stands by its event times.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EventTimeFigures {
    /// The watermark, in seconds since 1970; `None` before the first event time.
    pub watermark_s: Option<f64>,
    /// Seconds by which it is behind the time of day, where input is live.
    pub lag_s: Option<f64>,
    /// Records that came behind it.
    pub late: u64,
    /// Records without an event time.
    pub without_time: u64,
    /// Records that wait for it.
    pub held: u64,
}

/// The text of the figures.
///
/// ```
/// use tidemill::report::exposition::{Figures, text};
/// let text = text(&Figures { read: 3, ..Figures::default() });
/// assert!(text.contains("# TYPE tidemill_read_records counter\ntidemill_read_records_total 3\n"));
/// assert!(text.ends_with("# EOF\n"));
/// ```
pub fn text(figures: &Figures) -> String {
    let mut registry = Registry::with_prefix("tidemill");
    registry.register_collector(Box::new(Exposition(families(figures))));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = text::encode(&mut text, &registry);
    text
}

/// A value as it is written: whole numbers without a point.
#[derive(Debug, Clone, Copy)]
enum Value {
    Whole(u64),
    Number(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// Series of one name.
#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    series: Vec<(Labels, Value)>,
}

impl Family {
    fn counter(name: &'static str, help: &'static str, value: impl Into<Value>) -> Self {
        Self { name, help, unit: None, kind: MetricType::Counter, series: vec![(Vec::new(), value.into())] }
    }

    fn gauge(name: &'static str, help: &'static str, value: impl Into<Value>) -> Self {
        Self { kind: MetricType::Gauge, ..Self::counter(name, help, value) }
    }

    fn in_unit(self, unit: Unit) -> Self {
        Self { unit: Some(unit), ..self }
    }

    fn by_label(self, series: Vec<(Labels, Value)>) -> Self {
        Self { series, ..self }
    }
}

/// All families of a text.
#[derive(Debug)]
struct Exposition(Vec<Family>);

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { name, help, unit, kind, series } in self.0.iter().filter(|family| !family.series.is_empty()) {
            let mut of = encoder.encode_descriptor(name, help, unit.as_ref(), *kind)?;
            for (labels, value) in series {
                match (kind, labels.is_empty()) {
                    (MetricType::Info, _) => of.encode_info(labels)?,
                    (_, true) => sample(&mut of, *kind, *value)?,
                    (_, false) => sample(&mut of.encode_family(labels)?, *kind, *value)?,
                }
            }
        }
        Ok(())
    }
}

fn sample(to: &mut MetricEncoder<'_>, kind: MetricType, value: Value) -> fmt::Result {
    match (kind, value) {
        (MetricType::Counter, Value::Whole(value)) => to.encode_counter::<NoLabelSet, _, u64>(&value, None),
        (MetricType::Counter, Value::Number(value)) => to.encode_counter::<NoLabelSet, _, u64>(&value, None),
        (_, Value::Whole(value)) => to.encode_gauge(&(value as f64)),
        (_, Value::Number(value)) => to.encode_gauge(&value),
    }
}

fn families(of: &Figures) -> Vec<Family> {
    [run(of), records(of), quality(of), times(of), stages(of)].into_iter().flatten().collect()
}

/// What runs, and how it stands.
fn run(of: &Figures) -> Vec<Family> {
    let version = vec![("version", Cow::Borrowed(env!("CARGO_PKG_VERSION")))];
    let build = Family { kind: MetricType::Info, ..Family::counter("build", "The program", 0_u64) };
    let now = match of.state {
        State::Starting => "starting",
        State::Running => "running",
        State::Finished => "finished",
        State::Failed(_) => "failed",
    };
    let states = ["starting", "running", "finished", "failed"];
    let states = states.map(|state| (vec![("state", state.into())], Value::from(u64::from(state == now))));
    let mut families = vec![
        build.by_label(vec![(version, Value::Whole(1))]),
        Family::gauge("run_state", "1 for the state that the run is in", 0_u64).by_label(states.into()),
        Family::gauge("elapsed", "Time since the start of the run", of.elapsed_s).in_unit(Unit::Seconds),
    ];
    if let Some((number, records)) = of.pass {
        let labels = vec![("pass", Cow::Owned(number.to_string()))];
        let family = Family::counter("relearned_records", "Records that a later pass has learned again", records);
        families.push(family.by_label(vec![(labels, records.into())]));
    }
    families
}

/// What became of records.
fn records(of: &Figures) -> Vec<Family> {
    let rejected = of.rejected.iter().map(|&(reason, count)| (vec![("reason", reason.into())], count.into()));
    let rejected = rejected.collect();
    vec![
        Family::counter("records", "Records predicted", of.total.records),
        Family::counter("labelled_records", "Predicted records whose label is known", of.total.labelled),
        Family::counter("read_records", "Records read", of.read),
        Family::counter("read", "Bytes read, after decompression", of.bytes).in_unit(Unit::Bytes),
        Family::counter("rejected_records", "Records that could not be used", 0_u64).by_label(rejected),
        Family::counter("filtered_records", "Records that a transform has filtered out", of.filtered),
        Family::counter("duplicate_records", "Records that came again", of.duplicates),
        Family::counter("sampled_out_records", "Negatives that were not among those to be learned", of.sampled_out),
    ]
}

/// How good the predictions are.
fn quality(of: &Figures) -> Vec<Family> {
    let (loss, sums) = (&of.total.log_loss, &of.total.calibration);
    let nats = || Unit::Other("nats".into());
    let loss_help = "Log loss times example weight, added up over labelled records";
    let mut families = vec![
        Family::counter("log_loss", loss_help, loss.loss).in_unit(nats()),
        Family::counter("labelled_weight", "Example weights of labelled records, added up", loss.weight),
        Family::counter("positive_weight", "Example weights of positives, added up", sums.positive),
        Family::counter("predicted_weight", "Probability times example weight, added up", sums.predicted),
        Family::counter("squared_error", "Squared error times example weight, added up", sums.squared),
        Family::counter("correct_weight", "Example weights of records put into their class at 0.5", sums.correct),
    ];
    let mean =
        of.mean_log_loss.map(|mean| Family::gauge("mean_log_loss", "Log loss since the start", mean).in_unit(nats()));
    families.extend(mean);
    if let Some((auc, error)) = of.auc {
        families.push(Family::gauge("auc", "Area under the ROC curve since the start", auc));
        families.extend(error.map(|error| Family::gauge("auc_error", "The most that the area can be off", error)));
    }
    let version = "Updates behind the model that made the last predictions";
    families.extend(of.version.map(|updates| Family::gauge("model_version", version, updates)));
    families.extend(of.alarms.map(|alarms| Family::counter("drift_alarms", "Alarms of drift", alarms)));
    families
}

/// How the stream stands by its event times.
fn times(of: &Figures) -> Vec<Family> {
    let mut families = Vec::new();
    let open = |open| Family::gauge("open_labels", "Records whose labels are waited for", open);
    families.extend(of.open_labels.map(open));
    let Some(EventTimeFigures { watermark_s, lag_s, late, without_time, held }) = of.event_time else {
        return families;
    };
    let watermark = |at| Family::gauge("watermark_timestamp", "Where the watermark stands", at).in_unit(Unit::Seconds);
    let lag = |lag| Family::gauge("event_time_lag", "Time of day less the watermark", lag).in_unit(Unit::Seconds);
    families.extend(watermark_s.map(watermark));
    families.extend(lag_s.map(lag));
    families.extend([
        Family::counter("late_records", "Records that came behind the watermark", late),
        Family::counter("records_without_time", "Records without an event time", without_time),
        Family::gauge("held_records", "Records that wait for the watermark", held),
    ]);
    families
}

/// Where the time of the stages went.
fn stages(of: &Figures) -> Vec<Family> {
    let states = |(name, time): &(String, StageTime)| {
        [("busy", time.busy_s), ("starved", time.starved_s), ("blocked", time.blocked_s)].map(|(state, seconds)| {
            (vec![("stage", Cow::Owned(name.clone())), ("state", state.into())], Value::from(seconds))
        })
    };
    let threads = |(name, time): &(String, StageTime)| {
        (vec![("stage", Cow::Owned(name.clone()))], Value::from(u64::from(time.threads)))
    };
    let help = "Time of the threads of a stage: working, waiting for input, or for room downstream";
    vec![
        Family::counter("stage", help, 0_u64)
            .by_label(of.stages.iter().flat_map(states).collect())
            .in_unit(Unit::Seconds),
        Family::gauge("stage_threads", "Threads of a stage", 0_u64).by_label(of.stages.iter().map(threads).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_that_is_there_is_told_by_its_name_and_no_other() {
        let stage = StageTime { busy_s: 1.5, starved_s: 0.25, blocked_s: 0.0, threads: 2 };
        let full = Figures {
            state: State::Failed("no\nway".into()),
            rejected: vec![("not_a_number", 2)],
            auc: Some((0.75, None)),
            event_time: Some(EventTimeFigures { watermark_s: Some(1.5e9), held: 7, ..EventTimeFigures::default() }),
            open_labels: Some(4),
            stages: vec![("a\"b".into(), stage)],
            pass: Some((2, 50)),
            ..Figures::default()
        };
        let told = text(&full);
        for line in [
            concat!("tidemill_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "tidemill_run_state{state=\"failed\"} 1.0",
            "tidemill_run_state{state=\"running\"} 0.0",
            "tidemill_rejected_records_total{reason=\"not_a_number\"} 2",
            "tidemill_auc 0.75",
            "tidemill_watermark_timestamp_seconds 1500000000.0",
            "tidemill_held_records 7.0",
            "tidemill_open_labels 4.0",
            "tidemill_stage_seconds_total{stage=\"a\\\"b\",state=\"busy\"} 1.5",
            "tidemill_stage_threads{stage=\"a\\\"b\"} 2.0",
            "tidemill_relearned_records_total{pass=\"2\"} 50",
            "# UNIT tidemill_log_loss_nats nats",
        ] {
            assert!(told.lines().any(|told| told == line), "{line} is missing in\n{told}");
        }
        let empty = text(&Figures::default());
        for name in
            ["auc", "mean_log_loss", "model_version", "watermark", "open_labels", "stage", "alarms", "relearned"]
        {
            assert!(!empty.contains(&format!("tidemill_{name}")), "{name} in\n{empty}");
        }
    }
}
