//! Micro-batches that are ready to be learned: dense rows of standard normal numbers, or sparse rows of hashes of which
//! a few are common and most are rare.

use tidemill::examples::{MicroBatch, stride};
use tidemill::learner::Shape;

use super::{Draw, mix, truth};

/// Different hashed features of each place in a row: 39 of them fill a table of `2^22` to a quarter.
const VALUES: u64 = 30_000;
/// Distinct records of a sparse stream; so many that their part of the table is no better cached than in a long one.
const SPARSE_RECORDS: usize = 1 << 16;

/// The shape of a stream of micro-batches.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// What it is, for a title.
    pub name: &'static str,
    /// Weights of each kind.
    pub shape: Shape,
    /// Hashed features of a record.
    pub features: usize,
}

impl Kind {
    /// Distinct micro-batches of `rows` records, enough to learn in turn.
    pub fn micro_batches(&self, rows: usize) -> Vec<MicroBatch> {
        let count = if self.features == 0 { 4 } else { (SPARSE_RECORDS / rows).max(4) };
        let mut draw = Draw::new(self.shape.numeric as u64 + 7);
        (0..count).map(|_| self.micro_batch(rows, &mut draw)).collect()
    }

    /// Numbers and features of a record.
    pub fn values(&self) -> usize {
        self.shape.numeric + self.features
    }

    fn micro_batch(&self, rows: usize, draw: &mut Draw) -> MicroBatch {
        let mut batch = MicroBatch::default();
        batch.clear();
        batch.rows = rows;
        let padding = stride(self.shape.numeric) - self.shape.numeric;
        for _ in 0..rows {
            let mut logit = 0.0;
            for column in 0..self.shape.numeric {
                let value = draw.normal();
                logit += value * truth(column as u64);
                batch.dense.push(value as f32);
            }
            batch.dense.resize(batch.dense.len() + padding, 0.0);
            for place in 0..self.features as u64 {
                let feature = place << 32 | draw.skewed(VALUES);
                logit += truth(feature);
                batch.hash.push(mix(feature) as u32);
                batch.value.push(1.0);
            }
            batch.row_start.push(batch.hash.len() as u32);
            batch.label.push(f32::from(u8::from(draw.label(2.0 * logit / (self.values() as f64).sqrt()))));
            batch.weight.push(1.0);
            batch.record.push(batch.record.len() as u64 + 1);
        }
        batch
    }
}
