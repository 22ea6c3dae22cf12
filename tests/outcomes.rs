//! Outcomes in a file of their own: what is learned of two files is what is learned of one that holds both in the order of
//! time, and what cannot be merged is refused.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use std::io::Write;

use program::Folder;

const COLUMNS: &str = "--id id --time time --label click --join-timeout 1h";

/// Impressions and clicks, as lines with their times.
struct Streams {
    features: Vec<(u64, String)>,
    outcomes: Vec<(u64, String)>,
    /// The outcomes in the columns of the features.
    rewritten: Vec<(u64, String)>,
}

/// An id that has to be quoted in CSV.
fn id(at: u64) -> String {
    format!("\"{at},\"\"x\"\"\"")
}

fn streams(records: u64) -> Streams {
    let (mut features, mut clicked) = (Vec::new(), Vec::new());
    let mut time = 1_700_000_000;
    for at in 0..records {
        let turn = at * 7919 % 101;
        time += turn % 4;
        features.push((time, format!("{time},{},{}.5,page{}", id(at), turn % 9, turn % 5)));
        if turn % 9 + turn % 5 > 7 {
            clicked.push((time + 1 + turn * 13, at));
        }
    }
    clicked.sort_unstable();
    let outcomes = clicked.iter().map(|&(time, at)| (time, format!("{},1,{time}", id(at)))).collect();
    let rewritten = clicked.iter().map(|&(time, at)| (time, format!("{time},{},,,1", id(at)))).collect();
    Streams { features, outcomes, rewritten }
}

fn text(header: &str, lines: &[(u64, String)]) -> String {
    let lines = lines.iter().map(|(_, line)| format!("{line}\n"));
    [format!("{header}\n")].into_iter().chain(lines).collect()
}

fn write(folder: &Folder, streams: &Streams) {
    folder.file("shown.csv", text("time,id,depth,page", &streams.features));
    folder.file("clicks.csv", text("id,click,time", &streams.outcomes));
}

/// Both streams as one, in the order of time.
fn as_one(streams: &Streams) -> String {
    let features = streams.features.iter().map(|(time, line)| (*time, format!("{line},")));
    let mut lines: Vec<_> = features.chain(streams.rewritten.clone()).collect();
    lines.sort_by_key(|(time, _)| *time); // stable: features first
    text("time,id,depth,page,click", &lines)
}

#[test]
fn two_files_teach_what_one_with_both_teaches_whatever_they_are_and_whoever_parses_them() {
    let (folder, streams) = (Folder::new(), streams(6000));
    write(&folder, &streams);
    folder.file("both.csv", as_one(&streams));
    let packed = std::fs::File::create(folder.path("clicks.csv.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packed.write_all(&folder.bytes("clicks.csv")).unwrap();
    packed.finish().unwrap();
    let learned = |inputs: &str, stdin: &[u8]| {
        let line = format!("train {inputs} {COLUMNS} --device cpu --predictions p.csv --summary s.json -q");
        folder.run_with(&line, stdin).fine();
        let summary = folder.json("s.json");
        let counts = ["records", "labelled", "rejected", "log_loss", "base_rate"].map(|name| summary[name].clone());
        (folder.text("p.csv"), counts)
    };
    let (predictions, counts) = learned("both.csv", b"");
    assert_eq!(predictions.lines().count(), 6001);
    assert!(counts[1].as_u64() > Some(3000) && counts[4].as_f64() > Some(0.01), "clicks and timeouts: {counts:?}");
    for (inputs, stdin) in [
        ("shown.csv --outcomes clicks.csv --threads 1", vec![]),
        ("shown.csv --outcomes clicks.csv.gz --threads 3", vec![]),
        ("- --outcomes clicks.csv", folder.bytes("shown.csv")),
    ] {
        let (found, counted) = learned(inputs, &stdin);
        assert!(found == predictions, "{inputs}");
        assert_eq!(counted, counts, "{inputs}");
    }
}

#[test]
fn every_line_is_a_record_or_a_rejection() {
    let (folder, streams) = (Folder::new(), streams(300));
    write(&folder, &streams);
    let good = streams.features.len() + streams.outcomes.len();
    let broken = "1,1\n2,,1700000300\nsoon,1,1700000310,1,1\n\"3,1,1700000320\n";
    folder.file("broken.csv", [folder.text("clicks.csv"), broken.to_owned()].concat());
    let ended = folder.run(&format!("check shown.csv --outcomes broken.csv {COLUMNS}")).fine();
    let expected = format!("{} records: {good} usable, 4 rejected", good + 4);
    assert!(ended.out().contains(&expected), "{expected:?} is missing in:\n{}", ended.out());
}

#[test]
fn an_outcome_without_a_label_is_never_taken_for_features() {
    let folder = Folder::new();
    folder.file("a.jsonl", "{\"time\":1,\"id\":\"a\",\"x\":2}\n{\"time\":4,\"id\":\"b\",\"x\":3}\n");
    folder
        .file("b.jsonl", "{\"time\":2,\"id\":\"a\",\"click\":1}\n{\"time\":3,\"id\":\"b\",\"click\":null}\nnothing\n");
    let ended = folder.run(&format!("check a.jsonl --outcomes b.jsonl {COLUMNS}")).fine();
    assert!(ended.out().contains("5 records: 3 usable, 2 rejected"), "{}", ended.out());
    assert!(ended.out().contains("record 2: label 1, id a"), "{}", ended.out());
}

#[test]
fn a_run_goes_on_in_files_that_have_grown() {
    let (folder, all) = (Folder::new(), streams(4000));
    write(&folder, &all);
    let line = |outputs: &str| format!("train shown.csv --outcomes clicks.csv {COLUMNS} --device cpu -q {outputs}");
    folder.run(&line("--predictions whole.csv --model whole")).fine();
    // Whatever comes later is behind what was there.
    let until = all.features[2500].0;
    let before = |lines: &[(u64, String)]| lines.iter().filter(|(time, _)| *time < until).cloned().collect();
    let part = |features, outcomes| Streams { features, outcomes, rewritten: Vec::new() };
    write(&folder, &part(before(&all.features), before(&all.outcomes)));
    folder.run(&line("--predictions p.csv --model m --checkpoint c")).fine();
    assert_ne!(folder.bytes("m"), folder.bytes("whole"));
    write(&folder, &all);
    folder.run(&line("--predictions p.csv --model m --checkpoint c --resume")).fine();
    assert_eq!(folder.text("p.csv"), folder.text("whole.csv"));
    folder.file("clicks.csv", text("id,click,time", &all.outcomes[1..]));
    let ended = folder.run(&line("--predictions p.csv --model m --checkpoint c --resume"));
    ended.refused(&["shown.csv with clicks.csv is not what the checkpoint has read"]);
}

#[test]
fn what_cannot_be_merged_is_refused_with_what_to_do() {
    let folder = Folder::new();
    write(&folder, &streams(20));
    let refused = |line: &str, words: &[&str]| drop(folder.run(line).refused(words));
    refused(&format!("train shown.csv --outcomes gone.csv {COLUMNS}"), &["cannot open gone.csv", "no such file"]);
    refused(&format!("train gone.csv --outcomes clicks.csv {COLUMNS}"), &["cannot open gone.csv"]);
    refused(&format!("train shown.csv --outcomes clicks.csv {COLUMNS} --model clicks.csv"), &["overwrite an input"]);
    let columns = COLUMNS.replace("--label click", "--label bought");
    let words = ["clicks.csv has no column bought", "id, click, time"];
    refused(&format!("train shown.csv --outcomes clicks.csv {columns}"), &words);
    let words = ["--join-timeout 1h"];
    refused("train shown.csv --outcomes clicks.csv --id id --time time --label click", &words);
    folder.file("empty.csv", "");
    refused(&format!("train empty.csv --outcomes clicks.csv {COLUMNS}"), &["is empty", "header line"]);
    refused(&format!("train shown.csv --outcomes empty.csv {COLUMNS}"), &["empty.csv is empty", "id, time and click"]);
}

#[test]
fn a_job_that_is_written_out_names_the_outcomes() {
    let folder = Folder::new();
    write(&folder, &streams(50));
    let job = folder.run(&format!("train shown.csv --outcomes clicks.csv {COLUMNS} --print-job")).fine();
    assert!(job.out().contains("outcomes = \"clicks.csv\""), "{}", job.out());
    folder.file("job.toml", job.stdout.clone());
    assert_eq!(folder.run("train job.toml --print-job").fine().stdout, job.stdout);
}
