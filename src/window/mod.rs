//! Windows of keys: takes records in the order of the stream and the labels that become known, gives the numbers that the
//! `[[feature]]` sections of kind `window` make of the records before each.
//!
//! A record is taken in behind its own numbers, and a label when it becomes known, so no number knows what its record's
//! label is. Each key has a clock, the latest of its records and of the moments at which its labels became known, and
//! its windows end there: a record that comes out of order is counted in its bucket if the window still has that, and
//! sees the window as it stands. One that lies further back than the longest window reaches starts its key afresh, so that
//! a time far in the future costs what was remembered of that key, and nothing more. A record without a key or without a
//! time has no numbers and leaves nothing.
//!
//! A key goes when nothing of it lies in the longest window any more, as the records that come tell, or, where there are
//! more than `most`, when it has not come for longest; that is counted. Siblings: `section` (one section), `keys` (which keys
//! there are), `ring` (one window of one key), `cells` (room for their buckets), `distinct` (different values) and `stored`
//! (all of that as numbers and back).

mod cells;
mod distinct;
mod keys;
mod ring;
mod section;
mod stored;

use crate::error::Result;
use crate::examples::Examples;
use crate::schema::{Made, Schema};
use crate::snapshot::{Restoring, Saving, Snapshot};
use section::{Section, Seen};
use stored::{NAMES, Words};

/// The windows of all sections of a job.
#[derive(Debug, Clone)]
pub struct Windows {
    sections: Vec<Section>,
}

/// How much the windows of a job remember.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Keys, those of each section counted by themselves.
    pub keys: u64,
    /// Bytes of memory, about.
    pub bytes: u64,
    /// Keys that were forgotten for want of room.
    pub evicted: u64,
    /// Keys of which nothing lay in a window any more.
    pub expired: u64,
}

/// What the windows see of a record, each list with one value a section.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Event time in microseconds since 1970, `i64::MIN` where it is missing.
    pub time: i64,
    /// The hashes of its keys, 0 where one is missing.
    pub keys: &'a [u64],
    /// The values of the columns that are looked at, NaN where one is missing.
    pub values: &'a [f32],
    /// The hashes of the values of which different ones are counted, 0 where one is missing; or nothing.
    pub hashes: &'a [u64],
}

impl<'a> Record<'a> {
    /// What they see of row `row` of some examples.
    pub fn of(examples: &'a Examples, row: usize) -> Self {
        let Examples { time, window_value, window_hash, .. } = examples;
        let keys = examples.window_keys_of(row);
        let of_row = row * keys.len()..(row + 1) * keys.len();
        let (values, hashes) = (window_value.get(of_row.clone()), window_hash.get(of_row));
        let time = time.get(row).copied().unwrap_or(i64::MIN);
        Self { time, keys, values: values.unwrap_or(&[]), hashes: hashes.unwrap_or(&[]) }
    }
}

impl Windows {
    /// What a schema asks for, having seen nothing; `None` where that is nothing.
    ///
    /// ```
    /// use tidemill::schema::{Feature, Schema};
    /// use tidemill::window::{Record, Windows};
    /// let section: Feature = toml::from_str("kind = 'window'\nkey = ['shop']\nover = ['1h']\nmake = ['count']\nlog = false").unwrap();
    /// let mut windows = Windows::new(&Schema { features: vec![section], ..Schema::default() }).unwrap();
    /// let counts = [0, 60_000_000, 7_200_000_000].map(|time| {
    ///     let mut row = [f32::NAN; 16];
    ///     windows.fill(Record { time, keys: &[7], values: &[f32::NAN], hashes: &[] }, &mut row);
    ///     row[0]
    /// });
    /// assert_eq!(counts, [0.0, 1.0, 0.0]);
    /// ```
    pub fn new(schema: &Schema) -> Option<Self> {
        let row = schema.dense_row();
        let mut places = row.iter().enumerate().filter(|(_, dense)| dense.from == Made::Window).map(|(at, _)| at);
        let section = |window: &crate::schema::window::Window| {
            let mut own = places.by_ref().take(window.made().len());
            let section = Section::new(window, own.next().unwrap_or(0));
            own.for_each(drop);
            section
        };
        let sections: Vec<_> = schema.windows().map(section).collect();
        (!sections.is_empty()).then_some(Self { sections })
    }

    /// Fills the numbers of a record into its dense row, whose other places stay, then takes the record in.
    pub fn fill(&mut self, record: Record<'_>, row: &mut [f32]) {
        let Record { time, keys, values, hashes } = record;
        for (at, (section, &key)) in self.sections.iter_mut().zip(keys).enumerate() {
            let value = values.get(at).copied().unwrap_or(f32::NAN);
            let hash = hashes.get(at).copied().unwrap_or(0);
            section.fill(Seen { key, time, value, hash }, row);
        }
    }

    /// Fills the numbers of a record in as [`Windows::fill`] would, and leaves no trace of it.
    pub fn look(&self, record: Record<'_>, row: &mut [f32]) {
        let Record { time, keys, values, hashes } = record;
        for (at, (section, &key)) in self.sections.iter().zip(keys).enumerate() {
            let value = values.get(at).copied().unwrap_or(f32::NAN);
            let hash = hashes.get(at).copied().unwrap_or(0);
            section.look(Seen { key, time, value, hash }, row);
        }
    }

    /// Takes in that the label of a record with these keys became known at `time`: 1 or 0, as often as the record weighs. A
    /// label that is missing leaves nothing.
    pub fn known(&mut self, keys: &[u64], time: i64, label: f32, weight: f32) {
        if label.is_nan() || weight.is_nan() {
            return;
        }
        for (section, &key) in self.sections.iter_mut().zip(keys) {
            section.known(key, time, f64::from(label), f64::from(weight));
        }
    }

    /// How much they remember.
    pub fn size(&self) -> Size {
        let add = |size: Size, section: &Section| Size {
            keys: size.keys + section.keys.len() as u64,
            bytes: size.bytes + section.bytes() as u64,
            evicted: size.evicted + section.evicted,
            expired: size.expired + section.expired,
        };
        self.sections.iter().fold(Size::default(), add)
    }

    /// The state by name, for a model file, where every word of 64 bits is two numbers, its upper and its lower half; the
    /// other way round is [`Windows::with_arrays`]. A bucket that holds something is 10 numbers, and of labels 6.
    pub fn arrays(&self) -> Vec<(String, Vec<f64>)> {
        let halves = |words: &[u64]| {
            words.iter().flat_map(|word| [word >> 32, word & 0xffff_ffff]).map(|half| half as f64).collect()
        };
        let named = |(name, words): (String, Vec<u64>)| (format!("windows.{name}"), halves(&words));
        self.named_words().map(named).collect()
    }

    /// The same with the state that [`Windows::arrays`] gave; `None` where an array is missing or does not fit.
    #[must_use]
    pub fn with_arrays(mut self, arrays: &[(String, Vec<f64>)]) -> Option<Self> {
        for (at, section) in self.sections.iter_mut().enumerate() {
            let words = |name: &str| {
                let name = format!("windows.{at}.{name}");
                whole(&arrays.iter().find(|(known, _)| *known == name)?.1)
            };
            let mut all = Words::default();
            for (to, name) in all.iter_mut().zip(NAMES) {
                *to = words(name)?;
            }
            section.fill_from(&all)?;
        }
        Some(self)
    }

    /// Every list of words, by the number of its section and its name.
    fn named_words(&self) -> impl Iterator<Item = (String, Vec<u64>)> {
        let named = |(at, section): (usize, &Section)| {
            NAMES.into_iter().zip(section.words()).map(move |(name, words)| (format!("{at}.{name}"), words))
        };
        self.sections.iter().enumerate().flat_map(named)
    }
}

/// Words of two halves each; `None` where there is a half too many, or one that is none.
fn whole(halves: &[f64]) -> Option<Vec<u64>> {
    let (pairs, rest) = halves.as_chunks::<2>();
    let is_half = |half: &f64| (0.0..=f64::from(u32::MAX)).contains(half) && half.fract() == 0.0;
    let word = |pair: &[f64; 2]| pair.iter().all(is_half).then(|| (pair[0] as u64) << 32 | pair[1] as u64);
    if rest.is_empty() { pairs.iter().map(word).collect() } else { None }
}

impl Snapshot for Windows {
    const PART: &'static str = "windows";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { sections: _ } = self;
        self.named_words().for_each(|(name, words)| to.put(&name, &words));
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { sections } = self;
        for (at, section) in sections.iter_mut().enumerate() {
            let mut all = Words::default();
            for (to, name) in all.iter_mut().zip(NAMES) {
                *to = from.get(&format!("{at}.{name}"))?;
            }
            let filled = section.fill_from(&all);
            from.check(&format!("{at}.keys"), filled.is_some())?;
        }
        Ok(())
    }
}
