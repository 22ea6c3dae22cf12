//! Takes the GPU's learner and a way to open another one; gives a learner that goes on there when the device fails, from
//! the last good state, so that every micro-batch is learned once and predicted once, in order.
//!
//! It keeps a copy of the model from a moment when the device was known to work, and a log of the micro-batches since.
//! It never says whether a device is needed at the start; that is [`super::device`].

use std::collections::VecDeque;
use std::fmt;

use super::{Learner, LostDevice, Model};
use crate::error::{Error, ErrorKind, Result};
use crate::examples::{MicroBatch, Scored};

/// Bytes of the log, at least, before the model is copied again: below that a copy, for which the device must run dry,
/// would come too often.
const LEAST_LOG: usize = 32 << 20;
/// Models that the log may weigh: what is fetched from the device stays at most half of what is sent to it, and what is
/// learned again takes about as long as a few looks at the whole model.
const LOG_PER_MODEL: usize = 2;

/// A learner on a device that may fail, with what is needed to go on without it.
///
/// ```
/// use tidemill::learner::failover::{Failover, Fallback, most_logged};
/// use tidemill::learner::{cpu, Learner, Model, Optimizer, Penalty, Settings, Shape, Update};
/// let settings = Settings {
///     update: Update::Batch,
///     optimizer: Optimizer::AdaGrad { learning_rate: 0.1 },
///     penalty: Penalty::NONE,
///     batch: 256,
///     hash_bits: 4,
///     frozen: false,
/// };
/// let model = Model::new(Shape { numeric: 3, hash_bits: 4 }, settings.optimizer, settings.penalty);
/// let fallback = Fallback::new("cpu", move |model| Box::new(cpu::open(model, settings)));
/// let on_device = Box::new(cpu::open(model.clone(), settings)); // the GPU's learner, as a rule
/// let most = most_logged(&model);
/// let mut learner = Failover::new(on_device, model, settings.frozen, most, fallback);
/// assert_eq!(learner.model()?.updates, 0);
/// assert!(learner.lost_device().is_none());
/// # Ok::<(), tidemill::error::Error>(())
/// ```
pub struct Failover {
    /// The device's learner, later the fallback's.
    learner: Box<dyn Learner + Send>,
    /// Until the device has failed.
    backup: Option<Backup>,
    /// Fetched from the learner, not handed out yet.
    ready: VecDeque<Scored>,
    /// Micro-batches taken.
    taken: u64,
    lost: Option<LostDevice>,
}

/// Where to go on.
pub struct Fallback {
    device: String,
    open: Box<dyn FnOnce(Model) -> Box<dyn Learner + Send> + Send>,
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
pub fn most_logged(model: &Model) -> usize {
    let bytes = size_of_val(&model.table[..]) + 2 * size_of_val(&model.dense_a[..]);
    LEAST_LOG.max(LOG_PER_MODEL * bytes)
}

impl Failover {
    /// Guards a learner that stands on `model`. With a `frozen` model nothing but unanswered micro-batches is kept;
    /// else the model is copied whenever the log has more than `most` bytes (see [`most_logged`]).
    pub fn new(learner: Box<dyn Learner + Send>, model: Model, frozen: bool, most: usize, fallback: Fallback) -> Self {
        let backup = Some(Backup { model, frozen, most, log: Log::default(), fallback });
        Self { learner, backup, ready: VecDeque::new(), taken: 0, lost: None }
    }

    /// Copies the model if the log has become too long; everything before it is fetched first, so that nothing that
    /// was dropped from the log is still asked of the device.
    fn copy_if_due(&mut self) -> Result<()> {
        if !self.backup.as_ref().is_some_and(Backup::is_due) {
            return Ok(());
        }
        self.learner.finish()?;
        while let Some(scored) = self.fetch()? {
            self.ready.push_back(scored);
        }
        let model = self.learner.model()?;
        if let Some(backup) = &mut self.backup {
            backup.model = model;
            backup.log.clear();
        }
        Ok(())
    }

    /// The next micro-batch that the learner has done; the log remembers that it is answered.
    fn fetch(&mut self) -> Result<Option<Scored>> {
        let scored = self.learner.next_scored()?;
        if let (Some(_), Some(backup)) = (&scored, &mut self.backup) {
            backup.log.answer(backup.frozen);
        }
        Ok(scored)
    }

    /// Goes on on the fallback if the device has failed at a call, which then gave nothing.
    fn or_go_on<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(given) => Ok(Some(given)),
            Err(error) if error.kind() == ErrorKind::Device => match self.backup.take() {
                Some(backup) => self.go_on(backup, &error).map(|()| None),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Opens the fallback on the last good model and hands it the log; its answers are those still owed.
    fn go_on(&mut self, backup: Backup, cause: &Error) -> Result<()> {
        let note = backup.note(cause, self.taken);
        let Backup { model, log, fallback, .. } = backup;
        self.lost = Some(LostDevice { then: fallback.device, note });
        self.learner = (fallback.open)(model);
        let mut answered = log.answered;
        for batch in log.batches {
            self.learner.learn(batch)?;
            self.take_owed(&mut answered)?;
        }
        self.learner.finish()?;
        self.take_owed(&mut answered)
    }

    /// Keeps what the fallback has done, but for the first `answered` micro-batches.
    fn take_owed(&mut self, answered: &mut usize) -> Result<()> {
        while let Some(scored) = self.learner.next_scored()? {
            if *answered > 0 {
                *answered -= 1;
                self.learner.recycle(scored);
            } else {
                self.ready.push_back(scored);
            }
        }
        Ok(())
    }
}

impl Learner for Failover {
    fn learn(&mut self, batch: MicroBatch) -> Result<()> {
        self.taken += 1;
        if let Some(backup) = &mut self.backup {
            // Before the device sees it: what fails there may not give it back.
            backup.log.push(&batch);
        }
        let outcome = self.learner.learn(batch).and_then(|()| self.copy_if_due());
        self.or_go_on(outcome).map(drop)
    }

    fn next_scored(&mut self) -> Result<Option<Scored>> {
        if let Some(scored) = self.ready.pop_front() {
            return Ok(Some(scored));
        }
        let fetched = self.fetch();
        match self.or_go_on(fetched)? {
            Some(scored) => Ok(scored),
            None => Ok(self.ready.pop_front()),
        }
    }

    fn finish(&mut self) -> Result<()> {
        // The fallback has finished what it took over.
        let finished = self.learner.finish();
        self.or_go_on(finished).map(drop)
    }

    fn model(&mut self) -> Result<Model> {
        let model = self.learner.model();
        match self.or_go_on(model)? {
            Some(model) => Ok(model),
            None => self.learner.model(),
        }
    }

    fn recycle(&mut self, scored: Scored) {
        self.learner.recycle(scored);
    }

    fn lost_device(&self) -> Option<&LostDevice> {
        self.lost.as_ref()
    }
}

impl fmt::Debug for Failover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failover").field("taken", &self.taken).field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// All that is needed to go on without the device.
struct Backup {
    /// The last good state.
    model: Model,
    /// What was taken since.
    log: Log,
    frozen: bool,
    most: usize,
    fallback: Fallback,
}

impl Backup {
    /// Whether the model should be copied. A frozen one never changes, so its copy never ages.
    fn is_due(&self) -> bool {
        !self.frozen && self.log.bytes > self.most
    }

    /// What happened, in one line, whatever the driver says.
    fn note(&self, cause: &Error, taken: u64) -> String {
        let cause = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let (device, again) = (&self.fallback.device, self.log.batches.len());
        let how = if self.frozen {
            format!("where {again} unanswered ones were predicted")
        } else {
            let good = taken - again as u64;
            format!("from the state after micro-batch {good}, where {again} were learned again")
        };
        format!(
            "the GPU failed after {taken} micro-batches ({cause}); the run went on on {device} {how}; no record was \
             lost or predicted twice"
        )
    }
}

/// Copies of the micro-batches taken since the last good state, in order.
#[derive(Default)]
struct Log {
    batches: VecDeque<MicroBatch>,
    /// How many of them, from the first, have been fetched with their predictions.
    answered: usize,
    bytes: usize,
    /// Copies that are no longer needed; the last one given is the first to be filled again, so that a few large ones
    /// stay few.
    spare: Vec<MicroBatch>,
}

impl Log {
    fn push(&mut self, batch: &MicroBatch) {
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.copy_from(batch);
        self.bytes += copy.bytes();
        self.batches.push_back(copy);
    }

    /// The next one has its predictions; with a frozen model that is the end of it.
    fn answer(&mut self, frozen: bool) {
        if !frozen {
            self.answered += 1;
        } else if let Some(batch) = self.batches.pop_front() {
            self.bytes -= batch.bytes();
            self.spare.push(batch);
        }
    }

    fn clear(&mut self) {
        self.spare.extend(self.batches.drain(..).rev());
        (self.answered, self.bytes) = (0, 0);
    }
}
