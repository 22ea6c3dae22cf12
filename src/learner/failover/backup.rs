//! Takes copies of a model and of the micro-batches learned since; gives what is needed to go on from there, and bounds
//! how much that may be. It never asks a device for anything.

use std::collections::VecDeque;

use crate::error::Error;
use crate::examples::MicroBatch;
use crate::learner::{Learner, Model};

/// Bytes of the log, at least, before the model is copied again: below that a copy, for which the device must run dry,
/// would come too often.
const LEAST_LOG: usize = 32 << 20;
/// Models that the log may weigh: with two, what is fetched from the device stays within half of what is sent to it.
const LOG_PER_MODEL: usize = 2;

/// Where to go on.
pub struct Fallback {
    pub(super) device: String,
    pub(super) open: Box<dyn FnOnce(Model) -> Box<dyn Learner + Send> + Send>,
}

impl Fallback {
    /// A learner that `open` makes of a model, on a device with this name.
    pub fn new(
        device: impl Into<String>,
        open: impl FnOnce(Model) -> Box<dyn Learner + Send> + Send + 'static,
    ) -> Self {
        Self { device: device.into(), open: Box::new(open) }
    }
}

/// Bytes that the log may have before the model is copied again.
///
/// ```
/// use tidemill::learner::{Model, Optimizer, Penalty, Shape, failover::most_logged};
/// let of = |hash_bits| Model::new(Shape { numeric: 3, hash_bits }, Optimizer::AdaGrad { learning_rate: 0.1 }, Penalty::NONE);
/// assert!(most_logged(&of(4)) == 32 << 20 && most_logged(&of(22)) > 64 << 20);
/// ```
pub fn most_logged(model: &Model) -> usize {
    let bytes = size_of_val(&model.table[..]) + 2 * size_of_val(&model.dense_a[..]);
    LEAST_LOG.max(LOG_PER_MODEL * bytes)
}

/// All that is needed to go on without the device.
pub(super) struct Backup {
    /// The last good state.
    pub model: Model,
    /// What was taken since.
    pub log: Log,
    /// Whether nothing is learned.
    pub frozen: bool,
    /// Where to go on.
    pub fallback: Fallback,
    /// Bytes that the log may have.
    most: usize,
}

impl Backup {
    /// A log without micro-batches on a model.
    pub fn new(model: Model, frozen: bool, most: usize, fallback: Fallback) -> Self {
        Self { model, log: Log::default(), frozen, fallback, most }
    }

    /// Whether the model should be copied. A frozen one never changes, so its copy never ages.
    pub fn is_due(&self) -> bool {
        !self.frozen && self.log.bytes > self.most
    }

    /// What happened, in one line, whatever the driver says.
    pub fn note(&self, cause: &Error, taken: u64) -> String {
        let cause = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let again = self.log.batches.len() as u64;
        let how = if self.frozen {
            format!("and predicted {}, unanswered until then", micro_batches(again))
        } else {
            format!("from the state after micro-batch {}, and learned {} again", taken - again, micro_batches(again))
        };
        format!(
            "the GPU failed after {} ({cause}); the run continued on {} {how}; no record was lost or predicted twice",
            micro_batches(taken),
            self.fallback.device,
        )
    }
}

fn micro_batches(count: u64) -> String {
    format!("{count} micro-batch{}", if count == 1 { "" } else { "es" })
}

/// Copies of the micro-batches taken since the last good state, in order.
#[derive(Default)]
pub(super) struct Log {
    /// The first one follows the state.
    pub batches: VecDeque<MicroBatch>,
    /// How many of them, from the first, have been fetched with their predictions.
    pub answered: usize,
    bytes: usize,
    /// Copies that are no longer needed; the last one given is the first to be filled again, so that a few large ones
    /// stay few.
    spare: Vec<MicroBatch>,
}

impl Log {
    /// Takes a copy.
    pub fn push(&mut self, batch: &MicroBatch) {
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.copy_from(batch);
        self.bytes += copy.bytes();
        self.batches.push_back(copy);
    }

    /// Takes note that the next one has its predictions; with a frozen model that is the end of it.
    pub fn answer(&mut self, frozen: bool) {
        if !frozen {
            self.answered += 1;
        } else if let Some(batch) = self.batches.pop_front() {
            self.bytes -= batch.bytes();
            self.spare.push(batch);
        }
    }

    /// Forgets all of them: the model has been copied.
    pub fn clear(&mut self) {
        self.spare.extend(self.batches.drain(..).rev());
        (self.answered, self.bytes) = (0, 0);
    }
}
