//! Files that grow: takes the path of one, gives what is in it and what comes behind that, as it comes.
//!
//! The path may come to name another file (a rotation by renaming): the old one is read until nothing has come in it for a
//! while, then those that had the path between the two and were rotated away as well, and the new one, each from its start.
//! A file that was cut short (a rotation by copying) is read from its start, and
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

/// What has been read of the files that had a path.
#[derive(Debug)]
pub(super) struct Trail {
    path: PathBuf,
    /// The last of them.
    last: Option<File>,
}

impl Trail {
    /// Nothing has been read yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, last: None }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next file from its start, once there is one: the oldest that was rotated away behind the last one, else the one
    /// that has the path.
    ///
    /// # Errors
    /// A file that cannot be read or is not plain text, or nobody wanting more.
    pub fn next(&mut self, live: &Arc<dyn Live>) -> Result<Followed> {
        loop {
            if let Some(path) = self.rotated_since().or_else(|| self.path.exists().then(|| self.path.clone())) {
                return self.open(&path, live);
            }
            if !live.wait() {
                return Err(Error::new(ErrorKind::Interrupted, "stopped while waiting for a file"));
            }
        }
    }

    fn open(&mut self, path: &Path, live: &Arc<dyn Live>) -> Result<Followed> {
        match open::file(path)? {
            Text::File(file) => Ok(self.follow(file, 0, live)),
            Text::Stream(_) => Err(Error::input(format!(
                "--follow cannot read on in {}, which is compressed or no file: let plain text come there",
                path.display()
            ))),
        }
    }

    /// Reads on in a file behind its first `at` bytes.
    fn follow(&mut self, file: File, at: u64, live: &Arc<dyn Live>) -> Followed {
        self.last = file.try_clone().ok();
        Followed::of(&self.path, file, at, live)
    }

    /// The oldest of the files that were rotated away behind the last one that was read; `None` where that has the path yet.
    fn rotated_since(&self) -> Option<PathBuf> {
        let last = self.last.as_ref()?.metadata().ok()?;
        if fs::metadata(&self.path).is_ok_and(|found| is_same(&last, &found)) {
            return None; // cut short
        }
        let rotated: Vec<_> =
            rotated(&self.path).into_iter().filter_map(|path| Some((fs::metadata(&path).ok()?, path))).collect();
        let after = rotated.iter().position(|(found, _)| is_same(&last, found)).map(|at| at + 1);
        // Where it is gone from there, it has been packed or thrown away: those that were written to later are newer.
        let is_newer = |found: &Metadata| found.modified().ok() > last.modified().ok();
        let after = after.or_else(|| rotated.iter().position(|(found, _)| is_newer(found)))?;
        rotated.into_iter().nth(after).map(|(_, path)| path)
    }
}

impl Followed {
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

/// Finds the file of a path that was being followed, by what stands before the place, and reads on there, wherever it was
/// rotated away to; with the byte before the place.
///
/// # Errors
/// No such file.
pub(super) fn find(path: &Path, place: &Place, live: &Arc<dyn Live>) -> Result<(Trail, Followed, Option<u8>)> {
    let paths = std::iter::once(path.to_owned()).chain(rotated(path));
    if let Some((file, byte)) = paths.into_iter().find_map(|path| fitting(&path, place)) {
        let mut trail = Trail::new(path.to_owned());
        let followed = trail.follow(file, place.offset, live);
        return Ok((trail, followed, byte));
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
