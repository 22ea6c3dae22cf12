//! What the engine does about drift: takes the loss of each prediction, tells alarms, and changes the learner behind the
//! micro-batch that made one known.
//!
//! Where anything is to be done, a micro-batch's predictions are fetched before the next one is learned, so that it is
//! done at the same record on every device. A learner is never changed in place: it is opened anew on its model as that
//! is to be. Sibling: `trial` (a second learner beside the first).

use super::trial::{Kept, Losses, Trial, TrialModel};
use super::{Engine, Sink};
use crate::drift::step::Step;
use crate::drift::{Actions, Alarm, Change, Detectors, Spec};
use crate::error::Result;
use crate::examples::{MicroBatch, Scored};
use crate::learner::{Learner, LostDevice, Model, Optimizer, Settings};
use crate::metric::log_loss::log_loss;
use crate::snapshot::{Restoring, Saving, Snapshot, State};

/// Alarms that are kept for the summary; all are counted.
const MOST_KEPT: usize = 100;

/// What opens a learner on a model, on the device of the run, or on what has taken its place.
pub type Reopen = Box<dyn FnMut(Model, Settings, Option<&LostDevice>) -> Result<Box<dyn Learner + Send>> + Send>;

/// What was found of drift, and what was done.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Drifted {
    /// Alarms.
    pub alarms: u64,
    /// The first of them.
    pub first: Vec<Alarm>,
    /// Times that the learning rate was raised, or stayed raised for longer.
    pub raised: u64,
    /// Times that rates started anew.
    pub reset: u64,
    /// Second learners that were started.
    pub shadows: u64,
    /// Those of them that went on in the place of the first.
    pub adopted: u64,
}

/// What an engine keeps for it.
pub(super) struct Drift {
    actions: Actions,
    memory: Memory,
    step: Step,
    trial: Option<Trial>,
    reopen: Reopen,
    /// A device that failed under a learner that has been replaced since.
    lost: Option<LostDevice>,
    /// Alarms that nobody has looked at yet.
    fresh: Vec<Alarm>,
    /// Of the micro-batch that has just been predicted: whether there was an alarm, and its labelled records.
    is_alarmed: bool,
    labelled: u64,
}

/// What of it goes on from a checkpoint.
struct Memory {
    detectors: Detectors,
    drifted: Drifted,
}

impl Drift {
    fn new(spec: &Spec, reopen: Reopen) -> Self {
        Self {
            actions: spec.actions,
            memory: Memory { detectors: Detectors::new(spec), drifted: Drifted::default() },
            step: Step::default(),
            trial: None,
            reopen,
            lost: None,
            fresh: Vec::new(),
            is_alarmed: false,
            labelled: 0,
        }
    }

    /// The alarms that a scored micro-batch makes known.
    fn alarms(&mut self, scored: &Scored) -> Vec<Alarm> {
        let (batch, mut found) = (&scored.batch, Vec::new());
        let rows = scored.logit.iter().zip(&batch.label).zip(&batch.weight).enumerate();
        for (row, ((&logit, &label), _)) in rows.filter(|(_, ((_, label), weight))| !label.is_nan() && **weight > 0.0) {
            self.labelled += 1;
            self.memory.detectors.add(log_loss(f64::from(logit), f64::from(label)), |detector, change| {
                let time = batch.time.get(row).copied().filter(|&time| time != i64::MIN);
                found.push(Alarm { record: batch.record[row], time, detector, change });
            });
        }
        found
    }

    fn count(&mut self, alarm: &Alarm) {
        self.is_alarmed = true;
        let drifted = &mut self.memory.drifted;
        drifted.alarms += 1;
        if drifted.first.len() < MOST_KEPT {
            drifted.first.push(alarm.clone());
        }
        if self.fresh.len() < MOST_KEPT {
            self.fresh.push(alarm.clone());
        }
    }

    /// Takes all that it remembers into `state`.
    pub(super) fn save(&mut self, state: &mut State) -> Result<()> {
        state.save(&self.memory);
        state.save(&self.step);
        if let Some(trial) = &mut self.trial {
            state.save(&Kept(Some(trial.losses)));
            state.save(&TrialModel(trial.model()?));
        }
        Ok(())
    }
}

impl Engine {
    /// The same, looking for drift; `reopen` opens a learner anew where something is to be done about it.
    #[must_use]
    pub fn looking_for_drift(self, spec: Option<&Spec>, reopen: Reopen) -> Self {
        Self { drift: spec.map(|spec| Drift::new(spec, reopen)), ..self }
    }

    /// What was found of drift; `None` where nobody looks for it.
    pub fn drifted(&self) -> Option<&Drifted> {
        self.drift.as_ref().map(|drift| &drift.memory.drifted)
    }

    /// The alarms since this was last called; of very many, the first.
    pub fn take_alarms(&mut self) -> Vec<Alarm> {
        self.drift.as_mut().map(|drift| std::mem::take(&mut drift.fresh)).unwrap_or_default()
    }

    /// The model under the rule of the job, whatever it is learned by at the moment.
    ///
    /// # Errors
    /// A failing device.
    pub fn model(&mut self) -> Result<Model> {
        let model = self.learner.model()?;
        // Elsewhere the rule is the learner's own: of a sweep's learners each has another.
        Ok(if self.drift.is_some() { model.for_rule(self.settings.optimizer, self.settings.penalty) } else { model })
    }

    /// What became of a device that failed under way.
    pub fn lost_device(&self) -> Option<&LostDevice> {
        self.learner.lost_device().or_else(|| self.drift.as_ref().and_then(|drift| drift.lost.as_ref()))
    }

    /// Looks at the losses of a micro-batch, and tells the alarms.
    pub(super) fn watch(&mut self, scored: &Scored, sink: &mut dyn Sink) -> Result<()> {
        let Some(drift) = &mut self.drift else { return Ok(()) };
        if let Some(trial) = &mut drift.trial {
            trial.losses.add_model(scored);
        }
        for alarm in drift.alarms(scored) {
            drift.count(&alarm);
            sink.alarm(&alarm, &drift.actions)?;
        }
        Ok(())
    }

    /// Whether the learner may be changed behind any micro-batch.
    pub(super) fn acts_on_drift(&self) -> bool {
        !self.settings.frozen && self.drift.as_ref().is_some_and(|drift| drift.actions.are_any())
    }

    /// Gives a second learner that is under way what the first one is given.
    pub(super) fn try_out(&mut self, batch: &MicroBatch) -> Result<()> {
        let trial = self.drift.as_mut().and_then(|drift| drift.trial.as_mut());
        trial.map_or(Ok(()), |trial| trial.learn(batch))
    }

    /// Does what is to be done behind a micro-batch whose predictions have all been handed on.
    pub(super) fn respond(&mut self) -> Result<()> {
        if !self.acts_on_drift() {
            return Ok(());
        }
        let was_adopted = self.end_trial()?;
        let Some(drift) = &mut self.drift else { return Ok(()) };
        let is_alarmed = std::mem::take(&mut drift.is_alarmed);
        let was_raised = drift.step.is_raised();
        drift.step.has_ended(std::mem::take(&mut drift.labelled));
        if was_adopted {
            drift.step = Step::default();
        }
        let drifted = &mut drift.memory.drifted;
        if let Some((factor, left)) = drift.actions.raise.filter(|_| is_alarmed) {
            drift.step = Step { factor, left };
            drifted.raised += 1;
        }
        let resets = is_alarmed && drift.actions.reset_rates;
        drifted.reset += u64::from(resets);
        let is_raised = drift.step.is_raised();
        if resets || is_raised != (was_raised && !was_adopted) {
            self.reopen(resets)?;
        }
        if is_alarmed { self.start_trial() } else { Ok(()) }
    }

    /// Opens the learner anew by the rule that holds now, its rates from their start where they are reset.
    fn reopen(&mut self, resets: bool) -> Result<()> {
        let model = self.learner.model()?;
        let penalty = model.penalty;
        // Under this rule there are no sums of squared gradients, so that they begin at 0 behind it.
        let none = Optimizer::Sgd { learning_rate: 1.0, power_t: 0.0 };
        let model = if resets { model.for_rule(none, penalty) } else { model };
        let factor = self.drift.as_ref().map_or(1.0, |drift| drift.step.factor);
        let model = model.for_rule(self.settings.optimizer.times(factor), penalty);
        self.open_on(model)
    }

    /// Puts a learner on `model` in the place of the one that is there.
    fn open_on(&mut self, model: Model) -> Result<()> {
        let Some(drift) = &mut self.drift else { return Ok(()) };
        drift.lost = self.learner.lost_device().cloned().or_else(|| drift.lost.take());
        let settings = Settings { optimizer: model.optimizer, ..self.settings };
        self.learner = (drift.reopen)(model, settings, drift.lost.as_ref())?;
        Ok(())
    }

    /// Starts a second learner that has learned nothing, unless there is one. It counts its updates on from the first.
    fn start_trial(&mut self) -> Result<()> {
        let Some(drift) = self.drift.as_mut() else { return Ok(()) };
        if drift.actions.shadow.is_none() || drift.trial.is_some() {
            return Ok(());
        }
        let known = self.learner.model()?;
        let blank = Model::new(known.shape(), self.settings.optimizer, self.settings.penalty);
        let blank = Model { updates: known.updates, learned: known.learned, ..blank };
        drift.trial = Some(Trial::new((drift.reopen)(blank, self.settings, drift.lost.as_ref())?));
        drift.memory.drifted.shadows += 1;
        Ok(())
    }

    /// Ends a trial that has lasted long enough; says whether the second learner has taken the place of the first.
    fn end_trial(&mut self) -> Result<bool> {
        let Some(drift) = &mut self.drift else { return Ok(false) };
        let enough = drift.actions.shadow.unwrap_or(u64::MAX);
        let Some(trial) = drift.trial.take_if(|trial| trial.losses.labelled >= enough) else { return Ok(false) };
        if !trial.losses.is_better() {
            return Ok(false);
        }
        drift.lost = self.learner.lost_device().cloned().or_else(|| drift.lost.take());
        self.learner = trial.into_learner();
        drift.memory.drifted.adopted += 1;
        Ok(true)
    }

    /// Goes on with what [`Drift::save`] took; the learner stands on the model that was saved.
    pub(super) fn restore_drift(&mut self, state: &State) -> Result<()> {
        let Some(drift) = &mut self.drift else { return Ok(()) };
        state.restore(&mut drift.memory)?;
        state.restore(&mut drift.step)?;
        if let Some(losses) = Losses::of(state)? {
            let shape = self.learner.model()?.shape();
            let mut model = TrialModel(Model::new(shape, self.settings.optimizer, self.settings.penalty));
            state.restore(&mut model)?;
            let mut trial = Trial::new((drift.reopen)(model.0, self.settings, None)?);
            trial.losses = losses;
            drift.trial = Some(trial);
        }
        if !drift.step.is_raised() {
            return Ok(());
        }
        // Its slots were those of the raised rule before anybody said so.
        let optimizer = self.settings.optimizer.times(drift.step.factor);
        let model = Model { optimizer, ..self.learner.model()? };
        self.open_on(model)
    }
}

/// Numbers of the detectors in arrays.
const DETECTORS: [&str; 2] = ["adwin", "page-hinkley"];

impl Snapshot for Memory {
    const PART: &'static str = "drift";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { detectors, drifted } = self;
        detectors.save(to);
        let Drifted { alarms, first, raised, reset, shadows, adopted } = drifted;
        to.put("counts", &[*alarms, *raised, *reset, *shadows, *adopted]);
        let place = |alarm: &Alarm| {
            let detector = DETECTORS.iter().position(|name| *name == alarm.detector).unwrap_or_default();
            [alarm.record, alarm.time.unwrap_or(i64::MIN) as u64, detector as u64]
        };
        to.put("alarms", &first.iter().flat_map(place).collect::<Vec<_>>());
        let means = first.iter().flat_map(|Alarm { change, .. }| [change.before, change.after]);
        to.put("means", &means.collect::<Vec<_>>());
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { detectors, drifted } = self;
        detectors.restore(from)?;
        let Drifted { alarms, first, raised, reset, shadows, adopted } = drifted;
        [*alarms, *raised, *reset, *shadows, *adopted] = from.counts("counts")?;
        let places: Vec<u64> = from.get("alarms")?;
        let (places, rest) = places.as_chunks::<3>();
        from.check("alarms", rest.is_empty() && places.len() <= MOST_KEPT)?;
        let means: Vec<f64> = from.exactly("means", 2 * places.len())?;
        first.clear();
        for (&[record, time, detector], &[before, after]) in places.iter().zip(means.as_chunks::<2>().0) {
            let detector = DETECTORS.get(detector as usize).ok_or_else(|| from.broken("alarms"))?;
            let time = Some(time as i64).filter(|&time| time != i64::MIN);
            first.push(Alarm { record, time, detector, change: Change { before, after } });
        }
        Ok(())
    }
}
