//! Predictions as columns: takes scored micro-batches, gives the bytes of a Parquet file or of an Arrow stream.
//!
//! Columns: `record`, the id under its own name where there is one, `probability` (64-bit), `logit` (32-bit), `label`
//! (null without one), `model_version`. Rows are cut into batches and row groups by their number alone, so that neither
//! time nor threads show in the bytes; but an Arrow stream ends a batch at every checkpoint, so that it can be cut back
//! to there. It never writes anywhere: whoever owns it takes the bytes.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Float64Builder, RecordBatch, StringBuilder, UInt8Builder, UInt64Builder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;

use super::form::Form;
use super::parquet::ParquetRows;
use crate::error::{Error, ErrorKind, Result};
use crate::examples::Scored;
use crate::metric::probability;

/// Rows of a batch.
pub(super) const BATCH: usize = 8 * 1024;

/// Predictions on their way into columns.
#[derive(Debug)]
pub(super) struct ColumnarRows {
    schema: SchemaRef,
    has_id: bool,
    rows: usize,
    record: UInt64Builder,
    id: StringBuilder,
    probability: Float64Builder,
    logit: Float32Builder,
    label: UInt8Builder,
    version: UInt64Builder,
    to: To,
}

enum To {
    Parquet(ParquetRows),
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

impl ColumnarRows {
    /// Starts; `goes_on` where the beginning of an Arrow stream has been written before.
    ///
    /// # Errors
    /// A form that has no columns, or that this build does not have.
    pub fn new(form: Form, id_column: Option<&str>, goes_on: bool) -> Result<Self> {
        let schema = schema(id_column);
        let to = match form {
            Form::Parquet => To::Parquet(ParquetRows::new(&schema)?),
            _ => To::Arrow(Box::new(StreamWriter::try_new(Vec::new(), &schema).map_err(failed)?)),
        };
        let mut rows = Self {
            schema,
            has_id: id_column.is_some(),
            rows: 0,
            record: UInt64Builder::new(),
            id: StringBuilder::new(),
            probability: Float64Builder::new(),
            logit: Float32Builder::new(),
            label: UInt8Builder::new(),
            version: UInt64Builder::new(),
            to,
        };
        if goes_on {
            rows.bytes().clear();
        }
        Ok(rows)
    }

    /// Takes the rows of a micro-batch.
    pub fn push(&mut self, scored: &Scored) -> Result<()> {
        let batch = &scored.batch;
        for ((row, &logit), version) in scored.logit.iter().enumerate().zip(scored.versions()) {
            let (label, known) = (batch.label[row], Some(logit).filter(|logit| logit.is_finite()));
            self.record.append_value(batch.record[row]);
            if self.has_id {
                self.id.append_value(String::from_utf8_lossy(batch.id_of(row)));
            }
            self.probability.append_option(known.map(probability));
            self.logit.append_option(known);
            self.label.append_option((!label.is_nan()).then_some(u8::from(label > 0.5)));
            self.version.append_value(version);
            self.rows += 1;
            if self.rows == BATCH {
                self.end_batch()?;
            }
        }
        Ok(())
    }

    /// Ends the batch that is being filled.
    pub fn end_batch(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.record.finish())];
        if self.has_id {
            columns.push(Arc::new(self.id.finish()));
        }
        columns.push(Arc::new(self.probability.finish()));
        columns.push(Arc::new(self.logit.finish()));
        columns.push(Arc::new(self.label.finish()));
        columns.push(Arc::new(self.version.finish()));
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(failed)?;
        match &mut self.to {
            To::Parquet(writer) => writer.write(&batch),
            To::Arrow(writer) => writer.write(&batch).map_err(failed),
        }
    }

    /// Ends everything.
    pub fn finish(&mut self) -> Result<()> {
        self.end_batch()?;
        match &mut self.to {
            To::Parquet(writer) => writer.finish(),
            To::Arrow(writer) => writer.finish().map_err(failed),
        }
    }

    /// The bytes so far; they are for whoever asks to write and to clear.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        match &mut self.to {
            To::Parquet(writer) => writer.bytes(),
            To::Arrow(writer) => writer.get_mut(),
        }
    }
}

fn schema(id_column: Option<&str>) -> SchemaRef {
    let mut fields = vec![Field::new("record", DataType::UInt64, false)];
    fields.extend(id_column.map(|name| Field::new(name, DataType::Utf8, false)));
    fields.extend([
        Field::new("probability", DataType::Float64, true),
        Field::new("logit", DataType::Float32, true),
        Field::new("label", DataType::UInt8, true),
        Field::new("model_version", DataType::UInt64, false),
    ]);
    Arc::new(Schema::new(fields))
}

/// Rows that no columns can be made of.
pub(super) fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Output, "the predictions could not be put into columns: write them as .csv").because(cause)
}

impl std::fmt::Debug for To {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Parquet(_)) { "Parquet" } else { "Arrow" })
    }
}
