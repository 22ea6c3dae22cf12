//! The metrics file: takes the windows of a run as they are over, gives a line for each and one for each of its segments,
//! as JSON lines or CSV.
//!
//! What a window tells at once is handed over at once, for whoever follows the file. It works out no figure.

use std::path::Path;

use super::form::Form;
use super::output::{Mark, Output, Written};
use crate::error::{Error, Result};
use crate::metric::windows::line::Line;

/// The columns of the CSV form, which are the keys of the JSON form too.
const COLUMNS: [&str; 32] = [
    "window",
    "start",
    "end",
    "first_record",
    "last_record",
    "segment",
    "value",
    "records",
    "labelled",
    "positives",
    "log_loss",
    "best_constant_log_loss",
    "auc",
    "auc_error",
    "brier",
    "accuracy",
    "base_rate",
    "mean_prediction",
    "predicted_over_observed",
    "late",
    "pr_auc",
    "pr_auc_error",
    "normalized_entropy",
    "ece",
    "ece_error",
    "threshold",
    "precision",
    "recall",
    "f1",
    "mcc",
    "kappa",
    "kappa_majority",
];

/// Writes the windows of a run.
#[derive(Debug)]
pub struct MetricsWriter {
    output: Output,
    form: Form,
    buffer: Vec<u8>,
}

impl MetricsWriter {
    /// Starts a file, its form by its ending; `-` is standard output, as CSV.
    ///
    /// # Errors
    /// An ending that stands for neither form, or a file that cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let form = form_of(path)?;
        let buffer = if form == Form::Csv { (COLUMNS.join(",") + "\n").into_bytes() } else { Vec::new() };
        Ok(Self { output: Output::create(path)?, form, buffer })
    }

    /// Goes on with the file of a stopped run, which had come as far as [`MetricsWriter::mark`] said.
    ///
    /// # Errors
    /// As [`Output::resume`].
    pub fn resume(path: &Path, written: Written) -> Result<Self> {
        Ok(Self { output: Output::resume(path, written)?, form: form_of(path)?, buffer: Vec::new() })
    }

    /// Takes the lines of a window.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&mut self, lines: &[Line<'_>]) -> Result<()> {
        for line in lines {
            let failed = |cause: serde_json::Error| Error::output("metrics", cause.into());
            match self.form {
                Form::JsonLines => serde_json::to_writer(&mut self.buffer, line).map_err(failed)?,
                _ => push_row(&serde_json::to_value(line).map_err(failed)?, &mut self.buffer),
            }
            self.buffer.push(b'\n');
        }
        self.spill()?;
        self.output.flush()
    }

    /// Hands over everything taken so far and says how far the output has come, which a checkpoint keeps.
    ///
    /// # Errors
    /// As [`MetricsWriter::write`].
    pub fn mark(&mut self) -> Result<Mark> {
        self.spill()?;
        self.output.mark()
    }

    /// Writes what is left and closes the file.
    ///
    /// # Errors
    /// As [`MetricsWriter::write`].
    pub fn finish(mut self) -> Result<()> {
        self.spill()?;
        self.output.finish()
    }

    fn spill(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.output.write(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// The form of a metrics file: lines of text, so that each can be read once it is there.
///
/// # Errors
/// Any other ending.
pub fn form_of(path: &Path) -> Result<Form> {
    let form = Form::of(path).ok().filter(|form| matches!(form, Form::Csv | Form::JsonLines));
    form.ok_or_else(|| {
        Error::usage(format!(
            "--metrics {}: name a file in .jsonl or .csv, or - for CSV on standard output",
            path.display()
        ))
    })
}

/// A line as a row of CSV; what is not known is an empty field.
fn push_row(line: &serde_json::Value, out: &mut Vec<u8>) {
    for (at, name) in COLUMNS.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match &line[*name] {
            serde_json::Value::Null => {}
            serde_json::Value::String(text) => push_text(text, out),
            value => out.extend_from_slice(value.to_string().as_bytes()),
        }
    }
}

/// A field, quoted where it must be (RFC 4180), and where it is empty: that is a value, and nothing is none.
fn push_text(text: &str, out: &mut Vec<u8>) {
    if text.is_empty() || text.contains(['"', ',', '\n', '\r']) {
        let quoted = format!("\"{}\"", text.replace('"', "\"\""));
        return out.extend_from_slice(quoted.as_bytes());
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::{MicroBatch, Scored};
    use crate::metric::confusion::Threshold;
    use crate::metric::windows::{Closed, Every, Spec, Windowed};

    fn closed() -> Closed {
        let batch = MicroBatch {
            rows: 2,
            time: vec![0, 1],
            segment: vec![1, 0],
            label: vec![1.0, 0.0],
            weight: vec![1.0; 2],
            record: vec![1, 2],
            ..MicroBatch::default()
        };
        let (mut windowed, mut closed) =
            (Windowed::new(&Spec { every: vec![Every::Time(3_600_000_000)], ..Spec::default() }), Vec::new());
        windowed.add(&Scored { batch, logit: vec![0.0, -1.0], ..Scored::default() }, &mut closed);
        windowed.finish(&mut closed);
        closed.remove(0)
    }

    fn written(name: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let mut writer = MetricsWriter::create(&path).unwrap();
        writer
            .write(
                &closed().lines(Threshold::default(), |number| (0, "site", if number == 0 { "a,\"b\"" } else { "" })),
            )
            .unwrap();
        writer.finish().unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn both_forms_hold_the_same_figures_under_the_same_names() {
        let (json, csv) = (written("m.jsonl"), written("m.csv"));
        let first: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(json.lines().next().unwrap()).unwrap();
        assert_eq!(first.keys().map(String::as_str).collect::<Vec<_>>(), COLUMNS);
        let rows: Vec<_> = csv.lines().collect();
        assert_eq!((rows.len(), json.lines().count(), rows[0]), (4, 3, &*COLUMNS.join(",")));
        assert!(rows[1].starts_with("1h,1970-01-01T00:00:00Z,1970-01-01T01:00:00Z,1,2,,,2,2,1.0,"), "{}", rows[1]);
        assert!(rows[2].contains(",site,\"a,\"\"b\"\"\",1,1,0.0,") && rows[3].contains(",site,\"\",1,1,1.0,"), "{csv}");
    }

    #[test]
    fn other_endings_are_refused() {
        assert!(form_of(Path::new("m.parquet")).unwrap_err().to_string().contains(".jsonl or .csv"));
        assert_eq!(form_of(Path::new("-")).unwrap(), Form::Csv);
    }
}
