//! Features of columns: takes the schema, gives what makes the features of a record, its hashed ones namespace by
//! namespace and its dense row.
//!
//! One file a kind. Nothing here remembers a record. Where a schema has `[[feature]]` sections, namespaces are ordered
//! by name, so that neither the order of columns nor that of sections decides what a cross of any with any is called.

mod buckets;
mod dense;
mod list;
mod one_hot;
mod time;
mod tokens;

use super::Fault;
use super::cross::{Crosses, Found, MAX_FEATURES, Run};
use super::{hash, sparse};
use crate::record::{Reason, Records, Span};
use crate::schema::{Feature, Hashing, Role, Schema};
use crate::timestamp::{Form, Parts};
use dense::DenseRow;

/// Where hashed features go. What they are called is asked by those who want to know.
pub(super) trait Sink {
    /// Those that follow are in the namespace of this name.
    fn enter(&mut self, namespace: &str);
    /// One more.
    fn put(&mut self, hash: u32, value: f32, name: impl FnOnce() -> String);
    /// How many there are, those of other records before it included.
    fn count(&self) -> usize;
}

/// A namespace: hashes what is in it, and knows how to call that.
#[derive(Debug, Clone)]
struct Space {
    name: String,
    /// What crosses know it by.
    id: u32,
    seed: u32,
    hashing: Hashing,
}

impl Space {
    fn new(name: String, hashing: Hashing) -> Self {
        let (id, seed) = (hash::namespace(name.as_bytes()), hash::hashed(name.as_bytes(), 0, hashing));
        Self { name, id, seed, hashing }
    }

    #[inline(always)]
    fn hash(&self, value: &[u8]) -> u32 {
        hash::hashed(value, self.seed, self.hashing)
    }

    /// `user=7` for a value of the namespace `user`.
    fn name_of_value(&self, value: &[u8]) -> String {
        format!("{}={}", self.name, String::from_utf8_lossy(value))
    }

    /// A feature that names itself, behind the namespace where that is not its column's.
    fn name_of_feature(&self, name: &str, column: &str) -> String {
        if self.name.is_empty() || self.name == column { name.to_owned() } else { format!("{}^{name}", self.name) }
    }
}

/// A record as extractors see it.
struct Row<'a> {
    bytes: &'a [u8],
    texts: &'a [Span],
    numbers: &'a [f32],
    times: &'a [Option<Parts>],
}

impl<'a> Row<'a> {
    #[inline(always)]
    fn text(&self, place: usize) -> &'a [u8] {
        self.texts[place].of(self.bytes)
    }
}

/// What makes the features of one column in one namespace.
#[derive(Debug, Clone)]
struct Extractor {
    space: Space,
    column: String,
    kind: Kind,
    /// Whether the next one is of another namespace.
    is_last: bool,
}

/// Columns are places among those of their role.
#[derive(Debug, Clone)]
enum Kind {
    /// A category.
    Text(usize),
    /// A number under the hash of its column's name.
    Number(usize, u32),
    OneHot(one_hot::OneHot),
    Buckets(buckets::Buckets),
    Tokens(tokens::Tokens),
    List(list::List),
    Part(time::Category),
}

/// All that is made of the columns of a schema.
#[derive(Debug, Clone)]
pub(super) struct Features {
    /// The columns that are times.
    times: Vec<(usize, String)>,
    /// How they are written.
    forms: Vec<Form>,
    extractors: Vec<Extractor>,
    crosses: Crosses,
    /// The learner's dense row, where it is not the parsed one.
    dense: Option<DenseRow>,
    hashing: Hashing,
    /// Whether records spell their features out.
    is_sparse: bool,
    texts: usize,
    stride: usize,
}

/// What is used again from record to record, and never read before it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    times: Vec<Option<Parts>>,
    pub(super) runs: Vec<Run>,
    pub(super) found: Found,
    numbers: Vec<f32>,
    words: tokens::Words,
    order: Vec<usize>,
}

impl Features {
    pub(super) fn new(schema: &Schema) -> Self {
        let mut features = Self {
            times: Vec::new(),
            forms: Vec::new(),
            extractors: Vec::new(),
            crosses: Crosses::new(&schema.features),
            dense: None,
            hashing: schema.hashing,
            is_sparse: schema.format.is_sparse(),
            texts: schema.of(Role::Categorical).count(),
            stride: schema.stride(),
        };
        for (place, column) in schema.of(Role::Categorical).enumerate().filter(|(_, c)| !schema.is_replaced(c)) {
            features.add(column.name.clone(), &column.name, Kind::Text(place));
        }
        schema.features.iter().for_each(|feature| features.add_all(schema, feature));
        features.dense = DenseRow::new(schema, &features.times);
        features.forms = features.times.iter().map(|(_, column)| schema.form_of(column)).collect();
        if !schema.features.is_empty() {
            features.extractors.sort_by(|a, b| a.space.name.cmp(&b.space.name));
        }
        for at in 0..features.extractors.len() {
            let next = features.extractors.get(at + 1).map(|next| next.space.name.clone());
            features.extractors[at].is_last = next.as_ref() != Some(&features.extractors[at].space.name);
        }
        features
    }

    fn add(&mut self, namespace: String, column: &str, kind: Kind) {
        let (space, column) = (Space::new(namespace, self.hashing), column.to_owned());
        self.extractors.push(Extractor { space, column, kind, is_last: true });
    }

    /// Adds what a section says of each of its columns; a section that does not fit them has been refused before.
    fn add_all(&mut self, schema: &Schema, feature: &Feature) {
        for column in feature.columns() {
            let places = (schema.place(Role::Numeric, column), schema.place(Role::Categorical, column));
            if let (Feature::Time { parts, .. }, (_, Some(place))) = (feature, places) {
                let time = self.time_at(place, column);
                for part in parts.iter().filter(|part| !part.is_cyclic()) {
                    let space = Space::new(crate::schema::feature::part_namespace(column, *part), self.hashing);
                    let kind = Kind::Part(time::Category::new(time, *part, &space));
                    self.extractors.push(Extractor { space, column: column.clone(), kind, is_last: true });
                }
                continue;
            }
            for namespace in feature.namespaces(column) {
                let space = Space::new(namespace.clone(), self.hashing);
                if let Some(kind) = kind_of(feature, places, column, &space) {
                    self.add(namespace, column, kind);
                }
            }
        }
    }

    /// Where a column's time will be among the times of a record.
    fn time_at(&mut self, place: usize, column: &str) -> usize {
        self.times.iter().position(|time| time.0 == place).unwrap_or_else(|| {
            self.times.push((place, column.to_owned()));
            self.times.len() - 1
        })
    }

    /// Whether no record can have a hashed feature.
    pub(super) fn has_none(&self) -> bool {
        self.extractors.is_empty() && !self.is_sparse
    }

    /// Whether the learner's dense row is the parsed one.
    pub(super) fn has_parsed_row(&self) -> bool {
        self.dense.is_none()
    }

    /// Floats of a parsed dense row, padding included.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    pub(super) fn crosses(&self) -> &Crosses {
        &self.crosses
    }

    /// Leaves the products of any two features to the learner.
    pub(super) fn leave_pairs(&mut self) {
        self.crosses.leave_pairs();
    }

    /// Makes the dense row of a record, where it is not the parsed one, and its hashed features, crosses left out.
    pub(super) fn extract(
        &self,
        records: &Records,
        row: usize,
        scratch: &mut Scratch,
        dense: &mut Vec<f32>,
        sink: &mut impl Sink,
    ) -> Result<(), Fault<'_>> {
        let Scratch { times, runs, numbers, words, order, .. } = scratch;
        if self.is_sparse {
            runs.clear();
            sparse::order(records, row, self.crosses.ask_for_order(), order);
            return sparse::extract(records, self.hashing, order, runs, sink).map_err(|reason| (reason, None));
        }
        let mut row = Row {
            bytes: &records.chunk.bytes,
            texts: &records.text[row * self.texts..(row + 1) * self.texts],
            // Where only text is asked for, the numbers may have been handed on.
            numbers: records.numeric.get(row * self.stride..(row + 1) * self.stride).unwrap_or(&[]),
            times: &[],
        };
        times.clear();
        for ((place, column), form) in self.times.iter().zip(&self.forms) {
            times.push(time::read(row.text(*place), form).map_err(|reason| (reason, Some(column)))?);
        }
        row.times = times;
        if let Some(wanted) = &self.dense {
            wanted.push(&row, numbers, dense)?;
        }
        self.hash(&row, runs, words, sink)
    }

    #[inline(always)]
    fn hash(
        &self,
        row: &Row<'_>,
        runs: &mut Vec<Run>,
        words: &mut tokens::Words,
        sink: &mut impl Sink,
    ) -> Result<(), Fault<'_>> {
        let start = sink.count();
        runs.clear();
        for extractor in &self.extractors {
            let Extractor { space, column, kind, is_last } = extractor;
            sink.enter(&space.name);
            kind.extract(row, space, column, words, sink).map_err(|reason| (reason, Some(column)))?;
            if sink.count() - start > MAX_FEATURES {
                return Err((Reason::TooManyFeatures, Some(column)));
            }
            if *is_last {
                runs.push(Run { space: space.id, end: sink.count() as u32 });
            }
        }
        Ok(())
    }
}

/// What makes features of a kind of a column, by its place among numbers and among texts.
fn kind_of(
    feature: &Feature,
    (number, text): (Option<usize>, Option<usize>),
    column: &str,
    space: &Space,
) -> Option<Kind> {
    Some(match feature {
        Feature::Hash { .. } => match (number, text) {
            (Some(place), _) => Kind::Number(place, space.hash(column.as_bytes())),
            (None, place) => Kind::Text(place?),
        },
        Feature::OneHot { values, unseen, .. } => Kind::OneHot(one_hot::OneHot::new(text?, values, *unseen, space)),
        Feature::Buckets { boundaries, .. } => Kind::Buckets(buckets::Buckets::new(number?, column, boundaries, space)),
        &Feature::Tokens { ngrams, skips, characters, lowercase, .. } => {
            Kind::Tokens(tokens::Tokens::new(text?, ngrams, skips, characters, lowercase))
        }
        Feature::List { separator, .. } => Kind::List(list::List::new(text?, separator)),
        // Quantiles and windows are made where records stand in order.
        Feature::Quantiles { .. }
        | Feature::Time { .. }
        | Feature::Cross { .. }
        | Feature::Polynomial { .. }
        | Feature::Window(_) => return None,
    })
}

impl Kind {
    #[inline(always)]
    fn extract(
        &self,
        row: &Row<'_>,
        space: &Space,
        column: &str,
        words: &mut tokens::Words,
        sink: &mut impl Sink,
    ) -> Result<(), Reason> {
        match self {
            &Self::Text(place) => {
                let text = row.text(place);
                if !text.is_empty() {
                    sink.put(space.hash(text), 1.0, || space.name_of_value(text));
                }
                Ok(())
            }
            &Self::Number(place, hash) => {
                let number = row.numbers[place];
                if !(number.is_nan() || number == 0.0) {
                    sink.put(hash, number, || space.name_of_feature(column, column));
                }
                Ok(())
            }
            Self::OneHot(kind) => kind.extract(row, space, sink),
            Self::Buckets(kind) => {
                kind.extract(row, sink);
                Ok(())
            }
            Self::Tokens(kind) => kind.extract(row, space, words, sink),
            Self::List(kind) => {
                kind.extract(row, space, sink);
                Ok(())
            }
            Self::Part(kind) => {
                kind.extract(row, space, sink);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::explain::{Explained, Explainer};
    use crate::parser::Parser;
    use crate::record::Chunk;
    use crate::schema::{Column, Format};

    /// The columns n and m of numbers, t and u of text, with a section.
    fn schema(section: &str) -> Schema {
        let roles = [("n", Role::Numeric), ("m", Role::Numeric), ("t", Role::Categorical), ("u", Role::Categorical)];
        let columns = roles.map(|(name, role)| Column { name: name.into(), role, log: false }).into();
        let features = vec![toml::from_str(section).unwrap()];
        Schema { columns, format: Format::Tsv, features, ..Schema::default() }
    }

    fn explained(section: &str, line: &str) -> Result<Explained, (Reason, Option<String>)> {
        let schema = schema(section);
        schema.check_features().unwrap();
        let mut records = Records::default();
        Parser::new(schema.clone()).parse(Chunk::of(line.as_bytes()), &mut records).unwrap();
        assert_eq!(records.rows, 1, "{line:?}: {:?}", records.rejected);
        Explainer::new(&schema).explain(&records, 0)
    }

    /// What is made of the record by the section, the column u's category left out.
    fn made(section: &str, line: &str) -> Vec<(String, u32, f32)> {
        let hashed = explained(section, line).unwrap().hashed.into_iter().filter(|made| made.namespace != "u");
        hashed.map(|made| (made.name, made.hash, made.value)).collect()
    }

    /// The names of what is made of the text t.
    pub(super) fn names_of(section: &str, text: &str) -> Vec<String> {
        let schema = schema(section);
        let bytes = text.as_bytes().to_vec();
        let spans = vec![Span { start: 0, len: bytes.len() as u32 }, Span::default()];
        let chunk = Chunk { bytes, ..Chunk::default() };
        let records = Records { chunk, rows: 1, numeric: vec![f32::NAN; 16], text: spans, ..Records::default() };
        let explained = Explainer::new(&schema).explain(&records, 0).unwrap();
        explained.hashed.into_iter().map(|made| made.name).collect()
    }

    fn hash_in(namespace: &str, value: &str) -> u32 {
        hash::murmur3(value.as_bytes(), hash::namespace(namespace.as_bytes()))
    }

    #[test]
    fn a_number_is_hashed_by_its_columns_name_and_keeps_its_value() {
        let section = "kind = 'hash'\ncolumns = ['n', 'm', 't']\nnamespace = 'A'";
        let expected =
            [("A^n", "n", -2.5), ("A=x", "x", 1.0)].map(|(name, key, x)| (name.into(), hash_in("A", key), x));
        assert_eq!(made(section, "-2.5\t0\tx\ty"), expected);
        assert_eq!(made("kind = 'hash'\ncolumns = ['n']", "3\t\t\t")[0], ("n".into(), hash_in("n", "n"), 3.0));
        assert_eq!(explained(section, "1\t2\tx\ty").unwrap().dense, []); // their places are taken
    }

    #[test]
    fn a_column_is_kept_beside_its_feature_where_that_is_said() {
        let section = "kind = 'hash'\ncolumns = ['n', 't']\nnamespace = 'A'\nkeep = true";
        let Explained { dense, hashed } = explained(section, "5\t6\tx\ty").unwrap();
        assert_eq!(dense, [("n".into(), 5.0), ("m".into(), 6.0)]);
        let names: Vec<_> = hashed.iter().map(|made| made.name.as_str()).collect();
        assert_eq!(names, ["A^n", "A=x", "t=x", "u=y"]);
    }

    #[test]
    fn a_value_that_was_not_declared_is_what_the_section_says() {
        let section =
            |unseen: &str| format!("kind = 'one-hot'\ncolumns = ['t']\nvalues = ['b', 'a']\nunseen = '{unseen}'");
        for unseen in ["ignore", "other", "reject"] {
            assert_eq!(made(&section(unseen), "1\t2\ta\ty"), [("t=a".into(), hash_in("t", "a"), 1.0)]);
            assert_eq!(made(&section(unseen), "1\t2\t\ty"), []);
        }
        assert_eq!(made(&section("ignore"), "1\t2\tc\ty"), []);
        assert_eq!(made(&section("other"), "1\t2\tc\ty"), [("t is another".into(), hash_in("t", ""), 1.0)]);
        let rejected = explained(&section("reject"), "1\t2\tc\ty").unwrap_err();
        assert_eq!(rejected, (Reason::Undeclared, Some("t".into())));
    }

    #[test]
    fn a_bucket_includes_its_lower_end() {
        let section = "kind = 'buckets'\ncolumns = ['n']\nboundaries = [0.7, 10]";
        for (number, bucket) in
            [("-3", "n[-inf,0.7)"), ("0.7", "n[0.7,10)"), ("9.99", "n[0.7,10)"), ("10", "n[10,inf)")]
        {
            assert_eq!(made(section, &format!("{number}\t\t\t")), [(bucket.into(), hash_in("n", bucket), 1.0)]);
        }
        assert_eq!(made(section, "\t1\t\t"), []);
    }

    #[test]
    fn a_list_is_split_at_its_separator_or_where_the_format_says() {
        let section = "kind = 'list'\ncolumns = ['t']";
        assert_eq!(names_of(section, "a; b;;c ;"), ["t=a", "t=b", "t=c"]);
        assert_eq!(names_of(section, "a;b\x1fc"), ["t=a;b", "t=c"]);
        assert_eq!(names_of("kind = 'list'\ncolumns = ['t']\nseparator = ', '", "a, b,c"), ["t=a", "t=b,c"]);
    }

    #[test]
    fn parts_of_a_time_are_categories_in_namespaces_of_their_own() {
        let section = "kind = 'time'\ncolumns = ['t']\nparts = ['hour', 'weekday', 'month', 'day', 'minute-of-day']";
        let found = made(section, "1\t2\t2024-05-01T13:02:03Z\t");
        let expected = [("day", "1"), ("hour", "13"), ("minute-of-day", "782"), ("month", "5"), ("weekday", "2")];
        let expected =
            expected.map(|(part, value)| (format!("t:{part}={value}"), hash_in(&format!("t:{part}"), value), 1.0));
        assert_eq!(found, expected);
        assert_eq!(made(section, "1\t2\t\t"), []);
        assert_eq!(explained(section, "1\t2\tnoon\t").unwrap_err(), (Reason::NotATime, Some("t".into())));
    }

    #[test]
    fn cyclic_parts_go_round() {
        let section = "kind = 'time'\ncolumns = ['t']\nparts = ['hour-cyclic', 'weekday-cyclic', 'month-cyclic']";
        let dense = |time: &str| -> Vec<f32> {
            explained(section, &format!("1\t2\t{time}\t")).unwrap().dense[2..].iter().map(|(_, x)| *x).collect()
        };
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(near(&dense("2024-01-01T06:00")[..2], &[1.0, 0.0]));
        assert!(near(&dense("2024-01-04T12:00")[2..4], &[0.0, -1.0])); // Thursday noon, half a week
        assert!(near(&dense("2024-07-01")[4..], &[0.0, -1.0]));
        assert!(near(&dense("2023-12-31T23:59:59"), &dense("2024-01-01")));
        assert!(dense("").iter().all(|x| x.is_nan()));
    }

    #[test]
    fn products_of_numbers_are_missing_where_a_factor_is_and_rejected_where_too_large() {
        let section = "kind = 'polynomial'\ncolumns = ['n', 'm']\ndegree = 3";
        let values =
            |line: &str| explained(section, line).unwrap().dense.into_iter().map(|(_, x)| x).collect::<Vec<_>>();
        assert_eq!(values("2\t-3\tx\ty"), [2.0, -3.0, 4.0, -6.0, 9.0, 8.0, -12.0, 18.0, -27.0]);
        assert_eq!(values("2\t\tx\ty").iter().filter(|x| x.is_nan()).count(), 6);
        let rejected = explained(section, "1\t-1e20\tx\ty").unwrap_err();
        assert_eq!(rejected, (Reason::OutOfRange, Some("m^2".into())));
    }

    #[test]
    fn a_text_of_too_many_words_is_refused() {
        let section = "kind = 'tokens'\ncolumns = ['t']\nngrams = 4";
        let rejected = explained(section, &format!("1\t2\t{}\ty", "a ".repeat(70_000))).unwrap_err();
        assert_eq!(rejected, (Reason::TooManyFeatures, Some("t".into())));
    }
}
