//! How predictions are written down: takes the name of a file, gives its form. It opens nothing.

use std::path::Path;

use super::output::{self, STANDARD_OUTPUT};
use crate::error::{Error, Result};

/// How a row of predictions is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Comma-separated, with a header line.
    Csv,
    /// A JSON object a line.
    JsonLines,
    /// A Parquet file, which is whole only at its end and cannot be gone on with.
    Parquet,
    /// An Arrow stream.
    Arrow,
}

impl Form {
    /// The form that a file's ending asks for, an ending for compression left aside.
    ///
    /// ```
    /// use tidemill::sink::predictions::Form;
    /// assert_eq!(Form::of("p.ndjson.gz".as_ref())?, Form::JsonLines);
    /// assert!(Form::of("p.xlsx".as_ref()).is_err());
    /// # Ok::<(), tidemill::error::Error>(())
    /// ```
    pub fn of(path: &Path) -> Result<Self> {
        if path == Path::new(STANDARD_OUTPUT) {
            return Ok(Self::Csv);
        }
        let is_compressed = matches!(output::ending(path).as_str(), "gz" | "zst");
        let plain = if is_compressed { path.with_extension("") } else { path.to_owned() };
        match output::ending(&plain).as_str() {
            "csv" => Ok(Self::Csv),
            "jsonl" | "ndjson" | "json" => Ok(Self::JsonLines),
            "arrow" | "arrows" => Ok(Self::Arrow),
            "parquet" if !is_compressed => Ok(Self::Parquet),
            "parquet" => Err(Error::usage(format!(
                "{} would be compressed twice: leave the last ending out, Parquet is compressed inside",
                path.display()
            ))),
            _ => Err(Error::usage(format!(
                "no form of predictions is known for {}: name a file in .csv, .jsonl, .ndjson, .json or .arrow, \
                 each also with .gz or .zst behind it, in .parquet, or - for CSV on standard output",
                path.display()
            ))),
        }
    }

    /// Whether a stopped run's file can be cut back to a checkpoint and gone on with.
    pub fn can_go_on(self) -> bool {
        self != Self::Parquet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_ending_is_refused_with_the_known_ones() {
        let error = Form::of(Path::new("p.xlsx")).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Usage);
        assert!(error.to_string().contains(".csv, .jsonl, .ndjson, .json or .arrow"), "{error}");
        assert!(Form::of(Path::new("predictions.gz")).is_err());
        assert!(Form::of(Path::new("p.parquet.gz")).unwrap_err().to_string().contains("twice"));
    }
}
