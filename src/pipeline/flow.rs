//! The threads and channels of a run.
//!
//! ```text
//! reader --work--> N x ingest --done--> engine --scored--> writer
//!    ^---- free chunks --'  ^- free examples -'
//! ```
//!
//! Data flows one way; what comes back are empty buffers. There are only so many of them, so a slow stage holds back
//! those before it, and memory is bounded by their number and size. A failing stage drops its channels, the others
//! find them closed and end; an input's error travels in its place in the stream, so that everything before it counts.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Status;
use super::outlet::{EngineSink, Outlet, Writer};
use super::stage::{StageClock, StageTimes};
use crate::config::Plan;
use crate::encoder::Encoder;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::examples::Examples;
use crate::parser::Parser;
use crate::record::{Chunk, Records};
use crate::schema::Schema;
use crate::source::Source;
use crate::transform::Transform;

/// A chunk to be parsed, with the buffers for its examples.
struct Work {
    sequence: u64,
    chunk: Result<Chunk>,
    examples: Examples,
}

/// The examples of a chunk, or why there are none.
struct Done {
    sequence: u64,
    outcome: Result<Examples>,
}

/// The channels' ends, by stage.
struct Reader {
    source: Source,
    head: Option<Chunk>,
    work: Sender<Work>,
    free_chunks: Receiver<Chunk>,
    free_examples: Receiver<Examples>,
}

#[derive(Clone)]
struct Ingest {
    schema: Schema,
    encoder: Encoder,
    work: Receiver<Work>,
    done: Sender<Done>,
    free_chunks: Sender<Chunk>,
}

struct Sequencer {
    done: Receiver<Done>,
    free_examples: Sender<Examples>,
    waiting: BTreeMap<u64, Result<Examples>>,
    next: u64,
}

/// How a stream came to its end.
#[derive(Debug)]
pub struct Ended {
    /// Each stage's times.
    pub stages: Vec<StageTimes>,
    /// What ended it early; everything before that place has been learned and written.
    pub stopped: Option<Error>,
}

/// Runs the stream through the engine.
///
/// # Errors
/// The first thing in stream order after which state or outputs cannot be relied on.
#[allow(clippy::too_many_arguments, reason = "the one place where everything meets")]
pub fn run(
    plan: &Plan,
    source: Source,
    head: Option<Chunk>,
    schema: &Schema,
    engine: &mut Engine,
    outlet: Outlet,
    started: Instant,
    observe: &mut dyn FnMut(Status<'_>),
) -> Result<Ended> {
    let (sink, writer) = outlet.split();
    let (reader, ingest, sequencer) = connect(plan, source, head, schema);
    let reading = in_background(move || reader.run());
    let ingesting: Vec<_> =
        (0..plan.threads).map(|_| ingest.clone()).map(|ingest| in_background(move || ingest.run())).collect();
    drop(ingest);
    thread::scope(|scope| {
        let mut sink = sink; // dropped with this closure, whatever happens: the writer waits for nobody
        let writing = writer.map(|writer: Writer| scope.spawn(move || writer.run()));

        let (engine_times, learned) = sequencer.run(engine, &mut sink, started, observe);
        let closed = sink.finish();

        // Where all went well they have ended; else one may be waiting for bytes that never come.
        let until = if matches!(learned, Ok(None)) { None } else { Some(Instant::now() + PATIENCE) };
        let mut stages: Vec<_> = times_of(&reading, until).into_iter().collect();
        let ingest_times = ingesting.iter().filter_map(|thread| times_of(thread, until));
        stages.extend(ingest_times.reduce(|sum, times| sum.plus(&times)));
        stages.push(engine_times);
        let written = writing.map(joined).map_or(Ok(()), |(times, written)| {
            stages.push(times);
            written
        });
        // A writer that failed is the cause of whatever the engine then met.
        written.and(closed)?;
        Ok(Ended { stages, stopped: learned? })
    })
}

/// How long the threads' times are waited for after an error.
const PATIENCE: Duration = Duration::from_millis(100);

/// Starts a stage before the engine in a thread that nobody has to wait for; its times come when it has ended.
#[allow(
    clippy::disallowed_methods,
    reason = "a read from a pipe cannot be called off, and an error must not wait for it"
)]
fn in_background(stage: impl FnOnce() -> StageTimes + Send + 'static) -> Receiver<StageTimes> {
    let (times, ended) = bounded(1);
    thread::spawn(move || {
        // Where nobody listens any more, nobody wants the times.
        let _ = times.send(stage());
    });
    ended
}

fn times_of(thread: &Receiver<StageTimes>, until: Option<Instant>) -> Option<StageTimes> {
    match until {
        None => thread.recv().ok(),
        Some(until) => thread.recv_deadline(until).ok(),
    }
}

/// Turns a panic into an error, so that it takes its place in the stream and no stage waits for what never comes.
fn guarded<T>(stage: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let message = format!("{stage} failed where it never should: please report it, with the input if you can");
        Err(Error::new(ErrorKind::Internal, message))
    })
}

fn connect(plan: &Plan, source: Source, head: Option<Chunk>, schema: &Schema) -> (Reader, Ingest, Sequencer) {
    let buffers = 2 * plan.threads + plan.queue;
    let (work_in, work_out) = bounded(plan.queue);
    let (done_in, done_out) = bounded(plan.queue);
    let (free_chunks_in, free_chunks_out) = bounded(buffers + plan.queue);
    let (free_examples_in, free_examples_out) = bounded(buffers);
    for _ in 0..buffers {
        // There is room for exactly this many.
        let _ = free_examples_in.try_send(Examples::default());
    }
    let reader = Reader { source, head, work: work_in, free_chunks: free_chunks_out, free_examples: free_examples_out };
    let ingest = Ingest {
        schema: schema.clone(),
        encoder: Encoder::new(schema, plan.label.clone()).lenient(plan.settings.frozen),
        work: work_out,
        done: done_in,
        free_chunks: free_chunks_in,
    };
    let sequencer = Sequencer { done: done_out, free_examples: free_examples_in, waiting: BTreeMap::new(), next: 0 };
    (reader, ingest, sequencer)
}

impl Reader {
    /// Reads until the source ends, fails, or nobody takes its chunks any more.
    fn run(mut self) -> StageTimes {
        let mut clock = StageClock::start("source");
        let mut sequence = 0;
        while let Ok(examples) = self.free_examples.recv() {
            clock.was_blocked();
            let chunk = match guarded("reading", || self.next_chunk()) {
                Ok(None) => break,
                Ok(Some(chunk)) => Ok(chunk),
                Err(error) => Err(error),
            };
            if self.source.is_live() {
                clock.was_starved()
            } else {
                clock.worked()
            }
            let failed = chunk.is_err();
            if self.work.send(Work { sequence, chunk, examples }).is_err() || failed {
                break;
            }
            clock.was_blocked();
            sequence += 1;
        }
        clock.worked();
        clock.times()
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        match self.head.take() {
            Some(head) => Ok(Some(head)),
            None => self.source.next_chunk(self.free_chunks.try_recv().unwrap_or_default()),
        }
    }
}

impl Ingest {
    /// Parses, transforms and encodes chunk after chunk.
    fn run(self) -> StageTimes {
        let mut clock = StageClock::start("ingest");
        let mut parser = Parser::new(self.schema.clone());
        let transform = Transform::new(&self.schema);
        let mut records = Records::default();
        while let Ok(Work { sequence, chunk, mut examples }) = self.work.recv() {
            clock.was_starved();
            let outcome = guarded("parsing", || {
                parser.parse(chunk?, &mut records)?;
                transform.apply(&mut records);
                self.encoder.encode(&mut records, &mut examples);
                Ok(examples)
            });
            // The reader makes a new chunk where none is waiting.
            let _ = self.free_chunks.try_send(std::mem::take(&mut records.chunk));
            clock.worked();
            if self.done.send(Done { sequence, outcome }).is_err() {
                break;
            }
            clock.was_blocked();
        }
        clock.was_starved();
        clock.times()
    }
}

impl Sequencer {
    /// Feeds the engine in stream order.
    fn run(
        mut self,
        engine: &mut Engine,
        sink: &mut EngineSink,
        started: Instant,
        observe: &mut dyn FnMut(Status<'_>),
    ) -> (StageTimes, Result<Option<Error>>) {
        let mut clock = StageClock::start("engine");
        let (ended_early, finished) = match self.feed(engine, sink, started, observe, &mut clock) {
            Ok(ended_early) => (ended_early, engine.finish(sink)),
            Err(error) => (None, Err(error)),
        };
        let outcome = match finished {
            Ok(()) => Ok(ended_early),
            // The engine has come to its end before it said so; an input that broke off weighs more.
            Err(error) if error.kind() == ErrorKind::TooManyRejected => Ok(ended_early.or(Some(error))),
            Err(error) if error.kind() == ErrorKind::Diverged => Ok(Some(error)),
            Err(error) => Err(error),
        };
        clock.worked();
        (clock.times().of_which_blocked(sink.waited), outcome)
    }

    /// Gives the error of an input that ended early; everything before it has been fed.
    fn feed(
        &mut self,
        engine: &mut Engine,
        sink: &mut EngineSink,
        started: Instant,
        observe: &mut dyn FnMut(Status<'_>),
        clock: &mut StageClock,
    ) -> Result<Option<Error>> {
        while let Ok(Done { sequence, outcome }) = self.done.recv() {
            clock.was_starved();
            self.waiting.insert(sequence, outcome);
            while let Some(outcome) = self.waiting.remove(&self.next) {
                let examples = match outcome {
                    Ok(examples) => examples,
                    Err(error) => return Ok(Some(error)),
                };
                engine.push(&examples, sink)?;
                self.next += 1;
                // The reader has gone when the source has ended.
                let _ = self.free_examples.try_send(examples);
            }
            let (counts, metrics) = engine.progress();
            let stages = [clock.so_far().of_which_blocked(sink.waited)];
            observe(Status { counts, metrics, elapsed: started.elapsed(), stages: &stages, inferred: &[] });
            clock.worked();
        }
        clock.was_starved();
        Ok(None)
    }
}

/// A stage's outcome; a panic in it goes on in the caller.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
