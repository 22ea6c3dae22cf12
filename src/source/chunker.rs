//! Cuts a byte stream into chunks of whole records.
//!
//! A chunk ends behind a line end that ends a record; what is left over opens the next one. A line longer than
//! [`MAX_RECORD`], or a quote that is never closed within as much, is taken out as a rejection and the stream goes on
//! with the line behind it: memory stays bounded and nothing is lost in silence.

use std::io::{ErrorKind, Read};
use std::sync::Arc;

use super::CHUNK;
use super::fingerprint::Fingerprint;
use super::live::{Live, SILENT, UNWANTED};
use super::split::boundary;
use crate::error::{Error, Result};
use crate::record::{Chunk, PADDING, Place, Reason, Rejected};
use crate::schema::Format;

/// Bytes of the longest record that is read.
pub const MAX_RECORD: usize = 8 * 1024 * 1024;

/// Bytes that a pipe holds, usually.
const PIPE: usize = 64 * 1024;

/// When a chunk may be handed on before it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eager {
    /// Never: for files, which can be read on at once.
    Never,
    /// From the second chunk on: the first is what columns are inferred from, and must not depend on how bytes arrive.
    AfterFirst,
    /// From the second chunk on, and the first as soon as it is enough or nothing comes for a while: for input that may
    /// never fill a chunk.
    AfterPause,
    /// Always: nothing waits for more than it needs.
    Always,
}

/// A byte stream being cut.
pub struct Chunker {
    input: Box<dyn Read + Send>,
    name: String,
    format: Format,
    /// When to hand on what one read gave, instead of waiting for a full chunk.
    eager: Eager,
    /// What was read behind the last chunk's end.
    rest: Vec<u8>,
    /// Offset of `rest` in the stream.
    offset: u64,
    /// Of the bytes before `offset`.
    fingerprint: Fingerprint,
    first: bool,
    ended: bool,
    /// Why nothing more can be read; told once what was read before has been handed on.
    failure: Option<Error>,
    /// Bytes of a chunk, about.
    size: usize,
    /// What input that keeps coming is waited for with.
    live: Option<Arc<dyn Live>>,
    may_lack_header: bool,
}

impl Chunker {
    /// Cuts `input`; `name` is for messages.
    pub fn new(input: Box<dyn Read + Send>, name: String, format: Format, eager: Eager) -> Self {
        Self {
            input,
            name,
            format,
            eager,
            rest: Vec::new(),
            offset: 0,
            fingerprint: Fingerprint::Off,
            first: true,
            ended: false,
            failure: None,
            size: CHUNK,
            live: None,
            may_lack_header: false,
        }
    }

    /// Waits for input that keeps coming.
    pub(super) fn live(self, live: Option<Arc<dyn Live>>) -> Self {
        Self { live, ..self }
    }

    /// Of an input that may lack the header line.
    pub(super) fn may_lack_header(self, may_lack_header: bool) -> Self {
        Self { may_lack_header, ..self }
    }

    /// Goes on behind the first `offset` bytes, which have left this fingerprint; at 0, starts and keeps one.
    pub(super) fn behind(self, offset: u64, fingerprint: Fingerprint) -> Self {
        Self { offset, fingerprint, first: offset == 0, ..self }
    }

    /// Makes chunks of about so many bytes from now on.
    pub fn set_size(&mut self, bytes: usize) {
        self.size = bytes;
    }

    /// Fills the next chunk; `false` at the end of the stream.
    ///
    /// # Errors
    /// A stream that cannot be read to its end.
    pub fn fill(&mut self, chunk: &mut Chunk) -> Result<bool> {
        let mut len = self.start(chunk);
        let mut target = self.target(len);
        loop {
            len = self.read(&mut chunk.bytes, len, target);
            if self.first {
                len = self.strip_byte_order_mark(chunk, len);
            }
            let (cut, quoted) = self.cut(&chunk.bytes[..len]);
            if cut > 0 || (self.ended && len == 0) {
                return Ok(self.end(chunk, cut, len, quoted));
            }
            if let Some(failure) = self.failure.take() {
                self.ended = true;
                return Err(failure);
            }
            if len >= MAX_RECORD || self.ended {
                len = self.reject_line(chunk, len)?;
                target = self.target(len);
            } else {
                target = (2 * target.max(len)).min(MAX_RECORD);
            }
        }
    }

    /// Puts the rest of the last chunk in front; gives its length.
    fn start(&mut self, chunk: &mut Chunk) -> usize {
        let len = self.rest.len();
        if chunk.bytes.len() < len + PADDING {
            chunk.bytes.resize(len + PADDING, 0);
        }
        chunk.bytes[..len].copy_from_slice(&self.rest);
        self.rest.clear();
        chunk.first = false;
        chunk.best_loss = None;
        len
    }

    /// Bytes to be read up to, `len` being there. Of what is handed on as it comes no more than a pipe can hold: a buffer that
    /// is filled with zeros first, to its end, for every few records would cost more than these.
    fn target(&self, len: usize) -> usize {
        if self.is_eager() { self.size.min(len + PIPE) } else { self.size }
    }

    /// Reads until `target` bytes are there; gives how many there are.
    fn read(&mut self, bytes: &mut Vec<u8>, mut len: usize, target: usize) -> usize {
        if bytes.len() < target + PADDING {
            bytes.resize(target + PADDING, 0);
        }
        while len < target && !self.ended && self.failure.is_none() {
            match self.input.read(&mut bytes[len..target]) {
                Ok(0) => self.ended = true,
                Ok(read) => {
                    len += read;
                    if self.is_eager() || self.is_enough(&bytes[..len], false) {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == SILENT && self.live.is_some() => {
                    if self.is_enough(&bytes[..len], true) {
                        break;
                    }
                }
                Err(error) => self.failure = Some(self.unreadable(error)),
            }
        }
        len
    }

    /// Whether it now hands on what one read gave: reading means to wait for whoever writes to the other end.
    pub fn is_eager(&self) -> bool {
        match self.eager {
            Eager::Never => false,
            Eager::AfterFirst | Eager::AfterPause => !self.first,
            Eager::Always => true,
        }
    }

    /// Whether the first chunk may end with `text`.
    fn is_enough(&self, text: &[u8], silent: bool) -> bool {
        let may_end = self.first && self.eager == Eager::AfterPause;
        may_end && self.live.as_ref().is_some_and(|live| live.is_enough(text, silent))
    }

    /// Length of the whole records in `text`, and whether they hold a quote.
    fn cut(&self, text: &[u8]) -> (usize, bool) {
        if !self.format.has_quotes() || memchr::memchr(b'"', text).is_none() {
            let cut = if self.ended { Some(text.len()) } else { memchr::memrchr(b'\n', text).map(|at| at + 1) };
            return (cut.unwrap_or(0), false);
        }
        let found = boundary(text, self.format.delimiter());
        match self.ended && !found.in_quotes {
            true => (text.len(), true),
            false => (found.complete, true),
        }
    }

    /// Closes the chunk at `cut` and keeps the rest; `false` when there is nothing in it.
    fn end(&mut self, chunk: &mut Chunk, cut: usize, len: usize, quoted: bool) -> bool {
        self.rest.extend_from_slice(&chunk.bytes[cut..len]);
        chunk.offset = self.offset;
        chunk.len = cut;
        chunk.quoted = quoted;
        chunk.first = self.first;
        chunk.may_lack_header = self.may_lack_header;
        // What the slow parser puts behind the text of a buffer must not stay there when it is used again.
        chunk.bytes.truncate(cut + PADDING);
        chunk.bytes.resize(cut + PADDING, 0);
        chunk.bytes[cut..].fill(0);
        self.pass(&chunk.bytes[..cut]);
        let (covered, fingerprint) = self.fingerprint.at(self.offset, &chunk.bytes[..cut]);
        chunk.place = Place { source: chunk.source, offset: self.offset, covered, fingerprint };
        let filled = cut > 0 || !chunk.rejected.is_empty();
        self.first &= !filled;
        filled
    }

    /// These bytes are behind us.
    fn pass(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.fingerprint.pass(bytes);
    }

    /// Takes the first line out of the `len` bytes as a rejection, reading on to its end where it is longer.
    fn reject_line(&mut self, chunk: &mut Chunk, len: usize) -> Result<usize> {
        let mut rejected = Rejected {
            number: chunk.rejected.len() as u32,
            source: chunk.source,
            offset: self.offset,
            column: None,
            reason: Reason::TooLong,
            raw: Vec::new(),
        };
        let text = &chunk.bytes[..len];
        let (line, left) = match memchr::memchr(b'\n', text) {
            Some(end) => {
                rejected.reason = Reason::UnclosedQuote;
                (end + 1, len - end - 1)
            }
            None => (len, 0),
        };
        rejected.raw = Rejected::raw_of(text[..line].trim_ascii_end());
        self.pass(&text[..line]);
        chunk.bytes.copy_within(line..len, 0);
        let left = if line == len && !self.ended { self.skip_to_line_end(&mut chunk.bytes)? } else { left };
        chunk.rejected.push(rejected);
        Ok(left)
    }

    /// Passes over everything up to the next line end; gives how much was read behind it, now at the front.
    fn skip_to_line_end(&mut self, bytes: &mut Vec<u8>) -> Result<usize> {
        loop {
            let len = self.read(bytes, 0, CHUNK);
            let line = memchr::memchr(b'\n', &bytes[..len]).map(|at| at + 1);
            self.pass(&bytes[..line.unwrap_or(len)]);
            if let Some(line) = line {
                bytes.copy_within(line..len, 0);
                return Ok(len - line);
            }
            if self.ended || self.failure.is_some() {
                return Ok(0);
            }
        }
    }

    /// Some programs put three bytes in front of UTF-8 text that are no part of it.
    fn strip_byte_order_mark(&mut self, chunk: &mut Chunk, len: usize) -> usize {
        if self.offset == 0 && chunk.bytes[..len].starts_with(b"\xef\xbb\xbf") {
            self.pass(&chunk.bytes[..3]);
            chunk.bytes.copy_within(3..len, 0);
            return len - 3;
        }
        len
    }

    fn unreadable(&self, cause: std::io::Error) -> Error {
        let name = &self.name;
        if cause.kind() == UNWANTED && self.live.is_some() {
            return Error::new(crate::error::ErrorKind::Interrupted, format!("stopped while waiting for {name}"));
        }
        let message = match cause.kind() {
            ErrorKind::UnexpectedEof => {
                format!("{name} ends in the middle of its compressed data: it was cut short; get a whole copy")
            }
            // What does not come from the operating system comes from a decompressor.
            _ if cause.raw_os_error().is_none() => format!("{name} holds damaged compressed data: get a whole copy"),
            _ => format!("cannot read {name} to its end: try again, or from a copy"),
        };
        Error::input(message).because(cause)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives the text in pieces of at most `step` bytes.
    struct Drip(std::io::Cursor<Vec<u8>>, usize);

    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let step = self.1.min(buffer.len());
            self.0.read(&mut buffer[..step])
        }
    }

    fn chunks(text: &[u8], step: usize, eager: Eager) -> Vec<Chunk> {
        let input = Box::new(Drip(std::io::Cursor::new(text.to_vec()), step));
        let mut chunker = Chunker::new(input, "test".into(), Format::Csv, eager);
        let mut chunks = Vec::new();
        loop {
            let mut chunk = Chunk::default();
            if !chunker.fill(&mut chunk).unwrap() {
                return chunks;
            }
            chunks.push(chunk);
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_rejected_and_the_next_one_read() {
        let mut text = b"a\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', MAX_RECORD + CHUNK));
        text.extend_from_slice(b"\nb\n");
        let chunks = chunks(&text, 1 << 20, Eager::Never);
        let kept: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.text().to_vec()).collect();
        let rejected: Vec<_> = chunks.iter().flat_map(|chunk| &chunk.rejected).collect();
        assert_eq!(kept, b"a\nb\n");
        assert_eq!((rejected.len(), rejected[0].reason, rejected[0].offset), (1, Reason::TooLong, 2));
        assert_eq!(chunks.last().unwrap().offset + 2, text.len() as u64);
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_one_line() {
        let chunks = chunks(b"a,b\n\"c,d\ne,f\n", 64, Eager::Never);
        let rejected: Vec<_> = chunks.iter().flat_map(|chunk| &chunk.rejected).collect();
        let kept: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.text().to_vec()).collect();
        assert_eq!(kept, b"a,b\ne,f\n");
        assert_eq!((rejected[0].reason, rejected[0].offset), (Reason::UnclosedQuote, 4));
    }

    #[test]
    fn a_chunk_that_is_used_again_does_not_grow() {
        let text = b"1,2\n".repeat(1000);
        let mut chunk = Chunk { bytes: vec![b'x'; 10 * CHUNK], ..Chunk::default() };
        Chunker::new(Box::new(std::io::Cursor::new(text)), "test".into(), Format::Csv, Eager::Never)
            .fill(&mut chunk)
            .unwrap();
        assert_eq!(chunk.bytes.len(), chunk.len + PADDING);
        assert!(chunk.bytes[chunk.len..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let chunks = chunks(b"\xef\xbb\xbfa,b\n", 64, Eager::Never);
        assert_eq!((chunks[0].text(), chunks[0].offset), (&b"a,b\n"[..], 3));
    }

    #[test]
    fn the_first_chunk_of_a_pipe_is_that_of_a_file_however_its_bytes_arrive() {
        let text = "0,1\n".repeat(CHUNK / 2).into_bytes();
        let file = chunks(&text, usize::MAX, Eager::Never);
        let pipe = chunks(&text, 1000, Eager::AfterFirst);
        assert_eq!(pipe[0].text(), file[0].text());
        assert!(pipe.len() > 2 * file.len());
        assert_eq!(chunks(&text[..40], 4, Eager::AfterFirst).len(), 1);
        assert_eq!(chunks(&text[..40], 4, Eager::Always).len(), 10);
    }

    /// Says that nothing comes before every byte; a line is enough then, and two always.
    struct Pauses(std::io::Cursor<&'static [u8]>, bool);

    impl Read for Pauses {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.1 = !self.1;
            if self.1 { Err(SILENT.into()) } else { self.0.read(&mut buffer[..1]) }
        }
    }

    impl Live for () {
        fn wait(&self) -> bool {
            true
        }

        fn text(&self, _: &super::super::Input) -> Result<Option<Box<dyn Read + Send>>> {
            Ok(None)
        }

        fn is_enough(&self, text: &[u8], silent: bool) -> bool {
            silent && text.ends_with(b"\n")
        }
    }

    #[test]
    fn the_first_chunk_of_live_input_ends_at_a_pause_that_finds_enough() {
        let input = Box::new(Pauses(std::io::Cursor::new(b"a,b\n1,2\n3,4"), false));
        let mut chunker = Chunker::new(input, "test".into(), Format::Csv, Eager::AfterPause).live(Some(Arc::new(())));
        let mut chunk = Chunk::default();
        let mut texts = Vec::new();
        while chunker.fill(&mut chunk).unwrap() {
            texts.push(String::from_utf8(chunk.text().to_vec()).unwrap());
        }
        assert_eq!(texts, ["a,b\n", "1,2\n", "3,4"]);
    }

    fn eager() -> impl Strategy<Value = Eager> {
        prop_oneof![Just(Eager::Never), Just(Eager::AfterFirst), Just(Eager::Always)]
    }

    proptest! {
        #[test]
        fn chunks_together_are_the_text_and_end_where_records_end(
            text in "[ab,\n]{0,200}", step in 1usize..40, eager in eager()
        ) {
            let chunks = chunks(text.as_bytes(), step, eager);
            let joined: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.text().to_vec()).collect();
            prop_assert_eq!(&joined, text.as_bytes());
            let mut offset = 0;
            for (at, chunk) in chunks.iter().enumerate() {
                prop_assert_eq!(chunk.offset, offset);
                prop_assert!(at + 1 == chunks.len() || chunk.text().ends_with(b"\n"));
                prop_assert_eq!(chunk.first, at == 0);
                offset += chunk.len as u64;
            }
        }

        #[test]
        fn how_bytes_arrive_changes_neither_what_is_kept_nor_what_is_rejected(
            text in "(\u{feff})?[a,\"\r\n]{0,200}", step in 1usize..40, eager in eager()
        ) {
            let seen = |chunks: Vec<Chunk>| {
                let kept: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.text().to_vec()).collect();
                let rejected: Vec<_> = chunks.into_iter().flat_map(|chunk| chunk.rejected).collect();
                let rejected: Vec<_> = rejected.into_iter().map(|r| (r.reason, r.offset, r.raw)).collect();
                (kept, rejected)
            };
            let whole = seen(chunks(text.as_bytes(), usize::MAX, Eager::Never));
            prop_assert_eq!(seen(chunks(text.as_bytes(), step, eager)), whole);
        }

        #[test]
        fn every_byte_is_in_a_chunk_or_a_rejection(text in "[a,\"\n]{0,200}", step in 1usize..40, eager in eager()) {
            let chunks = chunks(text.as_bytes(), step, eager);
            let kept: usize = chunks.iter().map(|chunk| chunk.len).sum();
            let rejected: usize = chunks.iter().flat_map(|chunk| &chunk.rejected).map(|r| r.raw.len() + 1).sum();
            // A rejection is kept without its line end, which the last one may lack.
            prop_assert!(kept + rejected == text.len() || kept + rejected == text.len() + 1);
        }
    }
}
