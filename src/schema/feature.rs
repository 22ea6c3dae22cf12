//! What is made of columns beside one feature a column, as the `[[feature]]` sections of a job file write it.

use serde::{Deserialize, Serialize};

/// Features made of some columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "kind")]
pub enum Feature {
    /// Numbers hashed by the names of their columns, values as they are.
    Hash {
        /// The columns, of numbers.
        columns: Vec<String>,
        /// The namespace in which their names are hashed; none is the one without a name.
        #[serde(default)]
        namespace: String,
    },
}
