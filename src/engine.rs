//! The engine: takes examples in the order of the stream, and owns everything that depends on that order.
//!
//! Running scales, micro-batches, the model, metrics and counts all live here, in one thread; it does no I/O and reads
//! no clock. What leaves goes through a [`Sink`].

use std::collections::BTreeMap;

use crate::batcher::Batcher;
use crate::config::MaxRejected;
use crate::error::{Error, ErrorKind, Result};
use crate::examples::{Examples, MicroBatch, Scored};
use crate::learner::Learner;
use crate::metric::Metrics;
use crate::record::{LossSum, Reason, Rejected};

/// Where scored micro-batches and rejected records go.
pub trait Sink {
    /// Takes a scored micro-batch; may give back another one whose buffers are free.
    ///
    /// # Errors
    /// An output that cannot be written.
    fn scored(&mut self, scored: Scored) -> Result<Option<Scored>>;

    /// Takes a rejected record with its number in the run, from 1.
    ///
    /// # Errors
    /// An output that cannot be written.
    fn rejected(&mut self, record: u64, rejected: &Rejected) -> Result<()>;
}

/// What has been counted so far.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Records read, rejected ones among them.
    pub records: u64,
    /// Rejected records.
    pub rejected: u64,
    /// Rejected records by reason.
    pub by_reason: BTreeMap<Reason, u64>,
    /// Bytes of text read, after decompression.
    pub bytes: u64,
    /// The best possible loss on the records so far; known to generated streams alone.
    pub best_loss: Option<LossSum>,
}

/// Everything sequential of a run.
pub struct Engine {
    batcher: Batcher,
    learner: Box<dyn Learner>,
    metrics: Metrics,
    counts: Counts,
    max_rejected: MaxRejected,
    spare: Vec<MicroBatch>,
}

impl Engine {
    /// An engine at the start of a stream.
    pub fn new(batcher: Batcher, learner: Box<dyn Learner>, max_rejected: MaxRejected) -> Self {
        Self {
            batcher,
            learner,
            metrics: Metrics::default(),
            counts: Counts::default(),
            max_rejected,
            spare: Vec::new(),
        }
    }

    /// Takes the examples of the next chunk.
    ///
    /// # Errors
    /// A failing device or output, labels written in two ways, or too many rejected records.
    pub fn push(&mut self, examples: &Examples, sink: &mut dyn Sink) -> Result<()> {
        self.count(examples, sink)?;
        let mut row = 0;
        while row < examples.rows {
            row = self.batcher.fill(examples, row, self.counts.records - u64::from(examples.seen))?;
            if self.batcher.is_full() {
                self.learn(sink)?;
            }
        }
        self.check_rejected(false)
    }

    /// Takes the last, shorter micro-batch and waits for everything under way.
    ///
    /// # Errors
    /// As [`Engine::push`].
    pub fn finish(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.learn(sink)?;
        self.learner.finish()?;
        self.hand_on(sink)?;
        self.check_rejected(true)
    }

    /// What has been counted so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How good the predictions were so far.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Counts and metrics, for a look at the run under way.
    pub fn progress(&mut self) -> (&Counts, &mut Metrics) {
        (&self.counts, &mut self.metrics)
    }

    /// The learner, for its model.
    pub fn learner(&mut self) -> &mut dyn Learner {
        &mut *self.learner
    }

    /// The running scales.
    pub fn scaler(&self) -> &crate::scaler::Scaler {
        self.batcher.scaler()
    }

    fn count(&mut self, examples: &Examples, sink: &mut dyn Sink) -> Result<()> {
        for rejected in &examples.rejected {
            sink.rejected(self.counts.records + u64::from(rejected.number) + 1, rejected)?;
            *self.counts.by_reason.entry(rejected.reason).or_default() += 1;
        }
        self.counts.rejected += examples.rejected.len() as u64;
        self.counts.records += u64::from(examples.seen);
        self.counts.bytes += examples.bytes;
        if let Some(best) = examples.best_loss {
            let sum = self.counts.best_loss.get_or_insert_default();
            sum.loss += best.loss;
            sum.records += best.records;
        }
        Ok(())
    }

    /// Hands the micro-batch to the learner, and on what is ready.
    fn learn(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let spare = self.spare.pop().unwrap_or_default();
        let batch = self.batcher.take(spare);
        if batch.rows > 0 {
            self.learner.learn(batch)?;
        }
        self.hand_on(sink)
    }

    fn hand_on(&mut self, sink: &mut dyn Sink) -> Result<()> {
        while let Some(scored) = self.learner.next_scored()? {
            self.metrics.update(&scored);
            if let Some(mut free) = sink.scored(scored)? {
                self.spare.push(std::mem::take(&mut free.batch));
                self.learner.recycle(free);
            }
        }
        Ok(())
    }

    fn check_rejected(&self, at_end: bool) -> Result<()> {
        let Counts { records, rejected, by_reason, .. } = &self.counts;
        if !self.max_rejected.is_exceeded(*rejected, *records, at_end) {
            return Ok(());
        }
        let reasons: Vec<_> = by_reason.iter().map(|(reason, count)| format!("{} {count}", reason.name())).collect();
        Err(Error::new(
            ErrorKind::TooManyRejected,
            format!(
                "{rejected} of {records} records were rejected ({}), more than --max-rejected allows; \
                 --rejected FILE shows them with their reasons",
                reasons.join(", ")
            ),
        ))
    }
}
