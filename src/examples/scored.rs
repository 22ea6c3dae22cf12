//! Micro-batches with their predictions.

use super::{MicroBatch, Stage};

/// A micro-batch with the predictions made before any of its own labels was learned.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Scored {
    /// What was predicted.
    pub batch: MicroBatch,
    /// `w.x + b` for each row, within plus and minus [`crate::learner::MAX_LOGIT`].
    pub logit: Vec<f32>,
    /// Updates made before the first row was predicted.
    pub version: u64,
    /// Whether each labelled row is an update of its own (`record`) or the micro-batch is one (`batch`).
    pub version_per_record: bool,
    /// Updates made before each row was predicted, where that does not follow from the labels; else empty.
    pub version_of: Vec<u64>,
}

impl Scored {
    /// The first row whose prediction is not a finite number.
    ///
    /// ```
    /// use tidemill::examples::Scored;
    /// let scored = Scored { logit: vec![0.5, f32::NAN], ..Scored::default() };
    /// assert_eq!(scored.first_not_finite(), Some(1));
    /// ```
    pub fn first_not_finite(&self) -> Option<usize> {
        // Asked of every micro-batch: without an early end the loop takes several rows at a time.
        let all_finite = self.logit.iter().fold(true, |finite, logit| finite & logit.is_finite());
        if all_finite { None } else { self.logit.iter().position(|logit| !logit.is_finite()) }
    }

    /// Drops the rows from `rows` on, as far as they are written and counted; features stay.
    pub fn truncate(&mut self, rows: usize) {
        let batch = &mut self.batch;
        let width = batch.segment.len().checked_div(batch.rows).unwrap_or(0);
        batch.rows = batch.rows.min(rows);
        batch.label.truncate(rows);
        batch.weight.truncate(rows);
        batch.record.truncate(rows);
        batch.id_end.truncate(rows);
        batch.id.truncate(batch.id_end.last().map_or(0, |&end| end as usize));
        batch.time.truncate(rows);
        batch.segment.truncate(rows * width);
        batch.stage.truncate(rows);
        batch.truth.truncate(rows);
        batch.open.truncate(rows);
        self.logit.truncate(rows);
        self.version_of.truncate(rows);
    }

    /// Updates made before each row was predicted.
    ///
    /// ```
    /// use tidemill::examples::{MicroBatch, Scored};
    /// let batch = MicroBatch { label: vec![1.0, f32::NAN, 0.0], weight: vec![1.0; 3], ..MicroBatch::default() };
    /// let scored = Scored { batch, logit: vec![0.0; 3], version: 7, version_per_record: true, ..Scored::default() };
    /// assert_eq!(scored.versions().collect::<Vec<_>>(), [7, 8, 8]);
    /// ```
    pub fn versions(&self) -> impl Iterator<Item = u64> {
        let rows = self.batch.label.iter().zip(&self.batch.weight);
        let counted = rows.scan(self.version, |next, (label, weight)| {
            let version = *next;
            *next += u64::from(self.version_per_record && !label.is_nan() && *weight != 0.0);
            Some(version)
        });
        let known = self.version_of.iter().copied();
        known.chain(counted.skip(self.version_of.len()))
    }

    /// Leaves the rows that arrive here, each with the label by which it is scored: what the outputs and the metrics are
    /// told of. Features stay where they are, and are nobody's any more.
    ///
    /// ```
    /// use tidemill::examples::{MicroBatch, Scored, Stage};
    /// let batch = MicroBatch { rows: 2, label: vec![1.0, f32::NAN], weight: vec![1.0; 2], record: vec![3, 9],
    ///     stage: vec![Stage::Learned, Stage::Arrives], truth: vec![f32::NAN, 0.0], open: vec![0, 1], ..MicroBatch::default() };
    /// let mut scored = Scored { batch, logit: vec![0.5, -0.5], version_per_record: true, ..Scored::default() };
    /// scored.keep_arrivals();
    /// assert_eq!((scored.batch.record, scored.batch.label), (vec![9], vec![0.0]));
    /// assert_eq!((scored.logit, scored.version_of), (vec![-0.5], vec![1]));
    /// ```
    pub fn keep_arrivals(&mut self) {
        if self.batch.stage.is_empty() {
            return;
        }
        let versions: Vec<_> = self.versions().collect();
        let batch = &mut self.batch;
        let stays = |row: usize| batch.stage[row] == Stage::Arrives;
        let rows: Vec<usize> = (0..batch.rows).filter(|&row| stays(row)).collect();
        let label = |&row: &usize| if batch.label[row].is_nan() { batch.truth[row] } else { batch.label[row] };
        batch.label = rows.iter().map(label).collect();
        self.version_of = rows.iter().map(|&row| versions[row]).collect();
        keep(&mut self.logit, &rows);
        keep(&mut batch.weight, &rows);
        keep(&mut batch.record, &rows);
        keep(&mut batch.time, &rows);
        let width = batch.segment.len().checked_div(batch.rows).unwrap_or(0);
        batch.segment = rows.iter().flat_map(|row| &batch.segment[row * width..(row + 1) * width]).copied().collect();
        keep(&mut batch.open, &rows);
        keep(&mut batch.truth, &rows);
        if !batch.id_end.is_empty() {
            let ids: Vec<_> = rows.iter().map(|&row| batch.id_of(row).to_vec()).collect();
            batch.id = ids.concat();
            batch.id_end.clear();
            batch.id_end.extend(ids.iter().scan(0, |end, id| {
                *end += id.len() as u32;
                Some(*end)
            }));
        }
        batch.stage.clear();
        batch.stage.resize(rows.len(), Stage::Arrives);
        batch.rows = rows.len();
    }
}

/// The values of some rows, in a list that has one a row or none.
fn keep<T: Copy>(values: &mut Vec<T>, rows: &[usize]) {
    if !values.is_empty() {
        for (at, &row) in rows.iter().enumerate() {
            values[at] = values[row];
        }
        values.truncate(rows.len());
    }
}
