//! Many learners on one stream: what a sweep asks of a backend that learns several settings side by side.
//!
//! Each of them learns as if it were alone. Micro-batches come in stream order; no threads and no I/O.

use super::{Model, Settings, Shape};
use crate::error::Result;
use crate::examples::MicroBatch;

/// Learners of different settings that learn the same stream; each is known by its place in the list of settings.
pub trait ManyLearners: Send {
    /// Takes records to be predicted, then learned. Each learner cuts them into micro-batches of its own size: all but the
    /// last call bring a whole number of those.
    ///
    /// # Errors
    /// A failing device.
    fn learn(&mut self, batch: &MicroBatch) -> Result<()>;

    /// Where each learner stands that has not been dropped, in any order.
    ///
    /// # Errors
    /// A failing device.
    fn standings(&mut self) -> Result<Vec<Standing>>;

    /// The model of one learner after everything taken so far; `None` where it is not among these, or has been dropped.
    ///
    /// # Errors
    /// A failing device.
    fn model(&mut self, place: usize) -> Result<Option<Model>>;

    /// Goes on without the learners in these places; the others learn as if those had never been.
    ///
    /// # Errors
    /// A failing device, or no memory to move the others together.
    fn drop_out(&mut self, places: &[usize]) -> Result<()>;
}

/// Where a learner stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Its place in the list of settings.
    pub place: usize,
    /// Sum of example weight times log loss so far, in nats; not a number where learning diverged.
    pub loss: f64,
}

/// The learners of a sweep before they learn: shape and settings, each with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Weights of each kind that every learner has.
    pub shape: Shape,
    /// What they differ in; `hash_bits` and `frozen` are ignored.
    pub settings: Vec<Settings>,
}
