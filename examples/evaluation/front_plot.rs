//! A front as a picture: one axis for each objective, a dot for each placement.

use std::fmt::Write as _;
use vm_ecosystem::placement::Front;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 420.0;
/// Room for the numbers on the left and below, and for the key above.
const LEFT: f64 = 80.0;
const BELOW: f64 = 50.0;
const ABOVE: f64 = 36.0;
const RIGHT: f64 = 20.0;
const TICKS: i64 = 5;

/// The front with a peer's beside it, as one SVG document.
pub(crate) fn page(front: &Front, peer: &[[i64; 2]]) -> String {
    let ours: Vec<[i64; 2]> = front.points.iter().map(|point| [point.values[0], point.values[1]]).collect();
    let all = || ours.iter().chain(peer);
    let limits = |k: usize| {
        let (low, high) = all().fold((i64::MAX, i64::MIN), |(l, h), v| (l.min(v[k]), h.max(v[k])));
        if low > high { (0, 1) } else { (low, high.max(low + 1)) }
    };
    let ((x_low, x_high), (y_low, y_high)) = (limits(0), limits(1));
    let x = |v: i64| LEFT + (v - x_low) as f64 / (x_high - x_low) as f64 * (WIDTH - LEFT - RIGHT);
    let y = |v: i64| HEIGHT - BELOW - (v - y_low) as f64 / (y_high - y_low) as f64 * (HEIGHT - BELOW - ABOVE);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    for tick in 0..=TICKS {
        let (px, py) = (x_low + (x_high - x_low) * tick / TICKS, y_low + (y_high - y_low) * tick / TICKS);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#e6e6e6\"/>\
             <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{py}</text>\
             <text x=\"{4:.1}\" y=\"{5}\" text-anchor=\"middle\">{px}</text>",
            WIDTH - RIGHT,
            y(py),
            LEFT - 8.0,
            y(py) + 4.0,
            x(px),
            HEIGHT - BELOW + 18.0
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">price of the hosts in use</text>\
         <text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">traffic × distance</text>",
        f64::midpoint(LEFT, WIDTH),
        HEIGHT - 12.0,
        HEIGHT / 2.0
    );
    for (number, (points, color, name)) in
        [(&ours[..], "#1769c2", "this library"), (peer, "#d9822b", "peer")].into_iter().enumerate()
    {
        if points.is_empty() {
            continue;
        }
        for point in points {
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{color}\"/>",
                x(point[0]),
                y(point[1])
            );
        }
        let at = LEFT + 130.0 * number as f64;
        let _ = writeln!(
            out,
            "<circle cx=\"{at}\" cy=\"18\" r=\"4\" fill=\"{color}\"/><text x=\"{}\" y=\"22\">{name}</text>",
            at + 10.0
        );
    }
    out.push_str("</svg>\n");
    out
}
