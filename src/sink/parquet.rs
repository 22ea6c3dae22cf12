//! Rows as a Parquet file: takes batches, gives its bytes. It never writes anywhere.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::columnar::{BATCH, failed};
use crate::error::Result;

/// Rows of a row group.
const GROUP: usize = 16 * BATCH;

/// A Parquet file that grows.
pub(super) struct ParquetRows(Box<ArrowWriter<Vec<u8>>>);

impl ParquetRows {
    /// Starts one.
    ///
    /// # Errors
    /// Columns that Parquet does not have.
    pub fn new(schema: &SchemaRef) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by("tidemill".into())
            .set_max_row_group_row_count(Some(GROUP));
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties.build()));
        Ok(Self(Box::new(writer.map_err(failed)?)))
    }

    /// Takes a batch.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(failed)
    }

    /// Ends the file.
    pub fn finish(&mut self) -> Result<()> {
        self.0.finish().map(drop).map_err(failed)
    }

    /// The bytes so far; they are for whoever asks to write and to clear.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        self.0.inner_mut()
    }
}
