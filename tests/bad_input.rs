//! What a user gets for input that is broken, missing, hostile or plainly something else: a sentence that says what to
//! do, an exit code, a bad record in the rejected file, and never a panic or a word on standard output.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use std::io::{Read, Write};
use std::process::Stdio;

use program::{Ended, Folder, ended, is_root, stream};
use serde_json::Value;
use tidemill::source::synthetic::Generator;

const TRAIN: &str = "train --device cpu --hash-bits 10 --label y";

/// Trains on a file of this content.
fn train(content: impl AsRef<[u8]>, options: &str) -> (Folder, Ended) {
    let folder = Folder::new();
    folder.file("in.csv", content);
    let ended = folder.run(&format!("{TRAIN} in.csv --rejected r.jsonl --summary s.json --model model {options}"));
    (folder, ended)
}

/// Column and reason of each rejected record, by record number.
fn rejected(folder: &Folder) -> Vec<(u64, String, Value)> {
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        (value["record"].as_u64().unwrap(), value["reason"].as_str().unwrap().to_owned(), value["column"].clone())
    };
    folder.text("r.jsonl").lines().map(line).collect()
}

/// A hundred good records, then these.
fn behind_good_ones(lines: &str) -> String {
    let good = (0..100).map(|at| format!("{},{},t{}\n", at % 2, f64::from(at) / 7.0, at % 5));
    format!("y,x,c\n{}{lines}", good.collect::<String>())
}

#[test]
fn an_empty_file_is_refused() {
    train("", "").1.refused(&["in.csv is empty", "header"]);
}

#[test]
fn a_header_alone_is_a_run_over_nothing_with_a_warning() {
    for header in ["y,x", "y,x\n", "y,x\r\n\n"] {
        let (folder, ended) = train(header, "");
        assert!(ended.fine().stderr.contains("warning: the input has no records"));
        assert_eq!((folder.json("s.json")["records"].clone(), folder.has("model")), (0.into(), true));
    }
}

#[test]
fn ragged_rows_are_rejected_one_by_one() {
    let (folder, ended) = train(behind_good_ones("1,2\n0,1,a,b\n\n1,2,t1\n"), "--max-rejected 2");
    ended.fine();
    assert_eq!(rejected(&folder), [(101, "field_count".into(), Value::Null), (102, "field_count".into(), Value::Null)]);
    assert_eq!(folder.json("s.json")["records"], 101);
}

#[test]
fn a_label_column_that_is_missing_is_refused_with_the_columns_there_are() {
    train("a,b\n1,2\n", "").1.refused(&["--label", "\"y\"", "a, b"]);
    let folder = Folder::new();
    folder.file("in.csv", "a,b\n1,2\n");
    folder.run("train in.csv").refused(&["add --label", "a, b"]);
}

#[test]
fn what_is_no_number_in_a_numeric_column_is_rejected_by_reason() {
    let bad = "1,abc,t\n1,inf,t\n0,nan,t\n0,-Infinity,t\n1,1e39,t\n1,1e400,t\n1,1_000,t\n1,,t\n1, 5 ,t\n";
    let (folder, ended) = train(behind_good_ones(bad), "--numeric x --max-rejected 7 --predictions p.csv");
    ended.fine();
    let reasons = ["not_a_number", "not_finite", "not_finite", "not_finite", "out_of_range", "out_of_range"];
    let expected: Vec<_> =
        reasons.into_iter().chain(["not_a_number"]).zip(101..).map(|(r, at)| (at, r.into(), "x".into())).collect();
    assert_eq!(rejected(&folder), expected);
    assert_eq!(folder.json("s.json")["records"], 102); // a missing number and one with blanks are fine
    let last: Vec<String> = folder.text("p.csv").lines().skip(101).map(String::from).collect();
    assert!(last[0].starts_with("108,") && last[1].starts_with("109,"), "{last:?}");
}

#[test]
fn a_bad_number_leaves_no_trace_in_the_model() {
    let (with, ended) = train(behind_good_ones("1,inf,t\n0,1e39,t\n"), "--max-rejected 2");
    ended.fine();
    let (without, ended) = train(behind_good_ones(""), "--max-rejected 2");
    ended.fine();
    assert!(with.bytes("model") == without.bytes("model"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_line_of_a_hundred_megabytes_is_rejected_in_bounded_memory() {
    let folder = Folder::new();
    let mut command = folder.command(&format!("{TRAIN} - --rejected r.jsonl --summary s.json --quiet --threads 2"));
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(behind_good_ones("").as_bytes()).unwrap();
    let megabyte = vec![b'x'; 1 << 20];
    (0..100).for_each(|_| stdin.write_all(&megabyte).unwrap());
    stdin.write_all(b"\n1,2,t1\n").unwrap();
    // All but what the pipe holds has been read, and the program waits for more.
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    drop(stdin);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    assert!(kilobytes < 300_000, "{kilobytes} kB");
    assert_eq!(rejected(&folder), [(101, "too_long".into(), Value::Null)]);
    assert_eq!(folder.json("s.json")["records"], 101);
    assert!(folder.bytes("r.jsonl").len() < 100_000);
}

#[test]
fn a_quote_that_is_never_closed_costs_its_line_alone() {
    let (folder, ended) = train(behind_good_ones("1,2,\"t\n1,3,t\n0,4,t\n"), "");
    ended.fine();
    assert_eq!(rejected(&folder), [(101, "unclosed_quote".into(), Value::Null)]);
    assert_eq!(folder.json("s.json")["records"], 102);
}

#[test]
fn what_is_no_text_is_refused() {
    let mut state = 88_172_645_463_325_252_u64;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(300_000)
    .collect();
    let utf16: Vec<u8> = "\u{feff}y,x\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for binary in [&random[..], b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR,\0\0", b"PK\x03\x04\x14\0\0,\0", &utf16] {
        train(binary, "").1.refused(&["in.csv does not look like text", "UTF-8"]);
        // With the columns named there is no header to stumble over: every record is rejected.
        let (_, ended) = train(binary, "--columns y,x --numeric x");
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    }
}

#[test]
fn text_that_is_not_utf8_is_rejected_by_column() {
    let mut content = behind_good_ones("").into_bytes();
    content.extend_from_slice(b"1,2,caf\xe9\n1,2,caf\xc3\xa9\n");
    let (folder, ended) = train(content, "");
    ended.fine();
    assert_eq!(rejected(&folder), [(101, "invalid_utf8".into(), "c".into())]);
    assert!(folder.text("r.jsonl").contains("caf\u{fffd}"));
}

#[test]
fn compressed_files_that_were_cut_short_are_refused() {
    let folder = Folder::new();
    let text = stream(Generator::Hyperplane, 20_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for (name, whole) in [("in.csv.gz", gzip), ("in.csv.zst", zstd)] {
        for part in [whole.len() / 10, whole.len() - 1] {
            folder.file(name, &whole[..part]);
            let line = format!("{TRAIN} {name} --model model --predictions p.csv");
            folder.run(&line).refused(&[name, "cut short", "get a whole copy"]);
            assert!(folder.has("model"), "what came before the end was learned");
        }
        let mut damaged = whole.clone();
        damaged[whole.len() / 2..].iter_mut().for_each(|byte| *byte ^= 0x55);
        folder.file(name, damaged);
        folder.run(&format!("{TRAIN} {name}")).refused(&[name, "get a whole copy"]);
    }
}

#[test]
fn a_file_that_is_not_compressed_though_its_name_says_so_is_refused() {
    let folder = Folder::new();
    for (name, kind) in [("in.csv.gz", "gzip"), ("in.csv.zst", "zstd")] {
        folder.file(name, behind_good_ones(""));
        folder.run(&format!("{TRAIN} {name}")).refused(&[name, "is not", kind, "rename it"]);
    }
}

#[test]
fn a_label_that_is_neither_class_is_rejected_and_the_way_out_is_named() {
    let (folder, ended) = train(behind_good_ones("2,1,t\nyes,1,t\n0.5,1,t\n"), "--max-rejected 3");
    ended.fine();
    let expected: Vec<_> = (101..104).map(|at| (at, "label".to_owned(), Value::from("y"))).collect();
    assert_eq!(rejected(&folder), expected);
    train("y,x\nyes,1\nno,2\n", "").1.rejected_too_many(&["2 of 2", "0/1, -1/+1 or true/false", "--positive"]);
    let (folder, ended) = train("y,x\nyes,1\nno,2\n", "--positive yes");
    ended.fine();
    assert_eq!(folder.json("s.json")["base_rate"], 0.5);
}

#[test]
fn labels_written_in_two_ways_are_refused_with_both_places() {
    train("y,x\n1,1\n0,2\n-1,3\n", "").1.refused(&["record 2", "record 3", "--positive"]);
    train("y,x\n1,1\n1,2\nfalse,3\n", "").1.refused(&["record 1", "record 3"]);
}

#[test]
fn labels_that_are_all_alike_or_missing_are_learned_with_a_warning() {
    for (content, warning, records) in [
        ("y,x\n1,1\n1,2\n", "every label was positive", 2),
        ("y,x\n-1,1\n-1,2\n", "every label was negative", 2),
        ("y,x\n,1\n,2\n", "no record had a label", 2),
    ] {
        let (folder, ended) = train(content, "");
        let stderr = ended.fine().stderr;
        assert!(stderr.contains(warning) && stderr.contains("check --label"), "{stderr}");
        assert_eq!((&folder.json("s.json")["records"], folder.has("model")), (&records.into(), true));
        assert_eq!(folder.json("s.json")["auc"], Value::Null);
    }
}

#[test]
fn a_column_that_is_all_empty_changes_nothing() {
    let text = stream(Generator::Hyperplane, 2_000);
    let with_empty = text.replace('\n', ",\n").replacen(",\n", ",nothing\n", 1);
    let (plain, ended) = train(&text, "--predictions p.csv");
    ended.fine();
    for role in ["", "--numeric nothing", "--categorical nothing", "--weight nothing"] {
        let (folder, ended) = train(&with_empty, &format!("--predictions p.csv {role}"));
        ended.fine();
        assert!(plain.bytes("p.csv") == folder.bytes("p.csv"), "{role}");
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("nowhere", folder.path("dangling.csv")).unwrap();
    std::fs::create_dir(folder.path("logs")).unwrap();
    folder.run(&format!("{TRAIN} dangling.csv")).refused(&["dangling.csv", "no such file", "check the name"]);
    folder.run(&format!("{TRAIN} absent.csv")).refused(&["absent.csv", "no such file"]);
    folder.run(&format!("{TRAIN} logs")).refused(&["the folder logs has no files", "logs/*.log"]);
    folder.run("inspect absent").refused(&["cannot read absent"]);
    folder.run("predict --model absent absent.csv").refused(&["cannot read absent"]);
}

#[test]
fn what_may_not_be_read_is_named() {
    let folder = Folder::new();
    if is_root(&folder) {
        eprintln!("skipped: root may read everything");
        return;
    }
    folder.run(&format!("{TRAIN} secret")).refused(&["secret", "no permission", "chmod"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_named_whatever_was_to_be_written() {
    let folder = Folder::new();
    folder.file("in.csv", behind_good_ones("bad\n"));
    std::os::unix::fs::symlink("/dev/full", folder.path("full.csv")).unwrap();
    for flag in ["--predictions", "--model", "--summary", "--rejected"] {
        let ended = folder.run(&format!("{TRAIN} in.csv {flag} full.csv"));
        ended.refused(&["cannot write full.csv", "free some space or write it elsewhere"]);
    }
    let ended = folder.run(&format!("{TRAIN} in.csv --model full.csv --summary s.json"));
    assert!(ended.stderr.contains("log loss"), "what was learned is told all the same");
    assert!(folder.has("s.json"));
    folder.run("generate clicks --rows 10 -o full.csv").refused(&["full.csv", "free some space"]);
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let folder = Folder::new();
    folder.file("in.csv", stream(Generator::Clicks, 20_000));
    folder.run("train in.csv --label click --device cpu --model model --hash-bits 10 --quiet").fine();
    for line in [
        "train in.csv --label click --device cpu --predictions - --quiet",
        "predict --model model in.csv --quiet",
        "generate clicks --rows 100000",
    ] {
        let mut child = folder.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap(); // and the pipe is closed
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""), "{line}");
    }
}

#[test]
fn standard_error_that_nobody_reads_stops_nothing() {
    let folder = Folder::new();
    folder.file("in.csv", behind_good_ones(""));
    let mut child = folder.command(&format!("{TRAIN} in.csv --model model")).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(folder.has("model"));
    let mut child = folder.command(&format!("{TRAIN} absent.csv")).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn an_output_that_cannot_be_is_refused_before_the_first_record() {
    let folder = Folder::new();
    let text = behind_good_ones("");
    folder.file("in.csv", &text);
    std::fs::create_dir(folder.path("there")).unwrap();
    for flag in ["--predictions", "--model", "--summary", "--rejected"] {
        let ended = folder.run(&format!("{TRAIN} in.csv {flag} no/such/out.csv"));
        assert!(!ended.stderr.contains("log loss"));
        ended.refused(&["no/such/out.csv", "make its folder first"]);
        folder.run(&format!("{TRAIN} in.csv {flag} there")).refused(&["there is a folder"]);
        folder.run(&format!("{TRAIN} in.csv {flag} ./in.csv")).refused(&[flag, "would overwrite an input"]);
    }
    assert_eq!(folder.text("in.csv"), text);
    folder.run(&format!("{TRAIN} in.csv --predictions out.csv --rejected there/../out.csv")).refused(&[
        "--rejected",
        "would overwrite --predictions",
        "its own name",
    ]);
    folder.run(&format!("{TRAIN} in.csv --predictions - --summary -")).refused(&["--summary -"]);
    folder.run(&format!("{TRAIN} in.csv --predictions out.xlsx")).refused(&["out.xlsx", ".csv", ".jsonl"]);
    folder.run(&format!("{TRAIN} in.csv --summary /dev/null --rejected /dev/null")).fine();
}

#[test]
fn a_job_file_that_is_not_right_is_refused_with_the_key() {
    let folder = Folder::new();
    for (job, words) in [
        ("[learner]\nspeed = 3\n", &["[learner] has no key speed"][..]),
        ("[learner]\nbatch = 'x'\n", &["learner.batch", "expected a whole number"]),
        ("[source]\ninput = 'a.csv'\n", &["source.input", "expected a list, such as [\"a\", \"b\"]"]),
        ("[source]\nlabel = 1\n", &["source.label", "text in quotes"]),
        ("[sauce]\n", &["[sauce]", "did you mean [source]"]),
        ("[source\n", &["line 1"]),
        ("[source]\ngenerate = 'clicks'\ninput = ['a.csv']\n", &["keep `input` or `generate`"]),
        ("[learner]\noptimizer = 'newton'\n", &["newton", "adagrad"]),
        ("[learner]\noptimizer = 'ftrl'\nbeta = 0.0\n[source]\ngenerate = 'clicks'\n", &["--beta 0", "0.000001 to"]),
        ("[learner]\nhash-bits = 40\n[source]\ngenerate = 'clicks'\n", &["--hash-bits 40", "1 to 24"]),
    ] {
        folder.file("job.toml", job);
        folder.run("train job.toml").refused(words);
    }
    folder.run("train absent.toml").refused(&["cannot read the job file absent.toml", "check the name"]);
}

#[test]
fn columns_that_are_unknown_doubled_or_of_two_roles_are_refused() {
    let good = behind_good_ones("");
    for flag in ["--weight", "--id", "--time", "--numeric", "--categorical", "--ignore", "--log"] {
        train(&good, &format!("{flag} height")).1.refused(&[flag, "\"height\"", "y, x, c"]);
    }
    train(&good, "--id x --numeric x").1.refused(&["\"x\"", "one role"]);
    train("y,x,x\n1,2,3\n", "").1.refused(&["two columns named \"x\"", "rename"]);
    train("1,2\n", "--columns y,y").1.refused(&["--columns", "two columns named \"y\""]);
    train("1,2\n0,3\n", "").1.refused(&["numbers", "--columns"]);
    train("y;x\n1;2\n", "").1.refused(&["semicolons between its fields", "\"y;x\"", "commas"]);
    train("y\tx\n1\t2\n", "").1.refused(&["one column only", "--format tsv"]);
    train("y, x\n1,2\n", "--columns y,x").1.refused(&["in.csv is a header", "leave --columns out"]);
}

#[test]
fn inputs_of_one_run_must_have_the_same_columns() {
    let folder = Folder::new();
    folder.file("a.csv", "y,x\n1,2\n");
    folder.file("b.csv", "y,z\n1,2\n");
    folder.run(&format!("{TRAIN} a.csv b.csv")).refused(&["input 2", "y, z", "y, x"]);
    folder.run(&format!("{TRAIN} - -")).refused(&["standard input", "once"]);
    folder.file("empty.csv", "");
    folder.file("double.csv", "y,y\n1,2\n");
    folder.run(&format!("{TRAIN} empty.csv double.csv")).refused(&["double.csv has two columns"]);
    folder.run(&format!("{TRAIN} empty.csv empty.csv")).refused(&["empty.csv is empty"]);
    folder.run(&format!("{TRAIN} empty.csv a.csv empty.csv")).fine();
    // Naming a file twice is reading it twice.
    folder.run(&format!("{TRAIN} a.csv a.csv --summary s.json")).fine();
    assert_eq!(folder.json("s.json")["records"], 2);
}

#[test]
fn too_many_rejected_records_are_exit_code_1_with_the_outputs_written() {
    let content = behind_good_ones("bad\nbad\n1,2,t\n");
    for (limit, code) in [("1%", 1), ("1", 1), ("2", 0), ("2%", 0), ("100%", 0), ("0", 1)] {
        let (folder, ended) = train(&content, &format!("--predictions p.csv --max-rejected {limit}"));
        assert_eq!(ended.code, Some(code), "{limit}: {}", ended.stderr);
        // A number stops at once, a share of so short a stream at its end.
        let seen = match limit {
            "0" => 100 + 1,
            "1" => 100 + 2,
            _ => 103,
        };
        let summary = folder.json("s.json");
        let counted = summary["records"].as_u64().unwrap() + summary["rejected"].as_u64().unwrap();
        assert_eq!(counted, seen, "{limit}");
        assert_eq!(folder.text("p.csv").lines().count() as u64 - 1, summary["records"].as_u64().unwrap());
        assert_eq!(rejected(&folder).len() as u64, summary["rejected"].as_u64().unwrap());
        assert!(folder.has("model"));
        if code == 1 {
            ended.rejected_too_many(&["field_count", "--max-rejected", "--rejected FILE"]);
        }
    }
    train(&content, "--max-rejected many").1.refused(&["--max-rejected many", "1%", "100"]);
}

#[test]
fn no_input_at_all_is_refused_with_what_could_be() {
    let folder = Folder::new();
    folder.run("train --label y").refused(&["nothing to read", "--generate"]);
    folder.run_with(&format!("{TRAIN} -"), b"").refused(&["standard input is empty"]);
    let ended = ended(folder.command("predict --model m"));
    assert!(ended.code == Some(2) && ended.stderr.contains("<INPUT>"), "{}", ended.stderr);
}
