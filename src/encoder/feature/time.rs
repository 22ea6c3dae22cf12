//! Times: takes a text, gives the parts of its time as categories, and as coordinates that go round.

use super::{Row, Sink, Space};
use crate::record::Reason;
use crate::schema::feature::Part;
use crate::timestamp::{DAY, Form, Parts};

/// The time in a field; `None` where it is empty.
pub(super) fn read(text: &[u8], form: &Form) -> Result<Option<Parts>, Reason> {
    match (form.read(text), text.trim_ascii().is_empty()) {
        (_, true) => Ok(None),
        (Some(time), _) => Ok(Some(Parts::of(time))),
        (None, _) => Err(Reason::NotATime),
    }
}

/// A part of one of the times as a category.
#[derive(Debug, Clone)]
pub(super) struct Category {
    /// Which of the record's times.
    time: usize,
    part: Part,
    /// By the part's number.
    hashes: Vec<u32>,
}

impl Category {
    pub(super) fn new(time: usize, part: Part, space: &Space) -> Self {
        let most = match part {
            Part::Hour | Part::HourCyclic => 23,
            Part::Weekday | Part::WeekdayCyclic => 6,
            Part::Month | Part::MonthCyclic => 12,
            Part::Day => 31,
            Part::MinuteOfDay => 1439,
        };
        let hashes = (0..=most).map(|number: u32| space.hash(number.to_string().as_bytes())).collect();
        Self { time, part, hashes }
    }

    #[inline(always)]
    pub(super) fn extract(&self, row: &Row<'_>, space: &Space, sink: &mut impl Sink) {
        if let Some(parts) = &row.times[self.time] {
            let number = number_of(self.part, parts);
            sink.put(self.hashes[number as usize], 1.0, || space.name_of_value(number.to_string().as_bytes()));
        }
    }
}

fn number_of(part: Part, parts: &Parts) -> u32 {
    match part {
        Part::Hour | Part::HourCyclic => parts.hour(),
        Part::Weekday | Part::WeekdayCyclic => parts.weekday,
        Part::Month | Part::MonthCyclic => parts.month,
        Part::Day => parts.day,
        Part::MinuteOfDay => parts.minute_of_day(),
    }
}

/// How far round the circle a time is, from 0 to 1.
fn turn(part: Part, parts: &Parts) -> f64 {
    let day = parts.time_of_day as f64 / DAY as f64;
    match part {
        Part::Weekday | Part::WeekdayCyclic => (f64::from(parts.weekday) + day) / 7.0,
        Part::Month | Part::MonthCyclic | Part::Day => {
            let of_month = (f64::from(parts.day - 1) + day) / f64::from(parts.days);
            (f64::from(parts.month - 1) + of_month) / 12.0
        }
        Part::Hour | Part::HourCyclic | Part::MinuteOfDay => day,
    }
}

/// The coordinate of a time on the circle of a part.
pub(super) fn coordinate(part: Part, parts: &Parts, is_cosine: bool) -> f32 {
    let angle = std::f64::consts::TAU * turn(part, parts);
    (if is_cosine { libm::cos(angle) } else { libm::sin(angle) }) as f32
}
