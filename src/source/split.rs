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
        state = match (state, byte) {
            (State::Quoted, b'"') => State::QuoteInQuoted,
            (State::Quoted, _) => State::Quoted,
            (State::QuoteInQuoted, b'"') => State::Quoted,
            (State::FieldStart, b'"') => State::Quoted,
            (_, b'\n') => {
                complete = at + 1;
                State::FieldStart
            }
            (_, byte) if byte == delimiter => State::FieldStart,
            _ => State::Field,
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
    }
}
