//! The story as a page that opens anywhere.

use crate::director::{Director, Step};
use crate::moves::Move;
use crate::plot::{Curve, Plot, Style};
use serde_json::Value;
use std::collections::BTreeMap;
use vm_ecosystem::prelude::Timestamp;
use vm_ecosystem::report::{Lane, Page, Span, Table, Timeline, Tone};

/// A self-contained HTML file: pictures of what was measured, the steps, and what the controller said.
pub fn page(title: &str, stage: &Director, moves: &[Move], figures: &[(&str, String)]) -> String {
    let begin = stage.steps.first().map_or(0, |step| step.from_unix_ms);
    let page = figures.iter().fold(
        Page::new(title, "real QEMU machines, a real metrics server, a durable store, all on one machine"),
        |page, (name, value)| page.figure(value.as_str(), *name),
    );
    let pictures = [load(stage, begin), losses(stage, begin), predictions(moves), memory(stage, begin)];
    let svgs: Vec<String> = pictures.iter().map(Plot::to_svg).collect();
    page.section("Timeline")
        .picture(&timeline(&stage.steps).to_svg())
        .section("Measured")
        .gallery(svgs.iter().map(String::as_str))
        .section("Steps")
        .table(&steps(&stage.steps, begin))
        .section("What the controllers said")
        .code(&words(stage))
        .to_html()
}

/// One lane for each kind of step, in the order in which they first happened.
fn timeline(steps: &[Step]) -> Timeline {
    let mut names: Vec<&str> = Vec::new();
    for step in steps {
        if !names.contains(&step.name.as_str()) {
            names.push(&step.name);
        }
    }
    let span = |step: &Step| Span {
        from_unix_ms: step.from_unix_ms,
        until_unix_ms: step.until_unix_ms,
        label: format!("{}: {}", step.name, step.detail),
        caption: String::new(),
        tone: tone(&step.name),
    };
    let lane = |name: &str| Lane {
        name: name.trim_start_matches("fault: ").to_owned(),
        spans: steps.iter().filter(|it| it.name == name).map(span).collect(),
    };
    Timeline { lanes: names.into_iter().map(lane).collect() }
}

fn tone(name: &str) -> Tone {
    match name {
        it if it.starts_with("fault") => Tone::Trouble,
        "live migration" | "rolling version change" | "load rises" => Tone::Action,
        _ => Tone::Good,
    }
}

fn steps(steps: &[Step], begin: u64) -> Table {
    let seconds = |ms: u64| format!("{:.1}", ms as f64 / 1e3);
    steps.iter().fold(Table::new(["at, s", "step", "took, s", "seen"]), |table, step| {
        let (at, took) = (step.from_unix_ms - begin, step.until_unix_ms - step.from_unix_ms);
        table.row([seconds(at), step.name.clone(), seconds(took), step.detail.clone()])
    })
}

fn words(stage: &Director) -> String {
    let clock = |it: &Value| {
        let stamp = Timestamp::from_unix_ms(it["at"].as_u64().unwrap_or(0)).to_string();
        stamp.get(11..19).unwrap_or_default().to_owned()
    };
    let mut words: Vec<String> = Vec::new();
    for line in stage.heard(0) {
        if let Some(note) = line["note"].as_str() {
            words.push(format!("{}  {note}", clock(&line)));
        } else if line.get("active").is_some() {
            words.push(format!("{}  -- a controller is active, epoch {}", clock(&line), line["epoch"]));
        }
    }
    words.join("\n")
}

fn since(begin: u64, line: &Value) -> f64 {
    line["at"].as_u64().unwrap_or(begin).saturating_sub(begin) as f64 / 1e3
}

/// The load of the web machines, what was expected of it, and when there were to be more.
fn load(stage: &Director, begin: u64) -> Plot {
    let lines = stage.heard(begin);
    let (mut measured, mut expected) = (Vec::new(), Vec::<(f64, f64)>::new());
    for line in lines.iter().filter(|it| it["component"] == "web") {
        let at = since(begin, line);
        // A pause of a controller is a gap.
        if measured.last().is_some_and(|last: &(f64, f64)| at - last.0 > 8.0) {
            measured.push((f64::NAN, f64::NAN));
            expected.push((f64::NAN, f64::NAN));
        }
        measured.push((at, line["load"].as_f64().unwrap_or(f64::NAN) / 10.0));
        if let Some(value) = line["expected"].as_f64() {
            expected.push((at, value / 10.0));
        }
    }
    let is_growth = |it: &&Value| {
        it["code"].as_str().is_some_and(|code| code.starts_with("scale-out"))
            && it["note"].as_str().is_some_and(|note| note.starts_with("web"))
    };
    let grown = lines.iter().filter(is_growth).map(|it| (since(begin, it), 60.0)).collect();
    let end = measured.iter().map(|it| it.0).filter(|it| it.is_finite()).fold(1.0, f64::max);
    let curve = |name: &str, style, points| Curve { name: name.to_owned(), style, points };
    Plot {
        title: "Load of the web machines".into(),
        x_name: "seconds".into(),
        y_name: "% of what was asked for".into(),
        curves: vec![
            curve("aimed at", Style::Guide, vec![(0.0, 60.0), (end, 60.0)]),
            curve("measured", Style::Line, measured),
            curve("highest expected in 12 s", Style::Expected, expected),
            curve("more were ordered", Style::Dots, grown),
        ],
    }
}

/// How long losses of hosts took to be noticed and to be made good.
fn losses(stage: &Director, begin: u64) -> Plot {
    let at = |ms: u64| ms.saturating_sub(begin) as f64 / 1e3;
    let points = |of: fn(&crate::director::Loss) -> f64| {
        stage.losses.iter().map(|it| (at(it.at_unix_ms), of(it))).collect::<Vec<_>>()
    };
    let end = stage.steps.last().map_or(1.0, |step| at(step.until_unix_ms));
    let curve = |name: &str, style, points| Curve { name: name.to_owned(), style, points };
    Plot {
        title: "Hosts that were lost".into(),
        x_name: "seconds into the run".into(),
        y_name: "seconds".into(),
        curves: vec![
            curve("wanted", Style::Guide, vec![(0.0, 10.0), (end, 10.0)]),
            curve("until noticed", Style::OtherDots, points(|it| it.detection_s)),
            curve("from then until all ran again", Style::Dots, points(|it| it.recovery_s)),
        ],
    }
}

fn predictions(moves: &[Move]) -> Plot {
    let most = moves.iter().map(|it| it.total_s.max(it.predicted_s)).fold(1.0, f64::max);
    let curve = |name: &str, style, points| Curve { name: name.to_owned(), style, points };
    Plot {
        title: "Live migrations".into(),
        x_name: "predicted seconds".into(),
        y_name: "measured seconds".into(),
        curves: vec![
            // `|predicted - measured| <= 0.3 measured`, solved for the measured.
            curve("30 % off", Style::Guide, vec![(0.0, 0.0), (most, most / 1.3)]),
            curve("", Style::Guide, vec![(0.0, 0.0), (0.7 * most, most)]),
            curve("migrations", Style::Dots, moves.iter().map(|it| (it.predicted_s, it.total_s)).collect()),
        ],
    }
}

fn memory(stage: &Director, begin: u64) -> Plot {
    let mut lives: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
    for it in stage.memory().iter().filter(|it| it.at_unix_ms >= begin) {
        let at = (it.at_unix_ms - begin) as f64 / 1e3;
        lives.entry(it.pid).or_default().push((at, it.own as f64 / f64::from(1 << 20)));
    }
    let mut lives: Vec<Vec<(f64, f64)>> = lives.into_values().collect();
    lives.sort_by(|a, b| a[0].0.total_cmp(&b[0].0));
    let gap = [(f64::NAN, f64::NAN)];
    let points = lives.join(gap.as_slice());
    Plot {
        title: "Memory of the controller, one line for each of its lives".into(),
        x_name: "seconds".into(),
        y_name: "MiB".into(),
        curves: vec![Curve { name: String::new(), style: Style::Line, points }],
    }
}
