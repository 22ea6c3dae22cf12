//! Columnar inputs as chunks: takes a Parquet or Arrow input, gives its records a few thousand at a time.
//!
//! What a chunk holds can be decoded by whoever parses it. Chunks are cut by the number of records alone, so that they
//! are the same from run to run and wherever reading begins. The first chunk of an input has the names and types of its
//! columns and no records: nothing is read before it is known which columns are used. Siblings: `storage` (bytes at a
//! place), `parquet`, `arrow_file` and `arrow_stream`.
//!
//! Parquet and Arrow files that come through a pipe or a decompressor are held in memory as a whole, since their
//! directory is at their end; Arrow streams are not.

mod arrow_file;
mod arrow_stream;
// Without the feature, one that opens no file stands for it.
#[cfg_attr(not(feature = "parquet"), path = "no_parquet.rs")]
mod parquet;
mod storage;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};

use super::open::Text;
use super::{Input, open_text};
use crate::error::{Error, Result};
use crate::record::{Chunk, Columns, PADDING, Part, Place};
use crate::schema::{Format, Schema};
use storage::Storage;

/// Records of a chunk, unless they are wide.
const RECORDS: usize = 8 * 1024;
/// Records of a chunk where they are very wide.
const LEAST_RECORDS: usize = 512;
/// Values of a chunk, about.
const VALUES: usize = 256 * 1024;

/// An input as a few large pieces.
trait Batches: Send {
    /// Names and types of all columns.
    fn schema(&self) -> SchemaRef;

    /// Reads no other columns than these, by their places, from the next batch on; chunks have so many records.
    fn keep(&mut self, columns: &[usize], chunk: usize) -> Result<()>;

    /// The next piece; `None` at the end.
    fn next(&mut self) -> Result<Option<Piece>>;

    /// What tells this input, read to the end of the last piece, from others.
    fn fingerprint(&self) -> Result<u64>;

    /// Makes the next piece begin behind so many records, of which there is one at least; gives the fingerprint of what
    /// is before them, or `None` where there are fewer.
    fn go_behind(&mut self, records: u64) -> Result<Option<u64>>;
}

/// Records of a row group or a batch that have not been handed on.
struct Piece {
    of: Arc<dyn Columns>,
    /// The first of them in the columns.
    first: usize,
    rows: usize,
    /// Records of the row group or batch before them, and all of its records.
    before: usize,
    all: usize,
    /// Bytes of the row group or batch.
    bytes: u64,
}

impl Piece {
    /// Takes the next records out; their bytes follow from where they are, wherever reading began.
    fn take(&mut self, most: usize) -> Part {
        let rows = self.rows.min(most);
        let up_to = |record: usize| (u128::from(self.bytes) * record as u128 / self.all.max(1) as u128) as u64;
        let bytes = up_to(self.before + rows) - up_to(self.before);
        let part = Part { of: self.of.clone(), first: self.first, rows, bytes };
        (self.first, self.before, self.rows) = (self.first + rows, self.before + rows, self.rows - rows);
        part
    }
}

/// An input being cut.
pub(super) struct ColumnChunks {
    batches: Box<dyn Batches>,
    name: String,
    /// Records before the next chunk.
    offset: u64,
    first: bool,
    /// What is left of the last piece.
    rest: Option<Piece>,
    fingerprints: bool,
    fingerprint: u64,
    /// Records of a chunk.
    size: usize,
    is_pipe: bool,
}

impl ColumnChunks {
    /// An input from its start.
    ///
    /// # Errors
    /// An input that cannot be opened or is not of this format.
    pub fn open(input: &Input, format: Format, fingerprints: bool) -> Result<Self> {
        let (text, name) = (open_text(input)?, input.name());
        let batches: Box<dyn Batches> = match format {
            Format::Parquet => Box::new(parquet::ParquetFile::open(Storage::of(text, &name)?, name.clone())?),
            _ => open_arrow(text, &name)?,
        };
        Ok(Self {
            batches,
            name,
            offset: 0,
            first: true,
            rest: None,
            fingerprints,
            fingerprint: 0,
            size: RECORDS,
            is_pipe: *input == Input::Stdin,
        })
    }

    /// Whether reading means to wait for whoever writes to the other end.
    pub fn is_live(&self) -> bool {
        self.is_pipe
    }

    /// Names and types of all columns.
    pub fn schema(&self) -> SchemaRef {
        self.batches.schema()
    }

    /// Reads no other columns than those that `schema` uses, from the next piece on.
    ///
    /// # Errors
    /// An input that cannot be read without the others.
    pub fn keep(&mut self, schema: &Schema) -> Result<()> {
        let found = self.schema();
        let used =
            |name: &str| schema.as_read().iter().any(|column| column.role.is_read() && is_of(&column.name, name));
        let columns: Vec<_> = (0..found.fields().len()).filter(|&at| used(found.field(at).name())).collect();
        self.size = (VALUES / columns.len().max(1)).clamp(LEAST_RECORDS, RECORDS);
        self.batches.keep(&columns, self.size)
    }

    /// Goes on behind a place; `false` where it is not one of this input.
    pub fn go_behind(&mut self, place: &Place) -> Result<bool> {
        if place.offset == 0 {
            return Ok(true);
        }
        (self.offset, self.first) = (place.offset, false);
        let Some(fingerprint) = self.batches.go_behind(place.offset)? else { return Ok(false) };
        self.fingerprint = fingerprint;
        Ok(place.covered == 0 || place.fingerprint == fingerprint)
    }

    /// Whether there are more records.
    pub fn has_more(&mut self) -> Result<bool> {
        self.read_on()?;
        Ok(self.rest.is_some())
    }

    /// Fills the next chunk; `false` at the end.
    ///
    /// # Errors
    /// An input that cannot be read to its end.
    pub fn fill(&mut self, chunk: &mut Chunk) -> Result<bool> {
        (chunk.len, chunk.quoted, chunk.best_loss) = (0, false, None);
        chunk.bytes.clear();
        chunk.bytes.resize(PADDING, 0);
        chunk.offset = self.offset;
        chunk.first = std::mem::take(&mut self.first);
        let columns = if chunk.first { Some(self.nothing()) } else { self.cut()? };
        let Some(part) = columns else { return Ok(false) };
        self.offset += part.rows as u64;
        chunk.columns = Some(part);
        let (covered, fingerprint) = if self.fingerprints { (self.offset, self.fingerprint) } else { (0, 0) };
        chunk.place = Place { source: chunk.source, offset: self.offset, covered, fingerprint };
        Ok(true)
    }

    /// The columns without a record.
    fn nothing(&self) -> Part {
        Part { of: Arc::new(RecordBatch::new_empty(self.schema())), first: 0, rows: 0, bytes: 0 }
    }

    /// The next records; `None` at the end.
    fn cut(&mut self) -> Result<Option<Part>> {
        self.read_on()?;
        let Some(rest) = &mut self.rest else { return Ok(None) };
        let part = rest.take(self.size);
        if rest.rows == 0 {
            self.rest = None;
        }
        Ok(Some(part))
    }

    /// Reads the next piece with a record in it where nothing is left of the last one.
    fn read_on(&mut self) -> Result<()> {
        while self.rest.is_none() {
            let Some(piece) = self.batches.next()? else { return Ok(()) };
            self.rest = Some(piece).filter(|piece| piece.rows > 0);
            if self.fingerprints && self.rest.is_some() {
                self.fingerprint = self.batches.fingerprint()?;
            }
        }
        Ok(())
    }

    /// Inputs of a run must have the same columns.
    ///
    /// # Errors
    /// The first difference.
    pub fn check_like(&self, first: &SchemaRef) -> Result<()> {
        let found = self.schema();
        let other = |what: String| {
            let advice = "inputs of one run must have the same columns of the same kinds";
            Err(Error::input(format!("{} {what}: {advice}", self.name)))
        };
        for field in first.fields() {
            let Ok(same) = found.field_with_name(field.name()) else {
                return other(format!("lacks the column \"{}\", which the first input has", field.name()));
            };
            let (kind, expected) = (kind(same.data_type()), kind(field.data_type()));
            if kind != expected {
                let name = field.name();
                return other(format!("has {kind} in the column \"{name}\", where the first input has {expected}"));
            }
        }
        match found.fields().iter().find(|field| first.field_with_name(field.name()).is_err()) {
            Some(field) => other(format!("has a column \"{}\", which the first input does not have", field.name())),
            None => Ok(()),
        }
    }
}

/// Whether the column of this name is, or is inside, the outermost column `root`.
fn is_of(name: &str, root: &str) -> bool {
    name.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What a type holds, in plain words.
fn kind(kind: &DataType) -> &'static str {
    match kind {
        DataType::Dictionary(_, values) => self::kind(values),
        DataType::Boolean => "truth values",
        DataType::Struct(_) => "structs",
        kind if kind.is_numeric() => "numbers",
        kind if kind.is_string() || kind.is_binary() => "text",
        kind if kind.is_temporal() => "times",
        kind if kind.is_nested() => "lists",
        _ => "nothing",
    }
}

/// A file or a stream: a file opens with its name for itself.
fn open_arrow(text: Text, name: &str) -> Result<Box<dyn Batches>> {
    let (text, is_file) = storage::opens_with(text, arrow_file::MAGIC, name)?;
    Ok(match is_file {
        true => Box::new(arrow_file::ArrowFile::open(Storage::of(text, name)?, name.to_owned())?),
        false => Box::new(arrow_stream::ArrowStream::open(text.reader(), name.to_owned())?),
    })
}

/// Bytes that are not what the format says.
fn damaged(name: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::input(format!("{name} is damaged, or was cut short: get a whole copy")).because(cause)
}

/// An array that was decoded before, or why it could not be.
type Decoded<T> = std::sync::OnceLock<std::result::Result<T, String>>;

/// Decodes what nobody has decoded yet.
fn decoded<T: Clone>(
    kept: &Decoded<T>,
    name: &str,
    decode: impl FnOnce() -> std::result::Result<T, String>,
) -> Result<T> {
    kept.get_or_init(decode).clone().map_err(|cause| damaged(name, cause))
}

/// Some of the columns, by their places.
fn some(schema: &SchemaRef, columns: &[usize]) -> Result<SchemaRef> {
    schema.project(columns).map(Arc::new).map_err(|cause| Error::input("the columns are not there").because(cause))
}
