//! How far a run had come: takes a checkpoint, gives a few lines on its records, inputs, outputs and figures.
//!
//! The model in it is shown by [`super::model`].

use std::path::Path;

use crate::checkpoint::{Checkpoint, Header, VERSION};
use crate::engine::Counts;
use crate::error::Result;
use crate::metric::Metrics;
use crate::record::Position;
use crate::report::number::{count, duration, figure};
use crate::sink::output::Written;

/// Inputs that are shown one by one, the last ones begun.
const SHOWN: usize = 10;

/// The text, each line ended.
pub(super) fn text(path: &Path, checkpoint: &Checkpoint) -> Result<String> {
    let Checkpoint { header, state } = checkpoint;
    let (mut counts, mut metrics, mut position) = (Counts::default(), Metrics::default(), Position::default());
    state.restore(&mut counts)?;
    state.restore(&mut metrics)?;
    state.restore(&mut position)?;
    let mut lines = vec![
        ("checkpoint", path.display().to_string()),
        ("layout", format!("version {VERSION}")),
        ("records", records(&counts)),
        ("waiting", waiting(checkpoint.waiting()?, header.settings.batch)),
    ];
    lines.extend(inputs(header, &position));
    lines.extend([
        ("predictions", written(header.predictions.as_ref())),
        ("rejected", written(header.rejected.as_ref())),
        ("log loss", figure(metrics.total.log_loss.mean(), 5)),
        ("AUC", figure(metrics.auc.value(), 5)),
        ("base rate", figure(metrics.total.calibration.base_rate(), 5)),
        ("elapsed", duration(header.elapsed().as_secs_f64())),
        ("device", header.device.clone()),
    ]);
    Ok(lines.into_iter().map(|(name, value)| format!("{name:<12}{value}\n")).collect())
}

fn records(counts: &Counts) -> String {
    let reasons: Vec<_> = counts.by_reason.iter().map(|(why, number)| format!("{} {number}", why.name())).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    format!("{} read, {} rejected{reasons}", count(counts.records), count(counts.rejected))
}

fn waiting(rows: u64, batch: usize) -> String {
    format!("{} of a micro-batch of {}", count(rows), count(batch as u64))
}

/// How many inputs have been begun, and where the last of them stand. The one begun last may have more to come: whether
/// a file has ended is not known before somebody looks again.
fn inputs(header: &Header, position: &Position) -> Vec<(&'static str, String)> {
    let names = &header.inputs;
    let begun = position.places.last().map_or(0, |place| place.source as usize + 1);
    let finished = begun.saturating_sub(1);
    let mut lines = vec![("inputs", format!("{finished} finished, {begun} begun, {} named", names.len()))];
    let earlier = position.places.len().saturating_sub(SHOWN);
    if earlier > 0 {
        lines.push(("", format!("{} more before these", count(earlier as u64))));
    }
    for place in &position.places[earlier..] {
        let at = place.source as usize;
        let name = names.get(at).map_or("an input that is not named", String::as_str);
        let bytes = count(place.offset);
        let so_far = if at < finished { "finished at byte" } else { "read up to byte" };
        lines.push(("", format!("{name}: {so_far} {bytes}")));
    }
    lines
}

fn written(output: Option<&Written>) -> String {
    match output {
        Some(Written::Bytes(length)) => format!("{} bytes", count(*length)),
        Some(Written::Stream) => "to a stream, which is not cut back".into(),
        None => "not written".into(),
    }
}
