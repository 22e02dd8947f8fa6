//! What principal components do not explain.

use super::{Filler, RowDetector, Standard, setting};
use crate::error::FitError;
use nalgebra::{DMatrix, SymmetricEigen};

/// Distance of a row from the subspace of the strongest common movements, in standard deviations.
///
/// Metrics that rise and fall together span few directions; a row that leaves them is odd even if every metric alone is
/// usual. As many components are kept as explain the wanted share of the variance. Fit O(n · m² + m³), a row O(m · k), memory
/// O(m²).
///
/// Shyu, Chen, Sarinnapakorn & Chang (2003), A novel anomaly detection scheme based on principal component classifier.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::rows::{PrincipalResidual, RowDetector};
/// let rows: Vec<Vec<f64>> =
///     (0..200_u32).map(|i| vec![f64::from(i % 50), 2.0 * f64::from(i % 50) + f64::from(i * 7 % 3)]).collect();
/// let mut detector = PrincipalResidual::fit(&rows, 0.95)?;
/// assert!(detector.score_row(&[25.0, 0.0])? > 5.0 * detector.score_row(&[25.0, 51.0])?);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PrincipalResidual {
    filler: Filler,
    standard: Standard,
    /// Directions kept, strongest first.
    directions: Vec<Vec<f64>>,
    explained: Vec<f64>,
}

impl PrincipalResidual {
    /// Keeps the fewest components that explain `share` (above 0 up to 1, often 0.9 to 0.99) of the variance.
    pub fn fit(rows: &[Vec<f64>], share: f64) -> Result<Self, FitError> {
        if !(share > 0.0 && share <= 1.0) {
            return setting("share", share, "a number above 0 up to 1");
        }
        let (filler, full) = Filler::fit(rows, 2)?;
        let standard = Standard::new(&full);
        let scaled: Vec<Vec<f64>> = full.iter().map(|r| standard.scale(r)).collect();
        let (n, m) = (scaled.len() as f64, filler.columns());
        let covariance = DMatrix::from_fn(m, m, |i, j| scaled.iter().map(|r| r[i] * r[j]).sum::<f64>() / n);
        let eigen = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..m).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let total: f64 = eigen.eigenvalues.iter().map(|v| v.max(0.0)).sum();
        let (mut directions, mut explained, mut sum) = (Vec::new(), Vec::new(), 0.0);
        for k in order {
            if sum >= share * total * (1.0 - 1e-12) {
                break;
            }
            sum += eigen.eigenvalues[k].max(0.0);
            explained.push(eigen.eigenvalues[k].max(0.0) / total);
            directions.push(eigen.eigenvectors.column(k).iter().copied().collect());
        }
        Ok(Self { filler, standard, directions, explained })
    }

    /// Shares of the variance that the components kept explain, largest first.
    pub fn explained(&self) -> &[f64] {
        &self.explained
    }
}

impl RowDetector for PrincipalResidual {
    fn columns(&self) -> usize {
        self.filler.columns()
    }

    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError> {
        let mut rest = self.standard.scale(&self.filler.row(row)?);
        for direction in &self.directions {
            let along: f64 = rest.iter().zip(direction).map(|(r, d)| r * d).sum();
            rest.iter_mut().zip(direction).for_each(|(r, d)| *r -= along * d);
        }
        Ok(rest.iter().map(|r| r * r).sum::<f64>().sqrt())
    }
}
