//! Where records end in text with quoted fields. The rules are csv-core's, by which the slow parser reads them.

/// What is known after looking at a piece of text that starts where a record starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boundary {
    /// Bytes up to and with the last line end that ends a record; 0 when there is none.
    pub complete: usize,
    /// Whether the text stops within a quoted field.
    pub in_quotes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Field,
    Quoted,
    QuoteInQuoted,
}

impl State {
    /// What is known behind one more byte; `None` where it ends the record.
    fn behind(self, byte: u8, delimiter: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Quoted, b'"') => Self::QuoteInQuoted,
            (Self::Quoted, _) => Self::Quoted,
            (Self::QuoteInQuoted, b'"') => Self::Quoted,
            (Self::FieldStart, b'"') => Self::Quoted,
            (_, b'\n') => return None,
            (_, byte) if byte == delimiter => Self::FieldStart,
            _ => Self::Field,
        })
    }
}

/// Length of the first record of `text` with its line end; `None` where it goes on behind the text.
pub(super) fn first(text: &[u8], delimiter: u8) -> Option<usize> {
    let line = memchr::memchr(b'\n', text)? + 1;
    if memchr::memchr(b'"', &text[..line]).is_none() {
        return Some(line);
    }
    let mut state = State::FieldStart;
    for (at, &byte) in text.iter().enumerate() {
        match state.behind(byte, delimiter) {
            None => return Some(at + 1),
            Some(next) => state = next,
        }
    }
    None
}

/// Finds the last record end. A quote opens a quoted field only where the field starts; inside, two quotes are one.
///
/// ```
/// use tidemill::source::split::{boundary, Boundary};
/// assert_eq!(boundary(b"a,b\n\"c\nd", b','), Boundary { complete: 4, in_quotes: true });
/// ```
pub fn boundary(text: &[u8], delimiter: u8) -> Boundary {
    let mut state = State::FieldStart;
    let mut complete = 0;
    for (at, &byte) in text.iter().enumerate() {
        (state, complete) = match state.behind(byte, delimiter) {
            None => (State::FieldStart, at + 1),
            Some(state) => (state, complete),
        };
    }
    Boundary { complete, in_quotes: state == State::Quoted }
}

#[cfg(test)]
mod tests {
    use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};
    use proptest::prelude::*;

    use super::*;

    /// Where csv-core ends the last record that is followed by more or by a line end.
    fn oracle(text: &[u8]) -> usize {
        let mut reader = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build();
        let (mut at, mut complete) = (0, 0);
        let (mut out, mut ends) = ([0; 1024], [0; 1024]);
        while at < text.len() {
            let (result, read, _, _) = reader.read_record(&text[at..], &mut out, &mut ends);
            at += read;
            if result == ReadRecordResult::Record {
                complete = at;
            }
        }
        // Line ends without a record between them are passed over by csv-core; they end nothing, and harm nothing.
        complete + text[complete..].iter().take_while(|&&byte| byte == b'\n').count()
    }

    proptest! {
        #[test]
        fn records_end_where_the_slow_parser_ends_them(text in "[ab,\"\n]{0,80}") {
            prop_assert_eq!(boundary(text.as_bytes(), b',').complete, oracle(text.as_bytes()));
        }

        #[test]
        fn records_taken_one_by_one_end_where_the_last_one_ends(text in "[ab,\"\n]{0,80}") {
            let mut rest = text.as_bytes();
            while let Some(len) = first(rest, b',') {
                rest = &rest[len..];
            }
            prop_assert_eq!(text.len() - rest.len(), boundary(text.as_bytes(), b',').complete);
        }
    }
}
