//! Windows held to counting by hand.

use super::*;
use crate::examples::MicroBatch;
use crate::snapshot::State;

const HOUR: i64 = 3_600_000_000;

fn scored(rows: &[(i64, u32, f32, f32)], first: u64) -> Scored {
    let batch = MicroBatch {
        rows: rows.len(),
        time: rows.iter().map(|row| row.0).collect(),
        segment: rows.iter().map(|row| row.1).collect(),
        label: rows.iter().map(|row| row.3).collect(),
        weight: vec![1.0; rows.len()],
        record: (first..).take(rows.len()).collect(),
        ..MicroBatch::default()
    };
    Scored { batch, logit: rows.iter().map(|row| row.2).collect(), ..Scored::default() }
}

/// Hours, segments and labels that jump about a little.
fn rows(count: usize) -> Vec<(i64, u32, f32, f32)> {
    let row = |at: usize| {
        let time = at as i64 * HOUR / 10 - (at as i64 * 7 % 11) * HOUR / 5;
        (time, (at * 5 % 3) as u32, (at % 7) as f32 / 3.0 - 1.0, if at % 4 == 3 { f32::NAN } else { (at % 2) as f32 })
    };
    (0..count).map(row).collect()
}

fn run(rows: &[(i64, u32, f32, f32)], size: usize, spec: &Spec) -> (Vec<Closed>, Windowed) {
    let (mut windowed, mut closed) = (Windowed::new(spec), Vec::new());
    for (at, part) in rows.chunks(size).enumerate() {
        windowed.add(&scored(part, (at * size) as u64 + 1), &mut closed);
    }
    windowed.finish(&mut closed);
    (closed, windowed)
}

fn spec() -> Spec {
    Spec { every: vec![Every::Time(HOUR), Every::Records(37)], horizon: HOUR / 2 }
}

#[test]
fn micro_batches_never_show() {
    let rows = rows(500);
    let whole = run(&rows, 500, &spec());
    for size in [1, 7, 64] {
        assert_eq!(run(&rows, size, &spec()), whole, "{size}");
    }
}

#[test]
fn every_record_is_in_one_window_of_each_kind_or_late() {
    let rows = rows(500);
    let (closed, windowed) = run(&rows, 10, &spec());
    let records = |is_time: bool| -> u64 {
        let of_kind = closed.iter().filter(|closed| matches!(closed.every, Every::Time(_)) == is_time);
        of_kind.map(|closed| closed.window.all.tally.records).sum()
    };
    assert!(windowed.counts().late > 10, "{:?}", windowed.counts());
    assert_eq!((records(true) + windowed.counts().late, records(false)), (500, 500));
    let totals: u64 = windowed.totals().values().map(|cell| cell.tally.records).sum();
    assert_eq!(totals, 500);
    for closed in &closed {
        let of_segments: u64 = closed.window.segments.values().map(|cell| cell.tally.records).sum();
        assert_eq!(of_segments, closed.window.all.tally.records);
    }
}

#[test]
fn windows_of_time_hold_what_a_list_of_records_says() {
    let rows: Vec<_> = (0..200).map(|at| (at * HOUR / 10, 0, 0.5, (at % 2) as f32)).collect();
    let (closed, windowed) = run(&rows, 16, &Spec { every: vec![Every::Time(HOUR)], horizon: 0 });
    assert_eq!((closed.len(), windowed.counts().late), (20, 0));
    for (at, closed) in closed.iter().enumerate() {
        let window = &closed.window;
        assert_eq!((closed.index, window.first, window.last), (at as i64, at as u64 * 10 + 1, at as u64 * 10 + 10));
        let mut metrics = crate::metric::Metrics::default();
        metrics.add(&[0.5; 10], &[0.0, 1.0].repeat(5), &[1.0; 10]);
        let (have, want) = (window.all.tally, metrics.total);
        assert_eq!((have.records, have.labelled, have.calibration), (10, 10, want.calibration));
        assert!((have.log_loss.loss - want.log_loss.loss).abs() < 1e-12);
        assert_eq!(window.all.ranking.area().map(|area| area.0), metrics.auc.value());
    }
}

#[test]
fn a_record_without_a_time_is_in_no_window_of_time() {
    let (closed, windowed) = run(&[(i64::MIN, 0, 0.0, 1.0), (5, 0, 0.0, 1.0)], 2, &spec());
    assert_eq!((closed.len(), windowed.counts().without_time), (2, 1));
    let records: Vec<_> = closed.iter().map(|closed| closed.window.all.tally.records).collect();
    assert_eq!(records, [1, 2]);
}

#[test]
fn a_label_that_comes_late_joins_its_window_as_long_as_that_is_open() {
    let (mut windowed, mut closed) = (Windowed::new(&spec()), Vec::new());
    windowed.add(&scored(&[(0, 0, 0.5, f32::NAN), (HOUR, 0, 0.5, f32::NAN)], 1), &mut closed);
    windowed.add_row((0, &[0], 1), (0.5, 1.0, 1.0), &mut closed);
    windowed.advance(10 * HOUR, &mut closed);
    windowed.add_row((HOUR, &[0], 2), (0.5, 1.0, 1.0), &mut closed);
    let first = &closed[0].window.all.tally;
    assert_eq!((closed.len(), first.records, first.labelled, windowed.counts().late), (2, 1, 1, 1));
    let total = windowed.totals()[&0].tally;
    assert_eq!((total.records, total.labelled), (2, 2));
}

#[test]
fn windows_that_are_open_are_bounded() {
    // Every record is older than the one before, and the horizon keeps all windows open.
    let rows: Vec<_> = (0..MOST_OPEN as i64 + 50).map(|at| (-at * HOUR, 0, 0.0, 1.0)).collect();
    let spec = Spec { every: vec![Every::Time(HOUR)], horizon: i64::MAX };
    let (mut windowed, mut closed) = (Windowed::new(&spec), Vec::new());
    windowed.add(&scored(&rows, 1), &mut closed);
    assert_eq!(windowed.counts().early, closed.len() as u64);
    assert!(!closed.is_empty() && windowed.kinds[0].open.len() <= MOST_OPEN);
    windowed.finish(&mut closed);
    let told: u64 = closed.iter().map(|closed| closed.window.all.tally.records).sum();
    assert_eq!((told + windowed.counts().late, windowed.bytes), (rows.len() as u64, 0));
}

#[test]
fn open_windows_go_on_from_a_snapshot() {
    let rows = rows(300);
    let (whole, _) = run(&rows, 10, &spec());
    for cut in [0, 1, 10, 29] {
        let (mut windowed, mut closed) = (Windowed::new(&spec()), Vec::new());
        for (at, part) in rows.chunks(10).enumerate() {
            if at == cut {
                let mut state = State::default();
                state.save(&windowed);
                let mut restored = Windowed::new(&spec());
                state.restore(&mut restored).unwrap();
                assert_eq!(restored, windowed);
                windowed = restored;
                let other = Spec { every: vec![Every::Time(HOUR), Every::Records(38)], ..spec() };
                assert!(state.restore(&mut Windowed::new(&other)).is_err());
            }
            windowed.add(&scored(part, at as u64 * 10 + 1), &mut closed);
        }
        windowed.finish(&mut closed);
        assert_eq!(closed, whole, "{cut}");
    }
}

#[test]
fn what_a_window_spans_is_written_as_it_was_named() {
    let names = [Every::Time(HOUR), Every::Time(48 * HOUR), Every::Time(90_000_000), Every::Records(5000)];
    assert_eq!(names.map(|every| every.to_string()), ["1h", "2d", "90s", "5000"]);
}
