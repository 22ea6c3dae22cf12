//! A learning rate that is raised for a while: takes how much and for how long, gives the rule to learn by now.
//!
//! It moves no weight: a model is put under another rule by [`crate::learner::Model::for_rule`], by whoever raises it.

use crate::error::Result;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// The step at the moment; the job's own unless it was raised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Times the job's learning rate.
    pub factor: f32,
    /// Labelled records for which it stays.
    pub left: u64,
}

impl Default for Step {
    fn default() -> Self {
        Self { factor: 1.0, left: 0 }
    }
}

impl Step {
    /// Whether it is another one than the job's.
    pub fn is_raised(&self) -> bool {
        self.left > 0
    }

    /// Counts labelled records that have been learned; says whether it has become the job's own again.
    pub fn has_ended(&mut self, labelled: u64) -> bool {
        let was_raised = self.is_raised();
        self.left = self.left.saturating_sub(labelled);
        if self.left == 0 {
            self.factor = 1.0;
        }
        was_raised && self.left == 0
    }
}

impl Snapshot for Step {
    const PART: &'static str = "step";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { factor, left } = self;
        if self.is_raised() {
            to.put("factor", &[*factor]);
            to.put("left", &[*left]);
        }
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { factor, left } = self;
        (*factor, *left) = (1.0, 0);
        if from.has("factor") {
            ([*factor], [*left]) = (from.numbers("factor")?, from.counts("left")?);
            from.check("factor", factor.is_finite() && *factor > 0.0 && *left > 0)?;
        }
        Ok(())
    }
}
