//! Parallel coordinates: takes learners with their settings, gives an SVG with an upright axis for each setting and one for the
//! loss, and a line a learner through its values.

use std::collections::HashSet;

use super::SweepRun;
use crate::report::number::count;
use crate::report::page::escape;
use crate::report::page::frame::paragraph;
use crate::report::page::ticks::{Scale, name};

/// The drawing; the part that has axes.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 30.0;

/// Lines that are drawn, and those of them that stand out.
const LINES: usize = 400;
const BEST: usize = 10;

/// Values that are each written out, evenly spaced; of more, numbers lie by their size.
const WORDS: usize = 10;

/// An upright axis.
struct Axis {
    name: String,
    /// Whether some learners have no such setting.
    is_missing: bool,
    values: Values,
}

enum Values {
    /// Words, the first at the bottom.
    Words(Vec<String>),
    /// Numbers, the lowest at the bottom.
    Numbers(Scale, (f64, f64)),
    /// Losses, the lowest at the top, all beyond the highest at the bottom.
    Losses((f64, f64)),
}

/// The figure; nothing where nobody has a loss.
pub(super) fn html(run: &SweepRun<'_>) -> String {
    let with_loss = run.summary.learners.iter().zip(&run.given).filter_map(|(of, given)| Some((of.log_loss?, given)));
    let all: Vec<_> = with_loss.collect();
    if all.len() < 2 {
        return String::new();
    }
    let axes = axes(&all);
    // The best, and of the others as many as can still be told apart.
    let every = all.len().saturating_sub(BEST).div_ceil(LINES).max(1);
    let shown: Vec<_> =
        all.iter().enumerate().filter(|(rank, _)| *rank < BEST || (rank - BEST).is_multiple_of(every)).collect();
    let lines: String = shown.iter().rev().map(|(rank, of)| line(&axes, *rank, of)).collect();
    let marks: String = axes.iter().enumerate().map(|(at, axis)| draw(axis, across(at, axes.len()), at)).collect();
    let title = "Settings and log loss of each learner";
    let caption = "A line is a learner: it crosses each axis at its setting, and the last one at its log loss, the best at the top. \
                   The ten best are drawn in one, the others faint and broken; where the best meet on an axis, that setting matters.";
    let text =
        format!("Drawn are {} of {} learners that have a loss.", count(shown.len() as u64), count(all.len() as u64));
    format!(
        "{}<figure class=\"broad\">\n<figcaption>{title}<p>{caption}</p></figcaption>\n<div class=\"wide\"><svg class=\"plot \
         broad\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n{lines}{marks}</svg></div>\n</figure>\n",
        paragraph(&text)
    )
}

fn across(at: usize, axes: usize) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * at as f64 / (axes - 1).max(1) as f64
}

/// The axes of what was swept, in the order in which it was written, and that of the loss.
fn axes(all: &[(f64, &Vec<(&'static str, String)>)]) -> Vec<Axis> {
    let mut names: Vec<&str> = Vec::new();
    all.iter().flat_map(|(_, given)| given.iter()).for_each(|(name, _)| {
        if !names.contains(name) {
            names.push(name);
        }
    });
    let axis = |name: &&str| {
        let values: Vec<&str> = all.iter().filter_map(|(_, given)| value(given, name)).collect();
        Axis { name: (*name).to_owned(), is_missing: values.len() < all.len(), values: scaled(&values) }
    };
    let mut axes: Vec<Axis> = names.iter().map(axis).collect();
    let mut losses: Vec<f64> = all.iter().map(|(loss, _)| *loss).collect();
    losses.sort_by(f64::total_cmp);
    let (best, most) = (losses[0], losses[losses.len() * 4 / 5]);
    // Where the worst are not much worse, all of them have their place.
    let worst = losses[losses.len() - 1];
    let high = if worst - best <= 2.0 * (most - best) { worst } else { most };
    axes.push(Axis {
        name: "log loss".into(),
        is_missing: false,
        values: Values::Losses((best, if high > best { high } else { best + 1e-6 })),
    });
    axes
}

fn value<'a>(given: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
    given.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

/// How values lie on their axis: numbers by size, all else by name.
fn scaled(values: &[&str]) -> Values {
    let number = |text: &&str| text.parse().ok().filter(|x: &f64| x.is_finite());
    let mut seen = HashSet::new();
    let mut words: Vec<&str> = values.iter().copied().filter(|word| seen.insert(*word)).collect();
    let numbers = values.iter().map(number).collect::<Option<Vec<f64>>>();
    if numbers.is_some() {
        words.sort_by(|a, b| number(a).unwrap_or_default().total_cmp(&number(b).unwrap_or_default()));
    }
    let Some(numbers) = numbers.filter(|_| words.len() > WORDS) else {
        return Values::Words(words.into_iter().map(ToOwned::to_owned).collect());
    };
    let (low, high) =
        numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
    let scale = if low > 0.0 && high / low >= 20.0 { Scale::Log } else { Scale::Linear };
    Values::Numbers(scale, (low, if high > low { high } else { low + 1.0 }))
}

impl Axis {
    /// How far down a value lies; one that a learner does not have, below the axis.
    fn down(&self, text: Option<&str>, loss: f64) -> f64 {
        let height = HEIGHT - TOP - BOTTOM;
        let up = match (&self.values, text) {
            (Values::Losses((low, high)), _) => 1.0 - ((loss - low) / (high - low)).min(1.0),
            (Values::Words(words), Some(text)) => {
                let at = words.iter().position(|word| word == text).unwrap_or(0);
                if words.len() > 1 { at as f64 / (words.len() - 1) as f64 } else { 0.5 }
            }
            (Values::Numbers(scale, range), Some(text)) => scale.place(text.parse().unwrap_or(range.0), *range),
            (_, None) => return HEIGHT - BOTTOM + 12.0,
        };
        TOP + height * (1.0 - up)
    }

    fn marks(&self) -> Vec<(f64, String)> {
        let none = self.is_missing.then(|| (self.down(None, f64::NAN), "none".to_owned()));
        let mut marks = self.marks_of_values();
        marks.extend(none);
        marks
    }

    fn marks_of_values(&self) -> Vec<(f64, String)> {
        match &self.values {
            Values::Words(words) => words.iter().map(|word| (self.down(Some(word), 0.0), word.clone())).collect(),
            Values::Numbers(scale, (low, high)) => {
                let mut ticks = scale.ticks((*low, *high));
                ticks.retain(|tick| (*low..=*high).contains(tick));
                ticks.iter().map(|tick| (self.down(Some(&tick.to_string()), 0.0), name(*tick))).collect()
            }
            Values::Losses((low, high)) => {
                let steps = (0..=4).map(|at| low + (high - low) * f64::from(at) / 4.0);
                steps.map(|loss| (self.down(None, loss), format!("{loss:.4}"))).collect()
            }
        }
    }
}

fn line(axes: &[Axis], rank: usize, (loss, given): &(f64, &Vec<(&'static str, String)>)) -> String {
    let point = |(at, axis): (usize, &Axis)| {
        format!("{:.0},{:.1}", across(at, axes.len()), axis.down(value(given, &axis.name), *loss))
    };
    let points: Vec<String> = axes.iter().enumerate().map(point).collect();
    match rank < BEST {
        true => {
            let told: Vec<String> = given.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let told = escape(&format!("{}: {loss:.6} {}", rank + 1, told.join(" ")));
            format!("<polyline class=\"line k0\" points=\"{}\"><title>{told}</title></polyline>\n", points.join(" "))
        }
        false => format!("<polyline class=\"other\" points=\"{}\"/>\n", points.join(" ")),
    }
}

fn draw(axis: &Axis, x: f64, at: usize) -> String {
    let bottom = HEIGHT - BOTTOM;
    // Names in two rows, so that long ones have room.
    let row = if at.is_multiple_of(2) { 12.0 } else { 26.0 };
    let mut out = format!(
        "<path class=\"frame\" d=\"M{x:.0} {TOP}V{bottom}\"/><text class=\"strong\" x=\"{x:.0}\" y=\"{row}\" text-anchor=\"middle\">{}</text>\n",
        escape(&axis.name)
    );
    for (y, text) in axis.marks() {
        out.push_str(&format!(
            "<path class=\"frame\" d=\"M{x:.0} {y:.1}h4\"/><text class=\"halo\" x=\"{:.0}\" y=\"{:.1}\">{}</text>\n",
            x + 6.0,
            y + 4.0,
            escape(&text)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_lie_evenly_in_their_order_and_many_by_their_size() {
        let axis = |values: &[&str]| Axis { name: "a".into(), is_missing: false, values: scaled(values) };
        let few = axis(&["1e-6", "0", "1e-4", "0"]);
        let names: Vec<String> = few.marks().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["0", "1e-6", "1e-4"]);
        let middle = 0.5 * (few.down(Some("0"), 0.0) + few.down(Some("1e-4"), 0.0));
        assert!((few.down(Some("1e-6"), 0.0) - middle).abs() < 1e-9);
        assert_eq!(axis(&["sgd", "ftrl", "1"]).marks().len(), 3);
        let many: Vec<String> = (1..=100).map(|at| at.to_string()).collect();
        let many = axis(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let down = |text| many.down(Some(text), 0.0);
        assert!((down("10") - 0.5 * (down("1") + down("100"))).abs() < 1e-9, "equal ratios are equally far apart");
    }

    #[test]
    fn the_best_loss_is_at_the_top_and_the_worst_at_the_bottom_at_most() {
        let values = Values::Losses((0.25, 0.5));
        let axis = Axis { name: "log loss".into(), is_missing: false, values };
        let [best, worst, beyond] = [0.25, 0.5, 99.0].map(|loss| axis.down(None, loss));
        assert_eq!((best, worst, beyond), (TOP, HEIGHT - BOTTOM, HEIGHT - BOTTOM));
    }
}
