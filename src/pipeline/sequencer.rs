//! The engine's thread: takes the examples of chunks in any order, feeds the engine in that of the stream, and looks
//! between two chunks whether a checkpoint is due or the run is to stop.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::checkpoints::Checkpoints;
use super::outlet::EngineSink;
use super::stage::{StageClock, StageTimes};
use super::stop::{LOOK, Stop};
use super::{Observe, Status};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::examples::Examples;
use crate::report::told;

/// The examples of a chunk, or why there are none.
pub(super) struct Done {
    pub sequence: u64,
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
}

/// Whoever looks on.
pub(super) struct Watch<'a> {
    pub started: Instant,
    /// Time of the run before this process.
    pub before: Duration,
    pub observe: Observe<'a>,
}

/// Chunks that came before their turn.
#[derive(Default)]
struct Waiting {
    chunks: BTreeMap<u64, Result<Examples>>,
    next: u64,
}

impl Sequencer<'_, '_> {
    /// Feeds the engine until the stream ends; all that it holds is closed with it, so that no thread waits for more.
    pub fn run(mut self) -> (StageTimes, Result<End>) {
        let mut clock = StageClock::start("engine");
        let ended = self.feed(&mut clock).and_then(|end| self.close(end));
        let ended = match ended {
            // The engine has come to its end before it said so, or it cannot go on; what it gave before is good.
            Err(error) if matches!(error.kind(), ErrorKind::TooManyRejected | ErrorKind::Diverged) => {
                Ok(End::Broken(error))
            }
            other => other,
        };
        clock.worked();
        let times = clock.times().of_which_blocked(self.sink.waited);
        (times, self.sink.finish().and(ended))
    }

    fn feed(&mut self, clock: &mut StageClock) -> Result<End> {
        let mut waiting = Waiting::default();
        let mut is_settled = true;
        while !self.stop.is_requested() {
            match self.done.recv_timeout(if is_settled { LOOK } else { IDLE }) {
                Ok(done) => {
                    clock.was_starved();
                    is_settled = false;
                    waiting.chunks.insert(done.sequence, done.outcome);
                    if let Some(error) = self.push(&mut waiting)? {
                        return Ok(End::Broken(error));
                    }
                    self.show(clock);
                    clock.worked();
                }
                Err(RecvTimeoutError::Timeout) => {
                    clock.was_starved();
                    self.engine.settle(&mut self.sink)?;
                    is_settled = true;
                    self.look_at_the_clock()?;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    clock.was_starved();
                    return Ok(End::Whole);
                }
            }
        }
        Ok(End::Stopped)
    }

    /// Feeds the engine what is next, as far as it is there; gives the error of an input in its place.
    fn push(&mut self, waiting: &mut Waiting) -> Result<Option<Error>> {
        while let Some(outcome) = waiting.chunks.remove(&waiting.next) {
            let examples = match outcome {
                Ok(examples) => examples,
                Err(error) => return Ok(Some(error)),
            };
            self.engine.push(&examples, &mut self.sink)?;
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

    fn show(&mut self, clock: &StageClock) {
        let Watch { started, before, observe } = &mut self.watch;
        let notes: Vec<String> = self.engine.take_alarms().iter().map(told::alarm).collect();
        let (counts, metrics) = self.engine.progress();
        let stages = [clock.so_far().of_which_blocked(self.sink.waited)];
        let elapsed = *before + started.elapsed();
        observe(Status { counts, metrics, elapsed, later: None, stages: &stages, inferred: &[], notes: &notes });
    }
}
