//! Down-sampling of negatives: takes a label and a record's number, says whether the record stays, and what it then
//! weighs. Which ones stay follows from the seed and the number alone, so nothing is remembered.

use crate::examples::LabelToken;
use crate::schema::step::Sample;

/// Most that a record weighs, as in the input.
const MAX_WEIGHT: f64 = 1e6;

/// Keeps a share of the negatives.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampler {
    share: f64,
    seed: u64,
}

impl Sampler {
    /// What a section says.
    pub fn new(section: &Sample) -> Self {
        Self { share: section.negatives, seed: section.seed }
    }

    /// Whether the record of this number in the run stays.
    ///
    /// ```
    /// use tidemill::{examples::LabelToken, online::sample::Sampler, schema::step::Sample};
    /// let sampler = Sampler::new(&Sample { negatives: 0.25, seed: 1 });
    /// let kept = (1..=1000).filter(|&record| sampler.keeps(LabelToken::Zero, record)).count();
    /// assert!((200..300).contains(&kept));
    /// assert!((1..=1000).all(|record| sampler.keeps(LabelToken::One, record)));
    /// ```
    pub fn keeps(&self, label: LabelToken, record: u64) -> bool {
        let is_negative = matches!(label, LabelToken::Zero | LabelToken::MinusOne | LabelToken::False);
        !is_negative || unit(mixed(mixed(self.seed) ^ record)) < self.share
    }

    /// Divides the weights of negatives by the share that is kept; none becomes larger than an input's may be.
    pub fn weigh(&self, label: &[f32], weight: &mut [f32]) {
        for (_, weight) in label.iter().zip(weight).filter(|(label, _)| **label == 0.0) {
            *weight = (f64::from(*weight) / self.share).min(MAX_WEIGHT) as f32;
        }
    }
}

/// The output function of SplitMix64 (Steele, Lea and Flood 2014) behind one step.
fn mixed(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A number from 0 to below 1, of the upper 53 bits.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_splitmix64() {
        assert_eq!(mixed(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mixed(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn what_is_kept_weighs_as_much_as_all() {
        for (share, seed) in [(0.01, 1), (0.1, 2), (0.5, 3), (1.0, 4)] {
            let sampler = Sampler::new(&Sample { negatives: share, seed });
            let all = 200_000;
            let kept = (1..=all).filter(|&record| sampler.keeps(LabelToken::MinusOne, record)).count();
            let mut weight = vec![1.0; kept];
            sampler.weigh(&vec![0.0; kept], &mut weight);
            let sum: f64 = weight.iter().map(|&x| f64::from(x)).sum();
            // Four standard deviations of the sum.
            let tolerance = 4.0 * (all as f64 * (1.0 - share) / share).sqrt() + 1.0;
            assert!((sum - all as f64).abs() <= tolerance, "{share}: {sum}");
        }
    }

    #[test]
    fn negatives_alone_are_weighed_and_none_beyond_the_largest_weight() {
        let mut weight = [1.0, 2.0, 3.0, 5e5, 0.0];
        Sampler::new(&Sample { negatives: 0.1, seed: 1 }).weigh(&[1.0, 0.0, f32::NAN, 0.0, 0.0], &mut weight);
        assert_eq!(weight, [1.0, 20.0, 3.0, 1e6, 0.0]);
    }

    #[test]
    fn another_seed_keeps_others() {
        let kept = |seed| {
            let sampler = Sampler::new(&Sample { negatives: 0.5, seed });
            (1..100).filter(|&record| sampler.keeps(LabelToken::False, record)).collect::<Vec<_>>()
        };
        assert_eq!(kept(1), kept(1));
        assert_ne!(kept(1), kept(2));
    }
}
