//! Made-up text for the parser's roofline: takes a shape's numbers or features, gives chunks of CSV or TSV whose records
//! become just that.
//!
//! The same arguments give the same text.

use std::io::Write;

use crate::learner::made_up::{Draw, mix};
use crate::record::Chunk;
use crate::schema::{Column, Format, Role, Schema};

/// Bytes of text, about; several chunks of a run.
const BYTES: usize = 2 << 20;
/// Columns of counts in the text of a sparse shape, hashed like the others.
const COUNTS: usize = 13;

/// Text with its columns; the label is the first.
pub(super) struct Text {
    pub schema: Schema,
    pub chunk: Chunk,
    pub name: String,
}

impl Text {
    /// CSV of normal numbers with seven digits.
    pub fn numbers(columns: usize) -> Self {
        let mut draw = Draw::new(columns as u64);
        let field = |text: &mut Vec<u8>, _: usize, draw: &mut Draw| push(text, format_args!("{:.6}", draw.normal()));
        let text = lines(columns, b',', &mut draw, field);
        Self {
            schema: schema(columns, Role::Numeric, Format::Csv),
            chunk: Chunk::of(&text),
            name: format!("CSV of {columns} numbers"),
        }
    }

    /// TSV in the shape of click logs: small counts, and categories of eight hexadecimal digits, all of them hashed.
    pub fn categories(columns: usize) -> Self {
        let mut draw = Draw::new(columns as u64);
        let field = |text: &mut Vec<u8>, column: usize, draw: &mut Draw| match column {
            0..COUNTS => push(text, format_args!("{}", draw.skewed(10_000 >> column))),
            _ => push(text, format_args!("{:08x}", mix((column as u64) << 32 | draw.skewed(30_000)) as u32)),
        };
        let text = lines(columns, b'\t', &mut draw, field);
        Self {
            schema: schema(columns, Role::Categorical, Format::Tsv),
            chunk: Chunk::of(&text),
            name: format!("TSV of {columns} categories"),
        }
    }
}

/// Whole records, until there are enough.
fn lines(columns: usize, delimiter: u8, draw: &mut Draw, field: impl Fn(&mut Vec<u8>, usize, &mut Draw)) -> Vec<u8> {
    let mut text = Vec::with_capacity(BYTES + (16 * columns));
    while text.len() < BYTES {
        text.push(b'0' + u8::from(draw.label(0.0)));
        for column in 0..columns {
            text.push(delimiter);
            field(&mut text, column, draw);
        }
        text.push(b'\n');
    }
    text
}

/// Appends a field; memory takes any write.
fn push(text: &mut Vec<u8>, field: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(field);
}

fn schema(columns: usize, role: Role, format: Format) -> Schema {
    let label = Column { name: "label".to_owned(), role: Role::Label, log: false };
    let features = (0..columns).map(|at| Column { name: format!("f{at}"), role, log: false });
    Schema { columns: std::iter::once(label).chain(features).collect(), format, ..Schema::default() }
}
