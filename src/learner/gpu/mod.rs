//! The GPU backend: both update rules, every optimizer, one learner or many, on any Vulkan, Metal or DX12 adapter.
//!
//! Up to [`GROUP`] micro-batches are one submit. Their steps follow each other in one dispatch of a persistent kernel or in
//! dispatches of their own ([`kernels`], [`variant`]). A micro-batch is ready when its group is full and done; a caller
//! that cannot wait so long calls [`Learner::finish`]. The host decides what is learned and where it lies ([`plan`]); sums
//! have fixed trees or are made of integers, so the bits depend on nothing but the job and the device. It does no I/O but
//! with the device.

pub mod adapter;
mod buffers;
pub mod counters;
mod fault;
pub mod kernels;
mod links;
pub mod many;
pub mod plan;
pub mod probe;
mod ring;
mod runs;
mod scale;
pub mod setting;
mod slot;
mod turns;
pub mod variant;
mod weights;

use super::{Learner, Model, Optimizer, Replayed, Settings, Update};
use crate::error::{Error, Result};
use crate::examples::{MicroBatch, Scored, stride};
pub use adapter::{Adapter, AdapterSummary, Wanted};
pub use buffers::GROUP;
pub use counters::Counters;
use plan::{Before, Lesson, Plan};
pub use ring::Loss;
use ring::Work;
use variant::{Steps, Variant};

/// Opens the GPU backend on a model.
///
/// # Errors
///
/// Where the device cannot hold the model.
pub fn open(adapter: &Adapter, model: Model, settings: Settings) -> Result<GpuLearner> {
    Ok(prepare(adapter, &model, settings)?.with(model))
}

/// Opens the GPU backend on a model, to be run in a given way.
///
/// # Errors
///
/// As [`open`], and where the adapter cannot run that way.
pub fn open_as(adapter: &Adapter, model: Model, settings: Settings, variant: Variant) -> Result<GpuLearner> {
    Ok(prepare_in(adapter, &model, settings, variant)?.with(model))
}

/// Opens the GPU backend on many models, which learn side by side from the same micro-batches. The learner gives the
/// predictions of the first; see [`GpuLearner::losses`] and [`GpuLearner::models`] for the others.
///
/// # Errors
///
/// As [`open`], and where learners differ in more than the parameters of one kind of rule.
pub fn open_many(adapter: &Adapter, models: Vec<Model>, settings: &[Settings], variant: Variant) -> Result<GpuLearner> {
    let job = Job { models: &models, settings, variant, tallied: true, pairs: false };
    let Prepared { ring, lesson, variant } = prepare_as(adapter, job)?;
    Ok(GpuLearner::new(ring, lesson, variant, models))
}

/// Opens all of the GPU backend that can fail; the model is left with the caller, who may have another use for it.
///
/// # Errors
///
/// As [`open`].
pub fn prepare(adapter: &Adapter, model: &Model, settings: Settings) -> Result<Prepared> {
    prepare_in(adapter, model, settings, Variant::likely(adapter))
}

/// The same, to be run in a given way.
///
/// # Errors
///
/// As [`open_as`].
pub fn prepare_in(adapter: &Adapter, model: &Model, settings: Settings, variant: Variant) -> Result<Prepared> {
    prepare_as(
        adapter,
        Job { models: std::slice::from_ref(model), settings: &[settings], variant, tallied: false, pairs: false },
    )
}

/// The same for micro-batches whose hashed features are still to be crossed, any with any, as
/// [`crate::examples::pairs::cross`] does it: only what the products are made of crosses the bus.
///
/// # Errors
///
/// As [`open`], and where more is asked for than to learn in micro-batches (see [`can_cross`]).
pub fn prepare_to_cross(adapter: &Adapter, model: &Model, settings: Settings) -> Result<Prepared> {
    if !can_cross(&settings) {
        return Err(Error::device("crosses are made on the GPU for --update batch alone: let the CPU make them"));
    }
    let variant = Variant { steps: Steps::Dispatched, ..Variant::likely(adapter) };
    prepare_as(
        adapter,
        Job { models: std::slice::from_ref(model), settings: &[settings], variant, tallied: false, pairs: true },
    )
}

/// Whether the GPU can make the products of hashed features itself.
pub fn can_cross(settings: &Settings) -> bool {
    settings.update == Update::Batch && !settings.frozen
}

/// What is to be opened.
#[derive(Debug, Clone, Copy)]
struct Job<'a> {
    models: &'a [Model],
    settings: &'a [Settings],
    variant: Variant,
    /// Whether the device is to add the losses up, as the persistent kernel alone does.
    tallied: bool,
    pairs: bool,
}

fn prepare_as(adapter: &Adapter, job: Job<'_>) -> Result<Prepared> {
    let Job { models, settings, variant, tallied, pairs } = job;
    check(adapter, models, settings, &variant)?;
    let first = settings[0];
    let always = tallied || first.update == Update::Record && !first.frozen;
    let persistent = always || variant.steps == Steps::Persistent && !first.frozen;
    let work = Work { settings, variant, pairs, dispatched: !always, persistent };
    let ring = ring::Ring::open(adapter.open()?, models, work, first_size(&models[0], &first))?;
    let chained = always.then_some(variant.block.rows() as usize);
    Ok(Prepared { ring, lesson: Lesson { settings: first, chained, pairs }, variant })
}

fn check(adapter: &Adapter, models: &[Model], settings: &[Settings], variant: &Variant) -> Result<()> {
    if !adapter.abilities().can(variant) {
        return Err(Error::device(format!(
            "{} cannot run {variant:?}: use Variant::all to see what it can",
            adapter.name()
        )));
    }
    let alike = settings.iter().all(|each| are_alike(each, &settings[0]))
        && models.iter().all(|model| model.shape() == models[0].shape());
    if models.is_empty() || models.len() != settings.len() || !alike || models.len() > 1 && settings[0].frozen {
        return Err(Error::device(
            "learners side by side have one kind of rule, update, batch and shape: open one set of each",
        ));
    }
    Ok(())
}

/// Whether two learners differ in no more than the parameters of one kind of rule, so that one kernel learns both.
fn are_alike(a: &Settings, b: &Settings) -> bool {
    let rule = setting::kind(a.optimizer) == setting::kind(b.optimizer) && power_t(a) == power_t(b);
    rule && (a.update, a.batch, a.hash_bits, a.frozen) == (b.update, b.batch, b.hash_bits, b.frozen)
}

fn power_t(settings: &Settings) -> f32 {
    if let Optimizer::Sgd { power_t, .. } = settings.optimizer { power_t } else { 0.0 }
}

/// A device that holds a model.
#[derive(Debug)]
pub struct Prepared {
    ring: ring::Ring,
    lesson: Lesson,
    variant: Variant,
}

impl Prepared {
    /// The learner, on the model that it was prepared with.
    pub fn with(self, model: Model) -> GpuLearner {
        GpuLearner::new(self.ring, self.lesson, self.variant, vec![model])
    }
}

/// The learner on the GPU, or learners side by side.
#[derive(Debug)]
pub struct GpuLearner {
    ring: ring::Ring,
    lessons: plan::Lessons,
    lesson: Lesson,
    variant: Variant,
    /// Their numbers of updates and learned records are current; their weights are those of the last download.
    models: Vec<Model>,
    /// Whether rates that adapt have seen no gradient yet.
    cold: bool,
    kept: Kept,
    /// Micro-batches that are kept and were learned while rates were folded early, as they will not be again.
    early: Vec<MicroBatch>,
}

impl Learner for GpuLearner {
    fn learn(&mut self, batch: MicroBatch) -> Result<()> {
        let before = self.before();
        self.lessons.read(&batch, &self.lesson, before)?;
        let sections = self.lessons.sections(&batch);
        // An even number of words, because mapped memory is written from multiples of 8 bytes on.
        let need = buffers::Size {
            words: plan::words(&sections).next_multiple_of(2),
            rows: batch.rows as u64,
            block_entries: self.lessons.block_entries(),
        };
        let blocks = self.blocks(&batch, before.warming);
        let (word_at, row_at) = self.ring.make_room(need, blocks)?;
        let plan = Plan { row_at, ..self.lessons.plan(&batch, word_at)? };

        let (version, learned) = (before.updates, self.lessons.learned);
        // The sections borrow the micro-batch that the slot is about to own, so the slot writes them first.
        self.ring.write(plan, &sections)?;
        self.ring
            .put(slot::Entry { batch, plan, version, learns: learned > 0, pairs: self.lesson.pairs, blocks }, need)?;
        self.count(learned);
        Ok(())
    }

    fn next_scored(&mut self) -> Result<Option<Scored>> {
        let version_per_record = self.by_record();
        Ok(self.ring.next_ready()?.map(|scored| Scored { version_per_record, ..scored }))
    }

    fn finish(&mut self) -> Result<()> {
        self.ring.finish()
    }

    fn model(&mut self) -> Result<Model> {
        Ok(self.models()?[0].clone())
    }

    fn recycle(&mut self, scored: Scored) {
        self.ring.recycle(scored.logit);
    }

    fn keep(&mut self, next: &MicroBatch, bytes: u64) -> bool {
        let keeps = self.can_keep() && self.has_room_for(next, bytes);
        let is_early = self.before().warming;
        self.ring.keep(keeps && !is_early);
        if !is_early {
            return keeps;
        }
        // Without a label the model stays as it is, however long: so many of them are not held here.
        let held: usize = self.early.iter().map(MicroBatch::bytes).sum();
        let keeps = keeps && held < MOST_EARLY;
        if keeps {
            self.early.push(next.clone());
        }
        keeps
    }

    fn replay(&mut self) -> Result<Option<Replayed>> {
        self.ring.keep(false);
        let mut sum = Replayed::default();
        for batch in self.early.clone() {
            self.learn(batch)?;
        }
        self.ring.finish()?;
        while let Some(scored) = self.ring.next_ready()? {
            sum.add(&scored.batch, &scored.logit);
        }
        self.ring.replay(&mut sum)?;
        let Model { updates, learned, .. } = &mut self.models[0];
        (*updates, *learned) = (*updates + self.kept.updates, *learned + self.kept.learned);
        Ok((sum.records > 0).then_some(sum))
    }
}

/// Bytes of micro-batches that are held because they were learned while rates were folded early.
const MOST_EARLY: usize = 32 << 20;

/// What the micro-batches that stay on the device have added to the model's counts.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    updates: u64,
    learned: u64,
}

impl GpuLearner {
    fn new(ring: ring::Ring, lesson: Lesson, variant: Variant, models: Vec<Model>) -> Self {
        let cold = models.iter().any(Model::is_cold);
        let (kept, early) = (Kept::default(), Vec::new());
        Self { ring, lessons: plan::Lessons::default(), lesson, variant, models, cold, kept, early }
    }

    /// Whether what it has learned could be learned again from where it lies: not where a rate follows a schedule, which
    /// has gone on by then.
    fn can_keep(&self) -> bool {
        let Settings { optimizer, frozen, .. } = self.lesson.settings;
        self.models.len() == 1 && !frozen && !setting::has_schedule(optimizer)
    }

    /// Whether a micro-batch finds room within so many bytes of the device.
    fn has_room_for(&self, next: &MicroBatch, bytes: u64) -> bool {
        let words = next.dense.len() + 3 * next.rows + 3 * next.hash.len();
        let need = buffers::Size { words: words as u64, rows: next.rows as u64, block_entries: 0 };
        self.ring.may_keep(need, bytes)
    }

    /// The models of all learners after every micro-batch taken so far.
    ///
    /// # Errors
    ///
    /// A device that has failed.
    pub fn models(&mut self) -> Result<&[Model]> {
        self.ring.finish()?;
        self.ring.download(&mut self.models)?;
        Ok(&self.models)
    }

    /// The progressive log loss of each learner of [`open_many`] over the micro-batches that are done, in 32-bit floats
    /// summed by the micro-batch. Empty sums where one learner's micro-batches did not go through the persistent kernel.
    pub fn losses(&self) -> &[Loss] {
        self.ring.losses()
    }

    fn by_record(&self) -> bool {
        self.lesson.settings.update == Update::Record && !self.lesson.settings.frozen
    }

    fn before(&self) -> Before {
        let Model { updates, learned, .. } = self.models[0];
        Before { updates, learned, warming: self.by_record() && (learned == 0 || self.cold) }
    }

    /// The blocks in which a micro-batch goes through the persistent kernel, if it does.
    fn blocks(&self, batch: &MicroBatch, warming: bool) -> Option<runs::Blocks> {
        let dense_alone = batch.hash.is_empty() && self.variant.steps == Steps::Persistent;
        if self.lesson.chained.is_none() && (!dense_alone || self.lesson.settings.frozen) {
            return None;
        }
        let block = self.variant.block.rows() as usize;
        let count = links::blocks(batch.rows, block, warming).count() as u64;
        Some(runs::Blocks { count, turns: self.lessons.turns(batch, &self.lesson, block) })
    }

    fn count(&mut self, learned: u64) {
        let updates = if self.by_record() { learned } else { u64::from(learned > 0) };
        for model in &mut self.models {
            model.learned += learned;
            model.updates += updates;
        }
        self.cold &= learned == 0;
        if self.ring.keeps() {
            self.kept.updates += updates;
            self.kept.learned += learned;
        }
    }

    /// What has been asked of the device since it was opened.
    pub fn counters(&self) -> Counters {
        self.ring.counters()
    }

    /// What a driver does that has given up.
    #[cfg(test)]
    pub(crate) fn lose_device(&self) {
        self.ring.lose_device();
    }

    /// What a driver does that has no more memory.
    #[cfg(test)]
    pub(crate) fn run_out_of_memory(&self) {
        self.ring.run_out_of_memory();
    }
}

/// What a micro-batch is expected to take before one was seen: its numbers, labels and weights. Larger ones than these
/// make the slots grow when they come, if they ever do.
fn first_size(model: &Model, settings: &Settings) -> buffers::Size {
    let rows = settings.batch.clamp(1, 4096) as u64;
    buffers::Size { words: rows * (stride(model.numeric) as u64 + 2), rows, block_entries: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::learner::{Penalty, Shape};

    const SETTINGS: Settings = Settings {
        update: Update::Batch,
        optimizer: Optimizer::AdaGrad { learning_rate: 0.1 },
        penalty: Penalty::NONE,
        batch: 1,
        hash_bits: 4,
        frozen: false,
    };

    fn one_row() -> MicroBatch {
        let mut batch = MicroBatch::default();
        batch.clear();
        batch.rows = 1;
        batch.row_start.push(0);
        (batch.label, batch.weight, batch.record) = (vec![1.0], vec![1.0], vec![1]);
        batch
    }

    #[test]
    fn a_lost_device_is_an_error_and_no_panic() {
        let Ok(adapter) = adapter::find(Wanted::Best) else { return eprintln!("skipped: no adapter") };
        let model = Model::new(Shape { numeric: 0, hash_bits: 4 }, SETTINGS.optimizer, SETTINGS.penalty);
        let mut learner = open(&adapter, model, SETTINGS).unwrap();
        for _ in 0..GROUP + 1 {
            learner.learn(one_row()).unwrap();
        }
        learner.lose_device();
        for _ in 0..2 {
            let error = (0..4 * GROUP).find_map(|_| learner.learn(one_row()).err()).unwrap();
            assert_eq!(error.kind(), ErrorKind::Device);
            assert!(error.to_string().contains("run with --device cpu"), "{error}");
            assert!(learner.finish().is_err() && learner.model().is_err());
        }
    }
}
