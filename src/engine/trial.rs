//! A second learner beside the first: takes the same micro-batches, gives the losses of both side by side. It hands no
//! prediction on, and who goes on is decided by whoever started it.

use crate::error::Result;
use crate::examples::{MicroBatch, Scored};
use crate::learner::{Learner, Model};
use crate::metric::log_loss::LogLoss;
use crate::snapshot::{Restoring, Saving, Snapshot, State};

/// A trial under way.
pub(super) struct Trial {
    learner: Box<dyn Learner + Send>,
    pub(super) losses: Losses,
    spare: MicroBatch,
}

/// The losses of both since the trial has begun.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Losses {
    /// Labelled records.
    pub(super) labelled: u64,
    own: LogLoss,
    of_model: LogLoss,
}

/// The second learner's model, under a name of its own.
pub(super) struct TrialModel(pub(super) Model);

impl Trial {
    pub(super) fn new(learner: Box<dyn Learner + Send>) -> Self {
        Self { learner, losses: Losses::default(), spare: MicroBatch::default() }
    }

    /// Predicts and learns a micro-batch.
    pub(super) fn learn(&mut self, batch: &MicroBatch) -> Result<()> {
        let mut copy = std::mem::take(&mut self.spare);
        copy.copy_from(batch);
        self.learner.learn(copy)?;
        self.learner.finish()?;
        while let Some(mut scored) = self.learner.next_scored()? {
            scored.keep_arrivals();
            let batch = &mut scored.batch;
            self.losses.own.merge(&LogLoss::of(&scored.logit, &batch.label, &batch.weight));
            self.losses.labelled += batch.label.iter().filter(|label| !label.is_nan()).count() as u64;
            self.spare = std::mem::take(batch);
            self.learner.recycle(scored);
        }
        Ok(())
    }

    pub(super) fn model(&mut self) -> Result<Model> {
        self.learner.model()
    }

    pub(super) fn into_learner(self) -> Box<dyn Learner + Send> {
        self.learner
    }
}

impl Losses {
    /// Takes in the predictions of the first learner.
    pub(super) fn add_model(&mut self, scored: &Scored) {
        self.of_model.merge(&LogLoss::of(&scored.logit, &scored.batch.label, &scored.batch.weight));
    }

    /// Whether the second learner has lost less. One that has diverged has not.
    pub(super) fn is_better(&self) -> bool {
        self.own.mean().zip(self.of_model.mean()).is_some_and(|(own, of_model)| own < of_model)
    }

    /// Those that a state was saved with; `None` where no trial was under way.
    pub(super) fn of(state: &State) -> Result<Option<Self>> {
        let mut kept = Kept(None);
        state.restore(&mut kept)?;
        Ok(kept.0)
    }
}

/// The losses of a trial that is under way, if one is.
pub(super) struct Kept(pub(super) Option<Losses>);

impl Snapshot for Kept {
    const PART: &'static str = "trial";

    fn save(&self, to: &mut Saving<'_>) {
        let Self(losses) = self;
        if let Some(Losses { labelled, own, of_model }) = losses {
            to.put("labelled", &[*labelled]);
            to.put("losses", &[own.loss, own.weight, of_model.loss, of_model.weight]);
        }
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self(losses) = self;
        *losses = None;
        if from.has("labelled") {
            let ([labelled], [own, of, model, all]) = (from.counts("labelled")?, from.numbers("losses")?);
            let sum = |loss, weight| LogLoss { loss, weight };
            *losses = Some(Losses { labelled, own: sum(own, of), of_model: sum(model, all) });
        }
        Ok(())
    }
}

impl Snapshot for TrialModel {
    const PART: &'static str = "trial_model";

    fn save(&self, to: &mut Saving<'_>) {
        let Self(model) = self;
        model.save(to);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self(model) = self;
        model.restore(from)
    }
}
