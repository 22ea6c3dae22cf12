//! What the columns of the inputs are: by the header or the names given, by what the user or a generated stream says of
//! them and a sample for the rest, or by the model that is to predict them or to be trained on.

use crate::config::Plan;
use crate::encoder::infer::{self, Named};
use crate::error::{Error, Result};
use crate::parser::csv;
use crate::parser::look::Look;
use crate::record::Chunk;
use crate::schema::{Column, Role, Schema};
use crate::source::Input;

/// The columns by what the user named, what the format says, and a sample.
pub(super) fn inferred(plan: &Plan, head: &Chunk) -> Result<(Schema, Vec<(String, Role)>)> {
    let look = look_at(plan, head)?;
    let mut named = named_or_known(plan);
    if plan.format.is_sparse() {
        named.label.get_or_insert_with(|| SPARSE_LABEL.into());
    }
    if named.label.is_none() {
        return Err(Error::usage(format!(
            "which column is to be learned? add --label COLUMN; the columns are: {}",
            look.names.join(", ")
        )));
    }
    infer::infer(&look.names, &look.roles, &look.sample, &named, plan.format, look.header)
}

/// What the label of a format without columns is called.
const SPARSE_LABEL: &str = "label";

/// A first look at the columns, their names checked.
fn look_at(plan: &Plan, head: &Chunk) -> Result<Look> {
    // Inputs without a byte are passed over: the first chunk may be another one's.
    let first = plan.inputs[head.source as usize].name();
    if head.text().is_empty() && head.columns.is_none() {
        return Err(Error::input(format!("{first} is empty: there is not even a header line")));
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
    let (names, header) = match (&plan.options.source.columns, model.header) {
        (None, false) => {
            let names: Vec<_> = model.columns.iter().map(|column| column.name.clone()).collect();
            let header = csv::header(head.text(), plan.format.delimiter()).0 == names;
            (names, header && plan.format.has_quotes())
        }
        _ => look_at(plan, head).map(|look| (look.names, look.header))?,
    };
    let columns = infer::recall(&names, model, &plan.named())?;
    let schema = Schema { columns, format: plan.format, header, ..Schema::default() };
    let input = plan.inputs[head.source as usize].name();
    check_fit(model, &schema, &input)?;
    if plan.settings.frozen || schema.first(Role::Label).is_some() {
        return Ok(schema);
    }
    Err(Error::usage(format!(
        "{input} lacks the column that the model learned to predict, {}: name its label with --label COLUMN",
        model.names(Role::Label)
    )))
}

/// The features must be those of the model, in any order.
fn check_fit(model: &Schema, schema: &Schema, input: &str) -> Result<()> {
    let features = model.of(Role::Numeric).chain(model.of(Role::Categorical));
    let lacks = |column: &&Column| !schema.columns.contains(column);
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
