//! A trailing window of one key: takes what belongs to a bucket, gives the sums over those buckets that lie in the window.
//!
//! The newest bucket is open; those before it that hold anything are kept in order. Nothing is ever subtracted: buckets
//! stand in blocks of as many as a window can cover, counted since 1970, so that it lies in two of them at most. Where a
//! block ends, each of its buckets becomes the sum over itself and those behind it. The window is then what its first
//! bucket of the block before holds, and the sum over the block that goes on. So it follows from what lies in the window
//! and from nothing before that, and a bucket that leaves costs no second look at the others.

use super::cells::{Cell, Cells, List};

/// What is added up.
pub(super) trait Sums: Copy + Default + PartialEq {
    /// Takes in what came later.
    fn join(&mut self, later: &Self);

    /// Whether nothing has been taken in.
    fn is_empty(&self) -> bool;
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

    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.count == 0
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

    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.known == 0.0
    }
}

/// The buckets of a key in one window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Ring<S> {
    /// The number of the open bucket.
    newest: i64,
    /// The first number of its block.
    first: i64,
    open: S,
    /// Over the closed buckets of the open one's block.
    block: S,
    /// Over those of the block before.
    before: S,
    list: List,
}

impl<S: Sums> Ring<S> {
    /// Buckets that have been closed and are remembered.
    pub(super) fn cells(&self) -> usize {
        self.list.len()
    }

    /// Over the whole window.
    #[inline(always)]
    pub(super) fn total(&self) -> S {
        let mut total = self.before;
        total.join(&self.block);
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

    #[inline]
    fn open(&mut self, cells: &mut Cells<S>, id: i64, buckets: i64) {
        if !self.open.is_empty() {
            cells.push(&mut self.list, Cell { id: self.newest, sums: self.open });
            self.block.join(&self.open);
            self.open = S::default();
        }
        self.newest = id;
        let first = id.saturating_sub(buckets);
        let left = cells.of(self.list).iter().take_while(|cell| cell.id < first).count();
        if left > 0 {
            cells.drop_first(&mut self.list, left);
        }
        let is_next = id > self.first.saturating_add(buckets);
        if is_next {
            self.first = block_of(id, buckets);
            add_up(cells.of_mut(self.list));
            self.block = S::default();
        }
        if left > 0 || is_next {
            self.before = self.of_the_block_before(cells);
        }
    }

    /// Adds to the open bucket.
    #[inline(always)]
    pub(super) fn add_now(&mut self, sums: &S) {
        self.open.join(sums);
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
        let next = cells.of(self.list).get(at).copied();
        if next.is_none_or(|next| next.id != id) {
            // In the block before, a bucket holds those behind it too.
            let behind = next.filter(|next| next.id < self.first).map(|next| next.sums);
            cells.insert(&mut self.list, at, Cell { id, sums: behind.unwrap_or_default() });
        }
        if id < self.first {
            cells.of_mut(self.list)[..=at].iter_mut().for_each(|cell| cell.sums.join(sums));
            self.before = self.of_the_block_before(cells);
        } else {
            cells.of_mut(self.list)[at].sums.join(sums);
            self.block = self.of_the_block(cells);
        }
    }

    /// The sum over the closed buckets of the block that goes on.
    fn of_the_block(&self, cells: &Cells<S>) -> S {
        let mut block = S::default();
        let of_block = cells.of(self.list).iter().filter(|cell| cell.id >= self.first);
        of_block.for_each(|cell| block.join(&cell.sums));
        block
    }

    /// The sum over the block before, which its first bucket holds.
    #[inline(always)]
    fn of_the_block_before(&self, cells: &Cells<S>) -> S {
        let first = cells.of(self.list).first();
        first.filter(|cell| cell.id < self.first).map_or_else(S::default, |cell| cell.sums)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, cells: &mut Cells<S>, newest: i64) {
        cells.clear(&mut self.list);
        *self = Self { newest, first: newest, ..Self::default() };
    }

    /// The same ring in a room of its own.
    pub(super) fn copied(&self, from: &Cells<S>, to: &mut Cells<S>) -> Self {
        let mut list = List::default();
        from.of(self.list).iter().for_each(|cell| to.push(&mut list, *cell));
        Self { list, ..*self }
    }

    /// Every bucket that holds something, in order, as it is kept.
    pub(super) fn buckets<'a>(&self, cells: &'a Cells<S>) -> impl Iterator<Item = Cell<S>> + use<'a, S> {
        let open = Cell { id: self.newest, sums: self.open };
        let open = Some(open).filter(|open| !open.sums.is_empty());
        cells.of(self.list).iter().copied().chain(open)
    }

    /// The ring with these buckets, which are in order, none behind `newest` nor more than `most` before it.
    pub(super) fn of(cells: &mut Cells<S>, newest: i64, most: i64, buckets: &[Cell<S>]) -> Self {
        let mut ring = Self { newest, first: block_of(newest, most), ..Self::default() };
        for cell in buckets {
            if cell.id == newest {
                ring.open = cell.sums;
            } else {
                cells.push(&mut ring.list, *cell);
            }
        }
        (ring.block, ring.before) = (ring.of_the_block(cells), ring.of_the_block_before(cells));
        ring
    }
}

/// The first number of a bucket's block, of as many as a window can cover.
fn block_of(id: i64, buckets: i64) -> i64 {
    id.saturating_sub(id.rem_euclid(buckets + 1))
}

/// Makes each of these hold those behind it too.
fn add_up<S: Sums>(cells: &mut [Cell<S>]) {
    for at in (1..cells.len()).rev() {
        let behind = cells[at].sums;
        cells[at - 1].sums.join(&behind);
    }
}
