//! Namespaces: takes their names, gives each a place, so many and no more.

use std::collections::HashMap;

/// Most namespaces that have a place of their own.
const MOST: usize = 256;
/// What all others are called.
const OTHERS: &str = "(others)";

/// Names in the order in which they were met first; behind [`MOST`] of them, one for all others.
#[derive(Debug, Clone, Default)]
pub(super) struct Spaces {
    names: Vec<String>,
    places: HashMap<String, u32>,
}

impl Spaces {
    /// Those of these names, as they were saved; `None` where they cannot have been.
    pub(super) fn of(names: Vec<String>) -> Option<Self> {
        let places: HashMap<_, _> = names.iter().cloned().zip(0..).collect();
        (names.len() <= MOST + 1 && places.len() == names.len()).then_some(Self { names, places })
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The place of a name.
    pub(super) fn place(&mut self, name: &str) -> u32 {
        if let Some(&place) = self.places.get(name) {
            return place;
        }
        if self.names.len() >= MOST {
            return self.add(OTHERS, MOST);
        }
        self.add(name, MOST)
    }

    fn add(&mut self, name: &str, most: usize) -> u32 {
        if self.names.len() > most {
            return most as u32;
        }
        let place = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_behind_so_many_is_one() {
        let mut spaces = Spaces::default();
        let places: Vec<_> = (0..MOST + 3).map(|at| spaces.place(&format!("n{at}"))).collect();
        assert_eq!(places[..MOST], (0..MOST as u32).collect::<Vec<_>>());
        assert_eq!(places[MOST..], [MOST as u32; 3]);
        assert_eq!((spaces.place("n7"), spaces.names().len()), (7, MOST + 1));
        assert_eq!(spaces.names()[MOST], OTHERS);
        assert!(Spaces::of(vec!["a".into(), "a".into()]).is_none());
    }
}
