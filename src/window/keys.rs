//! Which keys are remembered: takes a key, gives its slot; the key that has not come for longest makes room.
//!
//! Keys stand in a list in the order in which they last came. Slots are used again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The end of the list.
const NONE: u32 = u32::MAX;

/// What is known of a key beside its windows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Key {
    pub hash: u64,
    /// The latest of its records, `i64::MIN` before the first.
    pub newest: i64,
    /// The latest of its records and of the moments at which its labels became known.
    pub clock: i64,
    before: u32,
    behind: u32,
}

/// The keys by their hashes, and in the order in which they last came.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    all: Vec<Key>,
    slots: HashMap<u64, u32, BuildHasherDefault<Same>>,
    free: Vec<u32>,
    first: u32,
    last: u32,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self { all: Vec::new(), slots: HashMap::default(), free: Vec::new(), first: NONE, last: NONE }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Slots, those that are free among them.
    pub(super) fn slots(&self) -> usize {
        self.all.len()
    }

    /// Bytes of the keys that are remembered; of the map, about.
    pub(super) fn bytes(&self) -> usize {
        self.len() * (size_of::<Key>() + 19)
    }

    /// The slot of a key that is known; it is the last to have come now.
    #[inline(always)]
    pub(super) fn come(&mut self, hash: u64) -> Option<usize> {
        let slot = *self.slots.get(&hash)?;
        if self.last != slot {
            self.unlink(slot);
            self.link(slot);
        }
        Some(slot as usize)
    }

    /// The slot of a key that is known, which has not come for that.
    pub(super) fn find(&self, hash: u64) -> Option<usize> {
        self.slots.get(&hash).map(|slot| *slot as usize)
    }

    /// The slot of a key that is not known yet; its windows may hold what was another's.
    pub(super) fn add(&mut self, hash: u64, clock: i64) -> usize {
        let key = Key { hash, newest: i64::MIN, clock, before: NONE, behind: NONE };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.all[slot as usize] = key;
                slot
            }
            None => {
                self.all.push(key);
                (self.all.len() - 1) as u32
            }
        };
        self.slots.insert(hash, slot);
        self.link(slot);
        slot as usize
    }

    /// The slot of the key that has not come for longest.
    #[inline(always)]
    pub(super) fn first(&self) -> Option<usize> {
        (self.first != NONE).then_some(self.first as usize)
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, slot: usize) {
        self.slots.remove(&self.all[slot].hash);
        self.unlink(slot as u32);
        self.free.push(slot as u32);
    }

    #[inline(always)]
    pub(super) fn of(&self, slot: usize) -> &Key {
        &self.all[slot]
    }

    #[inline(always)]
    pub(super) fn of_mut(&mut self, slot: usize) -> &mut Key {
        &mut self.all[slot]
    }

    /// The slots of all keys, the one that has not come for longest first.
    pub(super) fn in_order(&self) -> impl Iterator<Item = usize> {
        let next = |slot: u32| Some(slot).filter(|slot| *slot != NONE);
        std::iter::successors(next(self.first), move |slot| next(self.all[*slot as usize].behind))
            .map(|slot| slot as usize)
    }

    fn unlink(&mut self, slot: u32) {
        let Key { before, behind, .. } = self.all[slot as usize];
        match before {
            NONE => self.first = behind,
            _ => self.all[before as usize].behind = behind,
        }
        match behind {
            NONE => self.last = before,
            _ => self.all[behind as usize].before = before,
        }
    }

    fn link(&mut self, slot: u32) {
        let last = self.last;
        let key = &mut self.all[slot as usize];
        (key.before, key.behind) = (last, NONE);
        match last {
            NONE => self.first = slot,
            _ => self.all[last as usize].behind = slot,
        }
        self.last = slot;
    }
}

/// Keys are hashes already.
#[derive(Debug, Clone, Copy, Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
