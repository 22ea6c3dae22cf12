//! Stands for writing Parquet in a build without it: refuses to start, and says which feature is missing.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::{Error, Result};

/// A Parquet file, of which there is none.
pub(super) enum ParquetRows {}

impl ParquetRows {
    /// Starts none.
    ///
    /// # Errors
    /// Says which feature is missing.
    pub fn new(_: &SchemaRef) -> Result<Self> {
        Err(Error::usage("this build has no Parquet: build with --features parquet, or write .csv, .jsonl or .arrow"))
    }

    /// Takes a batch.
    pub fn write(&mut self, _: &RecordBatch) -> Result<()> {
        match *self {}
    }

    /// Ends the file.
    pub fn finish(&mut self) -> Result<()> {
        match *self {}
    }

    /// The bytes so far.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        match *self {}
    }
}
