//! The learner inside another program: takes a job and records as text, gives predictions, and learns.
//!
//! [`Classifier`] has no inputs, outputs, threads or clock of its own: whoever holds it hands in records in the format of
//! the job, one by one or many at once, and decides when a label is learned. It reads and writes model files when asked to.

use std::path::Path;

use crate::config::{DriftOptions, EventTimeOptions, MaxRejected, Options, OutputOptions, Plan};
use crate::encoder::Encoder;
use crate::encoder::label::LabelGuard;
use crate::engine::{Counts, Engine, Sink};
use crate::error::{Error, Result};
use crate::examples::{Examples, LabelToken, Scored};
use crate::metric::{Metrics, probability};
use crate::parser::Parser;
use crate::pipeline::start::{Given, Saved, prepare_given};
use crate::pipeline::{saved, state_of, warm_start};
use crate::record::{Chunk, Records, Rejected};
use crate::schema::{Role, Schema};
use crate::transform::Transform;

/// A logistic regression that learns while it predicts, with all that a job makes of records on the way.
///
/// [`Classifier::learn`] predicts, then learns, as `tidemill train --batch 1` does: the same bits, the same model file.
/// [`Classifier::predict`] leaves no trace.
///
/// ```
/// use tidemill::{config::Options, embed::Classifier};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("clicks.model");
/// let job = Options::parse("[source]\nformat = 'jsonl'\nlabel = 'click'\n[learner]\nlearning-rate = 0.1")?;
/// // The beginning of such a stream, from which roles are inferred that the job does not name; it is not learned.
/// let mut clicks = Classifier::new(job, r#"{"ad": "a7", "site": "news", "price": 0.4, "click": 0}"#)?;
///
/// let shown = r#"{"ad": "a7", "site": "news", "price": 0.3}"#;
/// assert_eq!(clicks.predict(shown)?, 0.5); // it has learned nothing yet
/// clicks.learn(shown, true)?;
/// assert!(clicks.predict(shown)? > 0.5);
///
/// clicks.save(&path)?; // as `tidemill train --model` writes it
/// let mut again = Classifier::open(&path)?;
/// assert_eq!(again.predict(shown)?, clicks.predict(shown)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Classifier {
    plan: Plan,
    schema: Schema,
    inferred: Vec<(String, Role)>,
    parser: Parser,
    transform: Transform,
    /// To learn, and to predict: there, a label that is none does no harm.
    learns: Encoder,
    predicts: Encoder,
    /// How labels are written that stand in records; those that are given beside them are written in no way.
    labels: LabelGuard,
    engine: Engine,
    records: Records,
    examples: Examples,
}

impl Classifier {
    /// A new model. `beginning` is how such a stream begins: a header line where the format has one, and at least one
    /// record with a label; roles that the job does not name are inferred from it, and nothing of it is learned.
    ///
    /// The job says what the columns are, what is made of them and how to learn: `[source]`, `[[transform]]`,
    /// `[[feature]]` and `[learner]`. It learns on the CPU unless it names another device.
    ///
    /// # Errors
    /// A job that cannot be carried out, or that says what only a run has: inputs, outputs, event time, checkpoints, drift,
    /// later passes.
    pub fn new(job: Options, beginning: &str) -> Result<Self> {
        check(&job)?;
        if job.learner.warm_start.is_some() {
            return Err(Error::usage("warm-start is for runs: open the model with Classifier::open"));
        }
        let (plan, saved) = warm_start::plan(handed_in(job))?;
        Self::start(plan, saved, &Chunk { first: true, ..chunk_of(beginning) })
    }

    /// A saved model or a checkpoint, to predict with and to train on: its columns in their order, its settings.
    ///
    /// # Errors
    /// A file that is no model, or one that has learned columns of Parquet or Arrow.
    pub fn open(path: &Path) -> Result<Self> {
        let mut options = handed_in(Options::default());
        options.learner.warm_start = Some(path.display().to_string());
        let (plan, saved) = warm_start::plan(options)?;
        Self::start(plan, saved, &Chunk::default())
    }

    fn start(mut plan: Plan, saved: Option<Saved>, beginning: &Chunk) -> Result<Self> {
        if plan.format.is_columnar() {
            return Err(Error::usage("records are handed in as text: name another format than Parquet or Arrow"));
        }
        if let (Some(saved), true) = (&saved, plan.options.source.positive.is_none()) {
            plan.label = saved.label.clone();
        }
        let Given { schema, inferred, settings, opened, batcher } = prepare_given(&plan, saved, beginning)?;
        let encoder = Encoder::new(&schema, plan.label.clone()).leaving_pairs(opened.makes_pairs);
        Ok(Self {
            parser: Parser::new(schema.reading()),
            transform: Transform::new(&schema)?,
            learns: encoder.clone(),
            predicts: encoder.lenient(true),
            labels: LabelGuard::default(),
            engine: Engine::new(batcher, opened.learner, settings, MaxRejected::Records(u64::MAX)),
            records: Records::default(),
            examples: Examples::default(),
            plan,
            schema,
            inferred,
        })
    }

    /// The probability that a record is a positive one, by what has been learned so far: what `tidemill predict` would say
    /// with this model, up to the rounding of sums. Nothing is learned or counted, and the record needs no label.
    ///
    /// # Errors
    /// Text that is not one record, a record that cannot be used or that a filter leaves out, or a prediction that is not a
    /// finite number.
    pub fn predict(&mut self, record: &str) -> Result<f64> {
        self.encode(record, false)?;
        check_one(&self.examples)?;
        only(&self.ask()?, &self.examples)
    }

    /// The same for any number of records, a line each: a probability a record, in their order, and `None` for one that
    /// cannot be used or that a filter leaves out. None of them knows of another: windows of keys stand still as well.
    ///
    /// # Errors
    /// As [`Classifier::predict`], but for what is wrong with single records.
    pub fn predict_lines(&mut self, records: &str) -> Result<Vec<Option<f64>>> {
        self.encode(records, false)?;
        self.ask()
    }

    /// Predicts a record, then learns that its label is this; gives the probability from before. Where the record names a
    /// label itself, this one counts; but one that is no label makes the record one that cannot be used.
    ///
    /// # Errors
    /// As [`Classifier::predict`]; and a record that a sample or deduplication leaves out.
    pub fn learn(&mut self, record: &str, label: bool) -> Result<f64> {
        self.encode(record, true)?;
        check_one(&self.examples)?;
        self.examples.label.fill(word(label));
        only(&self.learn_encoded()?, &self.examples)
    }

    /// Predicts and learns any number of records, a line each, whose labels stand in them; one without a label is predicted
    /// only. Gives the probability of each from before its label was learned, and `None` for one that cannot be used or is
    /// left out. The call ends its last micro-batch, whatever its size.
    ///
    /// # Errors
    /// Labels written in two ways, or a prediction that is not a finite number.
    pub fn learn_lines(&mut self, records: &str) -> Result<Vec<Option<f64>>> {
        self.encode(records, true)?;
        let before = self.engine.counts().records;
        for (token, &number) in self.examples.label.iter_mut().zip(&self.examples.number) {
            let label = self.labels.resolve(*token, before + u64::from(number) + 1)?;
            *token = if label.is_nan() { LabelToken::Missing } else { word(label == 1.0) };
        }
        self.learn_encoded()
    }

    /// Writes the model file, from which [`Classifier::open`], `tidemill predict` and `--warm-start` go on.
    ///
    /// # Errors
    /// A file that cannot be written, or weights that are not finite numbers.
    pub fn save(&mut self, path: &Path) -> Result<()> {
        let scales = [self.engine.scaler().arrays(), state_of(&self.engine)].concat();
        let model = self.engine.learner().model()?;
        saved::file_of(&self.plan, &self.schema, model, scales).write(path)
    }

    /// How good the predictions of learned records were.
    pub fn metrics(&self) -> &Metrics {
        self.engine.metrics()
    }

    /// What has been handed in to be learned.
    pub fn counts(&self) -> &Counts {
        self.engine.counts()
    }

    /// The columns whose role was inferred.
    pub fn inferred(&self) -> &[(String, Role)] {
        &self.inferred
    }

    fn encode(&mut self, text: &str, learns: bool) -> Result<()> {
        self.parser.parse(chunk_of(text), &mut self.records)?;
        self.transform.apply(&mut self.records)?;
        let encoder = if learns { &mut self.learns } else { &mut self.predicts };
        encoder.encode(&mut self.records, &mut self.examples);
        Ok(())
    }

    fn ask(&mut self) -> Result<Vec<Option<f64>>> {
        let logits = self.engine.ask(&mut self.examples, &mut Predicted::default())?;
        let mut predicted = vec![None; self.examples.seen as usize];
        for (&number, &logit) in self.examples.number.iter().zip(&logits) {
            predicted[number as usize] = Some(probability(logit));
        }
        Ok(predicted)
    }

    fn learn_encoded(&mut self) -> Result<Vec<Option<f64>>> {
        let before = self.engine.counts().records;
        let mut predicted = Predicted { before, of: vec![None; self.examples.seen as usize] };
        self.engine.push(&self.examples, &mut predicted)?;
        self.engine.close(&mut predicted)?;
        Ok(predicted.of)
    }
}

/// The predictions of one call.
#[derive(Debug, Default)]
struct Predicted {
    /// Records of the calls before.
    before: u64,
    of: Vec<Option<f64>>,
}

impl Sink for Predicted {
    fn scored(&mut self, scored: Scored) -> Result<Option<Scored>> {
        for (&record, &logit) in scored.batch.record.iter().zip(&scored.logit) {
            if let Some(place) = self.of.get_mut((record - self.before - 1) as usize) {
                *place = Some(probability(logit));
            }
        }
        Ok(Some(scored))
    }

    fn rejected(&mut self, _record: u64, _rejected: &Rejected) -> Result<()> {
        Ok(())
    }
}

/// Refuses text that is not one record, before anything is learned of it.
fn check_one(examples: &Examples) -> Result<()> {
    match examples.seen {
        1 => Ok(()),
        records => Err(Error::input(format!(
            "one record is asked for, and the text has {records}: hand several in with predict_lines or learn_lines"
        ))),
    }
}

/// The prediction of the only record.
fn only(predicted: &[Option<f64>], examples: &Examples) -> Result<f64> {
    match (predicted, &*examples.rejected) {
        ([Some(probability)], _) => Ok(*probability),
        (_, [rejected]) => {
            let (reason, advice) = (rejected.reason.name(), rejected.reason.advice());
            Err(Error::input(format!("the record cannot be used: {reason}; {advice}")))
        }
        _ => Err(Error::input("the record is left out, by a filter, a sample or deduplication of the job")),
    }
}

/// A label that is known, as one token whatever the text.
fn word(is_positive: bool) -> LabelToken {
    if is_positive { LabelToken::True } else { LabelToken::False }
}

/// Text as a chunk of whole records.
fn chunk_of(text: &str) -> Chunk {
    match text.ends_with('\n') || text.is_empty() {
        true => Chunk::of(text.as_bytes()),
        false => Chunk::of(format!("{text}\n").as_bytes()),
    }
}

/// A job whose records are handed in.
fn handed_in(mut job: Options) -> Options {
    job.source.input = Some(vec!["-".into()]);
    job.learner.device.get_or_insert_with(|| "cpu".into());
    job
}

/// Refuses what only a run has.
fn check(job: &Options) -> Result<()> {
    let (source, learner) = (&job.source, &job.learner);
    let has_input = source.input.is_some() || source.generate.is_some() || source.listen.is_some();
    let said = [
        ("input, generate, listen or follow", has_input || source.follow == Some(true)),
        ("[event-time]", job.event_time != EventTimeOptions::default()),
        ("[output]", job.output != OutputOptions::default()),
        ("[drift]", job.drift != DriftOptions::default()),
        ("[checkpoint]", job.checkpoint.checkpoint.is_some()),
        ("passes", learner.passes.is_some_and(|passes| passes > 1)),
        ("max-delay", learner.max_delay.is_some()),
        ("names", learner.names == Some(true)),
    ];
    match said.iter().find(|(_, is_said)| *is_said) {
        Some((what, _)) => Err(Error::usage(format!(
            "the job names {what}, which a run has and records that are handed in have not: leave it out"
        ))),
        None => Ok(()),
    }
}
