//! Drift: takes the loss of each prediction, in the order of the stream, says where it has risen for good, and what is then
//! to be done.
//!
//! A model that learns has falling losses, and that is no drift: only a rise is an alarm. Losses are looked at up to a limit,
//! so that one hopeless prediction is none either. Behind an alarm a detector starts anew, so that one change is one alarm.
//! What is done about an alarm is the engine's. Siblings: [`adwin`],
//! [`page_hinkley`], and [`step`], a learning rate that is raised for a while.

pub mod adwin;
#[cfg(test)]
mod made;
pub mod page_hinkley;
pub mod step;

use crate::error::Result;
use crate::snapshot::{Restoring, Saving, State};
use adwin::Adwin;
use page_hinkley::{Limits, PageHinkley};

/// A mean that has changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// What it was.
    pub before: f64,
    /// What it is.
    pub after: f64,
}

/// A rise of the loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// Number in the run of the record at which it was found.
    pub record: u64,
    /// Its event time, in microseconds since 1970; `None` where that is not known.
    pub time: Option<i64>,
    /// What found it.
    pub detector: &'static str,
    /// The mean losses, in nats.
    pub change: Change,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// What looks at the losses.
    pub detectors: Vec<DetectorSpec>,
    /// Losses above this count as this, in nats.
    pub clip: f64,
    /// What is done about an alarm, beside telling it.
    pub actions: Actions,
}

/// A detector with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DetectorSpec {
    /// [`adwin`], with how unlikely a false alarm is to be.
    Adwin(f64),
    /// [`page_hinkley`].
    PageHinkley(Limits),
}

/// What is done about an alarm.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Actions {
    /// The learning rate is raised: times so much, for so many labelled records.
    pub raise: Option<(f32, u64)>,
    /// The sums by which rates have fallen start anew.
    pub reset_rates: bool,
    /// A second learner starts with nothing learned; after so many labelled records the better one goes on.
    pub shadow: Option<u64>,
}

impl Actions {
    /// Whether anything is done.
    pub fn are_any(&self) -> bool {
        *self != Self::default()
    }
}

/// Looks at losses.
#[derive(Debug, Clone, PartialEq)]
pub struct Detectors {
    clip: f64,
    all: Vec<Detector>,
}

#[derive(Debug, Clone, PartialEq)]
enum Detector {
    Adwin(Adwin),
    PageHinkley(PageHinkley),
}

impl Detectors {
    /// Those that are asked for, without losses.
    pub fn new(spec: &Spec) -> Self {
        let detector = |spec: &DetectorSpec| match *spec {
            DetectorSpec::Adwin(delta) => Detector::Adwin(Adwin::new(delta)),
            DetectorSpec::PageHinkley(limits) => Detector::PageHinkley(PageHinkley::new(limits)),
        };
        Self { clip: spec.clip, all: spec.detectors.iter().map(detector).collect() }
    }

    /// Takes the loss of a prediction; hands every rise that it makes known to `found`, with what has found it.
    pub fn add(&mut self, loss: f64, mut found: impl FnMut(&'static str, Change)) {
        let loss = loss.min(self.clip);
        for detector in &mut self.all {
            let (name, change) = match detector {
                Detector::Adwin(adwin) => ("adwin", adwin.add(loss / self.clip).map(|change| change.times(self.clip))),
                Detector::PageHinkley(test) => ("page-hinkley", test.add(loss)),
            };
            let Some(change) = change.filter(|change| change.after > change.before) else { continue };
            if let Detector::Adwin(adwin) = detector {
                adwin.start_anew();
            }
            found(name, change);
        }
    }

    /// Takes all that they remember into `to`.
    pub fn save(&self, to: &mut Saving<'_>) {
        for detector in &self.all {
            match detector {
                Detector::Adwin(adwin) => to.save(adwin),
                Detector::PageHinkley(test) => to.save(test),
            }
        }
    }

    /// Gives it back.
    ///
    /// # Errors
    /// Losses that were looked at in another way.
    pub fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        self.all.iter_mut().try_for_each(|detector| match detector {
            Detector::Adwin(adwin) => from.restore(adwin),
            Detector::PageHinkley(test) => from.restore(test),
        })
    }
}

impl Change {
    fn times(self, factor: f64) -> Self {
        Self { before: self.before * factor, after: self.after * factor }
    }
}

/// The step that a state was saved with.
///
/// # Errors
/// A state that holds something else under its name.
pub fn step_of(state: &State) -> Result<step::Step> {
    let mut step = step::Step::default();
    state.restore(&mut step)?;
    Ok(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: Spec =
        Spec { detectors: Vec::new(), clip: 4.0, actions: Actions { raise: None, reset_rates: false, shadow: None } };

    fn found(losses: &[f64]) -> Vec<(usize, &'static str, Change)> {
        let limits = Limits { delta: 0.05, threshold: 50.0, min_instances: 30, alpha: 0.9999 };
        let detectors = vec![DetectorSpec::Adwin(0.002), DetectorSpec::PageHinkley(limits)];
        let (mut detectors, mut found) = (Detectors::new(&Spec { detectors, ..SPEC }), Vec::new());
        for (at, &loss) in losses.iter().enumerate() {
            detectors.add(loss, |name, change| found.push((at, name, change)));
        }
        found
    }

    #[test]
    fn a_loss_that_falls_is_no_alarm_and_one_that_rises_is() {
        let (low, high) = (vec![0.25; 3000], vec![0.75; 3000]);
        assert_eq!(found(&[&high[..], &low[..]].concat()), []);
        let alarms = found(&[low, high].concat());
        let names: Vec<_> = alarms.iter().map(|alarm| alarm.1).collect();
        assert_eq!(names, ["adwin", "page-hinkley"]);
        for (at, name, change) in alarms {
            assert!((3000..3200).contains(&at), "{name} {at}");
            assert!((change.before - 0.25).abs() < 0.02 && change.after > 0.3, "{name} {change:?}");
        }
    }

    #[test]
    fn a_few_hopeless_predictions_are_no_drift() {
        let mut losses = made::stream("stationary", 9, 20_000);
        losses.iter_mut().step_by(4000).for_each(|loss| *loss = 30.0);
        assert_eq!(found(&losses), []);
    }
}
