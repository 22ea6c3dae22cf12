//! Missing categories: takes the hashes of a column's values, gives the most frequent one so far for a missing one.
//!
//! Counts are those of Misra and Gries (1982): up to 1,024 values a column; where another one comes and there is no room,
//! every count is lowered by one and those at 0 go. So a value that makes out more than one in 1,025 of what was seen is
//! always there, and its count too low by at most that share. Of two that are equally frequent, the one that came to be
//! counted earlier is taken. What was the most frequent stays it until another one is counted more often; before the first
//! value, nothing stands for a missing one.

use std::collections::HashMap;

use crate::error::Result;
use crate::schema::Schema;
use crate::schema::step::Impute;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Most values that are counted of a column.
const MOST: usize = 1024;

/// The frequent values of every column that is imputed, in the order of their names.
#[derive(Debug, Clone, PartialEq)]
pub struct Categories {
    columns: Vec<Frequent>,
}

/// The frequent values of one column.
#[derive(Debug, Clone, Default, PartialEq)]
struct Frequent {
    /// Values with their counts, in the order in which they came to be counted.
    values: Vec<(u32, u64)>,
    /// Where each stands.
    place: HashMap<u32, usize>,
    most: Option<u32>,
}

impl Categories {
    /// What a schema asks for, having seen nothing; `None` where that is nothing.
    pub fn new(schema: &Schema) -> Option<Self> {
        let columns = vec![Frequent::default(); schema.imputed(Impute::MostFrequent).len()];
        (!columns.is_empty()).then_some(Self { columns })
    }

    /// The most frequent values by name, for a model file: the first numbers of pairs, 1 behind them where there is one.
    pub fn arrays(&self) -> Vec<(String, Vec<f64>)> {
        let [mut hash, mut known] = [Vec::new(), Vec::new()];
        for column in &self.columns {
            hash.push(f64::from(column.most.unwrap_or(0)));
            known.push(f64::from(u8::from(column.most.is_some())));
        }
        vec![("categories.most_frequent".into(), hash), ("categories.known".into(), known)]
    }

    /// The same with the values that [`Categories::arrays`] gave; they stay until another is counted more often.
    pub(super) fn with_arrays<'a>(mut self, array: impl Fn(&str) -> Option<&'a [f64]>) -> Option<Self> {
        let (hash, known) = (array("categories.most_frequent")?, array("categories.known")?);
        if hash.len() != self.columns.len() || known.len() != hash.len() {
            return None;
        }
        for ((column, &hash), &known) in self.columns.iter_mut().zip(hash).zip(known) {
            column.most = (known == 1.0).then_some(hash as u32);
        }
        Some(self)
    }

    /// Gives what stands for the missing values of row `row`, of which `values` are those of all rows.
    pub fn fill(&mut self, values: &[Option<u32>], row: usize, learns: bool, mut put: impl FnMut(u32)) {
        let count = self.columns.len();
        let values = values.get(row * count..(row + 1) * count).unwrap_or_default();
        for (column, value) in self.columns.iter_mut().zip(values) {
            match *value {
                Some(hash) if learns => column.count(hash),
                Some(_) => {}
                None => column.most.into_iter().for_each(&mut put),
            }
        }
    }
}

impl Frequent {
    fn count(&mut self, hash: u32) {
        let at = match self.place.get(&hash) {
            Some(&at) => at,
            None if self.values.len() == MOST => return self.lower(),
            None => {
                self.values.push((hash, 0));
                self.place.insert(hash, self.values.len() - 1);
                self.values.len() - 1
            }
        };
        self.values[at].1 += 1;
        let (most, place) = (self.count_of(self.most), self.most.and_then(|most| self.place.get(&most).copied()));
        let count = self.values[at].1;
        if count > most || count == most && place.is_some_and(|place| at < place) {
            self.most = Some(hash);
        }
    }

    fn count_of(&self, hash: Option<u32>) -> u64 {
        hash.and_then(|hash| self.place.get(&hash)).map_or(0, |&at| self.values[at].1)
    }

    /// Lowers every count by one: each time that costs as much as what has been counted since gave.
    fn lower(&mut self) {
        self.values.iter_mut().for_each(|(_, count)| *count -= 1);
        self.values.retain(|(_, count)| *count > 0);
        self.place = self.values.iter().enumerate().map(|(at, (hash, _))| (*hash, at)).collect();
    }
}

impl Snapshot for Categories {
    const PART: &'static str = "categories";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { columns } = self;
        let values = || columns.iter().flat_map(|column| &column.values);
        to.put("len", &columns.iter().map(|column| column.values.len() as u64).collect::<Vec<_>>());
        to.put("hash", &values().map(|(hash, _)| *hash).collect::<Vec<_>>());
        to.put("count", &values().map(|(_, count)| *count).collect::<Vec<_>>());
        // One more than the hash, and 0 where there is none.
        let most = |column: &Frequent| column.most.map_or(0, |hash| u64::from(hash) + 1);
        to.put("most", &columns.iter().map(most).collect::<Vec<_>>());
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { columns } = self;
        let len: Vec<u64> = from.exactly("len", columns.len())?;
        from.check("len", len.iter().all(|&len| len <= MOST as u64))?;
        let all = len.iter().sum::<u64>() as usize;
        let (hash, count): (Vec<u32>, Vec<u64>) = (from.exactly("hash", all)?, from.exactly("count", all)?);
        from.check("count", count.iter().all(|&count| (1..=u64::MAX / 2).contains(&count)))?;
        let most: Vec<u64> = from.exactly("most", columns.len())?;
        from.check("most", most.iter().all(|&most| most <= 1 << 32))?;
        let mut values = hash.into_iter().zip(count);
        for ((column, len), most) in columns.iter_mut().zip(len).zip(most) {
            column.values = values.by_ref().take(len as usize).collect();
            column.place = column.values.iter().enumerate().map(|(at, (hash, _))| (*hash, at)).collect();
            from.check("hash", column.place.len() == column.values.len())?;
            column.most = most.checked_sub(1).map(|hash| hash as u32);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blank() -> Categories {
        Categories { columns: vec![Frequent::default()] }
    }

    fn stand_in(categories: &mut Categories) -> Option<u32> {
        let mut found = None;
        categories.fill(&[None], 0, true, |hash| found = Some(hash));
        found
    }

    proptest! {
        #[test]
        fn a_missing_value_becomes_the_most_frequent_one_before_it(
            values in prop::collection::vec(prop::option::weighted(0.8, 0..12u32), 0..200)
        ) {
            let mut categories = blank();
            let mut counts: Vec<(u32, u64)> = Vec::new();
            for value in values {
                let mut found = None;
                categories.fill(&[value], 0, true, |hash| found = Some(hash));
                match value {
                    Some(hash) => {
                        prop_assert_eq!(found, None);
                        match counts.iter_mut().find(|(known, _)| *known == hash) {
                            Some((_, count)) => *count += 1,
                            None => counts.push((hash, 1)),
                        }
                    }
                    None => {
                        let most = counts.iter().map(|(_, count)| *count).max();
                        let first = counts.iter().find(|(_, count)| Some(*count) == most).map(|(hash, _)| *hash);
                        prop_assert_eq!(found, first);
                    }
                }
            }
        }
    }

    #[test]
    fn a_frequent_value_is_found_among_any_number_of_others() {
        let mut categories = blank();
        for at in 0..100_000u32 {
            let hash = if at % 100 == 0 { 7 } else { 1000 + at };
            categories.fill(&[Some(hash)], 0, true, |_| {});
            assert!(categories.columns[0].values.len() <= MOST);
        }
        assert_eq!(stand_in(&mut categories), Some(7));
    }

    #[test]
    fn what_was_the_most_frequent_stays_it_until_there_is_another() {
        let mut categories = blank();
        (0..=MOST as u32).for_each(|hash| categories.fill(&[Some(hash)], 0, true, |_| {}));
        assert_eq!((categories.columns[0].values.len(), stand_in(&mut categories)), (0, Some(0)));
        categories.fill(&[Some(5)], 0, false, |_| {}); // nothing is learned
        assert_eq!(stand_in(&mut categories), Some(0));
        categories.fill(&[Some(5)], 0, true, |_| {});
        assert_eq!(stand_in(&mut categories), Some(5));
    }

    #[test]
    fn before_the_first_value_nothing_stands_for_a_missing_one() {
        assert_eq!(stand_in(&mut blank()), None);
    }
}
