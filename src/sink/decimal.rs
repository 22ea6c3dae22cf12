//! Numbers as decimal text: takes integers and floats, gives bytes in a buffer that is used again.
//!
//! `format!` costs about 100 ns a float; predictions leave at millions a second, so their few fixed shapes are
//! written out here. It never does I/O.

use std::io::Write;

/// Text in the making. Its buffer stays as long as it ever was: nothing is cleared or copied from row to row.
#[derive(Debug, Default, Clone)]
pub struct Text {
    bytes: Vec<u8>,
    len: usize,
}

impl Text {
    /// What was written.
    ///
    /// ```
    /// assert!(tidemill::sink::decimal::Text::default().as_bytes().is_empty());
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Empties it, keeping the buffer.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends text of any length.
    #[inline]
    pub(super) fn push(&mut self, text: &[u8]) {
        self.make_room(text.len());
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    /// Starts a piece of numbers and short words, at most [`Row::SIZE`] bytes; it counts once [`Row::end`] is called.
    #[inline(always)]
    pub(super) fn row(&mut self) -> Row<'_> {
        self.make_room(Row::SIZE);
        let bytes = self.bytes[self.len..].first_chunk_mut();
        #[expect(clippy::expect_used, reason = "two lines above, room was made; a panic here costs no branch")]
        let bytes = bytes.expect("room for a row was made two lines above");
        Row { bytes, len: 0, total: &mut self.len }
    }

    #[inline(always)]
    fn make_room(&mut self, bytes: usize) {
        if self.bytes.len() - self.len < bytes {
            self.grow(bytes);
        }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        self.bytes.resize((self.len + bytes).max(2 * self.bytes.len()), 0);
    }
}

/// A piece of a row, written in place.
pub(super) struct Row<'a> {
    bytes: &'a mut [u8; SIZE],
    len: usize,
    total: &'a mut usize,
}

/// Two integers of 20 digits, two floats of at most 20 characters and the longest words around them.
const SIZE: usize = 192;

/// Below this a number is written with an exponent, or it would lose its digits.
const FIXED_FROM: f64 = 1e-4;

/// One more than the largest integer of eight digits.
const EIGHT: u64 = 100_000_000;

impl Row<'_> {
    /// Most bytes that fit.
    const SIZE: usize = SIZE;

    /// Adds what was written to the text.
    #[inline(always)]
    pub(super) fn end(self) {
        *self.total += self.len;
    }

    /// Appends text as it is.
    #[inline(always)]
    pub(super) fn text(&mut self, text: &[u8]) {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    /// Appends the first `len` bytes of `text`, which is in a register: one store, whatever the length.
    #[inline(always)]
    fn first_of<const N: usize>(&mut self, text: [u8; N], len: usize) {
        self.bytes[self.len..self.len + N].copy_from_slice(&text);
        self.len += len;
    }

    /// Appends an integer.
    #[inline(always)]
    pub(super) fn integer(&mut self, n: u64) {
        if n < EIGHT {
            let digits = eight_digits(n as u32);
            let zeros = ((digits | 1 << 56).trailing_zeros() / 8) as usize; // the last digit always stands
            self.first_of(as_text(digits >> (8 * zeros)), 8 - zeros);
        } else {
            let (text, len) = long_integer(n);
            self.first_of(text, len);
        }
    }

    /// Appends a probability: nine decimals from 1e-4 on, else the shortest text that gives the same 32-bit float.
    #[inline(always)]
    pub(super) fn probability(&mut self, p: f64) {
        if p < FIXED_FROM {
            let (text, len) = exponent(p as f32);
            return self.first_of(text, len);
        }
        let billionths = (p * 1e9 + 0.5) as u32; // at most 1e9, which 32 bits hold
        let (high, low) = (billionths / 100_000_000, billionths % 100_000_000);
        self.text(&[b'0' + (high / 10) as u8, b'.', b'0' + (high % 10) as u8]);
        self.text(&as_text(eight_digits(low)));
    }

    /// Appends a logit: six decimals, or the shortest text where it is closer to 0 than 1e-4.
    #[inline(always)]
    pub(super) fn logit(&mut self, z: f32) {
        let size = f64::from(z.abs());
        if size < FIXED_FROM && size > 0.0 {
            let (text, len) = exponent(z);
            return self.first_of(text, len);
        }
        let millionths = (size * 1e6 + 0.5) as u64;
        let (whole, rest) = (millionths / 1_000_000, (millionths % 1_000_000) as u32);
        self.first_of([b'-'], usize::from(z < 0.0));
        if whole < 10 {
            self.text(&[b'0' + whole as u8, b'.']);
        } else {
            self.integer(whole);
            self.text(b".");
        }
        self.first_of(as_text(eight_digits(rest * 100)), 6);
    }
}

/// The eight decimal digits of `n`, each 0 to 9 in a byte, the first in the lowest.
///
/// Halves, quarters and digits are split off side by side within one register; the products by 10486 and 103 are
/// exact divisions by 100 and 10 for what they are given, below 10 000 and below 100.
#[inline(always)]
fn eight_digits(n: u32) -> u64 {
    let (high, low) = (u64::from(n / 10_000), u64::from(n % 10_000));
    let fours = high | low << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - 10 * tens) << 8
}

#[inline(always)]
fn as_text(digits: u64) -> [u8; 8] {
    (digits | 0x3030_3030_3030_3030).to_le_bytes()
}

/// An integer of nine digits and more, and its length.
#[cold]
fn long_integer(n: u64) -> ([u8; 20], usize) {
    formatted(format_args!("{n}"))
}

/// The shortest text with an exponent that gives the same 32-bit float, and its length.
#[cold]
fn exponent(x: f32) -> ([u8; 20], usize) {
    formatted(format_args!("{x:e}"))
}

fn formatted(number: std::fmt::Arguments) -> ([u8; 20], usize) {
    let mut text = [0; 20];
    let mut rest = &mut text[..];
    let fitted = rest.write_fmt(number);
    debug_assert!(fitted.is_ok(), "an integer has at most 20 digits, a 32-bit float at most 14 characters");
    let len = 20 - rest.len();
    (text, len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(fill: impl FnOnce(&mut Row)) -> String {
        let mut text = Text::default();
        let mut row = text.row();
        fill(&mut row);
        row.end();
        String::from_utf8(text.as_bytes().to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn integers_are_written_as_format_does(n: u64, digits in 0..64u32) {
            let n = n >> digits;
            prop_assert_eq!(text(|row| row.integer(n)), n.to_string());
        }

        #[test]
        fn probabilities_keep_nine_decimals_or_all_of_a_32_bit_float(z in -30.0..30.0f32) {
            let p = crate::metric::probability(z);
            let written = text(|row| row.probability(p));
            let back: f64 = written.parse().unwrap();
            if p >= FIXED_FROM {
                prop_assert!((back - p).abs() <= 0.5e-9 + 1e-15, "{} {}", written, p);
            } else {
                prop_assert_eq!(back as f32, p as f32);
            }
        }

        #[test]
        fn logits_keep_six_decimals_or_all_of_a_32_bit_float(
            z in -30.0..30.0f32,
            scale in prop_oneof![Just(1.0f32), Just(1e-5), Just(1e-30)],
        ) {
            let z = z * scale;
            let written = text(|row| row.logit(z));
            let back: f64 = written.parse().unwrap();
            if f64::from(z.abs()) >= FIXED_FROM {
                prop_assert!((back - f64::from(z)).abs() <= 0.5e-6 + 1e-13, "{} {}", written, z);
            } else {
                prop_assert_eq!(back as f32, z);
            }
        }
    }

    #[test]
    fn every_pair_of_four_digits_is_split_right() {
        for n in 0..10_000 {
            assert_eq!(text(|row| row.integer(n)), n.to_string());
            let eight = n * 10_000 + (9_999 - n);
            assert_eq!(text(|row| row.integer(eight)), eight.to_string());
        }
    }

    #[test]
    fn the_ends_of_every_range_are_written_right() {
        let logits = [0.0, -0.0, 30.0, -30.0, 9.999_999_9, -1e-4, 9.9e-5, 1e-40];
        assert_eq!(
            logits.map(|z| text(|row| row.logit(z))),
            ["0.000000", "0.000000", "30.000000", "-30.000000", "10.000000", "-1e-4", "9.9e-5", "1e-40"]
        );
        let probabilities = [0.0, 0.5, 1.0, 1e-4, 0.999_999_999_9, 9.357_622_968_839_299e-14];
        assert_eq!(
            probabilities.map(|p| text(|row| row.probability(p))),
            ["0e0", "0.500000000", "1.000000000", "0.000100000", "1.000000000", "9.357623e-14"]
        );
        assert_eq!(text(|row| row.integer(u64::MAX)), "18446744073709551615");
    }
}
