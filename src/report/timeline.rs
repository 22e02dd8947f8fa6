//! What happened and what was done about it, in lanes over time.

use super::axis::{Scale, time_ticks};
use super::escape;
use crate::model::Timestamp;
use std::fmt::Write as _;

/// What a span means; decides its colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Tone {
    /// Something bad happened.
    Trouble,
    /// Something was noticed or asked.
    Notice,
    /// Something was done.
    Action,
    /// Something ended well.
    Good,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Notice => "notice",
            Self::Action => "action",
            Self::Good => "good",
        }
    }
}

/// Something that lasted from one moment to another, or happened at one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Span {
    /// Begin in unix milliseconds.
    pub from_unix_ms: u64,
    /// End in unix milliseconds; equal to the begin for a moment.
    pub until_unix_ms: u64,
    /// What a reader sees when pointing at it.
    pub label: String,
    /// A word beside the bar; empty = none.
    pub caption: String,
    /// What it means.
    pub tone: Tone,
}

/// A row of the picture.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Lane {
    /// Name at the left.
    pub name: String,
    /// What happened in it.
    pub spans: Vec<Span>,
}

/// Lanes over one time axis, drawn as SVG. Spans that overlap in a lane are stacked.
///
/// # Example
/// ```
/// use vm_ecosystem::report::{Lane, Span, Timeline, Tone};
///
/// let span = Span { from_unix_ms: 0, until_unix_ms: 60_000, label: "h1 dies".into(), caption: "".into(), tone: Tone::Trouble };
/// let lane = Lane { name: "host failure".into(), spans: vec![span] };
/// assert!(Timeline { lanes: vec![lane] }.to_svg().contains("h1 dies"));
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Timeline {
    /// The rows, from the top.
    pub lanes: Vec<Lane>,
}

const WIDTH: f64 = 1100.0;
const LEFT: f64 = 150.0;
const ROW: f64 = 13.0;
const BAR: f64 = 10.0;
/// Narrowest bar, so that a moment can be seen and pointed at.
const NARROWEST: f64 = 4.0;

impl Timeline {
    /// The picture.
    pub fn to_svg(&self) -> String {
        let spans = || self.lanes.iter().flat_map(|lane| &lane.spans);
        let start = spans().map(|s| s.from_unix_ms).min().unwrap_or(0);
        let end = spans().map(|s| s.until_unix_ms).max().unwrap_or(start).max(start + 1);
        let x = Scale { low: 0.0, high: (end - start) as f64, from: LEFT, to: WIDTH - 16.0 };
        let stacked: Vec<(Vec<usize>, usize)> = self.lanes.iter().map(|lane| stack(lane, x, start)).collect();
        let body: f64 = stacked.iter().map(|(_, rows)| lane_height(*rows)).sum();
        let height = body + 30.0;
        let mut svg = format!(
            "<svg class=\"timeline\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"timeline\">"
        );
        let (moments, _) = time_ticks(start, end, 10);
        for moment in moments {
            let at = x.at((moment - start) as f64);
            let stamp = Timestamp::from_unix_ms(moment).to_string();
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"0\" y2=\"{body}\"/><text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                body + 16.0,
                stamp.get(11..19).unwrap_or_default()
            );
        }
        let mut top = 0.0;
        for (lane, (rows_of, rows)) in self.lanes.iter().zip(&stacked) {
            let tall = lane_height(*rows);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{:.1}\" y2=\"{:.1}\"/><text class=\"lane\" x=\"4\" y=\"{:.1}\">{}</text>",
                top + tall,
                top + tall,
                top + tall / 2.0 + 4.0,
                escape(&lane.name)
            );
            for (span, row) in lane.spans.iter().zip(rows_of) {
                draw(&mut svg, span, x, start, top + 4.0 + ROW * *row as f64);
            }
            top += tall;
        }
        svg.push_str("</svg>");
        svg
    }
}

fn draw(svg: &mut String, span: &Span, x: Scale, start: u64, top: f64) {
    let (from, wide) = extent(span, x, start);
    let at = Timestamp::from_unix_ms(span.from_unix_ms).to_string();
    let _ = write!(
        svg,
        "<rect class=\"{}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{BAR}\" rx=\"2\"><title>{} {}</title></rect>",
        span.tone.class(),
        at.get(11..19).unwrap_or_default(),
        escape(&span.label)
    );
    if !span.caption.is_empty() {
        // At the right edge the caption stands before the bar.
        let fits = from + wide + caption_width(span) <= WIDTH;
        let (at, anchor) = if fits { (from + wide + 3.0, "start") } else { (from - 3.0, "end") };
        let _ = write!(
            svg,
            "<text class=\"caption\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            top + BAR - 1.0,
            escape(&span.caption)
        );
    }
}

fn lane_height(rows: usize) -> f64 {
    ROW * rows.max(1) as f64 + 6.0
}

fn extent(span: &Span, x: Scale, start: u64) -> (f64, f64) {
    let from = x.at(span.from_unix_ms.saturating_sub(start) as f64);
    let to = x.at(span.until_unix_ms.max(span.from_unix_ms).saturating_sub(start) as f64);
    (from, (to - from).max(NARROWEST))
}

/// Room that a caption takes, from the width of its letters.
fn caption_width(span: &Span) -> f64 {
    if span.caption.is_empty() { 1.0 } else { 8.0 + 6.0 * span.caption.chars().count() as f64 }
}

/// A row for each span so that none overlaps another, first fit; and the number of rows.
fn stack(lane: &Lane, x: Scale, start: u64) -> (Vec<usize>, usize) {
    let mut free_from: Vec<f64> = Vec::new();
    let mut rows = vec![0; lane.spans.len()];
    let mut order: Vec<usize> = (0..lane.spans.len()).collect();
    order.sort_by_key(|&i| (lane.spans[i].from_unix_ms, i));
    for i in order {
        let (from, wide) = extent(&lane.spans[i], x, start);
        let row = free_from.iter().position(|&end| end <= from).unwrap_or(free_from.len());
        if row == free_from.len() {
            free_from.push(0.0);
        }
        free_from[row] = from + wide + caption_width(&lane.spans[i]);
        rows[i] = row;
    }
    (rows, free_from.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u64, until: u64) -> Span {
        Span {
            from_unix_ms: from,
            until_unix_ms: until,
            label: "<x>".to_owned(),
            caption: "<y>".to_owned(),
            tone: Tone::Action,
        }
    }

    #[test]
    fn spans_that_overlap_are_stacked_and_others_share_a_row() {
        let lane = Lane { name: String::new(), spans: vec![span(0, 500), span(100, 300), span(600, 900)] };
        let x = Scale { low: 0.0, high: 1000.0, from: 0.0, to: 1000.0 };
        assert_eq!(stack(&lane, x, 0), (vec![0, 1, 0], 2));
    }

    #[test]
    fn labels_are_escaped_and_an_empty_timeline_is_a_picture() {
        let lane = Lane { name: "a&b".to_owned(), spans: vec![span(5, 5)] };
        let svg = Timeline { lanes: vec![lane] }.to_svg();
        assert!(svg.contains("&lt;x&gt;") && svg.contains("&lt;y&gt;") && svg.contains("a&amp;b"));
        assert!(Timeline::default().to_svg().ends_with("</svg>"));
    }
}
