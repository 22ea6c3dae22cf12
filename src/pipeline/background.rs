//! Threads that nobody has to wait for: takes work, gives what comes of it through a channel.

use std::thread;

use crossbeam_channel::{Receiver, bounded};

use crate::error::{Error, ErrorKind, Result};

/// Starts work in a thread of its own; what it gives comes when it has ended.
#[allow(
    clippy::disallowed_methods,
    reason = "a read from a pipe cannot be called off, and an error must not wait for it"
)]
pub(super) fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (outcome, ended) = bounded(1);
    thread::spawn(move || {
        // Where nobody listens any more, nobody wants the outcome.
        let _ = outcome.send(work());
    });
    ended
}

/// Turns a panic into an error, so that it takes its place in the stream and no stage waits for what never comes.
pub(super) fn guarded<T>(stage: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let message = format!("{stage} failed where it never should: please report it, with the input if you can");
        Err(Error::new(ErrorKind::Internal, message))
    })
}
