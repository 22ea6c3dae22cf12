//! What the columns of the inputs are: by the header or the names given, by what the user or a generated stream says of
//! them and a sample for the rest, or by the model that is to predict them or to be trained on.

mod made;
mod sparse;

use std::collections::HashSet;

use crate::config::Plan;
use crate::encoder::infer::{self, Named};
use crate::error::{Error, Result};
use crate::parser::csv;
use crate::parser::look::Look;
use crate::record::Chunk;
use crate::schema::{Column, Format, Hashing, Role, Schema, Step};
use crate::source::Input;
use crate::transform;

/// The columns by what the user named, what the format says, and a sample.
pub(super) fn inferred(plan: &Plan, head: &Chunk) -> Result<(Schema, Vec<(String, Role)>)> {
    let look = look_at(plan, head)?;
    if plan.format.is_sparse() {
        check_told(plan)?;
        let (features, transforms) = (plan.options.feature.clone(), plan.options.transform.clone());
        let schema = Schema { hashing: hashing(plan), features, transforms, ..sparse::inferred(plan, &look)? };
        schema.check_online()?;
        check_time(plan, &schema)?;
        return Ok((schema, Vec::new()));
    }
    let named = named_or_known(plan);
    if named.label.is_none() {
        return Err(Error::usage(format!(
            "which column is to be learned? add --label COLUMN; the columns are: {}",
            look.names.join(", ")
        )));
    }
    let Look { names, roles, sample, header } = &look;
    let options = &plan.options;
    let (schema, inferred) = if options.transform.iter().all(Step::is_online) {
        infer::infer(names, roles, sample, &named, &options.feature, plan.format, *header)?
    } else {
        let read = infer::as_read(names, roles, sample, &named);
        let made = transform::made(&read, &options.transform)?;
        let (names, roles): (Vec<_>, Vec<_>) =
            made.columns.iter().map(|made| (made.name.clone(), Some(made.role))).unzip();
        let (schema, inferred) = infer::infer(&names, &roles, &[], &named, &options.feature, plan.format, *header)?;
        (made::behind(schema, read, &made), inferred)
    };
    let schema = Schema { hashing: hashing(plan), transforms: options.transform.clone(), ..schema };
    schema.check_online()?;
    check_time(plan, &schema)?;
    Ok((schema, inferred))
}

/// Whatever asks for the order of events needs to know when they were.
fn check_time(plan: &Plan, schema: &Schema) -> Result<()> {
    if plan.event_time.is_none() || schema.time.is_some() {
        return Ok(());
    }
    Err(Error::usage(
        "the order of events and late labels need the event time, and no column is an obvious one: name it with --time",
    ))
}

/// Whether the user has said what each column is that the first line of `text` names, or that are named without it.
pub(super) fn are_all_named(plan: &Plan, text: &[u8]) -> bool {
    let options = &plan.options;
    if plan.format.is_sparse() {
        return true; // nothing is inferred
    }
    if !plan.format.has_quotes() || !options.transform.iter().all(Step::is_online) {
        return false;
    }
    let header = || csv::header(text, plan.format.delimiter()).0;
    let names = options.source.columns.clone().unwrap_or_else(header);
    let roles = vec![None; names.len()];
    let found = infer::infer(&names, &roles, &[], &plan.named(), &options.feature, plan.format, true);
    found.map_or(true, |(_, inferred)| inferred.is_empty()) // what is wrong is told at once
}

/// Records that spell out their features have no columns by which metrics could be told apart.
fn check_told(plan: &Plan) -> Result<()> {
    let Some(windows) = &plan.windows else { return Ok(()) };
    let named =
        (!windows.segments.is_empty()).then_some("--segment").or(windows.need_time().then_some("--metrics-every"));
    let of = sparse::words(plan.format);
    named.map_or(Ok(()), |flag| {
        let advice = "leave it out, or count windows in records with --metrics-every 100000";
        Err(Error::usage(format!("{flag} looks at a column, and the input is read as {of}, which has none: {advice}")))
    })
}

/// How names become numbers: a sparse format's digits are numbers, unless the user says otherwise.
fn hashing(plan: &Plan) -> Hashing {
    let usual = if plan.format.is_sparse() { Hashing::Strings } else { Hashing::All };
    plan.options.source.hash.unwrap_or(usual)
}

/// A first look at the columns, their names checked.
fn look_at(plan: &Plan, head: &Chunk) -> Result<Look> {
    // Inputs without a byte are passed over: the first chunk may be another one's.
    let first = plan.inputs[head.source as usize].name();
    if head.text().is_empty() && head.columns.is_none() {
        let least = if plan.format.is_sparse() { "record" } else { "header line" };
        return Err(Error::input(format!("{first} is empty: there is not even a {least}")));
    }
    let columns = plan.options.source.columns.as_deref();
    if let Some(columns) = columns {
        check_distinct(columns, "--columns", "give each its own name")?;
        if !plan.format.has_quotes() {
            return Err(Error::usage(format!("--columns names the columns of CSV and TSV; {first} has its own names")));
        }
        if csv::header(head.text(), plan.format.delimiter()).0 == *columns {
            return Err(Error::usage(format!(
                "the first line of {first} is a header with the names that --columns gives: leave --columns out"
            )));
        }
    }
    let look = Look::at(head, plan.format, columns);
    if plan.format == Format::JsonL && look.names.is_empty() && !plan.settings.frozen {
        return Err(Error::input(format!(
            "{first} does not look like JSON lines: an object a line with values is needed; is --format right? \
             (jq -c '.[]' makes lines of a list, jq -c . of objects over several lines)"
        )));
    }
    if plan.format.is_columnar() {
        check_distinct(&look.names, &first, "rename one of them")?;
    } else if look.header {
        check_names(&look.names, &first, plan.format.delimiter())?;
    }
    Ok(look)
}

fn check_names(names: &[String], input: &str, delimiter: u8) -> Result<()> {
    if names.iter().any(|name| name.contains(['\0', '\u{fffd}'])) {
        return Err(Error::input(format!(
            "{input} does not look like text: is it UTF-16, damaged, or another format? name that with \
             --format; text must be UTF-8"
        )));
    }
    if names.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(Error::input(format!(
            "the first line of {input} holds numbers where the names of the columns are expected: if it has no header \
             line, name them with --columns a,b,c"
        )));
    }
    check_distinct(names, input, "rename one of them in its header")?;
    if names.len() == 1 && names[0].contains(';') {
        return Err(Error::input(format!(
            "{input} has semicolons between its fields, \"{}\": CSV with commas or TSV is needed; where no field holds \
             a comma, tr ';' ',' makes one of the other",
            names[0]
        )));
    }
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

/// What the user named; where nothing was, a generated stream says what its columns are.
fn named_or_known(plan: &Plan) -> Named {
    let mut named = plan.named();
    let Some(Input::Synthetic { generator, .. }) = plan.inputs.first() else { return named };
    let known = generator.columns();
    let says_nothing = named.numeric.is_empty() && named.categorical.is_empty() && named.ignore.is_empty();
    if says_nothing && named.weight.is_none() && named.id.is_none() && named.label.is_none() {
        named.time = known.time.map(Into::into);
        named.numeric = known.numeric.iter().map(|&name| name.into()).collect();
        named.categorical = known.categorical.iter().map(|&name| name.into()).collect();
    }
    named.label.get_or_insert_with(|| known.label.into());
    named
}

/// The columns of an input to predict or to train on: those of the model, by name.
pub(super) fn of_model(plan: &Plan, model: &Schema, head: &Chunk) -> Result<Schema> {
    check_job(plan, model)?;
    check_kind(plan, model, head)?;
    if plan.format.is_sparse() {
        check_told(plan)?;
        let look = look_at(plan, head)?;
        return Ok(Schema {
            hashing: model.hashing,
            features: model.features.clone(),
            transforms: model.transforms.clone(),
            ..sparse::of_model(plan, model, &look)?
        });
    }
    let has_no_header = !model.header && model.format.has_quotes() && plan.format.has_quotes();
    let (names, header) = match &plan.options.source.columns {
        None if has_no_header => {
            let names: Vec<_> = model.as_read().iter().map(|column| column.name.clone()).collect();
            let header = csv::header(head.text(), plan.format.delimiter()).0 == names;
            (names, header)
        }
        _ => look_at(plan, head).map(|look| (look.names, look.header))?,
    };
    let names = if plan.format == Format::JsonL { with_missing(names, model) } else { names };
    let input = plan.inputs[head.source as usize].name();
    let schema = Schema { format: plan.format, header, ..model.clone() };
    let schema = match model.is_transformed() {
        false => Schema { columns: infer::recall(&names, model, &plan.named())?, ..schema },
        true => made::behind_those_of(model, &names, plan, schema, &input)?,
    };
    let schema = infer::with_what_is_told_by(schema, &plan.named())?;
    check_fit(model, &schema, &input, plan.settings.frozen)?;
    schema.check_windows()?;
    if plan.settings.frozen {
        return Ok(schema);
    }
    schema.check_online()?;
    if schema.first(Role::Label).is_some() {
        return Ok(schema);
    }
    Err(Error::usage(format!(
        "{input} lacks the column that the model learned to predict, {}: name its label with --label COLUMN",
        model.names(Role::Label)
    )))
}

/// A model stands behind its own transforms and features.
fn check_job(plan: &Plan, model: &Schema) -> Result<()> {
    let options = &plan.options;
    let same = |named: bool, equal: bool, section: &str| match named && !equal {
        true => Err(Error::usage(format!(
            "the model has learned behind other [[{section}]] sections than the job's: leave them out of the job, or \
             train a new model"
        ))),
        false => Ok(()),
    };
    same(!options.transform.is_empty(), options.transform == model.transforms, "transform")?;
    same(!options.feature.is_empty(), options.feature == model.features, "feature")
}

/// Columns and features that are spelled out are no substitute for each other, and hashes cannot be made anew.
fn check_kind(plan: &Plan, model: &Schema, head: &Chunk) -> Result<()> {
    let (of_model, of_input) = (sparse::words(model.format), sparse::words(plan.format));
    if model.format.is_sparse() != plan.format.is_sparse() {
        let input = plan.inputs[head.source as usize].name();
        return Err(Error::usage(format!(
            "the model learned from {of_model}, and {input} is read as {of_input}: name its format with --format, or \
             train a model on such input"
        )));
    }
    match plan.options.source.hash.filter(|&named| named != model.hashing) {
        None => Ok(()),
        Some(_) => Err(Error::usage(
            "--hash is not the model's, and its table cannot be hashed anew: leave it out, or train a new model",
        )),
    }
}

/// A key that the first records lack is one that they lack, not another input; where they have no feature at all, it is.
fn with_missing(mut names: Vec<String>, model: &Schema) -> Vec<String> {
    let is_used = |column: &&Column| !matches!(column.role, Role::Ignored | Role::Time);
    if names.is_empty() || model.as_read().iter().filter(is_used).any(|column| names.contains(&column.name)) {
        let known: HashSet<_> = names.iter().cloned().collect();
        names.extend(model.as_read().iter().map(|column| column.name.clone()).filter(|name| !known.contains(name)));
    }
    names
}

/// The features must be those of the model, in any order. The event time is asked for where records are learned, and where
/// windows are filled in.
fn check_fit(model: &Schema, schema: &Schema, input: &str, frozen: bool) -> Result<()> {
    let features = model.of(Role::Numeric).chain(model.of(Role::Categorical));
    let needs_time = !frozen || model.windows().next().is_some();
    // When a label becomes known is nothing to predict by.
    let is_label_time = |column: &&Column| frozen && model.label_time.as_ref() == Some(&column.name);
    let is_needed =
        |column: &&Column| !is_label_time(column) && (needs_time || model.time.as_ref() != Some(&column.name));
    let lacks = |column: &&Column| is_needed(column) && !schema.columns.contains(column);
    let missing: Vec<_> = features.filter(lacks).map(|column| column.name.as_str()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::input(format!(
        "the columns of {input} are not those that the model learned from: it lacks {}; give it the columns it was \
         trained on, or train a model on these",
        missing.join(", ")
    )))
}
