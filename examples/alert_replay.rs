//! Days of real servers through detector, rule and pager, beside the usual static thresholds: how many alerts, how late, how many for
//! nothing.
//!
//! `cargo run --release --example alert_replay -- ENTITY_DIR... [--minutes 5] [--per-day 0.333]`. Every directory has `train.csv[.gz]` and
//! `test.csv[.gz]` (columns of metrics, in the test a last column `label`); rows are `--minutes` apart. Static: every metric has
//! an alert at three standard deviations from its training mean, each run beyond is one alert. Ours: nearest rows, a rule with
//! hysteresis and quiet time, one incident per server; `--per-day` is the number of false alarms a day that is put up with. An alert that overlaps an incident or the half hour before is right; the delay
//! of an incident counts from its first labelled row. The last line of standard output is one line of JSON.

#[path = "evaluation/mod.rs"]
mod evaluation;
#[path = "tables/mod.rs"]
mod tables;

use evaluation::{Arguments, fail};
use std::path::Path;
use tables::{Numbers, plain_or_gz};
use vm_ecosystem::forecast::{
    alert::{AlertChange, AlertRule, IncidentSettings, Incidents, RuleSettings, Sample},
    anomaly::{NearestRows, NearestSettings, evaluation::runs},
};

const USAGE: &str = "usage: alert_replay ENTITY_DIR... [--minutes 5] [--per-day 0.333]";
/// Minutes that somebody needs to look at one alert and put it away; only for the hours in the report.
const MINUTES_PER_ALERT: f64 = 10.0;

/// Alerts of one way: begin and end, in rows.
type Alerts = Vec<(usize, usize)>;

#[derive(Default)]
struct Tally {
    alerts: usize,
    wrong: usize,
    found: usize,
    delays: Vec<f64>,
}

impl Tally {
    fn add(&mut self, alerts: &Alerts, incidents: &[(usize, usize)], before: usize, minutes: f64) {
        let meets = |a: &(usize, usize), i: &(usize, usize)| a.0 <= i.1 && i.0 <= a.1 + before;
        self.alerts += alerts.len();
        self.wrong += alerts.iter().filter(|a| !incidents.iter().any(|i| meets(a, i))).count();
        for incident in incidents {
            if let Some(first) = alerts.iter().filter(|a| meets(a, incident)).map(|a| a.0).min() {
                self.found += 1;
                self.delays.push(first.saturating_sub(incident.0) as f64 * minutes);
            }
        }
    }

    fn median_delay(&self) -> f64 {
        let mut delays = self.delays.clone();
        delays.sort_by(f64::total_cmp);
        delays.get(delays.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Metrics of a table, without the label.
fn metrics(data: &Numbers) -> Vec<&Vec<f64>> {
    data.names.iter().zip(&data.columns).filter(|(n, _)| *n != "label").map(|(_, c)| c).collect()
}

/// One alert per run of a metric beyond three deviations of its training.
fn fixed(train: &Numbers, test: &Numbers) -> Alerts {
    let mut alerts = Alerts::new();
    for (past, now) in metrics(train).iter().zip(metrics(test)) {
        let known: Vec<f64> = past.iter().copied().filter(|v| v.is_finite()).collect();
        let n = known.len().max(1) as f64;
        let mean = known.iter().sum::<f64>() / n;
        let deviation = (known.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
        let beyond: Vec<bool> = now.iter().map(|v| (v - mean).abs() > 3.0 * deviation).collect();
        alerts.extend(runs(&beyond));
    }
    alerts
}

/// What the pager rings for: incidents opened, until they are resolved.
fn ours(folder: &str, train: &Numbers, test: &Numbers, minutes: u64, per_day: Option<f64>) -> Alerts {
    let rows = |data: &Numbers| -> Vec<Vec<f64>> {
        let columns = metrics(data);
        (0..data.rows()).map(|t| columns.iter().map(|c| c[t]).collect()).collect()
    };
    let day = usize::try_from(1440 / minutes).unwrap_or(288);
    let usual = NearestSettings::default().with_rows_per_day(day);
    let settings = match per_day {
        Some(alarms) => usual.with_alarms_per_day(alarms),
        None => usual,
    };
    let mut detector =
        NearestRows::fit(&rows(train), &settings).unwrap_or_else(|e| fail(format!("{folder}: {e}")));
    // The detector decides when an alarm begins and ends; the rule adds duration, quiet time and absence.
    let settings = RuleSettings::default().with_raise_at(1.0);
    let mut rule = AlertRule::new(&settings).unwrap_or_else(|e| fail(e));
    let mut incidents = Incidents::new(1, &[], &IncidentSettings::default()).unwrap_or_else(|e| fail(e));
    let mut alerts = Alerts::new();
    for (t, row) in rows(test).iter().enumerate() {
        let at = t as u64 * minutes * 60_000;
        let verdict = detector.push(row).unwrap_or_else(|e| fail(format!("{folder}: row {t}: {e}")));
        let score = if verdict.alarm { 1.0 } else { 0.0 };
        match rule.observe(at, &Sample::scored(score)).unwrap_or_else(|e| fail(e)) {
            Some(AlertChange::Raised(_)) => {
                let joined = incidents.raised(at, 0, 0).unwrap_or_else(|e| fail(e));
                if joined.opened {
                    alerts.push((t, t));
                }
            }
            Some(AlertChange::Resolved(_)) => {
                incidents.resolved(at, 0, 0).unwrap_or_else(|e| fail(e));
            }
            _ => {}
        }
        // An alert that goes on, also silently within the quiet time, is still the same page.
        if let Some(last) = alerts.last_mut().filter(|_| rule.active().is_some()) {
            last.1 = t;
        }
    }
    alerts
}

fn main() {
    let arguments = Arguments::read_between(USAGE, 1..=64, &["minutes", "per-day"]);
    let (folders, minutes): (_, u64) = (&arguments.positional, arguments.number("minutes", 5));
    if !(1..=60).contains(&minutes) {
        fail(format!("option `--minutes` is {minutes}, expected 1 to 60"));
    }
    let per_day = arguments.text("per-day").map(|_| arguments.number("per-day", 0.0));
    let (mut simple, mut paged, mut count, mut days) = (Tally::default(), Tally::default(), 0, 0.0);
    for folder in folders {
        let table = |name: &str| {
            let path = plain_or_gz(Path::new(folder), &format!("{name}.csv"))
                .unwrap_or_else(|| fail(format!("{folder}: no {name}.csv or {name}.csv.gz")));
            Numbers::read(&path)
        };
        let (train, test) = (table("train"), table("test"));
        let labels: Vec<bool> = test.column("label", Path::new(folder)).iter().map(|l| *l > 0.5).collect();
        let incidents = runs(&labels);
        let before = usize::try_from(30 / minutes).unwrap_or(6);
        let (a, b) = (fixed(&train, &test), ours(folder, &train, &test, minutes, per_day));
        eprintln!("{folder}: {} incidents, {} static alerts, {} pages", incidents.len(), a.len(), b.len());
        simple.add(&a, &incidents, before, minutes as f64);
        paged.add(&b, &incidents, before, minutes as f64);
        count += incidents.len();
        days += test.rows() as f64 * minutes as f64 / 1440.0;
    }
    let fewer = |ours: usize, theirs: usize| 1.0 - ours as f64 / theirs.max(1) as f64;
    let hours = (simple.alerts as f64 - paged.alerts as f64) * MINUTES_PER_ALERT / 60.0;
    eprintln!(
        "{days:.0} server-days, {count} incidents; hours of looking at alerts saved at {MINUTES_PER_ALERT} minutes each: {hours:.0}"
    );
    println!(
        "{{\"incidents\":{count},\"pages\":{},\"static_alerts\":{},\"fewer_alerts\":{:.4},\"false_pages\":{},\"static_false\":{},\"fewer_false\":{:.4},\"found\":{},\"static_found\":{},\"delay_minutes\":{:.0},\"static_delay_minutes\":{:.0},\"pages_per_server_day\":{:.3}}}",
        paged.alerts,
        simple.alerts,
        fewer(paged.alerts, simple.alerts),
        paged.wrong,
        simple.wrong,
        fewer(paged.wrong, simple.wrong),
        paged.found,
        simple.found,
        paged.median_delay(),
        simple.median_delay(),
        paged.alerts as f64 / days
    );
}
