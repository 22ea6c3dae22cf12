//! The one error of the crate: what went wrong, where, and what to do next.
//!
//! A bad record is not an error (see [`crate::record::Rejected`]); an `Error` means that the run cannot go on.

use std::fmt;

/// The result of anything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a run cannot go on. Opaque: ask [`Error::kind`] and print it.
///
/// ```
/// use tidemill::error::{Error, ErrorKind};
/// let error = Error::usage("no label column is named: add --label NAME");
/// assert_eq!(error.kind(), ErrorKind::Usage);
/// ```
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What sort of failure an [`Error`] is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Options or a job file that cannot be carried out.
    Usage,
    /// An input that cannot be opened, read or understood.
    Input,
    /// An output that cannot be written.
    Output,
    /// No such device, or a device that failed.
    Device,
    /// The reader of our output went away: a quiet end.
    ClosedPipe,
    /// A mistake of the program itself.
    Internal,
    /// Stopped by the user before there was anything to show.
    Interrupted,
    /// Learning came to numbers that are not finite.
    Diverged,
    /// What was to be verified is not so, or could not be shown.
    NotVerified,
    /// More records were rejected than `--max-rejected` allows.
    TooManyRejected,
}

impl Error {
    /// Options or a job file that cannot be carried out.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// An input that cannot be opened, read or understood.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// A missing or failing device.
    pub fn device(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Device, message)
    }

    /// An output that could not be written; a closed pipe is told apart from a full disk.
    pub fn output(name: &str, cause: std::io::Error) -> Self {
        let kind = match cause.kind() {
            std::io::ErrorKind::BrokenPipe => ErrorKind::ClosedPipe,
            _ => ErrorKind::Output,
        };
        let advice = match cause.kind() {
            std::io::ErrorKind::StorageFull => ": free some space or write it elsewhere",
            std::io::ErrorKind::PermissionDenied => ": no permission to write there; name another place",
            std::io::ErrorKind::NotFound => ": make its folder first, or name another one",
            _ => "",
        };
        Self::new(kind, format!("cannot write {name}{advice}")).because(cause)
    }

    /// An error of the given kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None }))
    }

    /// The same error with the failure below it, which is printed behind it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(cause.into());
        self
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The process's exit code for this failure: 0 for a closed pipe and an early stop, 1 for too many rejections, else 2.
    pub fn exit_code(&self) -> u8 {
        match self.0.kind {
            ErrorKind::ClosedPipe | ErrorKind::Interrupted => 0,
            ErrorKind::TooManyRejected => 1,
            _ => 2,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.source {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}
