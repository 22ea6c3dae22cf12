//! Which of two backends is faster on a job's shape: takes both, blank; gives their rates on made-up micro-batches.
//!
//! The one use of a clock below the pipeline: a rate cannot be known otherwise. The two run in turns, and what decides is
//! the median of their ratios within a turn, so that a machine that drifts, or is busy for a moment, is so for both.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::Learner;
use super::made_up::Kind;
use super::many::ManyLearners;
use crate::error::Result;
use crate::examples::MicroBatch;

/// How long each backend runs before it is measured, and then in each turn: 300 ms in all, unless a micro-batch takes
/// longer than a turn.
const WARM_UP: Duration = Duration::from_millis(25);
const TURN: Duration = Duration::from_millis(25);
const TURNS: usize = 5;
/// When no other turn begins.
const LATE: Duration = Duration::from_millis(250);
/// Bytes of a micro-batch, at most: making larger ones would take longer than learning them.
const LARGEST: usize = 16 << 20;

/// Records a second of both backends.
#[derive(Debug)]
pub(super) struct Rates {
    /// The CPU's.
    pub cpu: f64,
    /// The GPU's.
    pub gpu: f64,
    /// The median of the GPU's over the CPU's, turn by turn.
    pub ratio: f64,
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, gpu, ratio } = self;
        let (times, faster, slower) = if *ratio > 1.0 { (*ratio, "GPU", "CPU") } else { (1.0 / ratio, "CPU", "GPU") };
        write!(
            f,
            "measured on made-up micro-batches of this shape, the {faster} learns {times:.2} times as many records a \
             second as the {slower} ({gpu:.3e} on the GPU, {cpu:.3e} on the CPU)"
        )
    }
}

/// Lets both learn in turns.
pub(super) fn race(cpu: &mut dyn Learner, gpu: &mut dyn Learner, kind: &Kind, rows: usize) -> Result<Rates> {
    let rows = rows.clamp(1, (LARGEST / kind.bytes().max(1)).max(1));
    let batches = kind.micro_batches(rows);
    let (mut cpu, mut gpu) = (Runner::new(cpu, &batches), Runner::new(gpu, &batches));
    cpu.rate(WARM_UP)?;
    gpu.rate(WARM_UP)?;
    let (started, mut turns) = (Instant::now(), Vec::new());
    while turns.is_empty() || turns.len() < TURNS && started.elapsed() < LATE {
        turns.push((cpu.rate(TURN)?, gpu.rate(TURN)?));
    }
    Ok(Rates::of(&turns))
}

/// Records a second of one learner in one turn, after another to warm up.
pub(super) fn trial(learner: &mut dyn Learner, kind: &Kind, rows: usize) -> Result<f64> {
    let batches = kind.micro_batches(rows.clamp(1, (LARGEST / kind.bytes().max(1)).max(1)));
    let mut runner = Runner::new(learner, &batches);
    runner.rate(WARM_UP)?;
    runner.rate(TURN)
}

/// A race of many learners. Those of the CPU learn here one part after the other, and at the same time in the run
/// itself: what they take is divided by the number of parts.
pub(super) fn race_of_many(
    cpu: &mut [Box<dyn ManyLearners>],
    gpu: &mut dyn ManyLearners,
    kind: &Kind,
    rows: usize,
) -> Result<Rates> {
    let batches = kind.micro_batches(rows);
    let parts = cpu.len().max(1) as f64;
    let mut on_cpu = || cpu.iter_mut().try_fold(0.0, |sum, part| Ok(sum + 1.0 / rate_of_many(&mut **part, &batches)?));
    let mut on_gpu = || rate_of_many(gpu, &batches);
    on_cpu()?; // to warm up
    on_gpu()?;
    let mut turns = Vec::new();
    for _ in 0..2 {
        turns.push((1.0 / on_cpu()?, on_gpu()?));
    }
    turns.iter_mut().for_each(|turn| turn.0 *= parts);
    Ok(Rates::of(&turns))
}

/// Learns for the time of a turn and gives the records a second.
fn rate_of_many(learners: &mut dyn ManyLearners, batches: &[MicroBatch]) -> Result<f64> {
    let (started, mut records) = (Instant::now(), 0);
    for batch in batches.iter().cycle() {
        learners.learn(batch)?;
        records += batch.rows;
        if started.elapsed() >= TURN {
            break;
        }
    }
    learners.standings()?;
    Ok(records as f64 / started.elapsed().as_secs_f64())
}

impl Rates {
    /// The medians of turns, each the CPU's rate and the GPU's.
    fn of(turns: &[(f64, f64)]) -> Self {
        Self {
            cpu: median(turns.iter().map(|turn| turn.0)),
            gpu: median(turns.iter().map(|turn| turn.1)),
            ratio: median(turns.iter().map(|(cpu, gpu)| gpu / cpu)),
        }
    }
}

/// The middle one; of an even number, the lower of the two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

/// A learner with the micro-batches that it is not holding.
struct Runner<'a> {
    learner: &'a mut dyn Learner,
    waiting: VecDeque<MicroBatch>,
    template: &'a MicroBatch,
}

impl<'a> Runner<'a> {
    fn new(learner: &'a mut dyn Learner, batches: &'a [MicroBatch]) -> Self {
        Self { learner, waiting: batches.iter().cloned().collect(), template: &batches[0] }
    }

    /// Learns for some time and gives the records a second.
    fn rate(&mut self, time: Duration) -> Result<f64> {
        let (started, mut records) = (Instant::now(), 0);
        while records == 0 || started.elapsed() < time {
            // One that works ahead holds some; after the warm-up there are enough.
            let batch = self.waiting.pop_front().unwrap_or_else(|| self.template.clone());
            records += batch.rows;
            self.learner.learn(batch)?;
            self.take_back()?;
        }
        self.learner.finish()?;
        self.take_back()?;
        Ok(records as f64 / started.elapsed().as_secs_f64())
    }

    fn take_back(&mut self) -> Result<()> {
        while let Some(mut scored) = self.learner.next_scored()? {
            self.waiting.push_back(std::mem::take(&mut scored.batch));
            self.learner.recycle(scored);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Model, Optimizer, Penalty, Settings, Shape, Update, cpu};

    #[test]
    fn a_machine_that_drifts_and_a_moment_that_does_not_count_change_no_choice() {
        // Ever faster clocks, the GPU ahead by a fifth in each turn, and one turn in which the CPU had to wait.
        let turns: Vec<_> = [10.0, 20.0, 40.0, 80.0].iter().map(|&cpu| (cpu, 1.2 * cpu)).chain([(1.0, 90.0)]).collect();
        let rates = Rates::of(&turns);
        assert!((rates.ratio - 1.2).abs() < 1e-12, "{rates}");
        assert!(rates.to_string().contains("the GPU learns 1.20 times as many"), "{rates}");
        let turns: Vec<_> = turns.into_iter().map(|(cpu, gpu)| (gpu, cpu)).collect();
        assert!(Rates::of(&turns).to_string().contains("the CPU learns 1.20 times as many"));
    }

    #[test]
    fn the_middle_one_is_the_median() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.0);
    }

    #[test]
    fn any_shape_can_be_raced_under_both_rules() {
        let (optimizer, penalty) = (Optimizer::AdaGrad { learning_rate: 0.1 }, Penalty::NONE);
        for (update, numeric, features) in [(Update::Record, 5, 0), (Update::Batch, 0, 3), (Update::Batch, 0, 0)] {
            let kind = Kind { shape: Shape { numeric, hash_bits: 10 }, features };
            let settings = Settings { update, optimizer, penalty, batch: 256, hash_bits: 10, frozen: false };
            let open = || cpu::open(Model::new(kind.shape, optimizer, penalty), settings);
            let rates = race(&mut open(), &mut open(), &kind, 256).unwrap();
            assert!(rates.cpu > 0.0 && rates.gpu > 0.0 && rates.ratio > 0.0, "{rates}");
        }
    }
}
