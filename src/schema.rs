//! What the columns of a stream are and what each is for. Plain data, shared by the parser and the encoder.

use serde::{Deserialize, Serialize};

use crate::examples::stride;

/// What a column is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A number: standardised online, one weight of its own.
    Numeric,
    /// Text: hashed with the column's name, one weight a value.
    Categorical,
    /// What is learned.
    Label,
    /// The example weight.
    Weight,
    /// Carried into the predictions, not learned.
    Id,
    /// The event time: kept out of the features.
    Time,
    /// Not used.
    Ignored,
}

/// A column of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the header.
    pub name: String,
    /// What it is used for.
    pub role: Role,
    /// A numeric column of which `sign(x) ln(1 + |x|)` is taken before anything else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub log: bool,
}

/// The columns of a stream, in the order of its header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The columns, in the order of the header.
    pub columns: Vec<Column>,
    /// Byte between two fields.
    pub delimiter: u8,
    /// Whether every source opens with a header line.
    pub header: bool,
}

impl Schema {
    /// The columns of one role, in order.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.role == role)
    }

    /// The first column of one role.
    pub fn first(&self, role: Role) -> Option<&Column> {
        self.of(role).next()
    }

    /// Numeric columns.
    pub fn numeric(&self) -> usize {
        self.of(Role::Numeric).count()
    }

    /// Floats of a row of the numeric columns, padding included.
    pub fn stride(&self) -> usize {
        stride(self.numeric())
    }

    /// The names of the columns of one role, comma between them.
    pub fn names(&self, role: Role) -> String {
        self.of(role).map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}
