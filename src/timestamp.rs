//! Times as text: ISO 8601 to microseconds since 1970. Temporary.

/// Microseconds.
pub fn micros(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    arrow::compute::kernels::cast_utils::string_to_timestamp_nanos(text).ok().map(|n| n / 1000)
}
