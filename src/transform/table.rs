//! Between records and columns: parsed records as a table for the steps, and a table as records again.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, NullArray, StringArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use super::steps::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::parser::number;
use crate::record::{PADDING, Reason, Records, Span};
use crate::schema::{Column, Role, Schema};

/// The records as columns of text, one for each column that is read; others hold nothing.
pub(super) fn of_records(records: &Records, schema: &Schema) -> Table {
    let rows = records.rows;
    let width = schema.read.iter().filter(|column| column.role != Role::Ignored).count();
    let mut used = 0;
    let mut column = |column: &Column| -> ArrayRef {
        if column.role == Role::Ignored {
            return Arc::new(NullArray::new(rows));
        }
        used += 1;
        Arc::new(texts((0..rows).map(|row| records.text[row * width + used - 1]), &records.chunk.bytes))
    };
    let columns: Vec<_> = schema.read.iter().map(&mut column).collect();
    let absent = schema.absent.iter().map(|_| -> ArrayRef { Arc::new(NullArray::new(rows)) });
    Table {
        columns: columns.into_iter().chain(absent).collect(),
        rows: UInt32Array::from_iter_values(0..rows as u32),
        faults: Vec::new(),
    }
}

/// Fields as text; an empty one is missing. The parsers have seen to it that it is UTF-8.
fn texts(spans: impl Iterator<Item = Span>, bytes: &[u8]) -> StringArray {
    spans.map(|span| std::str::from_utf8(span.of(bytes)).ok().filter(|text| !text.is_empty())).collect()
}

/// The table's columns in the places that the schema has for them; `from` says which column of the table each is.
pub(super) fn to_records(table: &Table, schema: &Schema, from: &[usize], records: &mut Records) -> Result<()> {
    let rows = table.rows.len();
    let places: Vec<usize> = table.rows.values().iter().map(|&place| place as usize).collect();
    let mut faults: Vec<(u32, Reason, Option<usize>)> =
        table.faults.iter().map(|&(place, reason)| (place, reason, None)).collect();
    records.text.clear();
    let stride = schema.stride();
    records.numeric.resize(rows * stride, number::MISSING);
    records.numeric.fill(number::MISSING);
    let (mut numeric, texts) = (0, schema.of(Role::Categorical).count());
    records.text.resize(rows * texts, Span::default());
    records.chunk.bytes.truncate(records.chunk.len);
    let mut text = 0;
    for (at, column) in schema.columns.iter().enumerate() {
        let array = &table.columns[from[at]];
        match column.role {
            Role::Numeric => {
                let mut put = |row: usize, value| records.numeric[row * stride + numeric] = value;
                numbers(array, &mut put, &mut |row, reason| faults.push((places[row] as u32, reason, Some(at))))?;
                numeric += 1;
            }
            Role::Weight => {
                records.weight.resize(rows, number::MISSING);
                let mut put = |row: usize, value| records.weight[row] = value;
                numbers(array, &mut put, &mut |row, reason| faults.push((places[row] as u32, reason, Some(at))))?;
            }
            Role::Categorical => {
                let spans = spans(array, &mut records.chunk.bytes)?;
                spans.into_iter().enumerate().for_each(|(row, span)| records.text[row * texts + text] = span);
                text += 1;
            }
            Role::Label => records.label = spans(array, &mut records.chunk.bytes)?,
            Role::Id => records.id = spans(array, &mut records.chunk.bytes)?,
            Role::Time | Role::Ignored => {}
        }
    }
    let padded = records.chunk.bytes.len() + PADDING;
    records.chunk.bytes.resize(padded, 0);
    settle(records, &places, faults, schema)
}

/// Numbers of a column as the parsers would have read them.
fn numbers(array: &ArrayRef, put: &mut dyn FnMut(usize, f32), fault: &mut dyn FnMut(usize, Reason)) -> Result<()> {
    if let Some(texts) = array.as_string_opt::<i32>() {
        for (row, text) in texts.iter().enumerate() {
            match number::number(text.unwrap_or_default().as_bytes()) {
                Ok(value) => put(row, value),
                Err(reason) => fault(row, reason),
            }
        }
        return Ok(());
    }
    let numbers = cast(array, &DataType::Float64).map_err(not_cast)?;
    for (row, value) in numbers.as_primitive::<Float64Type>().iter().enumerate() {
        match value.map(|value| value as f32) {
            None => {}
            Some(narrow) if narrow.is_finite() => put(row, narrow),
            _ if value.is_some_and(f64::is_finite) => fault(row, Reason::OutOfRange),
            _ => fault(row, Reason::NotFinite),
        }
    }
    Ok(())
}

/// Values of a column as text behind what `bytes` holds.
fn spans(array: &ArrayRef, bytes: &mut Vec<u8>) -> Result<Vec<Span>> {
    let written: ArrayRef = match array.as_primitive_opt::<Float64Type>() {
        Some(numbers) => {
            let text: StringArray = numbers.iter().map(|number| number.map(|number| number.to_string())).collect();
            Arc::new(text)
        }
        None => cast(array, &DataType::Utf8).map_err(not_cast)?,
    };
    let put = |text: Option<&str>| {
        let text = text.unwrap_or_default();
        let span = Span { start: bytes.len() as u32, len: text.len() as u32 };
        bytes.extend_from_slice(text.as_bytes());
        span
    };
    Ok(written.as_string::<i32>().iter().map(put).collect())
}

#[cold]
fn not_cast(cause: arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "a column made by a transform cannot be used: please report this").because(cause)
}

/// Keeps the records that are left, and turns the others into rejections.
fn settle(
    records: &mut Records,
    places: &[usize],
    mut faults: Vec<(u32, Reason, Option<usize>)>,
    schema: &Schema,
) -> Result<()> {
    faults.sort_by_key(|(place, ..)| *place);
    faults.dedup_by_key(|(place, ..)| *place);
    for &(place, reason, column) in &faults {
        let column = column.map(|at| &schema.columns[at].name);
        records.rejected.push(records.rejection(place as usize, reason, column));
    }
    records.rejected.sort_by_key(|rejected| rejected.number);
    records.filtered = (records.rows - places.len()) as u32 - table_faults(&faults, places);
    records.number = places.iter().map(|&place| records.number[place]).collect();
    if !records.record.is_empty() {
        records.record = places.iter().map(|&place| records.record[place]).collect();
    }
    records.rows = places.len();
    let is_faulty = |place: usize| faults.binary_search_by_key(&(place as u32), |(place, ..)| *place).is_ok();
    let keep: Vec<usize> = (0..places.len()).filter(|&row| !is_faulty(places[row])).collect();
    if keep.len() < places.len() {
        cut(records, &keep);
    }
    Ok(())
}

/// Records that the steps had taken out for a fault.
fn table_faults(faults: &[(u32, Reason, Option<usize>)], places: &[usize]) -> u32 {
    faults.iter().filter(|(place, ..)| places.binary_search(&(*place as usize)).is_err()).count() as u32
}

/// Keeps some rows of the records.
fn cut(records: &mut Records, keep: &[usize]) {
    let rows = records.rows;
    keep_rows(&mut records.numeric, rows, keep);
    keep_rows(&mut records.text, rows, keep);
    keep_rows(&mut records.label, rows, keep);
    keep_rows(&mut records.id, rows, keep);
    keep_rows(&mut records.weight, rows, keep);
    keep_rows(&mut records.number, rows, keep);
    keep_rows(&mut records.record, rows, keep);
    records.rows = keep.len();
}

/// Of `rows` rows of equal length, those in `keep`.
fn keep_rows<T: Copy>(values: &mut Vec<T>, rows: usize, keep: &[usize]) {
    let width = values.len().checked_div(rows).unwrap_or(0);
    for (to, &from) in keep.iter().enumerate() {
        values.copy_within(from * width..(from + 1) * width, to * width);
    }
    values.truncate(keep.len() * width);
}
