//! The threads that learn a sweep: takes micro-batches in stream order, hands each to every thread, gives standings and
//! models.
//!
//! Each thread owns some learners and takes what it is handed in order, so no result depends on how many threads there
//! are. Queues are bounded: the slowest thread holds the engine back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::curves::Curves;
use crate::error::{Error, ErrorKind, Result};
use crate::examples::MicroBatch;
use crate::learner::Model;
use crate::learner::many::{ManyLearners, Standing};
use crate::pipeline::background::{guarded, in_background};

/// Micro-batches that may wait for a thread.
const QUEUE: usize = 4;

/// What a thread is asked to do.
enum Task {
    Learn(Arc<MicroBatch>),
    Stand(Sender<Vec<Standing>>),
    Model(usize, Sender<Option<Model>>),
    DropOut(Arc<Vec<usize>>),
}

/// The threads.
#[derive(Debug)]
pub struct Crew {
    tasks: Vec<Sender<Task>>,
    ended: Vec<Receiver<Result<()>>>,
    seen: Mutex<Seen>,
}

/// What all learners have seen, and those that have gone.
#[derive(Debug, Default)]
struct Seen {
    labelled: u64,
    weight: f64,
    gone: Vec<Ranked>,
    /// Where a report is asked for.
    curves: Option<Curves>,
}

/// A learner among the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its place in the list of settings.
    pub place: usize,
    /// Progressive log loss, in nats, up to where it was dropped; not a number where learning diverged, `None` before the
    /// first label.
    pub log_loss: Option<f64>,
    /// Labelled records after which it was dropped.
    pub dropped_after: Option<u64>,
}

impl Ranked {
    /// Whether its predictions came to what is no number.
    pub fn has_diverged(&self) -> bool {
        self.log_loss.is_some_and(|loss| !loss.is_finite())
    }
}

impl Crew {
    /// Starts a thread for each part.
    pub fn start(parts: Vec<Box<dyn ManyLearners>>) -> Self {
        let (mut tasks, mut ended) = (Vec::new(), Vec::new());
        for learners in parts {
            let (to_thread, from_engine) = bounded(QUEUE);
            tasks.push(to_thread);
            ended.push(in_background(move || guarded("learning", || work(learners, &from_engine))));
        }
        Self { tasks, ended, seen: Mutex::default() }
    }

    /// Hands a micro-batch to all.
    ///
    /// # Errors
    /// A thread that has failed.
    pub fn learn(&self, batch: &Arc<MicroBatch>) -> Result<()> {
        let labelled = batch.label.iter().zip(&batch.weight).filter(|(label, _)| !label.is_nan());
        let mut seen = self.seen();
        for (_, &weight) in labelled {
            seen.labelled += 1;
            seen.weight += f64::from(weight);
        }
        drop(seen);
        self.tell(|| Task::Learn(Arc::clone(batch)))
    }

    /// The same crew, which keeps how each learner went.
    #[must_use]
    pub(super) fn keeping_curves(self, is_asked: bool) -> Self {
        self.seen().curves = is_asked.then(Curves::default);
        self
    }

    /// How each learner went; `None` where nobody asked for it.
    pub(super) fn curves(&self) -> Option<Curves> {
        self.seen().curves.clone()
    }

    /// Ends a stretch of the curves where it is time, or the stream `is_over`.
    pub(super) fn follow_curves(&self, is_over: bool) -> Result<()> {
        let (labelled, weight, is_due) = {
            let seen = self.seen();
            let is_due = |curves: &Curves| curves.is_due(seen.labelled) || is_over && !curves.is_at(seen.labelled);
            (seen.labelled, seen.weight, seen.curves.as_ref().is_some_and(is_due))
        };
        if is_due {
            let standings = self.standings()?;
            self.seen().curves.iter_mut().for_each(|curves| curves.end((labelled, weight), &standings));
        }
        Ok(())
    }

    /// Labelled records handed on so far.
    pub(super) fn labelled(&self) -> u64 {
        self.seen().labelled
    }

    /// Every learner, the best first: those that go on by their losses, then those that were dropped, the last ones first,
    /// then those that diverged.
    ///
    /// # Errors
    /// A thread that has failed.
    pub fn ranking(&self) -> Result<Vec<Ranked>> {
        let standings = self.standings()?;
        let seen = self.seen();
        let mean = |loss: f64| (seen.weight > 0.0).then(|| loss / seen.weight);
        let going_on = standings.iter().map(|&Standing { place, loss }| Ranked {
            place,
            log_loss: mean(loss),
            dropped_after: None,
        });
        let mut all: Vec<_> = going_on.chain(seen.gone.iter().copied()).collect();
        let order = |of: &Ranked| {
            let since = u64::MAX - of.dropped_after.unwrap_or(u64::MAX);
            (of.has_diverged(), since, of.log_loss.unwrap_or(0.0), of.place)
        };
        all.sort_by(|a, b| {
            let (a, b) = (order(a), order(b));
            (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)).then(a.3.cmp(&b.3))
        });
        Ok(all)
    }

    /// Where those stand that have not been dropped.
    pub(super) fn standings(&self) -> Result<Vec<Standing>> {
        let all = self.ask(Task::Stand)?;
        Ok(all.into_iter().flatten().collect())
    }

    /// The model of a learner that has not been dropped.
    pub(super) fn model(&self, place: usize) -> Result<Option<Model>> {
        Ok(self.ask(|answer| Task::Model(place, answer))?.into_iter().flatten().next())
    }

    /// Goes on without some.
    pub(super) fn drop_out(&self, gone: &[Standing]) -> Result<()> {
        let mut seen = self.seen();
        let (labelled, weight) = (seen.labelled, seen.weight);
        seen.gone.extend(gone.iter().map(|&Standing { place, loss }| Ranked {
            place,
            log_loss: (weight > 0.0).then(|| loss / weight),
            dropped_after: Some(labelled),
        }));
        drop(seen);
        let places = Arc::new(gone.iter().map(|standing| standing.place).collect());
        self.tell(|| Task::DropOut(Arc::clone(&places)))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Only sums are behind it, which no panic leaves half done.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, task: impl Fn() -> Task) -> Result<()> {
        (0..self.tasks.len()).try_for_each(|at| self.tasks[at].send(task()).map_err(|_| self.why(at)))
    }

    /// What every thread answers, when all before has been learned.
    fn ask<T>(&self, task: impl Fn(Sender<T>) -> Task) -> Result<Vec<T>> {
        let asked = (0..self.tasks.len()).map(|at| {
            let (to_us, answer) = bounded(1);
            self.tasks[at].send(task(to_us)).map_err(|_| self.why(at))?;
            Ok(answer)
        });
        let asked: Vec<_> = asked.collect::<Result<_>>()?;
        asked.into_iter().enumerate().map(|(at, answer)| answer.recv().map_err(|_| self.why(at))).collect()
    }

    /// Why a thread has ended before its time.
    #[cold]
    fn why(&self, at: usize) -> Error {
        match self.ended[at].recv() {
            Ok(Err(error)) => error,
            _ => Error::new(ErrorKind::Internal, "learning failed where it never should: please report it"),
        }
    }
}

/// Does what is asked until nobody asks any more.
fn work(mut learners: Box<dyn ManyLearners>, tasks: &Receiver<Task>) -> Result<()> {
    while let Ok(task) = tasks.recv() {
        // Whoever does not wait for an answer any more does not need it.
        match task {
            Task::Learn(batch) => learners.learn(&batch)?,
            Task::Stand(answer) => drop(answer.send(learners.standings()?)),
            Task::Model(place, answer) => drop(answer.send(learners.model(place)?)),
            Task::DropOut(places) => learners.drop_out(&places)?,
        }
    }
    Ok(())
}
