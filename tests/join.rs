//! The join of impressions with outcomes, held to the same rules over plain lists.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use proptest::prelude::*;
use tidemill::examples::MicroBatch;
use tidemill::join::{AtTimeout, Join, JoinCounts, Keyed, OpenRow, Report, Settings, Side};
use tidemill::snapshot::State;

/// A report as plain data; NaN is written as -1.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Learn { record: u64, sequence: u64, label: f32, is_correction: bool, hash: Vec<u32>, keys: Vec<u64> },
    Side(Side, Keyed, f32),
}

fn told(report: Report<'_>) -> Told {
    match report {
        Report::Learn { row, label, is_correction } => {
            assert_eq!(row.value, values(row.record));
            let OpenRow { record, sequence, hash, keys, .. } = row.clone();
            Told::Learn { record, sequence, label, is_correction, hash, keys }
        }
        Report::Side { side, of, label } => Told::Side(side, of, if label.is_nan() { -1.0 } else { label }),
    }
}

/// Every record has features of its own, none to a few hundred.
fn hashes(record: u64) -> Vec<u32> {
    (0..[2, 0, 100, 7, 600][record as usize % 5]).map(|at| (record as u32) << 10 | at).collect()
}

fn values(record: u64) -> Vec<f32> {
    hashes(record).iter().map(|hash| if record.is_multiple_of(2) { 1.0 } else { *hash as f32 }).collect()
}

fn batch(of: Keyed) -> MicroBatch {
    let hash = hashes(of.record);
    MicroBatch {
        rows: 1,
        row_start: vec![0, hash.len() as u32],
        hash,
        value: values(of.record),
        label: vec![f32::NAN],
        weight: vec![1.0],
        record: vec![of.record],
        time: vec![of.time],
        ..MicroBatch::default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Open,
    TimedOut,
    Waiting,
    Closed,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    kind: Kind,
    due: i64,
    /// Closed keys go before all others that are due at the same time.
    sequence: i64,
    of: Keyed,
    label: f32,
}

/// The rules, over a list.
struct Naive {
    settings: Settings,
    items: Vec<Item>,
    next: i64,
    counts: JoinCounts,
    told: Vec<Told>,
}

impl Naive {
    fn find(&self, key: u64) -> Option<usize> {
        self.items.iter().position(|item| item.of.key == key)
    }

    fn learn(&mut self, item: Item, label: f32, is_correction: bool) {
        let (record, sequence) = (item.of.record, item.sequence as u64);
        self.told.push(Told::Learn {
            record,
            sequence,
            label,
            is_correction,
            hash: hashes(record),
            keys: vec![record],
        });
    }

    fn put(&mut self, kind: Kind, of: Keyed, label: f32, clock: i64) {
        let time = if of.time == i64::MIN { clock } else { of.time };
        self.items.push(Item { kind, due: time + self.settings.timeout, sequence: self.next, of, label });
        self.next += 1;
    }

    fn impression(&mut self, of: Keyed, clock: i64) {
        let waiting = match self.find(of.key) {
            Some(at) if self.items[at].kind == Kind::Waiting => Some(self.items.remove(at)),
            Some(_) => {
                self.counts.duplicates += 1;
                return self.told.push(Told::Side(Side::Duplicate, of, -1.0));
            }
            None => None,
        };
        self.put(Kind::Open, of, -1.0, clock);
        self.counts.opened += 1;
        self.counts.open += 1;
        if let Some(Item { of, label, .. }) = waiting {
            self.counts.waiting -= 1;
            self.outcome(of, label, clock);
        }
    }

    fn outcome(&mut self, of: Keyed, label: f32, clock: i64) {
        let Some(at) = self.find(of.key) else {
            self.counts.waiting += 1;
            return self.put(Kind::Waiting, of, label, clock);
        };
        let item = self.items[at];
        let closes = match item.kind {
            Kind::Open => of.time <= item.due + self.settings.corrections.unwrap_or(0),
            _ => of.time <= item.due,
        };
        match item.kind {
            Kind::Waiting | Kind::Closed => {
                self.counts.duplicate_outcomes += 1;
                return self.told.push(Told::Side(Side::DuplicateOutcome, of, label));
            }
            _ if !closes => {
                self.counts.late += 1;
                return self.told.push(Told::Side(Side::Late, of, label));
            }
            Kind::Open => {
                self.counts.open -= 1;
                self.counts.matched += 1;
                self.learn(item, label, false);
            }
            Kind::TimedOut if label == 1.0 => {
                self.counts.corrected += 1;
                self.learn(item, label, self.settings.at_timeout == AtTimeout::Negative);
            }
            Kind::TimedOut => self.counts.confirmed += 1,
        }
        self.items[at] = Item { kind: Kind::Closed, sequence: -1, ..item };
    }

    /// Ends what is due first, if it is due.
    fn end_next(&mut self, clock: i64, is_early: bool) -> bool {
        let turn = |at: &usize| (self.items[*at].due, self.items[*at].sequence);
        let Some(at) = (0..self.items.len()).min_by_key(turn).filter(|&at| self.items[at].due <= clock) else {
            return false;
        };
        let item = self.items.remove(at);
        match (item.kind, is_early) {
            (Kind::Open, _) => self.time_out(item, is_early),
            (Kind::Waiting, false) => {
                (self.counts.waiting, self.counts.orphans) = (self.counts.waiting - 1, self.counts.orphans + 1);
                self.told.push(Told::Side(Side::Orphan, item.of, item.label));
            }
            (Kind::Waiting, true) => {
                self.counts.waiting -= 1;
                self.counts.evicted_outcomes += 1;
                self.told.push(Told::Side(Side::Evicted, item.of, item.label));
            }
            (Kind::TimedOut | Kind::Closed, _) => self.counts.forgotten += u64::from(is_early),
        }
        true
    }

    fn time_out(&mut self, item: Item, is_early: bool) {
        self.counts.open -= 1;
        match (is_early, self.settings.corrections) {
            (true, _) => {
                self.counts.evicted += 1;
                self.told.push(Told::Side(Side::Evicted, item.of, -1.0));
            }
            (false, within) => {
                self.counts.timed_out += 1;
                let due = |within| item.due + within;
                self.items.extend(within.map(|within| Item { kind: Kind::TimedOut, due: due(within), ..item }));
            }
        }
        match self.settings.at_timeout {
            AtTimeout::Negative => self.learn(item, 0.0, false),
            AtTimeout::Unlabelled => self.told.push(Told::Side(Side::Unlabelled, item.of, -1.0)),
        }
    }

    /// Ends as many things early as the join has.
    fn make_room(&mut self, counts: JoinCounts) {
        let ended = |counts: JoinCounts| counts.evicted + counts.evicted_outcomes + counts.forgotten;
        while ended(self.counts) < ended(counts) {
            assert!(self.end_next(i64::MAX, true), "more was ended than there is");
        }
    }

    fn finish(&mut self) {
        self.items.sort_by_key(|item| (item.due, item.sequence));
        for item in std::mem::take(&mut self.items) {
            match item.kind {
                Kind::Open => self.told.push(Told::Side(Side::Open, item.of, -1.0)),
                Kind::Waiting => {
                    (self.counts.waiting, self.counts.orphans) = (self.counts.waiting - 1, self.counts.orphans + 1);
                    self.told.push(Told::Side(Side::Orphan, item.of, item.label));
                }
                Kind::TimedOut | Kind::Closed => {}
            }
        }
    }
}

/// A record: whether it is an impression, its key, its time before or behind the clock, its label, the clock's step.
type Step = (bool, u64, Option<i64>, bool, i64);

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let time = prop::option::weighted(0.9, -30..30_i64);
    let step =
        (any::<bool>(), 0..60_u64, time, any::<bool>(), prop_oneof![3 => Just(0), 2 => 0..6_i64, 1 => 0..40_i64]);
    prop::collection::vec(step, 0..most)
}

fn settings(memory: u64) -> impl Strategy<Value = Settings> {
    let at_timeout = prop_oneof![Just(AtTimeout::Negative), Just(AtTimeout::Unlabelled)];
    (0..80_i64, at_timeout, prop::option::of(0..60_i64)).prop_map(move |(timeout, at_timeout, corrections)| Settings {
        timeout,
        at_timeout,
        corrections,
        memory,
    })
}

/// Saved, and restored into a fresh join that gives the same bytes again.
fn restored(mut join: Join, settings: Settings) -> Join {
    let (mut state, mut again) = (State::default(), State::default());
    state.save(&join);
    join.check_saved().unwrap();
    let mut fresh = Join::new(settings);
    state.restore(&mut fresh).unwrap();
    again.save(&fresh);
    assert_eq!(again.arrays(), state.arrays());
    fresh
}

/// What both say of the same records; the most bytes that lay on the disk.
fn compare(settings: Settings, steps: &[Step], restore_at: usize) -> (JoinCounts, u64) {
    let mut join = Join::new(settings);
    let mut naive = Naive { settings, items: Vec::new(), next: 0, counts: JoinCounts::default(), told: Vec::new() };
    let (mut clock, mut spilled, mut impressions, mut outcomes) = (0, 0, 0, 0);
    for (at, &(is_impression, key, time, label, step)) in steps.iter().enumerate() {
        if at == restore_at {
            join = restored(join, settings);
        }
        let mut said = Vec::new();
        let mut reports = |report: Report<'_>| {
            said.push(told(report));
            Ok(())
        };
        clock += step;
        let time = time.map_or(i64::MIN, |time| clock + time);
        let of = Keyed { key: key << 58 | key, time, record: at as u64 + 1 };
        join.advance(clock, &mut reports).unwrap();
        while naive.end_next(clock, false) {}
        if is_impression {
            join.impression(of, (&batch(of), 0), &[of.record], clock, &mut reports).unwrap();
            naive.impression(of, clock);
            impressions += 1;
        } else {
            join.outcome(of, f32::from(u8::from(label)), clock, &mut reports).unwrap();
            naive.outcome(of, f32::from(u8::from(label)), clock);
            outcomes += 1;
        }
        naive.make_room(join.counts());
        assert_eq!(said, std::mem::take(&mut naive.told), "at {at}");
        assert_eq!(join.counts(), naive.counts, "at {at}");
        check_identities(join.counts(), impressions, outcomes);
        spilled = spilled.max(join.spilled_bytes());
    }
    let mut said = Vec::new();
    join.finish(&mut |report| {
        said.push(told(report));
        Ok(())
    })
    .unwrap();
    naive.finish();
    assert_eq!((said, join.counts()), (naive.told, naive.counts));
    check_identities(join.counts(), impressions, outcomes);
    (join.counts(), spilled)
}

/// Every record ends in exactly one count.
fn check_identities(counts: JoinCounts, impressions: u64, outcomes: u64) {
    let JoinCounts { opened, duplicates, matched, timed_out, evicted, open, corrected, confirmed, late, .. } = counts;
    let JoinCounts { duplicate_outcomes, orphans, evicted_outcomes, waiting, .. } = counts;
    assert_eq!(impressions, opened + duplicates);
    assert_eq!(opened, matched + timed_out + evicted + open);
    let given_up = duplicate_outcomes + orphans + evicted_outcomes;
    assert_eq!(outcomes, matched + corrected + confirmed + late + given_up + waiting);
    assert!(corrected + confirmed <= timed_out);
}

proptest! {
    #[test]
    fn the_join_says_what_plain_lists_say(
        settings in settings(48 << 10), steps in steps(300), restore_at in 0..300_usize
    ) {
        let (counts, _) = compare(settings, &steps, restore_at);
        prop_assert_eq!(counts.evicted + counts.evicted_outcomes + counts.forgotten, 0);
    }

    #[test]
    fn what_is_given_up_for_want_of_room_is_what_is_due_first(
        settings in settings(12 << 10), steps in steps(300), restore_at in 0..300_usize
    ) {
        compare(settings, &steps, restore_at);
    }

    #[test]
    fn a_join_without_any_room_still_counts_every_record(settings in settings(0), steps in steps(100)) {
        let (counts, _) = compare(settings, &steps, 50);
        prop_assert_eq!((counts.open, counts.waiting), (0, 0));
    }
}

/// Records of many keys, where all that can happen does.
fn busy() -> Vec<Step> {
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut step = || (next(2) == 0, next(60), Some(next(60) as i64 - 30), next(2) == 0, next(3) as i64);
    (0..2000).map(|_| step()).collect()
}

#[test]
fn a_busy_stream_goes_through_the_disk_and_comes_to_every_count_but_those_for_want_of_room() {
    let settings = Settings { timeout: 40, at_timeout: AtTimeout::Negative, corrections: Some(30), memory: 30 << 10 };
    let (counts, spilled) = compare(settings, &busy(), 700);
    assert!(spilled > 10_000, "{spilled} bytes");
    let JoinCounts { opened, duplicates, matched, timed_out, corrected, confirmed, late, .. } = counts;
    let JoinCounts { duplicate_outcomes, orphans, open, .. } = counts;
    let all = [opened, duplicates, matched, timed_out, corrected, confirmed, late, duplicate_outcomes, orphans, open];
    assert!(all.iter().all(|&count| count > 0), "{counts:?}");
    assert_eq!((counts.evicted, counts.evicted_outcomes, counts.forgotten), (0, 0, 0));
}

#[test]
fn a_busy_stream_with_hardly_any_room_gives_up_impressions_and_outcomes_and_keys() {
    let settings = Settings { timeout: 40, at_timeout: AtTimeout::Negative, corrections: Some(30), memory: 12 << 10 };
    let (counts, _) = compare(settings, &busy(), 700);
    assert!(counts.evicted > 0 && counts.evicted_outcomes > 0 && counts.forgotten > 0, "{counts:?}");
}

#[test]
fn what_was_saved_by_another_job_is_an_error_and_no_panic() {
    let settings = Settings { timeout: 40, at_timeout: AtTimeout::Negative, corrections: None, memory: 1 << 20 };
    let mut join = Join::new(settings);
    for record in 1..40 {
        let of = Keyed { key: record << 57, time: record as i64, record };
        join.impression(of, (&batch(of), 0), &[], 0, &mut |_| Ok(())).unwrap();
    }
    let mut whole = State::default();
    whole.save(&join);
    for (at, array) in whole.arrays().iter().enumerate() {
        for change in 0..3 {
            let mut state = State::default();
            let mut changed = array.clone();
            let half = array.bytes.len() / 2 / array.kind.size() * array.kind.size();
            match change {
                0 => changed.bytes.truncate(half),
                1 => changed.bytes.fill(255),
                _ => changed.bytes.extend_from_within(..half),
            }
            for (other, array) in whole.arrays().iter().enumerate() {
                state.push(if other == at { changed.clone() } else { array.clone() });
            }
            let mut fresh = Join::new(settings);
            // Bytes of rows are looked at when they are read, and numbers that are only counted may be any.
            let outcome = state.restore(&mut fresh).and_then(|()| fresh.advance(i64::MAX, &mut |_| Ok(())));
            if changed.bytes.len() != array.bytes.len() {
                let error = outcome.unwrap_err().to_string();
                assert!(error.contains("belongs to another job"), "{}: {error}", array.name);
            }
        }
    }
}
