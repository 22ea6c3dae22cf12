//! A segment of open rows: consecutive rows whose bytes lie together, and the index of them.
//!
//! The index stays in memory, 18 bytes a row; the bytes lie there or on the disk. Rows are only ever added behind the
//! others. Those that are gone leave holes, and their index entries are dropped when they are more than the others.

use std::collections::VecDeque;
use std::ops::Range;

use super::spilled::Slot;

/// Rows of a segment at most: they are numbered with 16 bits.
pub(super) const ROWS: usize = 1 << 16;
/// Marks the place of a row that is gone.
const GONE: u32 = 1 << 31;
/// Bytes of memory that a segment takes for itself, its places in lists included.
const OWN: u64 = 512;
/// Index entries below which none are dropped.
const FEW: usize = 8;

/// Rows whose bytes lie together.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// Sequence number of its first row.
    pub first: u64,
    /// Sequence numbers of the rows in the index, less that of the first; ascending.
    pub after: Vec<u32>,
    /// Where the bytes of each begin; ascending, but for [`GONE`].
    pub at: Vec<u32>,
    /// When each is due.
    pub due: Vec<i64>,
    /// Rows by their place in the index, in the order in which they are due. Some may be gone, but not the first.
    order: VecDeque<u16>,
    /// Rows that are there.
    rows: usize,
    /// Place of the first row that is there.
    oldest: usize,
    /// Rows that were written, those that are gone included.
    pub written: u64,
    /// Bytes that were written.
    pub length: usize,
    /// The bytes, where they are in memory.
    pub bytes: Option<Vec<u8>>,
    /// Where they lie on the disk, if they do.
    pub slot: Option<Slot>,
    /// Bytes that were read from the disk row by row since they were last read together.
    pub read: usize,
}

impl Segment {
    /// An empty one, into whose buffer rows are to be put.
    pub fn new(first: u64, bytes: Vec<u8>) -> Self {
        Self { first, bytes: Some(bytes), ..Self::default() }
    }

    /// The segment of an index and its bytes; `None` where no segment is like that.
    pub fn of(first: u64, entries: (Vec<u32>, Vec<u32>, Vec<i64>), written: u64, bytes: Vec<u8>) -> Option<Self> {
        let (after, at, due) = entries;
        let mut starts = at.iter().map(|at| at & !GONE);
        let is_whole = after.is_sorted_by(|a, b| a < b)
            && starts.clone().is_sorted_by(|a, b| a < b)
            && starts.next_back().is_some_and(|last| (last as usize) < bytes.len())
            && after.len() <= ROWS
            && written >= after.len() as u64
            && after.last().is_some_and(|&last| first <= u64::MAX / 2 && last < u32::MAX);
        let mut segment = Self { first, after, at, due, written, length: bytes.len(), ..Self::default() };
        segment.bytes = Some(bytes);
        segment.put_in_order();
        (is_whole && segment.rows() > 0).then_some(segment)
    }

    /// Puts a row behind the others; `sequence` is above theirs.
    pub fn push(&mut self, sequence: u64, due: i64, row: &[u8]) {
        let Some(bytes) = &mut self.bytes else { return };
        let place = self.at.len();
        self.after.push((sequence - self.first) as u32);
        self.at.push(bytes.len() as u32);
        self.due.push(due);
        bytes.extend_from_slice(row);
        self.length = bytes.len();
        self.written += 1;
        self.rows += 1;
        self.insert(place);
    }

    /// Whether a row of so many bytes may be put behind the others, in a segment of `most` bytes.
    pub fn has_room(&self, sequence: u64, row: usize, most: usize) -> bool {
        self.length + row <= most && self.at.len() < ROWS && sequence - self.first <= u64::from(u32::MAX)
    }

    /// Rows that are there.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The place of a row in the index, if it is there.
    pub fn place(&self, sequence: u64) -> Option<usize> {
        let after = u32::try_from(sequence.checked_sub(self.first)?).ok()?;
        let place = match self.after.get(after as usize) {
            Some(&found) if found == after => after as usize, // none has been dropped before it
            _ => self.after.binary_search(&after).ok()?,
        };
        (self.at[place] & GONE == 0).then_some(place)
    }

    /// The bytes that hold a row; what is gone may follow.
    pub fn range(&self, place: usize) -> Range<usize> {
        let end = self.at.get(place + 1).map_or(self.length, |at| (at & !GONE) as usize);
        (self.at[place] & !GONE) as usize..end
    }

    /// What is due first, and its sequence number.
    pub fn next_due(&self) -> Option<(i64, u64)> {
        let place = usize::from(*self.order.front()?);
        Some((self.due[place], self.sequence(place)))
    }

    /// Whether no other row is due before the one at this place.
    pub fn is_next(&self, place: usize) -> bool {
        self.order.front().is_some_and(|&next| usize::from(next) == place)
    }

    /// The first row that is there.
    pub fn oldest(&self) -> u64 {
        self.sequence(self.oldest)
    }

    /// The sequence number behind those of its index.
    pub fn end(&self) -> u64 {
        self.after.last().map_or(self.first, |&after| self.first + u64::from(after) + 1)
    }

    /// Takes a row out.
    pub fn remove(&mut self, place: usize) {
        self.at[place] |= GONE;
        self.rows -= 1;
        while self.at.get(self.oldest).is_some_and(|at| at & GONE != 0) {
            self.oldest += 1;
        }
        if self.at.len() > FEW && self.rows < self.at.len() / 2 {
            self.drop_gone();
        }
        self.drop_gone_from_order();
    }

    /// Makes a row due at another time.
    pub fn reschedule(&mut self, place: usize, due: i64) {
        let turn = self.turn(place as u16);
        let from = self.order.partition_point(|&other| self.turn(other) < turn);
        self.order.remove(from);
        self.due[place] = due;
        self.insert(place);
        self.drop_gone_from_order();
    }

    /// Places of the rows that are there, in order.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        (0..self.at.len()).filter(|&place| self.at[place] & GONE == 0)
    }

    /// The sequence number of an index entry.
    pub fn sequence(&self, place: usize) -> u64 {
        self.first + u64::from(self.after[place])
    }

    /// Bytes of the rows that are there, about.
    pub fn live_bytes(&self) -> usize {
        (self.length as u64 * self.rows() as u64).checked_div(self.written).unwrap_or(0) as usize
    }

    /// Bytes of memory that the index takes.
    pub fn index_bytes(&self) -> u64 {
        OWN + 16 * self.at.len() as u64 + 2 * self.order.len() as u64
    }

    /// Gives up the room that only a segment which grows needs.
    pub fn shrink(&mut self) {
        self.after.shrink_to_fit();
        self.at.shrink_to_fit();
        self.due.shrink_to_fit();
        self.order.shrink_to_fit();
    }

    fn drop_gone(&mut self) {
        let places: Vec<_> = self.places().collect();
        self.after = places.iter().map(|&place| self.after[place]).collect();
        self.due = places.iter().map(|&place| self.due[place]).collect();
        self.at = places.iter().map(|&place| self.at[place]).collect();
        self.put_in_order();
    }

    fn put_in_order(&mut self) {
        let mut places: Vec<_> = self.places().map(|place| place as u16).collect();
        self.oldest = places.first().map_or(self.at.len(), |&place| usize::from(place));
        self.rows = places.len();
        places.sort_by_key(|&place| self.turn(place));
        self.order = places.into();
    }

    /// Records come nearly in order, so that hardly anything has to make room.
    fn insert(&mut self, place: usize) {
        let turn = self.turn(place as u16);
        let to = self.order.partition_point(|&other| self.turn(other) < turn);
        self.order.insert(to, place as u16);
    }

    /// Sees to it that what is due first is a row that is there.
    fn drop_gone_from_order(&mut self) {
        while self.order.front().is_some_and(|&place| self.at[usize::from(place)] & GONE != 0) {
            self.order.pop_front();
        }
    }

    fn turn(&self, place: u16) -> (i64, u16) {
        (self.due[usize::from(place)], place)
    }
}
