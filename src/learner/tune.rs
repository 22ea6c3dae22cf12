//! The fastest way to run a job on an adapter: takes a job's shape; gives the variant that learned the most made-up records
//! a second.
//!
//! A short trial of each choice, one after the other, on blank models. Variants give the same bits, so what is chosen here
//! shows in nothing but the time that a run takes.

use super::gpu::variant::{Block, Steps, Sums, Upload, Variant};
use super::gpu::{self, Adapter};
use super::made_up::Kind;
use super::race::trial;
use super::{Model, Settings, Update};

/// Finds the fastest variant. Where there is nothing to choose, or a trial fails, it stays with the likely one.
pub(super) fn fastest(adapter: &Adapter, model: &Model, settings: Settings, features: usize) -> Variant {
    let likely = Variant::likely(adapter);
    if adapter.is_software() || settings.frozen {
        return likely; // its speed is nobody's
    }
    let kind = Kind { shape: model.shape(), features };
    let rate = |variant: Variant| {
        let blank = Model::new(model.shape(), model.optimizer, model.penalty);
        let rate = gpu::open_as(adapter, blank, settings, variant)
            .and_then(|mut learner| trial(&mut learner, &kind, settings.batch));
        rate.unwrap_or(0.0)
    };
    choose(likely, &choices(settings.update, features), |variant| adapter.abilities().can(variant), rate)
}

/// What may be changed about a variant, one thing at a time.
type Change = fn(Variant) -> Variant;

/// The changes that make a difference to a job.
fn choices(update: Update, features: usize) -> Vec<Change> {
    let upload: Change = |variant| Variant {
        upload: if variant.upload == Upload::Mapped { Upload::Copied } else { Upload::Mapped },
        ..variant
    };
    let sums: Change = |variant| Variant {
        sums: if variant.sums == Sums::Memory { Sums::Subgroups } else { Sums::Memory },
        ..variant
    };
    let block: Change =
        |variant| Variant { block: if variant.block == Block::Of32 { Block::Of64 } else { Block::Of32 }, ..variant };
    let steps: Change = |variant| Variant {
        steps: if variant.steps == Steps::Persistent { Steps::Dispatched } else { Steps::Persistent },
        ..variant
    };
    match update {
        Update::Record => vec![upload, block, sums],
        Update::Batch if features == 0 => vec![steps, upload, sums],
        Update::Batch => vec![upload], // hashed features are dispatched in any case
    }
}

/// Takes over every change that makes it faster.
fn choose(
    likely: Variant,
    changes: &[Change],
    can: impl Fn(&Variant) -> bool,
    mut rate: impl FnMut(Variant) -> f64,
) -> Variant {
    let mut best = (likely, rate(likely));
    for change in changes {
        let changed = change(best.0);
        if can(&changed) {
            let changed_rate = rate(changed);
            if changed_rate > best.1 {
                best = (changed, changed_rate);
            }
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_that_makes_it_faster_is_taken_over_and_no_other() {
        let fast = |variant: Variant| match (variant.upload, variant.block) {
            (Upload::Mapped, Block::Of32) => 3.0,
            (Upload::Mapped, Block::Of64) => 2.0,
            (Upload::Copied, _) => 1.0,
        };
        let chosen = choose(Variant::PLAIN, &choices(Update::Record, 0), |_| true, fast);
        assert_eq!(chosen, Variant { upload: Upload::Mapped, ..Variant::PLAIN });
        let chosen = choose(Variant::PLAIN, &choices(Update::Record, 0), |of| of.upload == Upload::Copied, fast);
        assert_eq!(chosen, Variant::PLAIN);
    }

    #[test]
    fn a_job_is_only_tried_in_ways_that_differ_for_it() {
        let steps = |update, features| {
            let tried = choices(update, features).into_iter().map(|change| change(Variant::PLAIN).steps);
            tried.filter(|&steps| steps == Steps::Dispatched).count()
        };
        assert_eq!((steps(Update::Batch, 0), steps(Update::Batch, 5), steps(Update::Record, 0)), (1, 0, 0));
    }
}
