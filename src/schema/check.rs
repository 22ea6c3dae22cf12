//! Whether the features of a schema fit its columns: takes a schema, gives nothing, or what to change in the job file.

use std::collections::HashSet;

use super::feature::Feature;
use super::{Column, Role, Schema};
use crate::error::{Error, Result};

/// Most namespaces of one cross.
const MAX_FACTORS: usize = 8;
/// Most products of one polynomial.
const MAX_PRODUCTS: usize = 10_000;
/// Most buckets of running quantiles.
const MAX_BINS: usize = 1000;
/// Most ways in which the words of an n-gram may follow each other.
const MAX_SHAPES: usize = 100;

impl Schema {
    /// Sees to it that features are made of what the columns hold.
    ///
    /// # Errors
    /// The first section that cannot be carried out, and what to write instead.
    ///
    /// ```
    /// use tidemill::schema::{Column, Feature, Role, Schema};
    /// let column = |name: &str, role| Column { name: name.into(), role, log: false };
    /// let columns = vec![column("price", Role::Numeric), column("user", Role::Categorical)];
    /// let cross = toml::from_str::<Feature>("kind = 'cross'\nof = [['price', 'user']]").unwrap();
    /// let schema = Schema { columns, features: vec![cross], ..Schema::default() };
    /// assert!(schema.check_features().unwrap_err().to_string().contains("kind = \"hash\""));
    /// ```
    pub fn check_features(&self) -> Result<()> {
        for (at, feature) in self.features.iter().enumerate() {
            let section = Section { number: at + 1, feature, schema: self };
            section.check_columns()?;
            section.check_values()?;
        }
        let (names, mut known) = (self.dense_names(), HashSet::new());
        match names.iter().find(|name| !known.insert(*name)) {
            Some(name) if !self.features.is_empty() => Err(Error::usage(format!(
                "two numbers would be called \"{name}\": take one of the sections with kind = \"polynomial\", \"time\" or \
                 \"window\" that make them out, or rename the column"
            ))),
            _ => Ok(()),
        }
    }

    /// Sees to it that windows can be made of the columns, which of another input than the model's may lack some.
    ///
    /// # Errors
    /// As [`Schema::check_features`].
    pub fn check_windows(&self) -> Result<()> {
        let sections = self.features.iter().enumerate().map(|(at, feature)| (at + 1, feature));
        let is_window = |feature: &Feature| matches!(feature, Feature::Window(_));
        let mut windows = sections.filter(|(_, feature)| is_window(feature));
        windows.try_for_each(|(number, feature)| Section { number, feature, schema: self }.check_columns())
    }

    /// The namespaces of hashed features: columns that stay categories, and what features say.
    pub fn namespaces(&self) -> Vec<String> {
        let own =
            self.of(Role::Categorical).filter(|column| !self.is_replaced(column)).map(|column| column.name.clone());
        let of_feature =
            |made: &Feature| made.columns().iter().flat_map(|name| made.namespaces(name)).collect::<Vec<_>>();
        let mut names: Vec<_> = own.chain(self.features.iter().flat_map(of_feature)).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// A section of the job file, with the columns that it has to fit.
struct Section<'a> {
    number: usize,
    feature: &'a Feature,
    schema: &'a Schema,
}

impl Section<'_> {
    fn fault(&self, what: impl std::fmt::Display) -> Error {
        Error::usage(format!("[[feature]] number {}, kind = \"{}\", {what}", self.number, self.feature.kind()))
    }

    fn must(&self, is_met: bool, what: impl std::fmt::Display) -> Result<()> {
        if is_met { Ok(()) } else { Err(self.fault(what)) }
    }

    fn check_columns(&self) -> Result<()> {
        match self.feature {
            Feature::Cross { .. } => return Ok(()),
            Feature::Window(window) => return window.check(self.schema).map_err(|what| self.fault(what)),
            _ => {}
        }
        let columns = self.feature.columns();
        self.must(!columns.is_empty(), "has no columns: write columns = [\"...\"]")?;
        self.must(!self.schema.format.is_sparse(), "is made of columns, which the format does not have: take it out")?;
        for (at, name) in columns.iter().enumerate() {
            self.must(!columns[..at].contains(name), format!("names the column \"{name}\" twice: once is enough"))?;
            let names = || self.schema.columns.iter().map(|column| column.name.as_str());
            let column = self.schema.columns.iter().find(|column| column.name == *name).ok_or_else(|| {
                self.fault(format!(
                    "names the column \"{name}\", which the input does not have{}",
                    among(name, names())
                ))
            })?;
            self.check_role(column)?;
        }
        Ok(())
    }

    fn check_role(&self, Column { name, role, .. }: &Column) -> Result<()> {
        let (is, advice) = match (role, self.feature.role()) {
            (Role::Numeric, None | Some(Role::Numeric)) | (Role::Categorical, None | Some(Role::Categorical)) => {
                return Ok(());
            }
            (Role::Numeric, _) => ("is read as a number", "where text is needed: leave it out of --numeric and --log"),
            (Role::Categorical, _) => ("is read as text", "where a number is needed: name it in --numeric"),
            (Role::Label, _) => ("is the label", "which features must not know"),
            (Role::Weight, _) => ("is the example weight", "and a column has one role"),
            (Role::Id, _) => ("is the id", "and a column has one role: leave it out of --id"),
            (Role::Time | Role::Ignored, _) => {
                ("is not read", "name it in --categorical or --numeric, not in --ignore")
            }
        };
        Err(self.fault(format!("names the column \"{name}\", which {is}: {advice}")))
    }

    fn check_values(&self) -> Result<()> {
        match self.feature {
            Feature::OneHot { values, .. } => self.check_vocabulary(values),
            Feature::Buckets { boundaries, .. } => {
                let rises = boundaries.is_sorted_by(|a, b| (*a as f32) < *b as f32);
                let is_finite = boundaries.iter().all(|&end| (end as f32).is_finite());
                let ok = !boundaries.is_empty() && rises && is_finite;
                self.must(ok, "needs boundaries that rise, as 32-bit floats: write boundaries = [1, 10, 100]")
            }
            &Feature::Quantiles { ref columns, bins, .. } => {
                self.must((2..=MAX_BINS).contains(&bins), format!("takes 2 to {MAX_BINS} bins: write bins = 10"))?;
                self.check_one_quantiles(columns)
            }
            &Feature::Tokens { ngrams, skips, .. } => {
                let ok = (1..=16).contains(&ngrams) && skips <= 16 && shapes(ngrams, skips) <= MAX_SHAPES;
                self.must(
                    ok,
                    format!("takes ngrams from 1 to 16 and skips up to 16, {MAX_SHAPES} ways in all: fewer of one"),
                )
            }
            Feature::List { separator, .. } => {
                self.must(!separator.is_empty(), "needs what stands between two values: write separator = \";\"")
            }
            Feature::Time { parts, .. } => {
                self.must(!parts.is_empty(), "has no parts: write parts = [\"hour\", \"weekday\"]")
            }
            Feature::Cross { of } => self.check_crosses(of),
            &Feature::Polynomial { ref columns, degree, interaction_only } => {
                self.must((2..=8).contains(&degree), "takes a degree from 2 to 8: write degree = 2")?;
                let products = products(columns.len(), degree, interaction_only);
                let advice = format!(
                    "would make {products} products, of {MAX_PRODUCTS} at most: fewer columns, or a lower degree"
                );
                self.must(products <= MAX_PRODUCTS, advice)
            }
            Feature::Hash { .. } | Feature::Window(_) => Ok(()),
        }
    }

    /// Buckets of two sections would have one name.
    fn check_one_quantiles(&self, columns: &[String]) -> Result<()> {
        let earlier = &self.schema.features[..self.number - 1];
        let is_named =
            |name: &&String| earlier.iter().any(|made| matches!(made, Feature::Quantiles { .. }) && made.names(name));
        match columns.iter().find(is_named) {
            Some(name) => {
                Err(self.fault(format!("names the column \"{name}\", as an earlier one does: keep one of the two")))
            }
            None => Ok(()),
        }
    }

    fn check_vocabulary(&self, values: &[String]) -> Result<()> {
        let is_new = |(at, value): (usize, &String)| !value.is_empty() && !values[..at].contains(value);
        let ok = !values.is_empty() && values.iter().enumerate().all(is_new);
        self.must(ok, "needs its values, each once and none empty: write values = [\"...\"]")
    }

    fn check_crosses(&self, of: &[Vec<String>]) -> Result<()> {
        self.must(!of.is_empty(), "crosses nothing: write of = [[\"user\", \"item\"]]")?;
        for names in of {
            let ok = (2..=MAX_FACTORS).contains(&names.len());
            self.must(ok, format!("takes 2 to {MAX_FACTORS} namespaces a cross: write of = [[\"user\", \"item\"]]"))?;
            names.iter().filter(|name| *name != ANY).try_for_each(|name| self.check_namespace(name))?;
        }
        Ok(())
    }

    /// Records of a sparse format bring namespaces of their own.
    fn check_namespace(&self, name: &String) -> Result<()> {
        let known = self.schema.namespaces();
        if self.schema.format.is_sparse() || known.contains(name) {
            return Ok(());
        }
        let column = self.schema.columns.iter().find(|column| column.name == *name);
        let made: Vec<_> = self.schema.features.iter().filter(|made| made.names(name)).collect();
        let places =
            made.iter().flat_map(|made| made.namespaces(name)).map(|name| format!("\"{name}\"")).collect::<Vec<_>>();
        let advice = match column.map(|column| column.role) {
            Some(_) if made.iter().any(|made| matches!(made, Feature::Quantiles { .. })) => {
                "is a column of running quantiles, which are made behind all crosses: add [[feature]] kind = \"buckets\" \
                 with boundaries of your own to cross it"
                    .into()
            }
            Some(_) if !places.is_empty() => {
                format!("is a column whose features are in other namespaces: write {}", places.join(" or "))
            }
            Some(Role::Numeric) => format!(
                "is a number with a weight of its own, in no namespace: add [[feature]] kind = \"hash\" or \"buckets\" \
                 with columns = [\"{name}\"], or name it in --categorical"
            ),
            Some(_) => "is a column of which no features are made: name it in --categorical".into(),
            None => format!("is no namespace{}", among(name, known.iter().map(String::as_str))),
        };
        Err(self.fault(format!("crosses \"{name}\", which {advice}")))
    }
}

/// What stands for any namespace in a cross.
pub(super) const ANY: &str = ":";

/// The name that was meant, or all of them.
fn among<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let distance = |known: &&str| strsim::damerau_levenshtein(name, known);
    match known.clone().min_by_key(distance).filter(|near| distance(near) <= 2) {
        Some(near) => format!(": is \"{near}\" meant?"),
        None => format!("; there are: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// Ways in which 2 to `ngrams` words may follow each other, with up to `skips` between them.
fn shapes(ngrams: usize, skips: usize) -> usize {
    (2..=ngrams).map(|words| choose(skips + words - 1, words - 1)).fold(0, usize::saturating_add)
}

/// Products of 2 to `degree` columns.
fn products(columns: usize, degree: usize, distinct: bool) -> usize {
    let of = |factors| if distinct { choose(columns, factors) } else { choose(columns + factors - 1, factors) };
    (2..=degree).map(of).fold(0, usize::saturating_add)
}

/// How many sets of `k` there are among `n`.
fn choose(n: usize, k: usize) -> usize {
    if k > n { 0 } else { (1..=k).fold(1, |sets: usize, i| sets.saturating_mul(n - k + i) / i) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Format;

    /// A number, two texts, a label and a time that is not read, with these sections.
    fn check(sections: &[&str]) -> Result<()> {
        let roles = [Role::Numeric, Role::Categorical, Role::Categorical, Role::Label, Role::Time];
        let column = |(role, name): (Role, &str)| Column { name: name.into(), role, log: false };
        let columns = roles.into_iter().zip(["price", "user", "item", "click", "when"]).map(column).collect();
        let features = sections.iter().map(|section| toml::from_str(section).unwrap()).collect();
        Schema { columns, features, ..Schema::default() }.check_features()
    }

    #[test]
    fn a_section_that_cannot_be_carried_out_says_what_to_write() {
        for (section, advice) in [
            ("kind = 'hash'\ncolumns = []", "columns = ["),
            ("kind = 'hash'\ncolumns = ['usr']", "is \"user\" meant?"),
            ("kind = 'hash'\ncolumns = ['quantity']", "price, user, item, click, when"),
            ("kind = 'hash'\ncolumns = ['user', 'user']", "once is enough"),
            ("kind = 'hash'\ncolumns = ['click']", "the label"),
            ("kind = 'hash'\ncolumns = ['when']", "--categorical"),
            ("kind = 'list'\ncolumns = ['price']", "--numeric"),
            ("kind = 'list'\ncolumns = ['user']\nseparator = ''", "separator = "),
            ("kind = 'buckets'\ncolumns = ['user']\nboundaries = [1]", "--numeric"),
            ("kind = 'buckets'\ncolumns = ['price']\nboundaries = [2, 1]", "boundaries = [1, 10, 100]"),
            ("kind = 'buckets'\ncolumns = ['price']\nboundaries = [1, inf]", "boundaries = [1, 10, 100]"),
            ("kind = 'one-hot'\ncolumns = ['user']\nvalues = ['a', 'a']", "each once"),
            ("kind = 'tokens'\ncolumns = ['user']\nngrams = 9\nskips = 9", "fewer"),
            ("kind = 'tokens'\ncolumns = ['user']\nngrams = 0", "from 1"),
            ("kind = 'time'\ncolumns = ['user']\nparts = []", "parts = "),
            ("kind = 'polynomial'\ncolumns = ['price']\ndegree = 1", "degree = 2"),
            ("kind = 'cross'\nof = []", "of = "),
            ("kind = 'cross'\nof = [['user']]", "of = "),
            ("kind = 'cross'\nof = [['user', 'price']]", "kind = \"hash\" or \"buckets\""),
            ("kind = 'cross'\nof = [['user', 'itme']]", "is \"item\" meant?"),
            ("kind = 'cross'\nof = [['user', 'click']]", "--categorical"),
        ] {
            let error = check(&[section]).map_or_else(|error| error.to_string(), |()| "fits".into());
            assert!(error.contains("[[feature]] number 1") && error.contains(advice), "{section}: {error}");
        }
    }

    #[test]
    fn a_cross_is_told_where_the_features_of_its_column_are() {
        let time = "kind = 'time'\ncolumns = ['item']\nparts = ['hour', 'day', 'hour-cyclic']";
        let error = check(&[time, "kind = 'cross'\nof = [['user', 'item']]"]).unwrap_err().to_string();
        assert!(error.contains("\"item:hour\" or \"item:day\""), "{error}");
        check(&[time, "kind = 'cross'\nof = [['user', 'item:hour'], [':', ':', 'user']]"]).unwrap();
        check(&["kind = 'hash'\ncolumns = ['price']\nnamespace = 'P'", "kind = 'cross'\nof = [['P', 'user']]"])
            .unwrap();
    }

    #[test]
    fn two_numbers_of_one_name_are_refused() {
        let squares = "kind = 'polynomial'\ncolumns = ['price']";
        assert!(check(&[squares, squares]).unwrap_err().to_string().contains("price^2"));
    }

    #[test]
    fn records_of_a_sparse_format_bring_namespaces_of_their_own_and_no_columns() {
        let with = |section| {
            let features = vec![toml::from_str(section).unwrap()];
            Schema { format: Format::Vw, features, ..Schema::default() }.check_features()
        };
        assert!(with("kind = 'cross'\nof = [['a', ':']]").is_ok());
        assert!(with("kind = 'list'\ncolumns = ['a']").unwrap_err().to_string().contains("take it out"));
    }

    #[test]
    fn products_and_shapes_are_counted_before_they_are_made() {
        assert_eq!((products(4, 3, false), products(4, 3, true)), (10 + 20, 6 + 4));
        assert_eq!((shapes(1, 5), shapes(3, 0), shapes(3, 1)), (0, 2, 2 + 3));
        assert!(products(5000, 8, false) > MAX_PRODUCTS && shapes(16, 16) > MAX_SHAPES);
    }
}
