//! A plan as a picture.

use super::problem::PlanProblem;
use super::steps::{Plan, StepKind};
use std::fmt::Write as _;

/// A Gantt chart as SVG: one row per host, one bar per step on the hosts it concerns. At most 200 rows are drawn;
/// names are escaped.
pub fn gantt_svg(problem: &PlanProblem, plan: &Plan) -> String {
    const ROW: usize = 18;
    const LEFT: f64 = 120.0;
    const WIDTH: f64 = 900.0;
    let hosts = problem.hosts.len().min(200);
    let scale = (WIDTH - LEFT - 10.0) / plan.makespan_ms.max(1) as f64;
    let height = (hosts + 2) * ROW;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"10\">\n"
    );
    for (h, host) in problem.hosts.iter().take(hosts).enumerate() {
        let y = (h + 1) * ROW;
        let _ = writeln!(svg, "<text x=\"4\" y=\"{}\">{}</text>", y + 12, escape(&host.name));
    }
    for step in &plan.steps {
        let (rows, color) = match step.kind {
            StepKind::Migrate(a, b) => {
                (vec![a, b], if plan.pivots.contains(&step.item) { "#d95f02" } else { "#1f78b4" })
            }
            StepKind::Start(h) | StepKind::Resume(h) => (vec![h], "#33a02c"),
            StepKind::Stop(h) | StepKind::Suspend(h) => (vec![h], "#e31a1c"),
            StepKind::BootHost(h) | StepKind::ShutdownHost(h) => (vec![h], "#6a3d9a"),
        };
        let x = LEFT + step.start_ms as f64 * scale;
        let width = ((step.end_ms - step.start_ms) as f64 * scale).max(1.0);
        let name = problem.items.get(step.item).map_or("host", |item| item.name.as_str());
        for h in rows.into_iter().filter(|&h| h < hosts) {
            let y = (h + 1) * ROW + 2;
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{color}\" fill-opacity=\"0.7\"><title>{} {:?} {}-{} ms</title></rect>",
                ROW - 4,
                escape(name),
                step.kind,
                step.start_ms,
                step.end_ms
            );
        }
    }
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"12\">0 to {} ms</text>\n</svg>", plan.makespan_ms);
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
