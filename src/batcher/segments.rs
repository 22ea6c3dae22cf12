//! Segments: takes the texts by which metrics are told apart, gives each a number that is the same for the whole run.
//!
//! The values of a column that come first have numbers of their own, up to a limit; those behind it share one. Numbers
//! follow from the order of the stream alone. It keeps no figures.

use std::collections::HashMap;

use crate::error::Result;
use crate::examples::Examples;
use crate::snapshot::{Restoring, Saving, Snapshot};

/// What all values of a column that are not told apart are called.
pub const OTHER: &str = "(other)";
/// Bytes by which values are told apart; what is behind them is not looked at.
const LONGEST: usize = 128;

/// The values met so far. The first numbers are those of the shared segments, one a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Segments {
    columns: Vec<String>,
    /// Values of a column that are told apart.
    most: usize,
    /// Column and value of each number behind the shared ones.
    values: Vec<(u32, String)>,
    /// Values by column.
    numbers: Vec<HashMap<Vec<u8>, u32>>,
    /// Values that came where there was no number left, a record each.
    not_told_apart: u64,
}

impl Segments {
    /// For these columns, of each of which `most` values are told apart; `None` where there is no column.
    pub fn new(columns: Vec<String>, most: usize) -> Option<Self> {
        let numbers = vec![HashMap::new(); columns.len()];
        (!columns.is_empty()).then_some(Self { columns, most, values: Vec::new(), numbers, not_told_apart: 0 })
    }

    /// The column and the value of a segment: its place among the columns, its name, and the text.
    pub fn name(&self, number: u32) -> (usize, &str, &str) {
        let columns = self.columns.len();
        let (column, value) = match self.values.get((number as usize).wrapping_sub(columns)) {
            Some((column, value)) => (*column as usize, value.as_str()),
            None => (number as usize % columns, OTHER),
        };
        (column, &self.columns[column], value)
    }

    /// Values that were not told apart, a record each.
    pub fn not_told_apart(&self) -> u64 {
        self.not_told_apart
    }

    /// Adds the numbers of a record's segments.
    pub(super) fn push(&mut self, examples: &Examples, row: usize, to: &mut Vec<u32>) {
        let width = self.columns.len();
        for column in 0..width {
            let at = row * width + column;
            let start = if at == 0 { 0 } else { examples.segment_end[at - 1] };
            let text = &examples.segment[start as usize..examples.segment_end[at] as usize];
            to.push(self.number(column, &text[..text.len().min(LONGEST)]));
        }
    }

    fn number(&mut self, column: usize, text: &[u8]) -> u32 {
        if let Some(&number) = self.numbers[column].get(text) {
            return number;
        }
        if self.numbers[column].len() >= self.most {
            self.not_told_apart += 1;
            return column as u32;
        }
        let number = (self.columns.len() + self.values.len()) as u32;
        self.values.push((column as u32, String::from_utf8_lossy(text).into_owned()));
        self.numbers[column].insert(text.to_owned(), number);
        number
    }
}

impl Snapshot for Segments {
    const PART: &'static str = "segments";

    fn save(&self, to: &mut Saving<'_>) {
        let Self { columns, most, values, numbers, not_told_apart } = self;
        to.put("counts", &[*most as u64, *not_told_apart]);
        to.put_texts("columns", columns.iter().map(String::as_str));
        to.put("of", &values.iter().map(|(column, _)| *column).collect::<Vec<_>>());
        // As they were met, which the text that is shown may not be.
        let mut met: Vec<_> = numbers.iter().flatten().map(|(text, &number)| (number, text)).collect();
        met.sort_unstable();
        let ends = met.iter().scan(0, |end: &mut u64, (_, text)| {
            *end += text.len() as u64;
            Some(*end)
        });
        to.put("met_end", &ends.collect::<Vec<_>>());
        to.put_with::<u8>("met", |bytes| met.iter().for_each(|(_, text)| bytes.extend_from_slice(text)));
    }

    fn restore(&mut self, from: &Restoring<'_>) -> Result<()> {
        let Self { columns, most, values, numbers, not_told_apart } = self;
        let [told, others] = from.counts("counts")?;
        from.check("columns", from.texts("columns")? == *columns && told == *most as u64)?;
        *not_told_apart = others;
        let of: Vec<u32> = from.get("of")?;
        let (met, ends): (Vec<u8>, Vec<u64>) = (from.get("met")?, from.exactly("met_end", of.len())?);
        from.check("met_end", ends.is_sorted() && ends.last().map_or(0, |&end| end) == met.len() as u64)?;
        values.clear();
        numbers.iter_mut().for_each(HashMap::clear);
        let mut start = 0;
        for ((&column, &end), number) in of.iter().zip(&ends).zip(columns.len() as u32..) {
            let text = &met[start..end as usize];
            values.push((column, String::from_utf8_lossy(text).into_owned()));
            let known = numbers.get_mut(column as usize).ok_or_else(|| from.broken("of"))?;
            from.check("of", known.insert(text.to_owned(), number).is_none() && known.len() <= *most)?;
            start = end as usize;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::State;

    fn examples(rows: &[[&[u8]; 2]]) -> Examples {
        let mut examples = Examples { rows: rows.len(), ..Examples::default() };
        for text in rows.iter().flatten() {
            examples.segment.extend_from_slice(text);
            examples.segment_end.push(examples.segment.len() as u32);
        }
        examples
    }

    fn numbers(segments: &mut Segments, rows: &[[&[u8]; 2]]) -> Vec<u32> {
        let (examples, mut numbers) = (examples(rows), Vec::new());
        (0..rows.len()).for_each(|row| segments.push(&examples, row, &mut numbers));
        numbers
    }

    #[test]
    fn the_first_values_have_numbers_of_their_own_and_the_rest_share_one() {
        let mut segments = Segments::new(vec!["site".into(), "hour".into()], 2).unwrap();
        let rows: [[&[u8]; 2]; 4] = [[b"a", b"7"], [b"b", b""], [b"c", b"7"], [b"a", b"a"]];
        assert_eq!(numbers(&mut segments, &rows), [2, 3, 4, 5, 0, 3, 2, 1]);
        let names: Vec<_> = (0..6).map(|number| segments.name(number)).collect();
        assert_eq!(names[..3], [(0, "site", OTHER), (1, "hour", OTHER), (0, "site", "a")]);
        assert_eq!((names[5], segments.not_told_apart()), ((1, "hour", ""), 2));
    }

    #[test]
    fn numbers_go_on_from_a_snapshot_and_those_of_other_columns_are_refused() {
        let fresh = |most| Segments::new(vec!["site".into(), "hour".into()], most).unwrap();
        let mut segments = fresh(3);
        numbers(&mut segments, &[[b"a", b"\xff"], [b"b", b"\xfe"]]); // shown alike, and two values
        let mut state = State::default();
        state.save(&segments);
        let mut restored = fresh(3);
        state.restore(&mut restored).unwrap();
        assert_eq!(restored, segments);
        assert_eq!(numbers(&mut restored, &[[b"b", b"\xff"]]), [4, 3]);
        assert!(state.restore(&mut fresh(4)).is_err());
        assert!(state.restore(&mut Segments::new(vec!["site".into()], 3).unwrap()).is_err());
    }
}
