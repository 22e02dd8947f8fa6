//! Ranks the pods of an application after injected faults.
//!
//! `cargo run --release --example root_cause -- DIR`: a folder of days (or one day), each with `<pod>_metric.csv[.gz]`,
//! `fault_list.json` and, where known, the service graph `dependency.csv` and the median latency of each call as callers and callees see it
//! (`source_50.csv`, `destination_50.csv`): what a caller waits longer than the callee works is a metric of the callee. For every fault all pods are ranked from data up to
//! three minutes after its injection; a tie counts against us. The baseline ranks by the largest robust z of any metric. The
//! last line of standard output is one line of JSON.

#[path = "evaluation/mod.rs"]
mod evaluation;
#[path = "tables/mod.rs"]
mod tables;

use evaluation::{Arguments, fail, read};
use std::{collections::BTreeMap, path::Path};
use tables::{Numbers, entries, plain_or_gz};
use vm_ecosystem::forecast::{
    alert::Subsystem,
    cause::{Cause, Component, Metric, Role, RootCause},
};

const USAGE: &str = "usage: root_cause DIR";
/// Seconds after the injection that are looked at.
const AFTER: i64 = 180;
/// Name of the time in transit among the metrics of a pod: a latency by its role.
const TRANSIT: &str = "TransitLatencyP50(s)";
/// Deviation in spreads below which a metric says nothing about the class of a fault.
const CLEAR: f64 = 5.0;

#[derive(serde::Deserialize)]
struct Fault {
    #[serde(rename = "inject_time")]
    at: String,
    #[serde(rename = "inject_pod")]
    pod: String,
    #[serde(rename = "inject_type")]
    kind: String,
}

struct Pod {
    name: String,
    /// Seconds since the epoch, of the row's text time (UTC).
    times: Vec<i64>,
    names: Vec<String>,
    columns: Vec<Vec<f64>>,
}

/// `2022-08-22 03:53:54…` as seconds since the epoch, UTC.
fn seconds(text: &str) -> Option<i64> {
    let number = |a: usize, b: usize| text.get(a..b)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // days from the civil calendar, with years that begin in March
    let y = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

fn pod(path: &Path, name: String) -> Pod {
    let data = Numbers::read(path);
    let text = String::from_utf8_lossy(&read(&path.to_string_lossy())).into_owned();
    let times: Vec<i64> = text
        .lines()
        .skip(1)
        .filter(|l| !l.trim().is_empty())
        .map(|l| seconds(l).unwrap_or_else(|| fail(format!("{}: no time in `{l}`", path.display()))))
        .collect();
    let keep: Vec<usize> = (0..data.names.len())
        .filter(|&i| !["Time", "TimeStamp", "PodName"].contains(&data.names[i].as_str()))
        .collect();
    let names = keep.iter().map(|&i| data.names[i].clone()).collect();
    let columns = keep.iter().map(|&i| data.columns[i].clone()).collect();
    Pod { name, times, names, columns }
}

/// Edges between pods from the graph of services; a pod is named after its service.
fn graph(folder: &Path, pods: &[Pod]) -> Vec<(usize, usize)> {
    let path = folder.join("dependency.csv");
    if !path.is_file() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&read(&path.to_string_lossy())).into_owned();
    let find = |service: &str| pods.iter().position(|p| p.name.starts_with(&format!("{service}-")));
    text.lines()
        .skip(1)
        .filter_map(|l| {
            let mut fields = l.split(',');
            Some((find(fields.next()?.trim())?, find(fields.next()?.trim())?))
        })
        .collect()
}

/// Row of the same minute: at most half a minute away.
fn row_at(times: &[f64], time: f64) -> Option<usize> {
    let row = times.partition_point(|t| *t < time - 30.0);
    (*times.get(row)? <= time + 30.0).then_some(row)
}

/// Adds to each pod the mean time in transit of the calls to it, where both ends were measured.
fn add_transit(folder: &Path, pods: &mut [Pod]) {
    let file = |name| plain_or_gz(folder, name).map(|path| (Numbers::read(&path), path));
    let (Some((client, path)), Some((server, other_path))) =
        (file("source_50.csv"), file("destination_50.csv"))
    else {
        return;
    };
    let times = client.column("timestamp", &path).to_vec();
    let server_times = server.column("timestamp", &other_path).to_vec();
    for pod in pods {
        let to = |edge: &String| {
            let callee = edge.split_once('_').map(|e| e.1);
            callee.is_some_and(|callee| pod.name.starts_with(&format!("{callee}-")))
        };
        let edges: Vec<(&Vec<f64>, &Vec<f64>)> = client
            .names
            .iter()
            .enumerate()
            .filter(|(_, name)| to(name))
            .filter_map(|(i, name)| {
                let other = server.names.iter().position(|n| n == name)?;
                Some((&client.columns[i], &server.columns[other]))
            })
            .collect();
        let at = |time: i64| {
            let rows = row_at(&times, time as f64).zip(row_at(&server_times, time as f64));
            let transit = rows.into_iter().flat_map(|(a, b)| edges.iter().map(move |(c, s)| c[a] - s[b]));
            let (sum, n) = transit.filter(|t| t.is_finite()).fold((0.0, 0.0), |(s, n), t| (s + t, n + 1.0));
            if n > 0.0 { sum / n } else { f64::NAN }
        };
        if !edges.is_empty() {
            pod.columns.push(pod.times.iter().map(|t| at(*t)).collect());
            pod.names.push(TRANSIT.to_owned());
        }
    }
}

/// Place of the culprit when equal scores are against us.
fn place(scores: &[f64], culprit: usize) -> usize {
    1 + (0..scores.len()).filter(|&i| i != culprit && scores[i] >= scores[culprit]).count()
}

/// Largest |z| of any metric, by median and MAD of everything before the injection (standard deviation where the MAD is 0).
fn baseline(p: &Pod, onset: usize, end: usize) -> f64 {
    let one = |c: &Vec<f64>| {
        let mut before: Vec<f64> = c[..onset].iter().copied().filter(|v| v.is_finite()).collect();
        if before.is_empty() {
            return 0.0;
        }
        let median = |v: &mut Vec<f64>| {
            v.sort_by(f64::total_cmp);
            f64::midpoint(v[(v.len() - 1) / 2], v[v.len() / 2])
        };
        let mean = before.iter().sum::<f64>() / before.len() as f64;
        let plain =
            (before.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / before.len() as f64).sqrt();
        let center = median(&mut before);
        let mut distance: Vec<f64> = before.iter().map(|v| (v - center).abs()).collect();
        let robust = 1.4826 * median(&mut distance);
        let spread = if robust > 0.0 { robust } else { plain };
        let z = |v: &f64| if spread > 0.0 { ((v - center) / spread).abs() } else { 0.0 };
        c[onset..end].iter().filter(|v| v.is_finite()).map(z).fold(0.0, f64::max)
    };
    p.columns.iter().map(one).fold(0.0, f64::max)
}

/// Class of an injected fault: what its kind of injection does to a pod.
fn class_of_fault(kind: &str) -> &'static str {
    match kind {
        k if k.contains("cpu") => "processor",
        k if k.contains("network") => "network",
        _ => "code",
    }
}

/// Class named from the metrics of a pod that deviate most: the processor, the network (answers come late but nothing is used), or
/// neither.
fn named_class(pod: &Pod, cause: &Cause) -> &'static str {
    let strongest = |part: Subsystem| {
        let of_part = cause.metrics.iter().filter(|(m, _)| Subsystem::of_name(&pod.names[*m]) == part);
        of_part.map(|(_, d)| *d).fold(0.0, f64::max)
    };
    let (processor, network) =
        (strongest(Subsystem::Processor), strongest(Subsystem::Network).max(strongest(Subsystem::Service)));
    match () {
        () if processor.max(network) < CLEAR => "code",
        () if processor >= network => "processor",
        () => "network",
    }
}

/// Mean over classes of the F1 of (truth, named) pairs.
fn macro_f1(pairs: &[(&str, &str)]) -> f64 {
    let classes = ["processor", "network", "code"];
    let one = |class: &str| {
        let both = pairs.iter().filter(|p| p.0 == class && p.1 == class).count();
        let either =
            pairs.iter().filter(|p| p.0 == class).count() + pairs.iter().filter(|p| p.1 == class).count();
        if either == 0 { 0.0 } else { 2.0 * both as f64 / either as f64 }
    };
    classes.iter().map(|c| one(c)).sum::<f64>() / classes.len() as f64
}

fn scores(pods: &[Pod], inject: i64, calls: &[(usize, usize)]) -> (Vec<f64>, Vec<f64>, Vec<Cause>) {
    let ranges: Vec<(usize, usize)> = pods
        .iter()
        .map(|p| {
            (p.times.partition_point(|t| *t <= inject), p.times.partition_point(|t| *t <= inject + AFTER))
        })
        .collect();
    // All pods are cut so that the onset is the same step.
    let past = ranges.iter().map(|r| r.0).min().unwrap_or(0);
    let metrics: Vec<Vec<Metric<'_>>> = pods
        .iter()
        .zip(&ranges)
        .map(|(p, r)| {
            let names = p.names.iter().zip(&p.columns);
            names.map(|(n, c)| Metric { values: &c[r.0 - past..r.1], role: Role::of_name(n) }).collect()
        })
        .collect();
    let components: Vec<Component<'_>> = metrics.iter().map(|m| Component { metrics: m }).collect();
    let causes = RootCause::default().rank(&components, past, calls).unwrap_or_else(|error| fail(error));
    let mut ours = vec![0.0; pods.len()];
    for cause in &causes {
        ours[cause.component] = cause.score;
    }
    (ours, pods.iter().zip(&ranges).map(|(p, r)| baseline(p, r.0, r.1)).collect(), causes)
}

#[derive(Default)]
struct Places(Vec<usize>);

impl Places {
    fn top(&self, k: usize) -> f64 {
        self.0.iter().filter(|p| **p <= k).count() as f64 / self.0.len().max(1) as f64
    }

    fn mrr(&self) -> f64 {
        self.0.iter().map(|p| 1.0 / *p as f64).sum::<f64>() / self.0.len().max(1) as f64
    }
}

fn main() {
    let arguments = Arguments::read(USAGE, 1, &[]);
    let root = &arguments.positional[0];
    let mut days: Vec<_> =
        entries(root).into_iter().filter(|p| p.join("fault_list.json").is_file()).collect();
    if Path::new(root).join("fault_list.json").is_file() {
        days.push(Path::new(root).to_path_buf());
    }
    if days.is_empty() {
        fail(format!("{root}: no folder with fault_list.json"));
    }
    let (mut with, mut without, mut simple) = (Places::default(), Places::default(), Places::default());
    let mut kinds: BTreeMap<String, Places> = BTreeMap::new();
    let mut classes: Vec<(&str, &str)> = Vec::new();
    for day in &days {
        let mut pods: Vec<Pod> = entries(&day.to_string_lossy())
            .iter()
            .filter_map(|p| {
                let file = p.file_name()?.to_string_lossy().into_owned();
                let name = file.strip_suffix(".gz").unwrap_or(&file).strip_suffix("_metric.csv")?;
                Some(pod(p, name.to_owned()))
            })
            .collect();
        add_transit(day, &mut pods);
        let list: BTreeMap<String, Vec<Fault>> =
            serde_json::from_slice(&read(&day.join("fault_list.json").to_string_lossy()))
                .unwrap_or_else(|error| fail(format!("{}: fault_list.json: {error}", day.display())));
        let calls = graph(day, &pods);
        let label = day.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        for fault in list.values().flatten() {
            let Some(culprit) = pods.iter().position(|p| p.name == fault.pod) else {
                fail(format!("{label}: no metrics of the injected pod {}", fault.pod))
            };
            let inject =
                seconds(&fault.at).unwrap_or_else(|| fail(format!("{label}: `{}` is not a time", fault.at)));
            let (plain, base, _) = scores(&pods, inject, &[]);
            let (ours, _, causes) = scores(&pods, inject, &calls);
            if let Some(cause) = causes.iter().find(|c| c.component == culprit) {
                classes.push((class_of_fault(&fault.kind), named_class(&pods[culprit], cause)));
            }
            let at = place(&ours, culprit);
            with.0.push(at);
            without.0.push(place(&plain, culprit));
            simple.0.push(place(&base, culprit));
            kinds.entry(format!("{label} {}", fault.kind)).or_default().0.push(at);
        }
        eprintln!("{label}: {} pods, {} edges", pods.len(), calls.len());
    }
    for (kind, places) in &kinds {
        eprintln!(
            "{kind:32} {:2} faults  top-1 {:.2}  top-3 {:.2}",
            places.0.len(),
            places.top(1),
            places.top(3)
        );
    }
    let right = classes.iter().filter(|p| p.0 == p.1).count();
    eprintln!(
        "class of the fault named from the injected pod's metrics: {right} of {} right, macro-F1 {:.3}",
        classes.len(),
        macro_f1(&classes)
    );
    eprintln!(
        "without graph: top-1 {:.3}, top-3 {:.3}, MRR {:.3}",
        without.top(1),
        without.top(3),
        without.mrr()
    );
    eprintln!(
        "largest robust z: top-1 {:.3}, top-3 {:.3}, MRR {:.3}",
        simple.top(1),
        simple.top(3),
        simple.mrr()
    );
    println!(
        "{{\"top1\":{:.4},\"top3\":{:.4},\"mrr\":{:.4},\"faults\":{},\"baseline_top1\":{:.4}}}",
        with.top(1),
        with.top(3),
        with.mrr(),
        with.0.len(),
        simple.top(1)
    );
}
