//! The predictions file: takes scored micro-batches, gives one row a record in input order: CSV, JSON lines, Parquet or an
//! Arrow stream.
//!
//! Columns: `record`, the id under its own name where there is one, `probability`, `logit`, `label` (empty or null
//! without one), `model_version`. Formatting is apart from writing, so that they may happen in different threads.
//! It never reorders and never waits for a full file: one write a quarter of a megabyte.

use std::path::Path;

use super::columnar::ColumnarRows;
use super::decimal::{Row, Text};
pub use super::form::Form;
use super::output::{Mark, Output, Written};
use crate::error::Result;
use crate::examples::Scored;

/// Bytes that are gathered before one write.
const SPILL: usize = 256 * 1024;

/// Writes predictions to a file or to standard output.
#[derive(Debug)]
pub struct PredictionWriter {
    output: Output,
    rows: Rows,
}

/// Rows that have not been written yet.
#[derive(Debug)]
enum Rows {
    Text(PredictionFormat, Text),
    Columns(Box<ColumnarRows>),
}

impl PredictionWriter {
    /// Starts a predictions file, its form by its ending; `-` is standard output, as CSV.
    ///
    /// # Errors
    /// An ending that stands for no form, or a file that cannot be made.
    ///
    /// ```
    /// use tidemill::{examples::{MicroBatch, Scored}, sink::predictions::PredictionWriter};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("predictions.csv");
    /// let mut writer = PredictionWriter::create(&path, None)?;
    /// let batch = MicroBatch { rows: 1, record: vec![1], label: vec![1.0], weight: vec![1.0], ..MicroBatch::default() };
    /// writer.write(&Scored { batch, logit: vec![0.0], ..Scored::default() })?;
    /// writer.finish()?;
    /// let text = std::fs::read_to_string(&path)?;
    /// assert_eq!(text, "record,probability,logit,label,model_version\n1,0.500000000,0.000000,1,0\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(path: &Path, id_column: Option<&str>) -> Result<Self> {
        let form = Form::of(path)?;
        let rows = Rows::new(form, id_column, false)?;
        Ok(Self { output: Output::create(path)?, rows })
    }

    /// Goes on with predictions of a stopped run, which had come as far as [`PredictionWriter::mark`] said.
    ///
    /// # Errors
    /// As [`Output::resume`].
    pub fn resume(path: &Path, id_column: Option<&str>, written: Written) -> Result<Self> {
        let rows = Rows::new(Form::of(path)?, id_column, true)?;
        Ok(Self { output: Output::resume(path, written)?, rows })
    }

    /// Starts predictions as text on any output.
    pub fn new(output: Output, format: PredictionFormat) -> Self {
        let mut buffer = Text::default();
        format.header(&mut buffer);
        Self { output, rows: Rows::Text(format, buffer) }
    }

    /// Takes the rows of a micro-batch.
    pub fn write(&mut self, scored: &Scored) -> Result<()> {
        match &mut self.rows {
            Rows::Text(format, buffer) => format.rows(scored, buffer),
            Rows::Columns(rows) => rows.push(scored)?,
        }
        self.spill_from(SPILL)
    }

    /// Takes rows that [`PredictionFormat::rows`] has made elsewhere; columns have no such rows.
    pub fn write_formatted(&mut self, rows: &[u8]) -> Result<()> {
        if let Rows::Text(_, buffer) = &mut self.rows {
            buffer.push(rows);
        }
        self.spill_from(SPILL)
    }

    /// Hands over everything that can be: of columns, the batches that are full.
    pub fn flush(&mut self) -> Result<()> {
        self.spill_from(1)?;
        self.output.flush()
    }

    /// Hands over everything taken so far, and says how far the output has come, which a checkpoint keeps.
    pub fn mark(&mut self) -> Result<Mark> {
        if let Rows::Columns(rows) = &mut self.rows {
            rows.end_batch()?;
        }
        self.spill_from(1)?;
        self.output.mark()
    }

    /// Writes what is left and closes the file.
    pub fn finish(mut self) -> Result<()> {
        if let Rows::Columns(rows) = &mut self.rows {
            rows.finish()?;
        }
        self.spill_from(1)?;
        self.output.finish()
    }

    fn spill_from(&mut self, bytes: usize) -> Result<()> {
        let rows = self.rows.bytes();
        if rows.len() >= bytes {
            self.output.write(rows)?;
            self.rows.clear();
        }
        Ok(())
    }
}

impl Rows {
    /// Starts in a form; `goes_on` where its beginning has been written before.
    fn new(form: Form, id_column: Option<&str>, goes_on: bool) -> Result<Self> {
        let format = PredictionFormat::new(form, id_column);
        if matches!(form, Form::Parquet | Form::Arrow) {
            return Ok(Self::Columns(Box::new(ColumnarRows::new(form, format.id_column.as_deref(), goes_on)?)));
        }
        let mut buffer = Text::default();
        if !goes_on {
            format.header(&mut buffer);
        }
        Ok(Self::Text(format, buffer))
    }

    fn bytes(&mut self) -> &[u8] {
        match self {
            Self::Text(_, buffer) => buffer.as_bytes(),
            Self::Columns(rows) => rows.bytes(),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Text(_, buffer) => buffer.clear(),
            Self::Columns(rows) => rows.bytes().clear(),
        }
    }
}

/// Probabilities that are worked out in one go: arithmetic and text, each in a loop of its own, overlap better.
const BLOCK: usize = 64;

/// Turns scored micro-batches into text: JSON lines, or CSV for any other form.
#[derive(Debug, Clone)]
pub struct PredictionFormat {
    form: Form,
    /// What stands before an id: a comma, or the key in JSON. `None` without an id column.
    before_id: Option<Vec<u8>>,
    id_column: Option<String>,
}

/// What stands before each value, and at the end of a row; constants, so that copying them is a store each.
trait Words {
    const RECORD: &[u8];
    const PROBABILITY: &[u8];
    const LOGIT: &[u8];
    const LABEL: &[u8];
    const VERSION: &[u8];
    const END: &[u8];
    const MISSING: &[u8];
    /// Appends an id.
    fn id(text: &[u8], out: &mut Text);
}

struct Csv;

impl Words for Csv {
    const RECORD: &[u8] = b"";
    const PROBABILITY: &[u8] = b",";
    const LOGIT: &[u8] = b",";
    const LABEL: &[u8] = b",";
    const VERSION: &[u8] = b",";
    const END: &[u8] = b"\n";
    const MISSING: &[u8] = b"";

    fn id(text: &[u8], out: &mut Text) {
        csv_text(text, out);
    }
}

struct JsonLines;

impl Words for JsonLines {
    const RECORD: &[u8] = b"{\"record\":";
    const PROBABILITY: &[u8] = b",\"probability\":";
    const LOGIT: &[u8] = b",\"logit\":";
    const LABEL: &[u8] = b",\"label\":";
    const VERSION: &[u8] = b",\"model_version\":";
    const END: &[u8] = b"}\n";
    const MISSING: &[u8] = b"null";

    fn id(text: &[u8], out: &mut Text) {
        json_text(text, out);
    }
}

/// Names that are taken: an id column called like one of these is written as `id`.
const COLUMNS: [&str; 5] = ["record", "probability", "logit", "label", "model_version"];

impl PredictionFormat {
    /// A format with the id column's name, where the stream has one.
    pub fn new(form: Form, id_column: Option<&str>) -> Self {
        let id_column = id_column.map(|name| if COLUMNS.contains(&name) { "id" } else { name }.to_owned());
        let before_id = id_column.as_deref().map(|name| match form {
            Form::JsonLines => format!(",{}:", serde_json::Value::from(name)).into_bytes(),
            _ => b",".to_vec(),
        });
        Self { form, before_id, id_column }
    }

    /// Appends the header line, where the form has one.
    pub fn header(&self, out: &mut Text) {
        if self.form != Form::JsonLines {
            out.push(b"record");
            if let Some(name) = &self.id_column {
                out.push(b",");
                csv_text(name.as_bytes(), out);
            }
            out.push(b",probability,logit,label,model_version\n");
        }
    }

    /// Appends a row for each record of a micro-batch.
    ///
    /// ```
    /// use tidemill::{examples::{MicroBatch, Scored}, sink::predictions::{Form, PredictionFormat}};
    /// let batch = MicroBatch { rows: 1, record: vec![7], label: vec![f32::NAN], weight: vec![1.0], ..MicroBatch::default() };
    /// let scored = Scored { batch, logit: vec![-0.25], version: 3, version_per_record: true, ..Scored::default() };
    /// let mut out = tidemill::sink::decimal::Text::default();
    /// PredictionFormat::new(Form::Csv, None).rows(&scored, &mut out);
    /// assert_eq!(out.as_bytes(), b"7,0.437823499,-0.250000,,3\n");
    /// ```
    pub fn rows(&self, scored: &Scored, out: &mut Text) {
        match self.form {
            Form::JsonLines => self.rows_with::<JsonLines>(scored, out),
            _ => self.rows_with::<Csv>(scored, out),
        }
    }

    fn rows_with<W: Words>(&self, scored: &Scored, out: &mut Text) {
        let batch = &scored.batch;
        let mut versions = scored.versions();
        let mut probability = [0.0; BLOCK];
        for (i, &logit) in scored.logit.iter().enumerate() {
            if i % BLOCK == 0 {
                let rest = scored.logit[i..].iter();
                rest.zip(&mut probability).for_each(|(&z, p)| *p = crate::metric::probability(z));
            }
            let mut row = out.row();
            row.text(W::RECORD);
            row.integer(batch.record[i]);
            if let Some(before) = &self.before_id {
                row.end();
                out.push(before);
                W::id(batch.id_of(i), out);
                row = out.row();
            }
            prediction::<W>(probability[i % BLOCK], logit, &mut row);
            label::<W>(batch.label[i], &mut row);
            row.text(W::VERSION);
            row.integer(versions.next().unwrap_or_default());
            row.text(W::END);
            row.end();
        }
    }
}

#[inline(always)]
fn prediction<W: Words>(probability: f64, logit: f32, row: &mut Row) {
    row.text(W::PROBABILITY);
    if logit.is_finite() {
        row.probability(probability);
        row.text(W::LOGIT);
        row.logit(logit);
    } else {
        row.text(W::MISSING); // of a model that has diverged; JSON has no word for it
        row.text(W::LOGIT);
        row.text(W::MISSING);
    }
}

#[inline(always)]
fn label<W: Words>(label: f32, row: &mut Row) {
    row.text(W::LABEL);
    if label.is_nan() {
        row.text(W::MISSING);
    } else {
        row.text(if label > 0.5 { b"1" } else { b"0" });
    }
}

/// Appends a CSV field, quoted where it must be (RFC 4180).
fn csv_text(text: &[u8], out: &mut Text) {
    if !text.iter().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r')) {
        return out.push(text);
    }
    out.push(b"\"");
    for &byte in text {
        if byte == b'"' {
            out.push(b"\"");
        }
        out.push(&[byte]);
    }
    out.push(b"\"");
}

/// Appends a JSON string (RFC 8259); bytes that are not UTF-8 become the replacement character.
fn json_text(text: &[u8], out: &mut Text) {
    if text.iter().all(|&b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\') {
        out.push(b"\"");
        out.push(text);
        return out.push(b"\"");
    }
    let escaped = serde_json::Value::from(String::from_utf8_lossy(text)).to_string();
    out.push(escaped.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::MicroBatch;
    use proptest::prelude::*;

    fn scored(ids: &[&[u8]]) -> Scored {
        let id_end = ids.iter().scan(0, |end, id| {
            *end += id.len() as u32;
            Some(*end)
        });
        let batch = MicroBatch {
            rows: 4,
            record: vec![9, 10, 12, 100],
            label: vec![1.0, f32::NAN, 0.0, 1.0],
            weight: vec![1.0, 1.0, 0.0, 2.5],
            id: ids.concat(),
            id_end: id_end.collect(),
            ..MicroBatch::default()
        };
        Scored { batch, logit: vec![0.0, -30.0, 2.5, 1e-7], version: 41, version_per_record: true, ..Scored::default() }
    }

    fn text(form: Form, id_column: Option<&str>, scored: &Scored) -> String {
        let (format, mut out) = (PredictionFormat::new(form, id_column), Text::default());
        format.header(&mut out);
        format.rows(scored, &mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn csv_rows_are_as_promised() {
        assert_eq!(
            text(Form::Csv, None, &scored(&[])),
            "record,probability,logit,label,model_version\n\
             9,0.500000000,0.000000,1,41\n\
             10,9.357623e-14,-30.000000,,42\n\
             12,0.924141820,2.500000,0,42\n\
             100,0.500000025,1e-7,1,42\n"
        );
    }

    #[test]
    fn json_rows_are_as_promised() {
        let ids: [&[u8]; 4] = [b"a", b"", "\u{e9}\"".as_bytes(), b"x\n\xff"];
        assert_eq!(
            text(Form::JsonLines, Some("user"), &scored(&ids)),
            "{\"record\":9,\"user\":\"a\",\"probability\":0.500000000,\"logit\":0.000000,\"label\":1,\"model_version\":41}\n\
             {\"record\":10,\"user\":\"\",\"probability\":9.357623e-14,\"logit\":-30.000000,\"label\":null,\"model_version\":42}\n\
             {\"record\":12,\"user\":\"\u{e9}\\\"\",\"probability\":0.924141820,\"logit\":2.500000,\"label\":0,\"model_version\":42}\n\
             {\"record\":100,\"user\":\"x\\n\u{fffd}\",\"probability\":0.500000025,\"logit\":1e-7,\"label\":1,\"model_version\":42}\n"
        );
    }

    #[test]
    fn ids_are_quoted_where_they_must_be_and_stand_under_their_own_name() {
        let ids: [&[u8]; 4] = [b"plain", b"a,b", b"say \"so\"", b"two\nlines"];
        let rows = text(Form::Csv, Some("user, or not"), &scored(&ids));
        assert!(rows.starts_with("record,\"user, or not\",probability,"), "{rows}");
        for id in ["9,plain,0.5", "10,\"a,b\",9.3", "12,\"say \"\"so\"\"\",0.9", "100,\"two\nlines\",0.5"] {
            assert!(rows.contains(id), "{id}: {rows}");
        }
    }

    #[test]
    fn an_id_column_named_like_one_of_ours_is_written_as_id() {
        assert!(text(Form::Csv, Some("record"), &scored(&[b"", b"", b"", b""])).starts_with("record,id,probability"));
    }

    #[test]
    fn with_one_update_a_micro_batch_every_row_has_the_version_before_it() {
        let scored = Scored { version_per_record: false, ..scored(&[]) };
        let rows = text(Form::Csv, None, &scored);
        assert!(rows.lines().skip(1).all(|row| row.ends_with(",41")), "{rows}");
    }

    #[test]
    fn a_diverged_prediction_is_missing() {
        let scored = Scored { logit: vec![f32::NAN], ..scored(&[]) };
        assert!(text(Form::Csv, None, &scored).ends_with("\n9,,,1,41\n"));
        assert!(text(Form::JsonLines, None, &scored).contains("\"probability\":null,\"logit\":null,"));
    }

    #[test]
    fn a_resumed_file_is_the_same_as_one_written_in_one_go() {
        let folder = tempfile::tempdir().unwrap();
        let [whole, parts] = ["whole.csv", "parts.csv"].map(|name| folder.path().join(name));
        let mut writer = PredictionWriter::create(&whole, None).unwrap();
        (0..3).for_each(|_| writer.write(&scored(&[])).unwrap());
        writer.finish().unwrap();

        let mut writer = PredictionWriter::create(&parts, None).unwrap();
        writer.write(&scored(&[])).unwrap();
        let written = writer.mark().unwrap().written;
        writer.write(&scored(&[])).unwrap();
        drop(writer);
        let mut writer = PredictionWriter::resume(&parts, None, written).unwrap();
        (0..2).for_each(|_| writer.write(&scored(&[])).unwrap());
        writer.finish().unwrap();
        assert_eq!(std::fs::read(whole).unwrap(), std::fs::read(parts).unwrap());
    }

    proptest! {
        #[test]
        fn any_id_is_read_back_from_json(id in ".*") {
            let rows = text(Form::JsonLines, Some("id"), &scored(&[id.as_bytes(), b"", b"", b""]));
            let row: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
            prop_assert_eq!(row["id"].as_str(), Some(id.as_str()));
        }
    }

    /// Seconds of the fastest of several rounds: the others shared the machine.
    fn fastest_of(rounds: u32, mut round: impl FnMut()) -> f64 {
        let time = |_| {
            let start = std::time::Instant::now();
            round();
            start.elapsed().as_secs_f64()
        };
        (0..rounds).map(time).fold(f64::INFINITY, f64::min)
    }

    #[test]
    #[ignore = "a measurement: cargo test --release predictions -- --ignored --nocapture"]
    fn cost_of_a_row() {
        let rows = 256;
        let logit: Vec<f32> = (0..rows).map(|i| (i as f32 * 0.618).sin() * 4.0 - 2.0).collect();
        let label: Vec<f32> = (0..rows).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
        let batch = MicroBatch {
            rows,
            record: (123_456..).take(rows).collect(),
            weight: vec![1.0; rows],
            label,
            id: b"user-12345".repeat(rows),
            id_end: (1..=rows as u32).map(|i| i * 10).collect(),
            ..MicroBatch::default()
        };
        let scored = Scored { batch, logit, version: 100_000, version_per_record: true, ..Scored::default() };
        for (form, id) in [(Form::Csv, None), (Form::Csv, Some("user")), (Form::JsonLines, Some("user"))] {
            let format = PredictionFormat::new(form, id);
            let mut out = Text::default();
            let seconds = fastest_of(64, || {
                for _ in 0..64 {
                    out.clear();
                    format.rows(&scored, &mut out);
                }
            });
            let nanoseconds = seconds * 1e9 / (64 * rows) as f64;
            println!("{form:?}, id {id:?}: {nanoseconds:.1} ns a row, {} bytes a row", out.as_bytes().len() / rows);
        }
    }
}
