//! A finished sweep as a page: takes what it left behind and its summary, gives HTML.

use super::Swept;
use crate::config::sweep::Sweep;
use crate::pipeline::page::title;
use crate::report::sweep::{CURVES, SweepRun, html};
use crate::sink::sweep::SweepSummary;

/// The page of a sweep.
pub fn of(sweep: &Sweep, swept: &Swept, summary: &SweepSummary) -> String {
    let places = || swept.ranking.iter().map(|of| of.place);
    let curve = |place: usize| swept.curves.as_ref().map_or_else(Vec::new, |curves| curves.of(place));
    html(&SweepRun {
        title: title(&sweep.plan, "sweep"),
        summary,
        given: places().map(|place| sweep.candidates[place].values.clone()).collect(),
        curves: places().take(CURVES).map(curve).collect(),
        // A job is text and numbers: what cannot be written as TOML is not in it.
        job: toml::to_string(&sweep.base_written_out(&swept.outcome.schema)).unwrap_or_default(),
    })
}
