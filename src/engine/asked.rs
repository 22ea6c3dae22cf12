//! Predictions that somebody asks for between two records: takes examples, gives their logits.
//!
//! Nothing that the engine remembers is changed by it: no scale, no weight, no count.

use super::{Engine, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::examples::{Examples, LabelToken};

impl Engine {
    /// The logit of each of these examples by the model and the scales as they stand: what a run that only predicts would
    /// give to the first record it meets. Labels are not looked at.
    ///
    /// # Errors
    /// A failing device, or a prediction that is not a finite number.
    pub fn ask(&mut self, examples: &mut Examples, sink: &mut dyn Sink) -> Result<Vec<f32>> {
        self.settle(sink)?;
        if examples.rows == 0 {
            return Ok(Vec::new());
        }
        examples.label.fill(LabelToken::Missing);
        let batch = self.batcher.look_at(examples, self.spare.pop().unwrap_or_default())?;
        self.learner.learn(batch)?;
        self.learner.finish()?;
        let mut logits = Vec::with_capacity(examples.rows);
        while let Some(mut scored) = self.learner.next_scored()? {
            if scored.first_not_finite().is_some() {
                let message = "the model does not fit this record: its prediction is not a finite number";
                return Err(Error::new(ErrorKind::Diverged, message));
            }
            logits.extend_from_slice(&scored.logit);
            self.spare.push(std::mem::take(&mut scored.batch));
            self.learner.recycle(scored);
        }
        Ok(logits)
    }
}
