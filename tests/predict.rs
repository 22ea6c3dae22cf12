//! What `tidemill predict` makes of a model: its predictions, its own options, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::{Folder, ROLES, column, map_records, numbers, stream, with_model};
use tidemill::sink::model::SavedModel;
use tidemill::source::synthetic::Generator;

#[test]
fn predicting_gives_what_the_model_file_says() {
    let folder = Folder::new();
    let text = stream(Generator::Hyperplane, 3000);
    folder.file("in.csv", &text);
    folder.run("train in.csv --label y --device cpu --model model --quiet").fine();
    let before = folder.bytes("model");
    let predictions = folder.run("predict --model model in.csv --quiet").fine();
    assert_eq!(before, folder.bytes("model"), "predicting leaves the model alone");

    let saved = SavedModel::read(&folder.path("model")).unwrap();
    let scale = |name: &str| &saved.scaler.iter().find(|(known, _)| known == name).unwrap().1;
    let [count, shift, sum, squares] = ["count", "shift", "sum", "squares"].map(scale);
    let columns: Vec<Vec<f64>> = (0..10).map(|at| numbers(&text, &format!("x{at}"))).collect();
    let weights = saved.model.dense_weights();
    let logits = numbers(predictions.out(), "logit");
    for (row, logit) in logits.iter().enumerate() {
        let mut expected = f64::from(saved.model.bias_weight());
        for at in 0..10 {
            let mean = sum[at] / count[at];
            let spread = (squares[at] / count[at] - mean * mean).sqrt();
            expected += f64::from(weights[at]) * (columns[at][row] - shift[at] - mean) / spread;
        }
        assert!((expected - logit).abs() < 1e-4, "record {}: {expected} and {logit}", row + 1);
    }
    assert_eq!(logits.len(), 3000);
    assert!(column(predictions.out(), "model_version").iter().all(|version| version == "3000"));
}

#[test]
fn predicting_shows_the_options_that_the_model_learned_by() {
    let folder = with_model();
    let line = "--update batch --batch 100 --optimizer ftrl --learning-rate 0.2 --l2 0.5 --model other";
    folder.run(&format!("train clicks.csv {ROLES} {line}")).fine();
    let stderr = folder.run("predict --model other clicks.csv --predictions p.csv --summary s.json").fine().stderr;
    let expected = "\nmodel       update batch, batch 100, ftrl, learning rate 0.2, l2 0.5, 2^12 weights\n";
    assert!(stderr.contains(expected) && !stderr.contains("learner"), "{stderr}");
    let summary = folder.json("s.json");
    assert_eq!((&summary["update"], &summary["batch"], &summary["updates"]), (&"batch".into(), &100.into(), &0.into()));
}

#[test]
fn predicting_needs_no_label() {
    let folder = with_model();
    let with = folder.run("predict --model model clicks.csv --quiet").fine();
    folder.file(
        "unlabelled.csv",
        folder
            .text("clicks.csv")
            .lines()
            .map(|line| {
                let mut fields: Vec<_> = line.split(',').collect();
                fields.remove(8);
                fields.join(",") + "\n"
            })
            .collect::<String>(),
    );
    let without = folder.run("predict --model model unlabelled.csv").fine();
    for name in ["record", "number", "probability", "logit", "model_version"] {
        assert_eq!(column(with.out(), name), column(without.out(), name), "{name}");
    }
    assert!(column(without.out(), "label").iter().all(String::is_empty));
    assert!(without.stderr.contains("no record had a label"), "{}", without.stderr);
}

#[test]
fn predicting_finds_columns_in_any_order() {
    let folder = Folder::new();
    let text = stream(Generator::Hyperplane, 2000);
    let with_category = map_records(&text, |_, fields| format!("{},{}", fields.join(","), &fields[0][..2]));
    let straight = with_category.replacen("x9,y\n", "x9,y,sign\n", 1);
    let turned = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(",") + "\n";
    folder.file("in.csv", &straight);
    folder.file("turned.csv", straight.lines().map(turned).collect::<String>());
    folder.run("train in.csv --label y --device cpu --log x3 --categorical sign --model model --hash-bits 8").fine();
    let [straight, turned] = ["in", "turned"].map(|name| {
        let ended = folder.run(&format!("predict --model model {name}.csv --quiet")).fine();
        assert_eq!(column(ended.out(), "label"), column(&text, "y"));
        numbers(ended.out(), "logit")
    });
    assert!(straight.iter().any(|logit| logit.abs() > 1.0));
    straight.iter().zip(&turned).for_each(|(a, b)| assert!((a - b).abs() < 1e-4, "{a} and {b}"));
}

#[test]
fn predicting_takes_the_roles_of_its_own_input() {
    let folder = with_model();
    let whole = folder.run("predict --model model clicks.csv --quiet").fine();
    // The label is written in words and has another name, and so has the id.
    let other = map_records(&folder.text("clicks.csv"), |_, mut fields| {
        fields[8] = if fields[8] == "1" { "bought" } else { "left" };
        fields.join(",")
    });
    folder.file("other.csv", other.replacen("click,number\n", "outcome,key\n", 1));
    let ended = folder.run("predict --model model other.csv --quiet").fine();
    assert!(ended.out().starts_with("record,probability,") && column(ended.out(), "label")[0].is_empty());
    let roles = "--label outcome --positive bought --id key";
    let ended = folder.run(&format!("predict --model model other.csv {roles} --summary s.json --quiet")).fine();
    assert_eq!(ended.out(), whole.out().replacen("number", "key", 1));
    assert_eq!(folder.json("s.json")["labelled"], 1000);
    let ended = folder.run("predict --model model clicks.csv --id click --quiet").fine();
    assert!(ended.out().starts_with("record,click,probability,") && column(ended.out(), "label")[0].is_empty());
    folder.run("predict --model model other.csv --weight position --quiet").refused(&[
        "--weight",
        "\"position\"",
        "a feature",
    ]);
    folder.run("predict --model model other.csv --id number").refused(&["--id", "\"number\"", "outcome, key"]);
    folder.run("predict --model model other.csv --id key --label key").refused(&["\"key\"", "one role"]);
}

#[test]
fn predicting_refuses_a_stream_with_other_columns() {
    let folder = with_model();
    folder.file("plane.csv", stream(Generator::Hyperplane, 10));
    folder.run("predict --model model plane.csv").refused(&["plane.csv", "lacks hour, price", "trained on"]);
    folder.file("clicks.toml", "");
    folder.run("predict --model clicks.csv clicks.csv").refused(&["clicks.csv", "not a safetensors file"]);
}

#[test]
fn a_pipe_is_predicted_in_the_format_that_the_model_learned() {
    let folder = Folder::new();
    let table = "y\tx\tc\n1\t2.5\ta\n0\t-1\tb\n1\t3\ta\n0\t-2\tb\n";
    folder.file("t.tsv", table);
    assert_eq!(folder.run("train t.tsv --label y --model m --quiet").code, Some(0));
    let from_file = folder.run("predict --model m t.tsv --quiet");
    let from_pipe = folder.run_with("predict --model m - --quiet", table.as_bytes());
    assert_eq!((from_pipe.code, &from_pipe.stdout), (Some(0), &from_file.stdout), "{}", from_pipe.stderr);
}

#[test]
fn a_label_that_is_not_known_yet_is_no_reason_not_to_predict() {
    let folder = Folder::new();
    folder.file("a.csv", "y,x\n1,2\n0,1\n1,3\n0,0\n");
    folder.file("b.csv", "y,x\n?,2\n1,1\n");
    assert_eq!(folder.run("train a.csv --label y --model m --quiet").code, Some(0));
    let ended = folder.run("predict --model m b.csv --quiet");
    let rows = String::from_utf8(ended.stdout).unwrap();
    assert_eq!((ended.code, rows.lines().count()), (Some(0), 3), "{rows}");
    assert!(rows.lines().nth(1).unwrap().ends_with(",,4"), "{rows}");
}
