//! The optimizers, one coordinate at a time: twin of `shaders/rule.wgsl`.
//!
//! A coordinate is two floats `[a, b]`: SGD `[w, -]`, AdaGrad `[w, n]`, FTRL `[z, n]`. Writing `G` for the gradient
//! of the loss with respect to the weight and `c` for the (weighted) number of records that touched it:
//!
//! - SGD:     `w <- shrink(w - eta (G + c l2 w), c eta l1)`
//!   with `w` on the right taken as 0 where `c eta l2 > 1`: the penalty pulls to 0 and never past it
//! - AdaGrad: `n <- n + G^2`, `eta_j = eta / sqrt(n + eps)`, `w` as for SGD with `eta_j`
//! - FTRL:    `z <- z + G - w (sqrt(n + G^2) - sqrt(n)) / alpha`, `n <- n + G^2`,
//!   `w = -shrink(z, l1) / (l2 + (beta + sqrt(n)) / alpha)`
//!
//! In a micro-batch learned record by record the rates stand still: `n` is the one at its start, with `x^2` (the
//! square of the largest gradient that the record can have) added so that cold coordinates and outliers cannot jump; the squared gradients
//! are folded into `n` at its end, and for FTRL `z` with them, in a way that leaves `w` where it is.

use crate::learner::optimizer::scheduled_rate;
use crate::learner::{Optimizer, Penalty};

/// One optimizer's arithmetic on one coordinate.
pub trait Rule: Copy {
    /// The weight that `slots` stand for.
    fn weight(&self, slots: [f32; 2]) -> f32;

    /// How far the weight moves per unit of gradient while rates stand still, for a feature value `x`.
    fn rate(&self, slots: [f32; 2], x: f32) -> f32;

    /// One record's step with a frozen `rate`; `gradient` is the record's residual times `x`, `count` its weight.
    fn step(&self, slots: [f32; 2], gradient: f32, rate: f32, count: f32) -> [f32; 2];

    /// Folds the squared gradients of a micro-batch into the slots, leaving the weight unchanged.
    fn fold(&self, slots: [f32; 2], squared: f32) -> [f32; 2];

    /// One whole step on a summed gradient.
    fn batch_step(&self, slots: [f32; 2], gradient: f32, count: f32) -> [f32; 2];

    /// The same rule without penalties, for the bias.
    fn unpenalised(&self) -> Self;

    /// The same rule after `t` updates; only schedules change.
    fn at(&self, t: u64) -> Self;

    /// Whether the rate of a coordinate adapts and has seen no gradient yet.
    fn is_cold(&self, slots: [f32; 2]) -> bool;
}

/// `x` moved towards 0 by `amount`, and no further than 0; what is not a number stays so, to be seen and refused.
#[inline(always)]
pub fn shrink(x: f32, amount: f32) -> f32 {
    let size = x.abs() - amount;
    (if size < 0.0 { 0.0 } else { size }).copysign(x)
}

/// SGD's and AdaGrad's step of a weight at a given rate.
///
/// The squared penalty pulls a weight to 0 and never past it: beyond `rate c l2 = 1` every step would throw it further
/// to the other side, whatever the data say.
#[inline(always)]
fn penalised_step(weight: f32, gradient: f32, rate: f32, count: f32, penalty: Penalty) -> f32 {
    let strength = count * penalty.l2;
    let pulled = if rate * strength > 1.0 { 0.0 } else { weight };
    let pull = gradient + strength * pulled;
    shrink(pulled - rate * pull, count * rate * penalty.l1)
}

/// Stochastic gradient descent.
#[derive(Debug, Clone, Copy)]
pub struct Sgd {
    learning_rate: f32,
    power_t: f32,
    rate: f32,
    penalty: Penalty,
}

impl Rule for Sgd {
    #[inline(always)]
    fn weight(&self, slots: [f32; 2]) -> f32 {
        slots[0]
    }

    #[inline(always)]
    fn rate(&self, _slots: [f32; 2], _x: f32) -> f32 {
        self.rate
    }

    #[inline(always)]
    fn step(&self, slots: [f32; 2], gradient: f32, rate: f32, count: f32) -> [f32; 2] {
        [penalised_step(slots[0], gradient, rate, count, self.penalty), slots[1]]
    }

    #[inline(always)]
    fn fold(&self, slots: [f32; 2], _squared: f32) -> [f32; 2] {
        slots
    }

    #[inline(always)]
    fn batch_step(&self, slots: [f32; 2], gradient: f32, count: f32) -> [f32; 2] {
        self.step(slots, gradient, self.rate, count)
    }

    fn unpenalised(&self) -> Self {
        Self { penalty: Penalty::NONE, ..*self }
    }

    #[inline(always)]
    fn at(&self, t: u64) -> Self {
        if self.power_t == 0.0 {
            return *self;
        }
        Self { rate: scheduled_rate(self.learning_rate, self.power_t, t), ..*self }
    }

    #[inline(always)]
    fn is_cold(&self, _slots: [f32; 2]) -> bool {
        false
    }
}

/// AdaGrad.
#[derive(Debug, Clone, Copy)]
pub struct AdaGrad {
    learning_rate: f32,
    penalty: Penalty,
}

impl Rule for AdaGrad {
    #[inline(always)]
    fn weight(&self, slots: [f32; 2]) -> f32 {
        slots[0]
    }

    #[inline(always)]
    fn rate(&self, slots: [f32; 2], x: f32) -> f32 {
        self.learning_rate / (slots[1] + x * x + Optimizer::ADAGRAD_EPSILON).sqrt()
    }

    #[inline(always)]
    fn step(&self, slots: [f32; 2], gradient: f32, rate: f32, count: f32) -> [f32; 2] {
        [penalised_step(slots[0], gradient, rate, count, self.penalty), slots[1]]
    }

    #[inline(always)]
    fn fold(&self, slots: [f32; 2], squared: f32) -> [f32; 2] {
        [slots[0], slots[1] + squared]
    }

    #[inline(always)]
    fn batch_step(&self, slots: [f32; 2], gradient: f32, count: f32) -> [f32; 2] {
        let n = slots[1] + gradient * gradient;
        let rate = self.learning_rate / (n + Optimizer::ADAGRAD_EPSILON).sqrt();
        self.step([slots[0], n], gradient, rate, count)
    }

    fn unpenalised(&self) -> Self {
        Self { penalty: Penalty::NONE, ..*self }
    }

    #[inline(always)]
    fn at(&self, _t: u64) -> Self {
        *self
    }

    #[inline(always)]
    fn is_cold(&self, slots: [f32; 2]) -> bool {
        slots[1] == 0.0
    }
}

/// FTRL-Proximal.
#[derive(Debug, Clone, Copy)]
pub struct Ftrl {
    inverse_alpha: f32,
    beta: f32,
    penalty: Penalty,
}

impl Ftrl {
    /// The strength of the quadratic that holds the weight, for a sum of squared gradients `n`.
    #[inline(always)]
    fn strength(&self, n: f32) -> f32 {
        self.penalty.l2 + (self.beta + n.sqrt()) * self.inverse_alpha
    }
}

impl Rule for Ftrl {
    #[inline(always)]
    fn weight(&self, slots: [f32; 2]) -> f32 {
        -shrink(slots[0], self.penalty.l1) / self.strength(slots[1])
    }

    #[inline(always)]
    fn rate(&self, slots: [f32; 2], x: f32) -> f32 {
        1.0 / self.strength(slots[1] + x * x)
    }

    #[inline(always)]
    fn step(&self, slots: [f32; 2], gradient: f32, rate: f32, _count: f32) -> [f32; 2] {
        [slots[0] + gradient * (rate * self.strength(slots[1])), slots[1]]
    }

    #[inline(always)]
    fn fold(&self, slots: [f32; 2], squared: f32) -> [f32; 2] {
        let n = slots[1] + squared;
        let growth = (n.sqrt() - slots[1].sqrt()) * self.inverse_alpha;
        [slots[0] - growth * self.weight(slots), n]
    }

    #[inline(always)]
    fn batch_step(&self, slots: [f32; 2], gradient: f32, _count: f32) -> [f32; 2] {
        let folded = self.fold(slots, gradient * gradient);
        [folded[0] + gradient, folded[1]]
    }

    fn unpenalised(&self) -> Self {
        Self { penalty: Penalty::NONE, ..*self }
    }

    #[inline(always)]
    fn at(&self, _t: u64) -> Self {
        *self
    }

    #[inline(always)]
    fn is_cold(&self, slots: [f32; 2]) -> bool {
        slots[1] == 0.0
    }
}

/// Runs `$body` with `$rule` being the arithmetic of `$optimizer`.
macro_rules! with_rule {
    ($optimizer:expr, $penalty:expr, $rule:ident => $body:expr) => {
        match $optimizer {
            $crate::learner::Optimizer::Sgd { learning_rate, power_t } => {
                let $rule = $crate::learner::cpu::rule::sgd(learning_rate, power_t, $penalty);
                $body
            }
            $crate::learner::Optimizer::AdaGrad { learning_rate } => {
                let $rule = $crate::learner::cpu::rule::adagrad(learning_rate, $penalty);
                $body
            }
            $crate::learner::Optimizer::Ftrl { learning_rate, beta } => {
                let $rule = $crate::learner::cpu::rule::ftrl(learning_rate, beta, $penalty);
                $body
            }
        }
    };
}
pub(crate) use with_rule;

/// The rule of [`Optimizer::Sgd`].
pub fn sgd(learning_rate: f32, power_t: f32, penalty: Penalty) -> Sgd {
    Sgd { learning_rate, power_t, rate: learning_rate, penalty }
}

/// The rule of [`Optimizer::AdaGrad`].
pub fn adagrad(learning_rate: f32, penalty: Penalty) -> AdaGrad {
    AdaGrad { learning_rate, penalty }
}

/// The rule of [`Optimizer::Ftrl`].
pub fn ftrl(learning_rate: f32, beta: f32, penalty: Penalty) -> Ftrl {
    Ftrl { inverse_alpha: 1.0 / learning_rate, beta, penalty }
}

/// The weight that two stored floats stand for.
pub fn weight_of(optimizer: Optimizer, penalty: Penalty, slots: [f32; 2]) -> f32 {
    with_rule!(optimizer, penalty, rule => rule.weight(slots))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_squared_penalty_never_carries_a_weight_past_0(w in -10.0..10.0f32, rate in 1e-6..1e3f32, l2 in 0.0..1e6f32,
            count in prop_oneof![Just(1.0f32), 0.0..1e4f32]) {
            let [kept, _] = sgd(rate, 0.0, Penalty { l1: 0.0, l2 }).step([w, 0.0], 0.0, rate, count);
            prop_assert!(kept.abs() <= w.abs() && kept * w >= 0.0, "{w} became {kept}");
        }

        #[test]
        fn below_that_the_step_is_the_formula_s_to_the_bit(w in -10.0..10.0f32, g in -5.0..5.0f32, l2 in 0.0..5.0f32) {
            let penalty = Penalty { l1: 0.125, l2 };
            let [stepped, _] = adagrad(0.1, penalty).step([w, 4.0], g, 0.05, 3.0);
            prop_assert_eq!(stepped, shrink(w - 0.05 * (g + 3.0 * l2 * w), 3.0 * 0.05 * 0.125));
        }
    }
}
