//! The replay store: takes micro-batches in the order in which they are learned, gives the same ones again, as often as
//! asked for; in memory while they fit, beyond that in a file.
//!
//! Features, labels, weights and record numbers come back bit for bit, but for dense numbers that are kept as 16-bit
//! floats; ids do not, since nothing is predicted of a record that comes again. It learns nothing and knows no thread.
//! Siblings: [`block`] (columns of several micro-batches), `half` (16-bit floats), [`file`](mod@file) (blocks on the disk).

pub mod block;
pub mod file;
mod half;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::examples::MicroBatch;
use block::Block;
use file::{BlockFile, Loaded};

/// How dense numbers are kept for later passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// As they are.
    #[default]
    F32,
    /// Rounded to the nearest 16-bit float, in half the room.
    F16,
}

/// Where and how micro-batches are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeping {
    /// Dense numbers of a row, without padding.
    pub width: usize,
    /// How these are kept.
    pub numbers: Numbers,
    /// Most bytes of memory.
    pub memory: u64,
    /// A file that holds all of them, and stays; else what does not fit goes into a temporary one.
    pub file: Option<PathBuf>,
}

/// The micro-batches of a stream.
///
/// ```
/// use tidemill::examples::MicroBatch;
/// use tidemill::replay::{Keeping, Numbers, Store};
/// let mut store = Store::open(Keeping { width: 0, numbers: Numbers::F32, memory: 1 << 20, file: None })?;
/// let batch = MicroBatch { rows: 1, row_start: vec![0, 1], hash: vec![7], value: vec![1.0], label: vec![1.0],
///     weight: vec![1.0], record: vec![1], ..MicroBatch::default() };
/// store.take(&batch)?;
/// store.end()?;
/// let mut again = MicroBatch::default();
/// for _pass in 2..4 {
///     store.rewind();
///     assert!(store.next(&mut again)? && again == batch);
///     assert!(!store.next(&mut again)?);
/// }
/// # Ok::<(), tidemill::error::Error>(())
/// ```
#[derive(Debug)]
pub struct Store {
    keeping: Keeping,
    /// The first blocks.
    memory: Vec<Block>,
    /// Bytes that they take.
    bytes: u64,
    /// The block that is being filled.
    filling: Block,
    /// All blocks where it has a name, else those behind `memory`.
    file: Option<BlockFile>,
    is_full: bool,
    clamped: u64,
    at: Place,
}

/// What comes next.
#[derive(Debug, Default)]
struct Place {
    block: usize,
    batch: usize,
    /// The block, where it lies in the file.
    loaded: Option<Loaded>,
}

impl Store {
    /// An empty store.
    ///
    /// # Errors
    /// A named file that cannot be made.
    pub fn open(keeping: Keeping) -> Result<Self> {
        let file = match &keeping.file {
            Some(path) => Some(BlockFile::named(path, keeping.width, keeping.numbers)?),
            None => None,
        };
        let filling = Block::new(keeping.width, keeping.numbers);
        let (memory, at) = (Vec::new(), Place::default());
        Ok(Self { keeping, memory, bytes: 0, filling, file, is_full: false, clamped: 0, at })
    }

    /// Takes a copy of the next micro-batch.
    ///
    /// # Errors
    /// A disk that is full.
    pub fn take(&mut self, batch: &MicroBatch) -> Result<()> {
        if batch.rows == 0 {
            return Ok(());
        }
        self.clamped += self.filling.push(batch)?;
        if self.filling.is_full() { self.seal() } else { Ok(()) }
    }

    /// Ends the stream: what comes from now on are its micro-batches again.
    ///
    /// # Errors
    /// A disk that is full.
    pub fn end(&mut self) -> Result<()> {
        if self.filling.rows() > 0 {
            self.seal()?;
        }
        self.filling = Block::new(self.keeping.width, self.keeping.numbers); // its room is not needed any more
        self.file.as_mut().map_or(Ok(()), BlockFile::finish)
    }

    /// Goes back to the first micro-batch.
    pub fn rewind(&mut self) {
        self.at = Place::default();
    }

    /// Gives the next micro-batch, in the buffers of `to`; false behind the last one.
    ///
    /// # Errors
    /// A file that is not as it was written.
    pub fn next(&mut self, to: &mut MicroBatch) -> Result<bool> {
        loop {
            let Some(columns) = (match self.memory.get(self.at.block) {
                Some(block) => Some(block.columns()),
                None => self.load()?.then(|| self.at.loaded.as_ref().map(Loaded::columns)).flatten(),
            }) else {
                return Ok(false);
            };
            if columns.fill(self.at.batch, to) {
                self.at.batch += 1;
                return Ok(true);
            }
            // The room of one block serves the next.
            let loaded = self.at.loaded.take();
            self.at = Place { block: self.at.block + 1, batch: 0, loaded: None };
            self.file.iter_mut().zip(loaded).for_each(|(file, loaded)| file.recycle(loaded));
        }
    }

    /// Dense numbers that a 16-bit float could not hold, and which are the nearest that it can.
    pub fn clamped(&self) -> u64 {
        self.clamped
    }

    /// Whether some of it lies in a file.
    pub fn is_on_disk(&self) -> bool {
        self.file.is_some()
    }

    /// Puts the block away that has been filled.
    fn seal(&mut self) -> Result<()> {
        let bytes = self.filling.bytes();
        self.is_full |= self.bytes + bytes > self.keeping.memory;
        if self.is_full && self.file.is_none() {
            self.file = Some(BlockFile::temporary(self.keeping.width, self.keeping.numbers)?);
        }
        if let Some(file) = &mut self.file {
            file.write(&self.filling)?;
        }
        if self.is_full {
            self.filling.clear();
        } else {
            let next = Block::new(self.keeping.width, self.keeping.numbers);
            self.memory.push(std::mem::replace(&mut self.filling, next).shrunk());
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Reads the block that comes next, unless it has been read; false behind the last one.
    fn load(&mut self) -> Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        if self.at.loaded.is_none() {
            let before = if self.keeping.file.is_some() { 0 } else { self.memory.len() };
            self.at.loaded = file.load(self.at.block - before)?;
        }
        Ok(self.at.loaded.is_some())
    }
}
