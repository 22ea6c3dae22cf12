//! The parser: takes a chunk, gives its records as numbers and spans, and what it had to reject.
//!
//! A pure function of the chunk and the schema: no I/O, no state from one chunk to the next, so any number of threads
//! may parse. A new format is a sibling of [`csv`] and one more arm in [`Parser`].

pub mod columnar;
pub mod csv;
pub mod json;
pub mod libsvm;
pub mod look;
mod marks;
pub mod number;
mod sparse;
pub mod vw;

use crate::error::Result;
use crate::record::{Chunk, Records};
use crate::schema::{Format, Schema};

/// A parser for one schema, with its scratch space; each ingest thread has its own.
///
/// ```
/// use tidemill::parser::Parser;
/// use tidemill::record::{Chunk, Records};
/// use tidemill::schema::{Column, Format, Role, Schema};
/// let column = |name: &str, role| Column { name: name.into(), role, log: false };
/// let columns = vec![column("y", Role::Label), column("x", Role::Numeric)];
/// let schema = Schema { columns, format: Format::Csv, header: false, ..Schema::default() };
/// let mut records = Records::default();
/// Parser::new(schema).parse(Chunk::of(b"1,2.5\n0,-3\n"), &mut records)?;
/// assert_eq!((records.numeric[0], records.numeric[16]), (2.5, -3.0));
/// # Ok::<(), tidemill::error::Error>(())
/// ```
#[derive(Debug)]
pub enum Parser {
    /// Text in lines of fields.
    Csv(csv::CsvParser),
    /// libsvm's text.
    LibSvm(libsvm::LibSvmParser),
    /// Vowpal Wabbit's text.
    Vw(vw::VwParser),
    /// JSON, an object a line.
    Json(json::JsonParser),
    /// Columns of files that hold columns.
    Columnar(columnar::ColumnarParser),
}

impl Parser {
    /// A parser for records in this schema.
    pub fn new(schema: Schema) -> Self {
        match schema.format {
            Format::Csv | Format::Tsv => Self::Csv(csv::CsvParser::new(schema)),
            Format::LibSvm => Self::LibSvm(libsvm::LibSvmParser::new(&schema)),
            Format::Vw => Self::Vw(vw::VwParser::new(&schema)),
            Format::JsonL => Self::Json(json::JsonParser::new(schema)),
            Format::Parquet | Format::Arrow => Self::Columnar(columnar::ColumnarParser::new(schema)),
        }
    }

    /// Parses a chunk into `records`, whose buffers are used again.
    ///
    /// # Errors
    /// A source whose header names other columns than the schema.
    pub fn parse(&mut self, chunk: Chunk, records: &mut Records) -> Result<()> {
        records.clear();
        records.chunk = chunk;
        records.rejected.append(&mut records.chunk.rejected);
        records.seen = records.rejected.len() as u32;
        match self {
            Self::Csv(parser) => return parser.parse(records),
            Self::Columnar(parser) => return parser.parse(records),
            Self::Json(parser) => parser.parse(records),
            Self::LibSvm(parser) => parser.parse(records),
            Self::Vw(parser) => parser.parse(records),
        }
        Ok(())
    }
}
