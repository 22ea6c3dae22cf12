//! Two inputs as one: takes records of features and, in another text, their outcomes; gives one text in the order of
//! event time. Of two records of one time the features come first. It never changes the order within an input.
//!
//! An outcome becomes a record with the features' columns that is empty but for its id, time and label; a line without a
//! time that can be read goes at once, and one that is broken goes on so that the parser rejects it.
//! Siblings: `lines` (the records of a text), `fields` and `table` (those of CSV and TSV), `objects` (those of JSON lines).

mod fields;
mod lines;
mod objects;
mod table;

use std::io::{self, Read};
use std::path::PathBuf;

use super::{Input, open, open_text};
use crate::error::{Error, Result};
use crate::schema::Format;
use crate::timestamp::Form;
use fields::Fields;
use lines::{Lines, Piece};
use objects::Objects;
use table::Table;

/// What is merged, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merging {
    /// Records without their labels.
    pub features: Input,
    /// A file of ids, times and labels.
    pub outcomes: PathBuf,
    /// How both are written.
    pub format: Format,
    /// The columns of features without a header line.
    pub columns: Option<Vec<String>>,
    /// The column by which they are joined.
    pub id: String,
    /// The column of the event time.
    pub time: String,
    /// How it is written.
    pub form: Form,
    /// The column to learn.
    pub label: String,
}

/// Both texts as one.
pub(super) struct Merged {
    features: Side,
    outcomes: Side,
    records: Records,
    /// The input whose long line has been begun and not been ended.
    within: Option<Of>,
    out: Vec<u8>,
    /// Bytes of `out` that have been read.
    given: usize,
}

/// How the records of both inputs are understood.
enum Records {
    Table(Box<Table>),
    Objects(Objects),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Features,
    Outcomes,
}

/// An input, and what of it is next.
struct Side {
    lines: Lines,
    text: Vec<u8>,
    next: Option<Next>,
}

#[derive(Clone, Copy)]
struct Next {
    piece: Piece,
    /// When it was; what has no time does not wait.
    time: Option<i64>,
}

impl Merged {
    /// Opens both inputs and looks at their header lines.
    ///
    /// # Errors
    /// Inputs that cannot be opened, or lack a column.
    pub(super) fn open(merging: &Merging) -> Result<Self> {
        let features = open_text(&merging.features)?.reader();
        Self::new(merging, features, open::file(&merging.outcomes)?.reader())
    }

    fn new(merging: &Merging, features: Box<dyn Read + Send>, outcomes: Box<dyn Read + Send>) -> Result<Self> {
        let delimiter = merging.format.has_quotes().then(|| merging.format.delimiter());
        let side = |text| Side { lines: Lines::new(text, delimiter), text: Vec::new(), next: None };
        let (mut features, mut outcomes, mut out) = (side(features), side(outcomes), Vec::new());
        let records = match delimiter {
            None => Records::Objects(Objects::new(merging)),
            Some(delimiter) => {
                let table = table(merging, &mut features, &mut outcomes, delimiter)?;
                match (&merging.columns, features.text.is_empty()) {
                    (Some(_), _) => {}
                    (None, false) => {
                        table.put(&features.text, &merging.label, &mut out);
                        out.push(b'\n');
                    }
                    // Nothing comes of outcomes alone: that the features are empty is told where columns are looked at.
                    (None, true) => outcomes = side(Box::new(io::empty())),
                }
                Records::Table(Box::new(table))
            }
        };
        Ok(Self { features, outcomes, records, within: None, out, given: 0 })
    }

    /// Makes the next piece of the merged text; `false` at the end of both.
    fn advance(&mut self) -> io::Result<bool> {
        self.records.look(&mut self.features, Of::Features)?;
        self.records.look(&mut self.outcomes, Of::Outcomes)?;
        let Some((of, piece)) = self.first() else { return Ok(false) };
        let side = if of == Of::Features { &mut self.features } else { &mut self.outcomes };
        side.next = None;
        self.within = (piece == Piece::Part).then_some(of);
        self.given = 0;
        self.out.clear();
        self.records.put(&side.text, piece, of, &mut self.out);
        if piece != Piece::Part {
            self.out.push(b'\n');
        }
        Ok(true)
    }

    /// Which input goes on: the one whose line is not at its end, else the one whose record was first.
    fn first(&self) -> Option<(Of, Piece)> {
        // Each input waits for the other with its next record alone: one that was before the last holds nobody up.
        let (features, outcomes) = (self.features.next, self.outcomes.next);
        let of = match (features, outcomes, self.within) {
            (_, _, Some(of)) => of,
            (None, _, None) => Of::Outcomes,
            (Some(feature), Some(outcome), None) if outcome.time < feature.time => Of::Outcomes,
            (Some(_), _, None) => Of::Features,
        };
        let next = if of == Of::Features { features } else { outcomes };
        next.map(|next| (of, next.piece))
    }
}

/// The columns of both inputs, of which the header lines have then been read.
fn table(merging: &Merging, features: &mut Side, outcomes: &mut Side, delimiter: u8) -> Result<Table> {
    let header = |side: &mut Side, name: &str| -> Result<Vec<String>> {
        let failed = |cause| Error::input(format!("cannot read {name}")).because(cause);
        side.lines.next(&mut side.text).map_err(failed)?;
        let mut fields = Fields::new(delimiter);
        fields.read(&side.text);
        Ok(fields.names())
    };
    let name = merging.outcomes.display().to_string();
    let theirs = header(outcomes, &name)?;
    if theirs.is_empty() {
        let Merging { id, time, label, .. } = merging;
        return Err(Error::input(format!("{name} is empty: a header line with {id}, {time} and {label} is needed")));
    }
    if let Some(columns) = &merging.columns {
        return Table::new(merging, columns, false, &theirs);
    }
    let ours = header(features, &merging.features.name())?;
    match ours.is_empty() {
        true => Table::new(merging, &theirs, true, &theirs),
        false => Table::new(merging, &ours, true, &theirs),
    }
}

impl Records {
    /// Sees to it that the next piece of an input is known.
    fn look(&mut self, side: &mut Side, of: Of) -> io::Result<()> {
        if side.next.is_some() {
            return Ok(());
        }
        let Some(piece) = side.lines.next(&mut side.text)? else { return Ok(()) };
        let time = match (self, of) {
            _ if piece != Piece::Record => None,
            (Self::Table(table), Of::Features) => table.time(&side.text),
            (Self::Table(table), Of::Outcomes) => table.outcome_time(&side.text),
            (Self::Objects(objects), _) => objects.time(&side.text),
        };
        side.next = Some(Next { piece, time });
        Ok(())
    }

    fn put(&mut self, text: &[u8], piece: Piece, of: Of, out: &mut Vec<u8>) {
        match (self, piece, of) {
            (Self::Table(table), Piece::Record, Of::Features) => table.put(text, "", out),
            (Self::Table(table), Piece::Record, Of::Outcomes) => table.put_outcome(text, out),
            (Self::Objects(objects), Piece::Record, Of::Outcomes) => objects.put_outcome(text, out),
            // What is behind it is another input's: the quote ends with its line.
            (Self::Table(table), Piece::Unclosed, _) => table.put_broken(&[text, b"\""].concat(), out),
            _ => out.extend_from_slice(text),
        }
    }
}

impl Read for Merged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.out.len() {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let read = buffer.len().min(self.out.len() - self.given);
        buffer[..read].copy_from_slice(&self.out[self.given..self.given + read]);
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn merging(format: Format) -> Merging {
        Merging {
            features: Input::Stdin,
            outcomes: "outcomes".into(),
            format,
            columns: None,
            id: "id".into(),
            time: "t".into(),
            form: Form::Since1970(1),
            label: "y".into(),
        }
    }

    fn of(merging: &Merging, features: &[u8], outcomes: &[u8]) -> Result<Vec<u8>> {
        let text = |text: &[u8]| -> Box<dyn Read + Send> { Box::new(io::Cursor::new(text.to_vec())) };
        let mut merged = Vec::new();
        Merged::new(merging, text(features), text(outcomes))?.read_to_end(&mut merged).unwrap();
        Ok(merged)
    }

    fn merged(format: Format, features: &str, outcomes: &str) -> String {
        String::from_utf8(of(&merging(format), features.as_bytes(), outcomes.as_bytes()).unwrap()).unwrap()
    }

    fn refusal(features: &str, outcomes: &str) -> String {
        of(&merging(Format::Csv), features.as_bytes(), outcomes.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn records_come_in_the_order_of_time_and_features_first() {
        let features = "t,id,x,y\n1,a,5,\n3,b,6,\n3,c,7,\n";
        let found = merged(Format::Csv, features, "id,t,y\na,3,1\nb,2,0\nc,9,1\n");
        assert_eq!(found, "t,id,x,y\n1,a,5,\n3,b,6,\n3,c,7,\n3,a,,1\n2,b,,0\n9,c,,1\n");
    }

    #[test]
    fn a_record_that_comes_late_holds_nobody_up() {
        let found = merged(Format::Csv, "t,id,y\n5,a,\n1,b,\n6,c,\n", "id,t,y\na,6,1\nb,2,1\nc,7,1\n");
        assert_eq!(found, "t,id,y\n5,a,\n1,b,\n6,c,\n6,a,1\n2,b,1\n7,c,1\n");
    }

    #[test]
    fn a_label_that_features_do_not_have_becomes_their_last_column() {
        let found = merged(Format::Csv, "\u{feff}t,id\r\n1,a\r\n\r\n4,b", "id,t,\"y\"\r\na,2,1\r\n");
        assert_eq!(found, "t,id,y\n1,a,\n2,a,1\n4,b,\n");
    }

    #[test]
    fn quotes_and_delimiters_in_values_are_kept() {
        let outcomes = "y,id,t\n1,\"a,\"\"b\nc\",2\n";
        let features = "t,id,y\n1,\"a,\"\"b\nc\",\n3,d,\n";
        let expected = "t,id,y\n1,\"a,\"\"b\nc\",\n2,\"a,\"\"b\nc\",1\n3,d,\n";
        assert_eq!(merged(Format::Csv, features, outcomes), expected);
        let found = merged(Format::Tsv, "t\tid\ty\n1\ta,b\t\n", "id\tt\ty\na,b\t2\t1\n");
        assert_eq!(found, "t\tid\ty\n1\ta,b\t\n2\ta,b\t1\n");
    }

    #[test]
    fn a_line_without_a_time_goes_at_once() {
        let found = merged(Format::Csv, "t,id,y\n9,a,\nnone,b,\n", "id,t,y\nc,,1\nd,12,1\ne,soon,0\n");
        assert_eq!(found, "t,id,y\n,c,1\n9,a,\nnone,b,\n12,d,1\nsoon,e,0\n");
    }

    #[test]
    fn a_broken_outcome_never_has_the_fields_of_a_record() {
        let outcomes = "id,t,y,z\na,1,1\nb,1,,\nc\nd,1,1,z,z\ne,1,\"1\n";
        let found = merged(Format::Csv, "t,id,y\n5,f,\n", outcomes);
        assert_eq!(found, "t,id,y\na,1,1,\nb,1,,\nc\nd,1,1,z,z\ne,1,\"1\",\n5,f,\n");
    }

    #[test]
    fn the_columns_of_features_without_a_header_line_are_those_named() {
        let columns = |names: [&str; 3]| Some(names.map(str::to_owned).to_vec());
        let named = Merging { columns: columns(["t", "id", "y"]), ..merging(Format::Csv) };
        assert_eq!(of(&named, b"1,a,\n5,b,\n", b"id,t,y\na,2,1\n").unwrap(), b"1,a,\n2,a,1\n5,b,\n");
        let named = Merging { columns: columns(["t", "id", "x"]), ..named };
        let said = of(&named, b"1,a,\n", b"id,t,y\n").unwrap_err().to_string();
        assert!(said.contains("--columns names no y"), "{said}");
    }

    #[test]
    fn json_lines_are_merged_as_they_are() {
        let features = "{\"t\":1,\"id\":\"a\",\"x\":{\"u\":2}}\n{\"t\":\"4\",\"id\":\"b\"}\n";
        let outcomes = "{\"id\":\"a\", \"t\":1.0, \"y\":true}\n{\"id\":\"b\",\"t\":2}\nbroken\n";
        let lines: Vec<_> = features.lines().chain(outcomes.lines()).map(str::to_owned).collect();
        let expected = [&lines[0], &lines[2], &format!("[{}]", lines[3]), "[broken]", &lines[1]].join("\n") + "\n";
        assert_eq!(merged(Format::JsonL, features, outcomes), expected);
    }

    #[test]
    fn a_column_that_is_missing_is_named_with_those_that_are_there() {
        let said = refusal("t,id\n", "id,when,y\n");
        assert!(said.contains("outcomes has no column t,") && said.contains("id, when, y"), "{said}");
        let said = refusal("t,x\n", "id,t,y\n");
        assert!(said.contains("standard input has no column id,") && said.contains("are: t, x"), "{said}");
        assert!(refusal("t,id\n", "").contains("outcomes is empty: a header line with id, t and y is needed"));
    }

    #[test]
    fn nothing_comes_of_outcomes_without_features() {
        assert_eq!(merged(Format::Csv, "", "id,t,y\na,1,1\n"), "");
        assert_eq!(merged(Format::Csv, "id,t\n", "id,t,y\na,1,1\n"), "id,t,y\na,1,1\n");
    }

    #[test]
    fn nothing_comes_between_the_parts_of_a_line_that_is_too_long() {
        let long = format!("t,id,y\n1,{},\n4,b,\n", "a".repeat(2 * super::super::chunker::MAX_RECORD));
        let found = merged(Format::Csv, &long, "id,t,y\nb,2,1\n");
        let lines: Vec<_> = found.lines().collect();
        assert_eq!((lines.len(), lines[1].len()), (4, 2 * super::super::chunker::MAX_RECORD + 3));
        assert_eq!(&lines[2..], ["2,b,1", "4,b,"]);
    }

    /// Records of an input with their times, which may lie back now and then.
    fn times() -> impl Strategy<Value = Vec<Option<u8>>> {
        prop::collection::vec(prop::option::weighted(0.9, 0_u8..30), 0..40)
    }

    fn text(header: &str, times: &[Option<u8>], line: impl Fn(usize, &str) -> String) -> String {
        let written = |time: &Option<u8>| time.map_or_else(|| "?".into(), |time| time.to_string());
        let lines = times.iter().enumerate().map(|(at, time)| line(at, &written(time)));
        [header.to_owned()].into_iter().chain(lines).map(|line| line + "\n").collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn each_record_comes_once_and_in_the_order_of_its_input(ours in times(), theirs in times()) {
            let features = text("id,t,x,y", &ours, |at, time| format!("\"f,{at}\",{time},1,"));
            let outcomes = text("y,t,id", &theirs, |at, time| format!("1,{time},o{at}"));
            let rewritten = text("", &theirs, |at, time| format!("o{at},{time},,1"));
            let found = merged(Format::Csv, &features, &outcomes);
            let (of_features, of_outcomes): (Vec<&str>, Vec<&str>) = found.lines().partition(|line| !line.starts_with('o'));
            prop_assert_eq!(of_features, features.lines().collect::<Vec<_>>());
            prop_assert_eq!(of_outcomes, rewritten.lines().skip(1).collect::<Vec<_>>());
        }

        #[test]
        fn what_is_in_order_is_merged_in_order(mut ours in times(), mut theirs in times()) {
            ours.sort_unstable();
            theirs.sort_unstable();
            let features = text("id,t,y", &ours, |at, time| format!("f{at},{time},"));
            let outcomes = text("id,t,y", &theirs, |at, time| format!("o{at},{time},1"));
            let found = merged(Format::Csv, &features, &outcomes);
            let key = |line: &str| (line.split(',').nth(1).unwrap().parse::<u8>().ok(), line.starts_with('o'));
            prop_assert!(found.lines().skip(1).map(key).is_sorted(), "{found}");
        }
    }
}
