//! Shares of a whole as bars: takes rows of shares and what each share is, gives a table with a bar and the numbers in
//! each row, so that nothing is told by colour alone.

use super::escape;
use super::frame::COLOURS;
use crate::report::number::percent;

/// A row: its name, what stands beside that, and shares of one.
pub type Row = (String, String, Vec<f64>);

/// The table; `beside` heads the second column, `parts` are what the shares are of, each with one of the colours.
///
/// ```
/// use tidemill::report::page::bars::bars;
/// let html = bars("stage", "threads", &[("busy", 0), ("idle", 1)], &[("engine".into(), "1".into(), vec![0.25, 0.75])]);
/// assert!(html.contains("<th scope=\"row\">engine</th>") && html.contains(">25 %</td>") && html.contains(">75 %</td>"));
/// ```
pub fn bars(name: &str, beside: &str, parts: &[(&str, usize)], rows: &[Row]) -> String {
    let head: String =
        parts.iter().map(|(part, _)| format!("<th scope=\"col\" class=\"number\">{}</th>", escape(part))).collect();
    let mut out = format!(
        "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">{}</th><th scope=\"col\" class=\"number\">{}</th>{head}\
         <th scope=\"col\">share of its time</th></tr></thead>\n<tbody>\n",
        escape(name),
        escape(beside)
    );
    for (name, beside, shares) in rows {
        let numbers: String =
            shares.iter().map(|&share| format!("<td class=\"number\">{}</td>", percent(share))).collect();
        out.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td>{numbers}<td>{}</td></tr>\n",
            escape(name),
            escape(beside),
            bar(parts, shares)
        ));
    }
    out + "</tbody></table></div>\n"
}

fn bar(parts: &[(&str, usize)], shares: &[f64]) -> String {
    let mut out =
        String::from("<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    out.push_str("<rect class=\"empty\" width=\"100\" height=\"8\"/>");
    let mut from = 0.0;
    for ((_, colour), share) in parts.iter().zip(shares) {
        let width = 100.0 * share;
        out.push_str(&format!(
            "<rect class=\"f{}\" x=\"{from:.2}\" width=\"{width:.2}\" height=\"8\"/>",
            colour % COLOURS
        ));
        from += width;
    }
    out + "</svg>"
}
