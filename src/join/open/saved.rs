//! Open rows as arrays: every segment as it stands, what lies on the disk included, so that the same rows make room at the
//! same places afterwards.

use super::{OpenRows, Segment};
use crate::error::Result;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// What stands for the segment that is being filled where none is.
const NONE: u64 = u64::MAX / 2;

impl Snapshot for OpenRows {
    const PART: &'static str = "open_rows";

    fn save(&self, to: &mut Saving<'_>) {
        let Self {
            memory: _,
            segment_bytes: _,
            beside: _,
            segments,
            dues: _,
            filling,
            held: _,
            read_back: _,
            next,
            rows: _,
            index_bytes: _,
            held_bytes: _,
            spilled: _,
            spare: _,
            scratch: _,
            unsaved,
        } = self;
        to.put("next", &[*next, filling.unwrap_or(NONE)]);
        let segments = || segments.values();
        let heads = segments().flat_map(|of| [of.first, of.at.len() as u64, of.length as u64, of.written]);
        to.put("segment", &heads.collect::<Vec<_>>());
        to.put_with::<u32>("after", |bytes| segments().for_each(|of| bytes.extend(bytemuck::cast_slice(&of.after))));
        to.put_with::<u32>("at", |bytes| segments().for_each(|of| bytes.extend(bytemuck::cast_slice(&of.at))));
        to.put_with::<u64>("due", |bytes| segments().for_each(|of| bytes.extend(bytemuck::cast_slice(&of.due))));
        to.put_with::<u8>("row", |bytes| {
            let mut buffer = Vec::new();
            for segment in segments() {
                match self.bytes_of(segment, &mut buffer) {
                    Ok(of) => bytes.extend_from_slice(of),
                    Err(error) => _ = unsaved.set(error),
                }
            }
        });
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let fresh = Self::with(self.memory, self.segment_bytes);
        let [next, filling] = from.counts("next")?;
        let filling = Some(filling).filter(|&filling| filling != NONE);
        *self = Self { next, filling, ..fresh };
        let mut saved = Saved::of(from)?;
        while let Some(segment) = saved.next(from)? {
            let first = segment.first;
            self.rows += segment.rows() as u64;
            self.insert(segment);
            if filling != Some(first) {
                self.held.insert(first);
            }
            self.fit(0)?;
        }
        let Self {
            memory: _,
            segment_bytes: _,
            beside: _,
            segments,
            dues: _,
            filling,
            held: _,
            read_back: _,
            next,
            rows: _,
            index_bytes: _,
            held_bytes: _,
            spilled: _,
            spare: _,
            scratch: _,
            unsaved: _,
        } = self;
        let last = segments.last_key_value();
        from.check("next", filling.is_none() || filling.as_ref() == last.map(|(first, _)| first))?;
        from.check("next", last.is_none_or(|(_, segment)| segment.end() <= *next))
    }
}

/// The arrays of saved segments, and how far they have been gone through.
struct Saved {
    heads: Vec<u64>,
    after: Vec<u32>,
    at: Vec<u32>,
    due: Vec<i64>,
    bytes: Vec<u8>,
    segment: usize,
    entry: usize,
    byte: usize,
    /// Sequence numbers below this were in the segments before.
    end: u64,
}

impl Saved {
    fn of(from: &Restoring<'_>) -> Result<Self> {
        let after: Vec<u32> = from.get("after")?;
        let at = from.exactly("at", after.len())?;
        let due = from.exactly::<u64>("due", after.len())?.into_iter().map(|due| due as i64).collect();
        let (heads, bytes) = (from.get("segment")?, from.get("row")?);
        Ok(Self { heads, after, at, due, bytes, segment: 0, entry: 0, byte: 0, end: 0 })
    }

    /// The next segment; `None` behind the last one.
    fn next(&mut self, from: &Restoring<'_>) -> Result<Option<Segment>> {
        let Some(&[first, entries, length, written]) = self.heads.as_chunks().0.get(self.segment) else {
            from.check("segment", self.heads.len() == 4 * self.segment)?;
            from.check("at", self.entry == self.at.len())?;
            return from.check("row", self.byte == self.bytes.len()).map(|()| None);
        };
        let segment = self.cut(first, entries, length, written);
        let segment = segment.filter(|_| first >= self.end).ok_or_else(|| from.broken("segment"))?;
        self.segment += 1;
        self.end = segment.end();
        Ok(Some(segment))
    }

    fn cut(&mut self, first: u64, entries: u64, length: u64, written: u64) -> Option<Segment> {
        let entries = self.entry..self.entry.checked_add(usize::try_from(entries).ok()?)?;
        let bytes = self.byte..self.byte.checked_add(usize::try_from(length).ok()?)?;
        (self.entry, self.byte) = (entries.end, bytes.end);
        let index = (
            self.after.get(entries.clone())?.to_vec(),
            self.at.get(entries.clone())?.to_vec(),
            self.due.get(entries)?.to_vec(),
        );
        Segment::of(first, index, written, self.bytes.get(bytes)?.to_vec())
    }
}
