//! Parquet: takes a file, gives pieces of its row groups. The bytes of the used columns are read here; pages are
//! decompressed and decoded where the columns are asked for, each column once, by whoever asks first.
//!
//! A row group is cut where its columns would take more than [`MOST_BYTES`]; a page that reaches over such a cut is
//! decompressed on both sides of it.

use std::hash::Hasher as _;
use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use twox_hash::xxhash3_64::Hasher;

use super::storage::{Storage, unreadable};
use super::{Batches, Decoded, Piece, damaged, decoded, some};
use crate::error::{Error, Result};
use crate::record::Columns;

/// First and last bytes of a Parquet file.
const MAGIC: &[u8] = b"PAR1";
/// Bytes of a piece's used columns, about, before compression.
const MOST_BYTES: u64 = 128 * 1024 * 1024;
/// Records of a piece.
const MOST_RECORDS: usize = 128 * 1024;
/// Bytes at the end of a row group that are part of its fingerprint.
const TAIL: u64 = 4096;

/// A Parquet file being read.
pub(super) struct ParquetFile {
    storage: Storage,
    name: String,
    metadata: ArrowReaderMetadata,
    /// Of the directory at the end of the file.
    fingerprint: Hasher,
    /// The used columns, by their places, and their names and types.
    used: Vec<usize>,
    schema: SchemaRef,
    /// Records of a chunk: pieces end with one.
    chunk: usize,
    /// The row group that is being read, and its next record.
    group: usize,
    row: usize,
    pieces: Option<Arc<Pieces>>,
}

/// The bytes of a row group's used columns.
#[derive(Debug)]
struct Pieces {
    size: u64,
    /// By where they start in the file.
    of: Vec<(u64, Bytes)>,
}

/// A piece of a row group.
#[derive(Debug)]
struct Block {
    name: String,
    metadata: ArrowReaderMetadata,
    schema: SchemaRef,
    used: Vec<usize>,
    group: usize,
    first: usize,
    rows: usize,
    pieces: Arc<Pieces>,
    columns: Vec<Decoded<ArrayRef>>,
}

impl ParquetFile {
    pub fn open(storage: Storage, name: String) -> Result<Self> {
        let size = storage.size().map_err(|cause| unreadable(&name, cause))?;
        let head = storage.read(0, size.min(4)).map_err(|cause| unreadable(&name, cause))?;
        if head != MAGIC {
            return Err(Error::input(format!(
                "{name} is not a Parquet file: it does not begin with PAR1; is another --format right?"
            )));
        }
        let fingerprint = directory(&storage, size, &name)?;
        let metadata = match &storage {
            Storage::File(file) => ArrowReaderMetadata::load(file, ArrowReaderOptions::new()),
            Storage::Memory(bytes) => ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new()),
        };
        let metadata = metadata.map_err(|cause| damaged(&name, cause))?;
        let schema = metadata.schema().clone();
        let used = (0..schema.fields().len()).collect();
        let chunk = super::RECORDS;
        Ok(Self { storage, name, metadata, fingerprint, used, schema, chunk, group: 0, row: 0, pieces: None })
    }

    fn groups(&self) -> &[RowGroupMetaData] {
        self.metadata.metadata().row_groups()
    }

    /// Records of a piece of this row group: whole chunks of them.
    fn records(&self, group: &RowGroupMetaData) -> usize {
        let used = self.leaves().map(|leaf| group.column(leaf).uncompressed_size().max(0) as u64);
        let record = used.sum::<u64>().div_ceil(rows(group).max(1) as u64).max(1);
        let most = (MOST_BYTES / record).min(MOST_RECORDS as u64) as usize;
        (most / self.chunk).max(1) * self.chunk
    }

    /// The places of the used columns among those that hold values: a struct has several.
    fn leaves(&self) -> impl Iterator<Item = usize> + '_ {
        let parquet = self.metadata.parquet_schema();
        (0..parquet.num_columns()).filter(|&leaf| self.used.contains(&parquet.get_column_root_idx(leaf)))
    }

    /// Reads the used columns of the row group, neighbours in one go.
    fn read(&self) -> Result<Pieces> {
        let group = &self.groups()[self.group];
        self.leaves().try_for_each(|leaf| self.check_codec(group.column(leaf)))?;
        let mut ranges: Vec<(u64, u64)> = self.leaves().map(|leaf| group.column(leaf).byte_range()).collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (start, len) in ranges {
            match joined.last_mut() {
                Some(last) if last.0 + last.1 == start => last.1 += len,
                _ => joined.push((start, len)),
            }
        }
        let read = |(start, len)| Ok((start, self.storage.read(start, len)?));
        let of = joined.into_iter().map(read).collect::<std::io::Result<_>>();
        let size = self.storage.size();
        let failed = |cause| unreadable(&self.name, cause);
        Ok(Pieces { of: of.map_err(failed)?, size: size.map_err(failed)? })
    }

    /// Two codecs that are hardly used are not read.
    fn check_codec(&self, column: &ColumnChunkMetaData) -> Result<()> {
        match column.compression() {
            Compression::BROTLI(_) | Compression::LZO => Err(Error::input(format!(
                "{} is compressed by {}, which is not read: write it again with zstd, snappy, lz4 or gzip",
                self.name,
                column.compression()
            ))),
            _ => Ok(()),
        }
    }

    /// Of the directory, and of the last bytes of a row group.
    fn fingerprint_of(&self, group: usize) -> Result<u64> {
        let columns = self.groups()[group].columns().iter().map(|column| column.byte_range());
        let Some((start, len)) = columns.max() else { return Ok(self.fingerprint.finish()) };
        let tail = self.storage.read(start + len.saturating_sub(TAIL), len.min(TAIL));
        let mut fingerprint = self.fingerprint.clone();
        fingerprint.write(&tail.map_err(|cause| unreadable(&self.name, cause))?);
        Ok(fingerprint.finish())
    }
}

impl Batches for ParquetFile {
    fn schema(&self) -> SchemaRef {
        self.metadata.schema().clone()
    }

    fn keep(&mut self, columns: &[usize], chunk: usize) -> Result<()> {
        self.schema = some(self.metadata.schema(), columns)?;
        (self.used, self.chunk, self.pieces) = (columns.to_vec(), chunk, None);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Piece>> {
        while self.groups().get(self.group).is_some_and(|group| rows(group) <= self.row) {
            (self.group, self.row, self.pieces) = (self.group + 1, 0, None);
        }
        let Some(group) = self.groups().get(self.group) else { return Ok(None) };
        let first = self.row;
        let rows_of_group = rows(group);
        let rows = self.records(group).min(rows_of_group - first);
        let bytes = group.compressed_size().max(0) as u64;
        let pieces = match &self.pieces {
            Some(pieces) => pieces.clone(),
            None => Arc::new(self.read()?),
        };
        self.pieces = Some(pieces.clone());
        self.row += rows;
        let block = Block {
            name: self.name.clone(),
            metadata: self.metadata.clone(),
            schema: self.schema.clone(),
            used: self.used.clone(),
            group: self.group,
            first,
            rows,
            pieces,
            columns: self.used.iter().map(|_| Decoded::new()).collect(),
        };
        Ok(Some(Piece { of: Arc::new(block), first: 0, rows, before: first, all: rows_of_group, bytes }))
    }

    fn fingerprint(&self) -> Result<u64> {
        self.fingerprint_of(self.group)
    }

    fn go_behind(&mut self, records: u64) -> Result<Option<u64>> {
        let mut left = records;
        for (at, group) in self.groups().iter().enumerate() {
            if left <= rows(group) as u64 {
                (self.group, self.row) = (at, left as usize);
                return self.fingerprint_of(at).map(Some);
            }
            left -= rows(group) as u64;
        }
        Ok(None)
    }
}

fn rows(group: &RowGroupMetaData) -> usize {
    group.num_rows().max(0) as usize
}

/// The fingerprint of the directory: where every column of every row group lies, and mostly what its smallest and
/// largest values are.
fn directory(storage: &Storage, size: u64, name: &str) -> Result<Hasher> {
    let failed = |cause| unreadable(name, cause);
    let end = storage.read(size.saturating_sub(8), size.min(8)).map_err(failed)?;
    let len = end.first_chunk().map_or(0, |len| u64::from(u32::from_le_bytes(*len)));
    let start = size.checked_sub(8 + len).ok_or_else(|| damaged(name, "its directory is longer than the file"))?;
    let mut hasher = Hasher::new();
    hasher.write(&storage.read(start, len).map_err(failed)?);
    Ok(hasher)
}

impl Columns for Block {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        decoded(&self.columns[at], &self.name, || self.decode(at).map_err(|cause| cause.to_string()))
    }
}

impl Block {
    fn decode(&self, at: usize) -> std::result::Result<ArrayRef, ParquetError> {
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), [self.used[at]]);
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(Shared(self.pieces.clone()), self.metadata.clone());
        let builder = builder.with_row_groups(vec![self.group]).with_projection(mask);
        let mut reader = builder.with_offset(self.first).with_limit(self.rows).with_batch_size(self.rows).build()?;
        let fewer = || ParquetError::General(format!("fewer than {} values in a column", self.rows));
        let batch = reader.next().ok_or_else(fewer)??;
        let column = batch.columns().first().ok_or_else(fewer)?;
        if column.len() == self.rows { Ok(column.clone()) } else { Err(fewer()) }
    }
}

/// What of the file was read, for the decoder: it asks for nothing else.
struct Shared(Arc<Pieces>);

impl Length for Shared {
    fn len(&self) -> u64 {
        self.0.size
    }
}

impl Shared {
    /// What was read from `start` on.
    fn from(&self, start: u64) -> parquet::errors::Result<Bytes> {
        let missing = || ParquetError::EOF(format!("a column reaches to byte {start}, which is not its own"));
        let piece = self.0.of.iter().rev().find(|(from, _)| *from <= start).ok_or_else(missing)?;
        let at = (start - piece.0) as usize;
        if at <= piece.1.len() { Ok(piece.1.slice(at..)) } else { Err(missing()) }
    }
}

impl ChunkReader for Shared {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.from(start).map(Cursor::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let bytes = self.from(start)?;
        let short = || ParquetError::EOF(format!("{length} bytes are asked for where there are {}", bytes.len()));
        if length <= bytes.len() { Ok(bytes.slice(..length)) } else { Err(short()) }
    }
}
