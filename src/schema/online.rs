//! The transforms that are the engine's: takes the sections of a schema, gives what each says, and sees to it that they
//! fit the columns behind all other transforms. Remembers nothing.

use std::collections::BTreeMap;

use super::step::{Deduplicate, Impute, Sample, Scale, Step, Within};
use super::{Feature, Role, Schema};
use crate::error::{Error, Result};

/// Least share of negatives that is kept: below, a kept one would weigh more than most of the stream.
const LEAST_SHARE: f64 = 1e-4;
/// Most keys that are remembered.
const MOST_KEYS: u64 = 100_000_000;

impl Schema {
    /// Whether columns are made of others before anything else.
    pub fn is_transformed(&self) -> bool {
        self.transforms.iter().any(|step| !step.is_online())
    }

    /// How negatives are sampled, if they are.
    pub fn sample(&self) -> Option<&Sample> {
        self.transforms.iter().find_map(|step| if let Step::Sample(sample) = step { Some(sample) } else { None })
    }

    /// Which records come again, if that matters.
    pub fn deduplicate(&self) -> Option<&Deduplicate> {
        self.transforms.iter().find_map(|step| match step {
            Step::Deduplicate(section) => Some(section),
            _ => None,
        })
    }

    /// The numbers of the learner that are not standardised, by name, and whether a missing one becomes the mean.
    ///
    /// ```
    /// use tidemill::schema::{Column, Role, Schema, step::Scale};
    /// let columns = vec![Column { name: "age".into(), role: Role::Numeric, log: false }];
    /// let steps = ["scale = { age = 'min-max' }", "impute = { age = 'mean' }"];
    /// let transforms = steps.map(|step| toml::from_str(step).unwrap()).into();
    /// let schema = Schema { columns, transforms, ..Schema::default() };
    /// assert_eq!(schema.scales(), [("age", (Scale::MinMax, true))].into());
    /// ```
    pub fn scales(&self) -> BTreeMap<&str, (Scale, bool)> {
        let sections = self.transforms.iter().filter_map(|step| match step {
            Step::Scale(scales) => Some(scales),
            _ => None,
        });
        let scaled = sections.flatten().filter(|(_, scale)| **scale != Scale::Standard);
        let means: Vec<_> = self.imputed(Impute::Mean);
        scaled.map(|(name, &scale)| (name.as_str(), (scale, means.contains(&name.as_str())))).collect()
    }

    /// The columns whose missing values become this, ordered by name.
    pub fn imputed(&self, by: Impute) -> Vec<&str> {
        let sections = self.transforms.iter().filter_map(|step| match step {
            Step::Impute(columns) => Some(columns),
            _ => None,
        });
        let mut names: Vec<_> =
            sections.flatten().filter(|(_, how)| **how == by).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The columns of running quantiles, with how many buckets each has.
    pub fn quantiles(&self) -> Vec<(&str, usize)> {
        let columns = self.features.iter().filter_map(|feature| match feature {
            Feature::Quantiles { columns, bins, .. } => Some(columns.iter().map(|name| (name.as_str(), *bins))),
            _ => None,
        });
        columns.flatten().collect()
    }

    /// Sees to it that the engine's transforms fit the columns.
    ///
    /// # Errors
    /// The first section that cannot be carried out, and what to write instead.
    pub fn check_online(&self) -> Result<()> {
        for (at, step) in self.transforms.iter().enumerate() {
            let checked = match step {
                Step::Sample(sample) => self.check_sample(at, sample),
                Step::Deduplicate(section) => self.check_deduplicate(at, section),
                Step::Scale(scales) => scales.keys().try_for_each(|name| self.check_scale(at, name)),
                Step::Impute(columns) => columns.iter().try_for_each(|(name, by)| self.check_impute(at, name, *by)),
                _ => Ok(()),
            };
            checked.map_err(|fault| Error::usage(format!("[[transform]] number {}: {fault}", at + 1)))?;
        }
        Ok(())
    }

    fn check_sample(&self, at: usize, sample: &Sample) -> Checked {
        let is_second = self.transforms[..at].iter().any(|step| matches!(step, Step::Sample(_)));
        must(!is_second, || "negatives are sampled by an earlier section already: keep one of the two".into())?;
        must((LEAST_SHARE..=1.0).contains(&sample.negatives), || {
            format!("negatives = {} is no share from {LEAST_SHARE} to 1: write negatives = 0.1", sample.negatives)
        })
    }

    fn check_deduplicate(&self, at: usize, section: &Deduplicate) -> Checked {
        let Deduplicate { key, within, most } = section;
        let is_second = self.transforms[..at].iter().any(|step| matches!(step, Step::Deduplicate(_)));
        must(!is_second, || "an earlier section has a key already: keep one of the two".into())?;
        must(!key.is_empty(), || "the key has no columns: write key = [\"user\", \"item\"]".into())?;
        key.iter().try_for_each(|name| self.check_key(name))?;
        must((1..=MOST_KEYS).contains(most), || {
            format!("most = {most} is outside 1 to {MOST_KEYS}: a million keys take about 50 MB")
        })?;
        match within {
            Within::Records(records) => must(*records > 0, || "within = 0 finds nothing: write within = 100000".into()),
            Within::Time(text) => {
                must(within.microseconds().is_some(), || {
                    format!("within = \"{text}\" is no time: write one such as \"90s\", \"15m\", \"1h\" or \"7d\"")
                })?;
                must(self.time.is_some(), || {
                    format!(
                        "within = \"{text}\" needs the event time: name its column with --time, or write a number of records"
                    )
                })
            }
        }
    }

    fn check_key(&self, name: &str) -> Checked {
        let all = || self.columns.iter().map(|column| column.name.as_str());
        let Some(column) = self.columns.iter().find(|column| column.name == name) else {
            return Err(no_column(name, all()));
        };
        let what = match column.role {
            Role::Numeric | Role::Categorical | Role::Id => return Ok(()),
            Role::Label => "is the label, which nothing but down-sampling may look at",
            Role::Weight => "is the example weight: take another column",
            Role::Time | Role::Ignored => "is not read: name it in --categorical, --numeric or --id",
        };
        Err(format!("the key's column \"{name}\" {what}"))
    }

    fn check_scale(&self, at: usize, name: &String) -> Checked {
        let earlier = &self.transforms[..at];
        let is_second = earlier.iter().any(|step| matches!(step, Step::Scale(scales) if scales.contains_key(name)));
        must(!is_second, || format!("\"{name}\" is scaled by an earlier section already: keep one of the two"))?;
        self.check_number(name)
    }

    fn check_impute(&self, at: usize, name: &String, by: Impute) -> Checked {
        let earlier = &self.transforms[..at];
        let is_second = earlier.iter().any(|step| matches!(step, Step::Impute(columns) if columns.contains_key(name)));
        must(!is_second, || format!("\"{name}\" is imputed by an earlier section already: keep one of the two"))?;
        if by == Impute::Mean {
            return self.check_number(name);
        }
        let categories =
            || self.of(Role::Categorical).filter(|column| !self.is_replaced(column)).map(|column| column.name.as_str());
        if self.dense_names().contains(name) {
            return Err(format!("\"{name}\" is a number: write {name} = \"mean\""));
        }
        let is_there = categories().any(|known| known == name);
        must(is_there || self.place(Role::Categorical, name).is_none(), || replaced(name))?;
        must(is_there, || no_column_of("category", name, categories()))
    }

    fn check_number(&self, name: &String) -> Checked {
        let numbers = self.dense_names();
        if self.place(Role::Categorical, name).is_some() {
            return Err(format!("\"{name}\" is text, where a number is needed: name it in --numeric"));
        }
        must(numbers.contains(name) || self.place(Role::Numeric, name).is_none(), || replaced(name))?;
        must(numbers.contains(name), || no_column_of("number", name, numbers.iter().map(String::as_str)))
    }
}

/// Nothing, or what is wrong.
type Checked = std::result::Result<(), String>;

fn must(is_met: bool, fault: impl FnOnce() -> String) -> Checked {
    if is_met { Ok(()) } else { Err(fault()) }
}

fn replaced(name: &str) -> String {
    format!(
        "features have taken the place of \"{name}\": write keep = true in its [[feature]] section, or take it out here"
    )
}

fn no_column<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    no_column_of("column", name, known)
}

fn no_column_of<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.collect();
    match known.is_empty() {
        true => format!("there is no {kind} \"{name}\" here, nor any other"),
        false => format!("there is no {kind} \"{name}\" here; there are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Column;

    fn schema(sections: &[&str], time: Option<&str>) -> Schema {
        let roles = [
            ("y", Role::Label),
            ("n", Role::Numeric),
            ("t", Role::Categorical),
            ("when", Role::Time),
            ("id", Role::Id),
            ("w", Role::Weight),
        ];
        let columns = roles.map(|(name, role)| Column { name: name.into(), role, log: false }).into();
        let transforms = sections.iter().map(|section| toml::from_str(section).unwrap()).collect();
        Schema { columns, transforms, time: time.map(Into::into), ..Schema::default() }
    }

    #[test]
    fn sections_that_fit_pass() {
        let sections = [
            "filter = 'n > 0'",
            "sample = { negatives = 0.1 }",
            "deduplicate = { key = ['t', 'n', 'id'], within = '1h' }",
            "scale = { n = 'min-max' }",
            "impute = { n = 'mean', t = 'most-frequent' }",
        ];
        let schema = schema(&sections, Some("when"));
        schema.check_online().unwrap();
        assert_eq!((schema.sample().unwrap().seed, schema.deduplicate().unwrap().most), (1, 1_000_000));
        assert_eq!((schema.imputed(Impute::MostFrequent), schema.is_transformed()), (vec!["t"], true));
    }

    #[test]
    fn a_section_that_does_not_fit_is_refused_with_its_number_and_what_there_is() {
        for (section, expected) in [
            ("sample = { negatives = 0 }", "negatives = 0.1"),
            ("sample = { negatives = 1.5 }", "no share"),
            ("deduplicate = { key = [], within = 9 }", "no columns"),
            ("deduplicate = { key = ['x'], within = 9 }", "no column \"x\" here; there are y, n, t, when, id, w"),
            ("deduplicate = { key = ['y'], within = 9 }", "is the label"),
            ("deduplicate = { key = ['w'], within = 9 }", "example weight"),
            ("deduplicate = { key = ['when'], within = 9 }", "--id"),
            ("deduplicate = { key = ['t'], within = 0 }", "finds nothing"),
            ("deduplicate = { key = ['t'], within = '1 hour' }", "\"90s\""),
            ("deduplicate = { key = ['t'], within = '1h' }", "--time"),
            ("deduplicate = { key = ['t'], within = 9, most = 0 }", "most = 0"),
            ("scale = { x = 'min-max' }", "no number \"x\" here; there are n"),
            ("scale = { t = 'none' }", "--numeric"),
            ("impute = { t = 'mean' }", "is text"),
            ("impute = { n = 'most-frequent' }", "n = \"mean\""),
            ("impute = { z = 'most-frequent' }", "no category \"z\" here; there are t"),
        ] {
            let error = schema(&["filter = 'n > 0'", section], None).check_online().unwrap_err().to_string();
            assert!(error.starts_with("[[transform]] number 2: ") && error.contains(expected), "{section}: {error}");
        }
        for twice in [
            "sample = { negatives = 0.5 }",
            "deduplicate = { key = ['t'], within = 9 }",
            "scale = { n = 'none' }",
            "impute = { n = 'mean' }",
        ] {
            let error = schema(&[twice, twice], None).check_online().unwrap_err().to_string();
            assert!(error.contains("number 2") && error.contains("keep one of the two"), "{error}");
        }
    }

    #[test]
    fn a_column_whose_place_is_taken_is_told_from_one_that_is_not_there() {
        for (feature, section) in [
            ("kind = 'buckets'\ncolumns = ['n']\nboundaries = [1]", "scale = { n = 'none' }"),
            ("kind = 'list'\ncolumns = ['t']", "impute = { t = 'most-frequent' }"),
        ] {
            let features = vec![toml::from_str(feature).unwrap()];
            let error = Schema { features, ..schema(&[section], None) }.check_online().unwrap_err().to_string();
            assert!(error.contains("keep = true"), "{error}");
        }
    }

    #[test]
    fn a_distance_is_records_or_a_time() {
        let section =
            |within: &str| toml::from_str::<Step>(&format!("deduplicate = {{ key = ['t'], within = {within} }}"));
        for (within, expected) in
            [("'90s'", 90_000_000), ("'1h'", 3_600_000_000), ("'0.5d'", 43_200_000_000), ("'2min'", 120_000_000)]
        {
            let Step::Deduplicate(found) = section(within).unwrap() else { panic!() };
            assert_eq!(found.within.microseconds(), Some(expected));
        }
        assert!(section("true").unwrap_err().to_string().contains("100000"));
        for wrong in ["", "h", "-1s", "1e400s", "infs", "0s", "5"] {
            assert_eq!(Within::Time(wrong.into()).microseconds(), None, "{wrong}");
        }
    }
}
