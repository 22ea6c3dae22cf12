//! Feature hashing: text to 32 bits, with the semantics of Vowpal Wabbit's `--hash all` and `--hash strings`.
//!
//! A namespace (a column's name) is hashed with seed 0, a feature (a value) with its namespace's hash as the seed.
//! The full 32 bits travel; the learner masks them to its table.

use crate::schema::Hashing;

/// Hash of a name under `seed`.
///
/// ```
/// use tidemill::{encoder::hash::{hashed, murmur3}, schema::Hashing};
/// assert_eq!(hashed(b"042", 100, Hashing::Strings), 142);
/// assert_eq!(hashed(b"042", 100, Hashing::All), murmur3(b"042", 100));
/// ```
#[inline(always)]
pub fn hashed(name: &[u8], seed: u32, hashing: Hashing) -> u32 {
    match hashing {
        Hashing::All => murmur3(name, seed),
        Hashing::Strings => number_or_hash(name, seed),
    }
}

/// The seed and the number behind it that the digits of `name` write, or else its hash. Blanks and control characters
/// around it are no part of it; without a digit left it is the seed.
#[inline(always)]
fn number_or_hash(name: &[u8], seed: u32) -> u32 {
    let name = trimmed(name);
    let mut number = 0u32;
    for &byte in name {
        if !byte.is_ascii_digit() {
            return murmur3(name, seed);
        }
        // Long numbers wrap, as they do where 64 bits are kept and masked.
        number = number.wrapping_mul(10).wrapping_add(u32::from(byte - b'0'));
    }
    number.wrapping_add(seed)
}

/// The number that a name of up to eight digits writes; `text` is the name and what stands behind it.
///
/// Eight digits are looked at together, with zeros before them: a loop would miss its end with every other name.
///
/// ```
/// use tidemill::encoder::hash::digits;
/// assert_eq!(digits(*b"0421:3 7", 4), Some(421));
/// assert_eq!(digits(*b"0421:3 7", 5), None);
/// ```
#[inline(always)]
pub fn digits(text: [u8; 8], len: u32) -> Option<u32> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    if len.wrapping_sub(1) >= 8 {
        return None;
    }
    let unused = 64 - 8 * len;
    let digits = u64::from_le_bytes(text) << unused | (0x30 * EACH) & ((1 << unused) - 1);
    // The upper half of each byte is that of a digit, and stays so where the lower half becomes six more.
    let upper = 0xf0 * EACH;
    if (digits & upper | (digits.wrapping_add(6 * EACH) & upper) >> 4) != 0x33 * EACH {
        return None;
    }
    // Neighbours become pairs, pairs fours, and fours the number; the first digit is the lowest byte.
    let pairs = (digits & 0x0f * EACH).wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000 << 32 | 1) >> 32) as u32)
}

#[inline(always)]
fn trimmed(mut name: &[u8]) -> &[u8] {
    while let [0..=0x20, rest @ ..] = name {
        name = rest;
    }
    while let [rest @ .., 0..=0x20] = name {
        name = rest;
    }
    name
}

/// Hash of a namespace: the seed of its features.
///
/// ```
/// use tidemill::encoder::hash::{murmur3, namespace};
/// assert_eq!(murmur3(b"feature", namespace(b"namespace")) & 0x3ffff, 242_309); // Vowpal Wabbit's, 18 bits
/// ```
pub fn namespace(name: &[u8]) -> u32 {
    murmur3(name, 0)
}

/// MurmurHash3, x86 32-bit variant (Appleby, public domain), of `bytes` under `seed`.
#[inline(always)]
pub fn murmur3(bytes: &[u8], seed: u32) -> u32 {
    let mut hash = seed;
    let mut blocks = bytes.chunks_exact(4);
    for block in &mut blocks {
        let block = u32::from_le_bytes([block[0], block[1], block[2], block[3]]);
        hash = (hash ^ scramble(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let rest = blocks.remainder();
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, &byte| tail << 8 | u32::from(byte));
        hash ^= scramble(tail);
    }
    finish(hash ^ bytes.len() as u32)
}

#[inline(always)]
fn scramble(block: u32) -> u32 {
    block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

#[inline(always)]
fn finish(mut hash: u32) -> u32 {
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_vowpal_wabbit() {
        let index = |space: &[u8], feature: &[u8]| {
            let seed = if space.is_empty() { 0 } else { namespace(space) };
            murmur3(feature, seed) & 0x3ffff
        };
        assert_eq!(index(b"namespace", b"feature"), 242_309);
        assert_eq!(index(b"n", b"feature"), 35_795);
        assert_eq!(index(b"ns", b"abc"), 16_258);
        assert_eq!(index(b"", b"ns^abc"), 92_529);
        assert_eq!(index(b"", b"a"), 92_594);
        assert_eq!(index(b"A", b"a"), 239_656);
        assert_eq!(index(b"B", b"b"), 170_760);
    }

    #[test]
    fn numbers_are_those_of_vowpal_wabbit() {
        let index = |space: &[u8], feature: &[u8]| {
            hashed(feature, hashed(space, 0, Hashing::Strings), Hashing::Strings) & 0x3ffff
        };
        for (space, feature, expected) in [
            (&b""[..], &b"7"[..], 7),
            (b"f", b"7", 34_882),
            (b"f", b"0007", 34_882),
            (b"7", b"7", 14),
            (b"7", b"a", 97_831),
            (b"12a", b"5", 140_592),
            (b"", b"99999999999", 190_463),
            (b"", b"\x01", 0),
            (b"", b"7\x01", 7),
            (b"", b"a", 92_594),
            (b"namespace", b"feature", 242_309),
            (b"f", "\u{c3}\u{a9}".as_bytes(), 154_693),
        ] {
            assert_eq!(index(space, feature), expected, "{space:?} {feature:?}");
        }
    }

    #[test]
    fn eight_digits_at_once_are_what_one_by_one_gives() {
        for len in 1..=8u32 {
            let written = &b"90817263"[..len as usize];
            let expected = written.iter().fold(0, |number, byte| 10 * number + u32::from(byte - b'0'));
            for (at, byte) in (0..len as usize).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                let mut text = *b"::::::::";
                text[..len as usize].copy_from_slice(written);
                text[at] = byte;
                let found = digits(text, len);
                assert_eq!(found.is_some(), byte.is_ascii_digit(), "{text:?} {len}");
                if byte == written[at] {
                    assert_eq!(found, Some(expected));
                }
                if found.is_some() {
                    assert_eq!(found, Some(number_or_hash(&text[..len as usize], 0)));
                }
            }
        }
        assert_eq!((digits(*b"12345678", 0), digits(*b"12345678", 9)), (None, None));
    }

    #[test]
    fn hashes_are_those_of_the_published_murmur3() {
        for (text, seed, expected) in [
            (&b""[..], 0, 0),
            (b"", 1, 0x514e_28b7),
            (b"", 0xffff_ffff, 0x81f1_6f39),
            (b"aaaa", 0x9747_b28c, 0x5a97_808a),
            (b"aaa", 0x9747_b28c, 0x283e_0130),
            (b"aa", 0x9747_b28c, 0x5d21_1726),
            (b"Hello, world!", 0x9747_b28c, 0x2488_4cba),
        ] {
            assert_eq!(murmur3(text, seed), expected, "{text:?} {seed:#x}");
        }
    }
}
