//! The engine: takes examples in the order of the stream, and owns everything that depends on that order.
//!
//! Running scales, micro-batches, the model, metrics and counts all live here, in one thread; it does no I/O and reads
//! no clock. What leaves goes through a [`Sink`]. Siblings, in the order in which a record meets them: `arrivals` (by event
//! time), `late_labels` and `joining` (labels that come later), `passes` (learning the stream again), `windows` (metrics by
//! windows), `course` (those of a report), `counts`, `drift` and `trial` (what is done about drift); and `asked` (predictions
//! between two records).

mod arrivals;
mod asked;
mod counts;
mod course;
mod drift;
mod joining;
mod late_labels;
mod passes;
mod trial;
mod windows;

use std::ops::Range;

use crate::batcher::Batcher;
use crate::config::MaxRejected;
use crate::dictionary::Dictionary;
use crate::drift::{Actions, Alarm};
use crate::error::{Error, ErrorKind, Result};
use crate::examples::{Examples, MicroBatch, Scored};
use crate::learner::optimizer::smaller_step;
use crate::learner::{Learner, Settings};
use crate::metric::Metrics;
use crate::metric::course::Course;
use crate::metric::windows::line::Line;
use crate::metric::windows::{Closed, Windowed};
use crate::online::{Online, Sifted};
use crate::record::{LeftOut, Position, Rejected};
use crate::snapshot::State;
use crate::window::Windows;
use arrivals::Arrivals;
pub use arrivals::EventTimeStatus;
pub use counts::Counts;
use drift::Drift;
pub use drift::{Drifted, Reopen};
use joining::Scoring;
use late_labels::LateLabels;
pub use late_labels::{LabelCounts, LateLabelsStatus};
use passes::Kept;
pub use passes::Pass;

/// Where scored micro-batches and rejected records go.
pub trait Sink {
    /// Takes a scored micro-batch; may give back another one whose buffers are free.
    ///
    /// # Errors
    /// An output that cannot be written.
    fn scored(&mut self, scored: Scored) -> Result<Option<Scored>>;

    /// Takes a rejected record with its number in the run, from 1.
    ///
    /// # Errors
    /// An output that cannot be written.
    fn rejected(&mut self, record: u64, rejected: &Rejected) -> Result<()>;

    /// Takes a record that was read and is in order, and was not learned, or not as it was meant to be.
    ///
    /// # Errors
    /// An output that cannot be written.
    fn left_out(&mut self, record: &LeftOut<'_>) -> Result<()> {
        let _ = record;
        Ok(())
    }

    /// Takes a window that is over: its own line, then those of its segments.
    ///
    /// # Errors
    /// An output that cannot be written.
    fn window(&mut self, lines: &[Line<'_>]) -> Result<()> {
        let _ = lines;
        Ok(())
    }

    /// Takes an alarm, with what is done about it.
    ///
    /// # Errors
    /// An output that cannot be written.
    fn alarm(&mut self, alarm: &Alarm, actions: &Actions) -> Result<()> {
        let _ = (alarm, actions);
        Ok(())
    }
}

/// Everything sequential of a run.
pub struct Engine {
    batcher: Batcher,
    learner: Box<dyn Learner + Send>,
    settings: Settings,
    metrics: Metrics,
    counts: Counts,
    position: Position,
    dictionary: Dictionary,
    max_rejected: MaxRejected,
    spare: Vec<MicroBatch>,
    /// Where the stream is to be learned more than once, which a checkpoint does not outlive.
    kept: Option<Kept>,
    /// Where metrics are told by windows or segments.
    windowed: Option<Windowed>,
    /// Windows that are over, until they are handed on.
    closed: Vec<Closed>,
    /// Where a report is asked for.
    course: Option<Course>,
    /// Where somebody looks for drift.
    drift: Option<Drift>,
    /// Where event times are looked at.
    arrivals: Option<Arrivals>,
    /// Where labels come later than their records.
    late_labels: Option<LateLabels>,
    /// Where labels are records of their own.
    scoring: Option<Scoring>,
}

impl Engine {
    /// An engine at the start of a stream, which rejects no more than `most` records.
    pub fn new(batcher: Batcher, learner: Box<dyn Learner + Send>, settings: Settings, most: MaxRejected) -> Self {
        Self {
            batcher,
            learner,
            settings,
            metrics: Metrics::default(),
            counts: Counts::default(),
            position: Position::default(),
            dictionary: Dictionary::new(settings.hash_bits),
            max_rejected: most,
            spare: Vec::new(),
            kept: None,
            windowed: None,
            closed: Vec::new(),
            course: None,
            drift: None,
            arrivals: None,
            late_labels: None,
            scoring: None,
        }
    }

    /// Takes all that it remembers between two chunks into `state`, after handing on what is under way. The stream can
    /// go on from there as if nothing had been.
    ///
    /// # Errors
    /// A failing device or output.
    pub fn save(&mut self, state: &mut State, sink: &mut dyn Sink) -> Result<()> {
        self.settle(sink)?;
        let Self {
            batcher,
            learner,
            settings: _,
            metrics,
            counts,
            position,
            dictionary,
            max_rejected: _,
            spare: _,
            kept: _,
            windowed,
            closed: _,
            course,
            drift,
            arrivals,
            late_labels,
            scoring,
        } = self;
        state.clear();
        state.save(batcher);
        learner.save(state)?;
        state.save(metrics);
        state.save(counts);
        state.save(position);
        state.save(dictionary);
        windowed.iter().for_each(|windowed| state.save(windowed));
        course.iter().for_each(|course| state.save(course));
        arrivals.iter().for_each(|arrivals| state.save(arrivals));
        late_labels.iter().for_each(|late_labels| state.save(late_labels));
        scoring.iter().for_each(|scoring| state.save(scoring));
        drift.as_mut().map_or(Ok(()), |drift| drift.save(state))?;
        self.check_late_labels()
    }

    /// Goes on from what [`Engine::save`] took; the learner has been opened on the model that was saved.
    ///
    /// # Errors
    /// The state of another job.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        let Self {
            batcher,
            learner: _,
            settings: _,
            metrics,
            counts,
            position,
            dictionary,
            max_rejected: _,
            spare: _,
            kept: _,
            windowed,
            closed: _,
            course: _,
            drift: _,
            arrivals,
            late_labels,
            scoring,
        } = self;
        state.restore(batcher)?;
        state.restore(metrics)?;
        state.restore(counts)?;
        state.restore(position)?;
        state.restore(dictionary)?;
        windowed.iter_mut().try_for_each(|windowed| state.restore(windowed))?;
        arrivals.iter_mut().try_for_each(|arrivals| state.restore(arrivals))?;
        late_labels.iter_mut().try_for_each(|late_labels| state.restore(late_labels))?;
        scoring.iter_mut().try_for_each(|scoring| state.restore(scoring))?;
        self.restore_course(state)?;
        self.restore_drift(state)
    }

    /// Waits for everything under way and hands it on, without ending the micro-batch that is being filled.
    ///
    /// # Errors
    /// A failing device or output.
    pub fn settle(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.learner.finish()?;
        self.hand_on(sink)
    }

    /// Ends the micro-batch in hand, whatever its size, and waits for its predictions.
    ///
    /// # Errors
    /// As [`Engine::settle`], and a prediction that is not a finite number.
    pub fn close(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.learn(sink)?;
        self.settle(sink)
    }

    /// Takes the examples of the next chunk; where too many records are rejected, those up to the one that is too many,
    /// so that how a stream is cut into chunks does not show.
    ///
    /// # Errors
    /// A failing device or output, labels written in two ways, too many rejected records, or a prediction that is not
    /// a finite number; the predictions before it have gone to the sink.
    pub fn push(&mut self, examples: &Examples, sink: &mut dyn Sink) -> Result<()> {
        let before = self.counts.records;
        let too_many = self.count(examples, sink)?;
        let rows = match too_many {
            Some(last) => examples.number.partition_point(|&number| number < last),
            None => examples.rows,
        };
        self.dictionary.take(&examples.names, too_many);
        self.arrive(examples, 0..rows, before, sink)?;
        self.position.advance(examples.place);
        match too_many {
            Some(_) => self.finish(sink),
            None if self.batcher.may_end_anywhere() => self.learn(sink), // predictions need not wait
            None => Ok(()),
        }
    }

    /// Takes the last, shorter micro-batch and waits for everything under way.
    ///
    /// # Errors
    /// As [`Engine::push`].
    pub fn finish(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.release(sink)?;
        self.end_late_labels(sink)?;
        self.learn(sink)?;
        self.settle(sink)?;
        self.close_windows(sink)?;
        self.check_rejected()
    }

    /// What has been counted so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How good the predictions were so far.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Counts and metrics, for a look at the run under way.
    pub fn progress(&mut self) -> (&Counts, &mut Metrics) {
        (&self.counts, &mut self.metrics)
    }

    /// The learner, for its model.
    pub fn learner(&mut self) -> &mut dyn Learner {
        &mut *self.learner
    }

    /// The names of features.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// Records that wait for their micro-batch to be full.
    pub fn waiting(&self) -> usize {
        self.batcher.waiting() + self.held()
    }

    /// Records in the micro-batch that is being filled.
    pub fn filling(&self) -> usize {
        self.batcher.waiting()
    }

    /// Records that wait for the watermark.
    pub fn held(&self) -> usize {
        self.arrivals.as_ref().map_or(0, Arrivals::held)
    }

    /// The online transforms.
    pub fn online(&self) -> Option<&Online> {
        self.batcher.online()
    }

    /// The windows of keys.
    pub fn windows(&self) -> Option<&Windows> {
        self.batcher.windows()
    }

    /// The running scales.
    pub fn scaler(&self) -> &crate::scaler::Scaler {
        self.batcher.scaler()
    }

    /// Counts the records of a chunk; where too many are rejected, up to the one that is too many, and gives its number.
    fn count(&mut self, examples: &Examples, sink: &mut dyn Sink) -> Result<Option<u32>> {
        let before = self.counts.records;
        self.counts.bytes += examples.bytes;
        for rejected in &examples.rejected {
            self.counts.records = before + u64::from(rejected.number) + 1;
            sink.rejected(self.counts.records, rejected)?;
            self.counts.rejected += 1;
            *self.counts.by_reason.entry(rejected.reason).or_default() += 1;
            if self.max_rejected.is_exceeded(self.counts.rejected, self.counts.records, false) {
                return Ok(Some(rejected.number));
            }
        }
        self.counts.records = before + u64::from(examples.seen);
        self.counts.filtered += u64::from(examples.filtered);
        if let Some(best) = examples.best_loss {
            let sum = self.counts.best_loss.get_or_insert_default();
            sum.loss += best.loss;
            sum.records += best.records;
        }
        Ok(None)
    }

    /// Takes rows in the order in which they count; `before` is the number of records before those of `examples`.
    fn take(&mut self, examples: &Examples, rows: Range<usize>, before: u64, sink: &mut dyn Sink) -> Result<()> {
        for range in self.sift(examples, rows.clone(), before) {
            if self.late_labels.is_some() {
                range.into_iter().try_for_each(|row| self.take_late(examples, row, before, sink))?;
                continue;
            }
            let mut row = range.start;
            while row < range.end {
                row = self.batcher.fill(examples, row..range.end, before)?;
                self.learn_if_full(sink)?;
            }
        }
        self.batcher.pass(examples, rows.end);
        Ok(())
    }

    /// The rows that are to be learned, the others counted.
    fn sift(&mut self, examples: &Examples, rows: Range<usize>, before: u64) -> Vec<Range<usize>> {
        let Sifted { kept, duplicates, sampled_out, forgotten, passed: _ } = self.batcher.sift(examples, rows, before);
        self.counts.duplicates += duplicates;
        self.counts.sampled_out += sampled_out;
        self.counts.forgotten += forgotten;
        kept
    }

    /// Hands the micro-batch to the learner, and on what is ready.
    fn learn(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let spare = self.spare.pop().unwrap_or_default();
        let batch = self.batcher.take(spare);
        if batch.rows > 0 {
            if let Some(kept) = &mut self.kept {
                kept.take(&batch, &mut *self.learner)?;
            }
            self.try_out(&batch)?;
            self.scoring.iter_mut().for_each(Scoring::given);
            self.learner.learn(batch)?;
            if self.acts_on_drift() {
                self.learner.finish()?;
            }
        }
        self.hand_on(sink)?;
        self.respond()
    }

    fn hand_on(&mut self, sink: &mut dyn Sink) -> Result<()> {
        while let Some(mut scored) = self.learner.next_scored()? {
            if let Some(row) = scored.first_not_finite() {
                let error = self.diverged(scored.batch.record[row]);
                scored.truncate(row);
                self.score_known(&scored, sink)?;
                scored.keep_arrivals();
                self.score(&scored, sink)?;
                sink.scored(scored)?;
                self.close_windows(sink)?;
                return Err(error);
            }
            self.score_known(&scored, sink)?;
            scored.keep_arrivals();
            self.score(&scored, sink)?;
            if let Some(mut free) = sink.scored(scored)? {
                self.spare.push(std::mem::take(&mut free.batch));
                self.learner.recycle(free);
            }
        }
        Ok(())
    }

    /// Why a run ends at the first prediction that is not a finite number: none behind it would be one.
    #[cold]
    fn diverged(&self, record: u64) -> Error {
        let rate = self.settings.optimizer.learning_rate();
        let (what, advice) = if self.settings.frozen {
            ("the model does not fit this input", "train a model on input like it".to_owned())
        } else {
            ("learning diverged", format!("{} instead of {rate}", smaller_step(rate)))
        };
        let message = format!("{what}: the prediction of record {record} is not a finite number; {advice}");
        Error::new(ErrorKind::Diverged, message)
    }

    fn check_rejected(&self) -> Result<()> {
        let Counts { records, rejected, by_reason, .. } = &self.counts;
        if !self.max_rejected.is_exceeded(*rejected, *records, true) {
            return Ok(());
        }
        let reasons: Vec<_> = by_reason.iter().map(|(reason, count)| format!("{} {count}", reason.name())).collect();
        let first = by_reason.iter().max_by_key(|(_, count)| **count).map_or("", |(reason, _)| reason.advice());
        Err(Error::new(
            ErrorKind::TooManyRejected,
            format!(
                "{rejected} of {records} records were rejected ({}), more than --max-rejected allows; {first}; \
                 --rejected FILE shows them with their reasons",
                reasons.join(", ")
            ),
        ))
    }
}
