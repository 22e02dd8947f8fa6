//! Many features at once: which of them have changed, reported once.

use super::{population_stability, wasserstein};
use crate::features::{Procedure, discoveries, significance::kolmogorov_smirnov};
use crate::stats::{autocorrelations, variance};
use std::collections::VecDeque;

/// How p-values of several features are read together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Correction {
    /// Holm (1979): the probability of any false report stays below alpha.
    Holm,
    /// Benjamini & Hochberg (1995): of the reports, a share alpha may be false.
    BenjaminiHochberg,
}

/// Which hypotheses are rejected at level `alpha` when all are tested together.
///
/// # Example
/// ```
/// use ecosystem_forecast::drift::{Correction, rejected};
/// let p = [0.01, 0.04, 0.03, 0.005];
/// assert_eq!(rejected(&p, 0.05, Correction::Holm), [true, false, false, true]);
/// assert_eq!(rejected(&p, 0.05, Correction::BenjaminiHochberg), [true; 4]);
/// ```
pub fn rejected(p_values: &[f64], alpha: f64, correction: Correction) -> Vec<bool> {
    if correction == Correction::BenjaminiHochberg {
        return discoveries(p_values, alpha, Procedure::BenjaminiHochberg);
    }
    let mut order: Vec<usize> = (0..p_values.len()).filter(|&i| !p_values[i].is_nan()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let m = order.len() as f64;
    let count =
        order.iter().enumerate().take_while(|(k, i)| p_values[**i] <= alpha / (m - *k as f64)).count();
    let mut out = vec![false; p_values.len()];
    order[..count].iter().for_each(|&i| out[i] = true);
    out
}

/// A feature that has changed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FeatureDrift {
    /// Feature, by position.
    pub feature: usize,
    /// p-value of the Kolmogorov–Smirnov test.
    pub p: f64,
    /// Population stability index over ten bins; above 0.25 is usually read as changed.
    pub stability: f64,
    /// Wasserstein distance in standard deviations of the reference.
    pub distance: f64,
}

/// Watches the features that a model was learnt from.
///
/// The newest window of every feature is compared with the reference by the Kolmogorov–Smirnov test, all features together by
/// [`Correction`]. Values that follow each other are thinned until they are nearly independent, or slow noise would be drift.
/// A change must hold for two tests in a row, half a window apart; then the newest window becomes the reference of the
/// features that changed, so that one change is reported once. Memory: two windows per feature.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DriftMonitor {
    reference: Vec<Vec<f64>>,
    recent: Vec<VecDeque<f64>>,
    window: usize,
    alpha: f64,
    correction: Correction,
    pending: Vec<bool>,
    rows: usize,
}

/// Distance, in standard deviations, below which a change is too small to matter.
const LEAST_DISTANCE: f64 = 0.25;

impl DriftMonitor {
    /// `reference`: the values of each feature that the model was learnt from; windows of `window` rows (20 to 100,000), alpha
    /// 0.001, Holm.
    pub fn new(reference: &[&[f64]], window: usize) -> Self {
        let finite = |r: &&[f64]| r.iter().copied().filter(|v| v.is_finite()).collect();
        Self {
            reference: reference.iter().map(finite).collect(),
            recent: vec![VecDeque::new(); reference.len()],
            window: window.clamp(20, 100_000),
            alpha: 0.001,
            correction: Correction::Holm,
            pending: vec![false; reference.len()],
            rows: 0,
        }
    }

    /// Another level and way of correction.
    #[must_use]
    pub fn with_level(mut self, alpha: f64, correction: Correction) -> Self {
        (self.alpha, self.correction) = (alpha.clamp(0.0, 1.0), correction);
        self
    }

    /// Takes in a row (one value per feature; more are ignored, missing ones are NaN); the features that have changed, empty
    /// most of the time.
    pub fn push(&mut self, row: &[f64]) -> Vec<FeatureDrift> {
        for (f, queue) in self.recent.iter_mut().enumerate() {
            if queue.len() == self.window {
                queue.pop_front();
            }
            queue.push_back(row.get(f).copied().unwrap_or(f64::NAN));
        }
        self.rows += 1;
        if self.rows < self.window || !self.rows.is_multiple_of(self.window / 2) {
            return Vec::new();
        }
        let newest: Vec<Vec<f64>> =
            self.recent.iter().map(|q| q.iter().copied().filter(|v| v.is_finite()).collect()).collect();
        let p: Vec<f64> = self.reference.iter().zip(&newest).map(|(r, n)| test(r, n)).collect();
        let changed = rejected(&p, self.alpha, self.correction);
        let mut report = Vec::new();
        for (f, now) in newest.into_iter().enumerate() {
            let spread = variance(&self.reference[f]).sqrt();
            let distance = wasserstein(&self.reference[f], &now) / spread.max(1e-300);
            let counts = changed[f] && distance >= LEAST_DISTANCE;
            if counts && self.pending[f] {
                let stability = population_stability(&self.reference[f], &now, 10);
                report.push(FeatureDrift { feature: f, p: p[f], stability, distance });
                self.reference[f] = now;
                self.pending[f] = false;
            } else {
                self.pending[f] = counts;
            }
        }
        report
    }
}

/// p-value on thinned samples; NaN with fewer than five values on a side.
fn test(reference: &[f64], newest: &[f64]) -> f64 {
    let thin = |v: &[f64]| -> Vec<f64> {
        let r = autocorrelations(v, 1).get(1).copied().unwrap_or(0.0).clamp(0.0, 0.95);
        let stride = crate::stats::floor_usize((1.0 + r) / (1.0 - r)).max(1);
        v.iter().copied().step_by(stride).collect()
    };
    let (a, b) = (thin(reference), thin(newest));
    if a.len() < 5 || b.len() < 5 { f64::NAN } else { kolmogorov_smirnov(&a, &b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    fn row(rng: &mut Pcg, slow: &mut f64, shift: f64) -> [f64; 3] {
        *slow = 0.7 * *slow + rng.normal();
        [rng.normal(), *slow, rng.normal() + shift]
    }

    #[test]
    fn a_change_of_one_feature_is_reported_once_and_stationary_rows_are_not() {
        let (mut false_reports, mut delays) = (0, Vec::new());
        for seed in 0..10 {
            let (mut rng, mut slow) = (Pcg::new(seed), 0.0);
            let past: Vec<[f64; 3]> = (0..500).map(|_| row(&mut rng, &mut slow, 0.0)).collect();
            let columns: Vec<Vec<f64>> = (0..3).map(|f| past.iter().map(|r| r[f]).collect()).collect();
            let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let mut monitor = DriftMonitor::new(&views, 100);
            let mut reports = Vec::new();
            for t in 0..3000 {
                let now = row(&mut rng, &mut slow, if t < 2000 { 0.0 } else { 2.0 });
                reports.extend(monitor.push(&now).into_iter().map(|d| (t, d)));
            }
            false_reports += reports.iter().filter(|(t, d)| *t < 2000 || d.feature != 2).count();
            let true_reports: Vec<i32> =
                reports.iter().filter(|(t, d)| *t >= 2000 && d.feature == 2).map(|(t, _)| t - 2000).collect();
            assert!(!true_reports.is_empty() && true_reports.len() <= 2, "{true_reports:?}");
            delays.push(true_reports[0]);
        }
        assert!(false_reports <= 2, "{false_reports} false reports in 30,000 rows of three features");
        assert!(delays.iter().all(|d| *d <= 200), "{delays:?}");
    }
}
