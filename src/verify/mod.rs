//! Verifying resume: takes a job, runs it uninterrupted and killed and resumed, gives whether all outputs are the same.
//!
//! Every run is a process of its own, since only a process can be killed; all that they write goes to a work folder, and
//! what the job names is never touched. Siblings: `job` (their command lines and files), `child` (a process),
//! `schedule` (when to kill), `compare` (the first difference), `report` (what is told), `work` (the folder).

mod child;
mod compare;
mod job;
mod report;
mod schedule;
mod work;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{Options, Plan};
use crate::error::{Error, ErrorKind, Result};
use crate::learner::device::DeviceChoice;
use crate::pipeline::Stop;
use crate::source::Input;
use child::{Child, Ended, Killed, Wait};
use job::{Checkpoints, Files, Run};
pub use report::{Event, Kill, Outcome, Verdict};
use schedule::{Moment, Schedule};
use work::Work;

/// What is to be verified.
#[derive(Debug)]
pub struct Request {
    /// The job, as the user named it.
    pub options: Options,
    /// The same, checked.
    pub plan: Plan,
    /// The program's own file.
    pub program: PathBuf,
    /// How often to kill it.
    pub kills: u32,
    /// A new or empty folder to work in; a temporary one where none is named.
    pub work: Option<PathBuf>,
}

/// Verifies that a killed and resumed run of a job ends as an uninterrupted one does.
///
/// # Errors
/// A job that cannot be read twice or does not run through; outputs that differ; a run too short to show anything.
pub fn run(request: &Request, stop: &Stop, observe: &mut dyn FnMut(&Event)) -> Result<Verdict> {
    check_inputs(&request.plan.inputs)?;
    if let Some(passes) = &request.plan.passes {
        return Err(Error::usage(format!(
            "--passes {} does not go with verify-resume, since it does not go with checkpoints: leave it out",
            passes.count
        )));
    }
    let live = [("--follow", request.plan.live.follows), ("--max-delay", request.plan.live.max_delay.is_some())];
    if let Some((flag, _)) = live.iter().find(|(_, is_named)| *is_named) {
        return Err(Error::usage(format!(
            "{flag} does not go with verify-resume: what is learned then depends on when records come; leave it out"
        )));
    }
    let mut work = Work::make(request.work.as_deref())?;
    let job = work.write("job.toml", &job::without_outputs(&request.options)?)?;
    let folder = work.part("uninterrupted")?;
    let whole = Files::in_folder(&folder, &request.options.output);
    let uninterrupted = uninterrupted(request, &job, &whole, stop, work.folder())?;
    let Uninterrupted { records, elapsed, .. } = uninterrupted;
    observe(&Event::Uninterrupted { records, elapsed, threads: request.plan.threads });

    let schedule = Schedule { records, elapsed, kills: request.kills, threads: request.plan.threads };
    let verification = Verification { request, stop, job: &job, whole: &whole, uninterrupted, schedule };
    let mut verdict = Verdict::default();
    for kill in 0..request.kills {
        let kill = verification.kill(kill, &mut work)?;
        verdict.add(&kill, records);
        observe(&Event::Kill(kill));
    }
    verdict.of_good(work.folder())
}

/// Refuses what cannot be read as often as the job is run.
fn check_inputs(inputs: &[Input]) -> Result<()> {
    let refused = |name: String| {
        Err(Error::usage(format!(
            "{name} can be read only once, and verifying reads the records many times: save them to a file first, then \
             name that"
        )))
    };
    for input in inputs {
        input.check()?;
        match input {
            Input::Stdin => return refused("standard input".into()),
            Input::Socket(_) => return refused(input.name()),
            Input::File(_) | Input::Merged(_) if input.size().is_none() => return refused(input.name()),
            Input::File(_) | Input::Merged(_) | Input::Synthetic { .. } => {}
        }
    }
    Ok(())
}

/// What the other runs are measured by.
struct Uninterrupted {
    records: u64,
    elapsed: Duration,
    /// The device that learned, where it was left to be chosen: the others learn there too, else they may rightly differ.
    device: Option<String>,
}

fn uninterrupted(request: &Request, job: &Path, files: &Files, stop: &Stop, work: &Path) -> Result<Uninterrupted> {
    // Without checkpoints: that these change nothing is to be shown as well.
    let run = Run { job, files, threads: request.plan.threads, device: None, checkpoints: None };
    let wait = Wait { look: Duration::from_millis(2), stop };
    if let Ended::Failed(said) = Child::start(&request.program, &run.arguments())?.end(wait)? {
        let is_of_ours = said.contains(&*work.to_string_lossy());
        let advice = if is_of_ours { "; --work DIR names another folder to work in" } else { "" };
        let message = format!("the job does not run through uninterrupted, so there is nothing to verify: {said}");
        return Err(Error::new(ErrorKind::NotVerified, message + advice));
    }
    let summary = compare::summary(&files.summary)?;
    let whole = |key: &str| summary.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let elapsed = summary.get("elapsed_s").and_then(serde_json::Value::as_f64).unwrap_or(0.0);
    let device = summary.get("device").and_then(serde_json::Value::as_str).unwrap_or("cpu");
    let is_measured = request.plan.device == DeviceChoice::Auto;
    Ok(Uninterrupted {
        records: whole("records") + whole("rejected"),
        elapsed: Duration::try_from_secs_f64(elapsed).unwrap_or_default(),
        device: is_measured.then(|| DeviceChoice::that_was(device).to_string()),
    })
}

/// A verification whose uninterrupted run is through.
struct Verification<'a> {
    request: &'a Request,
    stop: &'a Stop,
    job: &'a Path,
    whole: &'a Files,
    uninterrupted: Uninterrupted,
    schedule: Schedule,
}

impl Verification<'_> {
    /// One kill: at its moment, or at an earlier one where the run had ended before.
    fn kill(&self, kill: u32, work: &mut Work) -> Result<Kill> {
        for (attempt, moment) in self.schedule.moments(kill).into_iter().enumerate() {
            let again = if attempt == 0 { String::new() } else { format!("-attempt-{}", attempt + 1) };
            let folder = work.part(&format!("kill-{}{again}", kill + 1))?;
            let files = Files::in_folder(&folder, &self.request.options.output);
            let found = match self.start(&files, self.schedule.threads, false)?.kill_at(
                moment,
                &files.checkpoints,
                self.wait(),
            )? {
                Killed::Not(Ended::Well) => None,
                Killed::Not(Ended::Failed(said)) => {
                    let files = vec![format!("the end of the run with checkpoints: {said}")];
                    Some(self.told(kill, None, Vec::new(), Outcome::Differs { files, kept: folder.clone() }))
                }
                Killed::Behind(records) => Some(self.go_on(kill, records, &files, &folder)?),
            };
            match &found {
                Some(Kill { outcome: Outcome::Differs { .. }, .. }) => work.keep(),
                _ => work.discard(&folder)?,
            }
            if let Some(kill) = found {
                return Ok(kill);
            }
        }
        Ok(self.told(kill, None, Vec::new(), Outcome::Missed))
    }

    /// Resumes a killed run, kills that one too where it is its turn, and compares what comes of it.
    fn go_on(&self, kill: u32, behind: Option<u64>, files: &Files, folder: &Path) -> Result<Kill> {
        let [first, second] = self.schedule.resuming_threads(kill);
        let (mut resumed, mut threads) = (Vec::new(), first);
        let again = self.schedule.again(kill, behind.unwrap_or(0));
        let mut ended = None;
        if let Some(moment) = again {
            match self.kill_again(files, first, moment)? {
                Killed::Behind(records) => {
                    resumed.push((first, records));
                    threads = second;
                }
                Killed::Not(by_itself) => ended = Some(by_itself),
            }
        }
        let ended = match ended {
            Some(ended) => ended,
            None => self.start(files, threads, true)?.end(self.wait())?,
        };
        resumed.push((threads, None));
        let differences = match ended {
            Ended::Failed(said) => vec![format!("the end of the resumed run: {said}")],
            Ended::Well => files.differences(self.whole, self.uninterrupted.device.is_some())?,
        };
        let outcome = match differences.is_empty() {
            true => Outcome::Identical,
            false => Outcome::Differs { files: differences, kept: folder.to_owned() },
        };
        Ok(self.told(kill, behind, resumed, outcome))
    }

    fn kill_again(&self, files: &Files, threads: usize, moment: Moment) -> Result<Killed> {
        self.start(files, threads, true)?.kill_at(moment, &files.checkpoints, self.wait())
    }

    fn start(&self, files: &Files, threads: usize, resume: bool) -> Result<Child> {
        let keep = self.request.options.checkpoint.keep;
        let checkpoints = Some(Checkpoints { every: self.schedule.every(), keep, resume });
        let run = Run { job: self.job, files, threads, device: self.uninterrupted.device.as_deref(), checkpoints };
        Child::start(&self.request.program, &run.arguments())
    }

    fn wait(&self) -> Wait<'_> {
        Wait { look: self.schedule.look(), stop: self.stop }
    }

    fn told(&self, kill: u32, behind: Option<u64>, resumed: Vec<(usize, Option<u64>)>, outcome: Outcome) -> Kill {
        let (of, threads) = (self.request.kills, self.schedule.threads);
        Kill { number: kill + 1, of, threads, behind, resumed, outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_only_once_is_refused() {
        let error = check_inputs(&[Input::Stdin]).unwrap_err().to_string();
        assert!(error.contains("save them to a file first"), "{error}");
        let generated = Input::Synthetic { generator: crate::source::synthetic::Generator::Clicks, rows: 1, seed: 1 };
        check_inputs(&[generated]).unwrap();
    }
}
