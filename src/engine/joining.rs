//! Labels that are records of their own: takes rows in their order, of which those without a label are impressions and those
//! with one are outcomes, and has each impression predicted at once and learned when its outcome comes, or its timeout.
//!
//! An impression is scored when its label is known, by the prediction it was given when it arrived.

use std::collections::VecDeque;

use twox_hash::XxHash3_64;

use super::late_labels::LateLabelsStatus;
use super::{Engine, Sink};
use crate::config::options::AtTimeout;
use crate::error::Result;
use crate::event_time::MISSING;
use crate::examples::{Examples, LabelToken, Scored, Stage};
use crate::join::{self, Join, Keyed, OpenRow, Report, Side};
use crate::record::{Left, LeftOut};
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Impressions that wait for their outcomes.
#[derive(Debug)]
pub(super) struct Joining {
    join: Join,
    /// Records without an id: predicted, and never learned.
    without_id: u64,
}

/// What is to be done about a record, until the micro-batch that it lies in can be touched.
enum Told {
    Learn(OpenRow, f32, Stage),
    Left(Keyed, Left, f32),
}

impl Told {
    fn of(report: &Report<'_>) -> Self {
        match *report {
            Report::Learn { row, label, is_correction } => {
                let stage = if is_correction { Stage::Corrected } else { Stage::Learned };
                Self::Learn(row.clone(), label, stage)
            }
            Report::Side { side, of, label } => Self::Left(of, left(side), label),
        }
    }
}

fn left(side: Side) -> Left {
    match side {
        Side::Duplicate => Left::Duplicate,
        Side::DuplicateOutcome => Left::DuplicateOutcome,
        Side::Late => Left::LateOutcome,
        Side::Orphan => Left::Orphan,
        Side::Unlabelled => Left::Unlabelled,
        Side::Evicted => Left::Evicted,
        Side::Open => Left::Open,
    }
}

impl Joining {
    pub(super) fn new(timeout: i64, at_timeout: AtTimeout, corrections: Option<i64>, memory: u64) -> Self {
        let at_timeout = match at_timeout {
            AtTimeout::Negative => join::AtTimeout::Negative,
            AtTimeout::Unlabelled => join::AtTimeout::Unlabelled,
        };
        Self { join: Join::new(join::Settings { timeout, at_timeout, corrections, memory }), without_id: 0 }
    }

    pub(super) fn take(
        &mut self,
        (examples, row, before): (&Examples, usize, u64),
        now: i64,
        engine: &mut Engine,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        self.join.advance(now, &mut |report| engine.follow(&report, now, sink))?;
        engine.note_open(self.join.oldest());
        let record = before + u64::from(examples.number[row]) + 1;
        let time = examples.time.get(row).copied().unwrap_or(MISSING);
        let (id, token) = (examples.id_of(row), examples.label[row]);
        if id.is_empty() {
            self.without_id += 1;
            let raw = examples.raw_of(row);
            let label = engine.batcher.resolve(token, record)?;
            sink.left_out(&LeftOut { why: Left::NoId, record, time, key: None, label, raw })?;
        }
        let of = Keyed { key: XxHash3_64::oneshot(id), time, record };
        if token != LabelToken::Missing {
            let label = engine.batcher.resolve(token, record)?;
            if id.is_empty() {
                return Ok(());
            }
            return self.join.outcome(of, label, now, &mut |report| engine.follow(&report, now, sink));
        }
        engine.batcher.fill(examples, row..row + 1, before)?;
        if !id.is_empty() {
            self.open(of, examples.window_keys_of(row), now, engine, sink)?;
        }
        engine.learn_if_full(sink)
    }

    /// Opens the impression that was taken last.
    fn open(&mut self, of: Keyed, keys: &[u64], now: i64, engine: &mut Engine, sink: &mut dyn Sink) -> Result<()> {
        let mut told = Vec::new();
        let collect = &mut |report: Report<'_>| {
            told.push(Told::of(&report));
            Ok(())
        };
        let opened = self.join.impression(of, engine.batcher.last_row(), keys, now, collect)?;
        engine.batcher.open_last(opened);
        for told in told {
            match told {
                Told::Learn(row, label, stage) => {
                    engine.learn_if_full(sink)?;
                    engine.learn_row(&row, label, stage, now, sink)?;
                }
                Told::Left(of, why, label) => tell(of, why, label, sink)?,
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, engine: &mut Engine, sink: &mut dyn Sink) -> Result<()> {
        self.join.finish(&mut |report| engine.follow(&report, i64::MAX, sink))
    }

    pub(super) fn status(&self) -> LateLabelsStatus {
        LateLabelsStatus::Joined(self.join.counts(), self.without_id)
    }

    pub(super) fn check_saved(&mut self) -> Result<()> {
        self.join.check_saved()
    }
}

fn tell(of: Keyed, why: Left, label: f32, sink: &mut dyn Sink) -> Result<()> {
    let Keyed { key, time, record } = of;
    sink.left_out(&LeftOut { why, record, time, key: Some(key), label, raw: &[] })
}

/// Predictions of impressions that are not scored yet, by the numbers of these.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scoring {
    first: u64,
    logits: VecDeque<f32>,
    /// The oldest open impression as each micro-batch under way was given to the learner: those before it are in that
    /// micro-batch at the latest.
    oldest: VecDeque<u64>,
    /// The oldest open impression.
    open_from: u64,
}

impl Scoring {
    /// A micro-batch is given to the learner.
    pub(super) fn given(&mut self) {
        self.oldest.push_back(self.open_from);
    }

    fn set(&mut self, sequence: u64, logit: f32) {
        let Some(at) = sequence.checked_sub(self.first) else { return };
        let at = at as usize;
        if at >= self.logits.len() {
            self.logits.resize(at + 1, f32::NAN);
        }
        self.logits[at] = logit;
    }

    fn get(&self, sequence: u64) -> f32 {
        let at = sequence.checked_sub(self.first).map(|at| at as usize);
        at.and_then(|at| self.logits.get(at)).copied().unwrap_or(f32::NAN)
    }

    /// Notes the predictions of impressions in a micro-batch, and gives what is to be scored by earlier ones: what was
    /// learned, and what was learned once more.
    fn sort(&mut self, scored: &Scored) -> (Scored, Scored) {
        let batch = &scored.batch;
        let (mut learned, mut corrected) = (Scored::default(), Scored::default());
        let segments = batch.segment.len().checked_div(batch.rows).unwrap_or(0);
        for (row, &logit) in scored.logit.iter().enumerate() {
            let (stage, open) = (batch.stage[row], batch.open[row]);
            let into = match stage {
                Stage::Arrives if open == u64::MAX => continue,
                Stage::Arrives => {
                    self.set(open, logit);
                    continue;
                }
                Stage::Learned => &mut learned,
                Stage::Corrected => &mut corrected,
            };
            into.logit.push(self.get(open));
            let to = &mut into.batch;
            to.rows += 1;
            to.label.push(batch.label[row]);
            to.weight.push(batch.weight[row]);
            to.record.push(batch.record[row]);
            to.time.extend(batch.time.get(row));
            to.segment.extend_from_slice(&batch.segment[row * segments..(row + 1) * segments]);
        }
        (learned, corrected)
    }

    /// Forgets the predictions that nobody will ask for any more.
    fn forget(&mut self) {
        let oldest = self.oldest.pop_front().unwrap_or(self.first);
        while self.first < oldest && self.logits.pop_front().is_some() {
            self.first += 1;
        }
    }
}

impl Engine {
    /// Does what a join reports.
    fn follow(&mut self, report: &Report<'_>, now: i64, sink: &mut dyn Sink) -> Result<()> {
        match *report {
            Report::Learn { row, label, is_correction } => {
                let stage = if is_correction { Stage::Corrected } else { Stage::Learned };
                self.learn_row(row, label, stage, now, sink)
            }
            Report::Side { side, of, label } => tell(of, left(side), label, sink),
        }
    }

    fn learn_row(&mut self, row: &OpenRow, label: f32, stage: Stage, now: i64, sink: &mut dyn Sink) -> Result<()> {
        self.batcher.put(row, label, stage);
        self.batcher.known(&row.keys, now, label, row.weight);
        self.learn_if_full(sink)
    }

    /// Tells those who score which impressions are still open.
    pub(super) fn note_open(&mut self, oldest: u64) {
        if let Some(scoring) = &mut self.scoring {
            scoring.open_from = oldest;
        }
    }

    /// Scores what became known with a micro-batch, where labels are records of their own.
    pub(super) fn score_known(&mut self, scored: &Scored, sink: &mut dyn Sink) -> Result<()> {
        let Some(scoring) = &mut self.scoring else { return Ok(()) };
        if !scored.batch.stage.is_empty() {
            let (learned, corrected) = scoring.sort(scored);
            self.metrics.add_known(&learned);
            self.metrics.correct(&corrected);
            self.course.iter_mut().for_each(|course| course.add_known(&learned, &corrected));
            self.tell_known(&learned, sink)?;
        }
        if let Some(scoring) = &mut self.scoring {
            scoring.forget();
        }
        Ok(())
    }
}

impl Snapshot for Joining {
    const PART: &'static str = "joining";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { join, without_id } = self;
        to.put("without_id", &[*without_id]);
        to.save(join);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { join, without_id } = self;
        [*without_id] = from.counts("without_id")?;
        from.restore(join)
    }
}

impl Snapshot for Scoring {
    const PART: &'static str = "scoring";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { first, logits, oldest: _, open_from } = self; // nothing is under way where state is saved
        to.put("first", &[*first, *open_from]);
        to.put("logits", &logits.iter().copied().collect::<Vec<_>>());
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { first, logits, oldest: _, open_from } = self;
        [*first, *open_from] = from.counts("first")?;
        *logits = from.get::<f32>("logits")?.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::MicroBatch;

    fn scored(stage: Stage, open: u64, logit: f32) -> Scored {
        let batch = MicroBatch {
            rows: 1,
            label: vec![if stage == Stage::Arrives { f32::NAN } else { 1.0 }],
            weight: vec![1.0],
            record: vec![open + 1],
            stage: vec![stage],
            truth: vec![f32::NAN],
            open: vec![open],
            ..MicroBatch::default()
        };
        Scored { batch, logit: vec![logit], ..Scored::default() }
    }

    #[test]
    fn an_impression_is_scored_by_the_prediction_of_its_arrival_and_forgotten_once_it_is_closed() {
        let mut scoring = Scoring::default();
        for (open, logit) in [(0, 0.5), (1, -0.5), (2, 0.25)] {
            scoring.given();
            assert_eq!(scoring.sort(&scored(Stage::Arrives, open, logit)), Default::default());
            scoring.forget();
        }
        scoring.open_from = 2; // 0 and 1 are in what comes next
        scoring.given();
        let (learned, corrected) = scoring.sort(&scored(Stage::Learned, 1, 9.0));
        assert_eq!((learned.logit, learned.batch.record, corrected.logit.len()), (vec![-0.5], vec![2], 0));
        scoring.forget();
        assert_eq!((scoring.first, scoring.logits.len(), scoring.get(2)), (2, 1, 0.25));
    }
}
