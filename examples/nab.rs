//! Scores every series of a benchmark directory as a stream: one pass, nothing tuned per file.
//!
//! `cargo run --release --example nab -- DATA_DIR OUT_DIR` reads `<category>/<file>.csv[.gz]` (`timestamp,value`) and writes
//! the same names with `timestamp,value,anomaly_score`. The only thing taken from a file beside its values is the distance of
//! its first time stamps. The last line of standard output is one line of JSON.

mod evaluation;
#[path = "evaluation/series.rs"]
mod series;

use evaluation::{Arguments, fail};
use std::{fmt::Write as _, path::Path, time::Instant};
use vm_ecosystem::forecast::anomaly::{Ensemble, EnsembleSettings};

const USAGE: &str = "usage: nab DATA_DIR OUT_DIR";

fn main() {
    let arguments = Arguments::read(USAGE, 2, &[]);
    let (data, out) = (&arguments.positional[0], &arguments.positional[1]);
    let files = find(Path::new(data));
    if files.is_empty() {
        fail(format!("{data}: no `<category>/<file>.csv` in it"));
    }
    let (mut rows, mut alarms, mut seconds) = (0_usize, 0_usize, 0.0);
    for (category, name) in &files {
        let table = series::Table::read(&format!("{data}/{category}/{name}"));
        let (times, values) =
            (table.texts(table.column(&["timestamp"])), table.numbers(table.column(&["value"])));
        let settings = EnsembleSettings::default().with_rows_per_day(series::rows_per_day(&times));
        let mut detector =
            Ensemble::new(&settings).unwrap_or_else(|e| fail(format!("{category}/{name}: {e}")));
        let start = Instant::now();
        let verdicts: Vec<_> = values.iter().map(|&v| detector.judge(v)).collect();
        seconds += start.elapsed().as_secs_f64();
        rows += values.len();
        alarms += verdicts.iter().filter(|v| v.alarm).count();
        let mut text = String::from("timestamp,value,anomaly_score\n");
        for ((time, value), verdict) in times.iter().zip(&values).zip(&verdicts) {
            let _ = writeln!(text, "{time},{value},{}", verdict.calibrated);
        }
        let folder = format!("{out}/{category}");
        std::fs::create_dir_all(&folder).unwrap_or_else(|e| fail(format!("{folder}: {e}")));
        evaluation::write(&format!("{folder}/{}", name.trim_end_matches(".gz")), text.as_bytes());
    }
    println!(
        "{}",
        serde_json::json!({ "files": files.len(), "rows": rows, "alarms": alarms,
            "seconds_per_row": seconds / rows.max(1) as f64 })
    );
}

/// Files by category, sorted.
fn find(root: &Path) -> Vec<(String, String)> {
    let list = |path: &Path| {
        let mut names: Vec<String> = std::fs::read_dir(path)
            .unwrap_or_else(|e| fail(format!("{}: {e}", path.display())))
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    };
    let mut found = Vec::new();
    for category in list(root) {
        let folder = root.join(&category);
        if folder.is_dir() {
            let csv = list(&folder).into_iter().filter(|n| {
                Path::new(n.strip_suffix(".gz").unwrap_or(n)).extension() == Some("csv".as_ref())
            });
            found.extend(csv.map(|name| (category.clone(), name)));
        }
    }
    found
}
