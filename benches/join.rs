//! The join with ten million open impressions: what it holds in memory and on the disk, and how fast it opens, matches and
//! times out.
//!
//! One pass, not rounds: filling the store is most of the work, and what is asked first is whether memory stays at its bound.
//!
//! ```text
//! cargo bench --bench join
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench prints its table, and stops at what it cannot measure"
)]

mod measure;

use measure::{print_machine, sized, timed};
use tidemill::examples::MicroBatch;
use tidemill::join::{AtTimeout, Join, Keyed, Settings};

const NUMBERS: usize = 28;
const WIDTH: usize = tidemill::examples::stride(NUMBERS);
const FEATURES: usize = 4;
const ROWS: usize = 1024;
/// An hour between a record and its timeout, a microsecond between two records.
const TIMEOUT: i64 = 3_600_000_000;

fn main() {
    print_machine("join");
    let count = sized(10_000_000) as u64;
    // A hundredth of the keys gets a hundredth of the memory.
    let memory = sized(1 << 30) as u64;
    let settings = Settings { timeout: TIMEOUT, at_timeout: AtTimeout::Negative, corrections: None, memory };
    println!("{count} keys, {NUMBERS} numbers and {FEATURES} hashed features a row, memory = {} MiB", memory >> 20);
    let (batch, mut join) = (batch(), Join::new(settings));
    let before = resident("VmRSS");
    println!("resident before: {} MiB", before >> 10);
    let ((), time) = timed(|| open(&mut join, &batch, count));
    line("opened", count, time, &join);
    let ((), time) = timed(|| match_half(&mut join, count));
    line("matched, in random order", count / 2, time, &join);
    let mut ended = 0_u64;
    let (outcome, time) = timed(|| {
        join.advance(i64::MAX - 1, &mut |_| {
            ended += 1;
            Ok(())
        })
    });
    outcome.expect("a disk that can be read");
    line("timed out", ended, time, &join);
    assert_eq!((join.counts().matched, join.counts().timed_out), (count / 2, count - count / 2));
    assert_eq!(join.counts().evicted, 0);
    println!("most resident: {} MiB, of which {} MiB before", resident("VmHWM") >> 10, before >> 10);
}

fn open(join: &mut Join, batch: &MicroBatch, count: u64) {
    for at in 0..count {
        let of = Keyed { key: key(at), time: at as i64, record: at + 1 };
        join.impression(of, (batch, at as usize % ROWS), &[], 0, &mut |_| Ok(())).expect("room on the disk");
    }
}

/// Every number below `count` times an odd number, modulo a power of two, is another one: half of them are taken.
fn match_half(join: &mut Join, count: u64) {
    let all = count.next_power_of_two();
    let numbers = (0..all).map(|at| at.wrapping_mul(0x9e37_79b1) & (all - 1)).filter(|&at| at < count);
    for at in numbers.take(count as usize / 2) {
        let of = Keyed { key: key(at), time: at as i64, record: at };
        join.outcome(of, 1.0, 0, &mut |_| Ok(())).expect("a disk that can be read");
    }
}

/// Different for every number, and spread as hashes are.
fn key(at: u64) -> u64 {
    let mixed = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

fn batch() -> MicroBatch {
    let dense = (0..ROWS * WIDTH).map(|at| if at % WIDTH < NUMBERS { (at % 97) as f32 + 0.5 } else { 0.0 });
    MicroBatch {
        rows: ROWS,
        dense: dense.collect(),
        row_start: (0..=ROWS as u32).map(|row| row * FEATURES as u32).collect(),
        hash: (0..(ROWS * FEATURES) as u32).collect(),
        value: vec![1.0; ROWS * FEATURES],
        label: vec![f32::NAN; ROWS],
        weight: vec![1.0; ROWS],
        record: vec![1; ROWS],
        time: vec![0; ROWS],
        ..MicroBatch::default()
    }
}

fn line(what: &str, count: u64, time: std::time::Duration, join: &Join) {
    let (rate, each) = (count as f64 / time.as_secs_f64() / 1e6, time.as_secs_f64() * 1e9 / count as f64);
    let (resident, disk) = (resident("VmRSS") >> 10, join.spilled_bytes() >> 20);
    let known = join.bytes() >> 20;
    println!(
        "{what:25} {rate:7.2} M/s {each:7.0} ns each, resident {resident} MiB ({known} MiB known of), disk {disk} MiB"
    );
}

/// Kilobytes of memory that the process has, as the system counts them; 0 where it does not say.
fn resident(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
