//! Drift detectors against river 0.26.1, distances against scipy 1.17.1 and numpy 2.4.6 (1e-9 relative).
#![allow(
    clippy::tests_outside_test_module,
    clippy::disallowed_macros,
    reason = "integration tests that print what they counted"
)]

use ecosystem_forecast::drift::{
    Adwin, Ddm, Drift, DriftDetector, Eddm, Kswin, PageHinkley, chi_squared, mean_discrepancy,
    population_stability, wasserstein,
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

/// A mean of 0, from 700 on 0.6, from 1500 on −0.4.
fn shifting() -> Vec<f64> {
    let level = |i: usize| match i {
        0..700 => 0.0,
        700..1500 => 0.6,
        _ => -0.4,
    };
    uniform(2400, 1).iter().enumerate().map(|(i, u)| u + level(i)).collect()
}

/// Errors with probability 0.1, from 900 on 0.35.
fn errors() -> Vec<f64> {
    let wrong = |(i, u): (usize, &f64)| f64::from(u8::from(u + 0.5 < if i < 900 { 0.1 } else { 0.35 }));
    uniform(2400, 2).iter().enumerate().map(wrong).collect()
}

fn changes(detector: &mut dyn DriftDetector, values: &[f64]) -> Vec<usize> {
    let verdicts = values.iter().map(|&v| detector.push(v));
    verdicts.enumerate().filter(|(_, d)| *d == Drift::Changed).map(|(i, _)| i).collect()
}

#[test]
fn adwin_reports_each_change_once_and_where_river_does() {
    assert_eq!(changes(&mut Adwin::default(), &shifting()), [735, 1535]);
    assert_eq!(changes(&mut Adwin::new(0.3), &shifting()), [735, 1535]);
    let mut detector = Adwin::default();
    changes(&mut detector, &shifting()[..650]);
    assert_eq!(detector.len(), 650);
    assert!((detector.mean() - 0.0019050154066670311).abs() < 1e-12);
    assert!((detector.variance() - 52.315767774292325 / 650.0).abs() < 1e-12);
}

#[test]
fn page_hinkley_reports_changes_where_river_does() {
    assert_eq!(changes(&mut PageHinkley::new(0.005, 20.0), &shifting()), [726, 1515]);
    let large: Vec<f64> = shifting().iter().map(|v| 10.0 * v).collect();
    let expected = [359, 503, 653, 705, 952, 1051, 1179, 1476, 1506, 1559, 1870, 2256, 2370];
    assert_eq!(changes(&mut PageHinkley::default(), &large), expected);
}

#[test]
fn ddm_reports_warnings_and_the_change_where_river_does() {
    let mut detector = Ddm::default();
    let verdicts: Vec<Drift> = errors().iter().map(|&e| detector.push(e)).collect();
    let at = |d: Drift| -> Vec<usize> { (0..verdicts.len()).filter(|&i| verdicts[i] == d).collect() };
    assert_eq!(at(Drift::Changed), [953]);
    assert_eq!(at(Drift::Warning)[..3], [54, 55, 198]);
    assert_eq!(at(Drift::Warning).len(), 578);
}

#[test]
fn eddm_reports_warnings_and_changes_where_river_does() {
    let mut detector = Eddm::default();
    let verdicts: Vec<Drift> = errors().iter().map(|&e| detector.push(e)).collect();
    let at = |d: Drift| -> Vec<usize> { (0..verdicts.len()).filter(|&i| verdicts[i] == d).collect() };
    assert_eq!(at(Drift::Changed), [623, 947, 1083, 1264, 1361, 1457, 1916]);
    assert_eq!(at(Drift::Warning)[..3], [430, 431, 432]);
    assert_eq!(at(Drift::Warning).len(), 556);
}

#[test]
fn kswin_reports_changes_where_river_does() {
    // A window of 60 whose older half is as long as the newer one leaves river nothing to draw at random.
    assert_eq!(changes(&mut Kswin::new(0.0001, 60, 30), &shifting()), [723, 1516]);
    assert_eq!(changes(&mut Kswin::new(0.001, 60, 30), &shifting()), [718, 1513]);
    // The default compares with all older values.
    let found = changes(&mut Kswin::default(), &shifting());
    assert!(
        found.len() == 2 && (700..730).contains(&found[0]) && (1500..1530).contains(&found[1]),
        "{found:?}"
    );
}

/// Reports per thousand values of twenty streams of 2,000 without a change.
fn false_reports(make: &dyn Fn() -> Box<dyn DriftDetector>, stream: &dyn Fn(u64) -> Vec<f64>) -> f64 {
    let reports: usize = (0..20).map(|seed| changes(make().as_mut(), &stream(100 + seed)).len()).sum();
    reports as f64 / 40.0
}

#[test]
fn streams_without_a_change_bring_at_most_one_report_per_thousand_values() {
    let noise = |seed| uniform(2000, seed);
    let errors = |seed| -> Vec<f64> {
        uniform(2000, seed).iter().map(|u| f64::from(u8::from(u + 0.5 < 0.1))).collect()
    };
    let rates = [
        ("ADWIN", false_reports(&|| Box::new(Adwin::default()), &noise)),
        ("Page-Hinkley", false_reports(&|| Box::new(PageHinkley::new(0.005, 20.0)), &noise)),
        ("KSWIN", false_reports(&|| Box::new(Kswin::default()), &noise)),
        ("DDM", false_reports(&|| Box::new(Ddm::default()), &errors)),
        ("ADWIN on errors", false_reports(&|| Box::new(Adwin::default()), &errors)),
    ];
    println!("reports per thousand values: {rates:?}");
    assert!(rates.iter().all(|(_, rate)| *rate <= 1.0), "{rates:?}");
    // EDDM's own weakness, in river as here; docs and comment say so.
    let eddm = false_reports(&|| Box::new(Eddm::default()), &errors);
    assert!(eddm < 10.0, "{eddm}");
}

#[test]
fn values_that_are_not_finite_change_nothing() {
    let mut values = shifting();
    values.insert(100, f64::NAN);
    values.insert(300, f64::INFINITY);
    assert_eq!(changes(&mut Adwin::default(), &values), [737, 1537]);
}

#[test]
fn distances_equal_the_reference() {
    let a = uniform(151, 31);
    let b: Vec<f64> = uniform(97, 32).iter().map(|u| u * 1.5 + 0.2).collect();
    let close =
        |ours: f64, theirs: f64| assert!((ours - theirs).abs() <= 1e-9 * theirs.abs(), "{ours} {theirs}");
    close(wasserstein(&a, &b), 0.18983974745768972);
    close(population_stability(&a, &b, 10), 0.4861757660249132);
    close(mean_discrepancy(&a, &b, 0.25), 0.07676249232518928);
    let (statistic, p) = chi_squared(&[10, 20, 30, 0, 4], &[20, 20, 20, 0, 9]);
    close(statistic, 7.078444351542178);
    close(p, 0.06943907118970706);
}
