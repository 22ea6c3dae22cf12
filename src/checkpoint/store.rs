//! The folder of checkpoints: takes checkpoints, keeps the newest few, gives the newest that is whole.
//!
//! A checkpoint gets its name only when all of it is on the disk, so a name in the folder stands for a whole file,
//! whenever the process is killed. One run at a time writes to a folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{Checkpoint, Damage};
use crate::error::{Error, Result};
use crate::sink::output;

/// In front of the number of records in a file's name.
const PREFIX: &str = "checkpoint-";
/// At the end of a file's name.
const SUFFIX: &str = ".safetensors";

/// A folder of checkpoints that one run writes to.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    keep: usize,
    /// Held as long as the run lasts; the system gives it back even when the process is killed.
    _lock: File,
}

/// The newest checkpoint that is whole.
#[derive(Debug)]
pub struct Found {
    /// Its file.
    pub path: PathBuf,
    /// What it holds.
    pub checkpoint: Checkpoint,
    /// Newer files that could not be used, with the reasons; [`Store::newest`] has set them aside.
    pub damaged: Vec<String>,
}

impl Store {
    /// Opens a folder, which is made where there is none, for one run.
    ///
    /// # Errors
    /// A folder that cannot be written to, or that another run writes to.
    pub fn open(folder: &Path, keep: usize) -> Result<Self> {
        let failed = |cause| Error::output(&folder.display().to_string(), cause);
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            // Some file systems know no locks: there it is up to the user.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::usage(format!(
                    "another run writes its checkpoints to {}: wait for it to end, or name another folder",
                    folder.display()
                )));
            }
        }
        let store = Self { folder: folder.to_owned(), keep, _lock: lock };
        store.clear_up().map_err(failed)?;
        Ok(store)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it holds no checkpoint, whole or not.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn is_empty(&self) -> Result<bool> {
        list(&self.folder).map(|files| files.is_empty())
    }

    /// The newest checkpoint that is whole; damaged ones that are newer are set aside under another name.
    ///
    /// # Errors
    /// Checkpoints none of which is whole, or whose newest is of another program or version.
    pub fn newest(&self) -> Result<Option<Found>> {
        match newest_whole(&self.folder)? {
            (Some((path, checkpoint)), damaged) => {
                self.set_aside(&damaged);
                Ok(Some(Found { path, checkpoint, damaged: all_said(&damaged) }))
            }
            (None, damaged) if damaged.is_empty() => Ok(None),
            (None, damaged) => {
                let reasons = all_said(&damaged).join("; ");
                Err(Error::input(format!("{reasons}; start again with an empty --checkpoint folder")))
            }
        }
    }

    /// Writes a checkpoint, whole or not at all, and removes all but the newest few.
    ///
    /// # Errors
    /// A folder that cannot be written to; a model that has diverged.
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<PathBuf> {
        checkpoint.check_finite()?;
        let path = self.folder.join(format!("{PREFIX}{:015}{SUFFIX}", checkpoint.header.records));
        output::replace(&path, |to| checkpoint.write_to(to))?;
        // The name is in the folder when the folder is on the disk; where folders cannot be synced, it comes by itself.
        let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        for old in list(&self.folder)?.into_iter().skip(self.keep) {
            fs::remove_file(&old).map_err(|cause| Error::output(&old.display().to_string(), cause))?;
        }
        Ok(path)
    }

    /// Removes what a killed run left half written.
    fn clear_up(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(&format!(".{PREFIX}")) && name.ends_with(".part") {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn set_aside(&self, damaged: &[Damaged]) {
        for (path, _) in damaged {
            let mut name = path.clone().into_os_string();
            name.push(".damaged");
            let _ = fs::rename(path, name); // where it cannot be, the next checkpoint will say so
        }
    }
}

/// The newest checkpoint in a folder that is whole; nothing is set aside, and a run may be writing to it.
///
/// # Errors
/// A folder without one, or whose newest is of another program or version.
pub fn newest_in(folder: &Path) -> Result<Found> {
    let (found, damaged) = newest_whole(folder)?;
    let damaged = all_said(&damaged);
    match found {
        Some((path, checkpoint)) => Ok(Found { path, checkpoint, damaged }),
        None if damaged.is_empty() => Err(empty(folder)),
        None => Err(Error::input(format!("{} holds no whole checkpoint: {}", folder.display(), damaged.join("; ")))),
    }
}

/// A file that cannot be used, with the reason.
type Damaged = (PathBuf, String);

/// A file that can be used, with what it holds.
type Whole = (PathBuf, Checkpoint);

/// The newest whole checkpoint of a folder, and the damaged ones that are newer.
fn newest_whole(folder: &Path) -> Result<(Option<Whole>, Vec<Damaged>)> {
    let mut damaged = Vec::new();
    let mut files = list(folder)?.into_iter();
    let mut lists = 1;
    while let Some(path) = files.next() {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // A run has removed it since, for a newer one: look again, but not for ever.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && lists < LISTS => {
                lists += 1;
                files = list(folder)?.into_iter();
                damaged.clear();
                continue;
            }
            Err(cause) => return Err(unreadable(&path, cause)),
        };
        match Checkpoint::from_bytes(&bytes) {
            Ok(checkpoint) => return Ok((Some((path, checkpoint)), damaged)),
            Err(Damage::Broken(reason)) => damaged.push((path, reason)),
            Err(Damage::Foreign(reason)) => return Err(Error::input(said(&path, &reason))),
        }
    }
    Ok((None, damaged))
}

/// How often a folder is looked at whose files go while they are being read.
const LISTS: usize = 10;

/// The checkpoint that a path stands for: a file, or the newest one of a folder.
///
/// # Errors
/// A folder without checkpoints, or one that cannot be read.
pub fn file_of(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let newest = list(path)?.into_iter().next();
    newest.ok_or_else(|| empty(path))
}

/// Records that the newest checkpoint of a folder counts, by its name: a look at a run from outside. `None` where there
/// is no checkpoint, or no folder yet.
///
/// ```
/// let folder = tempfile::tempdir().unwrap();
/// assert_eq!(tidemill::checkpoint::store::newest_records(&folder.path().join("none")), None);
/// ```
pub fn newest_records(folder: &Path) -> Option<u64> {
    // A folder that cannot be read just now is looked at again later.
    numbered(folder).ok()?.first().map(|(records, _)| *records)
}

/// The name of the newest checkpoint in a folder, whole or not; `None` where there is none, or no folder.
pub fn newest_name(folder: &Path) -> Option<PathBuf> {
    list(folder).ok()?.into_iter().next()
}

/// The checkpoints in a folder, the newest first.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(numbered(folder)?.into_iter().map(|(_, path)| path).collect())
}

/// The same, with the records that each counts.
fn numbered(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let entries = fs::read_dir(folder).map_err(|cause| unreadable(folder, cause))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|cause| unreadable(folder, cause))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let records = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(SUFFIX));
        if let Some(records) = records.and_then(|digits| digits.parse::<u64>().ok()) {
            found.push((records, path));
        }
    }
    found.sort_by_key(|(records, _)| std::cmp::Reverse(*records));
    Ok(found)
}

fn empty(folder: &Path) -> Error {
    Error::input(format!("{} holds no checkpoint: name the file, or its folder", folder.display()))
}

fn all_said(damaged: &[Damaged]) -> Vec<String> {
    damaged.iter().map(|(path, reason)| said(path, reason)).collect()
}

fn said(path: &Path, reason: &str) -> String {
    format!("cannot use the checkpoint {}: {reason}", path.display())
}

fn unreadable(path: &Path, cause: io::Error) -> Error {
    Error::input(format!("cannot read {}", path.display())).because(cause)
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    #[test]
    fn the_newest_few_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("of/its/own"), 2).unwrap();
        assert!(store.is_empty().unwrap() && store.newest().unwrap().is_none());
        for records in [9, 10, 100] {
            store.write(&example(records)).unwrap();
        }
        let names: Vec<_> = list(store.folder()).unwrap();
        assert_eq!((names.len(), newest_records(store.folder())), (2, Some(100)));
        assert_eq!(store.newest().unwrap().unwrap().checkpoint.header.records, 100);
    }

    #[test]
    fn a_damaged_one_is_set_aside_for_the_one_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 3).unwrap();
        store.write(&example(1)).unwrap();
        let newer = store.write(&example(2)).unwrap();
        fs::write(&newer, &fs::read(&newer).unwrap()[..100]).unwrap();
        let found = store.newest().unwrap().unwrap();
        assert_eq!((found.checkpoint.header.records, found.damaged.len()), (1, 1));
        assert!(found.damaged[0].contains(&newer.display().to_string()), "{:?}", found.damaged);
        assert!(!newer.exists() && newer.with_extension("safetensors.damaged").exists());
        fs::write(found.path, b"").unwrap();
        let error = store.newest().unwrap_err().to_string();
        assert!(error.contains("start again with an empty --checkpoint folder"), "{error}");
    }

    #[test]
    fn a_folder_has_one_writer_and_what_a_killed_one_left_is_cleared_up() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".checkpoint-000000000000007.safetensors.99.part");
        fs::write(&left, b"half").unwrap();
        let store = Store::open(folder.path(), 1).unwrap();
        assert!(!left.exists());
        assert!(Store::open(folder.path(), 1).unwrap_err().to_string().contains("another run"));
        drop(store);
        Store::open(folder.path(), 1).unwrap();
    }

    #[test]
    fn a_checkpoint_that_cannot_be_written_leaves_those_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 1).unwrap();
        let good = store.write(&example(5)).unwrap();
        fs::create_dir(folder.path().join("checkpoint-000000000000006.safetensors")).unwrap();
        assert_eq!(store.write(&example(6)).unwrap_err().kind(), crate::error::ErrorKind::Output);
        assert!(good.exists());
    }
}
