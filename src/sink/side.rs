//! The side output: takes records that were read and were not learned, or not as they were meant to be, gives one JSON line
//! each with the reason. Nothing is judged here.

use std::path::Path;

use serde::Serialize;

use super::output::{Mark, Output, Written};
use crate::error::{Error, Result};
use crate::record::LeftOut;
use crate::timestamp;

/// Bytes that are gathered before one write.
const SPILL: usize = 64 * 1024;

/// Writes records that were left out, in the order in which that is known.
#[derive(Debug)]
pub struct SideWriter {
    output: Output,
    buffer: Vec<u8>,
}

#[derive(Serialize)]
struct Line<'a> {
    why: &'static str,
    record: u64,
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_hash: Option<String>,
    label: Option<u8>,
    #[serde(skip_serializing_if = "str::is_empty")]
    raw: &'a str,
}

impl SideWriter {
    /// Starts a file; `-` is standard output, a name in `.gz` or `.zst` is compressed.
    ///
    /// # Errors
    /// A file that cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self { output: Output::create(path)?, buffer: Vec::new() })
    }

    /// Goes on with a file of a stopped run, which had come as far as [`SideWriter::mark`] said.
    ///
    /// # Errors
    /// As [`Output::resume`].
    pub fn resume(path: &Path, written: Written) -> Result<Self> {
        Ok(Self { output: Output::resume(path, written)?, buffer: Vec::new() })
    }

    /// Takes a record that was left out.
    ///
    /// ```
    /// use tidemill::record::{Left, LeftOut};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("side.jsonl");
    /// let mut writer = tidemill::sink::side::SideWriter::create(&path)?;
    /// writer.write(&LeftOut { why: Left::Late, record: 3, time: 0, key: None, label: f32::NAN, raw: b"1,x" })?;
    /// writer.write(&LeftOut { why: Left::Orphan, record: 4, time: i64::MIN, key: Some(255), label: 1.0, raw: b"" })?;
    /// writer.finish()?;
    /// assert_eq!(
    ///     std::fs::read_to_string(&path)?,
    ///     "{\"why\":\"late\",\"record\":3,\"time\":\"1970-01-01T00:00:00Z\",\"label\":null,\"raw\":\"1,x\"}\n\
    ///      {\"why\":\"orphan\",\"record\":4,\"time\":null,\"id_hash\":\"00000000000000ff\",\"label\":1}\n"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&mut self, record: &LeftOut<'_>) -> Result<()> {
        let LeftOut { why, record, time, key, label, raw } = *record;
        let line = Line {
            why: why.name(),
            record,
            time: (time != i64::MIN).then(|| timestamp::written(time)),
            id_hash: key.map(|key| format!("{key:016x}")),
            label: (!label.is_nan()).then_some(u8::from(label > 0.5)),
            raw: &String::from_utf8_lossy(raw),
        };
        serde_json::to_writer(&mut self.buffer, &line).map_err(|cause| Error::output("side", cause.into()))?;
        self.buffer.push(b'\n');
        self.spill_from(SPILL)
    }

    /// Hands over everything taken so far and says how far the output has come, which a checkpoint keeps.
    ///
    /// # Errors
    /// As [`SideWriter::write`].
    pub fn mark(&mut self) -> Result<Mark> {
        self.spill_from(1)?;
        self.output.mark()
    }

    /// Writes what is left and closes the file.
    ///
    /// # Errors
    /// As [`SideWriter::write`].
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
