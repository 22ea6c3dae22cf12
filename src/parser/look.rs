//! A first look: what a chunk says of its columns before anything is parsed.

use super::{columnar, csv, json};
use crate::record::Chunk;
use crate::schema::{Format, Role};

/// Columns as a format tells them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Look {
    /// The names of the columns.
    pub names: Vec<String>,
    /// What the format itself says each is for; `None` where only a sample can tell. As long as `names`.
    pub roles: Vec<Option<Role>>,
    /// The first records as fields, where the format does not say what columns are for.
    pub sample: Vec<Vec<Vec<u8>>>,
    /// Whether the names stand in a header line.
    pub header: bool,
}

impl Look {
    /// Most records that are looked at.
    pub const SAMPLE: usize = 1000;

    /// Looks at the first chunk of a stream; `columns` are names for a stream that does not name its own.
    pub fn at(chunk: &Chunk, format: Format, columns: Option<&[String]>) -> Self {
        match format {
            Format::JsonL => json::look::look(chunk.text()),
            Format::LibSvm => Self::fixed(&[("label", Role::Label)]),
            Format::Vw => Self::fixed(&[("label", Role::Label), ("weight", Role::Weight), ("tag", Role::Ignored)]),
            Format::Parquet | Format::Arrow => Self::at_columns(chunk),
            _ => Self::at_text(chunk.text(), format.delimiter(), columns),
        }
    }

    fn at_text(text: &[u8], delimiter: u8, columns: Option<&[String]>) -> Self {
        let (names, start) = csv::header(text, delimiter);
        let (names, start, header) = match columns {
            Some(columns) => (columns.to_vec(), 0, false),
            None => (names, start, true),
        };
        let sample = csv::sample(&text[start..], delimiter, Self::SAMPLE);
        Self { roles: vec![None; names.len()], names, sample, header }
    }

    /// Types say what columns are for: nothing is guessed.
    fn at_columns(chunk: &Chunk) -> Self {
        let named = chunk.columns.as_ref().map(|part| columnar::named(part.of.schema())).unwrap_or_default();
        let (names, roles) = named.into_iter().map(|(name, role)| (name, Some(role))).unzip();
        Self { names, roles, header: true, ..Self::default() }
    }

    fn fixed(columns: &[(&str, Role)]) -> Self {
        let (names, roles) = columns.iter().map(|&(name, role)| (name.to_owned(), Some(role))).unzip();
        Self { names, roles, ..Self::default() }
    }
}
