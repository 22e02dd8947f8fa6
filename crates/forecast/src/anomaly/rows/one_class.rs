//! One-class support vector machine.

use super::{Filler, RowDetector, setting, squared};
use crate::error::FitError;

/// Settings of [`OneClassSvm`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OneClassSettings {
    /// Upper bound of the share of training rows outside, and lower bound of the share of support vectors; above 0 up to 1.
    pub nu: f64,
    /// Width of the kernel `exp(−gamma · distance²)`; `None`: one over metrics times variance of all values (scikit-learn's
    /// "scale").
    pub gamma: Option<f64>,
    /// Largest violation of the optimality conditions at the end.
    pub tolerance: f64,
    /// Most steps of the solver.
    pub steps: usize,
}

impl Default for OneClassSettings {
    fn default() -> Self {
        Self { nu: 0.05, gamma: None, tolerance: 1e-4, steps: 1_000_000 }
    }
}

impl OneClassSettings {
    /// Share of training rows that may lie outside.
    #[must_use]
    pub fn with_nu(mut self, nu: f64) -> Self {
        self.nu = nu;
        self
    }

    /// Width of the kernel.
    #[must_use]
    pub fn with_gamma(mut self, gamma: f64) -> Self {
        self.gamma = Some(gamma);
        self
    }
}

/// The smallest smooth region that holds all but a share ν of the training rows; the score is the distance outside of it
/// (below zero inside), in units of the kernel sum.
///
/// Sequential minimal optimisation with the second-order choice of pairs (Fan, Chen & Lin 2005) on a kernel matrix kept in memory:
/// fit O(n² · metrics) and O(n) a step, at most 5,000 rows; a row O(support vectors · metrics).
///
/// Schölkopf, Platt, Shawe-Taylor, Smola & Williamson (2001), Neural Computation 13. Decision values as of scikit-learn's
/// `OneClassSVM` (libsvm) with the sign turned.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::rows::{OneClassSettings, OneClassSvm, RowDetector};
/// let rows: Vec<Vec<f64>> = (0..100_u32).map(|i| vec![f64::from(i % 10), f64::from(i / 10)]).collect();
/// let mut detector = OneClassSvm::fit(&rows, &OneClassSettings::default().with_gamma(0.01))?;
/// assert!(detector.score_row(&[4.5, 4.5])? < 0.0 && detector.score_row(&[30.0, 30.0])? > 0.0);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OneClassSvm {
    filler: Filler,
    gamma: f64,
    offset: f64,
    support: Vec<(f64, Vec<f64>)>,
}

/// Most rows: the kernel matrix takes 8 bytes for each pair.
const MOST_ROWS: usize = 5_000;

impl OneClassSvm {
    /// Learns from 2 to 5,000 rows in comparable units.
    pub fn fit(rows: &[Vec<f64>], settings: &OneClassSettings) -> Result<Self, FitError> {
        if !(settings.nu > 0.0 && settings.nu <= 1.0) {
            return setting("nu", settings.nu, "a number above 0 up to 1");
        }
        if !(settings.tolerance > 0.0 && settings.tolerance.is_finite()) {
            return setting("tolerance", settings.tolerance, "a positive number");
        }
        if rows.len() > MOST_ROWS {
            return setting("rows", rows.len() as f64, "at most 5000 rows: take every k-th");
        }
        let (filler, rows) = Filler::fit(rows, 2)?;
        let gamma = settings.gamma.unwrap_or_else(|| scale(&rows));
        if !(gamma > 0.0 && gamma.is_finite()) {
            return setting("gamma", gamma, "a positive number");
        }
        let solved = solve(&rows, gamma, settings);
        let support = solved.0.into_iter().zip(rows).filter(|(a, _)| *a > 0.0).collect();
        Ok(Self { filler, gamma, offset: solved.1, support })
    }

    /// Support vectors.
    pub fn support_vectors(&self) -> usize {
        self.support.len()
    }
}

fn scale(rows: &[Vec<f64>]) -> f64 {
    let all: Vec<f64> = rows.iter().flatten().copied().collect();
    let variance = crate::stats::variance(&all);
    if variance > 0.0 { 1.0 / (rows[0].len() as f64 * variance) } else { 1.0 }
}

/// Weights between 0 and 1 that sum to `nu · n` and minimise `½ Σ aᵢ aⱼ Kᵢⱼ`, and the offset.
fn solve(rows: &[Vec<f64>], gamma: f64, settings: &OneClassSettings) -> (Vec<f64>, f64) {
    let n = rows.len();
    let mut kernel = vec![1.0; n * n];
    for i in 0..n {
        for j in 0..i {
            let k = (-gamma * squared(&rows[i], &rows[j])).exp();
            (kernel[i * n + j], kernel[j * n + i]) = (k, k);
        }
    }
    // As libsvm begins: the first ν·n rows at their bound.
    let total = settings.nu * n as f64;
    let mut weights: Vec<f64> = (0..n).map(|i| (total - i as f64).clamp(0.0, 1.0)).collect();
    let mut gradient: Vec<f64> =
        (0..n).map(|i| (0..n).map(|j| kernel[i * n + j] * weights[j]).sum()).collect();
    for _ in 0..settings.steps {
        // The row that would gain most from more weight, and the partner whose exchange lowers the objective most.
        let grow = (0..n).filter(|&i| weights[i] < 1.0).min_by(|&a, &b| gradient[a].total_cmp(&gradient[b]));
        let Some(i) = grow else { break };
        let mut best = (0.0, i, 0.0_f64);
        for j in (0..n).filter(|&j| weights[j] > 0.0 && gradient[j] > gradient[i]) {
            let gap = gradient[j] - gradient[i];
            let curvature = (2.0 - 2.0 * kernel[i * n + j]).max(1e-12);
            if gap * gap / curvature > best.0 {
                best = (gap * gap / curvature, j, best.2);
            }
            best.2 = best.2.max(gap);
        }
        let (_, j, gap) = best;
        if gap < settings.tolerance {
            break;
        }
        let curvature = (2.0 - 2.0 * kernel[i * n + j]).max(1e-12);
        let step = ((gradient[j] - gradient[i]) / curvature).min(1.0 - weights[i]).min(weights[j]);
        weights[i] = if step >= 1.0 - weights[i] { 1.0 } else { weights[i] + step };
        weights[j] = if step >= weights[j] { 0.0 } else { weights[j] - step };
        for k in 0..n {
            gradient[k] += step * (kernel[i * n + k] - kernel[j * n + k]);
        }
    }
    (weights.clone(), offset(&weights, &gradient))
}

/// Mean gradient of the rows on the border; the middle of what the others allow where there is none.
fn offset(weights: &[f64], gradient: &[f64]) -> f64 {
    let of = |inside: &dyn Fn(f64) -> bool| {
        weights.iter().zip(gradient).filter(|(w, _)| inside(**w)).map(|(_, g)| *g).collect::<Vec<_>>()
    };
    let border = of(&|w| w > 0.0 && w < 1.0);
    if !border.is_empty() {
        return border.iter().sum::<f64>() / border.len() as f64;
    }
    let low = of(&|w| w >= 1.0).into_iter().fold(f64::NEG_INFINITY, f64::max);
    let high = of(&|w| w <= 0.0).into_iter().fold(f64::INFINITY, f64::min);
    if high.is_finite() { f64::midpoint(low, high) } else { low }
}

impl RowDetector for OneClassSvm {
    fn columns(&self) -> usize {
        self.filler.columns()
    }

    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError> {
        let row = self.filler.row(row)?;
        let sum: f64 = self.support.iter().map(|(a, s)| a * (-self.gamma * squared(&row, s)).exp()).sum();
        Ok(self.offset - sum)
    }
}
