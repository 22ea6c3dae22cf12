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
fn pairs_of_features_that_are_spelled_out_come_in_the_order_of_namespaces() {
    let Some(folder) = with_clicks(10) else { return };
    folder.file("pairs.toml", PAIRS);
    let line = |at: u32| {
        // Namespaces in another order in every second record.
        let (x, y) = (at * 7 % 5, at * 3 % 4);
        let label = if (x + y).is_multiple_of(3) { 1 } else { -1 };
        if at.is_multiple_of(2) { format!("{label} |b x{x} |a y{y}\n") } else { format!("{label} |a y{y} |b x{x}\n") }
    };
    folder.file("in.vw", (0..2000).map(line).collect::<String>());
    let args = "--quiet --update batch --batch 32 --summary s.json";
    let [on_cpu, on_gpu] = ["cpu", "gpu"].map(|device| {
        folder.run(&format!("train pairs.toml in.vw {args} --device {device}")).fine();
        folder.json("s.json")["log_loss"].as_f64().unwrap()
    });
    assert!((on_cpu - on_gpu).abs() < 1e-5 * on_cpu, "{on_cpu} {on_gpu}");
}

#[test]
fn what_is_imputed_is_in_no_pair_on_either_device() {
    let Some(folder) = with_clicks(3000) else { return };
    let columns = folder.text("clicks.csv").lines().next().unwrap().to_owned();
    let category = columns.split(',').find(|name| *name != "click" && *name != "hour").unwrap().to_owned();
    let text = folder.text("clicks.csv");
    let at = columns.split(',').position(|name| name == category).unwrap();
    let holes = program::map_records(&text, |row, mut fields| {
        if row % 3 == 0 {
            fields[at] = "";
        }
        fields.join(",")
    });
    folder.file("holes.csv", holes);
    folder.file("pairs.toml", format!("[[transform]]\nimpute = {{ {category} = 'most-frequent' }}\n{PAIRS}"));
    let categories = format!("--categorical {category}");
    let [on_cpu, on_gpu] = ["cpu", "gpu"].map(|device| {
        loss(&folder, &format!("pairs.toml holes.csv {categories} --update batch --batch 64 --device {device}"))
    });
    assert!((on_cpu - on_gpu).abs() < 1e-5 * on_cpu, "{on_cpu} {on_gpu}");
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
fn later_passes_lose_the_same_wherever_the_stream_was_kept() {
    let Some(folder) = with_clicks(6000) else { return };
    let losses = |more: &str| -> Vec<f64> {
        folder.run(&format!("train clicks.csv {ROLES} --passes 3 {more} --summary s.json")).fine();
        let summary = folder.json("s.json");
        let later = summary["later_passes"].as_array().unwrap().iter();
        later.map(|pass| pass["log_loss_on_records_learned_before"].as_f64().unwrap()).collect()
    };
    for update in ["record", "batch"] {
        let on_cpu = losses(&format!("--update {update} --device cpu"));
        assert_eq!(on_cpu.len(), 2);
        // On the device; the beginning of it there and the rest in memory or on the disk; nothing there.
        for kept in ["", "--replay-memory 900K", "--replay-memory 0", "--replay-file kept.arrow"] {
            let on_gpu = losses(&format!("--update {update} --device gpu {kept}"));
            for (have, want) in on_gpu.iter().zip(&on_cpu) {
                assert!((have - want).abs() < 1e-5 * want, "{update} {kept}: {on_gpu:?} {on_cpu:?}");
            }
        }
    }
}

#[test]
fn a_sweep_ranks_its_learners_alike_on_both_devices() {
    let Some(folder) = with_clicks(3000) else { return };
    for (grid, count) in [
        ("learning-rate=0.05,0.2;optimizer=adagrad,ftrl;update=record,batch;batch=32,128", 16),
        ("optimizer=adagrad,ftrl;update=record,batch;batch=32,128", 8), // each alone of its kind
    ] {
        ranks_alike(&folder, grid, count);
    }
}

fn ranks_alike(folder: &Folder, grid: &str, count: usize) {
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
    assert_eq!(on_cpu.len(), count);
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
