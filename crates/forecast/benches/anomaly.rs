//! Detectors, row by row: a point of one series, a row of 38 metrics, a minute of 10,000 series.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark is not an interface and fails by panicking"
)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ecosystem_forecast::anomaly::rows::{
    Ecod, PrincipalResidual, RandomCutForest, RandomCutSettings, RowDetector,
};
use ecosystem_forecast::anomaly::{
    Detector, Ensemble, EnsembleSettings, NearestRows, NearestSettings, Spot, SpotSettings,
};
use std::hint::black_box;

/// A daily wave with noise that looks random and is not.
fn value(row: u32, phase: u32) -> f64 {
    let wave = (f64::from(row + phase * 37) / 288.0 * std::f64::consts::TAU).sin();
    20.0 * wave + f64::from((row.wrapping_mul(7919) ^ phase.wrapping_mul(104_729)) % 1009) / 100.0
}

fn row_of(columns: u32, row: u32) -> Vec<f64> {
    (0..columns).map(|j| value(row, j)).collect()
}

fn points(c: &mut Criterion) {
    let mut group = c.benchmark_group("point");
    let mut ensemble = Ensemble::new(&EnsembleSettings::default()).unwrap();
    let mut spot = Spot::new(&SpotSettings::default()).unwrap();
    let mut row = 0;
    for _ in 0..5000 {
        ensemble.judge(value(row, 0));
        spot.push(value(row, 0));
        row += 1;
    }
    group.bench_function("ensemble", |b| {
        b.iter(|| {
            row += 1;
            black_box(ensemble.judge(value(row, 0)))
        });
    });
    group.bench_function("spot", |b| {
        b.iter(|| {
            row += 1;
            black_box(spot.push(value(row, 0)))
        });
    });
    group.finish();
}

fn rows(c: &mut Criterion) {
    let train: Vec<Vec<f64>> = (0..3000).map(|i| row_of(38, i)).collect();
    let mut group = c.benchmark_group("row_of_38");
    let mut nearest = NearestRows::fit(&train, &NearestSettings::default()).unwrap();
    let mut principal = PrincipalResidual::fit(&train, 0.9).unwrap();
    let mut tails = Ecod::fit(&train).unwrap();
    let mut forest = RandomCutForest::new(38, &RandomCutSettings::default()).unwrap();
    for row in &train {
        forest.score_row(row).unwrap();
    }
    let fresh: Vec<Vec<f64>> = (3000..4000).map(|i| row_of(38, i)).collect();
    let mut at = 0;
    let mut next = move || {
        at = (at + 1) % fresh.len();
        fresh[at].clone()
    };
    group.bench_function("nearest", |b| {
        b.iter_batched(&mut next, |r| black_box(nearest.push(&r).unwrap().alarm), BatchSize::SmallInput);
    });
    group.bench_function("principal", |b| {
        b.iter_batched(&mut next, |r| black_box(principal.score_row(&r).unwrap()), BatchSize::SmallInput);
    });
    group.bench_function("ecod", |b| {
        b.iter_batched(&mut next, |r| black_box(tails.score_row(&r).unwrap()), BatchSize::SmallInput);
    });
    group.bench_function("random_cut", |b| {
        b.iter_batched(&mut next, |r| black_box(forest.score_row(&r).unwrap()), BatchSize::SmallInput);
    });
    group.finish();
}

/// A minute of a fleet: every series gets one value; cold caches are part of it.
fn fleet(c: &mut Criterion) {
    let mut series: Vec<Ensemble> = (0..10_000)
        .map(|_| Ensemble::new(&EnsembleSettings::default().with_rows_per_day(1440)).unwrap())
        .collect();
    let mut row = 0;
    for _ in 0..300 {
        for (phase, one) in (0..).zip(&mut series) {
            one.judge(value(row, phase));
        }
        row += 1;
    }
    let mut group = c.benchmark_group("fleet");
    group.sample_size(10);
    group.bench_function("10000_series_one_minute", |b| {
        b.iter(|| {
            row += 1;
            (0..)
                .zip(&mut series)
                .map(|(phase, one)| usize::from(one.judge(value(row, phase)).alarm))
                .sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, points, rows, fleet);
criterion_main!(benches);
