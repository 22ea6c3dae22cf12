//! The promises that scripts rely on: what each command writes, where, in what order, and with which exit code.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::{Ended, Folder, ROLES, column, ended, numbers, with_model};
use serde_json::Value;
use tidemill::sink::model::SavedModel;

/// No driver can be found: the machine looks as if it had no GPU.
fn without_gpu(folder: &Folder, line: &str) -> Ended {
    let mut command = folder.command(line);
    for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        command.env(name, "/nonexistent");
    }
    ended(command)
}

#[test]
fn predictions_in_csv_have_the_columns_of_the_contract() {
    let folder = with_model();
    let lines = folder.text("p.csv");
    assert_eq!(lines.lines().next(), Some("record,number,probability,logit,label,model_version"));
    assert_eq!(lines.lines().count(), 1001);
    assert_eq!(lines.lines().nth(1), Some("1,n 0,0.500000000,0.000000,0,0"));
    assert_eq!(column(&lines, "label"), column(&folder.text("clicks.csv"), "click"));
    let line = format!("train clicks.csv --ignore number --predictions p.csv {}", ROLES.replace("--id number", ""));
    folder.run(&line).fine();
    assert!(
        folder.text("p.csv").starts_with("record,probability,logit,label,model_version\n1,0.500000000,0.000000,0,0\n")
    );
}

#[test]
fn predictions_in_json_lines_say_the_same_as_in_csv() {
    let folder = with_model();
    let csv = folder.text("p.csv");
    folder.run(&format!("train clicks.csv {ROLES} --predictions p.jsonl")).fine();
    let lines = folder.text("p.jsonl");
    for (json, csv) in lines.lines().zip(csv.lines().skip(1)) {
        let object: serde_json::Map<String, Value> = serde_json::from_str(json).unwrap();
        let keys: Vec<_> = object.keys().map(String::as_str).collect();
        assert_eq!(keys, ["record", "number", "probability", "logit", "label", "model_version"]);
        let number = |(key, field): (&str, &str)| assert_eq!(object[key].as_f64(), field.parse().ok(), "{json}");
        keys.iter().copied().zip(csv.split(',')).filter(|(key, _)| *key != "number").for_each(number);
    }
    assert_eq!(lines.lines().count(), 1000);
}

#[test]
fn a_model_version_is_the_number_of_updates_before_the_prediction() {
    let folder = Folder::new();
    // The fourth record has no label, the sixth is rejected.
    folder.file("in.csv", "y,x\n1,1\n0,2\n1,3\n,4\n0,5\nmaybe,6\n1,7\n");
    let line = "train in.csv --label y --device cpu --batch 2 --max-rejected 1 --predictions p.csv --summary s.json";
    for (update, versions, updates) in
        [("record", ["0", "1", "2", "3", "3", "4"], 5), ("batch", ["0", "0", "1", "1", "2", "2"], 3)]
    {
        folder.run(&format!("{line} --update {update}")).fine();
        let predictions = folder.text("p.csv");
        assert_eq!(column(&predictions, "model_version"), versions, "{update}");
        assert_eq!(column(&predictions, "record"), ["1", "2", "3", "4", "5", "7"]);
        assert_eq!(column(&predictions, "label"), ["1", "0", "1", "", "0", "1"]);
        let summary = folder.json("s.json");
        assert_eq!((&summary["updates"], &summary["model_version"]), (&updates.into(), &updates.into()));
        assert_eq!(
            (&summary["records"], &summary["labelled"], &summary["rejected"]),
            (&6.into(), &5.into(), &1.into())
        );
    }
}

#[test]
fn standard_output_carries_what_was_asked_for_and_nothing_else() {
    let folder = with_model();
    let predictions = folder.bytes("p.csv");
    let line = format!("train clicks.csv {ROLES}");
    assert_eq!(folder.run(&format!("{line} --predictions -")).fine().stdout, predictions);
    assert!(folder.run(&line).fine().stdout.is_empty());
    let summary: Value = serde_json::from_slice(&folder.run(&format!("{line} --summary -")).fine().stdout).unwrap();
    assert_eq!(summary["records"], 1000);
    let model = folder.run(&format!("{line} --model -")).fine().stdout;
    assert_eq!(model, folder.bytes("model"));
}

#[test]
fn a_summary_has_the_keys_of_the_contract_in_its_order() {
    let folder = with_model();
    let summary = folder.json("s.json");
    let keys: Vec<_> = summary.as_object().unwrap().keys().map(String::as_str).collect();
    let promised = [
        "records",
        "labelled",
        "rejected",
        "updates",
        "model_version",
        "log_loss",
        "auc",
        "brier",
        "accuracy",
        "base_rate",
        "best_constant_log_loss",
        "elapsed_s",
        "records_per_s",
        "bytes_per_s",
        "device",
        "update",
        "batch",
        "bottleneck",
        "stages",
    ];
    assert_eq!(keys[..promised.len()], promised);
    let stages = summary["stages"].as_object().unwrap();
    assert_eq!(stages.keys().collect::<Vec<_>>(), ["source", "ingest", "engine", "sink"]);
    for stage in stages.values() {
        for time in ["busy_s", "starved_s", "blocked_s"] {
            assert!(stage[time].as_f64().unwrap() >= 0.0);
        }
    }
}

#[test]
fn a_summary_holds_what_the_predictions_say() {
    let folder = with_model();
    let (predictions, summary) = (folder.text("p.csv"), folder.json("s.json"));
    let rows: Vec<_> = numbers(&predictions, "logit").into_iter().zip(numbers(&predictions, "label")).collect();
    let mean = |figure: fn(f64, f64) -> f64| rows.iter().map(|&(z, y)| figure(z, y)).sum::<f64>() / rows.len() as f64;
    let near = |key: &str, expected: f64| {
        let found = summary[key].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-5, "{key}: {found} and {expected}");
    };
    near("log_loss", mean(|z, y| (1.0 + (-z.abs()).exp()).ln() + z.max(0.0) - y * z));
    near("brier", mean(|z, y| (1.0 / (1.0 + (-z).exp()) - y).powi(2)));
    near("base_rate", mean(|_, y| y));
    near("accuracy", mean(|z, y| f64::from((z >= 0.0) == (y > 0.5))));
}

#[test]
fn a_summary_for_people_is_on_standard_error() {
    let folder = with_model();
    let stderr = folder.run(&format!("train clicks.csv {ROLES}")).fine().stderr;
    for word in ["1,000 records in", "log loss", "best constant", "AUC", "update record, batch 256", "device      cpu"]
    {
        assert!(stderr.contains(word), "{word} is missing in {stderr}");
    }
    assert!(!stderr.contains('\u{1b}'), "no colours or bars where there is no terminal");
}

#[test]
fn what_was_inferred_is_said_before_the_first_record() {
    let folder = with_model();
    let line = "inferred: event time (not a feature) time; numeric hour, price; \
                categorical user, ad, site, device, position\n";
    let stderr = folder.run(&format!("train clicks.csv {ROLES}")).fine().stderr;
    assert!(stderr.starts_with(line), "{stderr}");
    // What was named is not listed.
    let named = format!("train clicks.csv {ROLES} --time time --categorical hour,user,ad,site,device,position");
    let stderr = folder.run(&named).fine().stderr;
    assert!(stderr.starts_with("inferred: numeric price\n"), "{stderr}");
    let stderr = folder.run(&format!("{named} --log price")).fine().stderr;
    assert!(!stderr.contains("inferred"), "{stderr}");
}

#[test]
fn a_run_too_short_to_be_judged_has_no_bottleneck() {
    let folder = Folder::new();
    folder.file("in.csv", "y,x\n1,1\n0,2\n");
    let stderr = folder.run("train in.csv --label y --device cpu --hash-bits 4 --summary s.json").fine().stderr;
    assert!(stderr.contains("\n\ntoo short to say what held it up\n") && !stderr.contains("busy"), "{stderr}");
    assert_eq!(folder.json("s.json")["bottleneck"], "none");
}

#[test]
fn a_quiet_run_prints_nothing() {
    let folder = with_model();
    for line in
        [format!("train clicks.csv {ROLES} --quiet"), "predict --model model clicks.csv -q --predictions p.csv".into()]
    {
        let ended = folder.run(&line).fine();
        assert_eq!((ended.out(), ended.stderr.as_str()), ("", ""));
    }
}

#[test]
fn every_command_explains_itself() {
    let folder = Folder::new();
    for (line, words) in [
        ("--help", &["train", "predict", "generate", "inspect", "devices"][..]),
        ("train --help", &["--label", "--max-rejected", "--hash-bits", "[default: 256]", "JOB.toml"]),
        ("predict --help", &["--model", "--predictions", "standard output"]),
        ("generate --help", &["clicks", "hyperplane", "fraud", "ratings", "--seed"]),
        ("inspect --help", &["MODEL|CHECKPOINT", "--top"]),
        ("devices --help", &["Usage"]),
    ] {
        let help = folder.run(line).fine();
        words.iter().for_each(|word| assert!(help.out().contains(word), "{line}: {word}"));
    }
    assert!(folder.run("--version").fine().out().starts_with("tidemill "));
    assert_eq!(folder.run("").code, Some(2));
    assert_eq!(folder.run("train --no-such-flag").code, Some(2));
}

#[test]
fn a_flag_wins_over_the_job_file() {
    let folder = with_model();
    folder.file(
        "job.toml",
        "[source]\ninput = ['clicks.csv']\nlabel = 'click'\nid = 'number'\n[learner]\ndevice = 'cpu'\nhash_bits = 12\n\
         batch = 100\noptimizer = 'ftrl'\n[output]\nmodel = 'by_job'\nsummary = 's.json'\n",
    );
    folder.run("train job.toml").fine();
    let summary = folder.json("s.json");
    assert_eq!((&summary["optimizer"], &summary["batch"]), (&"ftrl".into(), &100.into()));
    folder.run("train job.toml --optimizer adagrad --batch 256 --model by_flags").fine();
    let summary = folder.json("s.json");
    assert_eq!((&summary["optimizer"], &summary["batch"]), (&"adagrad".into(), &256.into()));
    let weights = |name: &str| SavedModel::read(&folder.path(name)).unwrap().model;
    assert!(weights("by_flags") == weights("model"));
    // Inputs on the command line replace those of the job.
    folder
        .file("one.csv", folder.text("clicks.csv").lines().take(2).map(|line| format!("{line}\n")).collect::<String>());
    folder.run("train job.toml one.csv").fine();
    assert_eq!(folder.json("s.json")["records"], 1);
}

#[test]
fn what_is_read_is_what_the_command_line_says() {
    let folder = with_model();
    let job = |source: &str| {
        format!("[source]\n{source}label = 'click'\n[learner]\ndevice = 'cpu'\n[output]\nsummary = 's.json'\n")
    };
    folder.file("files.toml", job("input = ['absent.csv']\n"));
    folder.file("generated.toml", job("generate = 'clicks'\nrows = 70\nseed = 3\n"));
    for (line, records) in [
        ("generated.toml", 70),
        ("generated.toml --rows 80", 80),
        ("generated.toml clicks.csv", 1000),
        ("files.toml clicks.csv", 1000),
        ("files.toml --generate clicks --rows 90 --seed 2", 90),
    ] {
        folder.run(&format!("train {line}")).fine();
        assert_eq!(folder.json("s.json")["records"], records, "{line}");
    }
    for (line, words) in [
        ("--generate clicks clicks.csv --label click", &["--generate", "leave out clicks.csv"][..]),
        ("files.toml --generate clicks clicks.csv", &["--generate", "leave out clicks.csv"]),
        ("clicks.csv --label click --rows 10", &["--rows", "generated stream"]),
        ("files.toml --seed 10", &["--seed", "generated stream"]),
        ("generated.toml clicks.csv --rows 10", &["--rows", "generated stream"]),
        ("files.toml generated.toml", &["one job file", "files.toml or generated.toml"]),
    ] {
        folder.run(&format!("train {line}")).refused(words);
    }
}

#[test]
fn inspecting_a_model_shows_the_essentials() {
    let folder = with_model();
    let shown = folder.run("inspect model").fine();
    for word in [
        "written by tidemill",
        "1000 records learned",
        "bias",
        "label       click",
        "numeric     hour, price",
        "2^12 weights",
        "learning_rate: 0.05",
        "hash-bits = 12",
    ] {
        assert!(shown.out().contains(word), "{word} is missing in {}", shown.out());
    }
    assert!(shown.out().lines().any(|line| line.trim_end().ends_with("  price")));
    assert!(!folder.run("inspect model --top 1").fine().out().contains("  hour\n"));
}

#[test]
fn a_generated_file_is_the_internal_stream() {
    let folder = Folder::new();
    folder.run("generate clicks --rows 20000 --seed 7 -o clicks.csv").fine();
    let same = folder.run("generate clicks --rows 20000 --seed 7").fine();
    assert!(same.stdout == folder.bytes("clicks.csv"));
    assert!(same.stderr.contains("20000 records") && same.stderr.contains("best possible"), "{}", same.stderr);
    assert!(folder.run("generate clicks --rows 20000 --seed 8").fine().stdout != same.stdout);

    let roles =
        "--label click --time time --numeric price --categorical hour,user,ad,site,device,position --device cpu";
    folder.run(&format!("train clicks.csv {roles} --model by_file")).fine();
    let inside = folder.run(&format!("train --generate clicks --rows 20000 --seed 7 {roles} --model inside")).fine();
    assert!(folder.bytes("by_file") == folder.bytes("inside"));
    assert!(inside.stderr.contains("best possible"), "{}", inside.stderr);
    // The generator knows what its columns are for.
    folder.run("train --generate clicks --rows 20000 --seed 7 --device cpu --model known").fine();
    let weights = |name: &str| SavedModel::read(&folder.path(name)).unwrap().model;
    assert!(weights("known") == weights("inside"));
}

#[test]
fn a_generated_file_is_what_its_name_says() {
    let folder = Folder::new();
    for name in ["clicks.csv", "clicks.tsv"] {
        folder.run(&format!("generate clicks --rows 500 -o {name}")).fine();
    }
    assert_eq!(folder.text("clicks.tsv"), folder.text("clicks.csv").replace(',', "\t"));
    let [csv, tsv] = ["clicks.csv", "clicks.tsv"].map(|name| {
        folder.run(&format!("train {name} --label click --device cpu --predictions - --quiet")).fine().stdout
    });
    assert_eq!(csv, tsv);
    for name in ["clicks.parquet", "clicks.json", "clicks.csv.gz"] {
        folder.run(&format!("generate clicks --rows 10 -o {name}")).refused(&[name, ".csv or .tsv"]);
        assert!(!folder.has(name));
    }
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "tests/features.rs has what builds without the backend say")]
fn the_cpu_is_always_among_the_devices() {
    let folder = Folder::new();
    assert!(folder.run("devices").fine().out().starts_with("cpu "));
    let none = without_gpu(&folder, "devices").fine();
    assert!(none.out().starts_with("cpu ") && none.out().contains("mesa-vulkan-drivers"), "{}", none.out());
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "tests/features.rs has what builds without the backend say")]
fn a_gpu_that_was_asked_for_is_never_replaced_in_silence() {
    let folder = with_model();
    let line = "train clicks.csv --label click --hash-bits 12 --device gpu";
    for update in ["record", "batch"] {
        let line = format!("{line} --update {update}");
        without_gpu(&folder, &line).refused(&["no GPU was found", "install", "--device cpu"]);
    }
    folder.run("train clicks.csv --label click --device tpu").refused(&["\"tpu\"", "gpu:NUMBER", "tidemill devices"]);
}

#[test]
#[cfg_attr(not(feature = "gpu"), ignore = "tests/features.rs has what builds without the backend say")]
fn a_machine_without_a_gpu_runs_on_the_cpu_and_says_so_in_one_line() {
    let folder = with_model();
    for update in ["record", "batch"] {
        let line = format!("train clicks.csv --label click --hash-bits 12 --device auto --update {update}");
        let stderr = without_gpu(&folder, &line).fine().stderr;
        let said: Vec<_> = stderr.lines().filter(|line| line.starts_with("device ")).collect();
        assert!(said.len() == 1 && said[0].contains("cpu"), "{stderr}");
        assert!(update == "record" || said[0].contains("no GPU was found"), "{stderr}");
    }
}

#[test]
fn any_name_will_do_for_columns_of_a_stream_without_a_header() {
    let folder = with_model();
    let text = folder.text("clicks.csv");
    let (header, records) = text.split_once('\n').unwrap();
    folder.file("bare.csv", records);
    let line = format!("train bare.csv --columns {header} {ROLES} --predictions bare_p.csv --model bare");
    folder.run(&line).fine();
    assert!(folder.bytes("bare_p.csv") == folder.bytes("p.csv"));
    let whole = folder.run("predict --model model clicks.csv").fine();
    assert!(folder.run("predict --model bare bare.csv").fine().stdout == whole.stdout);
}

#[test]
fn blanks_in_lists_of_columns_are_no_part_of_the_names() {
    let folder = Folder::new();
    folder.file("bare.csv", "1,2,a\n0,3,b\n");
    let mut command = folder.command("train bare.csv --label y --device cpu --predictions - --model m");
    command.args(["--columns", "y, x , c", "--categorical", "x, c"]);
    let trained = ended(command).fine();
    assert_eq!(column(trained.out(), "label"), ["1", "0"]);
    assert!(folder.run("inspect m").fine().out().contains("categorical x, c\n"));
    // A header with the names of a model that learned without one is a header all the same.
    let plain = folder.run("predict --model m bare.csv --quiet").fine();
    folder.file("headed.csv", "y,x,c\n1,2,a\n0,3,b\n");
    assert_eq!(folder.run("predict --model m headed.csv --quiet").fine().out(), plain.out());
    let mut command = folder.command("predict --model m bare.csv --quiet");
    command.args(["--columns", "y, x, c"]);
    assert_eq!(ended(command).fine().out(), plain.out());
}
