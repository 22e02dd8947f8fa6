//! Principal component pursuit: a matrix as a few common movements plus sparse exceptions.

use super::{Filler, RowDetector, setting};
use crate::{
    error::FitError,
    stats::{mad_sigma, median_in_place},
};
use nalgebra::DMatrix;

/// A matrix as the sum of a low-rank and a sparse one, by rows.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Decomposition {
    /// Common movements.
    pub low_rank: Vec<Vec<f64>>,
    /// Exceptions.
    pub sparse: Vec<Vec<f64>>,
    /// Rounds needed.
    pub rounds: usize,
}

/// Most rounds, and the relative error at which it is done (both as in the paper).
const ROUNDS: usize = 500;
const DONE: f64 = 1e-7;

/// Minimises nuclear norm of `L` + `lambda` · sum of absolute values of `S` with `L + S` = the rows.
///
/// `lambda` `None` is `1/√max(n, m)`, with which both parts are recovered exactly under mild conditions, however large the
/// exceptions are. Inexact augmented Lagrange multipliers (Lin, Chen & Ma 2010): one singular value decomposition a round, O(n · m²).
///
/// Candès, Li, Ma & Wright (2011), Robust principal component analysis?, JACM 58.
pub fn decompose_sparse(rows: &[Vec<f64>], lambda: Option<f64>) -> Result<Decomposition, FitError> {
    let (_, rows) = Filler::fit(rows, 1)?;
    let (n, m) = (rows.len(), rows[0].len());
    let lambda = lambda.unwrap_or_else(|| 1.0 / (n.max(m) as f64).sqrt());
    if !(lambda > 0.0 && lambda.is_finite()) {
        return setting("lambda", lambda, "a positive number");
    }
    let given = DMatrix::from_fn(n, m, |i, j| rows[i][j]);
    let (low, sparse, rounds) = pursue(&given, lambda);
    let out = |x: &DMatrix<f64>| x.row_iter().map(|r| r.iter().copied().collect()).collect();
    Ok(Decomposition { low_rank: out(&low), sparse: out(&sparse), rounds })
}

fn shrink(x: f64, by: f64) -> f64 {
    x.signum() * (x.abs() - by).max(0.0)
}

fn pursue(given: &DMatrix<f64>, lambda: f64) -> (DMatrix<f64>, DMatrix<f64>, usize) {
    let (n, m) = given.shape();
    let size = given.norm();
    let mut low = DMatrix::zeros(n, m);
    let mut sparse = DMatrix::zeros(n, m);
    if size <= 0.0 {
        return (low, sparse, 0);
    }
    let spectral = given.clone().singular_values().max();
    let dual = spectral.max(given.amax() / lambda);
    let mut multiplier = given / dual;
    let (mut penalty, most) = (1.25 / spectral, 1.25e7 / spectral);
    for round in 1..=ROUNDS {
        sparse = (given - &low + &multiplier / penalty).map(|x| shrink(x, lambda / penalty));
        let svd = (given - &sparse + &multiplier / penalty).svd(true, true);
        let (Some(u), Some(v)) = (svd.u, svd.v_t) else { return (low, sparse, round) };
        let kept = svd.singular_values.map(|s| shrink(s, 1.0 / penalty));
        low = u * DMatrix::from_diagonal(&kept) * v;
        let rest = given - &low - &sparse;
        multiplier += &rest * penalty;
        penalty = (penalty * 1.5).min(most);
        if rest.norm() <= DONE * size {
            return (low, sparse, round);
        }
    }
    (low, sparse, ROUNDS)
}

/// Distance of a row from the common movements of the training rows, whose own outliers do not bend them.
///
/// Metrics are centred by their median and scaled by their MAD, the training rows are decomposed ([`decompose_sparse`]), and the span of
/// the low-rank part is what is usual. Unlike [`PrincipalResidual`](super::PrincipalResidual) it may be fitted on rows that contain
/// incidents. At most 5,000 rows; fit O(rounds · n · m²), a row O(m · rank).
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::rows::{RobustPca, RowDetector};
/// let mut rows: Vec<Vec<f64>> = (0..200_u32).map(|i| {
///     let load = f64::from(i * 7 % 50);
///     vec![load, 2.0 * load, 100.0 - load]
/// }).collect();
/// rows[20][1] = 500.0; // an incident among the training rows
/// let mut detector = RobustPca::fit(&rows)?;
/// assert!(detector.score_row(&[25.0, 90.0, 75.0])? > 20.0 * detector.score_row(&[30.0, 60.0, 70.0])?);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RobustPca {
    filler: Filler,
    center: Vec<f64>,
    scale: Vec<f64>,
    directions: Vec<Vec<f64>>,
}

/// Share of the strongest movement below which a movement is none.
const FAINT: f64 = 1e-3;

impl RobustPca {
    /// Learns from 2 to 5,000 rows, some of which may be anomalous.
    pub fn fit(rows: &[Vec<f64>]) -> Result<Self, FitError> {
        if rows.len() > 5_000 {
            return setting("rows", rows.len() as f64, "at most 5000 rows: take every k-th");
        }
        let (filler, full) = Filler::fit(rows, 2)?;
        let column = |j: usize| full.iter().map(|r| r[j]).collect::<Vec<f64>>();
        let center: Vec<f64> = (0..filler.columns()).map(|j| median_in_place(&mut column(j))).collect();
        let scale: Vec<f64> = (0..filler.columns())
            .map(|j| {
                let sigma = mad_sigma(&mut column(j));
                let mean = column(j).iter().map(|v| (v - center[j]).abs()).sum::<f64>() / full.len() as f64;
                // A metric that hardly ever moves: its mean distance, else one.
                if sigma > 0.0 {
                    sigma
                } else if mean > 0.0 {
                    mean
                } else {
                    1.0
                }
            })
            .collect();
        let given = DMatrix::from_fn(full.len(), filler.columns(), |i, j| {
            ((full[i][j] - center[j]) / scale[j]).clamp(-1e6, 1e6)
        });
        let lambda = 1.0 / (full.len().max(filler.columns()) as f64).sqrt();
        let svd = pursue(&given, lambda).0.svd(false, true);
        let least = FAINT * svd.singular_values.max();
        let directions = svd.v_t.map_or_else(Vec::new, |v| {
            let kept = v.row_iter().zip(svd.singular_values.iter()).filter(|(_, s)| **s > least && **s > 0.0);
            kept.map(|(row, _)| row.iter().copied().collect()).collect()
        });
        Ok(Self { filler, center, scale, directions })
    }

    /// Common movements found.
    pub fn rank(&self) -> usize {
        self.directions.len()
    }
}

impl RowDetector for RobustPca {
    fn columns(&self) -> usize {
        self.filler.columns()
    }

    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError> {
        let row = self.filler.row(row)?;
        let scaled = |(j, v): (usize, &f64)| ((v - self.center[j]) / self.scale[j]).clamp(-1e6, 1e6);
        let mut rest: Vec<f64> = row.iter().enumerate().map(scaled).collect();
        for direction in &self.directions {
            let along: f64 = rest.iter().zip(direction).map(|(r, d)| r * d).sum();
            rest.iter_mut().zip(direction).for_each(|(r, d)| *r -= along * d);
        }
        Ok(rest.iter().map(|r| r * r).sum::<f64>().sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    #[test]
    fn low_rank_and_sparse_parts_are_recovered_exactly() {
        let mut rng = Pcg::new(4);
        let (n, m, rank) = (80, 60, 2);
        let u: Vec<Vec<f64>> = (0..n).map(|_| (0..rank).map(|_| rng.normal()).collect()).collect();
        let v: Vec<Vec<f64>> = (0..m).map(|_| (0..rank).map(|_| rng.normal()).collect()).collect();
        let low = |i: usize, j: usize| u[i].iter().zip(&v[j]).map(|(a, b)| a * b).sum::<f64>();
        let sparse: Vec<Vec<f64>> = (0..n)
            .map(|_| (0..m).map(|_| if rng.uniform() < 0.05 { 20.0 * rng.normal() } else { 0.0 }).collect())
            .collect();
        let rows: Vec<Vec<f64>> =
            (0..n).map(|i| (0..m).map(|j| low(i, j) + sparse[i][j]).collect()).collect();
        let found = decompose_sparse(&rows, None).unwrap();
        let worst = (0..n)
            .flat_map(|i| (0..m).map(move |j| (i, j)))
            .map(|(i, j)| (found.low_rank[i][j] - low(i, j)).abs())
            .fold(0.0, f64::max);
        assert!(worst < 1e-4, "{worst} after {} rounds", found.rounds);
    }

    #[test]
    fn incidents_in_training_do_not_bend_what_is_usual() {
        let mut rng = Pcg::new(6);
        let mut rows: Vec<Vec<f64>> = (0..300)
            .map(|_| {
                let load = rng.normal();
                (1..=6).map(|k| f64::from(k) * load + 0.01 * rng.normal()).collect()
            })
            .collect();
        (0..15).for_each(|i| rows[i * 20][2] += 30.0);
        let mut detector = RobustPca::fit(&rows).unwrap();
        let odd = detector.score_row(&[1.0, 2.0, 33.0, 4.0, 5.0, 6.0]).unwrap();
        let usual = detector.score_row(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert!(odd > 50.0 * usual && detector.rank() < 6, "{odd} {usual} rank {}", detector.rank());
    }
}
