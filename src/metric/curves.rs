//! What the bins of scores tell beside the area: takes the weights of negatives and positives by bin of logit, as
//! [`super::auc`] keeps them, gives the points of ROC, precision-recall and gain curves, calibration by groups of
//! predictions, and a histogram.
//!
//! Bins are 1/256 of a logit wide, so that a threshold between two of them is as good as any; a bin counts as its middle,
//! which a probability differs from by less than 0.2 % of itself. Definitions: Fawcett (2006) of the curves, Wilson (1927) of
//! the interval of a rate. It keeps nothing.

use super::auc::centre;

/// A curve has about so many points, however many bins there are.
const POINTS: f64 = 200.0;

/// Weights of negatives and positives by bin of logit, lowest logits first.
#[derive(Debug, Clone, Copy)]
pub struct Curves<'a>(pub &'a [[f64; 2]]);

/// Predictions next to each other, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// Their weight.
    pub weight: f64,
    /// The weight of the positives among them.
    pub positive: f64,
    /// The mean probability that was predicted.
    pub predicted: f64,
    /// The lowest and the highest probability.
    pub range: (f64, f64),
}

impl Group {
    /// Share of positives.
    pub fn observed(&self) -> f64 {
        self.positive / self.weight
    }

    /// The 95 % interval of that share, if records are independent of each other (Wilson 1927).
    ///
    /// ```
    /// use tidemill::metric::curves::Group;
    /// let (low, high) = Group { weight: 10.0, positive: 2.0, predicted: 0.2, range: (0.1, 0.3) }.interval();
    /// assert!((low - 0.05668).abs() < 1e-5 && (high - 0.50984).abs() < 1e-5);
    /// ```
    pub fn interval(&self) -> (f64, f64) {
        const Z: f64 = 1.959_963_984_540_054;
        let (n, share) = (self.weight, self.observed());
        let middle = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let by = 1.0 + Z * Z / n;
        (((middle - half) / by).max(0.0), ((middle + half) / by).min(1.0))
    }
}

impl Curves<'_> {
    /// Weights of all negatives and of all positives.
    pub fn totals(&self) -> [f64; 2] {
        self.0.iter().fold([0.0; 2], |sum, of| [sum[0] + of[0], sum[1] + of[1]])
    }

    /// Weights of negatives and positives at and above each threshold, the highest first; nothing at first.
    fn above(&self) -> Vec<[f64; 2]> {
        let mut sum = [0.0; 2];
        let used = self.0.iter().rev().filter(|of| of[0] > 0.0 || of[1] > 0.0);
        let sums = used.map(|of| {
            sum = [sum[0] + of[0], sum[1] + of[1]];
            sum
        });
        std::iter::once([0.0; 2]).chain(sums).collect()
    }

    /// The ROC curve: the share of negatives that a threshold lets through, and that of positives. Empty with one class.
    ///
    /// ```
    /// use tidemill::metric::curves::Curves;
    /// let bins = [[3.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    /// assert_eq!(Curves(&bins).roc(), [(0.0, 0.0), (0.0, 0.5), (0.25, 1.0), (1.0, 1.0)]);
    /// ```
    pub fn roc(&self) -> Vec<(f64, f64)> {
        let [negative, positive] = self.totals();
        if negative <= 0.0 || positive <= 0.0 {
            return Vec::new();
        }
        thinned(self.above().into_iter().map(|[n, p]| (n / negative, p / positive)))
    }

    /// The precision-recall curve: the share of positives that a threshold finds, and the share of positives in what it
    /// lets through. Empty without positives.
    ///
    /// ```
    /// use tidemill::metric::curves::Curves;
    /// let bins = [[3.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    /// assert_eq!(Curves(&bins).precision_recall(), [(0.5, 1.0), (1.0, 2.0 / 3.0), (1.0, 2.0 / 6.0)]);
    /// ```
    pub fn precision_recall(&self) -> Vec<(f64, f64)> {
        let [_, positive] = self.totals();
        if positive <= 0.0 {
            return Vec::new();
        }
        let points = self.above().into_iter().skip(1);
        thinned(points.map(|[n, p]| (p / positive, p / (n + p))))
    }

    /// The gain curve: of all records, the share with the highest scores, and the share of positives that is among them.
    /// Empty without positives.
    ///
    /// ```
    /// use tidemill::metric::curves::Curves;
    /// let bins = [[6.0, 0.0], [1.0, 1.0], [0.0, 2.0]];
    /// assert_eq!(Curves(&bins).gain(), [(0.0, 0.0), (0.2, 2.0 / 3.0), (0.4, 1.0), (1.0, 1.0)]);
    /// ```
    pub fn gain(&self) -> Vec<(f64, f64)> {
        let [negative, positive] = self.totals();
        if positive <= 0.0 {
            return Vec::new();
        }
        thinned(self.above().into_iter().map(|[n, p]| ((n + p) / (negative + positive), p / positive)))
    }

    /// The share of positives among the records with the highest scores, `share` of all; of equal scores, some at random.
    /// `None` without positives.
    ///
    /// ```
    /// use tidemill::metric::curves::Curves;
    /// let bins = [[6.0, 0.0], [1.0, 1.0], [0.0, 2.0]];
    /// assert_eq!([0.1, 0.3].map(|share| Curves(&bins).gain_at(share)), [Some(1.0 / 3.0), Some(2.5 / 3.0)]);
    /// ```
    pub fn gain_at(&self, share: f64) -> Option<f64> {
        let [negative, positive] = self.totals();
        let wanted = share * (negative + positive);
        let above = self.above();
        let next = above.iter().position(|[n, p]| n + p >= wanted)?.max(1);
        let ([n0, p0], [n1, p1]) = (above[next - 1], *above.get(next)?);
        let width = n1 + p1 - n0 - p0;
        let into = if width > 0.0 { (wanted - n0 - p0) / width } else { 0.0 };
        (positive > 0.0).then(|| (p0 + into * (p1 - p0)) / positive)
    }

    /// Groups of about equal weight, the lowest predictions first; as many as there are distinct bins at most.
    ///
    /// ```
    /// use tidemill::metric::{Metrics, curves::Curves};
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[-2.0, -2.0, 2.0, 2.0], &[0.0, 0.0, 0.0, 1.0], &[1.0; 4]);
    /// let groups = Curves(&metrics.auc.bins).groups(10);
    /// assert_eq!(groups.iter().map(|group| (group.weight, group.observed())).collect::<Vec<_>>(), [(2.0, 0.0), (2.0, 0.5)]);
    /// ```
    pub fn groups(&self, most: usize) -> Vec<Group> {
        let all: f64 = self.totals().iter().sum();
        let (mut groups, mut so_far, mut last) = (Vec::<Group>::new(), 0.0, None);
        for (bin, &[negative, positive]) in self.0.iter().enumerate() {
            let (weight, probability) = (negative + positive, chance(centre(bin)));
            if weight <= 0.0 {
                continue;
            }
            // A bin belongs where its middle lies: it may be larger than a group.
            let number = ((so_far + 0.5 * weight) / all * most as f64) as usize;
            if last.replace(number) != Some(number) {
                groups.push(Group { weight: 0.0, positive: 0.0, predicted: 0.0, range: (probability, probability) });
            }
            if let Some(group) = groups.last_mut() {
                group.predicted = (group.predicted * group.weight + probability * weight) / (group.weight + weight);
                group.weight += weight;
                group.positive += positive;
                group.range.1 = probability;
            }
            so_far += weight;
        }
        groups
    }

    /// Shares of negatives and of positives by logit: the lower end of each bar, which are `1 / per_unit` wide, and both
    /// shares; from the first bar with a record to the last.
    ///
    /// ```
    /// use tidemill::metric::{Metrics, curves::Curves};
    /// let mut metrics = Metrics::default();
    /// metrics.add(&[-0.9, 0.3, 0.4], &[0.0, 0.0, 1.0], &[1.0; 3]);
    /// let bars = Curves(&metrics.auc.bins).histogram(2);
    /// assert_eq!(bars, [(-1.0, [0.5, 0.0]), (-0.5, [0.0, 0.0]), (0.0, [0.5, 1.0])]);
    /// ```
    pub fn histogram(&self, per_unit: usize) -> Vec<(f64, [f64; 2])> {
        let totals = self.totals();
        let bar = |bin: usize| (centre(bin) * per_unit as f64).floor() as i64;
        let mut used = self.0.iter().enumerate().filter(|(_, of)| of[0] > 0.0 || of[1] > 0.0).map(|(bin, _)| bar(bin));
        let Some(first) = used.next() else { return Vec::new() };
        let last = used.next_back().unwrap_or(first);
        let mut bars: Vec<_> = (first..=last).map(|at| (at as f64 / per_unit as f64, [0.0; 2])).collect();
        for (bin, of) in self.0.iter().enumerate() {
            if let Some((_, sums)) = usize::try_from(bar(bin) - first).ok().and_then(|at| bars.get_mut(at)) {
                (0..2).filter(|&class| totals[class] > 0.0).for_each(|class| sums[class] += of[class] / totals[class]);
            }
        }
        bars
    }
}

/// The probability of a logit.
pub fn chance(logit: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-logit))
}

/// Points of a curve that are far enough from the one before, with the first and the last.
fn thinned(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut last = None;
    for (x, y) in points {
        let is_far = |&(a, b): &(f64, f64)| (x - a).abs() >= 1.0 / POINTS || (y - b).abs() >= 1.0 / POINTS;
        if kept.last().is_none_or(is_far) {
            kept.push((x, y));
        }
        last = Some((x, y));
    }
    kept.extend(last.filter(|last| kept.last() != Some(last)));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metrics;
    use proptest::prelude::*;

    fn metrics(rows: &[(f32, bool)]) -> Metrics {
        let mut metrics = Metrics::default();
        let label: Vec<f32> = rows.iter().map(|row| f32::from(u8::from(row.1))).collect();
        metrics.add(&rows.iter().map(|row| row.0).collect::<Vec<_>>(), &label, &vec![1.0; rows.len()]);
        metrics
    }

    /// Twelve records, their scores in bins of their own, and what scikit-learn 1.9.1 says of them: `roc_curve` and
    /// `precision_recall_curve` with `drop_intermediate=False`, the latter's points the other way round and without its
    /// made-up end.
    #[test]
    fn curves_are_those_of_scikit_learn() {
        const LOGIT: [f32; 12] = [-2.0, -1.5, -1.25, -0.5, -0.25, 0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0];
        const LABEL: [u8; 12] = [0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1];
        let rows: Vec<_> = LOGIT.into_iter().zip(LABEL.map(|label| label == 1)).collect();
        let metrics = metrics(&rows);
        let bins = Curves(&metrics.auc.bins);
        let near = |have: Vec<(f64, f64)>, want: &[(u32, u32)], of: &dyn Fn(u32, u32) -> (f64, f64)| {
            let want: Vec<_> = want.iter().map(|&(a, b)| of(a, b)).collect();
            assert_eq!(have.len(), want.len());
            have.iter().zip(&want).for_each(|(have, want)| {
                assert!((have.0 - want.0).abs() + (have.1 - want.1).abs() < 1e-12, "{have:?} {want:?}");
            });
        };
        // In sixths: false positive rate, true positive rate.
        const ROC: [(u32, u32); 13] =
            [(0, 0), (0, 1), (0, 2), (1, 2), (1, 3), (1, 4), (2, 4), (2, 5), (3, 5), (4, 5), (4, 6), (5, 6), (6, 6)];
        near(bins.roc(), &ROC, &|x, y| (f64::from(x) / 6.0, f64::from(y) / 6.0));
        // Positives found, and records let through.
        const FOUND: [(u32, u32); 12] =
            [(1, 1), (2, 2), (2, 3), (3, 4), (4, 5), (4, 6), (5, 7), (5, 8), (5, 9), (6, 10), (6, 11), (6, 12)];
        near(bins.precision_recall(), &FOUND, &|x, y| (f64::from(x) / 6.0, f64::from(x) / f64::from(y)));
    }

    proptest! {
        #[test]
        fn the_area_below_the_roc_curve_is_the_area(rows in prop::collection::vec((-3.0..3.0f32, any::<bool>()), 2..100)) {
            let metrics = metrics(&rows);
            let roc = Curves(&metrics.auc.bins).roc();
            let area: f64 = roc.windows(2).map(|p| (p[1].0 - p[0].0) * (p[0].1 + p[1].1) / 2.0).sum();
            prop_assert!(metrics.auc.value().is_none_or(|value| (value - area).abs() < 1e-9), "{:?} {}", metrics.auc.value(), area);
        }

        #[test]
        fn groups_and_bars_hold_every_record_once(
            rows in prop::collection::vec((-20.0..20.0f32, any::<bool>()), 1..200),
            most in 1..20usize,
        ) {
            let metrics = metrics(&rows);
            let bins = Curves(&metrics.auc.bins);
            let groups = bins.groups(most);
            prop_assert!(groups.len() <= most);
            prop_assert!((groups.iter().map(|group| group.weight).sum::<f64>() - rows.len() as f64).abs() < 1e-9);
            prop_assert!(groups.windows(2).all(|pair| pair[0].range.1 < pair[1].range.0));
            let of_groups: f64 = groups.iter().map(|group| group.weight * group.predicted).sum();
            // A middle is off by half a bin at most.
            prop_assert!((of_groups - metrics.total.calibration.predicted).abs() < 0.002 * rows.len() as f64);
            for class in 0..2 {
                let sum: f64 = bins.histogram(4).iter().map(|(_, of)| of[class]).sum();
                prop_assert!(sum.abs() < 1e-9 || (sum - 1.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn what_is_found_among_the_highest_scores_grows_to_all() {
        let metrics = metrics(&[(2.0, true), (1.0, false), (0.0, true), (-1.0, false)]);
        let found = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| Curves(&metrics.auc.bins).gain_at(share));
        assert_eq!(found, [0.0, 0.5, 0.5, 1.0, 1.0].map(Some));
        assert_eq!(Curves(&[[1.0, 0.0]]).gain_at(0.5), None);
    }

    #[test]
    fn one_class_or_nothing_has_no_curves() {
        let none: [[f64; 2]; 3] = [[0.0; 2]; 3];
        let bins = Curves(&none);
        assert!(bins.roc().is_empty() && bins.precision_recall().is_empty() && bins.gain().is_empty());
        assert!(bins.groups(10).is_empty() && bins.histogram(4).is_empty());
        assert!(Curves(&[[1.0, 0.0]]).roc().is_empty());
    }
}
