//! Fields of a record of CSV or TSV: takes its text, gives them unescaped, and writes them again. It never judges them.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

/// The fields of the record that was read last, in buffers that grow with the longest.
pub(super) struct Fields {
    reader: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

impl Fields {
    pub(super) fn new(delimiter: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        Self { reader, text: vec![0; 1024], ends: vec![0; 64], count: 0 }
    }

    /// Reads a record without its line end.
    pub(super) fn read(&mut self, record: &[u8]) {
        self.reader.reset();
        self.count = 0;
        let (mut at, mut written) = (0, 0);
        loop {
            let (text, ends) = (&mut self.text[written..], &mut self.ends[self.count..]);
            let (result, read, wrote, ended) = self.reader.read_record(&record[at..], text, ends);
            (at, written, self.count) = (at + read, written + wrote, self.count + ended);
            match result {
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::InputEmpty => {} // asked once more, the reader ends the record
                ReadRecordResult::Record | ReadRecordResult::End => return,
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// A field by its place; `None` where the record is shorter.
    pub(super) fn get(&self, at: usize) -> Option<&[u8]> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        (at < self.count).then(|| &self.text[start..self.ends[at]])
    }

    /// All of them as names of columns.
    pub(super) fn names(&self) -> Vec<String> {
        let name = |field: &[u8]| String::from_utf8_lossy(field.trim_ascii()).into_owned();
        (0..self.count).filter_map(|at| self.get(at).map(name)).collect()
    }
}

/// Writes a field, in quotes where it needs them.
pub(super) fn write(field: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    if !field.iter().any(|&byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r')) {
        return out.extend_from_slice(field);
    }
    out.push(b'"');
    for &byte in field {
        out.extend(if byte == b'"' { &b"\"\""[..] } else { std::slice::from_ref(&byte) });
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn fields_that_were_written_are_read_again(fields in prop::collection::vec("[ab,\"\r\n ]{0,9}", 2..90)) {
            let mut text = Vec::new();
            for (at, field) in fields.iter().enumerate() {
                text.extend((at > 0).then_some(b','));
                write(field.as_bytes(), b',', &mut text);
            }
            let mut read = Fields::new(b',');
            read.read(b"before,it");
            read.read(&text);
            let found: Vec<_> = (0..read.count()).map(|at| read.get(at).unwrap().to_vec()).collect();
            prop_assert_eq!(found, fields.iter().map(|field| field.as_bytes().to_vec()).collect::<Vec<_>>());
            prop_assert_eq!(read.get(fields.len()), None);
        }
    }
}
