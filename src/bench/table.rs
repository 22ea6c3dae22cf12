//! A report as text for a terminal: rooflines, a table a shape, crossovers, and what was skipped. It prints nothing.

use super::matrix::rule;
use super::result::{Along, Cell, Crossover, Measured, Outcome, Report, SOFTWARE};
use crate::report::number::{NOT_AVAILABLE, duration, quantity};

/// The whole report.
pub fn text(report: &Report) -> String {
    let mut out = head(report);
    out.push_str(&rooflines(report));
    for shape in shapes(report) {
        out.push_str(&of_shape(report, shape));
    }
    out.push_str(LEGEND);
    out.push_str(&crossovers(report));
    out.push_str(&skipped(report));
    report.notes.iter().for_each(|note| out.push_str(&format!("note: {note}\n")));
    out
}

const LEGEND: &str = "
  K: learners of the same stream; GB/s: features that crossed to the learner; % band: of what memory copies (CPU) or is
  uploaded (GPU); % parse: of the records one thread parses; us/step: where micro-batches follow each other; p50, p99:
  from a micro-batch handed in until its predictions are out, one at a time
";

/// The shapes, in the order in which they were measured.
pub(super) fn shapes(report: &Report) -> Vec<&'static str> {
    let mut shapes: Vec<&'static str> = report.cells.iter().map(|cell| cell.shape).collect();
    shapes.dedup();
    shapes
}

fn head(report: &Report) -> String {
    let machine = &report.machine;
    let took = duration(report.elapsed_s);
    let mut out = format!(
        "tidemill {} bench: {} cores, {} {}; {} cells in {took}\nmeasured: {}\n",
        report.tidemill,
        machine.cores,
        machine.os,
        machine.architecture,
        report.cells.len(),
        report.asked.extent.describe(),
    );
    for device in &report.devices {
        let remark = device.remark.map_or(String::new(), |remark| format!(" - {remark}"));
        out.push_str(&format!("  {:<7} {}{remark}\n", device.id, device.name));
    }
    out
}

fn rooflines(report: &Report) -> String {
    let mut out = String::from("\nrooflines, measured in the same run\n");
    let roof = &report.rooflines;
    let mut line = |what: &str, figure: String| out.push_str(&format!("  {what:<44} {figure}\n"));
    line("memory copied by one thread, read and written", format!("{} GB/s", figure(roof.memory_copy_gb_per_s)));
    for gpu in &roof.gpus {
        let software = report.device(&gpu.device).is_some_and(|device| device.software);
        let device = format!("{}{}", gpu.device, if software { " (software)" } else { "" });
        line(&format!("{device}, uploads by copy"), format!("{} GB/s", figure(gpu.upload_gb_per_s)));
        line(&format!("{device}, uploads to mapped memory"), format!("{} GB/s", figure(gpu.mapped_gb_per_s)));
        line(&format!("{device}, round trip"), format!("{} us", figure(gpu.round_trip_us)));
        gpu.failed.iter().for_each(|reason| line(&format!("{device} failed"), reason.clone()));
    }
    for parse in &roof.parse {
        let figure = format!("{} records/s, {} GB/s", quantity(parse.records_per_s), figure(Some(parse.gb_per_s)));
        line(&format!("{} parsed by one thread", parse.text), figure);
    }
    out
}

/// Three digits or so.
pub(super) fn figure(value: Option<f64>) -> String {
    match value {
        None => NOT_AVAILABLE.to_owned(),
        Some(x) if x >= 99.95 => format!("{x:.0}"),
        Some(x) if x >= 9.995 => format!("{x:.1}"),
        Some(x) if x >= 0.995 => format!("{x:.2}"),
        Some(x) => format!("{x:.3}"),
    }
}

/// What stands over the figures of a cell.
pub(super) const HEAD: [&str; 11] =
    ["K", "batch", "update", "device", "records/s", "GB/s", "% band", "% parse", "us/step", "p50 us", "p99 us"];

/// The figures of a cell.
pub(super) fn row(cell: &Cell, found: &Measured, device: String) -> [String; 11] {
    [
        cell.learners.to_string(),
        cell.batch.to_string(),
        rule(cell.update).to_owned(),
        device,
        quantity(found.records_per_s),
        figure(Some(found.gb_per_s)),
        figure(found.percent_of_bandwidth),
        figure(found.percent_of_parse),
        figure(Some(found.step_us)),
        figure(Some(found.latency_p50_us)),
        figure(Some(found.latency_p99_us)),
    ]
}

fn of_shape(report: &Report, shape: &str) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    for cell in report.cells.iter().filter(|cell| cell.shape == shape) {
        let software = report.device(&cell.device).is_some_and(|device| device.software);
        let device = format!("{}{}", cell.device, if software { " (software)" } else { "" });
        lines.extend(cell.measured().map(|found| row(cell, found, device)));
    }
    format!("\n{shape}\n{}", aligned(&lines))
}

/// Lines of fields, all to the right but the rule and the device.
fn aligned(lines: &[[String; 11]]) -> String {
    let mut widths = [0; 11];
    for line in lines {
        widths.iter_mut().zip(line).for_each(|(width, field)| *width = field.len().max(*width));
    }
    let mut out = String::new();
    for line in lines {
        for (at, (field, width)) in line.iter().zip(widths).enumerate() {
            let text = if (2..4).contains(&at) { format!("  {field:<width$}") } else { format!("  {field:>width$}") };
            out.push_str(&text);
        }
        out.push('\n');
    }
    out
}

fn crossovers(report: &Report) -> String {
    let mut out = String::from("\ncrossovers: from here on the GPU learns more records a second than the CPU\n");
    if report.crossovers.is_empty() {
        out.push_str("  none to tell: a CPU and a GPU have to be measured for that\n");
    }
    let (open, told): (Vec<_>, Vec<_>) = report.crossovers.iter().partition(|crossover| crossover.compared == 0);
    for crossover in told {
        let device = format!("{}{}", crossover.device, if crossover.software { " (software)" } else { "" });
        let case = format!("{}, {}, {}", crossover.shape, rule(crossover.update), along(crossover));
        out.push_str(&format!("  {device:<17} {case:<52} {}\n", verdict(crossover)));
    }
    if !open.is_empty() {
        out.push_str(&format!("  {} more are open, since their cells were skipped\n", open.len()));
    }
    if report.has_software() {
        out.push_str(&format!("  ({SOFTWARE}: no crossover of a software adapter says anything of a GPU)\n"));
    }
    out
}

/// What is varied, and what stands still.
pub(super) fn along(crossover: &Crossover) -> String {
    match crossover.along {
        Along::Batch => "micro-batches, 1 learner".to_owned(),
        Along::Learners { batch } => format!("learners, batch {batch}"),
    }
}

/// From where on, or that it is nowhere, or that nobody knows.
pub(super) fn verdict(crossover: &Crossover) -> String {
    let what = match crossover.along {
        Along::Batch => "--batch",
        Along::Learners { .. } => "K =",
    };
    match (crossover.compared, crossover.from) {
        (0, _) => "not measured".to_owned(),
        (_, Some(from)) => format!("from {what} {from} on; at best {} x the CPU", figure(crossover.best_ratio)),
        (_, None) => format!("never here; at best {} x the CPU", figure(crossover.best_ratio)),
    }
}

/// Each reason once, with the number of cells and what they have in common.
fn skipped(report: &Report) -> String {
    let groups = skipped_by_reason(report);
    let count: usize = groups.iter().map(|(_, cells)| cells.len()).sum();
    if count == 0 {
        return "\nno cell was skipped\n".to_owned();
    }
    let mut out = format!("\nskipped: {count} of {} cells (--json and --html name each)\n", report.cells.len());
    for (reason, cells) in groups {
        let of = |text: &dyn Fn(&Cell) -> String| distinct(cells.iter().map(|cell| text(cell)));
        let (devices, learners) = (of(&|cell| cell.device.clone()), of(&|cell| cell.learners.to_string()));
        let (shapes, rules) = (of(&|cell| cell.shape.to_owned()), of(&|cell| rule(cell.update).to_owned()));
        let count = cells.len();
        out.push_str(&format!("  {count} of {devices}; {shapes}; K = {learners}; {rules}:\n      {reason}\n"));
    }
    out.push('\n');
    out
}

/// Skipped cells by reason, in the order in which reasons came up.
pub(super) fn skipped_by_reason(report: &Report) -> Vec<(&str, Vec<&Cell>)> {
    let mut groups: Vec<(&str, Vec<&Cell>)> = Vec::new();
    for cell in &report.cells {
        let Outcome::Skipped { reason } = &cell.outcome else { continue };
        match groups.iter_mut().find(|(known, _)| known == reason) {
            Some((_, cells)) => cells.push(cell),
            None => groups.push((reason, vec![cell])),
        }
    }
    groups
}

/// The different ones, with a comma between them.
pub(super) fn distinct(texts: impl Iterator<Item = String>) -> String {
    let mut seen: Vec<String> = Vec::new();
    texts.for_each(|text| {
        if !seen.contains(&text) {
            seen.push(text);
        }
    });
    seen.join(", ")
}
