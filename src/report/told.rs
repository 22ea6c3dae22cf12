//! What a summary tells of parts of the stream, as text: segments with the lowest and the highest loss, what windows have left
//! out, and alarms. It takes the struct that is also written as JSON.

use super::number::{count, figure};
use crate::drift::Alarm;
use crate::sink::summary::Summary;
use crate::sink::told::{AlarmSummary, DriftSummary, SegmentSummary, best_and_worst};

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

/// Segments with the lowest and the highest loss, column by column, and what windows have left out.
pub(super) fn told(s: &Summary) -> String {
    let mut text = String::new();
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
