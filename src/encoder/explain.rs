//! What the learner sees of a record, with names: takes parsed records, gives the dense numbers and hashed features of
//! one of them, in the learner's order.
//!
//! For those who want to look: it makes a text of every feature, and is no part of the flow. That its hashes and values
//! are those of the encoder is held to by tests.

use std::ops::Range;

use super::Fault;
use super::cross::MAX_FEATURES;
use super::feature::{Features, Scratch, Sink};
use crate::record::{Reason, Records};
use crate::schema::Schema;

/// A hashed feature with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// The namespace; of a product, those of its factors with `*` between them.
    pub namespace: String,
    /// What it is called, namespace included: `user=7`, `price[0,10)`, `user=7*item=9`.
    pub name: String,
    /// Its hash, of which the learner takes the lower bits.
    pub hash: u32,
    /// Its value.
    pub value: f32,
}

/// A record as the learner sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Explained {
    /// The dense numbers by name, before they are standardised; NaN is missing.
    pub dense: Vec<(String, f32)>,
    /// The hashed features.
    pub hashed: Vec<Named>,
}

/// Names the features of records in one schema that has columns.
///
/// ```
/// use tidemill::encoder::explain::Explainer;
/// use tidemill::parser::Parser;
/// use tidemill::record::{Chunk, Records};
/// use tidemill::schema::{Column, Role, Schema};
/// let column = |name: &str, role| Column { name: name.into(), role, log: false };
/// let columns = vec![column("user", Role::Categorical), column("item", Role::Categorical)];
/// let cross = toml::from_str("kind = 'cross'\nof = [['user', 'item']]").unwrap();
/// let schema = Schema { columns, features: vec![cross], ..Schema::default() };
/// let mut records = Records::default();
/// Parser::new(schema.clone()).parse(Chunk::of(b"7,9\n"), &mut records)?;
/// let names: Vec<_> = Explainer::new(&schema).explain(&records, 0).unwrap().hashed.into_iter().map(|f| f.name).collect();
/// assert_eq!(names, ["item=9", "user=7", "user=7*item=9"]);
/// # Ok::<(), tidemill::error::Error>(())
/// ```
#[derive(Debug)]
pub struct Explainer {
    features: Features,
    dense: Vec<String>,
    scratch: Scratch,
}

impl Explainer {
    /// For records in this schema.
    pub fn new(schema: &Schema) -> Self {
        Self { features: Features::new(schema), dense: schema.dense_names(), scratch: Scratch::default() }
    }

    /// The features of record `row`, which has not been encoded yet.
    ///
    /// # Errors
    /// What makes the encoder reject the record, and the column at fault; its label and its weight are not looked at.
    pub fn explain(&mut self, records: &Records, row: usize) -> Result<Explained, (Reason, Option<String>)> {
        let Self { features, dense, scratch } = self;
        let (mut numbers, mut sink) = (Vec::new(), Collected::default());
        let owned = |(reason, column): Fault<'_>| (reason, column.cloned());
        features.extract(records, row, scratch, &mut numbers, &mut sink).map_err(owned)?;
        if features.has_parsed_row() {
            let stride = features.stride();
            numbers.extend_from_slice(&records.numeric[row * stride..(row + 1) * stride]);
        }
        let mut hashed = sink.features;
        let is_whole = multiply(features, scratch, MAX_FEATURES, &mut hashed);
        if !is_whole {
            return Err((Reason::TooManyFeatures, None));
        }
        Ok(Explained { dense: dense.iter().cloned().zip(numbers).collect(), hashed })
    }
}

/// Features with their names.
#[derive(Debug, Default)]
struct Collected {
    namespace: String,
    features: Vec<Named>,
}

impl Sink for Collected {
    fn enter(&mut self, namespace: &str) {
        namespace.clone_into(&mut self.namespace);
    }

    fn put(&mut self, hash: u32, value: f32, name: impl FnOnce() -> String) {
        self.features.push(Named { namespace: self.namespace.clone(), name: name(), hash, value });
    }

    fn count(&self) -> usize {
        self.features.len()
    }
}

/// The hashed features of record `row`, which has been encoded or will be, by name: of the products the first `most`,
/// counting what they are made of.
pub(super) fn hashed(
    features: &Features,
    scratch: &mut Scratch,
    records: &Records,
    row: usize,
    most: usize,
) -> Vec<Named> {
    let mut sink = Collected::default();
    // A record that has been encoded has no fault; of one that has, what came before it is told.
    let _ = features.extract(records, row, scratch, &mut Vec::new(), &mut sink);
    let mut hashed = sink.features;
    multiply(features, scratch, most, &mut hashed);
    hashed
}

/// Adds the products of features up to `most` of all; whether these are all there are.
fn multiply(features: &Features, scratch: &mut Scratch, most: usize, hashed: &mut Vec<Named>) -> bool {
    let base = hashed.len();
    let each = &mut |ranges: &[Range<usize>]| {
        let room = most.saturating_sub(hashed.len());
        let tuples = tuples(ranges, room + 1);
        tuples.iter().take(room).for_each(|tuple| hashed.push(product(&hashed[..base], tuple)));
        if tuples.len() > room { Err(()) } else { Ok(()) }
    };
    features.crosses().combinations(0, &scratch.runs, &mut scratch.found, each).is_ok()
}

/// The places of the factors of the first `most` products, the last factor running fastest; equal ranges are combined.
fn tuples(ranges: &[Range<usize>], most: usize) -> Vec<Vec<usize>> {
    let mut tuples = vec![vec![]];
    for (at, range) in ranges.iter().enumerate() {
        let is_same = at > 0 && ranges[at - 1] == *range;
        let longer = |tuple: &Vec<usize>| {
            let first = if is_same { tuple[at - 1] } else { range.start };
            (first..range.end).map(|next| [&tuple[..], &[next]].concat()).collect::<Vec<_>>()
        };
        // Each of these goes on in at least one way, so that the first are made of the first.
        tuples = tuples.iter().flat_map(longer).take(most).collect();
    }
    tuples
}

fn product(features: &[Named], factors: &[usize]) -> Named {
    let joined = |text: fn(&Named) -> &str| factors.iter().map(|&at| text(&features[at])).collect::<Vec<_>>().join("*");
    let hash = factors.iter().fold(0, |hash: u32, &at| hash.wrapping_mul(16_777_619) ^ features[at].hash);
    Named {
        namespace: joined(|feature| &feature.namespace),
        name: joined(|feature| &feature.name),
        hash,
        value: factors.iter().map(|&at| features[at].value).product(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoder::Encoder;
    use crate::encoder::label::LabelRule;
    use crate::examples::Examples;
    use crate::parser::Parser;
    use crate::record::Chunk;
    use crate::schema::{Column, Feature, Format, Role};

    const SECTIONS: [&str; 11] = [
        "kind = 'hash'\ncolumns = ['n', 't']\nnamespace = 'A'",
        "kind = 'hash'\ncolumns = ['m']\nkeep = true",
        "kind = 'one-hot'\ncolumns = ['u']\nvalues = ['a', 'b']\nunseen = 'other'\nkeep = true",
        "kind = 'one-hot'\ncolumns = ['t']\nvalues = ['a', 'b', '1']\nunseen = 'reject'",
        "kind = 'buckets'\ncolumns = ['n']\nboundaries = [-1, 0, 1]",
        "kind = 'tokens'\ncolumns = ['t']\nngrams = 3\nskips = 1\nnamespace = 'A'",
        "kind = 'list'\ncolumns = ['u']\nseparator = ' '",
        "kind = 'time'\ncolumns = ['when']\nparts = ['hour', 'hour-cyclic', 'day']",
        "kind = 'polynomial'\ncolumns = ['n', 'm']\ndegree = 3",
        "kind = 'cross'\nof = [[':', ':'], ['u', 'u'], [':', 'u', ':']]",
        "kind = 'cross'\nof = [['v', 'u'], ['v', 'u', 'u']]",
    ];

    /// A label, numbers n and m, texts t, u, v and when, and the sections of a set of bits that fit.
    fn schema(sections: u32) -> Schema {
        let column = |name: &str, role| Column { name: name.into(), role, log: false };
        let columns = vec![
            column("y", Role::Label),
            column("n", Role::Numeric),
            column("t", Role::Categorical),
            column("m", Role::Numeric),
            column("u", Role::Categorical),
            column("v", Role::Categorical),
            column("when", Role::Categorical),
        ];
        let mut schema = Schema { columns, format: Format::Tsv, ..Schema::default() };
        for (_, section) in SECTIONS.iter().enumerate().filter(|(at, _)| sections >> at & 1 == 1) {
            schema.features.push(toml::from_str::<Feature>(section).unwrap());
            if schema.check_features().is_err() {
                schema.features.pop(); // a cross of what another section has taken the place of
            }
        }
        schema
    }

    fn line() -> impl Strategy<Value = String> {
        let number = || {
            prop_oneof![
                Just(String::new()),
                (-20i32..20).prop_map(|x| (f64::from(x) / 8.0).to_string()),
                Just("1e30".into())
            ]
        };
        let text = || "[ab1 ;.é]{0,8}";
        let time = prop_oneof![3 => "20[0-9]{2}-0[1-9]-[12][0-9]T1[0-9]:30", 1 => "[0-9]{0,12}", 1 => "[a-z]{0,3}"];
        (prop_oneof![9 => "[01]", 1 => "x"], number(), text(), number(), text(), "[xyz]?", time)
            .prop_map(|(y, n, t, m, u, v, when)| format!("{y}\t{n}\t{t}\t{m}\t{u}\t{v}\t{when}\n"))
    }

    proptest! {
        #[test]
        fn what_is_explained_is_what_is_encoded(
            lines in prop::collection::vec(line(), 0..12), sections in 0u32..1 << SECTIONS.len()
        ) {
            let schema = schema(sections);
            let mut records = Records::default();
            Parser::new(schema.clone()).parse(Chunk::of(lines.concat().as_bytes()), &mut records).unwrap();
            let mut explainer = Explainer::new(&schema);
            let explained: Vec<_> = (0..records.rows).map(|row| explainer.explain(&records, row)).collect();
            let (numbers, is_label): (Vec<_>, Vec<_>) = (records.number.clone(), lines.iter().map(|line| !line.starts_with('x')).collect());
            let mut examples = Examples::default();
            Encoder::new(&schema, LabelRule::Inferred).encode(&mut records, &mut examples);

            let usable: Vec<_> = numbers.iter().zip(&explained).filter(|(number, _)| is_label[**number as usize]).collect();
            let rejected: Vec<_> = examples.rejected.iter().filter(|r| is_label[r.number as usize]).map(|r| (r.reason, r.column.clone())).collect();
            let refused: Vec<_> = usable.iter().filter_map(|(_, explained)| explained.as_ref().err().cloned()).collect();
            prop_assert_eq!(rejected, refused);

            let taken: Vec<_> = usable.iter().filter_map(|(number, explained)| Some((**number, explained.as_ref().ok()?))).collect();
            prop_assert_eq!(&examples.number, &taken.iter().map(|(number, _)| *number).collect::<Vec<_>>());
            prop_assert_eq!(examples.dense.len(), examples.rows * schema.dense_stride());
            for (row, (_, Explained { dense, hashed })) in taken.iter().enumerate() {
                let range = examples.row_start[row] as usize..examples.row_start[row + 1] as usize;
                let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(&examples.hash[range.clone()], &hashed.iter().map(|f| f.hash).collect::<Vec<_>>());
                prop_assert_eq!(bits(&examples.value[range]), bits(&hashed.iter().map(|f| f.value).collect::<Vec<_>>()));
                let numbers: Vec<f32> = dense.iter().map(|(_, x)| *x).collect();
                let base = row * schema.dense_stride();
                prop_assert_eq!(bits(&examples.dense[base..base + numbers.len()]), bits(&numbers));
                prop_assert!(examples.dense[base + numbers.len()..base + schema.dense_stride()].iter().all(|x| x.is_nan()));
            }
        }

        #[test]
        fn no_text_makes_features_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), sections in 0u32..1 << SECTIONS.len()) {
            let schema = schema(sections);
            let (mut records, mut examples) = (Records::default(), Examples::default());
            let text = [b"1\t", &bytes[..], b"\t1\t2\t\t\t\n"].concat();
            Parser::new(schema.clone()).parse(Chunk::of(&text), &mut records).unwrap();
            (0..records.rows).for_each(|row| drop(Explainer::new(&schema).explain(&records, row)));
            let seen = records.seen as usize;
            Encoder::new(&schema, LabelRule::Inferred).encode(&mut records, &mut examples);
            prop_assert_eq!(examples.rows + examples.rejected.len(), seen);
        }
    }
}
