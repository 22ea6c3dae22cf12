//! Records a second over the time of a run: takes how far it is now and then, gives the rate of each stretch of time, in
//! bounded room. It looks at no clock itself, and a checkpoint knows nothing of it.

use std::time::Duration;

/// Stretches of time, at most.
const MOST: usize = 256;
/// The length of a stretch at first; it doubles whenever there are too many.
const SHORTEST: f64 = 0.01;

/// How fast a run was.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// Seconds of the run before this process.
    before: f64,
    /// Seconds of a stretch.
    step: f64,
    records: Vec<f64>,
    last: (f64, u64),
}

impl Pace {
    /// The pace of a run that lasts on, `before` behind its start, with so many records read then.
    pub fn new(before: Duration, records: u64) -> Self {
        let before = before.as_secs_f64();
        Self { before, step: SHORTEST, records: Vec::new(), last: (before, records) }
    }

    /// Takes how many records have been read so long after the start: they came evenly since the last look.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::pipeline::pace::Pace;
    /// let mut pace = Pace::new(Duration::ZERO, 0);
    /// pace.see(Duration::from_millis(15), 300);
    /// pace.see(Duration::from_millis(20), 600);
    /// let rates: Vec<(f64, f64)> = pace.rates().map(|(at, rate)| (at, rate.round())).collect();
    /// assert_eq!(rates, [(0.005, 20_000.0), (0.015, 40_000.0)]);
    /// ```
    pub fn see(&mut self, elapsed: Duration, records: u64) {
        let (now, (then, known)) = (elapsed.as_secs_f64(), self.last);
        let came = records.saturating_sub(known) as f64;
        if now <= then {
            return;
        }
        let mut at = then - self.before;
        let end = now - self.before;
        while end / self.step > MOST as f64 {
            self.lengthen();
        }
        while at < end {
            let place = (at / self.step + 1e-9) as usize;
            let until = ((place + 1) as f64 * self.step).min(end);
            self.records.resize(self.records.len().max(place + 1), 0.0);
            self.records[place] += came * (until - at).max(0.0) / (now - then);
            at = until.max(at + self.step * 1e-9);
        }
        self.last = (now, records.max(known));
    }

    fn lengthen(&mut self) {
        self.step *= 2.0;
        self.records = self.records.chunks(2).map(|pair| pair.iter().sum()).collect();
    }

    /// Seconds of the run before this process, of which nothing is known.
    pub fn before(&self) -> f64 {
        self.before
    }

    /// The middle of each stretch, in seconds since the start of the run, and its records a second.
    pub fn rates(&self) -> impl Iterator<Item = (f64, f64)> {
        let end = self.last.0 - self.before;
        self.records.iter().enumerate().filter_map(move |(place, records)| {
            let from = place as f64 * self.step;
            let lasted = (end - from).min(self.step);
            (lasted > 0.1 * self.step).then(|| (self.before + from + 0.5 * lasted, records / lasted))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_any_length_has_few_stretches_and_all_of_its_records() {
        let mut pace = Pace::new(Duration::from_secs(100), 7);
        let mut records = 7;
        for at in 1..5000_u64 {
            records += 1000 + at % 13;
            pace.see(Duration::from_secs(100) + Duration::from_millis(at * 37), records);
        }
        assert!(pace.records.len() <= MOST && pace.records.len() >= MOST / 2 - 1, "{}", pace.records.len());
        let sum: f64 = pace.records.iter().sum();
        assert!((sum - (records - 7) as f64).abs() < 1e-3 * sum, "{sum}");
        assert!(pace.rates().all(|(at, rate)| at > 100.0 && (rate - 27_200.0).abs() < 500.0));
        assert_eq!(pace.before(), 100.0);
    }

    #[test]
    fn a_look_at_no_later_time_tells_nothing() {
        let mut pace = Pace::new(Duration::ZERO, 0);
        pace.see(Duration::ZERO, 500);
        assert_eq!(pace.rates().count(), 0);
        pace.see(Duration::from_secs(1), 500);
        assert!((pace.rates().map(|(_, rate)| rate).sum::<f64>() / pace.rates().count() as f64 - 500.0).abs() < 1e-6);
    }
}
