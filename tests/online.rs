//! Transforms that remember, from the outside: what they leave of a stream, computed by hand, and that neither threads
//! nor pipes nor an end in the middle change a byte of it.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod outcome;
mod program;

use outcome::{assert_same, outputs};
use program::{Folder, column, numbers, stream};
use tidemill::source::synthetic::Generator;

/// Clicks, some of them without a site.
fn clicks(records: u64) -> String {
    stream(Generator::Clicks, records).replace(",s1,", ",,").replace(",s7,", ",,")
}

const ALL: &str = "[source]\nlabel = 'click'\ntime = 'time'\n[learner]\ndevice = 'cpu'\n\
    [[transform]]\ndeduplicate = { key = ['user', 'ad'], within = '2h', most = 2000 }\n\
    [[transform]]\nsample = { negatives = 0.5, seed = 7 }\n\
    [[transform]]\nscale = { price = 'min-max', hour = 'none' }\n\
    [[transform]]\nimpute = { price = 'mean', site = 'most-frequent' }\n\
    [[feature]]\nkind = 'quantiles'\ncolumns = ['price']\nbins = 7\nkeep = true\n";

fn with_clicks(records: u64) -> Folder {
    let folder = Folder::new();
    folder.file("clicks.csv", clicks(records));
    folder.file("job.toml", ALL);
    folder
}

/// The numbers of the records that are predicted where `sections` are carried out on `table`.
fn kept(sections: &str, table: &str) -> (Vec<String>, serde_json::Value) {
    let folder = Folder::new();
    folder.file("in.csv", table);
    folder.file("job.toml", format!("[source]\nlabel = 'y'\ntime = 't'\n[learner]\ndevice = 'cpu'\n{sections}"));
    folder.run("train job.toml in.csv --predictions p.csv --summary s.json --max-rejected 9").fine();
    (column(&folder.text("p.csv"), "record"), folder.json("s.json"))
}

const TABLE: &str = "y,user,x,t\n\
    0,a,1,2024-05-01T00:00:00\n\
    1,a,2,2024-05-01T00:30:00\n\
    0,b,1,2024-05-01T00:40:00\n\
    1,a,1,2024-05-01T01:29:00\n\
    0,a,1,2024-05-01T02:30:00\n\
    1,a,3,\n\
    0,b,1,2024-05-01T00:10:00\n\
    1,b,1,noon\n\
    0,,1,2024-05-01T02:31:00\n\
    1,,1,2024-05-01T02:32:00\n";

#[test]
fn records_that_come_again_are_left_out_and_counted() {
    let by_time = "[[transform]]\ndeduplicate = { key = ['user'], within = '1h' }\n";
    let (records, summary) = kept(by_time, TABLE);
    // 2 and 4 come within an hour of the one before, 5 does not; 6 has no time; 7 lies too far back for what 5 has left.
    assert_eq!(records, ["1", "3", "5", "6", "7", "9"]);
    assert_eq!((&summary["duplicates"], &summary["rejected"]), (&3.into(), &1.into()));
    assert_eq!(summary["rejected_by_reason"]["not_a_time"], 1);
    let by_number = "[[transform]]\ndeduplicate = { key = ['user', 'x'], within = 3 }\n";
    assert_eq!(kept(by_number, TABLE).0, ["1", "2", "3", "6", "7", "9"]);
}

#[test]
fn keys_that_had_to_be_forgotten_are_told() {
    let (records, summary) = kept("[[transform]]\ndeduplicate = { key = ['user'], within = 100, most = 1 }\n", TABLE);
    assert_eq!(records, ["1", "3", "4", "7", "9"]);
    assert!(summary["warnings"].to_string().contains("4 keys of records were forgotten"), "{}", summary["warnings"]);
}

#[test]
fn a_sample_of_negatives_weighs_as_much_as_all_of_them() {
    let folder = Folder::new();
    folder.file("clicks.csv", clicks(40_000));
    folder.file("job.toml", "[[transform]]\nsample = { negatives = 0.1 }\n");
    folder.run(&format!("train clicks.csv --label click --device cpu {}", outputs("all"))).fine();
    folder.run(&format!("train job.toml clicks.csv --label click --device cpu {}", outputs("some"))).fine();
    let (all, some) = (folder.json("all.json"), folder.json("some.json"));
    let count = |summary: &serde_json::Value, key: &str| summary[key].as_u64().unwrap();
    assert_eq!(count(&some, "records") + count(&some, "sampled_out"), 40_000);
    let labels = numbers(&folder.text("some.csv"), "label");
    let positives = labels.iter().filter(|&&label| label == 1.0).count();
    assert_eq!(positives, numbers(&folder.text("all.csv"), "label").iter().filter(|&&label| label == 1.0).count());
    let rate = |summary: &serde_json::Value| summary["base_rate"].as_f64().unwrap();
    assert!((rate(&some) - rate(&all)).abs() < 0.01, "{} for {}", rate(&some), rate(&all));
    assert!(count(&some, "sampled_out") > 28_000);
}

/// Numbers with gaps, and what becomes of each by the extremes and the mean so far.
fn proportions() -> (String, String) {
    let (mut raw, mut made) = (String::from("y,x\n"), String::from("y,x\n"));
    let (mut low, mut high, mut sum, mut count) = (f64::MAX, f64::MIN, 0.0, 0.0);
    for at in 0..3000u64 {
        let (y, x) = (u64::from(at * at % 7 < 3), ((at * 7919 % 1000) as f64 - 300.0) / 8.0);
        let is_missing = at % 5 == 2;
        if !is_missing {
            (low, high, sum, count) = (low.min(x), high.max(x), sum + x, count + 1.0);
        }
        let filled = if is_missing { sum / count } else { x };
        let scaled = if high > low { (filled - low) / (high - low) } else { 0.0 };
        let text = if is_missing { String::new() } else { x.to_string() };
        raw.push_str(&format!("{y},{text}\n"));
        made.push_str(&format!("{y},{}\n", scaled as f32));
    }
    (raw, made)
}

#[test]
fn numbers_by_their_extremes_are_learned_as_if_they_stood_so_in_the_file() {
    let folder = Folder::new();
    let (raw, made) = proportions();
    folder.file("raw.csv", raw);
    folder.file("made.csv", made);
    folder.file("raw.toml", "[[transform]]\nscale = { x = 'min-max' }\n[[transform]]\nimpute = { x = 'mean' }\n");
    folder.file("made.toml", "[[transform]]\nscale = { x = 'none' }\n");
    for name in ["raw", "made"] {
        folder.run(&format!("train {name}.toml {name}.csv --label y --device cpu --predictions {name}.p.csv")).fine();
    }
    assert_eq!(folder.text("raw.p.csv"), folder.text("made.p.csv"));
}

#[test]
fn a_missing_category_is_learned_as_the_most_frequent_one_before_it() {
    let folder = Folder::new();
    let (mut raw, mut made, mut counts) = (String::from("y,c\n"), String::from("y,c\n"), [0; 5]);
    for at in 0..2000usize {
        let value = at * at % 11 % 5;
        let most = counts.iter().max().copied().filter(|&most| most > 0);
        let first = [0, 1, 4, 3, 2].into_iter().find(|&value| Some(counts[value]) == most); // as they come
        let label = usize::from(at % 3 == value % 3);
        if at % 4 == 3 {
            raw.push_str(&format!("{label},\n"));
            made.push_str(&format!("{label},v{}\n", first.unwrap()));
        } else {
            counts[value] += 1;
            raw.push_str(&format!("{label},v{value}\n"));
            made.push_str(&format!("{label},v{value}\n"));
        }
    }
    folder.file("raw.csv", raw);
    folder.file("made.csv", made);
    folder.file("raw.toml", "[[transform]]\nimpute = { c = 'most-frequent' }\n");
    folder.run("train raw.toml raw.csv --label y --device cpu --predictions raw.p.csv").fine();
    folder.run("train made.csv --label y --device cpu --predictions made.p.csv").fine();
    assert_eq!(folder.text("raw.p.csv"), folder.text("made.p.csv"));
}

#[test]
fn running_quantiles_are_learned_as_categories_of_their_names() {
    let folder = Folder::new();
    let (mut raw, mut made, mut seen) = (String::from("y,x\n"), String::from("y,x\n"), Vec::new());
    for at in 0..900usize {
        let (label, x) = (usize::from(at * at % 7 < 3), at * 7919 % 61);
        let below = seen.iter().filter(|&&known| known < x).count();
        let bucket = (4 * below / seen.len().max(1)).min(3);
        if at % 6 == 5 {
            raw.push_str(&format!("{label},\n"));
            made.push_str(&format!("{label},\n"));
        } else {
            raw.push_str(&format!("{label},{x}\n"));
            made.push_str(&format!("{label},x q{bucket}\n"));
            seen.push(x);
        }
    }
    folder.file("raw.csv", raw);
    folder.file("made.csv", made);
    let section = "[[feature]]\nkind = 'quantiles'\ncolumns = ['x']\nbins = 4\n";
    folder.file("raw.toml", section);
    folder.run("train raw.toml raw.csv --label y --device cpu --predictions raw.p.csv --model raw.model").fine();
    folder.run("train made.csv --label y --device cpu --predictions made.p.csv").fine();
    assert_eq!(folder.text("raw.p.csv"), folder.text("made.p.csv"));
    folder.file("cross.toml", format!("{section}[[feature]]\nkind = 'cross'\nof = [['x', 'c']]\n"));
    folder.file("cross.csv", "y,x,c\n1,2,a\n");
    folder.run("train cross.toml cross.csv --label y").refused(&["number 2", "made behind all crosses", "\"buckets\""]);
    folder.file("twice.toml", format!("{section}{section}"));
    folder.run("train twice.toml raw.csv --label y").refused(&["number 2", "keep one of the two"]);
}

#[test]
fn threads_and_pipes_change_no_byte() {
    let folder = with_clicks(20_000);
    for threads in [1, 3] {
        folder
            .run(&format!("train job.toml clicks.csv --threads {threads} {}", outputs(&format!("t{threads}"))))
            .fine();
    }
    assert_same(&folder, "t1", "t3");
    let summary = folder.json("t1.json");
    assert!(["duplicates", "sampled_out"].iter().all(|key| summary[key].as_u64().unwrap() > 100), "{summary}");
    folder.run_with(&format!("train job.toml - {}", outputs("pipe")), folder.text("clicks.csv").as_bytes()).fine();
    assert_same(&folder, "t1", "pipe");
}

#[test]
fn a_run_that_goes_on_leaves_what_one_without_an_end_leaves() {
    let folder = with_clicks(12_345);
    folder.file(
        "more.csv",
        clicks(20_000).lines().skip(12_346).fold(String::from(HEADER), |all, line| all + line + "\n"),
    );
    folder.run(&format!("train job.toml clicks.csv more.csv {}", outputs("whole"))).fine();
    let kept = "--checkpoint kept --checkpoint-every 1 --resume";
    folder.run(&format!("train job.toml clicks.csv {kept} {}", outputs("cut"))).fine();
    folder.run("predict --model kept clicks.csv --predictions by-checkpoint.csv").fine();
    folder.run(&format!("train job.toml clicks.csv more.csv {kept} {}", outputs("cut"))).fine();
    assert_same(&folder, "whole", "cut");
}

const HEADER: &str = "time,hour,user,ad,site,device,position,price,click\n";

#[test]
fn when_predicting_every_record_stays_and_what_was_learned_stands_still() {
    let folder = with_clicks(5000);
    folder.run("train job.toml clicks.csv --model clicks.model").fine();
    folder.run("predict --model clicks.model clicks.csv --predictions all.csv --summary all.json").fine();
    let summary = folder.json("all.json");
    assert_eq!(
        (&summary["records"], &summary["duplicates"], &summary["sampled_out"]),
        (&5000.into(), &0.into(), &0.into())
    );
    // The last ones alone, without the time, which only a record that is learned needs.
    let text = folder.text("clicks.csv");
    let without_time = |line: &str| line.split_once(',').unwrap().1.to_owned() + "\n";
    let lines: Vec<_> = text.lines().collect();
    folder.file("last.csv", lines[..1].iter().chain(&lines[4000..]).map(|line| without_time(line)).collect::<String>());
    folder.run("predict --model clicks.model last.csv --predictions last.p.csv").fine();
    let probability = |name: &str| column(&folder.text(name), "probability");
    assert_eq!(probability("all.csv")[3999..], probability("last.p.csv"));
    folder.run("train job.toml clicks.csv --warm-start clicks.model --model next.model").fine();
}

#[test]
fn a_section_that_does_not_fit_is_refused_before_the_first_record_with_its_number() {
    let folder = Folder::new();
    folder.file("in.csv", TABLE);
    for (section, words) in [
        ("scale = { z = 'none' }", &["[[transform]] number 2", "no number \"z\"", "there are x"][..]),
        ("deduplicate = { key = ['z'], within = 5 }", &["number 2", "there are y, user, x, t"]),
        ("deduplicate = { key = ['user'], within = '1h' }", &["number 2", "--time"]),
        ("deduplicate = { key = ['user'], within = true }", &["a time like \"1h\""]),
        ("sample = { negative = 0.1 }", &["negatives"]),
        ("scale = { x = 'minmax' }", &["min-max"]),
    ] {
        folder.file(
            "job.toml",
            format!("[source]\nlabel = 'y'\n[[transform]]\nfilter = 'x > 0'\n[[transform]]\n{section}\n"),
        );
        folder.run("train job.toml in.csv").refused(words);
    }
}

#[test]
fn a_format_without_columns_can_be_sampled_and_told_apart_by_its_tags() {
    let folder = Folder::new();
    folder.file("in.vw", "1 'a | x\n-1 'b | y\n-1 'a | z\n1 'b | x\n");
    folder.file("job.toml", "[source]\nid = 'tag'\n[[transform]]\ndeduplicate = { key = ['tag'], within = 2 }\n");
    folder.run("train job.toml in.vw --device cpu --predictions p.csv").fine();
    assert_eq!(column(&folder.text("p.csv"), "record"), ["1", "2"]);
    folder.file("job.toml", "[[transform]]\ndrop = ['tag']\n");
    folder.run("train job.toml in.vw").refused(&["sample or deduplicate"]);
}

#[test]
fn other_transforms_come_first_wherever_they_stand() {
    let folder = Folder::new();
    folder.file("in.csv", TABLE.replace("noon", "2024-05-03"));
    let job = "[source]\nlabel = 'y'\ntime = 't'\n[learner]\ndevice = 'cpu'\n\
               [[transform]]\ndeduplicate = { key = ['who', 'x'], within = '1h' }\n\
               [[transform]]\nscale = { double = 'none' }\n[[transform]]\nfilter = 'x < 3'\n\
               [[transform]]\nrename = { user = 'who' }\n[[transform]]\nderive = { double = 'x * 2' }\n";
    folder.file("job.toml", job);
    folder.run("train job.toml in.csv --predictions p.csv --summary s.json --model m").fine();
    assert_eq!(column(&folder.text("p.csv"), "record"), ["1", "2", "3", "4", "5", "7", "8", "9"]);
    let summary = folder.json("s.json");
    assert_eq!((&summary["filtered"], &summary["duplicates"]), (&1.into(), &1.into()));
    folder.file("new.csv", "user,x\na,1\n");
    folder.run("predict --model m new.csv --predictions -").fine();
}
