//! `e^x` for `x` up to 0: takes the negated size of a logit, gives a number of 0 to 1, for one learner or several at once.
//!
//! Without branches, so that several are calculated at once, and in the same operations for one and for several. The
//! exponent is taken out in whole powers of two (Cody and Waite 1980), the rest is a polynomial whose coefficients have
//! the least relative error, 3e-9, up to half of ln 2. Off by 1.3 units in the last place at most.

use super::number::Number;

/// What lies below counts as this: the last whole power of two that is no denormal number.
const LEAST: f32 = -87.0;
/// Added to a number of less than `2^22`, this leaves it rounded to a whole one in the last bits.
const ROUNDER: f32 = 12_582_912.0; // 1.5 * 2^23
/// ln 2 in two parts; the first has so few bits that its products with the exponents are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// `(e^r - 1 - r) / r^2` as a polynomial, from its constant on.
const CURVE: [f32; 5] = [0.499_999_94, 0.166_665_21, 0.041_668_39, 0.008_368_745, 0.001_381_453_8];

/// `e^x` for `x` up to 0; below -87 it stays what it is there. What is not a number stays so.
#[inline(always)]
pub(super) fn exp_of_negative<N: Number>(x: N) -> N {
    let x = x.less(N::splat(LEAST), N::splat(LEAST), x);
    let shifted = x * N::splat(std::f32::consts::LOG2_E) + N::splat(ROUNDER);
    let whole = shifted - N::splat(ROUNDER);
    let rest = x - whole * N::splat(LN_2[0]) - whole * N::splat(LN_2[1]);
    let [c0, c1, c2, c3, c4] = CURVE.map(N::splat);
    // In pairs, which do not wait for each other: a record learned after another waits for all of this.
    let square = rest * rest;
    let curve = (c1 * rest + c0) + square * ((c3 * rest + c2) + square * c4);
    (square * curve + (rest + N::splat(1.0))) * N::power_of_two(shifted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units in the last place between a result and the truth.
    fn off_by(x: f32) -> f64 {
        let (is, should) = (exp_of_negative(x), libm::exp(f64::from(x)));
        let unit = f64::from(should as f32) - f64::from((should as f32).next_down());
        (f64::from(is) - should).abs() / unit
    }

    #[test]
    fn it_is_within_two_units_in_the_last_place() {
        let steps = 1 << 20;
        let worst = (0..=steps).map(|at| off_by(LEAST * at as f32 / steps as f32)).fold(0.0, f64::max);
        assert!(worst <= 2.0, "{worst}");
        let tiny = (0..200).map(|at| off_by(-libm::exp2f(-(at as f32) / 2.0))).fold(0.0, f64::max);
        assert!(tiny <= 2.0, "{tiny}");
    }

    #[test]
    fn its_ends_are_what_they_should_be() {
        assert_eq!((exp_of_negative(0.0_f32), exp_of_negative(-0.0_f32)), (1.0, 1.0));
        let least = exp_of_negative(LEAST);
        assert!(least > 0.0 && [-88.0, -1e30, f32::NEG_INFINITY].iter().all(|&x| exp_of_negative(x) == least));
        assert!(exp_of_negative(f32::NAN).is_nan());
    }

    #[test]
    fn it_never_falls_as_x_grows() {
        let mut before = 0.0;
        for at in (0..(1 << 18)).rev() {
            let now = exp_of_negative(-(at as f32) / 4096.0 / 2.0);
            assert!(now >= before, "{at}");
            before = now;
        }
    }
}
