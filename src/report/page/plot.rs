//! A plot of lines: takes named lines of points and two axes, gives a figure with an SVG, marks, and a legend.
//!
//! Drawn for a width of 360 units, so that its letters are still read on a telephone. Points without a place - not finite,
//! or not above 0 on a logarithmic axis - are left out; what lies beyond an axis is cut off.

use super::escape;
use super::form::Form;
use super::frame::COLOURS;
use super::ticks::Scale;

/// The drawing, and the space around the lines for marks.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 38.0;

/// Events that are drawn from top to bottom; more are short marks at the bottom.
const EVENTS: usize = 12;

/// A plot.
#[derive(Debug, Default)]
pub struct Plot {
    /// What stands above it.
    pub title: String,
    /// What it shows, for whoever sees such a plot for the first time; empty for none.
    pub caption: String,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// The lines, in the order of the legend.
    pub lines: Vec<Line>,
    /// Places of the axis to the right at which something happened.
    pub events: Vec<f64>,
    /// What happened there, in the legend.
    pub event: String,
}

/// An axis.
#[derive(Debug, Default)]
pub struct Axis {
    /// What it counts.
    pub name: String,
    /// How values become places.
    pub scale: Scale,
    /// The values that are marked; none named are round numbers.
    pub marks: Vec<f64>,
    /// How its values are written.
    pub form: Form,
    /// From where to where it goes; where not named, as far as there are values.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    /// An axis with round numbers.
    pub fn new(name: &str, scale: Scale) -> Self {
        Self { name: name.to_owned(), scale, ..Self::default() }
    }
}

/// A line with its looks.
#[derive(Debug, Default)]
pub struct Line {
    /// Its name in the legend; of one without, nothing stands there.
    pub name: String,
    /// One of [`COLOURS`], which start over.
    pub colour: usize,
    /// How it is drawn, so that lines can be told apart without their colours.
    pub stroke: Stroke,
    /// Whether its points are marked, each with its value.
    pub dots: bool,
    /// From left to right.
    pub points: Vec<Point>,
}

/// How a line is drawn.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// In one.
    #[default]
    Solid,
    /// In long pieces.
    Dashed,
    /// In dots.
    Dotted,
    /// Thin and faint, for what lines are held against.
    Thin,
    /// Not at all: only its points are.
    None,
}

impl Stroke {
    /// Behind the classes of a line.
    fn class(self) -> &'static str {
        match self {
            Self::Solid => "",
            Self::Dashed => " dashed",
            Self::Dotted => " dotted",
            Self::Thin => " thin",
            Self::None => " none",
        }
    }
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

impl Point {
    /// A point that is one value.
    pub fn at((x, y): (f64, f64)) -> Self {
        Self { x, y, span: None }
    }
}

/// The figure as HTML.
///
/// ```
/// use tidemill::report::page::plot::{Axis, Line, Plot, Point, figure};
/// use tidemill::report::page::ticks::Scale;
/// let axis = |name: &str| Axis::new(name, Scale::Linear);
/// let points = [(0.0, 1.0), (1.0, 3.0)].map(Point::at).into();
/// let lines = vec![Line { name: "a < b".into(), points, ..Line::default() }];
/// let html = figure(&Plot { title: "loss".into(), x: axis("records"), y: axis("nats"), lines, ..Plot::default() });
/// assert!(html.contains("<polyline") && html.contains("a &lt; b"));
/// ```
pub fn figure(plot: &Plot) -> String {
    let area = Area::of(plot);
    let (title, x, y) = (escape(&plot.title), escape(&plot.x.name), escape(&plot.y.name));
    let caption = if plot.caption.is_empty() { String::new() } else { format!("<p>{}</p>", escape(&plot.caption)) };
    let mut out = format!(
        "<figure>\n<figcaption>{title}{caption}</figcaption>\n<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"{title}: {y} over {x}\">\n"
    );
    area.draw_axes(plot, &mut out);
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    // What an inner drawing holds ends at its edges; dots on these are let stand out by their radius.
    let (left, top, width, height) = (LEFT - 3.0, TOP - 3.0, width + 6.0, height + 6.0);
    out.push_str(&format!(
        "<svg x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" viewBox=\"{left} {top} {width} {height}\">\n"
    ));
    area.draw_events(plot, &mut out);
    plot.lines.iter().for_each(|line| area.draw_line(plot, line, &mut out));
    out.push_str("</svg>\n</svg>\n");
    out.push_str(&legend(plot));
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
            x: plot
                .x
                .range
                .or_else(|| marked(&plot.x))
                .unwrap_or_else(|| plot.x.scale.range(points().map(|point| point.x))),
            y: plot.y.range.or_else(|| marked(&plot.y)).unwrap_or_else(|| plot.y.scale.range(heights)),
        }
    }

    fn across(&self, plot: &Plot, x: f64) -> f64 {
        LEFT + plot.x.scale.place(x, self.x) * (WIDTH - LEFT - RIGHT)
    }

    fn down(&self, plot: &Plot, y: f64) -> f64 {
        HEIGHT - BOTTOM - plot.y.scale.place(y, self.y) * (HEIGHT - TOP - BOTTOM)
    }

    fn draw_axes(&self, plot: &Plot, out: &mut String) {
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

    fn draw_events(&self, plot: &Plot, out: &mut String) {
        let bottom = HEIGHT - BOTTOM;
        // Many of them would hide the lines.
        let top = if plot.events.len() > EVENTS { bottom - 10.0 } else { TOP };
        for &at in plot.events.iter().filter(|at| plot.x.scale.holds(**at)) {
            let x = self.across(plot, at);
            out.push_str(&format!("<path class=\"event\" d=\"M{x:.1} {top}V{bottom}\"/>\n"));
        }
    }

    fn draw_line(&self, plot: &Plot, line: &Line, out: &mut String) {
        let holds = |point: &&Point| plot.x.scale.holds(point.x) && plot.y.scale.holds(point.y);
        let (colour, stroke) = (line.colour % COLOURS, line.stroke.class());
        let (mut path, mut marks) = (String::new(), String::new());
        for point in line.points.iter().filter(holds) {
            let (x, y) = (self.across(plot, point.x), self.down(plot, point.y));
            path.push_str(&format!("{x:.1},{y:.1} "));
            if let Some((low, high)) = point.span.filter(|(low, _)| plot.y.scale.holds(*low)) {
                let (low, high) = (self.down(plot, low), self.down(plot, high));
                marks.push_str(&format!("<path class=\"span k{colour}\" d=\"M{x:.1} {low:.1}V{high:.1}\"/>"));
            }
            if !line.dots {
                continue;
            }
            let told =
                format!("{}: {} at {}", escape(&line.name), plot.y.form.told(point.y), plot.x.form.told(point.x));
            marks.push_str(&format!(
                "<circle class=\"f{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>{told}</title></circle>\n"
            ));
        }
        out.push_str(&format!("<polyline class=\"line k{colour}{stroke}\" points=\"{}\"/>\n{marks}", path.trim_end()));
    }
}

/// Where an axis is marked, and what stands there.
fn marks(axis: &Axis, range: (f64, f64)) -> Vec<(f64, String)> {
    match axis.marks.is_empty() {
        true => axis.form.marks(axis.scale, range),
        // Marks that are named are values that there are, so they are told in full.
        false => axis.marks.iter().map(|&tick| (tick, tick.to_string())).collect(),
    }
}

fn legend(plot: &Plot) -> String {
    let mut out = String::from("<ul class=\"legend\">\n");
    let mut entry = |class: &str, shape: &str, name: &str| {
        out.push_str(&format!(
            "<li><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"{class}\" d=\"{shape}\"/>\
             </svg>{}</li>\n",
            escape(name)
        ));
    };
    for line in plot.lines.iter().filter(|line| !line.name.is_empty()) {
        let (colour, stroke) = (line.colour % COLOURS, line.stroke.class());
        match line.stroke {
            Stroke::None => entry(&format!("f{colour}"), "M11 5a3 3 0 1 0 6 0a3 3 0 1 0 -6 0", &line.name),
            _ => entry(&format!("line k{colour}{stroke}"), "M0 5H28", &line.name),
        }
    }
    if !plot.events.is_empty() {
        entry("event", "M14 0V10", &plot.event);
    }
    out.push_str("</ul>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: &[(f64, f64)], marks: Vec<f64>) -> Plot {
        let points = points.iter().map(|&(x, y)| Point { x, y, span: Some((y / 2.0, y * 2.0)) }).collect();
        let line = Line { name: "gpu".into(), colour: COLOURS + 1, stroke: Stroke::Dashed, dots: true, points };
        let axis = |name: &str, marks| Axis { marks, ..Axis::new(name, Scale::Log) };
        let (x, y) = (axis("batch", marks), axis("records/s", Vec::new()));
        Plot { title: "t".into(), x, y, lines: vec![line], ..Plot::default() }
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
