//! What `train --warm-start` makes of a model: it goes on exactly, or keeps the weights, and says what it refuses.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::{Folder, ROLES, column, map_records, numbers, stream, with_model};
use tidemill::sink::model::SavedModel;
use tidemill::source::synthetic::Generator;

const OPTIMIZERS: [&str; 4] = [
    "sgd --learning-rate 0.02",
    "sgd --learning-rate 0.5 --power-t 0.5 --l2 0.001",
    "adagrad --l1 0.0001 --l2 0.0001",
    "ftrl --l1 0.5 --l2 0.5",
];

/// Cuts a stream behind so many records; both parts have the header.
fn cut(folder: &Folder, text: &str, records: usize) {
    let (header, lines) = text.split_once('\n').unwrap();
    let lines: Vec<_> = lines.lines().collect();
    for (name, part) in [("a.csv", &lines[..records]), ("b.csv", &lines[records..])] {
        folder.file(name, format!("{header}\n{}\n", part.join("\n")));
    }
    folder.file("all.csv", text);
}

#[test]
fn going_on_with_a_model_is_as_if_there_had_been_no_pause() {
    let folder = Folder::new();
    let roles = [(Generator::Hyperplane, "--label y"), (Generator::Ratings, "--label liked --time time --id item")];
    for (generator, roles) in roles {
        cut(&folder, &stream(generator, 3500), 1536);
        for optimizer in OPTIMIZERS {
            for update in ["record", "batch"] {
                let learner = format!("--update {update} --optimizer {optimizer} --batch 128 --hash-bits 12");
                let line = format!("--device cpu --quiet --predictions p.csv {roles} {learner}");
                folder.run(&format!("train all.csv --model whole {line}")).fine();
                let predicted = folder.text("p.csv");
                folder.run(&format!("train a.csv --model first {line}")).fine();
                let rest = "train b.csv --warm-start first --model second --device cpu --quiet --predictions p.csv";
                folder.run(rest).fine();
                assert!(folder.bytes("whole") == folder.bytes("second"), "{learner}: models differ");
                let tail = |text: &str, name| column(text, name)[..].to_vec();
                for name in ["logit", "model_version"] {
                    assert_eq!(tail(&predicted, name)[1536..], tail(&folder.text("p.csv"), name), "{learner}: {name}");
                }
            }
        }
    }
}

#[test]
fn another_rule_predicts_what_the_model_predicts() {
    let folder = Folder::new();
    let text = stream(Generator::Ratings, 3000);
    cut(&folder, &text, 2000);
    // Without labels nothing is learned, so that the weights show; there are no scales either.
    folder.file(
        "unlabelled.csv",
        map_records(&folder.text("b.csv"), |_, mut fields| {
            let last = fields.len() - 1;
            fields[last] = "";
            fields.join(",")
        }),
    );
    for from in OPTIMIZERS {
        let line = "--label liked --time time --categorical user,item,genre,hour,weekday --device cpu --hash-bits 12 --quiet \
                    --model m";
        folder.run(&format!("train a.csv --optimizer {from} {line}")).fine();
        let before = numbers(folder.run("predict --model m unlabelled.csv --quiet").fine().out(), "logit");
        assert!(before.iter().any(|logit| logit.abs() > 0.1));
        for to in OPTIMIZERS {
            let line =
                format!("train unlabelled.csv --warm-start m --optimizer {to} --device cpu --quiet --predictions -");
            let after = numbers(folder.run(&line).fine().out(), "logit");
            let worst = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-5, "{from} as {to}: {worst}");
        }
    }
}

#[test]
fn another_rule_starts_from_what_was_learned() {
    let folder = Folder::new();
    cut(&folder, &stream(Generator::Hyperplane, 24_000), 20_000);
    for from in OPTIMIZERS {
        for to in ["adagrad", "ftrl", "sgd --learning-rate 0.02"] {
            folder.run(&format!("train a.csv --label y --optimizer {from} --device cpu --quiet --model m")).fine();
            let line = format!("train b.csv --optimizer {to} --label y --device cpu --quiet --summary s.json");
            folder.run(&line).fine();
            let cold = folder.json("s.json")["log_loss"].as_f64().unwrap();
            folder.run(&format!("{line} --warm-start m")).fine();
            let warm = folder.json("s.json")["log_loss"].as_f64().unwrap();
            assert!(warm < cold + 0.001, "{from} as {to}: {warm}, and {cold} from nothing");
        }
    }
}

#[test]
fn versions_go_on_and_updates_count_this_run() {
    let folder = with_model();
    let line = "train clicks.csv --warm-start model --device cpu";
    let stderr = folder.run(&format!("{line} --model model --summary s.json --predictions p.csv")).fine().stderr;
    assert!(stderr.contains("warm start: version 1,000 (adagrad) goes on exactly\n"), "{stderr}");
    let summary = folder.json("s.json");
    assert_eq!((&summary["updates"], &summary["model_version"]), (&1000.into(), &2000.into()));
    let predictions = folder.text("p.csv");
    assert_eq!(column(&predictions, "model_version")[0], "1000");
    assert!(predictions.starts_with("record,number,"), "the id is the model's");
    let model = SavedModel::read(&folder.path("model")).unwrap().model; // in and out of the same file
    assert_eq!((model.updates, model.learned, model.hash_bits), (2000, 2000, 12));
    let stderr = folder.run(&format!("{line} --optimizer ftrl")).fine().stderr;
    assert!(stderr.contains("warm start: version 2,000 (adagrad) as ftrl, weights kept"), "{stderr}");
    assert!(folder.run(&format!("{line} --quiet")).fine().stderr.is_empty());
}

#[test]
fn a_job_file_names_the_model_to_train_on() {
    let folder = with_model();
    folder.file("job.toml", "[source]\ninput = ['clicks.csv']\n[learner]\nwarm-start = 'model'\ndevice = 'cpu'\n");
    folder.run("train job.toml --summary s.json").fine();
    assert_eq!(folder.json("s.json")["model_version"], 2000);
}

#[test]
fn columns_are_found_by_name_in_any_order() {
    let folder = Folder::new();
    let text = map_records(&stream(Generator::Hyperplane, 2000), |_, fields| fields.join(","));
    cut(&folder, &text, 1024);
    let turned = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(",") + ",new\n";
    folder.file("turned.csv", folder.text("b.csv").lines().map(turned).collect::<String>());
    folder.run("train a.csv --label y --log x3 --ignore x5 --device cpu --model m --hash-bits 4 --quiet").fine();
    let [straight, other] = ["b", "turned"].map(|name| {
        let line = format!("train {name}.csv --warm-start m --device cpu --predictions - --quiet --model {name}");
        numbers(folder.run(&line).fine().out(), "logit")
    });
    straight.iter().zip(&other).for_each(|(a, b)| assert!((a - b).abs() < 1e-4, "{a} and {b}"));
    // What was trained on is a model as any other.
    let [straight, other] = ["b", "turned"]
        .map(|name| numbers(folder.run(&format!("predict --model {name} all.csv --quiet")).fine().out(), "logit"));
    straight.iter().zip(&other).for_each(|(a, b)| assert!((a - b).abs() < 1e-4, "{a} and {b}"));
    // The roles that the model has may be said again.
    let named = "--label y --log x3 --numeric x0,x1 --ignore x5";
    folder.run(&format!("train b.csv --warm-start m --device cpu --quiet {named}")).fine();
}

#[test]
fn a_pipe_is_read_in_the_format_that_the_model_learned() {
    let folder = Folder::new();
    let table = "y\tx\tc\n1\t2.5\ta\n0\t-1\tb\n1\t3\ta\n0\t-2\tb\n";
    folder.file("t.tsv", table);
    folder.run("train t.tsv --label y --device cpu --model m --quiet").fine();
    let line = "--warm-start m --device cpu --quiet --model";
    folder.run(&format!("train t.tsv {line} file")).fine();
    folder.run_with(&format!("train - {line} pipe"), table.as_bytes()).fine();
    assert!(folder.bytes("file") == folder.bytes("pipe"));
}

#[test]
fn what_cannot_be_trained_on_is_refused_with_what_to_do() {
    let folder = with_model();
    let line = "train clicks.csv --device cpu --warm-start";
    folder.run(&format!("{line} none")).refused(&["cannot read none"]);
    folder.run(&format!("{line} clicks.csv")).refused(&["clicks.csv", "not a safetensors file"]);
    folder.run(&format!("{line} model --hash-bits 13")).refused(&["--hash-bits 13", "write --hash-bits 12"]);
    folder.run(&format!("{line} model --numeric ad")).refused(&["--numeric", "\"ad\"", "train a new model"]);
    folder.run(&format!("{line} model --log price")).refused(&["--log", "\"price\""]);
    folder.run(&format!("{line} model --ignore price")).refused(&["--ignore", "\"price\""]);
    folder.run(&format!("{line} model --categorical number")).refused(&[
        "--categorical",
        "\"number\"",
        "did not learn",
    ]);
    folder.run(&format!("{line} model --predictions model")).refused(&["--predictions", "the model of --warm-start"]);
    folder.file("plane.csv", stream(Generator::Hyperplane, 10));
    folder.run("train plane.csv --warm-start model").refused(&["plane.csv", "lacks hour, price", "trained on"]);
    let unlabelled = folder.text("clicks.csv").replacen(",click,", ",clicked,", 1);
    folder.file("other.csv", unlabelled);
    folder.run("train other.csv --warm-start model").refused(&["other.csv", "click", "--label COLUMN"]);
    folder.run("train other.csv --warm-start model --label clicked --device cpu").fine();
    folder.run(&format!("train clicks.csv {ROLES} --warm-start")).refused(&[]);
}
