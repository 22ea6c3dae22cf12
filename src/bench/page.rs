//! A report as a page: what to take from it first, then plots and figures of each shape, and what was skipped. It is one
//! file that needs nothing else.

use super::matrix::{BATCHES, LEARNERS, VARIED_AT, rule};
use super::result::{Cell, DeviceInfo, Measured, Report, SOFTWARE};
use super::table::{HEAD, along, distinct, figure, row, shapes, skipped_by_reason, verdict};
use crate::learner::Update;
use crate::report::number::{duration, quantity};
use crate::report::page::escape;
use crate::report::page::frame::{page, paragraph, section, warning};
use crate::report::page::plot::{self, Axis, Line, Plot, Point, Stroke};
use crate::report::page::table::Column::{Number, Text};
use crate::report::page::table::{Column, table};
use crate::report::page::ticks::Scale;

/// The whole page.
pub fn html(report: &Report) -> String {
    let mut body = head(report);
    body.push_str(&section("From where on is a GPU worth it?", &crossovers(report)));
    body.push_str(&section("What the machine does at best", &rooflines(report)));
    for shape in shapes(report) {
        body.push_str(&section(shape, &of_shape(report, shape)));
    }
    body.push_str(&section("What was not measured", &skipped(report)));
    body.push_str(&section("How to read this", &notes(report)));
    page(&format!("tidemill {} bench", report.tidemill), &body)
}

fn head(report: &Report) -> String {
    let (machine, took) = (&report.machine, duration(report.elapsed_s));
    let measured = report.cells.iter().filter(|cell| cell.measured().is_some()).count();
    let mut out = paragraph(&format!(
        "{} cores, {} {}; {measured} of {} cells measured in {took}.",
        machine.cores,
        machine.os,
        machine.architecture,
        report.cells.len(),
    ));
    if report.has_software() {
        out.push_str(&warning(&format!(
            "{SOFTWARE}. A device marked SOFTWARE below is the CPU in disguise: its figures say nothing of any GPU."
        )));
    }
    let row = |device: &DeviceInfo| vec![device.id.clone(), device.name.clone(), remark(device)];
    let rows: Vec<_> = report.devices.iter().map(row).collect();
    out + &table(&[("device", Text), ("name", Text), ("remark", Text)], &rows)
}

fn remark(device: &DeviceInfo) -> String {
    device.remark.unwrap_or_default().to_owned()
}

/// The label of a device that cells name.
fn label(report: &Report, id: &str) -> String {
    let software = report.device(id).is_some_and(|device| device.software);
    format!("{id}{}", if software { " SOFTWARE" } else { "" })
}

fn crossovers(report: &Report) -> String {
    let (open, told): (Vec<_>, Vec<_>) = report.crossovers.iter().partition(|crossover| crossover.compared == 0);
    if told.is_empty() {
        return paragraph("No case was measured both on a CPU and on a GPU, so there is nothing to tell.");
    }
    let row = |crossover: &&super::result::Crossover| {
        let shape = crossover.shape.to_owned();
        vec![
            shape,
            rule(crossover.update).to_owned(),
            verdict(crossover),
            along(crossover),
            label(report, &crossover.device),
        ]
    };
    let rows: Vec<_> = told.iter().map(row).collect();
    let head = [("shape", Text), ("update", Text), ("the GPU wins", Text), ("varied", Text), ("device", Text)];
    let mut out = table(&head, &rows);
    if !open.is_empty() {
        out.push_str(&paragraph(&format!("{} more are open: their cells were skipped, see below.", open.len())));
    }
    out
}

fn rooflines(report: &Report) -> String {
    let roof = &report.rooflines;
    let mut rows = vec![[
        "memory copied by one thread, read and written".to_owned(),
        figure(roof.memory_copy_gb_per_s),
        "GB/s".into(),
    ]];
    for gpu in &roof.gpus {
        let device = label(report, &gpu.device);
        rows.push([format!("{device}: uploads by copy"), figure(gpu.upload_gb_per_s), "GB/s".into()]);
        rows.push([format!("{device}: uploads to mapped memory"), figure(gpu.mapped_gb_per_s), "GB/s".into()]);
        rows.push([format!("{device}: round trip"), figure(gpu.round_trip_us), "us".into()]);
        rows.extend(gpu.failed.iter().map(|why| [format!("{device}: failed"), String::new(), why.clone()]));
    }
    for parse in &roof.parse {
        let what = format!("{} parsed by one thread", parse.text);
        rows.push([what.clone(), quantity(parse.records_per_s), "records/s".into()]);
        rows.push([what, figure(Some(parse.gb_per_s)), "GB/s".into()]);
    }
    table(&[("what", Text), ("figure", Number), ("unit", Text)], &vectors(rows))
}

/// Rows as the table wants them.
fn vectors<const N: usize>(rows: Vec<[String; N]>) -> Vec<Vec<String>> {
    rows.into_iter().map(Vec::from).collect()
}

fn of_shape(report: &Report, shape: &str) -> String {
    let cells: Vec<&Cell> =
        report.cells.iter().filter(|cell| cell.shape == shape && cell.measured().is_some()).collect();
    if cells.is_empty() {
        return paragraph("No cell of this shape was measured.");
    }
    let row = |cell: &&Cell| Some(row(cell, cell.measured()?, label(report, &cell.device)));
    let rows: Vec<_> = cells.iter().filter_map(row).collect();
    let column = |name| (name, if matches!(name, "update" | "device") { Text } else { Number });
    let head: Vec<(&str, Column)> = HEAD.map(column).into();
    format!("<div class=\"plots\">\n{}</div>\n{}", plots(report, &cells), table(&head, &vectors(rows)))
}

/// Along micro-batches for one learner, and along learners where more than one was measured.
fn plots(report: &Report, cells: &[&Cell]) -> String {
    let one: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.learners == 1).collect();
    let (batches, learners) = (BATCHES.map(|batch| batch as f64).to_vec(), LEARNERS.map(|k| k as f64).to_vec());
    let by_batch = |title: &str, y: &str, point: &dyn Fn(&Cell, &Measured) -> Point| {
        draw(report, &one, title, ("records of a micro-batch", batches.clone()), y, point)
    };
    let mut out = String::new();
    if !one.is_empty() {
        out.push_str(&by_batch("Records a second", "records/s", &|cell, found| rate(cell.batch, found, 1)));
        out.push_str(&by_batch("Latency of a micro-batch, p50 to p99", "us", &|cell, found| Point {
            x: cell.batch as f64,
            y: found.latency_p50_us,
            span: Some((found.latency_p50_us, found.latency_p99_us)),
        }));
    }
    for batch in VARIED_AT {
        let many: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.batch == batch).collect();
        if many.iter().any(|cell| cell.learners > 1) {
            let title = format!("Records a second times learners, batch {batch}");
            let point = |cell: &Cell, found: &Measured| rate(cell.learners, found, cell.learners);
            out.push_str(&draw(report, &many, &title, ("learners", learners.clone()), "records/s x K", &point));
        }
    }
    out
}

/// The rate of a cell with those of its slowest and fastest round.
fn rate(x: usize, found: &Measured, times: usize) -> Point {
    let times = times as f64;
    let span = Some((times * found.records_per_s_low, times * found.records_per_s_high));
    Point { x: x as f64, y: times * found.records_per_s, span }
}

/// A line a device and rule: the colour is the device's, `batch` is broken.
fn draw(
    report: &Report,
    cells: &[&Cell],
    title: &str,
    (x, marks): (&str, Vec<f64>),
    y: &str,
    point: &dyn Fn(&Cell, &Measured) -> Point,
) -> String {
    let mut lines = Vec::new();
    for (colour, device) in report.devices.iter().enumerate() {
        for update in [Update::Record, Update::Batch] {
            let of_line = |cell: &&&Cell| cell.device == device.id && cell.update == update;
            let points: Vec<Point> =
                cells.iter().filter(of_line).filter_map(|cell| Some(point(cell, cell.measured()?))).collect();
            if !points.is_empty() {
                let name = format!("{}, {}", label(report, &device.id), rule(update));
                let stroke = if update == Update::Batch { Stroke::Dashed } else { Stroke::Solid };
                lines.push(Line { name, colour, stroke, dots: true, points });
            }
        }
    }
    let axis = |name: &str, marks| Axis { marks, ..Axis::new(name, Scale::Log) };
    let (x, y) = (axis(x, marks), axis(y, Vec::new()));
    plot::figure(&Plot { title: title.to_owned(), x, y, lines, ..Plot::default() })
}

/// Every cell that was not measured, those of a reason together.
fn skipped(report: &Report) -> String {
    let groups = skipped_by_reason(report);
    if groups.is_empty() {
        return paragraph("Every cell was measured.");
    }
    let mut out = String::new();
    for (reason, cells) in groups {
        out.push_str(&format!("<p><strong>{}</strong></p>\n", escape(reason)));
        let mut rows: Vec<[String; 5]> = Vec::new();
        for cell in &cells {
            let alike = |other: &&&Cell| key(other) == key(cell);
            let batches = distinct(cells.iter().filter(alike).map(|cell| cell.batch.to_string()));
            let row =
                [cell.shape.into(), rule(cell.update).into(), cell.learners.to_string(), cell.device.clone(), batches];
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        let head = [("shape", Text), ("update", Text), ("K", Number), ("device", Text), ("batch", Text)];
        out.push_str(&table(&head, &vectors(rows)));
    }
    out
}

/// What skipped cells of one line have in common.
fn key(cell: &Cell) -> (&str, Update, usize, &str) {
    (cell.shape, cell.update, cell.learners, &cell.device)
}

fn notes(report: &Report) -> String {
    let mut out = paragraph(&format!("Measured was {}.", report.asked.extent.describe()));
    for text in READING {
        out.push_str(&paragraph(text));
    }
    report.notes.iter().for_each(|note| out.push_str(&paragraph(note)));
    out
}

const READING: [&str; 4] = [
    "Devices learn made-up micro-batches that are ready in memory; nothing is read or parsed but for the parser's own \
     roofline. Figures are medians over five rounds, and lines through points show the slowest and the fastest round.",
    "Dense shapes are rows of so many numbers; sparse ones have 39 hashed features a record, of a table with 2^20 or 2^24 \
     weights. K is the number of learners of the same stream.",
    "GB/s counts the bytes of features that crossed to the learner: rows of numbers, padded to a multiple of 16, and 8 bytes \
     a hashed feature. % band holds that against what memory carries while one thread copies, read and written, for the CPU, \
     and against the faster way of uploading for a GPU. % parse holds records against what one thread parses of text with the same features.",
    "us/step is the time of a micro-batch where they follow each other. p50 and p99 are the times from a micro-batch \
     handed in until its predictions are out, one at a time.",
];
