//! What each value of a categorical column adds to the logit: takes a popularity and a spread; gives one number a value.
//!
//! Effects start with mean 0 over the records, so that the base rate hardly depends on the seed. They never leave their
//! spread, however long they wander.

use super::rng::{Popularity, Rng};

/// One number a value of a column.
#[derive(Debug)]
pub(super) struct Effects {
    value: Vec<f64>,
    spread: f64,
}

impl Effects {
    /// Normal effects with standard deviation `spread`, for the values that `popularity` draws.
    pub(super) fn new(rng: &mut Rng, popularity: &Popularity, spread: f64) -> Self {
        let mut value: Vec<f64> = (0..popularity.len()).map(|_| spread * rng.normal()).collect();
        let mean = popularity.mean(&value);
        value.iter_mut().for_each(|value| *value -= mean);
        Self { value, spread }
    }

    /// The effect of value `index`.
    #[inline(always)]
    pub(super) fn of(&self, index: usize) -> f64 {
        self.value[index]
    }

    /// Gives value `index` a fresh effect.
    pub(super) fn renew(&mut self, rng: &mut Rng, index: usize) {
        self.value[index] = self.spread * rng.normal();
    }

    /// One step of an Ornstein-Uhlenbeck walk: after `memory` steps an effect has forgotten all but `1/e` of itself.
    pub(super) fn wander(&mut self, rng: &mut Rng, memory: f64) {
        let keep = 1.0 - 1.0 / memory;
        let step = self.spread * libm::sqrt(1.0 - keep * keep);
        for value in &mut self.value {
            *value = keep * *value + step * rng.normal();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_start_with_mean_zero_and_keep_their_spread_while_they_wander() {
        let (mut rng, popularity) = (Rng::new(1, 0), Popularity::zipf(2_000, 0.8));
        let mut effects = Effects::new(&mut rng, &popularity, 0.5);
        assert!(popularity.mean(&effects.value).abs() < 1e-12);
        (0..200).for_each(|_| effects.wander(&mut rng, 50.0));
        let variance = effects.value.iter().map(|value| value * value).sum::<f64>() / 2_000.0;
        // Relative standard error of a variance over 2,000: sqrt(2 / 2,000) = 0.032; five of them.
        assert!((variance / 0.25 - 1.0).abs() < 0.16, "{variance}");
    }
}
