//! The pipeline: puts the stages together, each in its threads, and runs a stream through them.
//!
//! The only place with threads and channels: a reader, N ingest threads, the engine, and one thread that writes
//! predictions; and one that writes checkpoints. Siblings, in the order in which a run meets them: [`warm_start`] (a
//! model to train on), `resumed` (a checkpoint to go on from), [`preview`] (a look before anything runs), [`start`] (what is needed before the first record, the
//! columns among it), [`outlet`] (where results go), [`flow`] (threads and channels), `sequencer` (the engine's
//! thread), `live` (input that keeps coming) with `listen` (connections), `delay` (how long records may wait), `endpoint`
//! (what monitors are told) with `time_of_day`, `checkpoints`, [`pace`] (records a second), [`passes`] (learning the stream
//! again), `stop` (an end before the end), [`stage`] (how a thread spends its time), [`saved`] (a run as a model file and
//! back), [`summary`] (a run in numbers), [`page`] (the same for a browser) and [`sweep`] (many learners on one run).

mod background;
mod checkpoints;
mod columns;
mod delay;
mod endpoint;
pub mod flow;
mod listen;
mod live;
pub mod outlet;
pub mod pace;
pub mod page;
pub mod passes;
pub mod preview;
mod resumed;
pub mod saved;
mod sequencer;
pub mod stage;
pub mod start;
mod stop;
pub mod summary;
pub mod sweep;
mod time_of_day;
pub mod warm_start;
mod weigh;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::batcher::Batcher;
use crate::batcher::segments::Segments;
use crate::checkpoint::Header;
use crate::config::{EventTime, Plan};
use crate::dictionary::known::Known;
use crate::engine::{Counts, Drifted, Engine, EventTimeStatus, LateLabelsStatus, Reopen};
use crate::error::{Error, ErrorKind, Result};
use crate::event_time::MISSING;
use crate::learner::device;
use crate::learner::{Learner, LostDevice, Model, Settings};
use crate::metric::Metrics;
use crate::metric::course::Course;
use crate::metric::windows::Windowed;
use crate::online::Online;
use crate::scaler::Scaler;
use crate::schema::{Role, Schema};
use crate::source::Input;
use crate::window::{self, Windows};
use checkpoints::with_what_is_kept;
use endpoint::Endpoint;
use flow::Ended;
use live::LiveInputs;
use outlet::Outlet;
use pace::Pace;
use passes::{LaterPass, LaterPasses};
use resumed::Kept;
pub use sequencer::End;
use sequencer::Watch;
use stage::{Clocks, StageTimes};
use start::{Prepared, Ready, Saved};
pub use stop::Stop;

/// When a look at a run is taken.
#[derive(Debug, Clone, Copy)]
pub enum Moment<'a> {
    /// Before the first record, or in a later pass.
    Other,
    /// Behind the records of a chunk.
    Chunk,
    /// While nothing comes.
    Idle,
    /// Behind the last record, with what went wrong, if that ended the stream.
    End(Option<&'a Error>),
}

/// A look at a run under way.
#[derive(Debug)]
pub struct Status<'a> {
    /// When it is taken.
    pub moment: Moment<'a>,
    /// What has been counted.
    pub counts: &'a Counts,
    /// How good the predictions were.
    pub metrics: &'a mut Metrics,
    /// Time since the start, of the run or of a later pass.
    pub elapsed: Duration,
    /// The later pass that is under way; counts and metrics stand still then.
    pub later: Option<&'a LaterPass>,
    /// How the stream stands by its event times, where these are read.
    pub event_time: Option<EventTimeStatus>,
    /// How late labels stand, where labels come late.
    pub late_labels: Option<LateLabelsStatus>,
    /// Alarms so far, where somebody looks for drift.
    pub alarms: Option<u64>,
    /// Updates behind the model that made the last predictions.
    pub version: Option<u64>,
    /// Whether the input may keep coming.
    pub is_live: bool,
    /// The clocks of the stages, and how long the engine has waited for the writer.
    clocks: Option<(&'a Clocks, Duration)>,
    /// The columns whose role was inferred, in the first look, before the first record.
    pub inferred: &'a [(String, Role)],
    /// What the user should know of how the run starts, in the first look.
    pub notes: &'a [String],
}

impl<'a> Status<'a> {
    /// A look at the start.
    fn of(counts: &'a Counts, metrics: &'a mut Metrics) -> Self {
        Self {
            moment: Moment::Other,
            counts,
            metrics,
            elapsed: Duration::ZERO,
            later: None,
            event_time: None,
            late_labels: None,
            alarms: None,
            version: None,
            is_live: false,
            clocks: None,
            inferred: &[],
            notes: &[],
        }
    }

    /// Time of each stage so far, in the order of the flow; empty where none is under way.
    pub fn stages(&self) -> Vec<StageTimes> {
        let Some((clocks, waited)) = self.clocks else { return Vec::new() };
        let of = |times: StageTimes| if times.name == "engine" { times.of_which_blocked(waited) } else { times };
        clocks.so_far().into_iter().map(of).collect()
    }

    /// Seconds by which the watermark lies behind the time of day; `None` before the first event time, and where the
    /// input is one that has been written before.
    pub fn lag_s(&self) -> Option<f64> {
        let watermark = self.event_time.as_ref()?.clock.watermark();
        (self.is_live && watermark != MISSING).then(|| time_of_day::seconds_since(watermark))
    }
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
    /// What is known of its features by name; `None` where that was not asked for, or none are hashed.
    pub names: Option<Known>,
    /// The running scales after the last record.
    pub scaler: Scaler,
    /// What predicting needs of the online transforms and of windows, as named arrays.
    pub online: Vec<(String, Vec<f64>)>,
    /// The columns.
    pub schema: Schema,
    /// The columns whose role was inferred.
    pub inferred: Vec<(String, Role)>,
    /// What is told beside the figures of the whole run.
    pub told: Told,
    /// How it was learned.
    pub settings: Settings,
    /// Updates that the model had behind it at the start.
    pub first_version: u64,
    /// The device that learned.
    pub device: String,
    /// Why that one.
    pub device_reason: String,
    /// What became of it, if it failed under way.
    pub lost_device: Option<LostDevice>,
    /// Time from start to the end of the stream; later passes have times of their own.
    pub elapsed: Duration,
    /// The passes over records that had been learned before.
    pub later: LaterPasses,
    /// Records a second as the run went, in this process.
    pub pace: Pace,
    /// Time of each stage, in the order of the flow.
    pub stages: Vec<StageTimes>,
    /// How the stream ended.
    pub end: End,
    /// Records that have been read and wait in the checkpoint for their micro-batch to be full.
    pub waiting: u64,
    /// The last checkpoint.
    pub checkpoint: Option<PathBuf>,
}

/// What a run tells beside the figures of all of it, each where it was asked for.
#[derive(Debug)]
pub struct Told {
    /// How much the windows of keys remember.
    pub window_features: Option<window::Size>,
    /// How the stream stands by its event times, where these are read.
    pub event_time: Option<EventTimeStatus>,
    /// How late labels stand, where labels come late.
    pub late_labels: Option<LateLabelsStatus>,
    /// Metrics by windows and segments, where asked for.
    pub windowed: Option<Windowed>,
    /// What segments are called.
    pub segments: Option<Segments>,
    /// What was found of drift, where somebody looked for it.
    pub drifted: Option<Drifted>,
    /// The course of the run, where a report is asked for.
    pub course: Option<Course>,
    /// What the user should know of inputs that kept coming.
    pub of_live: Vec<String>,
}

impl Told {
    fn of(engine: &Engine, live: Option<&LiveInputs>) -> Self {
        Self {
            of_live: live.map(LiveInputs::warnings).unwrap_or_default(),
            window_features: engine.windows().map(Windows::size),
            event_time: engine.event_time(),
            late_labels: engine.late_labels(),
            windowed: engine.windowed().cloned(),
            segments: engine.segments().cloned(),
            drifted: engine.drifted().cloned(),
            course: engine.course().cloned(),
        }
    }
}

/// What is called to look at a run under way.
pub type Observe<'a> = &'a mut dyn FnMut(Status<'_>);

/// Runs a plan from the first record to the last, or from where a checkpoint stands. `saved` is the model to predict
/// with, or to train on.
///
/// `observe` is called from time to time, at least once a chunk.
///
/// # Errors
/// Anything after which the state or the outputs cannot be relied on; see [`Outcome::end`] for the rest.
pub fn run(plan: &Plan, saved: Option<Saved>, stop: &Stop, observe: Observe<'_>) -> Result<Outcome> {
    run_on(plan, saved, stop, observe, &mut |job| device::open(&plan.device, job))
}

/// The same on whatever `open` opens, told to monitors where that is asked for.
fn run_on(
    plan: &Plan,
    saved: Option<Saved>,
    stop: &Stop,
    observe: Observe<'_>,
    open: start::Open<'_>,
) -> Result<Outcome> {
    match Endpoint::open(plan)? {
        Some(endpoint) => endpoint.while_running(observe, |observe| run_observed(plan, saved, stop, observe, open)),
        None => run_observed(plan, saved, stop, observe, open),
    }
}

fn run_observed(
    plan: &Plan,
    saved: Option<Saved>,
    stop: &Stop,
    observe: Observe<'_>,
    open: start::Open<'_>,
) -> Result<Outcome> {
    let started = Instant::now();
    plan.inputs.iter().try_for_each(Input::check)?;
    outlet::check(plan)?;
    let kept = resumed::open(plan)?;
    let found = kept.as_ref().and_then(|kept| kept.found.as_ref()).map(|found| &found.checkpoint);
    let notes = notes_of(kept.as_ref(), saved.as_ref());
    let live = LiveInputs::open(plan, stop)?;
    live.iter().for_each(|live| show(&live.notes, &mut *observe)); // before the first record is waited for
    let prepared = match found {
        Some(checkpoint) => start::prepare_again(plan, checkpoint, (stop, live.as_ref()))?,
        None => start::prepare_on(plan, saved, (stop, live.as_ref()), open)?,
    };
    let header = header_of(plan, &prepared, found.map(|checkpoint| &checkpoint.header));
    let Prepared { source, head, schema, inferred, settings, first_version, opened, batcher, reopen } = prepared;
    let mut engine = engine_of(plan, settings, (batcher, opened.learner, reopen), &schema)?;
    found.map_or(Ok(()), |checkpoint| engine.restore(&checkpoint.state))?;
    let before = found.map_or(Duration::ZERO, |checkpoint| checkpoint.header.elapsed());
    let outlet = Outlet::open(plan, &schema, found.map(|checkpoint| &checkpoint.header))?;

    show_start(&mut engine, before, (&inferred, &notes), &mut *observe);
    let (leaves_pairs, checkpoints) = (opened.makes_pairs, kept.map(|kept| (kept.every, header, kept.store)));
    let ready = Ready { source, head, schema: &schema, settings, leaves_pairs, outlet, checkpoints };
    let (mut ended, pace) = timed(plan, ready, &mut engine, stop, (started, before, &mut *observe))?;

    let elapsed = before + started.elapsed();
    let later = passes::run(plan, &mut engine, &mut ended.end, stop, observe)?;
    let model = engine.model()?;
    Ok(Outcome {
        counts: engine.counts().clone(),
        metrics: engine.metrics().clone(),
        names: engine.dictionary().known(&model),
        model,
        scaler: engine.scaler().clone(),
        online: state_of(&engine),
        waiting: engine.waiting() as u64,
        told: Told::of(&engine, live.as_ref()),
        schema,
        inferred,
        settings,
        first_version,
        device: opened.device,
        device_reason: opened.why,
        // Behind the model, for which a device is asked for the last time.
        lost_device: engine.lost_device().cloned(),
        elapsed,
        later,
        pace,
        stages: ended.stages,
        end: ended.end,
        checkpoint: ended.checkpoint,
    })
}

/// Runs the stream, and notes how fast it goes.
fn timed(
    plan: &Plan,
    ready: Ready<'_>,
    engine: &mut Engine,
    stop: &Stop,
    (started, before, observe): (Instant, Duration, Observe<'_>),
) -> Result<(Ended, Pace)> {
    let mut pace = Pace::new(before, engine.counts().records);
    let mut look = |status: Status<'_>| {
        pace.see(status.elapsed, status.counts.records);
        observe(status);
    };
    let ended = flow::run(plan, ready, engine, stop, Watch::new(started, before, &mut look));
    pace.see(before + started.elapsed(), engine.counts().records);
    Ok((ended.map_err(|error| with_advice(plan, error))?, pace))
}

/// What predicting needs beside the model and the scales, as named arrays.
pub fn state_of(engine: &Engine) -> Vec<(String, Vec<f64>)> {
    let online = engine.online().map(Online::arrays).unwrap_or_default();
    [online, engine.windows().map(Windows::arrays).unwrap_or_default()].concat()
}

/// Shows what the user should know before anything has been read.
fn show(notes: &[String], observe: Observe<'_>) {
    let (counts, mut metrics) = (Counts::default(), Metrics::default());
    observe(Status { notes, ..Status::of(&counts, &mut metrics) });
}

/// Shows how columns are understood and what else the user should know, before the first record.
fn show_start(
    engine: &mut Engine,
    before: Duration,
    (inferred, notes): (&[(String, Role)], &[String]),
    observe: Observe<'_>,
) {
    let (counts, metrics) = engine.progress();
    observe(Status { elapsed: before, inferred, notes, ..Status::of(counts, metrics) });
}

/// An engine with room for later passes, with what is told of parts of the stream, and with whoever looks for drift.
fn engine_of(
    plan: &Plan,
    settings: Settings,
    (batcher, learner, reopen): (Batcher, Box<dyn Learner + Send>, Reopen),
    schema: &Schema,
) -> Result<Engine> {
    let watched = (schema.time.is_some() && !settings.frozen).then(EventTime::default);
    let event_time = plan.event_time.as_ref().or(watched.as_ref());
    let engine = Engine::new(batcher, learner, settings, plan.max_rejected).by_event_time(event_time);
    let windows = plan.windows.as_ref().map(|windows| &windows.spec);
    let engine = engine
        .telling_windows(windows)
        .keeping_course(plan.keeps_course)
        .looking_for_drift(plan.drift.as_ref(), reopen);
    passes::prepare(plan, engine, schema.dense())
}

/// The error of a run that can be gone on with, with how.
fn with_advice(plan: &Plan, error: Error) -> Error {
    match &plan.checkpoint {
        Some(checkpoint) if error.kind() != ErrorKind::ClosedPipe => with_what_is_kept(error, &checkpoint.folder),
        _ => error,
    }
}

/// What the user should know of how a run starts: what it goes on from.
fn notes_of(kept: Option<&Kept>, saved: Option<&Saved>) -> Vec<String> {
    let mut notes: Vec<String> = kept.map(Kept::notes).unwrap_or_default();
    if kept.is_none_or(|kept| kept.found.is_none()) {
        notes.extend(saved.and_then(|saved| saved.note.clone()));
    }
    notes
}

/// What every checkpoint of a run says of it.
fn header_of(plan: &Plan, prepared: &Prepared, resumed: Option<&Header>) -> Header {
    Header {
        tidemill: env!("CARGO_PKG_VERSION").to_owned(),
        records: resumed.map_or(0, |header| header.records),
        log_loss: None,
        job: saved::job_of(plan),
        told_apart: resumed::told_apart(plan),
        settings: prepared.settings,
        label: plan.label.clone(),
        schema: prepared.schema.clone(),
        inferred: prepared.inferred.clone(),
        inputs: plan.inputs.iter().map(Input::name).collect(),
        chunk_bytes: prepared.source.chunk_bytes(),
        predictions: None,
        rejected: None,
        metrics: None,
        alerts: None,
        side: None,
        first_version: prepared.first_version,
        elapsed_s: resumed.map_or(0.0, |header| header.elapsed_s),
        device: prepared.opened.device.clone(),
        leaves_pairs: prepared.opened.makes_pairs,
    }
}
