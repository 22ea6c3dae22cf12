//! The numbers that the learner gets: takes the columns and features of a schema, gives the dense row, place by place.
//!
//! First the numeric columns whose place nothing has taken, in their order, then products, cycles and windows in the order of
//! the features. Without features that is the row as it is parsed. Never computes a number.

use super::feature::{Feature, Part};
use super::{Column, Role, Schema, stride};

/// A number of the dense row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dense {
    /// What it is called: its weight and its scale are found by this.
    pub name: String,
    /// What it is made of.
    pub from: Made,
}

/// What a number of the dense row is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// A number as it is parsed, by its place among these.
    Column(usize),
    /// A product of two, by their places among the parsed numbers and, behind these, the products before it.
    Product(usize, usize),
    /// A coordinate of a part of a time, by the place of its column among those of text.
    Cycle {
        /// The column.
        column: usize,
        /// Which part.
        part: Part,
        /// Whether it is the cosine rather than the sine.
        is_cosine: bool,
    },
    /// What a window tells, which is not known before records stand in order.
    Window,
}

impl Schema {
    /// The learner's dense row without its padding.
    ///
    /// ```
    /// use tidemill::schema::{Column, Feature, Role, Schema};
    /// let column = |name: &str| Column { name: name.into(), role: Role::Numeric, log: false };
    /// let squares = toml::from_str::<Feature>("kind = 'polynomial'\ncolumns = ['a', 'b']").unwrap();
    /// let schema = Schema { columns: vec![column("a"), column("b")], features: vec![squares], ..Schema::default() };
    /// assert_eq!(schema.dense_names(), ["a", "b", "a^2", "a*b", "b^2"]);
    /// ```
    pub fn dense_row(&self) -> Vec<Dense> {
        let numbers = self.of(Role::Numeric).enumerate().filter(|(_, column)| !self.is_replaced(column));
        let mut row: Vec<_> =
            numbers.map(|(at, column)| Dense { name: column.name.clone(), from: Made::Column(at) }).collect();
        let mut products = self.numeric();
        for feature in &self.features {
            match feature {
                &Feature::Polynomial { ref columns, degree, interaction_only } => {
                    row.extend(self.products(columns, degree, interaction_only, &mut products));
                }
                Feature::Time { columns, parts, .. } => {
                    row.extend(columns.iter().flat_map(|column| self.cycles(column, parts)));
                }
                Feature::Window(window) => {
                    row.extend(window.made().into_iter().map(|made| Dense { name: made.name, from: Made::Window }));
                }
                _ => {}
            }
        }
        row
    }

    /// The names of the learner's dense numbers.
    pub fn dense_names(&self) -> Vec<String> {
        self.dense_row().into_iter().map(|dense| dense.name).collect()
    }

    /// How many dense numbers the learner gets.
    pub fn dense(&self) -> usize {
        self.dense_row().len()
    }

    /// Floats of the learner's dense row, padding included.
    pub fn dense_stride(&self) -> usize {
        stride(self.dense())
    }

    /// Whether features have taken the place of a column, or it has none, as the event time and what is read for segments alone.
    pub fn is_replaced(&self, column: &Column) -> bool {
        if self.is_time(&column.name) || self.is_read_for_segments(&column.name) {
            return true;
        }
        let mut keeps =
            self.features.iter().filter(|made| made.names(&column.name)).filter_map(Feature::keeps).peekable();
        keeps.peek().is_some() && !keeps.any(|keep| keep)
    }

    /// Where a column is among those of one role.
    pub fn place(&self, role: Role, name: &str) -> Option<usize> {
        self.of(role).position(|column| column.name == name)
    }

    /// Degree by degree, each product one of the degree before times a column that is not before its last factor.
    fn products(&self, columns: &[String], degree: usize, distinct: bool, count: &mut usize) -> Vec<Dense> {
        let places: Vec<_> = columns.iter().filter_map(|name| self.place(Role::Numeric, name)).collect();
        let mut before: Vec<(Vec<usize>, usize)> =
            places.iter().enumerate().map(|(at, &place)| (vec![at], place)).collect();
        let mut made = Vec::new();
        for _ in 1..degree {
            let mut next = Vec::new();
            for (factors, place) in &before {
                let last = factors.last().copied().unwrap_or(0) + usize::from(distinct);
                for (at, &times) in places.iter().enumerate().skip(last) {
                    let factors = [&factors[..], &[at]].concat();
                    made.push(Dense { name: name_of(&factors, columns), from: Made::Product(*place, times) });
                    next.push((factors, *count));
                    *count += 1;
                }
            }
            before = next;
        }
        made
    }

    fn cycles(&self, name: &str, parts: &[Part]) -> Vec<Dense> {
        let Some(column) = self.place(Role::Categorical, name) else { return Vec::new() };
        let cyclic = parts.iter().copied().filter(|part| part.is_cyclic());
        let pair = |part: Part| {
            [("sin", false), ("cos", true)].map(|(word, is_cosine)| Dense {
                name: format!("{name}:{}.{word}", part.name()),
                from: Made::Cycle { column, part, is_cosine },
            })
        };
        cyclic.flat_map(pair).collect()
    }
}

/// `a^2*b` for the factors a, a and b.
fn name_of(factors: &[usize], columns: &[String]) -> String {
    let power = |same: &[usize]| match same.len() {
        1 => columns[same[0]].clone(),
        count => format!("{}^{count}", columns[same[0]]),
    };
    factors.chunk_by(|a, b| a == b).map(power).collect::<Vec<_>>().join("*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(roles: &[(&str, Role)], features: &[&str]) -> Schema {
        let column = |&(name, role): &(&str, Role)| Column { name: name.into(), role, log: false };
        let features = features.iter().map(|text| toml::from_str(text).unwrap()).collect();
        Schema { columns: roles.iter().map(column).collect(), features, ..Schema::default() }
    }

    const NUMBERS: [(&str, Role); 3] = [("a", Role::Numeric), ("t", Role::Categorical), ("b", Role::Numeric)];

    #[test]
    fn without_features_the_row_is_the_parsed_one() {
        let schema = schema(&NUMBERS, &[]);
        assert_eq!((schema.dense_names(), schema.dense_stride()), (vec!["a".into(), "b".into()], schema.stride()));
    }

    #[test]
    fn products_go_up_to_their_degree_and_follow_from_those_before() {
        let powers = schema(&NUMBERS, &["kind = 'polynomial'\ncolumns = ['b', 'a']\ndegree = 3"]);
        let names = ["a", "b", "b^2", "b*a", "a^2", "b^3", "b^2*a", "b*a^2", "a^3"];
        assert_eq!(powers.dense_names(), names);
        assert_eq!(powers.dense_row()[7].from, Made::Product(3, 0)); // b*a is the second product, behind two numbers
        let section = "kind = 'polynomial'\ncolumns = ['a', 'b']\ndegree = 3\ninteraction-only = true";
        assert_eq!(schema(&NUMBERS, &[section]).dense_names(), ["a", "b", "a*b"]);
    }

    #[test]
    fn a_column_whose_place_is_taken_is_no_number_of_its_own() {
        let hashed = "kind = 'hash'\ncolumns = ['a']";
        assert_eq!(schema(&NUMBERS, &[hashed]).dense_names(), ["b"]);
        assert_eq!(
            schema(&NUMBERS, &[hashed, "kind = 'hash'\ncolumns = ['a']\nkeep = true"]).dense_names(),
            ["a", "b"]
        );
    }

    #[test]
    fn a_cyclic_part_is_two_numbers() {
        let section = "kind = 'time'\ncolumns = ['t']\nparts = ['hour', 'hour-cyclic']";
        assert_eq!(schema(&NUMBERS, &[section]).dense_names(), ["a", "b", "t:hour.sin", "t:hour.cos"]);
    }
}
