//! What comes of steps that are too large: a run ends at the first prediction that is no number, no such model is ever
//! stored, and a loss that explodes is named with the step to try.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::{Folder, column, stream};
use tidemill::sink::model::SavedModel;
use tidemill::source::synthetic::Generator;

/// Records of so many numbers, the label being the sign of their sum, noisily.
fn wide(rows: usize, columns: usize) -> String {
    let mut state = 7u64;
    // Mean 0, variance 1.
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f64 / (1u64 << 24) as f64 - 0.5) * 12f64.sqrt()
    };
    let mut text = format!("y,{}\n", (0..columns).map(|at| format!("x{at}")).collect::<Vec<_>>().join(","));
    for _ in 0..rows {
        let values: Vec<f64> = (0..columns).map(|_| draw()).collect();
        let label = values.iter().sum::<f64>() / (columns as f64).sqrt() + 0.5 * draw() > 0.0;
        let fields: Vec<String> = values.iter().map(|x| format!("{x:.3}")).collect();
        text += &format!("{},{}\n", u8::from(label), fields.join(","));
    }
    text
}

/// A folder with a model whose weights are finite, but whose sums overflow, both ways, at the 2,501st record of `in.csv`.
fn on_the_edge() -> Folder {
    let folder = Folder::new();
    let record = |at: u64| format!("{},{},{},{}\n", at % 2, if at == 2501 { 1e6 } else { (at % 3) as f64 }, "a", "b");
    folder.file("in.csv", (1..=4000).fold("y,x,c,d\n".to_owned(), |text, at| text + &record(at)));
    let short: String = folder.text("in.csv").lines().take(2001).map(|line| format!("{line}\n")).collect();
    folder.file("short.csv", short);
    let learner = "--optimizer sgd --learning-rate 50 --hash-bits 4 --device cpu --quiet";
    folder.run(&format!("train short.csv --label y {learner} --model model")).fine();
    let mut saved = SavedModel::read(&folder.path("model")).unwrap();
    saved.model.dense_a[0] = 1e38;
    saved.model.table.fill([-3e38, 0.0]);
    saved.write(&folder.path("model")).unwrap();
    folder
}

#[test]
fn a_run_ends_at_the_first_prediction_that_is_no_number() {
    let folder = on_the_edge();
    let before = folder.bytes("model");
    for learner in ["--update record", "--update batch", "--update record --batch 100 --threads 4"] {
        let line =
            format!("train in.csv --warm-start model {learner} --device cpu --predictions p.csv --summary s.json");
        let ended = folder.run(&format!("{line} --model model"));
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        let expected = "learning diverged: the prediction of record 2501 is not a finite number; \
                        try --learning-rate 5 (a tenth) instead of 50";
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert_eq!(column(&folder.text("p.csv"), "record").last().unwrap(), "2500");
        assert_eq!(folder.json("s.json")["records"], 2500);
        assert!(folder.bytes("model") == before, "the file that was there stays");
        folder.run(&format!("{line} --model new"));
        assert!(!folder.has("new"));
    }
}

#[test]
fn predicting_ends_there_too_and_blames_no_step() {
    let folder = on_the_edge();
    let ended = folder.run("predict in.csv --model model --predictions p.csv");
    assert_eq!((ended.code, column(&folder.text("p.csv"), "record").len()), (Some(2), 2500), "{}", ended.stderr);
    assert!(ended.stderr.contains("record 2501") && !ended.stderr.contains("--learning-rate"), "{}", ended.stderr);
}

#[test]
fn a_squared_penalty_of_any_strength_only_ever_pulls_to_0() {
    let folder = Folder::new();
    folder.file("in.csv", stream(Generator::Hyperplane, 3000));
    for optimizer in ["sgd --learning-rate 0.05", "adagrad", "ftrl"] {
        for update in ["record", "batch"] {
            let line = format!("--update {update} --optimizer {optimizer} --l2 1000000 --model m --summary s.json");
            folder.run(&format!("train in.csv --label y --device cpu {line}")).fine();
            let loss = folder.json("s.json")["log_loss"].as_f64().unwrap();
            assert!(loss < 1.5, "{line}: {loss}");
        }
    }
}

#[test]
fn an_exploding_loss_is_named_with_the_step_to_try() {
    let folder = Folder::new();
    folder.file("wide.csv", wide(10_000, 200));
    let line = "train wide.csv --label y --device cpu --summary s.json --model m";
    for learner in ["adagrad --learning-rate", "ftrl --learning-rate", "sgd --update batch --learning-rate"] {
        // The first is the best of the decades, the second is ten times the largest that is any good.
        for (rate, smaller, explodes) in [("0.01", "0.001", false), ("2", "0.2", true)] {
            let mut said = Vec::new();
            for threads in [1, 3] {
                folder.run(&format!("{line} --optimizer {learner} {rate} --threads {threads}")).fine();
                said.push(folder.json("s.json")["warnings"].to_string());
            }
            assert_eq!(said[0], said[1], "{learner} {rate}");
            let expected =
                ["the loss exploded at record 1: ", "over the next 4096", &format!("try --learning-rate {smaller} (")];
            let has_all = expected.iter().all(|word| said[0].contains(word));
            assert_eq!(has_all, explodes, "{learner} {rate}: {}", said[0]);
            assert!(!said[0].contains("base rate"), "{learner} {rate}: {}", said[0]);
        }
    }
}

#[test]
fn ordinary_runs_are_not_warned_of() {
    let folder = Folder::new();
    for job in ["clicks", "fraud", "ratings"] {
        let job = format!("{}/examples/{job}.toml", env!("CARGO_MANIFEST_DIR"));
        for update in ["record", "batch"] {
            let line = format!("train {job} --generate {} --rows 30000 --update {update}", stem(&job));
            folder.run(&format!("{line} --device cpu --summary s.json")).fine();
            assert_eq!(folder.json("s.json")["warnings"], serde_json::json!([]), "{line}");
        }
    }
}

fn stem(path: &str) -> &str {
    path.rsplit('/').next().unwrap().trim_end_matches(".toml")
}
