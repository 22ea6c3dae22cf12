//! What a checkpoint is beside something to resume from: shown by `inspect`, and a model for `predict` and
//! `--warm-start`.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::{Folder, stream};
use tidemill::checkpoint::store::file_of;
use tidemill::sink::model::SavedModel;
use tidemill::source::synthetic::Generator;

const ROLES: &str = "--label click --time time --device cpu --hash-bits 10";

/// A folder with clicks, two of them rejected, the model after them and a folder of checkpoints; `records` in all.
fn trained(records: u64, optimizer: &str) -> Folder {
    let folder = Folder::new();
    let text = stream(Generator::Clicks, records - 2);
    folder.file("clicks.csv", text + "too,few\n0,0,u,a,s,d,p,not a number,1\n");
    let line = format!(
        "{ROLES} --numeric price,hour --categorical user,ad,site,device,position --batch 128 --max-rejected 50 --optimizer {optimizer} --quiet"
    );
    folder.run(&format!("train clicks.csv {line} --model model --checkpoint kept --predictions p.csv")).fine();
    folder
}

fn newest(folder: &Folder) -> String {
    let path = file_of(&folder.path("kept")).unwrap();
    path.strip_prefix(folder.path("")).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_final_checkpoint_is_the_model_of_its_run() {
    for optimizer in ["adagrad --l2 0.0001", "sgd --learning-rate 0.1 --power-t 0.5", "ftrl --l1 0.2"] {
        let folder = trained(1024 + 2, optimizer);
        for checkpoint in ["kept".to_owned(), newest(&folder)] {
            for update in ["", " --learning-rate 0.03", " --optimizer sgd --learning-rate 0.1"] {
                let line = "train clicks.csv --device cpu --max-rejected 50 --predictions";
                let ended = |from: &str, to: &str| {
                    folder.run(&format!("{line} {to}.csv --model {to} --warm-start {from}{update}")).fine().stderr
                };
                ended("model", "by_model");
                let said = ended(&checkpoint, "by_checkpoint");
                assert!(folder.bytes("by_model") == folder.bytes("by_checkpoint"), "{optimizer}{update}");
                assert!(folder.bytes("by_model.csv") == folder.bytes("by_checkpoint.csv"), "{optimizer}{update}");
                assert!(said.contains("behind record 1026; warm start: version 1,024"), "{said}");
            }
            let predict = |name: &str| folder.run(&format!("predict --model {name} clicks.csv --max-rejected 50"));
            let (by_model, by_checkpoint) = (predict("model").fine(), predict(&checkpoint).fine());
            assert!(by_model.stdout == by_checkpoint.stdout, "{optimizer}");
            assert_eq!(by_model.out().lines().count(), 1025);
            let note = format!("the model of {}, behind record 1026\n", newest(&folder));
            assert!(by_checkpoint.stderr.contains(&note), "{}", by_checkpoint.stderr);
        }
    }
}

#[test]
fn records_that_wait_in_a_checkpoint_are_said_to_be_missing() {
    let folder = trained(1000, "adagrad");
    let ended = folder.run("predict --model kept clicks.csv --max-rejected 50").fine();
    // 998 good ones, 7 * 128 of them learned
    let note = "behind record 1000; the last 102 wait for their micro-batch and have not been learned";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
    assert!(ended.out().lines().nth(1).unwrap().ends_with(",896"), "{}", ended.out().lines().nth(1).unwrap());
    assert!(folder.run("inspect kept").fine().out().contains("\nwaiting     102 of a micro-batch of 128\n"));
}

#[test]
fn inspecting_a_checkpoint_shows_where_the_run_stands_and_its_model() {
    let folder = trained(1026, "adagrad");
    let by_folder = folder.run("inspect kept").fine();
    let shown = by_folder.out();
    for words in [
        &*format!("checkpoint  {}\n", newest(&folder)),
        "layout      version 1\n",
        "records     1,026 read, 2 rejected (field_count 1, not_a_number 1)\n",
        "waiting     0 of a micro-batch of 128\n",
        "inputs      0 finished, 1 begun, 1 named\n",
        &format!("            clicks.csv: read up to byte {}\n", thousands(folder.bytes("clicks.csv").len())),
        &format!("predictions {} bytes\n", thousands(folder.bytes("p.csv").len())),
        "rejected    not written\n",
        "log loss    0.",
        "AUC         0.",
        "base rate   0.",
        "elapsed     0.",
        "device      cpu",
        concat!("written by tidemill ", env!("CARGO_PKG_VERSION"), "\n"),
    ] {
        assert!(shown.contains(words), "{words:?} is missing in {shown}");
    }
    // Behind its own lines come those of the model.
    let model = folder.run("inspect model").fine();
    assert!(shown.ends_with(&format!("\n\n{}", model.out())), "{shown}{}", model.out());
    std::fs::copy(folder.path(&newest(&folder)), folder.path("a.model")).unwrap();
    let by_file = folder.run("inspect a.model").fine();
    assert_eq!(by_file.out().replacen("a.model", &newest(&folder), 1), shown, "a file says itself what it is");
}

#[test]
fn inputs_that_were_read_to_their_end_are_told_from_the_one_that_was_not() {
    let folder = Folder::new();
    for part in 0..13 {
        folder.file(&format!("{part}.csv"), stream(Generator::Hyperplane, 10 + part));
    }
    let inputs: Vec<_> = (0..13).map(|part| format!("{part}.csv")).collect();
    folder.run(&format!("train {} --label y --device cpu --checkpoint kept --quiet", inputs.join(" "))).fine();
    let ended = folder.run("inspect kept").fine();
    let shown = ended.out();
    assert!(
        shown.contains("inputs      12 finished, 13 begun, 13 named\n            3 more before these\n"),
        "{shown}"
    );
    assert!(shown.contains("  3.csv: finished at byte ") && shown.contains("  12.csv: read up to byte "), "{shown}");
    assert!(!shown.contains("  2.csv"), "{shown}");
}

#[test]
fn a_damaged_one_is_passed_over_in_a_folder_and_named_by_itself() {
    let folder = trained(1026, "adagrad");
    let whole = newest(&folder);
    let damaged = "kept/checkpoint-000000000009999.safetensors";
    let mut bytes = folder.bytes(&whole);
    let at = bytes.len() - 100;
    bytes[at] ^= 4;
    folder.file(damaged, &bytes);
    let ended = folder.run("inspect kept").fine();
    assert!(ended.out().starts_with(&format!("checkpoint  {whole}\n")), "{}", ended.out());
    assert!(ended.stderr.contains(damaged) && ended.stderr.contains("checksum"), "{}", ended.stderr);
    let ended = folder.run("predict --model kept clicks.csv --max-rejected 50").fine();
    assert!(ended.stderr.contains(damaged) && ended.stderr.contains(&whole), "{}", ended.stderr);
    for command in ["inspect", "predict clicks.csv --model", "train clicks.csv --warm-start"] {
        folder.run(&format!("{command} {damaged}")).refused(&[damaged, "damaged or cut short", "newest whole one"]);
    }
    assert!(folder.has(damaged), "looking at a folder moves nothing");
    folder.file(&whole, &bytes[..1000]);
    folder.run("inspect kept").refused(&["kept holds no whole checkpoint", &whole, damaged, "cut short"]);
}

#[test]
fn what_is_neither_a_model_nor_a_checkpoint_is_named() {
    let folder = trained(130, "adagrad");
    std::fs::create_dir(folder.path("empty")).unwrap();
    let foreign = |header: &str| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes
    };
    folder.file("foreign", foreign(r#"{"__metadata__":{"format":"pt"}}"#));
    folder.file("bare", foreign("{}"));
    folder
        .file("newer", foreign(r#"{"__metadata__":{"format":"tidemill-checkpoint","version":"2","tidemill":"9.9"}}"#));
    for (path, words) in [
        ("empty", &["empty holds no checkpoint"][..]),
        ("absent", &["cannot read absent", "folder of checkpoints"]),
        ("clicks.csv", &["clicks.csv", "not a safetensors file"]),
        ("foreign", &["it is a pt, neither a model nor a checkpoint"]),
        ("bare", &["not one of tidemill"]),
        ("newer", &["version 2", "reads version 1", "written by tidemill 9.9"]),
    ] {
        for command in ["inspect", "predict clicks.csv --model", "train clicks.csv --warm-start"] {
            folder.run(&format!("{command} {path}")).refused(words);
        }
    }
}

#[test]
fn a_model_taken_from_a_checkpoint_is_a_model_file_when_written() {
    let folder = trained(1026, "ftrl --l1 0.1");
    let stored = tidemill::checkpoint::stored::open(&folder.path("kept")).unwrap();
    let (model, _) = stored.into_model().unwrap();
    model.write(&folder.path("taken")).unwrap();
    assert!(folder.bytes("taken") == folder.bytes("model"));
    assert_eq!(SavedModel::read(&folder.path("taken")).unwrap(), model);
}

fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}
