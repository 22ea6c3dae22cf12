//! How fast one core turns text into numbers and spans: CSV by the fast reader and by the slow one, and JSON lines, all of
//! the same records; of libsvm's and Vowpal Wabbit's text, the parser alone and with the encoder behind it, which hashes
//! every name.
//!
//! Text is copied into the chunk before the clock starts, as the thread that reads has just done in a run.
//!
//! ```text
//! cargo bench --bench parse
//! TIDEMILL_BENCH_CSV=clicks.csv cargo bench --bench parse    # a file instead: header line, label first, CSV or TSV
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench prints its table, and stops at what it cannot measure"
)]

mod measure;
mod streams;

use std::time::Duration;

use measure::{Contest, Lap, print_machine, sized, timed};
use streams::{Stream, refill};
use tidemill::encoder::Encoder;
use tidemill::encoder::label::LabelRule;
use tidemill::examples::Examples;
use tidemill::parser::Parser;
use tidemill::record::{Chunk, Records};

/// Fields of each made-up stream, about.
const CELLS: usize = 10_000_000;
/// Columns of the Criteo-shaped stream.
const CRITEO: usize = 40;
/// Columns of the stream of log lines.
const LOG: usize = 21;

fn main() {
    print_machine("parse");
    match Stream::named() {
        Some(stream) => compare(&stream),
        None => {
            compare(&Stream::numeric(28, sized(CELLS / 28)));
            compare(&Stream::criteo(sized(CELLS / CRITEO)));
            compare(&Stream::logs(sized(CELLS / LOG)));
            compare(&Stream::numeric(1000, sized(CELLS / 1000)));
            hash(&Stream::libsvm(28, sized(CELLS / 28)));
            hash(&Stream::vw_numbers(28, sized(CELLS / 28)));
            hash(&Stream::vw_categories(sized(CELLS / CRITEO)));
        }
    }
}

fn compare(stream: &Stream) {
    let lines = stream.as_json_lines();
    let (chunks, line_chunks) = (stream.chunks(), lines.chunks());
    let mut contest = Contest::new(&stream.name);
    let contestants =
        [("fast", stream, &chunks, false), ("slow", stream, &chunks, true), ("JSON", &lines, &line_chunks, false)];
    for (what, stream, chunks, quoted) in contestants {
        let (mut parser, mut records) = (Parser::new(stream.schema.clone()), Records::default());
        let fields = stream.schema.columns.len() as u64;
        contest.add(what, move || parse_all(&mut parser, &mut records, chunks, quoted, fields));
    }
    let results = contest.run();
    results.ratio("fast", "slow", None);
    results.ratio("fast", "JSON", None);
}

/// The parser of a sparse format, and the encoder behind it.
fn hash(stream: &Stream) {
    let chunks = stream.chunks();
    let encoder = Encoder::new(&stream.schema, LabelRule::Inferred);
    let mut contest = Contest::new(&stream.name);
    for (what, encodes) in [("parser", false), ("parser and encoder", true)] {
        let mut parser = Parser::new(stream.schema.clone());
        let (mut records, mut examples) = (Records::default(), Examples::default());
        let (chunks, mut encoder) = (&chunks, encoder.clone());
        contest.add(what, move || {
            let mut lap = Lap::default();
            for source in chunks {
                let mut chunk = std::mem::take(&mut records.chunk);
                refill(&mut chunk, source);
                let (parsed, parsing) = timed(|| parser.parse(chunk, &mut records));
                parsed.expect("sparse formats have no header");
                assert!(records.rejected.is_empty(), "a record was rejected: {:?}", records.rejected[0]);
                lap.values += records.sparse.value.len() as u64;
                let encoding =
                    if encodes { timed(|| encoder.encode(&mut records, &mut examples)).1 } else { Duration::ZERO };
                lap.time += parsing + encoding;
                lap.records += records.rows as u64;
                lap.bytes += source.len as u64;
            }
            lap
        });
    }
    contest.run();
}

/// Parses every chunk; `quoted` says that a quote may be in it, which sends it to the slow reader.
fn parse_all(parser: &mut Parser, records: &mut Records, chunks: &[Chunk], quoted: bool, fields: u64) -> Lap {
    let mut lap = Lap::default();
    for source in chunks {
        let mut chunk = std::mem::take(&mut records.chunk);
        refill(&mut chunk, source);
        chunk.quoted |= quoted;
        let (parsed, time): (_, Duration) = timed(|| parser.parse(chunk, records));
        parsed.expect("the header is the schema's");
        lap.time += time;
        lap.records += records.rows as u64;
        lap.bytes += source.len as u64;
        assert!(records.rejected.is_empty(), "a record was rejected: {:?}", records.rejected[0]);
    }
    lap.values = lap.records * fields;
    lap
}
