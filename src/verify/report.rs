//! What is told of a verification: takes what was found, gives lines for people, and the verdict. It prints nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::report::number::count;

/// Something to tell while a verification goes on; shows as a line.
#[derive(Debug)]
pub enum Event {
    /// The uninterrupted run is through.
    Uninterrupted {
        /// Records, rejected ones among them.
        records: u64,
        /// Its time.
        elapsed: Duration,
        /// Its threads.
        threads: usize,
    },
    /// A kill and what followed.
    Kill(Kill),
}

/// A kill, and how its outputs compare in the end.
#[derive(Debug)]
pub struct Kill {
    /// Its number, from 1.
    pub number: u32,
    /// Kills in all.
    pub of: u32,
    /// Threads that the run started with.
    pub threads: usize,
    /// Records that the newest checkpoint counted; `None` where there was none.
    pub behind: Option<u64>,
    /// Threads of the runs that went on, and where the newest checkpoint stood if that one was killed as well.
    pub resumed: Vec<(usize, Option<u64>)>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a kill.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The resumed run's outputs are the uninterrupted one's.
    Identical,
    /// They are not.
    Differs {
        /// In what, file by file.
        files: Vec<String>,
        /// Where the run's files are kept.
        kept: PathBuf,
    },
    /// The run came to its end each time before it could be killed.
    Missed,
}

/// All kills in numbers; shows as a sentence.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Kills that were wanted.
    pub wanted: u32,
    /// Those that hit a running process.
    pub hit: u32,
    /// Those of them that left a checkpoint to go on from.
    pub behind_checkpoint: u32,
    /// Those of these whose checkpoint counted part of the stream only, so that records were learned behind it.
    pub midway: u32,
    /// Kills after which something differed.
    pub differing: u32,
}

impl Verdict {
    /// Takes a kill in; the stream has so many `records`.
    pub(super) fn add(&mut self, kill: &Kill, records: u64) {
        self.wanted += 1;
        self.hit += u32::from(!kill.resumed.is_empty());
        self.behind_checkpoint += u32::from(kill.went_on_behind().next().is_some());
        self.midway += u32::from(kill.went_on_behind().any(|place| place < records));
        self.differing += u32::from(matches!(kill.outcome, Outcome::Differs { .. }));
    }

    /// The verdict, if it is a good one; `folder` is where differing files are.
    ///
    /// # Errors
    /// Outputs that differ, and a run too short to show anything.
    pub(super) fn of_good(self, folder: &Path) -> Result<Self> {
        let refused = |message| Err(Error::new(ErrorKind::NotVerified, message));
        let Self { wanted, hit, behind_checkpoint, differing, .. } = self;
        let whole = folder.join("uninterrupted");
        match (differing, hit, behind_checkpoint) {
            (0, 0, _) => refused(format!(
                "resume is not verified: none of {wanted} kills hit a running process, the run is too short; use more \
                 records"
            )),
            (0, _, 0) => refused(format!(
                "resume is not verified: {hit} of {wanted} kills hit, but before the first checkpoint, so that no run \
                 went on from one; use more records"
            )),
            (0, ..) => Ok(self),
            _ => refused(format!(
                "after {differing} of {wanted} kills the resumed run differs from the uninterrupted one: compare \
                 {} with the folders of these kills beside it, and report it with the job",
                whole.display()
            )),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, hit, behind_checkpoint, midway, .. } = self;
        write!(
            f,
            "verified: {hit} of {wanted} kills hit a running process, {behind_checkpoint} of them behind a checkpoint, \
             and every resumed run ended as the uninterrupted one"
        )?;
        match midway {
            0 => write!(f, "; no checkpoint came before the last record: a longer stream would show more"),
            _ => Ok(()),
        }
    }
}

impl Kill {
    /// What the checkpoints counted that runs went on from: where this one was killed, and those that were killed again.
    fn went_on_behind(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.behind).chain(self.resumed.iter().map(|(_, killed)| *killed)).flatten()
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(kill) => kill.fmt(f),
            Self::Uninterrupted { records, elapsed, threads } => {
                let (records, threads) = (count(*records), in_threads(*threads));
                write!(f, "uninterrupted: {records} records in {:.2} s, {threads}", elapsed.as_secs_f64())
            }
        }
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kill {} of {}: ", self.number, self.of)?;
        if self.outcome == Outcome::Missed {
            return write!(f, "missed, the run came to its end each time before it could be killed");
        }
        write!(f, "{}", in_threads(self.threads))?;
        if !self.resumed.is_empty() {
            write!(f, ", killed {}", place(self.behind))?; // else it failed by itself
        }
        for (at, (threads, killed)) in self.resumed.iter().enumerate() {
            write!(f, "; resumed with {}", in_threads(*threads))?;
            if at + 1 < self.resumed.len() {
                write!(f, ", killed {}", place(*killed))?;
            }
        }
        match &self.outcome {
            Outcome::Differs { files, kept } => {
                write!(f, ": DIFFERS in {} (kept in {})", files.join("; in "), kept.display())
            }
            _ => write!(f, ": model, predictions, rejected records and summary identical"),
        }
    }
}

fn place(behind: Option<u64>) -> String {
    behind.map_or("before its first checkpoint".into(), |records| format!("behind record {}", count(records)))
}

fn in_threads(threads: usize) -> String {
    if threads == 1 { "1 thread".into() } else { format!("{threads} threads") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kill(behind: Option<u64>, resumed: Vec<(usize, Option<u64>)>, outcome: Outcome) -> Kill {
        Kill { number: 2, of: 5, threads: 2, behind, resumed, outcome }
    }

    fn verdict(kills: &[Kill]) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        kills.iter().for_each(|kill| verdict.add(kill, 100));
        verdict.of_good(Path::new("work"))
    }

    #[test]
    fn a_kill_is_told_in_a_line() {
        let line = kill(Some(180_224), vec![(1, Some(540_672)), (3, None)], Outcome::Identical).to_string();
        assert_eq!(
            line,
            "kill 2 of 5: 2 threads, killed behind record 180,224; resumed with 1 thread, killed behind record 540,672; \
             resumed with 3 threads: model, predictions, rejected records and summary identical"
        );
        let differing =
            Outcome::Differs { files: vec!["model: byte 4".into(), "summary.json: x".into()], kept: "k".into() };
        let line = kill(None, vec![(1, None)], differing).to_string();
        assert!(line.contains("killed before its first checkpoint; resumed with 1 thread: DIFFERS in model"), "{line}");
        assert!(line.ends_with("; in summary.json: x (kept in k)"), "{line}");
        let failed = Outcome::Differs { files: vec!["the end of the run".into()], kept: "k".into() };
        let line = kill(None, vec![], failed).to_string();
        assert_eq!(line, "kill 2 of 5: 2 threads: DIFFERS in the end of the run (kept in k)");
        assert!(kill(None, vec![], Outcome::Missed).to_string().contains("missed"));
    }

    #[test]
    fn what_could_not_be_shown_is_no_success() {
        let missed = || kill(None, vec![], Outcome::Missed);
        let error = verdict(&[missed(), missed()]).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::NotVerified, 2));
        assert!(error.to_string().contains("none of 2 kills hit"), "{error}");
        let error = verdict(&[missed(), kill(None, vec![(1, None)], Outcome::Identical)]).unwrap_err().to_string();
        assert!(error.contains("1 of 2 kills hit, but before the first checkpoint"), "{error}");
    }

    #[test]
    fn a_good_verdict_says_how_many_kills_it_rests_on() {
        let kills = [
            kill(None, vec![], Outcome::Missed),
            kill(None, vec![(1, Some(7)), (3, None)], Outcome::Identical),
            kill(Some(9), vec![(1, None)], Outcome::Identical),
            kill(None, vec![(1, None)], Outcome::Identical),
        ];
        let said = verdict(&kills).unwrap().to_string();
        assert!(said.contains("3 of 4 kills hit a running process, 2 of them behind a checkpoint"), "{said}");
        assert!(said.ends_with("ended as the uninterrupted one"), "{said}");
        let said = verdict(&[kill(Some(100), vec![(1, None)], Outcome::Identical)]).unwrap().to_string();
        assert!(said.contains("no checkpoint came before the last record"), "{said}");
    }

    #[test]
    fn one_difference_is_a_bad_verdict_that_names_the_folder() {
        let differing =
            kill(Some(9), vec![(1, None)], Outcome::Differs { files: vec!["model: byte 0".into()], kept: "k".into() });
        let good = kill(Some(9), vec![(1, None)], Outcome::Identical);
        let error = verdict(&[good, differing]).unwrap_err().to_string();
        assert!(error.contains("after 1 of 2 kills") && error.contains("work/uninterrupted"), "{error}");
    }
}
