//! A metric over time with its forecast, interval and anomalies.

use super::axis::{Scale, number, ticks, time_ticks, whole};
use super::escape;
use crate::model::Timestamp;
use std::fmt::Write as _;

/// A forecast that follows the observed values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Band {
    /// The most likely values.
    pub point: Vec<f64>,
    /// Lower ends of the interval.
    pub lower: Vec<f64>,
    /// Upper ends of the interval.
    pub upper: Vec<f64>,
}

/// A marked observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Index into the observed values.
    pub index: usize,
    /// What a reader sees when pointing at it.
    pub label: String,
}

/// An equally spaced metric with its forecast, drawn as SVG.
///
/// Long histories are reduced to the smallest and largest value per pixel column (Jugel et al. 2014, M4), so that no
/// spike is lost and the picture stays small. NaN is a gap.
///
/// # Example
/// ```
/// use vm_ecosystem::report::LineChart;
///
/// let mut chart = LineChart::new("web", "CPU, cores", 0, 3_600_000);
/// chart.observed = vec![1.0, 2.0, f64::NAN, 2.5];
/// assert!(chart.to_svg().starts_with("<svg"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LineChart {
    /// Heading.
    pub title: String,
    /// Quantity and unit.
    pub unit: String,
    /// Time of the first observation in unix milliseconds.
    pub start_unix_ms: u64,
    /// Distance between observations in milliseconds.
    pub step_ms: u64,
    /// Observed values; NaN = missing.
    pub observed: Vec<f64>,
    /// Forecast of what follows.
    pub forecast: Band,
    /// Observations to mark.
    pub marks: Vec<Mark>,
    /// Size in pixels.
    pub size: (u32, u32),
}

const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 22.0;

impl LineChart {
    /// An empty chart.
    pub fn new(title: impl Into<String>, unit: impl Into<String>, start_unix_ms: u64, step_ms: u64) -> Self {
        Self {
            title: title.into(),
            unit: unit.into(),
            start_unix_ms,
            step_ms: step_ms.max(1),
            observed: Vec::new(),
            forecast: Band::default(),
            marks: Vec::new(),
            size: (860, 240),
        }
    }

    /// The picture.
    pub fn to_svg(&self) -> String {
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        let steps = self.observed.len() + self.forecast.point.len();
        let x = Scale { low: 0.0, high: steps.saturating_sub(1) as f64, from: LEFT, to: width - RIGHT };
        let (low, high) = self.value_range();
        let y = Scale { low, high, from: height - BOTTOM, to: TOP };
        let mut svg = format!(
            "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
            escape(&self.title)
        );
        let _ = write!(
            svg,
            "<text class=\"chart-title\" x=\"{LEFT}\" y=\"15\">{}</text><text class=\"tick\" x=\"{}\" y=\"15\" text-anchor=\"end\">{}</text>",
            escape(&self.title),
            width - RIGHT,
            escape(&self.unit)
        );
        self.axes(&mut svg, x, y, steps);
        self.draw_forecast(&mut svg, x, y);
        let _ = write!(svg, "<path class=\"observed\" d=\"{}\"/>", self.observed_path(x, y));
        for mark in &self.marks {
            if let Some(value) = self.observed.get(mark.index).filter(|v| v.is_finite()) {
                let _ = write!(
                    svg,
                    "<circle class=\"mark\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.2\"><title>{}</title></circle>",
                    x.at(mark.index as f64),
                    y.at(*value),
                    escape(&mark.label)
                );
            }
        }
        svg.push_str("</svg>");
        svg
    }

    fn value_range(&self) -> (f64, f64) {
        let band = &self.forecast;
        let all = [&self.observed, &band.point, &band.lower, &band.upper];
        let finite = || all.into_iter().flatten().copied().filter(|v| v.is_finite());
        let high = finite().fold(f64::NEG_INFINITY, f64::max);
        let low = finite().fold(f64::INFINITY, f64::min);
        if !high.is_finite() {
            return (0.0, 1.0);
        }
        // Load starts at zero unless that would flatten the curve.
        let low = if low > 0.0 && low < 0.6 * high { 0.0 } else { low };
        (low, if high > low { high + (high - low) * 0.04 } else { low + 1.0 })
    }

    fn axes(&self, svg: &mut String, x: Scale, y: Scale, steps: usize) {
        for tick in ticks(y.low, y.high, 4) {
            let at = y.at(tick);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                x.to,
                LEFT - 5.0,
                at + 3.5,
                number(tick)
            );
        }
        let end = self.start_unix_ms + self.step_ms * steps.saturating_sub(1) as u64;
        let room = whole((x.to - x.from) / 62.0).max(2);
        let (moments, whole_days) = time_ticks(self.start_unix_ms, end, room);
        for moment in moments {
            let at = x.at((moment - self.start_unix_ms) as f64 / self.step_ms as f64);
            let stamp = Timestamp::from_unix_ms(moment).to_string();
            let text = if whole_days { stamp.get(5..10) } else { stamp.get(11..16) };
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                y.from + 15.0,
                text.unwrap_or_default()
            );
        }
    }

    fn draw_forecast(&self, svg: &mut String, x: Scale, y: Scale) {
        let band = &self.forecast;
        let first = self.observed.len();
        if band.point.is_empty() {
            return;
        }
        let from = x.at(first.saturating_sub(1) as f64);
        let _ = write!(
            svg,
            "<rect class=\"future\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            y.to,
            x.to - from,
            y.from - y.to
        );
        let points = |values: &[f64], reverse: bool| {
            let mut pairs: Vec<String> = values
                .iter()
                .enumerate()
                .map(|(k, v)| format!("{:.1},{:.1}", x.at((first + k) as f64), y.at(*v)))
                .collect();
            if reverse {
                pairs.reverse();
            }
            pairs.join(" ")
        };
        if band.lower.len() == band.point.len() && band.upper.len() == band.point.len() {
            let _ = write!(
                svg,
                "<polygon class=\"band\" points=\"{} {}\"/>",
                points(&band.upper, false),
                points(&band.lower, true)
            );
        }
        let _ = write!(svg, "<polyline class=\"forecast\" points=\"{}\"/>", points(&band.point, false));
    }

    fn observed_path(&self, x: Scale, y: Scale) -> String {
        let columns = whole(x.to - x.from);
        let per_column = self.observed.len().div_ceil(columns.max(1)).max(1);
        let mut path = String::new();
        let mut pen_down = false;
        for (column, chunk) in self.observed.chunks(per_column).enumerate() {
            let finite = chunk.iter().copied().enumerate().filter(|(_, v)| v.is_finite());
            let low = finite.clone().min_by(|a, b| a.1.total_cmp(&b.1));
            let high = finite.max_by(|a, b| a.1.total_cmp(&b.1));
            let (Some(low), Some(high)) = (low, high) else {
                pen_down = false;
                continue;
            };
            let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
            for (offset, value) in if first.0 == second.0 { vec![first] } else { vec![first, second] } {
                let at = x.at((column * per_column + offset) as f64);
                let _ = write!(path, "{}{at:.1} {:.1}", if pen_down { "L" } else { "M" }, y.at(value));
                pen_down = true;
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_lifts_the_pen_and_a_spike_survives_the_reduction() {
        let mut chart = LineChart::new("m", "", 0, 60_000);
        chart.observed = vec![1.0; 20_000];
        chart.observed[7_777] = 50.0;
        chart.observed[12_000..13_000].fill(f64::NAN);
        let svg = chart.to_svg();
        let path = svg.split("d=\"").nth(1).unwrap();
        assert_eq!(path.split('"').next().unwrap().matches('M').count(), 2, "one gap, two strokes");
        let y = Scale { low: 0.0, high: 52.0, from: 240.0 - BOTTOM, to: TOP };
        assert!(path.contains(&format!(" {:.1}", y.at(50.0))), "the spike is drawn");
        assert!(svg.len() < 60_000, "{} bytes", svg.len());
    }

    #[test]
    fn an_empty_chart_is_still_a_picture() {
        assert!(LineChart::new("m", "", 0, 0).to_svg().ends_with("</svg>"));
    }
}
