//! Many learners on one run: the stream is read, parsed, encoded and standardised once, and every learner takes the same
//! micro-batches.
//!
//! Siblings: `crew` (the threads that learn), `curves` (how each went), `relay` (what the engine sees of them), [`summary`]
//! (a sweep in numbers) and [`page`] (the same for a browser).

mod crew;
mod curves;
pub mod page;
mod relay;
pub mod summary;

use std::sync::{Arc, OnceLock};

use super::{Outcome, Status, Stop, run_on};
use crate::config::sweep::Sweep;
use crate::error::{Error, Result};
use crate::learner::Settings;
use crate::learner::cpu::many;
use crate::learner::device::many::OpenedMany;
use crate::learner::device::{self, Job, Opened};
use crate::learner::many::Field;
pub use crew::{Crew, Ranked};
pub use curves::Curves;
use relay::Relay;

/// What a sweep leaves behind.
#[derive(Debug)]
pub struct Swept {
    /// The run, with the model of the learner that is promoted.
    pub outcome: Outcome,
    /// Every learner, the best first.
    pub ranking: Vec<Ranked>,
    /// How each learner went, where a report is asked for.
    pub curves: Option<Curves>,
    /// The place of the learner that is promoted; `None` where it has diverged, or all have.
    pub promoted: Option<usize>,
}

/// What is called to look at a sweep under way.
pub type Observe<'a> = &'a mut dyn FnMut(Status<'_>, &Crew);

/// Runs a sweep from the first record to the last.
///
/// # Errors
/// As [`super::run`], and weights that need more memory than there may be.
pub fn run(sweep: &Sweep, stop: &Stop, observe: Observe<'_>) -> Result<Swept> {
    let crew = OnceLock::new();
    let mut open = |job: Job| open(sweep, job, |started| crew.get_or_init(|| Arc::new(started)).clone());
    let mut look = |status: Status<'_>| {
        if let Some(crew) = crew.get() {
            observe(status, crew);
        }
    };
    let mut outcome = run_on(&sweep.plan, None, stop, &mut look, &mut open)?;
    let ranking = crew.get().map_or(Ok(Vec::new()), |crew| crew.ranking())?;
    crew.get().map_or(Ok(()), |crew| crew.follow_curves(true))?;
    let curves = crew.get().and_then(|crew| crew.curves());
    let is_promoted = |of: &&Ranked| sweep.promoted.is_none_or(|place| place == of.place);
    let promoted = ranking.iter().find(is_promoted).filter(|of| !of.has_diverged()).map(|of| of.place);
    // The engine knew the weight of the labels alone; with the best one's loss its warnings are about that one.
    let log_loss = &mut outcome.metrics.total.log_loss;
    let best = ranking.first().filter(|best| !best.has_diverged()).and_then(|best| best.log_loss);
    log_loss.loss = best.unwrap_or(0.0) * log_loss.weight;
    Ok(Swept { outcome, ranking, curves, promoted })
}

/// Opens the learners and starts their threads.
fn open(sweep: &Sweep, job: Job, keep: impl FnOnce(Crew) -> Arc<Crew>) -> Result<Opened> {
    let of = |settings: &Settings| Settings { hash_bits: job.model.hash_bits, ..*settings };
    let field = Field {
        shape: job.model.shape(),
        settings: sweep.candidates.iter().map(|candidate| of(&candidate.settings)).collect(),
    };
    check_memory(sweep, &field)?;
    let OpenedMany { parts, device, why } =
        device::many::open(&sweep.plan.device, &field, sweep.plan.threads, job.features)?;
    let crew = keep(Crew::start(parts).keeping_curves(sweep.plan.outputs.report.is_some()));
    let why = format!("{} learners side by side; {why}", field.settings.len());
    let learner = Box::new(Relay::new(crew, job.model, sweep.drop_after, sweep.promoted));
    Ok(Opened { learner, device, why, makes_pairs: false })
}

fn check_memory(sweep: &Sweep, field: &Field) -> Result<()> {
    let (bytes, most) = (many::bytes(field), sweep.max_bytes);
    if bytes <= most {
        return Ok(());
    }
    let learners = field.settings.len() as u64;
    Err(Error::usage(format!(
        "the weights of {learners} learners take {:.1} GB, more than the {:.1} GB of --max-memory: about {} learners fit; \
         or hash into fewer weights with --hash-bits (now {}; 1 where no column is hashed)",
        bytes as f64 / 1e9,
        most as f64 / 1e9,
        u128::from(most) * u128::from(learners) / u128::from(bytes),
        field.shape.hash_bits
    )))
}
