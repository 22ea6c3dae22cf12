//! What is set aside for the engine's transforms: takes records, gives keys of those that come again, event times, numbers
//! whose quantiles are features, categories whose missing values are imputed, and values by which metrics are told apart.
//! Never looks at a label, and remembers nothing.

use std::io::Write;

use twox_hash::XxHash3_64;

use super::Fault;
use super::hash::hashed;
use crate::examples::Examples;
use crate::record::{Reason, Records};
use crate::schema::step::Impute;
use crate::schema::{Hashing, Role, Schema};
use crate::timestamp;

/// What is asked for, and where it stands in a record.
#[derive(Debug, Clone)]
pub(super) struct Aside {
    key: Vec<Field>,
    /// Place among the texts, and name.
    time: Option<(usize, String)>,
    /// By whose values metrics are told apart.
    segments: Vec<Field>,
    /// Places among the numbers.
    measured: Vec<usize>,
    /// Places among the texts, and the seeds of their values.
    categories: Vec<(usize, u32)>,
    hashing: Hashing,
    texts: usize,
    stride: usize,
}

/// A part of a key: a place among the fields of a role.
#[derive(Debug, Clone, Copy)]
enum Field {
    Number(usize),
    Text(usize),
    Id,
}

impl Aside {
    /// `None` where nothing is asked for.
    pub(super) fn new(schema: &Schema) -> Option<Self> {
        let key = schema.deduplicate().map_or(&[][..], |section| &section.key);
        let field = |name: &String| match (schema.place(Role::Numeric, name), schema.place(Role::Categorical, name)) {
            (Some(place), _) => Some(Field::Number(place)),
            (_, Some(place)) => Some(Field::Text(place)),
            _ => schema.place(Role::Id, name).map(|_| Field::Id),
        };
        let time = schema.time.as_ref().and_then(|name| Some((schema.place(Role::Categorical, name)?, name.clone())));
        let category =
            |name: &str| Some((schema.place(Role::Categorical, name)?, hashed(name.as_bytes(), 0, schema.hashing)));
        let measured = schema.quantiles().into_iter();
        let aside = Self {
            key: key.iter().filter_map(field).collect(),
            segments: schema.segments.iter().filter_map(|segment| field(&segment.column)).collect(),
            time,
            measured: measured.filter_map(|(name, _)| schema.place(Role::Numeric, name)).collect(),
            categories: schema.imputed(Impute::MostFrequent).into_iter().filter_map(category).collect(),
            hashing: schema.hashing,
            texts: schema.of(Role::Categorical).count(),
            stride: schema.stride(),
        };
        let has_no_values = aside.measured.is_empty() && aside.categories.is_empty() && aside.segments.is_empty();
        let is_asked = !(aside.key.is_empty() && has_no_values) || schema.time.is_some();
        is_asked.then_some(aside)
    }

    /// The same without keys, and without times unless somebody `asks_for_times`: nothing is left out where nothing is learned.
    pub(super) fn of_values(self, asks_for_times: bool) -> Self {
        Self { key: Vec::new(), time: self.time.filter(|_| asks_for_times), ..self }
    }

    /// Sets a record's values aside; a fault leaves nothing behind.
    pub(super) fn push(&self, records: &Records, row: usize, examples: &mut Examples) -> Result<(), Fault<'_>> {
        let text = |place: usize| records.text[row * self.texts + place].of(&records.chunk.bytes);
        if let Some((place, name)) = &self.time {
            examples.time.push(time(text(*place)).map_err(|reason| (reason, Some(name)))?);
        }
        if !self.key.is_empty() {
            examples.key.push(self.key(records, row));
        }
        self.push_segments(records, row, examples);
        examples.measured.extend(self.measured.iter().map(|place| records.numeric[row * self.stride + place]));
        for &(place, seed) in &self.categories {
            let value = text(place);
            examples.category.push((!value.is_empty()).then(|| hashed(value, seed, self.hashing)));
        }
        Ok(())
    }

    /// The values by which metrics are told apart; numbers as they are shortest, so that 7 and 7.0 are one value.
    fn push_segments(&self, records: &Records, row: usize, examples: &mut Examples) {
        for &field in &self.segments {
            match field {
                Field::Number(place) => push_number(records.numeric[row * self.stride + place], &mut examples.segment),
                Field::Text(place) => {
                    let text = records.text[row * self.texts + place].of(&records.chunk.bytes);
                    examples.segment.extend_from_slice(text);
                }
                Field::Id => {
                    let id = records.id.get(row).map_or(&[][..], |id| id.of(&records.chunk.bytes));
                    examples.segment.extend_from_slice(id);
                }
            }
            examples.segment_end.push(examples.segment.len() as u32);
        }
    }

    /// Each text is preceded by its length, so that no two keys are written alike; all missing numbers are one.
    fn key(&self, records: &Records, row: usize) -> u64 {
        let mut written = Vec::with_capacity(64);
        let mut put = |text: &[u8]| {
            written.extend_from_slice(&(text.len() as u64).to_le_bytes());
            written.extend_from_slice(text);
        };
        for &field in &self.key {
            match field {
                Field::Number(place) => put(&bits_of(records.numeric[row * self.stride + place]).to_le_bytes()),
                Field::Text(place) => put(records.text[row * self.texts + place].of(&records.chunk.bytes)),
                Field::Id => put(records.id.get(row).map_or(&[], |id| id.of(&records.chunk.bytes))),
            }
        }
        XxHash3_64::oneshot(&written)
    }
}

/// Nothing where it is missing.
fn push_number(number: f32, to: &mut Vec<u8>) {
    if !number.is_nan() {
        let number = if number == 0.0 { 0.0 } else { number }; // the negative one too
        let _ = write!(to, "{number}"); // memory takes everything
    }
}

/// Equal numbers have equal bits.
fn bits_of(number: f32) -> u32 {
    match number {
        0.0 => 0, // the negative one too
        _ if number.is_nan() => f32::NAN.to_bits(),
        _ => number.to_bits(),
    }
}

/// The time in a field, `i64::MIN` where it is empty.
fn time(text: &[u8]) -> Result<i64, Reason> {
    match timestamp::parse(text) {
        Some(time) => Ok(time),
        None if text.trim_ascii().is_empty() => Ok(i64::MIN),
        None => Err(Reason::NotATime),
    }
}

#[cfg(test)]
mod tests {
    use crate::encoder::Encoder;
    use crate::encoder::hash::{murmur3, namespace};
    use crate::encoder::label::LabelRule;
    use crate::examples::Examples;
    use crate::parser::Parser;
    use crate::record::{Chunk, Reason, Records};
    use crate::schema::{Column, Format, Role, Schema};

    const ROLES: [(&str, Role); 6] = [
        ("y", Role::Label),
        ("n", Role::Numeric),
        ("t", Role::Categorical),
        ("u", Role::Categorical),
        ("when", Role::Categorical),
        ("id", Role::Id),
    ];

    fn encode(sections: &[&str], is_lenient: bool, text: &str) -> Examples {
        let columns = ROLES.map(|(name, role)| Column { name: name.into(), role, log: false }).into();
        let transforms = sections.iter().map(|section| toml::from_str(section).unwrap()).collect();
        let schema =
            Schema { columns, format: Format::Tsv, transforms, time: Some("when".into()), ..Schema::default() };
        let (mut records, mut examples) = (Records::default(), Examples::default());
        Parser::new(schema.clone()).parse(Chunk::of(text.as_bytes()), &mut records).unwrap();
        Encoder::new(&schema, LabelRule::Inferred).lenient(is_lenient).encode(&mut records, &mut examples);
        examples
    }

    const BY_ALL: &str = "deduplicate = { key = ['n', 't', 'u', 'id'], within = '1h' }";

    #[test]
    fn records_have_one_key_where_all_of_its_fields_are_equal() {
        let text = "1\t1\tab\tc\t\ti\n0\t1.0\tab\tc\t5\ti\n0\t1\ta\tbc\t\ti\n0\t\tab\tc\t\ti\n0\t1\tab\tc\t\tj\n\
                    1\t0\t\t\t\t\n1\t-0\t\t\t\t\n1\t\t\t\t\t\n";
        let key = encode(&[BY_ALL], false, text).key;
        assert_eq!((key[0], key[5]), (key[1], key[6]));
        let mut distinct = key.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!((key.len(), distinct.len()), (8, 6));
    }

    #[test]
    fn times_are_read_and_are_no_features() {
        let text = "1\t1\tx\ty\t1970-01-01T00:00:02Z\ta\n0\t1\tx\ty\tnoon\tb\n0\t1\tx\t\t\tc\n";
        let examples = encode(&[BY_ALL], false, text);
        assert_eq!((examples.time, examples.rows), (vec![2_000_000, i64::MIN], 2));
        assert_eq!((examples.row_start, examples.key.len()), (vec![0, 2, 3], 2));
        let rejected: Vec<_> = examples.rejected.iter().map(|r| (r.number, r.reason, r.column.as_deref())).collect();
        assert_eq!(rejected, [(1, Reason::NotATime, Some("when"))]);
        let predicting = encode(&[BY_ALL], true, text);
        assert_eq!((predicting.rows, predicting.key, predicting.time), (3, vec![], vec![]));
    }

    #[test]
    fn numbers_of_quantiles_are_set_aside_beside_what_they_are_else() {
        let columns = ROLES.map(|(name, role)| Column { name: name.into(), role, log: false }).into();
        let features = vec![toml::from_str("kind = 'quantiles'\ncolumns = ['n']").unwrap()];
        let schema = Schema { columns, format: Format::Tsv, features, ..Schema::default() };
        let (mut records, mut examples) = (Records::default(), Examples::default());
        let text = b"1\t1.5\tx\ty\t\ta\nmaybe\t2\tx\ty\t\ta\n0\t3\tx\ty\t\ta\n";
        Parser::new(schema.clone()).parse(Chunk::of(text), &mut records).unwrap();
        Encoder::new(&schema, LabelRule::Inferred).encode(&mut records, &mut examples);
        assert_eq!((examples.measured, examples.dense.len()), (vec![1.5, 3.0], 0));
    }

    #[test]
    fn categories_to_impute_are_set_aside_by_name_present_or_not() {
        let section = "impute = { u = 'most-frequent', t = 'most-frequent' }";
        let examples = encode(&[section], true, "1\t1\tx\t\t\ta\nmaybe\t1\tx\ty\t\ta\n1\t1\t\ty\t\ta\n");
        let of = |name: &str, value: &str| Some(murmur3(value.as_bytes(), namespace(name.as_bytes())));
        assert_eq!(examples.category[..2], [of("t", "x"), None]);
        assert_eq!(examples.category[4..], [None, of("u", "y")]);
        assert_eq!(examples.hash[..1], [of("t", "x").unwrap()]);
    }
}
