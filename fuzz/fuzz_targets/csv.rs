//! CSV of any bytes, once as the fast reader may take it and once with a column that must be UTF-8.

#![no_main]

mod ingest;

use ingest::{ingest, schema};
use libfuzzer_sys::fuzz_target;
use tidemill::schema::{Format, Hashing, Role};

const MIXED: [(&str, Role); 6] = [
    ("y", Role::Label),
    ("a", Role::Numeric),
    ("b", Role::Numeric),
    ("c", Role::Categorical),
    ("w", Role::Weight),
    ("id", Role::Id),
];

fuzz_target!(|bytes: &[u8]| {
    for (columns, hashing) in [(&MIXED[..], Hashing::All), (&MIXED[..3], Hashing::All), (&MIXED[3..4], Hashing::Strings)] {
        let seen = ingest(&schema(Format::Csv, columns, hashing), bytes);
        if !bytes.contains(&b'"') {
            let is_blank = |line: &&[u8]| line.is_empty() || *line == b"\r";
            let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !is_blank(line)).count();
            assert_eq!(seen, lines, "every line that is not blank is a record or a rejection");
        }
    }
});
