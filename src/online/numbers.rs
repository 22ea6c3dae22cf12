//! Numbers that are not standardised: takes rows as read, gives them between 0 and 1 by the extremes seen so far, or as
//! they are; a missing one is 0, or the mean seen so far.
//!
//! Extremes are those up to and with the record, means those before it. Where there is no spread yet, the number is 0.
//! A number that lies outside what was seen, which happens where nothing is learned any more, is moved to the end.

use crate::error::Result;
use crate::schema::Schema;
use crate::schema::step::Scale;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// Running extremes and means of the columns that need them.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    columns: Vec<Column>,
    count: Vec<f64>,
    sum: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

/// What becomes of a column.
#[derive(Debug, Clone, PartialEq)]
struct Column {
    /// Where it stands in a row.
    place: usize,
    is_scaled: bool,
    is_imputed: bool,
}

impl Numbers {
    /// What a schema asks for, having seen nothing; `None` where that is nothing.
    pub fn new(schema: &Schema) -> Option<Self> {
        let names = schema.dense_names();
        let column = |(name, (scale, is_imputed)): (&str, (Scale, bool))| {
            let place = names.iter().position(|known| known == name)?;
            Some(Column { place, is_scaled: scale == Scale::MinMax, is_imputed })
        };
        let columns: Vec<_> = schema.scales().into_iter().filter_map(column).collect();
        let zeros = vec![0.0; columns.len()];
        let numbers = Self { columns, count: zeros.clone(), sum: zeros.clone(), low: zeros.clone(), high: zeros };
        (!numbers.columns.is_empty()).then_some(numbers)
    }

    /// The state by name, for a model file.
    pub fn arrays(&self) -> Vec<(String, Vec<f64>)> {
        let named = [("count", &self.count), ("sum", &self.sum), ("low", &self.low), ("high", &self.high)];
        named.map(|(name, array)| (format!("numbers.{name}"), array.clone())).into()
    }

    /// The same with the state that [`Numbers::arrays`] gave.
    pub(super) fn with_arrays<'a>(self, array: impl Fn(&str) -> Option<&'a [f64]>) -> Option<Self> {
        let array = |name: &str| {
            let found = array(&format!("numbers.{name}")).map(<[f64]>::to_vec);
            found.filter(|array| array.len() == self.columns.len())
        };
        let [count, sum, low, high] = ["count", "sum", "low", "high"].map(array);
        Some(Self { count: count?, sum: sum?, low: low?, high: high?, columns: self.columns })
    }

    /// Takes a row in.
    pub fn learn(&mut self, raw: &[f32]) {
        let Self { columns, count, sum, low, high } = self;
        for (at, column) in columns.iter().enumerate() {
            let x = f64::from(raw[column.place]);
            if x.is_nan() {
                continue;
            }
            let is_first = count[at] == 0.0;
            low[at] = if is_first { x } else { low[at].min(x) };
            high[at] = if is_first { x } else { high[at].max(x) };
            count[at] += 1.0;
            sum[at] += x;
        }
    }

    /// Puts the columns of a row where they belong.
    pub fn apply(&self, raw: &[f32], out: &mut [f32]) {
        for (at, column) in self.columns.iter().enumerate() {
            let x = f64::from(raw[column.place]);
            let present = if !x.is_nan() { Some(x) } else { self.stand_in(at) };
            out[column.place] = present.map_or(0.0, |x| self.scaled(at, x) as f32);
        }
    }

    /// What stands for a missing number, if anything does.
    fn stand_in(&self, at: usize) -> Option<f64> {
        (self.columns[at].is_imputed && self.count[at] > 0.0).then(|| self.sum[at] / self.count[at])
    }

    fn scaled(&self, at: usize, x: f64) -> f64 {
        if !self.columns[at].is_scaled {
            return x;
        }
        let spread = self.high[at] - self.low[at];
        if spread > 0.0 { ((x - self.low[at]) / spread).clamp(0.0, 1.0) } else { 0.0 }
    }
}

impl Snapshot for Numbers {
    const PART: &'static str = "numbers";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { columns: _, count, sum, low, high } = self;
        for (name, array) in [("count", count), ("sum", sum), ("low", low), ("high", high)] {
            to.put(name, array);
        }
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { columns, count, sum, low, high } = self;
        for (name, array) in [("count", count), ("sum", sum), ("low", low), ("high", high)] {
            *array = from.exactly(name, columns.len())?;
            from.check(name, array.iter().all(|x| x.is_finite()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::{self, Role};

    /// The columns a (min-max), b (min-max with means), c (none), d (none with means), and e, which is not named.
    fn numbers() -> Numbers {
        let column = |name: &str| schema::Column { name: name.into(), role: Role::Numeric, log: false };
        let steps = [
            "scale = { a = 'min-max', b = 'min-max', c = 'none', d = 'none', e = 'standard' }",
            "impute = { b = 'mean', d = 'mean', e = 'mean' }",
        ];
        let transforms = steps.map(|step| toml::from_str(step).unwrap()).into();
        let columns = ["e", "d", "c", "b", "a"].map(column).into();
        Numbers::new(&Schema { columns, transforms, ..Schema::default() }).unwrap()
    }

    /// What becomes of the last of the numbers, by looking at all of them again.
    fn oracle(values: &[f32], is_scaled: bool, is_imputed: bool) -> f64 {
        let seen: Vec<f64> = values.iter().filter(|x| !x.is_nan()).map(|&x| f64::from(x)).collect();
        let last = f64::from(values[values.len() - 1]);
        let mean = seen.iter().sum::<f64>() / seen.len() as f64;
        let x = match (last.is_nan(), is_imputed && !seen.is_empty()) {
            (false, _) => last,
            (true, true) => mean,
            (true, false) => return 0.0,
        };
        let (low, high) = seen.iter().fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)));
        match is_scaled {
            true if high > low => (x - low) / (high - low),
            true => 0.0,
            false => x,
        }
    }

    proptest! {
        #[test]
        fn numbers_are_what_a_second_look_at_all_of_them_gives(
            values in prop::collection::vec(prop_oneof![3 => -1e4f32..1e4, 1 => Just(f32::NAN), 1 => Just(2.0)], 1..60)
        ) {
            let mut numbers = numbers();
            for at in 0..values.len() {
                let (row, mut out) = ([values[at]; 16], [9.0; 16]);
                numbers.learn(&row);
                numbers.apply(&row, &mut out);
                for (place, is_scaled, is_imputed) in [(4, true, false), (3, true, true), (2, false, false), (1, false, true)] {
                    let expected = oracle(&values[..=at], is_scaled, is_imputed);
                    let error = (f64::from(out[place]) - expected).abs();
                    prop_assert!(error <= 1e-6 * (1.0 + expected.abs()), "{} for {expected}", out[place]);
                }
                prop_assert_eq!((out[0], out[5]), (9.0, 9.0));
            }
        }
    }

    #[test]
    fn what_lies_outside_is_moved_to_the_end_and_changes_nothing() {
        let mut numbers = numbers();
        for x in [1.0, 3.0] {
            numbers.learn(&[x; 16]);
        }
        let (before, mut out) = (numbers.clone(), [9.0; 16]);
        for (x, expected) in
            [(7.0, [7.0, 7.0, 1.0, 1.0]), (-1.0, [-1.0, -1.0, 0.0, 0.0]), (f32::NAN, [2.0, 0.0, 0.5, 0.0])]
        {
            numbers.apply(&[x; 16], &mut out);
            assert_eq!(out[1..5], expected);
        }
        assert_eq!(numbers, before);
    }
}
