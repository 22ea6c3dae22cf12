//! What the kernels calculate with: one 32-bit float of one learner, or one of each of several learners.
//!
//! The kernels are written once, over [`Number`]. Every operation here rounds as the one of `f32` does and none is fused with
//! another, so a learner that learns among others has the bits of one that learns alone. It knows no learner.

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Sub};

use crate::learner::optimizer::scheduled_rate;

/// A number, or several side by side that are calculated with in the same way.
pub trait Number:
    Copy + Debug + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + 'static
{
    /// The same number in every place.
    fn splat(x: f32) -> Self;

    /// The root.
    fn sqrt(self) -> Self;

    /// Without its sign.
    fn abs(self) -> Self;

    /// With the sign of another.
    fn copysign(self, sign: Self) -> Self;

    /// `then` where `self` is less than `than`, else, and where one of them is not a number, `otherwise`.
    fn less(self, than: Self, then: Self, otherwise: Self) -> Self;

    /// Kept within plus and minus `bound`; what is not a number stays so.
    fn within(self, bound: f32) -> Self;

    /// `2^n` for a whole `n` of -126 to 127, given as `n + 1.5 * 2^23`.
    fn power_of_two(shifted: Self) -> Self;

    /// Whether it is 0, in every place.
    fn is_zero(self) -> bool;

    /// The rate of a schedule after `t` updates; see [`scheduled_rate`].
    fn scheduled(rate: Self, power_t: Self, t: u64) -> Self;

    /// What a function of two numbers gives, place by place: for what cannot be done to all at once.
    fn each(a: Self, b: Self, of: impl Fn(f32, f32) -> (f32, f32)) -> (Self, Self);

    /// Does work in the version compiled for the widest instructions that the machine has, and this number uses.
    fn widely<W: Work>(work: W) -> W::Output;
}

/// Something that is done many times over, and worth a version of its own for wide instructions.
pub trait Work {
    /// What it gives.
    type Output;

    /// Does it. To be inlined, so that the caller's instructions are used.
    fn run(self) -> Self::Output;
}

/// Work compiled for AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub(super) fn on_avx2<W: Work>(work: W) -> W::Output {
    work.run()
}

impl Number for f32 {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        x
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.abs()
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        self.copysign(sign)
    }

    #[inline(always)]
    fn less(self, than: Self, then: Self, otherwise: Self) -> Self {
        if self < than { then } else { otherwise }
    }

    #[inline(always)]
    fn within(self, bound: f32) -> Self {
        self.clamp(-bound, bound)
    }

    #[inline(always)]
    fn power_of_two(shifted: Self) -> Self {
        // The last bits of a float of this size are a whole number; the first eight behind the sign are an exponent.
        Self::from_bits((shifted.to_bits() << 23).wrapping_add(ONE))
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        self == 0.0
    }

    #[inline(always)]
    fn scheduled(rate: Self, power_t: Self, t: u64) -> Self {
        scheduled_rate(rate, power_t, t)
    }

    #[inline(always)]
    fn each(a: Self, b: Self, of: impl Fn(f32, f32) -> (f32, f32)) -> (Self, Self) {
        of(a, b)
    }

    #[inline(always)]
    fn widely<W: Work>(work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the line above has found the one feature that this version needs.
            #[allow(unsafe_code, reason = "calling a version for detected instructions")]
            return unsafe { on_avx2(work) };
        }
        work.run()
    }
}

/// The bits of 1.0.
pub(super) const ONE: u32 = 127 << 23;
