//! Online learning on streams: records in, predictions and a model out.
#![deny(missing_docs)]

pub mod error;
pub mod examples;
pub mod record;
pub mod schema;

pub mod encoder;
pub mod parser;
pub mod source;
pub mod transform;

pub mod batcher;
pub mod scaler;

pub mod source;

pub mod learner;
pub mod metric;
pub mod report;
pub mod sink;

pub mod config;
pub mod engine;
pub mod pipeline;

pub mod cli;
