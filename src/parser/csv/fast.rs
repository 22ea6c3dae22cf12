//! The fast reader: for chunks without quotes, made for the schema.
//!
//! Two passes over a window that stays in the cache: one finds every separator, 64 bytes at a time, as a bit mask and
//! writes down where they are; the other walks the columns from separator to separator. No byte is looked at twice
//! to find where a field ends, and plain decimals are converted without a loop over their digits.

use super::columns::{Action, Columns, Fault, Run};
use super::reject;
#[cfg(target_arch = "x86_64")]
use crate::parser::number::x86::is_supported;
use crate::parser::number::{is_unsettled, number, simple};
use crate::record::{Reason, Records, Rejected, Span};
use crate::schema::Schema;

/// Bytes whose separators are found before any field is read.
const WINDOW: usize = 32 * 1024;

/// Where the separators of the window are.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Places of field and line ends, in order; the first `ends_len` count.
    ends: Vec<u32>,
    ends_len: usize,
    /// Places of line ends, in order.
    lines: Vec<u32>,
    /// Neighbouring numbers before they are rounded to 32 bits.
    numbers: Vec<f64>,
}

/// Separators among 64 bytes, a bit each.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// Field and line ends.
    ends: u64,
    /// Line ends.
    lines: u64,
}

/// Parses the records from `start` on.
pub(super) fn parse(schema: &Schema, columns: &Columns, start: usize, records: &mut Records, scratch: &mut Scratch) {
    let bytes = std::mem::take(&mut records.chunk.bytes);
    #[cfg(target_arch = "x86_64")]
    if is_supported() {
        // SAFETY: the line above has found every feature that this version needs.
        #[allow(unsafe_code, reason = "calling a version for detected instructions")]
        unsafe {
            x86::parse_rows_wide(schema, columns, &bytes, start, records, scratch);
        }
        records.chunk.bytes = bytes;
        return;
    }
    let index = |at| index_block(&bytes, at, schema.format.delimiter());
    let simple = |from: usize, to: usize| simple(&bytes[from..to]);
    parse_rows(schema, columns, &bytes, start, records, scratch, index, simple);
    records.chunk.bytes = bytes;
}

/// Both passes, window by window. `index` finds the separators of 64 bytes, `simple` converts a plain decimal.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the two closures carry the instruction set in")]
fn parse_rows(
    schema: &Schema,
    columns: &Columns,
    bytes: &[u8],
    start: usize,
    records: &mut Records,
    scratch: &mut Scratch,
    index: impl Fn(usize) -> Block,
    simple: impl Fn(usize, usize) -> Option<f64>,
) {
    let len = records.chunk.len;
    let (mut row_start, mut indexed) = (start, start);
    scratch.clear();
    while indexed < len {
        let window_end = (indexed + WINDOW).min(len);
        scratch.fill(indexed, window_end, len, &index);
        indexed = window_end;
        let (mut first, mut line) = (0, 0);
        while line < scratch.lines.len() {
            let row_end = scratch.lines[line] as usize;
            line += 1;
            let last = first + columns.count - 1;
            if scratch.ends_len <= last || scratch.ends[last] as usize != row_end {
                first = reject_ragged(schema, columns, bytes, row_start, row_end, records, scratch, first);
            } else {
                let ends = &mut scratch.ends[first..=last];
                parse_row(schema, columns, bytes, row_start, ends, records, &mut scratch.numbers, &simple);
                first = last + 1;
            }
            row_start = row_end + 1;
        }
        scratch.keep_from(first);
    }
}

/// One record whose fields end at `ends`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the inside of the loop above")]
fn parse_row(
    schema: &Schema,
    columns: &Columns,
    bytes: &[u8],
    row_start: usize,
    ends: &mut [u32],
    records: &mut Records,
    scratch: &mut Vec<f64>,
    simple: &impl Fn(usize, usize) -> Option<f64>,
) {
    let row_end = ends[ends.len() - 1] as usize;
    let text_end = row_end - usize::from(row_end > row_start && bytes[row_end - 1] == b'\r');
    if ends.len() == 1 && text_end == row_start {
        return; // a line without any field
    }
    ends[columns.count - 1] = text_end as u32;
    let base = columns.start_row(records);
    let mut from = row_start;
    for run in &columns.runs {
        let run_ends = &ends[run.first..run.first + run.count];
        let outcome = match run.action {
            Action::Number => {
                let out = &mut records.numeric[base + run.to..base + run.to + run.count];
                numbers(bytes, run, from, run_ends, scratch, out, simple)
            }
            Action::Skip => Ok(()),
            _ => texts(bytes, run, from, run_ends, records),
        };
        if let Err(fault) = outcome {
            return reject(records, columns, fault, schema, row_start, Rejected::raw_of(&bytes[row_start..text_end]));
        }
        from = run_ends[run.count - 1] as usize + 1;
    }
    columns.end_row(records, row_start, text_end);
}

/// Neighbouring numeric fields into neighbouring floats.
#[inline(always)]
fn numbers(
    bytes: &[u8],
    run: &Run,
    start: usize,
    ends: &[u32],
    scratch: &mut Vec<f64>,
    out: &mut [f32],
    simple: &impl Fn(usize, usize) -> Option<f64>,
) -> Result<(), Fault> {
    scratch.resize(ends.len(), 0.0);
    let mut from = start;
    for (at, (&end, about)) in ends.iter().zip(scratch.iter_mut()).enumerate() {
        let to = end as usize;
        *about = match simple(from, to) {
            Some(value) => value,
            None if from == to => f64::NAN, // missing
            None => {
                let exact =
                    number(&bytes[from..to]).map_err(|reason| Fault { reason, column: Some(run.first + at) })?;
                f64::from(exact)
            }
        };
        from = to + 1;
    }
    let mut unsettled = false;
    for (&about, out) in scratch.iter().zip(out.iter_mut()) {
        *out = about as f32;
        unsettled |= is_unsettled(about);
    }
    if unsettled { settle_all(bytes, run, start, ends, scratch, out) } else { Ok(()) }
}

/// Goes back to the text of the numbers that are too close to the middle between two floats.
#[cold]
#[inline(never)]
fn settle_all(
    bytes: &[u8],
    run: &Run,
    mut from: usize,
    ends: &[u32],
    about: &[f64],
    out: &mut [f32],
) -> Result<(), Fault> {
    for (at, (&end, out)) in ends.iter().zip(out).enumerate() {
        if is_unsettled(about[at]) {
            let exact = number(&bytes[from..end as usize]);
            *out = exact.map_err(|reason| Fault { reason, column: Some(run.first + at) })?;
        }
        from = end as usize + 1;
    }
    Ok(())
}

/// Neighbouring fields that stay text, and the example weight.
#[inline(always)]
fn texts(bytes: &[u8], run: &Run, mut from: usize, ends: &[u32], records: &mut Records) -> Result<(), Fault> {
    for (at, &end) in ends.iter().enumerate() {
        let to = end as usize;
        let span = Span { start: from as u32, len: (to - from) as u32 };
        match run.action {
            Action::Text => records.text.push(span),
            Action::Label => records.label.push(span),
            Action::Id => records.id.push(span),
            _ => {
                let weight = number(&bytes[from..to]);
                records.weight.push(weight.map_err(|reason| Fault { reason, column: Some(run.first + at) })?);
            }
        }
        from = end as usize + 1;
    }
    Ok(())
}

/// A line with too few or too many fields; gives the place of the next line's first separator.
#[cold]
#[inline(never)]
#[allow(clippy::too_many_arguments, reason = "the cold end of the loop above")]
fn reject_ragged(
    schema: &Schema,
    columns: &Columns,
    bytes: &[u8],
    row_start: usize,
    row_end: usize,
    records: &mut Records,
    scratch: &Scratch,
    first: usize,
) -> usize {
    let fields = scratch.ends[first..scratch.ends_len].partition_point(|&end| (end as usize) < row_end) + 1;
    let text_end = row_end - usize::from(row_end > row_start && bytes[row_end - 1] == b'\r');
    if text_end > row_start {
        let fault = Fault { reason: Reason::FieldCount, column: None };
        reject(records, columns, fault, schema, row_start, Rejected::raw_of(&bytes[row_start..text_end]));
    }
    first + fields
}

impl Scratch {
    fn clear(&mut self) {
        self.ends_len = 0;
        self.lines.clear();
    }

    /// Writes down the separators of `from..to`; nothing behind `len` is one.
    #[inline(always)]
    fn fill(&mut self, from: usize, to: usize, len: usize, index: &impl Fn(usize) -> Block) {
        if self.ends.len() < self.ends_len + WINDOW + 64 {
            self.ends.resize(self.ends_len + WINDOW + 64, 0);
        }
        let mut at = from;
        while at < to {
            let block = index(at);
            let valid = if to - at < 64 { (1 << (to - at)) - 1 } else { u64::MAX };
            self.push(at, block.ends & valid);
            let mut lines = block.lines & valid;
            while lines != 0 {
                self.lines.push(at as u32 + lines.trailing_zeros());
                lines &= lines - 1;
            }
            at += 64;
        }
        if to == len && self.lines.last().is_none_or(|&line| line as usize + 1 != len) {
            self.end_last_line(len);
        }
    }

    /// A last line without a line end is ended where the text ends.
    fn end_last_line(&mut self, len: usize) {
        self.ends[self.ends_len] = len as u32;
        self.ends_len += 1;
        self.lines.push(len as u32);
    }

    /// Writes down the set bits: twelve without a branch, since most blocks hold fewer, then four at a time.
    #[inline(always)]
    fn push(&mut self, base: usize, mut bits: u64) {
        let count = bits.count_ones() as usize;
        let out = &mut self.ends[self.ends_len..self.ends_len + 64];
        let (few, many) = out.split_at_mut(12);
        for end in few {
            *end = base as u32 + bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
        }
        for four in many.chunks_exact_mut(4) {
            if bits == 0 {
                break;
            }
            for end in four {
                *end = base as u32 + bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
            }
        }
        self.ends_len += count;
    }

    /// Moves the separators of a line that is not complete yet to the front.
    fn keep_from(&mut self, first: usize) {
        self.ends.copy_within(first..self.ends_len, 0);
        self.ends_len -= first;
        self.lines.clear();
    }
}

/// The separators among the 64 bytes from `at` on.
#[inline(always)]
fn index_block(bytes: &[u8], at: usize, delimiter: u8) -> Block {
    let (mut ends, mut lines) = (0, 0);
    for (bit, &byte) in bytes[at..at + 64].iter().enumerate() {
        lines |= u64::from(byte == b'\n') << bit;
        ends |= u64::from(byte == delimiter) << bit;
    }
    Block { ends: ends | lines, lines }
}

/// The same reader for x86-64 machines with AVX2, which all have had since 2013 to 2015.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;
    use crate::parser::number::x86::simple_wide;

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) fn parse_rows_wide(
        schema: &Schema,
        columns: &Columns,
        bytes: &[u8],
        start: usize,
        records: &mut Records,
        scratch: &mut Scratch,
    ) {
        let index = |at| index_block_wide(bytes, at, schema.format.delimiter());
        let simple = |from, to| simple_wide(bytes, from, to);
        parse_rows(schema, columns, bytes, start, records, scratch, index, simple);
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    fn index_block_wide(bytes: &[u8], at: usize, delimiter: u8) -> Block {
        let block = &bytes[at..at + 64];
        let low: __m256i = bytemuck::pod_read_unaligned(&block[..32]);
        let high: __m256i = bytemuck::pod_read_unaligned(&block[32..]);
        let find = |byte: u8| {
            let wanted = _mm256_set1_epi8(byte as i8);
            let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) as u32;
            let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) as u32;
            u64::from(low) | u64::from(high) << 32
        };
        let lines = find(b'\n');
        Block { ends: find(delimiter) | lines, lines }
    }
}
