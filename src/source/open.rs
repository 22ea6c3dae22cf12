//! Opens files and standard input, and puts the decompressor in front that their first bytes ask for.
//!
//! It never reads further than it takes to tell.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, Result};

/// First bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// First bytes of a zstd file.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A text that can be read from its start, or from any place.
pub enum Text {
    /// From its start: decompressed, or from a pipe.
    Stream(Box<dyn Read + Send>),
    /// From any place: a plain file, read up to nowhere in particular.
    File(File),
}

impl Text {
    /// The text from where it stands.
    pub fn reader(self) -> Box<dyn Read + Send> {
        match self {
            Self::Stream(text) => text,
            Self::File(file) => Box::new(file),
        }
    }
}

/// A file as text, decompressed where it is gzip or zstd.
///
/// # Errors
/// A file that is not there, may not be read, or is named `.gz` or `.zst` without being so.
pub fn file(path: &Path) -> Result<Text> {
    let name = path.display();
    let file = File::open(path)
        .map_err(|cause| Error::input(format!("cannot open {name}{}", advice(&cause))).because(cause))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::input(format!("{name} is a folder: name the files in it, for example {name}/*.csv")));
    }
    let expected = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Some("gzip"),
        Some("zst") => Some("zstd"),
        _ => None,
    };
    if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return plain_or_not(file, &name.to_string(), expected);
    }
    decompress(file, &name.to_string(), expected).map(Text::Stream)
}

/// Whether there is a plain text file of this name, which can be read on as it grows.
pub fn is_plain_file(path: &Path) -> bool {
    path.is_file() && matches!(file(path), Ok(Text::File(_)))
}

/// Standard input as text, decompressed where it is gzip or zstd.
///
/// # Errors
/// Standard input that cannot be read.
pub fn stdin() -> Result<Text> {
    decompress(io::stdin(), "standard input", None).map(Text::Stream)
}

/// A regular file: plain text can be read from any place.
fn plain_or_not(mut file: File, name: &str, expected: Option<&str>) -> Result<Text> {
    let failed = |cause| Error::input(format!("cannot read {name}")).because(cause);
    let mut head = [0; 4];
    let len = read_up_to(&mut file, &mut head).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let is_plain = !head[..len].starts_with(&GZIP) && !head[..len].starts_with(&ZSTD);
    match expected {
        None if is_plain => Ok(Text::File(file)),
        _ => decompress(file, name, expected).map(Text::Stream),
    }
}

fn decompress(
    mut input: impl Read + Send + 'static,
    name: &str,
    expected: Option<&str>,
) -> Result<Box<dyn Read + Send>> {
    let failed = |cause| Error::input(format!("cannot read {name}")).because(cause);
    let mut head = [0; 4];
    let len = read_up_to(&mut input, &mut head).map_err(failed)?;
    let is_zstd = len == 4 && head == ZSTD;
    let is_gzip = len >= 2 && head[..2] == GZIP;
    let whole = io::Cursor::new(head).take(len as u64).chain(input);
    match expected {
        _ if is_gzip => Ok(Box::new(flate2::read::MultiGzDecoder::new(whole))),
        _ if is_zstd => Ok(Box::new(zstd::stream::read::Decoder::new(whole).map_err(failed)?)),
        Some(kind) if len > 0 => {
            Err(Error::input(format!("{name} is not {kind}, though its name says so: rename it if it is plain text")))
        }
        _ => Ok(Box::new(whole)),
    }
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match input.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::NotFound => ": there is no such file; check the name",
        io::ErrorKind::PermissionDenied => ": no permission to read it; change that with chmod, or ask its owner",
        _ => "",
    }
}
