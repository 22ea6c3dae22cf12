//! What a run leaves behind, and whether two runs left the same.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;

use crate::program::Folder;

/// Keys of a summary that say how long it took, on how many threads and where the records came from: the only ones in which
/// two equal runs differ.
const TIMES: [&str; 8] =
    ["elapsed_s", "records_per_s", "bytes_per_s", "bottleneck", "stages", "threads", "cores", "inputs"];

/// Options that write every output under names that begin with `name`.
pub fn outputs(name: &str) -> String {
    format!("--predictions {name}.csv --model {name}.model --summary {name}.json --rejected {name}.jsonl")
}

/// Every output of a run, by its ending, as bytes that equal runs share.
pub fn left_by(folder: &Folder, name: &str) -> BTreeMap<&'static str, Vec<u8>> {
    let mut left: BTreeMap<_, _> =
        ["csv", "model", "jsonl"].map(|ending| (ending, folder.bytes(&format!("{name}.{ending}")))).into();
    let mut summary = folder.json(&format!("{name}.json"));
    TIMES.iter().for_each(|key| drop(summary.as_object_mut().unwrap().remove(*key)));
    left.insert("json", serde_json::to_vec_pretty(&summary).unwrap());
    left
}

/// Two runs left the same.
#[track_caller]
pub fn assert_same(folder: &Folder, one: &str, other: &str) {
    assert_same_as(&left_by(folder, one), folder, other);
}

/// A run left the same as another one had.
#[track_caller]
pub fn assert_same_as(expected: &BTreeMap<&'static str, Vec<u8>>, folder: &Folder, name: &str) {
    for (ending, bytes) in left_by(folder, name) {
        let expected = &expected[ending];
        if *expected != bytes {
            let at = expected.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
            let text = |bytes: &[u8]| {
                String::from_utf8_lossy(&bytes[at.saturating_sub(100)..(at + 100).min(bytes.len())]).into_owned()
            };
            panic!(
                "{name}.{ending} differs at byte {at} of {} and {}:\n{}\n---\n{}",
                expected.len(),
                bytes.len(),
                text(expected),
                text(&bytes)
            );
        }
    }
}
