//! Metrics by windows and segments, as a user asks for them: what the lines hold, that no chunk, thread or resume shows in
//! them, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::{Ended, Folder, column, map_records, stream};
use serde_json::Value;
use tidemill::source::synthetic::Generator;

const TRAIN: &str = "--label click --device cpu --hash-bits 12 --max-rejected 5%";
const TOLD: &str = "--time when --metrics-every 1h,1000 --segment shop,group --segments 3";

/// Clicks of a day and a half that come about in order, with a column that nothing learns from.
fn clicks(records: u64) -> String {
    let text = map_records(&stream(Generator::Clicks, records), |at, fields| match at % 50 {
        7 => "what is this?".into(),
        _ => {
            let minutes = at * 2 - (at * 7) % 20.min(at + 1);
            let when = format!("2024-05-{:02}T{:02}:{:02}:00Z", 1 + minutes / 1440, minutes / 60 % 24, minutes % 60);
            format!("{},s{},g{},{when}", fields.join(","), at * at % 5, at % 2)
        }
    });
    text.replacen("click\n", "click,shop,group,when\n", 1)
}

fn with_clicks(records: u64) -> (Folder, String) {
    let (folder, text) = (Folder::new(), clicks(records));
    folder.file("clicks.csv", &text);
    (folder, text)
}

fn lines(folder: &Folder, name: &str) -> Vec<Value> {
    folder.text(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sum<'a>(lines: impl Iterator<Item = &'a Value>, key: &str) -> u64 {
    lines.map(|line| line[key].as_u64().unwrap()).sum()
}

fn train(folder: &Folder, more: &str) -> Ended {
    folder.run(&format!("train clicks.csv {TRAIN} --ignore group {TOLD} {more}")).fine()
}

#[test]
fn every_record_is_told_once_in_windows_of_each_kind_and_in_the_segments_of_each() {
    let (folder, _) = with_clicks(2200);
    train(&folder, "--metrics m.jsonl --summary s.json");
    let (lines, summary) = (lines(&folder, "m.jsonl"), folder.json("s.json"));
    let predicted = summary["records"].as_u64().unwrap();
    for window in ["1h", "1000"] {
        let of_kind: Vec<_> = lines.iter().filter(|line| line["window"] == window).collect();
        let whole: Vec<_> = of_kind.iter().copied().filter(|line| line["segment"].is_null()).collect();
        let told = sum(whole.iter().copied(), "records");
        let late = predicted - told;
        assert!(window == "1h" && late > 0 && late < told || late == 0, "{window}: {late} late");
        for segment in ["shop", "group"] {
            let parts = of_kind.iter().copied().filter(|line| line["segment"] == segment);
            assert_eq!(sum(parts, "records"), told, "{window} {segment}");
        }
        if window == "1h" {
            assert!(whole.is_sorted_by(|a, b| a["end"].as_str() <= b["start"].as_str()));
            assert_eq!(whole[0]["start"], "2024-05-01T00:00:00Z");
            assert_eq!(summary["windows"]["late"], late);
        }
    }
    let values: Vec<_> = summary["segments"].as_array().unwrap().iter().map(|s| s["value"].as_str().unwrap()).collect();
    assert_eq!(values, ["s0", "s1", "s4", "g0", "g1"]);
    assert_eq!(summary["windows"]["not_told_apart"], 0);
    folder.run(&format!("train clicks.csv {TRAIN} --segment shop --segments 2 --summary s.json")).fine();
    let summary = folder.json("s.json");
    let other = summary["segments"].as_array().unwrap().iter().find(|segment| segment["value"] == "(other)").unwrap();
    assert_eq!((&other["column"], &other["records"]), (&"shop".into(), &summary["windows"]["not_told_apart"]));
}

#[test]
fn a_window_of_the_whole_stream_has_the_figures_of_the_summary() {
    let (folder, _) = with_clicks(2000);
    folder.run(&format!("train clicks.csv {TRAIN} --metrics m.jsonl --metrics-every 1000000 --summary s.json")).fine();
    let (summary, line) = (folder.json("s.json"), lines(&folder, "m.jsonl").remove(0));
    for key in ["records", "labelled", "brier", "accuracy", "base_rate", "best_constant_log_loss", "log_loss"] {
        let (have, want) = (line[key].as_f64().unwrap(), summary[key].as_f64().unwrap());
        assert!((have - want).abs() < 1e-9 * want.abs(), "{key}: {have} {want}");
    }
    let area = |of: &Value| (of["auc"].as_f64().unwrap(), of["auc_error"].as_f64().unwrap());
    let ((have, off), (want, exact)) = (area(&line), area(&summary));
    assert!((have - want).abs() <= off + exact && off < 0.02, "{have} {want} {off}");
    for key in ["normalized_entropy", "threshold", "precision", "recall", "f1", "mcc", "kappa", "kappa_majority"] {
        let (have, want) = (line[key].as_f64().unwrap(), summary[key].as_f64().unwrap());
        assert!((have - want).abs() < 1e-9, "{key}: {have} {want}");
    }
    for (key, error, most) in [("pr_auc", "pr_auc_error", 0.1), ("ece", "ece_error", 0.05)] {
        let [have, want] = [&line, &summary].map(|of| [key, error].map(|key| of[key].as_f64().unwrap()));
        assert!((have[0] - want[0]).abs() <= have[1] + want[1] && have[1] < most, "{key}: {have:?} {want:?}");
    }
}

#[test]
fn neither_threads_nor_a_pipe_show_in_a_line() {
    let (folder, text) = with_clicks(2000);
    train(&folder, "--threads 1 --metrics m.csv");
    train(&folder, "--threads 3 --metrics other.csv");
    let line = format!("train - {TRAIN} --ignore group {TOLD} --metrics piped.csv");
    folder.run_with(&line, text.as_bytes()).fine();
    let told = folder.text("m.csv");
    assert!(told.lines().count() > 100 && told == folder.text("other.csv") && told == folder.text("piped.csv"));
    assert_eq!(column(&told, "window").iter().filter(|window| *window == "1h").count() % 6, 0);
}

#[test]
fn a_run_that_goes_on_writes_the_lines_that_it_would_have_written() {
    let (folder, text) = with_clicks(8000);
    train(&folder, "--metrics whole.jsonl --summary whole.json");
    let end = text.split_inclusive('\n').take(4321).map(str::len).sum();
    folder.file("clicks.csv", &text[..end]);
    let kept = "--checkpoint kept --checkpoint-every 1 --resume --metrics parts.jsonl --summary parts.json";
    train(&folder, kept);
    folder.file("clicks.csv", &text);
    train(&folder, kept);
    assert!(folder.text("whole.jsonl") == folder.text("parts.jsonl"));
    for key in ["segments", "windows"] {
        assert_eq!(folder.json("whole.json")[key], folder.json("parts.json")[key]);
    }
    let other = TOLD.replace("1h", "2h") + " --checkpoint kept --resume --metrics parts.jsonl";
    folder.run(&format!("train clicks.csv {TRAIN} --ignore group {other}")).refused(&["belongs to another job"]);
}

#[test]
fn asking_for_windows_changes_neither_model_nor_predictions() {
    let (folder, _) = with_clicks(2000);
    let outputs = |name: &str| format!("--model {name}.model --predictions {name}.csv");
    folder.run(&format!("train clicks.csv {TRAIN} --ignore group --time when {}", outputs("plain"))).fine();
    train(&folder, &format!("--metrics m.csv {}", outputs("told")));
    assert!(folder.text("plain.csv") == folder.text("told.csv"));
    let predict = |model: &str, more: &str| {
        let line = format!("predict clicks.csv --model {model} --max-rejected 5% --predictions p.csv {more}");
        folder.run(&line).fine();
        folder.text("p.csv")
    };
    let told = predict("told.model", &format!("{TOLD} --metrics p.jsonl"));
    assert!(predict("plain.model", "") == told);
    let whole = lines(&folder, "p.jsonl");
    assert!(whole.iter().any(|line| line["segment"] == "group" && line["window"] == "1h"));
}

#[test]
fn what_cannot_be_told_is_refused_with_what_to_write() {
    let (folder, _) = with_clicks(100);
    let refused =
        |more: &str, said: &str| drop(folder.run(&format!("train clicks.csv {TRAIN} {more}")).refused(&[said]));
    refused("--metrics m.csv --metrics-every 1h --ignore when", "--time COLUMN");
    refused("--metrics m.csv", "--metrics-every 1h");
    refused("--metrics m.parquet --metrics-every 10", ".jsonl or .csv");
    refused("--segment nowhere", "its columns are");
    refused("--segment click", "name another column");
    refused("--metrics-every 10 --metrics clicks.csv", "would overwrite an input");
    folder
        .run(&format!("sweep clicks.csv {TRAIN} --grid learning-rate=0.1,0.2 --segment shop"))
        .refused(&["--segment does not go with a sweep"]);
}

#[test]
fn the_one_column_of_times_is_the_event_time_where_none_is_named() {
    let folder = Folder::new();
    folder.file("plain.csv", stream(Generator::Clicks, 500));
    folder.run("train plain.csv --label click --device cpu --metrics m.csv --metrics-every 1m").fine();
    let (told, times) = (folder.text("m.csv"), folder.text("plain.csv"));
    let minutes =
        column(&times, "time").iter().map(|time| time[..16].to_owned()).collect::<std::collections::BTreeSet<_>>();
    let starts: Vec<_> = column(&told, "start").iter().map(|start| start[..16].to_owned()).collect();
    assert_eq!(starts, minutes.into_iter().collect::<Vec<_>>());
}
