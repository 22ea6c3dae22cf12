//! One section of windows: takes the records and labels of its keys in order, gives the numbers that it makes of those
//! before.

use super::cells::{Cell, Cells};
use super::distinct::Distinct;
use super::keys::Keys;
use super::ring::{OfLabels, OfRecords, Ring, Sums};
use crate::schema::window::{Aggregate, Window};

/// A number that is made, and where it stands in the dense row.
#[derive(Debug, Clone, Copy)]
struct Made {
    what: Aggregate,
    place: usize,
    log: bool,
}

/// A window, with what is made in it.
#[derive(Debug, Clone)]
struct Span {
    /// Microseconds of a bucket.
    width: i64,
    made: Vec<Made>,
}

/// What a section sees of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// The hash of its key, 0 where it has none.
    pub key: u64,
    pub time: i64,
    /// The column's value, NaN where it has none.
    pub value: f32,
    /// The hash of the column's value, 0 where it has none.
    pub hash: u64,
}

/// The rings of all keys, as many a slot as there are windows.
#[derive(Debug, Clone)]
pub(super) struct Rings<S> {
    pub rings: Vec<Ring<S>>,
    pub cells: Cells<S>,
}

/// The windows of a section, and what they remember.
#[derive(Debug, Clone)]
pub(super) struct Section {
    spans: Vec<Span>,
    since_last: Option<Made>,
    /// Which window is the longest.
    longest: usize,
    /// How long that is, in microseconds, and how far it can reach back.
    length: i64,
    reach: i64,
    pub(super) buckets: i64,
    most: usize,
    prior: f64,
    pub(super) keys: Keys,
    /// `None` where nothing is made of records, or of labels, or of different values.
    pub(super) records: Option<Rings<OfRecords>>,
    pub(super) labels: Option<Rings<OfLabels>>,
    pub(super) distinct: Option<Vec<Distinct>>,
    /// Every label that became known.
    pub(super) all: OfLabels,
    pub(super) evicted: u64,
    pub(super) expired: u64,
}

impl Section {
    /// The slot of a key that was remembered; `None` for one that cannot have been, or comes twice.
    pub(super) fn restored(&mut self, hash: u64, newest: i64, clock: i64) -> Option<usize> {
        (hash != 0 && newest <= clock && clock != i64::MIN && self.keys.come(hash).is_none()).then_some(())?;
        let slot = self.keys.add(hash, clock);
        self.keys.of_mut(slot).newest = newest;
        self.fit();
        Some(slot)
    }

    /// What a section says, having seen nothing; `first` is the place of its first number in the dense row.
    pub(super) fn new(window: &Window, first: usize) -> Self {
        let (lengths, buckets) = (window.lengths(), i64::from(window.buckets.max(1)));
        let width = |length: &i64| (length / buckets).max(1);
        let mut spans: Vec<_> = lengths.iter().map(|length| Span { width: width(length), made: Vec::new() }).collect();
        let mut since_last = None;
        for (place, made) in (first..).zip(window.made()) {
            let number = Made { what: made.what, place, log: made.log };
            match made.what {
                Aggregate::SinceLast => since_last = Some(number),
                _ => spans[made.window].made.push(number),
            }
        }
        let longest = (0..spans.len()).max_by_key(|&at| spans[at].width).unwrap_or(0);
        let of_records = |what| what == Aggregate::Count || Aggregate::needs_number(what);
        Self {
            since_last,
            longest,
            length: lengths.get(longest).copied().unwrap_or(0),
            reach: spans.get(longest).map_or(0, |span| span.width.saturating_mul(buckets + 1)),
            spans,
            buckets,
            most: usize::try_from(window.most).unwrap_or(usize::MAX),
            prior: window.prior,
            keys: Keys::new(),
            records: window.makes(of_records).then(Rings::new),
            labels: window.makes(Aggregate::is_of_labels).then(Rings::new),
            distinct: window.makes(|what| what == Aggregate::Distinct).then(Vec::new),
            all: OfLabels::default(),
            evicted: 0,
            expired: 0,
        }
    }

    /// Fills the numbers of a record in, then takes it in.
    #[inline]
    pub(super) fn fill(&mut self, seen: Seen, row: &mut [f32]) {
        if seen.key == 0 || seen.time == i64::MIN {
            return;
        }
        let slot = self.come(seen.key, seen.time);
        if self.keys.of(slot).clock.saturating_sub(seen.time) >= self.reach {
            self.begin(slot, seen.time);
        }
        self.advance(slot, seen.time);
        self.make(slot, seen, row);
        self.take(slot, seen);
    }

    /// Fills the numbers of a record in, and takes nothing in.
    pub(super) fn look(&self, seen: Seen, row: &mut [f32]) {
        self.alone(seen.key).fill(seen, row);
    }

    /// A section that remembers of all keys only this one.
    fn alone(&self, key: u64) -> Self {
        let mut alone = Self {
            spans: self.spans.clone(),
            keys: Keys::new(),
            records: self.records.as_ref().map(|_| Rings::new()),
            labels: self.labels.as_ref().map(|_| Rings::new()),
            distinct: self.distinct.as_ref().map(|_| Vec::new()),
            ..*self
        };
        let Some(from) = self.keys.find(key) else { return alone };
        let known = *self.keys.of(from);
        let Some(slot) = alone.restored(key, known.newest, known.clock) else { return alone };
        copy(&self.records, from, &mut alone.records, slot, self.spans.len());
        copy(&self.labels, from, &mut alone.labels, slot, self.spans.len());
        if let (Some(all), Some(own)) = (&self.distinct, &mut alone.distinct) {
            own[slot].clone_from(&all[from]);
        }
        alone
    }

    /// Takes in that a label of a key became known.
    pub(super) fn known(&mut self, key: u64, time: i64, label: f64, weight: f64) {
        if self.labels.is_none() || key == 0 || time == i64::MIN {
            return;
        }
        let slot = self.come(key, time);
        self.advance(slot, time);
        let one = OfLabels { known: weight, positive: weight * label };
        self.all.join(&one);
        let is_now = time == self.keys.of(slot).clock;
        let Self { labels: Some(labels), spans, buckets, .. } = self else { return };
        labels.add(slot, spans, time, is_now, *buckets, &one);
    }

    /// Bytes of what is remembered, without the room that is kept for more: the same however it came about.
    pub(super) fn bytes(&self) -> usize {
        let values = self.distinct.iter().flatten().map(|distinct| 16 * distinct.values.len()).sum::<usize>();
        let rings = self.keys.len() * self.spans.len();
        let records = self.records.as_ref().map_or(0, |records| records.bytes(rings));
        let labels = self.labels.as_ref().map_or(0, |labels| labels.bytes(rings));
        self.keys.bytes() + records + labels + values
    }

    /// Keys that it may remember.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// How many windows it has.
    pub(super) fn windows(&self) -> usize {
        self.spans.len()
    }

    /// The number of the bucket in which a time lies, in a window.
    #[inline(always)]
    pub(super) fn bucket(&self, window: usize, time: i64) -> i64 {
        time.div_euclid(self.spans[window].width)
    }

    /// The slot of a key, which is made where there is none; what has left every window goes, and what there is no room for.
    #[inline(always)]
    fn come(&mut self, key: u64, time: i64) -> usize {
        self.expire(time);
        match self.keys.come(key) {
            Some(slot) => slot,
            None => self.add(key, time),
        }
    }

    #[inline(always)]
    fn expire(&mut self, time: i64) {
        while let Some(first) = self.keys.first()
            && time.saturating_sub(self.keys.of(first).clock) >= self.reach
        {
            self.keys.remove(first);
            self.clear(first);
            self.expired += 1;
        }
    }

    fn add(&mut self, key: u64, time: i64) -> usize {
        while self.keys.len() >= self.most
            && let Some(first) = self.keys.first()
        {
            self.keys.remove(first);
            self.clear(first);
            self.evicted += 1;
        }
        let slot = self.keys.add(key, time);
        self.fit();
        self.begin(slot, time);
        slot
    }

    /// Makes room for what every slot remembers.
    fn fit(&mut self) {
        let (slots, windows) = (self.keys.slots(), self.spans.len());
        if let Some(records) = &mut self.records {
            records.rings.resize(slots * windows, Ring::default());
        }
        if let Some(labels) = &mut self.labels {
            labels.rings.resize(slots * windows, Ring::default());
        }
        if let Some(distinct) = &mut self.distinct {
            distinct.resize(slots, Distinct::default());
        }
    }

    /// Lets a key start afresh at this time.
    fn begin(&mut self, slot: usize, time: i64) {
        self.clear(slot);
        let key = self.keys.of_mut(slot);
        (key.newest, key.clock) = (i64::MIN, time);
        self.open(slot, time);
    }

    /// Takes all of a slot's windows out.
    fn clear(&mut self, slot: usize) {
        let windows = self.spans.len();
        if let Some(records) = &mut self.records {
            records.clear(slot, windows);
        }
        if let Some(labels) = &mut self.labels {
            labels.clear(slot, windows);
        }
        if let Some(distinct) = &mut self.distinct {
            distinct[slot].clear();
        }
    }

    /// Moves a key's clock, and its windows with it.
    #[inline(always)]
    fn advance(&mut self, slot: usize, time: i64) {
        let key = self.keys.of_mut(slot);
        if time > key.clock {
            key.clock = time;
            self.open(slot, time);
        }
    }

    /// Moves a key's windows.
    #[inline(always)]
    fn open(&mut self, slot: usize, clock: i64) {
        let first = slot * self.spans.len();
        for (at, span) in self.spans.iter().enumerate() {
            let id = clock.div_euclid(span.width);
            if let Some(Rings { rings, cells }) = &mut self.records {
                rings[first + at].advance(cells, id, self.buckets);
            }
            if let Some(Rings { rings, cells }) = &mut self.labels {
                rings[first + at].advance(cells, id, self.buckets);
            }
        }
    }

    #[inline(always)]
    fn make(&self, slot: usize, seen: Seen, row: &mut [f32]) {
        let first = slot * self.spans.len();
        for (at, span) in self.spans.iter().enumerate() {
            let records = self.records.as_ref().map_or_else(OfRecords::default, |of| of.rings[first + at].total());
            let labels = self.labels.as_ref().map_or_else(OfLabels::default, |of| of.rings[first + at].total());
            for made in &span.made {
                let number = match made.what {
                    Aggregate::Rate => self.rate(&labels),
                    Aggregate::Known => labels.known,
                    Aggregate::Distinct => self.different(slot, at),
                    what => of_records(what, &records, seen.value),
                };
                row[made.place] = made.put(number);
            }
        }
        if let Some(made) = &self.since_last {
            row[made.place] = made.put(self.since_last(slot, seen.time));
        }
    }

    /// The share of positives, with those of the prior.
    fn rate(&self, labels: &OfLabels) -> f64 {
        let overall = if self.all.known > 0.0 { self.all.positive / self.all.known } else { f64::NAN };
        let start = if self.prior > 0.0 { self.prior * overall } else { 0.0 };
        (labels.positive + start) / (labels.known + self.prior)
    }

    fn different(&self, slot: usize, window: usize) -> f64 {
        let Some(distinct) = &self.distinct else { return f64::NAN };
        let first = self.bucket(window, self.keys.of(slot).clock).saturating_sub(self.buckets);
        distinct[slot].count(|time| self.bucket(window, time) >= first)
    }

    /// Seconds since the key's last record; none where it lies further back than the longest window.
    fn since_last(&self, slot: usize, time: i64) -> f64 {
        let newest = self.keys.of(slot).newest;
        let since = time.saturating_sub(newest).max(0);
        if newest == i64::MIN || since > self.length { f64::NAN } else { since as f64 / 1e6 }
    }

    #[inline(always)]
    fn take(&mut self, slot: usize, seen: Seen) {
        let Seen { time, value, hash, .. } = seen;
        let key = self.keys.of_mut(slot);
        key.newest = key.newest.max(time);
        let clock = key.clock;
        let Self { records, distinct, spans, buckets, longest, .. } = self;
        if let Some(records) = records {
            records.add(slot, spans, time, time == clock, *buckets, &OfRecords::one(value));
        }
        if let (Some(distinct), true) = (distinct, hash != 0) {
            let width = spans[*longest].width;
            let first = clock.div_euclid(width).saturating_sub(*buckets);
            distinct[slot].take(hash, time, |time| time.div_euclid(width) >= first);
        }
    }
}

impl Made {
    /// The number as it stands in the row; what 32 bits cannot hold is moved to the end of what they can.
    #[inline(always)]
    fn put(&self, number: f64) -> f32 {
        let number = if self.log { libm::copysign(libm::log1p(number.abs()), number) } else { number };
        (number as f32).clamp(f32::MIN, f32::MAX)
    }
}

#[inline(always)]
fn of_records(what: Aggregate, records: &OfRecords, value: f32) -> f64 {
    let mean = || records.sum / f64::from(records.present);
    match what {
        Aggregate::Count => f64::from(records.count),
        Aggregate::Sum => records.sum,
        _ if records.present == 0 => f64::NAN,
        Aggregate::Mean => mean(),
        Aggregate::Min => f64::from(records.low),
        Aggregate::Max => f64::from(records.high),
        Aggregate::Ratio => Some(f64::from(value) / mean()).filter(|ratio| ratio.is_finite()).unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

/// Copies the windows of a slot into another section's slot.
fn copy<S: Sums>(all: &Option<Rings<S>>, from: usize, own: &mut Option<Rings<S>>, slot: usize, windows: usize) {
    if let (Some(all), Some(own)) = (all, own) {
        for at in 0..windows {
            own.rings[slot * windows + at] = all.rings[from * windows + at].copied(&all.cells, &mut own.cells);
        }
    }
}

impl<S: Sums> Rings<S> {
    fn new() -> Self {
        Self { rings: Vec::new(), cells: Cells::new() }
    }

    /// Bytes of so many rings and of all buckets that are in one.
    fn bytes(&self, rings: usize) -> usize {
        let cells = self.rings.iter().map(Ring::cells).sum::<usize>();
        rings * size_of::<Ring<S>>() + cells * size_of::<Cell<S>>()
    }

    #[inline(always)]
    fn add(&mut self, slot: usize, spans: &[Span], time: i64, is_now: bool, buckets: i64, sums: &S) {
        let rings = &mut self.rings[slot * spans.len()..(slot + 1) * spans.len()];
        if is_now {
            return rings.iter_mut().for_each(|ring| ring.add_now(sums));
        }
        for (ring, span) in rings.iter_mut().zip(spans) {
            ring.add(&mut self.cells, time.div_euclid(span.width), buckets, sums);
        }
    }

    fn clear(&mut self, slot: usize, windows: usize) {
        let rings = &mut self.rings[slot * windows..(slot + 1) * windows];
        rings.iter_mut().for_each(|ring| ring.clear(&mut self.cells, i64::MIN));
    }
}
