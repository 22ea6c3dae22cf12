//! Takes a learner's step rule and penalties; gives them as kernels read them.
//!
//! It never touches a device. What all learners of a dispatch share, such as the kind of rule, is compiled into the kernels.

use crate::learner::{Optimizer, Penalty, Settings, optimizer};

/// The parameters of one learner; twin of `Setting` in `shaders/rule.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Setting {
    /// The learning rate, before SGD's schedule.
    pub learning_rate: f32,
    /// FTRL's `beta`.
    pub beta: f32,
    /// Strength of the absolute penalty.
    pub l1: f32,
    /// Strength of the squared penalty.
    pub l2: f32,
}

impl Setting {
    /// Those of a learner.
    pub fn of(settings: &Settings) -> Self {
        let beta = match settings.optimizer {
            Optimizer::Ftrl { beta, .. } => beta,
            Optimizer::Sgd { .. } | Optimizer::AdaGrad { .. } => 0.0,
        };
        let Penalty { l1, l2 } = settings.penalty;
        Self { learning_rate: settings.optimizer.learning_rate(), beta, l1, l2 }
    }
}

/// The number of a step rule in `shaders/rule.wgsl`.
pub(super) fn kind(optimizer: Optimizer) -> u32 {
    match optimizer {
        Optimizer::Sgd { .. } => 0,
        Optimizer::AdaGrad { .. } => 1,
        Optimizer::Ftrl { .. } => 2,
    }
}

/// Whether a learner has a penalty.
pub(super) fn is_penalised(settings: &Settings) -> bool {
    settings.penalty.l1 != 0.0 || settings.penalty.l2 != 0.0
}

/// Whether steps depend on how often a coordinate was touched: FTRL's penalties are inside its closed form.
pub(super) fn asks_for_counts(settings: &Settings) -> bool {
    is_penalised(settings) && !matches!(settings.optimizer, Optimizer::Ftrl { .. })
}

/// What SGD's schedule makes of its rate after `t` updates; 1 for the other rules, which know theirs from their slots.
pub(super) fn decay(optimizer: Optimizer, t: u64) -> f32 {
    match optimizer {
        Optimizer::Sgd { power_t, .. } => optimizer::scheduled_rate(1.0, power_t, t),
        Optimizer::AdaGrad { .. } | Optimizer::Ftrl { .. } => 1.0,
    }
}

/// Whether that changes from record to record.
pub(super) fn has_schedule(optimizer: Optimizer) -> bool {
    matches!(optimizer, Optimizer::Sgd { power_t, .. } if power_t != 0.0)
}
