//! Forecasts a generated fleet of many series with cheap automatic models on all cores.
//!
//! `cargo run --release --example fleet_forecast -- [--series 100000] [--points 2016] [--batch 2000]`; the last line of
//! standard output is one line of JSON. Series are generated, forecast, compared with the day that follows and dropped batch by
//! batch: memory stays flat. `RAYON_NUM_THREADS=2` limits the threads.

use rayon::prelude::*;
use std::{process::ExitCode, time::Instant};
use vm_ecosystem::forecast::{Auto, forecast_many, metrics::mae};

fn main() -> ExitCode {
    let (mut series, mut points, mut batch) = (100_000_usize, 2016_usize, 2000_usize);
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().and_then(|v| v.parse::<usize>().ok()).filter(|v| *v > 0);
        match (flag.as_str(), value) {
            ("--series", Some(v)) => series = v,
            ("--points", Some(v)) if v >= 600 => points = v,
            ("--batch", Some(v)) => batch = v,
            _ => {
                eprintln!(
                    "fleet_forecast: `{flag}`: expected --series N, --points N (at least 600) or --batch N"
                );
                return ExitCode::from(2);
            }
        }
    }
    let begin = Instant::now();
    let model = Auto::new(&[288]).with_cheap().with_horizon(288);
    let (mut failed, mut error, mut scale, mut forecasting) = (0, 0.0, 0.0, 0.0);
    let mut done = 0;
    while done < series {
        let count = batch.min(series - done);
        let fleet = in_parallel(count, |s| generate((done + s) as u64, points + 288));
        let past: Vec<&[f64]> = fleet.iter().map(|v| &v[..points]).collect();
        let start = Instant::now();
        let results = forecast_many(&model, &past, 288, &[0.95]);
        forecasting += start.elapsed().as_secs_f64();
        let judged = in_parallel(count, |s| {
            let future = &fleet[s][points..];
            results[s]
                .as_ref()
                .ok()
                .map(|f| (mae(future, &f.point), mae(future, &fleet[s][points - 288..points])))
        });
        failed += judged.iter().filter(|j| j.is_none()).count();
        for (own, naive) in judged.into_iter().flatten() {
            error += own;
            scale += naive;
        }
        done += count;
        if done.is_multiple_of(10 * batch) || done == series {
            eprintln!("{done} series, {:.1} s", begin.elapsed().as_secs_f64());
        }
    }
    let line = serde_json::json!({
        "series": series, "points": points, "failed": failed,
        "seconds": begin.elapsed().as_secs_f64(), "seconds_forecasting": forecasting,
        "ms_per_series": forecasting * 1e3 / series as f64,
        "error_over_seasonal_naive": error / scale,
    });
    println!("{line}");
    ExitCode::SUCCESS
}

/// One result per index, in order, on all threads.
fn in_parallel<T: Send>(count: usize, one: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
    (0..count).into_par_iter().map(one).collect()
}

/// Five-minute load with a daily season, a slow wave, noise and some bursts.
fn generate(seed: u64, points: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as f64) / f64::from(1_u32 << 31)
    };
    let (base, depth, shift, noise) = (5.0 + 60.0 * uniform(), uniform(), uniform(), 1.0 + 4.0 * uniform());
    (0..points)
        .map(|t| {
            let day = ((t as f64 / 288.0 + shift) * std::f64::consts::TAU).sin();
            let slow = (t as f64 / 1500.0).sin();
            let burst = if uniform() < 0.002 { 30.0 } else { 0.0 };
            (base * (1.0 + 0.5 * depth * day + 0.1 * slow) + noise * (uniform() + uniform() - 1.0) + burst)
                .max(0.0)
        })
        .collect()
}
