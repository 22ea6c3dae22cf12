//! What stands at a path: the columns that are used, the objects around them, and which key is likely to come next.
//!
//! A path is the keys that lead to a value with dots between them. A key that itself holds a dot leads on in the same
//! way: `{"user":{"country":"DE"}}` and `{"user.country":"DE"}` both fill the column `user.country`.

use std::collections::HashMap;

use super::rows::{self, Slot};
use super::scan::{MAX_DEPTH, Piece};
use crate::schema::Schema;

/// A path that leads to a column, to objects around columns, or to both.
#[derive(Debug, Default)]
pub(super) struct Node {
    path: Vec<u8>,
    /// The column, where one has this path.
    pub slot: Option<Slot>,
    /// Whether columns lie within.
    pub is_object: bool,
    /// The record in which it was last seen, from 1.
    pub seen: u64,
    /// Keys in the order in which they have come; only how fast records are read depends on them.
    guesses: Vec<Guess>,
}

/// A key as it is written with its colon, and what it leads to.
#[derive(Debug)]
struct Guess {
    text: Box<[u8]>,
    node: Option<usize>,
}

/// Keys that are kept for an object.
const MAX_GUESSES: usize = 1024;
/// Bytes of the longest key that is kept.
const MAX_GUESS: usize = 256;
/// Keys that are compared before one is looked up.
const WINDOW: usize = 32;

/// All paths of a schema; that of the whole record, which is empty, stands first.
#[derive(Debug)]
pub(super) struct Paths {
    pub nodes: Vec<Node>,
    by_path: HashMap<Vec<u8>, usize>,
    /// Scratch: the path being looked up.
    path: Vec<u8>,
}

impl Paths {
    pub(super) fn new(schema: &Schema) -> Self {
        let whole = Node { is_object: true, ..Node::default() };
        let mut paths = Self { nodes: vec![whole], by_path: HashMap::new(), path: Vec::new() };
        for slot in rows::slots(schema) {
            let name = schema.columns[slot.column].name.as_bytes();
            for dot in memchr::memchr_iter(b'.', name).take(MAX_DEPTH) {
                let around = paths.node(&name[..dot]);
                paths.nodes[around].is_object = true;
            }
            let node = paths.node(name);
            paths.nodes[node].slot = Some(slot);
        }
        paths
    }

    fn node(&mut self, path: &[u8]) -> usize {
        if let Some(&known) = self.by_path.get(path) {
            return known;
        }
        self.nodes.push(Node { path: path.to_vec(), ..Node::default() });
        self.by_path.insert(path.to_vec(), self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// The key that comes next in an object of this node, if it is the one that came next before.
    #[inline(always)]
    pub(super) fn guess(&self, node: usize, next: usize) -> Option<(&[u8], Option<usize>)> {
        self.nodes[node].guesses.get(next).map(|guess| (&*guess.text, guess.node))
    }

    /// A key among those that came soon behind the one that was expected: its place, length, and what it leads to.
    pub(super) fn guess_near(&self, node: usize, next: usize, text: &[u8]) -> Option<(usize, usize, Option<usize>)> {
        let guesses = self.nodes[node].guesses.iter().enumerate().skip(next).take(WINDOW);
        let mut found = guesses.filter(|(_, guess)| text.starts_with(&guess.text));
        found.next().map(|(at, guess)| (at, guess.text.len(), guess.node))
    }

    /// What a key, decoded, leads to.
    pub(super) fn lookup(&mut self, node: usize, key: &[u8]) -> Option<usize> {
        self.path.clear();
        if node > 0 {
            self.path.extend_from_slice(&self.nodes[node].path);
            self.path.push(b'.');
        }
        self.path.extend_from_slice(key);
        self.by_path.get(&self.path).copied()
    }

    /// Expects this key here from now on. `text` is the key with its quotes and its colon.
    pub(super) fn remember(&mut self, node: usize, next: usize, text: &[u8], leads_to: Option<usize>) -> bool {
        let guesses = &mut self.nodes[node].guesses;
        let is_kept = guesses.len() < MAX_GUESSES && text.len() <= MAX_GUESS && next <= guesses.len();
        if is_kept {
            guesses.insert(next, Guess { text: text.into(), node: leads_to });
        }
        is_kept
    }

    /// The nodes at and within this one.
    pub(super) fn within(&self, node: usize) -> Vec<usize> {
        let path = &self.nodes[node].path;
        let is_within = |other: &Node| {
            other.path.strip_prefix(path.as_slice()).is_some_and(|rest| rest.first().is_none_or(|&byte| byte == b'.'))
        };
        (1..self.nodes.len()).filter(|&other| is_within(&self.nodes[other])).collect()
    }
}

/// A key that is guessed from now on must stand there as it is: with its quotes, up to its colon.
pub(super) fn with_quotes(bytes: &[u8], key: Piece) -> &[u8] {
    let colon = memchr::memchr(b':', &bytes[key.end..]).map_or(key.end, |colon| key.end + colon + 1);
    &bytes[key.start - 1..colon]
}
