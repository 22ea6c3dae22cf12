//! `--passes`, checked: takes its options, gives how often the stream is learned, and where it is kept for that.

use std::path::PathBuf;

use super::{LearnerOptions, Options, quantity, within};
use crate::error::{Error, Result};
use crate::replay::{Keeping, Numbers};

/// Bytes of memory unless another size is named.
const DEFAULT_MEMORY: &str = "1G";
/// Most passes.
const MOST: u32 = 10_000;

/// A stream that is learned more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passes {
    /// How often, 2 or more.
    pub count: u32,
    /// Most bytes of memory for what is learned again; beyond that it goes into a file.
    pub memory: u64,
    /// A file for all of it, which stays; a temporary one where none is named.
    pub file: Option<PathBuf>,
    /// How dense numbers are kept.
    pub numbers: Numbers,
}

impl Passes {
    /// Checks the options; `None` where the stream is learned once.
    ///
    /// # Errors
    /// Options outside their range, or that say how to keep what is learned once.
    pub fn of(options: &Options) -> Result<Option<Self>> {
        let LearnerOptions { passes, replay_memory, replay_file, replay_numbers, .. } = &options.learner;
        let count = within(*passes, 1, 1..=MOST, "--passes")?;
        if count == 1 {
            let named = [("--replay-memory", replay_memory.is_some()), ("--replay-file", replay_file.is_some())];
            let named = named.into_iter().chain([("--replay-numbers", replay_numbers.is_some())]);
            return match named.into_iter().find(|(_, is_named)| *is_named) {
                Some((flag, _)) => Err(Error::usage(format!(
                    "{flag} is about what is learned again: write --passes 2, or leave it out"
                ))),
                None => Ok(None),
            };
        }
        if options.checkpoint.checkpoint.is_some() {
            return Err(Error::usage(format!(
                "--passes {count} does not go with --checkpoint: a checkpoint does not hold what is learned again; leave \
                 one of them out"
            )));
        }
        if replay_file.as_deref() == Some("-") {
            return Err(Error::usage("--replay-file - cannot be read again: name a plain file, or leave it out"));
        }
        let memory = quantity::bytes("--replay-memory", replay_memory.as_deref().unwrap_or(DEFAULT_MEMORY))?;
        let file = replay_file.as_ref().map(PathBuf::from);
        Ok(Some(Self { count, memory, file, numbers: replay_numbers.unwrap_or_default() }))
    }

    /// How micro-batches of rows of `width` dense numbers are kept.
    pub fn keeping(&self, width: usize) -> Keeping {
        Keeping { width, numbers: self.numbers, memory: self.memory, file: self.file.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(job: &str) -> Result<Option<Passes>> {
        Passes::of(&Options::parse(job).unwrap())
    }

    #[test]
    fn one_pass_keeps_nothing_and_may_not_say_how() {
        assert_eq!(passes("").unwrap(), None);
        assert_eq!(passes("[learner]\npasses = 1").unwrap(), None);
        for option in ["replay-memory = '1G'", "replay-file = 'a'", "replay-numbers = 'f16'"] {
            let error = passes(&format!("[learner]\n{option}")).unwrap_err().to_string();
            assert!(error.contains("--passes 2"), "{error}");
        }
    }

    #[test]
    fn two_passes_keep_a_gigabyte_of_numbers_as_they_are() {
        let found = passes("[learner]\npasses = 2").unwrap().unwrap();
        assert_eq!(found, Passes { count: 2, memory: 1_000_000_000, file: None, numbers: Numbers::F32 });
        assert!(passes("[learner]\npasses = 0").is_err());
    }
}
