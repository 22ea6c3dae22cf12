//! The weights with the optimizer's slots, in a form every backend can start from and give back.
//!
//! Plain arrays; reading and writing files is `sink/model.rs`.

use super::{Optimizer, Penalty, Shape};
use crate::error::Result;
use crate::examples::stride;
use crate::learner::cpu::rule::{self, Rule, with_rule};
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Weights and optimizer slots. A coordinate is two floats: of SGD the weight and an unused one, of
/// AdaGrad the weight and the sum `n` of squared gradients, of FTRL-Proximal its `z` and `n`.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Numeric columns.
    pub numeric: usize,
    /// The hashed table has `2^hash_bits` coordinates.
    pub hash_bits: u32,
    /// The rule whose slots these are.
    pub optimizer: Optimizer,
    /// The penalties: FTRL's weights depend on them.
    pub penalty: Penalty,
    /// First float of each numeric column, [`stride`] of them; the padding stays 0.
    pub dense_a: Vec<f32>,
    /// Second float of each numeric column, [`stride`] of them.
    pub dense_b: Vec<f32>,
    /// The two floats of the bias.
    pub bias: [f32; 2],
    /// The two floats of each hashed coordinate, `2^hash_bits` of them.
    pub table: Vec<[f32; 2]>,
    /// Updates made so far: the model's version.
    pub updates: u64,
    /// Labelled records learned so far.
    pub learned: u64,
}

impl Model {
    /// A model that has learned nothing: every weight is 0.
    ///
    /// ```
    /// use tidemill::learner::{Model, Optimizer, Penalty, Shape};
    /// let adagrad = Optimizer::AdaGrad { learning_rate: 0.1 };
    /// let model = Model::new(Shape { numeric: 3, hash_bits: 10 }, adagrad, Penalty::NONE);
    /// assert_eq!(model.table.len(), 1024);
    /// ```
    pub fn new(shape: Shape, optimizer: Optimizer, penalty: Penalty) -> Self {
        let width = stride(shape.numeric);
        Self {
            numeric: shape.numeric,
            hash_bits: shape.hash_bits,
            optimizer,
            penalty,
            dense_a: vec![0.0; width],
            dense_b: vec![0.0; width],
            bias: [0.0; 2],
            table: vec![[0.0; 2]; 1 << shape.hash_bits],
            updates: 0,
            learned: 0,
        }
    }

    /// How many weights of each kind it has.
    pub fn shape(&self) -> Shape {
        Shape { numeric: self.numeric, hash_bits: self.hash_bits }
    }

    /// The weight of the constant.
    pub fn bias_weight(&self) -> f32 {
        rule::weight_of(self.optimizer, Penalty::NONE, self.bias)
    }

    /// Whether its rates adapt and have seen no gradient yet, so that they are not worth freezing.
    pub fn is_cold(&self) -> bool {
        with_rule!(self.optimizer, Penalty::NONE, rule => rule.is_cold(self.bias))
    }

    /// The weights of the numeric columns, for standardised values.
    pub fn dense_weights(&self) -> Vec<f32> {
        let pairs = self.dense_a.iter().zip(&self.dense_b).take(self.numeric);
        pairs.map(|(&a, &b)| rule::weight_of(self.optimizer, self.penalty, [a, b])).collect()
    }

    /// The place of a hash in the table.
    pub fn place(&self, hash: u32) -> usize {
        hash as usize & (self.table.len() - 1)
    }

    /// The weight of a feature of this hash.
    pub fn hashed_weight(&self, hash: u32) -> f32 {
        rule::weight_of(self.optimizer, self.penalty, self.table[self.place(hash)])
    }

    /// The weights of the hashed table, `2^hash_bits` of them.
    pub fn hashed_weights(&self) -> Vec<f32> {
        self.table.iter().map(|&slots| rule::weight_of(self.optimizer, self.penalty, slots)).collect()
    }
}

/// Coordinates whose being touched is told by the bits of one number; a checkpoint leaves out those that are not.
const GROUP: usize = 64;

impl Snapshot for Model {
    const PART: &'static str = "model";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { numeric, hash_bits, optimizer: _, penalty: _, dense_a, dense_b, bias, table, updates, learned } =
            self;
        to.put("shape", &[*numeric as u64, u64::from(*hash_bits)]);
        to.put("steps", &[*updates, *learned]);
        to.put("bias", bias);
        to.put("dense_a", dense_a);
        to.put("dense_b", dense_b);
        let mut touched = Vec::with_capacity(table.len().div_ceil(GROUP));
        to.put_with::<f32>("table", |bytes| {
            touched.extend(table.chunks(GROUP).map(|group| pack(group, bytes)));
        });
        to.put("touched", &touched);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { numeric, hash_bits, optimizer: _, penalty: _, dense_a, dense_b, bias, table, updates, learned } =
            self;
        from.check("shape", from.counts("shape")? == [*numeric as u64, u64::from(*hash_bits)])?;
        [*updates, *learned] = from.counts("steps")?;
        *bias = from.numbers("bias")?;
        *dense_a = from.exactly("dense_a", dense_a.len())?;
        *dense_b = from.exactly("dense_b", dense_b.len())?;
        let touched: Vec<u64> = from.exactly("touched", table.len().div_ceil(GROUP))?;
        let count: usize = touched.iter().map(|bits| bits.count_ones() as usize).sum();
        let slots: Vec<f32> = from.exactly("table", 2 * count)?;
        let mut packed = slots.as_chunks::<2>().0.iter();
        table.fill([0.0; 2]);
        for (group, &bits) in table.chunks_mut(GROUP).zip(&touched) {
            let marked = group.iter_mut().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            marked.zip(&mut packed).for_each(|((_, slot), &saved)| *slot = saved);
        }
        from.check("touched", packed.next().is_none()) // of a small table, none may lie behind its end
    }
}

/// Appends the coordinates that are not all zero, and tells which ones they are: most of a large table never is.
fn pack(group: &[[f32; 2]], bytes: &mut Vec<u8>) -> u64 {
    let touched = touched(group);
    let mut packed = [[0.0; 2]; GROUP];
    let (mut count, mut left) = (0, touched);
    while left != 0 {
        packed[count % GROUP] = group[left.trailing_zeros() as usize];
        count += 1;
        left &= left - 1;
    }
    bytes.extend_from_slice(bytemuck::cast_slice(&packed[..count]));
    touched
}

/// A bit for each coordinate that is not all zero; by their bits, since -0 and 0 are two states.
fn touched(group: &[[f32; 2]]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2")
        && let Ok(whole) = group.try_into()
    {
        // SAFETY: the lines above have found the one feature that this version needs.
        #[allow(unsafe_code, reason = "calling a version for detected instructions")]
        return unsafe { touched_wide(whole) };
    }
    let is_touched = |&[a, b]: &[f32; 2]| a.to_bits() | b.to_bits() != 0;
    group.iter().rev().fold(0, |bits, slot| bits << 1 | u64::from(is_touched(slot)))
}

/// The same, four coordinates at a time: a table is looked through as fast as memory gives it.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn touched_wide(group: &[[f32; 2]; GROUP]) -> u64 {
    use std::arch::x86_64::{
        _mm256_castsi256_pd, _mm256_cmpeq_epi64, _mm256_loadu_si256, _mm256_movemask_pd, _mm256_setzero_si256,
    };
    let mut touched = 0;
    for (at, four) in group.as_chunks::<4>().0.iter().enumerate() {
        // SAFETY: four coordinates are the 32 bytes that are read, at any alignment.
        #[allow(unsafe_code, reason = "there is no safe way to say it")]
        let slots = unsafe { _mm256_loadu_si256(four.as_ptr().cast()) };
        let blank = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(slots, _mm256_setzero_si256())));
        touched |= u64::from(!blank as u32 & 15) << (4 * at);
    }
    touched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_narrow_find_the_same_coordinates() {
        for seed in 0..200_u32 {
            let value = |at: u32| match (seed.wrapping_mul(2_654_435_761) ^ at.wrapping_mul(40_503)) >> 7 & 7 {
                0..=3 => 0.0,
                4 => -0.0,
                5 => f32::from_bits(1),
                _ => 1.5,
            };
            let group: Vec<[f32; 2]> = (0..GROUP as u32).map(|at| [value(2 * at), value(2 * at + 1)]).collect();
            let narrow = group.chunks(1).rev().fold(0, |bits, one| bits << 1 | touched(one));
            assert_eq!(touched(&group), narrow);
        }
    }
}
