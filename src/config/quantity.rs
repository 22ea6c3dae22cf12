//! Quantities as users write them: takes the text of a flag, gives bytes or microseconds.

use crate::error::{Error, Result};
use crate::timestamp;

/// A size like `512M` or `1.5G`; a number alone is in gigabytes, as in `--max-memory`.
///
/// # Errors
/// Anything else.
pub(super) fn bytes(flag: &str, text: &str) -> Result<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[number.len()..].to_ascii_uppercase().trim_end_matches('B') {
        "K" => 1e3,
        "M" => 1e6,
        "G" | "" => 1e9,
        "T" => 1e12,
        _ => f64::NAN,
    };
    match number.trim().parse::<f64>().map(|number| number * unit) {
        Ok(bytes) if bytes.is_finite() && bytes >= 0.0 => Ok(bytes as u64),
        _ => Err(Error::usage(format!("{flag} {text}: write a size like 512M or 4G"))),
    }
}

/// A time like `30s`, `5m` or `7d`, in microseconds.
///
/// # Errors
/// Anything else.
pub(super) fn time(flag: &str, text: &str) -> Result<i64> {
    let refused = || Error::usage(format!("{flag} {text}: write a time like 30s, 5m, 6h or 7d"));
    timestamp::duration(text.trim()).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_and_nothing_else_is() {
        for (text, size) in [
            ("0", 0),
            ("64K", 64_000),
            ("512M", 512_000_000),
            ("1.5G", 1_500_000_000),
            ("2", 2_000_000_000),
            ("1tb", 1_000_000_000_000),
        ] {
            assert_eq!(bytes("--replay-memory", text).unwrap(), size, "{text}");
        }
        for wrong in ["", "-1G", "G", "1X", "inf", "nanG", "a lot"] {
            let error = bytes("--replay-memory", wrong).unwrap_err().to_string();
            assert!(error.contains("512M") && error.contains("--replay-memory"), "{wrong}");
        }
        assert_eq!(time("--join-timeout", "1.5h").unwrap(), 5_400_000_000);
        for wrong in ["", "7", "0s", "-1s", "1 week", "inf d"] {
            assert!(time("--join-timeout", wrong).unwrap_err().to_string().contains("7d"), "{wrong}");
        }
    }
}
