//! Numbers as people read them: takes figures, gives short text with sensible digits.
//!
//! A figure that is not there reads `n.a.`; nothing here goes into a file.

/// What stands for a figure that would divide by zero records.
pub(crate) const NOT_AVAILABLE: &str = "n.a.";

/// An integer with a comma between thousands.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A figure with a fixed number of decimals.
pub(crate) fn figure(x: Option<f64>, decimals: usize) -> String {
    x.map_or_else(|| NOT_AVAILABLE.to_owned(), |x| format!("{x:.decimals$}"))
}

/// A share of one in percent, whole from 10 % on.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let decimals = if percent == 0.0 || percent >= 9.95 { 0 } else { 1 };
    format!("{percent:.decimals$} %")
}

/// A quantity with a prefix and three digits: `412 k`, `1.24 M`.
pub(crate) fn quantity(x: f64) -> String {
    let prefixes = ["", " k", " M", " G", " T"];
    let (mut x, mut step) = (x, 0);
    while x >= 999.5 && step + 1 < prefixes.len() {
        x /= 1000.0;
        step += 1;
    }
    let decimals = match x {
        _ if step == 0 && x.fract() == 0.0 => 0,
        x if x < 9.995 => 2,
        x if x < 99.95 => 1,
        _ => 0,
    };
    format!("{x:.decimals$}{}", prefixes[step])
}

/// Bytes with a prefix: `61.2 MB`.
pub(super) fn bytes(n: f64) -> String {
    let text = quantity(n);
    if text.contains(' ') { format!("{text}B") } else { format!("{text} B") }
}

/// A time: `0.42 s`, `12.3 s`, `3 min 05 s`, `2 h 07 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 9.995 => format!("{seconds:.2} s"),
        _ if seconds < 99.95 => format!("{seconds:.1} s"),
        0..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(count), ["0", "999", "1,000", "12,345,678"]);
    }

    #[test]
    fn quantities_have_three_digits_and_a_prefix() {
        let shown = [0.0, 7.0, 7.25, 999.4, 999.6, 12_340.0, 412_000.0, 1.24e6, 9.996e9, 1e16].map(quantity);
        assert_eq!(shown, ["0", "7", "7.25", "999", "1.00 k", "12.3 k", "412 k", "1.24 M", "10.0 G", "10000 T"]);
        assert_eq!([bytes(12.0), bytes(6.12e7)], ["12 B", "61.2 MB"]);
    }

    #[test]
    fn times_are_read_at_a_glance() {
        let shown = [0.0, 0.424, 12.34, 185.0, 7_620.0, 99.96].map(duration);
        assert_eq!(shown, ["0.00 s", "0.42 s", "12.3 s", "3 min 05 s", "2 h 07 min", "1 min 40 s"]);
    }

    #[test]
    fn shares_and_figures_keep_the_digits_that_matter() {
        assert_eq!([0.0, 0.0123, 0.0996, 0.974, 1.0].map(percent), ["0 %", "1.2 %", "10 %", "97 %", "100 %"]);
        assert_eq!([figure(Some(0.43218), 4), figure(None, 4)], ["0.4322", "n.a."]);
    }
}
