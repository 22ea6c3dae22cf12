//! What is made of columns beside one feature a column, as the `[[feature]]` sections of a job file write it.
//!
//! Plain data: what a section says of itself. Whether sections fit the columns is for
//! [`Schema::check_features`] to say.
//!
//! [`Schema::check_features`]: super::Schema::check_features

use serde::{Deserialize, Serialize};

use super::Role;
use super::window::Window;

/// Features made of some columns.
///
/// What is made of one column takes the place of what the column would be by itself, unless `keep` says otherwise;
/// crosses and polynomials are added. Hashed features stand in a namespace, by default named like their column.
///
/// ```
/// use tidemill::schema::Feature;
/// let section: Feature = toml::from_str("kind = 'list'\ncolumns = ['tags']\nseparator = '|'").unwrap();
/// assert_eq!(section.columns(), ["tags"]);
/// assert!(toml::from_str::<Feature>("kind = 'list'\ncolumns = ['tags']\nseperator = '|'").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "kind")]
pub enum Feature {
    /// Numbers hashed by the names of their columns, values as they are read, zeros left out; text hashed by its value.
    /// In one namespace, equal values of several columns share a weight.
    Hash {
        /// The columns, of numbers or text.
        columns: Vec<String>,
        /// The namespace in which they are hashed; none is the column's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// Whether the columns stay what they would be without it as well.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep: bool,
    },
    /// Categories of which each value is declared.
    OneHot {
        /// The columns, of text.
        columns: Vec<String>,
        /// The values.
        values: Vec<String>,
        /// What any other value becomes.
        #[serde(default)]
        unseen: Unseen,
        /// The namespace in which values are hashed; none is the column's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// Whether the columns stay what they would be without it as well.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep: bool,
    },
    /// Numbers as categories: between which boundaries they lie. A bucket includes its lower end.
    Buckets {
        /// The columns, of numbers.
        columns: Vec<String>,
        /// Rising.
        boundaries: Vec<f64>,
        /// Whether the columns stay what they would be without it as well.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep: bool,
    },
    /// Numbers as categories: in which of some equally filled buckets they lie, by what was seen before. They are made
    /// where records stand in order, so that no cross can use them.
    Quantiles {
        /// The columns, of numbers.
        columns: Vec<String>,
        /// How many buckets.
        #[serde(default = "ten")]
        bins: usize,
        /// Whether the columns stay what they would be without it as well.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep: bool,
    },
    /// The words of a text, split at whatever is neither letter nor digit. A word that comes twice is two features.
    Tokens {
        /// The columns, of text.
        columns: Vec<String>,
        /// Most words, or characters, that follow each other and are one more feature, a blank between words.
        #[serde(default = "one")]
        ngrams: usize,
        /// Most words, or characters, in all that such a feature may pass over.
        #[serde(default)]
        skips: usize,
        /// Whether characters rather than words are taken; those between words are one blank.
        #[serde(default)]
        characters: bool,
        /// Whether capital letters are taken as small ones.
        #[serde(default = "yes")]
        lowercase: bool,
        /// The namespace in which they are hashed; none is the column's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// Whether the columns stay what they would be without it as well.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep: bool,
    },
    /// The values of a list, blanks around each passed over.
    List {
        /// The columns: lists of a format that has them, or text.
        columns: Vec<String>,
        /// What stands between two values in text.
        #[serde(default = "semicolon")]
        separator: String,
        /// The namespace in which values are hashed; none is the column's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        /// Whether the columns stay what they would be without it as well.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep: bool,
    },
    /// Parts of a time; each is a category in a namespace of its own, `column:hour`, or two numbers that go round.
    Time {
        /// The columns, of times as [`crate::timestamp`] reads them.
        columns: Vec<String>,
        /// Which parts.
        parts: Vec<Part>,
        /// Whether the columns stay what they would be without it as well.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep: bool,
    },
    /// Every feature of one namespace with every one of another.
    Cross {
        /// Two namespaces or more each; `:` is any. The same one twice gives each pair of its features once.
        of: Vec<Vec<String>>,
    },
    /// Products of numbers as further numbers.
    Polynomial {
        /// The columns, of numbers.
        columns: Vec<String>,
        /// Most factors of a product.
        #[serde(default = "two")]
        degree: usize,
        /// Whether no column is a factor twice.
        #[serde(default)]
        interaction_only: bool,
    },
    /// What the records before with the same key tell, as further numbers. They are made where records stand in order.
    Window(Window),
}

/// What a value that was not declared becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unseen {
    /// No feature.
    #[default]
    Ignore,
    /// One feature for all of them.
    Other,
    /// A reason to reject the record.
    Reject,
}

/// A part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// From 0 to 23.
    Hour,
    /// From 0, Monday, to 6.
    Weekday,
    /// From 1 to 12.
    Month,
    /// Of the month, from 1 to 31.
    Day,
    /// From 0 to 1439.
    MinuteOfDay,
    /// The time of day as sine and cosine.
    HourCyclic,
    /// The time of the week.
    WeekdayCyclic,
    /// The day of the year, each month a twelfth of it.
    MonthCyclic,
}

impl Part {
    /// What it is of: `hour` for [`Part::Hour`] and [`Part::HourCyclic`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour | Self::HourCyclic => "hour",
            Self::Weekday | Self::WeekdayCyclic => "weekday",
            Self::Month | Self::MonthCyclic => "month",
            Self::Day => "day",
            Self::MinuteOfDay => "minute-of-day",
        }
    }

    /// Whether it is two numbers rather than a category.
    pub fn is_cyclic(self) -> bool {
        matches!(self, Self::HourCyclic | Self::WeekdayCyclic | Self::MonthCyclic)
    }
}

impl Feature {
    /// Whether the only crosses among `features` are those of any with any, and nothing is added behind them.
    pub fn are_any_pairs(features: &[Self]) -> bool {
        let crosses: Vec<&[Vec<String>]> = features
            .iter()
            .filter_map(|feature| if let Self::Cross { of } = feature { Some(&of[..]) } else { None })
            .collect();
        let is_behind = |feature: &Self| matches!(feature, Self::Quantiles { .. });
        matches!(crosses[..], [[pair]] if *pair == [":", ":"]) && !features.iter().any(is_behind)
    }

    /// The columns that it is made of, of a window those of its key; none for a cross, which is made of namespaces.
    pub fn columns(&self) -> &[String] {
        match self {
            Self::Hash { columns, .. }
            | Self::OneHot { columns, .. }
            | Self::Buckets { columns, .. }
            | Self::Quantiles { columns, .. }
            | Self::Tokens { columns, .. }
            | Self::List { columns, .. }
            | Self::Time { columns, .. }
            | Self::Polynomial { columns, .. } => columns,
            Self::Window(window) => &window.key,
            Self::Cross { .. } => &[],
        }
    }

    /// Its `kind` in the job file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hash { .. } => "hash",
            Self::OneHot { .. } => "one-hot",
            Self::Buckets { .. } => "buckets",
            Self::Quantiles { .. } => "quantiles",
            Self::Tokens { .. } => "tokens",
            Self::List { .. } => "list",
            Self::Time { .. } => "time",
            Self::Cross { .. } => "cross",
            Self::Polynomial { .. } => "polynomial",
            Self::Window(_) => "window",
        }
    }

    /// How it needs its columns to be read; `None` where numbers and text will both do.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::OneHot { .. } | Self::Tokens { .. } | Self::List { .. } | Self::Time { .. } => {
                Some(Role::Categorical)
            }
            Self::Buckets { .. } | Self::Quantiles { .. } | Self::Polynomial { .. } => Some(Role::Numeric),
            Self::Hash { .. } | Self::Cross { .. } | Self::Window(_) => None,
        }
    }

    /// How it needs this column to be read, where it is made of it and that matters.
    pub fn role_of(&self, column: &str) -> Option<Role> {
        match self {
            Self::Window(window) => window.role_of(column),
            _ => self.role().filter(|_| self.names(column)),
        }
    }

    /// Whether it is made of this column.
    pub fn names(&self, column: &str) -> bool {
        self.columns().iter().any(|name| name == column)
    }

    /// What becomes of its columns beside it; `None` where it is added and says nothing of them.
    pub(super) fn keeps(&self) -> Option<bool> {
        match self {
            Self::Hash { keep, .. }
            | Self::OneHot { keep, .. }
            | Self::Buckets { keep, .. }
            | Self::Quantiles { keep, .. }
            | Self::Tokens { keep, .. }
            | Self::List { keep, .. }
            | Self::Time { keep, .. } => Some(*keep),
            Self::Window(window) => Some(false).filter(|_| !window.keep),
            Self::Cross { .. } | Self::Polynomial { .. } => None,
        }
    }

    /// Whether it needs the event time of records.
    pub fn needs_time(&self) -> bool {
        matches!(self, Self::Window(_))
    }

    /// The namespaces of the hashed features that it makes of one of its columns; of those that come later, none.
    pub fn namespaces(&self, column: &str) -> Vec<String> {
        match self {
            Self::Hash { namespace, .. }
            | Self::OneHot { namespace, .. }
            | Self::Tokens { namespace, .. }
            | Self::List { namespace, .. } => vec![namespace.clone().unwrap_or_else(|| column.to_owned())],
            Self::Buckets { .. } => vec![column.to_owned()],
            Self::Time { parts, .. } => {
                parts.iter().filter(|part| !part.is_cyclic()).map(|part| part_namespace(column, *part)).collect()
            }
            Self::Quantiles { .. } | Self::Cross { .. } | Self::Polynomial { .. } | Self::Window(_) => Vec::new(),
        }
    }
}

/// The namespace of a part of a time.
pub fn part_namespace(column: &str, part: Part) -> String {
    format!("{column}:{}", part.name())
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

fn ten() -> usize {
    10
}

fn semicolon() -> String {
    ";".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTIONS: [&str; 10] = [
        "kind = 'hash'\ncolumns = ['a']\nnamespace = 'n'\nkeep = true",
        "kind = 'one-hot'\ncolumns = ['a']\nvalues = ['x']\nunseen = 'reject'",
        "kind = 'buckets'\ncolumns = ['a']\nboundaries = [1, 2.5]",
        "kind = 'quantiles'\ncolumns = ['a']\nbins = 4",
        "kind = 'tokens'\ncolumns = ['a']\nngrams = 2\nskips = 1\ncharacters = true\nlowercase = false",
        "kind = 'list'\ncolumns = ['a']",
        "kind = 'time'\ncolumns = ['a']\nparts = ['hour', 'weekday', 'month', 'day', 'minute-of-day', 'hour-cyclic', \
         'weekday-cyclic', 'month-cyclic']",
        "kind = 'cross'\nof = [['a', 'b'], [':', ':']]",
        "kind = 'polynomial'\ncolumns = ['a', 'b']\ndegree = 3\ninteraction-only = true",
        "kind = 'window'\nkey = ['a', 'b']\nover = ['1d', '90s']\ncolumn = 'c'\nmake = ['since-last', 'mean', 'rate']\n\
         log = false\nprior = 2.5\nbuckets = 4\nmost = 10\nkeep = false",
    ];

    #[test]
    fn a_section_comes_back_from_a_job_file_and_from_a_model() {
        for section in SECTIONS {
            let feature: Feature = toml::from_str(section).unwrap();
            assert!(section.contains(&format!("'{}'", feature.kind())));
            assert_eq!(toml::from_str::<Feature>(&toml::to_string(&feature).unwrap()).unwrap(), feature);
            let json = serde_json::to_string(&feature).unwrap();
            assert_eq!(serde_json::from_str::<Feature>(&json).unwrap(), feature);
        }
    }

    #[test]
    fn a_word_that_no_section_knows_is_refused() {
        for section in SECTIONS {
            assert!(toml::from_str::<Feature>(&format!("{section}\ncolums = ['b']")).is_err(), "{section}");
        }
        assert!(toml::from_str::<Feature>("kind = 'hashed'\ncolumns = ['a']").is_err());
    }
}
