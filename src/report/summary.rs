//! The summary as text: takes the struct that is also written as JSON, gives at most 25 lines or so for people.
//!
//! The loss never stands alone: what a constant would have lost, the unit of learning and the batch are beside it.

use std::fmt::Write;

use super::number::{NOT_AVAILABLE, bytes, count, duration, figure, percent, quantity};
use super::told::told;
use super::verdict::{is_short, verdict};
use crate::learner::Update;
use crate::metric::quality::Quality;
use crate::sink::summary::{LaterPass, Summary, WindowFeatures};

/// Later passes that are shown.
const MOST_PASSES: usize = 5;

/// The text of a summary, each line ended.
///
/// ```
/// # use tidemill::learner::{Optimizer, Penalty, Settings, Update};
/// # use tidemill::{metric::Metrics, sink::summary::Summary};
/// # let settings = Settings {
/// #     update: Update::Batch, optimizer: Optimizer::AdaGrad { learning_rate: 0.1 }, penalty: Penalty::NONE,
/// #     batch: 256, hash_bits: 18, frozen: false,
/// # };
/// let summary = Summary::new(&settings, &Metrics::default());
/// assert!(tidemill::report::summary::text(&summary).starts_with("0 records in 0.00 s"));
/// ```
pub fn text(summary: &Summary) -> String {
    let blocks = [headline, figures, setup, later_passes, told, stages, remarks].map(|block| block(summary));
    let shown: Vec<String> = blocks.into_iter().filter(|block| !block.is_empty()).collect();
    shown.join("\n")
}

fn headline(s: &Summary) -> String {
    let mut line = format!("{} records in {}", count(s.read()), duration(s.elapsed_s));
    if let (Some(records), Some(rate)) = (s.records_per_s, s.bytes_per_s) {
        append(&mut line, format_args!(": {} records/s, {}/s", quantity(records), bytes(rate)));
    }
    line + "\n"
}

/// What the predictions were worth: a figure on the left, what to hold against it on the right.
fn figures(s: &Summary) -> String {
    let within = |error: f64| format!("binned: within {:.5} of the exact value", (error * 1e5).ceil() / 1e5);
    let ratio = figure(s.predicted_over_observed, 3);
    let mut rows = vec![
        ("log loss", figure(s.log_loss, 5), against_constant(s)),
        ("AUC", figure(s.auc, 5), s.auc_error.map_or(String::new(), within)),
        ("PR-AUC", figure(s.quality.pr_auc, 5), s.quality.pr_auc_error.map_or(String::new(), within)),
        ("Brier", figure(s.brier, 5), format!("predicted / observed {ratio}, ECE {}", figure(s.quality.ece, 3))),
        ("accuracy", figure(s.accuracy, 5), format!("base rate {}{}", figure(s.base_rate, 5), kappas(s))),
        ("F1", figure(s.quality.f1, 5), at_threshold(s)),
    ];
    if s.labelled > s.fading.half_life {
        rows.insert(1, ("lately", figure(s.fading.log_loss, 5), lately(s)));
    }
    if let Some(best) = s.best_possible_log_loss {
        rows.insert(1, ("", String::new(), format!("best possible {best:.5}, for whoever knows the true weights")));
    }
    rows.iter()
        .map(|(name, value, beside)| format!("{:<12}{value:<11}{beside}", name).trim_end().to_owned() + "\n")
        .collect()
}

/// The log loss with older labels counting less.
fn lately(s: &Summary) -> String {
    let of = &s.fading;
    let (entropy, half_life) = (figure(of.normalized_entropy, 3), count(of.half_life));
    format!("{entropy} of its best constant's; a label counts half after {half_life} more")
}

/// Agreement beyond chance, and beyond what needs no model.
fn kappas(s: &Summary) -> String {
    let Quality { kappa: Some(kappa), kappa_majority, .. } = s.quality else { return String::new() };
    let [majority, no_change] = [kappa_majority, s.kappa_no_change].map(|of| figure(of, 3));
    format!("; kappa {kappa:.3}, against the majority {majority}, no change {no_change}")
}

fn at_threshold(s: &Summary) -> String {
    let Quality { threshold, precision, recall, mcc, .. } = s.quality;
    let [precision, recall, mcc] = [precision, recall, mcc].map(|of| figure(of, 4));
    format!(
        "at {}: precision {precision}, recall {recall}, MCC {mcc}",
        figure(Some(threshold), 4).trim_end_matches('0')
    )
}

fn against_constant(s: &Summary) -> String {
    let constant = figure(s.best_constant_log_loss, 5);
    match s.log_loss.zip(s.best_constant_log_loss) {
        Some((loss, best)) if best > 0.0 => {
            let gain = 1.0 - loss / best;
            let word = if gain < 0.0 { "worse" } else { "better" };
            format!("best constant {constant}, {} {word}", percent(gain.abs()))
        }
        _ => format!("best constant {constant}"),
    }
}

/// What was read and how it was learned.
fn setup(s: &Summary) -> String {
    let unit = match s.update {
        Update::Record => "record",
        Update::Batch => "batch",
    };
    let mut learned = format!("{}, learning rate {}", s.optimizer, s.learning_rate);
    for (name, penalty) in [("l1", s.l1), ("l2", s.l2)] {
        if penalty != 0.0 {
            append(&mut learned, format_args!(", {name} {penalty}"));
        }
    }
    let why = if s.device_reason.is_empty() { String::new() } else { format!(": {}", s.device_reason) };
    let mut text = String::new();
    let (labelled, updates) = (labelled(s), count(s.updates));
    append(
        &mut text,
        format_args!("records     {labelled}, {} rejected{}{}\n", count(s.rejected), by_reason(s), left_out(s)),
    );
    let updates = if s.frozen { "none: nothing is learned;".into() } else { updates + "," };
    append(&mut text, format_args!("updates     {updates} model version {}\n", count(s.model_version)));
    let whose = if s.frozen { "model" } else { "learner" };
    append(
        &mut text,
        format_args!("{whose:<12}update {unit}, batch {}, {learned}, 2^{} weights\n", s.batch, s.hash_bits),
    );
    append(
        &mut text,
        format_args!("device      {}{why}\n", if s.device.is_empty() { NOT_AVAILABLE } else { &s.device }),
    );
    if let Some(WindowFeatures { keys, bytes: size, evicted, expired }) = s.window_features {
        let [keys, expired, evicted] = [keys, expired, evicted].map(count);
        let size = bytes(size as f64);
        append(
            &mut text,
            format_args!(
                "windows     {keys} keys in {size}, {expired} left every window, {evicted} for want of room\n"
            ),
        );
    }
    text
}

/// How many predicted records had a label, and how many had none, if any.
pub(super) fn labelled(s: &Summary) -> String {
    let without = s.records.saturating_sub(s.labelled);
    let without = if without > 0 { format!(", {} without a label", count(without)) } else { String::new() };
    format!("{} labelled{without}", count(s.labelled))
}

fn left_out(s: &Summary) -> String {
    let all = [(s.filtered, "filtered out"), (s.duplicates, "duplicates"), (s.sampled_out, "sampled out")];
    all.iter().filter(|(of, _)| *of > 0).map(|(of, words)| format!(", {} {words}", count(*of))).collect()
}

/// The reasons of the rejected records, the most frequent first.
fn by_reason(s: &Summary) -> String {
    let mut reasons: Vec<_> = s.rejected_by_reason.iter().collect();
    reasons.sort_by_key(|&(name, &number)| (std::cmp::Reverse(number), *name));
    let named: Vec<String> = reasons.iter().map(|(name, number)| format!("{name} {}", count(**number))).collect();
    if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
}

/// Columns by the role that was inferred for them; the first names where there are many.
///
/// ```
/// let columns = [("hour", "categorical"), ("price", "numeric"), ("ad", "categorical")];
/// let columns = columns.map(|(name, role)| (name.to_owned(), role.to_owned()));
/// assert_eq!(tidemill::report::summary::inferred(&columns), "categorical hour, ad; numeric price");
/// ```
pub fn inferred(columns: &[(String, String)]) -> String {
    const SHOWN: usize = 8;
    let mut roles: Vec<&str> = Vec::new();
    for (_, role) in columns {
        if !roles.contains(&role.as_str()) {
            roles.push(role);
        }
    }
    let of_role = |role: &&str| {
        let names: Vec<&str> = columns.iter().filter(|c| c.1 == **role).map(|c| c.0.as_str()).collect();
        let more = names.len().saturating_sub(SHOWN);
        let shown = names[..names.len() - more].join(", ");
        if more == 0 { format!("{role} {shown}") } else { format!("{role} {shown} and {} more", count(more as u64)) }
    };
    roles.iter().map(of_role).collect::<Vec<_>>().join("; ")
}

/// What the passes behind the first came to; of many, the last ones.
fn later_passes(s: &Summary) -> String {
    let more = s.later_passes.len().saturating_sub(MOST_PASSES);
    let mut text = String::new();
    for LaterPass { pass, log_loss_on_records_learned_before: loss, records_per_s, .. } in &s.later_passes[more..] {
        let rate = records_per_s.map_or_else(|| NOT_AVAILABLE.to_owned(), quantity);
        let (name, loss) = (format!("pass {pass}"), figure(*loss, 5));
        append(
            &mut text,
            format_args!("{name:<12}log loss {loss} on records that had been learned before, {rate} records/s\n"),
        );
    }
    if !text.is_empty() {
        text += "            how closely the model follows what it knows: no measure of how good it is\n";
    }
    text
}

/// Where the time went, and the verdict; of a short run there is nothing to tell.
fn stages(s: &Summary) -> String {
    if s.stages.is_empty() {
        return String::new();
    }
    let sentence = verdict(&s.stages, s.cores).1 + "\n";
    if is_short(&s.stages) {
        return sentence;
    }
    let mut text = format!("{:<12}{:>7} {:>8} {:>8} {:>8}\n", "stage", "threads", "busy", "starved", "blocked");
    for (name, time) in &s.stages {
        let [busy, starved, blocked] = [time.busy(), time.starved(), time.blocked()].map(percent);
        append(&mut text, format_args!("{name:<12}{:>7} {busy:>8} {starved:>8} {blocked:>8}\n", time.threads));
    }
    text + &sentence
}

fn remarks(s: &Summary) -> String {
    let advice = s.features.iter().filter_map(|features| features.advice.as_ref());
    let advice = advice.map(|advice| format!("advice: {advice}\n"));
    s.warnings.iter().map(|warning| format!("warning: {warning}\n")).chain(advice).collect()
}

fn append(text: &mut String, piece: std::fmt::Arguments) {
    let _ = text.write_fmt(piece); // a String takes everything
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::sink::summary::StageTime;
    use crate::sink::summary::tests::summary_of;

    pub(in crate::report) fn full() -> Summary {
        let mut summary = summary_of(&[2.0, -1.0, 0.5, -3.0], &[1.0, 0.0, 0.0, 0.0]);
        (summary.records, summary.labelled, summary.rejected) = (1_234_567, 1_234_567, 12);
        (summary.updates, summary.model_version) = (1_234_567, 2_469_134);
        summary.rejected_by_reason = [("field_count", 2), ("not_a_number", 10)].into();
        summary.best_possible_log_loss = Some(0.21);
        summary.device = "cpu".into();
        summary.device_reason = "no GPU adapter was found".into();
        summary.l2 = 1e-6;
        summary.inferred_columns = [("click", "label"), ("age", "numeric"), ("site", "categorical")]
            .map(|(name, role)| (name.to_owned(), role.to_owned()))
            .into();
        let time = |busy_s, starved_s, blocked_s, threads| StageTime { busy_s, starved_s, blocked_s, threads };
        summary.stages = vec![
            ("source".into(), time(0.2, 0.0, 2.8, 1)),
            ("ingest".into(), time(5.82, 0.06, 0.12, 2)),
            ("engine".into(), time(0.9, 2.1, 0.0, 1)),
            ("learner".into(), time(1.5, 1.5, 0.0, 1)),
            ("sink".into(), time(0.02, 2.98, 0.0, 1)),
        ];
        summary.warnings = vec!["something to know".into()];
        let advice = Some("something to do".into());
        summary.features = Some(crate::dictionary::shown::Shown { advice, ..Default::default() });
        summary.timed(3.0, 184_000_000)
    }

    #[test]
    fn a_full_summary_reads_like_this() {
        assert_eq!(
            text(&full()),
            "\
1,234,579 records in 3.00 s: 412 k records/s, 61.3 MB/s

log loss    0.36571    best constant 0.56234, 35 % better
                       best possible 0.21000, for whoever knows the true weights
lately      0.36571    0.650 of its best constant's; a label counts half after 100,000 more
AUC         1.00000    binned: within 0.00000 of the exact value
PR-AUC      1.00000    binned: within 0.00000 of the exact value
Brier       0.11906    predicted / observed 1.820, ECE 0.265
accuracy    0.75000    base rate 0.25000; kappa 0.500, against the majority 0.000, no change 0.500
F1          0.66667    at 0.5: precision 0.5000, recall 1.0000, MCC 0.5774

records     1,234,567 labelled, 12 rejected (not_a_number 10, field_count 2)
updates     1,234,567, model version 2,469,134
learner     update record, batch 256, adagrad, learning rate 0.1, l2 0.000001, 2^18 weights
device      cpu: no GPU adapter was found

stage       threads     busy  starved  blocked
source            1    6.7 %      0 %     93 %
ingest            2     97 %    1.0 %    2.0 %
engine            1     30 %     70 %      0 %
learner           1     50 %     50 %      0 %
sink              1    0.7 %     99 %      0 %
parse-bound: the 2 ingest threads were busy 97 % of the time; more cores or a binary format would help

warning: something to know
advice: something to do
"
        );
    }

    #[test]
    fn a_run_over_nothing_has_no_figures_and_no_blank_blocks() {
        let text = text(&summary_of(&[], &[]));
        assert!(text.contains("log loss    n.a.       best constant n.a.\n"), "{text}");
        assert!(text.contains("device      n.a.\n"), "{text}");
        assert!(!text.contains("\n\n\n") && !text.contains("stage"), "{text}");
    }

    #[test]
    fn a_later_pass_says_that_its_loss_measures_nothing() {
        let mut summary = full();
        assert!(!text(&summary).contains("pass "));
        summary.later_passes = (2..9)
            .map(|pass| LaterPass {
                pass,
                records: 10,
                log_loss_on_records_learned_before: Some(0.25),
                elapsed_s: 1.0,
                records_per_s: Some(5.12e6),
            })
            .collect();
        let text = text(&summary);
        let shown = "\n\npass 4      log loss 0.25000 on records that had been learned before, 5.12 M records/s\n";
        assert!(text.contains(shown) && text.contains("no measure of how good"), "{text}");
    }

    #[test]
    fn a_short_run_has_no_table_of_stages() {
        let mut summary = full();
        let time = StageTime { busy_s: 0.05, starved_s: 0.01, blocked_s: 0.0, threads: 1 };
        summary.stages = vec![("source".into(), time), ("engine".into(), time)];
        let text = text(&summary);
        assert!(text.contains("\n\ntoo short to say what held it up\n") && !text.contains("busy"), "{text}");
    }

    #[test]
    fn predicting_shows_how_the_model_has_learned() {
        let mut summary = full();
        summary.frozen = true;
        let text = text(&summary);
        assert!(
            text.contains("\nmodel       update record, batch 256, adagrad") && !text.contains("learner     up"),
            "{text}"
        );
        assert!(text.contains("\nupdates     none: nothing is learned; model version 2,469,134\n"), "{text}");
    }

    #[test]
    fn of_many_inferred_columns_the_first_are_named() {
        let columns: Vec<_> =
            (0..1012).map(|i| (format!("c{i}"), if i < 2 { "label" } else { "numeric" }.into())).collect();
        assert_eq!(inferred(&columns), "label c0, c1; numeric c2, c3, c4, c5, c6, c7, c8, c9 and 1,002 more");
    }
}
