//! Where the values of a column go in the rows of [`Records`]: a row starts with everything missing and is filled in
//! whatever order the keys of its line have.

use crate::parser::number::MISSING;
use crate::record::{Records, Span};
use crate::schema::{Column, Feature, Role, Schema};

/// What is done with a value.
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
}

/// A column that is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub action: Action,
    /// Among the columns of the schema.
    pub column: usize,
    /// Place within the row's numbers or texts.
    pub place: usize,
    /// Whether it holds lists.
    pub is_list: bool,
}

/// The sizes of a row.
#[derive(Debug)]
pub(super) struct Rows {
    stride: usize,
    texts: usize,
    has_label: bool,
    has_id: bool,
    has_weight: bool,
}

impl Rows {
    pub(super) fn new(schema: &Schema) -> Self {
        let has = |role| schema.first(role).is_some();
        Self {
            stride: schema.stride(),
            texts: schema.of(Role::Categorical).count(),
            has_label: has(Role::Label),
            has_id: has(Role::Id),
            has_weight: has(Role::Weight),
        }
    }

    /// Starts a row of missing values.
    #[inline(always)]
    pub(super) fn start(&self, records: &mut Records) {
        let rows = records.rows + 1;
        records.numeric.resize(rows * self.stride, MISSING);
        records.text.resize(rows * self.texts, Span::default());
        if self.has_label {
            records.label.push(Span::default());
        }
        if self.has_id {
            records.id.push(Span::default());
        }
        if self.has_weight {
            records.weight.push(MISSING);
        }
    }

    /// Where a number goes in the row that has been started.
    #[inline(always)]
    pub(super) fn number<'a>(&self, slot: &Slot, records: &'a mut Records) -> &'a mut f32 {
        match slot.action {
            Action::Weight => &mut records.weight[records.rows],
            _ => &mut records.numeric[records.rows * self.stride + slot.place],
        }
    }

    /// Where a text goes in the row that has been started.
    #[inline(always)]
    pub(super) fn text<'a>(&self, slot: &Slot, records: &'a mut Records) -> &'a mut Span {
        match slot.action {
            Action::Label => &mut records.label[records.rows],
            Action::Id => &mut records.id[records.rows],
            _ => &mut records.text[records.rows * self.texts + slot.place],
        }
    }

    /// Makes a value missing again.
    pub(super) fn forget(&self, slot: &Slot, records: &mut Records) {
        match slot.action {
            Action::Number | Action::Weight => *self.number(slot, records) = MISSING,
            Action::Text | Action::Label | Action::Id => *self.text(slot, records) = Span::default(),
        }
    }

    /// Makes the row that has been filled in a record.
    #[inline(always)]
    pub(super) fn end(&self, records: &mut Records, record: Span) {
        records.record.push(record);
        records.number.push(records.seen);
        records.seen += 1;
        records.rows += 1;
    }

    /// Takes the row that has been started back.
    pub(super) fn cut_back(&self, records: &mut Records) {
        let rows = records.rows;
        records.numeric.truncate(rows * self.stride);
        records.text.truncate(rows * self.texts);
        records.label.truncate(rows);
        records.id.truncate(rows);
        records.weight.truncate(rows);
    }
}

/// The columns that are used, with their places.
pub(super) fn slots(schema: &Schema) -> Vec<Slot> {
    let (mut numbers, mut texts, mut slots) = (0.., 0.., Vec::new());
    for (column, about) in schema.columns.iter().enumerate() {
        let (action, place) = match about.role {
            Role::Numeric => (Action::Number, numbers.next()),
            Role::Categorical => (Action::Text, texts.next()),
            Role::Label => (Action::Label, None),
            Role::Id => (Action::Id, None),
            Role::Weight => (Action::Weight, None),
            Role::Time | Role::Ignored => continue,
        };
        let is_list = action == Action::Text && is_list(schema, about);
        slots.push(Slot { action, column, place: place.unwrap_or(0), is_list });
    }
    slots
}

/// Whether a column holds lists: a feature is made of their values.
fn is_list(schema: &Schema, column: &Column) -> bool {
    let of_lists =
        |feature: &Feature| matches!(feature, Feature::List { columns, .. } if columns.contains(&column.name));
    schema.features.iter().any(of_lists)
}
