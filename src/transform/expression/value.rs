//! What a part of an expression has come to: a column, or one value for all records.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Datum, Float64Array, StringArray, TimestampMicrosecondArray, UInt32Array,
    new_null_array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;

use crate::schema::step::Kind;

type Result<T> = std::result::Result<T, ArrowError>;

/// A column, or a column of one that stands for all records. Its type is its kind's, see [`data_type`].
#[derive(Debug, Clone)]
pub(in crate::transform) enum Value {
    Column(ArrayRef),
    Single(ArrayRef),
}

impl Datum for Value {
    fn get(&self) -> (&dyn Array, bool) {
        match self {
            Self::Column(array) => (array, false),
            Self::Single(array) => (array, true),
        }
    }
}

impl Value {
    pub(super) fn array(&self) -> &ArrayRef {
        match self {
            Self::Column(array) | Self::Single(array) => array,
        }
    }

    /// The same values in another array, made of this one value by value.
    pub(super) fn like(&self, array: impl Array + 'static) -> Self {
        match self {
            Self::Column(_) => Self::Column(Arc::new(array)),
            Self::Single(_) => Self::Single(Arc::new(array)),
        }
    }

    /// A value for each of `rows` records.
    pub(super) fn whole(&self, rows: usize) -> Result<ArrayRef> {
        match self {
            Self::Column(array) => Ok(array.clone()),
            Self::Single(array) => take(array, &UInt32Array::from(vec![0; rows]), None),
        }
    }

    /// What comes of `values` together: one value where all are single.
    pub(super) fn of(values: &[Self], array: ArrayRef) -> Self {
        match values.iter().all(|value| matches!(value, Self::Single(_))) {
            true => Self::Single(array),
            false => Self::Column(array),
        }
    }

    /// Arrays of one length, for kernels that know nothing of single values.
    pub(super) fn level(values: &[Self]) -> Result<Vec<ArrayRef>> {
        let columns = values.iter().filter(|value| matches!(value, Self::Column(_)));
        let rows = columns.map(|value| value.array().len()).next().unwrap_or(1);
        values.iter().map(|value| value.whole(rows)).collect()
    }
}

/// How values of a kind are held.
pub(in crate::transform) fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Number => DataType::Float64,
        Kind::Text => DataType::Utf8,
        Kind::Boolean => DataType::Boolean,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

pub(super) fn null(kind: Kind) -> Value {
    Value::Single(new_null_array(&data_type(kind), 1))
}

pub(super) fn numbers(array: &ArrayRef) -> Result<&Float64Array> {
    array.as_any().downcast_ref().ok_or_else(|| not(array, Kind::Number))
}

pub(super) fn texts(array: &ArrayRef) -> Result<&StringArray> {
    array.as_any().downcast_ref().ok_or_else(|| not(array, Kind::Text))
}

pub(super) fn booleans(array: &ArrayRef) -> Result<&BooleanArray> {
    array.as_any().downcast_ref().ok_or_else(|| not(array, Kind::Boolean))
}

pub(super) fn times(array: &ArrayRef) -> Result<&TimestampMicrosecondArray> {
    array.as_any().downcast_ref().ok_or_else(|| not(array, Kind::Time))
}

fn not(array: &ArrayRef, kind: Kind) -> ArrowError {
    ArrowError::InvalidArgumentError(format!("{} where {} is expected", array.data_type(), kind.name()))
}
