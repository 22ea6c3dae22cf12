//! What a section remembers as lists of 64-bit words, and back: takes a section, gives its keys, the one that has not come
//! for longest first, and their buckets; gives the section back from words that fit together.

use super::cells::Cell;
use super::distinct::{self, Distinct};
use super::ring::{OfLabels, OfRecords, Ring, Sums};
use super::section::{Rings, Section};

/// The lists by name.
pub(super) const NAMES: [&str; 7] =
    ["keys", "lengths", "buckets", "label_lengths", "label_buckets", "distinct", "totals"];

/// The lists, in the order of [`NAMES`].
pub(super) type Words = [Vec<u64>; 7];

/// Sums that are some words.
trait Stored<const N: usize>: Sums {
    fn words(&self) -> [u64; N];
    /// `None` for words that are no sums.
    fn of(words: [u64; N]) -> Option<Self>;
}

impl Stored<4> for OfRecords {
    fn words(&self) -> [u64; 4] {
        let Self { count, present, low, high, sum } = *self;
        [u64::from(count), u64::from(present), pair(low.to_bits(), high.to_bits()), sum.to_bits()]
    }

    fn of([count, present, ends, sum]: [u64; 4]) -> Option<Self> {
        let (low, high) = (f32::from_bits((ends >> 32) as u32), f32::from_bits(ends as u32));
        let sums = Self {
            count: u32::try_from(count).ok()?,
            present: u32::try_from(present).ok()?,
            low,
            high,
            sum: f64::from_bits(sum),
        };
        let is_whole = if present == 0 { sums == Self { count: sums.count, ..Self::default() } } else { low <= high };
        (is_whole && count > 0 && present <= count && sums.sum.is_finite()).then_some(sums)
    }
}

impl Stored<2> for OfLabels {
    fn words(&self) -> [u64; 2] {
        [self.known.to_bits(), self.positive.to_bits()]
    }

    fn of(words: [u64; 2]) -> Option<Self> {
        let [known, positive] = words.map(f64::from_bits);
        let is_whole = known.is_finite() && (0.0..=known).contains(&positive);
        is_whole.then_some(Self { known, positive })
    }
}

fn pair(upper: u32, lower: u32) -> u64 {
    u64::from(upper) << 32 | u64::from(lower)
}

impl Section {
    /// All that it remembers.
    pub(super) fn words(&self) -> Words {
        let mut words = Words::default();
        let [keys, lengths, buckets, label_lengths, label_buckets, different, totals] = &mut words;
        for slot in self.keys.in_order() {
            let key = self.keys.of(slot);
            keys.extend([key.hash, key.newest as u64, key.clock as u64]);
            put(self.records.as_ref(), slot, self.windows(), lengths, buckets);
            put(self.labels.as_ref(), slot, self.windows(), label_lengths, label_buckets);
            if let Some(distinct) = &self.distinct {
                let Distinct { level, values } = &distinct[slot];
                different.extend([u64::from(*level), values.len() as u64]);
                different.extend(values.iter().flat_map(|&(hash, time)| [hash, time as u64]));
            }
        }
        let [known, positive] = self.all.words();
        totals.extend([self.evicted, self.expired, known, positive]);
        words
    }

    /// Takes all of that in, having remembered nothing; `None` where it is no section's, or another one's.
    pub(super) fn fill_from(&mut self, words: &Words) -> Option<()> {
        let [keys, lengths, buckets, label_lengths, label_buckets, different, totals] = words;
        let (keys, rest) = keys.as_chunks::<3>();
        (rest.is_empty() && keys.len() <= self.most()).then_some(())?;
        let mut records = Reading { lengths: lengths.iter(), buckets };
        let mut labels = Reading { lengths: label_lengths.iter(), buckets: label_buckets };
        let mut different = different.iter().copied();
        for &[hash, newest, clock] in keys {
            let slot = self.restored(hash, newest as i64, clock as i64)?;
            let newest = (0..self.windows()).map(|window| self.bucket(window, clock as i64)).collect::<Vec<_>>();
            records.fill(self.records.as_mut(), slot, &newest, self.buckets)?;
            labels.fill(self.labels.as_mut(), slot, &newest, self.buckets)?;
            if let Some(distinct) = &mut self.distinct {
                distinct[slot] = read_distinct(&mut different)?;
            }
        }
        let &[evicted, expired, known, positive] = totals.as_slice() else { return None };
        (evicted.max(expired) <= u64::MAX / 2).then_some(())?;
        (self.evicted, self.expired, self.all) = (evicted, expired, OfLabels::of([known, positive])?);
        (records.is_done() && labels.is_done() && different.next().is_none()).then_some(())
    }
}

/// Puts the buckets of a slot, each as its number and its sums, behind how many there are.
fn put<S: Stored<N>, const N: usize>(
    rings: Option<&Rings<S>>,
    slot: usize,
    windows: usize,
    lengths: &mut Vec<u64>,
    buckets: &mut Vec<u64>,
) {
    let Some(Rings { rings, cells }) = rings else { return };
    for ring in &rings[slot * windows..(slot + 1) * windows] {
        let before = buckets.len();
        for cell in ring.buckets(cells) {
            buckets.push(cell.id as u64);
            buckets.extend(cell.sums.words());
        }
        lengths.push(((buckets.len() - before) / (N + 1)) as u64);
    }
}

/// Lists that are taken up key by key.
struct Reading<'a> {
    lengths: std::slice::Iter<'a, u64>,
    buckets: &'a [u64],
}

impl Reading<'_> {
    fn is_done(&self) -> bool {
        self.lengths.len() == 0 && self.buckets.is_empty()
    }

    /// Fills the rings of a slot, whose open buckets have these numbers.
    fn fill<S: Stored<N>, const N: usize>(
        &mut self,
        rings: Option<&mut Rings<S>>,
        slot: usize,
        newest: &[i64],
        most: i64,
    ) -> Option<()> {
        let Some(Rings { rings, cells }) = rings else { return Some(()) };
        for (ring, &newest) in rings[slot * newest.len()..].iter_mut().zip(newest) {
            let first = newest.saturating_sub(most);
            let buckets = (0..*self.lengths.next()?).map(|_| self.next()).collect::<Option<Vec<_>>>()?;
            let is_rising = buckets.is_sorted_by(|a: &Cell<S>, b| a.id < b.id);
            let lies_in = buckets.iter().all(|cell| (first..=newest).contains(&cell.id));
            (is_rising && lies_in).then_some(())?;
            *ring = Ring::of(cells, newest, most, &buckets);
        }
        Some(())
    }

    fn next<S: Stored<N>, const N: usize>(&mut self) -> Option<Cell<S>> {
        let (id, rest) = self.buckets.split_first()?;
        let (words, rest) = rest.split_first_chunk::<N>()?;
        self.buckets = rest;
        Some(Cell { id: *id as i64, sums: S::of(*words)? })
    }
}

fn read_distinct(words: &mut impl Iterator<Item = u64>) -> Option<Distinct> {
    let (level, len) = (words.next()?, words.next()?);
    (level < 64 && len <= distinct::MOST as u64).then_some(())?;
    let mut value = || Some((words.next()?, words.next()? as i64));
    let values = (0..len).map(|_| value()).collect::<Option<_>>()?;
    Some(Distinct { level: level as u8, values })
}
