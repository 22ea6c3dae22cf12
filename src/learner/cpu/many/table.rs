//! The hashed table of a block: zeros that take memory only where they are written to, at the start of a cache line.

use std::marker::PhantomData;

use bytemuck::allocation::try_zeroed_vec;
use bytemuck::{pod_align_to, pod_align_to_mut};

use super::lanes::{Lanes, SIDE};

/// Two slots of each learner for each coordinate.
#[derive(Debug)]
pub(super) struct Table<N> {
    /// An allocation of a larger alignment would be filled with zeros, and so take memory, at once: this one is larger than
    /// it must be, and begins anywhere.
    store: Vec<f32>,
    len: usize,
    lanes: PhantomData<N>,
}

impl<N: Lanes> Table<N> {
    /// A table of so many coordinates; `None` where there is no memory for it.
    pub fn new(len: usize) -> Option<Self> {
        let store = try_zeroed_vec((len + 1) * 2 * SIDE).ok()?;
        Some(Self { store, len, lanes: PhantomData })
    }

    /// The slots.
    pub fn slots(&self) -> &[[N; 2]] {
        &pod_align_to(&self.store).1[..self.len]
    }

    /// The slots, to be written to.
    pub fn slots_mut(&mut self) -> &mut [[N; 2]] {
        &mut pod_align_to_mut(&mut self.store).1[..self.len]
    }
}
