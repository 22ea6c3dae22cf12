//! Where results go: rejected records straight to their file, predictions to the thread that writes them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::checkpoints::Pending;
use super::stage::{Clocks, StageClock, StageTimes};
use crate::checkpoint::Header;
use crate::config::Plan;
use crate::drift::{Actions, Alarm};
use crate::engine::Sink;
use crate::error::{Error, ErrorKind, Result};
use crate::examples::{MicroBatch, Scored};
use crate::metric::windows::line::Line;
use crate::record::{LeftOut, Rejected};
use crate::schema::{Role, Schema};
use crate::sink::alerts::AlertWriter;
use crate::sink::metrics::{MetricsWriter, form_of};
use crate::sink::output::STANDARD_OUTPUT;
use crate::sink::predictions::{Form, PredictionWriter};
use crate::sink::rejected::RejectedWriter;
use crate::sink::side::SideWriter;
use crate::source::Input;

/// Refuses outputs that cannot be, before the first record is read: no folder to lie in, or a name that is an input's
/// or another output's and would overwrite it. Pipes and devices may be named as often as one likes.
///
/// # Errors
/// The first such output, with what to name instead.
pub fn check(plan: &Plan) -> Result<()> {
    let outputs = &plan.outputs;
    if let (Some(path), Some(_)) = (&outputs.predictions, &plan.checkpoint)
        && !Form::of(path)?.can_go_on()
    {
        return Err(Error::usage(format!(
            "{} cannot be gone on with from a checkpoint, since a Parquet file is whole only at its end: with \
             --checkpoint, name predictions in .arrow, .csv or .jsonl",
            path.display()
        )));
    }
    outputs.metrics.as_deref().map(form_of).transpose()?;
    let replay_file = plan.passes.as_ref().and_then(|passes| passes.file.clone());
    let named = [
        ("--predictions", &outputs.predictions),
        ("--model", &outputs.model),
        ("--summary", &outputs.summary),
        ("--report", &outputs.report),
        ("--rejected", &outputs.rejected),
        ("--metrics", &outputs.metrics),
        ("--alerts", &outputs.alerts),
        ("--side", &outputs.side),
        ("--replay-file", &replay_file),
    ];
    let mut taken: Vec<(&str, PathBuf)> = plan.inputs.iter().flat_map(input_files).collect();
    let warm_start = plan.options.learner.warm_start.as_deref().and_then(|name| std::fs::canonicalize(name).ok());
    taken.extend(warm_start.map(|file| (WARM_START, file)));
    for (flag, path) in named.into_iter().filter_map(|(flag, path)| Some((flag, path.as_deref()?))) {
        let Some(file) = file_of(path)? else { continue };
        // A model may be trained on in its place: it has been read, and is replaced as a whole at the end.
        let may_be = |other: &str| flag == "--model" && other == WARM_START;
        if let Some((other, _)) = taken.iter().find(|(other, known)| *known == file && !may_be(other)) {
            return Err(Error::usage(format!(
                "{flag} {} would overwrite {other}: give each its own name",
                path.display()
            )));
        }
        taken.push((flag, file));
    }
    Ok(())
}

/// What a model to train on is called where an output would overwrite it.
const WARM_START: &str = "the model of --warm-start";

fn input_files(input: &Input) -> impl Iterator<Item = (&'static str, PathBuf)> {
    input.files().into_iter().filter_map(|path| Some(("an input", std::fs::canonicalize(path).ok()?)))
}

/// The file that a name stands for, by its full path; `None` for what is no file. `-` is a file too: there is one.
fn file_of(path: &Path) -> Result<Option<PathBuf>> {
    let failed = |cause| Error::output(&path.display().to_string(), cause);
    match std::fs::metadata(path) {
        _ if path == Path::new(STANDARD_OUTPUT) => Ok(Some(path.to_owned())),
        Ok(found) if found.is_dir() => {
            Err(Error::usage(format!("{0} is a folder: name a file in it, for example {0}/out", path.display())))
        }
        Ok(found) if !found.is_file() => Ok(None),
        Ok(_) => std::fs::canonicalize(path).map(Some).map_err(failed),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let folder = std::fs::canonicalize(folder).map_err(failed)?;
            Ok(Some(folder.join(path.file_name().unwrap_or_default())))
        }
    }
}

/// Records that may wait for the writer: a write to disk takes long now and then.
const WAITING: usize = 64 * 1024;

/// How long the writer waits for more before it hands over what it has.
const IDLE: Duration = Duration::from_millis(20);

/// The files of a run, opened before its first record.
pub struct Outlet {
    rejected: Option<RejectedWriter>,
    metrics: Option<MetricsWriter>,
    alerts: Option<AlertWriter>,
    side: Option<SideWriter>,
    predictions: Option<PredictionWriter>,
    source_names: Vec<String>,
    /// Micro-batches that may wait for the writer.
    waiting: usize,
    /// How long the writer waits for more before it hands over what it has.
    idle: Duration,
}

/// The engine's end.
pub struct EngineSink {
    rejected: Option<RejectedWriter>,
    metrics: Option<MetricsWriter>,
    alerts: Option<AlertWriter>,
    side: Option<SideWriter>,
    source_names: Vec<String>,
    to_writer: Option<Sender<ToWriter>>,
    to_keeper: Option<Sender<Pending>>,
    spare: Receiver<Scored>,
    /// Time spent waiting for the writer.
    pub(super) waited: Duration,
    /// Updates behind the model that made the last predictions.
    pub(super) version: Option<u64>,
}

/// What the writing thread is handed, in order.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are of the large one")]
enum ToWriter {
    Scored(Scored),
    /// To be passed on when all before it has been written.
    Checkpoint(Box<Pending>),
}

/// The writing thread's end.
pub struct Writer {
    predictions: PredictionWriter,
    scored: Receiver<ToWriter>,
    to_keeper: Option<Sender<Pending>>,
    spare: Sender<Scored>,
    idle: Duration,
    clocks: Clocks,
}

impl Outlet {
    /// Opens the files, so that one that cannot be written is known at once; those of a stopped run are cut back to what
    /// its checkpoint counts.
    ///
    /// # Errors
    /// A file that cannot be opened, or that is not the stopped run's.
    pub fn open(plan: &Plan, schema: &Schema, resumed: Option<&Header>) -> Result<Self> {
        let id = schema.first(Role::Id).map(|column| column.name.as_str());
        let outputs = &plan.outputs;
        Ok(Self {
            rejected: match (outputs.rejected.as_deref(), resumed.and_then(|header| header.rejected)) {
                (None, _) => None,
                (Some(path), None) => Some(RejectedWriter::create(path)?),
                (Some(path), Some(written)) => Some(RejectedWriter::resume(path, written)?),
            },
            metrics: match (outputs.metrics.as_deref(), resumed.and_then(|header| header.metrics)) {
                (None, _) => None,
                (Some(path), None) => Some(MetricsWriter::create(path)?),
                (Some(path), Some(written)) => Some(MetricsWriter::resume(path, written)?),
            },
            alerts: match (outputs.alerts.as_deref(), resumed.and_then(|header| header.alerts)) {
                (None, _) => None,
                (Some(path), None) => Some(AlertWriter::create(path)?),
                (Some(path), Some(written)) => Some(AlertWriter::resume(path, written)?),
            },
            side: match (outputs.side.as_deref(), resumed.and_then(|header| header.side)) {
                (None, _) => None,
                (Some(path), None) => Some(SideWriter::create(path)?),
                (Some(path), Some(written)) => Some(SideWriter::resume(path, written)?),
            },
            predictions: match (outputs.predictions.as_deref(), resumed.and_then(|header| header.predictions)) {
                (None, _) => None,
                (Some(path), None) => Some(PredictionWriter::create(path, id)?),
                (Some(path), Some(written)) => Some(PredictionWriter::resume(path, id, written)?),
            },
            source_names: plan.inputs.iter().map(|input| input.name()).collect(),
            waiting: (WAITING / plan.settings.batch).clamp(2, WAITING),
            idle: if plan.live.max_delay.is_some() { Duration::ZERO } else { IDLE },
        })
    }

    /// The engine's end, and the writer's where predictions are wanted.
    pub(super) fn split(self, to_keeper: Option<Sender<Pending>>, clocks: &Clocks) -> (EngineSink, Option<Writer>) {
        let (to_writer, scored) = bounded(self.waiting);
        let (to_engine, spare) = bounded(self.waiting + 2);
        let writers_end = to_keeper.clone();
        let writer = self.predictions.map(|predictions| Writer {
            predictions,
            scored,
            to_keeper: writers_end,
            spare: to_engine,
            idle: self.idle,
            clocks: clocks.clone(),
        });
        let sink = EngineSink {
            rejected: self.rejected,
            metrics: self.metrics,
            alerts: self.alerts,
            side: self.side,
            source_names: self.source_names,
            to_writer: writer.is_some().then_some(to_writer),
            to_keeper,
            spare,
            waited: Duration::ZERO,
            version: None,
        };
        (sink, writer)
    }
}

impl Sink for EngineSink {
    fn scored(&mut self, mut scored: Scored) -> Result<Option<Scored>> {
        self.version = Some(scored.version_of.last().copied().unwrap_or(scored.version));
        let Some(to_writer) = &self.to_writer else { return Ok(Some(scored)) };
        let features = take_features(&mut scored.batch);
        if let Err(full) = to_writer.try_send(ToWriter::Scored(scored)) {
            let waiting = Instant::now();
            // The writer goes away only when it failed; its own error is the one that is reported.
            to_writer.send(full.into_inner()).map_err(|_| writer_gone())?;
            self.waited += waiting.elapsed();
        }
        let spare = self.spare.try_recv().unwrap_or_default();
        Ok(Some(Scored { batch: with_features(spare.batch, features), ..spare }))
    }

    fn rejected(&mut self, record: u64, rejected: &Rejected) -> Result<()> {
        let Some(writer) = &mut self.rejected else { return Ok(()) };
        writer.write(record, &self.source_names[rejected.source as usize], rejected)
    }

    fn window(&mut self, lines: &[Line<'_>]) -> Result<()> {
        self.metrics.as_mut().map_or(Ok(()), |writer| writer.write(lines))
    }

    fn left_out(&mut self, record: &LeftOut<'_>) -> Result<()> {
        self.side.as_mut().map_or(Ok(()), |writer| writer.write(record))
    }

    fn alarm(&mut self, alarm: &Alarm, actions: &Actions) -> Result<()> {
        self.alerts.as_mut().map_or(Ok(()), |writer| writer.write(alarm, actions))
    }
}

impl EngineSink {
    /// Sends a checkpoint on its way: past the rejected records, the predictions, to the thread that writes it.
    pub(super) fn mark(&mut self, mut pending: Pending) -> Result<()> {
        if let Some(rejected) = &mut self.rejected {
            let mark = rejected.mark()?;
            pending.checkpoint.header.rejected = Some(mark.written);
            pending.outputs.extend(mark.unsynced);
        }
        if let Some(metrics) = &mut self.metrics {
            let mark = metrics.mark()?;
            pending.checkpoint.header.metrics = Some(mark.written);
            pending.outputs.extend(mark.unsynced);
        }
        if let Some(alerts) = &mut self.alerts {
            let mark = alerts.mark()?;
            pending.checkpoint.header.alerts = Some(mark.written);
            pending.outputs.extend(mark.unsynced);
        }
        if let Some(side) = &mut self.side {
            let mark = side.mark()?;
            pending.checkpoint.header.side = Some(mark.written);
            pending.outputs.extend(mark.unsynced);
        }
        match (&self.to_writer, &self.to_keeper) {
            (Some(to_writer), _) => to_writer.send(ToWriter::Checkpoint(Box::new(pending))).map_err(|_| writer_gone()),
            // The keeper goes away only when it failed; its own error is the one that is reported.
            (None, Some(to_keeper)) => to_keeper.send(pending).map_err(|_| writer_gone()),
            (None, None) => Ok(()),
        }
    }

    /// Closes what the engine wrote itself, and lets the threads behind it come to their end.
    pub fn finish(&mut self) -> Result<()> {
        self.to_writer = None;
        self.to_keeper = None;
        let metrics = self.metrics.take().map_or(Ok(()), MetricsWriter::finish);
        let alerts = self.alerts.take().map_or(Ok(()), AlertWriter::finish);
        let side = self.side.take().map_or(Ok(()), SideWriter::finish);
        self.rejected.take().map_or(Ok(()), RejectedWriter::finish).and(metrics).and(alerts).and(side)
    }
}

impl Writer {
    /// Writes until the engine has no more.
    pub fn run(mut self) -> (StageTimes, Result<()>) {
        let mut clock = self.clocks.start("sink");
        let outcome = self.write_all(&mut clock).and_then(|()| self.predictions.finish());
        clock.worked();
        (clock.times(), outcome)
    }

    /// The next micro-batch; while there is none, everything so far is handed to whoever reads it.
    fn next(&mut self) -> Result<Option<ToWriter>> {
        match self.scored.recv_timeout(self.idle) {
            Ok(scored) => return Ok(Some(scored)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => self.predictions.flush()?,
        };
        Ok(self.scored.recv().ok())
    }

    fn write_all(&mut self, clock: &mut StageClock) -> Result<()> {
        clock.waits();
        while let Some(next) = self.next()? {
            clock.was_starved();
            match next {
                ToWriter::Scored(scored) => {
                    self.predictions.write(&scored)?;
                    // A full channel means that the engine has spare ones enough.
                    let _ = self.spare.try_send(scored);
                }
                ToWriter::Checkpoint(pending) => self.mark(*pending)?,
            }
            clock.worked();
            clock.waits();
        }
        clock.was_starved();
        Ok(())
    }
}

impl Writer {
    fn mark(&mut self, mut pending: Pending) -> Result<()> {
        let mark = self.predictions.mark()?;
        pending.checkpoint.header.predictions = Some(mark.written);
        pending.outputs.extend(mark.unsynced);
        if let Some(to_keeper) = &self.to_keeper {
            let _ = to_keeper.send(pending); // a keeper that failed says so itself
        }
        Ok(())
    }
}

/// Takes out what the writer has no use for, by far the larger part.
fn take_features(batch: &mut MicroBatch) -> MicroBatch {
    MicroBatch {
        dense: std::mem::take(&mut batch.dense),
        row_start: std::mem::take(&mut batch.row_start),
        hash: std::mem::take(&mut batch.hash),
        value: std::mem::take(&mut batch.value),
        ..MicroBatch::default()
    }
}

/// The buffers of both.
fn with_features(spare: MicroBatch, features: MicroBatch) -> MicroBatch {
    let MicroBatch { dense, row_start, hash, value, .. } = features;
    MicroBatch { dense, row_start, hash, value, ..spare }
}

/// Stands in for the writer's own error.
fn writer_gone() -> Error {
    Error::new(ErrorKind::Output, "the predictions could not be written")
}
