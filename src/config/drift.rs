//! `[drift]`, checked: takes its options, gives what looks for drift and what is done about it.

use super::event_time::{EventTime, Labels};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::options::{DriftOptions, Options};
use crate::drift::page_hinkley::Limits;
use crate::drift::{Actions, DetectorSpec, Spec};
use crate::error::{Error, Result};
use crate::learner::Optimizer;

/// Losses above this count as this, in nats, unless another number is named: a prediction of less than 2 % for what came.
const DEFAULT_CLIP: f64 = 4.0;

/// What looks for drift, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DetectorName {
    /// A window that is cut where its parts differ.
    Adwin,
    /// A sum of how far losses lie above their mean.
    PageHinkley,
}

/// Parameters of ADWIN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdwinOptions {
    /// How unlikely a false alarm is to be, at one look.
    pub delta: f64,
}

impl Default for AdwinOptions {
    fn default() -> Self {
        Self { delta: 0.002 }
    }
}

/// Parameters of Page and Hinkley's test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PageHinkleyOptions {
    /// How far above the mean a loss has to lie to count, in nats.
    pub delta: f64,
    /// How far the sum may rise, in nats.
    pub threshold: f64,
    /// Labelled records before it is looked at.
    pub min_instances: u64,
    /// What is left of the sum from one record to the next.
    pub alpha: f64,
}

impl Default for PageHinkleyOptions {
    fn default() -> Self {
        Self { delta: 0.05, threshold: 50.0, min_instances: 30, alpha: 0.9999 }
    }
}

/// What is done about an alarm, as a job file writes it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is told, as it is anyway.
    Alert,
    /// The learning rate is raised for a while.
    #[serde(rename_all = "kebab-case")]
    RaiseStep {
        /// Times the learning rate.
        factor: f32,
        /// Labelled records.
        records: u64,
    },
    /// The sums by which rates have fallen start anew; weights stay.
    ResetRates,
    /// A second learner starts with nothing learned, and takes the first one's place if it is the better one.
    #[serde(rename_all = "kebab-case")]
    Shadow {
        /// Labelled records after which that is decided.
        records: u64,
    },
}

/// Checks the options; `None` where nobody looks for drift.
///
/// # Errors
/// Options that need each other, lie outside their range, or do not go with others.
pub(super) fn of(options: &Options, optimizer: Optimizer) -> Result<Option<Spec>> {
    let DriftOptions { drift, clip, adwin, page_hinkley, actions } = &options.drift;
    let names = drift.clone().unwrap_or_default();
    if names.is_empty() {
        let is_any = clip.is_some() || adwin.is_some() || page_hinkley.is_some() || actions.is_some();
        return match is_any || options.output.alerts.is_some() {
            true => Err(Error::usage(
                "who is to look for drift? name a detector with --drift adwin or --drift page-hinkley, or in the job file \
                 drift = [\"adwin\"] below [drift]",
            )),
            false => Ok(None),
        };
    }
    let clip = within("clip", clip.unwrap_or(DEFAULT_CLIP), 0.01, 30.0)?;
    let (adwin, hinkley) = (adwin.unwrap_or_default(), page_hinkley.unwrap_or_default());
    let mut detectors = Vec::new();
    for name in [DetectorName::Adwin, DetectorName::PageHinkley].into_iter().filter(|name| names.contains(name)) {
        detectors.push(match name {
            DetectorName::Adwin => DetectorSpec::Adwin(within("adwin's delta", adwin.delta, 1e-12, 0.5)?),
            DetectorName::PageHinkley => DetectorSpec::PageHinkley(limits(hinkley)?),
        });
    }
    let actions = checked(actions.as_deref().unwrap_or_default(), optimizer)?;
    if actions.are_any() && options.learner.passes.is_some_and(|passes| passes > 1) {
        return Err(Error::usage(
            "the actions of [drift] do not go with --passes: what is learned again has no drift to be found; leave one out",
        ));
    }
    let comes_late = EventTime::of(options)?.is_some_and(|event_time| event_time.labels != Labels::AtOnce);
    if actions.are_any() && comes_late {
        return Err(Error::usage(
            "the actions of [drift] do not go with labels that come late: losses are counted where records arrive, and would \
             tell of labels that are not known yet; leave the actions out, alarms are told all the same",
        ));
    }
    Ok(Some(Spec { detectors, clip, actions }))
}

fn limits(options: PageHinkleyOptions) -> Result<Limits> {
    let PageHinkleyOptions { delta, threshold, min_instances, alpha } = options;
    Ok(Limits {
        delta: within("page-hinkley's delta", delta, 0.0, 30.0)?,
        threshold: within("page-hinkley's threshold", threshold, 1e-3, 1e9)?,
        min_instances,
        alpha: within("page-hinkley's alpha", alpha, 0.5, 1.0)?,
    })
}

fn checked(actions: &[Action], optimizer: Optimizer) -> Result<Actions> {
    let mut checked = Actions::default();
    for action in actions {
        let is_second = match *action {
            Action::Alert => false,
            Action::RaiseStep { factor, records } => {
                within("raise-step's factor", f64::from(factor), 1e-3, 1e3)?;
                at_least_one("raise-step", records)?;
                checked.raise.replace((factor, records)).is_some()
            }
            Action::ResetRates if matches!(optimizer, Optimizer::Sgd { .. }) => {
                return Err(Error::usage(
                    "reset-rates has nothing to reset with --optimizer sgd, whose rates do not adapt: take raise-step",
                ));
            }
            Action::ResetRates => std::mem::replace(&mut checked.reset_rates, true),
            Action::Shadow { records } => {
                at_least_one("shadow", records)?;
                checked.shadow.replace(records).is_some()
            }
        };
        if is_second {
            return Err(Error::usage("an action of [drift] is named twice: keep one of the two"));
        }
    }
    Ok(checked)
}

fn at_least_one(action: &str, records: u64) -> Result<()> {
    match records {
        0 => Err(Error::usage(format!("{action} for 0 records does nothing: write records = 10000"))),
        _ => Ok(()),
    }
}

fn within(name: &str, value: f64, low: f64, high: f64) -> Result<f64> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(Error::usage(format!("[drift]: {name} {value} is outside {low} to {high}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_job(job: &str) -> Result<Option<Spec>> {
        of(&Options::parse(job).unwrap(), Optimizer::AdaGrad { learning_rate: 0.1 })
    }

    #[test]
    fn a_job_file_names_detectors_parameters_and_actions() {
        let job = "[drift]\ndrift = ['page-hinkley', 'adwin']\nclip = 2.0\nadwin = { delta = 0.01 }\n\
                   actions = ['alert', 'reset-rates', { raise-step = { factor = 4.0, records = 500 } }, \
                   { shadow = { records = 9000 } }]";
        let spec = of_job(job).unwrap().unwrap();
        assert_eq!((spec.clip, spec.detectors[0]), (2.0, DetectorSpec::Adwin(0.01)));
        assert!(matches!(spec.detectors[1], DetectorSpec::PageHinkley(limits) if limits.threshold == 50.0));
        assert_eq!(spec.actions, Actions { raise: Some((4.0, 500)), reset_rates: true, shadow: Some(9000) });
        assert_eq!(of_job("").unwrap(), None);
        assert!(!of_job("[drift]\ndrift = ['adwin']\nactions = ['alert']").unwrap().unwrap().actions.are_any());
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        let adwin = "[drift]\ndrift = ['adwin']\n";
        for (job, said) in [
            ("[drift]\nclip = 2.0".to_owned(), "--drift adwin"),
            ("[output]\nalerts = 'a.jsonl'".to_owned(), "--drift adwin"),
            (format!("{adwin}clip = 0.0"), "outside 0.01 to 30"),
            (format!("{adwin}adwin = {{ delta = 2.0 }}"), "adwin's delta 2"),
            (format!("{adwin}actions = ['reset-rates', 'reset-rates']"), "named twice"),
            (format!("{adwin}actions = [{{ shadow = {{ records = 0 }} }}]"), "records = 10000"),
            (format!("{adwin}actions = ['reset-rates']\n[learner]\npasses = 2"), "--passes"),
        ] {
            let error = of_job(&job).unwrap_err().to_string();
            assert!(error.contains(said), "{job}: {error}");
        }
        let sgd = Optimizer::Sgd { learning_rate: 0.1, power_t: 0.0 };
        let error = of(&Options::parse(&format!("{adwin}actions = ['reset-rates']")).unwrap(), sgd).unwrap_err();
        assert!(error.to_string().contains("raise-step"), "{error}");
    }
}
