//! The slow and correct reader: csv-core splits and unescapes, one field at a time.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use super::columns::{Action, Columns, Fault};
use super::reject;
use crate::parser::number::number;
use crate::record::{Reason, Records, Rejected, Span};
use crate::schema::Schema;

/// Parses the records from `start` on. Unescaped text is put behind the chunk's own.
pub(super) fn parse(schema: &Schema, columns: &Columns, start: usize, records: &mut Records) {
    let mut lines = Lines::new(schema.format.delimiter());
    let mut at = start;
    while let Some((from, end)) = lines.next(&records.chunk.bytes[..records.chunk.len], at) {
        let text_end = trim_line_end(&records.chunk.bytes[from..end]) + from;
        match record(columns, &lines, records) {
            Ok(()) => columns.end_row(records, from, text_end),
            Err(fault) => {
                let raw = Rejected::raw_of(&records.chunk.bytes[from..text_end]);
                reject(records, columns, fault, schema, from, raw);
            }
        }
        at = end;
    }
}

/// The names in the first line of `text`, and where the next line starts.
pub(super) fn header(text: &[u8], delimiter: u8) -> (Vec<String>, usize) {
    let mut lines = Lines::new(delimiter);
    let end = lines.next(text, 0).map_or(0, |(_, end)| end);
    let name = |field: &[u8]| String::from_utf8_lossy(field.trim_ascii()).into_owned();
    ((0..lines.count).map(|at| name(lines.field(at))).collect(), end)
}

/// The first `limit` records of `text` as plain fields.
pub(super) fn sample(text: &[u8], delimiter: u8, limit: usize) -> Vec<Vec<Vec<u8>>> {
    let mut lines = Lines::new(delimiter);
    let (mut at, mut rows) = (0, Vec::new());
    while rows.len() < limit {
        let Some((_, end)) = lines.next(text, at) else { break };
        rows.push((0..lines.count).map(|at| lines.field(at).to_vec()).collect());
        at = end;
    }
    rows
}

fn record(columns: &Columns, lines: &Lines, records: &mut Records) -> Result<(), Fault> {
    if lines.count != columns.count {
        return Err(Fault { reason: Reason::FieldCount, column: None });
    }
    let base = columns.start_row(records);
    for run in &columns.runs {
        for at in 0..run.count {
            let column = run.first + at;
            let field = lines.field(column);
            let fault = |reason| Fault { reason, column: Some(column) };
            match run.action {
                Action::Number => records.numeric[base + run.to + at] = number(field).map_err(fault)?,
                Action::Weight => records.weight.push(number(field).map_err(fault)?),
                Action::Label => {
                    let span = keep(records, field);
                    records.label.push(span);
                }
                Action::Text | Action::Id => {
                    std::str::from_utf8(field).map_err(|_| fault(Reason::InvalidUtf8))?;
                    let span = keep(records, field);
                    if run.action == Action::Text { &mut records.text } else { &mut records.id }.push(span);
                }
                Action::Skip => {}
            }
        }
    }
    Ok(())
}

/// Puts an unescaped field behind the chunk's bytes.
fn keep(records: &mut Records, field: &[u8]) -> Span {
    let start = records.chunk.bytes.len();
    records.chunk.bytes.extend_from_slice(field);
    Span { start: start as u32, len: field.len() as u32 }
}

/// The first place from `at` on where a line with something in it starts.
fn skip_blank_lines(text: &[u8], mut at: usize) -> usize {
    loop {
        match &text[at..] {
            [b'\n', ..] => at += 1,
            [b'\r', b'\n', ..] => at += 2,
            [b'\r'] => at += 1,
            _ => return at,
        }
    }
}

/// Length of `line` without its line end.
fn trim_line_end(line: &[u8]) -> usize {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line).len()
}

/// csv-core with buffers that grow.
struct Lines {
    reader: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

impl Lines {
    fn new(delimiter: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        Self { reader, text: vec![0; 1024], ends: vec![0; 64], count: 0 }
    }

    /// Reads the record at or, past lines without any field, behind `start`; gives where it starts and ends.
    fn next(&mut self, text: &[u8], start: usize) -> Option<(usize, usize)> {
        let start = skip_blank_lines(text, start);
        let (mut at, mut written) = (start, 0);
        self.count = 0;
        self.reader.reset();
        loop {
            let (result, read, wrote, ended) =
                self.reader.read_record(&text[at..], &mut self.text[written..], &mut self.ends[self.count..]);
            (at, written, self.count) = (at + read, written + wrote, self.count + ended);
            match result {
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return None,
            }
        }
        self.strip_carriage_return();
        Some((start, at))
    }

    /// The line end may have been `\r\n`.
    fn strip_carriage_return(&mut self) {
        if let Some(last) = self.count.checked_sub(1) {
            let end = self.ends[last];
            if end > 0 && self.field(last).ends_with(b"\r") {
                self.ends[last] = end - 1;
            }
        }
    }

    fn field(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }
}
