//! Windows of keys, as the `[[feature]]` sections of kind `window` write them: takes a section and the columns, gives what
//! it makes and what that is called, and sees to it that it can be made. Remembers nothing.

use serde::{Deserialize, Serialize};

use super::step::Within;
use super::{Role, Schema};

/// Most keys that are remembered.
const MOST_KEYS: u64 = 100_000_000;
/// Most buckets of a window.
const MOST_BUCKETS: u32 = 1000;

/// Numbers made of the records before with the same key, over trailing windows of event time.
///
/// A window is a ring of buckets that begin at whole multiples of `over / buckets` since 1970. It covers the bucket that the
/// record lies in and the `buckets` before it, so it reaches back between `over` and `over + over / buckets`: what came
/// up to `over` ago is in it always, what came more than a bucket before that never.
///
/// ```
/// use tidemill::schema::window::Window;
/// let window: Window = toml::from_str("key = ['shop']\nover = ['1h', '1d']\nmake = ['count', 'since-last']").unwrap();
/// let names: Vec<_> = window.made().into_iter().map(|made| made.name).collect();
/// assert_eq!(names, ["count(shop, 1h)", "count(shop, 1d)", "since-last(shop)"]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The columns that make the key, of numbers, text or the id; a record in which one of them is missing has none.
    pub key: Vec<String>,
    /// How long the windows are, such as `1h` or `7d`.
    pub over: Vec<String>,
    /// The column whose values are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What is made, in each window.
    pub make: Vec<Aggregate>,
    /// Whether `sign(x) ln(1 + |x|)` is taken of what is made, shares left out; where nothing is said, of counts, sums and
    /// times, which have no upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<bool>,
    /// How many labels with the rate of all keys each rate starts from.
    #[serde(default = "one")]
    pub prior: f64,
    /// Buckets of a window.
    #[serde(default = "thirty_two")]
    pub buckets: u32,
    /// Keys that are remembered at most.
    #[serde(default = "million")]
    pub most: u64,
    /// Whether the columns of the key stay features of their own.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub keep: bool,
}

/// What is made of the records of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    /// How many there are.
    Count,
    /// Of the column's values.
    Sum,
    /// Of the column's values.
    Mean,
    /// The least of the column's values.
    Min,
    /// The largest of the column's values.
    Max,
    /// How many different values of the column there are.
    Distinct,
    /// The record's own value over the mean.
    Ratio,
    /// Seconds since the last record with the key, if that lies within the longest window: one number for all windows.
    SinceLast,
    /// The share of positives among the labels that became known.
    Rate,
    /// How many labels became known, each as often as its record weighs.
    Known,
}

impl Aggregate {
    /// What names and job files call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Distinct => "distinct",
            Self::Ratio => "ratio",
            Self::SinceLast => "since-last",
            Self::Rate => "rate",
            Self::Known => "known",
        }
    }

    /// Whether the column must be a number.
    pub fn needs_number(self) -> bool {
        matches!(self, Self::Sum | Self::Mean | Self::Min | Self::Max | Self::Ratio)
    }

    /// Whether it is made of labels.
    pub fn is_of_labels(self) -> bool {
        matches!(self, Self::Rate | Self::Known)
    }

    fn has_no_upper_end(self) -> bool {
        matches!(self, Self::Count | Self::Sum | Self::Distinct | Self::SinceLast | Self::Known)
    }
}

/// A number that a section makes.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeOf {
    /// Of which records.
    pub what: Aggregate,
    /// In which window, by its place in `over`.
    pub window: usize,
    /// Whether its logarithm is taken.
    pub log: bool,
    /// What it is called.
    pub name: String,
}

impl Window {
    /// The numbers that it makes, in the order in which they stand in the dense row.
    pub fn made(&self) -> Vec<MadeOf> {
        self.make.iter().flat_map(|&what| self.made_by(what)).collect()
    }

    /// Whether anything is made for which this holds.
    pub fn makes(&self, holds: impl Fn(Aggregate) -> bool) -> bool {
        self.make.iter().any(|&what| holds(what))
    }

    /// How long each window is, in microseconds; 0 for text that is no time, which has been refused before.
    pub fn lengths(&self) -> Vec<i64> {
        self.over.iter().map(|text| Within::Time(text.clone()).microseconds().unwrap_or(0)).collect()
    }

    /// How the section needs a column to be read, where that matters: keys as text, unless somebody says otherwise.
    pub(super) fn role_of(&self, column: &str) -> Option<Role> {
        if self.column.as_deref() == Some(column) && self.makes(Aggregate::needs_number) {
            return Some(Role::Numeric);
        }
        self.key.iter().any(|name| name == column).then_some(Role::Categorical)
    }

    fn made_by(&self, what: Aggregate) -> Vec<MadeOf> {
        let log = what != Aggregate::Rate && self.log.unwrap_or(what.has_no_upper_end());
        let of = |window: usize, over: Option<&String>| {
            let key = Some(self.key.join("*"));
            let column = self.column.clone().filter(|_| what.needs_number() || what == Aggregate::Distinct);
            let parts: Vec<_> = [key, column, over.cloned()].into_iter().flatten().collect();
            MadeOf { what, window, log, name: format!("{}({})", what.name(), parts.join(", ")) }
        };
        match what {
            Aggregate::SinceLast => vec![of(0, None)],
            _ => self.over.iter().enumerate().map(|(window, over)| of(window, Some(over))).collect(),
        }
    }

    /// Sees to it that it can be made of these columns.
    pub(super) fn check(&self, schema: &Schema) -> Result<(), String> {
        must(!schema.format.is_sparse(), || "is made of columns, which the format does not have: take it out".into())?;
        must(!self.key.is_empty(), || "has no key: write key = [\"...\"]".into())?;
        must(is_distinct(&self.key), || "names a column of its key twice: once is enough".into())?;
        self.key.iter().try_for_each(|name| check_key(schema, name))?;
        self.check_windows()?;
        self.check_made(schema)?;
        must((1..=MOST_KEYS).contains(&self.most), || {
            format!("has most = {}, which is outside 1 to {MOST_KEYS}: write most = 1_000_000", self.most)
        })?;
        must(schema.time.is_some(), || "needs the event time: name its column with --time".into())
    }

    fn check_windows(&self) -> Result<(), String> {
        must(!self.over.is_empty(), || "has no windows: write over = [\"1d\", \"7d\"]".into())?;
        must((1..=MOST_BUCKETS).contains(&self.buckets), || {
            format!("takes 1 to {MOST_BUCKETS} buckets: write buckets = 32")
        })?;
        let lengths = self.lengths();
        for (text, &length) in self.over.iter().zip(&lengths) {
            must(length >= i64::from(self.buckets), || {
                format!("has the window \"{text}\", which is no time: write one such as \"90s\", \"1h\" or \"7d\"")
            })?;
        }
        must(is_distinct(&lengths), || "has two windows of one length: keep one of them".into())
    }

    fn check_made(&self, schema: &Schema) -> Result<(), String> {
        must(!self.make.is_empty(), || "makes nothing: write make = [\"count\"]".into())?;
        must(is_distinct(&self.make), || "makes something twice: once is enough".into())?;
        must(self.prior.is_finite() && self.prior >= 0.0, || "takes a prior of 0 or more: write prior = 1".into())?;
        let needs_column = |what: Aggregate| what.needs_number() || what == Aggregate::Distinct;
        match (&self.column, self.make.iter().find(|what| needs_column(**what))) {
            (None, Some(what)) => Err(format!("has no column for {}: write column = \"...\"", what.name())),
            (Some(_), None) => Err("has a column of which nothing is made: take it out".into()),
            (Some(name), Some(_)) => self.check_column(schema, name),
            (None, None) => Ok(()),
        }
    }

    fn check_column(&self, schema: &Schema, name: &str) -> Result<(), String> {
        match role_of(schema, name)? {
            Role::Numeric => Ok(()),
            Role::Categorical if !self.makes(Aggregate::needs_number) => Ok(()),
            Role::Categorical => Err(format!(
                "names the column \"{name}\", which is read as text where a number is needed: name it in --numeric"
            )),
            role => Err(fault_of(name, role)),
        }
    }
}

impl Schema {
    /// The sections of windows, in their order.
    pub fn windows(&self) -> impl Iterator<Item = &Window> {
        self.features.iter().filter_map(|feature| match feature {
            super::Feature::Window(window) => Some(window),
            _ => None,
        })
    }
}

fn check_key(schema: &Schema, name: &str) -> Result<(), String> {
    match role_of(schema, name)? {
        Role::Numeric | Role::Categorical | Role::Id => Ok(()),
        role => Err(fault_of(name, role)),
    }
}

fn role_of(schema: &Schema, name: &str) -> Result<Role, String> {
    let column = schema.columns.iter().find(|column| column.name == name);
    column.map(|column| column.role).ok_or_else(|| {
        let names: Vec<_> = schema.columns.iter().map(|column| column.name.as_str()).collect();
        format!("names the column \"{name}\", which the input does not have; there are: {}", names.join(", "))
    })
}

fn fault_of(name: &str, role: Role) -> String {
    let what = match role {
        Role::Label => "is the label: of labels, rate and known are made",
        Role::Weight => "is the example weight: take another column",
        Role::Id => "is the id: leave it out of --id, and name it in --categorical",
        _ => "is not read: name it in --categorical or --numeric, not in --ignore",
    };
    format!("names the column \"{name}\", which {what}")
}

fn must(is_met: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if is_met { Ok(()) } else { Err(fault()) }
}

fn is_distinct<T: PartialEq>(all: &[T]) -> bool {
    all.iter().enumerate().all(|(at, one)| !all[..at].contains(one))
}

fn one() -> f64 {
    1.0
}

fn thirty_two() -> u32 {
    32
}

fn million() -> u64 {
    1_000_000
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_yes(keep: &bool) -> bool {
    *keep
}
