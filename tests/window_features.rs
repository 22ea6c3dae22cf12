//! Windows of keys are what a second look at all records before gives; they are bounded and come back.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidemill::batcher::Batcher;
use tidemill::examples::{Examples, LabelToken, MicroBatch};
use tidemill::online::Online;
use tidemill::scaler::Scaler;
use tidemill::schema::{Column, Feature, Role, Schema};
use tidemill::snapshot::State;
use tidemill::window::{Record, Windows};

const SECOND: i64 = 1_000_000;
const OVER: [i64; 2] = [8 * SECOND, 20 * SECOND];
const BUCKETS: i64 = 4;
const NAMES: [&str; 10] = ["count", "sum", "mean", "min", "max", "distinct", "ratio", "rate", "known", "since-last"];

/// One section with everything that can be made, the windows of each behind one another.
fn schema(more: &str) -> Schema {
    let section = format!(
        "kind = 'window'\nkey = ['k']\nover = ['8s', '20s']\ncolumn = 'v'\nbuckets = {BUCKETS}\nlog = false\n\
         make = ['{}']\n{more}",
        NAMES.join("', '")
    );
    let column = |(name, role): (&str, Role)| Column { name: name.into(), role, log: false };
    let columns = [("k", Role::Categorical), ("v", Role::Numeric), ("t", Role::Categorical)].map(column).into();
    let schema = Schema {
        columns,
        features: vec![toml::from_str::<Feature>(&section).unwrap()],
        time: Some("t".into()),
        ..Schema::default()
    };
    schema.check_features().unwrap();
    schema
}

/// A record of key, time and value, and what becomes known of its label behind it: when, whether it is one, its weight.
#[derive(Debug, Clone, Copy)]
struct Step {
    key: u64,
    time: i64,
    value: f32,
    known: Option<(i64, bool, f32)>,
}

fn value() -> impl Strategy<Value = f32> {
    prop_oneof![1 => Just(f32::NAN), 4 => (-4..4i32).prop_map(|value| value as f32 / 2.0)]
}

/// Times that go on, stand still and go back a little, and now and then jump.
fn steps(keys: u64) -> impl Strategy<Value = Vec<Step>> {
    let by = prop_oneof![12 => -3 * SECOND..4 * SECOND, 1 => 15 * SECOND..40 * SECOND, 1 => -60 * SECOND..0i64];
    let known =
        prop::option::of((-6 * SECOND..6 * SECOND, any::<bool>(), prop::sample::select(vec![1.0f32, 0.5, 3.0])));
    prop::collection::vec((1..=keys, by, value(), known), 1..120).prop_map(|steps| {
        let mut time = -9 * SECOND;
        let step = |(key, by, value, known): (u64, i64, f32, Option<(i64, bool, f32)>)| {
            time += by;
            Step { key, time, value, known: known.map(|(off, label, weight)| (time + off, label, weight)) }
        };
        steps.into_iter().map(step).collect()
    })
}

/// All that ever came of a key since it began, in order.
#[derive(Default, Clone)]
struct Past {
    clock: i64,
    records: Vec<(i64, f32)>,
    labels: Vec<(i64, bool, f32)>,
}

/// The rules as they are written down, over plain lists.
#[derive(Default)]
struct Oracle {
    keys: BTreeMap<u64, Past>,
    /// In the order in which they last came.
    order: Vec<u64>,
    all: Vec<(bool, f32)>,
    most: usize,
    evicted: u64,
    expired: u64,
}

fn bucket(time: i64, window: usize) -> i64 {
    time.div_euclid(OVER[window] / BUCKETS)
}

const REACH: i64 = OVER[1] / BUCKETS * (BUCKETS + 1);

impl Oracle {
    fn come(&mut self, key: u64, time: i64) -> &mut Past {
        while let Some(&first) = self.order.first()
            && time - self.keys[&first].clock >= REACH
        {
            self.order.remove(0);
            self.keys.remove(&first);
            self.expired += 1;
        }
        if !self.keys.contains_key(&key) && self.order.len() == self.most {
            self.keys.remove(&self.order.remove(0));
            self.evicted += 1;
        }
        self.order.retain(|known| *known != key);
        self.order.push(key);
        let past = self.keys.entry(key).or_insert_with(|| Past { clock: time, ..Past::default() });
        past.clock = past.clock.max(time);
        past
    }

    fn fill(&mut self, step: &Step) -> Vec<f64> {
        let all = self.all.clone();
        let past = self.come(step.key, step.time);
        if past.clock - step.time >= REACH {
            *past = Past { clock: step.time, ..Past::default() };
        }
        let mut made: Vec<f64> = Vec::new();
        for name in &NAMES[..9] {
            made.extend([0, 1].map(|window| past.make(name, window, step.value, &all)));
        }
        let newest = past.records.iter().map(|(time, _)| *time).max();
        let since = newest.map(|newest| (step.time - newest).max(0)).filter(|since| *since <= OVER[1]);
        made.push(since.map_or(f64::NAN, |since| since as f64 / 1e6));
        past.records.push((step.time, step.value));
        made
    }

    fn known(&mut self, key: u64, (time, label, weight): (i64, bool, f32)) {
        self.come(key, time).labels.push((time, label, weight));
        self.all.push((label, weight));
    }
}

/// The sum of positives and of all.
fn shares(labels: impl Iterator<Item = (bool, f32)>) -> (f64, f64) {
    labels.fold((0.0, 0.0), |(positive, all), (label, weight)| {
        (positive + if label { f64::from(weight) } else { 0.0 }, all + f64::from(weight))
    })
}

impl Past {
    fn make(&self, name: &str, window: usize, value: f32, all: &[(bool, f32)]) -> f64 {
        let lies_in = |time: i64| bucket(self.clock, window) - bucket(time, window) <= BUCKETS;
        let inside: Vec<_> = self.records.iter().filter(|(time, _)| lies_in(*time)).collect();
        let values: Vec<_> =
            inside.iter().map(|(_, value)| f64::from(*value)).filter(|value| !value.is_nan()).collect();
        let sum: f64 = values.iter().sum();
        let mean = sum / values.len() as f64;
        let labels = self.labels.iter().filter(|(time, ..)| lies_in(*time)).map(|&(_, label, weight)| (label, weight));
        let (positive, known) = shares(labels);
        let (all_positive, all_known) = shares(all.iter().copied());
        let ratio = f64::from(value) / mean;
        match name {
            "count" => inside.len() as f64,
            "sum" => sum,
            "mean" => mean,
            "min" => values.iter().copied().reduce(f64::min).unwrap_or(f64::NAN),
            "max" => values.iter().copied().reduce(f64::max).unwrap_or(f64::NAN),
            "distinct" => values.iter().map(|value| (value + 0.0).to_bits()).collect::<BTreeSet<_>>().len() as f64,
            "ratio" => {
                if ratio.is_finite() {
                    ratio
                } else {
                    f64::NAN
                }
            }
            "rate" => (positive + 2.0 * all_positive / all_known) / (known + 2.0),
            "known" => known,
            _ => unreachable!(),
        }
    }
}

/// What a look before says, and what is filled in.
fn looked_at_and_filled(windows: &mut Windows, step: &Step) -> (Vec<f32>, Vec<f32>) {
    let mut row = vec![f32::NAN; 32];
    // Any hash that is not 0, and ends in no special way.
    let hash = if step.value.is_nan() { 0 } else { u64::from((step.value + 0.0).to_bits()) * 0x9e37_79b9 + 1 };
    let record = Record { time: step.time, keys: &[step.key], values: &[step.value], hashes: &[hash] };
    let mut looked_at = row.clone();
    windows.look(record, &mut looked_at);
    windows.fill(record, &mut row);
    (looked_at, row)
}

fn fill(windows: &mut Windows, step: &Step) -> Vec<f32> {
    let (looked_at, mut row) = looked_at_and_filled(windows, step);
    assert_eq!(bits(&looked_at), bits(&row), "a look before sees what is filled in");
    row.drain(..1); // the column v
    row.truncate(19);
    row
}

fn known(windows: &mut Windows, step: &Step) {
    if let Some((time, label, weight)) = step.known {
        windows.known(&[step.key], time, f32::from(u8::from(label)), weight);
    }
}

fn bits(row: &[f32]) -> Vec<u32> {
    row.iter().map(|x| x.to_bits()).collect()
}

proptest! {
    #[test]
    fn windows_are_what_a_second_look_at_all_records_gives(steps in steps(5), most in 2..7usize) {
        let mut windows = Windows::new(&schema(&format!("prior = 2\nmost = {most}"))).unwrap();
        let mut oracle = Oracle { most, ..Oracle::default() };
        for step in &steps {
            let (found, expected) = (fill(&mut windows, step), oracle.fill(step));
            for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let near = (f64::from(*found) - expected).abs() <= 1e-6 * (1.0 + expected.abs());
                prop_assert!(near || found.is_nan() && expected.is_nan(), "{at}: {found} for {expected} at {step:?}");
            }
            known(&mut windows, step);
            if let Some(known) = step.known {
                oracle.known(step.key, known);
            }
            let size = windows.size();
            prop_assert_eq!((size.keys, size.evicted, size.expired), (oracle.order.len() as u64, oracle.evicted, oracle.expired));
        }
    }

    #[test]
    fn windows_come_back_and_go_on(before in steps(6), behind in steps(6), most in 1..6usize) {
        let schema = schema(&format!("most = {most}"));
        let mut whole = Windows::new(&schema).unwrap();
        for step in &before {
            fill(&mut whole, step);
            known(&mut whole, step);
        }
        let (mut state, mut again) = (State::default(), State::default());
        state.save(&whole);
        let mut back = Windows::new(&schema).unwrap();
        state.restore(&mut back).unwrap();
        again.save(&back);
        prop_assert!(again.arrays() == state.arrays());
        let mut from_model = Windows::new(&schema).unwrap().with_arrays(&whole.arrays()).unwrap();
        for step in &behind {
            let expected = bits(&fill(&mut whole, step));
            prop_assert_eq!(&bits(&fill(&mut back, step)), &expected);
            prop_assert_eq!(&bits(&fill(&mut from_model, step)), &expected);
            [&mut whole, &mut back, &mut from_model].into_iter().for_each(|windows| known(windows, step));
        }
        prop_assert_eq!(back.arrays(), whole.arrays());
        prop_assert_eq!(from_model.arrays(), whole.arrays());
    }

    #[test]
    fn whatever_a_state_holds_it_is_refused_or_gone_on_from(
        steps in steps(4), at in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(),
        number in prop::sample::select(vec![0, 1, 7, 65, 1 << 32, u64::MAX / 2 + 1, u64::MAX, 0x7ff8 << 48]),
    ) {
        let schema = schema("");
        let mut whole = Windows::new(&schema).unwrap();
        steps.iter().for_each(|step| { fill(&mut whole, step); known(&mut whole, step); });
        let mut saved = State::default();
        saved.save(&whole);
        let mut arrays = saved.arrays().to_vec();
        let array = &mut arrays[at.index(saved.arrays().len())];
        if array.bytes.len() >= 8 {
            let start = 8 * place.index(array.bytes.len() / 8);
            array.bytes[start..start + 8].copy_from_slice(&u64::to_le_bytes(number));
        }
        let mut state = State::default();
        arrays.into_iter().for_each(|array| state.push(array));
        let mut back = Windows::new(&schema).unwrap();
        if state.restore(&mut back).is_ok() {
            // Nobody knows what it makes; that no harm comes of it is all.
            steps.iter().for_each(|step| { looked_at_and_filled(&mut back, step); known(&mut back, step); });
        }
    }

    #[test]
    fn no_label_changes_what_its_own_record_and_those_before_were_told(steps in steps(3), at in any::<prop::sample::Index>()) {
        let at = at.index(steps.len());
        let told = |flipped: bool| {
            let mut windows = Windows::new(&schema("")).unwrap();
            let rows = steps.iter().enumerate().take(at + 1).map(|(place, step)| {
                let row = bits(&fill(&mut windows, step));
                let known = step.known.map(|(time, label, weight)| (time, label != (flipped && place == at), weight));
                self::known(&mut windows, &Step { known, ..*step });
                row
            });
            rows.collect::<Vec<_>>()
        };
        prop_assert_eq!(told(false), told(true));
    }
}

#[test]
fn a_time_far_in_the_future_or_the_past_costs_its_key_and_nothing_more() {
    let mut windows = Windows::new(&schema("")).unwrap();
    let step = |key, time| Step { key, time, value: 1.0, known: None };
    for (key, time, count) in [
        (1, 0, 0.0),
        (1, SECOND, 1.0),
        (1, i64::MAX, 0.0),
        (1, 2 * SECOND, 0.0),
        (1, 3 * SECOND, 1.0),
        (2, i64::MIN + 1, 0.0),
        (1, 4 * SECOND, 2.0),
    ] {
        assert_eq!(fill(&mut windows, &step(key, time))[0], count, "{key} {time}");
    }
}

#[test]
fn a_record_without_a_key_or_a_time_has_no_numbers_and_leaves_nothing() {
    let mut windows = Windows::new(&schema("")).unwrap();
    for (key, time) in [(0, 5), (7, i64::MIN)] {
        let step = Step { key, time, value: 1.0, known: Some((time, true, 1.0)) };
        assert!(fill(&mut windows, &step).iter().all(|x| x.is_nan()));
        known(&mut windows, &step);
    }
    assert_eq!(windows.size().keys, 0);
}

#[test]
fn many_different_values_are_estimated_and_few_counted_again_behind_them() {
    let mut windows = Windows::new(&schema("")).unwrap();
    let mut different = |time: i64, hash: u64| {
        let mut row = [f32::NAN; 32];
        let hash = (hash + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        windows.fill(Record { time, keys: &[1], values: &[1.0], hashes: &[(hash ^ hash >> 32).max(1)] }, &mut row);
        row[12]
    };
    let mut last = 0.0;
    for value in 0..5000 {
        last = different(value as i64, value);
    }
    assert!((2500.0..7500.0).contains(&last), "{last}");
    assert_eq!([0, 1, 2].map(|at| different((100 + at) * SECOND, at as u64)), [0.0, 1.0, 2.0]);
}

#[test]
fn what_was_sampled_out_is_counted_and_what_came_again_is_not() {
    let section = "kind = 'window'\nkey = ['k']\nover = ['8s']\nmake = ['count', 'known']\nlog = false";
    let steps = [
        "sample = { negatives = 0.3 }",
        "deduplicate = { key = ['d'], within = 5 }",
        "scale = { 'count(k, 8s)' = 'none', 'known(k, 8s)' = 'none' }",
    ];
    let column = |name: &str| Column { name: name.into(), role: Role::Categorical, log: false };
    let schema = Schema {
        columns: ["k", "d", "t"].map(column).into(),
        features: vec![toml::from_str(section).unwrap()],
        transforms: steps.map(|step| toml::from_str(step).unwrap()).into(),
        time: Some("t".into()),
        ..Schema::default()
    };
    schema.check_features().unwrap();
    schema.check_online().unwrap();
    const ROWS: usize = 200;
    let examples = Examples {
        rows: ROWS,
        dense: vec![f32::NAN; 16 * ROWS],
        row_start: vec![0; ROWS + 1],
        label: vec![LabelToken::Zero; ROWS],
        number: (0..ROWS as u32).collect(),
        seen: ROWS as u32,
        key: (0..ROWS as u64).map(|row| row - row % 10 / 9).collect(), // every tenth is the one before again
        time: (0..ROWS as i64).collect(),
        window_key: vec![7; ROWS],
        ..Examples::default()
    };
    for labels_come_late in [false, true] {
        let mut batcher = Batcher::new(1000, 16, Scaler::new(16), true)
            .with(Online::new(&schema))
            .with_windows(Windows::new(&schema))
            .labels_come_late(labels_come_late);
        let sifted = batcher.sift(&examples, 0..ROWS, 0);
        assert!(sifted.duplicates == 20 && sifted.sampled_out > 50, "{sifted:?}");
        let rows: Vec<usize> = sifted.kept.iter().cloned().flatten().collect();
        sifted
            .kept
            .into_iter()
            .for_each(|range| assert_eq!(batcher.fill(&examples, range.clone(), 0).unwrap(), range.end));
        batcher.pass(&examples, ROWS);
        let batch = batcher.take(MicroBatch::default());
        let mut known = 0.0;
        for (row, (made, weight)) in rows.into_iter().zip(batch.dense.chunks(16).zip(batch.weight)) {
            assert_eq!(made[0], (row - row / 10) as f32, "{row}");
            assert!((made[1] - known).abs() < 1e-3, "{row}");
            known += if labels_come_late { 0.0 } else { weight };
        }
        batcher.known(examples.window_keys_of(0), ROWS as i64, 1.0, 2.0);
        let mut row = [f32::NAN; 16];
        let record = Record { time: ROWS as i64, keys: &[7], values: &[], hashes: &[] };
        batcher.windows().cloned().unwrap().fill(record, &mut row);
        assert!((row[1] - known - 2.0).abs() < 1e-3 && row[0] == 180.0, "{row:?}");
    }
}
