//! A window as it is told: takes the sums of a cell, gives the figures of one line.
//!
//! A figure that would divide by zero records is `None`. It writes nothing.

use serde::Serialize;

use super::{Closed, Every};
use crate::metric::cell::Cell;
use crate::metric::confusion::Threshold;
use crate::metric::quality::Quality;
use crate::timestamp::{self, SECOND};

/// A line of the metrics file: a window as a whole, or a segment of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line<'a> {
    /// What the window spans: a time such as `1h`, or a number of records.
    pub window: String,
    /// Where it starts, where that is a time.
    pub start: Option<String>,
    /// Where the next one starts, where that is a time.
    pub end: Option<String>,
    /// Number in the run of its first record.
    pub first_record: u64,
    /// Number in the run of its last record.
    pub last_record: u64,
    /// The column of the segment; `None` in the line of the whole window.
    pub segment: Option<&'a str>,
    /// The segment.
    pub value: Option<&'a str>,
    /// What it came to.
    #[serde(flatten)]
    pub figures: Figures,
    /// Records that came too late for an earlier window, since the last line of a whole window of its kind.
    pub late: Option<u64>,
    /// What it came to beside that.
    #[serde(flatten)]
    pub quality: Quality,
}

/// What a part of the stream came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Records predicted.
    pub records: u64,
    /// Those of them that had a label.
    pub labelled: u64,
    /// Weight of the positives among these.
    pub positives: f64,
    /// Log loss, in nats.
    pub log_loss: Option<f64>,
    /// Log loss of always predicting the base rate, in nats.
    pub best_constant_log_loss: Option<f64>,
    /// Area under the ROC curve, binned.
    pub auc: Option<f64>,
    /// The most that it can be off because it is binned.
    pub auc_error: Option<f64>,
    /// Mean squared difference of probability and label.
    pub brier: Option<f64>,
    /// Share that a threshold of 0.5 puts into its class.
    pub accuracy: Option<f64>,
    /// Share of positives.
    pub base_rate: Option<f64>,
    /// Mean of the probabilities of labelled records.
    pub mean_prediction: Option<f64>,
    /// Mean predicted over observed rate.
    pub predicted_over_observed: Option<f64>,
}

impl Figures {
    /// The figures of a cell.
    pub fn of(cell: &Cell) -> Self {
        let (tally, calibration, area) = (&cell.tally, &cell.tally.calibration, cell.ranking.area());
        Self {
            records: tally.records,
            labelled: tally.labelled,
            positives: calibration.positive,
            log_loss: tally.log_loss.mean(),
            best_constant_log_loss: calibration.best_constant_log_loss(),
            auc: area.map(|area| area.0),
            auc_error: area.map(|area| area.1),
            brier: calibration.brier(),
            accuracy: calibration.accuracy(),
            base_rate: calibration.base_rate(),
            mean_prediction: crate::metric::ratio(calibration.predicted, calibration.weight),
            predicted_over_observed: calibration.predicted_over_observed(),
        }
    }
}

impl Closed {
    /// The line of the window, then one for each of its segments, called as `name` says: column and value. Segments come
    /// in the order of their columns, within one as they first came.
    pub fn lines<'a>(&self, threshold: Threshold, name: impl Fn(u32) -> (usize, &'a str, &'a str)) -> Vec<Line<'a>> {
        let mut segments: Vec<_> = self.window.segments.iter().map(|(&number, cell)| (name(number), cell)).collect();
        segments.sort_by_key(|((column, _, _), _)| *column); // stable
        let named = segments.into_iter().map(|((_, column, value), cell)| Line {
            segment: Some(column),
            value: Some(value),
            late: None,
            ..self.line(cell, threshold)
        });
        std::iter::once(self.line(&self.window.all, threshold)).chain(named).collect()
    }

    fn line<'a>(&self, cell: &Cell, threshold: Threshold) -> Line<'a> {
        let start = match self.every {
            Every::Time(step) => Some(self.index.saturating_mul(step)),
            Every::Records(_) => None,
        };
        let end = start.zip(self.step()).map(|(start, step)| start.saturating_add(step));
        Line {
            window: self.every.to_string(),
            start: start.map(timestamp::written),
            end: end.map(timestamp::written),
            first_record: self.window.first,
            last_record: self.window.last,
            segment: None,
            value: None,
            figures: Figures::of(cell),
            late: Some(self.late),
            quality: Quality::of_cell(cell, threshold),
        }
    }

    fn step(&self) -> Option<i64> {
        match self.every {
            Every::Time(step) => Some(step),
            Every::Records(_) => None,
        }
    }
}

impl std::fmt::Display for Every {
    /// As it is named on the command line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [(86_400 * SECOND, "d"), (3600 * SECOND, "h"), (60 * SECOND, "m"), (SECOND, "s"), (1000, "ms")];
        match *self {
            Self::Records(records) => write!(f, "{records}"),
            Self::Time(step) => match units.into_iter().find(|(unit, _)| step % unit == 0) {
                Some((unit, name)) => write!(f, "{}{name}", step / unit),
                None => write!(f, "{}ms", step as f64 / 1e3),
            },
        }
    }
}
