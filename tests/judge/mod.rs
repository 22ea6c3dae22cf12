//! What the tests of backends share: streams' settings, runs, comparisons with their tolerances, and the adapter.
#![allow(dead_code, reason = "every test takes its part")]

use tidemill::examples::Scored;
use tidemill::learner::gpu::{self, Wanted};
use tidemill::learner::{Learner, Model, Optimizer, Penalty, Settings, Shape, Update};

use crate::made_up::Stream;

/// What may differ, in absolute terms, plus as much again relative to the value.
///
/// With `e = 2^-24`, half a unit in the last place of an f32 near 1, and `m` products in a logit:
///
/// - One logit from equal weights is off by at most about `(m/16 + 4) e sum|w x|` (lanes and tree), on a GPU twice
///   that, since it may round either way; here `m <= 1000` and `sum|w x| <= 5`, so 4e-5 at the very worst and 1e-6 as
///   a rule.
/// - A sigmoid adds `(3 + 2|z|) 2^-23` relative (WGSL's `exp`) or 1 `e` (libm): 2e-6 at `|z| = 7`.
/// - A gradient adds up to `rows` residuals of at most 1 in sums of length `rows`: error at most `rows e sum|r x|`,
///   as a rule `sqrt(rows) e sum|r x|`, 1e-5 relative at 700 rows.
/// - A step moves a weight by at most `learning_rate` times a number near 1; its error is the gradient's times the
///   rate, and AdaGrad and FTRL divide by a root (2 ulp). Over `T` steps these add up to `T` times one step's error,
///   at random to `sqrt(T)` times, and the logits of the next step carry them on: 1e-6 to 1e-5.
///
/// Largest seen: CPU against the oracle 4.8e-6 (logit, record by record, every feature in one coordinate) and 1.7e-6
/// (weight); llvmpipe against the CPU 6.4e-7 and 1.2e-6. The bounds leave a factor of 4 to 8 for other drivers.
pub struct Tolerance {
    pub logit: f64,
    pub weight: f64,
}

/// A CPU backend against the oracle.
pub const CPU: Tolerance = Tolerance { logit: 2e-5, weight: 5e-6 };
/// The GPU backend against the CPU backend: both may be off, the GPU's arithmetic is the looser one.
pub const GPU: Tolerance = Tolerance { logit: 2e-5, weight: 1e-5 };

pub const OPTIMIZERS: [Optimizer; 4] = [
    Optimizer::Sgd { learning_rate: 0.02, power_t: 0.0 },
    Optimizer::Sgd { learning_rate: 0.05, power_t: 0.5 },
    Optimizer::AdaGrad { learning_rate: 0.1 },
    Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 },
];

pub const PENALTIES: [Penalty; 2] = [Penalty::NONE, Penalty { l1: 0.002, l2: 0.01 }];

pub fn compare_scored(have: &[Scored], want: &[Scored], tolerance: &Tolerance, name: &str) {
    assert_eq!(have.len(), want.len(), "{name}");
    for (have, want) in have.iter().zip(want) {
        assert_eq!((have.version, have.version_per_record), (want.version, want.version_per_record), "{name}");
        assert_eq!(have.batch.record, want.batch.record, "{name}");
        compare(&have.logit, &widen(&want.logit), tolerance.logit, &format!("logits of {name}"));
    }
}

pub fn compare_models(have: &Model, want: &Model, tolerance: &Tolerance, name: &str) {
    let bound = tolerance.weight;
    compare(&have.dense_weights(), &widen(&want.dense_weights()), bound, &format!("dense weights of {name}"));
    compare(&[have.bias_weight()], &[want.bias_weight().into()], bound, &format!("bias of {name}"));
    compare(&have.hashed_weights(), &widen(&want.hashed_weights()), bound, &format!("hashed weights of {name}"));
}

pub fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}

pub fn compare(have: &[f32], want: &[f64], tolerance: f64, name: &str) {
    assert_eq!(have.len(), want.len(), "{name}");
    for (k, (&have, &want)) in have.iter().zip(want).enumerate() {
        let bound = tolerance * (1.0 + want.abs());
        let off = (f64::from(have) - want).abs();
        assert!(off <= bound, "{name}: number {k} is {have}, not {want}: off by {off:e}, {bound:e} allowed");
    }
}

pub fn settings(stream: Stream, optimizer: Optimizer, penalty: Penalty, update: Update) -> Settings {
    Settings { update, optimizer, penalty, batch: stream.rows, hash_bits: stream.hash_bits, frozen: false }
}

pub fn blank(stream: Stream, settings: Settings) -> Model {
    let shape = Shape { numeric: stream.numeric, hash_bits: stream.hash_bits };
    Model::new(shape, settings.optimizer, settings.penalty)
}

pub fn run(learner: &mut dyn Learner, stream: Stream) -> (Vec<Scored>, Model) {
    for k in 0..stream.batches {
        learner.learn(stream.batch(k)).unwrap();
    }
    (drain(learner), learner.model().unwrap())
}

pub fn drain(learner: &mut dyn Learner) -> Vec<Scored> {
    learner.finish().unwrap();
    std::iter::from_fn(|| learner.next_scored().unwrap()).collect()
}

/// The adapter to test, unless there is none and none is required.
pub fn adapter() -> Option<gpu::Adapter> {
    match gpu::adapter::find(Wanted::Best) {
        Ok(adapter) => Some(adapter),
        Err(error) if std::env::var("TIDEMILL_REQUIRE_GPU").is_ok_and(|value| value == "1") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: no adapter ({error})");
            None
        }
    }
}
