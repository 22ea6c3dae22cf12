//! A plot of lines: takes named lines of points and two axes, gives a figure with an SVG, marks, and a legend.
//!
//! Drawn for a width of 360 units, so that its letters are still read on a telephone. Points without a place - not finite,
//! or not above 0 on a logarithmic axis - are left out.

use super::escape;
use super::frame::COLOURS;
use super::ticks::{Scale, name};

/// The drawing, and the space around the lines for marks.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 38.0;

/// A plot.
#[derive(Debug)]
pub struct Plot {
    /// What stands above it.
    pub title: String,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// The lines, in the order of the legend.
    pub lines: Vec<Line>,
}

/// An axis.
#[derive(Debug)]
pub struct Axis {
    /// What it counts.
    pub name: String,
    /// How values become places.
    pub scale: Scale,
    /// The values that are marked; none named are round numbers.
    pub marks: Vec<f64>,
}

/// A line with its looks.
#[derive(Debug)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// One of [`COLOURS`], which start over.
    pub colour: usize,
    /// Whether it is broken, so that two lines of a colour can be told apart.
    pub dashed: bool,
    /// From left to right.
    pub points: Vec<Point>,
}

/// A point of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// The range that it stands for, if it is more than one value.
    pub span: Option<(f64, f64)>,
}

/// The figure as HTML.
///
/// ```
/// use tidemill::report::page::plot::{Axis, Line, Plot, Point, figure};
/// use tidemill::report::page::ticks::Scale;
/// let axis = |name: &str| Axis { name: name.into(), scale: Scale::Linear, marks: Vec::new() };
/// let points = [(0.0, 1.0), (1.0, 3.0)].map(|(x, y)| Point { x, y, span: None }).into();
/// let lines = vec![Line { name: "a < b".into(), colour: 0, dashed: false, points }];
/// let html = figure(&Plot { title: "loss".into(), x: axis("records"), y: axis("nats"), lines });
/// assert!(html.contains("<polyline") && html.contains("a &lt; b"));
/// ```
pub fn figure(plot: &Plot) -> String {
    let area = Area::of(plot);
    let (title, x, y) = (escape(&plot.title), escape(&plot.x.name), escape(&plot.y.name));
    let mut out = format!(
        "<figure>\n<figcaption>{title}</figcaption>\n<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"{title}: {y} over {x}\">\n"
    );
    area.draw_axes(plot, &mut out);
    plot.lines.iter().for_each(|line| area.draw_line(plot, line, &mut out));
    out.push_str("</svg>\n");
    out.push_str(&legend(&plot.lines));
    out.push_str("</figure>\n");
    out
}

/// Where values lie in the drawing.
struct Area {
    x: (f64, f64),
    y: (f64, f64),
}

impl Area {
    fn of(plot: &Plot) -> Self {
        let points = || plot.lines.iter().flat_map(|line| &line.points);
        let marked = |axis: &Axis| match (axis.marks.first(), axis.marks.last()) {
            (Some(&first), Some(&last)) if first < last => Some((first, last)),
            _ => None,
        };
        let spans = |point: &Point| point.span.map_or([point.y; 2], |(low, high)| [low, high]);
        let heights = points().flat_map(|point| [point.y].into_iter().chain(spans(point)));
        Self {
            x: marked(&plot.x).unwrap_or_else(|| plot.x.scale.range(points().map(|point| point.x))),
            y: marked(&plot.y).unwrap_or_else(|| plot.y.scale.range(heights)),
        }
    }

    fn across(&self, plot: &Plot, x: f64) -> f64 {
        LEFT + plot.x.scale.place(x, self.x) * (WIDTH - LEFT - RIGHT)
    }

    fn down(&self, plot: &Plot, y: f64) -> f64 {
        HEIGHT - BOTTOM - plot.y.scale.place(y, self.y) * (HEIGHT - TOP - BOTTOM)
    }

    fn draw_axes(&self, plot: &Plot, out: &mut String) {
        // Marks that are named are values that there are, so they are told in full.
        let marks = |axis: &Axis, range| match axis.marks.is_empty() {
            true => axis.scale.ticks(range).into_iter().map(|tick| (tick, name(tick))).collect(),
            false => axis.marks.iter().map(|&tick| (tick, tick.to_string())).collect::<Vec<_>>(),
        };
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (tick, text) in marks(&plot.y, self.y) {
            let y = self.down(plot, tick);
            out.push_str(&format!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>"));
            out.push_str(&format!(
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>\n",
                LEFT - 5.0,
                y + 4.0
            ));
        }
        for (tick, text) in marks(&plot.x, self.x) {
            let x = self.across(plot, tick);
            out.push_str(&format!("<path class=\"grid\" d=\"M{x:.1} {bottom}v4\"/>"));
            out.push_str(&format!("<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>\n", bottom + 16.0));
        }
        out.push_str(&format!("<path class=\"frame\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>\n"));
        out.push_str(&format!("<text x=\"2\" y=\"11\">{}</text>\n", escape(&plot.y.name)));
        let (x, name) = (right, escape(&plot.x.name));
        out.push_str(&format!("<text x=\"{x}\" y=\"{}\" text-anchor=\"end\">{name}</text>\n", HEIGHT - 4.0));
    }

    fn draw_line(&self, plot: &Plot, line: &Line, out: &mut String) {
        let holds = |point: &&Point| plot.x.scale.holds(point.x) && plot.y.scale.holds(point.y);
        let (colour, dashed) = (line.colour % COLOURS, if line.dashed { " dashed" } else { "" });
        let (mut path, mut marks) = (String::new(), String::new());
        for point in line.points.iter().filter(holds) {
            let (x, y) = (self.across(plot, point.x), self.down(plot, point.y));
            path.push_str(&format!("{x:.1},{y:.1} "));
            if let Some((low, high)) = point.span.filter(|(low, _)| plot.y.scale.holds(*low)) {
                let (low, high) = (self.down(plot, low), self.down(plot, high));
                marks.push_str(&format!("<path class=\"span k{colour}\" d=\"M{x:.1} {low:.1}V{high:.1}\"/>"));
            }
            let told = format!("{}: {} at {}", escape(&line.name), name(point.y), name(point.x));
            marks.push_str(&format!(
                "<circle class=\"f{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>{told}</title></circle>\n"
            ));
        }
        out.push_str(&format!("<polyline class=\"line k{colour}{dashed}\" points=\"{}\"/>\n{marks}", path.trim_end()));
    }
}

fn legend(lines: &[Line]) -> String {
    let mut out = String::from("<ul class=\"legend\">\n");
    for line in lines {
        let (colour, dashed) = (line.colour % COLOURS, if line.dashed { " dashed" } else { "" });
        out.push_str(&format!(
            "<li><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"line k{colour}{dashed}\" d=\"M0 5H28\"/>\
             </svg>{}</li>\n",
            escape(&line.name)
        ));
    }
    out.push_str("</ul>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: &[(f64, f64)], marks: Vec<f64>) -> Plot {
        let points = points.iter().map(|&(x, y)| Point { x, y, span: Some((y / 2.0, y * 2.0)) }).collect();
        let line = Line { name: "gpu".into(), colour: COLOURS + 1, dashed: true, points };
        let axis = |name: &str, marks| Axis { name: name.into(), scale: Scale::Log, marks };
        Plot { title: "t".into(), x: axis("batch", marks), y: axis("records/s", Vec::new()), lines: vec![line] }
    }

    #[test]
    fn points_lie_within_the_axes_and_those_without_a_place_are_left_out() {
        let html = figure(&plot(&[(64.0, 10.0), (256.0, 0.0), (1024.0, 1000.0)], vec![64.0, 256.0, 1024.0]));
        assert!(html.contains("class=\"line k1 dashed\""), "colours start over: {html}");
        assert_eq!(html.matches("<circle").count(), 2);
        let points = html.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let points: Vec<(f64, f64)> = points
            .split(' ')
            .map(|pair| pair.split_once(',').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        assert_eq!(points[0].0, LEFT);
        assert_eq!(points[1].0, WIDTH - RIGHT);
        assert!(points.iter().all(|&(_, y)| (TOP..=HEIGHT - BOTTOM).contains(&y)), "{points:?}");
        assert!(points[0].1 > points[1].1, "more is further up");
        assert!(["64", "256", "1024"].iter().all(|mark| html.contains(&format!(">{mark}</text>"))));
    }

    #[test]
    fn a_plot_of_nothing_is_still_a_plot() {
        let html = figure(&plot(&[], Vec::new()));
        assert!(!html.contains("NaN") && !html.contains("inf") && html.contains("</svg>"));
    }
}
