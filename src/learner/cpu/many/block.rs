//! A block: sixteen learners of one optimizer and one kind of micro-batch, side by side, with weights of their own.
//!
//! Lanes that are not taken up by a learner hold a copy of the last one, which nobody asks for.

use bytemuck::Zeroable;
use bytemuck::allocation::try_zeroed_vec;

use super::lanes::{Lanes, SIDE};
use super::losses::Losses;
use super::table::Table;
use crate::error::{Error, Result};
use crate::learner::cpu::rows::Rows;
use crate::learner::cpu::rule::{Parameters, Rule, with_rule};
use crate::learner::cpu::{PADDED, Weights, batch, record};
use crate::learner::{Model, Penalty, Settings, Shape, Update};

/// Learners side by side.
#[derive(Debug)]
pub(super) struct Block<N> {
    learners: Vec<Seat>,
    shape: Shape,
    parameters: Parameters<N>,
    dense_a: Vec<N>,
    dense_b: Vec<N>,
    bias: [N; 2],
    table: Table<N>,
    /// Whether any record had hashed features.
    is_hashed: bool,
    updates: u64,
    learned: u64,
    losses: Losses,
}

/// A learner with its place in the list of settings, and its lane in the block.
#[derive(Debug, Clone, Copy)]
struct Seat {
    place: usize,
    settings: Settings,
    lane: usize,
}

/// Buffers that blocks use one after the other.
#[derive(Debug)]
pub(super) struct Scratch<N> {
    record: record::Scratch<N>,
    batch: batch::Scratch<N>,
    logit: Vec<N>,
}

impl<N> Default for Scratch<N> {
    fn default() -> Self {
        Self { record: record::Scratch::default(), batch: batch::Scratch::default(), logit: Vec::new() }
    }
}

/// Whether two learners may stand side by side. Penalties of 0 have the bits of none, as long as weights are finite, so
/// learners without penalties may stand among others, where their steps take a little longer.
pub(super) fn are_alike(a: &Settings, b: &Settings) -> bool {
    let kind = |of: &Settings| (of.optimizer.name(), of.update, of.batch);
    kind(a) == kind(b)
}

impl<N: Lanes> Block<N> {
    /// Learners that have learned nothing; there are [`SIDE`] of them at most, and at least one.
    pub fn new(learners: Vec<(usize, Settings)>, shape: Shape) -> Result<Self> {
        let of = |k: usize| learners[k.min(learners.len() - 1)].1;
        let each: [_; SIDE] = std::array::from_fn(|k| Parameters::of(of(k).optimizer, of(k).penalty));
        let parameters = Parameters::gathered(|number| N::of(std::array::from_fn(|k| number(&each[k]))));
        let columns = shape.numeric.next_multiple_of(PADDED);
        let seat = |(lane, (place, settings))| Seat { place, settings, lane };
        Ok(Self {
            parameters,
            dense_a: zeros(columns)?,
            dense_b: zeros(columns)?,
            bias: [N::splat(0.0); 2],
            table: Table::new(1 << shape.hash_bits).ok_or_else(no_memory)?,
            is_hashed: false,
            updates: 0,
            learned: 0,
            losses: Losses::default(),
            learners: learners.into_iter().enumerate().map(seat).collect(),
            shape,
        })
    }

    /// Takes records, in micro-batches of the block's size.
    pub fn learn(&mut self, rows: Rows<'_>, scratch: &mut Scratch<N>) {
        let Settings { optimizer, .. } = self.settings();
        let is_penalised = self.learners.iter().any(|seat| seat.settings.penalty != Penalty::NONE);
        with_rule!(optimizer, is_penalised, self.parameters, rule => self.run(rule, rows, scratch));
    }

    fn run<R: Rule<N>>(&mut self, rule: R, rows: Rows<'_>, s: &mut Scratch<N>) {
        let Settings { update, batch, .. } = self.settings();
        self.is_hashed |= rows.are_hashed();
        let (mut weights, losses) = self.weights();
        for start in (0..rows.rows).step_by(batch) {
            let rows = rows.part(start..(start + batch).min(rows.rows));
            s.logit.clear();
            match update {
                Update::Record => record::learn(rule, &mut weights, rows, &mut s.record, &mut s.logit, losses),
                Update::Batch => batch::learn(rule, &mut weights, rows, &mut s.batch, &mut s.logit, losses),
            }
        }
    }

    fn weights(&mut self) -> (Weights<'_, N>, &mut Losses) {
        let Self { dense_a, dense_b, bias, table, updates, learned, losses, .. } = self;
        let table = table.slots_mut();
        (Weights { dense_a, dense_b, bias, table, updates, learned }, losses)
    }

    /// The loss of each learner, with its place.
    pub fn losses(&self) -> impl Iterator<Item = (usize, f64)> {
        let sums = self.losses.sums();
        self.learners.iter().map(move |seat| (seat.place, sums[seat.lane]))
    }

    /// How its learners learn, as far as it is the same for all of them.
    pub fn settings(&self) -> Settings {
        self.learners[0].settings
    }

    /// How many learners it has.
    pub fn len(&self) -> usize {
        self.learners.len()
    }

    /// Goes on without the learners in these places; those that stay keep their lanes.
    pub fn drop_out(&mut self, places: &[usize]) {
        self.learners.retain(|seat| !places.contains(&seat.place));
    }

    /// Learners of blocks that are alike in one block; there are no more of them than it has lanes.
    pub fn joined(blocks: &[Self]) -> Result<Self> {
        let from: Vec<_> =
            blocks.iter().flat_map(|block| block.learners.iter().map(move |seat| (block, *seat))).collect();
        let learners = from.iter().map(|(_, seat)| (seat.place, seat.settings)).collect();
        let mut joined = Self::new(learners, blocks[0].shape)?;
        let all = |number: &dyn Fn(&Self) -> N| {
            let last = from.len() - 1;
            N::of(std::array::from_fn(|k| number(from[k.min(last)].0).numbers()[from[k.min(last)].1.lane]))
        };
        for j in 0..joined.dense_a.len() {
            joined.dense_a[j] = all(&|block| block.dense_a[j]);
            joined.dense_b[j] = all(&|block| block.dense_b[j]);
        }
        joined.bias = [all(&|block| block.bias[0]), all(&|block| block.bias[1])];
        joined.is_hashed = blocks.iter().any(|block| block.is_hashed);
        if joined.is_hashed {
            let slots = joined.table.slots_mut();
            for (j, slots) in slots.iter_mut().enumerate() {
                *slots = [all(&|block| block.table.slots()[j][0]), all(&|block| block.table.slots()[j][1])];
            }
        }
        (joined.updates, joined.learned) = (blocks[0].updates, blocks[0].learned);
        let sums: Vec<_> = blocks.iter().flat_map(Self::losses).map(|(_, loss)| loss).collect();
        joined.losses = Losses::from(std::array::from_fn(|k| sums[k.min(sums.len() - 1)]));
        Ok(joined)
    }

    /// The model of the learner in a place, if it is here.
    pub fn model(&self, place: usize) -> Option<Model> {
        let &Seat { settings, lane, .. } = self.learners.iter().find(|seat| seat.place == place)?;
        let Settings { optimizer, penalty, .. } = settings;
        let mut model = Model::new(self.shape, optimizer, penalty);
        let one = |numbers: &N| numbers.numbers()[lane];
        model.dense_a.iter_mut().zip(&self.dense_a).for_each(|(to, from)| *to = one(from));
        model.dense_b.iter_mut().zip(&self.dense_b).for_each(|(to, from)| *to = one(from));
        model.bias = self.bias.each_ref().map(one);
        if self.is_hashed {
            model.table.iter_mut().zip(self.table.slots()).for_each(|(to, from)| *to = from.each_ref().map(one));
        }
        (model.updates, model.learned) = (self.updates, self.learned);
        Some(model)
    }
}

fn zeros<T: Zeroable>(count: usize) -> Result<Vec<T>> {
    try_zeroed_vec(count).map_err(|()| no_memory())
}

fn no_memory() -> Error {
    Error::usage(
        "there is not enough memory for the weights of all settings: sweep fewer of them at once, or hash into a \
         smaller table with --hash-bits",
    )
}
