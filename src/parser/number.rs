//! Text to numbers: the one definition of what a number is, and a fast way for the plain decimals that fill most files.
//!
//! A field's value is the 64-bit float nearest to its text, rounded to 32 bits. Every way through this file gives
//! that value; [`simple`] and its wide twin answer only where they can be exact and leave the rest to [`number`].

use crate::record::Reason;

/// What a missing number is stored as.
pub const MISSING: f32 = f32::NAN;

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

/// About the value of a plain decimal of at most 15 digits, `None` for anything else; [`settle`] makes it exact.
///
/// ```
/// use tidemill::parser::number::{settle, simple};
/// assert_eq!(simple(b"-12.25").map(|about| settle(about, b"-12.25")), Some(Ok(-12.25)));
/// assert_eq!(simple(b"1e3"), None);
/// ```
#[inline(always)]
pub fn simple(field: &[u8]) -> Option<f64> {
    let (negative, digits) = match field {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if field.len() > 16 {
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
    Some(scaled(mantissa, negative, fraction.unwrap_or(0)))
}

/// About the value of at most 15 digits, so many of them behind the point; [`settle`] makes it exact.
#[inline(always)]
pub(crate) fn scaled(digits: u64, negative: bool, decimals: usize) -> f64 {
    digits as f64 * INVERSES[usize::from(negative)][decimals & 15]
}

/// The 64-bit floats nearest to the inverse powers of ten, and their negatives.
///
/// Multiplying by one is quicker than dividing by the power, and off by two units in the last place at most.
static INVERSES: [[f64; 16]; 2] = [
    [1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15],
    [
        -1e0, -1e-1, -1e-2, -1e-3, -1e-4, -1e-5, -1e-6, -1e-7, -1e-8, -1e-9, -1e-10, -1e-11, -1e-12, -1e-13, -1e-14,
        -1e-15,
    ],
];

/// Whether `about`, off by a few units in its last place, may round to another 32-bit float than the exact value.
///
/// That can be only where the 29 bits that go are about one half: once in fifty million.
#[inline(always)]
pub(crate) fn is_unsettled(about: f64) -> bool {
    const HALF: u64 = 1 << 28;
    let dropped = about.to_bits() & (2 * HALF - 1);
    dropped.wrapping_sub(HALF - 4) & !7 == 0
}

/// The value of `field`, which is known to be `about` it.
///
/// # Errors
/// None for a field that [`simple`] has taken.
#[inline(always)]
pub fn settle(about: f64, field: &[u8]) -> Result<f32, Reason> {
    if is_unsettled(about) { number(field) } else { Ok(about as f32) }
}

/// The wide twin of [`simple`], sixteen bytes at a time.
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    use std::arch::x86_64::*;

    use super::{INVERSES, simple};

    /// For each length and place of the point: the shuffle that moves the digits to the right end, without the point.
    static SHUFFLES: [[[u8; 16]; 32]; 17] = shuffles();

    const fn shuffles() -> [[[u8; 16]; 32]; 17] {
        let mut table = [[[0x80; 16]; 32]; 17];
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

    /// Whether this machine has the instructions that [`simple_wide`] needs.
    pub(crate) fn is_supported() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("lzcnt")
    }

    /// [`super::simple`] of `text[start..end]`, as long as the text goes on for 16 bytes from `start`.
    ///
    /// A minus sign counts as a leading zero: what is no digit is masked out before the digits are added up.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(crate) fn simple_wide(text: &[u8], start: usize, end: usize) -> Option<f64> {
        let Some(window) = text.get(start..start + 16) else { return simple(&text[start..end]) };
        let len = end.wrapping_sub(start);
        if len.wrapping_sub(1) > 15 {
            return None;
        }
        let bytes: __m128i = bytemuck::pod_read_unaligned(window);
        let values = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0' as i8));
        let is_digit = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
        let negative = u32::from(window[0] == b'-');
        let field = (1u32 << len) - 1;
        let others = (!(_mm_movemask_epi8(is_digit) as u32) & field) ^ negative;
        let points = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'.' as i8))) as u32;
        let has_point = u32::from(others != 0);
        let digits = len as u32 - has_point - negative;
        if others & !points != 0 || others & others.wrapping_sub(1) != 0 || digits.wrapping_sub(1) > 14 {
            return None;
        }
        let point = (others | (field + 1)).trailing_zeros() as usize;
        let shuffle: __m128i = bytemuck::pod_read_unaligned(&SHUFFLES[len & 31][point & 31]);
        let mantissa = sixteen_digits(_mm_shuffle_epi8(_mm_and_si128(values, is_digit), shuffle));
        Some(mantissa * INVERSES[negative as usize & 1][(len - has_point as usize - point) & 15])
    }

    /// The number whose decimal digits are the sixteen bytes; exact below 2^53.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn sixteen_digits(digits: __m128i) -> f64 {
        let pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));
        let fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x0001_0064));
        let packed = _mm_packus_epi32(fours, fours);
        let eights = _mm_madd_epi16(packed, _mm_set1_epi32(0x0001_2710));
        let halves = _mm_mul_pd(_mm_cvtepi32_pd(eights), _mm_set_pd(1.0, 1e8));
        _mm_cvtsd_f64(_mm_add_sd(halves, _mm_unpackhi_pd(halves, halves)))
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
        if let Some(about) = simple(field.as_bytes()) {
            let value = settle(about, field.as_bytes()).ok().map(f32::to_bits);
            assert_eq!(value, reference(field.as_bytes()), "{field}");
        }
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            let mut text = b"xyz".to_vec();
            text.extend_from_slice(field.as_bytes());
            text.resize(text.len() + 64, b'7');
            // SAFETY: AVX2 machines have the bit instructions too, and AVX2 was found.
            #[allow(unsafe_code, reason = "calling a version for detected instructions")]
            let wide = unsafe { x86::simple_wide(&text, 3, 3 + field.len()) };
            assert_eq!(wide.map(f64::to_bits), simple(field.as_bytes()).map(f64::to_bits), "{field}");
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
    fn numbers_half_way_between_two_floats_are_settled_exactly() {
        for float in [1.0f32, 1.0000001, 3.3, 123.456, 0.1, 77777.7] {
            let half_way = (f64::from(float) + f64::from(float.next_up())) / 2.0;
            for decimals in 0..15 {
                check(&format!("{half_way:.decimals$}"));
            }
        }
        assert!(is_unsettled(1.0 + f64::from(f32::EPSILON) / 2.0) && !is_unsettled(1.0));
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
