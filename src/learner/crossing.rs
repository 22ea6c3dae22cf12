//! Takes a learner and micro-batches whose hashed features are still to be crossed; gives the learner the products.
//!
//! For the CPU, where a job was begun on a device that crosses by itself and goes on without it.

use super::{Learner, LostDevice, Model};
use crate::error::Result;
use crate::examples::{MicroBatch, Scored, pairs};
use crate::snapshot::State;

/// A learner that is given the products of any two features of a record.
#[derive(Debug)]
pub struct Crossing<L> {
    learner: L,
    spare: MicroBatch,
}

impl<L: Learner> Crossing<L> {
    /// Gives products to a learner.
    pub fn new(learner: L) -> Self {
        Self { learner, spare: MicroBatch::default() }
    }
}

impl<L: Learner> Learner for Crossing<L> {
    fn learn(&mut self, mut batch: MicroBatch) -> Result<()> {
        pairs::cross(&mut batch, &mut self.spare);
        self.learner.learn(batch)
    }

    fn next_scored(&mut self) -> Result<Option<Scored>> {
        self.learner.next_scored()
    }

    fn finish(&mut self) -> Result<()> {
        self.learner.finish()
    }

    fn model(&mut self) -> Result<Model> {
        self.learner.model()
    }

    fn save(&mut self, to: &mut State) -> Result<()> {
        self.learner.save(to)
    }

    fn recycle(&mut self, scored: Scored) {
        self.learner.recycle(scored);
    }

    fn lost_device(&self) -> Option<&LostDevice> {
        self.learner.lost_device()
    }
}
