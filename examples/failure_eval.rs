//! Warns of failures in runs to failure of a cluster, and judges the warnings minute by minute.
//!
//! `cargo run --release --example failure_eval -- DIR [--test DIR2] [--out DIR]`. A folder has `runs.json` (fault injection and
//! failure minute of every run, both counted from 1) and a CSV per run with columns `<node>_<metric>`. The first 30 minutes of a
//! run are its healthy past. Minute `t` is judged from data up to `t`; minutes 31 to the injection are negative, minutes
//! F − 30 to F − 15 positive (not before the injection), the others are not scored. The threshold of a run comes from the other
//! runs only; with `--test` that of all runs of DIR is frozen and the runs of DIR2 are scored. Nodes are put in another order
//! in every run, so that nothing can be learnt by name. A warning is three minutes above the threshold.
//!
//! The last line of standard output is one line of JSON; `--out` writes `alarms.csv` with `run,minute,score,alarm`.

#[path = "evaluation/mod.rs"]
mod evaluation;
#[path = "tables/mod.rs"]
mod tables;

use evaluation::{Arguments, fail, write};
use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Instant};
use tables::{Numbers, auc, plain_or_gz};
use vm_ecosystem::forecast::{
    alert::Subsystem,
    failure::{Outcome, PeerDeviation, Run, first_symptom, lead_times, threshold_for_f1},
};

const USAGE: &str = "usage: failure_eval DIR [--test DIR2] [--out DIR]";
/// Minutes at the start of a run that are healthy.
const HEALTHY: usize = 30;
/// Minutes in a row that make a warning.
const PERSISTENCE: usize = 3;

#[derive(serde::Deserialize)]
struct RunFacts {
    fault_type: String,
    fault_injection_minute: usize,
    failure_minute: usize,
}

/// A run with what is said about it: scores by minute, minute 1 first.
struct Scored {
    name: String,
    facts: RunFacts,
    peers: Vec<f64>,
    /// Part of the most deviating node that deviated first, and that deviates most.
    parts: Vec<[Option<Subsystem>; 2]>,
    baseline: Vec<f64>,
}

impl Scored {
    /// Minute and whether it is positive, for the minutes that are scored.
    fn judged(&self) -> Vec<(usize, bool)> {
        let (injection, failure) = (self.facts.fault_injection_minute, self.facts.failure_minute);
        let last = self.peers.len();
        let negative = (HEALTHY + 1..injection).map(|t| (t, false));
        let from = failure.saturating_sub(30).max(injection);
        let positive = (from..=failure.saturating_sub(15)).map(|t| (t, true));
        negative.chain(positive).filter(|(t, _)| (1..=last).contains(t)).collect()
    }
}

/// What the fault of a run is known to be in; `None` for other faults.
fn faulty_part(fault: &str) -> Option<Subsystem> {
    [("memory", Subsystem::Memory), ("packet", Subsystem::Network), ("cpu", Subsystem::Processor)]
        .into_iter()
        .find(|(word, _)| fault.contains(word))
        .map(|(_, part)| part)
}

/// Minutes after the injection with an alarm, by part of the fault: all, and those in which the part named is the faulty one (by the
/// order of symptoms, by their size).
fn name_parts(run: &Scored, alarms: &[bool], named: &mut BTreeMap<Subsystem, (usize, [usize; 2])>) {
    let Some(truth) = faulty_part(&run.facts.fault_type) else { return };
    let (from, to) = (run.facts.fault_injection_minute - 1, (run.facts.failure_minute - 1).min(alarms.len()));
    let counts = named.entry(truth).or_default();
    for t in (from..to).filter(|t| alarms[*t]) {
        counts.0 += 1;
        counts
            .1
            .iter_mut()
            .zip(run.parts[t])
            .for_each(|(right, said)| *right += usize::from(said == Some(truth)));
    }
}

/// Steps of one run: the metrics of node 0, of node 1 …; and the names of the metrics.
struct Cluster {
    nodes: usize,
    metrics: Vec<String>,
    steps: Vec<Vec<f64>>,
}

fn cluster(path: &Path, seed: usize) -> Cluster {
    let data = Numbers::read(path);
    let mut cells: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (i, name) in data.names.iter().enumerate() {
        if let Some((node, metric)) = name.split_once('_') {
            cells.insert((node.to_owned(), metric.to_owned()), i);
        }
    }
    let mut nodes: Vec<&String> = cells.keys().map(|k| &k.0).collect();
    nodes.dedup();
    // another order in every run
    let count = nodes.len().max(1);
    nodes.rotate_left(seed * 7 % count);
    nodes.reverse();
    let mut metrics: Vec<String> = cells.keys().map(|k| k.1.clone()).collect();
    metrics.sort();
    metrics.dedup();
    // Columns without a single number (texts) are no metrics.
    metrics
        .retain(|m| cells.iter().any(|(k, &i)| &k.1 == m && data.columns[i].iter().any(|v| v.is_finite())));
    if nodes.len() < 3 || metrics.is_empty() {
        fail(format!("{}: no columns `<node>_<metric>` of at least three nodes", path.display()));
    }
    let value = |t: usize, n: &str, m: &str| {
        cells.get(&(n.to_owned(), m.to_owned())).map_or(f64::NAN, |&i| data.columns[i][t])
    };
    let steps = (0..data.rows())
        .map(|t| {
            nodes
                .iter()
                .flat_map(|n| metrics.iter().map(move |m| (n, m)))
                .map(|(n, m)| value(t, n, m))
                .collect()
        })
        .collect();
    Cluster { nodes: nodes.len(), metrics, steps }
}

/// Excess of the most deviating node over its peers, and the parts of it that deviated first and deviate most.
fn peer_scores(c: &Cluster, path: &Path) -> (Vec<f64>, Vec<[Option<Subsystem>; 2]>) {
    let groups = PeerDeviation::groups_by_name(&c.metrics);
    let healthy = &c.steps[..HEALTHY.min(c.steps.len())];
    let mut peers = PeerDeviation::learn(c.nodes, &groups, healthy)
        .unwrap_or_else(|error| fail(format!("{}: {error}", path.display())));
    let (mut scores, mut parts) = (vec![0.0; healthy.len()], vec![[None; 2]; healthy.len()]);
    for step in &c.steps[healthy.len()..] {
        let said = peers.push(step).ok();
        scores.push(said.as_ref().map_or(0.0, |s| s.score));
        parts.push(said.map_or([None; 2], |s| {
            let now = c.metrics.iter().map(String::as_str).zip(s.deviations);
            let since = now.clone().zip(s.since).map(|((name, deviation), steps)| (name, deviation, steps));
            [first_symptom(since), Subsystem::of_deviations(now)]
        }));
    }
    (scores, parts)
}

/// The simple way, for comparison: mean |z| of each node against the first 30 minutes (cut at 20), less the median node, mean
/// of five minutes.
fn baseline_scores(c: &Cluster) -> Vec<f64> {
    let (m, n) = (c.metrics.len(), HEALTHY.min(c.steps.len()));
    let usual: Vec<(f64, f64)> = (0..c.nodes * m)
        .map(|at| {
            let v: Vec<f64> = c.steps[..n].iter().map(|s| s[at]).filter(|v| v.is_finite()).collect();
            let mean = v.iter().sum::<f64>() / v.len().max(1) as f64;
            let variance = v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / v.len().max(1) as f64;
            let spread = variance.sqrt();
            (mean, if spread > 1e-9 * mean.abs() + 1e-12 { spread } else { f64::NAN })
        })
        .collect();
    let raw: Vec<f64> = c
        .steps
        .iter()
        .map(|step| {
            let mut nodes: Vec<f64> = (0..c.nodes)
                .map(|node| {
                    let z: Vec<f64> = (node * m..(node + 1) * m)
                        .map(|at| ((step[at] - usual[at].0) / usual[at].1).abs().min(20.0))
                        .zip(node * m..)
                        .filter(|(_, at)| step[*at].is_finite() && usual[*at].1.is_finite())
                        .map(|(z, _)| z)
                        .collect();
                    z.iter().sum::<f64>() / z.len().max(1) as f64
                })
                .collect();
            nodes.sort_by(f64::total_cmp);
            let k = nodes.len();
            nodes[k - 1] - f64::midpoint(nodes[(k - 1) / 2], nodes[k / 2])
        })
        .collect();
    (0..raw.len())
        .map(|t| {
            let recent = &raw[(t + 1).saturating_sub(5)..=t];
            recent.iter().sum::<f64>() / recent.len() as f64
        })
        .collect()
}

fn load(folder: &str) -> Vec<Scored> {
    let facts = Path::new(folder).join("runs.json");
    let facts: BTreeMap<String, RunFacts> =
        serde_json::from_slice(&evaluation::read(&facts.to_string_lossy()))
            .unwrap_or_else(|error| fail(format!("{}: {error}", facts.display())));
    let runs: Vec<Scored> = facts
        .into_iter()
        .enumerate()
        .filter_map(|(i, (name, facts))| {
            let path = plain_or_gz(Path::new(folder), &format!("{name}.csv"))?;
            let c = cluster(&path, i + 1);
            let started = Instant::now();
            let (peers, parts) = peer_scores(&c, &path);
            let us = started.elapsed().as_secs_f64() / peers.len() as f64 * 1e6;
            eprintln!(
                "{name}: {} minutes, {} nodes, {} metrics, {us:.0} µs a minute",
                peers.len(),
                c.nodes,
                c.metrics.len()
            );
            let baseline = baseline_scores(&c);
            Some(Scored { name, facts, peers, parts, baseline })
        })
        .collect();
    if runs.is_empty() {
        fail(format!("{folder}: runs.json names no run whose CSV is here"));
    }
    runs
}

/// The threshold at which F1 is best on these runs.
fn threshold(runs: &[&Scored]) -> Option<f64> {
    let (mut scores, mut labels) = (Vec::new(), Vec::new());
    for run in runs {
        for (t, positive) in run.judged() {
            scores.push(run.peers[t - 1]);
            labels.push(positive);
        }
    }
    threshold_for_f1(&scores, &labels)
}

/// 95 % quantile of the healthy minutes of the other runs, for the baseline.
fn baseline_threshold(runs: &[&Scored]) -> f64 {
    let mut healthy: Vec<f64> = runs
        .iter()
        .flat_map(|r| r.judged().into_iter().filter(|j| !j.1).map(|(t, _)| r.baseline[t - 1]))
        .collect();
    healthy.sort_by(f64::total_cmp);
    if healthy.is_empty() {
        return f64::INFINITY;
    }
    let position = 0.95 * (healthy.len() - 1) as f64;
    let low = position.floor();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let i = low as usize;
    healthy[i] + (healthy[(i + 1).min(healthy.len() - 1)] - healthy[i]) * (position - low)
}

fn count(run: &Scored, scores: &[f64], threshold: f64) -> Outcome {
    Outcome::count(run.judged().into_iter().map(|(t, truth)| (scores[t - 1] > threshold, truth)))
}

fn main() {
    let arguments = Arguments::read(USAGE, 1, &["test", "out"]);
    let known = load(&arguments.positional[0]);
    let test = arguments.text("test").map(load);
    let judged = test.as_ref().unwrap_or(&known);
    if test.is_none() && known.len() < 2 {
        fail("one run: the threshold comes from other runs, expected at least 2");
    }
    let (mut total, mut simple, mut above) = (Outcome::default(), Outcome::default(), Vec::new());
    let mut named = BTreeMap::new();
    let (mut csv, mut all, mut truth) = (String::from("run,minute,score,alarm\n"), Vec::new(), Vec::new());
    for run in judged {
        let others: Vec<&Scored> = known.iter().filter(|r| test.is_some() || r.name != run.name).collect();
        let Some(limit) = threshold(&others) else { fail("the other runs have no positive minute") };
        let outcome = count(run, &run.peers, limit);
        total = total.plus(outcome);
        simple = simple.plus(count(run, &run.baseline, baseline_threshold(&others)));
        let alarms: Vec<bool> = run.peers.iter().map(|s| *s > limit).collect();
        for (i, (s, a)) in run.peers.iter().zip(&alarms).enumerate() {
            let _ = writeln!(csv, "{},{},{s:.6},{}", run.name, i + 1, u8::from(*a));
        }
        for (t, positive) in run.judged() {
            all.push(run.peers[t - 1]);
            truth.push(f64::from(u8::from(positive)));
        }
        eprintln!(
            "{} {}: threshold {limit:.3}, {} of {} positive minutes, {} false",
            run.name,
            run.facts.fault_type,
            outcome.hits,
            outcome.hits + outcome.misses,
            outcome.false_alarms
        );
        name_parts(run, &alarms, &mut named);
        above.push(alarms);
    }
    let runs: Vec<Run<'_>> = judged
        .iter()
        .zip(&above)
        .map(|(r, a)| Run {
            above: a,
            onset: r.facts.fault_injection_minute - 1,
            failure: r.facts.failure_minute - 1,
        })
        .collect();
    let leads = lead_times(&runs, PERSISTENCE);
    let possible =
        judged.iter().filter(|r| r.facts.failure_minute - r.facts.fault_injection_minute >= 18).count();
    eprintln!(
        "leads {:?}, median {:?}; possible 15 minutes ahead: {possible}; warned before the injection: {}",
        leads.lead,
        leads.median(),
        leads.early_false
    );
    eprintln!(
        "accuracy {:.3} (always saying no: {:.3}), balanced {:.3}, Matthews {:.3}, AUC {:.3}",
        total.accuracy(),
        total.majority(),
        total.balanced_accuracy(),
        total.matthews(),
        auc(&all, &truth)
    );
    eprintln!(
        "baseline (node excess, threshold 95 % of healthy minutes): F1 {:.3}, precision {:.3}, recall {:.3}, {} false minutes",
        simple.f1(),
        simple.precision(),
        simple.recall(),
        simple.false_alarms
    );
    for (part, (minutes, [order, size])) in &named {
        eprintln!(
            "faults of {part:?}: named so in {order} of {minutes} minutes of warning by the order of symptoms, in {size} by their size"
        );
    }
    if let Some(out) = arguments.text("out") {
        std::fs::create_dir_all(out).unwrap_or_else(|error| fail(format!("{out}: {error}")));
        write(&format!("{out}/alarms.csv"), csv.as_bytes());
    }
    let healthy = total.false_alarms + total.quiet;
    println!(
        "{{\"f1\":{:.4},\"precision\":{:.4},\"recall\":{:.4},\"runs\":{},\"warned\":{},\"warned_15\":{},\"false_share\":{:.4},\"false_minutes\":{},\"baseline_f1\":{:.4}}}",
        total.f1(),
        total.precision(),
        total.recall(),
        judged.len(),
        leads.warned(1),
        leads.warned(15),
        total.false_alarms as f64 / healthy.max(1) as f64,
        total.false_alarms,
        simple.f1()
    );
}
