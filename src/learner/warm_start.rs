//! A model under another rule: takes weights with one optimizer's slots, gives the same weights with another's.
//!
//! What was learned is kept: a weight after is the weight before, within the rounding of the slot that holds it. It
//! never moves a weight, and a step without a gradient leaves the result where it is.

use super::{Model, Optimizer, Penalty};
use crate::learner::cpu::rule;

impl Model {
    /// The same model for another rule: weights and sums of squared gradients are kept, the slots are the new rule's.
    ///
    /// AdaGrad and FTRL share `n`, the sum of squared gradients. SGD has none: from it `n` starts at 0, so that the
    /// first steps are as large as a new model's. FTRL's `z` is the one whose closed form gives the weight,
    /// `z = -w (l2 + (beta + sqrt n) / alpha) - sign(w) l1`; a weight of 0 keeps what FTRL knew of it, within the
    /// `l1` that keeps it 0. The bias has no penalty. With the same rule and penalty nothing changes.
    ///
    /// ```
    /// use tidemill::learner::{Model, Optimizer, Penalty, Shape};
    /// let adagrad = Optimizer::AdaGrad { learning_rate: 0.1 };
    /// let mut model = Model::new(Shape { numeric: 0, hash_bits: 2 }, adagrad, Penalty::NONE);
    /// model.table[3] = [0.5, 4.0];
    /// let ftrl = model.for_rule(Optimizer::Ftrl { learning_rate: 0.5, beta: 1.0 }, Penalty { l1: 1.0, l2: 2.0 });
    /// assert_eq!(ftrl.table[3], [-0.5 * (2.0 + (1.0 + 2.0) / 0.5) - 1.0, 4.0]);
    /// assert_eq!(ftrl.hashed_weights(), [0.0, 0.0, 0.0, 0.5]);
    /// ```
    #[must_use]
    pub fn for_rule(mut self, optimizer: Optimizer, penalty: Penalty) -> Self {
        if (self.optimizer, self.penalty) == (optimizer, penalty) {
            return self;
        }
        let (from, to) = ((self.optimizer, self.penalty), (optimizer, penalty));
        for (a, b) in self.dense_a.iter_mut().zip(&mut self.dense_b).take(self.numeric) {
            [*a, *b] = converted([*a, *b], from, to);
        }
        self.table.iter_mut().for_each(|slots| *slots = converted(*slots, from, to));
        self.bias = converted(self.bias, (from.0, Penalty::NONE), (optimizer, Penalty::NONE));
        Self { optimizer, penalty, ..self }
    }
}

impl Model {
    /// The same model, whose bias alone would predict this share of positives: `ln(p / (1 - p))`, which has no slots yet.
    ///
    /// ```
    /// use tidemill::learner::{Model, Optimizer, Penalty, Shape};
    /// let adagrad = Optimizer::AdaGrad { learning_rate: 0.1 };
    /// let model = Model::new(Shape { numeric: 0, hash_bits: 2 }, adagrad, Penalty::NONE).with_prior(0.01);
    /// assert!((model.bias_weight() + 4.595_12).abs() < 1e-5);
    /// ```
    #[must_use]
    pub fn with_prior(self, share: f64) -> Self {
        let logit = libm::log(share / (1.0 - share)) as f32;
        let plain = (Optimizer::Sgd { learning_rate: 1.0, power_t: 0.0 }, Penalty::NONE);
        let bias = converted([logit, 0.0], plain, (self.optimizer, Penalty::NONE));
        Self { bias, ..self }
    }
}

/// The slots of one coordinate under another rule.
fn converted(slots: [f32; 2], from: (Optimizer, Penalty), to: (Optimizer, Penalty)) -> [f32; 2] {
    let weight = rule::weight_of(from.0, from.1, slots);
    let squared = if matches!(from.0, Optimizer::Sgd { .. }) { 0.0 } else { slots[1] };
    match to.0 {
        Optimizer::Sgd { .. } => [weight, 0.0],
        Optimizer::AdaGrad { .. } => [weight, squared],
        Optimizer::Ftrl { learning_rate, beta } => {
            let resting = if matches!(from.0, Optimizer::Ftrl { .. }) { slots[0] } else { 0.0 };
            [ftrl_z(weight, squared, resting, (learning_rate, beta), to.1), squared]
        }
    }
}

/// FTRL's `z` for a weight; `resting` is the `z` of a weight of 0. In 64 bits: the sum is rounded once.
fn ftrl_z(weight: f32, squared: f32, resting: f32, (alpha, beta): (f32, f32), penalty: Penalty) -> f32 {
    if weight == 0.0 {
        return resting.clamp(-penalty.l1, penalty.l1);
    }
    let strength = f64::from(penalty.l2) + (f64::from(beta) + f64::from(squared).sqrt()) / f64::from(alpha);
    let z = f64::from(weight) * strength + f64::from(penalty.l1.copysign(weight));
    -z as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::Shape;
    use crate::learner::cpu::rule::{Rule, with_rule};
    use proptest::prelude::*;

    type Parameters = (Optimizer, Penalty);

    fn parameters() -> impl Strategy<Value = Parameters> {
        let optimizer = prop_oneof![
            (1e-4..10.0f32, 0.0..1.0f32).prop_map(|(learning_rate, power_t)| Optimizer::Sgd { learning_rate, power_t }),
            (1e-4..10.0f32).prop_map(|learning_rate| Optimizer::AdaGrad { learning_rate }),
            (1e-4..10.0f32, 1e-3..2.0f32).prop_map(|(learning_rate, beta)| Optimizer::Ftrl { learning_rate, beta }),
        ];
        let strength = || prop_oneof![Just(0.0), 0.0..10.0f32];
        (optimizer, strength(), strength()).prop_map(|(optimizer, l1, l2)| (optimizer, Penalty { l1, l2 }))
    }

    fn model((optimizer, penalty): Parameters, slots: &[(f32, f32)]) -> Model {
        let mut model = Model::new(Shape { numeric: 3, hash_bits: 3 }, optimizer, penalty);
        let mut slots = slots.iter().map(|&(a, n)| {
            let b = if matches!(optimizer, Optimizer::Sgd { .. }) { 0.0 } else { n };
            [a, b]
        });
        model.table.fill_with(|| slots.next().unwrap());
        (0..3).for_each(|at| [model.dense_a[at], model.dense_b[at]] = slots.next().unwrap());
        model.bias = slots.next().unwrap();
        (model.updates, model.learned) = (7, 5);
        model
    }

    fn weights(model: &Model) -> Vec<f32> {
        [model.dense_weights(), model.hashed_weights(), vec![model.bias_weight()]].concat()
    }

    /// Slots in the order of [`weights`], with the penalty of each.
    fn slots(model: &Model) -> Vec<([f32; 2], Penalty)> {
        let dense = model.dense_a.iter().zip(&model.dense_b).take(model.numeric).map(|(&a, &b)| [a, b]);
        let penalised = dense.chain(model.table.iter().copied()).map(|slots| (slots, model.penalty));
        penalised.chain([(model.bias, Penalty::NONE)]).collect()
    }

    /// How far a weight may be off: a few units in its last place, and the last place of the `z` that it is read from.
    fn rounding(model: &Model, weight: f32, (slots, penalty): ([f32; 2], Penalty)) -> f32 {
        let own = 4.0 * f32::EPSILON * weight.abs();
        match model.optimizer {
            Optimizer::Ftrl { learning_rate, beta } => {
                let strength = penalty.l2 + (beta + slots[1].sqrt()) / learning_rate;
                own + f32::EPSILON * slots[0].abs() / strength
            }
            _ => own,
        }
    }

    fn drawn() -> impl Strategy<Value = Vec<(f32, f32)>> {
        let first = prop_oneof![1 => Just(0.0f32), 8 => -20.0..20.0f32];
        prop::collection::vec((first, prop_oneof![1 => Just(0.0f32), 8 => 0.0..1e4f32]), 12)
    }

    proptest! {
        #[test]
        fn another_rule_keeps_the_weights(from in parameters(), to in parameters(), drawn in drawn()) {
            let before = model(from, &drawn);
            let after = before.clone().for_rule(to.0, to.1);
            prop_assert_eq!((after.optimizer, after.penalty, after.updates, after.learned), (to.0, to.1, 7, 5));
            let pairs = weights(&before).into_iter().zip(weights(&after)).zip(slots(&after));
            for ((before, now), slots) in pairs {
                prop_assert!((before - now).abs() <= rounding(&after, before, slots), "{before} became {now}");
            }
        }

        #[test]
        fn a_step_without_a_gradient_leaves_them_there(from in parameters(), to in parameters(), drawn in drawn()) {
            let after = model(from, &drawn).for_rule(to.0, to.1);
            for (weight, (slots, penalty)) in weights(&after).into_iter().zip(slots(&after)) {
                // Untouched: penalties of SGD and AdaGrad act on what a record touches.
                let stepped = with_rule!(to.0, penalty, rule => {
                    let rate = rule.rate(slots, 1.0);
                    let record = rule.fold(rule.step(slots, 0.0, rate, 0.0), 0.0);
                    [rule.weight(record), rule.weight(rule.batch_step(slots, 0.0, 0.0))]
                });
                prop_assert_eq!(stepped, [weight; 2]);
            }
        }

        #[test]
        fn the_same_rule_changes_nothing(rule in parameters(), drawn in drawn()) {
            let model = model(rule, &drawn);
            prop_assert_eq!(model.clone().for_rule(rule.0, rule.1), model);
        }

        #[test]
        fn a_weight_that_l1_holds_at_0_stays_there(l1 in 0.0..2.0f32, drawn in drawn()) {
            let ftrl = Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 };
            let before = model((ftrl, Penalty { l1: 5.0, l2: 0.0 }), &drawn);
            let after = before.clone().for_rule(ftrl, Penalty { l1, l2: 1.0 });
            for ((old, now), weight) in slots(&before).into_iter().zip(slots(&after)).zip(weights(&before)) {
                if weight == 0.0 {
                    prop_assert_eq!(now.0, [old.0[0].clamp(-now.1.l1, now.1.l1), old.0[1]]);
                }
            }
        }
    }

    #[test]
    fn sums_of_squared_gradients_go_from_adagrad_to_ftrl_and_back() {
        let (adagrad, ftrl) =
            (Optimizer::AdaGrad { learning_rate: 0.1 }, Optimizer::Ftrl { learning_rate: 0.5, beta: 1.0 });
        let before = model((adagrad, Penalty::NONE), &[(0.25, 9.0); 12]);
        let after = before.clone().for_rule(ftrl, Penalty::NONE).for_rule(adagrad, Penalty::NONE);
        assert_eq!(after, before);
        let through_sgd = before.for_rule(Optimizer::Sgd { learning_rate: 0.1, power_t: 0.0 }, Penalty::NONE);
        assert_eq!(through_sgd.for_rule(adagrad, Penalty::NONE).bias, [0.25, 0.0]);
    }
}
