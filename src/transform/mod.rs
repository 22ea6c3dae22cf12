//! The transforms between parser and encoder: they change, make and leave out columns of parsed records.
//!
//! Pure: nothing is remembered from one record to the next; sections that need that are passed over, and are the
//! engine's. Siblings: [`log`] (logarithms in place, for `--log` alone),
//! `steps` (the `[[transform]]` sections of a job), `expression` (SQL over columns) and `table` (records as columns and
//! back).

mod expression;
pub mod log;
mod steps;
mod table;

use crate::error::{Error, Result};
use crate::record::Records;
use crate::schema::step::Kind;
use crate::schema::{Column, Role, Schema, Step};
use expression::Named;
use steps::Steps;

/// The transforms that a schema asks for.
#[derive(Debug)]
pub struct Transform {
    log: log::Logarithms,
    table: Option<OfTables>,
}

/// What takes records to columns and back.
#[derive(Debug)]
struct OfTables {
    schema: Schema,
    steps: Steps,
    /// For each column of the schema the one behind the steps.
    from: Vec<usize>,
}

/// A column behind the transforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeColumn {
    /// Its name.
    pub name: String,
    /// What it is for, unless somebody says otherwise.
    pub role: Role,
    /// The columns read that it depends on.
    pub needs: Vec<usize>,
}

/// What transforms make of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The columns behind them.
    pub columns: Vec<MadeColumn>,
    /// Places of the columns read that any step looks at.
    pub looked_at: Vec<usize>,
    /// Places of the columns read that decide which records are kept.
    pub deciding: Vec<usize>,
}

/// What `steps` make of the columns that are read.
///
/// # Errors
/// A step that cannot be carried out on these columns; the message says which and why.
///
/// ```
/// use tidemill::schema::{Column, Role, Step};
/// let read = [Column { name: "delay".into(), role: Role::Numeric, log: false }];
/// let late = Step::Derive([("late".into(), "delay > 15".into())].into());
/// let made = tidemill::transform::made(&read, &[late])?;
/// assert_eq!((made.columns[1].name.as_str(), made.columns[1].role), ("late", Role::Categorical));
/// # Ok::<(), tidemill::error::Error>(())
/// ```
pub fn made(read: &[Column], steps: &[Step]) -> Result<Made> {
    let steps = Steps::new(steps, &named(read))?;
    let columns = steps.output().iter().map(|column| MadeColumn {
        name: column.name.clone(),
        role: match (column.untouched, column.kind) {
            (Some(at), _) => read[at].role,
            (_, Kind::Number) => Role::Numeric,
            (_, Kind::Time) => Role::Time,
            (_, Kind::Text | Kind::Boolean) => Role::Categorical,
        },
        needs: column.needs.clone(),
    });
    Ok(Made { columns: columns.collect(), looked_at: steps.looked_at(), deciding: steps.deciding() })
}

/// The columns read as expressions see them.
fn named(read: &[Column]) -> Vec<Named> {
    let kind = |role| match role {
        Role::Numeric | Role::Weight => Kind::Number,
        Role::Time => Kind::Time,
        _ => Kind::Text,
    };
    read.iter().map(|column| Named { name: column.name.clone(), kind: kind(column.role) }).collect()
}

impl Transform {
    /// The transforms that a schema asks for.
    ///
    /// # Errors
    /// Transforms that cannot be carried out on the columns that are read.
    pub fn new(schema: &Schema) -> Result<Self> {
        let log = log::Logarithms::new(schema);
        if !schema.is_transformed() {
            return Ok(Self { log, table: None });
        }
        let read: Vec<Column> = schema.read.iter().chain(&schema.absent).cloned().collect();
        let steps = Steps::new(&schema.transforms, &named(&read))?;
        let from = schema.columns.iter().map(|column| {
            steps.output().iter().position(|made| made.name == column.name).ok_or_else(|| {
                Error::usage(format!("the transforms make no column \"{}\", which the model needs", column.name))
            })
        });
        let from = from.collect::<Result<_>>()?;
        Ok(Self { log, table: Some(OfTables { schema: schema.clone(), steps, from }) })
    }

    /// Changes the records in place; those that a filter leaves out are counted, those that cannot be used rejected.
    ///
    /// # Errors
    /// An expression that fails: a mistake of ours.
    pub fn apply(&self, records: &mut Records) -> Result<()> {
        if let Some(OfTables { schema, steps, from }) = &self.table {
            let table = steps.apply(table::of_records(records, schema))?;
            table::to_records(&table, schema, from, records)?;
        }
        self.log.apply(records);
        Ok(())
    }
}
