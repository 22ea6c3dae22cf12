//! Room for the buckets of many rings: takes a list's place and what is to be put there, gives the list back. Lists are
//! short and there are millions of them, so they lie in one array, in pieces of 1, 2, 4, ... buckets that are used again.

use std::ops::Range;

/// A bucket that has been closed, by its number since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell<S> {
    pub id: i64,
    pub sums: S,
}

/// Where the list of a ring lies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct List {
    at: u32,
    /// Where in its piece it begins.
    start: u16,
    len: u16,
    /// One more than the power of two of its piece; 0 where it has none.
    class: u8,
}

impl List {
    /// Buckets in it.
    pub(super) fn len(self) -> usize {
        usize::from(self.len)
    }

    #[inline(always)]
    fn range(self) -> Range<usize> {
        let first = self.at as usize + usize::from(self.start);
        first..first + usize::from(self.len)
    }
}

/// The lists of all rings of a section.
#[derive(Debug, Clone)]
pub(super) struct Cells<S> {
    all: Vec<Cell<S>>,
    /// Pieces that nobody has, by their class.
    free: [Vec<u32>; 16],
}

impl<S: Copy + Default> Cells<S> {
    pub(super) fn new() -> Self {
        Self { all: Vec::new(), free: Default::default() }
    }

    #[inline(always)]
    pub(super) fn of(&self, list: List) -> &[Cell<S>] {
        &self.all[list.range()]
    }

    #[inline(always)]
    pub(super) fn of_mut(&mut self, list: List) -> &mut [Cell<S>] {
        &mut self.all[list.range()]
    }

    /// Puts a bucket behind a list.
    #[inline(always)]
    pub(super) fn push(&mut self, list: &mut List, cell: Cell<S>) {
        if usize::from(list.start + list.len) == room(list.class) {
            self.make_room(list);
        }
        list.len += 1;
        if let Some(last) = self.of_mut(*list).last_mut() {
            *last = cell;
        }
    }

    /// Puts a bucket into a list, before the one at `at`.
    pub(super) fn insert(&mut self, list: &mut List, at: usize, cell: Cell<S>) {
        if usize::from(list.start + list.len) == room(list.class) {
            self.make_room(list);
        }
        list.len += 1;
        let cells = self.of_mut(*list);
        let last = cells.len() - 1;
        cells.copy_within(at..last, at + 1);
        cells[at] = cell;
    }

    /// Takes the first `count` buckets out of a list.
    pub(super) fn drop_first(&mut self, list: &mut List, count: usize) {
        if count >= usize::from(list.len) {
            return self.clear(list);
        }
        (list.start, list.len) = (list.start + count as u16, list.len - count as u16);
    }

    /// Takes all buckets out of a list, and gives its piece back.
    pub(super) fn clear(&mut self, list: &mut List) {
        if list.class > 0 {
            self.free[usize::from(list.class) - 1].push(list.at);
        }
        *list = List::default();
    }

    /// Moves a list to the front of its piece, or to a larger one where that would gain less than half of it.
    fn make_room(&mut self, list: &mut List) {
        if list.start == 0 || list.len > list.start {
            return self.grow(list);
        }
        let range = list.range();
        self.all.copy_within(range, list.at as usize);
        list.start = 0;
    }

    fn grow(&mut self, list: &mut List) {
        let class = list.class + 1;
        let at = self.free[usize::from(class) - 1].pop().unwrap_or_else(|| {
            let at = self.all.len();
            self.all.resize(at + room(class), Cell { id: 0, sums: S::default() });
            at as u32
        });
        let (range, len) = (list.range(), list.len);
        self.all.copy_within(range, at as usize);
        self.clear(list);
        *list = List { at, start: 0, len, class };
    }
}

/// Buckets of a piece.
#[inline(always)]
fn room(class: u8) -> usize {
    if class == 0 { 0 } else { 1 << (class - 1) }
}
