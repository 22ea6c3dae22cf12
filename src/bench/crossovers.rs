//! From where on a GPU wins: takes the cells, gives for each shape and rule the smallest size from which on it learns
//! more records a second than the CPU does at best.

use super::contestants::Device;
use super::matrix::{BATCHES, LEARNERS, VARIED_AT};
use super::result::{Along, Cell, Crossover, DeviceInfo};
use crate::learner::Update;

/// The crossovers of every GPU; none where the CPU was not measured.
pub fn of(cells: &[Cell], devices: &[Device]) -> Vec<Crossover> {
    let infos: Vec<&DeviceInfo> = devices.iter().map(|device| &device.info).collect();
    let mut shapes: Vec<&'static str> = cells.iter().map(|cell| cell.shape).collect();
    shapes.dedup();
    let mut found = Vec::new();
    if !infos.iter().any(|info| !info.is_gpu) {
        return found;
    }
    for gpu in infos.iter().filter(|info| info.is_gpu) {
        for &shape in &shapes {
            for update in [Update::Record, Update::Batch] {
                for along in alongs() {
                    found.push(crossover(cells, gpu, shape, update, along));
                }
            }
        }
    }
    found
}

fn alongs() -> impl Iterator<Item = Along> {
    std::iter::once(Along::Batch).chain(VARIED_AT.map(|batch| Along::Learners { batch }))
}

fn crossover(cells: &[Cell], gpu: &DeviceInfo, shape: &'static str, update: Update, along: Along) -> Crossover {
    let sizes = match along {
        Along::Batch => &BATCHES[..],
        Along::Learners { .. } => &LEARNERS[..],
    };
    let place = |size| match along {
        Along::Batch => (size, 1),
        Along::Learners { batch } => (batch, size),
    };
    let rates = |size: usize, is_gpu: bool| {
        let (batch, learners) = place(size);
        let is_there = move |cell: &&Cell| {
            (cell.shape, cell.update, cell.batch, cell.learners) == (shape, update, batch, learners)
                && (cell.device == gpu.id) == is_gpu
                && (is_gpu || cell.device.starts_with("cpu"))
        };
        cells.iter().filter(is_there).filter_map(Cell::measured).map(|found| found.records_per_s).reduce(f64::max)
    };
    let ratio = |&size: &usize| Some((size, rates(size, true)? / rates(size, false)?));
    let mut ratios: Vec<(usize, f64)> = sizes.iter().filter_map(ratio).collect();
    if along != Along::Batch && ratios.iter().all(|&(learners, _)| learners == 1) {
        ratios.clear(); // one learner alone tells nothing of several
    }
    Crossover {
        device: gpu.id.clone(),
        software: gpu.software,
        shape,
        update,
        along,
        from: from_here_on(&ratios),
        compared: ratios.len(),
        best_ratio: ratios.iter().map(|&(_, ratio)| ratio).reduce(f64::max),
    }
}

/// The smallest size whose ratio, like that of every larger one, is above 1; sizes ascend.
fn from_here_on(ratios: &[(usize, f64)]) -> Option<usize> {
    ratios.iter().rev().take_while(|(_, ratio)| *ratio > 1.0).last().map(|&(size, _)| size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::matrix::{Extent, cases};
    use crate::bench::measure::{Laps, figures};
    use crate::bench::result::Outcome;

    #[test]
    fn a_crossover_is_where_the_gpu_wins_from_there_on() {
        assert_eq!(from_here_on(&[(64, 0.1), (256, 0.9), (1024, 1.5), (4096, 3.0)]), Some(1024));
        assert_eq!(from_here_on(&[(64, 1.2), (256, 0.9), (1024, 1.1)]), Some(1024)); // a win that does not last is none
        assert_eq!(from_here_on(&[(64, 1.2), (256, 2.0)]), Some(64));
        assert_eq!(from_here_on(&[(64, 1.2), (256, 1.0)]), None);
        assert_eq!(from_here_on(&[]), None);
    }

    fn device(id: &str) -> Device {
        let info = DeviceInfo {
            id: id.into(),
            name: String::new(),
            is_gpu: id.starts_with("gpu"),
            threads: None,
            software: false,
            remark: None,
        };
        Device { info, adapter: None }
    }

    #[test]
    fn a_gpu_is_held_against_the_better_figure_of_the_cpu_and_what_was_skipped_stays_open() {
        let is_of = |case: &&crate::bench::matrix::Case| case.name == "dense 28" && case.update == Update::Batch;
        let cases: Vec<_> = cases(Extent::Quick).into_iter().collect();
        let mut cells = Vec::new();
        for case in cases.iter().filter(is_of) {
            for (device, rate) in
                [("cpu:1", 10.0), ("cpu:8", if case.learners == 1 { 0.0 } else { 40.0 }), ("gpu:0", 30.0)]
            {
                let outcome = match device {
                    "gpu:0" if case.batch == 256 => Outcome::Skipped { reason: "full".into() },
                    _ => Outcome::Measured(figures(
                        &Laps { rounds: vec![(1, 1.0 / rate)], single: vec![] },
                        case,
                        None,
                        None,
                    )),
                };
                let (shape, update, learners, batch) = (case.name, case.update, case.learners, case.batch);
                cells.push(Cell { shape, update, learners, batch, device: device.into(), outcome });
            }
        }
        let found = of(&cells, &[device("cpu:1"), device("cpu:8"), device("gpu:0")]);
        let of = |along| found.iter().find(|x| x.along == along && x.update == Update::Batch).unwrap();
        assert_eq!((of(Along::Batch).from, of(Along::Batch).compared), (Some(4096), 1));
        let learners = of(Along::Learners { batch: 4096 });
        assert_eq!((learners.from, learners.compared), (None, 2)); // 3 : 1 for one learner, 3 : 4 for sixteen
        assert_eq!(of(Along::Learners { batch: 256 }).compared, 0);
        assert!(super::of(&cells, &[device("gpu:0")]).is_empty());
    }
}
