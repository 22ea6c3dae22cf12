//! What a run's live inputs are waited for with: takes a plan, gives sources what they have not themselves, threads and a
//! clock, for as long as the run lasts.
//!
//! Where columns have to be inferred, somebody has to notice that standard input pauses, and a read from a pipe cannot be
//! called off: a thread reads, and passes on what it gets, until the columns are known; then the source reads itself, which
//! is one thread less for a record to pass. The first chunk ends where all columns that it names have
//! been given a role by the user, else where there is a record and nothing has come for [`SILENCE`].

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::background::in_background;
use super::columns;
use super::listen::{Known, Reception};
use super::stop::{LOOK, Stop};
use crate::config::Plan;
use crate::error::Result;
use crate::schema::Schema;
use crate::source::chunker::Eager;
use crate::source::live::{Live, SILENT, UNWANTED};
use crate::source::{Input, Living, open};

/// How long nothing has to come before what has come is taken for the beginning of the stream.
const SILENCE: Duration = Duration::from_millis(500);
/// How long a file that has been read to its end is left alone.
const MOMENT: Duration = Duration::from_millis(20);
/// Pieces of text that may wait to be read.
const WAITING: usize = 16;
/// Bytes of a piece, at most, where whoever reads cuts them as they come.
const PIECE: usize = 64 * 1024;

/// Whether more is wanted: until a stop is asked for, or the run is over.
#[derive(Clone)]
pub(super) struct Wanted {
    stop: Stop,
    over: Receiver<()>,
}

impl Wanted {
    /// Until a stop is asked for, or what is given with it goes away.
    pub fn until_over(stop: Stop) -> (Sender<()>, Self) {
        let (running, over) = bounded(0);
        (running, Self { stop, over })
    }

    /// Waits so long; `false` where nothing is wanted any more.
    pub fn wait(&self, time: Duration) -> bool {
        matches!(self.over.recv_timeout(time), Err(RecvTimeoutError::Timeout)) && !self.stop.is_requested()
    }
}

/// A run's live inputs, which end with it.
pub(super) struct LiveInputs {
    surroundings: Arc<Surroundings>,
    follows: bool,
    /// What the user should know of them.
    pub notes: Vec<String>,
    /// Goes away with the run, by which all that waits ends.
    running: Option<Sender<()>>,
    /// What is known of connections.
    known: Option<Arc<Known>>,
    /// Says that nobody listens any more.
    closed: Option<Receiver<()>>,
}

impl LiveInputs {
    /// Opens what has to be open before the first record; `None` where no input keeps coming.
    ///
    /// # Errors
    /// An address that cannot be listened on.
    pub fn open(plan: &Plan, stop: &Stop) -> Result<Option<Self>> {
        if !plan.live.is_live() {
            return Ok(None);
        }
        let (running, wanted) = Wanted::until_over(stop.clone());
        let (mut notes, mut reception, mut closed) = (Vec::new(), None, None);
        for input in &plan.inputs {
            if let Input::Socket(address) = input {
                let (open, name, ended) = Reception::open(address, plan, &wanted)?;
                notes.push(format!("listening on {name}, until a signal (Ctrl-C) ends the run"));
                (reception, closed) = (Some(open), Some(ended));
            }
        }
        if let (true, Some(last)) = (plan.live.follows, plan.inputs.last()) {
            notes.push(format!("following {}, until a signal (Ctrl-C) ends the run", last.name()));
        }
        let known = reception.as_ref().map(|reception| reception.known.clone());
        let surroundings = Surroundings {
            wanted,
            plan: plan.clone(),
            knows_columns: Arc::default(),
            reception: Mutex::new(reception),
        };
        let (surroundings, follows) = (Arc::new(surroundings), plan.live.follows);
        Ok(Some(Self { surroundings, follows, notes, running: Some(running), known, closed }))
    }

    /// What the source takes of it.
    pub fn living(&self) -> Living {
        Living { live: self.surroundings.clone(), follows: self.follows }
    }

    /// The columns are those of a checkpoint: no connection's header line is a record.
    pub fn go_on_with(&self, schema: &Schema) {
        self.know_columns();
        if let (Some(known), true) = (&self.known, schema.header) {
            known.know_header(schema.as_read().iter().map(|column| column.name.clone()).collect());
        }
    }

    /// What the user should know of how it went.
    pub fn warnings(&self) -> Vec<String> {
        self.known.as_ref().map(|known| known.warnings()).unwrap_or_default()
    }

    /// The columns are known: no chunk has to be more than it is.
    pub fn know_columns(&self) {
        self.surroundings.knows_columns.store(true, Ordering::Relaxed);
    }
}

impl Drop for LiveInputs {
    fn drop(&mut self) {
        self.running = None;
        if let Some(closed) = &self.closed {
            let _ = closed.recv(); // it ends within a moment, and gives back what it has taken of the system
        }
    }
}

/// How chunks are handed on where columns are inferred.
pub(super) fn eager(plan: &Plan) -> Eager {
    if plan.live.is_live() { Eager::AfterPause } else { Eager::AfterFirst }
}

struct Surroundings {
    wanted: Wanted,
    plan: Plan,
    knows_columns: Arc<AtomicBool>,
    reception: Mutex<Option<Reception>>,
}

impl Live for Surroundings {
    fn wait(&self) -> bool {
        self.wanted.wait(MOMENT)
    }

    fn text(&self, input: &Input) -> Result<Option<Box<dyn Read + Send>>> {
        match input {
            Input::Socket(_) => {
                let reception = self.reception.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok(reception.map(|reception| -> Box<dyn Read + Send> { Box::new(self.pieces(reception.lines)) }))
            }
            Input::Stdin if !self.knows_columns.load(Ordering::Relaxed) => {
                Ok(Some(Box::new(self.pieces(pass_on(open::stdin, self.knows_columns.clone())))))
            }
            _ => Ok(None),
        }
    }

    fn is_enough(&self, text: &[u8], silent: bool) -> bool {
        let has_header = self.plan.format.has_quotes() && self.plan.options.source.columns.is_none();
        let lines = memchr::memchr_iter(b'\n', text).take(2).count();
        lines > 0
            && (self.knows_columns.load(Ordering::Relaxed)
                || silent && lines > usize::from(has_header)
                || columns::are_all_named(&self.plan, text))
    }
}

impl Surroundings {
    fn pieces(&self, pieces: Receiver<Piece>) -> Pieces {
        let (piece, wanted) = (Vec::new(), self.wanted.clone());
        Pieces { pieces, piece, read: 0, rest: None, wanted, silent: Duration::ZERO }
    }
}

/// What comes of a text that is read elsewhere.
pub(super) enum Piece {
    /// Text as it has come.
    Text(Vec<u8>),
    /// Where all that is still to come can be read.
    Rest(Box<dyn Read + Send>),
    /// Why no more can be read.
    Failed(std::io::Error),
}

/// The channel of a text that is read elsewhere.
pub(super) fn channel() -> (Sender<Piece>, Receiver<Piece>) {
    bounded(WAITING)
}

/// Reads a text in a thread of its own, as long as the columns are not known.
fn pass_on(
    open: impl FnOnce() -> Result<open::Text> + Send + 'static,
    knows_columns: Arc<AtomicBool>,
) -> Receiver<Piece> {
    let (to_source, pieces) = channel();
    let _ = in_background(move || {
        let mut text = match open() {
            Ok(text) => text.reader(),
            Err(error) => return drop(to_source.send(Piece::Failed(std::io::Error::other(error)))),
        };
        let mut buffer = vec![0; PIECE];
        while !knows_columns.load(Ordering::Relaxed) {
            let piece = match text.read(&mut buffer) {
                Ok(0) => return,
                Ok(len) => Piece::Text(buffer[..len].to_vec()),
                Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(cause) => return drop(to_source.send(Piece::Failed(cause))),
            };
            if to_source.send(piece).is_err() {
                return;
            }
        }
        let _ = to_source.send(Piece::Rest(text)); // who does not listen any more needs nothing
    });
    pieces
}

/// The other end of such a channel: a text that says when nothing comes.
struct Pieces {
    pieces: Receiver<Piece>,
    piece: Vec<u8>,
    /// Bytes of the piece that have been read.
    read: usize,
    /// Where the rest of the text is read, once it has come.
    rest: Option<Box<dyn Read + Send>>,
    wanted: Wanted,
    /// Time since the last piece.
    silent: Duration,
}

impl Pieces {
    /// Waits for the next piece; `false` where there is none, and nothing but the rest, if that.
    fn next(&mut self) -> std::io::Result<bool> {
        loop {
            match self.pieces.recv_timeout(LOOK) {
                Ok(Piece::Text(piece)) => {
                    (self.piece, self.read, self.silent) = (piece, 0, Duration::ZERO);
                    return Ok(true);
                }
                Ok(Piece::Rest(rest)) => {
                    self.rest = Some(rest);
                    return Ok(false);
                }
                Ok(Piece::Failed(cause)) => return Err(cause),
                // Those who send see the end of the run as well, and may have gone before.
                Err(_) if !self.wanted.wait(Duration::ZERO) => return Err(UNWANTED.into()),
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
                Err(RecvTimeoutError::Timeout) => self.silent += LOOK,
            }
            if self.silent >= SILENCE {
                self.silent = Duration::ZERO;
                return Err(SILENT.into());
            }
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.read == self.piece.len() {
            if let Some(rest) = &mut self.rest {
                return rest.read(buffer);
            }
            if !self.next()? && self.rest.is_none() {
                return Ok(0);
            }
        }
        let rest = &self.piece[self.read..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.read += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;

    fn is_enough(job: &str, text: &str, silent: bool) -> bool {
        let plan = Plan::new(Options::parse(job).unwrap(), &[]).unwrap();
        let (_running, wanted) = Wanted::until_over(Stop::default());
        let (knows_columns, reception) = (Arc::default(), Mutex::new(None));
        Surroundings { wanted, plan, knows_columns, reception }.is_enough(text.as_bytes(), silent)
    }

    #[test]
    fn the_first_chunk_ends_where_columns_are_named_or_where_there_is_a_record_and_a_pause() {
        let job = "[source]\ninput = ['-']\nlabel = 'y'\n[learner]\nmax-delay = '1ms'";
        assert!(!is_enough(job, "y,x\n1,2\n", false) && is_enough(job, "y,x\n1,2\n", true));
        assert!(!is_enough(job, "y,x\n", true) && !is_enough(job, "y,x\n1,", true));
        let named = job.replace("label = 'y'", "label = 'y'\nnumeric = ['x']");
        assert!(is_enough(&named, "y,x\n", false) && !is_enough(&named, "y,x", true));
        let no_header = named.replace("label", "columns = ['y', 'x']\nlabel");
        assert!(is_enough(&no_header, "1,2\n", false));
        let json = job.replace("label", "format = 'jsonl'\nlabel");
        assert!(!is_enough(&json, "{\"y\":1,\"x\":2}\n", false) && is_enough(&json, "{\"y\":1,\"x\":2}\n", true));
        let sparse = job.replace("label = 'y'", "format = 'libsvm'");
        assert!(is_enough(&sparse, "1 1:2\n", false));
    }

    #[test]
    fn a_text_is_read_elsewhere_until_the_columns_are_known_and_here_from_then_on() {
        let knows_columns: Arc<AtomicBool> = Arc::default();
        let (running, wanted) = Wanted::until_over(Stop::default());
        for knows in [false, true] {
            knows_columns.store(knows, Ordering::Relaxed);
            let text = || Ok(open::Text::Stream(Box::new(std::io::Cursor::new(vec![b'x'; 3 * PIECE + 1]))));
            let (pieces, wanted) = (pass_on(text, knows_columns.clone()), wanted.clone());
            let mut text = Pieces { pieces, piece: Vec::new(), read: 0, rest: None, wanted, silent: Duration::ZERO };
            let mut all = Vec::new();
            text.read_to_end(&mut all).unwrap();
            assert_eq!((all.len(), text.rest.is_some()), (3 * PIECE + 1, knows));
        }
        drop(running);
    }

    #[test]
    fn a_text_that_pauses_says_so_and_one_that_nobody_wants_ends() {
        let (to_source, pieces) = channel();
        let (running, wanted) = Wanted::until_over(Stop::default());
        let mut text = Pieces { pieces, piece: Vec::new(), read: 0, rest: None, wanted, silent: Duration::ZERO };
        to_source.send(Piece::Text(b"abc".to_vec())).unwrap();
        let mut buffer = [0; 2];
        assert_eq!((text.read(&mut buffer).unwrap(), text.read(&mut buffer).unwrap()), (2, 1));
        assert_eq!(text.read(&mut buffer).unwrap_err().kind(), SILENT);
        drop(running);
        assert_eq!(text.read(&mut buffer).unwrap_err().kind(), UNWANTED);
    }
}
