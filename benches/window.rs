//! What windows of keys cost: records a second through the windows alone, and through whole runs with and without them.
//!
//! ```text
//! cargo bench --bench window
//! ```
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench prints its table, and stops at what it cannot measure"
)]

mod measure;
mod streams;

use measure::{Contest, Lap, print_machine, sized, timed};
use streams::Draw;
use tidemill::config::{Options, Plan};
use tidemill::pipeline::{self, Stop};
use tidemill::schema::Schema;
use tidemill::source::synthetic::{Generator, Synthetic};
use tidemill::window::{Record, Windows};

const OVER: &str = "over = ['1h', '6h', '1d']";
const SOURCE: &str = "[source]\nlabel = 'fraud'\ntime = 'time'\ncategorical = ['customer', 'terminal', 'category', 'hour']\n\
    numeric = ['amount', 'log_amount']\n[learner]\ndevice = 'cpu'\n";

/// Three keys in three windows each.
fn sections() -> String {
    let section = |key| {
        format!(
            "[[feature]]\nkind = 'window'\nkey = ['{key}']\n{OVER}\ncolumn = 'amount'\nmake = ['count', 'mean', 'rate']\n"
        )
    };
    ["customer", "terminal", "category"].map(section).concat()
}

fn main() {
    print_machine("window");
    alone("3 keys of few, in turns", sized(1_000_000), [3000, 500, 8]);
    alone("3 keys of many, seldom twice", sized(1_000_000), [3_000_000, 1_000_000, 300_000]);
    whole(sized(1_000_000));
}

/// The windows alone, about one record a second.
fn alone(name: &str, rows: usize, keys: [u64; 3]) {
    let mut rng = Draw::new(1);
    let mut records = Vec::with_capacity(rows);
    for at in 0..rows {
        let of = |(number, most): (u64, u64)| {
            (number * 1_000_003 + rng.skewed(most) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let keys: Vec<u64> = (0..).zip(keys).map(of).collect();
        records.push((at as i64 * 1_000_000, [keys[0], keys[1], keys[2]], rng.uniform() as f32));
    }
    let features = Options::parse(&(SOURCE.to_owned() + &sections())).expect("a job that can be read").feature;
    let schema = Schema { features, ..Schema::default() };
    let mut contest = Contest::new(format!("windows alone, {name}"));
    contest.add("fill and known", || {
        let mut windows = Windows::new(&schema).expect("sections of windows");
        let mut row = [0.0; 32];
        let ((), time) = timed(|| {
            for (time, keys, value) in &records {
                windows.fill(Record { time: *time, keys, values: &[*value; 3], hashes: &[] }, &mut row);
                windows.known(keys, *time, f32::from(u8::from(*value < 0.01)), 1.0);
            }
        });
        Lap { records: rows as u64, values: 27 * rows as u64, time, bytes: 0 }
    });
    contest.run();
}

/// Whole runs over a file of payments.
fn whole(rows: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("payments.csv");
    let mut stream = Synthetic::new(Generator::Fraud, rows as u64, 1);
    let mut text = stream.header().as_bytes().to_vec();
    while !stream.is_done() {
        stream.fill(&mut text, 1 << 20);
    }
    std::fs::write(&file, &text).expect("room for the stream in the temporary folder");
    let mut contest = Contest::new("payments, whole runs");
    for (name, job) in [("train with ids", SOURCE.to_owned()), ("train with windows", SOURCE.to_owned() + &sections())]
    {
        let options = Options::parse(&job).expect("a job that can be read");
        let plan = Plan::new(options, &[file.display().to_string()]).expect("options that fit together");
        contest.add(name, move || {
            let outcome =
                pipeline::run(&plan, None, &Stop::default(), &mut |_| {}).expect("a stream that can be learned");
            let (records, bytes) = (outcome.counts.records, outcome.counts.bytes);
            Lap { records, bytes, values: 0, time: outcome.elapsed }
        });
    }
    contest.run().ratio("train with windows", "train with ids", None);
}
