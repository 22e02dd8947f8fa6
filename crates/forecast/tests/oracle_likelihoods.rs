//! Likelihoods, estimates and forecasts of independent implementations: statsmodels 0.15.0 (`SARIMAX`, `UnobservedComponents`),
//! statsforecast 2.1.1 (baselines, TSB). Relative tolerances: 1e-9 where the computation is the same; an estimate must be at
//! least as likely as the other one less 1e-4, because two optimisers stop at different places.

#![allow(
    clippy::tests_outside_test_module,
    clippy::unwrap_used,
    reason = "an integration test file is a test module"
)]

use ecosystem_forecast::{
    Arima, ArimaOrder, Drift, FitError, Fitted, FittedArima, Forecast, Forecaster, Intermittent,
    IntermittentKind, Mean, Naive, SeasonalNaive, Structural,
};

/// A line, a wave and `((i² · 7 + 3i) mod 11 - 5)` as reproducible noise.
fn seasonal() -> Vec<f64> {
    (0..60)
        .map(|i| {
            let wave = (std::f64::consts::TAU * f64::from(i) / 12.0).sin();
            30.0 + 0.5 * f64::from(i) + 8.0 * wave + 0.4 * f64::from((i * i * 7 + 3 * i) % 11 - 5)
        })
        .collect()
}

fn centred() -> Vec<f64> {
    let y = seasonal();
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    y.iter().map(|v| (v - mean) / 5.0).collect()
}

fn with_gaps() -> Vec<f64> {
    let mut w = centred();
    w[10..14].fill(f64::NAN);
    w[30] = f64::NAN;
    w
}

fn close(name: &str, found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{name}: {found} instead of {expected}");
}

#[test]
fn exact_estimates_are_as_likely_as_those_of_sarimax_also_with_gaps() {
    let cases: [(&str, Vec<f64>, ArimaOrder, f64); 3] = [
        ("ARMA(1,1)", centred(), ArimaOrder::new(1, 0, 1), -71.25095521509662),
        ("ARMA(2,1), gaps", with_gaps(), ArimaOrder::new(2, 0, 1), -66.57513939849207),
        (
            "ARIMA(1,1,1), gaps, simple differencing",
            with_gaps(),
            ArimaOrder::new(1, 1, 1),
            -58.95035698791017,
        ),
    ];
    for (name, values, order, expected) in cases {
        let order = ArimaOrder { mean: false, ..order };
        let fitted = Arima::new(order).with_exact().fit(&values).unwrap();
        let found = fitted.log_likelihood();
        assert!(found >= expected - 1e-4 * expected.abs(), "{name}: {found} instead of {expected}");
        if order.d == 0 {
            let again = fitted.exact_log_likelihood(&values).unwrap();
            close(name, found, again, 1e-8);
        }
    }
    // statsmodels: ar 0.9196, ma 0.0629, variance 0.6090.
    let order = ArimaOrder { mean: false, ..ArimaOrder::new(1, 0, 1) };
    let fitted = Arima::new(order).with_exact().fit(&centred()).unwrap();
    close("ar", fitted.ar()[0], 0.9196013419243153, 5e-3);
    close("variance", fitted.variance(), 0.6090042793163459, 5e-3);
}

#[test]
fn a_seasonal_likelihood_equals_that_of_sarimax() {
    // (1,0,0)(1,0,1)₄ with ar 0.4, seasonal ar 0.5, seasonal ma 0.3, variance 1.7.
    let model = FittedArima::from_coefficients(&[0.4, 0.0, 0.0, 0.5, -0.2], &[0.0, 0.0, 0.0, 0.3], 0.0, 1.7);
    close("seasonal", model.exact_log_likelihood(&centred()).unwrap(), -99.97048338728571, 1e-9);
}

#[test]
fn structural_likelihoods_equal_those_of_unobserved_components() {
    let y = seasonal();
    let trend = Structural::new(0).log_likelihood(&y, &[1.5, 0.4, 0.01, 0.0]).unwrap();
    close("local linear trend", trend, -425.93757966354775, 1e-9);
    let basic = Structural::new(4).log_likelihood(&y, &[1.5, 0.4, 0.01, 0.2]).unwrap();
    close("with a season of four", basic, -443.6927607916541, 1e-9);
}

#[test]
fn too_large_a_state_for_the_exact_likelihood_is_an_error() {
    let order = ArimaOrder::new(1, 0, 0).with_season(1, 0, 0, 48);
    let values: Vec<f64> = (0..200).map(f64::from).collect();
    assert!(matches!(Arima::new(order).with_exact().fit(&values), Err(FitError::Setting { .. })));
}

#[test]
fn baselines_equal_those_of_statsforecast() {
    let y = seasonal();
    // Third step: mean, lower and upper end at 95 %.
    let cases: [(&str, Forecast, [f64; 3]); 4] = [
        ("naive", run(&Naive, &y), [54.699999999999996, 41.19832100593491, 68.20167899406508]),
        ("drift", run(&Drift, &y), [56.057627118644064, 42.3068288384737, 69.80842539881442]),
        ("mean", run(&Mean, &y), [44.35, 24.968890902104306, 63.7311090978957]),
        (
            "seasonal naive",
            run(&SeasonalNaive::new(12), &y),
            [62.32820323027551, 49.449484854022515, 75.20692160652851],
        ),
    ];
    for (name, forecast, [mean, low, high]) in cases {
        close(name, forecast.point[2], mean, 1e-9);
        let band = &forecast.intervals[0];
        // Variances differ by degrees of freedom.
        close(name, band.upper[2] - band.lower[2], high - low, 0.05);
    }
}

fn run<F: Forecaster>(model: &F, values: &[f64]) -> Forecast {
    model.fit(values).unwrap().predict(3, &[0.95]).unwrap()
}

#[test]
fn tsb_equals_that_of_statsforecast() {
    let q =
        [0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 5.0, 0.0, 2.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 6.0, 1.0, 0.0, 0.0];
    let model = Intermittent::new(IntermittentKind::Tsb).with_weights(0.2, 0.3);
    close("tsb", model.fit(&q).unwrap().predict(1, &[]).unwrap().point[0], 0.9047552210927248, 1e-9);
}
