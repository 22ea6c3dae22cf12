//! The grammar of JSON (RFC 8259): takes bytes and a place, gives where what stands there ends.
//!
//! It makes no values, never goes past a line end, and needs no stack of its own: brackets are a bit each. Bytes that
//! are not UTF-8 are not its concern.

use crate::parser::number::scaled;

/// Text that is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotJson;

/// Objects and lists that may be open at once; serde_json refuses deeper ones too.
pub(super) const MAX_DEPTH: usize = 127;

/// A piece of the bytes: a string without its quotes, or anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub start: usize,
    pub end: usize,
    /// Whether something in it is written with a backslash.
    pub escaped: bool,
}

/// A place in the text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The bytes of a piece.
    #[inline(always)]
    pub(super) fn text(&self, piece: Piece) -> &'a [u8] {
        &self.bytes[piece.start..piece.end]
    }

    /// The next byte; 0, which JSON has no use for, at the end.
    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Goes past blanks within the line.
    #[inline(always)]
    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    /// Goes past `text` if it stands here.
    #[inline(always)]
    pub(super) fn take(&mut self, text: &[u8]) -> bool {
        let is_here = self.bytes[self.at..].starts_with(text);
        self.at += if is_here { text.len() } else { 0 };
        is_here
    }

    /// Goes past one byte, which must be this one.
    #[inline(always)]
    pub(super) fn must_be(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() != byte {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }

    /// A string.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Piece, NotJson> {
        self.must_be(b'"')?;
        let (start, mut escaped) = (self.at, false);
        loop {
            self.at = plain_end(self.bytes, self.at);
            match self.peek() {
                b'"' => break,
                b'\\' => {
                    self.at = escape(self.bytes, self.at).ok_or(NotJson)?.1;
                    escaped = true;
                }
                _ => return Err(NotJson),
            }
        }
        self.at += 1;
        Ok(Piece { start, end: self.at - 1, escaped })
    }

    /// A key with its colon and the blanks behind it.
    #[inline(always)]
    pub(super) fn key(&mut self) -> Result<Piece, NotJson> {
        let key = self.string()?;
        self.skip_blanks();
        self.must_be(b':')?;
        self.skip_blanks();
        Ok(key)
    }

    /// A number, and about its value where it is a plain decimal of at most 15 digits.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Result<(Piece, Option<f64>), NotJson> {
        let start = self.at;
        let is_negative = self.peek() == b'-';
        self.at += usize::from(is_negative);
        let is_zero = self.peek() == b'0';
        let (mut digits, mut decimals) = (0, 0);
        let whole = self.digits(&mut digits)?;
        if is_zero && whole > 1 {
            return Err(NotJson);
        }
        if self.peek() == b'.' {
            self.at += 1;
            decimals = self.digits(&mut digits)?;
        }
        let mut is_plain = whole + decimals <= 15;
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            self.digits(&mut digits)?;
            is_plain = false;
        }
        let about = is_plain.then(|| scaled(digits, is_negative, decimals));
        Ok((Piece { start, end: self.at, escaped: false }, about))
    }

    /// One digit or more, put behind those in `value`; gives how many. Beyond 19 in all the value is of no use.
    #[inline(always)]
    fn digits(&mut self, value: &mut u64) -> Result<usize, NotJson> {
        let start = self.at;
        while let digit @ 0..=9 = self.peek().wrapping_sub(b'0') {
            *value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
        if self.at == start { Err(NotJson) } else { Ok(self.at - start) }
    }

    /// `true`, `false` or `null`.
    #[inline(always)]
    pub(super) fn word(&mut self) -> Result<Piece, NotJson> {
        let start = self.at;
        let is_word = self.take(b"true") || self.take(b"false") || self.take(b"null");
        if is_word { Ok(Piece { start, end: self.at, escaped: false }) } else { Err(NotJson) }
    }

    /// Goes past any value, within `depth` objects and lists that are open.
    pub(super) fn pass_over(&mut self, depth: usize) -> Result<(), NotJson> {
        let mut open = Open { depth, first: depth, objects: 0 };
        loop {
            let is_open = match self.peek() {
                b'"' => self.string().map(|_| false)?,
                b'-' | b'0'..=b'9' => self.number().map(|_| false)?,
                b'{' | b'[' => self.open(&mut open)?,
                _ => self.word().map(|_| false)?,
            };
            if !is_open && self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Goes past a bracket, up to the first value behind it; `false` where there is none.
    fn open(&mut self, open: &mut Open) -> Result<bool, NotJson> {
        if open.depth >= MAX_DEPTH {
            return Err(NotJson);
        }
        let is_object = self.peek() == b'{';
        self.at += 1;
        self.skip_blanks();
        if self.peek() == (if is_object { b'}' } else { b']' }) {
            self.at += 1;
            return Ok(false);
        }
        (open.depth, open.objects) = (open.depth + 1, open.objects << 1 | u128::from(is_object));
        if is_object {
            self.key()?;
        }
        Ok(true)
    }

    /// Behind a value: goes past what closes, up to the next value; `true` where nothing is open any more.
    fn close(&mut self, open: &mut Open) -> Result<bool, NotJson> {
        while open.depth > open.first {
            let is_object = open.objects & 1 == 1;
            self.skip_blanks();
            match (self.peek(), is_object) {
                (b',', _) => {
                    self.at += 1;
                    self.skip_blanks();
                    if is_object {
                        self.key()?;
                    }
                    return Ok(false);
                }
                (b'}', true) | (b']', false) => self.at += 1,
                _ => return Err(NotJson),
            }
            (open.depth, open.objects) = (open.depth - 1, open.objects >> 1);
        }
        Ok(true)
    }
}

/// What is open while a value is passed over.
struct Open {
    depth: usize,
    /// What was open before it.
    first: usize,
    /// A bit for each since then, the innermost one last: whether it is an object.
    objects: u128,
}

/// The character that the backslash at `at` begins, and where it ends. A surrogate must have its other half behind it.
fn escape(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let character = match bytes.get(at + 1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        &byte @ (b'"' | b'\\' | b'/') => char::from(byte),
        b'u' => return unicode(bytes, at),
        _ => return None,
    };
    Some((character, at + 2))
}

fn unicode(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let first = hexadecimal(bytes, at + 2)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, at + 6));
    }
    let second = hexadecimal(bytes, at + 8).filter(|_| bytes[at + 6..].starts_with(b"\\u"))?;
    let low = second.checked_sub(0xdc00).filter(|&low| low < 0x400)?;
    Some((char::from_u32(0x1_0000 + ((first - 0xd800) << 10 | low))?, at + 12))
}

/// Four hexadecimal digits.
fn hexadecimal(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

/// Puts the text of a string, which [`Cursor::string`] has gone past, behind `out`.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(plain) = memchr::memchr(b'\\', &text[at..]) {
        out.extend_from_slice(&text[at..at + plain]);
        at += plain;
        let Some((character, end)) = escape(text, at) else { break };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        at = end;
    }
    out.extend_from_slice(&text[at..]);
}

/// The first place from `at` on that is not plain text of a string: a quote, a backslash, a control character, the end.
#[inline(always)]
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..at + 16) {
        let found = special(block);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 16;
    }
    at + bytes[at..].iter().position(|&byte| is_special(byte)).unwrap_or(bytes.len() - at)
}

fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// Which of 16 bytes are not plain text, a bit each.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn special(block: &[u8]) -> u32 {
    use std::arch::x86_64::*;
    let block: __m128i = bytemuck::pod_read_unaligned(block);
    // SAFETY: every x86-64 machine has SSE2.
    #[allow(unsafe_code, reason = "calling instructions that the architecture includes")]
    unsafe {
        let quotes = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
        let backslashes = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
        let controls = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), controls)) as u32
    }
}

/// Which of 16 bytes are not plain text, a bit each.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn special(block: &[u8]) -> u32 {
    block.iter().enumerate().fold(0, |found, (bit, &byte)| found | u32::from(is_special(byte)) << bit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Whether all of the text is one value.
    fn is_json(text: &[u8]) -> bool {
        let mut cursor = Cursor::new(text, 0);
        cursor.skip_blanks();
        let passed = cursor.pass_over(0).is_ok();
        cursor.skip_blanks();
        passed && cursor.at == text.len()
    }

    /// What serde_json says of it; a number beyond 64 bits is one to the grammar.
    fn serde_takes(text: &[u8]) -> bool {
        let parsed = serde_json::from_slice::<Value>(text);
        parsed.map_or_else(|error| error.to_string().starts_with("number out of range"), |_| true)
    }

    #[test]
    fn what_is_json_is_told_as_serde_json_tells_it() {
        for text in [
            "{}",
            "[]",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "01",
            "-",
            "-0",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1E-7",
            "+1",
            "nul",
            "nulll",
            "true",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\\u0041\"",
            "\"\\udc00\"",
            "\"\t\"",
            "\"\u{7f}\"",
            "\"a",
            "[[]",
            "[}",
            "{]",
            "",
            " ",
            "[1]]",
            "1e400",
            "\"\\u+123\"",
            "nan",
            "[[],{},[{}]]",
            "{\"a\":[1,{\"b\":null}]}",
        ] {
            assert_eq!(is_json(text.as_bytes()), serde_takes(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded_as_in_serde_json() {
        for depth in [1, 126, 127, 128, 1_000_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let inner = if open == "[" { "" } else { "1" };
                let text = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
                assert_eq!(is_json(text.as_bytes()), depth <= MAX_DEPTH, "{depth} {open}");
                assert_eq!(serde_takes(text.as_bytes()), depth <= MAX_DEPTH, "{depth} {open}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_of_json_s_letters_is_told_as_serde_json_tells_it(text in "[\\[\\]{}:,\"\\\\u0-9a-f. +Etruefalsn-]{0,40}") {
            prop_assert_eq!(is_json(text.as_bytes()), serde_takes(text.as_bytes()));
        }

        #[test]
        fn strings_are_decoded_as_serde_json_decodes_them(
            text in "([ -~é€😀]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}|\\\\ud83d\\\\ude0[0-9a-f]){0,20}"
        ) {
            let quoted = format!("\"{text}\"");
            let mut cursor = Cursor::new(quoted.as_bytes(), 0);
            let piece = cursor.string().ok().filter(|_| cursor.at == quoted.len());
            let decoded = piece.map(|piece| {
                let mut out = Vec::new();
                decode(cursor.text(piece), &mut out);
                out
            });
            prop_assert_eq!(decoded, serde_json::from_str::<String>(&quoted).ok().map(String::into_bytes));
        }
    }
}
