//! Learning with a clock: takes contestants and micro-batches, gives what each of them did in its laps.
//!
//! The contestants of a case take turns, forwards in one round and backwards in the next, because machines drift by more
//! than most differences. A lap has a part in which micro-batches follow each other and one in which each is waited for.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::contestants::Contestant;
use super::matrix::Case;
use super::result::Measured;
use crate::error::Result;
use crate::examples::MicroBatch;

/// Rounds of a case.
const ROUNDS: usize = 5;
/// How many times its slice a contestant may take before it is left out of further rounds: one has to do where a few
/// micro-batches take that long.
const PATIENCE: f64 = 2.0;
/// The parts of a slice: before anything counts, micro-batches that follow each other, micro-batches one at a time.
const WARM_UP: f64 = 0.1;
const FLOWING: f64 = 0.6;
const SINGLE: f64 = 0.3;

/// Micro-batches that a device may hold without having done one.
const AHEAD: f64 = 200.0;

/// The micro-batches made last: cases of one shape and size share them.
#[derive(Default)]
pub struct Ready {
    of: Option<(&'static str, usize)>,
    batches: Rc<[MicroBatch]>,
}

/// A contestant with the micro-batches that it is not holding, or why there is none.
pub struct Lane {
    state: std::result::Result<Contest, String>,
}

struct Contest {
    contestant: Box<dyn Contestant>,
    /// Time that it has taken so far.
    spent: Duration,
    /// Seconds of a micro-batch that is waited for.
    alone: f64,
    waiting: VecDeque<MicroBatch>,
    template: Rc<[MicroBatch]>,
    laps: Laps,
}

/// What a contestant did.
#[derive(Debug, Default, Clone)]
pub struct Laps {
    /// Micro-batches of each round and the seconds for them.
    pub rounds: Vec<(u64, f64)>,
    /// Seconds of each micro-batch that was waited for.
    pub single: Vec<f64>,
}

impl Ready {
    /// The micro-batches for a case.
    pub fn micro_batches(&mut self, case: &Case) -> Rc<[MicroBatch]> {
        if self.of != Some((case.name, case.batch)) {
            self.batches = Rc::default(); // two sets at a time would be many bytes
            self.batches = case.kind.micro_batches(case.batch).into();
            self.of = Some((case.name, case.batch));
        }
        self.batches.clone()
    }
}

impl Lane {
    /// A lane for what was opened, if it was.
    pub fn new(opened: Result<Box<dyn Contestant>>, template: Rc<[MicroBatch]>) -> Self {
        let contest = |contestant| Contest {
            contestant,
            spent: Duration::ZERO,
            alone: 0.0,
            waiting: template.iter().cloned().collect(),
            template: template.clone(),
            laps: Laps::default(),
        };
        Self { state: opened.map(contest).map_err(|error| error.to_string()) }
    }

    /// A lane in which nobody runs.
    pub fn skipped(reason: String) -> Self {
        Self { state: Err(reason) }
    }

    /// Learns so many micro-batches in a row and gives the time until the last one is done.
    ///
    /// # Errors
    /// Why there is no contestant, or how it failed.
    pub fn steps(&mut self, steps: u64) -> std::result::Result<Duration, String> {
        let started = Instant::now();
        self.run(|contest| {
            (0..steps).try_for_each(|_| contest.step())?;
            contest.contestant.finish()?;
            contest.take_back()
        });
        self.state.as_ref().map(|_| started.elapsed()).map_err(String::clone)
    }

    /// What the contestant did.
    ///
    /// # Errors
    /// Why there was none, or how it failed.
    pub fn ended(self) -> std::result::Result<Laps, String> {
        self.state.map(|contest| contest.laps)
    }

    /// Does something with the contestant, if there is one; a failure ends the lane.
    fn run(&mut self, work: impl FnOnce(&mut Contest) -> Result<()>) {
        if let Ok(contest) = &mut self.state
            && let Err(error) = work(contest)
        {
            self.state = Err(format!("it failed under way: {error}"));
        }
    }
}

/// Every lane learns for about `slice`, in turns.
pub fn in_turns(lanes: &mut [Lane], slice: Duration) {
    lanes.iter_mut().for_each(|lane| lane.run(|contest| contest.warm_up(slice.mul_f64(WARM_UP))));
    let lap = slice.div_f64(ROUNDS as f64);
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            lanes.iter_mut().for_each(|lane| lane.run(|contest| contest.round(lap, slice)));
        } else {
            lanes.iter_mut().rev().for_each(|lane| lane.run(|contest| contest.round(lap, slice)));
        }
    }
}

impl Contest {
    fn warm_up(&mut self, time: Duration) -> Result<()> {
        let started = Instant::now();
        self.one_by_one(Duration::ZERO)?;
        // The first of all, in which a device gets everything ready, says little of the others.
        self.one_by_one(Duration::ZERO)?;
        self.alone = self.laps.single.pop().unwrap_or_default();
        self.laps.single.clear();
        self.flow(time)?;
        self.spent += started.elapsed();
        Ok(())
    }

    /// A lap, unless it has had its time.
    fn round(&mut self, lap: Duration, slice: Duration) -> Result<()> {
        if self.spent > slice.mul_f64(PATIENCE) && !self.laps.rounds.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let round = self.flow(lap.mul_f64(FLOWING))?;
        self.laps.rounds.push(round);
        self.one_by_one(lap.mul_f64(SINGLE))?;
        self.spent += started.elapsed();
        Ok(())
    }

    /// Micro-batches that follow each other, the last one waited for.
    fn flow(&mut self, time: Duration) -> Result<(u64, f64)> {
        let (started, mut steps) = (Instant::now(), 0);
        // A device takes many micro-batches before it has done the first.
        let most = match time.as_secs_f64() / self.alone.max(1e-9) {
            fit if fit > AHEAD => u64::MAX,
            fit => fit as u64,
        };
        while steps == 0 || started.elapsed() < time && steps < most {
            self.step()?;
            steps += 1;
        }
        self.contestant.finish()?;
        self.take_back()?;
        Ok((steps, started.elapsed().as_secs_f64()))
    }

    fn one_by_one(&mut self, time: Duration) -> Result<()> {
        let (started, mut is_first) = (Instant::now(), true);
        while is_first || started.elapsed() < time {
            let single = Instant::now();
            self.step()?;
            self.contestant.finish()?;
            self.take_back()?;
            self.laps.single.push(single.elapsed().as_secs_f64());
            is_first = false;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        // One that works ahead holds some; after the warm-up there are enough.
        let batch = self.waiting.pop_front().unwrap_or_else(|| self.template[0].clone());
        self.contestant.learn(batch)?;
        self.take_back()
    }

    fn take_back(&mut self) -> Result<()> {
        while let Some(batch) = self.contestant.take_back()? {
            self.waiting.push_back(batch);
        }
        Ok(())
    }
}

/// The figures of a cell: bandwidth and parser are the rooflines to hold them against.
pub fn figures(laps: &Laps, case: &Case, bandwidth: Option<f64>, parse: Option<f64>) -> Measured {
    let rate = |&(steps, seconds): &(u64, f64)| steps as f64 * case.batch as f64 / seconds.max(1e-9);
    let rates = sorted(laps.rounds.iter().map(rate));
    let single = sorted(laps.single.iter().map(|seconds| 1e6 * seconds));
    let records_per_s = quantile(&rates, 0.5);
    let gb_per_s = records_per_s * case.kind.bytes() as f64 / 1e9;
    let percent = |of: f64| move |best: f64| 100.0 * of / best;
    Measured {
        records_per_s,
        records_per_s_low: quantile(&rates, 0.0),
        records_per_s_high: quantile(&rates, 1.0),
        step_us: 1e6 * case.batch as f64 / records_per_s,
        gb_per_s,
        percent_of_bandwidth: bandwidth.map(percent(gb_per_s)),
        percent_of_parse: parse.map(percent(records_per_s)),
        latency_p50_us: quantile(&single, 0.5),
        latency_p99_us: quantile(&single, 0.99),
        latency_samples: single.len(),
        steps: laps.rounds.iter().map(|(steps, _)| steps).sum(),
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The least value that is no smaller than this share of the sorted ones.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::matrix::{Extent, cases};
    use crate::error::Error;

    /// Gives back what it is given, and fails at a certain micro-batch.
    struct Echo {
        held: VecDeque<MicroBatch>,
        left: usize,
    }

    impl Contestant for Echo {
        fn learn(&mut self, batch: MicroBatch) -> Result<()> {
            self.left = self.left.checked_sub(1).ok_or_else(|| Error::device("gone"))?;
            self.held.push_back(batch);
            Ok(())
        }

        fn finish(&mut self) -> Result<()> {
            Ok(())
        }

        fn take_back(&mut self) -> Result<Option<MicroBatch>> {
            Ok(self.held.pop_front())
        }
    }

    fn lane(left: usize) -> Lane {
        let batch = MicroBatch { rows: 1, ..MicroBatch::default() };
        Lane::new(Ok(Box::new(Echo { held: VecDeque::new(), left })), [batch].into())
    }

    #[test]
    fn who_fails_says_so_and_the_others_go_on() {
        let mut lanes = [lane(usize::MAX), lane(2), Lane::skipped("not here".into())];
        in_turns(&mut lanes, Duration::ZERO);
        let [first, second, third] = lanes.map(Lane::ended);
        let laps = first.unwrap();
        assert!(!laps.rounds.is_empty() && laps.single.len() == laps.rounds.len());
        assert!(laps.rounds.iter().all(|&(steps, _)| steps == 1));
        assert!(second.unwrap_err().contains("under way: gone"));
        assert_eq!(third.unwrap_err(), "not here");
    }

    #[test]
    fn who_has_time_runs_in_every_round() {
        let mut lanes = [lane(usize::MAX)];
        // Twice its slice is what it may take: long enough that a busy machine takes no round away.
        in_turns(&mut lanes, Duration::from_secs(1));
        let [laps] = lanes.map(|lane| lane.ended().unwrap());
        assert_eq!(laps.rounds.len(), ROUNDS);
        assert!(laps.single.len() >= ROUNDS);
    }

    #[test]
    fn figures_are_medians_and_shares_of_the_rooflines() {
        let case = cases(Extent::Full).into_iter().find(|case| (case.name, case.batch) == ("dense 28", 1024)).unwrap();
        let single = (1..=200).map(|k| f64::from(k) * 1e-6).collect();
        let laps = Laps { rounds: vec![(1, 1.0), (10, 1.0), (40, 2.0)], single };
        let found = figures(&laps, &case, Some(0.01), Some(20_480.0));
        assert_eq!(
            (found.records_per_s_low, found.records_per_s, found.records_per_s_high),
            (1024.0, 10_240.0, 20_480.0)
        );
        let latencies = [found.latency_p50_us, found.latency_p99_us].map(f64::round);
        assert_eq!((latencies, found.latency_samples), ([100.0, 198.0], 200));
        assert_eq!((found.steps, found.step_us, found.percent_of_parse), (51, 1e5, Some(50.0)));
        assert_eq!(found.gb_per_s, 10_240.0 * 32.0 * 4.0 / 1e9);
        assert!((found.percent_of_bandwidth.unwrap() - 13.1072).abs() < 1e-9);
    }
}
