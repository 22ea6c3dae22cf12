//! A device that fails at any call whatever leaves no trace but a note: every micro-batch is answered once, in order, and
//! the model is the one that a run without a failure gives, bit for bit, since the device here is the CPU in disguise.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod made_up;

use std::collections::VecDeque;

use made_up::{ORDINARY, Stream};
use tidemill::batcher::Batcher;
use tidemill::config::{MaxRejected, Options, Plan};
use tidemill::engine::{Engine, Sink};
use tidemill::error::{Error, ErrorKind, Result};
use tidemill::examples::{Examples, LabelToken, MicroBatch, Scored, stride};
use tidemill::learner::failover::{Failover, Fallback, most_logged};
use tidemill::learner::{Learner, LostDevice, Model, Optimizer, Penalty, Settings, Shape, Update, cpu};
use tidemill::pipeline::Stop;
use tidemill::record::Rejected;
use tidemill::scaler::Scaler;

const STREAM: Stream = Stream { rows: 4, batches: 9, ..ORDINARY };

/// Logs that are full after every micro-batch, after three or so, and never.
const LOGS: [usize; 3] = [0, 2000, usize::MAX];

/// Does its work like a GPU, a group at a time, and fails at one call and at all that follow.
struct Fragile {
    inner: cpu::CpuLearner,
    group: usize,
    held: VecDeque<Scored>,
    ready: VecDeque<Scored>,
    calls: usize,
    fails_at: usize,
    /// Whether a failing call does its work first.
    fails_late: bool,
    kind: ErrorKind,
}

impl Fragile {
    fn new(model: Model, settings: Settings, group: usize, fails_at: usize) -> Self {
        Self {
            inner: cpu::open(model, settings),
            group,
            held: VecDeque::new(),
            ready: VecDeque::new(),
            calls: 0,
            fails_at,
            fails_late: false,
            kind: ErrorKind::Device,
        }
    }

    fn call<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.calls += 1;
        let fails = self.calls > self.fails_at;
        if fails && !self.fails_late {
            return Err(self.error());
        }
        let done = work(self)?;
        if fails { Err(self.error()) } else { Ok(done) }
    }

    fn error(&self) -> Error {
        Error::new(self.kind, format!("out of\n order at call {}", self.calls))
    }
}

impl Learner for Fragile {
    fn learn(&mut self, batch: MicroBatch) -> Result<()> {
        self.call(|this| {
            this.inner.learn(batch)?;
            this.held.extend(this.inner.next_scored()?);
            if this.held.len() == this.group {
                this.ready.append(&mut this.held);
            }
            Ok(())
        })
    }

    fn next_scored(&mut self) -> Result<Option<Scored>> {
        self.call(|this| Ok(this.ready.pop_front()))
    }

    fn finish(&mut self) -> Result<()> {
        self.call(|this| {
            this.ready.append(&mut this.held);
            Ok(())
        })
    }

    fn model(&mut self) -> Result<Model> {
        self.call(|this| this.inner.model())
    }

    fn recycle(&mut self, scored: Scored) {
        self.inner.recycle(scored);
    }
}

/// How a run goes.
#[derive(Debug, Clone, Copy)]
struct Case {
    settings: Settings,
    group: usize,
    most: usize,
    /// Whether results are fetched after every micro-batch, or all at the end.
    eager: bool,
    fails_late: bool,
}

#[test]
fn a_device_may_fail_at_any_call() {
    let mut failed_at = 0;
    for case in cases() {
        let start = start(case.settings);
        let want = run(&mut cpu::open(start.clone(), case.settings), case.eager).unwrap();
        let mut fails_at = 0;
        loop {
            let mut learner = guarded(&start, case, fails_at, ErrorKind::Device);
            let have = run(&mut learner, case.eager).unwrap();
            assert_same(&have, &want, &format!("{case:?}, failing at call {fails_at}"));
            let Some(lost) = learner.lost_device() else { break };
            check_note(lost, case);
            fails_at += 1;
        }
        assert!(fails_at > STREAM.batches, "{case:?}: {fails_at} calls");
        failed_at += fails_at;
    }
    assert!(failed_at > 1000, "{failed_at}");
}

#[test]
fn what_is_no_fault_of_the_device_is_passed_on() {
    for case in cases().filter(|case| case.most > 0 && case.group == 1) {
        for fails_at in 0..2 * STREAM.batches {
            let mut learner = guarded(&start(case.settings), case, fails_at, ErrorKind::Internal);
            let error = run(&mut learner, case.eager).err();
            if let Some(error) = error {
                assert_eq!(error.kind(), ErrorKind::Internal);
            }
            assert_eq!(learner.lost_device(), None);
        }
    }
}

#[test]
fn a_fallback_that_fails_too_ends_the_run() {
    let settings = settings(OPTIMIZERS[1], false);
    for second in 0..STREAM.batches {
        let fragile = Box::new(Fragile::new(start(settings), settings, 2, 7));
        let fallback = Fallback::new("another one", move |model| Box::new(Fragile::new(model, settings, 1, second)));
        let mut learner = Failover::new(fragile, start(settings), false, usize::MAX, fallback);
        assert_eq!(run(&mut learner, true).err().map(|error| error.kind()), Some(ErrorKind::Device));
        assert_eq!(learner.lost_device().map(|lost| &*lost.then), Some("another one"));
    }
}

#[test]
fn a_log_may_weigh_twice_the_model_and_small_models_have_long_ones() {
    let of = |hash_bits| {
        most_logged(&Model::new(
            Shape { numeric: 0, hash_bits },
            Optimizer::AdaGrad { learning_rate: 0.1 },
            Penalty::NONE,
        ))
    };
    assert_eq!((of(4), of(18), of(21), of(22)), (32 << 20, 32 << 20, 32 << 20, 64 << 20));
}

#[test]
fn an_engine_hands_on_every_record_once_wherever_the_device_fails() {
    let settings = settings(OPTIMIZERS[1], false);
    let want = through_engine(Box::new(cpu::open(start(settings), settings)));
    assert_eq!(want.records, (1..=50).collect::<Vec<u64>>());
    for most in LOGS {
        for fails_at in 0..60 {
            let case = Case { settings, group: 3, most, eager: true, fails_late: false };
            let have = through_engine(Box::new(guarded(&start(settings), case, fails_at, ErrorKind::Device)));
            assert_eq!(have, want, "log of {most}, failing at call {fails_at}");
        }
    }
}

#[test]
fn the_summary_names_both_devices_and_says_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.csv");
    std::fs::write(&input, "x,y\n0.5,1\n0.25,0\n").unwrap();
    let options = Options::parse("[source]\nlabel = 'y'\n[learner]\ndevice = 'cpu'\nhash_bits = 4\n").unwrap();
    let plan = Plan::new(options, &[input.display().to_string()]).unwrap();
    let mut outcome = tidemill::pipeline::run(&plan, None, &Stop::default(), &mut |_| {}).unwrap();
    assert_eq!(outcome.lost_device, None);
    outcome.device = "gpu: Anvil (Vulkan)".into();
    outcome.lost_device = Some(LostDevice { then: "cpu (avx2)".into(), note: "the GPU failed".into() });
    let summary = tidemill::pipeline::summary::of(&plan, &outcome);
    assert_eq!(summary.device, "gpu: Anvil (Vulkan), then cpu (avx2)");
    assert_eq!(summary.warnings[0], "the GPU failed");
    assert!(tidemill::report::summary::text(&summary).contains("warning: the GPU failed\n"));
}

const OPTIMIZERS: [Optimizer; 3] = [
    Optimizer::Sgd { learning_rate: 0.05, power_t: 0.5 },
    Optimizer::AdaGrad { learning_rate: 0.1 },
    Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 },
];

fn settings(optimizer: Optimizer, frozen: bool) -> Settings {
    let (penalty, hash_bits) = (Penalty { l1: 0.002, l2: 0.01 }, STREAM.hash_bits);
    Settings { update: Update::Batch, optimizer, penalty, batch: STREAM.rows, hash_bits, frozen }
}

fn cases() -> impl Iterator<Item = Case> {
    let settings = OPTIMIZERS.into_iter().flat_map(|optimizer| [false, true].map(|frozen| settings(optimizer, frozen)));
    let logs = settings.flat_map(|settings| LOGS.map(|most| (settings, most)));
    logs.flat_map(|(settings, most)| {
        [1, 2, 5].into_iter().flat_map(move |group| {
            [(true, false), (true, true), (false, false), (false, true)].map(|(eager, fails_late)| Case {
                settings,
                group,
                most,
                eager,
                fails_late,
            })
        })
    })
}

/// A model that has learned something, so that versions do not start at 0.
fn start(settings: Settings) -> Model {
    let shape = Shape { numeric: STREAM.numeric, hash_bits: STREAM.hash_bits };
    let learns = Settings { frozen: false, ..settings };
    let mut learner = cpu::open(Model::new(shape, settings.optimizer, settings.penalty), learns);
    learner.learn(STREAM.batch(100)).unwrap();
    learner.model().unwrap()
}

fn guarded(start: &Model, case: Case, fails_at: usize, kind: ErrorKind) -> Failover {
    let Case { settings, group, most, fails_late, .. } = case;
    let fragile = Fragile { fails_late, kind, ..Fragile::new(start.clone(), settings, group, fails_at) };
    // It may work in groups as well as a device may, but does not fail.
    let fallback = Fallback::new("cpu", move |model| Box::new(Fragile::new(model, settings, group, usize::MAX)));
    Failover::new(Box::new(fragile), start.clone(), settings.frozen, most, fallback)
}

fn run(learner: &mut dyn Learner, eager: bool) -> Result<(Vec<Scored>, Model)> {
    let mut scored = Vec::new();
    for k in 0..STREAM.batches {
        learner.learn(STREAM.batch(k))?;
        if eager {
            fetch(learner, &mut scored)?;
        }
    }
    learner.finish()?;
    fetch(learner, &mut scored)?;
    Ok((scored, learner.model()?))
}

fn fetch(learner: &mut dyn Learner, all: &mut Vec<Scored>) -> Result<()> {
    while let Some(scored) = learner.next_scored()? {
        learner.recycle(Scored { logit: scored.logit.clone(), ..Scored::default() });
        all.push(scored);
    }
    Ok(())
}

#[track_caller]
fn assert_same(have: &(Vec<Scored>, Model), want: &(Vec<Scored>, Model), name: &str) {
    let records = |scored: &[Scored]| scored.iter().flat_map(|s| s.batch.record.clone()).collect::<Vec<u64>>();
    assert_eq!(records(&have.0), (1..=(STREAM.batches * STREAM.rows) as u64).collect::<Vec<_>>(), "{name}");
    for (have, want) in have.0.iter().zip(&want.0) {
        assert_eq!((have.version, have.version_per_record), (want.version, want.version_per_record), "{name}");
        let bits = |scored: &Scored| scored.logit.iter().map(|logit| logit.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(have), bits(want), "{name}");
        // A label may be NaN, which differs from itself.
        assert_eq!(format!("{:?}", have.batch), format!("{:?}", want.batch), "{name}");
    }
    assert_eq!(have.1, want.1, "{name}");
}

/// The note's figures fit the case: nothing is learned again that need not be.
fn check_note(lost: &LostDevice, case: Case) {
    let note = &lost.note;
    assert!(note.contains("(out of order at call") && !note.contains('\n'), "{note}");
    assert!(note.contains("no record was lost or predicted twice"), "{note}");
    let numbers: Vec<u64> = note.split(' ').filter_map(|word| word.trim_end_matches(',').parse().ok()).collect();
    match (case.settings.frozen, &numbers[..]) {
        (true, &[taken, unanswered]) => assert!(unanswered <= taken, "{note}"),
        (false, &[taken, good, again]) => {
            assert_eq!(taken, good + again, "{note}");
            assert!(case.most > 0 || again <= 1, "{note}");
            assert!(case.most < usize::MAX || good == 0, "{note}");
        }
        _ => panic!("{note}"),
    }
}

/// What an engine hands on.
#[derive(Debug, Default, PartialEq)]
struct Handed {
    records: Vec<u64>,
    versions: Vec<u64>,
    logits: Vec<u32>,
    model: Option<Model>,
}

impl Sink for Handed {
    fn scored(&mut self, scored: Scored) -> Result<Option<Scored>> {
        self.records.extend(&scored.batch.record);
        self.versions.push(scored.version);
        self.logits.extend(scored.logit.iter().map(|logit| logit.to_bits()));
        Ok(Some(scored))
    }

    fn rejected(&mut self, record: u64, _: &Rejected) -> Result<()> {
        panic!("record {record} is fine");
    }
}

/// Runs ten chunks of five records through an engine whose micro-batches hold four.
fn through_engine(learner: Box<dyn Learner + Send>) -> Handed {
    let width = stride(STREAM.numeric);
    let batcher = Batcher::new(STREAM.rows, width, Scaler::new(width), true);
    let mut engine = Engine::new(
        batcher,
        learner,
        settings(Optimizer::AdaGrad { learning_rate: 0.1 }, false),
        MaxRejected::parse("0").unwrap(),
    );
    let mut handed = Handed::default();
    for k in 0..10 {
        engine.push(&chunk(k), &mut handed).unwrap();
    }
    engine.finish(&mut handed).unwrap();
    handed.model = Some(engine.learner().model().unwrap());
    handed
}

/// A made-up micro-batch as it looks before the engine.
fn chunk(k: usize) -> Examples {
    let batch = Stream { rows: 5, odd_rows: false, ..STREAM }.batch(k);
    let label = |&label: &f32| if label == 1.0 { LabelToken::One } else { LabelToken::Zero };
    Examples {
        rows: batch.rows,
        label: batch.label.iter().map(label).collect(),
        number: (0..batch.rows as u32).collect(),
        seen: batch.rows as u32,
        dense: batch.dense,
        row_start: batch.row_start,
        hash: batch.hash,
        value: batch.value,
        ..Examples::default()
    }
}
