//! Takes a text apart: takes bytes as they come, gives one record after the other. It never looks into a record further
//! than its end, and never keeps more of one than the longest that is read.

use std::io::{self, ErrorKind, Read};

use super::super::chunker::MAX_RECORD;
use super::super::split;

/// Bytes that are read at once, at least.
const READ: usize = 64 * 1024;

/// A text that is taken apart.
pub(super) struct Lines {
    input: Box<dyn Read + Send>,
    /// Byte between two fields, where a quoted one may hold a line end.
    delimiter: Option<u8>,
    buffer: Vec<u8>,
    /// What of the buffer has been read and not been given yet.
    start: usize,
    end: usize,
    /// The line that was begun is too long to be kept.
    is_long: bool,
    is_first: bool,
    ended: bool,
}

/// What a piece of the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// A record.
    Record,
    /// A line with a quote that is never closed.
    Unclosed,
    /// A part of a line that is longer than any record.
    Part,
    /// Its last part.
    End,
}

impl Lines {
    pub(super) fn new(input: Box<dyn Read + Send>, delimiter: Option<u8>) -> Self {
        let (is_long, is_first, ended) = (false, true, false);
        Self { input, delimiter, buffer: Vec::new(), start: 0, end: 0, is_long, is_first, ended }
    }

    /// Puts the next piece into `into`, without its line end; `None` at the end of the text. Empty lines are passed over.
    pub(super) fn next(&mut self, into: &mut Vec<u8>) -> io::Result<Option<Piece>> {
        loop {
            if let Some((piece, len)) = self.found() {
                into.clear();
                into.extend_from_slice(&self.buffer[self.start..self.start + len]);
                self.start += len;
                self.is_first = false;
                without_line_end(into);
                if piece != Piece::Record || !into.is_empty() {
                    return Ok(Some(piece));
                }
            } else if self.ended {
                return Ok(None);
            } else {
                self.read()?;
            }
        }
    }

    /// What the text begins with, and its length; `None` where more has to be read to tell.
    fn found(&mut self) -> Option<(Piece, usize)> {
        let text = &self.buffer[self.start..self.end];
        let line = memchr::memchr(b'\n', text).map(|at| at + 1);
        if self.is_long {
            return self.part(line, text.len());
        }
        let record = self.delimiter.map_or(line, |delimiter| split::first(text, delimiter));
        if let Some(record) = record {
            return Some((Piece::Record, record));
        }
        let is_too_long = text.len() >= MAX_RECORD;
        if text.is_empty() || !is_too_long && !self.ended {
            return None;
        }
        match line {
            Some(line) => Some((Piece::Unclosed, line)),
            None if is_too_long => {
                self.is_long = true;
                Some((Piece::Part, text.len()))
            }
            None if self.is_in_quotes() => Some((Piece::Unclosed, text.len())),
            None => Some((Piece::Record, text.len())),
        }
    }

    /// What comes of a line whose beginning has been given.
    fn part(&mut self, line: Option<usize>, len: usize) -> Option<(Piece, usize)> {
        let (piece, len) = match line {
            Some(line) => (Piece::End, line),
            None if len > 0 => (Piece::Part, len),
            None if self.ended => (Piece::End, 0),
            None => return None,
        };
        self.is_long = piece == Piece::Part;
        Some((piece, len))
    }

    fn is_in_quotes(&self) -> bool {
        let text = &self.buffer[self.start..self.end];
        self.delimiter.is_some_and(|delimiter| split::boundary(text, delimiter).in_quotes)
    }

    /// Reads once, behind what is there.
    fn read(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let size = (2 * self.end).clamp(READ, MAX_RECORD.max(READ));
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => {
                    let read = read?;
                    (self.end, self.ended) = (self.end + read, read == 0);
                    break;
                }
            }
        }
        // It is no part of the text, and may come in pieces like all else.
        if self.is_first && (self.end >= 3 || self.ended) {
            self.is_first = false;
            if self.buffer[..self.end].starts_with(b"\xef\xbb\xbf") {
                self.start = 3;
            }
        }
        Ok(())
    }
}

fn without_line_end(line: &mut Vec<u8>) {
    if line.ends_with(b"\n") {
        line.pop();
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives a few bytes a read.
    struct Slow(io::Cursor<Vec<u8>>, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.1);
            self.0.read(&mut buffer[..most])
        }
    }

    fn pieces(text: &[u8], at_once: usize) -> Vec<(Piece, Vec<u8>)> {
        let mut lines = Lines::new(Box::new(Slow(io::Cursor::new(text.to_vec()), at_once)), Some(b','));
        let (mut found, mut line) = (Vec::new(), Vec::new());
        while let Some(piece) = lines.next(&mut line).unwrap() {
            found.push((piece, line.clone()));
        }
        found
    }

    #[test]
    fn records_end_at_line_ends_outside_of_quotes_and_blank_lines_are_none() {
        let found = pieces(b"\xef\xbb\xbfa,b\r\n\n\"c\nd\",e\n\r\nf", 1 << 20);
        let records: Vec<&[u8]> = vec![b"a,b", b"\"c\nd\",e", b"f"];
        assert_eq!(found.iter().map(|(_, text)| &text[..]).collect::<Vec<_>>(), records);
        assert!(found.iter().all(|(piece, _)| *piece == Piece::Record));
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_its_line() {
        let expected = [(Piece::Unclosed, b"\"a".to_vec()), (Piece::Record, b"b".to_vec())];
        assert_eq!(pieces(b"\"a\nb\n", 1 << 20), expected);
        assert_eq!(pieces(b"b\n\"a", 1 << 20), [expected[1].clone(), expected[0].clone()]);
    }

    #[test]
    fn a_line_without_end_is_given_in_parts() {
        let text = [vec![b'x'; 2 * MAX_RECORD + 5], b"\nnext\n".to_vec()].concat();
        let found = pieces(&text, 1 << 20);
        let (last, long) = found.split_last().unwrap();
        assert_eq!(last, &(Piece::Record, b"next".to_vec()));
        assert_eq!(long.iter().map(|(_, text)| text.len()).sum::<usize>(), 2 * MAX_RECORD + 5);
        assert!(long.len() > 1 && long.iter().all(|(_, text)| text.len() <= MAX_RECORD));
        assert_eq!(long.iter().map(|(piece, _)| *piece).position(|piece| piece == Piece::End), Some(long.len() - 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn how_bytes_arrive_does_not_matter(text in "[ab,\"\r\n]{0,60}", at_once in 1_usize..9) {
            prop_assert_eq!(pieces(text.as_bytes(), at_once), pieces(text.as_bytes(), 1 << 20));
        }
    }
}
