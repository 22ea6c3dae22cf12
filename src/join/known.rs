//! The keys that a join knows: takes a key and what is known of it, gives that again.
//!
//! Open addressing in plain arrays, 16 bytes a slot, in many small tables: when one grows or shrinks, the memory for that is
//! a small part of the whole. Keys are hashes already. Tables are between half and four fifths full, so a key takes
//! [`Known::BYTES`] at most.

use crate::error::Result;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Tables; a power of two, told by the upper bits of a key.
const TABLES: usize = 1 << BITS;
const BITS: u32 = 6;
/// Slots of the smallest table that is not empty.
const LEAST: usize = 8;
/// What stands in a slot that is free; no key is known as this.
const FREE: u64 = u64::MAX;

/// What is known of keys, a number each.
#[derive(Debug, Clone)]
pub(super) struct Known {
    tables: Vec<Table>,
    keys: u64,
}

#[derive(Debug, Clone, Default)]
struct Table {
    /// Key and what is known of it.
    slots: Vec<[u64; 2]>,
    keys: usize,
}

impl Known {
    /// Bytes of memory that a key takes at most.
    pub const BYTES: u64 = 32;

    pub fn new() -> Self {
        Self { tables: vec![Table::default(); TABLES], keys: 0 }
    }

    /// Keys that are known.
    pub fn len(&self) -> u64 {
        self.keys
    }

    /// What is known of a key.
    pub fn get(&self, key: u64) -> Option<u64> {
        let table = &self.tables[table_of(key)];
        let [_, value] = table.slots.get(table.find(key)?)?;
        (*value != FREE).then_some(*value)
    }

    /// What is known of all keys, in no order.
    pub fn values(&self) -> impl Iterator<Item = u64> {
        let slots = self.tables.iter().flat_map(|table| &table.slots);
        slots.map(|&[_, value]| value).filter(|&value| value != FREE)
    }

    /// Makes a key known as `value`, which is not the largest number.
    pub fn insert(&mut self, key: u64, value: u64) {
        let table = &mut self.tables[table_of(key)];
        let before = table.keys;
        table.insert(key, value);
        self.keys += (table.keys - before) as u64;
    }

    /// Forgets a key; whether it was known.
    pub fn remove(&mut self, key: u64) -> bool {
        let was_known = self.tables[table_of(key)].remove(key);
        self.keys -= u64::from(was_known);
        was_known
    }
}

fn table_of(key: u64) -> usize {
    (key >> (64 - BITS)) as usize
}

impl Table {
    /// The slot of a key, or the free one where it would be put.
    fn find(&self, key: u64) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut slot = self.home(key);
        while self.slots[slot][1] != FREE && self.slots[slot][0] != key {
            slot = self.behind(slot);
        }
        Some(slot)
    }

    fn insert(&mut self, key: u64, value: u64) {
        if 5 * (self.keys + 1) > 4 * self.slots.len() {
            self.resize((5 * self.slots.len() / 4).max(LEAST));
        }
        if let Some(slot) = self.find(key) {
            self.keys += usize::from(self.slots[slot][1] == FREE);
            self.slots[slot] = [key, value];
        }
    }

    fn remove(&mut self, key: u64) -> bool {
        let Some(mut hole) = self.find(key).filter(|&slot| self.slots[slot][1] != FREE) else { return false };
        let mut slot = self.behind(hole);
        while self.slots[slot][1] != FREE {
            // What stands behind the hole moves into it, unless it would then stand before its home.
            if self.distance(self.home(self.slots[slot][0]), slot) >= self.distance(hole, slot) {
                self.slots[hole] = self.slots[slot];
                hole = slot;
            }
            slot = self.behind(slot);
        }
        self.slots[hole][1] = FREE;
        self.keys -= 1;
        if 2 * self.keys < self.slots.len() {
            self.resize(if self.keys == 0 { 0 } else { (3 * self.keys / 2).max(LEAST) });
        }
        true
    }

    /// Puts the keys into a table of so many slots, unless it has as many.
    fn resize(&mut self, slots: usize) {
        if slots == self.slots.len() {
            return;
        }
        let before = std::mem::replace(&mut self.slots, vec![[0, FREE]; slots]);
        for [key, value] in before.into_iter().filter(|[_, value]| *value != FREE) {
            if let Some(slot) = self.find(key) {
                self.slots[slot] = [key, value];
            }
        }
    }

    fn home(&self, key: u64) -> usize {
        ((u128::from(key << BITS) * self.slots.len() as u128) >> 64) as usize
    }

    fn behind(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }

    /// Slots from one to another, onwards.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.slots.len() - from }
    }

    /// The keys in an order in which they come to stand where they do, put in one after the other.
    fn in_order(&self) -> impl Iterator<Item = &[u64; 2]> {
        let free = self.slots.iter().position(|[_, value]| *value == FREE).unwrap_or(0);
        let (before, behind) = self.slots.split_at(free);
        behind.iter().chain(before).filter(|[_, value]| *value != FREE)
    }
}

impl Snapshot for Known {
    const PART: &'static str = "join_keys";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { tables, keys: _ } = self;
        to.put("slots", &tables.iter().map(|table| table.slots.len() as u64).collect::<Vec<_>>());
        to.put("keys", &tables.iter().map(|table| table.keys as u64).collect::<Vec<_>>());
        to.put_with::<u64>("known", |bytes| {
            tables.iter().flat_map(Table::in_order).for_each(|slot| bytes.extend(bytemuck::bytes_of(slot)));
        });
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { tables, keys } = self;
        let sizes = from.exactly::<u64>("slots", TABLES)?;
        let counts = from.exactly::<u64>("keys", TABLES)?;
        let known: Vec<u64> = from.get("known")?;
        let mut known = known.as_chunks::<2>().0.iter();
        *keys = known.len() as u64;
        for ((table, size), count) in tables.iter_mut().zip(sizes).zip(counts) {
            from.check("keys", count <= known.len() as u64)?;
            from.check("slots", size <= (2 * count).max(LEAST as u64) && 4 * size >= 5 * count)?;
            *table = Table { slots: vec![[0, FREE]; size as usize], keys: 0 };
            known.by_ref().take(count as usize).for_each(|&[key, value]| table.insert(key, value));
            from.check("known", table.keys as u64 == count && table.slots.len() as u64 == size)?;
        }
        from.check("known", known.len() == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::State;

    proptest! {
        #[test]
        fn what_is_known_is_what_a_map_knows(
            steps in prop::collection::vec((any::<bool>(), 0..40_u64, 0..9_u64), 0..300), spread in 0..3_u32
        ) {
            // All in one table at its start, all in one at its end, or anywhere.
            let key = |of: u64| [of, u64::MAX - of, of.wrapping_mul(0x9e37_79b9_7f4a_7c15)][spread as usize];
            let (mut known, mut map) = (Known::new(), BTreeMap::new());
            for (inserts, of, value) in steps {
                if inserts {
                    known.insert(key(of), value);
                    map.insert(of, value);
                } else {
                    prop_assert_eq!(known.remove(key(of)), map.remove(&of).is_some());
                }
                prop_assert_eq!(known.len(), map.len() as u64);
            }
            for of in 0..40 {
                prop_assert_eq!(known.get(key(of)), map.get(&of).copied());
            }
            let mut state = State::default();
            state.save(&known);
            let mut restored = Known::new();
            state.restore(&mut restored).unwrap();
            let slots = |known: &Known| known.tables.iter().flat_map(|table| table.slots.clone()).collect::<Vec<_>>();
            let (before, after) = (slots(&known), slots(&restored));
            prop_assert_eq!(before.len(), after.len());
            let is_same = before.iter().zip(&after).all(|(a, b)| a == b || (a[1] == FREE && b[1] == FREE));
            prop_assert!(is_same);
        }
    }

    #[test]
    fn a_key_never_takes_more_than_is_said() {
        let mut known = Known::new();
        let key = |of: u64| of.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bytes = |known: &Known| 16 * known.tables.iter().map(|table| table.slots.len() as u64).sum::<u64>();
        let least = (16 * LEAST * TABLES) as u64;
        for of in 0..20_000 {
            known.insert(key(of), of);
            assert!(bytes(&known) <= Known::BYTES * known.len() + least);
        }
        for of in 0..20_000 {
            known.remove(key(of));
            assert!(bytes(&known) <= Known::BYTES * known.len() + least);
        }
        assert_eq!(bytes(&known), 0);
    }
}
