//! What a sweep goes through: takes text like `learning-rate=0.01,0.1; optimizer=ftrl,adagrad`, gives the options of
//! each learner. It knows which keys there are, and checks no value against its range.

use clap::ValueEnum;

use crate::config::keys::nearest;
use crate::config::{LearnerOptions, OptimizerName};
use crate::error::{Error, Result};
use crate::learner::Update;
use crate::source::synthetic::rng::Rng;

/// The options that may be swept, by their names on the command line.
pub const KEYS: [&str; 8] = ["learning-rate", "power-t", "beta", "optimizer", "l1", "l2", "batch", "update"];

/// Most settings of a grid; more are better drawn.
const MOST: usize = 1 << 16;
/// What seeds of a sweep have in common with no other.
const SALT: u64 = 0x7377_6565_7073;

/// An option with the values that it takes in turn, or that are drawn.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    key: &'static str,
    values: Values,
}

#[derive(Debug, Clone, PartialEq)]
enum Values {
    List(Vec<String>),
    /// From one number to another, in even steps of its logarithm where both are more than 0.
    Range(f64, f64),
}

/// The swept options of one learner, by name, in the order in which they were written.
pub type Assignment = Vec<(&'static str, String)>;

/// A grid that has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid(Vec<Axis>);

impl Grid {
    /// Reads a grid.
    ///
    /// # Errors
    /// A key that cannot be swept or stands twice, or a value that cannot be read.
    pub fn parse(text: &str) -> Result<Self> {
        let mut axes: Vec<Axis> = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let axis = axis(part)?;
            if axes.iter().any(|known| known.key == axis.key) {
                return Err(refused(format!("{} stands twice: write all its values behind one", axis.key)));
            }
            axes.push(axis);
        }
        if axes.is_empty() {
            return Err(refused("nothing is swept: write keys with values, such as learning-rate=0.01,0.1".into()));
        }
        Ok(Self(axes))
    }

    /// Every combination of the values, the last key changing fastest.
    ///
    /// # Errors
    /// A range, or more combinations than anybody wants.
    pub fn all(&self) -> Result<Vec<Assignment>> {
        let mut all: Vec<Assignment> = vec![Vec::new()];
        for Axis { key, values } in &self.0 {
            let Values::List(values) = values else {
                let advice = format!("{key} is a range: say with --trials N how many settings are to be drawn");
                return Err(refused(advice));
            };
            if all.len() * values.len() > MOST {
                return Err(refused(format!("there are more than {MOST} combinations: draw some with --trials N")));
            }
            let with = |value: &String, of: &Assignment| [&of[..], &[(*key, value.clone())]].concat();
            all = all.iter().flat_map(|of| values.iter().map(move |value| with(value, of))).collect();
        }
        Ok(all)
    }

    /// So many combinations, drawn; the same seed gives the same ones.
    pub fn drawn(&self, trials: usize, seed: u64) -> Vec<Assignment> {
        let mut rng = Rng::new(seed, SALT);
        (0..trials).map(|_| self.0.iter().map(|axis| (axis.key, axis.draw(&mut rng))).collect()).collect()
    }
}

impl Axis {
    fn draw(&self, rng: &mut Rng) -> String {
        match &self.values {
            Values::List(values) => values[rng.below(values.len() as u32) as usize].clone(),
            &Values::Range(low, high) => {
                let share = rng.uniform();
                let drawn = if low > 0.0 {
                    libm::exp(libm::log(low) + share * (libm::log(high) - libm::log(low)))
                } else {
                    low + share * (high - low)
                };
                let drawn = drawn.clamp(low, high);
                if self.key == "batch" { format!("{}", drawn.round()) } else { format!("{}", drawn as f32) }
            }
        }
    }
}

fn axis(part: &str) -> Result<Axis> {
    let (key, values) = part
        .split_once('=')
        .ok_or_else(|| refused(format!("{part} has no values: write KEY=VALUE,VALUE or KEY=LOW..HIGH")))?;
    let key = known(key.trim())?;
    if let Some((low, high)) = values.split_once("..") {
        return range(key, low.trim(), high.trim());
    }
    let values: Vec<_> = values.split(',').map(|value| value.trim().to_owned()).collect();
    // Read once here, so that a wrong one is told with its key before anything else.
    values.iter().try_for_each(|value| assign(&mut LearnerOptions::default(), key, value))?;
    Ok(Axis { key, values: Values::List(values) })
}

fn range(key: &'static str, low: &str, high: &str) -> Result<Axis> {
    if ["optimizer", "update"].contains(&key) {
        return Err(refused(format!("{key} has no ranges: list its values, separated by commas")));
    }
    let number = |text: &str| text.parse().ok().filter(|x: &f64| x.is_finite());
    match number(low).zip(number(high)) {
        Some((low, high)) if 0.0 <= low && low <= high => Ok(Axis { key, values: Values::Range(low, high) }),
        _ => Err(refused(format!("{key}={low}..{high} is no range: write two numbers from 0 on, the lower one first"))),
    }
}

fn known(key: &str) -> Result<&'static str> {
    if let Some(known) = KEYS.into_iter().find(|known| *known == key.replace('_', "-")) {
        return Ok(known);
    }
    Err(refused(match nearest(key, KEYS.into_iter().map(str::to_owned)) {
        Some(meant) => format!("{key} cannot be swept: did you mean {meant}?"),
        None => format!("{key} cannot be swept; these can: {}", KEYS.join(", ")),
    }))
}

/// Sets one option to a value.
///
/// # Errors
/// A value that cannot be read.
pub fn assign(options: &mut LearnerOptions, key: &str, value: &str) -> Result<()> {
    let wrong = |what: &str| refused(format!("{key}={value}: {what}"));
    let number = || value.parse::<f32>().map_err(|_| wrong("write a number"));
    match key {
        "learning-rate" => options.learning_rate = Some(number()?),
        "power-t" => options.power_t = Some(number()?),
        "beta" => options.beta = Some(number()?),
        "l1" => options.l1 = Some(number()?),
        "l2" => options.l2 = Some(number()?),
        "batch" => options.batch = Some(value.parse().map_err(|_| wrong("write a whole number"))?),
        "optimizer" => {
            let named = OptimizerName::from_str(value, false);
            options.optimizer = Some(named.map_err(|_| wrong("write sgd, adagrad or ftrl"))?);
        }
        _ => options.update = Some(Update::from_str(value, false).map_err(|_| wrong("write record or batch"))?),
    }
    Ok(())
}

fn refused(why: String) -> Error {
    Error::usage(format!("--grid: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Grid::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn every_combination_comes_once_in_the_order_of_the_text() {
        let all = Grid::parse(" optimizer = ftrl, adagrad;learning-rate=0.1,1 ;").unwrap().all().unwrap();
        let shown: Vec<_> = all.iter().map(|of| format!("{} {}", of[0].1, of[1].1)).collect();
        assert_eq!(shown, ["ftrl 0.1", "ftrl 1", "adagrad 0.1", "adagrad 1"]);
        assert_eq!((all[0][0].0, all[0][1].0), ("optimizer", "learning-rate"));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_remedy() {
        for (text, words) in [
            ("learning-rat=1", "did you mean learning-rate?"),
            ("hash-bits=3", "hash-bits cannot be swept; these can: learning-rate"),
            ("beta", "beta has no values"),
            ("beta=one", "beta=one: write a number"),
            ("batch=1.5", "write a whole number"),
            ("optimizer=adam", "write sgd, adagrad or ftrl"),
            ("optimizer=a..b", "optimizer has no ranges"),
            ("l1=2..1", "the lower one first"),
            ("l1=-1..1", "from 0 on"),
            ("l1=1;l1=2", "l1 stands twice"),
            (" ; ", "nothing is swept"),
        ] {
            assert!(refusal(text).contains(words), "{text}: {}", refusal(text));
        }
        assert!(Grid::parse("l1=0..1").unwrap().all().unwrap_err().to_string().contains("--trials"));
    }

    #[test]
    fn the_same_seed_draws_the_same_settings_within_their_ranges() {
        let grid = Grid::parse("learning-rate=0.001..1; l2=0..2; batch=16..64; optimizer=sgd,ftrl").unwrap();
        let drawn = grid.drawn(500, 7);
        assert_eq!(drawn, grid.drawn(500, 7));
        assert_ne!(drawn, grid.drawn(500, 8));
        let below = drawn.iter().filter(|of| of[0].1.parse::<f32>().unwrap() < 0.0317).count();
        assert!((200..300).contains(&below), "{below} of 500 are below the middle of the logarithms");
        for of in &drawn {
            let number = |at: usize| of[at].1.parse::<f64>().unwrap();
            assert!((0.00099..=1.0).contains(&number(0)) && (0.0..=2.0).contains(&number(1)));
            assert!((16.0..=64.0).contains(&number(2)) && number(2).fract() == 0.0);
        }
    }
}
