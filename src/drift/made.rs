//! Streams of numbers for tests, from a generator of their own, so that others can make the same: `x` becomes
//! `x * 6364136223846793005 + 1442695040888963407` in 64 bits, starting at the seed, and a draw is its upper 24 bits as a
//! fraction. A number is twice the mean of its place times a draw.

/// What the means do.
pub(super) const KINDS: [&str; 4] = ["stationary", "abrupt", "gradual", "back"];

/// A stream of `count` numbers.
pub(super) fn stream(kind: &str, seed: u64, count: usize) -> Vec<f64> {
    let mut x = seed;
    let mean = |at: usize| match kind {
        "stationary" => 0.3,
        "abrupt" => [0.2, 0.5][usize::from(at >= count / 2)],
        "gradual" => 0.2 + 0.4 * ((at as f64 - count as f64 / 4.0) / (count as f64 / 2.0)).clamp(0.0, 1.0),
        _ => [0.2, 0.6][at / 1000 % 2],
    };
    (0..count)
        .map(|at| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            2.0 * mean(at) * ((x >> 40) as f64 / f64::from(1 << 24))
        })
        .collect()
}
