//! Features, counted: takes those of a part of the table's slots, gives how many there are of each namespace, and how
//! many share a weight with another.
//!
//! A slot's features are all kept or none is, so that sharing is counted and not guessed: the indices of libsvm, which
//! hash to themselves, meet as they do. When too many are kept, half of the slots are given up (Wegman's adaptive
//! sampling); what is kept of a part of them stands for the whole, with an error that follows from how unequal slots are.

use std::collections::BTreeMap;

use super::spaces::Spaces;
use crate::error::Result;
use crate::examples::{Counted, Slots};
use crate::learner::MAX_HASH_BITS;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Most features that are kept.
pub const MOST: usize = 16 * 1024;

/// The features of a part of the slots.
#[derive(Debug, Clone)]
pub struct Distinct {
    hash_bits: u32,
    slots: Slots,
    /// One of two to the power of this many slots is kept.
    level: u32,
    /// Namespaces' places by hash.
    kept: BTreeMap<u32, u32>,
    spaces: Spaces,
}

/// A figure, and one standard deviation of what it may be off.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// The standard deviation.
    pub error: f64,
}

impl Distinct {
    /// None yet, of a table of `2^hash_bits` weights.
    pub fn new(hash_bits: u32) -> Self {
        let (slots, kept, spaces) = (Slots::new(hash_bits), BTreeMap::new(), Spaces::default());
        Self { hash_bits, slots, level: 0, kept, spaces }
    }

    /// Takes a feature, which may be known.
    pub fn add(&mut self, counted: &Counted) {
        self.rise_to(counted.level);
        if !self.slots.has(counted.hash, self.level) || self.kept.contains_key(&counted.hash) {
            return;
        }
        let space = self.spaces.place(&counted.namespace);
        self.kept.insert(counted.hash, space);
        while self.kept.len() > MOST && self.level < u32::BITS {
            self.rise_to(self.level + 1);
        }
    }

    /// Keeps one of at most so many slots: of others not everything has been told.
    pub fn rise_to(&mut self, level: u32) {
        if level > self.level {
            self.level = level;
            self.kept.retain(|&hash, _| self.slots.has(hash, level));
        }
    }

    /// How many features there are.
    pub fn features(&self) -> Estimate {
        let squares: f64 = self.sharing(self.hash_bits).slots.iter().map(|slot| slot.features.powi(2)).sum();
        let (each, kept) = (self.each(), self.kept.len() as f64);
        Estimate { value: each * kept, error: each * (squares * (1.0 - 1.0 / each)).sqrt() }
    }

    /// The share of them that would share a weight with another one in a table of `2^bits`, which is no smaller than
    /// the one they are counted by.
    pub fn shared(&self, bits: u32) -> Estimate {
        let sharing = self.sharing(bits);
        let kept = (self.kept.len() as f64).max(1.0);
        let share = sharing.shared.len() as f64 / kept;
        // A ratio of sums over slots: its error is that of how far each slot is from it.
        let off = |slot: &Slot| (slot.shared - share * slot.features).powi(2);
        let squares: f64 = sharing.slots.iter().map(off).sum();
        Estimate { value: share, error: (squares * (1.0 - 1.0 / self.each())).sqrt() / kept }
    }

    /// The smallest larger table in which less than one in a hundred features would share a weight, or the largest
    /// there is; `None` where one in twenty or less does as it is.
    pub fn advice(&self) -> Option<u32> {
        if self.shared(self.hash_bits).value <= 0.05 || self.hash_bits >= MAX_HASH_BITS {
            return None;
        }
        let mut larger = self.hash_bits + 1..MAX_HASH_BITS;
        Some(larger.find(|&bits| self.shared(bits).value < 0.01).unwrap_or(MAX_HASH_BITS))
    }

    /// The namespaces with how many features they have, and how many of these share a weight.
    pub fn by_namespace(&self) -> impl Iterator<Item = (&str, f64, f64)> {
        let mut counts = vec![(0.0, 0.0); self.spaces.names().len()];
        let sharing = self.sharing(self.hash_bits);
        self.kept.values().for_each(|&space| counts[space as usize].0 += self.each());
        sharing.shared.iter().for_each(|&space| counts[space as usize].1 += self.each());
        self.spaces.names().iter().map(String::as_str).zip(counts).map(|(name, (all, shared))| (name, all, shared))
    }

    /// How many slots one that is kept stands for.
    fn each(&self) -> f64 {
        2.0_f64.powi(self.level as i32)
    }

    fn sharing(&self, bits: u32) -> Sharing {
        let mask = u32::MAX.checked_shr(u32::BITS - bits).unwrap_or(0);
        let placed = self.kept.iter().map(|(&hash, &space)| (self.slots.of(hash), hash & mask, space));
        let mut all: Vec<(u32, u32, u32)> = placed.collect();
        all.sort_unstable();
        let mut sharing = Sharing::default();
        for slot in all.chunk_by(|a, b| a.0 == b.0) {
            let before = sharing.shared.len();
            let weights = slot.chunk_by(|a, b| a.1 == b.1).filter(|weight| weight.len() > 1);
            weights.for_each(|weight| sharing.shared.extend(weight.iter().map(|feature| feature.2)));
            let shared = sharing.shared.len() - before;
            sharing.slots.push(Slot { features: slot.len() as f64, shared: shared as f64 });
        }
        sharing
    }
}

/// Who shares a weight in a table of some size.
#[derive(Debug, Default)]
struct Sharing {
    /// The slots that are counted by.
    slots: Vec<Slot>,
    /// The namespaces of those that share, one a feature.
    shared: Vec<u32>,
}

#[derive(Debug, Default)]
struct Slot {
    features: f64,
    shared: f64,
}

impl Snapshot for Distinct {
    const PART: &'static str = "distinct";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { hash_bits, slots: _, level, kept, spaces } = self;
        to.put("level", &[u64::from(*hash_bits), u64::from(*level)]);
        to.put("hash", &kept.keys().copied().collect::<Vec<_>>());
        to.put("space", &kept.values().copied().collect::<Vec<_>>());
        to.put_texts("namespace", spaces.names().iter().map(String::as_str));
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { hash_bits, slots, level, kept, spaces } = self;
        let [bits, found] = from.counts("level")?;
        from.check("level", bits == u64::from(*hash_bits) && found <= u64::from(u32::BITS))?;
        *level = found as u32;
        *spaces = Spaces::of(from.texts("namespace")?).ok_or_else(|| from.broken("namespace"))?;
        let hash: Vec<u32> = from.get("hash")?;
        let space: Vec<u32> = from.exactly("space", hash.len())?;
        from.check("space", space.iter().all(|&space| (space as usize) < spaces.names().len()))?;
        let fits = hash.len() <= MOST && hash.is_sorted_by(|a, b| a < b);
        from.check("hash", fits && hash.iter().all(|&hash| slots.has(hash, *level)))?;
        *kept = hash.into_iter().zip(space).collect();
        Ok(())
    }
}
