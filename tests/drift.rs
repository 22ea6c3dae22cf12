//! Drift as a user meets it: found where it is and nowhere else, answered so that the loss is lower afterwards, and the same
//! to the byte whatever the threads and wherever a run was cut.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod outcome;
mod program;

use outcome::{assert_same, outputs};
use program::{Ended, Folder, map_records, numbers, stream};
use serde_json::Value;
use tidemill::source::synthetic::Generator;

/// Records, in whole micro-batches, and the first of those whose labels mean the opposite.
const RECORDS: u64 = 80 * 256;
const CHANGE: usize = 40 * 256;

const ACTIONS: [&str; 3] =
    ["'reset-rates'", "{ raise-step = { factor = 6.0, records = 9000 } }", "{ shadow = { records = 3000 } }"];

/// Points on both sides of a plane; behind the change the sides are exchanged.
fn points() -> String {
    let flipped = |label: &str| if label == "1" { "0" } else { "1" }.to_owned();
    map_records(&stream(Generator::Hyperplane, RECORDS), |at, mut fields| {
        let label = fields.pop().unwrap();
        format!("{},{}", fields.join(","), if at < CHANGE { label.to_owned() } else { flipped(label) })
    })
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("points.csv", points());
    folder
}

/// A job that looks for drift in both ways and acts on it; `learner` is more of its learner.
fn job(folder: &Folder, actions: &str, learner: &str) {
    let job = format!(
        "[source]\nlabel = 'y'\n[learner]\ndevice = 'cpu'\nhash-bits = 4\n{learner}\n\
         [drift]\ndrift = ['adwin', 'page-hinkley']\nactions = [{actions}]\n"
    );
    folder.file("job.toml", job);
}

fn train(folder: &Folder, more: &str) -> Ended {
    folder.run(&format!("train job.toml points.csv {more}")).fine()
}

fn alarms(folder: &Folder, name: &str) -> Vec<Value> {
    folder.text(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The mean loss of the predictions behind a record.
fn loss_behind(folder: &Folder, name: &str, record: usize) -> f64 {
    let text = folder.text(name);
    let (probability, label) = (numbers(&text, "probability"), numbers(&text, "label"));
    let losses = probability.iter().zip(&label).skip(record);
    let losses: Vec<f64> = losses.map(|(p, y)| -if *y > 0.5 { p.ln() } else { (1.0 - p).ln() }).collect();
    losses.iter().sum::<f64>() / losses.len() as f64
}

#[test]
fn a_stream_that_stays_as_it_is_raises_no_alarm() {
    let folder = Folder::new();
    folder.file("points.csv", stream(Generator::Hyperplane, RECORDS));
    job(&folder, "'alert'", "");
    let ended = train(&folder, "--alerts a.jsonl --summary s.json");
    assert_eq!((folder.text("a.jsonl"), &folder.json("s.json")["drift"]["alarms"]), (String::new(), &0.into()));
    assert!(ended.stderr.contains("drift       0 alarms\n"), "{}", ended.stderr);
}

#[test]
fn an_exchange_of_the_classes_is_found_by_both_detectors_and_told_everywhere() {
    let folder = folder();
    job(&folder, "", "");
    let ended = train(&folder, "--alerts a.jsonl --summary s.json");
    let (alarms, summary) = (alarms(&folder, "a.jsonl"), folder.json("s.json"));
    for detector in ["adwin", "page-hinkley"] {
        let first = alarms.iter().find(|alarm| alarm["detector"] == detector).unwrap();
        let record = first["record"].as_u64().unwrap() as usize;
        assert!((CHANGE + 1..CHANGE + 500).contains(&record), "{first}");
        let [before, after] = ["log_loss_before", "log_loss_after"].map(|key| first[key].as_f64().unwrap());
        assert!(after > before + 0.1, "{first}");
    }
    assert_eq!(summary["drift"]["alarms"], alarms.len());
    assert_eq!(summary["drift"]["first"][0]["record"], alarms[0]["record"]);
    let told = format!("drift at record {}", tidemill_count(alarms[0]["record"].as_u64().unwrap()));
    assert_eq!(ended.stderr.matches(&told).count(), 2, "once under way and once at the end: {}", ended.stderr);
}

/// A number as reports write it.
fn tidemill_count(number: u64) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}

#[test]
fn looking_alone_changes_no_prediction() {
    let folder = folder();
    job(&folder, "'alert'", "");
    train(&folder, "--predictions looked.csv --model looked.model");
    folder.run("train points.csv --label y --device cpu --hash-bits 4 --predictions p.csv").fine();
    assert!(folder.text("looked.csv") == folder.text("p.csv"));
}

#[test]
fn every_action_lowers_the_loss_behind_the_change() {
    let folder = folder();
    for optimizer in ["adagrad", "ftrl"] {
        job(&folder, "", &format!("optimizer = '{optimizer}'"));
        train(&folder, "--predictions none.csv");
        let none = loss_behind(&folder, "none.csv", CHANGE);
        for action in ACTIONS {
            job(&folder, action, &format!("optimizer = '{optimizer}'"));
            train(&folder, "--predictions some.csv --summary s.json");
            let some = loss_behind(&folder, "some.csv", CHANGE);
            let done = &folder.json("s.json")["drift"];
            assert!(some < 0.97 * none, "{optimizer} {action}: {some} instead of {none}; {done}");
            let acted = ["raised", "reset", "adopted"].iter().map(|key| done[key].as_u64().unwrap()).sum::<u64>();
            assert!(acted > 0, "{done}");
        }
    }
}

#[test]
fn a_run_goes_on_in_the_middle_of_what_is_done_about_drift() {
    let (folder, text) = (folder(), points());
    let end = text.split_inclusive('\n').take(CHANGE + 1900).map(str::len).sum();
    for learner in ["optimizer = 'adagrad'", "optimizer = 'ftrl'\nupdate = 'batch'"] {
        for actions in [ACTIONS[1], ACTIONS[2], &ACTIONS.join(", ")] {
            let _ = std::fs::remove_dir_all(folder.path("kept"));
            job(&folder, actions, learner);
            folder.file("points.csv", &text);
            train(&folder, &format!("{} --alerts whole.alerts", outputs("whole")));
            assert!(alarms(&folder, "whole.alerts")[0]["record"].as_u64().unwrap() < CHANGE as u64 + 1500);
            let parts = format!("{} --alerts parts.alerts --checkpoint kept --resume", outputs("parts"));
            folder.file("points.csv", &text[..end]);
            train(&folder, &parts);
            folder.file("points.csv", &text);
            train(&folder, &parts);
            assert_same(&folder, "whole", "parts");
            assert!(folder.text("whole.alerts") == folder.text("parts.alerts"), "{learner} {actions}");
        }
    }
}

#[test]
fn a_checkpoint_that_was_taken_under_a_raised_step_is_the_model_of_its_run() {
    let folder = folder();
    job(&folder, "{ raise-step = { factor = 6.0, records = 1000000 } }", "optimizer = 'ftrl'");
    train(&folder, "--model end.model --checkpoint kept");
    for (model, name) in [("end.model", "model.csv"), ("kept", "kept.csv")] {
        folder.run(&format!("predict points.csv --model {model} --predictions {name}")).fine();
    }
    assert!(folder.text("model.csv") == folder.text("kept.csv"));
}

#[test]
fn neither_threads_nor_a_pipe_change_what_is_found_and_done() {
    let (folder, text) = (folder(), points());
    job(&folder, &ACTIONS.join(", "), "");
    train(&folder, &format!("--threads 1 {} --alerts one.alerts", outputs("one")));
    let line = format!("train job.toml - --format csv --threads 3 {} --alerts piped.alerts", outputs("piped"));
    folder.run_with(&line, text.as_bytes()).fine();
    assert_same(&folder, "one", "piped");
    assert!(folder.text("one.alerts") == folder.text("piped.alerts"));
}

#[test]
fn a_model_that_only_predicts_is_looked_at_too() {
    let (folder, text) = (folder(), points());
    let end = text.split_inclusive('\n').take(CHANGE + 1).map(str::len).sum();
    folder.file("before.csv", &text[..end]);
    folder.run("train before.csv --label y --device cpu --hash-bits 4 --model m").fine();
    folder.run("predict points.csv --model m --predictions p.csv --drift adwin --alerts a.jsonl").fine();
    let found: Vec<_> = alarms(&folder, "a.jsonl").iter().map(|alarm| alarm["record"].as_u64().unwrap()).collect();
    assert!(found.len() == 1 && (CHANGE as u64..CHANGE as u64 + 500).contains(&found[0]), "{found:?}");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let folder = folder();
    job(&folder, ACTIONS[1], "");
    train(&folder, "--checkpoint kept");
    folder.run("train points.csv --label y --alerts a.jsonl").refused(&["--drift adwin"]);
    folder.run("sweep job.toml points.csv --grid l2=0,1").refused(&["--drift does not go with a sweep"]);
    folder.run("train job.toml points.csv --passes 2").refused(&["do not go with --passes"]);
    job(&folder, ACTIONS[0], "optimizer = 'sgd'");
    folder.run("train job.toml points.csv").refused(&["raise-step"]);
    job(&folder, ACTIONS[2], "");
    folder
        .run("train job.toml points.csv --checkpoint kept --resume")
        .refused(&["another job", "actions below [drift]"]);
}
