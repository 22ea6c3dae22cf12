//! Summaries as they were written: takes a file, gives its keys and values, whichever version of the program wrote them.
//!
//! It says what is no summary, and judges nothing else: keys may be missing, and others may have come.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The keys and values of a summary that `train`, `predict` or `sweep` has written, in their order.
///
/// # Errors
/// A file that cannot be read, or is no summary.
pub fn read(path: &Path) -> Result<Map<String, Value>> {
    let name = path.display();
    let unreadable = |cause| Error::input(format!("cannot read the summary {name}: check the name")).because(cause);
    let advice = "name a file that --summary of `tidemill train`, `predict` or `sweep` has written";
    let other = || Error::input(format!("{name} is no summary: {advice}"));
    let file = File::open(path).map_err(unreadable)?;
    let value: Value = serde_json::from_reader(BufReader::new(file)).map_err(|cause| match cause.is_io() {
        true => unreadable(cause.into()),
        false => other().because(cause),
    })?;
    match value {
        Value::Object(keys) if is_summary(&keys) => Ok(keys),
        _ => Err(other()),
    }
}

/// Whether a summary is that of a sweep, which has one loss for each learner.
pub fn is_sweep(summary: &Map<String, Value>) -> bool {
    summary.get("learners").is_some_and(Value::is_array)
}

fn is_summary(keys: &Map<String, Value>) -> bool {
    let has_counts = ["records", "labelled"].iter().all(|key| keys.get(*key).is_some_and(Value::is_u64));
    has_counts && (keys.contains_key("log_loss") || is_sweep(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_summary_is_refused_with_what_to_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        assert!(read(&path).unwrap_err().to_string().contains("check the name"));
        for text in
            ["", "{", "[]", "{\"records\": 1}", "{\"records\": -1, \"labelled\": 0, \"log_loss\": 1}", "a,b\n1,2\n"]
        {
            std::fs::write(&path, text).unwrap();
            let said = read(&path).unwrap_err().to_string();
            assert!(said.contains("is no summary") && said.contains("--summary"), "{text}: {said}");
        }
        std::fs::write(&path, "{\"records\": 1, \"labelled\": 1, \"log_loss\": null, \"new\": 2}").unwrap();
        let keys = read(&path).unwrap();
        assert!(keys.keys().eq(["records", "labelled", "log_loss", "new"]) && !is_sweep(&keys));
    }
}
