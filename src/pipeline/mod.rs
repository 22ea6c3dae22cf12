//! The pipeline: puts the stages together, each in its threads, and runs a stream through them.
//!
//! The only place with threads and channels: a reader, N ingest threads, the engine, and one thread that writes
//! predictions. Siblings: [`flow`] (threads and channels), [`stage`] (how a thread spends its time), [`start`] (what
//! is needed before the first record, the columns among it), [`outlet`] (where results go), [`saved`] (a run as a model
//! file and back), [`warm_start`] (a model to train on) and [`summary`] (a run in numbers).

mod columns;
pub mod flow;
pub mod outlet;
pub mod saved;
pub mod stage;
pub mod start;
pub mod summary;
pub mod warm_start;

use std::time::{Duration, Instant};

use crate::config::Plan;
use crate::engine::{Counts, Engine};
use crate::error::{Error, Result};
use crate::learner::{Model, Settings};
use crate::metric::Metrics;
use crate::scaler::Scaler;
use crate::schema::{Role, Schema};
use crate::source::Input;
use outlet::Outlet;
use stage::StageTimes;
use start::{Prepared, Saved};

/// A look at a run under way.
#[derive(Debug)]
pub struct Status<'a> {
    /// What has been counted.
    pub counts: &'a Counts,
    /// How good the predictions were.
    pub metrics: &'a mut Metrics,
    /// Time since the start.
    pub elapsed: Duration,
    /// Time of the engine so far.
    pub stages: &'a [StageTimes],
    /// The columns whose role was inferred, in the first look, before the first record.
    pub inferred: &'a [(String, Role)],
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Outcome {
    /// What has been counted.
    pub counts: Counts,
    /// How good the predictions were.
    pub metrics: Metrics,
    /// The model after the last record.
    pub model: Model,
    /// The running scales after the last record.
    pub scaler: Scaler,
    /// The columns.
    pub schema: Schema,
    /// The columns whose role was inferred.
    pub inferred: Vec<(String, Role)>,
    /// How it was learned.
    pub settings: Settings,
    /// Updates that the model had behind it at the start.
    pub first_version: u64,
    /// The device that learned.
    pub device: String,
    /// Why that one.
    pub device_reason: String,
    /// Time from start to end.
    pub elapsed: Duration,
    /// Time of each stage, in the order of the flow.
    pub stages: Vec<StageTimes>,
    /// What ended the stream early: an input that could not be read on, too many rejected records, or learning that
    /// diverged; the model is then of no use.
    pub stopped: Option<Error>,
}

/// Runs a plan from the first record to the last. `saved` is the model to predict with, or to train on.
///
/// `observe` is called from time to time, at least once a chunk.
///
/// # Errors
/// Anything after which the state or the outputs cannot be relied on; see [`Outcome::stopped`] for the rest.
pub fn run(plan: &Plan, saved: Option<Saved>, observe: &mut dyn FnMut(Status<'_>)) -> Result<Outcome> {
    let started = Instant::now();
    plan.inputs.iter().try_for_each(Input::check)?;
    outlet::check(plan)?;
    let Prepared { mut source, head, schema, inferred, settings, first_version, opened, batcher } =
        start::prepare(plan, saved)?;
    source.fit(head.as_ref().map_or(&[], |head| head.text()));
    let mut engine = Engine::new(batcher, opened.learner, settings, plan.max_rejected);
    let outlet = Outlet::create(plan, &schema)?;

    let (counts, metrics) = engine.progress();
    observe(Status { counts, metrics, elapsed: started.elapsed(), stages: &[], inferred: &inferred });
    let ended = flow::run(plan, source, head, &schema, &mut engine, outlet, started, observe)?;

    Ok(Outcome {
        counts: engine.counts().clone(),
        metrics: engine.metrics().clone(),
        model: engine.learner().model()?,
        scaler: engine.scaler().clone(),
        schema,
        inferred,
        settings,
        first_version,
        device: opened.device,
        device_reason: opened.why,
        elapsed: started.elapsed(),
        stages: ended.stages,
        stopped: ended.stopped,
    })
}
