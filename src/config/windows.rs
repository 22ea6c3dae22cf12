//! Metrics by windows and segments, checked: takes options of `[output]`, gives what is to be told apart and how often.

use super::EventTime;
use super::options::OutputOptions;
use crate::error::{Error, Result};
use crate::metric::confusion::Threshold;
use crate::metric::windows::{Every, Spec};
use crate::schema::step::Within;

/// Values of a column that are told apart unless another number is named.
const DEFAULT_SEGMENTS: usize = 1000;
/// Most kinds of windows, and most columns of segments: each is counted with every record.
const MOST: usize = 8;

/// What metrics are told by beside those of the whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// The windows.
    pub spec: Spec,
    /// Columns by whose values they are told apart.
    pub segments: Vec<String>,
    /// Values of each that are told apart.
    pub most: usize,
}

impl Windows {
    /// The same, whose windows stay open for records and labels that come late.
    #[must_use]
    pub(super) fn within(mut self, event_time: Option<&EventTime>) -> Self {
        self.spec.horizon = event_time.map_or(0, EventTime::horizon);
        self
    }

    /// Checks the options; `None` where nothing is asked for.
    ///
    /// # Errors
    /// Options that need each other, or lie outside their range.
    pub fn of(options: &OutputOptions) -> Result<Option<Self>> {
        let OutputOptions { metrics, metrics_every, segment, segments, .. } = options;
        let columns = segment.clone().unwrap_or_default();
        match (metrics, metrics_every) {
            (Some(file), None) => {
                return Err(Error::usage(format!(
                    "--metrics {file} needs windows: --metrics-every 1h for those of event time, or 100000 for records"
                )));
            }
            (None, Some(every)) => {
                return Err(Error::usage(format!(
                    "--metrics-every {} needs a file to write to: --metrics FILE, in .jsonl or .csv",
                    every.join(",")
                )));
            }
            _ => {}
        }
        if columns.is_empty() && segments.is_some() {
            return Err(Error::usage("--segments belongs to --segment COLUMN: name the column, or leave it out"));
        }
        let most = super::within(*segments, DEFAULT_SEGMENTS, 1..=1_000_000, "--segments")?;
        let named = metrics_every.iter().flatten().map(|text| every(text)).collect::<Result<Vec<_>>>()?;
        check_number("--metrics-every", named.len())?;
        check_number("--segment", columns.len())?;
        let spec = Spec { every: named, horizon: 0, threshold: threshold(options)? };
        let is_asked = !spec.every.is_empty() || !columns.is_empty();
        Ok(is_asked.then_some(Self { spec, segments: columns, most }))
    }

    /// Whether windows of event time are asked for.
    pub fn need_time(&self) -> bool {
        self.spec.every.iter().any(|every| matches!(every, Every::Time(_)))
    }
}

/// The probability from which a prediction counts as positive.
///
/// # Errors
/// One that is no threshold.
pub(super) fn threshold(options: &OutputOptions) -> Result<Threshold> {
    let Some(named) = options.threshold else { return Ok(Threshold::default()) };
    Threshold::new(named).ok_or_else(|| {
        Error::usage(format!(
            "--threshold {named} is no probability between 0.000001 and 0.999999: write --threshold 0.5"
        ))
    })
}

fn check_number(flag: &str, named: usize) -> Result<()> {
    if named <= MOST {
        return Ok(());
    }
    Err(Error::usage(format!("{flag} has {named} values, and {MOST} at most can be told side by side: leave some out")))
}

/// Reads `100000`, or a time in `ms`, `s`, `m`, `h` or `d`.
fn every(text: &str) -> Result<Every> {
    let records = text.replace('_', "").parse().ok().filter(|&records: &u64| records > 0 && records < 1 << 62);
    let time = || Within::Time(text.to_owned()).microseconds().map(Every::Time);
    records.map(Every::Records).or_else(time).ok_or_else(|| {
        Error::usage(format!(
            "--metrics-every {text}: write a time like 15m, 1h or 1d, or a number of records like 100000"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(job: &str) -> Result<Option<Windows>> {
        Windows::of(&super::super::Options::parse(&format!("[output]\n{job}")).unwrap().output)
    }

    #[test]
    fn times_and_numbers_of_records_are_told_apart() {
        let windows = of("metrics = 'm.csv'\nmetrics-every = ['1h', '1_000', '0.5s']").unwrap().unwrap();
        assert_eq!(windows.spec.every, [Every::Time(3_600_000_000), Every::Records(1000), Every::Time(500_000)]);
        assert!(windows.need_time() && windows.most == 1000);
        assert_eq!(of("").unwrap(), None);
        assert!(!of("segment = ['site']").unwrap().unwrap().need_time());
    }

    #[test]
    fn options_that_need_another_name_it() {
        for (job, said) in [
            ("metrics = 'm.csv'", "--metrics-every 1h"),
            ("metrics-every = ['1h']", "--metrics FILE"),
            ("segments = 5", "--segment COLUMN"),
            ("metrics = 'm.csv'\nmetrics-every = ['soon']", "15m"),
            ("metrics = 'm.csv'\nmetrics-every = ['0']", "a number of records"),
            ("segment = ['a']\nsegments = 0", "outside 1 to"),
            ("segment = ['a']\nthreshold = 1.0", "--threshold 0.5"),
        ] {
            let error = of(job).unwrap_err().to_string();
            assert!(error.contains(said), "{job}: {error}");
        }
    }
}
