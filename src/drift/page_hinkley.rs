//! The test of Page (1954) and Hinkley, with the forgetting of Mouss (2004): takes numbers, adds up how far each lies above
//! the mean so far, and gives the means before and behind the lowest sum once the sum has risen too far above that.
//!
//! After a change it starts anew. It looks upwards alone.

use super::Change;
use crate::error::Result;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// When a rise counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// How far above the mean a number has to lie to count at all.
    pub delta: f64,
    /// How far the sum may rise.
    pub threshold: f64,
    /// Numbers that must have come before a rise counts.
    pub min_instances: u64,
    /// What is left of the sum from one number to the next.
    pub alpha: f64,
}

/// The test under way.
#[derive(Debug, Clone, PartialEq)]
pub struct PageHinkley {
    limits: Limits,
    /// Numbers since the last change, and their mean.
    count: u64,
    mean: f64,
    sum: f64,
    lowest: f64,
    /// Numbers up to the lowest sum, and their mean.
    count_then: u64,
    mean_then: f64,
}

impl PageHinkley {
    /// A test without numbers.
    pub fn new(limits: Limits) -> Self {
        Self { limits, count: 0, mean: 0.0, sum: 0.0, lowest: f64::INFINITY, count_then: 0, mean_then: 0.0 }
    }

    /// Takes a number.
    ///
    /// ```
    /// use tidemill::drift::page_hinkley::{Limits, PageHinkley};
    /// let mut test = PageHinkley::new(Limits { delta: 0.005, threshold: 5.0, min_instances: 30, alpha: 0.9999 });
    /// let found = (0..200).find_map(|at| test.add(if at < 100 { 0.25 } else { 0.75 }));
    /// assert!(found.is_some_and(|change| (change.before - 0.25).abs() + (change.after - 0.75).abs() < 1e-9));
    /// ```
    pub fn add(&mut self, number: f64) -> Option<Change> {
        let Limits { delta, threshold, min_instances, alpha } = self.limits;
        self.count += 1;
        self.mean += (number - self.mean) / self.count as f64;
        self.sum = alpha * self.sum + (number - self.mean) - delta;
        if self.sum < self.lowest {
            self.lowest = self.sum;
            (self.count_then, self.mean_then) = (self.count, self.mean);
        }
        if self.count < min_instances || self.sum - self.lowest <= threshold {
            return None;
        }
        let change = Change { before: self.mean_then, after: self.mean_since() };
        *self = Self::new(self.limits);
        Some(change)
    }

    /// The mean behind the lowest sum.
    fn mean_since(&self) -> f64 {
        let (all, then) = (self.count as f64, self.count_then as f64);
        (self.mean * all - self.mean_then * then) / (all - then)
    }
}

impl Snapshot for PageHinkley {
    const PART: &'static str = "page_hinkley";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { limits, count, mean, sum, lowest, count_then, mean_then } = self;
        let Limits { delta, threshold, min_instances, alpha } = *limits;
        to.put("counts", &[*count, *count_then, min_instances]);
        to.put("sums", &[*mean, *sum, *lowest, *mean_then]);
        to.put("limits", &[delta, threshold, alpha]);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { limits, count, mean, sum, lowest, count_then, mean_then } = self;
        let least;
        [*count, *count_then, least] = from.counts("counts")?;
        [*mean, *sum, *lowest, *mean_then] = from.numbers("sums")?;
        let Limits { delta, threshold, min_instances, alpha } = *limits;
        let saved: [f64; 3] = from.numbers("limits")?;
        from.check("limits", saved == [delta, threshold, alpha] && least == min_instances)?;
        from.check("counts", count_then <= count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::made::{KINDS, stream};
    use crate::snapshot::State;

    const LIMITS: Limits = Limits { delta: 0.005, threshold: 20.0, min_instances: 30, alpha: 0.9999 };

    /// The formulas, each worked out from all numbers since the last change.
    fn naive(numbers: &[f64]) -> Vec<usize> {
        let (mut found, mut start) = (Vec::new(), 0);
        for end in 1..=numbers.len() {
            let own = &numbers[start..end];
            let sums: Vec<f64> = (1..=own.len())
                .scan((0.0, 0.0), |(sum, total), t| {
                    *total += own[t - 1];
                    *sum = LIMITS.alpha * *sum + own[t - 1] - *total / t as f64 - LIMITS.delta;
                    Some(*sum)
                })
                .collect();
            let lowest = sums.iter().copied().fold(f64::INFINITY, f64::min);
            if own.len() >= 30 && sums[own.len() - 1] - lowest > LIMITS.threshold {
                found.push(end - 1);
                start = end;
            }
        }
        found
    }

    fn found(numbers: &[f64]) -> Vec<usize> {
        let mut test = PageHinkley::new(LIMITS);
        (0..numbers.len()).filter(|&at| test.add(numbers[at]).is_some()).collect()
    }

    #[test]
    fn it_finds_changes_where_the_formulas_do() {
        for kind in KINDS {
            let numbers = stream(kind, 7, 3000);
            assert_eq!(found(&numbers), naive(&numbers), "{kind}");
        }
    }

    /// Places that River 0.26.1 gave: `PageHinkley(mode='up', threshold=20.0)` on the same streams.
    #[test]
    fn it_finds_changes_where_river_does() {
        let known: [(&str, u64, &[usize]); 6] = [
            ("stationary", 1, &[]),
            ("abrupt", 1, &[2068]),
            ("abrupt", 3, &[2062]),
            ("gradual", 1, &[1475, 2081, 2705]),
            ("gradual", 2, &[1531, 2203, 2857]),
            ("back", 3, &[1046, 3106]),
        ];
        for (kind, seed, want) in known {
            assert_eq!(found(&stream(kind, seed, 4000)), want, "{kind} {seed}");
        }
    }

    #[test]
    fn the_test_goes_on_from_a_snapshot() {
        let numbers = stream("abrupt", 5, 2500);
        let mut test = PageHinkley::new(LIMITS);
        let mut state = State::default();
        let mut places = Vec::new();
        for (at, &number) in numbers.iter().enumerate() {
            state.clear();
            state.save(&test);
            test = PageHinkley::new(LIMITS);
            state.restore(&mut test).unwrap();
            places.extend(test.add(number).map(|_| at));
        }
        assert_eq!(places, found(&numbers));
        assert!(state.restore(&mut PageHinkley::new(Limits { delta: 0.1, ..LIMITS })).is_err());
    }
}
