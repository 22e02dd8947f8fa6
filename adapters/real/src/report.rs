//! The story as a page that opens anywhere.

use crate::director::Step;
use vm_ecosystem::report::{Lane, Page, Span, Table, Timeline, Tone};

/// A self-contained HTML file with the steps, what the controller said, and the figures.
pub fn page(title: &str, steps: &[Step], figures: &[(String, String)], words: &[String]) -> String {
    let span = |step: &Step| Span {
        from_unix_ms: step.from_unix_ms,
        until_unix_ms: step.until_unix_ms,
        label: format!("{}: {}", step.name, step.detail),
        caption: String::new(),
        tone: if step.name.starts_with("fault") { Tone::Trouble } else { Tone::Good },
    };
    let lanes = steps.iter().map(|step| Lane { name: step.name.clone(), spans: vec![span(step)] }).collect();
    let first = steps.first().map_or(0, |step| step.from_unix_ms);
    let seconds = |ms: u64| format!("{:.1}", ms as f64 / 1e3);
    let table = steps.iter().fold(Table::new(["at, s", "step", "took, s", "seen"]), |table, step| {
        let (at, took) = (step.from_unix_ms - first, step.until_unix_ms - step.from_unix_ms);
        table.row([seconds(at), step.name.clone(), seconds(took), step.detail.clone()])
    });
    let page = figures.iter().fold(
        Page::new(title, "real QEMU machines, a real metrics server, a durable store"),
        |page, (name, value)| page.figure(value.as_str(), name.as_str()),
    );
    page.section("Timeline")
        .picture(&Timeline { lanes }.to_svg())
        .table(&table)
        .section("What the controller said")
        .code(&words.join("\n"))
        .to_html()
}
