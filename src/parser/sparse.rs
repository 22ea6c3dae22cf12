//! What the readers of sparse formats share: a line becomes a record or a rejection, and a value a number.
//!
//! Lines without text are neither. Nothing of a rejected line stays among the records.

use super::marks::Marks;
use super::number::{is_unsettled, number};
use crate::record::{Chunk, Reason, Records, Rejected, Span};
use crate::schema::{Role, Schema};

/// Why a line is rejected.
#[derive(Debug)]
pub(super) struct Fault {
    /// The last separator that was taken: the reader goes on from there.
    pub at: usize,
    pub reason: Reason,
    pub column: Option<String>,
}

impl Fault {
    /// A line that the grammar does not allow.
    #[cold]
    pub(super) fn syntax(at: usize) -> Self {
        Self { at, reason: Reason::Syntax, column: None }
    }

    /// A value, named `name` in the text, that cannot be used.
    #[cold]
    pub(super) fn value(at: usize, reason: Reason, name: &[u8]) -> Self {
        Self { at, reason, column: Some(String::from_utf8_lossy(name).into_owned()) }
    }
}

/// What of a record's head the schema asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub label: bool,
    pub weight: bool,
    pub id: bool,
}

impl Wanted {
    pub(super) fn by(schema: &Schema) -> Self {
        let has = |role| schema.first(role).is_some();
        Self { label: has(Role::Label), weight: has(Role::Weight), id: has(Role::Id) }
    }
}

/// Reads every line of the chunk. `line` gives the place of the line's end, and whether there was text in it.
#[inline(always)]
pub(super) fn lines(
    bytes: &[u8],
    marks: &mut Marks,
    records: &mut Records,
    mut line: impl FnMut(usize, &mut Marks, &mut Records) -> Result<(usize, bool), Fault>,
) {
    let (mut start, len) = (0, records.chunk.len);
    marks.start(len);
    while start < len {
        start = 1 + match line(start, marks, records) {
            Ok((end, true)) => end_row(records, bytes, start, end),
            Ok((end, false)) => end,
            Err(fault) => {
                let end = marks.skip_line(bytes, fault.at);
                reject(records, bytes, start, end, fault)
            }
        };
    }
}

/// Makes what has been added a record.
#[inline(always)]
fn end_row(records: &mut Records, bytes: &[u8], start: usize, end: usize) -> usize {
    records.sparse.record_end.push(records.sparse.space.len() as u32);
    records.record.push(span(start, text_end(bytes, start, end)));
    records.number.push(records.seen);
    records.seen += 1;
    records.rows += 1;
    end
}

/// Takes back what a line has added so far, and keeps it as a rejection.
#[cold]
fn reject(records: &mut Records, bytes: &[u8], start: usize, end: usize, fault: Fault) -> usize {
    let rows = records.rows;
    records.label.truncate(rows);
    records.weight.truncate(rows);
    records.id.truncate(rows);
    records.sparse.cut_back();
    let Chunk { source, offset, .. } = records.chunk;
    records.rejected.push(Rejected {
        number: records.seen,
        source,
        offset: offset + start as u64,
        column: fault.column,
        reason: fault.reason,
        raw: Rejected::raw_of(&bytes[start..text_end(bytes, start, end)]),
    });
    records.seen += 1;
    end
}

fn text_end(bytes: &[u8], start: usize, end: usize) -> usize {
    end - usize::from(end > start && bytes[end - 1] == b'\r')
}

/// The place of the line end that `mark` announces: itself, or one byte on where it is a carriage return.
#[inline(always)]
pub(super) fn line_end(bytes: &[u8], mark: usize, marks: &mut Marks) -> Result<usize, Fault> {
    if bytes[mark] != b'\r' {
        return Ok(mark);
    }
    let end = marks.next(bytes);
    let is_end = end == mark + 1 && !matches!(bytes[end], b' ' | b'\t' | b':' | b'|' | b'#' | b'\r');
    if is_end { Ok(end) } else { Err(Fault::syntax(end)) }
}

/// The number in `bytes[from..to]`; `simple` converts a plain decimal.
#[inline(always)]
pub(super) fn value(
    bytes: &[u8],
    from: usize,
    to: usize,
    simple: &impl Fn(usize, usize) -> Option<f64>,
) -> Result<f32, Reason> {
    match simple(from, to) {
        Some(about) if !is_unsettled(about) => Ok(about as f32),
        _ => filled(&bytes[from..to]),
    }
}

/// The number in a word, which is not empty: where blanks of other kinds are all of it, it is none.
pub(super) fn filled(word: &[u8]) -> Result<f32, Reason> {
    let value = number(word)?;
    if value.is_nan() { Err(Reason::NotANumber) } else { Ok(value) }
}

/// The text from `from` to `to`.
#[inline(always)]
pub(super) fn span(from: usize, to: usize) -> Span {
    Span { start: from as u32, len: (to - from) as u32 }
}
