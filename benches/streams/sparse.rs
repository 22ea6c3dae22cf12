//! The made-up streams in formats that spell out their features: numbers as libsvm's text and as Vowpal Wabbit's, and
//! the Criteo-shaped one as the latter, a namespace a column.

use std::io::Write;

use tidemill::schema::{Column, Format, Hashing, Role, Schema};

use super::{Draw, Stream, mix, push_number};

impl Stream {
    /// `rows` records of `columns` normal numbers as `label index:value ...`, the index from 1.
    pub fn libsvm(columns: usize, rows: usize) -> Self {
        let text = numbers(columns, rows, "", |text, at| write!(text, " {}:", at + 1));
        let schema = schema(Format::LibSvm, &[("label", Role::Label)]);
        Self { name: format!("libsvm, {columns} numbers, {rows} records"), text, schema }
    }

    /// The same as `label |f f0:value ...`.
    pub fn vw_numbers(columns: usize, rows: usize) -> Self {
        let text = numbers(columns, rows, " |f", |text, at| write!(text, " f{at}:"));
        Self { name: format!("VW text, {columns} numbers, {rows} records"), text, schema: vw() }
    }

    /// `rows` records of 13 counts and 26 categories with a namespace each, one of them in ten missing.
    pub fn vw_categories(rows: usize) -> Self {
        let (mut draw, mut text) = (Draw::new(39), Vec::new());
        for _ in 0..rows {
            text.extend_from_slice(if draw.label(-1.1) { b"1" } else { b"-1" });
            for column in 0..39u64 {
                let name = char::from(b'A' + column as u8 % 26);
                let value = column << 32 | draw.skewed(10 << (column % 18));
                match column {
                    _ if draw.uniform() < 0.1 => Ok(()),
                    0..13 => write!(text, " |n{name} v:{}", draw.skewed(10_000) as f64 / 1000.0),
                    _ => write!(text, " |{name} {:08x}", mix(value) as u32),
                }
                .expect("memory takes any write");
            }
            text.push(b'\n');
        }
        Self { name: format!("VW text, 13 numbers and 26 categories, {rows} records"), text, schema: vw() }
    }
}

fn numbers(
    columns: usize,
    rows: usize,
    head: &str,
    name: impl Fn(&mut Vec<u8>, usize) -> std::io::Result<()>,
) -> Vec<u8> {
    let (mut draw, mut text) = (Draw::new(columns as u64), Vec::new());
    for _ in 0..rows {
        text.extend_from_slice(if draw.label(0.0) { b"1" } else { b"-1" });
        text.extend_from_slice(head.as_bytes());
        for column in 0..columns {
            name(&mut text, column).expect("memory takes any write");
            push_number(&mut text, draw.normal());
        }
        text.push(b'\n');
    }
    text
}

fn vw() -> Schema {
    schema(Format::Vw, &[("label", Role::Label), ("weight", Role::Weight), ("tag", Role::Ignored)])
}

fn schema(format: Format, columns: &[(&str, Role)]) -> Schema {
    let column = |&(name, role): &(&str, Role)| Column { name: name.into(), role, log: false };
    Schema { columns: columns.iter().map(column).collect(), format, hashing: Hashing::Strings, ..Schema::default() }
}
