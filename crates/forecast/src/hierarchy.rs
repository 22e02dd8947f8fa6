//! Hierarchical reconciliation: forecasts of components and of their sums made coherent.

use crate::error::FitError;
use nalgebra::{Cholesky, DMatrix, DVector};

/// Which leaves every total sums.
///
/// Nodes are ordered: totals first (in the order given), then the leaves.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Hierarchy, Reconcile};
/// let stack = Hierarchy::new(2, vec![vec![0, 1]])?;              // one total of two components
/// let coherent = stack.reconcile(&[10.0, 4.0, 3.0], &Reconcile::BottomUp)?;
/// assert_eq!(coherent, [7.0, 4.0, 3.0]);
/// let least_squares = stack.reconcile(&[10.0, 4.0, 3.0], &Reconcile::Ols)?;
/// assert!((least_squares[0] - 9.0).abs() < 1e-9 && (least_squares[1] - 5.0).abs() < 1e-9);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Hierarchy {
    leaves: usize,
    totals: Vec<Vec<usize>>, // INVARIANT: indices below `leaves`, each once
}

/// How incoherent forecasts become coherent.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Reconcile {
    /// Sums of the leaves.
    BottomUp,
    /// Least squares, every node equally trusted.
    Ols,
    /// Weighted least squares with the error variance of every node (totals first): MinT with a diagonal covariance.
    Wls(Vec<f64>),
}

impl Hierarchy {
    /// `totals[i]` lists the leaves that total `i` sums.
    pub fn new(leaves: usize, totals: Vec<Vec<usize>>) -> Result<Self, FitError> {
        if leaves == 0 {
            return Err(FitError::Setting { name: "leaves", value: 0.0, expected: "at least 1" });
        }
        for total in &totals {
            let mut sorted = total.clone();
            sorted.sort_unstable();
            sorted.dedup();
            if sorted.len() != total.len() || sorted.last().is_some_and(|&l| l >= leaves) {
                let value = total.iter().copied().max().unwrap_or(0) as f64;
                return Err(FitError::Setting {
                    name: "totals",
                    value,
                    expected: "distinct leaf indices below the count",
                });
            }
        }
        Ok(Self { leaves, totals })
    }

    /// Number of nodes, totals and leaves.
    pub const fn nodes(&self) -> usize {
        self.totals.len() + self.leaves
    }

    /// Reconciles one step: `forecasts` for all nodes in, coherent ones out.
    ///
    /// Wickramasuriya, Athanasopoulos & Hyndman (2019), Optimal forecast reconciliation through trace minimization, JASA 114.
    /// Cost: O(leaves³) for least squares.
    pub fn reconcile(&self, forecasts: &[f64], how: &Reconcile) -> Result<Vec<f64>, FitError> {
        let needed = self.nodes();
        if forecasts.len() != needed {
            return Err(FitError::Length { name: "forecasts", needed, found: forecasts.len() });
        }
        if let Some(index) = forecasts.iter().position(|v| !v.is_finite()) {
            return Err(FitError::OutOfRange { index, value: forecasts[index] });
        }
        let weights = match how {
            Reconcile::BottomUp => return Ok(self.sum_up(&forecasts[self.totals.len()..])),
            Reconcile::Ols => vec![1.0; needed],
            Reconcile::Wls(variances) => {
                if variances.len() != needed {
                    return Err(FitError::Length { name: "variances", needed, found: variances.len() });
                }
                if let Some(index) = variances.iter().position(|v| !(*v > 0.0 && v.is_finite())) {
                    return Err(FitError::NotPositive { index, value: variances[index] });
                }
                variances.iter().map(|v| 1.0 / v).collect()
            }
        };
        Ok(self.sum_up(&self.least_squares(forecasts, &weights)))
    }

    /// Leaves that minimise the weighted squared change of all nodes: solves `SᵀWS b = SᵀW ŷ`.
    fn least_squares(&self, forecasts: &[f64], weights: &[f64]) -> Vec<f64> {
        let t = self.totals.len();
        let mut normal = DMatrix::<f64>::zeros(self.leaves, self.leaves);
        let mut right = DVector::<f64>::zeros(self.leaves);
        for (k, total) in self.totals.iter().enumerate() {
            for &i in total {
                right[i] += weights[k] * forecasts[k];
                for &j in total {
                    normal[(i, j)] += weights[k];
                }
            }
        }
        for i in 0..self.leaves {
            normal[(i, i)] += weights[t + i];
            right[i] += weights[t + i] * forecasts[t + i];
        }
        // Positive definite: every leaf has a positive weight of its own.
        Cholesky::new(normal)
            .map_or_else(|| forecasts[t..].to_vec(), |c| c.solve(&right).iter().copied().collect())
    }

    fn sum_up(&self, leaves: &[f64]) -> Vec<f64> {
        let totals = self.totals.iter().map(|total| total.iter().map(|&i| leaves[i]).sum());
        totals.chain(leaves.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coherent_forecasts_stay_and_trusted_nodes_move_less() {
        let tree = Hierarchy::new(3, vec![vec![0, 1, 2], vec![0, 1]]).unwrap();
        let coherent = [6.0, 3.0, 1.0, 2.0, 3.0];
        for how in [Reconcile::Ols, Reconcile::Wls(vec![1.0, 2.0, 3.0, 4.0, 5.0])] {
            let out = tree.reconcile(&coherent, &how).unwrap();
            assert!(out.iter().zip(coherent).all(|(a, b)| (a - b).abs() < 1e-9), "{out:?}");
        }
        let trusted = tree
            .reconcile(&[9.0, 3.0, 1.0, 2.0, 3.0], &Reconcile::Wls(vec![1e-6, 1.0, 1.0, 1.0, 1.0]))
            .unwrap();
        assert!((trusted[0] - 9.0).abs() < 1e-3);
        assert!((trusted[0] - trusted[2..].iter().sum::<f64>()).abs() < 1e-9);
    }

    /// `S(SᵀWS)⁻¹SᵀWŷ` by numpy 2.4.6 (`linalg.solve`); 1e-9.
    #[test]
    fn reconciled_forecasts_equal_the_projection_by_numpy() {
        let tree = Hierarchy::new(3, vec![vec![0, 1, 2], vec![0, 1]]).unwrap();
        let cases = [
            (Reconcile::Ols, [8.025, 3.75, 1.425, 2.325, 4.275]),
            (
                Reconcile::Wls(vec![4.0, 2.5, 1.0, 0.5, 2.0]),
                [
                    7.551351351351352,
                    3.527027027027027,
                    1.3513513513513513,
                    2.175675675675676,
                    4.024324324324325,
                ],
            ),
        ];
        for (how, expected) in cases {
            let found = tree.reconcile(&[9.0, 3.0, 1.2, 2.1, 3.3], &how).unwrap();
            found.iter().zip(expected).for_each(|(f, e)| assert!((f - e).abs() < 1e-9, "{how:?}: {found:?}"));
        }
    }

    #[test]
    fn wrong_shapes_are_errors() {
        assert!(Hierarchy::new(2, vec![vec![0, 2]]).is_err());
        assert!(Hierarchy::new(2, vec![vec![1, 1]]).is_err());
        let ok = Hierarchy::new(1, vec![]).unwrap();
        assert!(matches!(
            ok.reconcile(&[], &Reconcile::Ols),
            Err(FitError::Length { needed: 1, found: 0, .. })
        ));
    }
}
