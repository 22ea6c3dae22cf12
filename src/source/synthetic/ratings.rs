//! Likes of items by users: takes a seed; gives `time,user,item,genre,hour,weekday,liked`, about one record in ten
//! seconds.
//!
//! ```text
//! logit = U[user] + I[item](t) + G[genre] + H[hour] + W[weekday]
//! ```
//!
//! | column | values | drawn | effect |
//! |---|---|---|---|
//! | `user` | `u1..u1000` | Zipf 0.6 | `U` normal, deviation 0.7 |
//! | `item` | `i1..i500` | Zipf 0.8 | `I` normal, deviation 0.7, drifting |
//! | `genre` | 10 of them, one for each item | even over items | `G` normal, deviation 0.3 |
//! | `hour` | 0 to 23, of `time` | most records at 21 h | `H` a cosine of height 0.1, highest at 22 h |
//! | `weekday` | mon to sun, of `time` | even | `W` = 0.1 at the weekend, else -0.04 |
//!
//! Drift: with each new day every item's effect takes one step of a walk that forgets itself over a year. About half of
//! the ratings are likes, as in MovieLens when four stars and more count as one.

use super::Columns;
use super::calendar::{Calendar, day_wave};
use super::effects::Effects;
use super::field;
use super::label::Label;
use super::rng::{Popularity, Rng};

/// What the columns are for.
pub const COLUMNS: Columns = Columns {
    header: "time,user,item,genre,hour,weekday,liked\n",
    time: Some("time"),
    numeric: &[],
    categorical: &["user", "item", "genre", "hour", "weekday"],
    label: "liked",
};

const USERS: u32 = 1_000;
const ITEMS: u32 = 500;
const GENRES: [&[u8]; 10] = [
    b",drama",
    b",comedy",
    b",action",
    b",thriller",
    b",romance",
    b",horror",
    b",animation",
    b",crime",
    b",documentary",
    b",western",
];
const WEEKDAYS: [&[u8]; 7] = [b",mon", b",tue", b",wed", b",thu", b",fri", b",sat", b",sun"];
const WEEKDAY_EFFECT: [f64; 7] = [-0.04, -0.04, -0.04, -0.04, -0.04, 0.1, 0.1];
/// Days after which an item's effect has forgotten all but `1/e` of itself.
const ITEM_MEMORY: f64 = 365.0;

/// The stream of likes.
#[derive(Debug)]
pub(super) struct Ratings {
    rng: Rng,
    calendar: Calendar,
    user: Popularity,
    item: Popularity,
    user_effect: Effects,
    item_effect: Effects,
    genre_effect: Effects,
    hour_effect: [f64; 24],
}

impl Ratings {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 4);
        let user = Popularity::zipf(USERS, 0.6);
        let item = Popularity::zipf(ITEMS, 0.8);
        Self {
            calendar: Calendar::new(10.0, 21),
            user_effect: Effects::new(&mut rng, &user, 0.7),
            item_effect: Effects::new(&mut rng, &item, 0.7),
            genre_effect: Effects::new(&mut rng, &Popularity::of(&[1.0; GENRES.len()]), 0.3),
            hour_effect: std::array::from_fn(|hour| 0.1 * day_wave(hour, 22)),
            rng,
            user,
            item,
        }
    }

    /// Appends one record; gives its best loss.
    #[inline(always)]
    pub(super) fn append(&mut self, text: &mut Vec<u8>) -> f64 {
        let new_hour = self.calendar.advance(&mut self.rng);
        let hour = self.calendar.hour();
        if new_hour && hour == 0 {
            self.item_effect.wander(&mut self.rng, ITEM_MEMORY);
        }
        let rng = &mut self.rng;
        let weekday = self.calendar.weekday();
        let user = self.user.draw(rng);
        let item = self.item.draw(rng);
        let genre = item % GENRES.len();

        let ids = self.user_effect.of(user) + self.item_effect.of(item) + self.genre_effect.of(genre);
        let label = Label::draw(rng, ids + self.hour_effect[hour] + WEEKDAY_EFFECT[weekday]);

        text.extend_from_slice(self.calendar.text());
        field::id(text, b'u', user as u64 + 1);
        field::id(text, b'i', item as u64 + 1);
        text.extend_from_slice(GENRES[genre]);
        text.push(b',');
        field::number(text, hour as u64);
        text.extend_from_slice(WEEKDAYS[weekday]);
        label.end_record(text);
        label.best_loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_loss_follows_from_the_printed_columns() {
        let mut stream = Ratings::new(1);
        for _ in 0..20_000 {
            let mut text = Vec::new();
            let best_loss = stream.append(&mut text);
            let text = String::from_utf8(text).unwrap();
            let fields: Vec<&str> = text.trim_end().split(',').collect();
            let index = |field: &str| field[1..].parse::<usize>().unwrap() - 1;
            let place = |names: &[&[u8]], field: &str| names.iter().position(|n| &n[1..] == field.as_bytes()).unwrap();
            let logit = stream.user_effect.of(index(fields[1]))
                + stream.item_effect.of(index(fields[2]))
                + stream.genre_effect.of(place(&GENRES, fields[3]))
                + stream.hour_effect[fields[4].parse::<usize>().unwrap()]
                + WEEKDAY_EFFECT[place(&WEEKDAYS, fields[5])];
            let signed = if fields[6] == "1" { -logit } else { logit };
            assert!((best_loss - signed.exp().ln_1p()).abs() < 1e-9, "{text}");
        }
    }
}
