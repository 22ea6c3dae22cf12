//! A learner of a sweep is the learner that `train` would make of its settings: same loss, same bits.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use program::Folder;
use tidemill::config::sweep::{Sweep, SweepOptions};
use tidemill::config::{Options, Plan};
use tidemill::pipeline::sweep::Swept;
use tidemill::pipeline::{self, Stop, saved};

/// How far a learner's loss may be from that of its lone run, as the code says of itself.
const WITHIN: f64 = 1e-7;

/// Records with numbers, categories, weights of all sizes, and labels that are missing now and then.
fn stream(rows: u64) -> String {
    let mut text = String::from("y,w,a,b,c,d,e,site,page\n");
    let mut state = 5_u64;
    for _ in 0..rows {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = |at: u32| (state >> (at * 5) & 31) as f64 / 8.0 - 2.0;
        let label = if state >> 58 == 0 { "" } else { ["0", "1"][usize::from(draw(7) + 0.5 * draw(8) > 0.3)] };
        let weight = [1.0, 1.0, 1.0, 2.5, 0.0, 0.3, 100.0, 1.0][(state >> 52 & 7) as usize];
        let numbers: Vec<_> = (4..9).map(|at| format!("{}", draw(at))).collect();
        text += &format!("{label},{weight},{},s{},p{}\n", numbers.join(","), state >> 40 & 15, state >> 45 & 127);
    }
    text
}

/// The options of a job over a file of a folder.
fn options(folder: &Folder, threads: usize) -> Options {
    let job = format!(
        "[source]\ninput = ['{}']\nlabel = 'y'\nweight = 'w'\nnumeric = ['a', 'b', 'c', 'd', 'e']\n\
         categorical = ['site', 'page']\n[learner]\nhash-bits = 8\ndevice = 'cpu'\nthreads = {threads}\n\
         [output]\nmodel = '{}'",
        folder.path("in.csv").display(),
        folder.path("promoted").display()
    );
    Options::parse(&job).unwrap()
}

fn prepared(folder: &Folder, threads: usize, asked: SweepOptions) -> Sweep {
    Sweep::new(options(folder, threads), &asked).unwrap()
}

fn grid(grid: &str) -> SweepOptions {
    SweepOptions { grid: grid.into(), ..SweepOptions::default() }
}

fn run(sweep: &Sweep) -> Swept {
    pipeline::sweep::run(sweep, &Stop::default(), &mut |_, _| {}).unwrap()
}

/// The bytes of the model file of a plan's lone run, and its loss.
fn alone(folder: &Folder, plan: &Plan) -> (Vec<u8>, f64) {
    let outcome = pipeline::run(plan, None, &Stop::default(), &mut |_| {}).unwrap();
    saved::model_of(plan, &outcome).write(&folder.path("alone")).unwrap();
    (folder.bytes("alone"), outcome.metrics.total.log_loss.mean().unwrap())
}

fn promoted(folder: &Folder, sweep: &Sweep, swept: &Swept) -> Vec<u8> {
    let plan = sweep.plan_of(swept.promoted.unwrap()).unwrap();
    saved::model_of(&plan, &swept.outcome).write(&folder.path("promoted")).unwrap();
    folder.bytes("promoted")
}

/// Losses by place, to the bit.
fn losses(swept: &Swept) -> Vec<(usize, u64)> {
    let mut all: Vec<_> = swept.ranking.iter().map(|of| (of.place, of.log_loss.unwrap().to_bits())).collect();
    all.sort_unstable();
    all
}

#[test]
fn every_learner_has_the_loss_and_the_bits_of_its_lone_run() {
    let folder = Folder::new();
    folder.file("in.csv", stream(700));
    let asked = "optimizer=sgd,adagrad,ftrl; update=record,batch; batch=32,96; l1=0,0.001; l2=0,0.01; power-t=0,0.5; \
                 learning-rate=0.002";
    let whole = prepared(&folder, 2, grid(asked));
    assert_eq!((whole.candidates.len(), whole.left_out), (64, 32));
    let swept = run(&whole);
    for place in 0..whole.candidates.len() {
        let name = whole.candidates[place].name();
        let (model, loss) = alone(&folder, &whole.plan_of(place).unwrap());
        let of = swept.ranking.iter().find(|of| of.place == place).unwrap();
        let is = of.log_loss.unwrap();
        assert!((is - loss).abs() <= WITHIN * loss, "{name}: {is} instead of {loss}");
        if place % 5 == 0 {
            let mut one = whole.clone();
            one.promoted = Some(place);
            assert!(promoted(&folder, &one, &run(&one)) == model, "{name}: the model is not that of a lone run");
        }
    }
}

#[test]
fn any_number_of_learners_on_any_number_of_threads_comes_to_the_same() {
    let folder = Folder::new();
    folder.file("in.csv", stream(3000));
    for count in [1, 3, 17, 64] {
        let rates: Vec<_> = (1..=count).map(|k| format!("{}", 0.01 * f64::from(k))).collect();
        let asked = format!("learning-rate={}", rates.join(","));
        let sweeps = [1, 2, 5].map(|threads| prepared(&folder, threads, grid(&asked)));
        let all = [run(&sweeps[0]), run(&sweeps[1]), run(&sweeps[2])];
        assert_eq!(all[0].ranking.len(), count as usize);
        assert_eq!(losses(&all[0]), losses(&all[1]));
        assert_eq!(losses(&all[0]), losses(&all[2]));
        let best = promoted(&folder, &sweeps[0], &all[0]);
        assert!(best == promoted(&folder, &sweeps[2], &all[2]), "{count} learners: models differ");
        assert!(best == alone(&folder, &sweeps[0].plan_of(all[0].promoted.unwrap()).unwrap()).0, "{count} learners");
    }
}

#[test]
fn the_best_comes_first_and_is_promoted() {
    let folder = Folder::new();
    folder.file("in.csv", stream(2000));
    let swept = run(&prepared(&folder, 1, grid("learning-rate=1e-6,0.05,0.0001")));
    let losses: Vec<_> = swept.ranking.iter().map(|of| of.log_loss.unwrap()).collect();
    assert!(losses.is_sorted(), "{losses:?}");
    assert_eq!((swept.promoted, swept.ranking[0].place), (Some(1), 1));
}

#[test]
fn those_that_are_dropped_change_nothing_for_the_others() {
    let folder = Folder::new();
    folder.file("in.csv", stream(9000));
    let rates: Vec<_> = (0..40).map(|k| format!("{}", 2e-6 * f64::from(1 << (k / 2)) * f64::from(2 + k % 2))).collect();
    let asked = grid(&format!("learning-rate={}; optimizer=adagrad,ftrl", rates.join(",")));
    let all = run(&prepared(&folder, 2, asked.clone()));
    let dropping = prepared(&folder, 3, SweepOptions { drop_after: Some(1000), ..asked });
    let some = run(&dropping);
    // Looked at behind the micro-batches that bring 1,000, 2,000, 4,000 and 8,000 labelled records.
    assert_eq!(some.ranking.iter().filter(|of| of.dropped_after.is_none()).count(), 5);
    let (all_losses, mut seen) = (losses(&all), 0);
    for of in &some.ranking {
        let whole = f64::from_bits(all_losses[of.place].1);
        match of.dropped_after {
            // Products of losses are closed when learners move together, so that sums differ in their last digits.
            None => assert!((of.log_loss.unwrap() - whole).abs() <= 1e-12 * whole),
            Some(after) => {
                assert!((1000..9000).contains(&after));
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 75);
    let (model, _) = alone(&folder, &dropping.plan_of(some.promoted.unwrap()).unwrap());
    assert!(promoted(&folder, &dropping, &some) == model, "the model is not that of a lone run");
}

#[test]
fn one_that_diverges_is_last_harms_nobody_and_is_not_promoted() {
    let folder = Folder::new();
    // Not standardised: a weight of either feature overflows at a large rate, and their sum is then no number.
    folder.file("in.libsvm", "0 1:3e38\n1 2:3e38\n1 1:1 2:1\n".repeat(400));
    let line = "sweep in.libsvm --hash-bits 8 --grid optimizer=sgd;learning-rate=1000,1e-9;update=record,batch;batch=1 \
                --summary s.json --model m";
    folder.run(line).fine();
    let summary = folder.json("s.json");
    let diverged: Vec<_> = summary["learners"].as_array().unwrap().iter().map(|of| of["diverged"].clone()).collect();
    assert_eq!(diverged, [false, false, true, true]);
    assert!(summary["learners"][0]["log_loss"].is_f64() && summary["learners"][3]["log_loss"].is_null());
    let best = if summary["promoted"] == 3 { "record" } else { "batch" };
    let learner = format!("--optimizer sgd --learning-rate 1e-9 --update {best} --batch 1 --device cpu --hash-bits 8");
    folder.run(&format!("train in.libsvm {learner} --model t")).fine();
    assert!(folder.bytes("m") == folder.bytes("t"), "the model is not that of train");
    folder.run(&format!("{line} --promote 1")).refused(&["learner 1 diverged", "smaller learning rates"]);
}

#[test]
fn the_command_writes_the_model_of_the_best_and_every_loss() {
    let folder = Folder::new();
    folder.file("in.csv", stream(1500));
    let job = "in.csv --label y --weight w --categorical site,page --device cpu --hash-bits 8";
    let line =
        format!("sweep {job} --grid learning-rate=0.01,0.2;optimizer=adagrad,ftrl;beta=0.5 --model m --summary s.json");
    let said = folder.run(&line).fine();
    let summary = folder.json("s.json");
    let learners = summary["learners"].as_array().unwrap();
    assert_eq!((learners.len(), summary["records"].as_u64()), (4, Some(1500)));
    let losses: Vec<_> = learners.iter().map(|of| of["log_loss"].as_f64().unwrap()).collect();
    assert!(losses.is_sorted() && summary["promoted"] == learners[0]["number"], "{losses:?}");
    assert!(said.stderr.contains("rank  number  log loss  setting"), "{}", said.stderr);
    let best = &learners[0]["optimizer"];
    let rate: f32 = best["learning_rate"].to_string().parse::<f64>().unwrap() as f32;
    let beta = if best["name"] == "ftrl" { " --beta 0.5" } else { "" };
    let name = best["name"].as_str().unwrap();
    folder
        .run(&format!("train {job} --optimizer {name} --learning-rate {rate}{beta} --model t --summary t.json"))
        .fine();
    assert!(folder.bytes("m") == folder.bytes("t"), "the model is not that of train");
    let alone = folder.json("t.json");
    assert!((alone["log_loss"].as_f64().unwrap() / losses[0] - 1.0).abs() <= WITHIN);
    for key in ["base_rate", "best_constant_log_loss", "labelled"] {
        assert_eq!(summary[key], alone[key], "{key}");
    }
}

#[test]
fn what_does_not_go_with_a_sweep_is_refused_with_what_to_do() {
    let folder = Folder::new();
    folder.file("in.csv", stream(10));
    for (more, words) in [
        ("--grid l1=0,1 --predictions p.csv", ["--predictions", "leave it out"]),
        ("--grid l1=0,1 --warm-start m", ["--warm-start", "leave it out"]),
        ("--grid l1=0,1 --promote 3 --model m", ["--promote 3", "from 1 to 2"]),
        ("--grid l1=0,1 --promote best", ["--promote", "--model FILE"]),
        ("--grid l1=0,1 --max-memory 0.000001", ["--max-memory", "--hash-bits"]),
        ("--grid l1=0,1 --drop-after 0", ["--drop-after 0", "write"]),
        ("--grid l1=0..1", ["range", "--trials"]),
        ("--grid learning=1", ["--grid", "did you mean learning-rate?"]),
        ("--grid l1=0 --trials 0", ["--trials 0", "1 to"]),
    ] {
        folder.run(&format!("sweep in.csv --label y --weight w {more}")).refused(&words);
    }
    folder.file("job.toml", "[checkpoint]\ncheckpoint = 'c'");
    folder.run("sweep job.toml in.csv --label y --grid l1=0,1").refused(&["--checkpoint", "leave it out"]);
}

#[test]
fn what_the_best_learner_is_worth_is_said() {
    let folder = Folder::new();
    folder.file("in.csv", stream(600));
    let warned = |rates: &str| {
        let line =
            format!("sweep in.csv --label y --weight w --grid optimizer=sgd;learning-rate={rates} --summary s.json");
        let said = folder.run(&line).fine().stderr;
        let is_warned = said.contains("warning: predictions were worse than always saying the base rate");
        assert_eq!(is_warned, folder.json("s.json")["warnings"].as_array().unwrap().len() == 1, "{said}");
        is_warned
    };
    assert!(warned("100,1000") && !warned("0.001,1000"));
}

#[test]
fn the_same_seed_draws_the_same_sweep() {
    let folder = Folder::new();
    folder.file("in.csv", stream(300));
    let drawn = |seed: u32| {
        folder
            .run(&format!("sweep in.csv --label y --weight w --grid learning-rate=0.001..1;l2=0..0.1 --trials 20 --trial-seed {seed} --summary s.json"))
            .fine();
        folder.json("s.json")["learners"].clone()
    };
    let first = drawn(7);
    assert_eq!(first.as_array().unwrap().len(), 20);
    assert_eq!(first, drawn(7));
    assert_ne!(first, drawn(8));
}
