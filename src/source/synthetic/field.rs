//! Fields as text: takes whole numbers and scaled decimals; appends their digits. Never allocates but by growing `text`.

/// Appends a whole number.
#[inline(always)]
pub(super) fn number(text: &mut Vec<u8>, value: u64) {
    let mut digits = [0; 20];
    let start = put_digits(&mut digits, value);
    text.extend_from_slice(&digits[start..]);
}

/// Appends a comma and an id: a letter and a number.
#[inline(always)]
pub(super) fn id(text: &mut Vec<u8>, letter: u8, value: u64) {
    let mut digits = [0; 22];
    let start = put_digits(&mut digits, value);
    digits[start - 1] = letter;
    digits[start - 2] = b',';
    text.extend_from_slice(&digits[start - 2..]);
}

/// Appends `scaled / 10^places` with exactly `places` digits behind the point, 1 to 9 of them.
#[inline(always)]
pub(super) fn decimal(text: &mut Vec<u8>, scaled: i64, places: usize) {
    let mut digits = [b'0'; 32];
    let start = put_digits(&mut digits, scaled.unsigned_abs()).min(digits.len() - places - 1);
    let point = digits.len() - places;
    digits.copy_within(start..point, start - 1);
    digits[point - 1] = b'.';
    digits[start - 2] = b'-';
    text.extend_from_slice(&digits[start - 1 - usize::from(scaled < 0)..]);
}

/// `value` times `scale`, rounded to the nearest whole number, halves away from 0.
#[inline(always)]
pub(super) fn scaled(value: f64, scale: f64) -> i64 {
    let product = value * scale;
    (if product < 0.0 { product - 0.5 } else { product + 0.5 }) as i64
}

/// Writes the digits of `value` at the end of `digits`; gives where they start.
#[inline(always)]
fn put_digits(digits: &mut [u8], mut value: u64) -> usize {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(append: impl Fn(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        append(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn numbers_and_ids_are_written_as_the_standard_formatter_does() {
        for value in [0, 7, 10, 99, 100, 12_345, u64::MAX] {
            assert_eq!(text_of(|text| number(text, value)), format!("{value}"));
            assert_eq!(text_of(|text| id(text, b'u', value)), format!(",u{value}"));
        }
    }

    #[test]
    fn decimals_are_written_as_the_standard_formatter_does() {
        for value in [0, 1, -1, 9, -42, 999, 1_000, -1_001, 123_456_789] {
            assert_eq!(text_of(|text| decimal(text, value, 3)), format!("{:.3}", value as f64 / 1000.0));
            assert_eq!(text_of(|text| decimal(text, value, 2)), format!("{:.2}", value as f64 / 100.0));
        }
    }

    #[test]
    fn rounding_takes_the_nearest_and_halves_away_from_zero() {
        assert_eq!([0.124, 0.125, -0.125, -0.124, 2.0].map(|x| scaled(x, 100.0)), [12, 13, -13, -12, 200]);
    }
}
