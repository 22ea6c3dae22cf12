//! Sources: where records come from. Gives chunks of whole records with their place, one source after the other.
//!
//! Siblings: [`open`] (files, standard input, compressed or not), [`split`] (where a record ends) and [`synthetic`]
//! (generated streams). A source does input and nothing else: it never looks into a record.

pub mod chunker;
pub mod open;
pub mod split;
pub mod synthetic;

use std::path::PathBuf;

use crate::error::Result;
use crate::record::{Chunk, PADDING};
use chunker::{Chunker, Eager};
use synthetic::{Generator, Synthetic};

/// Bytes of text in a chunk, about, unless its records are very short.
pub const CHUNK: usize = 256 * 1024;
/// Records of a chunk, about, where they are short: parsed, a short record takes many times its text.
const CHUNK_RECORDS: usize = 8 * 1024;

/// One input of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, decompressed where it is gzip or zstd.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// A generated stream.
    Synthetic {
        /// Which stream.
        generator: Generator,
        /// Number of records.
        rows: u64,
        /// The same seed gives the same records.
        seed: u64,
    },
}

impl Input {
    /// `-` is standard input, anything else a file.
    pub fn named(name: &str) -> Self {
        match name {
            "-" => Self::Stdin,
            path => Self::File(path.into()),
        }
    }

    /// The name that messages use.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".into(),
            Self::Synthetic { generator, rows, seed } => {
                format!("{generator:?} ({rows} records, seed {seed})").to_lowercase()
            }
        }
    }

    /// Sees to it that a file is there and may be read, before anything else is read.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::File(path) if !std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) => {
                open::file(path).map(drop)
            }
            _ => Ok(()), // a pipe can be opened only once
        }
    }

    /// Whether its size in bytes is that of its text.
    pub fn is_plain(&self) -> bool {
        match self {
            Self::File(path) => !path.extension().is_some_and(|extension| extension == "gz" || extension == "zst"),
            _ => false,
        }
    }

    /// Its size in bytes where that is known beforehand.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::File(path) => std::fs::metadata(path).ok().filter(|m| m.is_file()).map(|m| m.len()),
            _ => None,
        }
    }
}

/// The inputs of a run as one stream of chunks.
pub struct Source {
    inputs: std::vec::IntoIter<Input>,
    current: Option<Current>,
    delimiter: u8,
    /// For standard input: files are never handed on in part.
    eager: Eager,
    opened: u32,
    sequence: u64,
    /// Bytes of a chunk, about.
    size: usize,
}

enum Current {
    Text(Chunker),
    Synthetic(Box<Synthetic>, bool),
}

impl Source {
    /// A stream over `inputs`, which are opened one after the other; `eager` is for standard input.
    pub fn new(inputs: Vec<Input>, delimiter: u8, eager: Eager) -> Self {
        Self { inputs: inputs.into_iter(), current: None, delimiter, eager, opened: 0, sequence: 0, size: CHUNK }
    }

    /// Makes the chunks that follow smaller where the records of `sample` are short.
    pub fn fit(&mut self, sample: &[u8]) {
        let records = memchr::memchr_iter(b'\n', sample).count().max(1);
        self.size = (CHUNK_RECORDS * sample.len().div_ceil(records)).min(CHUNK);
        if let Some(Current::Text(chunker)) = &mut self.current {
            chunker.set_size(self.size);
        }
    }

    /// Whether reading means to wait for whoever writes to the other end.
    pub fn is_live(&self) -> bool {
        matches!(&self.current, Some(Current::Text(chunker)) if chunker.is_eager())
    }

    /// The next chunk, in the buffers of `spare`; `None` at the end of the last input.
    ///
    /// # Errors
    /// An input that cannot be opened or read to its end.
    pub fn next_chunk(&mut self, mut spare: Chunk) -> Result<Option<Chunk>> {
        loop {
            let Some(current) = &mut self.current else {
                let Some(input) = self.inputs.next() else { return Ok(None) };
                self.current = Some(Current::open(input, self.delimiter, self.eager, self.size)?);
                self.opened += 1;
                continue;
            };
            spare.rejected.clear();
            if current.fill(&mut spare, self.size)? {
                spare.source = self.opened - 1;
                spare.rejected.iter_mut().for_each(|rejected| rejected.source = self.opened - 1);
                spare.sequence = self.sequence;
                self.sequence += 1;
                return Ok(Some(spare));
            }
            self.current = None;
        }
    }
}

impl Current {
    fn open(input: Input, delimiter: u8, eager: Eager, size: usize) -> Result<Self> {
        let chunker = |text, name, eager| {
            let mut chunker = Chunker::new(text, name, delimiter, eager);
            chunker.set_size(size);
            Self::Text(chunker)
        };
        match input {
            Input::Synthetic { generator, rows, seed } => {
                Ok(Self::Synthetic(Box::new(Synthetic::new(generator, rows, seed)), true))
            }
            Input::Stdin => Ok(chunker(open::stdin()?, input.name(), eager)),
            Input::File(ref path) => Ok(chunker(open::file(path)?, input.name(), Eager::Never)),
        }
    }

    /// Fills the next chunk; `false` at the end.
    fn fill(&mut self, chunk: &mut Chunk, size: usize) -> Result<bool> {
        match self {
            Self::Text(chunker) => chunker.fill(chunk),
            Self::Synthetic(stream, first) => {
                let is_first = std::mem::take(first);
                Ok(fill_synthetic(stream, is_first, chunk, size))
            }
        }
    }
}

fn fill_synthetic(stream: &mut Synthetic, first: bool, chunk: &mut Chunk, size: usize) -> bool {
    if stream.is_done() && !first {
        return false;
    }
    chunk.offset = if first { 0 } else { chunk.offset };
    chunk.first = first;
    chunk.quoted = false;
    chunk.bytes.clear();
    if first {
        chunk.bytes.extend_from_slice(stream.header().as_bytes());
    }
    chunk.best_loss = Some(stream.fill(&mut chunk.bytes, size));
    chunk.len = chunk.bytes.len();
    chunk.bytes.resize(chunk.len + PADDING, 0);
    true
}
