//! The ring of slots: takes micro-batches with their plans, keeps several submits in flight, gives what is done.
//!
//! While one slot is filled the others are on the device. A slot that is still busy when its turn comes is waited for:
//! that is the back-pressure. In steady state nothing is made here, only reused.

use std::collections::VecDeque;

use super::adapter::Device;
use super::counters::Counters;
use super::fault::lost;
use super::kernels::{Kernels, asks_for_counts};
use super::plan::{Plan, Sections};
use super::slot::{Entry, GROUP, SCHEDULE_WORDS, Size, Slot};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::examples::Scored;
use crate::learner::{Model, Settings};

/// Slots of the ring: one being filled, one being computed, one being read.
const SLOTS: usize = 3;
/// Words of a slot, unless one micro-batch alone needs more: 16 MiB.
const GROUP_WORDS: u64 = 4 << 20;

/// The device with everything that lives on it.
#[derive(Debug)]
pub(super) struct Ring {
    gpu: Device,
    kernels: Kernels,
    weights: Weights,
    slots: Vec<Slot>,
    /// The slot that is being filled.
    filling: usize,
    /// Submitted slots, the oldest first.
    in_flight: VecDeque<usize>,
    /// The largest micro-batch so far.
    largest: Size,
    ready: VecDeque<Scored>,
    spare: Vec<Vec<f32>>,
    counters: Counters,
}

impl Ring {
    /// Puts a model on the device; `first` is what a micro-batch is expected to need.
    pub fn open(gpu: Device, model: &Model, settings: &Settings, first: Size) -> Result<Self> {
        let mut counters = Counters::default();
        let kernels = Kernels::compile(&gpu.device, settings);
        gpu.faults.check()?;
        let weights = Weights::upload(&gpu, model, asks_for_counts(settings), &mut counters)?;
        let capacity = enough(&gpu, first, first)?;
        let slots: Result<_> =
            (0..SLOTS).map(|_| Slot::new(&gpu, &kernels, &weights, capacity, &mut counters)).collect();
        Ok(Self {
            slots: slots?,
            gpu,
            kernels,
            weights,
            filling: 0,
            in_flight: VecDeque::with_capacity(SLOTS),
            largest: first,
            ready: VecDeque::new(),
            spare: Vec::new(),
            counters,
        })
    }

    /// What has been asked of the device.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Makes sure that the slot being filled has room for a micro-batch; gives the places of its words and logits.
    pub fn make_room(&mut self, need: Size) -> Result<(u32, u32)> {
        self.largest.words = self.largest.words.max(need.words);
        self.largest.rows = self.largest.rows.max(need.rows);
        if !self.slots[self.filling].is_empty() && !self.slots[self.filling].has_room(need) {
            self.submit()?;
        }
        while self.slots[self.filling].submission().is_some() {
            self.wait_for_oldest()?;
        }
        if self.slots[self.filling].is_empty() {
            self.grow(need)?;
        }
        Ok(self.slots[self.filling].next_place())
    }

    /// Writes a micro-batch into the room that was made.
    pub fn write(&self, plan: Plan, sections: &Sections<'_>) -> Result<()> {
        self.slots[self.filling].write(plan, sections)
    }

    /// Takes in the micro-batch that was written; submits the group when it is full.
    pub fn put(&mut self, entry: Entry, need: Size) -> Result<()> {
        let slot = &mut self.slots[self.filling];
        slot.put(entry, need);
        if slot.is_full() { self.submit() } else { Ok(()) }
    }

    /// Submits what is in the slot being filled and turns to the next slot.
    pub fn submit(&mut self) -> Result<()> {
        let slot = &mut self.slots[self.filling];
        if slot.is_empty() || slot.submission().is_some() {
            return Ok(());
        }
        slot.submit(&self.gpu, &self.kernels, &mut self.counters)?;
        self.in_flight.push_back(self.filling);
        self.filling = (self.filling + 1) % SLOTS;
        Ok(())
    }

    /// The next micro-batch that is done, without waiting.
    pub fn next_ready(&mut self) -> Result<Option<Scored>> {
        if self.ready.is_empty() && !self.in_flight.is_empty() {
            self.gpu.turn()?;
            self.collect()?;
        }
        Ok(self.ready.pop_front())
    }

    /// Submits what there is and waits until all of it is done.
    pub fn finish(&mut self) -> Result<()> {
        self.submit()?;
        while !self.in_flight.is_empty() {
            self.wait_for_oldest()?;
        }
        Ok(())
    }

    /// Copies the weights back; call [`Ring::finish`] before.
    pub fn download(&mut self, model: &mut Model) -> Result<()> {
        self.weights.download(&self.gpu, model, &mut self.counters)
    }

    /// Takes a buffer of logits back.
    pub fn recycle(&mut self, logit: Vec<f32>) {
        self.spare.push(logit);
    }

    /// What a driver does that has given up.
    #[cfg(test)]
    pub fn lose_device(&self) {
        self.gpu.device.destroy();
    }

    /// What a driver does that has no memory for a larger slot.
    #[cfg(test)]
    pub fn run_out_of_memory(&self) {
        self.gpu.faults.run_out_of_memory();
    }

    /// Replaces the empty slot being filled if it cannot hold a whole group of the largest micro-batches so far.
    fn grow(&mut self, need: Size) -> Result<()> {
        let slot = &mut self.slots[self.filling];
        let wanted = enough(&self.gpu, need, self.largest)?;
        if slot.holds(wanted) {
            return Ok(());
        }
        let have = slot.capacity();
        let capacity = Size { words: wanted.words.max(have.words), rows: wanted.rows.max(have.rows) };
        *slot = Slot::new(&self.gpu, &self.kernels, &self.weights, capacity, &mut self.counters)?;
        Ok(())
    }

    fn wait_for_oldest(&mut self) -> Result<()> {
        if let Some(&slot) = self.in_flight.front() {
            if let Some(submission) = self.slots[slot].submission() {
                self.gpu.wait(submission.clone())?;
            }
            self.collect()?;
            if self.in_flight.front() == Some(&slot) {
                return Err(Error::device(lost("a finished submit did not give its memory back")));
            }
        }
        Ok(())
    }

    /// Hands out every submit that has arrived, oldest first.
    fn collect(&mut self) -> Result<()> {
        while let Some(&slot) = self.in_flight.front().filter(|&&slot| self.slots[slot].has_arrived()) {
            let ready = &mut self.ready;
            self.slots[slot].harvest(&mut self.spare, |scored| ready.push_back(scored))?;
            self.in_flight.pop_front();
        }
        Ok(())
    }
}

/// The capacity of a slot for whole groups of micro-batches of size `largest`, rounded up so that growth is rare.
fn enough(gpu: &Device, need: Size, largest: Size) -> Result<Size> {
    let most = gpu.limits.max_storage_buffer_binding_size.min(gpu.limits.max_buffer_size) / 4 - SCHEDULE_WORDS;
    if need.words > most {
        let (name, have, wants) = (&gpu.name, most >> 18, need.words >> 18);
        return Err(Error::device(format!(
            "a micro-batch takes {wants} MiB, but {name} holds buffers of at most {have} MiB: lower --batch, \
             or run with --device cpu"
        )));
    }
    let group = GROUP as u64;
    let words = (group * largest.words).min(GROUP_WORDS).max(largest.words).next_power_of_two().min(most);
    let rows = (group * largest.rows).min(GROUP_WORDS).max(largest.rows).next_power_of_two();
    Ok(Size { words, rows })
}
