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
    columns::inferred(plan, &head(plan)?)
}

/// Looks at the first chunk, and shows the first `most` records of it.
///
/// # Errors
/// Inputs, columns, transforms or features that the plan cannot be run with.
pub fn preview(plan: &Plan, most: usize) -> Result<Preview> {
    let head = head(plan)?;
    let (schema, inferred) = columns::inferred(plan, &head)?;
    let (mut records, mut examples) = (Records::default(), Examples::default());
    Parser::new(schema.reading()).parse(head, &mut records)?;
    Transform::new(&schema)?.apply(&mut records)?;
    let mut explainer = Explainer::new(&schema);
    // The encoder takes the numbers away, so names come first; how many records it rejects is not known yet.
    let explained: Vec<_> = (0..records.rows.min(EXPLAINED.max(most)))
        .map(|row| (records.number[row], explainer.explain(&records, row)))
        .collect();
    Encoder::new(&schema, plan.label.clone()).encode(&mut records, &mut examples);
    let mut first = Vec::new();
    for (number, features) in explained.into_iter().take_while(|_| true) {
        let Ok(row) = examples.number.binary_search(&number) else { continue };
        let (Ok(features), true) = (features, first.len() < most) else { continue };
        first.push(First {
            record: u64::from(number) + 1,
            label: examples.label[row],
            weight: examples.weight.get(row).copied().unwrap_or(1.0),
            id: String::from_utf8_lossy(examples.id_of(row)).into_owned(),
            features,
        });
    }
    let Examples { seen, filtered, rejected, .. } = examples;
    Ok(Preview { schema, inferred, seen, filtered, rejected, first })
}

/// Records whose features are named, so that some are left where the first ones cannot be used.
const EXPLAINED: usize = 100;

fn head(plan: &Plan) -> Result<Chunk> {
    let reading = Reading { format: plan.format, eager: Eager::AfterFirst, fingerprints: false, chunk: source::CHUNK };
    Ok(Source::new(plan.inputs.clone(), reading).next_chunk(Chunk::default())?.unwrap_or_default())
}
