//! What a summary tells of parts of the stream, as text: segments with the lowest and the highest loss, what windows have left
//! out, and alarms. It takes the struct that is also written as JSON.

use super::number::{count, figure};
use crate::drift::Alarm;
use crate::sink::summary::Summary;
use crate::sink::told::{
    AlarmSummary, DriftSummary, EventTimeSummary, LateLabelsSummary, SegmentSummary, best_and_worst,
};
use crate::timestamp::{SECOND, written_duration};

/// Segments of a column that are shown at either end.
const MOST_SEGMENTS: usize = 3;
/// Alarms that are shown.
const MOST_ALARMS: usize = 5;

/// An alarm in one line.
///
/// ```
/// use tidemill::drift::{Alarm, Change};
/// let alarm = Alarm { record: 12_000, time: None, detector: "adwin", change: Change { before: 0.25, after: 0.5 } };
/// assert_eq!(tidemill::report::told::alarm(&alarm), "drift at record 12,000: log loss 0.2500, now 0.5000 (adwin)");
/// ```
pub fn alarm(alarm: &Alarm) -> String {
    line(&AlarmSummary::of(alarm))
}

fn line(alarm: &AlarmSummary) -> String {
    let AlarmSummary { record, time, detector, log_loss_before, log_loss_after } = alarm;
    let time = time.as_ref().map(|time| format!(" ({time})")).unwrap_or_default();
    let record = count(*record);
    format!("drift at record {record}{time}: log loss {log_loss_before:.4}, now {log_loss_after:.4} ({detector})")
}

/// The first alarms, and what was done about them.
fn drift(s: &Summary) -> String {
    let Some(DriftSummary { alarms, raised, reset, shadows, adopted, first }) = &s.drift else { return String::new() };
    let done = [
        (*raised, "raised the step"),
        (*reset, "reset the rates"),
        (*shadows, "started a second learner"),
        (*adopted, "went on with the second learner"),
    ];
    let done = done.iter().filter(|(times, _)| *times > 0).map(|(times, what)| format!("; {what} {times} x"));
    let mut text = format!("drift       {} alarms{}\n", count(*alarms), done.collect::<String>());
    first.iter().take(MOST_ALARMS).for_each(|alarm| text += &format!("  {}\n", line(alarm)));
    text
}

/// Where the watermark stands, how far behind, and behind which record; `None` before the first event time.
pub fn watermark(of: &EventTimeSummary) -> Option<String> {
    let record = count(of.latest_record);
    let text = match of.out_of_order_s > 0.0 {
        true => format!("{}, {} behind record {record}", of.watermark.as_ref()?, behind(of)),
        false => format!("{}, that of record {record}", of.watermark.as_ref()?),
    };
    let waiting = if of.held > 0 { format!("; {} records wait for it", count(of.held)) } else { String::new() };
    let late = if of.late > 0 { format!("; {} came late", count(of.late)) } else { String::new() };
    Some(text + &waiting + &late)
}

fn behind(of: &EventTimeSummary) -> String {
    written_duration((of.out_of_order_s * SECOND as f64) as i64)
}

/// Where the watermark stands, what holds it there, and who came behind it.
fn event_time(s: &Summary) -> String {
    let Some(of) = &s.event_time else { return String::new() };
    let (Some(earliest), Some(latest), Some(watermark)) = (&of.earliest, &of.latest, &of.watermark) else {
        return "event time  no record has one\n".into();
    };
    let mut text = format!("event time  {earliest} to {latest}\n");
    if of.out_of_order_s > 0.0 {
        let order = if of.in_order { "records in their order" } else { "records as they arrived" };
        let behind = behind(of);
        text += &format!("watermark   {watermark}, {behind} behind record {}; {order}\n", count(of.latest_record));
    }
    if of.late > 0 {
        let by = written_duration((of.late_by_s * SECOND as f64) as i64);
        text += &format!("late        {} records, by {by} at most\n", count(of.late));
    }
    let rest = [(of.without_time, "records have no event time"), (of.held, "records wait for the watermark")];
    rest.iter()
        .filter(|(of, _)| *of > 0)
        .for_each(|(of, words)| text += &format!("            {} {words}\n", count(*of)));
    text
}

/// What became of labels that come late.
fn late_labels(s: &Summary) -> String {
    match &s.late_labels {
        None => String::new(),
        Some(LateLabelsSummary::Due { waited, learned, at_end, hurried, never, waiting, .. }) => {
            let parts = [
                (*learned, "learned when they were known"),
                (*at_end, "at the end of the stream"),
                (*hurried, "too early, for want of room (--open-memory)"),
                (*waiting, "not known yet"),
                (*never, "never known"),
            ];
            listed("late labels", *waited, "waited for", &parts)
        }
        Some(LateLabelsSummary::Joined { counts: of, without_id, .. }) => {
            let impressions = [
                (of.matched, "had their outcome in time"),
                (of.timed_out, "timed out"),
                (of.evicted, "were given up for want of room (--open-memory)"),
                (of.open, "were open at the end"),
                (of.duplicates, "more had an id that was known"),
            ];
            let outcomes = of.matched + of.corrected + of.confirmed + of.late + of.duplicate_outcomes;
            let outcomes = outcomes + of.orphans + of.evicted_outcomes + of.waiting_outcomes;
            let parts = [
                (of.corrected, "corrected a negative"),
                (of.confirmed, "confirmed one"),
                (of.late, "came too late"),
                (of.duplicate_outcomes, "had an id that had one"),
                (of.orphans, "had no impression"),
                (of.waiting_outcomes, "wait for theirs"),
                (*without_id, "records had no id"),
            ];
            listed("impressions", of.opened, "opened", &impressions) + &listed("outcomes", outcomes, "came", &parts)
        }
    }
}

/// A count in words, and what became of its parts.
fn listed(what: &str, all: u64, words: &str, parts: &[(u64, &str)]) -> String {
    let parts: Vec<_> =
        parts.iter().filter(|(of, _)| *of > 0).map(|(of, words)| format!("{} {words}", count(*of))).collect();
    let colon = if parts.is_empty() { "" } else { ": " };
    format!("{what:<11} {} {words}{colon}{}\n", count(all), parts.join(", "))
}

/// Segments with the lowest and the highest loss, column by column, and what windows have left out.
pub(super) fn told(s: &Summary) -> String {
    let mut text = event_time(s) + &late_labels(s);
    let mut columns: Vec<&str> = s.segments.iter().map(|segment| segment.column.as_str()).collect();
    columns.dedup();
    for column in columns {
        let shown = best_and_worst(&s.segments, column, MOST_SEGMENTS);
        let all = s.segments.iter().filter(|segment| segment.column == column).count();
        text += &format!("segments    by {column}, {} of {}:\n", shown.len(), count(all as u64));
        for SegmentSummary { value, figures: of, .. } in shown {
            let (loss, constant) = (figure(of.log_loss, 5), figure(of.best_constant_log_loss, 5));
            let (records, value) = (count(of.records), short(value));
            text += &format!("  {value:<24} log loss {loss}, best constant {constant}, {records} records\n");
        }
    }
    let counts = s.windows.iter().flat_map(|windows| {
        [
            (windows.late, "records came after their window had been told"),
            (windows.early, "windows were told before they were over, for want of room"),
            (windows.without_time, "records had no event time and are in no window of it"),
            (windows.not_told_apart, "values of segments were not told apart; --segments N tells more"),
        ]
    });
    counts.filter(|(of, _)| *of > 0).for_each(|(of, words)| text += &format!("windows     {} {words}\n", count(of)));
    text + &drift(s)
}

/// The beginning of a value, within a line.
fn short(value: &str) -> String {
    let shown: String = value.chars().take(24).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.is_empty() { "(empty)".into() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::quality::Quality;
    use crate::metric::windows::line::Figures;
    use crate::report::summary::tests::full;
    use crate::report::summary::text;

    #[test]
    fn of_many_segments_those_at_either_end_are_shown() {
        let mut summary = full();
        summary.segments = (0..9)
            .map(|at| SegmentSummary {
                column: "hour".into(),
                value: if at == 4 { String::new() } else { format!("h{at}") },
                figures: Figures { records: 10, log_loss: Some(f64::from(at * 5 % 9) / 10.0), ..Figures::default() },
                quality: Quality::default(),
            })
            .collect();
        let text = text(&summary);
        assert!(text.contains("segments    by hour, 6 of 9:\n"), "{text}");
        let shown: Vec<_> = text.lines().filter(|line| line.starts_with("  ")).map(|line| &line[2..9]).collect();
        assert_eq!(shown[1..], ["h0     ", "h2     ", "(empty)", "h3     ", "h5     ", "h7     "], "{text}");
    }

    #[test]
    fn alarms_are_shown_with_what_was_done() {
        let mut summary = full();
        let alarm = |record| AlarmSummary {
            record,
            time: Some("2024-05-01T00:00:00Z".into()),
            detector: "adwin",
            log_loss_before: 0.25,
            log_loss_after: 0.75,
        };
        let first = (0..9).map(|at| alarm(1000 * at)).collect();
        summary.drift = Some(DriftSummary { alarms: 9, reset: 9, first, ..DriftSummary::default() });
        let text = text(&summary);
        assert!(text.contains("drift       9 alarms; reset the rates 9 x\n"), "{text}");
        let last = "drift at record 4,000 (2024-05-01T00:00:00Z): log loss 0.2500, now 0.7500 (adwin)\n";
        assert!(text.contains(last) && !text.contains("record 5,000"), "{text}");
    }
}
