//! Which stage held the others up: takes where each stage's time went, gives its name and a sentence.
//!
//! The stages of the flow are `source`, `ingest`, `engine`, `learner` and `sink`; others get a plain sentence.

use super::number::percent;
use crate::sink::summary::StageTime;

/// Busy for less than this share of its time, a stage is not called a bottleneck.
const BUSY: f64 = 0.6;

/// Seconds below which a run says nothing about its stages: threads have hardly started, and whoever happened to wait
/// for one moment looks like the bottleneck.
const SHORT: f64 = 0.1;

/// Name of the stage that held the others up, and a sentence that says so and what would help.
///
/// A chain of stages is as fast as the one that is busy all the time: those before it are blocked, those behind it
/// starve. Where nobody is busy, the time was spent waiting for input or for whoever reads the output.
///
/// ```
/// use tidemill::{report::verdict::verdict, sink::summary::StageTime};
/// let time = |busy_s, starved_s, blocked_s| StageTime { busy_s, starved_s, blocked_s, threads: 2 };
/// let stages = [("ingest".to_owned(), time(9.7, 0.0, 0.3)), ("learner".to_owned(), time(2.0, 8.0, 0.0))];
/// let (name, sentence) = verdict(&stages, 8);
/// assert_eq!(name, "ingest");
/// assert_eq!(
///     sentence,
///     "parse-bound: the 2 ingest threads were busy 97 % of the time; more cores or a binary format would help"
/// );
/// ```
pub fn verdict(stages: &[(String, StageTime)], cores: u64) -> (String, String) {
    // Where nothing comes, none of them is busy at all.
    let busiest = highest(stages, StageTime::busy).or_else(|| stages.first().map(|(name, time)| (name, time)));
    let Some((name, time)) = busiest.filter(|_| !is_short(stages)) else {
        return ("none".into(), "too short to say what held it up".into());
    };
    if time.busy() < BUSY {
        return waiting(stages, cores, name, time);
    }
    let (bound, help) = bound(name);
    let was = if time.threads > 1 { format!("{} {name} threads were", time.threads) } else { format!("{name} was") };
    (name.clone(), format!("{bound}-bound: the {was} busy {} of the time; {help}", percent(time.busy())))
}

/// Whether the stages ran for too short a time to be judged.
pub fn is_short(stages: &[(String, StageTime)]) -> bool {
    lasted(stages) < SHORT
}

/// The verdict where no stage was busy most of the time.
fn waiting(stages: &[(String, StageTime)], cores: u64, name: &str, time: &StageTime) -> (String, String) {
    let share_of = |name: &str, share: fn(&StageTime) -> f64| {
        stages.iter().find(|s| s.0 == name).map(|s| share(&s.1)).filter(|&share| share >= BUSY)
    };
    if let Some(share) = share_of("source", StageTime::starved) {
        let sentence = format!("input-bound: {} of the time there was nothing to read", percent(share));
        return ("source".into(), sentence);
    }
    if let Some(share) = share_of("sink", StageTime::blocked) {
        let sentence = format!("output-bound: {} of the time the reader of the output was behind", percent(share));
        return ("sink".into(), sentence);
    }
    let share = share_of_cores(stages, cores);
    if share >= BUSY {
        let sentence =
            format!("CPU-bound: the stages kept {cores} cores {} busy; more cores would help", percent(share));
        return ("cpu".into(), sentence);
    }
    let sentence = format!("no single bottleneck: the busiest stage, {name}, was busy {}", percent(time.busy()));
    (name.to_owned(), sentence)
}

/// Share of the cores' time that all stages together were busy: threads that wait for a core look as if they waited for
/// each other.
fn share_of_cores(stages: &[(String, StageTime)], cores: u64) -> f64 {
    let busy: f64 = stages.iter().map(|(_, time)| time.busy_s).sum();
    let elapsed = lasted(stages);
    if elapsed > 0.0 { busy / (elapsed * cores.max(1) as f64) } else { 0.0 }
}

/// Seconds that the stages ran for.
fn lasted(stages: &[(String, StageTime)]) -> f64 {
    let lasted = |time: &StageTime| (time.busy_s + time.starved_s + time.blocked_s) / f64::from(time.threads.max(1));
    stages.iter().map(|(_, time)| lasted(time)).fold(0.0, f64::max)
}

/// What a stage is bound by, and what would help.
fn bound(stage: &str) -> (&str, &'static str) {
    match stage {
        "source" => ("read", "a faster disk, or a format that takes less room, would help"),
        "ingest" => ("parse", "more cores or a binary format would help"),
        "engine" => ("engine", "it keeps the order of the stream and has one thread; fewer columns would help"),
        "learner" => ("learn", "fewer features a record, or another --device, would help"),
        "sink" => ("write", "a faster disk, or CSV without an id column, would help"),
        other => (other, "the other stages waited for it"),
    }
}

/// The stage with the highest share, the first of several; `None` where every share is 0.
fn highest(stages: &[(String, StageTime)], share: fn(&StageTime) -> f64) -> Option<(&String, &StageTime)> {
    let mut best = None;
    let mut most = 0.0;
    for (name, time) in stages {
        if share(time) > most {
            most = share(time);
            best = Some((name, time));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(shares: &[(&str, [f64; 3])]) -> Vec<(String, StageTime)> {
        let time = |[busy_s, starved_s, blocked_s]: [f64; 3]| StageTime { busy_s, starved_s, blocked_s, threads: 1 };
        shares.iter().map(|&(name, s)| (name.to_owned(), time(s))).collect()
    }

    #[test]
    fn the_busiest_stage_is_the_bottleneck() {
        let (name, sentence) = verdict(
            &stages(&[
                ("source", [0.1, 0.0, 0.9]),
                ("ingest", [0.5, 0.0, 0.5]),
                ("learner", [0.9, 0.1, 0.0]),
                ("sink", [0.2, 0.8, 0.0]),
            ]),
            8,
        );
        assert_eq!(name, "learner");
        assert_eq!(
            sentence,
            "learn-bound: the learner was busy 90 % of the time; fewer features a record, or another --device, would help"
        );
    }

    #[test]
    fn a_slow_producer_makes_the_run_input_bound() {
        let (name, sentence) = verdict(&stages(&[("source", [0.01, 0.99, 0.0]), ("learner", [0.05, 0.95, 0.0])]), 8);
        assert_eq!(
            (name.as_str(), sentence.as_str()),
            ("source", "input-bound: 99 % of the time there was nothing to read")
        );
    }

    #[test]
    fn a_slow_consumer_makes_the_run_output_bound() {
        let (name, sentence) = verdict(&stages(&[("source", [0.3, 0.0, 0.7]), ("sink", [0.1, 0.0, 0.9])]), 8);
        assert!(name == "sink" && sentence.starts_with("output-bound: 90 %"), "{sentence}");
    }

    #[test]
    fn stages_in_balance_have_no_single_bottleneck() {
        let (name, sentence) = verdict(&stages(&[("ingest", [0.5, 0.2, 0.3]), ("learner", [0.4, 0.6, 0.0])]), 8);
        assert_eq!(
            (name.as_str(), sentence.as_str()),
            ("ingest", "no single bottleneck: the busiest stage, ingest, was busy 50 %")
        );
    }

    #[test]
    fn stages_that_share_too_few_cores_are_bound_by_them() {
        let shares = [("ingest", [0.5, 0.3, 0.2]), ("engine", [0.55, 0.45, 0.0]), ("sink", [0.4, 0.6, 0.0])];
        let (name, sentence) = verdict(&stages(&shares), 2);
        assert_eq!(name, "cpu");
        assert_eq!(sentence, "CPU-bound: the stages kept 2 cores 73 % busy; more cores would help");
    }

    #[test]
    fn a_run_too_short_to_measure_has_no_bottleneck() {
        assert_eq!(verdict(&[], 8).0, "none");
        assert_eq!(verdict(&stages(&[("ingest", [0.0; 3])]), 8).0, "none");
        let (name, sentence) = verdict(&stages(&[("ingest", [0.09, 0.0, 0.005])]), 8);
        assert_eq!((name.as_str(), sentence.as_str()), ("none", "too short to say what held it up"));
        assert_eq!(verdict(&stages(&[("ingest", [0.1, 0.0, 0.005])]), 8).0, "ingest");
    }

    #[test]
    fn a_stage_without_a_word_of_its_own_is_still_named() {
        assert!(verdict(&stages(&[("join", [1.0, 0.0, 0.0])]), 8).1.starts_with("join-bound: the join was busy 100 %"));
    }
}
