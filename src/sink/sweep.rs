//! The summary of a sweep: takes its figures, gives one JSON object with every learner, the best first.
//!
//! The same struct is what `report/leaderboard.rs` turns into text. It measures nothing itself.

use std::path::Path;

use serde::Serialize;

use super::output;
use crate::error::Result;
use crate::learner::{Optimizer, Settings, Update};

/// What a sweep did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepSummary {
    /// Records predicted, by every learner.
    pub records: u64,
    /// Those of them that had a label.
    pub labelled: u64,
    /// Records that could not be used.
    pub rejected: u64,
    /// Share of positives.
    pub base_rate: Option<f64>,
    /// Log loss of always predicting the base rate, in nats: what a learner has to beat.
    pub best_constant_log_loss: Option<f64>,
    /// Log loss of the best possible predictor, in nats; known for generated streams alone.
    pub best_possible_log_loss: Option<f64>,
    /// Seconds from the start to the end of the stream.
    pub elapsed_s: f64,
    /// Records and rejections a second; each was learned by every learner.
    pub records_per_s: Option<f64>,
    /// What learned.
    pub device: String,
    /// The number of the learner whose model is written, or would be.
    pub promoted: Option<usize>,
    /// Combinations left out because they come to the settings of another one.
    pub left_out: usize,
    /// Learners that were dropped before the end.
    pub dropped: usize,
    /// Learners that came to predictions that are no numbers.
    pub diverged: usize,
    /// Every learner: those that went on by their losses, then those that were dropped, then those that diverged.
    pub learners: Vec<LearnerSummary>,
    /// What the reader of the figures should know; of predictions, those of the best learner.
    pub warnings: Vec<String>,
}

/// A learner of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearnerSummary {
    /// Its number, from 1, in the order in which the grid was gone through.
    pub number: usize,
    /// Progressive log loss, in nats, up to where it was dropped; null where it diverged.
    pub log_loss: Option<f64>,
    /// Whether its predictions came to what is no number.
    pub diverged: bool,
    /// Labelled records after which it was dropped.
    pub dropped_after: Option<u64>,
    /// What it was given of the grid, as it was written.
    #[serde(skip)]
    pub given: String,
    /// The step rule with its parameters.
    pub optimizer: Optimizer,
    /// Sum of absolute weights, times this, was added to the loss.
    pub l1: f32,
    /// Half the sum of squared weights, times this, was added to the loss.
    pub l2: f32,
    /// The unit of learning.
    pub update: Update,
    /// Records of a micro-batch.
    pub batch: usize,
}

impl LearnerSummary {
    /// A learner before anything is known of it.
    pub fn new(number: usize, given: String, settings: &Settings) -> Self {
        let Settings { update, optimizer, penalty, batch, .. } = *settings;
        let (l1, l2) = (penalty.l1, penalty.l2);
        let (log_loss, diverged, dropped_after) = (None, false, None);
        Self { number, log_loss, diverged, dropped_after, given, optimizer, l1, l2, update, batch }
    }
}

impl SweepSummary {
    /// Writes the JSON object.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        output::replace(path, |mut to| {
            serde_json::to_writer_pretty(&mut to, self)?;
            to.write_all(b"\n")
        })
    }
}
