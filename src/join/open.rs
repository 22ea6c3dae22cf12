//! The store of open rows: takes rows of micro-batches, gives them back by their sequence number or when they are due.
//!
//! Rows lie as bytes in segments. Where these do not fit into memory, the oldest full ones go to a temporary file; rows are
//! read back one by one, and where they fall due a segment as a whole. Neighbours that have hardly any rows left
//! become one segment, so that memory and file follow what is open, not what was. Where the index alone is too large,
//! [`OpenRows::is_over`] says so, and the caller is to take out what is due first. What lies where shows in nothing else.

mod saved;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::OnceLock;

use super::row::{OpenRow, encode};
use super::segment::{ROWS, Segment};
use super::spilled::{Spilled, damaged};
use crate::error::{Error, Result};
use crate::examples::MicroBatch;

/// Bytes of a segment, where memory is not scarce.
const SEGMENT: u64 = 1 << 20;
/// Segments that memory has room for at least.
const SEGMENTS: u64 = 64;
/// Segments whose room is never the index's: what is being filled, what was read back, a buffer.
const ROOM: u64 = 8;
/// Segments on the disk that are in memory as well.
const READ_BACK: usize = 4;
/// Part of a segment that is read row by row as rows fall due before it is read as a whole.
const SINGLY: usize = 16;
/// Part of the memory that is left to what allocators waste.
const WASTE: u64 = 32;
/// Part of a segment that two neighbours may have left between them before they become one.
const SPARSE: usize = 4;
/// Bytes of memory that a row takes at most beside its own.
const ROW: u64 = 40;

/// Rows that wait.
///
/// ```
/// use tidemill::examples::MicroBatch;
/// use tidemill::join::{OpenRow, OpenRows};
/// let batch = MicroBatch { rows: 1, row_start: vec![0, 0], weight: vec![1.0], record: vec![5], ..MicroBatch::default() };
/// let mut rows = OpenRows::new(1 << 20);
/// let sequence = rows.put(1000, &batch, 0, 1.0, &[])?;
/// assert_eq!((rows.next_due(999), rows.next_due(1000)), (None, Some((1000, sequence))));
/// let mut row = OpenRow::default();
/// assert!(rows.take(sequence, &mut row)?);
/// assert_eq!((row.record, row.label, rows.len()), (5, 1.0, 0));
/// # Ok::<(), tidemill::error::Error>(())
/// ```
#[derive(Debug)]
pub struct OpenRows {
    memory: u64,
    segment_bytes: usize,
    /// Bytes of memory that the caller takes.
    beside: u64,
    /// By the sequence number of their first row.
    segments: BTreeMap<u64, Segment>,
    /// What is due first in each, and the segment.
    dues: BTreeSet<(i64, u64)>,
    /// The segment that is being filled.
    filling: Option<u64>,
    /// Full segments that are nowhere but in memory.
    held: BTreeSet<u64>,
    /// Segments that were read back, in the order in which they were.
    read_back: VecDeque<u64>,
    next: u64,
    rows: u64,
    index_bytes: u64,
    /// Bytes of rows in memory.
    held_bytes: u64,
    spilled: Spilled,
    /// A buffer for the next segment.
    spare: Vec<u8>,
    /// The bytes of one row.
    scratch: Vec<u8>,
    /// What was not read when it was to be saved.
    unsaved: OnceLock<Error>,
}

impl OpenRows {
    /// A store that takes so many bytes of memory at most, as long as it can keep its index in most of them.
    pub fn new(memory: u64) -> Self {
        let segment_bytes = (memory / SEGMENTS).clamp(256, SEGMENT) as usize;
        Self::with(memory - memory / WASTE, segment_bytes)
    }

    fn with(memory: u64, segment_bytes: usize) -> Self {
        Self {
            memory,
            segment_bytes,
            beside: 0,
            segments: BTreeMap::new(),
            dues: BTreeSet::new(),
            filling: None,
            held: BTreeSet::new(),
            read_back: VecDeque::new(),
            next: 0,
            rows: 0,
            index_bytes: 0,
            held_bytes: 0,
            spilled: Spilled::new(segment_bytes),
            spare: Vec::new(),
            scratch: Vec::new(),
            unsaved: OnceLock::new(),
        }
    }

    /// Takes a copy of a row, which is due at `due`; gives its sequence number.
    ///
    /// # Errors
    /// A disk that is full, or a row of 2 GiB.
    pub fn put(&mut self, due: i64, batch: &MicroBatch, row: usize, label: f32, keys: &[u64]) -> Result<u64> {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        encode(batch, row, label, keys, &mut bytes);
        if i32::try_from(bytes.len()).is_err() {
            return Err(Error::usage("a record has more features than can wait for a label: use fewer"));
        }
        let sequence = self.next;
        let into = self.segment_for(bytes.len());
        self.edit(into, |segment| segment.push(sequence, due, &bytes));
        self.held_bytes += bytes.len() as u64;
        self.scratch = bytes;
        self.next += 1;
        self.rows += 1;
        self.fit(0)?;
        Ok(sequence)
    }

    /// What is due first, if it is due at `clock`: when, and its sequence number.
    pub fn next_due(&self, clock: i64) -> Option<(i64, u64)> {
        let &(due, first) = self.dues.first()?;
        if due <= clock { self.segments.get(&first)?.next_due() } else { None }
    }

    /// Takes a row out; false where there is none of this number.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn take(&mut self, sequence: u64, row: &mut OpenRow) -> Result<bool> {
        Ok(self.look(sequence, row)? && self.forget(sequence)?)
    }

    /// Gives a copy of a row; false where there is none of this number.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn look(&mut self, sequence: u64, row: &mut OpenRow) -> Result<bool> {
        let Some((first, place)) = self.find(sequence) else { return Ok(false) };
        self.read_back_if_worth_it(first, place)?;
        let Some(segment) = self.segments.get(&first) else { return Ok(false) };
        let range = segment.range(place);
        let decoded = match (&segment.bytes, segment.slot) {
            (Some(bytes), _) => row.decode(&bytes[range]),
            (None, None) => None,
            (None, Some(slot)) => {
                self.scratch.clear();
                self.spilled.read(slot, range, &mut self.scratch)?;
                row.decode(&self.scratch)
            }
        };
        decoded.ok_or_else(damaged)?;
        (row.sequence, row.due) = (sequence, segment.due[place]);
        Ok(true)
    }

    /// Takes a row out without reading it; false where there is none of this number.
    ///
    /// # Errors
    /// A file that cannot be read, where hardly any rows of its neighbourhood are left.
    pub fn forget(&mut self, sequence: u64) -> Result<bool> {
        let Some((first, place)) = self.find(sequence) else { return Ok(false) };
        self.edit(first, |segment| segment.remove(place));
        self.rows -= 1;
        self.tidy(first)?;
        Ok(true)
    }

    /// Makes a row due at another time; false where there is none of this number.
    pub fn reschedule(&mut self, sequence: u64, due: i64) -> bool {
        let Some((first, place)) = self.find(sequence) else { return false };
        self.edit(first, |segment| segment.reschedule(place, due));
        true
    }

    /// When a row is due.
    pub fn due(&self, sequence: u64) -> Option<i64> {
        let (first, place) = self.find(sequence)?;
        Some(self.segments.get(&first)?.due[place])
    }

    /// The smallest sequence number of a row that is open; the next one where none is.
    pub fn oldest(&self) -> u64 {
        self.segments.values().next().map_or(self.next, Segment::oldest)
    }

    /// Open rows.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether no row is open.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> u64 {
        self.index_bytes + self.held_bytes + self.spare.capacity() as u64
    }

    /// Bytes of the disk that it takes.
    pub fn spilled_bytes(&self) -> u64 {
        self.spilled.bytes()
    }

    /// Leaves so many bytes of the memory to the caller.
    ///
    /// # Errors
    /// A disk that is full.
    pub fn leave(&mut self, beside: u64) -> Result<()> {
        self.beside = beside;
        self.fit(0)
    }

    /// Whether there are more rows than the memory can hold the index of: what is due first is to be taken out. What lies
    /// where makes no difference to it.
    pub fn is_over(&self) -> bool {
        let index = ROW * self.rows + 512 * self.segments.len() as u64;
        index + self.beside + ROOM * self.segment_bytes as u64 > self.memory
    }

    /// Says whether all rows were read that were to be saved.
    ///
    /// # Errors
    /// A file that could not be read: the state that was taken is not whole.
    pub fn check_saved(&mut self) -> Result<()> {
        self.unsaved.take().map_or(Ok(()), Err)
    }

    /// The segment that a row of so many bytes is to go to.
    fn segment_for(&mut self, row: usize) -> u64 {
        let (next, most) = (self.next, self.segment_bytes);
        let filling = self.filling.and_then(|first| self.segments.get_mut(&first));
        match filling {
            Some(segment) if segment.has_room(next, row, most) => return segment.first,
            Some(segment) => {
                segment.shrink();
                self.held.insert(segment.first);
            }
            None => {}
        }
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        buffer.reserve_exact(row.max(most));
        self.filling = Some(next);
        self.insert(Segment::new(next, buffer));
        next
    }

    fn find(&self, sequence: u64) -> Option<(u64, usize)> {
        let (&first, segment) = self.segments.range(..=sequence).next_back()?;
        Some((first, segment.place(sequence)?))
    }

    fn insert(&mut self, segment: Segment) {
        let first = segment.first;
        self.index_bytes += segment.index_bytes();
        self.dues.extend(segment.next_due().map(|(due, _)| (due, first)));
        self.held_bytes += segment.bytes.as_ref().map_or(0, Vec::len) as u64;
        self.segments.insert(first, segment);
    }

    /// Changes the index of a segment, and what is known of it elsewhere.
    fn edit(&mut self, first: u64, change: impl FnOnce(&mut Segment)) {
        let Some(segment) = self.segments.get_mut(&first) else { return };
        let due = |segment: &Segment| segment.next_due().map(|(due, _)| (due, first));
        let (before, bytes_before) = (due(segment), segment.index_bytes());
        change(segment);
        let (after, bytes_after) = (due(segment), segment.index_bytes());
        self.index_bytes = self.index_bytes - bytes_before + bytes_after;
        if before != after {
            before.iter().for_each(|due| _ = self.dues.remove(due));
            self.dues.extend(after);
        }
    }

    /// Takes a segment out, bytes and slot given up.
    fn remove(&mut self, first: u64) -> Option<Segment> {
        let mut segment = self.segments.remove(&first)?;
        self.index_bytes -= segment.index_bytes();
        segment.next_due().iter().for_each(|&(due, _)| _ = self.dues.remove(&(due, first)));
        self.held.remove(&first);
        self.read_back.retain(|&other| other != first);
        self.filling = self.filling.filter(|&filling| filling != first);
        self.drop_bytes(segment.bytes.take());
        segment.slot.take().into_iter().for_each(|slot| self.spilled.free(slot));
        Some(segment)
    }

    fn drop_bytes(&mut self, bytes: Option<Vec<u8>>) {
        let Some(bytes) = bytes else { return };
        self.held_bytes -= bytes.len() as u64;
        if self.spare.capacity() == 0 && bytes.capacity() <= self.segment_bytes {
            self.spare = bytes;
        }
    }

    /// Sends full segments to the disk, the oldest first, until the others and so many bytes more fit into memory.
    fn fit(&mut self, more: usize) -> Result<()> {
        while self.bytes() + self.beside + more as u64 > self.memory {
            if let Some(&first) = self.held.first() {
                self.spill(first)?;
                self.held.remove(&first);
            } else if let Some(first) = self.read_back.pop_front() {
                self.drop_copy(first);
            } else {
                break;
            }
        }
        Ok(())
    }

    fn spill(&mut self, first: u64) -> Result<()> {
        let Some(segment) = self.segments.get_mut(&first) else { return Ok(()) };
        if let Some(bytes) = &segment.bytes {
            segment.slot = Some(self.spilled.write(bytes)?);
        }
        self.drop_copy(first);
        Ok(())
    }

    /// Drops the bytes of a segment that lie on the disk.
    fn drop_copy(&mut self, first: u64) {
        let bytes = self.segments.get_mut(&first).and_then(|segment| segment.bytes.take());
        self.drop_bytes(bytes);
    }

    /// Counts what is read of a segment on the disk in the order in which it is due; reads all of it once that was a part of
    /// it, since the rest is likely to follow. Where times are far out of order that is no more work than what was read.
    fn read_back_if_worth_it(&mut self, first: u64, place: usize) -> Result<()> {
        let Some(segment) = self.segments.get_mut(&first) else { return Ok(()) };
        let (None, Some(slot)) = (&segment.bytes, segment.slot) else { return Ok(()) };
        if !segment.is_next(place) {
            return Ok(());
        }
        segment.read += segment.range(place).len();
        if segment.read <= segment.length / SINGLY {
            return Ok(());
        }
        segment.read = 0;
        let length = segment.length;
        if self.read_back.len() == READ_BACK
            && let Some(oldest) = self.read_back.pop_front()
        {
            self.drop_copy(oldest);
        }
        self.fit(length)?;
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        self.spilled.read(slot, 0..length, &mut bytes)?;
        self.held_bytes += bytes.len() as u64;
        self.segments.entry(first).and_modify(|segment| segment.bytes = Some(bytes));
        self.read_back.push_back(first);
        Ok(())
    }

    /// Frees a segment without rows, and makes one of two neighbours with hardly any.
    fn tidy(&mut self, first: u64) -> Result<()> {
        let Some(segment) = self.segments.get(&first) else { return Ok(()) };
        if segment.rows() == 0 {
            self.remove(first);
            return Ok(());
        }
        if segment.live_bytes() > self.segment_bytes / SPARSE {
            return Ok(());
        }
        let before = self.segments.range(..first).next_back().map(|(&before, _)| (before, first));
        let after = self.segments.range(first + 1..).next().map(|(&after, _)| (first, after));
        for (a, b) in [before, after].into_iter().flatten() {
            if self.are_sparse(a, b) {
                return self.join(a, b);
            }
        }
        Ok(())
    }

    fn are_sparse(&self, a: u64, b: u64) -> bool {
        let (Some(first), Some(second)) = (self.segments.get(&a), self.segments.get(&b)) else { return false };
        let are_full = self.filling != Some(a) && self.filling != Some(b);
        let fit = first.rows() + second.rows() <= ROWS && second.end() - a <= u64::from(u32::MAX);
        are_full && fit && first.live_bytes() + second.live_bytes() <= self.segment_bytes / SPARSE
    }

    /// Makes one segment of what is left of two.
    fn join(&mut self, a: u64, b: u64) -> Result<()> {
        let mut joined = Segment::new(a, Vec::new());
        let (mut row, mut buffer) = (OpenRow::default(), Vec::new());
        for first in [a, b] {
            let Some(segment) = self.segments.get(&first) else { continue };
            let bytes = self.bytes_of(segment, &mut buffer)?;
            for place in segment.places() {
                let bytes = &bytes[segment.range(place)];
                let length = row.decode(bytes).ok_or_else(damaged)?;
                joined.push(segment.sequence(place), segment.due[place], &bytes[..length]);
            }
        }
        self.remove(a);
        self.remove(b);
        joined.shrink();
        self.insert(joined);
        self.held.insert(a);
        self.fit(0)
    }

    /// The bytes of a segment, read into `buffer` where they are not in memory.
    fn bytes_of<'a>(&self, segment: &'a Segment, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        if let Some(bytes) = &segment.bytes {
            return Ok(bytes);
        }
        buffer.clear();
        match segment.slot {
            Some(slot) => self.spilled.read(slot, 0..segment.length, buffer)?,
            None => return Err(damaged()),
        }
        Ok(buffer)
    }
}
