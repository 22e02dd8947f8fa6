//! Judges anomaly scores by the Numenta Anomaly Benchmark (version 1.1): three profiles, one threshold for all files.
//!
//! `cargo run --release --example nab_score -- DATA_DIR OUT_DIR LABELS [--threshold T]`: `DATA_DIR` has the series, `OUT_DIR`
//! what `nab` wrote, `LABELS` is `combined_windows.json`. Without `--threshold` every profile takes its best threshold
//! (`threshold` in the output is that of the standard profile). The last line of standard output is one line of JSON.

mod evaluation;
#[path = "evaluation/nab.rs"]
mod nab;
#[path = "evaluation/series.rs"]
mod series;

use evaluation::{Arguments, fail};

const USAGE: &str = "usage: nab_score DATA_DIR OUT_DIR LABELS [--threshold T]";

fn main() {
    let arguments = Arguments::read(USAGE, 3, &["threshold"]);
    let [data, out, labels] = &arguments.positional[..] else { fail(USAGE) };
    let text = String::from_utf8(evaluation::read(labels))
        .unwrap_or_else(|_| fail(format!("{labels}: not UTF-8 text")));
    let labels = nab::parse_labels(&text).unwrap_or_else(|e| fail(format!("{labels}: {e}")));
    if labels.is_empty() {
        fail("the labels name no file");
    }
    let files: Vec<nab::Scored> = labels
        .iter()
        .map(|(name, windows)| {
            let scored = series::Table::read(&format!("{out}/{name}"));
            let times = scored.texts(scored.column(&["timestamp"]));
            let scores = scored.numbers(scored.column(&["anomaly_score"]));
            if let Some(row) = scores.iter().position(|s| !(0.0..=1.0).contains(s)) {
                fail(format!("{out}/{name}: score {} in row {row} is outside of 0 to 1", scores[row]));
            }
            let source = series::Table::read(&plain_or_gz(&format!("{data}/{name}")));
            if source.rows.len() != scores.len() {
                fail(format!("{out}/{name}: {} rows, the series has {}", scores.len(), source.rows.len()));
            }
            let windows = nab::locate(&times, windows).unwrap_or_else(|e| fail(format!("{name}: {e}")));
            nab::Scored { scores, windows }
        })
        .collect();
    let files: Vec<&nab::Scored> = files.iter().collect();
    let fixed = arguments.text("threshold").map(|_| arguments.number("threshold", 0.0));
    let judge = |profile| nab::evaluate(&files, profile, fixed);
    let (standard, low_fp, low_fn) = (judge(nab::STANDARD), judge(nab::LOW_FP), judge(nab::LOW_FN));
    println!(
        "{}",
        serde_json::json!({ "standard": standard.normalised, "low_fp": low_fp.normalised,
            "low_fn": low_fn.normalised, "threshold": standard.threshold,
            "threshold_low_fp": low_fp.threshold, "threshold_low_fn": low_fn.threshold })
    );
}

fn plain_or_gz(path: &str) -> String {
    let zipped = format!("{path}.gz");
    if !std::path::Path::new(path).exists() && std::path::Path::new(&zipped).exists() {
        zipped
    } else {
        path.to_owned()
    }
}
