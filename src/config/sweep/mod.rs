//! A sweep: takes options and a grid, gives a plan for reading the stream once and the settings that learn from it.
//!
//! Siblings: [`grid`] (what is written behind `--grid`).

pub mod grid;

use std::collections::HashSet;

use super::{LearnerOptions, OptimizerName, Options, Plan, settings};
use crate::error::{Error, Result};
use crate::learner::Settings;
use crate::schema::Schema;
use grid::{Assignment, Grid};

/// Records that are handed on together, at least: a multiple of every micro-batch.
const TOGETHER: usize = 1024;
/// Most records that are handed on together.
const MOST_TOGETHER: usize = 1 << 16;
/// Gigabytes of weights unless another number is named.
const DEFAULT_MEMORY: f64 = 8.0;

/// What is asked of a sweep beside what `train` is asked.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct SweepOptions {
    /// What to sweep: KEY=VALUE,VALUE; KEY=LOW..HIGH, keys being learning-rate, power-t, beta, optimizer, l1, l2, batch and
    /// update; a range needs --trials, and is drawn from evenly by its logarithm where both ends are positive
    #[arg(long, value_name = "KEY=VALUES; ...", help_heading = "Sweep")]
    pub grid: String,
    /// Draw so many settings instead of taking every combination
    #[arg(long, value_name = "N", help_heading = "Sweep")]
    pub trials: Option<usize>,
    /// Seed of the draw [default: 1]
    #[arg(long, value_name = "SEED", requires = "trials", help_heading = "Sweep")]
    pub trial_seed: Option<u64>,
    /// Drop the worse half of the learners after so many labelled records, and at every doubling
    #[arg(long, value_name = "RECORDS", help_heading = "Sweep")]
    pub drop_after: Option<u64>,
    /// Which learner's model is written to --model: best, or a number of the table [default: best]
    #[arg(long, value_name = "best|NUMBER", help_heading = "Sweep")]
    pub promote: Option<String>,
    /// Most memory for the weights, in gigabytes; with a GPU the host needs up to three times as much [default: 8]
    #[arg(long, value_name = "GB", help_heading = "Sweep")]
    pub max_memory: Option<f64>,
}

/// A sweep, checked.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The run: what to read, what to write, and on how many threads. Its settings are those of the first learner, but for the
    /// micro-batch, which is a multiple of everybody's.
    pub plan: Plan,
    /// The learners, by their places.
    pub candidates: Vec<Candidate>,
    /// Combinations left out because they come to the settings of another one.
    pub left_out: usize,
    /// Labelled records after which learners are dropped for the first time.
    pub drop_after: Option<u64>,
    /// The learner whose model is wanted, by its place; the best where none is named.
    pub promoted: Option<usize>,
    /// Most bytes of weights.
    pub max_bytes: u64,
    /// The options without any learner's own.
    base: Options,
}

/// A learner of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it was given of the grid; without what its optimizer does not know.
    pub values: Assignment,
    /// How it learns.
    pub settings: Settings,
    options: LearnerOptions,
}

impl Candidate {
    /// Its values as one text.
    pub fn name(&self) -> String {
        let values: Vec<_> = self.values.iter().map(|(key, value)| format!("{key}={value}")).collect();
        values.join(" ")
    }
}

impl Sweep {
    /// Checks the options of a sweep.
    ///
    /// # Errors
    /// Options that contradict each other, lie outside their range, or do not go with a sweep.
    pub fn new(options: Options, sweep: &SweepOptions) -> Result<Self> {
        refuse_what_does_not_go(&options)?;
        let grid = Grid::parse(&sweep.grid)?;
        let assignments = match sweep.trials {
            None => grid.all()?,
            Some(trials @ 1..=65_536) => grid.drawn(trials, sweep.trial_seed.unwrap_or(1)),
            Some(trials) => return Err(Error::usage(format!("--trials {trials} is outside 1 to 65536"))),
        };
        let (candidates, left_out) = candidates(&options.learner, assignments)?;
        let first = candidates.first().ok_or_else(|| Error::usage("--grid: no setting is left"))?;
        let mut plan = Plan::new(Options { learner: first.options.clone(), ..options.clone() }, &[])?;
        plan.settings.batch = together(&candidates)?;
        plan.keeps_course = false; // every learner has one of its own
        let promoted = promoted(sweep.promote.as_deref(), candidates.len())?;
        if sweep.promote.is_some() && plan.outputs.model.is_none() {
            return Err(Error::usage("--promote says whose model is written: name the file with --model FILE"));
        }
        let max_bytes = (bytes_of(sweep.max_memory.unwrap_or(DEFAULT_MEMORY)))?;
        if sweep.drop_after == Some(0) {
            return Err(Error::usage(
                "--drop-after 0 would drop learners before anything is known of them: write 10000",
            ));
        }
        let drop_after = sweep.drop_after;
        Ok(Self { plan, candidates, left_out, drop_after, promoted, max_bytes, base: options })
    }

    /// What all learners have in common, with the columns that were found for them.
    pub fn base_written_out(&self, schema: &Schema) -> Options {
        Options { learner: self.base.learner.clone(), ..self.plan.written_out(schema) }
    }

    /// The plan of a run of `train` with the settings of one learner.
    ///
    /// # Errors
    /// None that [`Sweep::new`] has not met.
    pub fn plan_of(&self, place: usize) -> Result<Plan> {
        let learner = self.candidates[place].options.clone();
        let mut plan = Plan::new(Options { learner, ..self.base.clone() }, &[])?;
        plan.label = self.plan.label.clone();
        Ok(plan)
    }
}

/// The settings of every assignment, and how many came to those of another one.
fn candidates(base: &LearnerOptions, assignments: Vec<Assignment>) -> Result<(Vec<Candidate>, usize)> {
    let (mut kept, mut seen, mut left_out) = (Vec::new(), HashSet::new(), 0);
    for assignment in assignments {
        let candidate = candidate(base, assignment)?;
        // Floats have no order to compare by, but what is printed of them tells them apart.
        if seen.insert(format!("{:?}", candidate.settings)) {
            kept.push(candidate);
        } else {
            left_out += 1;
        }
    }
    Ok((kept, left_out))
}

fn candidate(base: &LearnerOptions, mut values: Assignment) -> Result<Candidate> {
    let mut options = base.clone();
    values.iter().try_for_each(|(key, value)| grid::assign(&mut options, key, value))?;
    let optimizer = options.optimizer.unwrap_or(OptimizerName::AdaGrad);
    if optimizer != OptimizerName::Sgd {
        options.power_t = None;
        values.retain(|(key, _)| *key != "power-t");
    }
    if optimizer != OptimizerName::Ftrl {
        options.beta = None;
        values.retain(|(key, _)| *key != "beta");
    }
    let settings = settings(&options)?;
    Ok(Candidate { values, settings, options })
}

fn refuse_what_does_not_go(options: &Options) -> Result<()> {
    let (output, checkpoint) = (&options.output, &options.checkpoint);
    let at_once = "its learners take each label with its record";
    let named = [
        ("--predictions", output.predictions.is_some(), "promote a model and `tidemill predict` with it"),
        ("--metrics", output.metrics.is_some(), "promote a model's settings and `train` with them"),
        ("--metrics-listen", output.metrics_listen.is_some(), "it tells of one learner"),
        ("--drift", options.drift.drift.is_some(), "promote a model's settings and `train` with them"),
        ("--segment", output.segment.is_some(), "promote a model's settings and `train` with them"),
        ("--threshold", output.threshold.is_some(), "promote a model's settings and `train` with them"),
        ("--checkpoint", checkpoint.checkpoint.is_some(), "a sweep begins anew after a stop"),
        ("--resume", checkpoint.resume == Some(true), "a sweep begins anew after a stop"),
        (
            "--passes",
            options.learner.passes.is_some_and(|passes| passes > 1),
            "promote a model's settings and `train` with them",
        ),
        ("--prior", options.learner.prior.is_some(), "every learner of a sweep begins with nothing learned"),
        ("--label-delay", options.event_time.label_delay.is_some(), at_once),
        ("--label-time", options.event_time.label_time.is_some(), at_once),
        ("--join-timeout", options.event_time.join_timeout.is_some(), at_once),
        ("--max-delay", options.learner.max_delay.is_some(), "its learners wait for micro-batches that are full"),
        ("--warm-start", options.learner.warm_start.is_some(), "every learner of a sweep begins with nothing learned"),
    ];
    match named.into_iter().find(|(_, is_named, _)| *is_named) {
        None => Ok(()),
        Some((flag, _, why)) => Err(Error::usage(format!("{flag} does not go with a sweep: leave it out; {why}"))),
    }
}

/// Records that are handed on together: a multiple of every learner's micro-batch.
fn together(candidates: &[Candidate]) -> Result<usize> {
    let mut multiple = 1_usize;
    for Candidate { settings, .. } in candidates {
        multiple = multiple / common_divisor(multiple, settings.batch) * settings.batch;
        if multiple > MOST_TOGETHER {
            return Err(Error::usage(format!(
                "--grid: the micro-batches have no common multiple up to {MOST_TOGETHER}: write sizes that divide each \
                 other, such as batch=64,256,1024"
            )));
        }
    }
    Ok(TOGETHER.next_multiple_of(multiple))
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// The place of the learner to be promoted, where it is named by its number.
fn promoted(named: Option<&str>, learners: usize) -> Result<Option<usize>> {
    match named {
        None | Some("best") => Ok(None),
        Some(number) => match number.parse::<usize>() {
            Ok(number) if (1..=learners).contains(&number) => Ok(Some(number - 1)),
            _ => Err(Error::usage(format!("--promote {number}: write best, or a number from 1 to {learners}"))),
        },
    }
}

fn bytes_of(gigabytes: f64) -> Result<u64> {
    if gigabytes.is_finite() && gigabytes > 0.0 {
        return Ok((gigabytes * 1e9) as u64);
    }
    Err(Error::usage(format!("--max-memory {gigabytes}: write a number of gigabytes, such as 8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(grid: &str) -> Result<Sweep> {
        let options = Options::parse("[source]\ngenerate = 'hyperplane'").unwrap();
        Sweep::new(options, &SweepOptions { grid: grid.into(), ..SweepOptions::default() })
    }

    #[test]
    fn what_an_optimizer_does_not_know_does_not_multiply_its_settings() {
        let sweep = sweep("optimizer=sgd,adagrad,ftrl; beta=0.5,1,2; power-t=0,0.5").unwrap();
        assert_eq!((sweep.candidates.len(), sweep.left_out), (2 + 1 + 3, 12));
        assert_eq!(sweep.candidates[2].name(), "optimizer=adagrad");
    }

    #[test]
    fn records_come_together_in_a_multiple_of_every_micro_batch() {
        assert_eq!(sweep("batch=96,64,1").unwrap().plan.settings.batch, 1152);
        assert_eq!(sweep("l1=0,1").unwrap().plan.settings.batch, 1024);
        let refused = sweep("batch=1009,1013").unwrap_err().to_string();
        assert!(refused.contains("divide each other"), "{refused}");
    }

    #[test]
    fn a_value_outside_its_range_is_told_as_train_does() {
        assert!(sweep("learning-rate=0.1,2000").unwrap_err().to_string().contains("--learning-rate 2000 is outside"));
    }
}
