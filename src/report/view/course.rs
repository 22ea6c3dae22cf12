//! The course of a loss: takes sums as they come, keeps a bounded number of stretches, gives a row of bars.
//!
//! Where there is no more room, neighbours are merged and every stretch from then on is twice as long, so that the row
//! is always that of the whole run.

use crate::metric::log_loss::LogLoss;

/// Stretches that are kept, at most: more than a terminal has columns for bars.
const MOST: usize = 256;

/// Bars by height.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Sums of a loss, stretch by stretch.
#[derive(Debug, Clone)]
pub(super) struct Course {
    stretches: Vec<LogLoss>,
    /// Additions that make a stretch.
    length: usize,
    /// Additions in the last one.
    filled: usize,
}

impl Default for Course {
    fn default() -> Self {
        Self { stretches: Vec::new(), length: 1, filled: 1 }
    }
}

impl Course {
    /// Adds what came since the last addition; nothing where that is without a weight.
    pub fn add(&mut self, loss: &LogLoss) {
        if loss.weight <= 0.0 {
            return;
        }
        if self.filled == self.length {
            self.make_room();
            self.stretches.push(LogLoss::default());
            self.filled = 0;
        }
        self.stretches.iter_mut().next_back().iter_mut().for_each(|last| last.merge(loss));
        self.filled += 1;
    }

    fn make_room(&mut self) {
        if self.stretches.len() == MOST {
            self.stretches = merged(&self.stretches, MOST / 2);
            self.length *= 2;
        }
    }

    /// Bars of the mean loss from the first record to the last, `width` at most, between the lowest and the highest, which
    /// come with them; `None` where there are fewer than two stretches.
    pub fn bars(&self, width: usize) -> Option<(String, f64, f64)> {
        if width < 2 {
            return None;
        }
        let shown = merged(&self.stretches, width.min(self.stretches.len()));
        let means: Vec<f64> = shown.iter().filter_map(LogLoss::mean).filter(|mean| mean.is_finite()).collect();
        let low = means.iter().copied().fold(f64::INFINITY, f64::min);
        let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let top = (BARS.len() - 1) as f64;
        let bar = |mean: &f64| {
            let share = if high > low { (mean - low) / (high - low) } else { 0.0 };
            BARS[(share * top).round() as usize]
        };
        (means.len() > 1).then(|| (means.iter().map(bar).collect(), low, high))
    }
}

/// The same sums in `count` stretches of like length.
fn merged(stretches: &[LogLoss], count: usize) -> Vec<LogLoss> {
    let mut merged = vec![LogLoss::default(); count];
    for (at, stretch) in stretches.iter().enumerate() {
        merged[at * count / stretches.len()].merge(stretch);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(losses: impl IntoIterator<Item = f64>) -> Course {
        let mut course = Course::default();
        losses.into_iter().for_each(|loss| course.add(&LogLoss { loss, weight: 1.0 }));
        course
    }

    #[test]
    fn bars_stand_between_the_lowest_and_the_highest_loss() {
        let (bars, low, high) = course([0.7, 0.4, 0.1, 0.0]).bars(80).unwrap();
        assert_eq!((&*bars, low, high), ("█▅▂▁", 0.0, 0.7));
        assert_eq!(course([0.5, 0.5]).bars(80).unwrap().0, "▁▁");
    }

    #[test]
    fn fewer_columns_than_stretches_show_means_of_neighbours() {
        let (bars, low, high) = course([1.0, 3.0, 5.0, 7.0]).bars(2).unwrap();
        assert_eq!((&*bars, low, high), ("▁█", 2.0, 6.0));
        assert_eq!((course([1.0, 2.0]).bars(1), course([1.0]).bars(80)), (None, None));
    }

    #[test]
    fn a_long_run_keeps_its_sums_in_a_bounded_number_of_stretches() {
        let course = course((0..10_000).map(f64::from));
        assert!(course.stretches.len() <= MOST && course.length == 64, "{}", course.stretches.len());
        let sum: f64 = course.stretches.iter().map(|stretch| stretch.loss).sum();
        assert_eq!(sum, 49_995_000.0);
        let last = course.stretches.len() - 1;
        assert!(course.stretches[..last].iter().all(|stretch| stretch.weight == 64.0));
    }

    #[test]
    fn what_has_no_label_takes_no_room() {
        let mut course = course([1.0]);
        course.add(&LogLoss::default());
        assert_eq!(course.stretches.len(), 1);
    }
}
