//! How many features a record becomes: takes the schema and the first chunk, gives the mean over a few of its records.
//!
//! A chunk of examples is held in memory many times over, and crosses can make a thousand features of a line of text:
//! what follows is read in smaller chunks then. How large chunks are never shows in the results. A device is chosen on
//! made-up records of as many features.

use crate::encoder::Encoder;
use crate::encoder::label::LabelRule;
use crate::examples::Examples;
use crate::parser::Parser;
use crate::record::{Chunk, Part, Records};
use crate::schema::{Role, Schema};
use crate::transform::Transform;

/// Records that are looked at.
const SAMPLE: usize = 64;

/// Hashed features of a record, about; where no record can be looked at, one a column of text.
pub(super) fn features_of_a_record(schema: &Schema, head: &Chunk) -> usize {
    let (mut records, mut examples) = (Records::default(), Examples::default());
    // What cannot be parsed is told in its place in the stream.
    let parsed = Parser::new(schema.reading()).parse(sample_of(head), &mut records);
    if parsed.and_then(|()| Transform::new(schema)?.apply(&mut records)).is_err() {
        return columns_of_text(schema);
    }
    Encoder::new(schema, LabelRule::Inferred).lenient(true).encode(&mut records, &mut examples);
    match examples.rows {
        0 => columns_of_text(schema),
        rows => examples.hash.len().div_ceil(rows),
    }
}

/// Hashed features of a record that is only known by its columns.
pub(super) fn columns_of_text(schema: &Schema) -> usize {
    schema.of(Role::Categorical).count()
}

fn sample_of(head: &Chunk) -> Chunk {
    let text = head.text();
    let end = memchr::memchr_iter(b'\n', text).nth(SAMPLE).map_or(text.len(), |end| end + 1);
    let columns = head.columns.as_ref().map(|part| Part { rows: part.rows.min(SAMPLE), ..part.clone() });
    Chunk { first: head.first, columns, ..Chunk::of(&text[..end]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Column;

    #[test]
    fn features_are_counted_with_their_products() {
        let column = |name: &str, role| Column { name: name.into(), role, log: false };
        let columns = vec![column("y", Role::Label), column("t", Role::Categorical)];
        let sections = ["kind = 'tokens'\ncolumns = ['t']", "kind = 'cross'\nof = [['t', 't']]"];
        let features = sections.map(|section| toml::from_str(section).unwrap()).into();
        let schema = Schema { columns, features, header: true, ..Schema::default() };
        let chunk = Chunk { first: true, ..Chunk::of(format!("y,t\n{}", "1,a b c\n".repeat(100)).as_bytes()) };
        assert_eq!(features_of_a_record(&schema, &chunk), 3 + 6);
        let plain = Schema { features: Vec::new(), ..schema };
        assert_eq!(features_of_a_record(&plain, &chunk), 1);
        assert_eq!(features_of_a_record(&plain, &Chunk::default()), 1, "nothing to look at");
    }
}
