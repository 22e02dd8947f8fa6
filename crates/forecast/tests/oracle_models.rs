//! Values of independent implementations: statsmodels 0.15.0 (ETS, STL, MSTL, ARMA likelihood), statsforecast 2.1.1 (ETS with
//! multiplicative season, Theta, Croston). Tolerances are relative; 1e-9 where the computation is the same, wider where an optimiser stands between.

#![allow(
    clippy::tests_outside_test_module,
    clippy::unwrap_used,
    reason = "an integration test file is a test module"
)]

use EtsError as E;
use EtsSeason as S;
use EtsTrend as T;
use ecosystem_forecast::{
    Ets, EtsError, EtsSeason, EtsSpec, EtsState, EtsTrend, EtsWeights, Fitted, FittedArima, Forecaster,
    Intermittent, IntermittentKind, Stl, Theta, decompose_seasons,
};

/// `((i² · 7 + 3i) mod 11 - 5)`: reproducible noise.
fn noise(i: i32) -> f64 {
    f64::from((i * i * 7 + 3 * i) % 11 - 5)
}

fn seasonal() -> Vec<f64> {
    (0..60)
        .map(|i| {
            30.0 + 0.5 * f64::from(i)
                + 8.0 * (std::f64::consts::TAU * f64::from(i) / 12.0).sin()
                + noise(i) * 0.4
        })
        .collect()
}

fn check(name: &str, found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(1.0),
        "{name}: {found} instead of {expected}"
    );
}

type EtsCase = (E, T, S, f64, [f64; 3], f64);

/// Model, log likelihood, fitted values 1, 30 and 59, last level.
const ETS_CASES: [EtsCase; 10] = [
    (
        E::Additive,
        T::None,
        S::None,
        -190.74014902457944,
        [30.1, 47.00310972635553, 53.13074635279232],
        53.60152244695462,
    ),
    (
        E::Additive,
        T::Additive,
        S::None,
        -206.66660769726568,
        [30.44, 52.528424832145966, 51.646543590713584],
        52.562580513499505,
    ),
    (
        E::Additive,
        T::AdditiveDamped,
        S::None,
        -201.22565869982742,
        [30.3736, 51.552314083005825, 51.35193949169587],
        52.356357644187106,
    ),
    (
        E::Multiplicative,
        T::AdditiveDamped,
        S::None,
        -204.14638987832495,
        [30.3736, 51.552314083005825, 51.35193949169587],
        52.356357644187106,
    ),
    (
        E::Additive,
        T::Additive,
        S::Additive,
        -207.7298962715324,
        [29.29, 49.12437249745429, 60.99920902230964],
        56.662110282255775,
    ),
    (
        E::Multiplicative,
        T::AdditiveDamped,
        S::Multiplicative,
        -216.8120476681583,
        [28.868169258426963, 49.10011383453122, 63.59902478707225],
        54.76587673722461,
    ),
    (
        E::Additive,
        T::None,
        S::Multiplicative,
        -191.96676761724885,
        [28.335764044943822, 45.06222634817235, 58.82022034425228],
        53.1808334525856,
    ),
    (
        E::Multiplicative,
        T::Multiplicative,
        S::Additive,
        -217.88468101716023,
        [29.147163483870962, 49.921484985665, 61.60167147406329],
        57.88516858373488,
    ),
    (
        E::Multiplicative,
        T::MultiplicativeDamped,
        S::Multiplicative,
        -216.03704651138995,
        [28.759175225401304, 50.200209583613876, 63.883832013552066],
        55.783785431995035,
    ),
    (
        E::Additive,
        T::MultiplicativeDamped,
        S::None,
        -202.41143410477576,
        [30.25207985620356, 52.39010435967674, 51.69602386356989],
        52.59721670449892,
    ),
];

#[test]
fn ets_states_and_likelihoods_equal_statsmodels_and_statsforecast() {
    // Multiplicative seasons: statsforecast, because statsmodels divides by the new level there, not by the old one.
    let y = seasonal();
    for case in ETS_CASES {
        let (error, trend, season, log_likelihood, fitted, level) = case;
        let spec = EtsSpec::new(error, trend, season, 12);
        let multiplicative = matches!(trend, T::Multiplicative | T::MultiplicativeDamped);
        let weights =
            EtsWeights { alpha: 0.3, beta: 0.1, gamma: 0.2, phi: if spec.damped() { 0.9 } else { 1.0 } };
        let pattern = |f: fn(f64) -> f64| (0..12).map(|i| f(f64::from(i) - 5.5)).collect();
        let initial = EtsState {
            level: 31.0,
            trend: if multiplicative { 1.01 } else { 0.4 },
            season: match season {
                S::None => Vec::new(),
                S::Additive => pattern(|d| 0.5 * d),
                S::Multiplicative => pattern(|d| 1.0 + 0.02 * d),
            },
        };
        let trace = Ets::new(spec).trace(&y, &weights, &initial).unwrap();
        let name = spec.to_string();
        check(&name, trace.log_likelihood, log_likelihood, 1e-9);
        for (at, expected) in [1, 30, 59].into_iter().zip(fitted) {
            check(&name, trace.fitted[at], expected, 1e-9);
        }
        check(&name, trace.levels[59], level, 1e-9);
    }
}

#[test]
fn stl_equals_statsmodels() {
    let parts = Stl::new(12).decompose(&seasonal()).unwrap();
    let plain = [
        29.328850194015295,
        44.60451850902463,
        58.99998006628972,
        -0.1695174392033281,
        0.05882662542005715,
        -4.126301468550711,
    ];
    let robust = [
        29.434185956448225,
        44.30097114087358,
        59.25870153905383,
        -0.9112271067713378,
        -0.07689956760469357,
        -4.029883056699692,
    ];
    let picked = |p: &ecosystem_forecast::StlDecomposition| {
        [p.trend[0], p.trend[30], p.trend[59], p.season[0], p.season[30], p.season[59]]
    };
    for (found, expected) in picked(&parts).into_iter().zip(plain) {
        check("stl", found, expected, 1e-9);
    }
    let parts = Stl::new(12).with_robust_rounds(15).decompose(&seasonal()).unwrap();
    for (found, expected) in picked(&parts).into_iter().zip(robust) {
        check("robust stl", found, expected, 1e-9);
    }
}

#[test]
fn mstl_equals_statsmodels() {
    let z: Vec<f64> = (0..150)
        .map(|i| {
            f64::from(i % 6) + 3.0 * (std::f64::consts::TAU * f64::from(i) / 30.0).cos() + noise(i) * 0.2
        })
        .collect();
    let parts = decompose_seasons(&z, &[6, 30]).unwrap();
    let found = [
        parts.trend[0],
        parts.trend[75],
        parts.trend[149],
        parts.seasons[0][0],
        parts.seasons[1][75],
        parts.seasons[1][149],
        parts.seasons[0][149],
    ];
    let expected = [
        2.230835154000535,
        2.299873532882075,
        2.3342399390979622,
        -2.646034812930166,
        -2.77482924441904,
        3.4776345214114133,
        2.0501779291539686,
    ];
    for (found, expected) in found.into_iter().zip(expected) {
        check("mstl", found, expected, 1e-9);
    }
}

#[test]
fn exact_arma_likelihoods_equal_statsmodels_also_with_missing_data() {
    let y = seasonal();
    let mean = y.iter().sum::<f64>() / 60.0;
    let w: Vec<f64> = y.iter().map(|v| (v - mean) / 5.0).collect();
    let cases: [(&[f64], &[f64], f64); 4] = [
        (&[0.6], &[], -89.6049720462582),
        (&[0.5, -0.3], &[0.4], -101.11549200835067),
        (&[], &[0.7, 0.2], -95.83371514908853),
        (&[0.4], &[0.3, -0.2], -99.14133566520594),
    ];
    for (ar, ma, expected) in cases {
        let model = FittedArima::from_coefficients(ar, ma, 0.0, 1.7);
        check("arma", model.exact_log_likelihood(&w).unwrap(), expected, 1e-9);
    }
    let mut gaps = w;
    gaps[10..14].fill(f64::NAN);
    let model = FittedArima::from_coefficients(&[0.5], &[0.3], 0.0, 1.7);
    check("missing", model.exact_log_likelihood(&gaps).unwrap(), -83.86190592751302, 1e-9);
}

#[test]
fn estimated_arma_is_as_likely_as_that_of_statsmodels() {
    // statsmodels: exact maximum -71.2510 at ar 0.9196, ma 0.0629, variance 0.6090; ours minimises the conditional squares.
    let y = seasonal();
    let mean = y.iter().sum::<f64>() / 60.0;
    let w: Vec<f64> = y.iter().map(|v| (v - mean) / 5.0).collect();
    let order =
        ecosystem_forecast::ArimaOrder { mean: false, ..ecosystem_forecast::ArimaOrder::new(1, 0, 1) };
    let fitted = ecosystem_forecast::Arima::new(order).fit(&w).unwrap();
    let found = fitted.exact_log_likelihood(&w).unwrap();
    assert!((-72.0..=-71.2509).contains(&found), "{found}, ar {:?}, ma {:?}", fitted.ar(), fitted.ma());
}

#[test]
fn theta_forecasts_agree_with_statsforecast_up_to_the_optimiser() {
    let x: Vec<f64> = (0..60).map(|i| 20.0 + 0.7 * f64::from(i) + noise(i)).collect();
    let cases = [
        (Theta::standard(), [59.46115376335842, 60.861376047326175], 0.02),
        (Theta::optimised(), [60.95700315957452, 63.739640977327696], 0.01),
        (Theta::dynamic_optimised(), [60.742887684946574, 63.419662816261365], 0.02),
    ];
    for (model, expected, tolerance) in cases {
        let point = model.fit(&x).unwrap().predict(5, &[]).unwrap().point;
        check(&format!("{model:?} h=1"), point[0], expected[0], tolerance);
        check(&format!("{model:?} h=5"), point[4], expected[1], tolerance);
    }
}

#[test]
fn croston_and_its_correction_equal_statsforecast() {
    let q =
        [0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 5.0, 0.0, 2.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 6.0, 1.0, 0.0, 0.0];
    for (kind, expected) in
        [(IntermittentKind::Croston, 1.0795940404546693), (IntermittentKind::Sba, 1.0256143384319358)]
    {
        let point = Intermittent::new(kind).fit(&q).unwrap().predict(1, &[]).unwrap().point;
        check("croston", point[0], expected, 1e-9);
    }
}
