//! The store of open rows, held to a map of them, and to its bounds.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidemill::examples::MicroBatch;
use tidemill::join::{OpenRow, OpenRows};
use tidemill::snapshot::State;

/// A row of `features` hashed features.
fn batch(record: u64, features: u32) -> MicroBatch {
    let hash: Vec<_> = (0..features).map(|at| at.wrapping_mul(record as u32)).collect();
    MicroBatch {
        rows: 1,
        dense: (0..16).map(|at| if at < record % 17 { record as f32 } else { 0.0 }).collect(),
        row_start: vec![0, features],
        value: vec![0.5; hash.len()],
        hash,
        weight: vec![record as f32],
        record: vec![record],
        ..MicroBatch::default()
    }
}

/// When a row is due, its record number and its number of features.
type Kept = (i64, u64, u32);

fn assert_row(row: &OpenRow, sequence: u64, (due, record, features): Kept) {
    let batch = batch(record, features);
    assert_eq!((row.sequence, row.due, row.record, row.label), (sequence, due, record, 1.0));
    assert_eq!((&row.dense, &row.hash, &row.value), (&batch.dense, &batch.hash, &batch.value));
    assert_eq!(row.keys, [record, u64::from(features)]);
}

fn restored(mut rows: OpenRows, memory: u64) -> OpenRows {
    let (mut state, mut again) = (State::default(), State::default());
    state.save(&rows);
    rows.check_saved().unwrap();
    let mut fresh = OpenRows::new(memory);
    state.restore(&mut fresh).unwrap();
    again.save(&fresh);
    assert_eq!(again.arrays(), state.arrays());
    assert_eq!((fresh.is_over(), fresh.len(), fresh.oldest()), (rows.is_over(), rows.len(), rows.oldest()));
    fresh
}

/// What is done with the store: one of six things, to a row that is open, with a number.
type Step = (u8, usize, u32);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Now and then a row that is larger than a segment.
    let number = prop_oneof![20 => 0..30_u32, 1 => 0..1000_u32];
    prop::collection::vec((0..12_u8, any::<usize>(), number), 0..600)
}

proptest! {
    #[test]
    fn rows_come_back_as_from_a_map(
        steps in steps(), memory in prop::sample::select(vec![0, 8 << 10, 64 << 10, 256 << 10]), at in 0..600_usize
    ) {
        let (mut rows, mut map, mut row) = (OpenRows::new(memory), BTreeMap::<u64, Kept>::new(), OpenRow::default());
        for (turn, (kind, which, number)) in steps.into_iter().enumerate() {
            if turn == at {
                rows = restored(rows, memory);
            }
            let (record, due) = (turn as u64 + 1, (turn as i64) + i64::from(number % 30));
            let open = map.keys().copied().nth(which % map.len().max(1));
            match (kind, open) {
                (1, Some(sequence)) => {
                    assert!(rows.look(sequence, &mut row).unwrap());
                    assert_row(&row, sequence, map[&sequence]);
                    prop_assert_eq!(rows.due(sequence), Some(map[&sequence].0));
                }
                (2 | 3, Some(sequence)) => {
                    prop_assert!(rows.take(sequence, &mut row).unwrap());
                    assert_row(&row, sequence, map.remove(&sequence).unwrap());
                    prop_assert!(!rows.take(sequence, &mut row).unwrap());
                }
                (4, Some(sequence)) => {
                    prop_assert!(rows.forget(sequence).unwrap());
                    map.remove(&sequence);
                    prop_assert_eq!(rows.due(sequence), None);
                }
                (5, Some(sequence)) => {
                    prop_assert!(rows.reschedule(sequence, due));
                    map.get_mut(&sequence).unwrap().0 = due;
                }
                (6, _) => while let Some((due, sequence)) = rows.next_due(turn as i64) {
                    prop_assert!(rows.take(sequence, &mut row).unwrap());
                    prop_assert_eq!(map.remove(&sequence).map(|kept| kept.0), Some(due));
                },
                _ => {
                    let sequence = rows.put(due, &batch(record, number), 0, 1.0, &[record, u64::from(number)]).unwrap();
                    map.insert(sequence, (due, record, number));
                }
            }
            let first = map.iter().map(|(&sequence, kept)| (kept.0, sequence)).min();
            prop_assert_eq!(rows.next_due(i64::MAX), first);
            prop_assert_eq!(rows.len(), map.len() as u64);
            let oldest = map.first_key_value().map(|(&sequence, _)| sequence);
            prop_assert!(oldest.is_none_or(|oldest| rows.oldest() == oldest));
        }
    }
}

/// A store of many small rows that are spilled, and the rest of them, every 50th, once the others are gone.
#[test]
fn memory_and_disk_follow_what_is_open_and_not_what_was() {
    let memory = 1 << 20;
    let (mut rows, mut row) = (OpenRows::new(memory), OpenRow::default());
    for record in 1..=9000_u64 {
        rows.put(record as i64, &batch(record, 30), 0, 1.0, &[record, 30]).unwrap();
        assert!(rows.bytes() <= memory, "{} bytes after {record} rows", rows.bytes());
    }
    assert!(!rows.is_over());
    let full = rows.spilled_bytes();
    assert!(full > 2 << 20, "{full} bytes");
    // Not in order, so that every row is read by itself.
    for sequence in (0..9000_u64).map(|at| at * 7919 % 9000).filter(|sequence| sequence % 50 != 0) {
        assert!(rows.take(sequence, &mut row).unwrap());
        assert_row(&row, sequence, (sequence as i64 + 1, sequence + 1, 30));
        assert!(rows.bytes() <= memory, "{} bytes without {sequence}", rows.bytes());
    }
    assert_eq!(rows.len(), 180);
    assert!(rows.spilled_bytes() < full / 8, "{} of {full} bytes", rows.spilled_bytes());
    for sequence in (0..9000).filter(|sequence| sequence % 50 == 0) {
        assert_eq!(rows.next_due(9000), Some((sequence as i64 + 1, sequence)));
        assert!(rows.take(sequence, &mut row).unwrap());
        assert_row(&row, sequence, (sequence as i64 + 1, sequence + 1, 30));
    }
    assert!(rows.is_empty() && rows.spilled_bytes() == 0 && rows.bytes() < 64 << 10, "{} bytes", rows.bytes());
}

#[test]
fn a_store_says_that_it_is_over_before_its_index_is_larger_than_its_memory() {
    let memory = 256 << 10;
    let (mut rows, mut row, mut most) = (OpenRows::new(memory), OpenRow::default(), 0);
    for record in 1..=20_000_u64 {
        rows.put(record as i64, &batch(record, 3), 0, 1.0, &[]).unwrap();
        while rows.is_over() {
            let (_, sequence) = rows.next_due(i64::MAX).unwrap();
            assert!(rows.take(sequence, &mut row).unwrap());
        }
        assert!(rows.bytes() <= memory, "{} bytes", rows.bytes());
        most = most.max(rows.len());
    }
    assert!((1000..10_000).contains(&most), "{most} rows at most");
}
