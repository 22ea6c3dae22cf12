//! One-hot: takes a text, gives a category where its value is declared, and what the section says where it is not.

use super::{Row, Sink, Space};
use crate::record::Reason;
use crate::schema::feature::Unseen;

/// A column with its vocabulary.
#[derive(Debug, Clone)]
pub(super) struct OneHot {
    place: usize,
    /// The declared values, by their hashes.
    values: Vec<(u32, Vec<u8>)>,
    unseen: Unseen,
}

impl OneHot {
    pub(super) fn new(place: usize, values: &[String], unseen: Unseen, space: &Space) -> Self {
        let mut values: Vec<_> =
            values.iter().map(|value| (space.hash(value.as_bytes()), value.clone().into())).collect();
        values.sort();
        Self { place, values, unseen }
    }

    #[inline(always)]
    pub(super) fn extract(&self, row: &Row<'_>, space: &Space, sink: &mut impl Sink) -> Result<(), Reason> {
        let text = row.text(self.place);
        if text.is_empty() {
            return Ok(());
        }
        let hash = space.hash(text);
        match (self.is_declared(hash, text), self.unseen) {
            (true, _) => sink.put(hash, 1.0, || space.name_of_value(text)),
            (false, Unseen::Ignore) => {}
            // An empty value is a missing one, so that nothing else is hashed like this.
            (false, Unseen::Other) => sink.put(space.hash(b""), 1.0, || format!("{} is another", space.name)),
            (false, Unseen::Reject) => return Err(Reason::Undeclared),
        }
        Ok(())
    }

    fn is_declared(&self, hash: u32, text: &[u8]) -> bool {
        let first = self.values.partition_point(|known| known.0 < hash);
        self.values[first..].iter().take_while(|known| known.0 == hash).any(|known| known.1 == text)
    }
}
