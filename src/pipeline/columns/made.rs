//! The columns that transforms make: takes those of the input, gives the schema behind the transforms.

use crate::config::Plan;
use crate::encoder::infer;
use crate::error::{Error, Result};
use crate::schema::{Column, Role, Schema};
use crate::transform::{self, Made};

/// The schema behind transforms: of what is read, the columns that nobody needs are left out.
pub(super) fn behind(schema: Schema, mut read: Vec<Column>, made: &Made) -> Schema {
    let is_used = |at: usize| {
        let mut of_it = schema.columns.iter().zip(&made.columns).filter(|(_, made)| made.needs.contains(&at));
        made.looked_at.contains(&at) || of_it.any(|(column, _)| !matches!(column.role, Role::Ignored | Role::Time))
    };
    for at in (0..read.len()).filter(|&at| !is_used(at)) {
        read[at].role = Role::Ignored;
    }
    Schema { read, ..schema }
}

/// The columns behind the model's transforms. What the input lacks must be needed for nothing but a label, a weight or
/// an id.
pub(super) fn behind_those_of(
    model: &Schema,
    names: &[String],
    plan: &Plan,
    schema: Schema,
    input: &str,
) -> Result<Schema> {
    let column = |name: &String| {
        let known = model.read.iter().find(|column| column.name == *name).cloned();
        known.unwrap_or_else(|| Column { name: name.clone(), role: Role::Ignored, log: false })
    };
    let read: Vec<Column> = names.iter().map(column).collect();
    let is_absent = |column: &&Column| column.role != Role::Ignored && !names.contains(&column.name);
    let absent: Vec<Column> = model.read.iter().filter(is_absent).cloned().collect();
    let all: Vec<Column> = read.iter().chain(&absent).cloned().collect();
    let made = transform::made(&all, &model.transforms)?;
    let made_names: Vec<_> = made.columns.iter().map(|column| column.name.clone()).collect();
    let mut columns = infer::recall(&made_names, model, &plan.named())?;
    for (at, missing) in all.iter().enumerate().skip(read.len()) {
        let of_it = || columns.iter().zip(&made.columns).filter(|(_, made)| made.needs.contains(&at));
        let is_time = |column: &Column| plan.settings.frozen && model.time.as_ref() == Some(&column.name);
        let is_feature = |column: &Column| matches!(column.role, Role::Numeric | Role::Categorical) && !is_time(column);
        if made.deciding.contains(&at) || of_it().any(|(column, _)| is_feature(column)) {
            return Err(Error::input(format!(
                "{input} lacks the column \"{}\", which the model's transforms need: give it the columns it was trained on",
                missing.name
            )));
        }
    }
    for (column, made) in columns.iter_mut().zip(&made.columns) {
        if made.needs.iter().any(|&at| at >= read.len()) {
            column.role = Role::Ignored;
        }
    }
    Ok(Schema { columns, read, absent, ..schema })
}
