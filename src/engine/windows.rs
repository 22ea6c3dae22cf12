//! Metrics by windows and segments in the engine: takes scored micro-batches, hands on the windows that are over by them, in
//! the order of the stream. What they hold is [`crate::metric::windows`]'s business.

use super::{Engine, Sink};
use crate::batcher::segments::Segments;
use crate::error::Result;
use crate::examples::Scored;
use crate::metric::windows::{Spec, Windowed};

impl Engine {
    /// The same with metrics by windows and segments.
    #[must_use]
    pub fn telling_windows(self, spec: Option<&Spec>) -> Self {
        Self { windowed: spec.map(Windowed::new), ..self }
    }

    /// Metrics by windows and segments.
    pub fn windowed(&self) -> Option<&Windowed> {
        self.windowed.as_ref()
    }

    /// What segments are called.
    pub fn segments(&self) -> Option<&Segments> {
        self.batcher.segments()
    }

    /// Takes predictions into the metrics, and hands on what follows from them.
    pub(super) fn score(&mut self, scored: &Scored, sink: &mut dyn Sink) -> Result<()> {
        self.metrics.update(scored);
        self.course.iter_mut().for_each(|course| course.add(scored));
        if let Some(windowed) = &mut self.windowed {
            windowed.add(scored, &mut self.closed);
            self.tell_windows(sink)?;
        }
        self.watch(scored, sink)
    }

    /// Takes labels in that became known after their records had been predicted.
    pub(super) fn tell_known(&mut self, scored: &Scored, sink: &mut dyn Sink) -> Result<()> {
        if let Some(windowed) = &mut self.windowed {
            let batch = &scored.batch;
            let columns = batch.segment.len().checked_div(batch.rows).unwrap_or(0);
            for (row, &logit) in scored.logit.iter().enumerate() {
                let time = batch.time.get(row).copied().unwrap_or(i64::MIN);
                let segments = &batch.segment[row * columns..(row + 1) * columns];
                let known = (logit, batch.label[row], batch.weight[row]);
                windowed.add_row((time, segments, batch.record[row]), known, &mut self.closed);
            }
            self.tell_windows(sink)?;
        }
        self.watch(scored, sink)
    }

    /// Closes all windows and hands them on: nothing comes behind.
    pub(super) fn close_windows(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if let Some(windowed) = &mut self.windowed {
            windowed.finish(&mut self.closed);
        }
        self.tell_windows(sink)
    }

    fn tell_windows(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let segments = self.batcher.segments();
        let threshold = self.windowed.as_ref().map(Windowed::threshold).unwrap_or_default();
        let name = |number| segments.map_or((0, "", ""), |segments| segments.name(number));
        self.closed.drain(..).try_for_each(|closed| sink.window(&closed.lines(threshold, name)))
    }
}
