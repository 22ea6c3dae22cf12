//! Arrow's files: takes one, gives its batches in order. The bytes of a batch are read here and decoded where a column is
//! asked for, the whole batch at once; where it is not compressed, that copies nothing.

use std::hash::Hasher as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::{Block as Place, root_as_footer, root_as_message};
use bytes::Bytes;
use twox_hash::xxhash3_64::Hasher;

use super::storage::{Storage, unreadable};
use super::{Batches, Decoded, Piece, damaged, decoded, some};
use crate::error::{Error, Result};
use crate::record::Columns;

/// First and last bytes of an Arrow file.
pub(super) const MAGIC: &[u8] = b"ARROW1";
/// Bytes behind the directory: its length and the last bytes of the file.
const END: u64 = 10;

/// An Arrow file being read.
pub(super) struct ArrowFile {
    storage: Storage,
    name: String,
    schema: SchemaRef,
    decoder: Arc<FileDecoder>,
    /// What the decoder gives.
    kept: SchemaRef,
    used: Option<Vec<usize>>,
    places: Vec<Place>,
    footer: Bytes,
    /// Of the directory.
    fingerprint: Hasher,
    /// Of the last batch too.
    last: u64,
    next: usize,
    /// Records of the next batch that were read before.
    passed: usize,
}

/// A batch that has been read.
#[derive(Debug)]
struct Batch {
    name: String,
    schema: SchemaRef,
    decoder: Arc<FileDecoder>,
    place: Place,
    bytes: Buffer,
    rows: usize,
    batch: Decoded<RecordBatch>,
}

impl ArrowFile {
    pub fn open(storage: Storage, name: String) -> Result<Self> {
        let footer = footer(&storage, &name)?;
        let broken = |cause: &str| damaged(&name, cause);
        let directory = root_as_footer(&footer).map_err(|cause| damaged(&name, cause.to_string()))?;
        let schema = directory.schema().ok_or_else(|| broken("its directory names no columns"))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(Error::input(format!(
                "{name} was written by a machine with another order of bytes: write it again on this one"
            )));
        }
        let schema = Arc::new(try_fb_to_schema(schema).map_err(|cause| damaged(&name, cause))?);
        let places = directory.recordBatches().ok_or_else(|| broken("its directory names no batches"))?;
        let places = places.iter().copied().collect();
        let mut fingerprint = Hasher::new();
        fingerprint.write(&footer);
        let mut file = Self {
            decoder: Arc::new(FileDecoder::new(schema.clone(), directory.version())),
            storage,
            name,
            kept: schema.clone(),
            schema,
            used: None,
            places,
            footer: footer.clone(),
            fingerprint,
            last: 0,
            next: 0,
            passed: 0,
        };
        file.decoder = Arc::new(file.decoder()?);
        Ok(file)
    }

    /// A decoder that knows the dictionaries, for the used columns.
    fn decoder(&self) -> Result<FileDecoder> {
        let failed = |cause| damaged(&self.name, cause);
        let footer = root_as_footer(&self.footer).map_err(|cause| damaged(&self.name, cause.to_string()))?;
        let mut decoder = FileDecoder::new(self.schema.clone(), footer.version());
        for place in footer.dictionaries().iter().flatten() {
            decoder.read_dictionary(place, &self.read(place)?.into()).map_err(failed)?;
        }
        Ok(match &self.used {
            Some(used) => decoder.with_projection(used.clone()),
            None => decoder,
        })
    }

    fn read(&self, place: &Place) -> Result<Bytes> {
        let lengths =
            (u64::try_from(place.offset()), u64::try_from(place.bodyLength()), u64::try_from(place.metaDataLength()));
        let (Ok(start), Ok(body), Ok(head)) = lengths else { return Err(damaged(&self.name, "a batch lies nowhere")) };
        self.storage.read(start, head.saturating_add(body)).map_err(|cause| unreadable(&self.name, cause))
    }

    /// The next batch.
    fn take(&mut self) -> Result<Option<Batch>> {
        let Some(&place) = self.places.get(self.next) else { return Ok(None) };
        self.next += 1;
        let bytes = self.read(&place)?;
        let rows = rows(&bytes).ok_or_else(|| damaged(&self.name, "a batch does not say how many records it has"))?;
        let mut fingerprint = self.fingerprint.clone();
        fingerprint.write(&bytes);
        self.last = fingerprint.finish();
        let batch = Batch {
            name: self.name.clone(),
            schema: self.kept.clone(),
            decoder: self.decoder.clone(),
            place,
            bytes: bytes.into(),
            rows,
            batch: Decoded::new(),
        };
        Ok(Some(batch))
    }
}

impl Batches for ArrowFile {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn keep(&mut self, columns: &[usize], _chunk: usize) -> Result<()> {
        self.kept = some(&self.schema, columns)?;
        self.used = Some(columns.to_vec());
        self.decoder = Arc::new(self.decoder()?);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Piece>> {
        let Some(batch) = self.take()? else { return Ok(None) };
        let first = std::mem::take(&mut self.passed).min(batch.rows);
        let (all, bytes) = (batch.rows, batch.bytes.len() as u64);
        Ok(Some(Piece { of: Arc::new(batch), first, rows: all - first, before: first, all, bytes }))
    }

    fn fingerprint(&self) -> Result<u64> {
        Ok(self.last)
    }

    fn go_behind(&mut self, records: u64) -> Result<Option<u64>> {
        let mut left = records;
        while let Some(Batch { rows, .. }) = self.take()? {
            if left <= rows as u64 {
                (self.next, self.passed) = (self.next - 1, left as usize);
                return Ok(Some(self.last));
            }
            left -= rows as u64;
        }
        Ok(None)
    }
}

/// The directory at the end of the file.
fn footer(storage: &Storage, name: &str) -> Result<Bytes> {
    let failed = |cause| unreadable(name, cause);
    let size = storage.size().map_err(failed)?;
    let cut_short = || damaged(name, "its directory is missing");
    let end = size.checked_sub(END).ok_or_else(cut_short)?;
    let last = storage.read(end, END).map_err(failed)?;
    let last = last.first_chunk().ok_or_else(cut_short)?;
    let len = read_footer_length(*last).map_err(|cause| damaged(name, cause))? as u64;
    storage.read(end.checked_sub(len).ok_or_else(cut_short)?, len).map_err(failed)
}

/// Records of a batch, as its first bytes say.
fn rows(bytes: &[u8]) -> Option<usize> {
    // What stands before the message: a mark and a length, or, in old files, a length alone.
    let is_marked = bytes.starts_with(&[0xff; 4]);
    let message = root_as_message(bytes.get(if is_marked { 8 } else { 4 }..)?).ok()?;
    usize::try_from(message.header_as_record_batch()?.length()).ok()
}

impl Columns for Batch {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        let batch = decoded(&self.batch, &self.name, || self.decode())?;
        batch.columns().get(at).cloned().ok_or_else(|| damaged(&self.name, "a batch lacks a column"))
    }
}

impl Batch {
    fn decode(&self) -> std::result::Result<RecordBatch, String> {
        let batch = self.decoder.read_record_batch(&self.place, &self.bytes).map_err(|cause| cause.to_string())?;
        let batch = batch.ok_or("a batch holds nothing")?;
        if batch.num_rows() == self.rows { Ok(batch) } else { Err("a batch holds fewer records than it says".into()) }
    }
}
