//! Looking at a job before it runs: `check` shows what the learner will see, `--print-job` what was inferred.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::{Folder, stream};
use tidemill::source::synthetic::Generator;

const FLIGHTS: &str = "date,delay,distance,origin,destination\n\
    2001-01-01T06:10:00,20,300,LAX,JFK\n2001-01-02T07:10:00,3,,SFO,LAX\n2001-01-03T08:10:00,9999,10,SFO,LAX\n\
    2001-01-04T23:10:00,16,800,JFK,LAX\nsomeday,1,2,JFK,SFO\n";

/// A job file of the repository.
fn example(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)).unwrap()
}

#[test]
fn check_shows_the_first_records_as_the_learner_will_see_them() {
    let folder = Folder::new();
    folder.file("flights.csv", FLIGHTS);
    folder.file("job.toml", example("flights.toml"));
    let ended = folder.run("check job.toml flights.csv --show 2").fine();
    let shown = ended.out();
    for line in [
        "label       late",
        "looked at   5 records: 4 usable, 1 rejected, 0 filtered out",
        "rejected    record 5: not_a_time, column date",
        "record 1: label 1",
        "    distance = 300, before it is standardised",
        "    origin=LAX -> weight ",
        "    date:hour=6 -> weight ",
        "    origin=LAX*destination=JFK -> weight ",
        "record 2: label 0",
        "    distance = missing, before it is standardised",
    ] {
        assert!(shown.contains(line), "{line:?} is missing in:\n{shown}");
    }
    assert!(!shown.contains("record 4"), "two were asked for:\n{shown}");
}

#[test]
fn check_names_the_features_that_a_sparse_format_spells_out() {
    let folder = Folder::new();
    folder.file("in.vw", "1 2 'a|user 7 |item x:0.5 |item y\n");
    folder.file("job.toml", "[source]\nid = 'tag'\n[[feature]]\nkind = 'cross'\nof = [['user', 'item']]\n");
    let ended = folder.run("check job.toml in.vw").fine();
    for line in
        ["record 1: label 1, weight 2, id a", "user^7 -> weight ", "item^x -> weight ", "user^7*item^y -> weight "]
    {
        assert!(ended.out().contains(line), "{line:?} is missing in:\n{}", ended.out());
    }
}

#[test]
fn check_refuses_what_train_would_refuse() {
    let folder = Folder::new();
    folder.file("in.csv", "y,x\n1,2\n");
    folder.file("job.toml", "[source]\nlabel = 'y'\n[[feature]]\nkind = 'cross'\nof = [['x', 'x']]\n");
    for command in ["check", "train"] {
        folder.run(&format!("{command} job.toml in.csv")).refused(&["[[feature]] number 1", "kind = \"hash\""]);
    }
}

#[test]
fn the_printed_job_learns_what_the_flags_did() {
    let folder = Folder::new();
    folder.file("clicks.csv", stream(Generator::Clicks, 3000));
    let flags = "clicks.csv --label click --ignore time --log price --optimizer ftrl --device cpu";
    let job = folder.run(&format!("train {flags} --print-job")).fine();
    assert!(job.out().contains("numeric = ["), "{}", job.out());
    folder.file("job.toml", job.out());
    folder.run(&format!("train {flags} --predictions flags.csv")).fine();
    folder.run("train job.toml --predictions job.csv").fine();
    assert_eq!(folder.text("flags.csv"), folder.text("job.csv"));
    let again = folder.run("train job.toml --print-job").fine();
    assert_eq!(again.out(), job.out());
}

#[test]
fn the_examples_for_tables_of_others_run_on_such_tables() {
    let folder = Folder::new();
    folder.file("flights.toml", example("flights.toml"));
    folder.file("flights.csv", FLIGHTS.replace("someday", "2001-01-05T01:00:00"));
    let summary = "--summary s.json --device cpu";
    folder.run(&format!("train flights.toml flights.csv {summary} --model flights.model")).fine();
    let seen = |key: &str| folder.json("s.json")[key].clone();
    assert_eq!((seen("records"), seen("labelled"), seen("filtered")), (5.into(), 4.into(), 0.into()));
    folder.file(
        "new.jsonl",
        "{\"date\":\"2001-01-01T10:00\",\"distance\":10,\"origin\":\"LAX\",\"destination\":\"JFK\"}\n",
    );
    let predicted = folder.run("predict --model flights.model new.jsonl").fine();
    assert_eq!(predicted.out().lines().count(), 2, "{}", predicted.out());
    folder.file("transactions.toml", example("transactions.toml"));
    folder.file(
        "t.jsonl",
        "{\"TRANSACTION_ID\":1,\"TX_DATETIME\":\"2018-04-01 00:00:31\",\"CUSTOMER_ID\":596,\"TERMINAL_ID\":3156,\
         \"TX_AMOUNT\":57.16,\"TX_TIME_SECONDS\":31,\"TX_TIME_DAYS\":0,\"TX_FRAUD\":0,\"TX_FRAUD_SCENARIO\":0}\n",
    );
    folder.run(&format!("train transactions.toml t.jsonl {summary}")).fine();
    assert_eq!(folder.json("s.json")["labelled"], 1);
}
