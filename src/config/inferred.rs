//! A job with everything said: takes the options of a run and what was inferred, gives the job file that does the same.

use super::{LearnerOptions, OptimizerName, Options, Plan, SourceOptions};
use crate::learner::Optimizer;
use crate::schema::{Column, Role, Schema};

impl Plan {
    /// The job that this plan and the columns found for it amount to. A run of it infers nothing.
    pub fn written_out(&self, schema: &Schema) -> Options {
        let options = self.options.clone();
        let schema = &schema.without_segments();
        let names = |role| {
            let is_time = |column: &Column| schema.is_time(&column.name);
            let named = schema.of(role).filter(|column| !is_time(column));
            let names: Vec<String> = named.map(|column| column.name.clone()).collect();
            (!names.is_empty() && !schema.format.is_sparse()).then_some(names)
        };
        let one = |role| schema.first(role).map(|column| column.name.clone()).filter(|_| !schema.format.is_sparse());
        let logs: Vec<String> = schema.columns.iter().filter(|c| c.log).map(|c| c.name.clone()).collect();
        let source = SourceOptions {
            format: options.source.generate.is_none().then_some(schema.format),
            hash: Some(schema.hashing),
            label: one(Role::Label),
            weight: one(Role::Weight),
            id: one(Role::Id).or(options.source.id.clone()),
            time: schema.time.clone().or_else(|| one(Role::Time)),
            numeric: names(Role::Numeric),
            categorical: names(Role::Categorical),
            ignore: names(Role::Ignored).or(options.source.ignore.clone()),
            log: (!logs.is_empty()).then_some(logs),
            ..options.source
        };
        Options { source, learner: self.learner_written_out(), ..options }
    }

    fn learner_written_out(&self) -> LearnerOptions {
        let settings = &self.settings;
        let (optimizer, power_t, beta) = match settings.optimizer {
            Optimizer::Sgd { power_t, .. } => (OptimizerName::Sgd, Some(power_t), None),
            Optimizer::AdaGrad { .. } => (OptimizerName::AdaGrad, None, None),
            Optimizer::Ftrl { beta, .. } => (OptimizerName::Ftrl, None, Some(beta)),
        };
        LearnerOptions {
            update: Some(settings.update),
            batch: Some(settings.batch),
            optimizer: Some(optimizer),
            learning_rate: Some(settings.optimizer.learning_rate()),
            power_t,
            beta,
            l1: Some(settings.penalty.l1),
            l2: Some(settings.penalty.l2),
            hash_bits: Some(settings.hash_bits),
            ..self.options.learner.clone()
        }
    }
}
