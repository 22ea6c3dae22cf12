//! Live runs, checked: takes the options about input that keeps coming, gives what is read as it comes and how long a
//! record may wait for others.

use std::time::Duration;

use super::Options;
use super::checkpoint::time;
use crate::error::{Error, Result};
use crate::schema::Format;
use crate::source::address::Address;
use crate::source::{Input, open};

/// What a run does about input that keeps coming; nothing, where none of this is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Live {
    /// How long a record may wait for its micro-batch to be full.
    pub max_delay: Option<Duration>,
    /// Whether the last input is read on as it grows.
    pub follows: bool,
    /// Whether records come through connections.
    pub listens: bool,
}

impl Live {
    /// Checks the options about input that keeps coming.
    ///
    /// # Errors
    /// Options outside their range, that do not go together, or an input that cannot be followed.
    pub fn of(options: &Options, inputs: &[Input], format: Format) -> Result<Self> {
        let max_delay = options.learner.max_delay.as_deref().map(max_delay).transpose()?;
        let live = Self {
            max_delay,
            follows: options.source.follow == Some(true),
            listens: inputs.iter().any(|input| matches!(input, Input::Socket(_))),
        };
        live.check_passes(options)?;
        if live.listens && format.is_columnar() {
            return Err(Error::usage("--listen takes records as lines: name their format with --format csv or jsonl"));
        }
        if live.follows {
            check_followed(inputs, format)?;
        }
        Ok(live)
    }

    /// Whether the columns are to be found out before the input has come to its end.
    pub fn is_live(self) -> bool {
        self.max_delay.is_some() || self.has_no_end()
    }

    /// Whether only a signal ends the input.
    pub fn has_no_end(self) -> bool {
        self.follows || self.listens
    }

    fn check_passes(self, options: &Options) -> Result<()> {
        let named = [("--max-delay", self.max_delay.is_some()), ("--follow", self.follows), ("--listen", self.listens)];
        match (options.learner.passes, named.iter().find(|(_, is_named)| *is_named)) {
            (None | Some(1), _) | (_, None) => Ok(()),
            (Some(passes), Some((flag, _))) => Err(Error::usage(format!(
                "--passes {passes} does not go with {flag}: a stream that keeps coming is learned once; leave one of them out"
            ))),
        }
    }
}

/// The longest time that a micro-batch may be told to wait.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

fn max_delay(text: &str) -> Result<Duration> {
    time(text)
        .filter(|delay| *delay <= LONGEST)
        .ok_or_else(|| Error::usage(format!("--max-delay {text}: write a time like 1ms, 50ms or 1s")))
}

/// Only a plain text file can be read on where it was left.
fn check_followed(inputs: &[Input], format: Format) -> Result<()> {
    let refused = |what: &str| {
        let advice = "name a plain text file that grows, as the last input, or leave --follow out";
        Err(Error::usage(format!("--follow cannot read on in {what}: {advice}")))
    };
    match inputs.last() {
        Some(Input::File(_)) if format.is_columnar() => refused("a columnar file, which is whole only at its end"),
        Some(input @ Input::File(path)) => match open::is_plain_file(path) {
            true => Ok(()),
            // That it is missing is told where inputs are looked at.
            false if !path.exists() => Ok(()),
            false => refused(&format!("{}, which is compressed or no file", input.name())),
        },
        Some(Input::Stdin) => refused("standard input, which is read as it comes anyway"),
        Some(Input::Socket(_)) => refused("what connections send, which is read as it comes anyway"),
        Some(Input::Merged(_)) => refused("features that are merged with outcomes"),
        Some(Input::Synthetic { .. }) | None => refused("a generated stream"),
    }
}

/// The input that an address stands for.
///
/// # Errors
/// An address that is none, or one beside other inputs.
pub(super) fn listening(address: &str, has_others: bool) -> Result<Vec<Input>> {
    match has_others {
        true => Err(Error::usage("--listen is an input of its own: leave it out, or the files and generated streams")),
        false => Ok(vec![Input::Socket(Address::parse(address)?)]),
    }
}

/// The address at which monitors ask.
///
/// # Errors
/// An address that is none, or a file, which nobody scrapes.
pub(super) fn monitored(text: &str) -> Result<Address> {
    match Address::of("--metrics-listen", text)? {
        Address::Unix(_) => Err(Error::usage(format!(
            "--metrics-listen {text}: monitors ask at a port: write one like 9464, or an address like 127.0.0.1:9464"
        ))),
        tcp => Ok(tcp),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Options, Plan};

    fn refusal(job: &str) -> String {
        Plan::new(Options::parse(job).unwrap(), &[]).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let packed = folder.path().join("a.csv.gz");
        std::fs::write(&packed, [0x1f, 0x8b, 8, 0]).unwrap();
        for input in ["a.parquet", "-", &packed.to_string_lossy()] {
            let said = refusal(&format!("[source]\ninput = ['{input}']\nfollow = true"));
            assert!(said.contains("--follow cannot read on in") && said.contains("plain text file"), "{said}");
        }
        assert!(refusal("[source]\ngenerate = 'clicks'\nfollow = true").contains("a generated stream"));
    }

    #[test]
    fn times_without_a_unit_and_none_at_all_are_refused() {
        for wrong in ["", "0ms", "5", "soon", "-1s"] {
            let said = refusal(&format!("[source]\ninput = ['-']\n[learner]\nmax-delay = '{wrong}'"));
            assert!(said.contains("write a time like 1ms"), "{said}");
        }
    }

    #[test]
    fn monitors_ask_at_a_port_of_this_machine_unless_another_host_is_named() {
        let address = |text| super::monitored(text).map(|address| address.name());
        assert_eq!(address("9464").unwrap(), "tcp:127.0.0.1:9464");
        assert_eq!(address("0.0.0.0:9464").unwrap(), "tcp:0.0.0.0:9464");
        for (wrong, said) in [("unix:/tmp/m.sock", "monitors ask at a port"), ("here", "--metrics-listen here: write")]
        {
            assert!(address(wrong).unwrap_err().to_string().contains(said), "{wrong}");
        }
    }

    #[test]
    fn what_has_no_end_is_not_learned_twice_and_stands_alone() {
        let said = refusal("[source]\nlisten = '0'\n[learner]\npasses = 2");
        assert!(said.contains("--passes 2 does not go with --listen"), "{said}");
        let said = refusal("[source]\nlisten = '0'\ninput = ['a.csv']");
        assert!(said.contains("--listen is an input of its own"), "{said}");
        let said = refusal("[source]\nlisten = '0'\nformat = 'parquet'");
        assert!(said.contains("--listen takes records as lines"), "{said}");
    }
}
