//! A run of the program as a child process: takes its arguments, watches it, kills it, gives how it ended.
//!
//! No child outlives its [`Child`]. A run that is to be killed hard cannot be a thread of this process.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use super::schedule::Moment;
use crate::checkpoint::store::newest_records;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::Stop;

/// A running child.
pub(super) struct Child(std::process::Child);

/// How a child ended by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It did what it was asked for.
    Well,
    /// It failed, saying this.
    Failed(String),
}

/// What became of a child that was to be killed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Killed {
    /// It was running; its newest checkpoint counts so many records.
    Behind(Option<u64>),
    /// It had ended before.
    Not(Ended),
}

/// How to wait for a child.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait<'a> {
    /// From one look to the next.
    pub look: Duration,
    /// Whether the user still wants to wait.
    pub stop: &'a Stop,
}

impl Child {
    /// Starts the program.
    pub fn start(program: &Path, arguments: &[OsString]) -> Result<Self> {
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map(Self)
            .map_err(|cause| Error::input(format!("cannot start {}", program.display())).because(cause))
    }

    /// Waits for its end.
    pub fn end(mut self, wait: Wait<'_>) -> Result<Ended> {
        loop {
            if let Some(ended) = self.look(wait)? {
                return Ok(ended);
            }
            pause(wait.look);
        }
    }

    /// Kills it when its checkpoints in `folder` have come to `moment`.
    pub fn kill_at(mut self, moment: Moment, folder: &Path, wait: Wait<'_>) -> Result<Killed> {
        let is_reached = || match moment.behind {
            0 => folder.exists(), // made before the first record is read
            behind => newest_records(folder).is_some_and(|records| records >= behind),
        };
        while !is_reached() {
            if let Some(ended) = self.look(wait)? {
                return Ok(Killed::Not(ended));
            }
            pause(wait.look);
        }
        pause(moment.delay);
        if let Some(ended) = self.look(wait)? {
            return Ok(Killed::Not(ended));
        }
        self.0.kill().map_err(lost)?;
        let status = self.0.wait().map_err(lost)?;
        Ok(match was_killed(status) {
            true => Killed::Behind(newest_records(folder)),
            false => Killed::Not(self.ended(status)),
        })
    }

    /// Whether it has ended; an error where the user asks for the end.
    fn look(&mut self, wait: Wait<'_>) -> Result<Option<Ended>> {
        let status = self.0.try_wait().map_err(lost)?;
        // Behind it: a signal from the keyboard reaches the child as well, which then ends as if all were well.
        if wait.stop.is_requested() {
            return Err(Error::new(ErrorKind::NotVerified, "stopped by request: nothing has been verified"));
        }
        Ok(status.map(|status| self.ended(status)))
    }

    fn ended(&mut self, status: ExitStatus) -> Ended {
        if status.success() {
            return Ended::Well;
        }
        let mut said = String::new();
        // Quiet runs say no more than their error, which fits into a pipe. One that says nothing is told by its status.
        let _ = self.0.stderr.as_mut().map(|stderr| stderr.read_to_string(&mut said));
        let said = said.trim().trim_start_matches("tidemill: ");
        Ended::Failed(if said.is_empty() { status.to_string() } else { said.to_owned() })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a process ended because it was killed, not by itself just before.
fn was_killed(status: ExitStatus) -> bool {
    // Unix gives no code to what a signal has ended; elsewhere it is killed with the code 1, with which no run ends that
    // had ended well uninterrupted.
    status.code().is_none_or(|code| cfg!(not(unix)) && code == 1)
}

#[expect(clippy::disallowed_methods, reason = "another process has no channel: its files are looked at now and then")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn lost(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, "a run of the program can be neither watched nor killed").because(cause)
}
