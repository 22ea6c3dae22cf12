//! Sixteen numbers in two registers of AVX2.
//!
//! No such number is made, and no work is done with one, but behind a look whether the machine has AVX2: that look is
//! `super::open`.
#![allow(unsafe_code, reason = "instructions of detected features; see what the file says of itself")]

use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Sub};

use bytemuck::{Pod, Zeroable};

use super::lanes::{Lanes, SIDE, each, operators, scheduled};
use crate::learner::cpu::number::{Number, ONE, Work, on_avx2};

/// Sixteen numbers.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Wide(__m256, __m256);

// SAFETY: zeros in all bits are sixteen zeros.
unsafe impl Zeroable for Wide {}

// SAFETY: any bits are sixteen numbers, and there are none between or behind them.
unsafe impl Pod for Wide {}

// SAFETY of all calls below: whoever has such a number has found AVX2.
operators!(Wide {
    Add add: |a, b| unsafe { Self(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) };
    Sub sub: |a, b| unsafe { Self(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) };
    Mul mul: |a, b| unsafe { Self(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) };
    Div div: |a, b| unsafe { Self(_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)) };
});

impl Number for Wide {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        let x = unsafe { _mm256_set1_ps(x) };
        Self(x, x)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        unsafe { Self(_mm256_sqrt_ps(self.0), _mm256_sqrt_ps(self.1)) }
    }

    #[inline(always)]
    fn abs(self) -> Self {
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            Self(_mm256_andnot_ps(sign, self.0), _mm256_andnot_ps(sign, self.1))
        }
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        unsafe {
            let (bit, size) = (_mm256_set1_ps(-0.0), self.abs());
            let (first, second) = (_mm256_and_ps(bit, sign.0), _mm256_and_ps(bit, sign.1));
            Self(_mm256_or_ps(size.0, first), _mm256_or_ps(size.1, second))
        }
    }

    #[inline(always)]
    fn less(self, than: Self, then: Self, otherwise: Self) -> Self {
        unsafe {
            let first = _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, than.0);
            let second = _mm256_cmp_ps::<_CMP_LT_OQ>(self.1, than.1);
            Self(_mm256_blendv_ps(otherwise.0, then.0, first), _mm256_blendv_ps(otherwise.1, then.1, second))
        }
    }

    #[inline(always)]
    fn within(self, bound: f32) -> Self {
        unsafe {
            let (low, high) = (_mm256_set1_ps(-bound), _mm256_set1_ps(bound));
            // Of two numbers of which one is none, both instructions give the second.
            let clamp = |x| _mm256_min_ps(high, _mm256_max_ps(low, x));
            Self(clamp(self.0), clamp(self.1))
        }
    }

    #[inline(always)]
    fn power_of_two(shifted: Self) -> Self {
        unsafe {
            let one = _mm256_set1_epi32(ONE as i32);
            let first = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted.0));
            let second = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted.1));
            let power = |exponent| _mm256_castsi256_ps(_mm256_add_epi32(exponent, one));
            Self(power(first), power(second))
        }
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        self.numbers().iter().all(|&x| x == 0.0)
    }

    #[inline(always)]
    fn scheduled(rate: Self, power_t: Self, t: u64) -> Self {
        Self::of(scheduled(rate.numbers(), power_t.numbers(), t))
    }

    #[inline(always)]
    fn each(a: Self, b: Self, of: impl Fn(f32, f32) -> (f32, f32)) -> (Self, Self) {
        each(a, b, of)
    }

    #[inline(always)]
    fn widely<W: Work>(work: W) -> W::Output {
        unsafe { on_avx2(work) }
    }
}

impl Lanes for Wide {
    #[inline(always)]
    fn of(numbers: [f32; SIDE]) -> Self {
        unsafe { Self(_mm256_loadu_ps(numbers.as_ptr()), _mm256_loadu_ps(numbers[8..].as_ptr())) }
    }

    #[inline(always)]
    fn numbers(self) -> [f32; SIDE] {
        let mut numbers = [0.0; SIDE];
        unsafe {
            _mm256_storeu_ps(numbers.as_mut_ptr(), self.0);
            _mm256_storeu_ps(numbers[8..].as_mut_ptr(), self.1);
        }
        numbers
    }
}
