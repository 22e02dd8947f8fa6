//! Relations that must hold whatever the data: scale, shift, no look into the future, updates, threads, finite results.

#![allow(
    clippy::tests_outside_test_module,
    clippy::unwrap_used,
    reason = "an integration test file is a test module"
)]

use ecosystem_forecast::{
    Arima, ArimaOrder, Auto, AutoArima, AutoEts, Backtest, Capacity, Conformal, Drift, Ets, EtsSpec, Fitted,
    Forecast, Forecaster, LagRegression, Mean, Mstl, Naive, Regression, SeasonalMedian, SeasonalNaive,
    SeasonalSmoothing, Structural, Theta, Trigonometric, forecast_many,
};
use proptest::prelude::*;

/// Deterministic noise in ±1.
fn noise(i: usize, seed: u64) -> f64 {
    let mut x = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 31;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 29;
    (x % 20_001) as f64 / 10_000.0 - 1.0
}

fn load(n: usize, seed: u64) -> Vec<f64> {
    (0..n)
        .map(|t| {
            let day = (t as f64 / 12.0 * std::f64::consts::TAU).sin();
            50.0 + 0.02 * t as f64 + 10.0 * day + 2.0 * noise(t, seed)
        })
        .collect()
}

type Run = fn(&[f64]) -> Forecast;

fn run<F: Forecaster>(model: &F, values: &[f64]) -> Forecast {
    model.fit(values).unwrap().predict(12, &[0.9]).unwrap()
}

/// Models whose forecasts move with scale and shift of the data.
fn equivariant() -> Vec<(&'static str, Run, f64)> {
    vec![
        ("naive", |v| run(&Naive, v), 1e-9),
        ("seasonal naive", |v| run(&SeasonalNaive::new(12), v), 1e-9),
        ("drift", |v| run(&Drift, v), 1e-9),
        ("mean", |v| run(&Mean, v), 1e-9),
        ("seasonal median", |v| run(&SeasonalMedian::new(12, 5).with_neighbours(1), v), 1e-9),
        ("median on a level", |v| run(&SeasonalMedian::new(12, 5).with_level().with_fine(4), v), 1e-9),
        ("ets", |v| run(&Ets::new(EtsSpec::holt(true)), v), 1e-3),
        ("holt-winters", |v| run(&Ets::new(EtsSpec::holt_winters(12)), v), 2e-2),
        ("theta", |v| run(&Theta::standard(), v), 2e-2),
        ("smoothing", |v| run(&SeasonalSmoothing::new(&[12]), v), 1e-2),
        ("lags", |v| run(&LagRegression::new(&[12]).with_averages(), v), 1e-6),
        ("robust lags", |v| run(&LagRegression::new(&[12]).with_robust(), v), 1e-4),
        ("mstl", |v| run(&Mstl::new(&[12], Ets::new(EtsSpec::simple())), v), 1e-3),
        ("arima", |v| run(&Arima::new(ArimaOrder::new(2, 0, 1)), v), 1e-2),
        ("exact arima", |v| run(&Arima::new(ArimaOrder::new(1, 0, 1)).with_exact(), v), 1e-2),
        ("regression", |v| run(&Regression::new(&[12]), v), 1e-3),
        ("trigonometric", |v| run(&Trigonometric::new(&[12.0]), v), 2e-2),
        ("structural", |v| run(&Structural::new(0), v), 5e-2),
        ("conformal", |v| run(&Conformal::new(SeasonalNaive::new(12), 12), v), 1e-9),
    ]
}

#[test]
fn forecasts_move_with_scale_and_shift() {
    let values = load(240, 1);
    let (scale, shift) = (3.5, 1000.0);
    let moved: Vec<f64> = values.iter().map(|v| scale * v + shift).collect();
    for (name, model, tolerance) in equivariant() {
        let (a, b) = (model(&values), model(&moved));
        for h in 0..12 {
            let expected = scale * a.point[h] + shift;
            let unit = scale * 10.0;
            assert!(
                (b.point[h] - expected).abs() <= tolerance * unit,
                "{name} h={h}: {} instead of {expected}",
                b.point[h]
            );
            let width = |f: &Forecast| f.intervals[0].upper[h] - f.intervals[0].lower[h];
            assert!(
                (width(&b) / scale - width(&a)).abs() <= 0.2 * width(&a) + tolerance * 10.0,
                "{name} h={h}: width"
            );
        }
    }
}

#[test]
fn time_reversal_leaves_the_mean_and_negates_the_drift() {
    let values = load(100, 2);
    let reversed: Vec<f64> = values.iter().rev().copied().collect();
    let mean = |v: &[f64]| run(&Mean, v).point[0];
    assert!((mean(&values) - mean(&reversed)).abs() < 1e-9);
    let slope = |v: &[f64]| {
        let p = run(&Drift, v).point;
        p[1] - p[0]
    };
    assert!((slope(&values) + slope(&reversed)).abs() < 1e-9);
}

#[test]
fn the_automatic_model_never_sees_the_future() {
    let mut values = load(360, 3);
    let test = Backtest::new(12).with_origins(2).with_season(12);
    let auto = Auto::new(&[12]).with_horizon(12);
    let before = test.run(&auto, &values).unwrap();
    // Another future from index 348 on: the forecast for it stays the same to the last bit.
    values[348..].iter_mut().enumerate().for_each(|(i, v)| *v = 1e4 * noise(i, 9));
    let after = test.run(&auto, &values).unwrap();
    assert_eq!(before.folds[0].predicted, after.folds[0].predicted);
    assert_eq!(before.folds[1].predicted, after.folds[1].predicted);
}

#[test]
fn a_shuffled_future_is_forecast_no_better_than_by_chance() {
    // White noise has no information about its future: nothing may beat the mean by more than luck.
    let (mut auto_error, mut mean_error) = (0.0, 0.0);
    for seed in 0..12 {
        let values: Vec<f64> = (0..400).map(|t| 10.0 + noise(t, 100 + seed)).collect();
        let (past, future) = values.split_at(376);
        let auto = Auto::new(&[24]).with_horizon(24).fit(past).unwrap().predict(24, &[]).unwrap().point;
        let mean = Mean.fit(past).unwrap().predict(24, &[]).unwrap().point;
        auto_error += ecosystem_forecast::metrics::mae(future, &auto);
        mean_error += ecosystem_forecast::metrics::mae(future, &mean);
    }
    let ratio = auto_error / mean_error;
    assert!((0.97..1.15).contains(&ratio), "{ratio}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let fleet: Vec<Vec<f64>> = (0..40).map(|s| load(200, s)).collect();
    let views: Vec<&[f64]> = fleet.iter().map(Vec::as_slice).collect();
    let model = Auto::new(&[12]).with_cheap();
    let alone: Vec<_> = views.iter().map(|v| model.fit(v).unwrap().predict(12, &[0.9]).unwrap()).collect();
    let together: Vec<_> =
        forecast_many(&model, &views, 12, &[0.9]).into_iter().map(Result::unwrap).collect();
    assert_eq!(alone, together);
}

#[test]
fn a_capacity_line_is_rarely_exceeded() {
    let (mut over, mut total) = (0, 0);
    for seed in 0..10 {
        let values = load(600, 50 + seed);
        let line = Capacity::new(&[12], 0.95)
            .unwrap()
            .with_horizon(24)
            .fit(&values[..576])
            .unwrap()
            .line(24)
            .unwrap();
        over += line.iter().zip(&values[576..]).filter(|(u, y)| y > u).count();
        total += 24;
    }
    assert!(over * 100 <= total * 7, "{over} of {total}");
}

/// A forecast and its intervals are finite and ordered.
fn assert_sound(name: &str, forecast: &Forecast) {
    for h in 0..forecast.point.len() {
        assert!(forecast.point[h].is_finite(), "{name} h={h}: {}", forecast.point[h]);
        let band = &forecast.intervals[0];
        assert!(
            band.lower[h].is_finite() && band.upper[h].is_finite() && band.lower[h] <= band.upper[h],
            "{name} h={h}: {band:?}"
        );
    }
}

/// Short and long, with gaps, level stretches and numbers of any size.
fn finite_input() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        6 => -1e3..1e3_f64, 2 => Just(0.0), 1 => Just(f64::NAN), 1 => prop_oneof![Just(1e90), Just(-1e90), Just(1e-200)],
    ];
    prop::collection::vec(value, 0..140)
}

fn assert_sound_if_fitted(name: &str, values: &[f64], forecaster: &impl Forecaster) {
    if let Ok(fitted) = forecaster.fit(values) {
        assert_sound(name, &fitted.predict(12, &[0.9]).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_finite_input_gives_finite_ordered_results_of_single_models(values in finite_input()) {
        let robust = LagRegression::new(&[12]).with_averages().with_robust();
        assert_sound_if_fitted("theta", &values, &Theta::dynamic_optimised());
        assert_sound_if_fitted("auto arima", &values, &AutoArima::new(12).with_models(8));
        assert_sound_if_fitted("smoothing", &values, &SeasonalSmoothing::new(&[12]));
        assert_sound_if_fitted("robust lags", &values, &robust);
        assert_sound_if_fitted("trigonometric", &values, &Trigonometric::new(&[12.0]));
        assert_sound_if_fitted("structural", &values, &Structural::new(4));
        assert_sound_if_fitted("regression", &values, &Regression::new(&[12]));
    }

    #[test]
    fn any_finite_input_gives_finite_ordered_results_of_ensembles(values in finite_input()) {
        assert_sound_if_fitted("auto", &values, &Auto::new(&[12]));
        assert_sound_if_fitted("auto ets", &values, &AutoEts::default().with_period(12));
        assert_sound_if_fitted("mstl", &values, &Mstl::new(&[12], AutoEts::default()));
    }

    #[test]
    fn whole_ets_family_is_finite_on_positive_data(values in prop::collection::vec(0.01..1e4_f64, 30..80)) {
        for spec in EtsSpec::family(6) {
            let forecast = Ets::new(spec).fit(&values).unwrap().predict(18, &[0.9]).unwrap();
            assert_sound(&spec.to_string(), &forecast);
        }
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_stored_model_continues_with_the_same_bits() {
    let values = load(300, 4);
    let mut fitted = Auto::new(&[12]).with_horizon(12).fit(&values).unwrap();
    let text = serde_json::to_string(&fitted).unwrap();
    let mut restored: ecosystem_forecast::FittedAuto = serde_json::from_str(&text).unwrap();
    assert_eq!(fitted, restored);
    for t in 300..330 {
        let value = load(t + 1, 4)[t];
        fitted.update(value).unwrap();
        restored.update(value).unwrap();
    }
    assert_eq!(fitted.predict(12, &[0.9]).unwrap(), restored.predict(12, &[0.9]).unwrap());
}
