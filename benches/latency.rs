//! How long a record waits for its prediction: the program as a child, a pipe in and a pipe out, `train -` with
//! `--max-delay 1ms` on the CPU.
//!
//! First records go in as fast as they are taken; then at half that rate, and at fixed ones, in the bursts that a clock of
//! some 200 microseconds gives. A record's time runs from the moment at which it was due to be sent, so that one that
//! could not be sent in time has waited, to the one at which its prediction was read. What feeds and what reads share the
//! cores with the program, and whatever else runs on the machine does, too: the same through `cat`, which only passes on
//! what it gets, says what of the times is the machine's. A machine that stands still once for 200 ms, as virtual ones do, shows
//! in the p99 of five seconds: the p99 of the median second stands beside it.
//!
//! ```text
//! cargo bench --bench latency
//! TIDEMILL_BENCH_DELAY=10ms cargo bench --bench latency    # another --max-delay
//! TIDEMILL_BENCH_SECONDS=30 cargo bench --bench latency    # longer at each rate, 5 otherwise
//! ```
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench prints its table, stops at what it cannot measure, and keeps a pace"
)]

mod measure;
mod streams;

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use measure::{is_measuring, print_machine, sized};
use streams::Stream;

/// Records before the clock is looked at: the columns are inferred from them.
const FIRST: usize = 2000;
/// Time between two bursts.
const BURST: Duration = Duration::from_micros(200);
/// Bytes of a write at full speed.
const PIECE: usize = 64 * 1024;

fn main() {
    print_machine("latency");
    println!(
        "--max-delay {}; times in milliseconds, from when a record was due to when its prediction was read",
        delay()
    );
    for (stream, format) in [(Stream::numeric(28, sized(1_000_000)), "csv"), (Stream::criteo(sized(600_000)), "tsv")] {
        let lines = Lines::of(&stream.text);
        let label = stream.schema.columns[0].name.clone();
        let most = at_full_speed(&lines, format, &label);
        println!("\n{}: {:.0} records/s at full speed", stream.name, most);
        println!(
            "  {:8}  {:>10}  {:>10}  {:>8}  {:>13}  {:>8}  {:>8}  {:>8}",
            "through", "asked for", "records/s", "p50", "p99 by second", "p99", "p99.9", "max"
        );
        for rate in [most / 2.0, 50_000.0, 1000.0] {
            at_rate("tidemill", &lines, start(format, &label), rate);
            at_rate("cat", &lines, start_cat(), rate);
        }
    }
}

fn delay() -> String {
    std::env::var("TIDEMILL_BENCH_DELAY").unwrap_or_else(|_| "1ms".into())
}

/// A text with the ends of its lines; the first is the header.
struct Lines<'a> {
    text: &'a [u8],
    ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a [u8]) -> Self {
        Self { text, ends: memchr::memchr_iter(b'\n', text).map(|at| at + 1).collect() }
    }

    fn records(&self) -> usize {
        self.ends.len() - 1
    }

    /// Header and records up to one, by its number from 1.
    fn up_to(&self, record: usize) -> &'a [u8] {
        &self.text[..self.ends[record]]
    }

    /// Records behind one number up to another, which may be beyond the end: then they come again.
    fn between(&self, from: usize, to: usize, into: &mut Vec<u8>) {
        into.clear();
        for number in from..to {
            let at = number % self.records();
            into.extend_from_slice(&self.text[self.ends[at]..self.ends[at + 1]]);
        }
    }
}

/// The program under way.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Predictions that have been read.
    seen: Arc<AtomicUsize>,
    /// How many had been read, and when, read by read.
    reading: JoinHandle<Vec<(usize, Instant)>>,
}

fn start(format: &str, label: &str) -> Running {
    let delay = delay();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    let arguments = ["train", "-", "--quiet", "--device", "cpu", "--predictions", "-", "--max-delay", &delay];
    command.args(arguments).args(["--format", format, "--label", label]);
    under_way(command)
}

/// A program that passes on what it gets.
fn start_cat() -> Running {
    under_way(Command::new("cat"))
}

fn under_way(mut command: Command) -> Running {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
    let seen = Arc::new(AtomicUsize::new(0));
    let (stdin, stdout, count) = (child.stdin.take(), child.stdout.take().expect("a pipe"), seen.clone());
    Running { child, stdin, seen, reading: thread::spawn(move || read_all(stdout, &count)) }
}

/// Counts the rows that come, without the names of their columns.
fn read_all(mut stdout: ChildStdout, seen: &AtomicUsize) -> Vec<(usize, Instant)> {
    let (mut buffer, mut times, mut lines) = (vec![0; PIECE], Vec::new(), 0);
    while let Ok(read @ 1..) = stdout.read(&mut buffer) {
        let now = Instant::now();
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count();
        times.push((lines.saturating_sub(1), now));
        seen.store(lines.saturating_sub(1), Ordering::Relaxed);
    }
    times
}

impl Running {
    fn send(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().expect("an open pipe").write_all(bytes).expect("the program takes it");
    }

    fn wait_for(&self, records: usize) {
        while self.seen.load(Ordering::Relaxed) < records {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Closes the pipe; gives when each prediction was read.
    fn end(mut self) -> Vec<(usize, Instant)> {
        drop(self.stdin.take());
        let times = self.reading.join().expect("the reading thread");
        assert!(self.child.wait().expect("the program ends").success(), "the program failed");
        times
    }
}

/// Records a second, once the program is under way.
fn at_full_speed(lines: &Lines<'_>, format: &str, label: &str) -> f64 {
    let first = FIRST.min(lines.records() / 2);
    let mut run = start(format, label);
    run.send(lines.up_to(first));
    run.wait_for(first);
    let started = Instant::now();
    let rest = &lines.text[lines.ends[first]..];
    rest.chunks(PIECE).for_each(|piece| run.send(piece));
    let times = run.end();
    let (seen, last) = *times.last().expect("predictions");
    (seen - first) as f64 / (last - started).as_secs_f64()
}

/// Sends records at a rate, and prints how long they waited.
fn at_rate(program: &str, lines: &Lines<'_>, mut run: Running, rate: f64) {
    let seconds = std::env::var("TIDEMILL_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5.0);
    let seconds = if is_measuring() { seconds } else { 0.2 };
    let first = FIRST.min(lines.records() / 2);
    run.send(lines.up_to(first));
    run.wait_for(first);
    let (started, mut sent, mut buffer) = (Instant::now(), 0, Vec::new());
    let all = (rate * seconds) as usize;
    while sent < all {
        thread::sleep(BURST);
        let due = ((started.elapsed().as_secs_f64() * rate) as usize).min(all);
        lines.between(first + sent, first + due, &mut buffer);
        run.send(&buffer);
        sent = due;
    }
    let took = started.elapsed();
    let times = run.end();
    let mut waited = waits(&times, first, all, |number| started + Duration::from_secs_f64(number as f64 / rate));
    let mut by_second: Vec<_> =
        waited.chunks_mut((rate as usize).max(1)).map(|second| quantile(second, 0.99)).collect();
    let p99 = quantile(&mut by_second, 0.5).as_secs_f64() * 1e3;
    let mut at = |share: f64| quantile(&mut waited, share).as_secs_f64() * 1e3;
    println!(
        "  {program:8}  {rate:>10.0}  {:>10.0}  {:>8.3}  {p99:>13.3}  {:>8.3}  {:>8.3}  {:>8.3}",
        all as f64 / took.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

/// The duration that this share of them do not exceed, by nearest rank.
fn quantile(durations: &mut [Duration], share: f64) -> Duration {
    durations.sort_unstable();
    durations[((durations.len() - 1) as f64 * share) as usize]
}

/// How long each of `all` records behind the `first` waited; `due` is when each was to be sent.
fn waits(times: &[(usize, Instant)], first: usize, all: usize, due: impl Fn(usize) -> Instant) -> Vec<Duration> {
    let mut reads = times.iter().peekable();
    let wait = |number: usize| {
        while reads.next_if(|(seen, _)| *seen < first + number).is_some() {}
        reads.peek().map(|(_, read)| read.saturating_duration_since(due(number)))
    };
    (1..=all).map_while(wait).collect()
}
