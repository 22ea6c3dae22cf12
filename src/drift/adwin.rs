//! ADWIN (Bifet and Gavalda 2007): takes numbers from 0 to 1, keeps a window of them that is cut where its two parts
//! differ in mean by more than chance allows, and gives both means then.
//!
//! The window is an exponential histogram: of each size 1, 2, 4, ... at most `MOST` buckets, so that a window of any
//! length takes little room; only where buckets meet can it be cut. Looked at every [`CLOCK`] numbers.

use super::Change;
use crate::error::Result;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Numbers between two looks.
pub const CLOCK: u64 = 32;
/// Buckets of a size.
const MOST: usize = 5;
/// Numbers of either part, at least.
const SHORTEST: u64 = 5;
/// Numbers of the window, at least, before it is looked at.
const GRACE: u64 = 10;

/// The window.
#[derive(Debug, Clone, PartialEq)]
pub struct Adwin {
    /// How unlikely a false cut is to be, at one look.
    delta: f64,
    /// Buckets by size, the oldest of a size first: of `sizes[k]` each holds `2^k` numbers.
    sizes: Vec<Vec<Bucket>>,
    /// All of the window.
    all: Bucket,
    width: u64,
    ticks: u64,
}

/// The sum of some numbers, and that of their squared differences from their mean.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Bucket {
    sum: f64,
    squares: f64,
}

impl Bucket {
    /// Both together, of `n` and `m` numbers.
    fn joined(self, n: f64, other: Self, m: f64) -> Self {
        let apart = self.sum / n - other.sum / m;
        let squares = self.squares + other.squares + n * m / (n + m) * apart * apart;
        Self { sum: self.sum + other.sum, squares }
    }
}

impl Adwin {
    /// An empty window; `delta` is between 0 and 1.
    pub fn new(delta: f64) -> Self {
        Self { delta, sizes: Vec::new(), all: Bucket::default(), width: 0, ticks: 0 }
    }

    /// Forgets everything.
    pub fn start_anew(&mut self) {
        *self = Self::new(self.delta);
    }

    /// Numbers in the window.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Takes a number; where the window was cut, the mean of what was dropped and of what is left.
    ///
    /// ```
    /// let mut adwin = tidemill::drift::adwin::Adwin::new(0.002);
    /// let changes: Vec<_> = (0..2000).filter_map(|at| adwin.add(if at < 1000 { 0.1 } else { 0.7 })).collect();
    /// assert!(changes[0].before < 0.2 && changes[0].after > 0.2);
    /// ```
    pub fn add(&mut self, number: f64) -> Option<Change> {
        let one = Bucket { sum: number, squares: 0.0 };
        self.all = if self.width == 0 { one } else { self.all.joined(self.width as f64, one, 1.0) };
        self.width += 1;
        self.ticks += 1;
        self.put(one);
        let is_due = self.ticks.is_multiple_of(CLOCK) && self.width > GRACE;
        if is_due { self.cut() } else { None }
    }

    /// Adds a bucket of one number; where there are too many of a size, the two oldest become one of the next.
    fn put(&mut self, one: Bucket) {
        let mut next = Some(one);
        for size in 0.. {
            let Some(bucket) = next.take() else { return };
            if size == self.sizes.len() {
                self.sizes.push(Vec::with_capacity(MOST + 1));
            }
            let buckets = &mut self.sizes[size];
            buckets.push(bucket);
            if buckets.len() > MOST {
                let n = (size as f64).exp2();
                next = Some(buckets[0].joined(n, buckets[1], n));
                buckets.drain(..2);
            }
        }
    }

    /// Drops the oldest buckets for as long as the window is to be cut anywhere.
    fn cut(&mut self) -> Option<Change> {
        let (mut dropped, mut count) = (0.0, 0.0);
        while self.is_to_be_cut() {
            let Some((bucket, n)) = self.drop_oldest() else { break };
            dropped += bucket.sum;
            count += n;
        }
        (count > 0.0).then(|| Change { before: dropped / count, after: self.all.sum / self.width as f64 })
    }

    /// Whether two parts of the window differ by more than chance allows.
    fn is_to_be_cut(&self) -> bool {
        let (mut n, mut sum) = (0_u64, 0.0);
        for (size, buckets) in self.sizes.iter().enumerate().rev() {
            for bucket in buckets {
                n += 1 << size;
                sum += bucket.sum;
                let rest = self.width - n;
                if n < SHORTEST || rest < SHORTEST {
                    continue;
                }
                let apart = sum / n as f64 - (self.all.sum - sum) / rest as f64;
                if apart.abs() > self.bound(n, rest) {
                    return true;
                }
            }
        }
        false
    }

    /// How far the means of two parts may be apart by chance.
    fn bound(&self, n: u64, rest: u64) -> f64 {
        let width = self.width as f64;
        let confidence = libm::log(2.0 * libm::log(width) / self.delta);
        let part = |n: u64| 1.0 / (n - SHORTEST + 1) as f64;
        let (m, variance) = (part(n) + part(rest), self.all.squares / width);
        (2.0 * m * variance * confidence).sqrt() + 2.0 / 3.0 * m * confidence
    }

    fn drop_oldest(&mut self) -> Option<(Bucket, f64)> {
        let size = self.sizes.len().checked_sub(1)?;
        let oldest = self.sizes[size].remove(0);
        if self.sizes[size].is_empty() {
            self.sizes.pop();
        }
        let (n, width) = ((size as f64).exp2(), self.width as f64);
        self.width -= 1 << size;
        let rest = self.width as f64;
        let sum = self.all.sum - oldest.sum;
        let apart = oldest.sum / n - sum / rest.max(1.0);
        let squares = self.all.squares - oldest.squares - n * rest / width * apart * apart;
        self.all = Bucket { sum, squares: squares.max(0.0) };
        Some((oldest, n))
    }
}

impl Snapshot for Adwin {
    const PART: &'static str = "adwin";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { delta, sizes, all, width, ticks } = self;
        to.put("counts", &[*width, *ticks]);
        to.put("all", &[*delta, all.sum, all.squares]);
        to.put("sizes", &sizes.iter().map(|buckets| buckets.len() as u64).collect::<Vec<_>>());
        let buckets = sizes.iter().flatten().flat_map(|bucket| [bucket.sum, bucket.squares]);
        to.put("buckets", &buckets.collect::<Vec<_>>());
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { delta, sizes, all, width, ticks } = self;
        [*width, *ticks] = from.counts("counts")?;
        let [saved, sum, squares] = from.numbers("all")?;
        from.check("all", saved == *delta)?;
        *all = Bucket { sum, squares };
        let lens: Vec<u64> = from.get("sizes")?;
        from.check("sizes", lens.len() < 48 && lens.iter().all(|&len| len <= MOST as u64))?;
        let count: u64 = lens.iter().sum();
        let held: u64 = lens.iter().enumerate().map(|(size, &len)| len << size).sum();
        from.check("sizes", held == *width && lens.last() != Some(&0))?;
        let numbers: Vec<f64> = from.exactly("buckets", 2 * count as usize)?;
        let mut buckets = numbers.as_chunks::<2>().0.iter().map(|&[sum, squares]| Bucket { sum, squares });
        *sizes = lens.iter().map(|&len| buckets.by_ref().take(len as usize).collect()).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::made::{KINDS, stream};
    use crate::snapshot::State;

    /// The same window as a plain list of buckets of numbers, the oldest first, with every figure worked out anew.
    #[derive(Default)]
    struct Naive {
        buckets: Vec<Vec<f64>>,
        ticks: usize,
    }

    impl Naive {
        fn add(&mut self, number: f64) -> bool {
            self.buckets.push(vec![number]);
            self.ticks += 1;
            let mut size = 1;
            while self.buckets.iter().filter(|bucket| bucket.len() == size).count() > MOST {
                let first = self.buckets.iter().position(|bucket| bucket.len() == size).unwrap();
                let second = self.buckets.remove(first + 1);
                self.buckets[first].extend(second);
                size *= 2;
            }
            let mut was_cut = false;
            while self.ticks.is_multiple_of(CLOCK as usize) && self.is_to_be_cut() {
                self.buckets.remove(0);
                was_cut = true;
            }
            was_cut
        }

        fn is_to_be_cut(&self) -> bool {
            let all = self.buckets.concat();
            let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
            let variance = all.iter().map(|x| (x - mean(&all)).powi(2)).sum::<f64>() / all.len() as f64;
            let mut at = 0;
            self.buckets.iter().any(|bucket| {
                at += bucket.len();
                let (old, new) = all.split_at(at);
                if old.len() < 5 || new.len() < 5 {
                    return false;
                }
                let m = 1.0 / (old.len() - 4) as f64 + 1.0 / (new.len() - 4) as f64;
                let confidence = (2.0 * (all.len() as f64).ln() / 0.002).ln();
                let bound = (2.0 * m * variance * confidence).sqrt() + 2.0 / 3.0 * confidence * m;
                (mean(old) - mean(new)).abs() > bound
            })
        }

        fn width(&self) -> usize {
            self.buckets.iter().map(Vec::len).sum()
        }
    }

    #[test]
    fn the_window_is_cut_where_a_plain_list_would_be() {
        for kind in KINDS {
            let (mut adwin, mut naive) = (Adwin::new(0.002), Naive::default());
            for (at, number) in stream(kind, 7, 3000).into_iter().enumerate() {
                let was_cut = adwin.add(number).is_some();
                assert_eq!((was_cut, adwin.width() as usize), (naive.add(number), naive.width()), "{kind} {at}");
            }
        }
    }

    /// A stream, and where changes are found in it, with the widths of the window then.
    type Known = (&'static str, u64, &'static [(usize, u64)]);

    /// Places and widths that River 0.26.1 gave: `ADWIN()` on the same streams, where `drift_detected` and `width` then. River
    /// starts anew behind each, as whoever raises an alarm does here.
    #[test]
    fn it_finds_changes_where_river_does() {
        let known: [Known; 7] = [
            ("stationary", 1, &[]),
            ("stationary", 3, &[]),
            ("abrupt", 1, &[(2047, 256)]),
            ("abrupt", 2, &[(2047, 160)]),
            ("gradual", 1, &[(1407, 1152), (2207, 672), (3167, 832)]),
            ("gradual", 3, &[(1503, 1248), (2335, 704)]),
            ("back", 2, &[(1023, 256), (2047, 768), (3039, 160)]),
        ];
        for (kind, seed, want) in known {
            let mut adwin = Adwin::new(0.002);
            let numbers = stream(kind, seed, 4000).into_iter().enumerate();
            let mut found = Vec::new();
            for (at, number) in numbers {
                if adwin.add(number).is_some() {
                    found.push((at, adwin.width()));
                    adwin.start_anew();
                }
            }
            assert_eq!(found, want, "{kind} {seed}");
        }
    }

    #[test]
    fn the_window_goes_on_from_a_snapshot() {
        let numbers = stream("gradual", 5, 3000);
        let mut whole = Adwin::new(0.002);
        let want: Vec<_> = numbers.iter().map(|&number| whole.add(number)).collect();
        let (mut adwin, mut state) = (Adwin::new(0.002), State::default());
        for (at, &number) in numbers.iter().enumerate() {
            if at % 500 == 77 {
                state.clear();
                state.save(&adwin);
                adwin = Adwin::new(0.002);
                state.restore(&mut adwin).unwrap();
            }
            assert_eq!(adwin.add(number), want[at]);
        }
        assert_eq!(adwin, whole);
        assert!(state.restore(&mut Adwin::new(0.001)).is_err());
    }
}
