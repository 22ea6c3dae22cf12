//! How the threads of a stage spend their time: working, waiting for input, or waiting for room downstream.
//!
//! Each thread has a clock of its own, whose face others may read while it runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The stages, in the order of the flow.
const ORDER: [&str; 4] = ["source", "ingest", "engine", "sink"];

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

/// The clocks of a run, to be read while their threads go on.
#[derive(Debug, Clone, Default)]
pub struct Clocks(Arc<Mutex<Vec<Arc<Face>>>>);

/// What a clock shows, in nanoseconds. Only its own thread writes.
#[derive(Debug)]
struct Face {
    name: &'static str,
    started: Instant,
    busy: AtomicU64,
    starved: AtomicU64,
    blocked: AtomicU64,
    /// Since when it waits for input, in nanoseconds behind its start; [`WORKING`] while it does not.
    waits_since: AtomicU64,
}

/// Stands for a thread that does not wait for input, as far as it has said.
const WORKING: u64 = u64::MAX;

impl Clocks {
    /// Starts the clock of a thread.
    pub fn start(&self, name: &'static str) -> StageClock {
        let clock = StageClock::start(name);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(clock.face.clone());
        clock
    }

    /// What the clocks show now, by stage, in the order of the flow. Work in progress is not booked yet; a wait for input
    /// is, where the thread has said that it waits.
    pub fn so_far(&self) -> Vec<StageTimes> {
        let faces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |name: &&str| {
            let shown = faces.iter().filter(|face| face.name == *name).map(|face| face.times());
            shown.reduce(|sum, times| sum.plus(&times))
        };
        ORDER.iter().filter_map(of).collect()
    }
}

impl Face {
    fn new(name: &'static str, started: Instant) -> Self {
        let nothing = || AtomicU64::new(0);
        let waits_since = AtomicU64::new(WORKING);
        Self { name, started, busy: nothing(), starved: nothing(), blocked: nothing(), waits_since }
    }

    fn times(&self) -> StageTimes {
        let waits = match self.waits_since.load(Ordering::Relaxed) {
            WORKING => Duration::ZERO,
            since => self.started.elapsed().saturating_sub(Duration::from_nanos(since)),
        };
        let of = |booked: &AtomicU64| Duration::from_nanos(booked.load(Ordering::Relaxed));
        let (busy, starved, blocked) = (of(&self.busy), of(&self.starved) + waits, of(&self.blocked));
        StageTimes { name: self.name, threads: 1, busy, starved, blocked }
    }
}

/// The clock of one thread: each call books the time since the last one.
#[derive(Debug)]
pub struct StageClock {
    times: StageTimes,
    last: Instant,
    face: Arc<Face>,
}

impl StageClock {
    /// Starts a clock that nobody else reads.
    pub fn start(name: &'static str) -> Self {
        let last = Instant::now();
        let times = StageTimes { name, threads: 1, ..StageTimes::default() };
        Self { times, last, face: Arc::new(Face::new(name, last)) }
    }

    /// The time since the last call was work.
    pub fn worked(&mut self) {
        let lap = self.lap();
        self.times.busy += lap;
        shown(&self.face.busy, self.times.busy);
    }

    /// The time since the last call was waiting for input.
    pub fn was_starved(&mut self) {
        let lap = self.lap();
        self.times.starved += lap;
        shown(&self.face.starved, self.times.starved);
    }

    /// The time since the last call was waiting for room downstream.
    pub fn was_blocked(&mut self) {
        let lap = self.lap();
        self.times.blocked += lap;
        shown(&self.face.blocked, self.times.blocked);
    }

    /// From the last call on the thread waits for input, which may take long: whoever reads the clock sees it at once.
    pub fn waits(&self) {
        let since = self.last.saturating_duration_since(self.face.started);
        shown(&self.face.waits_since, since);
    }

    /// What was booked.
    pub fn times(self) -> StageTimes {
        self.times
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        self.face.waits_since.store(WORKING, Ordering::Relaxed);
        now - std::mem::replace(&mut self.last, now)
    }
}

/// Puts a time on a face; 584 years fit.
fn shown(on: &AtomicU64, time: Duration) {
    on.store(time.as_nanos() as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_read_by_stage_in_the_order_of_the_flow_and_show_what_their_threads_have_booked() {
        let clocks = Clocks::default();
        let (mut engine, mut first, mut second) =
            (clocks.start("engine"), clocks.start("ingest"), clocks.start("ingest"));
        first.worked();
        second.was_blocked();
        engine.was_starved();
        let shown = clocks.so_far();
        let ingest = first.times().plus(&second.times());
        assert_eq!(shown, [ingest, engine.times()]);
        assert_eq!((shown[0].threads, shown[0].name), (2, "ingest"));
    }

    #[test]
    fn a_wait_for_input_shows_before_it_has_come_to_its_end() {
        let clocks = Clocks::default();
        let mut clock = clocks.start("source");
        let starved = || clocks.so_far()[0].starved;
        assert_eq!(starved(), Duration::ZERO);
        clock.waits();
        while starved() == Duration::ZERO {}
        let before = starved();
        clock.was_starved();
        let after = starved();
        assert!(after >= before && starved() == after);
    }
}
