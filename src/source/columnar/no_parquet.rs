//! Stands for reading Parquet in a build without it: refuses every file, and says which feature is missing.

use arrow::datatypes::SchemaRef;

use super::storage::Storage;
use super::{Batches, Piece};
use crate::error::{Error, Result};

/// A Parquet file, of which there is none.
pub(super) enum ParquetFile {}

impl ParquetFile {
    /// Opens none.
    ///
    /// # Errors
    /// Says which feature is missing.
    pub fn open(_: Storage, name: String) -> Result<Self> {
        Err(Error::usage(format!("{name}: this build has no Parquet: build with --features parquet")))
    }
}

impl Batches for ParquetFile {
    fn schema(&self) -> SchemaRef {
        match *self {}
    }

    fn keep(&mut self, _: &[usize], _: usize) -> Result<()> {
        match *self {}
    }

    fn next(&mut self) -> Result<Option<Piece>> {
        match *self {}
    }

    fn fingerprint(&self) -> Result<u64> {
        match *self {}
    }

    fn go_behind(&mut self, _: u64) -> Result<Option<u64>> {
        match *self {}
    }
}
