//! Sinks: take what a run produces, give files.
//!
//! Siblings: [`predictions`], [`rejected`], [`model`], [`summary`], [`sweep`], each one file of the output contract, and
//! [`stored_summary`], which reads one back; all write
//! through [`output`], models and checkpoints in the layout of [`tensors`]. A sink never computes what it writes.

pub mod alerts;
mod columnar;
pub mod decimal;
mod form;
pub mod metrics;
pub mod model;
pub mod output;
// Without the feature, one that writes nothing stands for it.
#[cfg_attr(not(feature = "parquet"), path = "no_parquet.rs")]
mod parquet;
pub mod predictions;
pub mod rejected;
pub mod side;
pub mod stored_summary;
pub mod summary;
pub mod sweep;
pub mod tensors;
pub mod told;
