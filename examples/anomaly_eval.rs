//! Judges detectors on labelled series: many metrics with a training part, or single series as streams.
//!
//! `cargo run --release --example anomaly_eval -- ENTITY_DIR... --out DIR [--window 100|40]
//! [--interpretation exclusive|inclusive]`: every directory has `train.csv[.gz]` and `test.csv[.gz]` with columns of metrics
//! (the test a last column `label`) and perhaps `interpretation.txt` (`from-to:metrics`). Fitted on train, judged causally on
//! test; `row,score,alarm,top_metrics` per entity goes to `DIR`.
//!
//! `… --univariate FILE_OR_DIR... [--out DIR]`: series `TimeStamp,Value,Label`, streaming, the first 15 % not judged. The last
//! line of standard output is one line of JSON. Labels judge, they never reach a detector.

mod evaluation;
#[path = "evaluation/series.rs"]
mod series;

use evaluation::{fail, write};
use series::Table;
use std::{collections::BTreeSet, fmt::Write as _, path::Path, time::Instant};
use vm_ecosystem::forecast::anomaly::{
    Ensemble, EnsembleSettings, NearestRows, NearestSettings, RowVerdict,
    evaluation::{Events, best_f1, f1, pr_auc, runs, vus_pr},
};

const USAGE: &str = "usage: anomaly_eval ENTITY_DIR... --out DIR [--window ROWS] [--interpretation exclusive|inclusive], \
                     or anomaly_eval --univariate FILE_OR_DIR... [--out DIR]";

#[derive(Default)]
struct Options {
    inputs: Vec<String>,
    out: Option<String>,
    window: Option<usize>,
    inclusive: bool,
    univariate: bool,
}

fn options() -> Options {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments.next().unwrap_or_else(|| fail(format!("option `{argument}` wants a value; {USAGE}")))
        };
        match argument.as_str() {
            "--help" => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            "--univariate" => options.univariate = true,
            "--out" => options.out = Some(value()),
            "--window" => {
                let text = value();
                let rows = text.parse().ok().filter(|w| (1..=10_000).contains(w));
                options.window = Some(
                    rows.unwrap_or_else(|| fail(format!("window `{text}`: expected rows from 1 to 10000"))),
                );
            }
            "--interpretation" => match value().as_str() {
                "exclusive" => options.inclusive = false,
                "inclusive" => options.inclusive = true,
                other => fail(format!("interpretation `{other}`: expected `exclusive` or `inclusive`")),
            },
            other if other.starts_with("--") => fail(format!("unknown option `{other}`; {USAGE}")),
            _ => options.inputs.push(argument),
        }
    }
    if options.inputs.is_empty() {
        fail(USAGE);
    }
    if let Some(out) = &options.out {
        std::fs::create_dir_all(out).unwrap_or_else(|e| fail(format!("{out}: {e}")));
    }
    options
}

fn main() {
    let options = options();
    if options.univariate { univariate(&options) } else { multivariate(&options) }
}

/// A CSV file of numbers, plain or gzipped.
fn matrix(folder: &str, name: &str) -> (Vec<String>, Vec<Vec<f64>>) {
    let plain = format!("{folder}/{name}.csv");
    let table =
        Table::read(&if Path::new(&plain).exists() { plain } else { format!("{folder}/{name}.csv.gz") });
    let columns: Vec<Vec<f64>> = (0..table.header.len()).map(|c| table.numbers(c)).collect();
    let rows = (0..table.rows.len()).map(|i| columns.iter().map(|c| c[i]).collect()).collect();
    (table.header, rows)
}

/// Sums over entities; every figure is reported as the mean.
#[derive(Default)]
struct Figures {
    vus_pr: f64,
    pr_auc: f64,
    best_f1: f64,
    auto_f1: f64,
    event_f1: f64,
    alarms_per_incident: f64,
    seconds_per_row: f64,
    hit100: f64,
    hit150: f64,
    interpreted: usize,
}

fn multivariate(options: &Options) {
    let Some(out) = &options.out else { fail(format!("`--out DIR` is missing; {USAGE}")) };
    let mut sums = Figures::default();
    for folder in &options.inputs {
        let (_, train) = matrix(folder, "train");
        let (header, mut test) = matrix(folder, "test");
        if header.last().is_none_or(|h| h != "label") {
            fail(format!("{folder}: the last column of test.csv must be `label`"));
        }
        let labels: Vec<bool> = test.iter_mut().map(|r| r.pop().is_some_and(|l| l > 0.5)).collect();
        // The evaluation window is half a day's habit in either data set; it tells five-minute from one-minute rows.
        let window = options.window.unwrap_or(100);
        let day = if window >= 100 { 1440 } else { 288 };
        let settings = NearestSettings::default().with_rows_per_day(day);
        let mut detector =
            NearestRows::fit(&train, &settings).unwrap_or_else(|e| fail(format!("{folder}/train: {e}")));
        let start = Instant::now();
        let verdicts: Vec<RowVerdict> = test
            .iter()
            .enumerate()
            .map(|(i, r)| detector.push(r).unwrap_or_else(|e| fail(format!("{folder}/test row {i}: {e}"))))
            .collect();
        let seconds = start.elapsed().as_secs_f64() / test.len().max(1) as f64;
        let scores: Vec<f64> = verdicts.iter().map(|v| v.score).collect();
        let alarms: Vec<bool> = verdicts.iter().map(|v| v.alarm).collect();
        let events = Events::count(&alarms, &labels);
        let one = (vus_pr(&scores, &labels, window), best_f1(&scores, &labels).0, f1(&alarms, &labels));
        sums.vus_pr += one.0;
        sums.pr_auc += pr_auc(&scores, &labels);
        sums.best_f1 += one.1;
        sums.auto_f1 += one.2;
        sums.event_f1 += events.f1();
        sums.alarms_per_incident += events.alarms_inside as f64 / events.detected.max(1) as f64;
        sums.seconds_per_row += seconds;
        interpret(folder, options.inclusive, &verdicts, &mut sums);
        let name = Path::new(folder).file_name().map_or("entity", |n| n.to_str().unwrap_or("entity"));
        eprintln!(
            "{name}: VUS-PR {:.3}, best F1 {:.3}, F1 at the own threshold {:.3}, {events:?}",
            one.0, one.1, one.2
        );
        write(&format!("{out}/{name}.csv"), table(&verdicts).as_bytes());
    }
    let n = options.inputs.len() as f64;
    let incidents = sums.interpreted.max(1) as f64;
    println!(
        "{}",
        serde_json::json!({ "vus_pr": sums.vus_pr / n, "pr_auc": sums.pr_auc / n, "best_f1": sums.best_f1 / n,
            "auto_f1": sums.auto_f1 / n, "event_f1": sums.event_f1 / n,
            "alarms_per_incident": sums.alarms_per_incident / n, "seconds_per_row": sums.seconds_per_row / n,
            "hit100": sums.hit100 / incidents, "hit150": sums.hit150 / incidents })
    );
}

fn table(verdicts: &[RowVerdict]) -> String {
    let mut text = String::from("row,score,alarm,top_metrics\n");
    for (i, v) in verdicts.iter().enumerate() {
        let top: Vec<String> = v.ranking().iter().map(|m| format!("m{}", m + 1)).collect();
        let _ = writeln!(text, "{i},{},{},{}", v.score, u8::from(v.alarm), top.join(";"));
    }
    text
}

/// HitRate@100 % and @150 %: which share of the blamed metrics is among as many (half as many more) top-ranked ones. A
/// metric's rank in an incident goes by its largest contribution in it.
fn interpret(folder: &str, inclusive: bool, verdicts: &[RowVerdict], sums: &mut Figures) {
    let path = format!("{folder}/interpretation.txt");
    if !Path::new(&path).exists() {
        return;
    }
    let text = String::from_utf8_lossy(&evaluation::read(&path)).into_owned();
    for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let wrong = || fail(format!("{path}:{}: `{line}` is not `from-to:metrics`", number + 1));
        let parse = || -> Option<(usize, usize, BTreeSet<usize>)> {
            let (range, metrics) = line.trim().split_once(':')?;
            let (from, to) = range.split_once('-')?;
            let metrics: Option<BTreeSet<usize>> =
                metrics.split(',').map(|m| m.trim().parse::<usize>().ok()?.checked_sub(1)).collect();
            Some((from.parse().ok()?, to.parse::<usize>().ok()? + usize::from(inclusive), metrics?))
        };
        let Some((from, to, blamed)) = parse() else { wrong() };
        let Some(rows) = verdicts.get(from..to).filter(|r| !r.is_empty() && !blamed.is_empty()) else {
            wrong()
        };
        let mut largest = RowVerdict::default();
        largest.contributions = vec![0.0; rows[0].contributions.len()];
        for row in rows {
            largest.contributions.iter_mut().zip(&row.contributions).for_each(|(l, c)| *l = l.max(*c));
        }
        let ranking = largest.ranking();
        let hit = |count: usize| {
            ranking.iter().take(count).filter(|m| blamed.contains(m)).count() as f64 / blamed.len() as f64
        };
        sums.hit100 += hit(blamed.len());
        sums.hit150 += hit(blamed.len() * 3 / 2);
        sums.interpreted += 1;
    }
}

/// Rows within which an alarm and a label belong together.
const NEAR: usize = 3;

/// One series after the probation: alarms with their scores, and runs of labels.
struct Stream {
    events: Vec<(usize, f64)>,
    labels: Vec<(usize, usize)>,
    rows: usize,
    own: usize,
}

fn univariate(options: &Options) {
    let mut files = Vec::new();
    options.inputs.iter().for_each(|input| collect(Path::new(input), &mut files));
    files.sort();
    if files.is_empty() {
        fail("no CSV file among the inputs");
    }
    let streams: Vec<Stream> = files.iter().map(|file| stream(file, options.out.as_deref())).collect();
    let mut thresholds: Vec<f64> = streams.iter().flat_map(|s| s.events.iter().map(|e| e.1)).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    let figures = |t: f64| {
        let (mut right, mut wrong, mut found, mut missed) = (0, 0, 0, 0);
        for s in &streams {
            let near = |row: usize, l: &(usize, usize)| row + NEAR >= l.0 && row <= l.1 + NEAR;
            let alarms: Vec<usize> = s.events.iter().filter(|e| e.1 >= t).map(|e| e.0).collect();
            let good = alarms.iter().filter(|&&a| s.labels.iter().any(|l| near(a, l))).count();
            let hit = s.labels.iter().filter(|l| alarms.iter().any(|&a| near(a, l))).count();
            (right, wrong) = (right + good, wrong + alarms.len() - good);
            (found, missed) = (found + hit, missed + s.labels.len() - hit);
        }
        let share = |a: usize, b: usize| if a + b == 0 { 0.0 } else { a as f64 / (a + b) as f64 };
        let (precision, recall) = (share(right, wrong), share(found, missed));
        let f1 = if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
        (f1, precision, recall, t)
    };
    let best = thresholds.iter().map(|&t| figures(t)).max_by(|a, b| a.0.total_cmp(&b.0));
    let best = best.unwrap_or((0.0, 0.0, 0.0, 1.0));
    let own = figures(0.5);
    let clean: Vec<&Stream> = streams.iter().filter(|s| s.labels.is_empty()).collect();
    let rows: usize = clean.iter().map(|s| s.rows).sum();
    let false_alarms: usize = clean.iter().map(|s| s.own).sum();
    println!(
        "{}",
        serde_json::json!({ "f1_common": best.0, "precision": best.1, "recall": best.2, "threshold": best.3,
            "f1_own": own.0, "false_per_1000": 1000.0 * false_alarms as f64 / rows.max(1) as f64,
            "series": streams.len(), "clean": clean.len() })
    );
}

/// CSV files in a directory tree.
fn collect(path: &Path, files: &mut Vec<String>) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).unwrap_or_else(|e| fail(format!("{}: {e}", path.display())));
        entries.filter_map(Result::ok).for_each(|e| collect(&e.path(), files));
    } else {
        let text = path.display().to_string();
        if text.to_ascii_lowercase().ends_with(".csv") || text.to_ascii_lowercase().ends_with(".csv.gz") {
            files.push(text);
        }
    }
}

fn stream(file: &str, out: Option<&str>) -> Stream {
    let table = Table::read(file);
    let times = table.texts(table.column(&["TimeStamp"]));
    let values = table.numbers(table.column(&["Value"]));
    let labels: Vec<bool> = table.numbers(table.column(&["Label"])).iter().map(|&l| l > 0.5).collect();
    let settings = EnsembleSettings::default().with_rows_per_day(series::rows_per_day(&times));
    let mut detector = Ensemble::new(&settings).unwrap_or_else(|e| fail(format!("{file}: {e}")));
    let verdicts: Vec<_> = values.iter().map(|&v| detector.judge(v)).collect();
    let first = values.len() * 15 / 100;
    if let Some(out) = out {
        let mut text = String::from("row,score,alarm\n");
        for (i, v) in verdicts.iter().enumerate() {
            let _ = writeln!(text, "{i},{},{}", v.calibrated, u8::from(v.alarm));
        }
        let name = Path::new(file).file_stem().map_or("series", |n| n.to_str().unwrap_or("series"));
        write(&format!("{out}/{name}.csv"), text.as_bytes());
    }
    let late = || verdicts.iter().enumerate().skip(first);
    Stream {
        events: late().filter(|(_, v)| v.calibrated > 0.0).map(|(i, v)| (i, v.calibrated)).collect(),
        labels: runs(&labels).into_iter().filter(|l| l.1 >= first).collect(),
        rows: values.len() - first,
        own: late().filter(|(_, v)| v.alarm).count(),
    }
}
