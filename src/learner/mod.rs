//! The learner: takes micro-batches, gives them back with predictions, and moves the weights.
//!
//! Predictions always come from weights that have not seen the record's label. It does no I/O and reads no clock.
//! Siblings: [`cpu`] and [`gpu`], which never name each other; the choice between them is [`device::open`], and what
//! happens when a GPU fails under way is [`failover`]. What is measured with is [`made_up`].

pub mod adapters;
pub mod cpu;
pub mod crossing;
pub mod device;
pub mod failover;
// Without the feature, one that finds no adapter stands for it.
#[cfg_attr(not(feature = "gpu"), path = "no_gpu.rs")]
pub mod gpu;
pub mod made_up;
pub mod many;
pub mod model;
pub mod optimizer;
mod race;
mod tune;
mod warm_start;

use crate::error::Result;
use crate::examples::{MicroBatch, Scored};
use crate::snapshot::State;
pub use model::Model;
pub use optimizer::{Optimizer, Penalty};

/// Logits are kept within plus and minus this; beyond it a 32-bit probability is 0 or 1.
pub const MAX_LOGIT: f32 = 30.0;

/// The largest hashed table has 2 to the power of this many weights.
pub const MAX_HASH_BITS: u32 = 24;

/// The unit of learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// Weights move record by record; the optimizer's rates stand still during a micro-batch.
    Record,
    /// One step a micro-batch, on the summed gradient of its records.
    Batch,
}

/// How to learn; the same for every backend.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// The unit of learning.
    pub update: Update,
    /// The step rule with its parameters.
    pub optimizer: Optimizer,
    /// Penalties on the weights; the bias has none.
    pub penalty: Penalty,
    /// Records of a micro-batch.
    pub batch: usize,
    /// The hashed table has `2^hash_bits` weights.
    pub hash_bits: u32,
    /// Predict only: labels are scored, never learned.
    pub frozen: bool,
}

/// How many weights of each kind a learner has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Numeric columns; a dense row has [`crate::examples::stride`] floats.
    pub numeric: usize,
    /// The hashed table has `2^hash_bits` weights.
    pub hash_bits: u32,
}

/// A backend: predicts a micro-batch, then learns from it.
///
/// ```
/// use tidemill::examples::MicroBatch;
/// use tidemill::learner::{cpu, Learner, Model, Optimizer, Penalty, Settings, Shape, Update};
/// let settings = Settings {
///     update: Update::Record,
///     optimizer: Optimizer::Sgd { learning_rate: 0.5, power_t: 0.0 },
///     penalty: Penalty { l1: 0.0, l2: 0.0 },
///     batch: 2,
///     hash_bits: 4,
///     frozen: false,
/// };
/// let model = Model::new(Shape { numeric: 0, hash_bits: 4 }, settings.optimizer, settings.penalty);
/// let mut learner = cpu::open(model, settings);
/// let mut batch = MicroBatch::default();
/// batch.clear();
/// batch.rows = 1;
/// batch.row_start.push(0);
/// (batch.label, batch.weight, batch.record) = (vec![1.0], vec![1.0], vec![1]);
/// learner.learn(batch)?;
/// assert_eq!(learner.next_scored()?.map(|s| s.logit), Some(vec![0.0]));
/// assert_eq!(learner.model()?.bias_weight(), 0.25); // 0.5 * (1 - sigmoid(0))
/// # Ok::<(), tidemill::error::Error>(())
/// ```
pub trait Learner {
    /// Takes a micro-batch to be predicted, then learned.
    fn learn(&mut self, batch: MicroBatch) -> Result<()>;

    /// The next micro-batch that is done, in order; `None` when none is ready yet.
    fn next_scored(&mut self) -> Result<Option<Scored>>;

    /// Waits until every micro-batch taken so far is ready to be fetched.
    fn finish(&mut self) -> Result<()>;

    /// The weights and slots after every micro-batch taken so far.
    fn model(&mut self) -> Result<Model>;

    /// Puts the model after every micro-batch taken so far into a checkpoint.
    fn save(&mut self, to: &mut State) -> Result<()> {
        to.save(&self.model()?);
        Ok(())
    }

    /// A micro-batch whose buffers may be filled again.
    fn recycle(&mut self, scored: Scored);

    /// Whether it keeps the micro-batch that it is given next on its device, for [`Learner::replay`]; all that it keeps may
    /// take so many bytes there. Asked of one micro-batch after the other from the first on, until it says no: what it keeps
    /// is the beginning of the stream, and nobody else keeps that.
    fn keep(&mut self, next: &MicroBatch, bytes: u64) -> bool {
        let _ = (next, bytes);
        false
    }

    /// Learns all that it has kept again, in order; `None` where that is nothing, or where some of it is lost. Nothing of
    /// it comes out of [`Learner::next_scored`].
    fn replay(&mut self) -> Result<Option<Replayed>> {
        Ok(None)
    }

    /// What became of a device that failed under way and was replaced; `None` as long as none did.
    fn lost_device(&self) -> Option<&LostDevice> {
        None
    }
}

/// What a learner has learned again from its device.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Replayed {
    /// Records.
    pub records: u64,
    /// Sum of example weight times log loss over those with a label, in nats, each predicted before it was learned again.
    pub loss: f64,
    /// Sum of the example weights of those with a label.
    pub weight: f64,
    /// The first record whose prediction was not a finite number.
    pub not_finite: Option<u64>,
}

impl Replayed {
    /// Adds a micro-batch with its logits.
    pub fn add(&mut self, batch: &MicroBatch, logits: &[f32]) {
        self.records += logits.len() as u64;
        let rows = logits.iter().zip(&batch.label).zip(&batch.weight);
        for ((&logit, &label), &weight) in rows.filter(|((_, label), _)| !label.is_nan()) {
            let (z, y) = (f64::from(logit), f64::from(label));
            self.loss += f64::from(weight) * (z.max(0.0) - y * z + libm::log1p(libm::exp(-z.abs())));
            self.weight += f64::from(weight);
        }
        let first = logits.iter().position(|logit| !logit.is_finite());
        self.not_finite = self.not_finite.or(first.map(|row| batch.record[row]));
    }
}

/// A device that failed under way, and how learning went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostDevice {
    /// What has learned since, such as `cpu (avx2)`.
    pub then: String,
    /// When, why, and from which state, in one line.
    pub note: String,
}
