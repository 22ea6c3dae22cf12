//! Summaries side by side, as a user asks for them: of runs that were made here, of a sweep, and of what is none.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::{Folder, stream};
use serde_json::Value;
use tidemill::source::synthetic::Generator;

const TRAIN: &str = "clicks.csv --label click --device cpu --hash-bits 10 --quiet";

/// Two runs of one stream that differ in their step, and their summaries.
fn with_runs() -> Folder {
    let folder = Folder::new();
    folder.file("clicks.csv", stream(Generator::Clicks, 3000));
    folder.run(&format!("train {TRAIN} --summary a.json")).fine();
    folder.run(&format!("train {TRAIN} --learning-rate 0.5 --ignore user,site --summary b.json")).fine();
    folder
}

fn named<'a>(rows: &'a Value, name: &str) -> &'a Value {
    rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {rows}"))
}

#[test]
fn figures_and_settings_are_those_of_the_summaries() {
    let folder = with_runs();
    let (a, b) = (folder.json("a.json"), folder.json("b.json"));
    let compared = folder.run("compare a.json b.json --json").fine();
    let compared: Value = serde_json::from_str(compared.out()).unwrap();
    assert_eq!(compared["runs"], serde_json::json!(["a.json", "b.json"]));
    for key in
        ["log_loss", "auc", "pr_auc", "ece", "f1", "mcc", "kappa", "kappa_no_change", "normalized_entropy", "brier"]
    {
        let row = named(&compared["figures"], key);
        assert_eq!((&row["values"][0], &row["values"][1]), (&a[key], &b[key]), "{key}");
        assert!(a[key].is_f64(), "{key}");
        let difference = b[key].as_f64().unwrap() - a[key].as_f64().unwrap();
        assert_eq!(row["differences"], serde_json::json!([0.0, difference]), "{key}");
    }
    let better = if a["log_loss"].as_f64() < b["log_loss"].as_f64() { 1 } else { 2 };
    assert_eq!(named(&compared["figures"], "log_loss")["best"], better);
    let rate = &named(&compared["settings"], "learning_rate")["values"];
    assert_eq!((&rate[0], &rate[1]), (&a["learning_rate"], &b["learning_rate"]));
    assert_eq!(
        named(&compared["settings"], "job.source.ignore")["values"],
        serde_json::json!([null, ["user", "site"]])
    );
    let names: Vec<_> = compared["settings"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["learning_rate", "job.source.ignore"]);

    let text = folder.run("compare a.json b.json").fine();
    let loss = format!("{:.5}", a["log_loss"].as_f64().unwrap());
    let line = text.out().lines().find(|line| line.starts_with("log loss ")).unwrap();
    assert!(line.contains(&loss) && line.contains('*') && line.contains('('), "{line}");
    assert!(text.out().contains("learning_rate") && !text.out().contains("hash_bits"), "{}", text.out());
}

#[test]
fn a_run_held_against_itself_differs_in_nothing() {
    let folder = with_runs();
    let text = folder.run("compare a.json a.json a.json").fine();
    assert!(text.out().contains("the settings are the same") && text.out().contains("run 3  a.json"));
    assert!(!text.out().lines().skip_while(|line| !line.starts_with("figures")).skip(1).any(|line| line.contains('*')));
}

#[test]
fn a_threshold_moves_what_is_counted_at_it_and_nothing_else() {
    let folder = with_runs();
    folder.run(&format!("train {TRAIN} --threshold 0.2 --summary c.json")).fine();
    let compared = folder.run("compare a.json c.json --json").fine();
    let compared: Value = serde_json::from_str(compared.out()).unwrap();
    assert_eq!(compared["settings"].as_array().unwrap().len(), 1, "{}", compared["settings"]);
    let threshold = named(&compared["settings"], "threshold")["values"][1].as_f64().unwrap();
    assert!((threshold - 0.2).abs() < 4e-4 && threshold != 0.2, "{threshold}");
    let by = |key: &str| named(&compared["figures"], key)["differences"][1].as_f64().unwrap();
    assert!(by("recall") > 0.0, "{}", by("recall"));
    for key in ["log_loss", "auc", "pr_auc", "ece", "accuracy"] {
        assert_eq!(by(key), 0.0, "{key}");
    }
    folder.run(&format!("train {TRAIN} --threshold 1.5")).refused(&["--threshold 1.5", "write --threshold 0.5"]);
    folder
        .run(&format!("sweep {TRAIN} --grid learning-rate=0.1,0.2 --threshold 0.2"))
        .refused(&["--threshold does not go with a sweep"]);
}

#[test]
fn a_sweep_and_older_summaries_are_compared_as_far_as_they_go() {
    let folder = with_runs();
    folder.run(&format!("sweep {TRAIN} --grid learning-rate=0.05,0.5 --summary s.json")).fine();
    folder.file(
        "old.json",
        "{\"records\": 3000, \"labelled\": 3000, \"log_loss\": 0.25, \"warnings\": [\"an old one\"]}",
    );
    let text = folder.run("compare a.json s.json old.json").fine();
    let best = &folder.json("s.json")["learners"][0];
    assert!(text.out().contains(&format!("s.json (learner {}, the best of 2)", best["number"])), "{}", text.out());
    assert!(text.out().contains(&format!("{:.5}", best["log_loss"].as_f64().unwrap())), "{}", text.out());
    assert!(text.out().contains("n.a.") && text.out().contains("warning: run 3: an old one\n"), "{}", text.out());
}

#[test]
fn what_is_no_summary_is_refused() {
    let folder = with_runs();
    folder.run("compare a.json clicks.csv").refused(&["clicks.csv is no summary", "--summary"]);
    folder.run("compare a.json nowhere.json").refused(&["nowhere.json", "check the name"]);
    assert_eq!(folder.run("compare a.json").code, Some(2));
    let nine = "compare".to_owned() + &" a.json".repeat(9);
    assert_eq!(folder.run(&nine).code, Some(2));
}
