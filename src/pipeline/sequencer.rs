//! The engine's thread: takes the examples of chunks in any order, feeds the engine in that of the stream, and looks
//! between two chunks whether a checkpoint is due or the run is to stop.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::checkpoints::Checkpoints;
use super::delay::{Delay, Due};
use super::outlet::EngineSink;
use super::stage::{Clocks, StageClock, StageTimes};
use super::stop::{LOOK, Stop};
use super::{Moment, Observe, Status};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::examples::Examples;
use crate::report::told;

/// The examples of a chunk, or why there are none.
pub(super) struct Done {
    pub sequence: u64,
    /// When it was read.
    pub read: Instant,
    pub outcome: Result<Examples>,
}

/// How long predictions that a device still holds wait for more to be done with them; then they are asked for. What a
/// submit holds shows in no bit.
const IDLE: Duration = Duration::from_millis(5);
/// The same where records keep coming, but so slowly that a submit is not full for long.
const LATENCY: Duration = Duration::from_millis(100);

/// How the stream ended.
#[derive(Debug)]
pub enum End {
    /// At its end.
    Whole,
    /// Early: an input that could not be read on, or too many rejected records, all before which has been learned; or
    /// learning that diverged, and the model is of no use.
    Broken(Error),
    /// It was asked to stop.
    Stopped,
}

/// Feeds the engine.
pub(super) struct Sequencer<'e, 'w> {
    pub done: Receiver<Done>,
    pub free_examples: Sender<Examples>,
    pub engine: &'e mut Engine,
    pub sink: EngineSink,
    pub checkpoints: Option<Checkpoints>,
    pub stop: Stop,
    pub watch: Watch<'w>,
    /// Whether somebody may be waiting for the predictions.
    pub is_live: bool,
    /// When everything under way was last waited for.
    pub settled: Instant,
    /// When the last records were read.
    pub last_read: Instant,
    /// How long records may wait, where that is not until their micro-batch is full.
    pub delay: Option<Delay>,
}

/// Whoever looks on.
pub(super) struct Watch<'a> {
    pub started: Instant,
    /// Time of the run before this process.
    pub before: Duration,
    /// The clocks of the stages.
    pub clocks: Clocks,
    /// Whether the input may keep coming.
    pub is_live: bool,
    pub observe: Observe<'a>,
}

impl<'a> Watch<'a> {
    /// Whoever looks on at a run that starts now; the flow has the clocks.
    pub fn new(started: Instant, before: Duration, observe: Observe<'a>) -> Self {
        Self { started, before, clocks: Clocks::default(), is_live: false, observe }
    }
}

/// Chunks that came before their turn.
#[derive(Default)]
struct Waiting {
    chunks: BTreeMap<u64, Done>,
    next: u64,
}

impl Sequencer<'_, '_> {
    /// Feeds the engine until the stream ends; all that it holds is closed with it, so that no thread waits for more.
    pub fn run(mut self) -> (StageTimes, Result<End>) {
        let mut clock = self.watch.clocks.start("engine");
        let ended = self.feed(&mut clock).and_then(|end| self.close(end));
        clock.worked();
        let ended = match ended {
            // The engine has come to its end before it said so, or it cannot go on; what it gave before is good.
            Err(error) if matches!(error.kind(), ErrorKind::TooManyRejected | ErrorKind::Diverged) => {
                Ok(End::Broken(error))
            }
            other => other,
        };
        self.show(Moment::End(match &ended {
            Ok(End::Broken(error)) | Err(error) => Some(error),
            Ok(_) => None,
        }));
        let times = clock.times().of_which_blocked(self.sink.waited);
        (times, self.sink.finish().and(ended))
    }

    fn feed(&mut self, clock: &mut StageClock) -> Result<End> {
        let mut waiting = Waiting::default();
        let mut is_settled = true;
        while !self.stop.is_requested() {
            let (until, is_due) = self.until(if is_settled { LOOK } else { IDLE });
            match self.done.recv_deadline(until) {
                Ok(done) => {
                    clock.was_starved();
                    is_settled = false;
                    waiting.chunks.insert(done.sequence, done);
                    match self.push(&mut waiting)? {
                        // Whoever waits for input sees a request to stop as well.
                        Some(error) if error.kind() == ErrorKind::Interrupted => return Ok(End::Stopped),
                        Some(error) => return Ok(End::Broken(error)),
                        None => {}
                    }
                    self.show(Moment::Chunk);
                    clock.worked();
                }
                Err(RecvTimeoutError::Timeout) if is_due => {
                    clock.was_starved();
                    self.keep_in_time()?;
                    clock.worked();
                }
                Err(RecvTimeoutError::Timeout) => {
                    clock.was_starved();
                    self.engine.settle(&mut self.sink)?;
                    self.delay.iter_mut().for_each(Delay::settled);
                    is_settled = true;
                    self.release_what_is_held()?;
                    self.look_at_the_clock()?;
                    self.show(Moment::Idle);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    clock.was_starved();
                    return Ok(End::Whole);
                }
            }
        }
        Ok(End::Stopped)
    }

    /// How long to wait for the next chunk, and whether something is due then.
    fn until(&self, idle: Duration) -> (Instant, bool) {
        let until = Instant::now() + idle;
        let due = self.delay.as_ref().and_then(Delay::deadline).filter(|due| *due <= until);
        (due.unwrap_or(until), due.is_some())
    }

    /// Closes the micro-batch and asks for predictions where records have waited as long as they may.
    fn keep_in_time(&mut self) -> Result<()> {
        match self.delay.as_mut().map(|delay| delay.take_due(Instant::now())) {
            Some(Due { close: true, .. }) => self.engine.close(&mut self.sink),
            Some(Due { settle: true, .. }) => self.engine.settle(&mut self.sink),
            _ => Ok(()),
        }
    }

    /// Takes records that wait for the watermark where input has been silent for as long as they may be out of order: an idle
    /// input holds nothing back.
    fn release_what_is_held(&mut self) -> Result<()> {
        let bound = self.delay.as_ref().and_then(|_| self.engine.event_time()).map(|status| status.clock.bound());
        let Some(bound) = bound.filter(|_| self.engine.held() > 0) else { return Ok(()) };
        if self.last_read.elapsed() < Duration::from_micros(bound.unsigned_abs()) {
            return Ok(());
        }
        self.engine.release(&mut self.sink)?;
        self.engine.close(&mut self.sink)
    }

    /// Feeds the engine what is next, as far as it is there; gives the error of an input in its place.
    fn push(&mut self, waiting: &mut Waiting) -> Result<Option<Error>> {
        while let Some(done) = waiting.chunks.remove(&waiting.next) {
            let examples = match done.outcome {
                Ok(examples) => examples,
                Err(error) => return Ok(Some(error)),
            };
            let before = self.engine.filling();
            self.engine.push(&examples, &mut self.sink)?;
            if let Some(delay) = &mut self.delay {
                delay.pushed(done.read, before, self.engine.filling());
                self.last_read = done.read;
                self.keep_in_time()?;
            }
            if self.is_live && self.settled.elapsed() > LATENCY {
                self.engine.settle(&mut self.sink)?;
                self.settled = Instant::now();
            }
            waiting.next += 1;
            // The reader has gone when the source has ended.
            let _ = self.free_examples.try_send(examples);
            self.look_at_the_clock()?;
        }
        Ok(None)
    }

    fn look_at_the_clock(&mut self) -> Result<()> {
        match &mut self.checkpoints {
            Some(checkpoints) => checkpoints.take_if_due(self.engine, &mut self.sink),
            None => Ok(()),
        }
    }

    /// Takes the last checkpoint, then the last micro-batch: a run that goes on from there, with more input, goes on as
    /// if it had never ended. One that was stopped leaves its last micro-batch to the checkpoint.
    fn close(&mut self, end: End) -> Result<End> {
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.take_last(self.engine, &mut self.sink)?;
            if matches!(end, End::Stopped) {
                return Ok(end);
            }
        }
        match self.engine.finish(&mut self.sink) {
            // An input that broke off weighs more.
            Err(error) if error.kind() == ErrorKind::TooManyRejected && !matches!(end, End::Broken(_)) => Err(error),
            Err(error) if error.kind() != ErrorKind::TooManyRejected => Err(error),
            _ => Ok(end),
        }
    }

    /// Lets whoever looks on see where the run stands. Alarms are told with the records behind them.
    fn show(&mut self, moment: Moment<'_>) {
        let Watch { started, before, clocks, is_live, observe } = &mut self.watch;
        let alarms = if matches!(moment, Moment::Chunk) { self.engine.take_alarms() } else { Vec::new() };
        let notes: Vec<String> = alarms.iter().map(told::alarm).collect();
        let (event_time, late_labels) = (self.engine.event_time(), self.engine.late_labels());
        let alarms = self.engine.drifted().map(|drifted| drifted.alarms);
        let (counts, metrics) = self.engine.progress();
        observe(Status {
            moment,
            elapsed: *before + started.elapsed(),
            event_time,
            late_labels,
            alarms,
            version: self.sink.version,
            is_live: *is_live,
            clocks: Some((clocks, self.sink.waited)),
            notes: &notes,
            ..Status::of(counts, metrics)
        });
    }
}
