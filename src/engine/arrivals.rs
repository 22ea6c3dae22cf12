//! How records come to be taken: in the order in which they arrive, or in that of their event times. Takes the rows of a
//! chunk, gives them to the engine in their order, and says what became of those that are late.

use std::ops::Range;

use super::{Engine, Sink};
use crate::config::event_time::{EventTime, Labels};
use crate::config::options::{LateRecords, Order};
use crate::error::Result;
use crate::event_time::reorder::{Released, Reorder};
use crate::event_time::{EventClock, MISSING, Timing};
use crate::examples::Examples;
use crate::record::{Left, LeftOut};
use crate::snapshot::{Restoring, Saving, Snapshot};

/// What is known of event times, and the rows that wait for theirs.
#[derive(Debug)]
pub(super) struct Arrivals {
    clock: EventClock,
    /// Where records are put in order.
    reorder: Option<Reorder>,
    late: LateRecords,
    released: Released,
}

/// How a stream stands by its event times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTimeStatus {
    /// The clock.
    pub clock: EventClock,
    /// Whether records are taken in the order of their event times.
    pub is_in_order: bool,
    /// Records that wait for the watermark.
    pub held: u64,
    /// Records that were taken before the watermark had passed them, for want of room.
    pub hurried: u64,
}

impl Arrivals {
    pub(super) fn new(settings: &EventTime) -> Self {
        let is_in_order = settings.order == Order::Time && settings.out_of_order > 0;
        Self {
            clock: EventClock::new(settings.out_of_order),
            reorder: is_in_order.then(|| Reorder::new(settings.open_memory)),
            late: settings.late,
            released: Released::default(),
        }
    }

    pub(super) fn held(&self) -> usize {
        self.reorder.as_ref().map_or(0, Reorder::held)
    }

    fn status(&self) -> EventTimeStatus {
        let (held, hurried) = self.reorder.as_ref().map_or((0, 0), |held| (held.held() as u64, held.hurried));
        EventTimeStatus { clock: self.clock.clone(), is_in_order: self.reorder.is_some(), held, hurried }
    }

    /// Takes the rows of a chunk; `before` is the number of records before it.
    fn arrive(
        &mut self,
        (examples, rows, before): (&Examples, Range<usize>, u64),
        engine: &mut Engine,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let mut start = rows.start;
        for row in rows.clone() {
            let record = before + u64::from(examples.number[row]) + 1;
            let time = examples.time.get(row).copied().unwrap_or(MISSING);
            let timing = self.clock.see(time, record);
            let leaves = timing == Timing::Late && self.late != LateRecords::Learn;
            if let (Some(reorder), Timing::InTime) = (&mut self.reorder, timing) {
                reorder.hold(examples, row, record);
                reorder.pass(self.clock.watermark());
                if reorder.is_full() {
                    reorder.hurry();
                    self.give(engine, sink)?;
                }
            } else if self.reorder.is_some() {
                // It comes where it is: behind all that the watermark has passed.
                self.give(engine, sink)?;
                start = row;
            }
            if leaves {
                engine.take(examples, start..row, before, sink)?;
                self.leave_out(examples, row, record, sink)?;
            } else if self.reorder.is_none() {
                continue;
            } else if timing != Timing::InTime {
                engine.take(examples, row..row + 1, before, sink)?;
            }
            start = row + 1;
        }
        engine.take(examples, start.min(rows.end)..rows.end, before, sink)?;
        self.give(engine, sink)
    }

    /// Hands on what the watermark has passed.
    fn give(&mut self, engine: &mut Engine, sink: &mut dyn Sink) -> Result<()> {
        let Some(reorder) = &mut self.reorder else { return Ok(()) };
        reorder.release(&mut self.released);
        let Released { examples, before } = &self.released;
        engine.take(examples, 0..examples.rows, *before, sink)
    }

    fn leave_out(&self, examples: &Examples, row: usize, record: u64, sink: &mut dyn Sink) -> Result<()> {
        if self.late != LateRecords::Side {
            return Ok(());
        }
        let time = examples.time.get(row).copied().unwrap_or(MISSING);
        let raw = examples.raw_of(row);
        sink.left_out(&LeftOut { why: Left::Late, record, time, key: None, label: f32::NAN, raw })
    }
}

impl Engine {
    /// The same by the event times of records.
    #[must_use]
    pub fn by_event_time(self, settings: Option<&EventTime>) -> Self {
        let Some(settings) = settings else { return self };
        let mut engine = self.with_late_labels(settings);
        engine.batcher = engine.batcher.labels_come_late(settings.labels != Labels::AtOnce);
        engine.arrivals = Some(Arrivals::new(settings));
        engine
    }

    /// How the stream stands by its event times, where these are looked at.
    pub fn event_time(&self) -> Option<EventTimeStatus> {
        self.arrivals.as_ref().map(Arrivals::status)
    }

    /// Takes the rows of a chunk in their order.
    pub(super) fn arrive(
        &mut self,
        examples: &Examples,
        rows: Range<usize>,
        before: u64,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let Some(mut arrivals) = self.arrivals.take() else { return self.take(examples, rows, before, sink) };
        let outcome = arrivals.arrive((examples, rows, before), self, sink);
        self.arrivals = Some(arrivals);
        outcome
    }

    /// Takes every row that is held back: no more will come, or nobody wants to wait for more.
    ///
    /// # Errors
    /// As [`Engine::push`].
    pub fn release(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let Some(mut arrivals) = self.arrivals.take() else { return Ok(()) };
        arrivals.reorder.iter_mut().for_each(|reorder| reorder.pass(i64::MAX));
        let outcome = arrivals.give(self, sink);
        self.arrivals = Some(arrivals);
        outcome
    }
}

impl Snapshot for Arrivals {
    const PART: &'static str = "arrivals";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { clock, reorder, late: _, released: _ } = self;
        to.save(clock);
        reorder.iter().for_each(|reorder| to.save(reorder));
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { clock, reorder, late: _, released: _ } = self;
        from.restore(clock)?;
        reorder.iter_mut().try_for_each(|reorder| from.restore(reorder))
    }
}
