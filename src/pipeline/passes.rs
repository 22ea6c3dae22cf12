//! Later passes of a run: takes an engine at the end of its stream, lets it learn again what it has kept, as often as
//! asked for, and looks now and then whether the run is to stop: not while a device learns what it has kept.

use std::time::{Duration, Instant};

use super::{End, Observe, Status, Stop};
use crate::config::Plan;
use crate::engine::{Engine, Pass};
use crate::error::{ErrorKind, Result};
use crate::replay::{Numbers, Store};

/// A pass over records that have been learned before.
#[derive(Debug, Clone, Copy)]
pub struct LaterPass {
    /// Its number, records and loss.
    pub pass: Pass,
    /// How many passes there are to be.
    pub of: u32,
    /// Time from its start.
    pub elapsed: Duration,
}

/// The later passes of a run.
#[derive(Debug, Clone, Default)]
pub struct LaterPasses {
    /// Those that were begun; the last may have been cut short.
    pub all: Vec<LaterPass>,
    /// Dense numbers that were too large for 16 bits.
    pub clamped: u64,
}

/// The engine with room for what is to be learned again.
pub(super) fn prepare(plan: &Plan, engine: Engine, width: usize) -> Result<Engine> {
    let Some(passes) = &plan.passes else { return Ok(engine) };
    let keeping = passes.keeping(width);
    // A device keeps numbers as they are, and a file that is asked for by its name has all of the stream.
    let is_free = keeping.numbers == Numbers::F32 && keeping.file.is_none();
    let on_device = if is_free { passes.memory } else { 0 };
    Ok(engine.keeping(Store::open(keeping)?, on_device))
}

/// Learns a stream again that has come to its end; `end` becomes that of the last pass.
///
/// # Errors
/// A device or a disk that fails.
pub(super) fn run(
    plan: &Plan,
    engine: &mut Engine,
    end: &mut End,
    stop: &Stop,
    observe: Observe<'_>,
) -> Result<LaterPasses> {
    let mut later = LaterPasses::default();
    let count = plan.passes.as_ref().map_or(1, |passes| passes.count);
    for number in 2..=count {
        if !matches!(end, End::Whole) {
            break;
        }
        let mut pass = LaterPass { pass: Pass::new(number), of: count, elapsed: Duration::ZERO };
        let ended = one(&mut pass, engine, stop, observe);
        later.all.push(pass);
        match ended {
            Ok(how) => *end = how,
            // What has been learned is known to be good, or known to be of no use; behind a device that has failed the
            // learner goes on from its last good state.
            Err(error) if matches!(error.kind(), ErrorKind::Diverged | ErrorKind::Input | ErrorKind::Device) => {
                *end = End::Broken(error);
            }
            Err(error) => return Err(error),
        }
    }
    later.clamped = engine.kept().map_or(0, Store::clamped);
    Ok(later)
}

/// One pass, to its end or to a stop.
fn one(pass: &mut LaterPass, engine: &mut Engine, stop: &Stop, observe: Observe<'_>) -> Result<End> {
    let started = Instant::now();
    loop {
        if stop.is_requested() {
            return engine.end_pass(&mut pass.pass).map(|()| End::Stopped);
        }
        let goes_on = engine.replay(&mut pass.pass);
        pass.elapsed = started.elapsed();
        let goes_on = goes_on?;
        let (counts, metrics) = engine.progress();
        observe(Status { elapsed: pass.elapsed, later: Some(pass), ..Status::of(counts, metrics) });
        if !goes_on {
            return Ok(End::Whole);
        }
    }
}
