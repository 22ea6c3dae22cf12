//! Takes the GPU's learner and a way to open another one; gives a learner that goes on there when the device fails, from
//! the last good state, so that every micro-batch is learned once and predicted once, in order.
//!
//! What a device keeps for later passes is lost with it, and then a later pass ends with an error (see [`Learner::keep`]).
//! It never says whether a device is needed at the start; that is [`super::device`]. Sibling: `backup.rs`, what it
//! keeps to be able to go on.

mod backup;

use std::collections::VecDeque;
use std::fmt;

use super::{Learner, LostDevice, Model, Replayed};
use crate::error::{Error, ErrorKind, Result};
use crate::examples::{MicroBatch, Scored};
use backup::Backup;
pub use backup::{Fallback, most_logged};

/// A learner on a device that may fail, with what is needed to go on without it.
///
/// ```
/// use tidemill::learner::failover::{Failover, Fallback, most_logged};
/// use tidemill::learner::{cpu, Learner, Model, Optimizer, Penalty, Settings, Shape, Update};
/// let settings = Settings {
///     update: Update::Batch,
///     optimizer: Optimizer::AdaGrad { learning_rate: 0.1 },
///     penalty: Penalty::NONE,
///     batch: 256,
///     hash_bits: 4,
///     frozen: false,
/// };
/// let model = Model::new(Shape { numeric: 3, hash_bits: 4 }, settings.optimizer, settings.penalty);
/// let fallback = Fallback::new("cpu", move |model| Box::new(cpu::open(model, settings)));
/// let on_device = Box::new(cpu::open(model.clone(), settings)); // the GPU's learner, as a rule
/// let most = most_logged(&model);
/// let mut learner = Failover::new(on_device, model, settings.frozen, most, fallback);
/// assert_eq!(learner.model()?.updates, 0);
/// assert!(learner.lost_device().is_none());
/// # Ok::<(), tidemill::error::Error>(())
/// ```
pub struct Failover {
    /// The device's learner, later the fallback's.
    learner: Box<dyn Learner + Send>,
    /// Until the device has failed.
    backup: Option<Backup>,
    /// Fetched from the learner, not handed out yet.
    ready: VecDeque<Scored>,
    /// Micro-batches taken.
    taken: u64,
    lost: Option<LostDevice>,
}

impl Failover {
    /// Guards a learner that stands on `model`. With a `frozen` model nothing but unanswered micro-batches is kept;
    /// else the model is copied whenever the log has more than `most` bytes (see [`most_logged`]).
    pub fn new(learner: Box<dyn Learner + Send>, model: Model, frozen: bool, most: usize, fallback: Fallback) -> Self {
        let backup = Some(Backup::new(model, frozen, most, fallback));
        Self { learner, backup, ready: VecDeque::new(), taken: 0, lost: None }
    }

    /// Copies the model if the log has become too long; everything before it is fetched first, so that nothing that
    /// was dropped from the log is still asked of the device.
    fn copy_if_due(&mut self) -> Result<()> {
        if !self.backup.as_ref().is_some_and(Backup::is_due) {
            return Ok(());
        }
        self.learner.finish()?;
        while let Some(scored) = self.fetch()? {
            self.ready.push_back(scored);
        }
        let model = self.learner.model()?;
        if let Some(backup) = &mut self.backup {
            backup.model = model;
            backup.log.clear();
        }
        Ok(())
    }

    /// The next micro-batch that the learner has done; the log remembers that it is answered.
    fn fetch(&mut self) -> Result<Option<Scored>> {
        let scored = self.learner.next_scored()?;
        if let (Some(_), Some(backup)) = (&scored, &mut self.backup) {
            backup.log.answer(backup.frozen);
        }
        Ok(scored)
    }

    /// Goes on on the fallback if the device has failed at a call, which then gave nothing.
    fn or_go_on<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(given) => Ok(Some(given)),
            Err(error) if error.kind() == ErrorKind::Device => match self.backup.take() {
                Some(backup) => self.go_on(backup, &error).map(|()| None),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Opens the fallback on the last good model and hands it the log; its answers are those still owed.
    fn go_on(&mut self, backup: Backup, cause: &Error) -> Result<()> {
        let note = backup.note(cause, self.taken);
        let Backup { model, log, fallback, .. } = backup;
        self.lost = Some(LostDevice { then: fallback.device, note });
        self.learner = (fallback.open)(model);
        let mut answered = log.answered;
        for batch in log.batches {
            self.learner.learn(batch)?;
            self.take_owed(&mut answered)?;
        }
        self.learner.finish()?;
        self.take_owed(&mut answered)
    }

    /// Keeps what the fallback has done, but for the first `answered` micro-batches.
    fn take_owed(&mut self, answered: &mut usize) -> Result<()> {
        while let Some(scored) = self.learner.next_scored()? {
            if *answered > 0 {
                *answered -= 1;
                self.learner.recycle(scored);
            } else {
                self.ready.push_back(scored);
            }
        }
        Ok(())
    }
}

impl Learner for Failover {
    fn learn(&mut self, batch: MicroBatch) -> Result<()> {
        self.taken += 1;
        if let Some(backup) = &mut self.backup {
            // Before the device sees it: what fails there may not give it back.
            backup.log.push(&batch);
        }
        let outcome = self.learner.learn(batch).and_then(|()| self.copy_if_due());
        self.or_go_on(outcome).map(drop)
    }

    fn next_scored(&mut self) -> Result<Option<Scored>> {
        if let Some(scored) = self.ready.pop_front() {
            return Ok(Some(scored));
        }
        let fetched = self.fetch();
        match self.or_go_on(fetched)? {
            Some(scored) => Ok(scored),
            None => Ok(self.ready.pop_front()),
        }
    }

    fn finish(&mut self) -> Result<()> {
        // The fallback has finished what it took over.
        let finished = self.learner.finish();
        self.or_go_on(finished).map(drop)
    }

    fn model(&mut self) -> Result<Model> {
        let model = self.learner.model();
        match self.or_go_on(model)? {
            Some(model) => Ok(model),
            None => self.learner.model(),
        }
    }

    fn keep(&mut self, next: &MicroBatch, bytes: u64) -> bool {
        self.backup.is_some() && self.learner.keep(next, bytes)
    }

    /// What is kept on a device is gone with it: a failure ends the run.
    fn replay(&mut self) -> Result<Option<Replayed>> {
        if self.backup.is_none() {
            return Ok(None);
        }
        let replayed = self.learner.replay()?;
        let model = self.learner.model()?;
        if let Some(backup) = &mut self.backup {
            backup.model = model; // none of it is in the log
            backup.log.clear();
        }
        Ok(replayed)
    }

    fn recycle(&mut self, scored: Scored) {
        self.learner.recycle(scored);
    }

    fn lost_device(&self) -> Option<&LostDevice> {
        self.lost.as_ref()
    }
}

impl fmt::Debug for Failover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failover").field("taken", &self.taken).field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// On a real device; `tests/failover.rs` has the rest, on any machine.
#[cfg(test)]
#[cfg(feature = "gpu")]
mod tests {
    use super::*;
    use crate::batcher::Batcher;
    use crate::config::MaxRejected;
    use crate::engine::{Engine, Sink};
    use crate::examples::{Examples, LabelToken, stride};
    use crate::learner::gpu::{self, Adapter, GROUP, GpuLearner, Wanted};
    use crate::learner::{Optimizer, Penalty, Settings, Shape, Update, cpu};
    use crate::record::Rejected;
    use crate::scaler::Scaler;

    const NUMERIC: usize = 5;
    const ROWS: usize = 20;
    /// Enough that some are answered, some under way, some on the host, when a call fails.
    const BATCHES: usize = 3 * GROUP + 4;
    const OPTIMIZERS: [Optimizer; 3] = [
        Optimizer::Sgd { learning_rate: 0.02, power_t: 0.5 },
        Optimizer::AdaGrad { learning_rate: 0.1 },
        Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 },
    ];
    /// Bytes of a log that is full now and then, and of one that never is.
    const LOGS: [usize; 2] = [60_000, usize::MAX];

    /// When the device fails: at so many calls of a kind.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Moment {
        Learn(usize),
        NextScored(usize),
        Finish(usize),
        Model(usize),
        Never,
    }

    /// A GPU that is taken away right before a call.
    struct Fragile {
        gpu: GpuLearner,
        fails: Moment,
        how: fn(&GpuLearner),
        calls: [usize; 4],
    }

    impl Fragile {
        fn call(&mut self, kind: usize, moment: fn(usize) -> Moment) {
            if moment(self.calls[kind]) == self.fails {
                (self.how)(&self.gpu);
            }
            self.calls[kind] += 1;
        }
    }

    impl Learner for Fragile {
        fn learn(&mut self, batch: MicroBatch) -> Result<()> {
            self.call(0, Moment::Learn);
            self.gpu.learn(batch)
        }
        fn next_scored(&mut self) -> Result<Option<Scored>> {
            self.call(1, Moment::NextScored);
            self.gpu.next_scored()
        }
        fn finish(&mut self) -> Result<()> {
            self.call(2, Moment::Finish);
            self.gpu.finish()
        }
        fn model(&mut self) -> Result<Model> {
            self.call(3, Moment::Model);
            self.gpu.model()
        }
        fn recycle(&mut self, scored: Scored) {
            self.gpu.recycle(scored);
        }
    }

    #[test]
    fn a_gpu_may_be_lost_at_any_moment() {
        let Some(adapter) = adapter() else { return };
        let fetches = [0, 1, GROUP, 2 * GROUP + 20].map(Moment::NextScored);
        let ends = [Moment::Finish(0), Moment::Model(0), Moment::Finish(1), Moment::Model(1)];
        for optimizer in OPTIMIZERS {
            let step = if optimizer == OPTIMIZERS[1] { 1 } else { 17 };
            let moments = || (0..BATCHES).step_by(step).map(Moment::Learn).chain(fetches).chain(ends);
            for most in LOGS {
                let settings = settings(optimizer, false);
                let want = run(&mut cpu::open(blank(settings), settings));
                for (k, moment) in moments().enumerate() {
                    let how = if k % 3 == 2 { GpuLearner::run_out_of_memory } else { GpuLearner::lose_device };
                    let mut learner = guarded(&adapter, settings, most, moment, how);
                    let have = run(&mut learner);
                    let name = format!("{optimizer:?}, log of {most}, {moment:?}: {:?}", learner.lost_device());
                    compare(&have, &want, &name);
                    // Without a copy under way `finish` and `model` are called once.
                    let is_lost = most != usize::MAX || ![Moment::Finish(1), Moment::Model(1)].contains(&moment);
                    assert_eq!(learner.lost_device().is_some(), is_lost, "{name}");
                }
            }
        }
    }

    #[test]
    fn a_gpu_that_lasts_is_never_left_and_copies_change_no_bit() {
        let Some(adapter) = adapter() else { return };
        let settings = settings(OPTIMIZERS[1], false);
        let runs = LOGS.map(|most| {
            let mut learner = guarded(&adapter, settings, most, Moment::Never, GpuLearner::lose_device);
            let run = run(&mut learner);
            assert_eq!(learner.lost_device(), None);
            run
        });
        assert_eq!(runs[0].1, runs[1].1);
        compare(&runs[0], &run(&mut cpu::open(blank(settings), settings)), "never lost");
    }

    #[test]
    fn a_frozen_model_goes_on_predicting() {
        let Some(adapter) = adapter() else { return };
        let learning = settings(OPTIMIZERS[2], false);
        let (_, model) = run(&mut cpu::open(blank(learning), learning));
        let settings = Settings { frozen: true, ..learning };
        let want = run(&mut cpu::open(model.clone(), settings));
        for moment in [Moment::Learn(0), Moment::Learn(GROUP + 3), Moment::NextScored(GROUP + 9), Moment::Finish(0)] {
            let gpu = gpu::open(&adapter, model.clone(), settings).unwrap();
            let fragile = Fragile { gpu, fails: moment, how: GpuLearner::lose_device, calls: [0; 4] };
            let mut learner = Failover::new(Box::new(fragile), model.clone(), true, 0, on_cpu(settings));
            compare(&run(&mut learner), &want, &format!("frozen, {moment:?}"));
            assert!(learner.lost_device().unwrap().note.contains("unanswered"));
        }
    }

    #[test]
    fn what_a_gpu_cannot_take_is_learned_on_the_cpu_with_what_to_lower() {
        let Some(adapter) = adapter() else { return };
        let settings = settings(OPTIMIZERS[0], false);
        let mut learner = guarded(&adapter, settings, LOGS[1], Moment::Learn(7), GpuLearner::run_out_of_memory);
        run(&mut learner);
        let note = &learner.lost_device().unwrap().note;
        for word in ["out of memory", "--hash-bits", "--batch", "continued on the fallback"] {
            assert!(note.contains(word), "{note}");
        }
    }

    #[test]
    fn an_engine_does_not_notice() {
        let Some(adapter) = adapter() else { return };
        let settings = settings(OPTIMIZERS[1], false);
        let want = through_engine(Box::new(cpu::open(blank(settings), settings)));
        for moment in [Moment::Learn(GROUP + 1), Moment::NextScored(GROUP), Moment::Finish(0), Moment::Model(0)] {
            for most in LOGS {
                let learner = guarded(&adapter, settings, most, moment, GpuLearner::lose_device);
                compare(&through_engine(Box::new(learner)), &want, &format!("engine, {moment:?}, log of {most}"));
            }
        }
    }

    fn settings(optimizer: Optimizer, frozen: bool) -> Settings {
        let penalty = Penalty { l1: 0.002, l2: 0.01 };
        Settings { update: Update::Batch, optimizer, penalty, batch: ROWS, hash_bits: 6, frozen }
    }

    fn blank(settings: Settings) -> Model {
        Model::new(Shape { numeric: NUMERIC, hash_bits: 6 }, settings.optimizer, settings.penalty)
    }

    fn on_cpu(settings: Settings) -> Fallback {
        Fallback::new("the fallback", move |model| Box::new(cpu::open(model, settings)))
    }

    fn guarded(adapter: &Adapter, settings: Settings, most: usize, fails: Moment, how: fn(&GpuLearner)) -> Failover {
        let gpu = gpu::open(adapter, blank(settings), settings).unwrap();
        let fragile = Fragile { gpu, fails, how, calls: [0; 4] };
        Failover::new(Box::new(fragile), blank(settings), settings.frozen, most, on_cpu(settings))
    }

    /// Numbers, hashed features and labels that have something to do with each other.
    fn chunk(k: usize) -> Examples {
        let mut examples = Examples { rows: ROWS, seen: ROWS as u32, row_start: vec![0], ..Examples::default() };
        for row in 0..ROWS {
            let draw = |j: usize| ((k * ROWS + row) * 31 + j * 7) as u32;
            let number = |j: usize| draw(j).wrapping_mul(2_654_435_761) as f32 / u32::MAX as f32 - 0.5;
            examples.dense.extend((0..stride(NUMERIC)).map(|j| if j < NUMERIC { number(j) } else { f32::NAN }));
            examples.hash.extend((0..3).map(|j| draw(j) % 40));
            examples.value.extend([1.0, 0.5, 1.0]);
            examples.row_start.push(examples.hash.len() as u32);
            let is_positive = number(0) + 0.2 * (draw(0) % 3) as f32 > 0.2;
            examples.label.push(if is_positive { LabelToken::One } else { LabelToken::Zero });
            examples.number.push(row as u32);
        }
        examples
    }

    fn batcher() -> Batcher {
        Batcher::new(ROWS, stride(NUMERIC), Scaler::new(stride(NUMERIC)), true)
    }

    fn run(learner: &mut dyn Learner) -> (Vec<Scored>, Model) {
        let (mut batcher, mut all) = (batcher(), Vec::new());
        for k in 0..BATCHES {
            batcher.fill(&chunk(k), 0..ROWS, (k * ROWS) as u64).unwrap();
            learner.learn(batcher.take(MicroBatch::default())).unwrap();
            all.extend(std::iter::from_fn(|| learner.next_scored().unwrap()));
        }
        learner.finish().unwrap();
        all.extend(std::iter::from_fn(|| learner.next_scored().unwrap()));
        (all, learner.model().unwrap())
    }

    #[derive(Default)]
    struct Handed(Vec<Scored>);

    impl Sink for Handed {
        fn scored(&mut self, scored: Scored) -> Result<Option<Scored>> {
            self.0.push(scored.clone());
            Ok(Some(scored))
        }
        fn rejected(&mut self, record: u64, _: &Rejected) -> Result<()> {
            panic!("record {record} is fine");
        }
    }

    fn through_engine(learner: Box<dyn Learner + Send>) -> (Vec<Scored>, Model) {
        let mut engine =
            Engine::new(batcher(), learner, settings(OPTIMIZERS[1], false), MaxRejected::parse("0").unwrap());
        let mut handed = Handed::default();
        for k in 0..BATCHES {
            engine.push(&chunk(k), &mut handed).unwrap();
        }
        engine.finish(&mut handed).unwrap();
        (handed.0, engine.learner().model().unwrap())
    }

    /// Within the tolerances of `tests/backend_contract.rs`.
    #[track_caller]
    fn compare(have: &(Vec<Scored>, Model), want: &(Vec<Scored>, Model), name: &str) {
        let records: Vec<u64> = have.0.iter().flat_map(|scored| scored.batch.record.clone()).collect();
        assert_eq!(records, (1..=(BATCHES * ROWS) as u64).collect::<Vec<_>>(), "{name}");
        for (have, want) in have.0.iter().zip(&want.0) {
            assert_eq!((have.version, &have.batch), (want.version, &want.batch), "{name}");
            close(&have.logit, &want.logit, 2e-5, name);
        }
        let (have, want) = (&have.1, &want.1);
        assert_eq!((have.updates, have.learned), (want.updates, want.learned), "{name}");
        close(&have.dense_weights(), &want.dense_weights(), 1e-5, name);
        close(&[have.bias_weight()], &[want.bias_weight()], 1e-5, name);
        close(&have.hashed_weights(), &want.hashed_weights(), 1e-5, name);
    }

    #[track_caller]
    fn close(have: &[f32], want: &[f32], tolerance: f32, name: &str) {
        assert_eq!(have.len(), want.len(), "{name}");
        let is_close = |(have, want): (&f32, &f32)| (have - want).abs() <= tolerance * (1.0 + want.abs());
        assert!(have.iter().zip(want).all(is_close), "{name}: {have:?} is not {want:?}");
    }

    fn adapter() -> Option<Adapter> {
        match gpu::adapter::find(Wanted::Best) {
            Ok(adapter) => Some(adapter),
            Err(error) if std::env::var("TIDEMILL_REQUIRE_GPU").is_ok_and(|value| value == "1") => panic!("{error}"),
            Err(error) => {
                eprintln!("skipped: no adapter ({error})");
                None
            }
        }
    }
}
