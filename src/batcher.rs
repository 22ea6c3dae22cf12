//! The batcher: takes examples in order, gives micro-batches of exactly `--batch` of them, fewer only at the end, or
//! where nothing is learned and it makes no difference.
//!
//! On the way windows are filled in, numbers standardised, online transforms carried out, labels resolved and records
//! numbered: what depends on the order happens here. Sibling: [`segments`] (values by which metrics are told apart, as
//! numbers).

pub mod segments;

use std::ops::Range;

use crate::encoder::label::LabelGuard;
use crate::error::Result;
use crate::examples::{Examples, LabelToken, MicroBatch, Stage};
use crate::join::OpenRow;
use crate::online::{Online, Sifted};
use crate::scaler::Scaler;
use crate::snapshot::{Restoring, Saving, Snapshot};
use crate::window::{Record, Windows};
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
    /// What keys told before.
    windows: Option<Windows>,
    /// Whether labels become known later than their records; somebody says when, then.
    labels_come_late: bool,
    /// Rows of this chunk that are not to be learned, and that windows see all the same; the first of them last.
    passed: Vec<usize>,
    /// Rows as windows have filled them in.
    rows: Vec<f32>,
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
        Self {
            size,
            stride,
            scaler,
            labels: LabelGuard::default(),
            learns_scales,
            online: None,
            windows: None,
            labels_come_late: false,
            passed: Vec::new(),
            rows: Vec::new(),
            segments: None,
            carries_time: false,
            filling,
        }
    }

    /// The same with the online transforms of a job.
    #[must_use]
    pub fn with(self, online: Option<Online>) -> Self {
        Self { online, ..self }
    }

    /// The same with the windows of a job.
    #[must_use]
    pub fn with_windows(self, windows: Option<Windows>) -> Self {
        Self { windows, ..self }
    }

    /// The same, for which a label is not known with its record, but when [`Batcher::known`] says so.
    #[must_use]
    pub fn labels_come_late(self, labels_come_late: bool) -> Self {
        Self { labels_come_late, ..self }
    }

    /// Tells the windows that the label of a record with these keys became known: 1 or 0, as often as the record weighs.
    pub fn known(&mut self, keys: &[u64], time: i64, label: f32, weight: f32) {
        if let Some(windows) = self.windows.as_mut().filter(|_| self.learns_scales) {
            windows.known(keys, time, label, weight);
        }
    }

    /// The windows as they stand.
    pub fn windows(&self) -> Option<&Windows> {
        self.windows.as_ref()
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
        let mut sifted = match &mut self.online {
            Some(online) if self.learns_scales => online.sift(examples, rows, seen),
            _ => Sifted::all(rows),
        };
        if self.windows.is_some() {
            self.passed.extend(sifted.passed.drain(..).rev());
        }
        sifted
    }

    /// Shows the windows those examples before row `end` that are not to be learned; to be called for the last time with
    /// the number of all of them. Those in front of an example that is taken have been shown.
    pub fn pass(&mut self, examples: &Examples, end: usize) {
        while let Some(row) = self.passed.pop_if(|row| *row < end) {
            if let Some(windows) = &mut self.windows {
                self.rows.resize(self.stride, 0.0);
                windows.fill(Record::of(examples, row), &mut self.rows[..self.stride]);
            }
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
        self.fill_windows(examples, row, end);
        self.fill_dense(examples, row, end);
        self.fill_hashed(examples, row, end);
        let batch = &mut self.filling;
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
        if self.labels_come_late {
            batch.stage.resize(batch.stage.len() + end - row, Stage::Arrives);
            batch.truth.resize(batch.stage.len(), f32::NAN);
            batch.open.resize(batch.stage.len(), u64::MAX);
        }
        batch.rows += end - row;
        Ok(end)
    }

    /// All of these examples, whose labels are missing, as a micro-batch of their own: by scales, transforms and windows as
    /// they stand, none of which remembers anything of it.
    ///
    /// # Errors
    /// None where the labels are missing.
    pub fn look_at(&mut self, examples: &mut Examples, mut spare: MicroBatch) -> Result<MicroBatch> {
        spare.clear();
        let windows = self.windows.take();
        windows.iter().for_each(|windows| look(windows, examples, self.stride));
        let filling = std::mem::replace(&mut self.filling, spare);
        let (size, learns) = (self.size, self.learns_scales);
        (self.size, self.learns_scales) = (examples.rows, false);
        let filled = self.fill(examples, 0..examples.rows, 0);
        (self.size, self.learns_scales, self.windows) = (size, learns, windows);
        let looked_at = std::mem::replace(&mut self.filling, filling);
        filled.map(|_| looked_at)
    }

    /// What a label means that is no row's: 1, 0 or NaN.
    ///
    /// # Errors
    /// Labels written in two ways.
    pub fn resolve(&mut self, token: LabelToken, record: u64) -> Result<f32> {
        self.labels.resolve(token, record)
    }

    /// The label and the weight of the row that was taken last.
    pub fn last_label(&self) -> (f32, f32) {
        let MicroBatch { label, weight, .. } = &self.filling;
        (label.last().copied().unwrap_or(f32::NAN), weight.last().copied().unwrap_or(1.0))
    }

    /// The row that was taken last, as a place in its micro-batch.
    pub fn last_row(&self) -> (&MicroBatch, usize) {
        (&self.filling, self.filling.rows.saturating_sub(1))
    }

    /// Has the row that was taken last predicted and scored, and not learned.
    pub fn hide_label(&mut self) {
        let MicroBatch { label, truth, .. } = &mut self.filling;
        if let (Some(label), Some(truth)) = (label.last_mut(), truth.last_mut()) {
            *truth = std::mem::replace(label, f32::NAN);
        }
    }

    /// Notes under which number the row that was taken last is open.
    pub fn open_last(&mut self, number: Option<u64>) {
        self.filling.open.last_mut().into_iter().for_each(|open| *open = number.unwrap_or(u64::MAX));
    }

    /// Takes a row that was predicted before, to be learned with this label. There must be room: [`Batcher::is_full`].
    pub fn put(&mut self, row: &OpenRow, label: f32, stage: Stage) {
        row.push_to(&mut self.filling, label, stage);
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

    /// Fills in what the records before tell, row by row: each is taken in, and its label where that is known with it, before
    /// the next.
    fn fill_windows(&mut self, examples: &Examples, row: usize, end: usize) {
        self.pass(examples, row);
        let Some(windows) = &mut self.windows else { return };
        let tells_labels = self.learns_scales && !self.labels_come_late;
        self.rows.clear();
        self.rows.extend_from_slice(&examples.dense[row * self.stride..end * self.stride]);
        let of_batch = self.filling.rows..;
        let rows = self.rows.chunks_exact_mut(self.stride).zip(of_batch);
        for (at, (numbers, place)) in (row..end).zip(rows) {
            let record = Record::of(examples, at);
            windows.fill(record, numbers);
            if tells_labels {
                windows.known(record.keys, record.time, self.filling.label[place], self.filling.weight[place]);
            }
        }
    }

    fn fill_dense(&mut self, examples: &Examples, row: usize, end: usize) {
        if self.stride == 0 {
            return;
        }
        let dense = &mut self.filling.dense;
        let base = dense.len();
        dense.resize(base + (end - row) * self.stride, 0.0);
        let of_examples = &examples.dense[row * self.stride..end * self.stride];
        let raw = if self.windows.is_some() { &self.rows } else { of_examples };
        for (raw, out) in raw.chunks_exact(self.stride).zip(dense[base..].chunks_exact_mut(self.stride)) {
            if self.learns_scales {
                self.scaler.learn(raw, out);
            } else {
                self.scaler.apply(raw, out);
            }
        }
        if let Some(online) = &mut self.online {
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

/// Fills in what windows tell of examples, as they stand before all of them.
fn look(windows: &Windows, examples: &mut Examples, stride: usize) {
    let mut dense = std::mem::take(&mut examples.dense);
    for (row, numbers) in dense.chunks_exact_mut(stride).enumerate() {
        windows.look(Record::of(examples, row), numbers);
    }
    examples.dense = dense;
}

impl Snapshot for Batcher {
    const PART: &'static str = "batcher";

    fn save(&self, to: &mut Saving<'_>) {
        let Self {
            size: _,
            stride: _,
            scaler,
            labels,
            learns_scales: _,
            online,
            windows,
            labels_come_late: _,
            passed: _, // empty between two chunks
            rows: _,
            segments,
            carries_time: _,
            filling,
        } = self;
        to.save(scaler);
        online.iter().for_each(|online| to.save(online));
        windows.iter().for_each(|windows| to.save(windows));
        segments.iter().for_each(|segments| to.save(segments));
        to.save(labels);
        to.save(filling);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self {
            size,
            stride,
            scaler,
            labels,
            learns_scales: _,
            online,
            windows,
            labels_come_late,
            passed: _,
            rows: _,
            segments,
            carries_time,
            filling,
        } = self;
        from.restore(scaler)?;
        online.iter_mut().try_for_each(|online| from.restore(online))?;
        windows.iter_mut().try_for_each(|windows| from.restore(windows))?;
        segments.iter_mut().try_for_each(|segments| from.restore(segments))?;
        from.restore(labels)?;
        from.restore(filling)?;
        from.check("filling", filling.stage.is_empty() || *labels_come_late)?;
        let fits = filling.rows < *size && filling.dense.len() == filling.rows * *stride;
        from.check("filling", fits)?;
        // A report may be asked for, or not any more, where a run goes on.
        filling.time.resize(if *carries_time { filling.rows } else { 0 }, i64::MIN);
        from.check("filling", (filling.rows == 0) || filling.segment.is_empty() != segments.is_some())
    }
}
