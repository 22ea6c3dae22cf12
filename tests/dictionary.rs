//! The dictionary holds what it promises: exact where everything is told, within its bounds where not, the same however
//! a stream is cut, and back from a snapshot as it was.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;
use tidemill::dictionary::Dictionary;
use tidemill::dictionary::distinct::{Distinct, Estimate};
use tidemill::dictionary::traffic::{self, Traffic};
use tidemill::encoder::Encoder;
use tidemill::encoder::explain::Explainer;
use tidemill::encoder::hash::{murmur3, namespace};
use tidemill::encoder::label::LabelRule;
use tidemill::encoder::names::Namer;
use tidemill::examples::{Counted, Examples, FeatureName, Names, Sampled, Slots};
use tidemill::learner::{Model, Optimizer, Penalty, Shape};
use tidemill::parser::Parser;
use tidemill::record::{Chunk, Records};
use tidemill::schema::{Column, Format, Role, Schema};
use tidemill::snapshot::{Array, Snapshot, State};

const HASH_BITS: u32 = 12;

/// A label and columns t and u of text, with crosses or without; or Vowpal Wabbit's text.
fn schema(kind: usize) -> Schema {
    let column = |name: &str, role| Column { name: name.into(), role, log: false };
    let columns = vec![
        column("y", Role::Label),
        column("n", Role::Numeric),
        column("t", Role::Categorical),
        column("u", Role::Categorical),
    ];
    let sections: &[&str] = match kind {
        0 | 3 => &[],
        1 => &[
            "kind = 'cross'\nof = [['t', 'u'], ['u', 'u']]",
            "kind = 'tokens'\ncolumns = ['t']\nnamespace = 'word'\nkeep = true",
        ],
        _ => &["kind = 'cross'\nof = [['a', ':'], [':', ':', 'b']]"],
    };
    let features = sections.iter().map(|section| toml::from_str(section).unwrap()).collect();
    if kind < 2 {
        return Schema { columns, format: Format::Tsv, features, ..Schema::default() };
    }
    let columns = [("label", Role::Label), ("weight", Role::Weight), ("tag", Role::Ignored)];
    let columns = columns.map(|(name, role)| column(name, role)).into();
    Schema { columns, format: Format::Vw, features, ..Schema::default() }
}

fn line(kind: usize) -> BoxedStrategy<String> {
    if kind < 2 {
        return ("[01x]", "[a-c]? ?[a-d]?", "[xyz]{0,2}").prop_map(|(y, t, u)| format!("{y}\t1.5\t{t}\t{u}\n")).boxed();
    }
    ("(1|-1|oops)", "[pqr]( [pqr]:2)?", "[pq]?", "[0-9]{1,2}")
        .prop_map(|(y, a, b, c)| format!("{y} |a {a} |b {b} |c {c}\n"))
        .boxed()
}

fn lines() -> impl Strategy<Value = (usize, Vec<String>)> {
    (0..4usize).prop_flat_map(|kind| (Just(kind), prop::collection::vec(line(kind), 1..60)))
}

/// Lines `from` and on as a chunk of a source that they stand in the middle of.
fn chunk(lines: &[String], from: usize, to: usize, start: u64) -> Chunk {
    let before: usize = lines[..from].iter().map(String::len).sum();
    Chunk { offset: start + before as u64, ..Chunk::of(lines[from..to].concat().as_bytes()) }
}

/// What a dictionary knows behind the lines, cut at these places.
fn told(schema: &Schema, lines: &[String], cuts: &BTreeSet<usize>, start: u64) -> Dictionary {
    let (mut parser, mut encoder) = (Parser::new(schema.clone()), Encoder::new(schema, LabelRule::Inferred));
    let mut namer = Namer::new(schema, HASH_BITS).unwrap();
    let (mut dictionary, mut from) = (Dictionary::new(HASH_BITS), 0);
    for &to in cuts.iter().filter(|&&to| to < lines.len()).chain([&lines.len()]) {
        let (mut records, mut examples) = (Records::default(), Examples::default());
        parser.parse(chunk(lines, from, to, start), &mut records).unwrap();
        encoder.encode(&mut records, &mut examples);
        namer.name(&records, &mut examples);
        dictionary.take(&examples.names, None);
        from = to;
    }
    dictionary
}

/// Every feature of every record that is learned: records with it, by namespace and name, and its hash.
fn naive(schema: &Schema, lines: &[String]) -> BTreeMap<(String, u32), (String, u64)> {
    let mut records = Records::default();
    let chunk = chunk(lines, 0, lines.len(), 0);
    Parser::new(schema.clone()).parse(chunk, &mut records).unwrap();
    let mut explainer = Explainer::new(schema);
    let all: Vec<_> = (0..records.rows).map(|row| explainer.explain(&records, row).unwrap().hashed).collect();
    let (numbers, mut examples) = (records.number.clone(), Examples::default());
    Encoder::new(schema, LabelRule::Inferred).encode(&mut records, &mut examples);
    let mut counts = BTreeMap::new();
    for (_, features) in numbers.iter().zip(all).filter(|(number, _)| examples.number.contains(number)) {
        let features: BTreeSet<_> = features.into_iter().map(|f| (f.name, f.hash, f.namespace)).collect();
        for (name, hash, namespace) in features {
            counts.entry((name, hash)).or_insert((namespace, 0)).1 += 1;
        }
    }
    counts
}

fn state_of(part: &impl Snapshot) -> Vec<Array> {
    let mut state = State::default();
    state.save(part);
    state.arrays().to_vec()
}

fn model() -> Model {
    let mut model = Model::new(
        Shape { numeric: 0, hash_bits: HASH_BITS },
        Optimizer::AdaGrad { learning_rate: 0.1 },
        Penalty::NONE,
    );
    model.table.iter_mut().zip(1..).for_each(|(slots, at)| slots[0] = (at as f32).sin());
    model
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn of_a_small_stream_every_feature_is_known_and_counted((kind, lines) in lines()) {
        let schema = schema(kind);
        let dictionary = told(&schema, &lines, &BTreeSet::new(), 0);
        let expected = naive(&schema, &lines);
        let counts = dictionary.traffic().entries().iter().map(|entry| ((entry.name.clone(), entry.hash), entry.count));
        let naive_counts = expected.iter().map(|(key, (_, count))| (key.clone(), *count));
        prop_assert_eq!(counts.collect::<BTreeMap<_, _>>(), naive_counts.collect::<BTreeMap<_, _>>());

        // A hash counts once, for whoever had it first: features of one hash are one to the learner.
        let hashes: BTreeSet<u32> = expected.keys().map(|(_, hash)| *hash).collect();
        let mut slots: HashMap<u32, u64> = HashMap::new();
        hashes.iter().for_each(|hash| *slots.entry(hash & ((1 << HASH_BITS) - 1)).or_default() += 1);
        let sharing: u64 = slots.values().filter(|&&count| count > 1).sum();
        let distinct = dictionary.distinct();
        prop_assert_eq!(distinct.features(), Estimate { value: hashes.len() as f64, error: 0.0 });
        let share = sharing as f64 / (hashes.len() as f64).max(1.0);
        prop_assert_eq!(distinct.shared(HASH_BITS), Estimate { value: share, error: 0.0 });
        let found: BTreeSet<_> = distinct.by_namespace().map(|(name, _, _)| name.to_owned()).collect();
        let known: BTreeSet<String> = expected.values().map(|(namespace, _)| namespace.clone()).collect();
        if kind == 2 {
            // Of a cross of any with any, the products are counted together.
            prop_assert!(found.iter().all(|name| name.contains(':') || known.contains(name)), "{found:?}");
        } else if hashes.len() == expected.len() {
            prop_assert_eq!(found, known);
        }

        let model = model();
        if let Some(known) = dictionary.known(&model) {
            prop_assert_eq!(known.names.len(), expected.len().min(1000));
            prop_assert!(known.names.is_sorted_by(|a, b| a.count >= b.count));
        }
    }

    #[test]
    fn where_a_stream_is_cut_does_not_show(
        (kind, lines) in lines(), cuts in prop::collection::btree_set(1..60usize, 0..6), start in prop::sample::select(vec![0, 60_000, 130_000, 1 << 22, 1 << 40])
    ) {
        let schema = schema(kind);
        let (whole, cut) = (told(&schema, &lines, &BTreeSet::new(), start), told(&schema, &lines, &cuts, start));
        prop_assert_eq!(state_of(&whole), state_of(&cut));
    }

    #[test]
    fn a_dictionary_comes_back((kind, lines) in lines(), start in prop::sample::select(vec![0, 64_000, 130_000])) {
        let dictionary = told(&schema(kind), &lines, &BTreeSet::new(), start);
        let mut state = State::default();
        state.save(&dictionary);
        let mut back = Dictionary::new(HASH_BITS);
        state.restore(&mut back).unwrap();
        prop_assert_eq!(state_of(&back), state_of(&dictionary));
        prop_assert_eq!(back.known(&model()), dictionary.known(&model()));
        prop_assert!(state.restore(&mut Dictionary::new(HASH_BITS + 1)).is_err());
    }
}

fn feature(id: u64) -> FeatureName {
    let name = format!("user={id}");
    FeatureName { hash: murmur3(id.to_string().as_bytes(), namespace(b"user")), namespace: "user".into(), name }
}

/// Numbers that come the more rarely the larger they are.
fn skewed(draws: usize) -> impl Iterator<Item = u64> {
    let mut state = 7_u64;
    (0..draws).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = (state >> 40) as f64 / (1_u64 << 24) as f64;
        (share.powi(4) * 50_000.0) as u64
    })
}

#[test]
fn counts_of_names_that_had_to_make_room_are_within_their_bounds() {
    let (mut traffic, mut truth, mut all) = (Traffic::default(), HashMap::<u64, u64>::new(), 0);
    for (at, id) in skewed(200_000).enumerate() {
        let stands_for = 1 << (at / 40_000);
        traffic.add(&Sampled { number: 0, stands_for, features: vec![feature(id)] });
        *truth.entry(id).or_default() += stands_for;
        all += stands_for;
    }
    assert!(truth.len() > 2 * traffic::MOST && traffic.entries().len() == traffic::MOST);
    assert_eq!(traffic.records(), all);
    let mut known = BTreeSet::new();
    for entry in traffic.entries() {
        let id = entry.name.trim_start_matches("user=").parse().unwrap();
        let (count, least) = (truth[&id], entry.count - entry.error);
        assert!((least..=entry.count).contains(&count), "{entry:?} was met {count} times");
        assert!(entry.error <= all / traffic::MOST as u64, "{entry:?}");
        known.insert(id);
    }
    let frequent = truth.iter().filter(|&(_, &count)| count > all / traffic::MOST as u64);
    assert!(frequent.clone().count() > 50);
    frequent.for_each(|(id, count)| assert!(known.contains(id), "{id} was met {count} times"));
}

/// What is counted of these hashes where the stream is so far that few slots are told of.
fn counted(hashes: &[u32], hash_bits: u32, level: u32) -> Distinct {
    let (slots, mut distinct) = (Slots::new(hash_bits), Distinct::new(hash_bits));
    for &hash in hashes.iter().filter(|&&hash| slots.has(hash, level)) {
        distinct.add(&Counted { number: 0, level, hash, namespace: "user".into() });
    }
    distinct
}

fn share_of(hashes: &[u32], bits: u32) -> f64 {
    let mut slots: HashMap<u32, u64> = HashMap::new();
    hashes.iter().for_each(|hash| *slots.entry(hash & ((1 << bits) - 1)).or_default() += 1);
    slots.values().filter(|&&count| count > 1).sum::<u64>() as f64 / hashes.len() as f64
}

#[test]
fn of_many_features_the_number_and_those_that_share_a_weight_are_within_the_stated_error() {
    let mut hashes: Vec<u32> = (0..200_000).map(|id| feature(id).hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    let within = |estimate: Estimate, truth: f64, most: f64| {
        assert!((estimate.value - truth).abs() <= 4.0 * estimate.error, "{estimate:?} for {truth}");
        assert!(estimate.error <= most, "{estimate:?} is of little use");
    };
    for (bits, level) in [(16, 0), (16, 6), (18, 0), (18, 8)] {
        let distinct = counted(&hashes, bits, level);
        within(distinct.features(), hashes.len() as f64, 0.06 * hashes.len() as f64);
        within(distinct.shared(bits), share_of(&hashes, bits), 0.05);
        within(distinct.shared(bits + 4), share_of(&hashes, bits + 4), 0.05);
        let advised = distinct.advice().unwrap();
        assert!(advised > bits && distinct.shared(advised).value < 0.03, "{bits} bits: {advised}");
        assert!(share_of(&hashes, advised) < 0.03);
    }
}

#[test]
fn indices_that_are_their_own_hashes_share_nothing_as_long_as_the_table_holds_them() {
    let indices: Vec<u32> = (0..200_000).collect();
    let distinct = counted(&indices, 18, 5);
    assert_eq!((distinct.shared(18).value, distinct.advice()), (0.0, None));
    let estimate = distinct.features();
    assert!((estimate.value - 200_000.0).abs() <= 4.0 * estimate.error, "{estimate:?}");
    assert!(counted(&indices, 16, 0).shared(16).value > 0.99);
    assert_eq!(counted(&indices, 16, 0).advice(), Some(18));
}

#[test]
fn what_is_told_of_a_record_behind_the_last_one_does_not_count() {
    let sampled = |number| Sampled { number, stands_for: 1, features: vec![feature(u64::from(number))] };
    let counted = |number| Counted { number, level: 0, hash: number, namespace: "user".into() };
    let names = Names { sampled: (0..9).map(sampled).collect(), counted: (0..9).map(counted).collect(), level: 0 };
    let mut dictionary = Dictionary::new(18);
    dictionary.take(&names, Some(4));
    assert_eq!((dictionary.traffic().entries().len(), dictionary.distinct().features().value), (4, 4.0));
}
