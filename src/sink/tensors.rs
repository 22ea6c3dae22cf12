//! The layout that model files and checkpoints share: takes named arrays and words about them, gives a safetensors file
//! whose bytes depend on nothing else, and the words back.
//!
//! The `safetensors` crate reads it; it is written here, since the crate keeps the metadata in a hash map, by which the
//! same model would give other bytes every time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hasher as _;
use std::io::{self, Write};

use safetensors::SafeTensors;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use twox_hash::xxhash3_64::Hasher;

use crate::snapshot::Kind;

// Arrays are written as they lie in memory, and safetensors is little-endian.
const _: () = assert!(cfg!(target_endian = "little"));

/// An array to be written. Put those of wider elements first: each then lies at a multiple of its own size.
pub struct Tensor<'a> {
    /// Its name in the file.
    pub name: String,
    /// The type of its elements.
    pub kind: Kind,
    /// Its dimensions; their product is the number of its elements.
    pub shape: Vec<usize>,
    /// Its elements.
    pub bytes: Cow<'a, [u8]>,
}

/// Writes a file of `tensors`; the words of `metadata` keep their order.
///
/// # Errors
/// What writing fails with.
pub fn write(to: &mut dyn Write, metadata: &[(&str, String)], tensors: &[Tensor<'_>]) -> io::Result<()> {
    let header = header(metadata, tensors)?;
    to.write_all(&(header.len() as u64).to_le_bytes())?;
    to.write_all(&header)?;
    tensors.iter().try_for_each(|tensor| to.write_all(&tensor.bytes))
}

/// Name of the array that [`write_sealed`] puts behind all others.
const SEAL: &str = "checksum";

/// The same, with a checksum of every byte before it as the last array (XXH3, 64 bits, little-endian).
///
/// # Errors
/// What writing fails with.
pub fn write_sealed(to: &mut dyn Write, metadata: &[(&str, String)], mut tensors: Vec<Tensor<'_>>) -> io::Result<()> {
    let seal = |bytes: Vec<u8>| Tensor { name: SEAL.into(), kind: Kind::U8, shape: vec![8], bytes: bytes.into() };
    tensors.push(seal(vec![0; 8]));
    let header = header(metadata, &tensors)?;
    tensors.pop();
    let mut hasher = Hasher::new();
    let mut write = |bytes: &[u8]| {
        hasher.write(bytes);
        to.write_all(bytes)
    };
    write(&(header.len() as u64).to_le_bytes())?;
    write(&header)?;
    tensors.iter().try_for_each(|tensor| write(&tensor.bytes))?;
    to.write_all(&hasher.finish().to_le_bytes())
}

/// Whether the checksum of a sealed file is that of its bytes.
pub fn is_intact(bytes: &[u8]) -> bool {
    bytes.split_last_chunk().is_some_and(|(before, seal)| Hasher::oneshot(before).to_le_bytes() == *seal)
}

fn header(metadata: &[(&str, String)], tensors: &[Tensor<'_>]) -> io::Result<Vec<u8>> {
    let words: Map<_, _> = metadata.iter().map(|(name, text)| ((*name).to_owned(), text.as_str().into())).collect();
    let mut entries = Map::new();
    entries.insert("__metadata__".to_owned(), Value::Object(words));
    let mut start = 0;
    for tensor in tensors {
        let end = start + tensor.bytes.len();
        let entry = json!({ "dtype": dtype(tensor.kind), "shape": tensor.shape, "data_offsets": [start, end] });
        entries.insert(tensor.name.clone(), entry);
        start = end;
    }
    let mut text = serde_json::to_vec(&entries)?;
    text.resize(text.len().next_multiple_of(8), b' '); // the arrays then begin at a multiple of 8
    Ok(text)
}

/// The name of a kind in the file.
pub fn dtype(kind: Kind) -> &'static str {
    match kind {
        Kind::U8 => "U8",
        Kind::U32 => "U32",
        Kind::U64 => "U64",
        Kind::F32 => "F32",
        Kind::F64 => "F64",
    }
}

/// What was read, or the reason why it cannot be used.
pub type Read<T> = Result<T, String>;

/// What a file is that cannot be taken apart.
pub fn not_whole(cause: safetensors::SafeTensorError) -> String {
    format!("it is not a safetensors file, or it was cut short ({cause})")
}

/// The word by which one of our files says what it is.
///
/// # Errors
/// Why it is none of ours.
pub fn format_of(bytes: &[u8]) -> Read<String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_whole)?;
    let format = header.metadata().as_ref().and_then(|words| words.get("format"));
    format.cloned().ok_or_else(|| NOT_OURS.into())
}

/// What is said of a file of another program.
const NOT_OURS: &str = "it is a safetensors file, but not one of tidemill";

/// The words of a file that is ours and of a version we know.
#[derive(Debug)]
pub struct Metadata(HashMap<String, String>);

impl Metadata {
    /// The words in `bytes`, a file that must call itself `format` and have the layout `version`.
    pub fn of(bytes: &[u8], format: &str, version: &str) -> Read<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_whole)?;
        let metadata = Self(header.metadata().clone().unwrap_or_default());
        match metadata.0.get("format") {
            Some(found) if found == format => metadata.of_version(version),
            Some(found) => Err(format!("it is a {found}, not a {format}")),
            None => Err(NOT_OURS.into()),
        }
    }

    fn of_version(self, version: &str) -> Read<Self> {
        let found = self.text("version")?;
        if found == version {
            return Ok(self);
        }
        Err(format!(
            "its layout has version {found} and this program ({}) reads version {version}; it was written by tidemill {}",
            env!("CARGO_PKG_VERSION"),
            self.text("tidemill").unwrap_or("of an unknown version")
        ))
    }

    /// A word.
    pub fn text(&self, name: &str) -> Read<&str> {
        self.0.get(name).map(String::as_str).ok_or_else(|| format!("its metadata lacks `{name}`"))
    }

    /// A word that is JSON, and that files may lack.
    pub fn json_if_there<T: DeserializeOwned>(&self, name: &str) -> Read<Option<T>> {
        if self.0.contains_key(name) { self.json(name).map(Some) } else { Ok(None) }
    }

    /// A word that is JSON.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Read<T> {
        serde_json::from_str(self.text(name)?).map_err(|cause| format!("its metadata `{name}` is broken ({cause})"))
    }
}
