//! What the benches share: rounds, medians, ratios and the table they print.
//!
//! The contestants of a [`Contest`] run one after the other in every round, forwards in one and backwards in the next,
//! after a warm-up that does not count. Rates are medians over the rounds with the lowest and the highest; a ratio is
//! taken within each round, between two laps seconds apart, because machines drift by more than most differences.
//! `cargo bench` measures; any other way to start a bench is a trial: one round on a hundredth of the input.
#![allow(dead_code, reason = "every bench takes its part")]

use std::time::{Duration, Instant};

use tidemill::learner::{cpu, device};

/// Rounds that count.
const ROUNDS: usize = 5;

/// What a contestant did in one round.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lap {
    /// Records handled.
    pub records: u64,
    /// Bytes of text read; 0 where there was no text.
    pub bytes: u64,
    /// Numbers or features handled.
    pub values: u64,
    /// Time for it.
    pub time: Duration,
}

impl Lap {
    fn records_per_s(&self) -> f64 {
        self.records as f64 / self.time.as_secs_f64()
    }
}

/// Whether this is more than a trial of whether the bench still runs.
pub fn is_measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// `count`, or a hundredth of it in a trial.
pub fn sized(count: usize) -> usize {
    if is_measuring() { count } else { (count / 100).max(1) }
}

/// Runs `work` once and gives its result with the time it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// Contestants over the same input, in the order of the table.
pub struct Contest<'a> {
    title: String,
    contestants: Vec<(String, Box<dyn FnMut() -> Lap + 'a>)>,
}

impl<'a> Contest<'a> {
    /// A contest without contestants.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), contestants: Vec::new() }
    }

    /// Adds a contestant; it keeps its own time, so that what it prepares is not counted.
    pub fn add(&mut self, what: impl Into<String>, run: impl FnMut() -> Lap + 'a) {
        self.contestants.push((what.into(), Box::new(run)));
    }

    /// Runs every round and prints the table.
    pub fn run(mut self) -> Results {
        let rounds = if is_measuring() { 1 + ROUNDS } else { 1 };
        let mut laps = vec![Vec::new(); self.contestants.len()];
        for round in 0..rounds {
            for turn in 0..laps.len() {
                let at = if round % 2 == 0 { turn } else { laps.len() - 1 - turn };
                let lap = (self.contestants[at].1)();
                if round > 0 || rounds == 1 {
                    laps[at].push(lap);
                }
            }
        }
        let names = self.contestants.into_iter().map(|(name, _)| name).collect();
        let results = Results { names, laps };
        results.print(&self.title);
        results
    }
}

/// What the contestants did in each round.
pub struct Results {
    names: Vec<String>,
    laps: Vec<Vec<Lap>>,
}

impl Results {
    /// Prints how many times as many records a second `first` handled as `second`, from pairs within the rounds.
    /// `target` is the least that is hoped for.
    pub fn ratio(&self, first: &str, second: &str, target: Option<f64>) {
        let place = |name| self.names.iter().position(|known| known == name).expect("a contestant of this contest");
        let (first_laps, second_laps) = (&self.laps[place(first)], &self.laps[place(second)]);
        let pairs = first_laps.iter().zip(second_laps).map(|(a, b)| a.records_per_s() / b.records_per_s());
        let Spread { low, median, high } = Spread::of(pairs.collect());
        let verdict = target.filter(|_| is_measuring()).map_or(String::new(), |target| {
            format!(", target {target:.2}: {}", if median >= target { "reached" } else { "missed" })
        });
        println!("  {first} : {second} = {median:.3} ({low:.3} - {high:.3}){verdict}");
    }

    fn print(&self, title: &str) {
        let (has_bytes, has_values) = (self.any(|lap| lap.bytes > 0), self.any(|lap| lap.values > 0));
        let mut head = ["what", "records/s", "lowest - highest", "ns/record"].map(String::from).to_vec();
        head.extend(has_bytes.then(|| "bytes/s".into()));
        head.extend(has_values.then(|| "ns/value".into()));
        let mut lines = vec![head];
        for (name, laps) in self.names.iter().zip(&self.laps) {
            let Spread { low, median, high } = Spread::of(laps.iter().map(Lap::records_per_s).collect());
            let lap = laps.last().copied().unwrap_or_default();
            let each = |count: u64| count as f64 / lap.records.max(1) as f64;
            let per_value = |values: u64, rate: f64| match values {
                0 => "-".into(),
                _ => format!("{:.3}", 1e9 / rate / each(values)),
            };
            let range = format!("{} - {}", short(low), short(high));
            let mut line = vec![name.clone(), short(median), range, format!("{:.1}", 1e9 / median)];
            line.extend(has_bytes.then(|| if lap.bytes == 0 { "-".into() } else { short(median * each(lap.bytes)) }));
            line.extend(has_values.then(|| per_value(lap.values, median)));
            lines.push(line);
        }
        println!("\n{title}");
        print_aligned(&lines);
    }

    fn any(&self, has: impl Fn(&Lap) -> bool) -> bool {
        self.laps.iter().flatten().any(has)
    }
}

/// Prints lines of equally many fields, the first to the left, the others to the right.
fn print_aligned(lines: &[Vec<String>]) {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in lines {
        print!("  {:1$}", line[0], widths[0]);
        for (field, width) in line.iter().zip(&widths).skip(1) {
            print!("  {field:>width$}");
        }
        println!();
    }
}

/// Median and range over the rounds.
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let last = values.len().saturating_sub(1);
        let median = (values[last / 2] + values[last.div_ceil(2)]) / 2.0;
        Self { low: values[0], median, high: values[last] }
    }
}

/// Three or four digits and a unit.
fn short(value: f64) -> String {
    match value {
        1e9.. => format!("{:.3} G", value / 1e9),
        1e6.. => format!("{:.2} M", value / 1e6),
        1e3.. => format!("{:.1} k", value / 1e3),
        _ => format!("{value:.0}  "),
    }
}

/// Prints what was measured on: cores, instructions, adapters.
pub fn print_machine(bench: &str) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let instructions = cpu::instructions().unwrap_or("one version for all");
    let adapters: Vec<_> = device::list().iter().map(|a| format!("{} ({}, {})", a.name, a.backend, a.kind)).collect();
    let adapters = if adapters.is_empty() { "none".into() } else { adapters.join("; ") };
    let architecture = std::env::consts::ARCH;
    println!("{bench}: {cores} cores, {architecture}, instructions used: {instructions}, adapters: {adapters}");
    if is_measuring() {
        println!("median of {ROUNDS} rounds after a warm-up; ratios from pairs within a round");
    } else {
        println!("a trial run on a hundredth of the input: the times mean nothing (cargo bench measures)");
    }
}
