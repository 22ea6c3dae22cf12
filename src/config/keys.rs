//! Keys of a job file that are none: takes the tables of the file, gives what was meant.
//!
//! It is asked once serde has refused a key, and never refuses one itself.

use toml::{Table, Value};

use super::{CheckpointOptions, DriftOptions, EventTimeOptions, LearnerOptions, OutputOptions, SourceOptions};

/// The sections of a job file with their keys, as the options' fields are called.
const SECTIONS: [(&str, &[&str]); 6] = [
    ("source", SourceOptions::FIELDS),
    ("event-time", EventTimeOptions::FIELDS),
    ("learner", LearnerOptions::FIELDS),
    ("output", OutputOptions::FIELDS),
    ("drift", DriftOptions::FIELDS),
    ("checkpoint", CheckpointOptions::FIELDS),
];

/// The sections that may come several times, each in double brackets.
const LISTS: [&str; 2] = ["transform", "feature"];

/// What to write instead of the key that serde has refused with `message`; `None` where it is not known.
pub(super) fn advice(job: &Table, message: &str) -> Option<String> {
    let Some((_, refused)) = message.split_once("unknown field `") else { return of_list(message) };
    let refused = refused.split_once('`')?.0;
    let is_section = |name: &str| SECTIONS.iter().any(|(section, _)| *section == name) || LISTS.contains(&name);
    for (name, value) in job {
        match value {
            _ if name == refused && !is_section(name) => return Some(no_section(name, value)),
            Value::Array(_) if LISTS.contains(&name.as_str()) && message.contains("expected one of") => {
                return of_list(message).map(|meant| format!("[[{name}]]: {meant}"));
            }
            Value::Table(keys) if is_section(name) && keys.contains_key(refused) && !has(name, refused) => {
                return Some(no_key(name, refused));
            }
            _ => {}
        }
    }
    None
}

/// A name where serde says which ones are known.
fn of_list(message: &str) -> Option<String> {
    let (refused, known) = message.split_once("unknown ")?.1.split_once(", expected")?;
    let refused = refused.split('`').nth(1)?;
    let known = known.split('`').skip(1).step_by(2).map(str::to_owned);
    let meant = nearest(refused, known.clone());
    Some(match meant {
        Some(meant) => format!("there is no {refused}: did you mean {meant}?"),
        None => format!("there is no {refused}; there are {}", known.collect::<Vec<_>>().join(", ")),
    })
}

/// A name outside all sections that is none of them: a section, or a key without its section.
fn no_section(name: &str, value: &Value) -> String {
    let sections = SECTIONS.map(|(section, _)| section);
    if !value.is_table() && !value.is_array() {
        let key = name.replace('_', "-");
        return match section_of(&key).map(|section| (section, key.clone())).or_else(|| nearest_elsewhere(&key)) {
            Some((section, meant)) => format!("{name} stands outside all sections: write {meant} below [{section}]"),
            None => format!("{name} stands outside all sections, and none has such a key"),
        };
    }
    match nearest(name, sections.into_iter().chain(LISTS).map(str::to_owned)) {
        Some(meant) if LISTS.contains(&meant.as_str()) => format!("[{name}] is no section: did you mean [[{meant}]]?"),
        Some(meant) => format!("[{name}] is no section: did you mean [{meant}]?"),
        None => format!("[{name}] is no section: there are [{}], [[{}]]", sections.join("], ["), LISTS.join("]], [[")),
    }
}

/// A key that its section does not have.
fn no_key(section: &str, key: &str) -> String {
    if let Some(other) = section_of(key) {
        return format!("{key} is a key of [{other}], not of [{section}]: move it there");
    }
    if let Some(meant) = nearest(key, keys(section)) {
        return format!("[{section}] has no key {key}: did you mean {meant}?");
    }
    match nearest_elsewhere(key) {
        Some((other, meant)) => format!("[{section}] has no key {key}: did you mean {meant} in [{other}]?"),
        None => format!("[{section}] has no key {key}; it has {}", keys(section).collect::<Vec<_>>().join(", ")),
    }
}

/// The keys of a section as a job file writes them.
fn keys(section: &str) -> impl Iterator<Item = String> {
    let fields = SECTIONS.iter().filter(move |(name, _)| *name == section).flat_map(|(_, fields)| *fields);
    fields.map(|field| field.replace('_', "-"))
}

fn has(section: &str, key: &str) -> bool {
    keys(section).any(|known| known == key)
}

/// The section that has this key.
fn section_of(key: &str) -> Option<&'static str> {
    SECTIONS.iter().map(|(section, _)| *section).find(|section| has(section, key))
}

fn nearest_elsewhere(key: &str) -> Option<(&'static str, String)> {
    let meant = nearest(key, SECTIONS.iter().flat_map(|(section, _)| keys(section)))?;
    Some((section_of(&meant)?, meant))
}

/// The name that differs least, where it differs by a third of its letters at most.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let name = name.to_lowercase();
    let differs = |known: &String| strsim::damerau_levenshtein(&name, known);
    let nearest = known.min_by_key(differs)?;
    let is_near = differs(&nearest) <= (nearest.len() / 3).max(1) || name.len() > 3 && nearest.starts_with(&name);
    is_near.then_some(nearest)
}

#[cfg(test)]
mod tests {
    use crate::config::Options;

    fn refusal(job: &str) -> String {
        Options::parse(job).unwrap_err()
    }

    #[test]
    fn the_nearest_right_name_is_told() {
        for (job, meant) in [
            ("[lerner]\nbatch = 2", "[lerner] is no section: did you mean [learner]?"),
            ("[learner]\nlearning_rat = 0.1", "[learner] has no key learning-rat: did you mean learning-rate?"),
            ("[learner]\nlearning = 0.1", "did you mean learning-rate?"),
            ("[source]\nlable = 'y'", "did you mean label?"),
            ("[output]\nmax-rejectd = '1%'", "did you mean max-rejected?"),
            ("[learner]\nlabel = 'y'", "label is a key of [source], not of [learner]"),
            ("[source]\nmodel = 'm'", "model is a key of [output], not of [source]"),
            ("[source]\nhash_bit = 3", "[source] has no key hash-bit: did you mean hash-bits in [learner]?"),
            ("label = 'y'", "label stands outside all sections: write label below [source]"),
            ("hash_bits = 3", "write hash-bits below [learner]"),
            (
                "[weather]\nrain = 1",
                "[weather] is no section: there are [source], [event-time], [learner], [output], [drift], [checkpoint], [[transform]], [[feature]]",
            ),
            ("[[trasform]]\nfilter = 'x'", "[trasform] is no section: did you mean [[transform]]?"),
            ("[[transform]]\nfiltr = 'x'", "there is no filtr: did you mean filter?"),
            (
                "[[feature]]\nkind = 'list'\ncolumns = ['a']\nseperator = ';'",
                "there is no seperator: did you mean separator?",
            ),
            ("[[feature]]\nkind = 'token'\ncolumns = ['a']", "there is no token: did you mean tokens?"),
            ("[checkpoint]\nqqq = 1", "[checkpoint] has no key qqq; it has checkpoint, checkpoint-every, resume, keep"),
        ] {
            let said = refusal(job);
            assert!(said.contains(meant), "{job}: {said}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_no_wrong_key() {
        let said = refusal("[learner]\nbatch = 'many'");
        assert!(said.contains("a whole number") && !said.contains("did you mean"), "{said}");
    }
}
