//! What became of records and labels: takes the counts of a summary, gives tables of what was rejected or left out, of event
//! times, of labels that came late, of alarms and of later passes.

use super::{Run, counted};
use crate::record::Reason;
use crate::report::number::{count, duration, figure, percent, quantity};
use crate::report::page::frame::paragraph;
use crate::report::page::table::Column::{Number, Text};
use crate::report::page::table::table;
use crate::sink::summary::LaterPass;
use crate::sink::told::{AlarmSummary, LateLabelsSummary};
use crate::timestamp::{SECOND, written_duration};

/// Alarms and later passes that are told one by one.
const MOST: usize = 20;

/// Rejected records by reason, and those that were left out; nothing where all were used.
pub(super) fn left_out(run: &Run<'_>) -> String {
    let s = run.summary;
    let mut out = String::new();
    if s.rejected > 0 {
        let advice =
            |name: &str| Reason::ALL.into_iter().find(|reason| reason.name() == name).map_or("", Reason::advice);
        let mut reasons: Vec<_> = s.rejected_by_reason.iter().collect();
        reasons.sort_by_key(|&(name, &number)| (std::cmp::Reverse(number), *name));
        let row = |(name, of): &(&&str, &u64)| vec![(**name).to_owned(), count(**of), advice(name).to_owned()];
        let share = percent(s.rejected as f64 / s.read().max(1) as f64);
        out.push_str(&paragraph(&format!(
            "{} records, {share} of those read, could not be understood. They were not learned; --rejected FILE shows each with \
             its place and reason.",
            count(s.rejected)
        )));
        let rows: Vec<_> = reasons.iter().map(row).collect();
        out.push_str(&table(&[("rejected because", Text), ("records", Number), ("what is meant", Text)], &rows));
    }
    let rows = counted(&[
        ("filtered out by a transform", s.filtered),
        ("duplicates", s.duplicates),
        ("negatives not drawn by sampling", s.sampled_out),
    ]);
    if !rows.is_empty() {
        out.push_str(&table(&[("left out", Text), ("records", Number)], &rows));
    }
    out
}

/// How the stream stands by its event times; nothing where these are not read.
pub(super) fn event_time(run: &Run<'_>) -> String {
    let Some(of) = &run.summary.event_time else { return String::new() };
    let seconds = |seconds: f64| written_duration((seconds * SECOND as f64) as i64);
    let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "none".into());
    let mut rows = vec![
        vec!["earliest".into(), time(&of.earliest)],
        vec!["latest".into(), format!("{}, of record {}", time(&of.latest), count(of.latest_record))],
    ];
    if of.out_of_order_s > 0.0 {
        let order = if of.in_order { "records in their order" } else { "records as they arrived" };
        rows.push(vec![
            "watermark".into(),
            format!("{}, {} behind; {order}", time(&of.watermark), seconds(of.out_of_order_s)),
        ]);
    }
    if of.late > 0 {
        rows.push(vec!["late records".into(), format!("{}, by {} at most", count(of.late), seconds(of.late_by_s))]);
    }
    rows.extend(counted(&[
        ("records without an event time", of.without_time),
        ("records that wait for the watermark", of.held),
        ("records taken early, for want of room", of.hurried),
    ]));
    table(&[("event time", Text), ("value", Text)], &rows)
}

/// What became of labels that come late; nothing where none do.
pub(super) fn late_labels(run: &Run<'_>) -> String {
    let Some(late) = &run.summary.late_labels else { return String::new() };
    let head = |what| [(what, Text), ("number", Number)];
    match late {
        LateLabelsSummary::Due { waited, learned, at_end, hurried, never, waiting } => {
            let text = "A record was predicted when it came, and learned when its label was known. Its figures are those of the \
                        first prediction.";
            let rows = counted(&[
                ("waited for", *waited),
                ("learned when they were known", *learned),
                ("learned at the end of the stream", *at_end),
                ("learned too early, for want of room (--open-memory)", *hurried),
                ("never known", *never),
                ("not known yet", *waiting),
            ]);
            paragraph(text) + &table(&head("labels"), &rows)
        }
        LateLabelsSummary::Joined { counts: of, without_id } => {
            let text =
                "A record was predicted when it came, and learned when its outcome came, or did not come in time.";
            let impressions = counted(&[
                ("opened", of.opened),
                ("had their outcome in time", of.matched),
                ("timed out", of.timed_out),
                ("given up for want of room (--open-memory)", of.evicted),
                ("open at the end", of.open),
                ("had an id that was known", of.duplicates),
            ]);
            let outcomes = counted(&[
                ("corrected a negative", of.corrected),
                ("confirmed one", of.confirmed),
                ("came too late", of.late),
                ("had an id that had one", of.duplicate_outcomes),
                ("had no impression", of.orphans),
                ("wait for theirs", of.waiting_outcomes),
                ("records without an id", *without_id),
            ]);
            let outcomes = if outcomes.is_empty() { String::new() } else { table(&head("outcomes"), &outcomes) };
            paragraph(text) + &table(&head("impressions"), &impressions) + &outcomes
        }
    }
}

/// Alarms, and what was done about them; nothing where nobody looked for drift.
pub(super) fn drift(run: &Run<'_>) -> String {
    let Some(drift) = &run.summary.drift else { return String::new() };
    if drift.alarms == 0 {
        return paragraph("The loss never rose for good: there was no alarm.");
    }
    let marked = match drift.alarms > drift.first.len() as u64 {
        true => format!("The first {} stand", drift.first.len()),
        false => "They stand".to_owned(),
    };
    let mut out = paragraph(&format!(
        "{} alarms: places at which the loss had risen for good. {marked} in the curves above as upright lines; --alerts FILE \
         has every one.",
        count(drift.alarms)
    ));
    let row = |of: &AlarmSummary| {
        let AlarmSummary { record, time, detector, log_loss_before, log_loss_after } = of;
        let [before, after] = [log_loss_before, log_loss_after].map(|loss| format!("{loss:.4}"));
        vec![count(*record), time.clone().unwrap_or_default(), before, after, (*detector).to_owned()]
    };
    let head =
        [("record", Number), ("event time", Text), ("log loss before", Number), ("since", Number), ("found by", Text)];
    out.push_str(&table(&head, &drift.first.iter().take(MOST).map(row).collect::<Vec<_>>()));
    if drift.alarms > MOST as u64 {
        out.push_str(&paragraph(&format!("These are the first {MOST}.")));
    }
    let done = counted(&[
        ("the step was raised", drift.raised),
        ("rates began anew", drift.reset),
        ("a second learner was started", drift.shadows),
        ("the second learner took over", drift.adopted),
    ]);
    if !done.is_empty() {
        out.push_str(&table(&[("what was done", Text), ("times", Number)], &done));
    }
    out
}

/// Passes over records that had been learned before; nothing where there was one.
pub(super) fn later_passes(run: &Run<'_>) -> String {
    let all = &run.summary.later_passes;
    if all.is_empty() {
        return String::new();
    }
    let row = |of: &LaterPass| {
        vec![
            of.pass.to_string(),
            count(of.records),
            figure(of.log_loss_on_records_learned_before, 5),
            duration(of.elapsed_s),
            of.records_per_s.map(quantity).unwrap_or_default(),
        ]
    };
    let text = "The stream learned again. Its loss here is that of records that the model knows already: how closely it follows \
                them, and no measure of how good it is.";
    let head = [
        ("pass", Number),
        ("records", Number),
        ("log loss on known records", Number),
        ("time", Number),
        ("records/s", Number),
    ];
    paragraph(text) + &table(&head, &all.iter().take(MOST).map(row).collect::<Vec<_>>())
}
