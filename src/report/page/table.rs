//! Tables of a page: take a head and rows of text, give HTML that scrolls by itself where the page is narrow.

use super::escape;

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Words, to the left.
    Text,
    /// Figures, to the right.
    Number,
}

/// A table; rows have as many fields as the head.
///
/// ```
/// use tidemill::report::page::table::{Column, table};
/// let html = table(&[("device", Column::Text), ("rate", Column::Number)], &[vec!["a & b".into(), "7".into()]]);
/// assert!(html.contains("<td>a &amp; b</td><td class=\"number\">7</td>"));
/// ```
pub fn table(head: &[(&str, Column)], rows: &[Vec<String>]) -> String {
    let class = |column: Column| if column == Column::Number { " class=\"number\"" } else { "" };
    let mut out = String::from("<div class=\"wide\"><table>\n<thead><tr>");
    for (name, column) in head {
        out.push_str(&format!("<th scope=\"col\"{}>{}</th>", class(*column), escape(name)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (field, (_, column)) in row.iter().zip(head) {
            out.push_str(&format!("<td{}>{}</td>", class(*column), escape(field)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}
