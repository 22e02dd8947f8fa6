//! Pieces of SVG text: escaping, widths of text, numbers.

use std::fmt::Write as _;

/// Fonts that look alike on every system.
const FONT: &str = "Inter, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif";

/// Colour of names.
pub(super) const INK: &str = "#1c2430";
/// Colour of secondary text.
pub(super) const MUTED: &str = "#5c6675";
/// Colour of thin lines.
pub(super) const LINE: &str = "#d5dae2";

/// Grows an SVG document.
#[derive(Default)]
pub(super) struct Canvas {
    body: String,
}

impl Canvas {
    /// Appends markup as it is.
    pub(super) fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
        self.body.push('\n');
    }

    /// A rectangle with rounded corners.
    pub(super) fn rect(&mut self, (x, y, w, h): (f64, f64, f64, f64), radius: f64, style: &str) {
        let (x, y, w, h, r) = (px(x), px(y), px(w), px(h), px(radius));
        let _ = writeln!(
            self.body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{r}\" {style}/>"
        );
    }

    /// A line of text; `y` is its base line.
    pub(super) fn text(&mut self, (x, y): (f64, f64), size: f64, style: &str, text: &str) {
        let (x, y, size) = (px(x), px(y), px(size));
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" {style}>{}</text>",
            escape(text)
        );
    }

    /// Opens a group with a tooltip.
    pub(super) fn open(&mut self, tooltip: &str) {
        let _ = writeln!(self.body, "<g><title>{}</title>", escape(tooltip));
    }

    /// Closes a group.
    pub(super) fn close(&mut self) {
        self.raw("</g>");
    }

    /// The whole document.
    pub(super) fn finish(self, width: f64, height: f64, label: &str, defs: &str) -> String {
        let (w, h) = (px(width.ceil()), px(height.ceil()));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
             role=\"img\" aria-label=\"{}\" font-family=\"{FONT}\">\n{defs}<rect width=\"{w}\" height=\"{h}\" \
             fill=\"#ffffff\"/>\n{}</svg>\n",
            escape(label),
            self.body
        )
    }
}

/// A coordinate with at most one decimal.
pub(super) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// Text for element content and attributes; characters that XML 1.0 does not allow become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Width of a text in a sans-serif font: widths of Helvetica by class of character, a little on the wide side.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.29,
        'f' | 't' | 'r' | '-' | '(' | ')' | '/' | ' ' => 0.37,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.90,
        'A'..='Z' | '·' => 0.68,
        c if c.is_ascii() => 0.58,
        _ => 0.95,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// The text, cut with an ellipsis so that it is at most `width` wide.
pub(super) fn fitted(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if text_width(&out, size) + 0.7 * size > width {
            out.pop();
            break;
        }
    }
    out.push('…');
    out
}
