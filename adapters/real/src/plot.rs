//! Points and lines over two axes, as SVG in the style of the façade's reports.

use std::fmt::Write as _;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Style {
    /// Measured: a dark line.
    Line,
    /// Expected: a blue line.
    Expected,
    /// A thin line that guides the eye.
    Guide,
    /// Orange dots.
    Dots,
    /// Blue dots.
    OtherDots,
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what is drawn")]
pub struct Curve {
    /// Its name in the legend; empty = none.
    pub name: String,
    /// How it is drawn.
    pub style: Style,
    /// Its points; not finite ones lift the pen.
    pub points: Vec<(f64, f64)>,
}

/// A picture with two axes that begin at zero.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what is drawn")]
pub struct Plot {
    /// Above it.
    pub title: String,
    /// Below the horizontal axis.
    pub x_name: String,
    /// Above the vertical axis, at the right.
    pub y_name: String,
    /// Back to front.
    pub curves: Vec<Curve>,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 36.0;
/// Points of a line beyond which neighbours are joined.
const POINTS_MAX: usize = 1_200;

impl Plot {
    /// The picture.
    pub fn to_svg(&self) -> String {
        let finite =
            || self.curves.iter().flat_map(|it| &it.points).filter(|it| it.0.is_finite() && it.1.is_finite());
        let top = |of: fn(&(f64, f64)) -> f64| round_up(finite().map(of).fold(0.0, f64::max));
        let (high_x, high_y) = (top(|it| it.0), top(|it| it.1));
        let x = |value: f64| LEFT + value / high_x * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / high_y * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\"><text class=\"chart-title\" x=\"{LEFT}\" y=\"15\">{0}</text><text class=\"tick\" x=\"{1}\" y=\"15\" text-anchor=\"end\">{2}</text><text class=\"tick\" x=\"{1}\" y=\"{3}\" text-anchor=\"end\">{4}</text>",
            escape(&self.title),
            WIDTH - RIGHT,
            escape(&self.y_name),
            HEIGHT - 5.0,
            escape(&self.x_name),
        );
        for tick in ticks(high_y) {
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/><text class=\"tick\" x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{tick}</text>",
                WIDTH - RIGHT,
                y(tick),
                LEFT - 5.0,
                y(tick) + 3.5
            );
        }
        for tick in ticks(high_x) {
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
                x(tick),
                HEIGHT - BOTTOM + 15.0
            );
        }
        let mut legend = LEFT;
        for curve in &self.curves {
            let points: Vec<(f64, f64)> = curve.points.iter().map(|it| (x(it.0), y(it.1))).collect();
            draw(&mut svg, curve.style, &points);
            if !curve.name.is_empty() {
                draw(&mut svg, curve.style, &[(legend, 31.0), (legend + 14.0, 31.0)]);
                let _ = write!(
                    svg,
                    "<text class=\"tick\" x=\"{}\" y=\"35\">{}</text>",
                    legend + 20.0,
                    escape(&curve.name)
                );
                legend += 34.0 + 6.2 * curve.name.chars().count() as f64;
            }
        }
        svg.push_str("</svg>");
        svg
    }
}

fn draw(svg: &mut String, style: Style, points: &[(f64, f64)]) {
    let class = match style {
        Style::Line => "observed",
        Style::Expected => "forecast",
        Style::Guide => "grid",
        Style::Dots | Style::OtherDots => return dots(svg, style, points),
    };
    let every = points.len().div_ceil(POINTS_MAX).max(1);
    let (mut path, mut down) = (String::new(), false);
    for point in points.iter().step_by(every) {
        if !(point.0.is_finite() && point.1.is_finite()) {
            down = false;
            continue;
        }
        let _ = write!(path, "{}{:.1} {:.1}", if down { "L" } else { "M" }, point.0, point.1);
        down = true;
    }
    let fill = if style == Style::Guide { " stroke-dasharray=\"4 3\" style=\"stroke:#9aa8b5\"" } else { "" };
    let _ = write!(svg, "<path class=\"{class}\" fill=\"none\"{fill} d=\"{path}\"/>");
}

fn dots(svg: &mut String, style: Style, points: &[(f64, f64)]) {
    let class = if style == Style::Dots { "mark" } else { "action" };
    for point in points.iter().filter(|it| it.0.is_finite() && it.1.is_finite()) {
        let _ =
            write!(svg, "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.2\"/>", point.0, point.1);
    }
}

/// A round number at or above; 1 for nothing.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let step = step(value);
    (value / step).ceil() * step
}

/// Distance of ticks.
fn step(high: f64) -> f64 {
    let rough = high / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|it| it * power).find(|&it| it >= rough).unwrap_or(rough)
}

fn ticks(high: f64) -> Vec<f64> {
    let step = step(high);
    // Rounded, so that three tenths are written as 0.3.
    let clean = |value: f64| (value * 1e6).round() / 1e6;
    (0..12).map(|k| clean(f64::from(k) * step)).take_while(|it| *it <= high + step * 1e-6).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_above_the_highest_value() {
        assert!((round_up(0.93) - 1.0).abs() < 1e-9);
        assert!((round_up(37.0) - 40.0).abs() < 1e-9);
        assert_eq!(ticks(1.0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(40.0), [0.0, 10.0, 20.0, 30.0, 40.0]);
    }

    #[test]
    fn gaps_lift_the_pen_names_are_escaped_and_nothing_is_a_picture() {
        let points = vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 1.0)];
        let curve = Curve { name: "<a>".into(), style: Style::Line, points };
        let plot = Plot { title: "t".into(), x_name: "s".into(), y_name: String::new(), curves: vec![curve] };
        let svg = plot.to_svg();
        let path = svg.split(" d=\"").nth(1).and_then(|it| it.split('"').next()).unwrap();
        assert_eq!(path.matches('M').count(), 2);
        assert!(svg.contains("&lt;a&gt;") && svg.ends_with("</svg>"));
        let empty = Plot { curves: Vec::new(), ..plot };
        assert!(empty.to_svg().ends_with("</svg>"));
    }
}
