//! Takes a micro-batch; gives the powers of two by which its hashed gradients and counts are written as integers, so
//! that kernels can add them in any order and still get the same bits: integer addition does not care.
//!
//! It never touches a device.

use crate::examples::MicroBatch;

/// Powers of two and their inverses; part of [`super::plan::Plan`], used by `shaders/spread.wgsl` and `hashed.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scales {
    /// Exponent `e` with `|residual * value| <= 2^e` for every entry.
    pub largest: i32,
    /// Bits of each of the three integers that a gradient is cut into.
    pub limb: i32,
    /// Exponent of the unit in which the weights of a coordinate's entries are added.
    pub count: i32,
}

/// Finds the scales at which no sum can overflow, even if every entry falls on one coordinate.
///
/// A gradient within `2^e` is cut into three integers of `limb` bits, so it is kept to `2^(e - 3 limb)`: with 100,000
/// entries in a micro-batch 39 bits below the largest possible one, where an f32 sum keeps 24 below its own size.
pub(super) fn scales(batch: &MicroBatch, weight: &[f32]) -> Scales {
    let heaviest = weight.iter().copied().fold(0.0, f32::max);
    // Floats without their sign are ordered as their bits are; integers are what compilers find the maximum of fast.
    let longest = batch.value.iter().fold(0, |most, value| most.max(value.to_bits() & 0x7FFF_FFFF));
    let entries = batch.value.len() as f64;
    Scales {
        largest: above(f64::from(f32::from_bits(longest)) * f64::from(heaviest)).clamp(-100, 100),
        // Each of at most `entries` integers is within 2^limb, so the sum is within 2^30.
        limb: (30 - above(entries)).min(16),
        count: (above(f64::from(heaviest) * entries) - 30).clamp(-100, 100),
    }
}

/// `2^exponent`, exactly.
pub(super) fn power(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

/// The least exponent of a power of two above `x`, which is 0 or more.
fn above(x: f64) -> i32 {
    if x == 0.0 { 0 } else { x.log2().floor() as i32 + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(values: &[f32]) -> MicroBatch {
        MicroBatch { value: values.to_vec(), ..MicroBatch::default() }
    }

    #[test]
    fn no_sum_of_a_micro_batch_can_overflow() {
        for (values, weight) in [(vec![1.0; 160_000], 1.0), (vec![-3e9, 1e-9], 2.5), (vec![0.0; 7], 0.1)] {
            let scales = scales(&batch(&values), &[weight]);
            let most = values.iter().map(|x| x.abs()).fold(0.0, f32::max) * weight;
            assert!(most <= power(scales.largest));
            let entries = values.len() as f64;
            assert!(entries * f64::from(power(scales.limb)) <= 2f64.powi(30));
            assert!(entries * f64::from(weight) / f64::from(power(scales.count)) <= 2f64.powi(30));
            assert!(scales.limb >= 11, "{scales:?}");
        }
    }

    #[test]
    fn nothing_to_learn_has_scales_too() {
        let scales = scales(&batch(&[]), &[]);
        assert_eq!((scales.largest, scales.limb), (0, 16));
        assert!(power(-scales.count).is_finite());
    }

    #[test]
    fn powers_are_exact() {
        assert_eq!([power(-100), power(-1), power(0), power(30)], [2f32.powi(-100), 0.5, 1.0, 1_073_741_824.0]);
    }
}
