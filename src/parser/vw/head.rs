//! What stands before the first bar: up to three numbers - label, weight, base prediction - and a tag.

use crate::parser::marks::Marks;
use crate::parser::sparse::{Fault, Wanted, filled, span};
use crate::record::{Reason, Records, Span};

/// The first separator that is neither a blank nor a colon: the bar, or what ends a line without one.
#[inline(always)]
pub(super) fn end(bytes: &[u8], marks: &mut Marks) -> usize {
    loop {
        let mark = marks.next(bytes);
        if !matches!(bytes[mark], b' ' | b'\t' | b':') {
            return mark;
        }
    }
}

/// Reads the text from `start` to the bar.
#[inline(always)]
pub(super) fn read(bytes: &[u8], start: usize, bar: usize, wanted: Wanted, records: &mut Records) -> Result<(), Fault> {
    let head = &bytes[start..bar];
    if head.contains(&b'\t') {
        return Err(Fault::syntax(bar));
    }
    let (tag, head) = split_tag(head);
    let mut words = head.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let label = words.next().unwrap_or_default();
    let weight = words.next().map_or(Ok(1.0), |word| weight(word, bar))?;
    if let Some(initial) = words.next() {
        check_initial(initial, words.next(), bar)?;
    }
    if wanted.id && std::str::from_utf8(tag).is_err() {
        return Err(Fault::value(bar, Reason::InvalidUtf8, b"tag"));
    }
    let place = |word: &[u8]| place(bytes, word);
    if wanted.label {
        records.label.push(place(label));
    }
    if wanted.weight {
        records.weight.push(weight);
    }
    if wanted.id {
        records.id.push(place(tag));
    }
    Ok(())
}

/// The tag without the `'` in front of it, and what stands before it.
#[inline(always)]
fn split_tag(head: &[u8]) -> (&[u8], &[u8]) {
    let blanks = head.iter().rev().take_while(|&&byte| byte == b' ').count();
    let text = &head[..head.len() - blanks];
    let from = text.iter().rposition(|&byte| byte == b' ').map_or(0, |blank| blank + 1);
    let (before, last) = text.split_at(from);
    match last {
        [b'\'', tag @ ..] => (tag, before),
        tag if blanks == 0 => (tag, before),
        _ => (&[], text),
    }
}

/// Where `word`, a part of `bytes`, stands there.
#[inline(always)]
fn place(bytes: &[u8], word: &[u8]) -> Span {
    if word.is_empty() {
        return Span::default();
    }
    let from = word.as_ptr() as usize - bytes.as_ptr() as usize;
    span(from, from + word.len())
}

/// The example weight; whether it lies within the limits is looked at behind the parser.
fn weight(word: &[u8], bar: usize) -> Result<f32, Fault> {
    filled(word).map_err(|reason| {
        let reason = if reason == Reason::NotANumber { reason } else { Reason::Weight };
        Fault::value(bar, reason, b"weight")
    })
}

/// The base prediction must be 0, and nothing may stand behind it.
#[cold]
fn check_initial(word: &[u8], more: Option<&[u8]>, bar: usize) -> Result<(), Fault> {
    match filled(word) {
        _ if more.is_some() => Err(Fault::syntax(bar)),
        Ok(0.0) => Ok(()),
        _ => Err(Fault::value(bar, Reason::Syntax, b"initial")),
    }
}
