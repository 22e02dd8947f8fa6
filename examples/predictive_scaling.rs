//! Compares predictive scaling with a reactive autoscaler on recorded workloads: what each costs, and how often demand is more
//! than what is up.
//!
//! `cargo run --release --example predictive_scaling -- FILE.csv.gz... [--meta datasets.json] [--startup 300] [--down 300]
//! [--replicas 10] [--days 7] [--every K] [--threads N]`
//!
//! Protocol, the same for all scalers: at the end of every step the scaler sees the demand of that step and nothing later. What
//! it orders is up `--startup` seconds (rounded up to steps) after the step's end and costs from the order; what it gives back is gone
//! at once, but only down to the largest wish of the last `--down` seconds. A replica serves one `--replicas`-th of the median of
//! the demand before the judged days. Judged are the last `--days` days (at most half of the data); the predictive scaler learns
//! anew every day from the ten days before it.
//! - reactive: `ceil(demand / (target · replica))`, the formula of the Kubernetes horizontal autoscaler without its tolerance;
//! - kubernetes: the same with its tolerance of a tenth;
//! - predictive: `ceil(bound / replica)` with the bound of `demand::PeakAhead` at a rate of steps to be covered.
//!
//! Each scaler is run at many targets (or rates), which gives a curve of cost over violations, mean over series; curves are
//! compared at equal violations and at equal cost. Cost is replica hours divided by those of a clairvoyant without start-up
//! time. The last line of standard output is one line of JSON.

mod evaluation;
#[path = "evaluation/panel.rs"]
mod panel;
#[path = "evaluation/scaling.rs"]
mod scaling;

use evaluation::{Arguments, fail};
use panel::{Protocol, read_protocol, read_series};
use scaling::{Fleet, Outcome, Rules};
use std::path::Path;
use vm_ecosystem::forecast::demand::PeakAhead;

const USAGE: &str = "usage: predictive_scaling FILE.csv[.gz]... [--meta datasets.json] [--startup SECONDS] [--down SECONDS] \
                     [--replicas N] [--days N] [--every K] [--threads N]";

/// Loads that the reactive scalers aim at, as shares of a replica.
const TARGETS: [f64; 12] = [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];
/// Shares of steps that the predictive scaler means to cover.
const RATES: [f64; 9] = [0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999];
/// Violations at which costs are compared.
const AT: [f64; 4] = [0.005, 0.01, 0.02, 0.05];
/// Most days that are learned from.
const LEARNED_DAYS: usize = 10;

struct Workload {
    name: String,
    demand: Vec<f64>,
    first: usize, // judged step
    seasons: Vec<usize>,
    day: usize,
    rules: Rules,
}

/// Outcomes of one series: per scaler, per target or rate.
struct Judged {
    reactive: Vec<Outcome>,
    kubernetes: Vec<Outcome>,
    predictive: Vec<Outcome>,
}

fn main() {
    let known = ["meta", "startup", "down", "replicas", "days", "every", "threads"];
    let arguments = Arguments::read_between(USAGE, 1..=64, &known);
    let workloads = read(&arguments);
    let threads = at_least_one(&arguments, "threads", 1);
    let judged = in_parallel(&workloads, threads);
    let curves: [(&str, Vec<Outcome>); 3] = [
        ("reactive", mean(&judged, |j| &j.reactive)),
        ("kubernetes", mean(&judged, |j| &j.kubernetes)),
        ("predictive", mean(&judged, |j| &j.predictive)),
    ];
    println!("{:<12} {:>8} {:>10} {:>8} {:>10}", "scaler", "setting", "violations", "cost", "unserved");
    for (name, curve) in &curves {
        let settings = if *name == "predictive" { &RATES[..] } else { &TARGETS[..] };
        for (setting, o) in settings.iter().zip(curve) {
            println!("{name:<12} {setting:>8} {:>10.4} {:>8.3} {:>10.5}", o.violations, o.cost, o.unserved);
        }
    }
    let at = |f: fn(&[Outcome], f64) -> Option<f64>, x: f64| {
        let values = curves.iter().map(|(name, curve)| ((*name).to_owned(), serde_json::json!(f(curve, x))));
        serde_json::Value::Object(values.collect())
    };
    let costs: serde_json::Map<String, serde_json::Value> =
        AT.iter().map(|v| (v.to_string(), at(scaling::cost_at, *v))).collect();
    let violations: serde_json::Map<String, serde_json::Value> =
        [1.25, 1.5, 2.0].iter().map(|c| (c.to_string(), at(scaling::violations_at, *c))).collect();
    let line = serde_json::json!({
        "series": judged.len(),
        "cost_at_violations": costs,
        "violations_at_cost": violations,
    });
    println!("{line}");
}

fn at_least_one(arguments: &Arguments, name: &str, default: usize) -> usize {
    let value = arguments.number(name, default);
    if value == 0 {
        fail(format!("option `--{name}` is 0, expected a whole number above 0"))
    }
    value
}

fn read(arguments: &Arguments) -> Vec<Workload> {
    let (startup, down) = (arguments.number("startup", 300_usize), arguments.number("down", 300_usize));
    let replicas = at_least_one(arguments, "replicas", 10);
    let (days, every) = (at_least_one(arguments, "days", 7), at_least_one(arguments, "every", 1));
    let mut workloads = Vec::new();
    for file in &arguments.positional {
        let path = Path::new(file);
        let protocol =
            read_protocol(path, arguments.text("meta").map(Path::new), None).unwrap_or_else(|e| fail(e));
        let all = read_series(path, &protocol).unwrap_or_else(|e| fail(e));
        for series in all.into_iter().step_by(every) {
            let name = format!("{} {}", protocol.name, series.id);
            match workload(name, series.values, &protocol, days, replicas, (startup, down)) {
                Ok(workload) => workloads.push(workload),
                Err(why) => eprintln!("left out: {why}"),
            }
        }
    }
    if workloads.is_empty() {
        fail("no series is long and busy enough to be judged");
    }
    workloads
}

fn workload(
    name: String,
    demand: Vec<f64>,
    p: &Protocol,
    days: usize,
    replicas: usize,
    (startup, down): (usize, usize),
) -> Result<Workload, String> {
    let day = p.steps_per_day;
    let first = demand.len() - (days * day).min(demand.len() / 2);
    if first < 2 * day {
        return Err(format!("{name} has {} values, expected at least four days of {day}", demand.len()));
    }
    let mut past: Vec<f64> = demand[..first].iter().copied().filter(|v| !v.is_nan()).collect();
    past.sort_unstable_by(f64::total_cmp);
    let median = past.get(past.len() / 2).copied().unwrap_or(0.0);
    if median <= 0.0 || past[0] < 0.0 {
        return Err(format!("{name} is idle or negative before the judged days: no size of a replica"));
    }
    let rules = Rules {
        replica: median / replicas as f64,
        delay: startup.div_ceil(p.step_s),
        hold: down.div_ceil(p.step_s) + 1,
    };
    Ok(Workload { name, demand, first, seasons: p.seasons.clone(), day, rules })
}

fn in_parallel(workloads: &[Workload], threads: usize) -> Vec<Judged> {
    let chunk = workloads.len().div_ceil(threads);
    std::thread::scope(|scope| {
        #[expect(clippy::needless_collect, reason = "a lazy iterator would start one thread at a time")]
        let workers: Vec<_> = workloads
            .chunks(chunk)
            .map(|part| scope.spawn(move || part.iter().map(judge).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|w| w.join().expect("a scaler panicked: a bug")).collect()
    })
}

fn judge(w: &Workload) -> Judged {
    let reactive = |tolerance: f64| {
        let run = |target: &f64| {
            let mut fleet = Fleet::begin(w.rules, w.demand[w.first - 1] / target);
            for &demand in &w.demand[w.first..] {
                fleet.pass(demand);
                fleet.wish_for(demand / target, tolerance);
            }
            fleet.outcome()
        };
        TARGETS.iter().map(run).collect()
    };
    Judged { reactive: reactive(0.0), kubernetes: reactive(0.1), predictive: predictive(w) }
}

fn predictive(w: &Workload) -> Vec<Outcome> {
    let model = PeakAhead::new(&w.seasons, w.rules.delay + 1, &RATES).unwrap_or_else(|e| fail(e));
    let learn = |until: usize| {
        let from = until.saturating_sub(LEARNED_DAYS * w.day);
        model.fit(&w.demand[from..until]).unwrap_or_else(|e| fail(format!("{}: {e}", w.name)))
    };
    let mut scaler = learn(w.first);
    let mut fleets: Vec<Fleet> = scaler.bounds().iter().map(|b| Fleet::begin(w.rules, *b)).collect();
    for (passed, &demand) in w.demand[w.first..].iter().enumerate() {
        for fleet in &mut fleets {
            fleet.pass(demand);
        }
        let now = w.first + passed + 1;
        if (passed + 1) % w.day == 0 {
            scaler = learn(now);
        } else if let Err(error) = scaler.update(demand) {
            fail(format!("{}: {error}", w.name));
        }
        for (fleet, bound) in fleets.iter_mut().zip(scaler.bounds()) {
            fleet.wish_for(*bound, 0.0);
        }
    }
    fleets.iter().map(Fleet::outcome).collect()
}

/// Mean over the series, point by point.
fn mean(judged: &[Judged], of: impl Fn(&Judged) -> &Vec<Outcome>) -> Vec<Outcome> {
    let count = judged.len() as f64;
    let points = judged.first().map_or(0, |j| of(j).len());
    let part = |k: usize, f: fn(&Outcome) -> f64| judged.iter().map(|j| f(&of(j)[k])).sum::<f64>() / count;
    (0..points)
        .map(|k| Outcome {
            violations: part(k, |o| o.violations),
            cost: part(k, |o| o.cost),
            unserved: part(k, |o| o.unserved),
        })
        .collect()
}
