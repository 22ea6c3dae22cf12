//! Online learning on streams: records in, predictions and a model out.
//!
//! ```text
//! source -> parser -> transform -> encoder  ==>  online, window, scaler, batcher -> learner -> metric -> sink
//! (------- N ingest threads, stateless -----)     (-------- engine: one thread owns all state --------)
//! ```
//!
//! A run in a few lines:
//!
//! ```
//! use tidemill::config::{Options, Plan};
//! use tidemill::pipeline::Stop;
//! let job = "[source]\ngenerate = 'clicks'\nrows = 2000\n[learner]\ndevice = 'cpu'";
//! let plan = Plan::new(Options::parse(job).unwrap(), &[])?;
//! let outcome = tidemill::pipeline::run(&plan, None, &Stop::default(), &mut |_| {})?;
//! assert_eq!(outcome.counts.records, 2000);
//! # Ok::<(), tidemill::error::Error>(())
//! ```
#![deny(missing_docs)]

// What travels.
pub mod error;
pub mod examples;
pub mod record;
pub mod schema;
pub mod snapshot;
pub mod timestamp;

// Stateless stages, in the order of the flow.
pub mod source;

pub mod parser;

pub mod transform;

pub mod encoder;

// What depends on the order of the stream.
pub mod event_time;

pub mod scaler;

pub mod online;

pub mod window;

pub mod join;

pub mod batcher;

pub mod learner;
pub mod metric;

pub mod drift;

pub mod replay;

pub mod dictionary;

// What leaves.
pub mod checkpoint;
pub mod report;
pub mod sink;

// What holds it together.
pub mod config;
pub mod engine;
pub mod pipeline;
pub mod verify;

pub mod bench;

pub mod embed;

pub mod cli;
