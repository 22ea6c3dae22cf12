//! The learner as its formulas read, in f64 and without a thought for speed: what every backend is judged by.
//!
//! It takes micro-batches and gives logits; it shares nothing with the backends but the plain data.

use tidemill::examples::{MicroBatch, stride};
use tidemill::learner::{MAX_LOGIT, Optimizer, Penalty, Settings, Update};

/// A learner in f64.
pub struct Oracle {
    settings: Settings,
    /// Numeric columns, then the bias, then the hashed table.
    coordinates: Vec<Coordinate>,
    numeric: usize,
    pub updates: u64,
    pub learned: u64,
}

/// `a` is SGD's and AdaGrad's weight and FTRL's `z`; `n` the sum of squared gradients.
#[derive(Debug, Clone, Copy, Default)]
struct Coordinate {
    a: f64,
    n: f64,
}

/// A record as the formulas see it: a list of coordinates with values, the bias among them.
struct Record {
    features: Vec<(usize, f64)>,
    label: Option<f64>,
    weight: f64,
}

impl Oracle {
    pub fn new(numeric: usize, settings: Settings) -> Self {
        let coordinates = vec![Coordinate::default(); numeric + 1 + (1 << settings.hash_bits)];
        Self { settings, coordinates, numeric, updates: 0, learned: 0 }
    }

    /// Predicts, then learns; gives the logits.
    pub fn learn(&mut self, batch: &MicroBatch) -> Vec<f64> {
        let records: Vec<Record> = (0..batch.rows).map(|row| self.record(batch, row)).collect();
        match (self.settings.frozen, self.settings.update) {
            (true, _) => records.iter().map(|record| self.logit(record)).collect(),
            (false, Update::Batch) => self.learn_batch(&records),
            (false, Update::Record) => self.learn_records(&records),
        }
    }

    /// Weights of the numeric columns, of the bias, of the table.
    pub fn weights(&self) -> (Vec<f64>, f64, Vec<f64>) {
        let all: Vec<f64> = (0..self.coordinates.len()).map(|j| self.weight(j)).collect();
        (all[..self.numeric].to_vec(), all[self.numeric], all[self.numeric + 1..].to_vec())
    }

    fn record(&self, batch: &MicroBatch, row: usize) -> Record {
        let width = stride(self.numeric);
        let (hashes, values) = batch.features(row);
        let mut features = Vec::new();
        for j in 0..self.numeric {
            features.push((j, f64::from(batch.dense[row * width + j])));
        }
        features.push((self.numeric, 1.0));
        for (hash, value) in hashes.iter().zip(values) {
            features.push((self.numeric + 1 + (hash % (1 << self.settings.hash_bits)) as usize, f64::from(*value)));
        }
        let learns = !batch.label[row].is_nan() && batch.weight[row] != 0.0;
        Record { features, label: learns.then_some(batch.label[row].into()), weight: batch.weight[row].into() }
    }

    fn logit(&self, record: &Record) -> f64 {
        let sum: f64 = record.features.iter().map(|&(j, x)| self.weight(j) * x).sum();
        sum.clamp(-f64::from(MAX_LOGIT), MAX_LOGIT.into())
    }

    /// One step on the summed gradient of all records.
    fn learn_batch(&mut self, records: &[Record]) -> Vec<f64> {
        let logits: Vec<f64> = records.iter().map(|record| self.logit(record)).collect();
        let mut gradient = vec![0.0; self.coordinates.len()];
        let mut count = vec![0.0; self.coordinates.len()];
        let mut learned = 0;
        for (record, z) in records.iter().zip(&logits) {
            let Some(label) = record.label else { continue };
            learned += 1;
            for &(j, x) in &record.features {
                gradient[j] += (sigmoid(*z) - label) * record.weight * x;
                count[j] += record.weight;
            }
        }
        if learned > 0 {
            let rate = self.schedule(self.updates);
            for j in (0..self.coordinates.len()).filter(|&j| count[j] > 0.0) {
                self.batch_step(j, gradient[j], count[j], rate);
            }
            self.updates += 1;
            self.learned += learned;
        }
        logits
    }

    /// Record by record, with the rates of the last fold.
    fn learn_records(&mut self, records: &[Record]) -> Vec<f64> {
        let mut folds = vec![records.len()];
        if self.learned == 0 {
            folds.extend((0..).map(|k| 1 << k).take_while(|&end| end < records.len()));
        }
        let mut squares: Vec<(usize, f64)> = Vec::new();
        let mut logits = Vec::new();
        for (row, record) in records.iter().enumerate() {
            logits.push(self.logit(record));
            self.learn_record(record, &mut squares);
            if folds.contains(&(row + 1)) {
                for (j, squared) in squares.drain(..) {
                    self.fold(j, squared);
                }
            }
        }
        logits
    }

    fn learn_record(&mut self, record: &Record, squares: &mut Vec<(usize, f64)>) {
        let Some(label) = record.label else { return };
        let schedule = self.schedule(self.learned);
        let rates: Vec<f64> = record.features.iter().map(|&(j, x)| self.rate(j, x, schedule)).collect();
        // Learning it `weight` times in a row moves the logit each time by the residual times this.
        let curvature: f64 = record.features.iter().zip(&rates).map(|(&(_, x), rate)| rate * x * x).sum();
        let (mut z, mut left) = (self.logit(record), record.weight);
        let (mut residual, mut squared) = (0.0, 0.0);
        while left > 0.0 {
            let one = (sigmoid(z) - label) * left.min(1.0);
            (residual, squared) = (residual + one, squared + one * one);
            z = (z - one * curvature).clamp(-f64::from(MAX_LOGIT), MAX_LOGIT.into());
            left -= 1.0;
        }
        for (&(j, x), rate) in record.features.iter().zip(rates) {
            self.step(j, residual * x, rate, record.weight);
            squares.push((j, squared * x * x));
        }
        self.updates += 1;
        self.learned += 1;
    }

    fn penalty(&self, j: usize) -> (f64, f64) {
        let Penalty { l1, l2 } = self.settings.penalty;
        if j == self.numeric { (0.0, 0.0) } else { (l1.into(), l2.into()) }
    }

    fn weight(&self, j: usize) -> f64 {
        let Coordinate { a, n } = self.coordinates[j];
        match self.settings.optimizer {
            Optimizer::Ftrl { .. } => -shrink(a, self.penalty(j).0) / self.strength(j, n),
            _ => a,
        }
    }

    /// FTRL: `l2 + (beta + sqrt n) / alpha`.
    fn strength(&self, j: usize, n: f64) -> f64 {
        let Optimizer::Ftrl { learning_rate, beta } = self.settings.optimizer else { unreachable!() };
        self.penalty(j).1 + (f64::from(beta) + n.sqrt()) / f64::from(learning_rate)
    }

    /// SGD's rate after `t` updates.
    fn schedule(&self, t: u64) -> f64 {
        match self.settings.optimizer {
            Optimizer::Sgd { learning_rate, power_t } => {
                f64::from(learning_rate) * (1.0 + t as f64).powf(-f64::from(power_t))
            }
            _ => f64::NAN,
        }
    }

    /// The rate that stands still during a micro-batch; `x^2` is the largest squared gradient a record can have.
    fn rate(&self, j: usize, x: f64, schedule: f64) -> f64 {
        let guarded = self.coordinates[j].n + x * x;
        match self.settings.optimizer {
            Optimizer::Sgd { .. } => schedule,
            Optimizer::AdaGrad { learning_rate } => adagrad_rate(learning_rate, guarded),
            Optimizer::Ftrl { .. } => 1.0 / self.strength(j, guarded),
        }
    }

    fn step(&mut self, j: usize, gradient: f64, rate: f64, count: f64) {
        let (l1, l2) = self.penalty(j);
        let Coordinate { a, n } = self.coordinates[j];
        self.coordinates[j].a = match self.settings.optimizer {
            Optimizer::Ftrl { .. } => a + gradient * rate * self.strength(j, n),
            _ => {
                // The squared penalty pulls to 0 and never past it.
                let decay = (rate * count * l2).min(1.0);
                shrink(a - decay * a - rate * gradient, count * rate * l1)
            }
        };
    }

    fn fold(&mut self, j: usize, squared: f64) {
        let Coordinate { a, n } = self.coordinates[j];
        self.coordinates[j] = match self.settings.optimizer {
            Optimizer::Sgd { .. } => return,
            Optimizer::AdaGrad { .. } => Coordinate { a, n: n + squared },
            Optimizer::Ftrl { .. } => {
                let growth = self.strength(j, n + squared) - self.strength(j, n);
                Coordinate { a: a - growth * self.weight(j), n: n + squared }
            }
        };
    }

    fn batch_step(&mut self, j: usize, gradient: f64, count: f64, schedule: f64) {
        let n = self.coordinates[j].n + gradient * gradient;
        match self.settings.optimizer {
            Optimizer::Sgd { .. } => self.step(j, gradient, schedule, count),
            Optimizer::AdaGrad { learning_rate } => {
                self.coordinates[j].n = n;
                self.step(j, gradient, adagrad_rate(learning_rate, n), count);
            }
            // McMahan et al. 2013, algorithm 1: z <- z + g - sigma w, n <- n + g^2.
            Optimizer::Ftrl { .. } => {
                self.fold(j, gradient * gradient);
                self.coordinates[j].a += gradient;
            }
        }
    }
}

fn adagrad_rate(learning_rate: f32, n: f64) -> f64 {
    f64::from(learning_rate) / (n + f64::from(Optimizer::ADAGRAD_EPSILON)).sqrt()
}

/// `x` moved towards 0 by `amount`, and no further.
fn shrink(x: f64, amount: f64) -> f64 {
    if x > amount {
        x - amount
    } else if x < -amount {
        x + amount
    } else {
        0.0
    }
}

pub fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}
