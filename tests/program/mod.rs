//! The program as a user runs it, in a folder of its own, and streams to feed it.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tidemill::source::synthetic::{Generator, Synthetic};

/// A folder that goes away with the test; the program runs in it.
pub struct Folder(TempDir);

/// What a run left behind.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes a file; gives its name, ready for a command line.
    pub fn file<'a>(&self, name: &'a str, content: impl AsRef<[u8]>) -> &'a str {
        std::fs::write(self.path(name), content).unwrap();
        name
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&self.bytes(name)).unwrap()
    }

    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The program, not started yet; words of `line` are its arguments.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end. Whatever the input, it never panics.
    pub fn run(&self, line: &str) -> Ended {
        ended(self.command(line))
    }

    /// The same, with text on standard input.
    pub fn run_with(&self, line: &str, input: &[u8]) -> Ended {
        let mut command = self.command(line);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // In a thread of its own: the program may write before it has read everything.
        #[expect(clippy::disallowed_methods, reason = "a test is no stage")]
        let feeding = std::thread::spawn(move || {
            let _ = stdin.write_all(&input); // the program may have given up before
        });
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        of(output)
    }
}

/// Runs a prepared command to its end.
pub fn ended(mut command: Command) -> Ended {
    of(command.output().unwrap())
}

/// What a process left behind. Whatever the input, it never panics.
pub fn of(output: std::process::Output) -> Ended {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    Ended { code: output.status.code(), stdout: output.stdout, stderr }
}

impl Ended {
    /// It did what it was asked for.
    #[track_caller]
    pub fn fine(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// It could not run, left standard output clean, and said all of `words`, on few lines.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> Self {
        self.ended_with(2, words)
    }

    /// It rejected too many records, left standard output clean, and said all of `words`.
    #[track_caller]
    pub fn rejected_too_many(self, words: &[&str]) -> Self {
        self.ended_with(1, words)
    }

    #[track_caller]
    fn ended_with(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert!(self.stdout.is_empty(), "{}", String::from_utf8_lossy(&self.stdout));
        let said = self.stderr.find("tidemill: ").map_or("", |at| &self.stderr[at..]);
        for word in words {
            assert!(said.contains(word), "{word:?} is missing in: {said}");
        }
        self
    }

    pub fn out(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

/// A generated stream as CSV with its header.
pub fn stream(generator: Generator, rows: u64) -> String {
    let mut stream = Synthetic::new(generator, rows, 3);
    let mut text = stream.header().as_bytes().to_vec();
    while !stream.is_done() {
        stream.fill(&mut text, 1 << 20);
    }
    String::from_utf8(text).unwrap()
}

/// The lines behind the header, changed one by one; `each` gets the place from 0 and the fields.
pub fn map_records(text: &str, mut each: impl FnMut(usize, Vec<&str>) -> String) -> String {
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    let records = lines.enumerate().map(|(at, line)| each(at, line.split(',').collect()) + "\n");
    std::iter::once(format!("{header}\n")).chain(records).collect()
}

/// The values of one column of CSV text without quotes.
pub fn column(text: &str, name: &str) -> Vec<String> {
    let mut lines = text.lines();
    let at = lines.next().unwrap().split(',').position(|known| known == name);
    let at = at.unwrap_or_else(|| panic!("no column {name}"));
    lines.map(|line| line.split(',').nth(at).unwrap().to_owned()).collect()
}

/// The same as numbers.
pub fn numbers(text: &str, name: &str) -> Vec<f64> {
    column(text, name).iter().map(|value| value.parse().unwrap()).collect()
}

/// Whether this process may read and write everything, so that permissions cannot be tested.
pub fn is_root(folder: &Folder) -> bool {
    use std::os::unix::fs::PermissionsExt;
    folder.file("secret", "x");
    let path = folder.path("secret");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    std::fs::read(Path::new(&path)).is_ok()
}

/// A folder with a thousand clicks, numbered, and a model of them.
pub fn with_model() -> Folder {
    let folder = Folder::new();
    let text = map_records(&stream(Generator::Clicks, 1000), |at, fields| format!("{},\"n {at}\"", fields.join(",")));
    folder.file("clicks.csv", text.replacen("click\n", "click,number\n", 1));
    folder.run(&format!("train clicks.csv {ROLES} --model model --predictions p.csv --summary s.json")).fine();
    folder
}

/// What its columns are for, and a device that every machine has.
pub const ROLES: &str = "--label click --id number --device cpu --hash-bits 12";
