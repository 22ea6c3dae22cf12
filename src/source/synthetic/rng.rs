//! Random numbers: takes a seed; gives whole numbers, uniform and normal floats, and indices of unequal popularity.
//!
//! Never the machine's own randomness or mathematics: the same seed gives the same bits everywhere.

/// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, every seed as good as any other.
#[derive(Debug, Clone)]
pub(crate) struct Rng {
    state: u64,
    /// The second number of the last pair of normals.
    spare: Option<f64>,
}

impl Rng {
    /// Seeds are mixed with the generator's own `salt`, so that streams of one seed have nothing in common.
    pub(crate) fn new(seed: u64, salt: u64) -> Self {
        Self { state: mix(mix(seed) ^ salt), spare: None }
    }

    /// 64 random bits.
    #[inline(always)]
    pub(super) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// Uniform in `[0, 1)`, a multiple of `2^-53`.
    #[inline(always)]
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform whole number below `limit`; the bias of about `limit / 2^32` is far below what a stream can show.
    #[inline(always)]
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(limit)) >> 32) as u32
    }

    /// Normal with mean 0 and variance 1, by Marsaglia's polar method: one logarithm for two numbers.
    #[inline]
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = u * u + v * v;
            if square > 0.0 && square < 1.0 {
                let stretch = libm::sqrt(-2.0 * libm::log(square) / square);
                self.spare = Some(v * stretch);
                return u * stretch;
            }
        }
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Draws indices of unequal popularity in constant time: Walker's alias table, built by Vose's method.
#[derive(Debug)]
pub(super) struct Popularity {
    /// For each slot: keep it when 32 random bits are below the first number, else take the second.
    slots: Vec<(u32, u32)>,
}

impl Popularity {
    /// `count` indices, index `k` being drawn in proportion to `1 / (k + 1)^exponent` (Zipf's law).
    pub(super) fn zipf(count: u32, exponent: f64) -> Self {
        let weights: Vec<f64> = (1..=count).map(|rank| libm::pow(f64::from(rank), -exponent)).collect();
        Self::of(&weights)
    }

    /// Index `k` is drawn in proportion to `weights[k]`; they must be positive.
    pub(super) fn of(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let mut mass: Vec<f64> = weights.iter().map(|weight| weight / total * weights.len() as f64).collect();
        let mut slots: Vec<(u32, u32)> = (0..weights.len() as u32).map(|slot| (u32::MAX, slot)).collect();
        let (mut poor, mut rich): (Vec<usize>, Vec<usize>) = (0..mass.len()).partition(|&slot| mass[slot] < 1.0);
        while let (Some(&slot), Some(&giver)) = (poor.last(), rich.last()) {
            poor.pop();
            slots[slot] = ((mass[slot] * 4_294_967_296.0) as u32, giver as u32);
            mass[giver] -= 1.0 - mass[slot];
            if mass[giver] < 1.0 {
                rich.pop();
                poor.push(giver);
            }
        }
        Self { slots }
    }

    /// Number of indices.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// An index.
    #[inline(always)]
    pub(super) fn draw(&self, rng: &mut Rng) -> usize {
        let bits = rng.bits();
        let slot = (((bits >> 32) * self.slots.len() as u64) >> 32) as usize;
        let (keep, alias) = self.slots[slot];
        if (bits as u32) < keep { slot } else { alias as usize }
    }

    /// Mean of `values` over the indices as they are drawn.
    pub(super) fn mean(&self, values: &[f64]) -> f64 {
        let of_slot = |(slot, &(keep, alias)): (usize, &(u32, u32))| {
            let kept = f64::from(keep) / 4_294_967_296.0;
            kept * values[slot] + (1.0 - kept) * values[alias as usize]
        };
        self.slots.iter().enumerate().map(of_slot).sum::<f64>() / self.slots.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_published_splitmix64() {
        let mut rng = Rng { state: 1_234_567, spare: None };
        assert_eq!(rng.bits(), 6_457_827_717_110_365_317);
        assert_eq!(rng.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn uniform_numbers_fill_the_unit_interval_evenly() {
        let mut rng = Rng::new(1, 0);
        let mut count = [0; 10];
        for _ in 0..100_000 {
            count[(rng.uniform() * 10.0) as usize] += 1;
        }
        // Five standard deviations of a binomial count: 5 * sqrt(100,000 * 0.1 * 0.9) = 474.
        assert!(count.iter().all(|&n: &i32| (n - 10_000).abs() < 474), "{count:?}");
    }

    #[test]
    fn normal_numbers_have_the_moments_of_a_normal() {
        let mut rng = Rng::new(2, 0);
        let numbers: Vec<f64> = (0..100_000).map(|_| rng.normal()).collect();
        let moment = |power: i32| numbers.iter().map(|x| x.powi(power)).sum::<f64>() / numbers.len() as f64;
        // Standard errors over 100,000: 0.0032, 0.0045, 0.012, 0.031; five of each.
        assert!(moment(1).abs() < 0.016);
        assert!((moment(2) - 1.0).abs() < 0.023);
        assert!(moment(3).abs() < 0.062);
        assert!((moment(4) - 3.0).abs() < 0.155);
    }

    #[test]
    fn zipf_indices_come_in_proportion_to_their_rank() {
        let (popularity, mut rng) = (Popularity::zipf(50, 1.0), Rng::new(3, 0));
        let mut count = vec![0.0; popularity.len()];
        for _ in 0..200_000 {
            count[popularity.draw(&mut rng)] += 1.0;
        }
        let total: f64 = (1..=50).map(|rank| 1.0 / f64::from(rank)).sum();
        for (index, count) in count.iter().enumerate() {
            let expected = 200_000.0 / (index + 1) as f64 / total;
            assert!((count - expected).abs() < 5.0 * expected.sqrt(), "index {index}: {count} against {expected}");
        }
    }

    #[test]
    fn the_mean_over_indices_is_that_of_their_weights() {
        let popularity = Popularity::of(&[1.0, 2.0, 5.0]);
        assert!((popularity.mean(&[1.0, 10.0, 100.0]) - 521.0 / 8.0).abs() < 1e-6);
    }
}
