//! Synthetic streams with a known truth and drift: takes a generator, a number of records and a seed; gives CSV text
//! together with the loss of the best possible predictor.
//!
//! Every label is drawn with probability `sigmoid(logit)`, and every logit is linear in the columns as they are printed
//! (one weight a value of a categorical column, one a numeric column), so an online linear model can approach the best
//! loss but, drift and luck aside, never beat it. The same seed gives the same bytes on every machine: whole numbers
//! and basic arithmetic, everything else from `libm`. No clock, no I/O, and no memory of how the text was cut.
//! Siblings: [`clicks`], [`hyperplane`], [`fraud`], [`ratings`], whose pages state their models.

pub mod chunks;
pub mod clicks;
pub mod fraud;
pub mod hyperplane;
pub mod ratings;

mod calendar;
mod effects;
mod field;
mod label;
pub(crate) mod rng;

use crate::record::LossSum;
use clicks::Clicks;
use fraud::Fraud;
use hyperplane::Hyperplane;
use ratings::Ratings;

/// Which synthetic stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// Ad impressions and their clicks: ids of very different popularity, ads that wander and are replaced.
    Clicks,
    /// Ten normal numbers and a plane between the classes that turns slowly.
    Hyperplane,
    /// Card payments: fraud is rare, and terminals are compromised and cleaned again.
    Fraud,
    /// Likes of items by users, about half of them positive.
    Ratings,
}

/// What the columns of a stream are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    /// The header line, with its line feed.
    pub header: &'static str,
    /// The event time, where there is one; no feature.
    pub time: Option<&'static str>,
    /// Numeric features.
    pub numeric: &'static [&'static str],
    /// Categorical features; some of them look like numbers.
    pub categorical: &'static [&'static str],
    /// The label, 0 or 1.
    pub label: &'static str,
}

impl Generator {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Clicks, Self::Hyperplane, Self::Fraud, Self::Ratings];

    /// What its columns are for.
    ///
    /// ```
    /// use tidemill::source::synthetic::Generator;
    /// assert_eq!(Generator::Fraud.columns().numeric, ["amount", "log_amount"]);
    /// assert_eq!(Generator::Hyperplane.columns().time, None);
    /// ```
    pub fn columns(&self) -> &'static Columns {
        match self {
            Self::Clicks => &clicks::COLUMNS,
            Self::Hyperplane => &hyperplane::COLUMNS,
            Self::Fraud => &fraud::COLUMNS,
            Self::Ratings => &ratings::COLUMNS,
        }
    }

    /// Name of its label column.
    ///
    /// ```
    /// use tidemill::source::synthetic::Generator;
    /// assert_eq!(Generator::Clicks.label(), "click");
    /// ```
    pub fn label(&self) -> &'static str {
        self.columns().label
    }
}

/// One seeded stream of CSV text.
///
/// ```
/// use tidemill::source::synthetic::{Generator, Synthetic};
/// let mut stream = Synthetic::new(Generator::Ratings, 3, 1);
/// let mut text = stream.header().as_bytes().to_vec();
/// let best = stream.fill(&mut text, 1 << 20);
/// assert_eq!(text.iter().filter(|&&byte| byte == b'\n').count(), 4);
/// assert_eq!(best.records, 3);
/// assert!(best.loss > 0.0 && stream.is_done());
/// ```
#[derive(Debug)]
pub struct Synthetic {
    generator: Generator,
    stream: Stream,
    left: u64,
}

impl Synthetic {
    /// A stream of `rows` records; equal arguments give equal bytes.
    ///
    /// ```
    /// use tidemill::source::synthetic::{Generator, Synthetic};
    /// assert!(Synthetic::new(Generator::Clicks, 0, 7).is_done());
    /// ```
    pub fn new(generator: Generator, rows: u64, seed: u64) -> Self {
        let stream = match generator {
            Generator::Clicks => Stream::Clicks(Clicks::new(seed)),
            Generator::Hyperplane => Stream::Hyperplane(Hyperplane::new(seed)),
            Generator::Fraud => Stream::Fraud(Fraud::new(seed)),
            Generator::Ratings => Stream::Ratings(Ratings::new(seed)),
        };
        Self { generator, stream, left: rows }
    }

    /// The header line, with its line feed; [`Synthetic::fill`] never writes it.
    ///
    /// ```
    /// use tidemill::source::synthetic::{Generator, Synthetic};
    /// let stream = Synthetic::new(Generator::Fraud, 1, 1);
    /// assert!(stream.header().ends_with(",fraud\n"));
    /// ```
    pub fn header(&self) -> &'static str {
        self.generator.columns().header
    }

    /// Appends whole records, at least one, until `bytes` bytes have been added or no record is left.
    ///
    /// Gives the sum of `-ln p(label)` over them, `p` being the probability that the label was drawn from: what the
    /// best possible predictor loses. How the stream is cut into portions does not change its bytes.
    ///
    /// ```
    /// use tidemill::source::synthetic::{Generator, Synthetic};
    /// let mut stream = Synthetic::new(Generator::Clicks, 1_000, 1);
    /// let (mut text, mut records) = (Vec::new(), 0);
    /// while !stream.is_done() {
    ///     records += stream.fill(&mut text, 4096).records;
    /// }
    /// assert_eq!(records, 1_000);
    /// ```
    pub fn fill(&mut self, text: &mut Vec<u8>, bytes: usize) -> LossSum {
        let sum = match &mut self.stream {
            Stream::Clicks(stream) => pour(self.left, text, bytes, |text| stream.append(text)),
            Stream::Hyperplane(stream) => pour(self.left, text, bytes, |text| stream.append(text)),
            Stream::Fraud(stream) => pour(self.left, text, bytes, |text| stream.append(text)),
            Stream::Ratings(stream) => pour(self.left, text, bytes, |text| stream.append(text)),
        };
        self.left -= sum.records;
        sum
    }

    /// Whether no record is left.
    ///
    /// ```
    /// use tidemill::source::synthetic::{Generator, Synthetic};
    /// let mut stream = Synthetic::new(Generator::Hyperplane, 1, 1);
    /// assert!(!stream.is_done());
    /// stream.fill(&mut Vec::new(), 1);
    /// assert!(stream.is_done());
    /// ```
    pub fn is_done(&self) -> bool {
        self.left == 0
    }
}

#[derive(Debug)]
enum Stream {
    Clicks(Clicks),
    Hyperplane(Hyperplane),
    Fraud(Fraud),
    Ratings(Ratings),
}

/// Appends up to `left` records; `append` writes one and gives its best loss.
#[inline(always)]
fn pour(left: u64, text: &mut Vec<u8>, bytes: usize, mut append: impl FnMut(&mut Vec<u8>) -> f64) -> LossSum {
    let enough = text.len().saturating_add(bytes);
    let mut sum = LossSum::default();
    while sum.records < left && (sum.records == 0 || text.len() < enough) {
        sum.loss += append(text);
        sum.records += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn a_generator_has_the_same_name_on_the_command_line_and_in_files() {
        for generator in Generator::ALL {
            let in_files = serde_json::to_value(generator).unwrap();
            assert_eq!(generator.to_possible_value().unwrap().get_name(), in_files.as_str().unwrap());
        }
    }
}
