//! What to take from a run first: warnings, and its figures with what to hold against them.

use super::Run;
use crate::learner::Update;
use crate::report::number::{NOT_AVAILABLE, bytes, count, duration, figure, percent, quantity};
use crate::report::page::frame::{paragraph, warning};
use crate::report::page::tiles::{Tile, tiles};
use crate::report::summary::labelled;
use crate::sink::summary::Summary;

/// Warnings, then figures.
pub(super) fn html(run: &Run<'_>) -> String {
    let s = run.summary;
    let mut out: String = s.warnings.iter().map(|text| warning(text)).collect();
    out.push_str(&tiles(&[log_loss(s), auc(s), calibration(s), brier(s), records(s), speed(s), device(s)]));
    out.push_str(&paragraph(
        "Log loss is the mean surprise of the labels, in nats: 0 is certain and right, 0.69 is a coin. Every record was \
         predicted before its label was learned, so these figures are of records that the model had not seen.",
    ));
    out
}

fn log_loss(s: &Summary) -> Tile {
    let constant = figure(s.best_constant_log_loss, 5);
    let beside = match s.log_loss.zip(s.best_constant_log_loss) {
        Some((loss, best)) if best > 0.0 => {
            let gain = 1.0 - loss / best;
            let word = if gain < 0.0 { "worse" } else { "better" };
            format!("{} {word} than the best constant, {constant}", percent(gain.abs()))
        }
        _ => format!("best constant {constant}"),
    };
    let possible = s.best_possible_log_loss.map(|best| format!("; best possible {best:.5}")).unwrap_or_default();
    Tile::new("log loss", figure(s.log_loss, 5), beside + &possible)
}

fn auc(s: &Summary) -> Tile {
    let within = |error: f64| format!("within {:.5}; 0.5 is chance, 1 is perfect", (error * 1e5).ceil() / 1e5);
    Tile::new("AUC", figure(s.auc, 5), s.auc_error.map_or_else(String::new, within))
}

fn calibration(s: &Summary) -> Tile {
    let rate = format!("1 is right; base rate {}", figure(s.base_rate, 5));
    Tile::new("predicted / observed", figure(s.predicted_over_observed, 3), rate)
}

fn brier(s: &Summary) -> Tile {
    Tile::new("Brier score", figure(s.brier, 5), format!("accuracy {}", figure(s.accuracy, 5)))
}

fn records(s: &Summary) -> Tile {
    let beside = format!("{}, {} rejected", labelled(s), count(s.rejected));
    Tile::new("records predicted", count(s.records), beside)
}

fn speed(s: &Summary) -> Tile {
    let rate = s.records_per_s.map_or_else(|| NOT_AVAILABLE.to_owned(), quantity);
    let read = s.bytes_per_s.map_or_else(String::new, |rate| format!(", {}/s", bytes(rate)));
    Tile::new("records a second", rate, format!("{} in {}{read}", bytes(s.bytes as f64), duration(s.elapsed_s)))
}

fn device(s: &Summary) -> Tile {
    let name = if s.device.is_empty() { NOT_AVAILABLE.to_owned() } else { s.device.clone() };
    let unit = if s.update == Update::Record { "record" } else { "batch" };
    let learned = if s.frozen { "nothing learned; model".into() } else { format!("{} updates;", count(s.updates)) };
    Tile::new("device", name, format!("{learned} version {}, update {unit}", count(s.model_version)))
}
