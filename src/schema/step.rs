//! A transform of columns, as the `[[transform]]` sections of a job file write it. Plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One transform; they are carried out in the order in which the job file has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Step {
    /// Keeps the records for which the expression is true.
    Filter(String),
    /// Makes columns by expressions over those before it; one that is there already is replaced.
    Derive(BTreeMap<String, String>),
    /// Old names to new ones.
    Rename(BTreeMap<String, String>),
    /// Takes columns out.
    Drop(Vec<String>),
    /// Reads columns as another kind; a record with a value that is none is rejected.
    Cast(BTreeMap<String, Kind>),
    /// Moves numbers below or above the two bounds to the bound.
    Clip(BTreeMap<String, [f64; 2]>),
    /// `sign(x) ln(1 + |x|)` of numbers, as `--log` does.
    Log(Vec<String>),
    /// What stands for a missing value.
    Fill(BTreeMap<String, Constant>),
    /// Keeps a share of the records with a negative label, which then weigh as much as all of them would.
    Sample(Sample),
    /// Keeps the first of records that come again.
    Deduplicate(Deduplicate),
    /// How numbers are brought into proportion; those that are not named are standardised.
    Scale(BTreeMap<String, Scale>),
    /// What stands for a missing value, by what was seen before.
    Impute(BTreeMap<String, Impute>),
}

impl Step {
    /// Whether it depends on the records before: such steps are the engine's, in the order of the stream, and behind all
    /// others wherever the job file has them.
    ///
    /// ```
    /// use tidemill::schema::Step;
    /// assert!(!Step::Filter("x > 0".into()).is_online());
    /// assert!(Step::Scale([("x".into(), tidemill::schema::step::Scale::MinMax)].into()).is_online());
    /// ```
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Sample(_) | Self::Deduplicate(_) | Self::Scale(_) | Self::Impute(_))
    }

    /// Whether it needs the event time of records.
    pub fn needs_time(&self) -> bool {
        matches!(self, Self::Deduplicate(Deduplicate { within: Within::Time(_), .. }))
    }
}

/// Down-sampling of negatives. It is the one transform that looks at the label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The share of them that is kept; each of these then weighs its weight divided by this.
    pub negatives: f64,
    /// Another seed keeps others.
    #[serde(default = "one")]
    pub seed: u64,
}

/// Which records come again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deduplicate {
    /// The columns in which they are equal.
    pub key: Vec<String>,
    /// How near to the one before it.
    pub within: Within,
    /// Keys that are remembered at most.
    #[serde(default = "million")]
    pub most: u64,
}

/// How near two records are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number of records like 100000, or a time like \"1h\"")]
pub enum Within {
    /// In records of the run.
    Records(u64),
    /// In event time, such as `90s`, `15m`, `1h` or `7d`.
    Time(String),
}

impl Within {
    /// The time in microseconds; `None` for a number of records, and for text that is no time.
    ///
    /// ```
    /// use tidemill::schema::step::Within;
    /// assert_eq!(Within::Time("1.5s".into()).microseconds(), Some(1_500_000));
    /// assert_eq!(Within::Time("soon".into()).microseconds(), None);
    /// ```
    pub fn microseconds(&self) -> Option<i64> {
        let Self::Time(text) = self else { return None };
        crate::timestamp::duration(text)
    }
}

/// How a number is brought into proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// To mean 0 and variance 1 by what was seen up to and with the record.
    #[default]
    Standard,
    /// To 0 to 1 by the extremes seen up to and with the record.
    MinMax,
    /// Not at all.
    None,
}

/// What stands for a missing value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impute {
    /// The mean of the numbers before it.
    Mean,
    /// The most frequent one of the categories before it.
    MostFrequent,
}

fn one() -> u64 {
    1
}

fn million() -> u64 {
    1_000_000
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A 64-bit float.
    Number,
    /// UTF-8.
    Text,
    /// True or false.
    Boolean,
    /// Microseconds since 1970, UTC.
    Time,
}

impl Kind {
    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "text",
            Self::Boolean => "true or false",
            Self::Time => "a time",
        }
    }
}

/// A value written in a job file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// Text in quotes.
    Text(String),
}
