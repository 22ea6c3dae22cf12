//! What has to be known before the first record: the columns, the device, the state to start from.

use crate::batcher::Batcher;
use crate::config::Plan;
use crate::encoder::infer::{self, Named};
use crate::encoder::label::LabelRule;
use crate::error::{Error, Result};
use crate::learner::device::{self, Opened};
use crate::learner::{Model, Settings, Shape, Update};
use crate::parser::csv;
use crate::record::Chunk;
use crate::scaler::Scaler;
use crate::schema::{Column, Role, Schema};
use crate::source::chunker::Eager;
use crate::source::{Input, Source};

/// A model to predict with.
#[derive(Debug)]
pub struct Saved {
    /// Its weights.
    pub model: Model,
    /// Its scales, which stand still.
    pub scaler: Scaler,
    /// The columns it learned from.
    pub schema: Schema,
    /// How it read labels.
    pub label: LabelRule,
    /// The unit in which it learned.
    pub update: Update,
    /// The micro-batch in which it learned.
    pub batch: usize,
}

/// A run before its first record.
pub struct Prepared {
    /// The stream behind `head`.
    pub source: Source,
    /// The first chunk; `None` when there is not even a header.
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
}

/// Opens the inputs, looks at the first chunk, and opens the backend.
///
/// # Errors
/// Inputs, columns or a device that the plan cannot be run with.
pub fn prepare(plan: &Plan, saved: Option<Saved>) -> Result<Prepared> {
    // A model knows its columns; without one they are inferred from the first chunk.
    let eager = if saved.is_some() { Eager::Always } else { Eager::AfterFirst };
    let mut source = Source::new(plan.inputs.clone(), plan.delimiter, eager);
    let head = source.next_chunk(Chunk::default())?;
    let nothing = Chunk::default();
    let seen = head.as_ref().unwrap_or(&nothing);
    let (schema, inferred) = match &saved {
        None => schema_of(plan, seen)?,
        Some(saved) => (schema_for(plan, &saved.schema, seen)?, Vec::new()),
    };
    let frozen = saved.is_some();
    let learned = saved.as_ref().map(|saved| (saved.update, saved.batch));
    let (model, scaler) = match saved {
        Some(saved) => (saved.model, saved.scaler),
        None => fresh(&plan.settings, &schema),
    };
    let settings = Settings { frozen, ..settings_of(&plan.settings, &model) };
    let first_version = model.updates;
    let opened = device::open(&plan.device, model, settings)?;
    let batcher = Batcher::new(settings.batch, schema.stride(), scaler, !frozen);
    let (update, batch) = learned.unwrap_or((settings.update, settings.batch));
    let settings = Settings { update, batch, ..settings };
    Ok(Prepared { source, head, schema, inferred, settings, first_version, opened, batcher })
}

fn fresh(settings: &Settings, schema: &Schema) -> (Model, Scaler) {
    let shape = Shape { numeric: schema.numeric(), hash_bits: settings.hash_bits };
    (Model::new(shape, settings.optimizer, settings.penalty), Scaler::new(schema.stride()))
}

/// A saved model says itself by which rule its slots are to be read.
fn settings_of(settings: &Settings, model: &Model) -> Settings {
    Settings { optimizer: model.optimizer, penalty: model.penalty, hash_bits: model.hash_bits, ..*settings }
}

/// The columns by what the user named, the header, and a sample.
fn schema_of(plan: &Plan, head: &Chunk) -> Result<(Schema, Vec<(String, Role)>)> {
    let (names, start, header) = names_of(plan, head)?;
    let sample = csv::sample(&head.text()[start..], plan.delimiter, infer::SAMPLE);
    let named = named_or_known(plan, plan.named());
    if named.label.is_none() {
        return Err(Error::usage(format!(
            "which column is to be learned? add --label COLUMN; the columns are: {}",
            names.join(", ")
        )));
    }
    infer::infer(&names, &sample, &named.borrow(), plan.delimiter, header)
}

/// The names of the columns, where the records start, and whether a header said so.
fn names_of(plan: &Plan, head: &Chunk) -> Result<(Vec<String>, usize, bool)> {
    // Inputs without a byte are passed over: the first chunk may be another one's.
    let first = plan.inputs[head.source as usize].name();
    if head.text().is_empty() {
        return Err(Error::input(format!("{first} is empty: there is not even a header line")));
    }
    if let Some(columns) = &plan.options.source.columns {
        check_distinct(columns, "--columns", "give each its own name")?;
        return Ok((columns.clone(), 0, false));
    }
    let (names, start) = csv::header(head.text(), plan.delimiter);
    check_names(&names, &first, plan.delimiter)?;
    Ok((names, start, true))
}

fn check_names(names: &[String], input: &str, delimiter: u8) -> Result<()> {
    if names.iter().any(|name| name.contains(['\0', '\u{fffd}'])) {
        return Err(Error::input(format!(
            "{input} does not look like text: is it another format, UTF-16, or damaged? CSV or TSV in UTF-8 is needed"
        )));
    }
    if names.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(Error::input(format!(
            "the first line of {input} holds numbers where the names of the columns are expected: if it has no header \
             line, name them with --columns a,b,c"
        )));
    }
    check_distinct(names, input, "rename one of them in its header")?;
    if names.len() == 1 {
        let other = if delimiter == b',' { ("comma", "tsv") } else { ("tab", "csv") };
        return Err(Error::input(format!(
            "{input} has one column only, \"{}\": there is no {} in its first line; is it --format {}?",
            names[0], other.0, other.1
        )));
    }
    Ok(())
}

fn check_distinct(names: &[String], whose: &str, advice: &str) -> Result<()> {
    match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        Some((_, name)) => Err(Error::input(format!("{whose} has two columns named \"{name}\": {advice}"))),
        None => Ok(()),
    }
}

/// Column roles with owned lists, so that a generated stream can fill in what it knows of itself.
struct Roles {
    label: Option<String>,
    time: Option<String>,
    weight: Option<String>,
    id: Option<String>,
    numeric: Vec<String>,
    categorical: Vec<String>,
    ignore: Vec<String>,
    log: Vec<String>,
}

impl Roles {
    fn borrow(&self) -> Named<'_> {
        Named {
            label: self.label.as_deref(),
            weight: self.weight.as_deref(),
            id: self.id.as_deref(),
            time: self.time.as_deref(),
            numeric: &self.numeric,
            categorical: &self.categorical,
            ignore: &self.ignore,
            log: &self.log,
        }
    }
}

/// What the user named; where nothing was, a generated stream says what its columns are.
fn named_or_known(plan: &Plan, named: Named<'_>) -> Roles {
    let mut roles = Roles {
        label: named.label.map(Into::into),
        time: named.time.map(Into::into),
        weight: named.weight.map(Into::into),
        id: named.id.map(Into::into),
        numeric: named.numeric.to_vec(),
        categorical: named.categorical.to_vec(),
        ignore: named.ignore.to_vec(),
        log: named.log.to_vec(),
    };
    let Some(Input::Synthetic { generator, .. }) = plan.inputs.first() else { return roles };
    let known = generator.columns();
    let says_nothing = roles.numeric.is_empty() && roles.categorical.is_empty() && roles.ignore.is_empty();
    if says_nothing && roles.weight.is_none() && roles.id.is_none() && roles.label.is_none() {
        roles.time = known.time.map(Into::into);
        roles.numeric = known.numeric.iter().map(|&name| name.into()).collect();
        roles.categorical = known.categorical.iter().map(|&name| name.into()).collect();
    }
    roles.label.get_or_insert_with(|| known.label.into());
    roles
}

/// The columns of an input to predict: those of the model, by name.
fn schema_for(plan: &Plan, model: &Schema, head: &Chunk) -> Result<Schema> {
    let (names, header) = match (&plan.options.source.columns, model.header) {
        (None, false) => (model.columns.iter().map(|column| column.name.clone()).collect(), false),
        _ => names_of(plan, head).map(|(names, _, header)| (names, header))?,
    };
    let known = |name: &String| model.columns.iter().find(|column| column.name == *name);
    let unused = |name: &String| Column { name: name.clone(), role: Role::Ignored, log: false };
    let columns: Vec<_> = names.iter().map(|name| known(name).cloned().unwrap_or_else(|| unused(name))).collect();
    let schema = Schema { columns, delimiter: plan.delimiter, header };
    check_fit(model, &schema, &plan.inputs[head.source as usize].name())?;
    Ok(schema)
}

/// The features must be those of the model, in its order: weights are found by it.
fn check_fit(model: &Schema, schema: &Schema, input: &str) -> Result<()> {
    for role in [Role::Numeric, Role::Categorical] {
        if model.of(role).eq(schema.of(role)) {
            continue;
        }
        let lacks = |column: &&Column| schema.columns.iter().all(|found| found.name != column.name);
        let missing: Vec<_> = model.of(role).filter(lacks).map(|column| column.name.as_str()).collect();
        let why = if missing.is_empty() {
            format!("they must come in the order {}, as they did in training", model.names(role))
        } else {
            format!("it lacks {}", missing.join(", "))
        };
        return Err(Error::input(format!(
            "the columns of {input} are not those that the model learned from: {why}; give it the columns it was \
             trained on, or train a model on these"
        )));
    }
    Ok(())
}
