//! The segments of a run: takes their figures, gives a table a column of segments, the largest first, and the worst.

use super::{Run, short};
use crate::report::number::{count, figure};
use crate::report::page::escape;
use crate::report::page::frame::paragraph;
use crate::report::page::table::Column::{Number, Text};
use crate::report::page::table::table;
use crate::sink::told::SegmentSummary;

/// Segments of a column that are shown.
const MOST: usize = 40;

/// A table a column; nothing where metrics are not told apart.
pub(super) fn html(run: &Run<'_>) -> String {
    let all = &run.summary.segments;
    if all.is_empty() {
        return String::new();
    }
    let mut columns: Vec<&str> = all.iter().map(|segment| segment.column.as_str()).collect();
    columns.dedup();
    let text = "The same figures for the records of each value. A log loss far above the best constant beside it is a segment \
                that the model gets wrong; predicted / observed says in which direction.";
    let tables: String = columns.into_iter().map(|column| of_column(all, column)).collect();
    paragraph(text) + &tables
}

fn of_column(all: &[SegmentSummary], column: &str) -> String {
    let mut of_column: Vec<_> = all.iter().filter(|segment| segment.column == column).collect();
    let number = of_column.len();
    of_column.sort_by_key(|segment| std::cmp::Reverse(segment.figures.records)); // stable
    of_column.truncate(MOST);
    let rows: Vec<_> = of_column.iter().map(|segment| row(segment)).collect();
    let head = [
        ("value", Text),
        ("records", Number),
        ("labelled", Number),
        ("base rate", Number),
        ("log loss", Number),
        ("best constant", Number),
        ("AUC", Number),
        ("predicted / observed", Number),
    ];
    let more = match number.saturating_sub(rows.len()) {
        0 => String::new(),
        more => paragraph(&format!(
            "The {} with the most records; {} more are in --summary.",
            rows.len(),
            count(more as u64)
        )),
    };
    format!("<h3>{}</h3>\n{}{more}", escape(&short(column)), table(&head, &rows))
}

fn row(segment: &SegmentSummary) -> Vec<String> {
    let of = &segment.figures;
    vec![
        short(&segment.value),
        count(of.records),
        count(of.labelled),
        figure(of.base_rate, 4),
        figure(of.log_loss, 5),
        figure(of.best_constant_log_loss, 5),
        figure(of.auc, 4),
        figure(of.predicted_over_observed, 3),
    ]
}
