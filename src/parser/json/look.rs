//! A first look at JSON lines: takes text, gives the paths that stand in its first records and what they can be for.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::parser::look::Look;
use crate::parser::number::number;
use crate::record::Reason;
use crate::schema::Role;

/// What has been seen at one path.
#[derive(Debug, Default)]
struct Seen {
    numbers: bool,
    booleans: bool,
    lists: bool,
    objects: bool,
    /// Texts that are not empty.
    texts: bool,
    /// A text that is no number.
    words: bool,
    empty: bool,
}

/// The paths of the first records, in the order of their first appearance.
#[derive(Debug, Default)]
struct Paths {
    names: Vec<String>,
    seen: Vec<Seen>,
    by_name: HashMap<String, usize>,
    /// Texts by path and record, for columns that may be times.
    texts: Vec<Vec<(usize, String)>>,
    records: usize,
}

/// Looks at the first records of `text`; lines that are no objects are passed over.
pub fn look(text: &[u8]) -> Look {
    let mut paths = Paths::default();
    let objects = text.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    for object in objects.take(Look::SAMPLE) {
        paths.object("", &object);
        paths.records += 1;
    }
    paths.end()
}

impl Paths {
    fn object(&mut self, around: &str, object: &Map<String, Value>) {
        for (key, value) in object {
            match around {
                "" => self.value(key, value),
                _ => self.value(&format!("{around}.{key}"), value),
            }
        }
    }

    fn value(&mut self, path: &str, value: &Value) {
        let at = self.place(path);
        let seen = &mut self.seen[at];
        match value {
            Value::Null => {}
            Value::Bool(_) => seen.booleans = true,
            Value::Number(_) => seen.numbers = true,
            Value::String(text) if text.trim_ascii().is_empty() => seen.empty = true,
            Value::String(text) => {
                seen.texts = true;
                seen.words |= matches!(number(text.as_bytes()), Err(Reason::NotANumber));
                self.texts[at].push((self.records, text.clone()));
            }
            Value::Array(_) => seen.lists = true,
            Value::Object(object) => {
                seen.objects = true;
                self.object(path, object);
            }
        }
    }

    fn place(&mut self, path: &str) -> usize {
        if let Some(&at) = self.by_name.get(path) {
            return at;
        }
        self.by_name.insert(path.to_owned(), self.names.len());
        self.names.push(path.to_owned());
        self.seen.push(Seen::default());
        self.texts.push(Vec::new());
        self.names.len() - 1
    }

    /// Paths that only lead on are no columns.
    fn end(self) -> Look {
        let mut look = Look { sample: vec![Vec::new(); self.records], ..Look::default() };
        for ((name, seen), texts) in self.names.into_iter().zip(self.seen).zip(self.texts) {
            if seen.objects && !seen.is_value() {
                continue;
            }
            let role = seen.role();
            if role.is_none() {
                for (record, text) in texts {
                    look.sample[record].resize(look.names.len(), Vec::new());
                    look.sample[record].push(text.into_bytes());
                }
            }
            look.names.push(name);
            look.roles.push(role);
        }
        look
    }
}

impl Seen {
    /// Whether there was anything but objects and nothing.
    fn is_value(&self) -> bool {
        self.numbers || self.booleans || self.lists || self.texts || self.empty
    }

    /// What the column is for; `None` for text that may be a time. Of one that was never there nothing is known, not
    /// even whether it will be a value.
    fn role(&self) -> Option<Role> {
        match self {
            _ if self.lists || self.objects || !self.is_value() => Some(Role::Ignored),
            _ if self.words && !self.numbers && !self.booleans => None,
            _ if self.numbers && !self.booleans && !self.texts => Some(Role::Numeric),
            _ => Some(Role::Categorical),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(text: &str) -> Vec<(String, Option<Role>)> {
        let look = look(text.as_bytes());
        look.names.into_iter().zip(look.roles).collect()
    }

    #[test]
    fn columns_are_paths_and_their_kinds_tell_what_they_are_for() {
        let text = r#"{"when":"2024-05-01","n":1,"user":{"zip":"01234","id":null},"ok":true,"tags":["a"],"gap":""}
not json
[1]
{"late":1.5,"n":null,"when":"2024-05-02T10:00","user":null,"mix":1,"both":2}
{"mix":"a","both":{"in":1},"n":-2e3}
"#;
        let known = Some;
        let expected = [
            ("when", None),
            ("n", known(Role::Numeric)),
            ("user.zip", known(Role::Categorical)),
            ("user.id", known(Role::Ignored)),
            ("ok", known(Role::Categorical)),
            ("tags", known(Role::Ignored)),
            ("gap", known(Role::Categorical)),
            ("late", known(Role::Numeric)),
            ("mix", known(Role::Categorical)),
            ("both", known(Role::Ignored)),
            ("both.in", known(Role::Numeric)),
        ];
        assert_eq!(roles(text), expected.map(|(name, role)| (name.to_owned(), role)));
        assert_eq!(look(text.as_bytes()).sample[1], [b"2024-05-02T10:00".to_vec()]);
    }

    #[test]
    fn no_more_than_the_first_records_are_looked_at() {
        let text = "{\"a\":1}\n".repeat(Look::SAMPLE) + "{\"b\":1}\n";
        assert_eq!(roles(&text), [("a".to_owned(), Some(Role::Numeric))]);
    }

    #[test]
    fn a_text_that_is_no_number_is_all_that_is_left_to_guess_from() {
        let look = look(b"{\"a\":1,\"b\":\"x\",\"c\":\"y\"}\n{\"c\":\"z\"}\n{}");
        assert_eq!(
            look.sample,
            [vec![b"".to_vec(), b"x".to_vec(), b"y".to_vec()], vec![b"".to_vec(), b"".to_vec(), b"z".to_vec()], vec![]]
        );
    }
}
