//! Features are found again by name: in models, summaries and `tidemill inspect`, the same on any number of threads,
//! from a file or a pipe, and behind a resume.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod outcome;
mod program;

use outcome::{assert_same, outputs};
use program::{Folder, map_records, stream};
use tidemill::sink::model::SavedModel;
use tidemill::source::synthetic::Generator;

const LEARNER: &str = "--device cpu --quiet --batch 64 --names";

/// Those who come by night click, whoever they are.
fn visits(records: usize) -> String {
    let line = |at: usize| {
        let night = if at.is_multiple_of(3) { "night" } else { "day" };
        format!("{},{night},u{}\n", u8::from(at.is_multiple_of(3)), at * 7919 % 1999)
    };
    "click,when,user\n".to_owned() + &(0..records).map(line).collect::<String>()
}

#[test]
fn inspect_shows_the_heavy_feature_by_name() {
    let folder = Folder::new();
    folder.file("visits.csv", visits(4000));
    folder.run(&format!("train visits.csv --label click --model m --summary s.json {LEARNER}")).fine();
    let text = folder.run("inspect m --top 2").fine();
    let block = |title: &str| text.out().split(title).nth(1).unwrap().lines().skip(1).take(2).collect::<Vec<_>>();
    let heavy = block("largest weights of ");
    assert!(heavy.iter().any(|line| line.contains("  when=night, in 33 % of the records")), "{}", text.out());
    assert!(heavy.iter().any(|line| line.contains("  when=day, in 67 % of the records")), "{}", text.out());
    let frequent = block("most frequent features");
    assert!(frequent[0].contains("when=day") && frequent[1].contains("when=night"), "{}", text.out());
    assert!(text.out().contains("  user, ") && text.out().contains("           2  when, "), "{}", text.out());

    let features = &folder.json("s.json")["features"];
    assert_eq!(features["by_traffic"][0]["name"], "when=day");
    assert_eq!(features["advice"], serde_json::Value::Null);
    let saved = SavedModel::read(&folder.path("m")).unwrap();
    let known = saved.names.unwrap();
    let night = known.names.iter().find(|name| name.name == "when=night").unwrap();
    let weight = f64::from(saved.model.hashed_weights()[night.hash as usize & (saved.model.table.len() - 1)]);
    let by_weight = features["by_weight"].as_array().unwrap();
    let shown = by_weight.iter().find(|feature| feature["name"] == "when=night").unwrap();
    assert!(weight > 0.5 && (shown["weight"].as_f64().unwrap() - weight).abs() < 1e-6, "{weight} {shown}");
}

#[test]
fn a_table_that_is_too_small_is_said_to_be_and_one_that_is_advised_is_not() {
    let folder = Folder::new();
    folder.file("visits.csv", visits(4000));
    let train = "train visits.csv --label click --summary s.json --device cpu --names";
    let small = folder.run(&format!("{train} --hash-bits 9")).fine();
    let advice =
        small.stderr.lines().find(|line| line.starts_with("advice: ")).unwrap_or_else(|| panic!("{}", small.stderr));
    let bits = advice.split("--hash-bits ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(folder.json("s.json")["features"]["advice"].as_str().unwrap().contains(bits));
    let larger = folder.run(&format!("{train} --hash-bits {bits}")).fine();
    assert!(!larger.stderr.contains("advice: "), "{}", larger.stderr);
    assert!(folder.json("s.json")["features"]["shared"].as_f64().unwrap() < 0.02);
}

#[test]
fn names_are_the_same_on_any_number_of_threads_from_a_pipe_and_behind_a_resume() {
    let folder = Folder::new();
    let text = map_records(&stream(Generator::Clicks, 30_000), |at, fields| match at % 97 {
        0 => "too,few".into(),
        _ => fields.join(","),
    });
    let (header, records) = text.split_once('\n').unwrap();
    let lines: Vec<_> = records.lines().collect();
    let part = |lines: &[&str]| format!("{header}\n{}\n", lines.join("\n"));
    folder.file("a.csv", part(&lines[..13_000]));
    folder.file("b.csv", part(&lines[13_000..]));
    folder.file("all.csv", &text);
    let train = |inputs: &str, name: &str, more: &str| {
        let roles = "--label click --max-rejected 5%";
        format!("train {inputs} {roles} {LEARNER} {} {more}", outputs(name))
    };
    folder.run(&train("a.csv b.csv", "one", "--threads 1")).fine();
    folder.run(&train("a.csv b.csv", "three", "--threads 3")).fine();
    assert_same(&folder, "one", "three");
    let known = SavedModel::read(&folder.path("one.model")).unwrap().names.unwrap();
    assert!(known.names.len() == 1000 && known.features.value > 1000.0, "{known:?}");

    folder.run(&train("a.csv", "parts", "--checkpoint kept --threads 2")).fine();
    folder.run(&train("a.csv b.csv", "parts", "--checkpoint kept --resume --threads 1")).fine();
    assert_same(&folder, "one", "parts");
    assert!(folder.run("inspect kept").fine().out().contains("most frequent features"));

    folder.run(&train("all.csv", "file", "")).fine();
    folder.run_with(&train("-", "pipe", "--threads 2"), text.as_bytes()).fine();
    let [file, pipe] = ["file.model", "pipe.model"].map(|name| SavedModel::read(&folder.path(name)).unwrap().names);
    assert!(file.is_some() && file == pipe);
}

#[test]
fn predicting_tells_no_names_and_a_model_without_them_is_shown() {
    let folder = Folder::new();
    folder.file("visits.csv", visits(500));
    folder.run(&format!("train visits.csv --label click --model m {LEARNER}")).fine();
    folder.run("predict --model m visits.csv --predictions p.csv --summary s.json --quiet").fine();
    assert_eq!(folder.json("s.json")["features"], serde_json::Value::Null);
    let model = SavedModel { names: None, ..SavedModel::read(&folder.path("m")).unwrap() };
    folder.run(&format!("train visits.csv --label click --model without {LEARNER}=false")).fine();
    let without = SavedModel::read(&folder.path("without")).unwrap();
    assert!(without.names.is_none() && without.model == model.model && without.job == model.job);
    let text = folder.run("inspect without").fine();
    assert!(text.out().contains("hashed table: 2^18") && !text.out().contains("most frequent"), "{}", text.out());
}
