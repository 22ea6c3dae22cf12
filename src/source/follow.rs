//! Files that grow: takes the path of one, gives what is in it and what comes behind that, as it comes.
//!
//! The path may come to name another file (a rotation by renaming): the old one is read until nothing has come in it for a
//! while, and the new one from its start. A file that was cut short (a rotation by copying) is read from its start, and
//! a path that is gone is waited for. Growing by more than was cut off between two looks cannot be told from growing.

use std::cmp::Reverse;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Input;
use super::live::{Live, SILENT, UNWANTED};
use super::open::{self, Text};
use super::resume::check_tail;
use crate::error::{Error, ErrorKind, Result};
use crate::record::Place;

/// Moments without a byte after which the text says that it is silent, and after which a file that the path does not name
/// any more is at its end: whoever writes may be late in changing over.
const SILENCE: u32 = 25;

/// A file that is followed, from where it stands.
pub(super) struct Followed {
    path: PathBuf,
    file: File,
    /// Bytes of the file that have been read.
    at: u64,
    live: Arc<dyn Live>,
    /// Moments since the last byte.
    quiet: u32,
}

impl Followed {
    /// The file of this path from its start, once there is one.
    ///
    /// # Errors
    /// A file that cannot be read or is not plain text, or nobody wanting more.
    pub fn open(path: &Path, live: &Arc<dyn Live>) -> Result<Self> {
        while !path.exists() {
            if !live.wait() {
                return Err(Error::new(ErrorKind::Interrupted, "stopped while waiting for a file"));
            }
        }
        match open::file(path)? {
            Text::File(file) => Ok(Self::of(path, file, 0, live)),
            Text::Stream(_) => Err(Error::input(format!(
                "--follow cannot read on in {}, which is compressed or no file: let plain text come there",
                path.display()
            ))),
        }
    }

    fn of(path: &Path, file: File, at: u64, live: &Arc<dyn Live>) -> Self {
        Self { path: path.to_owned(), file, at, live: live.clone(), quiet: 0 }
    }

    /// Whether nothing more is to come in this file: it was cut short, or another one has taken its path.
    fn is_over(&self) -> io::Result<bool> {
        let own = self.file.metadata()?;
        if own.len() < self.at {
            return Ok(true);
        }
        let is_replaced = fs::metadata(&self.path).is_ok_and(|found| !is_same(&own, &found));
        Ok(is_replaced && self.quiet >= SILENCE)
    }
}

impl Read for Followed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.file.read(buffer)?;
            if read > 0 {
                (self.at, self.quiet) = (self.at + read as u64, 0);
                return Ok(read);
            }
            if self.is_over()? {
                return Ok(0);
            }
            if !self.live.wait() {
                return Err(UNWANTED.into());
            }
            self.quiet += 1;
            if self.quiet.is_multiple_of(SILENCE) {
                return Err(SILENT.into());
            }
        }
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}

/// Where a followed file goes on.
pub(super) enum Found {
    /// In the file that has the path.
    Here(Followed, Option<u8>),
    /// In one that was rotated away since, with those that were rotated away after it.
    Rotated(File, Option<u8>, Vec<PathBuf>),
}

/// Finds the file that was being followed, by what stands before the place; with the byte before the place.
///
/// # Errors
/// No such file.
pub(super) fn find(path: &Path, place: &Place, live: &Arc<dyn Live>) -> Result<Found> {
    if let Some((file, byte)) = fitting(path, place) {
        return Ok(Found::Here(Followed::of(path, file, place.offset, live), byte));
    }
    let rotated = rotated(path);
    for (at, other) in rotated.iter().enumerate() {
        if let Some((file, byte)) = fitting(other, place) {
            return Ok(Found::Rotated(file, byte, rotated[at + 1..].to_vec()));
        }
    }
    Err(Error::input(format!(
        "{0} is not the file that the checkpoint has read {1} bytes of, and none beside it whose name begins with {0} is:          unpack the one that was rotated away there, or start again with an empty --checkpoint folder",
        path.display(),
        place.offset
    )))
}

/// The file, behind the place, where it is the one that was read; with the byte before the place.
fn fitting(path: &Path, place: &Place) -> Option<(File, Option<u8>)> {
    let Ok(Text::File(mut file)) = open::file(path) else { return None };
    let byte = check_tail(&mut file, &Input::File(path.to_owned()), place).ok()?;
    let at = file.stream_position().ok()?;
    (at == place.offset).then_some((file, byte))
}

/// The files beside a path that may have had it: those whose names begin with its name, the oldest first; of the same
/// moment, the one that has been rotated more often.
fn rotated(path: &Path) -> Vec<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_rotated = |entry: &fs::DirEntry| {
        let other = entry.file_name().to_string_lossy().into_owned();
        let rest = other.strip_prefix(&name).unwrap_or_default();
        rest.starts_with(['.', '-', '_']) && rest.ends_with(|c: char| c.is_ascii_digit())
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().filter(is_rotated);
    let times = |path: &Path| path.extension().and_then(|times| times.to_string_lossy().parse::<u16>().ok());
    let order = |entry: fs::DirEntry| {
        let (changed, path) = (entry.metadata().ok()?.modified().ok()?, entry.path());
        Some((changed, Reverse(times(&path)), path))
    };
    let mut found: Vec<_> = entries.filter_map(order).collect();
    found.sort();
    found.into_iter().map(|(_, _, path)| path).collect()
}
