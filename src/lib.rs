//! Online learning on streams: records in, predictions and a model out.
#![deny(missing_docs)]

pub mod error;
pub mod examples;
pub mod record;

pub mod source;

pub mod learner;
