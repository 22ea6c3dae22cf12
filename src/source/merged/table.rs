//! Records in columns: takes the columns of features and of outcomes, gives when a record was, and outcomes as records with
//! the features' columns. It never makes a good record of a bad one.

use super::Merging;
use super::fields::{self, Fields};
use crate::error::{Error, Result};
use crate::timestamp::Form;

/// The columns of both inputs.
pub(super) struct Table {
    delimiter: u8,
    form: Form,
    /// Columns of the merged text.
    columns: usize,
    /// Whether its last one is the label, which the features do not have.
    adds_label: bool,
    /// Where the features have their time.
    time: usize,
    /// Columns of the outcomes.
    outcome: usize,
    /// Where these have their time and their label.
    outcome_time: usize,
    outcome_label: usize,
    /// Where each column of the merged text stands in an outcome, for the few that it has.
    from: Vec<Option<usize>>,
    fields: Fields,
}

impl Table {
    /// Of features with these columns, whose header line is the stream's where `has_header`.
    ///
    /// # Errors
    /// A column that is missing, with those that are there.
    pub(super) fn new(merging: &Merging, features: &[String], has_header: bool, outcomes: &[String]) -> Result<Self> {
        let Merging { id, time, label, .. } = merging;
        let place = |name: &str, of: &[String]| of.iter().position(|column| column == name);
        let (here, there) = (merging.features.name(), merging.outcomes.display().to_string());
        let find = |name: &str, of: &[String], input: &str| place(name, of).ok_or_else(|| missing(name, of, input));
        let adds_label = place(label, features).is_none();
        if adds_label && !has_header {
            return Err(Error::usage(format!(
                "--columns names no {label}: where the features have no header line, their text needs a column for the \
                 label, which may be empty; write a header line into {here}, or add the column"
            )));
        }
        let (outcome_id, outcome_time) = (find(id, outcomes, &there)?, find(time, outcomes, &there)?);
        let outcome_label = find(label, outcomes, &there)?;
        let (id, time) = (find(id, features, &here)?, find(time, features, &here)?);
        let columns = features.len() + usize::from(adds_label);
        let mut from = vec![None; columns];
        let label = place(label, features).unwrap_or(features.len());
        (from[id], from[time], from[label]) = (Some(outcome_id), Some(outcome_time), Some(outcome_label));
        let (delimiter, form) = (merging.format.delimiter(), merging.form.clone());
        let (outcome, fields) = (outcomes.len(), Fields::new(delimiter));
        Ok(Self { delimiter, form, columns, adds_label, time, outcome, outcome_time, outcome_label, from, fields })
    }

    /// When a record of the features was.
    pub(super) fn time(&mut self, record: &[u8]) -> Option<i64> {
        self.fields.read(record);
        self.form.read(self.fields.get(self.time)?)
    }

    /// When an outcome was.
    pub(super) fn outcome_time(&mut self, record: &[u8]) -> Option<i64> {
        self.fields.read(record);
        self.form.read(self.fields.get(self.outcome_time)?)
    }

    /// A record of the features, or their header line with the name of the label.
    pub(super) fn put(&self, record: &[u8], label: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(record);
        if self.adds_label {
            out.push(self.delimiter);
            fields::write(label.as_bytes(), self.delimiter, out);
        }
    }

    /// An outcome in the columns of the features. What has no label would be taken for features: it is no outcome.
    pub(super) fn put_outcome(&mut self, record: &[u8], out: &mut Vec<u8>) {
        self.fields.read(record);
        let has_label = self.fields.get(self.outcome_label).is_some_and(|label| !label.trim_ascii().is_empty());
        if self.fields.count() != self.outcome || !has_label {
            return self.put_broken(record, out);
        }
        for (at, from) in self.from.iter().enumerate() {
            out.extend((at > 0).then_some(self.delimiter));
            let field = from.and_then(|from| self.fields.get(from)).unwrap_or_default();
            fields::write(field, self.delimiter, out);
        }
    }

    /// A line that is to be rejected: as it is, but never with as many fields as a record has.
    pub(super) fn put_broken(&mut self, line: &[u8], out: &mut Vec<u8>) {
        self.fields.read(line);
        out.extend_from_slice(line);
        if self.fields.count() == self.columns {
            out.push(self.delimiter);
        }
    }
}

fn missing(name: &str, columns: &[String], input: &str) -> Error {
    Error::usage(format!(
        "{input} has no column {name}, by which outcomes are merged with features; its columns are: {}; id, time and \
         label have the same names in both inputs",
        columns.join(", ")
    ))
}
