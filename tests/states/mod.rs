//! What the tests of snapshots share: parts with any state, engines on any stream, and the way to a file and back.
#![allow(dead_code, reason = "every test takes its part")]

use proptest::prelude::*;
use tidemill::batcher::Batcher;
use tidemill::checkpoint::{Checkpoint, Header};
use tidemill::config::MaxRejected;
use tidemill::encoder::label::LabelRule;
use tidemill::engine::{Counts, Engine, Sink};
use tidemill::error::Result;
use tidemill::examples::{Counted, Examples, FeatureName, LabelToken, MicroBatch, Names, Sampled, Scored, stride};
use tidemill::learner::{Model, Optimizer, Penalty, Settings, Shape, Update, cpu};
use tidemill::record::{LossSum, Place, Position, Reason, Rejected};
use tidemill::scaler::Scaler;
use tidemill::schema::{Format, Schema};
use tidemill::snapshot::{Array, Snapshot, State};

/// Saved, restored into `fresh`, and saved again gives the same bytes, with a file between too.
pub fn restored<S: Snapshot>(part: &S, mut fresh: S) -> S {
    let state = state_of(part);
    state.restore(&mut fresh).unwrap();
    assert_eq!(state_of(&fresh).arrays(), state.arrays());
    let read = through_file(state.clone());
    read.restore(&mut fresh).unwrap();
    assert_eq!(state_of(&fresh).arrays(), state.arrays());
    fresh
}

/// Text, since NaN is not equal to itself.
pub fn shown(part: &impl std::fmt::Debug) -> String {
    format!("{part:?}")
}

pub fn state_of<S: Snapshot>(part: &S) -> State {
    let mut state = State::default();
    state.save(part);
    state
}

pub fn through_file(state: State) -> State {
    let mut bytes = Vec::new();
    let arrays = sorted(&state);
    let mut counts = Counts::default();
    let header = match state.restore(&mut counts) {
        Ok(()) => Header { records: counts.records, ..header() },
        Err(_) => header(), // the state of a part alone
    };
    Checkpoint { header: header.clone(), state }.write_to(&mut bytes).unwrap();
    let read = Checkpoint::from_bytes(&bytes).unwrap();
    assert_eq!((read.header, sorted(&read.state)), (header, arrays));
    read.state
}

pub fn sorted(state: &State) -> Vec<Array> {
    let mut arrays = state.arrays().to_vec();
    arrays.sort_by(|a, b| a.name.cmp(&b.name));
    arrays
}

pub fn header() -> Header {
    Header {
        tidemill: "0.1.0".into(),
        records: 0,
        log_loss: None,
        job: serde_json::json!({}),
        told_apart: serde_json::Value::Null,
        settings: settings(Optimizer::AdaGrad { learning_rate: 0.1 }, Update::Record),
        label: LabelRule::Positive("yes".into()),
        schema: Schema { columns: Vec::new(), format: Format::Csv, header: true, ..Schema::default() },
        inferred: Vec::new(),
        inputs: Vec::new(),
        chunk_bytes: 1,
        predictions: None,
        rejected: None,
        metrics: None,
        alerts: None,
        side: None,
        first_version: 0,
        elapsed_s: 0.1,
        device: "cpu".into(),
        leaves_pairs: false,
    }
}

pub const BATCH: usize = 7;
pub const NUMERIC: usize = 3;
pub const HASH_BITS: u32 = 10;

pub fn settings(optimizer: Optimizer, update: Update) -> Settings {
    let penalty = Penalty { l1: 0.001, l2: 0.01 };
    Settings { update, optimizer, penalty, batch: BATCH, hash_bits: HASH_BITS, frozen: false }
}

pub const OPTIMIZERS: [Optimizer; 4] = [
    Optimizer::Sgd { learning_rate: 0.02, power_t: 0.0 },
    Optimizer::Sgd { learning_rate: 0.05, power_t: 0.5 },
    Optimizer::AdaGrad { learning_rate: 0.1 },
    Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 },
];

/// Numbers as they occur, and those at the edges; NaN stands for a missing one.
pub fn number() -> impl Strategy<Value = f32> {
    let edges = [0.0, -0.0, f32::MIN_POSITIVE, 1e-45, f32::MAX, f32::MIN, f32::NAN];
    prop_oneof![4 => -100.0..100.0f32, 1 => prop::sample::select(edges.to_vec())]
}

pub fn numbers(len: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(number(), len)
}

pub fn optimizer() -> impl Strategy<Value = Optimizer> {
    prop::sample::select(OPTIMIZERS.to_vec())
}

pub fn update() -> impl Strategy<Value = Update> {
    prop::sample::select(vec![Update::Record, Update::Batch])
}

pub fn token() -> impl Strategy<Value = LabelToken> {
    use LabelToken::*;
    prop::sample::select(vec![Missing, One, Zero, MinusOne, True, False])
}

pub fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0..1000u64, 0..=u64::MAX / 16]
}

prop_compose! {
    /// A table in groups, some of them blank, some of nothing but negative zeros.
    pub fn model()(
        numeric in 0..40usize,
        hash_bits in 0..13u32,
        optimizer in optimizer(),
        slots in numbers(82),
        table in prop::collection::vec((any::<prop::sample::Index>(), number()), 0..20),
        blank in any::<bool>(),
        (updates, learned) in (count(), count()),
    ) -> Model {
        let mut model = Model::new(Shape { numeric, hash_bits }, optimizer, Penalty { l1: 0.5, l2: 0.25 });
        model.dense_a[..numeric].copy_from_slice(&slots[..numeric]);
        model.dense_b[..numeric].copy_from_slice(&slots[40..40 + numeric]);
        model.bias = [slots[80], slots[81]];
        for (at, slot) in table.iter().filter(|_| !blank) {
            let size = model.table.len();
            model.table[at.index(size)][0] = *slot;
        }
        (model.updates, model.learned) = (updates, learned);
        model
    }
}

prop_compose! {
    pub fn micro_batch()(
        rows in prop::collection::vec(
            (prop::collection::vec((any::<u32>(), number()), 0..4), number(), number(), any::<u64>(), "[a-zé]{0,3}"),
            0..9,
        ),
        dense in numbers(9 * 16),
        has_id in any::<bool>(),
    ) -> MicroBatch {
        let mut batch = MicroBatch::default();
        batch.clear();
        for (features, label, weight, record, id) in &rows {
            batch.hash.extend(features.iter().map(|(hash, _)| hash));
            batch.value.extend(features.iter().map(|(_, value)| value));
            batch.row_start.push(batch.hash.len() as u32);
            batch.label.push(*label);
            batch.weight.push(*weight);
            batch.record.push(*record);
            if has_id {
                batch.id.extend(id.as_bytes());
                batch.id_end.push(batch.id.len() as u32);
            }
        }
        batch.rows = rows.len();
        batch.dense = dense[..16 * batch.rows].to_vec();
        batch
    }
}

prop_compose! {
    pub fn counts()(
        by_reason in prop::collection::btree_map(prop::sample::select(Reason::ALL.to_vec()), 1..=u64::MAX / 64, 0..9),
        (read, bytes, filtered) in (count(), count(), count()),
        [duplicates, sampled_out, forgotten] in prop_oneof![Just([0; 3]), [count(), count(), count()]],
        best in prop::option::of((any::<f64>(), count())),
    ) -> Counts {
        let rejected = by_reason.values().sum();
        let best_loss = best.map(|(loss, records)| LossSum { loss, records });
        let records = read + rejected;
        Counts { records, rejected, filtered, duplicates, sampled_out, forgotten, by_reason, bytes, best_loss }
    }
}

prop_compose! {
    pub fn position()(
        places in prop::collection::btree_map(0..u32::MAX, (count(), 0..1u64 << 20, any::<u64>()), 0..6)
    ) -> Position {
        let place = |(source, (before, covered, fingerprint))| {
            Place { source, offset: before + covered, covered, fingerprint }
        };
        Position { places: places.into_iter().map(place).collect() }
    }
}

/// A chunk of the engine's stream, to be made when it is needed.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub rows: Vec<Row>,
    pub rejected: Vec<Reason>,
}

/// Numbers, features, label, weight and id of a record.
pub type Row = (Vec<f32>, Vec<u32>, LabelToken, f32, String);

pub fn chunk(most: usize) -> impl Strategy<Value = Chunk> {
    let number = prop_oneof![9 => -3.0..3.0f32, 1 => Just(f32::NAN)];
    let token = prop::sample::select(vec![LabelToken::Missing, LabelToken::One, LabelToken::Zero, LabelToken::One]);
    let weight = prop_oneof![4 => Just(1.0f32), 1 => 0.0..3.0f32];
    let numbers = prop::collection::vec(number, NUMERIC);
    let row = (numbers, prop::collection::vec(0..3000u32, 0..4), token, weight, "[a-z]{0,3}");
    let rejected = prop::collection::vec(prop::sample::select(Reason::ALL.to_vec()), 0..3);
    (prop::collection::vec(row, 0..most), rejected).prop_map(|(rows, rejected)| Chunk { rows, rejected })
}

impl Chunk {
    pub fn examples(&self) -> Examples {
        let mut examples = Examples { rows: self.rows.len(), row_start: vec![0], ..Examples::default() };
        for (number, (numbers, hashes, label, weight, id)) in self.rows.iter().enumerate() {
            examples.dense.extend(numbers);
            examples.dense.resize((number + 1) * stride(NUMERIC), f32::NAN);
            examples.hash.extend(hashes);
            examples.row_start.push(examples.hash.len() as u32);
            examples.label.push(*label);
            examples.weight.push(*weight);
            examples.number.push(number as u32);
            examples.id.extend(id.as_bytes());
            examples.id_end.push(examples.id.len() as u32);
        }
        examples.value = vec![1.0; examples.hash.len()];
        let rejected = |(&reason, number)| Rejected { number, source: 0, offset: 0, column: None, reason, raw: vec![] };
        examples.rejected = self.rejected.iter().zip(self.rows.len() as u32..).map(rejected).collect();
        examples.seen = (self.rows.len() + self.rejected.len()) as u32;
        examples.names = names(&examples);
        examples.bytes = 100;
        examples.best_loss = Some(LossSum { loss: 0.25, records: u64::from(examples.seen) });
        examples
    }
}

/// Everything by name.
pub fn names(examples: &Examples) -> Names {
    let mut names = Names::default();
    for (row, &number) in examples.number.iter().enumerate() {
        let hashes = &examples.hash[examples.row_start[row] as usize..examples.row_start[row + 1] as usize];
        let namespace = |hash: u32| format!("n{}", hash % 5);
        let name = |&hash: &u32| FeatureName { name: format!("é{hash}"), namespace: namespace(hash), hash };
        let counted = |&hash: &u32| Counted { number, level: 0, hash, namespace: namespace(hash) };
        names.sampled.push(Sampled { number, stands_for: 1, features: hashes.iter().map(name).collect() });
        names.counted.extend(hashes.iter().map(counted));
    }
    names
}

pub fn blank_batcher() -> Batcher {
    Batcher::new(BATCH, stride(NUMERIC), Scaler::new(stride(NUMERIC)), true)
}

pub fn blank_model(settings: Settings) -> Model {
    Model::new(Shape { numeric: NUMERIC, hash_bits: HASH_BITS }, settings.optimizer, settings.penalty)
}

/// All that leaves an engine, with floats by their bits.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    pub scored: Vec<(u64, u32, u32, u32, String, u64)>,
    pub rejected: Vec<(u64, Reason)>,
}

impl Sink for Seen {
    fn scored(&mut self, scored: Scored) -> Result<Option<Scored>> {
        let batch = &scored.batch;
        for row in 0..batch.rows {
            let id = String::from_utf8_lossy(batch.id_of(row)).into_owned();
            let bits = [scored.logit[row], batch.label[row], batch.weight[row]].map(f32::to_bits);
            self.scored.push((batch.record[row], bits[0], bits[1], bits[2], id, scored.version));
        }
        Ok(Some(scored))
    }

    fn rejected(&mut self, record: u64, rejected: &Rejected) -> Result<()> {
        self.rejected.push((record, rejected.reason));
        Ok(())
    }
}

pub fn engine(settings: Settings, model: Model) -> Engine {
    Engine::new(blank_batcher(), Box::new(cpu::open(model, settings)), settings, MaxRejected::Records(u64::MAX))
}

/// An engine that goes on from a state.
pub fn engine_of(settings: Settings, state: &State) -> Result<Engine> {
    let mut model = blank_model(settings);
    state.restore(&mut model)?;
    let mut engine = engine(settings, model);
    engine.restore(state)?;
    Ok(engine)
}

/// Feeds a stream to an engine, which is saved and replaced by another one before the chunks at `cuts`; gives what
/// left, the state before the last, shorter micro-batch, and the metrics and model behind it.
pub fn run(settings: Settings, chunks: &[Chunk], cuts: &[usize]) -> (Seen, Vec<Array>, String) {
    let (mut seen, mut state) = (Seen::default(), State::default());
    let mut engine = engine(settings, blank_model(settings));
    let mut offset = 0;
    for (at, chunk) in chunks.iter().enumerate() {
        if cuts.contains(&at) {
            engine.save(&mut state, &mut seen).unwrap();
            engine = engine_of(settings, &through_file(state.clone())).unwrap();
        }
        let mut examples = chunk.examples();
        offset += 100;
        examples.place = Place { source: at as u32 / 2, offset, covered: offset.min(64), fingerprint: at as u64 };
        engine.push(&examples, &mut seen).unwrap();
    }
    engine.save(&mut state, &mut seen).unwrap();
    engine.finish(&mut seen).unwrap();
    let model = engine.learner().model().unwrap();
    let known = engine.dictionary().known(&model);
    let end = format!("{:?} {:?} {known:?} {model:?}", engine.metrics(), engine.counts());
    (seen, state.arrays().to_vec(), end)
}
