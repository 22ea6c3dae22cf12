//! Labels of known probability: takes a logit; gives a label drawn from it and what the best predictor loses on it.

use super::rng::Rng;

/// A label, and the best loss on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    /// 1 or 0.
    pub(super) positive: bool,
    /// `-ln p(label)`, in nats: what a predictor loses that knows the logit.
    pub(super) best_loss: f64,
}

impl Label {
    /// Positive with probability `1 / (1 + e^-logit)`.
    #[inline(always)]
    pub(super) fn draw(rng: &mut Rng, logit: f64) -> Self {
        let distance = logit.abs();
        let e = libm::exp(-distance);
        // The likelier class has probability 1 / (1 + e), so -ln of it is ln(1 + e); the other costs `distance` more.
        let likelier = rng.uniform() * (1.0 + e) < 1.0;
        let positive = likelier == (logit >= 0.0);
        let best_loss = libm::log1p(e) + if likelier { 0.0 } else { distance };
        Self { positive, best_loss }
    }

    /// Appends `,0` or `,1` and ends the record.
    #[inline(always)]
    pub(super) fn end_record(self, text: &mut Vec<u8>) {
        text.extend_from_slice(if self.positive { b",1\n" } else { b",0\n" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_as_often_as_their_logit_says_and_cost_their_entropy() {
        for logit in [-5.0, -1.0, 0.0, 0.5, 3.0] {
            let (mut rng, n) = (Rng::new(4, 0), 100_000.0);
            let (mut positives, mut loss) = (0.0, 0.0);
            for _ in 0..100_000 {
                let label = Label::draw(&mut rng, logit);
                positives += f64::from(u8::from(label.positive));
                loss += label.best_loss;
            }
            let p = 1.0 / (1.0 + f64::exp(-logit));
            let (variance, entropy) = (p * (1.0 - p), -p * p.ln() - (1.0 - p) * (1.0 - p).ln());
            assert!((positives / n - p).abs() < 5.0 * (variance / n).sqrt(), "label rate at logit {logit}");
            // The loss is linear in the label with slope |logit|.
            let bound = 5.0 * logit.abs() * (variance / n).sqrt() + 1e-9;
            assert!((loss / n - entropy).abs() < bound, "loss at logit {logit}");
        }
    }
}
