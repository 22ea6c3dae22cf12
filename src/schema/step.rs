//! A transform of columns, as the `[[transform]]` sections of a job file write it. Plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One transform; they are carried out in the order in which the job file has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Step {
    /// Keeps the records for which the expression is true.
    Filter(String),
    /// Makes columns by expressions over those before it; one that is there already is replaced.
    Derive(BTreeMap<String, String>),
    /// Old names to new ones.
    Rename(BTreeMap<String, String>),
    /// Takes columns out.
    Drop(Vec<String>),
    /// Reads columns as another kind; a record with a value that is none is rejected.
    Cast(BTreeMap<String, Kind>),
    /// Moves numbers below or above the two bounds to the bound.
    Clip(BTreeMap<String, [f64; 2]>),
    /// `sign(x) ln(1 + |x|)` of numbers, as `--log` does.
    Log(Vec<String>),
    /// What stands for a missing value.
    Fill(BTreeMap<String, Constant>),
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A 64-bit float.
    Number,
    /// UTF-8.
    Text,
    /// True or false.
    Boolean,
    /// Microseconds since 1970, UTC.
    Time,
}

impl Kind {
    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "text",
            Self::Boolean => "true or false",
            Self::Time => "a time",
        }
    }
}

/// A value written in a job file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// Text in quotes.
    Text(String),
}
