//! Columns: what a chunk of a columnar format carries instead of text.
//!
//! Takes arrays, or what they are made from when they are first asked for; gives those of a chunk's records, and one
//! record as text where it has to be shown. It never decides what a column is for.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;

use crate::error::{Error, Result};

/// Columns of equal length, each of which may be decoded only when somebody asks for it.
///
/// Several chunks share one of these, and so do the threads that parse them: asking twice gives the same array.
pub trait Columns: fmt::Debug + Send + Sync {
    /// Names and types of the columns.
    fn schema(&self) -> &SchemaRef;

    /// The whole of the column at this place of the schema.
    ///
    /// # Errors
    /// Bytes that no array can be made of.
    fn column(&self, at: usize) -> Result<ArrayRef>;
}

impl Columns for RecordBatch {
    fn schema(&self) -> &SchemaRef {
        self.schema_ref()
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        let missing = || Error::input("there is no such column in the batch");
        self.columns().get(at).cloned().ok_or_else(missing)
    }
}

/// The records of a chunk among columns that reach further.
#[derive(Debug, Clone)]
pub struct Part {
    /// The columns.
    pub of: Arc<dyn Columns>,
    /// The first record.
    pub first: usize,
    /// Number of records.
    pub rows: usize,
    /// Bytes of the source that hold these records, about, columns that are not used among them.
    pub bytes: u64,
}

impl Part {
    /// All records of a batch.
    pub fn whole(batch: RecordBatch) -> Self {
        let (rows, bytes) = (batch.num_rows(), batch.get_array_memory_size() as u64);
        Self { of: Arc::new(batch), first: 0, rows, bytes }
    }

    /// The column at this place of the schema, as far as the chunk goes.
    ///
    /// # Errors
    /// As [`Columns::column`].
    pub fn column(&self, at: usize) -> Result<ArrayRef> {
        Ok(self.of.column(at)?.slice(self.first, self.rows))
    }

    /// A record as a JSON object of the columns that were read.
    ///
    /// ```
    /// use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
    /// use std::sync::Arc;
    /// let n: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    /// let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    /// let batch = RecordBatch::try_from_iter([("n", n), ("text", text)]).unwrap();
    /// assert_eq!(tidemill::record::Part::whole(batch).record(1), br#"{"n":2,"text":null}"#);
    /// ```
    pub fn record(&self, row: usize) -> Vec<u8> {
        let fields = self.of.schema().fields().iter().enumerate();
        let pair = |(at, field): (usize, &Arc<arrow::datatypes::Field>)| {
            let array = self.column(at).ok()?;
            Some((field.name().clone(), value(&array, row)))
        };
        Value::Object(fields.filter_map(pair).collect()).to_string().into_bytes()
    }
}

/// One value as JSON; what JSON has no word for is text.
fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let list = |items: ArrayRef| Value::Array((0..items.len()).map(|at| value(&items, at)).collect());
    match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::List(_) => list(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row)),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            Value::Object(columns.map(|(field, column)| (field.name().clone(), value(column, row))).collect())
        }
        kind if kind.is_integer() || kind.is_floating() => {
            let text = text(array, row);
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        _ => Value::String(text(array, row)),
    }
}

fn text(array: &dyn Array, row: usize) -> String {
    let options = FormatOptions::default();
    let written = ArrayFormatter::try_new(array, &options).and_then(|formatter| formatter.value(row).try_to_string());
    written.unwrap_or_else(|cause| cause.to_string())
}
