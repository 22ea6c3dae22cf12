//! How long a cell would take, from those that have been measured: takes cells, tells which ones are not worth beginning.
//!
//! A software adapter computes learners that a GPU has side by side one after the other. It never measures.

use std::collections::HashMap;
use std::time::Duration;

use super::contestants::Device;
use super::matrix::Case;
use super::result::{Cell, Outcome};
use crate::learner::Update;

/// Seconds that one learner takes for a record, by device, shape and unit of learning.
#[derive(Debug, Default)]
pub(super) struct Pace {
    seconds: HashMap<(String, &'static str, bool), f64>,
}

impl Pace {
    /// Takes in what was measured.
    pub fn see(&mut self, cells: &[Cell]) {
        for cell in cells.iter().filter(|cell| cell.learners == 1) {
            if let Outcome::Measured(figures) = &cell.outcome {
                let of = (cell.device.clone(), cell.shape, cell.update == Update::Record);
                self.seconds.insert(of, 1.0 / figures.records_per_s);
            }
        }
    }

    /// Why a cell is not begun.
    pub fn refusal(&self, device: &Device, case: &Case, slice: Duration) -> Option<String> {
        let of = (device.info.id.clone(), case.name, case.update == Update::Record);
        let each = self.seconds.get(&of).filter(|_| device.info.software && case.learners > 1)?;
        let step = each * (case.learners * case.batch) as f64;
        (step > slice.as_secs_f64()).then(|| {
            let learners = case.learners;
            format!("in software {learners} learners take turns: about {step:.1} s a micro-batch, more than a cell has")
        })
    }
}
