//! What every backend must do, judged by an oracle in f64: logits, weights and versions, over every optimizer, with and
//! without penalties, at ordinary and odd sizes. The GPU is judged against the CPU.
//!
//! Without an adapter the GPU's tests say that they are skipped; with `TIDEMILL_REQUIRE_GPU=1` they fail instead.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test ends where something is not as it should be, and says what it skips"
)]

mod judge;
mod made_up;
mod oracle;

use judge::{
    CPU, GPU, OPTIMIZERS, PENALTIES, adapter, blank, compare, compare_models, compare_scored, drain, run, settings,
};
use made_up::{ORDINARY, Stream};
use oracle::Oracle;
use tidemill::examples::Scored;
use tidemill::learner::gpu::{self, GROUP, GpuLearner};
use tidemill::learner::{Learner, Model, Optimizer, Penalty, Settings, Update, cpu};

/// Sizes at which kernels and lanes could go wrong.
const STREAMS: [Stream; 9] = [
    ORDINARY,
    Stream { hashed: 0, numeric: 28, rows: 33, ..ORDINARY },
    Stream { numeric: 0, hashed: 7, ..ORDINARY },
    Stream { numeric: 0, hashed: 0, ..ORDINARY },
    Stream { numeric: 1, hashed: 1, rows: 1, batches: 30, ..ORDINARY },
    Stream { numeric: 16, hashed: 17, hash_bits: 0, rows: 16, ..ORDINARY },
    Stream { numeric: 17, hashed: 3, hash_bits: 10, rows: 131, ..ORDINARY },
    Stream { numeric: 1000, hashed: 2, rows: 7, batches: 3, ..ORDINARY },
    Stream { numeric: 3, hashed: 40, hash_bits: 18, rows: 257, batches: 3, ..ORDINARY },
];

#[test]
fn the_cpu_learns_micro_batches_as_the_formulas_say() {
    for_every_job(&STREAMS, Update::Batch, judge_cpu);
}

#[test]
fn the_cpu_learns_record_by_record_as_the_formulas_say() {
    for_every_job(&STREAMS, Update::Record, judge_cpu);
}

#[test]
fn the_gpu_learns_micro_batches_as_the_cpu_does() {
    let Some(adapter) = adapter() else { return };
    for_every_job(&STREAMS, Update::Batch, |stream, settings| judge_gpu(&adapter, stream, settings));
}

#[test]
fn the_gpu_learns_record_by_record_as_the_cpu_does() {
    let Some(adapter) = adapter() else { return };
    for_every_job(&STREAMS, Update::Record, |stream, settings| judge_gpu(&adapter, stream, settings));
}

#[test]
fn a_frozen_model_is_the_same_on_both_and_stays_as_it_is() {
    let Some(adapter) = adapter() else { return };
    let (_, model) = run(&mut cpu::open(blank(ORDINARY, adagrad()), adagrad()), ORDINARY);
    for update in [Update::Batch, Update::Record] {
        let settings = Settings { frozen: true, update, ..adagrad() };
        let (on_cpu, _) = run(&mut cpu::open(model.clone(), settings), ORDINARY);
        let (on_gpu, after) = run(&mut open(&adapter, model.clone(), settings), ORDINARY);
        compare_scored(&on_gpu, &on_cpu, &GPU, "frozen");
        assert_eq!(after, model);
    }
}

#[test]
fn micro_batches_without_anything_to_learn_are_no_update() {
    let settings = adagrad();
    let mut learners: Vec<Box<dyn Learner>> = vec![Box::new(cpu::open(blank(ORDINARY, settings), settings))];
    if let Some(adapter) = adapter() {
        learners.push(Box::new(open(&adapter, blank(ORDINARY, settings), settings)));
    }
    for learner in &mut learners {
        let mut batch = ORDINARY.batch(0);
        batch.label.fill(f32::NAN);
        learner.learn(batch).unwrap();
        let mut batch = ORDINARY.batch(1);
        batch.weight.fill(0.0);
        learner.learn(batch).unwrap();
        learner.learn(ORDINARY.batch(2)).unwrap();
        learner.learn(ORDINARY.batch(3)).unwrap();
        learner.finish().unwrap();
        let versions: Vec<u64> = std::iter::from_fn(|| learner.next_scored().unwrap()).map(|s| s.version).collect();
        assert_eq!(versions, [0, 0, 0, 1]);
        assert_eq!(learner.model().unwrap().updates, 2);
    }
}

#[test]
fn a_weight_of_three_is_the_record_three_times() {
    for optimizer in OPTIMIZERS.into_iter().filter(|o| !matches!(o, Optimizer::Sgd { power_t, .. } if *power_t > 0.0)) {
        let settings = Settings { optimizer, update: Update::Record, ..adagrad() };
        let stream = Stream { hashed: 0, rows: 3, odd_rows: false, ..ORDINARY };
        let (_, warm) = run(&mut cpu::open(blank(stream, settings), settings), stream);
        let first_row = |times: usize, weight: f32| {
            let one = Stream { rows: 1, ..stream }.batch(99);
            let mut batch = one.clone();
            (batch.rows, batch.dense, batch.label) = (times, one.dense.repeat(times), one.label.repeat(times));
            (batch.row_start, batch.weight) = (vec![0; times + 1], vec![weight; times]);
            let mut learner = cpu::open(warm.clone(), settings);
            learner.learn(batch).unwrap();
            learner.model().unwrap()
        };
        compare_models(&first_row(1, 3.0), &first_row(3, 1.0), &CPU, &format!("{settings:?}"));
    }
}

#[test]
fn weights_from_a_rule_without_rates_start_as_those_of_a_new_model_do() {
    let wide = Stream { numeric: 100, hashed: 0, odd_rows: false, ..ORDINARY };
    for optimizer in OPTIMIZERS {
        let settings = settings(wide, optimizer, Penalty::NONE, Update::Record);
        let sgd = Settings { optimizer: Optimizer::Sgd { learning_rate: 0.1, power_t: 0.0 }, ..settings };
        let schedules = matches!(optimizer, Optimizer::Sgd { power_t, .. } if power_t > 0.0);
        let learned = if schedules { 0 } else { 1000 };
        let from_sgd = Model { learned, ..blank(wide, sgd) }.for_rule(optimizer, Penalty::NONE);
        let (anew, _) = run(&mut cpu::open(blank(wide, settings), settings), wide);
        let (taken_over, _) = run(&mut cpu::open(from_sgd, settings), wide);
        anew.iter().zip(&taken_over).for_each(|(a, b)| assert_eq!(a.logit, b.logit, "{optimizer:?}"));
    }
}

#[test]
fn the_gpu_gives_the_same_bits_twice() {
    let Some(adapter) = adapter() else { return };
    let stream = Stream { numeric: 17, hashed: 30, rows: 300, batches: 40, ..ORDINARY };
    let twice = [(); 2].map(|()| run(&mut open(&adapter, blank(stream, adagrad()), adagrad()), stream));
    assert_eq!(twice[0].1, twice[1].1);
    // Labels may be NaN, so logits are compared, bit by bit.
    let bits = |scored: &[Scored]| -> Vec<u32> { scored.iter().flat_map(|s| &s.logit).map(|z| z.to_bits()).collect() };
    assert_eq!(bits(&twice[0].0), bits(&twice[1].0));
}

#[test]
fn when_results_are_fetched_changes_no_bit() {
    let Some(adapter) = adapter() else { return };
    let stream = Stream { batches: 2 * GROUP + 5, ..ORDINARY };
    let mut eager = open(&adapter, blank(stream, adagrad()), adagrad());
    for k in 0..stream.batches {
        eager.learn(stream.batch(k)).unwrap();
        eager.finish().unwrap();
        let scored = eager.next_scored().unwrap().unwrap();
        eager.recycle(scored);
    }
    let (_, lazy) = run(&mut open(&adapter, blank(stream, adagrad()), adagrad()), stream);
    assert_eq!(eager.model().unwrap(), lazy);
}

#[test]
fn a_model_goes_from_one_backend_to_the_other_and_on() {
    let Some(adapter) = adapter() else { return };
    for optimizer in OPTIMIZERS {
        let settings = Settings { optimizer, penalty: PENALTIES[1], ..adagrad() };
        let (_, half) = run(&mut open(&adapter, blank(ORDINARY, settings), settings), ORDINARY);
        let (on_cpu, cpu_model) = run(&mut cpu::open(half.clone(), settings), ORDINARY);
        let (on_gpu, gpu_model) = run(&mut open(&adapter, half, settings), ORDINARY);
        compare_scored(&on_gpu, &on_cpu, &GPU, &format!("{settings:?}"));
        compare_models(&gpu_model, &cpu_model, &GPU, &format!("{settings:?}"));
    }
}

#[test]
fn in_steady_state_a_micro_batch_makes_no_submit_buffer_or_bind_group_of_its_own() {
    let Some(adapter) = adapter() else { return };
    let stream = Stream { numeric: 28, hashed: 10, hash_bits: 12, rows: 64, batches: 0, odd_rows: true };
    let mut learner = open(&adapter, blank(stream, adagrad()), adagrad());
    let mut learn = |count: usize| {
        for k in 0..count {
            learner.learn(stream.batch(k)).unwrap();
            while let Some(scored) = learner.next_scored().unwrap() {
                learner.recycle(scored);
            }
        }
        learner.counters()
    };
    let warm = learn(4 * GROUP);
    let after = learn(10 * GROUP);
    println!("warm: {warm:?}\nafter: {after:?}");
    assert_eq!(after.micro_batches - warm.micro_batches, 10 * GROUP as u64);
    assert!(after.submits - warm.submits <= 10 + 1, "{} submits", after.submits - warm.submits);
    assert_eq!(after.buffers_created, warm.buffers_created);
    assert_eq!(after.bind_groups_created, warm.bind_groups_created);
}

#[test]
fn the_ring_never_uploads_through_the_queue() {
    for entry in std::fs::read_dir("src/learner/gpu").unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!source.contains(".write_buffer"), "write_buffer makes and frees a buffer at every call");
    }
}

#[test]
fn a_table_of_16_million_weights_fits_the_default_binding() {
    let Some(adapter) = adapter() else { return };
    let stream = Stream { numeric: 0, hashed: 20, hash_bits: 24, rows: 50, batches: 3, odd_rows: false };
    judge_gpu(&adapter, stream, settings(stream, OPTIMIZERS[3], PENALTIES[1], Update::Batch));
}

#[test]
fn more_workgroups_than_one_dimension_allows_are_no_problem() {
    let Some(adapter) = adapter() else { return };
    // `predict` takes 16 rows a workgroup, so this is 65,537 of them.
    let stream = Stream { numeric: 1, hashed: 1, hash_bits: 3, rows: 16 * 65_536 + 1, batches: 1, odd_rows: false };
    let sgd = Optimizer::Sgd { learning_rate: 1e-6, power_t: 0.0 };
    judge_gpu(&adapter, stream, settings(stream, sgd, Penalty::NONE, Update::Batch));
}

#[test]
fn a_slot_grows_when_micro_batches_do() {
    let Some(adapter) = adapter() else { return };
    let settings = Settings { batch: 1, ..adagrad() };
    let mut on_cpu = cpu::open(blank(ORDINARY, settings), settings);
    let mut on_gpu = open(&adapter, blank(ORDINARY, settings), settings);
    for rows in [1, 3, 700, 2, 5000, 1] {
        let batch = Stream { rows, ..ORDINARY }.batch(rows);
        on_cpu.learn(batch.clone()).unwrap();
        on_gpu.learn(batch).unwrap();
    }
    compare_scored(&drain(&mut on_gpu), &drain(&mut on_cpu), &GPU, "growing");
    let made = on_gpu.counters().buffers_created;
    assert!(made <= 3 + 5 * 3 * 4, "{made} buffers were made");
}

#[test]
fn one_huge_value_does_not_drown_the_others() {
    let Some(adapter) = adapter() else { return };
    for optimizer in OPTIMIZERS {
        let stream = Stream { numeric: 0, hashed: 30, hash_bits: 12, rows: 100, ..ORDINARY };
        let settings = settings(stream, optimizer, PENALTIES[1], Update::Batch);
        let mut batch = stream.batch(7);
        batch.value[50] = 1e6;
        let learned_by = |learner: &mut dyn Learner| {
            learner.learn(batch.clone()).unwrap();
            learner.model().unwrap()
        };
        let on_cpu = learned_by(&mut cpu::open(blank(stream, settings), settings));
        let on_gpu = learned_by(&mut open(&adapter, blank(stream, settings), settings));
        compare_models(&on_gpu, &on_cpu, &GPU, &format!("{optimizer:?}"));
    }
}

#[test]
fn penalties_follow_the_weights_of_examples_however_uneven() {
    let Some(adapter) = adapter() else { return };
    let stream = Stream { numeric: 0, hashed: 3, hash_bits: 12, rows: 4096, odd_rows: false, ..ORDINARY };
    let one_heavy = |row: usize| if row == 2000 { 1e6 } else { [0.25f32, 1.0, 37.5][row % 3] };
    let every_scale = |row: usize| 0.25 * 1.5f32.powi((row % 38) as i32);
    for weight_of in [&one_heavy as &dyn Fn(usize) -> f32, &every_scale] {
        for optimizer in OPTIMIZERS {
            // Strong enough to move a weight by a twentieth of itself for a record of weight 1.
            let settings = settings(stream, optimizer, Penalty { l1: 0.1, l2: 3.0 }, Update::Batch);
            // The judge is the oracle: the CPU's sums of floats are the coarser ones here.
            let mut oracle = Oracle::new(0, settings);
            let mut learner = open(&adapter, blank(stream, settings), settings);
            // A step is as large as the weight behind it, and what it leaves may be the small difference of large terms.
            let mut step = vec![1.0; 1 << stream.hash_bits];
            for k in 0..2 {
                let mut batch = stream.batch(k);
                if k == 1 {
                    batch.weight = (0..stream.rows).map(weight_of).collect();
                    for (row, &weight) in batch.weight.iter().enumerate() {
                        batch
                            .features(row)
                            .0
                            .iter()
                            .for_each(|&hash| step[hash as usize % (1 << stream.hash_bits)] += 0.05 * weight);
                    }
                }
                oracle.learn(&batch);
                learner.learn(batch).unwrap();
            }
            let (model, (_, bias, table)) = (learner.model().unwrap(), oracle.weights());
            let have: Vec<f32> = model.hashed_weights().iter().zip(&step).map(|(w, step)| w / step).collect();
            let want: Vec<f64> = table.iter().zip(&step).map(|(w, step)| w / f64::from(*step)).collect();
            compare(&have, &want, GPU.weight, &format!("hashed weights, by step, of {optimizer:?}"));
            compare(&[model.bias_weight()], &[bias], GPU.weight, &format!("bias of {optimizer:?}"));
        }
    }
}

#[test]
fn a_micro_batch_with_too_many_features_for_exact_sums_is_refused_before_it_is_learned() {
    let Some(adapter) = adapter() else { return };
    let (rows, features) = (1 << 12, 1 << 10);
    let stream = Stream { numeric: 0, hashed: features, rows, batches: 1, odd_rows: false, ..ORDINARY };
    let sgd = Optimizer::Sgd { learning_rate: 1e-6, power_t: 0.0 };
    let settings = settings(stream, sgd, Penalty::NONE, Update::Batch);
    let mut on_gpu = open(&adapter, blank(stream, settings), settings);
    let error = on_gpu.learn(stream.batch(0)).unwrap_err();
    assert!(error.to_string().contains("lower --batch to 4095,"), "{error}");
    assert_eq!(on_gpu.model().unwrap().updates, 0);
    // What the message advises, to the row.
    let batch = Stream { rows: 4095, ..stream }.batch(0);
    let mut on_cpu = cpu::open(blank(stream, settings), settings);
    on_cpu.learn(batch.clone()).unwrap();
    on_gpu.learn(batch).unwrap();
    compare_models(&on_gpu.model().unwrap(), &on_cpu.model().unwrap(), &GPU, "the largest micro-batch");
}

#[test]
fn what_a_device_cannot_hold_is_refused_with_what_to_lower() {
    let Some(adapter) = adapter() else { return };
    let most = gpu::adapter::list().iter().map(|a| a.max_binding_size.min(a.max_buffer_size)).max().unwrap();
    if most > 1 << 28 {
        return eprintln!("skipped: the adapter holds more than this test wants to fill");
    }
    let hash_bits = (most / 8).ilog2() + 1;
    let settings = Settings { hash_bits, ..adagrad() };
    let error = gpu::open(&adapter, blank(Stream { hash_bits, ..ORDINARY }, settings), settings).unwrap_err();
    assert!(error.to_string().contains(&format!("lower --hash-bits to {}", hash_bits - 1)), "{error}");

    let mut learner = open(&adapter, blank(ORDINARY, adagrad()), adagrad());
    let (rows, mut batch) = ((most / 64) as usize, ORDINARY.batch(0));
    (batch.rows, batch.dense, batch.row_start) = (rows, vec![0.0; 16 * rows], vec![batch.hash.len() as u32; rows + 1]);
    (batch.label, batch.weight) = (vec![1.0; rows], vec![1.0; rows]);
    let error = learner.learn(batch).unwrap_err();
    assert!(error.to_string().contains("lower --batch"), "{error}");
    // Nothing of it was learned, so smaller ones can go on.
    learner.learn(ORDINARY.batch(0)).unwrap();
    assert_eq!(learner.model().unwrap().updates, 1);
}

fn for_every_job(streams: &[Stream], update: Update, judge: impl Fn(Stream, Settings)) {
    for &stream in streams {
        for optimizer in OPTIMIZERS {
            for penalty in PENALTIES {
                judge(stream, settings(stream, optimizer, penalty, update));
            }
        }
    }
}

fn judge_cpu(stream: Stream, settings: Settings) {
    let name = format!("{stream:?} {settings:?}");
    let mut oracle = Oracle::new(stream.numeric, settings);
    let (scored, model) = run(&mut cpu::open(blank(stream, settings), settings), stream);
    for scored in &scored {
        assert_eq!(scored.version, oracle.updates, "{name}");
        let expected = oracle.learn(&scored.batch);
        compare(&scored.logit, &expected, CPU.logit, &format!("logits of {name}"));
    }
    let (dense, bias, table) = oracle.weights();
    compare(&model.dense_weights(), &dense, CPU.weight, &format!("dense weights of {name}"));
    compare(&[model.bias_weight()], &[bias], CPU.weight, &format!("bias of {name}"));
    compare(&model.hashed_weights(), &table, CPU.weight, &format!("hashed weights of {name}"));
    assert_eq!((model.updates, model.learned), (oracle.updates, oracle.learned), "{name}");
}

fn judge_gpu(adapter: &gpu::Adapter, stream: Stream, settings: Settings) {
    let name = format!("{stream:?} {settings:?}");
    let (on_cpu, cpu_model) = run(&mut cpu::open(blank(stream, settings), settings), stream);
    let (on_gpu, gpu_model) = run(&mut open(adapter, blank(stream, settings), settings), stream);
    compare_scored(&on_gpu, &on_cpu, &GPU, &name);
    compare_models(&gpu_model, &cpu_model, &GPU, &name);
}

fn adagrad() -> Settings {
    settings(ORDINARY, OPTIMIZERS[2], Penalty::NONE, Update::Batch)
}

fn open(adapter: &gpu::Adapter, model: Model, settings: Settings) -> GpuLearner {
    gpu::open(adapter, model, settings).unwrap()
}
