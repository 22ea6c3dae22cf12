//! Event time of a synthetic stream: takes a mean distance between records; gives a time that moves on, as text and as
//! hour and weekday. Never reads a clock: every stream starts at midnight on Monday, 5 January 2026, UTC.

use super::rng::Rng;

/// Event time that moves on from record to record, faster by night than at the busiest hour.
#[derive(Debug)]
pub(super) struct Calendar {
    /// Milliseconds into the day.
    millisecond: u32,
    /// The second that `text` shows.
    second: u32,
    /// Days since the start, which was a Monday.
    day: u64,
    date: Date,
    /// ISO 8601, UTC, in seconds.
    text: [u8; 20],
    /// Longest distance to the next record in each hour, in milliseconds; distances are uniform below it.
    longest: [f64; 24],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    year: u32,
    month: u32,
    day: u32,
}

const DAY: u32 = 86_400_000;

impl Calendar {
    /// Records come `seconds` apart on average, and four times as often at the busiest hour as twelve hours from it.
    pub(super) fn new(seconds: f64, busiest: u32) -> Self {
        let date = Date { year: 2026, month: 1, day: 5 };
        let longest = std::array::from_fn(|hour| 2_000.0 * seconds / (1.0 + 0.6 * day_wave(hour, busiest)));
        Self { millisecond: 0, second: 0, day: 0, date, text: text_of(date), longest }
    }

    /// Moves on to the next record; true where a new hour begins with it.
    #[inline(always)]
    pub(super) fn advance(&mut self, rng: &mut Rng) -> bool {
        let hour = self.hour();
        self.millisecond += (rng.uniform() * self.longest[hour]) as u32;
        let second = self.millisecond / 1000;
        if second != self.second {
            self.show(second);
        }
        self.hour() != hour
    }

    /// 0 to 23.
    #[inline(always)]
    pub(super) fn hour(&self) -> usize {
        (self.second / 3600) as usize
    }

    /// 0 to 6, Monday being 0.
    #[inline(always)]
    pub(super) fn weekday(&self) -> usize {
        (self.day % 7) as usize
    }

    /// Such as `2026-01-05T00:00:00Z`.
    #[inline(always)]
    pub(super) fn text(&self) -> &[u8; 20] {
        &self.text
    }

    fn show(&mut self, second: u32) {
        self.second = second;
        if self.millisecond >= DAY {
            self.millisecond -= DAY;
            self.second = self.millisecond / 1000;
            self.day += 1;
            self.date = self.date.next();
            self.text = text_of(self.date);
        }
        two_digits(&mut self.text, 11, self.second / 3600);
        two_digits(&mut self.text, 14, self.second / 60 % 60);
        two_digits(&mut self.text, 17, self.second % 60);
    }
}

/// A wave over the hours of a day: 1 at `peak`, -1 twelve hours from it, mean 0.
pub(super) fn day_wave(hour: usize, peak: u32) -> f64 {
    libm::cos((hour as f64 - f64::from(peak)) * (std::f64::consts::TAU / 24.0))
}

impl Date {
    fn next(self) -> Self {
        let Self { year, month, day } = self;
        match (month, day == days_in(year, month)) {
            (_, false) => Self { day: day + 1, ..self },
            (12, true) => Self { year: year + 1, month: 1, day: 1 },
            (_, true) => Self { year, month: month + 1, day: 1 },
        }
    }
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Midnight of `date`. Years have four digits: the stream would begin again in year 0 after 9999.
fn text_of(date: Date) -> [u8; 20] {
    let mut text = *b"0000-00-00T00:00:00Z";
    two_digits(&mut text, 0, date.year / 100 % 100);
    two_digits(&mut text, 2, date.year % 100);
    two_digits(&mut text, 5, date.month);
    two_digits(&mut text, 8, date.day);
    text
}

#[inline(always)]
fn two_digits(text: &mut [u8; 20], at: usize, value: u32) {
    text[at] = b'0' + (value / 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back_and_a_day_has_every_hour_once() {
        let (mut calendar, mut rng) = (Calendar::new(60.0, 15), Rng::new(1, 0));
        let (mut last, mut hours) = (*calendar.text(), 0);
        for _ in 0..100_000 {
            hours += u64::from(calendar.advance(&mut rng));
            assert!(*calendar.text() >= last);
            last = *calendar.text();
        }
        assert_eq!(hours, calendar.day * 24 + calendar.hour() as u64);
        // 100,000 minutes are 69.4 days.
        assert!((65..75).contains(&calendar.day), "{}", calendar.day);
    }

    #[test]
    fn days_follow_the_calendar_over_leap_years() {
        let mut date = Date { year: 2026, month: 1, day: 5 };
        for _ in 0..789 {
            date = date.next();
        }
        assert_eq!(&text_of(date)[..10], b"2028-03-04");
        (0..4 * 365 + 1).for_each(|_| date = date.next());
        assert_eq!(date, Date { year: 2032, month: 3, day: 4 });
        assert_eq!((days_in(2000, 2), days_in(2100, 2)), (29, 28));
    }
}
