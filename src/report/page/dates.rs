//! Where an axis of event time has its marks: takes a range in microseconds since 1970, gives the beginnings of seconds,
//! minutes, hours, days, months or years in it, with short names. All in UTC.

use crate::timestamp::{DAY, SECOND, parse, written};

/// Marks, about: dates are longer than numbers.
const MARKS: i64 = 5;

/// Distances of marks within a day or a few, in microseconds.
const STEPS: [i64; 23] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    SECOND,
    5 * SECOND,
    15 * SECOND,
    60 * SECOND,
    5 * 60 * SECOND,
    15 * 60 * SECOND,
    30 * 60 * SECOND,
    3600 * SECOND,
    2 * 3600 * SECOND,
    6 * 3600 * SECOND,
    12 * 3600 * SECOND,
    DAY,
    2 * DAY,
    5 * DAY,
    10 * DAY,
];

/// Distances in months.
const MONTHS: [i64; 12] = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 12_000];

/// The marks of a range.
///
/// ```
/// use tidemill::{report::page::dates::marks, timestamp::parse};
/// let time = |text: &str| parse(text.as_bytes()).unwrap_or(0);
/// let names = |from, until| marks(time(from), time(until)).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
/// assert_eq!(names("2024-05-01T08:10:00Z", "2024-05-01T10:00:00Z"), ["08:30", "09:00", "09:30", "10:00"]);
/// assert_eq!(names("2023-11-20T00:00:00Z", "2024-02-20T00:00:00Z"), ["2023-12", "2024-01", "2024-02"]);
/// ```
pub fn marks(from: i64, until: i64) -> Vec<(i64, String)> {
    let width = until.saturating_sub(from).max(1);
    match STEPS.into_iter().find(|step| width / step <= MARKS) {
        Some(step) => {
            let first = from.div_euclid(step) + i64::from(from.rem_euclid(step) > 0);
            let last = until.div_euclid(step);
            (first..=last).map(|at| (at * step, short(at * step, step))).collect()
        }
        None => months(from, until),
    }
}

/// As much of a time as marks so far apart need.
fn short(time: i64, step: i64) -> String {
    let text = written(time);
    let (date, of_day) = text.split_once('T').unwrap_or((&text, ""));
    match step {
        _ if step >= DAY => date.to_owned(),
        _ if step >= 60 * SECOND && time.rem_euclid(DAY) == 0 => date.to_owned(),
        _ if step >= 60 * SECOND => of_day.chars().take(5).collect(),
        _ if step >= SECOND => of_day.chars().take(8).collect(),
        _ => of_day.trim_end_matches('Z').chars().skip(3).take(9).collect(),
    }
}

fn months(from: i64, until: i64) -> Vec<(i64, String)> {
    let month_of = |time: i64| {
        let text = written(time);
        let (year, month) = text.split_at(text.len().min(4));
        let month = month.get(1..3).and_then(|month| month.parse::<i64>().ok());
        Some(12 * year.parse::<i64>().ok()? + month? - 1)
    };
    // Years before 0 and behind 9999 have no marks.
    let (Some(first), Some(last)) = (month_of(from), month_of(until)) else { return Vec::new() };
    let step = MONTHS.into_iter().find(|step| (last - first) / step <= MARKS).unwrap_or(12_000);
    let begin = |month: i64| {
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        let time = parse(format!("{year:04}-{month:02}-01T00:00:00Z").as_bytes())?;
        let name = if step % 12 == 0 { format!("{year}") } else { format!("{year}-{month:02}") };
        (from..=until).contains(&time).then_some((time, name))
    };
    (first.div_euclid(step)..=last.div_euclid(step)).filter_map(|at| begin(at * step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_any_width_have_a_few_marks_in_order_and_within() {
        let start = 1_700_000_000 * SECOND + 123_456;
        for power in 3..50 {
            let width = 1_i64 << power;
            let marks = marks(start, start + width);
            assert!(marks.len() <= 2 * MARKS as usize, "{width}: {marks:?}");
            assert!(!(11..=48).contains(&power) || !marks.is_empty(), "{width}");
            assert!(
                marks.is_sorted_by(|a, b| a.0 < b.0) && marks.iter().all(|of| (start..=start + width).contains(&of.0))
            );
            assert!(marks.windows(2).all(|pair| pair[0].1 != pair[1].1), "{width}: {marks:?}");
        }
    }

    #[test]
    fn days_years_and_seconds_are_called_by_what_they_differ_in() {
        let names = |from: &str, until: &str| {
            let [from, until] = [from, until].map(|text| parse(text.as_bytes()).unwrap());
            marks(from, until).into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(
            names("2024-05-01T22:00:00Z", "2024-05-02T02:00:00Z"),
            ["22:00", "23:00", "2024-05-02", "01:00", "02:00"]
        );
        assert_eq!(names("2024-02-28T00:00:00Z", "2024-03-02T00:00:00Z").last().unwrap(), "2024-03-02");
        assert_eq!(names("1949-01-01T00:00:00Z", "1999-01-01T00:00:00Z"), ["1950", "1960", "1970", "1980", "1990"]);
        assert_eq!(names("2024-05-01T00:00:01Z", "2024-05-01T00:00:03Z"), ["00:00:01", "00:00:02", "00:00:03"]);
    }

    #[test]
    fn times_that_no_calendar_has_have_no_marks_and_no_panic() {
        for (from, until) in [(i64::MIN + 1, i64::MAX), (i64::MAX - 1, i64::MAX), (i64::MIN + 1, 0), (5, 5)] {
            let _ = marks(from, until);
        }
    }
}
