//! Where bytes leave: takes a path and bytes, gives a file, a compressed file or standard output.
//!
//! Every failure is an error that names the output, also one that shows only when the last bytes are flushed.
//! It never knows what the bytes mean.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use flate2::write::GzEncoder;

/// The name that stands for standard output.
pub const STANDARD_OUTPUT: &str = "-";

/// Something to write to, with the name its errors carry. Unbuffered: hand it large pieces.
pub struct Output {
    name: String,
    to: Encoder,
    bytes: u64,
}

enum Encoder {
    Plain(Box<dyn Write + Send>),
    Gzip(GzEncoder<File>),
    Zstd(zstd::Encoder<'static, File>),
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
        let to = match ending(path).as_str() {
            "gz" => Encoder::Gzip(GzEncoder::new(file, flate2::Compression::fast())),
            "zst" => Encoder::Zstd(zstd::Encoder::new(file, 0).map_err(|cause| Error::output(&name, cause))?),
            _ => Encoder::Plain(Box::new(file)),
        };
        Ok(Self { name, to, bytes: 0 })
    }

    /// Opens a file that a stopped run left behind, cut back to its first `length` bytes, to go on behind them.
    ///
    /// # Errors
    /// A compressed file or standard output cannot be cut back; a file shorter than `length` is not the run's.
    pub fn resume(path: &Path, length: u64) -> Result<Self> {
        let name = path.display().to_string();
        if path == Path::new(STANDARD_OUTPUT) || matches!(ending(path).as_str(), "gz" | "zst") {
            return Err(Error::usage(format!("{name} cannot be continued: to resume, write to an uncompressed file")));
        }
        let file = cut_back(path, length).map_err(|cause| Error::output(&name, cause))?;
        Ok(Self { name, to: Encoder::Plain(Box::new(file)), bytes: length })
    }

    /// Anything else that can be written to, under a name for its errors.
    pub fn new(name: &str, to: Box<dyn Write + Send>) -> Self {
        Self { name: name.to_owned(), to: Encoder::Plain(to), bytes: 0 }
    }

    /// Writes all of `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        let written = match &mut self.to {
            Encoder::Plain(to) => to.write_all(bytes),
            Encoder::Gzip(to) => to.write_all(bytes),
            Encoder::Zstd(to) => to.write_all(bytes),
        };
        written.map_err(|cause| Error::output(&self.name, cause))
    }

    /// Bytes taken so far, before compression; after [`Output::flush`] the length of an uncompressed file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hands what was taken to the operating system, so that a reader sees it.
    pub fn flush(&mut self) -> Result<()> {
        let flushed = match &mut self.to {
            Encoder::Plain(to) => to.flush(),
            Encoder::Gzip(to) => to.flush(),
            Encoder::Zstd(to) => to.flush(),
        };
        flushed.map_err(|cause| Error::output(&self.name, cause))
    }

    /// Writes the end of a compressed file and flushes; an output that is not finished is not whole.
    pub fn finish(mut self) -> Result<()> {
        let ended = match &mut self.to {
            Encoder::Plain(to) => to.flush(),
            Encoder::Gzip(to) => to.try_finish().and_then(|()| to.get_mut().flush()),
            Encoder::Zstd(to) => to.do_finish().and_then(|()| to.get_mut().flush()),
        };
        ended.map_err(|cause| Error::output(&self.name, cause))
    }
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
    use std::io::{Seek, SeekFrom};
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
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
        write!(f, "Output({}, {} bytes)", self.name, self.bytes)
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
        let mut output = Output::resume(&path, 9).unwrap();
        output.write(b"2\n").unwrap();
        assert_eq!(output.bytes(), 11);
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"record\n1\n2\n");
        assert!(Output::resume(&path, 12).unwrap_err().to_string().contains("11 bytes"));
        assert_eq!(Output::resume(Path::new("-"), 0).unwrap_err().kind(), ErrorKind::Usage);
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
