//! Features as a sparse format spells them out: takes their names, gives their hashes with their values beside them.

use super::cross::{MAX_FEATURES, Run};
use super::feature::Sink;
use super::hash::{digits, hashed, namespace};
use crate::examples::Examples;
use crate::record::{Name, Reason, Records, Space, Span};
use crate::schema::Hashing;

/// Adds the features of record `row`.
#[inline(always)]
pub(super) fn push(records: &Records, row: usize, hashing: Hashing, examples: &mut Examples) {
    let (bytes, sparse) = (&records.chunk.bytes[..], &records.sparse);
    let first = if row == 0 { 0 } else { sparse.record_end[row - 1] as usize };
    let mut at = first.checked_sub(1).map_or(0, |before| sparse.space[before].end as usize);
    let start = at;
    for &Space { name, end } in &sparse.space[first..sparse.record_end[row] as usize] {
        let seed = hashed(name.of(bytes), 0, hashing);
        let names = sparse.name[at..end as usize].iter();
        examples.hash.extend(names.map(|&name| hash_of(name, seed, bytes, hashing)));
        at = end as usize;
    }
    examples.value.extend_from_slice(&sparse.value[start..at]);
}

/// The features of the namespaces at these places, with what they are called; neighbours of one name are one run.
pub(super) fn extract(
    records: &Records,
    hashing: Hashing,
    order: &[usize],
    runs: &mut Vec<Run>,
    sink: &mut impl Sink,
) -> Result<(), Reason> {
    let (bytes, sparse) = (&records.chunk.bytes[..], &records.sparse);
    let start = sink.count();
    for &place in order {
        let Space { name, end } = sparse.space[place];
        let first = place.checked_sub(1).map_or(0, |before| sparse.space[before].end);
        let space = name.of(bytes);
        let (seed, called) = (hashed(space, 0, hashing), String::from_utf8_lossy(space));
        sink.enter(&called);
        for at in first as usize..end as usize {
            let hash = hash_of(sparse.name[at], seed, bytes, hashing);
            sink.put(hash, sparse.value[at], || called_by(&called, sparse.name[at], bytes));
        }
        if sink.count() - start > MAX_FEATURES {
            return Err(Reason::TooManyFeatures);
        }
        let run = Run { space: namespace(space), end: sink.count() as u32 };
        match runs.last_mut() {
            Some(last) if last.space == run.space => *last = run,
            _ => runs.push(run),
        }
    }
    Ok(())
}

/// The namespace of the feature `nth` of record `row`, as [`push`] adds them.
pub(super) fn space_of(records: &Records, row: usize, nth: usize) -> &[u8] {
    let sparse = &records.sparse;
    let first = if row == 0 { 0 } else { sparse.record_end[row - 1] as usize };
    let start = first.checked_sub(1).map_or(0, |before| sparse.space[before].end as usize);
    let spaces = &sparse.space[first..sparse.record_end[row] as usize];
    let found = spaces.iter().find(|space| start + nth < space.end as usize);
    found.map_or(&[], |space| space.name.of(&records.chunk.bytes))
}

/// The places of a record's namespaces: as they stand, or by name where crosses ask for an order.
pub(super) fn order(records: &Records, row: usize, by_name: bool, order: &mut Vec<usize>) {
    let (bytes, sparse) = (&records.chunk.bytes[..], &records.sparse);
    let first = if row == 0 { 0 } else { sparse.record_end[row - 1] as usize };
    order.clear();
    order.extend(first..sparse.record_end[row] as usize);
    if by_name {
        order.sort_by_key(|&place| sparse.space[place].name.of(bytes));
    }
}

#[inline(always)]
fn hash_of(name: Name, seed: u32, bytes: &[u8], hashing: Hashing) -> u32 {
    match name {
        Name::Plain(name) => plain(bytes, name, seed, hashing),
        Name::Text(name, value) => hashed(value.of(bytes), hashed(name.of(bytes), seed, hashing), hashing),
        Name::Place(place) => seed.wrapping_add(place),
    }
}

/// `space^name`, `space^name=value`, or `space^#2` for the third of those without a name.
fn called_by(space: &str, name: Name, bytes: &[u8]) -> String {
    let text = |span: Span| String::from_utf8_lossy(span.of(bytes));
    let own = match name {
        Name::Plain(name) => text(name).into_owned(),
        Name::Text(name, value) => format!("{}={}", text(name), text(value)),
        Name::Place(place) => format!("#{place}"),
    };
    if space.is_empty() { own } else { format!("{space}^{own}") }
}

/// Hash of a feature without a text value: in most files of this kind, a few digits.
#[inline(always)]
fn plain(bytes: &[u8], name: Span, seed: u32, hashing: Hashing) -> u32 {
    let start = name.start as usize;
    let text = bytes.get(start..start + 8).filter(|_| hashing == Hashing::Strings);
    match text.and_then(|text| digits(bytemuck::pod_read_unaligned(text), name.len)) {
        Some(number) => seed.wrapping_add(number),
        None => hashed(name.of(bytes), seed, hashing),
    }
}

#[cfg(test)]
mod tests {
    use crate::encoder::Encoder;
    use crate::encoder::label::LabelRule;
    use crate::examples::{Examples, LabelToken};
    use crate::parser::Parser;
    use crate::record::{Chunk, Reason, Records};
    use crate::schema::{Column, Format, Hashing, Role, Schema};

    fn encode(text: &str, format: Format, hashing: Hashing) -> Examples {
        let column = |(name, role): (&str, Role)| Column { name: name.into(), role, log: false };
        let head = [("label", Role::Label), ("weight", Role::Weight), ("tag", Role::Id)];
        let columns = head[..if format == Format::Vw { 3 } else { 1 }].iter().copied().map(column).collect();
        let schema = Schema { columns, format, hashing, ..Schema::default() };
        let (mut records, mut examples) = (Records::default(), Examples::default());
        Parser::new(schema.clone()).parse(Chunk::of(text.as_bytes()), &mut records).unwrap();
        Encoder::new(&schema, LabelRule::Inferred).encode(&mut records, &mut examples);
        examples
    }

    /// The slots of a table of 2^18, by example.
    fn slots(examples: &Examples) -> Vec<Vec<u32>> {
        let rows = examples.row_start.windows(2).map(|row| &examples.hash[row[0] as usize..row[1] as usize]);
        rows.map(|row| row.iter().map(|hash| hash & 0x3ffff).collect()).collect()
    }

    #[test]
    fn slots_are_those_of_vowpal_wabbit() {
        for (text, expected) in [
            ("|namespace feature", &[242_309][..]),
            ("|n feature |ns abc", &[35_795, 16_258]),
            ("| ns^abc a", &[92_529, 92_594]),
            ("| :2 :0 a :3", &[0, 92_594, 2]),
            ("|n:2 a:3 b:x", &[55_346, 2_586]),
            ("|n u:http://q|z b", &[193_150, 233_442]),
            ("|n c:red c:7 :red", &[201_594, 63_514, 114_589]),
            ("| a||b c", &[92_594, 37_234]),
        ] {
            assert_eq!(slots(&encode(text, Format::Vw, Hashing::Strings)), [expected], "{text}");
        }
    }

    #[test]
    fn digits_are_slots_unless_every_name_is_hashed() {
        assert_eq!(slots(&encode("1 7:2 262145:1\n", Format::LibSvm, Hashing::Strings)), [[7, 1]]);
        assert_ne!(slots(&encode("1 7:2 262145:1\n", Format::LibSvm, Hashing::All)), [[7, 1]]);
    }

    #[test]
    fn a_rejected_record_leaves_nothing_behind() {
        let text = "1 2 'a |n 1 2\nNaN 1 'b | 3 4\n0 -1 'c | 5\n|\n-1 3 'd |m 8:0.5 |n 9:0\n1 | 1 x:nan\n1 | 6:4\n";
        let examples = encode(text, Format::Vw, Hashing::Strings);
        assert_eq!(examples.row_start, [0, 2, 2, 3, 4]);
        assert_eq!((examples.rows, &examples.value[..]), (4, &[1.0, 1.0, 0.5, 4.0][..]));
        assert_eq!(examples.label, [LabelToken::One, LabelToken::Missing, LabelToken::MinusOne, LabelToken::One]);
        assert_eq!((&examples.weight[..], &examples.number[..]), (&[2.0, 1.0, 3.0, 1.0][..], &[0, 3, 4, 6][..]));
        assert_eq!((examples.id_of(0), examples.id_of(1), examples.id_of(2)), (&b"a"[..], &b""[..], &b"d"[..]));
        let reasons: Vec<_> = examples.rejected.iter().map(|rejected| (rejected.number, rejected.reason)).collect();
        assert_eq!(reasons, [(1, Reason::Label), (2, Reason::Weight), (5, Reason::NotFinite)]);
    }
}
