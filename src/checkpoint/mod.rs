//! Checkpoints: takes a run's state between two chunks and what it belongs to, gives one file, and gives both back.
//!
//! A file is safetensors with a checksum at its end: the words of [`Header`], and the arrays that the engine's parts
//! have put into a [`State`]. It holds all that learning goes on from, so that it can stand for a model too. What is
//! damaged, of another version or another program is refused with the reason. Siblings: [`store`], the folder, and
//! [`stored`], what a path stands for.
//!
//! Metadata: `format`, `version` (of the layout), `tidemill` (which wrote it) and `checkpoint`, the [`Header`] as JSON.
//! Arrays, one dimension each, named after the part that saved them:
//!
//! | part | arrays |
//! |---|---|
//! | `scaler` | `rows`; by numeric column `count`, `shift`, `sum`, `squares` |
//! | `duplicates` | where asked for: `key` and `place` of the keys that came, the longest ago first; `forgotten` |
//! | `numbers` | where asked for: by column that is not standardised `count`, `sum`, `low`, `high` |
//! | `categories` | where asked for: by imputed column `len`, `most`; of all of them `hash`, `count` |
//! | `quantiles` | where asked for: by column `count`, `levels`; by level `len`, `second`; of all of them `values` |
//! | `windows` | where asked for: by section `N.keys` (hash, latest record, clock), `N.lengths`, `N.buckets`, `N.label_lengths`, `N.label_buckets`, `N.distinct`, `N.totals` |
//! | `labels` | `settled`: how negatives are written, the first record that told it, the first 1 |
//! | `micro_batch` | the records that wait: `rows`, `dense`, `row_start`, `hash`, `value`, `label`, `weight`, `record`, `id`, `id_end`; where asked for `time`, `segment`, and `stage`, `truth`, `open` (labels that come late) |
//! | `event_clock` | where event times are read: `times` (bound, earliest, latest, the most by which one was late), `counts` |
//! | `reorder` | where records are put in order: of those that are held the fields of their rows, `record`, `bytes`; `hurried` |
//! | `late_labels` | where labels come late: `now`, `counts` of what was waited for; behind it `open_rows`, or `joining` with `join` and `join_keys` |
//! | `open_rows` | rows whose labels are not known yet, spilled ones too: bytes as `src/join/row.rs` writes them, with when they are due |
//! | `scoring` | where outcomes are joined: `first`, `logits` of impressions that are not scored yet |
//! | `model` | `shape`, `steps`, `bias`, `dense_a`, `dense_b`; of the table only what has been touched: `table`, `touched` (a bit each) |
//! | `metrics` | `total.*`, `since_last.*`, `auc` with `auc_bins` (bins in use), `last` |
//! | `explosion` | `window`, `sums`, `found`, `found_log_loss` |
//! | `counts` | `records` (with rejected ones and bytes), `left_out` (where any were), `by_reason`, `best_loss`, `best_loss_records` |
//! | `dictionary`, `traffic` | `kept`; names met most: `records`, and by name `name`, `name_end`, `hash`, `count`, `error`, `space` in `namespace` |
//! | `distinct` | features of a part of the slots: `level` (behind the bits of a hash), by feature `hash`, `space` in `namespace` |
//! | `segments` | where asked for: `columns`, `counts` (values told apart, values that were not), by value `met`, column in `of` |
//! | `metric_windows` | where asked for: `counts`, `times`, `kinds`, by open window `open`, its `segments`; `totals`; of all of them `cells.*` |
//! | `course` | where a report is asked for: `behind`; over `records` and over `times` `*.step`, `*.index` of the stretches, and their figures as in `metric_windows` |
//! | `drift`, `adwin`, `page_hinkley` | where asked for: `counts`, `alarms` and their `means`; what each detector remembers |
//! | `step` | while the learning rate is raised: `factor`, `left` |
//! | `trial`, `trial_model` | while a second learner is tried: `labelled`, `losses`; its model, as `model` |
//! | `position` | `places`: input, offset, and what the fingerprint before it covers |
//!
//! `checksum` is the last array: XXH3 of every byte before it. Files of earlier layouts are kept in `tests/formats/`.

pub mod store;
pub mod stored;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::encoder::label::LabelRule;
use crate::error::{Error, ErrorKind, Result};
use crate::learner::Settings;
use crate::schema::{Role, Schema};
use crate::sink::output::Written;
use crate::sink::tensors::{self, Metadata, Read, Tensor, not_whole};
use crate::snapshot::{Array, Kind, State};
pub use store::Store;

/// The word that marks a file as ours.
const FORMAT: &str = "tidemill-checkpoint";
/// Version of the layout that is written.
pub const VERSION: &str = "1";

/// A run as it stands between two chunks.
#[derive(Debug)]
pub struct Checkpoint {
    /// What it belongs to.
    pub header: Header,
    /// What the engine remembers.
    pub state: State,
}

/// What a checkpoint belongs to, and what is outside the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the program that wrote it.
    pub tidemill: String,
    /// Records read so far, rejected ones among them.
    pub records: u64,
    /// Progressive log loss so far, in nats.
    pub log_loss: Option<f64>,
    /// The options that the weights follow from.
    pub job: Value,
    /// The options by which metrics are told apart; null in files from before there were any.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub told_apart: Value,
    /// How it is learned.
    pub settings: Settings,
    /// How labels are read.
    pub label: LabelRule,
    /// The columns.
    pub schema: Schema,
    /// The columns whose role was inferred.
    pub inferred: Vec<(String, Role)>,
    /// The inputs by name, in order.
    pub inputs: Vec<String>,
    /// Bytes of a chunk, about.
    pub chunk_bytes: usize,
    /// How far the predictions have been written, where they are.
    pub predictions: Option<Written>,
    /// How far the rejected records have been written, where they are.
    pub rejected: Option<Written>,
    /// How far the metrics by windows have been written, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Written>,
    /// How far the alarms have been written, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Written>,
    /// How far the records that were left out have been written, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Written>,
    /// Updates that the model had behind it when the run started.
    pub first_version: u64,
    /// Seconds that the run has taken so far.
    pub elapsed_s: f64,
    /// What learned: `cpu`, or the name of an adapter.
    pub device: String,
    /// Whether the products of any two features are left to the learner, in what waits for its micro-batch to be full too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaves_pairs: bool,
}

impl Checkpoint {
    /// Writes it to anything.
    ///
    /// # Errors
    /// What writing fails with.
    pub fn write_to(&self, to: &mut dyn Write) -> io::Result<()> {
        let header = serde_json::to_string(&self.header)?;
        let metadata = [
            ("format", FORMAT.to_owned()),
            ("version", VERSION.to_owned()),
            ("tidemill", self.header.tidemill.clone()),
            ("checkpoint", header),
        ];
        let mut arrays: Vec<&Array> = self.state.arrays().iter().collect();
        arrays.sort_by_key(|array| std::cmp::Reverse(array.kind.size())); // stable: the widest first
        tensors::write_sealed(to, &metadata, arrays.into_iter().map(tensor).collect())
    }

    /// Takes a file apart.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, Damage> {
        let is_intact = tensors::is_intact(bytes);
        let metadata = Metadata::of(bytes, FORMAT, VERSION)
            .map_err(|reason| if is_intact { Damage::Foreign(reason) } else { Damage::of_bytes(reason) })?;
        if !is_intact {
            return Err(Damage::Broken("its checksum is not that of its bytes: it was damaged or cut short".into()));
        }
        version_1(bytes, &metadata).map_err(Damage::Foreign)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// A file that is not there or cannot be used, with the reason.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let bytes = std::fs::read(path)
            .map_err(|cause| Error::input(format!("cannot read the checkpoint {name}")).because(cause))?;
        Self::from_bytes(&bytes)
            .map_err(|damage| Error::input(format!("cannot use the checkpoint {name}: {}", damage.reason())))
    }

    /// Sees to it that every weight and scale is a finite number: from others nothing can be learned on.
    ///
    /// # Errors
    /// A diverged model.
    pub fn check_finite(&self) -> Result<()> {
        match self.not_finite() {
            None => Ok(()),
            Some(name) => Err(Error::new(
                ErrorKind::Diverged,
                format!(
                    "not writing a checkpoint of a model that has diverged (`{name}` holds what is not a finite \
                     number): start again with a smaller --learning-rate"
                ),
            )),
        }
    }

    /// The first array of weights or scales that holds what is not a finite number.
    fn not_finite(&self) -> Option<&str> {
        let learned = |array: &&Array| array.name.starts_with("model/") || array.name.starts_with("scaler/");
        let found = self.state.arrays().iter().filter(learned).find(|array| !is_finite(array));
        found.map(|array| array.name.as_str())
    }
}

impl Header {
    /// Time that the run has taken so far.
    pub fn elapsed(&self) -> Duration {
        Duration::try_from_secs_f64(self.elapsed_s).unwrap_or_default()
    }
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// It is not what was written.
    Broken(String),
    /// It is what was written, by something or somebody else.
    Foreign(String),
}

impl Damage {
    /// The reason, for a message.
    pub fn reason(&self) -> &str {
        match self {
            Self::Broken(reason) | Self::Foreign(reason) => reason,
        }
    }

    /// Of a file whose checksum is wrong too.
    fn of_bytes(reason: String) -> Self {
        if reason.contains("version") { Self::Foreign(reason) } else { Self::Broken(reason) }
    }
}

/// The first layout: it stays when others come.
fn version_1(bytes: &[u8], metadata: &Metadata) -> Read<Checkpoint> {
    let header = metadata.json("checkpoint")?;
    let tensors = SafeTensors::deserialize(bytes).map_err(not_whole)?;
    let mut named: Vec<_> = tensors.iter().filter(|(name, _)| name.contains('/')).collect();
    named.sort_by_key(|(_, view)| view.data().as_ptr());
    let mut state = State::default();
    for (name, view) in named {
        state.push(array(name, &view)?);
    }
    check_agreement(&header, &state)?;
    Ok(Checkpoint { header, state })
}

/// Sees to it that the header says nothing else than the arrays, and that a run can go on from it; an array that is
/// missing is named where it is needed.
fn check_agreement(header: &Header, state: &State) -> Read<()> {
    let first = |name: &str| {
        let array = state.arrays().iter().find(|array| array.name == name && array.kind == Kind::U64)?;
        array.bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    };
    let holds = [
        ("records", first("counts/records").is_none_or(|records| records == header.records)),
        ("first_version", first("model/steps").is_none_or(|updates| updates >= header.first_version)),
        ("batch", header.settings.batch > 0),
        ("chunk_bytes", header.chunk_bytes > 0),
    ];
    match holds.into_iter().find(|(_, holds)| !holds) {
        None => Ok(()),
        Some((name, _)) => Err(format!("its metadata `{name}` does not fit its arrays")),
    }
}

fn tensor(array: &Array) -> Tensor<'_> {
    Tensor {
        name: array.name.clone(),
        kind: array.kind,
        shape: vec![array.bytes.len() / array.kind.size()],
        bytes: array.bytes.as_slice().into(),
    }
}

fn array(name: &str, view: &TensorView<'_>) -> Read<Array> {
    let found = view.dtype().to_string();
    let kind = Kind::ALL.into_iter().find(|&kind| tensors::dtype(kind) == found);
    let kind = kind.ok_or_else(|| format!("its array `{name}` has elements of an unknown kind, {found}"))?;
    Ok(Array { name: name.to_owned(), kind, bytes: view.data().to_vec() })
}

fn is_finite(array: &Array) -> bool {
    let single = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes) & 0x7f80_0000 != 0x7f80_0000;
    let double = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes) & 0x7ff0_0000_0000_0000 != 0x7ff0_0000_0000_0000;
    match array.kind {
        // Without a way out of the loop it runs many lanes wide.
        Kind::F32 => array.bytes.as_chunks().0.iter().fold(true, |all, bytes| all & single(bytes)),
        Kind::F64 => array.bytes.as_chunks().0.iter().fold(true, |all, bytes| all & double(bytes)),
        _ => true,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::learner::{Optimizer, Penalty, Update};
    use crate::scaler::Scaler;

    pub(crate) fn example(records: u64) -> Checkpoint {
        let settings = Settings {
            update: Update::Record,
            optimizer: Optimizer::AdaGrad { learning_rate: 0.1 },
            penalty: Penalty::NONE,
            batch: 256,
            hash_bits: 10,
            frozen: false,
        };
        let header = Header {
            tidemill: "0.1.0".into(),
            records,
            log_loss: Some(0.5),
            job: serde_json::json!({"learner": {"learning_rate": 0.1}}),
            told_apart: Value::Null,
            settings,
            label: LabelRule::Inferred,
            schema: Schema {
                columns: Vec::new(),
                format: crate::schema::Format::Csv,
                header: true,
                ..Schema::default()
            },
            inferred: vec![("x".into(), Role::Numeric)],
            inputs: vec!["a.csv".into()],
            chunk_bytes: 1 << 18,
            predictions: Some(Written::Bytes(77)),
            rejected: Some(Written::Stream),
            metrics: None,
            alerts: None,
            side: None,
            first_version: 0,
            elapsed_s: 1.5,
            device: "cpu".into(),
            leaves_pairs: false,
        };
        let mut state = State::default();
        let mut scaler = Scaler::new(16);
        scaler.learn(&[1.5; 16], &mut [0.0; 16]);
        state.save(&scaler);
        Checkpoint { header, state }
    }

    pub(crate) fn bytes_of(checkpoint: &Checkpoint) -> Vec<u8> {
        let mut bytes = Vec::new();
        checkpoint.write_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let written = example(1000);
        let read = Checkpoint::from_bytes(&bytes_of(&written)).unwrap();
        assert_eq!(read.header, written.header);
        for array in written.state.arrays() {
            assert!(read.state.arrays().contains(array), "{}", array.name);
        }
        assert_eq!(read.state.arrays().len(), written.state.arrays().len());
    }

    #[test]
    fn every_flipped_bit_and_every_missing_end_is_found() {
        let bytes = bytes_of(&example(1000));
        for at in (0..bytes.len() * 8).step_by(7) {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(Checkpoint::from_bytes(&flipped).is_err(), "bit {at}");
        }
        for length in (0..bytes.len()).step_by(11) {
            assert!(matches!(Checkpoint::from_bytes(&bytes[..length]), Err(Damage::Broken(_))), "{length} bytes");
        }
    }

    #[test]
    fn another_version_and_another_program_are_named() {
        let text = bytes_of(&example(1));
        let with = |from: &str, to: &str| {
            let at = text.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
            let mut text = [&text[..at], to.as_bytes(), &text[at + from.len()..]].concat();
            let end = text.len() - 8;
            text.truncate(end);
            use std::hash::Hasher as _;
            let mut hasher = twox_hash::xxhash3_64::Hasher::new();
            hasher.write(&text);
            text.extend(hasher.finish().to_le_bytes());
            Checkpoint::from_bytes(&text).unwrap_err()
        };
        let newer = with("\"version\":\"1\"", "\"version\":\"2\"");
        assert!(matches!(&newer, Damage::Foreign(why) if why.contains("version 2") && why.contains("reads version 1")));
        let other = with("tidemill-checkpoint", "tidemill-checkpaint");
        assert!(matches!(&other, Damage::Foreign(why) if why.contains("not a tidemill-checkpoint")));
    }

    #[test]
    fn a_header_that_does_not_fit_the_arrays_is_refused() {
        let reason = |change: &dyn Fn(&mut Header)| {
            let mut checkpoint = example(10);
            for (name, number) in [("counts/records", 10_u64), ("model/steps", 8)] {
                let bytes = number.to_le_bytes().to_vec();
                checkpoint.state.push(Array { name: name.into(), kind: Kind::U64, bytes });
            }
            change(&mut checkpoint.header);
            Checkpoint::from_bytes(&bytes_of(&checkpoint)).err()
        };
        assert_eq!(reason(&|header| header.first_version = 8), None);
        let foreign = |name: &str| Some(Damage::Foreign(format!("its metadata `{name}` does not fit its arrays")));
        assert_eq!(reason(&|header| header.records = 11), foreign("records"));
        assert_eq!(reason(&|header| header.first_version = 9), foreign("first_version"));
        assert_eq!(reason(&|header| header.settings.batch = 0), foreign("batch"));
        assert_eq!(reason(&|header| header.chunk_bytes = 0), foreign("chunk_bytes"));
    }

    #[test]
    fn a_model_that_has_diverged_is_refused() {
        let mut checkpoint = example(1);
        checkpoint.check_finite().unwrap();
        checkpoint.state.push(Array {
            name: "model/table".into(),
            kind: Kind::F32,
            bytes: f32::NAN.to_le_bytes().to_vec(),
        });
        let error = checkpoint.check_finite().unwrap_err().to_string();
        assert!(error.contains("diverged") && error.contains("--learning-rate"), "{error}");
    }
}
