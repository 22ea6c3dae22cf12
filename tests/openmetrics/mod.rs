//! A strict reader of the OpenMetrics text format, by the grammar of its specification (1.0): it refuses whatever a server
//! could get wrong, where those of monitors are lenient.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Info,
}

/// A text that was in order: families by name, values by series.
#[derive(Debug)]
pub struct Told {
    pub families: BTreeMap<String, Kind>,
    pub series: BTreeMap<String, f64>,
}

/// The family whose lines come.
#[derive(Default)]
struct Family {
    name: String,
    help: Option<String>,
    unit: Option<String>,
    kind: Option<Kind>,
    has_samples: bool,
}

/// Units in which things are counted, none of them a part of another.
const UNITS: [&str; 3] = ["seconds", "bytes", "nats"];
/// What a name must not end in, since these are parts or multiples of base units.
const NO_UNITS: [&str; 9] = ["ms", "milliseconds", "us", "ns", "minutes", "hours", "kilobytes", "megabytes", "percent"];

impl Told {
    pub fn get(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let lines = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no # EOF at the end"));
        assert!(lines.ends_with('\n') && !text.contains('\r'));
        let mut told = Self { families: BTreeMap::new(), series: BTreeMap::new() };
        let mut family = Family::default();
        for line in lines.lines() {
            match line.strip_prefix("# ") {
                Some(about) => told.about(about, &mut family),
                None => told.sample(line, &mut family),
            }
        }
        assert!(family.has_samples, "{} has no sample", family.name);
        told
    }

    fn about(&mut self, about: &str, family: &mut Family) {
        let mut words = about.splitn(3, ' ');
        let (what, name, text) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or_default());
        assert!(is_name(name, true) && name.starts_with("tidemill_"), "{about}");
        if family.name != name {
            assert!(family.has_samples || family.name.is_empty(), "{} has no sample", family.name);
            assert!(!self.families.contains_key(name), "{name} is in two places");
            *family = Family { name: name.to_owned(), ..Family::default() };
        }
        assert!(!family.has_samples, "{about} stands behind samples");
        match what {
            "HELP" => assert!(!text.is_empty() && family.help.replace(unescaped(text)).is_none(), "{about}"),
            "UNIT" => {
                assert!(UNITS.contains(&text) && name.ends_with(&format!("_{text}")), "{about}");
                assert!(family.unit.replace(text.to_owned()).is_none(), "{about}");
            }
            "TYPE" => {
                let kind = match text {
                    "counter" => Kind::Counter,
                    "gauge" => Kind::Gauge,
                    "info" => Kind::Info,
                    other => panic!("{other} is no type that is used here"),
                };
                assert!(family.kind.replace(kind).is_none(), "{about}");
                for ending in ["_total", "_info", "_created", "_bucket", "_count", "_sum"] {
                    assert!(!name.ends_with(ending), "{name} ends in what samples of a type end in");
                }
                assert!(!NO_UNITS.iter().any(|unit| name.ends_with(&format!("_{unit}"))), "{name}: no base unit");
                self.families.insert(name.to_owned(), kind);
            }
            _ => panic!("{about}"),
        }
    }

    fn sample(&mut self, line: &str, family: &mut Family) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, Some(labels.strip_suffix('}').unwrap())),
            None => (series, None),
        };
        let kind = family.kind.unwrap_or_else(|| panic!("{line} has no TYPE"));
        assert!(family.help.is_some(), "{line} has no HELP");
        let ending = match kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge => "",
        };
        assert_eq!(name, family.name.clone() + ending, "{line}");
        labels.into_iter().for_each(check_labels);
        let number: f64 = value.parse().unwrap();
        assert!(number.is_finite() && (kind == Kind::Gauge || number >= 0.0), "{line}");
        assert!(kind != Kind::Info || number == 1.0, "{line}");
        assert!(self.series.insert(series.to_owned(), number).is_none(), "{line} comes twice");
        family.has_samples = true;
    }
}

/// Names, each once, with values in quotes.
fn check_labels(labels: &str) {
    let (mut rest, mut names) = (labels, Vec::new());
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").unwrap();
        assert!(is_name(name, false) && !names.contains(&name), "{labels}");
        names.push(name);
        let mut is_escaped = false;
        let end = behind.find(|c| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        let (value, behind) = behind.split_at(end.unwrap());
        unescaped(value);
        rest = behind[1..].strip_prefix(',').unwrap_or_else(|| {
            assert_eq!(&behind[1..], "", "{labels}");
            ""
        });
    }
    assert!(!names.is_empty(), "{labels}: no labels between the braces");
}

/// A text whose escapes are those that there are.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.push(match (letter, letter == '\\') {
            (_, true) => match letters.next().unwrap() {
                'n' => '\n',
                quoted @ ('"' | '\\') => quoted,
                other => panic!("\\{other} in {text}"),
            },
            (letter, false) => letter,
        });
    }
    plain
}

fn is_name(name: &str, has_colons: bool) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || has_colons && c == ':';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}
