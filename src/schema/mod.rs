//! What the columns of a stream are and what each is for. Plain data, shared by the parser and the encoder.
//!
//! Siblings: [`step`] (a transform of columns, as a job file writes it), [`feature`] (what is made of columns), `dense`
//! (which numbers the learner gets), `check` (whether features fit the columns), [`window`] (windows of keys) and `online`
//! (which transforms are the engine's, and whether they fit).

mod check;
mod dense;
pub mod feature;
mod online;
pub mod step;
pub mod window;

use serde::{Deserialize, Serialize};

pub use dense::{Dense, Made};
pub use feature::Feature;
pub use step::Step;

use crate::examples::stride;
use crate::timestamp::Form;

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Format {
    /// Text with commas between fields, a record a line; fields may be quoted.
    #[default]
    Csv,
    /// The same with tabs.
    Tsv,
    /// A JSON object a line.
    JsonL,
    /// `label index:value ...`, a record a line; what svmlight reads too.
    LibSvm,
    /// Vowpal Wabbit's text: `label weight 'tag |namespace name:value ...`, a record a line.
    Vw,
    /// Parquet files.
    Parquet,
    /// Arrow's files and streams.
    Arrow,
}

impl Format {
    /// The format that a file's name tells, passing over `.gz` and `.zst`.
    ///
    /// ```
    /// use tidemill::schema::Format;
    /// assert_eq!(Format::of_name("logs/May.JSONL.gz"), Some(Format::JsonL));
    /// assert_eq!(Format::of_name("clicks.log"), None);
    /// ```
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
        match name.rsplit_once('.')?.1 {
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "jsonl" | "ndjson" | "json" => Some(Self::JsonL),
            "libsvm" | "svmlight" | "svm" => Some(Self::LibSvm),
            "vw" => Some(Self::Vw),
            "parquet" | "pq" => Some(Self::Parquet),
            "arrow" | "arrows" | "feather" | "ipc" => Some(Self::Arrow),
            _ => None,
        }
    }

    /// Byte between two fields, where the format has one.
    pub fn delimiter(self) -> u8 {
        if self == Self::Tsv { b'\t' } else { b',' }
    }

    /// Whether fields may be quoted, so that a line end may stand within a record.
    pub fn has_quotes(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }

    /// Whether records spell out their features, rather than fill columns.
    pub fn is_sparse(self) -> bool {
        matches!(self, Self::LibSvm | Self::Vw)
    }

    /// Whether files hold columns rather than lines of text.
    pub fn is_columnar(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

/// What a column is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A number: standardised online, one weight of its own.
    Numeric,
    /// Text: hashed with the column's name, one weight a value.
    Categorical,
    /// What is learned.
    Label,
    /// The example weight.
    Weight,
    /// Carried into the predictions, not learned.
    Id,
    /// The event time: kept out of the features.
    Time,
    /// Not used.
    Ignored,
}

impl Role {
    /// Whether the values of such a column are read at all.
    pub fn is_read(self) -> bool {
        !matches!(self, Self::Time | Self::Ignored)
    }
}

/// A column of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the header.
    pub name: String,
    /// What it is used for.
    pub role: Role,
    /// A numeric column of which `sign(x) ln(1 + |x|)` is taken before anything else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub log: bool,
}

/// A column by whose values metrics are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its name.
    pub column: String,
    /// Its role where nobody asks for segments, if it is read for these alone: it is then read as text, and is no feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Role>,
}

/// How the names of features become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Hashing {
    /// Every name is hashed.
    #[default]
    All,
    /// A name of digits is its own number, behind its namespace's: what libsvm and Vowpal Wabbit's text mean by it.
    Strings,
}

/// The columns of a stream, in the order of its header, and what is made of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The columns, in the order of the header; of a format without any, what a record has beside its features, and the
    /// namespaces that are left out, each as an ignored column called like it with a bar in front.
    pub columns: Vec<Column>,
    /// How records are written.
    #[serde(default)]
    pub format: Format,
    /// Whether every source opens with a header line.
    pub header: bool,
    /// How the names of features become numbers.
    #[serde(default)]
    pub hashing: Hashing,
    /// The columns as they are read, where transforms make others of them; else `columns` are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<Column>,
    /// Columns that transforms name and this input lacks: all of their values are missing.
    #[serde(skip)]
    pub absent: Vec<Column>,
    /// What is done to them before anything else, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<Step>,
    /// What is made of them beside one feature a column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Feature>,
    /// The column of the event time, where the engine needs it: it is read as text, and is no feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// How that column writes its times, where it is said; see [`crate::timestamp::Form`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_format: Option<String>,
    /// The column of the time at which the label becomes known: it is read as text, and is no feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_time: Option<String>,
    /// The columns by whose values metrics are told apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
}

impl Schema {
    /// The columns as they stand in the input.
    pub fn as_read(&self) -> &[Column] {
        if self.is_transformed() { &self.read } else { &self.columns }
    }

    /// The schema by which records are read: this one, or, where transforms are to come, every column that they need
    /// as text.
    pub fn reading(&self) -> Self {
        if !self.is_transformed() {
            return self.clone();
        }
        let role = |role| if role == Role::Ignored { Role::Ignored } else { Role::Categorical };
        let columns = self.read.iter().map(|column| Column { role: role(column.role), ..column.clone() }).collect();
        Self { columns, read: Vec::new(), absent: Vec::new(), transforms: Vec::new(), ..self.clone() }
    }

    /// The same without the columns by whose values metrics are told apart: a model knows nothing of them.
    #[must_use]
    pub fn without_segments(&self) -> Self {
        let mut schema = Self { segments: Vec::new(), ..self.clone() };
        for Segment { column, otherwise } in &self.segments {
            let role = otherwise.zip(schema.columns.iter_mut().find(|known| known.name == *column));
            role.into_iter().for_each(|(role, column)| column.role = role);
        }
        schema
    }

    /// Whether a column is read for the sake of segments alone.
    pub fn is_read_for_segments(&self, name: &str) -> bool {
        self.segments.iter().any(|segment| segment.column == name && segment.otherwise.is_some())
    }

    /// The columns of one role, in order.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.role == role)
    }

    /// The first column of one role.
    pub fn first(&self, role: Role) -> Option<&Column> {
        self.of(role).next()
    }

    /// Numeric columns, as they are parsed; the learner's are [`Schema::dense`].
    pub fn numeric(&self) -> usize {
        self.of(Role::Numeric).count()
    }

    /// Floats of a row of the numeric columns, padding included.
    pub fn stride(&self) -> usize {
        stride(self.numeric())
    }

    /// Whether a column is read for its time alone, and is no feature.
    pub fn is_time(&self, name: &str) -> bool {
        [&self.time, &self.label_time].into_iter().flatten().any(|time| time == name)
    }

    /// How a column writes its times.
    pub fn form_of(&self, name: &str) -> Form {
        // The configuration has refused forms that are none.
        let format = self.time_format.as_ref().filter(|_| self.is_time(name));
        format.and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// The names of the columns of one role, comma between them; an event time that is read as text is a time.
    pub fn names(&self, role: Role) -> String {
        if !self.segments.is_empty() {
            return self.without_segments().names(role);
        }
        let is_time = |column: &&Column| self.is_time(&column.name);
        let times = self.columns.iter().filter(is_time).filter(|_| role == Role::Time);
        let columns = self.of(role).filter(|column| !is_time(column)).chain(times);
        columns.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}
