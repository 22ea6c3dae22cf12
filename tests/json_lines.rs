//! JSON lines: the same values as serde_json and as CSV, whatever the lines are; and runs that read them.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod outcome;
mod program;

use std::io::Write;

use outcome::{assert_same, outputs};
use program::{Folder, map_records, stream};
use proptest::prelude::*;
use serde_json::Value;
use tidemill::parser::Parser;
use tidemill::parser::number::number;
use tidemill::record::{Chunk, Reason, Records, Span};
use tidemill::schema::{Column, Format, Role, Schema};
use tidemill::source::synthetic::Generator;

fn schema(format: Format, columns: &[(&str, Role)]) -> Schema {
    let column = |&(name, role): &(&str, Role)| Column { name: name.into(), role, log: false };
    Schema { columns: columns.iter().map(column).collect(), format, ..Schema::default() }
}

const COLUMNS: [(&str, Role); 8] = [
    ("y", Role::Label),
    ("a", Role::Numeric),
    ("b", Role::Categorical),
    ("o.a", Role::Numeric),
    ("o.b", Role::Categorical),
    ("o.o.a", Role::Categorical),
    ("w", Role::Weight),
    ("skip", Role::Ignored),
];

/// What a parser gives, with spans replaced by what they stand for.
#[derive(Debug, PartialEq)]
struct Seen {
    numeric: Vec<u32>,
    weight: Vec<u32>,
    label: Vec<Vec<u8>>,
    text: Vec<Vec<u8>>,
    number: Vec<u32>,
    rejected: Vec<(u32, Option<String>, Reason)>,
}

fn seen(parser: &mut Parser, text: &[u8]) -> Seen {
    let mut records = Records::default();
    parser.parse(Chunk::of(text), &mut records).unwrap();
    assert_eq!(records.seen as usize, records.rows + records.rejected.len());
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
    let texts = |spans: &[Span]| spans.iter().map(|span| span.of(&records.chunk.bytes).to_vec()).collect();
    Seen {
        numeric: bits(&records.numeric),
        weight: bits(&records.weight),
        label: texts(&records.label),
        text: texts(&records.text),
        number: records.number.clone(),
        rejected: records.rejected.iter().map(|r| (r.number, r.column.clone(), r.reason)).collect(),
    }
}

/// A value as text: `None` for one that is missing.
fn as_text(value: Option<&Value>) -> Result<String, Reason> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Object(_) | Value::Array(_)) => Err(Reason::NotAValue),
        Some(other) => Ok(other.to_string()),
    }
}

fn as_number(value: Option<&Value>) -> Result<f32, Reason> {
    match value {
        Some(Value::Bool(_)) => Err(Reason::NotANumber),
        other => number(as_text(other)?.as_bytes()),
    }
}

/// One line by way of serde_json: bits of the numbers and the texts, or every reason for which it may be rejected.
fn expected(line: &str) -> Result<(Vec<u32>, Vec<String>), Vec<Reason>> {
    let value: Value = serde_json::from_str(line).map_err(|_| vec![Reason::Syntax])?;
    if !value.is_object() {
        return Err(vec![Reason::Syntax]);
    }
    let at = |path: &str| value.pointer(&format!("/{}", path.replace('.', "/")));
    let numbers = ["a", "o.a", "w"].map(|path| as_number(at(path)));
    let texts = ["y", "b", "o.b", "o.o.a"].map(|path| as_text(at(path)));
    let faults = numbers.iter().filter_map(|n| n.err()).chain(texts.iter().filter_map(|t| t.clone().err()));
    let faults: Vec<_> = faults.collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok((numbers.into_iter().flatten().map(f32::to_bits).collect(), texts.into_iter().flatten().collect()))
}

fn assert_as_serde_json(parser: &mut Parser, line: &str) {
    let found = seen(parser, line.as_bytes());
    match expected(line) {
        Ok((numbers, texts)) => {
            assert_eq!((found.rejected.len(), found.number.len()), (0, 1), "{line}: {:?}", found.rejected);
            assert_eq!([found.numeric[0], found.numeric[1], found.weight[0]], *numbers, "{line}");
            let own = found.label.iter().chain(&found.text).map(|text| String::from_utf8(text.clone()).unwrap());
            for (own, text) in own.zip(texts) {
                // serde_json writes a number in its own way.
                let numbers = [&own, &text].map(|text| text.parse::<f64>().ok());
                assert!(own == text || numbers[0].is_some() && numbers[0] == numbers[1], "{line}: {own} and {text}");
            }
        }
        Err(reasons) => {
            assert_eq!(found.rejected.len(), 1, "{line}");
            assert!(reasons.contains(&found.rejected[0].2), "{line}: {:?} is none of {reasons:?}", found.rejected);
        }
    }
}

/// JSON as it may be written: blanks, keys that come again, all kinds of values.
fn object() -> impl Strategy<Value = String> {
    let number = prop_oneof!["-?(0|[1-9][0-9]{0,3})", "-?[1-9][0-9]{0,4}\\.[0-9]{1,8}"];
    let text = "\"([a-z é€😀]|[0-9.]|\\\\n|\\\\\"|\\\\u00e9|\\\\ud83d\\\\ude00){0,4}\"";
    let word = prop_oneof![Just("null".to_owned()), Just("true".to_owned()), Just("false".to_owned())];
    let leaf = prop_oneof![4 => number, 4 => text, 1 => word];
    let key =
        prop_oneof![Just("a"), Just("b"), Just("o"), Just("y"), Just("w"), Just("skip"), Just("\\u0062"), Just("x")];
    let blank = prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\t ")];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        let member = (key.clone(), blank.clone(), inner.clone());
        let object = prop::collection::vec(member, 0..8).prop_map(|members| {
            let members: Vec<_> = members.iter().map(|(k, blank, v)| format!("{blank}\"{k}\"{blank}:{blank}{v}{blank}")).collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![4 => object, 1 => prop::collection::vec(inner, 0..3).prop_map(|list| format!("[{}]", list.join(", ")))]
    })
}

fn parser() -> Parser {
    Parser::new(schema(Format::JsonL, &COLUMNS))
}

proptest! {
    #[test]
    fn values_are_those_of_serde_json(lines in prop::collection::vec(object(), 1..6)) {
        let mut parser = parser();
        for line in &lines {
            assert_as_serde_json(&mut parser, line);
        }
    }

    #[test]
    fn a_damaged_line_is_judged_as_serde_json_judges_it(line in object(), at in any::<prop::sample::Index>(), by in "[{}\\[\\]:,\"\\\\0-9a-z. -]{0,2}") {
        let mut damaged: Vec<char> = line.chars().collect();
        let at = at.index(damaged.len());
        damaged.splice(at..=at, by.chars());
        let damaged: String = damaged.into_iter().collect();
        prop_assume!(!damaged.trim().is_empty());
        // A number beyond 64 bits is JSON all the same.
        let error = serde_json::from_str::<Value>(&damaged).err().map(|error| error.to_string());
        prop_assume!(!error.is_some_and(|error| error.starts_with("number out of range")));
        assert_as_serde_json(&mut parser(), &damaged);
    }

    #[test]
    fn what_came_before_changes_no_record(lines in prop::collection::vec(object(), 1..12)) {
        let mut warm = parser();
        for line in &lines {
            prop_assert_eq!(seen(&mut warm, line.as_bytes()), seen(&mut parser(), line.as_bytes()));
        }
        let together = seen(&mut warm, lines.join("\n").as_bytes());
        let alone: Vec<_> = lines.iter().map(|line| seen(&mut parser(), line.as_bytes())).collect();
        let numeric: Vec<_> = alone.iter().flat_map(|seen| seen.numeric.clone()).collect();
        let text: Vec<_> = alone.iter().flat_map(|seen| seen.text.clone()).collect();
        prop_assert_eq!((together.numeric, together.text), (numeric, text));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        seen(&mut parser(), &bytes);
    }

    #[test]
    fn every_line_with_text_is_a_record_or_a_rejection(lines in prop::collection::vec("[{}\"a:,1\\[\\]\\\\ é]{0,30}", 0..40), crlf: bool) {
        let text: String = lines.iter().map(|line| format!("{line}{}", if crlf { "\r\n" } else { "\n" })).collect();
        let seen = seen(&mut parser(), text.as_bytes());
        let with_text = lines.iter().filter(|line| !line.trim().is_empty()).count();
        prop_assert_eq!(seen.number.len() + seen.rejected.len(), with_text);
    }

    #[test]
    fn the_same_table_gives_the_same_bits_as_csv(
        rows in prop::collection::vec((
            prop_oneof!["-?(0|[1-9][0-9]{0,9})(\\.[0-9]{1,12})?([eE][-+]?[0-9]{1,2})?", Just(String::new())],
            "[a-z0-9 ,\"é€😀.]{0,12}", any::<bool>(), any::<bool>(),
        ), 1..20)
    ) {
        let (mut csv, mut json) = (String::new(), String::new());
        for (number, text, as_text, label) in &rows {
            csv += &format!("{number},\"{}\",{}\n", text.replace('"', "\"\""), u8::from(*label));
            let value = if *as_text || number.is_empty() { format!("\"{number}\"") } else { number.clone() };
            let text = serde_json::to_string(text).unwrap();
            json += &format!("{{\"n\":{value},\"label\":{},\"o\":{{\"t\":{text}}}}}\n", u8::from(*label));
        }
        let columns = [("n", Role::Numeric), ("o.t", Role::Categorical), ("label", Role::Label)];
        let [csv, json] = [(Format::Csv, csv), (Format::JsonL, json)]
            .map(|(format, text)| seen(&mut Parser::new(schema(format, &columns)), text.as_bytes()));
        prop_assert_eq!((csv.numeric, csv.text, csv.label, csv.number), (json.numeric, json.text, json.label, json.number));
        prop_assert_eq!(csv.rejected, json.rejected);
    }
}

/// A table of plain fields as JSON lines; columns in `texts` as text, empty fields left out.
fn json_lines(csv: &str, texts: &[&str]) -> String {
    let names: Vec<_> = csv.lines().next().unwrap().split(',').collect();
    let line = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        let members = names.iter().zip(fields).filter(|(_, field)| !field.is_empty());
        let members: Vec<_> = members
            .map(|(name, field)| match texts.contains(name) {
                true => format!("\"{name}\": {}", Value::from(field)),
                false => format!("\"{name}\": {field}"),
            })
            .collect();
        format!("{{{}}}\n", members.join(", "))
    };
    csv.lines().skip(1).map(line).collect()
}

const TEXTS: [&str; 8] = ["time", "user", "ad", "site", "device", "number", "hour", "position"];
const ROLES: &str = "--label click --id number --categorical hour --device cpu --hash-bits 14 --update batch";

/// Clicks with numbers, as a table and as JSON lines.
fn with_clicks(records: u64) -> Folder {
    let folder = Folder::new();
    let clicks = map_records(&stream(Generator::Clicks, records), |at, fields| match at % 70 {
        9 => format!("{},,{},n{at}", fields[..7].join(","), fields[8]),
        _ => format!("{},n{at}", fields.join(",")),
    });
    let csv = clicks.replacen("click\n", "click,number\n", 1);
    folder.file("in.csv", &csv);
    folder.file("in.jsonl", json_lines(&csv, &TEXTS));
    folder
}

#[test]
fn a_model_of_one_format_predicts_the_other() {
    let folder = with_clicks(3000);
    for format in ["csv", "jsonl"] {
        folder.run(&format!("train in.{format} {ROLES} --model {format}.model --quiet")).fine();
    }
    for model in ["csv", "jsonl"] {
        let [csv, json] = ["csv", "jsonl"]
            .map(|input| folder.run(&format!("predict --model {model}.model in.{input} --quiet")).fine().stdout);
        assert!(csv == json && csv.len() > 50_000, "{model}");
    }
    let predictions = ["csv", "jsonl"].map(|model| {
        let ended = folder.run(&format!("predict --model {model}.model in.csv --quiet")).fine();
        program::numbers(ended.out(), "logit")
    });
    predictions[0].iter().zip(&predictions[1]).for_each(|(a, b)| assert!((a - b).abs() < 1e-4, "{a} and {b}"));
}

#[test]
fn a_model_goes_on_with_the_other_format() {
    let folder = with_clicks(2000);
    folder.run(&format!("train in.csv {ROLES} --model m --quiet")).fine();
    let on = "--label click --id number --device cpu --warm-start m --quiet";
    for format in ["csv", "jsonl"] {
        folder.run(&format!("train in.{format} {on} --model {format}.model")).fine();
    }
    let [csv, json] = ["csv", "jsonl"]
        .map(|model| folder.run(&format!("predict --model {model}.model in.csv --quiet")).fine().stdout);
    assert!(csv == json);
}

#[test]
fn a_pipe_whose_first_records_lack_keys_is_predicted() {
    let folder = with_clicks(1000);
    folder.run(&format!("train in.jsonl {ROLES} --model m --quiet")).fine();
    let ended =
        folder.run_with("predict --model m - --quiet", b"{\"price\":2}\n{}\n{\"user\":\"u1\",\"new\":[1]}\n").fine();
    assert_eq!(ended.out().lines().count(), 4);
    folder.run_with("predict --model m - --quiet", b"{\"cost\":2}\n").refused(&["lacks", "price"]);
}

#[test]
fn compressed_files_and_pipes_are_read() {
    let folder = with_clicks(2000);
    let text = folder.bytes("in.jsonl");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&text).unwrap();
    folder.file("in.ndjson.gz", packed.finish().unwrap());
    folder.file("in.json.zst", zstd::encode_all(&*text, 0).unwrap());
    folder.run(&format!("train in.jsonl {ROLES} {}", outputs("whole"))).fine();
    for input in ["in.ndjson.gz", "in.json.zst"] {
        folder.run(&format!("train {input} {ROLES} {}", outputs("again"))).fine();
        assert_same(&folder, "whole", "again");
    }
    folder.run_with(&format!("train - --format jsonl {ROLES} {}", outputs("again")), &text).fine();
    assert!(folder.bytes("whole.csv") == folder.bytes("again.csv"));
}

#[test]
fn a_run_over_json_lines_goes_on() {
    let folder = with_clicks(20_000);
    let text = folder.text("in.jsonl");
    folder.run(&format!("train in.jsonl {ROLES} {}", outputs("whole"))).fine();
    let half: String = text.split_inclusive('\n').take(11_111).collect();
    folder.file("log.jsonl", half);
    let line = format!("train log.jsonl {ROLES} --checkpoint kept --resume --checkpoint-every 1 {}", outputs("grown"));
    folder.run(&line).fine();
    folder.file("log.jsonl", &text);
    let ended = folder.run(&line).fine();
    assert!(ended.stderr.contains("resumed behind record"), "{}", ended.stderr);
    assert!(folder.bytes("whole.model") == folder.bytes("grown.model"));
    assert!(folder.bytes("whole.csv") == folder.bytes("grown.csv"));
}

#[test]
fn lines_that_are_no_json_are_counted_and_an_input_without_any_is_refused() {
    let folder = with_clicks(1000);
    let text = folder.text("in.jsonl").replacen("{", "[", 3);
    folder.file("bad.jsonl", text);
    folder.run(&format!("train bad.jsonl {ROLES} --summary s.json --rejected r.jsonl --quiet")).fine();
    assert_eq!(folder.json("s.json")["rejected"], 3);
    assert!(folder.text("r.jsonl").lines().all(|line| line.contains("\"syntax\"")));
    folder.run(&format!("train in.csv --format jsonl {ROLES}")).refused(&["in.csv", "JSON lines", "--format"]);
    folder.run("train --generate clicks --format jsonl").refused(&["--format", "generated stream"]);
}
