//! CSV and TSV: a fast reader made for the schema, and a slow and correct one that takes over where a chunk holds a
//! quote or text that is not UTF-8. Both give the same records.
//!
//! A line without any field is passed over; blanks around numbers are too. `\r` before the line's end is not text.

mod columns;
mod fast;
mod slow;

use crate::error::{Error, Result};
use crate::record::{Chunk, Records, Rejected};
use crate::schema::{Role, Schema};
use columns::Columns;

/// A CSV parser for one schema.
#[derive(Debug)]
pub struct CsvParser {
    schema: Schema,
    columns: Columns,
    fast: fast::Scratch,
    checks_text: bool,
}

impl CsvParser {
    /// A parser for text in this schema.
    pub fn new(schema: Schema) -> Self {
        let checks_text = schema.columns.iter().any(|c| matches!(c.role, Role::Categorical | Role::Id));
        Self { columns: Columns::new(&schema), fast: fast::Scratch::default(), checks_text, schema }
    }

    /// Parses the chunk of `records` into them.
    ///
    /// # Errors
    /// A source whose header names other columns than the schema.
    pub fn parse(&mut self, records: &mut Records) -> Result<()> {
        let start = self.skip_header(&records.chunk)?;
        if self.is_plain(&records.chunk) {
            fast::parse(&self.schema, &self.columns, start, records, &mut self.fast);
        } else {
            slow::parse(&self.schema, &self.columns, start, records);
        }
        Ok(())
    }

    /// Whether the fast reader may take the chunk.
    fn is_plain(&self, chunk: &Chunk) -> bool {
        !chunk.quoted && (!self.checks_text || std::str::from_utf8(chunk.text()).is_ok())
    }

    /// Where the records start: behind the header, which must be the schema's.
    fn skip_header(&self, chunk: &Chunk) -> Result<usize> {
        if !(chunk.first && self.schema.header) {
            return Ok(0);
        }
        let (names, end) = slow::header(chunk.text(), self.schema.format.delimiter());
        let expected: Vec<_> = self.schema.columns.iter().map(|column| column.name.clone()).collect();
        if names == expected {
            return Ok(end);
        }
        if chunk.may_lack_header && !names_columns(&names, &expected) {
            return Ok(0);
        }
        Err(Error::input(format!(
            "input {} has another header than the first one: it names the columns {} where {} are expected; inputs of \
             one run must have the same columns in the same order",
            chunk.source + 1,
            names.join(", "),
            expected.join(", "),
        )))
    }
}

/// The names in the first line of `text`, and where the next line starts.
pub fn header(text: &[u8], delimiter: u8) -> (Vec<String>, usize) {
    slow::header(text, delimiter)
}

/// Whether the fields of a line are a header, of these columns or of others like them: more of the columns than not are
/// named there.
pub fn names_columns(fields: &[String], columns: &[String]) -> bool {
    2 * columns.iter().filter(|column| fields.contains(column)).count() > columns.len()
}

/// The first `limit` records of `text` as plain fields, for column inference.
pub fn sample(text: &[u8], delimiter: u8, limit: usize) -> Vec<Vec<Vec<u8>>> {
    slow::sample(text, delimiter, limit)
}

/// Takes back what a record has added so far, and keeps it as a rejection.
fn reject(
    records: &mut Records,
    columns: &Columns,
    fault: columns::Fault,
    schema: &Schema,
    start: usize,
    raw: Vec<u8>,
) {
    columns.cut_back(records);
    let rejected = Rejected {
        number: records.seen,
        source: records.chunk.source,
        offset: records.chunk.offset + start as u64,
        column: fault.column.map(|column| schema.columns[column].name.clone()),
        reason: fault.reason,
        raw,
    };
    records.rejected.push(rejected);
    records.seen += 1;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parser::Parser;
    use crate::record::Reason;
    use crate::schema::{Column, Format};

    fn schema(roles: &[Role]) -> Schema {
        let column = |(at, &role): (usize, &Role)| Column { name: format!("c{at}"), role, log: false };
        Schema {
            columns: roles.iter().enumerate().map(column).collect(),
            format: Format::Csv,
            header: false,
            ..Schema::default()
        }
    }

    const MIXED: [Role; 7] =
        [Role::Label, Role::Numeric, Role::Numeric, Role::Categorical, Role::Ignored, Role::Weight, Role::Id];

    /// Everything a reader gives, with spans replaced by what they stand for.
    #[derive(Debug, PartialEq)]
    struct Seen {
        numeric: Vec<u32>,
        weight: Vec<u32>,
        text: Vec<Vec<u8>>,
        record: Vec<Vec<u8>>,
        number: Vec<u32>,
        rejected: Vec<Rejected>,
        seen: u32,
    }

    fn seen(records: &Records) -> Seen {
        let bytes = &records.chunk.bytes;
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect();
        let spans = [&records.label, &records.text, &records.id].into_iter().flatten();
        Seen {
            numeric: bits(&records.numeric),
            weight: bits(&records.weight),
            text: spans.map(|span| span.of(bytes).to_vec()).collect(),
            record: records.record.iter().map(|span| span.of(bytes).to_vec()).collect(),
            number: records.number.clone(),
            rejected: records.rejected.clone(),
            seen: records.seen,
        }
    }

    fn read(schema: &Schema, text: &[u8], fast: bool) -> Seen {
        let columns = Columns::new(schema);
        let mut records = Records { chunk: Chunk::of(text), ..Records::default() };
        match fast {
            true => fast::parse(schema, &columns, 0, &mut records, &mut fast::Scratch::default()),
            false => slow::parse(schema, &columns, 0, &mut records),
        }
        seen(&records)
    }

    fn assert_readers_agree(schema: &Schema, text: &[u8]) -> Seen {
        let fast = read(schema, text, true);
        assert_eq!(fast, read(schema, text, false), "{:?}", String::from_utf8_lossy(text));
        fast
    }

    #[test]
    fn crlf_blank_lines_and_a_last_line_without_an_end_are_fine() {
        let schema = schema(&[Role::Numeric, Role::Categorical]);
        let seen = assert_readers_agree(&schema, b"1,a\r\n\r\n\n2,b\n3,\r\n,d");
        assert_eq!(seen.text, [&b"a"[..], b"b", b"", b"d"]);
        assert_eq!(seen.numeric.len(), 4 * 16);
        assert!(f32::from_bits(seen.numeric[3 * 16]).is_nan());
    }

    #[test]
    fn ragged_rows_are_rejected_with_their_place() {
        let seen = assert_readers_agree(&schema(&[Role::Numeric, Role::Numeric]), b"1,2\n3\n4,5,6\n7,8\n");
        assert_eq!(seen.number, [0, 3]);
        let places: Vec<_> = seen.rejected.iter().map(|r| (r.number, r.offset, r.reason)).collect();
        assert_eq!(places, [(1, 4, Reason::FieldCount), (2, 6, Reason::FieldCount)]);
        assert_eq!(seen.rejected[1].raw, b"4,5,6");
    }

    #[test]
    fn a_quoted_field_may_hold_delimiters_quotes_and_line_ends() {
        let schema = schema(&[Role::Categorical, Role::Numeric]);
        let mut records = Records::default();
        Parser::new(schema).parse(Chunk::of(b"\"a,\"\"b\"\"\nc\",1\r\nplain,\"2.5\"\n"), &mut records).unwrap();
        let texts: Vec<_> = records.text.iter().map(|span| span.of(&records.chunk.bytes)).collect();
        assert_eq!(texts, [&b"a,\"b\"\nc"[..], b"plain"]);
        assert_eq!((records.numeric[0], records.numeric[16]), (1.0, 2.5));
    }

    #[test]
    fn numbers_that_cannot_be_learned_are_rejected_by_column() {
        let text = b"1,inf\n1,nan\n1,1e39\n1,abc\n1,2\n";
        let seen = assert_readers_agree(&schema(&[Role::Numeric, Role::Numeric]), text);
        let reasons: Vec<_> = seen.rejected.iter().map(|r| (r.reason, r.column.as_deref())).collect();
        let column = Some("c1");
        assert_eq!(
            reasons,
            [
                (Reason::NotFinite, column),
                (Reason::NotFinite, column),
                (Reason::OutOfRange, column),
                (Reason::NotANumber, column)
            ]
        );
        assert_eq!(seen.number, [4]);
    }

    #[test]
    fn text_that_is_not_utf8_is_a_rejection_not_a_failure() {
        let schema = schema(&[Role::Categorical, Role::Numeric]);
        let mut records = Records::default();
        Parser::new(schema).parse(Chunk::of(b"ok,1\n\xff\xfe,2\nfine,3\n"), &mut records).unwrap();
        assert_eq!((records.rows, records.rejected[0].reason), (2, Reason::InvalidUtf8));
    }

    #[test]
    fn another_header_is_refused() {
        let schema = Schema { header: true, ..schema(&[Role::Numeric, Role::Label]) };
        let chunk = Chunk { first: true, ..Chunk::of(b"c0,other\n1,2\n") };
        let error = Parser::new(schema).parse(chunk, &mut Records::default()).unwrap_err();
        assert!(error.to_string().contains("c0, other"), "{error}");
    }

    #[test]
    fn rows_wider_than_the_window_are_read() {
        let schema = schema(&[Role::Numeric; 9000]);
        let row = vec!["-1.25"; 9000].join(",");
        let seen = assert_readers_agree(&schema, format!("{row}\n{row}\n{row}").as_bytes());
        assert_eq!(seen.number, [0, 1, 2]);
        assert!(seen.numeric.iter().filter(|&&bits| bits == (-1.25f32).to_bits()).count() == 27_000);
    }

    proptest! {
        #[test]
        fn both_readers_agree_on_any_text_without_quotes(text in "[01a.,\r\n -]{0,300}") {
            assert_readers_agree(&schema(&MIXED), text.as_bytes());
            assert_readers_agree(&schema(&MIXED[..2]), text.as_bytes());
            assert_readers_agree(&schema(&MIXED[3..4]), text.as_bytes());
        }

        #[test]
        fn every_line_with_text_is_a_record_or_a_rejection(
            lines in prop::collection::vec("[0-9a,.\"-]{0,30}", 0..60), crlf: bool
        ) {
            let end = if crlf { "\r\n" } else { "\n" };
            let text: String = lines.iter().filter(|l| !l.contains('"')).map(|l| format!("{l}{end}")).collect();
            let mut records = Records::default();
            Parser::new(schema(&MIXED)).parse(Chunk::of(text.as_bytes()), &mut records).unwrap();
            let lines = text.lines().filter(|line| !line.is_empty()).count();
            prop_assert_eq!(records.rows + records.rejected.len(), lines);
            prop_assert_eq!(records.seen as usize, lines);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            for roles in [&MIXED[..], &MIXED[..2], &MIXED[3..4]] {
                Parser::new(schema(roles)).parse(Chunk::of(&bytes), &mut Records::default()).unwrap();
            }
        }
    }
}
