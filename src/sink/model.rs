//! The model file: takes a model with its scales and its job, gives one safetensors file, and reads it back.
//!
//! Beside the optimizer's slots, which learning goes on from, it holds the effective weights, which any program that
//! reads safetensors can use as they are. The same model gives the same bytes. It never computes a weight.
//! A file is replaced as a whole or not at all, and read with every size and number checked.

use std::io::{self, Write};
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use super::output;
use super::tensors::{self, Metadata, Read, Tensor, not_whole};
use crate::dictionary::known::Known;
use crate::error::{Error, ErrorKind, Result};
use crate::examples::stride;
use crate::learner::optimizer::smaller_step;
use crate::learner::{Model, Optimizer, Penalty};
use crate::snapshot::Kind;

/// The word that marks a file as ours.
pub const FORMAT: &str = "tidemill-model";

/// Version of the file's layout, written and understood.
pub const VERSION: &str = "1";

/// In front of the names of the scales' tensors.
const SCALER: &str = "scaler.";

/// A model with what it takes to use it again.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedModel {
    /// Weights and slots.
    pub model: Model,
    /// State of the running scales, as named arrays in an order that is kept.
    pub scaler: Vec<(String, Vec<f64>)>,
    /// The job it was trained by.
    pub job: Value,
    /// The columns it was trained on.
    pub schema: Value,
    /// What is known of its features by name.
    pub names: Option<Known>,
    /// Version of the program that wrote it.
    pub tidemill: String,
}

impl SavedModel {
    /// A model to be saved by this version of the program.
    pub fn new(model: Model, scaler: Vec<(String, Vec<f64>)>, job: Value, schema: Value) -> Self {
        Self { model, scaler, job, schema, names: None, tidemill: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Writes the file under a temporary name beside `path`, then renames it.
    ///
    /// # Errors
    /// A file that cannot be written, or a weight that is not finite: such a model would predict nothing.
    ///
    /// ```
    /// use tidemill::learner::{Model, Optimizer, Penalty, Shape};
    /// use tidemill::sink::model::SavedModel;
    /// let adagrad = Optimizer::AdaGrad { learning_rate: 0.1 };
    /// let model = Model::new(Shape { numeric: 2, hash_bits: 4 }, adagrad, Penalty::NONE);
    /// let saved = SavedModel::new(model, vec![("mean".into(), vec![0.5, 1.5])], "job".into(), "schema".into());
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("clicks.model");
    /// saved.write(&path)?;
    /// assert_eq!(SavedModel::read(&path)?, saved);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self, path: &Path) -> Result<()> {
        if !is_finite(&self.model) || !self.scaler.iter().all(|(_, values)| values.iter().all(|x| x.is_finite())) {
            let rate = self.model.optimizer.learning_rate();
            let message = format!(
                "learning diverged: the model {} is not written, since its weights are not finite numbers; {} instead \
                 of {rate}",
                path.display(),
                smaller_step(rate)
            );
            return Err(Error::new(ErrorKind::Diverged, message));
        }
        output::replace(path, |to| self.write_to(to))
    }

    /// Reads a file that [`SavedModel::write`] has written.
    ///
    /// # Errors
    /// A file that cannot be read, is no model of this program, has another version of the layout, is truncated, or
    /// holds arrays of the wrong size or numbers that are not finite; the message says which.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|cause| Error::input(format!("cannot read the model {name}")).because(cause))?;
        Self::from_bytes(&bytes).map_err(|reason| Error::input(format!("cannot use the model {name}: {reason}")))
    }

    fn write_to(&self, to: &mut dyn Write) -> io::Result<()> {
        tensors::write(to, &self.metadata()?, &tensors(self))
    }

    /// Text by name, as safetensors has it. Parameters pass through [`Value`], which holds an `f32` without rounding.
    fn metadata(&self) -> io::Result<Vec<(&'static str, String)>> {
        let model = &self.model;
        let names: Vec<&str> = self.scaler.iter().map(|(name, _)| name.as_str()).collect();
        let known = self.names.as_ref().map(serde_json::to_string).transpose()?;
        let words = [
            ("format", FORMAT.to_owned()),
            ("version", VERSION.to_owned()),
            ("tidemill", self.tidemill.clone()),
            ("optimizer", serde_json::to_value(model.optimizer)?.to_string()),
            ("penalty", serde_json::to_value(model.penalty)?.to_string()),
            ("updates", model.updates.to_string()),
            ("learned", model.learned.to_string()),
            ("scaler", json!(names).to_string()),
            ("job", self.job.to_string()),
            ("schema", self.schema.to_string()),
        ];
        Ok(words.into_iter().chain(known.map(|known| ("features", known))).collect())
    }

    /// Takes a file apart.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn from_bytes(bytes: &[u8]) -> Read<Self> {
        let metadata = Metadata::of(bytes, FORMAT, VERSION)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(not_whole)?;
        let model = read_model(&tensors, &metadata)?;
        let names: Vec<String> = metadata.json("scaler")?;
        let scaler = names.into_iter().map(|name| {
            let values = doubles(&tensors, &format!("{SCALER}{name}"))?;
            Ok((name, values))
        });
        Ok(Self {
            model,
            scaler: scaler.collect::<Read<_>>()?,
            job: metadata.json("job")?,
            schema: metadata.json("schema")?,
            names: metadata.json_if_there("features")?,
            tidemill: metadata.text("tidemill")?.to_owned(),
        })
    }
}

fn is_finite(model: &Model) -> bool {
    let dense = model.dense_a.iter().chain(&model.dense_b).chain(&model.bias);
    dense.chain(model.table.as_flattened()).all(|x| x.is_finite())
}

/// All arrays, doubles first.
fn tensors(saved: &SavedModel) -> Vec<Tensor<'_>> {
    let model = &saved.model;
    let width = model.dense_a.len();
    let slots = [model.dense_a.as_slice(), &model.dense_b].concat();
    let scaler = saved.scaler.iter().map(|(name, values)| Tensor {
        name: format!("{SCALER}{name}"),
        kind: Kind::F64,
        shape: vec![values.len()],
        bytes: bytemuck::cast_slice(values).into(),
    });
    let weights = [
        singles("dense.weight", &[model.numeric], model.dense_weights()),
        singles("bias", &[1], vec![model.bias_weight()]),
        singles("hashed.weight", &[model.table.len()], model.hashed_weights()),
        singles("dense.slots", &[2, width], slots),
        singles("bias.slots", &[2], model.bias.to_vec()),
        Tensor {
            name: "hashed.slots".into(),
            kind: Kind::F32,
            shape: vec![model.table.len(), 2],
            bytes: bytemuck::cast_slice(&model.table).into(),
        },
    ];
    scaler.chain(weights).collect()
}

fn singles(name: &str, shape: &[usize], values: Vec<f32>) -> Tensor<'static> {
    let bytes = bytemuck::pod_collect_to_vec(&values).into();
    Tensor { name: name.to_owned(), kind: Kind::F32, shape: shape.to_vec(), bytes }
}

fn read_model(tensors: &SafeTensors, metadata: &Metadata) -> Read<Model> {
    let numeric = shape(tensors, "dense.weight")?.first().copied().unwrap_or(0);
    let buckets = shape(tensors, "hashed.slots")?.first().copied().unwrap_or(0);
    if !buckets.is_power_of_two() {
        return Err(format!("its hashed table has {buckets} weights, which is not a power of two"));
    }
    let width = stride(numeric);
    floats(tensors, "dense.weight", &[numeric])?;
    floats(tensors, "hashed.weight", &[buckets])?;
    floats(tensors, "bias", &[1])?;
    let mut dense_a = floats(tensors, "dense.slots", &[2, width])?;
    let dense_b = dense_a.split_off(width);
    let bias = floats(tensors, "bias.slots", &[2])?;
    let hashed = floats(tensors, "hashed.slots", &[buckets, 2])?;
    let (optimizer, penalty): (Optimizer, Penalty) = (metadata.json("optimizer")?, metadata.json("penalty")?);
    Ok(Model {
        numeric,
        hash_bits: buckets.trailing_zeros(),
        optimizer,
        penalty,
        dense_a,
        dense_b,
        bias: [bias[0], bias[1]],
        table: bytemuck::cast_vec(hashed),
        updates: metadata.json("updates")?,
        learned: metadata.json("learned")?,
    })
}

fn shape(tensors: &SafeTensors, name: &str) -> Read<Vec<usize>> {
    let tensor = tensors.tensor(name).map_err(|_| format!("it lacks the array `{name}`"))?;
    Ok(tensor.shape().to_vec())
}

/// A tensor of the expected shape whose numbers are all finite.
fn floats(tensors: &SafeTensors, name: &str, expected: &[usize]) -> Read<Vec<f32>> {
    let tensor = tensors.tensor(name).map_err(|_| format!("it lacks the array `{name}`"))?;
    if tensor.shape() != expected || tensor.dtype() != Dtype::F32 {
        let (kind, shape) = (tensor.dtype(), tensor.shape());
        return Err(format!("its array `{name}` is {kind:?} {shape:?}, where F32 {expected:?} belongs"));
    }
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensor.data());
    match values.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(format!("its array `{name}` holds {} at {at}, which is not finite", values[at])),
        None => Ok(values),
    }
}

/// A tensor of doubles in one dimension, all finite.
fn doubles(tensors: &SafeTensors, name: &str) -> Read<Vec<f64>> {
    let tensor = tensors.tensor(name).map_err(|_| format!("it lacks the array `{name}`"))?;
    if tensor.shape().len() != 1 || tensor.dtype() != Dtype::F64 {
        return Err(format!("its array `{name}` is {:?} {:?}, where F64 belongs", tensor.dtype(), tensor.shape()));
    }
    let values: Vec<f64> = bytemuck::pod_collect_to_vec(tensor.data());
    if values.iter().all(|x| x.is_finite()) { Ok(values) } else { Err(format!("its array `{name}` is not finite")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::distinct::Estimate;
    use crate::dictionary::known::Name;
    use crate::learner::Shape;
    use proptest::prelude::*;

    fn optimizer() -> impl Strategy<Value = Optimizer> {
        prop_oneof![
            (1e-6..10.0f32, 0.0..1.0f32).prop_map(|(learning_rate, power_t)| Optimizer::Sgd { learning_rate, power_t }),
            (1e-6..10.0f32).prop_map(|learning_rate| Optimizer::AdaGrad { learning_rate }),
            (1e-6..10.0f32, 0.0..2.0f32).prop_map(|(learning_rate, beta)| Optimizer::Ftrl { learning_rate, beta }),
        ]
    }

    prop_compose! {
        fn saved()(
            numeric in 0..40usize,
            hash_bits in 0..6u32,
            optimizer in optimizer(),
            l1 in 0.0..1.0f32,
            l2 in 0.0..1.0f32,
            slots in prop::collection::vec(-1e9..1e9f32, 256),
            updates: u64,
            learned: u64,
            scaler in prop::collection::vec(("[a-z_]{1,8}", prop::collection::vec(-1e300..1e300f64, 0..9)), 0..3),
            job in ".*",
            names in prop::option::of(prop::collection::vec((".*", any::<u32>(), any::<u64>(), 0.0..1.0f64), 0..3)),
        ) -> SavedModel {
            let mut model = Model::new(Shape { numeric, hash_bits }, optimizer, Penalty { l1, l2 });
            let mut slots = slots.into_iter().map(f32::abs).cycle();
            let mut fill = |to: &mut [f32]| to.iter_mut().for_each(|x| *x = slots.next().unwrap());
            fill(&mut model.dense_a[..numeric]);
            fill(&mut model.dense_b[..numeric]);
            fill(&mut model.bias);
            fill(model.table.as_flattened_mut());
            (model.updates, model.learned) = (updates, learned);
            let scaler = scaler.into_iter().enumerate().map(|(i, (name, x))| (format!("{name}{i}"), x)).collect();
            let saved = SavedModel::new(model, scaler, json!({ "text": job }), json!(["age", 3]));
            SavedModel { names: names.map(known), ..saved }
        }
    }

    fn known(names: Vec<(String, u32, u64, f64)>) -> Known {
        let shared = names.iter().map(|(.., share)| Estimate { value: *share, error: share / 3.0 }).next();
        let name = |(name, hash, count, _)| Name { name, hash, count, error: count / 2 };
        let names = names.into_iter().map(name).collect();
        Known { names, shared: shared.unwrap_or_default(), ..Known::default() }
    }

    fn bytes_of(saved: &SavedModel) -> Vec<u8> {
        let mut bytes = Vec::new();
        saved.write_to(&mut bytes).unwrap();
        bytes
    }

    fn example() -> SavedModel {
        let ftrl = Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 };
        let mut model = Model::new(Shape { numeric: 3, hash_bits: 2 }, ftrl, Penalty { l1: 0.5, l2: 0.25 });
        model.dense_a[1] = -2.0;
        model.table[3] = [1.5, 4.0];
        SavedModel::new(model, vec![("mean".into(), vec![0.5; 3])], json!({}), json!({}))
    }

    fn reason(bytes: &[u8]) -> String {
        SavedModel::from_bytes(bytes).unwrap_err()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_read_back_bit_for_bit(saved in saved()) {
            let bytes = bytes_of(&saved);
            let back = SavedModel::from_bytes(&bytes).unwrap();
            prop_assert_eq!(&back, &saved);
            prop_assert_eq!(bytes_of(&back), bytes);
        }

        #[test]
        fn a_file_that_was_cut_short_is_refused(saved in saved(), share in 0.0..1.0f64) {
            let bytes = bytes_of(&saved);
            let cut = (bytes.len() as f64 * share) as usize;
            prop_assert!(reason(&bytes[..cut]).contains("cut short"));
        }

        #[test]
        fn noise_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..400usize) {
            let _ = SavedModel::from_bytes(&bytes);
            let whole = bytes_of(&example());
            bytes.splice(..0, whole[..at.min(whole.len())].iter().copied());
            let _ = SavedModel::from_bytes(&bytes);
        }
    }

    #[test]
    fn the_weights_stand_beside_the_slots_for_other_programs() {
        let (saved, bytes) = (example(), bytes_of(&example()));
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(floats(&tensors, "hashed.weight", &[4]).unwrap(), saved.model.hashed_weights());
        assert_eq!(floats(&tensors, "dense.weight", &[3]).unwrap(), saved.model.dense_weights());
        assert_eq!(doubles(&tensors, "scaler.mean").unwrap(), [0.5; 3]);
        assert_ne!(saved.model.hashed_weights()[3], saved.model.table[3][0]);
    }

    #[test]
    fn a_file_of_another_kind_or_version_is_refused_by_name() {
        assert!(reason(b"record,probability\n1,0.5\n").contains("not a safetensors file"));
        let whole = bytes_of(&example());
        let replaced = |from: &str, to: &str| {
            let text = whole.as_slice();
            let at = text.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            [&text[..at], to.as_bytes(), &text[at + from.len()..]].concat()
        };
        assert!(reason(&replaced("tidemill-model", "tidemill-madel")).contains("not a tidemill-model"));
        assert!(reason(&replaced("\"version\":\"1\"", "\"version\":\"9\"")).contains("version 9"));
        assert!(reason(&replaced("\"learned\":", "\"learnad\":")).contains("lacks `learned`"));
        assert!(reason(&replaced("\"shape\":[4,2]", "\"shape\":[2,4]")).contains("`hashed.weight`"));
        assert!(reason(&replaced("\"shape\":[2,16]", "\"shape\":[32,1]")).contains("`dense.slots`"));
    }

    #[test]
    fn weights_that_are_not_finite_are_neither_written_nor_read() {
        let mut saved = example();
        saved.model.table[1][0] = f32::NAN;
        let folder = tempfile::tempdir().unwrap();
        let error = saved.write(&folder.path().join("model")).unwrap_err().to_string();
        assert!(
            error.contains("diverged") && error.contains("--learning-rate 0.01 (a tenth) instead of 0.1"),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(reason(&bytes_of(&saved)).contains("not finite"));
    }

    #[test]
    fn a_model_that_is_not_there_is_an_input_error() {
        let error = SavedModel::read(Path::new("/nowhere/at.all")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains("/nowhere/at.all"), "{error}");
    }
}
