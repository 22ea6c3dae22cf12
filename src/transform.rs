//! The transforms between parser and encoder: they change parsed records in place, one by one.
//!
//! Pure: nothing is remembered from one record to the next.

use crate::record::Records;
use crate::schema::{Role, Schema};

/// The transforms that a schema asks for.
#[derive(Debug, Clone)]
pub struct Transform {
    /// Places in the dense row whose logarithm is taken.
    log: Vec<usize>,
    stride: usize,
}

impl Transform {
    /// The transforms that a schema asks for.
    pub fn new(schema: &Schema) -> Self {
        let log = schema.of(Role::Numeric).enumerate().filter(|(_, column)| column.log).map(|(at, _)| at);
        Self { log: log.collect(), stride: schema.stride() }
    }

    /// Changes the records in place.
    pub fn apply(&self, records: &mut Records) {
        if self.log.is_empty() {
            return;
        }
        for row in records.numeric.chunks_exact_mut(self.stride) {
            for &at in &self.log {
                row[at] = signed_log(row[at]);
            }
        }
    }
}

/// `sign(x) ln(1 + |x|)`: a logarithm that goes through 0; a missing value stays missing.
///
/// ```
/// use tidemill::transform::signed_log;
/// assert_eq!(signed_log(0.0), 0.0);
/// assert_eq!(signed_log(-3.0), -signed_log(3.0));
/// ```
#[inline]
pub fn signed_log(x: f32) -> f32 {
    if x.is_nan() { x } else { libm::log1pf(x.abs()).copysign(x) }
}
