//! The names met most: takes sampled records, gives so many names with how often each was met, and how much of that may
//! be another's.
//!
//! Space saving: where a new name finds no room, it takes the place of the one met least and begins with its count. A
//! count is then too large by at most what it began with, and a name met more often than all counts together, divided
//! by the number of places, has a place.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::spaces::Spaces;
use crate::error::Result;
use crate::examples::{FeatureName, Sampled};
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Most names.
pub const MOST: usize = 4096;

/// A name with how often it was met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// What the feature is called.
    pub name: String,
    /// Its hash, all 32 bits.
    pub hash: u32,
    /// Records with it, those counted that sampled ones stand for.
    pub count: u64,
    /// How many of them at most were of names that are gone.
    pub error: u64,
    /// The place of its namespace.
    space: u32,
}

/// The names met most.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    records: u64,
    entries: Vec<Entry>,
    spaces: Spaces,
    /// Places of entries by hash; nearly always one.
    places: HashMap<u32, Vec<u32>>,
    /// Counts with places, the least first. A count is that of when it was last looked at: it is brought up to date when
    /// it comes first, so that to count on costs nothing here.
    order: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Traffic {
    /// Takes a record.
    pub fn add(&mut self, sampled: &Sampled) {
        self.records = self.records.saturating_add(sampled.stands_for);
        sampled.features.iter().for_each(|feature| self.meet(feature, sampled.stands_for));
    }

    /// Records that have been met, those counted that sampled ones stand for.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The names, in no order that means anything.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many of the names are in each namespace.
    pub fn by_namespace(&self) -> impl Iterator<Item = (&str, u64)> {
        let mut counts = vec![0; self.spaces.names().len()];
        self.entries.iter().for_each(|entry| counts[entry.space as usize] += 1);
        self.spaces.names().iter().map(String::as_str).zip(counts)
    }

    fn meet(&mut self, feature: &FeatureName, times: u64) {
        let known = self.places.get(&feature.hash).map_or(&[][..], Vec::as_slice).iter();
        match known.copied().find(|&place| self.entries[place as usize].name == feature.name) {
            Some(place) => {
                let entry = &mut self.entries[place as usize];
                entry.count = entry.count.saturating_add(times);
            }
            None if self.entries.len() < MOST => {
                let place = self.entries.len() as u32;
                self.entries.push(Entry::default());
                self.fill(place, feature, 0, times);
            }
            None => self.replace(feature, times),
        }
    }

    /// The name met least, which is taken out of the order; of equal ones the first.
    fn least(&mut self) -> Option<(u64, u32)> {
        while let Some(Reverse((count, place))) = self.order.pop() {
            let now = self.entries[place as usize].count;
            if now == count {
                return Some((count, place));
            }
            self.order.push(Reverse((now, place)));
        }
        None
    }

    fn replace(&mut self, feature: &FeatureName, times: u64) {
        let Some((least, place)) = self.least() else { return };
        let gone = self.entries[place as usize].hash;
        if let Some(places) = self.places.get_mut(&gone) {
            places.retain(|&known| known != place);
            if places.is_empty() {
                self.places.remove(&gone);
            }
        }
        self.fill(place, feature, least, times);
    }

    fn fill(&mut self, place: u32, feature: &FeatureName, error: u64, times: u64) {
        let FeatureName { name, namespace, hash } = feature;
        let (space, count) = (self.spaces.place(namespace), error.saturating_add(times));
        self.entries[place as usize] = Entry { name: name.clone(), hash: *hash, count, error, space };
        self.places.entry(*hash).or_default().push(place);
        self.order.push(Reverse((count, place)));
    }
}

impl Snapshot for Traffic {
    const PART: &'static str = "traffic";

    fn save(&self, to: &mut Saving<'_>) {
        // Places and order follow from the entries.
        let Self { records, entries, spaces, places: _, order: _ } = self;
        to.put("records", &[*records]);
        to.put("count", &entries.iter().map(|entry| entry.count).collect::<Vec<_>>());
        to.put("error", &entries.iter().map(|entry| entry.error).collect::<Vec<_>>());
        to.put("hash", &entries.iter().map(|entry| entry.hash).collect::<Vec<_>>());
        to.put("space", &entries.iter().map(|entry| entry.space).collect::<Vec<_>>());
        to.put_texts("name", entries.iter().map(|entry| entry.name.as_str()));
        to.put_texts("namespace", spaces.names().iter().map(String::as_str));
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { records, entries, spaces, places, order } = self;
        [*records] = from.counts("records")?;
        *spaces = Spaces::of(from.texts("namespace")?).ok_or_else(|| from.broken("namespace"))?;
        let names = from.texts("name")?;
        from.check("name", names.len() <= MOST)?;
        let (count, error) = (from.exactly::<u64>("count", names.len())?, from.exactly::<u64>("error", names.len())?);
        let (hash, space) = (from.exactly::<u32>("hash", names.len())?, from.exactly::<u32>("space", names.len())?);
        from.check("space", space.iter().all(|&space| (space as usize) < spaces.names().len()))?;
        let entry = |(at, name)| Entry { name, hash: hash[at], count: count[at], error: error[at], space: space[at] };
        *entries = names.into_iter().enumerate().map(entry).collect();
        from.check("error", entries.iter().all(|entry| entry.error <= entry.count))?;
        *order = entries.iter().map(|entry| entry.count).zip(0..).map(Reverse).collect();
        places.clear();
        entries.iter().zip(0..).for_each(|(entry, place)| places.entry(entry.hash).or_default().push(place));
        Ok(())
    }
}
