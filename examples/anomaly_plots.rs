//! Ten real series with the ensemble's expected band, its alarms and the labelled windows, as an SVG page to look at.
//!
//! `cargo run --release --example anomaly_plots -- NAB_DIR OUT.svg` (`NAB_DIR` has `data/` and `combined_windows.json`): ten series of
//! the real categories, evenly spread over their sorted names. One pass, nothing tuned per file. The last line of standard output is one
//! line of JSON.

#[path = "evaluation/band_plot.rs"]
mod band_plot;
mod evaluation;
#[path = "evaluation/series.rs"]
mod series;

use band_plot::Strip;
use evaluation::{Arguments, fail};
use serde_json::{Value, json};
use vm_ecosystem::forecast::anomaly::{Ensemble, EnsembleSettings};

const USAGE: &str = "usage: anomaly_plots NAB_DIR OUT.svg";
const PICTURES: usize = 10;

fn main() {
    let arguments = Arguments::read(USAGE, 2, &[]);
    let (folder, out) = (&arguments.positional[0], &arguments.positional[1]);
    let labels = format!("{folder}/combined_windows.json");
    let windows: Value =
        serde_json::from_slice(&evaluation::read(&labels)).unwrap_or_else(|e| fail(format!("{labels}: {e}")));
    let Some(all) = windows.as_object() else { fail(format!("{labels}: expected an object of file names")) };
    let mut names: Vec<&String> = all.keys().filter(|n| n.starts_with("real")).collect();
    names.sort();
    if names.is_empty() {
        fail(format!("{labels}: no series of a real category"));
    }
    let count = PICTURES.min(names.len());
    let strips: Vec<Strip> = (0..count)
        .map(|k| strip(folder, names[k * names.len() / count], &all[names[k * names.len() / count]]))
        .collect();
    evaluation::write(out, band_plot::page(&strips).as_bytes());
    let hit = |s: &Strip, w: &(usize, usize)| s.alarms.iter().any(|a| (w.0..=w.1).contains(&a.0));
    println!(
        "{}",
        json!({ "series": strips.len(), "alarms": strips.iter().map(|s| s.alarms.len()).sum::<usize>(),
            "windows": strips.iter().map(|s| s.windows.len()).sum::<usize>(),
            "windows_with_alarm": strips.iter().map(|s| s.windows.iter().filter(|w| hit(s, w)).count()).sum::<usize>() })
    );
}

fn strip(folder: &str, name: &str, windows: &Value) -> Strip {
    let plain = format!("{folder}/data/{name}");
    let path = if std::path::Path::new(&plain).exists() { plain } else { format!("{plain}.gz") };
    let table = series::Table::read(&path);
    let times = table.texts(table.column(&["timestamp"]));
    let values = table.numbers(table.column(&["value"]));
    let settings = EnsembleSettings::default().with_rows_per_day(series::rows_per_day(&times));
    let mut detector = Ensemble::new(&settings).unwrap_or_else(|e| fail(format!("{name}: {e}")));
    let mut strip = Strip {
        title: name.to_owned(),
        lower: Vec::with_capacity(values.len()),
        upper: Vec::with_capacity(values.len()),
        alarms: Vec::new(),
        windows: windows.as_array().into_iter().flatten().filter_map(|w| rows(&times, w)).collect(),
        values,
    };
    for (row, &value) in strip.values.iter().enumerate() {
        let verdict = detector.judge(value);
        strip.lower.push(verdict.score.lower);
        strip.upper.push(verdict.score.upper);
        if verdict.alarm {
            strip.alarms.push((row, format!("{:?}", verdict.shape)));
        }
    }
    strip
}

/// First and last row of a window of two time stamps; `None` if it holds no row.
fn rows(times: &[String], window: &Value) -> Option<(usize, usize)> {
    let edge = |k: usize| series::seconds(window.get(k)?.as_str()?);
    let (from, to) = (edge(0)?, edge(1)?);
    let inside = |t: &String| series::seconds(t).is_some_and(|t| (from..=to).contains(&t));
    Some((times.iter().position(inside)?, times.iter().rposition(inside)?))
}
