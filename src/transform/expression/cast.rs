//! From one kind to another: what a column of a table is to an expression, and SQL's CAST and TRY_CAST.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::value::{booleans, data_type, numbers, texts, times};
use super::{Scope, Value};
use crate::record::Reason;
use crate::schema::step::Kind;
use crate::timestamp;

type Result<T> = std::result::Result<T, ArrowError>;

/// A column as a kind; values that are none become missing and a fault of their record.
pub(in crate::transform) fn as_kind(array: &ArrayRef, kind: Kind, scope: &Scope<'_>) -> Result<ArrayRef> {
    if *array.data_type() == DataType::Null {
        return Ok(new_null_array(&data_type(kind), array.len()));
    }
    let cast = convert(array, kind)?;
    if cast.null_count() > array.null_count() {
        let fault = if kind == Kind::Time { Reason::NotATime } else { Reason::NotANumber };
        let lost = |&row: &usize| cast.is_null(row) && array.is_valid(row) && !is_blank(array, row);
        (0..array.len()).filter(lost).for_each(|row| scope.faults.add(row, fault));
    }
    Ok(cast)
}

/// `CAST`: a value that is none of the kind is a fault of its record.
pub(super) fn cast<const TO: u8>(values: &[Value], scope: &Scope<'_>) -> Result<Value> {
    match &values[0] {
        Value::Column(array) => as_kind(array, kind(TO), scope).map(Value::Column),
        Value::Single(array) => convert(array, kind(TO)).map(Value::Single),
    }
}

/// `TRY_CAST`: a value that is none of the kind is missing.
pub(super) fn try_cast<const TO: u8>(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let cast = convert(values[0].array(), kind(TO))?;
    Ok(Value::of(values, cast))
}

/// The kind that a kernel is made for.
fn kind(number: u8) -> Kind {
    [Kind::Number, Kind::Text, Kind::Boolean, Kind::Time][usize::from(number) % 4]
}

/// Values as a kind, missing where they are none.
fn convert(array: &ArrayRef, kind: Kind) -> Result<ArrayRef> {
    if *array.data_type() == data_type(kind) {
        return Ok(array.clone());
    }
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let own = |to: &DataType| cast_with_options(array, to, &options);
    let is_text = matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match kind {
        Kind::Number if is_text => Ok(Arc::new(numbers_of(&own(&DataType::Utf8)?)?)),
        Kind::Time if is_text => Ok(Arc::new(times_of(&own(&DataType::Utf8)?)?)),
        Kind::Text if *array.data_type() == DataType::Float64 => Ok(Arc::new(written(numbers(array)?))),
        Kind::Number if matches!(array.data_type(), DataType::Timestamp(..)) => {
            let micros = own(&data_type(Kind::Time))?;
            Ok(Arc::new(times(&micros)?.unary::<_, arrow::datatypes::Float64Type>(|t| t as f64 / 1e6)))
        }
        Kind::Time if array.data_type().is_numeric() => {
            let seconds = own(&DataType::Float64)?;
            let micros = numbers(&seconds)?.unary_opt::<_, arrow::datatypes::TimestampMicrosecondType>(|s| {
                (s.abs() < 9e12).then_some((s * 1e6).round() as i64)
            });
            Ok(Arc::new(micros))
        }
        Kind::Boolean if is_text => {
            let lower = own(&DataType::Utf8)?;
            own_booleans(texts(&lower)?)
        }
        _ => own(&data_type(kind)),
    }
}

fn own_booleans(array: &StringArray) -> Result<ArrayRef> {
    let read = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    };
    let all: arrow::array::BooleanArray = array.iter().map(|text| text.and_then(read)).collect();
    let array: ArrayRef = Arc::new(all);
    booleans(&array).map(|_| array.clone())
}

/// As the parsers read numbers: the 64-bit float nearest to the text.
fn numbers_of(array: &ArrayRef) -> Result<Float64Array> {
    let read = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    Ok(texts(array)?.iter().map(|text| text.and_then(read)).collect())
}

fn times_of(array: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    let read = |text: &str| timestamp::parse(text.as_bytes());
    Ok(texts(array)?.iter().map(|text| text.and_then(read)).collect())
}

/// Numbers as text: whole ones as digits, others as short as tells them apart.
fn written(array: &Float64Array) -> StringArray {
    array.iter().map(|number| number.map(|number| number.to_string())).collect()
}

/// Whether text holds nothing: a missing value, as in CSV.
fn is_blank(array: &ArrayRef, row: usize) -> bool {
    texts(array).is_ok_and(|texts| texts.value(row).trim().is_empty())
}
