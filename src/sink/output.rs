//! Where bytes leave: takes a path and bytes, gives a file, a compressed file or standard output.
//!
//! Every failure is an error that names the output, also one that shows only when the last bytes are flushed.
//! It never knows what the bytes mean.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The name that stands for standard output.
pub const STANDARD_OUTPUT: &str = "-";

/// Something to write to, with the name its errors carry. Unbuffered: hand it large pieces.
pub struct Output {
    name: String,
    to: To,
}

/// How far an output has been written, as a checkpoint keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// So many bytes of a file, which can be cut back to them.
    Bytes(u64),
    /// A pipe, a device or standard output: what is written is gone, and may come again after a crash.
    Stream,
}

/// An output as it stands at a checkpoint.
#[derive(Debug)]
pub struct Mark {
    /// How far it has been written.
    pub written: Written,
    /// What must reach the disk before the checkpoint does.
    pub unsynced: Option<Unsynced>,
}

/// A file whose bytes may still be on their way to the disk.
#[derive(Debug)]
pub struct Unsynced {
    name: String,
    file: File,
}

impl Unsynced {
    /// Waits until they are there.
    ///
    /// # Errors
    /// A disk that does not take them.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|cause| Error::output(&self.name, cause))
    }
}

enum To {
    Stream(Box<dyn Write + Send>),
    File(File),
    /// A compressed file that stands before, between or behind its members.
    Packed(File, Packing),
    Gzip(GzEncoder<File>),
    Zstd(zstd::Encoder<'static, File>),
}

#[derive(Debug, Clone, Copy)]
enum Packing {
    Gzip,
    Zstd,
}

impl Output {
    /// Opens a path: `-` is standard output, a name in `.gz` or `.zst` is compressed. What a file held is lost.
    ///
    /// ```
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("out.csv");
    /// let mut output = tidemill::sink::output::Output::create(&path)?;
    /// output.write(b"record\n")?;
    /// output.finish()?;
    /// assert_eq!(std::fs::read(&path)?, b"record\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(path: &Path) -> Result<Self> {
        if path == Path::new(STANDARD_OUTPUT) {
            return Ok(Self::new("standard output", Box::new(io::stdout())));
        }
        let name = path.display().to_string();
        let file = File::create(path).map_err(|cause| Error::output(&name, cause))?;
        let to = if is_regular(&file) { To::of_file(file, path) } else { To::of_special(file, path) };
        Ok(Self { name, to })
    }

    /// Goes on with an output that a stopped run left behind: a file is cut back to what the checkpoint counts.
    ///
    /// # Errors
    /// A file shorter than that is not the run's; neither is a pipe where there was a file, or the other way round.
    pub fn resume(path: &Path, written: Written) -> Result<Self> {
        let name = path.display().to_string();
        let is_file = path != Path::new(STANDARD_OUTPUT) && fs::metadata(path).is_ok_and(|found| found.is_file());
        match written {
            Written::Stream if !is_file => Self::create(path),
            Written::Bytes(length) if is_file || path != Path::new(STANDARD_OUTPUT) => {
                let file = cut_back(path, length).map_err(|cause| Error::output(&name, cause))?;
                Ok(Self { name, to: To::of_file(file, path) })
            }
            _ => Err(Error::usage(format!(
                "{name} cannot be gone on with: the checkpoint counts {} there; name the same kind of output again",
                if is_file { "a pipe or standard output" } else { "a file" }
            ))),
        }
    }

    /// Anything else that can be written to, under a name for its errors.
    pub fn new(name: &str, to: Box<dyn Write + Send>) -> Self {
        Self { name: name.to_owned(), to: To::Stream(to) }
    }

    /// Writes all of `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.open_member().and_then(|()| self.to.writer().write_all(bytes)).map_err(|cause| self.failed(cause))
    }

    /// Hands what was taken to the operating system, so that a reader sees it.
    pub fn flush(&mut self) -> Result<()> {
        self.to.writer().flush().map_err(|cause| self.failed(cause))
    }

    /// Hands everything over, a compressed file's member closed, and says how far the output has come.
    pub fn mark(&mut self) -> Result<Mark> {
        let (written, file) = self.close_member().and_then(|()| self.to.mark()).map_err(|cause| self.failed(cause))?;
        Ok(Mark { written, unsynced: file.map(|file| Unsynced { name: self.name.clone(), file }) })
    }

    /// Writes the end of a compressed file and flushes; an output that is not finished is not whole.
    pub fn finish(mut self) -> Result<()> {
        self.end().map_err(|cause| self.failed(cause))
    }

    fn end(&mut self) -> io::Result<()> {
        self.close_member()?;
        // A compressed file has at least one member, if an empty one.
        if let To::Packed(file, _) = &mut self.to
            && file.stream_position()? == 0
        {
            self.open_member()?;
            self.close_member()?;
        }
        self.to.writer().flush()
    }

    /// Starts a member of a compressed file where none is open.
    fn open_member(&mut self) -> io::Result<()> {
        if !matches!(self.to, To::Packed(..)) {
            return Ok(());
        }
        self.to = match std::mem::replace(&mut self.to, To::closed()) {
            To::Packed(file, Packing::Gzip) => To::Gzip(GzEncoder::new(file, flate2::Compression::fast())),
            To::Packed(file, Packing::Zstd) => To::Zstd(zstd::Encoder::new(file, 0)?),
            other => other,
        };
        Ok(())
    }

    /// Ends the member of a compressed file, so that what was written can be read; several in a row are one text.
    fn close_member(&mut self) -> io::Result<()> {
        self.to = match std::mem::replace(&mut self.to, To::closed()) {
            To::Gzip(member) => To::Packed(member.finish()?, Packing::Gzip),
            To::Zstd(member) => To::Packed(member.finish()?, Packing::Zstd),
            other => other,
        };
        Ok(())
    }

    fn failed(&self, cause: io::Error) -> Error {
        Error::output(&self.name, cause)
    }
}

impl To {
    fn of_file(file: File, path: &Path) -> Self {
        match ending(path).as_str() {
            "gz" => Self::Packed(file, Packing::Gzip),
            "zst" => Self::Packed(file, Packing::Zstd),
            _ => Self::File(file),
        }
    }

    /// A pipe or a device: nothing in it can be found again.
    fn of_special(file: File, path: &Path) -> Self {
        match Self::of_file(file, path) {
            Self::File(file) => Self::Stream(Box::new(file)),
            packed => packed,
        }
    }

    /// What stands for an output while it changes hands.
    fn closed() -> Self {
        Self::Stream(Box::new(io::sink()))
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Stream(to) => to,
            Self::File(to) | Self::Packed(to, _) => to,
            Self::Gzip(to) => to,
            Self::Zstd(to) => to,
        }
    }

    fn mark(&mut self) -> io::Result<(Written, Option<File>)> {
        self.writer().flush()?;
        match self {
            Self::File(file) | Self::Packed(file, _) if is_regular(file) => {
                Ok((Written::Bytes(file.stream_position()?), Some(file.try_clone()?)))
            }
            _ => Ok((Written::Stream, None)),
        }
    }
}

fn is_regular(file: &File) -> bool {
    file.metadata().is_ok_and(|found| found.is_file())
}

/// Replaces a file by what `fill` writes, whole or not at all: a temporary name beside it, then a rename.
///
/// Links are followed. What is not a plain file (a pipe, `/dev/stdout`) is written to as it is; `-` is standard output.
pub fn replace(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let name = path.display().to_string();
    let replaced = match target(path) {
        Target::Stream => fill_stream(&mut io::stdout().lock(), fill),
        Target::Special => File::create(path).and_then(|mut file| fill_stream(&mut file, fill)),
        Target::Plain(path) => replace_file(&path, fill),
    };
    replaced.map_err(|cause| Error::output(&name, cause))
}

enum Target {
    Stream,
    Special,
    Plain(PathBuf),
}

fn target(path: &Path) -> Target {
    if path == Path::new(STANDARD_OUTPUT) {
        return Target::Stream;
    }
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Target::Special,
        _ => Target::Plain(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())),
    }
}

fn fill_stream(to: &mut dyn Write, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut buffered = BufWriter::new(to);
    fill(&mut buffered)?;
    buffered.flush()
}

fn replace_file(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let temporary = temporary_name(path);
    let filled = File::create(&temporary).and_then(|mut file| {
        fill_stream(&mut file, fill)?;
        file.sync_all() // else a power cut could leave the new name on missing bytes
    });
    let replaced = filled.and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&temporary); // the first failure is the one to report
    }
    replaced
}

/// In the same folder, since a rename cannot cross file systems; with the process number, since two runs may meet.
fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

fn cut_back(path: &Path, length: u64) -> io::Result<File> {
    let gone = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => {
            let message = format!("it is gone, and the checkpoint counts {length} bytes of it");
            io::Error::new(io::ErrorKind::InvalidData, message)
        }
        _ => cause,
    };
    let mut file = fs::OpenOptions::new().write(true).open(path).map_err(gone)?;
    let found = file.metadata()?.len();
    if found < length {
        let message = format!("it holds {found} bytes, fewer than the {length} that the checkpoint counts");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    file.set_len(length)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// The last ending of a name, in lower case and without its dot; empty where there is none.
pub(super) fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Output({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::io::Read;

    /// Fails every write or, where only the flush is to fail, that.
    struct Broken(io::ErrorKind, bool);

    impl Write for Broken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1 { Ok(bytes.len()) } else { Err(self.0.into()) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_closed_pipe_and_a_full_disk_are_told_apart() {
        for (cause, kind) in
            [(io::ErrorKind::BrokenPipe, ErrorKind::ClosedPipe), (io::ErrorKind::StorageFull, ErrorKind::Output)]
        {
            let mut output = Output::new("predictions", Box::new(Broken(cause, false)));
            assert_eq!(output.write(b"1").unwrap_err().kind(), kind);
        }
    }

    #[test]
    fn a_failure_that_shows_only_at_the_end_is_reported() {
        let mut output = Output::new("predictions", Box::new(Broken(io::ErrorKind::StorageFull, true)));
        output.write(b"1").unwrap();
        let error = output.finish().unwrap_err().to_string();
        assert!(error.starts_with("cannot write predictions: free some space"), "{error}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_named() {
        let mut output = Output::create(Path::new("/dev/full")).unwrap();
        let error = output.write(b"1\n").unwrap_err().to_string();
        assert!(error.contains("/dev/full") && error.contains("free some space"), "{error}");
    }

    #[test]
    fn a_compressed_output_can_be_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for ending in ["gz", "zst"] {
            let path = folder.path().join(format!("rows.csv.{ending}"));
            let mut output = Output::create(&path).unwrap();
            output.write(b"record\n1\n").unwrap();
            output.finish().unwrap();
            let (file, mut text) = (File::open(&path).unwrap(), String::new());
            match ending {
                "gz" => flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap(),
                _ => zstd::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap(),
            };
            assert_eq!(text, "record\n1\n");
        }
    }

    #[test]
    fn a_resumed_file_goes_on_behind_its_recorded_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        fs::write(&path, b"record\n1\n2\nhalf a ro").unwrap();
        let mut output = Output::resume(&path, Written::Bytes(9)).unwrap();
        output.write(b"2\n").unwrap();
        assert_eq!(output.mark().unwrap().written, Written::Bytes(11));
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"record\n1\n2\n");
        assert!(Output::resume(&path, Written::Bytes(12)).unwrap_err().to_string().contains("11 bytes"));
    }

    #[test]
    fn a_compressed_file_goes_on_behind_its_last_mark() {
        let folder = tempfile::tempdir().unwrap();
        for ending in ["gz", "zst"] {
            let path = folder.path().join(format!("rows.csv.{ending}"));
            let mut output = Output::create(&path).unwrap();
            output.write(b"record\n1\n").unwrap();
            let mark = output.mark().unwrap();
            output.write(b"lost in the cra").unwrap();
            drop(output);
            let mut output = Output::resume(&path, mark.written).unwrap();
            output.write(b"2\n").unwrap();
            output.finish().unwrap();
            let mut text = String::new();
            let file = File::open(&path).unwrap();
            match ending {
                "gz" => flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap(),
                _ => zstd::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap(),
            };
            assert_eq!(text, "record\n1\n2\n");
        }
    }

    #[test]
    fn a_compressed_file_that_nothing_was_written_to_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.gz");
        Output::create(&path).unwrap().finish().unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "");
    }

    #[test]
    fn a_stream_goes_on_as_a_stream_and_a_file_as_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.csv");
        fs::write(&file, b"record\n").unwrap();
        let kind = |path: &Path, written| Output::resume(path, written).map(drop).map_err(|error| error.kind());
        assert_eq!(kind(Path::new("-"), Written::Stream), Ok(()));
        assert_eq!(kind(Path::new("-"), Written::Bytes(0)), Err(ErrorKind::Usage));
        assert_eq!(kind(&file, Written::Stream), Err(ErrorKind::Usage));
        assert_eq!(kind(&folder.path().join("gone.csv"), Written::Bytes(7)), Err(ErrorKind::Output));
    }

    #[test]
    fn a_replacement_that_fails_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        fs::write(&path, b"old").unwrap();
        let half = |to: &mut dyn Write| to.write_all(b"ne").and(Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(replace(&path, half).unwrap_err().kind(), ErrorKind::Output);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        replace(&path, |to| to.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn a_device_is_written_to_and_never_replaced() {
        replace(Path::new("/dev/null"), |to| to.write_all(b"gone")).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
