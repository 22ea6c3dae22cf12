//! What travels before the encoder: chunks of text, the records parsed from one, and what was rejected.
//!
//! Plain data: no I/O, no threads, nothing that remembers.

mod columns;

use std::borrow::Cow;

use crate::error::Result;
use crate::snapshot::{Restoring, Saving, Snapshot};
pub use columns::{Columns, Part};

/// Zero bytes kept behind the text of a chunk, so that wide loads at its end stay inside the buffer.
pub const PADDING: usize = 64;

/// Whole records as text or as columns, cut out of one source.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Place in the stream of chunks, from 0; the engine puts them back in this order.
    pub sequence: u64,
    /// Which source of the run it comes from, from 0.
    pub source: u32,
    /// Where it starts in that source, as [`Place::offset`] counts.
    pub offset: u64,
    /// Where the stream goes on behind it.
    pub place: Place,
    /// The first of its source: it opens with the header line where the format has one.
    pub first: bool,
    /// Whether its source may lack the header line that others of the format have: a file that was cut short is written
    /// on without one.
    pub may_lack_header: bool,
    /// Whether a quote occurs in it; without one the fast reader may take it.
    pub quoted: bool,
    /// The text, always followed by [`PADDING`] zero bytes.
    pub bytes: Vec<u8>,
    /// Bytes of text in `bytes`, padding not counted.
    pub len: usize,
    /// The columns, where the format is columnar; `bytes` then holds what of them is text once it has been parsed.
    pub columns: Option<Part>,
    /// Records that the source itself had to leave out (too long to hold), in place.
    pub rejected: Vec<Rejected>,
    /// What the best possible predictor loses on these records; known to generated streams alone.
    pub best_loss: Option<LossSum>,
}

impl Chunk {
    /// A chunk holding `text`, for tests and small inputs.
    ///
    /// ```
    /// let chunk = tidemill::record::Chunk::of(b"1,2\n");
    /// assert_eq!(chunk.text(), b"1,2\n");
    /// ```
    pub fn of(text: &[u8]) -> Self {
        let mut bytes = text.to_vec();
        bytes.resize(text.len() + PADDING, 0);
        Self { quoted: text.contains(&b'"'), len: text.len(), bytes, ..Self::default() }
    }

    /// The text without its padding.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Bytes of its source that it was made from.
    pub fn size(&self) -> u64 {
        self.columns.as_ref().map_or(self.len as u64, |part| part.bytes)
    }
}

/// A place between two records of a source, with what it takes to find it again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which source of the run, from 0.
    pub source: u32,
    /// Bytes of its text before the place, after decompression; records where the format is columnar.
    pub offset: u64,
    /// How many of these, the last of them, the fingerprint is of; 0 where none was asked for. A columnar source has one
    /// of all that tells it from others.
    pub covered: u64,
    /// XXH3 (64 bits) of the covered bytes.
    pub fingerprint: u64,
}

/// How far each source of a run has been read, in their order; sources without a record may be missing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Position {
    /// The end of what was read of each.
    pub places: Vec<Place>,
}

impl Position {
    /// The stream has been read up to `place`.
    ///
    /// ```
    /// use tidemill::record::{Place, Position};
    /// let mut position = Position::default();
    /// for (source, offset) in [(0, 10), (0, 20), (1, 5)] {
    ///     position.advance(Place { source, offset, ..Place::default() });
    /// }
    /// assert_eq!(position.places.iter().map(|place| place.offset).collect::<Vec<_>>(), [20, 5]);
    /// ```
    pub fn advance(&mut self, place: Place) {
        match self.places.last_mut() {
            Some(last) if last.source == place.source => *last = place,
            _ => self.places.push(place),
        }
    }
}

impl Snapshot for Position {
    const PART: &'static str = "position";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { places } = self;
        let all = places.iter().flat_map(|&Place { source, offset, covered, fingerprint }| {
            [u64::from(source), offset, covered, fingerprint]
        });
        to.put("places", &all.collect::<Vec<_>>());
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { places } = self;
        let numbers = from.get::<u64>("places")?;
        let (all, rest) = numbers.as_chunks();
        let place = |&[source, offset, covered, fingerprint]: &[u64; 4]| {
            let is_place = source < u64::from(u32::MAX) && covered <= offset && offset <= u64::MAX / 2;
            is_place.then_some(Place { source: source as u32, offset, covered, fingerprint })
        };
        *places = all.iter().map(place).collect::<Option<_>>().ok_or_else(|| from.broken("places"))?;
        let is_in_order = places.is_sorted_by(|before, after| before.source < after.source);
        from.check("places", rest.is_empty() && is_in_order)
    }
}

/// A sum of log losses over records, in nats.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct LossSum {
    /// Sum of log losses.
    pub loss: f64,
    /// Records in the sum.
    pub records: u64,
}

/// A piece of the bytes of [`Records`]; length 0 is a missing value.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
}

impl Span {
    /// The bytes it stands for.
    #[inline(always)]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.start as usize + self.len as usize]
    }
}

/// The records of one chunk, parsed: numbers as a row-major matrix, text as spans of the chunk's bytes.
///
/// Row-major because the learner takes records one by one; a column store would have to be turned round first.
#[derive(Debug, Default)]
pub struct Records {
    /// The chunk they come from; the slow reader puts unescaped fields behind its text.
    pub chunk: Chunk,
    /// Number of records.
    pub rows: usize,
    /// `rows` x stride numbers; a missing value, and the padding up to the stride, is NaN.
    pub numeric: Vec<f32>,
    /// `rows` x number of text columns.
    pub text: Vec<Span>,
    /// Features that records spell out, where the format is sparse.
    pub sparse: Sparse,
    /// One a record where the schema has a label column, else empty.
    pub label: Vec<Span>,
    /// One a record where the schema has an id column, else empty.
    pub id: Vec<Span>,
    /// One a record where the schema has a weight column, else empty.
    pub weight: Vec<f32>,
    /// Number of each record within its chunk, from 0; rejected records leave gaps.
    pub number: Vec<u32>,
    /// The whole text of each record; empty where the format is columnar.
    pub record: Vec<Span>,
    /// What could not be used, in order.
    pub rejected: Vec<Rejected>,
    /// Records and rejections together, and records that were filtered out.
    pub seen: u32,
    /// Records that a transform has filtered out.
    pub filtered: u32,
}

impl Records {
    /// Empties it, keeping the buffers.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.seen = 0;
        self.filtered = 0;
        self.numeric.clear();
        self.text.clear();
        self.sparse.clear();
        self.label.clear();
        self.id.clear();
        self.weight.clear();
        self.number.clear();
        self.record.clear();
        self.rejected.clear();
    }

    /// The text of the record in row `row`, or a JSON object of its used columns.
    pub fn raw(&self, row: usize) -> Cow<'_, [u8]> {
        match &self.chunk.columns {
            Some(part) => Cow::Owned(part.record(self.number[row] as usize)),
            None => Cow::Borrowed(self.record[row].of(&self.chunk.bytes)),
        }
    }

    /// The record in row `row`, which cannot be used after all.
    pub fn rejection(&self, row: usize, reason: Reason, column: Option<&String>) -> Rejected {
        let (number, chunk) = (self.number[row], &self.chunk);
        let offset = match &chunk.columns {
            Some(_) => u64::from(number),
            None => u64::from(self.record[row].start),
        };
        Rejected {
            number,
            source: chunk.source,
            offset: chunk.offset + offset,
            column: column.cloned(),
            reason,
            raw: Rejected::raw_of(&self.raw(row)),
        }
    }
}

/// Features as a sparse format spells them out, record after record; empty where the format has columns.
///
/// Names are not hashed yet: that is the encoder's.
#[derive(Debug, Default)]
pub struct Sparse {
    /// End of each record in `space`.
    pub record_end: Vec<u32>,
    /// Namespaces in the order in which they stand in the records; a name may come again.
    pub space: Vec<Space>,
    /// The features' names, one a feature.
    pub name: Vec<Name>,
    /// The features' values, one a feature; a namespace's scale is in them. No zeros.
    pub value: Vec<f32>,
}

/// A namespace of one record.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Its name; empty for the one without a name.
    pub name: Span,
    /// End of its features in [`Sparse::name`] and [`Sparse::value`].
    pub end: u32,
}

/// What a feature is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// By a name of its own.
    Plain(Span),
    /// By a name and a text value, which is hashed behind it.
    Text(Span, Span),
    /// By its place among the features without a name in its namespace, from 0.
    Place(u32),
}

impl Sparse {
    /// Empties it, keeping the buffers.
    pub fn clear(&mut self) {
        self.record_end.clear();
        self.space.clear();
        self.name.clear();
        self.value.clear();
    }

    /// Takes back everything that was added behind the last finished record.
    pub fn cut_back(&mut self) {
        let spaces = self.record_end.last().map_or(0, |&end| end as usize);
        let names = spaces.checked_sub(1).map_or(0, |last| self.space[last].end as usize);
        self.space.truncate(spaces);
        self.name.truncate(names);
        self.value.truncate(names);
    }
}

/// Input that could not be used, with its place and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Number of the record within its chunk, from 0.
    pub number: u32,
    /// Which source of the run, from 0.
    pub source: u32,
    /// Byte offset of the record in its source, after decompression; its number there, from 0, where the format is
    /// columnar.
    pub offset: u64,
    /// The column at fault, where one is.
    pub column: Option<String>,
    /// Why.
    pub reason: Reason,
    /// The text of the record, or a JSON object of its used columns; cut at [`Rejected::MAX_RAW`] bytes.
    pub raw: Vec<u8>,
}

impl Rejected {
    /// Most bytes of a rejected record that are kept.
    pub const MAX_RAW: usize = 64 * 1024;

    /// The part of `record` that is kept.
    pub fn raw_of(record: &[u8]) -> Vec<u8> {
        record[..record.len().min(Self::MAX_RAW)].to_vec()
    }
}

/// A record that was read and is in order, and was not learned, or not as it was meant to be: for its time, or for want of
/// its other half.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeftOut<'a> {
    /// Why.
    pub why: Left,
    /// Its number in the run, from 1.
    pub record: u64,
    /// Its event time in microseconds since 1970, `i64::MIN` where it is missing.
    pub time: i64,
    /// The hash of its id, where records are joined by that.
    pub key: Option<u64>,
    /// Its label: 1, 0, or NaN.
    pub label: f32,
    /// Its text as it was read; empty where that is not at hand any more.
    pub raw: &'a [u8],
}

/// Why a record was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It came behind the watermark.
    Late,
    /// An impression of an id that was known.
    Duplicate,
    /// An outcome of an id that had one.
    DuplicateOutcome,
    /// An outcome that came after the timeout, and too late to correct anything.
    LateOutcome,
    /// An outcome whose impression never came.
    Orphan,
    /// An impression without an outcome, where that is no label.
    Unlabelled,
    /// An impression or an outcome that was given up before its time for want of room.
    Evicted,
    /// An impression that was open at the end of the stream.
    Open,
    /// A record without an id, where records are joined by that.
    NoId,
}

impl Left {
    /// What outputs call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Duplicate => "duplicate",
            Self::DuplicateOutcome => "duplicate_outcome",
            Self::LateOutcome => "late_outcome",
            Self::Orphan => "orphan",
            Self::Unlabelled => "unlabelled",
            Self::Evicted => "evicted",
            Self::Open => "open",
            Self::NoId => "no_id",
        }
    }
}

/// Why a record was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// Fewer or more fields than the header.
    FieldCount,
    /// Text where a number is expected.
    NotANumber,
    /// `inf` or `nan`.
    NotFinite,
    /// A number beyond the range of a 32-bit float.
    OutOfRange,
    /// Bytes that are not UTF-8 text.
    InvalidUtf8,
    /// A label that is neither class.
    Label,
    /// An example weight that is negative or above the limit.
    Weight,
    /// A record longer than the reader holds.
    TooLong,
    /// A quote that opens a field and is never closed.
    UnclosedQuote,
    /// Text that the grammar of its format does not allow.
    Syntax,
    /// A list or an object where one value is expected.
    NotAValue,
    /// Text where a time is expected.
    NotATime,
    /// A value that is not among those that were declared.
    Undeclared,
    /// More features than a record may have.
    TooManyFeatures,
}

impl Reason {
    /// Every reason, in an order that stays: new ones go to the end, since checkpoints count by it.
    pub const ALL: [Self; 14] = [
        Self::FieldCount,
        Self::NotANumber,
        Self::NotFinite,
        Self::OutOfRange,
        Self::InvalidUtf8,
        Self::Label,
        Self::Weight,
        Self::TooLong,
        Self::UnclosedQuote,
        Self::Syntax,
        Self::NotAValue,
        Self::NotATime,
        Self::Undeclared,
        Self::TooManyFeatures,
    ];

    /// The reason as it stands in the rejected file and the summary.
    pub fn name(self) -> &'static str {
        match self {
            Self::FieldCount => "field_count",
            Self::NotANumber => "not_a_number",
            Self::NotFinite => "not_finite",
            Self::OutOfRange => "out_of_range",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::Label => "label",
            Self::Weight => "weight",
            Self::TooLong => "too_long",
            Self::UnclosedQuote => "unclosed_quote",
            Self::Syntax => "syntax",
            Self::NotAValue => "not_a_value",
            Self::NotATime => "not_a_time",
            Self::Undeclared => "undeclared",
            Self::TooManyFeatures => "too_many_features",
        }
    }

    /// What to do where most records are rejected for this reason.
    ///
    /// ```
    /// assert!(tidemill::record::Reason::Label.advice().contains("--positive"));
    /// ```
    pub fn advice(self) -> &'static str {
        match self {
            Self::FieldCount => "is the header complete, and --format csv or tsv right?",
            Self::NotANumber => "a column of text is named by --categorical",
            Self::NotFinite => "leave a missing number empty, or take its column out with --ignore",
            Self::OutOfRange => "numbers are read up to 3.4e38: scale the column, or take it out with --ignore",
            Self::InvalidUtf8 => "convert the input to UTF-8, or take the column out with --ignore",
            Self::Label => "a label is 0/1, -1/+1 or true/false; for any other name the positive class with --positive",
            Self::Weight => "an example weight is 0 to 1000000",
            Self::TooLong => "a record has at most 8 MiB: is this a text file with line ends?",
            Self::Syntax => "is --format right? --rejected FILE shows what the line looks like",
            Self::NotAValue => "name what is inside by its path (a.b), or take the column out with --ignore",
            Self::NotATime => "a time is ISO 8601 or a number of seconds, milliseconds or microseconds since 1970",
            Self::Undeclared => "add the value to its feature's values, or choose unseen = \"ignore\" or \"other\"",
            Self::TooManyFeatures => {
                "a record has at most 262,144 features: cross fewer namespaces, or take fewer n-grams"
            }
            Self::UnclosedQuote => "a quote that opens a field must be closed; one within text must be doubled",
        }
    }
}
