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
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Status;
use super::outlet::{EngineSink, Outlet, Writer};
use super::stage::{StageClock, StageTimes};
use crate::config::Plan;
use crate::encoder::Encoder;
use crate::engine::Engine;
use crate::error::{Error, Result};
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

/// Runs the stream through the engine; gives each stage's times.
///
/// # Errors
/// The first thing in stream order that kept it from its end, with the times so far.
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
) -> std::result::Result<Vec<StageTimes>, (Error, Vec<StageTimes>)> {
    let (mut sink, writer) = outlet.split();
    let (reader, ingest, sequencer) = connect(plan, source, head, schema);
    thread::scope(|scope| {
        let reading = scope.spawn(move || reader.run());
        let ingesting: Vec<_> =
            (0..plan.threads).map(|_| ingest.clone()).map(|i| scope.spawn(move || i.run())).collect();
        drop(ingest);
        let writing = writer.map(|writer: Writer| scope.spawn(move || writer.run()));

        let (engine_times, learned) = sequencer.run(engine, &mut sink, started, observe);
        let (learned, closed) = (learned, sink.finish());

        let mut stages = vec![joined(reading)];
        let ingest_times: Vec<_> = ingesting.into_iter().map(joined).collect();
        stages.extend(ingest_times.into_iter().reduce(|sum, times| sum.plus(&times)));
        stages.push(engine_times);
        let written = writing.map(joined).map_or(Ok(()), |(times, written)| {
            stages.push(times);
            written
        });
        // A writer that failed is the cause of whatever the engine then met.
        match written.and(learned).and(closed) {
            Ok(()) => Ok(stages),
            Err(error) => Err((error, stages)),
        }
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
        encoder: Encoder::new(schema, plan.label.clone()),
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
            let chunk = match self.next_chunk() {
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
            let outcome = chunk.and_then(|chunk| parser.parse(chunk, &mut records)).map(|()| {
                transform.apply(&mut records);
                self.encoder.encode(&mut records, &mut examples);
                examples
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
    ) -> (StageTimes, Result<()>) {
        let mut clock = StageClock::start("engine");
        let outcome = self.feed(engine, sink, started, observe, &mut clock).and_then(|()| engine.finish(sink));
        clock.worked();
        let mut times = clock.times();
        let waited = sink.waited.min(times.busy);
        times.busy -= waited;
        times.blocked += waited;
        (times, outcome)
    }

    fn feed(
        &mut self,
        engine: &mut Engine,
        sink: &mut EngineSink,
        started: Instant,
        observe: &mut dyn FnMut(Status<'_>),
        clock: &mut StageClock,
    ) -> Result<()> {
        while let Ok(Done { sequence, outcome }) = self.done.recv() {
            clock.was_starved();
            self.waiting.insert(sequence, outcome);
            while let Some(outcome) = self.waiting.remove(&self.next) {
                let examples = outcome?;
                engine.push(&examples, sink)?;
                self.next += 1;
                // The reader has gone when the source has ended.
                let _ = self.free_examples.try_send(examples);
            }
            let (counts, metrics) = engine.progress();
            let stages = [clock.so_far()];
            observe(Status { counts, metrics, elapsed: started.elapsed(), stages: &stages, inferred: &[] });
            clock.worked();
        }
        clock.was_starved();
        Ok(())
    }
}

/// A stage's outcome; a panic in it goes on in the caller.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
