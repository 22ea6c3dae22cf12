//! The `[[transform]]` sections of a job, compiled: takes a table of columns, gives another one.
//!
//! Every section is an expression or a choice of columns: `fill`, `clip`, `cast` and `log` are short for expressions.

use arrow::array::{ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::filter;

use super::expression::{Expression, Faults, Named, Scope};
use crate::error::{Error, Result};
use crate::record::Reason;
use crate::schema::Step;
use crate::schema::step::{Constant, Kind};

/// Transforms whose columns and kinds are known.
#[derive(Debug)]
pub(super) struct Steps {
    steps: Vec<Compiled>,
    output: Vec<Output>,
    looked_at: Vec<usize>,
    deciding: Vec<usize>,
}

/// A column behind the last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    pub name: String,
    pub kind: Kind,
    /// The column of the input that it is, untouched.
    pub untouched: Option<usize>,
    /// The columns of the input that it depends on.
    pub needs: Vec<usize>,
}

#[derive(Debug)]
enum Compiled {
    Filter(Expression),
    /// The columns behind the step.
    Columns(Vec<Make>),
}

#[derive(Debug)]
enum Make {
    /// A column before the step, as it is.
    Take(usize),
    /// A column made of others.
    Compute(Expression),
}

/// A table on its way: columns of one length, and which records of the input their rows are.
#[derive(Debug)]
pub(super) struct Table {
    pub columns: Vec<ArrayRef>,
    /// Places of the rows among the input's records, in order.
    pub rows: UInt32Array,
    /// Records that cannot be used: their places, and why.
    pub faults: Vec<(u32, Reason)>,
}

impl Steps {
    /// Compiles `steps` over the columns of the input.
    ///
    /// # Errors
    /// A step that names what is not there, or does what cannot be done; the message says which.
    pub(super) fn new(steps: &[Step], input: &[Named]) -> Result<Self> {
        let first = |(at, column): (usize, &Named)| Output {
            name: column.name.clone(),
            kind: column.kind,
            untouched: Some(at),
            needs: vec![at],
        };
        let mut compiler = Self {
            steps: Vec::new(),
            output: input.iter().enumerate().map(first).collect(),
            looked_at: Vec::new(),
            deciding: Vec::new(),
        };
        for (at, step) in steps.iter().enumerate() {
            compiler.add(step).map_err(|error| Error::usage(format!("[[transform]] number {}: {error}", at + 1)))?;
        }
        Ok(compiler)
    }

    /// The columns behind the last step.
    pub(super) fn output(&self) -> &[Output] {
        &self.output
    }

    /// Columns of the input that decide which records are kept.
    pub(super) fn deciding(&self) -> Vec<usize> {
        self.deciding.clone()
    }

    /// Columns of the input that any step looks at.
    pub(super) fn looked_at(&self) -> Vec<usize> {
        let mut places = self.looked_at.clone();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn add(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Filter(text) => {
                let condition = Expression::new(text, &self.named())?;
                if condition.kind() != Kind::Boolean {
                    return Err(Error::usage(format!(
                        "the filter \"{text}\" is {}; it must say for each record whether it is kept, such as x > 0",
                        condition.kind().name()
                    )));
                }
                let needs = self.needs(&condition);
                self.looked_at.extend_from_slice(&needs);
                self.deciding.extend(needs);
                self.steps.push(Compiled::Filter(condition));
                Ok(())
            }
            Step::Derive(columns) => self.compute(columns.iter().map(|(name, text)| (name.clone(), text.clone()))),
            Step::Rename(names) => self.rename(names),
            Step::Drop(names) => self.drop(names),
            Step::Cast(kinds) => self.compute(kinds.iter().map(|(name, kind)| (name.clone(), cast(name, *kind)))),
            Step::Clip(bounds) => {
                let clipped = bounds.iter().map(|(name, bounds)| Ok((name.clone(), clip(name, *bounds)?)));
                self.compute(clipped.collect::<Result<Vec<_>>>()?.into_iter())
            }
            Step::Log(names) => {
                self.compute(names.iter().map(|name| (name.clone(), format!("signed_log({})", quoted(name)))))
            }
            Step::Fill(values) => self.compute(values.iter().map(|(name, value)| (name.clone(), fill(name, value)))),
            // The engine's: they come behind all others.
            Step::Sample(_) | Step::Deduplicate(_) | Step::Scale(_) | Step::Impute(_) => Ok(()),
        }
    }

    fn named(&self) -> Vec<Named> {
        self.output.iter().map(|column| Named { name: column.name.clone(), kind: column.kind }).collect()
    }

    /// Where the column is that a step names.
    fn place(&self, name: &str) -> Result<usize> {
        self.output.iter().position(|column| column.name == *name).ok_or_else(|| {
            let names: Vec<_> = self.output.iter().map(|column| column.name.as_str()).collect();
            Error::usage(format!("there is no column \"{name}\" here; there are {}", names.join(", ")))
        })
    }

    /// Columns by expressions over those before the step.
    fn compute(&mut self, columns: impl Iterator<Item = (String, String)>) -> Result<()> {
        let before = self.named();
        let mut makes: Vec<Make> = (0..before.len()).map(Make::Take).collect();
        let mut output = self.output.clone();
        for (name, text) in columns {
            let expression = Expression::new(&text, &before)?;
            let needs = self.needs(&expression);
            self.looked_at.extend_from_slice(&needs);
            let made = Output { name, kind: expression.kind(), untouched: None, needs };
            match output.iter().position(|column| column.name == made.name) {
                Some(at) => (output[at], makes[at]) = (made, Make::Compute(expression)),
                None => {
                    output.push(made);
                    makes.push(Make::Compute(expression));
                }
            }
        }
        self.output = output;
        self.steps.push(Compiled::Columns(makes));
        Ok(())
    }

    /// The columns of the input that an expression depends on.
    fn needs(&self, expression: &Expression) -> Vec<usize> {
        let mut needs: Vec<usize> =
            expression.columns().iter().flat_map(|&at| self.output[at].needs.iter().copied()).collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    fn rename(&mut self, names: &std::collections::BTreeMap<String, String>) -> Result<()> {
        let places = names.keys().map(|old| self.place(old)).collect::<Result<Vec<_>>>()?;
        for (at, new) in places.into_iter().zip(names.values()) {
            self.output[at].name.clone_from(new);
        }
        let twice = self.output.iter().enumerate().find(|(at, a)| self.output[..*at].iter().any(|b| a.name == b.name));
        match twice {
            Some((_, column)) => {
                let name = &column.name;
                Err(Error::usage(format!("two columns would be named \"{name}\": rename or drop one of them")))
            }
            None => Ok(()),
        }
    }

    fn drop(&mut self, names: &[String]) -> Result<()> {
        let gone = names.iter().map(|name| self.place(name)).collect::<Result<Vec<_>>>()?;
        let kept: Vec<usize> = (0..self.output.len()).filter(|at| !gone.contains(at)).collect();
        self.output = kept.iter().map(|&at| self.output[at].clone()).collect();
        self.steps.push(Compiled::Columns(kept.into_iter().map(Make::Take).collect()));
        Ok(())
    }

    /// Carries the steps out on a table, whose columns are the input's.
    pub(super) fn apply(&self, mut table: Table) -> Result<Table> {
        for step in &self.steps {
            match step {
                Compiled::Filter(condition) => {
                    let (keep, found) = table.with_faults(|scope| condition.is_true(scope))?;
                    table.keep(&keep)?;
                    table.reject(&found)?;
                }
                Compiled::Columns(makes) => {
                    let (columns, found) = table.with_faults(|scope| {
                        let make = |make: &Make| match make {
                            Make::Take(at) => Ok(scope.columns[*at].clone()),
                            Make::Compute(expression) => expression.evaluate(scope),
                        };
                        makes.iter().map(make).collect::<Result<Vec<_>>>()
                    })?;
                    table.columns = columns;
                    table.reject(&found)?;
                }
            }
        }
        Ok(table)
    }
}

/// Rows at fault, by their place among all records.
type Found = Vec<(u32, Reason)>;

impl Table {
    /// What `look` makes of the columns, and the records at fault.
    fn with_faults<T>(&self, look: impl FnOnce(&Scope<'_>) -> Result<T>) -> Result<(T, Found)> {
        let faults = Faults::default();
        let seen = look(&Scope { columns: &self.columns, rows: self.rows.len(), faults: &faults })?;
        let place = |(row, reason): (usize, Reason)| (self.rows.value(row), reason);
        Ok((seen, faults.take().into_iter().map(place).collect()))
    }

    /// Takes records out that are at fault, and remembers them.
    fn reject(&mut self, found: &Found) -> Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        self.faults.extend_from_slice(found);
        let is_at_fault = |row: &u32| found.binary_search_by_key(row, |(place, _)| *place).is_ok();
        let keep: BooleanArray = self.rows.values().iter().map(|row| Some(!is_at_fault(row))).collect();
        self.keep(&keep)
    }

    fn keep(&mut self, keep: &BooleanArray) -> Result<()> {
        if keep.true_count() == keep.len() {
            return Ok(());
        }
        let failed = |cause| Error::input("records could not be filtered").because(cause);
        for column in &mut self.columns {
            *column = filter(column, keep).map_err(failed)?;
        }
        let kept: Vec<u32> =
            self.rows.values().iter().zip(keep.values()).filter(|(_, keep)| *keep).map(|(row, _)| *row).collect();
        self.rows = UInt32Array::from(kept);
        Ok(())
    }
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn cast(name: &str, kind: Kind) -> String {
    let to = match kind {
        Kind::Number => "DOUBLE",
        Kind::Text => "TEXT",
        Kind::Boolean => "BOOLEAN",
        Kind::Time => "TIMESTAMP",
    };
    format!("CAST({} AS {to})", quoted(name))
}

fn clip(name: &str, [low, high]: [f64; 2]) -> Result<String> {
    if low.is_nan() || high.is_nan() || low > high {
        return Err(Error::usage(format!(
            "clip {name} = [{low}, {high}]: the first bound must not lie above the second"
        )));
    }
    let column = quoted(name);
    let below = if low.is_finite() { format!("WHEN {column} < {low:?} THEN {low:?} ") } else { String::new() };
    let above = if high.is_finite() { format!("WHEN {column} > {high:?} THEN {high:?} ") } else { String::new() };
    Ok(match below.is_empty() && above.is_empty() {
        true => column,
        false => format!("CASE {below}{above}ELSE {column} END"),
    })
}

fn fill(name: &str, value: &Constant) -> String {
    let value = match value {
        Constant::Number(number) => format!("{number:?}"),
        Constant::Boolean(truth) => truth.to_string(),
        Constant::Text(text) => format!("'{}'", text.replace('\'', "''")),
    };
    format!("coalesce({}, {value})", quoted(name))
}
