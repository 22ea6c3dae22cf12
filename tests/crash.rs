//! Resume equals never having stopped: a run is killed (SIGKILL) at random moments, goes on at other thread counts, is
//! killed again, and must end with the bytes of a run that was left alone.
//!
//! `TIDEMILL_KILLS=200 cargo test --release --test crash -- --nocapture` kills as often in every job.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![allow(clippy::print_stdout, reason = "by hand, one wants to see what the kills have met")]
#![cfg(unix)]

mod outcome;
mod program;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use outcome::{assert_same_as, left_by, outputs};
use program::{Folder, map_records, stream};
use tidemill::source::synthetic::Generator;

/// Records of a stream: a run of them lasts some tenths of a second.
const RECORDS: u64 = 150_000;
/// Ids, and a record that cannot be used now and then.
const ROLES: &str = "--label click --id number --max-rejected 5% --names";

/// Kills of each job, unless TIDEMILL_KILLS says otherwise: more than 20 in all.
const KILLS: usize = 4;

/// What the kills have met.
#[derive(Debug, Default)]
struct Met {
    kills: usize,
    /// Before the run had its first checkpoint.
    before_any: usize,
    /// Half a checkpoint had been written.
    in_checkpoint: usize,
    /// A run that was to go on and had not got further than the one before.
    in_resume: usize,
}

/// Steps of a random walk through moments; the moments themselves are the machine's.
struct Dice(u64);

impl Dice {
    /// Between 0 and 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }
}

fn clicks(folder: &Folder) -> String {
    let text = map_records(&stream(Generator::Clicks, RECORDS), |at, fields| match at % 97 {
        0 => format!("{},too,many,n{at}", fields.join(",")),
        _ => format!("{},n{at}", fields.join(",")),
    });
    let text = text.replacen("click\n", "click,number\n", 1);
    folder.file("clicks.csv", &text);
    text
}

fn start(folder: &Folder, line: &str) -> Child {
    folder.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the moment of a kill is a time")]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// Starts a run and kills it: anywhere, at once (while it opens what it goes on from), or a little behind a checkpoint,
/// when the next one may be half written. Whether there was still something to kill.
fn is_killed(folder: &Folder, line: &str, whole: Duration, dice: &mut Dice) -> bool {
    let before = newest(folder);
    let mut child = start(folder, line);
    match (dice.roll() * 4.0) as usize {
        0 => sleep(whole.mul_f64(dice.roll() * 0.1)),
        1 => sleep(whole.mul_f64(dice.roll())),
        _ => {
            while newest(folder) == before && child.try_wait().unwrap().is_none() {
                sleep(Duration::from_micros(500));
            }
            sleep(Duration::from_millis(20).mul_f64(dice.roll()));
        }
    }
    child.kill().unwrap();
    child.wait().unwrap().signal() == Some(9)
}

fn newest(folder: &Folder) -> Option<String> {
    let names = std::fs::read_dir(folder.path("kept")).ok()?.map(|entry| entry.unwrap().file_name().into_string());
    names.map(Result::unwrap).filter(|name| name.starts_with("checkpoint-")).max()
}

fn is_half_written(folder: &Folder) -> bool {
    let Ok(entries) = std::fs::read_dir(folder.path("kept")) else { return false };
    entries.into_iter().any(|entry| entry.unwrap().file_name().into_string().unwrap().ends_with(".part"))
}

/// One job, killed again and again; each time it comes to its end it must have left what it leaves undisturbed.
fn crash(job: &str, inputs: &str, prepare: impl Fn(&Folder, &str)) {
    let kills = std::env::var("TIDEMILL_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let folder = Folder::new();
    prepare(&folder, &clicks(&folder));
    let begun = Instant::now();
    folder.run(&format!("train {inputs} {ROLES} {job} {}", outputs("whole"))).fine();
    let (expected, whole) = (left_by(&folder, "whole"), begun.elapsed());

    let mut dice = Dice(kills as u64 + job.len() as u64);
    let mut met = Met::default();
    while met.kills < kills {
        run_with_kills(&folder, &format!("train {inputs} {ROLES} {job}"), &expected, whole, &mut dice, &mut met, kills);
    }
    println!("{job} {inputs}: {met:?}, {whole:?} undisturbed");
}

fn run_with_kills(
    folder: &Folder,
    job: &str,
    expected: &BTreeMap<&'static str, Vec<u8>>,
    whole: Duration,
    dice: &mut Dice,
    met: &mut Met,
    kills: usize,
) {
    let _ = std::fs::remove_dir_all(folder.path("kept"));
    let every = ["1", "9000", "20ms"][(dice.roll() * 3.0) as usize];
    for attempt in 0_usize.. {
        let threads = [2, 1, 3, 5][attempt % 4];
        let line = format!(
            "{job} --threads {threads} --checkpoint kept --checkpoint-every {every} --keep 2 --resume {}",
            outputs("killed")
        );
        let before = newest(folder);
        if met.kills == kills || !is_killed(folder, &line, whole, dice) {
            folder.run(&line).fine(); // to its end, or once more behind it: nothing may change
            return assert_same_as(expected, folder, "killed");
        }
        met.kills += 1;
        met.before_any += usize::from(newest(folder).is_none());
        met.in_checkpoint += usize::from(is_half_written(folder));
        met.in_resume += usize::from(before.is_some() && before == newest(folder));
    }
}

fn has_gpu() -> bool {
    let found = !tidemill::learner::device::list().is_empty();
    assert!(found || std::env::var_os("TIDEMILL_REQUIRE_GPU").is_none(), "there is no GPU, not even a software one");
    if !found {
        println!("skipped: no GPU");
    }
    found
}

fn plain(_: &Folder, _: &str) {}

fn compressed(folder: &Folder, text: &str) {
    let (half, rest) = text.split_at(text.len() / 2);
    let cut = half.len() + rest.find('\n').unwrap() + 1;
    let header = text.split_inclusive('\n').next().unwrap();
    let file = |name| std::fs::File::create(folder.path(name)).unwrap();
    zstd::stream::copy_encode(&text.as_bytes()[..cut], file("one.csv.zst"), 0).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file("two.csv.gz"), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, format!("{header}{}", &text[cut..]).as_bytes()).unwrap();
    packed.finish().unwrap();
}

#[test]
fn sgd_goes_on_as_if_it_had_never_been_killed() {
    crash("--device cpu --optimizer sgd --power-t 0.3 --l2 1e-5", "clicks.csv", plain);
}

#[test]
fn adagrad_goes_on_as_if_it_had_never_been_killed() {
    crash("--device cpu --hash-bits 20", "clicks.csv", plain);
}

#[test]
fn ftrl_goes_on_in_compressed_inputs_as_if_it_had_never_been_killed() {
    crash("--device cpu --optimizer ftrl --l1 0.01 --batch 1000", "one.csv.zst two.csv.gz", compressed);
}

#[test]
fn one_step_a_micro_batch_goes_on_as_if_it_had_never_been_killed() {
    crash("--device cpu --update batch --batch 777 --l2 1e-4", "clicks.csv", plain);
}

#[test]
fn transforms_that_remember_go_on_as_if_they_had_never_been_killed() {
    let job = "[[transform]]\ndeduplicate = { key = ['user', 'ad'], within = '1h', most = 500 }\n\
               [[transform]]\nsample = { negatives = 0.5 }\n[[transform]]\nscale = { price = 'min-max' }\n\
               [[transform]]\nimpute = { price = 'mean', site = 'most-frequent' }\n\
               [[feature]]\nkind = 'quantiles'\ncolumns = ['price']\nkeep = true\n";
    let prepare = |folder: &Folder, text: &str| {
        folder.file("job.toml", job);
        folder.file("gaps.csv", text.replace(",s1,", ",,"));
    };
    crash("--device cpu --time time", "job.toml gaps.csv", prepare);
}

/// Lines out of order by up to seven places.
fn out_of_order(text: &str) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    lines[1..].chunks_mut(8).for_each(<[_]>::reverse);
    lines.join("\n") + "\n"
}

#[test]
fn labels_that_come_late_and_windows_go_on_as_if_they_had_never_been_killed() {
    let job = "[[feature]]\nkind = 'window'\nkey = ['user']\nover = ['10m', '1h']\nmake = ['count', 'rate']\n\
               [[feature]]\nkind = 'window'\nkey = ['site']\nover = ['10m']\ncolumn = 'price'\n\
               make = ['mean', 'distinct']\n[event-time]\nout-of-order = '1m'\nlabel-delay = '10m'\nopen-memory = '200K'\n\
               [drift]\ndrift = ['page-hinkley']\n";
    let prepare = |folder: &Folder, text: &str| {
        folder.file("job.toml", job);
        folder.file("mixed.csv", out_of_order(text));
    };
    crash(
        "--device cpu --time time --prior 0.1 --segment site --metrics-every 10m --metrics told.csv",
        "job.toml mixed.csv",
        prepare,
    );
}

#[test]
fn impressions_and_outcomes_go_on_as_if_they_had_never_been_killed() {
    let prepare = |folder: &Folder, text: &str| {
        let mut lines = Vec::new();
        let mut late = std::collections::VecDeque::new();
        for (at, line) in text.lines().enumerate() {
            let Some((shown, label, id)) = parts(line).filter(|_| at > 0) else {
                lines.push(line.to_owned());
                continue;
            };
            lines.push(format!("{shown},,{id}"));
            late.push_back((at + 40 * (at % 7), label, id, line.split(',').next().unwrap()));
            // An outcome comes some way behind, at the time that it is then; every third never does.
            while late.front().is_some_and(|(due, ..)| *due <= at) {
                if let Some((_, outcome, id, _)) = late.pop_front().filter(|(due, ..)| due % 3 != 0) {
                    lines.push(format!("{}{},{outcome},{id}", line.split(',').next().unwrap(), ",".repeat(7)));
                }
            }
        }
        folder.file("joined.csv", lines.join("\n") + "\n");
    };
    let job = "--device cpu --time time --join-timeout 2m --corrections 10m --open-memory 1M --metrics-every 10m --metrics told.csv";
    crash(job, "joined.csv", prepare);
}

/// What a record of clicks shows, its label and its id; of a broken one nothing.
fn parts(line: &str) -> Option<(String, &str, &str)> {
    let fields: Vec<_> = line.split(',').collect();
    (fields.len() == 10).then(|| (fields[..8].join(","), fields[8], fields[9]))
}

#[test]
fn a_gpu_goes_on_as_if_it_had_never_been_killed() {
    if has_gpu() {
        for optimizer in ["adagrad", "ftrl", "sgd"] {
            crash(&format!("--device gpu --update batch --optimizer {optimizer}"), "clicks.csv", plain);
        }
    }
}
