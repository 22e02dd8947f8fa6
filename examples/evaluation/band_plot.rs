//! Series with their expected band, alarms and labelled windows, as one SVG page.

use std::fmt::Write as _;

/// One picture.
pub(crate) struct Strip {
    pub(crate) title: String,
    pub(crate) values: Vec<f64>,
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    /// Rows of alarms and what they are about.
    pub(crate) alarms: Vec<(usize, String)>,
    /// Labelled windows, first and last row.
    pub(crate) windows: Vec<(usize, usize)>,
}

const WIDTH: f64 = 1100.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 16.0;
const HEAD: f64 = 34.0;
/// Columns of a picture: rows that share one are drawn as their extremes.
const COLUMNS: usize = 1014;

/// All pictures below each other.
pub(crate) fn page(strips: &[Strip]) -> String {
    let height = HEIGHT * strips.len() as f64 + HEAD;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let entries = [
        ("#222", "value"),
        ("#bcd7f2", "expected band"),
        ("#ffd9a8", "labelled window"),
        ("#c8102e", "alarm"),
    ];
    for (k, (color, name)) in entries.iter().enumerate() {
        let x = LEFT + 140.0 * k as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"12\" width=\"18\" height=\"8\" fill=\"{color}\"/><text x=\"{}\" y=\"20\">{name}</text>",
            x + 24.0
        );
    }
    for (k, strip) in strips.iter().enumerate() {
        let _ = writeln!(out, "<g transform=\"translate(0 {})\">", HEAD + HEIGHT * k as f64);
        draw(&mut out, strip);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

/// Lowest and highest of what is known; NaN for nothing.
fn extremes(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .filter(|v| v.is_finite())
        .fold((f64::NAN, f64::NAN), |(low, high), &v| (low.min(v), high.max(v)))
}

fn draw(out: &mut String, strip: &Strip) {
    let n = strip.values.len().max(1);
    let (low, high) = extremes(&strip.values);
    let (low, high) = if low < high { (low, high) } else { (low - 1.0, low + 1.0) };
    let (low, high) = (low - 0.06 * (high - low), high + 0.06 * (high - low));
    let x = |row: usize| LEFT + row as f64 / n as f64 * (WIDTH - LEFT - RIGHT);
    let y = |v: f64| HEIGHT - BOTTOM - (v.clamp(low, high) - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
    for &(first, last) in &strip.windows {
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\" fill=\"#ffd9a8\"/>",
            x(first),
            (x(last + 1) - x(first)).max(1.0),
            HEIGHT - TOP - BOTTOM
        );
    }
    let columns = COLUMNS.min(n);
    let rows = |c: usize| c * n / columns..((c + 1) * n / columns).max(c * n / columns + 1);
    let (mut band, mut line) = (String::new(), String::new());
    for c in 0..columns {
        let at = x(rows(c).start);
        // The band of a column is that of its first row: mixing rows would draw one nobody was judged by.
        let (bottom, top) = (strip.lower[rows(c).start], strip.upper[rows(c).start]);
        if bottom.is_finite() && top.is_finite() && top >= low && bottom <= high {
            let _ = write!(band, "M{at:.1} {:.1}V{:.1}", y(bottom), y(top));
        }
        let (least, most) = extremes(&strip.values[rows(c)]);
        if least.is_finite() {
            let pen = if line.is_empty() { 'M' } else { 'L' };
            let _ = write!(line, "{pen}{at:.1} {:.1}L{at:.1} {:.1}", y(least), y(most));
        }
    }
    let _ = writeln!(out, "<path d=\"{band}\" stroke=\"#bcd7f2\" stroke-width=\"1.3\" fill=\"none\"/>");
    let _ = writeln!(out, "<path d=\"{line}\" stroke=\"#222\" stroke-width=\"0.7\" fill=\"none\"/>");
    let mut free = [f64::NEG_INFINITY; 2];
    for (row, what) in &strip.alarms {
        let at = x(*row);
        let _ = writeln!(
            out,
            "<path d=\"M{at:.1} {TOP}V{}\" stroke=\"#c8102e\"/><path d=\"M{at:.1} {TOP}l-4 -7h8z\" fill=\"#c8102e\"/>",
            HEIGHT - BOTTOM
        );
        // A name goes where there is room in one of two lines, or is left out.
        if let Some(place) = free.iter().position(|&f| at >= f) {
            free[place] = at + 7.0 * what.len() as f64 + 10.0;
            let (shift, anchor) = if at > WIDTH - 90.0 { (-5.0, "end") } else { (5.0, "start") };
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"#c8102e\" font-size=\"10\">{}</text>",
                at + shift,
                TOP - 1.0 - 10.0 * place as f64,
                escaped(what)
            );
        }
    }
    let _ = writeln!(
        out,
        "<text x=\"4\" y=\"11\" font-weight=\"bold\">{}</text>\
         <text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{3}</text><text x=\"{1}\" y=\"{4:.1}\" text-anchor=\"end\">{5}</text>",
        escaped(&strip.title),
        LEFT - 6.0,
        y(low),
        short(low),
        y(high) + 8.0,
        short(high)
    );
}

/// A number in at most seven characters or so.
fn short(v: f64) -> String {
    if v.abs() >= 1e5 { format!("{v:.1e}") } else { format!("{v:.1}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
