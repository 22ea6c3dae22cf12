//! Card payments: takes a seed; gives `time,customer,terminal,category,hour,amount,log_amount,fraud`, about one record a
//! second.
//!
//! ```text
//! logit = -6.3 + C[customer] + K[category] + H[hour] + (log_amount - 3.5) + 4.5 [terminal is compromised](t)
//! ```
//!
//! | column | values | drawn | effect |
//! |---|---|---|---|
//! | `customer` | `c1..c3000` | Zipf 0.6 | `C` normal, deviation 0.2 |
//! | `terminal` | `t1..t500` | Zipf 0.3 | 4.5 while compromised, else 0 |
//! | `category` | 8 kinds of shop, one for each terminal | even over terminals | `K` from -0.8 to 1.2 |
//! | `hour` | 0 to 23, of `time` | most records at 16 h | `H` a cosine of height 0.5, highest at 3 h |
//! | `log_amount` | 0 to 9, 4 decimals | normal, mean 3.5, deviation 1 | linear, 1 a unit |
//! | `amount` | `e^log_amount` in cents | | none of its own |
//!
//! The logit is linear in `log_amount`, which is a column for that reason; a model with `amount` alone cannot reach the
//! best loss. Drift: with each new hour, with probability 1/24, any one terminal is compromised, for 72 to 167 hours, so
//! that five of them are at a time (five are at the start). Between 0.5 and 1 % of the payments are fraud.

use super::Columns;
use super::calendar::{Calendar, day_wave};
use super::effects::Effects;
use super::field;
use super::label::Label;
use super::rng::{Popularity, Rng};

/// What the columns are for.
pub const COLUMNS: Columns = Columns {
    header: "time,customer,terminal,category,hour,amount,log_amount,fraud\n",
    time: Some("time"),
    numeric: &["amount", "log_amount"],
    categorical: &["customer", "terminal", "category", "hour"],
    label: "fraud",
};

const BASE: f64 = -6.3;
const CUSTOMERS: u32 = 3_000;
const TERMINALS: u32 = 500;
const CATEGORIES: [(&[u8], f64); 8] = [
    (b",grocery", -0.8),
    (b",fuel", -0.3),
    (b",restaurant", -0.5),
    (b",travel", 0.4),
    (b",electronics", 0.8),
    (b",online", 1.2),
    (b",cash", 0.5),
    (b",other", 0.0),
];
const COMPROMISED: f64 = 4.5;
const COMPROMISED_PER_HOUR: f64 = 1.0 / 24.0;
const COMPROMISED_AT_START: usize = 5;

/// The stream of card payments.
#[derive(Debug)]
pub(super) struct Fraud {
    rng: Rng,
    calendar: Calendar,
    customer: Popularity,
    terminal: Popularity,
    customer_effect: Effects,
    hour_effect: [f64; 24],
    terminals: Vec<Terminal>,
}

#[derive(Debug, Clone, Copy)]
struct Terminal {
    category: usize,
    /// Hours for which it stays compromised; 0 where it is clean.
    compromised: u32,
}

impl Fraud {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 3);
        let customer = Popularity::zipf(CUSTOMERS, 0.6);
        let customer_effect = Effects::new(&mut rng, &customer, 0.2);
        let terminals = (0..TERMINALS as usize).map(|number| Terminal { category: number % 8, compromised: 0 });
        let mut stream = Self {
            calendar: Calendar::new(1.0, 16),
            terminal: Popularity::zipf(TERMINALS, 0.3),
            hour_effect: std::array::from_fn(|hour| 0.5 * day_wave(hour, 3)),
            terminals: terminals.collect(),
            rng,
            customer,
            customer_effect,
        };
        (0..COMPROMISED_AT_START).for_each(|_| stream.compromise());
        stream
    }

    /// Appends one record; gives its best loss.
    #[inline(always)]
    pub(super) fn append(&mut self, text: &mut Vec<u8>) -> f64 {
        if self.calendar.advance(&mut self.rng) {
            self.drift();
        }
        let rng = &mut self.rng;
        let hour = self.calendar.hour();
        let customer = self.customer.draw(rng);
        let terminal = self.terminal.draw(rng);
        let Terminal { category, compromised } = self.terminals[terminal];
        let (category, category_effect) = CATEGORIES[category];
        let log_scaled = field::scaled(3.5 + rng.normal(), 10_000.0).clamp(0, 90_000);
        let log_amount = log_scaled as f64 / 10_000.0;

        let taken = if compromised > 0 { COMPROMISED } else { 0.0 };
        let shopper = self.customer_effect.of(customer) + category_effect + self.hour_effect[hour];
        let label = Label::draw(rng, BASE + shopper + (log_amount - 3.5) + taken);

        text.extend_from_slice(self.calendar.text());
        field::id(text, b'c', customer as u64 + 1);
        field::id(text, b't', terminal as u64 + 1);
        text.extend_from_slice(category);
        text.push(b',');
        field::number(text, hour as u64);
        text.push(b',');
        field::decimal(text, field::scaled(libm::exp(log_amount), 100.0), 2);
        text.push(b',');
        field::decimal(text, log_scaled, 4);
        label.end_record(text);
        label.best_loss
    }

    /// What a new hour brings.
    #[cold]
    fn drift(&mut self) {
        for terminal in &mut self.terminals {
            terminal.compromised = terminal.compromised.saturating_sub(1);
        }
        if self.rng.uniform() < COMPROMISED_PER_HOUR {
            self.compromise();
        }
    }

    /// Any terminal, for 72 to 167 hours.
    fn compromise(&mut self) {
        let terminal = self.rng.below(TERMINALS) as usize;
        self.terminals[terminal].compromised = 72 + self.rng.below(96);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compromised_terminals_come_and_go_and_stay_few() {
        let mut stream = Fraud::new(1);
        let (mut sum, mut ever) = (0, vec![false; TERMINALS as usize]);
        for _ in 0..10_000 {
            stream.drift();
            for (terminal, ever) in stream.terminals.iter().zip(&mut ever) {
                sum += usize::from(terminal.compromised > 0);
                *ever |= terminal.compromised > 0;
            }
        }
        let mean = sum as f64 / 10_000.0;
        assert!((4.0..5.5).contains(&mean), "{mean} compromised at a time");
        // 417 draws out of 500 meet about 500 (1 - e^-0.83) = 283 different ones.
        assert!((240..330).contains(&ever.iter().filter(|&&ever| ever).count()));
    }

    #[test]
    fn the_best_loss_follows_from_the_printed_columns() {
        let mut stream = Fraud::new(1);
        for _ in 0..20_000 {
            let mut text = Vec::new();
            let best_loss = stream.append(&mut text);
            let text = String::from_utf8(text).unwrap();
            let fields: Vec<&str> = text.trim_end().split(',').collect();
            let number = |field: &str| field.parse::<f64>().unwrap();
            let terminal = stream.terminals[fields[2][1..].parse::<usize>().unwrap() - 1];
            assert_eq!(&CATEGORIES[terminal.category].0[1..], fields[3].as_bytes());
            let logit = -6.3
                + stream.customer_effect.of(fields[1][1..].parse::<usize>().unwrap() - 1)
                + CATEGORIES[terminal.category].1
                + stream.hour_effect[number(fields[4]) as usize]
                + (number(fields[6]) - 3.5)
                + if terminal.compromised > 0 { 4.5 } else { 0.0 };
            let signed = if fields[7] == "1" { -logit } else { logit };
            assert!((best_loss - signed.exp().ln_1p()).abs() < 1e-9, "{text}");
            assert!((number(fields[5]) - number(fields[6]).exp()).abs() < 0.005_001, "{text}");
        }
    }
}
