//! Running quantiles: takes a number, gives the category of which of some equally filled buckets it lies in, by what was
//! seen before it.
//!
//! With `n` numbers seen, of which `b` lie below, it is bucket `bins b / n` rounded down, and the last one above all of
//! them. What was seen is kept as sorted numbers on levels, 1,024 on each at most: one on level `l` stands for `2^l`. A
//! level that is full hands every second of its numbers to the next, the first or the second of each two in turn, which
//! moves `b` by `2^l` at most. So the first 1,023 numbers are exact, and beyond `b / n` is off by less than
//! `log2(n / 512) / 1024`: 1.1 % after a million numbers, 2.1 % after a thousand million; as errors of both signs alternate,
//! much less in practice. Nothing is drawn at random: the same numbers give the same buckets.

use crate::encoder::hash::hashed;
use crate::error::Result;
use crate::schema::Schema;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Numbers of a level at which it hands on.
const FULL: usize = 1024;
/// Most levels: more numbers than anybody will ever read.
const LEVELS: usize = 48;

/// The running quantiles of every column that has them, in the order of the sections.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles {
    columns: Vec<Column>,
}

/// The buckets of a column, and what it has seen.
#[derive(Debug, Clone, PartialEq)]
struct Column {
    /// The hashes of its buckets.
    hashes: Vec<u32>,
    seen: Sketch,
}

/// What was seen of a column.
#[derive(Debug, Clone, Default, PartialEq)]
struct Sketch {
    count: u64,
    levels: Vec<Level>,
}

/// Numbers that stand for as many each.
#[derive(Debug, Clone, Default, PartialEq)]
struct Level {
    sorted: Vec<f32>,
    /// Whether the second of each two is handed on next.
    second: bool,
}

impl Quantiles {
    /// What a schema asks for, having seen nothing; `None` where that is nothing.
    pub fn new(schema: &Schema) -> Option<Self> {
        let column = |(name, bins): (&str, usize)| {
            let seed = hashed(name.as_bytes(), 0, schema.hashing);
            let hash = |bucket| hashed(format!("{name} q{bucket}").as_bytes(), seed, schema.hashing);
            Column { hashes: (0..bins).map(hash).collect(), seen: Sketch::default() }
        };
        let columns: Vec<_> = schema.quantiles().into_iter().map(column).collect();
        (!columns.is_empty()).then_some(Self { columns })
    }

    /// Gives the categories of row `row`, of which `numbers` are those of all rows, and takes its numbers in.
    pub fn fill(&mut self, numbers: &[f32], row: usize, learns: bool, mut put: impl FnMut(u32)) {
        let count = self.columns.len();
        let numbers = numbers.get(row * count..(row + 1) * count).unwrap_or_default();
        for (column, &x) in self.columns.iter_mut().zip(numbers).filter(|(_, x)| !x.is_nan()) {
            put(column.hashes[column.seen.bucket(x, column.hashes.len())]);
            if learns {
                column.seen.take(x);
            }
        }
    }

    /// The state by name, for a model file.
    pub fn arrays(&self) -> Vec<(String, Vec<f64>)> {
        let doubles = |numbers: Vec<u64>| numbers.into_iter().map(|number| number as f64).collect();
        let [count, levels, len, second] = self.counts().map(doubles);
        let values = self.levels().flat_map(|level| &level.sorted).map(|&x| f64::from(x)).collect();
        let named = [("count", count), ("levels", levels), ("len", len), ("second", second), ("values", values)];
        named.map(|(name, array)| (format!("quantiles.{name}"), array)).into()
    }

    /// The same with the state that [`Quantiles::arrays`] gave.
    pub(super) fn with_arrays<'a>(mut self, array: impl Fn(&str) -> Option<&'a [f64]>) -> Option<Self> {
        let array = |name: &str| array(&format!("quantiles.{name}"));
        let whole = |name: &str| Some(array(name)?.iter().map(|&x| x as u64).collect::<Vec<_>>());
        let counts = [whole("count")?, whole("levels")?, whole("len")?, whole("second")?];
        let values: Vec<f32> = array("values")?.iter().map(|&x| x as f32).collect();
        self.fill_from(&counts, &values).then_some(self)
    }

    fn levels(&self) -> impl Iterator<Item = &Level> {
        self.columns.iter().flat_map(|column| &column.seen.levels)
    }

    /// By column how many numbers were seen and on how many levels they stand; by level how many, and whether the second
    /// ones are next.
    fn counts(&self) -> [Vec<u64>; 4] {
        [
            self.columns.iter().map(|column| column.seen.count).collect(),
            self.columns.iter().map(|column| column.seen.levels.len() as u64).collect(),
            self.levels().map(|level| level.sorted.len() as u64).collect(),
            self.levels().map(|level| u64::from(level.second)).collect(),
        ]
    }

    /// The other way round of [`Quantiles::counts`]; whether they belong together.
    fn fill_from(&mut self, [count, levels, len, second]: &[Vec<u64>; 4], values: &[f32]) -> bool {
        let is_shaped = count.len() == self.columns.len()
            && levels.len() == count.len()
            && levels.iter().all(|&levels| levels <= LEVELS as u64)
            && levels.iter().sum::<u64>() == len.len() as u64
            && second.len() == len.len()
            && len.iter().all(|&len| len < FULL as u64)
            && len.iter().sum::<u64>() == values.len() as u64;
        if !is_shaped {
            return false;
        }
        let (mut values, mut shapes) = (values.iter().copied(), len.iter().zip(second));
        for ((column, &count), &levels) in self.columns.iter_mut().zip(count).zip(levels) {
            let level = |(&len, &second): (&u64, &u64)| Level {
                sorted: values.by_ref().take(len as usize).collect(),
                second: second == 1,
            };
            column.seen = Sketch { count, levels: shapes.by_ref().take(levels as usize).map(level).collect() };
        }
        self.columns.iter().all(|column| column.seen.is_whole())
    }
}

impl Sketch {
    /// Which of `bins` buckets a number lies in.
    fn bucket(&self, x: f32, bins: usize) -> usize {
        let below = |(level, of): (usize, &Level)| (of.sorted.partition_point(|&known| known < x) as u64) << level;
        let below: u64 = self.levels.iter().enumerate().map(below).sum();
        let bucket = u128::from(below) * bins as u128 / u128::from(self.count.max(1));
        (bucket as usize).min(bins - 1)
    }

    /// Takes a number in.
    fn take(&mut self, x: f32) {
        self.count += 1;
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let first = &mut self.levels[0].sorted;
        first.insert(first.partition_point(|&known| known < x), x);
        let mut at = 0;
        while self.levels[at].sorted.len() >= FULL {
            if at + 1 == self.levels.len() {
                self.levels.push(Level::default());
            }
            let handed = self.levels[at].hand_on();
            let next = &mut self.levels[at + 1].sorted;
            next.extend(handed);
            next.sort_by(f32::total_cmp); // two sorted runs: merged
            at += 1;
        }
    }

    /// Whether the levels hold as many numbers as were seen, in order.
    fn is_whole(&self) -> bool {
        let held = |(level, of): (usize, &Level)| (of.sorted.len() as u64) << level;
        let sorted = |level: &Level| level.sorted.iter().all(|x| x.is_finite()) && level.sorted.is_sorted();
        self.levels.iter().enumerate().map(held).sum::<u64>() == self.count && self.levels.iter().all(sorted)
    }
}

impl Level {
    /// Takes every second number out for the next level, and the others out for good.
    fn hand_on(&mut self) -> Vec<f32> {
        let kept = self.sorted.len() % 2; // an odd one stays
        let last = self.sorted.split_off(self.sorted.len() - kept);
        let pairs = std::mem::replace(&mut self.sorted, last);
        let handed = pairs.into_iter().skip(usize::from(self.second)).step_by(2).collect();
        self.second = !self.second;
        handed
    }
}

impl Snapshot for Quantiles {
    const PART: &'static str = "quantiles";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { columns: _ } = self;
        for (name, array) in ["count", "levels", "len", "second"].into_iter().zip(self.counts()) {
            to.put(name, &array);
        }
        to.put("values", &self.levels().flat_map(|level| &level.sorted).copied().collect::<Vec<_>>());
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { columns: _ } = self;
        let counts = [from.get("count")?, from.get("levels")?, from.get("len")?, from.get("second")?];
        let fits = self.fill_from(&counts, &from.get::<f32>("values")?);
        from.check("values", fits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_numbers_lie_exactly_where_a_count_says(
            values in prop::collection::vec(prop_oneof![(-20i32..20).prop_map(|x| x as f32), -9.0..9.0f32], 1..300),
            bins in 2usize..12,
        ) {
            let mut sketch = Sketch::default();
            for (at, &x) in values.iter().enumerate() {
                let below = values[..at].iter().filter(|&&known| known < x).count();
                prop_assert_eq!(sketch.bucket(x, bins), (bins * below / at.max(1)).min(bins - 1));
                sketch.take(x);
            }
            prop_assert!(sketch.is_whole());
        }
    }

    /// Orders that a sketch might not like.
    fn orders(n: u32) -> [Box<dyn Fn(u32) -> f32>; 4] {
        [
            Box::new(|at| at as f32),
            Box::new(move |at| (n - at) as f32),
            Box::new(|at| (at.wrapping_mul(2_654_435_761) >> 8) as f32),
            Box::new(move |at| (if at % 2 == 0 { at } else { n - at }) as f32),
        ]
    }

    #[test]
    fn ranks_are_within_the_error_that_is_told() {
        let n = 300_000;
        let told = f64::from(n / 512).log2() / 1024.0;
        for (which, order) in orders(n).iter().enumerate() {
            let (mut sketch, mut all) = (Sketch::default(), Vec::new());
            for at in 0..n {
                sketch.take(order(at));
                all.push(order(at));
            }
            assert!(sketch.is_whole() && sketch.levels.iter().all(|level| level.sorted.len() < FULL));
            all.sort_by(f32::total_cmp);
            for at in (0..n).step_by(997) {
                let x = all[at as usize];
                let exact = all.partition_point(|&known| known < x) as f64 / f64::from(n);
                let found = sketch.bucket(x, 1 << 20) as f64 / f64::from(1 << 20);
                assert!((found - exact).abs() < told + 1e-6, "order {which} at {at}: {found} for {exact}");
            }
        }
    }

    #[test]
    fn buckets_fill_equally_and_a_missing_number_is_in_none() {
        let columns = vec![Column { hashes: vec![10, 11, 12, 13], seen: Sketch::default() }];
        let (mut quantiles, mut filled) = (Quantiles { columns }, [0; 4]);
        for at in 0..100_000u32 {
            let x = (at.wrapping_mul(2_654_435_761) >> 8) as f32;
            quantiles.fill(&[if at % 5 == 0 { f32::NAN } else { x }], 0, true, |hash| filled[hash as usize - 10] += 1);
        }
        assert_eq!(filled.iter().sum::<i32>(), 80_000);
        assert!(filled.iter().all(|&count| (19_500..20_500).contains(&count)), "{filled:?}");
        let before = quantiles.clone();
        quantiles.fill(&[1e9], 0, false, |hash| assert_eq!(hash, 13));
        assert_eq!(quantiles, before);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let blank = || Quantiles { columns: vec![Column { hashes: vec![1, 2], seen: Sketch::default() }] };
        let mut quantiles = blank();
        (0..3000).for_each(|at| quantiles.fill(&[at as f32], 0, true, |_| {}));
        let (counts, values) =
            (quantiles.counts(), quantiles.levels().flat_map(|level| level.sorted.clone()).collect::<Vec<_>>());
        let mut back = blank();
        assert!(back.fill_from(&counts, &values) && back == quantiles);
        for (which, at, number) in [(0, 0, 2999), (1, 0, 1), (1, 0, 49), (2, 0, 1024), (2, 1, 1 << 40)] {
            let mut changed = counts.clone();
            changed[which][at] = number;
            assert!(!blank().fill_from(&changed, &values), "{which} {number}");
        }
        assert!(!blank().fill_from(&counts, &values[1..]));
    }
}
