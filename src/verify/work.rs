//! The folder to work in: makes it and its parts, removes what it made. It never touches what was there before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Names that are tried for a temporary folder.
const TRIES: u32 = 1000;

/// A folder of our own; removed in the end unless it is to be kept.
#[derive(Debug)]
pub(super) struct Work {
    folder: PathBuf,
    is_named: bool,
    is_kept: bool,
}

impl Work {
    /// The folder that the user named, which must be new or empty and is kept; or a temporary one.
    pub fn make(named: Option<&Path>) -> Result<Self> {
        let folder = match named {
            Some(folder) => empty(folder)?,
            None => temporary(&std::env::temp_dir())?,
        };
        // The paths that children are given hold wherever they are read.
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        Ok(Self { folder, is_named: named.is_some(), is_kept: named.is_some() })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves what is in it to the user.
    pub fn keep(&mut self) {
        self.is_kept = true;
    }

    /// A new folder in it.
    pub fn part(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::create_dir(&path).map_err(|cause| Error::output(&path.display().to_string(), cause))?;
        Ok(path)
    }

    /// Makes room, unless the user wants to see everything.
    pub fn discard(&self, part: &Path) -> Result<()> {
        if self.is_named {
            return Ok(());
        }
        fs::remove_dir_all(part).map_err(|cause| Error::output(&part.display().to_string(), cause))
    }

    /// A small file in it.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|cause| Error::output(&path.display().to_string(), cause))?;
        Ok(path)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_dir_all(&self.folder); // what cannot be removed harms nobody
        }
    }
}

fn empty(folder: &Path) -> Result<PathBuf> {
    let failed = |cause| Error::output(&folder.display().to_string(), cause);
    fs::create_dir_all(folder).map_err(failed)?;
    match fs::read_dir(folder).map_err(failed)?.next() {
        None => Ok(folder.to_owned()),
        Some(_) => Err(Error::usage(format!(
            "--work {}: there is something in that folder, which is not to be touched; name a new or empty one",
            folder.display()
        ))),
    }
}

fn temporary(among: &Path) -> Result<PathBuf> {
    let name = |number: u32| among.join(format!("tidemill-verify-{}-{number}", std::process::id()));
    for folder in (1..TRIES).map(name) {
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(no_folder(among, cause)),
        }
    }
    Err(no_folder(among, io::ErrorKind::AlreadyExists.into()))
}

fn no_folder(among: &Path, cause: io::Error) -> Error {
    Error::usage(format!("cannot make a folder to work in under {}: name one with --work DIR", among.display()))
        .because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_unless_it_is_kept() {
        let mut work = Work::make(None).unwrap();
        let part = work.part("a").unwrap();
        work.discard(&part).unwrap();
        assert!(!part.exists() && work.write("b", "text").unwrap().exists());
        let folder = work.folder().to_owned();
        assert_ne!(Work::make(None).unwrap().folder(), folder);
        work.keep();
        drop(work);
        assert!(folder.exists());
        fs::remove_dir_all(folder).unwrap();
        let folder = Work::make(None).unwrap().folder().to_owned();
        assert!(!folder.exists());
    }

    #[test]
    fn a_named_folder_is_kept_with_all_its_parts_and_must_be_empty() {
        let outer = tempfile::tempdir().unwrap();
        let named = outer.path().join("of/its/own");
        let work = Work::make(Some(&named)).unwrap();
        let part = work.part("a").unwrap();
        work.discard(&part).unwrap();
        drop(work);
        assert!(part.exists());
        let error = Work::make(Some(&named)).unwrap_err().to_string();
        assert!(error.contains("name a new or empty one"), "{error}");
    }
}
