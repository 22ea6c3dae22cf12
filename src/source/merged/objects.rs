//! Records as JSON objects: takes their lines, gives when they were, and outcomes as they are. It never changes a value.

use std::borrow::Cow;

use serde_json::Value;

use super::Merging;
use crate::timestamp::Form;

/// What is looked for in an object.
pub(super) struct Objects {
    time: String,
    label: String,
    form: Form,
}

impl Objects {
    pub(super) fn new(merging: &Merging) -> Self {
        Self { time: merging.time.clone(), label: merging.label.clone(), form: merging.form.clone() }
    }

    /// When a record was, of whichever input.
    pub(super) fn time(&self, line: &[u8]) -> Option<i64> {
        let record = serde_json::from_slice(line).ok()?;
        self.form.read(text(at(&record, &self.time)?)?.as_bytes())
    }

    /// An outcome as it is. What has no label would be taken for features: in brackets it is no record.
    pub(super) fn put_outcome(&self, line: &[u8], out: &mut Vec<u8>) {
        let record: Option<Value> = serde_json::from_slice(line).ok();
        let label = record.as_ref().and_then(|record| at(record, &self.label)).and_then(text);
        if label.is_some_and(|label| !label.trim().is_empty()) {
            return out.extend_from_slice(line);
        }
        out.push(b'[');
        out.extend_from_slice(line);
        out.push(b']');
    }
}

/// The value at a path of keys with dots between them; a key may hold dots itself.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let within = |(dot, _)| at(value.get(&path[..dot])?, &path[dot + 1..]);
    value.get(path).or_else(|| path.match_indices('.').find_map(within))
}

/// A value as a column would hold it; `None` where it holds none.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(is) => Some(if *is { "true" } else { "false" }.into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_at_its_path() {
        let record = serde_json::json!({"a": {"b.c": 1, "d": null}, "a.e": "x", "f": [1]});
        let found = |path| at(&record, path).and_then(text);
        assert_eq!(found("a.b.c").as_deref(), Some("1"));
        assert_eq!(found("a.e").as_deref(), Some("x"));
        assert_eq!((found("a.d"), found("a"), found("f"), found("g.h")), (None, None, None, None));
    }
}
