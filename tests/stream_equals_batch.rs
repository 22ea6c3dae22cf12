//! Neither threads, channels, files, pipes nor the way a stream is written down change a bit of what comes out.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use std::io::Write;

use program::{Folder, map_records, numbers, stream};
use serde_json::Value;
use tidemill::config::{Options, Plan};
use tidemill::pipeline::{self, saved};
use tidemill::source::synthetic::Generator;

/// Enough for a dozen chunks, so that eight threads have something to do.
const ROWS: u64 = 50_000;
const OUTPUTS: &str = "--model model --predictions p.csv --rejected r.jsonl --summary s.json --quiet";
const CLICKS: &str = "--label click --time time --numeric price --categorical hour,user,ad,site,device,position";
const PLANE: &str = "--label y --numeric x0,x1,x2,x3,x4,x5,x6,x7,x8,x9";

/// Everything that a run leaves behind and a clock has no part in.
#[derive(Clone, PartialEq)]
struct Left {
    model: Vec<u8>,
    predictions: Vec<u8>,
    /// Lines without the name of the source and the offset in it.
    rejected: Vec<Value>,
    summary: Value,
}

/// Not `assert_eq!`: nobody wants to read two model files.
#[track_caller]
fn assert_same(left: &Left, right: &Left, what: &str) {
    assert_eq!(left.summary, right.summary, "{what}");
    assert_eq!(left.rejected, right.rejected, "{what}");
    assert!(left.predictions == right.predictions, "{what}: predictions differ");
    assert!(left.model == right.model, "{what}: models differ");
}

fn left(folder: &Folder) -> Left {
    let mut summary = folder.json("s.json");
    let keys = summary.as_object_mut().unwrap();
    // `bytes` counts what the same records happen to be written in, which `inputs` names.
    for key in ["elapsed_s", "records_per_s", "bytes_per_s", "bottleneck", "stages", "threads", "bytes", "inputs"] {
        keys.remove(key).unwrap();
    }
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        for key in ["source", "offset", "raw"] {
            value.as_object_mut().unwrap().remove(key).unwrap();
        }
        value
    };
    Left {
        model: folder.bytes("model"),
        predictions: folder.bytes("p.csv"),
        rejected: folder.text("r.jsonl").lines().map(line).collect(),
        summary,
    }
}

fn train(folder: &Folder, line: &str) -> Left {
    folder.run(&format!("train --device cpu --hash-bits 14 {OUTPUTS} {line}")).fine();
    left(folder)
}

/// A stream in which every 301st record cannot be used, each for another reason than the one before.
fn flawed(generator: Generator) -> String {
    map_records(&stream(generator, ROWS), |at, mut fields| {
        let last = fields.len() - 1;
        match at % 1204 {
            300 => fields.push("one too many"),
            601 => fields[last] = "maybe",
            902 => fields[last - 1] = "inf",
            1203 => fields[last - 1] = "seven",
            _ => {}
        }
        fields.join(",")
    })
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let folder = Folder::new();
    folder.file("clicks.csv", flawed(Generator::Clicks));
    folder.file("plane.csv", flawed(Generator::Hyperplane));
    for input in [format!("clicks.csv {CLICKS}"), format!("plane.csv {PLANE}")] {
        for update in ["record", "batch"] {
            for optimizer in ["sgd --learning-rate 0.02", "adagrad", "ftrl --l1 0.5"] {
                let line = format!("{input} --update {update} --optimizer {optimizer}");
                let one = train(&folder, &format!("{line} --threads 1"));
                let rejected = folder.bytes("r.jsonl");
                assert_eq!(one.rejected.len() as u64, ROWS / 301, "{line}");
                for threads in [2, 8] {
                    let many = train(&folder, &format!("{line} --threads {threads}"));
                    assert_same(&one, &many, &format!("{line} with {threads} threads"));
                    assert_eq!(rejected, folder.bytes("r.jsonl"));
                }
            }
        }
    }
}

#[test]
fn any_capacity_of_the_channels_gives_the_same_bytes() {
    let folder = Folder::new();
    let input = folder.path(folder.file("clicks.csv", flawed(Generator::Clicks)));
    let out = |name: &str| folder.path(name).display().to_string();
    let options = Options::parse(&format!(
        "[source]\nlabel = 'click'\n[learner]\ndevice = 'cpu'\nhash-bits = 14\nthreads = 3\nbatch = 100\n\
         [output]\npredictions = '{}'\nrejected = '{}'",
        out("p.csv"),
        out("r.jsonl")
    ))
    .unwrap();
    let mut plan = Plan::new(options, &[input.display().to_string()]).unwrap();
    let mut run = |queue| {
        plan.queue = queue;
        let outcome = pipeline::run(&plan, None, &pipeline::Stop::default(), &mut |_| {}).unwrap();
        let (metrics, counts) = (outcome.metrics.clone(), outcome.counts.by_reason.clone());
        (saved::model_of(&plan, &outcome), metrics, counts, folder.bytes("p.csv"), folder.bytes("r.jsonl"))
    };
    let tight = run(1);
    for queue in [2, 16] {
        assert!(run(queue) == tight, "with room for {queue} chunks in a channel");
    }
}

#[test]
fn a_file_a_pipe_and_compressed_files_give_the_same_bytes() {
    let folder = Folder::new();
    let text = flawed(Generator::Clicks);
    folder.file("clicks.csv", &text);
    // Nothing is named but the label: what is inferred must not depend on how the bytes arrive either.
    let from_file = train(&folder, "clicks.csv --label click");

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    folder.file("clicks.csv.gz", &gzip);
    folder.file("clicks.csv.zst", &zstd);
    for input in ["clicks.csv.gz", "clicks.csv.zst"] {
        assert_same(&from_file, &train(&folder, &format!("{input} --label click")), input);
    }
    for (input, kind) in [(text.as_bytes(), "plain"), (&gzip, "gzip"), (&zstd, "zstd")] {
        let line = format!("train - --label click --device cpu --hash-bits 14 {OUTPUTS}");
        folder.run_with(&line, input).fine();
        assert_same(&from_file, &left(&folder), &format!("a pipe, {kind}"));
    }
}

#[test]
fn one_file_and_the_same_records_in_several_give_the_same_bytes() {
    let folder = Folder::new();
    let text = flawed(Generator::Hyperplane);
    let (header, records) = text.split_once('\n').unwrap();
    let records: Vec<&str> = records.lines().collect();
    folder.file("all.csv", &text);
    let mut names = Vec::new();
    for (at, part) in records.chunks(ROWS as usize / 3).enumerate() {
        names.push(format!("part{at}.csv"));
        // The last line of a file may have no line end.
        folder.file(&names[at], format!("{header}\n{}", part.join("\n")));
    }
    folder.file("none.csv", format!("{header}\n"));
    names.insert(1, "none.csv".into());
    let all = train(&folder, &format!("all.csv {PLANE}"));
    let parts = train(&folder, &format!("{} {PLANE} --threads 3", names.join(" ")));
    assert_same(&all, &parts, "several files");
}

#[test]
fn line_ends_and_quotes_do_not_change_a_byte() {
    let folder = Folder::new();
    let text = flawed(Generator::Clicks);
    let quoted = |at: usize, fields: Vec<&str>| {
        let quote = |(place, field): (usize, &str)| match (at + place) % 7 {
            0 => format!("\"{field}\""),
            _ => field.to_owned(),
        };
        fields.into_iter().enumerate().map(quote).collect::<Vec<_>>().join(",")
    };
    folder.file("plain.csv", &text);
    folder.file("crlf.csv", text.replace('\n', "\r\n"));
    folder.file("quoted.csv", map_records(&text, quoted));
    // A quote late in the stream: some chunks are read by the fast reader, the others by the slow one.
    folder.file(
        "late.csv",
        map_records(&text, |at, fields| if at > 40_000 { quoted(at, fields) } else { fields.join(",") }),
    );
    folder.file("tabs.tsv", text.replace(',', "\t"));
    let plain = train(&folder, &format!("plain.csv {CLICKS}"));
    for name in ["crlf.csv", "quoted.csv", "late.csv"] {
        assert_same(&plain, &train(&folder, &format!("{name} {CLICKS}")), name);
    }
    let tabs = train(&folder, &format!("tabs.tsv {CLICKS}"));
    // The model remembers its delimiter.
    assert_same(&plain, &Left { model: plain.model.clone(), ..tabs }, "tabs");
}

#[test]
fn a_run_that_rejects_too_much_stops_at_the_same_record_however_it_is_read() {
    let folder = Folder::new();
    let text = map_records(&stream(Generator::Hyperplane, ROWS), |at, mut fields| {
        if at > 20_000 && at % 10 == 0 {
            fields.pop();
        }
        fields.join(",")
    });
    folder.file("plane.csv", &text);
    let line = format!("train --device cpu {OUTPUTS} {PLANE}");
    let stopped = |ended: program::Ended| {
        ended.rejected_too_many(&["field_count", "--max-rejected"]);
        left(&folder)
    };
    let file = stopped(folder.run(&format!("{line} --threads 1 plane.csv")));
    assert_eq!(file.rejected.len() as u64, file.summary["rejected"].as_u64().unwrap());
    let predicted = String::from_utf8(file.predictions.clone()).unwrap().lines().count() as u64 - 1;
    assert_eq!(predicted, file.summary["records"].as_u64().unwrap());
    assert_same(&file, &stopped(folder.run(&format!("{line} --threads 8 plane.csv"))), "threads");
    assert_same(&file, &stopped(folder.run_with(&format!("{line} -"), text.as_bytes())), "a pipe");
}

#[test]
fn predictions_of_a_saved_model_do_not_depend_on_threads_or_pipes() {
    let folder = Folder::new();
    let text = flawed(Generator::Clicks);
    folder.file("clicks.csv", &text);
    train(&folder, &format!("clicks.csv {CLICKS}"));
    let predict = "predict --model model --quiet";
    let one = folder.run(&format!("{predict} clicks.csv --threads 1")).fine().stdout;
    for threads in [2, 8] {
        assert!(folder.run(&format!("{predict} clicks.csv --threads {threads}")).fine().stdout == one, "{threads}");
    }
    assert!(folder.run_with(&format!("{predict} -"), text.as_bytes()).fine().stdout == one, "a pipe");
}

/// Clicks with a column of weights, and with every record twice; no numbers, since running scales count records.
fn weighted_and_twice(folder: &Folder) {
    let text = stream(Generator::Clicks, 4_000);
    let weighted = map_records(&text, |_, fields| format!("{},2", fields.join(",")));
    folder.file("weighted.csv", weighted.replacen("click\n", "click,weight\n", 1));
    folder.file("twice.csv", map_records(&text, |_, fields| format!("{0}\n{0}", fields.join(","))));
}

fn largest_difference(update: &str, optimizer: &str) -> f64 {
    let folder = Folder::new();
    weighted_and_twice(&folder);
    let roles = "--label click --ignore time,price --categorical hour,user,ad,site,device,position";
    let line = format!("{roles} --update {update} --optimizer {optimizer} --batch");
    train(&folder, &format!("weighted.csv --weight weight {line} 64"));
    let weighted = numbers(&folder.text("p.csv"), "logit");
    train(&folder, &format!("twice.csv {line} 128"));
    let twice = numbers(&folder.text("p.csv"), "logit");
    assert_eq!(twice.len(), 2 * weighted.len());
    let differences = weighted.iter().zip(twice.chunks(2)).map(|(one, two)| (one - two[0]).abs());
    differences.fold(0.0, f64::max)
}

#[test]
fn a_weight_of_two_is_the_record_twice() {
    for optimizer in ["sgd", "adagrad", "ftrl"] {
        let batch = largest_difference("batch", optimizer);
        let record = largest_difference("record", optimizer);
        // One step on a doubled gradient, but for the last digits of a printed logit.
        assert!(batch < 1e-5, "{optimizer}: {batch}");
        // The second of two records is learned where the first has moved the weights to.
        assert!(record < 0.1, "{optimizer}: {record}");
    }
}
