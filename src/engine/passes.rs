//! Later passes: the engine's micro-batches of the first pass, kept and learned again in the same order.
//!
//! Counts, metrics, scales and names stand still: they are the stream's, and its records are counted once.

use super::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::examples::MicroBatch;
use crate::learner::{Learner, Replayed};
use crate::metric::log_loss::LogLoss;
use crate::replay::Store;

/// Records, about, that are learned again at a time.
const LOOK: u64 = 8192;

/// What is kept of the stream for later passes.
#[derive(Debug)]
pub(super) struct Kept {
    store: Store,
    /// Bytes that the learner may take on its device.
    bytes: u64,
    /// Whether the learner has kept every micro-batch so far.
    by_learner: bool,
    /// Whether it has kept any.
    any_by_learner: bool,
    has_ended: bool,
}

/// A pass over records that have been learned before: how far it has come.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pass {
    /// Its number; the stream itself is pass 1.
    pub number: u32,
    /// Records learned again.
    pub records: u64,
    /// Log loss of these predictions, which says nothing of how good they would be on new records.
    pub log_loss: LogLoss,
    has_begun: bool,
}

impl Pass {
    /// A pass before its first record.
    pub fn new(number: u32) -> Self {
        Self { number, ..Self::default() }
    }
}

impl Engine {
    /// The same engine, which keeps its micro-batches for later passes: in `store`, but for those that the learner keeps on
    /// its device, where they may take so many bytes.
    #[must_use]
    pub fn keeping(self, store: Store, bytes: u64) -> Self {
        let kept = Kept { store, bytes, by_learner: true, any_by_learner: false, has_ended: false };
        Self { kept: Some(kept), ..self }
    }

    /// What is kept for later passes.
    pub fn kept(&self) -> Option<&Store> {
        self.kept.as_ref().map(|kept| &kept.store)
    }

    /// Learns some more of what has been kept, in the same order; false at the end of the pass. To be called behind
    /// [`Engine::finish`]; `pass` says how far it has come, also after an error.
    ///
    /// # Errors
    /// A prediction that is not a finite number, a store that cannot be written or read, or a failing device.
    pub fn replay(&mut self, pass: &mut Pass) -> Result<bool> {
        if !std::mem::replace(&mut pass.has_begun, true) {
            self.begin(pass)?;
        }
        let until = pass.records + LOOK;
        while pass.records < until {
            if !self.replay_next()? {
                return self.end_pass(pass).map(|()| false);
            }
            self.take_scored(pass)?;
        }
        Ok(true)
    }

    /// Waits for everything under way.
    ///
    /// # Errors
    /// A prediction that is not a finite number, or a failing device.
    pub fn end_pass(&mut self, pass: &mut Pass) -> Result<()> {
        self.learner.finish()?;
        self.take_scored(pass)
    }

    fn begin(&mut self, pass: &mut Pass) -> Result<()> {
        if let Some(kept) = &mut self.kept {
            if !std::mem::replace(&mut kept.has_ended, true) {
                kept.store.end()?;
            }
            kept.store.rewind();
        }
        self.replay_by_learner(pass)
    }

    /// The beginning of the stream, where the learner has kept it on its device.
    fn replay_by_learner(&mut self, pass: &mut Pass) -> Result<()> {
        if !self.kept.as_ref().is_some_and(|kept| kept.any_by_learner) {
            return Ok(());
        }
        let Some(Replayed { records, loss, weight, not_finite }) = self.learner.replay()? else {
            return Err(Error::device(format!(
                "the device has lost what it kept for pass {}, and the model is that of the passes before: run again with \
                 --device cpu, or with less of --replay-memory",
                pass.number
            )));
        };
        pass.records += records;
        pass.log_loss.merge(&LogLoss { loss, weight });
        not_finite.map_or(Ok(()), |record| Err(self.diverged_in(pass.number, record)))
    }

    /// Hands the learner the next micro-batch of the store; false behind the last one.
    fn replay_next(&mut self) -> Result<bool> {
        let Some(kept) = &mut self.kept else { return Ok(false) };
        let mut batch = self.spare.pop().unwrap_or_default();
        let is_there = kept.store.next(&mut batch)?;
        if is_there {
            self.learner.learn(batch)?;
        }
        Ok(is_there)
    }

    fn take_scored(&mut self, pass: &mut Pass) -> Result<()> {
        while let Some(mut scored) = self.learner.next_scored()? {
            if let Some(row) = scored.first_not_finite() {
                return Err(self.diverged_in(pass.number, scored.batch.record[row]));
            }
            pass.records += scored.batch.rows as u64;
            pass.log_loss.merge(&LogLoss::of(&scored.logit, &scored.batch.label, &scored.batch.weight));
            self.spare.push(std::mem::take(&mut scored.batch));
            self.learner.recycle(scored);
        }
        Ok(())
    }

    #[cold]
    fn diverged_in(&self, pass: u32, record: u64) -> Error {
        Error::new(ErrorKind::Diverged, format!("in pass {pass} {}", self.diverged(record)))
    }
}

impl Kept {
    /// Takes note of the micro-batch that `learner` is given next.
    pub(super) fn take(&mut self, batch: &MicroBatch, learner: &mut dyn Learner) -> Result<()> {
        self.by_learner = self.by_learner && learner.keep(batch, self.bytes);
        self.any_by_learner |= self.by_learner;
        if self.by_learner { Ok(()) } else { self.store.take(batch) }
    }
}
