//! Input that keeps coming: predictions that leave in time, files that grow and are rotated, connections.
//!
//! No test asserts how long anything takes: each waits for what must come, and fails where it never does.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![cfg(unix)]

mod program;
mod running;

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use program::{Folder, column};
use running::{start, until};

const HEADER: &str = "n,y,x,k\n";
const COLUMNS: &str = "--label y --id n --device cpu";

fn row(n: usize) -> String {
    format!("{n},{},{}.5,k{}\n", u8::from(n.is_multiple_of(3)), n % 7, n % 5)
}

fn rows(range: std::ops::Range<usize>) -> String {
    range.map(row).collect()
}

fn append(folder: &Folder, name: &str, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(folder.path(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn lines(folder: &Folder, name: &str) -> usize {
    std::fs::read_to_string(folder.path(name)).map_or(0, |text| text.lines().count())
}

/// The predictions of a run on a file that stands still.
fn of_file(folder: &Folder, text: &str, options: &str) -> Vec<u8> {
    folder.file("whole.csv", text);
    folder.run(&format!("train whole.csv {COLUMNS} {options} --predictions whole.out.csv --quiet")).fine();
    folder.bytes("whole.out.csv")
}

#[test]
fn a_prediction_leaves_while_its_micro_batch_is_not_full_and_the_pipe_is_open() {
    let folder = Folder::new();
    let mut run = start(&folder, &format!("train - {COLUMNS} --max-delay 1ms --predictions -"));
    run.send(&(HEADER.to_owned() + &rows(0..3)));
    run.has_printed(1 + 3);
    run.send(&rows(3..4));
    run.has_printed(1 + 4);
    run.send("4,1,");
    run.send("2,k\n5,0,1,k");
    run.has_printed(1 + 5);
    let out = run.end();
    assert_eq!(column(&out.join("\n"), "n"), ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn where_all_columns_are_named_nothing_is_waited_for() {
    let folder = Folder::new();
    let line = format!("train - {COLUMNS} --numeric x --categorical k --max-delay 1ms --predictions -");
    let mut run = start(&folder, &line);
    run.send(HEADER);
    run.has_printed(1); // the names of the columns of the output: the run is under way, without a record
    run.send(&row(0));
    run.has_printed(2);
    run.end();
}

#[test]
fn micro_batches_that_are_full_in_time_are_those_of_a_file() {
    let folder = Folder::new();
    let text = HEADER.to_owned() + &rows(0..2000);
    let whole = of_file(&folder, &text, "--batch 64");
    for device in ["", "--threads 1"] {
        let line = format!("train - {COLUMNS} --batch 64 --max-delay 1h --predictions - {device}");
        let mut run = start(&folder, &line);
        for piece in text.as_bytes().chunks(3001) {
            run.send(std::str::from_utf8(piece).unwrap());
        }
        let out = run.end().join("\n") + "\n";
        assert!(out.as_bytes() == whole, "{line}");
    }
}

#[test]
fn a_run_in_time_goes_on_from_its_checkpoint() {
    let folder = Folder::new();
    let line = format!("train - {COLUMNS} --max-delay 1ms --checkpoint kept --predictions p.csv");
    let mut run = start(&folder, &line);
    run.send(&(HEADER.to_owned() + &rows(0..10)));
    until("10 predictions", || lines(&folder, "p.csv") == 11);
    run.stop();
    let mut run = start(&folder, &(line + " --resume"));
    run.send(&(HEADER.to_owned() + &rows(0..20)));
    until("20 predictions", || lines(&folder, "p.csv") == 21);
    run.stop();
    assert_eq!(column(&folder.text("p.csv"), "n"), (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_file_is_read_on_as_it_grows_and_an_unfinished_line_is_waited_for() {
    let folder = Folder::new();
    folder.file("log.csv", HEADER.to_owned() + &rows(0..100));
    let run = start(&folder, &format!("train log.csv --follow {COLUMNS} --batch 16 --predictions p.csv"));
    until("what is there", || lines(&folder, "p.csv") == 1 + 96);
    append(&folder, "log.csv", &(rows(100..128) + "128,1,"));
    until("what has come", || lines(&folder, "p.csv") == 1 + 128);
    append(&folder, "log.csv", &("0.5,k1\n".to_owned() + &rows(129..150)));
    until("the line that was not finished", || lines(&folder, "p.csv") == 1 + 144);
    let said = run.stop();
    assert!(said.contains("following log.csv") && said.contains("stopped by request behind record 150"), "{said}");
    let whole = HEADER.to_owned() + &rows(0..128) + "128,1,0.5,k1\n" + &rows(129..150);
    assert!(folder.bytes("p.csv") == of_file(&folder, &whole, "--batch 16"));
}

#[test]
fn with_a_delay_a_file_that_pauses_holds_nothing_back() {
    let folder = Folder::new();
    folder.file("log.csv", HEADER.to_owned() + &rows(0..3));
    let run = start(&folder, &format!("train log.csv --follow {COLUMNS} --max-delay 1ms --predictions p.csv"));
    until("three predictions", || lines(&folder, "p.csv") == 1 + 3);
    append(&folder, "log.csv", &row(3));
    until("the fourth", || lines(&folder, "p.csv") == 1 + 4);
    run.stop();
}

#[test]
fn a_rotated_file_is_read_to_its_end_and_then_the_new_one() {
    let folder = Folder::new();
    folder.file("log.csv", HEADER.to_owned() + &rows(0..10));
    let run = start(&folder, &format!("train log.csv --follow {COLUMNS} --batch 1 --predictions p.csv"));
    until("the first file", || lines(&folder, "p.csv") == 1 + 10);
    std::fs::rename(folder.path("log.csv"), folder.path("log.csv.1")).unwrap();
    append(&folder, "log.csv.1", &rows(10..15)); // whoever writes is late in changing over
    until("what came behind the renaming", || lines(&folder, "p.csv") == 1 + 15);
    folder.file("log.csv", HEADER.to_owned() + &rows(15..40));
    until("the second file", || lines(&folder, "p.csv") == 1 + 40);
    // Copied and cut short: written on without a header.
    std::fs::copy(folder.path("log.csv"), folder.path("log.csv.2")).unwrap();
    OpenOptions::new().write(true).open(folder.path("log.csv")).unwrap().set_len(0).unwrap();
    append(&folder, "log.csv", &rows(40..42));
    until("what came behind the cut", || lines(&folder, "p.csv") == 1 + 42);
    run.stop();
    assert!(folder.bytes("p.csv") == of_file(&folder, &(HEADER.to_owned() + &rows(0..42)), "--batch 1"));
}

#[test]
fn a_file_that_came_and_went_between_two_looks_is_read_too() {
    let folder = Folder::new();
    folder.file("log.csv", HEADER.to_owned() + &rows(0..10));
    let run = start(&folder, &format!("train log.csv --follow {COLUMNS} --batch 1 --predictions p.csv"));
    until("the first file", || lines(&folder, "p.csv") == 1 + 10);
    std::fs::rename(folder.path("log.csv"), folder.path("log.csv.2")).unwrap();
    folder.file("log.csv.1", HEADER.to_owned() + &rows(10..20));
    folder.file("log.csv", HEADER.to_owned() + &rows(20..30));
    until("all three files", || lines(&folder, "p.csv") == 1 + 30);
    // And where the one that was being read has been packed.
    std::fs::remove_file(folder.path("log.csv")).unwrap();
    folder.file("log.csv.3", HEADER.to_owned() + &rows(30..35));
    folder.file("log.csv", HEADER.to_owned() + &rows(35..40));
    until("all five files", || lines(&folder, "p.csv") == 1 + 40);
    run.stop();
    assert!(folder.bytes("p.csv") == of_file(&folder, &(HEADER.to_owned() + &rows(0..40)), "--batch 1"));
}

#[test]
fn a_rotated_file_with_its_columns_in_another_order_is_told() {
    let folder = Folder::new();
    folder.file("log.csv", HEADER.to_owned() + &rows(0..10));
    let mut run = start(&folder, &format!("train log.csv --follow {COLUMNS} --batch 1 --predictions p.csv"));
    until("the first file", || lines(&folder, "p.csv") == 1 + 10);
    std::fs::rename(folder.path("log.csv"), folder.path("log.csv.1")).unwrap();
    folder.file("log.csv", "y,n,x,k\n1,10,0.5,k\n");
    until("the end", || run.child.try_wait().unwrap().is_some());
    let said = run.err.lock().unwrap().join("\n");
    assert!(said.contains("has another header than the first one"), "{said}");
}

#[test]
fn a_resumed_run_finds_the_file_that_was_rotated_away() {
    let folder = Folder::new();
    folder.file("log.csv", HEADER.to_owned() + &rows(0..10));
    let line = format!("train log.csv --follow {COLUMNS} --batch 1 --predictions p.csv --checkpoint kept --resume");
    let run = start(&folder, &line);
    until("the first file", || lines(&folder, "p.csv") == 1 + 10);
    run.stop();
    // Twice while nobody looks, and the first of them has lines that nobody has read.
    append(&folder, "log.csv", &rows(10..20));
    std::fs::rename(folder.path("log.csv"), folder.path("log.csv.2")).unwrap();
    folder.file("log.csv.1", HEADER.to_owned() + &rows(20..30));
    folder.file("log.csv", HEADER.to_owned() + &rows(30..40));
    let run = start(&folder, &line);
    until("all three files", || lines(&folder, "p.csv") == 1 + 40);
    append(&folder, "log.csv", &rows(40..50));
    until("what came then", || lines(&folder, "p.csv") == 1 + 50);
    run.stop();
    let run = start(&folder, &line);
    append(&folder, "log.csv", &rows(50..51));
    until("what came at last", || lines(&folder, "p.csv") == 1 + 51);
    run.stop();
    assert!(folder.bytes("p.csv") == of_file(&folder, &(HEADER.to_owned() + &rows(0..51)), "--batch 1"));
}

#[test]
fn a_followed_file_that_is_gone_without_a_trace_is_told_with_what_to_do() {
    let folder = Folder::new();
    folder.file("log.csv", HEADER.to_owned() + &rows(0..10));
    let line = format!("train log.csv --follow {COLUMNS} --batch 1 --predictions p.csv --checkpoint kept --resume");
    let run = start(&folder, &line);
    until("the first file", || lines(&folder, "p.csv") == 1 + 10);
    run.stop();
    folder.file("log.csv", HEADER.to_owned() + &rows(100..140));
    folder.run(&line).refused(&["log.csv is not the file that the checkpoint has read", "unpack the one"]);
}

#[test]
fn connections_come_together_as_one_stream_of_whole_lines() {
    let folder = Folder::new();
    let run = start(&folder, &format!("train --listen 0 {COLUMNS} --max-delay 1ms --predictions p.csv"));
    let address = run.address();
    let mut first = TcpStream::connect(&address).unwrap();
    let quiet = TcpStream::connect(&address).unwrap();
    first.write_all((HEADER.to_owned() + &rows(0..5)).as_bytes()).unwrap();
    until("the first connection's lines", || lines(&folder, "p.csv") == 1 + 5);
    first.write_all(b"5,1,0").unwrap();
    let mut second = TcpStream::connect(&address).unwrap();
    second.write_all((HEADER.to_owned() + &rows(100..110)).as_bytes()).unwrap();
    until("the second's", || lines(&folder, "p.csv") == 1 + 15);
    first.write_all(b".5,k2\n").unwrap();
    until("the line that was not finished", || lines(&folder, "p.csv") == 1 + 16);
    second.write_all(b"110,0,1,\"k").unwrap();
    drop(second);
    until("a last line without its end", || lines(&folder, "p.csv") == 1 + 17);
    first.write_all(&rows(6..7).into_bytes()).unwrap();
    until("a line behind it", || lines(&folder, "p.csv") == 1 + 18);
    let mut swapped = TcpStream::connect(&address).unwrap();
    swapped.write_all(b"y,n,x,k\n1,7,0.5,k\n").unwrap();
    until("the end of a connection with other columns", || matches!(swapped.read(&mut [0]), Ok(0) | Err(_)));
    let said = run.stop();
    assert!(said.contains("1 connection closed: what came first was no header line"), "{said}");
    drop(quiet); // open until here
    assert!(said.contains("stopped by request behind record 18"), "{said}");
    let ids = column(&folder.text("p.csv"), "n");
    let expected = ["0,1,2,3,4,100,101,102,103,104,105,106,107,108,109", "5,110,6"].join(",");
    assert_eq!(ids.join(","), expected);
}

#[test]
fn a_socket_in_the_file_system_takes_the_place_of_one_left_behind_and_goes_away() {
    let folder = Folder::new();
    drop(UnixListener::bind(folder.path("t.sock")).unwrap());
    let line = format!("train --listen unix:t.sock --columns n,y,x,k {COLUMNS} --max-delay 1ms --predictions p.csv");
    let run = start(&folder, &line);
    let mut connected = None;
    until("the socket", || {
        connected = UnixStream::connect(folder.path("t.sock")).ok();
        connected.is_some()
    });
    folder.run(&line).refused(&["cannot listen on unix:t.sock", "another program listens there"]);
    connected.unwrap().write_all(rows(0..3).trim_end().as_bytes()).unwrap();
    until("three predictions", || lines(&folder, "p.csv") == 1 + 3);
    run.stop();
    assert!(!folder.has("t.sock"));
}

#[test]
fn a_model_goes_on_with_what_connections_send_behind_its_checkpoint() {
    let folder = Folder::new();
    let line = format!("train --listen 0 {COLUMNS} --max-delay 1ms --predictions p.csv --checkpoint kept --resume");
    for (from, to) in [(0, 5), (5, 9)] {
        let run = start(&folder, &line);
        let address = run.address();
        for n in from..to {
            let mut sender = TcpStream::connect(&address).unwrap();
            sender.write_all((HEADER.to_owned() + &row(n)).as_bytes()).unwrap();
            until("the prediction", || lines(&folder, "p.csv") == 1 + n + 1);
        }
        run.stop();
    }
    let ids = column(&folder.text("p.csv"), "n");
    assert_eq!(ids, (0..9).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_run_that_waits_for_its_first_record_ends_by_a_signal() {
    let folder = Folder::new();
    let mut run = start(&folder, &format!("train --listen 0 {COLUMNS}"));
    run.address();
    let kill = format!("kill -TERM {}", run.child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    until("the end", || run.child.try_wait().unwrap().is_some());
    let said = run.err.lock().unwrap().join("\n");
    assert!(said.contains("tidemill: stopped"), "{said}");
}

#[test]
fn records_that_are_held_for_their_order_leave_once_input_is_silent() {
    let folder = Folder::new();
    let columns = "--columns t,n,x,y --time t --id n --numeric x --label y --out-of-order 200ms";
    let mut run = start(&folder, &format!("train - {columns} --max-delay 1ms --predictions -"));
    run.send("1700000001.00,a,1,0\n1700000000.95,b,2,1\n1700000000.90,c,3,0\n");
    run.has_printed(1 + 3); // nothing comes behind them that would move the watermark past the last ones
    let out = run.end();
    assert_eq!(column(&out.join("\n"), "n"), ["c", "b", "a"]);
}
