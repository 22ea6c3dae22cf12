//! What monitors are told of a run under way, as they ask for it: over HTTP, in the text that Prometheus scrapes.
//!
//! No test asserts how long anything takes: each waits for what must come, and fails where it never does.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![cfg(unix)]

mod openmetrics;
mod program;
mod running;

use std::io::{Read, Write};
use std::net::TcpStream;

use openmetrics::{Kind, Told};
use program::{Folder, ROLES, with_model};
use running::{Running, start, until};

const COLUMNS: &str = "--label y --id n --device cpu";

/// An answer: its first line, its headers, its text.
struct Answer {
    status: String,
    head: String,
    text: String,
}

/// Sends a request, and reads what comes back to its end.
fn ask(at: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap().to_owned();
    Answer { status, head: head.to_owned(), text: text.to_owned() }
}

fn get(at: &str, path: &str) -> Answer {
    ask(at, &format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nAccept: */*\r\n\r\n"))
}

fn scrape(at: &str) -> Told {
    let answer = get(at, "/metrics");
    assert_eq!(answer.status, "HTTP/1.1 200 OK");
    let kind = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(answer.head.lines().any(|line| line == kind), "{}", answer.head);
    Told::parse(&answer.text)
}

/// Scrapes until a series has a value.
#[track_caller]
fn scrape_until(at: &str, series: &str, value: f64) -> Told {
    let mut told = scrape(at);
    until(&format!("{series} {value}"), || {
        told = scrape(at);
        told.get(series) == Some(value)
    });
    told
}

fn monitored(run: &Running) -> String {
    run.said("metrics at http://", '/')
}

fn rows(range: std::ops::Range<usize>) -> String {
    range.map(|n| format!("{n},{},{}.5,k{}\n", u8::from(n.is_multiple_of(3)), n % 7, n % 5)).collect()
}

#[test]
fn what_is_scraped_of_a_live_run_is_what_its_summary_says() {
    let folder = Folder::new();
    let line = "--numeric x --categorical k --max-delay 1ms --max-rejected 50% --metrics-listen 0 --summary s.json";
    let mut run = start(&folder, &format!("train - {COLUMNS} {line}"));
    let at = monitored(&run);
    assert_eq!(get(&at, "/healthz").text, "starting\n");
    let before = scrape(&at);
    assert_eq!(before.get("tidemill_run_state{state=\"starting\"}"), Some(1.0));
    assert_eq!((before.get("tidemill_records_total"), before.get("tidemill_auc")), (Some(0.0), None));

    run.send(&("n,y,x,k\n".to_owned() + &rows(0..700) + "700,1,much,k\n701,7,0.5,k\n" + &rows(702..1000)));
    let told = scrape_until(&at, "tidemill_labelled_records_total", 998.0);
    assert_eq!(get(&at, "/healthz").text, "running\n");
    assert_eq!(told.get("tidemill_run_state{state=\"running\"}"), Some(1.0));
    let stages = ["source", "ingest", "engine"].map(|stage| {
        let of = |state| told.get(&format!("tidemill_stage_seconds_total{{stage=\"{stage}\",state=\"{state}\"}}"));
        ["busy", "starved", "blocked"].map(|state| of(state).unwrap()).iter().sum::<f64>()
    });
    assert!(stages.iter().all(|seconds| *seconds > 0.0), "{stages:?}");
    run.end();
    assert!(TcpStream::connect(&at).is_err(), "nobody listens behind the end of a run");

    let summary = folder.json("s.json");
    let of = |series: &str| told.get(&format!("tidemill_{series}")).unwrap();
    for (series, key) in [
        ("records_total", "records"),
        ("labelled_records_total", "labelled"),
        ("read_bytes_total", "bytes"),
        ("auc", "auc"),
        ("auc_error", "auc_error"),
        ("mean_log_loss_nats", "log_loss"),
    ] {
        assert_eq!(Some(of(series)), summary[key].as_f64(), "{series}");
    }
    let weight = of("labelled_weight_total");
    assert_eq!(Some(of("log_loss_nats_total") / weight), summary["log_loss"].as_f64());
    assert_eq!(Some(of("squared_error_total") / weight), summary["brier"].as_f64());
    assert_eq!(Some(of("correct_weight_total") / weight), summary["accuracy"].as_f64());
    assert_eq!(Some(of("positive_weight_total") / weight), summary["base_rate"].as_f64());
    let ratio = of("predicted_weight_total") / of("positive_weight_total");
    assert_eq!(Some(ratio), summary["predicted_over_observed"].as_f64());
    let reasons = summary["rejected_by_reason"].as_object().unwrap();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    for (reason, count) in reasons {
        assert_eq!(Some(of(&format!("rejected_records_total{{reason=\"{reason}\"}}"))), count.as_f64());
    }
    assert_eq!(of("read_records_total"), 1000.0);
    // A pipe is waited for, to its very end.
    let source = |time: &str| summary["stages"]["source"][time].as_f64().unwrap();
    assert!(10.0 * source("busy_s") < source("starved_s"), "{}", summary["stages"]["source"]);
    let version = summary["model_version"].as_f64().unwrap();
    assert!((1.0..version).contains(&of("model_version")), "{version}");
}

#[test]
fn a_silent_input_leaves_the_watermark_and_the_lag_grows() {
    let folder = Folder::new();
    let line = "--numeric x --max-delay 1ms --time t --out-of-order 10s --metrics-listen 127.0.0.1:0";
    let mut run = start(&folder, &format!("train - --label y --device cpu {line}"));
    let at = monitored(&run);
    run.send("t,y,x\n2024-05-01T10:00:00Z,1,0.5\n2024-05-01T10:01:00Z,0,0.5\n2024-05-01T10:00:20Z,1,0.5\n");
    let told = scrape_until(&at, "tidemill_late_records_total", 1.0);
    let watermark = told.get("tidemill_watermark_timestamp_seconds").unwrap();
    assert_eq!(watermark, 1_714_557_650.0, "10:00:50");
    assert_eq!(told.families["tidemill_event_time_lag_seconds"], Kind::Gauge);
    let lag = |told: &Told| told.get("tidemill_event_time_lag_seconds").unwrap();
    let first = lag(&told);
    assert!(first > 0.0, "{first}");
    until("a lag that grows", || lag(&scrape(&at)) > first);
    assert_eq!(scrape(&at).get("tidemill_watermark_timestamp_seconds"), Some(watermark));
    run.end();
}

#[test]
fn records_that_wait_for_their_labels_are_told() {
    let folder = Folder::new();
    let line = "--numeric x --max-delay 1ms --time t --label-delay 1h --metrics-listen 0";
    let mut run = start(&folder, &format!("train - --label y --device cpu {line}"));
    let at = monitored(&run);
    run.send("t,y,x\n2024-05-01T10:00:00Z,1,0.5\n2024-05-01T10:01:00Z,0,0.5\n2024-05-01T11:00:30Z,1,0.5\n");
    let told = scrape_until(&at, "tidemill_open_labels", 2.0);
    // They are scored as they come, since the label stands in its record.
    assert_eq!(told.get("tidemill_records_total"), Some(3.0));
    run.end();
}

#[test]
fn a_run_that_predicts_is_told_too() {
    let folder = with_model();
    let clicks = folder.text("clicks.csv");
    let mut run = start(&folder, "predict - --model model --metrics-listen 0");
    let at = monitored(&run);
    run.send(&clicks);
    let told = scrape_until(&at, "tidemill_labelled_records_total", 1000.0);
    assert_eq!(told.get("tidemill_model_version"), Some(1000.0));
    run.end();
}

#[test]
fn only_the_two_pages_are_there_and_they_are_only_read() {
    let folder = Folder::new();
    let run = start(&folder, &format!("train - {COLUMNS} --metrics-listen 0"));
    let at = monitored(&run);
    assert_eq!(get(&at, "/").status, "HTTP/1.1 404 Not Found");
    let posted = ask(&at, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(posted.status, "HTTP/1.1 405 Method Not Allowed");
    assert!(posted.head.contains("\r\nAllow: GET, HEAD"), "{}", posted.head);
    let head = ask(&at, "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((&*head.status, &*head.text), ("HTTP/1.1 200 OK", ""));
    assert_eq!(ask(&at, "hello\r\n\r\n").status, "HTTP/1.1 400 Bad Request");
    drop(run);
}

#[test]
fn a_second_run_at_the_same_port_is_refused_with_what_to_do() {
    let folder = Folder::new();
    let run = start(&folder, &format!("train - {COLUMNS} --metrics-listen 0"));
    let at = monitored(&run);
    let line = format!("train --generate clicks --rows 100 --device cpu --metrics-listen {at}");
    let said = format!("cannot listen on tcp:{at}");
    folder.run(&line).refused(&[&said, "another program listens there: end that one, or name another address"]);
    drop(run);
}

#[test]
fn callers_that_hang_hold_up_neither_others_nor_the_run() {
    let folder = Folder::new();
    let mut run = start(&folder, &format!("train - {COLUMNS} --max-delay 1ms --metrics-listen 0 --predictions -"));
    let at = monitored(&run);
    let hanging: Vec<TcpStream> = (0..40)
        .map(|caller| {
            let mut stream = TcpStream::connect(&at).unwrap();
            // Some say nothing, some half of what they want, and some do not listen to the answer.
            let said = ["", "GET /metr", "GET /metrics HTTP/1.1\r\n\r\n"][caller % 3];
            let _ = stream.write_all(said.as_bytes());
            stream
        })
        .collect();
    run.send(&("n,y,x,k\n".to_owned() + &rows(0..10)));
    run.has_printed(1 + 10);
    scrape_until(&at, "tidemill_records_total", 10.0);
    run.end();
    drop(hanging);
}

#[test]
fn a_job_file_names_the_address_and_a_sweep_refuses_it() {
    let folder = Folder::new();
    let job = "[source]\ninput = ['-']\nlabel = 'y'\n[learner]\ndevice = 'cpu'\n[output]\nmetrics-listen = '0'\n";
    let run = start(&folder, &format!("train {}", folder.file("job.toml", job)));
    assert_eq!(get(&monitored(&run), "/healthz").text, "starting\n");
    drop(run);
    let sweep = "sweep --generate clicks --rows 100 --grid l2=0,1 --metrics-listen 0";
    folder.run(sweep).refused(&["--metrics-listen does not go with a sweep"]);
}

#[test]
fn what_is_learned_does_not_depend_on_being_watched() {
    let folder = Folder::new();
    let line = format!("train --generate clicks --rows 3000 {} --quiet", ROLES.replace("--id number", ""));
    folder.run(&format!("{line} --model plain --predictions plain.csv")).fine();
    folder.run(&format!("{line} --model watched --predictions watched.csv --metrics-listen 0")).fine();
    assert!(folder.bytes("plain") == folder.bytes("watched"));
    assert!(folder.bytes("plain.csv") == folder.bytes("watched.csv"));
}
