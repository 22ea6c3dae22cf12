//! Connections as one stream: takes an address, gives the lines that any number of connections send, each connection's whole
//! and in order.
//!
//! One thread accepts, and each connection has one that reads; they meet in a channel of few pieces, so that whoever
//! sends faster than records are learned is held back by the network. A connection that sends nothing holds up nobody.

use std::io::{ErrorKind, Read};
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
    /// The header line that is not a record any more, where lines have one.
    pub header: Option<Arc<Header>>,
}

/// The names in the header line, once one has sent it.
pub(super) type Header = Mutex<Option<Vec<String>>>;

/// What all connections share.
#[derive(Clone)]
struct Room {
    to_source: Sender<Piece>,
    format: Format,
    /// `None` where lines have no header.
    header: Option<Arc<Header>>,
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
        let header: Option<Arc<Header>> = has_header.then(Arc::default);
        let room = Room { to_source, format: plan.format, header: header.clone(), wanted: wanted.clone() };
        let ended = in_background(move || room.receive(listener));
        Ok((Self { lines, header }, name, ended))
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
                Err(_) => break, // what it has sent before it broke off counts
            }
            if !self.room.wanted.wait(Duration::ZERO) || self.hand_on().is_none() {
                return;
            }
        }
        self.end();
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
        if let (true, Some(header)) = (std::mem::take(&mut self.is_first), self.room.header.clone()) {
            let (first, end) = csv::header(&lines, self.room.format.delimiter());
            // The first line of all stays in front: nobody sends until it has been handed on.
            let mut known = header.lock().unwrap_or_else(PoisonError::into_inner);
            match &*known {
                None => {
                    *known = Some(first);
                    return self.room.to_source.send(Piece::Text(lines)).ok();
                }
                Some(known) if *known == first => drop(lines.drain(..end)),
                Some(_) => {}
            }
        }
        if lines.is_empty() { Some(()) } else { self.room.to_source.send(Piece::Text(lines)).ok() }
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
        let header = (format == Format::Csv).then(Arc::default);
        let room = Room { to_source, format, header, wanted };
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
