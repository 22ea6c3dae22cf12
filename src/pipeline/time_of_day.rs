//! The time of day: takes a moment, gives how long ago it was.
//!
//! The only place that reads it, for what people and monitors are shown of live input. It never has a say in what is
//! learned, predicted or written.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since a moment, itself in microseconds since 1970; below 0 where that is still to come.
#[expect(clippy::disallowed_methods, reason = "how far live input is behind can be told by no other clock")]
pub(super) fn seconds_since(moment: i64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    now - moment as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_as_long_ago_as_the_time_between_says() {
        let (first, second) = (seconds_since(0), seconds_since(-2_500_000));
        assert!(first > 1e9 && (second - first - 2.5).abs() < 60.0, "{first} {second}");
    }
}
