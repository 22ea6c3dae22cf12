//! The figures of one window or one segment: takes predictions with their labels one by one, gives sums and a ranking.
//!
//! What a prediction costs is worked out once ([`Row`]) and then added to every cell that it belongs to. It divides
//! nothing and keeps no record.

use super::log_loss::log_loss;
use super::ranking::Ranking;
use super::{Tally, probability};
use crate::error::Result;
use crate::metric::calibration::Calibration;
use crate::metric::log_loss::LogLoss;
use crate::snapshot::{Restoring, Saving};

/// A prediction as cells take it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    logit: f32,
    label: f32,
    weight: f64,
    loss: f64,
    probability: f64,
    /// Whether it is a record that has not been counted yet: a label that became known later comes alone.
    is_new: bool,
}

impl Row {
    /// A record with its label, NaN where it has none.
    pub fn new(logit: f32, label: f32, weight: f32) -> Self {
        let (loss, probability) = match label.is_nan() {
            true => (0.0, 0.0),
            false => (log_loss(f64::from(logit), f64::from(label)), probability(logit)),
        };
        Self { logit, label, weight: f64::from(weight), loss, probability, is_new: true }
    }

    /// Whether its record has not been counted yet.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The label alone of a record that was counted without it.
    pub fn late(logit: f32, label: f32, weight: f32) -> Self {
        Self { is_new: false, ..Self::new(logit, label, weight) }
    }
}

/// Counts, sums and the ranking of a part of the stream.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Cell {
    /// Counts and sums.
    pub tally: Tally,
    /// The ranking.
    pub ranking: Ranking,
}

impl Cell {
    /// Bytes of a cell, about, and of a bin of its ranking.
    pub const BYTES: [usize; 2] = [192, 24];

    /// Adds a prediction; gives the number of bins that are new.
    pub fn add(&mut self, row: &Row) -> usize {
        let tally = &mut self.tally;
        tally.records += u64::from(row.is_new);
        if row.label.is_nan() {
            return 0;
        }
        tally.labelled += 1;
        tally.log_loss.loss += row.weight * row.loss;
        tally.log_loss.weight += row.weight;
        tally.calibration.add(row.probability, f64::from(row.label), row.weight);
        usize::from(self.ranking.add(row.logit, row.label, row.weight))
    }

    /// Takes back that a record was a negative, and adds it as the positive that it turned out to be.
    pub fn correct(&mut self, logit: f32, weight: f32) {
        let labelled = self.tally.labelled;
        self.add(&Row::late(logit, 0.0, -weight));
        self.add(&Row::late(logit, 1.0, weight));
        self.tally.labelled = labelled;
    }

    /// Adds another cell.
    pub fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.ranking.merge(&other.ranking);
    }

    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        Self::BYTES[0] + Self::BYTES[1] * self.ranking.bins.len()
    }
}

/// Cells as arrays, one behind the other.
pub(super) fn save<'a>(name: &str, cells: impl Iterator<Item = &'a Cell> + Clone, to: &mut Saving<'_>) {
    let counts = |cell: &'a Cell| [cell.tally.records, cell.tally.labelled, cell.ranking.bins.len() as u64];
    to.put(&format!("{name}.counts"), &cells.clone().flat_map(counts).collect::<Vec<_>>());
    let sums = |cell: &'a Cell| {
        let Tally { records: _, labelled: _, log_loss: LogLoss { loss, weight }, calibration } = cell.tally;
        let Calibration { weight: all, positive, predicted, squared, correct } = calibration;
        [loss, weight, all, positive, predicted, squared, correct]
    };
    to.put(&format!("{name}.sums"), &cells.clone().flat_map(sums).collect::<Vec<_>>());
    let bins = cells.clone().flat_map(|cell| cell.ranking.bins.iter().copied());
    to.put(&format!("{name}.bins"), &bins.collect::<Vec<_>>());
    let ranked = cells.flat_map(|cell| cell.ranking.sums.iter().flatten().copied());
    to.put(&format!("{name}.ranked"), &ranked.collect::<Vec<f64>>());
}

/// Cells from their arrays.
pub(super) fn restore(name: &str, from: &Restoring<'_>) -> Result<Vec<Cell>> {
    let counts: Vec<u64> = from.get(&format!("{name}.counts"))?;
    let (counts, rest) = counts.as_chunks::<3>();
    from.check(name, rest.is_empty())?;
    let sums: Vec<f64> = from.exactly(&format!("{name}.sums"), 7 * counts.len())?;
    let bins: Vec<u32> = from.get(&format!("{name}.bins"))?;
    let ranked: Vec<f64> = from.exactly(&format!("{name}.ranked"), 2 * bins.len())?;
    let (mut cells, mut at) = (Vec::with_capacity(counts.len()), 0_usize);
    for (&[records, labelled, len], sums) in counts.iter().zip(sums.as_chunks::<7>().0) {
        let end = usize::try_from(len).ok().and_then(|len| at.checked_add(len)).filter(|&end| end <= bins.len());
        let end = end.ok_or_else(|| from.broken(name))?;
        let ranking = Ranking { bins: bins[at..end].to_vec(), sums: ranked.as_chunks().0[at..end].to_vec() };
        from.check(name, ranking.bins.is_sorted_by(|before, after| before < after))?;
        let tally = Tally { records, labelled, ..of_sums(sums) };
        from.check(name, labelled <= u64::MAX / 2 && records <= u64::MAX / 2)?;
        cells.push(Cell { tally, ranking });
        at = end;
    }
    from.check(name, at == bins.len())?;
    Ok(cells)
}

fn of_sums(&[loss, weight, all, positive, predicted, squared, correct]: &[f64; 7]) -> Tally {
    let calibration = Calibration { weight: all, positive, predicted, squared, correct };
    Tally { log_loss: LogLoss { loss, weight }, calibration, ..Tally::default() }
}
