//! Tokens: takes a text, gives its words or characters as categories, and those that follow each other as one more.
//!
//! Words are what lies between characters that are neither letters nor digits, as Unicode has them. An n-gram of words
//! is hashed as its words with a blank between them, one of characters as these without; so the n-gram `new york` and a
//! value `new york` in the same namespace are the same feature. Which ones are taken, and in which order, follows Vowpal
//! Wabbit's `--ngram` and `--skips`. What comes twice is two features.

use super::{Row, Sink, Space};
use crate::encoder::cross::MAX_FEATURES;
use crate::record::Reason;

/// A column with how its text is taken apart.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    place: usize,
    /// How far behind its first unit each unit of an n-gram stands, n-gram by n-gram.
    shapes: Vec<Vec<usize>>,
    characters: bool,
    lowercase: bool,
}

/// A text taken apart; scratch space.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    /// The words, a blank between them.
    text: String,
    /// Start and end of each unit in the text.
    units: Vec<(usize, usize)>,
    joined: String,
}

impl Tokens {
    pub(super) fn new(place: usize, ngrams: usize, skips: usize, characters: bool, lowercase: bool) -> Self {
        let mut shapes = Vec::new();
        (1..=ngrams).for_each(|units| add_shapes(&mut vec![0], units - 1, skips, &mut shapes));
        Self { place, shapes, characters, lowercase }
    }

    #[inline(always)]
    pub(super) fn extract(
        &self,
        row: &Row<'_>,
        space: &Space,
        words: &mut Words,
        sink: &mut impl Sink,
    ) -> Result<(), Reason> {
        words.take_apart(&String::from_utf8_lossy(row.text(self.place)), self.lowercase);
        if self.characters {
            words.take_characters();
        }
        if words.units.len().saturating_mul(self.shapes.len()) > MAX_FEATURES {
            return Err(Reason::TooManyFeatures);
        }
        for shape in &self.shapes {
            let last = shape.last().copied().unwrap_or(0);
            for first in 0..words.units.len().saturating_sub(last) {
                let gram = words.gram(shape, first, self.characters);
                if gram != " " {
                    sink.put(space.hash(gram.as_bytes()), 1.0, || space.name_of_value(gram.as_bytes()));
                }
            }
        }
        Ok(())
    }
}

/// The shapes that begin with `shape` and have so many units more, without a skip first.
fn add_shapes(shape: &mut Vec<usize>, more: usize, skips: usize, shapes: &mut Vec<Vec<usize>>) {
    if more == 0 {
        return shapes.push(shape.clone());
    }
    let last = shape.last().copied().unwrap_or(0);
    for skipped in 0..=skips {
        shape.push(last + 1 + skipped);
        add_shapes(shape, more - 1, skips - skipped, shapes);
        shape.pop();
    }
}

impl Words {
    /// The words of `text` as units.
    fn take_apart(&mut self, text: &str, lowercase: bool) {
        self.text.clear();
        self.units.clear();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            let start = self.text.len();
            if lowercase {
                self.text.extend(word.chars().flat_map(char::to_lowercase));
            } else {
                self.text.push_str(word);
            }
            self.units.push((start, self.text.len()));
        }
    }

    /// The characters of the words and the blanks between them as units.
    fn take_characters(&mut self) {
        self.units.clear();
        self.units.extend(self.text.char_indices().map(|(at, c)| (at, at + c.len_utf8())));
    }

    /// The units of a shape as one text.
    fn gram(&mut self, shape: &[usize], first: usize, characters: bool) -> &str {
        let last = first + shape.last().copied().unwrap_or(0);
        if last - first + 1 == shape.len() {
            return &self.text[self.units[first].0..self.units[last].1];
        }
        self.joined.clear();
        for &behind in shape {
            if !(characters || self.joined.is_empty()) {
                self.joined.push(' ');
            }
            let (start, end) = self.units[first + behind];
            self.joined.push_str(&self.text[start..end]);
        }
        &self.joined
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::names_of;

    fn tokens(text: &str, ngrams: usize, skips: usize, characters: bool) -> Vec<String> {
        let section =
            format!("kind = 'tokens'\ncolumns = ['t']\nngrams = {ngrams}\nskips = {skips}\ncharacters = {characters}");
        names_of(&section, text).into_iter().map(|name| name["t=".len()..].to_owned()).collect()
    }

    #[test]
    fn words_are_letters_and_digits_of_any_script() {
        assert_eq!(
            tokens("Der Fluß, 2 Übergänge--naïve_Δοκιμή", 1, 0, false),
            ["der", "fluß", "2", "übergänge", "naïve", "δοκιμή"]
        );
        assert_eq!(tokens("  ... !", 3, 1, true), [""; 0]);
    }

    #[test]
    fn skips_are_those_of_vowpal_wabbit() {
        assert_eq!(tokens("a b c d", 2, 1, false), ["a", "b", "c", "d", "a b", "b c", "c d", "a c", "b d"]);
        assert_eq!(tokens("a b c d", 3, 0, false)[7..], ["a b c", "b c d"]);
        assert_eq!(tokens("a b c d", 3, 1, false)[9..], ["a b c", "b c d", "a b d", "a c d"]);
    }

    #[test]
    fn characters_pass_over_what_is_between_words() {
        assert_eq!(tokens("Ab, c", 2, 0, true), ["a", "b", "c", "ab", "b ", " c"]);
    }

    proptest! {
        #[test]
        fn words_cover_the_text(text in "\\PC{0,60}") {
            let covered: String = tokens(&text, 1, 0, false).concat();
            let expected: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
            prop_assert_eq!(covered, expected);
        }

        #[test]
        fn skip_grams_are_the_words_at_every_set_of_places_that_is_close_enough(
            words in prop::collection::vec("[a-z]{1,3}", 0..7), ngrams in 1usize..5, skips in 0usize..4
        ) {
            let mut expected = Vec::new();
            for set in 1u32..1 << words.len() {
                let places: Vec<_> = (0..words.len()).filter(|at| set >> at & 1 == 1).collect();
                let passed = places[places.len() - 1] - places[0] + 1 - places.len();
                if places.len() <= ngrams && passed <= skips {
                    expected.push(places.iter().map(|&at| words[at].as_str()).collect::<Vec<_>>().join(" "));
                }
            }
            let mut found = tokens(&words.join(" "), ngrams, skips, false);
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
