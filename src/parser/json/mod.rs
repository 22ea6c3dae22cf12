//! JSON lines: takes an object a line, gives numbers and spans by the paths of their keys. It never keeps a value that
//! is not used, and is no laxer than the grammar of JSON in what it passes over.
//!
//! | in the line | is |
//! |---|---|
//! | a number, or text that holds one | a number where one is expected |
//! | text, a number as it is written, `true`, `false` | text, where text is expected |
//! | `null`, an empty text, no such key | a missing value |
//! | an object or a list where one value is expected | [`Reason::NotAValue`] |
//! | a key again | the last one counts |
//! | anything that is not JSON, more than one value, no object, more than 127 brackets open | [`Reason::Syntax`] |
//! | bytes that are not UTF-8 | [`Reason::InvalidUtf8`] |
//!
//! What is not JSON is found before what is wrong with a value. Lines without text are passed over. Siblings: `scan` (the
//! grammar), `paths` (which key leads where), `rows` (where values go), `line` (all three together) and [`look`].

mod line;
pub mod look;
mod paths;
mod rows;
mod scan;

use crate::record::{Reason, Records, Rejected, Span};
use crate::schema::Schema;
use line::{Decoded, Line};
use paths::Paths;
use rows::Rows;
use scan::Cursor;

/// A parser of JSON lines for one schema.
///
/// From one chunk to the next it keeps which keys follow each other. Records do not depend on it; how fast they are read
/// does.
#[derive(Debug)]
pub struct JsonParser {
    schema: Schema,
    paths: Paths,
    rows: Rows,
    decoded: Decoded,
    faults: Vec<(usize, Reason)>,
    /// Lines seen, to tell a key that stands twice in one.
    lines: u64,
}

impl JsonParser {
    /// A parser for lines in this schema.
    pub fn new(schema: Schema) -> Self {
        let (paths, rows) = (Paths::new(&schema), Rows::new(&schema));
        Self { schema, paths, rows, decoded: Decoded::default(), faults: Vec::new(), lines: 0 }
    }

    /// Parses the chunk of `records` into them. Text that is written with backslashes is put behind the chunk's own.
    pub fn parse(&mut self, records: &mut Records) {
        let mut bytes = std::mem::take(&mut records.chunk.bytes);
        let is_utf8 = std::str::from_utf8(&bytes[..records.chunk.len]).is_ok();
        self.decoded.base = bytes.len();
        let mut at = 0;
        while at < records.chunk.len {
            at = self.line(&bytes, at, records, is_utf8);
        }
        bytes.append(&mut self.decoded.bytes);
        records.chunk.bytes = bytes;
    }

    /// The line at `start`; gives the start of the next one.
    #[inline(always)]
    fn line(&mut self, bytes: &[u8], start: usize, records: &mut Records, is_utf8: bool) -> usize {
        let len = records.chunk.len;
        let mut cursor = Cursor::new(bytes, start);
        cursor.skip_blanks();
        if cursor.at >= len || cursor.peek() == b'\n' {
            return cursor.at + 1;
        }
        self.lines += 1;
        self.rows.start(records);
        let Self { paths, rows, decoded, faults, .. } = self;
        let mut line = Line { cursor, paths, rows, records, decoded, faults, stamp: self.lines, is_utf8 };
        let outcome = line.record();
        let end = line.cursor.at;
        if outcome.is_ok() && (end == len || bytes[end] == b'\n') && is_utf8 && self.faults.is_empty() {
            self.rows.end(records, without_line_end(bytes, start, end));
            return end + 1;
        }
        let is_json = outcome.is_ok() && (end == len || bytes[end] == b'\n');
        self.line_with_faults(bytes, start, records, is_json)
    }

    /// A line that may have to be rejected.
    #[cold]
    #[inline(never)]
    fn line_with_faults(&mut self, bytes: &[u8], start: usize, records: &mut Records, is_json: bool) -> usize {
        let text = &bytes[start..records.chunk.len];
        let end = memchr::memchr(b'\n', text).map_or(records.chunk.len, |end| start + end);
        let span = without_line_end(bytes, start, end);
        let fault = match self.faults.first() {
            _ if !is_json => Some((None, Reason::Syntax)),
            Some(&(node, reason)) => Some((Some(node), reason)),
            None => std::str::from_utf8(span.of(bytes)).err().map(|_| (None, Reason::InvalidUtf8)),
        };
        self.faults.clear();
        match fault {
            None => self.rows.end(records, span),
            Some((node, reason)) => self.reject(records, node, reason, start, span.of(bytes)),
        }
        end + 1
    }

    fn reject(&self, records: &mut Records, node: Option<usize>, reason: Reason, start: usize, line: &[u8]) {
        self.rows.cut_back(records);
        let slot = node.and_then(|node| self.paths.nodes[node].slot);
        records.rejected.push(Rejected {
            number: records.seen,
            source: records.chunk.source,
            offset: records.chunk.offset + start as u64,
            column: slot.map(|slot| self.schema.columns[slot.column].name.clone()),
            reason,
            raw: Rejected::raw_of(line),
        });
        records.seen += 1;
    }
}

/// A line as a span; `\r` before its end is not text.
fn without_line_end(bytes: &[u8], start: usize, end: usize) -> Span {
    let end = end - usize::from(bytes[start..end].ends_with(b"\r"));
    Span { start: start as u32, len: (end - start) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::Parser;
    use crate::record::Chunk;
    use crate::schema::{Column, Format, Role};

    fn schema(columns: &[(&str, Role)]) -> Schema {
        let column = |&(name, role): &(&str, Role)| Column { name: name.into(), role, log: false };
        Schema { columns: columns.iter().map(column).collect(), format: Format::JsonL, ..Schema::default() }
    }

    fn parsed(schema: Schema, text: &[u8]) -> Records {
        let mut records = Records::default();
        Parser::new(schema).parse(Chunk::of(text), &mut records).unwrap();
        records
    }

    const MIXED: [(&str, Role); 7] = [
        ("y", Role::Label),
        ("n", Role::Numeric),
        ("user.age", Role::Numeric),
        ("user.country", Role::Categorical),
        ("unused", Role::Ignored),
        ("w", Role::Weight),
        ("key", Role::Id),
    ];

    fn texts(records: &Records) -> Vec<String> {
        let spans = records.text.iter().map(|span| span.of(&records.chunk.bytes).to_vec());
        spans.map(|text| String::from_utf8(text).unwrap()).collect()
    }

    /// Number, column and reason of each rejection.
    fn rejections(records: &Records) -> Vec<(u32, Option<&str>, Reason)> {
        records.rejected.iter().map(|r| (r.number, r.column.as_deref(), r.reason)).collect()
    }

    #[test]
    fn values_are_found_by_the_paths_of_their_keys() {
        let text = br#"{"n":1.5,"user":{"country":"DE","age":"30"},"y":true,"w":2,"key":"k1"}
{"key":7, "y" : 0 ,"user.country":"FR","other":[{"n":9}],"user":{"age":null}}
"#;
        let records = parsed(schema(&MIXED), text);
        assert_eq!((records.rows, records.rejected.len()), (2, 0));
        assert_eq!((records.numeric[0], records.numeric[1]), (1.5, 30.0));
        assert!(records.numeric[16].is_nan() && records.numeric[17].is_nan());
        assert_eq!(texts(&records), ["DE", "FR"]);
        let of = |spans: &[Span]| spans.iter().map(|span| span.of(&records.chunk.bytes).to_vec()).collect::<Vec<_>>();
        assert_eq!(
            (of(&records.label), of(&records.id)),
            (vec![b"true".into(), b"0".into()], vec![b"k1".into(), b"7".into()])
        );
        assert!(records.weight[0] == 2.0 && records.weight[1].is_nan());
        assert_eq!(records.record[1].of(&records.chunk.bytes), text.split(|&b| b == b'\n').nth(1).unwrap());
    }

    #[test]
    fn the_last_of_keys_that_stand_twice_counts() {
        let text = br#"{"n":"bad","n":2,"user":{"age":1,"country":"DE"},"user":{"age":3}}
{"n":1,"n":"bad","user":{"age":[1]},"user":4}
{"user":{"country":"DE"},"user":null,"user":{"country":"FR"},"n":1,"n":null}"#;
        let records = parsed(schema(&MIXED), text);
        assert_eq!((records.numeric[0], records.numeric[1]), (2.0, 3.0));
        assert_eq!(rejections(&records), [(1, Some("n"), Reason::NotANumber)]);
        assert!(records.numeric[16].is_nan());
        assert_eq!(texts(&records), ["", "FR"]);
    }

    #[test]
    fn what_is_not_json_is_found_before_what_is_wrong_with_a_value() {
        let text = b"{\"n\":\"bad\"}}\n{\"n\":[]}\n{\"n\":true}\n{\"user\":{\"country\":{}}}\n[1]\n1\n{\"n\":1} {\"n\":2}\n{\"n\":1e39}\n{\"n\":\"inf\"}\n{\"n\":1,}\n{\"unused\":01}\n{\"n\":1\n\"\"\n{\"n\":1}\0\n{\"n\":4}";
        let records = parsed(schema(&MIXED), text);
        let (syntax, n) = ((None, Reason::Syntax), Some("n"));
        let expected = [
            syntax,
            (n, Reason::NotAValue),
            (n, Reason::NotANumber),
            (Some("user.country"), Reason::NotAValue),
            syntax,
            syntax,
            syntax,
            (n, Reason::OutOfRange),
            (n, Reason::NotFinite),
            syntax,
            syntax,
            syntax,
            syntax,
            syntax,
        ];
        let found: Vec<_> = rejections(&records).into_iter().map(|(_, column, reason)| (column, reason)).collect();
        assert_eq!(found, expected);
        assert_eq!((records.rows, records.numeric[0], records.number[0]), (1, 4.0, 14));
        assert_eq!((records.rejected[1].offset, &*records.rejected[1].raw), (13, &b"{\"n\":[]}"[..]));
    }

    #[test]
    fn escapes_are_decoded_in_keys_and_in_values() {
        let text = br#"{"us\u0065r":{"country":"a\"\u00e9\ud83d\ude00\n"},"n":"\u0031.5"}
{"user":{"country":"\ud800"}}
"#;
        let records = parsed(schema(&MIXED), text);
        assert_eq!((texts(&records), records.numeric[0]), (vec!["a\"é😀\n".to_owned()], 1.5));
        assert_eq!(rejections(&records), [(1, None, Reason::Syntax)]);
    }

    #[test]
    fn blank_lines_carriage_returns_and_a_last_line_without_an_end_are_fine() {
        let records = parsed(schema(&MIXED), b"\n \t\r\n{\"n\":1}\r\n\n\r\n{}");
        assert_eq!((records.rows, records.seen, records.numeric[0]), (2, 2, 1.0));
        assert_eq!(records.record[0].of(&records.chunk.bytes), b"{\"n\":1}");
        assert_eq!(parsed(schema(&MIXED), b" ").seen, 0);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_rejected_with_the_column_where_they_are_used() {
        let text =
            b"{\"user\":{\"country\":\"\xff\"}}\n{\"other\":\"\xff\"}\n{\"user\":{\"country\":\"DE\"}}\n{\"n\":\xff}";
        let records = parsed(schema(&MIXED), text);
        let used = (0, Some("user.country"), Reason::InvalidUtf8);
        assert_eq!(rejections(&records), [used, (1, None, Reason::InvalidUtf8), (3, None, Reason::Syntax)]);
        assert_eq!(texts(&records), ["DE"]);
    }

    #[test]
    fn a_line_of_brackets_is_rejected() {
        for depth in [127, 128, 1_000_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "0}"), ("{\"user\":", "}")] {
                let text = format!("{{\"x\":{}{}", open.repeat(depth), close.repeat(depth));
                assert_eq!(rejections(&parsed(schema(&MIXED), text.as_bytes())), [(0, None, Reason::Syntax)]);
            }
        }
        // Objects all the way down to a column are walked one within the other.
        for (depth, is_fine) in [(127, true), (128, false)] {
            let path = vec!["a"; depth].join(".");
            let text = "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
            let records = parsed(schema(&[(&path, Role::Numeric)]), text.as_bytes());
            assert_eq!(records.rows == 1 && records.numeric[0] == 1.0, is_fine, "{depth}");
        }
    }

    #[test]
    fn plain_and_odd_lines_are_read_as_they_stand_in_the_golden_file() {
        let columns = [
            ("y", Role::Label),
            ("n", Role::Numeric),
            ("user.country", Role::Categorical),
            ("user.age", Role::Numeric),
            ("w", Role::Weight),
            ("key", Role::Id),
        ];
        let records = parsed(schema(&columns), include_bytes!("../../../tests/golden/jsonl/input.jsonl"));
        let shown = |row: usize| {
            let of = |spans: &[Span]| String::from_utf8_lossy(spans[row].of(&records.chunk.bytes)).into_owned();
            let numbers = [records.numeric[16 * row], records.numeric[16 * row + 1], records.weight[row]];
            let numbers = numbers.map(|number| if number.is_nan() { "-".into() } else { number.to_string() });
            format!("{}|{}|{}|{}", of(&records.label), numbers.join("|"), of(&records.text), of(&records.id))
        };
        let expected = [
            "1|1.5|30|2|DE|first",
            "0|-0.2|31|1|FR|spaces and another order",
            "true|-|-|-||words and gaps",
            "1|2.5|-|-|a key with a dot|7",
            "1|-|-|-|a \"quote\", é😀\n é😀|escapes",
            "0|2|-|-|IT|the last one counts",
            "1|16777216|-|-||rounded",
            "|-|-|-||",
            "2|1|-|-||a label that is none: for the encoder",
            "0|4|-|-||the last line has no end",
        ];
        assert_eq!((0..records.rows).map(shown).collect::<Vec<_>>(), expected);
        let reasons: Vec<_> = rejections(&records).into_iter().map(|(_, _, reason)| reason.name()).collect();
        let [number, value, syntax] = ["not_a_number", "not_a_value", "syntax"];
        let values = [number, number, value, value, "out_of_range", "not_finite"];
        assert_eq!(reasons, [&values[..], &[syntax; 6]].concat());
        assert_eq!(records.number.last(), Some(&21));
    }

    #[test]
    fn lists_become_one_text_where_a_column_holds_lists() {
        let mut parser = JsonParser::new(schema(&[("tags", Role::Categorical)]));
        for node in &mut parser.paths.nodes {
            node.slot.iter_mut().for_each(|slot| slot.is_list = true);
        }
        let text = br#"{"tags":["a", 1.50 ,true,null,"\u0062",""]}
{"tags":[]}
{"tags":"alone"}
{"tags":["a",[1]]}
{"tags":["a",]}"#;
        let mut records = Records { chunk: Chunk::of(text), ..Records::default() };
        parser.parse(&mut records);
        assert_eq!(texts(&records), ["a\u{1f}1.50\u{1f}true\u{1f}b\u{1f}", "", "alone"]);
        assert_eq!(rejections(&records), [(3, Some("tags"), Reason::NotAValue), (4, None, Reason::Syntax)]);
    }
}
