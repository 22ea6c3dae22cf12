//! Labels that come later than their records: takes rows in their order, has each predicted at once, and gives it to the
//! learner when its label is known.
//!
//! The clock is the watermark: the latest event time, less the bound where records are taken as they arrive. A row is
//! learned as it was predicted, by the numbers and features of its own time. Sibling: [`super::joining`] (labels that are
//! records of their own).

use super::joining::Joining;
use super::{Engine, Sink};
use crate::config::event_time::{EventTime, Labels};
use crate::config::options::Order;
use crate::error::Result;
use crate::event_time::MISSING;
use crate::examples::{Examples, Stage};
use crate::join::{JoinCounts, OpenRow, OpenRows};
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Rows whose labels are not known yet, and when they will be.
#[derive(Debug)]
pub(super) struct LateLabels {
    /// How far the clock lies behind the event times of the rows that are taken.
    lag: i64,
    /// The clock.
    now: i64,
    when: When,
}

#[derive(Debug)]
enum When {
    Due(Box<Waiting>),
    Joined(Box<Joining>),
}

/// Rows whose labels stand in them, and are not to be known before a time.
#[derive(Debug)]
struct Waiting {
    rows: OpenRows,
    /// After so long; where there is a column of times, that goes before.
    delay: Option<i64>,
    row: OpenRow,
    counts: LabelCounts,
}

/// What became of labels that come late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LabelCounts {
    /// Labels that had to be waited for.
    pub waited: u64,
    /// Those of them that became known, and were learned then.
    pub learned: u64,
    /// Those that were still to be waited for when the stream ended, and were learned then.
    pub at_end: u64,
    /// Those that were learned before they were known, for want of room.
    pub hurried: u64,
    /// Labels that were never known, since nothing says when: they were scored and not learned.
    pub never: u64,
}

/// How late labels stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateLabelsStatus {
    /// Labels that stand in their records: counts, and records that wait.
    Due(LabelCounts, u64),
    /// Labels that are records of their own: counts, and records without an id.
    Joined(JoinCounts, u64),
}

impl LateLabels {
    fn new(settings: &EventTime) -> Option<Self> {
        let memory = settings.open_memory;
        let waiting = |delay| {
            let (row, counts) = (OpenRow::default(), LabelCounts::default());
            When::Due(Box::new(Waiting { rows: OpenRows::new(memory), delay, row, counts }))
        };
        let when = match settings.labels {
            Labels::AtOnce => return None,
            Labels::After(delay) => waiting(Some(delay)),
            Labels::AtTheirTime(delay) => waiting(delay),
            Labels::Joined { timeout, at_timeout, corrections } => {
                When::Joined(Box::new(Joining::new(timeout, at_timeout, corrections, memory)))
            }
        };
        let lag = if settings.order == Order::Arrival { settings.out_of_order } else { 0 };
        Some(Self { lag, now: MISSING, when })
    }

    fn take(
        &mut self,
        (examples, row, before): (&Examples, usize, u64),
        engine: &mut Engine,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let time = examples.time.get(row).copied().unwrap_or(MISSING);
        if time != MISSING {
            self.now = self.now.max(time.saturating_sub(self.lag).max(MISSING + 1));
        }
        match &mut self.when {
            When::Due(waiting) => {
                waiting.learn_due(self.now, engine, sink)?;
                waiting.take((examples, row, before), self.now, engine, sink)
            }
            When::Joined(joining) => joining.take((examples, row, before), self.now, engine, sink),
        }
    }

    fn finish(&mut self, engine: &mut Engine, sink: &mut dyn Sink) -> Result<()> {
        match &mut self.when {
            When::Due(waiting) => waiting.learn_rest(self.now, engine, sink),
            When::Joined(joining) => joining.finish(engine, sink),
        }
    }

    fn status(&self) -> LateLabelsStatus {
        match &self.when {
            When::Due(waiting) => LateLabelsStatus::Due(waiting.counts, waiting.rows.len()),
            When::Joined(joining) => joining.status(),
        }
    }

    fn check_saved(&mut self) -> Result<()> {
        match &mut self.when {
            When::Due(waiting) => waiting.rows.check_saved(),
            When::Joined(joining) => joining.check_saved(),
        }
    }
}

impl Waiting {
    /// Has a row predicted, and puts it aside where its label is not known yet.
    fn take(
        &mut self,
        (examples, row, before): (&Examples, usize, u64),
        now: i64,
        engine: &mut Engine,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        engine.batcher.fill(examples, row..row + 1, before)?;
        let (label, weight) = engine.batcher.last_label();
        if !label.is_nan() {
            let keys = examples.window_keys_of(row);
            match self.due(examples, row, now) {
                Some(due) if due <= now => engine.batcher.known(keys, due, label, weight),
                Some(due) => {
                    let (batch, last) = engine.batcher.last_row();
                    self.rows.put(due, batch, last, label, keys)?;
                    self.counts.waited += 1;
                    engine.batcher.hide_label();
                }
                None => {
                    self.counts.never += 1;
                    engine.batcher.hide_label();
                }
            }
        }
        engine.learn_if_full(sink)?;
        while self.rows.is_over()
            && let Some((due, sequence)) = self.rows.next_due(i64::MAX)
        {
            self.counts.hurried += 1;
            self.learn((due.min(now), sequence), engine, sink)?;
        }
        Ok(())
    }

    /// When a label is known; `None` where nothing says so.
    fn due(&self, examples: &Examples, row: usize, now: i64) -> Option<i64> {
        let stated = examples.label_time.get(row).copied().filter(|&time| time != MISSING);
        let time = examples.time.get(row).copied().filter(|&time| time != MISSING).unwrap_or(now);
        stated.or_else(|| self.delay.map(|delay| time.saturating_add(delay)))
    }

    /// Has the rows learned whose labels are known by now.
    fn learn_due(&mut self, now: i64, engine: &mut Engine, sink: &mut dyn Sink) -> Result<()> {
        while let Some((due, sequence)) = self.rows.next_due(now) {
            self.counts.learned += 1;
            self.learn((due, sequence), engine, sink)?;
        }
        Ok(())
    }

    /// Has the rest learned: the clock stands still, so that windows of keys are told nothing of a time that has not come.
    fn learn_rest(&mut self, now: i64, engine: &mut Engine, sink: &mut dyn Sink) -> Result<()> {
        while let Some((due, sequence)) = self.rows.next_due(i64::MAX) {
            self.counts.at_end += 1;
            self.learn((due.min(now), sequence), engine, sink)?;
        }
        Ok(())
    }

    /// Has a row learned whose label is taken to be known at `known`.
    fn learn(&mut self, (known, sequence): (i64, u64), engine: &mut Engine, sink: &mut dyn Sink) -> Result<()> {
        self.rows.take(sequence, &mut self.row)?;
        let OpenRow { label, weight, ref keys, .. } = self.row;
        engine.batcher.put(&self.row, label, Stage::Learned);
        engine.batcher.known(keys, known, label, weight);
        engine.learn_if_full(sink)
    }
}

impl Engine {
    pub(super) fn with_late_labels(self, settings: &EventTime) -> Self {
        let late_labels = LateLabels::new(settings);
        let scoring = matches!(settings.labels, Labels::Joined { .. }).then(Default::default);
        Self { late_labels, scoring, ..self }
    }

    /// How late labels stand, where labels come late.
    pub fn late_labels(&self) -> Option<LateLabelsStatus> {
        self.late_labels.as_ref().map(LateLabels::status)
    }

    /// Takes a row whose label may come later.
    pub(super) fn take_late(
        &mut self,
        examples: &Examples,
        row: usize,
        before: u64,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let Some(mut late_labels) = self.late_labels.take() else { return Ok(()) };
        let outcome = late_labels.take((examples, row, before), self, sink);
        self.late_labels = Some(late_labels);
        outcome
    }

    /// Ends the wait for labels: the stream is at its end.
    pub(super) fn end_late_labels(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let Some(mut late_labels) = self.late_labels.take() else { return Ok(()) };
        let outcome = late_labels.finish(self, sink);
        self.late_labels = Some(late_labels);
        outcome
    }

    /// Sees to it that what is on the disk has been saved too.
    pub(super) fn check_late_labels(&mut self) -> Result<()> {
        self.late_labels.as_mut().map_or(Ok(()), LateLabels::check_saved)
    }

    pub(super) fn learn_if_full(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if self.batcher.is_full() { self.learn(sink) } else { Ok(()) }
    }
}

impl Snapshot for LateLabels {
    const PART: &'static str = "late_labels";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { lag: _, now, when } = self;
        to.put("now", &[*now as u64]);
        match when {
            When::Due(waiting) => {
                let Waiting { rows, delay: _, row: _, counts } = &**waiting;
                let LabelCounts { waited, learned, at_end, hurried, never } = *counts;
                to.put("counts", &[waited, learned, at_end, hurried, never]);
                to.save(rows);
            }
            When::Joined(joining) => to.save(&**joining),
        }
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { lag: _, now, when } = self;
        let [of_clock] = from.numbers::<u64, 1>("now")?;
        *now = of_clock as i64;
        match when {
            When::Due(waiting) => {
                let Waiting { rows, delay: _, row: _, counts } = &mut **waiting;
                let [waited, learned, at_end, hurried, never] = from.counts("counts")?;
                *counts = LabelCounts { waited, learned, at_end, hurried, never };
                from.restore(rows)
            }
            When::Joined(joining) => from.restore(&mut **joining),
        }
    }
}
