//! The ring of slots: takes micro-batches with their plans, keeps several submits in flight, gives what is done.
//!
//! While one slot is filled the others are on the device. A slot that is still busy when its turn comes is waited for:
//! that is the back-pressure. In steady state nothing is made here, only reused.

use std::collections::VecDeque;

use super::adapter::Device;
use super::buffers::{Form, GROUP, SCHEDULE_WORDS, Size, Tally};
use super::counters::Counters;
use super::fault::lost;
use super::kernels::{self, Dispatched, Kernels};
use super::plan::{Plan, Sections};
use super::runs::{Blocks, Most};
use super::setting::{Setting, asks_for_counts, is_penalised};
use super::slot::{Entry, Slot};
use super::turns;
use super::variant::Variant;
use super::weights::{SumsWanted, Weights};
use crate::error::{Error, Result};
use crate::examples::Scored;
use crate::learner::{Model, Replayed, Settings, Update};

/// Slots of the ring: one being filled, one being computed, one being read.
const SLOTS: usize = 3;
/// Words of a slot, unless one micro-batch alone needs more: 16 MiB.
const GROUP_WORDS: u64 = 4 << 20;

/// Rows of a dispatch of the persistent kernel: tens of milliseconds.
const DISPATCH_ROWS: u64 = 1 << 16;

/// The same for many learners, which take turns beyond those that a device has side by side, and for wide rows, whose
/// columns do.
fn dispatch_rows(learners: u64, columns: u64) -> u64 {
    DISPATCH_ROWS / learners.div_ceil(128) / (columns + 1).div_ceil(256)
}

/// The device with everything that lives on it.
#[derive(Debug)]
pub(super) struct Ring {
    gpu: Device,
    kernels: Kernels,
    weights: Weights,
    form: Form,
    slots: Vec<Slot>,
    /// The slot that is being filled.
    filling: usize,
    /// Submitted slots, the oldest first.
    in_flight: VecDeque<usize>,
    /// The largest micro-batch so far.
    largest: Size,
    ready: VecDeque<Scored>,
    spare: Vec<Vec<f32>>,
    losses: Vec<Loss>,
    /// Whether the group being filled stays on the device.
    keeps: bool,
    /// Groups that stay there, in the order of the stream.
    kept: Vec<Slot>,
    counters: Counters,
}

/// Log loss of a learner so far, as the device has added it up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Loss {
    /// Sum of example weight times log loss, in nats.
    pub loss: f64,
    /// Sum of example weights.
    pub weight: f64,
}

/// What runs on the device: learners of one kind, and the way they do it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<'a> {
    /// The learners, which differ in parameters alone.
    pub settings: &'a [Settings],
    /// How they are run.
    pub variant: Variant,
    /// Whether the products of any two hashed features are still to be made.
    pub pairs: bool,
    /// Whether kernels of one dispatch a step are needed.
    pub dispatched: bool,
    /// Whether the persistent kernel is.
    pub persistent: bool,
}

impl Work<'_> {
    fn compile(&self, gpu: &Device) -> Kernels {
        let (device, first) = (&gpu.device, &self.settings[0]);
        let penalised = self.settings.iter().any(is_penalised);
        Kernels {
            dispatched: self.dispatched.then(|| Dispatched::compile(device, first, self.pairs)),
            persistent: self.persistent.then(|| kernels::persistent(device, first, penalised, &self.variant)),
        }
    }

    fn sums(&self) -> SumsWanted {
        let pending = match (self.persistent, self.settings[0].update) {
            // Of one learner, micro-batches with hashed features are dispatched.
            (false, _) | (true, Update::Batch) if self.dispatched => 0,
            (_, Update::Record) => 1,
            (_, Update::Batch) => 2,
        };
        SumsWanted { dispatched: self.dispatched, counts: asks_for_counts(&self.settings[0]), pending }
    }
}

impl Ring {
    /// Puts models on the device; `first` is what a micro-batch is expected to need.
    pub fn open(gpu: Device, models: &[Model], work: Work<'_>, first: Size) -> Result<Self> {
        let mut counters = Counters::default();
        let kernels = work.compile(&gpu);
        gpu.faults.check()?;
        let settings: Vec<_> = work.settings.iter().map(Setting::of).collect();
        let weights = Weights::upload(&gpu, models, &settings, work.sums(), &mut counters)?;
        let form = Form {
            learners: models.len() as u64,
            columns: models[0].dense_a.len() as u64 + 1,
            block: work.variant.block.rows().into(),
            upload: work.variant.upload,
            most: Most {
                turns: if gpu.is_software { turns::MOST } else { u64::MAX },
                rows: dispatch_rows(models.len() as u64, models[0].dense_a.len() as u64),
            },
        };
        let capacity = enough(&gpu, form, first, first)?;
        let slots: Result<_> =
            (0..SLOTS).map(|_| Slot::new(&gpu, &kernels, &weights, form, capacity, &mut counters)).collect();
        Ok(Self {
            slots: slots?,
            gpu,
            kernels,
            weights,
            form,
            filling: 0,
            in_flight: VecDeque::with_capacity(SLOTS),
            largest: first,
            ready: VecDeque::new(),
            spare: Vec::new(),
            losses: vec![Loss::default(); models.len()],
            keeps: false,
            kept: Vec::new(),
            counters,
        })
    }

    /// The log loss of each learner so far, where the persistent kernel has learned.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// What has been asked of the device.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a micro-batch may stay on the device, all that stays taking `most` bytes at most.
    pub fn may_keep(&self, need: Size, most: u64) -> bool {
        let filling = &self.slots[self.filling];
        let in_flight = self.in_flight.iter().map(|&slot| &self.slots[slot]).filter(|slot| slot.keeps());
        let kept: u64 = self.kept.iter().chain(in_flight).map(Slot::bytes).sum();
        // The slot being filled is full or too small at times: then it is another one of at least its size.
        let next = filling.bytes().max(4 * need.words);
        let joins = filling.keeps() && !filling.is_empty();
        kept + if joins { filling.bytes() + next } else { next } <= most
    }

    /// Says whether the micro-batches that come next stay on the device.
    pub fn keep(&mut self, keeps: bool) {
        self.keeps = keeps;
    }

    /// Learns all that has stayed on the device again.
    pub fn replay(&mut self, sum: &mut Replayed) -> Result<()> {
        self.finish()?;
        let mut submitted = 0;
        for at in 0..self.kept.len() {
            // One is on the device while the one before it is read.
            while submitted < self.kept.len().min(at + 2) {
                self.kept[submitted].submit_again(&self.gpu, &self.kernels, &mut self.counters)?;
                submitted += 1;
            }
            if let Some(submission) = self.kept[at].submission() {
                self.gpu.wait(submission.clone())?;
            }
            self.kept[at].harvest_again(sum)?;
        }
        Ok(())
    }

    /// Whether the micro-batches that come next stay on the device.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Makes sure that the slot being filled has room for a micro-batch; gives the places of its words and logits.
    pub fn make_room(&mut self, need: Size, blocks: Option<Blocks>) -> Result<(u32, u32)> {
        self.form.check(blocks)?;
        self.largest.words = self.largest.words.max(need.words);
        self.largest.rows = self.largest.rows.max(need.rows);
        self.largest.block_entries = self.largest.block_entries.max(need.block_entries);
        let filling = &self.slots[self.filling];
        if !filling.is_empty() && (filling.keeps() != self.keeps || !filling.has_room(need, blocks)) {
            self.submit()?;
        }
        while self.slots[self.filling].submission().is_some() {
            self.wait_for_oldest()?;
        }
        if self.slots[self.filling].is_empty() {
            self.grow(need)?;
            self.slots[self.filling].keep(self.keeps);
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
    pub fn download(&mut self, models: &mut [Model]) -> Result<()> {
        self.weights.download(&self.gpu, models, &mut self.counters)
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
        let wanted = enough(&self.gpu, self.form, need, self.largest)?;
        if slot.holds(wanted) {
            return Ok(());
        }
        let have = slot.capacity();
        let capacity = Size {
            words: wanted.words.max(have.words),
            rows: wanted.rows.max(have.rows),
            block_entries: wanted.block_entries.max(have.block_entries),
        };
        *slot = Slot::new(&self.gpu, &self.kernels, &self.weights, self.form, capacity, &mut self.counters)?;
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
            let (ready, losses, counters) = (&mut self.ready, &mut self.losses, &mut self.counters);
            self.slots[slot].harvest(&mut self.spare, |scored, tallies| {
                ready.push_back(scored);
                tally(tallies, losses, counters);
            })?;
            self.in_flight.pop_front();
            self.set_aside(slot)?;
        }
        Ok(())
    }

    /// Puts an empty slot in the place of one that keeps what it has.
    fn set_aside(&mut self, slot: usize) -> Result<()> {
        let have = &self.slots[slot];
        if !have.keeps() {
            return Ok(());
        }
        let capacity = have.capacity();
        let empty = Slot::new(&self.gpu, &self.kernels, &self.weights, self.form, capacity, &mut self.counters)?;
        self.kept.push(std::mem::replace(&mut self.slots[slot], empty));
        Ok(())
    }
}

/// Adds up what the device has tallied of one micro-batch.
fn tally(tallies: &[Tally], losses: &mut [Loss], counters: &mut Counters) {
    for (&[loss, weight, ..], sum) in tallies.iter().zip(losses) {
        sum.loss += f64::from(loss);
        sum.weight += f64::from(weight);
    }
    if let Some(&[_, _, blocks, rounds]) = tallies.first() {
        counters.blocks += blocks as u64;
        counters.rounds += rounds as u64;
    }
}

/// The capacity of a slot for whole groups of micro-batches of size `largest`, rounded up so that growth is rare.
fn enough(gpu: &Device, form: Form, need: Size, largest: Size) -> Result<Size> {
    let bytes = gpu.limits.max_storage_buffer_binding_size.min(gpu.limits.max_buffer_size);
    let most = bytes / 4 - SCHEDULE_WORDS;
    let too_large = |what: &str, wants: u64, advice: &str| {
        let (name, have, wants) = (&gpu.name, bytes >> 20, wants >> 20);
        Err(Error::device(format!(
            "{what} takes {wants} MiB, but {name} holds buffers of at most {have} MiB: {advice}, or run with --device cpu"
        )))
    };
    if need.words > most {
        return too_large("a micro-batch", 4 * need.words, "lower --batch");
    }
    let scratch = form.scratch_bytes(need.block_entries);
    if scratch > bytes {
        return too_large("a block of rows of all learners", scratch, "sweep fewer learners at once");
    }
    let group = GROUP as u64;
    let words = (group * largest.words).min(GROUP_WORDS).max(largest.words).next_power_of_two().min(most);
    let rows = (group * largest.rows).min(GROUP_WORDS).max(largest.rows).next_power_of_two();
    let block_entries = largest.block_entries.next_power_of_two();
    let block_entries = if form.scratch_bytes(block_entries) > bytes { largest.block_entries } else { block_entries };
    Ok(Size { words, rows, block_entries })
}
