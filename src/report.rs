//! Self-contained HTML and SVG as strings, for reports that open anywhere without a network.
//!
//! - [`LineChart`]: a metric with its forecast, interval and marked anomalies.
//! - [`Timeline`]: what happened and what was done about it, in lanes over time.
//! - [`Page`]: sections, tables and pictures in one HTML file with its styles inside.
//!
//! The map and the placement are drawn by the export functions of `ecosystem-core`.

mod axis;
mod chart;
mod page;
mod timeline;

pub use chart::{Band, LineChart, Mark};
pub use page::{Page, Table};
pub use timeline::{Lane, Span, Timeline, Tone};

/// Text with the five characters that HTML and SVG give a meaning to replaced.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters are not allowed in XML 1.0, not even escaped.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn markup_in_names_is_text_in_the_report() {
        assert_eq!(super::escape("<b a='1'>&\u{0}"), "&lt;b a=&#39;1&#39;&gt;&amp;\u{fffd}");
    }
}
