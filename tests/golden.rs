//! Small files with plain and odd records, one folder each under `tests/golden/`, and what must become of every record.
//!
//! A folder holds `input.EXTENSION` (as many as there are, in the order of their names), `expected.txt` and, where the
//! defaults will not do, `job.toml` without `input`. `expected.txt` lists the columns with their roles, then every
//! record and every rejection in order: label, weight and id, then a line a feature: its name, and for a hashed one its
//! slot among 2^18 with its value. Expected files are written by thought. Where many have to change,
//! `TIDEMILL_BLESS=1 cargo test --test golden` writes what comes out, for you to read line by line.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use tidemill::config::{Options, Plan};
use tidemill::encoder::Encoder;
use tidemill::encoder::explain::Explainer;
use tidemill::examples::{Examples, LabelToken};
use tidemill::parser::Parser;
use tidemill::pipeline::Stop;
use tidemill::pipeline::start::prepare;
use tidemill::record::{Chunk, Name, Records, Rejected, Span};
use tidemill::schema::{Role, Schema};
use tidemill::transform::Transform;

#[test]
fn every_record_becomes_what_is_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let cases = sorted(&folder);
    assert!(cases.len() >= 20, "the folders were not found");
    for case in cases {
        let (seen, expected) = (outcome(&case), case.join("expected.txt"));
        if std::env::var_os("TIDEMILL_BLESS").is_some() {
            std::fs::write(&expected, &seen).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap();
        let differs = seen.lines().zip(expected.lines()).position(|(seen, expected)| seen != expected);
        let at = differs.unwrap_or(seen.lines().count().min(expected.lines().count()));
        let line = |text: &str| text.lines().nth(at).unwrap_or("the end").to_owned();
        assert!(
            seen == expected,
            "{}, line {}:\nexpected {}\nand got  {}",
            case.display(),
            at + 1,
            line(&expected),
            line(&seen)
        );
    }
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A case's plan: its job over its inputs, on a device that every machine has.
fn plan(case: &Path) -> Plan {
    let job = std::fs::read_to_string(case.join("job.toml")).unwrap_or_default();
    let mut options = Options::parse(&job).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    options.learner.device = Some("cpu".into());
    let is_input = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with("input"));
    let inputs = sorted(case).into_iter().filter(is_input);
    let inputs: Vec<_> = inputs.map(|path| path.to_str().unwrap().to_owned()).collect();
    Plan::new(options, &inputs).unwrap_or_else(|error| panic!("{}: {error}", case.display()))
}

/// Everything up to the encoder, as text.
fn outcome(case: &Path) -> String {
    let plan = plan(case);
    let mut prepared = prepare(&plan, None, &Stop::default()).unwrap_or_else(|e| panic!("{}: {e}", case.display()));
    let schema = &prepared.schema;
    let (mut parser, transform) = (Parser::new(schema.reading()), Transform::new(schema).unwrap());
    let mut encoder = Encoder::new(schema, plan.label.clone());
    let (mut records, mut examples) = (Records::default(), Examples::default());
    let (mut text, mut before, mut next) = (columns(schema), 0, prepared.head.take());
    while let Some(chunk) = next {
        parser.parse(chunk, &mut records).unwrap();
        transform.apply(&mut records).unwrap();
        let names = Names::of(&records, schema);
        encoder.encode(&mut records, &mut examples);
        write_chunk(&mut text, before, &examples, schema, &names);
        before += examples.seen;
        next = prepared.source.next_chunk(Chunk::default()).unwrap();
    }
    text
}

fn columns(schema: &Schema) -> String {
    let columns = schema.columns.iter().map(|column| format!("{} {:?}", column.name, column.role));
    format!("columns {}\n", columns.collect::<Vec<_>>().join(", "))
}

/// Records and rejections of a chunk by their numbers.
fn write_chunk(text: &mut String, before: u32, examples: &Examples, schema: &Schema, names: &Names) {
    let mut blocks: Vec<(u32, String)> = examples.rejected.iter().map(|r| (r.number, rejection(before, r))).collect();
    blocks.extend((0..examples.rows).map(|row| (examples.number[row], record(before, row, examples, schema, names))));
    blocks.sort();
    let seen = blocks.len() + examples.filtered as usize;
    assert_eq!(seen, examples.seen as usize, "every record is one example, one rejection or filtered out");
    blocks.iter().for_each(|(_, block)| text.push_str(block));
}

fn rejection(before: u32, rejected: &Rejected) -> String {
    let column = rejected.column.as_ref().map_or(String::new(), |column| format!(", {column}"));
    format!("rejected {}: {}{column}\n", before + rejected.number + 1, rejected.reason.name())
}

fn record(before: u32, row: usize, examples: &Examples, schema: &Schema, names: &Names) -> String {
    let mut text = format!("record {}: label {}", before + examples.number[row] + 1, label(examples.label[row]));
    if let Some(weight) = examples.weight.get(row) {
        write!(text, ", weight {weight}").unwrap();
    }
    if !examples.id_of(row).is_empty() {
        write!(text, ", id {}", String::from_utf8_lossy(examples.id_of(row))).unwrap();
    }
    text.push('\n');
    let dense = &examples.dense[row * schema.dense_stride()..];
    for (name, value) in schema.dense_names().iter().zip(dense).filter(|(_, value)| !value.is_nan()) {
        writeln!(text, "    {name} {value}").unwrap();
    }
    let features = examples.row_start[row] as usize..examples.row_start[row + 1] as usize;
    for (at, feature) in features.enumerate() {
        let name = names.of_feature(examples.number[row], at);
        let (slot, value) = (examples.hash[feature] & 0x3ffff, examples.value[feature]);
        writeln!(text, "    {name}{slot}:{value}").unwrap();
    }
    text
}

fn label(token: LabelToken) -> &'static str {
    match token {
        LabelToken::Missing => "none",
        LabelToken::One => "1",
        LabelToken::Zero => "0",
        LabelToken::MinusOne => "-1",
        LabelToken::True => "true",
        LabelToken::False => "false",
    }
}

/// What the hashed features of each record are called, a blank behind each, by the record's number.
struct Names(Vec<(u32, Vec<String>)>);

impl Names {
    fn of(records: &Records, schema: &Schema) -> Self {
        let mut explainer = Explainer::new(schema);
        let mut features = |row| match (schema.features.is_empty(), schema.format.is_sparse()) {
            (true, true) => spelled(records, row),
            (true, false) => columns_of(records, schema, row),
            (false, _) => {
                let hashed = explainer.explain(records, row).map(|record| record.hashed).unwrap_or_default();
                hashed.into_iter().map(|feature| feature.name + " ").collect()
            }
        };
        Self((0..records.rows).map(|row| (records.number[row], features(row))).collect())
    }

    fn of_feature(&self, number: u32, at: usize) -> &str {
        let record = self.0.iter().find(|(known, _)| *known == number);
        record.and_then(|(_, names)| names.get(at)).map_or("", |name| name)
    }
}

fn of(records: &Records, span: Span) -> String {
    String::from_utf8_lossy(span.of(&records.chunk.bytes)).into_owned()
}

fn spelled(records: &Records, row: usize) -> Vec<String> {
    let (sparse, text) = (&records.sparse, |span| of(records, span));
    let first = if row == 0 { 0 } else { sparse.record_end[row - 1] as usize };
    let mut names = Vec::new();
    for (at, space) in sparse.space.iter().enumerate().take(sparse.record_end[row] as usize).skip(first) {
        let start = if at == 0 { 0 } else { sparse.space[at - 1].end };
        for name in &sparse.name[start as usize..space.end as usize] {
            let name = match *name {
                Name::Plain(name) => text(name),
                Name::Text(name, value) => format!("{}^{}", text(name), text(value)),
                Name::Place(place) => format!("#{place}"),
            };
            names.push(format!("{}|{name} ", text(space.name)));
        }
    }
    names
}

fn columns_of(records: &Records, schema: &Schema, row: usize) -> Vec<String> {
    let columns: Vec<_> = schema.of(Role::Categorical).collect();
    let spans = &records.text[row * columns.len()..(row + 1) * columns.len()];
    let filled = columns.iter().zip(spans).filter(|(column, span)| span.len > 0 && !schema.is_replaced(column));
    filled.map(|(column, &span)| format!("{}={} ", column.name, of(records, span))).collect()
}
