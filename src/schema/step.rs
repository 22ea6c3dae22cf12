//! A transform of columns, as the `[[transform]]` sections of a job file write it.

use serde::{Deserialize, Serialize};

/// One transform; they are carried out in the order in which the job file has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Step {
    /// Keeps the records for which the expression is true.
    Filter(String),
}
