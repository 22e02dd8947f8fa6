//! The scoring of the Numenta Anomaly Benchmark, version 1.1.
#![allow(dead_code, reason = "each program uses a part")]

use std::collections::BTreeMap;

/// Rewards and costs of one application profile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    pub(crate) hit: f64,
    pub(crate) miss: f64,
    pub(crate) false_alarm: f64,
}

pub(crate) const STANDARD: Profile = Profile { hit: 1.0, miss: 1.0, false_alarm: 0.11 };
pub(crate) const LOW_FP: Profile = Profile { hit: 1.0, miss: 1.0, false_alarm: 0.22 };
pub(crate) const LOW_FN: Profile = Profile { hit: 1.0, miss: 2.0, false_alarm: 0.11 };
/// Threshold of a detector that never fires: above every score.
pub(crate) const NEVER: f64 = 1.1;

/// Scores of one file and its windows as pairs of first and last row.
#[derive(Clone, Debug)]
pub(crate) struct Scored {
    pub(crate) scores: Vec<f64>,
    pub(crate) windows: Vec<(usize, usize)>,
}

/// Best result over all thresholds (or the result at a given one).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) raw: f64,
    pub(crate) threshold: f64,
    /// 0 for silence, 100 for the first row of every window and nothing else; NaN without a window.
    pub(crate) normalised: f64,
}

/// Rows at the beginning that are not scored.
pub(crate) fn probation(rows: usize) -> usize {
    (rows * 15 / 100).min(750)
}

fn sigmoid(y: f64) -> f64 {
    if y > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * y).exp()) - 1.0 }
}

/// A detection: score, window it lies in, what it is worth.
struct Detection {
    score: f64,
    window: Option<usize>,
    value: f64,
}

fn detections(files: &[&Scored], profile: Profile) -> (Vec<Detection>, usize) {
    let (mut all, mut before) = (Vec::new(), 0);
    for file in files {
        for row in probation(file.scores.len())..file.scores.len() {
            let score = file.scores[row];
            let inside = file.windows.iter().position(|&(l, r)| (l..=r).contains(&row));
            let value = match inside {
                Some(at) => {
                    let (l, r) = file.windows[at];
                    let y = -((r - row + 1) as f64) / (r - l + 1) as f64;
                    profile.hit * sigmoid(y) / sigmoid(-1.0)
                }
                None => match file.windows.iter().rfind(|&&(_, r)| r < row) {
                    Some(&(l, r)) => profile.false_alarm * sigmoid((row - r) as f64 / (r - l) as f64),
                    None => -profile.false_alarm,
                },
            };
            all.push(Detection { score, window: inside.map(|at| before + at), value });
        }
        before += file.windows.len();
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    (all, before)
}

/// Scores a corpus with one threshold: the best one, or `fixed`.
pub(crate) fn evaluate(files: &[&Scored], profile: Profile, fixed: Option<f64>) -> Outcome {
    let (all, windows) = detections(files, profile);
    let silent = -profile.miss * windows as f64;
    let mut best_in_window = vec![-profile.miss; windows];
    let (mut raw, mut at) = (silent, 0);
    let mut outcome = (silent, NEVER);
    while at < all.len() {
        let threshold = all[at].score;
        if fixed.is_some_and(|t| threshold < t) {
            break;
        }
        while at < all.len() && all[at].score.total_cmp(&threshold).is_eq() {
            match all[at].window {
                Some(window) if all[at].value > best_in_window[window] => {
                    raw += all[at].value - best_in_window[window];
                    best_in_window[window] = all[at].value;
                }
                Some(_) => {}
                None => raw += all[at].value,
            }
            at += 1;
        }
        if fixed.is_none() && raw > outcome.0 {
            outcome = (raw, threshold);
        }
    }
    if let Some(t) = fixed {
        outcome = (raw, t);
    }
    let perfect = windows as f64 * profile.hit;
    Outcome {
        raw: outcome.0,
        threshold: outcome.1,
        normalised: 100.0 * (outcome.0 - silent) / (perfect - silent),
    }
}

/// Windows of every file from the text of `combined_windows.json`: pairs of time stamps.
pub(crate) fn parse_labels(text: &str) -> Result<BTreeMap<String, Vec<(String, String)>>, String> {
    serde_json::from_str(text)
        .map_err(|e| format!("expected an object of file names with lists of [first, last]: {e}"))
}

/// Rows of the windows; time stamps are compared up to whole seconds.
pub(crate) fn locate(times: &[String], windows: &[(String, String)]) -> Result<Vec<(usize, usize)>, String> {
    let whole = |t: &str| t.split('.').next().unwrap_or(t).replace('T', " ");
    let row = |t: &str, last: bool| {
        let wanted = whole(t);
        let found = if last {
            times.iter().rposition(|x| whole(x) == wanted)
        } else {
            times.iter().position(|x| whole(x) == wanted)
        };
        found.ok_or_else(|| format!("window end `{t}` is not the time of a row"))
    };
    windows.iter().map(|(l, r)| Ok((row(l, false)?, row(r, true)?))).collect()
}
