//! Several numbers side by side, one of each learner of a block: what blocks ask of them beyond calculating, and the
//! version that every machine has.
//!
//! The wider ones are siblings: `avx512` and `avx2`.

use std::ops::{Add, Div, Mul, Sub};

use bytemuck::{Pod, Zeroable};

use crate::learner::cpu::number::{Number, ONE, Work};

/// Learners of a block.
pub(super) const SIDE: usize = 16;

/// A number of each learner of a block.
pub(super) trait Lanes: Number + Pod + Send {
    /// The numbers in a row.
    fn of(numbers: [f32; SIDE]) -> Self;

    /// Them again.
    fn numbers(self) -> [f32; SIDE];
}

/// A sum of each learner of a block, in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub(super) struct Sums(pub [f64; SIDE]);

impl Sums {
    /// Adds so many times a number of each.
    #[inline(always)]
    pub fn add<N: Lanes>(&mut self, numbers: N, times: f64) {
        for (sum, number) in self.0.iter_mut().zip(numbers.numbers()) {
            *sum += times * f64::from(number);
        }
    }

    /// Multiplies by 1 and a number of each.
    #[inline(always)]
    pub fn multiply<N: Lanes>(&mut self, numbers: N) {
        for (product, number) in self.0.iter_mut().zip(numbers.numbers()) {
            *product *= 1.0 + f64::from(number);
        }
    }
}

/// The rates of a block's schedules. Powers are costly, and learners of a block often share theirs.
pub(super) fn scheduled(rates: [f32; SIDE], powers: [f32; SIDE], t: u64) -> [f32; SIDE] {
    let mut of_power = (f32::NAN, 1.0);
    std::array::from_fn(|k| {
        if powers[k] != of_power.0 {
            of_power = (powers[k], libm::pow(1.0 + t as f64, -f64::from(powers[k])));
        }
        if powers[k] == 0.0 { rates[k] } else { (f64::from(rates[k]) * of_power.1) as f32 }
    })
}

/// What a function of two numbers gives, for each learner by itself.
pub(super) fn each<N: Lanes>(a: N, b: N, of: impl Fn(f32, f32) -> (f32, f32)) -> (N, N) {
    let (a, b) = (a.numbers(), b.numbers());
    let (mut first, mut second) = ([0.0; SIDE], [0.0; SIDE]);
    for k in 0..SIDE {
        (first[k], second[k]) = of(a[k], b[k]);
    }
    (N::of(first), N::of(second))
}

/// Writes the operators of a kind of lanes down, each as a function of two of them.
macro_rules! operators {
    ($lanes:ident { $($trait:ident $method:ident: |$a:ident, $b:ident| $of:expr;)* }) => {
        $(impl $trait for $lanes {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $of
            }
        })*
    };
}
pub(super) use operators;

/// Numbers in memory; the compiler makes of them what the machine has.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Plain([f32; SIDE]);

impl Plain {
    #[inline(always)]
    fn map(self, of: impl Fn(f32) -> f32) -> Self {
        Self(self.0.map(of))
    }

    #[inline(always)]
    fn zip(self, other: Self, of: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|k| of(self.0[k], other.0[k])))
    }
}

operators!(Plain {
    Add add: |a, b| a.zip(b, |a, b| a + b);
    Sub sub: |a, b| a.zip(b, |a, b| a - b);
    Mul mul: |a, b| a.zip(b, |a, b| a * b);
    Div div: |a, b| a.zip(b, |a, b| a / b);
});

impl Number for Plain {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; SIDE])
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(f32::sqrt)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.map(f32::abs)
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        self.zip(sign, f32::copysign)
    }

    #[inline(always)]
    fn less(self, than: Self, then: Self, otherwise: Self) -> Self {
        Self(std::array::from_fn(|k| if self.0[k] < than.0[k] { then.0[k] } else { otherwise.0[k] }))
    }

    #[inline(always)]
    fn within(self, bound: f32) -> Self {
        self.map(|x| x.clamp(-bound, bound))
    }

    #[inline(always)]
    fn power_of_two(shifted: Self) -> Self {
        shifted.map(|x| f32::from_bits((x.to_bits() << 23).wrapping_add(ONE)))
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        self.0.iter().all(|&x| x == 0.0)
    }

    #[inline(always)]
    fn scheduled(rate: Self, power_t: Self, t: u64) -> Self {
        Self(scheduled(rate.0, power_t.0, t))
    }

    #[inline(always)]
    fn each(a: Self, b: Self, of: impl Fn(f32, f32) -> (f32, f32)) -> (Self, Self) {
        each(a, b, of)
    }

    #[inline(always)]
    fn widely<W: Work>(work: W) -> W::Output {
        work.run()
    }
}

impl Lanes for Plain {
    #[inline(always)]
    fn of(numbers: [f32; SIDE]) -> Self {
        Self(numbers)
    }

    #[inline(always)]
    fn numbers(self) -> [f32; SIDE] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::optimizer::scheduled_rate;

    #[test]
    fn a_schedule_of_several_is_that_of_each() {
        let rates = std::array::from_fn(|k| 0.1 * k as f32);
        let powers = std::array::from_fn(|k| [0.0, 0.5, 0.5, 0.25][k % 4]);
        for t in [0, 1, 999] {
            let each = std::array::from_fn(|k| scheduled_rate(rates[k], powers[k], t));
            assert_eq!(scheduled(rates, powers, t).map(f32::to_bits), each.map(f32::to_bits));
        }
    }
}
