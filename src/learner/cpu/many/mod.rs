//! Many learners on the CPU: blocks of sixteen, each operation on all of a block at once.
//!
//! They go through the same kernels as a learner that learns alone, over wider numbers. Siblings: `lanes` (the wider
//! numbers; `avx512` and `avx2` for machines that have these), `block` (sixteen learners), `table` (their hashed weights), `losses` (how good they are).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod lanes;
mod losses;
mod table;

use super::rows::Rows;
use crate::error::Result;
use crate::examples::MicroBatch;
use crate::learner::many::{Field, ManyLearners, Standing};
use crate::learner::{Model, Settings};
use block::{Block, Scratch, are_alike};
use lanes::{Lanes, Plain, SIDE};

/// Opens the learners of a sweep in `parts` that can learn at the same time; fewer where there are fewer blocks.
///
/// # Errors
/// Not enough memory for the weights.
pub fn open(field: &Field, parts: usize) -> Result<Vec<Box<dyn ManyLearners>>> {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return opened::<avx512::Wide>(field, parts);
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            return opened::<avx2::Wide>(field, parts);
        }
    }
    opened::<Plain>(field, parts)
}

/// Bytes of weights that the learners of a sweep take where every part of their tables is touched.
pub fn bytes(field: &Field) -> u64 {
    let coordinates = field.shape.numeric as u64 + (1 << field.shape.hash_bits);
    (blocks(field).len() * SIDE * size_of::<[f32; 2]>()) as u64 * coordinates
}

/// The widest instructions that blocks use here.
pub fn instructions() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        return Some("avx512");
    }
    super::instructions()
}

fn opened<N: Lanes>(field: &Field, parts: usize) -> Result<Vec<Box<dyn ManyLearners>>> {
    let mut blocks = blocks(field);
    let parts = parts.clamp(1, blocks.len().max(1));
    let mut dealt: Vec<Blocks<N>> = (0..parts).map(|_| Blocks::default()).collect();
    for (at, learners) in blocks.drain(..).enumerate() {
        dealt[at % parts].blocks.push(Block::new(learners, field.shape)?);
    }
    Ok(dealt.into_iter().map(|part| Box::new(part) as Box<dyn ManyLearners>).collect())
}

/// The settings, with their places, in blocks of those that may stand side by side.
fn blocks(field: &Field) -> Vec<Vec<(usize, Settings)>> {
    let mut blocks: Vec<Vec<(usize, Settings)>> = Vec::new();
    for (place, &settings) in field.settings.iter().enumerate() {
        let has_room = |block: &&mut Vec<(usize, Settings)>| block.len() < SIDE && are_alike(&block[0].1, &settings);
        match blocks.iter_mut().find(has_room) {
            Some(block) => block.push((place, settings)),
            None => blocks.push(vec![(place, settings)]),
        }
    }
    blocks
}

/// Some blocks, which learn one after the other.
struct Blocks<N> {
    blocks: Vec<Block<N>>,
    scratch: Scratch<N>,
}

impl<N> Default for Blocks<N> {
    fn default() -> Self {
        Self { blocks: Vec::new(), scratch: Scratch::default() }
    }
}

impl<N: Lanes> ManyLearners for Blocks<N> {
    fn learn(&mut self, batch: &MicroBatch) -> Result<()> {
        let rows = Rows::of(batch);
        self.blocks.iter_mut().for_each(|block| block.learn(rows, &mut self.scratch));
        Ok(())
    }

    fn standings(&mut self) -> Result<Vec<Standing>> {
        let all = self.blocks.iter().flat_map(Block::losses);
        Ok(all.map(|(place, loss)| Standing { place, loss }).collect())
    }

    fn model(&mut self, place: usize) -> Result<Option<Model>> {
        Ok(self.blocks.iter().find_map(|block| block.model(place)))
    }

    fn drop_out(&mut self, places: &[usize]) -> Result<()> {
        self.blocks.iter_mut().for_each(|block| block.drop_out(places));
        self.blocks.retain(|block| block.len() > 0);
        // Block by block into the first that is alike and has room for all of it: fewer blocks are what dropping is for.
        let mut at = 1;
        while at < self.blocks.len() {
            match (0..at).find(|&other| self.fit(other, at)) {
                None => at += 1,
                Some(other) => {
                    let moved = self.blocks.remove(at);
                    let kept = self.blocks.remove(other);
                    self.blocks.insert(other, Block::joined(&[kept, moved])?);
                }
            }
        }
        Ok(())
    }
}

impl<N: Lanes> Blocks<N> {
    /// Whether the learners of two blocks may stand in one.
    fn fit(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.blocks[a], &self.blocks[b]);
        a.len() + b.len() <= SIDE && are_alike(&a.settings(), &b.settings())
    }
}
