//! libsvm's and Vowpal Wabbit's text from end to end: learned, predicted, trained on, gone on with, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use std::io::Write;

use program::{Folder, column, numbers};

const LEARNER: &str = "--device cpu --quiet --hash-bits 12 --batch 64 --learning-rate 0.5";

/// Records whose label follows from their second feature, with a line in fifty that cannot be used.
fn vw(from: usize, to: usize) -> String {
    let line = |at: usize| match at % 50 {
        49 => "1 |n a:nan\n".to_owned(),
        _ => {
            let label = if at % 7 < 3 { "1" } else { "-1" };
            format!("{label} 2 'n{at} |user u{} |n:0.5 colour{}:1.5 {at}:0.25\n", at % 5, at % 7)
        }
    };
    (from..to).map(line).collect()
}

fn libsvm(records: usize) -> String {
    (0..records).map(|at| format!("{} {}:1 {}:0.5\n", at % 7 / 4, at % 7, 10 + at % 5)).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn a_model_of_vowpal_wabbit_s_text_predicts_with_tags_from_a_file_a_pipe_and_compressed() {
    let folder = Folder::new();
    folder.file("in.vw", vw(0, 2000));
    folder.file("in.vw.gz", gzip(&vw(0, 2000)));
    let line = format!("train in.vw --id tag --model model --max-rejected 5% --summary s.json {LEARNER}");
    folder.run(&line).fine();
    let summary = folder.json("s.json");
    assert!(summary["log_loss"].as_f64().unwrap() < 0.2, "{summary}");
    assert_eq!((&summary["rejected"], &summary["records"]), (&40.into(), &1960.into()));

    let predict = "predict --model model --quiet --max-rejected 5%";
    let from_file = folder.run(&format!("{predict} in.vw")).fine();
    assert_eq!(column(from_file.out(), "tag")[..2], ["n0", "n1"]);
    let from_pipe = folder.run_with(&format!("{predict} -"), vw(0, 2000).as_bytes()).fine();
    let compressed = folder.run(&format!("{predict} in.vw.gz")).fine();
    let unnamed = folder.run_with(&format!("{predict} --format vw -"), vw(0, 2000).as_bytes()).fine();
    for other in [from_pipe, compressed, unnamed] {
        assert_eq!(other.out(), from_file.out());
    }
    let unlabelled: String =
        vw(0, 2000).lines().map(|line| format!("|{}\n", line.split_once('|').unwrap().1)).collect();
    folder.file("unlabelled.vw", unlabelled);
    let without = folder.run(&format!("{predict} unlabelled.vw")).fine();
    assert_eq!(numbers(without.out(), "logit"), numbers(from_file.out(), "logit"));
    assert!(column(without.out(), "label").iter().all(String::is_empty));
}

#[test]
fn one_run_two_runs_and_one_that_is_gone_on_with_learn_the_same() {
    let folder = Folder::new();
    let text = vw(0, 3000);
    let cut = text.match_indices('\n').nth(1599).unwrap().0 + 1; // behind 1,568 records: 49 micro-batches
    folder.file("all.vw", &text);
    folder.file("a.vw", &text[..cut]);
    folder.file("b.vw", &text[cut..]);
    let learner = LEARNER.replace("--batch 64", "--batch 32");
    let options = format!("--id tag --ignore user --max-rejected 5% {learner}");
    folder.run(&format!("train all.vw --model whole {options}")).fine();
    folder.run(&format!("train a.vw --model first {options}")).fine();
    let rest = "train b.vw --warm-start first --model second --device cpu --quiet --max-rejected 5%";
    folder.run(rest).fine();
    assert!(folder.bytes("whole") == folder.bytes("second"), "a warm start makes a difference");

    let kept = format!("--checkpoint kept --checkpoint-every 100 {options}");
    folder.run(&format!("train a.vw {kept}")).fine();
    folder.run(&format!("train a.vw b.vw --resume --model resumed {kept}")).fine();
    assert!(folder.bytes("whole") == folder.bytes("resumed"), "going on makes a difference");
}

#[test]
fn threads_and_compression_make_no_difference_to_libsvm_s_text() {
    let folder = Folder::new();
    folder.file("in.svm", libsvm(50_000));
    folder.file("in.libsvm.gz", gzip(&libsvm(50_000)));
    folder.run(&format!("train in.svm --model one --threads 1 {LEARNER} --summary s.json")).fine();
    folder.run(&format!("train in.libsvm.gz --model many --threads 4 {LEARNER}")).fine();
    assert!(folder.bytes("one") == folder.bytes("many"));
    assert!(folder.json("s.json")["log_loss"].as_f64().unwrap() < 0.05);
    // The same slots by another name: digits without a namespace.
    let vw: String = libsvm(100).lines().map(|line| line.replacen(' ', " | ", 1) + "\n").collect();
    folder.file("in.vw", vw);
    folder.file("few.svm", libsvm(100));
    let [vw, svm] = ["in.vw", "few.svm"].map(|name| folder.run(&format!("predict --model one --quiet {name}")).fine());
    assert_eq!(vw.out(), svm.out());
}

#[test]
fn a_namespace_that_is_ignored_is_not_learned() {
    let folder = Folder::new();
    folder.file("with.vw", vw(0, 500));
    folder.file("without.vw", vw(0, 500).lines().map(without_user).collect::<String>());
    let rest = format!("--max-rejected 5% --predictions p.csv {LEARNER}");
    folder.run(&format!("train with.vw --ignore user {rest}")).fine();
    let ignored = folder.text("p.csv");
    folder.run(&format!("train without.vw {rest}")).fine();
    assert_eq!(ignored, folder.text("p.csv"));
}

fn without_user(line: &str) -> String {
    let kept = line.split('|').filter(|section| !section.starts_with("user"));
    kept.collect::<Vec<_>>().join("|") + "\n"
}

#[test]
fn flags_that_name_columns_are_refused_with_what_to_do() {
    let folder = Folder::new();
    folder.file("in.vw", vw(0, 10));
    folder.file("in.svm", libsvm(10));
    folder.file("in.csv", "y,x\n1,2\n0,3\n");
    folder.file("empty.svm", "");
    for (line, words) in [
        ("in.svm --numeric x", &["--numeric", "libsvm's text", "leave --numeric out"][..]),
        ("in.vw --categorical n", &["--categorical", "Vowpal Wabbit's text"]),
        ("in.vw --log n", &["--log"]),
        ("in.svm --ignore 7", &["--ignore", "neither"]),
        ("in.svm --id tag", &["--id", "\"tag\"", "label"]),
        ("in.vw --id label", &["--id", "leave --id out"]),
        ("in.vw --label weight", &["--label", "leave --label out"]),
        ("in.vw --time when", &["--time", "label, weight, tag"]),
        ("in.svm --columns a,b", &["--columns"]),
        ("in.svm in.csv", &["two formats"]),
        ("empty.svm", &["not even a record"]),
    ] {
        folder.run(&format!("train {line} --device cpu")).refused(words);
    }
    folder.run(&format!("train in.svm --label label --model svm {LEARNER}")).fine();
    folder.run(&format!("train in.csv --label y --model csv {LEARNER}")).fine();
    folder.run("predict --model svm in.csv").refused(&["libsvm's text", "in.csv", "--format"]);
    folder.run("predict --model csv in.svm").refused(&["in.svm", "--format"]);
    folder.run("train in.svm --warm-start svm --hash all").refused(&["--hash", "leave it out"]);
    folder.run("train in.svm --warm-start svm --hash strings --device cpu").fine();
}
