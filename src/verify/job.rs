//! The runs of a job: takes the user's options, gives command lines whose outputs and checkpoints all lie in a folder of
//! ours, whatever the job names.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::compare;
use crate::config::{CheckpointOptions, Options, OutputOptions};
use crate::error::{Error, Result};

/// What one run writes.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// One row a record.
    pub predictions: PathBuf,
    /// The model.
    pub model: PathBuf,
    /// The run in numbers.
    pub summary: PathBuf,
    /// What could not be used.
    pub rejected: PathBuf,
    /// Those that the job asks for, by the flag that names them: records left out, metrics by windows, alarms.
    pub asked: Vec<(&'static str, PathBuf)>,
    /// The folder of checkpoints.
    pub checkpoints: PathBuf,
}

/// How one run of a job is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    /// The job, without outputs.
    pub job: &'a Path,
    /// Where everything goes.
    pub files: &'a Files,
    /// Ingest threads.
    pub threads: usize,
    /// The device, where it is not the job's own.
    pub device: Option<&'a str>,
    /// Checkpoints, where there are any.
    pub checkpoints: Option<Checkpoints>,
}

/// When checkpoints are written, and whether to go on from them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checkpoints {
    /// Records from one to the next.
    pub every: u64,
    /// How many are kept, where the user has said so.
    pub keep: Option<usize>,
    /// Whether to go on.
    pub resume: bool,
}

/// The user's job as a file, without anything that it would write; what is to be told of its windows stays.
///
/// # Errors
/// Options that a job file cannot hold.
pub(super) fn without_outputs(options: &Options) -> Result<String> {
    let OutputOptions { max_rejected, metrics_every, segment, segments, .. } = options.output.clone();
    let output = OutputOptions { max_rejected, metrics_every, segment, segments, ..OutputOptions::default() };
    let job = Options { output, checkpoint: CheckpointOptions::default(), ..options.clone() };
    toml::to_string(&job).map_err(|cause| Error::usage("these options cannot be written as a job file").because(cause))
}

impl Files {
    /// Files in `folder`, in the formats that the user's outputs have: these are what is to be verified.
    pub fn in_folder(folder: &Path, wanted: &OutputOptions) -> Self {
        let name = |stem: &str, named: &Option<String>, formats: &[&str]| {
            let named = Path::new(named.as_deref().unwrap_or_default());
            let packing = ending(named).filter(|ending| ["gz", "zst"].contains(&ending.as_str()));
            let plain = if packing.is_some() { named.with_extension("") } else { named.to_owned() };
            let format = ending(&plain).filter(|ending| formats.contains(&ending.as_str()));
            let format = format.as_deref().unwrap_or(formats[0]);
            folder.join(packing.map_or(format!("{stem}.{format}"), |packing| format!("{stem}.{format}.{packing}")))
        };
        let others = [("--side", &wanted.side), ("--metrics", &wanted.metrics), ("--alerts", &wanted.alerts)];
        let others = others.into_iter().filter(|(_, named)| named.is_some());
        Self {
            asked: others.map(|(flag, named)| (flag, name(&flag[2..], named, &["jsonl", "csv"]))).collect(),
            predictions: name("predictions", &wanted.predictions, &["csv", "jsonl", "ndjson", "json"]),
            rejected: name("rejected", &wanted.rejected, &["jsonl"]),
            model: folder.join("model"),
            summary: folder.join("summary.json"),
            checkpoints: folder.join("checkpoints"),
        }
    }

    /// How these differ from an uninterrupted run's, file by file.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn differences(&self, whole: &Self, is_device_measured: bool) -> Result<Vec<String>> {
        let mut found = vec![
            (&self.model, compare::files(&whole.model, &self.model)?),
            (&self.predictions, compare::texts(&whole.predictions, &self.predictions)?),
            (&self.rejected, compare::texts(&whole.rejected, &self.rejected)?),
            (&self.summary, compare::summaries(&whole.summary, &self.summary, is_device_measured)?),
        ];
        for ((_, whole), (_, resumed)) in whole.asked.iter().zip(&self.asked) {
            found.push((resumed, compare::texts(whole, resumed)?));
        }
        let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
        Ok(found.into_iter().filter_map(|(path, place)| Some(format!("{}: {}", name(path), place?))).collect())
    }
}

impl Run<'_> {
    /// What the program is started with.
    pub fn arguments(&self) -> Vec<OsString> {
        let Files { predictions, model, summary, rejected, asked, checkpoints } = self.files;
        let mut arguments: Vec<OsString> = vec!["train".into(), self.job.into(), "--quiet".into()];
        let mut add = |flag: &str, value: OsString| arguments.extend([flag.into(), value]);
        add("--threads", self.threads.to_string().into());
        add("--predictions", predictions.into());
        add("--model", model.into());
        add("--summary", summary.into());
        add("--rejected", rejected.into());
        asked.iter().for_each(|(flag, file)| add(flag, file.into()));
        if let Some(device) = self.device {
            add("--device", device.into());
        }
        if let Some(Checkpoints { every, keep, resume }) = self.checkpoints {
            add("--checkpoint", checkpoints.into());
            add("--checkpoint-every", every.to_string().into());
            if let Some(keep) = keep {
                add("--keep", keep.to_string().into());
            }
            if resume {
                arguments.push("--resume".into());
            }
        }
        arguments
    }
}

/// The last ending of a name, in lower case.
fn ending(path: &Path) -> Option<String> {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "[source]\ngenerate = 'clicks'\nrows = 10\n[learner]\nlearning-rate = 0.07\n\
        [output]\npredictions = 'mine.jsonl.gz'\nmodel = 'mine.model'\nsummary = 'mine.json'\nrejected = 'r.zst'\n\
        max-rejected = '5%'\nmetrics = 'mine.csv'\nmetrics-every = ['100']\n[checkpoint]\ncheckpoint = 'mine'\ncheckpoint-every = '1s'\nresume = true\nkeep = 9\n";

    #[test]
    fn a_job_loses_its_outputs_and_checkpoints_and_nothing_else() {
        let options = Options::parse(JOB).unwrap();
        let text = without_outputs(&options).unwrap();
        assert!(!text.contains("mine") && !text.contains("zst") && !text.contains("resume"), "{text}");
        let read = Options::parse(&text).unwrap();
        assert_eq!((&read.source, &read.learner), (&options.source, &options.learner));
        assert_eq!(read.output.max_rejected.as_deref(), Some("5%"));
        assert_eq!(read.output.metrics_every, Some(vec!["100".to_owned()]));
        assert_eq!(read.checkpoint, CheckpointOptions::default());
    }

    #[test]
    fn files_lie_in_the_folder_and_have_the_formats_of_the_job_s() {
        let folder = Path::new("work");
        let files = Files::in_folder(folder, &Options::parse(JOB).unwrap().output);
        assert_eq!(files.predictions, folder.join("predictions.jsonl.gz"));
        assert_eq!(files.rejected, folder.join("rejected.jsonl.zst"));
        assert_eq!(files.asked, [("--metrics", folder.join("metrics.csv"))]);
        let files = Files::in_folder(folder, &OutputOptions::default());
        assert_eq!(files.predictions, folder.join("predictions.csv"));
        let to_screen = OutputOptions { predictions: Some("-".into()), ..OutputOptions::default() };
        assert_eq!(Files::in_folder(folder, &to_screen).predictions, folder.join("predictions.csv"));
    }

    #[test]
    fn every_output_and_the_checkpoints_are_named_on_the_command_line() {
        let files = Files::in_folder(Path::new("work"), &OutputOptions::default());
        let checkpoints = Some(Checkpoints { every: 50, keep: Some(2), resume: true });
        let run = Run { job: Path::new("job.toml"), files: &files, threads: 3, device: Some("cpu"), checkpoints };
        let line = run.arguments().join(" ".as_ref()).into_string().unwrap().replace('\\', "/");
        assert_eq!(
            line,
            "train job.toml --quiet --threads 3 --predictions work/predictions.csv --model work/model --summary \
             work/summary.json --rejected work/rejected.jsonl --device cpu --checkpoint work/checkpoints \
             --checkpoint-every 50 --keep 2 --resume"
        );
        let whole = Run { device: None, checkpoints: None, ..run };
        assert!(whole.arguments().iter().all(|word| !word.to_string_lossy().contains("checkpoint")));
    }

    #[test]
    fn each_file_that_differs_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, summary: &str| {
            let part = folder.path().join(name);
            std::fs::create_dir(&part).unwrap();
            let files = Files::in_folder(&part, &OutputOptions::default());
            std::fs::write(&files.model, "model").unwrap();
            std::fs::write(&files.predictions, "row\n").unwrap();
            std::fs::write(&files.rejected, "").unwrap();
            std::fs::write(&files.summary, summary).unwrap();
            files
        };
        let whole = write("whole", r#"{"records": 7, "elapsed_s": 1.5, "device_reason": "a"}"#);
        let resumed = write("resumed", r#"{"records": 7, "elapsed_s": 9.5, "device_reason": "b"}"#);
        assert!(resumed.differences(&whole, true).unwrap().is_empty());
        assert_eq!(
            resumed.differences(&whole, false).unwrap(),
            ["summary.json: device_reason is \"b\" and was \"a\" uninterrupted"]
        );
        std::fs::write(&resumed.model, "modem").unwrap();
        std::fs::write(&resumed.predictions, "row\nrow\n").unwrap();
        std::fs::remove_file(&resumed.rejected).unwrap();
        assert_eq!(
            resumed.differences(&whole, true).unwrap(),
            [
                "model: byte 4",
                "predictions.csv: line 2, byte 4, where the uninterrupted run's ends and the resumed one's goes on",
                "rejected.jsonl: the resumed run did not write it",
            ]
        );
    }
}
