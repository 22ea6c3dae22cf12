//! `tidemill inspect`: show what is inside a model or a checkpoint.
//!
//! Siblings: [`model`] (weights, columns, job), [`features`] (hashed features by name) and [`checkpoint`] (how far a run
//! had come).

mod checkpoint;
mod features;
mod model;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::checkpoint::stored::{self, Content};
use crate::error::{Error, Result};

/// Options of `tidemill inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A model or a checkpoint, as `tidemill train` wrote it, or a folder of checkpoints: the newest whole one
    #[arg(value_name = "MODEL|CHECKPOINT")]
    file: PathBuf,
    /// Numeric columns and features to show, by absolute weight, and features by how many records have them
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
}

/// Carries the command out.
pub(super) fn run(args: &InspectArgs) -> Result<()> {
    let stored = stored::open(&args.file)?;
    stored.damaged.iter().for_each(|damaged| super::say(&format!("{damaged}\n")));
    let text = match &stored.content {
        Content::Model(saved) => model::text(saved, args.top)?,
        Content::Checkpoint(found) => {
            checkpoint::text(&stored.path, found)? + "\n" + &model::text(&found.model()?, args.top)?
        }
    };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|cause| Error::output("standard output", cause))
}
