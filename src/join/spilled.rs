//! The part of the open rows that does not fit into memory: takes bytes, gives them again by their slot.
//!
//! One temporary file, made when it is first needed, which has no name where the system can do without: it is gone with the
//! process, however that ends. Slots that were freed are used again, so it grows with what is open at once, not with the
//! stream.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;

use crate::error::{Error, Result};

/// Open rows on the disk.
#[derive(Debug)]
pub(super) struct Spilled {
    file: Option<File>,
    /// Bytes of the smallest slot.
    unit: usize,
    /// Units that the file has.
    end: u64,
    /// First units of the free slots, by their number of units.
    free: BTreeMap<u64, Vec<u64>>,
    used: u64,
}

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    first: u64,
    units: u64,
}

impl Spilled {
    pub fn new(unit: usize) -> Self {
        Self { file: None, unit, end: 0, free: BTreeMap::new(), used: 0 }
    }

    /// Bytes of the slots in use.
    pub fn bytes(&self) -> u64 {
        self.used * self.unit as u64
    }

    /// Writes into a free slot, or one behind the others.
    ///
    /// # Errors
    /// A disk that is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<Slot> {
        let failed = |cause| Error::output(&name(), cause);
        let mut file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile().map_err(failed)?,
        };
        let units = bytes.len().div_ceil(self.unit).max(1) as u64;
        let slot = self.slot(units);
        let written = file.seek(SeekFrom::Start(self.start(slot))).and_then(|_| file.write_all(bytes));
        self.file = Some(file);
        written.map_err(failed)?;
        Ok(slot)
    }

    /// Reads a range of a slot's bytes behind `to`.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self, slot: Slot, range: Range<usize>, to: &mut Vec<u8>) -> Result<()> {
        let Some(mut file) = self.file.as_ref() else { return Err(damaged()) };
        let before = to.len();
        to.resize(before + range.len(), 0);
        let read = file
            .seek(SeekFrom::Start(self.start(slot) + range.start as u64))
            .and_then(|_| file.read_exact(&mut to[before..]));
        read.map_err(|cause| match cause.kind() {
            io::ErrorKind::UnexpectedEof => damaged(),
            _ => Error::input(format!("cannot read {}", name())).because(cause),
        })
    }

    /// Gives a slot up.
    pub fn free(&mut self, slot: Slot) {
        self.used -= slot.units;
        self.free.entry(slot.units).or_default().push(slot.first);
    }

    fn slot(&mut self, units: u64) -> Slot {
        self.used += units;
        if let Some(first) = self.free.get_mut(&units).and_then(Vec::pop) {
            return Slot { first, units };
        }
        let first = self.end;
        self.end += units;
        Slot { first, units }
    }

    fn start(&self, slot: Slot) -> u64 {
        slot.first * self.unit as u64
    }
}

/// What an open row is reported as whose bytes are not those that were kept.
pub(super) fn damaged() -> Error {
    Error::input(format!(
        "{} is damaged: an open row is not as it was written; leave the file alone while the run lasts, and run again",
        name()
    ))
}

fn name() -> String {
    format!("the temporary file of open rows in {}", std::env::temp_dir().display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_and_freed_slots_are_used_again() {
        let mut spilled = Spilled::new(4);
        let first = spilled.write(b"abcd").unwrap();
        let wide = spilled.write(b"efghijk").unwrap();
        spilled.free(first);
        let again = spilled.write(b"xyz").unwrap();
        assert_eq!((again, spilled.bytes(), spilled.end), (first, 12, 3));
        let mut bytes = b">".to_vec();
        spilled.read(again, 1..3, &mut bytes).unwrap();
        spilled.read(wide, 0..7, &mut bytes).unwrap();
        assert_eq!(bytes, b">yzefghijk");
        spilled.free(wide);
        spilled.free(again);
        assert_eq!(spilled.bytes(), 0);
    }

    #[test]
    fn what_is_not_there_is_an_error_and_no_other_bytes() {
        let mut spilled = Spilled::new(4);
        let slot = spilled.write(b"abcd").unwrap();
        let error = spilled.read(slot, 0..5, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("damaged") && error.contains("run again"), "{error}");
    }
}
