//! Which part fails: told minute by minute on real runs to failure, with a threshold from the other runs.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "a test reads its data from disk, says when it skips, and fails by panicking"
)]

use ecosystem_forecast::{
    alert::Subsystem,
    failure::{PeerDeviation, first_symptom, threshold_for_f1},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::{Path, PathBuf},
};

/// Minutes at the start of a run that are healthy.
const HEALTHY: usize = 30;

/// What is said in each minute of a run.
struct Said {
    name: String,
    truth: Subsystem,
    injection: usize,
    failure: usize,
    scores: Vec<f64>,
    by_order: Vec<Option<Subsystem>>,
    by_size: Vec<Option<Subsystem>>,
}

impl Said {
    /// Score and truth of the minutes that are scored: before the injection, and 30 to 15 minutes before the failure.
    fn judged(&self) -> (Vec<f64>, Vec<bool>) {
        let early = self.failure.saturating_sub(30).max(self.injection);
        let minutes = (HEALTHY..self.injection).map(|t| (t, false));
        minutes
            .chain((early..=self.failure.saturating_sub(15)).map(|t| (t, true)))
            .filter(|(t, _)| *t < self.scores.len())
            .map(|(t, truth)| (self.scores[t], truth))
            .unzip()
    }
}

/// Metrics of all nodes by minute, node after node, and the names of the metrics of a node.
fn steps(path: &Path) -> (usize, Vec<String>, Vec<Vec<f64>>) {
    let mut text = String::new();
    let packed = std::fs::read(path).unwrap();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<f64>> =
        lines.map(|l| l.split(',').map(|v| v.parse().unwrap_or(f64::NAN)).collect()).collect();
    let place: BTreeMap<(&str, &str), usize> =
        head.iter().enumerate().filter_map(|(i, name)| Some((name.split_once('_')?, i))).collect();
    let known = |i: usize| rows.iter().any(|r| r[i].is_finite());
    let nodes: BTreeSet<&str> = place.keys().map(|k| k.0).collect();
    let metrics: BTreeSet<&str> = place.iter().filter(|(_, i)| known(**i)).map(|(k, _)| k.1).collect();
    let cells: Vec<Option<usize>> =
        nodes.iter().flat_map(|n| metrics.iter().map(|m| place.get(&(*n, *m)).copied())).collect();
    let row = |r: &Vec<f64>| cells.iter().map(|c| c.map_or(f64::NAN, |i| r[i])).collect();
    (nodes.len(), metrics.iter().map(|m| (*m).to_owned()).collect(), rows.iter().map(row).collect())
}

fn listen(folder: &Path, name: &str, facts: &Value) -> Said {
    let (nodes, metrics, steps) = steps(&folder.join(format!("{name}.csv.gz")));
    let groups = PeerDeviation::groups_by_name(&metrics);
    let mut peers = PeerDeviation::learn(nodes, &groups, &steps[..HEALTHY]).unwrap();
    let minute = |key: &str| usize::try_from(facts[key].as_u64().unwrap()).unwrap() - 1;
    let truth = match facts["fault_type"].as_str().unwrap() {
        fault if fault.starts_with("memory") => Subsystem::Memory,
        fault if fault.starts_with("packet") => Subsystem::Network,
        _ => Subsystem::Processor,
    };
    let (injection, failure) = (minute("fault_injection_minute"), minute("failure_minute"));
    let mut said = Said {
        name: name.to_owned(),
        truth,
        injection,
        failure,
        scores: vec![0.0; HEALTHY],
        by_order: vec![None; HEALTHY],
        by_size: vec![None; HEALTHY],
    };
    for step in &steps[HEALTHY..] {
        let now = peers.push(step).unwrap();
        let named = metrics.iter().map(String::as_str).zip(now.deviations.iter().copied());
        said.scores.push(now.score);
        said.by_order.push(first_symptom(named.clone().zip(now.since).map(|((n, d), s)| (n, d, s))));
        said.by_size.push(Subsystem::of_deviations(named));
    }
    said
}

#[test]
fn the_part_that_fails_is_told_by_what_deviates_first_and_not_by_what_deviates_most() {
    let root = std::env::var("VM_ECOSYSTEM_DATA").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let folder = root.join("failure/redis_prevent");
    if !folder.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "no data at {}", folder.display());
        println!("skipped: no data at {}", folder.display());
        return;
    }
    let facts: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(folder.join("runs.json")).unwrap()).unwrap();
    let runs: Vec<Said> = facts.iter().map(|(name, facts)| listen(&folder, name, facts)).collect();
    // By part: minutes of warning, those named right by the order, by the size.
    let mut recall: BTreeMap<Subsystem, [usize; 3]> = BTreeMap::new();
    let mut told_right = 0;
    for run in &runs {
        let (mut scores, mut truths) = (Vec::new(), Vec::new());
        for other in runs.iter().filter(|o| o.name != run.name) {
            let (s, t) = other.judged();
            scores.extend(s);
            truths.extend(t);
        }
        let limit = threshold_for_f1(&scores, &truths).unwrap();
        let last = run.failure.min(run.scores.len());
        let warned: Vec<usize> = (run.injection..last).filter(|t| run.scores[*t] > limit).collect();
        let right =
            |said: &[Option<Subsystem>]| warned.iter().filter(|t| said[**t] == Some(run.truth)).count();
        let (order, size) = (right(&run.by_order), right(&run.by_size));
        println!(
            "{} {:?}: {} minutes of warning, {order} right by order, {size} by size",
            run.name,
            run.truth,
            warned.len()
        );
        told_right += usize::from(2 * order > warned.len());
        let sum = recall.entry(run.truth).or_default();
        *sum = [sum[0] + warned.len(), sum[1] + order, sum[2] + size];
    }
    println!("recall by part (minutes, by order, by size): {recall:?}; {told_right} of {} runs", runs.len());
    let share = |part: Subsystem, k: usize| recall[&part][k] as f64 / recall[&part][0] as f64;
    assert!(share(Subsystem::Processor, 1) > 0.9 && share(Subsystem::Network, 1) > 0.9, "{recall:?}");
    let total = |k: usize| recall.values().map(|r| r[k]).sum::<usize>();
    assert!(total(1) > total(2), "{recall:?}");
    assert!(told_right >= 5, "{told_right} of {}", runs.len());
}
