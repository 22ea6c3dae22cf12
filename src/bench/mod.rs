//! `tidemill bench`: takes what is to be measured and for how long, gives what this machine does as a [`Report`].
//!
//! Devices learn made-up micro-batches that are ready in memory, so reading and parsing is in no figure but the parser's
//! own. Siblings, in the order of a run: [`matrix`] (what is measured), [`contestants`] (who learns), [`rooflines`] (what
//! the machine does at best), [`measure`] (learning with a clock), [`crossovers`] (from where on a GPU wins), [`result`]
//! (what came of it), and two ways to show that: [`table`] and [`page`]. It prints nothing and writes no file.

pub mod contestants;
pub mod crossovers;
pub mod matrix;
pub mod measure;
mod pace;
pub mod page;
pub mod result;
pub mod rooflines;
pub mod table;
mod text;

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::learner::cpu;
use crate::learner::device::DeviceChoice;
use crate::pipeline::Stop;
use contestants::{Device, open, refusal};
use matrix::{Case, Extent};
use measure::Lane;
use pace::Pace;
use result::{Asked, Cell, Machine, Outcome, Report, Rooflines, SLICE_FROM};

/// What is to be measured.
#[derive(Debug)]
pub struct Request {
    /// Which part of the whole product.
    pub extent: Extent,
    /// Seconds that the cells share.
    pub seconds: f64,
    /// The devices; none named are all.
    pub devices: Vec<DeviceChoice>,
}

/// The part of the time that goes to the rooflines.
const FOR_ROOFLINES: f64 = 0.08;
/// How many times as long as asked for the cells may take before the rest is skipped: no cell does with less than a few
/// micro-batches, however long these take. Opening devices and making micro-batches comes on top.
const PATIENCE: f64 = 1.5;
const GRACE: Duration = Duration::from_secs(30);

/// Measures. Where a stop is asked for, what has been measured by then is the report, and the rest of it skipped.
///
/// # Errors
/// A device that was asked for and is not there.
pub fn run(request: &Request, stop: &Stop, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    let started = Instant::now();
    let (devices, mut notes) = contestants::found(&request.devices)?;
    let time = Duration::from_secs_f64(request.seconds);
    tell("rooflines: memory, uploads, parser");
    let rooflines = rooflines::measure(&devices, request.extent, time.mul_f64(FOR_ROOFLINES));
    let plan = plan(&devices, request, time.mul_f64(1.0 - FOR_ROOFLINES));
    notes.push(SLICE_FROM.replace("{}", &format!("{:.2}", plan.slice.as_secs_f64())));
    let cells = cells(&devices, &plan, &rooflines, stop, tell);
    Ok(Report {
        tidemill: env!("CARGO_PKG_VERSION"),
        machine: machine(),
        asked: Asked { seconds: request.seconds, slice_s: plan.slice.as_secs_f64(), extent: request.extent },
        crossovers: crossovers::of(&cells, &devices),
        devices: devices.into_iter().map(|device| device.info).collect(),
        rooflines,
        cells,
        notes,
        elapsed_s: started.elapsed().as_secs_f64(),
    })
}

/// The cases and how long each device may take for one.
struct Plan {
    cases: Vec<Case>,
    slice: Duration,
    all: Duration,
}

/// Shares the time out among the cells that can be measured, as far as that is known before anything is opened.
fn plan(devices: &[Device], request: &Request, all: Duration) -> Plan {
    let cases = matrix::cases(request.extent);
    let open = |case: &Case| devices.iter().filter(|device| device.enters(case) && refusal(case).is_none()).count();
    let cells: usize = cases.iter().map(open).sum();
    Plan { slice: all.div_f64(cells.max(1) as f64), cases, all }
}

fn cells(devices: &[Device], plan: &Plan, roof: &Rooflines, stop: &Stop, tell: &mut dyn FnMut(&str)) -> Vec<Cell> {
    let (started, mut cells, mut ready) = (Instant::now(), Vec::new(), measure::Ready::default());
    let mut pace = Pace::default();
    for (at, case) in plan.cases.iter().enumerate() {
        let over = match started.elapsed() > plan.all.mul_f64(PATIENCE) + GRACE {
            _ if stop.is_requested() => Some("the bench was stopped before"),
            true => Some("the time was up: --time SECONDS gives more"),
            false => None,
        };
        if over.is_none() && (at == 0 || !case.shares_with(&plan.cases[at - 1])) {
            tell(&format!("{}, micro-batches of {}", case.name, case.batch));
        }
        let refused = |device: &Device| {
            let over = over.map(str::to_owned);
            refusal(case).or(over).or_else(|| pace.refusal(device, case, plan.slice))
        };
        let of_case = cells_of(devices, case, plan.slice, &refused, roof, &mut ready);
        pace.see(&of_case);
        cells.extend(of_case);
    }
    cells
}

/// A case on every device, the devices taking turns; `refused` says why one of them does not begin.
fn cells_of(
    devices: &[Device],
    case: &Case,
    slice: Duration,
    refused: &dyn Fn(&Device) -> Option<String>,
    roof: &Rooflines,
    ready: &mut measure::Ready,
) -> Vec<Cell> {
    let entered: Vec<&Device> = devices.iter().filter(|device| device.enters(case)).collect();
    let mut lanes: Vec<Lane> = Vec::new();
    for device in &entered {
        lanes.push(match refused(device) {
            Some(reason) => Lane::skipped(reason),
            None => Lane::new(open(device, case), ready.micro_batches(case)),
        });
    }
    measure::in_turns(&mut lanes, slice);
    let cell = |(device, lane): (&&Device, Lane)| Cell {
        shape: case.name,
        update: case.update,
        learners: case.learners,
        batch: case.batch,
        device: device.info.id.clone(),
        outcome: match lane.ended() {
            Ok(laps) => {
                Outcome::Measured(measure::figures(&laps, case, roof.of(&device.info.id), roof.parse_of(case.name)))
            }
            Err(reason) => Outcome::Skipped { reason },
        },
    };
    entered.iter().zip(lanes).map(cell).collect()
}

fn machine() -> Machine {
    Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        os: std::env::consts::OS,
        architecture: std::env::consts::ARCH,
        instructions: cpu::instructions(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_that_is_stopped_tells_what_it_has_and_skips_the_rest() {
        let stop = Stop::default();
        let request = Request { extent: Extent::Quick, seconds: 0.1, devices: vec![DeviceChoice::Cpu] };
        let mut said = Vec::new();
        let report = run(&request, &stop, &mut |what| {
            said.push(what.to_owned());
            if what == "dense 28, micro-batches of 256" {
                stop.request(); // what has been begun is measured
            }
        })
        .unwrap();
        let measured = report.cells.iter().filter(|cell| cell.measured().is_some());
        assert_eq!((measured.count(), said.len()), (1, 2), "{said:?}");
        let is_stopped =
            |cell: &&Cell| matches!(&cell.outcome, Outcome::Skipped { reason } if reason.contains("stopped"));
        let is_refused = |cell: &&Cell| matches!(&cell.outcome, Outcome::Skipped { reason } if reason.contains("MiB"));
        let (stopped, refused) =
            (report.cells.iter().filter(is_stopped).count(), report.cells.iter().filter(is_refused).count());
        assert!(stopped >= 7 && stopped + refused + 1 == report.cells.len(), "{stopped} and {refused}");
    }
}
