//! What holds for any bytes in any format: they are parsed and encoded without a panic, every record or rejection is
//! counted once, and nothing of a rejected record is left among the examples.

use tidemill::encoder::Encoder;
use tidemill::encoder::label::LabelRule;
use tidemill::examples::Examples;
use tidemill::parser::Parser;
use tidemill::record::{Chunk, Records};
use tidemill::schema::{Column, Format, Hashing, Role, Schema};

/// A schema of columns with these names and roles.
pub fn schema(format: Format, columns: &[(&str, Role)], hashing: Hashing) -> Schema {
    let column = |&(name, role): &(&str, Role)| Column { name: name.into(), role, log: false };
    Schema { columns: columns.iter().map(column).collect(), format, hashing, ..Schema::default() }
}

/// Parses and encodes `bytes`; gives how many records and rejections there were.
pub fn ingest(schema: &Schema, bytes: &[u8]) -> usize {
    let (mut records, mut examples) = (Records::default(), Examples::default());
    Parser::new(schema.clone()).parse(Chunk::of(bytes), &mut records).expect("there is no header to be another");
    let (rows, rejected) = (records.rows, records.rejected.len());
    assert_eq!(rows + rejected, records.seen as usize);
    let stride = schema.stride();
    Encoder::new(schema, LabelRule::Inferred).encode(&mut records, &mut examples);
    assert_eq!(examples.rows + examples.rejected.len(), rows + rejected);
    check(&examples, stride);
    rows + rejected
}

/// Every array is as long as the others say, numbers are in order, and values are finite.
fn check(examples: &Examples, stride: usize) {
    let rows = examples.rows;
    assert_eq!(examples.row_start.len(), rows + 1);
    assert!(examples.row_start.is_sorted());
    assert_eq!(*examples.row_start.last().expect("there is a first") as usize, examples.hash.len());
    assert_eq!(examples.hash.len(), examples.value.len());
    assert!(examples.value.iter().all(|value| value.is_finite()));
    assert_eq!(examples.dense.len(), rows * stride);
    assert!(examples.dense.iter().all(|value| !value.is_infinite()));
    assert_eq!([examples.label.len(), examples.number.len()], [rows; 2]);
    assert!(examples.weight.is_empty() || examples.weight.len() == rows);
    assert!(examples.weight.iter().all(|weight| *weight >= 0.0 && weight.is_finite()));
    assert!(examples.id_end.is_empty() || examples.id_end.len() == rows);
    let mut numbers: Vec<_> = examples.number.clone();
    numbers.extend(examples.rejected.iter().map(|rejected| rejected.number));
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..examples.seen), "every record is one example or one rejection");
}
