//! To save and restore is to change nothing: for every part that remembers something, for the file between, and for the
//! engine as a whole. What does not belong together is refused, and nothing that is accepted ever panics.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidemill::batcher::Batcher;
use tidemill::checkpoint::{Checkpoint, Header};
use tidemill::config::MaxRejected;
use tidemill::encoder::label::{LabelGuard, LabelRule};
use tidemill::engine::{Counts, Engine, Sink};
use tidemill::error::Result;
use tidemill::examples::{Counted, Examples, FeatureName, LabelToken, MicroBatch, Names, Sampled, Scored, stride};
use tidemill::learner::{Model, Optimizer, Penalty, Settings, Shape, Update, cpu};
use tidemill::metric::Metrics;
use tidemill::record::{self, LossSum, Place, Position, Reason, Rejected};
use tidemill::scaler::Scaler;
use tidemill::schema::{Format, Schema};
use tidemill::snapshot::{Array, Kind, Snapshot, State};
use tidemill::source::chunker::Eager;
use tidemill::source::synthetic::Generator;
use tidemill::source::{Input, Reading, Source};

/// Saved, restored into `fresh`, and saved again gives the same bytes, with a file between too.
fn restored<S: Snapshot>(part: &S, mut fresh: S) -> S {
    let state = state_of(part);
    state.restore(&mut fresh).unwrap();
    assert_eq!(state_of(&fresh).arrays(), state.arrays());
    let read = through_file(state.clone());
    read.restore(&mut fresh).unwrap();
    assert_eq!(state_of(&fresh).arrays(), state.arrays());
    fresh
}

/// Text, since NaN is not equal to itself.
fn shown(part: &impl std::fmt::Debug) -> String {
    format!("{part:?}")
}

fn state_of<S: Snapshot>(part: &S) -> State {
    let mut state = State::default();
    state.save(part);
    state
}

fn through_file(state: State) -> State {
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

fn sorted(state: &State) -> Vec<Array> {
    let mut arrays = state.arrays().to_vec();
    arrays.sort_by(|a, b| a.name.cmp(&b.name));
    arrays
}

fn header() -> Header {
    Header {
        tidemill: "0.1.0".into(),
        records: 0,
        log_loss: None,
        job: serde_json::json!({}),
        settings: settings(Optimizer::AdaGrad { learning_rate: 0.1 }, Update::Record),
        label: LabelRule::Positive("yes".into()),
        schema: Schema { columns: Vec::new(), format: Format::Csv, header: true, ..Schema::default() },
        inferred: Vec::new(),
        inputs: Vec::new(),
        chunk_bytes: 1,
        predictions: None,
        rejected: None,
        first_version: 0,
        elapsed_s: 0.1,
        device: "cpu".into(),
        leaves_pairs: false,
    }
}

const BATCH: usize = 7;
const NUMERIC: usize = 3;
const HASH_BITS: u32 = 10;

fn settings(optimizer: Optimizer, update: Update) -> Settings {
    let penalty = Penalty { l1: 0.001, l2: 0.01 };
    Settings { update, optimizer, penalty, batch: BATCH, hash_bits: HASH_BITS, frozen: false }
}

const OPTIMIZERS: [Optimizer; 4] = [
    Optimizer::Sgd { learning_rate: 0.02, power_t: 0.0 },
    Optimizer::Sgd { learning_rate: 0.05, power_t: 0.5 },
    Optimizer::AdaGrad { learning_rate: 0.1 },
    Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 },
];

/// Numbers as they occur, and those at the edges; NaN stands for a missing one.
fn number() -> impl Strategy<Value = f32> {
    let edges = [0.0, -0.0, f32::MIN_POSITIVE, 1e-45, f32::MAX, f32::MIN, f32::NAN];
    prop_oneof![4 => -100.0..100.0f32, 1 => prop::sample::select(edges.to_vec())]
}

fn numbers(len: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(number(), len)
}

fn optimizer() -> impl Strategy<Value = Optimizer> {
    prop::sample::select(OPTIMIZERS.to_vec())
}

fn update() -> impl Strategy<Value = Update> {
    prop::sample::select(vec![Update::Record, Update::Batch])
}

fn token() -> impl Strategy<Value = LabelToken> {
    use LabelToken::*;
    prop::sample::select(vec![Missing, One, Zero, MinusOne, True, False])
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0..1000u64, 0..=u64::MAX / 16]
}

prop_compose! {
    /// A table in groups, some of them blank, some of nothing but negative zeros.
    fn model()(
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
    fn micro_batch()(
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
    fn counts()(
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
    fn position()(
        places in prop::collection::btree_map(0..u32::MAX, (count(), 0..1u64 << 20, any::<u64>()), 0..6)
    ) -> Position {
        let place = |(source, (before, covered, fingerprint))| {
            Place { source, offset: before + covered, covered, fingerprint }
        };
        Position { places: places.into_iter().map(place).collect() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_scaler_comes_back(rows in prop::collection::vec(numbers(32), 0..40), width in 0..3usize) {
        let mut scaler = Scaler::new(16 * width);
        rows.iter().for_each(|row| scaler.learn(&row[..16 * width], &mut vec![0.0; 16 * width]));
        let back = restored(&scaler, Scaler::new(16 * width));
        prop_assert!(back == scaler);
    }

    #[test]
    fn a_label_guard_comes_back(tokens in prop::collection::vec(token(), 0..6), next in token()) {
        let mut guard = LabelGuard::default();
        for (token, record) in tokens.into_iter().zip(1..) {
            let _ = guard.resolve(token, record); // a mix is refused, and leaves a state too
        }
        let mut back = restored(&guard, LabelGuard::default());
        prop_assert_eq!(&back, &guard);
        let say = |result: Result<f32>| result.map(f32::to_bits).map_err(|error| error.to_string());
        prop_assert_eq!(say(back.resolve(next, 9)), say(guard.resolve(next, 9)));
    }

    #[test]
    fn a_micro_batch_comes_back(batch in micro_batch()) {
        let back = restored(&batch, MicroBatch::default());
        prop_assert_eq!(shown(&back), shown(&batch));
    }

    #[test]
    fn a_model_comes_back(model in model()) {
        let back = restored(&model, Model::new(model.shape(), model.optimizer, model.penalty));
        prop_assert!(shown(&back) == shown(&model));
    }

    #[test]
    fn metrics_come_back(
        parts in prop::collection::vec(
            prop::collection::vec((-40.0..40.0f32, prop::sample::select(vec![0.0, 1.0, f32::NAN]), 0.0..3.0f32), 0..20),
            0..6,
        ),
        taken in any::<bool>(),
        explodes in any::<bool>(),
    ) {
        let mut metrics = Metrics::default();
        for part in parts {
            let [logit, label, weight] = [0, 1, 2].map(|k| part.iter().map(|row| [row.0, row.1, row.2][k]).collect());
            let (logit, label, weight): (Vec<f32>, Vec<f32>, Vec<f32>) = (logit, label, weight);
            metrics.add(&logit, &label, &weight);
        }
        if taken {
            metrics.take_since_last();
        }
        if explodes {
            metrics.add(&[20.0; 5000], &[0.0; 5000], &[1.0; 5000]);
            prop_assert!(metrics.explosion.found.is_some());
        }
        let back = restored(&metrics, Metrics::default());
        prop_assert!(shown(&back) == shown(&metrics));
    }

    #[test]
    fn counts_come_back(counts in counts()) {
        let back = restored(&counts, Counts::default());
        prop_assert_eq!(shown(&back), shown(&counts));
    }

    #[test]
    fn a_position_comes_back(position in position()) {
        prop_assert_eq!(&restored(&position, Position::default()), &position);
    }

    #[test]
    fn a_batcher_goes_on_where_it_was(chunk in chunk(30), rest in chunk(10)) {
        let (chunk, rest) = (chunk.examples(), rest.examples());
        let mut batcher = blank_batcher();
        let mut row = 0;
        while row < chunk.rows {
            row = batcher.fill(&chunk, row..chunk.rows, 0).unwrap();
            if batcher.is_full() {
                batcher.take(MicroBatch::default());
            }
        }
        let mut back = restored(&batcher, blank_batcher());
        for batcher in [&mut batcher, &mut back] {
            batcher.fill(&rest, 0..rest.rows, 100).unwrap();
        }
        prop_assert!(state_of(&back).arrays() == state_of(&batcher).arrays());
    }
}

/// A chunk of the engine's stream, to be made when it is needed.
#[derive(Debug, Clone)]
struct Chunk {
    rows: Vec<Row>,
    rejected: Vec<Reason>,
}

/// Numbers, features, label, weight and id of a record.
type Row = (Vec<f32>, Vec<u32>, LabelToken, f32, String);

fn chunk(most: usize) -> impl Strategy<Value = Chunk> {
    let number = prop_oneof![9 => -3.0..3.0f32, 1 => Just(f32::NAN)];
    let token = prop::sample::select(vec![LabelToken::Missing, LabelToken::One, LabelToken::Zero, LabelToken::One]);
    let weight = prop_oneof![4 => Just(1.0f32), 1 => 0.0..3.0f32];
    let numbers = prop::collection::vec(number, NUMERIC);
    let row = (numbers, prop::collection::vec(0..3000u32, 0..4), token, weight, "[a-z]{0,3}");
    let rejected = prop::collection::vec(prop::sample::select(Reason::ALL.to_vec()), 0..3);
    (prop::collection::vec(row, 0..most), rejected).prop_map(|(rows, rejected)| Chunk { rows, rejected })
}

impl Chunk {
    fn examples(&self) -> Examples {
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
fn names(examples: &Examples) -> Names {
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

fn blank_batcher() -> Batcher {
    Batcher::new(BATCH, stride(NUMERIC), Scaler::new(stride(NUMERIC)), true)
}

fn blank_model(settings: Settings) -> Model {
    Model::new(Shape { numeric: NUMERIC, hash_bits: HASH_BITS }, settings.optimizer, settings.penalty)
}

/// All that leaves an engine, with floats by their bits.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    scored: Vec<(u64, u32, u32, u32, String, u64)>,
    rejected: Vec<(u64, Reason)>,
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

fn engine(settings: Settings, model: Model) -> Engine {
    Engine::new(blank_batcher(), Box::new(cpu::open(model, settings)), settings, MaxRejected::Records(u64::MAX))
}

/// An engine that goes on from a state.
fn engine_of(settings: Settings, state: &State) -> Result<Engine> {
    let mut model = blank_model(settings);
    state.restore(&mut model)?;
    let mut engine = engine(settings, model);
    engine.restore(state)?;
    Ok(engine)
}

/// Feeds a stream to an engine, which is saved and replaced by another one before the chunks at `cuts`; gives what
/// left, the state before the last, shorter micro-batch, and the metrics and model behind it.
fn run(settings: Settings, chunks: &[Chunk], cuts: &[usize]) -> (Seen, Vec<Array>, String) {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_engine_goes_on_as_if_nothing_had_been(
        chunks in prop::collection::vec(chunk(25), 1..8),
        cuts in prop::collection::vec(0..8usize, 1..4),
    ) {
        for optimizer in OPTIMIZERS {
            for update in [Update::Record, Update::Batch] {
                let settings = settings(optimizer, update);
                let (whole, cut) = (run(settings, &chunks, &[]), run(settings, &chunks, &cuts));
                prop_assert_eq!(&whole.0, &cut.0);
                prop_assert!(whole.1 == cut.1, "states differ");
                prop_assert!(whole.2 == cut.2, "ends differ");
            }
        }
    }
}

#[test]
fn the_state_of_another_shape_is_refused() {
    let settings = settings(OPTIMIZERS[2], Update::Record);
    let model = |numeric, hash_bits| Model::new(Shape { numeric, hash_bits }, OPTIMIZERS[2], Penalty::NONE);
    let refused = |error: Option<tidemill::error::Error>, name: &str| {
        let error = error.unwrap().to_string();
        assert!(error.contains(name) && error.contains("belongs to another job"), "{error}");
    };
    for (numeric, hash_bits) in [(3, 9), (3, 11), (2, 10), (17, 10)] {
        refused(state_of(&blank_model(settings)).restore(&mut model(numeric, hash_bits)).err(), "`model/shape`");
    }
    refused(state_of(&Scaler::new(16)).restore(&mut Scaler::new(32)).err(), "`scaler/count`");
    let mut batcher = blank_batcher();
    let one = Chunk { rows: vec![(vec![1.0; 3], vec![], LabelToken::One, 1.0, "a".into()); 4], rejected: vec![] };
    batcher.fill(&one.examples(), 0..4, 0).unwrap();
    let mut smaller = Batcher::new(4, stride(NUMERIC), Scaler::new(stride(NUMERIC)), true);
    refused(state_of(&batcher).restore(&mut smaller).err(), "`batcher/filling`");
}

/// What may have happened to an array.
#[derive(Debug, Clone)]
enum Harm {
    Drop,
    Shorten(usize),
    Extend(u8, usize),
    Kind(Kind),
    /// A number in it, of 4 or 8 bytes, becomes this one.
    Number(prop::sample::Index, bool, u64),
    /// It takes the content of another array.
    Swap(prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    let nan = u64::from(f32::NAN.to_bits());
    let wild = vec![0, 1, 2, 6, 7, 8, 500, 1 << 31, 1 << 32, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX, nan, nan << 32];
    prop_oneof![
        1 => Just(Harm::Drop),
        2 => (1..20usize).prop_map(Harm::Shorten),
        2 => (any::<u8>(), 1..20usize).prop_map(|(byte, times)| Harm::Extend(byte, times)),
        1 => prop::sample::select(Kind::ALL.to_vec()).prop_map(Harm::Kind),
        8 => (any::<prop::sample::Index>(), any::<bool>(), prop::sample::select(wild))
            .prop_map(|(at, wide, number)| Harm::Number(at, wide, number)),
        2 => any::<prop::sample::Index>().prop_map(Harm::Swap),
    ]
}

fn harmed(state: &State, harms: &[(prop::sample::Index, Harm)]) -> State {
    let mut arrays = state.arrays().to_vec();
    for (at, harm) in harms {
        let at = at.index(arrays.len());
        let others = arrays.clone();
        let bytes = &mut arrays[at].bytes;
        match harm {
            Harm::Drop => drop(arrays.remove(at)),
            Harm::Shorten(by) => bytes.truncate(bytes.len().saturating_sub(*by)),
            Harm::Extend(byte, times) => bytes.resize(bytes.len() + times, *byte),
            Harm::Kind(kind) => arrays[at].kind = *kind,
            Harm::Number(place, wide, number) => {
                let size = if *wide { 8 } else { 4 };
                if bytes.len() >= size {
                    let start = size * place.index(bytes.len() / size);
                    bytes[start..start + size].copy_from_slice(&number.to_le_bytes()[..size]);
                }
            }
            Harm::Swap(with) => bytes.clone_from(&others[with.index(others.len())].bytes),
        }
    }
    let mut state = State::default();
    arrays.into_iter().for_each(|array| state.push(array));
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn whatever_a_state_holds_it_is_refused_or_learned_on_from(
        chunks in prop::collection::vec(chunk(12), 2..4),
        harms in prop::collection::vec((any::<prop::sample::Index>(), harm()), 1..3),
        optimizer in optimizer(),
        update in update(),
    ) {
        let settings = settings(optimizer, update);
        let (mut seen, mut state) = (Seen::default(), State::default());
        let mut whole = engine(settings, blank_model(settings));
        whole.push(&chunks[0].examples(), &mut seen).unwrap();
        whole.save(&mut state, &mut seen).unwrap();
        if let Ok(mut engine) = engine_of(settings, &harmed(&state, &harms)) {
            // An error is an answer too, such as one of a prediction that is not a finite number.
            let pushed = chunks[1..].iter().try_for_each(|chunk| engine.push(&chunk.examples(), &mut seen));
            let _ = pushed.and_then(|()| engine.save(&mut state, &mut seen)).and_then(|()| engine.finish(&mut seen));
            let _ = (engine.metrics().auc.value(), engine.metrics().total.calibration.base_rate());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_position_of_other_inputs_is_refused_or_read_on_from(
        numbers in prop::collection::vec(prop_oneof![0..3u64, 0..40u64, any::<u64>()], 0..13),
        is_synthetic in any::<bool>(),
    ) {
        let mut state = State::default();
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        state.push(Array { name: "position/places".into(), kind: Kind::U64, bytes });
        let mut position = Position::default();
        if state.restore(&mut position).is_ok() {
            let folder = tempfile::tempdir().unwrap();
            let inputs = ["a.csv", "b.csv"].map(|name| folder.path().join(name));
            inputs.iter().for_each(|path| std::fs::write(path, "y,x\n1,2\n0,3\n1,4").unwrap());
            let mut inputs = inputs.map(Input::File).to_vec();
            if is_synthetic {
                inputs.insert(0, Input::Synthetic { generator: Generator::Hyperplane, rows: 3, seed: 1 });
            }
            let reading = Reading { format: Format::Csv, eager: Eager::AfterFirst, fingerprints: true, chunk: 10 };
            if let Ok(mut source) = Source::resume(inputs, reading, &position) {
                while let Ok(Some(_)) = source.next_chunk(record::Chunk::default()) {}
            }
        }
    }
}

/// Each of these could only have been made on purpose; each would be read beyond an end, or counted beyond 64 bits.
#[test]
fn numbers_that_cannot_be_are_refused_by_name() {
    let settings = settings(OPTIMIZERS[2], Update::Record);
    let row = (vec![1.0; 3], vec![7, 600], LabelToken::One, 1.0, "ab".to_owned());
    let chunk = Chunk { rows: vec![row; BATCH + 3], rejected: vec![Reason::Label] };
    let (mut seen, mut state) = (Seen::default(), State::default());
    let mut whole = engine(settings, blank_model(settings));
    let place = Place { source: 0, offset: 90, covered: 64, fingerprint: 5 };
    whole.push(&Examples { place, ..chunk.examples() }, &mut seen).unwrap();
    whole.save(&mut state, &mut seen).unwrap();
    engine_of(settings, &state).unwrap();
    let arrays: BTreeMap<_, _> = state.arrays().iter().map(|array| (array.name.as_str(), array)).collect();
    for (name, at, number) in [
        ("micro_batch/rows", 0, u64::MAX),
        ("micro_batch/row_start", 0, 1),
        ("micro_batch/row_start", 1, 5),
        ("micro_batch/row_start", 1, u64::MAX),
        ("micro_batch/id_end", 0, 5),
        ("micro_batch/id_end", 2, 7),
        ("model/touched", 0, u64::MAX),
        ("model/touched", 0, 0),
        ("model/shape", 1, 63),
        ("model/steps", 0, u64::MAX),
        ("scaler/rows", 0, u64::MAX),
        ("labels/settled", 0, 4),
        ("metrics/total.records", 1, u64::MAX),
        ("metrics/auc_bins", 0, 1 << 20),
        ("explosion/window", 0, u64::MAX),
        ("counts/records", 0, u64::MAX),
        ("counts/records", 1, 2),
        ("counts/by_reason", 3, u64::MAX),
        ("dictionary/kept", 0, 2),
        ("traffic/records", 0, u64::MAX),
        ("traffic/error", 0, u64::MAX),
        ("traffic/space", 0, 9),
        ("traffic/name_end", 0, u64::MAX),
        ("traffic/name_end", 0, 1),
        ("distinct/level", 0, 9),
        ("distinct/level", 1, 33),
        ("distinct/level", 1, 32),
        ("distinct/hash", 0, u64::MAX),
        ("distinct/space", 0, 9),
        ("position/places", 0, 1 << 32),
        ("position/places", 0, u64::from(u32::MAX)),
        ("position/places", 1, 63),
        ("position/places", 2, 91),
    ] {
        let size = arrays[name].kind.size();
        let mut changed = state.arrays().to_vec();
        let array = changed.iter_mut().find(|array| array.name == name).unwrap();
        array.bytes[at * size..(at + 1) * size].copy_from_slice(&number.to_le_bytes()[..size]);
        let mut state = State::default();
        changed.into_iter().for_each(|array| state.push(array));
        let Err(error) = engine_of(settings, &state) else { panic!("{name} {at} {number} is taken") };
        let part = name.split('/').next().unwrap();
        assert!(error.to_string().contains(&format!("`{part}/")), "{name} {at} {number}: {error}");
    }
}
