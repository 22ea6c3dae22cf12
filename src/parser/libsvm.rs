//! libsvm's text, which svmlight reads too: takes a chunk, gives records of `label index:value index:value ...`.
//!
//! An index is a name of digits in the namespace without a name, so files that count from 0 and from 1 are read alike,
//! and indexes may come in any order. Passed over: blank lines, `#` and what follows it on its line, and `qid:N`, which
//! ranking knows and classes do not. A line that opens with a pair has no label: it is predicted, not learned. Never
//! hashes a name.

use super::marks::Marks;
use super::number::simple;
use super::sparse::{Fault, Wanted, line_end, lines, span, value};
use crate::record::{Name, Records, Space, Span};
use crate::schema::Schema;

/// A parser of libsvm's text.
#[derive(Debug)]
pub struct LibSvmParser {
    marks: Marks,
    wanted: Wanted,
}

impl LibSvmParser {
    /// A parser for text in this schema.
    pub fn new(schema: &Schema) -> Self {
        Self { marks: Marks::new(b" \t:#\r"), wanted: Wanted::by(schema) }
    }

    /// Parses the chunk of `records` into them.
    pub fn parse(&mut self, records: &mut Records) {
        let bytes = std::mem::take(&mut records.chunk.bytes);
        self.parse_bytes(&bytes, records);
        records.chunk.bytes = bytes;
    }

    fn parse_bytes(&mut self, bytes: &[u8], records: &mut Records) {
        #[cfg(target_arch = "x86_64")]
        if super::number::x86::is_supported() {
            // SAFETY: the line above has found every feature that this version needs.
            #[allow(unsafe_code, reason = "calling a version for detected instructions")]
            return unsafe { x86::read_wide(bytes, &mut self.marks, self.wanted, records) };
        }
        read(bytes, &mut self.marks, self.wanted, records, &|from, to| simple(&bytes[from..to]));
    }
}

#[inline(always)]
fn read(
    bytes: &[u8],
    marks: &mut Marks,
    wanted: Wanted,
    records: &mut Records,
    simple: &impl Fn(usize, usize) -> Option<f64>,
) {
    lines(bytes, marks, records, |start, marks, records| line(bytes, start, marks, wanted, records, simple));
}

/// One line: where it ends, and whether there was text in it.
#[inline(always)]
fn line(
    bytes: &[u8],
    start: usize,
    marks: &mut Marks,
    wanted: Wanted,
    records: &mut Records,
    simple: &impl Fn(usize, usize) -> Option<f64>,
) -> Result<(usize, bool), Fault> {
    let (mut from, mut mark) = (start, marks.next(bytes));
    while from == mark && matches!(bytes[mark], b' ' | b'\t') {
        (from, mark) = (mark + 1, marks.next(bytes));
    }
    if from == mark && bytes[mark] != b':' {
        return Ok((end_of(bytes, mark, marks)?, false));
    }
    let mut label = Span::default();
    if bytes[mark] != b':' {
        label = span(from, mark);
        from = mark;
    }
    if wanted.label {
        records.label.push(label);
    }
    let last = pairs(bytes, from, mark, marks, records, simple)?;
    records.sparse.space.push(Space { name: Span::default(), end: records.sparse.name.len() as u32 });
    Ok((end_of(bytes, last, marks)?, true))
}

/// Every `index:value`; the first token lies from `from` to `mark`. Gives the separator behind the last.
#[inline(always)]
fn pairs(
    bytes: &[u8],
    mut from: usize,
    mut mark: usize,
    marks: &mut Marks,
    records: &mut Records,
    simple: &impl Fn(usize, usize) -> Option<f64>,
) -> Result<usize, Fault> {
    loop {
        match bytes[mark] {
            b':' => {
                let stop = marks.next(bytes);
                pair(bytes, from, mark, stop, records, simple)?;
                (from, mark) = (stop, stop);
                if bytes[mark] == b':' {
                    return Err(Fault::syntax(mark));
                }
            }
            _ if from != mark => return Err(Fault::syntax(mark)),
            b' ' | b'\t' => (from, mark) = (mark + 1, marks.next(bytes)),
            _ => return Ok(mark),
        }
    }
}

/// The pair whose index lies from `from` to `mark`, and whose value ends at `stop`.
#[inline(always)]
fn pair(
    bytes: &[u8],
    from: usize,
    mark: usize,
    stop: usize,
    records: &mut Records,
    simple: &impl Fn(usize, usize) -> Option<f64>,
) -> Result<(), Fault> {
    let is_index = is_index(bytes, from, mark);
    if mark + 1 == stop || !(is_index || bytes[from..mark] == *b"qid") {
        return Err(Fault::syntax(stop));
    }
    let value =
        value(bytes, mark + 1, stop, simple).map_err(|reason| Fault::value(stop, reason, &bytes[from..mark]))?;
    if value != 0.0 && is_index {
        records.sparse.name.push(Name::Plain(span(from, mark)));
        records.sparse.value.push(value);
    }
    Ok(())
}

/// Whether the text from `from` to `to` is digits and nothing else.
///
/// Up to eight are looked at together, with zeros before them: a loop would miss its end with every other index.
#[inline(always)]
fn is_index(bytes: &[u8], from: usize, to: usize) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let len = to - from;
    if len.wrapping_sub(1) >= 8 {
        return len > 0 && bytes[from..to].iter().all(u8::is_ascii_digit);
    }
    let text = u64::from_le_bytes(bytemuck::pod_read_unaligned(&bytes[from..from + 8]));
    let unused = 64 - 8 * len as u32;
    let digits = text << unused | (0x30 * EACH) & ((1 << unused) - 1);
    // The upper half of each byte is that of a digit, and stays so where the lower half becomes six more.
    let upper = 0xf0 * EACH;
    (digits & upper | (digits.wrapping_add(6 * EACH) & upper) >> 4) == 0x33 * EACH
}

/// The place of the line's end, past a comment that opens at `mark`.
#[inline(always)]
fn end_of(bytes: &[u8], mark: usize, marks: &mut Marks) -> Result<usize, Fault> {
    if bytes[mark] == b'#' { Ok(marks.skip_line(bytes, mark)) } else { line_end(bytes, mark, marks) }
}

/// The same reader for x86-64 machines with AVX2.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Marks, Records, Wanted, read};
    use crate::parser::number::x86::simple_wide;

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) fn read_wide(bytes: &[u8], marks: &mut Marks, wanted: Wanted, records: &mut Records) {
        read(bytes, marks, wanted, records, &|from, to| simple_wide(bytes, from, to));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parser::Parser;
    use crate::record::{Chunk, Reason};
    use crate::schema::{Column, Format};

    fn parse(text: &[u8]) -> Records {
        let column = Column { name: "label".into(), role: crate::schema::Role::Label, log: false };
        let schema = Schema { columns: vec![column], format: Format::LibSvm, ..Schema::default() };
        let mut records = Records::default();
        Parser::new(schema).parse(Chunk::of(text), &mut records).unwrap();
        records
    }

    /// Each record as its label and its pairs.
    fn written(records: &Records) -> Vec<String> {
        let text = |span: Span| String::from_utf8_lossy(span.of(&records.chunk.bytes)).into_owned();
        let (mut at, mut all) = (0, Vec::new());
        for (label, space) in records.label.iter().zip(&records.sparse.space) {
            let mut line = text(*label);
            for feature in at..space.end as usize {
                let Name::Plain(name) = records.sparse.name[feature] else { panic!("an index is a plain name") };
                line += &format!(" {}={}", text(name), records.sparse.value[feature]);
            }
            at = space.end as usize;
            all.push(line);
        }
        all
    }

    fn faults(text: &[u8]) -> Vec<(u32, Reason, Option<String>)> {
        parse(text).rejected.into_iter().map(|rejected| (rejected.number, rejected.reason, rejected.column)).collect()
    }

    #[test]
    fn indexes_from_zero_in_any_order_and_blanks_anywhere_are_fine() {
        let records = parse(b"+1 3:1 0:-2.5 \r\n-1\t7:1e-1\t\n  0  1:2   \n1");
        assert_eq!(written(&records), ["+1 3=1 0=-2.5", "-1 7=0.1", "0 1=2", "1"]);
        assert_eq!((records.seen, records.rows), (4, 4));
        assert_eq!(records.record[0].of(&records.chunk.bytes), b"+1 3:1 0:-2.5 ");
    }

    #[test]
    fn comments_queries_blank_lines_and_zeros_are_passed_over() {
        let records = parse(b"# whole line\n\n \r\n1 qid:3 1:0 2:5 # 9:9\n-1 1:1# end \r\n#");
        assert_eq!(written(&records), ["1 2=5", "-1 1=1"]);
        assert_eq!(records.number, [0, 1]);
    }

    #[test]
    fn an_index_is_digits_alone_however_many() {
        for len in 1..12 {
            let digits = &b"10293847561029"[..len];
            for at in 0..len {
                for byte in 0..=255 {
                    let mut text = [digits, b":1 and more than eight bytes"].concat();
                    text[at] = byte;
                    assert_eq!(is_index(&text, 0, len), byte.is_ascii_digit(), "{len} {at} {byte}");
                }
            }
        }
        assert!(!is_index(b":1 and more", 0, 0));
    }

    #[test]
    fn a_line_that_opens_with_a_pair_has_no_label() {
        assert_eq!(written(&parse(b"1:2 3:4\n 5:6\n")), [" 1=2 3=4", " 5=6"]);
    }

    #[test]
    fn what_the_grammar_does_not_allow_is_rejected_and_the_next_line_read() {
        for bad in ["1 2", "1 2:", "1 :2", "1 a:2", "1 2:3:4", "1 -2:3", "1 2 :3", "1 2:3\r4:5", ":", "1 2:\r", "1\r2"]
        {
            let records = parse(format!("0 1:1\n{bad}\n1 2:1\n").as_bytes());
            assert_eq!(written(&records), ["0 1=1", "1 2=1"], "{bad}");
            let rejected = &records.rejected[0];
            assert_eq!((rejected.reason, rejected.number, rejected.offset), (Reason::Syntax, 1, 6), "{bad}");
            assert_eq!(rejected.raw, bad.strip_suffix('\r').unwrap_or(bad).as_bytes());
        }
    }

    #[test]
    fn values_that_cannot_be_learned_are_rejected_by_their_index() {
        let seen = faults(b"1 1:1 7:nan\n1 7:inf\n1 7:1e39\n1 7:x\n1 7:1\n1 qid:x 7:1\n1 7:\x0c\n");
        let reasons = [Reason::NotFinite, Reason::NotFinite, Reason::OutOfRange, Reason::NotANumber]
            .map(|r| (r, Some("7".into())));
        let expected = reasons.into_iter().zip(0..).map(|((reason, name), at)| (at, reason, name));
        let expected =
            expected.chain([(5, Reason::NotANumber, Some("qid".into())), (6, Reason::NotANumber, Some("7".into()))]);
        assert_eq!(seen, expected.collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn every_line_with_text_is_a_record_or_a_rejection(
            lines in prop::collection::vec("[0-9a:. \t-]{0,30}(#[a:\r]{0,3})?", 0..40), crlf: bool
        ) {
            let end = if crlf { "\r\n" } else { "\n" };
            let text: String = lines.iter().map(|line| format!("{line}{end}")).collect();
            let records = parse(text.as_bytes());
            let has_text = |line: &&String| !line.split('#').next().unwrap().trim().is_empty();
            let count = lines.iter().filter(has_text).count();
            prop_assert_eq!(records.rows + records.rejected.len(), count);
            prop_assert_eq!(records.seen as usize, count);
        }

        #[test]
        fn what_is_written_is_read_back(
            rows in prop::collection::vec((0..2u8, prop::collection::vec((0..9_999_999u32, -1e6f32..1e6), 0..20)), 0..20)
        ) {
            let pair = |(index, value): &(u32, f32)| format!(" {index}:{value}");
            let line = |(label, pairs): &(u8, Vec<(u32, f32)>)| {
                format!("{label}{}\n", pairs.iter().map(pair).collect::<String>())
            };
            let text: String = rows.iter().map(line).collect();
            let kept: Vec<_> = rows.into_iter().map(|(label, mut pairs)| {
                pairs.retain(|(_, value)| *value != 0.0);
                line(&(label, pairs)).trim_end().replace(':', "=")
            }).collect();
            prop_assert_eq!(written(&parse(text.as_bytes())), kept);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(
            noise in prop::collection::vec(any::<u8>(), 0..300), text in "[0-9a:|#. \t\r\n-]{0,300}"
        ) {
            for bytes in [&noise[..], text.as_bytes()] {
                let records = parse(bytes);
                prop_assert_eq!(records.rows + records.rejected.len(), records.seen as usize);
                prop_assert_eq!(records.sparse.record_end.len(), records.rows);
                prop_assert_eq!(records.sparse.name.len(), records.sparse.value.len());
            }
        }
    }
}
