//! Which column is what: from the names a user gave, and a sample of the records for the rest.

use crate::error::{Error, Result};
use crate::parser::number::number;
use crate::record::Reason;
use crate::schema::{Column, Feature, Format, Role, Schema, Segment};

/// What the user said about columns; the rest is inferred.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// Column to learn.
    pub label: Option<String>,
    /// Column of example weights.
    pub weight: Option<String>,
    /// Column carried into the predictions.
    pub id: Option<String>,
    /// Column of the event time.
    pub time: Option<String>,
    /// Columns to take as numbers.
    pub numeric: Vec<String>,
    /// Columns to take as text.
    pub categorical: Vec<String>,
    /// Columns to leave out.
    pub ignore: Vec<String>,
    /// Numeric columns to take the logarithm of.
    pub log: Vec<String>,
    /// How that column writes its times.
    pub time_format: Option<String>,
    /// Column of the time at which the label becomes known.
    pub label_time: Option<String>,
    /// Whether the event time is needed behind the encoder.
    pub needs_time: bool,
    /// Whether the one column that looks like a time is the event time where none is named.
    pub finds_time: bool,
    /// Columns by whose values metrics are told apart.
    pub segments: Vec<String>,
}

impl Named {
    /// What takes one column each, with its role and its flag.
    pub fn single(&self) -> [(Option<&str>, Role, &'static str); 5] {
        [
            (self.label.as_deref(), Role::Label, "--label"),
            (self.weight.as_deref(), Role::Weight, "--weight"),
            (self.id.as_deref(), Role::Id, "--id"),
            (self.time.as_deref(), Role::Time, "--time"),
            (self.label_time.as_deref(), Role::Time, "--label-time"),
        ]
    }
}

/// What the columns are as they are read, where transforms come before anything else: what the format says or a sample
/// tells. A column that is named as a category or an id stays the text that it is, with its zeros in front; one that is
/// named as a number or as the time is that.
pub fn as_read(names: &[String], known: &[Option<Role>], sample: &[Vec<Vec<u8>>], named: &Named) -> Vec<Column> {
    let stays_text = |name: &String| named.categorical.contains(name) || named.id.as_ref() == Some(name);
    let role = |(at, name): (usize, &String)| match known[at] {
        Some(role) => role,
        None if stays_text(name) => Role::Categorical,
        None if named.time.as_ref() == Some(name) && named.time_format.is_none() => Role::Time,
        None if named.time.as_ref() == Some(name) || named.label_time.as_ref() == Some(name) => Role::Categorical,
        None if named.numeric.contains(name) => Role::Numeric,
        None => guess(sample.iter().filter_map(|row| row.get(at))),
    };
    let column = |(at, name): (usize, &String)| Column { name: name.clone(), role: role((at, name)), log: false };
    names.iter().enumerate().map(column).collect()
}

/// The schema, and the columns whose role was inferred rather than named, known from the format, or needed by a feature.
///
/// # Errors
/// A name that the header does not have, or that is given two roles; features that do not fit the columns.
pub fn infer(
    names: &[String],
    known: &[Option<Role>],
    sample: &[Vec<Vec<u8>>],
    named: &Named,
    features: &[Feature],
    format: Format,
    header: bool,
) -> Result<(Schema, Vec<(String, Role)>)> {
    let mut roles = vec![None; names.len()];
    assign(names, &mut roles, named)?;
    let mut inferred = Vec::new();
    let mut columns = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let needed = features.iter().find_map(|feature| feature.role_of(name));
        let role = roles[at].or(needed).unwrap_or_else(|| {
            let role = known[at].unwrap_or_else(|| guess(sample.iter().filter_map(|row| row.get(at))));
            inferred.push((name.clone(), role));
            role
        });
        columns.push(Column { name: name.clone(), role, log: named.log.contains(name) });
    }
    let label_time = named.label_time.clone();
    let time = named.time.clone().or_else(|| only_time(&columns, label_time.as_ref())).filter(|_| named.needs_time);
    for column in columns.iter_mut().filter(|column| column.role == Role::Time) {
        // A time is not read; features of one are made of its text, and so is what the engine needs of it.
        let is_needed = features.iter().any(|feature| feature.names(&column.name))
            || [&time, &label_time].into_iter().flatten().any(|time| *time == column.name);
        column.role = if is_needed { Role::Categorical } else { Role::Time };
    }
    let segments = segments(&mut columns, &named.segments)?;
    let schema = Schema { columns, format, header, features: features.to_vec(), time, segments, ..Schema::default() };
    let schema = Schema { time_format: named.time_format.clone(), label_time, ..schema };
    schema.check_features()?;
    Ok((schema, inferred))
}

/// The one column that is a time, where there is no other but that at which labels become known.
fn only_time(columns: &[Column], label_time: Option<&String>) -> Option<String> {
    let mut times = columns.iter().filter(|column| column.role == Role::Time && label_time != Some(&column.name));
    times.next().filter(|_| times.next().is_none()).map(|column| column.name.clone())
}

/// The columns by whose values metrics are told apart. What nothing else asks for is read as text from here on.
///
/// # Errors
/// A column that is not there, or is the label or the weight.
pub fn segments(columns: &mut [Column], named: &[String]) -> Result<Vec<Segment>> {
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let mut segments: Vec<Segment> = Vec::new();
    for name in named.iter().filter(|name| !name.is_empty()) {
        let column = &mut columns[place(&names, name, "--segment")?];
        let otherwise = match column.role {
            Role::Label | Role::Weight => {
                return Err(Error::usage(format!(
                    "--segment names the column \"{name}\", which is the label or the weight: name another column"
                )));
            }
            Role::Time | Role::Ignored => Some(std::mem::replace(&mut column.role, Role::Categorical)),
            Role::Numeric | Role::Categorical | Role::Id => None,
        };
        if !segments.iter().any(|known| known.column == *name) {
            segments.push(Segment { column: name.clone(), otherwise });
        }
    }
    Ok(segments)
}

/// The schema of a model with what metrics are told by: the event time, and columns of segments.
///
/// # Errors
/// As [`segments`].
pub fn with_what_is_told_by(mut schema: Schema, named: &Named) -> Result<Schema> {
    if named.finds_time && schema.time.is_none() {
        schema.time = named.time.clone().or_else(|| only_time(&schema.columns, None));
        let is_time = |column: &&mut Column| column.role == Role::Time && schema.time.as_ref() == Some(&column.name);
        schema.columns.iter_mut().find(is_time).into_iter().for_each(|column| column.role = Role::Categorical);
    }
    let segments = segments(&mut schema.columns, &named.segments)?;
    if schema.is_transformed() && segments.iter().any(|segment| segment.otherwise.is_some()) {
        return Err(Error::usage(
            "--segment names a column that the model does not look at, behind its transforms: name one that it has \
             learned from",
        ));
    }
    Ok(Schema { segments, ..schema })
}

/// Writes the named roles down.
fn assign(names: &[String], roles: &mut [Option<Role>], named: &Named) -> Result<()> {
    for (name, role, flag) in named.single() {
        if let Some(name) = name {
            set(names, roles, name, role, flag)?;
        }
    }
    let lists = [
        (&named.numeric, Role::Numeric, "--numeric"),
        (&named.categorical, Role::Categorical, "--categorical"),
        (&named.ignore, Role::Ignored, "--ignore"),
    ];
    for (list, role, flag) in lists {
        for name in list {
            set(names, roles, name, role, flag)?;
        }
    }
    for name in named.log.iter().filter(|name| !named.numeric.contains(name)) {
        set(names, roles, name, Role::Numeric, "--log")?;
    }
    Ok(())
}

fn set(names: &[String], roles: &mut [Option<Role>], name: &str, role: Role, flag: &str) -> Result<()> {
    match roles[place(names, name, flag)?].replace(role) {
        Some(before) if before != role => Err(Error::usage(format!(
            "the column \"{name}\" is named twice, the second time by {flag}: a column has one role"
        ))),
        _ => Ok(()),
    }
}

/// Where the column that a flag names is among `names`.
fn place(names: &[String], name: &str, flag: &str) -> Result<usize> {
    names.iter().position(|known| known == name).ok_or_else(|| {
        Error::usage(format!(
            "{flag} names the column \"{name}\", which the input does not have; its columns are: {}",
            names.join(", ")
        ))
    })
}

/// The columns of an input to predict or to train on, by their names: those of the model have the model's roles, others
/// are not used, and a label, weight, id or time that is named replaces the model's. The features are the model's.
///
/// # Errors
/// A name that the input does not have, that is given two roles, or that is a feature of the model and named as
/// something else, or the other way round.
pub fn recall(names: &[String], model: &Schema, named: &Named) -> Result<Vec<Column>> {
    let mut own = vec![None; names.len()];
    assign(names, &mut own, named)?;
    let recalled = |(name, own): (&String, Option<Role>)| {
        let known = model.columns.iter().find(|column| column.name == *name);
        let is_replaced = |role| named.single().iter().any(|(name, single, _)| name.is_some() && *single == role);
        let feature = known.filter(|known| is_feature(known.role));
        match (own, known) {
            (Some(Role::Time), Some(known)) if model.time.as_ref() == Some(name) => Ok(known.clone()),
            (Some(role), _)
                if feature.is_some_and(|known| known.role != role || named.log.contains(name) && !known.log) =>
            {
                let flag = flag_of(name, role, named);
                Err(Error::usage(format!(
                    "{flag} names the column \"{name}\", which the model learned from in another way: a column has one \
                     role, and this one is a feature; leave it out of {flag}, or train a new model"
                )))
            }
            (Some(role), _) if feature.is_none() && is_feature(role) => Err(Error::usage(format!(
                "{} names the column \"{name}\", which the model did not learn from: leave it out, or train a new model",
                flag_of(name, role, named)
            ))),
            (Some(_), Some(known)) if feature.is_some() => Ok(known.clone()),
            (None, Some(known)) if !is_replaced(known.role) => Ok(known.clone()),
            _ => Ok(Column { name: name.clone(), role: own.unwrap_or(Role::Ignored), log: false }),
        }
    };
    names.iter().zip(own).map(recalled).collect()
}

fn is_feature(role: Role) -> bool {
    matches!(role, Role::Numeric | Role::Categorical)
}

/// The flag that gave a column its role.
fn flag_of(name: &String, role: Role, named: &Named) -> &'static str {
    match role {
        Role::Numeric if named.log.contains(name) => "--log",
        Role::Numeric => "--numeric",
        Role::Categorical => "--categorical",
        Role::Ignored => "--ignore",
        _ => named.single().iter().find(|single| single.1 == role).map_or("", |single| single.2),
    }
}

/// Numbers are numeric, timestamps are the event time, the rest is categorical.
fn guess<'a>(fields: impl Iterator<Item = &'a Vec<u8>>) -> Role {
    let (mut numbers, mut unusable, mut times, mut filled) = (0, 0, 0, 0);
    for field in fields.filter(|field| !field.trim_ascii().is_empty()) {
        filled += 1;
        match number(field) {
            Ok(_) => numbers += 1,
            Err(Reason::NotFinite | Reason::OutOfRange) => unusable += 1,
            Err(_) => {}
        }
        times += usize::from(is_timestamp(field.trim_ascii()));
    }
    match filled {
        0 => Role::Categorical,
        // An `inf` among numbers is a record to reject, not a category.
        _ if numbers > 0 && numbers + unusable == filled => Role::Numeric,
        _ if times == filled => Role::Time,
        _ => Role::Categorical,
    }
}

/// `2024-05-01`, alone or followed by a time of day.
fn is_timestamp(field: &[u8]) -> bool {
    let shape = b"dddd-dd-dd";
    field.len() >= shape.len()
        && shape.iter().zip(field).all(|(&s, &byte)| if s == b'd' { byte.is_ascii_digit() } else { byte == s })
        && matches!(field.get(10), None | Some(b'T' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<Vec<u8>>> {
        crate::parser::csv::sample(text.as_bytes(), b',', 1000)
    }

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(String::from).collect()
    }

    #[test]
    fn numbers_timestamps_and_text_are_told_apart() {
        let sample = rows("1,2.5,2024-05-01T10:00:00,red,,0\n0,,2024-05-01 10:00:01,7,,1\n");
        let named = Named { label: Some("y".into()), ..Named::default() };
        let (schema, inferred) =
            infer(&names("y,a,when,b,empty,flag"), &[None; 6], &sample, &named, &[], Format::Csv, true).unwrap();
        let roles: Vec<_> = schema.columns.iter().map(|column| column.role).collect();
        assert_eq!(
            roles,
            [Role::Label, Role::Numeric, Role::Time, Role::Categorical, Role::Categorical, Role::Numeric]
        );
        let inferred: Vec<_> = inferred.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(inferred, ["a", "when", "b", "empty", "flag"]); // the label was named
    }

    #[test]
    fn numbers_that_cannot_be_learned_do_not_make_a_column_text() {
        let sample = rows("1,1,inf\n0,inf,nan\n1,1e39,inf\n");
        let named = Named { label: Some("y".into()), ..Named::default() };
        let (schema, _) = infer(&names("y,some,all"), &[None; 3], &sample, &named, &[], Format::Csv, true).unwrap();
        assert_eq!((schema.columns[1].role, schema.columns[2].role), (Role::Numeric, Role::Categorical));
    }

    #[test]
    fn a_name_that_is_not_there_is_refused_with_the_names_that_are() {
        let named = Named { label: Some("clicked".into()), ..Named::default() };
        let error =
            infer(&names("click,age"), &[None; 2], &[], &named, &[], Format::Csv, true).unwrap_err().to_string();
        assert!(error.contains("clicked") && error.contains("click, age"), "{error}");
    }

    #[test]
    fn a_column_is_read_as_its_feature_needs_it() {
        let sample = rows("1,2024-05-01,5,1714564800\n0,2024-05-02,6,1714564801\n");
        let named = Named { label: Some("y".into()), ..Named::default() };
        let sections = ["kind = 'time'\ncolumns = ['day', 'at']\nparts = ['hour']", "kind = 'list'\ncolumns = ['n']"];
        let features = sections.map(|section| toml::from_str(section).unwrap());
        let all = names("y,day,n,at");
        let (schema, inferred) = infer(&all, &[None; 4], &sample, &named, &features, Format::Csv, true).unwrap();
        assert!(schema.columns[1..].iter().all(|column| column.role == Role::Categorical));
        assert_eq!((inferred, &schema.features[..]), (vec![], &features[..]));
        let hash = [toml::from_str("kind = 'hash'\ncolumns = ['day', 'n']").unwrap()];
        let (schema, _) = infer(&all, &[None; 4], &sample, &named, &hash, Format::Csv, true).unwrap();
        assert_eq!((schema.columns[1].role, schema.columns[2].role), (Role::Categorical, Role::Numeric));
        let named = Named { numeric: vec!["n".into()], ..named };
        let error = infer(&all, &[None; 4], &sample, &named, &features, Format::Csv, true).unwrap_err().to_string();
        assert!(error.contains("number 2") && error.contains("--numeric"), "{error}");
    }

    #[test]
    fn a_column_has_one_role() {
        let named = Named { label: Some("age".into()), numeric: vec!["age".into()], ..Named::default() };
        assert!(infer(&names("click,age"), &[None; 2], &[], &named, &[], Format::Csv, true).is_err());
    }
}
