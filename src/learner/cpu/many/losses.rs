//! The progressive log loss of each learner of a block, added up while predictions are made.
//!
//! A loss is `max(-sz, 0) + ln(1 + e^-|z|)`, `s` being the sign of the label. The first part is exact. Of the second,
//! `e^-|z|` is the 32-bit one of the prediction, off by less than 1e-7 of itself to either side, and the logarithm is one
//! of the product of many records' `1 + e^-|z|`: all in all the sum is within 1e-7 of that of a learner that learns alone,
//! whose metrics calculate in 64 bits.

use super::lanes::{Lanes, SIDE, Sums};
use crate::learner::cpu::Watch;

/// Records of one product: each at most doubles it, which stays far from overflow.
const ROWS: u32 = 512;

/// The losses of a block.
#[derive(Debug, Clone)]
pub(super) struct Losses {
    /// Those that have been added up.
    sum: Sums,
    /// Of either label: records of one weight often share it with those of their class alone.
    open: [Product; 2],
}

/// A product of `1 + e^-|z|` over records of one weight.
#[derive(Debug, Clone)]
struct Product {
    weight: f32,
    rows: u32,
    product: Sums,
}

impl Default for Product {
    fn default() -> Self {
        Self { weight: 1.0, rows: 0, product: Sums([1.0; SIDE]) }
    }
}

impl Default for Losses {
    fn default() -> Self {
        Self { sum: Sums([0.0; SIDE]), open: Default::default() }
    }
}

impl Losses {
    /// The sum of each learner.
    pub fn sums(&self) -> [f64; SIDE] {
        let mut closed = self.clone();
        closed.close(0);
        closed.close(1);
        closed.sum.0
    }

    /// Losses that go on from these sums.
    pub fn from(sums: [f64; SIDE]) -> Self {
        Self { sum: Sums(sums), ..Self::default() }
    }

    #[cold]
    fn close(&mut self, label: usize) {
        let Product { weight, rows: _, product } = std::mem::take(&mut self.open[label]);
        for (sum, product) in self.sum.0.iter_mut().zip(product.0) {
            *sum += f64::from(weight) * libm::log(product);
        }
    }
}

impl<N: Lanes> Watch<N> for Losses {
    const WANTED: bool = true;

    #[inline(always)]
    fn see(&mut self, logit: N, decay: N, label: f32, weight: f32) {
        let is_positive = label > 0.5;
        let zero = N::splat(0.0);
        let missed = if is_positive { zero - logit } else { logit };
        // Written so that what is not a number stays so.
        self.sum.add(missed.less(zero, zero, missed), f64::from(weight));
        let open = &self.open[usize::from(is_positive)];
        if open.weight != weight || open.rows == ROWS {
            self.close(usize::from(is_positive));
        }
        let open = &mut self.open[usize::from(is_positive)];
        (open.weight, open.rows) = (weight, open.rows + 1);
        open.product.multiply(decay);
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Plain;
    use super::*;
    use crate::learner::cpu::decay;
    use crate::metric::log_loss::log_loss;

    #[test]
    fn sums_are_those_of_64_bits_for_any_weights_and_labels() {
        let mut losses = Losses::default();
        let mut exact = [0.0; SIDE];
        for at in 0..5000_u32 {
            let logit: [f32; SIDE] =
                std::array::from_fn(|k| (at * 31 + 7 * k as u32) as f32 % 61.0 - 30.0 + 0.01 * at as f32 % 1.0);
            let (label, weight) = (f32::from(u8::from(at % 3 == 0)), [1.0, 1.0, 2.5, 0.1][at as usize / 1300 % 4]);
            let (label, weight) = if at > 4000 { (label, 1.0 + label) } else { (label, weight) };
            losses.see(Plain::of(logit), decay(Plain::of(logit)), label, weight);
            for k in 0..SIDE {
                exact[k] += f64::from(weight) * log_loss(logit[k].into(), label.into());
            }
        }
        for (sum, exact) in losses.sums().into_iter().zip(exact) {
            assert!((sum - exact).abs() <= 1e-7 * exact, "{sum} {exact}");
        }
    }
}
