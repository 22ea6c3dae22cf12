//! Fingerprints: takes the bytes of a source as they are read, gives what tells at a later time whether it is the same
//! source. It decides nothing; [`super::resume`] compares.

use std::hash::Hasher as _;

use twox_hash::xxhash3_64::Hasher;

/// Bytes before a place that are enough where the file is still there: it can be looked into, and its length is known.
pub(super) const TAIL: usize = 4096;

/// What is kept of the bytes that have gone by.
#[derive(Clone, Default)]
pub(super) enum Fingerprint {
    /// Nothing.
    #[default]
    Off,
    /// Of the last [`TAIL`] bytes: for files that can be read from any place.
    Tail,
    /// The same, kept across chunks: for files that are read in small pieces, whose last bytes are soon the same as
    /// another's.
    Trail(Vec<u8>),
    /// Of every byte: for what has to be read again from its start.
    Whole(Box<Hasher>),
}

impl Fingerprint {
    /// Of every byte, from the start.
    pub fn whole() -> Self {
        Self::Whole(Box::new(Hasher::new()))
    }

    /// These bytes have gone by.
    pub fn pass(&mut self, bytes: &[u8]) {
        match self {
            Self::Off | Self::Tail => {}
            Self::Trail(trail) => {
                trail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
                if trail.len() > 4 * TAIL {
                    trail.drain(..trail.len() - TAIL);
                }
            }
            Self::Whole(hasher) => hasher.write(bytes),
        }
    }

    /// The number of bytes that the fingerprint covers, and the fingerprint, `offset` bytes having gone by; `text` are
    /// the last ones, as far as they are at hand.
    pub fn at(&self, offset: u64, text: &[u8]) -> (u64, u64) {
        match self {
            Self::Off => (0, 0),
            Self::Tail => {
                let tail = &text[text.len().saturating_sub(TAIL)..];
                (tail.len() as u64, Hasher::oneshot(tail))
            }
            Self::Trail(trail) => {
                let tail = &trail[trail.len().saturating_sub(TAIL)..];
                (tail.len() as u64, Hasher::oneshot(tail))
            }
            Self::Whole(hasher) => (offset, hasher.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_is_that_of_the_last_bytes_however_they_have_gone_by() {
        let text: Vec<u8> = (0..50_000_u32).flat_map(|k| k.to_le_bytes()).collect();
        for step in [1000, 7 * TAIL] {
            let mut trail = Fingerprint::Trail(Vec::new());
            text.chunks(step).for_each(|piece| trail.pass(piece));
            assert_eq!(trail.at(0, b""), Fingerprint::Tail.at(0, &text), "{step}");
        }
    }
}
