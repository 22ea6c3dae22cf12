//! The rejected file: takes records that could not be used, gives one JSON line each with place, reason and raw text.
//!
//! Nothing is judged here; what is rejected was decided by whoever met it.

use std::path::Path;

use serde::Serialize;

use super::output::{Mark, Output, Written};
use crate::error::{Error, Result};
use crate::record::Rejected;

/// Bytes that are gathered before one write.
const SPILL: usize = 64 * 1024;

/// Writes rejected records to a file, in the order they come.
#[derive(Debug)]
pub struct RejectedWriter {
    output: Output,
    buffer: Vec<u8>,
}

#[derive(Serialize)]
struct Line<'a> {
    record: u64,
    source: &'a str,
    offset: u64,
    column: Option<&'a str>,
    reason: &'static str,
    raw: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    raw_truncated: bool,
}

impl RejectedWriter {
    /// Starts a rejected file; `-` is standard output, a name in `.gz` or `.zst` is compressed.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self::new(Output::create(path)?))
    }

    /// Goes on with a file of a stopped run, which had come as far as [`RejectedWriter::mark`] said.
    ///
    /// # Errors
    /// As [`Output::resume`].
    pub fn resume(path: &Path, written: Written) -> Result<Self> {
        Ok(Self::new(Output::resume(path, written)?))
    }

    /// Starts on any output.
    pub fn new(output: Output) -> Self {
        Self { output, buffer: Vec::new() }
    }

    /// Takes one rejected record, with its number in the run (from 1) and the name of its source.
    ///
    /// Text that is not UTF-8 is written with replacement characters. `raw_truncated` stands where the text reaches
    /// [`Rejected::MAX_RAW`] bytes, which is where it is cut.
    ///
    /// ```
    /// use tidemill::record::{Reason, Rejected};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("rejected.jsonl");
    /// let mut writer = tidemill::sink::rejected::RejectedWriter::create(&path)?;
    /// let rejected = Rejected {
    ///     number: 0, source: 0, offset: 12, column: Some("age".into()), reason: Reason::NotANumber, raw: b"x,1".to_vec(),
    /// };
    /// writer.write(2, "clicks.csv", &rejected)?;
    /// writer.finish()?;
    /// assert_eq!(
    ///     std::fs::read_to_string(&path)?.trim_end(),
    ///     r#"{"record":2,"source":"clicks.csv","offset":12,"column":"age","reason":"not_a_number","raw":"x,1"}"#
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&mut self, record: u64, source: &str, rejected: &Rejected) -> Result<()> {
        let line = Line {
            record,
            source,
            offset: rejected.offset,
            column: rejected.column.as_deref(),
            reason: rejected.reason.name(),
            raw: &String::from_utf8_lossy(&rejected.raw),
            raw_truncated: rejected.raw.len() >= Rejected::MAX_RAW,
        };
        serde_json::to_writer(&mut self.buffer, &line).map_err(|cause| Error::output("rejected", cause.into()))?;
        self.buffer.push(b'\n');
        self.spill_from(SPILL)
    }

    /// Hands over everything taken so far and says how far the output has come, which a checkpoint keeps.
    pub fn mark(&mut self) -> Result<Mark> {
        self.spill_from(1)?;
        self.output.mark()
    }

    /// Writes what is left and closes the file.
    pub fn finish(mut self) -> Result<()> {
        self.spill_from(1)?;
        self.output.finish()
    }

    fn spill_from(&mut self, bytes: usize) -> Result<()> {
        if self.buffer.len() >= bytes {
            self.output.write(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Reason;

    fn lines(rejected: &[Rejected]) -> Vec<serde_json::Value> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejected.jsonl");
        let mut writer = RejectedWriter::create(&path).unwrap();
        for (i, rejected) in rejected.iter().enumerate() {
            writer.write(i as u64 + 1, "pipe", rejected).unwrap();
        }
        writer.finish().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn rejected(raw: Vec<u8>) -> Rejected {
        Rejected { number: 3, source: 0, offset: 99, column: None, reason: Reason::FieldCount, raw }
    }

    #[test]
    fn every_record_is_a_line_with_its_place_and_reason() {
        let lines = lines(&[rejected(b"a\"b\nc".to_vec()), rejected(b"caf\xe9".to_vec())]);
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["raw"], &lines[0]["column"]), (&"a\"b\nc".into(), &serde_json::Value::Null));
        assert_eq!((&lines[1]["record"], &lines[1]["offset"]), (&2.into(), &99.into()));
        assert_eq!(lines[1]["raw"], "caf\u{fffd}");
        assert_eq!(lines[0].get("raw_truncated"), None);
    }

    #[test]
    fn text_that_was_cut_is_marked() {
        let lines = lines(&[rejected(Rejected::raw_of(&vec![b'x'; Rejected::MAX_RAW + 1]))]);
        assert_eq!(lines[0]["raw_truncated"], true);
    }
}
