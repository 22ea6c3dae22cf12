//! How fast one core turns CSV text into numbers.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement for people, by hand")]

use std::time::Instant;
use tidemill::parser::{Parser, csv};
use tidemill::record::Records;
use tidemill::schema::{Column, Role, Schema};

fn main() {
    let path = std::env::var("TIDEMILL_BENCH_CSV").unwrap();
    let text = std::fs::read(path).unwrap();
    let text = &text[..text.len().min(200_000_000)];
    let delimiter = if text[..200].contains(&b'\t') { b'\t' } else { b',' };
    let (names, start) = csv::header(text, delimiter);
    let tsv = delimiter == b'\t';
    let columns = names
        .iter()
        .enumerate()
        .map(|(i, n)| Column {
            name: n.clone(),
            role: if i == 0 {
                Role::Label
            } else if tsv && i > 13 {
                Role::Categorical
            } else {
                Role::Numeric
            },
            log: false,
        })
        .collect();
    let mut parser = Parser::new(Schema { columns, delimiter, header: false });
    let mut records = Records::default();
    for _ in 0..3 {
        let mut at = if tsv { 0 } else { start };
        let (t, mut rows) = (Instant::now(), 0);
        let mut spent = 0.0;
        while at < text.len() {
            let want = (at + 262144).min(text.len());
            let end = at + memchr::memrchr(b'\n', &text[at..want]).unwrap() + 1;
            let mut chunk = std::mem::take(&mut records.chunk);
            chunk.bytes.clear();
            chunk.bytes.extend_from_slice(&text[at..end]);
            chunk.bytes.resize(end - at + 64, 0);
            chunk.len = end - at;
            let t1 = Instant::now();
            parser.parse(chunk, &mut records).unwrap();
            spent += t1.elapsed().as_secs_f64();
            rows += records.rows;
            at = end;
            if want == text.len() {
                break;
            }
        }
        println!(
            "{:.2} M records/s, {:.3} GB/s (with copy {:.3})",
            rows as f64 / spent / 1e6,
            at as f64 / spent / 1e9,
            at as f64 / t.elapsed().as_secs_f64() / 1e9
        );
    }
}
