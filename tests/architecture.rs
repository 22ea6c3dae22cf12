//! What ARCHITECTURE.md promises about the code, read off the code.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod code;

use code::{File, functions, root, sources};

/// The stages by level: a file uses those of lower levels, and of its own level nothing but its own stage.
const LEVELS: [&[&str]; 16] = [
    &["error"],
    &["snapshot", "timestamp"],
    &["record", "examples", "schema"],
    &["source", "parser", "transform", "encoder"],
    &["event_time", "scaler", "online", "window"],
    &["join"],
    &["batcher"],
    &["learner", "metric", "drift"],
    &["dictionary"],
    &["sink", "replay"],
    &["report", "config", "checkpoint"],
    &["engine"],
    &["pipeline"],
    &["verify", "bench", "embed"],
    &["cli"],
    &["lib", "main"],
];

/// Uses against the levels: file, what it may use all the same, and why.
const EXCEPTIONS: [(&str, &str, &str); 4] = [
    ("encoder/infer.rs", "parser::number", "what a number is has one definition, and inference asks for it"),
    ("transform/table.rs", "parser::number", "what a number is has one definition, also for text behind transforms"),
    ("schema/mod.rs", "examples::stride", "plain data of one level"),
    ("examples.rs", "record::", "plain data of one level"),
];

fn level(stage: &str) -> usize {
    LEVELS.iter().position(|stages| stages.contains(&stage)).unwrap_or_else(|| panic!("{stage} has no level"))
}

fn fail_on(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Every place where one of `words` stands in code outside tests, but for files that `may` have it.
fn places(words: &[&str], may: impl Fn(&File) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in sources().iter().filter(|file| !may(file)) {
        for (number, line) in file.code.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                found.push(format!("{}:{}: {word}", file.name, number + 1));
            }
        }
    }
    found
}

#[test]
fn every_stage_uses_those_before_it_alone() {
    let mut faults = Vec::new();
    for file in sources() {
        for used in file.uses() {
            let stage = used.split("::").next().unwrap();
            let is_allowed = stage == file.stage()
                || level(stage) < level(file.stage())
                || EXCEPTIONS.iter().any(|(name, path, _)| *name == file.name && used.starts_with(path));
            if !is_allowed {
                faults.push(format!("{} uses {used}", file.name));
            }
        }
    }
    fail_on(faults);
}

#[test]
fn every_exception_is_still_needed() {
    let all = sources();
    for (name, path, _) in EXCEPTIONS {
        let file = all.iter().find(|file| file.name == name).unwrap_or_else(|| panic!("no file {name}"));
        assert!(file.uses().iter().any(|used| used.starts_with(path)), "{name} does not use {path} any more");
    }
}

#[test]
fn the_backends_never_name_each_other() {
    let mut faults = Vec::new();
    for file in sources() {
        for (own, other) in [("cpu", "gpu"), ("gpu", "cpu")] {
            if file.name.starts_with(&format!("learner/{own}")) {
                let names = |line: &str| {
                    [format!("learner::{other}"), format!("super::{other}"), format!("super::super::{other}")]
                        .iter()
                        .any(|path| line.contains(path))
                };
                faults
                    .extend(file.code.lines().filter(|line| names(line)).map(|line| format!("{}: {line}", file.name)));
            }
        }
    }
    fail_on(faults);
}

#[test]
fn only_the_gpu_backend_names_wgpu() {
    fail_on(places(&["wgpu::", "use wgpu", "pollster"], |file| file.name.starts_with("learner/gpu/")));
}

#[test]
fn only_what_reads_and_writes_columns_names_arrow_and_parquet() {
    let may = |file: &File| {
        // What is kept for later passes lies on the disk as columns too.
        matches!(file.stage(), "source" | "sink" | "record" | "transform")
            || file.name.starts_with("parser/columnar/")
            || file.name == "replay/file.rs"
    };
    fail_on(places(&["arrow::", "parquet::"], may));
}

#[test]
fn only_the_pipeline_has_threads_and_channels() {
    let words = ["thread::spawn", "thread::scope", "thread::Builder", "crossbeam_channel", "mpsc"];
    fail_on(places(&words, |file| file.stage() == "pipeline"));
    // A process is spawned like a thread: what is to be killed hard must be one.
    let may = |file: &File| file.stage() == "pipeline" || file.name == "verify/child.rs";
    fail_on(places(&[".spawn("], may));
    fail_on(places(&["Command::new"], |file| file.name == "verify/child.rs"));
}

#[test]
fn only_the_command_line_and_its_progress_print() {
    let words = ["println!", "print!(", "io::stderr", "dbg!"];
    fail_on(places(&words, |file| file.stage() == "cli" || file.name == "report/progress.rs"));
    // Data goes to standard output through the sinks.
    let may = |file: &File| file.stage() == "cli" || file.name == "sink/output.rs";
    fail_on(places(&["io::stdout"], may));
}

#[test]
fn only_main_ends_the_process() {
    fail_on(places(&["process::exit", "process::abort", "ExitCode"], |file| file.name == "main.rs"));
    fail_on(places(&["process::exit", "process::abort"], |_| false));
}

#[test]
fn only_the_pipeline_the_bench_and_the_choice_of_a_device_read_a_clock() {
    let may = |file: &File| matches!(file.stage(), "pipeline" | "bench") || file.name == "learner/race.rs";
    fail_on(places(&["Instant::now", "SystemTime"], may));
    // How far live input is behind the time of day is shown to people and monitors, and nothing else follows from it.
    fail_on(places(&["SystemTime"], |file| file.name == "pipeline/time_of_day.rs"));
}

#[test]
fn only_sources_sinks_and_the_job_file_do_input_and_output() {
    let may = |file: &File| {
        // The pipeline looks at the names of outputs before the first record. Verifying resume is about files: it
        // compares those that other runs have written, in a folder that it makes and removes. Open rows that do not fit
        // into memory wait in a temporary file.
        matches!(file.stage(), "source" | "sink" | "checkpoint")
            || [
                "config/mod.rs",
                "join/spilled.rs",
                "pipeline/outlet.rs",
                "replay/file.rs",
                "verify/compare.rs",
                "verify/work.rs",
            ]
            .contains(&&*file.name)
    };
    fail_on(places(&["std::fs", "File::open", "File::create", "io::stdin"], may));
}

/// What a part remembers is named field by field where it is saved and restored: a field that is added later does not
/// compile until it has been decided whether it is state.
#[test]
fn every_snapshot_takes_its_part_apart_without_leaving_anything_out() {
    let mut faults = Vec::new();
    let mut parts = 0;
    for file in sources() {
        let is_engine = file.name == "engine.rs";
        let code = if is_engine { file.code.as_str() } else { "" };
        let snapshots =
            file.code.split("impl Snapshot for ").skip(1).map(|rest| (2, rest.split("\n}\n").next().unwrap()));
        for (expected, code) in snapshots.chain((is_engine).then_some((2, code))) {
            parts += 1;
            let patterns: Vec<_> = code.split("let Self").skip(1).map(|rest| rest.split('=').next().unwrap()).collect();
            if patterns.len() != expected || patterns.iter().any(|pattern| pattern.contains("..")) {
                let part = code.split_whitespace().next().unwrap();
                faults.push(format!("{}: {part} is not taken apart field by field, twice", file.name));
            }
        }
    }
    assert!(parts >= 9, "{parts} parts");
    fail_on(faults);
}

#[test]
fn nothing_is_unwrapped_outside_tests_but_what_gives_a_reason() {
    let words = [".unwrap()", ".expect(", "panic!(", "todo!", "unimplemented!"];
    let has_reason = |place: &String| {
        let mut parts = place.split(':');
        let (name, line) = (parts.next().unwrap(), parts.next().unwrap().parse::<usize>().unwrap());
        let code = std::fs::read_to_string(root().join("src").join(name)).unwrap();
        let before: Vec<_> = code.lines().take(line).collect();
        before.iter().rev().take(4).any(|line| line.contains("#[expect(clippy::") && line.contains("reason ="))
    };
    fail_on(places(&words, |_| false).into_iter().filter(|place| !has_reason(place)).collect());
}

#[test]
fn every_file_says_what_it_is_and_is_short() {
    let mut faults = Vec::new();
    for file in sources() {
        if !file.text.starts_with("//! ") {
            faults.push(format!("{} does not open with //!", file.name));
        }
        let lines = file.text.lines().count();
        if lines > 500 {
            faults.push(format!("{} has {lines} lines", file.name));
        }
    }
    fail_on(faults);
}

#[test]
fn every_function_is_short() {
    let mut faults = Vec::new();
    for file in sources() {
        for (name, lines) in functions(&file.code) {
            if lines > 60 {
                faults.push(format!("{}: {name} has {lines} lines", file.name));
            }
        }
    }
    fail_on(faults);
}

#[test]
fn the_scan_sees_what_is_there_and_nothing_else() {
    let code = code::without_tests(&code::without_comments(
        "fn a(x: [u8; 2]) { // fn not {\n  let s = \"fn no() {\\\"\";\n  let c = '{';\n}\nfn b<'a>() {}\n\
         #[cfg(test)]\nmod tests {\n fn c() { }\n}\nfn d() {}\n",
    ));
    assert_eq!(functions(&code), [("a".into(), 4), ("b".into(), 1), ("d".into(), 1)]);
    let all: Vec<_> = sources().iter().flat_map(|file| functions(&file.code)).collect();
    assert!(all.len() > 400 && all.iter().any(|(_, lines)| *lines > 30));
}

#[test]
fn no_file_is_named_after_nothing() {
    let empty = ["util", "utils", "common", "base", "core", "helpers", "misc", "manager", "types"];
    let stem = |file: &File| file.name.rsplit('/').next().unwrap().trim_end_matches(".rs").to_owned();
    fail_on(sources().iter().filter(|file| empty.contains(&&*stem(file))).map(|file| file.name.clone()).collect());
}

#[test]
fn every_path_in_the_documents_is_there() {
    let mut faults = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap_or_else(|cause| panic!("{document}: {cause}"));
        let is_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        for word in text.split(|c: char| !is_path(c)) {
            let path = word.trim_end_matches(['.', '/']);
            let is_ours = ["src/", "shaders/", "tests/", "benches/", "examples/", "docs/", ".ci/"];
            if is_ours.iter().any(|folder| word.starts_with(folder)) && !root().join(path).exists() {
                faults.push(format!("{document}: {word}"));
            }
        }
    }
    fail_on(faults);
}
