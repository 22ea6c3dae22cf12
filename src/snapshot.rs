//! Snapshots: takes the state of whatever remembers something between records, gives it as named arrays, and gives the
//! state back from them, bit for bit.
//!
//! What a checkpoint holds is exactly what the engine's parts put in here. It knows no files and no formats.

use bytemuck::Pod;

use crate::error::{Error, Result};

/// A part that remembers something between records.
///
/// Both functions take the part apart with `let Self { every, field } = self;` and no `..`: a field that is added
/// later does not compile until somebody has decided whether it is state (a test holds every implementation to it).
///
/// ```
/// use tidemill::{scaler::Scaler, snapshot::State};
/// let (mut scaler, mut state) = (Scaler::new(16), State::default());
/// scaler.learn(&[1.5; 16], &mut [0.0; 16]);
/// state.save(&scaler);
/// let mut restored = Scaler::new(16);
/// state.restore(&mut restored)?;
/// assert_eq!(restored, scaler);
/// # Ok::<(), tidemill::error::Error>(())
/// ```
pub trait Snapshot {
    /// Name of the part, in front of the names of its arrays.
    const PART: &'static str;

    /// Puts all that it remembers into `to`.
    fn save(&self, to: &mut Saving<'_>);

    /// Takes all that it remembers from `from`; `self` is a fresh part of the same job.
    ///
    /// # Errors
    /// Arrays that are missing, or are those of another job.
    fn restore(&mut self, from: &Restoring<'_>) -> Result<()>;
}

/// The state of all parts: arrays in the order in which they were put.
#[derive(Debug, Default, Clone)]
pub struct State {
    arrays: Vec<Array>,
    /// How many of them belong to the state; the others keep their buffers for the next one.
    used: usize,
}

/// A named array of numbers.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Array {
    /// `part/name`.
    pub name: String,
    /// The type of its elements.
    pub kind: Kind,
    /// Its elements, in this machine's byte order.
    pub bytes: Vec<u8>,
}

/// The type of an array's elements.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    #[default]
    U8,
    /// Whole numbers of 32 bits.
    U32,
    /// Whole numbers of 64 bits.
    U64,
    /// Floats of 32 bits.
    F32,
    /// Floats of 64 bits.
    F64,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::U8, Self::U32, Self::U64, Self::F32, Self::F64];

    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U32 | Self::F32 => 4,
            Self::U64 | Self::F64 => 8,
        }
    }
}

/// A number that arrays can hold.
pub trait Element: Pod {
    /// Its kind.
    const KIND: Kind;
}

impl Element for u8 {
    const KIND: Kind = Kind::U8;
}
impl Element for u32 {
    const KIND: Kind = Kind::U32;
}
impl Element for u64 {
    const KIND: Kind = Kind::U64;
}
impl Element for f32 {
    const KIND: Kind = Kind::F32;
}
impl Element for f64 {
    const KIND: Kind = Kind::F64;
}

impl State {
    /// Forgets everything, keeping the buffers.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Takes in what a part remembers.
    pub fn save<S: Snapshot>(&mut self, part: &S) {
        part.save(&mut Saving { part: S::PART, state: self });
    }

    /// Gives a part back what it remembered.
    ///
    /// # Errors
    /// As [`Snapshot::restore`].
    pub fn restore<S: Snapshot>(&self, part: &mut S) -> Result<()> {
        part.restore(&Restoring { part: S::PART, state: self })
    }

    /// All arrays, in order.
    pub fn arrays(&self) -> &[Array] {
        &self.arrays[..self.used]
    }

    /// Takes in an array as it stands.
    pub fn push(&mut self, array: Array) {
        self.arrays.truncate(self.used);
        self.arrays.push(array);
        self.used += 1;
    }

    /// A fresh array behind the others, in the buffers of an earlier one.
    fn next(&mut self, part: &str, name: &str, kind: Kind) -> &mut Vec<u8> {
        if self.used == self.arrays.len() {
            self.arrays.push(Array::default());
        }
        let array = &mut self.arrays[self.used];
        self.used += 1;
        array.name.clear();
        array.name.extend([part, "/", name]);
        array.kind = kind;
        array.bytes.clear();
        &mut array.bytes
    }
}

/// Takes the arrays of one part.
#[derive(Debug)]
pub struct Saving<'a> {
    part: &'static str,
    state: &'a mut State,
}

impl Saving<'_> {
    /// Takes an array.
    pub fn put<T: Element>(&mut self, name: &str, values: &[T]) {
        self.state.next(self.part, name, T::KIND).extend_from_slice(bytemuck::cast_slice(values));
    }

    /// Takes an array that is made piece by piece, as its bytes.
    pub fn put_with<T: Element>(&mut self, name: &str, fill: impl FnOnce(&mut Vec<u8>)) {
        fill(self.state.next(self.part, name, T::KIND));
    }

    /// Takes texts, as one array of bytes and one of their ends.
    pub fn put_texts<'t>(&mut self, name: &str, texts: impl Iterator<Item = &'t str> + Clone) {
        let lengths = texts.clone().scan(0, |end: &mut u64, text| {
            *end += text.len() as u64;
            Some(*end)
        });
        self.put(&format!("{name}_end"), &lengths.collect::<Vec<_>>());
        self.put_with::<u8>(name, |bytes| texts.for_each(|text| bytes.extend_from_slice(text.as_bytes())));
    }

    /// Takes what a part of this part remembers.
    pub fn save<S: Snapshot>(&mut self, part: &S) {
        self.state.save(part);
    }

    /// The same under another name, where there may be several parts of its kind.
    pub fn save_as<S: Snapshot>(&mut self, name: &'static str, part: &S) {
        part.save(&mut Saving { part: name, state: self.state });
    }
}

/// Gives the arrays of one part.
#[derive(Debug)]
pub struct Restoring<'a> {
    part: &'static str,
    state: &'a State,
}

impl Restoring<'_> {
    /// Whether there is such an array: those that came later are missing in older files.
    pub fn has(&self, name: &str) -> bool {
        let full = format!("{}/{name}", self.part);
        self.state.arrays().iter().any(|array| array.name == full)
    }

    /// An array, however long.
    ///
    /// # Errors
    /// An array that is not there, or holds something else.
    pub fn get<T: Element>(&self, name: &str) -> Result<Vec<T>> {
        let full = format!("{}/{name}", self.part);
        let found = self.state.arrays().iter().find(|array| array.name == full);
        let array = found.filter(|array| array.kind == T::KIND && array.bytes.len() % size_of::<T>() == 0);
        array.map(|array| bytemuck::pod_collect_to_vec(&array.bytes)).ok_or_else(|| self.broken(name))
    }

    /// Texts, as [`Saving::put_texts`] took them.
    ///
    /// # Errors
    /// As [`Restoring::get`], and for what is no text.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let (bytes, ends) = (self.get::<u8>(name)?, self.get::<u64>(&format!("{name}_end"))?);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let text = |(start, &end): (u64, &u64)| {
            let bytes = bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)?;
            String::from_utf8(bytes.to_vec()).ok()
        };
        let texts: Option<Vec<_>> = starts.zip(&ends).map(text).collect();
        let is_whole = ends.last().map_or(0, |&end| end) == bytes.len() as u64;
        texts.filter(|_| is_whole).ok_or_else(|| self.broken(name))
    }

    /// An array of exactly so many elements.
    ///
    /// # Errors
    /// As [`Restoring::get`], and for another number of elements.
    pub fn exactly<T: Element>(&self, name: &str, len: usize) -> Result<Vec<T>> {
        let values: Vec<T> = self.get(name)?;
        self.check(name, values.len() == len)?;
        Ok(values)
    }

    /// `N` numbers.
    ///
    /// # Errors
    /// As [`Restoring::exactly`].
    pub fn numbers<T: Element, const N: usize>(&self, name: &str) -> Result<[T; N]> {
        self.get(name)?.try_into().map_err(|_| self.broken(name))
    }

    /// `N` counts that can be counted on from: no run comes near half of what 64 bits hold.
    ///
    /// # Errors
    /// As [`Restoring::exactly`], and for counts beyond that.
    pub fn counts<const N: usize>(&self, name: &str) -> Result<[u64; N]> {
        let counts: [u64; N] = self.numbers(name)?;
        if counts.iter().all(|&count| count <= u64::MAX / 2) { Ok(counts) } else { Err(self.broken(name)) }
    }

    /// Sees to it that an array holds what it may hold.
    ///
    /// # Errors
    /// Where it does not.
    pub fn check(&self, name: &str, holds: bool) -> Result<()> {
        if holds { Ok(()) } else { Err(self.broken(name)) }
    }

    /// Gives a part of this part what it remembered.
    ///
    /// # Errors
    /// As [`Snapshot::restore`].
    pub fn restore<S: Snapshot>(&self, part: &mut S) -> Result<()> {
        self.state.restore(part)
    }

    /// The same under the name by which it was saved.
    ///
    /// # Errors
    /// As [`Snapshot::restore`].
    pub fn restore_as<S: Snapshot>(&self, name: &'static str, part: &mut S) -> Result<()> {
        part.restore(&Restoring { part: name, state: self.state })
    }

    /// What an array that cannot be taken is reported as.
    pub fn broken(&self, name: &str) -> Error {
        Error::input(format!(
            "the checkpoint's `{}/{name}` is missing or belongs to another job: name the checkpoints of this job, \
             or an empty folder to start again",
            self.part
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Part(Vec<f64>);

    impl Snapshot for Part {
        const PART: &'static str = "part";

        fn save(&self, to: &mut Saving<'_>) {
            let Self(values) = self;
            to.put("values", values);
        }

        fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
            let Self(values) = self;
            *values = from.exactly("values", 2)?;
            Ok(())
        }
    }

    #[test]
    fn buffers_are_used_again() {
        let mut state = State::default();
        state.save(&Part(vec![1.0, 2.0]));
        let buffer = state.arrays()[0].bytes.as_ptr();
        state.clear();
        assert!(state.arrays().is_empty());
        state.save(&Part(vec![3.0, f64::NAN]));
        assert_eq!(state.arrays()[0].bytes.as_ptr(), buffer);
        let mut part = Part::default();
        state.restore(&mut part).unwrap();
        assert!(part.0[0] == 3.0 && part.0[1].is_nan());
    }

    #[test]
    fn what_is_missing_or_of_another_length_or_kind_is_named() {
        let mut state = State::default();
        let reason = |state: &State| state.restore(&mut Part::default()).unwrap_err().to_string();
        assert!(reason(&state).contains("`part/values`"));
        state.save(&Part(vec![1.0]));
        assert!(reason(&state).contains("`part/values`"));
        state.clear();
        state.push(Array { name: "part/values".into(), kind: Kind::U64, bytes: vec![0; 16] });
        assert!(reason(&state).contains("`part/values`"));
    }
}
