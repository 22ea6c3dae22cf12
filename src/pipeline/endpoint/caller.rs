//! One that asks: takes its connection, hears it out, answers and lets it go. It is looked at again and again, and waits for
//! nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::answer::answer;
use crate::report::exposition::Figures;

/// How long a caller may take to ask and to be answered.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Pieces of what an answered caller still sends that are read at a look.
const PIECES: usize = 16;
/// How long it may take to hang up behind that.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes that are read at a time.
const PIECE: usize = 1024;

/// One that asks.
pub(super) struct Caller {
    stream: TcpStream,
    until: Instant,
    phase: Phase,
}

enum Phase {
    /// What it has asked so far.
    Asking(Vec<u8>),
    /// What it is answered, and how much of that has left.
    Answering(Vec<u8>, usize),
    /// What it still sends is not looked at: were the connection closed before, it might lose the answer.
    Leaving,
}

/// How a look at a caller ended.
enum Looked {
    /// Nothing more can be done now.
    Waits,
    /// There is more to do.
    GoesOn(Phase),
    Gone,
}

impl Caller {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, until: Instant::now() + PATIENCE, phase: Phase::Asking(Vec::new()) }
    }

    /// Does what can be done now; `false` where nothing is left to do.
    pub fn go_on(&mut self, figures: &dyn Fn() -> Figures) -> bool {
        if Instant::now() > self.until {
            return false;
        }
        loop {
            let looked = match &mut self.phase {
                Phase::Asking(asked) => hear(&mut self.stream, asked, figures),
                Phase::Answering(answer, written) => say(&mut self.stream, answer, written),
                Phase::Leaving => let_go(&mut self.stream),
            };
            match looked {
                Looked::Waits => return true,
                Looked::Gone => return false,
                Looked::GoesOn(phase) => self.phase = phase,
            }
            if matches!(self.phase, Phase::Leaving) {
                self.until = Instant::now() + FAREWELL;
            }
        }
    }
}

fn hear(stream: &mut TcpStream, asked: &mut Vec<u8>, figures: &dyn Fn() -> Figures) -> Looked {
    let mut piece = [0; PIECE];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Looked::Gone,
            Ok(read) => asked.extend_from_slice(&piece[..read]),
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Looked::Waits,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return Looked::Gone,
        }
        if let Some(answer) = answer(asked, figures) {
            return Looked::GoesOn(Phase::Answering(answer, 0));
        }
    }
}

fn say(stream: &mut TcpStream, answer: &[u8], written: &mut usize) -> Looked {
    while *written < answer.len() {
        match stream.write(&answer[*written..]) {
            Ok(0) => return Looked::Gone,
            Ok(len) => *written += len,
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Looked::Waits,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Looked::Gone,
        }
    }
    match stream.shutdown(Shutdown::Write) {
        Ok(()) => Looked::GoesOn(Phase::Leaving),
        Err(_) => Looked::Gone,
    }
}

fn let_go(stream: &mut TcpStream) -> Looked {
    let mut piece = [0; PIECE];
    // Not for as long as something comes: whoever goes on sending is looked at again when others have been.
    for _ in 0..PIECES {
        match stream.read(&mut piece) {
            Ok(0) => return Looked::Gone,
            Ok(_) => {}
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Looked::Waits,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Looked::Gone,
        }
    }
    Looked::Waits
}
