//! Detectors held against scikit-learn, `PyOD`, scipy and stumpy; stored and continued in the middle of a stream.
//!
//! Numbers of `scripts/peers/anomaly_oracle.py` with scikit-learn 1.9.1, `PyOD` 3.6.7, scipy 1.17.1, stumpy 1.14.1.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unreadable_literal,
    clippy::excessive_precision,
    reason = "oracle values as printed; a test fails by panicking"
)]

use ecosystem_forecast::anomaly::rows::{
    Autoencoder, AutoencoderSettings, Calibrated, Copod, Ecod, Histograms, IsolationRows, KMeans,
    KMeansSettings, LocalOutlierFactor, OneClassSettings, OneClassSvm, PrincipalResidual, RandomCutForest,
    RandomCutSettings, RobustPca, RowDetector, Windowed,
};
use ecosystem_forecast::anomaly::{
    Detector, HybridEsd, LeftProfile, Likelihood, MatrixProfile, Pareto, RobustZ, Spot, SpotSettings,
    hybrid_esd,
};
use ecosystem_forecast::tree::IsolationForest;

/// The generator of the script.
struct Uniforms(u64);

impl Uniforms {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / 9_007_199_254_740_992.0
    }
}

fn rows(n: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut u = Uniforms(seed);
    (0..n)
        .map(|_| {
            let [a, b, c, d] = [u.next(), u.next(), u.next(), u.next()];
            vec![a, 0.5 * a + 0.5 * b, 3.0 * c * c, d - 0.5]
        })
        .collect()
}

fn train() -> Vec<Vec<f64>> {
    rows(150, 1)
}

const TEST: [[f64; 4]; 5] = [
    [0.5, 0.5, 0.7, 0.0],
    [2.0, -1.0, 3.0, 0.4],
    [0.1, 0.52, 0.1, 0.45],
    [0.9, 0.9, 2.9, -0.5],
    [5.0, 5.0, 5.0, 5.0],
];

fn check(mut detector: impl RowDetector, wanted: [f64; 5], tolerance: f64) {
    for (row, wanted) in TEST.iter().zip(wanted) {
        let found = detector.score_row(row).unwrap();
        assert!(
            (found - wanted).abs() <= tolerance * wanted.abs().max(1.0),
            "{row:?}: {found}, expected {wanted}"
        );
    }
}

// scikit-learn 1.9.1, tolerance 1e-9.
#[test]
fn local_outlier_factors_equal_scikit_learn() {
    let detector = LocalOutlierFactor::fit(&train(), 20).unwrap();
    let wanted =
        [0.9664063520078552, 1.00520249864971, 1.0132418016395248, 0.9806819367464618, 0.9820862951562022];
    for (found, wanted) in detector.training_factors().iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-9, "{found} {wanted}");
    }
    let wanted =
        [0.9822990212564735, 2.9870853639289527, 0.998449925028344, 1.4433001890390467, 11.76666117044745];
    check(detector, wanted, 1e-9);
}

// scikit-learn 1.9.1 (libsvm, tolerance 1e-9), tolerance 1e-3 as both solve approximately.
#[test]
fn one_class_decisions_equal_scikit_learn() {
    let fit = |settings: OneClassSettings| OneClassSvm::fit(&train(), &settings).unwrap();
    check(
        fit(OneClassSettings::default()),
        [
            -0.6145285486726317,
            1.925933261610643,
            0.013821474525511857,
            0.28026956057464036,
            1.9627448659888138,
        ],
        1e-3,
    );
    let wide = fit(OneClassSettings::default().with_nu(0.3).with_gamma(2.0));
    assert!(wide.support_vectors() >= 45, "at least a share nu of the rows");
    check(
        wide,
        [-1.9216953122722158, 6.837715517009715, 0.5638727404157828, 3.6754383955649574, 6.838401729866768],
        1e-3,
    );
}

// PyOD 3.6.7, tolerance 1e-9; rows given one at a time.
#[test]
fn tails_and_histograms_equal_pyod() {
    check(
        Histograms::fit(&train(), 10).unwrap(),
        [0.5210563208907122, 2.9791443798835697, -1.3966613304695783, 1.9182581055163073, 4.144220651689689],
        1e-9,
    );
    check(
        Ecod::fit(&train()).unwrap(),
        [2.8537723332726093, 16.933625131330547, 7.805957734745396, 15.332920898865204, 20.069119347259697],
        1e-9,
    );
    check(
        Copod::fit(&train()).unwrap(),
        [2.8142781276132944, 16.071466037114284, 4.4424374863704035, 14.359965824337547, 20.069119347259697],
        1e-9,
    );
}

// scikit-learn 1.9.1, tolerance 1e-9.
#[test]
fn principal_residuals_and_clusters_equal_scikit_learn() {
    let detector = PrincipalResidual::fit(&train(), 0.7).unwrap();
    assert_eq!(detector.explained().len(), 2);
    for (found, wanted) in detector.explained().iter().zip([0.4346814171120491, 0.3001206038824665]) {
        assert!((found - wanted).abs() < 1e-9);
    }
    check(
        detector,
        [0.2537031295477806, 9.40700984921941, 1.1503904315943512, 0.8959372251201492, 18.918275577444597],
        1e-9,
    );
    check(
        KMeans::fit_from(&train(), &train()[..5], 300).unwrap(),
        [0.3346530883033848, 2.3328280280225835, 0.3233102076755293, 1.0356993010333255, 8.618439354561392],
        1e-9,
    );
}

// scipy 1.17.1, `genpareto.fit(x, floc=0)`: parameters to 2 in a thousand (its simplex stops early), likelihood not below.
#[test]
fn pareto_tails_are_at_least_as_likely_as_those_of_scipy() {
    let mut u = Uniforms(3);
    let excesses: Vec<f64> =
        (0..400).map(|i| -(1.0 - u.next()).ln() * (1.0 + 0.3 * f64::from(i % 3))).collect();
    let found = Pareto::fit(&excesses).unwrap();
    assert!(
        (found.shape - -0.02431650296812311).abs() < 2e-3 && (found.scale - 1.345931184397911).abs() < 2e-3
    );
    assert!(found.likelihood >= -509.1013731338366 - 1e-9, "{found:?}");
}

// stumpy 1.14.1, distances of `core.mass` with its exclusion zone, tolerance 1e-6.
#[test]
fn left_matrix_profile_equals_stumpy() {
    let mut u = Uniforms(4);
    let mut series: Vec<f64> = (0..300).map(|i| (f64::from(i) / 5.0).sin() + 0.3 * u.next()).collect();
    series[200..206].iter_mut().for_each(|v| *v += 1.5);
    let mut profile = LeftProfile::new(16, 1000).unwrap();
    let left: Vec<Option<f64>> = series.iter().map(|&v| profile.push(v)).collect();
    let wanted = [
        (0, 1.3197909326952515),
        (50, 0.807721641268262),
        (130, 2.0603043697241747),
        (136, 0.9834584975900391),
        (140, 1.6218842862915492),
        (200, 0.6429376257049716),
    ];
    for (at, wanted) in wanted {
        // Sub-sequence 64 + at ends 15 rows later.
        let found = left[64 + at + 15].unwrap();
        assert!((found - wanted).abs() < 1e-6, "{at}: {found} {wanted}");
    }
}

// The script's direct form of the test on scipy 1.17.1's quantiles.
#[test]
fn extreme_deviates_are_those_of_the_direct_test() {
    let mut u = Uniforms(4);
    for _ in 0..300 {
        u.next();
    }
    let mut values: Vec<f64> = (0..50).map(|_| u.next()).collect();
    values.extend([3.0, -2.5, 2.2, 5.0]);
    assert_eq!(hybrid_esd(&values, 8, 0.05).unwrap(), [53, 51, 50, 52]);
}

/// Rows with an outlier in the middle must rank it first, whatever the detector.
#[test]
fn every_detector_puts_a_gross_outlier_first_and_survives_wild_rows() {
    fn one(name: &str, mut detector: impl RowDetector) {
        let usual: Vec<f64> = rows(50, 9).iter().map(|r| detector.score_row(r).unwrap()).collect();
        let odd = detector.score_row(&[9.0, -9.0, 20.0, 9.0]).unwrap();
        assert!(usual.iter().all(|u| *u < odd), "{name}");
        for wild in
            [[f64::NAN; 4], [f64::INFINITY; 4], [f64::NEG_INFINITY, 0.0, f64::NAN, 1e300], [f64::MAX; 4]]
        {
            let score = detector.score_row(&wild).unwrap();
            assert!(!score.is_nan(), "{name}: {wild:?}");
        }
        assert!(detector.score_row(&[1.0]).is_err(), "{name}");
        assert_eq!(detector.columns(), 4);
    }
    let t = train();
    one("lof", LocalOutlierFactor::fit(&t, 20).unwrap());
    one("one class", OneClassSvm::fit(&t, &OneClassSettings::default().with_gamma(0.2)).unwrap());
    one("ecod", Ecod::fit(&t).unwrap());
    one("copod", Copod::fit(&t).unwrap());
    one("principal", PrincipalResidual::fit(&t, 0.8).unwrap());
    one("robust", RobustPca::fit(&t).unwrap());
    one("k-means", KMeans::fit(&t, &KMeansSettings::default().with_clusters(8)).unwrap());
    one("isolation", IsolationRows::fit(&t, &IsolationForest::default()).unwrap());
    let settings = AutoencoderSettings::default().with_hidden(&[8, 3, 8]).with_rounds(20);
    one("autoencoder", Autoencoder::fit(&t, &settings).unwrap());
    let mut forest = RandomCutForest::new(4, &RandomCutSettings::default()).unwrap();
    for row in &t {
        forest.score_row(row).unwrap();
    }
    one("random cut", forest);
}

#[cfg(feature = "serde")]
mod stored {
    use super::*;
    use serde::{Serialize, de::DeserializeOwned};

    fn copy<T: Serialize + DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }

    fn rows_continue<D: RowDetector + Serialize + DeserializeOwned>(name: &str, mut detector: D) {
        for row in rows(60, 5) {
            detector.score_row(&row).unwrap();
        }
        let mut other = copy(&detector);
        for row in rows(60, 6) {
            let (a, b) = (detector.score_row(&row).unwrap(), other.score_row(&row).unwrap());
            assert_eq!(a.to_bits(), b.to_bits(), "{name}");
        }
    }

    #[test]
    fn detectors_of_rows_continue_after_storage_bit_for_bit() {
        let t = train();
        rows_continue("lof", LocalOutlierFactor::fit(&t, 20).unwrap());
        rows_continue("one class", OneClassSvm::fit(&t, &OneClassSettings::default()).unwrap());
        rows_continue("ecod", Ecod::fit(&t).unwrap());
        rows_continue("copod", Copod::fit(&t).unwrap());
        rows_continue("histograms", Histograms::fit(&t, 10).unwrap());
        rows_continue("principal", PrincipalResidual::fit(&t, 0.8).unwrap());
        rows_continue("robust", RobustPca::fit(&t).unwrap());
        rows_continue("k-means", KMeans::fit(&t, &KMeansSettings::default()).unwrap());
        rows_continue("isolation", IsolationRows::fit(&t, &IsolationForest::default()).unwrap());
        let settings = AutoencoderSettings::default().with_rounds(3);
        rows_continue("autoencoder", Autoencoder::fit(&t, &settings).unwrap());
        rows_continue(
            "random cut",
            RandomCutForest::new(4, &RandomCutSettings::default().with_sample(40).with_trees(10)).unwrap(),
        );
    }

    fn values_continue<D: Detector + Serialize + DeserializeOwned>(name: &str, mut detector: D) {
        let mut u = Uniforms(12);
        let mut value = |i: u32| match i % 97 {
            13 => f64::NAN,
            50 => 5.0,
            _ => (f64::from(i) / 4.0).sin() + 0.2 * u.next(),
        };
        let all: Vec<f64> = (0..1600).map(&mut value).collect();
        let batch = detector.score(&all);
        for (i, v) in all.iter().enumerate() {
            if i == 800 {
                detector = copy(&detector);
            }
            let (s, b) = (detector.push(*v), batch[i]);
            assert_eq!(
                (s.severity.to_bits(), s.judgement, s.upper.to_bits()),
                (b.severity.to_bits(), b.judgement, b.upper.to_bits()),
                "{name}, row {i}"
            );
        }
    }

    #[test]
    fn streams_equal_batches_also_when_stored_in_the_middle() {
        values_continue("spot", Spot::new(&SpotSettings::default().with_calibration(300)).unwrap());
        values_continue(
            "dspot",
            Spot::new(&SpotSettings::default().with_calibration(300).with_depth(20)).unwrap(),
        );
        values_continue("esd", HybridEsd::new(25, 200, 0.001).unwrap());
        values_continue("profile", MatrixProfile::new(&[12, 24], 200, 8.0).unwrap());
        values_continue("likelihood", Likelihood::new(RobustZ::new(60, 4.0).unwrap(), 300, 5, 5.0).unwrap());
        let series: Vec<f64> = (0..600).map(|i| (f64::from(i) / 4.0).sin()).collect();
        let windows = Windowed::<KMeans>::rows(&series, 12, true);
        let fitted = KMeans::fit(&windows[..300], &KMeansSettings::default()).unwrap();
        let calibrated = Calibrated::new(fitted, &windows[300..], 1e-4).unwrap();
        values_continue("windows", Windowed::new(calibrated, true));
    }
}
