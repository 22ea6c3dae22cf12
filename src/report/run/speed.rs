//! How fast a run was: takes records a second over its time and the times of its stages, gives a plot and a table of bars.

use super::Run;
use crate::report::number::{duration, quantity};
use crate::report::page::bars::bars;
use crate::report::page::frame::paragraph;
use crate::report::page::plot::{Axis, Line, Plot, Point, figure};
use crate::report::page::ticks::Scale;
use crate::report::verdict::verdict;

/// Records a second over the time of the run.
pub(super) fn pace(run: &Run<'_>) -> String {
    if run.pace.len() < 3 {
        return String::new();
    }
    let points = run.pace.iter().copied().map(Point::at).collect();
    let mean = run.summary.records_per_s.map_or_else(String::new, |rate| format!(" {} on average.", quantity(rate)));
    let caption = format!("Records read a second, rejected ones among them.{mean}");
    let high = run.pace.iter().map(|&(_, rate)| rate).fold(0.0, f64::max);
    let y = Axis { range: Some(Scale::Linear.range([0.0, high].into_iter())), ..Axis::new("records/s", Scale::Linear) };
    let x = Axis::new("seconds since the start", Scale::Linear);
    let lines = vec![Line { points, ..Line::default() }];
    let plot = figure(&Plot { title: "Records a second".into(), caption, x, y, lines, ..Plot::default() });
    let resumed = match run.seconds_before > 0.0 {
        true => paragraph(&format!(
            "The first {} of the run were another process's: of its speed nothing is known here.",
            duration(run.seconds_before)
        )),
        false => String::new(),
    };
    format!("{resumed}<div class=\"plots\">\n{plot}</div>\n")
}

/// The share of each stage's time that it worked or waited.
pub(super) fn stages(run: &Run<'_>) -> String {
    let s = run.summary;
    if s.stages.is_empty() {
        return String::new();
    }
    let row = |(name, time): &(String, crate::sink::summary::StageTime)| {
        (name.clone(), time.threads.to_string(), vec![time.busy(), time.starved(), time.blocked()])
    };
    let rows: Vec<_> = s.stages.iter().map(row).collect();
    let mut sentence = verdict(&s.stages, s.cores).1;
    if let Some(first) = sentence.get(..1).map(str::to_uppercase) {
        sentence.replace_range(..1, &first);
    }
    let text = "A stage works (busy), waits for the one before it (starved) or for the one behind it (blocked). The one that is \
                always busy holds the others up.";
    let parts = [("busy", 0), ("starved", 4), ("blocked", 1)];
    paragraph(&format!("{sentence}.")) + &paragraph(text) + &bars("stage", "threads", &parts, &rows)
}
