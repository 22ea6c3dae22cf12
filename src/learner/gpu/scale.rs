//! Takes a micro-batch; gives the powers of two by which its hashed gradients and counts are written as integers, so
//! that kernels can add them in any order and still get the same bits: integer addition does not care.
//!
//! A number is cut into three integers. The first counts units, which are sized by the sum of all numbers of the
//! micro-batch, so that it has 30 bits for that sum however unevenly it is spread; the other two cut the rest, `limb`
//! bits each. It never touches a device.

use crate::error::{Error, Result};
use crate::examples::MicroBatch;

/// Hashed features of a micro-batch, at most. With more, what is left of the bits would be coarser than an f32's own
/// rounding: at this many a gradient is still kept to the 26th bit below the largest possible one.
const MOST_ENTRIES: u64 = (1 << 22) - 1;

/// Powers of two and their inverses; part of [`super::plan::Plan`], used by `shaders/spread.wgsl` and `hashed.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scales {
    /// Exponent of the unit of gradients: all of them together stay within 2^30 units.
    pub gradient: i32,
    /// Exponent of the unit of counts: all of them together stay below 2^29 units, which leaves `MARK` of
    /// `shaders/common.wgsl` free.
    pub count: i32,
    /// Bits of each of the two integers that take what is left below the unit.
    pub limb: i32,
}

/// Finds the scales at which no sum can overflow, even if every entry falls on one coordinate. `weight` is 0 for rows
/// that are not learned.
///
/// With `N` entries of even weight, a gradient is kept to about `90 - 3 log2 N` bits below the largest possible one, 38
/// of them at 160,000, where an f32 sum keeps 24 below its own size. With uneven weights more is kept: a record of
/// weight 1 is next to nothing to one of weight 10^6, but its coordinates are its own.
///
/// # Errors
///
/// Where so many entries are learned that bits of an f32 would be lost.
pub(super) fn scales(batch: &MicroBatch, weight: &[f32], pairs: bool) -> Result<Scales> {
    let (mut entries, mut weighted) = (0, 0.0);
    for (ends, &weight) in batch.row_start.windows(2).zip(weight).filter(|(_, weight)| **weight != 0.0) {
        let features = made_of(ends[1] - ends[0], pairs);
        entries += features;
        weighted += features as f64 * f64::from(weight);
    }
    if entries > MOST_ENTRIES {
        return Err(too_many(batch, entries, pairs));
    }
    // Floats without their sign are ordered as their bits are; integers are what compilers find the maximum of fast.
    let longest = batch.value.iter().fold(0, |most, value| most.max(value.to_bits() & 0x7FFF_FFFF));
    let longest = f64::from(f32::from_bits(longest));
    let longest = if pairs { longest.max(longest * longest) } else { longest };
    Ok(Scales {
        gradient: unit(above(longest * weighted) - 30),
        count: unit(above(weighted) - 29),
        // A rest is within half a unit, so that each of at most `entries` integers is within 2^(limb - 1).
        limb: (31 - above(entries as f64)).min(16),
    })
}

/// Features of a row of which `sent` are sent: with the products of any two, each with itself too.
fn made_of(sent: u32, pairs: bool) -> u64 {
    let sent = u64::from(sent);
    if pairs { sent + sent * (sent + 1) / 2 } else { sent }
}

/// `2^exponent`, exactly.
pub(super) fn power(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

/// The nearest exponent at which both the unit and its inverse are ordinary floats.
fn unit(exponent: i32) -> i32 {
    exponent.clamp(-120, 120)
}

/// The least exponent of a power of two above `x`, which is 0 or more.
fn above(x: f64) -> i32 {
    if x == 0.0 { 0 } else { x.log2().floor() as i32 + 1 }
}

/// Names a size at which rows as long as the longest of these will do.
fn too_many(batch: &MicroBatch, entries: u64, pairs: bool) -> Error {
    let longest = batch.row_start.windows(2).map(|ends| ends[1] - ends[0]).max().unwrap_or(1);
    let rows = (MOST_ENTRIES / made_of(longest.max(1), pairs)).max(1);
    Error::device(format!(
        "a micro-batch has {entries} hashed features, but the GPU adds at most {MOST_ENTRIES} without losing bits: \
         lower --batch to {rows}, or run with --device cpu"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// Rows with so many features each, all of one value.
    fn batch(rows: usize, features: usize, value: f32) -> MicroBatch {
        let row_start = (0..=rows).map(|row| (row * features) as u32).collect();
        MicroBatch { rows, row_start, value: vec![value; rows * features], ..MicroBatch::default() }
    }

    fn weights(rows: usize, heaviest: f32) -> Vec<f32> {
        let mut weight = vec![1.0; rows];
        weight[rows / 2] = heaviest;
        weight
    }

    /// The three integers as `cut` in `shaders/spread.wgsl` makes them.
    fn cut(x: f32, unit: i32, limb: i32) -> [f32; 3] {
        let whole = x * power(-unit);
        let rest = (whole - whole.round()) * power(limb);
        [whole.round(), rest.round(), ((rest - rest.round()) * power(limb)).round()]
    }

    #[test]
    fn no_sum_of_a_micro_batch_can_overflow() {
        let shapes =
            [(4096, 39, 1.0, 1.0), (4096, 39, 0.7, 1e6), (1, 1, -3e9, 2.5), (7, 1, 0.0, 0.1), (9, 3, 1e-30, 1e-3)];
        for (rows, features, value, heaviest) in shapes {
            let weight = weights(rows, heaviest);
            let scales = scales(&batch(rows, features, value), &weight, false).unwrap();
            let (mut gradients, mut counts) = ([0.0; 3], [0.0; 3]);
            for &weight in &weight {
                for k in 0..3 {
                    gradients[k] +=
                        features as f64 * f64::from(cut(value * weight, scales.gradient, scales.limb)[k].abs());
                    counts[k] += features as f64 * f64::from(cut(weight, scales.count, scales.limb)[k].abs());
                }
            }
            let most = f64::from(i32::MAX);
            assert!(gradients.iter().all(|&sum| sum < most), "{scales:?}: {gradients:?}");
            assert!(counts[0] < 2f64.powi(30) && counts.iter().all(|&sum| sum < most), "{scales:?}: {counts:?}");
        }
    }

    #[test]
    fn a_light_record_is_kept_beside_a_heavy_one() {
        let weight = weights(4096, 1e6);
        let scales = scales(&batch(4096, 4, 1.0), &weight, false).unwrap();
        for x in [0.25f32, 1.0, 0.123_456_79, 1e6, 999_999.94] {
            for unit in [scales.count, scales.gradient] {
                let [a, b, c] = cut(x, unit, scales.limb).map(f64::from);
                let limb = f64::from(power(-scales.limb));
                let kept = ((c * limb + b) * limb + a) * f64::from(power(unit));
                assert_eq!(kept, f64::from(x), "{scales:?}");
            }
        }
    }

    #[test]
    fn more_entries_than_there_are_bits_for_are_refused_with_a_batch_that_will_do() {
        let (rows, features) = (1 << 11, 1 << 11);
        let full = batch(rows, features, 1.0);
        let mut weight = vec![1.0; rows];
        let error = scales(&full, &weight, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Device);
        assert!(error.to_string().contains("lower --batch to 2047,"), "{error}");
        // What is not learned has no gradient.
        weight[0] = 0.0;
        let scales = scales(&full, &weight, false).unwrap();
        // 2^22 gradients within 2^30 units leave 8 bits for each, and two limbs follow.
        assert_eq!((scales.gradient, scales.limb), (-8, 9));
    }

    #[test]
    fn nothing_to_learn_has_scales_too() {
        let scales = scales(&batch(0, 0, 0.0), &[], false).unwrap();
        assert_eq!(scales, Scales { gradient: -30, count: -29, limb: 16 });
    }

    #[test]
    fn powers_are_exact() {
        assert_eq!([power(-120), power(-1), power(0), power(30)], [2f32.powi(-120), 0.5, 1.0, 1_073_741_824.0]);
    }
}
