//! Streams that end before their time: what came before counts, and nobody waits for what does not come.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as it should be")]

mod program;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use program::Folder;

/// Long enough for a machine that is busy with other tests, short of for ever.
const PATIENCE: Duration = Duration::from_secs(60);

fn table(rows: usize) -> String {
    let row = |i: usize| format!("{},{},c{}\n", i % 2, i % 17, i % 5);
    "y,x,c\n".chars().chain((0..rows).flat_map(|i| row(i).chars().collect::<Vec<_>>())).collect()
}

/// What `wait` gives, in a thread of its own so that a hang is a failure.
fn in_time<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::sync_channel(1);
    std::thread::Builder::new().spawn(move || done.send(wait())).unwrap();
    outcome.recv_timeout(PATIENCE).expect("the program still waits")
}

#[test]
fn everything_before_a_truncated_end_is_learned_and_written() {
    let folder = Folder::new();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(table(60_000).as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    let cut = &whole[..whole.len() * 3 / 4];
    folder.file("cut.csv.gz", cut);
    let mut readable = Vec::new();
    let _ = flate2::read::GzDecoder::new(cut).read_to_end(&mut readable);
    let lines = readable.iter().filter(|&&byte| byte == b'\n').count() - 1;

    let ended = folder.run("train cut.csv.gz --label y --predictions p.csv --model m --summary s.json");
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("cut short"), "{}", ended.stderr);
    assert_eq!(folder.json("s.json")["records"], lines);
    assert_eq!(folder.text("p.csv").lines().count() - 1, lines);
    assert!(folder.has("m"));
}

#[test]
fn an_input_that_breaks_off_weighs_more_than_its_rejected_records() {
    let folder = Folder::new();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all((table(200) + &"1,2\n".repeat(400)).as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    folder.file("cut.csv.gz", &whole[..whole.len() - 4]);
    let ended = folder.run("train cut.csv.gz --label y");
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("cut short") && ended.stderr.contains("400 rejected"), "{}", ended.stderr);
}

#[test]
fn a_second_input_that_is_not_there_is_found_before_the_first_is_read() {
    let folder = Folder::new();
    folder.file("a.csv", table(100));
    let ended = folder.run("train a.csv b.csv --label y --predictions p.csv");
    assert_eq!((ended.code, folder.has("p.csv")), (Some(2), false));
    assert!(ended.stderr.contains("b.csv"), "{}", ended.stderr);
}

#[test]
fn an_error_does_not_wait_for_a_pipe_that_says_nothing_more() {
    let folder = Folder::new();
    let mut command = folder.command("train - --label y");
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(table(60_000).as_bytes()).unwrap();
    pipe.write_all(b"-1,2,b\n").unwrap();
    pipe.flush().unwrap();
    let output = in_time(move || child.wait_with_output().unwrap());
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("two ways"));
    drop(pipe); // open until here
}

#[test]
fn predictions_leave_while_the_pipe_is_still_open() {
    let folder = Folder::new();
    folder.file("a.csv", table(2000));
    assert_eq!(folder.run("train a.csv --label y --model m --quiet").code, Some(0));
    let mut command = folder.command("predict --model m - --quiet");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(table(10).as_bytes()).unwrap();
    pipe.flush().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let eleventh = in_time(move || lines.nth(10).unwrap().unwrap());
    assert!(eleventh.starts_with("10,"), "{eleventh}");
    drop(pipe);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
