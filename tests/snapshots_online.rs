//! To save and restore is to change nothing, for the transforms that remember; and no label changes what they make.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::ops::Range;

use proptest::prelude::*;
use tidemill::batcher::Batcher;
use tidemill::examples::{Examples, LabelToken, MicroBatch};
use tidemill::online::Online;
use tidemill::scaler::Scaler;
use tidemill::schema::{Column, Role, Schema};
use tidemill::snapshot::{Kind, Snapshot, State};

const SECTIONS: [&str; 5] = [
    "deduplicate = { key = ['c'], within = 20, most = 8 }",
    "scale = { a = 'min-max', b = 'none' }",
    "impute = { a = 'mean', c = 'most-frequent', d = 'most-frequent' }",
    "sample = { negatives = 0.5 }",
    QUANTILES,
];
const QUANTILES: &str = "kind = 'quantiles'\ncolumns = ['b', 'a']\nbins = 3\nkeep = true";

fn schema(sections: &[&str]) -> Schema {
    let roles = [("a", Role::Numeric), ("b", Role::Numeric), ("c", Role::Categorical), ("d", Role::Categorical)];
    let columns = roles.map(|(name, role)| Column { name: name.into(), role, log: false }).into();
    let steps = sections.iter().filter(|section| **section != QUANTILES);
    let transforms = steps.map(|section| toml::from_str(section).unwrap()).collect();
    let features = sections.iter().filter(|section| **section == QUANTILES);
    let features = features.map(|section| toml::from_str(section).unwrap()).collect();
    Schema { columns, transforms, features, ..Schema::default() }
}

/// Two numbers, two categories, and whether the label is positive.
type Row = ([f32; 2], [Option<u32>; 2], bool);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let number = || prop_oneof![3 => -9.0..9.0f32, 1 => Just(f32::NAN)];
    let category = || prop::option::weighted(0.7, 0..6u32);
    prop::collection::vec(([number(), number()], [category(), category()], any::<bool>()), 0..60)
}

fn examples(rows: &[Row]) -> Examples {
    let mut examples = Examples { rows: rows.len(), row_start: vec![0], ..Examples::default() };
    for (number, (numbers, categories, is_positive)) in (0..).zip(rows) {
        examples.dense.extend_from_slice(numbers);
        examples.dense.resize(16 * (number as usize + 1), f32::NAN);
        examples.hash.extend(categories.iter().flatten());
        examples.row_start.push(examples.hash.len() as u32);
        examples.measured.extend(numbers.iter().rev());
        examples.category.extend_from_slice(categories);
        examples.key.push(u64::from(categories[0].unwrap_or(99)));
        examples.label.push(if *is_positive { LabelToken::One } else { LabelToken::Zero });
        examples.number.push(number);
    }
    examples.value = vec![1.0; examples.hash.len()];
    examples.seen = rows.len() as u32;
    examples
}

fn batcher(schema: &Schema) -> Batcher {
    Batcher::new(1000, 16, Scaler::new(16), true).with(Online::new(schema))
}

/// What stays of the examples, and what becomes of it.
fn fed(batcher: &mut Batcher, examples: &Examples, seen: u64) -> (Vec<Range<usize>>, MicroBatch) {
    let sifted = batcher.sift(examples, 0..examples.rows, seen);
    for range in sifted.kept.clone() {
        batcher.fill(examples, range, seen).unwrap();
    }
    (sifted.kept, batcher.take(MicroBatch::default()))
}

fn state_of(part: &impl Snapshot) -> State {
    let mut state = State::default();
    state.save(part);
    state
}

proptest! {
    #[test]
    fn online_transforms_come_back_and_go_on(before in rows(), behind in rows(), which in 1usize..32) {
        let sections: Vec<_> = SECTIONS.into_iter().enumerate().filter(|(at, _)| which >> at & 1 == 1).map(|(_, s)| s).collect();
        let schema = schema(&sections);
        let mut whole = batcher(&schema);
        fed(&mut whole, &examples(&before), 0);
        let state = state_of(&whole);
        let mut back = batcher(&schema);
        state.restore(&mut back).unwrap();
        prop_assert!(state_of(&back).arrays() == state.arrays());
        let seen = before.len() as u64;
        prop_assert_eq!(fed(&mut back, &examples(&behind), seen), fed(&mut whole, &examples(&behind), seen));
        prop_assert!(state_of(&back).arrays() == state_of(&whole).arrays());
    }

    #[test]
    fn no_label_changes_what_is_made(rows in rows()) {
        let blind: Vec<_> = SECTIONS.into_iter().filter(|section| !section.starts_with("sample")).collect();
        let schema = schema(&blind);
        let flipped: Vec<Row> = rows.iter().map(|&(numbers, categories, label)| (numbers, categories, !label)).collect();
        let (kept, batch) = fed(&mut batcher(&schema), &examples(&rows), 0);
        let (other_kept, other) = fed(&mut batcher(&schema), &examples(&flipped), 0);
        prop_assert_eq!(kept, other_kept);
        prop_assert_eq!((batch.dense, batch.hash, batch.value, batch.weight), (other.dense, other.hash, other.value, other.weight));
    }

    #[test]
    fn what_a_model_file_holds_is_what_predicting_needs(rows in rows(), new in rows()) {
        let schema = schema(&SECTIONS);
        let mut learned = batcher(&schema);
        fed(&mut learned, &examples(&rows), 0);
        let arrays = learned.online().unwrap().arrays();
        let predicting = |online| Batcher::new(1000, 16, learned.scaler().clone(), false).with(online);
        let mut from_file = predicting(Online::new(&schema).unwrap().with_arrays(&arrays));
        let (kept, batch) = fed(&mut from_file, &examples(&new), 0);
        prop_assert_eq!(kept, vec![0..new.len()]);
        let (_, same) = fed(&mut predicting(learned.online().cloned()), &examples(&new), 0);
        prop_assert_eq!(&batch, &same);
        prop_assert!(batch.weight.iter().all(|&weight| weight == 1.0));
        prop_assert_eq!(from_file.online().unwrap().arrays(), arrays);
    }

    #[test]
    fn whatever_a_state_holds_it_is_refused_or_gone_on_from(
        rows in rows(), at in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(),
        number in prop::sample::select(vec![0, 1, 7, 1025, 1 << 32, u64::MAX / 2 + 1, u64::MAX, 0x7ff8 << 48]),
        cut in 0usize..9,
    ) {
        let schema = schema(&SECTIONS);
        let mut whole = batcher(&schema);
        fed(&mut whole, &examples(&rows), 0);
        let mut arrays = state_of(&whole).arrays().to_vec();
        let array = &mut arrays[at.index(state_of(&whole).arrays().len())];
        let len = array.bytes.len();
        if array.kind.size() == 8 && len >= 8 && array.kind != Kind::U8 {
            let start = 8 * place.index(len / 8);
            array.bytes[start..start + 8].copy_from_slice(&number.to_le_bytes());
        }
        array.bytes.truncate(len - len.min(cut));
        let mut state = State::default();
        arrays.into_iter().for_each(|array| state.push(array));
        let mut back = batcher(&schema);
        if state.restore(&mut back).is_ok() {
            fed(&mut back, &examples(&rows), 1);
        }
    }
}

#[test]
fn without_sections_nothing_is_remembered() {
    let state = state_of(&batcher(&schema(&["filter = 'a > 0'"])));
    let parts = ["scaler/", "labels/", "micro_batch/"];
    assert!(state.arrays().iter().all(|array| parts.iter().any(|part| array.name.starts_with(part))));
}
