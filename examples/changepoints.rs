//! Change points against those that people marked.
//!
//! `cargo run --release --example changepoints -- DIR [--method level-or-line|level|line|spread|rank|binary]`. The folder has
//! `annotations.json` (series → annotator → first index of each new part) and a JSON per series (`series[].raw`). Covering is
//! the mean over annotators, F1 with margin 5 takes precision from all marks together and recall from each annotator; index 0
//! is always right. The last line of standard output is one line of JSON.

#[path = "evaluation/mod.rs"]
mod evaluation;

use evaluation::{Arguments, fail, read};
use std::{collections::BTreeMap, path::Path, time::Instant};
use vm_ecosystem::forecast::{ChangePoints, CutSearch, Segment};

const USAGE: &str = "usage: changepoints DIR [--method level-or-line|level|line|spread|rank|binary]";
const MARGIN: usize = 5;

#[derive(serde::Deserialize)]
struct Document {
    series: Vec<Part>,
}

#[derive(serde::Deserialize)]
struct Part {
    raw: Vec<Option<f64>>,
}

type Marks = BTreeMap<String, Vec<usize>>;

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&read(&path.to_string_lossy()))
        .unwrap_or_else(|error| fail(format!("{}: {error}", path.display())))
}

/// Sorted, with 0, without what lies outside.
fn starts(points: &[usize], n: usize) -> Vec<usize> {
    let mut all: Vec<usize> = points.iter().copied().chain([0]).filter(|p| *p < n.max(1)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Marks that have a found point of their own within the margin.
fn matched(marks: &[usize], found: &[usize]) -> usize {
    let mut free = found.to_vec();
    let mut count = 0;
    for m in marks {
        let near = (0..free.len()).filter(|&i| free[i].abs_diff(*m) <= MARGIN);
        if let Some(i) = near.min_by_key(|&i| free[i].abs_diff(*m)) {
            free.remove(i);
            count += 1;
        }
    }
    count
}

fn f1(marks: &Marks, found: &[usize], n: usize) -> f64 {
    let found = starts(found, n);
    let union: Vec<usize> = marks.values().flatten().copied().collect();
    let precision = matched(&starts(&union, n), &found) as f64 / found.len() as f64;
    let recalls = marks.values().map(|m| {
        let m = starts(m, n);
        matched(&m, &found) as f64 / m.len() as f64
    });
    let recall = recalls.sum::<f64>() / marks.len() as f64;
    2.0 * precision * recall / (precision + recall)
}

fn covering(marks: &Marks, found: &[usize], n: usize) -> f64 {
    let parts = |points: &[usize]| -> Vec<(usize, usize)> {
        let s = starts(points, n);
        s.iter().copied().zip(s.iter().copied().skip(1).chain([n])).collect()
    };
    let ours = parts(found);
    let overlap = |a: (usize, usize), b: (usize, usize)| {
        let common = a.1.min(b.1).saturating_sub(a.0.max(b.0)) as f64;
        common / (a.1.max(b.1) - a.0.min(b.0)) as f64
    };
    let one = |m: &Vec<usize>| {
        let sum: f64 = parts(m)
            .into_iter()
            .map(|p| (p.1 - p.0) as f64 * ours.iter().map(|o| overlap(p, *o)).fold(0.0, f64::max))
            .sum();
        sum / n as f64
    };
    marks.values().map(one).sum::<f64>() / marks.len() as f64
}

fn main() {
    let arguments = Arguments::read(USAGE, 1, &["method"]);
    let folder = Path::new(&arguments.positional[0]);
    let mut detector = ChangePoints::default();
    match arguments.text("method").unwrap_or("level-or-line") {
        "level-or-line" => {}
        "level" => detector.segment = Segment::Level,
        "line" => detector.segment = Segment::Line,
        "spread" => detector.segment = Segment::LevelAndSpread,
        "rank" => detector.segment = Segment::Rank,
        "binary" => detector.search = CutSearch::Binary,
        other => fail(format!("unknown method `{other}`; {USAGE}")),
    }
    let annotations: BTreeMap<String, Marks> = parse(&folder.join("annotations.json"));
    let (mut coverings, mut scores, mut none) = (Vec::new(), Vec::new(), (0.0, 0.0));
    let started = Instant::now();
    for (name, marks) in &annotations {
        let path = [format!("{name}.json"), format!("{name}.json.gz")]
            .into_iter()
            .map(|f| folder.join(f))
            .find(|p| p.is_file());
        let Some(path) = path else { continue };
        let document: Document = parse(&path);
        let series: Vec<Vec<f64>> =
            document.series.iter().map(|p| p.raw.iter().map(|v| v.unwrap_or(f64::NAN)).collect()).collect();
        let views: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
        let n = views.first().map_or(0, |v| v.len());
        if n == 0 || marks.is_empty() {
            fail(format!("{}: no values, or no annotator", path.display()));
        }
        let found = detector.find_joint(&views).unwrap_or_else(|error| fail(format!("{name}: {error}")));
        let (c, f) = (covering(marks, &found, n), f1(marks, &found, n));
        eprintln!("{name:20} {n:5} values  covering {c:.3}  F1 {f:.3}  {found:?}");
        coverings.push(c);
        scores.push(f);
        none = (none.0 + covering(marks, &[], n), none.1 + f1(marks, &[], n));
    }
    if coverings.is_empty() {
        fail(format!("{}: no series that annotations.json names", folder.display()));
    }
    let k = coverings.len() as f64;
    eprintln!(
        "{k} series in {:.3} s; without any change point: covering {:.3}, F1 {:.3}",
        started.elapsed().as_secs_f64(),
        none.0 / k,
        none.1 / k
    );
    let mean = |v: &[f64]| v.iter().sum::<f64>() / k;
    println!("{{\"covering\":{:.4},\"f1\":{:.4}}}", mean(&coverings), mean(&scores));
}
