//! How many records a second each backend learns when its micro-batches are ready: the CPU record by record, the CPU
//! and the GPU one step a micro-batch.
//!
//! Every backend gets back the buffers it handed in, so after the warm-up nothing is allocated. A GPU is measured with
//! its uploads and downloads. Without an adapter the GPU's lines are missing; a software adapter is named as one.
//!
//! ```text
//! cargo bench --bench kernel
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

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use measure::{Contest, Lap, is_measuring, print_machine};
use streams::batches::Kind;
use tidemill::examples::MicroBatch;
use tidemill::learner::gpu::{Adapter, Wanted, adapter};
use tidemill::learner::{Learner, Model, Optimizer, Penalty, Settings, Shape, Update, cpu, gpu};

/// How long a lap takes, at least.
const LAP: Duration = Duration::from_millis(60);

const KINDS: [Kind; 4] = [
    Kind { name: "dense, 28 columns", shape: Shape { numeric: 28, hash_bits: 1 }, features: 0 },
    Kind { name: "dense, 1000 columns", shape: Shape { numeric: 1000, hash_bits: 1 }, features: 0 },
    Kind { name: "sparse, 39 features in 2^18", shape: Shape { numeric: 0, hash_bits: 18 }, features: 39 },
    Kind { name: "sparse, 39 features in 2^22", shape: Shape { numeric: 0, hash_bits: 22 }, features: 39 },
];

fn main() {
    print_machine("kernel");
    let adapter = adapter::find(Wanted::Best).ok();
    match &adapter {
        None => println!("no adapter: the CPU alone is measured"),
        Some(adapter) if adapter.is_software() => {
            println!(
                "gpu below is {}: a SOFTWARE adapter, the CPU in disguise; its speed says nothing",
                adapter.name()
            );
        }
        Some(adapter) => println!("gpu below is {}", adapter.name()),
    }
    for kind in KINDS {
        for rows in [256, 4096] {
            compare(kind, rows, adapter.as_ref());
        }
    }
}

/// One table: three optimizers on every backend.
fn compare(kind: Kind, rows: usize, adapter: Option<&Adapter>) {
    let batches = kind.micro_batches(rows);
    let mut contest = Contest::new(format!("{}, micro-batches of {rows}", kind.name));
    let optimizers = [Update::Record, Update::Batch].map(|update| optimizers(kind, rows, update));
    for (record, batch) in optimizers[0].into_iter().zip(optimizers[1]) {
        for (update, optimizer) in [(Update::Record, record), (Update::Batch, batch)] {
            let (model, settings) = blank(kind, rows, update, optimizer);
            let mut lane = Lane::new(cpu::open(model, settings), &batches);
            contest.add(name("cpu", update, optimizer), move || lane.lap(kind));
        }
        let (model, settings) = blank(kind, rows, Update::Batch, batch);
        match adapter.map(|adapter| gpu::open(adapter, model, settings)) {
            None => {}
            Some(Err(error)) => println!("{}: no gpu here: {error}", kind.name),
            Some(Ok(learner)) => {
                let mut lane = Lane::new(learner, &batches);
                contest.add(name("gpu", Update::Batch, batch), move || lane.lap(kind));
            }
        }
    }
    let results = contest.run();
    for optimizer in optimizers[1] {
        let cpu_batch = name("cpu", Update::Batch, optimizer);
        results.ratio(&cpu_batch, &name("cpu", Update::Record, optimizer), None);
        if adapter.is_some() {
            results.ratio(&name("gpu", Update::Batch, optimizer), &cpu_batch, None);
        }
    }
}

/// The optimizers, with SGD's rate small enough for the norm of a record, or of a micro-batch's summed gradient.
fn optimizers(kind: Kind, rows: usize, update: Update) -> [Optimizer; 3] {
    let records = if update == Update::Batch { rows } else { 1 };
    let learning_rate = 0.5 / (kind.values() * records) as f32;
    [
        Optimizer::Sgd { learning_rate, power_t: 0.0 },
        Optimizer::AdaGrad { learning_rate: 0.05 },
        Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 },
    ]
}

fn blank(kind: Kind, rows: usize, update: Update, optimizer: Optimizer) -> (Model, Settings) {
    let (penalty, hash_bits) = (Penalty::NONE, kind.shape.hash_bits);
    let settings = Settings { update, optimizer, penalty, batch: rows, hash_bits, frozen: false };
    (Model::new(kind.shape, optimizer, penalty), settings)
}

fn name(device: &str, update: Update, optimizer: Optimizer) -> String {
    let update = if update == Update::Record { "record" } else { "batch" };
    format!("{device} {update:6} {}", optimizer.name())
}

/// A learner with the micro-batches that it is not holding.
struct Lane<L> {
    learner: L,
    waiting: VecDeque<MicroBatch>,
    template: MicroBatch,
}

impl<L: Learner> Lane<L> {
    fn new(learner: L, batches: &[MicroBatch]) -> Self {
        Self { learner, waiting: batches.iter().cloned().collect(), template: batches[0].clone() }
    }

    /// Learns for [`LAP`] and waits for the last micro-batch.
    fn lap(&mut self, kind: Kind) -> Lap {
        let least = if is_measuring() { LAP } else { Duration::ZERO };
        let (start, mut records) = (Instant::now(), 0);
        while records == 0 || start.elapsed() < least {
            // A backend that works ahead holds some; after the warm-up there are enough.
            let batch = self.waiting.pop_front().unwrap_or_else(|| self.template.clone());
            records += batch.rows as u64;
            self.learner.learn(batch).expect("a device that works");
            self.take_back();
        }
        self.learner.finish().expect("a device that works");
        self.take_back();
        Lap { records, values: records * kind.values() as u64, time: start.elapsed(), ..Lap::default() }
    }

    fn take_back(&mut self) {
        while let Some(mut scored) = self.learner.next_scored().expect("a device that works") {
            self.waiting.push_back(std::mem::take(&mut scored.batch));
            self.learner.recycle(scored);
        }
    }
}
