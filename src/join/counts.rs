//! What a join has counted: every impression and every outcome ends in exactly one of these.

/// Impressions and outcomes by what became of them.
///
/// `opened = matched + timed_out + evicted + open`, and outcomes taken in are `matched + corrected + confirmed + late +
/// duplicate_outcomes + orphans + evicted_outcomes + waiting`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinCounts {
    /// Impressions whose key was not known before.
    pub opened: u64,
    /// Impressions of a key that was known, which were not opened.
    pub duplicates: u64,
    /// Impressions whose outcome came in time, and their outcomes.
    pub matched: u64,
    /// Impressions whose outcome did not come in time.
    pub timed_out: u64,
    /// Impressions that were given up before their time for want of room.
    pub evicted: u64,
    /// Impressions that are open, or were at the end of the stream.
    pub open: u64,
    /// Positives that came after the timeout, and were learned then.
    pub corrected: u64,
    /// Negatives that came after the timeout.
    pub confirmed: u64,
    /// Outcomes that came after the timeout, and too late to correct anything.
    pub late: u64,
    /// Outcomes of a key that had one.
    pub duplicate_outcomes: u64,
    /// Outcomes whose impression never came.
    pub orphans: u64,
    /// Outcomes that were given up before their impression came, for want of room.
    pub evicted_outcomes: u64,
    /// Outcomes that wait for their impression.
    pub waiting: u64,
    /// Keys that were forgotten before their time for want of room, so that outcomes of theirs may have been missed.
    pub forgotten: u64,
}

impl JoinCounts {
    /// How many there are.
    pub(super) const LEN: usize = 14;

    /// All of them, in the order above.
    pub(super) fn to_array(self) -> [u64; Self::LEN] {
        let mut array = [0; Self::LEN];
        let mut counts = self;
        array.iter_mut().zip(counts.each()).for_each(|(to, count)| *to = *count);
        array
    }

    /// The counts of an array.
    pub(super) fn from_array(array: [u64; Self::LEN]) -> Self {
        let mut counts = Self::default();
        counts.each().into_iter().zip(array).for_each(|(to, count)| *to = count);
        counts
    }

    fn each(&mut self) -> [&mut u64; Self::LEN] {
        let Self {
            opened,
            duplicates,
            matched,
            timed_out,
            evicted,
            open,
            corrected,
            confirmed,
            late,
            duplicate_outcomes,
            orphans,
            evicted_outcomes,
            waiting,
            forgotten,
        } = self;
        [
            opened,
            duplicates,
            matched,
            timed_out,
            evicted,
            open,
            corrected,
            confirmed,
            late,
            duplicate_outcomes,
            orphans,
            evicted_outcomes,
            waiting,
            forgotten,
        ]
    }
}
