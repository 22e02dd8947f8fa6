//! One HTML file with everything inside.

use super::escape;
use std::fmt::Write as _;

/// A table of text.
///
/// # Example
/// ```
/// use vm_ecosystem::report::Table;
///
/// let table = Table::new(["host", "price"]).row(["h1", "0.40"]);
/// assert!(table.to_html().contains("<td>h1</td>"));
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with column heads.
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// The same table with one more row.
    #[must_use]
    pub fn row<S: Into<String>>(mut self, cells: impl IntoIterator<Item = S>) -> Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// As HTML.
    pub fn to_html(&self) -> String {
        let mut html = String::from("<table><thead><tr>");
        for cell in &self.head {
            let _ = write!(html, "<th>{}</th>", escape(cell));
        }
        html.push_str("</tr></thead><tbody>");
        for row in &self.rows {
            html.push_str("<tr>");
            for cell in row {
                let _ = write!(html, "<td>{}</td>", escape(cell));
            }
            html.push_str("</tr>");
        }
        html.push_str("</tbody></table>");
        html
    }
}

/// A page that grows from the top; pictures and styles are inside, nothing is fetched.
///
/// # Example
/// ```
/// use vm_ecosystem::report::Page;
///
/// let page = Page::new("Shop", "one day").section("Map").paragraph("12 components").to_html();
/// assert!(page.starts_with("<!doctype html>"));
/// assert!(!page.contains("http-equiv") && !page.contains("src="));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    title: String,
    subtitle: String,
    figures: Vec<(String, String)>,
    body: String,
}

impl Page {
    /// A page with a heading and a line below it.
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Self {
        Self { title: title.into(), subtitle: subtitle.into(), figures: Vec::new(), body: String::new() }
    }

    /// Adds a figure to the row of large numbers at the top.
    #[must_use]
    pub fn figure(mut self, value: impl Into<String>, name: impl Into<String>) -> Self {
        self.figures.push((value.into(), name.into()));
        self
    }

    /// Begins a section.
    #[must_use]
    pub fn section(mut self, title: &str) -> Self {
        let _ = write!(self.body, "<h2>{}</h2>", escape(title));
        self
    }

    /// Adds text.
    #[must_use]
    pub fn paragraph(mut self, text: &str) -> Self {
        let _ = write!(self.body, "<p>{}</p>", escape(text));
        self
    }

    /// Adds text in which every character has the same width, e.g. a hash.
    #[must_use]
    pub fn code(mut self, text: &str) -> Self {
        let _ = write!(self.body, "<pre>{}</pre>", escape(text));
        self
    }

    /// Adds a table.
    #[must_use]
    pub fn table(mut self, table: &Table) -> Self {
        let _ = write!(self.body, "<div class=\"scroll\">{}</div>", table.to_html());
        self
    }

    /// Adds a picture. `svg` is trusted: hand in only what this library drew.
    #[must_use]
    pub fn picture(mut self, svg: &str) -> Self {
        let _ = write!(self.body, "<div class=\"card\">{svg}</div>");
        self
    }

    /// Adds pictures side by side. `svgs` are trusted: hand in only what this library drew.
    #[must_use]
    pub fn gallery<'a>(mut self, svgs: impl IntoIterator<Item = &'a str>) -> Self {
        self.body.push_str("<div class=\"gallery\">");
        for svg in svgs {
            let _ = write!(self.body, "<div class=\"card\">{svg}</div>");
        }
        self.body.push_str("</div>");
        self
    }

    /// The file's content.
    pub fn to_html(&self) -> String {
        let mut html = String::from("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
        let _ = write!(
            html,
            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{0}</title><style>{STYLE}</style></head><body><header><h1>{0}</h1><p>{1}</p></header>",
            escape(&self.title),
            escape(&self.subtitle)
        );
        if !self.figures.is_empty() {
            html.push_str("<div class=\"figures\">");
            for (value, name) in &self.figures {
                let _ = write!(
                    html,
                    "<div><strong>{}</strong><span>{}</span></div>",
                    escape(value),
                    escape(name)
                );
            }
            html.push_str("</div>");
        }
        html.push_str("<main>");
        html.push_str(&self.body);
        html.push_str("</main></body></html>\n");
        html
    }
}

const STYLE: &str = "\
:root{--ink:#1c2733;--soft:#5b6b7b;--line:#e1e7ed;--accent:#1769aa;--warm:#d9480f;--good:#2b8a3e;--back:#f5f7fa}\
*{box-sizing:border-box}\
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\
header{background:#12263a;color:#fff;padding:26px 32px 22px}header h1{margin:0;font-size:26px}header p{margin:4px 0 0;color:#b8c7d6}\
.figures{display:flex;flex-wrap:wrap;gap:12px;padding:18px 32px 0;max-width:1240px;margin:0 auto}\
.figures div{flex:1 1 128px;background:#fff;border:1px solid var(--line);border-radius:8px;padding:10px 14px}\
.figures strong{display:block;font-size:19px;white-space:nowrap}.figures span{color:var(--soft);font-size:13px}\
main{max-width:1240px;margin:0 auto;padding:6px 32px 48px}\
h2{margin:30px 0 8px;font-size:19px}p{margin:6px 0 10px;max-width:75em}\
.card{background:#fff;border:1px solid var(--line);border-radius:8px;padding:12px;margin:10px 0;overflow-x:auto}\
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(370px,1fr));gap:12px}.gallery .card{margin:0}\
svg{display:block;max-width:100%;height:auto}\
.scroll{overflow:auto;max-height:520px;background:#fff;border:1px solid var(--line);border-radius:8px;margin:10px 0}\
table{border-collapse:collapse;width:100%;font-size:13.5px}\
th,td{text-align:left;padding:5px 10px;border-bottom:1px solid var(--line);vertical-align:top}\
th{position:sticky;top:0;background:#eef2f6;font-weight:600}\
pre{background:#fff;border:1px solid var(--line);border-radius:8px;padding:12px;overflow:auto;font:13px/1.5 ui-monospace,'DejaVu Sans Mono',monospace}\
.chart text,.timeline text{font:11px system-ui,'DejaVu Sans',sans-serif;fill:var(--soft)}\
.chart .chart-title{font-size:13px;font-weight:600;fill:var(--ink)}.timeline .lane{font-size:12px;fill:var(--ink)}.timeline .caption{font-size:10px}\
.grid{stroke:var(--line);stroke-width:1}\
.observed{fill:none;stroke:#33526e;stroke-width:1.1}.forecast{fill:none;stroke:var(--accent);stroke-width:1.8}\
.band{fill:#1769aa;fill-opacity:.18}.future{fill:#1769aa;fill-opacity:.04}\
.mark{fill:var(--warm);fill-opacity:.85;stroke:#fff;stroke-width:.8}\
.trouble{fill:#c92a2a}.notice{fill:#f08c00}.action{fill:#1c7ed6}.good{fill:#2f9e44}\
@media print{body{background:#fff}.scroll{max-height:none}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_become_markup() {
        let html = Page::new("<script>", "x")
            .figure("<1>", "n")
            .section("<s>")
            .paragraph("<p1>")
            .code("<c>")
            .table(&Table::new(["<h>"]).row(["<d>"]))
            .to_html();
        for text in ["<script>", "<1>", "<s>", "<p1>", "<c>", "<h>", "<d>"] {
            assert!(!html.contains(text), "{text} came through");
        }
    }
}
