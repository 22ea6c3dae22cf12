//! The alerts file: takes alarms as they are found, gives one JSON line each. Nothing is judged here.

use std::path::Path;

use serde::Serialize;

use super::output::{Mark, Output, Written};
use super::told::AlarmSummary;
use crate::drift::{Actions, Alarm};
use crate::error::{Error, Result};

/// Writes the alarms of a run; each is handed over at once, for whoever follows the file.
#[derive(Debug)]
pub struct AlertWriter(Output);

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    alarm: AlarmSummary,
    actions: Vec<&'static str>,
}

impl AlertWriter {
    /// Starts a file; `-` is standard output, a name in `.gz` or `.zst` is compressed.
    ///
    /// # Errors
    /// A file that cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        Output::create(path).map(Self)
    }

    /// Goes on with a file of a stopped run, which had come as far as [`AlertWriter::mark`] said.
    ///
    /// # Errors
    /// As [`Output::resume`].
    pub fn resume(path: &Path, written: Written) -> Result<Self> {
        Output::resume(path, written).map(Self)
    }

    /// Takes an alarm, with what is done about it.
    ///
    /// ```
    /// use tidemill::drift::{Actions, Alarm, Change};
    /// use tidemill::sink::alerts::AlertWriter;
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("alerts.jsonl");
    /// let mut writer = AlertWriter::create(&path)?;
    /// let alarm = Alarm { record: 7, time: Some(0), detector: "adwin", change: Change { before: 0.25, after: 0.5 } };
    /// writer.write(&alarm, &Actions { reset_rates: true, ..Actions::default() })?;
    /// writer.finish()?;
    /// assert_eq!(
    ///     std::fs::read_to_string(&path)?.trim_end(),
    ///     r#"{"record":7,"time":"1970-01-01T00:00:00Z","detector":"adwin","log_loss_before":0.25,"log_loss_after":0.5,"actions":["reset-rates"]}"#
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&mut self, alarm: &Alarm, actions: &Actions) -> Result<()> {
        let named = [
            ("raise-step", actions.raise.is_some()),
            ("reset-rates", actions.reset_rates),
            ("shadow", actions.shadow.is_some()),
        ];
        let line = Line {
            alarm: AlarmSummary::of(alarm),
            actions: named.into_iter().filter(|(_, is_done)| *is_done).map(|(name, _)| name).collect(),
        };
        let mut text = serde_json::to_vec(&line).map_err(|cause| Error::output("alerts", cause.into()))?;
        text.push(b'\n');
        self.0.write(&text)?;
        self.0.flush()
    }

    /// Says how far the output has come, which a checkpoint keeps.
    ///
    /// # Errors
    /// As [`AlertWriter::write`].
    pub fn mark(&mut self) -> Result<Mark> {
        self.0.mark()
    }

    /// Closes the file.
    ///
    /// # Errors
    /// As [`AlertWriter::write`].
    pub fn finish(self) -> Result<()> {
        self.0.finish()
    }
}
