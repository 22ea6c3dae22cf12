//! The ways in which the GPU backend can run a job: that they differ in speed alone, and that learners side by side learn
//! what each would alone.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test ends where something is not as it should be, and says what it skips"
)]

mod judge;
mod made_up;

use judge::{
    GPU, OPTIMIZERS, PENALTIES, adapter, blank, compare, compare_models, compare_scored, drain, run, settings,
};
use made_up::Stream;
use tidemill::examples::Scored;
use tidemill::learner::crossing::Crossing;
use tidemill::learner::gpu::variant::{Block, Steps, Sums, Upload, Variant};
use tidemill::learner::gpu::{self, Adapter, GROUP, GpuLearner};
use tidemill::learner::{Learner, Optimizer, Penalty, Settings, Update, cpu};
use tidemill::metric::log_loss::log_loss;

/// Numbers, features that many rows share, and rows without a label, without weight or of weight 2.5.
const MIXED: Stream = Stream { numeric: 17, hashed: 9, hash_bits: 8, rows: 150, batches: 4, odd_rows: true };
/// Numbers alone.
const DENSE: Stream = Stream { hashed: 0, ..MIXED };

#[test]
fn every_variant_gives_the_same_bits_record_by_record() {
    let Some(adapter) = adapter() else { return };
    for (optimizer, penalty) in OPTIMIZERS.into_iter().zip(PENALTIES.into_iter().cycle()) {
        same_bits(&adapter, MIXED, settings(MIXED, optimizer, penalty, Update::Record));
    }
}

#[test]
fn every_variant_gives_the_same_bits_in_micro_batches() {
    let Some(adapter) = adapter() else { return };
    for (optimizer, penalty) in OPTIMIZERS.into_iter().zip(PENALTIES.into_iter().rev().cycle()) {
        same_bits(&adapter, DENSE, settings(DENSE, optimizer, penalty, Update::Batch));
    }
    same_bits(&adapter, MIXED, settings(MIXED, OPTIMIZERS[2], PENALTIES[1], Update::Batch));
}

#[test]
fn this_adapter_has_every_variant_that_is_tested_here() {
    let Some(adapter) = adapter() else { return };
    let all = Variant::all(&adapter);
    assert!(all.contains(&Variant::PLAIN) && all.contains(&Variant::likely(&adapter)));
    if adapter.is_software() {
        assert_eq!(all.len(), 16, "Mesa's software Vulkan has subgroups of 8 and one memory: {all:?}");
    }
    for variant in all {
        assert!(variant.block.rows() == 32 || variant.block == Block::Of64);
    }
}

#[test]
fn learners_side_by_side_learn_what_each_would_alone() {
    let Some(adapter) = adapter() else { return };
    for count in [1, 3, 64] {
        for (update, stream) in [(Update::Record, MIXED), (Update::Batch, MIXED), (Update::Batch, DENSE)] {
            for optimizer in [0, 2, 3] {
                side_by_side(&adapter, count, stream, OPTIMIZERS[optimizer], update);
            }
        }
    }
}

#[test]
fn learners_side_by_side_are_refused_where_one_kernel_does_not_do() {
    let Some(adapter) = adapter() else { return };
    let adagrad = settings(MIXED, OPTIMIZERS[2], Penalty::NONE, Update::Record);
    let ftrl = Settings { optimizer: OPTIMIZERS[3], ..adagrad };
    let models = vec![blank(MIXED, adagrad), blank(MIXED, ftrl)];
    let error = gpu::open_many(&adapter, models, &[adagrad, ftrl], Variant::PLAIN).unwrap_err();
    assert!(error.to_string().contains("one kind of rule"), "{error}");
    assert!(gpu::open_many(&adapter, Vec::new(), &[], Variant::PLAIN).is_err());
}

#[test]
fn record_by_record_gives_the_same_bits_twice_and_however_submits_are_grouped() {
    let Some(adapter) = adapter() else { return };
    let stream = Stream { batches: GROUP + 7, rows: 40, ..MIXED };
    let settings = settings(stream, OPTIMIZERS[2], PENALTIES[1], Update::Record);
    let (first, model) = run(&mut open(&adapter, stream, settings, Variant::PLAIN), stream);
    let (again, model_again) = run(&mut open(&adapter, stream, settings, Variant::PLAIN), stream);
    assert_eq!((bits(&first), &model), (bits(&again), &model_again));
    let mut eager = open(&adapter, stream, settings, Variant::PLAIN);
    for k in 0..stream.batches {
        eager.learn(stream.batch(k)).unwrap();
        eager.finish().unwrap();
    }
    assert_eq!((bits(&drain(&mut eager)), &eager.model().unwrap()), (bits(&first), &model));
}

#[test]
fn heavy_records_are_learned_as_the_cpu_learns_them() {
    let Some(adapter) = adapter() else { return };
    let stream = Stream { odd_rows: false, rows: 40, batches: 3, ..MIXED };
    for optimizer in OPTIMIZERS {
        let settings = settings(stream, optimizer, Penalty::NONE, Update::Record);
        let mut on_cpu = cpu::open(blank(stream, settings), settings);
        let mut on_gpu = open(&adapter, stream, settings, Variant::PLAIN);
        for k in 0..stream.batches {
            let mut batch = stream.batch(k);
            let weights = [0.5, 1.0, 3.0, 64.0, 65.5, 300.0, 20_000.0];
            batch.weight = (0..batch.rows).map(|row| weights[row % weights.len()]).collect();
            on_cpu.learn(batch.clone()).unwrap();
            on_gpu.learn(batch).unwrap();
        }
        let name = format!("{optimizer:?}");
        compare_scored(&drain(&mut on_gpu), &drain(&mut on_cpu), &HEAVY, &name);
        compare_models(&on_gpu.model().unwrap(), &on_cpu.model().unwrap(), &HEAVY, &name);
    }
}

#[test]
fn a_long_micro_batch_is_learned_to_its_end() {
    let Some(adapter) = adapter() else { return };
    // Mesa's software Vulkan leaves loops after 65,535 turns, and these take more than that.
    let stream = Stream { numeric: 20, hashed: 6, rows: 6_000, batches: 2, odd_rows: true, ..MIXED };
    for update in [Update::Record, Update::Batch] {
        let settings = settings(stream, OPTIMIZERS[2], Penalty::NONE, update);
        let (on_cpu, model) = run(&mut cpu::open(blank(stream, settings), settings), stream);
        for block in [Block::Of32, Block::Of64] {
            let variant = Variant { block, ..Variant::likely(&adapter) };
            let models = vec![blank(stream, settings); 2];
            let mut learner = gpu::open_many(&adapter, models, &[settings; 2], variant).unwrap();
            let (on_gpu, gpu_model) = run(&mut learner, stream);
            compare_scored(&on_gpu, &on_cpu, &GPU, "long");
            compare_models(&gpu_model, &model, &GPU, "long");
        }
    }
}

/// A record of weight 20,000 moves a logit by 10 or more, and what is off in one is carried on by the next.
const HEAVY: judge::Tolerance = judge::Tolerance { logit: 5e-4, weight: 5e-4 };

#[test]
fn a_block_is_solved_in_a_few_rounds_and_in_steady_state_nothing_is_made() {
    let Some(adapter) = adapter() else { return };
    let stream = Stream { numeric: 28, hashed: 0, rows: 256, batches: 0, odd_rows: false, ..MIXED };
    for block in [Block::Of32, Block::Of64] {
        let variant = Variant { block, ..Variant::likely(&adapter) };
        let settings = settings(stream, OPTIMIZERS[2], Penalty::NONE, Update::Record);
        let mut learner = open(&adapter, stream, settings, variant);
        let mut learn = |count: usize| {
            for k in 0..count {
                learner.learn(stream.batch(k)).unwrap();
                while let Some(scored) = learner.next_scored().unwrap() {
                    learner.recycle(scored);
                }
            }
            learner.finish().unwrap();
            learner.counters()
        };
        let (warm, after) = (learn(4 * GROUP), learn(4 * GROUP));
        let (blocks, rounds) = (after.blocks - warm.blocks, after.rounds - warm.rounds);
        println!("{block:?}: {:.2} rounds a block; {after:?}", rounds as f64 / blocks as f64);
        assert_eq!(blocks, 4 * GROUP as u64 * 256 / u64::from(block.rows()));
        assert!((2 * blocks..16 * blocks).contains(&rounds), "{rounds} rounds for {blocks} blocks");
        assert_eq!(after.buffers_created, warm.buffers_created);
        assert_eq!(after.bind_groups_created, warm.bind_groups_created);
        // A software adapter takes less at once.
        let dispatches = after.dispatches - warm.dispatches;
        assert!(dispatches <= if adapter.is_software() { 3 * GROUP as u64 } else { 5 }, "{after:?}");
    }
}

#[test]
fn crosses_made_on_the_gpu_are_those_of_the_encoder() {
    let Some(adapter) = adapter() else { return };
    for (hashed, rows) in [(39, 20), (1, 33), (17, 3), (0, 5)] {
        let stream = Stream { numeric: 3, hashed, rows, batches: 4, hash_bits: 12, odd_rows: true };
        for (optimizer, penalty) in OPTIMIZERS.into_iter().zip(PENALTIES.into_iter().cycle()) {
            let settings = settings(stream, optimizer, penalty, Update::Batch);
            let mut on_cpu = Crossing::new(cpu::open(blank(stream, settings), settings));
            let blank = blank(stream, settings);
            let mut on_gpu = gpu::prepare_to_cross(&adapter, &blank, settings).unwrap().with(blank);
            let (on_cpu, cpu_model) = run(&mut on_cpu, stream);
            let (on_gpu, gpu_model) = run(&mut on_gpu, stream);
            let name = format!("{stream:?} {settings:?}");
            on_gpu.iter().zip(&on_cpu).for_each(|(gpu, cpu)| {
                let logits: Vec<f64> = cpu.logit.iter().map(|&z| z.into()).collect();
                compare(&gpu.logit, &logits, GPU.logit, &name);
            });
            compare_models(&gpu_model, &cpu_model, &GPU, &name);
        }
    }
}

#[test]
fn what_stays_on_the_device_is_learned_again_as_if_it_had_been_sent_again() {
    let Some(adapter) = adapter() else { return };
    let stream = Stream { batches: 2 * GROUP + 9, rows: 40, ..MIXED };
    for (update, stream) in
        [(Update::Record, stream), (Update::Batch, stream), (Update::Batch, Stream { hashed: 0, ..stream })]
    {
        let settings = settings(stream, OPTIMIZERS[2], PENALTIES[1], update);
        for variant in [Variant::PLAIN, Variant::likely(&adapter)] {
            let mut sent = open(&adapter, stream, settings, variant);
            run(&mut sent, stream);
            let (again, want) = run(&mut sent, stream);

            let mut kept = open(&adapter, stream, settings, variant);
            for k in 0..stream.batches {
                assert!(kept.keep(&stream.batch(k), 1 << 30));
                kept.learn(stream.batch(k)).unwrap();
            }
            assert_eq!(drain(&mut kept).len(), stream.batches);
            let replayed = kept.replay().unwrap().unwrap();
            assert_eq!(kept.model().unwrap(), want, "{settings:?}");
            let (loss, weight) = loss_of(&again);
            assert_eq!((replayed.records, replayed.weight), ((stream.batches * stream.rows) as u64, weight));
            assert!((replayed.loss - loss).abs() < 2e-6 * loss, "{} for {loss}", replayed.loss);
            assert_eq!(replayed.not_finite, None);

            let mut full = open(&adapter, stream, settings, variant);
            let keeps = (0..stream.batches).take_while(|&k| {
                let keeps = full.keep(&stream.batch(k), 1 << 20);
                full.learn(stream.batch(k)).unwrap();
                keeps
            });
            let count = keeps.count();
            assert!(count < stream.batches, "a megabyte held {count} micro-batches");
        }
    }
    let schedule = settings(stream, OPTIMIZERS[1], Penalty::NONE, Update::Record);
    let mut learner = open(&adapter, stream, schedule, Variant::PLAIN);
    assert!(!learner.keep(&stream.batch(0), 1 << 30), "the schedule goes on, and what was sent says where it was");
    assert_eq!(learner.replay().unwrap(), None);
}

/// Runs a job in every way that the adapter has.
fn same_bits(adapter: &Adapter, stream: Stream, settings: Settings) {
    let (scored, model) = run(&mut open(adapter, stream, settings, Variant::PLAIN), stream);
    for variant in Variant::all(adapter) {
        let persistent = settings.update == Update::Record;
        if persistent && variant.steps == Steps::Dispatched {
            continue; // they are persistent in any case
        }
        if !persistent
            && variant.steps == Steps::Dispatched
            && (variant.block, variant.sums) != (Block::Of32, Sums::Memory)
        {
            continue; // nothing of these is in the kernels that are dispatched one by one
        }
        let (again, model_again) = run(&mut open(adapter, stream, settings, variant), stream);
        assert_eq!(bits(&again), bits(&scored), "{variant:?} {settings:?}");
        assert_eq!(model_again, model, "{variant:?} {settings:?}");
    }
}

fn side_by_side(adapter: &Adapter, count: usize, stream: Stream, optimizer: Optimizer, update: Update) {
    let each: Vec<Settings> = (0..count).map(|k| nth(stream, optimizer, update, k)).collect();
    let models = each.iter().map(|&settings| blank(stream, settings)).collect();
    let variant = Variant { upload: Upload::Copied, ..Variant::likely(adapter) };
    let mut together = gpu::open_many(adapter, models, &each, variant).unwrap();
    let (scored, _) = run(&mut together, stream);
    let (losses, models) = (together.losses().to_vec(), together.models().unwrap().to_vec());
    for (k, settings) in each.into_iter().enumerate().filter(|(k, _)| k % 16 == 0 || k % 13 == 2) {
        let name = format!("learner {k} of {count}: {settings:?}");
        let (alone, model) = run(&mut cpu::open(blank(stream, settings), settings), stream);
        compare_models(&models[k], &model, &GPU, &name);
        if k == 0 {
            compare_scored(&scored, &alone, &GPU, &name);
        }
        let (loss, weight) = loss_of(&alone);
        assert!((losses[k].loss - loss).abs() < 2e-6 * loss, "{name}: {} for {loss}", losses[k].loss);
        assert_eq!(losses[k].weight, weight, "{name}");
    }
}

/// The settings of learner `k`: rates and penalties of its own.
fn nth(stream: Stream, optimizer: Optimizer, update: Update, k: usize) -> Settings {
    let factor = 1.0 + k as f32 / 16.0;
    let optimizer = match optimizer {
        Optimizer::Sgd { learning_rate, power_t } => Optimizer::Sgd { learning_rate: learning_rate * factor, power_t },
        Optimizer::AdaGrad { learning_rate } => Optimizer::AdaGrad { learning_rate: learning_rate * factor },
        Optimizer::Ftrl { learning_rate, beta } => Optimizer::Ftrl { learning_rate, beta: beta * factor },
    };
    settings(stream, optimizer, PENALTIES[k % 2], update)
}

fn loss_of(scored: &[Scored]) -> (f64, f64) {
    let mut sum = (0.0, 0.0);
    for scored in scored {
        let rows = scored.logit.iter().zip(&scored.batch.label).zip(&scored.batch.weight);
        for ((&z, &label), &weight) in rows.filter(|((_, label), _)| !label.is_nan()) {
            sum.0 += f64::from(weight) * log_loss(z.into(), label.into());
            sum.1 += f64::from(weight);
        }
    }
    sum
}

fn bits(scored: &[Scored]) -> Vec<u32> {
    scored.iter().flat_map(|scored| &scored.logit).map(|z| z.to_bits()).collect()
}

fn open(adapter: &Adapter, stream: Stream, settings: Settings, variant: Variant) -> GpuLearner {
    gpu::open_as(adapter, blank(stream, settings), settings, variant).unwrap()
}
