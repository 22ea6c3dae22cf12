//! Text to numbers: the one definition of what a number is, and a fast way for the plain decimals that fill most files.
//!
//! A field's value is the 64-bit float nearest to its text, rounded to 32 bits. Every way through this file gives
//! that value; [`simple`] and its wide twin answer only where they can be exact and leave the rest to [`number`].

use crate::record::Reason;

/// What a missing number is stored as.
pub const MISSING: f32 = f32::NAN;

/// The 64-bit floats nearest to the inverse powers of ten.
const INVERSES: [f64; 17] =
    [1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16];

/// Powers of ten that 64-bit floats hold exactly.
const POWERS: [f64; 17] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16];

/// The number in a field; [`MISSING`] for an empty one. Blanks around it are passed over.
///
/// # Errors
/// Text that is no number, `inf` and `nan`, and numbers beyond the range of a 32-bit float.
///
/// ```
/// use tidemill::{parser::number::number, record::Reason};
/// assert_eq!(number(b" -2.5e1 "), Ok(-25.0));
/// assert_eq!(number(b"1e39"), Err(Reason::OutOfRange));
/// assert_eq!(number(b"inf"), Err(Reason::NotFinite));
/// assert!(number(b"").is_ok_and(f32::is_nan));
/// ```
pub fn number(field: &[u8]) -> Result<f32, Reason> {
    let field = field.trim_ascii();
    if field.is_empty() {
        return Ok(MISSING);
    }
    let text = std::str::from_utf8(field).map_err(|_| Reason::NotANumber)?;
    let exact: f64 = text.parse().map_err(|_| Reason::NotANumber)?;
    let value = exact as f32;
    if value.is_finite() {
        Ok(value)
    } else if field.iter().any(u8::is_ascii_digit) {
        Err(Reason::OutOfRange)
    } else {
        Err(Reason::NotFinite)
    }
}

/// The value of a plain decimal of at most 15 digits, `None` for anything else.
///
/// Exact: the digits fit a 64-bit float, the power of ten is exact, and one division rounds once.
///
/// ```
/// use tidemill::parser::number::simple;
/// assert_eq!(simple(b"-12.25"), Some(-12.25));
/// assert_eq!(simple(b"1e3"), None);
/// ```
#[inline(always)]
pub fn simple(field: &[u8]) -> Option<f32> {
    let (negative, digits) = match field {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.len() > 16 {
        return None;
    }
    let (mut mantissa, mut count, mut fraction) = (0u64, 0, None);
    for (at, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                mantissa = 10 * mantissa + u64::from(byte - b'0');
                count += 1;
            }
            b'.' if fraction.is_none() => fraction = Some(digits.len() - at - 1),
            _ => return None,
        }
    }
    if count == 0 || count > 15 {
        return None;
    }
    Some(scale(mantissa, fraction.unwrap_or(0), negative))
}

/// `mantissa / 10^fraction` with its sign, rounded to 64 and then to 32 bits.
///
/// Multiplying by the inverse power is three times as quick as dividing, and off by two units in the last of 53 bits at
/// most. That shows in the 24 bits that stay only where the 29 bits that go are within as much of one half: then, once
/// in fifty million, it is divided after all.
#[inline(always)]
fn scale(mantissa: u64, fraction: usize, negative: bool) -> f32 {
    const HALF: u64 = 1 << 28;
    let exact = mantissa as i64 as f64;
    let mut value = exact * INVERSES[fraction];
    if (value.to_bits() & (2 * HALF - 1)).wrapping_sub(HALF - 4) < 8 {
        value = exact / POWERS[fraction];
    }
    f32::from_bits((value as f32).to_bits() | u32::from(negative) << 31)
}

/// The wide twin of [`simple`], sixteen bytes at a time.
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    use std::arch::x86_64::*;

    use super::{scale, simple};

    /// For each length and place of the point: the shuffle that moves the digits to the right end, without the point.
    static SHUFFLES: [[[u8; 16]; 17]; 17] = shuffles();

    const fn shuffles() -> [[[u8; 16]; 17]; 17] {
        let mut table = [[[0x80; 16]; 17]; 17];
        let mut len = 1;
        while len <= 16 {
            let mut point = 0;
            while point <= len {
                let digits = if point < len { len - 1 } else { len };
                let mut digit = 0;
                while digit < digits {
                    let from = if digit < point { digit } else { digit + 1 };
                    table[len][point][16 - digits + digit] = from as u8;
                    digit += 1;
                }
                point += 1;
            }
            len += 1;
        }
        table
    }

    /// [`super::simple`] of `text[start..end]`; the text must go on for 17 bytes behind `start`.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(crate) fn simple_wide(text: &[u8], start: usize, end: usize) -> Option<f32> {
        let Some(window) = text.get(start..start + 17) else { return simple(&text[start..end]) };
        let negative = window[0] == b'-';
        let first = usize::from(negative);
        let len = end - start - first;
        if len.wrapping_sub(1) > 15 || end < start + first {
            return None;
        }
        let bytes: __m128i = bytemuck::pod_read_unaligned(&text[start + first..start + first + 16]);
        let digits = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0' as i8));
        let is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits);
        let field = (1u32 << len) - 1;
        let others = !(_mm_movemask_epi8(is_digit) as u32) & field;
        let points = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'.' as i8))) as u32;
        let point = (others | (field + 1)).trailing_zeros() as usize;
        let has_point = usize::from(others != 0);
        if others & !points != 0 || others & others.wrapping_sub(1) != 0 || (len - has_point).wrapping_sub(1) > 14 {
            return None;
        }
        let shuffle: __m128i = bytemuck::pod_read_unaligned(&SHUFFLES[len & 31][point & 31]);
        let mantissa = sixteen_digits(_mm_shuffle_epi8(digits, shuffle));
        Some(scale(mantissa, (len - has_point - point) & 15, negative))
    }

    /// The number whose decimal digits are the sixteen bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn sixteen_digits(digits: __m128i) -> u64 {
        let pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));
        let fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x0001_0064));
        let packed = _mm_packus_epi32(fours, fours);
        let eights = _mm_madd_epi16(packed, _mm_set1_epi32(0x0001_2710));
        let both = _mm_cvtsi128_si64(eights) as u64;
        (both & 0xffff_ffff) * 100_000_000 + (both >> 32)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(field: &[u8]) -> Option<u32> {
        number(field).ok().map(f32::to_bits)
    }

    fn check(field: &str) {
        if let Some(value) = simple(field.as_bytes()) {
            assert_eq!(Some(value.to_bits()), reference(field.as_bytes()), "{field}");
        }
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            let mut text = b"xyz".to_vec();
            text.extend_from_slice(field.as_bytes());
            text.resize(text.len() + 64, b'7');
            // SAFETY: AVX2 machines have the bit instructions too, and AVX2 was found.
            #[expect(unsafe_code, reason = "calling a version for detected instructions")]
            let wide = unsafe { x86::simple_wide(&text, 3, 3 + field.len()) };
            assert_eq!(wide.map(f32::to_bits), simple(field.as_bytes()).map(f32::to_bits), "{field}");
        }
    }

    #[test]
    fn every_way_agrees_on_awkward_numbers() {
        for field in [
            "0",
            "-0",
            "-",
            ".",
            "-.",
            "1.",
            ".5",
            "-.5",
            "007",
            "1..2",
            "1.2.3",
            "--1",
            "1-",
            "+1",
            "1e5",
            "",
            "nan",
            "123456789012345",
            "1234567890123456",
            "0.12345678901234",
            "0.123456789012345",
            "-123456.789012345",
            "999999999999999",
            "0.000000000000001",
            "16777217",
            "3.4028236e38",
            "9007199254740993",
            " 1",
            "1 ",
            "１",
        ] {
            check(field);
        }
    }

    #[test]
    fn numbers_half_way_between_two_floats_are_rounded_as_by_a_division() {
        for (fraction, power) in POWERS[..15].iter().enumerate() {
            for float in [1.0f32, 1.0000001, 3.3333333, 123.456, 8388607.5, 0.1] {
                let half_way = (f64::from(float) + f64::from(float.next_up())) / 2.0;
                let mantissa = (half_way * power) as u64;
                for mantissa in mantissa.saturating_sub(3)..mantissa.saturating_add(3) {
                    let expected = (mantissa as f64 / power) as f32;
                    if mantissa < 1_000_000_000_000_000 {
                        assert_eq!(
                            scale(mantissa, fraction, false).to_bits(),
                            expected.to_bits(),
                            "{mantissa} {fraction}"
                        );
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_way_agrees_on_decimals(field in "-?[0-9]{0,9}\\.?[0-9]{0,9}") {
            check(&field);
        }

        #[test]
        fn every_way_agrees_on_anything_short(field in "[-+0-9.eE]{0,20}") {
            check(&field);
        }
    }
}
