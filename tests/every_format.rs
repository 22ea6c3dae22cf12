//! One table in every format, plain and compressed: the same weights to the bit, the same predictions to the byte.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use flate2::{Compression, write::GzEncoder};
use parquet::arrow::ArrowWriter;
use program::Folder;

/// A record: six numbers, some of them 0, a city, a weight, a name for the record, a label.
struct Row {
    label: i64,
    weight: f64,
    tag: String,
    city: &'static str,
    numbers: [f64; 6],
}

fn table() -> Vec<Row> {
    let cities = ["Zürich", "LAX", "007", "a-b", ""];
    let row = |at: u64| {
        let dice = |of: u64| (at * 7919 + of * 104_729 + at * at * 31) % 1009;
        let number = |of: usize| if dice(of as u64) % 3 == 0 { 0.0 } else { dice(of as u64 + 9) as f64 / 64.0 - 7.5 };
        let numbers: [f64; 6] = std::array::from_fn(number);
        let score = numbers[0] - numbers[3] + if dice(3) % 5 == 1 { 4.0 } else { 0.0 };
        Row {
            label: if score + dice(5) as f64 / 200.0 > 2.0 { 1 } else { -1 },
            weight: 0.5 + (dice(6) % 4) as f64 / 2.0,
            tag: format!("r{at}"),
            city: cities[dice(3) as usize % 5],
            numbers,
        }
    };
    (0..9000).map(row).collect()
}

/// The job: every number hashed by the name of its column in the namespace `n`, digits as they are.
fn job(features: &str, source: &str) -> String {
    format!(
        "[source]\nhash = 'strings'\n{source}\n{features}\
         [learner]\nhash-bits = 12\nlearning-rate = 0.5\ndevice = 'cpu'\n"
    )
}

fn batch(rows: &[Row], whole: bool) -> RecordBatch {
    let number =
        |of: usize| -> ArrayRef { Arc::new(rows.iter().map(|row| Some(row.numbers[of])).collect::<Float64Array>()) };
    let names = ["1", "2", "3", "4", "5", "6"];
    let mut columns: Vec<(&str, ArrayRef)> =
        vec![("label", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.label))))];
    if whole {
        columns.push(("weight", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.weight)))));
        columns.push(("tag", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.tag)))));
        let city = rows.iter().map(|row| Some(row.city).filter(|city| !city.is_empty()));
        columns.push(("city", Arc::new(city.collect::<StringArray>())));
    }
    columns.extend(names.into_iter().enumerate().map(|(at, name)| (name, number(at))));
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn arrow(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = arrow::ipc::writer::FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

/// The table in the formats that have columns.
fn in_columns(rows: &[Row], whole: bool) -> Vec<(&'static str, Vec<u8>)> {
    let (mut csv, mut json) = (String::from("label,"), String::new());
    csv.push_str(if whole { "weight,tag,city,1,2,3,4,5,6\n" } else { "1,2,3,4,5,6\n" });
    for Row { label, weight, tag, city, numbers } in rows {
        let numbers = numbers.map(|number| number.to_string());
        let head = if whole { format!("{weight},{tag},{city},") } else { String::new() };
        writeln!(csv, "{label},{head}{}", numbers.join(",")).unwrap();
        let pairs: Vec<_> =
            numbers.iter().enumerate().map(|(at, number)| format!("\"{}\": {number}", at + 1)).collect();
        let head =
            if whole { format!("\"weight\":{weight},\"tag\":\"{tag}\",\"city\":\"{city}\",") } else { String::new() };
        writeln!(json, "{{\"label\":{label},{head}{}}}", pairs.join(", ")).unwrap();
    }
    let batch = batch(rows, whole);
    let tsv = csv.replace(',', "\t");
    vec![
        ("t.csv", csv.into_bytes()),
        ("t.tsv", tsv.into_bytes()),
        ("t.jsonl", json.into_bytes()),
        ("t.parquet", parquet(&batch)),
        ("t.arrow", arrow(&batch)),
    ]
}

fn libsvm(rows: &[Row]) -> Vec<u8> {
    let pairs = |row: &Row| -> String {
        let there = row.numbers.iter().enumerate().filter(|(_, number)| **number != 0.0);
        there.map(|(at, number)| format!(" {}:{number}", at + 1)).collect()
    };
    rows.iter().map(|row| format!("{:+}{}\n", row.label, pairs(row))).collect::<String>().into_bytes()
}

fn vw(rows: &[Row], whole: bool) -> Vec<u8> {
    let line = |row: &Row| {
        let there = row.numbers.iter().enumerate().filter(|(_, number)| **number != 0.0);
        let pairs: String = there.map(|(at, number)| format!(" {}:{number}", at + 1)).collect();
        match (whole, row.city) {
            (false, _) => format!("{} |{pairs}\n", row.label),
            (true, "") => format!("{} {} '{}|n{pairs}\n", row.label, row.weight, row.tag),
            (true, city) => format!("{} {} '{}|city {city} |n{pairs}\n", row.label, row.weight, row.tag),
        }
    };
    rows.iter().map(line).collect::<String>().into_bytes()
}

/// Each input as it is, as gzip and as zstd.
fn compressed(inputs: Vec<(&'static str, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, bytes) in inputs {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&bytes).unwrap();
        all.push((format!("{name}.gz"), gzip.finish().unwrap()));
        all.push((format!("{name}.zst"), zstd::encode_all(&bytes[..], 1).unwrap()));
        all.push((name.to_owned(), bytes));
    }
    all
}

/// What a model file holds behind its description, which names the format.
fn weights(folder: &Folder, name: &str) -> Vec<u8> {
    let bytes = folder.bytes(name);
    let description = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    bytes[8 + description..].to_vec()
}

/// Every input by its job leaves the first one's weights and predictions.
fn assert_all_alike(folder: &Folder, inputs: &[(String, Vec<u8>)]) {
    let mut first = None;
    for (name, bytes) in inputs {
        folder.file(name, bytes);
        let is_sparse = name.contains("svm") || name.contains(".vw");
        let job = if is_sparse { "sparse.toml" } else { "columns.toml" };
        folder.run(&format!("train {job} {name} --model m.model --predictions p.csv")).fine();
        let left = (weights(folder, "m.model"), folder.text("p.csv"));
        assert!(left.1.lines().count() == 9001, "{name}");
        let expected = first.get_or_insert_with(|| left.clone());
        assert!(left.0 == expected.0, "{name}: other weights than {}", inputs[0].0);
        assert!(left.1 == expected.1, "{name}: other predictions than {}", inputs[0].0);
    }
}

#[test]
fn numbers_teach_the_same_in_all_formats() {
    let (folder, rows) = (Folder::new(), table());
    let hashed = "[[feature]]\nkind = 'hash'\ncolumns = ['1', '2', '3', '4', '5', '6']\nnamespace = ''\n";
    folder.file("columns.toml", job(hashed, "label = 'label'"));
    folder.file("sparse.toml", job("", ""));
    let mut inputs = in_columns(&rows, false);
    inputs.extend([("t.libsvm", libsvm(&rows)), ("t.vw", vw(&rows, false))]);
    assert_all_alike(&folder, &compressed(inputs));
}

#[test]
fn categories_weights_and_crosses_teach_the_same_in_all_formats_that_have_them() {
    let (folder, rows) = (Folder::new(), table());
    let cross = "[[feature]]\nkind = 'cross'\nof = [['city', 'n'], ['n', 'n']]\n";
    let hashed =
        format!("[[feature]]\nkind = 'hash'\ncolumns = ['1', '2', '3', '4', '5', '6']\nnamespace = 'n'\n{cross}");
    folder.file("columns.toml", job(&hashed, "label = 'label'\nweight = 'weight'\nid = 'tag'\ncategorical = ['city']"));
    folder.file("sparse.toml", job(cross, "id = 'tag'"));
    let mut inputs = in_columns(&rows, true);
    inputs.push(("t.vw", vw(&rows, true)));
    assert_all_alike(&folder, &compressed(inputs));
}
