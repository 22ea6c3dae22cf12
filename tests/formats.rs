//! Files of every layout that there has been are still read, with the results that were recorded when they were made.
//!
//! `tests/formats/checkpoint-V` holds a checkpoint of layout `V`: its job, its inputs, and what the run gave that went on
//! from it: predictions, rejected records, model. `tests/formats/model-V` holds a model, an input and its predictions. A
//! layout that changes needs a new version, a reader that keeps the old one, and files of its own; those that are here
//! are never made again. After raising `VERSION`, make them with
//!
//! ```text
//! cargo test --test formats -- --ignored
//! ```
//!
//! which makes what is missing and leaves alone what is there. Streams, sums and roundings are the same everywhere, so
//! the files hold on every machine. The records themselves are stored, so that a generator may change.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use std::path::{Path, PathBuf};

use program::{Folder, map_records, stream};
use tidemill::checkpoint::{self, Checkpoint, store::file_of};
use tidemill::schema::Schema;
use tidemill::sink::model::{self, SavedModel};
use tidemill::sink::output::Written;
use tidemill::source::synthetic::Generator;

const JOB: &str = "[source]\nlabel = 'click'\nid = 'time'\nnumeric = ['hour', 'price']\n\
    categorical = ['ad', 'device', 'position']\nignore = ['user', 'site']\nlog = ['price']\n\n\
    [learner]\noptimizer = 'ftrl'\nlearning-rate = 0.25\nl1 = 0.01\nl2 = 0.5\nbatch = 32\nhash-bits = 6\n\
    device = 'cpu'\n\n[output]\nmax-rejected = '50'\npredictions = 'predictions.csv'\nrejected = 'rejected.jsonl'\n\
    model = 'model.safetensors'\n";
const TRAIN: &str = "train job.toml a.csv b.csv --quiet --checkpoint kept";
const PREDICT: &str =
    "predict --model model.safetensors input.csv --quiet --max-rejected 50 --predictions predictions.csv";

/// The folders of one format with the versions of their layouts.
fn versions(format: &str) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(formats()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        found.extend(name.strip_prefix(format).map(|version| (version.to_owned(), path)));
    }
    found
}

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap_or_else(|cause| panic!("{name} in {}: {cause}", folder.display()))
}

/// Fills a folder to run in with some of the stored files.
fn with(stored: &Path, names: &[&str]) -> Folder {
    let folder = Folder::new();
    for name in names {
        folder.file(name, read(stored, name));
    }
    folder
}

/// Whether two models are the same but for the last places of their weights: a later version of the program may round
/// differently on its way, and must find everything where it was.
fn is_same_model(a: &Path, b: &Path) -> bool {
    let [a, b] = [a, b].map(|path| SavedModel::read(path).unwrap());
    let schema = |saved: &SavedModel| serde_json::from_value::<Schema>(saved.schema.clone()).unwrap();
    let counts = |saved: &SavedModel| (saved.model.shape(), saved.model.updates, saved.model.learned);
    let rest = (counts(&a), &a.scaler, &a.job) == (counts(&b), &b.scaler, &b.job) && schema(&a) == schema(&b);
    let slots = |saved: &SavedModel| {
        let model = &saved.model;
        let table = model.table.iter().chain([&model.bias]).flatten();
        table.chain(&model.dense_a).chain(&model.dense_b).copied().collect::<Vec<f32>>()
    };
    let is_near = |(a, b): (f32, f32)| (a - b).abs() <= 1e-6 * (1.0 + b.abs());
    rest && slots(&a).into_iter().zip(slots(&b)).all(is_near)
}

#[test]
fn the_layouts_that_are_written_have_their_files() {
    for (format, version) in [("checkpoint-", checkpoint::VERSION), ("model-", model::VERSION)] {
        assert!(versions(format).iter().any(|(known, _)| known == version), "make them, see the head of this file");
    }
}

#[test]
fn checkpoints_of_every_layout_are_gone_on_from_to_the_recorded_end() {
    for (version, stored) in versions("checkpoint-") {
        let folder = with(&stored, &["job.toml", "a.csv", "b.csv"]);
        let path = file_of(&stored).unwrap();
        let checkpoint = Checkpoint::read(&path).unwrap();
        std::fs::create_dir(folder.path("kept")).unwrap();
        std::fs::copy(&path, folder.path("kept").join(path.file_name().unwrap())).unwrap();
        // What was written behind the checkpoint is cut off, and comes again.
        let outputs =
            [("predictions.csv", checkpoint.header.predictions), ("rejected.jsonl", checkpoint.header.rejected)];
        for (name, written) in outputs {
            let Some(Written::Bytes(length)) = written else { panic!("{name} of layout {version}: {written:?}") };
            let whole = read(&stored, name);
            let before = &whole[..length as usize];
            assert!(!before.is_empty() && before.len() < whole.len(), "{name} goes on behind the checkpoint");
            folder.file(name, [before, b"behind it\n"].concat());
        }
        folder.run("inspect kept").fine();
        folder.run(&format!("{TRAIN} --resume")).fine();
        for (name, _) in outputs {
            assert_eq!(folder.text(name), String::from_utf8(read(&stored, name)).unwrap(), "layout {version}: {name}");
        }
        let model = "model.safetensors";
        assert!(is_same_model(&folder.path(model), &stored.join(model)), "layout {version}: the model is another one");
    }
}

#[test]
fn models_of_every_layout_predict_what_they_predicted() {
    for (version, stored) in versions("model-") {
        let folder = with(&stored, &["model.safetensors", "input.csv"]);
        folder.run(PREDICT).fine();
        let expected = String::from_utf8(read(&stored, "predictions.csv")).unwrap();
        assert_eq!(folder.text("predictions.csv"), expected, "layout {version}");
    }
}

/// Clicks, some without a price, some of them unusable; 120 records each.
fn inputs() -> [String; 2] {
    let text = stream(Generator::Clicks, 240);
    let text = map_records(&text, |at, mut fields| match at % 60 {
        7 => "too,few".into(),
        20 => fields.join(",").replace(fields[7], "cheap"),
        33 => {
            fields[7] = "";
            fields.join(",")
        }
        _ => fields.join(","),
    });
    let (header, records) = text.split_once('\n').unwrap();
    let lines: Vec<_> = records.lines().collect();
    [&lines[..120], &lines[120..]].map(|part| format!("{header}\n{}\n", part.join("\n")))
}

#[test]
#[ignore = "makes the stored files of a new layout"]
fn make_what_is_missing() {
    let [a, b] = inputs();
    let folder = Folder::new();
    for (name, text) in [("job.toml", JOB), ("a.csv", &a), ("b.csv", &b)] {
        folder.file(name, text);
    }
    // The whole run, for what is expected; then one that has seen half of the second input.
    folder.run(&TRAIN.replace("kept", "whole")).fine();
    let [predictions, rejected, model] =
        ["predictions.csv", "rejected.jsonl", "model.safetensors"].map(|name| folder.bytes(name));
    let half = b.lines().take(1 + 50).map(|line| format!("{line}\n")).collect::<String>();
    folder.file("b.csv", half);
    folder.run(TRAIN).fine();
    let kept = file_of(&folder.path("kept")).unwrap();
    let name = kept.file_name().unwrap().to_str().unwrap().to_owned();
    make(
        &format!("checkpoint-{}", checkpoint::VERSION),
        &[
            ("job.toml", JOB.as_bytes()),
            ("a.csv", a.as_bytes()),
            ("b.csv", b.as_bytes()),
            (&name, &std::fs::read(&kept).unwrap()),
            ("predictions.csv", &predictions),
            ("rejected.jsonl", &rejected),
            ("model.safetensors", &model),
        ],
    );

    folder.file("model.safetensors", &model);
    folder.file("input.csv", &a);
    folder.run(PREDICT).fine();
    let files =
        [("model.safetensors", model), ("input.csv", a.into()), ("predictions.csv", folder.bytes("predictions.csv"))];
    make(&format!("model-{}", model::VERSION), &files.each_ref().map(|(name, bytes)| (*name, bytes.as_slice())));
}

/// Fills a folder that is not there yet; one that is stays as it is.
fn make(name: &str, files: &[(&str, &[u8])]) {
    let folder = formats().join(name);
    if folder.exists() {
        return;
    }
    std::fs::create_dir_all(&folder).unwrap();
    files.iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).unwrap());
}
