//! What every model promises: a used buffer gives the same forecast, a stored model the same bits, and difficult series an error
//! with a name or finite numbers.

#![allow(
    clippy::tests_outside_test_module,
    clippy::unwrap_used,
    reason = "an integration test file is a test module"
)]

use ecosystem_forecast::{
    Aggregate, Arima, ArimaOrder, Auto, AutoArima, AutoEts, Capacity, Conformal, Drift, Ets, EtsSpec, Fitted,
    Forecast, Forecaster, GlobalBoost, Grid, Intermittent, IntermittentKind, LagRegression, Mean, Mstl,
    Naive, Naive2, Regression, SeasonalMean, SeasonalMedian, SeasonalNaive, SeasonalSmoothing, Structural,
    Theta, TimedValue, Transform, Transformed, Trigonometric, counter_rate, fill_gaps, find_seasons,
    repair_outliers, resample,
};

/// Deterministic noise in ±1.
fn noise(i: usize) -> f64 {
    ((i * i * i * 31 + i * i * 17 + 7 * i) % 101) as f64 / 50.0 - 1.0
}

fn load(n: usize) -> Vec<f64> {
    (0..n).map(|t| 50.0 + 10.0 * (t as f64 / 12.0 * std::f64::consts::TAU).sin() + 2.0 * noise(t)).collect()
}

/// A load of which some values, and some whole cycles, are missing.
fn with_gaps(n: usize) -> Vec<f64> {
    let mut values = load(n);
    values.iter_mut().skip(5).step_by(17).for_each(|v| *v = f64::NAN);
    values[60..86].fill(f64::NAN);
    values[n - 3] = f64::NAN;
    values
}

/// Calls a macro with the name and the settings of every model.
macro_rules! for_every_model {
    ($do:ident) => {
        $do!("naive", Naive);
        $do!("seasonal naive", SeasonalNaive::new(12));
        $do!("drift", Drift);
        $do!("mean", Mean);
        $do!("mean of the same time", SeasonalMean::new(12));
        $do!("naive 2", Naive2::new(12));
        $do!("seasonal median", SeasonalMedian::new(12, 5).with_neighbours(1).with_level().with_fine(4));
        $do!("ets", Ets::new(EtsSpec::holt(true)));
        $do!("holt-winters", Ets::new(EtsSpec::holt_winters(12)));
        $do!("auto ets", AutoEts::default());
        $do!("theta", Theta::dynamic_optimised());
        $do!("arima", Arima::new(ArimaOrder::new(2, 1, 1)));
        $do!("exact arima", Arima::new(ArimaOrder::new(1, 0, 1)).with_exact());
        $do!("auto arima", AutoArima::new(0).with_models(6));
        $do!("lags", LagRegression::new(&[12]).with_averages());
        $do!("smoothing", SeasonalSmoothing::new(&[12]));
        $do!("mstl", Mstl::new(&[12], AutoEts::default()));
        $do!("mstl with arma remainder", Mstl::new(&[12], Arima::new(ArimaOrder::new(1, 0, 1))));
        $do!("regression", Regression::new(&[12]));
        $do!("structural", Structural::new(4));
        $do!("trigonometric", Trigonometric::new(&[12.0]));
        $do!("croston", Intermittent::new(IntermittentKind::Croston));
        $do!("tsb", Intermittent::new(IntermittentKind::Tsb));
        $do!("conformal", Conformal::new(SeasonalNaive::new(12), 12).with_rolling());
        $do!("logarithms", Transformed::new(Transform::Log1p, LagRegression::new(&[12])));
        $do!("automatic", Auto::new(&[12]).with_horizon(12));
        $do!("cheap automatic", Auto::new(&[12]).with_horizon(12).with_cheap());
    };
}

#[test]
fn a_used_buffer_gives_the_same_forecast() {
    let values = load(150);
    let mut buffer = Forecast::from_point(vec![f64::NAN; 3]);
    macro_rules! check {
        ($name:expr, $model:expr) => {{
            let fitted = $model.fit(&values).unwrap();
            for (horizon, levels) in [(30, &[0.5, 0.9][..]), (12, &[0.95][..]), (5, &[][..])] {
                fitted.predict_into(horizon, levels, &mut buffer).unwrap();
                assert_eq!(buffer, fitted.predict(horizon, levels).unwrap(), "{} {horizon}", $name);
            }
            assert!(fitted.predict_into(0, &[], &mut buffer).is_err(), "{}", $name);
        }};
    }
    for_every_model!(check);
}

#[test]
fn every_model_keeps_the_memory_of_the_buffer() {
    let values = load(150);
    macro_rules! check {
        ($name:expr, $model:expr) => {{
            let fitted = $model.fit(&values).unwrap();
            let mut buffer = Forecast::default();
            fitted.predict_into(24, &[0.9], &mut buffer).unwrap();
            let place = |f: &Forecast| (f.point.as_ptr(), f.intervals[0].lower.as_ptr());
            let before = place(&buffer);
            fitted.predict_into(24, &[0.8], &mut buffer).unwrap();
            assert_eq!(before, place(&buffer), "{}", $name);
        }};
    }
    for_every_model!(check);
}

#[cfg(feature = "serde")]
#[test]
fn every_stored_model_comes_back_with_the_same_bits_also_with_gaps_in_its_memory() {
    fn again<F: Fitted + serde::Serialize + serde::de::DeserializeOwned>(
        name: &str,
        mut fitted: F,
        next: &[f64],
    ) {
        let text = serde_json::to_string(&fitted).unwrap();
        let mut restored: F = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}: {text}"));
        for value in next {
            let (a, b) = (fitted.update(*value), restored.update(*value));
            assert_eq!(a, b, "{name}");
        }
        let bits = |f: &F| {
            let out = f.predict(12, &[0.9]).unwrap();
            let band = &out.intervals[0];
            let all = out.point.iter().chain(&band.lower).chain(&band.upper);
            all.map(|v| v.to_bits()).collect::<Vec<u64>>()
        };
        assert_eq!(bits(&fitted), bits(&restored), "{name}");
        assert_eq!(
            serde_json::to_string(&fitted).unwrap(),
            serde_json::to_string(&restored).unwrap(),
            "{name}"
        );
    }
    let next: Vec<f64> = with_gaps(180)[150..].to_vec();
    for values in [load(150), with_gaps(150)] {
        macro_rules! check {
            ($name:expr, $model:expr) => {
                again($name, $model.fit(&values).unwrap(), &next)
            };
        }
        for_every_model!(check);
    }
    // The shortest series that are accepted have criteria and intervals without bound.
    again("short ets", Ets::new(EtsSpec::holt(true)).fit(&load(8)).unwrap(), &next);
    again("silent", Intermittent::new(IntermittentKind::Croston).fit(&[0.0; 30]).unwrap(), &next);
}

/// Series that break careless arithmetic.
fn difficult() -> Vec<(String, Vec<f64>)> {
    let mut all: Vec<(String, Vec<f64>)> = Vec::new();
    for n in 0..4 {
        all.push((format!("{n} values"), load(n)));
        all.push((format!("{n} missing"), vec![f64::NAN; n]));
    }
    all.push(("all missing".into(), vec![f64::NAN; 100]));
    for constant in [0.0, 5.0, -3.0, 1e99, -1e99, 1e-300, f64::MIN_POSITIVE] {
        all.push((format!("constant {constant:e}"), vec![constant; 100]));
    }
    for scale in [1e-300, 1e-12, 1e12, 1e97] {
        all.push((format!("scale {scale:e}"), load(120).iter().map(|v| v * scale).collect()));
        all.push((format!("negative, scale {scale:e}"), load(120).iter().map(|v| -v * scale).collect()));
    }
    let edit = |f: fn(usize, &mut f64)| {
        let mut values = load(140);
        values.iter_mut().enumerate().for_each(|(i, v)| f(i, v));
        values
    };
    all.push((
        "a long gap".into(),
        edit(|i, v| {
            if (20..110).contains(&i) {
                *v = f64::NAN;
            }
        }),
    ));
    all.push((
        "known at both ends".into(),
        edit(|i, v| {
            if (2..138).contains(&i) {
                *v = f64::NAN;
            }
        }),
    ));
    all.push((
        "missing at the end".into(),
        edit(|i, v| {
            if i > 60 {
                *v = f64::NAN;
            }
        }),
    ));
    all.push((
        "missing at the start".into(),
        edit(|i, v| {
            if i < 90 {
                *v = f64::NAN;
            }
        }),
    ));
    all.push((
        "one known phase".into(),
        edit(|i, v| {
            if i % 12 != 3 {
                *v = f64::NAN;
            }
        }),
    ));
    all.push(("one burst".into(), edit(|i, v| *v = if i == 70 { 1e80 } else { 1.0 })));
    all.push(("a step".into(), edit(|i, v| *v = if i < 70 { 0.0 } else { 1.0 })));
    all.push(("rare ones".into(), edit(|i, v| *v = f64::from(u8::from(i % 31 == 5)))));
    all.push(("both signs".into(), edit(|i, v| *v = if i % 2 == 0 { 1e60 } else { -1e60 })));
    all.push(("exponential".into(), edit(|i, v| *v = (i as f64 * 1.5).exp())));
    all
}

fn sound(name: &str, series: &str, forecast: &Forecast) {
    for h in 0..forecast.point.len() {
        assert!(forecast.point[h].is_finite(), "{name}, {series}, step {h}: {}", forecast.point[h]);
        for band in &forecast.intervals {
            let (low, high) = (band.lower[h], band.upper[h]);
            assert!(
                low.is_finite() && high.is_finite() && low <= high,
                "{name}, {series}, step {h}: {low} to {high}"
            );
        }
    }
}

#[test]
fn difficult_series_give_an_error_with_a_name_or_finite_numbers() {
    for (series, values) in difficult() {
        macro_rules! check {
            ($name:expr, $model:expr) => {
                match $model.fit(&values) {
                    Err(error) => assert!(error.to_string().len() > 10, "{}: {error}", $name),
                    Ok(mut fitted) => {
                        sound($name, &series, &fitted.predict(30, &[0.5, 0.95]).unwrap());
                        for value in [1.0, f64::NAN, 0.0, 1e99, -1e99, 50.0] {
                            // Refused with a name (a logarithm of nothing) or taken.
                            if let Err(error) = fitted.update(value) {
                                assert!(error.to_string().len() > 10, "{}: {error}", $name);
                            }
                        }
                        sound($name, &series, &fitted.predict(30, &[0.5, 0.95]).unwrap());
                        assert!(fitted.update(f64::INFINITY).is_err(), "{}, {series}", $name);
                    }
                }
            };
        }
        for_every_model!(check);
        if let Ok(line) = Capacity::new(&[12], 0.95).unwrap().with_horizon(12).fit(&values) {
            assert!(line.line(30).unwrap().iter().all(|u| u.is_finite()), "capacity, {series}");
        }
        if let Ok(fitted) = GlobalBoost::new(&[12]).fit(&[&values], &[]) {
            match fitted.predict(&values, &[], 12, &[0.5, 0.95]) {
                Ok(forecast) => sound("boosting", &series, &forecast),
                Err(e) => panic!("boosting, {series}: {e}"),
            }
        }
        assert!(fill_gaps(&values, &[12]).iter().all(|v| v.is_finite()), "gaps, {series}");
        let repaired = repair_outliers(&values, 12, 3, 5.0);
        assert!(
            repaired.iter().zip(&values).all(|(a, b)| a.is_finite() == b.is_finite()),
            "outliers, {series}"
        );
        assert!(find_seasons(&values, 2).iter().all(|s| s.strength.is_finite()), "seasons, {series}");
    }
}

#[test]
fn doubled_disordered_and_missing_samples_have_one_meaning() {
    let sample = |at_unix_ms: u64, value: f64| TimedValue { at_unix_ms, value };
    let grid = Grid { start_unix_ms: 0, period_ms: 10, cells: 3 };
    let samples = [sample(12, 5.0), sample(3, 1.0), sample(3, 3.0), sample(12, f64::NAN), sample(99, 7.0)];
    let mean = resample(&samples, grid, Aggregate::Mean).unwrap();
    assert_eq!(&mean.values()[..2], [2.0, 5.0]);
    assert!(mean.values()[2].is_nan());
    // Of two samples of one moment the later one in the input is the last.
    assert_eq!(resample(&samples, grid, Aggregate::Last).unwrap().values()[..1], [3.0]);
    // A counter read twice at the same moment, and reset once, still has finite rates.
    let counter = [
        sample(0, 10.0),
        sample(10, 20.0),
        sample(10, 20.0),
        sample(20, 4.0),
        sample(30, f64::NAN),
        sample(40, 9.0),
    ];
    let rates = counter_rate(&counter, Grid { cells: 4, ..grid }, 1000).unwrap();
    assert!(rates.values().iter().all(|r| r.is_nan() || (r.is_finite() && *r >= 0.0)), "{rates:?}");
    assert_eq!(&rates.values()[..2], [1000.0, 400.0]);
}
