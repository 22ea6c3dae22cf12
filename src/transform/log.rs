//! Logarithms of numeric columns, as `--log` asks for them: changes the dense rows in place.

use std::ops::Range;

use crate::record::Records;
use crate::schema::{Role, Schema};

/// The numeric columns whose logarithm is taken.
#[derive(Debug, Clone)]
pub struct Logarithms {
    /// Neighbouring places in the dense row whose logarithm is taken.
    log: Vec<Range<usize>>,
    stride: usize,
}

impl Logarithms {
    /// The columns that a schema names.
    pub fn new(schema: &Schema) -> Self {
        let mut log: Vec<Range<usize>> = Vec::new();
        for (at, _) in schema.of(Role::Numeric).enumerate().filter(|(_, column)| column.log) {
            match log.last_mut() {
                Some(range) if range.end == at => range.end = at + 1,
                _ => log.push(at..at + 1),
            }
        }
        Self { log, stride: schema.stride() }
    }

    /// Changes the records in place.
    pub fn apply(&self, records: &mut Records) {
        if self.log.is_empty() {
            return;
        }
        for row in records.numeric.chunks_exact_mut(self.stride) {
            self.log.iter().for_each(|range| signed_logs(&mut row[range.clone()]));
        }
    }
}

/// [`signed_log`] of each value, by the widest instructions that this machine has.
fn signed_logs(values: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the line above has found the one feature that this version needs.
        #[allow(unsafe_code, reason = "calling a version for detected instructions")]
        return unsafe { signed_logs_wide(values) };
    }
    values.iter_mut().for_each(|x| *x = signed_log(*x));
}

/// The same code for AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn signed_logs_wide(values: &mut [f32]) {
    values.iter_mut().for_each(|x| *x = signed_log(*x));
}

/// `sign(x) ln(1 + |x|)`: a logarithm that goes through 0; a missing value stays missing.
///
/// The exponent of `1 + |x|` times ln 2, plus the series `2 (s + s^3/3 + s^5/5 + ...)` of its mantissa `m`, where
/// `s = (m - 1) / (m + 1)` and `m` lies between the root of one half and that of two: within a unit in the last place,
/// without a branch or a table, and so many at a time.
///
/// ```
/// use tidemill::transform::log::signed_log;
/// assert_eq!(signed_log(0.0), 0.0);
/// assert_eq!(signed_log(-3.0), -signed_log(3.0));
/// ```
#[inline(always)]
pub fn signed_log(x: f32) -> f32 {
    let size = f64::from(x.abs());
    let bits = (1.0 + size).to_bits();
    let mantissa = f64::from_bits(bits & 0x000f_ffff_ffff_ffff | 0x3ff0_0000_0000_0000);
    let above = mantissa > std::f64::consts::SQRT_2;
    let m = if above { 0.5 * mantissa } else { mantissa };
    let exponent = f64::from((bits >> 52) as i32 - 1023 + i32::from(above));
    let s = (m - 1.0) / (m + 1.0);
    let t = s * s;
    let series = 1.0 + t * (1.0 / 3.0 + t * (0.2 + t * (1.0 / 7.0 + t * (1.0 / 9.0 + t * (1.0 / 11.0 + t / 13.0)))));
    let log = exponent * std::f64::consts::LN_2 + 2.0 * s * series;
    // Near 0 the sum 1 + |x| has no room for x, and its logarithm is x - x^2/2 to all 32 bits.
    let log = if size < 1e-5 { size - 0.5 * size * size } else { log };
    if x.is_nan() { x } else { (log as f32).copysign(x) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::{Column, Format};

    fn check(x: f32) {
        let exact = libm::log1p(f64::from(x).abs()).copysign(f64::from(x));
        let off = (f64::from(signed_log(x)) - exact).abs();
        assert!(off <= f64::from(f32::EPSILON) * exact.abs(), "{x}: {} for {exact}", signed_log(x));
    }

    #[test]
    fn logarithms_are_right_at_the_ends() {
        for x in [0.0, -0.0, 1.0, -1.0, 1e-30, 1e-8, 9.99e-6, 1.01e-5, 0.4142135, 0.41421357, f32::MAX, f32::MIN] {
            check(x);
        }
        assert!(signed_log(f32::NAN).is_nan());
    }

    proptest! {
        #[test]
        fn logarithms_are_right_to_the_last_place(x in prop_oneof![-1e38f32..1e38, -100f32..100.0, -1e-3f32..1e-3]) {
            check(x);
        }

        #[test]
        fn only_the_named_columns_change(values in prop::collection::vec(-1e6f32..1e6, 16)) {
            let column = |at: usize| Column { name: at.to_string(), role: Role::Numeric, log: [1, 2, 5].contains(&at) };
            let schema = Schema { columns: (0..16).map(column).collect(), format: Format::Csv, header: false, ..Schema::default() };
            let mut records = Records { numeric: values.clone(), ..Records::default() };
            Logarithms::new(&schema).apply(&mut records);
            for (at, (&before, &after)) in values.iter().zip(&records.numeric).enumerate() {
                prop_assert_eq!(after, if [1, 2, 5].contains(&at) { signed_log(before) } else { before });
            }
        }
    }
}
