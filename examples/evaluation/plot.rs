//! Forecasts as a page of small pictures: past, forecast with its 95 % band, and what came.

use std::fmt::Write as _;

/// One picture.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) past: Vec<f64>,
    pub(crate) point: Vec<f64>,
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    pub(crate) actual: Vec<f64>,
}

const COLUMNS: usize = 2;
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 210.0;
/// Room for numbers on the left, the title above and the steps below.
const LEFT: f64 = 58.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 24.0;
const RIGHT: f64 = 14.0;
/// Room for the key at the head of the page.
const HEAD: f64 = 34.0;

/// All pictures as one SVG document.
pub(crate) fn page(panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(COLUMNS);
    let (width, height) = (WIDTH * COLUMNS as f64, HEIGHT * rows as f64 + HEAD);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    key(&mut out);
    for (k, panel) in panels.iter().enumerate() {
        let (x, y) = ((k % COLUMNS) as f64 * WIDTH, (k / COLUMNS) as f64 * HEIGHT + HEAD);
        let _ = writeln!(out, "<g transform=\"translate({x} {y})\">");
        draw(&mut out, panel);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn key(out: &mut String) {
    let entries =
        [("#9aa0a6", "past"), ("#222", "what came"), ("#1769c2", "forecast"), ("#bcd7f2", "95 % band")];
    for (k, (color, name)) in entries.iter().enumerate() {
        let x = LEFT + 110.0 * k as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"14\" width=\"18\" height=\"6\" fill=\"{color}\"/><text x=\"{}\" y=\"21\">{name}</text>",
            x + 24.0
        );
    }
}

fn draw(out: &mut String, panel: &Panel) {
    let all = [&panel.past, &panel.point, &panel.lower, &panel.upper, &panel.actual];
    let observed = all.iter().flat_map(|v| v.iter()).copied().filter(|v| v.is_finite());
    let (low, high) = observed.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let (low, high) = if low < high { (low, high) } else { (low.min(0.0) - 1.0, low.max(0.0) + 1.0) };
    let step = tick_step(high - low);
    let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
    let steps = (panel.past.len() + panel.point.len()).max(2) as f64 - 1.0;
    let x = |t: usize| LEFT + t as f64 / steps * (WIDTH - LEFT - RIGHT);
    let y = |v: f64| HEIGHT - BOTTOM - (v - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\" font-size=\"12\" font-weight=\"bold\">{}</text>",
        TOP - 10.0,
        escaped(&panel.title)
    );
    let mut tick = low;
    while tick <= high + 0.5 * step {
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#e6e6e6\"/>\
             <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>",
            WIDTH - RIGHT,
            y(tick),
            LEFT - 6.0,
            y(tick) + 4.0,
            label(tick, step)
        );
        tick += step;
    }
    let origin = panel.past.len();
    let at = |v: &[f64], from: usize| -> Vec<(f64, f64)> {
        v.iter()
            .enumerate()
            .map(|(t, &v)| (x(from + t), if v.is_finite() { y(v) } else { f64::NAN }))
            .collect()
    };
    let (lower, upper) = (at(&panel.lower, origin), at(&panel.upper, origin));
    let band: Vec<(f64, f64)> = upper.into_iter().chain(lower.into_iter().rev()).collect();
    let _ = writeln!(out, "<path d=\"{}Z\" fill=\"#bcd7f2\"/>", path(&band));
    for (values, from, color, width) in [
        (&panel.past, 0, "#9aa0a6", 1.0),
        (&panel.actual, origin, "#222", 1.0),
        (&panel.point, origin, "#1769c2", 1.5),
    ] {
        let _ = writeln!(
            out,
            "<path d=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"/>",
            path(&at(values, from))
        );
    }
    let edge = x(origin.saturating_sub(1));
    let _ = writeln!(
        out,
        "<line x1=\"{edge:.1}\" x2=\"{edge:.1}\" y1=\"{TOP}\" y2=\"{0}\" stroke=\"#888\" stroke-dasharray=\"3 3\"/>\
         <text x=\"{edge:.1}\" y=\"{1}\" text-anchor=\"middle\">now</text>\
         <text x=\"{LEFT}\" y=\"{1}\">{2} steps ago</text>\
         <text x=\"{3}\" y=\"{1}\" text-anchor=\"end\">in {4}</text>",
        HEIGHT - BOTTOM,
        HEIGHT - 8.0,
        panel.past.len(),
        WIDTH - RIGHT,
        panel.point.len()
    );
}

/// Polyline with gaps where a value is missing.
fn path(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    let mut pen_up = true;
    for &(x, y) in points {
        if y.is_nan() {
            pen_up = true;
            continue;
        }
        let _ = write!(out, "{}{x:.1} {y:.1}", if pen_up { "M" } else { "L" });
        pen_up = false;
    }
    out
}

/// 1, 2 or 5 times a power of ten that gives three to seven ticks.
fn tick_step(range: f64) -> f64 {
    let power = 10_f64.powf((range / 4.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| range / s <= 5.0).unwrap_or(10.0 * power)
}

fn label(value: f64, step: f64) -> String {
    let (scaled, unit) = [(1e9, "G"), (1e6, "M"), (1e4, "k")]
        .into_iter()
        .find(|(size, _)| step >= size / 10.0)
        .map_or((1.0, ""), |(size, unit)| (if unit == "k" { 1e3 } else { size }, unit));
    let step = step / scaled;
    let mut digits = 0;
    while digits < 9 && step * 10_f64.powi(digits) < 0.999 {
        digits += 1;
    }
    let digits = usize::try_from(digits).unwrap_or(0);
    let value = value / scaled;
    format!("{:.digits$}{unit}", if value.abs() < 1e-9 * step { 0.0 } else { value })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
