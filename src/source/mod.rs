//! Sources: where records come from. Gives chunks of whole records with their place, one source after the other.
//!
//! Siblings: [`names`] (folders and patterns), [`open`] (files, standard input, compressed or not), [`chunker`] and
//! [`split`] (where a record ends), [`live`] (input that keeps coming), `follow` (files that grow), [`address`]
//! (connections), [`merged`] (two texts as one), `columnar` (Parquet and Arrow), `resume` (from a place in the middle, after a check
//! that it is the same source) and [`synthetic`] (generated
//! streams). A source does input and nothing else: it never looks into a record.

pub mod address;
pub mod chunker;
mod columnar;
mod fingerprint;
mod follow;
pub mod live;
pub mod merged;
pub mod names;
pub mod open;
mod resume;
pub mod split;
pub mod synthetic;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::record::{Chunk, Place, Position};
use crate::schema::{Format, Schema};
use address::Address;
use arrow::datatypes::SchemaRef;
use chunker::{Chunker, Eager};
use columnar::ColumnChunks;
use fingerprint::Fingerprint;
use follow::Trail;
use live::Live;
use merged::{Merged, Merging};
use open::Text;
use synthetic::Generator;
use synthetic::chunks::SyntheticChunks;

/// Bytes of text in a chunk, about, unless its records are very short.
pub const CHUNK: usize = 256 * 1024;
/// Records of a chunk, about, where they are short: parsed, a short record takes many times its text.
const CHUNK_RECORDS: usize = 8 * 1024;
/// Hashed features of a chunk, about: 4 MiB of them.
const CHUNK_FEATURES: usize = 512 * 1024;

/// One input of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, decompressed where it is gzip or zstd.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// Lines that connections send to an address.
    Socket(Address),
    /// Features and their outcomes, in the order of event time.
    Merged(Box<Merging>),
    /// A generated stream.
    Synthetic {
        /// Which stream.
        generator: Generator,
        /// Number of records.
        rows: u64,
        /// The same seed gives the same records.
        seed: u64,
    },
}

impl Input {
    /// `-` is standard input, anything else a file.
    pub fn named(name: &str) -> Self {
        match name {
            "-" => Self::Stdin,
            path => Self::File(path.into()),
        }
    }

    /// The name that messages use.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".into(),
            Self::Socket(address) => address.name(),
            Self::Merged(both) => format!("{} with {}", both.features.name(), both.outcomes.display()),
            Self::Synthetic { generator, rows, seed } => {
                format!("{generator:?} ({rows} records, seed {seed})").to_lowercase()
            }
        }
    }

    /// Sees to it that a file is there and may be read, before anything else is read.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::File(path) if !std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) => {
                open::file(path).map(drop)
            }
            Self::Merged(both) => both.features.check().and_then(|()| Self::File(both.outcomes.clone()).check()),
            _ => Ok(()), // a pipe can be opened only once
        }
    }

    /// The files that it reads.
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Self::File(path) => vec![path],
            Self::Merged(both) => [both.features.files(), vec![&both.outcomes]].concat(),
            Self::Stdin | Self::Socket(_) | Self::Synthetic { .. } => Vec::new(),
        }
    }

    /// Whether its size in bytes is that of its text.
    pub fn is_plain(&self) -> bool {
        match self {
            Self::File(path) => !path.extension().is_some_and(|extension| extension == "gz" || extension == "zst"),
            _ => false,
        }
    }

    /// Its size in bytes where that is known beforehand.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::File(path) => std::fs::metadata(path).ok().filter(|m| m.is_file()).map(|m| m.len()),
            Self::Merged(both) => Some(both.features.size()? + Self::File(both.outcomes.clone()).size()?),
            _ => None,
        }
    }
}

/// The inputs of a run as one stream of chunks.
pub struct Source {
    inputs: std::vec::IntoIter<Input>,
    current: Option<Current>,
    reading: Reading,
    opened: u32,
    sequence: u64,
    /// The columns of the first input that was opened, where the format is columnar.
    columns: Option<SchemaRef>,
    /// What of them is used, once that is known.
    used: Option<Schema>,
    living: Option<Living>,
    /// The last input, once it has been opened to be followed.
    followed: Option<Trail>,
}

/// How input that keeps coming is read.
#[derive(Clone)]
pub struct Living {
    /// What it is waited for with.
    pub live: Arc<dyn Live>,
    /// Whether the last input is a file that is read on as it grows.
    pub follows: bool,
}

/// How inputs are read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// How the inputs are written.
    pub format: Format,
    /// For input that comes bit by bit: files that stand still are never handed on in part.
    pub eager: Eager,
    /// Whether places carry fingerprints, so that reading can go on from there at another time.
    pub fingerprints: bool,
    /// Bytes of a chunk, about.
    pub chunk: usize,
}

enum Current {
    Text(Chunker),
    Columnar(Box<ColumnChunks>),
    Synthetic(Box<SyntheticChunks>),
}

impl Source {
    /// A stream over `inputs`, which are opened one after the other.
    pub fn new(inputs: Vec<Input>, reading: Reading) -> Self {
        Self {
            inputs: inputs.into_iter(),
            current: None,
            reading,
            opened: 0,
            sequence: 0,
            columns: None,
            used: None,
            living: None,
            followed: None,
        }
    }

    /// The same, some of whose inputs may keep coming.
    #[must_use]
    pub fn living(self, living: Option<Living>) -> Self {
        Self { living, ..self }
    }

    /// A stream that goes on where another one over the same inputs stood at `position`.
    ///
    /// Plain files are read from there; a pipe, a compressed file or a generated stream is read from its start and what
    /// was read before is passed over. A file that is followed is found again where it was rotated away, and what
    /// connections sent is gone: that goes on with what they send from now on.
    ///
    /// # Errors
    /// Inputs that are not those that were read before.
    pub fn resume(inputs: Vec<Input>, reading: Reading, position: &Position, living: Option<Living>) -> Result<Self> {
        let Some((&last, before)) = position.places.split_last() else {
            return Ok(Self::new(inputs, reading).living(living));
        };
        resume::check_finished(&inputs, before, reading.format)?;
        let opened = last.source as usize + 1;
        let rest = inputs.iter().skip(opened).cloned().collect();
        let source = Self { opened: last.source + 1, ..Self::new(rest, reading) }.living(living);
        match inputs.get(opened - 1) {
            Some(Input::Socket(_)) => Ok(Self { opened: 0, inputs: inputs.into_iter(), ..source }),
            Some(Input::File(path)) if opened == inputs.len() && source.follows().is_some() => {
                source.resumed_in(path.clone(), &last)
            }
            _ => {
                let current = resume::open_at(&inputs, &last, reading)?;
                Ok(Self { current: Some(current.waited_for(source.living.as_ref(), false)), ..source })
            }
        }
    }

    /// Makes the chunks that follow smaller where the records of `sample` are short, or become many features each; columns
    /// are cut by records as it is.
    pub fn fit(&mut self, sample: &[u8], features: usize) {
        if self.reading.format.is_columnar() {
            return;
        }
        let records = memchr::memchr_iter(b'\n', sample).count().max(1);
        let most = (CHUNK_FEATURES / features.max(1)).clamp(1, CHUNK_RECORDS);
        self.reading.chunk = (most * sample.len().div_ceil(records)).min(CHUNK);
        if let Some(Current::Text(chunker)) = &mut self.current {
            chunker.set_size(self.reading.chunk);
        }
    }

    /// Reads no other columns than those that `schema` uses from now on, where the format lets them be told apart.
    ///
    /// # Errors
    /// An input that cannot be read that way.
    pub fn keep(&mut self, schema: &Schema) -> Result<()> {
        self.used = Some(schema.clone());
        match &mut self.current {
            Some(Current::Columnar(chunks)) => chunks.keep(schema),
            _ => Ok(()),
        }
    }

    /// Bytes of a chunk, about, as [`Source::fit`] has chosen them.
    pub fn chunk_bytes(&self) -> usize {
        self.reading.chunk
    }

    /// Whether reading means to wait for whoever writes to the other end.
    pub fn is_live(&self) -> bool {
        match &self.current {
            Some(Current::Text(chunker)) => chunker.is_eager(),
            Some(Current::Columnar(chunks)) => chunks.is_live(),
            _ => false,
        }
    }

    /// The next chunk, in the buffers of `spare`; `None` at the end of the last input.
    ///
    /// # Errors
    /// An input that cannot be opened or read to its end.
    pub fn next_chunk(&mut self, mut spare: Chunk) -> Result<Option<Chunk>> {
        loop {
            let Some(current) = &mut self.current else {
                let Some(next) = self.open_next()? else { return Ok(None) };
                self.current = Some(next);
                self.agree()?;
                continue;
            };
            spare.rejected.clear();
            if current.fill(&mut spare, self.reading.chunk)? {
                let source = self.opened - 1;
                spare.source = source;
                spare.place = Place { source, ..spare.place };
                spare.rejected.iter_mut().for_each(|rejected| rejected.source = source);
                spare.sequence = self.sequence;
                self.sequence += 1;
                return Ok(Some(spare));
            }
            self.current = None;
        }
    }
}

impl Source {
    /// What a file that is followed is waited for with, where one is.
    fn follows(&self) -> Option<&Arc<dyn Live>> {
        self.living.as_ref().filter(|living| living.follows).map(|living| &living.live)
    }

    /// Goes on in the file that was followed, or in the one that it has become.
    fn resumed_in(mut self, path: PathBuf, place: &Place) -> Result<Self> {
        let Some(live) = self.follows() else { return Ok(self) };
        let (trail, file, byte) = follow::find(&path, place, live)?;
        let input = Input::File(path);
        let text = resume::in_no_line(Box::new(file), byte, &input)?;
        self.current = Some(self.growing(text, &input, place.offset));
        self.followed = Some(trail);
        Ok(self)
    }

    /// The next input, or the next file that has the path of the one that is followed.
    fn open_next(&mut self) -> Result<Option<Current>> {
        let live = self.follows().cloned();
        if let (Some(trail), Some(live)) = (&mut self.followed, &live) {
            let (file, input) = (trail.next(live)?, Input::File(trail.path().to_owned()));
            return Ok(Some(self.growing(Box::new(file), &input, 0)));
        }
        let Some(input) = self.inputs.next() else { return Ok(None) };
        let current = match (&input, &live) {
            (Input::File(path), Some(live)) if self.inputs.len() == 0 => {
                let mut trail = Trail::new(path.clone());
                let file = trail.next(live)?;
                self.followed = Some(trail);
                self.growing(Box::new(file), &input, 0)
            }
            _ => Current::open(&input, self.reading, self.living.as_ref())?,
        };
        self.opened += 1;
        Ok(Some(current))
    }

    /// A text that is followed, or was until it was rotated away. All but the first of a run may lack the header line.
    fn growing(&self, text: Box<dyn Read + Send>, input: &Input, offset: u64) -> Current {
        let Reading { format, eager, fingerprints, chunk } = self.reading;
        let fingerprint = if fingerprints { Fingerprint::Trail(Vec::new()) } else { Fingerprint::Off };
        let mut chunker = Chunker::new(text, input.name(), format, eager).behind(offset, fingerprint);
        chunker.set_size(chunk);
        Current::Text(chunker).waited_for(self.living.as_ref(), self.sequence > 0 || self.used.is_some())
    }

    /// Compares the columns of an input that has just been opened with the first one's.
    fn agree(&mut self) -> Result<()> {
        let Some(Current::Columnar(chunks)) = &mut self.current else { return Ok(()) };
        chunks.check_like(self.columns.get_or_insert_with(|| chunks.schema()))?;
        self.used.as_ref().map_or(Ok(()), |schema| chunks.keep(schema))
    }
}

impl Current {
    /// An input from its start.
    fn open(input: &Input, reading: Reading, living: Option<&Living>) -> Result<Self> {
        match input {
            &Input::Synthetic { generator, rows, seed } => {
                Ok(Self::Synthetic(Box::new(SyntheticChunks::new(generator, rows, seed, reading.fingerprints))))
            }
            _ if reading.format.is_columnar() => {
                let chunks = ColumnChunks::open(input, reading.format, reading.fingerprints)?;
                Ok(Self::Columnar(Box::new(chunks)))
            }
            _ => {
                let from_others = living.map_or(Ok(None), |living| living.live.text(input))?;
                let text = from_others.map_or_else(|| open_text(input), |text| Ok(Text::Stream(text)))?;
                let is_socket = matches!(input, Input::Socket(_));
                let fingerprint = match &text {
                    _ if !reading.fingerprints || is_socket => Fingerprint::Off,
                    Text::File(_) => Fingerprint::Tail,
                    Text::Stream(_) => Fingerprint::whole(),
                };
                Ok(Self::text(text, input, reading, 0, fingerprint).waited_for(living, is_socket))
            }
        }
    }

    /// A text whose first `offset` bytes have been read.
    fn text(text: Text, input: &Input, reading: Reading, offset: u64, fingerprint: Fingerprint) -> Self {
        let eager = if matches!(input, Input::Stdin | Input::Socket(_)) { reading.eager } else { Eager::Never };
        let mut chunker = Chunker::new(text.reader(), input.name(), reading.format, eager).behind(offset, fingerprint);
        chunker.set_size(reading.chunk);
        Self::Text(chunker)
    }

    /// The same with what it is waited for with, where it keeps coming.
    fn waited_for(self, living: Option<&Living>, may_lack_header: bool) -> Self {
        match self {
            Self::Text(chunker) => {
                let live = living.map(|living| living.live.clone());
                Self::Text(chunker.live(live).may_lack_header(may_lack_header))
            }
            other => other,
        }
    }

    /// Fills the next chunk; `false` at the end.
    fn fill(&mut self, chunk: &mut Chunk, size: usize) -> Result<bool> {
        match self {
            Self::Text(chunker) => chunker.fill(chunk),
            Self::Columnar(chunks) => chunks.fill(chunk),
            Self::Synthetic(chunks) => Ok(chunks.fill(chunk, size)),
        }
    }
}

/// The text of a file or of standard input.
fn open_text(input: &Input) -> Result<Text> {
    match input {
        Input::File(path) => open::file(path),
        Input::Merged(both) => Ok(Text::Stream(Box::new(Merged::open(both)?))),
        Input::Socket(_) => Err(Error::usage(format!(
            "nothing has been sent to {} yet that could be looked at: name a file with such lines instead of --listen",
            input.name()
        ))),
        _ => open::stdin(),
    }
}
