//! Comparing what two runs wrote: takes two files, gives the first place in which they differ. It holds a buffer of
//! each, however long they are.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::source::open;

/// Bytes of each file that are held.
const BUFFER: usize = 1 << 16;

/// Keys of a summary that may rightly differ: times, and what the machine and the number of threads make of them.
const MAY_DIFFER: [&str; 7] = ["elapsed_s", "records_per_s", "bytes_per_s", "stages", "bottleneck", "threads", "cores"];
/// The same where the device was left to be chosen: a measurement, which comes out another way each time.
const MEASURED: &str = "device_reason";

/// The first place in which two files differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes in front of it.
    pub byte: u64,
    /// Its line, from 1.
    pub line: u64,
    /// Which of them is at its end there.
    pub ended: Option<Ended>,
}

/// The shorter of two files that are alike as far as it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The uninterrupted run's.
    Whole,
    /// The resumed run's.
    Resumed,
}

/// The first difference of two files, byte by byte.
pub(super) fn files(whole: &Path, resumed: &Path) -> Result<Option<String>> {
    let (Some(first), Some(second)) = (open(whole)?, open(resumed)?) else { return Ok(missing(whole, resumed)) };
    let found = first_difference(first, second).map_err(|cause| unreadable(resumed, cause))?;
    Ok(found.map(|place| format!("byte {}{}", place.byte, in_words(place.ended))))
}

/// The first difference of two texts, which may be compressed: where their members end may differ.
pub(super) fn texts(whole: &Path, resumed: &Path) -> Result<Option<String>> {
    if !whole.exists() || !resumed.exists() {
        return Ok(missing(whole, resumed));
    }
    let found = first_difference(open::file(whole)?.reader(), open::file(resumed)?.reader())
        .map_err(|cause| unreadable(resumed, cause))?;
    Ok(found.map(|place| format!("line {}, byte {}{}", place.line, place.byte, in_words(place.ended))))
}

/// The first figure in which two summaries differ. `is_device_measured`: by which the device was chosen.
pub(super) fn summaries(whole: &Path, resumed: &Path, is_device_measured: bool) -> Result<Option<String>> {
    if !whole.exists() || !resumed.exists() {
        return Ok(missing(whole, resumed));
    }
    Ok(first_figure(&summary(whole)?, &summary(resumed)?, is_device_measured))
}

/// A summary as it was written.
pub(super) fn summary(path: &Path) -> Result<Map<String, Value>> {
    let file = File::open(path).map_err(|cause| unreadable(path, cause))?;
    let unreadable =
        |cause| Error::input(format!("the summary {} cannot be understood", path.display())).because(cause);
    serde_json::from_reader(BufReader::new(file)).map_err(unreadable)
}

/// The first key whose values differ, with both values.
fn first_figure(whole: &Map<String, Value>, resumed: &Map<String, Value>, is_device_measured: bool) -> Option<String> {
    let keys = whole.keys().chain(resumed.keys().filter(|key| !whole.contains_key(*key)));
    let may_differ = |key: &str| MAY_DIFFER.contains(&key) || (is_device_measured && key == MEASURED);
    let differs = |key: &&String| !may_differ(key) && whole.get(*key) != resumed.get(*key);
    let value = |of: &Map<String, Value>, key: &str| of.get(key).map_or("not there".into(), Value::to_string);
    keys.into_iter()
        .find(differs)
        .map(|key| format!("{key} is {} and was {} uninterrupted", value(resumed, key), value(whole, key)))
}

/// The first place in which two streams of bytes differ.
fn first_difference(whole: impl Read, resumed: impl Read) -> std::io::Result<Option<Place>> {
    let (mut whole, mut resumed) = (BufReader::with_capacity(BUFFER, whole), BufReader::with_capacity(BUFFER, resumed));
    let mut place = Place { byte: 0, line: 1, ended: None };
    loop {
        let (first, second) = (fill(&mut whole)?, fill(&mut resumed)?);
        let ended = match (first.is_empty(), second.is_empty()) {
            (true, true) => return Ok(None),
            (true, false) => Some(Ended::Whole),
            (false, true) => Some(Ended::Resumed),
            (false, false) => None,
        };
        let length = first.len().min(second.len());
        let is_alike = first[..length] == second[..length];
        let alike = match is_alike {
            true => length,
            false => first.iter().zip(second).take_while(|(a, b)| a == b).count(),
        };
        place.byte += alike as u64;
        place.line += memchr::memchr_iter(b'\n', &first[..alike]).count() as u64;
        if ended.is_some() || !is_alike {
            return Ok(Some(Place { ended, ..place }));
        }
        whole.consume(alike);
        resumed.consume(alike);
    }
}

/// What is in the buffer, or the next bytes; empty at the end alone.
fn fill(from: &mut BufReader<impl Read>) -> std::io::Result<&[u8]> {
    while let Err(cause) = from.fill_buf() {
        if cause.kind() != std::io::ErrorKind::Interrupted {
            return Err(cause);
        }
    }
    Ok(from.buffer())
}

fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(unreadable(path, cause)),
    }
}

/// A file that only one of two runs has written.
fn missing(whole: &Path, resumed: &Path) -> Option<String> {
    match (whole.exists(), resumed.exists()) {
        (true, false) => Some("the resumed run did not write it".into()),
        (false, true) => Some("the uninterrupted run did not write it".into()),
        _ => None,
    }
}

fn in_words(ended: Option<Ended>) -> &'static str {
    match ended {
        None => "",
        Some(Ended::Whole) => ", where the uninterrupted run's ends and the resumed one's goes on",
        Some(Ended::Resumed) => ", where the resumed run's ends and the uninterrupted one's goes on",
    }
}

fn unreadable(path: &Path, cause: std::io::Error) -> Error {
    Error::input(format!("cannot read {} to compare it", path.display())).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::summary::tests::summary_of;
    use serde_json::json;

    fn place(whole: &[u8], resumed: &[u8]) -> Option<Place> {
        first_difference(whole, resumed).unwrap()
    }

    #[test]
    fn a_changed_byte_is_found_wherever_it_is() {
        let text: Vec<u8> = (0..3 * BUFFER).map(|at| if at % 100 == 99 { b'\n' } else { b'a' }).collect();
        assert_eq!(place(&text, &text), None);
        for at in [0, 1, 98, 99, 100, BUFFER - 1, BUFFER, 2 * BUFFER + 5, 3 * BUFFER - 1] {
            let mut doctored = text.clone();
            doctored[at] ^= 1;
            let expected = Place { byte: at as u64, line: 1 + at as u64 / 100, ended: None };
            assert_eq!(place(&text, &doctored), Some(expected));
        }
    }

    #[test]
    fn a_file_cut_short_or_gone_on_with_is_found() {
        let text = b"a\nb\n".repeat(BUFFER);
        let end = text.len();
        for length in [0, 1, BUFFER, BUFFER + 1, end - 1] {
            let at = |ended| Place { byte: length as u64, line: 1 + length as u64 / 2, ended: Some(ended) };
            assert_eq!(place(&text, &text[..length]), Some(at(Ended::Resumed)));
            assert_eq!(place(&text[..length], &text), Some(at(Ended::Whole)));
        }
    }

    #[test]
    fn readers_that_give_few_bytes_at_a_time_are_compared_as_well() {
        struct Few<'a>(&'a [u8]);
        impl Read for Few<'_> {
            fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
                let most = to.len().min(3);
                self.0.read(&mut to[..most])
            }
        }
        let mut text = b"one\ntwo\nthree\n".to_vec();
        assert_eq!(first_difference(Few(&text), &*text.clone()).unwrap(), None);
        let whole = text.clone();
        text[9] = b'?';
        assert_eq!(first_difference(&*whole, Few(&text)).unwrap(), Some(Place { byte: 9, line: 3, ended: None }));
    }

    #[test]
    fn files_are_told_apart_by_place_and_by_being_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let (a, b) = (file("a", b"one\ntwo\n"), file("b", b"one\ntWo\n"));
        assert_eq!(files(&a, &a).unwrap(), None);
        assert_eq!(files(&a, &b).unwrap().unwrap(), "byte 5");
        assert_eq!(texts(&a, &b).unwrap().unwrap(), "line 2, byte 5");
        let none = folder.path().join("none");
        for compare in [files, texts] {
            assert_eq!(compare(&a, &none).unwrap().unwrap(), "the resumed run did not write it");
            assert_eq!(compare(&none, &a).unwrap().unwrap(), "the uninterrupted run did not write it");
        }
    }

    #[test]
    fn compressed_texts_are_compared_by_what_they_say() {
        use crate::sink::output::Output;
        let folder = tempfile::tempdir().unwrap();
        let packed = |name: &str, pieces: &[&str]| {
            let path = folder.path().join(name);
            let mut output = Output::create(&path).unwrap();
            for piece in pieces {
                output.write(piece.as_bytes()).unwrap();
                output.mark().unwrap();
            }
            output.finish().unwrap();
            path
        };
        for ending in ["gz", "zst"] {
            let one = packed(&format!("one.{ending}"), &["a\nb\n"]);
            let two = packed(&format!("two.{ending}"), &["a\n", "b\n"]);
            let other = packed(&format!("other.{ending}"), &["a\n", "c\n"]);
            assert!(files(&one, &two).unwrap().is_some());
            assert_eq!(texts(&one, &two).unwrap(), None);
            assert_eq!(texts(&one, &other).unwrap().unwrap(), "line 2, byte 2");
        }
    }

    #[test]
    fn only_times_and_the_machine_may_differ_in_summaries() {
        let whole = match serde_json::to_value(summary_of(&[1.0, -1.0], &[1.0, 0.0]).timed(1.0, 10)).unwrap() {
            Value::Object(whole) => whole,
            other => panic!("{other}"),
        };
        for key in whole.keys() {
            let mut resumed = whole.clone();
            resumed.insert(key.clone(), json!("something else"));
            let found = first_figure(&whole, &resumed, false);
            assert_eq!(found.is_none(), MAY_DIFFER.contains(&key.as_str()), "{key}: {found:?}");
            assert!(found.is_none_or(|found| found.starts_with(&format!("{key} is \"something else\" and was "))));
        }
        assert!(MAY_DIFFER.iter().chain(&[MEASURED]).all(|key| whole.contains_key(*key)));
        let mut resumed = whole.clone();
        resumed.insert(MEASURED.into(), json!("measured"));
        assert_eq!(first_figure(&whole, &resumed, true), None);
        resumed.remove("records");
        assert_eq!(first_figure(&whole, &resumed, true).unwrap(), "records is not there and was 2 uninterrupted");
        assert_eq!(first_figure(&resumed, &whole, true).unwrap(), "records is 2 and was not there uninterrupted");
    }
}
