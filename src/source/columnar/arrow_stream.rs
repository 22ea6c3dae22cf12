//! Arrow's streams: takes bytes as they come, gives batch after batch. Nothing is read ahead of the batch that is next,
//! so that a pipe's batches are learned as they arrive.

use std::hash::Hasher as _;
use std::io::{self, Read};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use twox_hash::xxhash3_64::Hasher;

use super::storage::unreadable;
use super::{Batches, Piece, damaged};
use crate::error::{Error, Result};

/// An Arrow stream being read.
pub(super) struct ArrowStream {
    reader: StreamReader<Seen>,
    name: String,
    used: Option<Vec<usize>>,
    /// Read already, to find a place in it.
    waiting: Option<(RecordBatch, usize)>,
    /// Bytes read before the last batch.
    seen: u64,
}

/// Passes bytes on, and keeps a fingerprint of all of them.
struct Seen {
    from: Box<dyn Read + Send>,
    hasher: Hasher,
    bytes: u64,
}

impl Read for Seen {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hasher.write(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

impl ArrowStream {
    pub fn open(from: Box<dyn Read + Send>, name: String) -> Result<Self> {
        let seen = Seen { from, hasher: Hasher::new(), bytes: 0 };
        let reader = StreamReader::try_new(seen, None).map_err(|cause| match cause {
            ArrowError::IoError(_, cause) if cause.kind() != io::ErrorKind::UnexpectedEof => unreadable(&name, cause),
            cause => Error::input(format!(
                "{name} is not an Arrow file or stream, or it is damaged: is another --format right?"
            ))
            .because(cause),
        })?;
        Ok(Self { reader, name, used: None, waiting: None, seen: 0 })
    }

    fn take(&mut self) -> Result<Option<RecordBatch>> {
        self.seen = self.reader.get_ref().bytes;
        self.reader.next().transpose().map_err(|cause| match cause {
            ArrowError::IoError(_, cause) => unreadable(&self.name, cause),
            cause => damaged(&self.name, cause),
        })
    }
}

impl Batches for ArrowStream {
    fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }

    fn keep(&mut self, columns: &[usize], _chunk: usize) -> Result<()> {
        self.used = Some(columns.to_vec());
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Piece>> {
        let (batch, first) = match self.waiting.take() {
            Some(waiting) => waiting,
            None => match self.take()? {
                Some(batch) => (batch, 0),
                None => return Ok(None),
            },
        };
        let batch = match &self.used {
            Some(used) => batch.project(used).map_err(|cause| damaged(&self.name, cause))?,
            None => batch,
        };
        let (all, bytes) = (batch.num_rows(), self.reader.get_ref().bytes - self.seen);
        Ok(Some(Piece { of: Arc::new(batch), first, rows: all - first, before: first, all, bytes }))
    }

    fn fingerprint(&self) -> Result<u64> {
        Ok(self.reader.get_ref().hasher.finish())
    }

    fn go_behind(&mut self, records: u64) -> Result<Option<u64>> {
        let mut left = records;
        while let Some(batch) = self.take()? {
            if left <= batch.num_rows() as u64 {
                self.waiting = Some((batch, left as usize));
                return self.fingerprint().map(Some);
            }
            left -= batch.num_rows() as u64;
        }
        Ok(None)
    }
}
