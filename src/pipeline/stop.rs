//! A request to end a run early, from a signal or from another thread: takes it at any moment, gives it to whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::error::{Error, ErrorKind, Result};

/// How long anything may wait without looking whether it is to stop.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// Asks a run to end early: the micro-batch in hand is finished, a checkpoint written, the outputs closed.
///
/// ```
/// use tidemill::pipeline::Stop;
/// let stop = Stop::default();
/// let elsewhere = stop.clone();
/// elsewhere.request();
/// assert!(stop.is_requested());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks for the end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has been asked for.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What a signal handler sets.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }

    /// Waits for what a thread in the background gives, unless the end is asked for before.
    ///
    /// # Errors
    /// The end having been asked for, or the thread having ended without a word.
    pub(super) fn wait_for<T>(&self, coming: &Receiver<T>) -> Result<T> {
        loop {
            match coming.recv_timeout(LOOK) {
                Ok(value) => return Ok(value),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(
                        ErrorKind::Internal,
                        "reading failed where it never should: please report it",
                    ));
                }
                Err(RecvTimeoutError::Timeout) if self.is_requested() => {
                    return Err(Error::new(ErrorKind::Interrupted, "stopped before the first record"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}
