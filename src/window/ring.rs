//! A trailing window of one key: takes what belongs to a bucket, gives the sums over those buckets that lie in the window.
//!
//! The newest bucket is open. Those before it that hold anything are kept in order, with the sum over them; where one of
//! them leaves or is added to, that sum is made anew from the first to the last, so that it depends on what lies in the
//! window and on nothing before it.

use super::cells::{Cell, Cells, List};

/// What is added up.
pub(super) trait Sums: Copy + Default + PartialEq {
    /// Takes in what came later.
    fn join(&mut self, later: &Self);
}

/// What is made of records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct OfRecords {
    pub count: u32,
    /// Those of them with a value.
    pub present: u32,
    pub low: f32,
    pub high: f32,
    pub sum: f64,
}

impl Default for OfRecords {
    fn default() -> Self {
        Self { count: 0, present: 0, low: f32::INFINITY, high: f32::NEG_INFINITY, sum: 0.0 }
    }
}

impl OfRecords {
    /// One record, whose value may be missing.
    pub(super) fn one(value: f32) -> Self {
        if value.is_finite() {
            Self { count: 1, present: 1, low: value, high: value, sum: f64::from(value) }
        } else {
            Self { count: 1, ..Self::default() }
        }
    }
}

impl Sums for OfRecords {
    #[inline(always)]
    fn join(&mut self, later: &Self) {
        self.count = self.count.saturating_add(later.count);
        self.present = self.present.saturating_add(later.present);
        self.low = self.low.min(later.low);
        self.high = self.high.max(later.high);
        self.sum += later.sum;
    }
}

/// What is made of labels, each as often as its record weighs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct OfLabels {
    pub known: f64,
    pub positive: f64,
}

impl Sums for OfLabels {
    #[inline(always)]
    fn join(&mut self, later: &Self) {
        self.known += later.known;
        self.positive += later.positive;
    }
}

/// The buckets of a key in one window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Ring<S> {
    /// The number of the open bucket.
    newest: i64,
    open: S,
    /// Over the buckets before it.
    closed: S,
    list: List,
}

impl<S: Sums> Ring<S> {
    /// Over the whole window.
    #[inline(always)]
    pub(super) fn total(&self) -> S {
        let mut total = self.closed;
        total.join(&self.open);
        total
    }

    /// Opens the bucket `id`, if it is a new one, and drops those that lie more than `buckets` before it.
    #[inline(always)]
    pub(super) fn advance(&mut self, cells: &mut Cells<S>, id: i64, buckets: i64) {
        if id > self.newest {
            self.open(cells, id, buckets);
        }
    }

    fn open(&mut self, cells: &mut Cells<S>, id: i64, buckets: i64) {
        if self.open != S::default() {
            let last = cells.of(self.list).len();
            cells.insert(&mut self.list, last, Cell { id: self.newest, sums: self.open });
            self.closed.join(&self.open);
            self.open = S::default();
        }
        self.newest = id;
        let first = id.saturating_sub(buckets);
        let left = cells.of(self.list).iter().take_while(|cell| cell.id < first).count();
        if left > 0 {
            cells.drop_first(&mut self.list, left);
            self.close(cells);
        }
    }

    /// Adds to the bucket `id`, if that still lies in the window; the window has been advanced to it.
    #[inline(always)]
    pub(super) fn add(&mut self, cells: &mut Cells<S>, id: i64, buckets: i64, sums: &S) {
        if id == self.newest {
            self.open.join(sums);
        } else if id >= self.newest.saturating_sub(buckets) {
            self.add_before(cells, id, sums);
        }
    }

    #[cold]
    fn add_before(&mut self, cells: &mut Cells<S>, id: i64, sums: &S) {
        let at = cells.of(self.list).partition_point(|cell| cell.id < id);
        match cells.of_mut(self.list).get_mut(at) {
            Some(cell) if cell.id == id => cell.sums.join(sums),
            _ => cells.insert(&mut self.list, at, Cell { id, sums: *sums }),
        }
        self.close(cells);
    }

    /// Makes the sum over the closed buckets anew.
    fn close(&mut self, cells: &Cells<S>) {
        self.closed = S::default();
        cells.of(self.list).iter().for_each(|cell| self.closed.join(&cell.sums));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, cells: &mut Cells<S>, newest: i64) {
        cells.clear(&mut self.list);
        (self.open, self.closed, self.newest) = (S::default(), S::default(), newest);
    }

    /// Every bucket that holds something, in order.
    pub(super) fn buckets<'a>(&self, cells: &'a Cells<S>) -> impl Iterator<Item = Cell<S>> + use<'a, S> {
        let open = Cell { id: self.newest, sums: self.open };
        let open = Some(open).filter(|open| open.sums != S::default());
        cells.of(self.list).iter().copied().chain(open)
    }

    /// The ring with these buckets, which are in order, none behind `newest` nor more than `buckets` before it.
    pub(super) fn of(cells: &mut Cells<S>, newest: i64, buckets: &[Cell<S>]) -> Self {
        let mut ring = Self { newest, ..Self::default() };
        for cell in buckets {
            if cell.id == newest {
                ring.open = cell.sums;
            } else {
                let last = cells.of(ring.list).len();
                cells.insert(&mut ring.list, last, *cell);
            }
        }
        ring.close(cells);
        ring
    }
}
