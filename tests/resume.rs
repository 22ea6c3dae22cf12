//! How a run goes on: after a signal, from a pipe, with more input, on another day; and what it refuses to go on from.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod outcome;
mod program;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use outcome::{assert_same, outputs};
use program::{Folder, map_records, of, stream};
use tidemill::source::synthetic::Generator;

const ROLES: &str = "--label click --id number --device cpu --max-rejected 5%";
/// A checkpoint wherever there can be one.
const KEPT: &str = "--checkpoint kept --checkpoint-every 1";

/// Clicks with numbers, some of which cannot be used.
fn clicks(records: u64) -> String {
    let text = map_records(&stream(Generator::Clicks, records), |at, fields| match at % 50 {
        7 => "what is this?".into(),
        _ => format!("{},n{at}", fields.join(",")),
    });
    text.replacen("click\n", "click,number\n", 1)
}

fn with_clicks(records: u64) -> (Folder, String) {
    let (folder, text) = (Folder::new(), clicks(records));
    folder.file("clicks.csv", &text);
    (folder, text)
}

/// Cuts a text behind so many lines.
fn cut(text: &str, lines: usize) -> (&str, &str) {
    let end = text.split_inclusive('\n').take(lines).map(str::len).sum();
    text.split_at(end)
}

fn checkpoints(folder: &Folder) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.path("kept")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "safetensors")).collect();
    found.sort();
    found
}

#[expect(clippy::disallowed_methods, reason = "a test has to wait for another process")]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} has not come in half a minute");
}

fn piped(folder: &Folder, line: &str) -> Child {
    let mut command = folder.command(line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_run_that_is_stopped_by_a_signal_goes_on_as_if_it_had_not_been() {
    let (folder, text) = with_clicks(30_000);
    folder.run_with(&format!("train - {ROLES} {}", outputs("whole")), text.as_bytes()).fine();
    let (first, _) = cut(&text, 20_123);
    for name in ["INT", "TERM"] {
        let _ = std::fs::remove_dir_all(folder.path("kept"));
        let line = format!("train - {ROLES} {KEPT} --resume {}", outputs("stopped"));
        let mut child = piped(&folder, &line);
        // The pipe stays open: the run has all that there is, and waits for more.
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, first.as_bytes()).unwrap();
        wait_until("the last checkpoint", || checkpoints(&folder).last().is_some_and(|path| ends_with(path, 20_122)));
        signal(&child, name);
        let ended = of(child.wait_with_output().unwrap()).fine();
        drop(stdin);
        assert!(ended.stderr.contains("stopped by request behind record 20122"), "{}", ended.stderr);
        let summary = folder.json("stopped.json");
        assert_eq!(summary["records"].as_u64().unwrap() % 256, 0);
        assert!(ended.stderr.contains("with --resume goes on"), "{}", ended.stderr);
        let ended = folder.run_with(&line, text.as_bytes()).fine();
        assert!(ended.stderr.contains("resumed behind record 20122"), "{}", ended.stderr);
        assert_same(&folder, "whole", "stopped");
    }
}

fn ends_with(path: &std::path::Path, records: u64) -> bool {
    path.to_string_lossy().ends_with(&format!("{records:015}.safetensors"))
}

#[test]
fn a_signal_without_checkpoints_learns_what_was_read_and_ends_well() {
    let (folder, text) = with_clicks(3000);
    for command in ["train", "predict"] {
        let model = if command == "train" { "" } else { "--model clicks.model" };
        let roles = if command == "train" { ROLES } else { "--max-rejected 5%" };
        let mut child = piped(&folder, &format!("{command} - {roles} {model} --summary s.json --predictions p.csv"));
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, text.as_bytes()).unwrap();
        if command == "train" {
            // It looks at 256 KiB before it begins; this is less. A stop now is a stop before the first record.
            signal(&child, "TERM");
            let ended = of(child.wait_with_output().unwrap()).fine();
            assert!(ended.stderr.contains("stopped before the first record"), "{}", ended.stderr);
            folder.run(&format!("train clicks.csv {ROLES} --model clicks.model")).fine();
        } else {
            wait_until("the predictions", || folder.has("p.csv") && folder.text("p.csv").lines().count() > 2900);
            signal(&child, "TERM");
            of(child.wait_with_output().unwrap()).fine();
            assert_eq!(folder.json("s.json")["records"], 2940);
        }
        drop(stdin);
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let (folder, _) = with_clicks(60_000);
    // Nobody reads its predictions, so that it hangs in the middle of a micro-batch.
    let mut child = piped(&folder, &format!("train clicks.csv {ROLES} --predictions -"));
    let mut first = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"record");
    let mut looks = 0;
    wait_until("a pipe that is full", || {
        looks += 1;
        looks > 100
    });
    wait_until("the second signal's effect", || {
        signal(&child, "INT");
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_finished_run_goes_on_with_the_inputs_that_came_later() {
    let (folder, text) = with_clicks(30_000);
    let (first, rest) = cut(&text, 12_345);
    let header = text.lines().next().unwrap();
    folder.file("one.csv", first);
    folder.file("two.csv", format!("{header}\n{rest}"));
    let train = |inputs: &str, name: &str| format!("train {inputs} {ROLES} {}", outputs(name));
    folder.run(&train("one.csv two.csv", "whole")).fine();
    folder.run(&format!("{} {KEPT}", train("one.csv", "grown"))).fine();
    folder.run(&format!("{} {KEPT} --resume", train("one.csv two.csv", "grown"))).fine();
    assert_same(&folder, "whole", "grown");

    // A file that has grown is the same.
    let _ = std::fs::remove_dir_all(folder.path("kept"));
    folder.file("log.csv", first);
    folder.run(&format!("{} {KEPT}", train("log.csv", "grown"))).fine();
    folder.file("log.csv", &text);
    folder.run(&format!("{} {KEPT} --resume", train("log.csv", "grown"))).fine();
    assert!(folder.text("grown.csv") == folder.text("whole.csv"));
    assert!(folder.bytes("grown.model") == folder.bytes("whole.model"));
    assert_eq!(folder.text("grown.jsonl").lines().count(), folder.text("whole.jsonl").lines().count());
}

#[test]
fn a_run_that_had_ended_ends_the_same_way_again() {
    let (folder, _) = with_clicks(20_000);
    folder.run(&format!("train clicks.csv {ROLES} {}", outputs("whole"))).fine();
    for resume in ["", "--resume", "--resume --threads 3"] {
        folder.run(&format!("train clicks.csv {ROLES} {KEPT} {resume} {}", outputs("again"))).fine();
        assert_same(&folder, "whole", "again");
    }
    assert!((1..=3).contains(&checkpoints(&folder).len()));
    let ended = folder.run(&format!("train clicks.csv {ROLES} --checkpoint elsewhere --resume")).fine();
    assert!(ended.stderr.contains("no checkpoint in elsewhere yet: starting at the beginning"), "{}", ended.stderr);
}

#[test]
fn compressed_predictions_go_on_too() {
    let (folder, text) = with_clicks(30_000);
    folder.run(&format!("train clicks.csv {ROLES} --predictions whole.csv")).fine();
    let (first, _) = cut(&text, 15_000);
    folder.file("log.csv", first);
    for ending in ["gz", "zst"] {
        let _ = std::fs::remove_dir_all(folder.path("kept"));
        let line = format!("train log.csv {ROLES} {KEPT} --resume --predictions p.csv.{ending}");
        folder.file("log.csv", first);
        folder.run(&line).fine();
        folder.file("log.csv", &text);
        folder.run(&line).fine();
        let mut unpacked = String::new();
        let file = std::fs::File::open(folder.path(&format!("p.csv.{ending}"))).unwrap();
        match ending {
            "gz" => std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut unpacked),
            _ => std::io::Read::read_to_string(&mut zstd::Decoder::new(file).unwrap(), &mut unpacked),
        }
        .unwrap();
        assert!(unpacked == folder.text("whole.csv"), "{ending}");
    }
}

#[test]
fn predictions_on_a_pipe_go_on_without_a_second_header() {
    let (folder, text) = with_clicks(20_000);
    folder.run(&format!("train clicks.csv {ROLES} --predictions whole.csv")).fine();
    let (first, _) = cut(&text, 9000);
    folder.file("log.csv", first);
    let line = format!("train log.csv {ROLES} {KEPT} --resume --predictions -");
    let one = folder.run(&line).fine();
    folder.file("log.csv", &text);
    let two = folder.run(&line).fine();
    assert!(!two.out().contains("probability"));
    // The last, shorter micro-batch was answered at the end of the first part, and comes again in a whole one.
    let whole = folder.text("whole.csv");
    let again = whole.find(two.out()).unwrap();
    assert!(one.out().len() >= again && whole.ends_with(two.out()));
    assert!(one.out().as_bytes()[..again] == whole.as_bytes()[..again]);
}

#[test]
fn a_checkpoint_in_time_comes_while_a_pipe_is_silent() {
    let (folder, text) = with_clicks(20_000);
    let mut child = piped(&folder, &format!("train - {ROLES} --checkpoint kept --checkpoint-every 200ms"));
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, cut(&text, 15_001).0.as_bytes()).unwrap();
    wait_until("the checkpoint", || checkpoints(&folder).last().is_some_and(|path| ends_with(path, 15_000)));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn another_stream_is_refused_and_nothing_is_touched() {
    let (folder, text) = with_clicks(20_000);
    let line = format!("train - {ROLES} {KEPT} --resume {}", outputs("out"));
    folder.run_with(&line, text.as_bytes()).fine();
    let before = outcome::left_by(&folder, "out");
    let other = clicks(20_000).replacen(",n3\n", ",n4\n", 1);
    for other in [other.as_str(), cut(&text, 100).0, ""] {
        folder.run_with(&line, other.as_bytes()).refused(&["standard input is not what the checkpoint has read"]);
        outcome::assert_same_as(&before, &folder, "out");
    }
    folder.run_with(&line, text.as_bytes()).fine();
}

#[test]
fn another_job_is_refused_with_what_differs() {
    let (folder, _) = with_clicks(10_000);
    let line = |more: &str| format!("train clicks.csv {ROLES} --predictions p.csv --checkpoint kept --resume {more}");
    folder.run(&line("")).fine();
    for (more, said) in [
        ("--learning-rate 0.2", "--learning-rate was 0.05 and is 0.2"),
        ("--batch 64", "--batch was 256 and is 64"),
        ("--optimizer ftrl", "--optimizer was \"adagrad\" and is \"ftrl\""),
        ("--categorical hour", "--categorical was not given"),
        ("--rejected r.jsonl", "it was made without --rejected"),
        ("--segment hour", "--segment was not given and is [\"hour\"]"),
        ("--metrics m.csv --metrics-every 500", "--metrics-every was not given and is [\"500\"]"),
    ] {
        folder.run(&line(more)).refused(&["belongs to another job", said, "empty --checkpoint folder"]);
    }
    let without = format!("train clicks.csv {ROLES} --checkpoint kept --resume");
    folder.run(&without).refused(&["it was made with --predictions"]);
    std::fs::remove_file(folder.path("p.csv")).unwrap();
    folder.run(&line("")).refused(&["p.csv", "it is gone, and the checkpoint counts"]);
}

#[test]
fn checkpoints_of_an_earlier_run_are_never_overwritten_without_a_word() {
    let (folder, _) = with_clicks(10_000);
    folder.run(&format!("train clicks.csv {ROLES} {KEPT}")).fine();
    let before: Vec<_> = checkpoints(&folder).iter().map(|path| std::fs::read(path).unwrap()).collect();
    folder.run(&format!("train clicks.csv {ROLES} {KEPT}")).refused(&["kept holds checkpoints", "--resume"]);
    let after: Vec<_> = checkpoints(&folder).iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(before == after);
    folder.run("train clicks.csv --label click --resume").refused(&["--checkpoint DIR"]);
}

#[test]
fn two_runs_cannot_write_to_one_folder() {
    let (folder, text) = with_clicks(20_000);
    let mut child = piped(&folder, &format!("train - {ROLES} {KEPT}"));
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, text.as_bytes()).unwrap();
    wait_until("a checkpoint", || !checkpoints(&folder).is_empty());
    folder.run(&format!("train clicks.csv {ROLES} {KEPT} --resume")).refused(&["another run writes its checkpoints"]);
    drop(stdin);
    of(child.wait_with_output().unwrap()).fine();
}

#[test]
fn a_damaged_checkpoint_is_set_aside_for_the_one_before_it() {
    let (folder, _) = with_clicks(30_000);
    folder.run(&format!("train clicks.csv {ROLES} {}", outputs("whole"))).fine();
    let line = format!("train clicks.csv {ROLES} {KEPT} --resume {}", outputs("mended"));
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.clear(),
        |bytes| bytes[9000] ^= 4,
        |bytes| bytes[40] ^= 1,
    ];
    for damage in damages {
        let _ = std::fs::remove_dir_all(folder.path("kept"));
        folder.run(&line).fine();
        let newest = checkpoints(&folder).pop().unwrap();
        let mut bytes = std::fs::read(&newest).unwrap();
        damage(&mut bytes);
        std::fs::write(&newest, bytes).unwrap();
        let ended = folder.run(&line).fine();
        let name = newest.file_name().unwrap().to_string_lossy().into_owned();
        assert!(ended.stderr.contains(&format!("cannot use the checkpoint kept/{name}")), "{}", ended.stderr);
        assert!(ended.stderr.contains("resumed behind record"), "{}", ended.stderr);
        assert_same(&folder, "whole", "mended");
    }
}

#[test]
fn checkpoints_none_of_which_can_be_used_are_named() {
    let (folder, _) = with_clicks(10_000);
    let line = format!("train clicks.csv {ROLES} {KEPT} --resume --model clicks.model");
    folder.run(&line).fine();
    let kept = checkpoints(&folder);
    for path in &kept {
        std::fs::copy(folder.path("clicks.model"), path).unwrap();
    }
    folder.run(&line).refused(&["cannot use the checkpoint", "it is a tidemill-model, not a tidemill-checkpoint"]);
    for path in &kept {
        std::fs::write(path, "not a checkpoint").unwrap();
    }
    folder.run(&line).refused(&["cannot use the checkpoint", "empty --checkpoint folder"]);
}

#[test]
fn a_folder_that_goes_away_ends_the_run_and_says_what_is_left() {
    let (folder, text) = with_clicks(20_000);
    let mut child = piped(&folder, &format!("train - {ROLES} {KEPT}"));
    let mut stdin = child.stdin.take().unwrap();
    let (first, rest) = cut(&text, 15_000);
    std::io::Write::write_all(&mut stdin, first.as_bytes()).unwrap();
    wait_until("a checkpoint", || !checkpoints(&folder).is_empty());
    std::fs::rename(folder.path("kept"), folder.path("moved")).unwrap();
    let _ = std::io::Write::write_all(&mut stdin, rest.as_bytes()); // it may have ended
    drop(stdin);
    of(child.wait_with_output().unwrap()).refused(&["kept", "there is no checkpoint"]);
}

/// With a limit on the size of files, which fails like a disk that is full.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_costs_nothing_but_a_second_start() {
    // In KiB: less than the predictions take; then less than a checkpoint does.
    let cases = [(90_000, 10, 2000, "cannot write filled.csv"), (2000, 20, 100, "cannot write kept/checkpoint-")];
    for (records, bits, limit, said) in cases {
        let (folder, _) = with_clicks(records);
        let train = format!("train clicks.csv {ROLES} --hash-bits {bits}");
        folder.run(&format!("{train} {}", outputs("whole"))).fine();
        let line = format!("{train} {KEPT} --resume {}", outputs("filled"));
        let limited = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
        let mut command = Command::new("bash");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_tidemill")]);
        command.args(line.split_whitespace()).current_dir(folder.path("."));
        program::ended(command).refused(&[said, "--resume"]);
        folder.run(&line).fine();
        assert_same(&folder, "whole", "filled");
    }
}
