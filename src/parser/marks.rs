//! Where the separators of a line-based format are: takes text, gives their places in order, one after the other.
//!
//! Looks at 64 bytes at a time and at a window that stays in the cache; never at what stands between separators. The
//! end of the text is the last separator, whatever byte stands there.

/// Bytes whose separators are found at once.
const WINDOW: usize = 16 * 1024;

/// The separators of a text, found window by window.
#[derive(Debug)]
pub(super) struct Marks {
    /// The separators but for the line end: each at the place of its lower four bits.
    table: [u8; 16],
    /// Places in the window; the first `count` are filled, those before `next` have been given.
    places: Vec<u32>,
    count: usize,
    next: usize,
    /// How far the text has been looked at, and where it ends.
    looked: usize,
    len: usize,
}

impl Marks {
    /// Separators are the line end and `others`, whose lower four bits differ.
    pub(super) fn new(others: &[u8]) -> Self {
        let mut table = [0; 16];
        table[0] = 0xff; // a zero byte would find itself there
        for &byte in others {
            table[usize::from(byte & 15)] = byte;
        }
        Self { table, places: vec![0; WINDOW + 64], count: 0, next: 0, looked: 0, len: 0 }
    }

    /// Starts at the front of a text of `len` bytes.
    pub(super) fn start(&mut self, len: usize) {
        (self.count, self.next, self.looked, self.len) = (0, 0, 0, len);
    }

    /// The place of the next separator; behind the last, the end of the text, as often as it is asked for.
    ///
    /// `bytes` are the text and at least 64 more.
    #[inline(always)]
    pub(super) fn next(&mut self, bytes: &[u8]) -> usize {
        if self.next == self.count {
            self.fill(bytes);
        }
        let place = self.places[self.next];
        self.next += 1;
        place as usize
    }

    /// Passes over everything up to the next line end; gives its place.
    #[cold]
    pub(super) fn skip_line(&mut self, bytes: &[u8], from: usize) -> usize {
        let mut at = from;
        while at < self.len && bytes[at] != b'\n' {
            at = self.next(bytes);
        }
        at
    }

    /// Looks at one window more, and at others until there is a separator.
    #[inline(never)]
    fn fill(&mut self, bytes: &[u8]) {
        (self.count, self.next) = (0, 0);
        while self.count == 0 {
            let end = (self.looked + WINDOW).min(self.len);
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi1") {
                // SAFETY: the line above has found every feature that this version needs.
                #[allow(unsafe_code, reason = "calling a version for detected instructions")]
                unsafe {
                    x86::look_wide(self, bytes, end);
                }
                continue;
            }
            self.look(bytes, end, |table, block| {
                let is_mark = |byte: u8| byte == b'\n' || byte == table[usize::from(byte & 15)];
                block.iter().enumerate().fold(0, |bits, (bit, &byte)| bits | u64::from(is_mark(byte)) << bit)
            });
        }
    }

    /// Writes down the separators up to `end`; `index` finds them among 64 bytes.
    #[inline(always)]
    fn look(&mut self, bytes: &[u8], end: usize, index: impl Fn(&[u8; 16], &[u8]) -> u64) {
        while self.looked < end {
            let bits = index(&self.table, &bytes[self.looked..self.looked + 64]);
            let left = end - self.looked;
            self.push(if left < 64 { bits & ((1 << left) - 1) } else { bits });
            self.looked += left.min(64);
        }
        if end == self.len {
            self.places[self.count] = self.len as u32;
            self.count += 1;
        }
    }

    /// Writes down the set bits: twelve without a branch, since most blocks hold fewer, then four at a time.
    #[inline(always)]
    fn push(&mut self, mut bits: u64) {
        let (base, found) = (self.looked as u32, bits.count_ones() as usize);
        let (few, many) = self.places[self.count..self.count + 64].split_at_mut(12);
        let mut write = |place: &mut u32| {
            *place = base + bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
            bits == 0
        };
        few.iter_mut().for_each(|place| _ = write(place));
        if found > 12 {
            for four in many.chunks_exact_mut(4) {
                if four.iter_mut().fold(false, |_, place| write(place)) {
                    break;
                }
            }
        }
        self.count += found;
    }
}

/// The same for x86-64 machines with AVX2, which all have had since 2013 to 2015.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Marks;

    #[target_feature(enable = "avx2,bmi1,popcnt")]
    pub(super) fn look_wide(marks: &mut Marks, bytes: &[u8], end: usize) {
        marks.look(bytes, end, |table, block| index_wide(table, block));
    }

    /// A byte is a separator where the table holds it at the place of its lower four bits.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,popcnt")]
    fn index_wide(table: &[u8; 16], block: &[u8]) -> u64 {
        let table = _mm256_broadcastsi128_si256(bytemuck::pod_read_unaligned(table));
        let line_end = _mm256_set1_epi8(b'\n' as i8);
        let find = |half: &[u8]| {
            let text: __m256i = bytemuck::pod_read_unaligned(half);
            let is_other = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, text), text);
            let is_mark = _mm256_or_si256(is_other, _mm256_cmpeq_epi8(text, line_end));
            u64::from(_mm256_movemask_epi8(is_mark) as u32)
        };
        find(&block[..32]) | find(&block[32..64]) << 32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Chunk;

    const OTHERS: &[u8] = b" \t:|\r";

    fn places(text: &[u8]) -> Vec<usize> {
        let (chunk, mut marks) = (Chunk::of(text), Marks::new(OTHERS));
        marks.start(text.len());
        let all = std::iter::from_fn(|| Some(marks.next(&chunk.bytes)));
        all.take_while(|&place| place < text.len()).collect()
    }

    fn by_hand(text: &[u8]) -> Vec<usize> {
        (0..text.len()).filter(|&at| text[at] == b'\n' || OTHERS.contains(&text[at])).collect()
    }

    #[test]
    fn separators_far_apart_and_in_crowds_are_found() {
        for text in [vec![b'x'; 5 * WINDOW], b" ".repeat(3 * WINDOW + 1), b"word ".repeat(WINDOW), Vec::new()] {
            assert_eq!(places(&text), by_hand(&text));
        }
        let every_byte: Vec<u8> = (0..=255).collect();
        assert_eq!(places(&every_byte), by_hand(&every_byte));
    }

    #[test]
    fn a_line_is_passed_over_to_its_end() {
        let (chunk, mut marks) = (Chunk::of(b"a b\nc d"), Marks::new(OTHERS));
        marks.start(7);
        let first = marks.next(&chunk.bytes);
        assert_eq!(marks.skip_line(&chunk.bytes, first), 3);
        assert_eq!(marks.skip_line(&chunk.bytes, 4), 7);
        assert_eq!(marks.next(&chunk.bytes), 7);
    }

    proptest! {
        #[test]
        fn every_separator_is_found_once(text in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(places(&text), by_hand(&text));
        }
    }
}
