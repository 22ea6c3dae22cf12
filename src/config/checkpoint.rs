//! `[checkpoint]`, checked: takes its options, gives where and when checkpoints are written.

use std::path::PathBuf;
use std::time::Duration;

use super::options::CheckpointOptions;
use crate::error::{Error, Result};

/// Where and when checkpoints are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpointing {
    /// The folder.
    pub folder: PathBuf,
    /// How often.
    pub every: Every,
    /// Whether to go on from what is in it.
    pub resume: bool,
    /// How many to keep.
    pub keep: usize,
}

/// What lies between two checkpoints, at least: one is taken where a chunk of input ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// So many records.
    Records(u64),
    /// So much time.
    Time(Duration),
}

/// How often unless something else is named.
const DEFAULT_EVERY: &str = "10s";
/// How many are kept unless another number is named.
const DEFAULT_KEEP: usize = 3;

impl Checkpointing {
    /// Checks the options; `None` where no folder is named.
    ///
    /// # Errors
    /// Options without a folder, or outside their range.
    pub fn of(options: &CheckpointOptions) -> Result<Option<Self>> {
        let CheckpointOptions { checkpoint, checkpoint_every, resume, keep } = options;
        let Some(folder) = checkpoint else {
            let named = [("--resume", *resume == Some(true)), ("--keep", keep.is_some())];
            let named = named.into_iter().chain([("--checkpoint-every", checkpoint_every.is_some())]);
            return match named.into_iter().find(|(_, is_named)| *is_named) {
                Some((flag, _)) => {
                    Err(Error::usage(format!("{flag} needs the folder of checkpoints: --checkpoint DIR")))
                }
                None => Ok(None),
            };
        };
        let keep = keep.unwrap_or(DEFAULT_KEEP);
        if keep == 0 {
            return Err(Error::usage("--keep 0 would keep no checkpoint: keep 1 or more"));
        }
        let every = Every::parse(checkpoint_every.as_deref().unwrap_or(DEFAULT_EVERY))?;
        Ok(Some(Self { folder: folder.into(), every, resume: resume.unwrap_or(false), keep }))
    }
}

impl Every {
    /// Reads `100000`, or a time in `ms`, `s`, `m` or `h`.
    ///
    /// # Errors
    /// Anything else, and nothing at all.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::config::Every;
    /// assert_eq!(Every::parse("100000")?, Every::Records(100_000));
    /// assert_eq!(Every::parse("1.5s")?, Every::Time(Duration::from_millis(1500)));
    /// # Ok::<(), tidemill::error::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let refused = || {
            Error::usage(format!(
                "--checkpoint-every {text}: write a number of records like 100000, or a time like 30s"
            ))
        };
        match text.replace(['_', ','], "").parse() {
            Ok(0) => Err(refused()),
            Ok(records) => Ok(Self::Records(records)),
            Err(_) => time(text).map(Self::Time).ok_or_else(refused),
        }
    }
}

/// A time in `ms`, `s`, `m` or `h`, longer than none; `None` for any other text.
pub(super) fn time(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "us" => 0.000_001,
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let count: f64 = digits.trim().parse().ok()?;
    Duration::try_from_secs_f64(count * seconds).ok().filter(|time| !time.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_told_apart_and_nothing_else_is_taken() {
        assert_eq!(Every::parse("500ms").unwrap(), Every::Time(Duration::from_millis(500)));
        assert_eq!(Every::parse("2h").unwrap(), Every::Time(Duration::from_secs(7200)));
        assert_eq!(Every::parse("1_000_000").unwrap(), Every::Records(1_000_000));
        for wrong in ["", "0", "0s", "-1s", "s", "10 days", "1e400s", "1.5", "infs"] {
            let error = Every::parse(wrong).unwrap_err().to_string();
            assert!(error.contains("30s"), "{wrong}: {error}");
        }
    }

    #[test]
    fn options_without_a_folder_are_refused() {
        let resume = CheckpointOptions { resume: Some(true), ..CheckpointOptions::default() };
        assert!(Checkpointing::of(&resume).unwrap_err().to_string().contains("--checkpoint DIR"));
        assert_eq!(Checkpointing::of(&CheckpointOptions::default()).unwrap(), None);
    }
}
