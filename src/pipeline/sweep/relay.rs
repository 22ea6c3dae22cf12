//! The engine's learner of a sweep: hands every micro-batch to the crew, and drops learners where that is asked for.
//!
//! Who predicted what is the crew's affair: the engine gets its micro-batches back at once, with logits of 0, so that
//! it counts labels and weights and knows the base rate. Its other metrics say nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use super::crew::Crew;
use crate::error::Result;
use crate::examples::{MicroBatch, Scored};
use crate::learner::many::Standing;
use crate::learner::{Learner, Model};

/// Hands on what it is given.
pub(super) struct Relay {
    crew: Arc<Crew>,
    /// Micro-batches that the crew may still hold.
    out: VecDeque<Arc<MicroBatch>>,
    ready: VecDeque<Scored>,
    spare: Vec<Vec<f32>>,
    halving: Option<Halving>,
    /// The learner whose model is asked for; the best where none is named.
    promoted: Option<usize>,
    /// What stands for a model where there is none.
    blank: Model,
}

/// When learners are dropped: after so many labelled records, and whenever these have doubled.
struct Halving {
    next: u64,
    /// The losses when learners were dropped last, by place.
    before: Vec<f64>,
    /// Never dropped.
    kept: Option<usize>,
}

impl Relay {
    pub fn new(crew: Arc<Crew>, blank: Model, drop_after: Option<u64>, promoted: Option<usize>) -> Self {
        let halving = drop_after.map(|next| Halving { next, before: Vec::new(), kept: promoted });
        Self { crew, out: VecDeque::new(), ready: VecDeque::new(), spare: Vec::new(), halving, promoted, blank }
    }

    /// A micro-batch that nobody holds any more, emptied.
    fn free(&mut self) -> MicroBatch {
        let is_free = self.out.front().is_some_and(|batch| Arc::strong_count(batch) == 1);
        let free = if is_free { self.out.pop_front().and_then(Arc::into_inner) } else { None };
        let mut free = free.unwrap_or_default();
        free.clear();
        free
    }

    /// The labels and weights of a micro-batch, for the engine to count.
    fn counted(&mut self, batch: &MicroBatch) -> Scored {
        let mut copy = self.free();
        copy.rows = batch.rows;
        copy.label.clone_from(&batch.label);
        copy.weight.clone_from(&batch.weight);
        copy.record.clone_from(&batch.record);
        let mut logit = self.spare.pop().unwrap_or_default();
        logit.clear();
        logit.resize(batch.rows, 0.0);
        Scored { batch: copy, logit, version: 0, version_per_record: false, ..Scored::default() }
    }
}

impl Learner for Relay {
    fn learn(&mut self, batch: MicroBatch) -> Result<()> {
        let counted = self.counted(&batch);
        self.ready.push_back(counted);
        let batch = Arc::new(batch);
        self.crew.learn(&batch)?;
        self.out.push_back(batch);
        self.crew.follow_curves(false)?;
        match &mut self.halving {
            Some(halving) if halving.next <= self.crew.labelled() => halving.halve(&self.crew),
            _ => Ok(()),
        }
    }

    fn next_scored(&mut self) -> Result<Option<Scored>> {
        Ok(self.ready.pop_front())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    /// The model of the learner that is promoted; one that has learned nothing where every one has diverged.
    fn model(&mut self) -> Result<Model> {
        let place = match self.promoted {
            Some(place) => Some(place),
            None => self.crew.ranking()?.first().filter(|best| !best.has_diverged()).map(|best| best.place),
        };
        let model = place.map_or(Ok(None), |place| self.crew.model(place))?;
        Ok(model.unwrap_or_else(|| self.blank.clone()))
    }

    fn recycle(&mut self, scored: Scored) {
        self.spare.push(scored.logit);
    }
}

impl Halving {
    /// Drops the worse half, by the loss since learners were dropped last: what was lost at the start, before anything had
    /// been learned, counts once.
    fn halve(&mut self, crew: &Crew) -> Result<()> {
        let mut standings = crew.standings()?;
        let before = |place: usize| self.before.get(place).copied().unwrap_or(0.0);
        let since = |of: &Standing| if of.loss.is_finite() { of.loss - before(of.place) } else { f64::INFINITY };
        let rank = |of: &Standing| (self.kept != Some(of.place), since(of), of.place);
        standings.sort_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2))
        });
        let gone = standings.split_off(standings.len().div_ceil(2));
        let places = standings.iter().map(|standing| standing.place + 1).max().unwrap_or(0);
        self.before = vec![0.0; places];
        standings.iter().for_each(|standing| self.before[standing.place] = standing.loss);
        while self.next <= crew.labelled() {
            self.next = self.next.saturating_mul(2);
        }
        if gone.is_empty() { Ok(()) } else { crew.drop_out(&gone) }
    }
}
