//! Micro-batches to measure with: takes a shape, gives rows of normal numbers, and of hashes of which a few are common
//! and most are rare.
//!
//! Plain data from a seed: the same arguments give the same micro-batches. It learns nothing and reads no clock.

use super::Shape;
use crate::examples::{MicroBatch, stride};

/// Different hashed features of each place in a row: 39 of them fill a table of `2^22` to a quarter.
const VALUES: u64 = 30_000;
/// Records that are made where they are wanted in turn: so many that they come out of memory as new ones would.
const RECORDS: usize = 1 << 16;
/// Bytes that are made of wide records.
const BYTES: usize = 16 << 20;

/// The shape of a stream of micro-batches.
///
/// ```
/// use tidemill::learner::{Shape, made_up::Kind};
/// let kind = Kind { shape: Shape { numeric: 3, hash_bits: 10 }, features: 2 };
/// let batch = kind.micro_batch(5, 1);
/// assert_eq!((batch.rows, batch.dense.len(), batch.hash.len()), (5, 5 * 16, 5 * 2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Weights of each kind.
    pub shape: Shape,
    /// Hashed features of a record.
    pub features: usize,
}

impl Kind {
    /// Numbers and features of a record.
    pub fn values(&self) -> usize {
        self.shape.numeric + self.features
    }

    /// Bytes of a record's numbers and features as the learner gets them: rows of numbers with their padding, hashes
    /// with their values.
    pub fn bytes(&self) -> usize {
        4 * stride(self.shape.numeric) + 8 * self.features
    }

    /// Distinct micro-batches of `rows` records, enough to learn in turn.
    pub fn micro_batches(&self, rows: usize) -> Vec<MicroBatch> {
        let rows = rows.max(1);
        let records = RECORDS.min(BYTES / self.bytes().max(1));
        (0..(records / rows).max(2)).map(|seed| self.micro_batch(rows, seed as u64)).collect()
    }

    /// A micro-batch of `rows` records.
    pub fn micro_batch(&self, rows: usize, seed: u64) -> MicroBatch {
        let mut draw = Draw::new(self.shape.numeric as u64 + 7 + (seed << 32));
        let mut batch = MicroBatch::default();
        batch.clear();
        for _ in 0..rows {
            self.push_record(&mut draw, &mut batch);
        }
        batch
    }

    fn push_record(&self, draw: &mut Draw, batch: &mut MicroBatch) {
        let mut logit = 0.0;
        for column in 0..self.shape.numeric {
            let value = draw.normal();
            logit += value * truth(column as u64);
            batch.dense.push(value as f32);
        }
        batch.rows += 1;
        batch.dense.resize(batch.rows * stride(self.shape.numeric), 0.0);
        for place in 0..self.features as u64 {
            let feature = place << 32 | draw.skewed(VALUES);
            logit += truth(feature);
            batch.hash.push(mix(feature) as u32);
            batch.value.push(1.0);
        }
        let scale = (self.values().max(1) as f64).sqrt();
        batch.row_start.push(batch.hash.len() as u32);
        batch.label.push(f32::from(u8::from(draw.label(2.0 * logit / scale))));
        batch.weight.push(1.0);
        batch.record.push(batch.rows as u64);
    }
}

/// A stream of random numbers: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// A stream for a seed.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// Uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        (mix(self.0) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal, with mean 0 and variance 1: the sum of four uniform numbers.
    pub fn normal(&mut self) -> f64 {
        let sum: f64 = (0..4).map(|_| self.uniform() - 0.5).sum();
        sum * 3f64.sqrt()
    }

    /// A whole number below `limit`, small ones far more often than large ones.
    pub fn skewed(&mut self, limit: u64) -> u64 {
        let u = self.uniform();
        (u * u * u * u * limit.max(1) as f64) as u64
    }

    /// True with probability `sigmoid(logit)`.
    pub fn label(&mut self, logit: f64) -> bool {
        self.uniform() < 1.0 / (1.0 + libm::exp(-logit))
    }
}

/// The true weight of a feature, between -1 and 1.
fn truth(feature: u64) -> f64 {
    (mix(feature) >> 11) as f64 * (2.0 / (1u64 << 53) as f64) - 1.0
}

/// Sixty-four bits of which each depends on every bit of `z`.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_batches_are_whole_and_differ_from_each_other() {
        let kind = Kind { shape: Shape { numeric: 20, hash_bits: 12 }, features: 3 };
        let batches = kind.micro_batches(RECORDS / 2);
        assert_eq!(batches.len(), 2);
        for batch in &batches {
            assert_eq!(batch.dense.len(), batch.rows * 32);
            assert_eq!(*batch.row_start.last().unwrap() as usize, batch.hash.len());
            assert!(batch.label.contains(&0.0) && batch.label.contains(&1.0));
            assert!(batch.dense.chunks(32).all(|row| row[20..].iter().all(|&padding| padding == 0.0)));
        }
        assert_ne!(batches[0], batches[1]);
        assert_eq!(kind.micro_batch(9, 4), kind.micro_batch(9, 4));
    }

    #[test]
    fn a_shape_without_a_feature_has_records_all_the_same() {
        let kind = Kind { shape: Shape { numeric: 0, hash_bits: 1 }, features: 0 };
        let batch = kind.micro_batch(3, 0);
        assert_eq!((batch.rows, batch.row_start, batch.label.len()), (3, vec![0; 4], 3));
    }

    #[test]
    fn a_few_features_are_common_and_most_are_rare() {
        let mut draw = Draw::new(1);
        let drawn: Vec<u64> = (0..10_000).map(|_| draw.skewed(VALUES)).collect();
        let common = drawn.iter().filter(|&&value| value < VALUES / 100).count();
        assert!((2_500..4_000).contains(&common), "{common}");
        assert!(drawn.iter().all(|&value| value < VALUES) && drawn.iter().any(|&value| value > VALUES / 2));
    }
}
