//! The transforms that depend on the records before: takes examples in the order of the stream, says which of them stay
//! and what becomes of their values.
//!
//! Of a record it is first asked whether it came before ([`duplicates`]), then, of a negative, whether it is among those
//! that are kept ([`sample`]). Of those that stay, numbers are brought into proportion ([`numbers`]) and missing
//! categories replaced ([`categories`]), and quantiles become features ([`quantiles`]). All but the sample are blind to
//! labels: what it takes out has been remembered as seen before. When only predicting, every record stays, and values are
//! made by what was learned.

pub mod categories;
pub mod duplicates;
pub mod numbers;
pub mod quantiles;
pub mod sample;

use std::ops::Range;

use crate::error::Result;
use crate::examples::Examples;
use crate::schema::Schema;
use crate::snapshot::{Restoring, Saving, Snapshot};
use categories::Categories;
use duplicates::Duplicates;
use numbers::Numbers;
use quantiles::Quantiles;
use sample::Sampler;

/// The online transforms of a job, with what they remember.
#[derive(Debug, Clone, PartialEq)]
pub struct Online {
    duplicates: Option<Duplicates>,
    sample: Option<Sampler>,
    numbers: Option<Numbers>,
    categories: Option<Categories>,
    quantiles: Option<Quantiles>,
}

/// Which examples stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sifted {
    /// Their rows.
    pub kept: Vec<Range<usize>>,
    /// Records that came before.
    pub duplicates: u64,
    /// Negatives that were not taken.
    pub sampled_out: u64,
    /// Keys that had to be forgotten before their time.
    pub forgotten: u64,
    /// The rows of those negatives.
    pub passed: Vec<usize>,
}

impl Sifted {
    /// All of these stay.
    pub fn all(rows: Range<usize>) -> Self {
        Self { kept: vec![rows], ..Self::default() }
    }

    fn keep(&mut self, row: usize) {
        match self.kept.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => self.kept.push(row..row + 1),
        }
    }
}

impl Online {
    /// What a schema asks for, having seen nothing; `None` where that is nothing.
    ///
    /// ```
    /// use tidemill::{online::Online, schema::Schema};
    /// assert_eq!(Online::new(&Schema::default()), None);
    /// let transforms = vec![toml::from_str("sample = { negatives = 0.1 }").unwrap()];
    /// assert!(Online::new(&Schema { transforms, ..Schema::default() }).is_some());
    /// ```
    pub fn new(schema: &Schema) -> Option<Self> {
        let online = Self {
            duplicates: schema.deduplicate().map(Duplicates::new),
            sample: schema.sample().map(Sampler::new),
            numbers: Numbers::new(schema),
            categories: Categories::new(schema),
            quantiles: Quantiles::new(schema),
        };
        let is_asked = online.duplicates.is_some() || online.sample.is_some() || online.numbers.is_some();
        (is_asked || online.adds_features()).then_some(online)
    }

    /// The state that predicting needs, by name, for a model file; the other way round is [`Online::with_arrays`].
    pub fn arrays(&self) -> Vec<(String, Vec<f64>)> {
        let numbers = self.numbers.iter().flat_map(Numbers::arrays);
        let categories = self.categories.iter().flat_map(Categories::arrays);
        numbers.chain(categories).chain(self.quantiles.iter().flat_map(Quantiles::arrays)).collect()
    }

    /// The same with the state that [`Online::arrays`] gave; `None` where an array is missing or does not fit.
    #[must_use]
    pub fn with_arrays(mut self, arrays: &[(String, Vec<f64>)]) -> Option<Self> {
        let array = |name: &str| arrays.iter().find(|(known, _)| known == name).map(|(_, array)| array.as_slice());
        self.numbers = match self.numbers {
            Some(numbers) => Some(numbers.with_arrays(array)?),
            None => None,
        };
        self.categories = match self.categories {
            Some(categories) => Some(categories.with_arrays(array)?),
            None => None,
        };
        self.quantiles = match self.quantiles {
            Some(quantiles) => Some(quantiles.with_arrays(array)?),
            None => None,
        };
        Some(self)
    }

    /// Says which of the examples stay; `seen` is the number of records before this chunk.
    pub fn sift(&mut self, examples: &Examples, rows: Range<usize>, seen: u64) -> Sifted {
        let Self { duplicates, sample, .. } = self;
        if duplicates.is_none() && sample.is_none() {
            return Sifted::all(rows);
        }
        let mut sifted = Sifted::default();
        let before = duplicates.as_ref().map_or(0, Duplicates::forgotten);
        for row in rows {
            let record = seen + u64::from(examples.number[row]) + 1;
            if duplicates.as_mut().is_some_and(|duplicates| duplicates.is_one(examples, row, record)) {
                sifted.duplicates += 1;
            } else if sample.as_ref().is_some_and(|sample| !sample.keeps(examples.label[row], record)) {
                sifted.sampled_out += 1;
                sifted.passed.push(row);
            } else {
                sifted.keep(row);
            }
        }
        sifted.forgotten = duplicates.as_ref().map_or(0, Duplicates::forgotten) - before;
        sifted
    }

    /// Gives negatives that were kept the weight of those that were not; labels are 1, 0 or NaN.
    pub fn weigh(&self, label: &[f32], weight: &mut [f32]) {
        if let Some(sample) = &self.sample {
            sample.weigh(label, weight);
        }
    }

    /// Brings numbers into proportion that are not to be standardised: rows as read, and as they leave the scaler.
    pub fn scale(&mut self, raw: &[f32], out: &mut [f32], stride: usize, learns: bool) {
        let Some(numbers) = &mut self.numbers else { return };
        for (raw, out) in raw.chunks_exact(stride).zip(out.chunks_exact_mut(stride)) {
            if learns {
                numbers.learn(raw);
            }
            numbers.apply(raw, out);
        }
    }

    /// Whether it adds features to records.
    pub fn adds_features(&self) -> bool {
        self.categories.is_some() || self.quantiles.is_some()
    }

    /// Adds the features of row `row` that are made here.
    pub fn add_features(&mut self, examples: &Examples, row: usize, learns: bool, mut put: impl FnMut(u32, f32)) {
        if let Some(categories) = &mut self.categories {
            categories.fill(&examples.category, row, learns, |hash| put(hash, 1.0));
        }
        if let Some(quantiles) = &mut self.quantiles {
            quantiles.fill(&examples.measured, row, learns, |hash| put(hash, 1.0));
        }
    }
}

impl Snapshot for Online {
    const PART: &'static str = "online";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { duplicates, sample: _, numbers, categories, quantiles } = self;
        duplicates.iter().for_each(|part| to.save(part));
        numbers.iter().for_each(|part| to.save(part));
        categories.iter().for_each(|part| to.save(part));
        quantiles.iter().for_each(|part| to.save(part));
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { duplicates, sample: _, numbers, categories, quantiles } = self;
        duplicates.iter_mut().try_for_each(|part| from.restore(part))?;
        numbers.iter_mut().try_for_each(|part| from.restore(part))?;
        categories.iter_mut().try_for_each(|part| from.restore(part))?;
        quantiles.iter_mut().try_for_each(|part| from.restore(part))
    }
}
