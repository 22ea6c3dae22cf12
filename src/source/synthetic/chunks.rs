//! A generated stream as chunks: takes a generator, a length and a seed; gives the same chunks for the same sizes.

use super::{Generator, Synthetic};
use crate::record::{Chunk, PADDING, Place};
use crate::source::fingerprint::Fingerprint;

/// A generated stream being cut.
pub struct SyntheticChunks {
    stream: Synthetic,
    first: bool,
    offset: u64,
    fingerprint: Fingerprint,
}

impl SyntheticChunks {
    /// A stream of `rows` records.
    pub fn new(generator: Generator, rows: u64, seed: u64, fingerprints: bool) -> Self {
        let fingerprint = if fingerprints { Fingerprint::whole() } else { Fingerprint::Off };
        Self { stream: Synthetic::new(generator, rows, seed), first: true, offset: 0, fingerprint }
    }

    /// Fills the next chunk with about `size` bytes; `false` at the end. The first opens with the header.
    pub fn fill(&mut self, chunk: &mut Chunk, size: usize) -> bool {
        if self.stream.is_done() && !self.first {
            return false;
        }
        chunk.offset = self.offset;
        chunk.first = std::mem::take(&mut self.first);
        chunk.quoted = false;
        chunk.bytes.clear();
        if chunk.first {
            chunk.bytes.extend_from_slice(self.stream.header().as_bytes());
        }
        chunk.best_loss = Some(self.stream.fill(&mut chunk.bytes, size));
        chunk.len = chunk.bytes.len();
        self.offset += chunk.len as u64;
        self.fingerprint.pass(&chunk.bytes);
        let (covered, fingerprint) = self.fingerprint.at(self.offset, &chunk.bytes);
        chunk.place = Place { offset: self.offset, covered, fingerprint, ..Place::default() };
        chunk.bytes.resize(chunk.len + PADDING, 0);
        true
    }
}
