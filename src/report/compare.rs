//! Runs side by side: takes summaries as they were written, gives the settings in which they differ, their figures with the
//! differences to the first, and their warnings, as text or as what JSON is written from.
//!
//! What a summary does not say is not available, whoever wrote it; nothing is an error here. A figure that is binned is best
//! only where its lead is more than both can be off. It reads no file.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::number::{NOT_AVAILABLE, count};
use crate::sink::stored_summary::is_sweep;

/// Characters of a setting that a text shows.
const SHOWN: usize = 32;

/// Settings of a summary, in the order in which they are told.
const SETTINGS: [&str; 11] = [
    "inputs",
    "device",
    "update",
    "batch",
    "optimizer",
    "learning_rate",
    "l1",
    "l2",
    "hash_bits",
    "threshold",
    "threads",
];

/// Which of two values is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    Lower,
    Higher,
    NearOne,
    Neither,
}

/// A figure that is compared: its key, with what it may be off, and how it is shown.
struct Compared {
    key: &'static str,
    error: Option<&'static str>,
    name: &'static str,
    better: Better,
    /// Digits behind the point; none for counts.
    digits: usize,
}

const fn figure(key: &'static str, name: &'static str, better: Better, digits: usize) -> Compared {
    Compared { key, error: None, name, better, digits }
}

const fn binned(key: &'static str, error: &'static str, name: &'static str, better: Better) -> Compared {
    Compared { key, error: Some(error), name, better, digits: 5 }
}

/// Every figure, in the order in which they are told.
const FIGURES: [Compared; 23] = [
    figure("records", "records", Better::Neither, 0),
    figure("labelled", "labelled", Better::Neither, 0),
    figure("rejected", "rejected", Better::Neither, 0),
    figure("base_rate", "base rate", Better::Neither, 5),
    figure("log_loss", "log loss", Better::Lower, 5),
    figure("best_constant_log_loss", "best constant", Better::Neither, 5),
    figure("best_possible_log_loss", "best possible", Better::Neither, 5),
    figure("normalized_entropy", "normalized entropy", Better::Lower, 5),
    figure("fading.log_loss", "log loss lately", Better::Lower, 5),
    binned("auc", "auc_error", "AUC", Better::Higher),
    binned("pr_auc", "pr_auc_error", "PR-AUC", Better::Higher),
    figure("brier", "Brier", Better::Lower, 5),
    binned("ece", "ece_error", "ECE", Better::Lower),
    figure("predicted_over_observed", "predicted / observed", Better::NearOne, 3),
    figure("accuracy", "accuracy", Better::Higher, 5),
    figure("precision", "precision", Better::Higher, 5),
    figure("recall", "recall", Better::Higher, 5),
    figure("f1", "F1", Better::Higher, 5),
    figure("mcc", "MCC", Better::Higher, 5),
    figure("kappa", "kappa", Better::Higher, 5),
    figure("kappa_no_change", "kappa, no change", Better::Higher, 5),
    figure("elapsed_s", "seconds", Better::Lower, 2),
    figure("records_per_s", "records/s", Better::Higher, 0),
];

/// A run by its name and its summary.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What it is called: its file.
    pub name: String,
    /// Its summary as it was written.
    pub summary: Map<String, Value>,
}

/// Runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Their names, in the order in which values are given below.
    pub runs: Vec<String>,
    /// Settings that are not the same in all.
    pub settings: Vec<SettingRow>,
    /// Figures that at least one of them has.
    pub figures: Vec<FigureRow>,
    /// What their readers should know.
    pub warnings: Vec<RunWarning>,
}

/// A setting, a value for each run; null where the summary does not say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingRow {
    /// Its key in the summary; those of the job behind `job.`.
    pub name: String,
    /// What each run has.
    pub values: Vec<Value>,
}

/// A figure, a value for each run; null where the summary does not say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureRow {
    /// Its key in the summary.
    pub name: &'static str,
    /// What each run came to.
    pub values: Vec<Option<f64>>,
    /// How much more that is than in the first run.
    pub differences: Vec<Option<f64>>,
    /// The number of the run, from 1, that is better than all others by more than they can be off.
    pub best: Option<usize>,
    #[serde(skip)]
    shown: (&'static str, usize),
}

/// A warning.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunWarning {
    /// The number of its run, from 1; null where it is about all of them.
    pub run: Option<usize>,
    /// What it says.
    pub warning: String,
}

impl Comparison {
    /// Holds runs against the first of them.
    ///
    /// ```
    /// use tidemill::report::compare::{Comparison, Run};
    /// let run = |name: &str, log_loss: f64| {
    ///     let summary = serde_json::json!({"records": 9, "labelled": 9, "log_loss": log_loss});
    ///     Run { name: name.into(), summary: summary.as_object().unwrap().clone() }
    /// };
    /// let compared = Comparison::of(vec![run("a", 0.5), run("b", 0.25)]);
    /// let loss = compared.figures.iter().find(|figure| figure.name == "log_loss").unwrap();
    /// assert_eq!((loss.differences[1], loss.best), (Some(-0.25), Some(2)));
    /// ```
    pub fn of(runs: Vec<Run>) -> Self {
        let runs: Vec<Run> = runs.into_iter().map(Run::with_best_learner).collect();
        let warnings = not_the_same_records(&runs).into_iter().chain(warnings(&runs)).collect();
        Self {
            settings: settings(&runs),
            figures: FIGURES.iter().filter_map(|of| of.row(&runs)).collect(),
            warnings,
            runs: runs.into_iter().map(|run| run.name).collect(),
        }
    }

    /// The comparison as text, each line ended.
    pub fn text(&self) -> String {
        let names = self.runs.iter().zip(1..).map(|(name, number)| format!("run {number}  {}\n", in_line(name)));
        let runs = || (1..=self.runs.len()).map(|number| format!("run {number}"));
        let settings = match self.settings.is_empty() {
            true => "the settings are the same, as far as the summaries say\n".to_owned(),
            false => {
                let heading = std::iter::once("settings that differ".to_owned()).chain(runs()).collect();
                table(&std::iter::once(heading).chain(self.settings.iter().map(SettingRow::cells)).collect::<Vec<_>>())
            }
        };
        let heading = std::iter::once("figures, * the best".to_owned()).chain(runs()).collect();
        let figures = std::iter::once(heading).chain(self.figures.iter().map(FigureRow::cells)).collect::<Vec<_>>();
        let warnings: String = self.warnings.iter().map(RunWarning::line).collect();
        let blocks = [names.collect(), settings, table(&figures), warnings];
        blocks.into_iter().filter(|block: &String| !block.is_empty()).collect::<Vec<_>>().join("\n")
    }
}

impl Run {
    /// The value of a key, or of one within another with a dot between them.
    fn value(&self, key: &str) -> &Value {
        let mut names = key.split('.');
        let first = names.next().and_then(|name| self.summary.get(name)).unwrap_or(&Value::Null);
        names.fold(first, |value, name| &value[name])
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.value(key).as_f64().filter(|number| number.is_finite())
    }

    /// A sweep as the run of its best learner, any other run as it is.
    fn with_best_learner(mut self) -> Self {
        if !is_sweep(&self.summary) {
            return self;
        }
        let learners = self.summary.remove("learners").unwrap_or_default();
        let best = &learners[0]; // null where there is none
        let (many, number) = (learners.as_array().map_or(0, Vec::len), &best["number"]);
        self.name = format!("{} (learner {number}, the best of {many})", self.name);
        for key in ["log_loss", "l1", "l2", "update", "batch"] {
            self.summary.insert(key.into(), best[key].clone());
        }
        for (key, parameter) in [("optimizer", "name"), ("learning_rate", "learning_rate")] {
            self.summary.insert(key.into(), best["optimizer"][parameter].clone());
        }
        if let (Some(loss), Some(of_constant @ 1e-300..)) =
            (self.number("log_loss"), self.number("best_constant_log_loss"))
        {
            self.summary.insert("normalized_entropy".into(), json!(loss / of_constant));
        }
        self
    }

    /// The options of its job by their paths, but for those that a summary has keys of its own for.
    fn job(&self) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        leaves("job", self.value("job"), &mut found);
        let is_told = |path: &str| {
            let own = path.strip_prefix("job.learner.").map(|key| key.replace('-', "_"));
            own.is_some_and(|key| SETTINGS.contains(&&*key))
        };
        found.retain(|(path, _)| !is_told(path));
        found
    }
}

/// What lies in objects by its path; lists are values.
fn leaves<'a>(path: &str, value: &'a Value, into: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(keys) => keys.iter().for_each(|(key, value)| leaves(&format!("{path}.{key}"), value, into)),
        Value::Null => {}
        _ => into.push((path.to_owned(), value)),
    }
}

/// The settings that are not the same in all runs.
fn settings(runs: &[Run]) -> Vec<SettingRow> {
    let mut names: Vec<String> = SETTINGS.iter().map(|&key| key.to_owned()).collect();
    let jobs: Vec<_> = runs.iter().map(Run::job).collect();
    for (path, _) in jobs.iter().flatten() {
        if !names.contains(path) {
            names.push(path.clone());
        }
    }
    let of_job =
        |job: &[(String, &Value)], name: &str| job.iter().find(|(path, _)| path == name).map(|(_, of)| (*of).clone());
    let value = |(run, job): (&Run, &Vec<_>), name: &str| {
        of_job(job, name).unwrap_or_else(|| run.summary.get(name).cloned().unwrap_or_default())
    };
    let row = |name: String| {
        let values: Vec<Value> = runs.iter().zip(&jobs).map(|of| value(of, &name)).collect();
        SettingRow { name, values }
    };
    let differs = |row: &SettingRow| row.values.iter().any(|value| *value != row.values[0]);
    names.into_iter().map(row).filter(differs).collect()
}

impl Compared {
    /// The figure in all runs; `None` where none of them has it.
    fn row(&self, runs: &[Run]) -> Option<FigureRow> {
        let values: Vec<Option<f64>> = runs.iter().map(|run| run.number(self.key)).collect();
        let first = values[0];
        let differences = values.iter().map(|value| Some((*value)? - first?)).collect();
        let off: Vec<f64> =
            runs.iter().map(|run| self.error.and_then(|key| run.number(key)).unwrap_or_default()).collect();
        let best = self.best(&values, &off).map(|place| place + 1);
        let shown = (self.name, self.digits);
        values.iter().any(Option::is_some).then_some(FigureRow { name: self.key, values, differences, best, shown })
    }

    /// The place of the value that leads all others by more than they can be off.
    fn best(&self, values: &[Option<f64>], off: &[f64]) -> Option<usize> {
        let gain = |value: f64| match self.better {
            Better::Lower => Some(-value),
            Better::Higher => Some(value),
            Better::NearOne => Some(-(value - 1.0).abs()),
            Better::Neither => None,
        };
        let known = values.iter().enumerate().filter_map(|(place, value)| Some((place, gain((*value)?)?)));
        let known: Vec<(usize, f64)> = known.collect();
        let &(place, lead) = known.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let others = || known.iter().filter(|(other, _)| *other != place);
        let leads = others().all(|&(other, of)| lead - of > off[place] + off[other]);
        (leads && others().next().is_some()).then_some(place)
    }
}

/// What to know where figures cannot be held against each other.
fn not_the_same_records(runs: &[Run]) -> Option<RunWarning> {
    let differs = |key| runs.iter().any(|run| run.number(key) != runs[0].number(key));
    let warning = "the runs have scored other records (their number or their base rate differs), so their figures do not \
                   say which model is better";
    (differs("labelled") || differs("base_rate")).then(|| RunWarning { run: None, warning: warning.into() })
}

fn warnings(runs: &[Run]) -> impl Iterator<Item = RunWarning> {
    runs.iter().zip(1..).flat_map(|(run, number)| {
        let told = run.value("warnings").as_array().map(Vec::as_slice).unwrap_or_default();
        let told = told.iter().filter_map(Value::as_str);
        told.map(move |warning| RunWarning { run: Some(number), warning: warning.to_owned() }).collect::<Vec<_>>()
    })
}

impl SettingRow {
    fn cells(&self) -> Vec<String> {
        std::iter::once(self.name.clone()).chain(self.values.iter().map(shown)).collect()
    }
}

/// A setting as text, cut where it is long.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => NOT_AVAILABLE.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    let text = in_line(&text);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Text that neither ends its line nor moves the cursor of a terminal.
fn in_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl FigureRow {
    fn cells(&self) -> Vec<String> {
        let (name, _) = self.shown;
        let cell = |place: usize| {
            let mark = if self.best == Some(place + 1) { "* " } else { "" };
            let difference = self.differences[place].filter(|&by| place > 0 && by != 0.0);
            let difference = difference.map(|by| format!(" ({})", self.signed(by))).unwrap_or_default();
            let value = self.values[place].map_or_else(|| NOT_AVAILABLE.to_owned(), |value| self.number(value));
            format!("{mark}{value}{difference}")
        };
        std::iter::once(name.to_owned()).chain((0..self.values.len()).map(cell)).collect()
    }

    fn number(&self, value: f64) -> String {
        let (_, digits) = self.shown;
        match value.abs() {
            huge if huge >= 1e15 => format!("{value:.3e}"),
            _ if digits == 0 && value >= 0.0 => count(value.round() as u64),
            _ => format!("{value:.digits$}"),
        }
    }

    fn signed(&self, value: f64) -> String {
        format!("{}{}", if value < 0.0 { '-' } else { '+' }, self.number(value.abs()))
    }
}

impl RunWarning {
    fn line(&self) -> String {
        let whose = self.run.map(|number| format!("run {number}: ")).unwrap_or_default();
        format!("warning: {whose}{}\n", in_line(&self.warning))
    }
}

/// Rows with their first column to the left and the others to the right, each as wide as its widest cell.
fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let line = |row: &Vec<String>| {
        let first = format!("{:<1$}", row[0], widths[0]);
        let rest = row[1..].iter().zip(&widths[1..]).map(|(cell, &width)| format!("  {cell:>width$}"));
        first + &rest.collect::<String>() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, summary: Value) -> Run {
        Run { name: name.into(), summary: summary.as_object().unwrap().clone() }
    }

    fn two() -> [Run; 2] {
        let one = json!({
            "records": 12_000, "labelled": 12_000, "log_loss": 0.5, "auc": 0.75, "auc_error": 0.001, "brier": 0.2,
            "predicted_over_observed": 1.25, "optimizer": "adagrad", "learning_rate": 0.1, "l1": 0.0,
            "records_per_s": 250_000.4, "fading": {"log_loss": 0.4}, "inputs": ["a.csv", "b.csv"],
            "job": {"source": {"label": "click"}, "learner": {"learning-rate": 0.1, "names": true}}, "warnings": [],
        });
        let other = json!({
            "records": 12_000, "labelled": 12_000, "log_loss": 0.4375, "auc": 0.7515, "auc_error": 0.001, "brier": 0.2,
            "predicted_over_observed": 0.875, "optimizer": "ftrl", "learning_rate": 0.1, "l1": 0.0,
            "records_per_s": 200_000.0, "fading": {"log_loss": 0.425}, "inputs": ["a.csv", "b.csv"],
            "job": {"source": {"label": "click"}, "learner": {"optimizer": "ftrl"}}, "warnings": ["look here"],
        });
        [run("one.json", one), run("other.json", other)]
    }

    #[test]
    fn two_runs_read_like_this() {
        let text = Comparison::of(two().into()).text();
        assert_eq!(
            text,
            "\
run 1  one.json
run 2  other.json

settings that differ    run 1  run 2
optimizer             adagrad   ftrl
job.learner.names        true   n.a.

figures, * the best       run 1                 run 2
records                  12,000                12,000
labelled                 12,000                12,000
log loss                0.50000  * 0.43750 (-0.06250)
log loss lately       * 0.40000    0.42500 (+0.02500)
AUC                     0.75000    0.75150 (+0.00150)
Brier                   0.20000               0.20000
predicted / observed      1.250      * 0.875 (-0.375)
records/s             * 250,000     200,000 (-50,000)

warning: run 2: look here
"
        );
    }

    #[test]
    fn a_lead_within_what_is_unsure_is_none() {
        let best = |key: &str| {
            let figures = Comparison::of(two().into()).figures;
            figures.into_iter().find(|row| row.name == key).unwrap().best
        };
        let found =
            ["auc", "brier", "log_loss", "fading.log_loss", "predicted_over_observed", "records_per_s", "records"];
        assert_eq!(found.map(best), [None, None, Some(2), Some(1), Some(2), Some(1), None]);
    }

    #[test]
    fn what_is_missing_is_not_available_and_no_error() {
        let bare = run("bare", json!({"records": 5, "labelled": 5, "log_loss": null, "warnings": 3, "job": []}));
        let [one, _] = two();
        let compared = Comparison::of(vec![bare, one]);
        let loss = compared.figures.iter().find(|row| row.name == "log_loss").unwrap();
        assert_eq!(
            (&loss.values[..], &loss.differences[..], loss.best),
            (&[None, Some(0.5)][..], &[None; 2][..], None)
        );
        assert!(compared.text().contains("n.a."));
        assert!(compared.warnings[0].warning.contains("other records"), "{:?}", compared.warnings);
    }

    #[test]
    fn a_sweep_is_told_by_its_best_learner() {
        let learner = |number, loss, rate| json!({"number": number, "log_loss": loss, "optimizer": {"name": "sgd", "learning_rate": rate}, "l1": 0.0});
        let sweep = json!({
            "records": 12_000, "labelled": 12_000, "best_constant_log_loss": 0.5,
            "learners": [learner(7, 0.25, 0.5), learner(2, 0.3, 0.1)],
        });
        let [one, _] = two();
        let compared = Comparison::of(vec![one, run("s.json", sweep)]);
        assert_eq!(compared.runs[1], "s.json (learner 7, the best of 2)");
        let values = |name: &str| compared.settings.iter().find(|row| row.name == name).unwrap().values.clone();
        assert_eq!(
            (values("optimizer"), values("learning_rate")),
            (vec!["adagrad".into(), "sgd".into()], vec![json!(0.1), json!(0.5)])
        );
        let entropy = compared.figures.iter().find(|row| row.name == "normalized_entropy").unwrap();
        assert_eq!(entropy.values, [None, Some(0.5)]);
        let none = json!({"records": 1, "labelled": 1, "learners": []});
        assert!(Comparison::of(vec![run("empty", none.clone()), run("too", none)]).text().contains("labelled"));
    }

    #[test]
    fn a_long_setting_is_cut_between_characters() {
        assert_eq!(shown(&"ä".repeat(40).into()), "ä".repeat(SHOWN) + "...");
        assert_eq!(shown(&json!(["a", 1])), "a, 1");
    }
}
