//! Progress while a run lasts: takes figures now and then, gives a bar on a terminal, plain lines elsewhere.
//!
//! Everything goes to standard error, nothing when quiet. Time is passed in; a report that cannot be written never
//! stops a run. Plain lines come at doubling record counts, as Vowpal Wabbit prints them, so that a long run has
//! few and a short one enough.

use std::io::{self, Write};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::number::{NOT_AVAILABLE, count, figure, quantity};
use crate::metric::{Last, probability};

/// Time between two states of the bar: steady to the eye, free for the run.
const REDRAW: Duration = Duration::from_millis(100);

/// Shows how a run gets on.
pub struct Progress(Mode);

enum Mode {
    Quiet,
    Lines { to: Box<dyn Write + Send>, due: u64, started: bool },
    Bar { bar: ProgressBar, due: Duration },
}

/// The state of a run at some moment.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Tick<'a> {
    /// Records predicted so far.
    pub records: u64,
    /// Log loss over all of them, in nats.
    pub log_loss: Option<f64>,
    /// Log loss since the tick before this one, in nats.
    pub since_last: Option<f64>,
    /// Records a second since the start.
    pub records_per_s: Option<f64>,
    /// Bytes read so far, in the same measure as the total given to [`Progress::new`].
    pub bytes: u64,
    /// The last record.
    pub last: Option<Last>,
    /// Lines to stand below the bar; empty where there are none.
    pub below: &'a str,
    /// Where the watermark stands, where event times are read.
    pub watermark: Option<&'a str>,
    /// The number of a pass over records that have been learned before, and of how many.
    pub pass: Option<(u32, u32)>,
}

impl Progress {
    /// Progress for a run over `total_bytes`, where known; `terminal` is whether standard error is one. There is room for
    /// lines below the bar; see [`Tick::below`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::report::progress::{Progress, Tick};
    /// let mut progress = Progress::new(true, false, None);
    /// assert!(!progress.due(1_000_000, Duration::from_secs(1))); // quiet
    /// progress.show(&Tick::default(), Duration::ZERO);
    /// progress.finish();
    /// ```
    pub fn new(quiet: bool, terminal: bool, total_bytes: Option<u64>) -> Self {
        match (quiet, terminal) {
            (true, _) => Self(Mode::Quiet),
            (false, true) => Self(Mode::Bar { bar: bar(total_bytes), due: Duration::ZERO }),
            (false, false) => Self::lines(Box::new(io::stderr())),
        }
    }

    fn lines(to: Box<dyn Write + Send>) -> Self {
        Self(Mode::Lines { to, due: 1, started: false })
    }

    /// Whether something is to be shown now, `elapsed` after the start: ask before a [`Tick`] is made up, since the
    /// window of [`Tick::since_last`] ends with it.
    pub fn due(&self, records: u64, elapsed: Duration) -> bool {
        match &self.0 {
            Mode::Quiet => false,
            Mode::Lines { due, .. } => records >= *due,
            Mode::Bar { due, .. } => elapsed >= *due,
        }
    }

    /// Columns and lines of the terminal below whose bar there is room for lines; `None` where there is no bar.
    pub fn room(&self) -> Option<(usize, usize)> {
        let Mode::Bar { .. } = &self.0 else { return None };
        let (lines, columns) = Term::stderr().size();
        Some((columns.into(), lines.into()))
    }

    /// Shows the state of the run, `elapsed` after its start.
    pub fn show(&mut self, tick: &Tick, elapsed: Duration) {
        match &mut self.0 {
            Mode::Quiet => {}
            Mode::Lines { to, due, started } => {
                let header = if *started { String::new() } else { header(tick) };
                let _ = write!(to, "{header}{}", line(tick)); // nobody may be listening
                *started = true;
                *due = (tick.records + 1).next_power_of_two();
            }
            Mode::Bar { bar, due } => {
                bar.set_position(bar.length().map_or(tick.bytes, |total| tick.bytes.min(total)));
                bar.set_message(message(tick));
                bar.set_prefix(tick.below.trim_end().to_owned());
                *due = elapsed + REDRAW;
            }
        }
    }

    /// Starts again from no records, below a remark that says why.
    pub fn start_again(&mut self, why: &str) {
        self.note(why);
        match &mut self.0 {
            Mode::Quiet => {}
            Mode::Lines { due, .. } => *due = 1,
            Mode::Bar { due, .. } => *due = Duration::ZERO,
        }
    }

    /// Shows a remark in a line of its own, above the bar where there is one.
    pub fn note(&mut self, text: &str) {
        match &mut self.0 {
            Mode::Quiet => {}
            Mode::Lines { to, .. } => {
                let _ = writeln!(to, "{text}"); // nobody may be listening
            }
            Mode::Bar { bar, .. } => bar.println(text),
        }
    }

    /// Takes the bar away, so that the summary can stand in its place.
    pub fn finish(&mut self) {
        if let Mode::Bar { bar, .. } = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A bar where the total is known, else a wheel that turns with every tick.
fn bar(total_bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match total_bytes.filter(|&bytes| bytes > 0) {
        Some(bytes) => (ProgressBar::new(bytes), "{percent:>3} % {bar:12} {wide_msg}"),
        None => (ProgressBar::no_length(), "{spinner} {wide_msg}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    // A template that cannot be read would fail the test below; the bar then keeps its plain style.
    let style = ProgressStyle::with_template(&format!("{template}\n{{prefix}}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> ").tick_chars("|/-\\ "));
    bar
}

/// What stands beside the bar: it fits 80 columns, and the most important comes first where fewer cut the end.
fn message(tick: &Tick) -> String {
    let rate = tick.records_per_s.map_or_else(|| NOT_AVAILABLE.to_owned(), quantity);
    let (loss, last) = (figure(tick.log_loss, 4), figure(tick.since_last, 4));
    let records = quantity(tick.records as f64);
    match tick.pass {
        None => format!("{records} at {rate}/s, log loss {loss}, last {last}"),
        // Nobody should take the loss for that on new records.
        Some((pass, of)) => format!("pass {pass} of {of}: {records} at {rate}/s, log loss on known records {loss}"),
    }
}

/// Two lines of column names.
const HEADER: &str = "\
average    since                                      last       last
log loss   last             records   records/s      label prediction
";

/// The same, with a name for the watermark where there is one.
fn header(tick: &Tick) -> String {
    let mut header = HEADER.to_owned();
    if tick.watermark.is_some() {
        header.insert_str(header.len() - 1, "  watermark");
    }
    header
}

/// One line of plain progress.
fn line(tick: &Tick) -> String {
    let (label, prediction) = match tick.last {
        None => (NOT_AVAILABLE, NOT_AVAILABLE.to_owned()),
        Some(last) => (label_of(last), format!("{:.6}", probability(last.logit))),
    };
    let watermark = tick.watermark.map(|at| format!("  {at}")).unwrap_or_default();
    format!(
        "{:<10} {:<10} {:>13} {:>11} {label:>10} {prediction:>10}{watermark}\n",
        figure(tick.log_loss, 6),
        figure(tick.since_last, 6),
        count(tick.records),
        tick.records_per_s.map_or_else(|| NOT_AVAILABLE.to_owned(), quantity),
    )
}

fn label_of(last: Last) -> &'static str {
    match last.label {
        label if label.is_nan() => "unknown",
        label if label > 0.5 => "1",
        _ => "0",
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Mode::Quiet => "Progress(quiet)",
            Mode::Lines { .. } => "Progress(lines)",
            Mode::Bar { .. } => "Progress(bar)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn tick(records: u64) -> Tick<'static> {
        let last = Some(Last { logit: 0.0, label: if records == 256 { 1.0 } else { f32::NAN } });
        Tick {
            records,
            log_loss: Some(0.5),
            since_last: (records < 1000).then_some(0.25),
            records_per_s: Some(412_345.0),
            bytes: records * 10,
            last,
            ..Tick::default()
        }
    }

    #[test]
    fn plain_lines_come_at_doubling_counts_below_one_header() {
        let shared = Shared::default();
        let mut progress = Progress::lines(Box::new(shared.clone()));
        for records in (1..=10).map(|i| i * 256) {
            if progress.due(records, Duration::ZERO) {
                progress.show(&tick(records), Duration::ZERO);
            }
        }
        progress.note("a remark");
        progress.finish();
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "\
average    since                                      last       last
log loss   last             records   records/s      label prediction
0.500000   0.250000             256       412 k          1   0.500000
0.500000   0.250000             512       412 k    unknown   0.500000
0.500000   n.a.               1,024       412 k    unknown   0.500000
0.500000   n.a.               2,048       412 k    unknown   0.500000
a remark
"
        );
    }

    #[test]
    fn the_watermark_has_a_column_where_there_is_one() {
        let tick = Tick { watermark: Some("2024-05-01T10:00:00Z"), ..tick(256) };
        assert!(header(&tick).ends_with(" prediction  watermark\n"));
        assert!(line(&tick).ends_with(" 0.500000  2024-05-01T10:00:00Z\n"));
    }

    #[test]
    fn before_anything_is_known_the_figures_are_not_available() {
        assert_eq!(
            line(&Tick::default()).split_whitespace().collect::<Vec<_>>(),
            ["n.a.", "n.a.", "0", "n.a.", "n.a.", "n.a."]
        );
    }

    #[test]
    fn the_bar_says_the_most_important_first() {
        assert_eq!(message(&tick(1_234)), "1.23 k at 412 k/s, log loss 0.5000, last n.a.");
        let later = Tick { pass: Some((2, 3)), ..tick(1_234) };
        assert_eq!(message(&later), "pass 2 of 3: 1.23 k at 412 k/s, log loss on known records 0.5000");
    }

    #[test]
    fn the_bar_is_redrawn_by_time_and_knows_how_far_it_is() {
        let mut progress = Progress::new(false, true, Some(1_000));
        assert!(progress.due(0, Duration::ZERO));
        progress.show(&tick(50), Duration::from_millis(20));
        assert!(!progress.due(1 << 40, Duration::from_millis(119)));
        assert!(progress.due(0, Duration::from_millis(120)));
        let Mode::Bar { bar, .. } = &progress.0 else { panic!("a terminal has a bar") };
        assert_eq!((bar.position(), bar.length()), (500, Some(1_000)));
        progress.show(&tick(1 << 30), Duration::from_secs(1));
        let Mode::Bar { bar, .. } = &progress.0 else { panic!("a terminal has a bar") };
        assert_eq!(bar.position(), 1_000); // what is read ahead never shows more than everything
    }

    #[test]
    fn both_templates_can_be_read() {
        for template in ["{percent:>3} % {bar:12} {wide_msg}", "{spinner} {wide_msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
        assert_eq!(bar(None).length(), None);
    }

    #[test]
    fn a_quiet_run_shows_nothing() {
        assert!(!Progress::new(true, true, None).due(u64::MAX, Duration::MAX));
    }
}
