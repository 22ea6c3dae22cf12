//! Lists: takes a text that holds several values, gives a category each.
//!
//! Formats that have lists hand them over with [`BEHIND`] behind each of their values; where a text holds one, the separator
//! that the section names is text like any other. Blanks around a value are passed over, and so are empty values.

use super::{Row, Sink, Space};

/// What stands behind each value of a list that the format itself has: the unit separator of ASCII.
const BEHIND: u8 = 0x1f;

/// A column with what stands between its values.
#[derive(Debug, Clone)]
pub(super) struct List {
    place: usize,
    separator: Vec<u8>,
}

impl List {
    pub(super) fn new(place: usize, separator: &str) -> Self {
        Self { place, separator: separator.into() }
    }

    #[inline(always)]
    pub(super) fn extract(&self, row: &Row<'_>, space: &Space, sink: &mut impl Sink) {
        let text = row.text(self.place);
        let separator = if memchr::memchr(BEHIND, text).is_some() { &[BEHIND][..] } else { &self.separator };
        let mut start = 0;
        for end in memchr::memmem::find_iter(text, separator).chain([text.len()]) {
            let value = text[start..end].trim_ascii();
            if !value.is_empty() {
                sink.put(space.hash(value), 1.0, || space.name_of_value(value));
            }
            start = end + separator.len();
        }
    }
}
