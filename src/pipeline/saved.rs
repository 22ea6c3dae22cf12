//! A finished run as a model file's content, and back to what predicting needs.

use serde_json::json;

use super::Outcome;
use super::start::Saved;
use crate::config::{DEFAULT_BATCH, EventTimeOptions, LearnerOptions, Options, Plan, SourceOptions};
use crate::encoder::label::LabelRule;
use crate::error::{Error, Result};
use crate::learner::{Model, Update};
use crate::scaler::Scaler;
use crate::schema::Schema;
use crate::sink::model::SavedModel;

/// What a run's model file holds.
pub fn model_of(plan: &Plan, outcome: &Outcome) -> SavedModel {
    let scales = [outcome.scaler.arrays(), outcome.online.clone()].concat();
    let saved = file_of(plan, &outcome.schema, outcome.model.clone(), scales);
    SavedModel { names: outcome.names.clone(), ..saved }
}

/// The model file of a model that was learned from these columns; `scales` are the arrays of all that predicting needs
/// beside it.
pub fn file_of(plan: &Plan, schema: &Schema, model: Model, scales: Vec<(String, Vec<f64>)>) -> SavedModel {
    let schema = serde_json::to_value(schema.without_segments()).unwrap_or_else(|_| json!({}));
    SavedModel::new(model, scales, job_of(plan), schema)
}

/// A plan's job as model files and checkpoints hold it.
pub(super) fn job_of(plan: &Plan) -> serde_json::Value {
    // Options are structs of text and numbers: JSON can hold them all.
    serde_json::to_value(learned_by(&plan.job())).unwrap_or_else(|_| json!({}))
}

/// The options that the weights follow from. Where the records came from, what was written and how many threads it
/// took are left out: the same records give the same file.
fn learned_by(options: &Options) -> Options {
    let source =
        SourceOptions { input: None, generate: None, rows: None, seed: None, format: None, ..options.source.clone() };
    // Nor does it matter how the records came.
    let source = SourceOptions { follow: None, listen: None, ..source };
    let learner = LearnerOptions {
        device: None,
        threads: None,
        warm_start: None,
        max_delay: None,
        names: None,
        replay_memory: None,
        replay_file: None,
        ..options.learner.clone()
    };
    let event_time = EventTimeOptions { outcomes: None, open_memory: None, ..options.event_time.clone() };
    let (transform, feature, drift) = (options.transform.clone(), options.feature.clone(), options.drift.clone());
    Options { source, transform, feature, event_time, learner, drift, ..Options::default() }
}

/// The job that a model file was learned by.
///
/// # Errors
/// A job that this program does not understand.
pub fn options_of(file: &SavedModel) -> Result<Options> {
    serde_json::from_value(file.job.clone()).map_err(|cause| damaged("job").because(cause))
}

fn damaged(what: &str) -> Error {
    Error::input(format!("the model file's {what} cannot be used: train the model again"))
}

/// A model file whose scales do not fit its columns.
pub(super) fn damaged_scales() -> Error {
    damaged("scales")
}

/// A model file whose windows are not those of its features.
pub(super) fn damaged_windows() -> Error {
    damaged("windows")
}

/// What predicting with a model file needs, and training it on.
///
/// # Errors
/// A file whose job, columns or scales do not belong together.
pub fn to_predict(file: SavedModel) -> Result<Saved> {
    let options = options_of(&file)?;
    let schema: Schema = serde_json::from_value(file.schema).map_err(|cause| damaged("columns").because(cause))?;
    let scaler = Scaler::from_arrays(schema.dense_stride(), &file.scaler).ok_or_else(damaged_scales)?;
    if schema.dense() != file.model.numeric {
        return Err(damaged("number of numeric columns"));
    }
    let (update, batch) = (options.learner.update, options.learner.batch);
    let (update, batch) = (update.unwrap_or(Update::Record), batch.unwrap_or(DEFAULT_BATCH));
    let label = options.source.positive.map_or(LabelRule::Inferred, LabelRule::Positive);
    Ok(Saved { model: file.model, scaler, online: file.scaler, schema, label, update, batch, note: None })
}
