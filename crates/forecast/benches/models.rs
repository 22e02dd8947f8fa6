//! Speed of the models on realistic sizes. Peers: crate augurs and statsforecast, see docs/forecast-models.md.

use criterion::{Criterion, criterion_group, criterion_main};
use ecosystem_forecast::{
    Auto, AutoEts, Ets, EtsSpec, Fitted, Forecaster, LagRegression, Mstl, SeasonalSmoothing,
    anomaly::{Detector, SeasonalResidual},
};
use std::hint::black_box;

fn hourly(n: usize) -> Vec<f64> {
    (0..n)
        .map(|h| {
            let day = (h as f64 / 24.0 * std::f64::consts::TAU).sin();
            let week = if h / 24 % 7 > 4 { -15.0 } else { 0.0 };
            100.0 + 0.01 * h as f64 + 20.0 * day + week + ((h * h * 7 + 3 * h) % 101) as f64 / 20.0
        })
        .collect()
}

fn fits(c: &mut Criterion) {
    let values = hourly(960);
    let adjusted: Vec<f64> = values
        .iter()
        .enumerate()
        .map(|(h, v)| v - 20.0 * (h as f64 / 24.0 * std::f64::consts::TAU).sin())
        .collect();
    c.bench_function("auto_ets/non_seasonal_960_values", |b| {
        b.iter(|| AutoEts::default().fit(black_box(&adjusted)));
    });
    c.bench_function("mstl_ets/hourly_960_values_day_week", |b| {
        let model = Mstl::new(&[24, 168], AutoEts::default()).with_fast();
        b.iter(|| model.fit(black_box(&values)));
    });
    c.bench_function("lag_regression/hourly_960_values_day_week", |b| {
        let model = LagRegression::new(&[24, 168]);
        b.iter(|| model.fit(black_box(&values)));
    });
    c.bench_function("seasonal_smoothing/hourly_960_values_day_week", |b| {
        let model = SeasonalSmoothing::new(&[24, 168]);
        b.iter(|| model.fit(black_box(&values)));
    });
    c.bench_function("auto/hourly_960_values_day_week_h48", |b| {
        let model = Auto::new(&[24, 168]).with_horizon(48);
        b.iter(|| model.fit(black_box(&values)));
    });
}

fn updates(c: &mut Criterion) {
    let values = hourly(960);
    let mut holt_winters = Ets::new(EtsSpec::holt_winters(24)).fit(&values).expect("long enough");
    c.bench_function("update/holt_winters_24", |b| b.iter(|| holt_winters.update(black_box(104.0))));
    let mut detector = SeasonalResidual::new(&[24, 168], 5.0).expect("valid settings");
    c.bench_function("detect/seasonal_residual_day_week", |b| b.iter(|| detector.push(black_box(104.0))));
}

criterion_group!(benches, fits, updates);
criterion_main!(benches);
