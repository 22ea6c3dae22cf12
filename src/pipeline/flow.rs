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

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::background::{guarded, in_background};
use super::checkpoints::{self, Keeper};
use super::delay::Delay;
use super::outlet::Writer;
use super::sequencer::{Done, End, Sequencer, Watch};
use super::stage::{Clocks, StageTimes};
use super::start::Ready;
use super::stop::Stop;
use crate::config::Plan;
use crate::encoder::Encoder;
use crate::encoder::names::Namer;
use crate::engine::Engine;
use crate::error::Result;
use crate::examples::Examples;
use crate::parser::Parser;
use crate::record::{Chunk, Records};
use crate::schema::Schema;
use crate::source::Source;
use crate::transform::Transform;

/// A chunk to be parsed, with the buffers for its examples.
struct Work {
    sequence: u64,
    /// When it was read.
    read: Instant,
    chunk: Result<Chunk>,
    examples: Examples,
}

/// The channels' ends, by stage.
struct Reader {
    source: Source,
    head: Option<Chunk>,
    work: Sender<Work>,
    free_chunks: Receiver<Chunk>,
    free_examples: Receiver<Examples>,
    clocks: Clocks,
}

#[derive(Clone)]
struct Ingest {
    schema: Schema,
    transform: Arc<Transform>,
    encoder: Encoder,
    /// Where something is to be learned of features that have names.
    namer: Option<Namer>,
    work: Receiver<Work>,
    done: Sender<Done>,
    free_chunks: Sender<Chunk>,
    clocks: Clocks,
}

/// What the engine's thread takes from and gives back to the stages before it.
struct Ingested {
    done: Receiver<Done>,
    free_examples: Sender<Examples>,
}

/// How a stream came to its end.
#[derive(Debug)]
pub struct Ended {
    /// Each stage's times.
    pub stages: Vec<StageTimes>,
    /// What ended it; everything before that place has been learned and written.
    pub end: End,
    /// The last checkpoint.
    pub checkpoint: Option<PathBuf>,
}

/// Runs the stream through the engine.
///
/// # Errors
/// The first thing in stream order after which state or outputs cannot be relied on.
pub(super) fn run(plan: &Plan, ready: Ready<'_>, engine: &mut Engine, stop: &Stop, watch: Watch<'_>) -> Result<Ended> {
    let Ready { source, head, schema, settings, leaves_pairs, outlet, checkpoints } = ready;
    let (checkpoints, keeper, to_keeper) = match checkpoints {
        None => (None, None, None),
        Some((every, header, store)) => {
            let (taking, keeper, to_keeper) = checkpoints::connect(every, header, store);
            (Some(taking), Some(keeper), Some(to_keeper))
        }
    };
    let is_live = source.is_live();
    let clocks = Clocks::default();
    let (sink, writer) = outlet.split(to_keeper, &clocks);
    let (reader, mut ingest, Ingested { done, free_examples }) =
        connect(plan, (source, head), schema, settings.hash_bits, &clocks)?;
    ingest.encoder = ingest.encoder.leaving_pairs(leaves_pairs);
    let settled = Instant::now();
    let stop = stop.clone();
    let mut delay = plan.live.max_delay.map(Delay::new);
    // What waits in a checkpoint has waited since now, as far as anybody knows.
    delay.iter_mut().filter(|_| engine.filling() > 0).for_each(|delay| delay.pushed(settled, 0, engine.filling()));
    let last_read = settled;
    let watch = Watch { clocks, is_live, ..watch };
    let sequencer =
        Sequencer { done, free_examples, engine, sink, checkpoints, stop, watch, is_live, settled, last_read, delay };
    let reading = in_background(move || reader.run());
    let ingesting: Vec<_> =
        (0..plan.threads).map(|_| ingest.clone()).map(|ingest| in_background(move || ingest.run())).collect();
    drop(ingest);
    thread::scope(|scope| {
        let writing = writer.map(|writer: Writer| scope.spawn(move || writer.run()));
        let keeping = keeper.map(|keeper: Keeper| scope.spawn(move || keeper.run()));

        let (engine_times, learned) = sequencer.run();

        // Where all went well they have ended; else one may be waiting for bytes that never come.
        let until = if matches!(learned, Ok(End::Whole)) { None } else { Some(Instant::now() + PATIENCE) };
        let mut stages: Vec<_> = times_of(&reading, until).into_iter().collect();
        let ingest_times = ingesting.iter().filter_map(|thread| times_of(thread, until));
        stages.extend(ingest_times.reduce(|sum, times| sum.plus(&times)));
        stages.push(engine_times);
        let written = writing.map(joined).map_or(Ok(()), |(times, written)| {
            stages.push(times);
            written
        });
        let kept = keeping.map(joined).map_or(Ok(None), |kept| kept);
        // A writer that failed is the cause of whatever the engine then met.
        written?;
        let checkpoint = kept?;
        Ok(Ended { stages, end: learned?, checkpoint })
    })
}

/// How long the threads' times are waited for after an error.
const PATIENCE: Duration = Duration::from_millis(100);

fn times_of(thread: &Receiver<StageTimes>, until: Option<Instant>) -> Option<StageTimes> {
    match until {
        None => thread.recv().ok(),
        Some(until) => thread.recv_deadline(until).ok(),
    }
}

fn connect(
    plan: &Plan,
    (source, head): (Source, Option<Chunk>),
    schema: &Schema,
    hash_bits: u32,
    clocks: &Clocks,
) -> Result<(Reader, Ingest, Ingested)> {
    let buffers = 2 * plan.threads + plan.queue;
    let (work_in, work_out) = bounded(plan.queue);
    let (done_in, done_out) = bounded(plan.queue);
    let (free_chunks_in, free_chunks_out) = bounded(buffers + plan.queue);
    let (free_examples_in, free_examples_out) = bounded(buffers);
    for _ in 0..buffers {
        // There is room for exactly this many.
        let _ = free_examples_in.try_send(Examples::default());
    }
    let reader = Reader {
        source,
        head,
        work: work_in,
        free_chunks: free_chunks_out,
        free_examples: free_examples_out,
        clocks: clocks.clone(),
    };
    let ingest = Ingest {
        schema: schema.clone(),
        transform: Arc::new(Transform::new(schema)?),
        encoder: Encoder::new(schema, plan.label.clone())
            .asking_for_times(plan.has_windows_of_time() || plan.keeps_course)
            .lenient(plan.settings.frozen)
            .keeping_raw(plan.outputs.side.is_some()),
        namer: if plan.names && !plan.settings.frozen { Namer::new(schema, hash_bits) } else { None },
        work: work_out,
        done: done_in,
        free_chunks: free_chunks_in,
        clocks: clocks.clone(),
    };
    Ok((reader, ingest, Ingested { done: done_out, free_examples: free_examples_in }))
}

impl Reader {
    /// Reads until the source ends, fails, or nobody takes its chunks any more.
    fn run(mut self) -> StageTimes {
        let mut clock = self.clocks.start("source");
        let mut sequence = 0;
        while let Ok(examples) = self.free_examples.recv() {
            clock.was_blocked();
            // Behind its end an input is live no more, and that end was waited for.
            let is_live = self.source.is_live();
            if is_live {
                clock.waits();
            }
            let next = guarded("reading", || self.next_chunk());
            if is_live {
                clock.was_starved()
            } else {
                clock.worked()
            }
            let chunk = match next {
                Ok(None) => break,
                Ok(Some(chunk)) => Ok(chunk),
                Err(error) => Err(error),
            };
            let failed = chunk.is_err();
            if self.work.send(Work { sequence, read: Instant::now(), chunk, examples }).is_err() || failed {
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
    fn run(mut self) -> StageTimes {
        let mut clock = self.clocks.start("ingest");
        let mut parser = Parser::new(self.schema.reading());
        let mut records = Records::default();
        clock.waits();
        while let Ok(Work { sequence, read, chunk, mut examples }) = self.work.recv() {
            clock.was_starved();
            let outcome = guarded("parsing", || {
                parser.parse(chunk?, &mut records)?;
                self.transform.apply(&mut records)?;
                self.encoder.encode(&mut records, &mut examples);
                if let Some(namer) = &mut self.namer {
                    namer.name(&records, &mut examples);
                }
                Ok(examples)
            });
            // The reader makes a new chunk where none is waiting.
            let _ = self.free_chunks.try_send(std::mem::take(&mut records.chunk));
            clock.worked();
            if self.done.send(Done { sequence, read, outcome }).is_err() {
                break;
            }
            clock.was_blocked();
            clock.waits();
        }
        clock.was_starved();
        clock.times()
    }
}

/// A stage's outcome; a panic in it goes on in the caller.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
