//! A stream that is learned more than once: the same micro-batches every time, from wherever they are kept, and figures
//! that stay those of the first pass.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use program::{Folder, of, stream};
use serde_json::Value;
use tidemill::batcher::Batcher;
use tidemill::config::MaxRejected;
use tidemill::engine::{Engine, Pass, Sink};
use tidemill::error::Result;
use tidemill::examples::{Examples, LabelToken, MicroBatch, Scored, stride};
use tidemill::learner::cpu::{self, CpuLearner};
use tidemill::learner::{Learner, Model, Optimizer, Penalty, Replayed, Settings, Shape, Update};
use tidemill::metric::log_loss::LogLoss;
use tidemill::record::Rejected;
use tidemill::replay::{Keeping, Numbers, Store};
use tidemill::scaler::Scaler;
use tidemill::sink::model::SavedModel;
use tidemill::source::synthetic::Generator;

const NUMERIC: usize = 5;
const ROWS: usize = 700;

fn settings(update: Update) -> Settings {
    let optimizer = Optimizer::AdaGrad { learning_rate: 0.1 };
    Settings { update, optimizer, penalty: Penalty::NONE, batch: 64, hash_bits: 8, frozen: false }
}

fn blank(settings: Settings) -> Model {
    Model::new(Shape { numeric: NUMERIC, hash_bits: 8 }, settings.optimizer, settings.penalty)
}

/// Writes down what it is given; keeps the first `keeps` micro-batches itself; spoils one prediction.
struct Witness {
    cpu: CpuLearner,
    seen: Arc<Mutex<Vec<MicroBatch>>>,
    keeps: usize,
    kept: Vec<MicroBatch>,
    /// The micro-batch, counted over all passes, whose third prediction is no number.
    spoils: Option<usize>,
    given: usize,
}

impl Learner for Witness {
    fn learn(&mut self, batch: MicroBatch) -> Result<()> {
        self.seen.lock().unwrap().push(batch.clone());
        self.cpu.learn(batch)
    }
    fn next_scored(&mut self) -> Result<Option<Scored>> {
        let mut scored = self.cpu.next_scored()?;
        if let Some(scored) = &mut scored {
            if self.spoils == Some(self.given) {
                scored.logit[2] = f32::NAN;
            }
            self.given += 1;
        }
        Ok(scored)
    }
    fn finish(&mut self) -> Result<()> {
        self.cpu.finish()
    }
    fn model(&mut self) -> Result<Model> {
        self.cpu.model()
    }
    fn recycle(&mut self, scored: Scored) {
        self.cpu.recycle(scored);
    }
    fn keep(&mut self, next: &MicroBatch, _bytes: u64) -> bool {
        let keeps = self.kept.len() < self.keeps;
        if keeps {
            self.kept.push(next.clone());
        }
        keeps
    }
    fn replay(&mut self) -> Result<Option<Replayed>> {
        let (mut replayed, mut loss) = (Replayed::default(), LogLoss::default());
        for batch in &self.kept {
            self.cpu.learn(batch.clone())?;
            let scored = self.cpu.next_scored()?.unwrap();
            replayed.records += batch.rows as u64;
            loss.merge(&LogLoss::of(&scored.logit, &batch.label, &batch.weight));
        }
        Ok(Some(Replayed { loss: loss.loss, weight: loss.weight, ..replayed }))
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn scored(&mut self, scored: Scored) -> Result<Option<Scored>> {
        Ok(Some(scored))
    }
    fn rejected(&mut self, _record: u64, _rejected: &Rejected) -> Result<()> {
        Ok(())
    }
}

/// Numbers, hashed features and labels that have something to do with each other.
fn examples() -> Examples {
    let mut examples = Examples { rows: ROWS, seen: ROWS as u32, row_start: vec![0], ..Examples::default() };
    for row in 0..ROWS {
        let draw = |j: usize| ((row * 31 + j * 7) as u32).wrapping_mul(2_654_435_761);
        let number = |j: usize| draw(j) as f32 / u32::MAX as f32 - 0.5;
        examples.dense.extend((0..stride(NUMERIC)).map(|j| if j < NUMERIC { number(j) } else { f32::NAN }));
        examples.hash.extend((0..row % 4).map(|j| draw(j) % 40));
        examples.value.extend((0..row % 4).map(|j| 1.0 / (j + 1) as f32));
        examples.row_start.push(examples.hash.len() as u32);
        examples.label.push(match row % 11 {
            0 => LabelToken::Missing,
            _ if number(0) > 0.0 => LabelToken::One,
            _ => LabelToken::Zero,
        });
        examples.number.push(row as u32);
    }
    examples
}

/// What two passes leave: what the learner was given, the model, the second pass and its outcome.
struct Twice {
    seen: Vec<MicroBatch>,
    model: Model,
    pass: Pass,
    outcome: Result<bool>,
}

fn twice(update: Update, memory: u64, keeps: usize, spoils: Option<usize>) -> Twice {
    let (settings, seen) = (settings(update), Arc::default());
    let cpu = cpu::open(blank(settings), settings);
    let witness = Witness { cpu, seen: Arc::clone(&seen), keeps, kept: Vec::new(), spoils, given: 0 };
    let width = stride(NUMERIC);
    let batcher = Batcher::new(settings.batch, width, Scaler::new(width), true);
    let store = Store::open(Keeping { width: NUMERIC, numbers: Numbers::F32, memory, file: None }).unwrap();
    let engine = Engine::new(batcher, Box::new(witness), settings, MaxRejected::Share(0.0));
    let mut engine = engine.keeping(store, memory);
    engine.push(&examples(), &mut Nowhere).unwrap();
    engine.finish(&mut Nowhere).unwrap();
    let records = engine.counts().records;
    let mut pass = Pass::new(2);
    let outcome = engine.replay(&mut pass);
    assert_eq!((engine.counts().records, engine.metrics().total.records), (records, ROWS as u64));
    let model = engine.learner().model().unwrap();
    Twice { seen: std::mem::take(&mut *seen.lock().unwrap()), model, pass, outcome }
}

/// Micro-batches with a number for a missing label: what is no number is not equal to itself.
fn comparable(batches: &[MicroBatch]) -> Vec<MicroBatch> {
    let mut batches = batches.to_vec();
    batches
        .iter_mut()
        .flat_map(|batch| &mut batch.label)
        .filter(|label| label.is_nan())
        .for_each(|label| *label = -1.0);
    batches
}

#[test]
fn the_second_pass_learns_the_micro_batches_of_the_first_again_bit_for_bit() {
    for update in [Update::Record, Update::Batch] {
        let whole = twice(update, 1 << 30, 0, None);
        assert!(matches!(whole.outcome, Ok(false)));
        let (first, second) = whole.seen.split_at(whole.seen.len() / 2);
        assert!(comparable(first) == comparable(second) && first.len() == ROWS.div_ceil(64));
        let mut alone = cpu::open(blank(settings(update)), settings(update));
        first.iter().chain(first).for_each(|batch| alone.learn(batch.clone()).unwrap());
        assert!(whole.model == alone.model().unwrap());
        assert_eq!((whole.pass.records, whole.model.learned), (ROWS as u64, 2 * (ROWS - ROWS.div_ceil(11)) as u64));
        let from_disk = twice(update, 0, 0, None);
        assert!(from_disk.model == whole.model && from_disk.pass == whole.pass);
    }
}

#[test]
fn what_the_learner_keeps_is_kept_by_nobody_else_and_comes_first() {
    let alone = twice(Update::Record, 1 << 30, 0, None);
    for keeps in [1, 4, usize::MAX] {
        let shared = twice(Update::Record, 1 << 30, keeps, None);
        let batches = ROWS.div_ceil(64);
        assert_eq!(shared.seen.len(), batches + batches.saturating_sub(keeps));
        assert!(shared.model == alone.model, "{keeps}");
        let (loss, expected) = (shared.pass.log_loss.mean().unwrap(), alone.pass.log_loss.mean().unwrap());
        assert!(shared.pass.records == ROWS as u64 && (loss - expected).abs() < 1e-12, "{loss} {expected}");
    }
}

#[test]
fn a_later_pass_that_diverges_says_which_one_and_at_which_record() {
    let spoilt = twice(Update::Record, 1 << 30, 0, Some(ROWS.div_ceil(64) + 1));
    let message = spoilt.outcome.unwrap_err().to_string();
    let expected =
        "in pass 2 learning diverged: the prediction of record 67 is not a finite number; try --learning-rate";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(spoilt.pass.records, 64);
}

/// A folder with 20,000 clicks: numbers and categories, in more than one block.
fn clicks() -> Folder {
    let folder = Folder::new();
    folder.file("in.csv", stream(Generator::Clicks, 20_000));
    std::fs::create_dir(folder.path("tmp")).unwrap();
    folder
}

const LINE: &str = "train in.csv --label click --device cpu --hash-bits 12 --batch 100 --model m --summary s.json";

/// A run whose temporary files lie in a folder of their own.
fn command(folder: &Folder, line: &str) -> Command {
    let mut command = folder.command(line);
    command.env("TMPDIR", folder.path("tmp"));
    command
}

#[track_caller]
fn has_left_nothing(folder: &Folder) {
    assert_eq!(std::fs::read_dir(folder.path("tmp")).unwrap().count(), 0);
}

/// The losses of the later passes.
fn losses(folder: &Folder) -> Vec<Value> {
    let passes = folder.json("s.json")["later_passes"].clone();
    passes.as_array().unwrap().iter().map(|pass| pass["log_loss_on_records_learned_before"].clone()).collect()
}

#[test]
fn memory_file_and_threads_make_no_difference() {
    let folder = clicks();
    folder.run(&format!("{LINE} --passes 3 --quiet")).fine();
    let (model, expected) = (folder.bytes("m"), losses(&folder));
    assert_eq!(expected.len(), 2);
    for kept in ["--replay-memory 0", "--replay-memory 900K", "--replay-file r.arrow", "--threads 3 --replay-memory 0"]
    {
        let ended = command(&folder, &format!("{LINE} --passes 3 {kept} --quiet")).output().unwrap();
        of(ended).fine();
        assert!(folder.bytes("m") == model, "{kept}");
        assert_eq!(losses(&folder), expected, "{kept}");
        has_left_nothing(&folder);
    }
    assert!(folder.bytes("r.arrow").starts_with(b"ARROW1"));
}

#[test]
fn a_stream_of_categories_learned_twice_is_as_if_it_had_come_twice() {
    let folder = Folder::new();
    let row = |at: usize| format!("{},a{},b{}\n", at % 7 / 4, at % 13, at * at % 29);
    folder.file("in.csv", (0..1024).fold("y,a,b\n".to_owned(), |text, at| text + &row(at)));
    let line = "--label y --device cpu --hash-bits 10 --batch 128 --quiet --model";
    folder.run(&format!("train in.csv in.csv {line} came")).fine();
    folder.run(&format!("train in.csv {line} learned --passes 2")).fine();
    let model = |name| SavedModel::read(&folder.path(name)).unwrap().model;
    assert!(model("came") == model("learned"));
    assert_eq!(model("learned").updates, 2048);
}

#[test]
fn figures_and_predictions_are_those_of_the_first_pass() {
    let folder = clicks();
    folder.run(&format!("{LINE} --predictions p.csv --quiet")).fine();
    let (predictions, once) = (folder.bytes("p.csv"), folder.json("s.json"));
    let said = folder.run(&format!("{LINE} --predictions p.csv --passes 3")).fine().stderr;
    assert!(folder.bytes("p.csv") == predictions);
    let thrice = folder.json("s.json");
    for key in ["records", "labelled", "log_loss", "auc", "brier", "accuracy", "base_rate", "bytes", "warnings"] {
        assert_eq!(thrice[key], once[key], "{key}");
    }
    assert_eq!((&thrice["updates"], &thrice["model_version"]), (&60_000.into(), &60_000.into()));
    let passes = thrice["later_passes"].as_array().unwrap();
    assert_eq!((passes.len(), &once["later_passes"]), (2, &Value::Array(Vec::new())));
    for (pass, number) in passes.iter().zip(2..) {
        assert_eq!((&pass["pass"], &pass["records"]), (&number.into(), &20_000.into()));
        assert!(pass["records_per_s"].as_f64().unwrap() > 0.0);
    }
    let first = once["log_loss"].as_f64().unwrap();
    assert!(losses(&folder)[1].as_f64().unwrap() < first, "what has been learned is predicted better");
    for words in ["pass 3 of 3, on records that have been learned before", "no measure of how good it is"] {
        assert!(said.contains(words), "{words} is missing in {said}");
    }
}

#[test]
fn halves_learn_nearly_the_same() {
    let folder = clicks();
    folder.run(&format!("{LINE} --passes 2 --quiet")).fine();
    let (model, whole) = (folder.bytes("m"), losses(&folder)[0].as_f64().unwrap());
    folder.run(&format!("{LINE} --passes 2 --replay-numbers f16 --quiet")).fine();
    let half = losses(&folder)[0].as_f64().unwrap();
    assert!(folder.bytes("m") != model && half != whole && (half - whole).abs() < 1e-4, "{half} {whole}");
}

#[test]
fn what_does_not_go_together_is_refused_with_what_to_do() {
    let folder = clicks();
    folder.run(&format!("{LINE} --quiet")).fine();
    for (line, words) in [
        ("--passes 2 --checkpoint c", &["--passes 2", "--checkpoint", "leave one of them out"][..]),
        ("--passes 2 --checkpoint c --resume", &["leave one of them out"]),
        ("--passes 0", &["--passes 0 is outside 1"]),
        ("--replay-memory 1G", &["--replay-memory", "write --passes 2"]),
        ("--passes 2 --replay-memory much", &["512M"]),
        ("--passes 2 --replay-file -", &["name a plain file"]),
        ("--passes 2 --replay-file m", &["would overwrite"]),
        ("--passes 2 --replay-file in.csv", &["would overwrite an input"]),
        ("--passes 2 --replay-file no/such", &["make its folder first"]),
    ] {
        folder.run(&format!("{LINE} {line}")).refused(words);
    }
    folder.run("predict in.csv --model m --passes 2").refused(&["predict learns nothing", "leave it out"]);
    let line = "--label click --device cpu --passes 2";
    folder.run(&format!("sweep in.csv {line} --grid l1=0,1")).refused(&["--passes does not go with a sweep"]);
    folder.run(&format!("verify-resume in.csv {line}")).refused(&["does not go with verify-resume"]);
}

#[test]
fn a_job_file_may_say_so_and_a_model_is_trained_on_once() {
    let folder = clicks();
    folder.file("job.toml", "[learner]\npasses = 2\nreplay-memory = '0'\nreplay-numbers = 'f16'\n");
    folder.run(&format!("{} --quiet", LINE.replace("train", "train job.toml"))).fine();
    assert_eq!((losses(&folder).len(), &folder.json("s.json")["updates"]), (1, &40_000.into()));
    folder.run("train in.csv --warm-start m --device cpu --summary s.json --quiet").fine();
    assert_eq!((losses(&folder).len(), &folder.json("s.json")["model_version"]), (0, &60_000.into()));
}

#[test]
fn an_input_that_breaks_off_is_learned_once_and_leaves_no_file() {
    let folder = clicks();
    let text = folder.text("in.csv") + &"1\n".repeat(3000);
    folder.file("in.csv", text);
    let ended = of(command(&folder, &format!("{LINE} --passes 2 --replay-memory 0")).output().unwrap());
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(losses(&folder).is_empty());
    assert!(ended.stderr.contains("there were no later passes"), "{}", ended.stderr);
    has_left_nothing(&folder);
}

#[test]
fn no_room_for_a_temporary_file_is_told_with_what_to_name() {
    let folder = clicks();
    let mut command = folder.command(&format!("{LINE} --passes 2 --replay-memory 0"));
    command.env("TMPDIR", folder.path("nowhere"));
    of(command.output().unwrap()).refused(&["temporary file of --passes", "nowhere", "--replay-file"]);
}

/// A run of very many passes that has come to the second one.
fn under_way(folder: &Folder, kept: &str) -> Child {
    let line = format!("{LINE} --passes 10000 --replay-memory 0 {kept}");
    let mut child = command(folder, &line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().starts_with("pass 2 of 10000")));
    // Nobody listens any more, which is no reason to stop.
    child
}

#[test]
fn a_signal_ends_a_later_pass_with_a_model_and_no_file() {
    let folder = clicks();
    let mut child = under_way(&folder, "");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let summary = folder.json("s.json");
    let warning = summary["warnings"][0].as_str().unwrap();
    assert!(warning.contains(" of 10000 ended behind "), "{warning}");
    let saved = SavedModel::read(&folder.path("m")).unwrap();
    assert!(saved.model.updates > 20_000);
    has_left_nothing(&folder);
}

#[test]
fn a_file_that_is_changed_under_way_ends_the_run() {
    let folder = clicks();
    let mut child = under_way(&folder, "--replay-file r.arrow");
    let mut bytes = folder.bytes("r.arrow");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    folder.file("r.arrow", bytes);
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let warnings = folder.json("s.json")["warnings"].to_string();
    assert!(warnings.contains("ended behind"), "{warnings}");
}
