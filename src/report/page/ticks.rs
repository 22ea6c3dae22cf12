//! Where an axis has its marks, and what they are called: takes the range of the values, gives round numbers.

/// How values become places.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences are equally far apart.
    #[default]
    Linear,
    /// Equal ratios are; values above 0 alone have a place.
    Log,
}

impl Scale {
    /// Whether a value has a place on the axis.
    pub fn holds(self, value: f64) -> bool {
        value.is_finite() && (self == Self::Linear || value > 0.0)
    }

    /// The place of a value in a range, 0 at its lower end and 1 at its upper.
    pub fn place(self, value: f64, (low, high): (f64, f64)) -> f64 {
        let along = |x: f64| if self == Self::Log { x.ln() } else { x };
        let width = along(high) - along(low);
        if width > 0.0 { (along(value) - along(low)) / width } else { 0.5 }
    }

    /// The smallest range around the values that ends at round numbers.
    pub fn range(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let ends =
            |ends: Option<(f64, f64)>, x: f64| Some(ends.map_or((x, x), |(low, high)| (low.min(x), high.max(x))));
        let (low, high) = values.filter(|&value| self.holds(value)).fold(None, ends).unwrap_or((1.0, 1.0));
        match self {
            Self::Linear => {
                let step = step(if high > low { high - low } else { high.abs().max(1.0) });
                let (first, last) = ((low / step).floor() * step, (high / step).ceil() * step);
                (first, if last > first { last } else { first + step })
            }
            Self::Log => {
                let (first, last) = (round_down(low), round_up(high));
                (first, if last > first { last } else { round_up(first * 1.5) })
            }
        }
    }

    /// The marks of a range.
    pub fn ticks(self, (low, high): (f64, f64)) -> Vec<f64> {
        match self {
            Self::Linear => {
                let step = step(high - low);
                let first = (low / step).ceil() as i64;
                let last = (high / step * (1.0 + 1e-12)).floor() as i64;
                (first..=last).map(|at| at as f64 * step).collect()
            }
            Self::Log => of_decades(low, high),
        }
    }
}

/// The distance of marks that divides a range into some five parts: 1, 2 or 5 times a power of ten.
fn step(width: f64) -> f64 {
    let rough = width / 5.0;
    let power = power_of_ten(rough);
    let factor = match rough / power {
        x if x < 1.5 => 1.0,
        x if x < 3.5 => 2.0,
        x if x < 7.5 => 5.0,
        _ => 10.0,
    };
    factor * power
}

/// The power of ten that is no larger.
fn power_of_ten(x: f64) -> f64 {
    let power = 10f64.powi(x.log10().floor() as i32);
    // The logarithm of a power of ten may come out a little below it.
    if power * 10.0 <= x { power * 10.0 } else { power }
}

const ROUND: [f64; 3] = [1.0, 2.0, 5.0];

fn round_down(x: f64) -> f64 {
    let power = power_of_ten(x);
    ROUND.iter().rev().map(|factor| factor * power).find(|&round| round <= x * (1.0 + 1e-12)).unwrap_or(power)
}

fn round_up(x: f64) -> f64 {
    let power = power_of_ten(x);
    ROUND.iter().map(|factor| factor * power).find(|&round| round >= x * (1.0 - 1e-12)).unwrap_or(10.0 * power)
}

/// Powers of ten, with 2 and 5 times them where there are few, and every other one left out where there are many.
fn of_decades(low: f64, high: f64) -> Vec<f64> {
    let (first, decades) = (power_of_ten(low).log10().round() as i32, (high / low).log10());
    let every = (decades / 6.0).ceil().max(1.0) as usize;
    let factors = if decades <= 2.5 { &ROUND[..] } else { &ROUND[..1] };
    let powers = (first..=first + decades as i32 + 1).step_by(every);
    let ticks = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
    ticks.filter(|tick| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(tick)).collect()
}

/// A mark in few letters: `64`, `16.4 k`, `2 M`, `0.05`.
///
/// ```
/// use tidemill::report::page::ticks::name;
/// assert_eq!([0.0, 0.05, 64.0, 16_384.0, 2e6].map(name), ["0", "0.05", "64", "16.4 k", "2 M"]);
/// ```
pub fn name(tick: f64) -> String {
    let prefixes = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, "")];
    let size = tick.abs();
    let (unit, prefix) = prefixes.into_iter().find(|(unit, _)| size >= *unit).unwrap_or((1.0, ""));
    // Three digits, and as many zeros in front as a small number has.
    let whole = if size > 0.0 { (size / unit).log10().floor() as i32 } else { 0 };
    let digits = format!("{:.*}", (2 - whole).clamp(0, 9) as usize, tick / unit);
    let short = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{short}{prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_marks_are_round_and_within_the_range() {
        let of = |values: &[f64]| {
            let range = Scale::Linear.range(values.iter().copied());
            (range, Scale::Linear.ticks(range))
        };
        assert_eq!(of(&[3.0, 97.0]), ((0.0, 100.0), vec![0.0, 20.0, 40.0, 60.0, 80.0, 100.0]));
        let ((low, high), ticks) = of(&[0.43, 0.69]);
        assert!((low - 0.4).abs() < 1e-12 && (high - 0.7).abs() < 1e-12, "{low} {high}");
        assert_eq!(
            ticks.into_iter().map(name).collect::<Vec<_>>(),
            ["0.4", "0.45", "0.5", "0.55", "0.6", "0.65", "0.7"]
        );
        let ((low, high), ticks) = of(&[5.0]);
        assert!(low <= 5.0 && high >= 5.0 && low < high && ticks.len() > 1);
    }

    #[test]
    fn logarithmic_marks_are_powers_of_ten_and_twice_and_five_times_them_where_these_are_few() {
        assert_eq!(Scale::Log.range([190e3, 38.4e6].into_iter()), (100e3, 50e6));
        assert_eq!(Scale::Log.ticks((100e3, 50e6)), [1e5, 1e6, 1e7]);
        assert_eq!(Scale::Log.ticks((20.0, 500.0)), [20.0, 50.0, 100.0, 200.0, 500.0]);
        let wide = Scale::Log.ticks((1e-3, 1e9));
        assert!((4..=7).contains(&wide.len()), "{wide:?}");
        let ratios: Vec<f64> = wide.windows(2).map(|pair| pair[1] / pair[0]).collect();
        assert!(ratios.iter().all(|ratio| (ratio / ratios[0] - 1.0).abs() < 1e-9), "{wide:?}");
    }

    #[test]
    fn values_that_have_no_place_do_not_stretch_the_range() {
        assert_eq!(Scale::Log.range([0.0, -3.0, f64::NAN, 10.0, 100.0].into_iter()), (10.0, 100.0));
        assert_eq!(Scale::Linear.range([f64::INFINITY, 0.0, 10.0].into_iter()), (0.0, 10.0));
        for scale in [Scale::Linear, Scale::Log] {
            let (low, high) = scale.range(std::iter::empty());
            assert!(low < high && !scale.ticks((low, high)).is_empty());
        }
    }

    #[test]
    fn places_go_from_one_end_to_the_other() {
        assert_eq!([1.0, 10.0, 100.0].map(|x| Scale::Log.place(x, (1.0, 100.0))), [0.0, 0.5, 1.0]);
        assert_eq!([2.0, 3.0, 4.0].map(|x| Scale::Linear.place(x, (2.0, 4.0))), [0.0, 0.5, 1.0]);
    }

    #[test]
    fn marks_are_short() {
        let names = [1e-3, 0.025, 0.5, 1.0, 256.0, 1024.0, 4096.0, 65_536.0, 5e7, 1e12, -250.0].map(name);
        assert_eq!(names, ["0.001", "0.025", "0.5", "1", "256", "1.02 k", "4.1 k", "65.5 k", "50 M", "1 T", "-250"]);
    }
}
