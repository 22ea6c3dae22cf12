//! How many different values a key had: takes hashes with the times at which they came, gives how many came since a time.
//!
//! The values whose hash ends in `level` zeros are kept with the time at which they last came, 64 of them at most. Where
//! another one comes and none has left the longest window, `level` goes up by one, and about every second value goes. One
//! that is kept stands for `2^level`; where none is left, `level` is 0 again. So up to 64 values in the longest window
//! are counted exactly, unless there were more of them shortly before; of more the standard error is about 15 %.

/// Most values that are kept.
pub(super) const MOST: usize = 64;

/// The values of one key.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Distinct {
    pub level: u8,
    /// Hashes with the times at which they last came, in the order in which they came to be kept.
    pub values: Vec<(u64, i64)>,
}

impl Distinct {
    /// How many came in a window that holds what `lies_in` says.
    pub(super) fn count(&self, lies_in: impl Fn(i64) -> bool) -> f64 {
        let kept = self.values.iter().filter(|(_, time)| lies_in(*time)).count();
        libm::ldexp(kept as f64, i32::from(self.level))
    }

    /// Takes a value in; `lies_in` says what lies in the longest window.
    pub(super) fn take(&mut self, hash: u64, time: i64, lies_in: impl Fn(i64) -> bool) {
        if self.level > 0 && !self.values.iter().any(|(_, last)| lies_in(*last)) {
            self.clear();
        }
        if !self.keeps(hash) {
            return;
        }
        if let Some((_, last)) = self.values.iter_mut().find(|(known, _)| *known == hash) {
            *last = time.max(*last);
            return;
        }
        if self.values.len() >= MOST {
            self.values.retain(|(_, last)| lies_in(*last));
        }
        self.values.push((hash, time));
        while self.values.len() > MOST && self.level < 63 {
            self.level += 1;
            let level = u32::from(self.level);
            self.values.retain(|(hash, _)| hash.trailing_zeros() >= level);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.level = 0;
    }

    fn keeps(&self, hash: u64) -> bool {
        hash.trailing_zeros() >= u32::from(self.level)
    }
}
