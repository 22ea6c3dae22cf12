//! Parquet and Arrow: takes the columns of a chunk, gives its records row by row, as the text formats do.
//!
//! The same table gives the same records, whichever format it is written in: a number is the 64-bit float nearest to it,
//! rounded to 32 bits; a number that is used as text is its shortest decimal; a null is a missing value. Columns are
//! found by their names, in any order; what is inside a struct is named by its path, `a.b`.
//!
//! A record is rejected for the first of its columns, in their order, that cannot be used. Siblings: `path` (names),
//! `numbers`, `text` and `rows` (columns turned into rows).

mod numbers;
mod path;
mod rows;
mod text;

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::SchemaRef;

use crate::error::{Error, Result};
use crate::record::{PADDING, Part, Reason, Records, Span};
use crate::schema::{Feature, Role, Schema};
pub use path::named;
use path::{Path, find};

/// A parser of columns for one schema.
#[derive(Debug)]
pub struct ColumnarParser {
    schema: Schema,
    stride: usize,
    /// Text columns.
    texts: usize,
    /// The columns of the last chunk's source, by whose places `used` was made.
    source: Option<SchemaRef>,
    used: Vec<Used>,
}

/// A column that is read.
#[derive(Debug)]
struct Used {
    /// Its place in the schema.
    at: usize,
    role: Role,
    is_list: bool,
    path: Path,
}

/// The records that cannot be used: the first column at fault, by its place in the schema, and why.
type Faults = BTreeMap<usize, (usize, Reason)>;

/// Whether a column's lists are features, an element each.
fn is_list(schema: &Schema, column: &str) -> bool {
    let names_it =
        |feature: &Feature| matches!(feature, Feature::List { columns, .. } if columns.iter().any(|c| c == column));
    schema.features.iter().any(names_it)
}

impl ColumnarParser {
    /// A parser for columns of this schema.
    pub fn new(schema: Schema) -> Self {
        let of = |role| schema.as_read().iter().filter(|column| column.role == role).count();
        let (numeric, texts) = (of(Role::Numeric), of(Role::Categorical));
        Self { stride: crate::examples::stride(numeric), texts, source: None, used: Vec::new(), schema }
    }

    /// Parses the chunk of `records` into them.
    ///
    /// # Errors
    /// A source without a column of the schema, or columns that cannot be decoded.
    pub fn parse(&mut self, records: &mut Records) -> Result<()> {
        let Some(part) = records.chunk.columns.take() else { return Ok(()) };
        let parsed = self.fit(&part, records.chunk.source).and_then(|()| self.columns(&part, records));
        records.chunk.columns = Some(part);
        parsed
    }

    /// Looks the columns of the schema up where the source is another one than before.
    fn fit(&mut self, part: &Part, source: u32) -> Result<()> {
        let found = part.of.schema();
        if self.source.as_ref().is_some_and(|known| std::sync::Arc::ptr_eq(known, found)) {
            return Ok(());
        }
        let columns = self.schema.as_read().iter().enumerate().filter(|(_, column)| column.role.is_read());
        let used = columns.map(|(at, column)| {
            let path = find(found, &column.name).ok_or_else(|| lacks(source, &column.name, found))?;
            Ok(Used { at, role: column.role, is_list: is_list(&self.schema, &column.name), path })
        });
        self.used = used.collect::<Result<_>>()?;
        self.source = Some(found.clone());
        Ok(())
    }

    fn columns(&self, part: &Part, records: &mut Records) -> Result<()> {
        let arrays = self.arrays(part)?;
        let mut bytes = std::mem::take(&mut records.chunk.bytes);
        bytes.clear();
        let (mut faults, mut numbers, mut texts) = (Faults::new(), Vec::new(), 0);
        records.text.resize(part.rows * self.texts, Span::default());
        for (used, array) in self.used.iter().zip(&arrays) {
            match used.role {
                Role::Numeric => numbers.push(used.numbers(array, &mut faults)?),
                Role::Weight => records.weight.extend_from_slice(&used.numbers(array, &mut faults)?),
                Role::Categorical => {
                    let cells = records.text.iter_mut().skip(texts).step_by(self.texts);
                    used.texts(array, &mut bytes, &mut faults)?
                        .into_iter()
                        .zip(cells)
                        .for_each(|(span, cell)| *cell = span);
                    texts += 1;
                }
                Role::Label => records.label = used.texts(array, &mut bytes, &mut faults)?,
                Role::Id => records.id = used.texts(array, &mut bytes, &mut faults)?,
                Role::Time | Role::Ignored => {}
            }
        }
        rows::turn(&numbers, part.rows, self.stride, &mut records.numeric);
        close(bytes, records)?;
        self.settle(part, faults, records);
        Ok(())
    }

    /// The arrays of the used columns. Threads that parse chunks of the same columns begin at different ones, so that each
    /// decodes a part of what all of them need.
    fn arrays(&self, part: &Part) -> Result<Vec<ArrayRef>> {
        let chunk = part.first.checked_div(part.rows).unwrap_or(0) as u32;
        let begin = ((u64::from(chunk.reverse_bits()) * self.used.len() as u64) >> 32) as usize;
        let (first, rest) = self.used.split_at(begin);
        for used in rest.iter().chain(first) {
            part.of.column(used.path.root())?;
        }
        self.used.iter().map(|used| used.path.of(part)).collect()
    }

    /// Numbers the records, and takes those out that cannot be used.
    fn settle(&self, part: &Part, faults: Faults, records: &mut Records) {
        records.seen += part.rows as u32;
        records.rows = part.rows - faults.len();
        if faults.is_empty() {
            records.number.extend(0..part.rows as u32);
            return;
        }
        records.number.extend((0..part.rows as u32).filter(|row| !faults.contains_key(&(*row as usize))));
        self.keep_numbered(records);
        for (row, (at, reason)) in faults {
            let column = Some(self.schema.as_read()[at].name.clone());
            let (source, offset) = (records.chunk.source, records.chunk.offset + row as u64);
            let raw = crate::record::Rejected::raw_of(&part.record(row));
            let number = row as u32;
            records.rejected.push(crate::record::Rejected { number, source, offset, column, reason, raw });
        }
    }

    /// Moves the rows that have a number together.
    fn keep_numbered(&self, records: &mut Records) {
        for (to, &from) in records.number.iter().enumerate() {
            let from = from as usize;
            records.numeric.copy_within(from * self.stride..(from + 1) * self.stride, to * self.stride);
            records.text.copy_within(from * self.texts..(from + 1) * self.texts, to * self.texts);
            for spans in [&mut records.label, &mut records.id] {
                if !spans.is_empty() {
                    spans[to] = spans[from];
                }
            }
            if !records.weight.is_empty() {
                records.weight[to] = records.weight[from];
            }
        }
        records.numeric.truncate(records.rows * self.stride);
        records.text.truncate(records.rows * self.texts);
        records.label.truncate(records.rows);
        records.id.truncate(records.rows);
        records.weight.truncate(records.rows);
    }
}

impl Used {
    fn numbers(&self, array: &dyn Array, faults: &mut Faults) -> Result<ScalarBuffer<f32>> {
        let (values, bad) = numbers::of(array)?;
        for (row, reason) in bad {
            faults.entry(row).or_insert((self.at, reason));
        }
        Ok(values)
    }

    fn texts(&self, array: &dyn Array, bytes: &mut Vec<u8>, faults: &mut Faults) -> Result<Vec<Span>> {
        let fields = if self.is_list { text::joined(array, bytes)? } else { text::of(array, bytes)? };
        let mut spans = Vec::with_capacity(fields.len());
        for (row, field) in fields.into_iter().enumerate() {
            spans.push(field.unwrap_or_default());
            if let Err(reason) = field {
                faults.entry(row).or_insert((self.at, reason));
            }
        }
        Ok(spans)
    }
}

/// Puts the text of all columns, with zeros behind it, into the chunk.
fn close(mut bytes: Vec<u8>, records: &mut Records) -> Result<()> {
    if u32::try_from(bytes.len() + PADDING).is_err() {
        return Err(Error::input(
            "a few thousand records hold more than 4 GiB of text: leave columns out with --ignore",
        ));
    }
    records.chunk.len = bytes.len();
    bytes.resize(bytes.len() + PADDING, 0);
    records.chunk.bytes = bytes;
    Ok(())
}

fn lacks(source: u32, name: &str, found: &SchemaRef) -> Error {
    let names: Vec<_> = named(found).into_iter().map(|(name, _)| name).collect();
    Error::input(format!(
        "input {} lacks the column \"{name}\": inputs of one run must have the same columns; its columns are: {}",
        source + 1,
        names.join(", ")
    ))
}

/// An array that Arrow's own functions could not work with.
fn failed(cause: arrow::error::ArrowError) -> Error {
    Error::input("a column cannot be read: the input is damaged, get a whole copy").because(cause)
}
