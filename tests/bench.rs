//! `tidemill bench` as a user runs it: every cell is measured or says why not, and software is never taken for a GPU.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::{Ended, Folder};
use serde_json::Value;

const SOFTWARE: &str = "software Vulkan: correctness, not speed";

/// The adapters that `tidemill devices` lists, and whether one of them is software.
fn adapters(folder: &Folder) -> (usize, bool) {
    let listed = folder.run("devices").fine();
    (listed.out().matches("gpu:").count(), listed.out().contains(", software;"))
}

fn array<'a>(json: &'a Value, name: &str) -> &'a Vec<Value> {
    json[name].as_array().unwrap_or_else(|| panic!("no {name}"))
}

/// A cell has all figures or a reason, and nothing in between.
fn check_cell(cell: &Value) {
    match cell["status"].as_str().unwrap() {
        "measured" => {
            let figures =
                ["records_per_s", "step_us", "gb_per_s", "latency_p50_us", "latency_p99_us", "percent_of_parse"];
            for name in figures {
                assert!(cell[name].as_f64().is_some_and(|figure| figure > 0.0), "{name} of {cell}");
            }
            let [low, median, high] =
                ["records_per_s_low", "records_per_s", "records_per_s_high"].map(|name| cell[name].as_f64().unwrap());
            assert!(low <= median && median <= high, "{cell}");
            assert!(cell["latency_p50_us"].as_f64() <= cell["latency_p99_us"].as_f64(), "{cell}");
        }
        "skipped" => assert!(!cell["reason"].as_str().unwrap().is_empty(), "{cell}"),
        other => panic!("{other}: {cell}"),
    }
}

/// Whether a cell is of this device.
fn is_of(cell: &Value, device: &str) -> bool {
    cell["device"].as_str().unwrap().starts_with(device)
}

#[test]
fn every_cell_is_measured_or_says_why_not_and_the_page_needs_nothing_else() {
    let folder = Folder::new();
    let ended = folder.run("bench --quick --time 0.5 --json bench.json --html bench.html").fine();
    let (json, (adapters, is_software)) = (folder.json("bench.json"), adapters(&folder));
    let cells = array(&json, "cells");
    cells.iter().for_each(check_cell);
    // Two shapes, two micro-batches, two rules; one learner, and sixteen.
    let of = |device: &str| cells.iter().filter(|cell| is_of(cell, device)).count();
    let of_one_thread = cells.iter().filter(|cell| cell["device"] == "cpu:1");
    assert_eq!(of_one_thread.clone().count(), 16);
    // On a machine that is very busy the time may be up before the last one.
    let is_done =
        |cell: &Value| cell["status"] == "measured" || cell["reason"].as_str().unwrap().contains("time was up");
    assert!(of_one_thread.filter(|cell| cell["learners"] == 1).all(is_done));
    assert_eq!(cells[0]["status"], "measured");
    assert_eq!(of("gpu"), 16 * adapters);
    let rooflines = &json["rooflines"];
    assert!(rooflines["memory_copy_gb_per_s"].as_f64().unwrap() > 0.0);
    assert_eq!((array(rooflines, "gpus").len(), array(rooflines, "parse").len()), (adapters, 2));
    assert_eq!(array(&json, "crossovers").len(), 2 * 2 * 3 * adapters);

    let page = folder.text("bench.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("</svg>") && page.trim_end().ends_with("</html>"));
    for word in ["http", "<script", "<link", "src=", "url("] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(ended.out().contains("rooflines") && ended.out().contains("crossovers"), "{}", ended.out());
    check_software(is_software, &ended, &json, &page);
}

/// A software adapter is called one in every output.
fn check_software(is_software: bool, ended: &Ended, json: &Value, page: &str) {
    let labelled = |text: &str| assert_eq!(text.contains(SOFTWARE), is_software, "{text}");
    labelled(ended.out());
    labelled(page);
    labelled(&json["devices"].to_string());
    for crossover in array(json, "crossovers").iter().filter(|_| is_software) {
        assert_eq!(crossover["software"], crossover["device"] == "gpu:0");
    }
}

#[test]
fn a_device_can_be_named_and_one_that_is_not_there_is_refused() {
    let folder = Folder::new();
    let ended = folder.run("bench --quick --time 0.2 --device cpu --json -").fine();
    let json: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert!(array(&json, "cells").iter().all(|cell| is_of(cell, "cpu")));
    assert!(array(&json, "crossovers").is_empty() && array(&json["rooflines"], "gpus").is_empty());
    folder.run("bench --quick --time 0.2 --device gpu:none-of-this-name").refused(&["no GPU"]);
    assert_eq!(folder.run("bench --quick --full").code, Some(2));
    assert!(folder.run("bench --time soon").stderr.contains("give seconds"));
}
