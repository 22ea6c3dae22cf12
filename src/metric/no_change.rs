//! The classifier that says what was said last: takes labels in the order in which they become known, gives how often the
//! one before was right.
//!
//! On a stream whose labels come in runs this is a hard one to beat, and a high accuracy says little (Zliobaite et al.
//! 2015). Before the first label it says negative. A label that is corrected later keeps the place that it had.

use super::ratio;

/// What the no-change classifier came to. All of its state is in its public fields.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct NoChange {
    /// The last label: 1 or 0.
    pub last: f32,
    /// Weight of the labels that were those before them.
    pub correct: f64,
    /// Weight of all labels.
    pub weight: f64,
}

impl NoChange {
    /// Takes labels (1, 0, or NaN without one) with their example weights.
    ///
    /// ```
    /// let mut no_change = tidemill::metric::no_change::NoChange::default();
    /// no_change.add(&[0.0, 1.0, f32::NAN, 1.0], &[1.0, 1.0, 1.0, 2.0]);
    /// assert_eq!(no_change.accuracy(), Some(0.75)); // right, wrong, nothing to say, right
    /// ```
    #[inline]
    pub fn add(&mut self, label: &[f32], weight: &[f32]) {
        let Self { mut last, mut correct, weight: mut all } = *self;
        for (&label, &weight) in label.iter().zip(weight).filter(|(label, _)| !label.is_nan()) {
            let weight = f64::from(weight);
            correct += if label == last { weight } else { 0.0 };
            all += weight;
            last = label;
        }
        *self = Self { last, correct, weight: all };
    }

    /// Share of the labels that were those before them.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.correct, self.weight)
    }
}
