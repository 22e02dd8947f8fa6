//! How much of the usage of machines the automatic forecast explains (R²), and how long a call takes.
//!
//! `cargo run --release --example usage_forecast -- FILE... [--meta datasets.json] [--horizon 12] [--days 1] [--train 10]
//! [--every K] [--threads N]`
//!
//! A FILE is either one of many series with a `datasets.json` beside it (usage per machine), or a trace of VM requests with the
//! columns `arrival_s,cores,memory_gb,duration_bin,censored`, which becomes cores in use by size of VM, and cores and memory
//! in use by all, in steps of 300 s.
//!
//! Rolling origin: every `--horizon` steps of the last `--days` days a model is fitted to at most `--train` days before and
//! predicts the coming `--horizon` steps; it never sees a later value. R² of a series is `1 - Σ(y-ŷ)² / Σ(y-ȳ)²` with `ȳ` the mean
//! of its judged steps, which no forecast can know. Pooled over series it is one minus the sum of the errors over the sum of the
//! spreads, each series in units of its own spread. `naive` repeats the last value. A call is a fit and a prediction. The last
//! line of standard output is one line of JSON.

mod evaluation;
#[path = "evaluation/panel.rs"]
mod panel;
#[path = "evaluation/vm_trace.rs"]
mod vm_trace;

use evaluation::{Arguments, fail};
use std::{collections::BTreeMap, path::Path, time::Instant};
use vm_ecosystem::forecast::{Auto, Fitted, Forecaster};

const USAGE: &str = "usage: usage_forecast FILE... [--meta datasets.json] [--horizon STEPS] [--days N] [--train DAYS] [--every K] \
                     [--threads N]";
/// Seconds of a step of a trace.
const STEP_S: u64 = 300;
/// Most steps of a trace: a year.
const MOST_STEPS: u64 = 105_120;

struct Usage {
    set: String,
    id: String,
    values: Vec<f64>,
    seasons: Vec<usize>,
    day: usize,
}

/// Errors of one series.
struct Judged {
    set: String,
    squares: f64,
    naive: f64,
    spread: f64,
    milliseconds: Vec<f64>,
}

#[derive(Clone, Copy)]
struct Protocol {
    horizon: usize,
    days: usize,
    train: usize,
}

fn main() {
    let known = ["meta", "horizon", "days", "train", "every", "threads"];
    let arguments = Arguments::read_between(USAGE, 1..=64, &known);
    let positive = |name: &str, default: usize| match arguments.number(name, default) {
        0 => fail(format!("option `--{name}` is 0, expected a whole number above 0")),
        value => value,
    };
    let (every, threads) = (positive("every", 1), positive("threads", 1));
    let protocol = Protocol {
        horizon: positive("horizon", 12),
        days: positive("days", 1),
        train: positive("train", 10),
    };
    let mut usages = Vec::new();
    for file in &arguments.positional {
        usages.extend(read(file, arguments.text("meta")).into_iter().step_by(every));
    }
    let judged = judge_all(&usages, protocol, threads);
    if judged.is_empty() {
        fail("no series is long enough and changes within the judged days");
    }
    let mut sets: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    for j in &judged {
        sets.entry(&j.set).or_default().push(j);
    }
    println!(
        "{:<26} {:>6} {:>10} {:>8} {:>8} {:>8} {:>10}",
        "", "series", "R² median", "pooled", "naive", "ms", "ms worst"
    );
    for (name, of_set) in &sets {
        print_row(name, of_set);
    }
    let all: Vec<&Judged> = judged.iter().collect();
    print_row("all", &all);
    let line = serde_json::json!({
        "series": all.len(),
        "horizon": protocol.horizon,
        "r2_median": median(all.iter().map(|j| r2(j.squares, j)).collect()),
        "r2_pooled": pooled(&all, |j| j.squares),
        "naive_r2_median": median(all.iter().map(|j| r2(j.naive, j)).collect()),
        "naive_r2_pooled": pooled(&all, |j| j.naive),
        "ms_median": median(calls(&all)),
        "ms_worst": calls(&all).into_iter().fold(0.0, f64::max),
    });
    println!("{line}");
}

fn print_row(name: &str, of_set: &[&Judged]) {
    println!(
        "{name:<26} {:>6} {:>10.3} {:>8.3} {:>8.3} {:>8.1} {:>10.1}",
        of_set.len(),
        median(of_set.iter().map(|j| r2(j.squares, j)).collect()),
        pooled(of_set, |j| j.squares),
        pooled(of_set, |j| j.naive),
        median(calls(of_set)),
        calls(of_set).into_iter().fold(0.0, f64::max)
    );
}

fn calls(of_set: &[&Judged]) -> Vec<f64> {
    of_set.iter().flat_map(|j| j.milliseconds.iter().copied()).collect()
}

fn r2(squares: f64, j: &Judged) -> f64 {
    1.0 - squares / j.spread
}

/// Every series counts alike: errors in units of the series' spread.
fn pooled(of_set: &[&Judged], squares: fn(&Judged) -> f64) -> f64 {
    of_set.iter().map(|j| r2(squares(j), j)).sum::<f64>() / of_set.len() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    f64::midpoint(values[(n - 1) / 2], values[n / 2])
}

fn read(file: &str, meta: Option<&str>) -> Vec<Usage> {
    let path = Path::new(file);
    let text = panel::read_text(path).unwrap_or_else(|e| fail(e));
    if text.lines().next().is_some_and(|header| header.split(',').any(|name| name == "arrival_s")) {
        return in_use(file);
    }
    let protocol = panel::read_protocol(path, meta.map(Path::new), None).unwrap_or_else(|e| fail(e));
    let all = panel::read_series(path, &protocol).unwrap_or_else(|e| fail(e));
    let usage = |series: panel::RecordedSeries| Usage {
        set: protocol.name.clone(),
        id: series.id,
        values: series.values,
        seasons: protocol.seasons.clone(),
        day: protocol.steps_per_day,
    };
    all.into_iter().map(usage).collect()
}

/// What the VMs of a trace have in use at the end of every step.
fn in_use(file: &str) -> Vec<Usage> {
    let vms = vm_trace::read_trace(file, None);
    let last = vms.iter().map(|vm| vm.arrival / STEP_S).max().unwrap_or(0);
    if last >= MOST_STEPS {
        fail(format!("{file}: arrivals over more than a year, expected seconds from 0"));
    }
    let steps = usize::try_from(last).unwrap_or(0) + 1;
    let mut changes: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for vm in &vms {
        let [millicores, mib] = vm.demand.map(|d| d as f64);
        let by_size = format!("cores in VMs of {}", millicores / 1_000.0);
        let parts = [(by_size, millicores), ("cores".to_owned(), millicores), ("memory".to_owned(), mib)];
        for (name, amount) in parts {
            let change = changes.entry(name).or_insert_with(|| vec![0.0; steps]);
            let index = |at: u64| usize::try_from(at / STEP_S).unwrap_or(usize::MAX);
            if let Some(slot) = change.get_mut(index(vm.arrival)) {
                *slot += amount;
            }
            if let Some(slot) = vm.leaves.and_then(|at| change.get_mut(index(at))) {
                *slot -= amount;
            }
        }
    }
    let day = usize::try_from(86_400 / STEP_S).unwrap_or(1);
    let total = |change: Vec<f64>| {
        let sums = change.iter().scan(0.0, |sum, c| {
            *sum += c;
            Some(*sum)
        });
        sums.collect()
    };
    let usage =
        |(id, change)| Usage { set: "requests".into(), id, values: total(change), seasons: vec![day], day };
    changes.into_iter().map(usage).collect()
}

fn judge_all(usages: &[Usage], protocol: Protocol, threads: usize) -> Vec<Judged> {
    let chunk = usages.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        #[expect(clippy::needless_collect, reason = "a lazy iterator would start one thread at a time")]
        let workers: Vec<_> = usages
            .chunks(chunk)
            .map(|part| {
                scope.spawn(move || part.iter().filter_map(|u| judge(u, protocol)).collect::<Vec<_>>())
            })
            .collect();
        workers.into_iter().flat_map(|w| w.join().expect("a model panicked: a bug")).collect()
    })
}

fn judge(usage: &Usage, p: Protocol) -> Option<Judged> {
    let (values, n) = (&usage.values, usage.values.len());
    let first = n.checked_sub(p.days * usage.day).filter(|first| *first >= usage.day.max(16))?;
    let observed: Vec<f64> = values[first..].iter().copied().filter(|v| !v.is_nan()).collect();
    let mean = observed.iter().sum::<f64>() / observed.len() as f64;
    let spread: f64 = observed.iter().map(|v| (v - mean).powi(2)).sum();
    if spread.is_nan() || spread <= 1e-12 * mean * mean {
        eprintln!("left out: {} {} does not change in the judged days", usage.set, usage.id);
        return None;
    }
    let model = Auto::new(&usage.seasons).with_horizon(p.horizon);
    let mut judged =
        Judged { set: usage.set.clone(), squares: 0.0, naive: 0.0, spread, milliseconds: Vec::new() };
    for origin in (first..n).step_by(p.horizon) {
        let past = &values[origin.saturating_sub(p.train * usage.day)..origin];
        let begin = Instant::now();
        let fitted = model.fit(past).map_err(|e| e.to_string());
        let point = fitted.and_then(|f| f.predict(p.horizon, &[]).map_err(|e| e.to_string()));
        judged.milliseconds.push(begin.elapsed().as_secs_f64() * 1e3);
        let last = past.iter().rev().copied().find(|v| !v.is_nan()).unwrap_or(0.0);
        let point = match point {
            Ok(forecast) => forecast.point,
            Err(error) => {
                eprintln!("{} {}: {error}; judged as naive", usage.set, usage.id);
                vec![last; p.horizon]
            }
        };
        for (y, f) in values[origin..].iter().zip(&point).filter(|(y, _)| !y.is_nan()) {
            judged.squares += (y - f).powi(2);
            judged.naive += (y - last).powi(2);
        }
    }
    Some(judged)
}
