//! The batcher: takes examples in order, gives micro-batches of exactly `--batch` of them, fewer only at the end, or
//! where nothing is learned and it makes no difference.
//!
//! On the way numbers are standardised, online transforms carried out, labels resolved and records numbered: what depends
//! on the order happens here. Sibling: [`segments`] (values by which metrics are told apart, as numbers).

pub mod segments;

use std::ops::Range;

use crate::encoder::label::LabelGuard;
use crate::error::Result;
use crate::examples::{Examples, MicroBatch};
use crate::online::{Online, Sifted};
use crate::scaler::Scaler;
use crate::snapshot::{Restoring, Saving, Snapshot};
use segments::Segments;

/// Fills micro-batches.
#[derive(Debug)]
pub struct Batcher {
    size: usize,
    stride: usize,
    scaler: Scaler,
    labels: LabelGuard,
    /// Whether running scales follow the stream; they stand still when only predicting.
    learns_scales: bool,
    /// What else depends on the records before.
    online: Option<Online>,
    /// By what metrics are told apart.
    segments: Option<Segments>,
    /// Whether records carry their event time on.
    carries_time: bool,
    filling: MicroBatch,
}

impl Batcher {
    /// A batcher of micro-batches of `size` examples with `stride` floats a dense row.
    pub fn new(size: usize, stride: usize, scaler: Scaler, learns_scales: bool) -> Self {
        let mut filling = MicroBatch::default();
        filling.clear();
        let (labels, segments) = (LabelGuard::default(), None);
        Self { size, stride, scaler, labels, learns_scales, online: None, segments, carries_time: false, filling }
    }

    /// The same with the online transforms of a job.
    #[must_use]
    pub fn with(self, online: Option<Online>) -> Self {
        Self { online, ..self }
    }

    /// The same with what metrics by windows and segments need of a record.
    #[must_use]
    pub fn telling_apart(self, segments: Option<Segments>, carries_time: bool) -> Self {
        Self { segments, carries_time, ..self }
    }

    /// The segments met so far.
    pub fn segments(&self) -> Option<&Segments> {
        self.segments.as_ref()
    }

    /// The running scales as they stand.
    pub fn scaler(&self) -> &Scaler {
        &self.scaler
    }

    /// The online transforms as they stand.
    pub fn online(&self) -> Option<&Online> {
        self.online.as_ref()
    }

    /// Says which examples of `rows` are to be taken: all of them where nothing is learned. To be asked once of each.
    pub fn sift(&mut self, examples: &Examples, rows: Range<usize>, seen: u64) -> Sifted {
        match &mut self.online {
            Some(online) if self.learns_scales => online.sift(examples, rows, seen),
            _ => Sifted::all(rows),
        }
    }

    /// Takes the examples of `rows` until the micro-batch is full; gives the first row that was not taken.
    ///
    /// `seen` is the number of records before this chunk.
    ///
    /// # Errors
    /// Labels written in two ways.
    pub fn fill(&mut self, examples: &Examples, rows: Range<usize>, seen: u64) -> Result<usize> {
        let row = rows.start;
        let end = rows.end.min(row + self.size - self.filling.rows);
        self.fill_dense(examples, row, end);
        self.fill_hashed(examples, row, end);
        let batch = &mut self.filling;
        for at in row..end {
            let record = seen + u64::from(examples.number[at]) + 1;
            batch.label.push(self.labels.resolve(examples.label[at], record)?);
            batch.weight.push(examples.weight.get(at).copied().unwrap_or(1.0));
            batch.record.push(record);
        }
        if let (Some(online), true) = (&self.online, self.learns_scales) {
            online.weigh(&batch.label[batch.rows..], &mut batch.weight[batch.rows..]);
        }
        if !examples.id_end.is_empty() {
            for at in row..end {
                batch.id.extend_from_slice(examples.id_of(at));
                batch.id_end.push(batch.id.len() as u32);
            }
        }
        if self.carries_time && !examples.time.is_empty() {
            batch.time.extend_from_slice(&examples.time[row..end]);
        }
        if let Some(segments) = &mut self.segments {
            (row..end).for_each(|at| segments.push(examples, at, &mut batch.segment));
        }
        batch.rows += end - row;
        Ok(end)
    }

    /// Whether it does not matter where a micro-batch ends: nothing is learned from it.
    pub fn may_end_anywhere(&self) -> bool {
        !self.learns_scales
    }

    /// Whether the micro-batch holds `size` examples.
    pub fn is_full(&self) -> bool {
        self.filling.rows == self.size
    }

    /// Examples in the micro-batch so far.
    pub fn waiting(&self) -> usize {
        self.filling.rows
    }

    /// The micro-batch as it stands; the next one is filled into `spare`.
    pub fn take(&mut self, mut spare: MicroBatch) -> MicroBatch {
        spare.clear();
        std::mem::replace(&mut self.filling, spare)
    }

    fn fill_dense(&mut self, examples: &Examples, row: usize, end: usize) {
        if self.stride == 0 {
            return;
        }
        let dense = &mut self.filling.dense;
        let base = dense.len();
        dense.resize(base + (end - row) * self.stride, 0.0);
        let rows = examples.dense[row * self.stride..end * self.stride].chunks_exact(self.stride);
        for (raw, out) in rows.zip(dense[base..].chunks_exact_mut(self.stride)) {
            if self.learns_scales {
                self.scaler.learn(raw, out);
            } else {
                self.scaler.apply(raw, out);
            }
        }
        if let Some(online) = &mut self.online {
            let raw = &examples.dense[row * self.stride..end * self.stride];
            online.scale(raw, &mut dense[base..], self.stride, self.learns_scales);
        }
    }

    fn fill_hashed(&mut self, examples: &Examples, row: usize, end: usize) {
        if self.online.as_ref().is_some_and(Online::adds_features) {
            return self.fill_one_by_one(examples, row, end);
        }
        let batch = &mut self.filling;
        let (first, last) = (examples.row_start[row], examples.row_start[end]);
        let base = batch.hash.len() as u32;
        batch.hash.extend_from_slice(&examples.hash[first as usize..last as usize]);
        batch.value.extend_from_slice(&examples.value[first as usize..last as usize]);
        batch.row_start.extend(examples.row_start[row + 1..=end].iter().map(|start| start - first + base));
    }

    /// The same where features are added that depend on the records before; they come last.
    fn fill_one_by_one(&mut self, examples: &Examples, row: usize, end: usize) {
        let MicroBatch { hash, value, row_start, .. } = &mut self.filling;
        for at in row..end {
            let features = examples.row_start[at] as usize..examples.row_start[at + 1] as usize;
            hash.extend_from_slice(&examples.hash[features.clone()]);
            value.extend_from_slice(&examples.value[features]);
            if let Some(online) = &mut self.online {
                online.add_features(examples, at, self.learns_scales, |of, x| {
                    hash.push(of);
                    value.push(x);
                });
            }
            row_start.push(hash.len() as u32);
        }
    }
}

impl Snapshot for Batcher {
    const PART: &'static str = "batcher";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { size: _, stride: _, scaler, labels, learns_scales: _, online, segments, carries_time: _, filling } =
            self;
        to.save(scaler);
        online.iter().for_each(|online| to.save(online));
        segments.iter().for_each(|segments| to.save(segments));
        to.save(labels);
        to.save(filling);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { size, stride, scaler, labels, learns_scales: _, online, segments, carries_time, filling } = self;
        from.restore(scaler)?;
        online.iter_mut().try_for_each(|online| from.restore(online))?;
        segments.iter_mut().try_for_each(|segments| from.restore(segments))?;
        from.restore(labels)?;
        from.restore(filling)?;
        let fits = filling.rows < *size && filling.dense.len() == filling.rows * *stride;
        from.check("filling", fits && (filling.rows == 0 || filling.time.is_empty() != *carries_time))?;
        from.check("filling", (filling.rows == 0) || filling.segment.is_empty() != segments.is_some())
    }
}
