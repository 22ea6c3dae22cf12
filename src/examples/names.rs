//! What is told of features by name: those of sampled records, and the features of a part of the table's slots.
//!
//! Plain data, and what decides which: a record's place in its source and a feature's slot alone, so that the same are
//! told of however a stream is cut into chunks. The further a stream has come, the fewer: all in its first 64 KiB, a
//! quarter of them up to 128 KiB, a sixteenth up to 256 KiB, so that the start of a stream costs little more than twice
//! its first 64 KiB.

/// Bytes of a stream, about, of which everything is told.
const WHOLE: u32 = 16;
/// Records are never told of more rarely than one in two to the power of this.
const RAREST_RECORD: u32 = 11;
/// Slots are never told of more rarely than one in two to the power of this.
const RAREST_SLOT: u32 = 10;
/// Bits of a hash that a slot to count by is told by: all features that share a weight in any table of so many weights
/// or more share these bits.
const SLOT_BITS: u32 = 18;
/// At least two to the power of this many slots are told of, where a table has them.
const FEWEST_SLOTS: u32 = 8;

/// Names of features of one chunk.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Names {
    /// Sampled records, in order.
    pub sampled: Vec<Sampled>,
    /// Features of the slots to count by, in order; nearly each once.
    pub counted: Vec<Counted>,
    /// Of how many slots one was told of at the end of the chunk, as a power of two.
    pub level: u32,
}

/// A sampled record.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// Its number within its chunk, from 0.
    pub number: u32,
    /// How many records it stands for, itself included.
    pub stands_for: u64,
    /// Its hashed features by name, each once.
    pub features: Vec<FeatureName>,
}

/// A hashed feature's name.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeatureName {
    /// What it is called, namespace included.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its hash, all 32 bits.
    pub hash: u32,
}

/// A feature to count by.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The number of its record within its chunk, from 0.
    pub number: u32,
    /// Of how many slots one is told of at its place, as a power of two.
    pub level: u32,
    /// Its hash, all 32 bits.
    pub hash: u32,
    /// Its namespace.
    pub namespace: String,
}

impl Names {
    /// Empties it, keeping the buffers.
    pub fn clear(&mut self) {
        self.sampled.clear();
        self.counted.clear();
        self.level = 0;
    }
}

/// A record's place, as far as sampling is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    source: u32,
    offset: u64,
}

impl Spot {
    /// The place `offset` bytes into a source.
    pub fn new(source: u32, offset: u64) -> Self {
        Self { source, offset }
    }

    /// How far the stream has come, as the number of times that what is told of has been halved. A source counts as at
    /// least 64 KiB: of thousands of small files not all records are told of. It only rises within a source.
    pub fn level(self) -> u32 {
        let read = self.offset.saturating_add(u64::from(self.source) << WHOLE) >> WHOLE;
        2 * (u64::BITS - read.leading_zeros())
    }

    /// Whether the record at this place may be sampled, `least` being the level at one before it.
    #[inline(always)]
    pub fn may_be_sampled(self, least: u32) -> bool {
        let mixed = (self.offset ^ u64::from(self.source) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed.checked_shr(u64::BITS - least.min(RAREST_RECORD)).unwrap_or(0) == 0
    }

    /// How many records the one at this place stands for, where it is sampled.
    ///
    /// ```
    /// use tidemill::examples::Spot;
    /// assert_eq!(Spot::new(0, 65_000).stands_for(), Some(1));
    /// let sampled = (0..1 << 20).step_by(100).filter_map(|offset| Spot::new(0, offset + (1 << 20)).stands_for());
    /// assert!((1..).zip(sampled).map(|(n, each)| n * each).last().is_some_and(|sum| (9_000..12_000).contains(&sum)));
    /// ```
    #[inline]
    pub fn stands_for(self) -> Option<u64> {
        let level = self.level().min(RAREST_RECORD);
        self.may_be_sampled(level).then_some(1 << level)
    }
}

/// The slots to count by of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    mask: u32,
    /// The level beyond which records do not ask for fewer.
    rarest: u32,
}

impl Slots {
    /// Those of a table of `2^hash_bits` weights.
    pub fn new(hash_bits: u32) -> Self {
        let bits = hash_bits.min(SLOT_BITS);
        Self { mask: (1 << bits) - 1, rarest: bits.saturating_sub(FEWEST_SLOTS).min(RAREST_SLOT) }
    }

    /// The level at a place.
    pub fn level(self, spot: Spot) -> u32 {
        spot.level().min(self.rarest)
    }

    /// The slot of a hash.
    pub fn of(self, hash: u32) -> u32 {
        hash & self.mask
    }

    /// Whether the features of this hash are told of: those of a slot all are or none is.
    #[inline(always)]
    pub fn has(self, hash: u32, level: u32) -> bool {
        // One to one among slots, and cheap: this is asked of every feature. Neighbours spread over all parts, and so
        // do those that are a power of two apart.
        let slot = hash & self.mask;
        let asked = !u32::MAX.checked_shl(level).unwrap_or(0);
        (slot ^ slot >> 8 ^ 0x2d5) & self.mask & asked == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_half_the_slots_of_the_one_before_and_none_beside() {
        for bits in [10, 14, 18, 24] {
            let slots = Slots::new(bits);
            let mut before: Vec<u32> = (0..1 << bits.min(18)).collect();
            for level in 1..=slots.rarest {
                let all = before.len();
                before.retain(|&hash| slots.has(hash, level));
                assert!(before.len() == all / 2, "{bits} bits, level {level}: {} of {all}", before.len());
            }
            assert!(before.len() >= 256);
        }
    }

    #[test]
    fn sources_that_are_small_and_many_are_told_of_more_and_more_rarely() {
        assert_eq!([0, 1, 2, 3, 4, 1000].map(|source| Spot::new(source, 0).level()), [0, 2, 4, 4, 6, 20]);
        assert_eq!(Spot::new(u32::MAX, u64::MAX).level(), 96);
    }
}
