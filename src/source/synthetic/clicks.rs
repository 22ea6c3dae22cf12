//! Ad impressions: takes a seed; gives `time,hour,user,ad,site,device,position,price,click`, about one record a second.
//!
//! ```text
//! logit = -2.05 + U[user] + A[ad](t) + S[site] + D[device] + P[position] + H[hour] + 0.3 (price - 2.60)
//! ```
//!
//! | column | values | drawn | effect |
//! |---|---|---|---|
//! | `user` | `u1..u2000` | Zipf 0.9 | `U` normal, deviation 0.25 |
//! | `ad` | 200 live ones, `a1`, `a2`, .. | Zipf 0.9 over the live ones | `A` normal, deviation 0.5, drifting |
//! | `site` | `s1..s100` | Zipf 1.0 | `S` normal, deviation 0.4 |
//! | `device` | mobile, desktop, tablet, tv | 60, 28, 9, 3 % | `D` = 0.15, -0.2, 0, -0.6 |
//! | `position` | `p1..p5` | 32, 25, 18, 14, 11 % | `P` = 0.7, 0.2, -0.2, -0.6, -0.9 |
//! | `hour` | 0 to 23, of `time` | most records at 15 h | `H` a cosine of height 0.25, highest at 20 h |
//! | `price` | 0.10 to 5.10 | sum of two uniform numbers | linear, 0.3 a unit |
//!
//! Drift: with each new hour every ad's effect takes one step of a walk that forgets itself over 60 days, and with
//! probability 1/4 one live ad, any of them, is replaced by a new one with a fresh effect. About 15 % are clicked.

use super::Columns;
use super::calendar::{Calendar, day_wave};
use super::effects::Effects;
use super::field;
use super::label::Label;
use super::rng::{Popularity, Rng};

/// What the columns are for.
pub const COLUMNS: Columns = Columns {
    header: "time,hour,user,ad,site,device,position,price,click\n",
    time: Some("time"),
    numeric: &["price"],
    categorical: &["hour", "user", "ad", "site", "device", "position"],
    label: "click",
};

const BASE: f64 = -2.05;
const USERS: u32 = 2_000;
const ADS: u32 = 200;
const SITES: u32 = 100;
const DEVICES: [(&[u8], f64, f64); 4] =
    [(b",mobile", 0.60, 0.15), (b",desktop", 0.28, -0.2), (b",tablet", 0.09, 0.0), (b",tv", 0.03, -0.6)];
const POSITIONS: [(f64, f64); 5] = [(0.32, 0.7), (0.25, 0.2), (0.18, -0.2), (0.14, -0.6), (0.11, -0.9)];
/// Hours after which an ad's effect has forgotten all but `1/e` of itself.
const AD_MEMORY: f64 = 60.0 * 24.0;
const REPLACED_PER_HOUR: f64 = 0.25;

/// The stream of ad impressions.
#[derive(Debug)]
pub(super) struct Clicks {
    rng: Rng,
    calendar: Calendar,
    user: Popularity,
    ad: Popularity,
    site: Popularity,
    device: Popularity,
    position: Popularity,
    user_effect: Effects,
    ad_effect: Effects,
    site_effect: Effects,
    hour_effect: [f64; 24],
    /// Numbers of the live ads.
    live: Vec<u64>,
    /// Ads ever shown: the number of the newest one.
    ads: u64,
}

impl Clicks {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 1);
        let user = Popularity::zipf(USERS, 0.9);
        let ad = Popularity::zipf(ADS, 0.9);
        let site = Popularity::zipf(SITES, 1.0);
        Self {
            calendar: Calendar::new(1.0, 15),
            device: Popularity::of(&DEVICES.map(|(_, share, _)| share)),
            position: Popularity::of(&POSITIONS.map(|(share, _)| share)),
            user_effect: Effects::new(&mut rng, &user, 0.25),
            ad_effect: Effects::new(&mut rng, &ad, 0.5),
            site_effect: Effects::new(&mut rng, &site, 0.4),
            hour_effect: std::array::from_fn(|hour| 0.25 * day_wave(hour, 20)),
            live: (1..=u64::from(ADS)).collect(),
            ads: u64::from(ADS),
            rng,
            user,
            ad,
            site,
        }
    }

    /// Appends one record; gives its best loss.
    #[inline(always)]
    pub(super) fn append(&mut self, text: &mut Vec<u8>) -> f64 {
        if self.calendar.advance(&mut self.rng) {
            self.drift();
        }
        let rng = &mut self.rng;
        let hour = self.calendar.hour();
        let user = self.user.draw(rng);
        let ad = self.ad.draw(rng);
        let site = self.site.draw(rng);
        let (device, _, device_effect) = DEVICES[self.device.draw(rng)];
        let position = self.position.draw(rng);
        let cents = 10 + i64::from(rng.below(251)) + i64::from(rng.below(251));

        let ids = self.user_effect.of(user) + self.ad_effect.of(ad) + self.site_effect.of(site);
        let place = device_effect + POSITIONS[position].1 + self.hour_effect[hour];
        let label = Label::draw(rng, BASE + ids + place + 0.003 * (cents - 260) as f64);

        text.extend_from_slice(self.calendar.text());
        text.push(b',');
        field::number(text, hour as u64);
        field::id(text, b'u', user as u64 + 1);
        field::id(text, b'a', self.live[ad]);
        field::id(text, b's', site as u64 + 1);
        text.extend_from_slice(device);
        field::id(text, b'p', position as u64 + 1);
        text.push(b',');
        field::decimal(text, cents, 2);
        label.end_record(text);
        label.best_loss
    }

    /// What a new hour brings.
    #[cold]
    fn drift(&mut self) {
        self.ad_effect.wander(&mut self.rng, AD_MEMORY);
        if self.rng.uniform() < REPLACED_PER_HOUR {
            let ad = self.rng.below(ADS) as usize;
            self.ads += 1;
            self.live[ad] = self.ads;
            self.ad_effect.renew(&mut self.rng, ad);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_loss_follows_from_the_printed_columns() {
        let mut stream = Clicks::new(1);
        for _ in 0..20_000 {
            let mut text = Vec::new();
            let best_loss = stream.append(&mut text);
            let text = String::from_utf8(text).unwrap();
            let fields: Vec<&str> = text.trim_end().split(',').collect();
            let number = |field: &str| field[1..].parse::<u64>().unwrap();
            let slot = stream.live.iter().position(|&ad| ad == number(fields[3])).unwrap();
            let device = DEVICES.iter().find(|device| device.0 == format!(",{}", fields[5]).as_bytes()).unwrap();
            let logit = -2.05
                + stream.user_effect.of(number(fields[2]) as usize - 1)
                + stream.ad_effect.of(slot)
                + stream.site_effect.of(number(fields[4]) as usize - 1)
                + stream.hour_effect[fields[1].parse::<usize>().unwrap()]
                + device.2
                + POSITIONS[number(fields[6]) as usize - 1].1
                + 0.3 * (fields[7].parse::<f64>().unwrap() - 2.6);
            let signed = if fields[8] == "1" { -logit } else { logit };
            assert!((best_loss - signed.exp().ln_1p()).abs() < 1e-9, "{text}");
            assert_eq!(text[11..13].parse::<u32>(), fields[1].parse::<u32>());
        }
    }
}
