//! What the benches read: seeded text in the shapes of well-known data, and the chunks it is cut into. The same arguments
//! give the same bytes.
#![allow(dead_code, reason = "every bench takes its part")]

pub mod sparse;

use std::io::Write;

use tidemill::encoder::infer::{self, Named};
use tidemill::parser::csv;
use tidemill::parser::look::Look;
use tidemill::record::{Chunk, PADDING};
use tidemill::schema::{Column, Format, Role, Schema};
use tidemill::source::CHUNK;

/// Text with its columns: a header line, then records.
pub struct Stream {
    /// What it is, for a title.
    pub name: String,
    /// The text.
    pub text: Vec<u8>,
    /// Its columns; the label is the first.
    pub schema: Schema,
}

impl Stream {
    /// `rows` records of a label and `columns` normal numbers, written as C's `%.6g` would; comma between them.
    pub fn numeric(columns: usize, rows: usize) -> Self {
        let mut draw = Draw::new(columns as u64);
        let schema = schema((0..columns).map(|at| (format!("f{at}"), Role::Numeric)), Format::Csv);
        let mut text = header(&schema);
        let mut row = vec![0.0; columns];
        for _ in 0..rows {
            row.fill_with(|| draw.normal());
            let logit = row.iter().enumerate().map(|(at, x)| x * truth(at as u64)).sum::<f64>();
            text.push(b'0' + u8::from(draw.label(logit / (columns as f64).sqrt() * 2.0)));
            for &value in &row {
                text.push(b',');
                push_number(&mut text, value);
            }
            text.push(b'\n');
        }
        Self { name: format!("numeric CSV, {columns} columns, {rows} records"), text, schema }
    }

    /// `rows` records in the shape of the Criteo click logs: a label, 13 counts and 26 categories of 8 hexadecimal
    /// digits, with gaps; tab between them.
    pub fn criteo(rows: usize) -> Self {
        let mut draw = Draw::new(39);
        let counts = (1..=13).map(|at| (format!("I{at}"), Role::Numeric));
        let categories = (1..=26).map(|at| (format!("C{at}"), Role::Categorical));
        let schema = schema(counts.chain(categories), Format::Tsv);
        let (mut text, mut fields) = (header(&schema), Vec::new());
        for _ in 0..rows {
            fields.clear();
            let mut logit = -1.1;
            for column in 0..13 {
                fields.push(b'\t');
                if draw.uniform() >= 0.05 * f64::from(column % 7) {
                    write!(fields, "{}", draw.skewed(10_000 >> column)).expect("memory takes any write");
                }
            }
            for column in 0..26u64 {
                fields.push(b'\t');
                if draw.uniform() >= 0.03 * (column % 5) as f64 {
                    let value = column << 32 | draw.skewed(10 << (column % 18));
                    logit += 0.3 * truth(value);
                    write!(fields, "{:08x}", mix(value) as u32).expect("memory takes any write");
                }
            }
            text.push(b'0' + u8::from(draw.label(logit)));
            text.extend_from_slice(&fields);
            text.push(b'\n');
        }
        Self { name: format!("Criteo-shaped TSV, 13 numbers and 26 categories, {rows} records"), text, schema }
    }

    /// `rows` records in the shape of a service's log: a label, ten numbers and ten texts, most of them within objects.
    pub fn logs(rows: usize) -> Self {
        let mut draw = Draw::new(20);
        let numbers =
            ["status", "bytes", "latency", "user.age", "user.visits", "price", "geo.lat", "geo.lon", "rank", "age"];
        let texts = [
            "method",
            "path",
            "user.country",
            "user.device",
            "referer",
            "agent",
            "host",
            "request_id",
            "level",
            "zone",
        ];
        let numeric = numbers.map(|name| (name.to_owned(), Role::Numeric));
        let categorical = texts.map(|name| (name.to_owned(), Role::Categorical));
        let schema = schema(numeric.into_iter().chain(categorical), Format::Csv);
        let mut text = header(&schema);
        for _ in 0..rows {
            let logit = draw.normal();
            text.push(b'0' + u8::from(draw.label(logit)));
            for column in 0..10 {
                text.push(b',');
                match column % 2 {
                    0 => write!(text, "{}", draw.skewed(1000 << column)).expect("memory takes any write"),
                    _ => push_number(&mut text, draw.normal() * 30.0 + logit),
                }
            }
            for column in 0..10u64 {
                let value = column << 32 | draw.skewed(4 << column);
                let word = mix(value);
                let len = 4 + word as usize % 13;
                write!(text, ",{word:016x}").expect("memory takes any write");
                text.truncate(text.len() - 16 + len.min(16));
            }
            text.push(b'\n');
        }
        Self { name: format!("log, 10 numbers and 10 texts, {rows} records"), text, schema }
    }

    /// The same records as JSON lines: a name with a dot is a key within an object, a gap is a key that is not there.
    pub fn as_json_lines(&self) -> Self {
        let delimiter = char::from(self.schema.format.delimiter());
        let lines = std::str::from_utf8(&self.text).expect("made-up text is UTF-8").lines().skip(1);
        let mut text = Vec::new();
        for line in lines {
            let fields = self.schema.columns.iter().zip(line.split(delimiter)).filter(|(_, field)| !field.is_empty());
            text.extend_from_slice(json_object(fields).as_bytes());
            text.push(b'\n');
        }
        let schema = Schema { format: Format::JsonL, header: false, ..self.schema.clone() };
        Self { name: format!("{}, as JSON lines", self.name), text, schema }
    }

    /// The file that `TIDEMILL_BENCH_CSV` names, if one is: with a header line, the label first, CSV or TSV.
    pub fn named() -> Option<Self> {
        let path = std::env::var("TIDEMILL_BENCH_CSV").ok()?;
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
        let first_line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let format = if first_line.contains(&b'\t') { Format::Tsv } else { Format::Csv };
        let (names, start) = csv::header(&text, format.delimiter());
        let sample = csv::sample(&text[start..], format.delimiter(), Look::SAMPLE);
        let label = Named { label: Some(names[0].clone()), ..Named::default() };
        let (schema, _) = infer::infer(&names, &vec![None; names.len()], &sample, &label, &[], format, true)
            .unwrap_or_else(|e| panic!("{path}: {e}"));
        Some(Self { name: path, text, schema })
    }

    /// The text in chunks of whole records, as a source would cut it.
    pub fn chunks(&self) -> Vec<Chunk> {
        let (mut chunks, mut at) = (Vec::new(), 0);
        while at < self.text.len() {
            let most = &self.text[at..(at + CHUNK).min(self.text.len())];
            let line_end = memchr::memrchr(b'\n', most)
                .or_else(|| Some(most.len() + memchr::memchr(b'\n', &self.text[at + most.len()..])?));
            let len = line_end.map_or(self.text.len() - at, |end| end + 1);
            let mut chunk = Chunk::of(&self.text[at..at + len]);
            (chunk.first, chunk.offset, chunk.sequence) = (at == 0, at as u64, chunks.len() as u64);
            chunks.push(chunk);
            at += len;
        }
        chunks
    }
}

/// Puts the text of `from` into `into`, whose buffer is used again.
pub fn refill(into: &mut Chunk, from: &Chunk) {
    into.bytes.clear();
    into.bytes.extend_from_slice(&from.bytes[..from.len + PADDING]);
    (into.len, into.first, into.quoted) = (from.len, from.first, from.quoted);
}

fn schema(features: impl Iterator<Item = (String, Role)>, format: Format) -> Schema {
    let label = std::iter::once(("label".to_owned(), Role::Label));
    let columns = label.chain(features).map(|(name, role)| Column { name, role, log: false });
    Schema { columns: columns.collect(), format, header: true, ..Schema::default() }
}

/// Fields as an object; neighbours of one object stand in it together.
fn json_object<'a>(fields: impl Iterator<Item = (&'a Column, &'a str)>) -> String {
    let (mut out, mut around) = (String::from("{"), "");
    for (column, field) in fields {
        let (object, key) = column.name.split_once('.').unwrap_or(("", &column.name));
        if object != around {
            out.push_str(if around.is_empty() { "" } else { "}" });
        }
        out.push_str(if out.ends_with('{') { "" } else { "," });
        if object != around && !object.is_empty() {
            out.push_str(&format!("\"{object}\":{{"));
        }
        let quote = if column.role == Role::Categorical { "\"" } else { "" };
        out.push_str(&format!("\"{key}\":{quote}{field}{quote}"));
        around = object;
    }
    out + if around.is_empty() { "}" } else { "}}" }
}

fn header(schema: &Schema) -> Vec<u8> {
    let names: Vec<_> = schema.columns.iter().map(|column| column.name.as_str()).collect();
    let mut line = names.join(std::str::from_utf8(&[schema.format.delimiter()]).expect("comma or tab")).into_bytes();
    line.push(b'\n');
    line
}

/// Six significant digits, without zeros at the end.
fn push_number(text: &mut Vec<u8>, value: f64) {
    let digits_before = value.abs().max(1e-4).log10().floor() as i32 + 1;
    let digits_behind = (6 - digits_before).max(0) as usize;
    write!(text, "{value:.digits_behind$}").expect("memory takes any write");
    while text.last() == Some(&b'0') {
        text.pop();
    }
    if text.last() == Some(&b'.') {
        text.pop();
    }
}

/// The true weight of a feature, between -1 and 1.
fn truth(feature: u64) -> f64 {
    (mix(feature) >> 11) as f64 * (2.0 / (1u64 << 53) as f64) - 1.0
}

/// A stream of random numbers: SplitMix64 (Steele, Lea, Flood 2014).
pub struct Draw(u64);

impl Draw {
    /// A stream for a seed.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// Uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        (mix(self.0) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal, with mean 0 and variance 1: the sum of four uniform numbers.
    pub fn normal(&mut self) -> f64 {
        (0..4).map(|_| self.uniform() - 0.5).sum::<f64>() * 3f64.sqrt()
    }

    /// A whole number below `limit`, small ones far more often than large ones.
    pub fn skewed(&mut self, limit: u64) -> u64 {
        (self.uniform().powi(4) * limit.max(1) as f64) as u64
    }

    /// True with probability `sigmoid(logit)`.
    pub fn label(&mut self, logit: f64) -> bool {
        self.uniform() < 1.0 / (1.0 + (-logit).exp())
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
