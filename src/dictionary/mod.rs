//! The dictionary: takes what chunks tell of features by name, in the order of the stream, and gives the names of the
//! most frequent ones, how many features there are, and how many of them share a weight with another.
//!
//! Bounded, whatever the stream holds. Siblings: [`traffic`] (the names met most), [`distinct`] (features counted by a
//! part of the table's slots), `spaces` (namespaces, so many and no more), [`known`] (what is kept of both in a model
//! file) and [`shown`] (what of that is shown beside a model).

pub mod distinct;
pub mod known;
pub mod shown;
mod spaces;
pub mod traffic;

use crate::error::Result;
use crate::examples::Names;
use crate::learner::Model;
use crate::snapshot::{Restoring, Saving, Snapshot};
use distinct::Distinct;
use known::Known;
use traffic::Traffic;

/// All that is remembered of features by name.
#[derive(Debug, Clone)]
pub struct Dictionary {
    traffic: Traffic,
    distinct: Distinct,
}

impl Dictionary {
    /// One that has met nothing, for a table of `2^hash_bits` weights.
    pub fn new(hash_bits: u32) -> Self {
        Self { traffic: Traffic::default(), distinct: Distinct::new(hash_bits) }
    }

    /// Takes what a chunk tells; `end` is the number of the first of its records that does not count any more.
    ///
    /// ```
    /// use tidemill::dictionary::Dictionary;
    /// use tidemill::examples::{FeatureName, Names, Sampled};
    /// let seven = FeatureName { name: "user=7".into(), namespace: "user".into(), hash: 7 };
    /// let sampled = vec![Sampled { number: 0, stands_for: 1, features: vec![seven] }];
    /// let mut dictionary = Dictionary::new(18);
    /// dictionary.take(&Names { sampled, ..Names::default() }, None);
    /// assert_eq!(dictionary.traffic().entries()[0].count, 1);
    /// ```
    pub fn take(&mut self, names: &Names, end: Option<u32>) {
        let counts = |number| end.is_none_or(|end| number < end);
        names.sampled.iter().filter(|sampled| counts(sampled.number)).for_each(|sampled| self.traffic.add(sampled));
        let counted = names.counted.iter().filter(|counted| counts(counted.number));
        counted.for_each(|counted| self.distinct.add(counted));
        self.distinct.rise_to(names.level);
    }

    /// The names met most.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The features, counted.
    pub fn distinct(&self) -> &Distinct {
        &self.distinct
    }

    /// What a model file keeps, chosen by the weights as they are now; `None` where nothing was told.
    pub fn known(&self, model: &Model) -> Option<Known> {
        (!self.traffic.entries().is_empty()).then(|| Known::of(&self.traffic, &self.distinct, model))
    }
}

impl Snapshot for Dictionary {
    const PART: &'static str = "dictionary";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { traffic, distinct } = self;
        to.put("kept", &[1_u8]);
        to.save(traffic);
        to.save(distinct);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { traffic, distinct } = self;
        if !from.has("kept") {
            return Ok(()); // checkpoints were written before there was one: it begins where they end
        }
        from.check("kept", from.get::<u8>("kept")? == [1])?;
        from.restore(traffic)?;
        from.restore(distinct)
    }
}
