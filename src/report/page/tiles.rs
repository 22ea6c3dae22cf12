//! Figures side by side, each in a box: takes what each is called, its value and a remark, gives HTML.

use super::escape;

/// A figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// What it is.
    pub name: String,
    /// Its value, as it is read.
    pub value: String,
    /// What to hold against it; empty for nothing.
    pub beside: String,
}

impl Tile {
    /// A figure.
    pub fn new(name: &str, value: String, beside: String) -> Self {
        Self { name: name.to_owned(), value, beside }
    }
}

/// All of them, as a list of names and values.
///
/// ```
/// use tidemill::report::page::tiles::{Tile, tiles};
/// let html = tiles(&[Tile::new("log loss", "0.25".into(), "nats".into())]);
/// assert!(html.contains("<dt>log loss</dt><dd>0.25</dd><dd class=\"beside\">nats</dd>"));
/// ```
pub fn tiles(all: &[Tile]) -> String {
    let tile = |Tile { name, value, beside }: &Tile| {
        let remark = match beside.is_empty() {
            true => String::new(),
            false => format!("<dd class=\"beside\">{}</dd>", escape(beside)),
        };
        format!("<div><dt>{}</dt><dd>{}</dd>{remark}</div>\n", escape(name), escape(value))
    };
    format!("<dl class=\"tiles\">\n{}</dl>\n", all.iter().map(tile).collect::<String>())
}
