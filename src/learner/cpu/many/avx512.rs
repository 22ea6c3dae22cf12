//! Sixteen numbers in one register of AVX-512.
//!
//! No such number is made, and no work is done with one, but behind a look whether the machine has AVX-512: that look is
//! `super::open`.
#![allow(unsafe_code, reason = "instructions of detected features; see what the file says of itself")]

use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Sub};

use bytemuck::{Pod, Zeroable};

use super::lanes::{Lanes, SIDE, each, operators, scheduled};
use crate::learner::cpu::number::{Number, ONE, Work};

/// Sixteen numbers.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(super) struct Wide(__m512);

// SAFETY: zeros in all bits are sixteen zeros.
unsafe impl Zeroable for Wide {}

// SAFETY: any bits are sixteen numbers, and there are none between or behind them.
unsafe impl Pod for Wide {}

// SAFETY of all calls below: whoever has such a number has found AVX-512.
operators!(Wide {
    Add add: |a, b| Self(unsafe { _mm512_add_ps(a.0, b.0) });
    Sub sub: |a, b| Self(unsafe { _mm512_sub_ps(a.0, b.0) });
    Mul mul: |a, b| Self(unsafe { _mm512_mul_ps(a.0, b.0) });
    Div div: |a, b| Self(unsafe { _mm512_div_ps(a.0, b.0) });
});

impl Number for Wide {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(unsafe { _mm512_abs_ps(self.0) })
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        unsafe {
            let bit = _mm512_and_si512(_mm512_castps_si512(sign.0), _mm512_set1_epi32(i32::MIN));
            Self(_mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(_mm512_abs_ps(self.0)), bit)))
        }
    }

    #[inline(always)]
    fn less(self, than: Self, then: Self, otherwise: Self) -> Self {
        unsafe {
            let is_less = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, than.0);
            Self(_mm512_mask_blend_ps(is_less, otherwise.0, then.0))
        }
    }

    #[inline(always)]
    fn within(self, bound: f32) -> Self {
        // Of two numbers of which one is none, both instructions give the second.
        unsafe { Self(_mm512_min_ps(_mm512_set1_ps(bound), _mm512_max_ps(_mm512_set1_ps(-bound), self.0))) }
    }

    #[inline(always)]
    fn power_of_two(shifted: Self) -> Self {
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted.0));
            Self(_mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(ONE as i32))))
        }
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, _mm512_setzero_ps()) == u16::MAX }
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
        unsafe { on_avx512(work) }
    }
}

/// Work compiled for AVX-512.
#[target_feature(enable = "avx512f")]
fn on_avx512<W: Work>(work: W) -> W::Output {
    work.run()
}

impl Lanes for Wide {
    #[inline(always)]
    fn of(numbers: [f32; SIDE]) -> Self {
        Self(unsafe { _mm512_loadu_ps(numbers.as_ptr()) })
    }

    #[inline(always)]
    fn numbers(self) -> [f32; SIDE] {
        let mut numbers = [0.0; SIDE];
        unsafe { _mm512_storeu_ps(numbers.as_mut_ptr(), self.0) };
        numbers
    }
}
