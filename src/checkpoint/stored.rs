//! What a run has left, by its own word: takes a path, gives the model or the checkpoint behind it, and gives a
//! checkpoint as a model, to predict with or to train on.
//!
//! A file says itself which of the two it is, whatever its name. Nothing here is ever written or set aside.

use std::path::{Path, PathBuf};

use super::store::{self, Found};
use super::{Checkpoint, FORMAT};
use crate::dictionary::Dictionary;
use crate::drift;
use crate::error::{Error, Result};
use crate::examples::MicroBatch;
use crate::learner::{MAX_HASH_BITS, Model, Shape};
use crate::online::Online;
use crate::scaler::Scaler;
use crate::sink::model::{self, SavedModel};
use crate::sink::tensors::{Read, format_of};
use crate::window::Windows;

/// A file that was opened.
#[derive(Debug)]
pub struct Stored {
    /// The file; of a folder, the one that was taken.
    pub path: PathBuf,
    /// What is in it.
    pub content: Content,
    /// Newer checkpoints of the folder that cannot be used, with the reasons.
    pub damaged: Vec<String>,
}

/// What a file can be.
#[derive(Debug)]
pub enum Content {
    /// A model, as `--model` writes it.
    Model(Box<SavedModel>),
    /// A run as it stood between two chunks.
    Checkpoint(Box<Checkpoint>),
}

/// Opens a model file, a checkpoint, or the newest whole checkpoint of a folder.
///
/// # Errors
/// What cannot be read or used, with the reason; a folder without checkpoints.
pub fn open(path: &Path) -> Result<Stored> {
    if path.is_dir() {
        let Found { path, checkpoint, damaged } = store::newest_in(path)?;
        return Ok(Stored { path, content: Content::Checkpoint(Box::new(checkpoint)), damaged });
    }
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|cause| {
        let advice = "name a model file, a checkpoint, or a folder of checkpoints";
        Error::input(format!("cannot read {name}: {advice}")).because(cause)
    })?;
    let content = content(&bytes).map_err(|reason| Error::input(format!("cannot use {name}: {reason}")))?;
    Ok(Stored { path: path.to_owned(), content, damaged: Vec::new() })
}

impl Stored {
    /// The model in it, and what the user should know of it.
    ///
    /// # Errors
    /// A checkpoint whose arrays do not belong together.
    pub fn into_model(self) -> Result<(SavedModel, Vec<String>)> {
        let Self { path, content, damaged } = self;
        match content {
            Content::Model(model) => Ok((*model, damaged)),
            Content::Checkpoint(checkpoint) => {
                let (model, note) = (checkpoint.model()?, checkpoint.note(&path)?);
                Ok((model, damaged.into_iter().chain([note]).collect()))
            }
        }
    }
}

impl Checkpoint {
    /// The model as it stands: what a model file of the run would hold had it ended here. Records that wait for their
    /// micro-batch to be full are in its scales, and not in its weights yet.
    ///
    /// # Errors
    /// Arrays that do not belong together, or weights that are not finite numbers.
    pub fn model(&self) -> Result<SavedModel> {
        let (settings, schema) = (&self.header.settings, &self.header.schema);
        if settings.hash_bits > MAX_HASH_BITS {
            let bits = settings.hash_bits;
            return Err(Error::input(format!(
                "the checkpoint's table of 2^{bits} weights is beyond 2^{MAX_HASH_BITS}: name another"
            )));
        }
        if let Some(name) = self.not_finite() {
            return Err(Error::input(format!(
                "the checkpoint's `{name}` holds what is not a finite number: name another"
            )));
        }
        let shape = Shape { numeric: schema.dense(), hash_bits: settings.hash_bits };
        let (mut model, mut scaler) =
            (Model::new(shape, settings.optimizer, settings.penalty), Scaler::new(schema.dense_stride()));
        self.state.restore(&mut model)?;
        // What is learned by another rate for a while is kept under that.
        model.optimizer = settings.optimizer.times(drift::step_of(&self.state)?.factor);
        let model = model.for_rule(settings.optimizer, settings.penalty);
        self.state.restore(&mut scaler)?;
        let mut scales = scaler.arrays();
        if let Some(mut online) = Online::new(schema) {
            self.state.restore(&mut online)?;
            scales.extend(online.arrays());
        }
        if let Some(mut windows) = Windows::new(schema) {
            self.state.restore(&mut windows)?;
            scales.extend(windows.arrays());
        }
        // Columns are structs of text and numbers: JSON can hold them all.
        let columns = serde_json::to_value(schema.without_segments()).unwrap_or_default();
        let mut dictionary = Dictionary::new(settings.hash_bits);
        self.state.restore(&mut dictionary)?;
        let (names, tidemill) = (dictionary.known(&model), self.header.tidemill.clone());
        Ok(SavedModel { names, tidemill, ..SavedModel::new(model, scales, self.header.job.clone(), columns) })
    }

    /// Records that have been read and wait for their micro-batch to be full.
    ///
    /// # Errors
    /// A state without a micro-batch.
    pub fn waiting(&self) -> Result<u64> {
        let mut batch = MicroBatch::default();
        self.state.restore(&mut batch)?;
        Ok(batch.rows as u64)
    }

    fn note(&self, path: &Path) -> Result<String> {
        let stands = format!("the model of {}, behind record {}", path.display(), self.header.records);
        Ok(match self.waiting()? {
            0 => stands,
            1 => format!("{stands}; the last of them waits for its micro-batch and has not been learned"),
            waiting => format!("{stands}; the last {waiting} wait for their micro-batch and have not been learned"),
        })
    }
}

fn content(bytes: &[u8]) -> Read<Content> {
    match format_of(bytes)?.as_str() {
        FORMAT => match Checkpoint::from_bytes(bytes) {
            Ok(checkpoint) => Ok(Content::Checkpoint(Box::new(checkpoint))),
            Err(damage) => Err(format!("{}; its folder gives the newest whole one", damage.reason())),
        },
        model::FORMAT => SavedModel::from_bytes(bytes).map(|model| Content::Model(Box::new(model))),
        other => Err(format!("it is a {other}, neither a model nor a checkpoint of tidemill")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bytes_of, example};
    use super::*;

    #[test]
    fn a_table_beyond_all_bounds_is_refused_before_it_is_made() {
        let mut checkpoint = example(1);
        checkpoint.header.settings.hash_bits = 63;
        assert!(checkpoint.model().unwrap_err().to_string().contains("2^63"));
    }

    #[test]
    fn a_file_is_what_it_says_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.model");
        std::fs::write(&path, bytes_of(&example(7))).unwrap();
        assert!(matches!(open(&path).unwrap().content, Content::Checkpoint(found) if found.header.records == 7));
        for (text, reason) in [(&b""[..], "not a safetensors file"), (b"record,probability\n", "not a safetensors")] {
            std::fs::write(&path, text).unwrap();
            assert!(open(&path).unwrap_err().to_string().contains(reason));
        }
        let mut bytes = bytes_of(&example(7));
        let end = bytes.len() - 20;
        bytes[end] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains("checksum") && error.contains("its folder"), "{error}");
    }
}
