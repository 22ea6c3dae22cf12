//! libsvm's text of any bytes.

#![no_main]

mod ingest;

use ingest::{ingest, schema};
use libfuzzer_sys::fuzz_target;
use tidemill::schema::{Format, Hashing, Role};

fuzz_target!(|bytes: &[u8]| {
    let seen = ingest(&schema(Format::LibSvm, &[("label", Role::Label)], Hashing::Strings), bytes);
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| has_text(line)).count();
    assert_eq!(seen, lines, "every line with text is a record or a rejection");
});

/// Whether something stands before the comment: blanks alone, and a carriage return that ends the line, are nothing.
fn has_text(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.iter().take_while(|&&byte| byte != b'#').any(|byte| !matches!(byte, b' ' | b'\t'))
}
