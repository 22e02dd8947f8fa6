//! From scores to probabilities, from probabilities to decisions.

use crate::tree::logistic;

/// A map from scores to probabilities.
///
/// Isotonic: the non-decreasing step function closest to the labels (pool adjacent violators; Zadrozny & Elkan 2002), joined by
/// straight lines. Platt: a logistic curve with smoothed targets (Platt 1999, Newton's method of Lin, Lin & Weng 2007); better
/// with fewer than a few hundred rows.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Calibration {
    /// Scores and probabilities of the corners, both rising.
    Isotonic {
        /// Corners.
        points: Vec<(f64, f64)>,
    },
    /// `1 / (1 + e^(slope · score + offset))`.
    Platt {
        /// Slope, negative when larger scores mean class 1.
        slope: f64,
        /// Offset.
        offset: f64,
    },
}

/// Rows from which on the isotonic map is preferred.
const ENOUGH: usize = 500;

impl Calibration {
    /// Isotonic from 500 rows with at least 50 of either class on, else Platt; `None` without rows of both classes.
    pub fn fit(scores: &[f64], labels: &[bool]) -> Option<Self> {
        let ones = labels.iter().filter(|l| **l).count();
        let fewer = ones.min(labels.len().saturating_sub(ones));
        if labels.len() >= ENOUGH && fewer >= ENOUGH / 10 {
            Self::isotonic(scores, labels)
        } else {
            Self::platt(scores, labels)
        }
    }

    /// Isotonic regression. `None` without rows of both classes, or with lengths that differ. Scores must not be NaN.
    pub fn isotonic(scores: &[f64], labels: &[bool]) -> Option<Self> {
        let rows = sorted(scores, labels)?;
        // Blocks: first score, last score, sum of labels, rows. Rows of equal scores are one block from the start.
        let mut blocks: Vec<(f64, f64, f64, f64)> = Vec::new();
        for (s, y) in rows {
            match blocks.last_mut() {
                Some(b) if b.0 == s => (b.2, b.3) = (b.2 + y, b.3 + 1.0),
                _ => blocks.push((s, s, y, 1.0)),
            }
        }
        let mut pooled: Vec<(f64, f64, f64, f64)> = Vec::new();
        for block in blocks {
            pooled.push(block);
            while let [.., a, b] = pooled[..]
                && a.2 * b.3 >= b.2 * a.3
            {
                pooled.truncate(pooled.len() - 2);
                pooled.push((a.0, b.1, a.2 + b.2, a.3 + b.3));
            }
        }
        let mut points = Vec::new();
        for b in pooled {
            points.push((b.0, b.2 / b.3));
            if b.1 > b.0 {
                points.push((b.1, b.2 / b.3));
            }
        }
        Some(Self::Isotonic { points })
    }

    /// Platt's logistic curve; conditions as for [`isotonic`](Self::isotonic).
    pub fn platt(scores: &[f64], labels: &[bool]) -> Option<Self> {
        let rows = sorted(scores, labels)?;
        let ones = labels.iter().filter(|l| **l).count() as f64;
        let zeros = labels.len() as f64 - ones;
        // Targets that are not quite 0 and 1 keep the slope finite when a threshold separates the classes.
        let (high, low) = ((ones + 1.0) / (ones + 2.0), 1.0 / (zeros + 2.0));
        let rows: Vec<(f64, f64)> =
            rows.into_iter().map(|(s, y)| (s, if y > 0.5 { high } else { low })).collect();
        let (mut a, mut b) = (0.0, ((zeros + 1.0) / (ones + 1.0)).ln());
        let loss = |a: f64, b: f64| -> f64 {
            let one = |&(s, t): &(f64, f64)| {
                let f: f64 = a * s + b;
                t * f + f.min(0.0).abs() + (-f.abs()).exp().ln_1p()
            };
            rows.iter().map(one).sum()
        };
        let mut current = loss(a, b);
        for _ in 0..100 {
            let (mut h, mut g): ([f64; 3], [f64; 2]) = ([1e-12, 0.0, 1e-12], [0.0; 2]);
            for &(s, t) in &rows {
                let p = logistic(-(a * s + b));
                let (d1, d2) = (t - p, p * (1.0 - p));
                h = [h[0] + s * s * d2, h[1] + s * d2, h[2] + d2];
                g = [g[0] + s * d1, g[1] + d1];
            }
            if g[0].abs() < 1e-7 && g[1].abs() < 1e-7 {
                break;
            }
            let det = h[0] * h[2] - h[1] * h[1];
            let step = (-(h[2] * g[0] - h[1] * g[1]) / det, -(h[0] * g[1] - h[1] * g[0]) / det);
            let mut size = 1.0;
            while size > 1e-10 {
                let (na, nb) = (a + size * step.0, b + size * step.1);
                let next = loss(na, nb);
                if next < current + 1e-4 * size * (g[0] * step.0 + g[1] * step.1) {
                    (a, b, current) = (na, nb, next);
                    break;
                }
                size /= 2.0;
            }
            if size <= 1e-10 {
                break;
            }
        }
        (a.is_finite() && b.is_finite()).then_some(Self::Platt { slope: a, offset: b })
    }

    /// Probability of class 1 at a score. NaN for NaN.
    pub fn probability(&self, score: f64) -> f64 {
        match self {
            Self::Platt { slope, offset } => logistic(-(slope * score + offset)),
            Self::Isotonic { points } => {
                if score.is_nan() {
                    return f64::NAN;
                }
                let at = points.partition_point(|p| p.0 < score);
                match (at.checked_sub(1).and_then(|i| points.get(i)), points.get(at)) {
                    (Some(&(x0, y0)), Some(&(x1, y1))) if x1 > x0 => {
                        y0 + (y1 - y0) * (score - x0) / (x1 - x0)
                    }
                    (_, Some(p)) | (Some(p), None) => p.1,
                    (None, None) => f64::NAN,
                }
            }
        }
    }
}

/// Rows by score; `None` without both classes.
fn sorted(scores: &[f64], labels: &[bool]) -> Option<Vec<(f64, f64)>> {
    let both = labels.iter().any(|l| *l) && labels.iter().any(|l| !l);
    if !both || scores.len() != labels.len() || scores.iter().any(|s| !s.is_finite()) {
        return None;
    }
    let mut rows: Vec<(f64, f64)> =
        scores.iter().zip(labels).map(|(s, l)| (*s, if *l { 1.0 } else { 0.0 })).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(rows)
}

/// Brier score: mean squared distance of probabilities from what happened. 0 is perfect; saying the base rate `p` for every
/// row gives `p (1 − p)`.
pub fn brier(probabilities: &[f64], labels: &[bool]) -> f64 {
    let squares = probabilities.iter().zip(labels).map(|(p, l)| {
        let d = p - if *l { 1.0 } else { 0.0 };
        d * d
    });
    squares.sum::<f64>() / probabilities.len().min(labels.len()) as f64
}

/// Probability above which to act: a false alarm costs `false_alarm`, a missed failure `miss` (Elkan 2001).
pub fn threshold_for_cost(false_alarm: f64, miss: f64) -> f64 {
    false_alarm / (false_alarm + miss)
}

/// Score above which F1 is best on labelled rows: the middle of the best range, geometric when scores are positive (a score
/// that is a ratio to noise is as far from 2 as from 1/2). `None` without rows of class 1.
pub fn threshold_for_f1(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let rows = sorted(scores, labels)?;
    let ones: f64 = rows.iter().map(|r| r.1).sum();
    let (mut hits, mut alarms) = (ones, rows.len() as f64);
    let mut best: (f64, f64, f64) = (0.0, f64::NAN, f64::NAN); // F1, range of thresholds
    let mut extended = false;
    for pair in rows.windows(2) {
        (hits, alarms) = (hits - pair[0].1, alarms - 1.0);
        if pair[0].0 == pair[1].0 {
            continue;
        }
        let f1 = 2.0 * hits / (alarms + ones);
        if f1 > best.0 {
            (best, extended) = ((f1, pair[0].0, pair[1].0), true);
        } else if f1 == best.0 && extended {
            best.2 = pair[1].0;
        } else {
            extended = false;
        }
    }
    let (low, high) = (best.1, best.2);
    if low > 0.0 { Some((low * high).sqrt()) } else { Some(f64::midpoint(low, high)).filter(|v| !v.is_nan()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    /// Scores whose probability of class 1 is their square.
    fn drawn(n: usize, seed: u64) -> (Vec<f64>, Vec<bool>) {
        let mut rng = Pcg::new(seed);
        (0..n)
            .map(|_| {
                let s = rng.uniform();
                (s, rng.uniform() < s * s)
            })
            .unzip()
    }

    #[test]
    fn isotonic_probabilities_are_those_that_were_drawn() {
        let (scores, labels) = drawn(20_000, 1);
        let map = Calibration::fit(&scores, &labels).unwrap();
        assert!(matches!(map, Calibration::Isotonic { .. }));
        for s in [0.1, 0.3, 0.5, 0.7, 0.9] {
            assert!((map.probability(s) - s * s).abs() < 0.08, "{s}: {}", map.probability(s));
        }
        assert!(map.probability(-5.0) <= map.probability(5.0) && map.probability(f64::NAN).is_nan());
    }

    #[test]
    fn pooled_blocks_are_the_least_squares_answer() {
        // scikit-learn 1.9.1 IsotonicRegression on the same rows: 0, 1/3, 1/3, 1/3, 1/2, 1/2, 1
        let labels = [false, true, false, false, true, false, true];
        let scores = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let map = Calibration::isotonic(&scores, &labels).unwrap();
        let expected = [0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 0.5, 0.5, 1.0];
        for (s, e) in scores.iter().zip(expected) {
            assert!((map.probability(*s) - e).abs() < 1e-12);
        }
    }

    #[test]
    fn platt_stays_finite_on_separated_classes_and_meets_the_base_rate() {
        let scores: Vec<f64> = (0..20).map(f64::from).collect();
        let labels: Vec<bool> = (0..20).map(|i| i >= 10).collect();
        let map = Calibration::platt(&scores, &labels).unwrap();
        assert!(map.probability(19.0) > 0.9 && map.probability(0.0) < 0.1);
        let (scores, labels) = drawn(400, 2);
        let map = Calibration::fit(&scores, &labels).unwrap();
        let mean = scores.iter().map(|s| map.probability(*s)).sum::<f64>() / 400.0;
        let rate = labels.iter().filter(|l| **l).count() as f64 / 400.0;
        assert!(matches!(map, Calibration::Platt { .. }) && (mean - rate).abs() < 0.01);
        assert!(Calibration::fit(&[1.0, 2.0], &[true, true]).is_none());
    }

    #[test]
    fn the_threshold_for_f1_lies_between_the_classes() {
        let t = threshold_for_f1(&[1.0, 2.0, 8.0, 9.0], &[false, false, true, true]).unwrap();
        assert!((t - 4.0).abs() < 1e-12);
        assert!((threshold_for_cost(1.0, 9.0) - 0.1).abs() < 1e-15);
        assert!(threshold_for_f1(&[1.0], &[false]).is_none());
    }
}
