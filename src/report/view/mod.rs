//! What stands below the bar of a long run: takes figures of the run as they come, gives a few lines that fit a terminal.
//!
//! Time is passed in, and nothing is printed. What is remembered is bounded: the `course` of the loss over the whole run,
//! and where it stood a few seconds ago (`recent`).

mod course;
mod recent;

use std::time::Duration;

use super::number::{NOT_AVAILABLE, count, duration, figure, quantity};
use super::verdict::verdict;
use crate::metric::log_loss::LogLoss;
use crate::sink::summary::StageTime;
use crate::sink::told::{EventTimeSummary, LateLabelsSummary};
use course::Course;
use recent::{Mark, Recent};

/// A run that is over by then shows its bar alone.
const LONG: Duration = Duration::from_secs(2);
/// Columns of what a line is about, as in the summary.
const NAMES: usize = 12;
/// Bars of a course, at most: the eye has no use for more.
const MOST_BARS: usize = 60;
/// Bars below which there is no course.
const FEWEST_BARS: usize = 8;
/// Lines of a terminal that are left to the bar and to what comes behind it.
const KEPT_FREE: usize = 2;

/// Where a run stands.
#[derive(Debug, Default, Clone)]
pub struct Look {
    /// Time since the start of the run.
    pub elapsed: Duration,
    /// Records read.
    pub records: u64,
    /// Log loss since the look before this one.
    pub since_last: LogLoss,
    /// Where the time of each stage went so far, in the order of the flow.
    pub stages: Vec<(String, StageTime)>,
    /// Cores that the process may use.
    pub cores: u64,
    /// How the stream stands by its event times, where these are read.
    pub event_time: Option<EventTimeSummary>,
    /// Seconds by which the watermark is behind the time of day, where input is live.
    pub lag_s: Option<f64>,
    /// How late labels stand, where labels come late.
    pub late_labels: Option<LateLabelsSummary>,
    /// Records that are not learned, by what became of them.
    pub left_out: Vec<(&'static str, u64)>,
}

/// What is remembered of a run from look to look.
#[derive(Debug, Default)]
pub struct View {
    began: Option<(Duration, u64)>,
    course: Course,
    last: Option<f64>,
    recent: Recent,
}

impl View {
    /// Takes a look in; gives the lines for a terminal with so many columns and lines, nothing before the run has lasted
    /// for two seconds.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::report::view::{Look, View};
    /// let mut view = View::default();
    /// let at = |seconds, records| Look { elapsed: Duration::from_secs(seconds), records, ..Look::default() };
    /// assert_eq!(view.lines(&at(0, 0), (80, 24)), "");
    /// let lines = view.lines(&at(4, 2_000), (80, 24));
    /// assert_eq!(lines.lines().next(), Some("records/s   500 now, 500 on average"));
    /// ```
    pub fn lines(&mut self, look: &Look, size: (usize, usize)) -> String {
        // A run that goes on from a checkpoint has time and records behind it.
        let (began, before) = *self.began.get_or_insert((look.elapsed, look.records));
        self.course.add(&look.since_last);
        self.last = look.since_last.mean().or(self.last);
        let now = Mark { elapsed: look.elapsed, records: look.records, stages: look.stages.clone() };
        self.recent.pass(&now);
        let lasted = look.elapsed.saturating_sub(began);
        if lasted < LONG {
            return String::new();
        }
        let mean = (look.records - before.min(look.records)) as f64 / lasted.as_secs_f64();
        let rate = self.recent.records_per_s(&now).map_or_else(|| NOT_AVAILABLE.into(), quantity);
        let rows = [
            self.loss(size.0),
            Some(("records/s", format!("{rate} now, {} on average", quantity(mean)))),
            self.bound(&now, (look.cores, size.0)),
            watermark(look),
            listed("waiting", &waiting(look)),
            listed("late", &late(look)),
            listed("left out", &look.left_out),
        ];
        let line = |(name, text): (&str, String)| cut(&format!("{name:<NAMES$}{text}"), size.0);
        let lines: Vec<_> = rows.into_iter().flatten().map(line).take(size.1.saturating_sub(KEPT_FREE)).collect();
        lines.join("\n")
    }

    /// The course of the loss, where there is room for one, with its figures where there is room for them too.
    fn loss(&self, width: usize) -> Option<(&'static str, String)> {
        let words = |low, high| {
            let [low, high, last] = [Some(low), Some(high), self.last].map(|loss| figure(loss, 4));
            format!("  {low} to {high}, now {last}")
        };
        let room = width.saturating_sub(NAMES);
        let beside = room.saturating_sub(words(0.0, 0.0).len());
        let has_words = beside >= FEWEST_BARS;
        let most = if has_words { beside } else { room };
        let (bars, low, high) = self.course.bars(most.min(MOST_BARS)).filter(|_| most >= FEWEST_BARS)?;
        Some(("loss", if has_words { bars + &words(low, high) } else { bars }))
    }

    /// The stage that has held the others up of late, without what would help: that is for the end.
    fn bound(&self, now: &Mark, (cores, width): (u64, usize)) -> Option<(&'static str, String)> {
        let (name, sentence) = verdict(&self.recent.stages(now), cores);
        let sentence = sentence.split(';').next().unwrap_or_default();
        let has_room = NAMES + sentence.len() <= width;
        let shown = if has_room { sentence } else { sentence.split(':').next().unwrap_or_default() };
        (name != "none").then(|| ("bottleneck", shown.to_owned()))
    }
}

fn watermark(look: &Look) -> Option<(&'static str, String)> {
    let watermark = look.event_time.as_ref()?.watermark.clone()?;
    let lag = match look.lag_s {
        Some(lag) if lag >= 0.0 => format!(", {} behind the clock", duration(lag)),
        Some(lag) => format!(", {} ahead of the clock", duration(-lag)),
        None => String::new(),
    };
    Some(("watermark", watermark + &lag))
}

/// Records that wait, by what for.
fn waiting(look: &Look) -> [(&'static str, u64); 2] {
    let held = look.event_time.as_ref().map_or(0, |of| of.held);
    [("for the watermark", held), ("for their labels", look.late_labels.as_ref().map_or(0, LateLabelsSummary::open))]
}

/// Records that came too late, by what for.
fn late(look: &Look) -> [(&'static str, u64); 2] {
    let outcomes = match &look.late_labels {
        Some(LateLabelsSummary::Joined { counts, .. }) => counts.late,
        _ => 0,
    };
    [("behind the watermark", look.event_time.as_ref().map_or(0, |of| of.late)), ("outcomes", outcomes)]
}

/// Counts in one line; `None` where all are 0.
fn listed(name: &'static str, counts: &[(&'static str, u64)]) -> Option<(&'static str, String)> {
    let parts: Vec<_> =
        counts.iter().filter(|(_, of)| *of > 0).map(|(what, of)| format!("{} {what}", count(*of))).collect();
    (!parts.is_empty()).then(|| (name, parts.join(", ")))
}

/// As much of a line as there are columns for.
fn cut(line: &str, width: usize) -> String {
    line.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(seconds: u64) -> Look {
        let time = |busy_s: u64| StageTime {
            busy_s: busy_s as f64,
            starved_s: (seconds - busy_s) as f64,
            blocked_s: 0.0,
            threads: 1,
        };
        Look {
            elapsed: Duration::from_secs(seconds),
            records: seconds * 1_000_000,
            since_last: LogLoss { loss: 0.7 - seconds as f64 / 100.0, weight: 1.0 },
            stages: vec![("source".into(), time(seconds / 10)), ("engine".into(), time(seconds))],
            cores: 8,
            ..Look::default()
        }
    }

    fn lines_at(last: Look, size: (usize, usize)) -> Vec<String> {
        let mut view = View::default();
        for seconds in 0..last.elapsed.as_secs() {
            view.lines(&look(seconds), size);
        }
        view.lines(&last, size).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_long_run_shows_its_course_its_rate_and_what_holds_it_up() {
        assert_eq!(
            lines_at(look(20), (80, 24)),
            [
                "loss        ██▇▇▇▆▆▆▅▅▅▄▄▃▃▃▂▂▂▁▁  0.5000 to 0.7000, now 0.5000",
                "records/s   1.00 M now, 1.00 M on average",
                "bottleneck  engine-bound: the engine was busy 100 % of the time",
            ]
        );
    }

    #[test]
    fn a_short_run_shows_nothing_and_one_that_goes_on_from_a_checkpoint_is_as_young_as_its_process() {
        let mut view = View::default();
        assert_eq!(view.lines(&look(500), (80, 24)), "");
        assert_eq!(view.lines(&look(501), (80, 24)), "");
        assert!(view.lines(&look(502), (80, 24)).contains("1.00 M on average"));
    }

    #[test]
    fn waits_and_losses_of_records_are_told_where_there_are_any() {
        let event_time = EventTimeSummary {
            earliest: None,
            latest: None,
            latest_record: 1,
            watermark: Some("2024-05-01T10:00:00Z".into()),
            out_of_order_s: 1.0,
            in_order: true,
            late: 5,
            late_by_s: 1.0,
            without_time: 0,
            held: 1_200,
            hurried: 0,
        };
        let due = LateLabelsSummary::Due { waited: 9, learned: 2, at_end: 0, hurried: 0, never: 0, waiting: 7 };
        let full = Look {
            event_time: Some(event_time),
            lag_s: Some(12.34),
            late_labels: Some(due),
            left_out: vec![("rejected", 3), ("filtered", 0)],
            ..look(20)
        };
        let expected = [
            "watermark   2024-05-01T10:00:00Z, 12.3 s behind the clock",
            "waiting     1,200 for the watermark, 7 for their labels",
            "late        5 behind the watermark",
            "left out    3 rejected",
        ];
        assert_eq!(lines_at(full.clone(), (80, 24))[3..], expected);
        let still = Look { lag_s: Some(-5.0), ..full };
        assert!(lines_at(still, (80, 24))[3].ends_with("5.00 s ahead of the clock"));
    }

    #[test]
    fn lines_fit_the_terminal_and_a_narrow_one_has_fewer_words() {
        for size in [(80, 24), (40, 24), (20, 24), (20, 4), (1, 1)] {
            let lines = lines_at(look(20), size);
            assert!(lines.iter().all(|line| line.chars().count() <= size.0), "{size:?} {lines:?}");
            assert!(lines.len() <= size.1.saturating_sub(2), "{size:?} {lines:?}");
        }
        let narrow = lines_at(look(20), (40, 24));
        assert_eq!((&*narrow[0], &*narrow[2]), ("loss        ██▇▇▇▆▆▆▅▅▅▄▄▃▃▃▂▂▂▁▁", "bottleneck  engine-bound"));
        assert!(lines_at(look(20), (19, 24))[0].starts_with("records/s"));
    }

    #[test]
    fn a_silent_input_is_what_holds_a_run_up_of_late() {
        let mut view = View::default();
        for seconds in 0..=10 {
            view.lines(&look(seconds), (80, 24));
        }
        let (mut last, busy) = (look(10), look(10).stages);
        for tenth in 1..=100 {
            last = Look { elapsed: Duration::from_millis(10_000 + tenth * 100), stages: busy.clone(), ..look(10) };
            last.since_last = LogLoss::default();
            let silent = tenth as f64 / 10.0;
            last.stages.iter_mut().for_each(|(_, time)| time.starved_s += silent);
            view.lines(&last, (80, 24));
        }
        let lines = view.lines(&last, (80, 24));
        assert!(lines.contains("records/s   0 now, 500 k on average"), "{lines}");
        assert!(lines.contains("input-bound: 100 % of the time there was nothing to read"), "{lines}");
        assert!(lines.contains("now 0.6000"), "{lines}");
    }
}
