//! All detectors of rows beside each other on labelled entities, with their default settings.
//!
//! `cargo run --release --example row_detectors -- ENTITY_DIR... [--window 100]`. Every directory has `train.csv[.gz]` and
//! `test.csv[.gz]` (columns of metrics, in the test a last column `label`). Every detector is fitted on the same 1,500 training
//! rows, evenly spaced, and scores the test causally; no smoothing, so that the detectors are compared and not their smoothing.
//! Printed per detector: mean VUS-PR, mean best point-wise F1 (no point adjustment), microseconds per row. The last line of
//! standard output is one line of JSON: detector → [VUS-PR, best F1, µs].

#[path = "evaluation/mod.rs"]
mod evaluation;
#[path = "tables/mod.rs"]
mod tables;

use evaluation::{Arguments, fail};
use std::{path::Path, time::Instant};
use tables::{Numbers, plain_or_gz};
use vm_ecosystem::forecast::{
    FitError,
    anomaly::{
        evaluation::{best_f1, vus_pr},
        rows::{
            Autoencoder, AutoencoderSettings, Copod, Ecod, Histograms, IsolationRows, KMeans, KMeansSettings,
            LocalOutlierFactor, OneClassSettings, OneClassSvm, PrincipalResidual, RandomCutForest,
            RandomCutSettings, RobustPca, RowDetector,
        },
    },
    tree::IsolationForest,
};

const USAGE: &str = "usage: row_detectors ENTITY_DIR... [--window 100]";
/// Training rows.
const ROWS: usize = 1500;

type Rows = Vec<Vec<f64>>;
type Make = fn(&Rows) -> Result<Box<dyn RowDetector>, FitError>;

/// Name and how it is fitted.
const DETECTORS: [(&str, Make); 11] = [
    ("ecod", |r| Ok(Box::new(Ecod::fit(r)?))),
    ("copod", |r| Ok(Box::new(Copod::fit(r)?))),
    ("histograms", |r| Ok(Box::new(Histograms::fit(r, 10)?))),
    ("principal", |r| Ok(Box::new(PrincipalResidual::fit(r, 0.9)?))),
    ("robust_pca", |r| Ok(Box::new(RobustPca::fit(r)?))),
    ("lof", |r| Ok(Box::new(LocalOutlierFactor::fit(r, 20)?))),
    ("one_class", |r| Ok(Box::new(OneClassSvm::fit(r, &OneClassSettings::default())?))),
    ("kmeans", |r| Ok(Box::new(KMeans::fit(r, &KMeansSettings::default())?))),
    ("isolation", |r| Ok(Box::new(IsolationRows::fit(r, &IsolationForest::default())?))),
    ("random_cut", |r| {
        let mut forest = RandomCutForest::new(r.first().map_or(0, Vec::len), &RandomCutSettings::default())?;
        for row in r {
            forest.score_row(row)?;
        }
        Ok(Box::new(forest))
    }),
    ("autoencoder", |r| Ok(Box::new(Autoencoder::fit(r, &AutoencoderSettings::default())?))),
];

fn rows(data: &Numbers, every: usize) -> Rows {
    let columns: Vec<&Vec<f64>> =
        data.names.iter().zip(&data.columns).filter(|(n, _)| *n != "label").map(|(_, c)| c).collect();
    (0..data.rows()).step_by(every).map(|t| columns.iter().map(|c| c[t]).collect()).collect()
}

fn main() {
    let arguments = Arguments::read_between(USAGE, 1..=64, &["window"]);
    let (folders, window): (_, usize) = (&arguments.positional, arguments.number("window", 100));
    if !(1..=10_000).contains(&window) {
        fail(format!("option `--window` is {window}, expected 1 to 10000"));
    }
    let entities: Vec<(Rows, Rows, Vec<bool>)> = folders
        .iter()
        .map(|folder| {
            let table = |name: &str| {
                let path = plain_or_gz(Path::new(folder), &format!("{name}.csv"))
                    .unwrap_or_else(|| fail(format!("{folder}: no {name}.csv or {name}.csv.gz")));
                Numbers::read(&path)
            };
            let (train, test) = (table("train"), table("test"));
            let labels = test.column("label", Path::new(folder)).iter().map(|l| *l > 0.5).collect();
            (rows(&train, train.rows().div_ceil(ROWS).max(1)), rows(&test, 1), labels)
        })
        .collect();
    let mut lines = serde_json::Map::new();
    for (name, make) in DETECTORS {
        let (mut vus, mut f1, mut seconds, mut judged) = (0.0, 0.0, 0.0, 0);
        for (train, test, labels) in &entities {
            let mut detector = make(train).unwrap_or_else(|error| fail(format!("{name}: {error}")));
            let started = Instant::now();
            let scores: Vec<f64> = test
                .iter()
                .map(|r| detector.score_row(r).unwrap_or_else(|error| fail(format!("{name}: {error}"))))
                .collect();
            seconds += started.elapsed().as_secs_f64();
            judged += test.len();
            vus += vus_pr(&scores, labels, window) / entities.len() as f64;
            f1 += best_f1(&scores, labels).0 / entities.len() as f64;
        }
        let us = seconds / judged.max(1) as f64 * 1e6;
        eprintln!("{name:12} VUS-PR {vus:.3}  best F1 {f1:.3}  {us:.1} µs a row");
        lines.insert(name.to_owned(), serde_json::json!([vus, f1, us]));
    }
    println!("{}", serde_json::Value::Object(lines));
}
