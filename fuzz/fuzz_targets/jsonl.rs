//! Any bytes as JSON lines: no panic, every line with text is a record or a rejection, and a line that serde_json takes
//! for an object is never called no JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tidemill::parser::Parser;
use tidemill::parser::look::Look;
use tidemill::record::{Chunk, Reason, Records};
use tidemill::schema::{Column, Format, Role, Schema};

fuzz_target!(|bytes: &[u8]| {
    let chunk = Chunk::of(bytes);
    let look = Look::at(&chunk, Format::JsonL, None);
    assert_eq!(look.names.len(), look.roles.len());

    let mut records = Records::default();
    let parsed = Parser::new(schema()).parse(chunk, &mut records);
    assert!(parsed.is_ok(), "bad lines are data");
    let lines: Vec<_> = bytes.split(|&byte| byte == b'\n').filter(|line| has_text(line)).collect();
    assert_eq!(records.rows + records.rejected.len(), lines.len());
    assert_eq!(records.seen as usize, lines.len());
    for rejected in &records.rejected {
        let line = lines[rejected.number as usize];
        let is_object = serde_json::from_slice::<Map<String, Value>>(line).is_ok();
        assert!(!(is_object && rejected.reason == Reason::Syntax), "{line:?}");
    }
    for &number in &records.number {
        let object = serde_json::from_slice::<Map<String, Value>>(lines[number as usize]);
        let is_object = object.map_or_else(|error| error.to_string().starts_with("number out of range"), |_| true);
        assert!(is_object, "{:?}", lines[number as usize]);
    }
});

fn has_text(line: &[u8]) -> bool {
    line.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b'\r'))
}

fn schema() -> Schema {
    let column = |(name, role): (&str, Role)| Column { name: name.into(), role, log: false };
    let columns = [
        ("y", Role::Label),
        ("a", Role::Numeric),
        ("b", Role::Categorical),
        ("a.a", Role::Numeric),
        ("a.b", Role::Categorical),
        ("i", Role::Id),
        ("w", Role::Weight),
        ("c", Role::Ignored),
    ];
    Schema { columns: columns.map(column).into(), format: Format::JsonL, ..Schema::default() }
}
