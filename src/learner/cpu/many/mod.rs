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
use crate::learner::{Model, Penalty, Settings};
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

/// The settings, with their places, in blocks of those that may stand side by side: first those with penalties and those
/// without apart, then what is left over together.
fn blocks(field: &Field) -> Vec<Vec<(usize, Settings)>> {
    let mut blocks: Vec<Vec<(usize, Settings)>> = Vec::new();
    for (place, &settings) in field.settings.iter().enumerate() {
        let is_free = |of: &Settings| of.penalty == Penalty::NONE;
        let suits = |of: &Settings| are_alike(of, &settings) && is_free(of) == is_free(&settings);
        match blocks.iter_mut().find(|block| block.len() < SIDE && suits(&block[0].1)) {
            Some(block) => block.push((place, settings)),
            None => blocks.push(vec![(place, settings)]),
        }
    }
    let mut fewer: Vec<Vec<(usize, Settings)>> = Vec::new();
    for block in blocks {
        let fits = |other: &&mut Vec<(usize, Settings)>| {
            other.len() + block.len() <= SIDE && are_alike(&other[0].1, &block[0].1)
        };
        match fewer.iter_mut().find(fits) {
            Some(other) => other.extend(block),
            None => fewer.push(block),
        }
    }
    fewer
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Learner, Optimizer, Shape, Update, cpu};

    /// Twenty learners of each rule, of which some stand in blocks with room left.
    fn field(update: Update, batch: usize) -> Field {
        let rate = |k: usize| 0.01 * (1 + k) as f32;
        let settings = (0..60).map(|k| Settings {
            update,
            optimizer: match k % 3 {
                0 => Optimizer::Sgd { learning_rate: rate(k), power_t: [0.0, 0.5][k / 3 % 2] },
                1 => Optimizer::AdaGrad { learning_rate: rate(k) },
                _ => Optimizer::Ftrl { learning_rate: rate(k), beta: 0.5 * (1 + k % 2) as f32 },
            },
            penalty: Penalty { l1: [0.0, 1e-3][k / 5 % 2], l2: [0.0, 1e-2][k / 7 % 2] },
            batch,
            hash_bits: 4,
            frozen: false,
        });
        Field { shape: Shape { numeric: 21, hash_bits: 4 }, settings: settings.collect() }
    }

    /// Micro-batches of which the last is shorter; weights of all kinds, and labels that are missing.
    fn batches(rows: &[usize]) -> Vec<MicroBatch> {
        let mut state = 3_u32;
        let mut draw = move |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        let mut batch = |rows: usize| {
            let mut batch = MicroBatch::default();
            batch.clear();
            batch.rows = rows;
            for row in 0..rows {
                batch.dense.extend((0..32).map(|j| if j < 21 { draw(64) as f32 / 16.0 - 2.0 } else { 0.0 }));
                (0..draw(4)).for_each(|_| {
                    batch.hash.push(draw(1 << 20));
                    batch.value.push(draw(8) as f32 / 4.0);
                });
                batch.row_start.push(batch.hash.len() as u32);
                batch.label.push([0.0, 1.0, 1.0, 0.0, f32::NAN][draw(5) as usize]);
                batch.weight.push([1.0, 1.0, 0.0, 2.5, 90.0, 1.0][draw(6) as usize]);
                batch.record.push(row as u64 + 1);
            }
            batch
        };
        rows.iter().map(|&rows| batch(rows)).collect()
    }

    fn alone(settings: Settings, shape: Shape, batches: &[MicroBatch]) -> Model {
        let model = Model::new(shape, settings.optimizer, settings.penalty);
        let mut learner = cpu::open(model, settings);
        batches.iter().for_each(|batch| learner.learn(batch.clone()).unwrap());
        learner.model().unwrap()
    }

    /// All that could differ, bit by bit.
    fn bits(model: &Model) -> (Vec<u32>, u64, u64) {
        let dense = model.dense_a.iter().chain(&model.dense_b).chain(&model.bias);
        let all = dense.chain(model.table.iter().flatten()).map(|x| x.to_bits());
        (all.collect(), model.updates, model.learned)
    }

    fn are_as_if_alone<N: Lanes>() {
        for (update, batch) in [(Update::Record, 16), (Update::Batch, 16), (Update::Record, 1), (Update::Batch, 64)] {
            let field = field(update, batch);
            let batches = batches(&[batch, batch, batch, batch, batch, batch.div_ceil(2)]);
            let mut parts = opened::<N>(&field, 2).unwrap();
            parts.iter_mut().for_each(|part| batches.iter().for_each(|batch| part.learn(batch).unwrap()));
            for (place, &settings) in field.settings.iter().enumerate() {
                let model = parts.iter_mut().find_map(|part| part.model(place).unwrap()).unwrap();
                let alone = alone(settings, field.shape, &batches);
                assert!(bits(&model) == bits(&alone), "{settings:?} in {}", std::any::type_name::<N>());
            }
        }
    }

    #[test]
    fn learners_have_the_bits_of_lone_ones_whatever_the_instructions() {
        are_as_if_alone::<Plain>();
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            are_as_if_alone::<avx2::Wide>();
        }
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512f") {
            are_as_if_alone::<avx512::Wide>();
        }
    }

    #[test]
    fn learners_that_move_together_stay_what_they_are() {
        let field = field(Update::Record, 16);
        let batches = batches(&[16; 8]);
        let mut all = opened::<Plain>(&field, 1).unwrap().remove(0);
        batches[..5].iter().for_each(|batch| all.learn(batch).unwrap());
        let gone: Vec<_> = (0..60).filter(|place| place % 4 != 1).collect();
        all.drop_out(&gone).unwrap();
        batches[5..].iter().for_each(|batch| all.learn(batch).unwrap());
        assert_eq!(all.standings().unwrap().len(), 15);
        for (place, &settings) in field.settings.iter().enumerate() {
            match all.model(place).unwrap() {
                Some(model) => assert!(bits(&model) == bits(&alone(settings, field.shape, &batches)), "{settings:?}"),
                None => assert!(gone.contains(&place)),
            }
        }
    }
}
