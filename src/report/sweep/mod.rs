//! A sweep as a page: takes its learners with their settings and how the best of them went, gives HTML that a browser shows
//! without network or script. It measures nothing. Sibling: `parallel` (settings against loss).

mod parallel;

use super::leaderboard::became;
use super::number::{NOT_AVAILABLE, count, duration, figure, percent, quantity};
use super::page::frame::{contents, named_section, page, paragraph, verbatim, warning};
use super::page::plot::{Axis, Line, Plot, Point, Stroke, figure as drawn};
use super::page::table::Column::{Number, Text};
use super::page::table::table;
use super::page::ticks::Scale;
use super::page::tiles::{Tile, tiles};
use super::run::curves::usual;
use crate::sink::sweep::{LearnerSummary, SweepSummary};

/// Learners of the table.
const MOST: usize = 100;
/// Learners whose curves are drawn.
pub const CURVES: usize = 10;

/// A sweep, as far as a page shows it.
#[derive(Debug)]
pub struct SweepRun<'a> {
    /// The command and what it read.
    pub title: String,
    /// Its figures, with every learner, the best first.
    pub summary: &'a SweepSummary,
    /// What each learner was given, by name, in the order of the summary.
    pub given: Vec<Vec<(&'static str, String)>>,
    /// Of the first learners, in the same order: labelled records, and the log loss around there.
    pub curves: Vec<Vec<(f64, f64)>>,
    /// What all learners have in common, as a job file has it.
    pub job: String,
}

/// The whole page.
pub fn html(run: &SweepRun<'_>) -> String {
    let parts = [
        ("parallel", "Settings against loss", parallel::html(run)),
        ("curves", "How the best ones went", curves(run)),
        ("leaderboard", "The best learners", leaderboard(run)),
        ("settings", "Settings in common", verbatim(&run.job)),
    ];
    let there: Vec<_> = parts.iter().filter(|(_, _, body)| !body.is_empty()).collect();
    let links: Vec<_> = there.iter().map(|&&(id, heading, _)| (id, heading)).collect();
    let mut body = headline(run) + &contents(&links);
    there.iter().for_each(|(id, heading, part)| body.push_str(&named_section(id, heading, part)));
    page(&run.title, &body)
}

fn headline(run: &SweepRun<'_>) -> String {
    let s = run.summary;
    let best = s.learners.first();
    let loss = best.and_then(|best| best.log_loss);
    let gain = match loss.zip(s.best_constant_log_loss) {
        Some((loss, best)) if best > 0.0 => {
            let word = if loss > best { "worse" } else { "better" };
            format!("{} {word} than the best constant, {best:.5}", percent((1.0 - loss / best).abs()))
        }
        _ => String::new(),
    };
    let possible = s.best_possible_log_loss.map(|best| format!("; best possible {best:.5}")).unwrap_or_default();
    let rate = s.records_per_s.map_or_else(|| NOT_AVAILABLE.to_owned(), quantity);
    let winner =
        best.map_or_else(String::new, |best| paragraph(&format!("Best: learner {}, {}.", best.number, best.given)));
    let learners = format!("{} dropped, {} diverged", count(s.dropped as u64), count(s.diverged as u64));
    let all = [
        Tile::new("best log loss", figure(loss, 5), gain + &possible),
        Tile::new("learners", count(s.learners.len() as u64), learners),
        Tile::new(
            "records",
            count(s.records),
            format!("{} labelled, {} rejected", count(s.labelled), count(s.rejected)),
        ),
        Tile::new("records a second", rate, format!("each by every learner, in {}", duration(s.elapsed_s))),
        Tile::new("device", s.device.clone(), format!("base rate {}", figure(s.base_rate, 5))),
    ];
    let text = "Log loss is the mean surprise of the labels, in nats: lower is better. Every learner saw the same records in the \
                same order, and predicted each before it learned it.";
    s.warnings.iter().map(|text| warning(text)).collect::<String>() + &winner + &tiles(&all) + &paragraph(text)
}

fn leaderboard(run: &SweepRun<'_>) -> String {
    let all = &run.summary.learners;
    let best = all.first().and_then(|best| best.log_loss);
    let row = |(learner, rank): (&LearnerSummary, usize)| {
        let behind = learner.log_loss.zip(best).map(|(loss, best)| format!("+{:.5}", loss - best));
        vec![
            rank.to_string(),
            learner.number.to_string(),
            figure(learner.log_loss, 6),
            behind.unwrap_or_default(),
            learner.given.clone(),
            became(learner),
        ]
    };
    let rows: Vec<_> = all.iter().zip(1..).take(MOST).map(row).collect();
    let head = [
        ("rank", Number),
        ("number", Number),
        ("log loss", Number),
        ("behind the best", Number),
        ("setting", Text),
        ("", Text),
    ];
    let more = match all.len().saturating_sub(MOST) {
        0 => String::new(),
        more => paragraph(&format!("And {} more, which are in --summary.", count(more as u64))),
    };
    table(&head, &rows) + &more
}

fn curves(run: &SweepRun<'_>) -> String {
    let mut lines = lines(run, |_, loss| Some(loss));
    let Some(longest) = lines.iter().flat_map(|line| &line.points).map(|point| point.x).max_by(f64::total_cmp) else {
        return String::new();
    };
    let best = run.curves.first();
    let behind = lines_behind(run, best);
    if let Some(constant) = run.summary.best_constant_log_loss {
        let points = [(0.0, constant), (longest, constant)].map(Point::at).into();
        lines.push(Line { name: "best constant".into(), colour: 2, stroke: Stroke::Thin, dots: false, points });
    }
    let plot = |title: &str, caption: &str, y: &str, lines: Vec<Line>| {
        let y = Axis { range: usual(&lines, true), ..Axis::new(y, Scale::Linear) };
        let x = Axis { range: Some((0.0, longest)), ..Axis::new("labelled records", Scale::Linear) };
        drawn(&Plot { title: title.into(), caption: caption.into(), x, y, lines, ..Plot::default() })
    };
    let of_each = "The log loss of each in stretches of the stream.";
    let of_others = "How much more each lost than the first in the same stretch. Below 0 it was the better one there: where lines \
                     cross, what is best depends on how much of the stream there is.";
    let all =
        plot("Log loss by stretch", of_each, "nats", lines) + &plot("Behind the best", of_others, "nats more", behind);
    format!("<div class=\"plots\">\n{all}</div>\n")
}

/// A line a learner, of what is made of its places and losses.
fn lines(run: &SweepRun<'_>, of: impl Fn(usize, f64) -> Option<f64>) -> Vec<Line> {
    const STROKES: [Stroke; 3] = [Stroke::Solid, Stroke::Dashed, Stroke::Dotted];
    let line = |at: usize, learner: &LearnerSummary, curve: &[(f64, f64)]| {
        let point = |(stretch, &(x, loss)): (usize, &(f64, f64))| Some(Point::at((x, of(stretch, loss)?)));
        Line {
            name: format!("{}: {}", at + 1, learner.given),
            colour: at,
            // No two of them have both in common.
            stroke: STROKES[(at / 6 + at) % 3],
            dots: false,
            points: curve.iter().enumerate().filter_map(point).collect(),
        }
    };
    let learners = run.summary.learners.iter().zip(&run.curves).enumerate();
    let lines = learners.map(|(at, (learner, curve))| line(at, learner, curve));
    lines.filter(|line| line.points.len() > 1).collect()
}

/// The same of what each lost more than the first.
fn lines_behind(run: &SweepRun<'_>, best: Option<&Vec<(f64, f64)>>) -> Vec<Line> {
    lines(run, |stretch, loss| best.and_then(|best| best.get(stretch)).map(|(_, least)| loss - least))
}
