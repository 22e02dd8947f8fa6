//! The negative control: nobody can tell the onset of an incident of the application servers 15 to 30 minutes ahead (areas under the
//! curve of 0.58 to 0.68, F1 of 0.07 at most), so an honest model says little.
//!
//! `cargo run --release --example onset_control -- ASD_DIR [--rounds N]`. A row is near when a labelled incident begins 15 to 30 minutes
//! later; rows within incidents, half an hour after them and too late for a warning are left out. Servers are left out in turn in
//! three parts; the stacked failure model learns from the others (the value, the distance from the last hour's mean and the
//! deviation of each metric) and is asked for calibrated probabilities. The last line of standard output is one line of JSON.

#[path = "evaluation/mod.rs"]
mod evaluation;
#[path = "tables/mod.rs"]
mod tables;

use evaluation::{Arguments, fail};
use std::path::Path;
use tables::{Numbers, auc, entries, plain_or_gz};
use vm_ecosystem::forecast::{
    anomaly::evaluation::runs,
    failure::{FailureModel, Label, Outcome, brier, horizon_labels, threshold_for_f1},
    tree::Table,
};

const USAGE: &str = "usage: onset_control ASD_DIR [--rounds N]";
/// Rows of five minutes: from 15 to 30 minutes ahead, half an hour of recovery, an hour looked back at.
const FROM: usize = 3;
const TO: usize = 6;
const RECOVERY: usize = 6;
const BACK: usize = 12;
/// Parts of the servers.
const PARTS: usize = 3;

/// Rows that count: features, whether an incident is near, and the server.
struct Rows {
    features: Vec<Vec<f64>>,
    near: Vec<bool>,
    server: Vec<usize>,
}

fn add(rows: &mut Rows, path: &Path, server: usize) {
    let data = Numbers::read(path);
    let labels: Vec<bool> = data.column("label", path).iter().map(|l| *l > 0.5).collect();
    let incidents: Vec<(usize, usize)> = runs(&labels).into_iter().map(|(a, b)| (a, b + 1)).collect();
    let horizon = horizon_labels(labels.len(), &incidents, FROM, TO, RECOVERY);
    let metrics: Vec<&Vec<f64>> =
        data.names.iter().zip(&data.columns).filter(|(n, _)| *n != "label").map(|(_, c)| c).collect();
    for t in BACK..labels.len() {
        if horizon[t] == Label::Skip {
            continue;
        }
        let one = |c: &&Vec<f64>| {
            let recent = &c[t + 1 - BACK..=t];
            let mean = recent.iter().sum::<f64>() / BACK as f64;
            let variance = recent.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / BACK as f64;
            [c[t], c[t] - mean, variance.sqrt()]
        };
        rows.features.push(metrics.iter().flat_map(one).collect());
        rows.near.push(horizon[t] == Label::Near);
        rows.server.push(server);
    }
}

fn main() {
    let arguments = Arguments::read(USAGE, 1, &["rounds"]);
    let servers: Vec<_> = entries(&arguments.positional[0]).into_iter().filter(|p| p.is_dir()).collect();
    if servers.len() < 2 * PARTS {
        fail(format!("{}: {} servers, expected at least 6", arguments.positional[0], servers.len()));
    }
    let mut rows = Rows { features: Vec::new(), near: Vec::new(), server: Vec::new() };
    for (i, server) in servers.iter().enumerate() {
        let Some(path) = plain_or_gz(server, "test.csv") else {
            fail(format!("{}: no test.csv or test.csv.gz", server.display()))
        };
        add(&mut rows, &path, i);
    }
    let mut model = FailureModel::default();
    model.boosting.rounds = arguments.number("rounds", model.boosting.rounds);
    let (mut said, mut truth, mut outcome) = (Vec::new(), Vec::new(), Outcome::default());
    for part in 0..PARTS {
        let (test, fit): (Vec<usize>, Vec<usize>) =
            (0..rows.near.len()).partition(|&r| rows.server[r] % PARTS == part);
        let table: Vec<Vec<f64>> = fit.iter().map(|&r| rows.features[r].clone()).collect();
        let table = Table::from_rows(&table).unwrap_or_else(|error| fail(error));
        let labels: Vec<bool> = fit.iter().map(|&r| rows.near[r]).collect();
        let groups: Vec<usize> = fit.iter().map(|&r| rows.server[r]).collect();
        let fitted = model.fit(&table, &labels, &groups).unwrap_or_else(|error| fail(error));
        // The threshold is where F1 was best on the other servers, as a user would choose it.
        let known: Vec<usize> = (0..fit.len()).filter(|&i| fitted.held_out()[i].is_finite()).collect();
        let held: Vec<f64> = known.iter().map(|&i| fitted.held_out()[i]).collect();
        let held_labels: Vec<bool> = known.iter().map(|&i| labels[i]).collect();
        let limit = threshold_for_f1(&held, &held_labels).unwrap_or(1.0);
        let p: Vec<f64> = test.iter().map(|&r| fitted.probability(&rows.features[r])).collect();
        let near: Vec<bool> = test.iter().map(|&r| rows.near[r]).collect();
        outcome = outcome.plus(Outcome::count(p.iter().zip(&near).map(|(p, l)| (*p > limit, *l))));
        eprintln!(
            "part {part}: {} rows to fit, {} to test, {} near, largest probability {:.3}",
            fit.len(),
            test.len(),
            near.iter().filter(|l| **l).count(),
            p.iter().copied().fold(0.0, f64::max)
        );
        said.extend(p);
        truth.extend(near);
    }
    let rate = truth.iter().filter(|l| **l).count() as f64 / truth.len() as f64;
    let labels: Vec<f64> = truth.iter().map(|l| f64::from(u8::from(*l))).collect();
    let largest = said.iter().copied().fold(0.0, f64::max);
    let above = said.iter().filter(|p| **p > 0.5).count();
    let mean = said.iter().sum::<f64>() / said.len() as f64;
    eprintln!(
        "precision {:.3}, recall {:.3} at thresholds from the other servers; always saying the base rate has a Brier score of {:.5}",
        outcome.precision(),
        outcome.recall(),
        rate * (1.0 - rate)
    );
    println!(
        "{{\"auc\":{:.4},\"f1\":{:.4},\"base_rate\":{rate:.5},\"mean_probability\":{mean:.5},\"largest_probability\":{largest:.4},\"above_half\":{above},\"brier\":{:.5},\"rows\":{}}}",
        auc(&said, &labels),
        outcome.f1(),
        brier(&said, &truth),
        said.len()
    );
}
