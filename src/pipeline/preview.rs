//! A look at a job before it runs: takes a plan, gives its columns and the first records as the learner would get them.
//!
//! It reads the first chunk and nothing more, and learns nothing.

use super::columns;
use crate::config::Plan;
use crate::encoder::Encoder;
use crate::encoder::explain::{Explained, Explainer};
use crate::error::Result;
use crate::examples::{Examples, LabelToken};
use crate::parser::Parser;
use crate::record::{Chunk, Records, Rejected};
use crate::schema::{Role, Schema};
use crate::source::chunker::Eager;
use crate::source::{self, Reading, Source};
use crate::transform::Transform;

/// What the first records of a job look like.
#[derive(Debug)]
pub struct Preview {
    /// The columns, and what is made of them.
    pub schema: Schema,
    /// The columns whose role was inferred.
    pub inferred: Vec<(String, Role)>,
    /// Records that were looked at, those that cannot be used and those that were filtered out among them.
    pub seen: u32,
    /// Records that a transform has filtered out.
    pub filtered: u32,
    /// Records that cannot be used.
    pub rejected: Vec<Rejected>,
    /// The first records.
    pub first: Vec<First>,
}

/// A record as the learner would get it.
#[derive(Debug)]
pub struct First {
    /// Its number, from 1.
    pub record: u64,
    /// Its label.
    pub label: LabelToken,
    /// Its example weight.
    pub weight: f32,
    /// Its id.
    pub id: String,
    /// Its features with their names.
    pub features: Explained,
}

/// The columns of a job by its first chunk, and which of them were inferred.
///
/// # Errors
/// Inputs or columns that the plan cannot be run with.
pub fn schema(plan: &Plan) -> Result<(Schema, Vec<(String, Role)>)> {
    columns::inferred(plan, &opened(plan)?.1)
}

/// Looks at the first chunk that has records, and shows the first `most` of them.
///
/// # Errors
/// Inputs, columns, transforms or features that the plan cannot be run with.
pub fn preview(plan: &Plan, most: usize) -> Result<Preview> {
    let (mut source, head) = opened(plan)?;
    let (schema, inferred) = columns::inferred(plan, &head)?;
    source.keep(&schema.reading())?;
    let mut parser = Parser::new(schema.reading());
    let mut records = Records::default();
    parser.parse(head, &mut records)?;
    // Columns come behind a chunk that says no more than their names.
    while records.seen == 0
        && let Some(chunk) = source.next_chunk(Chunk::default())?
    {
        parser.parse(chunk, &mut records)?;
    }
    Transform::new(&schema)?.apply(&mut records)?;
    let (explained, examples) = explained_and_encoded(plan, &schema, records, most);
    let first = explained.into_iter().filter_map(|(number, features)| {
        let row = examples.number.binary_search(&number).ok()?;
        Some(First {
            record: u64::from(number) + 1,
            label: examples.label[row],
            weight: examples.weight.get(row).copied().unwrap_or(1.0),
            id: String::from_utf8_lossy(examples.id_of(row)).into_owned(),
            features: features?,
        })
    });
    let first = first.take(most).collect();
    let Examples { seen, filtered, rejected, .. } = examples;
    Ok(Preview { schema, inferred, seen, filtered, rejected, first })
}

/// The first records by their numbers, with named features, and all of them as the learner gets them.
fn explained_and_encoded(
    plan: &Plan,
    schema: &Schema,
    mut records: Records,
    most: usize,
) -> (Vec<(u32, Option<Explained>)>, Examples) {
    let mut explainer = Explainer::new(schema);
    // The encoder takes the numbers away, so names come first; which records it rejects is not known yet.
    let explain = |row: usize| (records.number[row], explainer.explain(&records, row).ok());
    let explained = (0..records.rows.min(SPARE + most)).map(explain).collect();
    let mut examples = Examples::default();
    Encoder::new(schema, plan.label.clone()).encode(&mut records, &mut examples);
    (explained, examples)
}

/// Records that are named beyond those to be shown, for some of them cannot be used.
const SPARE: usize = 100;

/// The inputs behind their first chunk, and that.
fn opened(plan: &Plan) -> Result<(Source, Chunk)> {
    let reading = Reading { format: plan.format, eager: Eager::AfterFirst, fingerprints: false, chunk: source::CHUNK };
    let mut source = Source::new(plan.inputs.clone(), reading);
    let head = source.next_chunk(Chunk::default())?.unwrap_or_default();
    Ok((source, head))
}
