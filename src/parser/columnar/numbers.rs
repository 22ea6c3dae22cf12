//! Columns as numbers: takes an array of any type, gives 32-bit floats and the rows that have none that can be learned.
//!
//! 64-bit integers become the nearest 64-bit float first and are then rounded to 32 bits, as their text would be.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::*;

use super::{failed, text};
use crate::error::Result;
use crate::parser::number::{MISSING, number};
use crate::record::Reason;

/// The numbers of a column, and the rows in order that must be rejected.
pub(super) type Numbers = (ScalarBuffer<f32>, Vec<(usize, Reason)>);

/// The numbers of `array`; a null is [`MISSING`].
pub(super) fn of(array: &dyn Array) -> Result<Numbers> {
    Ok(match array.data_type() {
        DataType::Float32 => floats(array.as_primitive()),
        DataType::Float64 => converted::<Float64Type>(array, |x| x),
        DataType::Int8 => converted::<Int8Type>(array, f64::from),
        DataType::Int16 => converted::<Int16Type>(array, f64::from),
        DataType::Int32 => converted::<Int32Type>(array, f64::from),
        DataType::Int64 => converted::<Int64Type>(array, |n| n as f64),
        DataType::UInt8 => converted::<UInt8Type>(array, f64::from),
        DataType::UInt16 => converted::<UInt16Type>(array, f64::from),
        DataType::UInt32 => converted::<UInt32Type>(array, f64::from),
        DataType::UInt64 => converted::<UInt64Type>(array, |n| n as f64),
        DataType::Float16 => floats(cast(array, &DataType::Float32).map_err(failed)?.as_primitive()),
        DataType::Null => (vec![MISSING; array.len()].into(), Vec::new()),
        DataType::Dictionary(_, values) => of(&plain(array, values)?)?,
        _ => written(array)?,
    })
}

/// A dictionary's column written out.
fn plain(array: &dyn Array, values: &DataType) -> Result<ArrayRef> {
    cast(array, values).map_err(failed)
}

/// Numbers that are there already; where none is null, nothing is copied.
fn floats(array: &PrimitiveArray<Float32Type>) -> Numbers {
    let values = match array.null_count() {
        0 => array.values().clone(),
        _ => array.iter().map(|value| value.unwrap_or(MISSING)).collect::<Vec<_>>().into(),
    };
    checked(array, values, |_| Reason::NotFinite)
}

fn converted<T: ArrowPrimitiveType>(array: &dyn Array, exact: impl Fn(T::Native) -> f64) -> Numbers {
    let array = array.as_primitive::<T>();
    let mut values: Vec<f32> = array.values().iter().map(|&value| exact(value) as f32).collect();
    if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
        values.iter_mut().zip(nulls).filter(|(_, is_there)| !is_there).for_each(|(value, _)| *value = MISSING);
    }
    let reason = |row| if exact(array.value(row)).is_finite() { Reason::OutOfRange } else { Reason::NotFinite };
    checked(array, values.into(), reason)
}

/// Looks for what is not finite and not null; nearly always there is nothing.
fn checked(array: &dyn Array, values: ScalarBuffer<f32>, reason: impl Fn(usize) -> Reason) -> Numbers {
    let unusable: usize = values.iter().map(|value| usize::from(!value.is_finite())).sum();
    if unusable == array.null_count() {
        return (values, Vec::new());
    }
    let is_bad = |row: &usize| !values[*row].is_finite() && array.is_valid(*row);
    let bad = (0..values.len()).filter(is_bad).map(|row| (row, reason(row))).collect();
    (values, bad)
}

/// Anything else by its text: decimals are exact that way, and text may hold numbers.
fn written(array: &dyn Array) -> Result<Numbers> {
    let (mut bytes, mut bad) = (Vec::new(), Vec::new());
    let fields = text::of(array, &mut bytes)?;
    let values = fields.into_iter().enumerate().map(|(row, field)| {
        field.and_then(|span| number(span.of(&bytes))).unwrap_or_else(|reason| {
            // What is not UTF-8 is no number, as it is in CSV.
            let reason = if reason == Reason::InvalidUtf8 { Reason::NotANumber } else { reason };
            bad.push((row, reason));
            MISSING
        })
    });
    let values = values.collect::<Vec<_>>();
    Ok((values.into(), bad))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Decimal128Array, Float32Array, Float64Array, Int64Array, StringArray, UInt64Array,
    };

    use super::*;

    fn numbers(array: &dyn Array) -> (Vec<f32>, Vec<(usize, Reason)>) {
        let (values, bad) = of(array).unwrap();
        (values.iter().map(|&value| if value.is_nan() { -1.0 } else { value }).collect(), bad)
    }

    #[test]
    fn what_cannot_be_learned_is_told_with_its_row_and_a_null_is_missing() {
        let array = Float64Array::from(vec![Some(1.5), None, Some(f64::NAN), Some(1e39), Some(f64::INFINITY)]);
        let bad = [(2, Reason::NotFinite), (3, Reason::OutOfRange), (4, Reason::NotFinite)];
        assert_eq!(numbers(&array).1, bad);
        assert_eq!(numbers(&array).0[..2], [1.5, -1.0]);
        let array = Float32Array::from(vec![None, Some(f32::INFINITY), Some(2.0)]);
        assert_eq!(numbers(&array).1, [(1, Reason::NotFinite)]);
        assert_eq!(numbers(&array.slice(2, 1)), (vec![2.0], vec![]));
        assert_eq!(numbers(&BooleanArray::from(vec![Some(true), None])).1, [(0, Reason::NotANumber)]);
    }

    #[test]
    fn wide_numbers_are_rounded_as_their_text_is() {
        for n in
            [0, -1, i64::MAX, i64::MIN, (1 << 53) + 1, 16_777_217, 9_007_199_254_740_993, (1 << 40) + (1 << 15) + 1]
        {
            assert_eq!(numbers(&Int64Array::from(vec![n])).0, [number(n.to_string().as_bytes()).unwrap()]);
        }
        assert_eq!(numbers(&UInt64Array::from(vec![u64::MAX])).0, [1.844_674_4e19]);
    }

    #[test]
    fn decimals_and_text_are_numbers_by_their_text() {
        let decimals = Decimal128Array::from(vec![Some(-12_345), None]).with_precision_and_scale(20, 3).unwrap();
        assert_eq!(numbers(&decimals), (vec![-12.345, -1.0], vec![]));
        let text = StringArray::from(vec!["1e2", "x", ""]);
        assert_eq!(numbers(&text), (vec![100.0, -1.0, -1.0], vec![(1, Reason::NotANumber)]));
    }
}
