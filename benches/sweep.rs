//! How much longer 64 learners take than one: whole runs of `sweep` and `train` over the same file, and learners side by
//! side on micro-batches that are ready to be learned.
//!
//! A whole run is read and parsed once, so 64 learners take much less than 64 times as long there.
//!
//! ```text
//! cargo bench --bench sweep
//! ```
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench prints its table, and stops at what it cannot measure"
)]

mod measure;
mod streams;

use std::path::Path;
use std::time::{Duration, Instant};

use measure::{Contest, Lap, is_measuring, print_machine, sized};
use streams::Stream;
use tidemill::config::sweep::{Sweep, SweepOptions};
use tidemill::config::{Options, Plan};
use tidemill::examples::MicroBatch;
use tidemill::learner::cpu::{self, many};
use tidemill::learner::made_up::Kind;
use tidemill::learner::many::{Field, ManyLearners};
use tidemill::learner::{Learner, Model, Optimizer, Penalty, Settings, Shape, Update};
use tidemill::pipeline::{self, Outcome, Stop};
use tidemill::schema::Role;

/// How long a lap takes, at least.
const LAP: Duration = Duration::from_millis(60);
/// Learners of a sweep.
const LEARNERS: usize = 64;
/// As many settings.
const GRID: &str =
    "learning-rate=0.001,0.002,0.005,0.01,0.02,0.05,0.1,0.2; optimizer=adagrad,ftrl; l1=0,1e-6; l2=0,1e-6";

const KINDS: [(&str, Kind); 2] = [
    ("dense, 28 columns", Kind { shape: Shape { numeric: 28, hash_bits: 1 }, features: 0 }),
    ("sparse, 39 features in 2^18", Kind { shape: Shape { numeric: 0, hash_bits: 18 }, features: 39 }),
];

fn main() {
    print_machine("sweep");
    println!("blocks use {}", many::instructions().unwrap_or("one version for all"));
    compare_runs(&Stream::numeric(28, sized(1_000_000)));
    for (name, kind) in KINDS {
        compare(name, kind);
    }
}

/// A table of whole runs, over the threads that the machine has.
fn compare_runs(stream: &Stream) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("stream");
    std::fs::write(&file, &stream.text).expect("room for the stream in the temporary folder");
    let mut contest = Contest::new(format!("{}, whole runs", stream.name));
    let mut pairs = Vec::new();
    for (update, name) in [(Update::Record, "record"), (Update::Batch, "batch")] {
        let options = options(stream, &file, update);
        let plan = Plan::new(options.clone(), &[]).expect("options that fit together");
        let asked = SweepOptions { grid: GRID.into(), ..SweepOptions::default() };
        let sweep = Sweep::new(options, &asked).expect("options that fit together");
        assert_eq!(sweep.candidates.len(), LEARNERS);
        let (one, all) = (format!("train {name}"), format!("sweep of {LEARNERS} {name}"));
        contest.add(one.clone(), move || {
            of_run(&pipeline::run(&plan, None, &Stop::default(), &mut |_| {}).expect("a stream that can be learned"))
        });
        contest.add(all.clone(), move || {
            let swept = pipeline::sweep::run(&sweep, &Stop::default(), &mut |_, _| {});
            of_run(&swept.expect("a stream that can be learned").outcome)
        });
        pairs.push((one, all));
    }
    let results = contest.run();
    for (one, all) in pairs {
        results.ratio(&all, &one, Some(1.0 / 1.5));
    }
}

fn of_run(outcome: &Outcome) -> Lap {
    let (records, bytes) = (outcome.counts.records, outcome.counts.bytes);
    Lap { records, bytes, time: outcome.elapsed, ..Lap::default() }
}

fn options(stream: &Stream, file: &Path, update: Update) -> Options {
    let names = |role| stream.schema.of(role).map(|column| column.name.clone()).collect::<Vec<_>>();
    let mut options = Options::default();
    options.source.input = Some(vec![file.to_str().expect("a temporary folder whose name is text").to_owned()]);
    options.source.format = Some(stream.schema.format);
    options.source.label = names(Role::Label).into_iter().next();
    options.source.numeric = Some(names(Role::Numeric));
    options.learner.device = Some("cpu".into());
    options.learner.update = Some(update);
    options
}

/// One table: three optimizers in both units of learning, one learner and many.
fn compare(title: &str, kind: Kind) {
    let batches = kind.micro_batches(256);
    let mut contest = Contest::new(format!("{title}, micro-batches of 256"));
    let mut pairs = Vec::new();
    for update in [Update::Record, Update::Batch] {
        for optimizer in optimizers(kind, update) {
            let settings = |rate: f32| Settings {
                update,
                optimizer: scaled(optimizer, rate),
                penalty: Penalty::NONE,
                batch: 256,
                hash_bits: kind.shape.hash_bits,
                frozen: false,
            };
            let (one, all) = (name("one", update, optimizer), name("64", update, optimizer));
            let model = Model::new(kind.shape, optimizer, Penalty::NONE);
            let mut alone = cpu::open(model, settings(1.0));
            let (batches, stock) = (&batches, batches.clone());
            let mut stock = std::collections::VecDeque::from(stock);
            contest.add(one.clone(), move || {
                lap(batches.len(), |_| {
                    alone.learn(stock.pop_front().unwrap()).unwrap();
                    let mut scored = alone.next_scored().unwrap().unwrap();
                    stock.push_back(std::mem::take(&mut scored.batch));
                    alone.recycle(scored);
                    256
                })
            });
            let each = (0..LEARNERS).map(|k| settings(1.0 / (1 + k) as f32)).collect();
            let field = Field { shape: kind.shape, settings: each };
            let mut together = many::open(&field, 1).expect("enough memory").remove(0);
            contest.add(all.clone(), move || lap(batches.len(), |at| learned(&mut *together, &batches[at])));
            pairs.push((one, all));
        }
    }
    let results = contest.run();
    for (one, all) in pairs {
        results.ratio(&one, &all, None);
    }
}

fn learned(learners: &mut dyn ManyLearners, batch: &MicroBatch) -> u64 {
    learners.learn(batch).expect("a processor that works");
    batch.rows as u64
}

/// Calls `learn` with one number after the other below `count` for [`LAP`].
fn lap(count: usize, mut learn: impl FnMut(usize) -> u64) -> Lap {
    let least = if is_measuring() { LAP } else { Duration::ZERO };
    let (start, mut records) = (Instant::now(), 0);
    for at in (0..count).cycle() {
        records += learn(at);
        if start.elapsed() >= least {
            break;
        }
    }
    Lap { records, time: start.elapsed(), ..Lap::default() }
}

fn optimizers(kind: Kind, update: Update) -> [Optimizer; 3] {
    let records = if update == Update::Batch { 256 } else { 1 };
    let learning_rate = 0.5 / (kind.values() * records) as f32;
    [
        Optimizer::Sgd { learning_rate, power_t: 0.0 },
        Optimizer::AdaGrad { learning_rate: 0.05 },
        Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 },
    ]
}

fn scaled(optimizer: Optimizer, by: f32) -> Optimizer {
    match optimizer {
        Optimizer::Sgd { learning_rate, power_t } => Optimizer::Sgd { learning_rate: learning_rate * by, power_t },
        Optimizer::AdaGrad { learning_rate } => Optimizer::AdaGrad { learning_rate: learning_rate * by },
        Optimizer::Ftrl { learning_rate, beta } => Optimizer::Ftrl { learning_rate: learning_rate * by, beta },
    }
}

fn name(who: &str, update: Update, optimizer: Optimizer) -> String {
    let update = if update == Update::Record { "record" } else { "batch" };
    format!("{who} {update:6} {}", optimizer.name())
}
