//! The learner inside another program holds to what the program itself does: the same bits from the same records.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::{Folder, numbers, stream};
use tidemill::config::Options;
use tidemill::embed::Classifier;
use tidemill::source::synthetic::Generator;

const ROWS: u64 = 600;

const COLUMNS: &str = "[source]\nlabel = 'click'\nnumeric = ['price']\n\
    categorical = ['hour', 'user', 'ad', 'site', 'device', 'position']\nignore = ['time']\n";

const MADE: &str = "[[transform]]\nderive = { steep = 'price * price' }\n\
    [[feature]]\nkind = 'cross'\nof = [['site', 'device']]\n\
    [[feature]]\nkind = 'quantiles'\ncolumns = ['steep']\nbins = 4\n";

fn job(columns: &str, learner: &str) -> String {
    format!("{columns}[learner]\nhash-bits = 12\ndevice = 'cpu'\nbatch = 1\n{learner}\n")
}

fn options(job: &str) -> Options {
    Options::parse(job).unwrap()
}

/// A folder with clicks, and what `train` makes of them by this job.
fn trained(job: &str) -> (Folder, String) {
    let folder = Folder::new();
    let text = stream(Generator::Clicks, ROWS);
    folder.file("clicks.csv", &text);
    folder.file("job.toml", job);
    folder.run("train job.toml clicks.csv --model by-run --predictions p.csv --quiet").fine();
    (folder, text)
}

/// The header with the first record, and all records.
fn parts(text: &str) -> (String, Vec<&str>) {
    let lines: Vec<&str> = text.lines().collect();
    (format!("{}\n{}\n", lines[0], lines[1]), lines[1..].to_vec())
}

fn is_positive(record: &str) -> bool {
    record.ends_with(",1")
}

fn as_written(probability: f64) -> String {
    format!("{probability:.9}")
}

#[track_caller]
fn assert_same_file(folder: &Folder, classifier: &mut Classifier) {
    classifier.save(&folder.path("by-hand")).unwrap();
    assert!(folder.bytes("by-hand") == folder.bytes("by-run"), "the model files differ");
}

#[test]
fn records_one_by_one_are_learned_as_a_run_with_micro_batches_of_one_learns_them() {
    let rules = ["", "optimizer = 'ftrl'\nl1 = 0.01", "optimizer = 'sgd'\nupdate = 'batch'", "prior = 0.2"];
    for (learner, made) in rules.into_iter().zip(["", MADE, MADE, ""]) {
        let job = job(&format!("{COLUMNS}{made}"), learner);
        let (folder, text) = trained(&job);
        let (beginning, records) = parts(&text);
        let mut classifier = Classifier::new(options(&job), &beginning).unwrap();
        let predicted = folder.text("p.csv");
        for (record, line) in records.iter().zip(predicted.lines().skip(1)) {
            let probability = classifier.learn(record, is_positive(record)).unwrap();
            assert_eq!(Some(&*as_written(probability)), line.split(',').nth(1), "{learner}: {record}");
        }
        assert_same_file(&folder, &mut classifier);
    }
}

#[test]
fn predicting_leaves_no_trace() {
    for learner in ["", "optimizer = 'ftrl'", "update = 'batch'"] {
        let job = job(&format!("{COLUMNS}{MADE}"), learner);
        let (folder, text) = trained(&job);
        let (beginning, records) = parts(&text);
        let mut classifier = Classifier::new(options(&job), &beginning).unwrap();
        for pair in records.windows(2) {
            classifier.predict(pair[1]).unwrap();
            classifier.learn(pair[0], is_positive(pair[0])).unwrap();
            classifier.predict(pair[0]).unwrap();
        }
        let last = records.last().unwrap();
        classifier.learn(last, is_positive(last)).unwrap();
        assert_eq!((classifier.counts().records, classifier.metrics().total.labelled), (ROWS, ROWS));
        assert_same_file(&folder, &mut classifier);
    }
}

#[test]
fn many_records_at_once_are_learned_as_a_run_learns_them_in_its_micro_batches() {
    let job = job(COLUMNS, "").replace("batch = 1", "batch = 100");
    let (folder, text) = trained(&job);
    let (beginning, records) = parts(&text);
    for at_once in [100, 300, 600] {
        let mut classifier = Classifier::new(options(&job), &beginning).unwrap();
        let predicted: Vec<_> =
            records.chunks(at_once).flat_map(|some| classifier.learn_lines(&some.join("\n")).unwrap()).collect();
        let by_run = numbers(&folder.text("p.csv"), "probability");
        assert_eq!(predicted.len(), by_run.len());
        for (probability, by_run) in predicted.iter().zip(by_run) {
            assert_eq!(as_written(probability.unwrap()), as_written(by_run));
        }
        assert_same_file(&folder, &mut classifier);
    }
}

#[test]
fn a_model_file_is_opened_to_the_predictions_of_the_program_and_trained_on_as_a_warm_start() {
    let job = job(&format!("{COLUMNS}{MADE}"), "optimizer = 'ftrl'");
    let (folder, text) = trained(&job);
    let (header, records) = text.split_once('\n').unwrap();
    folder.run("predict --model by-run clicks.csv --predictions scored.csv --quiet").fine();
    let mut classifier = Classifier::open(&folder.path("by-run")).unwrap();
    let scored = numbers(&folder.text("scored.csv"), "probability");
    for (record, by_run) in records.lines().zip(scored).take(200) {
        let by_hand = classifier.predict(record).unwrap();
        assert!((by_hand - by_run).abs() < 1e-6, "{by_hand} {by_run}"); // sums are rounded in another order
    }
    let more: Vec<&str> = records.lines().take(150).collect();
    folder.file("more.csv", format!("{header}\n{}\n", more.join("\n")));
    folder.run("train more.csv --label click --warm-start by-run --device cpu --model by-run --quiet").fine();
    more.iter().for_each(|record| assert!(classifier.learn(record, is_positive(record)).is_ok()));
    let path = folder.path("by-hand");
    classifier.save(&path).unwrap();
    let models = ["by-run", "by-hand"].map(|name| tidemill::sink::model::SavedModel::read(&folder.path(name)).unwrap());
    assert_eq!(models[0].model, models[1].model);
    assert_eq!(models[0].scaler, models[1].scaler);
}

#[test]
fn objects_of_json_may_lack_keys_and_the_label() {
    let job = job("[source]\nformat = 'jsonl'\nlabel = 'y'\n", "");
    let mut classifier = Classifier::new(options(&job), "{\"ad\": \"a\", \"price\": 2.5, \"y\": 0}\n").unwrap();
    let inferred: Vec<_> = classifier.inferred().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(inferred, ["ad", "price"]);
    for _ in 0..20 {
        classifier.learn(r#"{"ad": "good"}"#, true).unwrap();
        classifier.learn(r#"{"ad": "bad", "price": 1}"#, false).unwrap();
    }
    let predicted = classifier.predict_lines("{\"ad\": \"good\"}\n{\"ad\": \"bad\"}\n{\"ad\": \"new\"}\n").unwrap();
    let [good, bad, new] = predicted[..] else { panic!("{predicted:?}") };
    assert!(bad < new && new < good, "{predicted:?}");
    assert_eq!(classifier.learn_lines("{\"ad\": \"good\", \"y\": 1}\n{\"ad\": \"new\"}\n").unwrap().len(), 2);
    assert_eq!(classifier.metrics().total.labelled, 41, "the last record has no label");
}

#[test]
fn windows_of_keys_take_in_what_is_learned_and_nothing_that_is_only_predicted() {
    let windows = "[source]\nlabel = 'click'\ntime = 'time'\ncategorical = ['ad', 'site']\n\
        ignore = ['hour', 'user', 'device', 'position', 'price']\n\
        [[feature]]\nkind = 'window'\nkey = ['site']\nover = ['5m', '1h']\nmake = ['count', 'rate', 'since-last']\n";
    let job = job(windows, "");
    let (folder, text) = trained(&job);
    let (beginning, records) = parts(&text);
    let mut classifier = Classifier::new(options(&job), &beginning).unwrap();
    for (at, record) in records.iter().enumerate() {
        classifier.predict(records[(at * 7) % records.len()]).unwrap();
        assert!(classifier.learn(record, is_positive(record)).is_ok());
    }
    assert_same_file(&folder, &mut classifier);
    let header = beginning.lines().next().unwrap();
    for record in [records[0], records[599], &records[1].replace("2026-01-05", "2026-01-06")] {
        folder.file("one.csv", format!("{header}\n{record}\n"));
        folder.run("predict --model by-run one.csv --predictions one-scored.csv --quiet").fine();
        let by_run = numbers(&folder.text("one-scored.csv"), "probability")[0];
        let by_hand = classifier.predict(record).unwrap();
        assert!((by_hand - by_run).abs() < 1e-6, "{by_hand} {by_run}");
    }
}

#[test]
fn what_cannot_be_used_is_told_and_counted_and_not_learned() {
    let job = job("[source]\nlabel = 'y'\n[[transform]]\nfilter = 'x < 100'\n", "");
    let mut classifier = Classifier::new(options(&job), "y,x\n1,2\n").unwrap();
    let told = classifier.learn("1,2,3", true).unwrap_err().to_string();
    assert!(told.contains("cannot be used"), "{told}");
    let told = classifier.learn("1,500", true).unwrap_err().to_string();
    assert!(told.contains("left out"), "{told}");
    for outcome in [classifier.predict("1,2\n0,3\n"), classifier.learn("1,2\n0,3\n", true), classifier.learn("", true)]
    {
        let told = outcome.unwrap_err().to_string();
        assert!(told.contains("one record is asked for"), "{told}");
    }
    let predicted = classifier.learn_lines("1,2\n1,2,3\n0,200\n0,3\n").unwrap();
    assert_eq!(predicted.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false, true]);
    let counts = classifier.counts();
    assert_eq!((counts.records, counts.rejected, counts.filtered), (6, 2, 2));
    assert_eq!(classifier.metrics().total.labelled, 2);
    assert!(classifier.predict("maybe,3").is_ok(), "to predict, a label that is none does no harm");
}

#[test]
fn a_job_that_speaks_of_a_run_is_refused_with_what_to_leave_out() {
    for (said, word) in [
        ("[source]\ninput = ['a.csv']\nlabel = 'y'", "input"),
        ("[source]\nlabel = 'y'\n[output]\nmodel = 'm'", "[output]"),
        ("[source]\nlabel = 'y'\n[event-time]\nlabel-delay = '1d'", "[event-time]"),
        ("[source]\nlabel = 'y'\n[learner]\npasses = 2", "passes"),
        ("[source]\nlabel = 'y'\nformat = 'parquet'", "Parquet"),
        ("[source]\nlabel = 'y'\n[learner]\nwarm-start = 'm'", "Classifier::open"),
    ] {
        let told = Classifier::new(options(said), "y,x\n1,2\n").map(drop).unwrap_err().to_string();
        assert!(told.contains(word), "{said}: {told}");
    }
}

#[test]
fn it_can_be_handed_from_thread_to_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<Classifier>();
}
