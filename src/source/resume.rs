//! Goes on in the middle: takes an input and the place where it was left, gives it from there on, after a check that
//! what stands before the place is what was read then. It never hands on a byte of another source.

use std::fs::File;
use std::hash::Hasher as _;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use twox_hash::xxhash3_64::Hasher;

use super::columnar::ColumnChunks;
use super::fingerprint::Fingerprint;
use super::live::SILENT;
use super::open::Text;
use super::synthetic::chunks::SyntheticChunks;
use super::{CHUNK, Current, Input, Reading, open_text};
use crate::error::{Error, Result};
use crate::record::{Chunk, Place};
use crate::schema::Format;

/// Opens the input that was being read, behind what was read of it.
pub(super) fn open_at(inputs: &[Input], place: &Place, reading: Reading) -> Result<Current> {
    let Some(input) = inputs.get(place.source as usize) else {
        let (named, begun) = (inputs.len(), place.source + 1);
        return Err(Error::input(format!(
            "the checkpoint stands in input number {begun}, and there are {named}: name all inputs again, those that \
             have been read first"
        )));
    };
    match input {
        &Input::Synthetic { generator, rows, seed } => {
            let stream = SyntheticChunks::new(generator, rows, seed, true);
            pass_over(stream, place, reading).ok_or_else(|| another(input, place))
        }
        _ if reading.format.is_columnar() => open_columns_at(input, place, reading),
        _ => open_text_at(open_text(input)?, input, place, reading),
    }
}

fn open_columns_at(input: &Input, place: &Place, reading: Reading) -> Result<Current> {
    let mut chunks = ColumnChunks::open(input, reading.format, true)?;
    if chunks.go_behind(place)? { Ok(Current::Columnar(Box::new(chunks))) } else { Err(other_columns(input, place)) }
}

/// Looks at inputs that had been read to their end: a file that has grown since would lose records without a word.
pub(super) fn check_finished(inputs: &[Input], places: &[Place], format: Format) -> Result<()> {
    for place in places {
        let Some(input @ Input::File(_)) = inputs.get(place.source as usize) else { continue };
        if format.is_columnar() {
            check_finished_columns(input, place, format)?;
            continue;
        }
        let Text::File(mut file) = open_text(input)? else { continue };
        let length = file.metadata().map_err(|cause| unreadable(input, cause))?.len();
        check_tail(&mut file, input, place)?;
        if length > place.offset {
            return Err(has_grown(input));
        }
    }
    Ok(())
}

fn check_finished_columns(input: &Input, place: &Place, format: Format) -> Result<()> {
    if input.size().is_none() {
        return Ok(()); // a pipe can be read only once
    }
    let mut chunks = ColumnChunks::open(input, format, true)?;
    if !chunks.go_behind(place)? {
        return Err(other_columns(input, place));
    }
    if chunks.has_more()? { Err(has_grown(input)) } else { Ok(()) }
}

fn has_grown(input: &Input) -> Error {
    Error::input(format!(
        "{} has grown since it was read to its end, and the input behind it has been begun: what is new in it cannot take \
         its place in the stream any more; give the new records as an input of their own, or start again with an empty \
         --checkpoint folder",
        input.name()
    ))
}

/// A generated stream has no other way to a place than through all before it.
fn pass_over(mut stream: SyntheticChunks, place: &Place, reading: Reading) -> Option<Current> {
    let mut chunk = Chunk::default();
    let mut size = CHUNK; // of the first chunk, by which the size of the others was chosen
    while chunk.place.offset < place.offset {
        if !stream.fill(&mut chunk, size) {
            return None;
        }
        size = reading.chunk;
    }
    let same = Place { source: place.source, ..chunk.place } == *place;
    same.then(|| Current::Synthetic(Box::new(stream)))
}

fn open_text_at(text: Text, input: &Input, place: &Place, reading: Reading) -> Result<Current> {
    let (text, fingerprint, tail) = match text {
        Text::File(mut file) => {
            let tail = check_tail(&mut file, input, place)?;
            (Text::File(file), Fingerprint::Tail, tail)
        }
        Text::Stream(mut stream) => {
            let (fingerprint, tail) = check_stream(&mut stream, input, place)?;
            (Text::Stream(stream), fingerprint, tail)
        }
    };
    let text = Text::Stream(in_no_line(text.reader(), tail, input)?);
    Ok(Current::text(text, input, reading, place.offset, fingerprint))
}

/// The text behind a place, which must not lie in a line; `before` is the byte before it.
pub(super) fn in_no_line(
    text: Box<dyn Read + Send>,
    before: Option<u8>,
    input: &Input,
) -> Result<Box<dyn Read + Send>> {
    match before {
        Some(byte) if byte != b'\n' => not_in_a_line(text, input),
        _ => Ok(text),
    }
}

/// Compares what stands before the place in a file, which then stands at the place; gives the last byte before it.
pub(super) fn check_tail(file: &mut File, input: &Input, place: &Place) -> Result<Option<u8>> {
    let length = file.metadata().map_err(|cause| unreadable(input, cause))?.len();
    if length < place.offset {
        return Err(another(input, place));
    }
    file.seek(SeekFrom::Start(place.offset - place.covered)).map_err(|cause| unreadable(input, cause))?;
    let mut hasher = Hasher::new();
    let last = pass(file, place.covered, |bytes| hasher.write(bytes)).map_err(|cause| unreadable(input, cause))?;
    if place.covered > 0 && hasher.finish() != place.fingerprint { Err(another(input, place)) } else { Ok(last) }
}

/// Reads a stream up to the place; gives the fingerprint of all of it, and the last byte.
fn check_stream(stream: &mut dyn Read, input: &Input, place: &Place) -> Result<(Fingerprint, Option<u8>)> {
    let (mut whole, mut tail) = (Fingerprint::whole(), Hasher::new());
    let failed = |cause: io::Error| match cause.kind() {
        ErrorKind::UnexpectedEof => another(input, place),
        _ => unreadable(input, cause),
    };
    pass(stream, place.offset - place.covered, |bytes| whole.pass(bytes)).map_err(failed)?;
    let last = pass(stream, place.covered, |bytes| {
        whole.pass(bytes);
        tail.write(bytes);
    });
    let last = last.map_err(failed)?;
    if place.covered > 0 && tail.finish() != place.fingerprint {
        return Err(another(input, place));
    }
    Ok((whole, last))
}

/// Reads exactly so many bytes; gives the last one.
fn pass(from: &mut dyn Read, bytes: u64, mut see: impl FnMut(&[u8])) -> io::Result<Option<u8>> {
    let mut buffer = vec![0; CHUNK];
    let (mut left, mut last) = (bytes, None);
    while left > 0 {
        let want = buffer.len().min(left as usize);
        match from.read(&mut buffer[..want]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                see(&buffer[..read]);
                (left, last) = (left - read as u64, Some(buffer[read - 1]));
            }
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(last)
}

/// A record without a line end is whole only where the input ends behind it, now as then.
fn not_in_a_line(mut text: Box<dyn Read + Send>, input: &Input) -> Result<Box<dyn Read + Send>> {
    let mut next = [0];
    let read = loop {
        match text.read(&mut next) {
            Err(cause) if cause.kind() == SILENT => {} // a file that is followed: what comes next is waited for
            read => break read.map_err(|cause| unreadable(input, cause))?,
        }
    };
    if read > 0 && !matches!(next[0], b'\n' | b'\r') {
        return Err(Error::input(format!(
            "{} ended without a line end when it was read, and its last line has been continued since: that record has \
             been learned as it stood; start again with an empty --checkpoint folder, or go on from a copy that has the \
             line as it was",
            input.name()
        )));
    }
    Ok(Box::new(io::Cursor::new(next).take(read as u64).chain(text)))
}

fn another(input: &Input, place: &Place) -> Error {
    Error::input(format!(
        "{} is not what the checkpoint has read {} bytes of: go on with the same input, or start again with an empty \
         --checkpoint folder",
        input.name(),
        place.offset
    ))
}

fn other_columns(input: &Input, place: &Place) -> Error {
    Error::input(format!(
        "{} is not what the checkpoint has read {} records of: go on with the same input, or start again with an empty \
         --checkpoint folder",
        input.name(),
        place.offset
    ))
}

fn unreadable(input: &Input, cause: io::Error) -> Error {
    Error::input(format!("cannot read {} up to where the checkpoint stands: try again", input.name())).because(cause)
}

#[cfg(test)]
mod tests {
    use super::super::{Eager, Source};
    use super::*;
    use crate::record::Position;
    use crate::source::merged::Merging;
    use crate::source::synthetic::Generator;
    use crate::timestamp::Form;
    use std::io::Write;
    use std::path::Path;

    const READING: Reading = Reading { format: Format::Csv, eager: Eager::Never, fingerprints: true, chunk: 5000 };

    fn all(mut source: Source) -> Vec<(Place, Vec<u8>)> {
        let mut chunks = Vec::new();
        while let Some(chunk) = source.next_chunk(Chunk::default()).unwrap() {
            chunks.push((chunk.place, chunk.text().to_vec()));
        }
        chunks
    }

    fn text() -> Vec<u8> {
        (0..9000).flat_map(|k| format!("{k},{}\n", k % 7).into_bytes()).collect()
    }

    fn written(path: &Path, text: &[u8]) -> Input {
        let file = File::create(path).unwrap();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => {
                flate2::write::GzEncoder::new(file, flate2::Compression::fast()).write_all(text).unwrap();
            }
            Some("zst") => zstd::stream::copy_encode(text, file, 0).unwrap(),
            _ => std::fs::write(path, text).unwrap(),
        }
        Input::File(path.to_owned())
    }

    /// The text behind each place, and what reading from the place gives.
    fn check_every_place(inputs: &[Input]) {
        check_every_place_of(inputs, all(Source::new(inputs.to_vec(), READING)));
    }

    fn check_every_place_of(inputs: &[Input], chunks: Vec<(Place, Vec<u8>)>) {
        let mut position = Position::default();
        for at in 0..chunks.len() {
            position.advance(chunks[at].0);
            let rest: Vec<u8> = chunks[at + 1..].iter().flat_map(|(_, text)| text.clone()).collect();
            let resumed = all(Source::resume(inputs.to_vec(), READING, &position, None).unwrap());
            let found: Vec<u8> = resumed.iter().flat_map(|(_, text)| text.clone()).collect();
            assert!(found == rest, "behind chunk {at} of {inputs:?}");
            assert_eq!(resumed.last().map(|(place, _)| place), chunks[at + 1..].last().map(|(place, _)| place));
        }
    }

    #[test]
    fn an_input_goes_on_behind_every_chunk() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = ["a.csv", "b.csv.gz", "c.csv.zst"].map(|name| written(&folder.path().join(name), &text()));
        check_every_place(&inputs);
        check_every_place(&inputs[1..]);
    }

    #[test]
    fn features_with_outcomes_go_on_behind_every_chunk() {
        let folder = tempfile::tempdir().unwrap();
        let line = |k: i32| format!("{k},{},{}\n", k / 2, if k % 3 == 0 { "" } else { "1" }).into_bytes();
        let text = |rows| [b"id,t,y\n".to_vec(), (0..rows).flat_map(line).collect()].concat();
        let features = written(&folder.path().join("a.csv"), &text(3000));
        written(&folder.path().join("b.csv.gz"), &text(4000));
        let merging = Merging {
            features,
            outcomes: folder.path().join("b.csv.gz"),
            format: Format::Csv,
            columns: None,
            id: "id".into(),
            time: "t".into(),
            form: Form::Since1970(1),
            label: "y".into(),
        };
        check_every_place(&[Input::Merged(Box::new(merging.clone()))]);
        let merged = Input::Merged(Box::new(merging));
        let position = Position { places: vec![all(Source::new(vec![merged.clone()], READING))[2].0] };
        written(&folder.path().join("b.csv.gz"), &text(10));
        assert!(refusal(&merged, &position).contains("a.csv with"));
    }

    #[test]
    fn a_generated_stream_goes_on_behind_every_chunk() {
        for generator in Generator::ALL {
            let input = Input::Synthetic { generator, rows: 20_000, seed: 3 };
            let mut source = Source::new(vec![input.clone()], Reading { chunk: CHUNK, ..READING });
            let head = source.next_chunk(Chunk::default()).unwrap().unwrap();
            source.reading.chunk = READING.chunk; // as `fit` does
            let chunks = [vec![(head.place, head.text().to_vec())], all(source)].concat();
            check_every_place_of(&[input], chunks);
        }
    }

    fn refusal(input: &Input, position: &Position) -> String {
        let error = Source::resume(vec![input.clone()], READING, position, None).err().unwrap();
        assert_eq!(error.kind(), crate::error::ErrorKind::Input);
        error.to_string()
    }

    #[test]
    fn another_input_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.csv", "a.csv.gz"] {
            let path = folder.path().join(name);
            let first = all(Source::new(vec![written(&path, &text())], READING));
            let position = Position { places: vec![first[3].0] };
            let mut other = text();
            other[first[3].0.offset as usize - 5] ^= 1;
            for other in [&other, &text()[..100]] {
                assert!(refusal(&written(&path, other), &position).contains("is not what the checkpoint has read"));
            }
        }
        let stream = |seed| Input::Synthetic { generator: Generator::Clicks, rows: 9000, seed };
        let reading = Reading { chunk: CHUNK, ..READING };
        let position = Position { places: vec![all(Source::new(vec![stream(1)], reading))[0].0] };
        assert!(refusal(&stream(2), &position).contains("is not what the checkpoint has read"));
    }

    #[test]
    fn a_change_anywhere_in_what_a_compressed_file_held_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv.zst");
        let places = all(Source::new(vec![written(&path, &text())], READING));
        let mut other = text();
        other[0] = b'7';
        let position = Position { places: vec![places.last().unwrap().0] };
        assert!(refusal(&written(&path, &other), &position).contains("is not what"));
    }

    #[test]
    fn a_file_goes_on_as_a_stream_and_the_other_way_round() {
        let folder = tempfile::tempdir().unwrap();
        let [plain, packed] = ["a.csv", "a.csv.gz"].map(|name| written(&folder.path().join(name), &text()));
        for (one, other) in [(&plain, &packed), (&packed, &plain)] {
            let chunks = all(Source::new(vec![one.clone()], READING));
            let position = Position { places: vec![chunks[2].0] };
            let rest = all(Source::resume(vec![other.clone()], READING, &position, None).unwrap());
            assert_eq!(rest[0].1, chunks[3].1);
        }
    }

    #[test]
    fn a_file_that_has_grown_goes_on_if_it_was_the_last_one_begun() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = ["a.csv", "b.csv"].map(|name| written(&folder.path().join(name), b"x,y\n1,2\n"));
        let ends: Vec<Place> = all(Source::new(inputs.to_vec(), READING)).iter().map(|(place, _)| *place).collect();
        written(&folder.path().join("a.csv"), b"x,y\n1,2\n3,4\n");
        let resumed = Source::resume(inputs[..1].to_vec(), READING, &Position { places: ends[..1].to_vec() }, None);
        assert_eq!(all(resumed.unwrap())[0].1, b"3,4\n");
        let error = Source::resume(inputs.to_vec(), READING, &Position { places: ends }, None).err().unwrap();
        assert!(error.to_string().contains("a.csv has grown"), "{error}");
    }

    #[test]
    fn a_line_that_was_continued_is_refused_and_one_that_was_ended_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let input = written(&path, b"x,y\n1,2");
        let position = Position { places: vec![all(Source::new(vec![input.clone()], READING))[0].0] };
        written(&path, b"x,y\n1,2\n3,4\n");
        assert_eq!(all(Source::resume(vec![input.clone()], READING, &position, None).unwrap())[0].1, b"\n3,4\n");
        written(&path, b"x,y\n1,23\n");
        assert!(refusal(&input, &position).contains("continued since"));
    }

    #[test]
    fn too_few_inputs_are_named() {
        let position = Position { places: vec![Place { source: 1, ..Place::default() }] };
        assert!(refusal(&Input::Stdin, &position).contains("input number 2, and there are 1"));
    }
}
