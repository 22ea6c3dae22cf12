//! Event time as a user asks for it: the order of events, late records, labels that come late and outcomes as records of
//! their own, held to a naive learner that does the same by the book.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod outcome;
mod program;

use std::collections::{BTreeMap, HashMap};

use program::{Folder, column, numbers};
use proptest::prelude::*;

/// A record: event time in seconds, two categories, a label.
#[derive(Debug, Clone)]
struct Event {
    time: i64,
    values: [u8; 2],
    label: bool,
}

fn events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    let event = (0..4i64, 0..4u8, 0..3u8, any::<bool>());
    prop::collection::vec(event, 20..most).prop_map(|steps| {
        let mut time = 1_700_000_000;
        let event = |(step, a, b, label): (i64, u8, u8, bool)| {
            time += step;
            Event { time, values: [a, b], label }
        };
        steps.into_iter().map(event).collect()
    })
}

/// Logistic regression by plain SGD, record by record, in 64 bits.
#[derive(Default)]
struct Naive {
    bias: f64,
    weights: HashMap<(usize, u8), f64>,
}

const RATE: f64 = 0.25;

impl Naive {
    fn logit(&self, values: [u8; 2]) -> f64 {
        self.bias + values.iter().enumerate().map(|(at, &of)| self.weights.get(&(at, of)).unwrap_or(&0.0)).sum::<f64>()
    }

    fn learn(&mut self, values: [u8; 2], label: f64) {
        let step = RATE * (label - 1.0 / (1.0 + (-self.logit(values)).exp()));
        self.bias += step;
        values.iter().enumerate().for_each(|(at, &of)| *self.weights.entry((at, of)).or_default() += step);
    }
}

const SGD: &str = "--label y --id id --time t --categorical a,b --optimizer sgd --learning-rate 0.25 --batch 7 --device cpu \
                   --hash-bits 20 --quiet --predictions p.csv --summary s.json";

fn csv(events: &[(usize, &Event)]) -> String {
    let line = |(id, of): &(usize, &Event)| {
        let Event { time, values: [a, b], label } = of;
        format!("{time},i{id:04},v{a},w{b},{}\n", u8::from(*label))
    };
    std::iter::once("t,id,a,b,y\n".into()).chain(events.iter().map(line)).collect()
}

fn in_order(events: &[Event]) -> Vec<(usize, &Event)> {
    events.iter().enumerate().collect()
}

/// The logits of a run by the ids of its records.
fn logits(folder: &Folder) -> BTreeMap<String, f64> {
    let text = folder.text("p.csv");
    column(&text, "id").into_iter().zip(numbers(&text, "logit")).collect()
}

#[track_caller]
fn assert_near(found: &BTreeMap<String, f64>, expected: &[(usize, f64)]) {
    assert_eq!(found.len(), expected.len());
    for (id, expected) in expected {
        let found = found[&format!("i{id:04}")];
        assert!((found - expected).abs() < 1e-4 * (1.0 + expected.abs()), "record {id}: {found}, not {expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_label_is_learned_when_it_is_known_and_not_before(events in events(80), delay in 1..25i64) {
        let folder = Folder::new();
        folder.file("in.csv", csv(&in_order(&events)));
        folder.run(&format!("train in.csv {SGD} --label-delay {delay}s")).fine();
        let (mut naive, mut learned, mut expected) = (Naive::default(), 0, Vec::new());
        for (id, event) in events.iter().enumerate() {
            while events[learned].time + delay <= event.time {
                naive.learn(events[learned].values, f64::from(u8::from(events[learned].label)));
                learned += 1;
            }
            expected.push((id, naive.logit(event.values)));
        }
        assert_near(&logits(&folder), &expected);
        let summary = folder.json("s.json");
        let counts = &summary["late_labels"];
        prop_assert_eq!(&counts["waited"], events.len());
        prop_assert_eq!(&counts["learned"], learned);
        prop_assert_eq!(&counts["at_end"], events.len() - learned);
        prop_assert_eq!(&summary["labelled"], events.len());
        prop_assert_eq!(&summary["updates"], events.len());
    }

    #[test]
    fn outcomes_join_their_impressions_in_whatever_order_they_come(
        events in events(60), waits in prop::collection::vec(0..30i64, 60), timeout in 3..20i64
    ) {
        // Every third has no outcome at all.
        let outcomes = events.iter().zip(&waits).enumerate().filter(|(id, _)| id % 3 > 0);
        let mut lines: Vec<(i64, usize, String)> =
            outcomes.map(|(id, (of, wait))| (of.time + wait, id, u8::from(of.label).to_string())).collect();
        lines.extend(events.iter().enumerate().map(|(id, of)| (of.time, id, String::new())));
        lines.sort_by_key(|(time, id, label)| (*time, !label.is_empty(), *id));
        let mut text = String::from("t,id,a,b,y\n");
        for (time, id, label) in &lines {
            let [a, b] = events[*id].values;
            let shown = if label.is_empty() { format!("v{a},w{b}") } else { ",".into() };
            text += &format!("{time},i{id:04},{shown},{label}\n");
        }
        let folder = Folder::new();
        folder.file("in.csv", text);
        folder.run(&format!("train in.csv {SGD} --join-timeout {timeout}s --side side.jsonl")).fine();

        let (mut naive, mut open, mut expected) = (Naive::default(), Vec::new(), Vec::new());
        let [mut matched, mut timed_out, mut late] = [0; 3];
        for (time, id, label) in &lines {
            open.retain(|&of: &usize| {
                let is_open = events[of].time + timeout > *time;
                if !is_open {
                    naive.learn(events[of].values, 0.0);
                    timed_out += 1;
                }
                is_open
            });
            if label.is_empty() {
                expected.push((*id, naive.logit(events[*id].values)));
                open.push(*id);
            } else if open.contains(id) {
                open.retain(|of| of != id);
                naive.learn(events[*id].values, label.parse().unwrap());
                matched += 1;
            } else {
                late += 1;
            }
        }
        assert_near(&logits(&folder), &expected);
        let summary = folder.json("s.json");
        let counts = &summary["late_labels"];
        prop_assert_eq!(&counts["matched"], matched);
        prop_assert_eq!(&counts["timed_out"], timed_out);
        prop_assert_eq!(&counts["open"], open.len());
        // A key that has timed out is unknown, so its outcome waits for features that never come.
        prop_assert_eq!(&counts["orphans"], late);
        prop_assert_eq!(&summary["labelled"], matched + timed_out);
        let told = folder.text("side.jsonl").lines().filter(|line| line.contains("\"orphan\"")).count();
        prop_assert_eq!(told, late);
    }

    #[test]
    fn records_out_of_order_within_the_bound_are_taken_in_order(events in events(80), keys in prop::collection::vec(0..9i64, 80)) {
        let mut arrivals = in_order(&events);
        arrivals.sort_by_key(|(id, of)| (of.time + keys[*id], keys[*id])); // none moves by more than 8 seconds
        let folder = Folder::new();
        folder.file("sorted.csv", csv(&in_order(&events)));
        folder.file("mixed.csv", csv(&arrivals));
        let told = "--out-of-order 8s --metrics-every 10s,16 --segment a";
        for name in ["sorted", "mixed"] {
            let outputs = format!("--metrics {name}.jsonl --model {name}.model --summary {name}.json --predictions {name}.csv");
            let options = SGD.replace("--predictions p.csv --summary s.json", "");
            folder.run(&format!("train {name}.csv {options} {told} {outputs}").replace(&format!("--predictions {name}.csv"), &format!("--predictions {name}.p.csv"))).fine();
        }
        prop_assert_eq!(without_records(&folder.text("sorted.jsonl")), without_records(&folder.text("mixed.jsonl")));
        prop_assert_eq!(folder.bytes("sorted.model"), folder.bytes("mixed.model"));
        prop_assert_eq!(&folder.json("mixed.json")["event_time"]["late"], 0);
    }

    #[test]
    fn those_beyond_the_bound_are_counted_exactly_and_left_out_where_that_is_asked_for(
        times in prop::collection::vec(0..60i64, 20..80), bound in 1..20i64
    ) {
        let events: Vec<_> = times.iter().map(|time| Event { time: 1_700_000_000 + time, values: [0; 2], label: true }).collect();
        let (mut latest, mut late, mut most) = (i64::MIN, Vec::new(), 0);
        for (id, time) in times.iter().enumerate() {
            latest = latest.max(*time);
            if *time < latest - bound {
                late.push(id);
                most = most.max(latest - bound - time);
            }
        }
        let folder = Folder::new();
        folder.file("in.csv", csv(&in_order(&events)));
        for order in ["time", "arrival"] {
            for (policy, rows) in [("learn", times.len()), ("drop", times.len() - late.len()), ("side --side side.jsonl", times.len() - late.len())] {
                folder.run(&format!("train in.csv {SGD} --out-of-order {bound}s --order {order} --late {policy}")).fine();
                let summary = folder.json("s.json");
                prop_assert_eq!(&summary["event_time"]["late"], late.len());
                prop_assert_eq!(&summary["event_time"]["late_by_s"], most as f64);
                prop_assert_eq!(column(&folder.text("p.csv"), "id").len(), rows);
            }
            let side: Vec<serde_json::Value> =
                folder.text("side.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let told: Vec<_> = side.iter().map(|line| line["record"].as_u64().unwrap() as usize - 1).collect();
            prop_assert_eq!(&told, &late);
            prop_assert!(side.iter().all(|line| line["why"] == "late" && line["raw"].as_str().unwrap().contains(",v0,w0,")));
        }
    }
}

/// Lines without what tells where records stood in their input.
fn without_records(lines: &str) -> Vec<serde_json::Value> {
    let line = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        ["first_record", "last_record"].iter().for_each(|key| drop(line.as_object_mut().unwrap().remove(*key)));
        line
    };
    lines.lines().map(line).collect()
}

/// Forty records, one a second.
fn forty() -> Vec<Event> {
    (0..40)
        .map(|at| Event { time: 1_700_000_000 + at, values: [(at % 4) as u8, (at % 3) as u8], label: at % 5 == 0 })
        .collect()
}

#[test]
fn a_positive_behind_its_timeout_corrects_what_was_learned_and_scored() {
    let folder = Folder::new();
    let mut text = String::from("t,id,a,b,y\n");
    for (at, line) in
        ["i1,v1,w1,", "i2,v2,w1,", "i3,v1,w2,", "i1,,,1", "i2,,,0", "i4,v1,w1,", "i5,v1,w1,"].iter().enumerate()
    {
        text += &format!("{},{line}\n", 1_700_000_000 + 10 * at);
    }
    folder.file("in.csv", text);
    let options = SGD.replace("--batch 7", "--batch 1");
    folder.run(&format!("train in.csv {options} --join-timeout 15s --corrections 1m")).fine();
    let counts = folder.json("s.json")["late_labels"].clone();
    let of = ["opened", "timed_out", "corrected", "confirmed", "open"].map(|name| counts[name].as_u64().unwrap());
    assert_eq!(of, [5, 3, 1, 1, 2], "{counts}");

    let mut naive = Naive::default();
    let logits: Vec<f64> = [[1, 1], [2, 1]].iter().map(|&values| naive.logit(values)).collect();
    let third = {
        naive.learn([1, 1], 0.0);
        naive.logit([1, 2])
    };
    naive.learn([2, 1], 0.0); // its timeout is at 25 s, before the outcome of the first at 30 s
    naive.learn([1, 1], 1.0);
    naive.learn([1, 2], 0.0);
    let expected = [(1, logits[0]), (2, logits[1]), (3, third), (4, naive.logit([1, 1])), (5, naive.logit([1, 1]))];
    let found = column(&folder.text("p.csv"), "id").into_iter().zip(numbers(&folder.text("p.csv"), "logit"));
    for ((id, found), (known, expected)) in found.zip(expected) {
        assert!(id == format!("i{known}") && (found - expected).abs() < 1e-5, "{id}: {found}, not {expected}");
    }
    let loss = |logit: f64, label: f64| (1.0 + (-logit).exp()).ln() + (1.0 - label) * logit;
    let mean = (loss(logits[0], 1.0) + loss(logits[1], 0.0) + loss(third, 0.0)) / 3.0;
    let told = folder.json("s.json")["log_loss"].as_f64().unwrap();
    assert!((told - mean).abs() < 1e-6, "{told}, not {mean}");
}

#[test]
fn a_label_with_a_time_of_its_own_is_known_then() {
    let folder = Folder::new();
    let of = |delay: usize| -> String {
        let line = |(id, of): (usize, &Event)| {
            let Event { time, values: [a, b], label } = of;
            format!("{time},i{id:04},v{a},w{b},{},{}\n", u8::from(*label), time + delay as i64)
        };
        std::iter::once("t,id,a,b,y,known\n".into()).chain(forty().iter().enumerate().map(line)).collect()
    };
    folder.file("in.csv", of(9));
    folder.run(&format!("train in.csv {SGD} --label-time known --model a.model")).fine();
    let by_column = folder.text("p.csv");
    folder.run(&format!("train in.csv {SGD} --label-delay 9s --ignore known")).fine();
    assert_eq!(by_column, folder.text("p.csv"));
    folder.run(&format!("train in.csv {SGD} --ignore known")).fine();
    assert_ne!(by_column, folder.text("p.csv"));
    // A model's label time is nothing to predict by.
    folder.run("predict --model a.model in.csv --predictions q.csv --quiet").fine();
    assert_eq!(column(&folder.text("q.csv"), "id").len(), 40);
}

#[test]
fn a_prior_is_what_is_predicted_before_anything_is_known() {
    let folder = Folder::new();
    folder.file("in.csv", csv(&in_order(&forty())));
    for optimizer in ["sgd", "adagrad", "ftrl"] {
        let options = SGD.replace("--optimizer sgd", &format!("--optimizer {optimizer}"));
        folder.run(&format!("train in.csv {options} --prior 0.02 --label-delay 1h")).fine();
        let found = numbers(&folder.text("p.csv"), "probability");
        assert!(found.iter().all(|p| (p - 0.02).abs() < 1e-6), "{optimizer}: {found:?}");
    }
    folder.run(&format!("train in.csv {SGD} --prior 1")).refused(&["--prior 0.01"]);
}

#[test]
fn a_file_and_a_pipe_and_any_number_of_threads_give_the_same() {
    let folder = Folder::new();
    let events: Vec<_> = (0..6000_i64)
        .map(|at| Event {
            time: 1_700_000_000 + at / 3 + (at * 7919) % 5,
            values: [(at % 4) as u8, (at % 3) as u8],
            label: at % 5 == 0,
        })
        .collect();
    let text = csv(&in_order(&events));
    folder.file("in.csv", &text);
    let options = format!(
        "{SGD} --out-of-order 1s --label-delay 20s --metrics-every 1m --metrics m.jsonl --late side --side side.jsonl"
    );
    let mut expected: Option<Vec<Vec<u8>>> = None;
    for threads in [1, 2, 5] {
        for input in ["in.csv", "-"] {
            folder.run_with(&format!("train {input} {options} --threads {threads}"), text.as_bytes()).fine();
            let found = ["p.csv", "m.jsonl", "side.jsonl"].map(|name| folder.bytes(name)).to_vec();
            assert_eq!(*expected.get_or_insert(found.clone()), found, "{threads} threads, {input}");
        }
    }
    assert!(folder.json("s.json")["event_time"]["late"].as_u64().unwrap() > 0);
}

#[test]
fn what_was_left_out_is_not_written_twice_behind_a_checkpoint() {
    let folder = Folder::new();
    let times = |at: i64| 1_700_000_000 + at - if at % 10 == 9 { 30 } else { 0 };
    let events: Vec<_> = (0..3000).map(|at| Event { time: times(at), values: [1, 2], label: at % 2 == 0 }).collect();
    let all = in_order(&events);
    folder.file("whole.csv", csv(&all));
    folder.file("in.csv", csv(&all[..1500]));
    let options = format!("{SGD} --out-of-order 5s --late side --metrics-every 1m");
    folder.run(&format!("train whole.csv {options} --side whole.side --metrics whole.jsonl")).fine();
    let expected = folder.bytes("p.csv");
    let again = format!(
        "train in.csv {options} --side side --metrics m.jsonl --checkpoint kept --resume --checkpoint-every 100"
    );
    folder.run(&again).fine();
    folder.file("in.csv", csv(&all));
    folder.run(&again).fine();
    assert_eq!(folder.bytes("side"), folder.bytes("whole.side"));
    assert_eq!(folder.bytes("m.jsonl"), folder.bytes("whole.jsonl"));
    assert_eq!(folder.bytes("p.csv"), expected);
}

#[test]
fn times_are_read_as_they_are_written() {
    let folder = Folder::new();
    folder.file(
        "in.csv",
        "t,id,a,b,y\n01/May/2024:12:00:00 +0200,i,v,w,1\n01/May/2024:13:00:00 +0200,j,v,w,0\nnever,k,v,w,0\n",
    );
    folder.file("job.toml", "[source]\ntime-format = \"%d/%b/%Y:%H:%M:%S %z\"\n");
    folder.run(&format!("train job.toml in.csv {SGD} --max-rejected 50% --rejected r.jsonl")).fine();
    let times = folder.json("s.json")["event_time"].clone();
    assert_eq!(
        (&times["earliest"], &times["latest"]),
        (&"2024-05-01T10:00:00Z".into(), &"2024-05-01T11:00:00Z".into())
    );
    assert!(folder.text("r.jsonl").contains("not_a_time"));
}

#[test]
fn what_cannot_be_is_refused_with_what_to_write() {
    let folder = Folder::new();
    folder.file("in.csv", csv(&in_order(&forty())));
    let untimed = SGD.replace("--time t", "--ignore t");
    for (options, words) in [
        (format!("{untimed} --label-delay 1h"), "--time"),
        (format!("{SGD} --time-format %H"), "epoch-ms"),
        (format!("{SGD} --late side"), "--side"),
        (format!("{SGD} --out-of-order 5"), "5m"),
        (format!("{SGD} --join-timeout 1h --label-delay 1h"), "keep one"),
        (format!("{SGD} --late side --side p.csv"), "--side"),
    ] {
        folder.run(&format!("train in.csv {options}")).refused(&[words]);
    }
    folder.file("job.toml", "[drift]\ndrift = ['adwin']\nactions = [{ shadow = { records = 100 } }]\n");
    folder.run(&format!("train job.toml in.csv {SGD} --label-delay 1h")).refused(&["[drift]", "late"]);
    folder
        .run("sweep in.csv --label y --time t --label-delay 1h --grid learning-rate=0.1,0.2 --quiet")
        .refused(&["--label-delay"]);
}
