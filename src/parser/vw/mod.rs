//! Vowpal Wabbit's text: takes a chunk, gives records of `label weight initial 'tag |namespace:scale name:value ...`.
//!
//! Every part before the first bar may be missing; a line without a label is predicted, not learned. As there, the last
//! word before the bar is a tag where it touches the bar or opens with `'` (`1|a` has a tag and no label), a value times
//! its namespace's scale counts, zeros are left out, repeats are kept, and a value that is no number is text: it names
//! the feature along with its name, up to the next blank, and counts 1. Blank lines are passed over.
//!
//! Where Vowpal Wabbit learns something else than what is written, the line is rejected: text without a bar, labels and
//! values that are no numbers or not finite, a tab before the bar, more than three numbers there, and a base prediction
//! (the third of them) other than 0, for which there is no place here. Never hashes a name.
//!
//! Siblings: `head` (what stands before the first bar) and `section` (a namespace with its features).

mod head;
mod section;

use super::marks::Marks;
use super::number::simple;
use super::sparse::{Fault, Wanted, line_end, lines};
use crate::record::Records;
use crate::schema::{Role, Schema};

/// A parser of Vowpal Wabbit's text.
#[derive(Debug)]
pub struct VwParser {
    marks: Marks,
    grammar: Grammar,
}

/// What of a line the schema asks for.
#[derive(Debug)]
struct Grammar {
    wanted: Wanted,
    /// Namespaces that are left out.
    ignored: Vec<Vec<u8>>,
}

impl VwParser {
    /// A parser for text in this schema.
    pub fn new(schema: &Schema) -> Self {
        let ignored = schema.of(Role::Ignored).filter_map(|column| column.name.strip_prefix('|'));
        let ignored = ignored.map(|name| name.as_bytes().to_vec()).collect();
        Self { marks: Marks::new(b" \t:|\r"), grammar: Grammar { wanted: Wanted::by(schema), ignored } }
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
            return unsafe { x86::read_wide(bytes, &mut self.marks, &self.grammar, records) };
        }
        read(bytes, &mut self.marks, &self.grammar, records, &|from, to| simple(&bytes[from..to]));
    }
}

#[inline(always)]
fn read(
    bytes: &[u8],
    marks: &mut Marks,
    grammar: &Grammar,
    records: &mut Records,
    simple: &impl Fn(usize, usize) -> Option<f64>,
) {
    lines(bytes, marks, records, |start, marks, records| line(bytes, start, marks, grammar, records, simple));
}

/// One line: where it ends, and whether there was text in it.
#[inline(always)]
fn line(
    bytes: &[u8],
    start: usize,
    marks: &mut Marks,
    grammar: &Grammar,
    records: &mut Records,
    simple: &impl Fn(usize, usize) -> Option<f64>,
) -> Result<(usize, bool), Fault> {
    let mut mark = head::end(bytes, marks);
    if bytes[mark] != b'|' {
        let end = line_end(bytes, mark, marks)?;
        let is_blank = bytes[start..mark].iter().all(|byte| matches!(byte, b' ' | b'\t'));
        return if is_blank { Ok((end, false)) } else { Err(Fault::syntax(end)) };
    }
    head::read(bytes, start, mark, grammar.wanted, records)?;
    while bytes[mark] == b'|' {
        mark = section::read(bytes, mark, marks, &grammar.ignored, records, simple)?;
    }
    Ok((line_end(bytes, mark, marks)?, true))
}

/// The same reader for x86-64 machines with AVX2.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Grammar, Marks, Records, read};
    use crate::parser::number::x86::simple_wide;

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) fn read_wide(bytes: &[u8], marks: &mut Marks, grammar: &Grammar, records: &mut Records) {
        read(bytes, marks, grammar, records, &|from, to| simple_wide(bytes, from, to));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parser::Parser;
    use crate::record::{Chunk, Name, Reason, Span};
    use crate::schema::{Column, Format};

    fn parse_with(text: &[u8], ignored: &[&str]) -> Records {
        let column = |name: &str, role| Column { name: name.into(), role, log: false };
        let mut columns = vec![column("label", Role::Label), column("weight", Role::Weight), column("tag", Role::Id)];
        columns.extend(ignored.iter().map(|name| column(name, Role::Ignored)));
        let mut records = Records::default();
        let schema = Schema { columns, format: Format::Vw, ..Schema::default() };
        Parser::new(schema).parse(Chunk::of(text), &mut records).unwrap();
        records
    }

    fn parse(text: &[u8]) -> Records {
        parse_with(text, &[])
    }

    /// Each record as its label, weight and tag, then its features behind their namespace.
    fn written(records: &Records) -> Vec<String> {
        let text = |span: Span| String::from_utf8_lossy(span.of(&records.chunk.bytes)).into_owned();
        let sparse = &records.sparse;
        let (mut at, mut spaces, mut all) = (0, 0, Vec::new());
        for row in 0..records.rows {
            let mut line = format!("{} {} {}", text(records.label[row]), records.weight[row], text(records.id[row]));
            for space in &sparse.space[spaces..sparse.record_end[row] as usize] {
                line += &format!(" |{}", text(space.name));
                for feature in at..space.end as usize {
                    let name = match sparse.name[feature] {
                        Name::Plain(name) => text(name),
                        Name::Text(name, value) => format!("{}^{}", text(name), text(value)),
                        Name::Place(place) => format!("#{place}"),
                    };
                    line += &format!(" {name}={}", sparse.value[feature]);
                }
                at = space.end as usize;
            }
            spaces = sparse.record_end[row] as usize;
            all.push(line);
        }
        all
    }

    #[test]
    fn labels_weights_and_tags_are_told_apart() {
        let lines = [
            ("1 |a x", "1 1  |a x=1"),
            ("-1 2.5 |a x", "-1 2.5  |a x=1"),
            ("1 2 0 'tag |a x", "1 2 tag |a x=1"),
            ("1 2 0 tag|a x", "1 2 tag |a x=1"),
            ("1 2 'tag|a x", "1 2 tag |a x=1"),
            ("1|a x", " 1 1 |a x=1"),
            ("  1   3 |a x", "1 3  |a x=1"),
            ("|a x", " 1  |a x=1"),
            (" '12:ab |a x", " 1 12:ab |a x=1"),
            ("' |a x", " 1  |a x=1"),
        ];
        for (line, expected) in lines {
            assert_eq!(written(&parse(line.as_bytes())), [expected], "{line}");
        }
    }

    #[test]
    fn namespaces_scales_and_every_kind_of_feature_are_read() {
        let lines = [
            ("|", " 1  |"),
            ("| a", " 1  | a=1"),
            ("|n", " 1  |n"),
            ("|n a b:2\tc:-.5  d", " 1  |n a=1 b=2 c=-0.5 d=1"),
            ("|n:0.5 a b:4 |m:2 c", " 1  |n a=0.5 b=2 |m c=2"),
            ("|n a:0 b:0.0 a:1 a:2", " 1  |n a=1 a=2"),
            ("|n :2 :0 a :3 |m :4", " 1  |n #0=2 a=1 #2=3 |m #0=4"),
            ("|n:3 city:Rome :x u:http://a|b:c d", " 1  |n city^Rome=1 ^x=1 u^http://a|b:c=1 d=3"),
            ("|a x|b y||c z", " 1  |a x=1 |b y=1 | |c z=1"),
            ("|n a:6.27e-02\r", " 1  |n a=0.0627"),
            ("|n a\r", " 1  |n a=1"),
            ("|n \t ", " 1  |n"),
        ];
        for (line, expected) in lines {
            assert_eq!(written(&parse(line.as_bytes())), [expected], "{line}");
        }
    }

    #[test]
    fn what_would_be_learned_as_something_else_is_rejected_and_the_next_line_read() {
        let (syntax, none) = (Reason::Syntax, None);
        let lines = [
            ("no bar", syntax, none),
            ("1 2 0 4 |a x", syntax, none),
            ("1\t|a x", syntax, none),
            ("1 1 0.5 |a x", syntax, Some("initial")),
            ("1 x |a x", Reason::NotANumber, Some("weight")),
            ("1 NaN |a x", Reason::Weight, Some("weight")),
            ("1 inf |a x", Reason::Weight, Some("weight")),
            ("1 '\u{fffd} |a x", Reason::InvalidUtf8, Some("tag")),
            ("1 |a x:NaN", Reason::NotFinite, Some("x")),
            ("1 |a y x:-inf", Reason::NotFinite, Some("x")),
            ("1 |a x:1e39", Reason::OutOfRange, Some("x")),
            ("1 |a:1e30 x:1e30", Reason::OutOfRange, Some("x")),
            ("1 |a x:1y z", Reason::NotANumber, Some("x")),
            ("1 |a x:-", Reason::NotANumber, Some("x")),
            ("1 \u{c} |a x", Reason::NotANumber, Some("weight")),
            ("1 |a x:", syntax, none),
            ("1 |a x: y", syntax, none),
            ("1 |a x:1:2", syntax, none),
            ("1 |a x\ry", syntax, none),
            ("1 |:2 x", syntax, none),
            ("1 |a: x", syntax, none),
            ("1 |a:b x", Reason::NotANumber, Some("a")),
            ("1 |a:nan x", Reason::NotFinite, Some("a")),
            ("1 |a:1:2 x", syntax, none),
        ];
        for (line, reason, column) in lines {
            let line = line.replace('\u{fffd}', "\0").into_bytes();
            let line: Vec<_> = line.into_iter().map(|byte| if byte == 0 { 0xff } else { byte }).collect();
            let records = parse(&[b"0 |a x\n".as_slice(), &line, b"\n1 |a y\n"].concat());
            assert_eq!(written(&records), ["0 1  |a x=1", "1 1  |a y=1"], "{line:?}");
            let rejected = &records.rejected[0];
            assert_eq!((rejected.reason, rejected.column.as_deref()), (reason, column), "{line:?}");
            assert_eq!((rejected.number, rejected.offset, &rejected.raw), (1, 7, &line));
        }
    }

    #[test]
    fn blank_lines_are_passed_over() {
        assert_eq!(written(&parse(b"\n\r\n \t\n1 |a\r\n\n")), ["1 1  |a"]);
    }

    #[test]
    fn a_namespace_that_is_left_out_is_left_out_wherever_it_stands() {
        let records = parse_with(b"1 |a x |b y:2 |a:3 z |c v\n0 |b y\n1 |a x:nan\n", &["tag", "|a", "|c"]);
        assert_eq!(written(&records), ["1 1  |b y=2", "0 1  |b y=1"]);
        assert_eq!(records.rejected[0].reason, Reason::NotFinite);
    }

    proptest! {
        #[test]
        fn every_line_with_text_is_a_record_or_a_rejection(
            lines in prop::collection::vec("[01a:'. \t|-]{0,30}", 0..40), crlf: bool
        ) {
            let end = if crlf { "\r\n" } else { "\n" };
            let text: String = lines.iter().map(|line| format!("{line}{end}")).collect();
            let records = parse(text.as_bytes());
            let count = lines.iter().filter(|line| !line.trim().is_empty()).count();
            prop_assert_eq!(records.rows + records.rejected.len(), count);
            prop_assert_eq!(records.seen as usize, count);
        }

        #[test]
        fn what_is_written_is_read_back(
            rows in prop::collection::vec(
                (0..2u8, 0u32..9, "[a-z']{0,3}", prop::collection::vec(
                    ("[a-z#]{0,4}", prop::collection::vec(("[a-z0-9.^]{1,6}", -1e6f32..1e6), 0..6)), 0..5)
                ), 0..20)
        ) {
            let (mut text, mut expected) = (String::new(), Vec::new());
            for (label, weight, tag, spaces) in &rows {
                text += &format!("{label} {weight} '{tag} ");
                let mut line = format!("{label} {weight} {tag}");
                for (space, features) in spaces {
                    text += &format!("|{space}");
                    line += &format!(" |{space}");
                    for (name, value) in features.iter().filter(|(_, value)| *value != 0.0) {
                        text += &format!(" {name}:{value}");
                        line += &format!(" {name}={value}");
                    }
                }
                text += if spaces.is_empty() { "|\n" } else { "\n" };
                line += if spaces.is_empty() { " |" } else { "" };
                expected.push(line);
            }
            prop_assert_eq!(written(&parse(text.as_bytes())), expected);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(
            noise in prop::collection::vec(any::<u8>(), 0..300), text in "[01a:|' \t\r\n-]{0,300}"
        ) {
            for bytes in [&noise[..], text.as_bytes()] {
                let records = parse_with(bytes, &["|a"]);
                prop_assert_eq!(records.rows + records.rejected.len(), records.seen as usize);
                let heads = [records.label.len(), records.weight.len(), records.id.len(), records.record.len()];
                prop_assert_eq!(heads, [records.rows; 4]);
                prop_assert_eq!(records.sparse.name.len(), records.sparse.value.len());
                let spaces = records.sparse.record_end.last().map_or(0, |&end| end as usize);
                prop_assert_eq!(records.sparse.space.len(), spaces);
            }
        }
    }
}
