//! Feature values against tsfresh 0.21.2 (numpy 2.4.6, scipy 1.17.1, statsmodels 0.15.0, pandas 2.3.3, `PyWavelets` 1.9.0) and
//! pycatch22 1.0.2.
//!
//! One tolerance for everything: |a − b| ≤ 1e-9 + 1e-9·|b|, equal NaN-ness, equal infinities.
#![expect(clippy::float_cmp, reason = "infinities must be equal")]
#![allow(clippy::tests_outside_test_module, reason = "integration tests")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests read data files and say when they are absent"
)]

use std::path::PathBuf;

use ecosystem_forecast::features::{Extractor, Feature, FeatureSet};
use serde_json::Value;

fn all() -> FeatureSet {
    FeatureSet::comprehensive().features().iter().chain(FeatureSet::catch24().features()).cloned().collect()
}

fn close(ours: f64, theirs: f64) -> bool {
    if theirs.is_nan() || theirs.is_infinite() {
        return ours.is_nan() == theirs.is_nan() && (theirs.is_nan() || ours == theirs);
    }
    (ours - theirs).abs() <= 1e-9 + 1e-9 * theirs.abs()
}

fn fixtures() -> Option<Vec<(String, Value)>> {
    let root = std::env::var("VM_ECOSYSTEM_DATA").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let folder = root.join("tsfresh-parity");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        assert!(std::env::var_os("CI").is_none(), "no data at {}", folder.display());
        println!("skipped: no data at {}", folder.display());
        return None;
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "json"));
    files.sort();
    Some(
        files
            .into_iter()
            .map(|path| {
                let text = std::fs::read_to_string(&path).expect("readable fixture");
                (path.display().to_string(), serde_json::from_str(&text).expect("valid fixture"))
            })
            .collect(),
    )
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::String(s) if s == "NaN" => f64::NAN,
        Value::String(s) if s == "Infinity" => f64::INFINITY,
        Value::String(s) if s == "-Infinity" => f64::NEG_INFINITY,
        other => other.as_f64().expect("a number"),
    }
}

#[test]
fn all_812_features_of_the_fixtures_are_reproduced() {
    let Some(fixtures) = fixtures() else { return };
    assert_eq!(fixtures.len(), 14);
    let set = all();
    let names = set.names();
    let mut extractor = Extractor::new(set).expect("valid set");
    let mut wrong = Vec::new();
    for (path, fixture) in &fixtures {
        let x: Vec<f64> = fixture["x"].as_array().expect("x").iter().map(number).collect();
        let row = extractor.extract(&x).expect("finite");
        let mut compared = 0;
        for part in ["tsfresh", "catch22"] {
            for (name, expected) in fixture[part].as_object().expect("features") {
                let at = names.iter().position(|n| n == name).unwrap_or_else(|| panic!("{name} is missing"));
                compared += 1;
                if !close(row[at], number(expected)) {
                    wrong.push(format!("{path} {name}: {} instead of {expected}", row[at]));
                }
            }
        }
        assert_eq!(compared, 812);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_and_order_are_those_of_the_fixtures() {
    let Some(fixtures) = fixtures() else { return };
    let mut theirs: Vec<&str> =
        fixtures[0].1["tsfresh"].as_object().expect("features").keys().map(String::as_str).collect();
    let mut ours = FeatureSet::comprehensive().names();
    theirs.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, theirs);
}

/// Uniform numbers in [−½, ½) by Knuth's MMIX generator; the script that made the expected numbers has the same.
fn uniform(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        })
        .collect()
}

fn synthetic(name: &str) -> Vec<f64> {
    match name {
        "noise_211" => uniform(211, 1),
        "walk_503" => uniform(503, 2)
            .iter()
            .scan(0.0, |level, u| {
                *level += u;
                Some(*level)
            })
            .collect(),
        "season_360" => (0..)
            .zip(uniform(360, 3))
            .map(|(i, u)| 10.0 + 3.0 * (2.0 * std::f64::consts::PI * f64::from(i) / 24.0).sin() + u)
            .collect(),
        "levels_97" => uniform(97, 4).iter().map(|u| (8.0 * (u + 0.5)).trunc()).collect(),
        "bursts_1301" => (0..)
            .zip(uniform(1301, 5))
            .map(|(i, u)| (4.0 * u).exp() + if i % 97 == 13 { 30.0 } else { 0.0 })
            .collect(),
        "short_9" => uniform(9, 6),
        other => panic!("unknown series {other}"),
    }
}

#[test]
fn features_of_synthetic_series_are_reproduced() {
    let text = include_str!("data/features_oracle.txt");
    let mut wrong = Vec::new();
    let mut lines = 0;
    let mut current = (String::new(), Vec::new());
    for line in text.lines() {
        let (series, rest) = line.split_once(' ').expect("series");
        let (name, expected) = rest.rsplit_once(' ').expect("name and value");
        if current.0 != series {
            current = (series.to_owned(), synthetic(series));
        }
        let expected: f64 = expected.parse().expect("number");
        let feature: Feature = name.parse().expect("known");
        assert_eq!(feature.to_string(), name);
        let mut one = Extractor::new(std::iter::once(feature).collect()).expect("valid");
        let ours = one.extract(&current.1).expect("finite")[0];
        if !close(ours, expected) {
            wrong.push(format!("{series} {name}: {ours} instead of {expected}"));
        }
        lines += 1;
    }
    assert_eq!(lines, 1176);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A wave with reproducible noise.
fn wave() -> Vec<f64> {
    (0..120)
        .map(|i| {
            30.0 + 8.0 * (std::f64::consts::TAU * f64::from(i) / 12.0).sin()
                + 0.4 * f64::from((i * i * 7 + 3 * i) % 11 - 5)
        })
        .collect()
}

fn value_of(name: &str, x: &[f64]) -> f64 {
    let feature: Feature = name.parse().expect("a feature name");
    assert_eq!(feature.to_string(), name);
    let set: FeatureSet = [feature].into_iter().collect();
    Extractor::new(set).expect("valid parameters").extract(x).expect("finite values")[0]
}

#[test]
fn query_similarity_counts_equal_those_of_tsfresh() {
    for (threshold, expected) in [(0.5, 0.0), (1.0, 0.0), (1.5, 4.0), (2.0, 11.0)] {
        let name =
            format!("query_similarity_count__query_[1.0, 2.0, 4.0, 3.0, 1.0]__threshold_{threshold:?}");
        assert_eq!(value_of(&name, &wave()), expected, "{name}");
    }
    assert!(value_of("query_similarity_count__query_None__threshold_0.0", &wave()).is_nan());
}

#[test]
fn the_matrix_profile_equals_the_definition_computed_with_numpy() {
    // tsfresh's own calculator needs a package that current Python no longer runs.
    let expected = [
        ("min", 0.8024048223748934),
        ("max", 0.9128142699613858),
        ("mean", 0.8477721935589466),
        ("median", 0.8479664866612846),
        ("25", 0.8269412367077833),
        ("75", 0.8681237080807891),
    ];
    for (figure, expected) in expected {
        let name = format!("matrix_profile__feature_\"{figure}\"__threshold_0.98__windows_13");
        let found = value_of(&name, &wave());
        assert!((found - expected).abs() < 1e-9, "{name}: {found} instead of {expected}");
        assert!(
            value_of(&format!("matrix_profile__feature_\"{figure}\"__threshold_0.9"), &wave()).is_finite()
        );
    }
}
