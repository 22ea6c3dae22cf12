//! To save and restore is to change nothing: for every part that remembers something, and for the file between. What does
//! not belong together is refused.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod states;

use proptest::prelude::*;
use states::{
    Chunk, NUMERIC, OPTIMIZERS, blank_batcher, blank_model, chunk, counts, micro_batch, model, numbers, position,
    restored, settings, shown, state_of, token,
};
use tidemill::batcher::Batcher;
use tidemill::encoder::label::LabelGuard;
use tidemill::engine::Counts;
use tidemill::error::Result;
use tidemill::examples::{LabelToken, MicroBatch, Scored, stride};
use tidemill::learner::{Model, Penalty, Shape, Update};
use tidemill::metric::Metrics;
use tidemill::metric::course::Course;
use tidemill::record::Position;
use tidemill::scaler::Scaler;
use tidemill::snapshot::State;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_scaler_comes_back(rows in prop::collection::vec(numbers(32), 0..40), width in 0..3usize) {
        let mut scaler = Scaler::new(16 * width);
        rows.iter().for_each(|row| scaler.learn(&row[..16 * width], &mut vec![0.0; 16 * width]));
        let back = restored(&scaler, Scaler::new(16 * width));
        prop_assert!(back == scaler);
    }

    #[test]
    fn a_label_guard_comes_back(tokens in prop::collection::vec(token(), 0..6), next in token()) {
        let mut guard = LabelGuard::default();
        for (token, record) in tokens.into_iter().zip(1..) {
            let _ = guard.resolve(token, record); // a mix is refused, and leaves a state too
        }
        let mut back = restored(&guard, LabelGuard::default());
        prop_assert_eq!(&back, &guard);
        let say = |result: Result<f32>| result.map(f32::to_bits).map_err(|error| error.to_string());
        prop_assert_eq!(say(back.resolve(next, 9)), say(guard.resolve(next, 9)));
    }

    #[test]
    fn a_micro_batch_comes_back(batch in micro_batch()) {
        let back = restored(&batch, MicroBatch::default());
        prop_assert_eq!(shown(&back), shown(&batch));
    }

    #[test]
    fn a_model_comes_back(model in model()) {
        let back = restored(&model, Model::new(model.shape(), model.optimizer, model.penalty));
        prop_assert!(shown(&back) == shown(&model));
    }

    #[test]
    fn metrics_come_back(
        parts in prop::collection::vec(
            prop::collection::vec((-40.0..40.0f32, prop::sample::select(vec![0.0, 1.0, f32::NAN]), 0.0..3.0f32), 0..20),
            0..6,
        ),
        taken in any::<bool>(),
        explodes in any::<bool>(),
    ) {
        let mut metrics = Metrics::default();
        for part in parts {
            let [logit, label, weight] = [0, 1, 2].map(|k| part.iter().map(|row| [row.0, row.1, row.2][k]).collect());
            let (logit, label, weight): (Vec<f32>, Vec<f32>, Vec<f32>) = (logit, label, weight);
            metrics.add(&logit, &label, &weight);
        }
        if taken {
            metrics.take_since_last();
        }
        if explodes {
            metrics.add(&[20.0; 5000], &[0.0; 5000], &[1.0; 5000]);
            prop_assert!(metrics.explosion.found.is_some());
        }
        let back = restored(&metrics, Metrics::default());
        prop_assert!(shown(&back) == shown(&metrics));
        prop_assert!(!explodes || back.fading.past.log_loss.weight > 0.0);
        // They go on alike, too.
        let (mut metrics, mut back) = (metrics, back);
        for metrics in [&mut metrics, &mut back] {
            metrics.add(&[0.5; 2000], &[1.0; 2000], &[1.0; 2000]);
        }
        prop_assert!(shown(&back) == shown(&metrics));
    }

    #[test]
    fn metrics_from_before_there_were_fading_figures_begin_them_where_they_go_on(labels in 1..3000_usize) {
        let mut metrics = Metrics::default();
        metrics.add(&vec![0.5; labels], &vec![1.0; labels], &vec![1.0; labels]);
        let mut older = State::default();
        let is_newer = |name: &str| name.contains("/fading") || name.ends_with("/no_change");
        let arrays = state_of(&metrics);
        arrays.arrays().iter().filter(|array| !is_newer(&array.name)).for_each(|array| older.push(array.clone()));
        prop_assert_eq!(older.arrays().len() + 5, arrays.arrays().len());
        let mut back = Metrics::default();
        older.restore(&mut back).unwrap();
        let fresh = Metrics::default();
        prop_assert_eq!((back.total, back.no_change, back.fading), (metrics.total, fresh.no_change, fresh.fading));
    }

    #[test]
    fn a_course_comes_back_and_goes_on(
        rows in prop::collection::vec(
            (1..100_000u64, any::<i64>(), -40.0..40.0f32, prop::sample::select(vec![0.0, 1.0, f32::NAN]), 0.0..3.0f32),
            1..600,
        ),
        behind in 0..1_000_000u64,
    ) {
        let of = |rows: &[(u64, i64, f32, f32, f32)]| Scored {
            batch: MicroBatch {
                rows: rows.len(),
                record: rows.iter().map(|row| row.0).collect(),
                time: rows.iter().map(|row| row.1).collect(),
                label: rows.iter().map(|row| row.3).collect(),
                weight: rows.iter().map(|row| row.4).collect(),
                ..MicroBatch::default()
            },
            logit: rows.iter().map(|row| row.2).collect(),
            ..Scored::default()
        };
        let (begin, rest) = rows.split_at(rows.len() / 2);
        let mut course = Course::default();
        course.begin_behind(behind);
        course.add(&of(begin));
        let mut back = restored(&course, Course::default());
        prop_assert!(back == course);
        for course in [&mut course, &mut back] {
            course.add(&of(rest));
        }
        prop_assert!(back == course && course.times.cells().count() <= 256 && course.records.cells().count() <= 256);
    }

    #[test]
    fn counts_come_back(counts in counts()) {
        let back = restored(&counts, Counts::default());
        prop_assert_eq!(shown(&back), shown(&counts));
    }

    #[test]
    fn a_position_comes_back(position in position()) {
        prop_assert_eq!(&restored(&position, Position::default()), &position);
    }

    #[test]
    fn a_batcher_goes_on_where_it_was(chunk in chunk(30), rest in chunk(10)) {
        let (chunk, rest) = (chunk.examples(), rest.examples());
        let mut batcher = blank_batcher();
        let mut row = 0;
        while row < chunk.rows {
            row = batcher.fill(&chunk, row..chunk.rows, 0).unwrap();
            if batcher.is_full() {
                batcher.take(MicroBatch::default());
            }
        }
        let mut back = restored(&batcher, blank_batcher());
        for batcher in [&mut batcher, &mut back] {
            batcher.fill(&rest, 0..rest.rows, 100).unwrap();
        }
        prop_assert!(state_of(&back).arrays() == state_of(&batcher).arrays());
    }
}

#[test]
fn the_state_of_another_shape_is_refused() {
    let settings = settings(OPTIMIZERS[2], Update::Record);
    let model = |numeric, hash_bits| Model::new(Shape { numeric, hash_bits }, OPTIMIZERS[2], Penalty::NONE);
    let refused = |error: Option<tidemill::error::Error>, name: &str| {
        let error = error.unwrap().to_string();
        assert!(error.contains(name) && error.contains("belongs to another job"), "{error}");
    };
    for (numeric, hash_bits) in [(3, 9), (3, 11), (2, 10), (17, 10)] {
        refused(state_of(&blank_model(settings)).restore(&mut model(numeric, hash_bits)).err(), "`model/shape`");
    }
    refused(state_of(&Scaler::new(16)).restore(&mut Scaler::new(32)).err(), "`scaler/count`");
    let mut batcher = blank_batcher();
    let one = Chunk { rows: vec![(vec![1.0; 3], vec![], LabelToken::One, 1.0, "a".into()); 4], rejected: vec![] };
    batcher.fill(&one.examples(), 0..4, 0).unwrap();
    let mut smaller = Batcher::new(4, stride(NUMERIC), Scaler::new(stride(NUMERIC)), true);
    refused(state_of(&batcher).restore(&mut smaller).err(), "`batcher/filling`");
}
