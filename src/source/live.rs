//! What a source that waits for more needs of its surroundings: it has no clock and no threads of its own.
//!
//! A text that nothing has come through for a while says so by a read that fails with [`SILENT`]; one that nobody wants
//! any more, by one that fails with [`UNWANTED`].

use std::io::{ErrorKind, Read};

use super::Input;
use crate::error::Result;

/// Nothing has come for a while, and more may come.
pub const SILENT: ErrorKind = ErrorKind::TimedOut;
/// Nobody wants more.
pub const UNWANTED: ErrorKind = ErrorKind::ConnectionAborted;

/// What is asked of the surroundings.
pub trait Live: Send + Sync {
    /// Waits a moment, in which more may come; `false` where nobody wants more.
    fn wait(&self) -> bool;

    /// The text of an input that others read for the source, and wait for; `None` where it reads that itself.
    ///
    /// # Errors
    /// An input that cannot be opened.
    fn text(&self, input: &Input) -> Result<Option<Box<dyn Read + Send>>>;

    /// Whether the first chunk may end with `text`, `silent` where nothing has come behind it for a while: the columns
    /// are inferred from the first chunk.
    fn is_enough(&self, text: &[u8], silent: bool) -> bool;
}
