//! Products of any two hashed features of a record: takes a micro-batch of what they are made of, gives it with all of them.
//!
//! Whoever learns on a device that makes the products itself never calls this. It knows no names and no namespaces.

use super::MicroBatch;

/// What an index is multiplied by before the next one is mixed in, as Vowpal Wabbit does it.
pub const PRIME: u32 = 16_777_619;

/// The hash of the product of two features.
///
/// ```
/// assert_eq!(tidemill::examples::pairs::hash(1, 2), 16_777_617);
/// ```
#[inline(always)]
pub fn hash(first: u32, second: u32) -> u32 {
    PRIME.wrapping_mul(first) ^ second
}

/// Hashed features of a record of which `made_of` are its own: those and the products of any two, each with itself too.
///
/// ```
/// assert_eq!(tidemill::examples::pairs::count(39), 39 + 780);
/// ```
pub fn count(made_of: usize) -> usize {
    made_of + made_of * (made_of + 1) / 2
}

/// The features of its own of a record that has so many with all products, or the next smaller number.
///
/// ```
/// use tidemill::examples::pairs::{count, made_of};
/// assert_eq!([made_of(count(39)), made_of(count(39) + 1), made_of(0)], [39, 39, 0]);
/// ```
pub fn made_of(all: usize) -> usize {
    (1..).take_while(|&own| count(own) <= all).last().unwrap_or(0)
}

/// Puts the products behind the features that they are made of, row by row. `spare` lends its buffers.
///
/// ```
/// use tidemill::examples::{MicroBatch, pairs};
/// let mut batch = MicroBatch { rows: 1, row_start: vec![0, 2], hash: vec![3, 5], value: vec![1.0, 2.0], ..MicroBatch::default() };
/// pairs::cross(&mut batch, &mut MicroBatch::default());
/// assert_eq!(batch.row_start, [0, 5]);
/// assert_eq!(batch.hash, [3, 5, pairs::hash(3, 3), pairs::hash(3, 5), pairs::hash(5, 5)]);
/// assert_eq!(batch.value, [1.0, 2.0, 1.0, 2.0, 4.0]);
/// ```
pub fn cross(batch: &mut MicroBatch, spare: &mut MicroBatch) {
    let MicroBatch { row_start, hash, value, .. } = spare;
    row_start.clear();
    row_start.push(0);
    hash.clear();
    value.clear();
    for row in 0..batch.rows {
        let (hashes, values) = batch.features(row);
        hash.extend_from_slice(hashes);
        value.extend_from_slice(values);
        for (at, (&first, &scale)) in hashes.iter().zip(values).enumerate() {
            hash.extend(hashes[at..].iter().map(|&second| self::hash(first, second)));
            value.extend(values[at..].iter().map(|&other| scale * other));
        }
        row_start.push(hash.len() as u32);
    }
    std::mem::swap(&mut batch.row_start, row_start);
    std::mem::swap(&mut batch.hash, hash);
    std::mem::swap(&mut batch.value, value);
}
