//! Gradient boosting on the labelled rows of the application server data set: the first five servers (by name) to fit, the
//! others to test.
//!
//! `cargo run --release --example boosting_eval -- ASD_DIR [--rounds 120] [--members yes]`. With `--members yes` the stacked failure
//! model is fitted too, and judged beside each of its members (area under the ROC and the precision-recall curve). Features: for each of the 19 metrics its value,
//! its distance from the mean of the last twelve rows, their standard deviation. The same rows and features are given to
//! `LightGBM` by `scripts/peers/boosting_lightgbm.py`. The last line of standard output is one line of JSON.

#[path = "evaluation/mod.rs"]
mod evaluation;
#[path = "tables/mod.rs"]
mod tables;

use evaluation::{Arguments, fail};
use std::{path::Path, time::Instant};
use tables::{Numbers, auc, entries, plain_or_gz, processor_seconds};
use vm_ecosystem::forecast::{
    anomaly::evaluation::pr_auc,
    failure::FailureModel,
    tree::{Boosting, Forest, Table},
};

const USAGE: &str = "usage: boosting_eval ASD_DIR [--rounds 120] [--members yes]";
/// Rows looked back at.
const BACK: usize = 12;

/// Features by column, and labels.
#[derive(Default)]
struct Rows {
    columns: Vec<Vec<f64>>,
    labels: Vec<f64>,
    /// Server of every row.
    groups: Vec<usize>,
}

impl Rows {
    fn add(&mut self, path: &Path, server: usize) {
        let data = Numbers::read(path);
        self.groups.extend(std::iter::repeat_n(server, data.rows()));
        self.labels.extend_from_slice(data.column("label", path));
        let metrics = data.names.iter().zip(&data.columns).filter(|(n, _)| *n != "label");
        let described: Vec<Vec<f64>> = metrics.flat_map(|(_, c)| describe(c)).collect();
        self.columns.resize(described.len().max(self.columns.len()), Vec::new());
        if self.columns.len() != described.len() {
            fail(format!(
                "{}: {} features, expected {}",
                path.display(),
                described.len(),
                self.columns.len()
            ));
        }
        self.columns.iter_mut().zip(described).for_each(|(all, c)| all.extend(c));
    }

    fn table(self) -> (Table, Vec<f64>) {
        (Table::from_columns(self.columns).unwrap_or_else(|error| fail(error)), self.labels)
    }
}

/// Value, distance from the recent mean, recent standard deviation.
fn describe(values: &[f64]) -> [Vec<f64>; 3] {
    let mut out = [values.to_vec(), Vec::new(), Vec::new()];
    for t in 0..values.len() {
        let recent = &values[(t + 1).saturating_sub(BACK)..=t];
        let mean = recent.iter().sum::<f64>() / recent.len() as f64;
        let variance = recent.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / recent.len() as f64;
        out[1].push(values[t] - mean);
        out[2].push(variance.sqrt());
    }
    out
}

/// Area under the ROC and under the precision-recall curve.
fn areas(scores: &[f64], truth: &[f64]) -> String {
    let labels: Vec<bool> = truth.iter().map(|l| *l > 0.5).collect();
    format!("AUC {:.4}, PR-AUC {:.4}", auc(scores, truth), pr_auc(scores, &labels))
}

/// The stacked model beside its members and beside fixed weights of their ranks (0.5, 0.3, 0.2).
fn members((table, labels, groups): &(Table, Vec<f64>, Vec<usize>), rows: &[Vec<f64>], truth: &[f64]) {
    let near: Vec<bool> = labels.iter().map(|l| *l > 0.5).collect();
    let model = FailureModel::default().fit(table, &near, groups).unwrap_or_else(|error| fail(error));
    let said: Vec<_> = rows.iter().map(|row| model.members(row)).collect();
    let stacked: Vec<f64> = rows.iter().map(|row| model.score(row)).collect();
    let probabilities: Vec<f64> = rows.iter().map(|row| model.probability(row)).collect();
    let columns: [(&str, Vec<f64>); 3] = [
        ("member boosting", said.iter().map(|m| m.boosting).collect()),
        ("member forest", said.iter().map(|m| m.forest).collect()),
        ("member isolation", said.iter().map(|m| m.isolation).collect()),
    ];
    let ranks: Vec<Vec<f64>> = columns.iter().map(|(_, c)| rank(c)).collect();
    let fixed: Vec<f64> =
        (0..rows.len()).map(|i| 0.5 * ranks[0][i] + 0.3 * ranks[1][i] + 0.2 * ranks[2][i]).collect();
    for (name, scores) in &columns {
        eprintln!("{name}: {}", areas(scores, truth));
    }
    eprintln!("fixed weights of ranks: {}", areas(&fixed, truth));
    eprintln!("stacked, weights {:.2?}: {}", model.weights(), areas(&stacked, truth));
    eprintln!("stacked, calibrated: {}", areas(&probabilities, truth));
}

/// Place of every score among all, 0 to 1.
fn rank(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut ranks = vec![0.0; scores.len()];
    for (place, &i) in order.iter().enumerate() {
        ranks[i] = place as f64 / scores.len() as f64;
    }
    ranks
}

fn main() {
    let arguments = Arguments::read(USAGE, 1, &["rounds", "members"]);
    let (mut fit, mut test) = (Rows::default(), Rows::default());
    let servers: Vec<_> = entries(&arguments.positional[0]).into_iter().filter(|p| p.is_dir()).collect();
    if servers.len() < 6 {
        fail(format!("{}: {} servers, expected at least 6", arguments.positional[0], servers.len()));
    }
    for (i, server) in servers.iter().enumerate() {
        let Some(path) = plain_or_gz(server, "test.csv") else {
            fail(format!("{}: no test.csv or test.csv.gz", server.display()))
        };
        if i < 5 { fit.add(&path, i) } else { test.add(&path, i) }
    }
    let groups = std::mem::take(&mut fit.groups);
    let ((table, labels), (unseen, truth)) = (fit.table(), test.table());
    let mut boosting = Boosting::classifier();
    boosting.rounds = arguments.number("rounds", boosting.rounds);
    let (started, before) = (Instant::now(), processor_seconds());
    let model = boosting.fit(&table, &labels).unwrap_or_else(|error| fail(error));
    let wall = started.elapsed().as_secs_f64();
    let cpu = before.zip(processor_seconds()).map_or(wall, |(a, b)| b - a);
    let scores: Vec<f64> = (0..unseen.rows()).map(|r| model.predict(&unseen.row(r))).collect();
    let rows: Vec<Vec<f64>> = (0..unseen.rows()).map(|r| unseen.row(r)).collect();
    let asked = Instant::now();
    let sum: f64 = rows.iter().map(|row| model.predict(row)).sum();
    let single = asked.elapsed().as_secs_f64() / rows.len() as f64 * 1e6;
    let bytes = model.to_bytes();
    eprintln!(
        "{} rows to fit, {} to test, {} features, {} trees, {} bytes, mean probability {:.4}",
        table.rows(),
        unseen.rows(),
        table.features(),
        model.trees().len(),
        bytes.len(),
        sum / rows.len() as f64
    );
    for (name, forest) in [("random forest", Forest::random()), ("extra trees", Forest::extra())] {
        let started = Instant::now();
        let model = forest.fit(&table, &labels).unwrap_or_else(|error| fail(error));
        let scores = model.predict_all(&unseen);
        eprintln!("{name}: {}, {:.2} s", areas(&scores, &truth), started.elapsed().as_secs_f64());
    }
    eprintln!("boosting: {}", areas(&scores, &truth));
    if arguments.text("members") == Some("yes") {
        members(&(table, labels, groups), &rows, &truth);
    }
    println!(
        "{{\"auc\":{:.4},\"fit_cpu_seconds\":{cpu:.3},\"fit_wall_seconds\":{wall:.3},\"predict_us\":{single:.3}}}",
        auc(&scores, &truth)
    );
}
