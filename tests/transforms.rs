//! Transforms of a job file, from the outside: what they make of a stream, and that a model takes them along.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod outcome;
mod program;

use outcome::{assert_same, outputs};
use program::Folder;

/// Flights with a delay in minutes, some of them without a distance, one line damaged.
fn flights(records: usize) -> String {
    let mut text = String::from("date,delay,distance,origin\n");
    for at in 0..records {
        let delay = (at * 37 % 60) as i64 - 20;
        let distance = if at % 10 == 3 { String::new() } else { (100 + at * 13 % 900).to_string() };
        let origin = ["LAX", "007", "a\"b", "Zürich"][at % 4].replace('"', "\"\"");
        text.push_str(&format!("2001-01-{:02}T{:02}:00:00,{delay},{distance},\"{origin}\"\n", 1 + at % 28, at % 24));
    }
    text
}

const JOB: &str = "[source]\nlabel = 'late'\ncategorical = ['hour', 'origin']\n\
    [[transform]]\nfilter = 'delay < 35'\n\
    [[transform]]\nderive = { late = 'delay > 15', hour = 'CAST(extract(hour from date) AS TEXT)', far = 'distance / 2' }\n\
    [[transform]]\ndrop = ['delay']\n\
    [[transform]]\nfill = { distance = 500 }\n\
    [[transform]]\nclip = { distance = [0, 800] }\n\
    [[transform]]\nrename = { origin = 'from' }\n[learner]\ndevice = 'cpu'\n";

#[test]
fn a_job_with_transforms_learns_what_its_columns_would_have_taught_as_they_are() {
    let folder = Folder::new();
    folder.file("flights.csv", flights(2000));
    folder.file("job.toml", JOB.replace("'hour', 'origin'", "'hour', 'from'"));
    folder.run(&format!("train job.toml flights.csv {}", outputs("made"))).fine();
    // The same table, written out by hand.
    let mut table = String::from("distance,from,late,hour,far\n");
    for at in 0..2000 {
        let delay = (at * 37 % 60) as i64 - 20;
        if delay >= 35 {
            continue;
        }
        let missing = at % 10 == 3;
        let distance = 100 + at * 13 % 900;
        let clipped = if missing { 500 } else { distance.min(800) };
        let far = if missing { String::new() } else { (distance as f64 / 2.0).to_string() };
        let origin = ["LAX", "007", "a\"b", "Zürich"][at % 4].replace('"', "\"\"");
        table.push_str(&format!("{clipped},\"{origin}\",{},{},{far}\n", delay > 15, at % 24));
    }
    folder.file("table.csv", table);
    folder
        .run("train table.csv --label late --categorical hour,from --device cpu --model hand.model --summary hand.json")
        .fine();
    let (made, hand) = (folder.json("made.json"), folder.json("hand.json"));
    assert_eq!(made["log_loss"], hand["log_loss"]);
    assert_eq!(made["labelled"], hand["labelled"]);
    assert_eq!(made["filtered"], 2000 - hand["records"].as_u64().unwrap());
    assert_eq!(made["rejected"], 0);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let folder = Folder::new();
    folder.file("flights.csv", flights(20_000));
    folder.file("job.toml", JOB.replace("'hour', 'origin'", "'hour', 'from'"));
    for threads in [1, 3] {
        folder
            .run(&format!("train job.toml flights.csv --threads {threads} {}", outputs(&format!("t{threads}"))))
            .fine();
    }
    assert_same(&folder, "t1", "t3");
}

#[test]
fn a_model_takes_its_transforms_along_and_needs_no_column_of_the_label() {
    let folder = Folder::new();
    folder.file("flights.csv", flights(2000));
    folder.file(
        "job.toml",
        JOB.replace("filter = 'delay < 35'", "filter = 'distance > 0 OR distance IS NULL'")
            .replace("'hour', 'origin'", "'hour', 'from'"),
    );
    folder.run("train job.toml flights.csv --model flights.model").fine();
    folder.run("predict --model flights.model flights.csv --predictions with.csv").fine();
    // The columns in another order, and the one that only the label is made of gone.
    let without: String = flights(2000)
        .lines()
        .map(|line| {
            let fields: Vec<_> = line.splitn(4, ',').collect();
            format!("{},{},{}\n", fields[3], fields[0], fields[2])
        })
        .collect();
    folder.file("new.csv", without);
    folder.run("predict --model flights.model new.csv --predictions without.csv").fine();
    let probabilities = |name: &str| -> Vec<String> {
        folder.text(name).lines().map(|line| line.split(',').nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(probabilities("with.csv"), probabilities("without.csv"));
    folder.file("short.csv", "date,origin\n2001-01-01,LAX\n");
    folder.run("predict --model flights.model short.csv").refused(&["lacks the column \"distance\""]);
}

#[test]
fn a_value_that_cannot_be_cast_is_a_rejection_with_its_place() {
    let folder = Folder::new();
    folder.file("in.csv", "y,x,t\n1,5,2001-01-01\n0,six,2001-01-02\n1,,2001-01-03\n0,7,someday\n1,8,2001-01-05\n");
    let job =
        "[source]\nlabel = 'y'\ntime = 't'\n[[transform]]\nderive = { z = 'CAST(x AS DOUBLE) * 2', d = 'day(t)' }\n";
    folder.file("job.toml", job);
    folder.run("train job.toml in.csv --device cpu --rejected r.jsonl --max-rejected 3 --predictions p.csv").fine();
    let rejected: Vec<serde_json::Value> =
        folder.text("r.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = rejected
        .iter()
        .map(|r| (r["record"].as_u64().unwrap(), r["reason"].as_str().unwrap(), r["raw"].as_str().unwrap()))
        .collect();
    assert_eq!(seen, [(2, "not_a_number", "0,six,2001-01-02"), (4, "not_a_time", "0,7,someday")]);
    let records: Vec<_> =
        folder.text("p.csv").lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect();
    assert_eq!(records, ["1", "3", "5"]);
}

#[test]
fn a_filter_that_leaves_nothing_is_told() {
    let folder = Folder::new();
    folder.file("in.csv", "y,x\n1,2\n0,3\n");
    folder.file("job.toml", "[source]\nlabel = 'y'\n[[transform]]\nfilter = 'x > 5'\n");
    let ended = folder.run("train job.toml in.csv --device cpu").fine();
    assert!(ended.stderr.contains("have left no record"), "{}", ended.stderr);
    assert!(ended.stderr.contains("2 filtered out"), "{}", ended.stderr);
}

#[test]
fn a_wrong_step_is_refused_before_the_first_record_with_its_number() {
    let folder = Folder::new();
    folder.file("in.csv", "y,x\n1,2\n");
    for (steps, expected) in [
        ("[[transform]]\nfilter = 'x'\n", "the filter \"x\" is a number"),
        (
            "[[transform]]\nfilter = 'x > 0'\n[[transform]]\ndrop = ['z']\n",
            "number 2: there is no column \"z\" here; there are y, x",
        ),
        ("[[transform]]\nrename = { x = 'y' }\n", "two columns would be named \"y\""),
        ("[[transform]]\nclip = { x = [2, 1] }\n", "first bound"),
        ("[[transform]]\nfiltre = 'x > 0'\n", "filter"),
        ("[[transform]]\nfilter = 'x > 0'\ndrop = ['x']\n", "transform"),
    ] {
        folder.file("job.toml", format!("[source]\nlabel = 'y'\n{steps}"));
        folder.run("train job.toml in.csv").refused(&[expected]);
    }
}
