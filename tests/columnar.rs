//! Parquet and Arrow: the same table gives the same records, whichever format it is written in.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use program::{Folder, column};
use proptest::prelude::*;
use tidemill::config::{Options, Plan};
use tidemill::error::ErrorKind;
use tidemill::parser::Parser;
use tidemill::pipeline::{Stop, run};
use tidemill::record::{Chunk, Part, Records, Span};
use tidemill::schema::{Column, Format, Role, Schema};

/// A record of a made-up table; what is not there is missing.
#[derive(Debug, Clone, Default)]
struct Row {
    label: Option<i32>,
    amount: Option<f64>,
    count: Option<i64>,
    share: Option<f32>,
    word: Option<String>,
    code: Option<i64>,
    flag: Option<bool>,
    weight: Option<f32>,
    id: i64,
}

const NAMES: [&str; 9] = ["label", "amount", "count", "share", "word", "code", "flag", "weight", "id"];

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn shown<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map(T::to_string).unwrap_or_default()
}

fn csv(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let word = row.word.as_deref().map(quoted).unwrap_or_default();
        let Row { label, amount, count, share, code, flag, weight, id, .. } = row;
        let numbers = [shown(label), shown(amount), shown(count), shown(share)].join(",");
        format!("{numbers},{word},{},{},{},{id}\n", shown(code), shown(flag), shown(weight))
    };
    rows.iter().map(line).collect()
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: [ArrayRef; 9] = [
        Arc::new(rows.iter().map(|row| row.label).collect::<Int32Array>()),
        Arc::new(rows.iter().map(|row| row.amount).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.count).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.share).collect::<Float32Array>()),
        Arc::new(rows.iter().map(|row| row.word.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.code).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| row.weight).collect::<Float32Array>()),
        Arc::new(rows.iter().map(|row| Some(row.id)).collect::<Int64Array>()),
    ];
    RecordBatch::try_from_iter_with_nullable(NAMES.into_iter().zip(columns).map(|(name, column)| (name, column, true)))
        .unwrap()
}

/// Numbers without a pattern, the same each time.
fn mixed(at: u64, of: u64) -> u64 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ of.wrapping_mul(0xbf58_476d_1ce4_e5b9))
        .wrapping_mul(0x94d0_49bb_1331_11eb)
        >> 33
}

fn table(rows: u64) -> Vec<Row> {
    let words = ["red", "b,lue", "gr\"een", "\u{e9}t\u{e9} \u{1f642}", "", "two\nlines"];
    let row = |at: u64| {
        let there = |of: u64| !mixed(at, of).is_multiple_of(11);
        let amount = mixed(at, 1) as f64 / 1e7 - 50.0;
        Row {
            label: there(20).then_some(i32::from(amount + mixed(at, 2) as f64 / 1e8 > 60.0)),
            amount: there(3).then_some(if at % 997 == 5 { f64::INFINITY } else { amount }),
            count: there(4).then_some((mixed(at, 5) as i64 - 1_000_000) * 9_007_199),
            share: there(6).then_some(mixed(at, 7) as f32 / 3.3e8),
            word: there(8).then(|| words[mixed(at, 9) as usize % words.len()].to_owned()),
            code: there(10).then_some(mixed(at, 11) as i64 % 50 - 25),
            flag: there(12).then_some(mixed(at, 13).is_multiple_of(3)),
            weight: there(14).then_some((1 + mixed(at, 15) % 3) as f32 / 2.0),
            id: at as i64,
        }
    };
    (0..rows).map(row).collect()
}

fn parquet(folder: &Folder, name: &str, batch: &RecordBatch, group: usize, compression: Compression) {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_data_page_row_count_limit(1500)
        .set_max_row_group_row_count(Some(group));
    let file = File::create(folder.path(name)).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn arrow_file(folder: &Folder, name: &str, batch: &RecordBatch, rows: usize, compression: Option<CompressionType>) {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let file = File::create(folder.path(name)).unwrap();
    let mut writer = FileWriter::try_new_with_options(file, &batch.schema(), options).unwrap();
    for first in (0..batch.num_rows()).step_by(rows) {
        writer.write(&batch.slice(first, rows.min(batch.num_rows() - first))).unwrap();
    }
    writer.finish().unwrap();
}

fn arrow_stream(batch: &RecordBatch, rows: usize) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    for first in (0..batch.num_rows()).step_by(rows) {
        writer.write(&batch.slice(first, rows.min(batch.num_rows() - first))).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// The table with its text as codes of a dictionary, its columns in another order, and one that nobody asks for.
fn otherwise(batch: &RecordBatch) -> RecordBatch {
    let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8));
    let unused: ArrayRef = Arc::new(Int32Array::from(vec![1; batch.num_rows()]));
    let column = |at: usize| {
        let column = batch.column(at);
        if NAMES[at] == "word" { cast(column, &kind).unwrap() } else { column.clone() }
    };
    let columns = (0..9).map(|at| (NAMES[at], column(at), true));
    RecordBatch::try_from_iter_with_nullable(columns.chain([("unused", unused, true)])).unwrap()
}

const ROLES: &str = "--label label --weight weight --id id --categorical code,word,flag --device cpu --hash-bits 12 \
                     --max-rejected 5%";

/// What a model file holds behind its description, which names the format.
fn weights(folder: &Folder, name: &str) -> Vec<u8> {
    let bytes = folder.bytes(name);
    let description = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    bytes[8 + description..].to_vec()
}

/// A folder with the table as CSV and what comes of it.
fn with_csv(rows: u64) -> (Folder, RecordBatch) {
    let folder = Folder::new();
    let rows = table(rows);
    folder.file("t.csv", format!("{}\n{}", NAMES.join(","), csv(&rows)));
    folder.run(&format!("train t.csv {ROLES} --model csv.model --predictions csv.csv --rejected csv.jsonl")).fine();
    (folder, batch(&rows))
}

#[test]
fn the_same_table_gives_the_same_bits_in_every_format() {
    let (folder, batch) = with_csv(30_000);
    parquet(&folder, "a.parquet", &batch, 1 << 20, Compression::SNAPPY);
    parquet(&folder, "b.parquet", &otherwise(&batch), 7000, Compression::ZSTD(ZstdLevel::default()));
    arrow_file(&folder, "c.arrow", &batch, 30_000, None);
    arrow_file(&folder, "d.feather", &otherwise(&batch), 1111, Some(CompressionType::LZ4_FRAME));
    folder.file("e.arrows", arrow_stream(&batch, 9000));
    folder.file("f.parquet.zst", zstd::encode_all(&*folder.bytes("b.parquet"), 1).unwrap());
    folder.file("g.arrow.zst", zstd::encode_all(&*folder.bytes("c.arrow"), 1).unwrap());
    for (at, name) in ["a.parquet", "b.parquet", "c.arrow", "d.feather", "e.arrows", "f.parquet.zst", "g.arrow.zst"]
        .iter()
        .enumerate()
    {
        let unused = if matches!(at, 1 | 3 | 5) { "--ignore unused" } else { "" };
        let threads = 1 + at % 3;
        let out = "--model m.model --predictions p.csv --rejected r.jsonl";
        folder.run(&format!("train {name} {ROLES} {unused} --threads {threads} {out}")).fine();
        assert!(weights(&folder, "m.model") == weights(&folder, "csv.model"), "{name}");
        assert!(folder.text("p.csv") == folder.text("csv.csv"), "{name}");
        assert_eq!(folder.text("r.jsonl").lines().count(), folder.text("csv.jsonl").lines().count(), "{name}");
    }
}

#[test]
fn a_pipe_gives_the_same_as_a_file() {
    let (folder, batch) = with_csv(20_000);
    parquet(&folder, "a.parquet", &batch, 7000, Compression::LZ4_RAW);
    let inputs = [("parquet", folder.bytes("a.parquet")), ("arrow", arrow_stream(&batch, 500))];
    for (format, bytes) in inputs {
        folder.run_with(&format!("train - --format {format} {ROLES} --model m.model"), &bytes).fine();
        assert!(weights(&folder, "m.model") == weights(&folder, "csv.model"), "{format}");
    }
    // A model knows its columns, in whatever order another input has them.
    folder.file("other.arrows", arrow_stream(&otherwise(&batch), 8000));
    for (input, name) in [("t.csv", "of_csv.csv"), ("a.parquet", "of_parquet.csv"), ("other.arrows", "of_arrow.csv")] {
        folder.run(&format!("predict {input} --model m.model --max-rejected 5% --predictions {name}")).fine();
        assert!(folder.text(name) == folder.text("of_csv.csv"), "{name}");
    }
}

#[test]
fn a_rejected_record_is_shown_as_an_object_with_its_number() {
    let folder = Folder::new();
    let mut rows = table(1000);
    rows.iter_mut().for_each(|row| row.amount = row.amount.filter(|amount| amount.is_finite()));
    (rows[300].amount, rows[301].label) = (Some(f64::NAN), Some(7));
    parquet(&folder, "a.parquet", &batch(&rows), 256, Compression::UNCOMPRESSED);
    folder.run(&format!("train a.parquet {ROLES} --ignore share --rejected r.jsonl")).fine();
    let lines: Vec<serde_json::Value> =
        folder.text("r.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["offset"], &lines[0]["reason"], &lines[0]["column"]),
        (&300.into(), &"not_finite".into(), &"amount".into())
    );
    assert_eq!(
        (&lines[1]["offset"], &lines[1]["record"], &lines[1]["reason"]),
        (&301.into(), &302.into(), &"label".into())
    );
    let raw: serde_json::Value = serde_json::from_str(lines[1]["raw"].as_str().unwrap()).unwrap();
    assert_eq!((&raw["label"], &raw["id"], raw.get("share")), (&7.into(), &301.into(), None));
}

#[test]
fn inputs_with_other_columns_are_refused_with_the_difference() {
    let folder = Folder::new();
    let batch = batch(&table(100));
    parquet(&folder, "a.parquet", &batch, 100, Compression::SNAPPY);
    let less = batch.project(&[0, 1, 2, 3, 4, 5, 6, 8]).unwrap();
    parquet(&folder, "less.parquet", &less, 100, Compression::SNAPPY);
    let more = otherwise(&batch);
    parquet(&folder, "more.parquet", &more, 100, Compression::SNAPPY);
    let mut columns = batch.columns().to_vec();
    columns[1] = cast(&columns[1], &DataType::Utf8).unwrap();
    let other = RecordBatch::try_from_iter(NAMES.into_iter().zip(columns)).unwrap();
    parquet(&folder, "other.parquet", &other, 100, Compression::SNAPPY);
    let run = |name: &str| folder.run(&format!("train a.parquet {name} {ROLES}"));
    run("less.parquet").refused(&["less.parquet lacks the column \"weight\""]);
    run("more.parquet").refused(&["more.parquet has a column \"unused\""]);
    run("other.parquet").refused(&["text in the column \"amount\"", "numbers"]);
    folder.run("train a.parquet --label nothing").refused(&["nothing", "label, amount, count"]);
}

#[test]
fn resume_is_verified_for_every_columnar_format() {
    let (folder, batch) = with_csv(60_000);
    parquet(&folder, "a.parquet", &batch, 20_000, Compression::SNAPPY);
    arrow_file(&folder, "b.arrow", &batch, 25_000, None);
    folder.file("c.arrows", arrow_stream(&batch, 25_000));
    for name in ["a.parquet", "b.arrow", "c.arrows"] {
        folder.run(&format!("verify-resume {name} {ROLES} --kills 2")).fine();
    }
}

#[test]
fn another_file_is_not_gone_on_with_and_a_later_one_is() {
    let folder = Folder::new();
    let rows = table(40_000);
    for (ending, write) in [
        ("parquet", (|f, n, b| parquet(f, n, b, 9000, Compression::SNAPPY)) as fn(&Folder, &str, &RecordBatch)),
        ("arrow", |f, n, b| arrow_file(f, n, b, 9000, None)),
        ("arrows", |f, n, b| std::fs::write(f.path(n), arrow_stream(b, 9000)).unwrap()),
    ] {
        let (one, two) = (format!("one.{ending}"), format!("two.{ending}"));
        write(&folder, &one, &batch(&rows[..17_000]));
        write(&folder, &two, &batch(&rows[17_000..]));
        folder.run(&format!("train {one} {two} {ROLES} --model whole.model --predictions whole.csv")).fine();
        let kept = format!("{ROLES} --checkpoint kept-{ending} --resume --predictions p.csv --model p.model");
        folder.run(&format!("train {one} {kept}")).fine();
        folder.run(&format!("train {one} {two} {kept}")).fine();
        assert!(folder.text("p.csv") == folder.text("whole.csv"), "{ending}");
        assert!(weights(&folder, "p.model") == weights(&folder, "whole.model"), "{ending}");
        let mut others = rows[17_000..].to_vec();
        others.last_mut().unwrap().id += 1;
        write(&folder, &two, &batch(&others));
        let again = folder.run(&format!("train {one} {two} {kept}"));
        again.refused(&[&two, "is not what the checkpoint has read 23000 records of"]);
    }
}

fn read_parquet(folder: &Folder, name: &str) -> RecordBatch {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(folder.path(name)).unwrap()).unwrap();
    let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn read_arrow(bytes: &[u8]) -> RecordBatch {
    let batches: Vec<_> = arrow::ipc::reader::StreamReader::try_new(bytes, None).unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[test]
fn predictions_are_the_same_rows_in_every_form_and_the_same_bytes_for_any_threads() {
    let (folder, _) = with_csv(30_000);
    for ending in ["parquet", "arrow"] {
        for threads in [1, 3] {
            let name = format!("p{threads}.{ending}");
            folder.run(&format!("train t.csv {ROLES} --threads {threads} --predictions {name}")).fine();
        }
        assert!(folder.bytes(&format!("p1.{ending}")) == folder.bytes(&format!("p3.{ending}")));
    }
    let rows = read_parquet(&folder, "p1.parquet");
    assert_eq!(rows, read_arrow(&folder.bytes("p1.arrow")));
    let names: Vec<_> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["record", "id", "probability", "logit", "label", "model_version"]);
    let text = folder.text("csv.csv");
    for name in ["record", "id", "label", "model_version"] {
        let found = cast(rows.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
        let found: StringArray = found.to_data().into();
        assert!(
            found.iter().map(Option::unwrap_or_default).eq(column(&text, name).iter().map(String::as_str)),
            "{name}"
        );
    }
    let found: Float64Array = rows.column_by_name("probability").unwrap().to_data().into();
    for (found, written) in found.iter().zip(program::numbers(&text, "probability")) {
        assert!((found.unwrap() - written).abs() < 1e-9);
    }
}

#[test]
fn arrow_predictions_go_on_behind_a_checkpoint_and_parquet_is_refused_one() {
    let (folder, _) = with_csv(20_000);
    let text = folder.text("t.csv");
    let first = format!("{}\n{}", NAMES.join(","), csv(&table(9000)));
    folder.run(&format!("train t.csv {ROLES} --predictions whole.arrow")).fine();
    folder.file("log.csv", first);
    let line = format!("train log.csv {ROLES} --checkpoint kept --resume --predictions p.arrow");
    folder.run(&line).fine();
    folder.file("log.csv", &text);
    folder.run(&line).fine();
    let [gone_on, whole] = ["p.arrow", "whole.arrow"].map(|name| read_arrow(&folder.bytes(name)));
    for (name, (found, expected)) in gone_on.schema().fields().iter().zip(gone_on.columns().iter().zip(whole.columns()))
    {
        assert!(found == expected, "{name}");
    }
    let refused = folder.run(&format!("train t.csv {ROLES} --checkpoint other --predictions p.parquet"));
    refused.refused(&["p.parquet", ".arrow, .csv or .jsonl"]);
}

fn schema(format: Format) -> Schema {
    use Role::*;
    let roles = [Label, Numeric, Numeric, Numeric, Categorical, Categorical, Categorical, Weight, Id];
    let column = |(name, role): (&str, Role)| Column { name: name.into(), role, log: false };
    let columns = NAMES.into_iter().zip(roles).map(column).collect();
    Schema { columns, format, header: false, ..Schema::default() }
}

/// Everything a parser gives but the text of whole records, which is another one.
#[derive(Debug, PartialEq)]
struct Seen {
    numbers: Vec<u32>,
    texts: Vec<Vec<u8>>,
    number: Vec<u32>,
    rejected: Vec<String>,
    seen: u32,
}

fn seen(schema: Schema, chunk: Chunk) -> Seen {
    let mut records = Records::default();
    Parser::new(schema).parse(chunk, &mut records).unwrap();
    let of = |span: &Span| span.of(&records.chunk.bytes).to_vec();
    let bits = |x: &f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
    let rejected = |r: &tidemill::record::Rejected| format!("{} {:?} {:?}", r.number, r.reason, r.column);
    Seen {
        numbers: records.numeric.iter().chain(&records.weight).map(bits).collect(),
        texts: [&records.text, &records.label, &records.id].into_iter().flatten().map(of).collect(),
        number: records.number.clone(),
        rejected: records.rejected.iter().map(rejected).collect(),
        seen: records.seen,
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    use prop::option::of;
    let amount = prop_oneof![
        4 => any::<f64>(), 4 => -1e6..1e6, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(1e300), 2 => Just(0.0)
    ];
    let share = prop_oneof![8 => any::<f32>(), 1 => Just(f32::NAN), 1 => Just(f32::NEG_INFINITY)];
    let numbers = (of(any::<i32>()), of(amount), of(any::<i64>()), of(share));
    let others = (of("[a-z\u{e9}\",\n ]{0,6}"), of(-3i64..3), of(any::<bool>()), of(-1f32..9.0), any::<i64>());
    let row = (numbers, others).prop_map(|((label, amount, count, share), (word, code, flag, weight, id))| Row {
        label,
        amount,
        count,
        share,
        word,
        code,
        flag,
        weight,
        id,
    });
    prop::collection::vec(row, 0..60)
}

fn with_words_as(batch: &RecordBatch, kind: &DataType) -> RecordBatch {
    let column = |at: usize| if at == 4 { cast(batch.column(at), kind).unwrap() } else { batch.column(at).clone() };
    RecordBatch::try_from_iter_with_nullable((0..9).map(|at| (NAMES[at], column(at), true))).unwrap()
}

proptest! {
    #[test]
    fn columns_are_read_as_their_text_is(rows in rows(), kind in 0usize..5, first in 0usize..20) {
        let kinds = [
            DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, DataType::Binary,
            DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
        ];
        let first = first.min(rows.len());
        let part = Part::whole(with_words_as(&batch(&rows), &kinds[kind]));
        let part = Part { first, rows: rows.len() - first, ..part };
        let columns = seen(schema(Format::Parquet), Chunk { columns: Some(part), ..Chunk::default() });
        prop_assert_eq!(columns, seen(schema(Format::Csv), Chunk::of(csv(&rows[first..]).as_bytes())));
    }
}

/// Trains on bytes that may be anything; gives the sort of error it ended with.
fn train(folder: &Folder, name: &str, bytes: &[u8]) -> Option<ErrorKind> {
    folder.file(name, bytes);
    let path = folder.path(name).display().to_string();
    let job = format!(
        "[source]\ninput = ['{path}']\nlabel = 'label'\ncategorical = ['word', 'code']\n[learner]\ndevice = 'cpu'\n\
         hash-bits = 8\n[output]\nmax-rejected = '100%'"
    );
    let plan = Plan::new(Options::parse(&job).unwrap(), &[]).unwrap();
    match run(&plan, None, &Stop::default(), &mut |_| {}) {
        Err(error) => Some(error.kind()),
        Ok(outcome) => match outcome.end {
            tidemill::pipeline::End::Broken(error) => Some(error.kind()),
            _ => None,
        },
    }
}

fn damaged_inputs() -> Vec<(&'static str, Vec<u8>)> {
    let folder = Folder::new();
    let batch = otherwise(&batch(&table(400)));
    parquet(&folder, "a.parquet", &batch, 150, Compression::SNAPPY);
    parquet(&folder, "b.parquet", &batch, 400, Compression::ZSTD(ZstdLevel::default()));
    arrow_file(&folder, "c.arrow", &batch, 100, None);
    arrow_file(&folder, "d.arrow", &batch, 100, Some(CompressionType::ZSTD));
    let read = |name| folder.bytes(name);
    vec![
        ("a.parquet", read("a.parquet")),
        ("b.parquet", read("b.parquet")),
        ("c.arrow", read("c.arrow")),
        ("d.arrow", read("d.arrow")),
        ("e.arrows", arrow_stream(&batch, 100)),
    ]
}

#[test]
fn an_input_that_was_cut_short_is_an_error_that_says_so() {
    let folder = Folder::new();
    for (name, bytes) in damaged_inputs() {
        assert_eq!(train(&folder, name, &bytes), None, "{name}");
        for len in [0, 3, 12, bytes.len() / 2, bytes.len() - 300, bytes.len() - 1] {
            let ended = train(&folder, name, &bytes[..len]);
            // A stream that lacks no more than its end mark is whole.
            let is_whole = name == "e.arrows" && len > bytes.len() - 300;
            assert!(ended == Some(ErrorKind::Input) || is_whole, "{name} cut at {len}: {ended:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_damage_does_more_than_end_a_run(which in 0usize..5, at in any::<prop::sample::Index>(), by in 1u8..255, many: bool) {
        let folder = Folder::new();
        let (name, mut bytes) = damaged_inputs().swap_remove(which);
        let at = at.index(bytes.len());
        let end = if many { (at + 16).min(bytes.len()) } else { at + 1 };
        bytes[at..end].iter_mut().for_each(|byte| *byte ^= by);
        train(&folder, name, &bytes);
    }
}

#[test]
#[ignore = "writes tests/golden/parquet and tests/golden/arrow: cargo test --test columnar golden -- --ignored"]
fn the_golden_inputs_are_written() {
    let to = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let (folder, batch) = (Folder::new(), otherwise(&batch(&table(200))));
    parquet(&folder, "input.parquet", &batch, 80, Compression::SNAPPY);
    arrow_file(&folder, "input.arrow", &batch, 80, None);
    for (name, file) in [("parquet", "input.parquet"), ("arrow", "input.arrow")] {
        std::fs::create_dir_all(to.join(name)).unwrap();
        std::fs::write(to.join(name).join(file), folder.bytes(file)).unwrap();
    }
}
