//! Whole runs on a GPU against the same runs on the CPU: both update rules, crosses that the device forms, sweeps, and
//! going on from a checkpoint on the other device.
//!
//! Without an adapter they say that they are skipped; with `TIDEMILL_REQUIRE_GPU=1` they fail instead.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test ends where something is not as it should be, and says what it skips"
)]

mod program;

use program::{Folder, column, stream};
use tidemill::learner::gpu::{self, Wanted};
use tidemill::source::synthetic::Generator;

const ROLES: &str = "--label click --quiet";
/// All pairs of the categories, with values.
const PAIRS: &str = "[[feature]]\nkind = 'cross'\nof = [[':', ':']]\n";

#[test]
fn whole_runs_lose_the_same_on_both_devices() {
    let Some(folder) = with_clicks(6000) else { return };
    for learner in
        ["--update record", "--update batch", "--update record --optimizer ftrl --l1 0.01", "--update record --batch 1"]
    {
        let [on_cpu, on_gpu] =
            ["cpu", "gpu"].map(|device| loss(&folder, &format!("clicks.csv {learner} --device {device}")));
        assert!((on_cpu - on_gpu).abs() < 1e-5 * on_cpu, "{learner}: {on_cpu} {on_gpu}");
    }
}

#[test]
fn pairs_that_the_device_forms_are_those_of_the_encoder() {
    let Some(folder) = with_clicks(3000) else { return };
    folder.file("pairs.toml", PAIRS);
    let [on_cpu, on_gpu] = ["cpu", "gpu"]
        .map(|device| loss(&folder, &format!("pairs.toml clicks.csv --update batch --batch 64 --device {device}")));
    let plain = loss(&folder, "clicks.csv --update batch --batch 64 --device cpu");
    assert!((on_cpu - on_gpu).abs() < 1e-5 * on_cpu, "{on_cpu} {on_gpu}");
    assert!((on_cpu - plain).abs() > 1e-4, "the pairs are not learned: {on_cpu} {plain}");
}

#[test]
fn a_run_with_pairs_goes_on_on_either_device() {
    let Some(folder) = with_clicks(3000) else { return };
    folder.file("pairs.toml", PAIRS);
    let text = folder.text("clicks.csv");
    let line = |device: &str| {
        let outputs = "--predictions p.csv --summary s.json --checkpoint kept --resume";
        format!("train pairs.toml grows.csv {ROLES} --update batch --batch 64 --device {device} {outputs}")
    };
    for devices in [["gpu", "gpu"], ["gpu", "cpu"]] {
        let _ = std::fs::remove_dir_all(folder.path("kept"));
        // The middle of a micro-batch: what waits in the checkpoint has no pairs yet.
        folder.file("grows.csv", text.split_inclusive('\n').take(1500).collect::<String>());
        folder.run(&line(devices[0])).fine();
        folder.file("grows.csv", &text);
        folder.run(&line(devices[1])).fine();
        let resumed = column(&folder.text("p.csv"), "logit");
        folder
            .run(&format!(
                "train pairs.toml clicks.csv {ROLES} --update batch --batch 64 --device cpu --predictions q.csv"
            ))
            .fine();
        let whole = column(&folder.text("q.csv"), "logit");
        assert_eq!(resumed.len(), whole.len());
        for (at, (have, want)) in resumed.iter().zip(&whole).enumerate() {
            let (have, want): (f64, f64) = (have.parse().unwrap(), want.parse().unwrap());
            assert!((have - want).abs() < 1e-4, "{devices:?}, record {at}: {have} for {want}");
        }
    }
}

#[test]
fn a_sweep_ranks_its_learners_alike_on_both_devices() {
    let Some(folder) = with_clicks(3000) else { return };
    let grid = "learning-rate=0.05,0.2;optimizer=adagrad,ftrl;update=record,batch;batch=32,128";
    let [on_cpu, on_gpu] = ["cpu", "gpu"].map(|device| {
        let line =
            format!("sweep clicks.csv {ROLES} --device {device} --hash-bits 10 --grid {grid} --summary sweep.json");
        folder.run(&line).fine();
        let summary = folder.json("sweep.json");
        let mut losses: Vec<(u64, f64)> = summary["learners"]
            .as_array()
            .unwrap()
            .iter()
            .map(|learner| (learner["number"].as_u64().unwrap(), learner["log_loss"].as_f64().unwrap()))
            .collect();
        losses.sort_by_key(|(number, _)| *number);
        losses
    });
    assert_eq!(on_cpu.len(), 16);
    for ((number, want), (_, have)) in on_cpu.iter().zip(&on_gpu) {
        assert!((have - want).abs() < 1e-5 * want, "learner {number}: {have} for {want}");
    }
}

fn loss(folder: &Folder, line: &str) -> f64 {
    folder.run(&format!("train {line} {ROLES} --summary s.json")).fine();
    folder.json("s.json")["log_loss"].as_f64().unwrap()
}

/// A folder with clicks in it, if there is an adapter.
fn with_clicks(records: u64) -> Option<Folder> {
    match gpu::adapter::find(Wanted::Best) {
        Ok(_) => {
            let folder = Folder::new();
            folder.file("clicks.csv", stream(Generator::Clicks, records));
            Some(folder)
        }
        Err(error) if std::env::var("TIDEMILL_REQUIRE_GPU").is_ok_and(|value| value == "1") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: no adapter ({error})");
            None
        }
    }
}
