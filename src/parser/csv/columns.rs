//! The schema turned into what the readers do field by field.

use crate::parser::number::MISSING;
use crate::record::{Reason, Records, Span};
use crate::schema::{Role, Schema};

/// What a reader does with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A number of the dense row.
    Number,
    /// A span of the text columns.
    Text,
    /// The label's span.
    Label,
    /// The id's span.
    Id,
    /// The example weight.
    Weight,
    /// Nothing.
    Skip,
}

/// Neighbouring columns of which the same is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub action: Action,
    /// First column.
    pub first: usize,
    /// Number of columns.
    pub count: usize,
    /// For numbers: place of the first one in the dense row.
    pub to: usize,
}

/// The columns of a schema as runs, and the sizes of a parsed row.
#[derive(Debug)]
pub(super) struct Columns {
    pub runs: Vec<Run>,
    /// Fields of a record.
    pub count: usize,
    /// Floats of a dense row.
    pub stride: usize,
    /// Spans of a row.
    pub texts: usize,
}

/// Why a record is rejected, and for which column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub reason: Reason,
    pub column: Option<usize>,
}

impl Columns {
    pub(super) fn new(schema: &Schema) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        let mut numbers = 0;
        for (at, column) in schema.columns.iter().enumerate() {
            let action = action(column.role);
            match runs.last_mut() {
                Some(run) if run.action == action => run.count += 1,
                _ => runs.push(Run { action, first: at, count: 1, to: numbers }),
            }
            numbers += usize::from(action == Action::Number);
        }
        Self { runs, count: schema.columns.len(), stride: schema.stride(), texts: schema.of(Role::Categorical).count() }
    }

    /// Starts a row of missing values; gives the place of its first number.
    #[inline(always)]
    pub(super) fn start_row(&self, records: &mut Records) -> usize {
        let base = records.numeric.len();
        records.numeric.resize(base + self.stride, MISSING);
        base
    }

    /// Makes the row that has been filled in a record.
    #[inline(always)]
    pub(super) fn end_row(&self, records: &mut Records, start: usize, end: usize) {
        records.record.push(Span { start: start as u32, len: (end - start) as u32 });
        records.number.push(records.seen);
        records.seen += 1;
        records.rows += 1;
    }

    /// Takes back everything that was added behind the last finished row.
    pub(super) fn cut_back(&self, records: &mut Records) {
        let rows = records.rows;
        records.numeric.truncate(rows * self.stride);
        records.text.truncate(rows * self.texts);
        records.label.truncate(rows);
        records.id.truncate(rows);
        records.weight.truncate(rows);
    }
}

fn action(role: Role) -> Action {
    match role {
        Role::Numeric => Action::Number,
        Role::Categorical => Action::Text,
        Role::Label => Action::Label,
        Role::Id => Action::Id,
        Role::Weight => Action::Weight,
        Role::Time | Role::Ignored => Action::Skip,
    }
}
