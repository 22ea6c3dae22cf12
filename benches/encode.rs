//! What one core needs beside parser and learner: hashing, encoding, logarithms, running scales, micro-batches, metrics.
//!
//! ```text
//! cargo bench --bench encode
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

use std::hint::black_box;
use std::time::Duration;

use measure::{Contest, Lap, print_machine, sized, timed};
use streams::Stream;
use tidemill::batcher::Batcher;
use tidemill::encoder::Encoder;
use tidemill::encoder::cross::{Crosses, Found, Run};
use tidemill::encoder::hash::{murmur3, namespace};
use tidemill::encoder::label::LabelRule;
use tidemill::examples::{Examples, MicroBatch, stride};
use tidemill::learner::{Learner, Model, Optimizer, Penalty, Settings, Shape, Update, cpu};
use tidemill::metric::Metrics;
use tidemill::parser::Parser;
use tidemill::record::{Chunk, Records};
use tidemill::scaler::Scaler;
use tidemill::schema::{Feature, Role, Schema};
use tidemill::transform::Transform;

/// Fields of each stream, about.
const CELLS: usize = 4_000_000;
/// Records of a micro-batch.
const BATCH: usize = 256;

fn main() {
    print_machine("encode");
    let numeric = Stream::numeric(28, sized(CELLS / 28));
    let wide = Stream::numeric(1000, sized(CELLS / 1000));
    let mut criteo = Stream::criteo(sized(CELLS / 40));
    for column in criteo.schema.columns.iter_mut().filter(|column| column.role == Role::Numeric) {
        column.log = true;
    }
    of_ingest(&criteo);
    of_crosses(sized(CELLS / 400));
    for stream in [&numeric, &wide, &criteo] {
        of_engine(stream);
    }
}

/// What ingest threads do behind the parser.
fn of_ingest(stream: &Stream) {
    let (mut parsed, hashed) = (parse(stream), parse(stream));
    let numbers: Vec<_> = parsed.iter().map(|records| records.numeric.clone()).collect();
    let schema = &stream.schema;
    let mut contest = Contest::new(format!("ingest threads: {}", stream.name));
    contest.add("murmur3", || hash_all(schema, &hashed));
    contest.add("logarithm", || log_all(schema, &numbers));
    contest.add("encoder", || encode_all(schema, &mut parsed));
    contest.run();
}

/// Every pair of 39 namespaces: 13 hashed numbers and 26 categories. Values are crossed features.
fn of_crosses(rows: usize) {
    let mut stream = Stream::criteo(rows);
    let of_role = |role| stream.schema.of(role).map(|column| column.name.clone()).collect::<Vec<_>>();
    let names = [of_role(Role::Numeric), of_role(Role::Categorical)].concat();
    let hash = Feature::Hash { columns: of_role(Role::Numeric), namespace: None, keep: false };
    let pairs = (0..39).flat_map(|a| (a + 1..39).map(move |b| [a, b]));
    let named = pairs.map(|pair| pair.map(|at: usize| names[at].clone()).into()).collect();
    stream.schema.features = vec![hash];
    let crossed = |of| vec![Feature::Cross { of }];
    let any = crossed(vec![vec![":".into(); 2]]);
    let named = crossed(named);
    let (plain, schema) = (encode(&stream), stream.schema.clone());
    let with_any = Schema { features: [&schema.features[..], &any].concat(), ..schema };
    let mut contest = Contest::new(format!("crosses: {}, every pair", stream.name));
    contest.add("any with any", || cross_all(&any, &plain));
    contest.add("741 named pairs", || cross_all(&named, &plain));
    contest.add("encoder", || encode_crossed(&with_any, &mut parse(&stream)));
    for update in [Update::Record, Update::Batch] {
        let name = format!("encoder, batcher, learner by {update:?}");
        let (with_any, stream) = (&with_any, &stream);
        contest.add(name, move || learn_crossed(with_any, &mut parse(stream), update));
    }
    contest.run();
}

/// What the engine does before the learner.
fn of_engine(stream: &Stream) {
    let examples = encode(stream);
    let schema = &stream.schema;
    let mut contest = Contest::new(format!("engine: {}", stream.name));
    contest.add("scaler, learning", || scale_all(schema, &examples, true));
    contest.add("scaler, standing still", || scale_all(schema, &examples, false));
    contest.add("batcher with scaler", || batch_all(schema, &examples));
    contest.add("metrics", || score_all(&examples));
    contest.run();
}

fn parse(stream: &Stream) -> Vec<Records> {
    let mut parser = Parser::new(stream.schema.clone());
    let parsed = |chunk: Chunk| {
        let mut records = Records::default();
        parser.parse(chunk, &mut records).expect("the header is the schema's");
        records
    };
    stream.chunks().into_iter().map(parsed).collect()
}

fn encode(stream: &Stream) -> Vec<Examples> {
    let mut encoder = Encoder::new(&stream.schema, LabelRule::Inferred);
    let encoded = |mut records: Records| {
        let mut examples = Examples::default();
        encoder.encode(&mut records, &mut examples);
        examples
    };
    parse(stream).into_iter().map(encoded).collect()
}

fn hash_all(schema: &Schema, parsed: &[Records]) -> Lap {
    let seeds: Vec<u32> = schema.of(Role::Categorical).map(|column| namespace(column.name.as_bytes())).collect();
    let (mut lap, mut sum) = (Lap::default(), 0);
    for records in parsed {
        let bytes = &records.chunk.bytes;
        let (_, time) = timed(|| {
            for spans in records.text.chunks_exact(seeds.len()) {
                sum = spans.iter().zip(&seeds).fold(sum, |sum, (span, &seed)| sum ^ murmur3(span.of(bytes), seed));
            }
        });
        lap.time += time;
        lap.records += records.rows as u64;
        lap.values += records.text.len() as u64;
    }
    black_box(sum);
    lap
}

/// Every chunk's numbers are copied before the clock starts: taking logarithms again would not be the same work.
fn log_all(schema: &Schema, numbers: &[Vec<f32>]) -> Lap {
    let (transform, mut records, mut lap) =
        (Transform::new(schema).expect("no transforms"), Records::default(), Lap::default());
    for chunk in numbers {
        records.numeric.clone_from(chunk);
        lap.time += timed(|| transform.apply(&mut records)).1;
        black_box(&records.numeric);
        lap.records += (chunk.len() / schema.stride()) as u64;
    }
    lap.values = lap.records * schema.numeric() as u64;
    lap
}

fn encode_all(schema: &Schema, parsed: &mut [Records]) -> Lap {
    let mut encoder = Encoder::new(schema, LabelRule::Inferred);
    let (mut examples, mut lap) = (Examples::default(), Lap::default());
    for records in parsed {
        lap.time += timed(|| encoder.encode(records, &mut examples)).1;
        lap.records += examples.rows as u64;
        lap.values += examples.hash.len() as u64;
        lap.bytes += examples.bytes;
        // The encoder was handed the numbers; the next round needs them.
        std::mem::swap(&mut records.numeric, &mut examples.dense);
    }
    lap
}

/// Crosses features that have been hashed; each feature of a record is taken as a namespace of its own.
fn cross_all(crosses: &[Feature], plain: &[Examples]) -> Lap {
    let (crosses, mut found, mut lap) = (Crosses::new(crosses), Found::default(), Lap::default());
    let (mut hash, mut value, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    let names = (1..=13).map(|at| format!("I{at}")).chain((1..=26).map(|at| format!("C{at}")));
    let spaces: Vec<_> = names.map(|name| namespace(name.as_bytes())).collect();
    for examples in plain {
        let (made, time) = timed(|| {
            let mut made = 0;
            for ends in examples.row_start.windows(2) {
                let range = ends[0] as usize..ends[1] as usize;
                hash.clear();
                value.clear();
                hash.extend_from_slice(&examples.hash[range.clone()]);
                value.extend_from_slice(&examples.value[range.clone()]);
                runs.clear();
                runs.extend(spaces[..range.len()].iter().zip(1..).map(|(&space, end)| Run { space, end }));
                crosses.make(0, &runs, &mut hash, &mut value, &mut found).expect("few features");
                made += hash.len() - range.len();
            }
            made
        });
        black_box((&hash, &value));
        lap.time += time;
        lap.records += examples.rows as u64;
        lap.values += made as u64;
    }
    lap
}

/// Every chunk's examples are made in the same buffers, as in a run.
fn encode_crossed(schema: &Schema, parsed: &mut [Records]) -> Lap {
    let mut encoder = Encoder::new(schema, LabelRule::Inferred);
    let (mut examples, mut lap) = (Examples::default(), Lap::default());
    for records in parsed {
        lap.time += timed(|| encoder.encode(records, &mut examples)).1;
        lap.records += examples.rows as u64;
        lap.values += examples.hash.len() as u64;
    }
    lap
}

fn learn_crossed(schema: &Schema, parsed: &mut [Records], update: Update) -> Lap {
    let (optimizer, penalty) = (Optimizer::AdaGrad { learning_rate: 0.05 }, Penalty::NONE);
    let model = Model::new(Shape { numeric: schema.dense(), hash_bits: 22 }, optimizer, penalty);
    let settings = Settings { update, optimizer, penalty, batch: BATCH, hash_bits: 22, frozen: false };
    let (mut learner, width) = (cpu::open(model, settings), schema.dense_stride());
    let mut batcher = Batcher::new(BATCH, width, Scaler::new(width), true);
    let mut encoder = Encoder::new(schema, LabelRule::Inferred);
    let (mut examples, mut spare, mut lap) = (Examples::default(), MicroBatch::default(), Lap::default());
    for records in parsed {
        let (_, time) = timed(|| {
            encoder.encode(records, &mut examples);
            let mut row = 0;
            while row < examples.rows {
                row = batcher.fill(&examples, row..examples.rows, lap.records).expect("labels are 0 and 1");
                if batcher.is_full() {
                    learner.learn(batcher.take(std::mem::take(&mut spare))).expect("a processor that works");
                    while let Some(mut scored) = learner.next_scored().expect("a processor that works") {
                        spare = std::mem::take(&mut scored.batch);
                        learner.recycle(scored);
                    }
                }
            }
        });
        lap.time += time;
        lap.records += examples.rows as u64;
        lap.values += examples.hash.len() as u64;
    }
    lap
}

fn scale_all(schema: &Schema, examples: &[Examples], learning: bool) -> Lap {
    let width = stride(schema.numeric());
    let (mut scaler, mut out, mut records) = (Scaler::new(width), vec![0.0; width], 0);
    scaler.learn(&examples[0].dense[..width], &mut out);
    let rows = examples.iter().flat_map(|examples| examples.dense.chunks_exact(width));
    let (_, time) = timed(|| {
        for row in rows {
            if learning {
                scaler.learn(row, &mut out)
            } else {
                scaler.apply(row, &mut out)
            }
            black_box(&mut out);
            records += 1;
        }
    });
    Lap { records, values: records * schema.numeric() as u64, time, ..Lap::default() }
}

fn batch_all(schema: &Schema, examples: &[Examples]) -> Lap {
    let width = schema.stride();
    let mut batcher = Batcher::new(BATCH, width, Scaler::new(width), true);
    let (mut spare, mut records) = (MicroBatch::default(), 0);
    let (_, time): (_, Duration) = timed(|| {
        for examples in examples {
            let mut row = 0;
            while row < examples.rows {
                row = batcher.fill(examples, row..examples.rows, records).expect("labels are 0 and 1");
                if batcher.is_full() {
                    spare = black_box(batcher.take(std::mem::take(&mut spare)));
                }
            }
            records += u64::from(examples.seen);
        }
    });
    let hashes: usize = examples.iter().map(|examples| examples.hash.len()).sum();
    Lap { records, values: records * schema.numeric() as u64 + hashes as u64, time, ..Lap::default() }
}

/// Scores made-up logits of every size; what they are plays no part in how long it takes.
fn score_all(examples: &[Examples]) -> Lap {
    let logit: Vec<f32> = (0..BATCH).map(|row| (row as f32 - BATCH as f32 / 2.0) / 20.0).collect();
    let label: Vec<f32> = (0..BATCH).map(|row| f32::from(u8::from(row * 7 % 5 > 2))).collect();
    let batches = examples.iter().map(|examples| examples.rows).sum::<usize>().div_ceil(BATCH);
    let (weight, mut metrics) = (vec![1.0; BATCH], Metrics::default());
    let (_, time) = timed(|| (0..batches).for_each(|_| metrics.add(black_box(&logit), &label, &weight)));
    Lap { records: (batches * BATCH) as u64, time, ..Lap::default() }
}
