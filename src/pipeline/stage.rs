//! How the threads of a stage spend their time: working, waiting for input, or waiting for room downstream.

use std::time::{Duration, Instant};

/// Time of one stage, summed over its threads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Name of the stage.
    pub name: &'static str,
    /// Threads of the stage.
    pub threads: usize,
    /// Working.
    pub busy: Duration,
    /// Waiting for input.
    pub starved: Duration,
    /// Waiting for room downstream.
    pub blocked: Duration,
}

impl StageTimes {
    /// The stage's times with another thread's added.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.threads += other.threads;
        self.busy += other.busy;
        self.starved += other.starved;
        self.blocked += other.blocked;
        self
    }

    /// The same times, `waited` of the busy ones having been spent waiting for room downstream.
    #[must_use]
    pub fn of_which_blocked(mut self, waited: Duration) -> Self {
        let waited = waited.min(self.busy);
        self.busy -= waited;
        self.blocked += waited;
        self
    }
}

/// The clock of one thread: each call books the time since the last one.
#[derive(Debug)]
pub struct StageClock {
    times: StageTimes,
    last: Instant,
}

impl StageClock {
    /// Starts the clock.
    pub fn start(name: &'static str) -> Self {
        Self { times: StageTimes { name, threads: 1, ..StageTimes::default() }, last: Instant::now() }
    }

    /// The time since the last call was work.
    pub fn worked(&mut self) {
        let lap = self.lap();
        self.times.busy += lap;
    }

    /// The time since the last call was waiting for input.
    pub fn was_starved(&mut self) {
        let lap = self.lap();
        self.times.starved += lap;
    }

    /// The time since the last call was waiting for room downstream.
    pub fn was_blocked(&mut self) {
        let lap = self.lap();
        self.times.blocked += lap;
    }

    /// What has been booked so far.
    pub fn so_far(&self) -> StageTimes {
        self.times.clone()
    }

    /// What was booked.
    pub fn times(self) -> StageTimes {
        self.times
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.last, now)
    }
}
