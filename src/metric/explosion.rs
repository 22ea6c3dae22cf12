//! The first stretch of a stream over which the loss exploded: takes each micro-batch's sum, gives where and how much.
//!
//! Windows follow each other without overlap; one ends with the micro-batch that fills it, so that chunks and threads
//! play no part. Plain sums: it keeps no record and reads no clock.

use super::log_loss::LogLoss;
use crate::error::Result;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Labelled records of a window, at least.
pub const WINDOW: u64 = 4096;

/// Mean log loss from which a window counts, in nats: twice what saying one half of everything costs, `2 ln 2`.
///
/// Runs whose step is of any use stay below 0.86 from the first window on, even on 1,000 numbers a record; there, a step
/// ten times too large begins at 1.35 to 2.6. The loss of one record ends at about [`crate::learner::MAX_LOGIT`].
pub const LIMIT: f64 = 2.0 * std::f64::consts::LN_2;

/// Watches the loss. All of its state is in its public fields.
///
/// ```
/// use tidemill::metric::explosion::ExplosionWatch;
/// use tidemill::metric::log_loss::LogLoss;
/// let mut watch = ExplosionWatch::default();
/// watch.add(4096, &LogLoss { loss: 2000.0, weight: 4096.0 }, 1);
/// watch.add(4096, &LogLoss { loss: 40960.0, weight: 4096.0 }, 4097);
/// assert_eq!(watch.found.map(|found| (found.record, found.log_loss)), Some((4097, 10.0)));
/// ```
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct ExplosionWatch {
    /// Number in the run of the window's first record.
    pub first_record: u64,
    /// Labelled records of the window so far.
    pub labelled: u64,
    /// Their log loss.
    pub log_loss: LogLoss,
    /// The first window that counts; nothing is watched behind it.
    pub found: Option<Explosion>,
}

/// A window over which the loss exploded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explosion {
    /// Number in the run of its first record.
    pub record: u64,
    /// Its labelled records.
    pub labelled: u64,
    /// Their mean log loss, in nats.
    pub log_loss: f64,
}

impl ExplosionWatch {
    /// Takes in a micro-batch: its labelled records, their loss, and the number of its first record.
    #[inline]
    pub fn add(&mut self, labelled: u64, log_loss: &LogLoss, first_record: u64) {
        if self.found.is_some() || labelled == 0 {
            return;
        }
        if self.labelled == 0 {
            self.first_record = first_record;
        }
        self.labelled += labelled;
        self.log_loss.merge(log_loss);
        if self.labelled >= WINDOW {
            let (record, labelled) = (self.first_record, self.labelled);
            let exploded = self.log_loss.mean().filter(|&mean| mean > LIMIT);
            let found = exploded.map(|log_loss| Explosion { record, labelled, log_loss });
            *self = Self { found, ..Self::default() };
        }
    }
}

impl Snapshot for ExplosionWatch {
    const PART: &'static str = "explosion";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { first_record, labelled, log_loss: LogLoss { loss, weight }, found } = *self;
        to.put("window", &[first_record, labelled]);
        to.put("sums", &[loss, weight]);
        to.put("found", &found.map_or([0; 2], |Explosion { record, labelled, log_loss: _ }| [record, labelled]));
        to.put("found_log_loss", &[found.map_or(0.0, |found| found.log_loss)]);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { first_record, labelled, log_loss: LogLoss { loss, weight }, found } = self;
        [*first_record, *labelled] = from.counts("window")?;
        [*loss, *weight] = from.numbers("sums")?;
        let ([record, labelled], [log_loss]) = (from.counts("found")?, from.numbers("found_log_loss")?);
        *found = (record > 0).then_some(Explosion { record, labelled, log_loss }); // records are numbered from 1
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(size: usize, losses: &[f64]) -> ExplosionWatch {
        let mut watch = ExplosionWatch::default();
        for (at, part) in losses.chunks(size).enumerate() {
            let sum = LogLoss { loss: part.iter().sum(), weight: part.len() as f64 };
            watch.add(part.len() as u64, &sum, (at * size) as u64 + 1);
        }
        watch
    }

    #[test]
    fn the_first_window_that_exploded_is_kept() {
        let losses = [vec![0.75; 8192], vec![8.0; 4096], vec![16.0; 8192], vec![0.5; 100]].concat();
        let expected = Explosion { record: 8193, labelled: 4096, log_loss: 8.0 };
        for size in [1, 64, 256, 4096] {
            assert_eq!(watched(size, &losses).found, Some(expected), "{size}");
        }
        assert_eq!(watched(100, &losses).found.unwrap().record, 8201); // a window ends with a micro-batch
    }

    #[test]
    fn a_few_bad_records_are_no_explosion() {
        let mut losses = vec![0.5; 9000];
        losses[4000..4200].fill(15.0);
        assert_eq!(watched(256, &losses).found, None);
        assert_eq!(watched(256, &[30.0; 4095]).found, None);
    }

    #[test]
    fn records_without_a_label_or_weight_are_passed_over() {
        let mut watch = ExplosionWatch::default();
        watch.add(0, &LogLoss::default(), 1);
        watch.add(5000, &LogLoss::default(), 257);
        assert_eq!(watch, ExplosionWatch::default());
        watch.add(4096, &LogLoss { loss: 1e5, weight: 4096.0 }, 513);
        assert_eq!(watch.found.map(|found| found.record), Some(513));
    }
}
