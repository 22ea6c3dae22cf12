//! Crosses: takes the hashed features of one record, run by run of a namespace, and adds the products of those that
//! the schema crosses.
//!
//! The hash of a product is that of Vowpal Wabbit, on all 32 bits: `(16777619 i) ^ j`, and with a third feature
//! `(16777619 ((16777619 i) ^ j)) ^ k`. Its value is the product of the values. A namespace crossed with itself gives
//! each combination of its features once, a feature with itself among them. A product depends on which factor comes
//! first, so any-with-any follows the order of the runs: whoever makes them orders them by name.

use std::ops::Range;

use super::hash::namespace;
use crate::examples::pairs::{self, PRIME};
use crate::record::Reason;
use crate::schema::Feature;

/// Most hashed features of a record, products included.
pub const MAX_FEATURES: usize = 1 << 18;

/// Neighbouring features of one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Hash of the namespace's name.
    pub space: u32,
    /// Their end among the features.
    pub end: u32,
}

/// The crosses of a schema.
#[derive(Debug, Clone, Default)]
pub struct Crosses {
    /// Namespaces that crosses name, by the hashes of their names.
    named: Vec<u32>,
    crosses: Vec<Cross>,
    /// Whether the products of any two are the learner's to make.
    leaves_pairs: bool,
}

/// One cross; namespaces by their places in [`Crosses::named`], equal ones beside each other.
#[derive(Debug, Clone)]
enum Cross {
    /// Of two named namespaces.
    Pair(usize, usize),
    /// Of more.
    Named(Vec<usize>),
    /// Of any with any, so many times.
    Any(usize),
    /// Of named ones and any; `None` is any.
    Mixed(Vec<Option<usize>>),
}

/// Where the namespaces of a record are, as far as crosses need them; scratch space.
#[derive(Debug, Clone, Default)]
pub struct Found {
    named: Vec<Range<usize>>,
    chosen: Vec<Range<usize>>,
}

impl Crosses {
    /// The crosses among `features`.
    pub fn new(features: &[Feature]) -> Self {
        let mut crosses = Self::default();
        for feature in features {
            if let Feature::Cross { of } = feature {
                of.iter().for_each(|names| crosses.add(names));
            }
        }
        crosses
    }

    fn add(&mut self, names: &[String]) {
        let terms: Vec<_> = names.iter().map(|name| (name != ":").then(|| self.place_of(name))).collect();
        let named: Vec<usize> = terms.iter().filter_map(|&term| term).collect();
        self.crosses.push(match named.len() {
            0 => Cross::Any(terms.len()),
            2 if terms.len() == 2 => Cross::Pair(named[0], named[1]),
            count if count == terms.len() => Cross::Named(grouped(&named)),
            _ => Cross::Mixed(terms),
        });
    }

    fn place_of(&mut self, name: &str) -> usize {
        let space = namespace(name.as_bytes());
        self.named.iter().position(|&known| known == space).unwrap_or_else(|| {
            self.named.push(space);
            self.named.len() - 1
        })
    }

    /// Makes none, but still refuses a record that would have too many.
    pub(super) fn leave_pairs(&mut self) {
        self.leaves_pairs = true;
        self.crosses.clear();
    }

    /// Whether the namespaces of a record have to come in the order of their names: a product depends on which factor
    /// comes first, whoever makes it.
    pub fn ask_for_order(&self) -> bool {
        self.leaves_pairs || !self.crosses.is_empty()
    }

    /// Adds the products of the features from `start` on, which `runs` divide.
    ///
    /// # Errors
    /// More than [`MAX_FEATURES`] of them; what was added stays.
    ///
    /// ```
    /// use tidemill::encoder::cross::{Crosses, Found, Run};
    /// use tidemill::encoder::hash::{murmur3, namespace};
    /// let cross = toml::from_str("kind = 'cross'\nof = [['A', 'B']]").unwrap();
    /// let (a, b) = (namespace(b"A"), namespace(b"B"));
    /// let (mut hash, mut value) = (vec![murmur3(b"a", a), murmur3(b"b", b)], vec![1.0, 2.0]);
    /// let runs = [Run { space: a, end: 1 }, Run { space: b, end: 2 }];
    /// Crosses::new(&[cross]).make(0, &runs, &mut hash, &mut value, &mut Found::default()).unwrap();
    /// assert_eq!((hash[2] & 0x3ffff, value[2]), (208_368, 2.0)); // Vowpal Wabbit's, 18 bits
    /// ```
    pub fn make(
        &self,
        start: usize,
        runs: &[Run],
        hash: &mut Vec<u32>,
        value: &mut Vec<f32>,
        found: &mut Found,
    ) -> Result<(), Reason> {
        if self.leaves_pairs && pairs::count(hash.len() - start) > MAX_FEATURES {
            return Err(Reason::TooManyFeatures);
        }
        let mut products = Products { hash, value, end: start + MAX_FEATURES };
        self.combinations(start, runs, found, &mut |ranges| products.combine(ranges))
    }

    /// Calls `each` with every combination of namespaces to be crossed, as ranges of features, none of them empty.
    #[inline(always)]
    pub(super) fn combinations<E>(
        &self,
        start: usize,
        runs: &[Run],
        found: &mut Found,
        each: &mut impl FnMut(&[Range<usize>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let whole = start..runs.last().map_or(start, |run| run.end as usize);
        let Found { named, chosen } = found;
        named.clear();
        named.extend(self.named.iter().map(|&space| range_of(space, start, runs)));
        for cross in &self.crosses {
            chosen.clear();
            match cross {
                &Cross::Pair(a, b) => {
                    let pair = [named[a].clone(), named[b].clone()];
                    if !(pair[0].is_empty() || pair[1].is_empty()) {
                        each(&pair)?;
                    }
                    continue;
                }
                Cross::Named(places) => chosen.extend(places.iter().map(|&place| named[place].clone())),
                Cross::Any(count) => chosen.extend(std::iter::repeat_n(whole.clone(), *count)),
                Cross::Mixed(terms) => {
                    Mixed { start, runs, named, each }.choose(terms, 0, chosen)?;
                    continue;
                }
            }
            if chosen.iter().all(|range| !range.is_empty()) {
                each(chosen)?;
            }
        }
        Ok(())
    }
}

/// The features of one namespace.
fn range_of(space: u32, start: usize, runs: &[Run]) -> Range<usize> {
    runs.iter().position(|run| run.space == space).map_or(start..start, |at| range_at(at, start, runs))
}

fn range_at(at: usize, start: usize, runs: &[Run]) -> Range<usize> {
    let first = if at == 0 { start } else { runs[at - 1].end as usize };
    first..runs[at].end as usize
}

/// Equal ones beside each other, in the order in which they first come.
fn grouped<T: PartialEq + Clone>(items: &[T]) -> Vec<T> {
    let firsts = items.iter().enumerate().filter(|(at, item)| !items[..*at].contains(item));
    firsts.flat_map(|(_, first)| items.iter().filter(move |item| *item == first).cloned()).collect()
}

/// Fills in the namespaces that may be any, each set of them once.
struct Mixed<'a, F> {
    start: usize,
    runs: &'a [Run],
    named: &'a [Range<usize>],
    each: &'a mut F,
}

impl<F> Mixed<'_, F> {
    /// Chooses for the first of `terms`; any is one of the runs from `from` on.
    fn choose<E>(&mut self, terms: &[Option<usize>], from: usize, chosen: &mut Vec<Range<usize>>) -> Result<(), E>
    where
        F: FnMut(&[Range<usize>]) -> Result<(), E>,
    {
        let Some((first, rest)) = terms.split_first() else { return (self.each)(&grouped(chosen)) };
        let choices = first.map_or(from..self.runs.len(), |_| from..from + 1);
        for at in choices {
            let range = first.map_or_else(|| range_at(at, self.start, self.runs), |place| self.named[place].clone());
            if !range.is_empty() {
                chosen.push(range);
                self.choose(rest, at, chosen)?;
                chosen.pop();
            }
        }
        Ok(())
    }
}

/// Products are appended to the features that they are made of.
struct Products<'a> {
    hash: &'a mut Vec<u32>,
    value: &'a mut Vec<f32>,
    /// Where there are too many.
    end: usize,
}

impl Products<'_> {
    /// Every product of a feature of each range.
    #[inline(always)]
    fn combine(&mut self, ranges: &[Range<usize>]) -> Result<(), Reason> {
        match ranges {
            // Most categories are alone in their namespaces.
            [a, b] if a.len() == 1 && b.len() == 1 && self.hash.len() < self.end => {
                self.hash.push(pairs::hash(self.hash[a.start], self.hash[b.start]));
                self.value.push(self.value[a.start] * self.value[b.start]);
                Ok(())
            }
            _ => self.add(ranges, ranges[0].start, 0, 1.0),
        }
    }

    /// Every product of `half` and a feature of each range, the first one's from `from` on.
    fn add(&mut self, ranges: &[Range<usize>], from: usize, half: u32, scale: f32) -> Result<(), Reason> {
        let [range, rest @ ..] = ranges else { return Ok(()) };
        let Some(next) = rest.first() else { return self.append(from..range.end, half, scale) };
        for at in from..range.end {
            let half = PRIME.wrapping_mul(half ^ self.hash[at]);
            let from = if next == range { at } else { next.start };
            self.add(rest, from, half, scale * self.value[at])?;
        }
        Ok(())
    }

    /// The products of what has been multiplied so far with each of `last`.
    #[inline(always)]
    fn append(&mut self, last: Range<usize>, half: u32, scale: f32) -> Result<(), Reason> {
        let base = self.hash.len();
        if base + last.len() > self.end {
            return Err(Reason::TooManyFeatures);
        }
        if last.len() == 1 {
            self.hash.push(half ^ self.hash[last.start]);
            self.value.push(scale * self.value[last.start]);
            return Ok(());
        }
        self.hash.extend_from_within(last.clone());
        self.value.extend_from_within(last);
        self.hash[base..].iter_mut().for_each(|hash| *hash ^= half);
        self.value[base..].iter_mut().for_each(|value| *value *= scale);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Features = Vec<(u32, u32)>;

    fn cross(of: &[&[&str]]) -> Crosses {
        let of = of.iter().map(|names| names.iter().map(|&name| name.into()).collect()).collect();
        Crosses::new(&[Feature::Cross { of }])
    }

    /// A record with so many features in each of the namespaces a, b, c, ... and the products of them, by the code.
    fn made(crosses: &Crosses, sizes: &[usize]) -> (Features, Features) {
        let (mut hash, mut value, mut runs) = (vec![7; 3], vec![0.5; 3], Vec::new());
        for (space, &size) in sizes.iter().enumerate() {
            for at in 0..size {
                hash.push(PRIME.wrapping_mul((100 * space + at) as u32).rotate_left(7));
                value.push((at + 1) as f32);
            }
            let space = namespace(&[b'a' + space as u8]);
            runs.push(Run { space, end: hash.len() as u32 });
        }
        let end = hash.len();
        crosses.make(3, &runs, &mut hash, &mut value, &mut Found::default()).unwrap();
        let all: Vec<_> = hash.into_iter().zip(value.into_iter().map(f32::to_bits)).collect();
        (all[3..end].to_vec(), all[end..].to_vec())
    }

    /// Every tuple of features, by its namespaces alone: any two of one namespace in the order in which they stand.
    fn oracle(spaces: &[usize], features: &Features, sizes: &[usize]) -> Features {
        let space_of = |at: usize| (0..sizes.len()).find(|&k| at < sizes[..=k].iter().sum()).unwrap();
        let mut tuples: Vec<Vec<usize>> = vec![vec![]];
        for (place, &space) in spaces.iter().enumerate() {
            let all = (0..features.len()).filter(|&at| space_of(at) == space);
            let fits = |tuple: &Vec<usize>, at| !(0..place).any(|k| spaces[k] == space && tuple[k] > at);
            tuples = tuples
                .iter()
                .flat_map(|tuple| all.clone().filter(|&at| fits(tuple, at)).map(|at| [&tuple[..], &[at]].concat()))
                .collect();
        }
        let product = |tuple: Vec<usize>| {
            let (first, rest) = tuple.split_first().unwrap();
            let start = (features[*first].0, f32::from_bits(features[*first].1));
            let times = |(hash, value): (u32, f32), &at: &usize| {
                (hash.wrapping_mul(PRIME) ^ features[at].0, value * f32::from_bits(features[at].1))
            };
            rest.iter().fold(start, times)
        };
        tuples.into_iter().map(product).map(|(hash, value)| (hash, value.to_bits())).collect()
    }

    fn sorted(mut features: Features) -> Features {
        features.sort_unstable();
        features
    }

    #[test]
    fn a_namespace_with_itself_gives_each_pair_once() {
        let (features, products) = made(&cross(&[&["b", "b"]]), &[2, 3]);
        assert_eq!(products.len(), 6);
        assert_eq!(products, oracle(&[1, 1], &features, &[2, 3]));
    }

    #[test]
    fn any_with_any_takes_each_pair_of_namespaces_once() {
        let (_, products) = made(&cross(&[&[":", ":"]]), &[1; 39]);
        assert_eq!(products.len(), 741 + 39);
    }

    #[test]
    fn a_namespace_that_a_record_lacks_crosses_nothing() {
        assert_eq!(made(&cross(&[&["a", "b"], &["c", "a"], &[":", "d"]]), &[2, 0]).1, []);
        assert_eq!(made(&cross(&[&[":", ":"]]), &[]).1, []);
    }

    #[test]
    fn too_many_products_are_refused_before_they_are_made() {
        let (mut hash, mut value) = (vec![1; 1000], vec![1.0; 1000]);
        let runs = [Run { space: namespace(b"a"), end: 1000 }];
        let outcome = cross(&[&["a", "a", "a"]]).make(0, &runs, &mut hash, &mut value, &mut Found::default());
        assert_eq!(outcome, Err(Reason::TooManyFeatures));
        assert!(hash.len() <= MAX_FEATURES);
    }

    proptest! {
        #[test]
        fn named_crosses_are_what_their_definition_says(
            sizes in prop::collection::vec(0usize..5, 1..5), spaces in prop::collection::vec(0usize..4, 2..5)
        ) {
            let names: Vec<_> = spaces.iter().map(|&space| ["a", "b", "c", "d"][space]).collect();
            let (features, products) = made(&cross(&[&names]), &sizes);
            prop_assert_eq!(products, oracle(&grouped(&spaces), &features, &sizes));
        }

        #[test]
        fn crosses_with_any_take_each_set_of_namespaces_once(sizes in prop::collection::vec(0usize..4, 1..5)) {
            let all = 0..sizes.len();
            let pairs: Vec<[usize; 2]> = all.clone().flat_map(|a| (a..sizes.len()).map(move |b| [a, b])).collect();
            let (features, products) = made(&cross(&[&[":", ":"]]), &sizes);
            let expected = pairs.iter().flat_map(|pair| oracle(pair, &features, &sizes)).collect();
            prop_assert_eq!(sorted(products), sorted(expected));

            let (features, products) = made(&cross(&[&[":", ":", "a"]]), &sizes);
            let expected = pairs.iter().flat_map(|&[a, b]| oracle(&grouped(&[a, b, 0]), &features, &sizes)).collect();
            prop_assert_eq!(sorted(products), sorted(expected));
        }
    }
}
