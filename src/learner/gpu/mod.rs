//! The GPU backend: `--update batch` and prediction on any Vulkan, Metal or DX12 adapter.
//!
//! A micro-batch is two to four dispatches ([`kernels`]), and up to [`GROUP`] micro-batches are one submit. A micro-batch
//! is ready when its group is full and done; a caller that cannot wait so long calls [`Learner::finish`]. The host
//! decides what is learned and where it lies ([`plan`]); floats are added in fixed trees and hashed gradients as
//! integers, so the bits depend on nothing but the job and the device. It does no I/O but with the device.

pub mod adapter;
pub mod counters;
mod fault;
pub mod kernels;
pub mod plan;
pub mod probe;
mod ring;
mod scale;
mod slot;
mod weights;

use super::optimizer::scheduled_rate;
use super::{Learner, Model, Optimizer, Settings, Update};
use crate::error::{Error, Result};
use crate::examples::{MicroBatch, Scored, stride};
pub use adapter::{Adapter, AdapterSummary, Wanted};
pub use counters::Counters;
use plan::Plan;
pub use slot::GROUP;

/// Opens the GPU backend on a model.
///
/// # Errors
///
/// For record-by-record updates, which it does not have, and where the device cannot hold the model.
pub fn open(adapter: &Adapter, model: Model, settings: Settings) -> Result<GpuLearner> {
    Ok(prepare(adapter, &model, settings)?.with(model))
}

/// Opens all of the GPU backend that can fail; the model is left with the caller, who may have another use for it.
///
/// # Errors
///
/// As [`open`].
pub fn prepare(adapter: &Adapter, model: &Model, settings: Settings) -> Result<Prepared> {
    supports(&settings)?;
    let ring = ring::Ring::open(adapter.open()?, model, &settings, first_size(model, &settings))?;
    Ok(Prepared { ring, settings })
}

/// A device that holds a model.
#[derive(Debug)]
pub struct Prepared {
    ring: ring::Ring,
    settings: Settings,
}

impl Prepared {
    /// The learner, on the model that it was prepared with.
    pub fn with(self, model: Model) -> GpuLearner {
        GpuLearner { ring: self.ring, lessons: plan::Lessons::default(), model, settings: self.settings }
    }
}

/// Whether the GPU can do a job at all.
///
/// # Errors
///
/// For record-by-record updates.
pub fn supports(settings: &Settings) -> Result<()> {
    if settings.update == Update::Record && !settings.frozen {
        return Err(Error::device(
            "record-by-record updates are not on the GPU yet: use --update batch, or --device cpu",
        ));
    }
    Ok(())
}

/// The learner on the GPU.
#[derive(Debug)]
pub struct GpuLearner {
    ring: ring::Ring,
    lessons: plan::Lessons,
    /// Its numbers of updates and learned records are current; its weights are those of the last download.
    model: Model,
    settings: Settings,
}

impl Learner for GpuLearner {
    fn learn(&mut self, batch: MicroBatch) -> Result<()> {
        self.lessons.read(&batch, self.settings.hash_bits, self.settings.frozen);
        let sections = self.lessons.sections(&batch);
        // An even number of words, because mapped memory is written from multiples of 8 bytes on.
        let need = slot::Size { words: plan::words(&sections).next_multiple_of(2), rows: batch.rows as u64 };
        let (word_at, row_at) = self.ring.make_room(need)?;
        let rate = rate(self.settings.optimizer, self.model.updates);
        let plan = Plan { row_at, rate, ..self.lessons.plan(&batch, word_at)? };

        let (version, learns) = (self.model.updates, self.lessons.learned > 0);
        // The sections borrow the micro-batch that the slot is about to own, so the slot writes them first.
        self.ring.write(plan, &sections)?;
        self.ring.put(slot::Entry { batch, plan, version, learns }, need)?;
        self.model.learned += self.lessons.learned;
        self.model.updates += u64::from(learns);
        Ok(())
    }

    fn next_scored(&mut self) -> Result<Option<Scored>> {
        self.ring.next_ready()
    }

    fn finish(&mut self) -> Result<()> {
        self.ring.finish()
    }

    fn model(&mut self) -> Result<Model> {
        self.ring.finish()?;
        self.ring.download(&mut self.model)?;
        Ok(self.model.clone())
    }

    fn recycle(&mut self, scored: Scored) {
        self.ring.recycle(scored.logit);
    }
}

impl GpuLearner {
    /// What has been asked of the device since it was opened.
    pub fn counters(&self) -> Counters {
        self.ring.counters()
    }

    /// What a driver does that has given up.
    #[cfg(test)]
    pub(crate) fn lose_device(&self) {
        self.ring.lose_device();
    }

    /// What a driver does that has no more memory.
    #[cfg(test)]
    pub(crate) fn run_out_of_memory(&self) {
        self.ring.run_out_of_memory();
    }
}

/// SGD's rate for the next step; the other rules know theirs from their slots.
fn rate(optimizer: Optimizer, updates: u64) -> f32 {
    match optimizer {
        Optimizer::Sgd { learning_rate, power_t } => scheduled_rate(learning_rate, power_t, updates),
        Optimizer::AdaGrad { learning_rate } | Optimizer::Ftrl { learning_rate, .. } => learning_rate,
    }
}

/// What a micro-batch is expected to take before one was seen: its numbers, labels and weights. Larger ones than these
/// make the slots grow when they come, if they ever do.
fn first_size(model: &Model, settings: &Settings) -> slot::Size {
    let rows = settings.batch.clamp(1, 4096) as u64;
    slot::Size { words: rows * (stride(model.numeric) as u64 + 2), rows }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::learner::{Penalty, Shape};

    const SETTINGS: Settings = Settings {
        update: Update::Batch,
        optimizer: Optimizer::AdaGrad { learning_rate: 0.1 },
        penalty: Penalty::NONE,
        batch: 1,
        hash_bits: 4,
        frozen: false,
    };

    fn one_row() -> MicroBatch {
        let mut batch = MicroBatch::default();
        batch.clear();
        batch.rows = 1;
        batch.row_start.push(0);
        (batch.label, batch.weight, batch.record) = (vec![1.0], vec![1.0], vec![1]);
        batch
    }

    #[test]
    fn a_lost_device_is_an_error_and_no_panic() {
        let Ok(adapter) = adapter::find(Wanted::Best) else { return eprintln!("skipped: no adapter") };
        let model = Model::new(Shape { numeric: 0, hash_bits: 4 }, SETTINGS.optimizer, SETTINGS.penalty);
        let mut learner = open(&adapter, model, SETTINGS).unwrap();
        for _ in 0..GROUP + 1 {
            learner.learn(one_row()).unwrap();
        }
        learner.lose_device();
        for _ in 0..2 {
            let error = (0..4 * GROUP).find_map(|_| learner.learn(one_row()).err()).unwrap();
            assert_eq!(error.kind(), ErrorKind::Device);
            assert!(error.to_string().contains("run with --device cpu"), "{error}");
            assert!(learner.finish().is_err() && learner.model().is_err());
        }
    }
}
