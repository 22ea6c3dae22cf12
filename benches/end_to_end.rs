//! What a whole run costs beside parsing alone: the same file, in turn, parsed with its examples thrown away, learned
//! from, learned from with predictions written, and learned from in steps of a micro-batch on CPU and GPU; and what a
//! second pass takes, from memory and from a file.
//!
//! With an ingest thread on every core, learning and parsing share the cores, so a run can be no faster than their work
//! together; the pair with a thread fewer shows whether learning hides behind parsing where it has a core of its own.
//! The file lies in a temporary folder, so after the warm-up it comes from memory, not from the disk.
//!
//! ```text
//! cargo bench --bench end_to_end
//! TIDEMILL_BENCH_CSV=clicks.csv cargo bench --bench end_to_end    # a file instead: header line, label first
//! TIDEMILL_BENCH_THREADS=4 cargo bench --bench end_to_end         # ingest threads, one a core otherwise
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench prints its table, and stops at what it cannot measure"
)]

mod measure;
mod streams;

use std::path::Path;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use measure::{Contest, Lap, print_machine, sized, timed};
use streams::Stream;
use tidemill::config::{Options, Plan};
use tidemill::encoder::Encoder;
use tidemill::examples::Examples;
use tidemill::learner::{Update, device};
use tidemill::parser::Parser;
use tidemill::pipeline::{self, start};
use tidemill::record::{Chunk, Records};
use tidemill::replay::Numbers;
use tidemill::schema::{Role, Schema};
use tidemill::transform::Transform;

/// Names of the contestants.
const PARSE: &str = "parse only";
const TRAIN: &str = "train";
const PARSE_FEWER: &str = "parse only, a thread fewer";
const TRAIN_FEWER: &str = "train, a thread fewer";
const PREDICTIONS: &str = "train, predictions";
const KEEPING: &str = "train, kept for a second pass";
const AGAIN: &str = "second pass, from memory";
const AGAIN_FROM_FILE: &str = "second pass, from a file";
const AGAIN_IN_HALVES: &str = "second pass, f16 from memory";
const CPU_BATCH: &str = "train batch, cpu";
const GPU_BATCH: &str = "train batch, gpu";

fn main() {
    print_machine("end_to_end");
    match Stream::named() {
        Some(stream) => compare(&stream),
        None => {
            compare(&Stream::numeric(28, sized(1_000_000)));
            compare(&Stream::criteo(sized(600_000)));
        }
    }
}

fn compare(stream: &Stream) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("stream");
    std::fs::write(&file, &stream.text).expect("room for the stream in the temporary folder");
    let base = options(stream, &file);
    let all_threads = plan(base.clone());
    let fewer_threads = plan(with_threads(&base, (all_threads.threads - 1).max(1)));
    let mut contest = Contest::new(format!("{}, {} ingest threads", stream.name, all_threads.threads));
    contest.add(PARSE, || parse_only(&all_threads));
    contest.add(PARSE_FEWER, || parse_only(&fewer_threads));
    contest.add(TRAIN_FEWER, || train(&fewer_threads));
    for (what, options) in trainings(&base, folder.path()) {
        let plan = plan(options);
        contest.add(what, move || train(&plan));
    }
    for (what, memory, numbers) in
        [(AGAIN, "100G", Numbers::F32), (AGAIN_FROM_FILE, "0", Numbers::F32), (AGAIN_IN_HALVES, "100G", Numbers::F16)]
    {
        let mut options = base.clone();
        options.learner.passes = Some(2);
        options.learner.replay_memory = Some(memory.into());
        options.learner.replay_numbers = Some(numbers);
        let plan = plan(options);
        contest.add(what, move || learn_again(&plan));
    }
    let mut options = base.clone();
    options.learner.passes = Some(2);
    options.learner.replay_memory = Some("100G".into());
    let plan = plan(options);
    contest.add(KEEPING, move || train(&plan));
    let results = contest.run();
    results.ratio(TRAIN, PARSE, Some(0.85));
    results.ratio(TRAIN_FEWER, PARSE_FEWER, Some(0.85));
    results.ratio(PREDICTIONS, TRAIN, Some(0.90));
    results.ratio(CPU_BATCH, TRAIN, None);
    results.ratio(KEEPING, TRAIN, None);
    for again in [AGAIN, AGAIN_FROM_FILE, AGAIN_IN_HALVES] {
        results.ratio(again, TRAIN, None);
    }
    if has_gpu() {
        results.ratio(GPU_BATCH, CPU_BATCH, None);
    }
    print_stages(&all_threads);
}

fn with_threads(base: &Options, threads: usize) -> Options {
    let mut options = base.clone();
    options.learner.threads = Some(threads);
    options
}

/// The runs that learn, by name.
fn trainings(base: &Options, folder: &Path) -> Vec<(&'static str, Options)> {
    let mut with_predictions = base.clone();
    with_predictions.output.predictions = Some(text(&folder.join("predictions.csv")));
    let mut batch = base.clone();
    batch.learner.update = Some(Update::Batch);
    let mut runs = vec![(TRAIN, base.clone()), (PREDICTIONS, with_predictions), (CPU_BATCH, batch.clone())];
    if has_gpu() {
        batch.learner.device = Some("gpu".into());
        runs.push((GPU_BATCH, batch));
    }
    runs
}

fn options(stream: &Stream, file: &Path) -> Options {
    let names = |role| stream.schema.of(role).map(|column| column.name.clone()).collect();
    let mut options = Options::default();
    options.source.input = Some(vec![text(file)]);
    options.source.format = Some(stream.schema.format);
    options.source.label = Some(names(Role::Label)).map(|names: Vec<String>| names[0].clone());
    options.source.numeric = Some(names(Role::Numeric));
    options.source.categorical = Some(names(Role::Categorical));
    options.learner.device = Some("cpu".into());
    options.learner.threads = std::env::var("TIDEMILL_BENCH_THREADS").ok().and_then(|threads| threads.parse().ok());
    options
}

fn plan(options: Options) -> Plan {
    Plan::new(options, &[]).expect("options that fit together")
}

fn text(path: &Path) -> String {
    path.to_str().expect("a temporary folder whose name is text").to_owned()
}

/// Whether there is an adapter that is not the CPU in disguise.
fn has_gpu() -> bool {
    device::list().iter().any(|adapter| adapter.kind != "software")
}

fn train(plan: &Plan) -> Lap {
    let outcome =
        pipeline::run(plan, None, &pipeline::Stop::default(), &mut |_| {}).expect("a stream that can be learned");
    assert_eq!(outcome.counts.rejected, 0);
    let (records, bytes) = (outcome.counts.records, outcome.counts.bytes);
    Lap { records, bytes, time: outcome.elapsed, ..Lap::default() }
}

/// The second pass alone.
fn learn_again(plan: &Plan) -> Lap {
    let outcome =
        pipeline::run(plan, None, &pipeline::Stop::default(), &mut |_| {}).expect("a stream that can be learned");
    let again = outcome.later.all.first().expect("a second pass");
    assert_eq!(again.pass.records, outcome.counts.records);
    Lap { records: again.pass.records, time: again.elapsed, ..Lap::default() }
}

/// One more run, for where its threads spent their time.
fn print_stages(plan: &Plan) {
    let outcome =
        pipeline::run(plan, None, &pipeline::Stop::default(), &mut |_| {}).expect("a stream that can be learned");
    println!(
        "  threads of one more run of {TRAIN}, log loss {:.4}:",
        outcome.metrics.total.log_loss.mean().unwrap_or(f64::NAN)
    );
    for stage in &outcome.stages {
        let all = outcome.elapsed.as_secs_f64() * stage.threads as f64;
        let [busy, starved, blocked] =
            [stage.busy, stage.starved, stage.blocked].map(|time| 100.0 * time.as_secs_f64() / all);
        let work = 1e9 * stage.busy.as_secs_f64() / outcome.counts.records.max(1) as f64;
        print!("    {:8} x{:<3} {work:6.1} ns/record, ", stage.name, stage.threads);
        println!("busy {busy:3.0} %, starved {starved:3.0} %, blocked {blocked:3.0} %");
    }
}

/// Everything before the engine: one thread reads, the plan's threads parse, transform and encode.
fn parse_only(plan: &Plan) -> Lap {
    let (counted, time) = timed(|| {
        let start::Prepared { mut source, mut head, schema, .. } =
            start::prepare(plan, None, &pipeline::Stop::default()).expect("a readable stream");
        let (work_in, work) = bounded::<Chunk>(plan.queue);
        let (free_in, free) = bounded::<Chunk>(2 * plan.threads + 2 * plan.queue);
        thread::scope(|scope| {
            let ingest = |_| {
                let (schema, work, free) = (&schema, work.clone(), free_in.clone());
                scope.spawn(move || ingest(plan, schema, &work, &free))
            };
            let threads: Vec<_> = (0..plan.threads).map(ingest).collect();
            drop(work);
            let mut next = |spare| source.next_chunk(spare).expect("a readable stream");
            let mut chunk = head.take();
            while let Some(full) = chunk {
                work_in.send(full).expect("threads that take chunks until there are no more");
                chunk = next(free.try_recv().unwrap_or_default());
            }
            drop(work_in);
            let counts = threads.into_iter().map(|thread| thread.join().expect("a thread that ends"));
            counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
        })
    });
    Lap { records: counted.0, bytes: counted.1, time, ..Lap::default() }
}

/// Gives the records and bytes that went through this thread.
fn ingest(plan: &Plan, schema: &Schema, work: &Receiver<Chunk>, free: &Sender<Chunk>) -> (u64, u64) {
    let (mut parser, transform) = (Parser::new(schema.clone()), Transform::new(schema).expect("no transforms"));
    let mut encoder = Encoder::new(schema, plan.label.clone());
    let (mut records, mut examples, mut counted) = (Records::default(), Examples::default(), (0, 0));
    while let Ok(chunk) = work.recv() {
        parser.parse(chunk, &mut records).expect("the header is the schema's");
        transform.apply(&mut records).expect("no transforms");
        encoder.encode(&mut records, &mut examples);
        counted = (counted.0 + examples.rows as u64, counted.1 + examples.bytes);
        // The reader makes a new chunk where none is waiting.
        let _ = free.try_send(std::mem::take(&mut records.chunk));
    }
    counted
}
