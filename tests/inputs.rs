//! Folders and patterns as inputs: what they stand for, and how a run over one goes on when files have come to it.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod outcome;
mod program;

use outcome::{assert_same, outputs};
use program::{Folder, map_records, stream};
use tidemill::source::synthetic::Generator;

const ROLES: &str = "--label click --id number --device cpu --hash-bits 12";

/// Clicks in three files of a folder, `logs`, and all of them in `whole.csv`.
fn with_logs() -> Folder {
    let folder = Folder::new();
    let text = map_records(&stream(Generator::Clicks, 3000), |at, fields| format!("{},n{at}", fields.join(",")));
    let text = text.replacen("click\n", "click,number\n", 1);
    let (header, records) = text.split_once('\n').unwrap();
    std::fs::create_dir(folder.path("logs")).unwrap();
    let lines: Vec<_> = records.lines().collect();
    for (name, lines) in ["b1", "b2", "b3"].iter().zip(lines.chunks(1000)) {
        std::fs::write(folder.path(&format!("logs/{name}.csv")), format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    }
    std::fs::write(folder.path("logs/notes.txt"), "not data").unwrap();
    folder
}

/// Takes a file out of the folder of logs; gives its content.
fn taken(folder: &Folder, name: &str) -> Vec<u8> {
    let content = folder.bytes(&format!("logs/{name}"));
    std::fs::remove_file(folder.path(&format!("logs/{name}"))).unwrap();
    content
}

#[test]
fn a_folder_and_a_pattern_stand_for_their_files() {
    let folder = with_logs();
    folder.run(&format!("train logs/b1.csv logs/b2.csv logs/b3.csv {ROLES} {}", outputs("named"))).fine();
    for input in ["logs", "logs/", "logs/*.csv", "logs/b[12].csv logs/?3.csv", "l*s/b*"] {
        folder.run(&format!("train {input} {ROLES} {}", outputs("found"))).fine();
        assert_same(&folder, "named", "found");
    }
    folder.file("job.toml", "[source]\ninput = ['logs/*.csv']\n");
    folder.run(&format!("train job.toml {ROLES} {}", outputs("found"))).fine();
    assert_same(&folder, "named", "found");
    let predicted = ["logs/b1.csv logs/b2.csv logs/b3.csv", "logs"]
        .map(|input| folder.run(&format!("predict {input} --model named.model --quiet")).fine().stdout);
    assert!(predicted[0] == predicted[1]);
}

#[test]
fn what_stands_for_nothing_or_for_two_formats_is_refused() {
    let folder = with_logs();
    let train = |input: &str| folder.run(&format!("train {input} {ROLES}"));
    train("logs/*.tsv").refused(&["no file matches logs/*.tsv", "ls"]);
    train("logs/[").refused(&["logs/[ is no pattern"]);
    std::fs::create_dir(folder.path("empty")).unwrap();
    train("empty").refused(&["the folder empty has no files", "--format"]);
    std::fs::write(folder.path("logs/c.jsonl"), "{}\n").unwrap();
    train("logs").refused(&["two formats", "logs/b1.csv", "logs/c.jsonl"]);
}

#[test]
fn a_folder_may_gain_files_behind_those_that_were_read() {
    let folder = with_logs();
    folder.run(&format!("train logs {ROLES} {}", outputs("whole"))).fine();
    let line = format!("train logs {ROLES} --checkpoint kept --resume {}", outputs("grown"));
    let later = taken(&folder, "b3.csv");
    folder.run(&line).fine();
    std::fs::write(folder.path("logs/b3.csv"), later).unwrap();
    let ended = folder.run(&line).fine();
    assert!(ended.stderr.contains("resumed behind record 2000"), "{}", ended.stderr);
    assert_same(&folder, "whole", "grown");
}

#[test]
fn a_file_that_comes_before_one_that_was_read_is_refused() {
    let folder = with_logs();
    let line = format!("train logs {ROLES} --checkpoint kept --resume {}", outputs("out"));
    let earlier = taken(&folder, "b2.csv");
    folder.run(&line).fine();
    std::fs::write(folder.path("logs/b2.csv"), &earlier).unwrap();
    let said = ["logs/b2.csv now stands before logs/b3.csv", "new ones behind them", "sorts last"];
    folder.run(&line).refused(&said);
    // Even where it is the same as the one whose place it takes.
    std::fs::copy(folder.path("logs/b3.csv"), folder.path("logs/b2.csv")).unwrap();
    folder.run(&line).refused(&said);
    // In its place behind the others it may come.
    std::fs::remove_file(folder.path("logs/b2.csv")).unwrap();
    std::fs::write(folder.path("logs/b4.csv"), earlier).unwrap();
    folder.run(&line).fine();
    assert_eq!(folder.json("out.json")["records"], 3000);
}

#[test]
fn a_file_that_was_read_and_is_gone_is_named() {
    let folder = with_logs();
    let line = format!("train logs {ROLES} --checkpoint kept --resume {}", outputs("out"));
    folder.run(&line).fine();
    taken(&folder, "b1.csv");
    folder
        .run(&line)
        .refused(&["logs/b1.csv, which the checkpoint has read, is gone", "logs/b2.csv stands in its place"]);
}
