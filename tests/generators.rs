//! The synthetic streams: the same bytes everywhere, the loss they state, and that an online learner gets near it.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::time::Instant;

use tidemill::examples::{MicroBatch, stride};
use tidemill::learner::{Learner, Model, Optimizer, Penalty, Settings, Shape, Update, cpu};
use tidemill::record::LossSum;
use tidemill::source::synthetic::{Generator, Synthetic};

/// FNV-1a (Fowler, Noll, Vo), 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn whole(generator: Generator, rows: u64, seed: u64) -> (Vec<u8>, LossSum) {
    let mut text = Vec::new();
    let sum = Synthetic::new(generator, rows, seed).fill(&mut text, usize::MAX);
    (text, sum)
}

fn fields(record: &[u8]) -> Vec<&[u8]> {
    record.split(|&byte| byte == b',').collect()
}

fn records(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').filter(|record| !record.is_empty())
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_every_machine() {
    let expected = [
        (Generator::Clicks, 0x5d59_89bc_8e62_7b2d_u64),
        (Generator::Hyperplane, 0x142a_707f_84cb_186b),
        (Generator::Fraud, 0x256d_d08f_dc70_480a),
        (Generator::Ratings, 0x1941_c61f_249f_5220),
    ];
    let seen = expected.map(|(generator, _)| (generator, fnv(&whole(generator, 10_000, 1).0)));
    assert_eq!(seen, expected, "{seen:#x?}");
}

#[test]
fn another_seed_gives_other_bytes() {
    for generator in Generator::ALL {
        assert_ne!(whole(generator, 100, 1).0, whole(generator, 100, 2).0);
    }
}

#[test]
fn a_longer_stream_begins_with_the_shorter_one() {
    for generator in Generator::ALL {
        let (short, long) = (whole(generator, 1_000, 3).0, whole(generator, 2_000, 3).0);
        assert_eq!(short, long[..short.len()]);
    }
}

#[test]
fn a_stream_has_as_many_records_as_asked_for_each_with_the_fields_of_its_header() {
    for generator in Generator::ALL {
        let columns = generator.columns();
        let (text, sum) = whole(generator, 5_000, 1);
        let width = fields(columns.header.trim_end().as_bytes()).len();
        assert_eq!(width, usize::from(columns.time.is_some()) + columns.numeric.len() + columns.categorical.len() + 1);
        assert_eq!((records(&text).count(), sum.records), (5_000, 5_000));
        assert!(text.ends_with(b"\n") && !text.contains(&b'"'));
        for record in records(&text) {
            assert_eq!(fields(record).len(), width);
            assert!(record.ends_with(b",0") || record.ends_with(b",1"));
        }
    }
}

#[test]
fn every_named_column_stands_in_the_header_and_every_number_is_one() {
    for generator in Generator::ALL {
        let (text, _) = whole(generator, 1_000, 2);
        let table = Table::of(generator);
        for record in records(&text) {
            let fields = fields(record);
            assert!(table.numeric.iter().all(|&at| number(fields[at]).is_finite()));
            assert!(table.categorical.iter().all(|&at| !fields[at].is_empty()));
        }
    }
}

#[test]
fn filling_in_small_or_large_portions_gives_the_same_bytes_and_the_same_loss() {
    for generator in Generator::ALL {
        let (text, sum) = whole(generator, 3_000, 5);
        for portion in [0, 1, 100, 4096, 65_536] {
            let mut stream = Synthetic::new(generator, 3_000, 5);
            let (mut pieces, mut total) = (Vec::new(), LossSum::default());
            while !stream.is_done() {
                let start = pieces.len();
                let piece = stream.fill(&mut pieces, portion);
                assert!(piece.records > 0 && pieces.ends_with(b"\n"));
                assert!(stream.is_done() || pieces.len() - start >= portion);
                total = LossSum { loss: total.loss + piece.loss, records: total.records + piece.records };
            }
            assert_eq!((&pieces, total.records), (&text, sum.records));
            assert!((total.loss - sum.loss).abs() < 1e-8 * sum.loss);
            assert_eq!(stream.fill(&mut pieces, portion), LossSum::default());
        }
    }
}

#[test]
fn labels_are_positive_as_often_as_stated_whatever_the_seed() {
    let stated = [
        (Generator::Clicks, 0.10..0.20),
        (Generator::Hyperplane, 0.48..0.52),
        (Generator::Fraud, 0.005..0.010),
        (Generator::Ratings, 0.45..0.55),
    ];
    for (generator, range) in stated {
        for seed in 1..=3 {
            let (text, _) = whole(generator, 200_000, seed);
            let rate = records(&text).filter(|record| record.ends_with(b"1")).count() as f64 / 200_000.0;
            assert!(range.contains(&rate), "{generator:?}, seed {seed}: {rate}");
        }
    }
}

#[test]
fn the_best_loss_of_the_hyperplane_is_the_mean_entropy_of_its_logit() {
    // The logit is normal with deviation 2.5; the trapezoidal rule is exact to many digits for such a bell.
    let step = 1e-3;
    let entropy = |z: f64| (-z).exp().ln_1p() + z / (1.0 + z.exp());
    let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let mean: f64 = (-10_000..10_000).map(f64::from).map(|k| density(k * step) * entropy(2.5 * k * step) * step).sum();
    let (_, sum) = whole(Generator::Hyperplane, 200_000, 1);
    // A record's loss has a deviation of about 0.5, so the mean of 200,000 one of 0.0011; four of them.
    assert!((sum.loss / 200_000.0 - mean).abs() < 0.0045, "{} against {mean}", sum.loss / 200_000.0);
}

#[test]
fn ids_of_clicks_are_zipf_and_ads_come_and_go() {
    let (text, _) = whole(Generator::Clicks, 300_000, 1);
    let share = |column: usize, id: &[u8]| {
        records(&text).filter(|record| fields(record)[column] == id).count() as f64 / 300_000.0
    };
    let total: f64 = (1..=2_000).map(|rank| f64::from(rank).powf(-0.9)).sum();
    assert!((share(2, b"u1") * total - 1.0).abs() < 0.05);
    assert!((share(2, b"u10") * total - 10f64.powf(-0.9)).abs() < 0.02);
    let newest = records(&text).map(|record| number(&fields(record)[3][1..]) as u32).max().unwrap();
    assert!((205..=250).contains(&newest), "83 hours bring about 21 new ads to the first 200, not up to a{newest}");
}

#[test]
fn an_online_learner_comes_near_the_best_loss_of_clicks_within_200_000_records() {
    let run = Run::of(Generator::Clicks, 200_000, 1, 0.1);
    assert!(run.loss < run.base_loss - 0.4 * (run.base_loss - run.best), "{run:?}");
    assert!(run.loss < 1.06 * run.best, "{run:?}");
    assert!(run.loss > run.best, "{run:?}");
}

/// Run it by hand: `cargo test --release --test generators -- --ignored --nocapture`.
#[test]
#[ignore = "a million records a stream and rate: for a release build"]
fn with_a_million_records_an_online_learner_comes_within_two_percent_of_the_best_loss_of_clicks() {
    for generator in Generator::ALL {
        for rate in [0.02, 0.05, 0.1, 0.2, 0.5] {
            let run = Run::of(generator, 1_000_000, 1, rate);
            println!(
                "{generator:?} AdaGrad {rate}: {run:.5?}, {:.2} % above best",
                100.0 * (run.loss / run.best - 1.0)
            );
        }
    }
    let run = Run::of(Generator::Clicks, 1_000_000, 1, 0.1);
    assert!(run.loss < 1.02 * run.best, "{run:?}");
}

/// Run it by hand, like the test above.
#[test]
#[ignore = "a speed: for a release build on a quiet machine"]
fn each_stream_makes_more_than_one_and_a_half_million_records_a_second() {
    for generator in Generator::ALL {
        let (mut text, mut bytes) = (Vec::with_capacity(2 << 20), 0);
        let mut stream = Synthetic::new(generator, 3_000_000, 1);
        let start = Instant::now();
        while !stream.is_done() {
            text.clear();
            stream.fill(&mut text, 1 << 20);
            bytes += text.len();
        }
        let seconds = start.elapsed().as_secs_f64();
        let (records, megabytes) = (3.0 / seconds, bytes as f64 / seconds / 1e6);
        println!("{generator:?}: {records:.2} million records/s, {megabytes:.0} MB/s");
        assert!(records > 1.5);
    }
}

/// Progressive validation of AdaGrad, record by record in micro-batches of 256, on a stream read in full.
#[derive(Debug)]
#[allow(dead_code, reason = "printed")]
struct Run {
    /// Mean log loss of the learner.
    loss: f64,
    /// Mean log loss of the best possible predictor.
    best: f64,
    /// Log loss of the base rate, known in advance.
    base_loss: f64,
    base_rate: f64,
}

impl Run {
    fn of(generator: Generator, rows: u64, seed: u64, learning_rate: f32) -> Self {
        let table = Table::of(generator);
        let mut stream = Synthetic::new(generator, rows, seed);
        let mut encoder = Encoder { table: &table, moments: vec![Moments::default(); table.numeric.len()] };
        let mut learner = open(table.numeric.len(), learning_rate);
        let (mut text, mut loss, mut best, mut positives, mut learned) = (Vec::new(), 0.0, 0.0, 0.0, 0);
        while !stream.is_done() {
            text.clear();
            best += stream.fill(&mut text, 1 << 20).loss;
            let all: Vec<&[u8]> = records(&text).collect();
            for portion in all.chunks(256) {
                learner.learn(encoder.encode(portion, learned)).unwrap();
                learned += portion.len() as u64;
                let scored = learner.next_scored().unwrap().unwrap();
                loss += scored.logit.iter().zip(&scored.batch.label).map(|(&z, &y)| log_loss(z, y)).sum::<f64>();
                positives += scored.batch.label.iter().map(|&y| f64::from(y)).sum::<f64>();
                learner.recycle(scored);
            }
        }
        let n = rows as f64;
        let p = positives / n;
        Self { loss: loss / n, best: best / n, base_loss: -p * p.ln() - (1.0 - p) * (1.0 - p).ln(), base_rate: p }
    }
}

fn open(numeric: usize, learning_rate: f32) -> impl Learner {
    let (optimizer, penalty) = (Optimizer::AdaGrad { learning_rate }, Penalty::NONE);
    let model = Model::new(Shape { numeric, hash_bits: 18 }, optimizer, penalty);
    let update = Update::Record;
    cpu::open(model, Settings { update, optimizer, penalty, batch: 256, hash_bits: 18, frozen: false })
}

fn log_loss(logit: f32, label: f32) -> f64 {
    let z = f64::from(logit) * f64::from(1.0 - 2.0 * label);
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

fn number(field: &[u8]) -> f32 {
    std::str::from_utf8(field).unwrap().parse().unwrap()
}

/// Where the columns stand in a record.
struct Table {
    numeric: Vec<usize>,
    categorical: Vec<usize>,
}

impl Table {
    fn of(generator: Generator) -> Self {
        let columns = generator.columns();
        let header: Vec<&str> = columns.header.trim_end().split(',').collect();
        let places = |names: &[&str]| {
            names.iter().map(|name| header.iter().position(|column| column == name).unwrap()).collect()
        };
        assert_eq!(header.last(), Some(&columns.label));
        Self { numeric: places(columns.numeric), categorical: places(columns.categorical) }
    }
}

/// Mean and spread of the numbers so far (Welford 1962).
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn standardise(&mut self, x: f64) -> f32 {
        self.count += 1.0;
        let delta = x - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (x - self.mean);
        let deviation = (self.squares / self.count).sqrt();
        if deviation > 0.0 { ((x - self.mean) / deviation) as f32 } else { 0.0 }
    }
}

struct Encoder<'a> {
    table: &'a Table,
    moments: Vec<Moments>,
}

impl Encoder<'_> {
    fn encode(&mut self, portion: &[&[u8]], before: u64) -> MicroBatch {
        let mut batch = MicroBatch::default();
        batch.clear();
        for record in portion {
            let fields = fields(record);
            self.encode_numbers(&fields, &mut batch);
            for &at in &self.table.categorical {
                let hash = fnv(fields[at]).wrapping_mul(2 * at as u64 + 0x9E37_79B9);
                batch.hash.push((hash >> 32) as u32);
                batch.value.push(1.0);
            }
            batch.row_start.push(batch.hash.len() as u32);
            batch.label.push(if record.ends_with(b"1") { 1.0 } else { 0.0 });
            batch.weight.push(1.0);
            batch.rows += 1;
            batch.record.push(before + batch.rows as u64);
        }
        batch
    }

    fn encode_numbers(&mut self, fields: &[&[u8]], batch: &mut MicroBatch) {
        let end = (batch.rows + 1) * stride(self.table.numeric.len());
        for (&at, moments) in self.table.numeric.iter().zip(&mut self.moments) {
            batch.dense.push(moments.standardise(f64::from(number(fields[at]))));
        }
        batch.dense.resize(end, 0.0);
    }
}
