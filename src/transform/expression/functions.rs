//! SQL's functions: their names, what they take and give, and what they do. Logarithms and powers are libm's, so that
//! every machine gives the same.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, StringArray};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{DatePart, cast, date_part, is_not_null, nullif};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;

use super::value::{booleans, numbers, texts, times};
use super::{Kernel, Scope, Value, operators};
use crate::schema::step::Kind;
use crate::transform::log::signed_log;

type Result<T> = std::result::Result<T, ArrowError>;

/// A function by its name.
pub(super) struct Function {
    pub name: &'static str,
    pub takes: Takes,
    /// What it gives; `None` where that is the kind of what it takes.
    pub gives: Option<Kind>,
    pub kernel: Kernel,
}

/// What a function takes.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    /// Exactly these.
    Exactly(&'static [Kind]),
    /// One or more of a kind.
    Some(Kind),
    /// One or more of any one kind.
    Alike,
    /// Two of any one kind.
    TwoAlike,
}

const NUMBER: Takes = Takes::Exactly(&[Kind::Number]);
const NUMBERS: Takes = Takes::Exactly(&[Kind::Number, Kind::Number]);
const TEXT: Takes = Takes::Exactly(&[Kind::Text]);
const TEXTS: Takes = Takes::Exactly(&[Kind::Text, Kind::Text]);
const TIME: Takes = Takes::Exactly(&[Kind::Time]);

const fn function(name: &'static str, takes: Takes, gives: Kind, kernel: Kernel) -> Function {
    Function { name, takes, gives: Some(gives), kernel }
}

/// A function of one number, by the number's function.
macro_rules! of_number {
    ($name:literal, $one:expr) => {
        function($name, NUMBER, Kind::Number, |values, _| {
            Ok(values[0].like(numbers(values[0].array())?.unary::<_, Float64Type>($one)))
        })
    };
}

/// A part of a time as a number.
macro_rules! of_time {
    ($name:literal, $part:expr) => {
        function($name, TIME, Kind::Number, |values, _| part(values, $part))
    };
}

/// All functions, by kind and name.
pub(super) static FUNCTIONS: &[Function] = &[
    of_number!("abs", f64::abs),
    of_number!("ceil", f64::ceil),
    of_number!("ceiling", f64::ceil),
    of_number!("exp", libm::exp),
    of_number!("floor", f64::floor),
    of_number!("ln", libm::log),
    of_number!("log10", libm::log10),
    of_number!("log1p", libm::log1p),
    of_number!("log2", libm::log2),
    of_number!("round", f64::round),
    of_number!("sign", |x| if x == 0.0 || x.is_nan() { x } else { x.signum() }),
    of_number!("sqrt", f64::sqrt),
    of_number!("signed_log", |x| f64::from(signed_log(x as f32))),
    of_number!("sin", libm::sin),
    of_number!("cos", libm::cos),
    function("power", NUMBERS, Kind::Number, power),
    function("pow", NUMBERS, Kind::Number, power),
    function("mod", NUMBERS, Kind::Number, operators::remainder),
    function("greatest", Takes::Some(Kind::Number), Kind::Number, |values, _| most(values, f64::max)),
    function("least", Takes::Some(Kind::Number), Kind::Number, |values, _| most(values, f64::min)),
    function("lower", TEXT, Kind::Text, |values, _| of_text(values, |text| text.to_lowercase())),
    function("upper", TEXT, Kind::Text, |values, _| of_text(values, |text| text.to_uppercase())),
    function("trim", TEXT, Kind::Text, |values, _| of_text(values, |text| text.trim().to_owned())),
    function("length", TEXT, Kind::Number, length),
    function("char_length", TEXT, Kind::Number, length),
    function("starts_with", TEXTS, Kind::Boolean, operators::starts_with),
    function("ends_with", TEXTS, Kind::Boolean, operators::ends_with),
    function("contains", TEXTS, Kind::Boolean, operators::contains),
    function("concat", Takes::Some(Kind::Text), Kind::Text, concat),
    function("replace", Takes::Exactly(&[Kind::Text, Kind::Text, Kind::Text]), Kind::Text, replace),
    function("split_part", Takes::Exactly(&[Kind::Text, Kind::Text, Kind::Number]), Kind::Text, split_part),
    function("substr", Takes::Exactly(&[Kind::Text, Kind::Number, Kind::Number]), Kind::Text, substring),
    Function { name: "coalesce", takes: Takes::Alike, gives: None, kernel: coalesce },
    Function { name: "nullif", takes: Takes::TwoAlike, gives: None, kernel: null_if },
    of_time!("year", DatePart::Year),
    of_time!("month", DatePart::Month),
    of_time!("day", DatePart::Day),
    of_time!("hour", DatePart::Hour),
    of_time!("minute", DatePart::Minute),
    of_time!("second", DatePart::Second),
    of_time!("dow", DatePart::DayOfWeekSunday0),
    of_time!("doy", DatePart::DayOfYear),
    of_time!("week", DatePart::Week),
    function("epoch", TIME, Kind::Number, |values, _| {
        Ok(values[0].like(times(values[0].array())?.unary::<_, Float64Type>(|micros| micros as f64 / 1e6)))
    }),
];

fn power(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let level = Value::level(values)?;
    let pairs = numbers(&level[0])?.iter().zip(numbers(&level[1])?.iter());
    let powers: Float64Array = pairs.map(|(x, y)| Some(libm::pow(x?, y?))).collect();
    Ok(Value::of(values, Arc::new(powers)))
}

/// The largest or least of several numbers; missing ones are passed over, as PostgreSQL does.
fn most(values: &[Value], pick: fn(f64, f64) -> f64) -> Result<Value> {
    let level = Value::level(values)?;
    let mut so_far = numbers(&level[0])?.clone();
    for next in &level[1..] {
        let pairs = so_far.iter().zip(numbers(next)?.iter());
        so_far = pairs.map(|(a, b)| a.zip(b).map(|(a, b)| pick(a, b)).or(a).or(b)).collect();
    }
    Ok(Value::of(values, Arc::new(so_far)))
}

fn of_text(values: &[Value], one: fn(&str) -> String) -> Result<Value> {
    let changed: StringArray = texts(values[0].array())?.iter().map(|text| text.map(one)).collect();
    Ok(values[0].like(changed))
}

/// Characters, not bytes.
fn length(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let lengths: Float64Array =
        texts(values[0].array())?.iter().map(|text| text.map(|text| text.chars().count() as f64)).collect();
    Ok(values[0].like(lengths))
}

/// `concat(a, b, ...)`: missing ones are passed over.
fn concat(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let level = Value::level(values)?;
    let columns = level.iter().map(texts).collect::<Result<Vec<_>>>()?;
    let of_row = |row| columns.iter().filter(|column| column.is_valid(row)).map(|column| column.value(row)).collect();
    let joined = StringArray::from_iter_values((0..level[0].len()).map(|row| -> String { of_row(row) }));
    Ok(Value::of(values, Arc::new(joined)))
}

fn replace(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let level = Value::level(values)?;
    let (text, from, to) = (texts(&level[0])?, texts(&level[1])?, texts(&level[2])?);
    let rows = text.iter().zip(from.iter()).zip(to.iter());
    let replaced: StringArray = rows
        .map(|((text, from), to)| Some(if from?.is_empty() { text?.into() } else { text?.replace(from?, to?) }))
        .collect();
    Ok(Value::of(values, Arc::new(replaced)))
}

/// The n-th part, from 1, of what stands between separators; nothing where there are fewer.
fn split_part(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let level = Value::level(values)?;
    let (text, separator, place) = (texts(&level[0])?, texts(&level[1])?, numbers(&level[2])?);
    let rows = text.iter().zip(separator.iter()).zip(place.iter());
    let part = |text: &str, separator: &str, place: f64| -> Option<String> {
        let at = (place - 1.0).max(0.0) as usize;
        if separator.is_empty() { None } else { text.split(separator).nth(at).map(str::to_owned) }
    };
    let parts: StringArray = rows.map(|((text, separator), place)| part(text?, separator?, place?)).collect();
    Ok(Value::of(values, Arc::new(parts)))
}

/// `substr(text, from, characters)`, from 1.
fn substring(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let level = Value::level(values)?;
    let (text, from, count) = (texts(&level[0])?, numbers(&level[1])?, numbers(&level[2])?);
    let rows = text.iter().zip(from.iter()).zip(count.iter());
    let part = |text: &str, from: f64, count: f64| -> String {
        let end = (from + count - 1.0).max(0.0) as usize; // what stands before the first character counts
        let start = (from - 1.0).max(0.0) as usize;
        text.chars().take(end).skip(start).collect()
    };
    let parts: StringArray = rows.map(|((text, from), count)| Some(part(text?, from?, count?))).collect();
    Ok(Value::of(values, Arc::new(parts)))
}

/// The first that is not missing.
fn coalesce(values: &[Value], _: &Scope<'_>) -> Result<Value> {
    let level = Value::level(values)?;
    let mut so_far = level[0].clone();
    for next in &level[1..] {
        so_far = zip(&is_not_null(&so_far)?, &so_far, next)?;
    }
    Ok(Value::of(values, so_far))
}

/// Missing where both are equal.
fn null_if(values: &[Value], scope: &Scope<'_>) -> Result<Value> {
    let level: Vec<ArrayRef> = Value::level(values)?;
    let equal = operators::equal(&[Value::Column(level[0].clone()), Value::Column(level[1].clone())], scope)?;
    nullif(&level[0], booleans(equal.array())?).map(|array| Value::of(values, array))
}

fn part(values: &[Value], part: DatePart) -> Result<Value> {
    let whole = date_part(values[0].array(), part)?;
    cast(&whole, &DataType::Float64).map(|array| Value::of(values, array))
}
