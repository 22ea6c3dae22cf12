//! What the engine has counted: records by what became of them, and the state of these counts in a checkpoint.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::record::{LossSum, Reason};
use crate::snapshot::{Restoring, Saving, Snapshot};

/// What has been counted so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Records read, rejected ones among them.
    pub records: u64,
    /// Rejected records.
    pub rejected: u64,
    /// Records that a transform has filtered out.
    pub filtered: u64,
    /// Records that came again, and were not learned for that.
    pub duplicates: u64,
    /// Negatives that were not among those to be learned.
    pub sampled_out: u64,
    /// Keys of records that were forgotten for want of room, so that duplicates may have been missed.
    pub forgotten: u64,
    /// Rejected records by reason.
    pub by_reason: BTreeMap<Reason, u64>,
    /// Bytes of text read, after decompression.
    pub bytes: u64,
    /// The best possible loss on the records so far; known to generated streams alone.
    pub best_loss: Option<LossSum>,
}

impl Snapshot for Counts {
    const PART: &'static str = "counts";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { records, rejected, filtered, duplicates, sampled_out, forgotten, by_reason, bytes, best_loss } =
            self;
        to.put("records", &[*records, *rejected, *bytes]);
        let left_out = [*filtered, *duplicates, *sampled_out, *forgotten];
        if left_out != [0; 4] {
            to.put("left_out", &left_out);
        }
        to.put("by_reason", &Reason::ALL.map(|reason| by_reason.get(&reason).copied().unwrap_or(0)));
        to.put("best_loss", best_loss.as_ref().map_or(&[][..], |best| std::slice::from_ref(&best.loss)));
        to.put("best_loss_records", best_loss.as_ref().map_or(&[][..], |best| std::slice::from_ref(&best.records)));
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { records, rejected, filtered, duplicates, sampled_out, forgotten, by_reason, bytes, best_loss } =
            self;
        [*records, *rejected, *bytes] = from.counts("records")?;
        // It is missing where nothing was left out, and in files of before there was anything to leave out.
        [*filtered, *duplicates, *sampled_out, *forgotten] =
            if from.has("left_out") { from.counts("left_out")? } else { [0; 4] };
        let counts: Vec<u64> = from.get("by_reason")?; // reasons that came later are missing, and have not occurred
        let sum = counts.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count));
        let is_whole = counts.len() <= Reason::ALL.len() && sum == Some(*rejected);
        from.check("by_reason", is_whole && *rejected <= *records)?;
        *by_reason = Reason::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect();
        let (loss, of) = (from.get::<f64>("best_loss")?, from.get::<u64>("best_loss_records")?);
        *best_loss = loss.first().zip(of.first()).map(|(&loss, &records)| LossSum { loss, records });
        let is_one = loss.len() == of.len() && loss.len() <= 1;
        from.check("best_loss_records", is_one && of.iter().all(|&records| records <= u64::MAX / 2))
    }
}
