//! One line to one row: walks the objects that hold columns, passes over everything else, and keeps what is wrong with
//! values until it is known that the line is JSON and that no later value takes their place.

use super::paths::{Paths, with_quotes};
use super::rows::{Action, Rows, Slot};
use super::scan::{Cursor, MAX_DEPTH, NotJson, Piece, decode};
use crate::parser::number::{number, settle};
use crate::record::{Reason, Records, Span};

/// The byte behind each element of a list.
const BEHIND: u8 = 0x1f;

/// Text that was decoded, on its way behind the chunk's.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// Where it will start in the chunk.
    pub base: usize,
    pub bytes: Vec<u8>,
}

/// A line being read into a row that has been started.
pub(super) struct Line<'a> {
    pub cursor: Cursor<'a>,
    pub paths: &'a mut Paths,
    pub rows: &'a Rows,
    pub records: &'a mut Records,
    pub decoded: &'a mut Decoded,
    /// Values that cannot be used, by their nodes.
    pub faults: &'a mut Vec<(usize, Reason)>,
    /// Number of the record for [`super::paths::Node::seen`].
    pub stamp: u64,
    /// Whether all of the chunk is UTF-8.
    pub is_utf8: bool,
}

impl Line<'_> {
    /// The record, which must be an object.
    #[inline(always)]
    pub(super) fn record(&mut self) -> Result<(), NotJson> {
        self.object(0, 0)?;
        self.cursor.skip_blanks();
        Ok(())
    }

    /// An object at a node, within `depth` others.
    fn object(&mut self, node: usize, depth: usize) -> Result<(), NotJson> {
        if depth >= MAX_DEPTH {
            return Err(NotJson);
        }
        self.cursor.must_be(b'{')?;
        self.cursor.skip_blanks();
        if self.cursor.take(b"}") {
            return Ok(());
        }
        let mut next = 0;
        loop {
            match self.key(node, &mut next)? {
                Some(node) => self.value(node, depth + 1)?,
                None => self.cursor.pass_over(depth + 1)?,
            }
            self.cursor.skip_blanks();
            match self.cursor.peek() {
                b',' => self.cursor.at += 1,
                b'}' => break,
                _ => return Err(NotJson),
            }
            self.cursor.skip_blanks();
        }
        self.cursor.at += 1;
        Ok(())
    }

    /// A key, and what it leads to; `next` is the place of the one that is expected.
    #[inline(always)]
    fn key(&mut self, node: usize, next: &mut usize) -> Result<Option<usize>, NotJson> {
        if let Some((text, found)) = self.paths.guess(node, *next)
            && self.cursor.take(text)
        {
            *next += 1;
            self.cursor.skip_blanks();
            return Ok(found);
        }
        self.other_key(node, next)
    }

    /// A key that was not expected.
    #[inline(never)]
    fn other_key(&mut self, node: usize, next: &mut usize) -> Result<Option<usize>, NotJson> {
        let here = &self.cursor.bytes[self.cursor.at..];
        if let Some((at, len, found)) = self.paths.guess_near(node, *next, here) {
            self.cursor.at += len;
            self.cursor.skip_blanks();
            *next = at + 1;
            return Ok(found);
        }
        let key = self.cursor.key()?;
        if key.escaped {
            let mut plain = Vec::new();
            decode(self.cursor.text(key), &mut plain);
            return Ok(self.paths.lookup(node, &plain));
        }
        let found = self.paths.lookup(node, self.cursor.text(key));
        *next += usize::from(self.paths.remember(node, *next, with_quotes(self.cursor.bytes, key), found));
        Ok(found)
    }

    /// A value at a node, within `depth` objects.
    #[inline(always)]
    fn value(&mut self, node: usize, depth: usize) -> Result<(), NotJson> {
        let about = &mut self.paths.nodes[node];
        let (slot, is_object) = (about.slot, about.is_object);
        let is_again = std::mem::replace(&mut about.seen, self.stamp) == self.stamp;
        if is_again {
            self.forget(node);
        }
        match (self.cursor.peek(), &slot) {
            (b'"', Some(slot)) => {
                let text = self.cursor.string()?;
                self.put_text(node, slot, text);
                Ok(())
            }
            (b'-' | b'0'..=b'9', Some(slot)) => {
                let (text, about) = self.cursor.number()?;
                self.put_number(node, slot, text, about);
                Ok(())
            }
            (b'[', Some(slot)) if slot.is_list => self.list(node, slot, depth),
            (b'{' | b'[', _) => self.nested(node, slot.is_some(), is_object, depth),
            (_, Some(slot)) => {
                let word = self.cursor.word()?;
                self.put_word(node, slot, word);
                Ok(())
            }
            _ => self.cursor.pass_over(depth),
        }
    }

    /// An object or a list.
    fn nested(&mut self, node: usize, is_column: bool, is_object: bool, depth: usize) -> Result<(), NotJson> {
        if is_column {
            self.faults.push((node, Reason::NotAValue));
        }
        if is_object && self.cursor.peek() == b'{' { self.object(node, depth) } else { self.cursor.pass_over(depth) }
    }

    /// The key stood in the record before: the last one counts, and nothing of the one before.
    #[cold]
    fn forget(&mut self, node: usize) {
        for inner in self.paths.within(node) {
            if let Some(slot) = &self.paths.nodes[inner].slot {
                self.rows.forget(slot, self.records);
            }
            self.faults.retain(|(faulty, _)| *faulty != inner);
        }
    }

    #[inline(always)]
    fn put_number(&mut self, node: usize, slot: &Slot, text: Piece, about: Option<f64>) {
        match slot.action {
            Action::Number | Action::Weight => self.put(node, slot, text, about),
            Action::Text | Action::Label | Action::Id => *self.rows.text(slot, self.records) = span(text),
        }
    }

    /// A text without escapes as a number, which may be known about.
    #[inline(always)]
    fn put(&mut self, node: usize, slot: &Slot, text: Piece, about: Option<f64>) {
        let text = self.cursor.text(text);
        match about.map_or_else(|| number(text), |about| settle(about, text)) {
            Ok(value) => *self.rows.number(slot, self.records) = value,
            Err(reason) => self.faults.push((node, reason)),
        }
    }

    #[inline(always)]
    fn put_text(&mut self, node: usize, slot: &Slot, text: Piece) {
        match slot.action {
            Action::Number | Action::Weight if text.escaped => self.put_decoded_number(node, slot, text),
            Action::Number | Action::Weight => self.put(node, slot, text, None),
            Action::Text | Action::Label | Action::Id => {
                if !self.is_utf8 && std::str::from_utf8(self.cursor.text(text)).is_err() {
                    self.faults.push((node, Reason::InvalidUtf8));
                }
                *self.rows.text(slot, self.records) = if text.escaped { self.decoded(text) } else { span(text) };
            }
        }
    }

    fn decoded(&mut self, text: Piece) -> Span {
        let start = self.decoded.bytes.len();
        decode(self.cursor.text(text), &mut self.decoded.bytes);
        self.decoded.span_from(start)
    }

    #[cold]
    fn put_decoded_number(&mut self, node: usize, slot: &Slot, text: Piece) {
        let mut plain = Vec::new();
        decode(self.cursor.text(text), &mut plain);
        match number(&plain) {
            Ok(value) => *self.rows.number(slot, self.records) = value,
            Err(reason) => self.faults.push((node, reason)),
        }
    }

    /// `true` and `false` are text; `null` is what the row has been started with.
    fn put_word(&mut self, node: usize, slot: &Slot, word: Piece) {
        let is_missing = self.cursor.text(word) == b"null";
        match slot.action {
            _ if is_missing => {}
            Action::Number | Action::Weight => self.faults.push((node, Reason::NotANumber)),
            Action::Text | Action::Label | Action::Id => *self.rows.text(slot, self.records) = span(word),
        }
    }

    /// The texts of a list's elements as one; an element that is missing is passed over.
    fn list(&mut self, node: usize, slot: &Slot, depth: usize) -> Result<(), NotJson> {
        if depth >= MAX_DEPTH {
            return Err(NotJson);
        }
        self.cursor.must_be(b'[')?;
        self.cursor.skip_blanks();
        let start = self.decoded.bytes.len();
        let mut is_more = !self.cursor.take(b"]");
        while is_more {
            self.element(node, depth + 1)?;
            self.cursor.skip_blanks();
            is_more = self.cursor.take(b",");
            if !is_more {
                self.cursor.must_be(b']')?;
            }
            self.cursor.skip_blanks();
        }
        if !self.is_utf8 && std::str::from_utf8(&self.decoded.bytes[start..]).is_err() {
            self.faults.push((node, Reason::InvalidUtf8));
        }
        *self.rows.text(slot, self.records) = self.decoded.span_from(start);
        Ok(())
    }

    /// An element of a list.
    fn element(&mut self, node: usize, depth: usize) -> Result<(), NotJson> {
        let text = match self.cursor.peek() {
            b'"' => self.cursor.string()?,
            b'-' | b'0'..=b'9' => self.cursor.number()?.0,
            b'{' | b'[' => {
                self.faults.push((node, Reason::NotAValue));
                return self.cursor.pass_over(depth);
            }
            b'n' => return self.cursor.word().map(drop),
            _ => self.cursor.word()?,
        };
        if text.end > text.start {
            let out = &mut self.decoded.bytes;
            decode(self.cursor.text(text), out);
            out.push(BEHIND);
        }
        Ok(())
    }
}

impl Decoded {
    fn span_from(&self, start: usize) -> Span {
        Span { start: (self.base + start) as u32, len: (self.bytes.len() - start) as u32 }
    }
}

fn span(piece: Piece) -> Span {
    Span { start: piece.start as u32, len: (piece.end - piece.start) as u32 }
}
