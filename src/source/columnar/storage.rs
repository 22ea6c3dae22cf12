//! Bytes at a place: takes an opened input, gives any part of it, from the file or, where there is none, from memory.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::source::open::Text;

/// An input that can be read from any place.
#[derive(Debug)]
pub(super) enum Storage {
    /// A plain file.
    File(File),
    /// All of what came through a pipe or a decompressor.
    Memory(Bytes),
}

impl Storage {
    /// The input as it was opened; what is no plain file is read to its end.
    pub fn of(text: Text, name: &str) -> Result<Self> {
        match text {
            Text::File(file) => Ok(Self::File(file)),
            Text::Stream(mut stream) => {
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).map_err(|cause| unreadable(name, cause))?;
                Ok(Self::Memory(bytes.into()))
            }
        }
    }

    /// Number of bytes.
    pub fn size(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// The `len` bytes from `start` on.
    pub fn read(&self, start: u64, len: u64) -> io::Result<Bytes> {
        // Damaged inputs name places and lengths that they do not have.
        let end = start.checked_add(len).filter(|&end| self.size().is_ok_and(|size| end <= size));
        let end = end.ok_or(ErrorKind::UnexpectedEof)?;
        match self {
            Self::Memory(bytes) => Ok(bytes.slice(start as usize..end as usize)),
            Self::File(file) => {
                let (mut file, mut bytes) = (file, Vec::with_capacity(len as usize));
                file.seek(SeekFrom::Start(start))?;
                file.take(len).read_to_end(&mut bytes)?;
                if bytes.len() as u64 == len { Ok(bytes.into()) } else { Err(ErrorKind::UnexpectedEof.into()) }
            }
        }
    }
}

/// An input that cannot be read to its end.
pub(super) fn unreadable(name: &str, cause: io::Error) -> Error {
    let message = match cause.kind() {
        ErrorKind::UnexpectedEof => {
            format!("{name} ends in the middle of its data: it was cut short; get a whole copy")
        }
        _ => format!("cannot read {name} to its end: try again, or from a whole copy"),
    };
    Error::input(message).because(cause)
}

/// Whether an input opens with these bytes; gives it back from its start.
pub(super) fn opens_with(text: Text, magic: &[u8], name: &str) -> Result<(Text, bool)> {
    let mut head = Vec::with_capacity(magic.len());
    let len = magic.len() as u64;
    let failed = |cause| unreadable(name, cause);
    let text = match text {
        Text::File(mut file) => {
            (&file).take(len).read_to_end(&mut head).and_then(|_| file.rewind()).map_err(failed)?;
            Text::File(file)
        }
        Text::Stream(mut stream) => {
            stream.by_ref().take(len).read_to_end(&mut head).map_err(failed)?;
            Text::Stream(Box::new(Cursor::new(head.clone()).chain(stream)))
        }
    };
    Ok((text, head == magic))
}
