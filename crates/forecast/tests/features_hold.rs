//! What must hold for features of any series.
#![allow(clippy::tests_outside_test_module, reason = "integration tests")]

use ecosystem_forecast::features::{Extractor, Feature, FeatureError, FeatureSet};
use proptest::prelude::*;

fn all() -> FeatureSet {
    FeatureSet::comprehensive().features().iter().chain(FeatureSet::catch24().features()).cloned().collect()
}

fn bits(row: &[f64]) -> Vec<u64> {
    row.iter().map(|v| v.to_bits()).collect()
}

/// Series of every length that are hard in some way: ties, constants, steps, tiny and huge values.
fn hostile() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        4 => -3.0..3.0,
        2 => (-3i32..4).prop_map(f64::from),
        1 => Just(0.0),
        1 => Just(-0.0),
        1 => prop_oneof![Just(1e308), Just(-1e308), Just(5e-324), Just(1e-200), Just(f64::MAX), Just(1e16)],
    ];
    prop_oneof![
        prop::collection::vec(value, 0..120),
        (-5.0..5.0, 0usize..70).prop_map(|(v, n)| vec![v; n]),
        (-1e9..1e9, -5.0..5.0, 0usize..90).prop_map(|(a, b, n)| (0..n).map(|i| a + b * i as f64).collect()),
        (prop::collection::vec(-1.0..1.0, 0..8), 1usize..30).prop_map(|(v, k)| v.repeat(k)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_finite_series_makes_a_feature_panic(x in hostile()) {
        let set = all();
        let mut extractor = Extractor::new(set.clone()).expect("valid");
        let row = extractor.extract(&x).expect("finite input");
        prop_assert_eq!(row.len(), set.len());
    }

    #[test]
    fn a_row_does_not_depend_on_what_was_computed_before(x in hostile(), y in hostile()) {
        let mut fresh = Extractor::new(all()).expect("valid");
        let mut used = fresh.clone();
        used.extract(&y).expect("finite");
        prop_assert_eq!(bits(&fresh.extract(&x).expect("finite")), bits(&used.extract(&x).expect("finite")));
    }

    #[test]
    fn shifting_and_scaling_by_powers_of_two_keeps_catch22(x in prop::collection::vec(-3.0..3.0, 30..90)) {
        let mut extractor = Extractor::new(FeatureSet::catch22()).expect("valid");
        let scaled: Vec<f64> = x.iter().map(|v| v * 8.0).collect();
        prop_assert_eq!(bits(&extractor.extract(&x).expect("finite")), bits(&extractor.extract(&scaled).expect("finite")));
    }
}

#[test]
fn a_feature_alone_has_the_same_bits_as_within_the_whole_set() {
    let x: Vec<f64> = (0..333).map(|i| f64::from(i * i * 31 % 97) * 0.37 + f64::from(i % 24)).collect();
    let whole = Extractor::new(all()).expect("valid").extract(&x).expect("finite");
    for (feature, value) in all().features().iter().zip(whole) {
        let alone = Extractor::new(std::iter::once(feature.clone()).collect())
            .expect("valid")
            .extract(&x)
            .expect("finite");
        assert_eq!(alone[0].to_bits(), value.to_bits(), "{feature}");
    }
}

#[test]
fn a_panel_has_the_same_bits_as_its_series_one_by_one() {
    let panel: Vec<Vec<f64>> = (0..50)
        .map(|k| (0..(20 + 7 * k)).map(|i| f64::from((i * i + k * i) % 53) - 0.1 * f64::from(k)).collect())
        .collect();
    let mut extractor = Extractor::new(all()).expect("valid");
    let together = extractor.extract_panel(&panel).expect("finite");
    for (series, row) in panel.iter().zip(&together) {
        assert_eq!(bits(&extractor.extract(series).expect("finite")), bits(row));
    }
}

#[test]
fn values_that_are_not_finite_are_refused_with_their_place() {
    let extractor = Extractor::new(FeatureSet::minimal()).expect("valid");
    let error = extractor.extract_panel(&[vec![1.0], vec![1.0, f64::INFINITY]]).expect_err("infinite");
    assert_eq!(error.to_string(), "series 1: value inf at index 1, expected a finite number");
}

#[test]
fn parameters_out_of_range_are_refused_with_the_feature() {
    for name in [
        "agg_linear_trend__attr_\"slope\"__chunk_len_0__f_agg_\"max\"",
        "energy_ratio_by_chunks__num_segments_4__segment_focus_4",
        "permutation_entropy__dimension_21__tau_1",
        "permutation_entropy__dimension_3__tau_0",
        "quantile__q_1.5",
        "binned_entropy__max_bins_0",
        "lempel_ziv_complexity__bins_100000",
        "cwt_coefficients__coeff_0__w_3__widths_(2, 5)",
        "ar_coefficient__coeff_0__k_100000",
        "number_cwt_peaks__n_0",
    ] {
        let feature: Feature = name.parse().expect("readable");
        let error = Extractor::new(std::iter::once(feature).collect()).expect_err("must be refused");
        assert!(matches!(error, FeatureError::Parameter { .. }), "{name}");
        assert!(error.to_string().starts_with(&format!("feature `{name}`: ")), "{error}");
    }
}

#[test]
fn unusual_parameters_work_on_every_short_length() {
    let names = [
        "approximate_entropy__m_62__r_0.3",
        "permutation_entropy__dimension_12__tau_3",
        "change_quantiles__f_agg_\"max\"__isabs_True__qh_0.9__ql_0.1",
        "change_quantiles__f_agg_\"median\"__isabs_False__qh_0.9__ql_0.1",
        "agg_autocorrelation__f_agg_\"std\"__maxlag_1000",
        "friedrich_coefficients__coeff_9__m_5__r_7",
        "max_langevin_fixed_point__m_5__r_7",
        "augmented_dickey_fuller__attr_\"teststat\"__autolag_\"BIC\"",
        "number_cwt_peaks__n_20",
        "cwt_coefficients__coeff_90__w_40__widths_(40,)",
        "energy_ratio_by_chunks__num_segments_1000__segment_focus_999",
        "partial_autocorrelation__lag_100",
        "c3__lag_18446744073709551615",
        "autocorrelation__lag_18446744073709551615",
        "number_peaks__n_18446744073709551615",
    ];
    let mut extractor = Extractor::new(FeatureSet::from_names(names).expect("readable")).expect("valid");
    for n in 0..130 {
        let x: Vec<f64> = (0..n).map(|i| f64::from(i * 7 % 11)).collect();
        assert_eq!(extractor.extract(&x).expect("finite").len(), names.len());
    }
}
