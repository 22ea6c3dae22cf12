//! The step rules and their parameters, written once for every backend.
//!
//! The formulas themselves live in `learner/cpu/rule.rs` and its twin `shaders/rule.wgsl`.

use serde::{Deserialize, Serialize};

/// A step rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Optimizer {
    /// Stochastic gradient descent with the rate `learning_rate / (1 + t)^power_t`, `t` being the labelled records
    /// learned before (`record`) or the steps made before (`batch`).
    Sgd {
        /// First rate.
        learning_rate: f32,
        /// Decay exponent; 0 keeps the rate constant.
        power_t: f32,
    },
    /// AdaGrad (Duchi, Hazan, Singer 2011): the rate of a coordinate is `learning_rate / sqrt(sum of squared gradients)`.
    #[serde(rename = "adagrad")]
    AdaGrad {
        /// Rate of a coordinate whose squared gradients add up to 1.
        learning_rate: f32,
    },
    /// FTRL-Proximal (McMahan et al. 2013) with its penalties inside the closed form of the weight.
    Ftrl {
        /// `alpha` of the paper.
        learning_rate: f32,
        /// `beta` of the paper.
        beta: f32,
    },
}

/// Penalties on the weights. SGD and AdaGrad apply them to the coordinates that a record touches; FTRL to all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Penalty {
    /// Sum of absolute weights; gives exact zeros.
    pub l1: f32,
    /// Half the sum of squared weights.
    pub l2: f32,
}

impl Penalty {
    /// None at all.
    pub const NONE: Self = Self { l1: 0.0, l2: 0.0 };
}

impl Optimizer {
    /// Added under the root of AdaGrad's rate, so that an untouched coordinate has one.
    pub const ADAGRAD_EPSILON: f32 = 1e-8;

    /// The name on the command line and in files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::AdaGrad { .. } => "adagrad",
            Self::Ftrl { .. } => "ftrl",
        }
    }

    /// The same rule with another step size: `factor` times its own.
    ///
    /// ```
    /// use tidemill::learner::Optimizer;
    /// assert_eq!(Optimizer::AdaGrad { learning_rate: 0.5 }.times(4.0), Optimizer::AdaGrad { learning_rate: 2.0 });
    /// ```
    #[must_use]
    pub fn times(self, factor: f32) -> Self {
        match self {
            Self::Sgd { learning_rate, power_t } => Self::Sgd { learning_rate: learning_rate * factor, power_t },
            Self::AdaGrad { learning_rate } => Self::AdaGrad { learning_rate: learning_rate * factor },
            Self::Ftrl { learning_rate, beta } => Self::Ftrl { learning_rate: learning_rate * factor, beta },
        }
    }

    /// The step size named on the command line.
    pub fn learning_rate(&self) -> f32 {
        match *self {
            Self::Sgd { learning_rate, .. } | Self::AdaGrad { learning_rate } | Self::Ftrl { learning_rate, .. } => {
                learning_rate
            }
        }
    }
}

/// What to try where learning diverges or the loss explodes.
///
/// ```
/// let adagrad = tidemill::learner::Optimizer::AdaGrad { learning_rate: 0.7 };
/// assert_eq!(tidemill::learner::optimizer::smaller_step(adagrad.learning_rate()), "try --learning-rate 0.07 (a tenth)");
/// ```
pub fn smaller_step(learning_rate: f32) -> String {
    // A tenth of the number as it is written, not of the binary one nearest to it.
    let written: f64 = learning_rate.to_string().parse().unwrap_or_else(|_| learning_rate.into());
    format!("try --learning-rate {} (a tenth)", (written / 10.0) as f32)
}

/// SGD's rate after `t` updates, `learning_rate / (1 + t)^power_t`; the same for every backend.
pub fn scheduled_rate(learning_rate: f32, power_t: f32, t: u64) -> f32 {
    if power_t == 0.0 {
        return learning_rate;
    }
    (f64::from(learning_rate) * libm::pow(1.0 + t as f64, -f64::from(power_t))) as f32
}
