//! A file of blocks, in Arrow's file format: takes blocks while there are any, then gives them again by their place.
//!
//! Every block is read as the bytes that were written, which a checksum holds it to: a file that somebody has changed
//! meanwhile is an error, not other numbers. A temporary file has no name where the system can do without, so that it is
//! gone with the process, however that ends.

use std::fs::File;
use std::hash::Hasher as _;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, FixedSizeListArray, ListArray, PrimitiveArray,
    RecordBatch, StructArray,
};
use arrow::buffer::{Buffer, MutableBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowNativeType, DataType, Field, Fields, Float16Type, Float32Type, Schema, SchemaRef, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::ipc::reader::FileDecoder;
use arrow::ipc::writer::FileWriter;
use arrow::ipc::{Block as At, MetadataVersion};
use twox_hash::xxhash3_64::Hasher;

use super::Numbers;
use super::block::{Block, Columns, DenseColumn};
use crate::error::{Error, Result};

/// Bytes that are handed to the system together.
const TOGETHER: usize = 1 << 20;

/// Blocks in a file.
pub struct BlockFile {
    name: String,
    width: usize,
    schema: SchemaRef,
    writer: FileWriter<Counted>,
    /// The same file, to read from.
    from: File,
    places: Vec<Place>,
    decoder: FileDecoder,
    /// Room for the next block.
    spare: MutableBuffer,
}

/// Where a block lies, and the checksum of its bytes.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: u64,
    length: usize,
    checksum: u64,
}

/// Counts what goes through it.
struct Counted {
    to: BufWriter<File>,
    written: u64,
    /// Of what was written since the last block.
    checksum: Hasher,
}

/// A block that has been read.
#[derive(Debug)]
pub struct Loaded {
    bytes: Buffer,
    width: usize,
    dense: Option<DenseBuffer>,
    row_start: OffsetBuffer<i32>,
    hash: ScalarBuffer<u32>,
    value: ScalarBuffer<f32>,
    label: ScalarBuffer<f32>,
    weight: ScalarBuffer<f32>,
    record: ScalarBuffer<u64>,
    ends: Vec<u32>,
}

#[derive(Debug)]
enum DenseBuffer {
    F32(ScalarBuffer<f32>),
    F16(ScalarBuffer<u16>),
}

impl BlockFile {
    /// A file with a name, which stays.
    ///
    /// # Errors
    /// A file that cannot be made.
    pub fn named(path: &Path, width: usize, numbers: Numbers) -> Result<Self> {
        let name = path.display().to_string();
        let opened = File::options().read(true).write(true).create(true).truncate(true).open(path);
        let file = opened.map_err(|cause| Error::output(&name, cause))?;
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Err(Error::usage(format!("{name} cannot be read again: name a plain file with --replay-file")));
        }
        Self::on(file, name, width, numbers)
    }

    /// A file in the system's folder for such, which goes away by itself.
    ///
    /// # Errors
    /// A file that cannot be made.
    pub fn temporary(width: usize, numbers: Numbers) -> Result<Self> {
        let folder = std::env::temp_dir();
        let name = format!("the temporary file of --passes in {} (--replay-file names another)", folder.display());
        let file = tempfile::tempfile().map_err(|cause| Error::output(&name, cause))?;
        Self::on(file, name, width, numbers)
    }

    fn on(file: File, name: String, width: usize, numbers: Numbers) -> Result<Self> {
        let from = file.try_clone().map_err(|cause| Error::output(&name, cause))?;
        let to = BufWriter::with_capacity(TOGETHER, file);
        let counted = Counted { to, written: 0, checksum: Hasher::new() };
        let schema = Arc::new(schema(width, numbers));
        let writer = FileWriter::try_new(counted, &schema).map_err(|cause| unwritten(&name, cause))?;
        let decoder = FileDecoder::new(schema.clone(), MetadataVersion::V5);
        Ok(Self { name, width, schema, writer, from, places: Vec::new(), decoder, spare: MutableBuffer::default() })
    }

    /// Writes a block behind the others.
    ///
    /// # Errors
    /// A disk that is full.
    pub fn write(&mut self, block: &Block) -> Result<()> {
        let failed = |cause| unwritten(&self.name, cause);
        let batch = batch(&self.schema, block.columns()).map_err(failed)?;
        let start = self.writer.get_ref().written;
        self.writer.get_mut().checksum = Hasher::new();
        self.writer.write(&batch).map_err(failed)?;
        let Counted { written, checksum, .. } = self.writer.get_ref();
        self.places.push(Place { start, length: (written - start) as usize, checksum: checksum.finish() });
        Ok(())
    }

    /// Ends the file, and makes sure that all of it has been handed to the system.
    ///
    /// # Errors
    /// A disk that is full.
    pub fn finish(&mut self) -> Result<()> {
        self.writer.finish().map_err(|cause| unwritten(&self.name, cause))
    }

    /// Reads a block; `None` behind the last one.
    ///
    /// # Errors
    /// A file that is not as it was written.
    pub fn load(&mut self, place: usize) -> Result<Option<Loaded>> {
        let Some(&place) = self.places.get(place) else { return Ok(None) };
        let bytes = self.read(place)?;
        let decoded = decoded(&self.decoder, &bytes, place).map_err(|cause| damaged(&self.name).because(cause))?;
        Loaded::of(bytes, &decoded, self.width).map(Some).ok_or_else(|| damaged(&self.name))
    }

    /// Takes the room of a block back.
    pub fn recycle(&mut self, loaded: Loaded) {
        let bytes = loaded.into_bytes();
        self.spare = bytes.into_mutable().unwrap_or_default();
    }

    fn read(&mut self, Place { start, length, checksum }: Place) -> Result<Buffer> {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.resize(length, 0);
        let read = self.from.seek(SeekFrom::Start(start)).and_then(|_| self.from.read_exact(&mut bytes));
        read.map_err(|cause| match cause.kind() {
            io::ErrorKind::UnexpectedEof => damaged(&self.name),
            _ => Error::input(format!("cannot read {}", self.name)).because(cause),
        })?;
        match Hasher::oneshot(&bytes) == checksum {
            true => Ok(bytes.into()),
            false => Err(damaged(&self.name)),
        }
    }
}

fn decoded(decoder: &FileDecoder, bytes: &Buffer, place: Place) -> std::result::Result<RecordBatch, ArrowError> {
    // Four bytes that say that a length follows, and the length of what stands before the columns.
    let mut length = [0; 4];
    length.copy_from_slice(&bytes[4..8]);
    let head = 8 + i32::from_le_bytes(length);
    let at = At::new(place.start as i64, head, place.length as i64 - i64::from(head));
    let nothing = || ArrowError::IpcError("a block holds no columns".into());
    decoder.read_record_batch(&at, bytes)?.ok_or_else(nothing)
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.to.write(bytes)?;
        self.checksum.write(&bytes[..taken]);
        self.written += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The columns of a file: dense numbers where there are any, then the others.
fn schema(width: usize, numbers: Numbers) -> Schema {
    let number = match numbers {
        Numbers::F32 => DataType::Float32,
        Numbers::F16 => DataType::Float16,
    };
    let dense = DataType::FixedSizeList(item(number), width as i32);
    let features = DataType::List(item(DataType::Struct(feature_fields())));
    let mut fields = vec![
        Field::new("features", features, false),
        Field::new("label", DataType::Float32, false),
        Field::new("weight", DataType::Float32, false),
        Field::new("record", DataType::UInt64, false),
        Field::new("ends_micro_batch", DataType::Boolean, false),
    ];
    if width > 0 {
        fields.push(Field::new("dense", dense, false));
    }
    Schema::new(fields)
}

fn item(of: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", of, false))
}

fn feature_fields() -> Fields {
    let fields = [Field::new("hash", DataType::UInt32, false), Field::new("value", DataType::Float32, false)];
    fields.into_iter().collect()
}

fn batch(schema: &SchemaRef, block: Columns<'_>) -> std::result::Result<RecordBatch, ArrowError> {
    let values: Vec<ArrayRef> = vec![of::<UInt32Type>(block.hash), of::<Float32Type>(block.value)];
    let features = StructArray::try_new(feature_fields(), values, None)?;
    let offsets = OffsetBuffer::new(block.row_start.to_vec().into());
    let features = ListArray::try_new(item(features.data_type().clone()), offsets, Arc::new(features), None)?;
    let mut ends = vec![false; block.label.len()];
    block.ends.iter().for_each(|&end| ends[end as usize - 1] = true);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(features),
        of::<Float32Type>(block.label),
        of::<Float32Type>(block.weight),
        of::<UInt64Type>(block.record),
        Arc::new(BooleanArray::from(ends)),
    ];
    if block.width > 0 {
        let dense: ArrayRef = match block.dense {
            DenseColumn::F32(numbers) => of::<Float32Type>(numbers),
            DenseColumn::F16(numbers) => of::<Float16Type>(numbers),
        };
        let of_a_row = item(dense.data_type().clone());
        columns.push(Arc::new(FixedSizeListArray::try_new(of_a_row, block.width as i32, dense, None)?));
    }
    RecordBatch::try_new(schema.clone(), columns)
}

/// A column without missing values; a 16-bit float is handed over as its bits.
fn of<T: ArrowPrimitiveType>(values: &[impl ArrowNativeType]) -> ArrayRef {
    let values = ScalarBuffer::<T::Native>::from(Buffer::from_slice_ref(values));
    Arc::new(PrimitiveArray::<T>::new(values, None))
}

impl Loaded {
    /// The columns of a decoded block; `None` where they are not those of [`schema`].
    fn of(bytes: Buffer, batch: &RecordBatch, width: usize) -> Option<Self> {
        let features = batch.column(0).as_list_opt::<i32>()?;
        let values = features.values().as_struct_opt()?;
        let ends = batch.column(4).as_boolean_opt()?.values();
        let dense =
            if width > 0 { Some(DenseBuffer::of(batch.column(5).as_fixed_size_list_opt()?.values())?) } else { None };
        Some(Self {
            bytes,
            width,
            dense,
            row_start: features.offsets().clone(),
            hash: values.column(0).as_primitive_opt::<UInt32Type>()?.values().clone(),
            value: values.column(1).as_primitive_opt::<Float32Type>()?.values().clone(),
            label: batch.column(1).as_primitive_opt::<Float32Type>()?.values().clone(),
            weight: batch.column(2).as_primitive_opt::<Float32Type>()?.values().clone(),
            record: batch.column(3).as_primitive_opt::<UInt64Type>()?.values().clone(),
            ends: ends.set_indices().map(|at| at as u32 + 1).collect(),
        })
    }

    /// Its columns.
    pub fn columns(&self) -> Columns<'_> {
        let Self { bytes: _, width, dense, row_start, hash, value, label, weight, record, ends } = self;
        let dense = match dense {
            None => DenseColumn::F32(&[]),
            Some(DenseBuffer::F32(numbers)) => DenseColumn::F32(numbers),
            Some(DenseBuffer::F16(bits)) => DenseColumn::F16(bits),
        };
        Columns { width: *width, dense, row_start, hash, value, label, weight, record, ends }
    }

    /// What it was read into; nobody else holds that any more.
    fn into_bytes(self) -> Buffer {
        self.bytes
    }
}

impl DenseBuffer {
    fn of(numbers: &ArrayRef) -> Option<Self> {
        if let Some(numbers) = numbers.as_primitive_opt::<Float32Type>() {
            return Some(Self::F32(numbers.values().clone()));
        }
        let numbers = numbers.as_primitive_opt::<Float16Type>()?;
        Some(Self::F16(numbers.values().inner().clone().into()))
    }
}

fn unwritten(name: &str, cause: ArrowError) -> Error {
    match cause {
        ArrowError::IoError(_, cause) => Error::output(name, cause),
        cause => Error::output(name, io::Error::other(cause)),
    }
}

fn damaged(name: &str) -> Error {
    Error::input(format!(
        "{name} is damaged: it is not as it was written in pass 1; leave it alone while the run lasts, and run again"
    ))
}

impl std::fmt::Debug for BlockFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockFile").field("name", &self.name).field("places", &self.places).finish_non_exhaustive()
    }
}
