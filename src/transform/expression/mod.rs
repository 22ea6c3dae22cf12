//! Expressions over columns: takes SQL text once, gives an array for every table of columns.
//!
//! SQL is read by `sqlparser`; [`sql`] gives every part its kind, so that a mistake is found before the first record;
//! [`operators`], [`functions`] and [`cast`] are Arrow's kernels under SQL's names. Three-valued logic as in SQL: what
//! is done to a missing value is missing, and a missing condition is not true. Numbers are 64-bit floats.

mod cast;
mod functions;
mod operators;
mod sql;
mod value;

use std::cell::RefCell;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::error::ArrowError;

pub(super) use cast::as_kind;
pub(super) use value::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::record::Reason;
use crate::schema::step::Kind;

/// A column that expressions may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub name: String,
    pub kind: Kind,
}

/// An expression whose kinds are known.
#[derive(Debug)]
pub(super) struct Expression {
    root: Typed,
}

/// A part of an expression, and what it gives; `None` for a bare NULL, which is of every kind.
#[derive(Debug)]
struct Typed {
    kind: Option<Kind>,
    node: Node,
}

#[derive(Debug)]
enum Node {
    /// A column, by its place.
    Column(usize),
    /// One value for all records.
    Constant(Value),
    /// An operator or a function of the parts.
    Call(Kernel, Vec<Typed>),
}

/// What an operator or a function does: to columns, or single values, of the kinds that it was checked for.
type Kernel = fn(&[Value], &Scope<'_>) -> std::result::Result<Value, ArrowError>;

/// The table that an expression looks at.
pub(super) struct Scope<'a> {
    pub columns: &'a [ArrayRef],
    pub rows: usize,
    /// Why a record cannot be used, by its row.
    pub faults: &'a Faults,
}

/// The rows that a cast could not read, each with its first reason.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: RefCell<Vec<(usize, Reason)>>,
}

impl Faults {
    pub(super) fn add(&self, row: usize, reason: Reason) {
        self.found.borrow_mut().push((row, reason));
    }

    /// The rows found since the last time, in order, each once.
    pub(super) fn take(&self) -> Vec<(usize, Reason)> {
        let mut found = std::mem::take(&mut *self.found.borrow_mut());
        found.sort_by_key(|(row, _)| *row);
        found.dedup_by_key(|(row, _)| *row);
        found
    }
}

impl Expression {
    /// Reads an expression over these columns.
    ///
    /// # Errors
    /// What is no SQL expression, names what is not there, or does to values what cannot be done to their kind.
    pub(super) fn new(text: &str, columns: &[Named]) -> Result<Self> {
        let root = sql::compile(text, columns)
            .map_err(|reason| Error::usage(format!("the expression \"{text}\" cannot be used: {reason}")))?;
        Ok(Self { root })
    }

    /// What it gives; text where it is NULL alone.
    pub(super) fn kind(&self) -> Kind {
        self.root.kind.unwrap_or(Kind::Text)
    }

    /// The places of the columns that it looks at.
    pub(super) fn columns(&self) -> Vec<usize> {
        let mut places = Vec::new();
        self.root.columns(&mut places);
        places
    }

    /// Its value for every record.
    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Result<ArrayRef> {
        self.root.evaluate(scope).and_then(|value| value.whole(scope.rows)).map_err(kernel_failed)
    }

    /// The records for which it is true.
    pub(super) fn is_true(&self, scope: &Scope<'_>) -> Result<BooleanArray> {
        let array = self.evaluate(scope)?;
        value::booleans(&array).map(operators::true_alone).map_err(kernel_failed)
    }
}

impl Typed {
    fn evaluate(&self, scope: &Scope<'_>) -> std::result::Result<Value, ArrowError> {
        match &self.node {
            &Node::Column(at) => as_kind(&scope.columns[at], self.kind.unwrap_or(Kind::Text), scope).map(Value::Column),
            Node::Constant(value) => Ok(value.clone()),
            Node::Call(kernel, parts) => {
                let values =
                    parts.iter().map(|part| part.evaluate(scope)).collect::<std::result::Result<Vec<_>, _>>()?;
                kernel(&values, scope)
            }
        }
    }

    fn columns(&self, places: &mut Vec<usize>) {
        match &self.node {
            &Node::Column(at) => places.push(at),
            Node::Constant(_) => {}
            Node::Call(_, parts) => parts.iter().for_each(|part| part.columns(places)),
        }
    }
}

/// Kinds are checked before the first record, so a kernel that refuses its input is our mistake.
#[cold]
fn kernel_failed(cause: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "an expression failed on values that it was checked for: please report this")
        .because(cause)
}

#[cfg(test)]
mod tests {
    // What expressions give, written out by hand from the rules of SQL.

    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    /// Columns `a` (numbers), `s` (text), `b` (conditions), `t` (times as text in a column of times) and `odd name`.
    fn table() -> (Vec<Named>, Vec<ArrayRef>) {
        let column = |name: &str, kind| Named { name: name.into(), kind };
        let named = vec![
            column("a", Kind::Number),
            column("s", Kind::Text),
            column("b", Kind::Boolean),
            column("t", Kind::Time),
            column("odd \"name", Kind::Number),
            column("user.id", Kind::Text),
        ];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from(vec![Some(1.0), Some(-2.5), None])),
            Arc::new(StringArray::from(vec![Some("ab"), Some("Äx"), None])),
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
            Arc::new(StringArray::from(vec![Some("2001-02-03T04:05:06"), Some("1969-12-31 23:00:00"), Some("")])),
            Arc::new(Float64Array::from(vec![7.0, 8.0, 9.0])),
            Arc::new(StringArray::from(vec!["u1", "u2", "u3"])),
        ];
        (named, columns)
    }

    /// The values of an expression as text, `-` for a missing one.
    fn values(text: &str) -> String {
        let (named, columns) = table();
        let faults = Faults::default();
        let expression = Expression::new(text, &named).unwrap_or_else(|error| panic!("{error}"));
        let array = expression.evaluate(&Scope { columns: &columns, rows: 3, faults: &faults }).unwrap();
        assert_eq!(*array.data_type(), value::data_type(expression.kind()), "{text}");
        let text = arrow::compute::cast(&array, &arrow::datatypes::DataType::Utf8).unwrap();
        let text =
            value::texts(&text).unwrap().iter().map(|v| v.unwrap_or("-").to_owned()).collect::<Vec<_>>().join(" ");
        let found = faults.take();
        if found.is_empty() { text } else { format!("{text} {found:?}") }
    }

    fn refusal(text: &str) -> String {
        let (named, _) = table();
        Expression::new(text, &named).unwrap_err().to_string()
    }

    #[test]
    fn arithmetic_and_missing_values_are_those_of_sql() {
        for (text, expected) in [
            ("a + 1", "2.0 -1.5 -"),
            ("-a * 2 / 4", "-0.5 1.25 -"),
            ("a % 2", "1.0 -0.5 -"),
            ("1 / 0", "inf inf inf"),
            ("\"odd \"\"name\" - 7", "0.0 1.0 2.0"),
            ("NULL + a", "- - -"),
            ("abs(a) + sqrt(4)", "3.0 4.5 -"),
            ("round(a) + floor(a) + ceil(a)", "3.0 -8.0 -"), // round is away from zero: -3 - 3 - 2
            ("ln(1) + exp(0) + power(2, 3) + log10(100) + log2(8) + log1p(0)", "14.0 14.0 14.0"),
            ("sign(a)", "1.0 -1.0 -"),
            ("greatest(a, 0, NULL)", "1.0 0.0 0.0"),
            ("least(a, 0)", "0.0 -2.5 0.0"),
            ("coalesce(a, 9)", "1.0 -2.5 9.0"),
            ("nullif(a, 1)", "- -2.5 -"),
            ("mod(7, 4)", "3.0 3.0 3.0"),
            ("signed_log(a)", "0.6931471824645996 -1.2527629137039185 -"), // rounded to 32 bits, as --log is
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn conditions_have_three_values() {
        for (text, expected) in [
            ("a > 0", "true false -"),
            ("a > 0 OR s IS NULL", "true false true"),
            ("a > 0 AND s = 'ab'", "true false -"),
            ("NOT b", "false true -"),
            ("b IS TRUE", "true false false"),
            ("b IS NOT TRUE", "false true true"),
            ("b IS FALSE", "false true false"),
            ("a IN (1, 2)", "true false -"),
            ("s NOT IN ('ab', 'cd')", "false true -"),
            ("a BETWEEN -3 AND 0", "false true -"),
            ("s LIKE '_b'", "true false -"),
            ("s NOT LIKE '%x'", "true false -"),
            ("s ILIKE 'Ä%'", "false true -"),
            ("a <> 1", "false true -"),
            ("a IS NOT NULL", "true true false"),
            ("b = true", "true false -"),
            ("\"user.id\" >= 'u2'", "false true true"),
            ("user.id = 'u1'", "true false false"),
            ("t > '1970-01-01'", "true false -"),
            ("starts_with(s, 'a') OR ends_with(s, 'x') OR contains(s, 'q')", "true true -"),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn text_is_counted_in_characters() {
        for (text, expected) in [
            ("s || '-' || 'z'", "ab-z Äx-z -"),
            ("length(s)", "2.0 2.0 -"),
            ("upper(s) || lower(s)", "ABab ÄXäx -"),
            ("substring(s FROM 2 FOR 1)", "b x -"),
            ("substr(s, 1, 1)", "a Ä -"),
            ("substring(s FROM 2)", "b x -"),
            ("concat(s, 'q')", "abq Äxq q"),
            ("replace(s, 'b', 'cc')", "acc Äx -"),
            ("split_part('a;b;c', ';', 2)", "b b b"),
            ("trim('  x ')", "x x x"),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn times_have_parts() {
        for (text, expected) in [
            ("extract(hour from t)", "4.0 23.0 -"),
            ("extract(dow from t)", "6.0 3.0 -"), // a Saturday, a Wednesday; Sunday is 0
            ("year(t) * 100 + month(t)", "200102.0 196912.0 -"),
            ("epoch(t)", "981173106.0 -3600.0 -"),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn cases_take_the_first_that_is_true() {
        assert_eq!(values("CASE WHEN a > 0 THEN 'up' WHEN a < 0 THEN 'down' END"), "up down -");
        assert_eq!(values("CASE s WHEN 'ab' THEN 1 ELSE 0 END"), "1.0 0.0 0.0");
    }

    #[test]
    fn a_cast_that_fails_is_a_fault_of_its_record_and_a_tried_one_is_missing() {
        assert_eq!(values("CAST('12.5' AS DOUBLE)"), "12.5 12.5 12.5");
        assert_eq!(values("TRY_CAST(s AS DOUBLE)"), "- - -");
        assert_eq!(values("CAST(s AS DOUBLE)"), "- - - [(0, NotANumber), (1, NotANumber)]");
        assert_eq!(values("CAST(a AS TEXT)"), "1 -2.5 -");
        assert_eq!(values("CAST(a > 0 AS DOUBLE)"), "1.0 0.0 -");
        assert_eq!(values("s::TIMESTAMP"), "- - - [(0, NotATime), (1, NotATime)]");
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_what_can() {
        for (text, expected) in [
            ("a +", "cannot be used"),
            ("a > 1 b", "goes on with \"b\""),
            ("nope > 1", "there is no column \"nope\" here; there are a, s, b"),
            ("a = 'x'", "one of them is text, and a number is needed; CAST("),
            ("s + 1", "CAST(s AS DOUBLE)"),
            ("sin(s)", "s is text"),
            ("frob(a)", "there is no function frob; there are abs"),
            ("abs(a, a)", "abs takes another number of values than 2"),
            ("CAST(s AS INT)", "DOUBLE"),
            ("(SELECT 1)", "SQL that Tidemill does not know"),
            ("a ~ 'x'", "does not know the operator"),
            ("CASE WHEN a THEN 1 END", "a is a number, and true or false is needed"),
            ("sum(a)", "there is no function sum"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(expected), "{text}: {refusal}");
        }
        assert!(refusal(&"(".repeat(10_000)).contains("cannot be used"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_compiler_panic(text in "[a-cs0-9 '\"().,+*/%<>=|-]{0,40}|(a|s|b|AND|OR|NOT|\\(|\\)|,|CASE|WHEN|THEN|END|1|'x'| ){0,20}") {
            let (named, columns) = table();
            if let Ok(expression) = Expression::new(&text, &named) {
                let faults = Faults::default();
                expression.evaluate(&Scope { columns: &columns, rows: 3, faults: &faults }).unwrap();
            }
        }
    }
}
