//! JSON lines of any bytes, with columns within each other and one that has the name of an object.

#![no_main]

mod ingest;

use ingest::{ingest, schema};
use libfuzzer_sys::fuzz_target;
use tidemill::parser::look::Look;
use tidemill::record::Chunk;
use tidemill::schema::{Format, Hashing, Role};

const COLUMNS: [(&str, Role); 8] = [
    ("y", Role::Label),
    ("a", Role::Numeric),
    ("b", Role::Categorical),
    ("a.a", Role::Numeric),
    ("a.b", Role::Categorical),
    ("i", Role::Id),
    ("w", Role::Weight),
    ("c", Role::Ignored),
];

fuzz_target!(|bytes: &[u8]| {
    let seen = ingest(&schema(Format::JsonL, &COLUMNS, Hashing::All), bytes);
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| has_text(line)).count();
    assert_eq!(seen, lines, "every line with text is a record or a rejection");
    let look = Look::at(&Chunk::of(bytes), Format::JsonL, None);
    assert_eq!(look.names.len(), look.roles.len());
});

/// Whether something stands in the line beside blanks.
fn has_text(line: &[u8]) -> bool {
    line.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b'\r'))
}
