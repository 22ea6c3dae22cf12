//! What the predictions of a run were worth: takes the bins of their scores, gives calibration, a histogram by class, ROC,
//! precision-recall and gain curves, and a table of lift.

use super::Run;
use crate::metric::curves::{Curves, Group};
use crate::report::number::{count, figure, percent};
use crate::report::page::form::Form;
use crate::report::page::frame::paragraph;
use crate::report::page::plot::{self, Axis, Line, Plot, Point, Stroke};
use crate::report::page::table::Column::{Number, Text};
use crate::report::page::table::table;
use crate::report::page::ticks::Scale;

/// Groups of a calibration plot, and records that one has at least.
const GROUPS: usize = 12;
const FEWEST: f64 = 30.0;
/// Shares of the records for which lift is told.
const SHARES: [f64; 6] = [0.01, 0.05, 0.1, 0.2, 0.3, 0.5];

/// Plots, then tables.
pub(super) fn html(run: &Run<'_>) -> String {
    let bins = Curves(&run.metrics.auc.bins);
    let all: f64 = bins.totals().iter().sum();
    if all <= 0.0 {
        return String::new();
    }
    let groups = bins.groups(((all / FEWEST) as usize).clamp(1, GROUPS));
    let plots = [calibration(&groups), histogram(bins), roc(run, bins), precision_recall(run, bins), gain(bins)];
    let mut out = paragraph(
        "Over all labelled records of the run, each with the prediction that was made before its label was learned. Scores \
         are kept in bins of 1/256 of a logit.",
    );
    out.push_str(&format!("<div class=\"plots\">\n{}</div>\n", plots.concat()));
    out + &groups_table(&groups) + &lift(bins)
}

fn calibration(groups: &[Group]) -> String {
    let point = |group: &Group| Point { x: group.predicted, y: group.observed(), span: Some(group.interval()) };
    let points: Vec<Point> = groups.iter().map(point).collect();
    let low = groups.first().map_or(0.0, |group| group.predicted);
    let high = groups.iter().map(|group| group.predicted.max(group.observed())).fold(0.0, f64::max);
    // Rare positives would all lie in one corner.
    let is_rare = high < 0.3 && high > 20.0 * low && low > 0.0;
    let scale = if is_rare { Scale::Log } else { Scale::Linear };
    let range = if is_rare {
        Scale::Log.range([low, high].into_iter())
    } else {
        (0.0, if high > 0.5 { 1.0 } else { 1.2 * high })
    };
    let diagonal = [range.0, range.1].map(|at| Point::at((at, at))).into();
    let axis = |name| Axis { range: Some(range), form: Form::Percent, ..Axis::new(name, scale) };
    let lines = vec![
        Line { name: "as predicted".into(), colour: 2, stroke: Stroke::Thin, points: diagonal, ..Line::default() },
        Line {
            name: "a group of records, with its 95 % interval".into(),
            stroke: Stroke::None,
            dots: true,
            points,
            ..Line::default()
        },
    ];
    let caption = "Records in groups of about equal size by their predictions: where 20 % was said, 20 % should have happened. \
                   Dots above the line are predictions that were too low.";
    draw("Calibration", caption, axis("predicted"), axis("observed share of positives"), lines)
}

fn histogram(bins: Curves<'_>) -> String {
    let narrow = bins.histogram(4);
    let (per_unit, bars) = if narrow.len() < 16 { (16, bins.histogram(16)) } else { (4, narrow) };
    let width = 1.0 / f64::from(per_unit);
    let outline = |class: usize| {
        let tops = bars.iter().flat_map(|(at, of)| [(*at, of[class]), (at + width, of[class])]);
        let ends = bars.first().zip(bars.last());
        let begin = ends.map(|(first, _)| (first.0, 0.0));
        let end = ends.map(|(_, last)| (last.0 + width, 0.0));
        begin.into_iter().chain(tops).chain(end).map(Point::at).collect::<Vec<_>>()
    };
    let line = |name: &str, class, stroke| Line {
        name: name.into(),
        colour: class,
        stroke,
        dots: false,
        points: outline(class),
    };
    let lines = vec![line("negatives", 0, Stroke::Solid), line("positives", 1, Stroke::Dashed)];
    let caption = "The share of each class by what was predicted for it: the further apart, the better the model tells them apart.";
    let x = Axis {
        form: Form::Logit,
        range: ends(&bars, width),
        ..Axis::new("prediction, on a scale of logits", Scale::Linear)
    };
    draw(
        "Scores by class",
        caption,
        x,
        Axis { form: Form::Percent, ..Axis::new("share of the class", Scale::Linear) },
        lines,
    )
}

/// From the first bar to the last.
fn ends(bars: &[(f64, [f64; 2])], width: f64) -> Option<(f64, f64)> {
    bars.first().zip(bars.last()).map(|(first, last)| (first.0, last.0 + width))
}

fn points(of: Vec<(f64, f64)>) -> Vec<Point> {
    of.into_iter().map(Point::at).collect()
}

/// An axis of shares from nothing to all.
fn share(name: &str) -> Axis {
    Axis { range: Some((0.0, 1.0)), form: Form::Percent, ..Axis::new(name, Scale::Linear) }
}

fn thin(name: &str, ends: [(f64, f64); 2]) -> Line {
    Line { name: name.into(), colour: 2, stroke: Stroke::Thin, dots: false, points: ends.map(Point::at).into() }
}

fn roc(run: &Run<'_>, bins: Curves<'_>) -> String {
    let name = format!("this run, area {}", figure(run.summary.auc, 5));
    let line = Line { name, points: points(bins.roc()), ..Line::default() };
    if line.points.is_empty() {
        return String::new();
    }
    let caption = "Each threshold lets through some of the positives (upwards) and some of the negatives (to the right). The area \
                   below is the AUC.";
    let lines = vec![line, thin("chance", [(0.0, 0.0), (1.0, 1.0)])];
    draw("ROC", caption, share("negatives let through"), share("positives let through"), lines)
}

fn precision_recall(run: &Run<'_>, bins: Curves<'_>) -> String {
    let line = Line { name: "this run".into(), points: points(bins.precision_recall()), ..Line::default() };
    if line.points.is_empty() {
        return String::new();
    }
    let base = run.summary.base_rate.unwrap_or_default();
    let caption = "Of what a threshold lets through, the share that is positive (precision), against the share of all positives \
                   that it finds (recall). It tells more than ROC where positives are rare.";
    let high = line.points.iter().map(|point| point.y).fold(base, f64::max);
    let range = if high < 0.3 { Scale::Linear.range([0.0, high].into_iter()) } else { (0.0, 1.0) };
    let y = Axis { range: Some(range), ..share("precision") };
    let lines = vec![line, thin("chance: the base rate", [(0.0, base), (1.0, base)])];
    draw("Precision and recall", caption, share("recall"), y, lines)
}

fn gain(bins: Curves<'_>) -> String {
    let line = Line { name: "by score".into(), points: points(bins.gain()), ..Line::default() };
    if line.points.is_empty() {
        return String::new();
    }
    let caption = "Taking the records with the highest scores first, how many of the positives are found.";
    let lines = vec![line, thin("in any order", [(0.0, 0.0), (1.0, 1.0)])];
    draw("Gain", caption, share("records taken"), share("positives found"), lines)
}

fn draw(title: &str, caption: &str, x: Axis, y: Axis, lines: Vec<Line>) -> String {
    plot::figure(&Plot { title: title.into(), caption: caption.into(), x, y, lines, ..Plot::default() })
}

fn groups_table(groups: &[Group]) -> String {
    let row = |group: &Group| {
        let (low, high) = group.interval();
        vec![
            format!("{} to {}", digits(group.range.0), digits(group.range.1)),
            count(group.weight.round() as u64),
            digits(group.predicted),
            digits(group.observed()),
            format!("{} to {}", digits(low), digits(high)),
        ]
    };
    let head = [
        ("predictions from", Text),
        ("weight", Number),
        ("mean predicted", Number),
        ("observed", Number),
        ("95 % interval", Number),
    ];
    let rows: Vec<_> = groups.iter().map(row).collect();
    format!("<h3>Calibration by group</h3>\n{}", table(&head, &rows))
}

/// A share with the digits that rare ones need.
fn digits(share: f64) -> String {
    if share >= 0.1 { format!("{share:.3}") } else { format!("{share:.5}") }
}

fn lift(bins: Curves<'_>) -> String {
    let row = |share: f64| {
        let found = bins.gain_at(share)?;
        let records = bins.totals().iter().sum::<f64>() * share;
        Some(vec![percent(share), count(records.round() as u64), percent(found), format!("{:.2}", found / share)])
    };
    let rows: Vec<_> = SHARES.into_iter().filter_map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = [("highest scores", Text), ("weight", Number), ("of all positives", Number), ("lift", Number)];
    let text = "Lift is how many times as many positives are among these records as among as many picked at random.";
    format!("<h3>Lift</h3>\n{}{}", paragraph(text), table(&head, &rows))
}
