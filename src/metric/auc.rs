//! Area under the ROC curve, binned: takes logits, labels and weights, gives the area and a bound on its error.
//!
//! It holds two sums a bin, however long the stream, and never sorts.
//!
//! The exact value is the chance that a random positive ranks above a random negative, a tie counting half
//! (Hanley and McNeil 1982). Logits are put into bins 1/256 wide from -16 to 16, with one bin for everything below and
//! one for everything above. Two records in different bins are ranked as their logits are; two records in the same
//! bin are counted as a tie. A positive and a negative in the same bin truly add between 0 and 1 and are counted as
//! 1/2, so the value here differs from the exact one by at most `1/2 sum_b P_b N_b / (P N)`: [`Auc::error`].

use super::bin::{Bin, Width};

/// How wide bins are, in logits.
pub(super) const WIDTH: Width = Width { per_unit: 256.0, limit: 16.0 };

/// Bins within the limits, and one at each end.
pub const BINS: usize = WIDTH.bins();

/// Weights of negatives and positives by bin of logit.
#[derive(Debug, Clone, PartialEq)]
pub struct Auc {
    /// Weights of negatives and of positives in each of the [`BINS`] bins, lowest logits first.
    pub bins: Vec<[f64; 2]>,
}

impl Default for Auc {
    fn default() -> Self {
        Self { bins: vec![[0.0; 2]; BINS] }
    }
}

impl Auc {
    /// The binned area; `None` until both classes have been seen.
    ///
    /// ```
    /// use tidemill::metric::Metrics;
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[2.0, -1.0, 0.5, 0.0], &[1.0, 0.0, 0.0, 1.0], &[1.0; 4]);
    /// assert_eq!(metrics.auc.value(), Some(0.75));
    /// ```
    pub fn value(&self) -> Option<f64> {
        Area::of(&self.bins).value
    }

    /// The most that [`Auc::value`] can differ from the exact area: half of `sum_b P_b N_b / (P N)`.
    ///
    /// ```
    /// use tidemill::metric::Metrics;
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[0.001, 0.002], &[0.0, 1.0], &[1.0; 2]); // one bin: counted as a tie, in truth ranked right
    /// assert_eq!((metrics.auc.value(), metrics.auc.error()), (Some(0.5), Some(0.5)));
    /// ```
    pub fn error(&self) -> Option<f64> {
        Area::of(&self.bins).error
    }

    /// The bins that hold anything, lowest logits first.
    ///
    /// ```
    /// use tidemill::metric::Metrics;
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[0.0, 0.001], &[0.0, 1.0], &[1.0; 2]);
    /// let bins: Vec<_> = metrics.auc.used().collect();
    /// assert_eq!((bins.len(), bins[0].low, bins[0].high, bins[0].weight()), (1, 0.0, 1.0 / 256.0, 2.0));
    /// ```
    pub fn used(&self) -> impl DoubleEndedIterator<Item = Bin> + Clone {
        let used = self.bins.iter().enumerate().filter(|(_, sums)| **sums != [0.0; 2]);
        used.map(|(number, &sums)| WIDTH.bin(number, sums))
    }

    /// Adds one labelled prediction.
    #[inline(always)]
    pub(super) fn add(&mut self, logit: f32, label: f32, weight: f64) {
        self.bins[WIDTH.bin_of(logit)][usize::from(label > 0.5)] += weight;
    }
}

/// The middle of a bin of [`Auc::bins`]; those at both ends, which have none, count as one more beside the others.
///
/// ```
/// use tidemill::metric::auc::{BINS, centre};
/// assert_eq!([0, BINS / 2, BINS - 1].map(centre), [-16.0 - 0.5 / 256.0, 0.5 / 256.0, 16.0 + 0.5 / 256.0]);
/// ```
pub fn centre(bin: usize) -> f64 {
    (bin as f64 - 0.5) / WIDTH.per_unit - WIDTH.limit
}

/// An area, and the most that it can be off.
pub(super) struct Area {
    pub(super) value: Option<f64>,
    pub(super) error: Option<f64>,
}

impl Area {
    /// Of the weights of negatives and positives by bin, lowest logits first.
    pub(super) fn of(bins: &[[f64; 2]]) -> Self {
        let (mut below, mut ranked, mut tied) = (0.0, 0.0, 0.0);
        let mut positives = 0.0;
        for &[negative, positive] in bins {
            ranked += positive * below;
            tied += positive * negative;
            below += negative;
            positives += positive;
        }
        let pairs = positives * below;
        Self { value: super::ratio(ranked + 0.5 * tied, pairs), error: super::ratio(0.5 * tied, pairs) }
    }
}

/// A logit, whether its label is positive, and its weight.
#[cfg(test)]
pub(super) type Row = (f32, bool, f64);

/// The area by comparing every positive with every negative.
#[cfg(test)]
pub(super) fn exact(rows: &[Row]) -> Option<f64> {
    let (mut won, mut pairs) = (0.0, 0.0);
    for &(high, _, w) in rows.iter().filter(|r| r.1) {
        for &(low, _, v) in rows.iter().filter(|r| !r.1) {
            let share = if high > low { 1.0 } else { f64::from(u8::from(high == low)) / 2.0 };
            won += w * v * share;
            pairs += w * v;
        }
    }
    (pairs > 0.0).then(|| won / pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn binned(rows: &[Row]) -> Auc {
        let mut auc = Auc::default();
        for &(logit, positive, weight) in rows {
            auc.add(logit, f32::from(u8::from(positive)), weight);
        }
        auc
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_binned_area_is_within_its_bound_of_the_exact_one(
            rows in prop::collection::vec((-0.05..0.05f32, any::<bool>(), 0.0..3.0f64), 0..60),
            spread in prop_oneof![Just(0.01f32), Just(1.0), Just(30.0), Just(600.0)],
        ) {
            let rows: Vec<Row> = rows.iter().map(|&(z, y, w)| (z * spread, y, w)).collect();
            let auc = binned(&rows);
            match exact(&rows) {
                None => prop_assert_eq!(auc.value(), None),
                Some(area) => {
                    let (value, error) = (auc.value().unwrap(), auc.error().unwrap());
                    prop_assert!((value - area).abs() <= error + 1e-12, "{} {} {}", value, area, error);
                }
            }
        }

        #[test]
        fn a_higher_logit_never_has_a_lower_bin(a in -40.0..40.0f32, b in -40.0..40.0f32) {
            prop_assert!(WIDTH.bin_of(a.min(b)) <= WIDTH.bin_of(a.max(b)));
        }
    }

    #[test]
    fn every_bin_can_be_reached_and_nothing_falls_outside() {
        let (mut seen, bin_of) = (vec![false; BINS], |logit: f32| WIDTH.bin_of(logit));
        for step in -20 * 512..20 * 512 {
            seen[bin_of(step as f32 / 512.0)] = true;
        }
        assert!(seen.iter().all(|&s| s));
        assert_eq!([bin_of(-30.0), bin_of(-16.0), bin_of(30.0), bin_of(f32::NAN)], [0, 1, BINS - 1, 0]);
    }

    #[test]
    fn one_class_alone_has_no_area() {
        assert_eq!(binned(&[(0.3, true, 1.0), (0.1, true, 1.0)]).value(), None);
    }
}
