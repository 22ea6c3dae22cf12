//! The course of a run: takes predictions with their labels, gives the figures of each stretch of it, over records and over
//! event time, in bounded room.
//!
//! A stretch is so many records of the input, or so long a time. It starts short; whenever there are more than
//! [`MOST`] stretches, neighbours are put together and all are longer. A record belongs to the stretch of its number and to
//! that of its event time, however late it or its label comes, so that the end of a run has all labels in their places.
//! All is decided record by record: neither micro-batches nor chunks nor threads show. No I/O and no clock.

use std::collections::BTreeMap;

use super::cell::{self, Cell, Row};
use crate::error::Result;
use crate::examples::{MicroBatch, Scored};
use crate::snapshot::{Restoring, Saving, Snapshot};
use crate::timestamp::{DAY, SECOND};

/// Stretches of a kind, at most.
pub const MOST: usize = 256;

/// What stands for a missing event time.
const MISSING: i64 = i64::MIN;

/// Lengths of time in microseconds, each a multiple of the one before; beyond the last they double.
const TIMES: [i64; 18] = [
    1_000,
    5_000,
    10_000,
    50_000,
    100_000,
    500_000,
    SECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    60 * SECOND,
    300 * SECOND,
    600 * SECOND,
    1_800 * SECOND,
    3_600 * SECOND,
    7_200 * SECOND,
    DAY / 4,
    DAY,
];

/// The course of a run so far.
///
/// ```
/// use tidemill::{examples::{MicroBatch, Scored}, metric::course::Course};
/// let batch = MicroBatch { rows: 2, label: vec![1.0, 0.0], weight: vec![1.0; 2], record: vec![1, 9], ..MicroBatch::default() };
/// let mut course = Course::default();
/// course.add(&Scored { batch, logit: vec![2.0, -1.0], ..Scored::default() });
/// let numbers: Vec<i64> = course.records.cells().map(|(start, _)| start).collect();
/// assert_eq!((numbers, course.times.cells().count()), (vec![0, 8], 0));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Records of the run before the course began to be kept.
    pub behind: u64,
    /// By the number of the record in the run, from 0.
    pub records: Stretches,
    /// By event time in microseconds since 1970, of records that have one.
    pub times: Stretches,
}

/// Stretches of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretches {
    /// The length of each.
    pub step: i64,
    what: What,
    cells: BTreeMap<i64, Cell>,
}

/// What stretches are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Records,
    Time,
}

impl Default for Course {
    fn default() -> Self {
        let stretches = |step, what| Stretches { step, what, cells: BTreeMap::new() };
        Self { behind: 0, records: stretches(1, What::Records), times: stretches(TIMES[0], What::Time) }
    }
}

impl Course {
    /// Says that so many records of the run came before.
    pub fn begin_behind(&mut self, records: u64) {
        self.behind = records;
    }

    /// Takes a scored micro-batch.
    pub fn add(&mut self, scored: &Scored) {
        self.add_rows(scored, Row::new);
    }

    /// Takes labels that became known after their records had been taken, and labels that turned out to be wrong: those
    /// records were taken as negatives.
    pub fn add_known(&mut self, known: &Scored, corrected: &Scored) {
        self.add_rows(known, Row::late);
        let weights = &corrected.batch.weight;
        for (row, (&logit, &weight)) in corrected.logit.iter().zip(weights).enumerate() {
            // What was never added here cannot be taken back.
            if corrected.batch.record[row] <= self.behind {
                continue;
            }
            self.at(&corrected.batch, row, |cell| cell.correct(logit, weight));
        }
    }

    fn add_rows(&mut self, scored: &Scored, row_of: fn(f32, f32, f32) -> Row) {
        let batch = &scored.batch;
        for (row, &logit) in scored.logit.iter().enumerate() {
            let of_row = row_of(logit, batch.label[row], batch.weight[row]);
            self.at(batch, row, |cell| {
                cell.add(&of_row);
            });
        }
    }

    /// Changes the stretches that a row belongs to.
    fn at(&mut self, batch: &MicroBatch, row: usize, change: impl Fn(&mut Cell)) {
        // Records are counted from 1.
        self.records.at(batch.record[row].saturating_sub(1) as i64, &change);
        if let Some(&time) = batch.time.get(row).filter(|time| **time != MISSING) {
            self.times.at(time, &change);
        }
    }
}

impl Stretches {
    /// Where each begins, and its figures, in order; those without a record are left out.
    pub fn cells(&self) -> impl DoubleEndedIterator<Item = (i64, &Cell)> {
        self.cells.iter().map(|(&index, cell)| (index.saturating_mul(self.step), cell))
    }

    /// Changes the stretch that has a place.
    fn at(&mut self, place: i64, change: impl FnOnce(&mut Cell)) {
        change(self.cells.entry(place.div_euclid(self.step)).or_default());
        while self.cells.len() > MOST {
            self.lengthen();
        }
    }

    /// Puts neighbours together.
    fn lengthen(&mut self) {
        let next = self.what.next_step(self.step);
        let times = next / self.step;
        let cells = std::mem::take(&mut self.cells);
        for (index, cell) in cells {
            self.cells.entry(index.div_euclid(times)).or_default().merge(&cell);
        }
        self.step = next;
    }

    /// Whether a length is one that lengthening comes to.
    fn may_have(&self, step: i64) -> bool {
        let mut known = self.step;
        while known < step && known < i64::MAX / 4 {
            known = self.what.next_step(known);
        }
        known == step
    }
}

impl What {
    /// The length behind one: a multiple of it.
    fn next_step(self, step: i64) -> i64 {
        let named = TIMES.into_iter().find(|&longer| self == Self::Time && longer > step);
        named.unwrap_or(2 * step)
    }
}

impl Snapshot for Course {
    const PART: &'static str = "course";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { behind, records, times } = self;
        to.put("behind", &[*behind]);
        for (name, stretches) in [("records", records), ("times", times)] {
            let Stretches { step, what: _, cells } = stretches;
            to.put(&format!("{name}.step"), &[*step as u64]);
            to.put(&format!("{name}.index"), &cells.keys().map(|&index| index as u64).collect::<Vec<_>>());
            cell::save(name, cells.values(), to);
        }
    }

    /// Of a checkpoint that was made without a course, nothing is taken.
    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { behind, records, times } = self;
        if !from.has("behind") {
            return Ok(());
        }
        [*behind] = from.counts("behind")?;
        for (name, stretches) in [("records", records), ("times", times)] {
            let index: Vec<u64> = from.get(&format!("{name}.index"))?;
            let index: Vec<i64> = index.into_iter().map(|index| index as i64).collect();
            let [saved] = from.numbers::<u64, 1>(&format!("{name}.step"))?;
            let cells = cell::restore(name, from)?;
            let is_whole = index.is_sorted_by(|a, b| a < b) && index.len() == cells.len() && cells.len() <= MOST;
            from.check(name, is_whole && stretches.may_have(saved as i64))?;
            stretches.step = saved as i64;
            stretches.cells = index.into_iter().zip(cells).collect();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metrics;
    use crate::snapshot::State;

    fn scored(rows: std::ops::Range<u64>) -> Scored {
        let label = |at: u64| if at % 5 == 4 { f32::NAN } else { f32::from(u8::from(at.is_multiple_of(3))) };
        let batch = MicroBatch {
            rows: rows.clone().count(),
            label: rows.clone().map(label).collect(),
            weight: vec![1.0; rows.clone().count()],
            record: rows.clone().map(|at| at + 1).collect(),
            time: rows.clone().map(|at| if at % 50 == 7 { MISSING } else { at as i64 * 90 * SECOND }).collect(),
            ..MicroBatch::default()
        };
        Scored { batch, logit: rows.map(|at| (at % 11) as f32 / 4.0 - 1.0).collect(), ..Scored::default() }
    }

    fn course(rows: u64, size: u64) -> Course {
        let mut course = Course::default();
        (0..rows).step_by(size as usize).for_each(|at| course.add(&scored(at..rows.min(at + size))));
        course
    }

    #[test]
    fn stretches_add_up_to_the_metrics_of_the_run_and_stay_few() {
        let (course, mut metrics) = (course(5000, 64), Metrics::default());
        metrics.update(&scored(0..5000));
        assert_eq!((course.records.step, course.times.step), (32, 1_800 * SECOND));
        let [by_record, by_time] = [&course.records, &course.times].map(|stretches| {
            let mut sum = Cell::default();
            stretches.cells().for_each(|(_, cell)| sum.merge(cell));
            (stretches.cells().count(), sum)
        });
        assert_eq!((by_record.0, by_time.0), (5000_usize.div_ceil(32), 5000 * 90 / 1800));
        assert_eq!((by_record.1.tally.records, by_time.1.tally.records), (5000, 4900));
        assert_eq!(by_record.1.tally.labelled, metrics.total.labelled);
        let off = by_record.1.tally.log_loss.loss - metrics.total.log_loss.loss;
        assert!(off.abs() < 1e-9, "{off}");
        let (area, error) = by_record.1.ranking.area().unwrap();
        assert!((area - metrics.auc.value().unwrap()).abs() <= error + metrics.auc.error().unwrap());
    }

    #[test]
    fn a_correction_takes_back_only_what_was_added() {
        let (mut course, known) = (Course::default(), scored(0..0));
        course.begin_behind(10);
        course.add(&scored(10..20));
        let before = course.clone();
        course.add_known(&known, &scored(0..10));
        assert_eq!(course, before);
        course.add_known(&known, &scored(10..11));
        assert_ne!(course, before);
    }

    #[test]
    fn a_stretch_has_the_records_of_its_numbers() {
        let course = course(1000, 7);
        for (start, cell) in course.records.cells() {
            let rows = start as u64..(start + course.records.step).min(1000) as u64;
            let mut metrics = Metrics::default();
            metrics.update(&scored(rows.clone()));
            let off = cell.tally.log_loss.loss - metrics.total.log_loss.loss;
            assert!(off.abs() < 1e-12 && cell.tally.records == rows.end - rows.start, "{start}");
        }
    }

    #[test]
    fn micro_batches_never_show_and_neither_does_a_checkpoint() {
        let whole = course(3000, 3000);
        assert!(course(3000, 1) == whole && course(3000, 256) == whole);
        let mut first = course(1234, 256);
        let mut state = State::default();
        state.save(&first);
        let mut back = Course::default();
        state.restore(&mut back).unwrap();
        assert!(back == first);
        for part in [&mut first, &mut back] {
            part.add(&scored(1234..3000));
        }
        assert!(first == back && first == whole);
    }

    #[test]
    fn a_label_that_comes_late_or_is_corrected_counts_where_its_record_stands() {
        let (mut late, mut at_once) = (Course::default(), Course::default());
        let rows = |label: f32| {
            let mut rows = scored(0..300);
            rows.batch.label.fill(label);
            rows
        };
        late.add(&rows(f32::NAN));
        late.add_known(&rows(0.0), &Scored::default());
        late.add_known(&Scored::default(), &rows(1.0));
        at_once.add(&rows(1.0));
        for ((_, late), (_, at_once)) in late.times.cells().zip(at_once.times.cells()) {
            let off = late.tally.log_loss.loss - at_once.tally.log_loss.loss;
            assert!(off.abs() < 1e-12 && late.tally.labelled == at_once.tally.labelled);
            let sum = |cell: &Cell| cell.ranking.sums.iter().fold([0.0; 2], |sum, of| [sum[0] + of[0], sum[1] + of[1]]);
            assert_eq!(sum(late), sum(at_once));
        }
    }

    #[test]
    fn a_checkpoint_without_a_course_is_gone_on_from_behind_it() {
        let mut course = Course::default();
        course.begin_behind(77);
        State::default().restore(&mut course).unwrap();
        assert_eq!((course.behind, course.records.cells().count()), (77, 0));
    }

    #[test]
    fn the_state_of_another_step_or_in_another_order_is_refused() {
        let mut state = State::default();
        state.save(&course(600, 64));
        for (name, at) in [("course/records.step", 0), ("course/times.step", 0), ("course/records.index", 8)] {
            let mut broken = State::default();
            for mut array in state.arrays().iter().cloned() {
                if array.name == name {
                    array.bytes[at] = 3;
                    array.bytes[at + 7] = 1;
                }
                broken.push(array);
            }
            assert!(broken.restore(&mut Course::default()).is_err(), "{name}");
        }
    }

    #[test]
    fn times_far_apart_take_no_more_room_than_those_close_by() {
        let mut course = Course::default();
        for at in 0..2000_i64 {
            let time = if at % 2 == 0 { i64::MIN + 1 + at } else { i64::MAX - at * (i64::MAX / 3000) };
            course.times.at(time, |cell| cell.tally.records += 1);
        }
        assert!(course.times.cells().count() <= MOST);
        assert_eq!(course.times.cells().map(|(_, cell)| cell.tally.records).sum::<u64>(), 2000);
    }
}
