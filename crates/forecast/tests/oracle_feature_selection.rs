//! Relevance of features against tsfresh 0.21.2's `calculate_relevance_table` (p-values by scipy 1.17.1), tolerance 1e-9
//! relative.
#![allow(clippy::tests_outside_test_module, reason = "integration tests")]

use ecosystem_forecast::features::{
    ClassTest, ColumnKind, Extractor, FeatureSet, Pipeline, Procedure, Selection, Target, relevance,
};

/// Uniform numbers in [−½, ½) by Knuth's MMIX generator.
fn uniform(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        })
        .collect()
}

const N: usize = 60;

struct Data {
    binary: Vec<bool>,
    real: Vec<f64>,
    tied: Vec<f64>,
    classes: Vec<u32>,
    rows: Vec<Vec<f64>>,
}

fn data() -> Data {
    let binary: Vec<bool> = uniform(N, 11).iter().map(|&u| u > 0.0).collect();
    let real = uniform(N, 12);
    let tied = real.iter().map(|u| (u * 6.0).round_ties_even()).collect();
    let classes: Vec<u32> = uniform(N, 13)
        .iter()
        .map(|u| u32::from(u * 3.0 + 1.5 >= 1.0) + u32::from(u * 3.0 + 1.5 >= 2.0))
        .collect();
    let u: Vec<Vec<f64>> = (21..=29).map(|seed| uniform(N, seed)).collect();
    let truth = |b: bool| f64::from(u8::from(b));
    let rows = (0..N)
        .map(|i| {
            let b = truth(binary[i]);
            vec![
                u[0][i],
                b * 0.6 + u[1][i],
                real[i] * 0.8 + u[2][i],
                truth(u[3][i] > 0.1),
                truth(b * 0.6 + u[4][i] > 0.2),
                truth(real[i] * 1.5 + u[5][i] > 0.0),
                2.0,
                (u[6][i] * 4.0).round_ties_even(),
                (real[i] * 4.0 + u[7][i] * 3.0).round_ties_even(),
                f64::from(classes[i]) * 0.5 + u[8][i],
            ]
        })
        .collect();
    Data { binary, real, tied, classes, rows }
}

fn check(
    rows: &[Vec<f64>],
    target: Target<'_>,
    selection: &Selection,
    expected: [f64; 10],
    relevant: &[usize],
) {
    let verdicts = relevance(rows, target, selection).expect("valid");
    for (j, (v, p)) in verdicts.iter().zip(expected).enumerate() {
        let ours = v.p_values[0];
        assert!(
            ours.is_nan() && p.is_nan() || (ours - p).abs() <= 1e-9 * p,
            "feature {j}: {ours} instead of {p}"
        );
        assert_eq!(v.relevant, relevant.contains(&j), "feature {j}");
    }
    assert_eq!(verdicts[6].kind, ColumnKind::Constant);
}

#[test]
fn a_truth_valued_target_uses_fisher_and_mann_whitney() {
    let d = data();
    let expected = [
        0.5201446121616038,
        1.7290312624849194e-06,
        0.6100075520376812,
        1.0,
        2.293597672023505e-07,
        0.6009504665206373,
        f64::NAN,
        0.7162515397011299,
        0.4504759255685258,
        0.9117089753194283,
    ];
    check(&d.rows, Target::Binary(&d.binary), &Selection::default(), expected, &[1, 4]);
}

#[test]
fn a_real_target_uses_kolmogorov_smirnov_and_kendall() {
    let d = data();
    let expected = [
        0.9694743486252145,
        0.6552686380955752,
        4.7746011705844105e-08,
        0.9344259390295309,
        0.5186954825547925,
        6.950862673612432e-10,
        f64::NAN,
        0.31657894679606546,
        8.570888636832834e-12,
        0.7498050727300336,
    ];
    check(&d.rows, Target::Real(&d.real), &Selection::default(), expected, &[2, 5, 8]);
}

#[test]
fn ties_in_the_target_are_corrected_for() {
    let d = data();
    let expected = [
        0.8510239326899112,
        0.6832695306353296,
        1.4002485234891543e-07,
        0.999979814640305,
        0.943316795327784,
        4.06290360305352e-09,
        f64::NAN,
        0.2241791080016331,
        3.320074742809952e-11,
        0.7608344695873235,
    ];
    check(
        &d.rows,
        Target::Real(&d.tied),
        &Selection::default().with_procedure(Procedure::BenjaminiHochberg),
        expected,
        &[2, 5, 8],
    );
}

#[test]
fn classes_can_be_told_apart_by_kolmogorov_smirnov() {
    let d = data();
    let expected = [
        0.5940706297759378,
        2.366488472641374e-05,
        0.39294501397971776,
        1.0,
        2.293597672023505e-07,
        0.6009504665206373,
        f64::NAN,
        0.9578462903438838,
        0.8079631540901643,
        0.9578462903438838,
    ];
    check(
        &d.rows,
        Target::Binary(&d.binary),
        &Selection::default().with_class_test(ClassTest::KolmogorovSmirnov),
        expected,
        &[1, 4],
    );
}

#[test]
fn few_rows_have_exact_p_values_with_classes() {
    let d = data();
    let expected = [
        0.9372294372294373,
        0.06493506493506493,
        0.8181818181818182,
        1.0,
        0.24242424242424246,
        1.0,
        f64::NAN,
        0.45580357740153576,
        0.1380107375686596,
        0.6991341991341992,
    ];
    check(&d.rows[..12], Target::Binary(&d.binary[..12]), &Selection::default(), expected, &[]);
}

#[test]
fn few_rows_have_limit_p_values_with_numbers() {
    let d = data();
    let expected = [
        0.21708895076623158,
        0.6807533824170628,
        0.21708895076623158,
        0.23636363636363641,
        0.9090909090909092,
        0.0040404040404040395,
        f64::NAN,
        0.43164298554832725,
        0.0022633358728580753,
        0.13140204194464664,
    ];
    check(&d.rows[..12], Target::Real(&d.real[..12]), &Selection::default(), expected, &[]);
}

#[test]
fn several_classes_are_each_tested_against_the_rest() {
    let d = data();
    let verdicts = relevance(&d.rows, Target::Classes(&d.classes), &Selection::default()).expect("valid");
    // Classes 0, 1, 2 of the last feature, which follows the class.
    let expected = [4.0336613854287325e-06, 0.6678776107732458, 1.8649650905107188e-07];
    for (ours, theirs) in verdicts[9].p_values.iter().zip(expected) {
        assert!((ours - theirs).abs() <= 1e-9 * theirs, "{ours} {theirs}");
    }
    assert_eq!(verdicts[9].rejected, 2);
    let kept: Vec<usize> = (0..10).filter(|&j| verdicts[j].relevant).collect();
    assert_eq!(kept, [9]);
    let strict = Selection::default().with_significant_classes(3);
    assert!(!relevance(&d.rows, Target::Classes(&d.classes), &strict).expect("valid")[9].relevant);
}

#[test]
fn a_pipeline_keeps_what_matters_and_serves_the_bits_it_was_trained_on() {
    let kinds: Vec<bool> = (0..30).map(|k| k % 3 == 0).collect();
    let panel: Vec<Vec<f64>> = (0..30)
        .map(|k| {
            let noise = uniform(80, 100 + k);
            noise
                .iter()
                .scan(0.0, |s, u| {
                    *s = if k % 3 == 0 { *s + u } else { *u };
                    Some(*s)
                })
                .collect()
        })
        .collect();
    let selection = Selection::default().with_procedure(Procedure::BenjaminiYekutieli);
    let (mut pipeline, verdicts) =
        Pipeline::fit_selected(FeatureSet::comprehensive(), &panel, Target::Binary(&kinds), &selection)
            .expect("valid");
    assert_eq!(verdicts.len(), 788);
    assert!(pipeline.names().contains(&"autocorrelation__lag_1".to_owned()));
    assert!(pipeline.names().len() < 788);
    let together = pipeline.transform_panel(&panel).expect("finite");
    for (series, row) in panel.iter().zip(&together) {
        let alone = pipeline.transform(series).expect("finite");
        assert!(alone.iter().zip(row).all(|(a, b)| a.to_bits() == b.to_bits() && a.is_finite()));
    }
    // Values that are finite are the plain features.
    let plain = Extractor::new(pipeline.set().clone()).expect("valid").extract(&panel[0]).expect("finite");
    assert!(plain.iter().zip(&together[0]).all(|(a, b)| !a.is_finite() || a.to_bits() == b.to_bits()));
}

#[cfg(feature = "serde")]
#[test]
fn a_stored_pipeline_continues_with_the_same_bits() {
    let panel: Vec<Vec<f64>> = (0..12).map(|k| uniform(5 * k, 7 + k as u64)).collect();
    let mut pipeline = Pipeline::fit(FeatureSet::comprehensive(), &panel).expect("valid");
    let text = serde_json::to_string(&pipeline).expect("serialisable");
    let mut restored: Pipeline = serde_json::from_str(&text).expect("readable");
    for series in &panel {
        let (a, b) =
            (pipeline.transform(series).expect("finite"), restored.transform(series).expect("finite"));
        assert!(a.iter().zip(&b).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    let broken = text.replacen("abs_energy", "no_energy", 1);
    assert!(serde_json::from_str::<Pipeline>(&broken).is_err());
}
