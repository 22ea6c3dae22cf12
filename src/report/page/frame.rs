//! The frame of a page: takes a title and what stands in it, gives the whole file with its styles.

use super::escape;

/// Colours that lines and their legends can have; beyond them they start over.
pub const COLOURS: usize = 6;

/// A whole page; `body` is HTML, the title is text.
pub fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// A paragraph of text.
pub fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape(text))
}

/// A paragraph that must not be missed.
pub fn warning(text: &str) -> String {
    format!("<p class=\"warning\">{}</p>\n", escape(text))
}

/// A heading, and what stands below it, which is HTML.
pub fn section(heading: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escape(heading))
}

/// The same with a name by which links within the page find it.
pub fn named_section(id: &str, heading: &str, body: &str) -> String {
    let heading = escape(heading);
    format!("<section id=\"{id}\" aria-labelledby=\"{id}-is\">\n<h2 id=\"{id}-is\">{heading}</h2>\n{body}</section>\n")
}

/// Links to sections: their names and headings.
pub fn contents(sections: &[(&str, &str)]) -> String {
    let link = |(id, heading): &(&str, &str)| format!("<a href=\"#{id}\">{}</a>\n", escape(heading));
    format!("<nav aria-label=\"Contents\">\n{}</nav>\n", sections.iter().map(link).collect::<String>())
}

/// Text as it stands, in lines.
pub fn verbatim(text: &str) -> String {
    format!("<pre tabindex=\"0\">{}</pre>\n", escape(text))
}

const STYLE: &str = "
:root {
  --paper: #ffffff; --ink: #1b1f24; --faint: #59626d; --rule: #d5dae0; --wash: #f3f5f7; --warn: #fff3d6; --warn-ink: #5c4300;
  --c0: #1f5fae; --c1: #c04f00; --c2: #217a4b; --c3: #93328a; --c4: #8a6a00; --c5: #b3243b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e6e9ed; --faint: #a2abb6; --rule: #363d46; --wash: #1d2127; --warn: #3d3113; --warn-ink: #ffe2a0;
    --c0: #7fb4f5; --c1: #f5a15c; --c2: #7bd3a0; --c3: #e29ad8; --c4: #dcc04e; --c5: #f58e9a;
  }
}
@media print {
  :root {
    --paper: #ffffff; --ink: #000000; --faint: #444444; --rule: #bbbbbb; --wash: #ffffff; --warn: #ffffff; --warn-ink: #000000;
    --c0: #1f5fae; --c1: #c04f00; --c2: #217a4b; --c3: #93328a; --c4: #8a6a00; --c5: #b3243b;
  }
  main { max-width: none; padding: 0; }
  .wide { overflow: visible; }
  table { font-size: 7.5pt; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; border-top: 1px solid var(--rule); padding-top: 1rem; }
p { max-width: 46rem; margin: .5rem 0; }
.warning { background: var(--warn); color: var(--warn-ink); padding: .6rem .8rem; border-left: 4px solid currentColor; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; min-width: 0; max-width: 34rem; break-inside: avoid; }
.plots figure { display: grid; grid-template-rows: subgrid; grid-row: span 3; align-content: start; row-gap: .25rem; }
figcaption { font-weight: 600; margin-bottom: .25rem; }
figcaption p { font-weight: 400; font-size: .875rem; color: var(--faint); margin: .1rem 0 .35rem; }
.plots figure:only-child { max-width: 26rem; }
svg.plot { display: block; width: 100%; height: auto; }
svg.plot text { fill: var(--faint); font: 11px system-ui, sans-serif; }
svg.plot .frame { stroke: var(--faint); fill: none; }
svg.plot .grid { stroke: var(--rule); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.dashed { stroke-dasharray: 6 4; }
.dotted { stroke-dasharray: 1.5 3; }
.thin { stroke-width: 1; stroke-dasharray: 3 3; }
.line.none { stroke: none; }
figure.broad { max-width: none; }
svg.broad { min-width: 40rem; max-width: 60rem; }
svg.plot text.strong { fill: var(--ink); font-weight: 600; }
svg.plot text.halo { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
.other { fill: none; stroke: var(--faint); stroke-width: .75; stroke-dasharray: 2 2; opacity: .35; }
.event { stroke: var(--c5); stroke-width: 1.25; stroke-dasharray: 2 2; fill: none; opacity: .6; }
svg.bar { display: block; width: 100%; min-width: 9rem; height: 1rem; }
svg.bar .empty { fill: var(--rule); }
.span { stroke-width: 1; opacity: .7; }
.k0 { stroke: var(--c0); } .k1 { stroke: var(--c1); } .k2 { stroke: var(--c2); }
.k3 { stroke: var(--c3); } .k4 { stroke: var(--c4); } .k5 { stroke: var(--c5); }
.f0 { fill: var(--c0); } .f1 { fill: var(--c1); } .f2 { fill: var(--c2); }
.f3 { fill: var(--c3); } .f4 { fill: var(--c4); } .f5 { fill: var(--c5); }
ul.legend { list-style: none; margin: .25rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .85rem; }
ul.legend svg { width: 28px; height: 10px; margin-right: .35rem; }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--rule); vertical-align: top; text-align: left; }
th { color: var(--faint); font-weight: 600; white-space: nowrap; }
th.number, td.number { text-align: right; white-space: nowrap; }
tbody tr:nth-child(even) { background: var(--wash); }
tr { break-inside: avoid; }
nav { display: flex; flex-wrap: wrap; gap: .15rem 1rem; margin: .75rem 0; font-size: .9rem; }
a { color: var(--c0); }
dl.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 9.5rem), 1fr)); gap: .75rem; margin: 1rem 0; }
dl.tiles div { background: var(--wash); border: 1px solid var(--rule); border-radius: .4rem; padding: .5rem .7rem; break-inside: avoid; }
dl.tiles dt { font-size: .8rem; color: var(--faint); }
dl.tiles dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
dl.tiles dd.beside { font-size: .8rem; color: var(--faint); }
pre { background: var(--wash); border: 1px solid var(--rule); padding: .6rem .8rem; overflow-x: auto; font-size: .8rem; max-height: 30rem; }
td.name { white-space: normal; overflow-wrap: anywhere; min-width: 8rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
@media print { nav { display: none; } pre { max-height: none; white-space: pre-wrap; } }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_nothing_from_anywhere_and_shows_text_as_text() {
        let page = page("a < b", &paragraph("<script>"));
        assert!(page.contains("<title>a &lt; b</title>") && page.contains("&lt;script&gt;"));
        for word in ["http", "<script", "<link", "src=", "url(", "@import"] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn every_colour_has_its_styles_in_light_dark_and_on_paper() {
        for colour in 0..COLOURS {
            assert_eq!(STYLE.matches(&format!("--c{colour}: ")).count(), 3);
            assert!(STYLE.contains(&format!(".k{colour} ")) && STYLE.contains(&format!(".f{colour} ")));
        }
    }
}
