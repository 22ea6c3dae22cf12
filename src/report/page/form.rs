//! How an axis writes its values: takes its scale and range, gives its marks with their names, and a value in full.

use super::dates;
use super::ticks::{Scale, name};
use crate::metric::curves::chance;
use crate::report::number::percent;
use crate::timestamp::written;

/// What the values of an axis are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Numbers.
    #[default]
    Number,
    /// Shares of one, written in percent.
    Percent,
    /// Microseconds since 1970.
    Time,
    /// Logits, written as their probabilities.
    Logit,
}

/// Probabilities that an axis of logits may mark, those that say most first.
const CHANCES: [f64; 15] = [0.5, 0.01, 0.99, 0.1, 0.9, 1e-3, 0.999, 1e-4, 0.9999, 1e-5, 1e-6, 0.25, 0.75, 0.03, 0.97];
/// Marks that an axis of logits has room for.
const MOST: f64 = 7.0;

impl Form {
    /// The marks of a range.
    ///
    /// ```
    /// use tidemill::report::page::{form::Form, ticks::Scale};
    /// let marks = Form::Percent.marks(Scale::Linear, (0.0, 1.0));
    /// assert_eq!((marks.len(), &*marks[1].1), (6, "20 %"));
    /// ```
    pub fn marks(self, scale: Scale, range: (f64, f64)) -> Vec<(f64, String)> {
        match self {
            Self::Number | Self::Percent => {
                scale.ticks(range).into_iter().map(|tick| (tick, self.mark(tick))).collect()
            }
            Self::Time => {
                let marks = dates::marks(range.0 as i64, range.1 as i64);
                marks.into_iter().map(|(time, name)| (time as f64, name)).collect()
            }
            Self::Logit => {
                let mut marks: Vec<(f64, String)> = Vec::new();
                for chance in CHANCES {
                    let logit = (chance / (1.0 - chance)).ln();
                    let is_free = |(other, _): &(f64, String)| (logit - other).abs() >= (range.1 - range.0) / MOST;
                    if (range.0..=range.1).contains(&logit) && marks.iter().all(is_free) {
                        marks.push((logit, short(chance)));
                    }
                }
                marks
            }
        }
    }

    fn mark(self, tick: f64) -> String {
        match self {
            Self::Percent => short_percent(tick),
            _ => name(tick),
        }
    }

    /// A value in full.
    ///
    /// ```
    /// use tidemill::report::page::form::Form;
    /// assert_eq!(Form::Time.told(0.0), "1970-01-01T00:00:00Z");
    /// assert_eq!([Form::Percent.told(0.25), Form::Logit.told(0.0)], ["25 %", "50 %"]);
    /// ```
    pub fn told(self, value: f64) -> String {
        match self {
            Self::Number => name(value),
            Self::Percent => percent(value),
            Self::Time => written(value as i64),
            Self::Logit => percent(chance(value)),
        }
    }
}

/// A share in percent with as many digits as it needs.
fn short_percent(share: f64) -> String {
    format!("{} %", name(share * 100.0))
}

/// A probability with the digits that it is named by.
fn short(chance: f64) -> String {
    if chance < 1e-3 { format!("{chance:e}") } else { chance.to_string() }
}
