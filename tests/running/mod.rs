//! The program under way: fed through a pipe, watched, ended by a signal or by the end of its input.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::program::Folder;

/// Longer than anything here takes, on any machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A run under way.
pub struct Running {
    pub child: Child,
    stdin: Option<ChildStdin>,
    pub out: Arc<Mutex<Vec<String>>>,
    pub err: Arc<Mutex<Vec<String>>>,
}

pub fn start(folder: &Folder, line: &str) -> Running {
    let mut command = folder.command(line);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, err) = (lines_of(child.stdout.take().unwrap()), lines_of(child.stderr.take().unwrap()));
    Running { stdin: child.stdin.take(), child, out, err }
}

/// The lines of a pipe as they come.
#[expect(clippy::disallowed_methods, reason = "a test is no stage")]
fn lines_of(pipe: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let all = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            all.lock().unwrap().push(line);
        }
    });
    lines
}

/// Waits until something is so.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a test is no stage")]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what} never comes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Running {
    pub fn send(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    #[track_caller]
    pub fn has_printed(&self, lines: usize) {
        until(&format!("line {lines} of {:?}", self.out.lock().unwrap().len()), || self.printed() >= lines);
        assert_eq!(self.printed(), lines);
    }

    pub fn printed(&self) -> usize {
        self.out.lock().unwrap().len()
    }

    /// What the run has said of where it listens.
    #[track_caller]
    pub fn address(&self) -> String {
        self.said("listening on tcp:", ',')
    }

    /// What stands in a line that the run has said, behind its beginning and before `end`.
    #[track_caller]
    pub fn said(&self, beginning: &str, end: char) -> String {
        let mut found = None;
        until(beginning, || {
            let err = self.err.lock().unwrap();
            let mut rests = err.iter().filter_map(|line| line.strip_prefix(beginning));
            found = rests.find_map(|rest| rest.split_once(end)).map(|(said, _)| said.to_owned());
            found.is_some()
        });
        found.unwrap()
    }

    /// Asks for the end by a signal, and waits for it.
    #[track_caller]
    pub fn stop(mut self) -> String {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        until("the end", || self.child.try_wait().unwrap().is_some());
        let said = self.err.lock().unwrap().join("\n");
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    /// Closes its input, and waits for the end.
    #[track_caller]
    pub fn end(mut self) -> Vec<String> {
        drop(self.stdin.take());
        until("the end", || self.child.try_wait().unwrap().is_some());
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{:?}", self.err.lock().unwrap());
        std::mem::take(&mut self.out.lock().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
