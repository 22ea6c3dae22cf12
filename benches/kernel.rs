//! The cells of `tidemill bench` under criterion, which keeps what it found and compares the next time: made-up
//! micro-batches that are ready, learned in a row, a micro-batch an iteration.
//!
//! Software adapters are left out, since their speed says nothing, unless `TIDEMILL_BENCH_SOFTWARE` is set. A cell that a
//! device cannot do is named with the reason.
//!
//! ```text
//! cargo bench --bench kernel                      # everything, some minutes
//! cargo bench --bench kernel -- 'dense 28/.*record'
//! ```
#![allow(
    clippy::print_stderr,
    missing_docs,
    reason = "a bench tells what it leaves out; criterion's macros make public items"
)]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tidemill::bench::contestants::{Device, found, open, refusal};
use tidemill::bench::matrix::{Case, Extent, cases, rule};
use tidemill::bench::measure::{Lane, Ready};

/// Of each cell: before it counts, and then.
const WARM_UP: Duration = Duration::from_millis(200);
const MEASURED: Duration = Duration::from_millis(800);
/// The fewest that criterion takes.
const SAMPLES: usize = 10;

criterion_group! {
    name = kernel;
    config = Criterion::default().warm_up_time(WARM_UP).measurement_time(MEASURED).sample_size(SAMPLES);
    targets = every_cell
}
criterion_main!(kernel);

fn every_cell(criterion: &mut Criterion) {
    let (mut devices, mut ready) = (devices(), Ready::default());
    for case in cases(Extent::Default) {
        for device in devices.iter_mut().filter(|device| device.enters(&case)) {
            match refusal(&case) {
                None => measure(criterion, device, &case, &mut ready),
                // Said once for all numbers of learners, and for all shapes.
                Some(reason) if case.learners == 1 && case.batch == 64 => {
                    eprintln!("{}, {} on {}: {reason}", case.name, rule(case.update), device.info.id);
                }
                Some(_) => {}
            }
        }
    }
}

/// The CPU, and the adapters whose speed says something.
fn devices() -> Vec<Device> {
    let with_software = std::env::var_os("TIDEMILL_BENCH_SOFTWARE").is_some();
    let (devices, notes) = match found(&[]) {
        Ok(found) => found,
        Err(error) => (Vec::new(), vec![error.to_string()]),
    };
    notes.iter().for_each(|note| eprintln!("{note}"));
    let (kept, software): (Vec<_>, Vec<_>) =
        devices.into_iter().partition(|device| with_software || !device.info.software);
    software.iter().for_each(|device| eprintln!("left out: {} (software)", device.info.name));
    kept
}

fn measure(criterion: &mut Criterion, device: &Device, case: &Case, ready: &mut Ready) {
    let name = format!("{}/{}", case.name, rule(case.update));
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(case.batch as u64));
    let id = BenchmarkId::new(format!("{}, K {}", device.info.id, case.learners), case.batch);
    // Opened by the first call, so that a cell that was not asked for costs nothing.
    let mut lane = None;
    group.bench_function(id, |bencher| {
        let lane = lane.get_or_insert_with(|| Lane::new(open(device, case), ready.micro_batches(case)));
        bencher.iter_custom(|steps| {
            lane.steps(steps).unwrap_or_else(|reason| panic!("{} on {}: {reason}", case.name, device.info.id))
        });
    });
    group.finish();
}
