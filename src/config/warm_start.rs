//! Options over those of a saved model: what a run that trains it on does not name is as the model was learned.

use super::{DriftOptions, EventTimeOptions, LearnerOptions, OptimizerName, Options, Plan, SourceOptions};
use crate::error::{Error, Result};

impl Plan {
    /// A plan that trains a saved model on: `base` is the job it was learned by, `hash_bits` its table's.
    ///
    /// How to learn and how labels are read is the model's own where `options` do not name it, but for rates and
    /// penalties under another optimizer, which are that one's defaults. Columns are named by `options` alone: the rest is found in the
    /// model's schema, by name.
    ///
    /// # Errors
    /// As [`Plan::new`], and a hashed table of another size than the model's.
    pub fn training_on(options: Options, mut base: Options, hash_bits: u32) -> Result<Self> {
        if let Some(named) = options.learner.hash_bits.filter(|&named| named != hash_bits) {
            return Err(Error::usage(format!(
                "--hash-bits {named} is not the model's {hash_bits}, and its table cannot be resized: leave it out or \
                 write --hash-bits {hash_bits}, or train a new model without --warm-start"
            )));
        }
        // Those were about the earlier records.
        (base.drift, base.event_time) = (DriftOptions::default(), EventTimeOptions::default());
        base.learner = kept(&options.learner, base.learner);
        let learner = options.learner.over(base.learner.clone());
        let positive = options.source.positive.or(base.source.positive.clone());
        let source = SourceOptions { positive, ..options.source };
        let mut plan = Self::new(Options { source, learner, ..options }, &[])?;
        plan.settings.hash_bits = hash_bits;
        Ok(Self { base, ..plan })
    }

    /// The job by which the model of this run is learned, with what it keeps of a model that it trains on.
    pub fn job(&self) -> Options {
        self.options.clone().over(self.base.clone())
    }
}

/// What stays of a model's options: under another optimizer its rates and penalties would be other strengths, since
/// FTRL's penalties act once in all, the others' with every record.
fn kept(named: &LearnerOptions, base: LearnerOptions) -> LearnerOptions {
    let base = LearnerOptions { warm_start: None, device: None, threads: None, ..base };
    // How often the earlier records were learned says nothing of these.
    let base = LearnerOptions { passes: None, replay_memory: None, replay_file: None, replay_numbers: None, ..base };
    let own = base.optimizer.unwrap_or(OptimizerName::AdaGrad);
    if named.optimizer.is_none_or(|optimizer| optimizer == own) {
        return base;
    }
    LearnerOptions { learning_rate: None, power_t: None, beta: None, l1: None, l2: None, ..base }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::label::LabelRule;
    use crate::learner::{Optimizer, Penalty, Update};

    const MODEL: &str = "[source]\nlabel = 'y'\npositive = 'yes'\nid = 'key'\n\
        [event-time]\nlabel-delay = '7d'\n[learner]\nupdate = 'batch'\nbatch = 64\noptimizer = 'sgd'\nlearning-rate = 0.5\npower-t = 0.5\nl2 = 0.25\n";

    fn plan(named: &str) -> Result<Plan> {
        let options = Options::parse(&format!("[source]\ninput = ['a.csv']\n{named}")).unwrap();
        Plan::training_on(options, Options::parse(MODEL).unwrap(), 12)
    }

    #[test]
    fn what_is_not_named_is_the_model_s_own() {
        let plan = plan("").unwrap();
        let settings = plan.settings;
        assert_eq!((settings.update, settings.batch, settings.hash_bits), (Update::Batch, 64, 12));
        assert_eq!(settings.optimizer, Optimizer::Sgd { learning_rate: 0.5, power_t: 0.5 });
        assert_eq!(
            (settings.penalty, plan.label.clone()),
            (Penalty { l1: 0.0, l2: 0.25 }, LabelRule::Positive("yes".into()))
        );
        assert_eq!((plan.named().id, plan.job().source.id), (None, Some("key".into())));
        assert_eq!(plan.job().event_time.label_delay, None);
    }

    #[test]
    fn what_is_named_wins() {
        let plan = plan("positive = 'ja'\n[learner]\nlearning-rate = 0.125\nbatch = 8").unwrap();
        assert_eq!(plan.settings.optimizer, Optimizer::Sgd { learning_rate: 0.125, power_t: 0.5 });
        assert_eq!((plan.settings.batch, plan.label.clone()), (8, LabelRule::Positive("ja".into())));
        assert_eq!((plan.job().source.positive, plan.job().learner.l2), (Some("ja".into()), Some(0.25)));
    }

    #[test]
    fn another_optimizer_comes_with_its_own_rates_and_penalties() {
        let plan = plan("[learner]\noptimizer = 'ftrl'").unwrap();
        assert_eq!(plan.settings.optimizer, Optimizer::Ftrl { learning_rate: 0.1, beta: 1.0 });
        assert_eq!((plan.settings.penalty, plan.job().learner.learning_rate), (Penalty::NONE, None));
    }

    #[test]
    fn a_table_of_another_size_is_refused() {
        assert!(plan("[learner]\nhash-bits = 12").is_ok());
        let error = plan("[learner]\nhash-bits = 13").unwrap_err().to_string();
        assert!(error.contains("write --hash-bits 12"), "{error}");
    }
}
