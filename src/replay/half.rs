//! 16-bit floats: takes 32-bit ones, gives the nearest that 16 bits can hold, and back. A tie goes to the even one; what
//! is too large becomes the largest, never infinite.

/// The largest of them.
pub(super) const LARGEST: f32 = 65504.0;
/// The smallest that has all its bits.
const SMALLEST_NORMAL: f32 = 6.103_515_6e-5;
/// By how much the exponents of both are apart, as it stands in the bits.
const EXPONENTS: u32 = 112 << 23;

/// The 16-bit float nearest to `x`.
#[inline(always)]
pub(super) fn half(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16) as u16 & 0x8000;
    // Bits of positive floats are ordered as these are.
    let size = (x.to_bits() & 0x7FFF_FFFF).min(LARGEST.to_bits());
    // Below the normal ones all have the last place of 1/2, so that adding them rounds.
    let small = (f32::from_bits(size) + 0.5).to_bits().wrapping_sub(0.5_f32.to_bits());
    let normal = (size + 0xFFF + (size >> 13 & 1)).wrapping_sub(EXPONENTS) >> 13;
    let bits = if size < SMALLEST_NORMAL.to_bits() { small } else { normal };
    sign | if x.is_nan() { 0x7E00 } else { bits as u16 }
}

/// The same number in 32 bits.
#[inline(always)]
pub(super) fn whole(half: u16) -> f32 {
    let (sign, size) = (u32::from(half & 0x8000) << 16, half & 0x7FFF);
    // 2^112, by which the exponents are apart: also right where there is none.
    let scaled = f32::from_bits(u32::from(size) << 13) * f32::from_bits(EXPONENTS + (127 << 23));
    let x = if size >= 0x7C00 { f32::NAN } else { scaled };
    f32::from_bits(x.to_bits() | sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_finite_half_comes_back_as_itself() {
        for bits in (0..=u16::MAX).filter(|bits| bits & 0x7C00 != 0x7C00) {
            assert_eq!(half(whole(bits)), bits, "{}", whole(bits));
        }
        assert!(whole(half(f32::NAN)).is_nan());
    }

    #[test]
    fn known_numbers_have_their_known_bits() {
        for (x, bits) in [
            (0.0, 0),
            (-0.0, 0x8000),
            (1.0, 0x3C00),
            (-2.0, 0xC000),
            (65504.0, 0x7BFF),
            (6.103_515_6e-5, 0x0400),
            (5.960_464_5e-8, 0x0001),
            (2.980_232_2e-8, 0x0000),
            (0.1, 0x2E66),
        ] {
            assert_eq!(half(x), bits, "{x}");
        }
    }

    #[test]
    fn what_is_too_large_is_the_largest() {
        for x in [65504.1, 65520.0, 1e30, f32::INFINITY] {
            assert_eq!((whole(half(x)), whole(half(-x))), (LARGEST, -LARGEST));
        }
    }

    proptest! {
        #[test]
        fn no_half_is_nearer(x in -70000.0..70000.0f32, scale in 0..30) {
            let x = x / (1u32 << scale) as f32;
            let found = half(x);
            let off = |bits: u16| (f64::from(whole(bits)) - f64::from(x)).abs();
            for other in [found.wrapping_sub(1), found.wrapping_add(1)] {
                let is_tie = off(other) == off(found);
                prop_assert!(whole(other).is_nan() || off(other) > off(found) || is_tie && found & 1 == 0, "{x}");
            }
        }
    }
}
