//! The store of what is learned again: random micro-batches go in, and the same ones come out in every pass, from memory,
//! from a file, or from both.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::path::PathBuf;

use proptest::prelude::*;
use tidemill::examples::{MicroBatch, stride};
use tidemill::replay::{Keeping, Numbers, Store};

/// What random micro-batches are like.
#[derive(Debug, Clone)]
struct Like {
    seed: u64,
    width: usize,
    features: u64,
    most_rows: u64,
    batches: usize,
}

fn like() -> impl Strategy<Value = Like> {
    (any::<u64>(), 0..35_usize, 0..4_u64, 1..300_u64, 1..120_usize)
        .prop_map(|(seed, width, features, most_rows, batches)| Like { seed, width, features, most_rows, batches })
}

/// The same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// Any bits at all: numbers, infinities, what is no number.
    fn float(&mut self) -> f32 {
        f32::from_bits((self.roll(1 << 16) << 16 | self.roll(1 << 16)) as u32)
    }
}

fn batches(like: &Like) -> Vec<MicroBatch> {
    let (mut dice, mut record) = (Dice(like.seed), 0);
    let batch = |_| {
        let mut batch = MicroBatch::default();
        batch.clear();
        batch.rows = 1 + dice.roll(like.most_rows) as usize;
        for _ in 0..batch.rows {
            let padded = (0..stride(like.width)).map(|at| if at < like.width { dice.float() } else { 0.0 });
            batch.dense.extend(padded.collect::<Vec<_>>());
            for _ in 0..dice.roll(like.features + 1) {
                batch.hash.push(dice.roll(1 << 32) as u32);
                batch.value.push(dice.float());
            }
            batch.row_start.push(batch.hash.len() as u32);
            batch.label.push([0.0, 1.0, f32::NAN][dice.roll(3) as usize]);
            batch.weight.push(dice.float());
            record += 1 + dice.roll(3);
            batch.record.push(record);
            batch.id.push(b'x');
            batch.id_end.push(batch.id.len() as u32);
        }
        batch
    };
    (0..like.batches).map(batch).collect()
}

/// All but the ids, as bits: what is no number is not equal to itself.
fn bits(batch: &MicroBatch) -> (Vec<u32>, Vec<u32>, Vec<u64>) {
    let floats = [&batch.dense, &batch.value, &batch.label, &batch.weight];
    let floats = floats.into_iter().flatten().map(|x| x.to_bits()).collect();
    assert_eq!(batch.rows, batch.label.len());
    (floats, [&batch.row_start[..], &batch.hash[..]].concat(), batch.record.clone())
}

fn store(like: &Like, numbers: Numbers, memory: u64, file: Option<PathBuf>) -> Store {
    let mut store = Store::open(Keeping { width: like.width, numbers, memory, file }).unwrap();
    batches(like).iter().for_each(|batch| store.take(batch).unwrap());
    store.end().unwrap();
    store
}

fn all(store: &mut Store, dirty: bool) -> Vec<MicroBatch> {
    store.rewind();
    let mut given = Vec::new();
    // Buffers come back with what they were used for.
    let used = || MicroBatch { rows: 3, dense: vec![7.0; 900], hash: vec![7; 5], id: vec![7], ..MicroBatch::default() };
    loop {
        let mut next = if dirty { used() } else { MicroBatch::default() };
        if !store.next(&mut next).unwrap() {
            return given;
        }
        given.push(next);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_went_in_comes_out_in_every_pass(like in like(), memory in prop_oneof![Just(0), 0..3_000_000_u64, Just(1 << 40)], named: bool) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(&like, Numbers::F32, memory, named.then(|| folder.path().join("replay.arrow")));
        let before: Vec<_> = batches(&like).iter().map(bits).collect();
        for dirty in [false, true] {
            let given = all(&mut store, dirty);
            prop_assert!(given.iter().all(|batch| batch.id.is_empty() && batch.id_end.is_empty()));
            let given: Vec<_> = given.iter().map(bits).collect();
            prop_assert!(given == before);
        }
        prop_assert_eq!(store.clamped(), 0);
    }

    #[test]
    fn halves_are_near_and_the_same_in_memory_and_in_a_file(like in like()) {
        let [mut memory, mut file] = [1 << 40, 0].map(|memory| store(&like, Numbers::F16, memory, None));
        let (given, from_file) = (all(&mut memory, true), all(&mut file, true));
        let as_bits = |of: &[MicroBatch]| of.iter().map(bits).collect::<Vec<_>>();
        prop_assert!(as_bits(&given) == as_bits(&from_file));
        let mut too_large = 0;
        for (before, after) in batches(&like).iter().zip(&given) {
            for (&x, &half) in before.dense.iter().zip(&after.dense) {
                too_large += u64::from(x.abs() > 65504.0);
                let bound = (x.abs() / 2048.0).max(3e-8);
                let is_near = (x - half).abs() <= bound || x.abs() > 65504.0 && half == 65504.0_f32.copysign(x);
                prop_assert!(is_near || x.is_nan() && half.is_nan(), "{x} became {half}");
            }
            prop_assert!(before.hash == after.hash && before.record == after.record);
        }
        prop_assert_eq!((memory.clamped(), file.clamped()), (too_large, too_large));
    }
}

#[test]
fn a_file_that_was_changed_or_cut_is_an_error_and_not_other_numbers() {
    let like = Like { seed: 3, width: 5, features: 2, most_rows: 300, batches: 120 };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replay.arrow");
    let length = {
        drop(store(&like, Numbers::F32, 0, Some(path.clone())));
        std::fs::metadata(&path).unwrap().len() as usize
    };
    for place in [length / 10, length / 2, length * 9 / 10] {
        for cut in [false, true] {
            let mut store = store(&like, Numbers::F32, 0, Some(path.clone()));
            let mut bytes = std::fs::read(&path).unwrap();
            if cut {
                bytes.truncate(place);
            } else {
                bytes[place] ^= 4;
            }
            std::fs::write(&path, bytes).unwrap();
            let mut batch = MicroBatch::default();
            let outcome = loop {
                match store.next(&mut batch) {
                    Ok(true) => {}
                    other => break other,
                }
            };
            let message = outcome.unwrap_err().to_string();
            assert!(message.contains("replay.arrow is damaged"), "{message}");
        }
    }
}

#[test]
fn a_named_file_holds_all_records_in_columns_that_others_can_read() {
    use arrow::array::{Array, AsArray};
    let like = Like { seed: 5, width: 3, features: 2, most_rows: 300, batches: 90 };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replay.arrow");
    let given = all(&mut store(&like, Numbers::F32, 200_000, Some(path.clone())), false);
    let reader = arrow::ipc::reader::FileReader::try_new(std::fs::File::open(&path).unwrap(), None).unwrap();
    let (mut records, mut ends, mut hashes) = (Vec::new(), 0, 0);
    for batch in reader.map(Result::unwrap) {
        let column = |name| batch.column_by_name(name).unwrap();
        records.extend_from_slice(column("record").as_primitive::<arrow::datatypes::UInt64Type>().values());
        ends += column("ends_micro_batch").as_boolean().true_count();
        hashes += column("features").as_list::<i32>().values().len();
        assert_eq!(column("dense").as_fixed_size_list().value_length(), 3);
    }
    assert_eq!(records, given.iter().flat_map(|batch| batch.record.clone()).collect::<Vec<_>>());
    assert_eq!((ends, hashes), (90, given.iter().map(|batch| batch.hash.len()).sum()));
}

#[test]
fn what_cannot_be_read_again_is_refused() {
    let keeping = |file: &str| Keeping { width: 1, numbers: Numbers::F32, memory: 0, file: Some(file.into()) };
    let refused = |file| Store::open(keeping(file)).unwrap_err().to_string();
    assert!(refused("/dev/null").contains("name a plain file"));
    assert!(refused("/no/such/folder/file").contains("make its folder first"));
}
