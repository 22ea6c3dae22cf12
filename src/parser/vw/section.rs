//! A namespace with its features: what stands between a bar and the next one, or the line's end.

use crate::parser::marks::Marks;
use crate::parser::sparse::{Fault, span, value};
use crate::record::{Name, Reason, Records, Space, Span, Sparse};

/// Reads the section behind the bar; gives the separator that ends it.
#[inline(always)]
pub(super) fn read(
    bytes: &[u8],
    bar: usize,
    marks: &mut Marks,
    ignored: &[Vec<u8>],
    records: &mut Records,
    simple: &impl Fn(usize, usize) -> Option<f64>,
) -> Result<usize, Fault> {
    let mut mark = marks.next(bytes);
    let name = span(bar + 1, mark);
    let mut scale = 1.0;
    if bytes[mark] == b':' {
        let stop = marks.next(bytes);
        scale = scale_in(bytes, name, mark + 1, stop, simple)?;
        mark = stop;
    }
    let sparse = &mut records.sparse;
    let before = sparse.name.len();
    let mark = features(bytes, mark, scale, marks, sparse, simple)?;
    if !ignored.is_empty() && ignored.iter().any(|ignored| ignored == name.of(bytes)) {
        sparse.name.truncate(before);
        sparse.value.truncate(before);
    } else {
        sparse.space.push(Space { name, end: sparse.name.len() as u32 });
    }
    Ok(mark)
}

/// The scale of the namespace called `name`.
fn scale_in(
    bytes: &[u8],
    name: Span,
    from: usize,
    stop: usize,
    simple: &impl Fn(usize, usize) -> Option<f64>,
) -> Result<f32, Fault> {
    if name.len == 0 || from == stop {
        return Err(Fault::syntax(stop));
    }
    value(bytes, from, stop, simple).map_err(|reason| Fault::value(stop, reason, name.of(bytes)))
}

/// Reads the features behind the separator `mark`; gives the one that ends them.
#[inline(always)]
fn features(
    bytes: &[u8],
    mut mark: usize,
    scale: f32,
    marks: &mut Marks,
    sparse: &mut Sparse,
    simple: &impl Fn(usize, usize) -> Option<f64>,
) -> Result<usize, Fault> {
    let mut unnamed = 0;
    loop {
        match bytes[mark] {
            b' ' | b'\t' => {}
            b':' => return Err(Fault::syntax(mark)),
            _ => return Ok(mark),
        }
        let from = mark + 1;
        mark = marks.next(bytes);
        if bytes[mark] == b':' {
            let stop = marks.next(bytes);
            mark = valued(bytes, span(from, mark), stop, scale, marks, sparse, simple, &mut unnamed)?;
        } else if mark > from && scale != 0.0 {
            sparse.name.push(Name::Plain(span(from, mark)));
            sparse.value.push(scale);
        }
    }
}

/// A feature whose value lies from behind its name to `stop`, or further on where it is text; gives what ends it.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the inside of the loop above")]
fn valued(
    bytes: &[u8],
    name: Span,
    stop: usize,
    scale: f32,
    marks: &mut Marks,
    sparse: &mut Sparse,
    simple: &impl Fn(usize, usize) -> Option<f64>,
    unnamed: &mut u32,
) -> Result<usize, Fault> {
    let from = (name.start + name.len) as usize + 1;
    let value = match value(bytes, from, stop, simple) {
        _ if from == stop => return Err(Fault::syntax(stop)),
        Ok(value) => value * scale,
        Err(Reason::NotANumber) if !opens_like_a_number(bytes[from]) => {
            return Ok(text(bytes, name, from, stop, marks, sparse));
        }
        Err(reason) => return Err(Fault::value(stop, reason, name.of(bytes))),
    };
    if !value.is_finite() {
        return Err(Fault::value(stop, Reason::OutOfRange, name.of(bytes)));
    }
    let name = match name.len {
        0 => Name::Place(std::mem::replace(unnamed, *unnamed + 1)),
        _ => Name::Plain(name),
    };
    if value != 0.0 {
        sparse.name.push(name);
        sparse.value.push(value);
    }
    Ok(stop)
}

/// A value that is text goes on to the next blank, whatever stands in it.
#[inline(never)]
fn text(bytes: &[u8], name: Span, from: usize, mut stop: usize, marks: &mut Marks, sparse: &mut Sparse) -> usize {
    while matches!(bytes[stop], b':' | b'|') {
        stop = marks.next(bytes);
    }
    sparse.name.push(Name::Text(name, span(from, stop)));
    sparse.value.push(1.0);
    stop
}

/// Such a value is meant as a number; it is not taken for text where it is none.
fn opens_like_a_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')
}
