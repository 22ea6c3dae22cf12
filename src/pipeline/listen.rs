//! Connections as one stream: takes an address, gives the lines that any number of connections send, each connection's whole
//! and in order.
//!
//! One thread accepts, and each connection has one that reads; they meet in a channel of few pieces, so that whoever
//! sends faster than records are learned is held back by the network. A connection that sends nothing holds up nobody. One
//! whose header names other columns is closed and counted, since its records would be taken for what they are not.

use std::io::{ErrorKind, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError};

use super::background::in_background;
use super::live::{Piece, Wanted, channel};
use crate::config::Plan;
use crate::error::Result;
use crate::parser::csv;
use crate::schema::Format;
use crate::source::address::{Address, Connection, Listener};
use crate::source::chunker::MAX_RECORD;
use crate::source::split::boundary;

/// Connections at a time; more wait to be accepted. Each may hold one unfinished line.
const CONNECTIONS: usize = 256;
/// How long nobody may knock before it is looked whether the run is over.
const MOMENT: Duration = Duration::from_millis(20);
/// Bytes that are read from a connection at a time.
const BUFFER: usize = 64 * 1024;

/// Where connections come in.
pub(super) struct Reception {
    /// Whole lines of one connection a piece.
    pub lines: Receiver<Piece>,
    /// What is known of connections.
    pub known: Arc<Known>,
}

/// What is known of connections together.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The column that a header has to name, where that has been said.
    label: Option<String>,
    /// The names in the header line, once one has sent it.
    header: Mutex<Option<Vec<String>>>,
    /// Connections that were closed for their header.
    refused: AtomicU64,
    /// Connections that broke off within a line.
    broken: AtomicU64,
}

impl Known {
    /// The header line is known: where a connection sends it, it is no record.
    pub fn know_header(&self, names: Vec<String>) {
        *self.header.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
    }

    /// What the user should know of how it went.
    pub fn warnings(&self) -> Vec<String> {
        let of = |count: &AtomicU64, what: &str| {
            let count = count.load(Ordering::Relaxed);
            (count > 0).then(|| format!("{count} {}{what}", if count == 1 { "connection" } else { "connections" }))
        };
        let refused = "closed: what came first was no header line with the columns of this run, in their order";
        let broken = "broke off within a line, which was left out";
        [of(&self.refused, &format!(" {refused}")), of(&self.broken, &format!(" {broken}"))]
            .into_iter()
            .flatten()
            .collect()
    }

    /// What the first line of a connection is, where this header line is known; `None` for one whose lines cannot be used.
    fn front(&self, header: Option<&Vec<String>>, fields: &[String]) -> Option<Front> {
        match header {
            Some(known) if known == fields => Some(Front::KnownHeader),
            Some(known) if csv::names_columns(fields, known) => None,
            Some(_) => Some(Front::Record),
            None if self.label.as_ref().is_some_and(|label| !fields.contains(label)) => None,
            None => Some(Front::FirstHeader),
        }
    }
}

/// What the first line of a connection is.
#[derive(Debug, PartialEq, Eq)]
enum Front {
    FirstHeader,
    KnownHeader,
    Record,
}

/// What all connections share.
#[derive(Clone)]
struct Room {
    to_source: Sender<Piece>,
    format: Format,
    has_header: bool,
    known: Arc<Known>,
    wanted: Wanted,
}

impl Reception {
    /// Opens the address; gives its name, too, and what says that it has been closed again.
    ///
    /// # Errors
    /// An address that cannot be listened on.
    pub fn open(address: &Address, plan: &Plan, wanted: &Wanted) -> Result<(Self, String, Receiver<()>)> {
        let listener = Listener::bind(address)?;
        let name = listener.name();
        let (to_source, lines) = channel();
        let has_header = plan.format.has_quotes() && plan.options.source.columns.is_none();
        let known = Arc::new(Known { label: plan.options.source.label.clone(), ..Known::default() });
        let room = Room { to_source, format: plan.format, has_header, known: known.clone(), wanted: wanted.clone() };
        let ended = in_background(move || room.receive(listener));
        Ok((Self { lines, known }, name, ended))
    }
}

impl Room {
    /// Accepts connections until nobody wants more.
    fn receive(self, listener: Listener) {
        let mut guests: Vec<Receiver<()>> = Vec::new();
        while self.wanted.wait(if guests.len() < CONNECTIONS { Duration::ZERO } else { MOMENT }) {
            guests.retain(|guest| matches!(guest.try_recv(), Err(TryRecvError::Empty)));
            if guests.len() == CONNECTIONS {
                continue;
            }
            match listener.accept() {
                Some(connection) => {
                    let room = self.clone();
                    guests.push(in_background(move || Guest::new(room).listen_to(connection)));
                }
                None => {
                    self.wanted.wait(MOMENT);
                }
            }
        }
    }
}

/// One connection.
struct Guest {
    room: Room,
    /// What it has sent and has not been handed on.
    text: Vec<u8>,
    is_first: bool,
    /// Whether the line that comes is longer than any may be, and its beginning has been handed on.
    passes_over: bool,
}

impl Guest {
    fn new(room: Room) -> Self {
        Self { room, text: Vec::new(), is_first: true, passes_over: false }
    }

    /// Hands on all that comes, until the connection ends or nobody wants more.
    fn listen_to(mut self, mut connection: Connection) {
        let mut buffer = vec![0; BUFFER];
        loop {
            match connection.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => self.text.extend_from_slice(&buffer[..read]),
                Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.break_off(),
            }
            if !self.room.wanted.wait(Duration::ZERO) || self.hand_on().is_none() {
                return;
            }
        }
        self.end();
    }

    /// What stands behind the last whole line is none, and nobody knows what was to follow.
    fn break_off(self) {
        if !self.text.is_empty() && !self.passes_over {
            self.room.known.broken.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands on a last line without an end. A quote that is open is closed: it must not swallow what others send.
    fn end(mut self) {
        if self.text.is_empty() || self.passes_over {
            return;
        }
        if self.room.format.has_quotes() && boundary(&self.text, self.room.format.delimiter()).in_quotes {
            self.text.push(b'"');
        }
        self.text.push(b'\n');
        self.send(self.text.len());
    }

    /// Hands on what is whole; `None` where nobody wants it.
    fn hand_on(&mut self) -> Option<()> {
        if self.passes_over {
            let end = memchr::memchr(b'\n', &self.text).map_or(self.text.len(), |at| at + 1);
            self.passes_over = !self.text[..end].ends_with(b"\n");
            self.text.drain(..end);
        }
        match self.whole() {
            0 if self.text.len() >= MAX_RECORD => {}
            0 => return Some(()),
            whole => return self.send(whole),
        }
        if let Some(end) = memchr::memchr(b'\n', &self.text) {
            self.text.insert(end, b'"'); // it is never closed: it ends with its line, as everywhere
            self.send(end + 2)?;
            return self.hand_on();
        }
        // The chunker sees that it is too long, and rejects it.
        self.passes_over = true;
        self.text.push(b'\n');
        self.send(self.text.len())
    }

    /// Bytes of whole records.
    fn whole(&self) -> usize {
        match self.room.format.has_quotes() && memchr::memchr(b'"', &self.text).is_some() {
            true => boundary(&self.text, self.room.format.delimiter()).complete,
            false => memchr::memrchr(b'\n', &self.text).map_or(0, |at| at + 1),
        }
    }

    /// Hands on the first `len` bytes; of the first line, only what is no header that another connection has sent.
    fn send(&mut self, len: usize) -> Option<()> {
        let rest = self.text.split_off(len);
        let mut lines = std::mem::replace(&mut self.text, rest);
        if self.is_first && self.room.has_header {
            let blank = lines.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            lines.drain(..blank);
            if lines.is_empty() {
                return Some(());
            }
            self.is_first = false;
            return self.send_first(lines);
        }
        if lines.is_empty() { Some(()) } else { self.room.to_source.send(Piece::Text(lines)).ok() }
    }

    /// Hands on the first lines of a connection; `None` where they cannot be used.
    fn send_first(&self, mut lines: Vec<u8>) -> Option<()> {
        let (known, to_source) = (&self.room.known, &self.room.to_source);
        let (fields, end) = csv::header(&lines, self.room.format.delimiter());
        let mut header = known.header.lock().unwrap_or_else(PoisonError::into_inner);
        match known.front(header.as_ref(), &fields) {
            None => {
                known.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Some(Front::FirstHeader) => {
                // It stays in front of all: nobody sends until it has been handed on.
                *header = Some(fields);
                return to_source.send(Piece::Text(lines)).ok();
            }
            Some(Front::KnownHeader) => drop(lines.drain(..end)),
            Some(Front::Record) => {}
        }
        drop(header);
        if lines.is_empty() { Some(()) } else { to_source.send(Piece::Text(lines)).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Stop;
    use crossbeam_channel::bounded;

    /// What comes of connections that send these texts, one after the other.
    fn lines(format: Format, texts: &[&[u8]]) -> Vec<String> {
        let (to_source, lines) = bounded(1000);
        let (_running, wanted) = Wanted::until_over(Stop::default());
        let known = Arc::new(Known { label: Some("a".into()), ..Known::default() });
        let room = Room { to_source, format, has_header: format == Format::Csv, known, wanted };
        for text in texts {
            Guest::new(room.clone()).listen_to(Box::new(std::io::Cursor::new(text.to_vec())));
        }
        drop(room);
        let text = |piece| match piece {
            Piece::Text(text) => String::from_utf8(text).unwrap(),
            _ => panic!("connections send text"),
        };
        lines.iter().map(text).collect()
    }

    #[test]
    fn a_header_is_handed_on_once_and_every_other_line_as_it_is() {
        let texts: [&[u8]; 4] = [b"a,b\n1,2\n", b"a,b\r\n3,4", b"5,6\na,b\n", b""];
        assert_eq!(lines(Format::Csv, &texts), ["a,b\n1,2\n", "3,4\n", "5,6\na,b\n"]);
        assert_eq!(lines(Format::JsonL, &[b"{}\n", b"{}\n"]), ["{}\n", "{}\n"]);
    }

    #[test]
    fn a_connection_with_other_columns_is_closed_and_counted_and_so_is_one_without_a_header_where_none_is_known() {
        let texts: [&[u8]; 6] =
            [b"GET / HTTP/1.1\r\n\r\n", b"\r\n\na,b\n1,2\n", b"b,a\n3,4\n", b"a,b,c\n3,4,5\n", b"\n7,8\n", b"\n"];
        assert_eq!(lines(Format::Csv, &texts), ["a,b\n1,2\n", "7,8\n"]);
        let known = Known { refused: 3.into(), broken: 1.into(), ..Known::default() };
        let warnings = known.warnings();
        assert!(warnings[0].starts_with("3 connections closed") && warnings[1].starts_with("1 connection broke off"));
        assert_eq!(Known::default().warnings(), [""; 0]);
    }

    #[test]
    fn what_a_connection_sent_of_a_line_before_it_broke_off_is_left_out_and_counted() {
        struct Breaking(&'static [u8]);
        impl Read for Breaking {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(ErrorKind::ConnectionReset.into()),
                    read => Ok(read),
                }
            }
        }
        let (to_source, got) = bounded(1000);
        let (_running, wanted) = Wanted::until_over(Stop::default());
        let known = Arc::new(Known::default());
        let room = Room { to_source, format: Format::Csv, has_header: true, known: known.clone(), wanted };
        for text in [&b"a,b\n1,2\n3,40"[..], b"5,6\n"] {
            Guest::new(room.clone()).listen_to(Box::new(Breaking(text)));
        }
        drop(room);
        assert_eq!((got.iter().count(), known.broken.load(Ordering::Relaxed)), (2, 1));
    }

    #[test]
    fn a_quoted_line_end_splits_no_record_and_an_open_quote_swallows_no_other_connection() {
        let long = format!("1,\"{}", "x,\n".repeat(20_000));
        let texts: [&[u8]; 3] = [b"a,b\n", long.as_bytes(), b"1,\"two\nlines\"\n"];
        let got = lines(Format::Csv, &texts);
        assert_eq!((got.len(), got[1].ends_with("x,\n\"\n"), &*got[2]), (3, true, "1,\"two\nlines\"\n"));
    }

    #[test]
    fn a_line_that_is_too_long_is_ended_where_it_is_known_to_be() {
        let mut text = b"a,b\n1,".to_vec();
        text.extend(std::iter::repeat_n(b'x', MAX_RECORD + 3 * BUFFER));
        text.extend(b"\n1,2\n");
        let got = lines(Format::Csv, &[&text]);
        assert_eq!((got.len(), &*got[2]), (3, "1,2\n"));
        assert!(got[1].len() > MAX_RECORD && got[1].len() <= MAX_RECORD + BUFFER && got[1].ends_with("x\n"));
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_with_its_line() {
        let mut text = b"a,b\n1,\"2\n".to_vec();
        text.extend(b"3,4\n".repeat(MAX_RECORD / 4));
        let got = lines(Format::Csv, &[&text]).concat();
        assert!(got.starts_with("a,b\n1,\"2\"\n3,4\n") && got.len() == text.len() + 1);
    }
}
