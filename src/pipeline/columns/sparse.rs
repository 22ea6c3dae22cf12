//! What the columns of a sparse format are: those that the format itself has. Features are no columns; a namespace that
//! is left out stands among them, under its name behind a bar.

use crate::config::Plan;
use crate::encoder::infer::Named;
use crate::error::{Error, Result};
use crate::parser::look::Look;
use crate::schema::{Column, Format, Role, Schema};

/// The columns by what the user named.
pub(super) fn inferred(plan: &Plan, look: &Look) -> Result<Schema> {
    let named = plan.named();
    check_lists(&named, plan.format)?;
    if plan.options.transform.iter().any(|step| !step.is_online()) {
        return Err(Error::usage(format!(
            "[[transform]] sections work on columns, and {} has none: leave out all but those that sample or deduplicate, \
             or give records in columns",
            words(plan.format)
        )));
    }
    let mut columns: Vec<_> = look.names.iter().zip(&look.roles).map(|(name, &role)| column(name, role)).collect();
    assign(&mut columns, &named)?;
    columns.extend(named.ignore.iter().map(|name| column(&format!("|{name}"), Some(Role::Ignored))));
    Ok(Schema { columns, format: plan.format, ..Schema::default() })
}

/// The columns of an input to predict or to train on: its own; a tag is carried where the model's was, and what the
/// model left out stays out.
pub(super) fn of_model(plan: &Plan, model: &Schema, look: &Look) -> Result<Schema> {
    let mut schema = inferred(plan, look)?;
    let carried = model.first(Role::Id).filter(|_| schema.first(Role::Id).is_none());
    if let Some(tag) = carried.and_then(|id| schema.columns.iter_mut().find(|column| column.name == id.name)) {
        tag.role = Role::Id;
    }
    let left_out = model.of(Role::Ignored).filter(|column| column.name.starts_with('|'));
    let missing: Vec<_> = left_out.filter(|column| !schema.columns.contains(column)).cloned().collect();
    schema.columns.extend(missing);
    Ok(schema)
}

fn column(name: &str, role: Option<Role>) -> Column {
    Column { name: name.to_owned(), role: role.unwrap_or(Role::Ignored), log: false }
}

/// Flags that say what columns hold have nothing to say here.
fn check_lists(named: &Named, format: Format) -> Result<()> {
    let lists = [("--numeric", &named.numeric), ("--categorical", &named.categorical), ("--log", &named.log)];
    if let Some((flag, _)) = lists.iter().find(|(_, names)| !names.is_empty()) {
        return Err(Error::usage(format!(
            "{flag} names columns, and {} has none: every record spells out its features; leave {flag} out",
            words(format)
        )));
    }
    if format != Format::Vw && !named.ignore.is_empty() {
        return Err(Error::usage(format!(
            "--ignore names columns to leave out, or namespaces of Vowpal Wabbit's text: {} has neither; leave it out",
            words(format)
        )));
    }
    Ok(())
}

/// What the format calls things; only a tag has a role to be given.
fn assign(columns: &mut [Column], named: &Named) -> Result<()> {
    let names: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
    for (name, role, flag) in named.single() {
        let Some(name) = name else { continue };
        match columns.iter_mut().find(|column| column.name == name) {
            Some(column) if column.role == role => {}
            Some(column) if (column.role, role) == (Role::Ignored, Role::Id) => column.role = Role::Id,
            Some(_) => {
                return Err(Error::usage(format!(
                    "{flag} names \"{name}\", and the format itself says what that is for: leave {flag} out"
                )));
            }
            None => {
                return Err(Error::usage(format!(
                    "{flag} names the column \"{name}\", which the input does not have; beside its features it has: {}",
                    names.join(", ")
                )));
            }
        }
    }
    Ok(())
}

/// A format in a sentence.
pub(super) fn words(format: Format) -> &'static str {
    match format {
        Format::LibSvm => "libsvm's text",
        Format::Vw => "Vowpal Wabbit's text",
        _ => "a format of columns",
    }
}
