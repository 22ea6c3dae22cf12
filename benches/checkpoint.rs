//! What checkpoints cost a run: the same stream learned without them and with one every million records, 2^22 weights.
//!
//! The stream is one file read several times over, so that the last checkpoint, which a run waits for, weighs as little as
//! in a long run. Records like Criteo's touch the whole table; numbers alone touch none of it.
//!
//! ```text
//! cargo bench --bench checkpoint
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

use measure::{Contest, Lap, print_machine, sized};
use streams::Stream;
use tidemill::config::{Options, Plan};
use tidemill::pipeline::{self, Stop};
use tidemill::schema::Role;

/// How often the file is read.
const TIMES: usize = 10;
const TRAIN: &str = "train";
const KEPT: &str = "train, a checkpoint every 1 M records";

fn main() {
    print_machine("checkpoint");
    compare(&Stream::criteo(sized(1_000_000)));
    compare(&Stream::numeric(28, sized(1_000_000)));
}

fn compare(stream: &Stream) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("stream");
    std::fs::write(&file, &stream.text).expect("room for the stream in the temporary folder");
    let plain = options(stream, &file);
    let kept = folder.path().join("kept");
    let mut with_checkpoints = plain.clone();
    with_checkpoints.checkpoint.checkpoint = kept.to_str().map(str::to_owned);
    with_checkpoints.checkpoint.checkpoint_every = Some(sized(1_000_000).to_string());
    let mut contest = Contest::new(format!("{}, {TIMES} times, 2^22 weights", stream.name));
    contest.add(TRAIN, || train(&plain));
    contest.add(KEPT, || {
        let _ = std::fs::remove_dir_all(&kept); // there is none before the first round
        train(&with_checkpoints)
    });
    contest.run().ratio(KEPT, TRAIN, Some(0.97));
}

fn options(stream: &Stream, file: &Path) -> Options {
    let names = |role| stream.schema.of(role).map(|column| column.name.clone()).collect::<Vec<_>>();
    let file = file.to_str().expect("a temporary folder whose name is text").to_owned();
    let mut options = Options::default();
    options.source.input = Some(vec![file; TIMES]);
    options.source.format = Some(stream.schema.format);
    options.source.label = names(Role::Label).pop();
    options.source.numeric = Some(names(Role::Numeric));
    options.source.categorical = Some(names(Role::Categorical));
    options.learner.device = Some("cpu".into());
    options.learner.hash_bits = Some(22);
    options
}

fn train(options: &Options) -> Lap {
    let plan = Plan::new(options.clone(), &[]).expect("options that fit together");
    let outcome = pipeline::run(&plan, None, &Stop::default(), &mut |_| {}).expect("a stream that can be learned");
    Lap { records: outcome.counts.records, bytes: outcome.counts.bytes, time: outcome.elapsed, ..Lap::default() }
}
