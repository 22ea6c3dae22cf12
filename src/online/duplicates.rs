//! Records that come again: takes a key and a place or a time, says whether that key came shortly before.
//!
//! A key stands where it last came, in records or in its own event time, whether that record stayed or not. It comes again
//! where the distance to that place, forwards or backwards, is `within` at most. Each record first forgets, from the key
//! on that has not come for longest, those that lie more than that before it, up to the first that does not; and where
//! there are more than `most` keys, the one that has not come for longest, which is counted. So a time far in the future
//! costs what is remembered, and nothing more. A record without a time is never one that came before, and leaves nothing.

use std::collections::{HashMap, VecDeque};

use crate::error::Result;
use crate::examples::Examples;
use crate::schema::step::Deduplicate;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// The keys that came, with the places where they last did.
#[derive(Debug, Clone, PartialEq)]
pub struct Duplicates {
    within: u64,
    by_time: bool,
    most: usize,
    known: HashMap<u64, Seen>,
    /// Every arrival of the known keys and, until they are at the front or too many, of others.
    arrivals: VecDeque<(u64, u64)>,
    next: u64,
    forgotten: u64,
}

/// Where a key last came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    place: i64,
    arrival: u64,
}

impl Duplicates {
    /// What a section says, before the first record.
    pub fn new(section: &Deduplicate) -> Self {
        let (by_time, within) = match (&section.within, section.within.microseconds()) {
            (_, Some(time)) => (true, time.unsigned_abs()),
            (crate::schema::step::Within::Records(records), None) => (false, *records),
            (_, None) => (true, 0),
        };
        let most = usize::try_from(section.most).unwrap_or(usize::MAX);
        let (known, arrivals) = (HashMap::new(), VecDeque::new());
        Self { within, by_time, most, known, arrivals, next: 0, forgotten: 0 }
    }

    /// Whether the record in this row, of this number in the run, came before; it is remembered.
    pub fn is_one(&mut self, examples: &Examples, row: usize, record: u64) -> bool {
        let time = examples.time.get(row).copied().unwrap_or(i64::MIN);
        match (examples.key.get(row), self.by_time) {
            (None, _) => false,
            (Some(_), true) if time == i64::MIN => false,
            (Some(&key), true) => self.came_before(key, time),
            (Some(&key), false) => self.came_before(key, record as i64),
        }
    }

    /// Keys that were forgotten for want of room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Whether this key came near this place; it is remembered.
    ///
    /// ```
    /// use tidemill::online::duplicates::Duplicates;
    /// let section = toml::from_str("key = ['user']\nwithin = 10").unwrap();
    /// let mut duplicates = Duplicates::new(&section);
    /// let seen = [(7, 1), (7, 11), (8, 12), (7, 22)].map(|(key, place)| duplicates.came_before(key, place));
    /// assert_eq!(seen, [false, true, false, false]);
    /// ```
    pub fn came_before(&mut self, key: u64, place: i64) -> bool {
        self.forget_before(place);
        let seen = Seen { place, arrival: self.next };
        let before = self.known.insert(key, seen);
        self.arrivals.push_back((self.next, key));
        self.next += 1;
        while self.known.len() > self.most {
            self.forgotten += u64::from(self.forget_first());
        }
        if self.arrivals.len() > 2 * self.known.len() + 64 {
            let known = &self.known;
            self.arrivals.retain(|(arrival, key)| is_last(known, *arrival, *key));
        }
        before.is_some_and(|before| before.place.abs_diff(place) <= self.within)
    }

    /// Forgets those at the front that lie too far before `place`.
    fn forget_before(&mut self, place: i64) {
        while let Some((arrival, key)) = self.arrivals.front() {
            let is_near = |seen: &Seen| seen.place > place || seen.place.abs_diff(place) <= self.within;
            if self.known.get(key).filter(|seen| seen.arrival == *arrival).is_some_and(is_near) {
                return;
            }
            self.forget_first();
        }
    }

    /// Takes the first arrival out, and its key where it has not come again; whether it had not.
    fn forget_first(&mut self) -> bool {
        let Some((arrival, key)) = self.arrivals.pop_front() else { return false };
        let is_last = is_last(&self.known, arrival, key);
        if is_last {
            self.known.remove(&key);
        }
        is_last
    }
}

fn is_last(known: &HashMap<u64, Seen>, arrival: u64, key: u64) -> bool {
    known.get(&key).is_some_and(|seen| seen.arrival == arrival)
}

impl Snapshot for Duplicates {
    const PART: &'static str = "duplicates";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { within: _, by_time: _, most: _, known, arrivals, next: _, forgotten } = self;
        let last = || arrivals.iter().filter(|(arrival, key)| is_last(known, *arrival, *key)).map(|(_, key)| *key);
        to.put("key", &last().collect::<Vec<_>>());
        to.put("place", &last().map(|key| known[&key].place as u64).collect::<Vec<_>>());
        to.put("forgotten", &[*forgotten]);
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { within: _, by_time: _, most, known, arrivals, next, forgotten } = self;
        [*forgotten] = from.counts("forgotten")?;
        let keys: Vec<u64> = from.get("key")?;
        let places: Vec<u64> = from.exactly("place", keys.len())?;
        from.check("key", keys.len() <= *most)?;
        *arrivals = (0..).zip(keys.iter().copied()).collect();
        let seen = |(arrival, place): (u64, &u64)| Seen { place: *place as i64, arrival };
        *known = keys.iter().copied().zip((0..).zip(&places).map(seen)).collect();
        *next = keys.len() as u64;
        from.check("key", known.len() == keys.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::step::Within;

    /// The rule as it is written at the top, over a plain list.
    struct Oracle {
        keys: Vec<(u64, i64)>,
        forgotten: u64,
    }

    impl Oracle {
        fn came_before(&mut self, key: u64, place: i64, within: u64, most: usize) -> bool {
            let far = |seen: i64| seen <= place && seen.abs_diff(place) > within;
            let first_near = self.keys.iter().position(|(_, seen)| !far(*seen)).unwrap_or(self.keys.len());
            self.keys.drain(..first_near);
            let before = self.keys.iter().position(|(known, _)| *known == key).map(|at| self.keys.remove(at));
            self.keys.push((key, place));
            if self.keys.len() > most {
                self.keys.remove(0);
                self.forgotten += 1;
            }
            before.is_some_and(|(_, seen)| seen.abs_diff(place) <= within)
        }
    }

    fn duplicates(within: u64, most: u64) -> Duplicates {
        Duplicates::new(&Deduplicate { key: vec!["k".into()], within: Within::Records(within), most })
    }

    proptest! {
        #[test]
        fn what_came_before_is_what_a_plain_list_says(
            steps in prop::collection::vec((0..30u64, -3..8i64), 0..400), within in 1..40u64, most in 1..12u64
        ) {
            let mut oracle = Oracle { keys: Vec::new(), forgotten: 0 };
            let (mut found, mut place) = (duplicates(within, most), 0);
            for (key, step) in steps {
                place += step;
                let expected = oracle.came_before(key, place, within, most as usize);
                prop_assert_eq!(found.came_before(key, place), expected);
                prop_assert_eq!(found.known.len(), oracle.keys.len());
                prop_assert!(found.arrivals.len() <= 2 * found.known.len() + 64);
            }
            prop_assert_eq!(found.forgotten(), oracle.forgotten);
        }
    }

    #[test]
    fn a_key_that_comes_on_and_on_takes_no_room() {
        let mut duplicates = duplicates(1 << 40, 100);
        duplicates.came_before(1, 1);
        for place in 2..100_000 {
            assert_eq!(duplicates.came_before(2, place), place > 2);
        }
        assert!(duplicates.arrivals.len() <= 68);
        assert!(duplicates.came_before(1, 100_000));
    }

    #[test]
    fn a_time_far_away_costs_what_is_remembered_and_nothing_more() {
        let mut duplicates = duplicates(10, 100);
        let seen = [(1, 100), (9, i64::MAX), (1, 101), (1, 95), (9, i64::MIN + 1)];
        assert_eq!(seen.map(|(key, place)| duplicates.came_before(key, place)), [false, false, false, true, false]);
    }

    #[test]
    fn a_record_without_a_time_is_none_that_came_before() {
        let section = Deduplicate { key: vec![], within: Within::Time("1h".into()), most: 10 };
        let mut duplicates = Duplicates::new(&section);
        let time = vec![0, i64::MIN, 3_600_000_000, i64::MIN];
        let examples = Examples { key: vec![5; 4], time, ..Examples::default() };
        let seen: Vec<_> = (0..4).map(|row| duplicates.is_one(&examples, row, 1)).collect();
        assert_eq!(seen, [false, false, true, false]);
    }
}
