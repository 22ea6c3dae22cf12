//! What has to be known before the first record: the columns, the device, the state to start from.

use std::collections::HashMap;

use super::background::{guarded, in_background};
use super::live::{self, LiveInputs};
use super::outlet::Outlet;
use super::stop::Stop;
use super::{columns, resumed, saved, weigh};
use crate::batcher::Batcher;
use crate::batcher::segments::Segments;
use crate::checkpoint::{Checkpoint, Header, Store};
use crate::config::{Every, Plan};
use crate::encoder::label::LabelRule;
use crate::engine::Reopen;
use crate::error::{Error, Result};
use crate::learner::device::{self, DeviceChoice, Job, Opened, Pairs};
use crate::learner::{Model, Settings, Shape, Update};
use crate::online::Online;
use crate::record::{Chunk, Position};
use crate::scaler::Scaler;
use crate::schema::{Feature, Role, Schema};
use crate::source::chunker::Eager;
use crate::source::{self, Reading, Source};
use crate::window::Windows;

/// A model to predict with, or to train on.
#[derive(Debug)]
pub struct Saved {
    /// Its weights.
    pub model: Model,
    /// Its scales, which stand still when predicting.
    pub scaler: Scaler,
    /// The state of its online transforms and of its windows, as named arrays.
    pub online: Vec<(String, Vec<f64>)>,
    /// The columns it learned from.
    pub schema: Schema,
    /// How it read labels.
    pub label: LabelRule,
    /// The unit in which it learned.
    pub update: Update,
    /// The micro-batch in which it learned.
    pub batch: usize,
    /// What the user should know of its use.
    pub note: Option<String>,
}

/// A run before its first record.
pub struct Prepared {
    /// The stream behind `head`.
    pub source: Source,
    /// The first chunk; `None` when there is not even a header, or when the run goes on in the middle.
    pub head: Option<Chunk>,
    /// The columns.
    pub schema: Schema,
    /// The columns whose role was inferred.
    pub inferred: Vec<(String, Role)>,
    /// How to learn, or how the model to predict with has learned.
    pub settings: Settings,
    /// Updates that the model has behind it.
    pub first_version: u64,
    /// The backend.
    pub opened: Opened,
    /// Scales and micro-batches.
    pub batcher: Batcher,
    /// What opens the backend again on a changed model.
    pub reopen: Reopen,
}

/// What learns, before the first record.
struct Begun {
    settings: Settings,
    first_version: u64,
    opened: Opened,
    batcher: Batcher,
}

/// What the flow takes from here: the stream, its columns, where results go and how often checkpoints are written.
pub(super) struct Ready<'a> {
    pub source: Source,
    pub head: Option<Chunk>,
    pub schema: &'a Schema,
    pub settings: Settings,
    /// Whether the learner makes the products of any two features.
    pub leaves_pairs: bool,
    pub outlet: Outlet,
    pub checkpoints: Option<(Every, Header, Store)>,
}

/// What opens a backend.
pub(super) type Open<'a> = &'a mut dyn FnMut(Job) -> Result<Opened>;

/// Opens the inputs, looks at the first chunk, and opens the backend.
///
/// # Errors
/// Inputs, columns or a device that the plan cannot be run with; a stop before there was a first chunk.
pub fn prepare(plan: &Plan, saved: Option<Saved>, stop: &Stop) -> Result<Prepared> {
    prepare_on(plan, saved, (stop, None), &mut |job| device::open(&plan.device, job))
}

/// The same on whatever `open` opens.
pub(super) fn prepare_on(
    plan: &Plan,
    saved: Option<Saved>,
    (stop, live): (&Stop, Option<&LiveInputs>),
    open: Open<'_>,
) -> Result<Prepared> {
    // A model knows its columns; without one they are inferred from the first chunk.
    let eager = if saved.is_some() { Eager::Always } else { live::eager(plan) };
    if let (Some(live), true) = (live, saved.is_some()) {
        live.know_columns();
    }
    let reading = Reading { format: plan.format, eager, fingerprints: plan.checkpoint.is_some(), chunk: source::CHUNK };
    let mut source = Source::new(plan.inputs.clone(), reading).living(live.map(LiveInputs::living));
    let opening = in_background(move || guarded("reading", || Ok((source.next_chunk(Chunk::default())?, source))));
    let (head, mut source) = stop.wait_for(&opening)??;
    let nothing = Chunk::default();
    let seen = head.as_ref().unwrap_or(&nothing);
    let (schema, inferred) = match &saved {
        None => columns::inferred(plan, seen)?,
        Some(saved) => (columns::of_model(plan, &saved.schema, seen)?, Vec::new()),
    };
    live.iter().for_each(|live| live.know_columns());
    let features = weigh::features_of_a_record(&schema, seen);
    // One feature a column is what chunks are made for.
    source.fit(seen.text(), if schema.features.is_empty() { 0 } else { features });
    source.keep(&schema.reading())?;
    let Begun { settings, first_version, opened, batcher } = begin(plan, saved, &schema, features, open)?;
    let reopen = reopening(&opened, features);
    Ok(Prepared { source, head, schema, inferred, settings, first_version, opened, batcher, reopen })
}

/// A run whose records are handed in, before the first of them.
pub struct Given {
    /// The columns.
    pub schema: Schema,
    /// The columns whose role was inferred.
    pub inferred: Vec<(String, Role)>,
    /// How to learn.
    pub settings: Settings,
    /// The backend.
    pub opened: Opened,
    /// Scales and micro-batches.
    pub batcher: Batcher,
}

/// Finds the columns in the beginning of a stream that is handed in, or takes those of the model as they are, and opens
/// the backend; no input is read.
///
/// # Errors
/// Columns or a device that the plan cannot be run with.
pub fn prepare_given(plan: &Plan, saved: Option<Saved>, beginning: &Chunk) -> Result<Given> {
    let (schema, inferred) = match &saved {
        None => columns::inferred(plan, beginning)?,
        Some(saved) => (saved.schema.clone(), Vec::new()),
    };
    let features = weigh::features_of_a_record(&schema, beginning);
    let open: Open<'_> = &mut |job| device::open(&plan.device, job);
    let Begun { settings, opened, batcher, .. } = begin(plan, saved, &schema, features, open)?;
    Ok(Given { schema, inferred, settings, opened, batcher })
}

/// The state that the first record meets: a new model's, or that of a saved one.
fn begin(plan: &Plan, saved: Option<Saved>, schema: &Schema, features: usize, open: Open<'_>) -> Result<Begun> {
    let frozen = plan.settings.frozen;
    let learned = saved.as_ref().filter(|_| frozen).map(|saved| (saved.update, saved.batch));
    let online = Online::new(schema);
    let online = match (online, &saved) {
        (Some(online), Some(saved)) => Some(online.with_arrays(&saved.online).ok_or_else(saved::damaged_scales)?),
        (online, _) => online,
    };
    let windows = match (Windows::new(schema), &saved) {
        (Some(windows), Some(saved)) => Some(windows.with_arrays(&saved.online).ok_or_else(saved::damaged_windows)?),
        (windows, _) => windows,
    };
    let (model, scaler) = match saved {
        Some(saved) => reordered(saved, schema),
        None => expecting(plan.prior, fresh(&plan.settings, schema)),
    };
    let settings = Settings { frozen, ..settings_of(&plan.settings, &model) };
    let first_version = model.updates;
    // What the engine adds behind the encoder is in no cross.
    let adds = online.as_ref().is_some_and(Online::adds_features);
    let can_leave = !plan.names && !frozen && !adds && Feature::are_any_pairs(&schema.features);
    let pairs = if can_leave { Pairs::Welcome } else { Pairs::Made };
    let opened = open(Job { model, settings, features, pairs })?;
    let batcher =
        Batcher::new(settings.batch, schema.dense_stride(), scaler, !frozen).with(online).with_windows(windows);
    let batcher = telling_apart(batcher, plan, schema)?;
    let (update, batch) = learned.unwrap_or((settings.update, settings.batch));
    let settings = Settings { update, batch, ..settings };
    Ok(Begun { settings, first_version, opened, batcher })
}

/// Opens the inputs where a checkpoint left them, and the backend on its model.
///
/// # Errors
/// Inputs that are not those that were read, or a device that cannot go on; a stop before they had been compared.
pub(super) fn prepare_again(
    plan: &Plan,
    checkpoint: &Checkpoint,
    (stop, live): (&Stop, Option<&LiveInputs>),
) -> Result<Prepared> {
    let Checkpoint { header, state } = checkpoint;
    let (mut position, schema) = (Position::default(), header.schema.clone());
    state.restore(&mut position)?;
    let begun = position.places.last().map_or(0, |place| place.source as usize + 1);
    resumed::check_order(header, begun, plan)?;
    let (format, chunk) = (schema.format, header.chunk_bytes);
    let eager = if live.is_some() { Eager::Always } else { Eager::AfterFirst };
    let reading = Reading { format, eager, fingerprints: true, chunk };
    let (inputs, living) = (plan.inputs.clone(), live.map(LiveInputs::living));
    live.iter().for_each(|live| live.go_on_with(&schema));
    let opening = in_background(move || guarded("reading", || Source::resume(inputs, reading, &position, living)));
    let mut source = stop.wait_for(&opening)??;
    source.keep(&schema.reading())?;
    let (mut model, scaler) = fresh(&header.settings, &schema);
    state.restore(&mut model)?;
    let features = weigh::columns_of_text(&schema);
    let pairs = if header.leaves_pairs { Pairs::LeftOut } else { Pairs::Made };
    let job = Job { model, settings: header.settings, features, pairs };
    let opened = device::open(&resumed::device(plan, header), job)?;
    let batcher = Batcher::new(header.settings.batch, schema.dense_stride(), scaler, true)
        .with(Online::new(&schema))
        .with_windows(Windows::new(&schema));
    Ok(Prepared {
        source,
        head: None,
        batcher: telling_apart(batcher, plan, &schema)?,
        schema,
        inferred: header.inferred.clone(),
        settings: header.settings,
        first_version: header.first_version,
        reopen: reopening(&opened, features),
        opened,
    })
}

/// What opens a backend like `opened` on another model; where its device was lost, the CPU's.
fn reopening(opened: &Opened, features: usize) -> Reopen {
    let choice = DeviceChoice::that_was(&opened.device);
    let pairs = if opened.makes_pairs { Pairs::LeftOut } else { Pairs::Made };
    Box::new(move |model, settings, lost| {
        let choice = if lost.is_some() { &DeviceChoice::Cpu } else { &choice };
        Ok(device::open(choice, Job { model, settings, features, pairs })?.learner)
    })
}

/// The batcher with what metrics by windows and segments need.
fn telling_apart(batcher: Batcher, plan: &Plan, schema: &Schema) -> Result<Batcher> {
    let is_asked = plan.keeps_course || plan.drift.is_some() && !plan.settings.frozen;
    let tells_time = is_asked && schema.time.is_some();
    let Some(windows) = &plan.windows else { return Ok(batcher.telling_apart(None, tells_time)) };
    if windows.need_time() && schema.time.is_none() {
        return Err(Error::usage(
            "--metrics-every with a time needs the event time: name its column with --time COLUMN, or write a number of \
             records",
        ));
    }
    let columns = schema.segments.iter().map(|segment| segment.column.clone()).collect();
    Ok(batcher.telling_apart(Segments::new(columns, windows.most), windows.need_time() || tells_time))
}

/// A new model that starts from this share of positives.
fn expecting(prior: Option<f64>, (model, scaler): (Model, Scaler)) -> (Model, Scaler) {
    match prior {
        Some(share) => (model.with_prior(share), scaler),
        None => (model, scaler),
    }
}

fn fresh(settings: &Settings, schema: &Schema) -> (Model, Scaler) {
    let shape = Shape { numeric: schema.dense(), hash_bits: settings.hash_bits };
    (Model::new(shape, settings.optimizer, settings.penalty), Scaler::new(schema.dense_stride()))
}

/// The model with its dense numbers in the order of the input: a weight and a scale are found by their place in a row.
fn reordered(saved: Saved, schema: &Schema) -> (Model, Scaler) {
    let (known, stride) = (saved.schema.dense_names(), saved.schema.dense_stride());
    let place: HashMap<_, _> = known.iter().zip(0..).collect();
    let mut from: Vec<usize> = schema.dense_names().iter().filter_map(|name| place.get(name).copied()).collect();
    from.extend(from.len()..stride);
    let weights = |array: &[f32]| from.iter().map(|&at| array[at]).collect();
    let (dense_a, dense_b) = (weights(&saved.model.dense_a), weights(&saved.model.dense_b));
    let mut scales = saved.scaler.arrays();
    for (_, array) in scales.iter_mut().filter(|(_, array)| array.len() == from.len()) {
        *array = from.iter().map(|&at| array[at]).collect();
    }
    let scaler = Scaler::from_arrays(from.len(), &scales).unwrap_or(saved.scaler);
    (Model { dense_a, dense_b, ..saved.model }, scaler)
}

/// A saved model says itself by which rule its slots are to be read.
fn settings_of(settings: &Settings, model: &Model) -> Settings {
    Settings { optimizer: model.optimizer, penalty: model.penalty, hash_bits: model.hash_bits, ..*settings }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::stride;
    use crate::learner::{Optimizer, Penalty};
    use crate::schema::Column;

    /// The weight of each dense number of a model, by its name.
    fn weights<'a>(schema: &Schema, weights: &'a [f32]) -> HashMap<String, &'a f32> {
        schema.dense_names().into_iter().zip(weights).collect()
    }

    #[test]
    fn weights_and_scales_follow_the_names_of_numbers_that_features_make() {
        let section = "kind = 'polynomial'\ncolumns = ['a', 'b']";
        let schema = |names: &[&str]| {
            let column = |name: &&str| Column { name: (*name).into(), role: Role::Numeric, log: false };
            let features = vec![toml::from_str(section).unwrap()];
            Schema { columns: names.iter().map(column).collect(), features, ..Schema::default() }
        };
        let (old, new) = (schema(&["a", "c", "b"]), schema(&["b", "a", "c"]));
        let shape = Shape { numeric: old.dense(), hash_bits: 2 };
        let mut model = Model::new(shape, Optimizer::AdaGrad { learning_rate: 0.1 }, Penalty::NONE);
        let width = stride(shape.numeric);
        model.dense_a = (0..width).map(|at| at as f32).collect();
        let mut scaler = Scaler::new(width);
        scaler.learn(&model.dense_a, &mut vec![0.0; width]);
        let before = model.dense_a.clone();
        let (label, update) = (LabelRule::Inferred, Update::Record);
        let saved =
            Saved { model, scaler, schema: old.clone(), label, update, batch: 1, online: Vec::new(), note: None };
        let (model, scaler) = reordered(saved, &new);
        assert_eq!(weights(&old, &before), weights(&new, &model.dense_a));
        assert_ne!(before, model.dense_a);
        let means = &scaler.arrays()[1].1[..5];
        assert_eq!(means, model.dense_a[..5].iter().map(|&mean| f64::from(mean)).collect::<Vec<_>>());
    }
}
