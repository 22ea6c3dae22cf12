//! `[event-time]`, checked: takes its options, gives in which order records count and when their labels are known.

use super::options::{AtTimeout, EventTimeOptions, LateRecords, Order};
use super::{Options, quantity};
use crate::error::{Error, Result};
use crate::schema::Step;

/// Bytes of memory for records whose labels are not known yet, unless another size is named.
const DEFAULT_MEMORY: &str = "1G";

/// The order of records, and what becomes of those that come out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTime {
    /// How far an event time may lie behind the latest one, in microseconds.
    pub out_of_order: i64,
    /// In which order records are taken.
    pub order: Order,
    /// What becomes of late ones.
    pub late: LateRecords,
    /// When labels are known.
    pub labels: Labels,
    /// Most bytes of memory for records whose labels are not known yet.
    pub open_memory: u64,
}

impl Default for EventTime {
    fn default() -> Self {
        let (order, late) = (Order::Arrival, LateRecords::Learn);
        Self { out_of_order: 0, order, late, labels: Labels::AtOnce, open_memory: 1_000_000_000 }
    }
}

impl EventTime {
    /// How long after the latest event time a record, or its label, may still come in its order.
    pub fn horizon(&self) -> i64 {
        let lag = if self.order == Order::Arrival { self.out_of_order } else { 0 };
        let Labels::Joined { timeout, .. } = self.labels else { return lag };
        lag.saturating_add(timeout)
    }
}

/// When labels are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// With their records.
    AtOnce,
    /// So many microseconds after the event time.
    After(i64),
    /// At a time of their own, which is a column; after so many microseconds where that is missing.
    AtTheirTime(Option<i64>),
    /// When their outcomes come, which are records of their own.
    Joined {
        /// For so many microseconds of event time an outcome is waited for.
        timeout: i64,
        /// What a record becomes then.
        at_timeout: AtTimeout,
        /// How long after that a positive outcome still corrects it.
        corrections: Option<i64>,
    },
}

impl EventTime {
    /// Checks the options; `None` where there are none.
    ///
    /// # Errors
    /// Options that lack another one, or are outside their range.
    pub fn of(options: &Options) -> Result<Option<Self>> {
        let EventTimeOptions { out_of_order, order, late, open_memory, .. } = &options.event_time;
        if options.event_time == EventTimeOptions::default() {
            return match options.output.side {
                Some(_) => Err(Error::usage(
                    "--side is for late records and outcomes without their record: write --late side, or leave it out",
                )),
                None => Ok(None),
            };
        }
        let labels = labels(options)?;
        let late = late.unwrap_or_default();
        if late == LateRecords::Side && options.output.side.is_none() {
            return Err(Error::usage("--late side needs a file for the late records: --side late.jsonl"));
        }
        let bound = out_of_order.as_deref().map(|text| quantity::time("--out-of-order", text)).transpose()?;
        if *order == Some(Order::Time) && bound.is_none() {
            return Err(Error::usage("--order time needs how far records may be out of order: --out-of-order 5m"));
        }
        let usual = if bound.is_some() { Order::Time } else { Order::Arrival };
        Ok(Some(Self {
            out_of_order: bound.unwrap_or(0),
            order: order.unwrap_or(usual),
            late,
            labels,
            open_memory: quantity::bytes("--open-memory", open_memory.as_deref().unwrap_or(DEFAULT_MEMORY))?,
        }))
    }
}

fn labels(options: &Options) -> Result<Labels> {
    let EventTimeOptions { label_delay, label_time, join_timeout, at_timeout, corrections, open_memory, .. } =
        &options.event_time;
    let time = |flag: &str, text: &Option<String>| text.as_deref().map(|text| quantity::time(flag, text)).transpose();
    let delay = time("--label-delay", label_delay)?;
    let timeout = time("--join-timeout", join_timeout)?;
    if timeout.is_some() && (delay.is_some() || label_time.is_some()) {
        return Err(Error::usage(
            "--join-timeout is for labels that are records of their own, --label-delay and --label-time for labels that \
             stand in the record: keep one of them",
        ));
    }
    let Some(timeout) = timeout else {
        let named = [("--at-timeout", at_timeout.is_some()), ("--corrections", corrections.is_some())];
        if let Some((flag, _)) = named.into_iter().find(|(_, is_named)| *is_named) {
            return Err(Error::usage(format!("{flag} is about outcomes that come late: add --join-timeout 1h")));
        }
        return match (label_time, delay) {
            (Some(_), delay) => Ok(Labels::AtTheirTime(delay)),
            (None, Some(delay)) => Ok(Labels::After(delay)),
            (None, None) if open_memory.is_some() && options.event_time.out_of_order.is_none() => Err(Error::usage(
                "--open-memory is for records whose labels come late: add --label-delay 1d or --join-timeout 1h",
            )),
            (None, None) => Ok(Labels::AtOnce),
        };
    };
    if options.source.id.is_none() {
        return Err(Error::usage(
            "--join-timeout needs the column by which records and outcomes are joined: --id COLUMN",
        ));
    }
    if let Some(name) = options.transform.iter().find_map(harmful) {
        return Err(Error::usage(format!(
            "{name} does not go with --join-timeout: it would take outcomes, which have no features, for records that are \
             to be left out; prepare the input before, or leave it out"
        )));
    }
    let at_timeout = at_timeout.unwrap_or_default();
    let corrections = time("--corrections", corrections)?;
    if corrections.is_some() && at_timeout == AtTimeout::Unlabelled {
        return Err(Error::usage(
            "--corrections is for records that became negatives at their timeout: leave out --at-timeout unlabelled",
        ));
    }
    Ok(Labels::Joined { timeout, at_timeout, corrections })
}

/// What a transform is called that leaves records out.
fn harmful(step: &Step) -> Option<&'static str> {
    match step {
        Step::Filter(_) => Some("filter"),
        Step::Sample(_) => Some("sample"),
        Step::Deduplicate(_) => Some("deduplicate"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(job: &str) -> Result<Option<EventTime>> {
        EventTime::of(&Options::parse(job).unwrap())
    }

    #[test]
    fn records_are_put_in_order_where_it_is_said_how_far_they_are_out_of_it() {
        assert_eq!(of("[source]\ntime = 't'").unwrap(), None);
        let found = of("[event_time]\nout_of_order = '5m'").unwrap().unwrap();
        let (bound, labels) = (300_000_000, Labels::AtOnce);
        let late = LateRecords::Learn;
        let expected = EventTime { out_of_order: bound, order: Order::Time, late, labels, open_memory: 1_000_000_000 };
        assert_eq!(found, expected);
        let arrival = of("[event-time]\nout-of-order = '5m'\norder = 'arrival'").unwrap().unwrap();
        assert_eq!(arrival, EventTime { order: Order::Arrival, ..expected });
        assert_eq!(of("[event-time]\nlate = 'drop'").unwrap().unwrap().order, Order::Arrival);
    }

    #[test]
    fn labels_come_after_a_time_at_a_time_or_as_records() {
        let labels = |options: &str| {
            let job = format!("[source]\nid = 'id'\n[event-time]\n{options}");
            of(&job).unwrap().unwrap().labels
        };
        let hour = 3_600_000_000;
        assert_eq!(labels("label-delay = '1h'"), Labels::After(hour));
        assert_eq!(labels("label-time = 'known'"), Labels::AtTheirTime(None));
        assert_eq!(labels("label-time = 'known'\nlabel-delay = '1h'"), Labels::AtTheirTime(Some(hour)));
        let joined = Labels::Joined { timeout: hour, at_timeout: AtTimeout::Negative, corrections: Some(24 * hour) };
        assert_eq!(labels("join-timeout = '1h'\ncorrections = '1d'"), joined);
    }

    #[test]
    fn what_lacks_something_or_contradicts_itself_is_refused_with_what_to_write() {
        for (job, expected) in [
            ("[output]\nside = 'x'", "--late side"),
            ("[event-time]\nlate = 'side'", "--side late.jsonl"),
            ("[event-time]\norder = 'time'", "--out-of-order 5m"),
            ("[event-time]\nout-of-order = 'much'", "5m"),
            ("[event-time]\njoin-timeout = '1h'", "--id"),
            ("[source]\nid = 'i'\n[event-time]\njoin-timeout = '1h'\nlabel-delay = '1h'", "keep one"),
            ("[event-time]\ncorrections = '1h'", "--join-timeout"),
            ("[event-time]\nopen-memory = '1G'", "--label-delay"),
            (
                "[[transform]]\nfilter = 'x > 1'\n[source]\nid = 'i'\n[event-time]\njoin-timeout = '1h'",
                "filter does not go",
            ),
            (
                "[source]\nid = 'i'\n[event-time]\njoin-timeout = '1h'\ncorrections = '1h'\nat-timeout = 'unlabelled'",
                "unlabelled",
            ),
        ] {
            let error = of(job).unwrap_err().to_string();
            assert!(error.contains(expected), "{job}: {error}");
        }
    }
}
