//! Regressions against independent implementations: statsmodels 0.15.0 (`AutoReg`, `OLS`, `yule_walker`, `SARIMAX` with the
//! same parameters, `GLSAR`) and, for the shrunk one, numpy 2.4.6 (`lstsq` on rows augmented by the penalty). Tolerances are
//! relative: 1e-8 where the computation is the same, wider where ours has a tiny ridge or another estimator; each says why.

#![allow(
    clippy::tests_outside_test_module,
    clippy::unwrap_used,
    reason = "an integration test file is a test module"
)]

use ecosystem_forecast::{Fitted, Forecaster, LagRegression, Regression};
use std::f64::consts::TAU;

/// Numbers in ±1 that look random and are easy to write in any language.
fn noise(i: usize) -> f64 {
    ((i * i * i * 31 + i * i * 17 + 7 * i) % 101) as f64 / 50.0 - 1.0
}

fn close(name: &str, found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{name}: {found} instead of {expected}");
}

fn wave_on_a_line() -> Vec<f64> {
    (0..120).map(|i| 30.0 + 0.1 * i as f64 + 8.0 * (TAU * i as f64 / 12.0).sin() + 3.0 * noise(i)).collect()
}

#[test]
fn lags_without_shrinkage_equal_an_autoregression_on_the_same_lags() {
    // AutoReg(y - mean, lags=[1, 2, 3, 11, 12, 13, 24], trend="n"); standard errors for 96 rows less 7 coefficients.
    let fitted = LagRegression::new(&[12]).with_ridge(0.0).fit(&wave_on_a_line()).unwrap();
    let f = fitted.predict(12, &[0.95]).unwrap();
    let expected = [
        (0, 41.01222731187719, 2.1496207891939774),
        (5, 46.2667438977167, 2.3101639272995538),
        (11, 39.29811491636789, 2.428800898871483),
    ];
    for (h, mean, deviation) in expected {
        close("mean", f.point[h], mean, 1e-8);
        let width = f.intervals[0].upper[h] - f.intervals[0].lower[h];
        close("deviation", width / 2.0 / 1.959_963_984_540_054, deviation, 1e-8);
    }
}

#[test]
fn shrunk_lags_equal_least_squares_on_augmented_rows() {
    let fitted = LagRegression::new(&[12]).fit(&wave_on_a_line()).unwrap();
    let point = fitted.predict(12, &[]).unwrap().point;
    for (h, expected) in [(0, RIDGE[0]), (5, RIDGE[1]), (11, RIDGE[2])] {
        close("shrunk", point[h], expected, 1e-8);
    }
}

/// Penalty 0.01 of each column's sum of squares around 1 at lag 12 and 0 elsewhere.
const RIDGE: [f64; 3] = [40.59261998593128, 46.14760248592141, 39.159687432462356];

/// Line, two harmonics, one event, and errors that remember 0.7 of the one before.
fn with_events() -> (Vec<f64>, Vec<f64>) {
    let event: Vec<f64> = (0..126).map(|i| if i % 7 == 0 { 1.0 } else { 0.0 }).collect();
    let mut error = 0.0;
    let values = (0..120)
        .map(|i| {
            error = if i > 0 { 0.7 * error } else { 0.0 } + 0.8 * noise(i);
            let angle = TAU * i as f64 / 12.0;
            30.0 + 0.1 * i as f64 + 8.0 * angle.sin() + 2.0 * (2.0 * angle).cos() + 5.0 * event[i] + error
        })
        .collect();
    (values, event)
}

#[test]
fn regression_with_autoregressive_errors_equals_ols_yule_walker_and_sarimax() {
    let (values, event) = with_events();
    let mut model = Regression::new(&[]).with_harmonics(vec![(12.0, 2)]);
    model.error_lags = 1;
    let fitted = model.fit_with(&values, &[event[..120].to_vec()]).unwrap();
    // OLS; ours has a ridge of 1e-6 against collinear columns.
    let ols = [
        29.940708889863576,
        11.761966610241641,
        8.18250368458758,
        -0.11194294715816999,
        -0.043306123435155164,
        2.0063140823606043,
        4.998662414447615,
    ];
    for (found, expected) in fitted.coefficients().iter().zip(ols) {
        assert!((found - expected).abs() < 2e-4, "{found} instead of {expected}");
    }
    // SARIMAX(exog, order=(1, 0, 0)) with these coefficients and the Yule-Walker estimates 0.65637 and 0.20900.
    let f = fitted.predict_with(6, &[0.95], &[event[120..].to_vec()]).unwrap();
    let mean = [
        44.404893926861554,
        47.2908961044982,
        48.236367356473515,
        48.40135373001722,
        48.42125606024983,
        47.52003196259876,
    ];
    let growth = [
        1.0,
        1.196168351326555,
        1.2713864472616485,
        1.302453649896637,
        1.3156118888560187,
        1.321240316218917,
    ];
    // Ours divides by the degrees of freedom that are left: 120 - 7 - 1.
    let deviation = (0.20900065775741478_f64 * 120.0 / 112.0).sqrt();
    for h in 0..6 {
        close("mean", f.point[h], mean[h], 1e-5);
        let width = f.intervals[0].upper[h] - f.intervals[0].lower[h];
        close("deviation", width / 2.0 / 1.959_963_984_540_054, deviation * growth[h], 1e-4);
    }
}

#[test]
fn its_coefficients_lie_within_the_errors_of_feasible_generalised_least_squares() {
    // GLSAR(rho=1).iterative_fit(20): the efficient estimate; ordinary least squares are unbiased, so both agree to a fraction
    // of the standard errors (0.1 to 0.3 here), not to digits.
    let (values, event) = with_events();
    let fitted = Regression::new(&[])
        .with_harmonics(vec![(12.0, 2)])
        .fit_with(&values, &[event[..120].to_vec()])
        .unwrap();
    let glsar = [
        29.964021039497112,
        11.792491433564145,
        8.211737170427762,
        -0.07533161117371434,
        -0.024516997915984218,
        2.027855758646161,
        4.9885391871245055,
    ];
    for (found, expected) in fitted.coefficients().iter().zip(glsar) {
        assert!((found - expected).abs() < 0.05, "{found} instead of {expected}");
    }
}
