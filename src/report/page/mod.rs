//! Parts of pages for people: a frame with its styles, tables, and plots of lines; what a page shows is its maker's.
//!
//! A page is one file that needs nothing else: no network, no script, no font. It reads in light and dark, on a telephone
//! and on paper. Siblings: [`frame`], [`table`], [`tiles`] (figures side by side), [`bars`]
//! (shares of a whole), [`plot`], [`form`] (how an axis writes its values), [`ticks`] and [`dates`] (where it has its marks).

pub mod bars;
pub mod dates;
pub mod form;
pub mod frame;
pub mod plot;
pub mod table;
pub mod ticks;
pub mod tiles;

/// Text as it has to stand in HTML and SVG.
///
/// ```
/// assert_eq!(tidemill::report::page::escape("a < \"b\" & c"), "a &lt; &quot;b&quot; &amp; c");
/// ```
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
