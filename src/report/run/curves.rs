//! How a run went: takes its course, gives plots of log loss, ranking and rates over records and over event time.

use super::Run;
use crate::metric::cell::Cell;
use crate::metric::course::Stretches;
use crate::metric::windows::line::Figures;
use crate::report::number::count;
use crate::report::page::form::Form;
use crate::report::page::frame::{paragraph, warning};
use crate::report::page::plot::{Axis, Line, Plot, Point, Stroke, figure};
use crate::report::page::ticks::Scale;
use crate::timestamp::written_duration;

/// Windows of a plot, at most: each has room for a dot.
const WINDOWS: i64 = 48;

/// A stretch of the axis and what it came to, alone and with all before it.
struct Window {
    from: i64,
    until: i64,
    own: Figures,
}

/// What is drawn over one axis.
struct Drawn {
    axis: Axis,
    windows: Vec<Window>,
    /// The end of each stretch, and the figures of all up to there.
    so_far: Vec<(i64, Figures)>,
    events: Vec<f64>,
}

/// Over the number of the record.
pub(super) fn over_records(run: &Run<'_>) -> String {
    let Some(course) = run.course.filter(|_| run.summary.labelled > 0) else { return String::new() };
    let events = run.alarms.iter().map(|alarm| alarm.record as f64).collect();
    let mut drawn = Drawn::of(&course.records, Axis::new("records", Scale::Linear), events);
    let mut out = String::new();
    if course.behind > 0 {
        out.push_str(&warning(&format!(
            "The curves begin behind record {}: the checkpoint that this run goes on from was made without --report.",
            count(course.behind)
        )));
    }
    // Records that waited in the checkpoint for their micro-batch come behind it.
    let Some(first) = drawn.windows.first().map(|window| window.from) else { return out };
    let behind = i64::try_from(course.behind).map_or(first, |behind| behind.min(first));
    drawn.axis.range = Some((behind as f64, drawn.end().min(run.summary.read()) as f64));
    out.push_str(&paragraph(&format!(
        "Each dot is a window of {} records on its own; the line without dots is all records so far, and ends in the figures \
         above. A dot below the line is a stretch that went better than what was before it.{}",
        count(drawn.span()),
        late(run)
    )));
    out + &plots(run, &drawn)
}

/// Over event time.
pub(super) fn over_time(run: &Run<'_>) -> String {
    let Some(course) = run.course.filter(|course| run.summary.labelled > 0 && course.times.cells().count() > 1) else {
        return String::new();
    };
    let axis = Axis { form: Form::Time, ..Axis::new("event time, UTC", Scale::Linear) };
    let events = run.alarms.iter().filter_map(|alarm| alarm.time).map(|time| time as f64).collect();
    let mut drawn = Drawn::of(&course.times, axis, events);
    let (from, until, beyond) = inner(&course.times);
    drawn.axis.range = Some((from as f64, until as f64));
    let mut text = format!(
        "The same by when things happened: each dot is a window of {}, aligned to 1970.",
        written_duration(drawn.span() as i64)
    );
    if beyond > 0 {
        text += &format!(" {} records lie far away in time, beyond the edges.", count(beyond));
    }
    paragraph(&text) + &plots(run, &drawn)
}

/// Where labels that came late are.
fn late(run: &Run<'_>) -> &'static str {
    if run.summary.late_labels.is_none() { "" } else { " A label that came late counts where its record stands." }
}

impl Drawn {
    fn of(stretches: &Stretches, axis: Axis, events: Vec<f64>) -> Self {
        let (from, until, _) = inner(stretches);
        let together = (until.abs_diff(from) / stretches.step.unsigned_abs() / WINDOWS.unsigned_abs()) as i64 + 1;
        let width = stretches.step.saturating_mul(together);
        let (mut windows, mut so_far) = (Vec::<(i64, Cell)>::new(), Vec::new());
        let mut all = Cell::default();
        for (start, cell) in stretches.cells() {
            all.merge(cell);
            so_far.push((start.saturating_add(stretches.step), Figures::of(&all)));
            let begin = start.div_euclid(width).saturating_mul(width);
            match windows.last_mut() {
                Some((last, window)) if *last == begin => window.merge(cell),
                _ => windows.push((begin, cell.clone())),
            }
        }
        let window = |(from, cell): &(i64, Cell)| Window {
            from: *from,
            until: from.saturating_add(width),
            own: Figures::of(cell),
        };
        Self { axis, windows: windows.iter().map(window).collect(), so_far, events }
    }

    /// Where the last stretch ends.
    fn end(&self) -> u64 {
        self.so_far.last().map_or(1, |(end, _)| end.unsigned_abs())
    }

    /// How much of the axis a window has.
    fn span(&self) -> u64 {
        self.windows.first().map_or(0, |window| window.until.abs_diff(window.from))
    }

    /// A line of the windows' own figures.
    fn own(&self, name: &str, colour: usize, stroke: Stroke, of: impl Fn(&Figures) -> Option<f64>) -> Line {
        let last = self.so_far.last().map_or(i64::MAX, |(end, _)| *end);
        let middle = |window: &Window| 0.5 * (window.from as f64 + window.until.min(last) as f64);
        let point = |window: &Window| Some(Point::at((middle(window), of(&window.own)?)));
        let points = self.windows.iter().filter_map(point).collect();
        Line { name: name.to_owned(), colour, stroke, dots: true, points }
    }

    /// A line of the figures so far.
    fn so_far(&self, name: &str, of: impl Fn(&Figures) -> Option<f64>) -> Line {
        let points = self.so_far.iter().filter_map(|(end, figures)| Some(Point::at((*end as f64, of(figures)?))));
        Line { name: name.to_owned(), points: points.collect(), ..Line::default() }
    }

    /// A level line from one end to the other.
    fn level(&self, name: &str, stroke: Stroke, colour: usize, value: Option<f64>) -> Option<Line> {
        let from = self.axis.range.map_or_else(|| self.windows.first().map_or(0.0, |w| w.from as f64), |range| range.0);
        let until = self.axis.range.map_or_else(|| self.so_far.last().map_or(0.0, |of| of.0 as f64), |range| range.1);
        let points = |value| vec![Point::at((from, value)), Point::at((until, value))];
        let line = |value| Line { name: name.to_owned(), colour, stroke, dots: false, points: points(value) };
        value.map(line)
    }

    fn plot(&self, title: &str, caption: &str, y: Axis, lines: Vec<Line>) -> String {
        let Axis { name, scale, form, range, .. } = &self.axis;
        let x = Axis { form: *form, range: *range, ..Axis::new(name, *scale) };
        let (title, caption, events) = (title.to_owned(), caption.to_owned(), self.events.clone());
        figure(&Plot { title, caption, x, y, lines, events, event: "drift alarm".into() })
    }
}

fn plots(run: &Run<'_>, drawn: &Drawn) -> String {
    let all = [log_loss(run, drawn), auc(drawn), rates(drawn)];
    format!("<div class=\"plots\">\n{}</div>\n", all.concat())
}

fn log_loss(run: &Run<'_>, drawn: &Drawn) -> String {
    let s = run.summary;
    let mut lines =
        vec![drawn.own("in the window", 1, Stroke::Dotted, |of| of.log_loss), drawn.so_far("so far", |of| of.log_loss)];
    lines.extend(drawn.level("best constant", Stroke::Thin, 2, s.best_constant_log_loss));
    lines.extend(drawn.level("best possible", Stroke::Dashed, 3, s.best_possible_log_loss));
    let y = Axis { range: usual(&lines, true), ..Axis::new("nats", Scale::Linear) };
    let caption = "Lower is better. The best constant is the loss of always saying the base rate of the whole run: a model \
                   above it has learned nothing of use.";
    drawn.plot("Log loss", caption, y, lines)
}

fn auc(drawn: &Drawn) -> String {
    let lines = vec![drawn.own("in the window", 1, Stroke::Dotted, |of| of.auc), drawn.so_far("so far", |of| of.auc)];
    if lines.iter().all(|line| line.points.is_empty()) {
        return String::new();
    }
    let caption =
        "The chance that a random positive is ranked above a random negative. Higher is better; 0.5 is chance.";
    let y = Axis { range: usual(&lines, false), ..Axis::new("AUC", Scale::Linear) };
    drawn.plot("AUC", caption, y, lines)
}

fn rates(drawn: &Drawn) -> String {
    let lines = vec![
        drawn.own("predicted", 0, Stroke::Solid, |of| of.mean_prediction),
        drawn.own("observed", 1, Stroke::Dotted, |of| of.base_rate),
    ];
    let caption = "The mean prediction and the share of positives in each window: where they part, the stream has changed faster \
                   than the model.";
    let y = Axis { form: Form::Percent, ..Axis::new("share of positives", Scale::Linear) };
    drawn.plot("Predicted and observed rate", caption, y, lines)
}

/// A range that leaves out how bad a few points are: a model that has learned nothing yet would press all else flat. What is bad is
/// high, or low.
pub(crate) fn usual(lines: &[Line], is_high_bad: bool) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> =
        lines.iter().flat_map(|line| &line.points).map(|point| point.y).filter(|y| y.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let few = sorted.len() * 3 / 100;
    let (low, high) = (
        *sorted.get(if is_high_bad { 0 } else { few })?,
        *sorted.get(sorted.len() - 1 - if is_high_bad { few } else { 0 })?,
    );
    // A level line has two points, and is there to be seen.
    let levels = lines.iter().filter(|line| line.points.len() == 2).flat_map(|line| &line.points).map(|point| point.y);
    Some(Scale::Linear.range([low, high].into_iter().chain(levels)))
}

/// From where to where nearly all records are, and how many lie beyond: one wild time must not press all others into a line.
fn inner(stretches: &Stretches) -> (i64, i64, u64) {
    let all: Vec<(i64, u64)> = stretches.cells().map(|(start, cell)| (start, cell.tally.records)).collect();
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return (0, 1, 0) };
    let few = all.iter().map(|(_, records)| records).sum::<u64>() / 1000;
    let ends = (first.0, last.0.saturating_add(stretches.step));
    let (Some((from, before)), Some((until, behind))) = (beyond(all.iter(), few), beyond(all.iter().rev(), few)) else {
        return (ends.0, ends.1, 0);
    };
    let until = until.saturating_add(stretches.step);
    // Only what makes much room is worth leaving out.
    match until.saturating_sub(from) < ends.1.saturating_sub(ends.0) / 2 {
        true => (from, until, before + behind),
        false => (ends.0, ends.1, 0),
    }
}

/// The first stretch before which more than a few records lie, itself among them, and how many lie before it.
fn beyond<'a>(mut stretches: impl Iterator<Item = &'a (i64, u64)>, few: u64) -> Option<(i64, u64)> {
    let mut before = 0;
    stretches.find_map(|&(start, records)| {
        let is_beyond = before + records <= few;
        before += if is_beyond { records } else { 0 };
        (!is_beyond).then_some((start, before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::{MicroBatch, Scored};
    use crate::metric::course::Course;
    use crate::timestamp::SECOND;

    fn course(times: &[i64]) -> Course {
        let batch = MicroBatch {
            rows: times.len(),
            time: times.to_vec(),
            label: times.iter().map(|time| (time % 2) as f32).collect(),
            weight: vec![1.0; times.len()],
            record: (1..).take(times.len()).collect(),
            ..MicroBatch::default()
        };
        let mut course = Course::default();
        course.add(&Scored { batch, logit: vec![0.5; times.len()], ..Scored::default() });
        course
    }

    #[test]
    fn one_wild_time_does_not_press_the_others_into_a_line() {
        let mut times: Vec<i64> = (0..5000).map(|at| at * 60 * SECOND + at % 2).collect();
        let (from, until, beyond) = inner(&course(&times).times);
        assert!(
            from == 0 && beyond == 0 && (until - 300_000 * SECOND).abs() <= 7_200 * SECOND,
            "{from} {until} {beyond}"
        );
        times.extend([i64::MAX / 2, -(i64::MAX / 2)]);
        let wild = course(&times);
        let (inner_from, inner_until, beyond) = inner(&wild.times);
        assert!(beyond == 2 && inner_from == 0 && inner_until == until, "{inner_from} {inner_until} {beyond}");
    }

    #[test]
    fn windows_are_few_and_their_records_are_all() {
        for records in [1, 2, 40, 256, 257, 5000] {
            let course = course(&vec![0; records]);
            let drawn = Drawn::of(&course.records, Axis::default(), Vec::new());
            assert!((1..=49).contains(&drawn.windows.len()), "{records}: {}", drawn.windows.len());
            assert_eq!(drawn.windows.iter().map(|window| window.own.records).sum::<u64>(), records as u64);
            assert_eq!(drawn.so_far.last().map(|(_, figures)| figures.records), Some(records as u64));
        }
    }

    #[test]
    fn a_start_that_was_bad_does_not_press_the_rest_flat() {
        let points =
            |from: f64| (0..100).map(|at| Point::at((f64::from(at), if at == 0 { from } else { 0.5 }))).collect();
        let line = |from| [Line { points: points(from), ..Line::default() }];
        assert!(usual(&line(9.0), true).is_some_and(|(_, high)| high <= 1.0));
        assert!(usual(&line(9.0), false).is_some_and(|(_, high)| high >= 9.0));
        assert!(usual(&line(-9.0), false).is_some_and(|(low, _)| low >= 0.0));
        assert_eq!(usual(&[], true), None);
    }
}
