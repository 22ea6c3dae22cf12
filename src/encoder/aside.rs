//! What is set aside for the engine's transforms: takes records, gives keys of those that come again, event times, numbers
//! whose quantiles are features, categories whose missing values are imputed, values by which metrics are told apart, and the
//! keys and values of windows. Never looks at a label, and remembers nothing.

use std::io::Write;

use twox_hash::XxHash3_64;

use super::Fault;
use super::hash::hashed;
use crate::examples::Examples;
use crate::record::{Reason, Records};
use crate::schema::step::Impute;
use crate::schema::window::{Aggregate, Window};
use crate::schema::{Hashing, Role, Schema};
use crate::timestamp::Form;

/// What is asked for, and where it stands in a record.
#[derive(Debug, Clone)]
pub(super) struct Aside {
    key: Vec<Field>,
    time: Option<TimeField>,
    label_time: Option<TimeField>,
    /// By whose values metrics are told apart.
    segments: Vec<Field>,
    /// Places among the numbers.
    measured: Vec<usize>,
    /// Places among the texts, and the seeds of their values.
    categories: Vec<(usize, u32)>,
    windows: Vec<Looked>,
    /// Whether a time that is none counts as missing: where nothing is learned, it does no harm.
    is_lenient: bool,
    hashing: Hashing,
    texts: usize,
    stride: usize,
}

/// A column that is read for its time.
#[derive(Debug, Clone)]
struct TimeField {
    /// Its place among the texts.
    place: usize,
    name: String,
    form: Form,
}

impl TimeField {
    fn new(schema: &Schema, name: Option<&String>) -> Option<Self> {
        let name = name?;
        let place = schema.place(Role::Categorical, name)?;
        Some(Self { place, name: name.clone(), form: schema.form_of(name) })
    }

    /// The time in a field, `i64::MIN` where it is empty.
    fn read(&self, text: &[u8]) -> Result<i64, Fault<'_>> {
        match self.form.read(text) {
            Some(time) => Ok(time),
            None if text.trim_ascii().is_empty() => Ok(i64::MIN),
            None => Err((Reason::NotATime, Some(&self.name))),
        }
    }
}

/// What a section of windows looks at.
#[derive(Debug, Clone)]
struct Looked {
    key: Vec<Field>,
    /// Place among the numbers.
    value: Option<usize>,
    /// Whose different values are counted.
    hash: Option<Field>,
}

impl Looked {
    fn new(window: &Window, schema: &Schema) -> Self {
        let column = window.column.as_ref();
        let is_counted = window.makes(|what| what == Aggregate::Distinct);
        Self {
            key: window.key.iter().filter_map(|name| field(schema, name)).collect(),
            value: column.and_then(|name| schema.place(Role::Numeric, name)),
            hash: column.filter(|_| is_counted).and_then(|name| field(schema, name)),
        }
    }
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
        let category =
            |name: &str| Some((schema.place(Role::Categorical, name)?, hashed(name.as_bytes(), 0, schema.hashing)));
        let measured = schema.quantiles().into_iter();
        let aside = Self {
            key: key.iter().filter_map(|name| field(schema, name)).collect(),
            time: TimeField::new(schema, schema.time.as_ref()),
            label_time: TimeField::new(schema, schema.label_time.as_ref()),
            segments: schema.segments.iter().filter_map(|segment| field(schema, &segment.column)).collect(),
            measured: measured.filter_map(|(name, _)| schema.place(Role::Numeric, name)).collect(),
            categories: schema.imputed(Impute::MostFrequent).into_iter().filter_map(category).collect(),
            windows: schema.windows().map(|window| Looked::new(window, schema)).collect(),
            is_lenient: false,
            hashing: schema.hashing,
            texts: schema.of(Role::Categorical).count(),
            stride: schema.stride(),
        };
        let has_no_values = aside.measured.is_empty() && aside.categories.is_empty() && aside.segments.is_empty();
        let is_asked = !(aside.key.is_empty() && has_no_values)
            || aside.time.is_some()
            || aside.label_time.is_some()
            || !aside.windows.is_empty();
        is_asked.then_some(aside)
    }

    /// The same where nothing is learned: nothing comes again then, and times are for windows, or for whoever
    /// `asks_for_times`.
    pub(super) fn of_values(self, asks_for_times: bool) -> Self {
        let time = self.time.filter(|_| asks_for_times || !self.windows.is_empty());
        Self { key: Vec::new(), time, label_time: None, is_lenient: true, ..self }
    }

    /// The event time in a field; where nothing is learned, one that cannot be read is missing.
    fn time_of<'a>(&self, field: &'a TimeField, text: &[u8]) -> Result<i64, Fault<'a>> {
        match field.read(text) {
            Err(_) if self.is_lenient => Ok(i64::MIN),
            read => read,
        }
    }

    /// Sets a record's values aside; a fault leaves nothing behind.
    pub(super) fn push(&self, records: &Records, row: usize, examples: &mut Examples) -> Result<(), Fault<'_>> {
        let text = |place: usize| records.text[row * self.texts + place].of(&records.chunk.bytes);
        let time = self.time.as_ref().map(|field| self.time_of(field, text(field.place))).transpose()?;
        let label_time = self.label_time.as_ref().map(|field| field.read(text(field.place))).transpose()?;
        examples.time.extend(time);
        examples.label_time.extend(label_time);
        if !self.key.is_empty() {
            examples.key.push(self.key(&self.key, records, row));
        }
        self.windows.iter().for_each(|looked| self.push_window(looked, records, row, examples));
        self.push_segments(records, row, examples);
        examples.measured.extend(self.measured.iter().map(|place| records.numeric[row * self.stride + place]));
        for &(place, seed) in &self.categories {
            let value = text(place);
            examples.category.push((!value.is_empty()).then(|| hashed(value, seed, self.hashing)));
        }
        Ok(())
    }

    fn push_window(&self, looked: &Looked, records: &Records, row: usize, examples: &mut Examples) {
        let number = |place: usize| records.numeric[row * self.stride + place];
        examples.window_key.push(self.key_or_none(&looked.key, records, row));
        examples.window_value.push(looked.value.map_or(f32::NAN, number));
        let hash = looked.hash.as_ref().map_or(0, |field| self.key_or_none(std::slice::from_ref(field), records, row));
        examples.window_hash.push(hash);
    }

    /// The hash of a key; 0 where one of its fields is missing.
    fn key_or_none(&self, key: &[Field], records: &Records, row: usize) -> u64 {
        let is_missing = |field: &Field| match *field {
            Field::Number(place) => records.numeric[row * self.stride + place].is_nan(),
            Field::Text(place) => records.text[row * self.texts + place].len == 0,
            Field::Id => records.id.get(row).is_none_or(|id| id.len == 0),
        };
        match key {
            _ if key.is_empty() || key.iter().any(is_missing) => 0,
            &[Field::Text(place)] => {
                XxHash3_64::oneshot(records.text[row * self.texts + place].of(&records.chunk.bytes)).max(1)
            }
            key => self.key(key, records, row).max(1),
        }
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
    fn key(&self, key: &[Field], records: &Records, row: usize) -> u64 {
        let mut written = Vec::with_capacity(64);
        let mut put = |text: &[u8]| {
            written.extend_from_slice(&(text.len() as u64).to_le_bytes());
            written.extend_from_slice(text);
        };
        for &field in key {
            match field {
                Field::Number(place) => put(&bits_of(records.numeric[row * self.stride + place]).to_le_bytes()),
                Field::Text(place) => put(records.text[row * self.texts + place].of(&records.chunk.bytes)),
                Field::Id => put(records.id.get(row).map_or(&[], |id| id.of(&records.chunk.bytes))),
            }
        }
        XxHash3_64::oneshot(&written)
    }
}

fn field(schema: &Schema, name: &str) -> Option<Field> {
    match (schema.place(Role::Numeric, name), schema.place(Role::Categorical, name)) {
        (Some(place), _) => Some(Field::Number(place)),
        (_, Some(place)) => Some(Field::Text(place)),
        _ => schema.place(Role::Id, name).map(|_| Field::Id),
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

    #[test]
    fn windows_get_a_key_where_all_of_its_fields_are_there_and_a_time_that_is_none_where_nothing_is_learned() {
        let columns = ROLES.map(|(name, role)| Column { name: name.into(), role, log: false }).into();
        let section = |key: &str| {
            toml::from_str(&format!(
                "kind = 'window'\nkey = {key}\nover = ['1h']\ncolumn = 'n'\nmake = ['mean', 'distinct']"
            ))
        };
        let features = ["['t', 'u']", "['id']"].map(|key| section(key).unwrap()).into();
        let schema = Schema { columns, format: Format::Tsv, features, time: Some("when".into()), ..Schema::default() };
        schema.check_features().unwrap();
        let (mut records, mut examples) = (Records::default(), Examples::default());
        let text = b"1\t1.5\tx\ty\t\ta\n0\t\txy\t\tsoon\ta\n0\t1.5\tx\ty\t5\tb\n";
        Parser::new(schema.clone()).parse(Chunk::of(text), &mut records).unwrap();
        Encoder::new(&schema, LabelRule::Inferred).lenient(true).encode(&mut records, &mut examples);
        let [first, second, third] = [0, 1, 2].map(|row| examples.window_keys_of(row));
        assert!(first[0] != 0 && second[0] == 0 && first[0] == third[0], "{first:?} {second:?} {third:?}");
        assert!(first[1] != 0 && first[1] == second[1] && first[1] != third[1]);
        assert_eq!((examples.window_value[0], examples.window_value[2].is_nan()), (1.5, true));
        assert_eq!((examples.window_hash[0], examples.window_hash[2]), (examples.window_hash[5], 0));
        assert_eq!(examples.time, [i64::MIN, i64::MIN, 5_000_000]);
        assert!(examples.dense[2..4].iter().all(|x| x.is_nan()));
    }
}
