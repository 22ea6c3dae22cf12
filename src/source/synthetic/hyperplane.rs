//! A turning hyperplane: takes a seed; gives `x0,..,x9,y`, dense and without time.
//!
//! ```text
//! logit = w(t) . x      x0..x9 independent, normal with mean 0 and variance 1, printed with 3 decimals
//! ```
//!
//! `w` starts in a random direction with length 2.5. Drift: in each of the planes (0,1), (2,3), .. (8,9) it turns by
//! the same small angle with every record, a full turn in 2,000,000 of them; its length stays. Half the labels are 1.
//! After the rotating hyperplane of Hulten, Spencer and Domingos (2001), with noise from the logit.

use super::Columns;
use super::field;
use super::label::Label;
use super::rng::Rng;

/// What the columns are for.
pub const COLUMNS: Columns = Columns {
    header: "x0,x1,x2,x3,x4,x5,x6,x7,x8,x9,y\n",
    time: None,
    numeric: &["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9"],
    categorical: &[],
    label: "y",
};

const WIDTH: usize = 10;
const LENGTH: f64 = 2.5;
const RECORDS_A_TURN: f64 = 2_000_000.0;

/// The stream of points on both sides of a turning plane.
#[derive(Debug)]
pub(super) struct Hyperplane {
    rng: Rng,
    weights: [f64; WIDTH],
    /// Cosine and sine of the angle that one record turns by.
    turn: (f64, f64),
}

impl Hyperplane {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 2);
        let direction: [f64; WIDTH] = std::array::from_fn(|_| rng.normal());
        let length = libm::sqrt(direction.iter().map(|w| w * w).sum());
        let angle = std::f64::consts::TAU / RECORDS_A_TURN;
        let turn = (libm::cos(angle), libm::sin(angle));
        Self { rng, weights: direction.map(|w| w * LENGTH / length), turn }
    }

    /// Appends one record; gives its best loss.
    #[inline(always)]
    pub(super) fn append(&mut self, text: &mut Vec<u8>) -> f64 {
        let mut logit = 0.0;
        for (column, weight) in self.weights.iter().enumerate() {
            let thousandths = field::scaled(self.rng.normal(), 1000.0);
            logit += weight * (thousandths as f64 / 1000.0);
            if column > 0 {
                text.push(b',');
            }
            field::decimal(text, thousandths, 3);
        }
        let label = Label::draw(&mut self.rng, logit);
        label.end_record(text);
        self.drift();
        label.best_loss
    }

    #[inline(always)]
    fn drift(&mut self) {
        let (cos, sin) = self.turn;
        for plane in self.weights.chunks_exact_mut(2) {
            (plane[0], plane[1]) = (cos * plane[0] - sin * plane[1], sin * plane[0] + cos * plane[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plane_keeps_its_slope_and_is_back_after_a_full_turn() {
        let mut stream = Hyperplane::new(1);
        let start = stream.weights;
        (0..1_000_000).for_each(|_| stream.drift());
        assert!(start.iter().zip(&stream.weights).all(|(a, b)| (a + b).abs() < 1e-6), "half a turn is the opposite");
        (0..1_000_000).for_each(|_| stream.drift());
        assert!(start.iter().zip(&stream.weights).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}
