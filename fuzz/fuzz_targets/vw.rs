//! Vowpal Wabbit's text of any bytes.

#![no_main]

mod ingest;

use ingest::{ingest, schema};
use libfuzzer_sys::fuzz_target;
use tidemill::schema::{Format, Hashing, Role};

const COLUMNS: [(&str, Role); 4] =
    [("label", Role::Label), ("weight", Role::Weight), ("tag", Role::Id), ("|a", Role::Ignored)];

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !is_blank(line)).count();
    for (columns, hashing) in [(&COLUMNS[..], Hashing::Strings), (&COLUMNS[..1], Hashing::All)] {
        let seen = ingest(&schema(Format::Vw, columns, hashing), bytes);
        assert_eq!(seen, lines, "every line with text is a record or a rejection");
    }
});

fn is_blank(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.iter().all(|byte| matches!(byte, b' ' | b'\t'))
}
