//! The ranking of a window: takes logits, labels and weights, gives the binned area under the ROC curve with its bound, in
//! as little room as there are records.
//!
//! There may be thousands of windows and segments at once, most of them of few records: only bins that were met are
//! kept, and these are eight times as wide as those of a whole run (see [`super::auc`]), 1/32 of a unit of logit. The
//! bound is the same, `1/2 sum_b P_b N_b / (P N)`, and is told with every figure.

use super::auc::Area;
use super::bin::{Bin, Width};

/// How wide bins are, in logits.
pub(super) const WIDTH: Width = Width { per_unit: 32.0, limit: 16.0 };
/// Bins within the limits, and one at each end.
pub const BINS: u32 = WIDTH.bins() as u32;

/// Weights of negatives and of positives in the bins that were met, lowest logits first.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Ranking {
    /// The number of each bin.
    pub bins: Vec<u32>,
    /// Its weights of negatives and of positives.
    pub sums: Vec<[f64; 2]>,
}

impl Ranking {
    /// Adds a labelled prediction; says whether its bin is a new one.
    #[inline]
    pub fn add(&mut self, logit: f32, label: f32, weight: f64) -> bool {
        let bin = WIDTH.bin_of(logit) as u32;
        let (at, is_new) = match self.bins.binary_search(&bin) {
            Ok(at) => (at, false),
            Err(at) => {
                self.bins.insert(at, bin);
                self.sums.insert(at, [0.0; 2]);
                (at, true)
            }
        };
        self.sums[at][usize::from(label > 0.5)] += weight;
        is_new
    }

    /// Adds another ranking.
    ///
    /// ```
    /// use tidemill::metric::ranking::Ranking;
    /// let (mut low, mut high) = (Ranking::default(), Ranking::default());
    /// low.add(-1.0, 0.0, 1.0);
    /// high.add(2.0, 1.0, 1.0);
    /// high.merge(&low);
    /// assert_eq!(high.area(), Some((1.0, 0.0)));
    /// ```
    pub fn merge(&mut self, other: &Self) {
        let (mine, theirs) = (std::mem::take(self), other);
        let (mut a, mut b) = (0, 0);
        while a < mine.bins.len() || b < theirs.bins.len() {
            let [left, right] = [mine.bins.get(a), theirs.bins.get(b)].map(|bin| bin.copied().unwrap_or(u32::MAX));
            let mut sums = [0.0; 2];
            for (of, at) in [(&mine, &mut a), (theirs, &mut b)] {
                if of.bins.get(*at) == Some(&left.min(right)) {
                    sums = [sums[0] + of.sums[*at][0], sums[1] + of.sums[*at][1]];
                    *at += 1;
                }
            }
            self.bins.push(left.min(right));
            self.sums.push(sums);
        }
    }

    /// The binned area, and the most that it can differ from the exact one; `None` until both classes have been seen.
    ///
    /// ```
    /// let mut ranking = tidemill::metric::ranking::Ranking::default();
    /// ranking.add(2.0, 1.0, 1.0);
    /// ranking.add(-1.0, 0.0, 1.0);
    /// assert_eq!(ranking.area(), Some((1.0, 0.0)));
    /// ```
    pub fn area(&self) -> Option<(f64, f64)> {
        let Area { value, error } = Area::of(&self.sums);
        value.zip(error)
    }

    /// The bins that were met, lowest logits first.
    pub fn used(&self) -> impl DoubleEndedIterator<Item = Bin> + Clone {
        self.bins.iter().zip(&self.sums).map(|(&number, &sums)| WIDTH.bin(number as usize, sums))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::auc::exact;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_area_of_few_bins_is_within_its_bound_of_the_exact_one(
            rows in prop::collection::vec((-0.05..0.05f32, any::<bool>(), 0.0..3.0f64), 0..60),
            spread in prop_oneof![Just(0.1f32), Just(10.0), Just(300.0), Just(900.0)],
        ) {
            let rows: Vec<_> = rows.iter().map(|&(z, y, w)| (z * spread, y, w)).collect();
            let mut ranking = Ranking::default();
            for &(z, y, w) in &rows {
                ranking.add(z, f32::from(u8::from(y)), w);
            }
            match (exact(&rows), ranking.area()) {
                (Some(area), Some((value, error))) => {
                    prop_assert!((value - area).abs() <= error + 1e-12, "{} {} {}", value, area, error);
                }
                (exact, area) => prop_assert_eq!(exact, area.map(|area| area.0)),
            }
            prop_assert!(ranking.bins.is_sorted_by(|a, b| a < b) && ranking.bins.iter().all(|&bin| bin < BINS));
        }
    }
}
