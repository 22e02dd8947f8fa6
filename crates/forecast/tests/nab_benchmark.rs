//! The univariate ensemble on the Numenta Anomaly Benchmark, and the scoring itself against its vectors.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::needless_for_each,
    clippy::string_slice,
    reason = "a test reads its data from disk, says when it skips, and fails by panicking"
)]

use crate::nab;

use ecosystem_forecast::anomaly::{Ensemble, EnsembleSettings};
use nab::{LOW_FN, LOW_FP, Outcome, Profile, STANDARD, Scored, evaluate};
use serde_json::Value;
use std::path::PathBuf;

fn folder() -> Option<PathBuf> {
    let root = std::env::var("VM_ECOSYSTEM_DATA").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let folder = root.join("anomaly/nab");
    if !folder.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "no data at {}", folder.display());
        println!("skipped: no data at {}", folder.display());
        return None;
    }
    Some(folder)
}

fn close(found: f64, wanted: f64) -> bool {
    (found - wanted).abs() < 1e-9
}

/// Background 0.1 but for the listed rows.
fn case(rows: usize, windows: &[(usize, usize)], peaks: &[(usize, f64)]) -> Scored {
    let mut scores = vec![0.1; rows];
    peaks.iter().for_each(|&(row, score)| scores[row] = score);
    Scored { scores, windows: windows.to_vec() }
}

fn cases() -> [Scored; 4] {
    [
        case(
            100,
            &[(40, 49), (70, 79)],
            &[(10, 0.9), (20, 0.9), (45, 0.9), (46, 0.95), (52, 0.8), (95, 0.7)],
        ),
        case(60, &[(30, 39)], &[(9, 0.99), (30, 0.6), (40, 0.6), (41, 0.5)]),
        case(60, &[], &[(25, 0.9)]),
        case(200, &[(100, 119)], &[(119, 0.9), (125, 0.8), (180, 0.9)]),
    ]
}

// Numbers computed with NAB's own sweeper (numenta/NAB ea702d75), tolerance 1e-9.
#[test]
fn scoring_equals_the_vectors_of_the_benchmark() {
    let [a, b, c, d] = cases();
    let check = |files: &[&Scored], profile: Profile, threshold: f64, normalised: f64| {
        let Outcome { threshold: t, normalised: n, .. } = evaluate(files, profile, None);
        assert!(close(t, threshold) && close(n, normalised), "{t} {n}, expected {threshold} {normalised}");
    };
    check(&[&a], STANDARD, 0.95, 44.2981734955272);
    check(&[&a], LOW_FP, 0.95, 44.2981734955272);
    check(&[&a], LOW_FN, 0.95, 46.19878233035147);
    check(&[&b], STANDARD, 0.6, 93.01034084815804);
    check(&[&b], LOW_FP, 0.6, 86.02068169631607);
    check(&[&b], LOW_FN, 0.6, 95.34022723210536);
    check(&[&d], STANDARD, 0.9, 50.802006873637964);
    check(&[&d], LOW_FP, 0.9, 45.30200687363796);
    check(&[&d], LOW_FN, 0.9, 67.20133791575864);
    check(&[&a, &b, &d], STANDARD, 0.6, 54.60786094613647);
    check(&[&a, &b, &d], LOW_FP, 0.6, 46.89281308749115);
    check(&[&a, &b, &d], LOW_FN, 0.6, 61.405240630757646);
    let silent = evaluate(&[&c], STANDARD, None);
    assert!(close(silent.raw, 0.0) && close(silent.threshold, 1.1) && silent.normalised.is_nan());
    assert!(close(evaluate(&[&a], STANDARD, Some(0.9)).raw, -0.2502074330902163));
}

#[test]
fn scoring_equals_every_threshold_of_the_vector_file() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("scoring_test_vectors.json")).unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let mut checked = 0;
    for vector in vectors.as_object().unwrap().values().filter(|v| v["n"].is_u64()) {
        let pairs = |v: &Value| -> Vec<(u64, f64)> {
            let pair = |p: &Value| (p[0].as_u64().unwrap(), p[1].as_f64().unwrap());
            v.as_array().unwrap().iter().map(pair).collect()
        };
        let row = |r: u64| usize::try_from(r).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "row numbers")]
        let windows: Vec<_> = pairs(&vector["windows"]).iter().map(|&(l, r)| (row(l), r as usize)).collect();
        let peaks: Vec<_> = pairs(&vector["scores"]).iter().map(|&(r, s)| (row(r), s)).collect();
        let file = case(row(vector["n"].as_u64().unwrap()), &windows, &peaks);
        for (name, profile) in
            [("standard", STANDARD), ("reward_low_FP_rate", LOW_FP), ("reward_low_FN_rate", LOW_FN)]
        {
            let Some(list) = vector["results"][name]["by_threshold"].as_array() else { continue };
            for one in list {
                let found = evaluate(&[&file], profile, one["threshold"].as_f64()).raw;
                assert!(close(found, one["raw"].as_f64().unwrap()), "{name} {one}: {found}");
                checked += 1;
            }
        }
    }
    assert!(checked > 30, "only {checked} thresholds in the vector file");
}

/// Scores of all series that are here, as the program `nab` writes them.
fn corpus(folder: &std::path::Path) -> Vec<Scored> {
    let labels = std::fs::read_to_string(folder.join("combined_windows.json")).unwrap();
    let labels = nab::parse_labels(&labels).unwrap();
    let file = |(name, windows): (&String, &Vec<(String, String)>)| {
        let text = std::fs::read_to_string(folder.join("data").join(name)).unwrap();
        let rows: Vec<(&str, &str)> = text.lines().skip(1).map(|l| l.split_once(',').unwrap()).collect();
        let times: Vec<String> = rows.iter().map(|r| r.0.to_owned()).collect();
        // Hourly, half-hourly and five-minute series tell themselves apart by the minutes of their first rows.
        let minute = |i: usize| -> i64 {
            let t: Vec<i64> = times[i][8..16].split([' ', ':']).map(|p| p.parse().unwrap()).collect();
            t[0] * 1440 + t[1] * 60 + t[2]
        };
        let mut steps: Vec<i64> = (1..150).map(|i| minute(i) - minute(i - 1)).filter(|&s| s > 0).collect();
        steps.sort_unstable();
        let day = usize::try_from(1440 / steps[steps.len() / 2]).unwrap();
        let mut detector = Ensemble::new(&EnsembleSettings::default().with_rows_per_day(day)).unwrap();
        let scores = rows.iter().map(|r| detector.judge(r.1.trim().parse().unwrap()).calibrated).collect();
        Scored { scores, windows: nab::locate(&times, windows).unwrap() }
    };
    labels.iter().map(file).collect()
}

#[test]
fn the_ensemble_beats_the_floors_and_its_threshold_holds_on_the_other_half() {
    let Some(folder) = folder() else { return };
    let files = corpus(&folder);
    let all: Vec<&Scored> = files.iter().collect();
    let score = |profile| evaluate(&all, profile, None).normalised;
    let (standard, low_fp, low_fn) = (score(STANDARD), score(LOW_FP), score(LOW_FN));
    assert!(standard >= 70.0 && low_fp >= 64.0 && low_fn >= 74.0, "{standard} {low_fp} {low_fn}");

    // Twenty divisions into halves, the threshold of one applied to the other, against the other's own best.
    let mut order: Vec<usize> = (0..files.len()).collect();
    let (mut state, mut losses) = (1_u64, Vec::new());
    for _ in 0..20 {
        for i in (1..order.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(i, usize::try_from((state >> 33) % (i as u64 + 1)).unwrap());
        }
        let (left, right) = order.split_at(order.len() / 2);
        for (fit, judged) in [(left, right), (right, left)] {
            let pick = |rows: &[usize]| rows.iter().map(|&i| &files[i]).collect::<Vec<_>>();
            let threshold = evaluate(&pick(fit), STANDARD, None).threshold;
            let judged = pick(judged);
            let best = evaluate(&judged, STANDARD, None).normalised;
            losses.push(best - evaluate(&judged, STANDARD, Some(threshold)).normalised);
        }
    }
    let loss = losses.iter().sum::<f64>() / losses.len() as f64;
    println!(
        "standard {standard:.1} low FP {low_fp:.1} low FN {low_fn:.1}, loss on the other half {loss:.1}"
    );
    assert!(loss <= 5.0, "mean loss {loss}");
}
