//! SQL's operators, as Arrow's kernels.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, StringArray};
use arrow::compute::kernels::{boolean, cmp, numeric, zip::zip};
use arrow::compute::{like as like_kernel, prep_null_mask_filter};
use arrow::error::ArrowError;

use super::value::{booleans, texts};
use super::{Scope, Value};

type Result<T> = std::result::Result<T, ArrowError>;

/// A kernel of two values, by the name of Arrow's.
macro_rules! of_two {
    ($($(#[$about:meta])* $name:ident = $kernel:path;)*) => {
        $($(#[$about])* pub(super) fn $name(values: &[Value], _: &Scope<'_>) -> Result<Value> {
            Ok(Value::of(values, ArrayRef::from($kernel(&values[0], &values[1])?.array())))
        })*
    };
}

/// What kernels give: an array behind a pointer, or not yet.
trait Given {
    fn array(self) -> ArrayRef;
}

impl Given for ArrayRef {
    fn array(self) -> ArrayRef {
        self
    }
}

impl Given for BooleanArray {
    fn array(self) -> ArrayRef {
        Arc::new(self)
    }
}

of_two! {
    add = numeric::add;
    subtract = numeric::sub;
    multiply = numeric::mul;
    divide = numeric::div;
    remainder = numeric::rem;
    equal = cmp::eq;
    not_equal = cmp::neq;
    less = cmp::lt;
    less_or_equal = cmp::lt_eq;
    greater = cmp::gt;
    greater_or_equal = cmp::gt_eq;
    like = like_kernel;
    ilike = arrow::compute::ilike;
    starts_with = arrow::compute::starts_with;
    ends_with = arrow::compute::ends_with;
    contains = arrow::compute::contains;
}

pub(super) fn negate(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    numeric::neg(values[0].array()).map(|array| Value::of(values, array))
}

pub(super) fn and(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let level = Value::level(values)?;
    let both = boolean::and_kleene(booleans(&level[0])?, booleans(&level[1])?)?;
    Ok(Value::of(values, Arc::new(both)))
}

pub(super) fn or(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let level = Value::level(values)?;
    let either = boolean::or_kleene(booleans(&level[0])?, booleans(&level[1])?)?;
    Ok(Value::of(values, Arc::new(either)))
}

pub(super) fn not(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    Ok(values[0].like(boolean::not(booleans(values[0].array())?)?))
}

pub(super) fn is_missing(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    Ok(values[0].like(boolean::is_null(values[0].array())?))
}

pub(super) fn is_there(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    Ok(values[0].like(boolean::is_not_null(values[0].array())?))
}

/// `IS TRUE`: a missing condition is not true.
pub(super) fn is_true(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    Ok(values[0].like(true_alone(booleans(values[0].array())?)))
}

/// True where a condition is, false where it is false or missing.
pub(super) fn true_alone(condition: &BooleanArray) -> BooleanArray {
    if condition.null_count() == 0 { condition.clone() } else { prep_null_mask_filter(condition) }
}

/// `CASE WHEN a THEN b ELSE c END`.
pub(super) fn choose(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let level = Value::level(values)?;
    let mask = true_alone(booleans(&level[0])?);
    zip(&mask, &level[1], &level[2]).map(|array| Value::of(values, array))
}

/// `a || b`.
pub(super) fn join(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let level = Value::level(values)?;
    let pairs = texts(&level[0])?.iter().zip(texts(&level[1])?.iter());
    let joined: StringArray = pairs.map(|(a, b)| Some(format!("{}{}", a?, b?))).collect();
    Ok(Value::of(values, Arc::new(joined)))
}
