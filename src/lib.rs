//! Online learning on streams: records in, predictions and a model out.
//!
//! ```text
//! source -> parser -> transform -> encoder  ==>  online, window, scaler, batcher -> learner -> metric -> sink
//! (------- N ingest threads, stateless -----)     (-------- engine: one thread owns all state --------)
//! ```
//!
//! Data flows one way: chunks of text become [`record::Records`], these [`examples::Examples`], and the [`engine`] takes them
//! in the order of the stream: each is predicted before its label is learned, and leaves as [`examples::Scored`].
//!
//! A run in a few lines, from inputs to outputs as [`config::Options`] name them:
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
//!
//! The learner inside another program, which hands it records and asks for predictions; no files, no threads. See
//! [`embed::Classifier`].
//!
//! ```
//! use tidemill::{config::Options, embed::Classifier};
//! let job = Options::parse("[source]\nformat = 'jsonl'\nlabel = 'liked'\n[learner]\noptimizer = 'ftrl'").unwrap();
//! let mut likes = Classifier::new(job, r#"{"user": "u1", "item": "i1", "liked": 0}"#)?;
//! for (user, item, liked) in [("u1", "tea", true), ("u1", "coffee", false), ("u2", "tea", true)] {
//!     let record = format!(r#"{{"user": "{user}", "item": "{item}"}}"#);
//!     let before = likes.learn(&record, liked)?; // predicted, scored, then learned
//!     assert!((0.0..=1.0).contains(&before));
//! }
//! // Chunks of records as well: these are only predicted.
//! let shown = "{\"user\": \"u3\", \"item\": \"tea\"}\n{\"user\": \"u3\", \"item\": \"coffee\"}\n";
//! let predicted = likes.predict_lines(shown)?;
//! assert!(predicted[0] > predicted[1]);
//! assert_eq!(likes.metrics().total.labelled, 3);
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
