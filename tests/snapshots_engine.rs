//! An engine that is saved and restored goes on as if nothing had been; and whatever a state holds, it is refused or
//! learned on from, and nothing that is accepted ever panics.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod states;

use std::collections::BTreeMap;

use proptest::prelude::*;
use states::{BATCH, Chunk, OPTIMIZERS, Seen, blank_model, chunk, engine, engine_of, optimizer, run, settings, update};
use tidemill::examples::{Examples, LabelToken};
use tidemill::learner::Update;
use tidemill::record::{self, Place, Position, Reason};
use tidemill::schema::Format;
use tidemill::snapshot::{Array, Kind, State};
use tidemill::source::chunker::Eager;
use tidemill::source::synthetic::Generator;
use tidemill::source::{Input, Reading, Source};

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
            if let Ok(mut source) = Source::resume(inputs, reading, &position, None) {
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
