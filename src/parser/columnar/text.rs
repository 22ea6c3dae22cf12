//! Columns as text: takes an array of any type, puts the text of its values behind what is there, gives a span each.
//!
//! Whole numbers are digits, other numbers their shortest decimal, truth values `true` and `false`, times ISO 8601; bytes
//! must be UTF-8. A null is an empty span. Text that comes again may stand only once.

use std::fmt::Display;
use std::io::Write as _;

use arrow::array::{Array, ArrowPrimitiveType, AsArray, GenericListArray, GenericStringArray, OffsetSizeTrait};
use arrow::compute::cast;
use arrow::datatypes::*;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::failed;
use crate::error::Result;
use crate::record::{Reason, Span};

/// A value's text, or why it has none.
pub(super) type Field = std::result::Result<Span, Reason>;

/// Behind each element of a list.
const SEPARATOR: u8 = 0x1f;

/// The text of each value of `array`.
pub(super) fn of(array: &dyn Array, bytes: &mut Vec<u8>) -> Result<Vec<Field>> {
    Ok(match array.data_type() {
        DataType::Utf8 => strings(array.as_string::<i32>(), bytes),
        DataType::LargeUtf8 => strings(array.as_string::<i64>(), bytes),
        DataType::Utf8View => each(array.as_string_view(), |text| Ok(push(text.as_bytes(), bytes))),
        DataType::Binary => each(array.as_binary::<i32>(), |text| utf8(text, bytes)),
        DataType::LargeBinary => each(array.as_binary::<i64>(), |text| utf8(text, bytes)),
        DataType::BinaryView => each(array.as_binary_view(), |text| utf8(text, bytes)),
        DataType::FixedSizeBinary(_) => each(array.as_fixed_size_binary(), |text| utf8(text, bytes)),
        DataType::Boolean => truths(array, bytes),
        DataType::Dictionary(..) => dictionary(array, bytes)?,
        DataType::Int8 => digits::<Int8Type>(array, bytes, |n| n as u64),
        DataType::Int16 => digits::<Int16Type>(array, bytes, |n| n as u64),
        DataType::Int32 => digits::<Int32Type>(array, bytes, |n| n as u64),
        DataType::Int64 => digits::<Int64Type>(array, bytes, |n| n as u64),
        DataType::UInt8 => digits::<UInt8Type>(array, bytes, u64::from),
        DataType::UInt16 => digits::<UInt16Type>(array, bytes, u64::from),
        DataType::UInt32 => digits::<UInt32Type>(array, bytes, u64::from),
        DataType::UInt64 => digits::<UInt64Type>(array, bytes, |n| n),
        DataType::Float32 => digits::<Float32Type>(array, bytes, |x| u64::from(x.to_bits())),
        DataType::Float64 => digits::<Float64Type>(array, bytes, f64::to_bits),
        DataType::Float16 => of(&cast(array, &DataType::Float32).map_err(failed)?, bytes)?,
        DataType::Null => vec![Ok(Span::default()); array.len()],
        kind if kind.is_nested() => nested(array),
        _ => formatted(array, bytes)?,
    })
}

/// The text of each value of a list's elements, joined; other columns as they are.
pub(super) fn joined(array: &dyn Array, bytes: &mut Vec<u8>) -> Result<Vec<Field>> {
    match array.data_type() {
        DataType::List(_) => joined_list(array.as_list::<i32>(), bytes),
        DataType::LargeList(_) => joined_list(array.as_list::<i64>(), bytes),
        _ => of(array, bytes),
    }
}

fn joined_list<O: OffsetSizeTrait>(lists: &GenericListArray<O>, bytes: &mut Vec<u8>) -> Result<Vec<Field>> {
    let offsets: Vec<usize> = lists.value_offsets().iter().map(|offset| offset.as_usize()).collect();
    let (first, last) = (offsets[0], offsets[lists.len()]);
    let elements = of(&lists.values().slice(first, last - first), bytes)?;
    let list = |row: usize| {
        let range = offsets[row] - first..offsets[row + 1] - first;
        if lists.is_null(row) { Ok(Span::default()) } else { join(&elements[range], bytes) }
    };
    Ok((0..lists.len()).map(list).collect())
}

/// Missing elements are none.
fn join(elements: &[Field], bytes: &mut Vec<u8>) -> Field {
    let start = bytes.len();
    for element in elements {
        let span = (*element)?;
        if span.len > 0 {
            bytes.extend_from_within(span.start as usize..(span.start + span.len) as usize);
            bytes.push(SEPARATOR);
        }
    }
    Ok(behind(start, bytes))
}

/// The span of what has been put behind `start`.
fn behind(start: usize, bytes: &[u8]) -> Span {
    Span { start: start as u32, len: (bytes.len() - start) as u32 }
}

fn push(text: &[u8], bytes: &mut Vec<u8>) -> Span {
    let start = bytes.len();
    bytes.extend_from_slice(text);
    behind(start, bytes)
}

fn utf8(text: &[u8], bytes: &mut Vec<u8>) -> Field {
    std::str::from_utf8(text).map_err(|_| Reason::InvalidUtf8)?;
    Ok(push(text, bytes))
}

fn each<T>(values: impl IntoIterator<Item = Option<T>>, mut field: impl FnMut(T) -> Field) -> Vec<Field> {
    values.into_iter().map(|value| value.map_or(Ok(Span::default()), &mut field)).collect()
}

/// All text of a column lies in one piece: it is copied as such.
fn strings<O: OffsetSizeTrait>(array: &GenericStringArray<O>, bytes: &mut Vec<u8>) -> Vec<Field> {
    let offsets = array.value_offsets();
    let (first, last) = (offsets[0].as_usize(), offsets[array.len()].as_usize());
    let start = bytes.len();
    bytes.extend_from_slice(&array.value_data()[first..last]);
    let span = |row: usize| {
        let (from, to) = (offsets[row].as_usize(), offsets[row + 1].as_usize());
        Span { start: (start + from - first) as u32, len: (to - from) as u32 }
    };
    (0..array.len()).map(|row| Ok(if array.is_null(row) { Span::default() } else { span(row) })).collect()
}

fn truths(array: &dyn Array, bytes: &mut Vec<u8>) -> Vec<Field> {
    let (yes, no) = (push(b"true", bytes), push(b"false", bytes));
    each(array.as_boolean(), |value| Ok(if value { yes } else { no }))
}

/// The values of a dictionary are written down once, unless most of them are another chunk's.
fn dictionary(array: &dyn Array, bytes: &mut Vec<u8>) -> Result<Vec<Field>> {
    let dictionary = array.as_any_dictionary();
    let values = dictionary.values();
    if values.len() > 2 * array.len() {
        return of(&cast(array, values.data_type()).map_err(failed)?, bytes);
    }
    let known = of(values, bytes)?;
    let keys = cast(dictionary.keys(), &DataType::UInt64).map_err(failed)?;
    let field = |key: u64| known.get(key as usize).copied().unwrap_or(Ok(Span::default()));
    Ok(each(keys.as_primitive::<UInt64Type>(), field))
}

/// Places for texts that have been written down already.
const REMEMBERED: usize = 256;

/// Numbers; `bits` tells them apart. Labels and codes come again and again, and writing a number down costs more than
/// finding out that it stands there.
fn digits<T: ArrowPrimitiveType>(array: &dyn Array, bytes: &mut Vec<u8>, bits: impl Fn(T::Native) -> u64) -> Vec<Field>
where
    T::Native: Display,
{
    let mut known = [(0, Span::default()); REMEMBERED];
    each(array.as_primitive::<T>(), |value| {
        let bits = bits(value);
        let (of, span) = &mut known[(bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize];
        if span.len == 0 || *of != bits {
            let start = bytes.len();
            let _ = write!(bytes, "{value}"); // memory takes everything
            (*of, *span) = (bits, behind(start, bytes));
        }
        Ok(*span)
    })
}

/// Lists and structs are no text, but for those that are missing.
fn nested(array: &dyn Array) -> Vec<Field> {
    let field = |row| if array.is_null(row) { Ok(Span::default()) } else { Err(Reason::NotAValue) };
    (0..array.len()).map(field).collect()
}

/// Times, decimals and what else there is.
fn formatted(array: &dyn Array, bytes: &mut Vec<u8>) -> Result<Vec<Field>> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options).map_err(failed)?;
    let field = |row| {
        let start = bytes.len();
        if array.is_valid(row) {
            // A time beyond the calendar has no text.
            write!(bytes, "{}", formatter.value(row)).map_err(|_| Reason::NotATime)?;
        }
        Ok(behind(start, bytes))
    };
    Ok((0..array.len()).map(field).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int64Array, ListArray,
        StringArray, StringViewArray, TimestampMillisecondArray,
    };

    use super::*;

    fn texts_by(read: impl Fn(&dyn Array, &mut Vec<u8>) -> Result<Vec<Field>>, array: &dyn Array) -> Vec<String> {
        let mut bytes = b"before".to_vec();
        let fields = read(array, &mut bytes).unwrap();
        let text = |field: Field| match field {
            Ok(span) => String::from_utf8(span.of(&bytes).to_vec()).unwrap(),
            Err(reason) => format!("{reason:?}"),
        };
        fields.into_iter().map(text).collect()
    }

    fn texts(array: &dyn Array) -> Vec<String> {
        texts_by(of, array)
    }

    #[test]
    fn numbers_are_their_shortest_decimals() {
        assert_eq!(texts(&Int64Array::from(vec![Some(-7), None, Some(0), Some(-7)])), ["-7", "", "0", "-7"]);
        assert_eq!(
            texts(&Float64Array::from(vec![0.1, 1.0, -2.5e-7, 1e21])),
            ["0.1", "1", "-0.00000025", "1000000000000000000000"]
        );
        assert_eq!(texts(&BooleanArray::from(vec![Some(true), None, Some(false)])), ["true", "", "false"]);
    }

    #[test]
    fn times_are_iso_8601() {
        assert_eq!(texts(&Date32Array::from(vec![Some(19_844), None])), ["2024-05-01", ""]);
        let times = TimestampMillisecondArray::from(vec![1_714_557_600_000, 1_714_557_600_250]);
        assert_eq!(texts(&times), ["2024-05-01T10:00:00", "2024-05-01T10:00:00.250"]);
        assert_eq!(texts(&times.with_timezone("+00:00").slice(0, 1)), ["2024-05-01T10:00:00Z"]);
    }

    #[test]
    fn text_is_what_it_is_however_it_is_kept() {
        let words = vec![Some("\u{e9}\"t\u{e9}"), None, Some(""), Some("a,b")];
        let expected = ["\u{e9}\"t\u{e9}", "", "", "a,b"];
        assert_eq!(texts(&StringArray::from(words.clone())), expected);
        assert_eq!(texts(&StringArray::from(words.clone()).slice(1, 3)), expected[1..]);
        assert_eq!(texts(&StringViewArray::from(words.clone())), expected);
        let dictionary: DictionaryArray<Int32Type> = words.clone().into_iter().collect();
        assert_eq!(texts(&dictionary), expected);
        assert_eq!(texts(&dictionary.slice(3, 1)), expected[3..]);
        assert_eq!(texts(&BinaryArray::from(vec![&b"ok"[..], b"\xff"])), ["ok", "InvalidUtf8"]);
    }

    #[test]
    fn a_list_is_text_only_where_its_elements_are_features() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(9)]),
            Some(vec![Some(1), None, Some(22)]),
            None,
            Some(vec![]),
        ]);
        let lists: ArrayRef = Arc::new(lists);
        assert_eq!(texts(&lists), ["NotAValue", "NotAValue", "", "NotAValue"]);
        assert_eq!(texts_by(joined, &lists.slice(1, 3)), ["1\u{1f}22\u{1f}", "", ""]);
    }
}
