//! What a model has learned: takes one, gives its rule, columns, hashed table, features by name, largest numeric weights and
//! job as text.

use super::features;
use crate::cli::show;
use crate::config::Options;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::sink::model::SavedModel;

/// The text, each line ended; `top` numeric columns and features are shown.
pub(super) fn text(saved: &SavedModel, top: usize) -> Result<String> {
    let damaged = |cause| Error::input("the model's columns or job cannot be read: train it again").because(cause);
    let schema: Schema = serde_json::from_value(saved.schema.clone()).map_err(damaged)?;
    let options: Options = serde_json::from_value(saved.job.clone()).map_err(damaged)?;
    let job = toml::to_string(&options).map_err(|cause| damaged_job(&cause))?;
    let features = features::text(saved, top);
    let blocks = [overview(saved), show::columns(&schema), hashed(saved), features, numeric(saved, &schema, top), job];
    Ok(blocks.into_iter().filter(|block| !block.is_empty()).collect::<Vec<_>>().join("\n"))
}

fn damaged_job(cause: &toml::ser::Error) -> Error {
    Error::input(format!("the model's job cannot be shown: {cause}"))
}

fn overview(saved: &SavedModel) -> String {
    let model = &saved.model;
    format!(
        "written by tidemill {}\n{:?}, penalties l1 {} and l2 {}\nversion {} (updates), {} records learned\nbias {}\n",
        saved.tidemill,
        model.optimizer,
        model.penalty.l1,
        model.penalty.l2,
        model.updates,
        model.learned,
        model.bias_weight(),
    )
}

/// How full the hashed table is: the share of weights in use is also the chance that a new category meets another.
fn hashed(saved: &SavedModel) -> String {
    let weights = saved.model.hashed_weights();
    let used = weights.iter().filter(|&&weight| weight != 0.0).count();
    let norm = weights.iter().map(|&w| f64::from(w) * f64::from(w)).sum::<f64>().sqrt();
    format!(
        "hashed table: 2^{} weights, {used} in use ({:.1} %), norm {norm:.4}\n",
        saved.model.hash_bits,
        100.0 * used as f64 / weights.len() as f64
    )
}

/// The dense numbers with the largest weights; values are standardised, so that weights can be compared.
fn numeric(saved: &SavedModel, schema: &Schema, top: usize) -> String {
    let mut weights: Vec<_> = schema.dense_names().into_iter().zip(saved.model.dense_weights()).collect();
    weights.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    weights.iter().take(top).map(|(name, weight)| format!("{weight:>12.6}  {name}\n")).collect()
}
