//! Runs whose features are windows of keys: told the same by any number of threads and behind a stop, taken along by the
//! model, and refused with what to write.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::{Folder, stream};
use tidemill::source::synthetic::Generator;

#[test]
fn check_names_what_windows_will_tell() {
    let folder = Folder::new();
    folder.file("job.toml", JOB);
    folder.file("in.csv", payments(20));
    let shown = folder.run("check job.toml in.csv --show 1").fine();
    for line in
        ["    rate(terminal, 2h) follows from the records before", "    ratio(customer*category, amount, 1h) follows"]
    {
        assert!(shown.out().contains(line), "{line:?} is missing in:\n{}", shown.out());
    }
}

const JOB: &str = "[source]\nlabel = 'fraud'\ntime = 'time'\ncategorical = ['customer', 'terminal', 'category', 'hour']\n\
    numeric = ['amount', 'log_amount']\nid = 'n'\n[[transform]]\nsample = { negatives = 0.5 }\n\
    [[transform]]\ndeduplicate = { key = ['n'], within = 1000 }\n\
    [[feature]]\nkind = 'window'\nkey = ['terminal']\nover = ['30m', '2h']\nmake = ['count', 'rate', 'since-last']\nmost = 300\n\
    [[feature]]\nkind = 'window'\nkey = ['customer', 'category']\nover = ['1h']\ncolumn = 'amount'\n\
    make = ['mean', 'ratio', 'max', 'distinct']\nkeep = false\n[learner]\ndevice = 'cpu'\nhash-bits = 14\n";

/// Payments with numbers, every hundredth twice, some of them without a time that can be read when predicting.
fn payments(rows: u64) -> String {
    let mut number = 0;
    program::map_records(&stream(Generator::Fraud, rows), |at, fields| {
        number += u64::from(at % 100 != 7);
        format!("{},{number}", fields.join(","))
    })
    .replacen("fraud\n", "fraud,n\n", 1)
}

#[test]
fn any_number_of_threads_and_any_cut_gives_the_same_bytes() {
    let folder = Folder::new();
    folder.file("job.toml", JOB);
    let text = payments(20_000);
    folder.file("all.csv", &text);
    let (header, records) = text.split_once('\n').unwrap();
    let middle = records[..records.len() / 3].rfind('\n').unwrap() + 1;
    folder.file("a.csv", format!("{header}\n{}", &records[..middle]));
    folder.file("b.csv", format!("{header}\n{}", &records[middle..]));
    let run = |line: &str| {
        folder.run(&format!("train job.toml {line} --model m --predictions p.csv --summary s.json --quiet")).fine();
        let windows = folder.json("s.json")["window_features"].clone();
        (
            folder.bytes("m"),
            folder.bytes("p.csv"),
            [windows["keys"].clone(), windows["evicted"].clone(), windows["expired"].clone()],
        )
    };
    let one = run("all.csv --threads 1");
    assert!(one.2.iter().all(|number| number.as_u64().unwrap() > 0), "{:?}", one.2);
    for line in ["all.csv --threads 8", "a.csv b.csv --threads 3"] {
        assert!(run(line) == one, "{line}");
    }
}

#[test]
fn a_run_that_was_broken_off_goes_on_as_if_it_had_not_been() {
    let folder = Folder::new();
    folder.file("job.toml", JOB);
    let text = payments(12_000);
    folder.file("in.csv", &text);
    folder.run("train job.toml in.csv --model whole --predictions p.csv --quiet").fine();
    let at = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    folder.file("in.csv", &text[..at]);
    let kept = "train job.toml in.csv --checkpoint kept --checkpoint-every 1 --predictions q.csv --quiet";
    folder.run(kept).fine();
    folder.file("in.csv", &text);
    folder.run(&format!("{kept} --resume --model m")).fine();
    assert!(folder.bytes("m") == folder.bytes("whole"));
    assert!(folder.bytes("q.csv") == folder.bytes("p.csv"));
}

#[test]
fn predicting_goes_on_from_the_windows_of_the_model_and_never_looks_at_a_label() {
    let folder = Folder::new();
    folder.file("job.toml", JOB.replace("sample = { negatives = 0.5 }", "clip = { log_amount = [0, 20] }"));
    let text = payments(6_000);
    let at = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    let header = text.split_once('\n').unwrap().0;
    folder.file("first.csv", &text[..at]);
    folder.file("rest.csv", format!("{header}\n{}", &text[at..]));
    folder.run("train job.toml first.csv --batch 1 --model m --checkpoint kept --quiet").fine();
    let predict = |model: &str, input: &str| {
        folder.run(&format!("predict --model {model} {input} --predictions p.csv --quiet")).fine();
        let lines = folder.text("p.csv");
        let probability = |line: &str| line.split(',').nth(2).unwrap().to_owned();
        lines.lines().skip(1).map(probability).collect::<Vec<_>>()
    };
    let told = predict("m", "rest.csv");
    assert!(predict("kept", "rest.csv") == told, "a checkpoint is a model");
    let unlabelled = program::map_records(&format!("{header}\n{}", &text[at..]), |_, mut fields| {
        let label = fields.len() - 2;
        fields[label] = "";
        fields.join(",")
    });
    folder.file("unlabelled.csv", unlabelled);
    assert!(predict("m", "unlabelled.csv") == told, "labels have been looked at");
    // One record by itself is told other numbers than behind the others.
    let last = text.lines().last().unwrap();
    folder.file("last.csv", format!("{header}\n{last}\n"));
    assert_ne!(predict("m", "last.csv").last(), told.last());
    let untimed = last.split_once(',').unwrap().1;
    folder.file("odd.csv", format!("{header}\nsoon,{untimed}\n,{untimed}\n"));
    let odd = predict("m", "odd.csv");
    assert_eq!((odd.len(), &odd[0]), (2, &odd[1]));
}

#[test]
fn a_section_that_cannot_be_carried_out_says_what_to_write() {
    let folder = Folder::new();
    folder.file("in.csv", payments(50));
    let base = "[source]\nlabel = 'fraud'\ntime = 'time'\ncategorical = ['customer']\n[[feature]]\nkind = 'window'\n";
    for (section, advice) in [
        ("key = []\nover = ['1h']\nmake = ['count']", "write key = "),
        ("key = ['custmer']\nover = ['1h']\nmake = ['count']", "there are: time, customer"),
        ("key = ['fraud']\nover = ['1h']\nmake = ['count']", "is the label"),
        ("key = ['customer']\nover = []\nmake = ['count']", "write over = "),
        ("key = ['customer']\nover = ['1 week']\nmake = ['count']", "\"7d\""),
        ("key = ['customer']\nover = ['1h', '60m']\nmake = ['count']", "one length"),
        ("key = ['customer']\nover = ['1h']\nmake = []", "write make = "),
        ("key = ['customer']\nover = ['1h']\nmake = ['mean']", "write column = "),
        ("key = ['customer']\nover = ['1h']\nmake = ['count']\ncolumn = 'amount'", "take it out"),
        ("key = ['customer']\nover = ['1h']\nmake = ['mean']\ncolumn = 'fraud'", "is the label"),
        ("key = ['customer']\nover = ['1h']\nmake = ['rate']\nprior = -1", "write prior = 1"),
        ("key = ['customer']\nover = ['1h']\nmake = ['count']\nbuckets = 0", "write buckets = 32"),
        ("key = ['customer']\nover = ['1h']\nmake = ['count']\nmost = 0", "write most = "),
    ] {
        folder.file("job.toml", format!("{base}{section}\n"));
        let error = folder.run("train job.toml in.csv --quiet").stderr;
        assert!(
            error.contains("[[feature]] number 1, kind = \"window\"") && error.contains(advice),
            "{section}: {error}"
        );
    }
    folder.file(
        "job.toml",
        format!(
            "{}key = ['customer']\nover = ['1h']\nmake = ['count']\n",
            base.replace("time = 'time'\n", "ignore = ['time']\n")
        ),
    );
    assert!(folder.run("train job.toml in.csv --quiet").stderr.contains("--time"));
}
