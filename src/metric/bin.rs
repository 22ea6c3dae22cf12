//! A bin of predictions: the logits that it spans, and the weights of negatives and positives in it.
//!
//! Whatever can be had from a ranking is worked out from bins at the end of a stretch of the stream, so that a record
//! costs one addition. Both kinds of bins ([`super::auc`], [`super::ranking`]) are handed over as these.

use super::probability;

/// Predictions whose logits lie close together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// The lowest logit that belongs to it; minus infinity in the first bin.
    pub low: f64,
    /// The lowest logit that belongs to the next one; infinity in the last bin.
    pub high: f64,
    /// Weight of its negatives.
    pub negative: f64,
    /// Weight of its positives.
    pub positive: f64,
}

/// How logits are cut into bins: so many a unit, between plus and minus a limit, one for everything below and one for
/// everything above.
#[derive(Debug, Clone, Copy)]
pub(super) struct Width {
    pub(super) per_unit: f64,
    pub(super) limit: f64,
}

impl Width {
    /// Bins within the limits, and one at each end.
    pub(super) const fn bins(self) -> usize {
        2 * (self.limit * self.per_unit) as usize + 2
    }

    /// The bin of a logit. In 64 bits the sum is exact but for logits within 2e-15 of an edge, so that the edge at 0
    /// parts probabilities of one half and more from those below. A higher logit never has a lower bin.
    #[inline(always)]
    pub(super) fn bin_of(self, logit: f32) -> usize {
        let bin = f64::from(logit) * self.per_unit + (self.limit * self.per_unit + 1.0);
        (bin as u32 as usize).min(self.bins() - 1) // the cast takes what is negative, and NaN, to 0
    }

    /// A bin by its number.
    pub(super) fn bin(self, number: usize, [negative, positive]: [f64; 2]) -> Bin {
        let edge = |number: usize| (number as f64 - 1.0) / self.per_unit - self.limit;
        let low = if number == 0 { f64::NEG_INFINITY } else { edge(number) };
        let high = if number + 1 == self.bins() { f64::INFINITY } else { edge(number + 1) };
        Bin { low, high, negative, positive }
    }
}

impl Bin {
    /// Weight of all its predictions.
    pub fn weight(&self) -> f64 {
        self.negative + self.positive
    }

    /// The lowest and the highest probability in it.
    pub fn probabilities(&self) -> [f64; 2] {
        [self.low, self.high].map(|logit| probability(logit as f32)) // edges are exact in 32 bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logit_lies_within_its_bin() {
        let width = Width { per_unit: 256.0, limit: 16.0 };
        for logit in [-20.0_f32, -16.0, -15.999, -1e-7, -1e-12, 0.0, 1e-12, 0.004, 3.1, 15.999, 16.0, 99.0] {
            let bin = width.bin(width.bin_of(logit), [1.0, 2.0]);
            let z = f64::from(logit);
            assert!(bin.low <= z && z < bin.high, "{logit}: {bin:?}");
        }
        assert_eq!((width.bins(), width.bin(4097, [0.0; 2]).low), (8194, 0.0));
    }
}
