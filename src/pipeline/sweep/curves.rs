//! How the learners of a sweep went: takes the sums of their losses now and then, gives the loss of each in each stretch of
//! the stream, in bounded room.

use crate::learner::many::Standing;

/// Stretches at most.
const MOST: usize = 64;
/// Labelled records of a stretch at first; it doubles whenever there are too many stretches.
const SHORTEST: u64 = 1024;

/// Sums of losses at the ends of stretches.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    step: u64,
    ends: Vec<End>,
}

/// The end of a stretch.
#[derive(Debug, Clone, PartialEq)]
struct End {
    labelled: u64,
    weight: f64,
    /// The sum of the losses of each learner, by place; not a number where it had been dropped or had diverged.
    losses: Vec<f64>,
}

impl Default for Curves {
    fn default() -> Self {
        Self { step: SHORTEST, ends: Vec::new() }
    }
}

impl Curves {
    /// Whether so many labelled records end a stretch.
    pub(super) fn is_due(&self, labelled: u64) -> bool {
        labelled >= self.ends.last().map_or(0, |end| end.labelled).saturating_add(self.step)
    }

    /// Whether the last stretch ends there.
    pub(super) fn is_at(&self, labelled: u64) -> bool {
        self.ends.last().map_or(0, |end| end.labelled) == labelled
    }

    /// Ends a stretch: where each learner stands behind so many labelled records with this weight.
    pub(super) fn end(&mut self, (labelled, weight): (u64, f64), standings: &[Standing]) {
        let places = standings.iter().map(|standing| standing.place + 1).max().unwrap_or(0);
        let mut losses = vec![f64::NAN; places];
        standings.iter().for_each(|standing| losses[standing.place] = standing.loss);
        self.ends.push(End { labelled, weight, losses });
        if self.ends.len() > MOST {
            // The last one stays: there the curves end.
            let mut at = self.ends.len();
            self.ends.retain(|_| {
                at -= 1;
                at.is_multiple_of(2)
            });
            self.step *= 2;
        }
    }

    /// The losses of the learner in a place: labelled records at the middle of each stretch, and the mean loss in it.
    pub fn of(&self, place: usize) -> Vec<(f64, f64)> {
        let sum = |end: &End| end.losses.get(place).copied().filter(|loss| loss.is_finite());
        let (mut points, mut before) = (Vec::new(), (0, 0.0, 0.0));
        for end in &self.ends {
            let Some(loss) = sum(end) else { break };
            if end.weight > before.1 {
                let middle = 0.5 * (before.0 + end.labelled) as f64;
                points.push((middle, (loss - before.2) / (end.weight - before.1)));
            }
            before = (end.labelled, end.weight, loss);
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_stay_few_and_their_losses_are_those_of_their_records() {
        let (mut curves, mut looks) = (Curves::default(), 0);
        let (mut labelled, mut sum) = (0, 0.0);
        for at in 0..2000_u64 {
            labelled += 1024;
            sum += 1024.0 * (0.2 + 0.1 * (at as f64 / 2000.0));
            if curves.is_due(labelled) {
                looks += 1;
                let standings = [(0, sum), (2, 2.0 * sum)].map(|(place, loss)| Standing { place, loss });
                curves.end((labelled, labelled as f64), &standings);
            }
        }
        let of = curves.of(0);
        assert!((MOST / 2..=MOST).contains(&of.len()) && looks < 300, "{} {looks}", of.len());
        for (middle, loss) in &of {
            assert!((loss - 0.2 - 0.1 * middle / 2_048_000.0).abs() < 1e-4, "{middle} {loss}");
        }
        assert!(curves.of(2).iter().zip(&of).all(|(twice, once)| (twice.1 - 2.0 * once.1).abs() < 1e-12));
        assert!(curves.of(1).is_empty() && curves.of(99).is_empty());
    }

    #[test]
    fn a_learner_that_was_dropped_has_the_stretches_before() {
        let mut curves = Curves::default();
        let both = [Standing { place: 0, loss: 10.0 }, Standing { place: 1, loss: 20.0 }];
        curves.end((1024, 1024.0), &both);
        curves.end((2048, 2048.0), &both[..1]);
        assert_eq!((curves.of(0).len(), curves.of(1)), (2, vec![(512.0, 20.0 / 1024.0)]));
    }
}
