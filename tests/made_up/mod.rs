//! Made-up micro-batches of any size and shape, the same ones whenever they are asked for.

use tidemill::examples::{MicroBatch, stride};

/// A made-up stream.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    pub numeric: usize,
    /// Hashed features of a row, one of which all rows share.
    pub hashed: usize,
    pub hash_bits: u32,
    pub rows: usize,
    pub batches: usize,
    /// Whether some rows have no label, no weight, or another weight than 1.
    pub odd_rows: bool,
}

/// An ordinary one, to be varied.
#[allow(dead_code, reason = "some tests have their own")]
pub const ORDINARY: Stream = Stream { numeric: 5, hashed: 4, hash_bits: 6, rows: 20, batches: 5, odd_rows: true };

impl Stream {
    /// Its micro-batch number `k`: the same one whenever it is asked for.
    pub fn batch(&self, k: usize) -> MicroBatch {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ ((k as u64 + 1) << 20));
        let mut batch = MicroBatch::default();
        batch.clear();
        for row in 0..self.rows {
            self.row(&mut batch, &mut dice);
            batch.record.push((k * self.rows + row + 1) as u64);
        }
        batch.rows = self.rows;
        batch
    }

    fn row(&self, batch: &mut MicroBatch, dice: &mut Dice) {
        let mut score = 0.0;
        for j in 0..stride(self.numeric) {
            let x = if j < self.numeric { 2.0 * dice.roll() - 1.0 } else { 0.0 };
            score += x * (j as f32).sin();
            batch.dense.push(x);
        }
        for k in 0..self.hashed {
            // The first is shared by all rows; the others follow a skewed law over the whole table.
            let hash = if k == 0 { 12345 } else { ((1e6 * dice.roll().powi(3)) as u32).wrapping_mul(2_654_435_761) };
            let x = if k % 3 == 2 { dice.roll() } else { 1.0 };
            score += x * (hash as f32 * 1e-3).sin();
            batch.hash.push(hash);
            batch.value.push(x);
        }
        batch.row_start.push(batch.hash.len() as u32);
        let odd = if self.odd_rows { (10.0 * dice.roll()) as u32 } else { 9 };
        batch.label.push(if odd == 0 { f32::NAN } else { f32::from(score + dice.roll() > 0.5) });
        batch.weight.push(match odd {
            1 => 0.0,
            2 => 2.5,
            _ => 1.0,
        });
    }
}

/// Xorshift with a multiplier (Vigna 2016): the same numbers everywhere.
struct Dice(u64);

impl Dice {
    /// A number in [0, 1).
    fn roll(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1 << 24) as f32
    }
}
