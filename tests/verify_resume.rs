//! `tidemill verify-resume` as a user runs it: on a stream, on a job file with outputs of its own, and on what it cannot
//! verify.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use program::{Folder, stream};
use tidemill::source::synthetic::Generator;

/// A stream of several chunks, and how to learn it in little time.
const STREAM: &str = "--generate hyperplane --rows 60000 --seed 5 --device cpu --hash-bits 8";

/// What is in the folder that the command runs in and in one for temporary files, which is made for it.
fn names(folder: &Folder) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_generated_stream_is_verified_and_nothing_is_left_behind() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("temporary")).unwrap();
    let outputs = "--model mine --predictions mine.csv --summary mine.json --rejected mine.jsonl --checkpoint mine.d";
    for name in ["mine", "mine.csv", "mine.json", "mine.jsonl"] {
        folder.file(name, name);
    }
    let before = names(&folder);
    let mut command = folder.command(&format!("verify-resume {STREAM} {outputs} --kills 3 --threads 2"));
    for name in ["TMPDIR", "TMP", "TEMP"] {
        command.env(name, folder.path("temporary"));
    }
    let ended = program::ended(command).fine();
    assert_eq!((names(&folder), &ended.stdout[..]), (before, &b""[..]));
    assert_eq!(std::fs::read_dir(folder.path("temporary")).unwrap().count(), 0);
    for name in ["mine", "mine.csv", "mine.json", "mine.jsonl"] {
        assert_eq!(folder.text(name), name);
    }
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 5, "{}", ended.stderr);
    assert!(lines[0].starts_with("uninterrupted: 60,000 records in "), "{}", ended.stderr);
    for (line, kill) in lines[1..4].iter().zip(1..) {
        assert!(line.starts_with(&format!("kill {kill} of 3: 2 threads, killed ")), "{line}");
        assert!(line.ends_with(": model, predictions, rejected records and summary identical"), "{line}");
    }
    assert!(lines[4].starts_with("verified: 3 of 3 kills hit a running process"), "{}", ended.stderr);
}

#[test]
fn a_difference_is_found_and_its_files_are_kept() {
    let folder = Folder::new();
    let mut command = folder.command("verify-resume --generate clicks --rows 200000 --device cpu --kills 3");
    for name in ["TMPDIR", "TMP", "TEMP"] {
        command.env(name, folder.path("."));
    }
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    said.read_line(&mut text).unwrap();
    // The uninterrupted run is through, and what the others are to be compared with is changed behind its back.
    let work = names(&folder).pop().unwrap();
    let predictions = format!("{work}/uninterrupted/predictions.csv");
    folder.file(&predictions, folder.text(&predictions).replacen("\n70000,", "\n70000,9", 1));
    said.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{text}");
    for words in ["DIFFERS in predictions.csv: line 70001, byte ", "(kept in ", "3 kills the resumed run differs from"]
    {
        assert!(text.contains(words), "{text}");
    }
    assert!(text.contains(&format!("{work}/uninterrupted with")) && folder.has(&format!("{work}/kill-3/model")));
}

#[test]
fn the_outputs_and_checkpoints_of_a_job_file_are_left_alone() {
    let folder = Folder::new();
    folder.file("clicks.csv", stream(Generator::Clicks, 20_000).replacen(",0\n", ",maybe\n", 20));
    folder.file(
        "job.toml",
        "[source]\ninput = ['clicks.csv']\nlabel = 'click'\n[learner]\ndevice = 'cpu'\nhash-bits = 12\n\
         [output]\npredictions = 'p.jsonl.gz'\nmodel = 'model'\nsummary = 's.json'\nrejected = 'r.jsonl'\n\
         [checkpoint]\ncheckpoint = 'state'\ncheckpoint-every = '1h'\nresume = true\nkeep = 1\n",
    );
    folder.file("model", "another model");
    let before = names(&folder);
    folder.run("verify-resume job.toml --kills 2 --work work --quiet").fine();
    assert_eq!(folder.text("model"), "another model");
    let after: Vec<_> = names(&folder).into_iter().filter(|name| name != "work").collect();
    assert_eq!(after, before);
    // The folder that was named is kept, in the formats of the job, with the rejected records in it.
    assert!(folder.has("work/uninterrupted/predictions.jsonl.gz") && folder.has("work/kill-1/model"));
    assert_eq!(folder.text("work/uninterrupted/rejected.jsonl").lines().count(), 20);
    folder.run("verify-resume job.toml --work work").refused(&["--work work", "name a new or empty one"]);
}

#[test]
fn a_model_that_is_trained_on_in_its_place_stays_as_it_was() {
    let folder = Folder::new();
    folder.run(&format!("train {STREAM} --model model")).fine();
    let before = folder.bytes("model");
    folder.run(&format!("verify-resume {STREAM} --warm-start model --model model --kills 1")).fine();
    assert!(folder.bytes("model") == before);
}

#[test]
fn what_a_job_tells_of_windows_and_leaves_out_is_verified_too() {
    let folder = Folder::new();
    let row = |n: u64| format!("{},{},{},s{}\n", 1_700_000_000 + 10 * (n ^ (n % 7 * 16)), n % 3 / 2, n % 11, n % 3);
    folder.file("events.csv", "time,y,x,site\n".to_owned() + &(0..40_000).map(row).collect::<String>());
    let event_time = "--time time --out-of-order 1m --late side --side left.jsonl --label-delay 1h";
    let windows = "--segment site --metrics-every 1h,1000 --metrics m.jsonl";
    let line = format!("verify-resume events.csv --label y --device cpu --kills 2 {event_time} {windows}");
    let ended = folder.run(&line).fine();
    assert!(ended.stderr.contains("verified: 2 of 2 kills"), "{}", ended.stderr);
    assert!(!folder.has("left.jsonl") && !folder.has("m.jsonl"));
}

#[test]
fn standard_input_is_refused_with_what_to_do() {
    let folder = Folder::new();
    let input = stream(Generator::Clicks, 10);
    for line in ["verify-resume - --label click", "verify-resume /dev/stdin --label click"] {
        folder.run_with(line, input.as_bytes()).refused(&["only once", "save them to a file first"]);
    }
}

#[test]
fn a_job_that_fails_by_itself_is_told_in_its_own_words() {
    let folder = Folder::new();
    folder.file("in.csv", "y,x\n1,1\n0,2\nmaybe,3\n");

    folder.run("verify-resume in.csv --label y --device cpu").refused(&["nothing to verify", "--max-rejected"]);
    folder.run("verify-resume in.csv --label z --device cpu").refused(&["nothing to verify", "z"]);
    folder.run("verify-resume none.csv --label y").refused(&["none.csv", "no such file"]);
    folder.run("verify-resume in.csv --label y --kills 0").code.filter(|&code| code == 2).unwrap();
}
