//! The encoder: takes parsed records, gives examples - numbers as they are, text hashed, labels as tokens.
//!
//! A pure function of the records and the schema: whatever depends on the order of the records (running scales, what
//! a label means) is the engine's. Siblings: [`hash`] (features to 32 bits), [`label`] (text to label tokens),
//! [`infer`] (which column is what, from a sample), `feature` (what is made of columns beside one feature each),
//! `sparse` (features that records spell out), [`cross`] (products of features), `aside` (what the engine's transforms
//! look at), [`explain`] (what features are called) and [`names`] (what is told of that under way).

mod aside;
pub mod cross;
pub mod explain;
mod feature;
pub mod hash;
pub mod infer;
pub mod label;
pub mod names;
mod sparse;

use crate::examples::{Examples, LabelToken};
use crate::record::{Reason, Records, Rejected};
use crate::schema::{Hashing, Role, Schema};
use aside::Aside;
use feature::{Features, Scratch, Sink};
use hash::hashed;
use label::LabelRule;

/// Largest example weight; a record is learned that many times in a row.
pub const MAX_WEIGHT: f32 = 1e6;

/// Why a record cannot be used, and the column at fault.
type Fault<'a> = (Reason, Option<&'a String>);

/// An encoder for one schema, with its scratch space; each ingest thread has its own.
#[derive(Debug, Clone)]
pub struct Encoder {
    /// Hash of the name of each text column: the seed of its values.
    seeds: Vec<u32>,
    hashing: Hashing,
    is_sparse: bool,
    /// What is made of columns, where it is more than one feature each, or something is set aside.
    features: Option<Features>,
    aside: Option<Aside>,
    scratch: Scratch,
    label: LabelRule,
    /// Whether a label that is neither class counts as none: where nothing is learned, it does no harm.
    is_lenient: bool,
    /// Whether the text of each record goes on with it.
    keeps_raw: bool,
    /// Whether event times are asked for where nothing is learned, too.
    asks_for_times: bool,
    label_name: Option<String>,
    weight_name: Option<String>,
}

impl Encoder {
    /// An encoder for records of this schema.
    pub fn new(schema: &Schema, label: LabelRule) -> Self {
        let name = |role| schema.first(role).map(|column| column.name.clone());
        let aside = Aside::new(schema);
        Self {
            seeds: schema
                .of(Role::Categorical)
                .map(|column| hashed(column.name.as_bytes(), 0, schema.hashing))
                .collect(),
            hashing: schema.hashing,
            is_sparse: schema.format.is_sparse(),
            features: (!schema.features.is_empty() || aside.is_some()).then(|| Features::new(schema)),
            aside,
            scratch: Scratch::default(),
            label,
            is_lenient: false,
            keeps_raw: false,
            asks_for_times: false,
            label_name: name(Role::Label),
            weight_name: name(Role::Weight),
        }
    }

    /// The same encoder, for which a label that is neither class is no label, and no reason to reject the record; where
    /// nothing is learned, records that come again are none of its business either.
    #[must_use]
    pub fn lenient(self, is_lenient: bool) -> Self {
        let times = self.asks_for_times;
        let aside = if is_lenient { self.aside.map(|aside| aside.of_values(times)) } else { self.aside };
        Self { is_lenient, aside, ..self }
    }

    /// The same encoder, which sets event times aside where nothing is learned too; to be said before [`Encoder::lenient`].
    #[must_use]
    pub fn asking_for_times(self, asks_for_times: bool) -> Self {
        Self { asks_for_times, ..self }
    }

    /// The same encoder, which hands records on as they were read, too.
    #[must_use]
    pub fn keeping_raw(self, keeps_raw: bool) -> Self {
        Self { keeps_raw, ..self }
    }

    /// The same encoder, which leaves the products of any two features to the learner where the schema asks for no others
    /// (see [`crate::examples::pairs`]).
    #[must_use]
    pub fn leaving_pairs(mut self, leaves_pairs: bool) -> Self {
        if let (Some(features), true) = (&mut self.features, leaves_pairs) {
            features.leave_pairs();
        }
        self
    }

    /// Encodes `records` into `examples`, whose buffers are used again; the matrix of numbers is handed over where the
    /// learner gets it as it was parsed.
    pub fn encode(&mut self, records: &mut Records, examples: &mut Examples) {
        examples.clear();
        examples.bytes = records.chunk.size();
        examples.place = records.chunk.place;
        examples.seen = records.seen;
        examples.filtered = records.filtered;
        examples.best_loss = records.chunk.best_loss;
        std::mem::swap(&mut examples.rejected, &mut records.rejected);
        examples.row_start.push(0);
        let from_parser = examples.rejected.len();
        match self.features.take() {
            None => self.encode_columns(records, examples),
            Some(features) => {
                let mut scratch = std::mem::take(&mut self.scratch);
                self.encode_features(&features, &mut scratch, records, examples);
                (self.features, self.scratch) = (Some(features), scratch);
            }
        }
        if from_parser > 0 && examples.rejected.len() > from_parser {
            examples.rejected.sort_by_key(|rejected| rejected.number);
        }
    }

    /// One feature a column.
    fn encode_columns(&self, records: &mut Records, examples: &mut Examples) {
        std::mem::swap(&mut examples.dense, &mut records.numeric);
        let stride = examples.dense.len().checked_div(records.rows).unwrap_or(0);
        for row in 0..records.rows {
            match self.label_and_weight(records, row) {
                Ok(token) => self.push(records, row, token, stride, examples),
                Err((reason, column)) => examples.rejected.push(records.rejection(row, reason, column)),
            }
        }
        examples.dense.truncate(examples.rows * stride);
    }

    /// What the schema's features make of the columns.
    fn encode_features(&self, features: &Features, scratch: &mut Scratch, records: &Records, examples: &mut Examples) {
        let stride = if features.has_parsed_row() { features.stride() } else { 0 };
        for row in 0..records.rows {
            let (dense, hashed) = (examples.dense.len(), examples.hash.len());
            let token = self.label_and_weight(records, row);
            let made = token.and_then(|token| make(features, records, row, scratch, examples).map(|()| token));
            match made.and_then(|token| self.set_aside(records, row, examples).map(|()| token)) {
                Ok(token) => {
                    let numbers = row * stride..(row + 1) * stride;
                    examples.dense.extend_from_slice(&records.numeric[numbers]);
                    push_row(records, row, token, examples);
                    self.push_raw(records, row, examples);
                }
                Err((reason, column)) => {
                    examples.dense.truncate(dense);
                    examples.hash.truncate(hashed);
                    examples.value.truncate(hashed);
                    examples.rejected.push(records.rejection(row, reason, column));
                }
            }
        }
    }

    /// What the engine's transforms look at, unless it makes the record unusable; a fault leaves nothing behind.
    #[inline(always)]
    fn set_aside(&self, records: &Records, row: usize, examples: &mut Examples) -> Result<(), Fault<'_>> {
        self.aside.as_ref().map_or(Ok(()), |aside| aside.push(records, row, examples))
    }

    /// The label's token, unless the label or the weight make the record unusable.
    #[inline(always)]
    fn label_and_weight(&self, records: &Records, row: usize) -> Result<LabelToken, Fault<'_>> {
        if let Some(&weight) = records.weight.get(row)
            && !(weight.is_nan() || (0.0..=MAX_WEIGHT).contains(&weight))
        {
            return Err((Reason::Weight, self.weight_name.as_ref()));
        }
        let Some(span) = records.label.get(row) else { return Ok(LabelToken::Missing) };
        let field = span.of(&records.chunk.bytes);
        match self.label.token(field) {
            Some(token) => Ok(token),
            None if self.is_lenient => Ok(LabelToken::Missing),
            None => Err((Reason::Label, self.label_name.as_ref())),
        }
    }

    #[inline(always)]
    fn push(&self, records: &Records, row: usize, token: LabelToken, stride: usize, examples: &mut Examples) {
        if examples.rows != row {
            examples.dense.copy_within(row * stride..(row + 1) * stride, examples.rows * stride);
        }
        let bytes = &records.chunk.bytes;
        let spans = &records.text[row * self.seeds.len()..(row + 1) * self.seeds.len()];
        for (span, &seed) in spans.iter().zip(&self.seeds) {
            if span.len > 0 {
                examples.hash.push(hashed(span.of(bytes), seed, self.hashing));
                examples.value.push(1.0);
            }
        }
        if self.is_sparse {
            sparse::push(records, row, self.hashing, examples);
        }
        push_row(records, row, token, examples);
        self.push_raw(records, row, examples);
    }

    #[inline(always)]
    fn push_raw(&self, records: &Records, row: usize, examples: &mut Examples) {
        if self.keeps_raw {
            let text = records.raw(row);
            examples.raw.extend_from_slice(Rejected::raw_of(&text).as_slice());
            examples.raw_end.push(examples.raw.len() as u32);
        }
    }
}

/// Ends a row whose features have been added.
#[inline(always)]
fn push_row(records: &Records, row: usize, token: LabelToken, examples: &mut Examples) {
    examples.label.push(token);
    if let Some(&weight) = records.weight.get(row) {
        examples.weight.push(if weight.is_nan() { 1.0 } else { weight });
    }
    examples.number.push(records.number[row]);
    examples.row_start.push(examples.hash.len() as u32);
    if let Some(id) = records.id.get(row) {
        examples.id.extend_from_slice(id.of(&records.chunk.bytes));
        examples.id_end.push(examples.id.len() as u32);
    }
    examples.rows += 1;
}

/// Adds the features of a row, and its dense row where that is made; what was added before a fault stays.
#[inline(always)]
fn make<'a>(
    features: &'a Features,
    records: &Records,
    row: usize,
    scratch: &mut Scratch,
    examples: &mut Examples,
) -> Result<(), Fault<'a>> {
    let Examples { dense, hash, value, .. } = examples;
    let start = hash.len();
    features.extract(records, row, scratch, dense, &mut Hashed { hash: &mut *hash, value: &mut *value })?;
    let crossed = features.crosses().make(start, &scratch.runs, hash, value, &mut scratch.found);
    crossed.map_err(|reason| (reason, None))
}

/// Features as the learner takes them, without their names.
struct Hashed<'a> {
    hash: &'a mut Vec<u32>,
    value: &'a mut Vec<f32>,
}

impl Sink for Hashed<'_> {
    #[inline(always)]
    fn enter(&mut self, _: &str) {}

    #[inline(always)]
    fn put(&mut self, hash: u32, value: f32, _: impl FnOnce() -> String) {
        self.hash.push(hash);
        self.value.push(value);
    }

    #[inline(always)]
    fn count(&self) -> usize {
        self.hash.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::Parser;
    use crate::record::Chunk;
    use crate::schema::{Column, Format};

    fn encode(text: &[u8]) -> Examples {
        let roles = [Role::Label, Role::Numeric, Role::Categorical, Role::Weight, Role::Id];
        let column = |(at, role): (usize, Role)| Column { name: format!("c{at}"), role, log: false };
        let columns = roles.into_iter().enumerate().map(column).collect();
        let schema = Schema { columns, format: Format::Csv, header: false, ..Schema::default() };
        let (mut records, mut examples) = (Records::default(), Examples::default());
        Parser::new(schema.clone()).parse(Chunk::of(text), &mut records).unwrap();
        Encoder::new(&schema, LabelRule::Inferred).encode(&mut records, &mut examples);
        examples
    }

    #[test]
    fn a_missing_category_is_no_feature_and_a_missing_weight_is_one() {
        let examples = encode(b"1,2,a,3,x\n0,4,,,y\n");
        assert_eq!(examples.row_start, [0, 1, 1]);
        assert_eq!(examples.weight, [3.0, 1.0]);
        assert_eq!((examples.id_of(0), examples.id_of(1)), (&b"x"[..], &b"y"[..]));
    }

    #[test]
    fn a_bad_label_or_weight_is_rejected_and_leaves_the_other_rows_in_place() {
        let examples = encode(b"1,10,a,1,x\nmaybe,20,b,1,y\nragged\n0,30,c,-1,z\n0,40,d,1,w\n");
        assert_eq!((examples.rows, examples.dense[0], examples.dense[16]), (2, 10.0, 40.0));
        assert_eq!(examples.dense.len(), 32);
        assert_eq!(examples.number, [0, 4]);
        let seen: Vec<_> = examples.rejected.iter().map(|r| (r.number, r.reason)).collect();
        assert_eq!(seen, [(1, Reason::Label), (2, Reason::FieldCount), (3, Reason::Weight)]);
        assert_eq!(examples.rejected[0].raw, b"maybe,20,b,1,y");
    }
}
