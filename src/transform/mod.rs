//! The transforms between parser and encoder: they change, make and leave out columns of parsed records.
//!
//! Pure: nothing is remembered from one record to the next.

mod expression;
pub mod log;
mod steps;

use crate::record::Records;
use crate::schema::Schema;

/// The transforms that a schema asks for.
#[derive(Debug)]
pub struct Transform {
    log: log::Logarithms,
}

impl Transform {
    /// The transforms that a schema asks for.
    pub fn new(schema: &Schema) -> Self {
        Self { log: log::Logarithms::new(schema) }
    }

    /// Changes the records in place.
    pub fn apply(&self, records: &mut Records) {
        self.log.apply(records);
    }
}
