//! Timestamps: takes text, gives microseconds since 1970 in UTC, and from these the parts of a calendar.
//!
//! ISO 8601 (`2024-05-01`, `2024-05-01T10:30`, `2024-05-01 10:30:15.25+02:00`), or a number since 1970 whose unit
//! follows from its size: seconds below 1e11, milliseconds below 1e14, microseconds below 1e17. So text of digits alone is
//! always a number: `20240501` is a day in August 1970. An offset is applied and forgotten; without one the time is
//! UTC. Never knows time zones by name, nor leap seconds: second 60 is the first of the next minute.

use std::fmt::Display;

use chrono::format::{Item, Parsed, StrftimeItems};

/// Microseconds of a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub const DAY: i64 = 86_400 * SECOND;

/// Microseconds since 1970, UTC; `None` where the text is not a time. Blanks around it are passed over.
///
/// ```
/// use tidemill::timestamp::parse;
/// assert_eq!(parse(b"1970-01-02T00:00:01.5Z"), Some(86_401_500_000));
/// assert_eq!(parse(b"2024-05-01 12:00+02:00"), parse(b"2024-05-01T10:00:00"));
/// assert_eq!(parse(b"1714557600"), parse(b"2024-05-01T10:00:00"));
/// assert_eq!(parse(b"yesterday"), None);
/// ```
pub fn parse(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    match text {
        [_, _, _, _, b'-', rest @ ..] if rest.contains(&b'-') && text[0].is_ascii_digit() => iso(text),
        _ => number(text),
    }
}

/// A length of time in microseconds: `250ms`, `90s`, `15m`, `1h`, `7d`; `None` where the text is none, or it is no time at
/// all.
///
/// ```
/// use tidemill::timestamp::duration;
/// assert_eq!(duration("1.5s"), Some(1_500_000));
/// assert_eq!((duration("0s"), duration("soon")), (None, None));
/// ```
pub fn duration(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1e3,
        "s" => 1e6,
        "m" | "min" => 60e6,
        "h" => 3600e6,
        "d" => 86_400e6,
        _ => return None,
    };
    let time = digits.trim().parse::<f64>().ok()? * unit;
    // Beyond ten thousand years nothing is remembered as a time.
    (1.0..=3.2e17).contains(&time).then_some(time as i64)
}

/// A length of time as a user would write it, in the largest unit of which it is a whole number.
///
/// ```
/// use tidemill::timestamp::{DAY, SECOND, written_duration};
/// assert_eq!((written_duration(7 * DAY), written_duration(90 * SECOND)), ("7d".into(), "90s".into()));
/// ```
pub fn written_duration(duration: i64) -> String {
    let units = [(DAY, "d"), (3600 * SECOND, "h"), (60 * SECOND, "m"), (SECOND, "s")];
    match units.into_iter().find(|(unit, _)| duration % unit == 0) {
        Some((unit, name)) => format!("{}{name}", duration / unit),
        None => format!("{}ms", duration as f64 / 1000.0),
    }
}

/// How a column writes its times: read from `epoch-s`, `epoch-ms`, `epoch-us`, `epoch-ns`, `iso`, or a pattern with
/// percent signs.
///
/// ```
/// use tidemill::timestamp::{Form, parse};
/// let form: Form = "%d/%b/%Y:%H:%M:%S %z".parse()?;
/// assert_eq!(form.read(b"01/May/2024:12:00:00 +0200"), parse(b"2024-05-01T10:00"));
/// assert_eq!("epoch-ms".parse::<Form>()?.read(b"1500"), Some(1_500_000));
/// assert!("%H:%M".parse::<Form>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Form {
    /// As [`parse`] reads them.
    #[default]
    Told,
    /// A number of so many microseconds each since 1970.
    Since1970(i64),
    /// A number of nanoseconds since 1970; what is finer than a microsecond is cut off.
    Nanoseconds,
    /// As a pattern of strftime says, such as `%d/%b/%Y:%H:%M:%S %z`; without an offset the time is UTC, without a time
    /// of day it is midnight.
    Pattern(String),
}

impl Form {
    /// The forms that have a name.
    fn named(text: &str) -> Option<Self> {
        Some(match text {
            "iso" => Self::Told,
            "epoch-s" => Self::Since1970(SECOND),
            "epoch-ms" => Self::Since1970(1000),
            "epoch-us" => Self::Since1970(1),
            "epoch-ns" => Self::Nanoseconds,
            _ => return None,
        })
    }

    /// The time in a field; `None` where it is none.
    pub fn read(&self, text: &[u8]) -> Option<i64> {
        match self {
            Self::Told => parse(text),
            Self::Since1970(unit) => since_1970(text.trim_ascii(), |whole| whole.checked_mul(*unit), *unit as f64),
            Self::Nanoseconds => since_1970(text.trim_ascii(), |whole| Some(whole.div_euclid(1000)), 1e-3),
            Self::Pattern(pattern) => by_pattern(std::str::from_utf8(text).ok()?.trim(), pattern),
        }
    }
}

impl std::str::FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |why: &dyn Display| {
            format!(
                "{text} {why}: write epoch-s, epoch-ms, epoch-us, epoch-ns, iso, or a pattern such as \"%d.%m.%Y %H:%M:%S\""
            )
        };
        if let Some(form) = Self::named(text) {
            return Ok(form);
        }
        if !text.contains('%') || StrftimeItems::new(text).any(|item| item == Item::Error) {
            return Err(refused(&"is no way to write times"));
        }
        // A pattern must lead back to a date: that is tried with one that is written by it.
        let known = chrono::DateTime::from_timestamp(1_714_564_800, 0).map(|time| time.format(text).to_string());
        match known.and_then(|known| by_pattern(&known, text)) {
            Some(_) => Ok(Self::Pattern(text.to_owned())),
            None => Err(refused(&"does not tell a day")),
        }
    }
}

/// A number in one unit, within the years that times can be in.
fn since_1970(text: &[u8], whole: impl Fn(i64) -> Option<i64>, unit: f64) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let time = match text.parse::<i64>() {
        Ok(number) => whole(number)?,
        Err(_) => {
            let time = text.parse::<f64>().ok()? * unit;
            (time.abs() < 9e18).then(|| libm::round(time) as i64)?
        }
    };
    within_reach(time)
}

/// A time that is not so far away that the distance of two could not be told.
fn within_reach(time: i64) -> Option<i64> {
    (time.unsigned_abs() < 100_000_000_000 * SECOND.unsigned_abs()).then_some(time)
}

/// A time as strftime would have written it.
fn by_pattern(text: &str, pattern: &str) -> Option<i64> {
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, StrftimeItems::new(pattern)).ok()?;
    if parsed.timestamp().is_some() {
        let time = parsed.to_datetime_with_timezone(&chrono::Utc).ok()?;
        return within_reach(time.timestamp_micros());
    }
    let date = parsed.to_naive_date().ok()?;
    let time = parsed.to_naive_time().unwrap_or(chrono::NaiveTime::MIN);
    let offset = i64::from(parsed.offset().unwrap_or(0)) * SECOND;
    within_reach(date.and_time(time).and_utc().timestamp_micros() - offset)
}

/// Text that is read from its front.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// A number of exactly `count` digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        let add = |sum: i64, byte: &u8| byte.is_ascii_digit().then(|| 10 * sum + i64::from(byte - b'0'));
        digits.iter().try_fold(0, add)
    }

    /// The next byte, where it is one of these.
    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first().filter(|(first, _)| bytes.contains(first))?;
        self.0 = rest;
        Some(first)
    }
}

/// A number of two digits up to `most`.
fn pair(rest: &mut Rest<'_>, most: i64) -> Option<i64> {
    rest.digits(2).filter(|&number| number <= most)
}

fn iso(text: &[u8]) -> Option<i64> {
    let mut rest = Rest(text);
    let year = rest.digits(4)?;
    rest.one_of(b"-")?;
    let month = pair(&mut rest, 12).filter(|&month| month > 0)?;
    rest.one_of(b"-")?;
    let day = pair(&mut rest, days_of(year, month)).filter(|&day| day > 0)?;
    let midnight = days_since_1970(year, month, day) * DAY;
    if rest.0.is_empty() {
        return Some(midnight);
    }
    rest.one_of(b"Tt ")?;
    let time = time_of_day(&mut rest)?;
    let offset = offset(&mut rest)?;
    rest.0.is_empty().then_some(midnight + time - offset)
}

/// `10:30`, `10:30:15` or `10:30:15.25`.
fn time_of_day(rest: &mut Rest<'_>) -> Option<i64> {
    let hour = pair(rest, 23)?;
    rest.one_of(b":")?;
    let minute = pair(rest, 59)?;
    let minutes = (60 * hour + minute) * 60 * SECOND;
    if rest.one_of(b":").is_none() {
        return Some(minutes);
    }
    let seconds = minutes + pair(rest, 60)? * SECOND;
    Some(if rest.one_of(b".,").is_some() { seconds + fraction(rest)? } else { seconds })
}

/// The digits behind a point as microseconds; what is finer is cut off.
fn fraction(rest: &mut Rest<'_>) -> Option<i64> {
    let count = rest.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, behind) = rest.0.split_at(count);
    rest.0 = behind;
    let padded = digits.iter().chain(std::iter::repeat(&b'0')).take(6);
    (count > 0).then(|| padded.fold(0, |sum, byte| 10 * sum + i64::from(byte - b'0')))
}

/// `Z`, `+02`, `+0200`, `+02:00`, a blank before it or not, or nothing.
fn offset(rest: &mut Rest<'_>) -> Option<i64> {
    if rest.0.is_empty() {
        return Some(0);
    }
    rest.one_of(b" ");
    let sign = match rest.one_of(b"Zz+-")? {
        b'+' => 1,
        b'-' => -1,
        _ => return Some(0),
    };
    let hours = pair(rest, 23)?;
    let has_minutes = rest.one_of(b":").is_some() || !rest.0.is_empty();
    let minutes = if has_minutes { pair(rest, 59)? } else { 0 };
    Some(sign * (60 * hours + minutes) * 60 * SECOND)
}

/// A number since 1970 in the unit that its size tells.
fn number(text: &[u8]) -> Option<i64> {
    let is_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let text = std::str::from_utf8(text).ok().filter(|text| text.as_bytes().iter().all(is_number))?;
    if let Ok(whole) = text.parse::<i64>() {
        return unit(whole.unsigned_abs() as f64).map(|unit| whole * unit);
    }
    let value: f64 = text.parse().ok()?;
    unit(value.abs()).map(|unit| libm::round(value * unit as f64) as i64)
}

/// Microseconds of the unit of a number of this size.
fn unit(size: f64) -> Option<i64> {
    match size {
        ..1e11 => Some(SECOND),
        1e11..1e14 => Some(1000),
        1e14..1e17 => Some(1),
        _ => None,
    }
}

/// A time taken apart, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// From 1 to 12.
    pub month: u32,
    /// Of the month, from 1.
    pub day: u32,
    /// Days of that month.
    pub days: u32,
    /// From 0, Monday, to 6.
    pub weekday: u32,
    /// Microseconds since midnight.
    pub time_of_day: i64,
}

impl Parts {
    /// The parts of a time.
    ///
    /// ```
    /// use tidemill::timestamp::{Parts, parse};
    /// let parts = Parts::of(parse(b"2024-02-29T23:59").unwrap_or(0));
    /// assert_eq!((parts.month, parts.day, parts.days, parts.weekday, parts.minute_of_day()), (2, 29, 29, 3, 1439));
    /// ```
    pub fn of(time: i64) -> Self {
        let (days, time_of_day) = (time.div_euclid(DAY), time.rem_euclid(DAY));
        let (year, month, day) = date_of(days);
        Self {
            month: month as u32,
            day: day as u32,
            days: days_of(year, month) as u32,
            weekday: (days + 3).rem_euclid(7) as u32, // 1970 began on a Thursday
            time_of_day,
        }
    }

    /// From 0 to 23.
    pub fn hour(&self) -> u32 {
        (self.time_of_day / (3600 * SECOND)) as u32
    }

    /// From 0 to 1439.
    pub fn minute_of_day(&self) -> u32 {
        (self.time_of_day / (60 * SECOND)) as u32
    }
}

/// A time as text, ISO 8601 in UTC.
///
/// ```
/// use tidemill::timestamp::{parse, written};
/// let times = ["2024-05-01T10:00:00Z", "1969-12-31T23:59:59.250000Z"];
/// assert_eq!(times.map(|text| parse(text.as_bytes()).map(written)), times.map(|text| Some(text.to_owned())));
/// ```
pub fn written(time: i64) -> String {
    let (days, of_day) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    let (seconds, micros) = (of_day / SECOND, of_day % SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from March 1st of year 0 to January 1st of 1970.
const EPOCH: i64 = 719_468;
/// Days of 400 years.
const ERA: i64 = 146_097;

/// Years begin with March here, so that the day that comes and goes is their last: 153 days are any five months from it.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - EPOCH
}

/// Year, month and day.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    // Leap days before this one are taken out: every 1,461st, put back every 36,525th, and the last of an era.
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_way_to_write_a_time_is_read() {
        let noon = Some(1_714_564_800 * SECOND);
        for text in [
            "2024-05-01T12:00:00Z",
            "2024-05-01 12:00",
            "2024-05-01t12:00:00.000000",
            "2024-05-01T14:00:00+02:00",
            "2024-05-01T06:30:00-0530",
            "2024-05-01 10:00:00 -02",
            "1714564800",
            "1714564800000",
            "1714564800000000",
            "1.7145648e9",
            " 1714564800.0 ",
        ] {
            assert_eq!(parse(text.as_bytes()), noon, "{text}");
        }
        assert_eq!(parse(b"1714564800.25"), noon.map(|noon| noon + 250_000));
        assert_eq!(parse(b"2024-05-01T12:00:00,2500009"), noon.map(|noon| noon + 250_000));
        assert_eq!(parse(b"-86400"), parse(b"1969-12-31"));
    }

    #[test]
    fn each_form_reads_what_it_is_named_for() {
        let noon = Some(1_714_564_800 * SECOND);
        for (form, text) in [
            ("iso", "2024-05-01 12:00"),
            ("epoch-s", " 1714564800 "),
            ("epoch-s", "1.7145648e9"),
            ("epoch-ms", "1714564800000"),
            ("epoch-us", "1714564800000000"),
            ("epoch-ns", "1714564800000000999"),
            ("%d/%b/%Y:%H:%M:%S %z", "01/May/2024:14:00:00 +0200"),
            ("%d.%m.%Y %H:%M", "01.05.2024 12:00"),
            ("%m/%d/%y %I:%M %p", "05/01/24 12:00 PM"),
            ("%s", "1714564800"),
        ] {
            assert_eq!(form.parse::<Form>().unwrap().read(text.as_bytes()), noon, "{form} {text}");
        }
        assert_eq!("%Y%m%d".parse::<Form>().unwrap().read(b"20240501"), noon.map(|noon| noon - DAY / 2));
        // What one form would read another refuses or means otherwise.
        assert_eq!("epoch-s".parse::<Form>().unwrap().read(b"1714564800000"), None);
        assert_eq!("epoch-ms".parse::<Form>().unwrap().read(b"2024-05-01"), None);
        assert_eq!("%d.%m.%Y".parse::<Form>().unwrap().read(b"31.02.2024"), None);
        assert_eq!("%Y-%m-%d".parse::<Form>().unwrap().read(b"+262000-01-01"), None); // beyond what distances can be told of
        for wrong in ["", "seconds", "%H:%M", "%Q", "%Y"] {
            assert!(wrong.parse::<Form>().unwrap_err().contains("epoch-ms"), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "-",
            "noon",
            "2024-13-01",
            "2024-00-01",
            "2023-02-29",
            "2024-05-32",
            "2024-05-01T",
            "2024-05-01T24:00",
            "2024-05-01T12",
            "2024-05-01T12:60",
            "2024-05-01T12:00:61",
            "2024-05-01T12:00:00.",
            "2024-05-01T12:00:00+",
            "2024-05-01T12:00:00+2",
            "2024-05-01T12:00:00Zulu",
            "2024-5-1",
            "inf",
            "nan",
            "1e30",
            "1e17",
            "12:00",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_eight_hundred_years_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1600, 1, 1);
        for days in days_since_1970(1600, 1, 1)..days_since_1970(2400, 1, 1) {
            assert_eq!((days_since_1970(year, month, day), date_of(days)), (days, (year, month, day)));
            day += 1;
            if day > days_of(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!(date_of(0), (1970, 1, 1));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9TZ:.+ e-]{0,32}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let times = [parse(text.as_bytes()), parse(&bytes)];
            prop_assert!(times.into_iter().flatten().map(Parts::of).all(|parts| parts.day <= parts.days));
        }

        #[test]
        fn a_time_that_is_written_out_is_read_back(time in -2_000_000_000_000_000i64..4_000_000_000_000_000) {
            let (parts, (year, month, day)) = (Parts::of(time), date_of(time.div_euclid(DAY)));
            let (minutes, micros) = (parts.minute_of_day(), parts.time_of_day % (60 * SECOND));
            let text = format!(
                "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
                parts.hour(), minutes % 60, micros / SECOND, micros % SECOND
            );
            prop_assert_eq!(parse(text.as_bytes()), Some(time), "{}", text);
        }
    }
}
