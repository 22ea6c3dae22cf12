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

use super::number::Number;
use crate::learner::{Optimizer, Penalty};

/// One optimizer's arithmetic on one coordinate, of one learner or of several side by side.
pub trait Rule<N: Number>: Copy {
    /// The same rule without penalties.
    type Free: Rule<N>;

    /// Whether the first slot is the weight itself, and nothing of the second is needed to move it.
    const HOLDS_WEIGHT: bool;

    /// What the weight needs of the second slot: it stands still in a micro-batch that is learned record by record.
    fn standing(&self, second: N) -> N;

    /// The weight of a first slot, beside what stands still.
    fn weight_beside(&self, first: N, standing: N) -> N;

    /// The first slot after one record's step with a frozen `rate`; `gradient` is the record's residual times `x`, `count`
    /// its weight.
    fn step_beside(&self, first: N, standing: N, gradient: N, rate: N, count: f32) -> N;

    /// The weight that `slots` stand for.
    #[inline(always)]
    fn weight(&self, slots: [N; 2]) -> N {
        self.weight_beside(slots[0], self.standing(slots[1]))
    }

    /// One record's step with a frozen `rate`, as above.
    #[inline(always)]
    fn step(&self, slots: [N; 2], gradient: N, rate: N, count: f32) -> [N; 2] {
        [self.step_beside(slots[0], self.standing(slots[1]), gradient, rate, count), slots[1]]
    }

    /// How far the weight moves per unit of gradient while rates stand still, for a feature value `x`.
    fn rate(&self, slots: [N; 2], x: f32) -> N;

    /// Folds the squared gradients of a micro-batch into the slots, leaving the weight unchanged.
    fn fold(&self, slots: [N; 2], squared: N) -> [N; 2];

    /// One whole step on a summed gradient.
    fn batch_step(&self, slots: [N; 2], gradient: N, count: f32) -> [N; 2];

    /// The same rule without penalties, for the bias.
    fn unpenalised(&self) -> Self::Free;

    /// The same rule after `t` updates; only schedules change.
    fn at(&self, t: u64) -> Self;

    /// Whether the rate of a coordinate adapts and has seen no gradient yet.
    fn is_cold(&self, slots: [N; 2]) -> bool;
}

/// The penalties' part in a rule: they are there, or they are not and cost nothing.
pub trait Pull<N: Number>: Copy {
    /// SGD's and AdaGrad's step of a weight at a given rate.
    fn step(self, weight: N, gradient: N, rate: N, count: f32) -> N;

    /// What FTRL's `z` is beyond the absolute penalty.
    fn beyond(self, z: N) -> N;

    /// What the squared penalty adds to the strength that holds FTRL's weight.
    fn hold(self, strength: N) -> N;
}

/// No penalties at all. The bits are those of [`Penalised`] with penalties of 0, as long as weights are finite.
#[derive(Debug, Clone, Copy)]
pub struct Unpenalised;

impl<N: Number> Pull<N> for Unpenalised {
    #[inline(always)]
    fn step(self, weight: N, gradient: N, rate: N, _count: f32) -> N {
        weight - rate * gradient
    }

    #[inline(always)]
    fn beyond(self, z: N) -> N {
        z
    }

    #[inline(always)]
    fn hold(self, strength: N) -> N {
        strength
    }
}

/// Penalties, of each learner its own.
#[derive(Debug, Clone, Copy)]
pub struct Penalised<N> {
    l1: N,
    l2: N,
}

impl<N: Number> Pull<N> for Penalised<N> {
    /// The squared penalty pulls a weight to 0 and never past it: beyond `rate c l2 = 1` every step would throw it further
    /// to the other side, whatever the data say.
    #[inline(always)]
    fn step(self, weight: N, gradient: N, rate: N, count: f32) -> N {
        let count = N::splat(count);
        let strength = count * self.l2;
        let pulled = N::splat(1.0).less(rate * strength, N::splat(0.0), weight);
        let pull = gradient + strength * pulled;
        shrink(pulled - rate * pull, count * rate * self.l1)
    }

    #[inline(always)]
    fn beyond(self, z: N) -> N {
        shrink(z, self.l1)
    }

    #[inline(always)]
    fn hold(self, strength: N) -> N {
        self.l2 + strength
    }
}

/// `x` moved towards 0 by `amount`, and no further than 0; what is not a number stays so, to be seen and refused.
#[inline(always)]
pub fn shrink<N: Number>(x: N, amount: N) -> N {
    let size = x.abs() - amount;
    size.less(N::splat(0.0), N::splat(0.0), size).copysign(x)
}

/// Stochastic gradient descent.
#[derive(Debug, Clone, Copy)]
pub struct Sgd<N, P> {
    learning_rate: N,
    power_t: N,
    rate: N,
    pull: P,
}

impl<N: Number, P: Pull<N>> Rule<N> for Sgd<N, P> {
    type Free = Sgd<N, Unpenalised>;

    const HOLDS_WEIGHT: bool = true;

    #[inline(always)]
    fn standing(&self, second: N) -> N {
        second
    }

    #[inline(always)]
    fn weight_beside(&self, first: N, _standing: N) -> N {
        first
    }

    #[inline(always)]
    fn rate(&self, _slots: [N; 2], _x: f32) -> N {
        self.rate
    }

    #[inline(always)]
    fn step_beside(&self, first: N, _standing: N, gradient: N, rate: N, count: f32) -> N {
        self.pull.step(first, gradient, rate, count)
    }

    #[inline(always)]
    fn fold(&self, slots: [N; 2], _squared: N) -> [N; 2] {
        slots
    }

    #[inline(always)]
    fn batch_step(&self, slots: [N; 2], gradient: N, count: f32) -> [N; 2] {
        self.step(slots, gradient, self.rate, count)
    }

    #[inline(always)]
    fn unpenalised(&self) -> Self::Free {
        let Self { learning_rate, power_t, rate, pull: _ } = *self;
        Sgd { learning_rate, power_t, rate, pull: Unpenalised }
    }

    #[inline(always)]
    fn at(&self, t: u64) -> Self {
        if self.power_t.is_zero() {
            return *self;
        }
        Self { rate: N::scheduled(self.learning_rate, self.power_t, t), ..*self }
    }

    #[inline(always)]
    fn is_cold(&self, _slots: [N; 2]) -> bool {
        false
    }
}

/// AdaGrad.
#[derive(Debug, Clone, Copy)]
pub struct AdaGrad<N, P> {
    learning_rate: N,
    pull: P,
}

impl<N: Number, P: Pull<N>> Rule<N> for AdaGrad<N, P> {
    type Free = AdaGrad<N, Unpenalised>;

    const HOLDS_WEIGHT: bool = true;

    #[inline(always)]
    fn standing(&self, second: N) -> N {
        second
    }

    #[inline(always)]
    fn weight_beside(&self, first: N, _standing: N) -> N {
        first
    }

    #[inline(always)]
    fn rate(&self, slots: [N; 2], x: f32) -> N {
        self.learning_rate / (slots[1] + N::splat(x * x) + N::splat(Optimizer::ADAGRAD_EPSILON)).sqrt()
    }

    #[inline(always)]
    fn step_beside(&self, first: N, _standing: N, gradient: N, rate: N, count: f32) -> N {
        self.pull.step(first, gradient, rate, count)
    }

    #[inline(always)]
    fn fold(&self, slots: [N; 2], squared: N) -> [N; 2] {
        [slots[0], slots[1] + squared]
    }

    #[inline(always)]
    fn batch_step(&self, slots: [N; 2], gradient: N, count: f32) -> [N; 2] {
        let n = slots[1] + gradient * gradient;
        let rate = self.learning_rate / (n + N::splat(Optimizer::ADAGRAD_EPSILON)).sqrt();
        self.step([slots[0], n], gradient, rate, count)
    }

    #[inline(always)]
    fn unpenalised(&self) -> Self::Free {
        AdaGrad { learning_rate: self.learning_rate, pull: Unpenalised }
    }

    #[inline(always)]
    fn at(&self, _t: u64) -> Self {
        *self
    }

    #[inline(always)]
    fn is_cold(&self, slots: [N; 2]) -> bool {
        slots[1].is_zero()
    }
}

/// FTRL-Proximal.
#[derive(Debug, Clone, Copy)]
pub struct Ftrl<N, P> {
    inverse_alpha: N,
    beta: N,
    pull: P,
}

impl<N: Number, P: Pull<N>> Ftrl<N, P> {
    /// The strength of the quadratic that holds the weight, for a sum of squared gradients `n`.
    #[inline(always)]
    fn strength(&self, n: N) -> N {
        self.pull.hold((self.beta + n.sqrt()) * self.inverse_alpha)
    }
}

impl<N: Number, P: Pull<N>> Rule<N> for Ftrl<N, P> {
    type Free = Ftrl<N, Unpenalised>;

    const HOLDS_WEIGHT: bool = false;

    #[inline(always)]
    fn standing(&self, second: N) -> N {
        self.strength(second)
    }

    #[inline(always)]
    fn weight_beside(&self, first: N, standing: N) -> N {
        self.pull.beyond(first) * N::splat(-1.0) / standing
    }

    #[inline(always)]
    fn rate(&self, slots: [N; 2], x: f32) -> N {
        N::splat(1.0) / self.strength(slots[1] + N::splat(x * x))
    }

    #[inline(always)]
    fn step_beside(&self, first: N, standing: N, gradient: N, rate: N, _count: f32) -> N {
        first + gradient * (rate * standing)
    }

    #[inline(always)]
    fn fold(&self, slots: [N; 2], squared: N) -> [N; 2] {
        let n = slots[1] + squared;
        let growth = (n.sqrt() - slots[1].sqrt()) * self.inverse_alpha;
        [slots[0] - growth * self.weight(slots), n]
    }

    #[inline(always)]
    fn batch_step(&self, slots: [N; 2], gradient: N, _count: f32) -> [N; 2] {
        let folded = self.fold(slots, gradient * gradient);
        [folded[0] + gradient, folded[1]]
    }

    #[inline(always)]
    fn unpenalised(&self) -> Self::Free {
        Ftrl { inverse_alpha: self.inverse_alpha, beta: self.beta, pull: Unpenalised }
    }

    #[inline(always)]
    fn at(&self, _t: u64) -> Self {
        *self
    }

    #[inline(always)]
    fn is_cold(&self, slots: [N; 2]) -> bool {
        slots[1].is_zero()
    }
}

/// The parameters of a rule, of each learner its own; those that a rule does not know are 0.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<N> {
    learning_rate: N,
    power_t: N,
    beta: N,
    penalty: Penalised<N>,
}

impl Parameters<f32> {
    /// One learner's.
    pub fn of(optimizer: Optimizer, penalty: Penalty) -> Self {
        let (power_t, beta) = match optimizer {
            Optimizer::Sgd { power_t, .. } => (power_t, 0.0),
            Optimizer::AdaGrad { .. } => (0.0, 0.0),
            Optimizer::Ftrl { beta, .. } => (0.0, beta),
        };
        let penalty = Penalised { l1: penalty.l1, l2: penalty.l2 };
        Self { learning_rate: optimizer.learning_rate(), power_t, beta, penalty }
    }
}

impl<N: Number> Parameters<N> {
    /// Several learners' side by side; `gather` puts one number of each together.
    pub fn gathered(gather: impl Fn(&dyn Fn(&Parameters<f32>) -> f32) -> N) -> Self {
        let penalty = Penalised { l1: gather(&|one| one.penalty.l1), l2: gather(&|one| one.penalty.l2) };
        let (learning_rate, power_t) = (gather(&|one| one.learning_rate), gather(&|one| one.power_t));
        Self { learning_rate, power_t, beta: gather(&|one| one.beta), penalty }
    }

    /// The rule of [`Optimizer::Sgd`] without penalties.
    pub fn sgd(self) -> Sgd<N, Unpenalised> {
        let Self { learning_rate, power_t, .. } = self;
        Sgd { learning_rate, power_t, rate: learning_rate, pull: Unpenalised }
    }

    /// The rule of [`Optimizer::AdaGrad`] without penalties.
    pub fn adagrad(self) -> AdaGrad<N, Unpenalised> {
        AdaGrad { learning_rate: self.learning_rate, pull: Unpenalised }
    }

    /// The rule of [`Optimizer::Ftrl`] without penalties.
    pub fn ftrl(self) -> Ftrl<N, Unpenalised> {
        Ftrl { inverse_alpha: N::splat(1.0) / self.learning_rate, beta: self.beta, pull: Unpenalised }
    }

    /// The rule of [`Optimizer::Sgd`] with its penalties.
    pub fn penalised_sgd(self) -> Sgd<N, Penalised<N>> {
        let Self { learning_rate, power_t, penalty, .. } = self;
        Sgd { learning_rate, power_t, rate: learning_rate, pull: penalty }
    }

    /// The rule of [`Optimizer::AdaGrad`] with its penalties.
    pub fn penalised_adagrad(self) -> AdaGrad<N, Penalised<N>> {
        AdaGrad { learning_rate: self.learning_rate, pull: self.penalty }
    }

    /// The rule of [`Optimizer::Ftrl`] with its penalties.
    pub fn penalised_ftrl(self) -> Ftrl<N, Penalised<N>> {
        Ftrl { inverse_alpha: N::splat(1.0) / self.learning_rate, beta: self.beta, pull: self.penalty }
    }
}

/// Runs `$body` with `$rule` being the arithmetic of `$optimizer` with `$parameters`, with penalties or without.
macro_rules! with_rule {
    ($optimizer:expr, $is_penalised:expr, $parameters:expr, $rule:ident => $body:expr) => {
        match ($optimizer, $is_penalised) {
            ($crate::learner::Optimizer::Sgd { .. }, false) => {
                let $rule = $parameters.sgd();
                $body
            }
            ($crate::learner::Optimizer::AdaGrad { .. }, false) => {
                let $rule = $parameters.adagrad();
                $body
            }
            ($crate::learner::Optimizer::Ftrl { .. }, false) => {
                let $rule = $parameters.ftrl();
                $body
            }
            ($crate::learner::Optimizer::Sgd { .. }, true) => {
                let $rule = $parameters.penalised_sgd();
                $body
            }
            ($crate::learner::Optimizer::AdaGrad { .. }, true) => {
                let $rule = $parameters.penalised_adagrad();
                $body
            }
            ($crate::learner::Optimizer::Ftrl { .. }, true) => {
                let $rule = $parameters.penalised_ftrl();
                $body
            }
        }
    };
    ($optimizer:expr, $penalty:expr, $rule:ident => $body:expr) => {{
        let (optimizer, penalty) = ($optimizer, $penalty);
        let parameters = $crate::learner::cpu::rule::Parameters::of(optimizer, penalty);
        $crate::learner::cpu::rule::with_rule!(
            optimizer, penalty != $crate::learner::Penalty::NONE, parameters, $rule => $body
        )
    }};
}
pub(crate) use with_rule;

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
            let sgd = Optimizer::Sgd { learning_rate: rate, power_t: 0.0 };
            let [kept, _] = Parameters::of(sgd, Penalty { l1: 0.0, l2 }).penalised_sgd().step([w, 0.0], 0.0, rate, count);
            prop_assert!(kept.abs() <= w.abs() && kept * w >= 0.0, "{w} became {kept}");
        }

        #[test]
        fn below_that_the_step_is_the_formula_s_to_the_bit(w in -10.0..10.0f32, g in -5.0..5.0f32, l2 in 0.0..5.0f32) {
            let penalty = Penalty { l1: 0.125, l2 };
            let adagrad = Optimizer::AdaGrad { learning_rate: 0.1 };
            let [stepped, _] = Parameters::of(adagrad, penalty).penalised_adagrad().step([w, 4.0], g, 0.05, 3.0);
            prop_assert_eq!(stepped, shrink(w - 0.05 * (g + 3.0 * l2 * w), 3.0 * 0.05 * 0.125));
        }

        #[test]
        fn no_penalties_are_penalties_of_0_to_the_bit(w in prop_oneof![Just(0.0f32), Just(-0.0), -10.0..10.0f32],
            g in prop_oneof![Just(0.0f32), Just(-0.0), -5.0..5.0f32], n in 0.0..9.0f32, count in 0.1..3.0f32) {
            for optimizer in [
                Optimizer::Sgd { learning_rate: 0.1, power_t: 0.0 },
                Optimizer::AdaGrad { learning_rate: 0.1 },
                Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 },
            ] {
                let all = |is_penalised| with_rule!(optimizer, is_penalised, Parameters::of(optimizer, Penalty::NONE), rule => {
                    let rate = rule.rate([w, n], 1.5);
                    let steps = [rule.step([w, n], g, rate, count), rule.fold([w, n], g * g), rule.batch_step([w, n], g, count)];
                    (rule.weight([w, n]).to_bits(), rate.to_bits(), steps.map(|slots| slots.map(f32::to_bits)))
                });
                prop_assert_eq!(all(false), all(true));
            }
        }
    }
}
