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
mod tests;
