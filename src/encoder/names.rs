//! What is told of features by name: takes the records of a chunk and what was encoded of them, gives the names of what
//! sampled records hold, and the namespaces of the features to count by.
//!
//! A pure function of a chunk, beside the encoder and behind it. Names are made of sampled records alone, and of the
//! other features only those of a few slots are looked at: the rest costs a comparison each. Which records and slots is
//! decided in [`Spot`] and [`Slots`].

use std::ops::Range;

use super::cross::Run;
use super::explain::hashed;
use super::feature::{Features, Scratch, Sink};
use super::sparse;
use crate::examples::{Counted, Examples, FeatureName, Names, Sampled, Slots, Spot};
use crate::record::Records;
use crate::schema::{Role, Schema};

/// Most features that are named of a record; further ones are products.
const MOST: usize = 1000;
/// Most bytes of a name.
const LONGEST: usize = 128;
/// Hashes that are looked at together.
const BLOCK: usize = 64;
/// Features of a chunk that are remembered, so that one that is in every record is told of once.
const KNOWN: usize = 1024;
/// What a record of columns counts as, in bytes of text.
const ROW: u64 = 64;

/// Tells the names of features in one schema, with its scratch space; each ingest thread has its own.
#[derive(Debug, Clone)]
pub struct Namer {
    slots: Slots,
    features: Features,
    /// How the namespaces of features are found without making these again.
    spaces: Spaces,
    scratch: Scratch,
    numbers: Vec<f32>,
    known: Vec<Option<u32>>,
}

/// Where the namespaces of features stand.
#[derive(Debug, Clone)]
enum Spaces {
    /// Each text column is one, and has one feature where its text is not empty.
    Columns(Vec<String>),
    /// In the records.
    Spelt,
    /// Known to what makes the features.
    Made,
}

/// The accepted records of a chunk, parsed and encoded.
#[derive(Clone, Copy)]
struct Rows<'a> {
    records: &'a Records,
    examples: &'a Examples,
}

impl Namer {
    /// For records in this schema and a table of `2^hash_bits` weights; `None` where they have no hashed features.
    pub fn new(schema: &Schema, hash_bits: u32) -> Option<Self> {
        let features = Features::new(schema);
        let is_plain = schema.of(Role::Categorical).all(|column| !schema.is_replaced(column));
        let spaces = match (schema.features.is_empty() && is_plain, schema.format.is_sparse()) {
            (true, false) => Spaces::Columns(schema.of(Role::Categorical).map(|column| column.name.clone()).collect()),
            (true, true) => Spaces::Spelt,
            (false, _) => Spaces::Made,
        };
        let (scratch, numbers, known) = (Scratch::default(), Vec::new(), vec![None; KNOWN]);
        let has_some = !features.has_none();
        has_some.then(|| Self { slots: Slots::new(hash_bits), features, spaces, scratch, numbers, known })
    }

    /// Puts the names of what `records` became into `examples`.
    pub fn name(&mut self, records: &Records, examples: &mut Examples) {
        let mut names = std::mem::take(&mut examples.names);
        names.clear();
        if let Some(last) = examples.rows.checked_sub(1) {
            let rows = Rows { records, examples };
            names.level = self.slots.level(rows.spot(last));
            self.sample(rows, &mut names);
            self.count(rows, &mut names);
        }
        examples.names = names;
    }

    fn sample(&mut self, rows: Rows<'_>, names: &mut Names) {
        let least = rows.spot(0).level();
        let may_be = (0..rows.records.rows).filter(|&at| rows.spot_of(at).may_be_sampled(least));
        for (at, number) in may_be.map(|at| (at, rows.records.number[at])) {
            let is_example = rows.examples.number.binary_search(&number).is_ok();
            if let Some(stands_for) = rows.spot_of(at).stands_for().filter(|_| is_example) {
                let mut features: Vec<_> =
                    hashed(&self.features, &mut self.scratch, rows.records, at, MOST).into_iter().map(named).collect();
                features.sort_unstable();
                features.dedup();
                names.sampled.push(Sampled { number, stands_for, features });
            }
        }
    }

    fn count(&mut self, rows: Rows<'_>, names: &mut Names) {
        self.known.fill(None);
        let slots = self.slots;
        let least = slots.level(rows.spot(0)); // records ask for no more as a source goes on
        for (start, block) in (0..).step_by(BLOCK).zip(rows.examples.hash.chunks(BLOCK)) {
            // Without an early end the loop takes several hashes at a time.
            if block.iter().fold(false, |any, &hash| any | slots.has(hash, least)) {
                let found = block.iter().zip(start..).filter(|&(&hash, _)| slots.has(hash, least));
                found.for_each(|(&hash, at)| names.counted.extend(self.counted(rows, hash, at)));
            }
        }
    }

    /// What is told of the feature at place `at` of the chunk, unless it was lately.
    fn counted(&mut self, rows: Rows<'_>, hash: u32, at: usize) -> Option<Counted> {
        let known = &mut self.known[hash.wrapping_mul(0x9e37_79b1) as usize >> 22];
        if *known == Some(hash) {
            return None;
        }
        let starts = &rows.examples.row_start;
        let row = starts.partition_point(|&start| start as usize <= at) - 1;
        let level = self.slots.level(rows.spot(row));
        if !self.slots.has(hash, level) {
            return None;
        }
        *known = Some(hash);
        let namespace = cut(self.namespace(rows.records, rows.in_records(row), at - starts[row] as usize));
        Some(Counted { number: rows.examples.number[row], level, hash, namespace })
    }

    /// The namespace of a record's feature, of a product those of its factors with `*` between them.
    fn namespace(&mut self, records: &Records, row: usize, nth: usize) -> String {
        match &self.spaces {
            Spaces::Columns(names) => {
                let texts = &records.text[row * names.len()..(row + 1) * names.len()];
                let mut present = names.iter().zip(texts).filter(|(_, text)| text.len > 0);
                present.nth(nth).map_or_else(String::new, |(name, _)| name.clone())
            }
            Spaces::Spelt => String::from_utf8_lossy(sparse::space_of(records, row, nth)).into_owned(),
            Spaces::Made => self.made(records, row, nth),
        }
    }

    fn made(&mut self, records: &Records, row: usize, nth: usize) -> String {
        let mut sink = Located { nth, ..Located::default() };
        self.numbers.clear();
        // The record has been encoded, so that nothing in it is at fault.
        let _ = self.features.extract(records, row, &mut self.scratch, &mut self.numbers, &mut sink);
        if nth < sink.count {
            return sink.namespace;
        }
        let mut before = nth - sink.count;
        let found = &mut |ranges: &[Range<usize>]| {
            let products = products(ranges);
            if before < products {
                return Err(ranges.to_vec());
            }
            before -= products;
            Ok(())
        };
        let scratch = &mut self.scratch;
        let factors = self.features.crosses().combinations(0, &scratch.runs, &mut scratch.found, found);
        let runs = self.scratch.runs.clone();
        let factors = factors.err().unwrap_or_default();
        let names: Vec<_> = factors.iter().map(|range| self.of_run(records, row, range, &runs)).collect();
        names.join("*")
    }

    /// The namespace of a range of features; a colon, as in a job, where it is that of all.
    fn of_run(&mut self, records: &Records, row: usize, range: &Range<usize>, runs: &[Run]) -> String {
        let is_one = !runs.iter().any(|run| (range.start + 1..range.end).contains(&(run.end as usize)));
        if is_one { self.made(records, row, range.start) } else { ":".to_owned() }
    }
}

impl Rows<'_> {
    /// Where an example stands among the parsed records, some of which may not have become one.
    fn in_records(self, row: usize) -> usize {
        let Self { records, examples } = self;
        if records.rows == examples.rows {
            return row;
        }
        records.number.partition_point(|&number| number < examples.number[row])
    }

    /// The place of an example.
    fn spot(self, row: usize) -> Spot {
        self.spot_of(self.in_records(row))
    }

    /// The place of a parsed record.
    #[inline(always)]
    fn spot_of(self, at: usize) -> Spot {
        let chunk = &self.records.chunk;
        let offset = match &chunk.columns {
            Some(_) => (chunk.offset + u64::from(self.records.number[at])).saturating_mul(ROW),
            None => chunk.offset + u64::from(self.records.record[at].start),
        };
        Spot::new(chunk.source, offset)
    }
}

/// Products of as many factors as there are ranges; equal ones stand beside each other and are combined.
fn products(ranges: &[Range<usize>]) -> usize {
    let mut count: usize = 1;
    let mut same = 0;
    for (at, range) in ranges.iter().enumerate() {
        same = if at > 0 && ranges[at - 1] == *range { same + 1 } else { 0 };
        // Factors of one range are chosen with repetition: n (n + 1) / 2, n (n + 1) (n + 2) / 6 ...
        count = count.saturating_mul(range.len() + same) / (same + 1);
    }
    count
}

fn named(feature: super::explain::Named) -> FeatureName {
    FeatureName { name: cut(feature.name), namespace: cut(feature.namespace), hash: feature.hash }
}

/// The first [`LONGEST`] bytes of a name, as far as they are whole characters.
fn cut(mut name: String) -> String {
    if name.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&end| name.is_char_boundary(end));
        name.truncate(end.unwrap_or(0));
    }
    name
}

/// Finds the namespace of one feature.
#[derive(Debug, Default)]
struct Located {
    nth: usize,
    count: usize,
    namespace: String,
}

impl Sink for Located {
    #[inline(always)]
    fn enter(&mut self, namespace: &str) {
        if self.count <= self.nth {
            namespace.clone_into(&mut self.namespace);
        }
    }

    #[inline(always)]
    fn put(&mut self, _: u32, _: f32, _: impl FnOnce() -> String) {
        self.count += 1;
    }

    #[inline(always)]
    fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The products of two features and of three, one by one.
    fn counted(ranges: &[Range<usize>]) -> usize {
        let mut tuples: Vec<Vec<usize>> = vec![vec![]];
        for (at, range) in ranges.iter().enumerate() {
            let fits = |tuple: &Vec<usize>, next| at == 0 || ranges[at - 1] != *range || tuple[at - 1] <= next;
            let longer = |tuple: Vec<usize>| {
                let next = range.clone().filter(|&next| fits(&tuple, next)).collect::<Vec<_>>();
                next.into_iter().map(move |next| [&tuple[..], &[next]].concat())
            };
            tuples = tuples.into_iter().flat_map(longer).collect();
        }
        tuples.len()
    }

    #[test]
    fn products_are_counted_without_being_made() {
        for ranges in [vec![0..3, 0..3], vec![0..4, 0..4, 0..4, 5..7, 5..7], vec![1..2; 5], vec![0..2, 2..5, 5..6]] {
            assert_eq!(products(&ranges), counted(&ranges), "{ranges:?}");
        }
    }

    #[test]
    fn a_long_name_ends_with_a_whole_character() {
        assert_eq!(cut("é".repeat(100)), "é".repeat(64));
        assert_eq!(cut(format!("a{}", "é".repeat(100))), format!("a{}", "é".repeat(63)));
        assert_eq!(cut("short".into()), "short");
    }
}
